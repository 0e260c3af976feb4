"""All that can be wrong with a recipe, looked at before any work: nothing that is asked for is silently ignored."""

from __future__ import annotations

import numpy as np

from ..errors import CourseError
from ..images import ImageSet
from ..network import Network
from ..vectors import check_inputs
from .layers import norms
from .parallel import world
from .stage import Stage


def check(
    net: Network, images: ImageSet, stages: list[Stage], validate_every: int, seed: int, save_every: float = 0.0
) -> list[int]:
    """The cuts of the stages, the number of frozen blocks of each.

    Raises `CourseError` for a recipe that has no meaning for this network and these images.
    """
    if not stages or not all(isinstance(stage, Stage) for stage in stages):
        raise CourseError(f"A recipe is a Stage or a list of them; received {stages!r}.")
    if len(net.classes) != len(images.classes):
        raise CourseError(
            f"{net.name} has a head for {len(net.classes)} classes and {images.name} has {len(images.classes)}: "
            f"load the network with classes=images.classes."
        )
    check_inputs(net, images)
    if len(images.rows("train")) < 2:
        raise CourseError(f"{images.name} has {len(images.rows('train'))} training images; at least 2 are needed.")
    if not isinstance(validate_every, int) or validate_every < 0:
        raise CourseError(
            f"validate_every={validate_every!r} is out of range; it is a whole number of epochs, 0 for the end only."
        )
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise CourseError(f"seed={seed!r} is out of range; it is a whole number from 0.")
    if not save_every >= 0:
        raise CourseError(f"save_every={save_every!r} is out of range; it is a number of seconds from 0.")
    cuts = [net.cut(stage.frozen) for stage in stages]
    for stage, cut in zip(stages, cuts, strict=True):
        _check_stage(net, images, stage, cut, validate_every)
    return cuts


def _check_stage(net: Network, images: ImageSet, stage: Stage, cut: int, validate_every: int) -> None:
    if cut == len(net):
        raise CourseError(
            f"frozen={stage.frozen} freezes all {cut} blocks of {net.name}, so nothing would train; use -1 for the head alone."
        )
    train, processes = images.rows("train"), world()[1]
    if stage.norm == "adapt" and not norms(net.blocks[cut:]):
        raise CourseError(
            f"norm='adapt' measures BatchNorm anew, and the trained blocks of {net.name} have none; use norm='train', or freeze less."
        )
    if stage.frozen_norm == "train" and not norms(net.blocks[:cut]):
        raise CourseError(
            f"frozen_norm='train' moves BatchNorm in frozen blocks, and with frozen={stage.frozen} {net.name} has none there; "
            "leave it at 'eval', or freeze more."
        )
    if stage.pull and cut == len(net) - 1:
        raise CourseError(
            f"pull={stage.pull} holds trained blocks other than the head, and frozen={stage.frozen} trains the head alone; "
            "freeze less, or leave pull at 0."
        )
    if (stage.patience or stage.keep_best) and not (len(images.splits.get("val", ())) and validate_every):
        raise CourseError(
            "patience and keep_best look at the val split while a stage runs: the images need one, and validate_every must be "
            "1 or more."
        )
    if stage.augment is not None and images.images.ndim != 4:
        raise CourseError(f"{images.name} holds vectors, and augment changes pictures; leave it at None.")
    if len(train) // -(-len(train) // stage.batch) < processes:
        raise CourseError(
            f"{processes} processes share batches of at most {min(stage.batch, len(train))} images; use a larger batch, or fewer "
            "processes."
        )
    stage.loss_weights(images.labels[train], len(images.classes))
