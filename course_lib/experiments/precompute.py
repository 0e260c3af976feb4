"""Claim: features worked out once give the same network as features worked out anew at every step, and faster.

    found = claim("precompute").recorded()
    found.words("values that differ")                    # of the whole network, bit for bit
    found.words("time, anew / time, remembered")

Each seed draws training images, a first head and an order of the images. Its head is trained twice on the frozen body of
`animals`: by `fit`, which remembers what the body says of each image, and by the loop `by_hand` below, plain PyTorch that
asks the body again at every step. So that the comparison can fail, two seeds are compared as well: their heads differ.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, replace

import torch
from torch.nn import functional as F

from .. import plots
from ..devices import autocast
from ..images import ImageSet
from ..models import load
from ..network import Network
from ..sources import load_images
from ..training.draws import batches_in, epoch_order
from ..training.recipes import feature_extraction
from ..training.stage import Stage
from ..training.train import fit
from .claims import Claim
from .findings import At, Findings, Verdict, findings

BATCH = 16  # a CPU kernel is chosen by the size of the batch: bits repeat in batches of the size that remembering takes


@dataclass(frozen=True)
class Plan:
    """What is run: images a class (those of all classes make whole batches), epochs, and seeds."""

    per_class: int
    epochs: int
    seeds: int


PLANS = {"small": Plan(16, 10, 3), "full": Plan(16, 20, 10)}


def work(size: str, seeds: int | None = None) -> Generator[At, None, Findings]:
    """Measure on dogworld with PawNet."""
    plan = PLANS[size] if seeds is None else replace(PLANS[size], seeds=seeds)
    return (yield from compare(load_images("dogworld"), "pawnet", "animals", plan, size))


def compare(images: ImageSet, model: str, weights: str, plan: Plan, size: str) -> Generator[At, None, Findings]:
    """Train each seed's head in both ways. A first round is not counted: torch prepares its kernels in it."""
    (stage,) = feature_extraction(plan.epochs, batch=BATCH)
    nets: list[tuple[Network, Network]] = []
    times: list[tuple[float, float]] = []
    for number, seed in enumerate((0, *range(plan.seeds))):
        yield At(number / (plan.seeds + 1), f"seed {seed}: features worked out once, and anew at every step")
        few, trained, taken = _alone(images.subset(plan.per_class, seed)), {}, {}
        for anew in sorted((False, True), reverse=bool(seed % 2)):  # each goes first for half of the seeds
            trained[anew] = load(model, images.classes, weights, seed).to("cpu")
            start = time.perf_counter()
            if anew:
                by_hand(trained[anew], few, stage, seed)
            else:
                for _ in fit(trained[anew], few, stage, seed=seed, device="cpu"):
                    pass
            taken[anew] = time.perf_counter() - start
        if number:
            nets.append((trained[False], trained[True]))
            times.append((taken[False], taken[True]))
    yield At(1.0, f"{plan.seeds} seeds")
    others = [nets[(number + 1) % len(nets)][0] for number in range(len(nets))]
    count = plan.per_class * len(images.classes)
    return findings(
        "precompute",
        size,
        {
            "values that differ": ("parameters", [differing(*pair) for pair in nets]),
            "values that differ, other seed": (
                "parameters",
                [differing(pair[0], other) for pair, other in zip(nets, others, strict=True)],
            ),
            "time, remembered": ("s", [once for once, _ in times]),
            "time, anew": ("s", [anew for _, anew in times]),
        },
        images=images.name,
        model=model,
        weights=weights,
        per_class=plan.per_class,
        stage=repr(stage),
        images_through_the_body={"remembered": count, "anew": count * plan.epochs},
        values_compared=sum(tensor.numel() for block in nets[0][0].blocks for tensor in block.state()),
        threads=torch.get_num_threads(),
    )


def _alone(images: ImageSet) -> ImageSet:
    """The training images alone, as nobody looks at val here, and under a name of their own.

    So what is remembered of them is found neither in memory nor on disk: every seed works it out.
    """
    return replace(images, splits={"train": images.rows("train")}, checksum=f"precompute {time.time_ns()}", stores={})


def by_hand(net: Network, images: ImageSet, stage: Stage, seed: int) -> None:
    """Train the head of a network in place; the body says at every step anew what it makes of the images."""
    body, head, rows = net.blocks[:-1], net.blocks[-1], images.rows("train")
    groups = net.parameter_groups(stage.frozen, stage.lr, stage.decay, stage.weight_decay)
    optimizer = torch.optim.AdamW(groups, fused=True)
    net.model.eval()
    batches = batches_in(len(rows), stage.batch)
    for step in range(stage.epochs * batches):
        epoch, number = divmod(step, batches)
        part = epoch_order(rows, seed, 0, epoch).tensor_split(batches)[number]
        with torch.no_grad(), autocast(net.device, net.precision):
            x = net.prepare(images.images[part])
            for block in body:
                x = block(x)
        loss = F.cross_entropy(head(x.float()), images.labels[part], reduction="sum") / len(part)
        optimizer.zero_grad()
        loss.backward()
        for group in optimizer.param_groups:
            group["lr"] = stage.lr * stage.rate((step + 0.5) / (stage.epochs * batches))
        optimizer.step()


def differing(one: Network, other: Network) -> int:
    """How many of the values of two networks, parameters and buffers, differ in any bit."""
    pairs = zip(_bytes_of(one), _bytes_of(other), strict=True)
    return sum(int((a != b).any(1).sum()) for a, b in pairs)


def _bytes_of(net: Network) -> list[torch.Tensor]:
    """The bytes of each tensor, a row for each value."""
    flat = [tensor.detach().flatten().clone() for block in net.blocks for tensor in block.state()]
    return [tensor.view(torch.uint8).view(len(tensor), tensor.element_size()) for tensor in flat]


def judge(found: Findings) -> Verdict:
    """No value differs, for any seed; other seeds do differ; and the ratio of the times is above 1."""
    differ, control = max(found.values("values that differ")), min(found.values("values that differ, other seed"))
    ratio = "time, anew / time, remembered"
    faster = found.interval(ratio)[1] > 1
    if differ or not control or not faster:
        said = [f"up to {differ:,.0f} values differ"] if differ else []
        said += ["other seeds give the same values, so the comparison shows nothing"] if not control else []
        said += [f"it is not clearly faster: {found.words(ratio)}"] if not faster else []
        return Verdict(False, "; ".join(said) + ".")
    return Verdict(
        True,
        f"no value of the networks differs in any bit, for {len(found.values('values that differ'))} seeds; between two "
        f"seeds {control:,.0f} or more do. Working features out anew at every step takes {found.words(ratio)} as long.",
    )


def plot(found: Findings) -> plots.Picture:
    """Times of both ways, and values that differ between them and between seeds."""
    fig, axes = plots.figure(7.2, 2.5, 1, 2)
    rows = (
        (
            axes[0][0],
            "seconds for one head",
            (("time, anew", "features anew"), ("time, remembered", "features once")),
            "s",
        ),
        (
            axes[0][1],
            "values that differ, bit for bit",
            (("values that differ, other seed", "two seeds"), ("values that differ", "anew, once")),
            "",
        ),
    )
    for axis, title, bars, unit in rows:
        for place, (key, _) in enumerate(bars):
            mean, low, high = found.interval(key)
            colour = (plots.ORANGE, plots.BLUE)[place]
            axis.barh(place, mean, height=0.55, color=colour, hatch=("", "//")[place], edgecolor="white")
            axis.errorbar(mean, place, xerr=[[mean - low], [high - mean]], color="black", capsize=3, elinewidth=1)
            told = f"{mean:,.0f}" if not unit else f"{mean:.2g} {unit}"
            axis.annotate(told, (high, place), (6, 0), textcoords="offset points", va="center")
        axis.set_yticks(range(len(bars)), [name for _, name in bars])
        axis.set(ylim=(-0.6, 1.6), xlim=(0, 1.28 * max(found.interval(key)[2] for key, _ in bars)))
        axis.locator_params("x", nbins=4)
        axis.grid(False, axis="y")
        axis.set_title(title, fontsize=9.5)
    alt = (
        f"Two pairs of bars. Training one head takes {found.words('time, anew', short=True)} with features worked out anew at "
        f"every step and {found.words('time, remembered', short=True)} with features worked out once. Of the values of the two "
        f"networks {found.mean('values that differ'):,.0f} differ; of two seeds {found.mean('values that differ, other seed'):,.0f}."
    )
    return plots.Picture(fig, alt)


CLAIM = Claim(
    "precompute",
    "Features worked out once give the same network as features worked out anew at every step, and faster.",
    "",
    work,
    judge,
    plot,
)
