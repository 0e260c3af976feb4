"""surface: the loss over a part of a plane, from coarse to fine, each point worked out once and kept on disk.

for sheet in surface(plane, dogs, size=31):       # after each point; leave the loop whenever you like
    print(sheet.done, sheet.total)
sheet.loss, sheet.accuracy                        # float32 size,size: rows are y, columns are x
sheet.filled()                                    # the same without holes, for a picture while it grows
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from ..errors import CourseError
from ..images import ImageSet
from ..paths import cache_dir
from ..tensor_files import DamagedFile, open_tensors, write_tensors
from .directions import Plane
from .ground import Ground, Norm, Point

COARSEST = 4  # points a side with which a surface begins
LARGEST = 201
FORMAT = 1  # of the files; a change in what is measured needs another number


class Surface:
    """Losses and accuracies over a grid, as far as they are known.

    Attributes:
        xs, ys: coordinates of columns and rows.
        loss: float32 size,size in nats, nan where not worked out yet; row i is at ys[i].
        accuracy: float32 size,size, 0 to 1, nan where not worked out yet.
        read: points that came from the disk.
        seconds: spent on the points that did not.
    """

    def __init__(self, plane: Plane, size: int) -> None:
        self.plane, self.size = plane, size
        self.xs, self.ys = plane.grid(size)
        self.loss = np.full((size, size), np.nan, np.float32)
        self.accuracy = np.full((size, size), np.nan, np.float32)
        self.read, self.seconds = 0, 0.0
        self._whole: list[int] = []  # columns and rows of the finest level of which all is known

    @property
    def total(self) -> int:
        return self.size**2

    @property
    def done(self) -> int:
        """Points that are known."""
        return int(np.isfinite(self.accuracy).sum())

    @property
    def complete(self) -> bool:
        return self.done == self.total

    def __repr__(self) -> str:
        if not self.done:
            return f"Surface of {self.size} x {self.size} points: none worked out yet"
        low, high = np.nanmin(self.loss), np.nanmax(self.loss)
        return (
            f"Surface of {self.size} x {self.size} points, {self.done:,} worked out: loss {low:.3g} to {high:.3g} nats"
        )

    def put(self, row: int, column: int, point: Point) -> None:
        self.loss[row, column], self.accuracy[row, column] = point.loss, point.accuracy

    def filled(self) -> tuple[np.ndarray, np.ndarray]:
        """Loss and accuracy without holes: between points of the last whole level, a straight line; nan before the first."""
        return self._fill(self.loss), self._fill(self.accuracy)

    def lowest(self) -> tuple[float, float, float]:
        """The lowest loss that was met on the grid, and its x and y."""
        row, column = np.unravel_index(np.nanargmin(self.loss), self.loss.shape)
        return float(self.loss[row, column]), self.xs[column], self.ys[row]

    def _fill(self, values: np.ndarray) -> np.ndarray:
        known = np.isfinite(self.accuracy)
        if known.all() or not self._whole:
            return values.copy()
        at, every = np.array(self._whole), np.arange(self.size)
        coarse = values[np.ix_(at, at)]
        wide = np.stack([np.interp(every, at, line) for line in coarse])  # rows of the level, all columns
        full = np.stack([np.interp(every, at, line) for line in wide.T], axis=1).astype(np.float32)
        full[known] = values[known]
        return full


def levels(size: int) -> list[list[int]]:
    """Rows (and columns) of a grid, level by level: first at most 4, then about twice as many, at last all."""
    counts = [size]
    while counts[0] > COARSEST:
        counts.insert(0, -(-counts[0] // 2))
    return [np.unique(np.linspace(0, size - 1, count).round().astype(int)).tolist() for count in counts]


def surface(
    plane: Plane,
    images: ImageSet,
    size: int = 31,
    split: str = "val",
    points: int = 256,
    norm: Norm = "interpolate",
    cache: bool = True,
    ground: Ground | None = None,
) -> Iterator[Surface]:
    """Work out the loss over a plane, from coarse to fine.

    Arguments:
        size: points a side, 2 to 201.
        split, points, norm: what is measured on, and how (see Ground).
        cache: look for it on disk, and keep it there, also when it was left half done.
        ground: where the caller has it at hand, made with the same settings; then images, split, points and norm are its own.

    Yields: the same `Surface` after each new point, and at least once.
    Raises `CourseError` before any work for settings out of range.
    """
    if type(size) is not int or not 2 <= size <= LARGEST:
        raise CourseError(f"size={size!r} points a side is out of range; it is a whole number from 2 to {LARGEST}.")
    ground = ground or Ground(plane.net, images, split, points, norm, still=plane.still_blocks())
    return _work(plane, ground, Surface(plane, size), _place(plane, ground, size) if cache else None)


def remembered(plane: Plane, ground: Ground, size: int) -> Surface:
    """What is on disk of a surface, without any work; often nothing."""
    sheet = Surface(plane, size)
    _read(_place(plane, ground, size), sheet)
    return sheet


def _work(plane: Plane, ground: Ground, sheet: Surface, path: Path | None) -> Iterator[Surface]:
    if path is not None:
        _read(path, sheet)
    began, yielded = sheet.done, False
    try:
        for level in levels(sheet.size):
            for row in level:
                for column in level:
                    if np.isfinite(sheet.accuracy[row, column]):
                        continue
                    start = time.perf_counter()
                    x, y = sheet.xs[column], sheet.ys[row]
                    sheet.put(row, column, ground.measure(plane.weights_at(x, y), plane.statistics_at(x, y)))
                    sheet.seconds += time.perf_counter() - start
                    if np.isfinite(sheet.accuracy[np.ix_(level, level)]).all():  # it may be left right after this point
                        sheet._whole = level
                    yielded = True
                    yield sheet
            sheet._whole = level
    finally:
        if path is not None and sheet.done > began:
            _write(path, sheet, ground)
    if not yielded:
        yield sheet


def _place(plane: Plane, ground: Ground, size: int) -> Path:
    facts = ground.facts() | {"plane": plane.fingerprint(), "size": size, "format": FORMAT}
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return cache_dir() / "landscape" / f"{key}.safetensors"


def _read(path: Path, sheet: Surface) -> None:
    try:
        tensors, _ = open_tensors(path)
        loss, accuracy = (tensors[name].clone().numpy() for name in ("loss", "accuracy"))
    except (OSError, DamagedFile, KeyError):  # not there, or to be worked out again
        return
    if loss.shape == sheet.loss.shape and accuracy.shape == sheet.accuracy.shape:
        sheet.loss, sheet.accuracy = loss, accuracy
        sheet.read = sheet.done
        known = np.isfinite(accuracy)
        sheet._whole = next((level for level in reversed(levels(sheet.size)) if known[np.ix_(level, level)].all()), [])


def _write(path: Path, sheet: Surface, ground: Ground) -> None:
    facts = ground.facts() | {"plane": repr(sheet.plane), "points": sheet.done}
    tensors = {"loss": torch.from_numpy(sheet.loss), "accuracy": torch.from_numpy(sheet.accuracy)}
    write_tensors(path, tensors, facts)
