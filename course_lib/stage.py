"""Stage: what trains, how long and how fast. A recipe is a list of stages; inside a stage nothing about freezing changes.

    recipe = [Stage(frozen=-1, epochs=5, lr=1e-2), Stage(frozen=-3, epochs=5, lr=1e-3, decay=0.5)]

A stage is settings and nothing else, so a run can be written down, hashed and repeated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Literal

from .augment import Augment
from .errors import CourseError

WARM_UP = 0.3  # share of a one-cycle stage in which the rate rises (Smith 2018, arXiv 1803.09820)


@dataclass(frozen=True, repr=False)
class Stage:
    """What trains, how long and how fast.

    Arguments:
        frozen: blocks that are a fixed function, counted as Python counts list items: 0 none, 5 the first five,
            -1 all but the last.
        epochs: passes over the training images, 1 or more.
        lr: learning rate of the last block (AdamW), above 0.
        decay: factor on the rate for each block away from the last one, above 0 and at most 1.
        norm: `train`: BatchNorm in the trained blocks follows the batch; `eval`: it stays as it is (few images).
        schedule: `one_cycle` (rise, then fall), `cosine` (fall) or `constant`.
        weight_decay: of AdamW, on weights with two or more dimensions.
        batch: images in a step, 2 or more; an epoch is cut into near-equal batches of at most this size.
        label_smoothing: share of the target spread over all classes, 0 to below 1.
        augment: how images may be changed, or None.
        views: with `augment`, in how many ways each image is seen; epoch e sees view e mod views, 0 is the clean image.
        name: what a chart calls it.

    Raises `CourseError` for values out of range.
    """

    frozen: int = 0
    epochs: int = 5
    lr: float = 1e-3
    decay: float = 1.0
    norm: Literal["train", "eval"] = "train"
    schedule: Literal["one_cycle", "cosine", "constant"] = "one_cycle"
    weight_decay: float = 1e-2
    batch: int = 32
    label_smoothing: float = 0.0
    augment: Augment | None = None
    views: int = 4
    name: str = ""

    def __post_init__(self) -> None:
        rules = {
            "epochs": (isinstance(self.epochs, int) and self.epochs >= 1, "a whole number from 1"),
            "lr": (self.lr > 0, "a number above 0"),
            "decay": (0 < self.decay <= 1, "a number above 0 and at most 1"),
            "norm": (self.norm in ("train", "eval"), "'train' or 'eval'"),
            "schedule": (self.schedule in ("one_cycle", "cosine", "constant"), "'one_cycle', 'cosine' or 'constant'"),
            "weight_decay": (self.weight_decay >= 0, "a number from 0"),
            "batch": (isinstance(self.batch, int) and self.batch >= 2, "a whole number from 2"),
            "label_smoothing": (0 <= self.label_smoothing < 1, "a number from 0 to below 1"),
            "views": (isinstance(self.views, int) and self.views >= 1, "a whole number from 1"),
        }
        for name, (allowed, rule) in rules.items():
            if not allowed:
                raise CourseError(f"Stage({name}={getattr(self, name)!r}) is out of range; {name} is {rule}.")

    def __repr__(self) -> str:
        """The settings that matter: what is frozen, how long, how fast, and all that is not the default."""
        told = [(f.name, getattr(self, f.name)) for f in fields(self)]
        always = ("frozen", "epochs", "lr")
        defaults = {f.name: f.default for f in fields(self)}
        shown = ", ".join(f"{name}={value!r}" for name, value in told if name in always or value != defaults[name])
        return f"Stage({shown})"

    def rate(self, progress: float) -> float:
        """Factor on the learning rates at a point of the stage, progress from 0 to 1."""
        if self.schedule == "constant":
            return 1.0
        rising = self.schedule == "one_cycle" and progress < WARM_UP
        if rising:
            return 0.04 + 0.96 * (1 - math.cos(math.pi * progress / WARM_UP)) / 2
        start = WARM_UP if self.schedule == "one_cycle" else 0.0
        return (1 + math.cos(math.pi * (progress - start) / (1 - start))) / 2
