"""What PawNet's upbringings are made of: the images of each, and how long and with which changes they are seen.

    UPBRINGINGS["shuffled"].images(None)         # an ImageSet, drawn or read now

One architecture, five upbringings, so that a lesson can change what a net has seen before and nothing else:
`animals` is near to the target breeds, `photos` real but far, `textures` has fur and ground without a shape,
`digits` shapes without fur or ground, and `shuffled` has the animals and nothing to learn about them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from PIL import Image

from .augment import Augment
from .errors import CourseError
from .images import ImageSet
from .sources.digits import digits as print_digits
from .sources.dogworld import dogworld
from .sources.folder import folder as read_folder
from .sources.photos.listed import NETTE as IMAGENETTE
from .sources.textures import textures as draw_textures

SEED = 0
# Directions are kept (no mirror image): dogs that face left and right are both drawn, and one task asks for it.
AUGMENT = Augment(flip=False, shift=0.08, scale=0.1, rotate=8, brightness=0.2, contrast=0.2)
# Shares of the steps; the nets are called animals-eighth, animals-quarter and animals-half.
EARLY = {"eighth": 1 / 8, "quarter": 1 / 4, "half": 1 / 2}

DOG = "English springer"
GET_IMAGENETTE = (
    "Get Imagenette2-160 (99 MB, fast.ai, https://github.com/fastai/imagenette; its photos are ImageNet's, for "
    "non-commercial research and teaching), unpack it, and give its folder: "
    "course pretrain photos --images imagenette2-160. Its dogs are left out."
)


@dataclass(frozen=True)
class Upbringing:
    """What a net is brought up on.

    Arguments:
        images: makes the image set; takes the reader's folder, or None.
        data: tells in words, for the card, what the images are.
        epochs: passes over the training images.
        augment: how the images may be changed; None: they are seen as they are.
        early: shares of the training (by the name's ending) at which the net so far is written as well.
        folder: whether the images are read from a folder that the reader gives.
    """

    images: Callable[[str | Path | None], ImageSet]
    data: Callable[[ImageSet], str]
    epochs: int
    augment: Augment | None = AUGMENT
    early: tuple[str, ...] = ()
    folder: bool = False


def animals(_: str | Path | None = None) -> ImageSet:
    """The 40 source breeds of dogworld."""
    return dogworld("source", seed=SEED)


def shuffled(_: str | Path | None = None) -> ImageSet:
    """The images of `animals`, with the labels of each split dealt out anew at random: no label fits its image.

    All that can be learned is which image got which label, by heart. Each label is dealt out within a split as often
    as it stood there before, so whatever is answered on val or test is right once in 40.
    """
    source = animals()
    generator = torch.Generator().manual_seed(SEED)
    labels = source.labels.clone()
    for rows in source.splits.values():
        labels[rows] = labels[rows[torch.randperm(len(rows), generator=generator)]]
    return replace(source, name=f"{source.name}, shuffled labels", labels=labels)


def textures(_: str | Path | None = None) -> ImageSet:
    """Grounds and coats, without an animal."""
    return draw_textures(seed=SEED)


def digits(_: str | Path | None = None) -> ImageSet:
    """Digits printed with matplotlib's own fonts."""
    return print_digits(seed=SEED)


def photos(folder: str | Path | None = None) -> ImageSet:
    """Photos of a folder at 64 px, in alphabetical order of the classes; Imagenette's dogs are left out.

    Raises `CourseError` where no folder is given.
    """
    if folder is None:
        raise CourseError(f"The photos are read from a folder; received none. {GET_IMAGENETTE}")
    return without_dogs(read_folder(folder, size=64, seed=SEED))


def without_dogs(images: ImageSet) -> ImageSet:
    """The set with Imagenette's classes under their names, and without its one class of dogs."""
    names = [IMAGENETTE.get(name, name.replace("_", " ")) for name in images.classes]
    kept = sorted((name for name in names if name != DOG), key=str.lower)
    number = torch.tensor([kept.index(name) if name in kept else -1 for name in names])
    labels = number[images.labels]
    rows = (labels >= 0).nonzero().flatten()
    place = torch.full((len(labels),), -1)
    place[rows] = torch.arange(len(rows))
    return ImageSet(
        name=images.name,
        images=images.images[rows],
        labels=labels[rows],
        classes=tuple(kept),
        splits={split: place[its_rows[labels[its_rows] >= 0]] for split, its_rows in images.splits.items()},
        files=tuple(images.files[row] for row in rows.tolist()),
        left_out=images.left_out,
        notes=images.notes,
    )


def describe_photos(images: ImageSet) -> str:
    """What a folder of photos holds, by its classes and its first file."""
    known = set(images.classes) == set(IMAGENETTE.values()) - {DOG}
    what = "Imagenette2 without English springers (fast.ai; photos from ImageNet)" if known else f"folder {images.name}"
    with Image.open(images.files[0]) as first:
        width, height = first.size
    small = known and min(width, height) < 160
    return (
        f"{what}: {len(images.classes)} classes of real photos, files of {width} x {height} px, read at {images.size} px"
        + (
            "; a copy smaller than Imagenette2-160, so a net trained on that comes out near to this one"
            if small
            else ""
        )
    )


UPBRINGINGS: dict[str, Upbringing] = {
    "animals": Upbringing(
        animals,
        lambda images: "dogworld, which='source': 40 breeds of dogs drawn by the course",
        epochs=24,
        early=tuple(EARLY),
    ),
    "photos": Upbringing(photos, describe_photos, epochs=24, augment=replace(AUGMENT, flip=True), folder=True),
    "textures": Upbringing(
        textures, lambda images: "textures: grounds and coats of dogworld, without an animal", epochs=24
    ),
    "digits": Upbringing(
        digits, lambda images: "digits, printed: matplotlib's own fonts, drawn by the course", epochs=16
    ),
    "shuffled": Upbringing(
        shuffled,
        lambda images: (
            "dogworld, which='source', its labels dealt out at random: nothing but the single images to learn"
        ),
        epochs=32,
        augment=None,
    ),
}
