"""ImageSet: images, labels and splits, the one thing that every source makes and every experiment takes.

    dogs = load_images("dogworld").subset(per_class=20, seed=3)
    x, y = dogs.batch("train")          # uint8 N,3,H,W and int64 N
    dogs = dogs.save("dogs.safetensors")    # from here on in a file: what is looked at is read

Choices are made on `val`; the number that is reported comes from `test`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .errors import CourseError
from .pictures.found import Problem

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images of one size with labels, class names and named splits.

    Arguments:
        name: what a reader calls it, for example `dogworld` or a folder's name.
        images: uint8 tensor N,3,H,W with values 0 to 255, RGB.
        labels: int64 tensor N with values 0 to len(classes) - 1.
        classes: class names in the order of the labels.
        splits: `train`, `val` and `test`, each an int64 tensor of row numbers; no row is in two splits.
        factors: what is known of every image (column name -> N values), for drawn images; empty for photos.
        files: one path for each image, for photos; empty for drawn images.
        left_out: `Problem` (file, reason, remedy, count) for each file that gave no image (see pictures/found.py).
        notes: what a reader must know of the set, one sentence each: classes with too few images to be tested, and so on.
        checksum: SHA-256 of the pixels; computed when not given.
        stores: features that frozen blocks gave for these images (see remember.py); subsets share them.
        of: the pixels that checksum and stores belong to; a copy of the set with other pixels gets its own.

    Raises `CourseError` where these do not fit together.
    """

    name: str
    images: torch.Tensor
    labels: torch.Tensor
    classes: tuple[str, ...]
    splits: Mapping[str, torch.Tensor]
    factors: Mapping[str, np.ndarray] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    left_out: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    checksum: str = ""
    stores: dict[str, Any] = field(default_factory=dict, repr=False)
    of: torch.Tensor | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        count = len(self.images)
        if self.images.dtype != torch.uint8 or self.images.ndim != 4 or self.images.shape[1] != 3:
            raise CourseError(
                f"An ImageSet takes uint8 images of shape N,3,H,W; received {self.images.dtype} of shape "
                f"{tuple(self.images.shape)}. Convert them with (x * 255).to(torch.uint8)."
            )
        if self.labels.shape != (count,) or self.labels.dtype != torch.int64:
            raise CourseError(
                f"An ImageSet of {count} images takes {count} int64 labels; received {tuple(self.labels.shape)}."
            )
        if count and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < len(self.classes):
            raise CourseError(
                f"Labels must lie between 0 and {len(self.classes) - 1} (there are {len(self.classes)} classes)."
            )
        unknown = set(self.splits) - set(SPLITS)
        if unknown:
            raise CourseError(f"Splits are named {', '.join(SPLITS)}; received {', '.join(sorted(unknown))}.")
        rows = torch.cat([torch.zeros(0, dtype=torch.int64), *map(torch.as_tensor, self.splits.values())])
        if len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < count:
            raise CourseError(
                f"Splits name rows {int(rows.min())} to {int(rows.max())}; there are {count} images, rows 0 to {count - 1}."
            )
        if len(rows.unique()) != len(rows):
            raise CourseError(
                "A row stands in two splits, or twice in one: a test on images that were trained on says nothing."
            )
        # `dataclasses.replace` hands on what was true of the pixels before.
        if self.of is not None and self.of is not self.images:
            object.__setattr__(self, "checksum", "")
            object.__setattr__(self, "stores", {})
        object.__setattr__(self, "of", self.images)
        if not self.checksum:
            object.__setattr__(self, "checksum", checksum(self.images))

    @property
    def size(self) -> int:
        """Height and width of the images, in pixels."""
        return self.images.shape[-1]

    def __len__(self) -> int:
        return sum(len(rows) for rows in self.splits.values())

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(rows)} {split}" for split, rows in self.splits.items())
        said = f"ImageSet {self.name}: {counts} images of {self.size} px in {len(self.classes)} classes"
        return "\n".join([said, *self.notes])

    def rows(self, split: str) -> torch.Tensor:
        """Row numbers of a split, int64."""
        if split not in self.splits:
            raise CourseError(f"{self.name} has no split named {split!r}; it has {', '.join(self.splits)}.")
        return self.splits[split]

    def batch(self, split: str) -> tuple[torch.Tensor, torch.Tensor]:
        """All images (uint8 N,3,H,W) and labels (int64 N) of a split."""
        rows = self.rows(split)
        return self.images[rows], self.labels[rows]

    def counts(self, split: str) -> dict[str, int]:
        """Images of each class in a split."""
        found = torch.bincount(self.labels[self.rows(split)], minlength=len(self.classes))
        return dict(zip(self.classes, found.tolist(), strict=True))

    def subset(self, per_class: int, seed: int = 0) -> ImageSet:
        """The same set with `per_class` training images a class, drawn by `seed`; val and test stay whole.

        For one seed the draws are nested: the 10 images of `per_class=10` are among the 50 of `per_class=50`.
        """
        fewest = min(self.counts("train").items(), key=lambda item: item[1])
        if not 1 <= per_class <= fewest[1]:
            raise CourseError(
                f"per_class={per_class} was asked of {self.name}; class {fewest[0]} has {fewest[1]} training images, "
                f"so 1 to {fewest[1]} are allowed."
            )
        train = self.rows("train")
        order = train[torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))]
        labels = self.labels[order]
        kept = torch.cat([order[labels == label][:per_class] for label in range(len(self.classes))])
        return replace(self, splits={**self.splits, "train": kept.sort().values})

    def save(self, path: str | Path) -> ImageSet:
        """Write the set to a .safetensors file; the set that looks its images up there comes back (see image_files.py)."""
        from .image_files import save_images

        return save_images(self, path)

    @staticmethod
    def open(path: str | Path, check: bool = False) -> ImageSet:
        """The set in a file, without reading its images, so that it may be larger than the memory (see image_files.py).

        Arguments:
            check: read all of it, and compare with its checksum.
        """
        from .image_files import open_images

        return open_images(path, check)


def begin_checksum(shape: Sequence[int]) -> Any:
    """The digest of a set of images of this shape, to be updated with the pixels."""
    return hashlib.sha256(str(tuple(shape)).encode())


def checksum(images: torch.Tensor) -> str:
    """SHA-256 of the pixels (uint8) and their shape, as 64 hex digits."""
    digest = begin_checksum(images.shape)
    for part in images.split(256):
        digest.update(part.contiguous().numpy().data)
    return digest.hexdigest()


def stratified_splits(labels: Sequence[int], shares: Mapping[str, float], seed: int = 0) -> dict[str, torch.Tensor]:
    """Cut rows into splits by class: each class gives each split its share (rounded, at least one image).

    Arguments:
        labels: one class number for each row.
        shares: split name -> share; they sum to 1. The first split takes what rounding leaves.
        seed: of the shuffle.

    Raises `CourseError` when a class has fewer images than there are splits.
    """
    labels_t = torch.as_tensor(labels)
    generator = torch.Generator().manual_seed(seed)
    parts: dict[str, list[torch.Tensor]] = {name: [] for name in shares}
    first, *others = shares
    for label in labels_t.unique().tolist():
        rows = (labels_t == label).nonzero().flatten()
        if len(rows) < len(shares):
            raise CourseError(
                f"Class {label} has {len(rows)} images; {len(shares)} splits need at least {len(shares)}."
            )
        rows = rows[torch.randperm(len(rows), generator=generator)]
        spare = len(rows) - len(shares)
        start = 0
        for name in others:
            stop = start + 1 + min(spare, max(0, round(shares[name] * len(rows)) - 1))
            spare -= stop - start - 1
            parts[name].append(rows[start:stop])
            start = stop
        parts[first].append(rows[start:])
    return {name: torch.cat(found).sort().values for name, found in parts.items()}
