"""fastai, used as its own course teaches: `vision_learner`, `fit_one_cycle` on a frozen body, `fine_tune`.

    run(material, phases, seed=0)

The body carries the same weights. What stays fastai's own: its head (average and max pooling side by side, BatchNorm,
dropout, 512 hidden units), its loaders and their number of workers, its rates, BatchNorm of the frozen body in train mode
(`train_bn=True`), and that the last, incomplete batch of an epoch is left out.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from fastai.vision.all import (
    ImageDataLoaders,
    L,
    Learner,
    Normalize,
    Resize,
    accuracy,
    params,
    set_seed,
    vision_learner,
)
from torch import nn

from .by_hand import BATCH
from .material import Material, Phase, parts

warnings.filterwarnings("ignore", category=FutureWarning)


def run(material: Material, phases: Sequence[Phase], seed: int) -> dict[str, Any]:
    """Train; the accuracy is that of the last epoch on the val photos, as fastai's own metric says it."""
    set_seed(seed)
    loaders = ImageDataLoaders.from_folder(
        material.photos,
        train="train",
        valid="val",
        item_tfms=Resize(material.size),
        batch_tfms=Normalize.from_stats(*material.stats),
        bs=min(BATCH, len(material.files("train"))),
    )
    cuts = [phase.frozen for phase in phases]

    def arch(pretrained: bool = True) -> nn.Module:
        *body, _ = parts(material.model(seed), material.network)
        return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1))  # fastai cuts at the last pooling layer

    learn = vision_learner(loaders, arch, metrics=accuracy, splitter=_splitter(cuts) if len(cuts) > 1 else None)
    with learn.no_bar(), learn.no_logging():
        if cuts == [0]:
            _fine_tune(learn, phases[0].epochs)
        for number, phase in enumerate(phases if cuts != [0] else (), start=1):
            learn.freeze_to(-number)
            learn.fit_one_cycle(phase.epochs)
    return {"accuracy": float(learn.recorder.values[-1][-1]), "count": len(loaders.valid_ds)}


def _fine_tune(learn: Learner, epochs: int) -> None:
    """`fine_tune`: one epoch of the head, the others of everything; with one epoch in all, everything in that one."""
    if epochs > 1:
        learn.fine_tune(epochs - 1, freeze_epochs=1)
    else:
        learn.unfreeze()
        learn.fit_one_cycle(1)


def _splitter(cuts: Sequence[int]):
    """Parameter groups that end where the stages begin, so that `freeze_to(-k)` opens stage k."""

    def split(model: nn.Module) -> L:
        body, head = model[0], model[1:]
        stops = [len(body), *(len(body) + 1 + cut for cut in cuts[1:]), 0]
        groups = [body[start:stop] for stop, start in pairwise(stops)]
        return L(*reversed(groups), head).map(params)

    return split
