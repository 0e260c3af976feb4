"""Figures of the look at the data (audit.py): counts and sizes, a contact sheet, copies side by side.

    look = audit(images)
    look.plot(), look.sheet(), look.copies()

What is marked carries a word below it and a dashed frame, so that no colour needs to be told from another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CourseError
from ..plots import BLUE, GREEN, GREY, ORANGE, Picture, _short, figure

if TYPE_CHECKING:
    from .audit import Audit

FILLS = {"train": (BLUE, ""), "val": (GREEN, "///"), "test": (ORANGE, "...")}
ROWS = 12  # classes in one figure
MARKERS = "os^Dv"


def plot(look: Audit) -> Picture:
    """Bars of the counts, and the sizes of the files or the brightness of the pictures."""
    images = look.images
    counts = {split: images.counts(split) for split in images.splits}
    total = {name: sum(each[name] for each in counts.values()) for name in images.classes}
    names = sorted(images.classes, key=lambda name: -total[name])
    shown = names if len(names) <= ROWS else [*names[: ROWS - 3], *names[-3:]]
    fig, axes = figure(9.0, max(2.8, 0.34 * len(shown) + 1.4), 1, 2)
    _bars(axes[0][0], shown, counts, len(names))
    said = _sizes(axes[0][1], look) if "width" in images.factors else _brightness(axes[0][1], look)
    few = f"{names[-1]} has fewest ({total[names[-1]]:,})"
    return Picture(
        fig,
        f"{len(images):,} pictures in {len(names)} classes; {names[0]} has most ({total[names[0]]:,}), {few}. {said}",
    )


def sheet(look: Audit, per_class: int = 8) -> Picture:
    """The contact sheet: a row for each class, marked pictures first."""
    if per_class < 1:
        raise CourseError(f"per_class={per_class} pictures were asked for; give 1 or more.")
    images, labels = look.images, look.images.labels.numpy()
    classes = list(range(len(images.classes)))[:ROWS]
    fig, axes = figure(1.15 * per_class + 1.6, 1.4 * len(classes), len(classes), per_class)
    said = []
    for label, line in zip(classes, axes, strict=True):
        rows = _chosen(look, np.flatnonzero(labels == label), per_class)
        for axis, row in zip(line, [*rows, *[None] * (per_class - len(rows))], strict=True):
            _show(axis, look, row, ", ".join(look.marks.get(row, ())))
        line[0].text(-0.1, 0.5, _short(images.classes[label]), ha="right", va="center", transform=line[0].transAxes)
        marked = [f"{', '.join(look.marks[row])}" for row in rows if row in look.marks]
        said.append(
            f"{images.classes[label]}: {len(rows)} pictures{f', marked: {chr(59).join(marked)}' if marked else ''}"
        )
    more = f" The other {len(images.classes) - ROWS} classes are not shown." if len(images.classes) > ROWS else ""
    return Picture(fig, f"Pictures of {images.name}. {'. '.join(said)}.{more}")


def copies(look: Audit, groups: int = 6) -> Picture:
    """Groups of near-duplicates, a row each."""
    if groups < 1:
        raise CourseError(f"groups={groups} were asked for; give 1 or more.")
    split_of = {row: split for split, rows in look.images.splits.items() for row in rows.tolist()}
    found = [np.flatnonzero(look.groups == group).tolist() for group in range(look.groups.max(initial=-1) + 1)]
    found.sort(key=lambda rows: len({int(look.images.labels[row]) for row in rows}) == 1)
    if not found:
        fig, axes = figure(4.0, 0.8)
        axes[0][0].axis("off")
        axes[0][0].text(0, 0.5, "no near-duplicates were found", va="center")
        return Picture(fig, f"{look.images.name}: no near-duplicates were found.")
    width = min(6, max(map(len, found)))
    fig, axes = figure(1.6 * width + 0.6, 1.95 * min(groups, len(found)), min(groups, len(found)), width)
    said = []
    for line, rows in zip(axes, found, strict=False):
        for axis, row in zip(line, [*rows[:width], *[None] * (width - len(rows))], strict=True):
            words = (
                None
                if row is None
                else [_short(look.images.classes[look.images.labels[row]]), split_of.get(row, "no split")]
            )
            _show(axis, look, row, "\n".join(words or ()), marked=bool(words) and "two labels" in look.marks[row])
        said.append(" and ".join(look.name_of(row) for row in rows[:width]))
    return Picture(fig, f"{len(found)} groups of near-duplicates in {look.images.name}: {'; '.join(said)}.")


def _chosen(look: Audit, rows: np.ndarray, count: int) -> list[int]:
    """Marked pictures for at most half of the places, then others from all over the class."""
    marked = [row for row in rows.tolist() if row in look.marks]
    plain = [row for row in rows.tolist() if row not in look.marks]
    first = marked[: max(count - len(plain), (count + 1) // 2)][:count]
    left = count - len(first)
    spread = np.linspace(0, len(plain) - 1, min(left, len(plain))).round().astype(int).tolist()
    return [*first, *(plain[i] for i in spread)]


def _show(axis: Any, look: Audit, row: int | None, words: str, marked: bool | None = None) -> None:
    axis.set_xticks([])
    axis.set_yticks([])
    axis.grid(False)
    marked = bool(words) if marked is None else marked
    for side in axis.spines.values():
        side.set(visible=marked and row is not None, linestyle=(0, (3, 2)), linewidth=2, color="black")
    if row is None:
        axis.axis("off")
        return
    axis.imshow(look.images.images[row].permute(1, 2, 0).numpy())  # 3,H,W -> H,W,3
    axis.set_xlabel(words, fontsize=8, labelpad=2)


def _bars(axis: Any, names: list[str], counts: dict[str, dict[str, int]], classes: int) -> None:
    left = np.zeros(len(names))
    places = np.arange(len(names))[::-1]
    for split, each in counts.items():
        values = np.array([each[name] for name in names])
        colour, hatch = FILLS[split]
        axis.barh(
            places,
            values,
            0.7,
            left=left,
            label=split,
            color="white" if hatch else colour,
            edgecolor=colour,
            hatch=hatch,
        )
        left += values
    for place, value in zip(places, left, strict=True):
        axis.text(value, place, f" {value:,.0f}", va="center", fontsize=8)
    axis.set_yticks(places, [_short(name) for name in names])
    axis.set(xlabel="pictures", xlim=(0, 1.15 * max(left.max(initial=0), 1)))
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=3, fontsize=8)
    if len(names) < classes:
        axis.set_title(f"the largest {len(names) - 3} and the smallest 3 of {classes} classes", fontsize=9, color=GREY)


def _sizes(axis: Any, look: Audit) -> str:
    width, height = look.images.factors["width"], look.images.factors["height"]
    labels = look.images.labels.numpy()
    few = len(look.images.classes) <= len(MARKERS)
    for label, name in enumerate(look.images.classes) if few else ((None, "all classes"),):
        rows = slice(None) if label is None else labels == label
        colour = (BLUE, ORANGE, GREEN, "#CC79A7", GREY)[label or 0]
        style = {"marker": MARKERS[label or 0], "markersize": 4, "alpha": 0.6, "linestyle": "none"}
        axis.plot(width[rows], height[rows], color=colour, fillstyle="none", label=_short(name), **style)
    size = look.images.size
    low, high = min(width.min(), height.min(), size) / 1.2, max(width.max(), height.max(), size) * 1.2
    axis.plot([size, size, high], [high, size, size], color=GREY, linestyle=(0, (1, 2)))
    axis.text(high, size, f"{size} px, as asked for ", ha="right", va="bottom", fontsize=8, color=GREY)
    axis.set(
        xscale="log",
        yscale="log",
        xlim=(low, high),
        ylim=(low, high),
        xlabel="width of the file (px)",
        ylabel="height (px)",
    )
    for each in (axis.xaxis, axis.yaxis):
        ticks = [n for n in (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000) if low <= n <= high]
        each.set_ticks(ticks, [f"{n:,}" for n in ticks])
        each.set_ticks([], minor=True)
    if few:
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=3, fontsize=8)
    tiny = int((np.minimum(width, height) < size).sum())
    return f"Files are {width.min():,} to {width.max():,} px wide and {height.min():,} to {height.max():,} px high; {tiny:,} are smaller than {size} px."


def _brightness(axis: Any, look: Audit) -> str:
    values = look.seen.brightness
    axis.hist(values, bins=np.arange(0, 257, 16), color="white", edgecolor=BLUE, hatch="///")
    axis.set(xlabel="mean brightness (0 black, 255 white)", ylabel="pictures")
    return f"Mean brightness is {np.median(values) if len(values) else 0:.0f} of 255 in the middle picture."
