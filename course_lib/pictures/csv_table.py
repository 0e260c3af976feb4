"""A table (CSV) that says what each file shows, as exports and competitions have it: `file,label`, `id;breed`, ...

    pictures = read_table("photos/labels.csv", walk(Path("photos")))     # what goes wrong joins the walk's problems

Rows are matched with the files that were found below the folder (table_files.py), and nothing else is ever opened: a
row with an absolute path or `..` finds nothing. Read row by row: a million rows take seconds and little memory.
"""

from __future__ import annotations

import stat
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TextIO

from ..errors import CourseError
from .csv_rows import decoded, records, text_of
from .found import NOTHING_TO_DO, Picture, Problems, printable
from .table_files import TableFiles, outside
from .walking import Walked, readable_name

TABLES = (".csv", ".tsv")
# Names of columns, the most telling first; written in any case, with spaces or hyphens for _.
FILE = ("file", "filename", "file_name", "filepath", "file_path", "path", "image", "image_name", "image_path",
        "image_file", "img", "picture", "photo", "image_id", "id", "name")  # fmt: skip
LABEL = ("label", "labels", "class", "class_name", "classes", "category", "breed", "species", "target", "variety",
         "kind", "tag", "y")  # fmt: skip
SPLIT = ("split", "subset", "partition", "set")
SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val",
          "test": "test", "testing": "test"}  # fmt: skip
LONGEST = 200  # characters of a class name
ADD_A_ROW = "add a row for it, or leave it out"


class Row(NamedTuple):
    """A row that leads to a file."""

    line: int
    label: str
    split: str | None


class Columns(NamedTuple):
    """Where in a row things stand, and how many cells a row has."""

    file: int
    label: int
    split: int | None
    width: int


class Refused(Exception):
    """A row that makes no picture: reason, remedy, and the reason without what is special to the row."""


def read_table(table: str | Path, walked: Walked) -> list[Picture]:
    """Pictures in the order of the table; rows that make none, and files without a row, become problems.

    Arguments:
        table: its path, or the name of a file below the folder.
        walked: the folder; its problems grow.

    Raises `CourseError` when there is no such table, or it has no columns of files and of classes.
    """
    path = _placed(Path(table).expanduser(), walked)
    files = TableFiles(walked.files)
    try:
        with text_of(path) as text:
            rows, named = _read(text, path.name, files, walked.problems)
    except OSError as error:
        raise CourseError(f"The table {printable(str(path))} cannot be read ({error.strerror}). Check it.") from error
    _drop_rows_without_split(rows, path.name, walked.problems)
    itself = path.resolve()
    base = walked.root.resolve()
    for i, parts in enumerate(walked.files):
        if i not in named and base.joinpath(*parts) != itself:
            reason = f"the table {printable(path.name)} does not list it"
            walked.problems.add(readable_name(parts), reason, ADD_A_ROW)
    return [
        Picture(walked.root.joinpath(*walked.files[i]), readable_name(walked.files[i]), row.label, row.split)
        for i, row in rows.items()
    ]


def _placed(table: Path, walked: Walked) -> Path:
    """Where a table lies: in the folder, else where the path says, else anywhere below the folder."""
    below = (walked.root.joinpath(*parts) for parts in walked.files if parts[-1] == table.name)
    for path in chain([walked.root / table, table], below if len(table.parts) == 1 else ()):
        try:
            if stat.S_ISREG(path.stat().st_mode):  # and no pipe: opening one waits for ever
                return path
        except (OSError, ValueError):
            continue
    raise CourseError(
        f"There is no table {printable(str(table))}, neither in {printable(str(walked.root))} nor here. Check the path."
    )


def _read(text: TextIO, name: str, files: TableFiles, problems: Problems) -> tuple[dict[int, Row], set[int]]:
    """Number of a file -> its row; and all files that some row names, in whatever way."""
    rows: dict[int, Row] = {}
    named: set[int] = set()
    spoilt: set[int] = set()  # their rows contradict each other
    labels: dict[str, str] = {}  # each class name is kept once
    columns: Columns | None = None
    for line, last, cells in records(text):
        if cells is not None and not any(map(str.strip, cells)):
            continue
        if columns is None:
            columns, is_header = _columns(cells or [], name, files)
            if is_header:
                continue
        try:
            file = _file(_checked(cells, columns)[columns.file].strip(), files)
            named.add(file)
            row = _row(cells, line, columns)
            if file in spoilt:
                raise _contradiction(f"line {line} is one more of the rows that differ")
            if file in rows:
                _compare(rows[file], row, file, rows, spoilt, name, problems)
            else:
                rows[file] = row._replace(label=labels.setdefault(row.label, row.label))
        except Refused as refused:
            reason, remedy, kind = refused.args
            where = f"line {line}" if last == line else f"lines {line} to {last}"
            # A quote that is never closed swallows lines; each of them is lost.
            problems.add(f"{printable(name)}, {where}", reason, remedy, count=last - line + 1, kind=kind)
    if columns is None:
        raise CourseError(f"The table {name} has no rows. It needs a first row with names, and a row for each file.")
    return rows, named


def _columns(cells: list[str], name: str, files: TableFiles) -> tuple[Columns, bool]:
    """Which column is which, and whether this row was the header; a table of two columns may have none."""
    names = [decoded(cell).strip("\ufeff \t").casefold().replace(" ", "_").replace("-", "_") for cell in cells]
    file = next((names.index(word) for word in FILE if word in names), None)
    label = next((names.index(word) for word in LABEL if word in names), None)
    if file is not None and label is not None:
        split = next((names.index(word) for word in SPLIT if word in names), None)
        return Columns(file, label, split, len(cells)), True
    if len(cells) == 2:
        for file in (0, 1):
            if len(files.matches(cells[file].strip())) == 1:
                return Columns(file, 1 - file, None, 2), False
    shown = ", ".join(printable(decoded(cell))[:40] or "(no name)" for cell in cells[:12])
    raise CourseError(
        f"The first row of {name} reads: {shown}. It needs the name of a column of files ({', '.join(FILE[:5])}, id, ...) "
        f"and of one of classes ({', '.join(LABEL[:3])}, category, breed, ...). Rename the columns."
    )


def _checked(cells: list[str] | None, columns: Columns) -> list[str]:
    """The cells, where there are as many as there must be. Raises `Refused`."""
    if cells is None:
        raise _refuse("it cannot be understood as a row", "look for a quotation mark that is never closed")
    while len(cells) > columns.width and not cells[-1].strip():
        cells.pop()
    if len(cells) > columns.width or len(cells) <= max(columns.file, columns.label, columns.split or 0):
        kind = "it has not as many cells as the first row"
        remedy = "put names that hold a comma in quotation marks, or fill in what is missing"
        raise Refused(f"it has {len(cells)} cells, the first row has {columns.width}", remedy, kind)
    return cells


def _row(cells: list[str], line: int, columns: Columns) -> Row:
    """What a row says about its file. Raises `Refused`."""
    label = printable(decoded(cells[columns.label]).strip())
    if not label:
        raise _refuse("it says no class", "write the class into the row")
    if len(label) > LONGEST:
        raise _refuse(f"its class name has more than {LONGEST} characters", "give the class a short name")
    split = decoded(cells[columns.split]).strip() if columns.split is not None else ""
    if split and split.casefold() not in SPLITS:
        reason = f"{printable(split)[:40]!r} is no split"
        raise Refused(reason, "write train, val or test", "it names a split that is none")
    return Row(line, label, SPLITS.get(split.casefold()))


def _file(name: str, files: TableFiles) -> int:
    """Number of the file that a cell names. Raises `Refused`."""
    if not name:
        raise _refuse("it names no file", "write the file into the row")
    text = decoded(name)
    shown = printable(text)[:200]
    if "://" in name:
        remedy = "download the picture into the folder, and write its file name"
        raise Refused(f"{shown} is an address on the web", remedy, "it names an address on the web")
    if reason := outside(name):
        remedy = "write the path as seen from the folder of the pictures"
        raise Refused(f"{shown} {reason}", remedy, f"its path {reason}")
    matches = files.matches(name) or (files.matches(text) if text != name else ())
    if not matches:
        raise Refused(f"there is no file {shown}", "add the file, or remove the row", "there is no such file")
    if len(matches) > 1:
        remedy = "write more of its path, or its suffix"
        raise Refused(f"{len(matches)} files are called {shown}", remedy, "several files are called so")
    return matches[0]


def _compare(
    old: Row, new: Row, file: int, rows: dict[int, Row], spoilt: set[int], name: str, problems: Problems
) -> None:
    """A file that has a row already: the second is left out, or both where they say different things."""
    if (old.label, old.split) == (new.label, new.split):
        raise Refused(f"the same as line {old.line}", NOTHING_TO_DO, "the same as an earlier line")
    del rows[file]
    spoilt.add(file)
    said = [f"{row.label} ({row.split})" if old.split != new.split else row.label for row in (old, new)]
    refused = _contradiction(f"its file is {said[0]} in line {old.line} and {said[1]} in line {new.line}")
    problems.add(f"{printable(name)}, line {old.line}", *refused.args[:2], kind=refused.args[2])
    raise refused


def _contradiction(reason: str) -> Refused:
    return Refused(reason, "keep the right one of these rows", "rows that say different things about one file")


def _drop_rows_without_split(rows: dict[int, Row], name: str, problems: Problems) -> None:
    """Where some rows say train, val or test, the others have no place."""
    if any(row.split for row in rows.values()):
        for file in [file for file, row in rows.items() if row.split is None]:
            line = rows.pop(file).line
            problems.add(
                f"{printable(name)}, line {line}", "it names no split, and other rows do", "write train, val or test"
            )


def _refuse(reason: str, remedy: str) -> Refused:
    return Refused(reason, remedy, reason)
