"""Claim: transfer needs less data. How many images a class does training from scratch need for what transfer reaches?

    found = claim("less_data").recorded()
    found.words("frozen, 10 - scratch, 10")      # points, with the same images
    found.words("needed, 10")                    # images that scratch needs for what frozen reaches with 10, over 10

Three ways on the breeds of dogworld: all blocks from scratch, a new head on the frozen body of `animals`, and that body
fine-tuned. Accuracy is on test; the runs of one seed have the same training images in all three ways.

`needed, N` follows the curve of scratch of each seed, straight between its points over the logarithm of the images a class,
to the accuracy of the frozen body with N. Where scratch never gets there, it is the end of the curve over N: scratch needs
more than that in this training, so the ratio is a lower bound. The settings count the seeds for which it is one. More passes
than the 20 that scratch has here with 100 a class bring it further: one seed with 32 reached 68.7 %, about what frozen has with 5.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .. import plots
from ..images import ImageSet
from ..sources import load_images
from ..training.recipes import feature_extraction, from_scratch, probe_then_fine_tune
from ..training.stage import Stage
from .claims import Claim
from .curve import Curve, Way
from .dog_case import HEAD_SEEDS, UPRIGHT
from .findings import At, Findings, Verdict, findings
from .learning_curve import learning_curve

Recipe = Callable[[int], list[Stage]]
WAYS = ("scratch", "frozen", "fine-tuned")


@dataclass(frozen=True)
class Plan:
    """What is run: images a class, the recipe of each way of `WAYS`, the seeds of the ways that train a body, and of heads."""

    per_class: tuple[int, ...]
    recipes: tuple[Recipe, Recipe, Recipe]
    seeds: int
    head_seeds: int


def _scratch(few: int, fifty: int, hundred: int) -> Recipe:
    """All blocks, for so many passes with up to 20 images a class, from 50 on, and from 100 on.

    With many images and few passes scratch would only lack time: with 100 a class it gains up to 20 passes and beyond.
    """

    def recipe(per_class: int) -> list[Stage]:
        epochs = hundred if per_class >= 100 else fifty if per_class >= 50 else few
        return from_scratch(epochs, lr=4e-3, batch=32, augment=UPRIGHT, views=epochs)

    return recipe


def _tune(most: int, images: int) -> Recipe:
    """The head first, then the last three blocks: for `most` passes, or fewer where they would take `images` or more."""

    def recipe(per_class: int) -> list[Stage]:
        epochs = max(4, min(most, images // per_class))
        return probe_then_fine_tune(epochs, -3, lr=2e-3, decay=0.9, augment=UPRIGHT, views=epochs)

    return recipe


def _head(per_class: int) -> list[Stage]:
    return feature_extraction()


PLANS = {
    "small": Plan((5, 20, 50), (_scratch(8, 8, 8), _head, _tune(4, 200)), 2, 10),
    "full": Plan((5, 10, 20, 50, 100), (_scratch(16, 16, 20), _head, _tune(8, 250)), 5, HEAD_SEEDS),
}


def work(size: str, seeds: int | None = None) -> Generator[At, None, Findings]:
    """Measure on dogworld with PawNet; `seeds` takes the place of the plan's own numbers."""
    plan = PLANS[size]
    if seeds is not None:
        plan = Plan(plan.per_class, plan.recipes, seeds, max(seeds, plan.head_seeds))
    return (yield from compare(load_images("dogworld"), "pawnet", "animals", plan, size))


def compare(images: ImageSet, model: str, weights: str, plan: Plan, size: str) -> Generator[At, None, Findings]:
    """Train and measure every way with every number of images and every seed."""
    starts, counts = (None, weights, weights), (plan.seeds, plan.head_seeds, plan.seeds)
    ways = [Way(*each) for each in zip(WAYS, starts, plan.recipes, counts, strict=True)]
    steps = learning_curve(images, model, ways, plan.per_class, device="cpu")
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            curve: Curve = end.value
            break
        yield At(step.progress, step.text)
    accuracy = {way: {n: curve.accuracies(way, n) for n in plan.per_class} for way in WAYS}
    measured = {f"{way}, {n}": ("%", [100 * a for a in accuracy[way][n]]) for n in plan.per_class for way in WAYS}
    bounds = {}
    for n in plan.per_class:
        found = [
            needed(plan.per_class, [accuracy["scratch"][m][seed] for m in plan.per_class], accuracy["frozen"][n][seed])
            for seed in range(plan.seeds)
        ]
        measured[f"needed, {n}"] = ("ratio", [images_needed / n for images_needed, _ in found])
        bounds[str(n)] = sum(not reached for _, reached in found)
    return findings(
        "less_data",
        size,
        measured,
        images=images.name,
        model=model,
        weights=weights,
        classes=len(images.classes),
        per_class=list(plan.per_class),
        test_images=curve.test_images,
        seeds=dict(zip(WAYS, counts, strict=True)),
        recipes={
            way: {str(n): repr(recipe(n)) for n in plan.per_class}
            for way, recipe in zip(WAYS, plan.recipes, strict=True)
        },
        seconds_of_all_runs=round(sum(run.seconds for run in curve.runs)),
        needed_is_a_lower_bound_for_seeds=bounds,
    )


def needed(sizes: Sequence[int], accuracies: Sequence[float], wanted: float) -> tuple[float, bool]:
    """Images a class at which a learning curve first reaches an accuracy, and whether it does.

    Arguments:
        sizes: images a class, rising; accuracies: one for each.

    Where it starts above, that is the first size; where it never gets there, the last one, and False.
    """
    if accuracies[0] >= wanted:
        return float(sizes[0]), True
    for (n, low), (m, high) in pairwise(zip(sizes, accuracies, strict=True)):
        if high >= wanted:
            return float(n * (m / n) ** ((wanted - low) / (high - low))), True
    return float(sizes[-1]), False


def _sizes(found: Findings) -> list[int]:
    return sorted(int(key.partition(", ")[2]) for key in found.keys if key.startswith("needed, "))


def judge(found: Findings) -> Verdict:
    """With every number of images both ways of transfer are ahead, and scratch needs more images for the same accuracy.

    The largest number of images has no more to compare with, so there the ratio is not asked for.
    """
    sizes = _sizes(found)
    behind = [
        f"{way}, {n}" for n in sizes for way in WAYS[1:] if not found.interval(f"{way}, {n} - scratch, {n}")[1] > 0
    ]
    ratios = [n for n in sizes[:-1] if not found.interval(f"needed, {n}")[1] > 1]
    if behind or ratios:
        said = [f"not clearly ahead of scratch: {'; '.join(behind)}"] if behind else []
        said += [f"scratch does not clearly need more than N = {', '.join(map(str, ratios))}"] if ratios else []
        return Verdict(False, ". ".join(said) + ".")
    few, most = sizes[0], sizes[-1]
    bounded = np.isclose(found.values(f"needed, {few}"), most / few)
    least = f"at least {most / few:.0f} times as many" if bounded.all() else found.words(f"needed, {few}") + " as many"
    return Verdict(
        True,
        f"with {few} images a class a new head on the frozen body reaches {found.words(f'frozen, {few}')}; from scratch "
        f"{most} a class reach {found.words(f'scratch, {most}')}. For what frozen reaches with {few}, scratch needs {least}"
        + (" (a lower bound: in this training its curve ends before it gets there)." if bounded.any() else "."),
    )


def plot(found: Findings) -> plots.Picture:
    """Accuracy over images a class, and an arrow from the smallest number to what scratch needs for the same."""
    sizes = _sizes(found)
    few, most = sizes[0], sizes[-1]
    told = {"scratch": "from scratch", "frozen": "frozen body", "fine-tuned": "fine-tuned"}
    curves = {told[way]: [(n, *(part / 100 for part in found.interval(f"{way}, {n}"))) for n in sizes] for way in WAYS}
    picture = plots.learning_curves(curves, 1 / found.settings["classes"])
    axis, height = picture.figure.axes[0], found.mean(f"frozen, {few}")
    ratio, bound = found.mean(f"needed, {few}"), np.isclose(found.values(f"needed, {few}"), most / few).any()
    words = f"scratch needs {'at least ' if bound else ''}{ratio:.0f} times as many"
    below = min(height, *(found.mean(f"{way}, {n}") for way in WAYS[1:] for n in sizes[1:])) - 7
    axis.annotate(
        "", (few * ratio, below), (few, below), arrowprops={"arrowstyle": "->", "color": plots.GREY, "linewidth": 1.2}
    )
    axis.annotate(words, ((few * few * ratio) ** 0.5, below - 2), ha="center", va="top", color=plots.GREY, fontsize=9)
    alt = f"{picture.alt} For what the frozen body reaches with {few}, {words}."
    return plots.Picture(picture.figure, alt)


CLAIM = Claim(
    "less_data",
    "Transfer needs less data: for the accuracy that a frozen body reaches with few images, training from scratch needs several times as many.",
    "",
    work,
    judge,
    plot,
)
