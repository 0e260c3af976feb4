"""Augmentation of a batch on its device, with random draws for each image of its own.

    views = Augment(flip=True)
    draws = views.draw(len(images), view=1, seed=0)      # one row of draws an image
    x = views(images[rows], draws[rows])                 # uint8 N,3,H,W -> float 0..1

What happens to image i in view v follows from (seed, v, i) alone: it does not depend on the batch that i is in, so
features can be remembered and a run can be repeated. View 0 is the clean image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from .errors import CourseError

COLUMNS = 7  # flip, shift x, shift y, scale, angle, brightness, contrast: each uniform in -1..1


@dataclass(frozen=True)
class Augment:
    """How far an image may be changed; 0 or False leaves that property alone.

    Arguments:
        flip: mirror left and right, for half of the images.
        shift: up to this share of the width and height, 0 to 0.5.
        scale: up to this share larger or smaller, 0 to 0.9.
        rotate: up to this many degrees to either side, 0 to 180.
        brightness: factor up to 1 + this or down to 1 - this, 0 to 0.9.
        contrast: likewise, around the image's mean.
    """

    flip: bool = True
    shift: float = 0.1
    scale: float = 0.1
    rotate: float = 10.0
    brightness: float = 0.2
    contrast: float = 0.2

    def __post_init__(self) -> None:
        limits = {"shift": 0.5, "scale": 0.9, "rotate": 180, "brightness": 0.9, "contrast": 0.9}
        for name, limit in limits.items():
            if not 0 <= getattr(self, name) <= limit:
                raise CourseError(f"Augment({name}={getattr(self, name)}) is out of range; allowed are 0 to {limit}.")

    def draw(self, count: int, view: int, seed: int) -> torch.Tensor:
        """Random draws for `count` images: float count,7 in -1..1; all zero, which changes nothing, for view 0."""
        if view == 0:
            return torch.zeros(count, COLUMNS)
        draws = np.random.default_rng([seed, view]).uniform(-1, 1, (count, COLUMNS))
        return torch.from_numpy(draws.astype(np.float32))

    def __call__(self, images: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
        """Change each image by its row of draws: uint8 N,3,H,W and float N,7 -> float N,3,H,W in 0..1."""
        x = images.float() / 255
        if not draws.any():
            return x
        flip, dx, dy, scale, angle, brightness, contrast = draws.to(x.device, non_blocking=True).unbind(1)
        mirror = torch.where((flip > 0) & self.flip, -1.0, 1.0)
        zoom = 1 / (1 + self.scale * scale)
        radians = angle * self.rotate * math.pi / 180
        cos, sin = torch.cos(radians) * zoom, torch.sin(radians) * zoom
        rows = [
            torch.stack([mirror * cos, -sin, 2 * self.shift * dx], 1),
            torch.stack([mirror * sin, cos, 2 * self.shift * dy], 1),
        ]
        grid = F.affine_grid(torch.stack(rows, 1), list(x.shape), align_corners=False)  # N,2,3 -> N,H,W,2
        x = F.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
        gain = (1 + self.brightness * brightness).view(-1, 1, 1, 1)
        spread = (1 + self.contrast * contrast).view(-1, 1, 1, 1)
        mean = x.mean((1, 2, 3), keepdim=True)
        return (((x - mean) * spread + mean) * gain).clamp(0, 1)
