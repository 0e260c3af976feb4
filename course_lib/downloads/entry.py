"""What the course knows of a real set of images: where it comes from, what it holds, and what it may be used for.

    RealSet("hymenoptera", title="Ants and bees", files=(File("hymenoptera_data.zip", ...),), ...)

The entries themselves are in sources/photos/registry.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

KINDS = ("tar", "zip", "gz", "")
RATIO = 20  # an archive that grows to more than this many times its size is taken for a bomb
ROOM = 50_000_000  # bytes that any archive may grow to


@dataclass(frozen=True)
class File:
    """One file to download.

    Arguments:
        name: what it is called on disk.
        addresses: where it can be had, the first home first; https, or http on this machine (for tests).
        gives: the file or folder that is there in the end, relative to the set's folder: torchvision's layout.
        kind: `tar` (also compressed), `zip`, `gz` (one file), or nothing where the file itself is used.
        bytes: its length, or None where nobody states it.
        md5, sha256: published checksums; without any, the SHA-256 of the first complete download counts from then on.
        skip: files in the archive that nothing here reads; they are not unpacked.
        about: bytes to show where the length is not known.
    """

    name: str
    addresses: tuple[str, ...]
    gives: str
    kind: str = ""
    bytes: int | None = None
    md5: str = ""
    sha256: str = ""
    skip: tuple[str, ...] = ()
    about: int = 0

    @property
    def size(self) -> int:
        """Bytes to download, roughly where they are not known."""
        return self.about if self.bytes is None else self.bytes

    @property
    def limit(self) -> int:
        """Bytes that may come out of it, all together."""
        return max(RATIO * self.size, ROOM)

    @property
    def top(self) -> str:
        """The first folder of what it gives, which is how torchvision knows the set."""
        return PurePosixPath(self.gives).parts[0]


@dataclass(frozen=True)
class RealSet:
    """A set of real images.

    Arguments:
        name: what `load_images` and `course data` call it.
        title: its full name.
        what: what is seen in it, and what its own splits are.
        classes, images: how many.
        licence: what the authors say, or `not stated`.
        citation: the publication that its authors ask for, or that it comes from.
        home: its page.
        files: what is downloaded.
        source: where the addresses and checksums of this entry were found.
        meanwhile: the built-in set that serves while this one cannot be had.
        size: edge in pixels to which images are read unless a reader asks for another.
        folder: name of the folder of downloads; entries may share one.
        options: of the built-in set that serves meanwhile.
    """

    name: str
    title: str
    what: str
    classes: int
    images: int
    licence: str
    citation: str
    home: str
    files: tuple[File, ...]
    source: str
    meanwhile: str
    size: int
    folder: str = ""
    options: tuple[tuple[str, object], ...] = ()

    @property
    def key(self) -> str:
        """Name of its folder of downloads."""
        return self.folder or self.name

    @property
    def bytes(self) -> int:
        """What is downloaded, in bytes; roughly where a length is not known."""
        return sum(file.size for file in self.files)


def single(name: str, homes: tuple[str, ...], gives: str, size: int | None, md5: str, sha256: str, about: int) -> File:
    """A file that is read as it comes, of the same name at each of its homes."""
    return File(name, tuple(f"{home}/{name}" for home in homes), gives, "", size, md5, sha256, about=about)


def say_size(count: float) -> str:
    """Bytes as a person reads them: 812 bytes, 62 KB, 1.4 MB (powers of 1,000)."""
    power = 0
    while count >= 999.5 and power < 4:
        count, power = count / 1000, power + 1
    return f"{count:.{int(count < 9.95 and power > 0)}f} {('bytes', 'KB', 'MB', 'GB', 'TB')[power]}"
