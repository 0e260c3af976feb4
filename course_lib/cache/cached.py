"""What lies in the course's cache folder: looked at, checked and cleared away. The command is in command.py.

    table()                                   # a Table: what, how many rows, how large, when last used
    for path, fault in check_all(): ...       # every file is read and compared with its checksum
    clear(["features"], older_than=30)        # how much that freed

Only the folders named in `KINDS` are ever touched, and no link is followed.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import safetensors

from ..errors import CourseError
from ..paths import ROOT, cache_dir
from ..tables import Table

KINDS = {  # kind -> its folders in the cache
    "features": ("features",),
    "images": ("dogworld", "images", "photos", "pictures", "snapshots", "unzipped"),
    "runs": ("runs", "sweeps", "handover", "models"),
    "landscapes": ("landscape",),
}
DAY = 86400.0


@dataclass(frozen=True)
class Freed:
    """What was removed: files and bytes by kind; `kept` files could not be."""

    files: dict[str, int]
    bytes: int
    kept: int = 0

    def __str__(self) -> str:
        from .memory import say_bytes

        parts = [f"{_count(count)} of {kind}" for kind, count in self.files.items() if count]
        kept = f" {_count(self.kept)} could not be removed." if self.kept else ""
        return (
            f"Freed {say_bytes(self.bytes)}: {', '.join(parts)}." if parts else "There was nothing to clear."
        ) + kept


def table() -> Table:
    """What is in the cache: a line for each set of features, and one for each other folder."""
    from .memory import say_bytes

    lines, total, count = [], 0, 0
    for kind, part, files in _parts(KINDS):
        size = sum(found.st_size for found in files.values())
        used = max(found.st_mtime for found in [*files.values(), *_looked_at([part]).values()])
        what, many = _features(part) if kind == "features" else (part.name, _count(len(files)))
        lines.append([kind, what, many, say_bytes(size), datetime.fromtimestamp(used).strftime("%Y-%m-%d %H:%M")])
        total, count = total + size, count + len(files)
    caption = f"{cache_dir()}: {say_bytes(total)} in {_count(count)}"
    return Table(("kind", "what", "how many", "size", "last used"), lines, caption)


def check_all() -> Iterator[tuple[Path, str]]:
    """Read every file of the cache; yields each with what is wrong with it, or nothing."""
    for kind, _, files in _parts(KINDS):
        for path in files:
            try:
                _check(kind, path)
            except FileNotFoundError:  # another process made room
                continue
            except Exception as error:  # a damaged file can fail in a dozen ways; all of them are what was asked for
                yield path, str(error) or type(error).__name__
            else:
                yield path, ""


def clear(kinds: Sequence[str] = tuple(KINDS), older_than: float = 0.0) -> Freed:
    """Remove what is in the cache.

    Arguments:
        kinds: of `KINDS`.
        older_than: only what was not used for this many days; the features of one key go together.

    Raises `CourseError`, before anything is removed, for a cache folder that other things live in, and for a link that
    leads out of it.
    """
    _refuse_another_folder()
    before = time.time() - older_than * DAY
    doomed = []
    for kind, part, files in _parts(kinds):
        together = max(found.st_mtime for found in _looked_at([part]).values()) if kind == "features" else None
        for path, found in files.items():
            old = (found.st_mtime if together is None else together) <= before
            if (old or not older_than) and path.suffix != ".part":  # what is being written now stays
                doomed.append((kind, path, found.st_size))
    counts, freed, kept = dict.fromkeys(kinds, 0), 0, 0
    for kind, path, size in doomed:
        try:
            path.unlink()
        except FileNotFoundError:
            continue
        except OSError:
            kept += 1
        else:
            counts[kind], freed = counts[kind] + 1, freed + size
    for _, folder in _folders(kinds):
        _remove_empty(folder)
    return Freed(counts, freed, kept)


def remove_leftovers() -> int:
    """Remove what killed processes had begun to write, in all folders of the cache; how many bytes that freed."""
    from . import feature_files

    return sum(feature_files.remove_leftovers(folder) for _, folder in _folders(KINDS))


def _folders(kinds: Sequence[str]) -> Iterator[tuple[str, Path]]:
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise CourseError(f"The cache holds {', '.join(KINDS)}; received {', '.join(unknown)}.")
    for kind in kinds:
        for name in KINDS[kind]:
            folder = cache_dir() / name
            _refuse_link_out(folder)
            if folder.is_dir():
                yield kind, folder


def _parts(kinds: Sequence[str]) -> list[tuple[str, Path, dict[Path, os.stat_result]]]:
    """Kind, folder and files of all that is there: the features of each key apart, other folders as a whole."""
    found = []
    for kind, folder in _folders(kinds):
        for part in sorted(folder.iterdir()) if kind == "features" else [folder]:
            files = _looked_at(_files(part))
            if files:
                found.append((kind, part, files))
    return found


def _files(folder: Path) -> list[Path]:
    """All files in a folder and below; a link is a file that is not followed."""
    _refuse_link_out(folder)
    if folder.is_symlink() or not folder.is_dir():
        return [folder]
    found = []
    for parent, folders, names in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        found += [Path(parent, name) for name in [*names, *links]]
    for path in found:
        _refuse_link_out(path)
    return sorted(found)


def _looked_at(paths: Sequence[Path]) -> dict[Path, os.stat_result]:
    """Size and date of those files that are still there."""
    found = {}
    for path in paths:
        with contextlib.suppress(OSError):  # another process made room
            found[path] = path.lstat()
    return found


def _refuse_link_out(path: Path) -> None:
    if path.is_symlink() and not path.resolve().is_relative_to(cache_dir().resolve()):
        raise CourseError(
            f"{path} is a link to {path.resolve()}, which lies outside the cache; nothing was touched. Remove the link, or set "
            "COURSE_CACHE to the folder that you mean."
        )


def _refuse_another_folder() -> None:
    here = cache_dir().resolve()
    for name, folder in (("your home folder", Path.home()), ("the course's own folder", ROOT)):
        if folder.resolve().is_relative_to(here):
            raise CourseError(
                f"The cache folder {here} holds {name}, so nothing is removed from it. Set COURSE_CACHE to a folder of its own."
            )


def _features(folder: Path) -> tuple[str, str]:
    """What the features in a folder are of, and how many rows there are."""
    import torch

    from .feature_files import open_features

    rows, facts = [], None
    for path in folder.glob("*.safetensors"):
        try:
            found, _, facts = open_features(path)
            rows.append(found)
        except (OSError, ValueError):
            continue
    if facts is None:
        return f"not readable ({folder.name})", ""
    return _describe(facts), f"{len(torch.cat(rows).unique()):,} of {facts['count']:,} images"


def _describe(facts: dict[str, Any]) -> str:
    made = facts["features"]
    blocks, inputs = made.get("blocks", []), made.get("inputs", {})
    view = f", view {inputs['view']}" if "view" in inputs else ""
    size = " x ".join(map(str, facts["shape"]))
    number_format = str(made.get("precision", "")).removeprefix("torch.")
    return f"{facts['images']}{view}: {made.get('model')} to {blocks[-1] if blocks else '?'}, {size} {number_format}"


def _count(files: int) -> str:
    return f"{files:,} file{'' if files == 1 else 's'}"


def _check(kind: str, path: Path) -> None:
    """Raises whatever is wrong with a file; kinds of files that the course does not write are read and no more."""
    from .. import tensor_files
    from ..pictures import room
    from . import feature_files

    if path.suffix == ".safetensors" and kind == "runs":
        with safetensors.safe_open(path, "numpy") as file:
            file.keys()
    elif path.suffix == ".safetensors":
        tensor_files.check_file(path)
        _, facts = tensor_files.open_tensors(path)
        if kind == "features":
            feature_files.open_features(path)
            if not facts["key"].startswith(path.parent.name):
                raise tensor_files.DamagedFile(f"{path.name} holds features of another key")
    elif path.suffix == ".npz":
        with zipfile.ZipFile(path) as file:
            bad = file.testzip()
        if bad:
            raise tensor_files.DamagedFile(f"{bad} in it has another checksum than it had when it was written")
    elif path.suffix == ".json" and path.parent.name == "pictures":
        room.check_index(path)
    elif path.suffix == ".json":
        json.loads(path.read_text(encoding="utf-8"))
    else:
        path.read_bytes()


def _remove_empty(folder: Path) -> None:
    for parent, _, _ in os.walk(folder, topdown=False):
        try:
            os.rmdir(parent)
        except OSError:  # it holds something, or another process removed it
            continue
