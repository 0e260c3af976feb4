"""The task, T = {Y, P(Y given X)}: which labels there are, and how they are dealt out to the same pictures.

    classes = task_classes("ears", "target", cats=False)         # the label space Y
    labels, known = labels_of(table, "ears", classes)            # int64 N, and whether each picture has such a label
    both = same_pictures(table, "breed", breeds, "ears", ears)   # what two tasks say of the same pictures

A task of dogworld is a column of the table of factors, so every picture has its label under every task.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import CourseError
from ..sources.dogworld import TASKS
from ..sources.dogworld.breeds import COATS, EARS, NAMES
from ..sources.dogworld.factors import FACINGS, POSES

__all__ = ["ASKED", "TASKS", "SamePictures", "counts", "labels_of", "same_pictures", "task_classes"]

ASKED = {
    "breed": "which breed?",
    "ears": "which ears?",
    "coat": "which coat?",
    "pose": "which pose?",
    "facing": "facing which side?",
    "species": "dog or cat?",
}


def task_classes(task: str, animals: str, cats: bool) -> tuple[str, ...]:
    """The label space of a task asked of these animals.

    Raises `CourseError` for a task that dogworld does not have.
    """
    if task not in TASKS:
        raise CourseError(f"A task is one of {', '.join(TASKS)}; received {task!r}. Choose one.")
    if task == "breed":
        return (*NAMES[animals], *(("cat",) if cats else ()))
    return {"ears": EARS, "coat": COATS, "pose": POSES, "facing": FACINGS, "species": ("dog", "cat")}[task]


def labels_of(table: Mapping[str, np.ndarray], task: str, classes: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Labels of the rows of a table, int64 N, and whether each row's truth is in the label space, bool N (else label 0)."""
    number = {name: label for label, name in enumerate(classes)}
    found = np.array([number.get(value, -1) for value in table[task].tolist()], dtype=np.int64)
    return np.maximum(found, 0), found >= 0


def counts(table: Mapping[str, np.ndarray], task: str, classes: Sequence[str]) -> list[int]:
    """P(Y) as counts: how many rows have each label."""
    labels, known = labels_of(table, task, classes)
    return np.bincount(labels[known], minlength=len(classes)).tolist()


@dataclass(frozen=True)
class SamePictures:
    """What two tasks say of the same pictures.

    Attributes:
        pictures: how many there are.
        shared: how many have a label under both tasks.
        agree: how many of these have the same label, by its name.
        told: share of pictures, 0 to 1, whose second label is guessed right by one who knows the first label: learned on
            half of the pictures, measured on the other.
        blind: the same for one who knows nothing and always says the most frequent label.
    """

    pictures: int
    shared: int
    agree: int
    told: float
    blind: float

    @property
    def same(self) -> bool:
        """Whether P(Y given X) is the same wherever both tasks have a label."""
        return self.shared > 0 and self.agree == self.shared

    @property
    def words(self) -> str:
        """The same in sentences with numbers."""
        if not self.shared:
            return f"None of {self.pictures:,} pictures has a label under both tasks."
        said = f"Of {self.pictures:,} pictures, {self.shared:,} have a label under both tasks, and {self.agree:,} of these the same one."
        if self.same or self.blind == 1:
            return said
        said += f" Who knows the first label guesses the second in {self.told:.0%} of pictures, who knows nothing in {self.blind:.0%}"
        # Two shares of as many pictures differ by chance by about this much.
        helps = self.told - self.blind > 2 * math.sqrt(0.5 / self.shared)
        return f"{said}." if helps else f"{said}: the one task says nothing that was found about the other."


def same_pictures(
    table: Mapping[str, np.ndarray],
    first: str,
    first_classes: Sequence[str],
    second: str,
    second_classes: Sequence[str],
) -> SamePictures:
    """Put two tasks to the rows of a table, which stand in random order, and compare the answers."""
    a, knows_a = labels_of(table, first, first_classes)
    b, knows_b = labels_of(table, second, second_classes)
    both = knows_a & knows_b
    names_a, names_b = np.array(first_classes)[a], np.array(second_classes)[b]
    agree = int((names_a == names_b)[both].sum())
    told, blind = _guess(a[both], b[both], len(first_classes), len(second_classes))
    return SamePictures(len(a), int(both.sum()), agree, told, blind)


def _guess(a: np.ndarray, b: np.ndarray, kinds_a: int, kinds_b: int) -> tuple[float, float]:
    """How often b is guessed right from a, and without it; each half of the rows is measured with what the other taught."""
    half = len(a) // 2
    if half == 0:
        return 0.0, 0.0
    told, blind = 0, 0
    for learn, test in ((slice(0, half), slice(half, None)), (slice(half, None), slice(0, half))):
        table = np.zeros((kinds_a, kinds_b))
        np.add.at(table, (a[learn], b[learn]), 1)
        usual = np.bincount(b[learn], minlength=kinds_b)
        rule = (table + 1e-6 * usual).argmax(1)  # for a label never seen: the most frequent answer
        told += int((rule[a[test]] == b[test]).sum())
        blind += int((usual.argmax() == b[test]).sum())
    return told / len(a), blind / len(a)
