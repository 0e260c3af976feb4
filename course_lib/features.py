"""FeatureSet: vectors, labels and splits; what is left of images once a frozen network has looked at them.

    features = extract(net, dogs, cuts=(3, -1))                 # float32 N,D, worked out once, remembered
    features = features.with_columns(*one_hot(dogs.factors["coat"], "coat"))
    head = dense(features, hidden=(64,))
    for record in fit(head, features, from_scratch(epochs=20)): ...

Replacing the input by features is `extract` alone; adding facts of another kind to them is `with_columns`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from .cache.remember import Pixels, remember
from .errors import CourseError
from .images import ImageSet, checksum
from .network import Network, class_names
from .surgery.heads import head_layers
from .surgery.joining import Pool, join_blocks, take_cuts
from .surgery.own_block import own_blocks
from .surgery.splice import examples, run_exactly
from .vectors import VectorNetwork, check_inputs


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """Vectors with labels, class names and named splits; `fit` and `evaluate` take it where they take images.

    Arguments:
        name: what a reader calls it.
        vectors: float32 N,D, finite in all rows that a split names.
        labels, classes, splits, factors, files: as in an ImageSet, row by row.
        parts: where the D numbers come from, in order: (name, how many).
        checksum: SHA-256 of the vectors; computed when not given.
        stores: what frozen blocks of a network over vectors gave (see remember.py); subsets share them.
        of: the vectors that checksum and stores belong to; a copy of the set with other vectors gets its own.

    Raises `CourseError` where these do not fit together.
    """

    name: str
    vectors: torch.Tensor
    labels: torch.Tensor
    classes: tuple[str, ...]
    splits: Mapping[str, torch.Tensor]
    parts: tuple[tuple[str, int], ...] = ()
    factors: Mapping[str, np.ndarray] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    checksum: str = ""
    stores: dict[str, Any] = field(default_factory=dict, repr=False)
    of: torch.Tensor | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or self.vectors.dtype != torch.float32 or not self.vectors.shape[1]:
            raise CourseError(
                f"A FeatureSet takes float32 vectors of shape N,D; received {self.vectors.dtype} of shape "
                f"{tuple(self.vectors.shape)}. Convert them with x.flatten(1).float()."
            )
        blank = torch.zeros(len(self.vectors), 3, 1, 1, dtype=torch.uint8)
        # Labels and splits follow the rules of an ImageSet.
        ImageSet(self.name, blank, self.labels, self.classes, self.splits, checksum="none")
        if not self.parts:
            object.__setattr__(self, "parts", (("given", self.width),))
        if sum(count for _, count in self.parts) != self.width:
            raise CourseError(f"The parts {self.parts} do not add up to the {self.width} numbers of a vector.")
        for split, rows in self.splits.items():
            bad = rows[~self.vectors[rows].isfinite().all(1)]
            if len(bad):
                raise CourseError(
                    f"Row {int(bad[0])} of {self.name} ({split}) holds a number that is missing or infinite, and so do {len(bad) - 1} "
                    "others of this split. Leave these rows out of the splits, or put a number in."
                )
        if self.of is not None and self.of is not self.vectors:
            object.__setattr__(self, "checksum", "")
            object.__setattr__(self, "stores", {})
        object.__setattr__(self, "of", self.vectors)
        if not self.checksum:
            object.__setattr__(self, "checksum", checksum(self.vectors))

    rows, batch, counts, subset, __len__ = (
        ImageSet.rows, ImageSet.batch, ImageSet.counts, ImageSet.subset, ImageSet.__len__,
    )  # fmt: skip

    @property
    def images(self) -> torch.Tensor:
        """The vectors, under the name by which training asks for its inputs."""
        return self.vectors

    @property
    def width(self) -> int:
        """Numbers in a vector."""
        return self.vectors.shape[1]

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(rows)} {split}" for split, rows in self.splits.items())
        parts = ", ".join(f"{name} {count}" for name, count in self.parts)
        return (
            f"FeatureSet {self.name}: {counts} vectors of {self.width} numbers ({parts}) in {len(self.classes)} classes"
        )

    def standardised(self) -> FeatureSet:
        """The same set with each number standardised: mean 0 and deviation 1 on the train split; constant ones become 0 there.

        For vectors whose numbers are of different sizes, such as given measurements or an early block alone.
        """
        train = self.vectors[self.rows("train")]
        if not len(train):
            raise CourseError(f"{self.name} has no training rows, so there is nothing to standardise by.")
        deviation = train.std(0, correction=0)
        size = torch.where(deviation > 1e-6 * train.abs().amax(0), deviation, 1.0)
        return replace(self, vectors=(self.vectors - train.mean(0)) / size)

    def with_columns(self, columns: torch.Tensor | np.ndarray, names: str | Sequence[str]) -> FeatureSet:
        """The same set with given columns beside its numbers, each standardised: mean 0 and deviation 1 on the train split.

        Arguments:
            columns: N,k numbers, or N for one column; a row for each row of the set, in the same order.
            names: one for each column.

        Raises `CourseError` for another number of rows or names, for a missing or infinite value in a row of a split, and
        for a column that is the same in all training rows.
        """
        titles = (names,) if isinstance(names, str) else tuple(map(str, names))
        try:
            given = torch.as_tensor(columns).double()
        except (TypeError, ValueError, RuntimeError) as error:
            raise CourseError(
                f"Columns are numbers; received {np.asarray(columns).dtype} ({error}). Turn names of kinds into numbers with one_hot."
            ) from error
        given = given[:, None] if given.ndim == 1 else given
        if tuple(given.shape) != (len(self.vectors), len(titles)) or not titles:
            raise CourseError(
                f"Columns of shape {tuple(given.shape)} and {len(titles)} names were given to {len(self.vectors)} vectors; allowed are "
                f"{len(self.vectors)} rows and one name for each column."
            )
        taken = {name for name, _ in self.parts}
        if len(set(titles)) < len(titles) or taken & set(titles):
            raise CourseError(f"Columns {', '.join(titles)} and parts {', '.join(taken)} need different names.")
        for split, rows in self.splits.items():
            row, column = next(iter((~given[rows].isfinite()).nonzero().tolist()), (None, None))
            if row is not None:
                raise CourseError(
                    f"Column {titles[column]} is missing or infinite in row {int(rows[row])} ({split}). Put a number in, and add a "
                    "column that says where it was missing; or leave the row out of the splits."
                )
        train = given[self.rows("train")]
        deviation = train.std(0, correction=0)
        constant = [title for title, d in zip(titles, deviation.tolist(), strict=True) if d <= 1e-12]
        if constant or not len(train):
            raise CourseError(
                f"{', '.join(constant or titles)} is the same in all {len(train)} training rows of {self.name}, so nothing can be "
                "learned from it, and on other rows its size would be arbitrary. Leave it out."
            )
        standard = ((given - train.mean(0)) / deviation).float()
        parts = (*self.parts, *((title, 1) for title in titles))
        return replace(self, vectors=torch.cat([self.vectors, standard], 1), parts=parts)


def extract(
    net: Network, images: ImageSet | FeatureSet, cuts: int | Sequence[int] = -1, *, pool: bool = True
) -> FeatureSet:
    """What the blocks of a network say of each image, as a set of vectors; worked out once and remembered.

    Rows keep their numbers; rows that no split names are left as NaN.

    Arguments:
        cuts: where outputs are taken, each counted as for `frozen`: -1 is what the head takes. Several stand side by
            side, in the order of the network.
        pool: as for `join_blocks`.

    Raises `CourseError` as `join_blocks` does, and where network and images do not fit.
    """
    check_inputs(net, images)
    chosen = (cuts,) if isinstance(cuts, int) else cuts
    joined = join_blocks(net, chosen, pool=pool)
    rows = torch.cat([torch.zeros(0, dtype=torch.int64), *images.splits.values()])
    found = remember(Pixels(joined, images), len(joined) - 1)(rows).float().cpu()
    vectors = torch.full((len(images.labels), found.shape[1]), torch.nan)
    vectors[rows] = found
    return FeatureSet(
        f"features of {images.name}",
        vectors,
        images.labels,
        images.classes,
        images.splits,
        tuple(_parts(net, take_cuts(net, chosen, len(net) - 1), pool)),
        images.factors,
        images.files,
    )


def _parts(net: Network, cuts: list[int], pool: bool) -> Iterator[tuple[str, int]]:
    """Where extracted numbers come from: (block, how many), in order."""
    value, done = examples(net)[0], 0
    for cut in cuts:
        value, done = run_exactly(net, value, done, cut), cut
        yield f"{net.name} {net.blocks[cut - 1].name}", Pool(value, pool).width


def dense(
    features: FeatureSet,
    hidden: Sequence[int] = (),
    *,
    dropout: float | None = None,
    norm: bool = False,
    activation: str | None = None,
    seed: int = 0,
) -> VectorNetwork:
    """A classifier over vectors with random weights: linear, or with hidden layers, each a block of its own.

    Arguments:
        features: says how many numbers a vector has, and the classes.
        hidden, dropout, norm, activation, seed: as for `new_head`.
    """
    settings = {"dropout": dropout, "norm": norm, "activation": activation, "seed": seed}
    names = class_names(features.classes)
    head = head_layers(nn.Linear(features.width, 1), len(names), hidden, **settings)
    model = head if hidden else nn.Sequential(OrderedDict(scores=head))
    return VectorNetwork(
        name="dense",
        model=model.eval(),
        blocks=own_blocks(model, torch.randn(2, features.width, generator=torch.Generator().manual_seed(0))),
        classes=names,
        size=None,
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
        origin="random weights",
        precision=torch.float32,
        width=features.width,
    )


def one_hot(values: Sequence[Any] | np.ndarray, name: str) -> tuple[torch.Tensor, tuple[str, ...]]:
    """Kinds as columns of 0 and 1, one for each kind that occurs: float N,kinds, and names such as `coat=spots`.

    With two kinds there is one column: the other would say the same once more.
    """
    kinds, found = np.unique(np.asarray(values), return_inverse=True)
    columns = torch.nn.functional.one_hot(torch.from_numpy(found), len(kinds)).float()
    names = tuple(f"{name}={kind}" for kind in kinds)
    return (columns[:, 1:], names[1:]) if len(kinds) == 2 else (columns, names)
