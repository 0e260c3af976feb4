"""Claim: a frozen body left in train mode is not frozen. Its BatchNorm statistics follow the new images.

    found = watch(claim("batchnorm_trap").measure("small"))
    found.words("features moved, train")       # how far the features of the same val images have moved, in per cent
    found.words("weights moved")               # parameters of the body that are no longer the same, bit for bit

Only the head is trained, twice from the same start on the same few images in small batches: once with the body as a fixed
function (Stage(frozen=-1)), once with the body's BatchNorm in train mode (frozen_norm="train"), as a loop leaves it that
freezes with requires_grad=False alone. Afterwards both are looked at in eval mode, as they would be used: with the new head
on the new breeds, and with the head that the body had before on new pictures of the old breeds.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import asdict

import torch

from ..evaluation import evaluate
from ..images import ImageSet
from ..models import load
from ..network import Network
from ..plots import BLUE, GREY, ORANGE, Picture, figure
from ..sources import load_images
from ..sources.dogworld import dogworld
from ..training.stage import Stage
from ..training.train import fit
from .claims import Claim
from .findings import At, Findings, Verdict, findings
from .forgetting import NEW_SEED, all_for_test, with_old_head

PLANS = {"small": {"per_class": 10, "epochs": 5, "seeds": 3}, "full": {"per_class": 10, "epochs": 10, "seeds": 5}}
BATCH = 8  # images: the fewer, the more the statistics of a batch differ from those that the body was trained with
SPAN = 10.0  # points of accuracy that an axis shows, at least
CLEAR = 5.0  # per cent of their length that features must have moved by


def work(size: str, seeds: int | None) -> Generator[At, None, Findings]:
    """Measure at one of the sizes of `PLANS`."""
    plan = PLANS[size]
    yield At(0.0, "drawing dogs")
    dogs, old_dogs = load_images("dogworld"), all_for_test(dogworld("source", seed=NEW_SEED, per_class=20))
    return (yield from compare(dogs, old_dogs, plan["per_class"], plan["epochs"], seeds or plan["seeds"], size))


def compare(
    images: ImageSet, old_images: ImageSet, per_class: int, epochs: int, seeds: int, size: str
) -> Generator[At, None, Findings]:
    """Train a head on the body in both modes, with each seed; measure body and accuracy before and after.

    Arguments:
        old_images: pictures of the classes that the body's old head names.
    """
    old = load("pawnet", None, "animals")
    modes: tuple[str, str] = ("train", "eval")
    moved: dict[str, list[float]] = {mode: [] for mode in modes}
    right: dict[str, list[float]] = {mode: [] for mode in modes}
    right_before: dict[str, list[float]] = {mode: [] for mode in modes}
    changed = []
    for seed in range(seeds):
        few, count = images.subset(per_class, seed), 0
        for number, mode in enumerate(modes):
            net = load("pawnet", images.classes, "animals", seed)
            weights, before = body_weights(net), features(net, images)
            stage = Stage(frozen=-1, epochs=epochs, lr=3e-3, batch=BATCH, frozen_norm=mode)
            for record in fit(net, few, stage, seed=seed, validate_every=0):
                done = (2 * seed + number + record.progress) / (2 * seeds)
                yield At(done, f"body in {mode} mode, seed {seed}")
            lengths = (features(net, images) - before).norm(dim=1) / before.norm(dim=1)
            moved[mode].append(100 * lengths.mean().item())
            count += int((body_weights(net) != weights).sum())
            right[mode].append(100 * evaluate(net, images, "test").accuracy)
            right_before[mode].append(100 * evaluate(with_old_head(old, net), old_images, "test").accuracy)
        changed.append(float(count))
    measured = {f"features moved, {mode}": ("%", values) for mode, values in moved.items()}
    measured |= {"weights moved": ("parameters", changed)}
    measured |= {f"accuracy, {mode}": ("%", values) for mode, values in right.items()}
    measured |= {f"old breeds, {mode}": ("%", values) for mode, values in right_before.items()}
    told = {name: value for name, value in asdict(stage).items() if name in ("epochs", "lr", "batch")}
    return findings("batchnorm_trap", size, measured, per_class=per_class, **told)


def body_weights(net: Network) -> torch.Tensor:
    """All parameters of the body in one row, a copy; BatchNorm's running statistics are none."""
    return torch.cat([p.detach().flatten() for block in net.blocks[:-1] for p in block.parameters()])


@torch.no_grad()
def features(net: Network, images: ImageSet) -> torch.Tensor:
    """What the body says of the val images, in eval mode: float N,features."""
    with net.mode(frozen=len(net)):
        parts = [net.run(net.prepare(x.to(net.device)), 0, len(net) - 1) for x in images.batch("val")[0].split(64)]
    return torch.cat(parts).float().flatten(1).cpu()


def judge(found: Findings) -> Verdict:
    """Train mode moves the features by more than `CLEAR` per cent (whole 95 % interval), eval mode by nothing.

    And no parameter of the body has changed in either, so that the statistics are what moved.
    """
    moves = found.interval("features moved, train")[1] > CLEAR
    still = not any(found.values("features moved, eval"))
    same = not any(found.values("weights moved"))
    because = (
        f"the features of the same val images moved by {found.words('features moved, train')} of their length with the body "
        f"in train mode and by {found.words('features moved, eval', short=True)} in eval mode, while "
        f"{found.mean('weights moved'):,.0f} of the body's parameters changed; train mode changes the "
        f"test accuracy by {found.words('accuracy, train - accuracy, eval')}, and that of the old head on the old breeds by "
        f"{found.words('old breeds, train - old breeds, eval')}."
    )
    return Verdict(moves and still and same, because)


def plot(found: Findings) -> Picture:
    """How far the features moved, and what the classifier is then worth; each seed a dot, means with intervals."""
    fig, axes = figure(7.6, 3.2, 1, 3)
    shown = (
        ("features moved", "features moved (%)"),
        ("accuracy", "accuracy on new breeds (%)"),
        ("old breeds", "old head on old breeds (%)"),
    )
    for axis, (what, label) in zip(axes[0], shown, strict=True):
        for place, (mode, colour, marker) in enumerate((("train", ORANGE, "s"), ("eval", BLUE, "o"))):
            mean, low, high = found.interval(f"{what}, {mode}")
            values = found.values(f"{what}, {mode}")
            axis.plot([place - 0.18] * len(values), values, ".", color=colour, alpha=0.6)
            axis.errorbar([place], [mean], [[mean - low], [high - mean]], color=colour, marker=marker, capsize=4)
            axis.annotate(f"{mean:.1f}", (place, mean), xytext=(9, 0), textcoords="offset points", va="center",
                          color=colour)  # fmt: skip
        axis.set_xticks([0, 1], ["train mode\n(the trap)", "eval mode\n(frozen)"])
        axis.set(xlim=(-0.5, 1.6), ylabel=label)
        if what == "features moved":
            axis.set_ylim(bottom=min(0.0, axis.get_ylim()[0]))
        else:  # both accuracies on scales of one span, so that a drop looks as large as it is
            low, high = axis.get_ylim()
            half = max(SPAN, high - low) / 2
            axis.set_ylim((low + high) / 2 - half, (low + high) / 2 + half)
    axes[0][0].set_title(f"weights changed: {found.mean('weights moved'):,.0f}", fontsize=9, color=GREY)
    axes[0][1].set_title("dots: seeds; bars: 95 % intervals", fontsize=9, color=GREY)
    moved, right, old = ([found.mean(f"{what}, {mode}") for mode in ("train", "eval")] for what, _ in shown)
    return Picture(
        fig,
        f"Frozen body in train mode: features moved by {moved[0]:.1f} % of their length, accuracy {right[0]:.1f} % on "
        f"the new breeds, {old[0]:.1f} % with the old head on the old breeds. In eval mode: {moved[1]:.1f} %, {right[1]:.1f} % "
        f"and {old[1]:.1f} %. Weights changed in the body: {found.mean('weights moved'):,.0f}.",
    )


CLAIM = Claim(
    name="batchnorm_trap",
    says="A frozen body left in train mode moves, although none of its weights changes: its BatchNorm follows the new images.",
    source="Ioffe and Szegedy 2015, arXiv 1502.03167, section 3.1: running statistics are no weights",
    work=work,
    judge=judge,
    plot=plot,
)
