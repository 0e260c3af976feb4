"""Many heads on one frozen body: 32 one after another, and 32 side by side.

    run_by_hand(material, phases, seed=0)          # a plain loop for each head
    run_one_by_one(material, phases, seed=0)       # the course's `fit`, 32 times
    run_stacked(material, phases, seed=0)          # the course's `fit_heads`, once

The features are worked out before the clock starts, for all alike. Each head has its own seed and learning rate. The
accuracy is the mean over the heads.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from statistics import mean
from typing import Any

from .material import Material, Phase

HEADS = 32


def run_by_hand(material: Material, phases: Sequence[Phase], seed: int, heads: int = HEADS) -> dict[str, Any]:
    """The plain loop of by_hand.py on features in memory."""
    import copy

    import torch

    from . import by_hand

    _, blocks, data = by_hand.load(material, seed, "cpu")
    known = by_hand.features_once(blocks, data, material, "float32", "cpu")
    start, accuracies = time.perf_counter(), []
    for number in range(heads):
        torch.manual_seed(number)
        head = copy.deepcopy(blocks[-1])
        phase = replace(phases[0], lr=rate(phases[0], number))
        accuracies.append(by_hand.train(head, lambda x: x, known, phase, "float32", "float32", "cpu", False))
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "accuracy": mean(accuracies), "count": len(known["val"][1])}


def run_one_by_one(material: Material, phases: Sequence[Phase], seed: int, heads: int = HEADS) -> dict[str, Any]:
    """`fit` for each head."""
    import course_lib as cl

    images, net = _remembered(material, phases, seed)
    nets = [net.copy() for _ in range(heads)]
    start, accuracies = time.perf_counter(), []
    for number, each in enumerate(nets):
        for record in cl.fit(each, images, _stage(phases[0], number), seed=number, device="cpu", validate_every=0):
            val = record.val
        accuracies.append(val.accuracy)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "accuracy": mean(accuracies), "count": len(images.rows("val"))}


def run_stacked(material: Material, phases: Sequence[Phase], seed: int, heads: int = HEADS) -> dict[str, Any]:
    """`fit_heads` for all of them."""
    from course_lib.stacked.fit_heads import HeadRun, fit_heads

    images, net = _remembered(material, phases, seed)
    start = time.perf_counter()
    runs = [HeadRun(_stage(phases[0], number), seed=number) for number in range(heads)]
    for record in fit_heads(net, images, runs, device="cpu"):
        last = record
    accuracies = last.heads.accuracies("val")
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "accuracy": accuracies.mean().item(), "count": len(images.rows("val"))}


def rate(phase: Phase, number: int) -> float:
    """Learning rates from a third to three times that of the phase."""
    return phase.lr * 3 ** (2 * (number % HEADS) / (HEADS - 1) - 1)


def _stage(phase: Phase, number: int):
    import course_lib as cl

    return cl.Stage(frozen=phase.frozen, epochs=phase.epochs, lr=rate(phase, number))


def _remembered(material: Material, phases: Sequence[Phase], seed: int):
    """The photos and a fresh network, after one epoch of another copy: the features are in memory."""
    import course_lib as cl

    from .with_course import read

    images = read(material)
    net = cl.load(material.network, classes=images.classes, weights=material.weights, seed=seed)
    for _ in cl.fit(net.copy(), images, replace(_stage(phases[0], 0), epochs=1), device="cpu"):
        pass
    return images, net
