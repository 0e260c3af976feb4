"""Where the course keeps things, and how it writes them: under a temporary name, then renamed.

with atomic(features_dir() / "a.npz") as file:
    numpy.savez(file, x=x)          # a kill or a full disk leaves no half-written a.npz
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .errors import CourseError

ROOT = Path(__file__).resolve().parent.parent


def notebooks_dir() -> Path:
    """The folder of the lessons, `notebooks/`."""
    return ROOT / "notebooks"


def weights_dir() -> Path:
    """The folder of the small pretrained nets that ship with the course, `data/weights/`."""
    return ROOT / "data" / "weights"


def cache_dir() -> Path:
    """The folder of generated things: `$COURSE_CACHE` if set, else `data/cache/`. Safe to delete at any time."""
    chosen = os.environ.get("COURSE_CACHE")
    return Path(chosen).expanduser() if chosen else ROOT / "data" / "cache"


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path` for binary writing; rename it to `path` when the block ends well.

    Raises `CourseError` when the folder cannot be written or the disk is full; the temporary file is removed on any error.
    """
    path = Path(path)
    # The number is for threads, and for machines that share a folder; the process says whether anyone still writes.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise CourseError(explain(error, path)) from error
    finally:
        with contextlib.suppress(OSError):  # a folder that is not there, or is a file, holds nothing to remove
            temporary.unlink()


def explain(error: OSError, path: Path) -> str:
    """What to do where `path` could not be written."""
    where = (
        "Set the environment variable COURSE_CACHE to a folder on another disk, or " if _in_cache(path) else "Please "
    )
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return (
            f"No room left to write {path} ({error.strerror}); nothing half-written was kept. {where}free some space."
        )
    return f"Could not write {path} ({error.strerror}). {where}make this folder writable."


def _in_cache(path: Path) -> bool:
    return path.resolve().is_relative_to(cache_dir().resolve())
