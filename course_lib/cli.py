"""The `course` command: run lessons, open them in JupyterLab, check this machine, pretrain nets, sweep, look into the cache.

    course run                                  # every lesson -> runs/index.html
    course run 04 --images photos/ --seeds 5    # one lesson, on your own images
    course lab                                  # JupyterLab on the lessons
    course doctor                               # what this machine has, and what is missing
    course progress                             # what you predicted and answered so far
    course record                               # the course's claims, and what was measured for them
    course data fetch pets                      # real photos from their own homes
    course predict dogs.safetensors photos/     # ask a model that net.export wrote; `course try` opens a page for it
    course slides 05                            # a lesson as slides: one page that needs no network

Exit status: 0 all well, 1 a lesson failed (or the doctor found something missing), 2 the command could not be
understood or carried out, 130 stopped with Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Collection
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from . import doctor
from .errors import CourseError
from .paths import ROOT, notebooks_dir

PATHS = ("images", "weights")  # parameters that may name a file or a folder
MODULES = {  # commands that live beside what they do: module with `add_arguments` and `command`, and a line of help
    "data": ("downloads.command", "real image sets: list, fetch, verify, remove"),
    "predict": ("taking_home.command", "ask an exported model about pictures"),
    "try": ("taking_home.try_command", "a local page to drop pictures on, for an exported model"),
    "slides": ("slides.command", "write slides of lessons, a page each"),
    "record": ("experiments.record_command", "measure the course's claims for data/ledger"),
    "sweep": ("sweeps.command", "run a function over a grid of configs"),
    "progress": ("progress", "your answers so far, kept on this machine"),
    "cache": ("cache.command", "list, check or clear what is kept on disk"),
}
OPTIONS = ("images", "model", "weights", "size", "seeds")  # become the lesson's parameters of the same name


def main(arguments: list[str] | None = None) -> int:
    """The entry point; returns the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        if given[:1] == ["lab"] and not {"-h", "--help"} & set(given):
            return lab(given[1:])  # JupyterLab's own options are not for argparse
        options, unknown = (parser := _parser(given)).parse_known_args(given)
        if unknown:
            parser.unknown(options.command, unknown[0])
        if options.command == "run":
            return run(options)
        if options.command in MODULES:
            return _module(options.command).command(options)
        if options.command == "pretrain":
            return pretrain(options)
        return check_machine(options.out)
    except CourseError as error:
        print(f"course: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ncourse: stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # who read our output has seen enough, as in `course data | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes at its end
        return 0


def run(options: argparse.Namespace) -> int:
    """Run lessons one after the other, write their pages and the index; 1 if one of them failed."""
    from .export import write_index, write_page
    from .lessons import check_parameters, find, lessons
    from .lessons import run as run_lesson

    chosen = list(dict.fromkeys(map(find, options.lesson))) or lessons()
    if not chosen:
        raise CourseError(f"There are no lessons in {notebooks_dir()}.")
    parameters = {name: getattr(options, name) for name in OPTIONS if getattr(options, name) is not None}
    parameters = _check(parameters)
    for lesson in chosen:
        check_parameters(lesson, parameters)
    _make(options.out)
    show, failed = _Line(), 0
    for number, lesson in enumerate(chosen, 1):
        show.prefix = f"[{number}/{len(chosen)}] "
        outcome = run_lesson(lesson, parameters, options.out, show.progress)
        page = write_page(outcome, lesson.parent)
        show.end(f"{outcome.name}  {'failed' if outcome.error else 'ok'}  {outcome.seconds:.1f} s  {_near(page)}")
        if outcome.error:
            failed += 1
            print(f"course: {outcome.name}, {outcome.error}", file=sys.stderr)
    print(f"{len(chosen) - failed} of {len(chosen)} lessons ran well. Open {_near(write_index(options.out))}")
    return 1 if failed else 0


def lab(arguments: list[str]) -> int:
    """JupyterLab on the lessons, for this machine only, with its access token; further arguments are JupyterLab's."""
    for argument in arguments:
        option = argument.partition("=")[0].lstrip("-").rpartition(".")[2]
        if argument.startswith("-") and option in ("ip", "token", "password", "allow_remote_access", "allow_origin"):
            raise CourseError(
                f"{argument} is not accepted: `course lab` listens on this machine only and keeps its access token. "
                "To serve others, start `jupyter lab` yourself and read its guide on security."
            )
    from .lessons import environment

    here = ["--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={notebooks_dir()}"]
    quiet = Path(__file__).parent / "lab_config"  # JupyterLab would ask, over the first lesson, whether to fetch news
    paths = os.pathsep.join(filter(None, [os.environ.get("JUPYTER_CONFIG_PATH"), str(quiet)]))
    known = environment() | {"JUPYTER_CONFIG_PATH": paths}
    with subprocess.Popen([sys.executable, "-m", "jupyterlab", *here, *arguments], env=known) as server:
        while True:
            try:
                return server.wait()
            except KeyboardInterrupt:  # JupyterLab was told as well, and asks before it stops
                continue


def check_machine(out: Path) -> int:
    """Print what this machine has; 1 if something that lessons need is missing."""
    found = list(doctor.checks(out))
    for check in found:
        print(f"{check.state:8} {check.text}")
        if check.remedy:
            print(f"{'':8}   -> {check.remedy}")
    missing = [check.name for check in found if check.state == "missing"]
    print(
        f"\nMissing: {', '.join(missing)}."
        if missing
        else "\nAll that the lessons need is here. Start with: course lab"
    )
    return 1 if missing else 0


def pretrain(options: argparse.Namespace) -> int:
    """Train one of the shipped nets again, from its recipe."""
    from .pretrain import pretrain as train

    more = {"epochs": options.epochs, "images": options.images, "out": options.out}
    path = train(options.name, progress=lambda text: print(text, flush=True), **more)
    print(f"Written: {_near(path)}")
    return 0


def _check(parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters with paths made absolute (a kernel works in another folder); refuses what cannot work, early."""
    from .models import load
    from .sources import check_source

    checked = dict(parameters)
    for name in PATHS:
        value = parameters.get(name)
        if value is None:
            continue
        path = Path(value).expanduser()
        if path.exists():
            checked[name] = str(path.absolute())
        elif "/" in value or "\\" in value or path.suffix in (".safetensors", ".pth", ".pt"):
            raise CourseError(
                f"--{name} {value}: there is no such file or folder. Check the path (seen from {Path.cwd()})."
            )
    if "images" in checked:
        check_source(checked["images"])
    if {"model", "weights"} & checked.keys():
        model, weights = checked.get("model", "pawnet"), checked.get("weights")
        if weights is None and model != "pawnet":
            raise CourseError(
                f"--model {model} needs --weights: a file, or DEFAULT for torchvision's own, which are downloaded once."
            )
        load(
            model, classes=("one", "other"), weights=weights or "animals"
        )  # refuses what does not fit, before a kernel starts
    return checked


def _module(command: str) -> Any:
    return import_module(f".{MODULES[command][0]}", __package__)


def _make(folder: Path) -> None:
    """Make the folder of the pages now, so that a wrong one is not found out after an hour."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CourseError(
            f"--out {folder}: this folder cannot be made ({error.strerror}). Choose another one."
        ) from error


class _Line:
    """The progress of a run: one line that is rewritten in a terminal, a line for each cell elsewhere."""

    def __init__(self) -> None:
        self.prefix = ""
        self.live = sys.stdout.isatty()

    def progress(self, at: Any) -> None:
        """Show a `lessons.Progress`."""
        self._show(
            f"{at.lesson}  {at.cell}/{at.cells}  {at.heading}  {at.seconds:.1f} s", end="" if self.live else "\n"
        )

    def end(self, text: str) -> None:
        """Show the last line of a lesson, which stays."""
        self._show(text, end="\n")

    def _show(self, text: str, end: str) -> None:
        text = self.prefix + text
        if self.live:
            width = shutil.get_terminal_size().columns - 1
            text = f"\r{text[:width]:{width}}"
        print(text, end=end, flush=True)


class _Parser(argparse.ArgumentParser):
    """argparse, with its errors as one sentence like all others of the course."""

    def error(self, message: str) -> NoReturn:
        raise CourseError(f"{message}. See: {self.prog} --help")

    def unknown(self, command: str, argument: str) -> NoReturn:
        """Say which options a command has, in answer to one that it does not have."""
        assert self._subparsers is not None
        (commands,) = self._subparsers._group_actions
        known = [option for option in commands.choices[command]._option_string_actions if option.startswith("--")]
        raise CourseError(f"`course {command}` does not know {argument}; it knows {', '.join(known)}.")


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        print(f"course {doctor.version('transfer-learning-course') or '(not installed)'}")
        parser.exit()


def _whole(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number from 1 on is needed, received {text!r}")
    return int(text)


def _parser(given: Collection[str]) -> argparse.ArgumentParser:
    parser = _Parser(prog="course", description="Transfer learning, as lessons that run.", allow_abbrev=False)
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and stop")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands")

    one = commands.add_parser("run", help="run lessons into HTML pages", allow_abbrev=False)
    one.add_argument("lesson", nargs="*", metavar="LESSON", help="number, name or path; none = all lessons")
    one.add_argument("--images", metavar="X", help="a source of images by name, or a folder (or zip) of photos")
    one.add_argument("--model", metavar="M", help="a model by name, e.g. pawnet or resnet18")
    one.add_argument("--weights", metavar="W", help="pretrained weights by name, or a file")
    one.add_argument("--size", choices=("small", "full"), help="small for a laptop (about a minute a lesson), or full")
    one.add_argument("--seeds", metavar="N", type=_whole, help="repetitions of each experiment")
    one.add_argument(
        "--out", metavar="FOLDER", type=Path, default=ROOT / "runs", help="where the pages go (default: runs)"
    )

    commands.add_parser("lab", help="JupyterLab on the lessons; further options are JupyterLab's")
    machine = commands.add_parser("doctor", help="what this machine has, and what is missing", allow_abbrev=False)
    machine.add_argument(
        "--out", metavar="FOLDER", type=Path, default=ROOT / "runs", help="a folder for pages to look at"
    )
    net = commands.add_parser("pretrain", help="train a shipped net again", allow_abbrev=False)
    net.add_argument("name", metavar="NAME", help="animals, photos, textures, digits or shuffled")
    net.add_argument("--images", metavar="FOLDER", help="for photos: the folder of Imagenette2-160")
    net.add_argument("--epochs", metavar="N", type=_whole, help="passes over the images (default: as shipped)")
    net.add_argument("--out", metavar="FOLDER", type=Path, help="where to write (default: data/weights)")
    for name, (_, what) in MODULES.items():
        command = commands.add_parser(name, help=what, allow_abbrev=False)
        if name in given:  # the others are not asked for, and some of them load torch
            _module(name).add_arguments(command)
    return parser


def _near(path: Path) -> str:
    """A path as seen from here, where that is shorter."""
    return os.path.relpath(path) if path.absolute().is_relative_to(Path.cwd()) else str(path)


if __name__ == "__main__":
    sys.exit(main())
