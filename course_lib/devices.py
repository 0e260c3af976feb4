"""Where the numbers are worked out: cuda, mps or cpu, and in which precision.

device = choose_device()            # or choose_device("cpu")
"""

from __future__ import annotations

import contextlib
import os

import torch

from .errors import CourseError


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


def autocast(device: torch.device) -> contextlib.AbstractContextManager:
    """bfloat16 where the GPU computes it natively; float32 everywhere else (exact, and repeatable between CPUs)."""
    fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.autocast("cuda", torch.bfloat16) if fast else contextlib.nullcontext()


def free_bytes(device: torch.device) -> int:
    """Memory that is free on a device now, in bytes; for a CPU, what the system can give without swapping."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        with open("/proc/meminfo") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, ValueError, OSError):
        return 4 * 2**30  # Windows without a way to ask: what the smallest laptop has to spare
