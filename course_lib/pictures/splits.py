"""Splits of a reader's pictures: by class, by seed, and never with copies of one picture on two sides.

    cut = split_pictures(labels, groups, places, seed=0, classes=("bees", "ants"))
    cut.splits, cut.dropped, cut.notes

Where no folder says what belongs where, each class gives 60 % of its pictures to train and 20 % each to val and test. Copies of
one picture (duplicates.py) stay together. Where the reader's own train, val and test folders share copies, test stays whole
and the copies in val and train go: what was tested on must not have been learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..images import stratified_splits

SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}
INNER = {"train": 0.8, "val": 0.2}  # of a train folder without a val folder beside it
FEW = 3  # pictures of their own that a class needs to be in all three splits


@dataclass(frozen=True)
class Cut:
    """How the pictures were shared out.

    Attributes:
        splits: `train`, `val`, `test` -> int64 rows, rising.
        dropped: row of a picture that is in no split -> row of the picture that it is a copy of.
        notes: what cannot be done with classes of so few pictures, one sentence each.
    """

    splits: dict[str, torch.Tensor]
    dropped: dict[int, int]
    notes: tuple[str, ...]


def split_pictures(
    labels: torch.Tensor, groups: np.ndarray, places: Sequence[str | None], seed: int, classes: Sequence[str]
) -> Cut:
    """Share rows out.

    Arguments:
        labels: int64 N.
        groups: int64 N, the number of the group of copies, -1 for a picture that is alone.
        places: for each row the split that the reader put it in, or None; all of them or none.
        seed: of the shuffle.
        classes: their names, for the notes.
    """
    given = {place: [i for i, p in enumerate(places) if p == place] for place in ("test", "val", "train")}
    if not any(given.values()):
        splits, dropped = _shared_out(labels, groups, list(range(len(labels))), SHARES, seed), {}
    else:
        kept, dropped = _without_copies(given, groups)
        if (
            not kept["val"] or not kept["test"]
        ):  # two folders: the second one is reported on, choices are made on a part of train
            test = kept["test"] or kept["val"]
            splits = _shared_out(labels, groups, kept["train"], INNER, seed) | {"test": _rows(test)}
        else:
            splits = {place: _rows(kept[place]) for place in SHARES}
    return Cut(splits, dropped, _notes(labels, groups, splits, classes))


def _rows(rows: Sequence[int]) -> torch.Tensor:
    return torch.tensor(sorted(rows), dtype=torch.int64)


def _without_copies(given: dict[str, list[int]], groups: np.ndarray) -> tuple[dict[str, list[int]], dict[int, int]]:
    """Rows of test, of val without what is in test, of train without what is in either; and what was left out for what."""
    seen: dict[int, int] = {}
    kept: dict[str, list[int]] = {}
    dropped: dict[int, int] = {}
    for place, rows in given.items():
        dropped |= {row: seen[groups[row]] for row in rows if groups[row] in seen}
        kept[place] = [row for row in rows if row not in dropped]
        seen |= {int(groups[row]): row for row in reversed(kept[place]) if groups[row] >= 0}
    return kept, dropped


def _shared_out(
    labels: torch.Tensor, groups: np.ndarray, rows: list[int], shares: dict[str, float], seed: int
) -> dict[str, torch.Tensor]:
    """Cut rows by class, each group of copies whole; classes with too few go to train first, then to the last split."""
    inside = _rows(rows)
    enough = torch.bincount(labels[inside]).tolist() if rows else []
    if rows and (groups[rows] < 0).all() and all(count >= len(shares) for count in enough if count):
        return {name: inside[part] for name, part in stratified_splits(labels[inside], shares, seed).items()}
    generator = torch.Generator().manual_seed(seed)
    parts: dict[str, list[int]] = {name: [] for name in shares}
    bundles = _bundles(labels, groups, inside.tolist())
    for label in sorted(bundles):
        mine = bundles[label]
        mine = [mine[i] for i in torch.randperm(len(mine), generator=generator).tolist()]
        for name, found in _fill(sorted(mine, key=len, reverse=True), shares).items():
            parts[name] += found
    return {name: _rows(found) for name, found in parts.items()}


def _bundles(labels: torch.Tensor, groups: np.ndarray, rows: list[int]) -> dict[int, list[list[int]]]:
    """Of each class the rows that stay together. Copies with two labels go with the class of the first."""
    by_group: dict[int, list[int]] = {}
    for row in rows:
        by_group.setdefault(int(groups[row]) if groups[row] >= 0 else -1 - row, []).append(row)
    found: dict[int, list[list[int]]] = {}
    for bundle in by_group.values():
        found.setdefault(int(labels[bundle[0]]), []).append(bundle)
    return found


def _fill(bundles: list[list[int]], shares: dict[str, float]) -> dict[str, list[int]]:
    """Bundles of one class, the largest first, each to the split that lacks most; no split is left empty if there are enough."""
    total = sum(map(len, bundles))
    # One bundle is for training; of two, the second is to test on: a number nobody tested is worth less than a choice.
    order = list(shares)[:1] + list(shares)[:0:-1] if len(shares) > 2 else list(shares)
    open_to = order[: len(bundles)]
    found: dict[str, list[int]] = {name: [] for name in shares}
    for i, bundle in enumerate(bundles):
        empty = [name for name in open_to if not found[name]]
        choice = empty if empty and len(bundles) - i <= len(empty) else open_to
        name = max(choice, key=lambda name: shares[name] * total - len(found[name]))
        found[name] += bundle
    return found


def _notes(
    labels: torch.Tensor, groups: np.ndarray, splits: dict[str, torch.Tensor], classes: Sequence[str]
) -> tuple[str, ...]:
    """A sentence for each class that is missing in a split, and one about choices where val is empty."""
    counts = {name: torch.bincount(labels[rows], minlength=len(classes)).tolist() for name, rows in splits.items()}
    every = torch.bincount(labels, minlength=len(classes)).tolist()
    bundles = np.where(groups >= 0, groups, -1 - np.arange(len(groups)))
    notes = []
    for label, name in enumerate(classes):
        has = f"Class {name} has {every[label]} picture{'' if every[label] == 1 else 's'}"
        own = len(np.unique(bundles[labels.numpy() == label]))
        has += f", {own} without copies" if own < every[label] else ""
        if not counts["train"][label]:
            notes.append(f"{has}: it is tested on and never trained on. Add pictures to train.")
        elif not counts["test"][label]:
            notes.append(
                f"{has}: it is trained on and never tested, so no result speaks of it. Add pictures, {FEW} or more in all."
            )
        elif not counts["val"][label] and len(splits["val"]):
            notes.append(f"{has}: none is in val, so choices are made without it. Add pictures, {FEW} or more in all.")
    if not len(splits["val"]):
        notes.append(
            "The val split is empty: there is nothing to choose by, so train for a fixed number of epochs, without patience and keep_best."
        )
    return tuple(notes)
