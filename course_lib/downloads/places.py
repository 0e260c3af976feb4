"""Where real sets lie: in the folder that COURSE_DATA names, which is only read, or in the course's own downloads.

    place(entry)         # the folder to read from, as torchvision's `root`, or None
    own_folder(entry)    # where it is downloaded to: downloads/NAME below the cache folder

A set in the course's own folder counts when each of its files has a record: a list of what was unpacked, written last.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from ..errors import CourseError
from ..paths import atomic, cache_dir
from .entry import File, RealSet

RECORDS = ".course"  # folder of the records, in the folder of a set


def downloads_dir() -> Path:
    """The folder of downloads: `downloads/` below the cache folder. `course cache clear` leaves it alone."""
    return cache_dir() / "downloads"


def shared_dir() -> Path | None:
    """The folder that COURSE_DATA names, a lab's disk for instance; nothing is ever written there."""
    named = os.environ.get("COURSE_DATA")
    return Path(named).expanduser() if named else None


def own_folder(entry: RealSet) -> Path:
    """Where a set is downloaded to."""
    return downloads_dir() / entry.key


def place(entry: RealSet) -> Path | None:
    """The folder to read a set from, laid out as torchvision's `root`; None where it is not there, or not all of it."""
    return shared_place(entry) or (own_folder(entry) if is_complete(entry) else None)


def shared_place(entry: RealSet) -> Path | None:
    """The folder below COURSE_DATA that holds a set: COURSE_DATA itself, one named like the set, or the one around it."""
    shared = shared_dir()
    if shared is None:
        return None
    around = [shared.parent] if shared.name in {file.top for file in entry.files} else []
    for folder in (shared, shared / entry.key, *around):
        if all(_there(folder / file.gives) for file in entry.files):
            return folder
    return None


def is_complete(entry: RealSet) -> bool:
    """Whether all of a set was downloaded, checked and unpacked here."""
    return all(read_record(entry, file) is not None for file in entry.files)


def read_record(entry: RealSet, file: File) -> dict[str, Any] | None:
    """What was unpacked from a file: `files` (path -> [bytes, SHA-256]), `sha256` and `address`; None if it is not there."""
    try:
        record = json.loads(record_path(entry, file).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record.get("files"), dict) and _there(own_folder(entry) / file.gives) else None


def write_pending(entry: RealSet, file: File, record: dict[str, Any]) -> None:
    """Write down what a file gives, before it is there."""
    with atomic(pending_path(entry, file)) as out:
        out.write(json.dumps(record, indent=0).encode())


def settle_record(entry: RealSet, file: File) -> None:
    """What was written down is there now: from here on the file counts."""
    os.replace(pending_path(entry, file), record_path(entry, file))


def record_path(entry: RealSet, file: File) -> Path:
    """Where the record of a file lies."""
    return own_folder(entry) / RECORDS / f"{file.name}.json"


def pending_path(entry: RealSet, file: File) -> Path:
    """Where the record of a file lies while it is unpacked, and while it is removed."""
    return own_folder(entry) / RECORDS / f"{file.name}.pending.json"


def part_path(entry: RealSet, file: File) -> Path:
    """What has arrived of a file so far."""
    return own_folder(entry) / f".{file.name}.part"


def lock_path(entry: RealSet) -> Path:
    """The lock that a process holds while it changes the folder of a set."""
    return downloads_dir() / f".{entry.key}.lock"


def remove_leftovers(entry: RealSet) -> int:
    """Remove what a killed process was writing or unpacking to; the caller holds the lock. Returns the bytes freed."""
    folder, freed = own_folder(entry), 0
    for pattern in (".unpacking-*", f"{RECORDS}/.*.part", ".*.part.json.*.part", ".*.part.plain"):
        for path in folder.glob(pattern):
            freed += size_of(path)
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
    return freed


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    found = [path] if path.is_file() else path.rglob("*") if path.is_dir() else []
    return sum(each.lstat().st_size for each in found if not each.is_dir())


def refuse_shared(entry: RealSet) -> None:
    """Raise `CourseError` where the course's own folder lies inside COURSE_DATA, which is only read."""
    shared, own = shared_dir(), own_folder(entry)
    if shared is not None and own.resolve().is_relative_to(shared.resolve()):
        raise CourseError(
            f"The folder of downloads {downloads_dir()} lies inside COURSE_DATA={shared}, where the course writes nothing. "
            "Set COURSE_CACHE to a folder of your own, or unset COURSE_DATA."
        )
    if own.is_symlink() or downloads_dir().is_symlink():
        raise CourseError(
            f"{own if own.is_symlink() else downloads_dir()} is a link; the course writes only to folders of its own. "
            "Remove the link, or set COURSE_CACHE to the folder that you mean."
        )


def _there(path: Path) -> bool:
    """Whether a file that is not empty, or a folder that holds something, is there."""
    try:
        if path.is_dir():
            with os.scandir(path) as found:
                return next(found, None) is not None
        return path.stat().st_size > 0
    except OSError:
        return False
