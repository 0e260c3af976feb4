"""Many files become pixels: on all cores, with little memory, and only once.

    decoded = decode(found.pictures, 192, root="photos", progress=print)
    decoded.images                # uint8 n,3,192,192, looked up in a file of the cache
    decoded.kept                  # which of the pictures these are; decoded.problems has the others

Pixels go to a file as they come (kept.py), so memory does not grow with their number. A start that was killed leaves what it
had done for the next one. A file counts as the one that was decoded if its name, size and times (last change of its bytes, and
of its state) are the same. A change within the tick of a clock could hide behind that, so the bytes of a file that was only
just written when it was decoded are compared too.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from ..cache.memory import fits, limit, say_bytes
from ..errors import CourseError
from . import kept as keeping
from .found import Picture
from .kept import Kept, Row
from .reading import read_picture
from .room import make_room, touch
from .stamps import Stamp, digest_of, is_young, look_at

VERSION = 1  # of the reader: another number, and all files are decoded anew
AHEAD = 64  # pictures that wait, decoded, for being written: what memory is needed for
TAKEN = 4  # of them by one thread at a time
AGAIN = 5  # a file that changes while it is read is read again so many times
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Decoded:
    """What the files gave.

    Attributes:
        images: uint8 n,3,size,size, in the order of the pictures that could be read.
        kept: int64 n, their positions among the pictures that were asked for.
        sizes: int64 n,2: width and height of the files, upright.
        problems: position of a picture that could not be read -> (reason, remedy).
        checksum: SHA-256 as of an ImageSet.
        path: the file that the images are looked up in; None where they are in memory.
        decoded: files that were opened; the others were known.
    """

    images: torch.Tensor
    kept: torch.Tensor
    sizes: np.ndarray
    problems: dict[int, tuple[str, str]]
    checksum: str
    path: Path | None = None
    decoded: int = field(default=0, compare=False)

    def parts(self, count: int = 64) -> Iterator[torch.Tensor]:
        """The images in order, `count` at a time. Those in a file are read afresh: memory stays flat."""
        try:
            opened = open(self.path, "rb") if self.path else None  # closed below
        except OSError:  # another process has replaced it; it lives on for those who have it open
            opened = None
        if opened is None:
            yield from self.images.split(count)
            return
        shape = self.images.shape[1:]
        with opened as file:
            left = len(self.images)
            while left:
                pixels = np.fromfile(file, np.uint8, min(count, left) * shape.numel())
                left -= min(count, left)
                yield torch.from_numpy(pixels).view(-1, *shape)


def decode(
    pictures: Sequence[Picture],
    size: int,
    root: str,
    progress: Progress | None = None,
    read: Callable[..., object] = read_picture,
    copy_from: str | None = None,
) -> Decoded:
    """Decode files, or take what an earlier start has decoded.

    Arguments:
        pictures: at most one for each file.
        size: the short side becomes this many pixels, and a square is cut around the centre.
        root: what the pictures belong to; decoding the same root again replaces what was kept of it.
        progress: called as progress(done, total).
        read: reads one file (see reading.py).
        copy_from: another root; what was decoded for it is copied.

    Raises `CourseError` where there is room neither on the disk nor in memory.
    """
    key = _key(root, size)
    looks = [look_at(picture.path) for picture in pictures]
    whole = keeping.open_kept(key, size)
    if whole is not None and _is_all(whole, pictures, looks):
        with contextlib.suppress(OSError, RuntimeError):  # another process removed it just now
            found = _decoded(whole, 0)
            if progress:
                progress(len(pictures), len(pictures))
            touch(key)
            return found
    needed = len(pictures) * 3 * size * size
    if not (limit("DISK") and make_room(needed, key)):
        if not fits(needed, torch.device("cpu")):
            raise CourseError(
                f"{len(pictures):,} images of {size} px take {say_bytes(needed)}, which fits neither on the disk nor into 40 % of "
                "the free memory. Ask for a smaller size, or for fewer images, or make room (course cache clear)."
            )
        key = ""
    with keeping.writing(key, size, len(pictures)) as out:
        there = keeping.sources(key, size, whole) if key else []
        if copy_from is not None and (other := keeping.open_kept(_key(copy_from, size), size)):
            there.append(other)
        known = _known(there, pictures, looks)
        count = _fill(out, pictures, looks, size, known, progress, read)
        return _decoded(out.finish(), count)


def _key(root: str, size: int) -> str:
    return hashlib.sha256(f"{VERSION} {size} {os.path.abspath(root)}".encode(errors="surrogatepass")).hexdigest()[:32]


def _holds(row: Row, picture: Picture, stamp: Stamp | None) -> bool:
    """Whether a file is still what it was when its row was written."""
    if stamp is None or row.stamp is None or tuple(row.stamp) != stamp:
        return False
    return not row.digest or row.digest == digest_of(picture.path)


def _is_all(kept: Kept, pictures: Sequence[Picture], looks: Sequence[Stamp | None]) -> bool:
    if [row.path for row in kept.rows] != [_name(picture) for picture in pictures]:
        return False
    return all(_holds(*each) for each in zip(kept.rows, pictures, looks, strict=True))


def _name(picture: Picture) -> str:
    return os.fsencode(picture.path).decode("latin-1")  # any bytes, as text that JSON can hold


def _known(
    sources: Sequence[Kept], pictures: Sequence[Picture], looks: Sequence[Stamp | None]
) -> dict[int, tuple[Kept, Row]]:
    """Pictures that an earlier start has decoded, and where."""
    there = {row.path: (kept, row) for kept in sources for row in kept.rows}
    found = {}
    for i, (picture, look) in enumerate(zip(pictures, looks, strict=True)):
        place = there.get(_name(picture))
        if place is not None and _holds(place[1], picture, look):
            found[i] = place
    return found


def _fill(
    out: keeping.Writer,
    pictures: Sequence[Picture],
    looks: Sequence[Stamp | None],
    size: int,
    known: dict[int, tuple[Kept, Row]],
    progress: Progress | None,
    read: Callable[..., object],
) -> int:
    """Write all pictures in order: what is known is copied, the rest decoded by threads (decoding leaves Python's lock).

    Returns how many were decoded.
    """

    def work(i: int) -> tuple[Row, np.ndarray | None]:
        if i in known:
            kept, row = known[i]
            pixels = kept.pixels(row)
            if row.reason is not None or pixels is not None:
                return row, pixels
        return _read(pictures[i], looks[i], size, read)

    # Threads take a few files at a time: a thread that is woken for each one waits where others want the processor too. The
    # memory of pixels that are written is used again: what a process has not touched before, the system has to clear first.
    parts = [range(start, min(start + TAKEN, len(pictures))) for start in range(0, len(pictures), TAKEN)]
    free = [np.empty((TAKEN, 3, size, size), np.uint8) for _ in range(min(len(parts), AHEAD // TAKEN))]
    pool = ThreadPoolExecutor(threads())
    stop = threading.Event()

    def work_on(part: range) -> tuple[list[Row], np.ndarray, int]:
        rows, there, good = [], free.pop(), 0
        for i in part:
            if stop.is_set():
                break
            row, pixels = work(i)
            if pixels is not None:
                there[good] = pixels
                row = row._replace(crc=zlib.crc32(there[good]))
                good += 1
            rows.append(row)
        return rows, there, good

    try:
        waiting: deque[Future] = deque()
        told = 0.0
        for next_part in [*parts, *[None] * (AHEAD // TAKEN)]:
            if next_part is not None:
                waiting.append(pool.submit(work_on, next_part))
            if not waiting or (next_part is not None and len(waiting) < AHEAD // TAKEN):
                continue
            rows, there, good = waiting.popleft().result()
            out.add(rows, there[:good])
            free.append(there)
            done, now = len(out.rows), time.monotonic()
            if progress and (now - told > 0.1 or done == len(pictures)):
                told = now
                progress(done, len(pictures))
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)  # on Ctrl-C: what is under way ends, milliseconds later
    return len(pictures) - len(known)


def threads() -> int:
    """As many as cores: more of them wait for Python's lock (on 2 idle cores, 4 took a quarter longer than 2)."""
    return min(8, os.cpu_count() or 1)


def _read(
    picture: Picture, stamp: Stamp | None, size: int, read: Callable[..., object]
) -> tuple[Row, np.ndarray | None]:
    """Decode one file. A row without a stamp is one that nobody will rely on."""
    for _ in range(AGAIN):
        digest = digest_of(picture.path) if stamp and is_young(stamp, time.time_ns()) else ""
        found = read(picture.path, size)
        after = look_at(picture.path)
        if after == stamp:
            break
        stamp = after  # it was changed meanwhile: look again
    else:
        stamp = None
    pixels = None if found.pixels is None else found.pixels.transpose(2, 0, 1)  # H,W,3 -> 3,H,W
    row = Row(_name(picture), stamp, digest, found.width, found.height, found.reason, found.remedy)
    return row, pixels


def _decoded(kept: Kept, count: int) -> Decoded:
    good = [i for i, row in enumerate(kept.rows) if row.reason is None]
    sizes = np.array([(kept.rows[i].width, kept.rows[i].height) for i in good], dtype=np.int64).reshape(-1, 2)
    problems = {i: (row.reason, row.remedy) for i, row in enumerate(kept.rows) if row.reason is not None}
    return Decoded(
        kept.images(), torch.tensor(good, dtype=torch.int64), sizes, problems, kept.checksum, kept.path, count
    )
