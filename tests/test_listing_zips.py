"""Zips as readers pack them, and as attackers do: nothing is written outside, and each member ends in the report."""

from __future__ import annotations

import os
import stat
import struct
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile import CAT_DOG, JPEG, PNG_FILE, TWO, check

from course_lib.errors import CourseError
from course_lib.pictures import zipped
from course_lib.pictures.found import NOTHING_TO_DO, Found
from course_lib.pictures.listing import find

Pack = Callable[[zipfile.ZipFile], object]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def packed(root: Path, *packs: Pack, good: bool = True) -> Path:
    """A zip of two pictures of cats and two of dogs, and what `packs` add."""
    with zipfile.ZipFile(root / "photos.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in TWO if good else []:
            archive.writestr(name, PNG_FILE)
        for pack in packs:
            pack(archive)
    return root / "photos.zip"


def put(name: str, data: bytes = PNG_FILE, mode: int = 0, **facts: object) -> Pack:
    """A member of exactly this name (zipfile would tidy it), with a Unix mode."""

    def pack(archive: zipfile.ZipFile) -> None:
        member = zipfile.ZipInfo("x")
        member.filename, member.orig_filename = name, name
        member.compress_type = zipfile.ZIP_DEFLATED
        member.external_attr = mode << 16
        for key, value in facts.items():
            setattr(member, key, value)
        archive.writestr(member, data)

    return pack


def outside(root: Path) -> set[str]:
    """Everything below a folder but for the zip and the cache."""
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_relative_to(root / "cache")} - {
        "photos.zip"
    }


def names(found: Found) -> dict[str, str]:
    return {picture.name: picture.label for picture in found.pictures}


# What loads


def test_a_zip_of_class_folders(tmp_path, cache):
    path = packed(tmp_path)
    found = find(path)
    check(found, CAT_DOG)
    assert found.root == str(path) and all(picture.path.read_bytes() == PNG_FILE for picture in found.pictures)
    assert all(picture.path.is_relative_to(cache / "unzipped") for picture in found.pictures)
    assert [path.name for path in (cache / "unzipped").glob(".*")] == []


@pytest.mark.parametrize("top", ["photos/", "my photos/2024/", "./", "photos/./"])
def test_folders_around_all_are_looked_through(tmp_path, top):
    found = find(packed(tmp_path, *(put(top + name) for name in TWO), good=False))
    assert sorted(names(found).values()) == ["cat", "cat", "dog", "dog"]


def test_a_zip_of_splits(tmp_path):
    found = find(
        packed(tmp_path, *(put(f"photos/{split}/{name}") for split in ("train", "test") for name in TWO), good=False)
    )
    assert found.layout == "split folders" and len(found.pictures) == 8


def test_a_zip_with_a_table(tmp_path):
    table = b"file,label\na.png,cat\nb.png,dog\n"
    found = find(packed(tmp_path, put("p/a.png"), put("p/b.png"), put("p/labels.csv", table), good=False))
    check(found, {"p/a.png": "cat", "p/b.png": "dog"})
    again = find(packed(tmp_path, put("p/a.png"), put("p/b.png"), put("p/l.csv", table), good=False), table="l.csv")
    check(again, {"p/a.png": "cat", "p/b.png": "dog"})


def test_the_second_time_nothing_is_unpacked(tmp_path, monkeypatch):
    path = packed(tmp_path, put("__MACOSX/cat/._a.png"))
    first = find(path)
    monkeypatch.setattr(zipped, "_unpack_whole", lambda *_: pytest.fail("unpacked again"))
    assert find(path) == first and first.problems


def test_a_changed_zip_and_a_changed_cache_are_unpacked_anew(tmp_path):
    path = packed(tmp_path)
    first = find(path)
    first.pictures[0].path.unlink()
    assert len(find(path).pictures) == 4
    first.pictures[0].path.write_bytes(b"short")
    assert all(picture.path.read_bytes() == PNG_FILE for picture in find(path).pictures)
    (first.pictures[0].path.parents[2] / "report.json").write_text("{")
    assert len(find(path).pictures) == 4
    check(find(packed(tmp_path, put("cat/new.png"))), CAT_DOG | {"cat/new.png": "cat"})


def test_an_empty_class_folder_stays_one(tmp_path):
    found = find(packed(tmp_path, lambda archive: archive.writestr("wolf/", b"")))
    check(found, CAT_DOG)
    assert found.classes == ("cat", "dog", "wolf")


def test_many_members(tmp_path):
    path = packed(tmp_path, *(put(f"cat/{i}.png", b"") for i in range(400)))
    assert find(path).seen == 404


def test_names_in_utf8_that_are_not_marked_as_such(tmp_path):
    path = packed(tmp_path, put("cat/caf\u00e9.png"))
    data = bytearray(path.read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = (
            data.index("cat/caf\u00e9".encode(), data.index(mark))
            if mark == b"PK\x03\x04"
            else data.rindex("cat/caf\u00e9".encode())
        )
        start = data.rindex(mark, 0, at)
        struct.pack_into("<H", data, start + flags, struct.unpack_from("<H", data, start + flags)[0] & ~0x800)
    path.write_bytes(data)
    assert not zipfile.ZipFile(path).infolist()[-1].flag_bits & 0x800
    check(find(path), CAT_DOG | {"cat/caf\u00e9.png": "cat"})


def test_backslashes_of_windows_are_folders(tmp_path):
    check(find(packed(tmp_path, put("cat\\2019\\c.png"))), CAT_DOG | {"cat/2019/c.png": "cat"})


def test_folders_that_differ_by_case_become_one(tmp_path):
    check(
        find(packed(tmp_path, put("Cat/c.png"), put("CAT/sub/d.png"))),
        CAT_DOG | {"cat/c.png": "cat", "cat/sub/d.png": "cat"},
    )


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_packings(tmp_path, method):
    check(find(packed(tmp_path, put("cat/c.png", compress_type=method))), CAT_DOG | {"cat/c.png": "cat"})


def test_a_zip_behind_another_file_is_told_by_that(tmp_path):
    path = packed(tmp_path)
    path.write_bytes(b"\x7fELF" + path.read_bytes())
    refused(path, "is a file, a program")


# Members that are left out: name -> what packs it, words of the reason

LEFT_OUT: dict[str, tuple[Pack, str, str]] = {
    "up": (put("../evil.png"), "../evil.png", "leads out of the folder"),
    "up from inside": (put("cat/../../evil.png"), "cat/../../evil.png", "leads out of the folder"),
    "up and back": (put("cat/../dog/evil.png"), "cat/../dog/evil.png", "leads out of the folder"),
    "up as Windows writes it": (put("cat\\..\\..\\evil.png"), r"cat\..\..\evil.png", "leads out of the folder"),
    "absolute": (put("/tmp/evil.png"), "/tmp/evil.png", "an absolute path"),
    "absolute twice": (put("//tmp/evil.png"), "//tmp/evil.png", "an absolute path"),
    "drive": (put("C:\\evil.png"), r"C:\evil.png", "an absolute path"),
    "drive without a slash": (put("C:evil.png"), "C:evil.png", "an absolute path"),
    "server": (put("\\\\server\\evil.png"), r"\\server\evil.png", "an absolute path"),
    "home": (put("~/evil.png"), "~/evil.png", "an absolute path"),
    "folder above": (put("../evil/", b""), "../evil/", "leads out of the folder"),
    "only dots": (put("./."), "./.", "no name"),
    "link": (put("cat/l.png", b"/etc/passwd", stat.S_IFLNK | 0o777), "cat/l.png", "a link"),
    "link to a folder": (put("wolf", b"..", stat.S_IFLNK | 0o777), "wolf", "a link"),
    "device": (put("cat/d.png", b"", stat.S_IFCHR | 0o666), "cat/d.png", "a device or a pipe"),
    "pipe": (put("cat/p.png", b"", stat.S_IFIFO | 0o666), "cat/p.png", "a device or a pipe"),
    "macOS": (put("__MACOSX/cat/._a.png"), "__MACOSX/cat/._a.png", "hidden or system"),
    "hidden": (put("cat/.DS_Store"), "cat/.DS_Store", "hidden or system"),
    "Thumbs.db": (put("cat/Thumbs.db"), "cat/Thumbs.db", "hidden or system"),
    "zip in the zip": (put("cat/more.zip", b"PK\x03\x04"), "cat/more.zip", "a zip inside"),
    "name of 300 letters": (put("cat/" + "n" * 300 + ".png"), "cat/" + "n" * 296, "longer than 255"),
    "name of 100 signs of 4 bytes": (put("cat/" + "\U0001f436" * 100), "cat/" + "\U0001f436" * 100, "longer than 255"),
    "too deep": (put("cat/" + "x/" * 2000 + "a.png"), ("cat/" + "x/" * 200)[:300], "folders deep"),
    "path too long": (
        put("cat/" + ("n" * 240 + "/") * 18 + "a.png"),
        ("cat/" + ("n" * 240 + "/") * 2)[:300],
        "no file can be written",
    ),
    "twice": (put("cat/a.png", JPEG), "cat/a.png", "holds this name twice"),
    "twice but for case": (put("cat/A.PNG", JPEG), "cat/A.PNG", "holds this name twice"),
    "a file where a folder is": (put("cat", JPEG), "cat", "holds this name twice"),
    "a folder where a file is": (put("cat/a.png/b.png"), "cat/a.png/b.png", "also a file"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_member_that_is_not_unpacked_is_named_and_nothing_is_written_outside(tmp_path, name):
    pack, file, words = LEFT_OUT[name]
    before = set(os.listdir("/tmp")), outside(tmp_path)
    found = find(packed(tmp_path, pack))
    check(found, CAT_DOG, {file: words})
    assert all(picture.path.read_bytes() == PNG_FILE for picture in found.pictures)
    assert outside(tmp_path) == before[1] and "evil.png" not in set(os.listdir("/tmp")) - before[0]
    assert not any(path.is_symlink() for path in (tmp_path / "cache").rglob("*"))


def test_system_files_need_nothing_to_be_done(tmp_path):
    found = find(packed(tmp_path, put("__MACOSX/._x"), put("cat/.DS_Store")))
    assert {problem.remedy for problem in found.problems} == {NOTHING_TO_DO} and found.seen == 6


def spoil(path: Path, member: str, change: Callable[[bytearray, int, int], None]) -> None:
    """Change the bytes of a zip: change(data, start of the member's local header, start of its central one)."""
    data = bytearray(path.read_bytes())
    at = data.rindex(member.encode())
    change(data, data.rindex(b"PK\x03\x04", 0, data.index(member.encode())), data.rindex(b"PK\x01\x02", 0, at))
    path.write_bytes(data)


def encrypt(data: bytearray, local: int, central: int) -> None:
    data[local + 6] |= 1
    data[central + 8] |= 1


def unknown_packing(data: bytearray, local: int, central: int) -> None:
    struct.pack_into("<H", data, local + 8, 97)
    struct.pack_into("<H", data, central + 10, 97)


def wrong_checksum(data: bytearray, local: int, central: int) -> None:
    data[central + 16] ^= 255


def wrong_bits(data: bytearray, local: int, central: int) -> None:
    for i in range(local + 30 + 9, local + 30 + 40):
        data[i] ^= 0x5A


def lie_about_the_size(data: bytearray, local: int, central: int) -> None:
    struct.pack_into("<I", data, central + 24, 10)


def other_local_name(data: bytearray, local: int, central: int) -> None:
    data[local + 30] ^= 1


SPOILT = {
    "encrypted": (encrypt, "encrypted"),
    "packed in an unknown way": (unknown_packing, "packed in a way"),
    "wrong checksum": (wrong_checksum, "damaged in the zip"),
    "wrong bits": (wrong_bits, "damaged in the zip"),
    "size that is a lie": (lie_about_the_size, "damaged in the zip"),
    "another name inside": (other_local_name, "damaged in the zip"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_member_is_named_and_the_others_load(tmp_path, name):
    change, words = SPOILT[name]
    path = packed(tmp_path, put("cat/z.png"))
    spoil(path, "cat/z.png", change)
    check(find(path), CAT_DOG, {"cat/z.png": words})
    check(find(path), CAT_DOG, {"cat/z.png": words})  # from the report beside what was unpacked


def test_a_bomb_among_the_members(tmp_path, monkeypatch):
    monkeypatch.setattr(zipped, "SMALL", 1 << 20)
    found = find(packed(tmp_path, put("cat/bomb.png", bytes(5 << 20))))
    check(found, CAT_DOG, {"cat/bomb.png": "unpacks to more than 1 MB"})


def test_a_bomb_that_lies_about_its_size_is_stopped_by_counting(tmp_path, monkeypatch):
    """The zip says 10 bytes; zipfile stops there, so nothing more comes out, whatever is packed."""
    monkeypatch.setattr(zipped, "SMALL", 1 << 20)
    path = packed(tmp_path, put("cat/bomb.png", bytes(50 << 20)))
    spoil(path, "cat/bomb.png", lie_about_the_size)
    check(find(path), CAT_DOG, {"cat/bomb.png": "damaged in the zip"})
    assert sum(file.stat().st_size for file in (tmp_path / "cache").rglob("*") if file.is_file()) < 10_000


# The whole zip


def refused(path: Path, words: str) -> None:
    """Refused in a sentence, and nothing is kept."""
    with pytest.raises(CourseError, match=words) as refusal:
        find(path)
    assert str(path) in str(refusal.value) and "\n" not in str(refusal.value)
    unzipped = path.parent / "cache" / "unzipped"
    assert not unzipped.exists() or not any(unzipped.iterdir())


def test_a_bomb_in_all_is_refused_as_a_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(zipped, "SMALL_TOTAL", 4 << 20)
    refused(packed(tmp_path, *(put(f"cat/{i}.png", bytes(1 << 20)) for i in range(10))), "far more than pictures do")


def test_members_that_share_their_bytes_are_a_bomb(tmp_path, monkeypatch):
    """Many names for one packed megabyte: small on the disk, and large each time it comes out."""
    monkeypatch.setattr(zipped, "SMALL_TOTAL", 4 << 20)
    path = packed(tmp_path, put("cat/kernel.png", bytes(1 << 20)))
    with zipfile.ZipFile(path, "a") as archive:
        kernel = archive.getinfo("cat/kernel.png")
        for i in range(20):
            copy = zipfile.ZipInfo("cat/kernel.png")
            for key in ("header_offset", "compress_size", "file_size", "CRC", "compress_type", "flag_bits"):
                setattr(copy, key, getattr(kernel, key))
            archive.filelist.append(copy)
            copy.filename = f"cat/kernel{i:03}.png"
        archive._didModify = True
    try:
        found = find(path)
    except CourseError as error:
        assert "far more than pictures do" in str(error)
    else:  # zipfile looks at both names itself
        assert len(found.pictures) == 5 and all("damaged in the zip" in problem.reason for problem in found.problems)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.99])
def test_a_zip_that_is_cut_off(tmp_path, part):
    path = packed(tmp_path)
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    refused(path, "damaged or cut off")


def test_an_empty_zip(tmp_path):
    refused(packed(tmp_path, good=False), "is empty")


def test_too_many_members(tmp_path, monkeypatch):
    monkeypatch.setattr(zipped, "MOST", 10)
    refused(packed(tmp_path, *(put(f"cat/{i}.png", b"") for i in range(10))), "14 members; up to 10")


def test_no_room_on_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(zipped, "SPARE", 1 << 60)
    refused(packed(tmp_path), "COURSE_CACHE")


def test_all_members_encrypted(tmp_path):
    path = packed(tmp_path, put("cat/z.png"), put("dog/z.png"), good=False)
    spoil(path, "cat/z.png", encrypt)
    spoil(path, "dog/z.png", encrypt)
    with pytest.raises(
        CourseError, match=r"2 left out, such as cat/z\.png: it is encrypted; unpack the zip with its password"
    ):
        find(path)


@pytest.mark.parametrize("seed", range(10))
def test_wrong_bits_anywhere_end_in_a_report_or_a_sentence(tmp_path, seed):
    import numpy as np

    rng = np.random.default_rng(seed)
    data = packed(tmp_path).read_bytes()
    for _ in range(10):
        changed = bytearray(data)
        for at in rng.integers(0, len(data), rng.integers(1, 5)):
            changed[at] ^= 1 << rng.integers(0, 8)
        (tmp_path / "photos.zip").write_bytes(changed)
        try:
            found = find(tmp_path / "photos.zip")
        except CourseError as error:
            assert "\n" not in str(error)
        else:
            assert found.seen == len(found.pictures) + sum(problem.count for problem in found.problems) <= 4
    assert outside(tmp_path) == set()


def test_a_kill_while_unpacking_leaves_nothing_that_is_read(tmp_path, cache, monkeypatch):
    path = packed(tmp_path)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(zipped.json, "dumps", die)
    with pytest.raises(KeyboardInterrupt):
        find(path)
    monkeypatch.undo()
    monkeypatch.setenv("COURSE_CACHE", str(cache))
    check(find(path), CAT_DOG)


def test_leftovers_of_killed_processes_go_after_a_day(tmp_path, cache):
    path = packed(tmp_path)
    place = find(path).pictures[0].path.parents[2]
    old, new = (place.with_name(f".{place.name}.{n}.1.part") for n in ("old", "new"))
    for folder in (old, new):
        (folder / "files").mkdir(parents=True)
    os.utime(old, (1, 1))
    (place / "report.json").unlink()
    check(find(path), CAT_DOG)
    assert not old.exists() and new.exists()


def test_two_unpack_at_once(tmp_path):
    path = packed(tmp_path, *(put(f"cat/{i}.png") for i in range(50)))
    results: list[object] = []

    def run() -> None:
        try:
            results.append(find(path).pictures)
        except BaseException as error:
            results.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(result == results[0] for result in results) and len(results[0]) == 54
    assert all(picture.path.read_bytes() == PNG_FILE for picture in results[0])
