"""The rows of a CSV, in whichever of its many dialects: separators, encodings, a hint for Excel, quotes that never close.

    with text_of(path) as text:
        for first, last, cells in records(text): ...     # its lines, from 1 on, and its cells, or None

Rows come one at a time, and no line, however long, is taken into memory as a whole.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TextIO

from ..errors import CourseError
from .kinds import EMPTY, HEAD, TEXT, UNKNOWN, kind_of

SEPARATORS = ",;\t|"
LONGEST_LINE = 1_000_000  # characters; a longer one is read as several


def text_of(path: Path) -> TextIO:
    """The table as text, in whichever of the usual encodings it is written."""
    with open(path, "rb") as file:
        head = file.read(HEAD)
    kind = kind_of(head)
    if kind is EMPTY or kind not in (TEXT, UNKNOWN):
        raise CourseError(f"The table {path.name} is {kind.name}. Save it as CSV, a text with one row for each file.")
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    elif head[1:2] == b"\0":
        encoding = "utf-16-le"
    elif head[:1] == b"\0":
        encoding = "utf-16-be"
    else:  # what is no UTF-8 is kept as it is, see `decoded`
        return open(path, encoding="utf-8-sig", errors="surrogateescape", newline="")
    return open(path, encoding=encoding, errors="replace", newline="")


def records(text: TextIO) -> Iterator[tuple[int, int, list[str] | None]]:
    """First line, last line and cells of each row; no cells where a row cannot be understood."""
    lines = iter(lambda: text.readline(LONGEST_LINE), "")  # a file without line ends must not fill the memory
    start = next(lines, "")
    skipped = 0
    separator = max(SEPARATORS, key=_unquoted(start).count)
    if start.lower().startswith("sep=") and len(start.strip()) <= 5:  # a hint for Excel, not a row
        separator, skipped, start = start.rstrip("\r\n")[4:] or ",", 1, ""
    reader = csv.reader(chain([start] if start else [], lines), delimiter=separator)
    while True:
        first = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            cells = None
        yield first + skipped, max(first, reader.line_num) + skipped, cells


def _unquoted(line: str) -> str:
    return "".join(line.split('"')[::2])


def decoded(cell: str) -> str:
    """A cell whose bytes are no UTF-8, read as Windows writes western languages."""
    if cell.isascii() or not any("\udc80" <= c <= "\udcff" for c in cell):
        return cell
    return cell.encode("utf-8", "surrogateescape").decode("cp1252", "replace")
