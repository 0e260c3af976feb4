"""A whole set: fetched file by file, checked, and unpacked.

    download(entry, progress=bar)        # nothing where it is there already; else all of it, or a CourseError

What is killed is continued by the next call. A file has its final name when it is complete and right; a folder is unpacked
under another name and renamed; then a record is written, and with the last record the set is there.
"""

from __future__ import annotations

import gzip
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from ..errors import CourseError
from .addresses import Refused
from .checks import recall, remember, wrong
from .entry import File, RealSet, say_size
from .fetch import Patience, fetch, forget, read_state
from .lock import locked
from .places import (
    downloads_dir,
    lock_path,
    own_folder,
    part_path,
    place,
    read_record,
    refuse_shared,
    remove_leftovers,
    settle_record,
    write_pending,
)
from .sentences import cannot_have, hand_place
from .unpack import BadArchive, unpack

Progress = Callable[[str, int, int], None]  # what is being done, bytes done, bytes in all (0 where nobody knows)
READ = 2**20


def download(entry: RealSet, progress: Progress | None = None, patience: Patience | None = None) -> Path:
    """Have a set on this machine, and return the folder to read it from.

    Arguments:
        progress: called as progress("images.tar.gz", bytes done, bytes in all), also while checking and unpacking.
        patience: how long to wait for an address, and how often.

    Raises `CourseError` where it cannot be had, with all that was tried; what has arrived is kept for the next time.
    """
    if (there := place(entry)) is not None:
        return there
    refuse_shared(entry)
    tell = progress or (lambda what, done, total: None)
    with locked(lock_path(entry), lambda: tell(f"another process fetches {entry.key}; waiting", 0, 0)):
        remove_leftovers(entry)
        for file in entry.files:
            if read_record(entry, file) is None:
                _have(entry, file, tell, patience)
    return own_folder(entry)


def _have(entry: RealSet, file: File, tell: Progress, patience: Patience | None) -> None:
    """One file: there, right, unpacked, and with its record."""
    archive, tried = hand_place(entry, file), []
    for address in ("", *file.addresses):
        if address:
            sha256 = _from(address, entry, file, archive, tell, tried, patience)
        else:
            sha256 = _look_at(entry, file, archive, tell, tried)
        if not sha256:
            continue
        origin = {"address": address or "placed by hand, or by an earlier start", "sha256": sha256}
        try:
            _put(entry, file, archive, origin, tell)
        except BadArchive as error:
            archive.unlink(missing_ok=True)
            tried.append(f"{address or archive} (the archive is not used: {error})")
            continue
        if not (file.md5 or file.sha256):
            remember(entry, file, sha256)
        settle_record(entry, file)
        forget(part_path(entry, file))
        if file.kind:
            archive.unlink(missing_ok=True)
        return
    raise CourseError(cannot_have(entry, file, tried))


def _look_at(entry: RealSet, file: File, archive: Path, tell: Progress, tried: list[str]) -> str:
    """The SHA-256 of a file that lies there already, from an earlier start or placed by hand; nothing for a wrong one."""
    if not archive.is_file():
        return ""
    fault, sha256 = wrong(archive, file, recall(entry, file), _checking(file, archive, tell))
    if fault:
        tried.append(f"{archive} (not the right file: {fault})")
    return "" if fault else sha256


def _from(
    address: str,
    entry: RealSet,
    file: File,
    archive: Path,
    tell: Progress,
    tried: list[str],
    patience: Patience | None,
) -> str:
    """Fetch from one address, check, and give it its final name; its SHA-256, or nothing and the reason in `tried`."""
    part = part_path(entry, file)
    part.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(2):  # once more from the beginning, where a part of another day turns out to be the wrong one
        _check_room(entry, file, part)
        try:
            resumed = fetch(address, file, part, lambda done, total: tell(file.name, done, total), patience)
        except Refused as error:
            tried.append(f"{address} ({error})")
            return ""
        fault, sha256 = wrong(part, file, recall(entry, file), _checking(file, part, tell))
        if fault and read_state(part).encoding in ("gzip", "x-gzip") and _decode(part, file):
            fault, sha256 = wrong(part, file, recall(entry, file))
        if not fault:
            archive.parent.mkdir(parents=True, exist_ok=True)
            os.replace(part, archive)
            return sha256
        forget(part)
        if not resumed:
            break
    tried.append(f"{address} (another file came: {fault})")
    return ""


def _put(entry: RealSet, file: File, archive: Path, origin: dict[str, str], tell: Progress) -> None:
    """Unpack beside the final place, write down what that gave, and rename; a file without a kind is used as it is."""
    folder, gives = own_folder(entry), PurePosixPath(file.gives)
    if not file.kind:
        write_pending(entry, file, origin | {"files": {file.gives: (archive.stat().st_size, origin["sha256"])}})
        return
    beside = folder / f".unpacking-{secrets.token_hex(4)}"
    try:
        listed = unpack(
            archive,
            file.kind,
            beside,
            limit=file.limit,
            skip=file.skip,
            name=gives.name,
            watch=lambda done, total: tell(f"unpacking {file.name}", done, total),
        )
        kept = {name: what for name, what in listed.items() if PurePosixPath(name).parts[0] == gives.name}
        if not kept:
            raise BadArchive(f"it holds no {gives.name}")
        named = {str(gives.parent / name): what for name, what in kept.items()}
        write_pending(entry, file, origin | {"files": named})
        target = folder / gives
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():  # of a start that was killed between renaming and the record
            os.replace(target, beside / ".before")
        os.replace(beside / gives.name, target)
    except OSError as error:
        raise CourseError(
            f"{archive} could not be unpacked in {folder} ({error.strerror}); the download is kept. Make room or mend "
            f"the folder, then: course data fetch {entry.name}"
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _decode(part: Path, file: File) -> bool:
    """Undo a compression that the server added on the way; whether there was one."""
    plain = part.with_name(part.name + ".plain")
    try:
        with gzip.open(part) as opened, open(plain, "wb") as out:
            left = (file.bytes or file.limit) + 1
            while left > 0 and (chunk := opened.read(min(READ, left))):
                left -= len(chunk)
                out.write(chunk)
        os.replace(plain, part)
    except (OSError, EOFError):
        return False
    finally:
        plain.unlink(missing_ok=True)
    return True


def _check_room(entry: RealSet, file: File, part: Path) -> None:
    """Raise `CourseError` where the disk has no room for the rest of a file, and for what comes out of it."""
    arrived = part.stat().st_size if part.exists() else 0
    needed = max(file.size - arrived, 0) + (file.size if file.kind else 0)
    free = shutil.disk_usage(part.parent).free
    if free < needed:
        raise CourseError(
            f"{entry.title} needs {say_size(needed)} more for {file.name} and what is in it; the disk of {downloads_dir()} "
            f"has {say_size(free)}. Make room, or set COURSE_CACHE to a folder on another disk."
        )


def _checking(file: File, path: Path, tell: Progress) -> Callable[[int], None]:
    total = path.stat().st_size
    return lambda done: tell(f"checking {file.name}", done, total)
