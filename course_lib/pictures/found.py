"""What was found in a reader's folder: pictures with their classes, and files that are none, each with a reason.

    Problem("cats/a.heic", "a HEIC photo, which needs another program to be opened", "save it as JPEG")
    found.seen == len(found.pictures) + len(found.problems)        # nothing is lost
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


class Problem(NamedTuple):
    """A file that gave no image: its name as a person can read it, what is wrong, and what to do about it."""

    file: str
    reason: str
    remedy: str


@dataclass(frozen=True)
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
    """All files below a root: `seen` of them, each a picture or a problem.

    Arguments:
        root: what the reader gave, printable.
        layout: `class folders`, `split folders` or `table`.
        pictures: not opened yet.
        problems: files that are known to be none, links that lead out, rows of a table without a file, and so on.
        seen: files and rows that were looked at.
    """

    root: str
    layout: str
    pictures: tuple[Picture, ...]
    problems: tuple[Problem, ...]
    seen: int


def printable(name: str) -> str:
    """A file's name as it can be printed: surrogates (bytes that are no UTF-8) and control characters as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii") for c in name)
