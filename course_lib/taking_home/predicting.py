"""What a model says of files: a row for each, with an answer, or with what is wrong with the file and what to do.

    said = model.predict(["rex.jpg", "holiday/"])
    said                      # a table
    said.json()               # a list of dicts, one a file
    len(said) == len(said.answered) + len(said.unread)

Files are read as the training pictures were: upright, scaled, cut square. A few are in memory at a time, so ten thousand
take no more room than a hundred.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..errors import CourseError
from ..paths import atomic
from ..pictures.found import NOTHING_TO_DO, Problem, printable
from ..pictures.reading import Read, read_picture
from ..pictures.walking import walk
from ..tables import Table

if TYPE_CHECKING:
    from .opening import Answer, TakenHome

BATCH = 64  # files in memory at a time
KEPT = 10  # classes of an answer that are kept: with a thousand classes, all of them would fill the memory
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Row:
    """A file and what came of it.

    Attributes:
        file: its path, printable.
        answer: what the model says; None where the file could not be read.
        reason, remedy: what is wrong with the file and what to do; empty where it was read.
    """

    file: str
    answer: Answer | None
    reason: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Predictions:
    """What a model says of files, in the order they were given; a folder's files by name.

    Attributes:
        rows: one a file.
        passed_over: hidden files, files of the system and links to files that have a row of their own.
    """

    rows: tuple[Row, ...]
    passed_over: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def answered(self) -> list[Row]:
        """Files with an answer, "none of these" included."""
        return [row for row in self.rows if row.answer is not None]

    @property
    def unread(self) -> list[Row]:
        """Files that gave no picture."""
        return [row for row in self.rows if row.answer is None]

    @property
    def table(self) -> Table:
        """File, answer, how how sure, and why it is none of these, or what else it may be."""
        rows = [(row.file, *cells(row)) for row in self.rows]
        return Table(("file", "answer", "sure", "remark"), rows, self.summary())

    def summary(self) -> str:
        """The counts in a sentence."""
        refused = sum(1 for row in self.answered if row.answer.reason)
        said = f"{len(self):,} files: {len(self.answered) - refused:,} named, {refused:,} none of these, {len(self.unread):,} not read"
        return f"{said}; {self.passed_over:,} hidden or linked ones passed over." if self.passed_over else f"{said}."

    def json(self, top: int = 3) -> list[dict[str, Any]]:
        """One dict a file, for `json.dump`.

        Keys: `file`; `label` (a class, "none of these", or None where the file was not read); `probability` of the likeliest
        class, 0 to 1, or None; `refused` (True for "none of these"); `reason` and `remedy` (texts, may be empty); `top`, a list
        of at most `top` (10 at most) dicts with `class` and `probability`.
        """
        found = []
        for row in self.rows:
            answer = row.answer
            pairs = [{"class": name, "probability": share} for name, share in answer.ranked[:top]] if answer else []
            entry = {
                "file": row.file,
                "label": answer.label if answer else None,
                "probability": answer.probability if answer else None,
                "refused": bool(answer and answer.reason),
                "reason": answer.reason if answer else row.reason,
                "remedy": row.remedy,
                "top": pairs,
            }
            found.append(entry)
        return found

    def write_csv(self, path: str | Path) -> Path:
        """Write one line a file: file, label, probability, reason, remedy; UTF-8, with a heading."""
        text = io.StringIO()
        keys = ("file", "label", "probability", "reason", "remedy")
        writer = csv.DictWriter(text, keys, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.json())
        with atomic(Path(path)) as file:
            file.write(text.getvalue().encode())
        return Path(path)

    def __repr__(self) -> str:
        return repr(self.table)

    def _repr_html_(self) -> str:
        return self.table._repr_html_()


def cells(row: Row, top: int = 2) -> tuple[str, str, str]:
    """Answer, how sure, and a remark, as a table shows them; `top` is how many classes the remark may name."""
    if row.answer is None:
        return "not read", "", f"{row.reason}; {row.remedy}"
    label, probability, ranked, reason = row.answer
    named = [f"{name} {share:.0%}" for name, share in ranked[:top]]
    if not reason:
        return printable(label), f"{probability:.0%}", printable(", ".join(named[1:]))
    # A refused picture has no figure beside its label: it would read as how sure the refusal is.
    nearest = "" if reason.startswith("not sure") else f"; nearest: {', '.join(named)}"
    return label, "", printable(f"{reason}{nearest}")


def predict(
    model: TakenHome, files: str | Path | Iterable[str | Path], progress: Progress | None = None
) -> Predictions:
    """Ask a model about files and about all files below folders; see `TakenHome.predict`.

    Arguments:
        progress: called as progress(done, total) after each batch.
    """
    listed: list[Path | Problem] = []
    passed_over = 0
    for given in _given(files):
        if given.is_dir():
            walked = walk(given)
            problems = walked.problems.lines()
            passed_over += sum(problem.count for problem in problems if problem.remedy == NOTHING_TO_DO)
            listed += [given.joinpath(*parts) for parts in walked.files]
            listed += [_below(given, problem) for problem in problems if problem.remedy != NOTHING_TO_DO]
        else:
            listed.append(given)
    rows: list[Row] = []
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(listed), BATCH):
            rows += _ask(model, listed[start : start + BATCH], pool)
            if progress:
                progress(len(rows), len(listed))
    return Predictions(tuple(rows), passed_over)


def _given(files: Any) -> Iterator[Path]:
    several = [files] if isinstance(files, str | os.PathLike) else files
    if not isinstance(several, Iterable):
        raise CourseError(
            f"predict takes a path or several; received {type(files).__name__}. For pixels, use say(images)."
        )
    for path in several:
        if not isinstance(path, str | os.PathLike) or not str(path):
            raise CourseError(f"predict takes paths; received {path!r} among them. For pixels, use say(images).")
        yield Path(path).expanduser()


def _below(folder: Path, problem: Problem) -> Problem:
    return problem._replace(file=printable(str(folder / problem.file)))


def _ask(model: TakenHome, part: list[Path | Problem], pool: ThreadPoolExecutor) -> list[Row]:
    """Rows for a few files."""
    reads = pool.map(lambda item: item if isinstance(item, Problem) else _read(item, model.size), part)
    rows: list[Row] = []
    pixels, places = [], []
    for item, read in zip(part, reads, strict=True):
        if isinstance(read, Problem):
            rows.append(Row(read.file, None, read.reason, read.remedy))
        else:
            rows.append(Row(printable(str(item)), None, read.reason or "", read.remedy or ""))
            if read.pixels is not None:
                pixels.append(torch.from_numpy(read.pixels).permute(2, 0, 1))  # H,W,3 -> 3,H,W
                places.append(len(rows) - 1)
    if pixels:
        for place, answer in zip(places, model.say(torch.stack(pixels)), strict=True):
            rows[place] = Row(rows[place].file, answer._replace(ranked=answer.ranked[:KEPT]))
    return rows


def _read(path: Path, size: int) -> Read:
    try:
        there = os.path.lexists(path)
    except ValueError:  # a zero byte in the name
        there = False
    return read_picture(path, size) if there else Read(None, 0, 0, "there is no such file", "check the path")
