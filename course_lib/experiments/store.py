"""Results of runs, each under the hash of its settings: the same run is not done twice.

result = kept(settings) or keep(settings, {"accuracy": 0.83})
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..paths import atomic, cache_dir

CORE = (
    "augment",
    "blocks",
    "evaluation",
    "images",
    "models",
    "network",
    "pawnet",
    "remember",
    "stage",
    "train",
    "weights",
)


def kept(settings: dict[str, Any]) -> dict[str, Any] | None:
    """The result of an earlier run with these settings and this training code, or None."""
    try:
        return json.loads(_path(settings).read_text())["result"]
    except (OSError, ValueError, KeyError):
        return None


def keep(settings: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """Write a result down and give it back."""
    with atomic(_path(settings)) as file:
        file.write(json.dumps({"settings": settings, "result": result}).encode())
    return result


def _path(settings: dict[str, Any]) -> Path:
    text = json.dumps({**settings, "code": _code()}, sort_keys=True)
    return cache_dir() / "runs" / f"{hashlib.sha256(text.encode()).hexdigest()}.json"


@lru_cache(maxsize=1)
def _code() -> str:
    """SHA-256 of the training code: a result of other code is not a result of this one."""
    home = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for name in CORE:
        digest.update((home / f"{name}.py").read_bytes())
    return digest.hexdigest()
