"""Where the numbers are worked out: cuda, mps or cpu, and in which precision.

device = choose_device()            # or choose_device("cpu")
"""

from __future__ import annotations

import contextlib
import os
from functools import lru_cache

import torch

from .errors import CourseError

FORMATS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def choose_device(name: str | torch.device | None = None) -> torch.device:
    """The named device, or the fastest one that this machine has.

    Raises `CourseError` when the named device is not there.
    """
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise CourseError(
            f"Device {name!r} was asked for and is not at hand; use 'cpu', or None to let the course choose."
        ) from error
    return device


def precision(device: torch.device) -> torch.dtype:
    """The number format in which the blocks of a body run on a device: bfloat16 where it is faster, else float32.

    Faster means: a GPU that computes it natively, or a CPU with AVX512-BF16 or AMX instructions (measured: 1.2 to 3.4 times
    for torchvision's families; without these instructions the same is many times slower). `$COURSE_PRECISION`, `float32` or
    `bfloat16`, overrides.
    """
    chosen = os.environ.get("COURSE_PRECISION", "")
    if chosen:
        if chosen not in FORMATS:
            raise CourseError(
                f"COURSE_PRECISION={chosen!r} is not known; it is float32 (exact) or bfloat16 (faster where the device can), "
                "or not set, to let the course choose."
            )
        return FORMATS[chosen]
    fast = {"cuda": _cuda_is_fast, "cpu": _cpu_is_fast}.get(device.type, lambda: False)
    return torch.bfloat16 if fast() else torch.float32


def autocast(device: torch.device, dtype: torch.dtype | None = None) -> contextlib.AbstractContextManager:
    """A context in which a body runs in `dtype`, or in the device's own `precision` when None."""
    dtype = dtype or precision(device)
    return contextlib.nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype)


def _cuda_is_fast() -> bool:
    return torch.cuda.is_bf16_supported(including_emulation=False)


@lru_cache(maxsize=1)
def _cpu_is_fast() -> bool:
    asked = [getattr(torch.cpu, f"_is_{flag}_supported", None) for flag in ("avx512_bf16", "amx_tile")]
    return any(ask is not None and ask() for ask in asked)


def free_bytes(device: torch.device) -> int:
    """Memory that is free on a device now, in bytes; for a CPU, what the system can give without swapping."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # held by torch, free for us
        return torch.cuda.mem_get_info(device)[0] + unused
    try:
        with open("/proc/meminfo") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, ValueError, OSError):
        return 4 * 2**30  # Windows without a way to ask: what the smallest laptop has to spare
