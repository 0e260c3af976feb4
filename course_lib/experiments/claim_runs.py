"""Single runs of claims that are no learning curve: kept under their settings, and told as parts of a whole.

    result = yield from kept_run(settings, lambda: train(net), part=(3, 12), label="AnB, 3 blocks, seed 2")

A run is a generator of `At` (0 to 1 of itself) that returns what is kept of it, as JSON values. With the same settings and
training code it is read the next time (store.py), so that an experiment that was interrupted goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import asdict
from typing import Any

import torch

from ..images import ImageSet
from ..training.stage import Stage
from .findings import At
from .learning_curve import data_fingerprint, weights_source
from .store import keep, kept

Work = Generator[At, None, dict[str, Any]]


def kept_run(
    settings: dict[str, Any], work: Callable[[], Work], part: tuple[int, int], label: str
) -> Generator[At, None, dict[str, Any]]:
    """The result of a run, read or worked out.

    Arguments:
        settings: all that it depends on but for the code.
        work: starts it.
        part: its number, from 0, and how many runs the whole has; label: the run in words.
    """
    number, total = part
    yield At(number / total, label)
    result = kept(settings)
    if result is not None:
        return result
    steps = work()
    while True:
        try:
            at = next(steps)
        except StopIteration as end:
            return keep(settings, end.value)
        yield At((number + at.progress) / total, f"{label}: {at.text}")


def settings_of(
    images: ImageSet, model: str, weights: str | None, stage: Stage, seed: int, **more: Any
) -> dict[str, Any]:
    """What every run on the CPU depends on: the pixels and splits, the start, the stage, the seed, and the version of torch."""
    return {
        "images": data_fingerprint(images),
        "model": model,
        "weights": weights_source(model, weights),
        "stage": asdict(stage),
        "seed": seed,
        "torch": torch.__version__,
        "device": "cpu",
        **more,
    }
