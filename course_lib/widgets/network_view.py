"""A network as FreezeLab draws it: blocks in a row, long networks in groups that open.

view = network_view(net, size=64)
view["blocks"][0]        # {"name": "stem", "shape": "24 x 32 x 32", "parameters": 1944, "share": 0.12}
view["groups"]           # [[0, 0], [1, 3], ...]: first and last block of each
"""

from __future__ import annotations

import itertools
from typing import Any

from ..network import Network

SHORT = 10  # a network with so many blocks or fewer is shown block by block
WIDE = 4  # blocks in a group at most, where all have outputs of one size (transformers)


def network_view(net: Network, size: int) -> dict[str, Any]:
    """Name, output shape, parameters and share of the FLOPs of each block, and groups of blocks of one resolution.

    Arguments:
        size: height and width of the images, in pixels, where the network takes any.
    """
    table = net.table(None if net.size else max(size, net.smallest))
    columns = [table.column(name) for name in ("block", "output", "parameters", "FLOPs")]
    blocks = [
        {"name": name, "shape": shape, "parameters": count, "share": float(share.rstrip(" %")) / 100}
        for name, shape, count, share in zip(*columns, strict=True)
    ]
    return {"name": net.name, "origin": net.origin, "blocks": blocks, "groups": groups([b["shape"] for b in blocks])}


def pressed(names: list[str], frozen: int, first: int, last: int) -> tuple[int, str]:
    """What a click on blocks `first` to `last` does: the number of frozen blocks after it, and why nothing changed, if so.

    Arguments:
        names: of all blocks. frozen: how many are frozen now.
    """
    what = names[first] if first == last else f"{names[first]} to {names[last]}"
    if last == len(names) - 1:
        return (
            frozen,
            f"The head, {what}, always trains: it is new, and with it frozen there would be nothing left to learn.",
        )
    if first <= frozen <= last + 1:  # the edge between frozen and trained runs here
        return (first if frozen == last + 1 else last + 1), ""
    if frozen > last:
        return frozen, (
            f"{what} cannot train below {names[frozen - 1]}, which is frozen. Frozen blocks are a fixed function of the image, "
            f"and they are no longer one when a block before them changes. Shift and click on {what} trains it and all above it."
        )
    return frozen, (
        f"{what} cannot be frozen above {names[first - 1]}, which trains: its inputs would change at every step. Shift and "
        f"click on {what} freezes everything up to it."
    )


def groups(shapes: list[str]) -> list[list[int]]:
    """First and last block of each group: the first block and the head alone, between them runs of one resolution.

    Arguments:
        shapes: such as `256 x 14 x 14` (channels, height, width), `197 x 768` (tokens, channels) or `1280` (pooled).
    """
    last = len(shapes) - 1
    if len(shapes) <= SHORT:
        return [[i, i] for i in range(len(shapes))]
    found: list[list[int]] = [[0, 0]]
    before = None
    for i in range(1, last):
        parts = shapes[i].split(" x ")
        kind = tuple(parts[1:]) if len(parts) == 3 else ("tokens", *parts) if len(parts) == 2 else before
        if i > 1 and kind == before:
            found[-1][1] = i
        else:
            found.append([i, i])
        before = kind
    cut = [part for group in found for part in _parts(*group)]
    return [*cut, [last, last]]


def _parts(first: int, last: int) -> list[list[int]]:
    """A group, in near-equal parts where it is long."""
    count = last - first + 1
    if count <= WIDE + 2:
        return [[first, last]]
    pieces = -(-count // WIDE)
    edges = [first + round(k * count / pieces) for k in range(pieces + 1)]
    return [[a, b - 1] for a, b in itertools.pairwise(edges)]
