"""A zip that was dropped: its pictures one after the other, with their classes, and what is wrong with the others.

for found in unzipped(file, largest=50_000_000):
    ...                     # a Problem, or (name for the reader, a File with name, label and bytes)
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..errors import CourseError
from ..pictures.found import Problem, printable
from ..pictures.listing import find
from .incoming import File
from .safe_names import system_file


def is_zip(name: str) -> bool:
    """Whether a file is a zip by its name, and not one of a system's."""
    return name.lower().endswith(".zip") and not system_file(name)


def unzipped(file: File, largest: int) -> Iterator[Problem | tuple[str, File]]:
    """The pictures in a zip, in the layouts that `load_images` reads; one of them in memory at a time.

    Arguments:
        largest: bytes of a picture; a larger one is a problem.
    """
    zipped = printable(file.name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dropped.zip"
        path.write_bytes(file.data)
        try:
            found = find(path, least=1)
        except CourseError as error:
            said = str(error).replace(str(path), zipped).rstrip(".")
            yield Problem(zipped, said, "unpack it, and drop its folders on the classes")
            return
        for problem in found.problems:
            yield problem._replace(file=f"{zipped}: {problem.file}")
        for picture in found.pictures:
            name = f"{zipped}: {picture.name}"
            try:
                if picture.path.stat().st_size > largest:
                    yield Problem(name, f"larger than {largest / 1e6:,.0f} MB", "make it smaller")
                    continue
                yield name, File(picture.path.name, picture.label, picture.path.read_bytes())
            except OSError as error:
                yield Problem(name, f"it could not be read ({error.strerror})", "drop the zip again")
