"""What this machine has for the course, in plain words: `course doctor`.

for check in checks(out):
    print(check.state, check.text, check.remedy)      # ok, warning or missing; and what to do about it
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .paths import cache_dir, weights_dir

PYTHON, TORCH = (3, 11), (2, 6)
FREE_GB, MEMORY_GB = 2, 4  # below these a lesson may fail
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")


@dataclass(frozen=True)
class Check:
    """One line of the report. `missing` means that lessons cannot run until `remedy` is followed."""

    name: str
    state: str  # "ok", "warning" or "missing"
    text: str
    remedy: str = ""


def checks(out: Path) -> Iterator[Check]:
    """Look at this machine; `out` is the folder that `course run` writes to. Nothing is installed, nothing is kept."""
    yield _python()
    yield _package("torch", TORCH)
    yield _package("torchvision")
    yield _device()
    yield _memory()
    yield _disk()
    yield _writable(
        "cache", cache_dir(), "Set the environment variable COURSE_CACHE to a folder that you may write to."
    )
    yield _writable("pages", out, "Choose a folder that you may write to: course run --out FOLDER.")
    yield _weights()
    yield _package("anywidget")
    yield _package("jupyterlab")
    yield _kernel()
    yield _browser()


def device() -> str:
    """What computes here, in words: the GPU's name and memory, `Apple GPU`, or the number of CPU cores."""
    import torch

    if torch.cuda.is_available():
        gpu = torch.cuda.get_device_properties(0)
        return f"{gpu.name}, {gpu.total_memory / 2**30:.0f} GB"
    cores = cores_here()
    cpu = f"CPU, {cores} core{'s' if cores > 1 else ''}"
    return f"Apple GPU ({cpu})" if torch.backends.mps.is_available() else cpu


def cores_here() -> int:
    """How many cores this process may use; a container or a batch system may allow fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def version(package: str) -> str | None:
    """The installed version of a package, read without importing it."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def kernel_problem() -> str | None:
    """Why the kernel `python3` would not run this very Python with this very course, or None if it does."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        command = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except NoSuchKernel:
        return "there is no Jupyter kernel named python3"
    if Path(command).name == command:  # a bare `python`: jupyter replaces it by the Python that starts the kernel
        return None
    return (
        None
        if _environment(command) == _environment(sys.executable)
        else f"the kernel python3 runs another Python, {command}"
    )


def _environment(python: str) -> Path:
    """The folder that holds an interpreter; not resolved, as a virtual environment's python is a link to another one."""
    return Path(os.path.abspath(python)).parent


def _python() -> Check:
    text = f"Python {platform.python_version()} ({sys.executable})"
    if sys.version_info[:2] < PYTHON:
        return Check("Python", "missing", text, f"Install Python {PYTHON[0]}.{PYTHON[1]} or newer.")
    return Check("Python", "ok", text)


def _package(name: str, minimum: tuple[int, int] | None = None) -> Check:
    found = version(name)
    if found is None:
        return Check(name, "missing", f"{name} is not installed", "Run: pip install -e . (in the course's folder)")
    numbers = tuple(int(part) for part in found.split("+")[0].split(".")[:2])
    if minimum and numbers < minimum:
        wanted = ".".join(map(str, minimum))
        return Check(name, "missing", f"{name} {found} is too old", f'Run: pip install "{name}>={wanted}"')
    return Check(name, "ok", f"{name} {found}")


def _device() -> Check:
    try:
        return Check("device", "ok", f"Lessons compute on: {device()}")
    except Exception as error:  # a broken torch raises ImportError, OSError, RuntimeError ...
        return Check("device", "missing", f"torch does not start ({error})", "Install torch again for this machine.")


def _memory() -> Check:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return Check("memory", "ok", f"Memory: not known here; {MEMORY_GB} GB are enough")
    if size < MEMORY_GB * 0.9:  # a 4 GB machine shows a little less
        return Check(
            "memory", "warning", f"Memory: {size:.1f} GB", f"{MEMORY_GB} GB are advised; close other programs."
        )
    return Check("memory", "ok", f"Memory: {size:.1f} GB")


def _disk() -> Check:
    folder = _existing(cache_dir())
    free = shutil.disk_usage(folder).free / 2**30
    if free < FREE_GB:
        remedy = "Free some space, or set the environment variable COURSE_CACHE to a folder on another disk."
        return Check("disk", "warning", f"Only {free:.1f} GB free for {cache_dir()}", remedy)
    return Check("disk", "ok", f"{free:.0f} GB free for {cache_dir()}")


def _writable(name: str, folder: Path, remedy: str) -> Check:
    if os.access(_existing(folder), os.W_OK | os.X_OK):
        return Check(name, "ok", f"{folder} can be written")
    return Check(name, "missing", f"{folder} cannot be written", remedy)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    folder = folder.absolute()
    return next(path for path in (folder, *folder.parents) if path.exists())


def _weights() -> Check:
    nets = sorted(path.stem for path in weights_dir().glob("*.safetensors"))
    if not nets:
        remedy = "Get the whole repository again, or train them: course pretrain NAME."
        return Check("weights", "missing", f"No pretrained nets in {weights_dir()}", remedy)
    return Check("weights", "ok", f"{len(nets)} pretrained nets: {', '.join(nets)}")


def _kernel() -> Check:
    if version("ipykernel") is None:
        return Check(
            "kernel", "missing", "ipykernel is not installed", "Run: pip install -e . (in the course's folder)"
        )
    problem = kernel_problem()
    if problem:
        remedy = f"Run: {sys.executable} -m ipykernel install --sys-prefix --name python3"
        return Check("kernel", "missing", f"Jupyter: {problem}", remedy)
    return Check("kernel", "ok", "Jupyter's kernel python3 is this Python")


def _browser() -> Check:
    path = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if path is None:
        return Check(
            "browser", "warning", "No Chromium found", "Only the project's browser tests need one; lessons do not."
        )
    return Check("browser", "ok", f"Chromium for the browser tests: {path}")
