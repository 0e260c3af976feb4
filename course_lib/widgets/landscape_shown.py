"""What a landscape lab shows, made from what it knows: JSON and bytes for the page, and a still figure.

map_shown(sheet, number)                                 # for lab.live.show
draw_map(plane, sheet, walk, anchors, "what it says")    # contours, networks, walk
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from PIL import Image

from .. import plots
from ..landscape.directions import Plane
from ..landscape.grid import Surface
from ..landscape.ground import Ground, Point
from ..landscape.starts import Starts
from ..landscape.walks import WalkPoint

SHOWN = 6  # images whose predictions are shown
SHAPES = "os^"
HALO = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}


def number_or_none(value: float) -> float | None:
    """A number that JSON can hold; None for infinity."""
    return float(value) if math.isfinite(value) else None


def few(ground: Ground, among: int) -> list[int]:
    """Places in a ground, below `among`, of a few images: of different classes as far as there are."""
    labels = ground.labels[:among].tolist()
    firsts = [labels.index(label) for label in dict.fromkeys(labels)]
    return [*firsts, *(i for i in range(len(labels)) if i not in firsts)][:SHOWN]


def pictures(ground: Ground, places: Sequence[int]) -> list[dict[str, str]]:
    """Images of a ground as PNG in data URLs, with the name of their class."""
    made = []
    for i in places:
        file = io.BytesIO()
        pixels = ground.images.images[int(ground.rows[i])].permute(1, 2, 0).numpy()  # 3,H,W -> H,W,3
        Image.fromarray(np.ascontiguousarray(pixels)).resize((64, 64)).save(file, "PNG")
        data = base64.b64encode(file.getvalue()).decode()
        truth = ground.images.classes[int(ground.labels[i])].replace("_", " ")
        made.append({"src": f"data:image/png;base64,{data}", "truth": truth})
    return made


def plane_shown(plane: Plane, anchors: Mapping[str, Point], ground: Ground, number: int) -> dict[str, Any]:
    """The plane and the networks on it. `number` counts planes, so that the page sees that it is another one."""
    marks = [
        {"name": name, "x": x, "y": y, "loss": number_or_none(anchors[name].loss), "accuracy": anchors[name].accuracy}
        for name, (x, y) in plane.marks.items()
    ]
    classes = [name.replace("_", " ") for name in ground.images.classes]
    about = {"number": number, "marks": marks, "reach": plane.reach, "unit": plane.unit, "classes": classes}
    return about | {"images": len(ground.rows), "split": ground.split, "guessing": math.log(len(classes))}


def map_shown(sheet: Surface, number: int) -> dict[str, Any]:
    """The surface: numbers for `shown`, progress, and losses and accuracies as float32 bytes for `curve`."""
    told = {"size": sheet.size, "done": sheet.done, "total": sheet.total, "read": sheet.read, "plan": number}
    values = np.stack(sheet.filled()).astype(np.float32).tobytes()
    return {"map": told, "curve": values, "progress": sheet.done / sheet.total}


def walk_shown(
    walk: Sequence[WalkPoint], looks: Sequence[tuple[int, float, float]], unfinished: bool, asked: dict[str, Any]
) -> dict[str, Any]:
    """The walk; `looks` are step, loss and accuracy on val, `asked` the settings that an unfinished one goes on with."""
    last = walk[-1] if walk else None
    return {
        "points": [[point.step, number_or_none(point.x), number_or_none(point.y)] for point in walk],
        "share": last.share if last else None,
        "off": number_or_none(last.off) if last else None,
        "looks": [[step, number_or_none(loss), accuracy] for step, loss, accuracy in looks],
        "open": unfinished,
        "asked": asked,
    }


def starts_shown(starts: Starts | None) -> dict[str, Any] | None:
    """First losses by kind of start."""
    if starts is None:
        return None
    losses = {kind: [number_or_none(loss) for loss in found] for kind, found in starts.losses.items()}
    return {"losses": losses, "guessing": starts.guessing}


def known(sheet: Surface) -> str:
    """How much of a surface is known, from where, and its lowest loss."""
    said = f"{sheet.done:,} of {sheet.total:,} points"
    if sheet.read:
        new = sheet.done - sheet.read
        if sheet.complete and not new:
            said += ", all read from disk: nothing to work out"
        else:
            said += f", {sheet.read:,} of them read from disk"
    if sheet.done > sheet.read:
        said += f", {sheet.seconds:.1f} s"
    if sheet.done:
        low, x, y = sheet.lowest()
        said += f"; lowest loss {low:.2f} nats at ({x:.3g}, {y:.3g})"
    return said


def sentence(
    plane: Plane,
    ground: Ground,
    sheet: Surface | None,
    anchors: Mapping[str, Point],
    walk: Sequence[WalkPoint],
    starts: Starts | None,
) -> str:
    """What is known, in words and numbers."""
    images = f"{len(ground.rows)} {ground.split} images of {ground.images.name}"
    said = [f"loss over a plane of {plane.kind} ({plane.net.name}), on {images}"]
    if anchors:
        each = (f"{name} {at.loss:.2f} nats, {at.accuracy:.0%} right" for name, at in list(anchors.items()))
        said.append(f"at the networks: {'; '.join(each)}")
    said.append(known(sheet) if sheet is not None and sheet.done else "no point of the map worked out yet")
    if len(walk) > 1:
        said.append(f"a walk of {walk[-1].step:,} steps, of whose distance {walk[-1].share:.0%} lies in the plane")
    if starts is not None and starts.done:
        said.append(repr(starts))
    return ". ".join(said) + "."


def draw_map(
    plane: Plane, sheet: Surface | None, walk: Sequence[WalkPoint], anchors: Mapping[str, Point], alt: str
) -> plots.Picture:
    """Contours of the loss (log scale) with their values, the networks by shape and name, and the walk.

    Arguments:
        sheet: what is known of the surface; with None or nothing known, the networks stand on an empty plane.
        alt: the sentence that says the same.
    """
    fig, axes = plots.figure(6.4, 4.4)
    axis = axes[0][0]
    axis.grid(False)
    loss = None if sheet is None or not sheet.done else sheet.filled()[0]
    if loss is not None and np.isfinite(loss).all() and loss.min() > 0:
        low, high = float(loss.min()), max(float(np.quantile(loss, 0.95)), 1.05 * float(loss.min()))
        bounds = np.geomspace(low, high, 9)
        shown = np.clip(loss, low, high)
        filled = axis.contourf(sheet.xs, sheet.ys, shown, bounds, norm=LogNorm(low, high), cmap="cividis")
        inks = ["white"] * 4 + ["black"] * 3  # on dark and on light ground
        lines = axis.contour(sheet.xs, sheet.ys, shown, bounds[1:-1], colors=inks, linewidths=0.7)
        axis.clabel(lines, fmt="%.2f", fontsize=7)
        bar = fig.colorbar(filled, ax=axis, label="loss (nats, log scale)", ticks=bounds[::2])
        bar.ax.set_yticklabels([f"{value:.2f}" for value in bounds[::2]])
        bar.ax.minorticks_off()
    for shape, (name, (x, y)) in zip(SHAPES, plane.marks.items(), strict=False):
        axis.plot(x, y, shape, color="white", markeredgecolor="black", markersize=8)
        said = f"{name}: {anchors[name].loss:.2f}" if name in anchors else name
        right = x > sum(plane.reach[0]) / 2
        axis.annotate(said, (x, y), (-7 if right else 7, 7), textcoords="offset points", fontsize=8, bbox=HALO,
                      ha="right" if right else "left")  # fmt: skip
    if len(walk) > 1:
        axis.plot([p.x for p in walk], [p.y for p in walk], ".-", color=plots.ORANGE, linewidth=1.5, markersize=4)
        axis.annotate("walk", (walk[-1].x, walk[-1].y), (6, -10), textcoords="offset points", fontsize=8, bbox=HALO)
    axis.set(xlabel="x", ylabel="y", xlim=plane.reach[0], ylim=plane.reach[1])
    axis.set_title(plane.unit, fontsize=9, color=plots.GREY)
    return plots.Picture(fig, alt)
