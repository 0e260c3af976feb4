"""One process at a time in a folder of downloads: others wait, and then find the set there.

with locked(downloads_dir() / ".pets.lock", waiting=lambda: print("another download is running")): ...

The lock belongs to an open file, so it ends with the process, however that ends.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import CourseError

try:
    import fcntl

    def _take(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
except ImportError:  # Windows
    import msvcrt

    def _take(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)


LOOK = 0.2  # seconds between two looks
BUSY = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK)


@contextlib.contextmanager
def locked(path: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock while the block runs; `waiting` is called at each look while another process has it.

    Raises `CourseError` where the folder cannot be written. On disks that know no locks, nothing is waited for.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise CourseError(
            f"Nothing can be written to {path.parent} ({error.strerror}). Set COURSE_CACHE to a folder of your own."
        ) from error
    try:
        while True:
            try:
                _take(file)
                break
            except OSError as error:
                if error.errno not in BUSY:
                    break
                if waiting:
                    waiting()
                time.sleep(LOOK)
        yield
    finally:
        os.close(file)
