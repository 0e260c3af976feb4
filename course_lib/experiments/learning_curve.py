"""Accuracy over images per class for several ways of learning: the question "how few images suffice?".

    ways = [Way("from scratch", None, from_scratch), Way("frozen features", "animals", feature_extraction(), seeds=20)]
    curve = watch(learning_curve(dogs, "pawnet", ways, per_class=(5, 20)))
    curve.table()

Each run is trained on a subset drawn by its seed, from weights drawn by its seed, and measured on the test split. Runs that
were done before with the same settings and code are read, not repeated. Runs that train heads on one frozen body are trained
side by side (head_runs.py), so that many seeds cost little.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ..devices import choose_device
from ..evaluation import evaluate
from ..images import ImageSet
from ..models import load
from ..network import Network
from ..paths import weights_dir
from ..stacked.fit_heads import HeadsRecord
from ..training.stage import Stage
from ..training.train import Record, fit
from ..weights import sha256
from .curve import Curve, Run, Way, result_from, result_of
from .head_runs import body_of, train_heads
from .store import keep, kept

__all__ = ["Curve", "Run", "Step", "Way", "learning_curve"]


@dataclass(frozen=True)
class Step:
    """Where a learning curve stands: how much is done (0 to 1), the run in words, and the record of its training."""

    progress: float
    label: str
    record: Record | HeadsRecord | None = None

    @property
    def text(self) -> str:
        """The line to show; reading it waits for the device."""
        return f"{self.label}; {self.record.text}" if self.record else self.label


def learning_curve(
    images: ImageSet, model: str, ways: Sequence[Way], per_class: Sequence[int], *, device: str | None = None
) -> Generator[Step, None, Curve]:
    """Train and measure every way with every number of images and every seed.

    Arguments:
        images: whose train split is thinned; test is reported on.
        model: architecture, as for `load`.
        ways: what is compared.
        per_class: numbers of training images a class.

    Yields: `Step`; the generator's return value is the `Curve` (use `watch`).
    """
    device = choose_device(device).type
    plan = [(way, n, seed) for n in per_class for way in ways for seed in range(way.seeds)]
    start, data = time.perf_counter(), data_fingerprint(images)
    sources = {way.weights: weights_source(model, way.weights) for way in ways}
    settings = [_settings(data, model, sources[way.weights], way, n, seed, device) for way, n, seed in plan]
    found = [result_from(kept(each)) for each in settings]
    missing = [number for number, result in enumerate(found) if result is None]
    stacked = 0

    for way in ways:
        mine = [number for number in missing if plan[number][0] is way and found[number] is None]
        net = body_of(images, model, way, [n for n in per_class if any(plan[number][1] == n for number in mine)])
        if net is None:
            continue
        label = f"{way.name}: {len(mine)} runs side by side"
        work = train_heads(net, images, model, way, [plan[number][1:] for number in mine], device)
        results = yield from _steps(work, label, sum(map(bool, found)), len(mine), len(plan))
        for number, result in zip(mine, results, strict=True):
            found[number] = keep(settings[number], result)
        stacked += len(mine)

    for number in missing:
        if found[number] is None:
            way, n, seed = plan[number]
            done = sum(map(bool, found))
            label = f"run {done + 1} of {len(plan)}: {way.name}, {n} images per class, seed {seed}"
            work = _train(images.subset(n, seed), model, way, way.recipe(n), seed, device)
            found[number] = keep(settings[number], (yield from _steps(work, label, done, 1, len(plan))))

    seconds = time.perf_counter() - start
    yield Step(1.0, f"{len(plan)} runs in {seconds:.1f} s")
    runs = [
        Run(way.name, n, seed, repeated=number not in missing, **found[number])
        for number, (way, n, seed) in enumerate(plan)
    ]
    return Curve(tuple(runs), len(images.rows("test")), len(images.classes), seconds, stacked)


def _settings(data: str, model: str, source: str, way: Way, per_class: int, seed: int, device: str) -> dict[str, Any]:
    """All that the result of a run depends on."""
    return {
        "images": data,
        "model": model,
        "weights": source,
        "size": way.size,
        "recipe": [asdict(stage) for stage in way.recipe(per_class)],
        "per_class": per_class,
        "seed": seed,
        "torch": torch.__version__,
        "device": device,
    }


def _steps(
    work: Generator[Record | HeadsRecord | None, None, Any], label: str, done: int, runs: int, total: int
) -> Generator[Step, None, Any]:
    """The records of some runs as steps of the whole, after `done` of `total` runs; their result comes back."""
    progress = done / total
    yield Step(progress, label)
    while True:
        try:
            record = next(work)
        except StopIteration as end:
            return end.value
        progress = (done + runs * record.progress) / total if record else progress
        yield Step(progress, label, record)


def _train(
    images: ImageSet, model: str, way: Way, recipe: list[Stage], seed: int, device: str
) -> Generator[Record, None, dict[str, Any]]:
    """Train and measure one network: yields the records, returns the result."""
    start = time.perf_counter()
    net = load(model, classes=images.classes, weights=way.weights, seed=seed, size=way.size)
    for record in fit_unwatched(net, images, recipe, seed, device):
        yield record
    frozen = min(net.cut(stage.frozen) for stage in recipe)
    return result_of(evaluate(net, images, "test", frozen), record.step, time.perf_counter() - start)


def fit_unwatched(net: Network, images: ImageSet, recipe: Sequence[Stage], seed: int, device: str) -> Iterator[Record]:
    """`fit` for a run of which only the end is measured: looks at the val split, which cost time, only where a stage decides
    by them."""
    if any(stage.patience or stage.keep_best for stage in recipe):
        return fit(net, images, recipe, seed=seed, device=device)
    seen = {name: rows for name, rows in images.splits.items() if name != "val"}
    return fit(net, replace(images, splits=seen), recipe, seed=seed, device=device)


def data_fingerprint(images: ImageSet) -> str:
    """SHA-256 of pixels, labels and splits."""
    digest = hashlib.sha256(images.checksum.encode())
    for part in (images.labels, *(images.splits[name] for name in sorted(images.splits))):
        digest.update(part.numpy().tobytes())
    return digest.hexdigest()


def weights_source(model: str, weights: str | None) -> str:
    """What the starting weights depend on, without loading them."""
    if weights is None:
        return "random"
    for path in (Path(weights), weights_dir() / f"{model}_{weights}.safetensors"):
        if path.is_file():
            return sha256(path)
    return weights
