"""Archives from the network: unpacked into an empty folder, and nowhere else, file by file, with a list of what came out.

    listed = unpack(archive, "tar", empty_folder, limit=2_000_000_000)      # "images/a.jpg" -> (bytes, SHA-256)

An archive is a list of names and contents that somebody else wrote. Whatever names a place outside of the folder, a link, a
device, or grows beyond all measure is refused with a sentence, and with it the whole archive: an archive with one such
entry is not what it claims to be. Owners, permissions and dates in it are not taken over.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

READ = 2**20
MOST_FILES = 500_000
LONGEST = 255  # bytes of one name, as on most disks
RESERVED = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(\..*)?$", re.IGNORECASE)  # devices on Windows

Watch = Callable[[int, int], None]  # bytes of the archive so far, and in all
Listed = dict[str, tuple[int, str]]


class BadArchive(ValueError):
    """An archive that is damaged, or holds what it should not; the text says what."""


def unpack(
    archive: Path,
    kind: str,
    folder: Path,
    *,
    limit: int,
    skip: tuple[str, ...] = (),
    name: str = "",
    watch: Watch | None = None,
) -> Listed:
    """Unpack an archive.

    Arguments:
        kind: `tar` (plain or compressed), `zip` or `gz` (one file).
        folder: where to; made if it is not there.
        limit: bytes that may come out, all together.
        skip: names of files that stay in the archive.
        name: for gz, what the file is called.
        watch: called with the bytes of the archive that were read, and its length.

    Returns the length and the SHA-256 of each file that came out. Raises `BadArchive`, and `OSError` where the disk does
    not take it; the folder then holds a part and has to be removed.
    """
    keep = _Keep(folder, limit, skip)
    if not archive.stat().st_size:
        raise BadArchive("it is damaged or cut off (0 bytes)")
    try:
        with open(archive, "rb") as raw:
            file = _Watched(raw, archive.stat().st_size, watch)
            if kind == "gz":
                with gzip.open(file) as opened:
                    keep.file(name or archive.stem, opened)
            elif kind == "zip":
                _unzip(file, keep)
            else:
                _untar(file, keep)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, gzip.BadGzipFile) as error:
        raise BadArchive(f"it is damaged or cut off ({str(error).rstrip('.') or type(error).__name__})") from error
    except (
        NotImplementedError,
        RuntimeError,
        UnicodeError,
        OverflowError,
    ) as error:  # zipfile's, for what it cannot read
        raise BadArchive(f"it cannot be read ({error})") from error
    return keep.listed


def safe_name(name: str) -> str:
    """A name in an archive as a path below a folder, with `/` between its parts. Raises `BadArchive` for any other."""
    shown = ascii(name[:80])
    if "\0" in name or "\\" in name or re.match(r"[A-Za-z]:", name):
        raise BadArchive(f"it holds the name {shown}, which is a path of another kind")
    if name.startswith("/"):
        raise BadArchive(f"it holds {shown}, a place outside of its folder (an absolute path)")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise BadArchive(f"it holds {shown}, a place outside of its folder")
    if not parts and name.strip("./"):
        raise BadArchive(f"it holds the name {shown}, which means nothing")
    for part in parts:
        if len(part.encode("utf-8", "surrogateescape")) > LONGEST or len(parts) > 40:
            raise BadArchive(f"it holds a name of {len(name):,} characters, {shown}...")
        if RESERVED.match(part) or part.rstrip(". ") != part:
            raise BadArchive(f"it holds the name {shown}, which some systems take for another one")
    return "/".join(parts)


class _Keep:
    """The folder that is filled, and what it costs so far."""

    def __init__(self, folder: Path, limit: int, skip: tuple[str, ...]) -> None:
        self.folder, self.limit, self.skip = folder, limit, skip
        self.listed: Listed = {}
        self.seen: set[str] = set()
        self.total = 0
        folder.mkdir(parents=True, exist_ok=True)

    def directory(self, name: str) -> None:
        """An entry for a folder."""
        self._count()
        if path := safe_name(name):
            (self.folder / path).mkdir(parents=True, exist_ok=True)

    def file(self, name: str, opened: BinaryIO) -> None:
        """An entry for a file: its bytes are counted as they come, whatever the archive says of their number."""
        path = safe_name(name)
        self._count()
        if not path:
            raise BadArchive("it holds a file without a name")
        if path in self.skip:
            return
        if path.casefold() in self.seen:
            raise BadArchive(f"it holds {path!a} twice")
        self.seen.add(path.casefold())
        target = self.folder / path
        digest, size = hashlib.sha256(), 0
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            out = open(target, "xb")
        except (FileExistsError, NotADirectoryError) as error:
            raise BadArchive(f"it holds {path!a} as a file and as a folder") from error
        with out:
            while chunk := opened.read(READ):
                size += len(chunk)
                self.total += len(chunk)
                if self.total > self.limit:
                    raise BadArchive(f"it grows to more than {self.limit:,} bytes, which the real one does not")
                digest.update(chunk)
                out.write(chunk)
        self.listed[path] = (size, digest.hexdigest())

    def _count(self) -> None:
        if len(self.seen) > MOST_FILES:
            raise BadArchive(f"it holds more than {MOST_FILES:,} files")


def _untar(file: BinaryIO, keep: _Keep) -> None:
    with _plain(file) as plain, tarfile.open(fileobj=plain, mode="r|", errorlevel=2) as archive:
        for entry in archive:
            if entry.isdir():
                keep.directory(entry.name)
            elif entry.isreg():
                opened = archive.extractfile(entry)
                assert opened is not None
                keep.file(entry.name, opened)
                if keep.listed.get(safe_name(entry.name), (entry.size,))[0] != entry.size:
                    raise BadArchive(f"it is cut off in {entry.name!a}")
            else:
                what = "a link" if entry.issym() or entry.islnk() else "a device or another special file"
                raise BadArchive(f"it holds {what}, {entry.name[:80]!a}")
        rest = 0
        while chunk := plain.read(READ):  # to the end, where a compressed file has its own checksum
            rest += len(chunk)
            if rest > 50 * READ:
                raise BadArchive("something long follows after its end")


@contextmanager
def _plain(file: BinaryIO) -> Iterator[BinaryIO]:
    """The tar inside of what may be a gzip, bzip2 or xz file."""
    start = file.read(6)
    file.seek(0)
    if start.startswith(b"\x1f\x8b"):
        with gzip.open(file) as plain:
            yield plain
    elif start.startswith(b"BZh"):
        import bz2

        with bz2.open(file) as plain:
            yield plain
    elif start.startswith(b"\xfd7zXZ"):
        with lzma.open(file) as plain:
            yield plain
    else:
        yield file


def _unzip(file: BinaryIO, keep: _Keep) -> None:
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        if len(entries) > MOST_FILES:
            raise BadArchive(f"it holds {len(entries):,} files")
        said = sum(entry.file_size for entry in entries)
        if said > keep.limit:
            raise BadArchive(f"it says that it grows to {said:,} bytes, which the real one does not")
        for entry in entries:
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if entry.flag_bits & 1:
                raise BadArchive(f"it is encrypted ({entry.filename[:80]!a})")
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                what = "a link" if kind == stat.S_IFLNK else "a device or another special file"
                raise BadArchive(f"it holds {what}, {entry.filename[:80]!a}")
            if entry.is_dir():
                keep.directory(entry.filename)
            else:
                with archive.open(entry) as opened:
                    keep.file(entry.filename, opened)


class _Watched(io.RawIOBase):
    """A file that tells how far it was read."""

    def __init__(self, file: BinaryIO, size: int, watch: Watch | None) -> None:
        self.file, self.size, self.watch, self.told = file, size, watch, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count = self.file.readinto(buffer)
        at = self.file.tell()
        if self.watch and at - self.told >= READ:
            self.told = at
            self.watch(at, self.size)
        return count
