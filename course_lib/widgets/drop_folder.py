"""The folder behind `PictureDrop`: pictures in class folders, each looked at before it is kept, under a name that is safe.

    drop = DropFolder("my_pictures", ("cat", "dog"))
    drop.keep(data, "IMG 0001.JPG", "cat")        # my_pictures/cat/IMG 0001.JPG, or a Problem that says why not
    drop.remove("cat", "IMG 0001.JPG")            # into .my_pictures.removed/cat/, beside the folder
    drop.undo()                                   # and back
    drop.counts                                   # {"cat": 1, "dog": 0}

What is in the folder is what counts: nothing is remembered beside it, so files may come and go by other ways.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from ..errors import CourseError
from ..pictures.found import NOTHING_TO_DO, Problem, printable
from ..pictures.kinds import NO_PICTURE
from ..pictures.reading import read_picture
from .safe_names import alike, can_be_shown, free_path, safe_name, system_file

MOST_BYTES, MOST_FILES = 4_000_000_000, 10_000  # of a folder that is filled by hand
OLD = 3600.0  # seconds after which a file that was never finished is swept away
COMING = ".coming"  # below the folder, so that renaming is one step; gone when nothing is on its way


class DropFolder:
    """Class folders that are filled one picture at a time.

    Arguments:
        folder: made with the first picture. classes: names, made safe; those that are in the folder already are added.

    Attributes:
        folder: absolute. classes: names in order.
    """

    def __init__(self, folder: str | Path, classes: Sequence[str] = ()) -> None:
        self.folder = Path(folder).expanduser().absolute()
        if self.folder.exists() and not self.folder.is_dir():
            raise CourseError(f"{folder} is a file; PictureDrop needs the name of a folder.")
        self.classes = self._on_disk()  # by the names that they have there
        self._removed: list[tuple[str, str, Path]] = []
        given = [self.add_class(name) for name in classes]
        self.classes = list(dict.fromkeys([*given, *self.classes]))
        self._sweep()

    @property
    def counts(self) -> dict[str, int]:
        """How many pictures each class has."""
        return {name: len(self.pictures(name)) for name in self.classes}

    def pictures(self, label: str) -> list[str]:
        """Names of the files of a class, the newest first."""
        with contextlib.suppress(OSError), os.scandir(self.folder / self.known(label)) as entries:
            files = [(-entry.stat().st_mtime_ns, entry.name) for entry in entries if _counts(entry)]
            return [name for _, name in sorted(files)]
        return []

    def path(self, label: str, name: str) -> Path:
        """Where a picture lies. Raises `CourseError` where the class has none of this name: a name is no path."""
        if name not in self.pictures(label):
            raise CourseError(f"There is no picture {printable(str(name))!r} in {label}.")
        return self.folder / self.known(label) / name

    def known(self, label: str) -> str:
        """A class by its name, with the letters as they are written on disk; also where capital letters differ."""
        for name in self.classes:
            if alike(name) == alike(label):
                return name
        raise CourseError(f"There is no class {label!r}; there are {', '.join(self.classes) or 'none yet'}.")

    def add_class(self, name: str) -> str:
        """Add a class; its name as it was made safe. A class that is there stays as it is."""
        name = safe_name(name, "class", suffix=False)
        with contextlib.suppress(CourseError):
            return self.known(name)
        self.classes.append(name)
        return name

    def rename_class(self, old: str, new: str) -> str:
        """Give a class another name, and its folder with it; the new name as it was made safe."""
        old, new = self.known(old), safe_name(new, "class", suffix=False)
        if any(alike(new) == alike(name) and name != old for name in self.classes):
            raise CourseError(f"There is a class {new} already. Choose another name, or move the files yourself.")
        try:
            if (self.folder / old).exists():
                os.rename(self.folder / old, self.folder / new)
        except OSError as error:
            raise CourseError(f"The folder of {old} could not be renamed ({error.strerror}).") from error
        self.classes[self.classes.index(old)] = new
        self._removed = [(new if label == old else label, name, path) for label, name, path in self._removed]
        return new

    def remove_class(self, name: str) -> None:
        """Remove a class that has no pictures."""
        name = self.known(name)
        if self.pictures(name):
            raise CourseError(f"{name} has pictures; remove them first.")
        with contextlib.suppress(OSError):  # there may be no folder, or something else in it, which is not ours
            (self.folder / name).rmdir()
        self.classes.remove(name)

    def keep(self, data: bytes, name: str, label: str) -> Path | Problem:
        """Look at a file, and keep it if it is a picture: where it lies now, or what is wrong with it.

        Raises `CourseError` where the folder cannot be written.
        """
        shown = printable(str(name))
        if system_file(name) or system_file(label):
            return Problem(shown, "a file of the system, no picture", NOTHING_TO_DO)
        where = safe_name(label, "class", suffix=False)
        with contextlib.suppress(CourseError):
            where = self.known(where)
        files = [(entry, stat) for entry in self._all() for stat in (entry.stat(),)]
        if len(files) >= MOST_FILES or sum(stat.st_size for _, stat in files) + len(data) > MOST_BYTES:
            most = f"{MOST_FILES:,} pictures or {MOST_BYTES / 1e9:.0f} GB"
            return Problem(shown, f"the folder is full ({most})", "copy further files with your file manager")
        for entry, stat in files:
            if stat.st_size == len(data) and Path(entry.path).read_bytes() == data:
                return _same(shown, Path(entry.path), where)
        if (self.folder / where).is_symlink():
            return Problem(shown, f"{where} is a link to another folder", "replace the link by a folder")
        return self._write(data, str(name), where)

    def remove(self, label: str, name: str) -> None:
        """Take a picture out: it is kept beside the folder, where `load_images` does not see it."""
        label, path = self.known(label), self.path(label, name)
        away = self.folder.with_name(f".{self.folder.name}.removed") / label
        try:
            away.mkdir(parents=True, exist_ok=True)
            target = free_path(away, name)
            shutil.move(path, target)
        except OSError as error:
            raise CourseError(f"{name} could not be removed ({error.strerror}).") from error
        self._removed.append((label, name, target))

    def undo(self) -> tuple[str, str]:
        """Put the picture back that was removed last; its class and its name."""
        if not self._removed:
            raise CourseError("Nothing was removed that could come back.")
        label, name, path = self._removed.pop()
        label = self.add_class(label)
        try:
            (self.folder / label).mkdir(parents=True, exist_ok=True)
            target = free_path(self.folder / label, name)
            shutil.move(path, target)
        except OSError as error:
            raise CourseError(f"{name} could not be put back ({error.strerror}).") from error
        return label, target.name

    @property
    def removed(self) -> str:
        """The picture that `undo` would put back, empty where there is none."""
        return self._removed[-1][1] if self._removed else ""

    def _write(self, data: bytes, name: str, label: str) -> Path | Problem:
        coming = self.folder / COMING / f"{secrets.token_hex(8)}.part"
        try:
            coming.parent.mkdir(parents=True, exist_ok=True)
            coming.write_bytes(data)
            read = read_picture(coming, 32)
            if read.pixels is None:
                remedy = NOTHING_TO_DO if read.remedy == NO_PICTURE else read.remedy  # it is not in the folder
                return Problem(printable(name), read.reason or "not a picture", remedy or "save it as JPEG or PNG")
            known = self.add_class(label)
            (self.folder / known).mkdir(exist_ok=True)
            target = free_path(self.folder / known, safe_name(name, "picture"))
            with open(coming, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(coming, target)
            return target
        except OSError as error:
            raise CourseError(
                f"{printable(name)} could not be written to {self.folder} ({error.strerror}). Make room, or choose another folder."
            ) from error
        finally:
            with contextlib.suppress(OSError):
                coming.unlink()
            with contextlib.suppress(OSError):  # other files may be on their way
                coming.parent.rmdir()

    def _on_disk(self) -> list[str]:
        with contextlib.suppress(OSError), os.scandir(self.folder) as entries:
            return sorted(
                entry.name for entry in entries if entry.is_dir(follow_symlinks=False) and can_be_shown(entry.name)
            )
        return []

    def _all(self) -> list[os.DirEntry[str]]:
        found: list[os.DirEntry[str]] = []
        for label in self.classes:
            with contextlib.suppress(OSError), os.scandir(self.folder / label) as entries:
                found += [entry for entry in entries if _counts(entry)]
        return found

    def _sweep(self) -> None:
        """Remove what a kernel that was killed has left half-written."""
        for path in (self.folder / COMING).glob("*.part"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > OLD:
                    path.unlink()


def _counts(entry: os.DirEntry[str]) -> bool:
    return entry.is_file(follow_symlinks=False) and can_be_shown(entry.name)


def _same(shown: str, there: Path, label: str) -> Problem:
    where = f"{there.parent.name}/{there.name}"
    if there.parent.name == label:
        return Problem(shown, f"the same picture is here already, as {where}", NOTHING_TO_DO)
    return Problem(
        shown,
        f"the same picture is in another class, as {where}",
        f"if it shows {label}, remove it there, then drop it again",
    )
