"""Do scores put sources in the order in which they turned out to help? A rank correlation, and what chance would give.

found = agreement([0.31, 0.22, 0.12], [60.5, -1.0, -4.9])      # scores, measured gaps; source by source
found.rho, found.by_chance                                     # 1.0, 0.17: one of six orders agrees as well
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from ..errors import CourseError

EXACT = 8  # up to so many sources all orders are tried: 40,320
DRAWS = 20_000


@dataclass(frozen=True)
class Agreement:
    """How well two lists agree in their order.

    Attributes:
        rho: Spearman's rank correlation, -1 (the reverse order) to 1 (the same order).
        by_chance: share of all orders of the first list that agree with the second at least as well, 0 to 1.
        count: of sources.
    """

    rho: float
    by_chance: float
    count: int

    def __repr__(self) -> str:
        return f"rank correlation {self.rho:+.2f} over {self.count}; {self.by_chance:.1%} of all orders agree as well"


def agreement(scores: Sequence[float], measured: Sequence[float]) -> Agreement:
    """Spearman's rank correlation of two lists; values that are the same share the mean of their ranks.

    Arguments:
        scores, measured: one number each for the same three or more sources, in the same order.

    Raises `CourseError` for lists of different lengths, for fewer than three, for numbers that are not finite, and where all numbers
    of a list are the same.
    """
    if len(scores) != len(measured) or len(scores) < 3:
        raise CourseError(
            f"Two lists of the same three or more sources are needed; received {len(scores)} and {len(measured)}."
        )
    if not all(map(math.isfinite, [*scores, *measured])):
        raise CourseError("Every source needs two finite numbers; leave out those that have none.")
    ours, theirs = _ranks(scores), _ranks(measured)
    if not ours.std() or not theirs.std():
        raise CourseError("All numbers of a list are the same, so there is no order to compare.")
    rho = _correlation(ours, theirs)
    if len(ours) <= EXACT:
        orders = np.array(list(permutations(ours)))
    else:
        draw = np.random.default_rng(0)
        orders = draw.permuted(np.tile(ours, (DRAWS, 1)), axis=1)
    return Agreement(rho, float((_correlation(orders, theirs) >= rho - 1e-9).mean()), len(ours))


def _ranks(values: Sequence[float]) -> np.ndarray:
    """Ranks from 1, the lowest first; equal values get the mean of theirs."""
    _, place, counts = np.unique(np.asarray(values, dtype=float), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[place]


def _correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray | float:
    """Pearson's correlation along the last axis: ...,N and N -> ..."""
    a, b = a - a.mean(-1, keepdims=True), b - b.mean()
    found = (a * b).sum(-1) / np.sqrt((a**2).sum(-1) * (b**2).sum())
    return float(found) if found.ndim == 0 else found
