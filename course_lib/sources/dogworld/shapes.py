"""Signed distances to shapes, for a whole batch at once: negative inside, positive outside, zero on the edge.

    d = capsule(x, y, bone)            # x, y: N,G,G; bone: N,6 -> N,G,G
    picture = over(picture, colour, cover(d, pixel))

Only + - * /, min, max and the square root are used (see `randomness`). The distance to a capsule is that of
Inigo Quilez' catalogue of 2-D distance functions (iquilezles.org/articles/distfunctions2d), with a radius that changes
evenly along the bone; the smooth union is his quadratic one.
"""

from __future__ import annotations

import torch


def column(values: torch.Tensor) -> torch.Tensor:
    """N -> N,1,1, to meet fields of N,G,G."""
    return values.reshape(-1, 1, 1)


def along(x: torch.Tensor, y: torch.Tensor, bone: torch.Tensor) -> torch.Tensor:
    """How far along the bone the nearest point lies: 0 at a, 1 at b."""
    ax, ay, bx, by = (column(bone[:, i]) for i in range(4))
    dx, dy = bx - ax, by - ay
    inverse = 1.0 / (dx * dx + dy * dy + 1e-9)
    return ((x - ax) * (dx * inverse) + (y - ay) * (dy * inverse)).clamp(0.0, 1.0)


def capsule(x: torch.Tensor, y: torch.Tensor, bone: torch.Tensor) -> torch.Tensor:
    """Distance to a bone (N,6: ax, ay, bx, by, radius at a, radius at b) with flesh around it."""
    ax, ay, bx, by, ra, rb = (column(bone[:, i]) for i in range(6))
    h = along(x, y, bone)
    qx = x - ax - (bx - ax) * h
    qy = y - ay - (by - ay) * h
    return (qx * qx + qy * qy).sqrt() - (ra + (rb - ra) * h)


def ellipse(
    x: torch.Tensor, y: torch.Tensor, cx: torch.Tensor, cy: torch.Tensor, rx: torch.Tensor, ry: torch.Tensor
) -> torch.Tensor:
    """0 in the middle, 1 on the edge, growing evenly outwards (not a distance)."""
    qx, qy = (x - cx) / rx, (y - cy) / ry
    return (qx * qx + qy * qy).sqrt()


def box(
    x: torch.Tensor, y: torch.Tensor, cx: torch.Tensor, cy: torch.Tensor, rx: torch.Tensor, ry: torch.Tensor
) -> torch.Tensor:
    """Distance to an upright box with half sizes rx and ry (exact inside, and beside the edges)."""
    return torch.maximum((x - cx).abs() - rx, (y - cy).abs() - ry)


def join(a: torch.Tensor, b: torch.Tensor, softness: float) -> torch.Tensor:
    """Union of two shapes with the crease between them filled, over a width of `softness`."""
    near = (softness - (a - b).abs()).clamp(min=0.0)
    return torch.minimum(a, b) - near * near * (0.25 / softness)


def cover(distance: torch.Tensor, pixel: torch.Tensor) -> torch.Tensor:
    """Share of each pixel (N,1,1: its width) that lies inside the shape, 0 to 1."""
    return (0.5 - distance / pixel).clamp(0.0, 1.0)


def ramp(x: torch.Tensor, low: float | torch.Tensor, high: float | torch.Tensor) -> torch.Tensor:
    """0 below `low`, 1 above `high`, smooth in between."""
    t = ((x - low) / (high - low)).clamp(0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def wave(x: torch.Tensor) -> torch.Tensor:
    """A triangle wave of period 1: 0 at whole numbers, 1 half-way."""
    return 1.0 - (2.0 * (x - x.floor()) - 1.0).abs()


def over(picture: torch.Tensor, colour: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Paint a colour over a picture: N,3,G,G and N,3,1,1 (or N,3,G,G), with the share N,G,G of each pixel it takes."""
    return picture + (colour - picture) * share.unsqueeze(1)


def slope(field: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Change of N,G,G from one pixel to the next, to the right and upwards; zero at the border."""
    right, up = torch.zeros_like(field), torch.zeros_like(field)
    right[:, :, 1:-1] = (field[:, :, 2:] - field[:, :, :-2]) * 0.5
    up[:, 1:-1, :] = (field[:, :-2, :] - field[:, 2:, :]) * 0.5
    return right, up
