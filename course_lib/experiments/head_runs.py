"""The runs of a learning curve that differ in their heads alone, trained side by side on one frozen body.

    net = body_of(dogs, "pawnet", way, per_class=[5, 20])
    if net is not None:
        results = yield from train_heads(net, dogs, "pawnet", way, [(5, 0), (5, 1), (20, 0)], device="cpu")

The results are those of `fit`, run by run: same subsets, same first heads, same order of images (see stacked/fit_heads.py).
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from typing import Any

from ..images import ImageSet
from ..models import load
from ..network import Network
from ..stacked.fit_heads import HeadsRecord, fit_heads, load_head, obstacle
from ..stacked.headset import HeadRun
from ..training.draws import batches_in
from .curve import Way, result_of


def body_of(images: ImageSet, model: str, way: Way, per_class: Sequence[int]) -> Network | None:
    """The network whose body all runs of a way share and leave as it is; None if there is none, or no run.

    A random body is drawn anew by each seed, and so are augmented views: neither can be shared.
    """
    recipes = [way.recipe(n) for n in per_class]
    if not recipes or way.weights is None or any(len(recipe) > 1 or recipe[0].augment for recipe in recipes):
        return None
    net = load(model, images.classes, way.weights, size=way.size)
    return None if any(obstacle(net, recipe[0]) for recipe in recipes) else net


def train_heads(
    net: Network, images: ImageSet, model: str, way: Way, runs: Sequence[tuple[int, int]], device: str
) -> Generator[HeadsRecord | None, None, list[dict[str, Any]]]:
    """Train and measure the head of each run (images per class, seed).

    Yields records, and None where there is nothing to tell but that work goes on; returns what is to be kept of each run.
    """
    start = time.perf_counter()
    first = {}
    for seed in dict.fromkeys(seed for _, seed in runs):
        first[seed] = load_head(model, images.classes, way.weights, seed)
        yield None
    stages = [way.recipe(n)[0] for n, _ in runs]
    rows = [images.subset(n, seed).rows("train") for n, seed in runs]
    asked = [
        HeadRun(stage, seed, train, first[seed]) for stage, (_, seed), train in zip(stages, runs, rows, strict=True)
    ]
    heads = yield from fit_heads(net, images, asked, device=device)
    for _ in heads.feed.fill(images.rows("test")):
        yield None
    tests = heads.evaluations("test")
    steps = [batches_in(len(train), stage.batch) * stage.epochs for stage, train in zip(stages, rows, strict=True)]
    seconds = (time.perf_counter() - start) / sum(steps)
    return [result_of(test, count, seconds * count) for test, count in zip(tests, steps, strict=True)]
