"""The shelf of decoded pictures (kept.py) as a whole: room for more, what was used last, whether all is as it was written.

if make_room(needed, key): ...
check_index(pictures_dir() / f"{key}.json")
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path

from ..cache.memory import SHARE, limit
from ..tensor_files import DamagedFile
from .kept import is_written, open_kept, pictures_dir


def touch(key: str) -> None:
    """Note that the pictures of a key were used now: the longest unused ones give way first."""
    with contextlib.suppress(OSError):
        os.utime(pictures_dir() / f"{key}.json")


def check_index(path: Path) -> None:
    """Read all pixels that an index (KEY.json) speaks of. Raises `DamagedFile` where they are not what was written."""
    if path.name.startswith("duplicates-"):
        json.loads(path.read_text(encoding="utf-8"))
        return
    facts = json.loads(path.read_text(encoding="utf-8").split("\n")[0])
    kept = open_kept(facts["key"], facts["size"])
    if kept is None:
        raise DamagedFile(f"{path.name} is cut off, or its pixels are")
    bad = sum(row.reason is None and kept.pixels(row) is None for row in kept.rows)
    if bad:
        raise DamagedFile(f"{bad:,} of the pictures in {facts['pixels']} are not what was written")


def make_room(size: int, key: str) -> bool:
    """Remove pictures that were not used for the longest time, until `size` bytes more may be written; whether there is room.

    All together may take 40 % of the disk that they do not share with other things, and COURSE_CACHE_DISK. Those of `key`
    stay, as they are what is copied from.
    """
    root = pictures_dir()
    used = {path.name[:32]: path.stat().st_mtime for path in root.glob("*.json")} if root.is_dir() else {}
    sizes: dict[str, int] = {}
    for path in root.iterdir() if root.is_dir() else ():
        name = path.name.lstrip(".")[:32]
        sizes[name] = sizes.get(name, 0) + path.lstat().st_size
    there = next(path for path in (root.absolute(), *root.absolute().parents) if path.exists())
    allowed = min(limit("DISK"), SHARE * (shutil.disk_usage(there).free + sum(sizes.values())))
    if sizes.get(key, 0) + size > allowed:
        return False
    for name in sorted(sizes, key=lambda name: used.get(name, 0.0)):
        if sum(sizes.values()) + size <= allowed:
            break
        if name != key and not any(map(is_written, root.glob(f".{name}*.part"))):
            for path in [*root.glob(f"{name}*"), *root.glob(f".{name}*")]:
                with contextlib.suppress(OSError):
                    path.unlink()
            del sizes[name]
    return True
