"""Claim: one basin. On the straight line between two fine-tuned networks the loss stays low; between two from scratch it rises.

    found = claim("same_basin").recorded()
    found.words("barrier, fine-tuned"), found.words("barrier, scratch")      # nats, on training images
    draw_lines({"fine-tuned": (line.shares, line.losses)}, "way from one network to the other")      # of any lines

All networks see the same images and are trained by one recipe, as long as it takes until those from scratch know the training
images. A pair of fine-tuned networks shares the pretrained body; heads and the order of the images are drawn anew for each. A
pair from scratch shares nothing. Networks are paired round in a ring, each with the next, so each stands in two pairs.

The barrier is measured on training images, which is where both kinds have a low loss at their ends, and with BatchNorm's
statistics measured anew at each point of the line (Jordan et al. 2022, arXiv 2211.08403). On val, networks from scratch are
wrong with much confidence, so the loss at their own ends is high and no barrier in the loss is seen, however bad the middle is.
That is told too (`barrier on val`), with the accuracies that show it.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..evaluation import evaluate
from ..models import load
from ..sources import load_images
from ..training.recipes import from_scratch
from ..training.train import fit
from .claims import Claim
from .findings import At, Findings, Verdict, findings

if TYPE_CHECKING:
    from ..images import ImageSet
    from ..plots import Picture

WAYS = {"fine-tuned": "animals", "scratch": None}  # way -> the weights that it starts from
# pairs, training images a class (None: all), epochs, points on a line on train and on val
PLAN = {"small": (3, 20, 16, 5, 3), "full": (6, None, 10, 11, 5)}
POINTS = 256  # images behind a loss, of either split


def work(size: str, seeds: int | None) -> Generator[At, None, Findings]:
    """Barriers of PawNet on the drawn dogs."""
    pairs, per_class, epochs, steps, val_steps = PLAN[size]
    images = load_images("dogworld")
    few = images if per_class is None else images.subset(per_class)
    return measure(few, size, seeds or pairs, epochs, (steps, val_steps))


def measure(
    images: ImageSet, size: str, pairs: int, epochs: int, steps: tuple[int, int], points: int = POINTS
) -> Generator[At, None, Findings]:
    """Train the networks of both ways on some images, and measure the lines between them.

    Arguments:
        pairs: of networks, for each way; three networks or more are trained, so that no pair comes twice.
        epochs: of every network; all blocks train, at one rate.
        steps: points on each line, on train and on val.
    """
    from ..landscape import barrier
    from ..landscape.vectors import weights_of

    count = max(3, pairs)
    values: dict[str, list[float]] = {}
    for turn, (way, weights) in enumerate(WAYS.items()):
        nets = []
        for seed in range(count):
            label, part = f"{way}, network {seed + 1} of {count}", 0.9 / count / len(WAYS)
            net = load("pawnet", images.classes, weights, seed)
            for record in fit(net, images, from_scratch(epochs), seed=seed, validate_every=0):
                yield At(
                    turn / len(WAYS) + part * (seed + record.progress),
                    f"{label}: step {record.step:,} of {record.steps:,}",
                )
            nets.append(net)
        for i in range(pairs):
            yield At((turn + 0.9 + 0.1 * i / pairs) / len(WAYS), f"{way}: line {i + 1} of {pairs}")
            a, b = nets[i], nets[(i + 1) % count]
            train, val = (
                barrier(a, b, images, steps=n, split=split, points=points)
                for n, split in zip(steps, ("train", "val"), strict=True)
            )
            told = {
                "barrier": train.height,
                "barrier on val": val.height,
                "accuracy": 100 * (val.accuracies[0] + val.accuracies[-1]) / 2,
                "middle accuracy": 100 * val.accuracies[len(val.shares) // 2],
                "train accuracy": 100 * (evaluate(a, images, "train").accuracy + evaluate(b, images, "train").accuracy) / 2,
                "distance": (weights_of(a) - weights_of(b)).norm().item(),
            }  # fmt: skip
            for name, value in told.items():
                values.setdefault(f"{name}, {way}", []).append(value)
    units = {"barrier": "loss", "barrier on val": "loss", "distance": "score"}
    measured = {key: (units.get(key.partition(",")[0], "%"), each) for key, each in values.items()}
    about = {"images": images.name, "train_images": len(images.rows("train")), "model": "pawnet", "weights": WAYS}
    about |= {"epochs": epochs, "points_on_a_line": list(steps), "images_behind_a_loss": points, "networks": count}
    return findings("same_basin", size, measured, **about)


def judge(found: Findings) -> Verdict:
    """Every barrier of fine-tuned networks below every one from scratch, and the mean difference clear of zero."""
    tuned, scratch = (found.values(f"barrier, {way}") for way in WAYS)
    difference = "barrier, fine-tuned - barrier, scratch"
    holds = max(tuned) < min(scratch) and found.interval(difference)[2] < 0
    known = found.mean("train accuracy, scratch") >= 80
    said = (
        f"the barrier between two fine-tuned networks was {found.words('barrier, fine-tuned')}, between two from scratch "
        f"{found.words('barrier, scratch')} (on training images, of which those from scratch knew "
        f"{found.words('train accuracy, scratch', short=True)}{'' if known else ', too few to compare'})."
    )
    middle = " ".join(
        f"Halfway, {way} networks have {found.words(f'middle accuracy, {way}', short=True)} on val, at the ends "
        f"{found.words(f'accuracy, {way}', short=True)}." for way in WAYS
    )  # fmt: skip
    return Verdict(holds and known, f"{said} {middle}")


def plot(found: Findings) -> Picture:
    """Each pair's barrier, and the accuracy on val at the ends and halfway."""
    from .. import plots

    fig, axes = plots.figure(6.8, 3.4, 1, 2)
    left, right = axes[0]
    told = []
    for at, (way, colour, mark) in enumerate(zip(WAYS, (plots.BLUE, plots.ORANGE), "os", strict=True)):
        barriers = np.array(found.values(f"barrier, {way}"))
        mean, low, high = found.interval(f"barrier, {way}")
        left.plot(at + np.linspace(-0.18, 0.02, len(barriers)), barriers, mark, color=colour, markerfacecolor="white")
        left.errorbar(at + 0.15, mean, [[mean - low], [high - mean]], fmt=mark, color=colour, capsize=3)
        left.annotate(f"{mean:.2f}", (at + 0.15, mean), (7, 0), textcoords="offset points", color=colour, va="center")
        ends, middle = found.mean(f"accuracy, {way}"), found.mean(f"middle accuracy, {way}")
        spread = [found.interval(f"{name}, {way}") for name in ("accuracy", "middle accuracy", "accuracy")]
        bars = [[m - a for m, a, _ in spread], [b - m for m, _, b in spread]]
        dash = "solid" if at == 0 else (0, (5, 1.5))
        right.errorbar([0, 50, 100], [ends, middle, ends], bars, color=colour, linestyle=dash, marker=mark, capsize=3)
        right.annotate(way, (50, middle), (0, 8), textcoords="offset points", color=colour, ha="center")
        told.append(
            f"{way}: barrier {mean:.2f} nats, accuracy on val {ends:.0f} % at the ends and {middle:.0f} % halfway"
        )
    left.set_xticks([0, 1], list(WAYS))
    left.set(xlim=(-0.5, 1.6), ylabel="barrier (nats, training images)")
    left.set_title("open: one pair; filled: mean, 95 %", fontsize=9, color=plots.GREY)
    right.set(xlabel="way from one network to the other (%)", ylabel="accuracy on val (%)", ylim=(0, 102))
    return plots.Picture(
        fig, f"Between two networks, {len(found.values('barrier, scratch'))} pairs. {'; '.join(told)}."
    )


def draw_lines(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], x: str, title: str = "") -> Picture:
    """Losses along lines through the space of weights.

    Arguments:
        curves: name -> (places on the line, losses in nats there).
        x: what a place is, with its unit. title: what else has to be known, above the figure.
    """
    from .. import plots

    fig, axes = plots.figure(6.4, 3.4)
    axis = axes[0][0]
    for i, (name, (places, losses)) in enumerate(curves.items()):
        style = {"color": plots.COLOURS[i % 5], "linestyle": plots.DASHES[i % 5], "marker": "os^Dv"[i % 5]}
        # The first line is the widest and lies below: a later one that is equal to it does not hide it.
        axis.plot(places, losses, label=name, linewidth=4 if i == 0 else 1.6, markersize=7 if i == 0 else 4.5, **style)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, 1.0), fontsize=9, handlelength=3.5)
    axis.set(xlabel=x, ylabel="loss (nats)")
    axis.set_ylim(min(0.0, axis.get_ylim()[0]), 1.3 * axis.get_ylim()[1])  # room for the names
    axis.set_title(title, fontsize=9, color=plots.GREY)
    said = "; ".join(
        f"{name}: {losses[0]:.2f} nats at {places[0]:g}, {losses[len(losses) // 2]:.2f} at "
        f"{places[len(losses) // 2]:g}, {losses[-1]:.2f} at {places[-1]:g}" for name, (places, losses) in curves.items()
    )  # fmt: skip
    return plots.Picture(fig, f"Loss along a line; across: {x}. {said}.")


CLAIM = Claim(
    "same_basin",
    "Two networks fine-tuned from the same weights share a basin: the barrier between them is lower than between two "
    "trained from scratch.",
    "Neyshabur et al. 2020",
    work,
    judge,
    plot,
)
