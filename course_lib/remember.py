"""The frozen prefix's outputs: worked out once for each image, then remembered in memory and on disk.

    body = remember(Pixels(net, images), cut=len(net) - 1)
    for done, total in body.fill(rows): ...   # in parts, so that a progress bar can move
    x = body(rows)                            # what the head takes, for these rows

A frozen block is a fixed function (eval mode, no gradients), so what it says of an image never changes: a run on
remembered features ends in the same weights as a run without, bit for bit on a CPU.
"""

from __future__ import annotations

import hashlib
import json
import time
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .augment import Augment
from .devices import free_bytes, precision
from .errors import CourseError
from .images import ImageSet
from .network import Network
from .paths import atomic, cache_dir

PART = 64  # images at a time through the frozen blocks
CHUNK = 16  # a CPU kernel is chosen by the size of the batch, so bits repeat only in batches of one fixed size
WORTH_A_FILE = 1.0  # seconds of work from which features are kept on disk
SHARE_OF_MEMORY = 0.4  # of what is free: the most that one store may take


def features_dir() -> Path:
    """Folder of the features on disk; safe to delete at any time."""
    return cache_dir() / "features"


@dataclass(frozen=True)
class Pixels:
    """Prepared inputs of the first block, made anew from uint8 images at each call.

    Arguments:
        net: says how inputs are prepared.
        images: the whole set; rows are counted in it.
        augment: what may be changed, or None.
        view: number of the augmented view; 0 is the clean image.
        seed: of the draws.
    """

    net: Network
    images: ImageSet
    augment: Augment | None = None
    view: int = 0
    seed: int = 0

    cut = 0

    def __post_init__(self) -> None:
        changed = self.augment is not None and self.view > 0
        draws = self.augment.draw(len(self.images.images), self.view, self.seed) if changed else None
        object.__setattr__(self, "draws", draws)

    @property
    def facts(self) -> dict[str, Any]:
        """All that the inputs depend on."""
        facts = {"pixels": self.images.checksum, "size": self.net.size, "mean": self.net.mean, "std": self.net.std}
        if self.draws is not None:
            facts |= {"augment": asdict(self.augment), "view": self.view, "seed": self.seed}
        return facts

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        images = self.images.images[rows].to(self.net.device)
        return self.net.prepare(images if self.draws is None else self.augment(images, self.draws[rows]))


@dataclass(frozen=True)
class Live:
    """Outputs of the frozen blocks up to `cut`, worked out anew at each call."""

    source: Pixels | Remembered
    cut: int

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        net, count = self.source.net, len(rows)
        inputs = self.source(fill_up(rows))
        with torch.no_grad(), net.mode(frozen=len(net)):
            x = run_evenly(net, inputs, self.source.cut, self.cut)
        return _channels_last(x[:count])


@dataclass
class Store:
    """Features of some rows of an image set. `seconds` were spent on working out, `from_disk` rows were read."""

    key: str
    have: torch.Tensor
    values: torch.Tensor | None = None
    seconds: float = 0.0
    from_disk: int = 0

    @property
    def path(self) -> Path:
        return features_dir() / f"{self.key}.npz"

    @property
    def bytes(self) -> int:
        return 0 if self.values is None else self.values.numel() * self.values.element_size()

    def put(self, rows: torch.Tensor, values: torch.Tensor) -> None:
        self.values[rows.to(self.values.device)] = values.to(self.values.device)
        self.have[rows] = True

    def make_room(
        self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device, others: dict[str, Store]
    ) -> None:
        """Take memory for all rows on the device, else in RAM; the oldest other stores give way first."""
        size = dtype.itemsize * int(np.prod(shape))
        for place in dict.fromkeys((device, torch.device("cpu"))):
            for key in [key for key in others if key != self.key]:
                if size < SHARE_OF_MEMORY * free_bytes(place):
                    break
                del others[key]
            if size < SHARE_OF_MEMORY * free_bytes(place):
                self.values = torch.empty(shape, dtype=dtype, device=place)
                return
        raise CourseError(
            f"Remembering outputs of shape {shape[1:]} for {shape[0]} images takes {size / 1e9:.1f} GB, more than 40 % of the free "
            "memory. Freeze more blocks (later outputs are smaller), take fewer images, or pass cache=False."
        )

    def write(self, facts: dict[str, Any]) -> None:
        rows = self.have.nonzero().flatten()
        with atomic(self.path) as file:
            values = self.values[rows].cpu()
            bits = values.view(torch.int16) if values.dtype == torch.bfloat16 else values  # NumPy has no bfloat16
            np.savez(file, rows=rows.numpy(), values=bits.numpy(), facts=json.dumps(facts))

    def read(self, device: torch.device, others: dict[str, Store]) -> None:
        """Take over what an earlier run kept; a damaged file is removed, and worked out again."""
        try:
            with np.load(self.path, allow_pickle=False) as file:
                rows, values = torch.from_numpy(file["rows"]), torch.from_numpy(file["values"])
                values = values.view(torch.bfloat16) if values.dtype == torch.int16 else values
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            self.path.unlink(missing_ok=True)
            return
        self.make_room((len(self.have), *values.shape[1:]), values.dtype, device, others)
        self.put(rows, values)
        self.from_disk = len(rows)


@dataclass(frozen=True)
class Remembered:
    """Outputs of the frozen blocks up to `cut`, each row worked out once."""

    live: Live
    store: Store
    facts: dict[str, Any] = field(repr=False)

    @property
    def net(self) -> Network:
        return self.live.source.net

    @property
    def images(self) -> ImageSet:
        return self.live.source.images

    @property
    def cut(self) -> int:
        return self.live.cut

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """Features of rows, as a copy: a block that works in place may not edit what is remembered."""
        for _ in self.fill(rows):
            pass
        return _channels_last(self.store.values[rows.to(self.store.values.device)].to(self.net.device))

    @property
    def note(self) -> str:
        """What was worked out and what was read, in a sentence."""
        have, read = int(self.store.have.sum()), self.store.from_disk
        size = self.store.bytes * have / len(self.store.have) / 1e6
        return (
            f"Outputs of {self.cut} frozen blocks are remembered for {have:,} images ({size:.1f} MB): {read:,} of them were read "
            f"from the cache of an earlier run, {have - read:,} were worked out in {self.store.seconds:.1f} s."
        )

    def fill(self, rows: torch.Tensor) -> Iterator[tuple[int, int]]:
        """Work out those rows that are missing, in parts; yields (rows done, rows to do) after each part."""
        if bool(self.store.have[rows].all()):
            return
        rows = rows.unique()
        missing = rows[~self.store.have[rows]]
        start, done = time.perf_counter(), 0
        for part in missing.split(PART):
            values = self.live(part)
            if self.store.values is None:
                self.store.make_room(
                    (len(self.store.have), *values.shape[1:]), values.dtype, values.device, self.images.stores
                )
            self.store.put(part, values)
            done += len(part)
            yield done, len(missing)
        self.store.seconds += time.perf_counter() - start
        if self.store.seconds > WORTH_A_FILE:
            self.store.write(self.facts)


def remember(source: Pixels | Remembered, cut: int) -> Remembered:
    """The outputs after the first `cut` blocks, from pixels or from the features of an earlier cut.

    The images hold the features: asking again for the same ones, also for a subset, finds them. They are the same
    if all of this is: prefix weights and buffers, block names, pixels, size, normalisation, augmentation, view, seed,
    torch version, kind of device and number format.
    """
    net, images = source.net, source.images
    inputs = source.facts if isinstance(source, Pixels) else source.facts["inputs"]
    facts = {
        "model": net.name,
        "blocks": [block.name for block in net.blocks[:cut]],
        "weights": net.fingerprint(cut),
        "inputs": inputs,
        "torch": torch.__version__,
        "device": net.device.type,
        "precision": str(net.precision or precision(net.device)),
    }
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    store = images.stores.get(key)
    if store is None:
        store = Store(key, torch.zeros(len(images.images), dtype=torch.bool))
        store.read(net.device, images.stores)
        images.stores[key] = store
    return Remembered(Live(source, cut), store, facts)


def fill_up(rows: torch.Tensor) -> torch.Tensor:
    """Rows, repeated from the first on until they make whole chunks."""
    wanted = -(-len(rows) // CHUNK) * CHUNK
    return rows if len(rows) == wanted else rows.repeat(-(-wanted // len(rows)))[:wanted]


def run_evenly(net: Network, inputs: torch.Tensor, start: int, stop: int | None = None) -> torch.Tensor:
    """Blocks `start` to `stop` on whole chunks; on a CPU what an image gives then hangs on no batch-mate, bit for bit."""
    if net.device.type != "cpu":
        return net.run(inputs, start, stop)
    return torch.cat([net.run(chunk, start, stop) for chunk in inputs.split(CHUNK)])


def _channels_last(x: torch.Tensor) -> torch.Tensor:
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x
