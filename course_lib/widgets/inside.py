"""What happens inside a block: maps of one picture, first-layer filters, and how far training has moved it.

picture = maps(net, images, row=3, block=2)      # Tiles: one small grey picture a channel
moved(start, trained, block=2)                   # Moved(weights=0.012, statistics=0.0)
"""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from ..cache.remember import Pixels
from ..images import ImageSet
from ..network import Network
from ..training.layers import norms

MAPS = 16  # channels that are shown, those that differ most within the picture
EDGE = 56  # pixels of a tile


@dataclass(frozen=True)
class Tiles:
    """Small pictures in a row, as one PNG.

    Attributes:
        png: the file's bytes. alt: what is seen, in words. count: number of tiles.
    """

    png: bytes
    alt: str
    count: int

    def address(self) -> str:
        """The picture as a data: address, for a page."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


@dataclass(frozen=True)
class Moved:
    """How far a block is from where it started.

    Attributes:
        weights: length of the change of all its parameters, over their length at the start; 0 where there are none.
        statistics: the same for BatchNorm's running mean and variance; None where there is no BatchNorm.
    """

    weights: float
    statistics: float | None


def view(net: Network, images: ImageSet, block: int, place: int) -> dict[str, Any]:
    """What a block does with an image of the val split, as JSON for a page; `place` counts in the split, and goes round.

    The maps of every block; the filters of the first; what the head says, the five likeliest classes.
    """
    rows = images.splits.get("val", images.rows("train"))
    place %= len(rows)
    at = int(rows[place])
    told: dict[str, Any] = {
        "block": block, "name": net.blocks[block].name, "row": place, "count": len(rows),
        "label": images.classes[int(images.labels[at])], "picture": thumbnail(images, at),
    }  # fmt: skip
    tiles = maps(net, images, at, block)
    told["maps"] = {"src": tiles.address(), "alt": tiles.alt} if tiles else None
    if block == 0:
        kernels = filters(net)
        told["filters"] = {"src": kernels.address(), "alt": kernels.alt} if kernels else None
    if block == len(net) - 1:
        shares = net(images.images[at : at + 1]).softmax(1)[0].cpu().tolist()
        best = sorted(zip(images.classes, shares, strict=True), key=lambda pair: -pair[1])[:5]
        told["says"] = [[name, share] for name, share in best]
    return told


def maps(net: Network, images: ImageSet, row: int, block: int) -> Tiles | None:
    """What a block says of one image: a tile a channel, black the lowest value in it and white the highest.

    A transformer's tokens are laid out as the patches lie in the picture. None where a block gives plain numbers.
    """
    with torch.no_grad(), net.mode(frozen=len(net)):
        x = net.run(Pixels(net, images)(torch.tensor([row])), 0, block + 1)[0].float().cpu()
    if x.ndim == 2:  # tokens,channels; a class token comes before the patches
        edge = math.isqrt(len(x))
        if edge * edge not in (len(x), len(x) - 1):
            return None
        x = x[-edge * edge :].T.reshape(-1, edge, edge)
    elif x.ndim == 3 and x.shape[-1] > x.shape[0] and x.shape[0] == x.shape[1]:  # H,W,channels, as Swin has it
        x = x.permute(2, 0, 1)
    if x.ndim != 3 or min(x.shape[1:]) < 2:
        return None
    chosen = x.flatten(1).std(1).argsort(descending=True)[:MAPS].sort().values
    tiles = [_grey(channel) for channel in x[chosen]]
    size = " x ".join(map(str, x.shape[1:]))
    words = f"{len(tiles)} of {len(x)} channels after {net.blocks[block].name}, {size} values each, white is high"
    return Tiles(_sheet(tiles), words, len(tiles))


def filters(net: Network) -> Tiles | None:
    """The filters of the first layer, where it looks at colours: each scaled to its own range. None where there is none."""
    for module in net.model.modules():
        if isinstance(module, nn.Conv2d):
            if module.in_channels != 3 or module.groups != 1 or min(module.kernel_size) < 2:
                return None
            weights = module.weight.detach().float().cpu()
            shown = weights[:32].permute(0, 2, 3, 1).numpy()
            tiles = [_scaled(kernel) for kernel in shown]
            height, width = module.kernel_size
            words = f"{len(tiles)} of {len(weights)} filters of the first layer, {height} x {width} pixels in colour"
            return Tiles(_sheet(tiles), words, len(tiles))
    return None


def moved(start: Network, now: Network, block: int) -> Moved:
    """How far a block has moved from `start` to `now`, two networks of equal architecture."""
    pairs = list(zip(start.blocks[block].parameters(), now.blocks[block].parameters(), strict=True))
    before, after = norms([start.blocks[block]]), norms([now.blocks[block]])
    buffers = [
        (getattr(a, name), getattr(b, name))
        for a, b in zip(before, after, strict=True)
        for name in ("running_mean", "running_var")
    ]
    return Moved(_change(pairs), _change(buffers) if buffers else None)


def _change(pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> float:
    if not pairs:
        return 0.0
    change = sum((b.detach().float().cpu() - a.detach().float().cpu()).square().sum() for a, b in pairs)
    length = sum(a.detach().float().square().sum().cpu() for a, _ in pairs)
    return float((change / length.clamp(min=1e-12)).sqrt())


def _grey(channel: torch.Tensor) -> np.ndarray:
    return np.repeat(_scaled(channel.numpy())[:, :, None], 3, axis=2)


def _scaled(values: np.ndarray) -> np.ndarray:
    low, high = float(values.min()), float(values.max())
    return np.uint8(255 * (values - low) / (high - low if high > low else 1.0))


def _sheet(tiles: list[np.ndarray]) -> bytes:
    """Tiles side by side, eight in a row, each enlarged without smoothing."""
    columns = min(8, len(tiles))
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * (EDGE + 3) - 3, rows * (EDGE + 3) - 3), "#808080")
    for i, tile in enumerate(tiles):
        picture = Image.fromarray(tile).resize((EDGE, EDGE), Image.Resampling.NEAREST)
        sheet.paste(picture, (i % columns * (EDGE + 3), i // columns * (EDGE + 3)))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()


def thumbnail(images: ImageSet, row: int, edge: int = 112) -> str:
    """One image as a data: address."""
    picture = Image.fromarray(images.images[row].permute(1, 2, 0).numpy())
    buffer = io.BytesIO()
    picture.resize((edge, edge), Image.Resampling.NEAREST).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
