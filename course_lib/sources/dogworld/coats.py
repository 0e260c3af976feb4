"""Fur: which of its two colours an animal has at each point, and how it looks in the light.

    share = markings(x, y, table, trunk, legs, spots, noise)        # N,G,G: 0 main colour, 1 markings

Everything is measured along the torso, so the coat turns with the animal when it sits down.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from .breeds import COATS
from .shapes import column, ellipse, ramp, wave

SPOTS = 8


def fur_colour(shade: torch.Tensor, warmth: torch.Tensor) -> torch.Tensor:
    """Lightness N (0 to 1) and warmth N (0 grey, 1 red-brown) as RGB: N,3,1,1. Pale and black fur is hardly red."""
    strength = (0.12 + 0.88 * warmth) * (0.35 + 1.6 * shade * (1.0 - shade))
    rgb = torch.stack([shade + strength * 0.16, shade - strength * 0.06, shade - strength * 0.24], dim=1)
    return rgb.clamp(0.03, 0.97).reshape(-1, 3, 1, 1)


def markings(
    x: torch.Tensor,
    y: torch.Tensor,
    table: Mapping[str, torch.Tensor],
    coat: torch.Tensor,
    trunk: torch.Tensor,
    spots: torch.Tensor,
    noise: torch.Tensor,
) -> torch.Tensor:
    """Share of the second colour at each point.

    Arguments:
        x, y: N,G,G in dog units.
        table: factors as float32 N.
        coat: N,len(COATS), 1 in the column of the animal's kind of coat.
        trunk: N,4: middle of the rump and of the chest.
        spots: N,SPOTS * 3 in [0, 1]: place along and across the torso, and size.
        noise: N,G,G in [-1, 1].

    Returns N,G,G from 0 to 1.
    """
    rx, ry, cx, cy = (column(trunk[:, i]) for i in range(4))
    long = ((cx - rx) * (cx - rx) + (cy - ry) * (cy - ry)).sqrt()
    ex, ey = (cx - rx) / long, (cy - ry) / long
    chest, extent = column(table["chest"]), column(table["extent"])
    # t runs from 0 at the rump to 1 at the chest; s from -1 under the belly to 1 on the back.
    t = ((x - rx) * ex + (y - ry) * ey) / long
    s = ((y - ry) * ex - (x - rx) * ey) / chest
    rough = noise * 0.22
    patterns = {
        "solid": torch.zeros_like(x),
        "spots": _spots(t, s, spots, extent, rough),
        "saddle": ramp(s + rough - 0.55 + 0.7 * extent - 1.6 * ((t - 0.45).abs() - 0.55).clamp(min=0.0), -0.15, 0.15),
        "brindle": ramp(wave(t * (3.4 + 1.6 * extent) * long + 0.3 * s + noise * 0.8), 0.45, 0.8) * 0.85,
        "belly": ramp(-0.75 + 0.75 * extent - s + rough + 0.9 * (t - 0.9).clamp(min=0.0), -0.12, 0.12),
    }
    share = torch.zeros_like(x)
    for i, name in enumerate(COATS):
        share = share + patterns[name] * column(coat[:, i])
    return share


def _spots(
    t: torch.Tensor, s: torch.Tensor, spots: torch.Tensor, extent: torch.Tensor, rough: torch.Tensor
) -> torch.Tensor:
    """Patches with uneven edges, spread over body, neck and head."""
    nearest = None
    for i in range(SPOTS):
        place, across, size = (column(spots[:, 3 * i + j]) for j in range(3))
        cx = (i + place) / SPOTS * 1.9 - 0.25
        cy = 1.9 * across - 0.8 + (cx - 1.0).clamp(min=0.0) * 2.0  # towards the head they climb the neck
        radius = (0.10 + 0.13 * size) * (0.7 + 0.7 * extent)
        spot = ellipse(t, s, cx, cy, radius, radius * 3.4)
        nearest = spot if nearest is None else torch.minimum(nearest, spot)
    return 1.0 - ramp(nearest + rough, 0.85, 1.15)
