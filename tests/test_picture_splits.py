"""Splits of a reader's pictures: by class, by seed, copies together, and honest where there are few.

pytest tests/test_picture_splits.py
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from course_lib.images import stratified_splits
from course_lib.pictures.splits import SHARES, Cut, split_pictures

NAMES = ("ants", "bees", "cats")


def cut(labels: list[int], groups: list[int] | None = None, places: list[str] | None = None, seed: int = 0) -> Cut:
    alone = [-1] * len(labels) if groups is None else groups
    found = split_pictures(torch.tensor(labels), np.array(alone), places or [None] * len(labels), seed, NAMES)
    rows = torch.cat([*found.splits.values(), torch.tensor(list(found.dropped), dtype=torch.int64)])
    assert rows.sort().values.tolist() == list(range(len(labels))), "each row once, in a split or dropped"
    assert list(found.splits) == ["train", "val", "test"]
    place = {row: split for split, its_rows in found.splits.items() for row in its_rows.tolist()}
    for group in set(alone) - {-1}:
        assert len({place[row] for row, g in enumerate(alone) if g == group and row in place}) <= 1, (
            "copies on two sides"
        )
    return found


def counts(found: Cut, labels: list[int]) -> list[list[int]]:
    """Pictures of each class in train, val, test."""
    return [torch.bincount(torch.tensor(labels)[found.splits[split]], minlength=3).tolist() for split in SHARES]


def test_without_copies_the_splits_are_those_that_the_course_always_made():
    labels = [0] * 10 + [1] * 7 + [2] * 3
    for seed in range(3):
        found, before = cut(labels, seed=seed), stratified_splits(labels, SHARES, seed)
        assert all(torch.equal(found.splits[split], before[split]) for split in SHARES) and not found.notes


@pytest.mark.parametrize("seed", range(20))
def test_shares_are_kept_with_copies_of_all_kinds(seed):
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 3, 120).tolist()
    groups = [int(g) if g < 25 else -1 for g in draw.integers(0, 60, 120)]  # also across classes
    found = cut(labels, groups, seed=seed)
    for label, line in enumerate(zip(*counts(found, labels), strict=True)):
        total = labels.count(label)
        assert sum(line) == total and min(line) >= 1
        assert abs(line[0] - 0.6 * total) <= 0.2 * total
    again, other = cut(labels, groups, seed=seed), cut(labels, groups, seed=seed + 100)
    assert all(torch.equal(found.splits[split], again.splits[split]) for split in SHARES)
    assert any(not torch.equal(found.splits[split], other.splits[split]) for split in SHARES)


def test_a_class_that_is_mostly_one_picture_still_reaches_all_splits():
    found = cut([0] * 50 + [1] * 5, [0] * 48 + [-1] * 7)
    assert counts(found, [0] * 50 + [1] * 5) == [[48, 3, 0], [1, 1, 0], [1, 1, 0]]


@pytest.mark.parametrize(
    ("labels", "groups", "expected", "words"),
    [
        ([0, 0, 1], None, [[1, 1, 0], [0, 0, 0], [1, 0, 0]], ["bees has 1 picture: it is trained on and never", "val split is empty"]),
        ([0, 0, 1, 1], None, [[1, 1, 0], [0, 0, 0], [1, 1, 0]], ["The val split is empty"]),
        ([0, 0, 1, 1, 1], None, [[1, 1, 0], [0, 1, 0], [1, 1, 0]], ["ants has 2 pictures: none is in val"]),
        ([0, 0, 0, 1, 1, 1], [5, 5, -1, -1, -1, -1], [[2, 1, 0], [0, 1, 0], [1, 1, 0]], ["ants has 3 pictures, 2 without copies"]),
        ([0, 1], None, [[1, 1, 0], [0, 0, 0], [0, 0, 0]], ["ants has 1", "bees has 1", "val split"]),
    ],
)  # fmt: skip
def test_few_pictures_train_first_then_test_then_val_and_a_note_says_so(labels, groups, expected, words):
    found = split_pictures(
        torch.tensor(labels), np.array(groups or [-1] * len(labels)), [None] * len(labels), 0, NAMES[:2]
    )
    assert counts(found, labels) == expected
    assert len(found.notes) == len(words) and all(word in note for word, note in zip(words, found.notes, strict=True))


def test_of_the_reader_s_own_three_folders_test_stays_whole():
    places = ["train"] * 4 + ["val"] * 3 + ["test"] * 3
    groups = [0, 1, 2, -1, 0, 1, 1, 0, 0, -1]  # group 2 has lost its partner elsewhere
    found = cut([0, 1] * 5, groups, places)
    assert {split: rows.tolist() for split, rows in found.splits.items()} == {
        "train": [2, 3],
        "val": [5, 6],
        "test": [7, 8, 9],
    }
    assert found.dropped == {0: 7, 1: 5, 4: 7}


@pytest.mark.parametrize("second", ["test", "val"])
def test_of_two_folders_the_second_is_tested_on_and_val_comes_from_train(second):
    labels = [0, 1] * 10 + [0, 1] * 3
    places = ["train"] * 20 + [second] * 6
    groups = [7, -1, 3, -1, 3] + [-1] * 15 + [7] + [-1] * 5
    found = cut(labels, groups, places)
    assert found.splits["test"].tolist() == list(range(20, 26)) and found.dropped == {0: 20}
    assert counts(found, labels)[:2] == [[7, 8, 0], [2, 2, 0]]
    plain = cut(labels, None, places)
    before = stratified_splits(labels[:20], {"train": 0.8, "val": 0.2}, 0)
    assert all(torch.equal(plain.splits[split], before[split]) for split in before)
