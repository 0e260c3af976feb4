"""Many heads at once: seeds, rates, weight decays and training sets of different sizes, side by side on one frozen body.

    stage = Stage(frozen=-1, epochs=20, lr=3e-3)
    runs = [HeadRun(stage, seed=s, head=load_head("pawnet", dogs.classes, "animals", seed=s)) for s in range(20)]
    for record in fit_heads(net, dogs, runs):        # a generator: to stop is to `break`
        chart.update(record.losses)
    record.heads.accuracies("test")                  # 20 of them

Each head ends where `fit` with its stage, seed, images and first weights would have brought it, up to rounding: weights
differ by some 1e-7. (A rate so high that training is unstable makes that grow, as it makes any rounding in `fit` grow.) The
frozen body is worked out once for each image and shared by all heads.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

import torch

from ..cache.remember import Pixels, Remembered, remember
from ..devices import choose_device
from ..errors import CourseError
from ..images import ImageSet
from ..mode import RUNNING
from ..models import load
from ..network import Network
from ..training.checks import check
from ..training.interrupts import unbroken
from ..training.stage import Stage
from .descent import Tensors, side_by_side
from .headset import HeadRun, Heads
from .lockstep import Lockstep, Track

# What a stack does as `fit` does it; any other setting of a stage is refused unless it has its default.
HONOURED = {"frozen", "epochs", "lr", "decay", "norm", "optimizer", "schedule", "warm_up", "weight_decay", "batch"}
HONOURED |= {"label_smoothing", "class_weights", "dropout", "augment", "views", "name"}
STEP_BYTES = 2**28  # features that one step of a stack takes, at most; with more, runs are dealt out to several stacks


@dataclass(frozen=True, eq=False)
class HeadsRecord:
    """Where the training of the heads stands.

    Attributes:
        phase: `remember` while the body is worked out (done and total count images), `train` after a step.
        step, steps: steps taken and to take, those of all runs counted.
        seconds: since the start.
        done, total, bytes: of the phase `remember`.
    """

    phase: Literal["remember", "train"]
    step: int
    steps: int
    seconds: float
    done: int = 0
    total: int = 0
    bytes: int = 0
    _training: _Training | None = field(default=None, repr=False)

    @property
    def progress(self) -> float:
        """How much is done, 0 to 1."""
        return self.step / self.steps

    @property
    def text(self) -> str:
        """Where the heads stand, in words; reading it waits for the device."""
        count = len(self._training.runs)
        if self.phase == "remember":
            return f"{count} heads: frozen body, image {self.done:,} of {self.total:,} ({self.bytes / 1e6:.0f} MB to remember)"
        loss = self.losses.nanmean().item()
        return f"{count} heads side by side: {self.progress:.0%} of their steps in {self.seconds:.1f} s, mean loss {loss:.2f}"

    @property
    def losses(self) -> torch.Tensor:
        """Mean cross-entropy of each run's latest batch when this is read, in nats, float R; nan before its first step."""
        return self._training.losses

    @property
    def heads(self) -> Heads:
        """The heads as they are when this is read; they stay so while training goes on."""
        return self._training.heads


def fit_heads(
    net: Network, images: ImageSet, runs: Iterable[HeadRun], *, device: str | torch.device | None = None
) -> Generator[HeadsRecord, None, Heads]:
    """Train many heads on one frozen body, one record a step.

    Arguments:
        net: its body is used, and its head is where runs start that bring none; neither is changed.
        images: runs learn from the train split, or from some of its rows.
        runs: what differs from head to head.
        device: `cuda`, `mps`, `cpu`, or None for the fastest.

    Yields `HeadsRecord`; the generator's return value is `Heads` (use `watch`). After a `break`, `record.heads` holds the
    heads with the steps done so far. Raises `CourseError`, before any work, for runs that cannot be stacked.
    """
    runs = tuple(runs)
    _check(net, images, runs)
    net.to(choose_device(device))
    return _run(net, images, runs)


def head_of(net: Network) -> Tensors:
    """Copies of the parameters of a network's head, by name."""
    return {name: p.detach().clone() for name, p in net.blocks[-1].module.named_parameters()}


def load_head(name: str, classes: Sequence[str], weights: str | Path | None = None, seed: int = 0) -> Tensors:
    """The head that `load` with these arguments draws: parameters by name.

    `load` draws a whole random network before it fills in the weights of the body, and so this does too.
    """
    return head_of(load(name, classes, weights, seed))


def obstacle(net: Network, stage: Stage) -> str | None:
    """What keeps a stage from being trained in a stack, as a sentence; None where nothing does."""
    if net.cut(stage.frozen) != len(net) - 1:
        return f"frozen={stage.frozen} does not train the head of {net.name} alone; frozen=-1 does."
    for each in fields(stage):
        value = getattr(stage, each.name)
        if each.name not in HONOURED and value != each.default:
            return f"{each.name}={value!r} is for one network at a time; leave it at {each.default!r}, or use `fit`."
    norms = [module for module in net.blocks[-1].module.modules() if isinstance(module, RUNNING)]
    if norms and stage.norm != "eval":
        return f"The head of {net.name} has BatchNorm, whose statistics a stack cannot move; use norm='eval', or `fit`."
    return None


class _Training:
    """All heads, before, in and after their training: what the records look into."""

    def __init__(self, net: Network, images: ImageSet, runs: tuple[HeadRun, ...]) -> None:
        self.net, self.images, self.runs = net, images, runs
        self.body, self.clean = net.fingerprint(len(net) - 1), remember(Pixels(net, images), len(net) - 1)
        feeds = {(): self.clean}
        self.tracks = []
        for run in runs:
            stage, rows = run.stage, images.rows("train") if run.train is None else run.train
            views = min(stage.views, stage.epochs) if stage.augment else 1
            keys = [(stage.augment, view, run.seed) if view else () for view in range(views)]
            for key in keys:
                feeds[key] = feeds.get(key) or remember(Pixels(net, images, *key), len(net) - 1)
            weights = stage.loss_weights(images.labels[rows], len(images.classes))
            start = head_of(net) if run.head is None else run.head
            self.tracks.append(Track(stage, run.seed, rows, tuple(feeds[key] for key in keys), start, weights))
        self.steps = sum(track.steps for track in self.tracks)
        self.stacks: list[tuple[list[int], Lockstep]] = []

    def fill(self) -> Iterator[tuple[int, int, int]]:
        """Work out what the body says of the images that are needed: (done, to do, bytes) after each part."""
        val = self.images.splits.get("val", torch.zeros(0, dtype=torch.int64))
        needed: dict[Remembered, list[torch.Tensor]] = {self.clean: [val]}
        for track in self.tracks:
            for feed in track.feeds:
                needed.setdefault(feed, []).append(track.rows)
        for feed, rows in needed.items():
            for done, total in feed.fill(torch.cat(rows).unique()):
                yield done, total, feed.store.bytes

    def stack(self) -> None:
        """Deal the runs out to stacks: equal batch and optimizer side by side, as many as memory is given for."""
        alike: dict[tuple, list[int]] = {}
        for number, track in enumerate(self.tracks):
            alike.setdefault((track.stage.batch, track.stage.optimizer), []).append(number)
        features = 4 * self.clean(self.tracks[0].rows[:1]).numel()  # bytes of one image
        head, count = self.net.blocks[-1].module, len(self.net.classes)
        for numbers in alike.values():
            room = max(
                1,
                STEP_BYTES
                // (
                    features
                    * max(-(-len(self.tracks[number].rows) // self.tracks[number].per_epoch) for number in numbers)
                ),
            )
            for first in range(0, len(numbers), room):
                some = numbers[first : first + room]
                tracks = [self.tracks[number] for number in some]
                self.stacks.append((some, Lockstep(head, tracks, self.images.labels, count, self.net.device)))

    @property
    def losses(self) -> torch.Tensor:
        losses = torch.full((len(self.runs),), torch.nan)
        for numbers, stack in self.stacks:
            losses[numbers] = stack.in_order(stack.losses).cpu()
        return losses

    @property
    def heads(self) -> Heads:
        values = side_by_side([track.start for track in self.tracks], self.net.device)
        for numbers, stack in self.stacks:
            for name, stacked in stack.parameters.items():
                values[name][numbers] = stacked
        return Heads(self.net, self.images, self.runs, values, self.clean, self.body)


def _run(net: Network, images: ImageSet, runs: tuple[HeadRun, ...]) -> Generator[HeadsRecord, None, Heads]:
    start, training, step = time.perf_counter(), _Training(net, images, runs), 0
    for done, total, size in training.fill():
        now = time.perf_counter() - start
        yield HeadsRecord("remember", 0, training.steps, now, done, total, size, training)
    training.stack()
    for _, stack in training.stacks:
        while not stack.done:
            with unbroken():
                step += stack.step()
            now = time.perf_counter() - start
            yield HeadsRecord("train", step, training.steps, now, _training=training)
    return training.heads


def _check(net: Network, images: ImageSet, runs: tuple[HeadRun, ...]) -> None:
    """All that could go wrong, looked at before any work."""
    if not runs or not all(isinstance(run, HeadRun) and isinstance(run.stage, Stage) for run in runs):
        raise CourseError(f"fit_heads takes one or more HeadRun(Stage(...)); received {list(runs)!r}.")
    shapes = {name: tuple(p.shape) for name, p in head_of(net).items()}
    for number, run in enumerate(runs):
        rows = images.rows("train") if run.train is None else run.train
        head = shapes if run.head is None else {name: tuple(p.shape) for name, p in run.head.items()}
        reason = obstacle(net, run.stage)
        if not reason and (len(rows) < 2 or len(rows.unique()) < len(rows) or not _within(rows, images.rows("train"))):
            reason = (
                f"train has {len(rows)} rows; it takes two or more different rows of the train split of {images.name}."
            )
        if not reason and head != shapes:
            reason = f"its head has the parameters {head}, and that of {net.name} has {shapes}."
        if reason:
            raise CourseError(f"Run {number} of {len(runs)} cannot be stacked: {reason}")
        check(net, images, [run.stage], 0, run.seed)
        run.stage.loss_weights(images.labels[rows], len(images.classes))


def _within(rows: torch.Tensor, others: torch.Tensor) -> bool:
    return bool(torch.isin(rows, others).all())
