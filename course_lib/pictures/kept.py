"""Decoded pictures on disk: one file of pixels, and one that says what they are, which appears when all is written.

    with writing(key, size=192, total=2000) as out:
        out.add(rows, pixels)                 # as they come, some at a time
        kept = out.finish()                   # from here on `open_kept(key, 192)` finds them

`KEY.TOKEN.pixels` holds the images one after another, 3*size*size bytes each; `KEY.json` has a line for each picture. While
they are being written both have names that begin with a point and end in the number of the process and `.part`. Of a process
that was killed the pairs stay; `sources` finds them, and each picture is held against its checksum before it is used.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import torch

from ..cache.feature_files import process_runs
from ..errors import CourseError
from ..images import begin_checksum
from ..paths import cache_dir, explain
from .stamps import Stamp

FORMAT = "course pictures 1"
NOTED = 32  # pictures after which the journal is written on: what a kill may cost
_mine: set[str] = set()  # journals that threads of this process are writing


class Row(NamedTuple):
    """What is known of a file: where it was, its stamp, a digest of its bytes if it was young, and what it gave."""

    path: str
    stamp: Stamp | None
    digest: str
    width: int
    height: int
    reason: str | None
    remedy: str | None
    place: int = -1
    crc: int = 0


@dataclass(frozen=True)
class Kept:
    """Pictures that were decoded before: in a file, complete or not, or in memory."""

    rows: list[Row]
    size: int
    path: Path | None
    checksum: str = ""
    complete: bool = True
    array: torch.Tensor | None = field(default=None, repr=False)

    def images(self) -> torch.Tensor:
        """All pictures, uint8 n,3,size,size; changes to them stay in this process."""
        count = sum(row.reason is None for row in self.rows)
        return _mapped(self.path, count, self.size) if self.array is None else self.array[:count]

    def pixels(self, row: Row) -> np.ndarray | None:
        """Pixels of one picture, uint8 3,size,size; None where they are not what was written."""
        if row.reason is not None:
            return None
        each = 3 * self.size**2
        try:
            with open(self.path, "rb") as file:
                pixels = np.fromfile(file, np.uint8, each, offset=row.place * each)
        except OSError:
            return None
        good = len(pixels) == each and zlib.crc32(pixels) == row.crc
        return pixels.reshape(3, self.size, self.size) if good else None


class Writer:
    """Takes pictures in order; see `writing`."""

    def __init__(self, key: str, size: int, total: int) -> None:
        self.key, self.size, self.count, self.rows = key, size, 0, []
        self.folder = pictures_dir()
        token = secrets.token_hex(4)
        self.final = self.folder / f"{key}.{token}.pixels"
        self.digest = begin_checksum((total, 3, size, size))  # as if every file held a picture, which is seldom wrong
        self.total = total
        self.array = None if key else np.empty((total, 3, size, size), np.uint8)
        self.pixels: IO[bytes] | None = None
        self.journal: IO[str] | None = None
        if key:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.pixels = open(self.folder / f".{key}.{token}.pixels.{os.getpid()}.part", "wb+")
            self.journal = open(self.folder / f".{key}.{token}.json.{os.getpid()}.part", "w", encoding="utf-8")
            _mine.add(self.journal.name)
            facts = {"format": FORMAT, "key": key, "size": size, "pixels": self.final.name}
            self.journal.write(json.dumps(facts) + "\n")

    def add(self, rows: Sequence[Row], pixels: np.ndarray) -> None:
        """Write what some files gave, in order: a row for each, and the pixels of those without a reason, uint8 n,3,size,size."""
        self.digest.update(pixels.data)
        if self.array is None:
            self.pixels.write(pixels.data)
        else:
            self.array[self.count : self.count + len(pixels)] = pixels
        for row in rows:
            good = row.reason is None
            self.rows.append(row._replace(place=self.count if good else -1))
            self.count += good
        if self.journal is not None and len(self.rows) - self._noted >= NOTED:
            self._note()

    def _note(self) -> None:
        """Tell the journal of what is in the file by now."""
        self.pixels.flush()
        self.journal.writelines(json.dumps(row) + "\n" for row in self.rows[self._noted :])
        self.journal.flush()
        self._noted = len(self.rows)

    _noted = 0

    def _checksum(self) -> str:
        """SHA-256 of all pictures, as of an ImageSet."""
        if self.count == self.total:
            return self.digest.hexdigest()
        digest = begin_checksum((self.count, 3, self.size, self.size))
        if self.array is not None:
            digest.update(self.array[: self.count].data)
            return digest.hexdigest()
        self.pixels.flush()
        self.pixels.seek(0)
        while data := self.pixels.read(2**20):
            digest.update(data)
        return digest.hexdigest()

    def finish(self) -> Kept:
        """All is written: give the files their names."""
        checksum = self._checksum()
        if self.array is not None:
            return Kept(self.rows, self.size, None, checksum, True, torch.from_numpy(self.array))
        self._note()
        self.journal.write(json.dumps({"complete": len(self.rows), "checksum": checksum}) + "\n")
        for file in (self.pixels, self.journal):
            file.flush()
            os.fsync(file.fileno())
            file.close()
        # Opened before others can see it: one of them may replace it at once, which does not touch who has it open.
        images = _mapped(Path(self.pixels.name), self.count, self.size)
        os.replace(self.pixels.name, self.final)
        os.replace(self.journal.name, self.folder / f"{self.key}.json")  # from here on it counts
        _remove_others(self.key, self.final.name)
        return Kept(self.rows, self.size, self.final, checksum, True, images)


@contextlib.contextmanager
def writing(key: str, size: int, total: int) -> Iterator[Writer]:
    """A `Writer`. With an empty key the pictures stay in memory. Where the block does not reach `finish` - an error, an
    interrupt - what was written stays for the next start, as after a kill.

    Raises `CourseError` where the disk is full or cannot be written.
    """
    out = None
    try:
        out = Writer(key, size, total)
        yield out
    except OSError as error:
        raise CourseError(explain(error, pictures_dir() / f"{key}.json")) from error
    finally:
        for file in filter(None, (out.pixels, out.journal) if out else ()):
            with contextlib.suppress(OSError):
                file.close()
            _mine.discard(file.name)


def pictures_dir() -> Path:
    """Folder of the decoded pictures; safe to delete at any time."""
    return cache_dir() / "pictures"


def open_kept(key: str, size: int) -> Kept | None:
    """The complete pictures of a key; None where there are none."""
    kept = _parse(pictures_dir() / f"{key}.json", key, size)
    return kept if kept is not None and kept.complete else None


def sources(key: str, size: int, whole: Kept | None) -> list[Kept]:
    """All that is there of a key: what was complete, and what processes that were killed had written."""
    left = []
    for path in sorted(pictures_dir().glob(f".{key}.*.json.*.part")):
        if not is_written(path):
            left.append(_parse(path, key, size))
    return [kept for kept in (whole, *left) if kept is not None]


def _mapped(path: Path, count: int, size: int) -> torch.Tensor:
    """Pixels in a file, read where they are looked at: uint8 count,3,size,size."""
    if not count:
        return torch.zeros(0, 3, size, size, dtype=torch.uint8)
    whole = torch.from_file(str(path), shared=False, size=count * 3 * size * size, dtype=torch.uint8)
    return whole.view(count, 3, size, size)


def _parse(path: Path, key: str, size: int) -> Kept | None:
    """What a journal says; None where it is of something else. A last line that was cut off does not count."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        facts = json.loads(lines[0])
        if (facts["format"], facts["key"], facts["size"]) != (FORMAT, key, size):
            return None
        last = json.loads(lines[-1]) if lines[-1].endswith("\n") else None
        complete = isinstance(last, dict) and "checksum" in last
        stop = len(lines) - (complete or last is None)
        rows = [Row(*json.loads(line)) for line in lines[1:stop]]
        pixels = path.parent / facts["pixels"]
        if not pixels.exists() and not complete:
            pixels = path.with_name(path.name.replace(".json.", ".pixels."))
        good = pixels.stat().st_size
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None
    rows = [row for row in rows if row.reason is not None or (row.place + 1) * 3 * size * size <= good]
    if complete and len(rows) != last["complete"]:
        return None
    return Kept(rows, size, pixels, last["checksum"] if complete else "", complete)


def _remove_others(key: str, pixels: str) -> None:
    """Remove older pixels of a key, and what processes that were killed had begun. Who has them open keeps them."""
    for path in [*pictures_dir().glob(f"{key}.*.pixels"), *pictures_dir().glob(f".{key}.*.part")]:
        if path.name != pixels and not is_written(path):
            with contextlib.suppress(OSError):
                path.unlink()


def is_written(path: Path) -> bool:
    """Whether a thread of this process, or another process, is writing a file now."""
    process = path.name.split(".")[-2]
    if path.suffix != ".part" or not process.isdigit():
        return False
    if int(process) == os.getpid():
        return str(path).replace(".pixels.", ".json.") in _mine
    return process_runs(int(process))
