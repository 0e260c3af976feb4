"""The one command: `python -m benchmarks`. See the package's docstring for examples."""

from __future__ import annotations

import argparse
import datetime
import shutil
import tempfile
import time
from pathlib import Path

from .machine import commit, machine, versions
from .material import Material
from .report import read_books, readme
from .runs import ROOT, Book, run_task
from .tasks import TASKS, Task

HERE = Path(__file__).parent
QUICK = (8, 4)  # train and val photos of each class


def main(arguments: list[str] | None = None) -> None:
    """Run the tasks, write results/*.json after each run, and README.md."""
    options = _parse(arguments)
    out = options.out or (ROOT / "runs" / "benchmarks" if options.quick else HERE)
    results, start = out / "results", time.perf_counter()
    facts = {"machine": machine(), "versions": versions(), "commit": commit(), "date": str(datetime.date.today())}
    with tempfile.TemporaryDirectory(prefix="benchmarks-photos-") as scratch:
        makers = Makers(options, Path(scratch))
        for name in () if options.report else options.only or TASKS:
            task = TASKS[name]
            if task.device == "cuda" and facts["machine"]["GPU"] == "none":
                if not (results / f"{name}.json").is_file():  # figures from a machine with a GPU stay
                    Book(results / f"{name}.json", {"not_run": "no GPU"}).write()
                say(start, f"{name}: not run: no GPU")
                continue
            material = makers.material(task)
            epochs = 1 if options.quick else task.epochs
            settings = {"task": name, "material": material.text, "epochs": epochs, "repeats": options.repeats}
            book = Book(results / f"{name}.json", {**facts, **settings}, options.resume)
            run_task(name, task, material, book, options.repeats, lambda text: say(start, text))
    out.mkdir(parents=True, exist_ok=True)
    (out / "README.md").write_text(readme(read_books(results)), encoding="utf-8")
    say(start, f"wrote {out / 'README.md'}")


class Makers:
    """Makes the material of a task: photos from the command line, or drawn dogs written as files.

    Arguments:
        options: of the command line.
        scratch: folder for drawn photos.
    """

    def __init__(self, options: argparse.Namespace, scratch: Path) -> None:
        self.options, self.scratch = options, scratch

    def material(self, task: Task) -> Material:
        given = self.options.data is not None and not task.drawn
        photos = self.options.data.resolve() if given else self._drawn()
        if self.options.quick:
            photos = _few(photos, self.scratch / "quick" / photos.name)
        if task.large:
            photos = _large(photos, self.scratch / "large" / photos.name, 2 if self.options.quick else 5)
        if task.kind == "features" and task.size and not task.network:
            return Material(str(photos), "pawnet", "animals", task.size)
        if task.network == "resnet50":
            return Material(str(photos), "resnet50", _torchvision_weights("resnet50"), task.size)
        if given and self.options.weights:
            return Material(str(photos), "mobilenet_v2", str(self.options.weights.resolve()), 224)
        return Material(str(photos), "pawnet", "animals", 64)

    def _drawn(self) -> Path:
        folder = self.scratch / "drawn dogs"
        if not folder.exists():
            from PIL import Image

            import course_lib as cl

            dogs = cl.load_images("dogworld", per_class=25)
            for split in ("train", "val"):
                for row in dogs.rows(split).tolist():
                    path = folder / split / dogs.classes[dogs.labels[row]] / f"{row:04}.png"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(dogs.images[row].permute(1, 2, 0).numpy()).save(path)
        return folder


def _few(photos: Path, folder: Path) -> Path:
    """A copy of the first photos of each class."""
    if not folder.exists():
        for split, count in zip(("train", "val"), QUICK, strict=True):
            for place in sorted(path for path in (photos / split).iterdir() if path.is_dir()):
                (folder / split / place.name).mkdir(parents=True)
                for path in sorted(place.iterdir())[:count]:
                    shutil.copy(path, folder / split / place.name / path.name)
    return folder


def _large(photos: Path, folder: Path, count: int) -> Path:
    """The first photos of each class, enlarged to 4000 x 3000 px, with the grain of a sensor."""
    if not folder.exists():
        import numpy as np
        from PIL import Image

        draw = np.random.default_rng(0)
        grain = draw.normal(0, 6, (3000, 4000, 1)).astype(np.int16)
        for path in sorted(photos.glob("*/*/*")):
            target = folder / path.relative_to(photos).with_suffix(".jpg")
            target.parent.mkdir(parents=True, exist_ok=True)
            if len(list(target.parent.iterdir())) < count:
                with Image.open(path) as image:
                    big = np.asarray(image.convert("RGB").resize((4000, 3000), Image.Resampling.BICUBIC))
                Image.fromarray((big + grain).clip(0, 255).astype(np.uint8)).save(target, quality=90)
    return folder


def _torchvision_weights(network: str) -> str | None:
    """`DEFAULT` where torchvision's file was downloaded before, else None: random weights, the same for all contenders."""
    import torch
    import torchvision

    url = torchvision.models.get_model_weights(network).DEFAULT.url
    return "DEFAULT" if Path(torch.hub.get_dir(), "checkpoints", url.rpartition("/")[2]).is_file() else None


def say(start: float, text: str) -> None:
    """A line of progress with the minutes since the start."""
    print(f"[{(time.perf_counter() - start) / 60:5.1f} min] {text}", flush=True)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="photos: train/CLASS/*.jpg and val/CLASS/*.jpg")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="ImageNet weights of mobilenet_v2, .safetensors")
    parser.add_argument("--only", action="append", choices=list(TASKS), metavar="NAME", help=", ".join(TASKS))
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="rounds (3)")
    parser.add_argument("--quick", action="store_true", help="few photos, 1 epoch: shows that all runs, nothing more")
    parser.add_argument("--resume", action="store_true", help="keep the runs that are done, go on with the others")
    parser.add_argument("--report", action="store_true", help="run nothing, write README.md from the results at hand")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="for results/ and README.md (this package's folder)")
    options = parser.parse_args(arguments)
    if options.weights and not options.data:
        parser.error("--weights goes with --data: mobilenet_v2 was trained on photos, the drawn dogs are small.")
    for path in filter(None, (options.data, options.weights)):
        if not path.exists():
            parser.error(f"{path} does not exist.")
    if options.data and not all((options.data / split).is_dir() for split in ("train", "val")):
        parser.error(f"{options.data} needs the folders train/ and val/, each with one folder of photos a class.")
    if options.repeats < 1:
        parser.error(f"--repeats is a whole number from 1; received {options.repeats}.")
    return options


if __name__ == "__main__":
    main()
