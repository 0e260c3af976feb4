"""Training: a recipe is a list of stages; inside a stage nothing about freezing changes.

    recipe = [Stage(frozen=-1, epochs=5, lr=1e-2), Stage(frozen=-3, epochs=5, lr=1e-3, decay=0.5)]
    for record in fit(net, dogs, recipe):       # a generator: to stop is to `break`
        chart.update(record)
    evaluate(net, dogs, "test").accuracy

At a stage's start the optimizer is built over the trained blocks, and the frozen ones are worked out once for each image
(remember.py). At its end both are thrown away: nothing stale is left for the next stage.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch.nn import functional as F

from .devices import choose_device
from .errors import CourseError
from .evaluation import Evaluation, evaluate
from .images import ImageSet
from .network import Network
from .remember import Live, Pixels, Remembered, remember
from .stage import Stage

Feed = Pixels | Live | Remembered


@dataclass(frozen=True)
class Record:
    """One line of the story that `fit` tells.

    Attributes:
        phase: `remember` while frozen blocks are worked out (done and total count images), `train` after a step.
        stage: number of the stage from 0; `name` is what it is called.
        epoch: number of the epoch within the stage, from 1.
        step, steps: steps trained so far and in the whole recipe.
        done, total, bytes: of the phase `remember`.
        seconds: since the start of the run.
        lr: learning rate of the last block in this step.
        val: Evaluation on the val split at the end of an epoch, else None.
    """

    phase: Literal["remember", "train"]
    stage: int
    name: str
    step: int
    steps: int
    seconds: float
    epoch: int = 0
    done: int = 0
    total: int = 0
    bytes: int = 0
    lr: float = 0.0
    val: Evaluation | None = None
    _loss: torch.Tensor | None = field(default=None, repr=False)
    _hits: torch.Tensor | None = field(default=None, repr=False)

    @property
    def progress(self) -> float:
        """How much of the recipe is done, 0 to 1."""
        return self.step / self.steps

    @property
    def text(self) -> str:
        """Where the run stands, in words."""
        if self.phase == "remember":
            return f"{self.name}: frozen blocks, image {self.done:,} of {self.total:,} ({self.bytes / 1e6:.0f} MB to remember)"
        return f"{self.name}: step {self.step:,} of {self.steps:,} in {self.seconds:.1f} s, loss {self.loss:.2f}"

    @property
    def loss(self) -> float:
        """Mean cross-entropy of this step's batch, in nats; reading it waits for the device."""
        return math.nan if self._loss is None else self._loss.item()

    @property
    def accuracy(self) -> float:
        """Share of this step's batch that was right before the step, 0 to 1; reading it waits for the device."""
        return math.nan if self._hits is None else self._hits.float().mean().item()


def fit(
    net: Network,
    images: ImageSet,
    recipe: Stage | Sequence[Stage],
    *,
    seed: int = 0,
    device: str | torch.device | None = None,
    cache: bool = True,
    validate_every: int = 1,
) -> Iterator[Record]:
    """Train a network in place, one record a step.

    Arguments:
        net: its trained blocks change; frozen blocks, with their buffers, do not.
        images: the train split is learned from, the val split is looked at.
        recipe: a stage, or stages in order.
        seed: of the order of the images, the augmentation and the dropout; same seed, same weights on the same device.
        device: `cuda`, `mps`, `cpu`, or None for the fastest.
        cache: remember what frozen blocks say of each image; False works it out at each step, to the same end.
        validate_every: epochs between two looks at the val split; 0 looks only at the end of each stage.

    Yields: `Record`. Stopping early (`break`, an interrupt) leaves the net whole, with the steps done so far.
    Raises `CourseError`, before any work, for a recipe that does not fit the net or the images.
    """
    stages = [recipe] if isinstance(recipe, Stage) else list(recipe)
    cuts = _check(net, images, stages, validate_every, seed)
    net.to(choose_device(device))
    return _run(net, images, stages, cuts, seed, cache, validate_every)


def _run(
    net: Network, images: ImageSet, stages: list[Stage], cuts: list[int], seed: int, cache: bool, validate_every: int
) -> Iterator[Record]:
    start = time.perf_counter()
    train, val = images.rows("train"), images.splits.get("val", torch.zeros(0, dtype=torch.int64))
    # BatchNorm needs two images in a batch, so three images make one batch and not two.
    per_epoch = [max(1, min(-(-len(train) // stage.batch), len(train) // 2)) for stage in stages]
    steps = sum(n * stage.epochs for n, stage in zip(per_epoch, stages, strict=True))
    lowest, step = min(cuts), 0

    for number, (stage, cut) in enumerate(zip(stages, cuts, strict=True)):
        name = stage.name or f"stage {number + 1}"
        views = min(stage.views, stage.epochs) if stage.augment else 1
        feeds: list[Feed] = [_feed(net, images, stage, view, seed, cut, lowest, cache) for view in range(views)]
        for view, feed in enumerate(feeds):
            rows = torch.cat([train, val]) if view == 0 else train
            for part in _chain(feed):
                for done, total in part.fill(rows):
                    now = time.perf_counter() - start
                    size = part.store.bytes
                    yield Record("remember", number, name, step, steps, now, done=done, total=total, bytes=size)
        with net.mode(stage.frozen, stage.norm):
            groups = net.parameter_groups(stage.frozen, stage.lr, stage.decay, stage.weight_decay)
            optimizer = torch.optim.AdamW(groups, fused=net.device.type in ("cuda", "cpu"))
            rates = [group["lr"] for group in groups]
            for epoch in range(stage.epochs):
                order = train[torch.from_numpy(np.random.default_rng([seed, number, epoch]).permutation(len(train)))]
                for i, rows in enumerate(order.tensor_split(per_epoch[number])):
                    factor = stage.rate((epoch * per_epoch[number] + i + 0.5) / (stage.epochs * per_epoch[number]))
                    for group, rate in zip(optimizer.param_groups, rates, strict=True):
                        group["lr"] = rate * factor
                    inputs, labels = feeds[epoch % views](rows), images.labels[rows].to(net.device)
                    loss, hits = _step(net, optimizer, inputs, labels, cut, stage, (seed, number, epoch, i))
                    step += 1
                    last = i == per_epoch[number] - 1
                    due = epoch + 1 == stage.epochs or (validate_every and (epoch + 1) % validate_every == 0)
                    looked = evaluate(net, images, "val", feed=feeds[0]) if last and due and len(val) else None
                    now = time.perf_counter() - start
                    yield Record(
                        "train",
                        number,
                        name,
                        step,
                        steps,
                        now,
                        epoch + 1,
                        lr=rates[-1] * factor,
                        val=looked,
                        _loss=loss,
                        _hits=hits,
                    )


def _step(
    net: Network,
    optimizer: torch.optim.Optimizer,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    cut: int,
    stage: Stage,
    moment: tuple[int, ...],
) -> tuple[torch.Tensor, torch.Tensor]:
    """One step of gradient descent; the loss and the hits before it stay on the device."""
    with _random(net.device, moment):
        scores = net.run(inputs, cut)
    loss = F.cross_entropy(scores, labels, label_smoothing=stage.label_smoothing)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach(), scores.detach().argmax(1) == labels


@contextlib.contextmanager
def _random(device: torch.device, moment: tuple[int, ...]) -> Iterator[None]:
    """Dropout that follows from the moment alone, so that a run can be repeated; the caller's generators stay untouched."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(int(np.random.SeedSequence(moment).generate_state(1)[0]))
        yield


def _check(net: Network, images: ImageSet, stages: list[Stage], validate_every: int, seed: int) -> list[int]:
    """The cuts of the stages, after all that could go wrong was looked at."""
    if not stages or not all(isinstance(stage, Stage) for stage in stages):
        raise CourseError(f"A recipe is a Stage or a list of them; received {stages!r}.")
    if len(net.classes) != len(images.classes):
        raise CourseError(
            f"{net.name} has a head for {len(net.classes)} classes and {images.name} has {len(images.classes)}: "
            f"load the network with classes=images.classes."
        )
    if len(images.rows("train")) < 2:
        raise CourseError(f"{images.name} has {len(images.rows('train'))} training images; at least 2 are needed.")
    if not isinstance(validate_every, int) or validate_every < 0:
        raise CourseError(
            f"validate_every={validate_every!r} is out of range; it is a whole number of epochs, 0 for the end only."
        )
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise CourseError(f"seed={seed!r} is out of range; it is a whole number from 0.")
    cuts = [net.cut(stage.frozen) for stage in stages]
    for stage, cut in zip(stages, cuts, strict=True):
        if cut == len(net):
            raise CourseError(
                f"frozen={stage.frozen} freezes all {cut} blocks of {net.name}, so nothing would train; use -1 for the head alone."
            )
    return cuts


def _feed(
    net: Network, images: ImageSet, stage: Stage, view: int, seed: int, cut: int, lowest: int, cache: bool
) -> Feed:
    """What the trained blocks are fed with: pixels, or the frozen blocks' outputs, remembered or live."""
    pixels = Pixels(net, images, stage.augment, view, seed)
    if cut == 0:
        return pixels
    if not cache:
        return Live(pixels, cut)
    # The lowest cut of the recipe never trains: later stages start from what is remembered there.
    return remember(remember(pixels, lowest) if 0 < lowest < cut else pixels, cut)


def _chain(feed: Feed) -> list[Remembered]:
    """The remembered feeds that a feed is made from, the earliest first."""
    if not isinstance(feed, Remembered):
        return []
    return [*_chain(feed.live.source), feed]
