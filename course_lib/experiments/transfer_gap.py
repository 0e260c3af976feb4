"""Does transfer help or hurt? Accuracy of a transferred network minus that of one trained from scratch, seed by seed.

    cases = [Case("animals", per_class=10), Case("shuffled", per_class=10, how="tuned", blocks=5)]
    gaps = watch(transfer_gap(load_images("dogworld"), "pawnet", cases, seeds=10))
    gaps[1].mean, gaps[1].low, gaps[1].high, gaps[1].verdict        # in accuracy, 0.01 is one percentage point

Both networks of a pair have the same training images, the same order of images, and are asked about the same test images;
where all blocks train they also share every weight that was not transferred. So their difference says more than two
accuracies do (gap.py says how the interval is worked out).

Runs are kept under a hash of their settings (store.py), so what was done once is read. Some ship with the course
(gap_records.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import torch

from ..devices import choose_device
from ..errors import CourseError
from ..evaluation import evaluate
from ..images import ImageSet
from ..models import load
from ..network import Network
from ..training.recipes import feature_extraction, from_scratch
from ..training.records import Record
from ..training.stage import Stage
from ..upbringings import UPBRINGINGS
from ..weights import shipped_names
from .curve import Curve, Way, result_from, result_of
from .dog_case import UPRIGHT
from .gap import RANDOM, Case, Gap, paired_gap, table
from .learning_curve import Step, data_fingerprint, fit_unwatched, learning_curve, weights_source
from .store import keep, kept

__all__ = ["Case", "Gap", "GapStep", "paired_gap", "sources", "table", "transfer_gap", "transferred_net"]

Recipe = Callable[[int], list[Stage]]


def train_all(per_class: int) -> list[Stage]:
    """All blocks at one rate, for both networks of a pair: few images are passed over more often.

    As in the small dog case: a run takes seconds on a core, and more epochs would bring the baseline further.
    """
    epochs = max(8, round(60 / per_class**0.5))
    return from_scratch(epochs, augment=UPRIGHT, views=epochs)


def train_head(per_class: int) -> list[Stage]:
    """A new head on a frozen body."""
    return feature_extraction()


@dataclass(frozen=True)
class GapStep:
    """Where the work stands: how much is done (0 to 1), the gaps so far, what is being trained, and its record."""

    progress: float
    gaps: tuple[Gap, ...]
    label: str
    record: Any = None

    @property
    def text(self) -> str:
        """The line to show; reading it waits for the device."""
        return f"{self.label}; {self.record.text}" if self.record else self.label


def sources(model: str = "pawnet") -> list[str]:
    """The upbringings that ship for a model, from near to the breeds of dogworld to far, and `random`."""
    shipped = shipped_names(model)
    return [*(name for name in UPBRINGINGS if name in shipped), RANDOM]


def transferred_net(model: str, images: ImageSet, case: Case, seed: int) -> Network:
    """The start of a tuned run: the first blocks from the source, every other weight as in the run from scratch."""
    net = load(model, images.classes, case.source, seed)
    random = load(model, images.classes, None, seed, size=net.size)
    with torch.no_grad():
        for mine, theirs in zip(net.blocks[_blocks(case, net) :], random.blocks[_blocks(case, net) :], strict=True):
            for tensor, drawn in zip(mine.state(), theirs.state(), strict=True):
                tensor.copy_(drawn)
    return net


def transfer_gap(
    images: ImageSet,
    model: str,
    cases: Iterable[Case],
    *,
    seeds: int = 10,
    recipe: Recipe = train_all,
    head: Recipe = train_head,
    device: str | None = None,
) -> Generator[GapStep, None, list[Gap]]:
    """Train pairs of networks, one with transfer and one from scratch, and compare them on the test split.

    Arguments:
        images: whose train split is thinned by each seed; test is reported on.
        model: architecture, as for `load`.
        cases: what is transferred; they are done in this order.
        seeds: pairs of each case, 2 or more; each has training images and random weights of its own.
        recipe: images a class -> stages of a run from scratch, and of a tuned one.
        head: images a class -> the stage of a frozen one.

    Yields `GapStep` after each training step, with the gap of each case over the pairs so far; returns the gaps (use
    `watch`). Raises `CourseError`, before any work, for what cannot be done.
    """
    cases = list(dict.fromkeys(cases))
    check_cases(images, model, cases, seeds)
    bench = Bench(images, model, recipe, head, choose_device(device).type)
    return pairs_of(bench, cases, seeds)


class Bench:
    """Single runs on one set of images.

    Attributes:
        done: hits by (case, images a class, seed), one character a test image; the case None is a run from scratch.
    """

    def __init__(self, images: ImageSet, model: str, recipe: Recipe, head: Recipe, device: str) -> None:
        self.images, self.model, self.recipe, self.head, self.device = images, model, recipe, head, device
        self.data = data_fingerprint(images)
        self.done: dict[tuple[Case | None, int, int], str] = {}
        self._sources: dict[str, str] = {}

    def settings(self, case: Case | None, per_class: int, seed: int) -> dict[str, Any]:
        """All that the hits of a run depend on, but for code and machine; `case` None is a run from scratch."""
        source = RANDOM if case is None else case.source
        if source not in self._sources:
            self._sources[source] = weights_source(self.model, None if source == RANDOM else source)
        stages = self.head(per_class) if case is not None and case.how == "frozen" else self.recipe(per_class)
        return {
            "images": self.data,
            "model": self.model,
            "weights": self._sources[source],
            "transfer": None if case is None else [case.how, case.blocks],
            "recipe": [asdict(stage) for stage in stages],
            "per_class": per_class,
            "seed": seed,
        }

    def run(self, case: Case | None, per_class: int, seed: int, seeds: int) -> Generator[Any, None, str]:
        """The hits of one run, after the records of its training; heads of all `seeds` are trained side by side at once."""
        if (case, per_class, seed) not in self.done:
            if case is not None and case.how == "tuned":
                found = {seed: (yield from self._tune(case, seed))}
            else:
                found = yield from self._curve(case, per_class, seed, seeds)
            self.done |= {(case, per_class, number): hits for number, hits in found.items()}
        return self.done[case, per_class, seed]

    def _curve(self, case: Case | None, per_class: int, seed: int, seeds: int) -> Generator[Any, None, dict[int, str]]:
        """Runs that the learning curve does and keeps; one after the other where each has a body of its own."""
        weights = None if case is None or case.source == RANDOM else case.source
        count = seed + 1 if weights is None else seeds
        way = Way("from scratch" if case is None else "frozen", weights, self.head if case else self.recipe, count)
        work = learning_curve(self.images, self.model, [way], [per_class], device=self.device)
        curve = yield from _records(work)
        return {run.seed: run.hits for run in curve.runs}

    def _tune(self, case: Case, seed: int) -> Generator[Record, None, str]:
        settings = self.settings(case, case.per_class, seed) | {"torch": torch.__version__, "device": self.device}
        result = result_from(kept(settings))
        if result is None:
            start = time.perf_counter()
            net = transferred_net(self.model, self.images, case, seed)
            stages = self.recipe(case.per_class)
            few = self.images.subset(case.per_class, seed)
            for record in fit_unwatched(net, few, stages, seed, self.device):
                yield record
            test, seconds = evaluate(net, self.images, "test"), time.perf_counter() - start
            result = keep(settings, result_of(test, record.step, seconds))
        return result["hits"]


def pairs_of(bench: Bench, cases: list[Case], seeds: int) -> Generator[GapStep, None, list[Gap]]:
    """Pair by pair, so that the interval of a case narrows while one looks."""
    gaps: dict[Case, Gap] = {}
    for number, case in enumerate(cases):
        pairs: list[list[str]] = []
        for seed in range(seeds):
            hits = []
            for side, of in enumerate((case, None)):
                label = f"{'from scratch' if side else case.text}: seed {seed + 1} of {seeds}"
                work = bench.run(of, case.per_class, seed, seeds)
                done, part = 2 * (number * seeds + seed) + side, 0.0
                while True:
                    try:
                        record = next(work)
                    except StopIteration as end:
                        hits.append(end.value)
                        break
                    part = record.progress if record is not None else part
                    yield GapStep((done + part) / (2 * seeds * len(cases)), tuple(gaps.values()), label, record)
            pairs.append(hits)
            gaps[case] = paired_gap(case, *zip(*pairs, strict=True))
            yield GapStep((done + 1) / (2 * seeds * len(cases)), tuple(gaps.values()), gaps[case].text)
    return list(gaps.values())


def _records(work: Generator[Step, None, Curve]) -> Generator[Any, None, Curve]:
    """The records inside the steps of a learning curve."""
    while True:
        try:
            yield next(work).record
        except StopIteration as end:
            return end.value


def _blocks(case: Case, net: Network) -> int:
    blocks = len(net) - 1 if case.blocks is None else case.blocks
    if type(blocks) is not int or not 1 <= blocks <= len(net) - 1:
        raise CourseError(
            f"blocks={case.blocks!r} was asked of {net.name}; 1 to {len(net) - 1} of its blocks can be transferred (not the head)."
        )
    return blocks


def check_cases(images: ImageSet, model: str, cases: list[Case], seeds: int) -> None:
    """All that could go wrong, looked at before any work."""
    if not cases or not all(isinstance(case, Case) for case in cases):
        raise CourseError(f"transfer_gap takes one or more Case(source, per_class); received {cases!r}.")
    if type(seeds) is not int or seeds < 2:
        raise CourseError(f"seeds={seeds!r} is out of range; an interval needs 2 or more, and 10 make it a useful one.")
    for case in cases:
        images.subset(case.per_class)
        if case.source != RANDOM:
            _blocks(case, load(model, images.classes, case.source))
