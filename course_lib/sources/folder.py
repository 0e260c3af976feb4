"""Anyone's photos: a folder of class folders becomes an ImageSet.

    dogs = folder("photos/dogs", size=192)
    dogs.left_out                 # (file, reason) for each file that could not be read

Layouts: ROOT/CLASS/*.jpg, which is cut into train, val and test (60, 20 and 20 %, by class); or ROOT/train/CLASS and
ROOT/test/CLASS (or val), where the second folder is the test split and val is 20 % of train; or all three.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from ..devices import free_bytes
from ..errors import CourseError
from ..images import ImageSet, stratified_splits

LAYOUT = "Give a folder with one folder of images for each class, or one with train/ and test/ that hold these."
TRAIN, VAL, TEST = ("train", "training"), ("val", "valid", "validation"), ("test", "testing")
LARGEST = 100_000_000  # pixels in one file; beyond that it is a mistake or an attack
SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}
Progress = Callable[[int, int], None]


def folder(root: str | Path, *, size: int = 192, seed: int = 0, progress: Progress | None = None) -> ImageSet:
    """Read every image below a folder.

    Arguments:
        root: the folder; class names are folder names, in alphabetical order.
        size: images are scaled so that the short side has this many pixels, and cut square around the centre.
        seed: of the split.
        progress: called as progress(done, total) while files are read.

    Returns an ImageSet of uint8 N,3,size,size. Files that cannot be read are named in `left_out`.
    Raises `CourseError` when there is no such folder, no image, fewer than two classes, or a class with too few images.
    """
    root = Path(root).expanduser()
    if not 16 <= size <= 1024:
        raise CourseError(f"size={size} pixels was asked for; allowed are 16 to 1024.")
    found = _find(root)
    classes = _classes(root, found)
    entries = [(split, label, path) for split in found for label, c in enumerate(classes) for path in found[split][c]]
    _check_memory(len(entries), size)
    images, problems = _read_all([path for _, _, path in entries], size, progress)
    kept = [i for i, problem in enumerate(problems) if problem is None]
    left_out = tuple((str(entries[i][2]), problem) for i, problem in enumerate(problems) if problem is not None)
    labels = torch.tensor([entries[i][1] for i in kept], dtype=torch.int64)
    places = [entries[i][0] for i in kept]
    return ImageSet(
        name=root.resolve().name,
        images=images[torch.tensor(kept, dtype=torch.int64)],
        labels=labels,
        classes=classes,
        splits=_splits(root, set(found), places, labels, classes, left_out, seed),
        files=tuple(str(entries[i][2]) for i in kept),
        left_out=left_out,
    )


def check_folder(root: str | Path) -> None:
    """Look at the layout only, without opening a file. Raises `CourseError` as `folder` does."""
    root = Path(root).expanduser()
    found = _find(root)
    classes = _classes(root, found)
    for split, by_class in found.items():
        for name in classes:
            _check_count(root, name, len(by_class[name]), _parts(found, split), 0)


def _find(root: Path) -> dict[str, dict[str, list[Path]]]:
    """Files of each class in each folder that stands for a split; `all` where the classes lie directly below."""
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise CourseError(f"The images folder {root} {what}. {LAYOUT}")
    below = {path.name.lower(): path for path in _visible(root) if path.is_dir()}
    named = {
        split: below[word]
        for split, words in (("train", TRAIN), ("val", VAL), ("test", TEST))
        for word in words
        if word in below
    }
    if "train" in named and len(named) == 1:
        raise CourseError(
            f"{root} has train/ and no val/ or test/ beside it. Add one, or give {named['train']} itself, which is then cut into three."
        )
    places = named if "train" in named else {"all": root}
    found = {
        split: {c.name: [p for p in _visible(c) if p.is_file()] for c in _visible(place) if c.is_dir()}
        for split, place in places.items()
    }
    if not any(files for by_class in found.values() for files in by_class.values()):
        raise CourseError(f"The images folder {root} holds no images in class folders. {LAYOUT}")
    return found


def _visible(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if not p.name.startswith("."))


def _classes(root: Path, found: dict[str, dict[str, list[Path]]]) -> tuple[str, ...]:
    sets = {split: set(by_class) for split, by_class in found.items()}
    classes = set.union(*sets.values())
    for split, names in sets.items():
        if names != classes:
            raise CourseError(
                f"In {root}, {split}/ has no images of {', '.join(sorted(classes - names))}, other folders have. Add some, or remove the class."
            )
    if len(classes) < 2:
        raise CourseError(
            f"{root} has one class, {', '.join(classes)}; a classifier tells at least two apart. {LAYOUT}"
        )
    return tuple(sorted(classes))


def _check_memory(count: int, size: int) -> None:
    needed, free = count * 3 * size * size, free_bytes(torch.device("cpu"))
    if needed > 0.4 * free:
        raise CourseError(
            f"{count:,} images of {size} px take {needed / 1e9:.1f} GB, more than 40 % of the {free / 1e9:.1f} GB of free memory. "
            "Ask for a smaller size, or for fewer images."
        )


def _read_all(paths: list[Path], size: int, progress: Progress | None) -> tuple[torch.Tensor, list[str | None]]:
    images = np.zeros((len(paths), 3, size, size), dtype=np.uint8)
    problems: list[str | None] = []
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:  # decoding leaves Python's lock
        for i, (pixels, problem) in enumerate(pool.map(lambda path: read_photo(path, size), paths)):
            if pixels is not None:
                images[i] = pixels.transpose(2, 0, 1)  # H,W,3 -> 3,H,W
            problems.append(problem)
            if progress and (i % 50 == 49 or i + 1 == len(paths)):
                progress(i + 1, len(paths))
    return torch.from_numpy(images), problems


def read_photo(path: Path, size: int) -> tuple[np.ndarray | None, str | None]:
    """Pixels H,W,3, or the reason why there are none."""
    try:
        if path.stat().st_size == 0:
            return None, "the file is empty (0 bytes)"
        with Image.open(path) as image:
            if image.width * image.height > LARGEST:
                return None, f"the image is too large ({image.width} x {image.height} pixels)"
            image.draft("RGB", (size, size))  # a JPEG may be decoded at a smaller scale, never below this size
            upright = ImageOps.exif_transpose(image)
            if upright.has_transparency_data:
                upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright.convert("RGBA"))
            return np.asarray(ImageOps.fit(upright.convert("RGB"), (size, size), Image.Resampling.BILINEAR)), None
    except Image.UnidentifiedImageError:
        return None, "not an image that can be read"
    except PermissionError:
        return None, "no permission to read the file"
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError, MemoryError) as error:
        return None, f"damaged or cut off ({str(error).rstrip('.') or type(error).__name__})"


def _parts(found: dict[str, object] | set[str], split: str) -> int:
    """Splits that the files of a folder are shared between."""
    return 3 if split == "all" else 2 if split == "train" and len(found) == 2 else 1


def _check_count(root: Path, name: str, count: int, parts: int, lost: int) -> None:
    if count < parts:
        also = f" ({lost} files could not be read)" if lost else ""
        raise CourseError(
            f"Class {name} in {root} has {count} images{also}; at least {parts} are needed, one for each split. "
            "Add images, or remove the class folder."
        )


def _splits(
    root: Path,
    names: set[str],
    places: list[str],
    labels: torch.Tensor,
    classes: tuple[str, ...],
    left_out: tuple[tuple[str, str], ...],
    seed: int,
) -> dict[str, torch.Tensor]:
    rows = {place: torch.tensor([i for i, p in enumerate(places) if p == place], dtype=torch.int64) for place in names}
    for place, its_rows in rows.items():
        counts = torch.bincount(labels[its_rows], minlength=len(classes)).tolist()
        for name, count in zip(classes, counts, strict=True):
            _check_count(root, name, count, _parts(names, place), len(left_out))
    if names == {"all"}:
        return stratified_splits(labels, SHARES, seed)
    if len(names) == 3:
        return rows
    # Two folders: the second one is what is reported on, so choices are made on a part of train.
    test = rows["test"] if "test" in rows else rows["val"]
    inner = stratified_splits(labels[rows["train"]], {"train": 0.8, "val": 0.2}, seed)
    return {"train": rows["train"][inner["train"]], "val": rows["train"][inner["val"]], "test": test}
