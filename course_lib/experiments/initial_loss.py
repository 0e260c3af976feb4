"""Claim: where training starts. Losses before the first step, of random networks and of transferred ones.

    found = claim("initial_loss").recorded()
    found.values("random"), found.values("transferred, new head"), found.values("transferred, trained head")

It is often said that a transferred network starts lower (the "higher start" of a learning curve, Torrey and Shavlik 2010).
With a new head that is not so: the head knows nothing of the classes yet. So the claim that is tested here names the head,
and what a new head does is told in the verdict.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import numpy as np

from ..models import load
from ..sources import load_images
from .claims import Claim
from .findings import At, Findings, Verdict, findings

if TYPE_CHECKING:
    from ..images import ImageSet
    from ..plots import Picture

RANDOM, NEW, TRAINED = "random", "transferred, new head", "transferred, trained head"
GUESSING = "guessing"
SEEDS = {"small": 12, "full": 100}
POINTS = 256  # val images behind a loss
EPOCHS = 3  # what "a moment" is: passes of the head over the training images, on the frozen body


def work(size: str, seeds: int | None) -> Generator[At, None, Findings]:
    """First losses on the drawn dogs, of PawNet."""
    return measure(load_images("dogworld"), size, seeds)


def measure(
    images: ImageSet,
    size: str,
    seeds: int | None = None,
    model: str = "pawnet",
    weights: str = "animals",
    epochs: int = EPOCHS,
    points: int = POINTS,
) -> Generator[At, None, Findings]:
    """First losses on the val split of some images; the arguments are those of `load` and `initial_losses`."""
    from ..landscape import initial_losses

    count = seeds or SEEDS[size]
    body = load(model, images.classes, weights)
    for starts in initial_losses(body, images, range(count), points=points, epochs=epochs):
        yield At(starts.done / starts.total, f"first losses: {starts.done} of {starts.total}")
    measured = {kind: ("loss", losses) for kind, losses in starts.losses.items()}
    measured[GUESSING] = ("loss", [starts.guessing] * count)
    about = {"images": images.name, "split": "val", "points": points, "model": model, "weights": weights}
    return findings("initial_loss", size, measured, **about, head_epochs=epochs)


def judge(found: Findings) -> Verdict:
    """Whether the two distributions lie apart, and where a new head starts."""
    random, new, trained = (found.values(kind) for kind in (RANDOM, NEW, TRAINED))
    apart = max(trained) < min(random)
    told = "so all lie below all random ones" if apart else "so it is not true that all lie below all random ones"
    said = f"with a trained head the first loss was {_range(trained)}, random networks had {_range(random)}, {told}."
    return Verdict(apart, f"{said} {_new_head(new, random)} Guessing costs {found.words(GUESSING, short=True)}.")


def _new_head(new: tuple[float, ...], random: tuple[float, ...]) -> str:
    if min(new) > max(random):
        return f"A transferred body with a new head started higher than every random network ({_range(new)})."
    if max(new) < min(random):
        return f"A transferred body with a new head, too, started lower than every random network ({_range(new)})."
    higher = float(np.mean(np.array(new) > np.array(random)))
    return (
        f"A transferred body with a new head did not start lower than every random network: {_range(new)}, "
        f"higher than the random one in {higher:.0%} of the seeds."
    )


def _range(losses: tuple[float, ...]) -> str:
    return f"{min(losses):.2f} to {max(losses):.2f} nats"


def plot(found: Findings) -> Picture:
    """Three histograms over one axis, with every draw below its own, and the loss of guessing."""
    from .. import plots

    fig, axes = plots.figure(6.4, 3.8)
    axis = axes[0][0]
    everything = [*found.values(RANDOM), *found.values(NEW), *found.values(TRAINED), *found.values(GUESSING)]
    free = 0.06 * (max(everything) - min(everything)) or 0.1
    bins = np.linspace(min(everything) - free, max(everything) + free, 41)
    told = []
    kinds = ((RANDOM, plots.GREY, ""), (NEW, plots.ORANGE, "///"), (TRAINED, plots.BLUE, "..."))
    for row, (kind, colour, hatch) in enumerate(reversed(kinds)):
        losses = np.array(found.values(kind))
        counts, _ = np.histogram(losses, bins)
        axis.bar(bins[:-1], 0.55 * counts / counts.max(), np.diff(bins), row, align="edge",
                 facecolor="white", edgecolor=colour, hatch=hatch, linewidth=1)  # fmt: skip
        axis.plot(losses, np.full(len(losses), row - 0.07), "|", color=colour, markersize=7)
        axis.text(bins[0], row + 0.68, f"{kind}: {_range(found.values(kind))}", color=colour, fontsize=9)
        told.append(f"{kind}: {_range(found.values(kind))}")
    guessing = found.mean(GUESSING)
    axis.axvline(guessing, color="black", linewidth=1, linestyle=(0, (1, 2)))
    axis.annotate("guessing", (guessing, 1.0), (3, 2), xycoords=("data", "axes fraction"),
                  textcoords="offset points", fontsize=8.5)  # fmt: skip
    axis.set(xlabel="loss before the first step (nats, on val)", ylim=(-0.25, len(kinds) - 0.1), yticks=[])
    axis.set_xlim(bins[0], bins[-1])
    axis.spines["left"].set_visible(False)
    seeds = len(found.values(RANDOM))
    said = "; ".join(reversed(told))
    return plots.Picture(fig, f"First losses of {seeds} networks of each kind. {said}; guessing: {guessing:.2f} nats.")


CLAIM = Claim(
    "initial_loss",
    "A transferred network whose head has seen the images for a moment starts at a lower loss than any random one.",
    "'higher start' in Torrey and Shavlik 2010, made precise",
    work,
    judge,
    plot,
)
