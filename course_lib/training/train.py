"""Training: a recipe is a list of stages; inside a stage nothing about freezing changes.

    recipe = [Stage(frozen=-1, epochs=5, lr=1e-2), Stage(frozen=-3, epochs=5, lr=1e-3, decay=0.5)]
    for record in fit(net, dogs, recipe):       # a generator: to stop is to `break`
        chart.update(record)
    evaluate(net, dogs, "test").accuracy

At a stage's start the optimizer is built over the trained blocks, and the frozen ones are worked out once for each image
(remember.py). At its end both are thrown away: nothing stale is left for the next stage.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from ..cache.remember import Live, Pixels, Remembered, remember
from ..devices import choose_device
from ..evaluation import Evaluation, evaluate
from ..images import ImageSet
from ..network import Network
from .checkpoint import Checkpoint, Place, identity, numbered, restore_optimizer
from .checks import check
from .draws import batches_in, epoch_order
from .interrupts import unbroken
from .layers import adapt_norm
from .parallel import world
from .records import Record
from .stage import Stage
from .step import Step

Feed = Pixels | Live | Remembered


def fit(
    net: Network,
    images: ImageSet,
    recipe: Stage | Sequence[Stage],
    *,
    seed: int = 0,
    device: str | torch.device | None = None,
    cache: bool = True,
    validate_every: int = 1,
    checkpoint: str | Path | None = None,
    save_every: float = 30.0,
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
        checkpoint: a .safetensors file that holds the run (see checkpoint.py). Where it is there, the run goes on from it, to
            the weights that an uninterrupted run ends in. It is written when the run stops, for whatever reason.
        save_every: seconds between two writes of the checkpoint while the run goes on; 0 writes it after every step.

    Yields: `Record`. Stopping early (`break`, an interrupt) leaves the net whole, with the steps done so far; between two
        records it is in the mode in which it was given.
    Raises `CourseError`, before any work, for a recipe that does not fit the net or the images.
    """
    stages = [recipe] if isinstance(recipe, Stage) else list(recipe)
    cuts = check(net, images, stages, validate_every, seed, save_every)
    net.to(choose_device(device))
    # Statistics of frozen blocks that follow the batch are part of the run.
    lowest = 0 if any(stage.frozen_norm == "train" for stage in stages) else min(cuts)
    kept = None
    if checkpoint is not None:
        kept = Checkpoint(checkpoint, identity(net, images, stages, seed, validate_every), net, lowest)
    return _Run(net, images, stages, cuts, seed, cache, validate_every, kept, save_every).records()


class _Run:
    """The state of a run, and the loop that moves it on."""

    def __init__(
        self,
        net: Network,
        images: ImageSet,
        stages: list[Stage],
        cuts: list[int],
        seed: int,
        cache: bool,
        validate_every: int,
        checkpoint: Checkpoint | None,
        save_every: float,
    ) -> None:
        self.net, self.images, self.stages, self.cuts, self.seed, self.cache = net, images, stages, cuts, seed, cache
        self.validate_every, self.checkpoint, self.save_every = validate_every, checkpoint, save_every
        self.train, self.val = images.rows("train"), images.splits.get("val", torch.zeros(0, dtype=torch.int64))
        self.per_epoch = [batches_in(len(self.train), stage.batch) for stage in stages]
        self.planned = sum(n * stage.epochs for n, stage in zip(self.per_epoch, stages, strict=True))
        self.place, self.began = Place(), time.perf_counter()
        self.moved = False  # since the checkpoint was read or written
        self.step: Step | None = None
        self.best: list[torch.Tensor] = []  # of keep_best: the trained blocks at their best look
        self.anchors: dict[torch.nn.Parameter, torch.Tensor] = {}
        if any(stage.pull for stage in stages):
            held = [p for block in net.blocks[min(cuts) : -1] for p in block.parameters()]
            self.anchors = {p: p.detach().clone() for p in held}

    def records(self) -> Iterator[Record]:
        """The whole run, from where its checkpoint stands."""
        kept = self._take_up()
        if kept is not None:
            done = "was complete" if self.place.stage == len(self.stages) else "goes on"
            yield self._record("resume", note=f"the run {done}, from step {self.place.step:,} in its checkpoint")
        self.saved = time.perf_counter()
        try:
            while self.place.stage < len(self.stages):
                yield from self._stage(kept)
                kept = None
        finally:
            self._save()

    def _stage(self, kept: dict[str, torch.Tensor] | None) -> Iterator[Record]:
        place, stage, cut = self.place, self.stages[self.place.stage], self.cuts[self.place.stage]
        batches = self.per_epoch[place.stage]
        labels = self.images.labels.to(self.net.device)
        weights = stage.loss_weights(self.images.labels[self.train], len(self.images.classes))
        feeds = self._feeds(stage, cut)
        yield from self._remember(feeds)
        if stage.norm == "adapt" and place.epoch == place.batch == 0:
            adapt_norm(self.net, feeds[0], self.train, cut)
        self.step = Step(self.net, stage, None if weights is None else weights.to(self.net.device), self.anchors)
        if kept is not None:
            restore_optimizer(self.step.optimizer, kept)

        while place.epoch < stage.epochs and not place.ended:
            order = epoch_order(self.train, self.seed, place.stage, place.epoch).tensor_split(batches)
            feed, last = feeds[place.epoch % len(feeds)], None
            while place.batch < batches:
                factor = stage.rate((place.epoch * batches + place.batch + 0.5) / (stage.epochs * batches))
                when = (self.seed, place.stage, place.epoch, place.batch)
                with unbroken():
                    sums, note = self.step(feed, order[place.batch], labels, factor, when)
                    place.batch, place.step, self.moved = place.batch + 1, place.step + 1, True
                told = {"lr": self.step.rates[-1] * factor, "epoch": place.epoch + 1, "note": note, "_sums": sums}
                if place.batch < batches:
                    self._save_if_due()
                    yield self._record("train", **told)
                else:
                    last = told
            look = self._look(stage, feeds[0])
            with unbroken():
                note = self._judge(stage, look)
                place.epoch, place.batch, self.moved = place.epoch + 1, 0, True
            told = last or {"epoch": place.epoch}
            told["note"] = " ".join(filter(None, (told.get("note", ""), note)))
            self._save_if_due()
            yield self._record("train", val=look, **told)
        with unbroken():
            if self.best:
                self._put_best()
            self.step.optimizer.zero_grad()
            self.step, self.best = None, []
            place.next_stage()
            self.moved = True

    def _feeds(self, stage: Stage, cut: int) -> list[Feed]:
        """What the stage's blocks are fed with, one feed for each view of the images."""
        views = min(stage.views, stage.epochs) if stage.augment else 1
        pixels = [Pixels(self.net, self.images, stage.augment, view, self.seed) for view in range(views)]
        if cut == 0 or stage.frozen_norm == "train":
            return pixels
        if not self.cache:
            return [Live(source, cut) for source in pixels]
        # The lowest cut of the recipe never trains: later stages start from what is remembered there.
        lowest = min(self.cuts)
        return [remember(remember(source, lowest) if 0 < lowest < cut else source, cut) for source in pixels]

    def _remember(self, feeds: list[Feed]) -> Iterator[Record]:
        for view, feed in enumerate(feeds):
            rows = torch.cat([self.train, self.val]) if view == 0 else self.train
            for part in _chain(feed):
                plan = part.plan(rows)
                if plan.missing:
                    yield self._record("remember", total=plan.missing, bytes=plan.bytes, note=str(plan))
                for done, total in part.fill(rows):
                    yield self._record("remember", done=done, total=total, bytes=plan.bytes)

    def _look(self, stage: Stage, feed: Feed) -> Evaluation | None:
        """How good the network is on the val split, when it is time to look."""
        epoch = self.place.epoch + 1
        due = epoch == stage.epochs or (self.validate_every and epoch % self.validate_every == 0)
        return evaluate(self.net, self.images, "val", feed=feed) if due and len(self.val) else None

    def _judge(self, stage: Stage, look: Evaluation | None) -> str:
        """Keep what is best so far; end the stage when it has been long ago. The sentence that says so comes back."""
        place = self.place
        if look is None or not (stage.patience or stage.keep_best):
            return ""
        found = (look.accuracy, -look.loss)
        if place.best is None or found > place.best:
            place.best, place.worse = found, 0
            if stage.keep_best:
                self.best = [tensor.detach().clone() for tensor in self._trained(place.stage)]
            return ""
        place.worse += 1
        if not stage.patience or place.worse < stage.patience:
            return ""
        place.ended = True
        left = stage.epochs - place.epoch - 1
        place.spared += left * self.per_epoch[place.stage]
        return f"The stage ends {left} epochs early: {place.worse} looks at val were no better than the best."

    def _put_best(self) -> None:
        with torch.no_grad():
            for tensor, best in zip(self._trained(self.place.stage), self.best, strict=True):
                tensor.copy_(best)

    def _trained(self, stage: int) -> list[torch.Tensor]:
        return [tensor for block in self.net.blocks[self.cuts[stage] :] for tensor in block.state()]

    def _take_up(self) -> dict[str, torch.Tensor] | None:
        """Go to where the checkpoint stands; its tensors come back, None where there is no file."""
        found = self.checkpoint.load() if self.checkpoint else None
        if found is None:
            return None
        self.place, tensors = found
        here = self.net.device
        self.anchors = dict(zip(self.anchors, (t.to(here) for t in numbered("anchor", tensors)), strict=True))
        self.best = [tensor.to(here) for tensor in numbered("best", tensors)]
        return tensors

    def _save_if_due(self) -> None:
        if self.checkpoint and time.perf_counter() - self.saved >= self.save_every:
            self._save()

    def _save(self) -> None:
        if self.checkpoint and self.moved and world()[0] == 0:
            with unbroken():
                optimizer = self.step.optimizer if self.step else None
                self.checkpoint.save(self.place, optimizer, self.anchors.values(), self.best)
        self.saved, self.moved = time.perf_counter(), False

    def _record(self, phase: str, **told: object) -> Record:
        number = min(self.place.stage, len(self.stages) - 1)
        name = self.stages[number].name or f"stage {number + 1}"
        now = time.perf_counter() - self.began
        return Record(phase, number, name, self.place.step, self.planned - self.place.spared, now, **told)


def _chain(feed: Feed) -> list[Remembered]:
    """The remembered feeds that a feed is made from, the earliest first."""
    if not isinstance(feed, Remembered):
        return []
    return [*_chain(feed.live.source), feed]
