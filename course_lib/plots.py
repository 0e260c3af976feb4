"""Arrays in, pictures out: one look for the whole course.

    plots.contact_sheet(dogs, per_class=6)
    plots.learning_curves(curve)

Colours are Okabe and Ito's, told apart by every eye; each line also has its own dash and its name at its end. A picture carries
a sentence that says the same (alt text), which is also what a terminal or a screen reader gets.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.text import Text

BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#595959"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, GREY)
DASHES = ("solid", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)), (0, (3, 2)))
STYLE = {
    "font.size": 10,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "axes.axisbelow": True,
    "legend.frameon": False,
}


# Words of readers, such as the names of their classes, may have letters that matplotlib's own font lacks. These draw them: what
# Windows, macOS and Linux bring for Chinese, Japanese, Korean, Devanagari and Thai.
FURTHER_FONTS = (
    *(
        "Microsoft YaHei",
        "PingFang SC",
        "Hiragino Sans GB",
        "Noto Sans CJK SC",
        "Noto Sans CJK JP",
        "WenQuanYi Micro Hei",
    ),
    *("Yu Gothic", "Hiragino Sans", "Malgun Gothic", "Apple SD Gothic Neo", "Droid Sans Fallback", "Arial Unicode MS"),
    *("Nirmala UI", "Kohinoor Devanagari", "Noto Sans Devanagari", "Leelawadee UI", "Thonburi", "Noto Sans Thai"),
)


@dataclass(frozen=True)
class Picture:
    """A figure with the sentence that says what it shows."""

    figure: Figure
    alt: str

    def __post_init__(self) -> None:
        for text in self.figure.findobj(Text):
            if not text.get_text().isascii():
                text.set_fontfamily([*text.get_fontfamily(), *_further_fonts()])

    def png(self) -> bytes:
        """The picture as PNG."""
        buffer = io.BytesIO()
        FigureCanvasAgg(self.figure).print_png(buffer)
        return buffer.getvalue()

    def __repr__(self) -> str:
        return self.alt

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, Any]]:
        width = round(self.figure.get_figwidth() * 96)
        data = {"image/png": base64.b64encode(self.png()).decode(), "text/plain": self.alt}
        return data, {"image/png": {"alt": self.alt, "width": width}}


def figure(width: float, height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, np.ndarray]:
    """A figure of width by height inches in the course's style, and its axes as rows,columns."""
    with rc_context(STYLE):
        fig = Figure(figsize=(width, height), dpi=144, layout="constrained")
        return fig, fig.subplots(rows, columns, squeeze=False, **options)


@cache
def _further_fonts() -> tuple[str, ...]:
    """Those of `FURTHER_FONTS` that this machine has; matplotlib warns of each that it has not."""
    there = {entry.name for entry in fontManager.ttflist}
    return tuple(name for name in FURTHER_FONTS if name in there)


def contact_sheet(images: Any, per_class: int = 6, split: str = "train") -> Picture:
    """The first images of each class in a row of its own."""
    classes = images.classes
    rows, labels = images.rows(split), images.labels[images.rows(split)]
    fig, axes = figure(1.05 * per_class + 1.6, 1.05 * len(classes), len(classes), per_class)
    for label, name in enumerate(classes):
        of_class = rows[labels == label][:per_class]
        for i, axis in enumerate(axes[label]):
            axis.axis("off")
            if i < len(of_class):
                axis.imshow(images.images[of_class[i]].permute(1, 2, 0).numpy())  # 3,H,W -> H,W,3
        axes[label][0].text(-0.08, 0.5, _short(name), ha="right", va="center", transform=axes[label][0].transAxes)
    return Picture(
        fig, f"{per_class} {split} images of each of {len(classes)} classes of {images.name}: {', '.join(classes)}."
    )


def learning_curves(
    curves: Mapping[str, Sequence[tuple[int, float, float, float]]],
    chance: float,
    what: str = "test",
    guess: float | None = None,
) -> Picture:
    """Accuracy over images per class, with intervals.

    Arguments:
        curves: name -> (images per class, accuracy, low, high), accuracies 0 to 1.
        chance: accuracy of guessing.
        what: the split that it was measured on.
        guess: a reader's prediction for the largest number of images, in per cent, or None.
    """
    fig, axes = figure(6.4, 4.0)
    axis = axes[0][0]
    ends = []
    for i, (name, points) in enumerate(curves.items()):
        n, mean, low, high = (np.array(column) for column in zip(*points, strict=True))
        spread = 100 * np.array([mean - low, high - mean])
        style = {"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i % len(DASHES)], "marker": "os^Dv"[i % 5]}
        axis.errorbar(n * 1.03 ** (i - 1), 100 * mean, spread, capsize=3, elinewidth=1, **style)
        ends.append((100 * mean[-1], name, style["color"]))
    ends.append((100 * chance, "chance", GREY))
    axis.axhline(100 * chance, color=GREY, linewidth=1, linestyle=(0, (1, 2)))
    sizes = sorted({n for points in curves.values() for n, *_ in points})
    if guess is not None:
        axis.plot(sizes[-1], guess, marker="*", markersize=13, color="black", linestyle="none")
        ends.append((float(guess), "your guess", "black"))
    for y, (_, name, colour) in zip(_apart([e[0] for e in ends], 5.0), ends, strict=True):
        axis.annotate(name, (1.01, y), xycoords=("axes fraction", "data"), color=colour, va="center")
    axis.set_xscale("log")
    axis.set_xticks(sizes, [str(n) for n in sizes])
    axis.set_xticks([], minor=True)
    axis.set(xlabel="training images per class", ylabel=f"accuracy on {what} (%)", ylim=(0, 102))
    axis.set_title("bars: 95 % intervals", fontsize=9, color=GREY)
    said = "; ".join(
        f"{name}: " + ", ".join(f"{m:.0%} with {n}" for n, m, *_ in points) for name, points in curves.items()
    )
    return Picture(fig, f"Accuracy on {what} over images per class. {said}; chance: {chance:.0%}.")


def confusion(evaluation: Any) -> Picture:
    """Which class is taken for which: rows are the truth, in per cent of the class's images."""
    counts = evaluation.confusion.numpy()
    share = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    names = [_short(name) for name in evaluation.classes]
    fig, axes = figure(1.8 + 0.46 * len(names), 1.5 + 0.42 * len(names))
    axis = axes[0][0]
    axis.grid(False)
    axis.imshow(share, cmap="Blues", vmin=0, vmax=100)
    for row in range(len(names)):
        for column in range(len(names)):
            if counts[row, column]:
                axis.text(column, row, f"{share[row, column]:.0f}", ha="center", va="center", fontsize=8,
                          color="white" if share[row, column] > 55 else "black")  # fmt: skip
    axis.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axis.set_yticks(range(len(names)), names)
    axis.set(xlabel="what the network said", ylabel="truth")
    axis.set_title(f"per cent of each class's {evaluation.split} images", fontsize=9, color=GREY)
    off = counts - np.diag(np.diag(counts))
    row, column = np.unravel_index(off.argmax(), off.shape)
    worst = f" Most often, {names[row]} is taken for {names[column]} ({off.max()} images)." if off.max() else ""
    return Picture(
        fig, f"Confusion matrix on {evaluation.split}: {evaluation.accuracy:.1%} lie on the diagonal.{worst}"
    )


def mistakes(images: Any, evaluation: Any, count: int = 8) -> Picture:
    """The mistakes that the network was surest of, with what it said and what is true."""
    worst = evaluation.worst(count)
    columns = min(4, max(1, len(worst)))
    fig, axes = figure(
        2.1 * columns, 2.55 * max(1, -(-len(worst) // columns)), max(1, -(-len(worst) // columns)), columns
    )
    for axis in axes.flat:
        axis.axis("off")
    said = []
    for axis, i in zip(axes.flat, worst.tolist(), strict=False):
        guess, truth = (_short(evaluation.classes[k]) for k in (evaluation.predictions[i], evaluation.labels[i]))
        sure = evaluation.probabilities[i].max().item()
        axis.imshow(images.images[evaluation.rows[i]].permute(1, 2, 0).numpy())
        axis.set_title(f"said {guess} ({sure:.0%})\nis {truth}", fontsize=8)
        said.append(f"{truth} taken for {guess} ({sure:.0%})")
    return Picture(fig, f"The {len(worst)} mistakes made with most confidence: {'; '.join(said) or 'none'}.")


def blocks(names: Sequence[str], parameters: Sequence[int], frozen: int) -> Picture:
    """A network as a row of blocks, the first `frozen` of them frozen; bars give the parameters (log scale)."""
    fig, axes = figure(max(5.0, 0.5 * len(names) + 1.5), 2.8)
    axis = axes[0][0]
    for i, count in enumerate(parameters):
        style = (
            {"facecolor": "white", "edgecolor": BLUE, "hatch": "///"}
            if i < frozen
            else {"facecolor": ORANGE, "edgecolor": ORANGE}
        )
        axis.bar(i, max(count, 1), width=0.8, linewidth=1.5, **style)
    axis.set_yscale("log")
    axis.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axis.set_ylabel("parameters")
    trained = sum(parameters[frozen:])
    words = f"{frozen} of {len(names)} blocks frozen (hatched), {trained:,} of {sum(parameters):,} parameters train (filled)"
    axis.set_title(words.replace(", ", "\n"), fontsize=9)
    return Picture(fig, f"{words}. Blocks in order: {', '.join(names)}.")


def runs(curves: Sequence[tuple[str, Sequence[Sequence[float]]]], alt: str) -> Picture:
    """Accuracy on val over steps, the last run in colour and those before it in grey.

    Arguments:
        curves: (name, [(step, loss, accuracy 0 to 1), ...]) of each run.
        alt: the same in words.
    """
    fig, axes = figure(6.0, 3.0)
    axis = axes[0][0]
    ends = []
    for i, (name, looks) in enumerate(curves):
        if not looks:
            continue
        steps, _, accuracy = (np.array(column) for column in zip(*looks, strict=True))
        colour = BLUE if i == len(curves) - 1 else GREY
        axis.plot(steps, 100 * accuracy, color=colour, linestyle=DASHES[i % len(DASHES)], marker="o", markersize=3)
        ends.append((100 * accuracy[-1], name, colour))
    for y, (_, name, colour) in zip(_apart([e[0] for e in ends], 6.0), ends, strict=True):
        axis.annotate(name, (1.01, y), xycoords=("axes fraction", "data"), color=colour, va="center")
    axis.set(xlabel="steps", ylabel="accuracy on val (%)", ylim=(0, 102))
    return Picture(fig, alt)


def _short(name: str) -> str:
    """A class name for a figure; a dollar sign in it is no formula."""
    short = name if len(name) <= 20 else name[:18] + "…"
    return short.replace("_", " ").replace("$", r"\$")


def _apart(positions: Sequence[float], gap: float) -> list[float]:
    """Positions moved up where needed so that neighbours are at least `gap` apart, in the given order."""
    moved = np.array(positions, dtype=float)
    order = np.argsort(moved)
    for lower, upper in pairwise(order):
        moved[upper] = max(moved[upper], moved[lower] + gap)
    return moved.tolist()
