"""Image sets in files: what was written comes back, only what is looked at is read, and damage is told.

pytest tests/test_image_files.py
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toys import make, run, toy_images, weights

from course_lib.errors import CourseError
from course_lib.evaluation import evaluate
from course_lib.image_files import open_images, save_images, write_images
from course_lib.images import ImageSet, checksum
from course_lib.pictures.found import Problem
from course_lib.training.train import Stage

LEFT_OUT = (Problem("f.txt", "no image", "remove it"), Problem("12 more", "no image", "remove it", 12))
FACTORS = {
    "coat": np.array(["red", "a long word", "x", "red", "ä"]),
    "length": np.arange(5) / 3,
    "number": np.arange(5, dtype=np.int32),
    "happy": np.array([True, False, True, False, True]),
    "said": np.array(["yes", None, 3, "yes", 1.5], dtype=object),
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def toys() -> ImageSet:
    toys = toy_images(train=3, val=1, test=1, size=8)
    return replace(toys, factors=FACTORS, files=("a.jpg", "b.jpg", "c", "d", "é"), left_out=LEFT_OUT, notes=("few",))


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "toys.safetensors"


def assert_same(found: ImageSet, toys: ImageSet) -> None:
    assert torch.equal(found.images, toys.images) and torch.equal(found.labels, toys.labels)
    for name in ("name", "classes", "files", "left_out", "notes", "checksum"):
        assert getattr(found, name) == getattr(toys, name)
    assert {name: rows.tolist() for name, rows in found.splits.items()} == {
        name: rows.tolist() for name, rows in toys.splits.items()
    }
    for name, values in toys.factors.items():
        assert found.factors[name].tolist() == (values.astype(str) if values.dtype == object else values).tolist()


def test_a_set_comes_back_with_all_that_is_known_of_it(toys, path):
    assert_same(toys.save(path), toys)
    assert_same(ImageSet.open(path), toys)
    assert_same(ImageSet.open(str(path), check=True), toys)


def test_opening_reads_no_image(toys, path, monkeypatch):
    toys.save(path)
    monkeypatch.setattr("course_lib.images.checksum", lambda images: pytest.fail("read"))
    found = ImageSet.open(path)
    small = found.subset(1)
    assert small.images is found.images and small.checksum == found.checksum == toys.checksum
    assert small.stores is found.stores


def test_parts_may_come_from_anywhere_one_at_a_time(path):
    given = []

    def parts() -> Iterator[torch.Tensor]:
        for count in (3, 1, 0, 2):
            given.append(torch.randint(0, 256, (count, 3, 4, 6), dtype=torch.uint8))
            yield given[-1]

    found = write_images(
        path, parts(), torch.tensor([0, 1, 0, 1, 0, 1]), ("a", "b"), {"test": torch.arange(6)}, name="x"
    )
    assert torch.equal(found.images, torch.cat(given)) and found.checksum == checksum(torch.cat(given))


def test_a_file_trains_and_evaluates_to_the_same_bits_as_memory(path):
    toys = toy_images(size=32)
    nets, ends = [make("pawnet"), make("pawnet")], []
    for net, images in zip(nets, (toys, toys.save(path)), strict=True):
        run(net, images, [Stage(frozen=-1, epochs=1), Stage(frozen=3, epochs=1, batch=6), Stage(epochs=1)])
        ends.append((weights(net), evaluate(net, images).scores))
    assert all(torch.equal(a, b) for a, b in zip(ends[0][0].values(), ends[1][0].values(), strict=True))
    assert torch.equal(ends[0][1], ends[1][1])


def test_a_file_that_is_replaced_stays_as_it_was_for_those_who_have_it_open(toys, path):
    found = toys.save(path)
    toy_images(size=16).save(path)
    assert torch.equal(found.images, toys.images) and ImageSet.open(path).size == 16


GOOD = {"labels": torch.tensor([0, 1]), "classes": ("a", "b"), "splits": {"test": torch.arange(2)}, "name": "x"}
BLANK = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
BAD = {
    "no image": ({"parts": []}, "No images were given"),
    "float images": ({"parts": [BLANK.float(), BLANK.float()]}, "uint8 images"),
    "a later float": ({"parts": [BLANK, BLANK.float()]}, r"Images 1 to 1 came as torch\.float32"),
    "another size": ({"parts": [BLANK, BLANK[..., 1:]]}, r"\(1, 3, 4, 3\); all are uint8 of shape \(3, 4, 4\)"),
    "too few": ({"parts": [BLANK]}, "1 images came for 2 labels"),
    "too many": ({"parts": [BLANK] * 3}, "there are 2 labels"),
    "a label without a class": ({"labels": torch.tensor([0, 2])}, "between 0 and 1"),
    "a row that is not there": ({"splits": {"test": torch.tensor([2])}}, "rows 0 to 1"),
    "another kind of file": ({"path": "x.npz"}, r"received x\.npz. Name it x\.safetensors"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_does_not_fit_is_refused_and_an_older_file_stays(case, toys, path):
    changed, words = BAD[case]
    toys.save(path)
    with pytest.raises(CourseError, match=words):
        write_images(**{"path": path, "parts": [BLANK, BLANK], **GOOD, **changed})
    assert_same(ImageSet.open(path), toys)
    assert [p.name for p in path.parent.iterdir() if p.name != "cache"] == [path.name]


def test_a_missing_a_damaged_and_another_file_are_told(toys, path, tmp_path):
    with pytest.raises(CourseError, match="There is no file"):
        open_images(path)
    save_images(toys, path)
    data = bytearray(path.read_bytes())
    data[-300] ^= 1  # a pixel
    path.write_bytes(data)
    assert not torch.equal(open_images(path).images, toys.images), "not looked at"
    with pytest.raises(CourseError, match="another checksum"):
        open_images(path, check=True)
    os.truncate(path, len(data) - 1)
    with pytest.raises(CourseError, match="damaged"):
        open_images(path)
    net = make("pawnet").save(tmp_path / "net.safetensors")
    with pytest.raises(CourseError, match="no file of images"):
        open_images(net)
