"""Everything that lies below a folder: files, folders, and what is neither, each counted once.

    walked = walk(Path("photos"))
    walked.files               # [("cat", "a.jpg"), ...]: names below the root, sorted; regular files only
    walked.problems            # hidden files, pipes, links that lead out or in circles, folders that cannot be opened

Nothing is opened. A link to something in the folder that is not read anyway is followed, once.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import CourseError
from .found import NOTHING_TO_DO, Problems, printable

DEEPEST = 20  # folders below the root
MOST = 3_000_000  # files; more than that is a whole disk and no folder of pictures
SYSTEM = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "@eadir", "__macosx", "#recycle", "$recycle.bin"}
SYSTEM |= {"system volume information", "lost+found"}
Parts = tuple[str, ...]


@dataclass
class Walked:
    """What lies below `root`: files and folders by the names that lead to them, and problems."""

    root: Path
    files: list[Parts] = field(default_factory=list)
    folders: set[Parts] = field(default_factory=set)
    problems: Problems = field(default_factory=Problems)

    def folders_in(self, parts: Parts) -> list[str]:
        """Names of the folders directly below a folder, sorted."""
        return sorted(below[-1] for below in self.folders if below[:-1] == parts)

    def files_in(self, parts: Parts) -> list[str]:
        """Names of the files directly below a folder, sorted."""
        return [below[-1] for below in self.files if below[:-1] == parts]


def readable_name(parts: Parts) -> str:
    """The names that lead to a file, as a person can read them."""
    return printable("/".join(parts))


def is_system_name(name: str) -> bool:
    """Hidden, or left behind by a system: no reader put it there to be learned from."""
    return name.startswith(".") or name.lower() in SYSTEM


def special(mode: int) -> str:
    """What something is that is neither file, folder nor link, from its `st_mode`."""
    if stat.S_ISFIFO(mode):
        return "a pipe"
    return "a socket" if stat.S_ISSOCK(mode) else "a device"


def walk(root: Path) -> Walked:
    """List all below `root`. Raises `CourseError` where the root itself cannot be listed."""
    walked = Walked(root)
    try:
        base = os.path.realpath(root, strict=True)
        os.scandir(base).close()
    except OSError as error:
        raise CourseError(
            f"The folder {printable(str(root))} cannot be listed ({error.strerror}). Check its rights."
        ) from error
    links: list[Parts] = []
    taken: set[Parts] = {()}  # where files and folders really lie, as names below the base
    _look(walked, (), (), taken, links)
    while links:
        waiting, links = sorted(links), []
        for parts in waiting:
            _follow(walked, base, parts, taken, links)
    walked.files.sort()
    return walked


def _look(walked: Walked, parts: Parts, real: Parts, taken: set[Parts], links: list[Parts]) -> None:
    """Look into a folder and all folders in it; links are put aside."""
    pending = [(parts, real)]
    while pending:
        parts, real = pending.pop()
        try:
            with os.scandir(os.path.join(walked.root, *parts)) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            _add_unreadable(walked, parts, error)
            continue
        for entry in entries:
            below, really = (*parts, entry.name), (*real, entry.name)
            kind = _kind(entry)
            if is_system_name(entry.name):
                what = "folder" if kind == "folder" else "file"
                walked.problems.add(readable_name(below), f"a hidden or system {what}", NOTHING_TO_DO)
            elif kind == "link":
                links.append(below)
            elif really in taken:
                walked.problems.add(readable_name(below), "read already, through a link", NOTHING_TO_DO)
            elif kind == "folder" and len(below) > DEEPEST:
                reason = f"a folder more than {DEEPEST} levels deep"
                walked.problems.add(readable_name(below), reason, "move it further up")
            elif kind == "folder":
                taken.add(really)
                walked.folders.add(below)
                pending.append((below, really))
            elif kind == "file":
                _take(walked, below, really, taken)
            elif kind == "gone":
                walked.problems.add(readable_name(below), "gone while the folder was listed", "read the folder again")
            else:
                walked.problems.add(readable_name(below), f"no file but {kind}", "remove it")


def _kind(entry: os.DirEntry) -> str:
    """`link`, `folder`, `file`, `gone`, or what else it is."""
    try:
        if entry.is_symlink():
            return "link"
        if entry.is_dir(follow_symlinks=False):
            return "folder"
        if entry.is_file(follow_symlinks=False):
            return "file"
        return special(entry.stat(follow_symlinks=False).st_mode)
    except OSError:
        return "gone"


def _take(walked: Walked, parts: Parts, real: Parts, taken: set[Parts]) -> None:
    taken.add(real)
    walked.files.append(parts)
    if len(walked.files) > MOST:
        raise CourseError(
            f"{printable(str(walked.root))} holds more than {MOST:,} files. Give the folder of the pictures itself."
        )


def _follow(walked: Walked, base: str, parts: Parts, taken: set[Parts], links: list[Parts]) -> None:
    """Take what a link leads to, if that lies in the folder and was not taken yet."""
    name = readable_name(parts)
    try:
        target = Path(os.path.realpath(os.path.join(walked.root, *parts), strict=True))
        mode = target.stat().st_mode
    except OSError as error:
        circle = error.errno == errno.ELOOP
        reason = "a link that leads in a circle" if circle else "a link that leads nowhere"
        walked.problems.add(name, reason, "put the picture in its place, or remove it")
        return
    if not target.is_relative_to(base):
        walked.problems.add(name, "a link that leads out of the folder", "copy the picture in")
        return
    real = target.relative_to(base).parts
    if real in taken:
        reason = "a link to something in the folder that is read where it lies"
        walked.problems.add(name, reason, NOTHING_TO_DO)
    elif stat.S_ISDIR(mode):
        taken.add(real)
        walked.folders.add(parts)
        _look(walked, parts, real, taken, links)
    elif stat.S_ISREG(mode):
        _take(walked, parts, real, taken)
    else:
        walked.problems.add(name, f"a link to {special(mode)}", "remove it")


def _add_unreadable(walked: Walked, parts: Parts, error: OSError) -> None:
    if isinstance(error, PermissionError):
        reason, remedy = "a folder without permission to look into it", "give yourself the right to read it"
    elif isinstance(error, FileNotFoundError):
        reason, remedy = "a folder that went away while it was listed", "read the folder again"
    else:
        reason, remedy = f"a folder that cannot be listed ({error.strerror})", "check the disk, or move it further up"
    walked.problems.add(readable_name(parts) or ".", reason, remedy)
