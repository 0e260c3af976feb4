"""The cache of drawn images: one file for each request, `dogworld/KEY.npz` in the course's cache folder.

    remember(request, images)
    images = recall(request, shape)          # None when there is no such file, or it is damaged

The key holds the request and the source code of this package, so a changed pen never finds old pictures.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import torch

from ...errors import CourseError
from ...paths import atomic, cache_dir

VERSION = 1


@cache
def _source() -> str:
    """SHA-256 of this package's code."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


def file_of(request: Mapping[str, str | int]) -> Path:
    """Where the images of a request are kept."""
    text = json.dumps({"version": VERSION, "source": _source(), **request}, sort_keys=True)
    return cache_dir() / "dogworld" / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.npz"


def recall(request: Mapping[str, str | int], shape: tuple[int, ...]) -> torch.Tensor | None:
    """The images of a request (uint8 of this shape) if they were drawn before; None if not, or if the file is damaged."""
    try:
        with np.load(file_of(request), allow_pickle=False) as found:
            images = found["images"]  # the zip's own checksum is compared while reading
    except Exception:  # a damaged zip can fail in a dozen ways; whatever it was, the images are drawn again
        return None
    return torch.from_numpy(images) if images.shape == shape and images.dtype == np.uint8 else None


def remember(request: Mapping[str, str | int], images: torch.Tensor) -> None:
    """Keep the images of a request. Where the folder cannot be written, warn and go on: they can be drawn again."""
    try:
        with atomic(file_of(request)) as file:
            np.savez(file, images=images.numpy())
    except (CourseError, OSError) as error:
        warnings.warn(f"The drawn dogs were not kept for the next time. {error}", stacklevel=3)
