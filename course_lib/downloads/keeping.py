"""Sets that are here: read again and compared, and removed.

for path, fault in verify(entry): ...      # each file, with what is wrong or nothing
freed = remove(entry)                      # what the course placed, and nothing else
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from .checks import digests
from .entry import File, RealSet
from .fetch import state_path
from .lock import locked
from .places import (
    lock_path,
    own_folder,
    part_path,
    pending_path,
    read_record,
    record_path,
    refuse_shared,
    remove_leftovers,
)
from .sentences import hand_place
from .sets import Progress


def verify(entry: RealSet, progress: Progress | None = None) -> Iterator[tuple[Path, str]]:
    """Read each file of a set that was downloaded here; yields it with what is wrong, or nothing.

    Arguments:
        progress: called as progress("reading images.tar.gz", files done, files in all).
    """
    folder = own_folder(entry)
    for file in entry.files:
        record = read_record(entry, file)
        if record is None:
            yield folder / file.gives, "it is not there, or was not unpacked to the end"
            continue
        for number, (name, (size, sha256)) in enumerate(record["files"].items(), 1):
            if progress:
                progress(f"reading {file.name}", number, len(record["files"]))
            yield folder / name, _changed(folder / name, size, sha256)


def remove(entry: RealSet) -> int:
    """Remove what the course placed for a set, also what has arrived of it so far; returns the bytes that this freed.

    Files that the course did not place stay. Raises `CourseError` for a folder of downloads that lies in COURSE_DATA, or
    is a link.
    """
    refuse_shared(entry)
    folder, freed = own_folder(entry), 0
    if not folder.is_dir():
        return 0
    with locked(lock_path(entry)):
        for file in entry.files:
            freed += _remove_file(entry, file)
        freed += remove_leftovers(entry)
        for parent, _, _ in os.walk(folder, topdown=False):
            with contextlib.suppress(OSError):  # it holds something that is not ours
                os.rmdir(parent)
    return freed


def _remove_file(entry: RealSet, file: File) -> int:
    """Without its record a file does not count as there, so a removal that is killed leaves no half of a set to be read."""
    folder, pending = own_folder(entry), pending_path(entry, file)
    names = set()
    for path in (pending, record_path(entry, file)):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            names |= set(json.loads(path.read_text(encoding="utf-8"))["files"])
    with contextlib.suppress(FileNotFoundError):
        os.replace(record_path(entry, file), pending)
    inside = [folder / name for name in names if ".." not in Path(name).parts and not Path(name).is_absolute()]
    part = part_path(entry, file)
    return sum(map(_unlink, [*inside, hand_place(entry, file), part, state_path(part), pending]))


def _changed(path: Path, size: int, sha256: str) -> str:
    try:
        now = path.stat().st_size
        if now != size:
            return f"it has {now:,} bytes instead of {size:,}"
        return "" if digests(path)[1] == sha256 else "its content was changed"
    except OSError as error:
        return f"it cannot be read ({error.strerror})"


def _unlink(path: Path) -> int:
    try:
        size = path.lstat().st_size
        path.unlink()
    except OSError:
        return 0
    return size
