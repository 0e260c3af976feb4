"""How much may be kept where, and how to go on when a device has no memory left.

    if fits(size, torch.device("cuda"), used): ...        # under 40 % of what is free, and within the reader's limit
    for part, scores in in_parts(run, rows): ...          # run(part) on 64 rows at a time, on fewer where they are too many

A reader's limits are environment variables: COURSE_CACHE_GPU, COURSE_CACHE_RAM and COURSE_CACHE_DISK, each a size such as
`2GB`. They hold for what is remembered of one set of images (on disk: of all), on top of the share of what is free. 0
switches a place off.
"""

from __future__ import annotations

import gc
import math
import os
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Literal, TypeVar

import torch

from ..devices import free_bytes
from ..errors import CourseError

SHARE = 0.4  # of what is free: the most that one thing may take
PART = 64  # rows at a time
UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
Place = Literal["GPU", "RAM", "DISK"]
Result = TypeVar("Result")


def limit(place: Place) -> float:
    """The reader's limit on a place, in bytes; infinite where none is set. Raises `CourseError` for what is no size."""
    text = os.environ.get(f"COURSE_CACHE_{place}", "").strip()
    if not text:
        return math.inf
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT]?)B?", text.upper())
    if found is None:
        raise CourseError(
            f"COURSE_CACHE_{place}={text!r} is no size; write it as bytes or with a unit, such as 2GB or 500MB, or 0 for none."
        )
    return float(found[1]) * UNITS[found[2]]


def fits(size: int, device: torch.device, used: int = 0) -> bool:
    """Whether `size` bytes may be taken on a device, next to `used` bytes that things of the same kind take there."""
    return size < SHARE * free_bytes(device) and size + used <= limit("RAM" if device.type == "cpu" else "GPU")


def say_bytes(size: float) -> str:
    """A size in words: 812 bytes, 62 KB, 1.4 MB."""
    power = 0
    while size >= 999.5 and power < 4:
        size, power = size / 1000, power + 1
    return f"{size:.{int(size < 9.95 and power > 0)}f} {('bytes', 'KB', 'MB', 'GB', 'TB')[power]}"


def in_parts(
    run: Callable[[torch.Tensor], Result], rows: torch.Tensor, device: torch.device, size: int = PART
) -> Iterator[tuple[torch.Tensor, Result]]:
    """Run a function on rows, `size` at a time; yields (rows of the part, what it gave).

    Where the device has no memory for a part, what can be freed is freed and the part is halved, with a warning that says
    so. Raises `CourseError` where it has none for a single row.
    """
    start = 0
    while start < len(rows):
        part = rows[start : start + size]
        try:
            result = run(part)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            failed = str(error).split("\n")[0]
        else:
            start += len(part)
            yield part, result
            continue
        # Only here, as the error's traceback holds what the failed call had made until then.
        release(device)
        if len(part) == 1:
            raise CourseError(
                f"The device {device} has no memory for one single image ({failed}). Close other programs, take smaller images or a "
                "smaller network, or use device='cpu'."
            )
        size = len(part) // 2
        warnings.warn(
            f"The device {device} ran out of memory with {len(part)} images at a time; going on with {size}.",
            stacklevel=2,
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device, or the machine, has no memory left."""
    text = str(error)
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in text or "out of memory" in text


def release(device: torch.device) -> None:
    """Give back memory that a device holds and nobody uses."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
