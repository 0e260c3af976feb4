"""Confidence that means what it says: of the answers given with 80 %, about 80 % should be right.

    temperature = fit_temperature(scores, labels)           # on val; 0.6 says that the network was not sure enough
    probabilities = calibrated(scores, temperature)
    calibration_error(probabilities, labels)                # on test: how far confidence and truth are apart

Dividing all scores by one number, the temperature, changes no answer and repairs most of it (Guo et al. 2017, arXiv
1706.04599, section 4.2). It says nothing of pictures that are none of the classes: see familiar.py.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from ..errors import CourseError

SPREAD = 1.0  # of the logarithm of a temperature, before any picture was seen
FARTHEST = 4.0  # logarithms of temperatures that are looked at: from -4 to 4
BINS = 15  # Guo et al. 2017
KEEP = 0.975  # share of the rightly answered val pictures that each of the two checks lets pass, so both keep 95 %
GOLDEN = (math.sqrt(5) - 1) / 2


def fit_temperature(scores: torch.Tensor, labels: torch.Tensor) -> float:
    """The temperature that makes the labels most likely; exact to six digits, and the same on every call.

    What is minimised is the sum of the negative log-likelihood, in nats, and half the square of log T (a normal prior
    with spread 1 around T = 1). With a handful of pictures, or where all are answered rightly and the likelihood alone
    would send T to 0, the prior keeps T near 1; from a hundred pictures on it hardly counts.

    Arguments:
        scores: float N,classes: logits, finite.
        labels: int64 N, the truth.

    Returns 1.0 where there are no pictures. Raises `CourseError` for scores that are not finite.
    """
    if not len(labels):
        return 1.0
    scores = scores.detach().double().cpu()
    if not bool(scores.isfinite().all()):
        raise CourseError(
            "The network gives scores that are not finite (NaN or infinite) on val, so no confidence can be made of them. Train "
            "it again with a lower learning rate."
        )
    labels = labels.cpu()

    def cost(log: float) -> float:
        loss = F.cross_entropy(scores / math.exp(log), labels, reduction="sum").item()
        return loss + 0.5 * (log / SPREAD) ** 2

    # The likelihood has one minimum over log T, but with the prior there may be two: look everywhere, then closely.
    grid = [FARTHEST * i / 40 for i in range(-40, 41)]
    best = min(grid, key=cost)
    low, high = best - FARTHEST / 40, best + FARTHEST / 40
    while high - low > 1e-7:
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        if cost(left) <= cost(right):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)


def calibrated(scores: torch.Tensor, temperature: float) -> torch.Tensor:
    """Probabilities float32 N,classes of scores (logits) N,classes; every row sums to 1."""
    return (scores.float() / temperature).softmax(1)


def calibration_error(probabilities: torch.Tensor, labels: torch.Tensor, bins: int = BINS) -> float:
    """Expected calibration error, 0 to 1: mean distance of confidence and accuracy (Guo et al. 2017, equation 3).

    Answers are sorted into `bins` ranges of equal width by their confidence, and each range counts by its answers.

    Arguments:
        probabilities: float N,classes, N at least 1.
        labels: int64 N, the truth.
    """
    confidence, answers = probabilities.double().max(1)
    right = (answers == labels).double()
    place = (confidence * bins).ceil().long().clamp(1, bins) - 1  # ranges are open below and closed above
    gaps = torch.zeros(bins, dtype=torch.float64).index_add(0, place, confidence - right)
    return gaps.abs().sum().item() / len(labels)


def lowest_kept(values: torch.Tensor, keep: float = KEEP) -> float | None:
    """The largest limit such that at least `keep` of the values are not below it; None where there are no values.

    With 39 values or fewer and `keep` = 0.975 it is the smallest of them: none may be lost.
    """
    if not len(values):
        return None
    ordered = values.double().sort().values
    return ordered[math.floor(len(ordered) * (1 - keep) + 1e-9)].item()
