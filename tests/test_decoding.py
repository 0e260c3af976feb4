"""Files to pixels: in order, in flat memory, once; after a change, a kill or an interrupt nothing wrong is ever read.

pytest tests/test_decoding.py
COURSE_KILLS=50 pytest tests/test_decoding.py -k kill        # more kills at random moments
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.cache.cached import check_all, clear, table
from course_lib.errors import CourseError
from course_lib.images import checksum
from course_lib.pictures import decoding, kept
from course_lib.pictures.decoding import decode
from course_lib.pictures.found import Picture
from course_lib.pictures.reading import read_picture

SIZE = 24
KILLS = int(os.environ.get("COURSE_KILLS", 10))


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def photos(tmp_path) -> Path:
    """90 small pictures of noise, and two files that are none, an hour old."""
    root, draw = tmp_path / "photos", np.random.default_rng(0)
    root.mkdir()
    for i in range(90):
        draw_one(root / f"{i:03}.png", draw)
    (root / "050 bad.png").write_bytes(b"no picture")
    (root / "080 empty.png").touch()
    age(root)
    return root


def draw_one(path: Path, draw: np.random.Generator) -> None:
    Image.fromarray(draw.integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(path)


def age(root: Path, seconds: float = 3600.0) -> None:
    """As if all files had been there for a while: their times of change are set back (those of their state cannot be)."""
    for path in root.iterdir():
        os.utime(path, (time.time() - seconds,) * 2)


def pictures(root: Path) -> list[Picture]:
    return [Picture(path, path.name, "x") for path in sorted(root.iterdir())]


def expected(root: Path) -> torch.Tensor:
    """Each file read alone."""
    found = [read_picture(picture.path, SIZE).pixels for picture in pictures(root)]
    return torch.from_numpy(np.stack([pixels for pixels in found if pixels is not None])).permute(0, 3, 1, 2)


def assert_right(decoded: decoding.Decoded, root: Path) -> None:
    assert torch.equal(decoded.images, expected(root)) and decoded.checksum == checksum(decoded.images)
    assert torch.equal(torch.cat(list(decoded.parts(7))), decoded.images)
    assert len(decoded.kept) + len(decoded.problems) == len(pictures(root))


def test_each_picture_is_what_it_is_alone_in_order_with_the_problems_apart(photos):
    told = []
    first = decode(pictures(photos), SIZE, str(photos), lambda done, total: told.append((done, total)))
    assert_right(first, photos)
    assert first.decoded == 92 and told[-1] == (92, 92) and [t for t, _ in told] == sorted(t for t, _ in told)
    assert first.problems.keys() == {50, 81} and "0 bytes" in first.problems[81][0]
    assert first.sizes.tolist() == [[40, 30]] * 90
    second = decode(pictures(photos), SIZE, str(photos), lambda done, total: told.append((done, total)))
    assert second.decoded == 0 and second.checksum == first.checksum and told[-1] == (92, 92)
    assert torch.equal(second.images, first.images) and second.problems == first.problems


def test_a_changed_an_added_and_a_removed_file_are_noticed_and_only_they_are_decoded(photos):
    decode(pictures(photos), SIZE, str(photos))
    draw = np.random.default_rng(1)
    draw_one(photos / "010.png", draw)
    draw_one(photos / "020 new.png", draw)
    (photos / "030.png").unlink()
    (photos / "050 bad.png").unlink()
    found = decode(pictures(photos), SIZE, str(photos))
    assert_right(found, photos)
    assert found.decoded == 2
    assert decode(pictures(photos), SIZE, str(photos)).decoded == 0
    assert len(list(kept.pictures_dir().iterdir())) == 2, "older pixels are gone"


def test_another_size_another_root_and_another_reader_do_not_share(photos, monkeypatch):
    decode(pictures(photos), SIZE, str(photos))
    assert decode(pictures(photos), 16, str(photos)).images.shape[-1] == 16
    assert decode(pictures(photos), SIZE, "elsewhere").decoded == 92
    monkeypatch.setattr(decoding, "VERSION", -1)
    assert decode(pictures(photos), SIZE, str(photos)).decoded == 92


def test_a_change_that_leaves_size_and_time_as_they_were_is_noticed(photos):
    path = photos / "005.bmp"
    Image.new("RGB", (30, 30), "red").save(path)
    age(photos)
    decode(pictures(photos), SIZE, str(photos))
    before = path.stat()
    Image.new("RGB", (30, 30), "blue").save(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size and path.stat().st_mtime_ns == before.st_mtime_ns
    assert_right(decode(pictures(photos), SIZE, str(photos)), photos)


def test_a_change_within_one_tick_of_the_clock_is_noticed(photos, monkeypatch):
    """On a disk whose clock has stopped: all three numbers of a stamp stay as they are, and only the bytes differ."""
    path, now = photos / "005.bmp", time.time_ns()
    monkeypatch.setattr(decoding, "look_at", lambda path: (path.stat().st_size, now, now))
    Image.new("RGB", (30, 30), "red").save(path)
    decode(pictures(photos), SIZE, str(photos))
    Image.new("RGB", (30, 30), "blue").save(path)
    found = decode(pictures(photos), SIZE, str(photos))
    assert_right(found, photos)
    assert found.decoded == 1


def test_a_file_that_changes_while_it_is_read_is_read_again(photos):
    path, turns = photos / "005.bmp", iter(["blue", "green"])
    Image.new("RGB", (30, 30), "red").save(path)

    def read(file: Path, size: int) -> object:
        found = read_picture(file, size)
        colour = next(turns, None) if file == path else None
        if colour:
            Image.new("RGB", (30, 30), colour).save(path)
        return found

    found = decode(pictures(photos), SIZE, str(photos), read=read)
    assert found.images[found.kept.tolist().index(5)].float().mean((1, 2)).tolist() == [0, 128, 0]


def test_a_file_that_is_gone_or_keeps_changing_is_not_relied_on(photos):
    listed = pictures(photos)
    listed[3].path.unlink()
    found = decode(listed, SIZE, str(photos))
    assert "gone" in found.problems[3][0] and len(found.images) == 89
    count = iter(range(1000))
    os.utime(listed[0].path, (5, 5))

    def read(file: Path, size: int) -> object:
        if file == listed[0].path:
            os.utime(file, (next(count),) * 2)
        return read_picture(file, size)

    decode(pictures(photos), SIZE, str(photos), read=read)
    assert decode(pictures(photos), SIZE, str(photos)).decoded == 1


def slowly(file: Path, size: int) -> object:
    time.sleep(0.003)
    return read_picture(file, size)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_kill_at_any_moment_leaves_what_was_done_and_nothing_wrong(photos):
    draw, spared = random.Random(0), 0
    for turn in range(KILLS):
        shutil.rmtree(kept.pictures_dir(), ignore_errors=True)
        for _ in range(draw.choice((1, 1, 2, 3))):  # starts that are killed one after the other
            child = os.fork()
            if child == 0:
                threading.Timer(draw.uniform(0.0, 0.3), os.kill, (os.getpid(), signal.SIGKILL)).start()
                decode(pictures(photos), SIZE, str(photos), read=slowly)
                os._exit(0)
            os.waitpid(child, 0)
            draw.random()
        assert all(not fault for path, fault in check_all() if not path.name.startswith("."))
        found = decode(pictures(photos), SIZE, str(photos))
        assert_right(found, photos)
        spared += 92 - found.decoded
        assert decode(pictures(photos), SIZE, str(photos)).decoded == 0, f"turn {turn}"
        assert len(list(kept.pictures_dir().iterdir())) == 2, "what the killed ones left is gone"
    assert spared > 0


def test_half_written_pixels_are_not_believed(photos):
    with pytest.raises(KeyboardInterrupt):
        decode(pictures(photos), SIZE, str(photos), read=_interrupted_at(photos / "085.png"))
    (part,) = kept.pictures_dir().glob(".*.pixels.*.part")
    data = bytearray(part.read_bytes())
    data[10] ^= 255
    part.write_bytes(data)
    found = decode(pictures(photos), SIZE, str(photos))
    assert_right(found, photos)
    assert 1 < found.decoded < 92


def _interrupted_at(path: Path):
    def read(file: Path, size: int) -> object:
        if file == path:
            raise KeyboardInterrupt
        return read_picture(file, size)

    return read


@pytest.mark.parametrize("cut", [0.3, 0.9, 0.999])
def test_a_cut_off_or_foreign_index_counts_for_nothing(photos, cut):
    decode(pictures(photos), SIZE, str(photos))
    (index,) = kept.pictures_dir().glob("*.json")
    text = index.read_bytes()
    for damaged in (text[: int(cut * len(text))], b"", b"[1, 2]\n", text.replace(b"course pictures", b"other")):
        index.write_bytes(damaged)
        assert_right(decode(pictures(photos), SIZE, str(photos)), photos)


def test_pixels_that_are_missing_or_too_short_are_decoded_anew(photos):
    for change in (lambda path: path.unlink(), lambda path: os.truncate(path, 1000)):
        decode(pictures(photos), SIZE, str(photos))
        (pixels,) = kept.pictures_dir().glob("*.pixels")
        change(pixels)
        assert_right(decode(pictures(photos), SIZE, str(photos)), photos)


def test_an_interrupt_ends_at_once_and_the_next_start_goes_on(photos):
    begun, seen = [], []

    def read(file: Path, size: int) -> object:
        begun.append(file)
        time.sleep(0.02)
        return read_picture(file, size)

    def progress(done: int, total: int) -> None:
        seen.append(len(begun))
        if done > 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decode(pictures(photos), SIZE, str(photos), progress, read=read)
    assert len(begun) - seen[-1] <= decoding.threads(), "each thread ends the file it is at, and begins no other"
    assert_right(decode(pictures(photos), SIZE, str(photos)), photos)


def test_two_at_once_both_end_well(photos):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(decode(pictures(photos), SIZE, str(photos), read=slowly)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    for each in found:
        assert_right(each, photos)


def test_without_room_on_the_disk_pictures_stay_in_memory(photos, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE_DISK", "0")
    found = decode(pictures(photos), SIZE, str(photos))
    assert_right(found, photos)
    assert found.path is None and not kept.pictures_dir().exists()
    monkeypatch.setenv("COURSE_CACHE_RAM", "1KB")
    with pytest.raises(CourseError, match="fits neither on the disk nor"):
        decode(pictures(photos), SIZE, str(photos))


def test_the_longest_unused_pictures_give_way(photos, monkeypatch):
    for root in ("a", "b"):
        decode(pictures(photos), SIZE, root)
    (old, *_) = sorted(kept.pictures_dir().glob("*.json"), key=lambda path: path.stat().st_mtime)
    os.utime(old, (1, 1))
    monkeypatch.setenv("COURSE_CACHE_DISK", f"{sum(p.stat().st_size for p in kept.pictures_dir().iterdir()) + 1000}")
    decode(pictures(photos), SIZE, "c")
    names = {path.name[:32] for path in kept.pictures_dir().iterdir()}
    assert len(names) == 2 and old.name[:32] not in names


def test_course_cache_lists_checks_and_clears_them(photos):
    found = decode(pictures(photos), SIZE, str(photos))
    assert any("pictures" in row for row in table().rows)
    assert [fault for _, fault in check_all()] == ["", ""]
    data = bytearray(found.path.read_bytes())
    data[5] ^= 1
    found.path.write_bytes(data)
    assert any(fault for _, fault in check_all())
    clear(["images"])
    assert not list(kept.pictures_dir().glob("*")) and decode(pictures(photos), SIZE, str(photos)).decoded == 92


def test_memory_does_not_grow_with_the_number_of_pictures(photos):
    """What waits, decoded, for being written is bounded, however slow the disk is."""
    begun, most = [0], []

    def read(file: Path, size: int) -> object:
        begun[0] += 1
        return read_picture(file, size)

    def progress(done: int, total: int) -> None:
        most.append(begun[0] - done)
        time.sleep(0.001)

    listed = [Picture(photos / "000.png", "a", "x")] * 400
    decode(listed, SIZE, "many", progress, read=read)
    assert begun[0] == 400 and max(most) <= decoding.AHEAD
