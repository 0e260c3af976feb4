"""PictureDrop: your own pictures, dropped on the notebook or taken with the camera, become a folder of class folders.

    drop = PictureDrop("my_pictures", classes=("cat", "dog"))
    drop                                    # drop files, folders or a zip; choose them; take them with the camera
    photos = cl.load_images(drop.folder)
    drop.counts                             # {"cat": 12, "dog": 9}
    drop.problems                           # files that were left out: file, reason, remedy
    drop.add("rex.jpg", label="dog")        # the same from code

Each file is looked at before it is kept (drop_folder.py). Pictures that are in the folder already are shown, so a kernel that
restarts loses nothing. They stay on the machine that the kernel runs on.
"""

from __future__ import annotations

import contextlib
import io
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from .. import plots
from ..errors import CourseError
from ..pictures.found import Problem, printable
from ..pictures.reading import read_picture
from .answering import words_picture
from .drop_folder import DropFolder
from .dropped_zip import is_zip, unzipped
from .incoming import File, Receiving, receiving_front

THUMB = 96  # pixels, of the small pictures in the widget
NAMED = 500  # pictures of a class that the page gets by name; more are counted
TOLD = 200  # problems that the page lists; more are counted
PAUSE = 0.3  # seconds between two updates of the page while files come
ASKED = 120  # thumbnails in one request


class PictureDrop(Receiving):
    """Class folders that are filled from the page.

    Arguments:
        folder: where pictures go, seen from the notebook's folder; made when the first one comes.
        classes: names to begin with; more can be added in the widget. Those in the folder already are there in any case.

    Attributes:
        folder: absolute path, for `cl.load_images`. counts: class -> number of pictures.
        problems: files that were left out since the widget was made.

    Raises `CourseError` where `folder` is a file.
    """

    _esm, _css = receiving_front("picture_drop", "camera")
    commands = ("add_class", "rename_class", "remove_class", "remove", "undo", "thumbs", "cancel", "unreadable")
    larger: Mapping[str, int] = {".zip": 300_000_000}
    _timer: threading.Timer | None = None  # of the next update of the page

    def __init__(self, folder: str | Path = "my_pictures", classes: Sequence[str] = ()) -> None:
        if isinstance(classes, str) or not all(isinstance(name, str) for name in classes):
            raise CourseError(f"classes: a list of names is needed, such as ('cat', 'dog'); received {classes!r}.")
        self._files = DropFolder(folder, classes)
        self._problems: list[Problem] = []
        self._lock = threading.RLock()  # of the files: code adds in its own thread, the page in the worker's
        self._told = 0.0  # when the page was last told
        self._thumbs: dict[tuple[str, int], bytes | None] = {}
        super().__init__()
        self._tell()

    @property
    def folder(self) -> Path:
        """The folder of class folders, absolute."""
        return self._files.folder

    @property
    def counts(self) -> dict[str, int]:
        """Pictures of each class, as they are on the disk now."""
        with self._lock:
            return self._files.counts

    @property
    def problems(self) -> list[Problem]:
        """Files that were left out, each with a reason and what to do."""
        return list(self._problems)

    @property
    def _left_out(self) -> int:
        return sum(problem.count for problem in self._problems)

    def add(self, picture: str | Path | bytes, name: str | None = None, label: str | None = None) -> list[str]:
        """Add a file from code, as a drop does: a picture of the class `label`, or a zip with class folders.

        Arguments:
            picture: a path, or the bytes of the file, which then need a `name`.

        Returns the names that were given, relative to the folder; what was left out is in `problems`.
        Raises `CourseError` where the file cannot be read, or a picture comes without a class.
        """
        if isinstance(picture, bytes):
            data, name = picture, name or "picture"
        else:
            try:
                data, name = Path(picture).expanduser().read_bytes(), name or Path(picture).name
            except OSError as error:
                raise CourseError(f"{picture} could not be read ({error.strerror}). Check the path.") from error
        most = self._limit(name)
        if len(data) > most:
            raise CourseError(f"{printable(name)} has {len(data) / 1e6:,.0f} MB; up to {most / 1e6:,.0f} MB are taken.")
        if label is None and not is_zip(name):
            raise CourseError(f"{printable(name)}: say which class it shows, as in add(picture, label='cat').")
        kept = self._keep(File(name, label or "", data))
        self.worker.ask(self._tell)
        return kept

    def arrived(self, file: File) -> str:
        """Keep a file from the page; a sentence where it was left out."""
        before = len(self._problems)
        self._keep(file, self._meanwhile)
        self._soon()
        new = self._problems[before:]
        return (
            f"{new[0].reason}; {new[0].remedy}"
            if len(new) == 1
            else f"{len(new)} files of it were left out"
            if new
            else ""
        )

    def refused(self, name: str, label: str, why: str) -> None:
        """Note a file that did not come completely."""
        self._leave_out(Problem(printable(name), why, "drop it again, or copy it into the folder yourself"))
        self._soon()

    def add_class(self, name: str) -> None:
        """Add a class."""
        self._change(self._files.add_class, name)

    def rename_class(self, old: str, new: str) -> None:
        """Give a class another name; its folder is renamed."""
        self._change(self._files.rename_class, old, new)

    def remove_class(self, name: str) -> None:
        """Remove a class that has no pictures."""
        self._change(self._files.remove_class, name)

    def remove(self, label: str, name: str) -> None:
        """Take a picture out of its class; `undo` brings it back."""
        self._change(self._files.remove, label, name)

    def undo(self) -> None:
        """Put the picture back that was removed last."""
        self._change(self._files.undo)

    def thumbs(self, wanted: Sequence[Sequence[str]]) -> None:
        """Send small pictures to the page: pairs of class and name."""
        for label, name in list(wanted)[:ASKED]:
            self.worker.ask(lambda label=label, name=name: self._send_thumb(label, name))

    def sentence(self) -> str:
        """How many pictures each class has, and how many files were left out."""
        counts, left = self.counts, self._left_out
        said = ", ".join(f"{name}: {_many(count, 'picture')}" for name, count in counts.items()) or "No class yet"
        return said + (f"; {_many(left, 'file')} left out." if left else ".")

    def picture(self) -> plots.Picture:
        """The newest pictures of each class, for pages without a kernel; in words where there are none."""
        with self._lock:
            shown = {name: self._files.pictures(name)[:8] for name in self._files.classes}
            tiles = {
                name: [t for t in (self._thumb(name, file) for file in files) if t] for name, files in shown.items()
            }
        tiles = {name: found for name, found in tiles.items() if found}
        if not tiles:
            lines = [
                ("Your own pictures", "bold"),
                (self.sentence(), "plain"),
                ("Drop pictures here in JupyterLab.", "soft"),
            ]
            return words_picture(lines, f"A place to drop pictures. {self.sentence()}")
        fig, axes = plots.figure(7.6, 0.95 * len(tiles) + 0.1, len(tiles), 8)
        for row, (name, found) in zip(axes, tiles.items(), strict=True):
            for axis in row:
                axis.axis("off")
            for axis, data in zip(row, found, strict=False):
                axis.imshow(Image.open(io.BytesIO(data)))
            words = f"{printable(name)[:18]}\n{self.counts[name]}".replace("$", r"\$")
            row[0].text(-0.1, 0.5, words, ha="right", va="center", transform=row[0].transAxes)
        return plots.Picture(fig, f"The newest pictures of each class. {self.sentence()}")

    def close(self) -> None:
        """Give up what is under way, and take the widget off the page; what is in the folder stays."""
        if self._timer is not None:
            self._timer.cancel()
        super().close()

    def _limit(self, name: str) -> int:
        return next((most for end, most in self.larger.items() if name.lower().endswith(end)), self.largest)

    def _change(self, what: Any, *arguments: str) -> None:
        """Change the folder in the calling thread, so that an error is answered at once, and show it."""
        with self._lock:
            what(*arguments)
        self.worker.ask(self._tell)

    def _keep(self, file: File, meanwhile: Callable[[], None] | None = None) -> list[str]:
        """Keep a picture, or those of a zip; `meanwhile` is called after each of these."""
        if not is_zip(file.name):
            if not file.label.strip():
                self._leave_out(Problem(printable(file.name), "it came without a class", "drop it on a class"))
                return []
            return self._keep_one(file)
        kept: list[str] = []
        for found in unzipped(file, self.largest):
            if isinstance(found, Problem):
                self._leave_out(found)
            else:
                shown, inner = found
                kept += self._keep_one(inner, shown)
            if meanwhile is not None:
                meanwhile()
        return kept

    def _keep_one(self, file: File, shown: str = "") -> list[str]:
        with self._lock:
            kept = self._files.keep(file.data, file.name, file.label)
            if isinstance(kept, Problem):
                self._leave_out(kept._replace(file=shown or kept.file))
                return []
            return [f"{kept.parent.name}/{kept.name}"]

    def _leave_out(self, problem: Problem) -> None:
        with self._lock:
            self._problems.append(problem)

    def _meanwhile(self) -> None:
        """In the worker's thread, which would not come to what `_soon` asks for: show how far a long zip is."""
        if time.monotonic() - self._told >= PAUSE:
            self._tell()

    def _soon(self) -> None:
        """Show what there is, at most every `PAUSE` seconds: hundreds of files come one after the other."""
        if self._timer is not None:
            return
        rest = self._told + PAUSE - time.monotonic()
        if rest <= 0:
            self._tell()
            return
        self._timer = threading.Timer(rest, lambda: self.worker.ask(self._tell))
        self._timer.daemon = True
        self._timer.start()

    def _tell(self) -> None:
        """Write what the page shows."""
        self._timer, self._told = None, time.monotonic()
        with self._lock:
            classes = [
                {"name": name, "count": len(files), "files": files[:NAMED]}
                for name in self._files.classes
                for files in (self._files.pictures(name),)
            ]
            problems = [list(problem[:3]) for problem in self._problems[-TOLD:]][::-1]
        self.live.show(
            status=self.sentence(), classes=classes, problems=problems, left_out=self._left_out,
            undo=self._files.removed, folder=_near(self.folder),
        )  # fmt: skip

    def _send_thumb(self, label: str, name: str) -> None:
        with self._lock, contextlib.suppress(CourseError):
            data = self._thumb(label, name)
            self.send({"thumb": [label, name], "readable": data is not None}, buffers=[data] if data else None)

    def _thumb(self, label: str, name: str) -> bytes | None:
        """A small JPEG of a picture; None where its file holds none, which is then a problem."""
        path = self._files.path(label, name)
        try:
            key = (str(path), path.stat().st_mtime_ns)
        except OSError:  # gone meanwhile
            return None
        if key not in self._thumbs:
            read = read_picture(path, THUMB)
            if read.pixels is None:
                self._leave_out(Problem(f"{label}/{name}", read.reason or "no picture", read.remedy or "remove it"))
                self._soon()
                self._thumbs[key] = None
            else:
                buffer = io.BytesIO()
                Image.fromarray(read.pixels).save(buffer, "JPEG", quality=82)
                self._thumbs[key] = buffer.getvalue()
        return self._thumbs[key]


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _near(path: Path) -> str:
    """A path as seen from here, where that is shorter."""
    return printable(os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path))
