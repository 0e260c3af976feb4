"""A zip of pictures, unpacked into the cache: once, safely, and as a whole or not at all.

    folder, problems = unpacked(Path("photos.zip"))      # cache/unzipped/<checksum>/files

Whoever made the zip is not trusted: nothing is written outside of that folder, no link is made, bytes are counted
while they come out (what a zip says about its sizes may be a lie), and two names that differ only by case, which are
one file on many systems, are told.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
import shutil
import time
import unicodedata
import zipfile
from pathlib import Path

from ..errors import CourseError
from ..paths import cache_dir
from .found import Problem, Problems, printable
from .zip_members import Refused, check_kind, member_name, safe_parts

MOST = 1_000_000  # members
LARGEST = 1 << 30  # bytes of one member
SMALL = 64 << 20  # bytes up to which a member may be packed as tightly as it likes: a white drawing is
TIGHTEST = 200  # times that a larger member may grow
SMALL_TOTAL, TIGHTEST_TOTAL = 2 << 30, 50  # the same for all of them together
SPARE = 512 << 20  # bytes that stay free on the disk
PIECE = 1 << 18
DAY = 86400.0  # seconds
WHOLE = "Ask for it again, or unpack it with a program that you trust and give the folder."


def unpacked(path: Path) -> tuple[Path, tuple[Problem, ...]]:
    """The folder that a zip was unpacked to, now or earlier, and the members that were left out.

    Raises `CourseError` where the zip is damaged, empty or a bomb, or the disk is full; nothing is kept then.
    """
    shown = printable(str(path))
    try:
        place = cache_dir() / "unzipped" / _checksum(path)
        known = _read_report(place)
        if known is not None:
            return place / "files", known
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if not members:
                raise CourseError(f"The zip {shown} is empty. Pack the folder of the pictures again.")
            if len(members) > MOST:
                raise CourseError(f"The zip {shown} has {len(members):,} members; up to {MOST:,} are read. {WHOLE}")
            return place / "files", _unpack_whole(archive, members, path, place)
    except CourseError:
        raise
    except Exception as error:  # a damaged zip can fail in a dozen ways; EINVAL is a place in it that cannot be
        number = error.errno if isinstance(error, OSError) else None
        if number in (None, errno.EINVAL):
            raise CourseError(f"The zip {shown} is damaged or cut off ({error}). Copy or download it again.") from error
        full = number in (errno.ENOSPC, errno.EDQUOT)
        what = "Free some space, or set COURSE_CACHE to a folder on another disk." if full else "Check both."
        raise CourseError(f"The zip {shown} could not be unpacked into {cache_dir()} ({error}). {what}") from error


def _checksum(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:20]


def _unpack_whole(
    archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], path: Path, place: Path
) -> tuple[Problem, ...]:
    """Unpack beside `place` and rename, so that a folder of this name is always complete."""
    place.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(place)
    temporary = place.with_name(f".{place.name}.{secrets.token_hex(4)}.{os.getpid()}.part")
    try:
        (temporary / "files").mkdir(parents=True)
        room = max(0, shutil.disk_usage(temporary).free - SPARE)
        allowed = max(SMALL_TOTAL, TIGHTEST_TOTAL * path.stat().st_size)
        unpacking = _Unpacking(archive, temporary / "files", printable(str(path)), allowed, room)
        for member in members:
            unpacking.take(member)
        lines = unpacking.problems.lines()
        report = {"files": unpacking.files, "bytes": unpacking.bytes, "problems": lines}
        (temporary / "report.json").write_text(json.dumps(report), encoding="utf-8")
        _put(temporary, place)
        return lines
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


class _Unpacking:
    """Members written below a folder one after the other; what they may not do, and how much they may become."""

    def __init__(self, archive: zipfile.ZipFile, folder: Path, shown: str, allowed: int, room: int) -> None:
        self.archive, self.folder, self.shown = archive, folder, shown
        self.allowed, self.room = allowed, room
        self.problems, self.files, self.bytes = Problems(), 0, 0
        self._spelt: dict[tuple[str, ...], str] = {}  # folders, whatever their case -> as first spelt
        self._taken: set[tuple[str, ...]] = set()

    def take(self, member: zipfile.ZipInfo) -> None:
        """Unpack a member, or add the reason why not."""
        name = member_name(member)
        try:
            parts = safe_parts(name)
            check_kind(member, parts)
            target = self._place(parts, member.is_dir())
            if not member.is_dir():
                self._write(member, target)
                self.files += 1
        except Refused as refused:
            self.problems.add(printable(name)[:300], *refused.args)

    def _place(self, parts: list[str], is_folder: bool) -> Path:
        """Where a member goes. Folders that differ by case become one, as on systems that do not tell case apart."""
        keys = [unicodedata.normalize("NFC", part).casefold() for part in parts]
        folders = len(parts) if is_folder else len(parts) - 1
        spelt = []
        for i in range(folders):
            key = tuple(keys[: i + 1])
            if key in self._taken:
                raise Refused("it is in a folder that is also a file of this zip", "rename one of them")
            spelt.append(self._spelt.setdefault(key, parts[i]))
        if not is_folder:
            if tuple(keys) in self._taken or tuple(keys) in self._spelt:
                raise Refused("the zip holds this name twice (upper and lower case are one)", "rename one of them")
            self._taken.add(tuple(keys))
            spelt.append(parts[-1])
        target = self.folder.joinpath(*spelt)
        try:
            (target if is_folder else target.parent).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(error) from error
        return target

    def _write(self, member: zipfile.ZipInfo, target: Path) -> None:
        most = min(LARGEST, max(SMALL, TIGHTEST * member.compress_size))
        written = 0
        try:
            with open(target, "xb") as file, self.archive.open(member) as source:
                while piece := source.read(PIECE):
                    written += len(piece)
                    self._count(len(piece))
                    if written > most:
                        reason = f"it unpacks to more than {most >> 20:,} MB, which no picture of its kind does"
                        raise Refused(reason, "leave it out")
                    file.write(piece)
        except Exception as error:  # decompressors raise anything
            self.bytes -= written
            with contextlib.suppress(OSError):
                target.unlink()
            if isinstance(error, (Refused, CourseError)):
                raise
            if isinstance(error, OSError) and error.errno:
                raise _unwritable(error) from error
            if isinstance(error, NotImplementedError):
                raise Refused(
                    f"it is packed in a way that cannot be read ({error})", "pack it as a plain zip"
                ) from error
            raise Refused(f"it is damaged in the zip ({error})", "copy or download the zip again") from error

    def _count(self, more: int) -> None:
        self.bytes += more
        if self.bytes > self.allowed:
            raise CourseError(
                f"The zip {self.shown} unpacks to more than {self.allowed >> 20:,} MB, far more than pictures do; nothing "
                f"of it was kept. {WHOLE}"
            )
        if self.bytes > self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _unwritable(error: OSError) -> Exception:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
        return error  # of the disk, not of this member
    return Refused(f"no file can be written under its name ({error.strerror})", "give it a shorter and plain name")


def _read_report(place: Path) -> tuple[Problem, ...] | None:
    """What was left out when a zip was unpacked earlier, or None where that is not there in full."""
    try:
        report = json.loads((place / "report.json").read_text(encoding="utf-8"))
        sizes = [
            os.stat(os.path.join(here, file)).st_size for here, _, files in os.walk(place / "files") for file in files
        ]
        if (len(sizes), sum(sizes)) == (report["files"], report["bytes"]):
            return tuple(Problem(*line) for line in report["problems"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def _put(temporary: Path, place: Path) -> None:
    """Give a complete folder its name. Where another process was faster its folder stays: it is the same."""
    try:
        os.rename(temporary, place)
    except OSError:
        if _read_report(place) is not None:
            return
        aside = temporary.with_name(f"{temporary.name[:-5]}.old.part")
        os.rename(place, aside)  # files were removed or changed there
        os.rename(temporary, place)
        shutil.rmtree(aside, ignore_errors=True)


def _remove_leftovers(place: Path) -> None:
    """Remove what killed processes left of this zip a day or more ago."""
    for path in place.parent.glob(f".{place.name}.*.part"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > DAY:  # else it may be being written, here or on another machine
                shutil.rmtree(path, ignore_errors=True)
