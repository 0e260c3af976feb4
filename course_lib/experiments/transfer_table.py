"""Isolated learning beside transfer: the table of lesson 01, measured, and what the lesson asks of the same pictures.

    ears = asked(day, "ears")                                  # the same pixels under another task
    cases = [Case("ears by day", "same", "other", ears), Case("breed by night", "other", "same", night)]
    table = watch(transfer_table(cases, per_class=5, seeds=4))
    table.plot()

Isolated: random weights, all blocks trained on the few images of the target. Transfer: a pretrained body, frozen, and a new
head trained on the same images. Seeds draw images and weights; both ways get the same images, so gains are told in pairs.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from ..domains import labels_of, task_classes
from ..errors import CourseError
from ..features import FeatureSet, dense
from ..images import ImageSet
from ..plots import BLUE, GREY, ORANGE, Picture, figure
from ..tables import Table
from ..training.draws import batches_in
from ..training.recipes import feature_extraction, from_scratch
from ..training.stage import Stage
from ..training.train import fit
from .curve import Curve, Way
from .findings import At
from .learning_curve import learning_curve

ISOLATED, TRANSFER = "isolated", "transfer"
BATCH = 16
# Measured with 5 images a class and 3 seeds, ears by day and breed by night: 20 to 50 steps, 60 to 160 and 200 to 480 steps
# from scratch end within a few points of guessing alike. More steps cost time and change nothing there.
STEPS = 20


@dataclass(frozen=True)
class Case:
    """A target, and what it has in common with the source.

    Arguments:
        name: what table and chart call it.
        domain, task: `same` as the source's, or `other`.
        images: of the target, with a train and a test split.
    """

    name: str
    domain: str
    task: str
    images: ImageSet

    def __post_init__(self) -> None:
        for name in ("domain", "task"):
            if getattr(self, name) not in ("same", "other"):
                raise CourseError(f"A case received {name}={getattr(self, name)!r}; it is 'same' or 'other'.")

    @property
    def differs(self) -> str:
        """`domain`, `task`, `domain and task`, or `nothing`."""
        return " and ".join(name for name in ("domain", "task") if getattr(self, name) == "other") or "nothing"

    @property
    def guess(self) -> float:
        """Accuracy of one who always says the most frequent label of the test split, 0 to 1."""
        labels = self.images.labels[self.images.rows("test")]
        return float(torch.bincount(labels).max() / len(labels))


@dataclass(frozen=True)
class TransferTable:
    """The cases with what both ways of learning reached on each."""

    cases: tuple[Case, ...]
    curves: tuple[Curve, ...]
    per_class: int

    def gain(self, name: str) -> tuple[float, float, float]:
        """Transfer less isolated, in points, with its 95 % interval over pairs of runs and test images."""
        mean, low, high = self._curve(name).gain(TRANSFER, ISOLATED, self.per_class)
        return 100 * mean, 100 * low, 100 * high

    def accuracy(self, name: str, way: str) -> tuple[float, float, float]:
        """Mean test accuracy of a way in per cent, with its 95 % interval."""
        mean, low, high = self._curve(name).point(way, self.per_class)
        return 100 * mean, 100 * low, 100 * high

    def verdict(self, name: str) -> str:
        """`helps`, `hurts`, or `not clear` where the interval holds 0."""
        _, low, high = self.gain(name)
        return "helps" if low > 0 else "hurts" if high < 0 else "not clear"

    def table(self) -> Table:
        """One row a case."""
        rows = []
        for case in self.cases:
            gain, low, high = self.gain(case.name)
            means = [f"{self.accuracy(case.name, way)[0]:.1f} %" for way in (ISOLATED, TRANSFER)]
            told = f"{gain:+.1f} ({low:+.1f} to {high:+.1f})"
            rows.append([case.name, case.differs, f"{100 * case.guess:.0f} %", *means, told, self.verdict(case.name)])
        columns = ("target", "what differs", "commonest label", ISOLATED, TRANSFER, "gain, points (95 % interval)")
        seeds = len(self.curves[0].accuracies(ISOLATED, self.per_class))
        caption = f"Test accuracy with {self.per_class} training images a class, mean of {seeds} pairs of runs"
        return Table((*columns, "it"), rows, caption)

    def plot(self) -> Picture:
        """Both ways for each case, with 95 % intervals, and what guessing gives."""
        fig, axes = figure(6.6, 0.85 * len(self.cases) + 1.2)
        axis, said = axes[0][0], []
        looks = {ISOLATED: (ORANGE, "o", 0.13, "white"), TRANSFER: (BLUE, "s", -0.13, BLUE)}
        for row, case in enumerate(self.cases):
            axis.plot([100 * case.guess] * 2, [row - 0.32, row + 0.32], color=GREY, linestyle=(0, (2, 1.5)))
            for way, (colour, marker, shift, face) in looks.items():
                mean, low, high = self.accuracy(case.name, way)
                axis.errorbar(
                    mean, row + shift, xerr=[[mean - low], [high - mean]], color=colour, marker=marker,
                    markerfacecolor=face, capsize=3, markersize=7, linestyle="none",
                )  # fmt: skip
                if row == 0:
                    where = {"xytext": (0, 9 if shift < 0 else -16), "textcoords": "offset points", "ha": "center"}
                    axis.annotate(way, (mean, row + shift), color=colour, **where)
            means = [self.accuracy(case.name, way)[0] for way in looks]
            said.append(f"{case.name}: isolated {means[0]:.0f} %, transfer {means[1]:.0f} %, guessing {case.guess:.0%}")
        names = [f"{case.name}\n{case.domain} domain, {case.task} task" for case in self.cases]
        axis.set_yticks(range(len(names)), names)
        axis.set_ylim(len(names) - 0.4, -0.6)
        axis.set(xlim=(0, 102), xlabel=f"test accuracy with {self.per_class} images a class (%)")
        axis.set_title("bars: 95 % intervals; dashed: always the commonest label", fontsize=9, color=GREY)
        return Picture(fig, f"Test accuracy of both ways. {'; '.join(said)}.")

    def values(self) -> dict[str, Any]:
        """What was measured, for a later lesson: JSON values, per cent and points."""
        found: dict[str, Any] = {}
        for case in self.cases:
            gain, low, high = self.gain(case.name)
            means = {way: round(self.accuracy(case.name, way)[0], 2) for way in (ISOLATED, TRANSFER)}
            found[case.name] = means | {"gain": round(gain, 2), "low": round(low, 2), "high": round(high, 2)}
        return {"per_class": self.per_class, "cases": found}

    @property
    def steps(self) -> int:
        """Steps of training behind the table."""
        return sum(run.steps for curve in self.curves for run in curve.runs)

    def _curve(self, name: str) -> Curve:
        for case, curve in zip(self.cases, self.curves, strict=True):
            if case.name == name:
                return curve
        raise CourseError(f"There is no case {name!r}; there are {', '.join(case.name for case in self.cases)}.")


def transfer_table(
    cases: Sequence[Case], weights: str = "animals", per_class: int = 5, seeds: int = 4, steps: int = STEPS
) -> Generator[At, None, TransferTable]:
    """Learn each target twice, alone and from a pretrained body.

    Arguments:
        cases: the targets.
        weights: of PawNet's body, for transfer.
        per_class: training images of each class.
        seeds: pairs of runs, 2 or more.
        steps: that the isolated net takes, about (whole epochs, at least 5 of them).

    Yields `At`; returns the `TransferTable`. Raises `CourseError`, before any work, for settings out of range.
    """
    if not cases or len({case.name for case in cases}) < len(cases):
        raise CourseError(f"The table takes one case or more, each with a name of its own; received {list(cases)}.")
    for name, value, least in (("per_class", per_class, 1), ("seeds", seeds, 2), ("steps", steps, 1)):
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise CourseError(f"{name}={value!r} is out of range; it is a whole number from {least}.")
    return _work(tuple(cases), weights, per_class, seeds, steps)


def _work(
    cases: tuple[Case, ...], weights: str, per_class: int, seeds: int, steps: int
) -> Generator[At, None, TransferTable]:
    curves = []
    for number, case in enumerate(cases):
        work = learning_curve(case.images, "pawnet", _ways(case.images, weights, seeds, steps), [per_class])
        while True:
            try:
                step = next(work)
            except StopIteration as end:
                curves.append(end.value)
                break
            yield At((number + step.progress) / len(cases), f"{case.name}: {step.text}")
    return TransferTable(cases, tuple(curves), per_class)


def _ways(images: ImageSet, weights: str, seeds: int, steps: int) -> list[Way]:
    def alone(n: int) -> list[Stage]:
        each = batches_in(n * len(images.classes), BATCH)
        return from_scratch(max(5, -(-steps // each)), batch=BATCH)

    return [Way(ISOLATED, None, alone, seeds), Way(TRANSFER, weights, lambda n: feature_extraction(40, 1e-2), seeds)]


def asked(images: ImageSet, task: str) -> ImageSet:
    """The same pictures of the 10 target breeds, with the answers to another question: `ears`, `coat`, `pose`, `facing`."""
    classes = task_classes(task, "target", cats=False)
    labels, known = labels_of(images.factors, task, classes)
    if not known.all():
        raise CourseError(
            f"Not every picture of {images.name} has an answer to {task!r}; take pictures of the target breeds."
        )
    return replace(
        images, labels=torch.from_numpy(labels), classes=classes, name=f"{images.name.rpartition(':')[0]}: {task}"
    )


def yes_no(images: ImageSet, factor: str, value: str) -> ImageSet:
    """The same pictures, asked whether a factor has a value: label 1 is `yes`. Raises `CourseError` where none has, or all."""
    labels = torch.tensor([int(each == value) for each in images.factors.get(factor, [])], dtype=torch.int64)
    if len(labels) != len(images.images) or len(labels.unique()) < 2:
        raise CourseError(
            f"{factor}={value!r} parts the pictures of {images.name} in no two groups; choose another value."
        )
    return replace(images, labels=labels, classes=("no", "yes"), name=f"{factor} {value}?")


def resemblance(source: torch.Tensor, target: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """How many times likelier each source row is under the target than under the source: weights of instances, float N.

    A small net learns to tell source from target rows; its odds are the ratio of the two densities (Bickel, Bruckner and
    Scheffer 2009). Each half of the source rows is judged by a net that learned from the other half.

    Arguments:
        source, target: features of pictures, float N,D and M,D, 4 rows or more each.
    """
    weights = torch.zeros(len(source))
    halves = torch.randperm(len(source), generator=torch.Generator().manual_seed(seed)).chunk(2)
    for learn, judged in (halves, halves[::-1]):
        x = torch.cat([source[learn], target, source[judged]]).float()
        labels = torch.cat([torch.zeros(len(learn)), torch.ones(len(target)), torch.zeros(len(judged))]).long()
        train = torch.arange(len(learn) + len(target))
        rows = {"train": train, "test": torch.arange(len(train), len(x))}
        pool = FeatureSet("which domain?", x, labels, ("source", "target"), rows).standardised()
        judge = dense(pool)
        for _ in fit(judge, pool, [Stage(frozen=0, epochs=20, lr=1e-2, weight_decay=0.1)], seed=seed, validate_every=0):
            pass
        scores = judge(pool.vectors[rows["test"]])
        weights[judged] = (scores[:, 1] - scores[:, 0]).exp() * len(learn) / len(target)
    return weights
