"""On what the figures were measured: processor, threads, versions, and how busy the machine was with other things.

machine(), versions()           # dicts of text
busy()                          # share of all cores that were at work during half a second, 0 to 1
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

PACKAGES = ("torch", "torchvision", "numpy", "pillow", "fastai", "keras")


def machine() -> dict[str, str]:
    """Processor, cores, memory, system, GPU, and a precision that was asked for in the environment."""
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    asked = {name: os.environ[name] for name in ("COURSE_PRECISION",) if name in os.environ}
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "threads": str(torch.get_num_threads()),
        "memory": _memory(),
        "system": f"{platform.system()} {platform.machine()}",
        "GPU": gpu,
        **asked,
    }


def versions() -> dict[str, str]:
    """Python and the packages that take part; those that are not installed are left out."""
    found = {"Python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def commit() -> str:
    """The course's commit, with a plus sign where files were changed since; empty outside of a git checkout."""
    root = Path(__file__).parent.parent
    said = [
        subprocess.run(["git", *words], cwd=root, capture_output=True, text=True)
        for words in (("rev-parse", "--short", "HEAD"), ("status", "--porcelain", "course_lib"))
    ]
    if any(done.returncode for done in said):
        return ""
    return said[0].stdout.strip() + ("+" if said[1].stdout.strip() else "")


def busy(seconds: float = 0.5) -> float | None:
    """Share of all cores that were at work in a stretch of time in which this process sleeps; None where it cannot be read."""
    before = _ticks()
    time.sleep(seconds)
    after = _ticks()
    if before is None or after is None or after[1] == before[1]:
        return None
    return (after[0] - before[0]) / (after[1] - before[1])


def _ticks() -> tuple[int, int] | None:
    """Ticks at work, and all ticks, summed over the cores."""
    try:
        numbers = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    except (OSError, ValueError, IndexError):
        return None
    idle = numbers[3] + numbers[4]
    return sum(numbers) - idle, sum(numbers)


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or "unknown"
    name = re.search(r"model name\s*:\s*(.+)", text)
    flags = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if re.search(rf"\b{flag}\b", text)]
    return f"{name.group(1).strip() if name else platform.processor()} ({', '.join(flags) or 'no vector flags known'})"


def _memory() -> str:
    if sys.platform == "win32":
        return "unknown"
    return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB"
