"""Accuracy over images per class for several ways of learning: the question "how few images suffice?".

    ways = [Way("from scratch", None, from_scratch), Way("frozen features", "animals", feature_extraction())]
    curve = watch(learning_curve(dogs, "pawnet", ways, per_class=(5, 20), seeds=3))
    curve.table()

Each run is trained on a subset drawn by its seed, from weights drawn by its seed, and measured on the test split. Runs that
were done before with the same settings and code are read, not repeated.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..devices import choose_device
from ..errors import CourseError
from ..evaluation import evaluate
from ..images import ImageSet
from ..intervals import Z, accuracy_interval, mean_interval
from ..models import load
from ..paths import weights_dir
from ..stage import Stage
from ..tables import Table
from ..train import Record, fit
from ..weights import sha256
from .store import keep, kept


@dataclass(frozen=True)
class Way:
    """A way of learning.

    Attributes:
        name: what charts call it.
        weights: what it starts from, as for `load`; None for random weights.
        recipe: training images a class -> its stages (few images are passed over more often).
        seeds: runs for each number of images, each with training images and a head of its own.
        size: pixels that images are scaled to, as for `load`.
    """

    name: str
    weights: str | None
    recipe: Callable[[int], list[Stage]]
    seeds: int = 3
    size: int | None = None


@dataclass(frozen=True)
class Run:
    """One trained network: its way, images per class, seed, and accuracies from 0 to 1.

    `hits` has one character a test image, `1` where it was named rightly.
    """

    way: str
    per_class: int
    seed: int
    accuracy: float
    val_accuracy: float
    hits: str
    steps: int
    seconds: float
    repeated: bool


@dataclass(frozen=True)
class Step:
    """Where a learning curve stands: how much is done (0 to 1), the run in words, and the record of its training."""

    progress: float
    label: str
    record: Record | None = None

    @property
    def text(self) -> str:
        """The line to show; reading it waits for the device."""
        return f"{self.label}; {self.record.text}" if self.record else self.label


@dataclass(frozen=True)
class Curve:
    """All runs of a learning curve.

    Attributes:
        runs: in the order they were done.
        test_images: number of images in the test split.
        classes: number of classes.
        seconds: time that this call took.
    """

    runs: tuple[Run, ...]
    test_images: int
    classes: int
    seconds: float

    @property
    def ways(self) -> list[str]:
        return list(dict.fromkeys(run.way for run in self.runs))

    @property
    def sizes(self) -> list[int]:
        return sorted({run.per_class for run in self.runs})

    def accuracies(self, way: str, per_class: int) -> list[float]:
        """Test accuracies, one for each seed."""
        found = [run.accuracy for run in self.runs if (run.way, run.per_class) == (way, per_class)]
        if not found:
            raise CourseError(
                f"No run of {way!r} with {per_class} images per class; ways: {self.ways}, sizes: {self.sizes}."
            )
        return found

    def point(self, way: str, per_class: int) -> tuple[float, float, float]:
        """Mean test accuracy with its 95 % interval: (mean, low, high), 0 to 1."""
        found = self.accuracies(way, per_class)
        return float(np.mean(found)), *accuracy_interval(found, self.test_images)

    def points(self) -> dict[str, list[tuple[int, float, float, float]]]:
        """For a picture: way -> (images per class, mean, low, high)."""
        return {way: [(n, *self.point(way, n)) for n in self.sizes] for way in self.ways}

    def gain(self, way: str, over: str, per_class: int) -> tuple[float, float, float]:
        """Mean difference of two ways with its 95 % interval: (mean, low, high), in accuracy.

        Both ways have the same training images at the same seed, and the same test images, so differences are taken
        pair by pair. The interval holds what seeds change (Student's t) and what other test images would change.
        """
        pairs = list(
            zip(self.hits(way, per_class), self.hits(over, per_class), strict=False)
        )  # the seeds that both have
        difference = np.array([a - b for a, b in pairs])  # seeds, test images
        mean = float(difference.mean())
        between_seeds = mean - mean_interval(difference.mean(1))[0] if len(pairs) > 1 else 0.0
        between_images = Z * difference.mean(0).std() / np.sqrt(difference.shape[1])
        spread = float(np.hypot(between_seeds, between_images))
        return mean, mean - spread, mean + spread

    def hits(self, way: str, per_class: int) -> np.ndarray:
        """Which test images were named rightly: float seeds,images of 0 and 1."""
        self.accuracies(way, per_class)  # refuses what is not there
        found = [run.hits for run in self.runs if (run.way, run.per_class) == (way, per_class)]
        return np.array([[float(mark) for mark in marks] for marks in found])

    def table(self) -> Table:
        """One row for each way and size: accuracy with interval, seeds, seconds a run."""
        rows = [["chance", "-", f"{100 / self.classes:.1f} %", "-", "-", "-"]]
        for way in self.ways:
            for n in self.sizes:
                mean, low, high = self.point(way, n)
                runs = [run for run in self.runs if (run.way, run.per_class) == (way, n)]
                seconds = np.mean([run.seconds for run in runs])
                rows.append([way, n, f"{mean:.1%}", f"{low:.1%} to {high:.1%}", len(runs), f"{seconds:.1f}"])
        columns = ("way", "images per class", "test accuracy", "95 % interval", "seeds", "seconds a run")
        return Table(columns, rows, f"Accuracy on {self.test_images} test images, mean over seeds")

    @property
    def note(self) -> str:
        """What was worked out and what was read, in a sentence."""
        repeated = sum(run.repeated for run in self.runs)
        return (
            f"{len(self.runs)} runs in {self.seconds:.1f} s; {repeated} of them had been done before with the same settings and were "
            f"read from the cache. Worked out from nothing they take {sum(run.seconds for run in self.runs):.0f} s."
        )


def learning_curve(
    images: ImageSet, model: str, ways: Sequence[Way], per_class: Sequence[int], *, device: str | None = None
) -> Generator[Step, None, Curve]:
    """Train and measure every way with every number of images and every seed.

    Arguments:
        images: whose train split is thinned; test is reported on.
        model: architecture, as for `load`.
        ways: what is compared.
        per_class: numbers of training images a class.

    Yields: `Step`; the generator's return value is the `Curve` (use `watch`).
    """
    device = choose_device(device).type
    plan = [(way, n, seed) for n in per_class for way in ways for seed in range(way.seeds)]
    data = _fingerprint(images)
    sources = {way.weights: _source(model, way.weights) for way in ways}
    start, runs = time.perf_counter(), []
    for number, (way, n, seed) in enumerate(plan):
        text = f"run {number + 1} of {len(plan)}: {way.name}, {n} images per class, seed {seed}"
        yield Step(number / len(plan), text)
        settings = {
            "images": data,
            "model": model,
            "weights": sources[way.weights],
            "size": way.size,
            "recipe": [asdict(stage) for stage in way.recipe(n)],
            "per_class": n,
            "seed": seed,
            "torch": torch.__version__,
            "device": device,
        }
        result = kept(settings)
        repeated = result is not None
        if result is None:
            for_run = _train(images.subset(n, seed), model, way, way.recipe(n), seed, device)
            result = keep(settings, (yield from _steps(for_run, text, number, len(plan))))
        runs.append(Run(way.name, n, seed, repeated=repeated, **result))
    seconds = time.perf_counter() - start
    yield Step(1.0, f"{len(plan)} runs in {seconds:.1f} s")
    return Curve(tuple(runs), len(images.rows("test")), len(images.classes), seconds)


def _steps(work: Generator[Record, None, dict], label: str, number: int, total: int) -> Generator[Step, None, dict]:
    """The records of one run as steps of the whole; its result comes back."""
    while True:
        try:
            record = next(work)
        except StopIteration as end:
            return end.value
        yield Step((number + record.progress) / total, label, record)


def _train(
    images: ImageSet, model: str, way: Way, recipe: list[Stage], seed: int, device: str
) -> Generator[Record, None, dict[str, Any]]:
    """Train and measure one network: yields the records, returns the result."""
    start = time.perf_counter()
    net = load(model, classes=images.classes, weights=way.weights, seed=seed, size=way.size)
    for record in fit(net, images, recipe, seed=seed, device=device, validate_every=0):
        yield record
    frozen = min(net.cut(stage.frozen) for stage in recipe)
    result = evaluate(net, images, "test", frozen=frozen)
    return {
        "accuracy": result.accuracy,
        "hits": "".join("1" if right else "0" for right in result.correct.tolist()),
        "val_accuracy": record.val.accuracy,
        "steps": record.step,
        "seconds": time.perf_counter() - start,
    }


def _fingerprint(images: ImageSet) -> str:
    """SHA-256 of pixels, labels and splits."""
    digest = hashlib.sha256(images.checksum.encode())
    for part in (images.labels, *(images.splits[name] for name in sorted(images.splits))):
        digest.update(part.numpy().tobytes())
    return digest.hexdigest()


def _source(model: str, weights: str | None) -> str:
    """What the starting weights depend on, without loading them."""
    if weights is None:
        return "random"
    for path in (Path(weights), weights_dir() / f"{model}_{weights}.safetensors"):
        if path.is_file():
            return sha256(path)
    return weights
