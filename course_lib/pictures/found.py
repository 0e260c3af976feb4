"""What was found in a reader's folder: pictures with their classes, and files that are none, each with a reason.

    Problem("cats/a.heic", "a HEIC photo, which the course cannot open", "save it as JPEG")
    found.seen == len(found.pictures) + sum(problem.count for problem in found.problems)     # nothing is lost

A problem stands for one file (`count` 1), or, where more than `LISTED` files share a reason, for all the rest of
them: `Problem("1,234 more", reason, remedy, 1234)`. So a table of a million wrong rows still makes a report of a page.
Files that nobody needs to care about (hidden ones, what a system leaves behind) have the remedy `NOTHING_TO_DO`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

LISTED = 1000  # files that are named for one reason
NOTHING_TO_DO = "nothing to do"


class Problem(NamedTuple):
    """A file that gave no image: its name as a person can read it, what is wrong, and what to do about it.

    `count` is 1, or the number of files that this line stands for.
    """

    file: str
    reason: str
    remedy: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Picture:
    """A file that may hold an image, and what it shows.

    Arguments:
        path: where it lies.
        name: relative to the root, printable: line breaks and bytes that are no UTF-8 are written as escapes.
        label: name of its class.
        split: `train`, `val` or `test` where the folder or the table says so, else None.
    """

    path: Path
    name: str
    label: str
    split: str | None = None


@dataclass(frozen=True)
class Found:
    """All files below a root: `seen` of them, each a picture or counted in a problem.

    Arguments:
        root: what the reader gave, printable.
        layout: `class folders`, `split folders` or `table`.
        pictures: not opened yet, in the order of their classes and names (of a table: of its rows).
        problems: files that are known to be none, links that lead out, rows of a table without a file, and so on.
        seen: files and rows that were looked at; equal to len(pictures) + the sum of `count` over problems.
        classes: names of all classes in alphabetical order, also of a class folder that holds no picture.
    """

    root: str
    layout: str
    pictures: tuple[Picture, ...]
    problems: tuple[Problem, ...]
    seen: int
    classes: tuple[str, ...] = ()


class Problems:
    """Collects problems: the first `LISTED` of a reason by name, the others as a number.

    problems = Problems()
    problems.add("cats/.DS_Store", "a hidden or system file", NOTHING_TO_DO)
    problems.total, problems.lines()
    """

    def __init__(self) -> None:
        self.total = 0
        self._kept: list[Problem] = []
        self._listed: Counter[tuple[str, str]] = Counter()
        self._more: Counter[tuple[str, str]] = Counter()

    def add(self, file: str, reason: str, remedy: str, *, count: int = 1, kind: str | None = None) -> None:
        """Add a problem; `kind` is the reason without what is special to this file, where there is such a thing."""
        key = (kind or reason, remedy)
        self.total += count
        if self._listed[key] < LISTED:
            self._listed[key] += 1
            self._kept.append(Problem(file, reason, remedy, count))
        else:
            self._more[key] += count

    def lines(self) -> tuple[Problem, ...]:
        """All problems by the names of their files, then those that stand for many."""
        more = [Problem(f"{count:,} more", *key, count) for key, count in self._more.items()]
        return (*sorted(self._kept), *more)


def printable(name: str) -> str:
    """A file's name as it can be printed: surrogates (bytes that are no UTF-8) and control characters as escapes."""
    if name.isprintable():
        return name
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii") for c in name)
