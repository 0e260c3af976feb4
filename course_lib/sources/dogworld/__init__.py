"""dogworld: dogs drawn by the course itself, so everything runs with no download and every truth is known.

    dogs = dogworld()                                   # 10 breeds, 2,000 photos of 64 px
    drawn = dogworld(domain="sketch")                   # the same dogs in pencil: another P(X), the same labels
    poses = dogworld(task="pose")                       # the same pixels, another question: another Y
    many = dogworld("source")                           # 40 other breeds, to pretrain on

The files, in the order of the work: `breeds` (the space of breeds), `factors` (what each image holds), `anatomy` (bones),
`shapes`, `coats` and `scenes` (how to draw them), `draw` (the picture), `domains` (ways to see it), `store` (the cache).

How hard it is, measured with PawNet on the 700 test photos (seed 0; mean of five seeds of subset and training, one
net pretrained for 14 epochs on the source breeds): 10 photos a breed, from scratch 20 %, frozen features 66 %;
100 a breed, frozen features 76 %, fine-tuned 83 %. The mean colour of a photo alone: 12 %, where guessing has 10 %.
"""

from __future__ import annotations

import numpy as np
import torch

from ...errors import CourseError
from ...images import ImageSet, stratified_splits
from ..chunks import Progress, draw_in_chunks
from .breeds import COATS, EARS, NAMES, Breed, breeds
from .domains import DOMAINS, see
from .draw import draw_layers
from .factors import FACINGS, POSES, draw_factors, image_streams
from .store import recall, remember

__all__ = ["DOMAINS", "SIZES", "TASKS", "Breed", "breeds", "dogworld"]

TASKS = ("breed", "ears", "coat", "pose", "facing", "species")
SIZES = (32, 64, 128)
SHARES = {
    "source": {"train": 0.8, "val": 0.1, "test": 0.1},
    "target": {"train": 0.5, "val": 0.15, "test": 0.35},
}
PER_CLASS = 200
CHUNK = 32 * 64 * 64  # pixels drawn at once: fewer leave Python more work than torch, more leave the processor's cache


def dogworld(
    which: str = "target",
    *,
    domain: str = "photo",
    task: str = "breed",
    seed: int = 0,
    cats: int = 0,
    per_class: int | None = None,
    size: int = 64,
    progress: Progress | None = None,
) -> ImageSet:
    """Draw dogs (or fetch them from the cache) and label them.

    Arguments:
        which: `target`, 10 breeds to learn (half of the images are for training), or `source`, 40 others to pretrain on.
        domain: how the animals are seen, one of `DOMAINS`; changes the pixels and nothing else.
        task: what is asked of them, one of `TASKS`; changes the labels and nothing else.
        seed: of the images and of the splits, 0 or more; the breeds themselves are always the same.
        cats: number of cats to add. Then task `breed` has an eleventh (or 41st) class, and `species` can be asked.
        per_class: images of each breed, at least 3; default 200.
        size: edge of the images in pixels, 32, 64 or 128.
        progress: called with (images drawn, images in all) after each chunk; not called when they come from the cache.

    Returns an `ImageSet`; its `factors` hold everything that was drawn, with values of length N for each name. The rows
    and the splits are the same for every domain and task.

    Raises `CourseError` for an argument that is not allowed.
    """
    per_class = PER_CLASS if per_class is None else per_class
    _check(which, domain, task, seed, cats, per_class, size)
    factors = draw_factors(which, per_class, cats, seed)
    streams = image_streams(which, per_class, cats, seed)
    request = {"which": which, "domain": domain, "seed": seed, "cats": cats, "per_class": per_class, "size": size}
    images = recall(request, (len(streams), 3, size, size))
    if images is None:
        images = _draw_all(factors, streams, domain, size, progress)
        remember(request, images)
    breed_names = [*NAMES[which], *(["cat"] if cats else [])]
    breed = _labels(factors["breed"], breed_names)
    classes = _classes(task, breed_names)
    return ImageSet(
        name=f"dogworld {which}"
        + (f", {domain}" if domain != "photo" else "")
        + (f", {task}" if task != "breed" else ""),
        images=images,
        labels=_labels(factors[task], classes),
        classes=tuple(classes),
        splits=stratified_splits(breed.tolist(), SHARES[which], seed),
        factors=factors,
    )


def _draw_all(
    factors: dict[str, np.ndarray], streams: list[tuple[int, ...]], domain: str, size: int, progress: Progress | None
) -> torch.Tensor:
    """All images, in chunks that the processor's cores share: uint8 N,3,size,size.

    One thread a chunk, instead of torch's way of many threads an operation: there are thousands of small operations,
    and waiting for each other after every one is slow, very slow where other programs are busy.
    """
    images = torch.empty(len(streams), 3, size, size, dtype=torch.uint8)

    def draw_chunk(rows: slice) -> None:
        part = {name: column[rows] for name, column in factors.items()}
        numbers = {name: torch.from_numpy(column).float() for name, column in part.items() if column.dtype.kind == "f"}
        images[rows] = see(draw_layers(part, streams[rows], size), numbers, domain)

    draw_in_chunks(draw_chunk, len(streams), max(1, CHUNK // size**2), progress)
    return images


def _labels(values: np.ndarray, classes: list[str]) -> torch.Tensor:
    number = {name: label for label, name in enumerate(classes)}
    return torch.tensor([number[value] for value in values.tolist()], dtype=torch.int64)


def _classes(task: str, breed_names: list[str]) -> list[str]:
    fixed = {"ears": EARS, "coat": COATS, "pose": POSES, "facing": FACINGS, "species": ("dog", "cat")}
    return breed_names if task == "breed" else list(fixed[task])


def _check(which: str, domain: str, task: str, seed: int, cats: int, per_class: int, size: int) -> None:
    """Refuse what has no meaning, with what is allowed."""
    for name, value, allowed in (
        ("which", which, tuple(SHARES)),
        ("domain", domain, tuple(DOMAINS)),
        ("task", task, TASKS),
        ("size", size, SIZES),
    ):
        if value not in allowed:
            raise CourseError(
                f"dogworld received {name}={value!r}; allowed are {', '.join(map(str, allowed))}. Choose one."
            )
    for name, value, least in (("seed", seed, 0), ("cats", cats, 0), ("per_class", per_class, 3)):
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise CourseError(f"dogworld received {name}={value!r}; it takes a whole number of at least {least}.")
    if 0 < cats < 3:
        raise CourseError(
            f"dogworld received cats={cats}; a class needs 3 images or more to be split. Ask for 0, or 3 and up."
        )
    if task == "species" and cats == 0:
        raise CourseError(
            "dogworld received task='species' with cats=0: there is nothing but dogs. Add cats, such as cats=500."
        )
