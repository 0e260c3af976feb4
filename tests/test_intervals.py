"""Intervals: known values, limits, and how often they hold the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from course_lib.intervals import accuracy_interval, mean_interval, wilson


@pytest.mark.parametrize(
    ("share", "count", "low", "high"),
    [
        (0.5, 10, 0.2366, 0.7634),  # Newcombe 1998 and textbooks
        (81 / 263, 263, 0.2553, 0.3662),  # Newcombe 1998 (Stat. Med. 17, 857), table I, method 3
        (0.0, 20, 0.0, 0.1611),  # Newcombe 1998, table I, method 3
        (1 / 29, 29, 0.0061, 0.1718),  # Newcombe 1998, table I, method 3
        (1.0, 20, 0.8389, 1.0),
    ],
)
def test_wilson_gives_the_published_values(share, count, low, high):
    assert wilson(share, count) == pytest.approx((low, high), abs=1e-4)


def test_mean_interval_gives_the_textbook_value():
    # Student's t: mean 3, s = sqrt(2.5), n = 5, t(4) = 2.776 -> 3 +- 1.963
    assert mean_interval([1, 2, 3, 4, 5]) == pytest.approx((3 - 1.9629, 3 + 1.9629), abs=1e-3)


def test_mean_interval_of_two_values_and_of_many():
    assert mean_interval([0.0, 1.0]) == pytest.approx((0.5 - 12.706 / 2, 0.5 + 12.706 / 2), abs=1e-3)
    values = np.arange(100.0)
    low, high = mean_interval(values)
    assert (high - low) / 2 == pytest.approx(1.96 * values.std(ddof=1) / 10, rel=1e-3)


def test_one_value_says_nothing_of_the_spread():
    assert mean_interval([0.8]) == (-math.inf, math.inf)


def test_accuracy_interval_of_one_seed_is_that_of_the_test_images():
    assert accuracy_interval([0.8], 100) == pytest.approx(wilson(0.8, 100))


def test_accuracy_interval_adds_both_spreads_and_stays_within_0_and_1():
    low, high = accuracy_interval([0.80, 0.82, 0.84], 200)
    seeds, images = mean_interval([0.80, 0.82, 0.84]), wilson(0.82, 200)
    assert 0.82 - low == pytest.approx(math.hypot(0.82 - seeds[0], 0.82 - images[0]))
    assert high - 0.82 == pytest.approx(math.hypot(seeds[1] - 0.82, images[1] - 0.82))
    assert accuracy_interval([1.0, 0.9], 10)[1] == 1.0 and accuracy_interval([0.0, 0.1], 10)[0] == 0.0


def test_equal_seeds_leave_the_spread_of_the_test_images():
    assert accuracy_interval([0.7, 0.7, 0.7], 50) == pytest.approx(wilson(0.7, 50))


@pytest.mark.parametrize(("truth", "count"), [(0.5, 40), (0.8, 100), (0.95, 200)])
def test_wilson_holds_the_truth_in_95_of_100_cases(truth, count):
    hits = np.random.default_rng(0).binomial(count, truth, 4000)
    held = [low <= truth <= high for low, high in (wilson(hit / count, count) for hit in hits)]
    assert 0.93 < np.mean(held) < 0.975


@pytest.mark.parametrize("count", [2, 5, 20])
def test_mean_interval_holds_the_truth_in_95_of_100_cases(count):
    draws = np.random.default_rng(1).normal(3, 2, (3000, count))
    held = [low <= 3 <= high for low, high in map(mean_interval, draws)]
    assert 0.935 < np.mean(held) < 0.965


def test_accuracy_interval_holds_the_truth_in_95_of_100_cases():
    """Each seed's net is right with a probability of its own; all are measured on test images that were drawn too."""
    random = np.random.default_rng(2)
    held = []
    for _ in range(1500):
        hardness = random.normal(0, 1, 100)  # the same test images for all seeds
        skill = random.normal(0.9, 0.15, 4)
        right = random.normal(0, 1, (4, 100)) * 0.6 + skill[:, None] > hardness * 0.8
        truth = 0.5 * (1 + math.erf(0.9 / math.sqrt(2 * (0.15**2 + 0.6**2 + 0.8**2))))
        low, high = accuracy_interval(right.mean(1), 100)
        held.append(low <= truth <= high)
    assert np.mean(held) > 0.94
