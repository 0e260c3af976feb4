"""The pen: from a table of factors to pictures, all images of a chunk in one torch expression.

    layers = draw_layers(table, streams, size=64)    # photo N,3,64,64 in [0, 1], and what the domains need

Painted from back to front: scene, shadow on the ground, far legs and ear, tail, body with the near legs, near ear,
collar, eye, nose. Distances say what share of each edge pixel a shape covers, so no finer grid is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from .anatomy import FRONT, HIND, TAIL, reach, skeleton
from .breeds import COATS
from .coats import SPOTS, fur_colour, markings
from .randomness import fractal, lattice_sizes, octets
from .scenes import PROPS, draw_scene, scene_table
from .shapes import along, capsule, column, cover, ellipse, join, over, ramp, slope

LEGS = FRONT + HIND
BODY = ("ribs", "loin", "neck", "skull", "snout")


@dataclass(frozen=True)
class Layers:
    """What a camera could see of each image, before a domain makes a picture of it.

    Arguments:
        photo: float N,3,S,S, light from 0 to 1, without the sensor's noise.
        animal: float N,S,S, share of each pixel that the animal covers.
        depth: float N,S,S, how far inside the body a point lies: 0 at its edge, 1 at its thickest.
        top: float N,S,S, how much the surface faces the sky: 0 to 1.
        height: float N,S,S, height over the horizon, in halves of the image's width.
        sensor: float N,3,S,S, noise of about standard deviation 1.
        detail: float N,S,S, fractal noise in [-1, 1].
        random: float N,64 in [0, 1], for what a domain throws dice about.
    """

    photo: torch.Tensor
    animal: torch.Tensor
    depth: torch.Tensor
    top: torch.Tensor
    height: torch.Tensor
    sensor: torch.Tensor
    detail: torch.Tensor
    random: torch.Tensor


@dataclass(frozen=True)
class Frame:
    """Where each pixel lies, seen from the animal.

    Arguments:
        x, y: N,S,S, in dog units: forwards from the middle of its trunk, and up from the ground.
        pixel: N,1,1, width of a pixel in dog units.
        mirror: N,1,1, 1 for an animal that looks right, -1 for one that looks left.
        sun: N,1,1, side of the image the light comes from, -1 to 1.
    """

    x: torch.Tensor
    y: torch.Tensor
    pixel: torch.Tensor
    mirror: torch.Tensor
    sun: torch.Tensor

    def union(self, bones: Sequence[torch.Tensor], softness: float) -> torch.Tensor:
        """Distance to all of these bones, with the creases between them filled."""
        total = capsule(self.x, self.y, bones[0])
        for bone in bones[1:]:
            total = join(total, capsule(self.x, self.y, bone), softness)
        return total

    def inside(self, distance: torch.Tensor) -> torch.Tensor:
        """Share of each pixel that a shape covers."""
        return cover(distance, self.pixel)


def draw_layers(table: Mapping[str, np.ndarray], streams: Sequence[Sequence[int]], size: int) -> Layers:
    """Draw the images of a table of factors.

    Arguments:
        table: what `draw_factors` gives, or some rows of it.
        streams: the name of each image's random stream, as `image_streams` gives them.
        size: edge of the picture, in pixels; a power of two.
    """
    bones_np = skeleton(table)
    bones = {name: tensor(bone) for name, bone in bones_np.items()}
    f = {name: tensor(values) for name, values in table.items() if values.dtype.kind == "f"}

    many = sum(n * n for n in lattice_sizes(size))
    noise = fractal(octets(many, [(*stream, 1) for stream in streams]), size, 0.6)
    fur = fractal(octets(many, [(*stream, 2) for stream in streams]), size, 0.85)
    dice = octets(PROPS * 6 + SPOTS * 3 + 64, [(*stream, 3) for stream in streams])
    layout, spots, random = dice.split([PROPS * 6, SPOTS * 3, 64], dim=1)
    sensor = octets(2 * 3 * size * size, [(*stream, 4) for stream in streams]).reshape(-1, 2, 3, size, size)

    u, v = _camera(table, size)
    frame = _frame(u, v, table, bones_np, f, size)
    scene = scene_table([str(name) for name in table["scene"]])
    horizon = column(f["horizon"])
    picture = draw_scene(u, v, torch.full_like(horizon, 2.0 / size), horizon, scene, layout, noise)
    skin = _skin(frame, table, f, bones, spots, noise, fur)
    picture, animal, depth, top = _animal(picture, frame, skin, table, f, bones, fur)
    return Layers(
        photo=_light(picture, u, v, f),
        animal=animal,
        depth=depth,
        top=top,
        height=v - horizon,
        sensor=(sensor[:, 0] + sensor[:, 1] - 1.0) * 2.45,  # the sum of two even draws has a deviation of 0.41
        detail=fur,
        random=random,
    )


def tensor(values: np.ndarray) -> torch.Tensor:
    """Numbers (or yes and no) as float32."""
    return torch.from_numpy(values.astype(np.float32))


def _camera(table: Mapping[str, np.ndarray], size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Right and up at each pixel, N,S,S, from -1 to 1 across the image, turned by the camera's roll."""
    steps = (torch.arange(size, dtype=torch.float32) + 0.5) * (2.0 / size) - 1.0
    angle = np.deg2rad(table["rotation"])
    cos, sin = column(tensor(np.cos(angle).round(6))), column(tensor(np.sin(angle).round(6)))
    u, v = steps.reshape(1, 1, -1), -steps.reshape(1, -1, 1)
    return u * cos + v * sin, v * cos - u * sin


def _frame(
    u: torch.Tensor,
    v: torch.Tensor,
    table: Mapping[str, np.ndarray],
    bones: Mapping[str, np.ndarray],
    f: Mapping[str, torch.Tensor],
    size: int,
) -> Frame:
    """Move, scale and, where it looks left, mirror the image's coordinates into the animal's."""
    left, right = reach(bones)
    # Half way between one scale for all animals (so a small dog is small) and one that fits each into the picture.
    scale = column(tensor((table["scale"] * 1.65 / (0.5 * 2.2 + 0.5 * (right - left))).round(5)))
    mirror = column(tensor(np.where(table["facing"] == "right", 1.0, -1.0)))
    middle = column(tensor(((left + right) / 2).round(5)))
    x = (u - column(f["position_x"])) / scale * mirror + middle
    y = (v - column(f["position_y"])) / scale
    return Frame(x, y, (2.0 / size) / scale, mirror, column(f["sun"]))


def _skin(
    frame: Frame,
    table: Mapping[str, np.ndarray],
    f: Mapping[str, torch.Tensor],
    bones: Mapping[str, torch.Tensor],
    spots: torch.Tensor,
    noise: torch.Tensor,
    fur: torch.Tensor,
) -> torch.Tensor:
    """Colour of the fur at each point, if the animal is there: N,3,S,S."""
    coat = tensor(table["coat"][:, None] == np.array(COATS))
    trunk = torch.cat([bones["loin"][:, 2:4], bones["ribs"][:, :2]], dim=1)
    share = markings(frame.x, frame.y, f, coat, trunk, spots, noise)
    colour = over(fur_colour(f["shade_1"], f["warmth_1"]), fur_colour(f["shade_2"], f["warmth_2"]), share)
    return colour * (1.0 + 0.22 * fur).unsqueeze(1)


def _animal(
    picture: torch.Tensor,
    frame: Frame,
    skin: torch.Tensor,
    table: Mapping[str, np.ndarray],
    f: Mapping[str, torch.Tensor],
    bones: Mapping[str, torch.Tensor],
    fur: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Paint the animal and its shadow; return the picture, its cover, its depth and how much it faces the sky."""
    tuft = column(f["fur"]) * (fur * 1.6 - 0.3)
    far_legs = frame.union([bones[f"far_{name}"] for name in LEGS], 0.05)
    far_ear = frame.union([bones["far_ear_root"], bones["far_ear_tip"]], 0.03)
    far = torch.minimum(far_legs, far_ear) + 0.5 * tuft
    tail = frame.union([bones[name] for name in TAIL], 0.04) + tuft
    legs = frame.union([bones[f"near_{name}"] for name in LEGS], 0.05) + 0.4 * tuft
    body = frame.union([bones[name] for name in BODY], 0.10) + tuft
    whole = join(body, legs, 0.06)
    ear = frame.union([bones["near_ear_root"], bones["near_ear_tip"]], 0.03) + 0.5 * tuft

    picture = _shadow(picture, frame, bones)
    picture = over(picture, skin * 0.62, frame.inside(far))
    picture, _ = _lit(picture, frame, skin, tail, 0.08)
    picture, top = _lit(picture, frame, skin, whole, 0.20)
    # Where a leg leaves the body, a soft dark line along its edge tells them apart; it fades out further up.
    shallow = 1.0 - (-body / (0.75 * column(f["chest"]))).clamp(0.0, 1.0)
    picture = _crease(picture, legs, 0.045, 0.24 * shallow * frame.inside(body + 0.02))
    picture = _collar(picture, frame, f["collar"], bones["neck"], body)
    picture = _crease(picture, ear, 0.035, 0.3 * frame.inside(body))
    picture, _ = _lit(picture, frame, skin * 0.86, ear, 0.08)
    cat = column(tensor(table["species"] == "cat"))
    picture = _face(picture, frame, fur_colour(f["shade_1"], f["warmth_1"]), cat, bones)
    outline = torch.minimum(torch.minimum(whole, tail), torch.minimum(far, ear))
    return picture, frame.inside(outline), (-whole / 0.2).clamp(0.0, 1.0), top


def _shadow(picture: torch.Tensor, frame: Frame, bones: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """A flat ellipse on the ground under the trunk, on the side away from the sun."""
    away = -0.25 * frame.sun * frame.mirror
    wide = column(bones["ribs"][:, 0] - bones["loin"][:, 2]) * 0.5 + 0.42
    inside = ellipse(frame.x, frame.y, away, torch.full_like(away, 0.02), wide, wide * 0.17)
    return picture * (1.0 - 0.5 * (1.0 - ramp(inside, 0.5, 1.15))).unsqueeze(1)


def _crease(picture: torch.Tensor, distance: torch.Tensor, width: float, strength: torch.Tensor) -> torch.Tensor:
    """Darken a soft line along the edge of a shape."""
    return picture * (1.0 - strength * (1.0 - (distance / width).abs()).clamp(min=0.0)).unsqueeze(1)


def _lit(
    picture: torch.Tensor, frame: Frame, skin: torch.Tensor, distance: torch.Tensor, thick: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Paint a rounded shape: its edge faces outwards, its middle (`thick` inside) faces us. Also: how much faces up."""
    right, up = slope(distance)
    edge = (1.0 + distance / thick).clamp(0.0, 1.0)
    right, up = right / frame.pixel * edge, up / frame.pixel * edge
    shade = 0.90 + 0.30 * up + 0.20 * right * frame.sun
    rim = 0.11 * edge * edge * edge * (0.4 + up).clamp(0.0, 1.0)  # light of the sky along the back
    share = frame.inside(distance)
    return over(picture, skin * shade.unsqueeze(1) + rim.unsqueeze(1), share), up.clamp(0.0, 1.0) * share


def _collar(
    picture: torch.Tensor, frame: Frame, hue: torch.Tensor, neck: torch.Tensor, body: torch.Tensor
) -> torch.Tensor:
    """A band around the neck in a colour of the rainbow, for those who wear one (hue 0 to 1; -1 for none)."""
    away = hue.reshape(-1, 1, 1, 1) - torch.tensor([0.0, 1 / 3, 2 / 3]).reshape(1, 3, 1, 1)
    away = (away - (away + 0.5).floor()).abs()  # from red, green and blue, on the circle of hues: 0 to 0.5
    h = along(frame.x, frame.y, neck)
    band = ramp(h, 0.40, 0.48) * (1.0 - ramp(h, 0.62, 0.70))
    near = frame.inside(body) * frame.inside(capsule(frame.x, frame.y, neck) - 0.03)
    return over(picture, (1.0 - 2.6 * away).clamp(0.08, 0.85), band * near * column((hue >= 0).float()))


def _face(
    picture: torch.Tensor, frame: Frame, main: torch.Tensor, cat: torch.Tensor, bones: Mapping[str, torch.Tensor]
) -> torch.Tensor:
    """Mouth, nose, and an eye with a spark in it; a cat's nose is pink, its eye green around a narrow pupil."""
    x, y = frame.x, frame.y
    dark = torch.tensor([0.06, 0.05, 0.05]).reshape(1, 3, 1, 1)
    pink, green = torch.tensor([[0.78, 0.50, 0.48], [0.62, 0.72, 0.22]]).reshape(2, 1, 3, 1, 1)
    picture = over(picture, main * 0.35, frame.inside(capsule(x, y, bones["mouth"])) * 0.7)
    picture = over(picture, over(dark, pink, cat), frame.inside(capsule(x, y, bones["nose"])))
    eye = capsule(x, y, bones["eye"])
    ex, ey = column(bones["eye"][:, 0]), column(bones["eye"][:, 1])
    picture = over(picture, main * 0.5 + 0.32, frame.inside(eye - 0.018) * 0.55)  # the lid
    picture = over(picture, over(dark, green, cat), frame.inside(eye))
    pupil = ellipse(x, y, ex, ey, torch.full_like(ex, 0.02), torch.full_like(ex, 0.05))
    picture = over(picture, dark, (1.5 - pupil).clamp(0.0, 1.0) * cat)
    spark = ellipse(x, y, ex + 0.012, ey + 0.016, frame.pixel, frame.pixel)
    return over(picture, torch.ones(1, 3, 1, 1), (1.0 - spark).clamp(0.0, 1.0) * 0.9)


def _light(picture: torch.Tensor, u: torch.Tensor, v: torch.Tensor, f: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Brightness, colour and contrast of the light, and the lens's darker corners."""
    warmth = f["warmth"]
    tint = torch.stack([1.0 + 0.13 * warmth, torch.ones_like(warmth), 1.0 - 0.16 * warmth], dim=1)
    gain = (f["light"].unsqueeze(1) * tint).reshape(-1, 3, 1, 1)
    lit = picture * gain * (1.0 - 0.10 * (u * u + v * v)).unsqueeze(1)
    return ((lit - 0.42) * column(f["contrast"]).unsqueeze(1) + 0.42).clamp(0.0, 1.0)
