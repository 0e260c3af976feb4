"""Results of runs, each under the hash of its settings: the same run is not done twice.

result = kept(settings) or keep(settings, {"accuracy": 0.83})

Sweeps keep theirs in the same way, in folders of their own (sweeps/task.py).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..paths import atomic, cache_dir

HOME = Path(__file__).resolve().parent.parent
APART = (  # what shows, checks, plans or carries results and does not change them; all else is training code
    "__init__",
    "cli",
    "doctor",
    "downloads",
    "domains",
    "errors",
    "exercises",
    "experiments",
    "export",
    "handover",
    "inside_pictures",
    "intervals",
    "landscape",
    "lesson_errors",
    "lessons",
    "page_style",
    "paths",
    "pictures",
    "plots",
    "pretrain",
    "progress",
    "ranking",
    "results",
    "slides",
    "sources",
    "sweeps",
    "tables",
    "taking_home",
    "telling",
    "upbringings",
    "widgets",
)


def kept(settings: dict[str, Any]) -> dict[str, Any] | None:
    """The result of an earlier run with these settings and this training code, or None."""
    record = read(_path(settings))
    return record.get("result") if record else None


def keep(settings: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """Write a result down and give it back."""
    write(_path(settings), {"settings": settings, "result": result})
    return result


def address(settings: dict[str, Any]) -> str:
    """SHA-256 of settings (JSON values, keys in any order) and of the training code, in hexadecimal digits."""
    text = json.dumps({**settings, "code": _code()}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def read(path: Path) -> dict[str, Any] | None:
    """What a file holds; None if there is no such file, or what it holds is damaged."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def write(path: Path, record: dict[str, Any]) -> None:
    """Write a record as JSON, whole or not at all. Raises `CourseError` where this folder cannot be written."""
    with atomic(path) as file:
        file.write(json.dumps(record).encode())


def code_in(folder: Path, apart: Collection[str] = ()) -> str:
    """SHA-256 of the modules below a folder, with their names, but for the modules and folders in it named in `apart`."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        name = file.relative_to(folder).as_posix()
        if name.partition("/")[0].removesuffix(".py") not in apart:
            digest.update(f"{name} {file.stat().st_size}\n".encode() + file.read_bytes())
    return digest.hexdigest()


def _path(settings: dict[str, Any]) -> Path:
    return cache_dir() / "runs" / f"{address(settings)}.json"


@lru_cache(maxsize=1)
def _code() -> str:
    """SHA-256 of the training code: a result of other code is not a result of this one."""
    return code_in(HOME, APART)
