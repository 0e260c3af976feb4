"""What kind of file this is, by its first bytes: names lie, and a web page is often saved as `dog.jpg`.

kind = kind_of(head)           # the first HEAD bytes of a file
kind.decoder                   # "JPEG", "PNG", ...: what Pillow may open it as; None: no picture that can be read
kind.name, kind.remedy         # "a PDF document", "save its pictures as JPEG or PNG"
"""

from __future__ import annotations

import re
from typing import NamedTuple

from PIL import features

HEAD = 4096  # bytes that are looked at

AS_JPEG = "save it as JPEG or PNG with the program that made it"
NO_PICTURE = "move it out of the folder of pictures"
UNPACK = "unpack it, and put the pictures into the class folders"


class Kind(NamedTuple):
    """A kind of file.

    Arguments:
        name: with its article, to be read after "this is".
        remedy: what to do with such a file where the course cannot read it.
        decoder: name of the Pillow format that reads it, or None.
        picture: is it meant to be looked at at all.
    """

    name: str
    remedy: str
    decoder: str | None = None
    picture: bool = False


def _readable(decoder: str, name: str) -> Kind:
    return Kind(name, "copy or download it again, or remove it", decoder, True)


def _image(name: str, remedy: str = AS_JPEG) -> Kind:
    return Kind(name, remedy, None, True)


HEIC = _image(
    "a HEIC photo",
    "save it as JPEG; on an iPhone, Settings > Camera > Formats > Most Compatible makes it take JPEGs from then on",
)
HAS_AVIF = "avif" in features.modules and features.check("avif")  # from Pillow 11.3 on
AVIF = _readable("AVIF", "an AVIF picture") if HAS_AVIF else _image("an AVIF picture")
RAW = "develop it: save it as JPEG with the camera's program or a photo editor"
VIDEO = "save single frames of it as JPEG or PNG"
TIFF = _readable("TIFF", "a TIFF picture")
EMPTY = Kind("an empty file (0 bytes)", "copy or download it again, or remove it")
ZEROS = Kind("nothing but zeros, as failed downloads and broken memory cards leave them", EMPTY.remedy)
TEXT = Kind("a text file", NO_PICTURE)
UNKNOWN = Kind("a file of unknown kind", "open it with the program that made it and save it as JPEG, or remove it")
ZIP = Kind("a zip archive", UNPACK)
PAGE = Kind("a web page", "download the picture again: open the picture itself, then save it")
LFS = Kind("a Git LFS pointer, a few lines of text in place of the picture", "fetch the pictures with: git lfs pull")

# Beginning -> kind. Longer ones first where one begins another.
BEGINNINGS: tuple[tuple[bytes, Kind], ...] = (
    (b"\xff\xd8\xff", _readable("JPEG", "a JPEG picture")),
    (b"\x89PNG\r\n\x1a\n", _readable("PNG", "a PNG picture")),
    (b"GIF87a", _readable("GIF", "a GIF picture")),
    (b"GIF89a", _readable("GIF", "a GIF picture")),
    (b"FUJIFILMCCD-RAW", _image("a Fujifilm RAF raw photo", RAW)),
    (b"IIU\x00", _image("a Panasonic RW2 raw photo", RAW)),
    (b"IIRO", _image("an Olympus ORF raw photo", RAW)),
    (b"IIRS", _image("an Olympus ORF raw photo", RAW)),
    (b"MMOR", _image("an Olympus ORF raw photo", RAW)),
    (b"II\xbc\x01", _image("a JPEG XR picture")),
    (b"8BPS", _image("a Photoshop PSD file")),
    (b"gimp xcf", _image("a GIMP XCF file")),
    (b"\x00\x00\x01\x00", _image("a Windows icon (ICO)", "use a photo in place of the icon, or remove it")),
    (b"\x00\x00\x02\x00", _image("a Windows mouse pointer (CUR)", "remove it")),
    (b"icns", _image("an Apple icon (ICNS)", "use a photo in place of the icon, or remove it")),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", _image("a JPEG XL picture")),
    (b"\xff\x0a", _image("a JPEG XL picture")),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", _image("a JPEG 2000 picture")),
    (b"\xff\x4f\xff\x51", _image("a JPEG 2000 picture")),
    (b"qoif", _image("a QOI picture")),
    (b"SIMPLE  =", _image("a FITS file of an observatory")),
    (b"%PDF", Kind("a PDF document", "save its pictures as JPEG or PNG")),
    (b"%!PS", Kind("a PostScript file", "export it as PNG")),
    (b"\xc5\xd0\xd3\xc6", Kind("a PostScript file", "export it as PNG")),
    (b"version https://git-lfs", LFS),
    (b"\x1a\x45\xdf\xa3", Kind("a Matroska or WebM video", VIDEO)),
    (b"\x00\x00\x01\xba", Kind("an MPEG video", VIDEO)),
    (b"\x00\x00\x01\xb3", Kind("an MPEG video", VIDEO)),
    (b"ID3", Kind("a sound file", NO_PICTURE)),
    (b"OggS", Kind("a sound or video file", NO_PICTURE)),
    (b"fLaC", Kind("a sound file", NO_PICTURE)),
    (b"PK\x03\x04", ZIP),
    (b"PK\x05\x06", ZIP),
    (b"Rar!", Kind("a RAR archive", UNPACK)),
    (b"7z\xbc\xaf\x27\x1c", Kind("a 7-Zip archive", UNPACK)),
    (b"\x1f\x8b", Kind("a gzip archive", UNPACK)),
    (b"BZh", Kind("a bzip2 archive", UNPACK)),
    (b"\xfd7zXZ", Kind("an xz archive", UNPACK)),
    (b"\x28\xb5\x2f\xfd", Kind("a Zstandard archive", UNPACK)),
    (b"\x00\x05\x16\x07", Kind("what macOS keeps beside a file (AppleDouble)", "nothing to do")),
    (b"L\x00\x00\x00\x01\x14\x02\x00", Kind("a Windows shortcut", "put a copy of the picture in its place")),
    (b"\x93NUMPY", Kind("a NumPy array", NO_PICTURE)),
    (b"\x89HDF\r\n", Kind("an HDF5 file", NO_PICTURE)),
    (b"PAR1", Kind("a Parquet table", NO_PICTURE)),
    (b"SQLite format 3", Kind("a SQLite database", NO_PICTURE)),
    (b"\x7fELF", Kind("a program", NO_PICTURE)),
    (b"\xd0\xcf\x11\xe0", Kind("an old Office document or Thumbs.db", NO_PICTURE)),
)

# `ftyp` boxes: the brand in bytes 8 to 12 of phones' photos and videos.
BRANDS = {b"avif": AVIF, b"avis": AVIF, b"crx ": _image("a Canon CR3 raw photo", RAW)}
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")

# RIFF files: what is in bytes 8 to 12.
RIFF = {
    b"WEBP": _readable("WEBP", "a WebP picture"),
    b"AVI ": Kind("an AVI video", VIDEO),
    b"WAVE": Kind("a sound file", NO_PICTURE),
}
MAKERS = {b"NIKON": "a Nikon NEF raw photo", b"SONY": "a Sony ARW raw photo", b"PENTAX": "a Pentax PEF raw photo"}
PPM = re.compile(rb"P[1-6]\s+[\d#]")


def kind_of(head: bytes) -> Kind:
    """The kind of a file whose first bytes (HEAD of them, or all there are) are given. Never raises."""
    if not head:
        return EMPTY
    for beginning, kind in BEGINNINGS:
        if head.startswith(beginning):
            return kind
    if head[:4] == b"RIFF" and head[8:12] in RIFF:
        return RIFF[head[8:12]]
    if head[4:8] == b"ftyp":
        return _of_brand(head)
    if head[:4] in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"):
        return _of_tiff(head)
    if head[:2] == b"BM" and head[14:15] in (b"\x0c", b"\x28", b"\x34", b"\x38", b"\x40", b"\x6c", b"\x7c"):
        return _readable("BMP", "a BMP picture")
    if PPM.match(head):
        return _readable("PPM", "a PPM picture")
    if head[128:132] == b"DICM":
        return _image("a DICOM file of a hospital", "export it as PNG with a DICOM viewer")
    if head[257:262] == b"ustar":
        return Kind("a tar archive", UNPACK)
    if not any(head):
        return ZEROS
    return _of_text(head)


def _of_brand(head: bytes) -> Kind:
    end = min(int.from_bytes(head[:4], "big"), 64)
    brands = [head[8:12], *(head[i : i + 4] for i in range(16, end, 4))]  # the main one, then those it also obeys
    for brand in brands:
        if brand in BRANDS:
            return BRANDS[brand]
    if any(brand in HEIC_BRANDS for brand in brands):
        return HEIC
    return Kind("a video (MP4 or MOV)", VIDEO)


def _of_tiff(head: bytes) -> Kind:
    """TIFF, or one of the cameras' raw formats, which are TIFF with a thumbnail in front: that is not the photo."""
    if head[8:10] == b"CR":
        return _image("a Canon CR2 raw photo", RAW)
    order = "little" if head[:2] == b"II" else "big"

    def number(start: int, size: int) -> int:
        return int.from_bytes(head[start : start + size], order)

    tags = {}
    start = number(4, 4)
    for i in range(min(number(start, 2), 200) if head[2:4] in (b"*\x00", b"\x00*") else 0):
        entry = start + 2 + 12 * i
        if entry + 12 <= len(head):
            tags[number(entry, 2)] = entry
    if 50706 in tags:  # DNGVersion
        return _image("a DNG raw photo", RAW)
    if 330 in tags and 254 in tags and number(tags[254] + 8, 4) & 1:  # more pictures inside; this one is a small copy
        at = number(tags[271] + 8, 4) if 271 in tags else 0  # Make
        return _image(next((name for make, name in MAKERS.items() if head[at:].startswith(make)), "a raw photo"), RAW)
    return TIFF


def _of_text(head: bytes) -> Kind:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = head.decode("utf-16", "replace")
    elif any(head.count(code) for code in b"\x00\x01\x02\x03\x04\x05\x06\x07\x0e\x0f\x10\x11\x12"):
        return UNKNOWN
    else:
        text = head.decode("utf-8", "replace")
        if text.count("\ufffd") > 0.3 * len(text):
            return UNKNOWN
    start = text.lstrip("\ufeff \t\r\n").lower()
    if start.startswith(("<!doctype html", "<html")) or ("<html" in start and start.startswith("<")):
        return PAGE
    if "<svg" in start and start.startswith("<"):
        return _image("an SVG drawing, made of lines and not of pixels", "export it as PNG")
    if start.startswith("<"):
        return Kind("an XML text, often the error message of a server", PAGE.remedy)
    return TEXT
