"""Image sets in files: written part by part and opened without being read, for sets that are larger than the memory.

    photos = write_images("photos.safetensors", parts, labels, classes, splits, name="photos")
    photos = open_images("photos.safetensors")          # the same, the next day
    for record in fit(net, photos, recipe): ...         # reads the images that a step asks for

A file is safetensors (see tensor_files.py): `images` uint8 N,3,H,W, `labels`, `split.train` and so on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .errors import CourseError
from .images import ImageSet, begin_checksum
from .pictures.found import Problem
from .tensor_files import DamagedFile, Stream, check_file, open_tensors, write_tensors

FORMAT = "course images 2"


def write_images(
    path: str | Path,
    parts: Iterable[torch.Tensor],
    labels: torch.Tensor,
    classes: tuple[str, ...],
    splits: Mapping[str, torch.Tensor],
    *,
    name: str,
    factors: Mapping[str, np.ndarray] | None = None,
    files: tuple[str, ...] = (),
    left_out: tuple[Problem, ...] = (),
    notes: tuple[str, ...] = (),
) -> ImageSet:
    """Write images to a file, one part in memory at a time; the set comes back as `open_images` gives it.

    Arguments:
        path: ending in .safetensors; an older file is replaced when the new one is complete.
        parts: the images in order, as uint8 tensors n,3,H,W of one size.
        labels, classes, splits, name, factors, files, left_out, notes: as for an `ImageSet`.

    Raises `CourseError` where these do not fit together, or the file cannot be written.
    """
    path = _checked(path)
    parts = iter(parts)
    first = next(parts, None)
    if first is None:
        raise CourseError(f"No images were given for {path.name}; a file takes at least one part, uint8 n,3,H,W.")
    shape = (len(labels), *first.shape[1:])
    # Refuses what does not fit together before any work; no memory is taken for these images.
    blank = torch.zeros(1, *first.shape[1:], dtype=first.dtype).expand(shape)
    ImageSet(name, blank, labels, classes, splits, checksum="none")
    digest = begin_checksum(shape)
    columns, words = _columns(factors or {})
    tensors = {f"split.{split}": rows for split, rows in splits.items()} | columns | {"labels": labels}
    tensors["images"] = Stream(torch.uint8, shape, _watched(chain([first], parts), shape, digest))
    tensors["checksum"] = Stream(torch.uint8, (32,), (torch.tensor(list(digest.digest())).byte() for _ in range(1)))
    lists = {"classes": classes, "files": files, "left_out": left_out, "notes": notes}
    facts = {"format": FORMAT, "name": name, "words": words, **lists}
    write_tensors(path, tensors, facts)
    return open_images(path)


def open_images(path: str | Path, check: bool = False) -> ImageSet:
    """The image set in a file. Its images stay there: what is looked at is read.

    Arguments:
        check: read all of it, and compare with the checksum in it.

    Raises `CourseError` where there is no such file, or it is damaged or of another kind.
    """
    path = _checked(path)
    try:
        if check:
            check_file(path)
        tensors, facts = open_tensors(path)
        if facts.get("format") != FORMAT:
            raise DamagedFile(f"{path.name} holds something else")
        factors = {name.removeprefix("factor."): t.numpy() for name, t in tensors.items() if name.startswith("factor.")}
        for name, words in facts["words"].items():
            factors[name] = np.array(words)[factors[name]]
        return ImageSet(
            name=facts["name"],
            images=tensors["images"],
            labels=tensors["labels"],
            classes=tuple(facts["classes"]),
            splits={name.removeprefix("split."): t for name, t in tensors.items() if name.startswith("split.")},
            factors=factors,
            files=tuple(facts["files"]),
            left_out=tuple(Problem(*problem) for problem in facts["left_out"]),
            notes=tuple(facts["notes"]),
            checksum=bytes(tensors["checksum"].tolist()).hex(),
        )
    except FileNotFoundError as error:
        raise CourseError(f"There is no file {path}. Check the path, or write it with images.save(path).") from error
    except (OSError, DamagedFile, KeyError, TypeError, IndexError) as error:
        raise CourseError(f"{path} is no file of images, or is damaged ({error}). Make it anew.") from error


def save_images(images: ImageSet, path: str | Path) -> ImageSet:
    """Write an image set to a file; the set that looks its images up there comes back."""
    keys = ("labels", "classes", "splits", "name", "factors", "files", "left_out", "notes")
    return write_images(path, images.images.split(64), **{key: getattr(images, key) for key in keys})


def _watched(parts: Iterable[torch.Tensor], shape: tuple[int, ...], digest: Any) -> Iterator[torch.Tensor]:
    """The parts, each looked at and added to the checksum."""
    count = 0
    for part in parts:
        count += len(part)
        if part.dtype != torch.uint8 or tuple(part.shape[1:]) != shape[1:] or count > shape[0]:
            raise CourseError(
                f"Images {count - len(part)} to {count - 1} came as {part.dtype} of shape {tuple(part.shape)}; all are uint8 of shape "
                f"{shape[1:]}, and there are {shape[0]} labels."
            )
        part = part.contiguous()
        digest.update(part.numpy().data)
        yield part
    if count < shape[0]:
        raise CourseError(f"{count} images came for {shape[0]} labels; each label needs its image.")


def _columns(factors: Mapping[str, np.ndarray]) -> tuple[dict[str, torch.Tensor], dict[str, list[str]]]:
    """Factors as tensors; words become numbers of words, listed apart."""
    columns, words = {}, {}
    for name, values in factors.items():
        if values.dtype.kind in "iu":
            values = values.astype(np.int64)
        elif values.dtype.kind not in "bf":
            listed, values = np.unique(values.astype(str), return_inverse=True)
            words[name] = listed.tolist()
        columns[f"factor.{name}"] = torch.from_numpy(np.ascontiguousarray(values))
    return columns, words


def _checked(path: str | Path) -> Path:
    path = Path(path).expanduser()
    if path.suffix != ".safetensors":
        raise CourseError(
            f"Images are kept in .safetensors files; received {path.name}. Name it {path.stem}.safetensors."
        )
    return path
