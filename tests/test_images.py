"""ImageSet: what does not fit together is refused; subsets are nested; splits share out every class."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from toys import toy_images

from course_lib.errors import CourseError
from course_lib.images import ImageSet, checksum, stratified_splits

GOOD = {
    "name": "good",
    "images": torch.zeros(4, 3, 8, 8, dtype=torch.uint8),
    "labels": torch.tensor([0, 1, 0, 1]),
    "classes": ("a", "b"),
    "splits": {"train": torch.tensor([0, 1]), "test": torch.tensor([2, 3])},
}
BAD = {
    "float images": ({"images": torch.zeros(4, 3, 8, 8)}, "uint8"),
    "one channel": ({"images": torch.zeros(4, 1, 8, 8, dtype=torch.uint8)}, "N,3,H,W"),
    "no batch": ({"images": torch.zeros(3, 8, 8, dtype=torch.uint8)}, "N,3,H,W"),
    "too few labels": ({"labels": torch.tensor([0, 1, 0])}, "4 int64 labels"),
    "labels of another type": ({"labels": torch.tensor([0.0, 1.0, 0.0, 1.0])}, "int64"),
    "a label without a class": ({"labels": torch.tensor([0, 1, 2, 1])}, "between 0 and 1"),
    "a negative label": ({"labels": torch.tensor([0, 1, -1, 1])}, "between 0 and 1"),
    "an unknown split": ({"splits": {"training": torch.tensor([0])}}, "training"),
    "a row in two splits": ({"splits": {"train": torch.tensor([0, 1]), "test": torch.tensor([1])}}, "two splits"),
    "a row twice in a split": ({"splits": {"train": torch.tensor([0, 0])}}, "twice"),
    "a row that is not there": ({"splits": {"train": torch.tensor([0, 4])}}, "rows 0 to 3"),
    "a row by its negative": ({"splits": {"train": torch.tensor([3]), "test": torch.tensor([-1])}}, "rows 0 to 3"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_does_not_fit_together_is_refused(case):
    changed, words = BAD[case]
    ImageSet(**GOOD)
    with pytest.raises(CourseError, match=words):
        ImageSet(**{**GOOD, **changed})


def test_batch_rows_counts_and_text():
    toys = toy_images(train=12, val=5, test=6)
    images, labels = toys.batch("val")
    assert images.shape == (5, 3, 64, 64) and torch.equal(images, toys.images[12:17])
    assert torch.equal(labels, toys.labels[12:17])
    assert toys.counts("test") == {"red": 2, "green": 2, "blue": 2}
    assert len(toys) == 23 and toys.size == 64
    assert "12 train, 5 val, 6 test" in repr(toys)


def test_a_split_that_is_not_there_is_refused():
    with pytest.raises(CourseError, match=r"no split named 'val'.*train, test"):
        ImageSet(**GOOD).rows("val")


@pytest.mark.parametrize("seed", [0, 7])
def test_subsets_are_nested_balanced_and_seeded(seed):
    toys = toy_images(train=60, val=9, test=9, size=8)
    small, large = toys.subset(3, seed), toys.subset(10, seed)
    assert set(small.rows("train").tolist()) < set(large.rows("train").tolist()) < set(toys.rows("train").tolist())
    assert set(small.counts("train").values()) == {3}
    assert torch.equal(small.rows("train"), toys.subset(3, seed).rows("train"))
    assert not torch.equal(small.rows("train"), toys.subset(3, seed + 1).rows("train"))


def test_a_subset_leaves_val_test_and_pixels_alone():
    toys = toy_images(train=30, size=8)
    small = toys.subset(2)
    assert torch.equal(small.rows("val"), toys.rows("val")) and torch.equal(small.rows("test"), toys.rows("test"))
    assert small.images is toys.images and small.checksum == toys.checksum
    assert small.stores is toys.stores, "features of the large set serve the small one"
    assert len(toys.rows("train")) == 30


@pytest.mark.parametrize("per_class", [0, -1, 5])
def test_a_subset_of_more_than_there_is_is_refused(per_class):
    with pytest.raises(CourseError, match=rf"per_class={per_class}.*1 to 4"):
        toy_images(train=12, size=8).subset(per_class)


def test_checksum_follows_every_pixel_and_the_shape():
    images = toy_images(size=8).images
    changed = images.clone()
    changed[-1, 2, 7, 7] += 1
    assert checksum(images) == checksum(images.clone()) and len(checksum(images)) == 64
    assert checksum(changed) != checksum(images)
    assert checksum(images.view(-1, 3, 4, 16)) != checksum(images)
    assert replace(toy_images(size=8), images=changed, checksum="").checksum == checksum(changed)


@pytest.mark.parametrize("counts", [(10, 10), (3, 50, 7), (100, 33)])
def test_stratified_splits_give_each_class_its_share_and_at_least_one(counts):
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    shares = {"train": 0.6, "val": 0.2, "test": 0.2}
    splits = stratified_splits(labels, shares)
    assert sorted(torch.cat(list(splits.values())).tolist()) == list(range(len(labels)))
    for label, count in enumerate(counts):
        found = {name: sum(labels[row] == label for row in rows.tolist()) for name, rows in splits.items()}
        assert all(found.values()), "each split has each class"
        assert abs(found["val"] - 0.2 * count) <= 1 and abs(found["test"] - 0.2 * count) <= 1


def test_stratified_splits_follow_the_seed():
    labels = [0, 1] * 20
    first, again, other = (stratified_splits(labels, {"train": 0.5, "val": 0.5}, seed)["val"] for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_a_class_smaller_than_the_number_of_splits_is_refused():
    with pytest.raises(CourseError, match="Class 1 has 2 images"):
        stratified_splits([0, 0, 0, 1, 1], {"train": 0.6, "val": 0.2, "test": 0.2})


def test_a_copy_with_other_pixels_has_a_checksum_and_features_of_its_own():
    toys = toy_images(size=8)
    toys.stores["key"] = "features"
    changed = toys.images.clone()
    changed[0] += 1
    for options in ({}, {"stores": {}}, {"stores": toys.stores}, {"name": "other"}):
        other = replace(toys, images=changed, **options)
        assert other.checksum == checksum(changed) and other.stores == {}
        assert replace(other, images=toys.images).checksum == toys.checksum, "and back again"
    assert toys.stores == {"key": "features"}


def test_a_copy_with_other_labels_shares_the_features_of_its_pixels():
    toys = toy_images(size=8)
    other = replace(toys, labels=toys.labels.flip(0), classes=("a", "b", "c"), splits={"train": torch.arange(3)})
    assert other.stores is toys.stores and other.checksum is toys.checksum
    assert replace(toys, stores={}).stores is not toys.stores
    assert copy.deepcopy(other).checksum == toys.checksum
