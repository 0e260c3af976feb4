"""Figures of the lesson on a reader's own folder: what a network looks at, how far its certainty is to be believed, what more
pictures would bring.

    looked_at(net, images, rows)                # bright: covering this place takes the answer away
    reliability({"as trained": said, "cooler": other}, truth)
    over_pictures({30: [0.6, 0.7], 60: [0.75, 0.8]}, majority=0.4)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch.nn import functional as F

from ..images import ImageSet
from ..intervals import wilson
from ..network import Network
from ..plots import BLUE, COLOURS, DASHES, GREY, Picture, _short, figure

STEPS = 9  # places along a side where the patch is put
PATCH = 0.3  # its side, as a share of the picture's


def falls(net: Network, images: ImageSet, row: int) -> tuple[torch.Tensor, int, float]:
    """How much of the answer's probability is lost when a grey patch covers a place (Zeiler and Fergus 2014).

    Returns the losses in 0 to 1 as float STEPS,STEPS, the class that the network names, and its probability.
    """
    picture, edge = images.images[row], images.size
    side = max(1, round(PATCH * edge))
    starts = torch.linspace(0, edge - side, STEPS).round().long().tolist()
    patched = picture.repeat(STEPS * STEPS, 1, 1, 1)
    for number, (top, left) in enumerate((top, left) for top in starts for left in starts):
        patched[number, :, top : top + side, left : left + side] = 128
    whole = net(picture[None]).softmax(1)[0].cpu()
    named = int(whole.argmax())
    said = torch.cat([net(part).softmax(1)[:, named].cpu() for part in patched.split(64)])
    return (whole[named] - said).clamp(min=0).view(STEPS, STEPS), named, float(whole[named])


def looked_at(net: Network, images: ImageSet, rows: Sequence[int] | torch.Tensor) -> Picture:
    """Each picture above, and below it the same in the light of `falls`: what stays bright carries the answer."""
    rows = [int(row) for row in rows]
    fig, axes = figure(1.75 * len(rows), 4.1, 2, len(rows))
    told = []
    for (above, below), row in zip(axes.T, rows, strict=True):
        lost, named, sure = falls(net, images, row)
        picture = images.images[row].permute(1, 2, 0).numpy()  # 3,H,W -> H,W,3
        # Below a tenth no place matters by itself, and stretching the map would show noise.
        light = F.interpolate((lost / max(0.1, float(lost.max())))[None, None], images.size, mode="bilinear")[0, 0]
        above.imshow(picture)
        below.imshow((picture * (0.18 + 0.82 * light.numpy()[..., None])).astype(np.uint8))
        name, truth = (_title(images.classes[k]) for k in (named, int(images.labels[row])))
        above.set_title(f"{name} ({sure:.0%})" + ("" if name == truth else f"\nis {truth}"), fontsize=8)
        below.set_title(f"at most {100 * float(lost.max()):.0f} points lost", fontsize=8)
        for axis in (above, below):
            axis.axis("off")
        told.append(f"{truth}, named {name} ({sure:.0%}), loses at most {float(lost.max()):.0%}")
    return Picture(fig, f"{len(rows)} pictures, and below each what carries the answer. {'; '.join(told)}.")


def reliability(said: Mapping[str, torch.Tensor], truth: torch.Tensor, bins: int = 4) -> Picture:
    """How often the answer is right, over how certain it was; on the diagonal certainty can be believed.

    Arguments:
        said: name -> probabilities, float N,classes.
        truth: int64 N.
        bins: groups of equal size, so that each has an interval of some use.
    """
    fig, axes = figure(5.6, 4.0)
    axis = axes[0][0]
    axis.plot([0, 100], [0, 100], color=GREY, linewidth=1)
    words = []
    for i, (name, probabilities) in enumerate(said.items()):
        sure, named = probabilities.max(1)
        right = (named == truth).float()
        parts = [part for part in sure.argsort().tensor_split(bins) if len(part)]
        x = np.array([100 * sure[part].mean().item() for part in parts])
        y = np.array([100 * right[part].mean().item() for part in parts])
        ends = np.array([wilson(right[part].mean().item(), len(part)) for part in parts]).T * 100
        style = {"color": COLOURS[i % 5], "linestyle": DASHES[i % 5], "marker": "os^Dv"[i % 5], "capsize": 3}
        axis.errorbar(x + i, y, [y - ends[0], ends[1] - y], elinewidth=1, label=name, **style)
        words.append(f"{name}: {sure.mean():.0%} certain on average, {right.mean():.0%} right")
    axis.legend(loc="upper left", fontsize=9)
    axis.set(xlim=(0, 103), ylim=(0, 103), xlabel="how certain (%)", ylabel="how often right (%)")
    axis.set_title("bars: 95 % intervals; on the line: certain as often as right", fontsize=9, color=GREY)
    return Picture(fig, f"Certainty against truth for {len(truth)} pictures. {'; '.join(words)}.")


def over_pictures(shares: Mapping[int, Sequence[float]], majority: float) -> Picture:
    """Accuracy over the number of training pictures: the mean over splits, and the middle nine tenths of them.

    Arguments:
        shares: training pictures -> accuracies on test of some splits, 0 to 1.
        majority: accuracy of always naming the largest class.
    """
    fig, axes = figure(5.6, 3.6)
    axis = axes[0][0]
    counts = sorted(shares)
    mean = np.array([100 * np.mean(shares[n]) for n in counts])
    low, high = (np.array([100 * np.quantile(shares[n], q) for n in counts]) for q in (0.05, 0.95))
    axis.fill_between(counts, low, high, color=BLUE, alpha=0.18, linewidth=0)
    axis.plot(counts, mean, color=BLUE, marker="o")
    axis.axhline(100 * majority, color=GREY, linewidth=1, linestyle=(0, (1, 2)))
    axis.annotate("majority", (1.01, 100 * majority), xycoords=("axes fraction", "data"), color=GREY, va="center")
    axis.set_xscale("log")
    axis.set_xticks(counts, [str(n) for n in counts])
    axis.set_xticks([], minor=True)
    axis.set(xlabel="training pictures", ylabel="accuracy on test (%)", ylim=(0, 102))
    axis.set_title("band: nine splits of ten lie in it", fontsize=9, color=GREY)
    words = ", ".join(
        f"{m:.0f} % with {n} ({a:.0f} to {b:.0f})" for n, m, a, b in zip(counts, mean, low, high, strict=True)
    )
    return Picture(fig, f"Accuracy on test over training pictures: {words}. Always the largest class: {majority:.0%}.")


def _title(name: str) -> str:
    """A class name as matplotlib shows it; a dollar sign would begin a formula."""
    return _short(name).replace(r"\$", "$").replace("$", r"\$")
