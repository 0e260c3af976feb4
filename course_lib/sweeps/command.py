"""`course sweep`: a sweep from the command line, with its progress in one line and its table at the end.

    course sweep --set weights=null,animals --set per_class=5,20 --set seed=0,1,2
    course sweep my_runs.py:train --grid grid.json --workers 2 --csv results.csv
    course sweep --grid grid.json --dask tcp://127.0.0.1:8786

Exit status: 0 all runs have a result, 1 some failed, 2 the sweep could not be understood or carried out, 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..errors import CourseError
from ..paths import atomic, cache_dir
from .grid import Config, combine, configs, in_words
from .outcome import Sweep
from .sweep import sweep


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `course sweep`."""
    parser.add_argument(
        "function",
        nargs="?",
        metavar="FILE.py:NAME",
        help="a function config -> dict (default: train_once, a training)",
    )
    parser.add_argument(
        "--grid", metavar="FILE", type=Path, help="JSON: a dict of lists to combine, or a list of configs"
    )
    parser.add_argument(
        "--set", metavar="NAME=A,B", action="append", default=[], help="values of one name, combined with all others"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--workers", metavar="N", type=_whole, help="run in N processes of this machine")
    where.add_argument("--dask", metavar="ADDRESS", help="run on a Dask cluster, such as tcp://127.0.0.1:8786")
    where.add_argument("--slurm", metavar="PARTITION", help="run on Slurm, one job a run")
    parser.add_argument(
        "--minutes", metavar="N", type=_whole, help="of --slurm: the longest that a job takes (default: 60)"
    )
    parser.add_argument("--gpus", metavar="N", type=_whole, help="of --slurm: GPUs of a job (default: none)")
    parser.add_argument("--store", metavar="FOLDER", type=Path, help="where results are kept (default: in the cache)")
    parser.add_argument("--csv", metavar="FILE", type=Path, help="write the table to this file as well")


def command(options: argparse.Namespace) -> int:
    """Run a sweep from `add_arguments`' options; prints its progress and table. Raises `CourseError`."""
    for name in ("minutes", "gpus"):
        if getattr(options, name) is not None and not options.slurm:
            raise CourseError(f"--{name} is for jobs on Slurm; give --slurm PARTITION with it.")
    if options.csv and not options.csv.absolute().parent.is_dir():
        raise CourseError(f"--csv {options.csv}: there is no folder {options.csv.parent} to write to.")
    asked, run = _asked(options), _function(options.function)
    with _opened(options) as executor:
        done = _show(sweep(run, asked, executor, store=options.store))
    print(done.table())
    if options.csv:
        with atomic(options.csv) as file:
            file.write(done.csv().encode())
    for failed in done.failed[:3]:
        print(f"course: {in_words(failed.config)}:\n{failed.traceback}", file=sys.stderr)
    return 1 if done.failed else 0


def values(text: str) -> tuple[str, list[Any]]:
    """`lr=1e-3,1e-2` as a name and its values: JSON, Python, or else texts; a comma inside brackets does not part them."""
    name, equals, rest = text.partition("=")
    if not name or not equals or not rest:
        raise CourseError(f"--set takes NAME=VALUE or NAME=VALUE,VALUE,...; received {text!r}.")
    with contextlib.suppress(ValueError):
        return name, json.loads(f"[{rest}]")
    return name, [_value(part) for part in rest.split(",")]


def _value(text: str) -> Any:
    with contextlib.suppress(ValueError):
        return json.loads(text)
    with contextlib.suppress(ValueError, SyntaxError):
        found = ast.literal_eval(text)
        if found is None or isinstance(found, (bool, int, float, str)):
            return found
    return text


def _asked(options: argparse.Namespace) -> list[Config]:
    """The configs that --grid and --set ask for."""
    asked: list[Config] = [{}]
    if options.grid:
        try:
            asked = configs(json.loads(options.grid.read_text(encoding="utf-8")))
        except OSError as error:
            raise CourseError(f"--grid {options.grid}: this file cannot be read ({error.strerror}).") from error
        except json.JSONDecodeError as error:
            raise CourseError(f"--grid {options.grid} is not JSON ({error}).") from error
    elif not options.set:
        raise CourseError("A sweep needs configs: give --grid FILE, --set NAME=A,B, or both.")
    axes: dict[str, list[Any]] = {}
    for name, given in map(values, options.set):
        if name in axes:
            raise CourseError(f"--set {name} is given twice; give all its values in one: --set {name}=A,B,C.")
        axes[name] = given
    return combine(asked, configs(axes))


def _function(text: str | None) -> Callable[[Config], dict[str, Any]]:
    if text is None:
        from .train_once import train_once

        return train_once
    from .function import load_function

    return load_function(text)


@contextlib.contextmanager
def _opened(options: argparse.Namespace) -> Iterator[Any]:
    """The executor that the options ask for."""
    from . import executors

    if options.workers:
        with executors.pool(options.workers) as executor:
            yield executor
    elif options.dask:
        with executors.dask(options.dask) as executor:
            yield executor
    elif options.slurm:
        folder = (options.store or cache_dir() / "sweeps") / "slurm"
        with executors.slurm(options.slurm, folder.absolute(), options.minutes or 60, options.gpus or 0) as executor:
            yield executor
    else:
        yield None


def _show(work: Iterator[Sweep]) -> Sweep:
    """Show a sweep as it goes: one line that is rewritten in a terminal, a line for each run elsewhere."""
    live, known = sys.stdout.isatty(), 0
    at = None
    try:
        for at in work:
            if live:
                width = shutil.get_terminal_size().columns - 1
                print(f"\r{f'{at.progress:4.0%}  {at.text}'[:width]:{width}}", end="", flush=True)
            elif len(at.runs) > known:
                print(f"{at.progress:4.0%}  {at.text}", flush=True)
                known = len(at.runs)
    except KeyboardInterrupt:
        kept = len(at.rows) if at else 0
        print(f"\n{kept} runs are kept; the same command goes on from there.", flush=True)
        raise
    finally:
        work.close()  # type: ignore[attr-defined]
    if live:
        print()
    assert at is not None  # a sweep shows where it stands before it starts
    return at


def _whole(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number from 1 on is needed, received {text!r}")
    return int(text)
