"""Other ways to see the same animals: each domain changes P(X) and leaves every factor and label as it is.

pixels = see(layers, table, "sketch")              # uint8 N,3,S,S
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

from .draw import Layers
from .shapes import column, over, ramp, slope, wave

Factors = Mapping[str, torch.Tensor]


def luminance(rgb: torch.Tensor) -> torch.Tensor:
    """N,3,S,S -> N,S,S, the brightness an eye sees (weights of Rec. 601)."""
    return rgb[:, 0] * 0.299 + rgb[:, 1] * 0.587 + rgb[:, 2] * 0.114


def rgb(red: float, green: float, blue: float) -> torch.Tensor:
    """One colour: 1,3,1,1."""
    return torch.tensor([red, green, blue]).reshape(1, 3, 1, 1)


def blur(x: torch.Tensor) -> torch.Tensor:
    """Weights 1 2 1 along both axes of N,...,S,S; the border repeats."""
    for axis in (-1, -2):
        n = x.shape[axis]
        before = torch.cat([x.narrow(axis, 0, 1), x.narrow(axis, 0, n - 1)], axis)
        after = torch.cat([x.narrow(axis, 1, n - 1), x.narrow(axis, n - 1, 1)], axis)
        x = before * 0.25 + x * 0.5 + after * 0.25
    return x


def photo(layers: Layers, f: Factors) -> torch.Tensor:
    """A plain photo: the light, and the sensor's noise."""
    return layers.photo + layers.sensor * column(f["noise"]).unsqueeze(1)


def sketch(layers: Layers, f: Factors) -> torch.Tensor:
    """A pencil drawing: lines where brightness changes, hatching where it is dark, grain of the paper. No colour."""
    light = luminance(layers.photo)
    right, up = slope(light)
    dx, dy = slope(layers.animal)
    lines = ramp((right * right + up * up).sqrt(), 0.03, 0.14) * 0.6
    outline = ramp((dx * dx + dy * dy).sqrt(), 0.15, 0.45)
    size = light.shape[-1]
    steps = torch.arange(size, dtype=torch.float32)
    strokes = wave((steps.reshape(1, -1, 1) + steps.reshape(1, 1, -1)) * 0.25)
    hatch = ramp(0.42 - light, 0.0, 0.3) * strokes * 0.45
    grain = 1.0 + 0.25 * layers.detail
    ink = (torch.maximum(lines, outline * 0.9) + hatch) * grain
    paper = rgb(0.95, 0.94, 0.90) + 0.03 * layers.sensor[:, :1]
    return over(paper.expand_as(layers.photo), rgb(0.18, 0.17, 0.18), ink.clamp(0.0, 1.0))


def night(layers: Layers, f: Factors) -> torch.Tensor:
    """After dark: blue and dim, one lamp from the side, much noise."""
    size = layers.animal.shape[-1]
    steps = (torch.arange(size, dtype=torch.float32) + 0.5) * (2.0 / size) - 1.0
    across = steps.reshape(1, 1, -1) - (column(layers.random[:, 0]) - 0.5)
    down = steps.reshape(1, -1, 1) - 0.15
    lamp = 1.0 / (1.0 + 2.0 * (across * across + down * down))
    cold = layers.photo * rgb(0.24, 0.30, 0.50)
    warm = layers.photo * rgb(0.60, 0.45, 0.20) * (lamp * lamp).unsqueeze(1)
    return cold + warm + layers.sensor * 0.03


def thermal(layers: Layers, f: Factors) -> torch.Tensor:
    """A heat camera: warm bodies before a cool world, blurred, in the colours of hot iron. Coats have no colour here."""
    world = 0.10 + 0.16 * luminance(layers.photo) + 0.03 * layers.detail
    body = 0.50 + 0.45 * layers.depth + 0.05 * layers.detail
    heat = blur(world + (body - world) * layers.animal) + 0.015 * layers.sensor[:, 0]
    channels = [
        (heat - 0.12) * 2.1,
        (heat - 0.42) * 2.0,
        0.9 - (heat - 0.30).abs() * 3.2 + (heat - 0.75).clamp(min=0) * 6,
    ]
    return torch.stack([channel.clamp(0.0, 1.0) for channel in channels], dim=1)


def snow(layers: Layers, f: Factors) -> torch.Tensor:
    """Snowfall: haze, a white ground, snow on every back, flakes in front."""
    white = rgb(0.93, 0.95, 0.98)
    settled = ramp(-layers.height, 0.0, 0.15) * (1.0 - layers.animal) * (0.72 + 0.25 * layers.detail)
    picture = over(layers.photo, white, settled.clamp(0.0, 1.0))
    picture = over(picture, white, (layers.top - 0.35).clamp(0.0, 1.0) * 0.8)
    picture = over(picture, rgb(0.78, 0.82, 0.87), torch.full_like(layers.animal, 0.30))
    small = (layers.sensor[:, 0] - 1.75).clamp(0.0, 0.5) * 1.8
    big = blur((layers.sensor[:, 1] - 1.95).clamp(0.0, 0.5)) * 6.0
    return over(picture, rgb(1.0, 1.0, 1.0), (small + big).clamp(0.0, 1.0)) + 0.01 * layers.sensor


def camera(layers: Layers, f: Factors) -> torch.Tensor:
    """Another, cheaper camera: soft, greenish, pale colours, hard contrast, dark corners, colour fringes."""
    size = layers.animal.shape[-1]
    steps = (torch.arange(size, dtype=torch.float32) + 0.5) * (2.0 / size) - 1.0
    soft = blur(layers.photo)
    fringed = torch.stack([soft[:, 0].roll(1, -1), soft[:, 1], soft[:, 2].roll(-1, -1)], dim=1)
    grey = luminance(fringed).unsqueeze(1)
    pale = grey + (fringed - grey) * 0.55
    hard = ((pale - 0.5) * 1.5 + 0.5).clamp(0.0, 1.0) * rgb(0.92, 1.0, 0.78) + rgb(0.03, 0.04, 0.06)
    corner = 1.0 - 0.28 * (
        steps.reshape(1, 1, -1) * steps.reshape(1, 1, -1) + steps.reshape(1, -1, 1) * steps.reshape(1, -1, 1)
    )
    return hard * corner.unsqueeze(1) + layers.sensor * 0.02


DOMAINS: dict[str, Callable[[Layers, Factors], torch.Tensor]] = {
    "photo": photo,
    "sketch": sketch,
    "night": night,
    "thermal": thermal,
    "snow": snow,
    "camera": camera,
}


def see(layers: Layers, factors: Factors, domain: str) -> torch.Tensor:
    """The pictures of a domain as uint8 N,3,S,S."""
    picture = DOMAINS[domain](layers, factors)
    return (picture.clamp(0.0, 1.0) * 255.0 + 0.5).floor().to(torch.uint8)
