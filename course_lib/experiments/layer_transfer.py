"""Claim: first layers are general, last ones specific; what is transferred and stays frozen serves worse the more of it there is.

    found = claim("layer_transfer").recorded()
    found.words("AnB, 5 - AnB, 1")       # five blocks from A instead of one, frozen

J. Yosinski, J. Clune, Y. Bengio and H. Lipson, How transferable are features in deep neural networks? (NeurIPS 2014), section 2.
A is the net `animals`, brought up on the 40 source breeds of dogworld; B are its target breeds. `base B` is trained on B from
scratch. All other nets take their first D blocks from somewhere, draw the rest at random, and train on the images of B by
the recipe of `base B`:

    AnB, D      from A, frozen                BnB, D      from base B, frozen
    AnB+, D     from A, trained on            BnB+, D     from base B, trained on
    random, D   drawn at random, frozen       far, D      from the net `photos`, frozen

Yosinski's A and B were two halves of ImageNet. Here A is near to B and has many more images, and base B, with 50 a class and few
passes, stays weak: frozen blocks have little to lose. `far` shares no animal with B. Random blocks keep BatchNorm as it is built.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from functools import partial

import torch

from .. import plots
from ..evaluation import evaluate
from ..images import ImageSet
from ..models import load
from ..network import Network
from ..sources import load_images
from ..training.recipes import from_scratch
from ..training.stage import Stage
from ..training.train import fit
from .claim_runs import Work, kept_run, settings_of
from .claims import Claim
from .dog_case import UPRIGHT
from .findings import At, Findings, Verdict, findings

FROZEN, TRAINED = ("AnB", "BnB", "random", "far"), ("AnB+", "BnB+")
REST, RANDOM = 1000, 2000  # added to the seed where the rest, and the random blocks, are drawn


@dataclass(frozen=True)
class Plan:
    """What is run: images a class, epochs, depths, those at which AnB+ and BnB+ are trained, and seeds."""

    per_class: int
    epochs: int
    depths: tuple[int, ...]
    trained: dict[str, tuple[int, ...]]
    seeds: int

    def stage(self, frozen: int) -> Stage:
        """The one recipe: that of a net from scratch, on the blocks from `frozen` on."""
        (stage,) = from_scratch(self.epochs, augment=UPRIGHT, views=self.epochs)
        return replace(stage, frozen=frozen, name="")

    def runs(self) -> list[tuple[str, int]]:
        """The nets of one seed as (way, depth), base B first."""
        frozen = [(way, depth) for depth in self.depths for way in FROZEN]
        return [("base B", 0), *frozen, *((way, depth) for way, depths in self.trained.items() for depth in depths)]


PLANS = {
    "small": Plan(20, 3, (1, 5), {"AnB+": (1, 5), "BnB+": (5,)}, 2),
    "full": Plan(50, 8, (1, 3, 5), {"AnB+": (1, 3, 5), "BnB+": (5,)}, 3),
}


def work(size: str, seeds: int | None = None) -> Generator[At, None, Findings]:
    """Measure on dogworld with PawNet."""
    plan = PLANS[size] if seeds is None else replace(PLANS[size], seeds=seeds)
    return (yield from compare(load_images("dogworld"), "pawnet", ("animals", "photos"), plan, size))


def compare(
    images: ImageSet, model: str, sources: tuple[str, str], plan: Plan, size: str
) -> Generator[At, None, Findings]:
    """Train all nets of every seed; `sources` are the weights of A and of `far`."""
    runs = [(way, depth, seed) for seed in range(plan.seeds) for way, depth in plan.runs()]
    accuracy: dict[str, list[float]] = {}
    bases, seconds = {}, 0.0
    for number, (way, depth, seed) in enumerate(runs):
        few = images.subset(plan.per_class, seed)
        stage = plan.stage(depth if way in FROZEN else 0)
        weights = {"AnB": sources[0], "AnB+": sources[0], "far": sources[1]}.get(way)
        # What base B is follows from the same settings, so its weights need no name here.
        settings = settings_of(few, model, weights, stage, seed, claim="layer_transfer", way=way, depth=depth)
        base = partial(_base, few, model, plan, seed, bases)
        run = partial(_train, few, model, way, depth, weights, stage, seed, base)
        label = f"{_key(way, depth)}: seed {seed + 1} of {plan.seeds}"
        result = yield from kept_run(settings, run, (number, len(runs)), label)
        accuracy.setdefault(_key(way, depth), []).append(100 * result["accuracy"])
        seconds += result["seconds"]
    return findings(
        "layer_transfer",
        size,
        {key: ("%", values) for key, values in accuracy.items()},
        images=images.name,
        model=model,
        A=sources[0],
        far=sources[1],
        per_class=plan.per_class,
        test_images=len(images.rows("test")),
        stage=repr(plan.stage(0)),
        blocks=len(load(model, images.classes)),
        depths=list(plan.depths),
        seconds_of_all_runs=round(seconds),
    )


def graft(net: Network, donor: Network, depth: int) -> Network:
    """Give a network the first `depth` blocks of another one, with their buffers; the same network comes back."""
    with torch.no_grad():
        for mine, theirs in zip(net.blocks[:depth], donor.blocks[:depth], strict=True):
            for tensor, given in zip(mine.state(), theirs.state(), strict=True):
                tensor.copy_(given)
    return net


def _base(
    images: ImageSet, model: str, plan: Plan, seed: int, bases: dict[int, Network]
) -> Generator[At, None, Network]:
    """The net base B of a seed: the one at hand, or trained now."""
    if seed not in bases:
        net = load(model, images.classes, seed=seed)
        yield from _fit(net, images, plan.stage(0), seed)
        bases[seed] = net
    return bases[seed]


def _train(
    images: ImageSet,
    model: str,
    way: str,
    depth: int,
    weights: str | None,
    stage: Stage,
    seed: int,
    base: Callable[[], Generator[At, None, Network]],
) -> Work:
    """One run; what is kept is its accuracy on test, 0 to 1, and the seconds."""
    start = time.perf_counter()
    if way == "base B":
        net = yield from base()
    else:
        if weights is not None or way == "random":
            donor = load(model, images.classes, weights, seed + RANDOM)
        else:
            donor = yield from base()
        net = graft(load(model, images.classes, seed=seed + REST), donor, depth)
        yield from _fit(net, images, stage, seed)
    accuracy = evaluate(net, images, "test").accuracy
    return {"accuracy": accuracy, "seconds": time.perf_counter() - start}


def _fit(net: Network, images: ImageSet, stage: Stage, seed: int) -> Generator[At, None, None]:
    # Each view is seen once: remembering gains nothing.
    for record in fit(net, images, stage, seed=seed, device="cpu", validate_every=0, cache=False):
        yield At(record.progress, record.text)


def _key(way: str, depth: int) -> str:
    return f"{way}, {depth}" if depth else way


def depths_of(found: Findings, way: str) -> list[int]:
    """The depths at which a way was measured, rising."""
    return sorted(int(key.rpartition(", ")[2]) for key in found.keys if key.rpartition(", ")[0] == way)


def judge(found: Findings) -> Verdict:
    """All of the shape: frozen A falls with depth, trained on it does not, and random frozen blocks are worst at depth."""
    first, last = depths_of(found, "AnB")[0], depths_of(found, "AnB")[-1]
    fall = f"AnB, {last} - AnB, {first}"
    falls = found.interval(fall)[2] < 0
    tuned = depths_of(found, "AnB+")
    along = f"AnB+, {tuned[-1]} - AnB+, {tuned[0]}"
    stays = found.interval(along)[2] >= 0 and all(found.interval(f"AnB+, {d} - base B")[2] >= 0 for d in tuned)
    # In both: else one number dealt to `random` would do.
    worst = all(found.interval(f"{way}, {last} - random, {last}")[1] > 0 for way in ("AnB", "BnB"))
    a = f"from {first} to {last} frozen blocks of A accuracy changes by {found.words(fall)}"
    b = f"with A's blocks trained on, by {found.words(along)}, to {found.words(f'AnB+, {tuned[-1]} - base B')} from base B"
    c = f"{last} random frozen blocks reach {found.words(f'random, {last}')}"
    said = f"{a}; {b}; {c}"
    if falls and stays and worst:
        return Verdict(True, f"{said}.")
    rules = (
        (falls, "frozen blocks of A serve worse the more of them there are"),
        (stays, "blocks of A that are trained on do not fall behind"),
        (worst, "random frozen blocks are worst at depth"),
    )
    seen, missed = ([text for held, text in rules if held is wanted] for wanted in (True, False))
    also = f"; seen: {', and '.join(seen)}" if seen else ""
    far = depths_of(found, "far")
    if far and not falls:
        said += f"; from the far source it changes by {found.words(f'far, {far[-1]} - far, {far[0]}')}"
    return Verdict(False, f"missing is this: {', and '.join(missed)}{also}. {said[0].upper()}{said[1:]}.")


LOOK = {  # way -> words, colour, dash, marker
    "AnB": ("from A, frozen", plots.BLUE, 0, "o"),
    "AnB+": ("from A, trained", plots.BLUE, 0, "o"),
    "BnB": ("from base B, frozen", plots.ORANGE, 1, "s"),
    "BnB+": ("from base B, trained", plots.ORANGE, 1, "s"),
    "far": ("from far, frozen", plots.GREEN, 2, "^"),
    "random": ("random, frozen", plots.PURPLE, 3, "v"),
}


def plot(found: Findings) -> plots.Picture:
    """Accuracy over the number of blocks that are taken over, frozen and trained on side by side."""
    fig, axes = plots.figure(8.6, 3.7, 1, 2, sharey=True)
    (mean, low, high), every, said = found.interval("base B"), depths_of(found, "AnB"), []
    for axis, what, ways in zip(axes[0], ("frozen", "trained on"), (FROZEN, TRAINED), strict=True):
        ends = [("base B", mean, plots.GREY)]
        axis.axhline(mean, color=plots.GREY, linewidth=1, linestyle=(0, (1, 2)))
        axis.axhspan(max(low, 0), min(high, 100), color=plots.GREY, alpha=0.12, linewidth=0)
        for way in ways:
            words, colour, dash, marker = LOOK[way]
            depths = depths_of(found, way)
            points = [found.interval(f"{way}, {depth}") for depth in depths]
            spread = [[p[0] - max(p[1], 0) for p in points], [min(p[2], 100) - p[0] for p in points]]
            style = {"color": colour, "linestyle": plots.DASHES[dash], "marker": marker}
            axis.errorbar(depths, [p[0] for p in points], spread, capsize=3, elinewidth=1, **style)
            ends.append((way, points[-1][0], colour))
            seen = ", ".join(f"{p[0]:.0f} % with {d}" for d, p in zip(depths, points, strict=True))
            said.append(f"{words}: {seen}")
        for y, (way, _, colour) in zip(plots._apart([end[1] for end in ends], 6.5), ends, strict=True):
            axis.annotate(way, (1.02, y), xycoords=("axes fraction", "data"), color=colour, va="center", fontsize=9)
        axis.set_xticks(every, [str(depth) for depth in every])
        axis.set(xlabel="first blocks taken over", ylim=(0, 102), xlim=(every[0] - 0.4, every[-1] + 0.4))
        axis.set_title(f"taken over and {what}", fontsize=10)
    axes[0][0].set_ylabel("accuracy on test (%)")
    alt = f"Accuracy on test over the number of blocks taken over; base B: {mean:.0f} %. {'; '.join(said)}."
    return plots.Picture(fig, alt)


CLAIM = Claim(
    "layer_transfer",
    "First layers are general and last ones specific: frozen blocks of another net serve worse the more of them are taken, "
    "blocks that are trained on do not, and random frozen blocks are worst.",
    "Yosinski, Clune, Bengio and Lipson 2014",
    work,
    judge,
    plot,
)
