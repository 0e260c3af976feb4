"""Archives that hold what they should not: refused with a sentence, and nothing outside of the folder.

pytest tests/test_unpack.py
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import stat
import struct
import tarfile
import warnings
import zipfile
from pathlib import Path

import pytest

from course_lib.downloads.unpack import BadArchive, safe_name, unpack

FILES = {"top/a.txt": b"first", "top/deep/b.bin": bytes(range(256)) * 40, "top/empty": b""}
LIMIT = 1_000_000


def tar_of(*entries: tuple[str, bytes | None, dict]) -> bytes:
    """A plain tar: (name, content or None for a special one, fields of its header)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content, header in entries:
            info = tarfile.TarInfo(name)
            info.size = len(content or b"")
            for key, value in header.items():
                setattr(info, key, value)
            archive.addfile(info, None if content is None else io.BytesIO(content))
    return out.getvalue()


def zip_of(*entries: tuple[str, bytes, int]) -> bytes:
    """A zip: (name, content, mode of the file)."""
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # of names that come twice
        for name, content, mode in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr, info.create_system = mode << 16, 3
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return out.getvalue()


def good_tar() -> bytes:
    return tar_of(*((name, content, {}) for name, content in FILES.items()))


def good_zip() -> bytes:
    return zip_of(*((name, content, stat.S_IFREG | 0o777) for name, content in FILES.items()))


def put(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "archive"
    path.write_bytes(content)
    return path


WAYS = {
    "tar": ("tar", good_tar),
    "tar.gz": ("tar", lambda: gzip.compress(good_tar())),
    "tar.bz2": ("tar", lambda: bz2.compress(good_tar())),
    "tar.xz": ("tar", lambda: lzma.compress(good_tar())),
    "zip": ("zip", good_zip),
}


@pytest.mark.parametrize(("kind", "make"), WAYS.values(), ids=WAYS)
def test_what_is_in_it_comes_out(tmp_path, kind, make):
    told = []
    listed = unpack(put(tmp_path, make()), kind, tmp_path / "out", limit=LIMIT, watch=lambda *at: told.append(at))
    found = {str(p.relative_to(tmp_path / "out")): p for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert {name: path.read_bytes() for name, path in found.items()} == FILES
    assert listed == {name: (len(content), hashlib.sha256(content).hexdigest()) for name, content in FILES.items()}
    assert not any(path.stat().st_mode & 0o111 for path in found.values())  # no file becomes a program


def test_one_file_in_gz(tmp_path):
    unpack(put(tmp_path, gzip.compress(b"labels")), "gz", tmp_path / "out", limit=LIMIT, name="labels-idx1")
    assert (tmp_path / "out" / "labels-idx1").read_bytes() == b"labels"


def test_what_is_to_be_skipped_stays_in_it(tmp_path):
    listed = unpack(put(tmp_path, good_tar()), "tar", tmp_path / "out", limit=LIMIT, skip=("top/deep/b.bin",))
    assert set(listed) == {"top/a.txt", "top/empty"} and not (tmp_path / "out" / "top" / "deep").exists()


LINK, HARD, DEVICE, FIFO = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE
BAD = {
    "up": (tar_of(("../evil", b"x", {})), "outside of its folder"),
    "up, inside": (tar_of(("top/../../evil", b"x", {})), "outside of its folder"),
    "a folder above": (tar_of(("../evil", None, {"type": tarfile.DIRTYPE})), "outside of its folder"),
    "absolute": (tar_of(("/tmp/evil", b"x", {})), "an absolute path"),
    "a drive": (tar_of(("C:/evil", b"x", {})), "a path of another kind"),
    "backslashes": (tar_of(("..\\evil", b"x", {})), "a path of another kind"),
    "a link": (tar_of(("top/l", None, {"type": LINK, "linkname": "/etc"})), "it holds a link"),
    "a link inside": (tar_of(("top/l", None, {"type": LINK, "linkname": "a.txt"})), "it holds a link"),
    "a hard link": (tar_of(("top/l", None, {"type": HARD, "linkname": "/etc/passwd"})), "it holds a link"),
    "through a link": (
        tar_of(("top", None, {"type": LINK, "linkname": "/tmp"}), ("top/evil", b"x", {})),
        "it holds a link",
    ),
    "a device": (tar_of(("top/null", None, {"type": DEVICE})), "a device"),
    "a pipe": (tar_of(("top/pipe", None, {"type": FIFO})), "a device or another special file"),
    "twice": (tar_of(("top/a", b"x", {}), ("top/A", b"y", {})), "twice"),
    "file and folder": (tar_of(("top", b"x", {}), ("top/a", b"y", {})), "as a file and as a folder"),
    "a long name": (tar_of(("top/" + "n" * 300, b"x", {})), "a name of 304 characters"),
    "a reserved name": (tar_of(("top/con.txt", b"x", {})), "some systems take for another"),
    "a bomb": (gzip.compress(tar_of(("top/a", bytes(LIMIT + 1), {}))), "grows to more than"),
    "many small bombs": (
        gzip.compress(tar_of(*((f"top/{i}", bytes(LIMIT // 9), {}) for i in range(10)))),
        "grows to more than",
    ),
    "something after its end": (gzip.compress(good_tar() + bytes(60 * 2**20)), "follows after its end"),
    "cut off": (gzip.compress(good_tar())[:-300], "damaged or cut off"),
    "cut off, plain": (good_tar()[:3000], "cut off"),
    "another checksum": (
        (lambda c: c[:-6] + bytes([c[-6] ^ 1]) + c[-5:])(gzip.compress(good_tar())),
        "damaged or cut off",
    ),
    "no tar": (b"hello " * 1000, "damaged or cut off"),
    "no tar in it": (gzip.compress(b"hello " * 1000), "damaged or cut off"),
    "empty": (b"", "damaged or cut off"),
}


@pytest.mark.parametrize(("content", "why"), BAD.values(), ids=BAD)
def test_a_bad_tar_is_refused(tmp_path, content, why):
    before = {path for path in Path("/tmp").glob("evil*")}
    with pytest.raises(BadArchive, match=why.replace("(", r"\(")):
        unpack(put(tmp_path, content), "tar", tmp_path / "deep" / "out", limit=LIMIT)
    assert {path.name for path in tmp_path.iterdir()} == {"archive", "deep"}  # nothing beside the folder
    assert {path.name for path in (tmp_path / "deep").iterdir()} == {"out"}
    assert {path for path in Path("/tmp").glob("evil*")} == before
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))


def lying_zip() -> bytes:
    """It says that 10 bytes come out, and 2 MB do."""
    content = bytearray(zip_of(("top/a", bytes(2_000_000), 0o100644)))
    real = struct.pack("<I", 2_000_000)
    assert content.count(real) >= 2
    return bytes(content.replace(real, struct.pack("<I", 10)))


def locked_zip() -> bytes:
    content = bytearray(good_zip())
    for start, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        where = content.find(start)
        while where >= 0:
            content[where + at] |= 1
            where = content.find(start, where + 4)
    return bytes(content)


BAD_ZIPS = {
    "up": (zip_of(("../evil", b"x", 0o100644)), "outside of its folder"),
    "absolute": (zip_of(("/tmp/evil", b"x", 0o100644)), "an absolute path"),
    "backslashes": (zip_of(("..\\evil", b"x", 0o100644)), "a path of another kind"),
    "a link": (zip_of(("top/l", b"/etc", stat.S_IFLNK | 0o777)), "it holds a link"),
    "a device": (zip_of(("top/l", b"", stat.S_IFCHR | 0o777)), "it holds a device"),
    "twice": (zip_of(("top/a", b"x", 0o100644), ("top/a", b"y", 0o100644)), "twice"),
    "a bomb": (zip_of(("top/a", bytes(LIMIT + 1), 0o100644)), "it says that it grows to 1,000,001 bytes"),
    "a bomb that lies": (lying_zip(), "damaged or cut off|grows to more than"),
    "encrypted": (locked_zip(), "it is encrypted"),
    "cut off": (good_zip()[:-40], "damaged or cut off"),
    "another checksum": (
        (lambda c, at: c[:at] + bytes([c[at] ^ 1]) + c[at + 1 :])(good_zip(), good_zip().index(b"PK\x01\x02") + 16),
        "damaged or cut off .*CRC",
    ),
    "no zip": (b"hello " * 100, "damaged or cut off"),
}


@pytest.mark.parametrize(("content", "why"), BAD_ZIPS.values(), ids=BAD_ZIPS)
def test_a_bad_zip_is_refused(tmp_path, content, why):
    with pytest.raises(BadArchive, match=why):
        unpack(put(tmp_path, content), "zip", tmp_path / "deep" / "out", limit=LIMIT)
    assert {path.name for path in (tmp_path / "deep").iterdir()} == {"out"}
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) < LIMIT + 500_000


@pytest.mark.parametrize("content", [gzip.compress(bytes(LIMIT + 1)), gzip.compress(b"x" * 5000)[:-9], b"hello", b""])
def test_a_bad_gz_is_refused(tmp_path, content):
    with pytest.raises(BadArchive):
        unpack(put(tmp_path, content), "gz", tmp_path / "out", limit=LIMIT, name="a")


def test_names():
    assert safe_name("./top//a b/ü🐕.jpg") == "top/a b/ü🐕.jpg"
    assert safe_name("./") == "" == safe_name(".")
    for name in ("a/..", "a\0b", "d:a", "a/b.", "nul", "/".join("a" * 50)):
        with pytest.raises(BadArchive):
            safe_name(name)
