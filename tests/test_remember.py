"""Remembering: worked out once, the same bits from memory, from disk and alone, and never mixed up."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from toys import make, toy_images

from course_lib import remember as remember_module
from course_lib.augment import Augment
from course_lib.errors import CourseError
from course_lib.images import ImageSet
from course_lib.network import Network
from course_lib.remember import Live, Pixels, features_dir, remember


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def on_disk(monkeypatch):
    """Features are written to disk however quick they were."""
    monkeypatch.setattr(remember_module, "WORTH_A_FILE", 0.0)


@pytest.fixture
def set_threads() -> Iterator[Callable[[int], None]]:
    """Sets the number of threads for one test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def net() -> Network:
    return make("pawnet")


def all_rows(images: ImageSet) -> torch.Tensor:
    return torch.arange(len(images.images))


def progress(net: Network, images: ImageSet, cut: int = 5, rows: torch.Tensor | None = None) -> list[tuple[int, int]]:
    """What `fill` reports while it works."""
    return list(remember(Pixels(net, images), cut).fill(all_rows(images) if rows is None else rows))


@pytest.mark.parametrize("name", ["pawnet", "resnet18", "mobilenet_v2", "squeezenet1_0", "wide", "vit"])
@pytest.mark.parametrize("place", ["lowest", "head"])
@pytest.mark.parametrize("threads", [1, 2])
def test_what_frozen_blocks_say_of_an_image_does_not_depend_on_its_batch(name, place, threads, set_threads):
    set_threads(threads)  # the kernels are other ones
    toys, net = toy_images(train=41, val=0, test=0, size=32), make(name)
    cut = 1 if place == "lowest" else len(net) - 1
    live = Live(Pixels(net, toys), cut)
    together = live(all_rows(toys))
    for first, last in ((0, 1), (1, 3), (3, 8), (8, 17), (17, 28), (28, 41)):
        assert torch.equal(live(torch.arange(first, last)), together[first:last])
    turned = all_rows(toys).flip(0)[:9]
    assert torch.equal(live(turned), together[turned]), "other batch-mates, another place in the batch"
    remembered = remember(Pixels(net, toys), cut)
    assert torch.equal(remembered(torch.tensor([7])), together[7:8])
    assert torch.equal(remembered(all_rows(toys)), together)


def test_features_from_features_equal_features_from_pixels(net):
    toys = toy_images(train=9)
    rows = all_rows(toys)
    low = remember(Pixels(net, toys), 2)
    assert torch.equal(remember(low, 5)(rows), Live(Pixels(net, toys), 5)(rows))


def test_nothing_is_worked_out_twice(net):
    toys = toy_images(train=70, val=5, test=6, size=16)
    rows = all_rows(toys)
    assert progress(net, toys, rows=rows[:70]) == [(64, 70), (70, 70)]
    assert progress(net, toys, rows=rows[:70]) == []
    assert progress(net, toys) == [(11, 11)]
    assert progress(net, toys.subset(3)) == [], "a subset of the same images"
    assert progress(net.copy(), toys) == [], "another net with the same prefix"


def test_rows_that_stand_twice_are_worked_out_once(net):
    toys = toy_images()
    assert progress(net, toys, rows=torch.tensor([3, 3, 1])) == [(2, 2)]


def changed_weight(net: Network, images: ImageSet) -> Pixels:
    net = net.copy()
    net.model.stage4.conv1.weight.data[-1, -1, -1, -1] += 1e-3
    return Pixels(net, images)


def changed_buffer(net: Network, images: ImageSet) -> Pixels:
    net = net.copy()
    net.model.stage4.bn2.running_mean[0] += 1e-3
    return Pixels(net, images)


def changed_pixel(net: Network, images: ImageSet) -> Pixels:
    pixels = images.images.clone()
    pixels[0, 0, 0, 0] ^= 1
    return Pixels(net, replace(images, images=pixels, checksum="", stores=images.stores))


CHANGES = {
    "a weight": changed_weight,
    "a BatchNorm statistic": changed_buffer,
    "a pixel": changed_pixel,
    "the normalisation": lambda net, images: Pixels(replace(net, mean=(0.4, 0.5, 0.5)), images),
    "the size": lambda net, images: Pixels(replace(net, size=32), images),
    "an augmentation": lambda net, images: Pixels(net, images, Augment(), view=1),
    "the view": lambda net, images: Pixels(net, images, Augment(), view=2),
    "the seed": lambda net, images: Pixels(net, images, Augment(), view=1, seed=1),
    "how far it changes": lambda net, images: Pixels(net, images, Augment(rotate=0), view=1),
}


def test_whatever_changes_the_features_changes_their_key(net):
    toys = toy_images()
    keys = [remember(Pixels(net, toys), cut).store.key for cut in (4, 5)]
    keys += [remember(change(net, toys), 5).store.key for change in CHANGES.values()]
    assert len(set(keys)) == len(keys)


def test_what_does_not_change_the_features_leaves_their_key(net):
    toys = toy_images()
    other_head = net.copy()
    torch.nn.init.zeros_(other_head.model.head.weight)
    key = remember(Pixels(net, toys), 5).store.key
    assert remember(Pixels(other_head, toys), 5).store.key == key
    assert remember(Pixels(net, toys.subset(2)), 5).store.key == key
    assert remember(Pixels(net, toys, Augment(), view=0), 5).store.key == key, "view 0 is the clean image"
    assert remember(Pixels(net, toys, Augment(), view=0, seed=3), 5).store.key == key


def test_a_caller_cannot_edit_what_is_remembered(net):
    toys = toy_images()
    remembered = remember(Pixels(net, toys), 5)
    first = remembered(all_rows(toys))
    kept = first.clone()
    first.zero_()
    assert torch.equal(remembered(all_rows(toys)), kept)


def test_features_come_back_from_disk_bit_for_bit(net, on_disk):
    first, again = toy_images(), toy_images()
    made = remember(Pixels(net, first), 5)(all_rows(first))
    assert [path.suffix for path in features_dir().iterdir()] == [".npz"]
    read = remember(Pixels(net, again), 5)
    assert read.store.from_disk == len(again.images) and progress(net, again) == []
    assert f"{len(again.images)} of them were read from the cache" in read.note and "0 were worked out" in read.note
    assert torch.equal(read(all_rows(again)), made)


def test_some_rows_on_disk_spare_the_work_for_these(net, on_disk):
    first, again = toy_images(), toy_images()
    progress(net, first, rows=torch.arange(10))
    assert progress(net, again) == [(len(again.images) - 10,) * 2]
    fresh = toy_images()
    assert progress(net, fresh) == [] and torch.equal(
        remember(Pixels(net, fresh), 5)(all_rows(fresh)), Live(Pixels(net, fresh), 5)(all_rows(fresh))
    )


def test_quick_work_is_not_written(net, monkeypatch):
    monkeypatch.setattr(remember_module, "WORTH_A_FILE", 1e9)
    progress(net, toy_images())
    assert not features_dir().exists()


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9, 0.999, "text", "flipped"])
def test_a_damaged_file_is_removed_and_worked_out_again(net, on_disk, kept):
    first = toy_images()
    made = remember(Pixels(net, first), 5)(all_rows(first))
    (path,) = features_dir().iterdir()
    data = bytearray(path.read_bytes())
    if kept == "text":
        data = bytearray(b"this is not an archive")
    elif kept == "flipped":
        data[len(data) // 2] ^= 255
    else:
        data = data[: int(kept * len(data))]
    path.write_bytes(data)
    again = toy_images()
    read = remember(Pixels(net, again), 5)
    assert read.store.from_disk == 0 and not path.exists()
    assert torch.equal(read(all_rows(again)), made)
    assert path.exists(), "and kept anew"


FULL_DISK = """
import resource, signal, sys
from course_lib import remember
from course_lib.errors import CourseError
from course_lib.models import load
from course_lib.train import Stage, fit
from toys import toy_images
remember.WORTH_A_FILE = 0.0
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
toys = toy_images()
try:
    list(fit(load("pawnet", toys.classes), toys, Stage(frozen=-1, epochs=1), device="cpu"))
except CourseError as error:
    sys.exit(f"refused: {error}")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files, as POSIX has")
def test_a_full_disk_is_told_and_leaves_no_half_written_file(tmp_path):
    here = Path(__file__).parent
    path = os.pathsep.join([str(here.parent), str(here)])
    ended = subprocess.run(
        [sys.executable, "-c", FULL_DISK], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert ended.returncode == 1 and ended.stderr.startswith("refused: No room left to write"), ended.stderr
    assert "COURSE_CACHE" in ended.stderr
    assert [file for file in (tmp_path / "cache").rglob("*") if file.is_file()] == []


def test_more_than_the_free_memory_is_refused(net, monkeypatch):
    monkeypatch.setattr(remember_module, "free_bytes", lambda device: 100_000)
    with pytest.raises(CourseError, match=r"24, 32, 32.*40 %.*Freeze more blocks.*cache=False"):
        progress(net, toy_images(), cut=1)


def test_older_features_make_room_for_new_ones(net, monkeypatch):
    toys = toy_images()
    progress(net, toys, cut=5)
    old = next(iter(toys.stores))
    monkeypatch.setattr(remember_module, "free_bytes", lambda device: 10**6 if old in toys.stores else 10**9)
    progress(net, toys, cut=1)
    assert old not in toys.stores and len(toys.stores) == 1
