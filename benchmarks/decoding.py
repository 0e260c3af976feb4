"""Files to pixels: the course's own way against torchvision's ImageFolder in a DataLoader.

    run_course(material, phases, seed=0)
    run_torchvision(material, phases, seed=0, workers=2)       # probe.py finds the best number for this machine

Both go from a folder on the disk to one uint8 tensor N,3,size,size of all photos: short side scaled, square cut from the
centre. torchvision keeps what it read in memory; the course writes it to its cache, works out its checksum, and (in
`run_load`) looks for near-duplicates and cuts splits besides. `peak` is the memory that the process took while doing so, in MB.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .material import Material, Phase


def run_course(material: Material, phases: Sequence[Phase], seed: int) -> dict[str, Any]:
    """Find and decode; the second time the pixels come from the cache."""
    from course_lib.pictures.decoding import decode
    from course_lib.pictures.listing import find

    return _timed(lambda: decode(find(material.photos).pictures, material.size, material.photos).images)


def run_load(material: Material, phases: Sequence[Phase], seed: int) -> dict[str, Any]:
    """`load_images`: decoding, checksum, near-duplicates, splits."""
    import course_lib as cl
    import course_lib.sources.folder  # imports are outside of the clock

    return _timed(lambda: cl.load_images(Path(material.photos), size=material.size).images)


def run_torchvision(material: Material, phases: Sequence[Phase], seed: int, workers: int) -> dict[str, Any]:
    """ImageFolder with Resize, CenterCrop and PILToTensor, batches of 64, put together to one tensor."""
    import torch
    from torch.utils.data import DataLoader
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    size = material.size
    view = transforms.Compose([transforms.Resize(size), transforms.CenterCrop(size), transforms.PILToTensor()])

    def read() -> torch.Tensor:
        folders = [ImageFolder(Path(material.photos, split), view) for split in ("train", "val")]
        loaders = [DataLoader(folder, batch_size=64, num_workers=workers) for folder in folders]
        return torch.cat([pixels for loader in loaders for pixels, _ in loader])

    return _timed(read)


def _timed(read: Callable[[], Any]) -> dict[str, Any]:
    """Seconds, photos, and how far the process's own memory grew."""
    most, over = [_memory()], threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            most.append(_memory())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    start = time.perf_counter()
    images = read()
    seconds = time.perf_counter() - start
    over.set()
    watcher.join()
    return {"seconds": seconds, "photos": len(images), "peak": (max(most) - most[0]) / 1e6}


def _memory() -> int:
    """Bytes of memory that are this process's own; pages of files that are mapped do not count. 0 where it cannot be read."""
    try:
        words = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return int(words["RssAnon"].split()[0]) * 1024
    except (OSError, KeyError):
        return 0
