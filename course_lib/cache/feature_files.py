"""Features on disk: a folder for each key, and in it files that never change, each with some rows of the image set.

    add(key, rows, values, facts)                     # one more file
    for rows, values, facts in read(key, seen): ...   # all files that were not seen before

A file is complete or not there, and nothing is ever written into one that is there. So two processes may fill one key at
a time, in any order, and lose nothing: both add files, and a row that stands in two of them has the same bits in both.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import shutil
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import torch

from ..paths import cache_dir
from ..tensor_files import DamagedFile, check_file, open_tensors, write_tensors
from .memory import SHARE, limit

SEGMENT = 32_000_000  # bytes of values in a file, about
MINUTE, DAY = 60.0, 86400.0


def features_dir() -> Path:
    """Folder of the features on disk; safe to delete at any time."""
    return cache_dir() / "features"


def folder_of(key: str) -> Path:
    """Folder of the files of a key."""
    return features_dir() / key[:32]


def add(key: str, rows: torch.Tensor, values: torch.Tensor, facts: dict[str, Any]) -> Path:
    """Write some rows of a key: rows int64 n, values n,D. Raises `CourseError` where this cannot be done."""
    remove_leftovers(features_dir())
    rows = rows.contiguous()
    # The same rows have the same values, so they are the same file.
    name = hashlib.sha256(rows.numpy().data).hexdigest()[:32]
    path = folder_of(key) / f"{name}.safetensors"
    write_tensors(path, {"rows": rows, "values": values}, {"key": key, **facts})
    return path


def look(key: str) -> tuple[tuple[int, ...], torch.dtype] | None:
    """Shape and dtype of the features of a row, as the first file of a key says; None where there is none."""
    for path in sorted(folder_of(key).glob("*.safetensors")):
        with _damaged_removed(path):
            _, values, facts = open_features(path)
            return tuple(facts["shape"]), values.dtype
    return None


def read(
    key: str, count: int, shape: tuple[int, ...], dtype: torch.dtype, seen: set[str], check: bool
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The files of a key whose names are not in `seen` yet, opened as mappings: rows int64 n, values n,D.

    A file that is damaged, or holds something else, is removed: its rows are worked out again.

    Arguments:
        count: rows of the image set.
        shape, dtype: of the features of a row.
        check: compare the checksums, for which all bytes are read.
    """
    for path in sorted(folder_of(key).glob("*.safetensors")):
        if path.name in seen:
            continue
        seen.add(path.name)
        with _damaged_removed(path):
            if check:
                check_file(path)
            rows, values, facts = open_features(path)
            if (facts["key"], facts["count"], tuple(facts["shape"]), values.dtype) != (key, count, shape, dtype):
                raise DamagedFile(f"{path.name} holds features of something else")
            yield rows, values


def open_features(path: Path) -> tuple[torch.Tensor, torch.Tensor, dict[str, Any]]:
    """Rows, values and facts of a file, as mappings. Raises `OSError`, or `DamagedFile` where they do not fit together."""
    tensors, facts = open_tensors(path)
    try:
        rows, values = tensors["rows"], tensors["values"]
        good = rows.dtype == torch.int64 and values.shape == (len(rows), math.prod(facts["shape"]))
        good = good and (not len(rows) or 0 <= int(rows.min()) <= int(rows.max()) < facts["count"])
        good = good and {"key", "images", "features"} <= facts.keys()
    except (KeyError, TypeError, AttributeError) as error:
        raise DamagedFile(f"{path.name} holds no features") from error
    if not good:
        raise DamagedFile(f"{path.name} holds rows that do not fit together")
    return rows, values, facts


def touch(key: str) -> None:
    """Note that the features of a key were used now: the longest unused ones give way first."""
    with contextlib.suppress(OSError):
        os.utime(folder_of(key))


def make_room(size: int, keep: Collection[str] = ()) -> bool:
    """Remove the features that were not used for the longest time, until `size` bytes more may be written.

    All features together may take 40 % of the disk that they do not share with other things, and COURSE_CACHE_DISK.

    Arguments:
        keep: keys that stay.

    Returns whether there is room; where there would be none, nothing is removed.
    """
    root = features_dir()
    folders = [path for path in root.iterdir() if path.is_dir() and not path.is_symlink()] if root.is_dir() else []
    sizes = {folder: folder_bytes(folder) for folder in sorted(folders, key=_last_used)}
    there = next(path for path in (root.absolute(), *root.absolute().parents) if path.exists())
    allowed = min(limit("DISK"), SHARE * (shutil.disk_usage(there).free + sum(sizes.values())))
    kept = {folder_of(key) for key in keep}
    if sum(taken for folder, taken in sizes.items() if folder in kept) + size > allowed:
        return False
    for folder in [folder for folder in sizes if folder not in kept]:
        if sum(sizes.values()) + size <= allowed:
            break
        shutil.rmtree(folder, ignore_errors=True)
        del sizes[folder]
    return True


def folder_bytes(folder: Path) -> int:
    """Bytes of all files in a folder and below; links are not followed."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # removed by another process meanwhile
                total += os.lstat(os.path.join(parent, name)).st_size
    return total


def remove_leftovers(folder: Path) -> int:
    """Remove what processes that were killed had begun to write (see `paths.atomic`); how many bytes that frees.

    The folder may be shared between machines, where a process cannot be asked for: what was written to in the last
    minute stays, and what was not for a day goes in any case.
    """
    freed = 0
    for path in folder.rglob(".*.part"):
        with contextlib.suppress(OSError, ValueError):  # ValueError: the name holds no process
            found = path.lstat()
            age = time.time() - found.st_mtime
            if age > DAY or (age > MINUTE and not process_runs(int(path.name.split(".")[-2]))):
                path.unlink()
                freed += found.st_size
    return freed


@contextlib.contextmanager
def _damaged_removed(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:  # another process made room
        pass
    except (OSError, DamagedFile):
        with contextlib.suppress(OSError):
            path.unlink()


def process_runs(process: int) -> bool:
    """Whether a process of this machine is there; on Windows, where that cannot be asked without ending it, always True."""
    if os.name == "nt":
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _last_used(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0
