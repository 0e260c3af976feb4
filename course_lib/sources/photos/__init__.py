"""Real images: sets that other people made, fetched once from their own homes, as ImageSets like all others.

    pets = photos("pets")                      # 37 breeds; a CourseError where the set is not on this machine
    photos("pets-species", size=96)            # the same photos, cat or dog
    load_images("pets", download=True)         # fetches its 811 MB first: the door is in sources/__init__.py

The authors' own test images are the test split, and val is a seeded part of what they train on, unless they have one.
What sets there are is in registry.py, how they are fetched in course_lib/downloads.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ...downloads.places import place
from ...downloads.sentences import goes_on, not_here
from ...errors import CourseError
from .registry import REAL_SETS

if TYPE_CHECKING:
    from ...images import ImageSet

__all__ = ["REAL_SETS", "photos", "stand_in", "where"]


def photos(
    name: str, *, size: int | None = None, seed: int = 0, progress: Callable[[int, int], None] | None = None
) -> ImageSet:
    """Read a real set.

    Arguments:
        name: of `REAL_SETS`.
        size: edge of the images in pixels, 16 to 1024; None for the size in its entry.
        seed: of the part of the training images that becomes val.
        progress: called as progress(done, total) while images are read.

    Returns an `ImageSet` of uint8 N,3,size,size; for photos `files` names each, and `left_out` what could not be read.
    Raises `CourseError` where the set is not here, or cannot be read.
    """
    entry = REAL_SETS[name]
    size = entry.size if size is None else size
    if not isinstance(size, int) or not 16 <= size <= 1024:
        raise CourseError(f"size={size!r} pixels was asked for; allowed are 16 to 1024.")
    root = where(name)
    from .assemble import from_list, from_tables
    from .listed import LISTS

    read = from_list if name in LISTS else from_tables
    return read(entry, root, size, seed, progress)


def where(name: str) -> Path:
    """The folder that a set is read from. Raises `CourseError` where it is not on this machine."""
    entry = REAL_SETS[name]
    found = place(entry)
    if found is None:
        raise CourseError(not_here(entry, folder_too=Path(name).is_dir()))
    return found


def stand_in(name: str) -> str | None:
    """What a page says when it goes on with a built-in set in place of this one; None where the set is here."""
    entry = REAL_SETS[name]
    return goes_on(entry) if place(entry) is None else None
