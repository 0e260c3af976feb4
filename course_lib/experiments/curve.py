"""Curve: what a learning curve found, run by run, with the intervals that it must be told with.

curve = watch(learning_curve(dogs, "pawnet", ways, per_class=(5, 20)))
curve.point("frozen features", 20)                 # mean accuracy, low, high
curve.gain("frozen features", "from scratch", 20)  # seed by seed, with the same training images
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import CourseError
from ..evaluation import Evaluation
from ..intervals import Z, accuracy_interval, mean_interval
from ..tables import Table
from ..training.stage import Stage


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
    """One trained network: its way, images per class, seed, and its accuracy on the test split, from 0 to 1.

    `hits` has one character a test image, `1` where it was named rightly. `seconds` of a run that was trained side by side
    with others is its share of their time, by steps.
    """

    way: str
    per_class: int
    seed: int
    accuracy: float
    hits: str
    steps: int
    seconds: float
    repeated: bool


@dataclass(frozen=True)
class Curve:
    """All runs of a learning curve.

    Attributes:
        runs: in the order they were done.
        test_images: number of images in the test split.
        classes: number of classes.
        seconds: time that this call took.
        stacked: how many runs this call trained side by side, as heads on one body.
    """

    runs: tuple[Run, ...]
    test_images: int
    classes: int
    seconds: float
    stacked: int = 0

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
                rows.append([way, n, f"{mean:.1%}", f"{low:.1%} to {high:.1%}", len(runs), f"{seconds:.2f}"])
        columns = ("way", "images per class", "test accuracy", "95 % interval", "seeds", "seconds a run")
        return Table(columns, rows, f"Accuracy on {self.test_images} test images, mean over seeds")

    @property
    def note(self) -> str:
        """What was worked out and what was read, in a sentence."""
        repeated = sum(run.repeated for run in self.runs)
        beside = (
            f" {self.stacked} runs were trained side by side; each is given its share of that time."
            if self.stacked
            else ""
        )
        return (
            f"{len(self.runs)} runs in {self.seconds:.1f} s; {repeated} of them had been done before with the same settings and were "
            f"read from the cache. Worked out from nothing they take {sum(run.seconds for run in self.runs):.0f} s."
            f"{beside}"
        )


def result_of(test: Evaluation, steps: int, seconds: float) -> dict[str, Any]:
    """What is kept of a run."""
    return {
        "accuracy": test.accuracy,
        "hits": "".join("1" if right else "0" for right in test.correct.tolist()),
        "steps": steps,
        "seconds": seconds,
    }


def result_from(found: dict[str, Any] | None) -> dict[str, Any] | None:
    """What `result_of` gave, as it was kept by this version of the course or an older one; None where it lacks something."""
    names = ("accuracy", "hits", "steps", "seconds")
    return None if found is None or any(name not in found for name in names) else {name: found[name] for name in names}
