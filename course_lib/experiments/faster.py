"""Claim: transfer trains faster. After how many steps is a network nearly as good as it will be in this training?

    found = claim("faster").recorded()
    found.words("steps, scratch / steps, transferred")       # to 95 % of the own final accuracy on val
    found.words("steps to scratch's end, transferred")       # to the accuracy that scratch ends with

Two networks a seed, with the same images in the same order and the same recipe, the course's own for training from scratch: all
blocks at one rate, which rises and falls (one-cycle). One starts from random weights, one from those of `animals` with a new
head. They are looked at on val after 0, 1, 2, 3 ... steps, later at steps that lie a quarter apart, and at least a dozen times
in all; between two looks accuracy is taken to change in a straight line.

A constant rate was tried first. There the accuracy jumped by up to ten points from one look to the next, also at the end, so
that 95 % of the last one said little: the ratio of the steps was 3.56, with an interval from 0.53 to 6.58.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np

from .. import plots
from ..evaluation import evaluate
from ..images import ImageSet
from ..intervals import mean_interval
from ..models import load
from ..sources import load_images
from ..training.draws import batches_in
from ..training.recipes import from_scratch
from ..training.stage import Stage
from ..training.train import fit
from .claim_runs import Work, kept_run, settings_of
from .claims import Claim
from .dog_case import UPRIGHT
from .findings import At, Findings, Verdict, findings

STARTS = ("scratch", "transferred")
SHARE = 0.95  # of the own final accuracy
LATER, LOOKS = (
    1.25,
    12,
)  # a look comes at this many times the step of the one before, and after a share of 1 / LOOKS of all


@dataclass(frozen=True)
class Plan:
    """What is run: images a class, epochs, and seeds."""

    per_class: int
    epochs: int
    seeds: int

    @property
    def stage(self) -> Stage:
        """The one stage of both networks."""
        (stage,) = from_scratch(self.epochs, augment=UPRIGHT, views=self.epochs)
        return stage


PLANS = {"small": Plan(20, 6, 3), "full": Plan(50, 10, 5)}


def work(size: str, seeds: int | None = None) -> Generator[At, None, Findings]:
    """Measure on dogworld with PawNet."""
    plan = PLANS[size] if seeds is None else replace(PLANS[size], seeds=seeds)
    return (yield from compare(load_images("dogworld"), "pawnet", "animals", plan, size))


def compare(images: ImageSet, model: str, weights: str, plan: Plan, size: str) -> Generator[At, None, Findings]:
    """Train both networks of each seed and look at them on the way."""
    runs = [(start, seed) for seed in range(plan.seeds) for start in STARTS]
    curves: dict[str, list[list[float]]] = {start: [] for start in STARTS}
    seconds = 0.0
    for number, (start, seed) in enumerate(runs):
        few, source = images.subset(plan.per_class, seed), weights if start == "transferred" else None
        settings = settings_of(few, model, source, plan.stage, seed, claim="faster", looks=[LATER, LOOKS])
        result = yield from kept_run(
            settings,
            partial(_climb, few, model, source, plan.stage, seed),
            (number, len(runs)),
            f"{start}, seed {seed + 1} of {plan.seeds}",
        )
        curves[start].append(result["accuracies"])
        steps, seconds = result["steps"], seconds + result["seconds"]
    return findings(
        "faster",
        size,
        measured(steps, curves),
        images=images.name,
        model=model,
        weights=weights,
        per_class=plan.per_class,
        stage=repr(plan.stage),
        split="val",
        seconds_of_all_runs=round(seconds),
        looks={"steps": steps, **{start: np.round(curves[start], 4).tolist() for start in STARTS}},
    )


def look_at(steps: int) -> list[int]:
    """The steps after which a run is looked at: 0 is before the first one, and `steps` is always the last."""
    at = [0, 1]
    while at[-1] < steps:
        at.append(min(steps, at[-1] + max(1, steps // LOOKS), max(at[-1] + 1, int(at[-1] * LATER))))
    return at


def _climb(images: ImageSet, model: str, source: str | None, stage: Stage, seed: int) -> Work:
    """One run; what is kept are the steps of the looks, the accuracies on val, 0 to 1, and the seconds."""
    net = load(model, images.classes, source, seed).to("cpu")
    steps = look_at(stage.epochs * batches_in(len(images.rows("train")), stage.batch))
    accuracies, seconds = [evaluate(net, images, "val").accuracy], 0.0
    for record in fit(net, images, stage, seed=seed, device="cpu", validate_every=0):
        if record.phase == "train" and record.step in steps:
            accuracies.append(evaluate(net, images, "val").accuracy)
            seconds = record.seconds
            yield At(record.progress, f"step {record.step}, accuracy on val {accuracies[-1]:.1%}")
    return {"steps": steps, "accuracies": accuracies, "seconds": seconds}


def measured(steps: Sequence[int], curves: dict[str, list[list[float]]]) -> dict[str, tuple[str, list[float]]]:
    """The measurements of the claim, from the accuracies at the looks of each start and seed."""
    ends = {start: [curve[-1] for curve in curves[start]] for start in STARTS}
    same = [reach(steps, curve, end) for curve, end in zip(curves["transferred"], ends["scratch"], strict=True)]
    own = {start: [reach(steps, curve, SHARE * curve[-1]) for curve in curves[start]] for start in STARTS}
    return {
        **{f"steps, {start}": ("steps", own[start]) for start in STARTS},
        "steps to scratch's end, transferred": ("steps", same),
        **{f"accuracy, {start}": ("%", [100 * end for end in ends[start]]) for start in STARTS},
        "accuracy before, transferred": ("%", [100 * curve[0] for curve in curves["transferred"]]),
    }


def reach(steps: Sequence[int], accuracies: Sequence[float], wanted: float) -> float:
    """The step at which a run first has an accuracy, 1 or later; the last step if it never has it."""
    if accuracies[0] >= wanted:
        return 1.0
    for (before, low), (after, high) in pairwise(zip(steps, accuracies, strict=True)):
        if high >= wanted:
            return max(1.0, before + (after - before) * (wanted - low) / (high - low))
    return float(steps[-1])


def judge(found: Findings) -> Verdict:
    """Fewer steps to 95 % of the own end and to the end of scratch, and an end that is above that of scratch."""
    to_same = "steps to scratch's end, transferred"
    own, same = "steps, scratch / steps, transferred", f"steps, scratch / {to_same}"
    ahead = "accuracy, transferred - accuracy, scratch"
    rules = (
        (found.interval(own)[1] > 1, f"steps to 95 % of the own end, scratch over transferred: {found.words(own)}"),
        (
            found.interval(same)[1] > 1,
            f"what scratch ends with ({found.words('accuracy, scratch', short=True)}), the transferred network has after "
            f"{found.words(to_same)}, scratch has 95 % of it after {found.words('steps, scratch')}",
        ),
        (found.interval(ahead)[1] > 0, f"the transferred network ends {found.words(ahead)} from scratch"),
    )
    seen, missed = ([text for held, text in rules if held is wanted] for wanted in (True, False))
    if not missed:
        return Verdict(True, f"{'; '.join(seen)}.")
    also = f" Clear are these: {'; '.join(seen)}." if seen else ""
    return Verdict(False, f"what was measured does not settle this: {'; '.join(missed)}.{also}")


def plot(found: Findings) -> plots.Picture:
    """Accuracy on val over steps (logarithmic), with the point at which each start has 95 % of its end."""
    fig, axes = plots.figure(6.4, 3.8)
    axis, looks = axes[0][0], found.settings["looks"]
    steps = np.maximum(looks["steps"], 0.7)  # before the first step: left of 1
    for number, start in enumerate(STARTS):
        style = {"color": plots.COLOURS[1 - number], "linestyle": plots.DASHES[number]}
        mean = 100 * np.mean(looks[start], axis=0)
        low, high = np.clip([mean_interval(column) for column in zip(*looks[start], strict=True)], 0, 1).T * 100
        axis.fill_between(steps, low, high, color=style["color"], alpha=0.15, linewidth=0)
        axis.plot(steps, mean, **style)
        at, *ends = found.interval(f"steps, {start}")
        height = SHARE * found.mean(f"accuracy, {start}")
        ends = np.clip(ends, steps[0], steps[-1])
        axis.errorbar(at, height, xerr=[[at - ends[0]], [ends[1] - at]], color="black", capsize=3, elinewidth=1)
        axis.plot(at, height, marker="os"[number], markersize=8, color=style["color"], markeredgecolor="black")
        words = f"95 % of its end\nafter {at:.0f} steps"
        axis.annotate(words, (at, height), (0, 12), textcoords="offset points", ha="center", va="bottom", fontsize=8.5)
        axis.annotate(start, (1.01, mean[-1]), xycoords=("axes fraction", "data"), color=style["color"], va="center")
    same, height = found.mean("steps to scratch's end, transferred"), found.mean("accuracy, scratch")
    axis.hlines(height, same, steps[-1], color=plots.GREY, linewidth=1, linestyle=(0, (1, 2)))
    axis.plot(same, height, marker="D", markersize=7, color="white", markeredgecolor=plots.BLUE)
    words = f"what scratch ends with\nafter {same:.0f} steps"
    axis.annotate(words, (same, height), (-10, 2), textcoords="offset points", ha="right", va="bottom", fontsize=8.5)
    ticks = [0.7, *(step for step in (1, 3, 10, 30, 100, 300, 1000) if step <= steps[-1])]
    axis.set_xscale("log")
    axis.set_xticks(ticks, ["0", *map(str, ticks[1:])])
    axis.set_xticks([], minor=True)
    axis.set(xlabel="training steps", ylabel="accuracy on val (%)", ylim=(0, 102))
    axis.set_title("bands and bars: 95 % intervals", fontsize=9, color=plots.GREY)
    said = "; ".join(
        f"{start}: {found.words(f'accuracy, {start}', short=True)} in the end, 95 % of that after "
        f"{found.words(f'steps, {start}', short=True)}"
        for start in STARTS
    )
    said += f"; transferred has what scratch ends with after {same:.0f} steps"
    return plots.Picture(fig, f"Accuracy on val over training steps. {said}.")


CLAIM = Claim(
    "faster",
    "Transfer trains faster: with the same images and recipe, a transferred network needs fewer steps to come near its end.",
    "",
    work,
    judge,
    plot,
)
