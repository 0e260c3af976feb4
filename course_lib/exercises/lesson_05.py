"""Exercises of lesson 05: a gap with its interval, a decision that may say no, a score of one's own.

cl.check("05-gap", gap)
cl.check("05-decide", decide)
cl.check("05-score", my_score)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..intervals import mean_interval
from . import Task

# 05-gap

TRANSFERRED, SCRATCH = (0.31, 0.22, 0.40, 0.27, 0.35), (0.29, 0.19, 0.36, 0.26, 0.33)


def _three(
    gap: Callable[..., Any], transferred: Any = TRANSFERRED, scratch: Any = SCRATCH
) -> tuple[float, float, float]:
    mean, low, high = (float(number) for number in gap(list(transferred), list(scratch)))
    return mean, low, high


def _signed_points(gap: Any) -> Any:
    mean, *_ = _three(gap)
    if abs(mean + 2.4) < 1e-6 or abs(mean + 0.024) < 1e-6:
        return f"Transfer was better in all five pairs, and the gap came out as {mean:+.3g}: subtract scratch from transfer."
    if abs(mean - 0.024) < 1e-6:
        return "The gap came out in shares (0.024); in percentage points it is a hundred times that."
    return abs(mean - 2.4) < 1e-6 or f"The mean of the five differences is 2.4 points; received {mean:.3g}."


def _pair_by_pair(gap: Any) -> Any:
    shifted = [share + 0.05 for share in SCRATCH]
    mean, low, high = _three(gap, shifted)
    if high - low > 1e-6:
        return (
            f"Every pair differs by exactly 5 points, and the interval is still {high - low:.1f} points wide. Take the difference in "
            "each pair first, then the interval of the differences: what the two runs of a pair share must cancel."
        )
    return abs(mean - 5) < 1e-6


def _students_t(gap: Any) -> Any:
    _, low, high = _three(gap)
    right = mean_interval([100 * (a - b) for a, b in zip(TRANSFERRED, SCRATCH, strict=True)])
    if math.isclose(low, right[0], abs_tol=1e-6) and math.isclose(high, right[1], abs_tol=1e-6):
        return True
    return (
        f"For these five pairs the interval is {right[0]:.2f} to {right[1]:.2f}; received {low:.2f} to {high:.2f}. With few pairs "
        "Student's t is wider than 1.96 standard errors: `mean_interval` knows it."
    )


GAP = Task(
    name="05-gap",
    ask="Write gap(transferred, scratch): mean, low and high of the gap in percentage points, from the accuracies (0 to 1) of runs "
    "that are paired by their place in the two lists. mean_interval(values) gives the 95 % interval of a mean.",
    stub="def gap(transferred, scratch):\n    ...\n    return 0.0, 0.0, 0.0",
    answer="gap",
    checks=(
        ("it is positive where transfer is better, and in percentage points", _signed_points),
        ("what the two runs of a pair share cancels", _pair_by_pair),
        ("its interval is that of Student's t over the pairs", _students_t),
    ),
    solution=(
        "def gap(transferred, scratch):\n"
        "    points = [100 * (a - b) for a, b in zip(transferred, scratch)]\n"
        "    return sum(points) / len(points), *mean_interval(points)"
    ),
    wrong=(
        (
            "def gap(transferred, scratch):\n    points = [100 * (b - a) for a, b in zip(transferred, scratch)]\n"
            "    return sum(points) / len(points), *mean_interval(points)",
            "subtract scratch from transfer",
        ),
        (
            "def gap(transferred, scratch):\n    points = [a - b for a, b in zip(transferred, scratch)]\n"
            "    return sum(points) / len(points), *mean_interval(points)",
            "came out in shares",
        ),
        (
            "def gap(transferred, scratch):\n    a, b = mean_interval(transferred), mean_interval(scratch)\n"
            "    mean = sum(transferred) / len(transferred) - sum(scratch) / len(scratch)\n"
            "    return 100 * mean, 100 * (a[0] - b[1]), 100 * (a[1] - b[0])",
            "difference in each pair first",
        ),
        (
            "def gap(transferred, scratch):\n    points = 100 * (np.array(transferred) - np.array(scratch))\n"
            "    reach = 1.96 * points.std(ddof=1) / len(points) ** 0.5\n"
            "    return points.mean(), points.mean() - reach, points.mean() + reach",
            "Student's t is wider",
        ),
    ),
    given=lambda: {"np": np, "mean_interval": mean_interval},
    hints=("First one number for each pair, then their mean and their interval.",),
)

# 05-decide

SEEDS = 6


def _table(
    means: dict[str, float], spread: float, test: dict[str, float] | None = None
) -> dict[str, dict[str, list[float]]]:
    """Accuracies of `SEEDS` runs around these means on val, and on test around others; runs of a seed rise and fall together."""
    draw = np.random.default_rng(1)
    together = 0.03 * draw.standard_normal(SEEDS)
    return {
        name: {
            "val": list(mean + together + spread * draw.standard_normal(SEEDS)),
            "test": list((test or means)[name] + together + spread * draw.standard_normal(SEEDS)),
        }
        for name, mean in means.items()
    }


def _near() -> dict[str, dict[str, list[float]]]:
    return _table({"from scratch": 0.25, "photos": 0.24, "animals": 0.74, "digits": 0.22}, 0.01)


def _harmful() -> dict[str, dict[str, list[float]]]:
    return _table({"from scratch": 0.26, "textures": 0.20, "shuffled": 0.15}, 0.01)


def _unclear() -> dict[str, dict[str, list[float]]]:
    """A source a little above scratch on average, and far from clear of it."""
    found = _table({"from scratch": 0.25, "photos": 0.25}, 0.001)
    for i, apart in enumerate((0.06, -0.05, 0.05, -0.04, 0.06, -0.05)):
        found["photos"]["val"][i] = found["from scratch"]["val"][i] + apart
    return found


def _flattering() -> dict[str, dict[str, list[float]]]:
    """The best on val is another one than the best on test."""
    val = {"from scratch": 0.25, "photos": 0.33, "digits": 0.37}
    return _table(val, 0.003, {"from scratch": 0.25, "photos": 0.60, "digits": 0.36})


def _points(results: dict[str, Any], name: str) -> float:
    pairs = zip(results[name]["val"], results["from scratch"]["val"], strict=True)
    return float(np.mean([100 * (a - b) for a, b in pairs]))


def _decided(decide: Callable[..., Any], results: dict[str, Any], right: str, why: str) -> Any:
    name, number = decide(results)
    if name != right:
        return f"It chose {name}; {why}"
    expected = _points(results, right)
    return abs(float(number) - expected) < 1e-6 or (
        f"It chose {name} and justified it with {float(number):.3g}; its mean gap to scratch on val is {expected:.3g} points."
    )


def _takes_the_near(decide: Any) -> Any:
    return _decided(decide, _near(), "animals", "animals is far above from scratch on val, in every pair.")


def _refuses_harm(decide: Any) -> Any:
    return _decided(
        decide, _harmful(), "from scratch", "every source is below from scratch: then nothing is transferred."
    )


def _refuses_luck(decide: Any) -> Any:
    results = _unclear()
    said = (
        f"photos is {_points(results, 'photos'):+.1f} points on average, and its interval reaches below zero. A gain that is not "
        "clear does not pay for the transfer: use mean_interval."
    )
    return _decided(decide, results, "from scratch", said)


def _leaves_test_alone(decide: Any) -> Any:
    results = _flattering()
    blind = {name: {"val": each["val"]} for name, each in results.items()}
    try:
        seen = _decided(
            decide, results, "digits", "digits is best on val. Was test looked at? It is there for the report."
        )
        return seen if seen is not True else _decided(decide, blind, "digits", "digits is best on val.")
    except KeyError:
        return (
            "It stops where there is no test split. A choice is made on val; test is for the report, after the choice."
        )


DECIDE = Task(
    name="05-decide",
    ask="Write decide(results): which source to ship, and the number that justifies it. `results` maps 'from scratch' and each source to "
    "{'val': accuracies, 'test': accuracies}, seed by seed. Return the source with the largest mean gap to scratch among those whose "
    "whole interval is above zero, and that gap in points; ('from scratch', 0.0) where there is none.",
    stub="def decide(results):\n    ...\n    return 'from scratch', 0.0",
    answer="decide",
    checks=(
        ("a source that helps clearly is taken", _takes_the_near),
        ("where all sources hurt, none is taken", _refuses_harm),
        ("a gain that may be luck is not taken", _refuses_luck),
        ("test is not looked at", _leaves_test_alone),
    ),
    solution=(
        "def decide(results):\n"
        "    best = ('from scratch', 0.0)\n"
        "    for name, found in results.items():\n"
        "        pairs = zip(found['val'], results['from scratch']['val'])\n"
        "        points = [100 * (a - b) for a, b in pairs]\n"
        "        mean, (low, high) = sum(points) / len(points), mean_interval(points)\n"
        "        if low > 0 and mean > best[1]:\n"
        "            best = (name, mean)\n"
        "    return best"
    ),
    wrong=(
        (
            "def decide(results):\n    sources = [name for name in results if name != 'from scratch']\n"
            "    gap = lambda name: 100 * (np.mean(results[name]['val']) - np.mean(results['from scratch']['val']))\n"
            "    best = max(sources, key=gap)\n    return best, gap(best)",
            "then nothing is transferred",
        ),
        (
            "def decide(results):\n"
            "    gap = lambda name: 100 * (np.mean(results[name]['val']) - np.mean(results['from scratch']['val']))\n"
            "    best = max(results, key=gap)\n    return best, gap(best)",
            "interval reaches below zero",
        ),
        (
            "def decide(results):\n    best = ('from scratch', 0.0)\n    for name, found in results.items():\n"
            "        points = [100 * (a - b) for a, b in zip(found['test'], results['from scratch']['test'])]\n"
            "        if mean_interval(points)[0] > 0 and np.mean(points) > best[1]:\n"
            "            best = (name, np.mean(points))\n    return best",
            "Was test looked at",
        ),
    ),
    given=lambda: {"np": np, "mean_interval": mean_interval},
    hints=(
        "The differences are taken seed by seed, against results['from scratch']['val'].",
        "mean_interval(values) returns the two ends; the source is clear where the lower one is above zero.",
    ),
)

# 05-score


def _clouds(apart: float, width: int, seed: int, count: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Features of 3 classes that lie `apart`, in all their numbers, and labels."""
    draw = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    return apart * draw.standard_normal((3, width))[labels] + draw.standard_normal((count, width)), labels


def _grows(my_score: Any) -> Any:
    for seed in range(3):
        near, far = (float(my_score(*_clouds(apart, 6, seed))) for apart in (0.0, 4.0))
        if not near < far:
            return f"Classes that lie far apart got {far:.3g}, and classes that lie on one another {near:.3g}: higher has to be better."
    return True


def _no_size(my_score: Any) -> Any:
    x, y = _clouds(0.8, 6, 0)
    one, large = float(my_score(x, y)), float(my_score(50 * x, y))
    return math.isclose(one, large, rel_tol=1e-3, abs_tol=1e-6) or (
        f"The same features in other units, 50 times as large, got {large:.3g} instead of {one:.3g}. Two networks have features of "
        "different size: compare distances with distances."
    )


def _no_names(my_score: Any) -> Any:
    x, y = _clouds(0.8, 6, 0)
    one, renamed = float(my_score(x, y)), float(my_score(x, (y + 1) % 3))
    return math.isclose(one, renamed, rel_tol=1e-3, abs_tol=1e-6) or (
        f"With the classes numbered otherwise the score is {renamed:.3g} instead of {one:.3g}; their numbers mean nothing."
    )


def _not_fooled(my_score: Any) -> Any:
    real = [float(my_score(*_clouds(2.0, 4, seed))) for seed in range(5)]
    noise = [float(my_score(*_clouds(0.0, 300, seed))) for seed in range(5)]
    return float(np.mean(noise)) < float(np.mean(real)) or (
        f"Pure noise with 300 numbers an image got {np.mean(noise):.3g} on average, and features of 4 numbers that do separate the "
        f"classes {np.mean(real):.3g}. With many numbers and few images everything fits: judge each image without its own help."
    )


SCORE = Task(
    name="05-score",
    ask="Make a score of your own: my_score(features, labels), features an array N,D and labels N whole numbers, gives a number that is "
    "higher where the features suit the labels better. Then ask `agreement` how well it orders the sources.",
    stub="def my_score(features, labels):\n    ...\n    return 0.0",
    answer="my_score",
    checks=(
        ("classes that lie apart get more than classes that do not", _grows),
        ("the size of the features does not count", _no_size),
        ("the numbers of the classes do not count", _no_names),
        ("much noise and few images do not fool it", _not_fooled),
    ),
    solution=(
        "def my_score(features, labels):\n"
        "    right = 0\n"
        "    for i in range(len(labels)):\n"
        "        others = np.arange(len(labels)) != i          # judged by the others alone\n"
        "        distance = np.linalg.norm(features[others] - features[i], axis=1)\n"
        "        right += labels[others][distance.argmin()] == labels[i]\n"
        "    return right / len(labels)"
    ),
    wrong=(
        (
            "def my_score(features, labels):\n"
            "    means = np.stack([features[labels == k].mean(0) for k in np.unique(labels)])\n"
            "    nearest = np.linalg.norm(features[:, None] - means, axis=2).argmin(1)\n"
            "    return (nearest == labels).mean()",
            "judge each image without its own help",
        ),
        (
            "def my_score(features, labels):\n"
            "    means = np.stack([features[labels == k].mean(0) for k in np.unique(labels)])\n"
            "    return np.linalg.norm(means - means.mean(0), axis=1).mean()",
            "in other units",
        ),
        (
            "def my_score(features, labels):\n"
            "    spread = [features[labels == k].std() for k in np.unique(labels)]\n"
            "    return np.mean(spread) / features.std()",
            "higher has to be better",
        ),
    ),
    given=lambda: {"np": np},
    hints=(
        "Leave each image out in turn and guess its class from the others: by the nearest mean, or the nearest neighbour.",
        "A share of right guesses has no unit, so the size of the features drops out.",
    ),
)

TASKS = (GAP, DECIDE, SCORE)
