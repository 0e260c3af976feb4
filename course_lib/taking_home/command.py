"""`course predict`: what a model that was taken home says of pictures.

course predict dogs.safetensors rex.jpg holiday/          # a table: file, answer, how sure, remark
course predict dogs.safetensors holiday/ --json           # a list, for other programs
find . -name "*.jpg" | course predict dogs.safetensors -  # names from another program, one a line

Exit status: 0 all files read, 1 some could not be, 2 the command could not be carried out.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CourseError
from ..pictures.found import printable

if TYPE_CHECKING:
    from .predicting import Predictions

GAP = "  "
TOP = 10  # classes at most; as many as predicting.py keeps
NARROWER = (
    (3, 40),
    (0, 24),
    (3, 12),
    (0, 12),
    (1, 12),
)  # column and the letters it keeps, in the order that they give way


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `course predict`."""
    parser.add_argument("model", metavar="MODEL", type=Path, help="a .safetensors file that net.export wrote")
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="pictures or folders; - reads names from standard input, one a line"
    )
    parser.add_argument(
        "--top",
        metavar="N",
        type=_top,
        default=2,
        help=f"classes that are named for each picture, 1 to {TOP} (default: 2)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON: a list with one entry a file")
    parser.add_argument("--csv", metavar="PATH", type=Path, help="write the answers to a .csv file as well")


def command(options: argparse.Namespace) -> int:
    """Print what the model says of the files; 1 where a file could not be read."""
    from .opening import open_model
    from .predicting import predict

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", UserWarning)
        model = open_model(options.model)
    for warning in told:
        print(f"course: {warning.message}", file=sys.stderr)
    said = predict(model, list(_names(options.files)), _progress if sys.stderr.isatty() else None)
    if sys.stderr.isatty():
        print(end="\r\x1b[K", file=sys.stderr)
    if not said.rows:
        raise CourseError(
            f"There is no file to look at in {', '.join(map(printable, options.files))}. Give pictures, or a folder that holds some."
        )
    if options.json:
        print(json.dumps(said.json(options.top), indent=1))
    else:
        for line in lines(said, options.top, shutil.get_terminal_size().columns):
            print(_encodable(line))
    if options.csv:
        said.write_csv(options.csv)
        print(f"Written: {printable(str(options.csv))}", file=sys.stderr)
    return 1 if said.unread else 0


def lines(said: Predictions, top: int, width: int) -> Iterator[str]:
    """The answers as lines of at most `width` columns, with a heading and the counts at the end."""
    from .predicting import cells

    rows = [("file", "answer", "sure", "remark"), *((row.file, *cells(row, top)) for row in said.rows)]
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    for column, least in NARROWER:
        over = sum(widths) + len(GAP) * (len(widths) - 1) - width
        widths[column] = max(min(least, widths[column]), widths[column] - max(0, over))
    for row in rows:
        texts = [_fitted(text, w, middle=i == 0) for i, (text, w) in enumerate(zip(row, widths, strict=True))]
        texts[2] = texts[2].strip().rjust(widths[2])
        yield GAP.join(texts).rstrip()
    yield said.summary()


def _fitted(text: str, width: int, middle: bool) -> str:
    """A text in exactly `width` columns; of a path the end is kept, as there the file's name stands."""
    if _width(text) <= width:
        return text + " " * (width - _width(text))
    kept = list(text)
    while kept and _width("".join(kept)) > width - 1:
        kept.pop(0 if middle else -1)
    short = f"…{''.join(kept)}" if middle else f"{''.join(kept)}…"
    return short + " " * (width - _width(short))


def _width(text: str) -> int:
    """Columns of a terminal that a text takes: two for wide letters and most emoji, none for marks on a letter."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


def _names(given: Sequence[str]) -> Iterator[str]:
    for name in given:
        if name == "-":
            yield from (os.fsdecode(line.rstrip(b"\r\n")) for line in sys.stdin.buffer if line.strip())
        else:
            yield name


def _progress(done: int, total: int) -> None:
    print(f"\r{done:,} of {total:,} files", end="", file=sys.stderr, flush=True)


def _encodable(text: str) -> str:
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _top(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= TOP:
        raise argparse.ArgumentTypeError(f"a whole number from 1 to {TOP} is needed, received {text!r}")
    return int(text)
