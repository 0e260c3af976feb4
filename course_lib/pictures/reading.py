"""Reads one picture, whatever the file holds: square RGB pixels, or what is wrong with it and what to do.

    read = read_picture(Path("photos/cat/a.jpg"), 192)
    read.pixels                    # uint8 192,192,3, upright, cut square around the centre; or None
    read.width, read.height        # of the file, upright
    read.reason, read.remedy       # of a file that gave no pixels

Files are told apart by their first bytes (kinds.py), and Pillow is allowed that one decoder. Decoders raise anything
on a damaged file, so all of it is caught here: this is the border between strangers' files and the course.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import logging
import os
import re
import stat
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image, ImageOps, TiffImagePlugin, WebPImagePlugin  # noqa: F401  these plugins register their decoders

from .colours import to_rgb, to_srgb
from .found import printable
from .kinds import AS_JPEG, EMPTY, HEAD, Kind, kind_of
from .walking import special

with contextlib.suppress(ImportError):  # from Pillow 11.3 on
    from PIL import AvifImagePlugin  # noqa: F401

LARGEST = 100_000_000  # pixels in one file; beyond that it is a mistake or an attack
AGAIN = "copy or download it again, or remove it"
SMALLER = "save a smaller copy of it, for example 4,000 pixels wide"
IN_MEMORY = 4 << 20  # bytes of a file that is read as a whole
ORIENTATION = 274  # tag of EXIF
TURNS = {  # its values -> what makes the picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
ON_ITS_SIDE = (5, 6, 7, 8)

# What is wrong with a file is said once, in its reason. Without this, Python prints Pillow's log where nobody set logging
# up, and the TIFF library that Pillow brings writes to the error output by itself.
logging.getLogger("PIL").addHandler(logging.NullHandler())
with contextlib.suppress(OSError, AttributeError):  # on Windows it is built in and cannot be reached
    ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler(None)


class Read(NamedTuple):
    """What a file gave: pixels uint8 size,size,3, or None with a reason and a remedy; width and height are the file's."""

    pixels: np.ndarray | None
    width: int
    height: int
    reason: str | None = None
    remedy: str | None = None


class _NoPicture(Exception):
    """A file that is known to hold no picture: reason, remedy."""


def read_picture(path: Path, size: int) -> Read:
    """Read a picture so that its short side has `size` pixels, cut square around the centre.

    Arguments:
        path: of any file at all; a pipe or device is not opened.
        size: pixels, from 1 on.

    Of several frames or pages the first counts. Transparent pixels become white, 16 bits become 8, other colour
    spaces become sRGB. Safe to call from several threads. Never raises for what a file may be or hold.
    """
    width = height = length = 0
    kind = EMPTY
    try:
        with _opened(path) as (file, length), _quiet:
            kind = kind_of(file.read(HEAD))
            if kind.decoder is None:
                raise _NoPicture(*_what_it_is(kind))
            if kind.decoder == "JPEG":
                _refuse_unfinished(file, length)
            file.seek(0)
            with Image.open(file, formats=(kind.decoder,)) as image:
                width, height = image.size
                if width * height > LARGEST:
                    raise Image.DecompressionBombError
                pixels, (width, height) = _decoded(image, size)
                return Read(pixels, width, height)
    except _NoPicture as known:
        return Read(None, 0, 0, *known.args)
    except Exception as error:  # decoders raise anything, see above
        return Read(None, width, height, *_what_went_wrong(error, kind, length, (width, height)))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """The file and its length, opened without ever waiting: a pipe that nobody writes to would block for good."""
    _refuse_special(os.stat(path).st_mode)
    number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(number, "rb") as file:
        found = os.fstat(number)
        _refuse_special(found.st_mode)  # it may have been exchanged between the two looks
        if found.st_size <= IN_MEMORY:  # decoders go to and fro in a file, which is faster there
            data = file.read(found.st_size or IN_MEMORY)  # asking for more costs memory that has to be emptied first
            yield io.BytesIO(data), len(data)
        else:
            yield file, found.st_size


def _refuse_special(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise _NoPicture("no picture but a folder", "put its pictures into the class folder")
    if not stat.S_ISREG(mode):
        raise _NoPicture(f"no file but {special(mode)}", "remove it")


def _refuse_unfinished(file: BinaryIO, length: int) -> None:
    """Downloads and memory cards leave files of full length that end in zeros; a JPEG's lower half is then grey."""
    file.seek(max(0, length - 512))
    if length <= 512 or any(file.read(512)):
        return
    end = length - 512
    while end > 0:
        start = max(0, end - 65536)
        file.seek(start)
        written = file.read(end - start).rstrip(b"\0")
        if written:
            end = start + len(written)
            if b"\xff\xd9" not in written[-16:]:  # the mark of a JPEG's end
                reason = f"cut off: a JPEG picture that was written up to byte {end:,} only; the rest are zeros"
                raise _NoPicture(reason, AGAIN)
            return
        end = start


def _decoded(image: Image.Image, size: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Pixels size,size,3 and the upright (width, height) of the file."""
    width, height = image.size
    image.draft("RGB", (size, size))  # a JPEG may be decoded at a smaller scale, never below this size
    drafted = image.size != (width, height)
    image.load()
    if not drafted:
        width, height = image.size  # a TIFF was turned while it was loaded
    profile = image.info.get("icc_profile")
    orientation = _orientation(image)
    upright = to_rgb(image, profile)
    if orientation in TURNS:
        upright = upright.transpose(TURNS[orientation])
    if orientation in ON_ITS_SIDE:
        width, height = height, width
    square = ImageOps.fit(upright, (size, size), Image.Resampling.BILINEAR)
    return np.array(to_srgb(square, profile)), (width, height)


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(ORIENTATION, 1)
    except Exception:  # a picture with broken notes of the camera is still a picture
        return 1


class _Quiet:
    """Keeps Pillow's warnings from being printed while any thread reads. Those of everything else stay.

    `warnings.catch_warnings` is for one thread: with several, the rules of one would outlast another.
    """

    RULE = ("ignore", None, Warning, re.compile(r"PIL\b"), 0)

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.readers = 0

    def __enter__(self) -> None:
        with self.lock:
            self.readers += 1
            if self.readers == 1:
                warnings.filters.insert(0, self.RULE)

    def __exit__(self, *error: object) -> None:
        with self.lock:
            self.readers -= 1
            if self.readers == 0:
                with contextlib.suppress(ValueError):  # someone else put the rules back meanwhile
                    warnings.filters.remove(self.RULE)


_quiet = _Quiet()


def _what_it_is(kind: Kind) -> tuple[str, str]:
    """Reason and remedy for a file of a kind that is not read."""
    if kind is EMPTY:
        return "the file is empty (0 bytes)", kind.remedy
    if kind.picture:
        return f"{kind.name}, which the course cannot open", kind.remedy
    return f"not an image but {kind.name}", kind.remedy


def _what_went_wrong(error: Exception, kind: Kind, length: int, size: tuple[int, int]) -> tuple[str, str]:
    """Reason and remedy for what was raised between opening a file and having its pixels."""
    pixels = f"{size[0]:,} x {size[1]:,} pixels" if size[0] else f"more than {LARGEST:,} pixels"
    if isinstance(error, Image.DecompressionBombError):
        return f"the picture is too large ({pixels})", SMALLER
    if isinstance(error, MemoryError):
        return f"too little memory to open it ({pixels})", SMALLER
    if isinstance(error, FileNotFoundError):
        return "gone: it was there when the folder was listed", "read the folder again"
    if isinstance(error, PermissionError):
        return "no permission to read the file", "give yourself the right to read it, or ask its owner for a copy"
    if isinstance(error, OSError) and error.errno:
        return f"the system could not read it ({error.strerror})", "check the disk, copy the file again, or remove it"
    said = printable(str(error)).strip().rstrip(".")[:200] or type(error).__name__
    if isinstance(error, Image.UnidentifiedImageError):  # its text names the file, and not the cause
        said = "only its first bytes are as they must be"
    if "decompressed data too large" in said.lower():
        return f"{kind.name} with a text of more than a megabyte packed into it", "save a copy of it without the text"
    if isinstance(error, EOFError) or "truncated" in said.lower():
        return f"cut off: {kind.name} whose file ends too early, after {length:,} bytes", AGAIN
    if isinstance(error, NotImplementedError) or any(word in said.lower() for word in ("support", "unknown")):
        return f"{kind.name} of a sort that the course cannot open ({said})", AS_JPEG
    return f"damaged or cut off: {kind.name} ({said})", AGAIN
