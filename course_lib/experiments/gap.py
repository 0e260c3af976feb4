"""Gap: what transfer changed, of pairs of runs with the same seed; with the interval that it must be told with.

    gap = paired_gap(Case("shuffled", 10), transferred_hits, scratch_hits)
    gap.mean, gap.low, gap.high, gap.verdict     # in accuracy: 0.01 is one percentage point

The 95 % interval holds what other seeds would change (Student's t over the pairs) and what other test images would change
(normal, over images); the two spreads add in quadrature, as in `Curve.gain`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..errors import CourseError
from ..tables import Table
from .curve import Curve, Run

RANDOM = "random"


@dataclass(frozen=True)
class Case:
    """What is transferred, and to how many images.

    Arguments:
        source: a shipped upbringing (`animals`), a file of weights, or `random`: a body that has seen nothing.
        per_class: training images a class.
        how: `frozen`: the whole body is transferred and stays, a new head is trained; `tuned`: the first `blocks` blocks
            are transferred, the rest is random, and all is trained, as from scratch.
        blocks: of `tuned`, from 1; None for the whole body.
    """

    source: str
    per_class: int = 10
    how: Literal["frozen", "tuned"] = "frozen"
    blocks: int | None = None

    def __post_init__(self) -> None:
        if self.how not in ("frozen", "tuned"):
            raise CourseError(
                f"how={self.how!r} is not known; use 'frozen' (a new head on the body) or 'tuned' (all blocks train)."
            )
        if self.how == "frozen" and self.blocks is not None:
            raise CourseError(
                f"blocks={self.blocks} was given with how='frozen', which transfers the whole body; use how='tuned'."
            )
        if self.how == "tuned" and self.source == RANDOM:
            raise CourseError(
                "A random network of which all blocks train is training from scratch: its gap is nothing. "
                "Choose another source, or how='frozen'."
            )

    @property
    def text(self) -> str:
        """The case in words."""
        what = "frozen body" if self.how == "frozen" else "all trained"
        what += "" if self.blocks is None else f", first {self.blocks} blocks transferred"
        return f"{self.source}, {self.per_class} images per class, {what}"


@dataclass(frozen=True)
class Gap:
    """Accuracy of transfer minus accuracy from scratch, of pairs with the same seed.

    Attributes:
        transferred, scratch: test accuracies, one for each seed, 0 to 1.
        mean, low, high: of the gap, -1 to 1, with its 95 % interval; unbounded with a single seed.
        recorded: when and where the runs were done if they ship with the course, else empty.
    """

    case: Case
    transferred: tuple[float, ...]
    scratch: tuple[float, ...]
    mean: float
    low: float
    high: float
    recorded: str = ""

    @property
    def seeds(self) -> int:
        return len(self.scratch)

    @property
    def verdict(self) -> str:
        """`helps` or `hurts` where the whole interval lies on one side of zero, else `not clear`."""
        return "helps" if self.low > 0 else "hurts" if self.high < 0 else "not clear"

    @property
    def text(self) -> str:
        """The gap in words, in percentage points."""
        interval = f"{100 * self.low:+.1f} to {100 * self.high:+.1f}" if math.isfinite(self.low) else "not known yet"
        count = "1 seed" if self.seeds == 1 else f"{self.seeds} seeds"
        return f"{self.case.text}: {100 * self.mean:+.1f} points (95 % interval {interval}, {count}), {self.verdict}"


def paired_gap(case: Case, transferred: Sequence[str], scratch: Sequence[str], recorded: str = "") -> Gap:
    """The gap of runs that are paired by their place in the two lists.

    Arguments:
        transferred, scratch: for each run one character a test image, `1` where it was named rightly.
    """
    runs = [
        Run(way, case.per_class, seed, hits.count("1") / len(hits), hits, 0, 0.0, False)
        for way, all_hits in (("transfer", transferred), ("scratch", scratch))
        for seed, hits in enumerate(all_hits)
    ]
    mean, low, high = Curve(tuple(runs), len(scratch[0]), 0, 0.0).gain("transfer", "scratch", case.per_class)
    low, high = max(-1.0, low), min(1.0, high)
    if len(scratch) < 2:  # one pair does not say how far the next one may lie
        low, high = -math.inf, math.inf
    accuracies = [tuple(run.accuracy for run in runs if run.way == way) for way in ("transfer", "scratch")]
    return Gap(case, *accuracies, mean, low, high, recorded)


def table(gaps: Iterable[Gap]) -> Table:
    """One row for each gap."""
    rows = []
    for gap in gaps:
        ends = (f"{100 * end:+.1f}" if math.isfinite(end) else "?" for end in (gap.low, gap.high))
        case = gap.case
        how = "frozen body" if case.how == "frozen" else f"all trained, {case.blocks or 'all'} blocks transferred"
        means = [f"{np.mean(side):.1%}" for side in (gap.transferred, gap.scratch)]
        shown = [f"{100 * gap.mean:+.1f}", " to ".join(ends), gap.verdict, gap.seeds, gap.recorded or "live"]
        rows.append([case.source, case.per_class, how, *means, *shown])
    columns = ("source", "images per class", "how", "transfer", "from scratch", "gap (points)", "95 % interval")
    return Table((*columns, "verdict", "seeds", "measured"), rows, "Test accuracy with transfer and from scratch")
