"""What the blocks of a network see, as figures: filters, activations, the patches that a channel answers to, and what is known.

    nets = {"pretrained": net, "random": rnd}
    filters(nets)                                   # the first layer of each
    activations(nets, dogs, row=3)                  # what the blocks make of one picture
    strongest(nets, dogs)                           # the patches of many pictures that excite a channel most
    fields(net, 64)                                 # how many pixels one value of each block depends on
    over_blocks({"pretrained": {"breed": [(0.1, 0.08, 0.12), ...]}}, ["stem", ...], chance={"breed": 0.1})

The small pictures of filters and maps are those of FreezeLab (widgets/inside.py).
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from PIL import Image

from .cache.pixels import Pixels
from .errors import CourseError
from .images import ImageSet
from .network import Network
from .plots import COLOURS, DASHES, Picture, _apart, figure
from .widgets import inside

CHUNK = 32  # images that are worked out together
Points = Sequence[tuple[float, float, float]]  # mean, low, high of each block, 0 to 1


def some_blocks(net: Network, count: int = 5) -> list[int]:
    """Numbers of `count` blocks of the body, from the first to the last, evenly spread; all where there are fewer."""
    body = len(net) - 1
    count = min(count, body)
    return sorted({round(i * (body - 1) / max(1, count - 1)) for i in range(count)})


def filters(nets: Mapping[str, Network]) -> Picture:
    """The filters of the first layer of each network, one above the other. Raises `CourseError` where they are no pictures."""
    fig, axes = figure(6.4, 2.6 * len(nets), len(nets), 1)
    said = []
    for axis, (name, net) in zip(axes.flat, nets.items(), strict=True):
        tiles = inside.filters(net)
        if tiles is None:
            raise CourseError(
                f"The first layer of {net.name} has no filters that could be shown as colours; show another one."
            )
        axis.imshow(Image.open(io.BytesIO(tiles.png)), interpolation="nearest")
        _bare(axis)
        axis.set_title(f"{name}: {tiles.alt}", fontsize=9)
        said.append(f"{name}: {tiles.alt}")
    return Picture(fig, f"Filters. {'; '.join(said)}.")


def activations(
    nets: Mapping[str, Network], images: ImageSet, row: int, blocks: Sequence[int] | None = None
) -> Picture:
    """What blocks of each network say of one picture: a tile a channel, white is high; a row a block.

    Arguments:
        row: of the picture in `images`.
        blocks: their numbers, the same for all networks; None: five, from the first to the last of the body.

    A block that gives plain numbers is shown as a strip of them, white is high.
    """
    chosen = some_blocks(next(iter(nets.values()))) if blocks is None else list(blocks)
    wide, high = 1.6 + 4.2 * len(nets), 1.15 * len(chosen) + 0.2
    fig, axes = figure(wide, high, len(chosen), 1 + len(nets), width_ratios=[1.3] + [4] * len(nets))
    for number, block in enumerate(chosen):
        left, *others = axes[number]
        _bare(left)
        if number == 0:
            left.imshow(images.images[row].permute(1, 2, 0).numpy())
            name = images.classes[int(images.labels[row])].replace("_", " ")
            left.text(0, 1.02, name, fontsize=12, transform=left.transAxes, in_layout=False)
        label = next(iter(nets.values())).blocks[block].name
        others[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=12)
        for axis, (name, net) in zip(others, nets.items(), strict=True):
            tiles = inside.maps(net, images, row, block)
            shown = Image.open(io.BytesIO(tiles.png)) if tiles else _strip(net, images, row, block)
            axis.imshow(shown, cmap="gray", interpolation="nearest", aspect="auto" if tiles is None else "equal")
            _bare(axis)
            if number == 0:
                axis.set_title(name, fontsize=12)
    names = ", ".join(nets)
    words = f"What {len(chosen)} blocks of {names} say of one picture, up to {inside.MAPS} channels each, white is high"
    return Picture(
        fig, f"{words}. Maps get coarser from block to block; the last row is plain numbers where it is a strip."
    )


def strongest(
    nets: Mapping[str, Network],
    images: ImageSet,
    blocks: Sequence[int] | None = None,
    channels: int = 2,
    count: int = 3,
    split: str = "val",
    most: int = 300,
) -> Picture:
    """The patches of a split that excite a channel most, a row a block; as large as what the channel sees.

    Of each block those channels are shown whose strongest answers stand out most from their usual ones.

    Arguments:
        blocks: as for `activations`.
        channels: of each block. count: patches of each channel, no two of one picture.
        most: pictures that are looked at.
    """
    chosen = some_blocks(next(iter(nets.values()))) if blocks is None else list(blocks)
    rows = images.rows(split)[:most]
    edge, taken = images.images.shape[-1], next(iter(nets.values())).size or images.size
    group = [1.0] * count + [0.2]  # the patches of a channel, and a gap
    widths = [*(group * channels)[:-1], 0.6] * len(nets)
    fig, axes = figure(1.0 + 0.62 * sum(widths), 0.7 * len(chosen) + 0.3, len(chosen), len(widths), width_ratios=widths)
    fig.get_layout_engine().set(rect=(0, 0, 1, 0.95), w_pad=0.01, h_pad=0.02, wspace=0.0, hspace=0.0)
    for axis in axes.flat:
        _bare(axis)
    for half, (name, net) in enumerate(nets.items()):
        first = half * channels * len(group)
        corner, title = (
            axes[0][first],
            f"{name}, {channels} channels a block",
        )  # as a real title it would widen its column
        corner.text(0, 1.1, title, fontsize=12, transform=corner.transAxes, in_layout=False)
        wide = fields(net, taken)
        for line, (block, answers) in enumerate(zip(chosen, _answers(net, images, rows, chosen), strict=True)):
            values, at, side = answers
            width = min(edge, max(3, round(wide[block] * edge / taken)))
            if half == 0:
                label = f"{net.blocks[block].name}\n{width} px"
                axes[line][0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=11)
            best = values.topk(min(count, len(values)), 0)  # count,channels
            stands_out = (best.values.mean(0) - values.mean(0)) / values.std(0).clamp(min=1e-6)
            for c, channel in enumerate(stands_out.argsort(descending=True)[:channels].tolist()):
                for k, one in enumerate(best.indices[:, channel].tolist()):
                    y, x = divmod(int(at[one, channel]), side)
                    patch = _patch(images.images[rows[one]], (y + 0.5) / side, (x + 0.5) / side, width)
                    axes[line][first + c * len(group) + k].imshow(patch, interpolation="nearest")
    names = " and ".join(nets)
    words = f"Patches of {len(rows)} {split} pictures that excite {channels} channels a block most, for {names}"
    return Picture(fig, f"{words}. Patches grow from block to block, up to the whole picture.")


def fields(net: Network, size: int) -> list[int]:
    """How wide a square of pixels one value in the middle of each block of the body depends on (its receptive field).

    Measured, not calculated: which pixels have a gradient, over a few pictures of noise.

    Arguments:
        size: height and width of the pictures, in pixels.
    """
    noise = torch.randint(0, 256, (4, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    found = []
    for block in range(len(net) - 1):
        with torch.enable_grad(), net.mode(frozen=len(net)):
            x = net.prepare(noise.to(net.device)).requires_grad_()
            y = net.run(x, 0, block + 1)
            if y.ndim == 4:
                y = y[:, :, y.shape[2] // 2, y.shape[3] // 2]
            (gradient,) = torch.autograd.grad(y.float().sum(), x)
        seen = gradient.abs().amax((0, 1)) > 0  # size,size
        sides = [
            int(along.nonzero().max() - along.nonzero().min()) + 1
            for along in (seen.any(0), seen.any(1))
            if along.any()
        ]
        found.append(max(sides, default=1))
    return found


def over_blocks(
    panels: Mapping[str, Mapping[str, Points]], blocks: Sequence[str], chance: Mapping[str, float], what: str = "test"
) -> Picture:
    """What is known after each block: a panel a network, a line a thing that can be asked, with intervals.

    Arguments:
        panels: network -> question -> (mean, low, high) of each block, accuracies 0 to 1.
        blocks: their names, in order.
        chance: question -> accuracy of the best constant answer, drawn as a short mark at the left.
        what: the split that it was measured on.
    """
    fig, axes = figure(0.8 + 3.6 * len(panels), 3.6, 1, len(panels), sharey=True)
    said = []
    for axis, (name, lines) in zip(axes.flat, panels.items(), strict=True):
        ends = []
        for i, (question, points) in enumerate(lines.items()):
            mean, low, high = (100 * np.array(column) for column in zip(*points, strict=True))
            style = {"color": COLOURS[i % 5], "linestyle": DASHES[i % 5], "marker": "os^Dv"[i % 5], "markersize": 4.5}
            at = np.arange(len(mean))
            axis.errorbar(at, mean, [mean - low, high - mean], capsize=2.5, elinewidth=1, **style)
            axis.plot([-0.45, -0.2], [100 * chance[question]] * 2, color=style["color"], linewidth=2)
            ends.append((mean[-1], question, style["color"]))
            said.append(f"{name}, {question}: " + ", ".join(f"{m:.0f}" for m in mean))
        for y, (_, question, colour) in zip(_apart([end[0] for end in ends], 6.0), ends, strict=True):
            axis.annotate(
                question, (1.01, y), xycoords=("axes fraction", "data"), color=colour, va="center", fontsize=9
            )
        axis.set_xticks(range(len(blocks)), blocks, rotation=20 if max(map(len, blocks)) > 8 else 0, fontsize=9)
        axis.set(ylim=(0, 102), xlabel="after block")
        axis.set_title(name, fontsize=10)
    axes[0][0].set_ylabel(f"accuracy on {what} (%)")
    order = ", ".join(blocks)
    return Picture(fig, f"Accuracy on {what} in % after the blocks {order}. {'; '.join(said)}.")


def _answers(
    net: Network, images: ImageSet, rows: torch.Tensor, blocks: Sequence[int]
) -> Iterator[tuple[torch.Tensor, torch.Tensor, int]]:
    """For each block the highest answer of each channel in each picture, where it is, and the side of the map."""
    peaks: dict[int, list[tuple[torch.Tensor, torch.Tensor]]] = {block: [] for block in blocks}
    sides = dict.fromkeys(blocks, 1)
    for part in rows.split(CHUNK):
        with torch.no_grad(), net.mode(frozen=len(net)):
            x, done = Pixels(net, images)(part), 0
            for block in blocks:
                x, done = net.run(x, done, block + 1), block + 1
                flat = x.float().flatten(2) if x.ndim == 4 else x.float().reshape(len(x), -1, 1)
                sides[block] = x.shape[-1] if x.ndim == 4 else 1
                highest, where = flat.max(2)
                peaks[block].append((highest.cpu(), where.cpu()))
    for block in blocks:
        values, where = (torch.cat(parts) for parts in zip(*peaks[block], strict=True))
        yield values, where, sides[block]


def _patch(picture: torch.Tensor, y: float, x: float, width: int) -> np.ndarray:
    """A square of `width` pixels around a point (0 to 1), moved so that it lies within the picture: H,W,3."""
    height, across = picture.shape[1:]
    top = min(max(0, round(y * height - width / 2)), height - width)
    left = min(max(0, round(x * across - width / 2)), across - width)
    return picture[:, top : top + width, left : left + width].permute(1, 2, 0).numpy()


def _strip(net: Network, images: ImageSet, row: int, block: int) -> np.ndarray:
    """Plain numbers of a block as a picture: rows of values, white is high."""
    with torch.no_grad(), net.mode(frozen=len(net)):
        x = net.run(Pixels(net, images)(torch.tensor([row])), 0, block + 1).float().flatten().cpu().numpy()
    lines = next((lines for lines in (4, 3, 2) if len(x) % lines == 0), 1)
    return x.reshape(lines, -1)


def _bare(axis) -> None:
    axis.set_xticks([])
    axis.set_yticks([])
    axis.grid(False)
    for side in axis.spines.values():
        side.set_visible(False)
