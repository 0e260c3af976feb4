"""Stage: what trains, how long and how fast. A recipe is a list of stages; inside a stage nothing about freezing changes.

    recipe = [Stage(frozen=-1, epochs=5, lr=1e-2), Stage(frozen=-3, epochs=5, lr=1e-3, decay=0.5)]

A stage is settings and nothing else, so a run can be written down, hashed and repeated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Literal

import torch

from ..augment import Augment
from ..errors import CourseError

WARM_UP = 0.3  # share of a one-cycle stage in which the rate rises (Smith 2018, arXiv 1803.09820)


@dataclass(frozen=True, repr=False)
class Stage:
    """What trains, how long and how fast.

    Arguments:
        frozen: blocks that are a fixed function, counted as Python counts list items: 0 none, 5 the first five,
            -1 all but the last.
        epochs: passes over the training images, 1 or more.
        lr: learning rate of the last block, above 0.
        decay: factor on the rate for each block away from the last one, above 0 and at most 1 (discriminative rates,
            Howard and Ruder 2018, arXiv 1801.06146, section 3.2).
        norm: BatchNorm in the trained blocks. `train`: it follows the batch; `eval`: it stays as it is (few images);
            `adapt`: its statistics are measured anew on the training images as the stage starts, then stay (AdaBN, Li et
            al. 2016, arXiv 1603.04779).
        frozen_norm: BatchNorm in the frozen blocks. `eval`: frozen; `train`: it follows the batch although its block is
            called frozen. That is a well-known mistake; it is here to be shown, and nothing can be remembered then.
        optimizer: `adamw`, or `sgd` with momentum 0.9.
        schedule: `one_cycle` (rise, then fall), `cosine` (fall) or `constant`.
        warm_up: share of the stage in which the rate rises, 0 to below 1; None for the schedule's own (one_cycle 0.3, else 0).
        weight_decay: on weights with two or more dimensions.
        pull: how strongly weights are pulled back to where the run started, from 0; for all trained blocks but the head
            (see penalties.py).
        batch: images in a step, 2 or more; an epoch is cut into near-equal batches of at most this size.
        label_smoothing: share of the target spread over all classes, 0 to below 1.
        class_weights: weight of each class in the loss; `balanced`: rarer classes weigh more; None: all alike.
        dropout: share of the head's inputs that is dropped at each step, 0 to below 1; None: as the network was built.
        mixup: alpha of mixup (Zhang et al. 2017, arXiv 1710.09412) of what the first trained block takes, from 0;
            between frozen and trained blocks it is manifold mixup (Verma et al. 2018, arXiv 1806.05236).
        augment: how images may be changed, or None.
        views: with `augment`, in how many ways each image is seen; epoch e sees view e mod views, 0 is the clean image.
        patience: looks at the val split without a better one until the stage ends early; 0: never.
        keep_best: end the stage with the weights of its best look at the val split (accuracy, then loss).
        name: what a chart calls it.

    Raises `CourseError` for values out of range.
    """

    frozen: int = 0
    epochs: int = 5
    lr: float = 1e-3
    decay: float = 1.0
    norm: Literal["train", "eval", "adapt"] = "train"
    frozen_norm: Literal["eval", "train"] = "eval"
    optimizer: Literal["adamw", "sgd"] = "adamw"
    schedule: Literal["one_cycle", "cosine", "constant"] = "one_cycle"
    warm_up: float | None = None
    weight_decay: float = 1e-2
    pull: float = 0.0
    batch: int = 32
    label_smoothing: float = 0.0
    class_weights: Literal["balanced"] | tuple[float, ...] | None = None
    dropout: float | None = None
    mixup: float = 0.0
    augment: Augment | None = None
    views: int = 4
    patience: int = 0
    keep_best: bool = False
    name: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.class_weights, list):  # as JSON gives it
            object.__setattr__(self, "class_weights", tuple(self.class_weights))
        rate = self.lr if _is(self.lr, 0) else 1.0
        weights = self.class_weights
        own = isinstance(weights, tuple) and len(weights) > 1 and all(_is(w, 0) for w in weights) and any(weights)
        rules = {
            "epochs": (_is_whole(self.epochs, 1), "a whole number from 1"),
            "lr": (_is(self.lr, 0) and self.lr > 0, "a number above 0"),
            "decay": (_is(self.decay, 0, 1) and self.decay > 0, "a number above 0 and at most 1"),
            "norm": (self.norm in ("train", "eval", "adapt"), "'train', 'eval' or 'adapt'"),
            "frozen_norm": (self.frozen_norm in ("eval", "train"), "'eval' or 'train'"),
            "optimizer": (self.optimizer in ("adamw", "sgd"), "'adamw' or 'sgd'"),
            "schedule": (self.schedule in ("one_cycle", "cosine", "constant"), "'one_cycle', 'cosine' or 'constant'"),
            "warm_up": (self.warm_up is None or _is_share(self.warm_up), "None or a number from 0 to below 1"),
            "weight_decay": (_is(self.weight_decay, 0), "a number from 0"),
            "pull": (_is(self.pull, 0) and self.pull * rate <= 1, "a number from 0, at most 1 / lr"),
            "batch": (_is_whole(self.batch, 2), "a whole number from 2"),
            "label_smoothing": (_is_share(self.label_smoothing), "a number from 0 to below 1"),
            "class_weights": (
                weights in (None, "balanced") or own,
                "None, 'balanced' or a number from 0 for each class",
            ),
            "dropout": (self.dropout is None or _is_share(self.dropout), "None or a number from 0 to below 1"),
            "mixup": (_is(self.mixup, 0), "a number from 0"),
            "augment": (self.augment is None or isinstance(self.augment, Augment), "None or an Augment"),
            "views": (_is_whole(self.views, 1), "a whole number from 1"),
            "patience": (_is_whole(self.patience, 0), "a whole number from 0"),
            "keep_best": (isinstance(self.keep_best, bool), "True or False"),
        }
        for name, (allowed, rule) in rules.items():
            if not allowed:
                raise CourseError(f"Stage({name}={getattr(self, name)!r}) is out of range; {name} is {rule}.")
        if self.augment is None and self.views != Stage.views:
            raise CourseError(
                f"Stage(views={self.views}) has no `augment`, so there is one view of each image; give augment=Augment()."
            )

    def __repr__(self) -> str:
        """The settings that matter: what is frozen, how long, how fast, and all that is not the default."""
        told = [(f.name, getattr(self, f.name)) for f in fields(self)]
        always = ("frozen", "epochs", "lr")
        defaults = {f.name: f.default for f in fields(self)}
        shown = ", ".join(f"{name}={value!r}" for name, value in told if name in always or value != defaults[name])
        return f"Stage({shown})"

    def rate(self, progress: float) -> float:
        """Factor on the learning rates at a point of the stage, progress from 0 to 1."""
        one_cycle = self.schedule == "one_cycle"
        start = self.warm_up if self.warm_up is not None else WARM_UP if one_cycle else 0.0
        if progress < start:
            risen = progress / start
            return 0.04 + 0.96 * (1 - math.cos(math.pi * risen)) / 2 if one_cycle else risen
        if self.schedule == "constant":
            return 1.0
        return (1 + math.cos(math.pi * (progress - start) / (1 - start))) / 2

    def loss_weights(self, labels: torch.Tensor, classes: int) -> torch.Tensor | None:
        """Weight of each class in the loss, float `classes`; None when all weigh alike.

        Arguments:
            labels: int64 N, of the training images. `balanced` is N / (classes * images of the class): mean 1 over images.

        Raises `CourseError` when a class to be balanced has no image, or when the number of weights is another one.
        """
        if self.class_weights is None:
            return None
        if self.class_weights == "balanced":
            counts = torch.bincount(labels, minlength=classes)
            if not counts.all():
                raise CourseError(
                    f"class_weights='balanced' needs an image of each class; classes {(counts == 0).nonzero().flatten().tolist()} "
                    "have none in the train split."
                )
            return len(labels) / (classes * counts.float())
        if len(self.class_weights) != classes:
            raise CourseError(
                f"class_weights has {len(self.class_weights)} numbers and there are {classes} classes; give one for each."
            )
        return torch.tensor(self.class_weights)


def _is(value: object, least: float, most: float = math.inf) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value) and least <= value <= most


def _is_share(value: object) -> bool:
    return _is(value, 0) and value < 1


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
