"""How long a recipe will take and how much memory, from one measured step of each stage: said before the work.

    told = estimate(net, dogs, feature_extraction())
    told.seconds, told.parameters, told.memory       # 0.9, (1930,), 14500000
    print(told.cached)                               # Outputs of 5 frozen blocks for 400 images: 154 KB in memory.

The step runs on a copy of the network, so nothing that is measured here is trained.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from ..cache.memory import say_bytes
from ..cache.remember import CHUNK, Live, Pixels, remember, run_rows
from ..images import ImageSet
from ..network import Network
from .checks import check
from .draws import batches_in
from .stage import Stage
from .step import Step

WARM, TIMED = 1, 3  # steps before the clock runs (the first one loads and plans things), and steps on it
PATIENCE = 0.4  # seconds of measuring after which no further step is timed


@dataclass(frozen=True)
class Estimate:
    """What a recipe will take.

    Attributes:
        seconds: from the start to the last look at val.
        parameters: trained in each stage.
        memory: bytes for weights, gradients, optimizer, remembered features and the activations of one step, about.
        cached: what will be remembered, in words; empty where nothing is frozen.
        cached_bytes: the same as a number.
    """

    seconds: float
    parameters: tuple[int, ...]
    memory: int
    cached: str
    cached_bytes: int


def estimate(
    net: Network,
    images: ImageSet,
    recipe: Stage | Sequence[Stage],
    validate_every: int = 1,
    wanted: Callable[[], bool] = lambda: True,
) -> Estimate | None:
    """Measure a step of each stage and a chunk of its frozen blocks, and count how many of them there will be.

    Arguments:
        net: stays as it is; it is measured on the device where it is.
        images, recipe, validate_every: as for `fit`.
        wanted: asked before each piece of measuring; where it says no, None comes back.

    Raises `CourseError` for a recipe that does not fit the net or the images, as `fit` does.
    """
    stages = [recipe] if isinstance(recipe, Stage) else list(recipe)
    cuts = check(net, images, stages, validate_every, 0)
    train, val = images.rows("train"), images.splits.get("val", torch.zeros(0, dtype=torch.int64))
    seconds, held, cached_bytes, cached = 0.0, 0, 0, []
    measured: dict[tuple[object, ...], tuple[float, float, float]] = {}
    frozen_done: dict[int, int] = {}  # cut -> views that will be there
    for stage, cut in zip(stages, cuts, strict=True):
        views = min(stage.views, stage.epochs) if stage.augment else 1
        key = (cut, stage.batch, stage.norm, stage.frozen_norm, stage.optimizer, stage.mixup > 0, stage.pull > 0)
        if not wanted():
            return None
        if key not in measured:
            measured[key] = _measure(net.copy(), images, stage, cut, train)
        step, look, frozen = measured[key]
        steps = batches_in(len(train), stage.batch) * stage.epochs
        looks = stage.epochs // validate_every if validate_every else 1
        seconds += steps * step + max(1, looks) * len(val) * look
        if cut and stage.frozen_norm == "eval" and frozen_done.get(cut, 0) < views:
            plan = remember(Pixels(net, images), cut).plan(torch.cat([train, val]))
            size = plan.bytes + (views - 1) * len(train) * plan.bytes // max(plan.images, 1)
            seconds += (plan.missing + (views - 1) * len(train)) * frozen
            cached_bytes += size
            also = f", in {views} views" if views > 1 else ""
            there = f"; {plan.images - plan.missing:,} images are there already" if plan.missing < plan.images else ""
            cached.append(f"outputs of {cut} frozen blocks: {say_bytes(size)} {plan.place}{also}{there}")
            frozen_done[cut] = views
        held = max(held, _step_bytes(net, images, stage, cut))
    counts = tuple(sum(p.numel() for block in net.blocks[cut:] for p in block.parameters()) for cut in cuts)
    weights = sum(t.nbytes for block in net.blocks for t in block.state())
    optimizer = 4 * max(counts) * (3 if any(stage.optimizer == "adamw" for stage in stages) else 2)
    return Estimate(seconds, counts, weights + optimizer + held + cached_bytes, "; ".join(cached), cached_bytes)


def _measure(net: Network, images: ImageSet, stage: Stage, cut: int, train: torch.Tensor) -> tuple[float, float, float]:
    """Seconds of one training step, of one image of a look at val, and of one image through the frozen blocks."""
    start = 0 if stage.frozen_norm == "train" else cut
    batch = train[: -(-len(train) // batches_in(len(train), stage.batch))]
    pixels, labels = Pixels(net, images), images.labels.to(net.device)
    source = Live(pixels, start) if start else pixels
    frozen = 0.0
    if start:
        frozen = _clock(net, lambda: run_rows(pixels, train[:CHUNK], start)) / CHUNK
    x = source(batch)
    anchors = {p: p.detach().clone() for block in net.blocks[cut:-1] for p in block.parameters()} if stage.pull else {}
    weights = stage.loss_weights(images.labels[train], len(images.classes))
    step = Step(net, stage, None if weights is None else weights.to(net.device), anchors)
    # What is fed is looked up for remembered features and made anew for pixels: each as `fit` does it.
    feed = (lambda rows: x[: len(rows)].clone()) if start else pixels
    number = iter(range(10**6))
    taken = _clock(net, lambda: step(feed, batch, labels, 1.0, (0, 0, 0, next(number))))
    few = train[:CHUNK].repeat(-(-CHUNK // len(train[:CHUNK])))[:CHUNK]
    known = x[:1].expand(CHUNK, *x.shape[1:]).clone(memory_format=torch.contiguous_format) if start else None

    def look() -> None:
        with torch.no_grad(), net.mode(frozen=len(net)):
            net.run(pixels(few) if known is None else known, start)

    return taken, _clock(net, look) / CHUNK, frozen


def _clock(net: Network, work: Callable[[], object]) -> float:
    """Seconds that a call takes: the median of a few, after one that is not counted unless it was long."""
    times: list[float] = []
    for _ in range(WARM + TIMED):
        _wait(net.device)
        began = time.perf_counter()
        work()
        _wait(net.device)
        times.append(time.perf_counter() - began)
        if sum(times) > PATIENCE and len(times) > WARM:
            break
    return statistics.median(times[WARM:])


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _step_bytes(net: Network, images: ImageSet, stage: Stage, cut: int) -> int:
    """Activations that one step of the trained blocks keeps for the way back, counted on one image."""
    total = 0

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal total
        total += tensor.nbytes
        return tensor

    held = {t.data_ptr() for block in net.blocks for t in block.state()}
    row = images.rows("train")[:1].repeat(2)
    x = Pixels(net, images)(row)
    with torch.no_grad(), net.mode(frozen=len(net)):
        x = net.run(x, 0, cut)
    hooks = torch.autograd.graph.saved_tensors_hooks(lambda t: t if t.data_ptr() in held else keep(t), lambda t: t)
    with hooks, net.mode(cut, norm="eval"), torch.enable_grad():  # statistics of BatchNorm stay as they are
        net.run(x, cut)
    return total // 2 * min(stage.batch, len(images.rows("train")))
