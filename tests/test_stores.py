"""Stores: on the device, in RAM or in files, within limits; what is on disk survives other processes, kills and damage.

pytest tests/test_stores.py
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from toys import make, toy_images

from course_lib.cache import feature_files, memory, stores
from course_lib.cache.feature_files import features_dir, folder_of, remove_leftovers
from course_lib.cache.memory import limit
from course_lib.cache.remember import Live, Pixels, Remembered, remember
from course_lib.cache.stores import Store, flatten, unflatten
from course_lib.errors import CourseError
from course_lib.images import ImageSet
from course_lib.network import Network

CPU = torch.device("cpu")
FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork, as POSIX has")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def always_written(monkeypatch):
    """Features are written to disk however quick they were."""
    monkeypatch.setattr(stores, "WORTH_A_FILE", -1.0)


@pytest.fixture(scope="module")
def net() -> Network:
    return make("pawnet")


def all_rows(images: ImageSet) -> torch.Tensor:
    return torch.arange(len(images.images))


def body(net: Network, images: ImageSet, cut: int = 5, rows: torch.Tensor | None = None) -> Remembered:
    """The remembered features of images of 16 px, filled."""
    found = remember(Pixels(net, images), cut)
    found(all_rows(images) if rows is None else rows)
    return found


def small(seed: int = 0) -> ImageSet:
    return toy_images(size=16, seed=seed)


def files() -> list[Path]:
    return sorted(path for path in features_dir().rglob("*") if path.is_file())


# Where features go


@pytest.mark.parametrize("shape", [(5,), (3, 4), (3, 2, 4), (6, 1, 1), (1, 4, 4), (1, 1, 1)])
def test_rows_of_numbers_become_features_again_channels_last(shape):
    x = torch.randn(7, *shape)
    x = x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x
    rows = flatten(x)
    assert rows.is_contiguous() and torch.equal(unflatten(rows, shape), x)
    if x.ndim == 4:
        assert unflatten(rows, shape).is_contiguous(memory_format=torch.channels_last)
        assert rows.data_ptr() == x.data_ptr(), "no copy"


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("1000", 1000), ("2GB", 2e9), ("1.5 gb", 1.5e9), ("500MB", 5e8), ("3K", 3000), ("7 B", 7), ("", float("inf"))],
)  # fmt: skip
def test_limits_are_sizes(text, size, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE_RAM", text)
    assert limit("RAM") == size and limit("DISK") == float("inf")


@pytest.mark.parametrize("text", ["much", "-1", "2 PB", "1e9", "GB"])
def test_a_limit_that_is_no_size_is_refused(text, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE_DISK", text)
    with pytest.raises(CourseError, match=rf"COURSE_CACHE_DISK='{text}' is no size.*2GB"):
        limit("DISK")


@pytest.mark.parametrize("reason", ["limit", "free memory"])
def test_what_does_not_fit_into_memory_goes_to_disk(net, reason, monkeypatch):
    toys = small()
    needed = remember(Pixels(net, toys), 1).plan(all_rows(toys)).bytes
    if reason == "limit":
        monkeypatch.setenv("COURSE_CACHE_RAM", str(needed - 1))
    else:
        monkeypatch.setattr(memory, "free_bytes", lambda device: 2 * needed)
    again = small()
    found = body(net, again, 1)
    assert found.store.place == "on disk"
    assert torch.equal(found(all_rows(again)), Live(Pixels(net, again), 1)(all_rows(again)))
    monkeypatch.undo()
    assert body(net, small(), 1).store.place == "in memory"


def test_what_fits_nowhere_is_refused_before_any_work(net, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE_RAM", "0")
    monkeypatch.setenv("COURSE_CACHE_DISK", "10KB")
    monkeypatch.setattr(Live, "__call__", lambda *_: pytest.fail("worked out"))
    wanted = remember(Pixels(net, small()), 1)
    for _ in range(2):
        with pytest.raises(
            CourseError, match=r"\(24, 32, 32\) for 23 images.*allows 0 bytes.*allows 10 KB.*cache=False"
        ):
            list(wanted.fill(torch.arange(23)))
    assert files() == []


def test_old_features_that_nobody_uses_make_room_for_new_ones(net, monkeypatch):
    toys = small()
    unused = body(net, toys, 4).store.key
    used = body(net, toys, 5)
    new = remember(Pixels(net, toys), 3)
    wanted = new.plan(all_rows(toys)).bytes
    for change, place, stays in ((0, "in memory", True), (-1, "in memory", False)):
        del toys.stores[new.store.key], new
        taken = sum(store.bytes for store in toys.stores.values())
        monkeypatch.setenv("COURSE_CACHE_RAM", str(taken + wanted + change))
        new = remember(Pixels(net, toys), 3)
        new(all_rows(toys))
        assert new.store.place == place and (unused in toys.stores) == stays
    assert used.store.key in toys.stores, "a feed takes from it"
    assert torch.equal(used(all_rows(toys)), Live(Pixels(net, toys), 5)(all_rows(toys)))


def test_features_that_a_deeper_feed_is_made_from_do_not_give_way_to_it(net, monkeypatch):
    toys = small()
    low = remember(Pixels(net, toys), 2)
    plan = low.plan(all_rows(toys))
    monkeypatch.setenv("COURSE_CACHE_RAM", str(plan.bytes))
    deep = remember(low, 5)
    found = deep(all_rows(toys))
    assert toys.stores[low.store.key] is low.store and low.store.place == "in memory"
    assert deep.store.place == "on disk", "there was no room beside the features it is made from"
    assert torch.equal(found, Live(Pixels(net, toys), 5)(all_rows(toys)))
    assert list(low.fill(all_rows(toys))) == [], "worked out once"


# On disk


@pytest.mark.parametrize("ram", ["", "0"])
def test_features_come_back_from_disk_bit_for_bit(net, always_written, ram, monkeypatch):
    first, again = small(), small()
    made = body(net, first)(all_rows(first))
    assert [path.suffix for path in files()] == [".safetensors"]
    monkeypatch.setenv("COURSE_CACHE_RAM", ram)
    monkeypatch.setattr(Live, "__call__", lambda *_: pytest.fail("worked out"))
    read = remember(Pixels(net, again), 5)
    assert read.store.from_disk == len(again.images)
    assert torch.equal(read(all_rows(again)), made)


@pytest.mark.parametrize("ram", ["", "0"])
def test_some_rows_on_disk_spare_the_work_for_these(net, always_written, ram, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE_RAM", ram)
    body(net, small(), rows=torch.tensor([3, 1, 7]))
    second = remember(Pixels(net, small()), 5)
    assert list(second.fill(torch.arange(10))) == [(7, 7)]
    third, toys = body(net, small(), rows=torch.arange(5, 12)), small()
    assert third.store.from_disk == 10
    found = remember(Pixels(net, toys), 5)
    assert found.store.from_disk == 12 and len(files()) == 3
    assert torch.equal(found(all_rows(toys)), Live(Pixels(net, toys), 5)(all_rows(toys)))


def test_what_another_process_wrote_meanwhile_is_read_and_not_worked_out(net, always_written):
    first, second = small(), small()
    waiting = remember(Pixels(net, first), 5)
    waiting(torch.arange(4))
    body(net, second, rows=torch.arange(10))
    assert list(waiting.fill(torch.arange(12))) == [(2, 2)]


@pytest.mark.parametrize("ram", ["", "0"])
def test_where_features_go_is_decided_once(net, ram, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE_RAM", ram)
    toys, decided = small(), []
    allot = Store.allot
    monkeypatch.setattr(Store, "allot", lambda store, *args: decided.append(args) or allot(store, *args))
    wanted = remember(Pixels(net, toys), 5)
    for rows in (torch.arange(3), torch.arange(9), all_rows(toys)):
        wanted.plan(rows)
        wanted(rows)
    assert len(decided) == 1


def test_features_on_disk_are_used_also_where_nothing_may_be_added(net, always_written, monkeypatch):
    made = body(net, small(), rows=torch.arange(10))(torch.arange(10))
    monkeypatch.setenv("COURSE_CACHE_RAM", "0")
    monkeypatch.setenv("COURSE_CACHE_DISK", "0")
    read = remember(Pixels(net, small()), 5)
    assert read.store.place == "on disk" and torch.equal(read(torch.arange(10)), made)
    with pytest.raises(CourseError, match="no room for them on disk"):
        read(torch.arange(12))


def test_quick_work_is_not_written(net, monkeypatch):
    monkeypatch.setattr(stores, "WORTH_A_FILE", 1e9)
    body(net, small())
    assert files() == []


def test_long_work_is_written_before_its_end(net, monkeypatch):
    toys = toy_images(train=130, val=0, test=0, size=16)
    monkeypatch.setattr(stores, "LONG", 0.0)
    counts = [len(files()) for _ in remember(Pixels(net, toys), 5).fill(all_rows(toys))]
    assert counts == [1, 2, 3]


def test_a_store_on_disk_keeps_no_more_than_a_file_s_worth_in_memory(net, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE_RAM", "0")
    monkeypatch.setattr(stores, "WORTH_A_FILE", 1e9)
    toys = toy_images(train=200, val=0, test=0, size=16)
    found = remember(Pixels(net, toys), 5)
    monkeypatch.setattr(feature_files, "SEGMENT", 100 * found.plan(all_rows(toys)).bytes // 200)
    waiting = []
    for _ in found.fill(all_rows(toys)):
        waiting.append(len(found.store._shelf.waiting))
    assert waiting == [1, 0, 1, 2] and len(files()) > 1
    assert torch.equal(found(all_rows(toys)), Live(Pixels(net, toys), 5)(all_rows(toys)))


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9, 0.999, "text", "flipped", "another key"])
def test_a_damaged_file_is_removed_and_worked_out_again(net, always_written, kept):
    first, again = small(), small()
    made = body(net, first)(all_rows(first))
    (path,) = files()
    data = bytearray(path.read_bytes())
    if kept == "text":
        data = bytearray(b"this is not a tensor file")
    elif kept == "flipped":
        data[len(data) // 2] ^= 255
    elif kept == "another key":
        body(net, first, 4)
        (other,) = set(files()) - {path}
        data = bytearray(other.read_bytes())
        other.unlink()
    else:
        data = data[: int(kept * len(data))]
    path.write_bytes(data)
    read = remember(Pixels(net, again), 5)
    assert read.store.from_disk == 0 and not path.exists()
    assert torch.equal(read(all_rows(again)), made)
    assert path.exists(), "and kept anew"


def test_the_longest_unused_features_on_disk_give_way(net, always_written, monkeypatch):
    keys = []
    for age, cut in ((300, 5), (100, 4), (200, 3)):
        keys.append(body(net, small(), cut).store.key)
        os.utime(folder_of(keys[-1]), (time.time() - age,) * 2)
    body(net, small(), 5)  # used again: now the second and the third are older
    assert [folder_of(key).exists() for key in keys] == [True] * 3
    used = sum(path.stat().st_size for path in files())
    monkeypatch.setenv("COURSE_CACHE_DISK", str(used + 1000))
    body(net, small(1), 5)
    assert [folder_of(key).exists() for key in keys] == [True, True, False]


def test_features_in_memory_do_without_a_disk_that_is_full_and_say_so(net, always_written, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE_DISK", "100")
    toys = small()
    with pytest.warns(
        UserWarning, match=r"not kept for the next run.*no room.*COURSE_CACHE_DISK allows 100 bytes.*course cache clear"
    ):
        found = body(net, toys, rows=torch.arange(5))
    assert torch.equal(found(all_rows(toys)), Live(Pixels(net, toys), 5)(all_rows(toys))), "told once, and no error"


@pytest.mark.filterwarnings("error")
def test_a_disk_that_was_switched_off_is_left_alone(net, always_written, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE_DISK", "0")
    body(net, small())
    assert files() == []


FULL_DISK = """
import resource, signal, sys
from course_lib.cache import stores
from course_lib.errors import CourseError
from toys import make, run, toy_images
from course_lib.training.train import Stage
stores.WORTH_A_FILE = -1.0
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
try:
    run(make("pawnet"), toy_images(size=16), Stage(frozen=-1, epochs=1))
except CourseError as error:
    sys.exit(f"refused: {error}")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files, as POSIX has")
@pytest.mark.parametrize(
    ("ram", "status", "words"), [("", 0, "stay in memory"), ("0", 1, "refused: No room left to write")]
)
def test_a_full_disk_leaves_no_half_written_file(tmp_path, ram, status, words):
    here = Path(__file__).parent
    path = os.pathsep.join([str(here.parent), str(here), os.environ.get("PYTHONPATH", "")])
    settings = {**os.environ, "PYTHONPATH": path, "COURSE_CACHE_RAM": ram}
    ended = subprocess.run([sys.executable, "-c", FULL_DISK], env=settings, capture_output=True, text=True)
    assert ended.returncode == status and words in ended.stderr and "COURSE_CACHE" in ended.stderr, ended.stderr
    assert files() == []


# Other processes


def numbers(rows: torch.Tensor) -> torch.Tensor:
    """Features that can be known again: n,3,4,4."""
    return (
        (rows[:, None] * 48 + torch.arange(48)).float().view(-1, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    )


def store_of(count: int = 400) -> Store:
    return Store("f" * 64, {"blocks": ["stem"]}, "numbers", count)


def fill(store: Store, rows: torch.Tensor, at_a_time: int = 4) -> None:
    others: dict[str, Store] = {}
    store.take_over(CPU, others)
    if store.shape is None:
        store.allot((3, 4, 4), torch.float32, CPU, len(rows), others)
    for part in rows.split(at_a_time):
        store.put(part, numbers(part), 1.0)
        store.save()


def in_a_child(work: object) -> int:
    """Run a function in a forked process; its number comes back at once."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        work()
        status = 0
    finally:
        os._exit(status)


def assert_all_right(rows: torch.Tensor, ram: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_CACHE_RAM", ram)
    store = store_of()
    store.take_over(CPU, {})
    assert store.have[rows].all() and torch.equal(store.get(rows), numbers(rows))


@FORKS
@pytest.mark.parametrize("ram", ["", "0"])
def test_two_processes_fill_the_same_store_at_a_time_and_nothing_is_lost(always_written, ram, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE_RAM", ram)
    first = torch.randperm(400, generator=torch.Generator().manual_seed(0))
    orders = (first, first.flip(0))
    children = [in_a_child(lambda rows=rows: fill(store_of(), rows)) for rows in orders]
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    for place in ("", "0"):
        assert_all_right(torch.arange(400), place, monkeypatch)


@FORKS
def test_what_a_killed_process_leaves_is_right_and_the_rest_is_cleared_away(always_written, monkeypatch):
    pauses = torch.rand(12, generator=torch.Generator().manual_seed(1)).tolist()
    rows = torch.arange(400)
    counts = []
    for number, pause in enumerate(pauses):
        child = in_a_child(lambda number=number: fill(store_of(), rows.roll(37 * number), 1))
        time.sleep(0.12 * pause)
        os.kill(child, signal.SIGKILL)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
        store = store_of()
        store.take_over(CPU, {})
        have = store.have.nonzero().flatten()
        assert not len(have) or torch.equal(store.get(have), numbers(have))
        counts.append(len(have))
    assert counts == sorted(counts) and counts[-1] > 0, "what was written stays"
    left = [path for path in files() if path.suffix == ".part"]
    for path in left:
        os.utime(path, (time.time() - 100,) * 2)
    fill(store_of(), rows)
    assert not any(path.suffix == ".part" for path in files()), "cleared away with the next file"
    assert_all_right(rows, "", monkeypatch)


@FORKS
def test_leftovers_of_living_processes_and_of_this_minute_stay():
    dead = in_a_child(lambda: None)
    os.waitpid(dead, 0)
    folder = features_dir() / "key"
    folder.mkdir(parents=True)
    ages = {
        f".a.safetensors.{dead}.part": (100, False),
        f".b.safetensors.{dead}.part": (1, True),
        f".c.safetensors.{os.getpid()}.part": (100, True),
        f".d.safetensors.{os.getpid()}.part": (100_000, False),
        ".e.part": (100, True),
        "f.safetensors": (100_000, True),
    }
    for name, (age, _) in ages.items():
        (folder / name).write_bytes(b"12345")
        os.utime(folder / name, (time.time() - age,) * 2)
    assert remove_leftovers(features_dir()) == 10
    assert {path.name for path in folder.iterdir()} == {name for name, (_, stays) in ages.items() if stays}
