"""Where images come from. Each module makes an `ImageSet`; `load_images` is the one door to them.

load_images("dogworld", domain="sketch")
load_images("digits", domain="handwritten")
load_images("textures")
load_images("path/to/photos", size=192)    # a folder of class folders, or a zip of one
load_images("pets", meanwhile=True)        # real photos; while they are not here a built-in set serves, and it says so
"""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CourseError

if TYPE_CHECKING:  # `course data` lists sets without torch
    from ..images import ImageSet

BUILT_IN = ("dogworld", "digits", "textures")  # each a module here, with a function of the same name
REAL = (  # each an entry of photos/registry.py, which takes a moment to import
    "pets", "pets-species", "pets-dogs", "imagewoof", "imagenette", "hymenoptera", "flowers", "eurosat",
    "cifar10", "stl10", "mnist", "fashionmnist", "usps", "svhn",
)  # fmt: skip


def load_images(
    source: str | Path,
    per_class: int | None = None,
    seed: int = 0,
    *,
    meanwhile: bool = False,
    download: bool = False,
    photo_size: int | None = None,
    **knobs: Any,
) -> ImageSet:
    """A built-in image set or a real one by name, or a folder of photos by path.

    Arguments:
        source: `dogworld`, `digits`, `textures`; a real set, see `course data`; or the path of a folder with one folder
            of images a class, or of a zip of that.
        per_class: training images a class, drawn by `seed`; None for all.
        seed: of the draw of training images.
        meanwhile: where a real set is not on this machine, go on with the built-in one that its entry names, and say so.
            Other sources are always there, so for them it changes nothing.
        download: fetch a real set that is not on this machine. Without it nothing is ever downloaded.
        photo_size: `size` for photos, folders and real sets, in pixels; what the course draws itself keeps its own size.
        knobs: options of the source: for dogworld `domain`, `task`, `which`, `cats`; for digits `domain`; for a folder
            `table`, `progress`; for all, folders and real sets included, `size`.

    Raises `CourseError` for an unknown source, an unknown knob, a real set that is not here, or images that do not suffice.
    """
    if download and str(source) not in REAL:
        raise CourseError(f"download=True is for real sets, see `course data`; received it with {str(source)!r}.")
    if photo_size is not None and str(source) not in BUILT_IN:
        if "size" in knobs:
            raise CourseError(f"Received size={knobs['size']} and photo_size={photo_size}; give one of them.")
        knobs["size"] = photo_size
    if str(source) in BUILT_IN:
        make = _built_in(str(source))
    elif isinstance(source, str) and source in REAL:
        make = _real(source, meanwhile, download)
    elif is_folder(source):
        from .folder import folder

        def make(**options: Any) -> ImageSet:
            return folder(source, **options)
    else:
        raise CourseError(
            f"There is no image set named {source!r}; use {', '.join(map(repr, BUILT_IN))}, a real set "
            f"({', '.join(REAL)}), or the path of a folder of photos."
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


def here(source: str) -> str:
    """The source as it is; for a real set that is not on this machine, the built-in set that serves, and a sentence that says so.

    Lessons begin with `images = cl.here(images)`, so that all of a lesson knows which images it is about.
    """
    if source not in REAL:
        return source
    from ..downloads.showing import tell
    from .photos import REAL_SETS, stand_in

    if (why := stand_in(source)) is None:
        return source
    tell(why)
    return REAL_SETS[source].meanwhile


def check_source(source: str | Path, meanwhile: bool = True) -> None:
    """Refuse, early and without reading an image, what `load_images` would refuse.

    Arguments:
        meanwhile: a real set that is not on this machine is fine, as a built-in one will serve.
    """
    if str(source) in BUILT_IN:
        return
    if str(source) in REAL:
        from .photos import where

        if not meanwhile:
            where(str(source))
    elif is_folder(source):
        from .folder import check_folder

        check_folder(source)
    else:
        load_images(source)  # says what there is


def is_folder(source: str | Path) -> bool:
    """Whether a source means a folder, or a zip: a path, a name with a separator in it, or one that is there."""
    text = str(source)
    return (
        isinstance(source, Path)
        or os.sep in text
        or "/" in text
        or Path(text).is_dir()
        or text.lower().endswith(".zip")
    )


def _built_in(name: str) -> Callable[..., ImageSet]:
    return getattr(importlib.import_module(f".{name}", __name__), name)


def _real(name: str, meanwhile: bool, fetch: bool) -> Callable[..., ImageSet]:
    """What makes a real set: photos/, or the built-in set that serves while it is not here."""
    from ..downloads.showing import shown_in_notebook, tell
    from .photos import REAL_SETS, photos, stand_in

    entry = REAL_SETS[name]

    def make(**options: Any) -> ImageSet:
        unknown = set(options) - set(inspect.signature(photos).parameters)
        if unknown:
            raise TypeError(f"unexpected keyword argument {min(unknown)!r}")
        why = stand_in(name)
        tried = ""
        if why is not None and fetch:
            from ..downloads.sets import download

            try:
                with shown_in_notebook() as line:
                    download(entry, line)
                why = None
            except CourseError as error:
                if not meanwhile:
                    raise
                tried = f"\n\n{error}"
        if why is None or not meanwhile:
            return photos(name, **options)
        tell(why + tried)
        return _built_in(entry.meanwhile)(**dict(entry.options))

    return make
