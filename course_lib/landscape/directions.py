"""Plane: a flat sheet in the space of all weights, on which a loss can be drawn like the heights of a map.

    plane = plane_through({"random": a, "pretrained": b, "fine-tuned": c})
    plane.marks                              # {"random": (0.0, 0.0), "pretrained": (31.2, 0.0), ...}
    net = plane.network_at(10.0, 4.5)        # a network of its own, anywhere on the sheet
    plane = random_plane(c, seed=3)          # along two random directions, filter-normalised

Through three networks: Gram-Schmidt makes two directions of length 1 that are at right angles, so coordinates are distances
between weights (Garipov et al. 2018, arXiv 1802.10026), and each network stands where it truly is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from ..errors import CourseError
from ..network import Network
from .vectors import (
    check_alike,
    mix_statistics,
    parameters_of,
    put_statistics,
    put_weights,
    statistics_of,
    weights_of,
)

MARGIN = 0.3  # of the width (and the height) of the marks, left free around them


@dataclass(frozen=True, eq=False)
class Plane:
    """A plane in the space of weights: origin + x * axes[0] + y * axes[1].

    Attributes:
        kind: `three networks` or `random directions`.
        net: a network on the plane, for its architecture; it is not changed.
        origin: float32 D, the weights at (0, 0).
        axes: float32 2,D, the directions of x and of y.
        marks: name -> (x, y) of the networks that the plane was made from.
        reach: ((x from, x to), (y from, y to)), the part that is drawn.
        unit: what one step of a coordinate is, in words.
        statistics: what BatchNorm measured in each of the marked networks, in the order of the marks.
    """

    kind: str
    net: Network
    origin: torch.Tensor
    axes: torch.Tensor
    marks: dict[str, tuple[float, float]]
    reach: tuple[tuple[float, float], tuple[float, float]]
    unit: str
    statistics: list[dict[str, torch.Tensor]] = field(repr=False)

    def __repr__(self) -> str:
        marks = ", ".join(f"{name} at ({x:.3g}, {y:.3g})" for name, (x, y) in self.marks.items())
        return f"Plane of {self.kind} of {self.net.name}: {marks}; {self.unit}"

    def weights_at(self, x: float, y: float) -> torch.Tensor:
        """The weights at a point, float32 D."""
        return self.origin + x * self.axes[0] + y * self.axes[1]

    def statistics_at(self, x: float, y: float) -> dict[str, torch.Tensor]:
        """Statistics of BatchNorm at a point, between those of the marked networks (vectors.py)."""
        return mix_statistics(self.statistics, self.shares(x, y))

    def shares(self, x: float, y: float) -> list[float]:
        """How much of each marked network a point holds: 1 at that network, and 1 in sum everywhere."""
        if len(self.marks) == 1:
            return [1.0]
        (ax, ay), (bx, by), (cx, cy) = self.marks.values()
        whole = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        b = ((x - ax) * (cy - ay) - (y - ay) * (cx - ax)) / whole
        c = ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / whole
        return [1 - b - c, b, c]

    def network_at(self, x: float, y: float) -> Network:
        """A network with the weights of a point, of its own; at a mark it is that network."""
        net = self.net.copy()
        put_weights(net, self.weights_at(x, y))
        put_statistics(net, self.statistics_at(x, y))
        net.origin = f"the point ({x:.4g}, {y:.4g}) of a plane of {self.kind}"
        return net

    def project(self, weights: torch.Tensor) -> tuple[float, float, float]:
        """Where a weight vector, float D, lies: x and y of the nearest point of the plane, and its distance from there."""
        # double: the sum runs over up to millions of products
        difference = (weights - self.origin).double()
        axes = self.axes.double()
        x, y = torch.linalg.solve(axes @ axes.T, axes @ difference).tolist()
        rest = difference - x * axes[0] - y * axes[1]
        return x, y, rest.norm().item()

    def grid(self, size: int) -> tuple[list[float], list[float]]:
        """The x and the y of a grid of size by size points over the part that is drawn."""
        return tuple(torch.linspace(*reach, size, dtype=torch.float64).tolist() for reach in self.reach)

    def still_blocks(self) -> int:
        """How many of the first blocks are the same network everywhere on the plane, with their statistics."""
        start = 0
        for i, block in enumerate(self.net.blocks):
            stop = start + sum(p.numel() for p in block.parameters())
            names = [name for name in self.statistics[0] if name.startswith(f"{i}.")]
            same = all(torch.equal(each[name], self.statistics[0][name]) for each in self.statistics for name in names)
            if bool(self.axes[:, start:stop].any()) or not same:
                return i
            start = stop
        return len(self.net)

    def fingerprint(self) -> str:
        """SHA-256 of all that decides what the plane is, 64 hex digits."""
        digest = hashlib.sha256(repr((self.kind, self.net.name, self.net.classes, self.marks, self.reach)).encode())
        digest.update(repr((self.net.size, self.net.mean, self.net.std)).encode())
        statistics = [each[name] for each in self.statistics for name in sorted(each)]
        for tensor in (self.origin, self.axes, *statistics):
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        return digest.hexdigest()


def plane_through(nets: Mapping[str, Network], margin: float = MARGIN) -> Plane:
    """The plane through three networks of one architecture with the same classes.

    The first is the origin, the second lies on the x axis, and coordinates are distances (L2 norm of the difference of all
    weights).

    Arguments:
        nets: three, by name.
        margin: free space around them, as a share of their width and of their height, from 0. Each axis has its own scale:
            a fine-tuned network lies near the one that it started from, and far from a random one.

    Raises `CourseError` for another number of networks, for ones that do not fit together, and where they lie on a line.
    """
    if len(nets) != 3:
        raise CourseError(
            f"A plane goes through three networks; received {len(nets)} ({', '.join(nets) or 'none'}). For one network, use random_plane."
        )
    if not margin >= 0:
        raise CourseError(f"margin={margin!r} is out of range; it is a number from 0, such as {MARGIN}.")
    nets = dict(nets)
    check_alike(nets)
    a, b, c = (weights_of(net).double() for net in nets.values())
    first, second = b - a, c - a
    width = first.norm().item()
    u = first / max(width, 1e-30)
    along = (second @ u).item()
    rest = second - along * u
    height = rest.norm().item()
    if width == 0 or height < 1e-5 * max(width, second.norm().item()):
        raise CourseError(
            f"The networks {', '.join(nets)} lie on a line (or two of them are equal), so no plane is given by them. Train one of them "
            "further, or take one with another seed."
        )
    marks = dict(zip(nets, ((0.0, 0.0), (width, 0.0), (along, height)), strict=True))
    left, right = min(0.0, along), max(width, along)
    free = margin * (right - left)
    reach = ((left - free, right + free), (-margin * height, (1 + margin) * height))
    axes = torch.stack([u, rest / height]).float()
    statistics = [statistics_of(net) for net in nets.values()]
    unit = "coordinates are distances between weights (L2 norm)"
    return Plane("three networks", next(iter(nets.values())).copy(), a.float(), axes, marks, reach, unit, statistics)


def random_plane(net: Network, seed: int = 0, reach: float = 1.0, name: str = "network") -> Plane:
    """The plane through a network along two random directions, filter by filter as long as the network's own filters.

    Filter normalisation (Li et al. 2018, arXiv 1712.09913, section 4): without it, a network with large weights looks
    flat, as a step of a given length means little to it. A filter is what makes one output channel: a row of the first
    dimension of a weight. Biases and the parameters of norm layers get no direction, and BatchNorm's statistics stay.

    Arguments:
        seed: of the two directions; same seed, same directions.
        reach: how far to go each way; 1.0 changes each filter by as much as its own length.
        name: what the network is called on the map.

    Raises `CourseError` for a reach that is not above 0.
    """
    if not reach > 0:
        raise CourseError(f"reach={reach!r} is out of range; it is a number above 0, in lengths of the filters.")
    generator = torch.Generator().manual_seed(seed)
    axes = torch.stack([filter_direction(net, generator) for _ in range(2)])
    unit = "1 on an axis changes each filter by its own length"
    area = ((-reach, reach), (-reach, reach))
    origin = weights_of(net)
    return Plane("random directions", net.copy(), origin, axes, {name: (0.0, 0.0)}, area, unit, [statistics_of(net)])


def filter_direction(net: Network, generator: torch.Generator) -> torch.Tensor:
    """A random direction, float32 D, in which each filter has the length that it has in the network."""
    norms = {id(p) for p in norm_parameters(net)}
    parts = []
    for p in parameters_of(net):
        if p.ndim < 2 or id(p) in norms:
            parts.append(torch.zeros(p.numel()))
            continue
        own = p.detach().cpu().float().flatten(1)  # filters, weights of each
        drawn = torch.randn(own.shape, generator=generator)
        parts.append((drawn * own.norm(dim=1, keepdim=True) / drawn.norm(dim=1, keepdim=True)).reshape(-1))
    return torch.cat(parts)


def norm_parameters(net: Network) -> list[nn.Parameter]:
    """Scales and shifts of norm layers: BatchNorm, LayerNorm, GroupNorm and those of other authors that are named so."""
    modules = [module for block in net.blocks for module in block.module.modules()]
    return [p for m in modules if "norm" in type(m).__name__.lower() for p in m.parameters(recurse=False)]
