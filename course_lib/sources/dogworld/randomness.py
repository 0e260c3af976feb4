"""Random numbers that are the same on every machine, and noise made of them.

    uniforms(2, stream=(0, 1, 3, 17))         # two numbers in [0, 1) that belong to image 17 of breed 3

Every image has streams of its own, so it does not matter which other images are drawn, in what order, or by how many
threads. Only the raw bits of PCG64 are taken (NumPy promises never to change those), and everything computed from
them by pixels uses only + - * / and the square root, which IEEE 754 defines to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch


def bits(count: int, stream: Sequence[int]) -> np.ndarray:
    """`count` random uint64 of the stream with this name (non-negative integers)."""
    return np.random.PCG64(np.random.SeedSequence(tuple(stream))).random_raw(count)


def uniforms(count: int, stream: Sequence[int]) -> np.ndarray:
    """`count` float64 in [0, 1), in steps of 2**-53."""
    return (bits(count, stream) >> np.uint64(11)) * 2.0**-53


def octets(count: int, streams: Sequence[Sequence[int]]) -> torch.Tensor:
    """Random float32 N,count in [0, 1], in steps of 1/255: a byte each, because noise needs many."""
    words = -(-count // 8)
    rows = np.stack([bits(words, stream).astype("<u8").view(np.uint8)[:count] for stream in streams])
    return torch.from_numpy(rows).float() / 255.0


def lattice_sizes(grid: int, coarsest: int = 4) -> list[int]:
    """Points along an edge of each octave, from coarse to fine: 5, 9, 17, ... up to at least `grid` + 1."""
    sizes = [coarsest + 1]
    while sizes[-1] < grid + 1:
        sizes.append(2 * sizes[-1] - 1)
    return sizes


def fractal(values: torch.Tensor, grid: int, roughness: float) -> torch.Tensor:
    """Fractal noise: random lattices of doubling fineness, added up with falling weight.

    Arguments:
        values: float N,M in [0, 1], the lattices of `lattice_sizes(grid)` one after another.
        grid: edge of the result; a power of two, at least 4.
        roughness: weight of each octave relative to the one before, 0 to 1.

    Returns float N,grid,grid with values in [-1, 1], smooth for a small roughness.
    """
    total, weight, start, norm = None, 1.0, 0, 0.0
    for size in lattice_sizes(grid):
        layer = values[:, start : start + size * size].reshape(-1, size, size) * 2.0 - 1.0
        start += size * size
        total = layer if total is None else double(total) + layer * weight
        norm += weight
        weight *= roughness
    return total[:, :grid, :grid] / norm


def double(x: torch.Tensor) -> torch.Tensor:
    """Put a mean between any two neighbours: N,h,h -> N,2h-1,2h-1."""
    wide = x.new_empty(x.shape[0], x.shape[1], 2 * x.shape[2] - 1)
    wide[:, :, ::2] = x
    wide[:, :, 1::2] = (x[:, :, 1:] + x[:, :, :-1]) * 0.5
    tall = x.new_empty(x.shape[0], 2 * x.shape[1] - 1, wide.shape[2])
    tall[:, ::2] = wide
    tall[:, 1::2] = (wide[:, 1:] + wide[:, :-1]) * 0.5
    return tall
