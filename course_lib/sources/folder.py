"""Anyone's photos: a folder of class folders, a folder with a table, or a zip becomes an ImageSet.

    dogs = folder("photos/dogs", size=192)
    dogs.left_out                 # (file, reason, what to do) for each file that gave no image
    dogs.notes                    # what cannot be said with so few pictures

Layouts: ROOT/CLASS/*.jpg, which is cut into train, val and test (60, 20 and 20 %, by class); or ROOT/train/CLASS and
ROOT/test/CLASS (or val), where the second folder is the test split and val is 20 % of train; or all three; or ROOT/*.jpg
with a CSV of the columns file and label. What is found where is in pictures/listing.py, how it is read in reading.py.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from ..errors import CourseError
from ..images import ImageSet
from ..paths import atomic
from ..pictures.decoding import Decoded, Progress, decode
from ..pictures.duplicates import VERSION, near_duplicates
from ..pictures.found import Found, Picture, Problem, Problems
from ..pictures.kept import pictures_dir
from ..pictures.listing import find
from ..pictures.splits import split_pictures

SMALLEST, LARGEST = 16, 1024  # pixels


def folder(
    root: str | Path,
    *,
    size: int = 192,
    seed: int = 0,
    table: str | Path | None = None,
    progress: Progress | None = None,
) -> ImageSet:
    """Read every picture below a folder or in a zip.

    Arguments:
        root: the folder or zip; class names are folder names (or words of the table), in alphabetical order.
        size: pictures are scaled so that the short side has this many pixels, and cut square around the centre.
        seed: of the split.
        table: a CSV that says what each file shows, where the folder has no class folders and not one CSV alone.
        progress: called as progress(done, total) while files are read.

    Returns an ImageSet of uint8 N,3,size,size, looked up in a file of the cache, with the factors `width` and `height` (of the
    file, pixels) and `duplicate` (number of the group of near-duplicates, -1 for none). Every file that was seen is an image or
    is counted in `left_out`.
    Raises `CourseError` when there is no such folder, no picture, fewer than two classes, a class without a picture that can
    be read, or nothing to test on.
    """
    if not SMALLEST <= size <= LARGEST:
        raise CourseError(f"size={size} pixels was asked for; allowed are {SMALLEST} to {LARGEST}.")
    found = find(root, table)
    _refuse_empty(found, found.pictures, ())
    decoded = decode(found.pictures, size, found.root, progress)
    pictures = [found.pictures[i] for i in decoded.kept.tolist()]
    failed = [Problem(found.pictures[i].name, *problem) for i, problem in decoded.problems.items()]
    _refuse_empty(found, pictures, failed)
    labels = torch.tensor([found.classes.index(picture.label) for picture in pictures], dtype=torch.int64)
    groups = _duplicates(decoded)
    cut = split_pictures(labels, groups, [picture.split for picture in pictures], seed, found.classes)
    _refuse_untested(found, cut.splits)
    images = ImageSet(
        name=_name(root),
        images=decoded.images,
        labels=labels,
        classes=found.classes,
        splits=cut.splits,
        factors={"width": decoded.sizes[:, 0], "height": decoded.sizes[:, 1], "duplicate": groups},
        files=tuple(str(picture.path) for picture in pictures),
        left_out=(*found.problems, *_lines(failed)),
        notes=cut.notes,
        checksum=decoded.checksum,
    )
    if not cut.dropped:
        return images
    kept = [i for i in range(len(pictures)) if i not in cut.dropped]
    fewer = decode([pictures[i] for i in kept], size, f"{found.root} without copies", copy_from=found.root)
    if len(fewer.images) != len(kept):
        raise CourseError(f"Files in {found.root} changed while they were read. Read the folder again.")
    copies = [_copy(pictures[row], pictures[other]) for row, other in cut.dropped.items()]
    return _without(images, kept, fewer, (*found.problems, *_lines([*failed, *copies])))


def check_folder(root: str | Path, table: str | Path | None = None) -> None:
    """Look at the layout only, without opening a picture. Raises `CourseError` as `folder` does."""
    found = find(root, table)
    _refuse_empty(found, found.pictures, ())


def _name(root: str | Path) -> str:
    path = Path(root).expanduser().resolve()
    return path.name if path.is_dir() else path.stem


def _lines(problems: list[Problem]) -> tuple[Problem, ...]:
    """The same, with many of one reason drawn together (see found.py)."""
    lines = Problems()
    for problem in problems:
        lines.add(problem.file, problem.reason, problem.remedy)
    return lines.lines()


def _copy(picture: Picture, other: Picture) -> Problem:
    also = f" and another class, {other.label}: one of the two labels is wrong" if other.label != picture.label else ""
    return Problem(
        picture.name,
        f"the same picture is in another split{also}",  # no file is named here: a model's card tells reasons
        f"remove it or {other.name}; until then only that one is used",
    )


def _refuse_empty(found: Found, pictures: tuple[Picture, ...] | list[Picture], failed: list[Problem] | tuple) -> None:
    """Refuse a class without a picture, and a split folder without any, with the number of files that could not be read."""
    lost = f" ({len(failed):,} files could not be read{_mostly(failed)})" if failed else ""
    for name in [name for name in found.classes if name not in {picture.label for picture in pictures}]:
        raise CourseError(
            f"Class {name} in {found.root} has 0 images{lost}; at least 1 is needed, and 3 to be in train, val and test. "
            "Add images, or remove the class folder."
        )
    places = {picture.split for picture in pictures}
    for split in {picture.split for picture in found.pictures} - places:
        raise CourseError(f"{split}/ in {found.root} has 0 images{lost}. Add images, or remove the folder.")
    if "train" in places:
        trained = {picture.label for picture in pictures if picture.split == "train"}
        for name in [name for name in found.classes if name not in trained]:
            raise CourseError(
                f"Class {name} in train/ of {found.root} has 0 images{lost}, so it cannot be learned. Add images, or remove the class."
            )


def _refuse_untested(found: Found, splits: dict[str, torch.Tensor]) -> None:
    if not len(splits["test"]):
        raise CourseError(
            f"{found.root} has one picture of each class (copies of a picture count as one), so there is none to test on. "
            "Add pictures: at least one class needs two, and each class three to be in train, val and test."
        )
    if not len(splits["train"]):
        raise CourseError(
            f"All pictures in train/ of {found.root} are copies of what is tested on. Add other pictures."
        )


def _mostly(failed: list[Problem] | tuple) -> str:
    reason, count = Counter(problem.reason for problem in failed).most_common(1)[0]
    return f", {count:,} of them: {reason}"


def _duplicates(decoded: Decoded) -> np.ndarray:
    """Groups of near-duplicates, worked out once for these pixels."""
    path = pictures_dir() / f"duplicates-{VERSION}-{decoded.checksum[:32]}.json"
    if decoded.path is None:
        return near_duplicates(decoded.images)
    try:
        groups = np.array(json.loads(path.read_text()), dtype=np.int64)
        if groups.shape == (len(decoded.images),):
            return groups
    except (OSError, ValueError, TypeError):
        pass
    groups = near_duplicates(decoded.parts())
    with atomic(path) as file:
        file.write(json.dumps(groups.tolist()).encode())
    return groups


def _without(images: ImageSet, kept: list[int], fewer: Decoded, left_out: tuple[Problem, ...]) -> ImageSet:
    """The set of the rows that are kept; the others are copies across the reader's own splits."""
    factors = {name: values[kept] for name, values in images.factors.items()}
    # A group of which one picture is left is none, and those after it move up.
    groups = factors["duplicate"]
    whole = [group for group in range(groups.max(initial=-1) + 1) if (groups == group).sum() > 1]
    factors["duplicate"] = np.array([whole.index(group) if group in whole else -1 for group in groups], dtype=np.int64)
    place = torch.full((len(images.images),), -1)
    place[kept] = torch.arange(len(kept))
    return ImageSet(
        name=images.name,
        images=fewer.images,
        labels=images.labels[kept],
        classes=images.classes,
        splits={split: place[rows] for split, rows in images.splits.items()},
        factors=factors,
        files=tuple(images.files[row] for row in kept),
        left_out=left_out,
        notes=images.notes,
        checksum=fewer.checksum,
    )
