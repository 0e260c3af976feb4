"""Remembering: worked out once, the same bits from memory, from disk and alone, and never mixed up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
from toys import make, toy_images

from course_lib.augment import Augment
from course_lib.cache import stores
from course_lib.cache.remember import Live, Pixels, remember
from course_lib.devices import _cpu_is_fast
from course_lib.images import ImageSet
from course_lib.network import Network


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(params=["float32", "bfloat16"])
def number_format(request, monkeypatch) -> str:
    """The format that bodies run in; bfloat16 only where the CPU has instructions for it."""
    if request.param == "bfloat16" and not _cpu_is_fast():
        pytest.skip("this CPU has no instructions for bfloat16, and would take minutes")
    monkeypatch.setenv("COURSE_PRECISION", request.param)
    return request.param


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


NETS = ["pawnet", "resnet18", "mobilenet_v2", "squeezenet1_0", "wide", "vit"]


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("place", ["lowest", "head"])
def test_what_frozen_blocks_say_of_an_image_does_not_depend_on_its_batch(name, place, number_format):
    assert_no_batch_mate_matters(name, place)


@pytest.mark.parametrize("name", ["pawnet", "wide"])
def test_nor_does_it_on_more_threads(name, set_threads):
    set_threads(2)  # the kernels are other ones
    assert_no_batch_mate_matters(name, "head")


def assert_no_batch_mate_matters(name: str, place: str) -> None:
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
    found = remembered(all_rows(toys))
    assert torch.equal(found, together)
    assert found.dtype == together.dtype and found.stride() == together.stride(), "kernels are chosen by the layout too"


@pytest.mark.parametrize("cut", [1, 5, 6])
def test_features_on_disk_are_those_in_memory(net, cut, number_format, monkeypatch):
    first, again = toy_images(size=32), toy_images(size=32)
    in_memory = remember(Pixels(net, first), cut)(all_rows(first))
    monkeypatch.setenv("COURSE_CACHE_RAM", "0")
    on_disk = remember(Pixels(net, again), cut)
    found = on_disk(all_rows(again))
    assert on_disk.store.place == "on disk" and on_disk.store.device is None
    assert torch.equal(found, in_memory) and found.stride() == in_memory.stride()


def test_features_from_features_equal_features_from_pixels(net):
    toys = toy_images(train=9)
    rows = all_rows(toys)
    low = remember(Pixels(net, toys), 2)
    assert torch.equal(remember(low, 5)(rows), Live(Pixels(net, toys), 5)(rows))
    assert progress(net, toys, cut=2) == [] and low.store.have.all(), "they were remembered on the way"


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
    return Pixels(net, replace(images, images=pixels))


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


def test_the_number_format_and_the_threads_are_in_the_key(net, set_threads, monkeypatch):
    toys, keys = toy_images(), set()
    for threads, name in ((1, "float32"), (1, "bfloat16"), (2, "float32")):
        set_threads(threads)
        monkeypatch.setenv("COURSE_PRECISION", name)
        keys.add(remember(Pixels(net, toys), 5).store.key)
    assert len(keys) == 3


@pytest.mark.parametrize("ram", ["", "0"])
@pytest.mark.parametrize("size", [32, 64])
def test_what_it_will_take_is_known_before_the_work(net, size, ram, number_format, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE_RAM", ram)
    toys, worked_out = toy_images(size=size), []
    forward = net.run
    monkeypatch.setattr(net, "run", lambda x, *cuts: worked_out.append(len(x)) or forward(x, *cuts))
    low = remember(Pixels(net, toys), 2)
    body, rows = remember(low, 5), torch.arange(20)
    plan = body.plan(rows)
    assert sum(worked_out) <= 2 and not low.store.have.any(), "one image through two parts, and nothing else"
    assert (plan.images, plan.missing) == (20, 20)
    assert plan.bytes == body(rows).nbytes == 20 * body.store.row_bytes
    assert str(plan).startswith("Outputs of 5 frozen blocks for 20 images: ") and plan.place in str(plan)
    assert plan.place == ("on disk" if ram else "in memory")
    again = body.plan(torch.arange(23))
    assert (again.images, again.missing) == (23, 3) and "20 of them are there" in str(again)


def test_the_note_says_what_was_worked_out_and_what_was_read(net, monkeypatch):
    monkeypatch.setattr(stores, "WORTH_A_FILE", 0.0)
    first, again = toy_images(), toy_images()
    body = remember(Pixels(net, first), 5)
    body(torch.arange(10))
    assert "remembered for 10 images" in body.note and "10 were worked out" in body.note
    read = remember(Pixels(net, again), 5)
    read(torch.arange(12))
    assert "remembered for 12 images" in read.note
    assert "10 of them were read from the cache" in read.note and "2 were worked out" in read.note


def test_an_interrupt_keeps_what_was_worked_out(net, monkeypatch):
    monkeypatch.setattr(stores, "WORTH_A_FILE", 0.0)
    toys = toy_images(train=100, val=0, test=0, size=16)
    for done, _ in remember(Pixels(net, toys), 5).fill(all_rows(toys)):
        assert done == 64
        break
    assert progress(net, toys) == [(36, 36)]
    fresh = toy_images(train=100, val=0, test=0, size=16)
    assert progress(net, fresh) == [], "all of it is on disk"


def test_a_device_without_memory_takes_fewer_images_at_a_time(net, monkeypatch):
    toys = toy_images(train=100, val=0, test=0, size=16)
    expected = Live(Pixels(net, toys), 5)(all_rows(toys))
    call, taken = Live.__call__, []

    def small_device(live: Live, rows: torch.Tensor) -> torch.Tensor:
        if len(rows) > 20:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        taken.append(len(rows))
        return call(live, rows)

    monkeypatch.setattr(Live, "__call__", small_device)
    with pytest.warns(UserWarning, match="ran out of memory") as told:
        found = remember(Pixels(net, toys), 5)(all_rows(toys))
    assert torch.equal(found, expected) and taken == [16] * 6 + [4]
    assert ["with 32." in str(each.message) for each in told] == [True, False]
