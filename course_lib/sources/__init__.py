"""Where images come from. Each module makes an `ImageSet`; `load_images` is the one door to them.

load_images("dogworld", domain="sketch")
load_images("digits", domain="handwritten")
load_images("textures")
load_images("path/to/photos", size=192)
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

from ..errors import CourseError
from ..images import ImageSet

BUILT_IN = ("dogworld", "digits", "textures")  # each a module here, with a function of the same name


def load_images(source: str | Path, per_class: int | None = None, seed: int = 0, **knobs: Any) -> ImageSet:
    """A built-in image set by name, or a folder of photos by path.

    Arguments:
        source: `dogworld`, `digits`, `textures`, or the path of a folder with one folder of images a class.
        per_class: training images a class, drawn by `seed`; None for all.
        seed: of the draw of training images.
        knobs: options of the source: for dogworld `domain`, `task`, `which`, `cats`; for digits `domain`; for all, a
            folder included, `size`.

    Raises `CourseError` for an unknown source, an unknown knob, or images that do not suffice.
    """
    if str(source) in BUILT_IN:
        make = getattr(importlib.import_module(f".{source}", __name__), str(source))
    elif is_folder(source):
        from .folder import folder

        def make(**options: Any) -> ImageSet:
            return folder(source, **options)
    else:
        raise CourseError(
            f"There is no image set named {source!r}; use {', '.join(map(repr, BUILT_IN))}, or the path of a folder of photos."
        )
    try:
        images = make(**knobs)
    except TypeError as error:
        if "unexpected keyword" not in str(error):
            raise
        raise CourseError(
            f"{source} does not take {error.args[0].split()[-1]}; see help(course_lib.sources) for its options."
        ) from error
    return images if per_class is None else images.subset(per_class, seed)


def is_folder(source: str | Path) -> bool:
    """Whether a source means a folder: a path, or a name with a separator in it."""
    text = str(source)
    return isinstance(source, Path) or os.sep in text or "/" in text or Path(text).is_dir()
