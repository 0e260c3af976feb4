"""One small transfer, run at once: a net pretrained on the source, new heads for the target, and nets from scratch beside them.

    work = quick_transfer(source, target, per_class=5, seeds=5)      # two ImageSets; a generator: to stop is to `break`
    for step in work:
        print(step.text)
    step.result.gain, step.result.low, step.result.high

Both ways learn from the same target images, drawn by each seed, and are measured on the same test split. It is a small run:
one net on the source, for a few epochs. So it shows what happens here, not what the two domains and tasks are like for ever.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from dataclasses import dataclass, field, replace

import torch

from ..errors import CourseError
from ..evaluation import evaluate
from ..images import ImageSet
from ..intervals import Z, mean_interval
from ..models import load
from ..network import Network
from ..stacked.fit_heads import fit_heads, load_head
from ..stacked.headset import HeadRun
from ..surgery.replace import new_head
from ..training.recipes import feature_extraction, from_scratch
from ..training.stage import Stage
from ..training.train import fit

SOURCE = Stage(epochs=6, lr=3e-3, batch=32, weight_decay=5e-2, name="source")
HEAD = feature_extraction(epochs=40, lr=1e-2)[0]
SCRATCH = from_scratch(epochs=30)[0]
CLEAR = 3  # seeds from which on a gain is called clear or not


@dataclass(frozen=True)
class Result:
    """What came out.

    Attributes:
        per_class: training images of each class of the target.
        transferred, scratch: accuracy on the target's test split, 0 to 1, one for each seed, in pairs.
        guess: accuracy of one who always says the most frequent label of the test split.
        as_is: accuracy of the source's net with its own head, without a label of the target; None where labels differ.
        gain, low, high: mean of the differences of the pairs, with its 95 % interval; it has two sources, which seeds were
            drawn (Student's t over the pairs) and which images the test split holds, added in quadrature. Another net on the
            source would be a third, and is not in it.
        test_images: in the test split.
        seconds: for all of it.
    """

    per_class: int
    transferred: tuple[float, ...]
    scratch: tuple[float, ...]
    guess: float
    as_is: float | None
    gain: float
    low: float
    high: float
    test_images: int
    seconds: float

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out zero."""
        return len(self.scratch) >= CLEAR and not self.low <= 0 <= self.high

    @property
    def verdict(self) -> str:
        """What the interval says, in a sentence with numbers (percentage points)."""
        if not math.isfinite(self.low):
            return "One pair of runs: no interval yet."
        said = f"{100 * self.gain:+.1f} points (95 % interval {100 * self.low:+.1f} to {100 * self.high:+.1f}, {len(self.scratch)} seeds)"
        if len(self.scratch) < CLEAR:
            return f"{said[0].upper()}{said[1:]}: too few pairs of runs to call it."
        if not self.clear:
            return f"Not clear: {said} against from scratch; the interval holds 0, so this run does not show whether it helps."
        return f"Transfer {'helps' if self.gain > 0 else 'hurts'} here: {said} against from scratch."


@dataclass(frozen=True)
class TransferStep:
    """Where a transfer stands.

    Attributes:
        phase: `source`, `heads` or `scratch`.
        progress: 0 to 1, of the image passes.
        text: where it stands, in words.
        seed: of the run from scratch that is going on.
        loss: of the step's batch, in nats; nan where there is none.
        result: as far as there are pairs of runs, else None.
    """

    phase: str
    progress: float
    text: str
    seed: int = 0
    loss: float = math.nan
    result: Result | None = field(default=None, repr=False)


def quick_transfer(
    source: ImageSet,
    target: ImageSet,
    per_class: int = 5,
    seeds: int = 5,
    *,
    start: str | None = None,
    source_stage: Stage = SOURCE,
    head_stage: Stage = HEAD,
    scratch_stage: Stage = SCRATCH,
    device: str | None = None,
) -> Generator[TransferStep, None, Result]:
    """Pretrain PawNet on the source, train heads on its frozen body, and nets from scratch, on the same target images.

    Arguments:
        source: its train split is learned from.
        target: `per_class` training images of each class are drawn by each seed; test is measured on.
        per_class: 1 or more.
        seeds: pairs of runs, 2 to 20.
        start: a shipped net that the source's net starts from, such as `animals`; None for random weights. With one, the gain
            is also that net's, not the source's alone.
        source_stage, head_stage, scratch_stage: how each trains.
        device: `cuda`, `mps`, `cpu`, or None for the fastest.

    Yields `TransferStep`, a step of training each; returns the `Result`.
    Raises `CourseError`, before any work, where there are not as many images.
    """
    if not isinstance(seeds, int) or isinstance(seeds, bool) or not 2 <= seeds <= 20:
        raise CourseError(f"A transfer received seeds={seeds!r}; it takes 2 to 20 pairs of runs.")
    subsets = [target.subset(per_class, seed) for seed in range(seeds)]
    if not len(target.rows("test")):
        raise CourseError(f"The test split of {target.name} is empty, so there is nothing to measure on.")
    net = load("pawnet", source.classes, start)
    return _work(net, source, target, subsets, per_class, (source_stage, head_stage, scratch_stage), device)


def _work(
    net: Network,
    source: ImageSet,
    target: ImageSet,
    subsets: list[ImageSet],
    per_class: int,
    stages: tuple[Stage, Stage, Stage],
    device: str | None,
) -> Generator[TransferStep, None, Result]:
    began = time.perf_counter()
    on_source, on_head, on_scratch = stages
    passes = [len(source.rows("train")) * on_source.epochs, len(target.images) / 3]
    passes += [len(subset.rows("train")) * on_scratch.epochs for subset in subsets]
    done = [sum(passes[:i]) / sum(passes) for i in range(len(passes) + 1)]

    for record in fit(net, source, on_source, validate_every=0, device=device):
        yield TransferStep("source", record.progress * done[1], f"source net, {record.text}", loss=record.loss)
    as_is = evaluate(net, target, "test").accuracy if source.classes == target.classes else None

    body = new_head(net, (), classes=target.classes)
    runs = []
    for seed, subset in enumerate(subsets):
        runs.append(HeadRun(on_head, seed, subset.rows("train"), load_head("pawnet", target.classes, seed=seed)))
        yield TransferStep("heads", done[1], "drawing the heads")
    training = fit_heads(body, target, runs, device=device)
    while True:
        try:
            record = next(training)
        except StopIteration as end:
            heads = end.value
            break
        share = done[1] + record.progress * (done[2] - done[1])
        loss = float(record.losses.nanmean()) if record.phase == "train" else math.nan
        yield TransferStep("heads", share, f"heads on the frozen source net, {record.text}", loss=loss)
    for _ in heads.feed.fill(target.rows("test")):
        yield TransferStep("heads", done[2], "the frozen source net looks at the test images")
    found = [each.correct for each in heads.evaluations("test")]

    labels = target.labels[target.rows("test")]
    guess = float(torch.bincount(labels).max() / len(labels))
    scratch: list[torch.Tensor] = []
    result: Result | None = None
    for seed, subset in enumerate(subsets):
        own = load("pawnet", target.classes, seed=seed)
        share = (done[seed + 2], done[seed + 3] - done[seed + 2])
        told = f"from scratch, seed {seed + 1} of {len(subsets)}"
        for record in fit(own, replace(subset, splits=_no_val(subset)), on_scratch, seed=seed, device=device):
            where = share[0] + record.progress * share[1]
            yield TransferStep("scratch", where, f"{told}: {record.text}", seed, record.loss, result)
        scratch.append(evaluate(own, target, "test").correct)
        result = _result(per_class, found[: seed + 1], scratch, guess, as_is, time.perf_counter() - began)
        yield TransferStep("scratch", done[seed + 3], f"{told}: done", seed, result=result)
    return result


def _no_val(images: ImageSet) -> dict[str, torch.Tensor]:
    """Its splits without val: nothing is chosen here, so nothing needs to be looked at."""
    return {name: rows for name, rows in images.splits.items() if name != "val"}


def _result(
    per_class: int,
    transferred: list[torch.Tensor],
    scratch: list[torch.Tensor],
    guess: float,
    as_is: float | None,
    seconds: float,
) -> Result:
    ours, theirs = (torch.stack(hits).double() for hits in (transferred, scratch))
    low, high = gain_interval(transferred, scratch)
    means = [tuple(hits.mean(1).tolist()) for hits in (ours, theirs)]
    gain = float((ours - theirs).mean())
    return Result(per_class, *means, guess, as_is, gain, low, high, ours.shape[1], seconds)


def gain_interval(transferred: list[torch.Tensor], scratch: list[torch.Tensor]) -> tuple[float, float]:
    """95 % interval of the mean difference of pairs of runs; unbounded for one pair.

    Arguments:
        transferred, scratch: which test images each run named rightly, bool N, one for each seed, in pairs.
    """
    apart = torch.stack(transferred).double() - torch.stack(scratch).double()  # seeds, test images
    middle = float(apart.mean())
    if len(apart) < 2:
        return -math.inf, math.inf
    seeds = middle - mean_interval(apart.mean(1).tolist())[0]
    images = Z * float(apart.mean(0).std(correction=1)) / math.sqrt(apart.shape[1])
    spread = math.hypot(seeds, images)
    return middle - spread, middle + spread
