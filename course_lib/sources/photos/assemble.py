"""From files to an ImageSet: photos are decoded once and kept (pictures/decoding.py), tables are scaled.

    from_list(entry, root, 192, seed=0, progress=None)
    from_tables(entry, root, 28, seed=0, progress=None)

Large tables go to a file in the cache and are looked up there, so that SVHN at 64 px does not need 1.2 GB of memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import interpolate

from ...downloads.entry import RealSet
from ...errors import CourseError
from ...image_files import write_images
from ...images import ImageSet, stratified_splits
from ...paths import cache_dir
from ...pictures.decoding import decode
from ...pictures.found import Problem
from .listed import LISTS
from .tables import TABLES, Table

SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}  # where the authors have no splits
VAL = 0.2  # of the training images, where they have no val
CHUNK = 512  # images scaled at once
Progress = Callable[[int, int], None]
IN_MEMORY = 400_000_000  # bytes; larger tables go to a file


def from_list(entry: RealSet, root: Path, size: int, seed: int, progress: Progress | None) -> ImageSet:
    """An ImageSet of photos; those that cannot be read are named in `left_out`."""
    listed = LISTS[entry.name](root)
    if not listed.pictures:
        raise CourseError(f"There are no photos of {entry.title} in {root}. See: course data info {entry.name}")
    # Entries that share their photos share what is decoded; another list of the same folder is kept apart.
    decoded = decode(listed.pictures, size, f"{root / entry.files[0].top}:{entry.images}", progress)
    kept = decoded.kept.tolist()
    if not kept:
        raise CourseError(f"None of the {len(listed.pictures):,} photos of {entry.title} in {root} can be read.")
    number = {name: label for label, name in enumerate(listed.classes)}
    labels = torch.tensor([number[listed.pictures[i].label] for i in kept], dtype=torch.int64)
    factors = {name: np.array(values)[kept] for name, values in listed.factors.items()}
    return ImageSet(
        name=entry.name,
        images=decoded.images,
        labels=labels,
        classes=listed.classes,
        splits=cut(labels, [listed.pictures[i].split for i in kept], seed),
        factors={**factors, "width": decoded.sizes[:, 0], "height": decoded.sizes[:, 1]},
        files=tuple(str(listed.pictures[i].path) for i in kept),
        left_out=tuple(Problem(listed.pictures[i].name, *why) for i, why in sorted(decoded.problems.items())),
        checksum=decoded.checksum,
    )


def from_tables(entry: RealSet, root: Path, size: int, seed: int, progress: Progress | None) -> ImageSet:
    """An ImageSet of tables of pixels, grey ones in three equal colours."""
    path = _file(entry, root, size, seed)
    if path.exists():
        try:
            return ImageSet.open(path)
        except CourseError:  # damaged: it is made anew
            path.unlink(missing_ok=True)
    train, test, classes = TABLES[entry.name](root)
    labels = torch.from_numpy(np.concatenate([train[1], test[1]]))
    if len(labels) == 0 or int(labels.min()) < 0 or int(labels.max()) >= len(classes):
        raise CourseError(f"The labels of {entry.title} in {root} are not those of {len(classes)} classes.")
    if (len(train[0]), len(test[0])) != (len(train[1]), len(test[1])):
        raise CourseError(f"{entry.title} in {root} has another number of images than of labels.")
    splits = cut(labels, ["train"] * len(train[1]) + ["test"] * len(test[1]), seed)
    parts = _parts((train, test), size, progress)
    if len(labels) * 3 * size * size > IN_MEMORY:
        return write_images(path, parts, labels, classes, splits, name=entry.name)
    return ImageSet(entry.name, torch.cat(list(parts)), labels, classes, splits)


def cut(labels: torch.Tensor, places: list[str | None], seed: int) -> dict[str, torch.Tensor]:
    """Splits: as the authors have them; val from train where there is none; all three where there are none."""
    if set(places) == {None}:
        return stratified_splits(labels, SHARES, seed)
    rows = {
        split: torch.tensor([i for i, place in enumerate(places) if place == split], dtype=torch.int64)
        for split in ("train", "val", "test")
    }
    if not len(rows["val"]):
        inner = stratified_splits(labels[rows["train"]], {"train": 1 - VAL, "val": VAL}, seed)
        rows |= {split: rows["train"][part] for split, part in inner.items()}
    return rows


def _parts(tables: tuple[Table, Table], size: int, progress: Progress | None) -> Iterator[torch.Tensor]:
    """All images in order, scaled: uint8 n,3,size,size."""
    done, total = 0, sum(len(images) for images, _ in tables)
    for images, _ in tables:
        for start in range(0, len(images), CHUNK):
            part = torch.from_numpy(np.ascontiguousarray(images[start : start + CHUNK]))
            part = part.unsqueeze(1) if part.ndim == 3 else part.permute(0, 3, 1, 2)  # N,H,W or N,H,W,3 -> N,C,H,W
            if part.shape[-1] != size:
                part = interpolate(part.float(), (size, size), mode="bilinear", antialias=True)
                part = part.round().clamp(0, 255).to(torch.uint8)
            yield part.expand(-1, 3, -1, -1).contiguous()
            done += len(part)
            if progress:
                progress(done, total)


def _file(entry: RealSet, root: Path, size: int, seed: int) -> Path:
    """Where a large table is kept: the name changes with the files that it is made of."""
    facts = [f"{entry.name} {size} {seed} {root.absolute()}"]
    for file in entry.files:
        where = root / file.gives
        for path in sorted(where.iterdir()) if where.is_dir() else [where]:
            found = path.stat()
            facts.append(f"{path.name} {found.st_size} {found.st_mtime_ns}")
    digest = hashlib.sha256("\n".join(facts).encode(errors="surrogatepass")).hexdigest()[:16]
    return cache_dir() / "images" / f"{entry.name}-{size}-{digest}.safetensors"
