"""Whether a file is still what it was: its size, the time its bytes were last changed, and the time its state was.

    before = look_at(path)
    look_at(path) == before          # nothing was written meanwhile, unless within one tick of the disk's clock: is_young

The third number catches a change that has set the second one back.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

Stamp = tuple[int, int, int]  # bytes, ns, ns
YOUNG = 2_000_000_000  # ns; the coarsest clock of a file system ticks every 2 s


def look_at(path: Path) -> Stamp | None:
    """Size and times of a file; None where there is none."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def is_young(stamp: Stamp, when: int) -> bool:
    """Whether a file might have been changed after `when` (ns) without its times telling."""
    return max(stamp[1:]) > when - YOUNG


def digest_of(path: Path) -> str:
    """A digest of a file's bytes; nothing where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()[:32]
    except OSError:
        return ""
