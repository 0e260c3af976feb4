"""Where the animal stands: sky, something far away, a few things in between, and the ground.

    picture = draw_scene(view, table, layout, noise)          # N,3,G,G

A scene is a row of numbers and colours; one expression draws them all, so a beach is a forest with other numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from .shapes import box, column, cover, ellipse, over, ramp, wave

Colour = tuple[float, float, float]
PROPS = 4  # things in between: trees, houses, pictures on a wall


@dataclass(frozen=True)
class Scene:
    """Colours are RGB from 0 to 1; lengths are in halves of the image's width.

    Arguments:
        sky: colour at the top, and at the horizon.
        cloud: how strongly clouds (or the pattern of a wall) show.
        far: colour of the hills, the sea or the wood at the horizon; far_height and far_rough: their height and unevenness.
        ground: colour at the horizon, and at our feet; ground_rough: how uneven; planks: boards of a floor, 0 or 1.
        prop: colours of the things in between and of their inside; prop_size: least and most half width, then height.
        prop_lift: height of their lower edge over the horizon; windows: squares inside them, per unit of length.
        crown: colour of what grows on top; crown_size: its radius.
    """

    sky: tuple[Colour, Colour]
    cloud: float
    far: Colour
    far_height: float
    far_rough: float
    ground: tuple[Colour, Colour]
    ground_rough: float
    planks: float
    prop: tuple[Colour, Colour]
    prop_size: tuple[float, float, float, float]
    prop_lift: float
    windows: float
    crown: Colour
    crown_size: float


SCENES: dict[str, Scene] = {
    "meadow": Scene(
        ((0.42, 0.63, 0.88), (0.80, 0.89, 0.95)), 0.5, (0.40, 0.55, 0.42), 0.10, 0.25,
        ((0.58, 0.68, 0.34), (0.30, 0.50, 0.18)), 0.5, 0, ((0.36, 0.27, 0.20), (0.36, 0.27, 0.20)),
        (0.02, 0.04, 0.15, 0.32), -0.02, 0, (0.22, 0.42, 0.18), 0.20,
    ),
    "beach": Scene(
        ((0.35, 0.62, 0.90), (0.86, 0.93, 0.96)), 0.3, (0.16, 0.45, 0.62), 0.16, 0.0,
        ((0.80, 0.72, 0.55), (0.90, 0.82, 0.64)), 0.25, 0, ((0.85, 0.83, 0.80), (0.85, 0.83, 0.80)),
        (0.008, 0.012, 0.22, 0.36), -0.08, 0, (0.85, 0.30, 0.26), 0.15,
    ),
    "forest": Scene(
        ((0.16, 0.27, 0.15), (0.44, 0.54, 0.32)), 0.9, (0.17, 0.26, 0.14), 0.35, 0.7,
        ((0.30, 0.27, 0.16), (0.38, 0.29, 0.17)), 0.7, 0, ((0.27, 0.20, 0.15), (0.27, 0.20, 0.15)),
        (0.05, 0.11, 1.4, 1.6), -0.10, 0, (0.15, 0.30, 0.12), 0.0,
    ),
    "winter": Scene(
        ((0.66, 0.74, 0.84), (0.88, 0.91, 0.94)), 0.4, (0.62, 0.70, 0.80), 0.16, 0.4,
        ((0.84, 0.88, 0.93), (0.95, 0.96, 0.98)), 0.15, 0, ((0.24, 0.21, 0.20), (0.24, 0.21, 0.20)),
        (0.02, 0.03, 0.16, 0.30), -0.02, 0, (0.20, 0.30, 0.28), 0.16,
    ),
    "street": Scene(
        ((0.60, 0.68, 0.78), (0.80, 0.82, 0.84)), 0.3, (0.52, 0.50, 0.50), 0.20, 0.0,
        ((0.48, 0.47, 0.46), (0.60, 0.59, 0.57)), 0.3, 0, ((0.66, 0.42, 0.33), (0.28, 0.32, 0.40)),
        (0.22, 0.36, 0.45, 0.95), 0.0, 6.0, (0.45, 0.25, 0.20), 0.0,
    ),
    "room": Scene(
        ((0.76, 0.68, 0.58), (0.84, 0.77, 0.67)), 0.08, (0.60, 0.46, 0.34), 0.05, 0.0,
        ((0.50, 0.33, 0.20), (0.64, 0.44, 0.28)), 0.15, 1, ((0.93, 0.91, 0.87), (0.45, 0.62, 0.75)),
        (0.14, 0.22, 0.28, 0.44), 0.24, 0.0, (0.3, 0.3, 0.3), 0.0,
    ),
}  # fmt: skip


def scene_table(names: list[str]) -> dict[str, torch.Tensor]:
    """The numbers of each image's scene: name of a field -> float32 N,... ."""
    rows = [SCENES[name] for name in names]
    return {
        field: torch.tensor([getattr(row, field) for row in rows], dtype=torch.float32)
        for field in Scene.__annotations__
    }


def draw_scene(
    u: torch.Tensor,
    v: torch.Tensor,
    pixel: torch.Tensor,
    horizon: torch.Tensor,
    scene: Mapping[str, torch.Tensor],
    layout: torch.Tensor,
    noise: torch.Tensor,
) -> torch.Tensor:
    """Everything behind and under the animal.

    Arguments:
        u, v: N,G,G, right and up; the image reaches from -1 to 1.
        pixel: N,1,1, width of a pixel.
        horizon: N,1,1, its height.
        scene: what `scene_table` gives.
        layout: N,PROPS * 6 in [0, 1]: place, width, height and tint (red, green, blue) of each thing in between.
        noise: N,G,G in [-1, 1].

    Returns N,3,G,G, light from 0 to 1.
    """

    def paint(colour: torch.Tensor) -> torch.Tensor:
        return colour.reshape(len(colour), 3, 1, 1)

    def number(name: str) -> torch.Tensor:
        return column(scene[name])

    height = v - horizon
    sky = scene["sky"]
    picture = over(paint(sky[:, 1]), paint(sky[:, 0]), (height * 0.9).clamp(0.0, 1.0))
    picture = picture * (1.0 + noise * number("cloud") * 0.35).unsqueeze(1)

    # The skyline is the noise along one row of its field, so that it changes with u alone.
    skyline = number("far_height") * (1.0 + 2.0 * number("far_rough") * noise[:, :1, :]) - height
    haze = 1.0 + 0.2 * noise * (0.3 + number("far_rough"))
    picture = over(picture, paint(scene["far"]) * haze.unsqueeze(1), cover(-skyline, pixel))

    for i in range(PROPS):
        picture = _prop(picture, u, height, pixel, scene, layout[:, 6 * i : 6 * i + 6], (i + 0.5) / PROPS, noise)

    depth = (-height).clamp(min=0.0)
    ground = over(paint(scene["ground"][:, 0]), paint(scene["ground"][:, 1]), (depth * 1.1).clamp(0.0, 1.0))
    ground = ground * (1.0 + noise * number("ground_rough") * 0.55).unsqueeze(1)
    boards = ramp(wave(u / (depth + 0.35) * 1.6 + 20.0), 0.0, 0.16)  # boards run towards the horizon
    ground = ground * (1.0 - 0.3 * number("planks") * (1.0 - boards)).unsqueeze(1)
    return over(picture, ground, cover(height, pixel))


def _prop(
    picture: torch.Tensor,
    u: torch.Tensor,
    height: torch.Tensor,
    pixel: torch.Tensor,
    scene: Mapping[str, torch.Tensor],
    draw: torch.Tensor,
    place: float,
    noise: torch.Tensor,
) -> torch.Tensor:
    """One tree, house or picture on the wall, with what is inside it and what grows on it."""
    where, wide, tall = (column(draw[:, i]) for i in range(3))
    size, n = scene["prop_size"], len(draw)
    rx = column(size[:, 0]) + wide * column(size[:, 1] - size[:, 0])
    ry = (column(size[:, 2]) + tall * column(size[:, 3] - size[:, 2])) * 0.5
    cx = (place * 2.0 - 1.0) * 1.15 + (where - 0.5) * 0.5
    cy = column(scene["prop_lift"]) + ry
    shade = (0.72 + 0.5 * draw[:, 3:6]).reshape(n, 3, 1, 1)
    outside = box(u, height, cx, cy, rx, ry)
    picture = over(picture, scene["prop"][:, 0].reshape(n, 3, 1, 1) * shade, cover(outside, pixel))
    per = column(scene["windows"])
    panes = torch.minimum(wave((u - cx) * per + 0.25), wave((height - cy) * per)) * (per > 0) + (per == 0)
    inside = cover(outside + 0.05, pixel) * ramp(panes, 0.42, 0.58)
    picture = over(picture, scene["prop"][:, 1].reshape(n, 3, 1, 1) * shade, inside)
    radius = column(scene["crown_size"]) * (0.7 + 0.6 * wide)
    leaves = (ellipse(u, height, cx, cy + ry, radius + 1e-3, 0.9 * radius + 1e-3) - 1.0) * radius + noise * radius * 0.6
    light = (1.0 + 1.2 * (height - cy - ry) + 0.35 * noise).unsqueeze(1)
    return over(picture, scene["crown"].reshape(n, 3, 1, 1) * shade * light, cover(leaves, pixel) * (radius > 0))
