"""Before the runs: which settings are best for the hand-written loops on this machine.

    run(material, phases, seed=0, groups=["step"])      # {"step": {"float32": 1.1, "bfloat16": 0.9}}, in seconds

A peer that is held back by a bad setting proves nothing. So the plain loop gets the faster one of float32 and bfloat16,
for training and for inference apart, and the tutorial's loop gets, beside the 4 workers that it is taught with, the
fastest one of 0, 2 and 4. ImageFolder gets the fastest of 0, 1, 2 and 4.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch.nn import functional as F

from . import decoding, tutorial
from .by_hand import BATCH, learning_mode, precise, prepare
from .material import Material, Phase

STEPS = 4
WORKERS = (0, 2, 4)
LOADERS = (0, 1, 2, 4)  # workers that only read


def run(material: Material, phases: Sequence[Phase], seed: int, groups: Sequence[str]) -> dict[str, Any]:
    """Seconds of each candidate, by group.

    Arguments:
        groups: `step` (forward and backward of one batch, by precision), `forward` (inference of one batch, by precision),
            `workers` (one epoch of the tutorial's loop, by number of workers) and `loader` (all photos read once by
            ImageFolder, by number of workers; the middle one of three times).
    """
    found: dict[str, dict[str, float]] = {group: {} for group in groups}
    if {"step", "forward"} & found.keys():
        _probe_precisions(found, material, seed)
    if "workers" in found:
        one = [Phase(phases[0].frozen, 1, phases[0].lr)]
        for workers in WORKERS:
            act = partial(tutorial.run, material, one, seed, workers)
            found["workers"][str(workers)] = _seconds(act, times=1, warm=False)
    if "loader" in found:
        for workers in LOADERS:
            act = partial(decoding.run_torchvision, material, phases, seed, workers)
            found["loader"][str(workers)] = _seconds(act, times=3, warm=False)
    return found


def _probe_precisions(found: dict[str, dict[str, float]], material: Material, seed: int) -> None:
    """Fill in `step` and `forward`, where they are asked for."""
    pixels, labels = (x[:BATCH] for x in material.read("train"))
    for precision in ("float32", "bfloat16"):
        model = material.model(seed).to(memory_format=torch.channels_last)

        def scores(model=model, precision=precision) -> torch.Tensor:
            with precise(precision, "cpu"):
                return model(prepare(pixels, material))

        def forward(model=model, scores=scores) -> None:
            model.eval()
            with torch.no_grad():
                scores()

        def step(model=model, scores=scores) -> None:
            learning_mode(model)
            model.zero_grad()
            F.cross_entropy(scores().float(), labels).backward()

        for group, action in (("forward", forward), ("step", step)):
            if group in found:
                found[group][precision] = _seconds(action)


def _seconds(action: Callable[[], Any], times: int = STEPS, warm: bool = True) -> float:
    """The median time of one call, after one that does not count."""
    spent = []
    for _ in range(times + warm):
        start = time.perf_counter()
        action()
        spent.append(time.perf_counter() - start)
    return sorted(spent[warm:])[len(spent[warm:]) // 2]
