"""Claim: low rates for old layers, and a pull to the start, keep what the network knew before.

    found = watch(claim("forgetting").measure("small"))
    found.words("source, low rates - source, plain")           # points of source accuracy kept

PawNet 'animals', which names 40 source breeds, is fine-tuned on the 10 target breeds in several ways: the same images, the
same epochs (gradual unfreezing one more), the same highest rate. Then the old head is put back on the changed body, and new pictures of the 40
source breeds are named, none of which the network saw in its upbringing: what is lost there is forgotten.

How much lower the rates (decay 0.5) and how strong the pull (20) was set after a look at seed 100, which is not among the
recorded ones: decay 0.3 and 0.5, pull 10 and 50 all forgot less than plain fine-tuning there.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import torch

from ..evaluation import evaluate
from ..images import ImageSet
from ..models import load
from ..network import Network
from ..plots import BLUE, GREY, ORANGE, Picture, figure
from ..sources import load_images
from ..sources.dogworld import dogworld
from ..training.recipes import feature_extraction, gradual_unfreezing
from ..training.stage import Stage
from ..training.train import fit
from .claims import Claim
from .dog_case import UPRIGHT
from .findings import At, Findings, Verdict, findings

PLANS = {
    "small": {"ways": ("frozen", "plain", "low rates", "pull"), "per_class": 20, "epochs": 5, "seeds": 3},
    "full": {"ways": (), "per_class": 50, "epochs": 5, "seeds": 5},
}
NEW_SEED = 1  # of the pictures of source breeds; the upbringing had those of seed 0
LOSS = 2.0  # points of target accuracy that a way may lose to the plain one


def recipes(epochs: int) -> dict[str, list[Stage]]:
    """Way -> stages. All but `frozen` train every block in the end, for `epochs` epochs (gradual: three stages, an epoch more in all)."""
    rest = {"lr": 2e-3, "augment": UPRIGHT}
    plain = Stage(epochs=epochs, views=epochs, **rest)
    each = max(2, round(epochs / 3))  # the first look at an image is the clean one, so one epoch would not augment
    return {
        "frozen": feature_extraction(),
        "plain": [plain],
        "one-cycle off": [replace(plain, schedule="constant")],
        "low rates": [replace(plain, decay=0.5)],
        "gradual unfreezing": gradual_unfreezing((-1, -3, 0), each, decay=1.0, views=each, **rest),
        "pull": [replace(plain, pull=20.0)],
        "probe then fine-tune": [*feature_extraction(), plain],
    }


def work(size: str, seeds: int | None) -> Generator[At, None, Findings]:
    """Measure at one of the sizes of `PLANS`."""
    plan = PLANS[size]
    yield At(0.0, "drawing dogs")
    target = load_images("dogworld")
    yield At(0.0, "drawing new pictures of the source breeds")
    source = all_for_test(dogworld("source", seed=NEW_SEED, per_class=20))
    ways = {
        name: stages for name, stages in recipes(plan["epochs"]).items() if name in plan["ways"] or not plan["ways"]
    }
    return (yield from compare(target, source, ways, plan["per_class"], seeds or plan["seeds"], size))


def compare(
    target: ImageSet, source: ImageSet, ways: dict[str, list[Stage]], per_class: int, seeds: int, size: str
) -> Generator[At, None, Findings]:
    """Train each way with each seed; measure the test splits of target and source.

    Arguments:
        source: pictures of the classes that the old head names.
        ways: name -> stages; `frozen` and `plain` are among them.
        per_class: training images a class of the target, drawn by the seed.
    """
    old = load("pawnet", None, "animals")
    before = 100 * evaluate(old, source, "test").accuracy
    kept: dict[str, list[float]] = {"before": [before] * seeds, **{way: [] for way in ways}}
    learned: dict[str, list[float]] = {way: [] for way in ways}
    # What a stage costs, roughly: its epochs, times what goes back through the network.
    cost = {way: sum(stage.epochs * (0.1 if stage.frozen == -1 else 1.0) for stage in ways[way]) for way in ways}
    total, done = seeds * sum(cost.values()), 0.0
    for seed in range(seeds):
        images = target.subset(per_class, seed)
        for way, stages in ways.items():
            net = load("pawnet", target.classes, "animals", seed)
            for record in fit(net, images, stages, seed=seed, validate_every=0):
                yield At((done + cost[way] * record.progress) / total, f"{way}, seed {seed}")
            done += cost[way]
            kept[way].append(100 * evaluate(with_old_head(old, net), source, "test").accuracy)
            learned[way].append(100 * evaluate(net, target, "test").accuracy)
    yield At(1.0, f"{seeds * len(ways)} runs")
    measured = {f"source, {way}": ("%", values) for way, values in kept.items()}
    measured |= {f"target, {way}": ("%", values) for way, values in learned.items()}
    told = {way: [repr(stage) for stage in stages] for way, stages in ways.items()}
    return findings("forgetting", size, measured, ways=told, per_class=per_class)


def all_for_test(images: ImageSet) -> ImageSet:
    """The same images, all in the test split."""
    return replace(images, splits={"test": torch.arange(len(images.images))})


def with_old_head(old: Network, net: Network) -> Network:
    """A copy of `old` with the body of `net`, its BatchNorm statistics included."""
    back = old.copy()
    with torch.no_grad():
        for mine, other in zip(back.blocks[:-1], net.blocks[:-1], strict=True):
            for tensor, changed in zip(mine.state(), other.state(), strict=True):
                tensor.copy_(changed)
    return back


def judge(found: Findings) -> Verdict:
    """Both ways keep more of the source than plain fine-tuning, and lose at most `LOSS` points of the target.

    Each with its whole 95 % interval of pairs of equal seed: the first above 0, the second above -LOSS.
    """
    holds, told = True, []
    for way in ("low rates", "pull"):
        kept, learned = f"source, {way} - source, plain", f"target, {way} - target, plain"
        holds &= found.interval(kept)[1] > 0 and found.interval(learned)[1] > -LOSS
        told.append(f"{way}: source {found.words(kept)}, target {found.words(learned)}")
    lost = found.words("source, plain - source, before")
    because = (
        f"plain fine-tuning changes the source accuracy by {lost}; against that, {'; '.join(told)} (rule: source above 0, "
        f"target above −{LOSS:g} points, each with its whole interval)."
    )
    return Verdict(holds, because)


def plot(found: Findings) -> Picture:
    """Source and target accuracy of each way, with intervals; the ways in the order of what they keep."""
    ways = [key.partition(", ")[2] for key in found.keys if key.startswith("target, ")]
    ways.sort(key=lambda way: found.mean(f"source, {way}"))
    fig, axes = figure(6.4, 0.42 * len(ways) + 1.5)
    axis = axes[0][0]
    before = found.mean("source, before")
    axis.axvline(before, color=BLUE, linewidth=1, linestyle=(0, (1, 2)))
    axis.annotate("source, before", (before, 1.0), xycoords=("data", "axes fraction"), xytext=(-3, 3),
                  textcoords="offset points", ha="right", color=BLUE, fontsize=9)  # fmt: skip
    for what, colour, marker, shift in (("source", BLUE, "o", 0.12), ("target", ORANGE, "s", -0.12)):
        rows = [found.interval(f"{what}, {way}") for way in ways]
        means = [mean for mean, *_ in rows]
        spread = [[mean - low for mean, low, _ in rows], [high - mean for mean, _, high in rows]]
        places = [row + shift for row in range(len(ways))]
        axis.errorbar(means, places, xerr=spread, color=colour, marker=marker, linestyle="none", capsize=3)
        axis.annotate(what, (means[0], places[0]), xytext=(0, -14), textcoords="offset points", color=colour,
                      ha="center", fontsize=9)  # fmt: skip
    axis.set_yticks(range(len(ways)), ways)
    axis.set(xlabel="test accuracy (%); bars: 95 % intervals", ylim=(-0.75, len(ways) - 0.5))
    axis.set_title("old breeds (source) and new breeds (target) after fine-tuning", fontsize=9, color=GREY, pad=18)
    told = "; ".join(
        f"{way} {found.mean(f'source, {way}'):.1f} and {found.mean(f'target, {way}'):.1f} %" for way in ways
    )
    return Picture(
        fig, f"Source and target accuracy after fine-tuning, where the source had {before:.1f} % before: {told}."
    )


CLAIM = Claim(
    name="forgetting",
    says="Low rates for old layers, and a pull to the start, keep more of what the network knew, and learn the target as well.",
    source="Howard and Ruder 2018, arXiv 1801.06146; Li, Grandvalet and Davoine 2018, arXiv 1802.01483",
    work=work,
    judge=judge,
    plot=plot,
)
