"""The frozen prefix's outputs: worked out once for each image, then remembered in memory or on disk.

    body = remember(Pixels(net, images), cut=len(net) - 1)
    print(body.plan(rows))                    # how much it will be, and where: before the work
    for done, total in body.fill(rows): ...   # in parts, so that a progress bar can move
    x = body(rows)                            # what the head takes, for these rows

A frozen block is a fixed function (eval mode, no gradients), so what it says of an image never changes: a run on
remembered features ends in the same weights as a run without, bit for bit on a CPU.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from ..devices import precision
from ..images import ImageSet
from ..network import Network
from .memory import in_parts, say_bytes
from .pixels import Pixels
from .stores import Store, flatten, unflatten

CHUNK = 16  # a CPU kernel is chosen by the size of the batch, so bits repeat only in batches of one fixed size


@dataclass(frozen=True)
class Live:
    """Outputs of the frozen blocks up to `cut`, worked out anew at each call."""

    source: Pixels | Remembered
    cut: int

    @property
    def net(self) -> Network:
        return self.source.net

    @property
    def images(self) -> ImageSet:
        return self.source.images

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        x = run_rows(self.source, rows, self.cut)
        return unflatten(flatten(x), tuple(x.shape[1:]))


@dataclass(frozen=True)
class Plan:
    """What remembering some rows will take.

    Attributes:
        cut: number of frozen blocks.
        images: rows asked for; `missing` of them are to be worked out.
        bytes: of the features of all these rows; place: where they go, in words.
    """

    cut: int
    images: int
    missing: int
    bytes: int
    place: str

    def __str__(self) -> str:
        there = f"; {self.images - self.missing:,} of them are there" if self.missing < self.images else ""
        return f"Outputs of {self.cut} frozen blocks for {self.images:,} images: {say_bytes(self.bytes)} {self.place}{there}."


@dataclass(frozen=True, eq=False)
class Remembered:
    """Outputs of the frozen blocks up to `cut`, each row worked out once."""

    live: Live
    store: Store

    def __post_init__(self) -> None:
        self.store.users.add(self)

    @property
    def net(self) -> Network:
        return self.live.net

    @property
    def images(self) -> ImageSet:
        return self.live.images

    @property
    def cut(self) -> int:
        return self.live.cut

    @property
    def facts(self) -> dict[str, Any]:
        """All that the features depend on."""
        return self.store.facts

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """Features of rows, as a copy: a block that works in place may not edit what is remembered."""
        for _ in self.fill(rows):
            pass
        return self.store.get(rows).to(self.net.device, non_blocking=True)

    @property
    def note(self) -> str:
        """What was worked out and what was read, in a sentence."""
        have, read = int(self.store.have.sum()), self.store.from_disk
        return (
            f"Outputs of {self.cut} frozen blocks are remembered for {have:,} images ({say_bytes(have * self.store.row_bytes)} "
            f"{self.store.place}): {read:,} of them were read from the cache of an earlier run, {have - read:,} were worked out in "
            f"{self.store.seconds:.1f} s."
        )

    def plan(self, rows: torch.Tensor) -> Plan:
        """How much remembering these rows takes and where it will be, known from one image before the others.

        Raises `CourseError` where there is no room.
        """
        rows, store = rows.unique(), self.store
        store.take_over(self.net.device, self.images.stores)
        if not store.settled:
            x = self._example(rows)
            store.allot(tuple(x.shape[1:]), x.dtype, self.net.device, len(rows), self.images.stores)
        missing = int((~store.have[rows]).sum())
        return Plan(self.cut, len(rows), missing, len(rows) * store.row_bytes, store.place)

    def fill(self, rows: torch.Tensor) -> Iterator[tuple[int, int]]:
        """Work out those rows that are missing, in parts; yields (rows done, rows to do) after each part."""
        store = self.store
        if bool(store.have[rows].all()):
            return
        rows = rows.unique()
        self.plan(rows)
        missing, done = rows[~store.have[rows]], 0
        try:
            for part, values, seconds in self._work_out(missing):
                store.put(part, values, seconds)
                done += len(part)
                yield done, len(missing)
        finally:  # also what was worked out before an interrupt is kept
            store.save()

    def _work_out(self, rows: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor, float]]:
        start = time.perf_counter()
        for part, values in in_parts(self.live, rows, self.net.device):
            yield part, values, time.perf_counter() - start
            start = time.perf_counter()

    def _example(self, rows: torch.Tensor) -> torch.Tensor:
        """The features of one image, or numbers that look like them."""
        net, source = self.net, self.live.source
        if isinstance(source, Remembered):
            source.plan(rows)
            x = torch.zeros(1, *source.store.shape, dtype=source.store.dtype, device=net.device)
        else:
            x = source(rows[:1])
        with torch.no_grad(), net.mode(frozen=len(net)):
            return net.run(x, source.cut, self.cut)


def remember(source: Pixels | Remembered, cut: int) -> Remembered:
    """The outputs after the first `cut` blocks, from pixels or from the features of an earlier cut.

    The images hold the features: asking again for the same ones, also for a subset, finds them. They are the same
    if all of this is: prefix weights and buffers, block names, pixels, size, normalisation, augmentation, view, seed,
    torch version, number format, and kind of device. On a CPU its instructions and the number of threads belong to that:
    EfficientNet's first block was seen to give other last bits on 3 threads than on 2.
    """
    net, images = source.net, source.images
    inputs = source.facts if isinstance(source, Pixels) else source.facts["inputs"]
    facts = {
        "model": net.name,
        "blocks": [block.name for block in net.blocks[:cut]],
        "weights": net.fingerprint(cut),
        "inputs": inputs,
        "torch": torch.__version__,
        "device": _kind(net.device),
        "precision": str(net.precision or precision(net.device)),
    }
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    store = images.stores.get(key)
    if store is None:
        store = Store(key, facts, images.name, len(images.images))
        store.take_over(net.device, images.stores)
        images.stores[key] = store
    return Remembered(Live(source, cut), store)


def run_rows(feed: Pixels | Live | Remembered, rows: torch.Tensor, stop: int | None = None) -> torch.Tensor:
    """Blocks `feed.cut` to `stop`, as a fixed function, on what a feed gives for rows.

    On a CPU in whole chunks: what an image gives then hangs on no batch-mate, bit for bit.
    """
    net = feed.net
    chunks = fill_up(rows).split(CHUNK) if net.device.type == "cpu" else [rows]
    with torch.no_grad(), net.mode(frozen=len(net)):
        return torch.cat([net.run(feed(chunk), feed.cut, stop) for chunk in chunks])[: len(rows)]


def fill_up(rows: torch.Tensor) -> torch.Tensor:
    """Rows, repeated from the first on until they make whole chunks."""
    wanted = -(-len(rows) // CHUNK) * CHUNK
    return rows if len(rows) == wanted else rows.repeat(-(-wanted // len(rows)))[:wanted]


def _kind(device: torch.device) -> str:
    if device.type != "cpu":
        return device.type
    return f"cpu {torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads"
