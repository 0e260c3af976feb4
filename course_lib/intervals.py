"""How sure a measured accuracy is: 95 % intervals, over test images and over seeds.

low, high = accuracy_interval([0.82, 0.84, 0.83], test_images=500)
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Z = 1.959964  # normal quantile of 97.5 %
# Student's t quantile of 97.5 % for 1 to 30 degrees of freedom; beyond that the normal one is within 2 %.
T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
     2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042)  # fmt: skip


def wilson(share: float, count: int) -> tuple[float, float]:
    """95 % interval of a share of `count` independent trials, within 0 to 1 (Wilson 1927)."""
    spread = Z * math.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2))
    middle = share + Z**2 / (2 * count)
    scale = 1 + Z**2 / count
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % interval of the mean of a few independent values (Student's t); with one value it is unbounded."""
    if len(values) < 2:
        return -math.inf, math.inf
    t = T[len(values) - 2] if len(values) - 1 <= len(T) else Z
    spread = t * np.std(values, ddof=1) / math.sqrt(len(values))
    return float(np.mean(values) - spread), float(np.mean(values) + spread)


def accuracy_interval(accuracies: Sequence[float], test_images: int) -> tuple[float, float]:
    """95 % interval of an accuracy, 0 to 1, measured with several seeds on the same test images.

    Two things are uncertain: which training images and weights a seed drew (Student's t over the seeds), and which
    images the test split holds (Wilson; it does not shrink with more seeds). The two spreads add in quadrature. With one
    seed only the second is known.
    """
    mean = float(np.mean(accuracies))
    low, high = wilson(mean, test_images)
    between = mean - mean_interval(accuracies)[0] if len(accuracies) > 1 else 0.0
    return max(0.0, mean - math.hypot(mean - low, between)), min(1.0, mean + math.hypot(high - mean, between))
