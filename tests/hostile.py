"""Files as readers really have them, and as nobody should: pictures in every dress, and what only looks like one.

make, picture, tolerance = GOOD["png interlaced"]      # make() gives the bytes of a file that must load as `picture`
data, words = BAD["svg.svg"]                           # must be told apart and named
lay(tmp_path, "cat/a.png", "dog/"), check(find(tmp_path), {"cat/a.png": "cat"})

SCENE has four corners of different colours and no symmetry, so a turned or mirrored one cannot pass for another.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image, ImageCms, features

from course_lib.pictures.found import Found

W, H = 96, 64


def scene() -> np.ndarray:
    """uint8 H,W,3: red, green, blue and yellow corners, soft enough for lossy formats."""
    pixels = np.zeros((H, W, 3), dtype=np.uint8)
    pixels[: H // 2, : W // 2] = (200, 40, 40)
    pixels[: H // 2, W // 2 :] = (40, 180, 60)
    pixels[H // 2 :, : W // 2] = (50, 60, 210)
    pixels[H // 2 :, W // 2 :] = (220, 200, 60)
    return pixels


SCENE = scene()
GREY = np.asarray(Image.fromarray(SCENE).convert("L"))
PICTURE = Image.fromarray(SCENE)


def saved(picture: Image.Image, format: str, **options: Any) -> bytes:
    """The bytes of a file."""
    file = io.BytesIO()
    # Copies, since Pillow keeps the settings of one format for the next.
    if "append_images" in options:
        options["append_images"] = [more.copy() for more in options["append_images"]]
    picture.copy().save(file, format, **options)
    return file.getvalue()


# Small writers for what Pillow does not write


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *more: bytes, interlace: int = 0) -> bytes:
    """A PNG from its rows, each with its filter byte; `more` chunks come before the pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    parts = [chunk(b"IHDR", header), *more, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def png_of(values: np.ndarray, colour: int, *more: bytes) -> bytes:
    """A PNG of uint8 or uint16 H,W,C."""
    rows = b"".join(b"\0" + row.astype(row.dtype.newbyteorder(">")).tobytes() for row in values)
    return png(values.shape[1], values.shape[0], values.dtype.itemsize * 8, colour, rows, *more)


def png_adam7(values: np.ndarray) -> bytes:
    """An interlaced PNG of uint8 H,W,3."""
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    rows = b"".join(b"\0" + row.tobytes() for x, y, dx, dy in passes for row in values[y::dy, x::dx])
    return png(values.shape[1], values.shape[0], 8, 2, rows, interlace=1)


def tiff(tags: dict[int, tuple[int, int, int]], order: str = "<", data: bytes = b"") -> bytes:
    """A TIFF of one directory at byte 8: tag -> (type, count, value); then the data."""
    body = struct.pack(order + "H", len(tags))
    for tag, (kind, count, value) in sorted(tags.items()):
        body += struct.pack(order + "HHI", tag, kind, count)
        body += struct.pack(order + ("HH" if kind == 3 and count == 1 else "I"), *((value, 0) if kind == 3 and count == 1 else (value,)))  # fmt: skip
    return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8) + body + b"\0\0\0\0" + data


def ycck_jpeg() -> bytes:
    """A JPEG as Photoshop writes for printers: YCCK, all values inverted."""
    ycc = np.asarray(Image.fromarray(255 - SCENE).convert("YCbCr"))
    channels = np.dstack([255 - ycc, np.zeros((H, W), dtype=np.uint8)])
    data = bytearray(
        saved(Image.frombuffer("CMYK", (W, H), channels.tobytes(), "raw", "CMYK", 0, 1), "JPEG", quality=95)
    )
    data[data.index(b"Adobe") + 11] = 2  # the mark that says YCCK
    return bytes(data)


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[274] = orientation
    return tags.tobytes()


def turned(orientation: int) -> Image.Image:
    """The scene as a camera held in this way stores it."""
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Image.Transpose that makes it so
    return PICTURE.transpose(Image.Transpose(undo[orientation])) if orientation in undo else PICTURE


def display_p3() -> bytes:
    """An ICC profile with the wide primaries of phones' screens and sRGB's curve, made by exchanging the primaries."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    primaries = {
        b"rXYZ": (0.51512, 0.2412, -0.00105),
        b"gXYZ": (0.29198, 0.69225, 0.04189),
        b"bXYZ": (0.1571, 0.06657, 0.78407),
    }
    for i in range(struct.unpack(">I", profile[128:132])[0]):
        name, start, _ = struct.unpack(">4sII", profile[132 + 12 * i : 144 + 12 * i])
        if name in primaries:
            profile[start + 8 : start + 20] = struct.pack(">3i", *(round(v * 65536) for v in primaries[name]))
        if name == b"desc":
            at = profile.index("sRGB".encode("utf-16-be"), start)
            profile[at : at + 8] = "Wide".encode("utf-16-be")
    return bytes(profile)


def palette(transparent: bool = False) -> Image.Image:
    return PICTURE.quantize(8, dither=Image.Dither.NONE)


def _good() -> dict[str, tuple[Callable[[], bytes], np.ndarray, int]]:
    """Name -> (bytes of the file, the picture that must come of it, the largest difference of its mean colours)."""
    cmyk, grey, rgba = PICTURE.convert("CMYK"), PICTURE.convert("L"), PICTURE.convert("RGBA")
    other = Image.new("RGB", (W, H), (0, 0, 0))
    half = rgba.copy()
    half.putalpha(Image.fromarray(np.where(np.arange(W) < W // 2, 255, 0).astype(np.uint8)[None].repeat(H, 0)))
    white = SCENE.copy()
    white[:, W // 2 :] = 255
    black_white = PICTURE.convert("L").point(lambda v: 255 * (v > 100)).convert("1", dither=Image.Dither.NONE)
    two = np.asarray(black_white.convert("RGB"))
    greys = np.dstack([GREY] * 3)
    sixteen = GREY.astype(np.uint16) * 257
    good: dict[str, tuple[Callable[[], bytes], np.ndarray, int]] = {}

    def add(
        name: str, picture: Image.Image, format: str, expected: np.ndarray = SCENE, tolerance: int = 1, **options: Any
    ) -> None:
        good[name] = (partial(saved, picture, format, **options), expected, tolerance)

    def add_bytes(name: str, make: Callable[[], bytes], expected: np.ndarray = SCENE, tolerance: int = 1) -> None:
        good[name] = (make, expected, tolerance)

    add("jpeg", PICTURE, "JPEG", tolerance=6, quality=95)
    add("jpeg progressive", PICTURE, "JPEG", tolerance=6, quality=95, progressive=True)
    add("jpeg full colour", PICTURE, "JPEG", tolerance=6, quality=95, subsampling=0)
    add("jpeg restarts", PICTURE, "JPEG", tolerance=6, quality=95, restart_marker_rows=1)
    add("jpeg grey", grey, "JPEG", greys, 4, quality=95)
    add("jpeg cmyk inverted (Adobe)", cmyk, "JPEG", tolerance=6, quality=95)
    add_bytes("jpeg ycck inverted (Adobe)", ycck_jpeg, tolerance=8)
    add("jpeg with comment", PICTURE, "JPEG", tolerance=6, quality=95, comment=b"x" * 60000)
    add_bytes("jpeg with trailing garbage", lambda: saved(PICTURE, "JPEG", quality=95) + b"garbage" * 999, tolerance=6)
    add_bytes("jpeg with trailing zeros", lambda: saved(PICTURE, "JPEG", quality=95) + bytes(5000), tolerance=6)
    add_bytes("jpeg with a video behind it", lambda: saved(PICTURE, "JPEG", quality=95) + b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 9, tolerance=6)  # fmt: skip
    add(
        "jpeg with broken exif",
        PICTURE,
        "JPEG",
        tolerance=6,
        quality=95,
        exif=b"Exif\0\0MM\0*\xff\xff\xff\xff nonsense",
    )
    add("jpeg with short exif", PICTURE, "JPEG", tolerance=6, quality=95, exif=b"Exif\0\0I")
    add("jpeg with exif of silly counts", PICTURE, "JPEG", tolerance=6, quality=95, exif=b"Exif\0\0" + tiff({271: (2, 0xFFFFFFF0, 99), 274: (3, 70000, 1)}))  # fmt: skip
    add("jpeg with a broken profile", PICTURE, "JPEG", tolerance=6, quality=95, icc_profile=b"no profile" * 30)
    grey_profile = bytes(bytearray(display_p3()).replace(b"RGB ", b"GRAY"))
    add("jpeg cmyk with a broken profile", cmyk, "JPEG", tolerance=6, quality=95, icc_profile=b"no profile" * 30)
    add("jpeg cmyk with a profile of three colours", cmyk, "JPEG", tolerance=6, quality=95, icc_profile=display_p3())
    add("jpeg with a grey profile", PICTURE, "JPEG", tolerance=6, quality=95, icc_profile=grey_profile)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    add("jpeg with sRGB", PICTURE, "JPEG", tolerance=6, quality=95, icc_profile=srgb)
    add("mpo of two pictures", PICTURE, "MPO", tolerance=6, quality=95, save_all=True, append_images=[other])
    for orientation in range(0, 11):
        for format, tolerance in (("JPEG", 6), ("PNG", 1), ("WEBP", 10), ("TIFF", 1)):
            options = {"quality": 95} if format in ("JPEG", "WEBP") else {}
            add(f"{format.lower()} orientation {orientation}", turned(orientation), format, tolerance=tolerance, exif=exif(orientation), **options)  # fmt: skip
    add("png", PICTURE, "PNG")
    add("png grey", grey, "PNG", greys)
    add("png grey and alpha", Image.merge("LA", (grey, half.getchannel("A"))), "PNG", np.dstack([np.where(np.arange(W) < W // 2, GREY, 255).astype(np.uint8)] * 3))  # fmt: skip
    add("png 1 bit", black_white, "PNG", two)
    add("png palette", palette(), "PNG")
    add("png palette of 4 bits", palette(), "PNG", bits=4)
    add("png alpha", half, "PNG", white)
    add("png all opaque alpha", rgba, "PNG")
    clear = palette()
    index = clear.getpixel((0, 0))
    red_gone = SCENE.copy()
    red_gone[: H // 2, : W // 2] = 255
    add("png palette, one colour transparent", clear, "PNG", red_gone, transparency=index)
    add(
        "png palette, alpha of each colour",
        clear,
        "PNG",
        red_gone,
        transparency=bytes(0 if i == index else 255 for i in range(8)),
    )
    add("png rgb, one colour transparent", PICTURE, "PNG", red_gone, transparency=(200, 40, 40))
    add("png grey, one grey transparent", grey, "PNG", np.dstack([np.where(GREY == GREY[0, 0], 255, GREY).astype(np.uint8)] * 3), transparency=int(GREY[0, 0]))  # fmt: skip
    add_bytes("png 16 bit grey", lambda: png_of(sixteen[..., None], 0), greys)
    add_bytes("png 16 bit colour", lambda: png_of(SCENE.astype(np.uint16) * 257, 2), SCENE)
    add_bytes("png 16 bit grey and alpha", lambda: png_of(np.dstack([sixteen, np.full_like(sixteen, 65535)]), 4), greys)
    add_bytes("png 16 bit colour and alpha", lambda: png_of(np.dstack([SCENE.astype(np.uint16) * 257, np.full((H, W), 65535, np.uint16)]), 6))  # fmt: skip
    add_bytes("png interlaced", lambda: png_adam7(SCENE))
    add_bytes("png without an end", lambda: saved(PICTURE, "PNG")[:-12])
    add_bytes("png with trailing garbage", lambda: saved(PICTURE, "PNG") + b"garbage" * 99)
    add_bytes("png with a text", lambda: png_of(SCENE, 2, chunk(b"tEXt", b"Comment\0" + b"a" * 50000)))
    add_bytes(
        "png with a nonsense gamma", lambda: png_of(SCENE, 2, chunk(b"gAMA", b"\0\0\0\0"), chunk(b"tIME", b"1234567"))
    )
    add_bytes(
        "png with a broken profile", lambda: png_of(SCENE, 2, chunk(b"iCCP", b"x\0\0" + zlib.compress(b"nonsense")))
    )
    add("apng", PICTURE, "PNG", save_all=True, append_images=[other, other], duration=50)
    add("gif", palette(), "GIF")
    add("gif not interlaced", palette(), "GIF", interlace=False)
    add("gif, one colour transparent", clear, "GIF", red_gone, transparency=index)
    add("gif animated", palette(), "GIF", save_all=True, append_images=[other.quantize(8)] * 3, duration=50)
    add("gif grey", grey, "GIF", greys)
    add("webp", PICTURE, "WEBP", tolerance=10, quality=95)
    add("webp lossless", PICTURE, "WEBP", lossless=True)
    add("webp alpha", half, "WEBP", white, lossless=True)
    add("webp animated", PICTURE, "WEBP", lossless=True, save_all=True, append_images=[other], duration=50)
    add("bmp", PICTURE, "BMP")
    add("bmp grey", grey, "BMP", greys)
    add("bmp 1 bit", black_white, "BMP", two)
    add("bmp palette", palette(), "BMP")
    add("bmp 32 bit", rgba, "BMP")
    add("ppm", PICTURE, "PPM")
    add("pgm", grey, "PPM", greys)
    add("pbm", black_white, "PPM", two)
    for packing in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "tiff_deflate"):
        add(f"tiff {packing}", PICTURE, "TIFF", compression=packing)
    add("tiff jpeg", PICTURE, "TIFF", tolerance=8, compression="jpeg", quality=95)
    add("tiff fax", black_white, "TIFF", two, compression="group4")
    add("tiff grey", grey, "TIFF", greys)
    add("tiff palette", palette(), "TIFF")
    add("tiff alpha", half, "TIFF", white)
    add("tiff cmyk", cmyk, "TIFF")
    add("tiff of three pages", PICTURE, "TIFF", save_all=True, append_images=[other, other])
    add("tiff lab", ImageCms.profileToProfile(PICTURE, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"), "TIFF", tolerance=6)  # fmt: skip
    add("tiff 16 bit", Image.fromarray(sixteen), "TIFF", greys)
    tags = {256: (4, 1, W), 257: (4, 1, H), 258: (3, 1, 16), 259: (3, 1, 1), 262: (3, 1, 1), 273: (4, 1, 106), 277: (3, 1, 1), 279: (4, 1, 2 * W * H)}  # fmt: skip
    add_bytes(
        "tiff 16 bit big-endian", lambda: tiff(tags | {273: (4, 1, 110)}, ">", sixteen.astype(">u2").tobytes()), greys
    )
    add_bytes("tiff with silly tags", lambda: tiff(tags | {273: (4, 1, 146), 305: (2, 0x7FFFFFFF, 8), 33432: (2, 50, 0xFFFFFF00), 700: (1, 0xFFFFFFFF, 8)}, "<", sixteen.tobytes()), greys)  # fmt: skip
    add("tiff 32 bit whole numbers", Image.fromarray(sixteen.astype(np.int32)), "TIFF", greys)
    add("tiff 32 bit, to 255", Image.fromarray(GREY.astype(np.int32)), "TIFF", greys)
    add("tiff fractions", Image.fromarray((GREY / 255).astype(np.float32)), "TIFF", greys)
    spread = (GREY.astype(np.float32) - GREY.min()) / (GREY.max() - np.float32(GREY.min()))
    add(
        "tiff any numbers",
        Image.fromarray(spread * 3e6 - 1e6),
        "TIFF",
        np.dstack([np.rint(spread * 255).astype(np.uint8)] * 3),
    )
    gaps = (GREY / 255).astype(np.float32)
    gaps[:2, :2] = np.nan
    add("tiff fractions and NaN", Image.fromarray(gaps), "TIFF", greys, 4)
    gaps.view(np.uint32)[0, :4] = (0x7F800001, 0xFFFFFFFF, 0x7F800000, 0xFF800000)  # NaN that signals, and infinities
    add("tiff fractions and infinities", Image.fromarray(gaps), "TIFF", greys, 4)
    if "avif" in features.modules and features.check("avif"):
        add("avif", PICTURE, "AVIF", tolerance=12, quality=95)
    return good


GOOD = _good()


def _box(brand: bytes, more: bytes = b"") -> bytes:
    return struct.pack(">I", 16 + len(more)) + b"ftyp" + brand + b"\0\0\0\0" + more + b"\0\0\0\x10mdat" + b"12345678"


JPEG, PNG_FILE = saved(PICTURE, "JPEG", quality=95), saved(PICTURE, "PNG")
RAW_TAGS = {254: (4, 1, 1), 256: (4, 1, 160), 257: (4, 1, 120), 271: (2, 6, 80), 330: (4, 1, 9999)}
NOISE = np.random.default_rng(3).integers(0, 256, (300, 400, 3), dtype=np.uint8)

# Name of the file -> (its bytes, words of the reason). None of them may load.
BAD: dict[str, tuple[bytes, str]] = {
    "empty.jpg": (b"", "empty"),
    "zeros.jpg": (bytes(5000), "zeros"),
    "noise.jpg": (np.random.default_rng(0).bytes(5000), "unknown kind"),
    "text.jpg": (b"not a picture", "not an image but a text"),
    "german.txt": ("Sch\u00f6ne Gr\u00fc\u00dfe vom Meer. ".encode("cp1252") * 9, "a text"),
    "utf16.txt": ("some words".encode("utf-16"), "a text"),
    "page.jpg": (b"\n<!DOCTYPE html><html><body>Not found</body></html>", "a web page"),
    "page_upper.jpg": (b"<HTML><head><title>403</title></head></HTML>", "a web page"),
    "page_comment.jpg": (b"<!-- saved --><html lang='en'>", "a web page"),
    "denied.jpg": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "XML"),
    "json.jpg": (b'{"error": "no such key"}', "a text"),
    "lfs.jpg": (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n", "Git LFS"),
    "svg.svg": (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"></svg>', "SVG"),
    "svg_plain.jpg": (b"<svg width='9'/>", "SVG"),
    "heic.heic": (_box(b"heic", b"mif1heic"), "HEIC"),
    "heic.jpg": (_box(b"mif1", b"heicmif1"), "HEIC"),
    "hevc.heif": (_box(b"msf1"), "HEIC"),
    "movie.mp4": (_box(b"isom", b"mp41avc1"), "a video"),
    "movie.mov": (_box(b"qt  "), "a video"),
    "movie.avi": (b"RIFF\x10\0\0\0AVI LIST", "AVI"),
    "movie.mkv": (b"\x1a\x45\xdf\xa3" + bytes(20), "video"),
    "sound.wav": (b"RIFF\x10\0\0\0WAVEfmt ", "sound"),
    "sound.mp3": (b"ID3\x04" + bytes(20), "sound"),
    "canon.cr2": (b"II*\0\x10\0\0\0CR\x02\0" + bytes(40), "CR2"),
    "canon.cr3": (_box(b"crx ", b"crx isom"), "CR3"),
    "nikon.nef": (tiff(RAW_TAGS | {271: (2, 6, 74)}, "<", b"NIKON\0" + bytes(99)), "NEF"),
    "sony.arw": (tiff(RAW_TAGS | {271: (2, 5, 74)}, ">", b"SONY\0" + bytes(99)), "ARW"),
    "other.raw": (tiff(RAW_TAGS), "a raw photo"),
    "adobe.dng": (tiff({256: (4, 1, 9), 50706: (1, 4, 0x401)}), "DNG"),
    "fuji.raf": (b"FUJIFILMCCD-RAW 0201", "RAF"),
    "lumix.rw2": (b"IIU\0" + bytes(30), "RW2"),
    "olympus.orf": (b"IIRO" + bytes(30), "ORF"),
    "art.psd": (b"8BPS\0\x01" + bytes(30), "Photoshop"),
    "art.xcf": (b"gimp xcf v011\0", "GIMP"),
    "icon.ico": (saved(PICTURE.resize((32, 32)), "ICO"), "icon"),
    "icon.icns": (b"icns" + bytes(30), "icon"),
    "new.jxl": (b"\xff\x0a" + bytes(30), "JPEG XL"),
    "new_box.jxl": (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    "wave.jp2": (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(20), "JPEG 2000"),
    "xr.jxr": (b"II\xbc\x01" + bytes(20), "JPEG XR"),
    "scan.dcm": (bytes(128) + b"DICM" + bytes(20), "DICOM"),
    "sky.fits": (b"SIMPLE  =                    T", "FITS"),
    "paper.pdf": (b"%PDF-1.7\n", "PDF"),
    "paper.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
    "photos.zip": (b"PK\x03\x04" + bytes(30), "zip"),
    "photos.rar": (b"Rar!\x1a\x07\0", "RAR"),
    "photos.7z": (b"7z\xbc\xaf\x27\x1c\0\x04", "7-Zip"),
    "photos.tar": (b"name".ljust(257, b"\0") + b"ustar\x0000", "tar"),
    "photos.gz": (b"\x1f\x8b\x08" + bytes(20), "gzip"),
    "._photo.jpg": (b"\x00\x05\x16\x07\x00\x02\0\0Mac OS X", "AppleDouble"),
    "photo.lnk": (b"L\0\0\0\x01\x14\x02\0" + bytes(20), "shortcut"),
    "array.npy": (b"\x93NUMPY\x01\0", "NumPy"),
    "data.h5": (b"\x89HDF\r\n\x1a\n", "HDF5"),
    "program": (b"\x7fELF\x02\x01", "program"),
    # Damaged
    "only_start.jpg": (b"\xff\xd8\xff", "damaged or cut off"),
    "half.jpg": (saved(Image.fromarray(NOISE), "JPEG")[:20000], "cut off"),
    "half_progressive.jpg": (saved(Image.fromarray(NOISE), "JPEG", progressive=True)[:20000], "cut off"),
    "half_zeros.jpg": (saved(Image.fromarray(NOISE), "JPEG")[:20000].ljust(90000, b"\0"), "up to byte 20,000"),
    "half.png": (saved(Image.fromarray(NOISE), "PNG")[:20000], "cut off"),
    "half.gif": (saved(Image.fromarray(NOISE).quantize(256), "GIF")[:20000], "cut off"),
    "half.webp": (saved(Image.fromarray(NOISE), "WEBP")[:20000], "cut off"),
    "half.bmp": (saved(Image.fromarray(NOISE), "BMP")[:20000], "cut off"),
    "half.tiff": (saved(Image.fromarray(NOISE), "TIFF")[:20000], "cut off"),
    "half_lzw.tiff": (saved(Image.fromarray(NOISE), "TIFF", compression="tiff_lzw")[:20000], "cut off"),
    "half.ppm": (saved(Image.fromarray(NOISE), "PPM")[:20000], "cut off"),
    "header.png": (PNG_FILE[:33], "cut off"),
    "checksum.png": (PNG_FILE[:45] + bytes([PNG_FILE[45] ^ 255]) + PNG_FILE[46:], "damaged"),
    "sizeless.png": (png(0, 0, 8, 2, b""), "damaged"),
    "no_pixels.png": (PNG_FILE[:33] + chunk(b"IEND", b""), "damaged"),
    "no_frames.gif": (b"GIF89a\x40\0\x40\0\0\0\0;", "damaged"),
    "no_offset.tiff": (b"II*\0\xff\xff\xff\xff", "damaged"),
    "circle.tiff": (tiff({256: (4, 1, 9)})[:-4] + struct.pack("<I", 8), "damaged"),
    "odd.tiff": (tiff({256: (4, 1, 9), 257: (4, 1, 9), 258: (3, 1, 7), 259: (3, 1, 34999), 262: (3, 1, 99)}), "TIFF"),
    "text_bomb.png": (png_of(SCENE, 2, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(99 << 20), 9))), "with a text of more than"),
    # Larger than any picture, by what the header says
    "bomb.png": (png(60000, 60000, 8, 2, b""), "too large"),
    "bomb_just.png": (png(10001, 10000, 8, 2, b""), "too large (10,001 x 10,000 pixels)"),
    "bomb_real.png": (png(20000, 20000, 1, 0, bytes(2501 * 20000)), "too large"),
    "bomb.gif": (b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x08\0;", "too large"),
    "bomb.bmp": (b"BM" + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, 50000, 50000, 1, 24, 0, 0, 0, 0, 0, 0), "too large"),
    "bomb.tiff": (tiff({256: (4, 1, 90000), 257: (4, 1, 90000), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1), 273: (4, 1, 8), 277: (3, 1, 1), 279: (4, 1, 9)}), "too large"),
    "bomb.ppm": (b"P6 99999 99999 255\n", "too large"),
    "bomb.jpg": (JPEG.replace(struct.pack(">HH", H, W), b"\xff\xdc\xff\xdc"), "too large"),
}  # fmt: skip


# Folders

TWO = ["cat/a.png", "cat/b.png", "dog/a.png", "dog/b.png"]
CAT_DOG = {name: name.split("/")[0] for name in TWO}


def lay(root: Path, *names: str, data: bytes = PNG_FILE) -> Path:
    """Files of these names below a folder; a name that ends in / is a folder."""
    for name in names:
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return root


def check(found: Found, pictures: dict[str, str], problems: dict[str, str] | None = None) -> None:
    """These pictures with these classes, these problems with a word of each reason, nothing else, and counts add up."""
    assert {picture.name: picture.label for picture in found.pictures} == pictures
    assert len(found.pictures) == len(pictures)
    said = {problem.file: problem.reason for problem in found.problems}
    assert said.keys() == (problems or {}).keys(), said
    for file, words in (problems or {}).items():
        assert words in said[file], said[file]
    assert found.seen == len(found.pictures) + sum(problem.count for problem in found.problems)
    assert all(problem.remedy and problem.file.isprintable() for problem in found.problems)
    assert all(picture.path.is_file() for picture in found.pictures)
    assert set(found.classes) >= set(pictures.values())


class Changed(SimpleNamespace):
    """The module os, but for these functions, as one module sees it."""

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)
