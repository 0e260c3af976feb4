"""On a CUDA device: the tutorial's loop and the course, and the share of the device's matrix rate that each one uses.

    run(material, phases, seed=0, loop="tutorial")

The share is the floating-point operations of the network (forward for each photo looked at, and twice that for the backward
pass of each photo learned from) over time, divided by the rate that the same device reaches on one large bfloat16 matrix product.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch.utils.flop_counter import FlopCounterMode

from . import tutorial, with_course
from .material import Material, Phase

EDGE, TIMES = 8192, 30  # of the matrices; products in one turn


def run(
    material: Material,
    phases: Sequence[Phase],
    seed: int,
    loop: Literal["tutorial", "course"],
    device: str = "cuda",
    edge: int = EDGE,
    workers: int = 4,
) -> dict[str, Any]:
    """Train on the device; beside time and accuracy, `share` of the matrix rate (0 to 1) and the `rate` in FLOP/s.

    The course says how long training took without opening the photos, so it has a `training_share` too.
    """
    start = time.perf_counter()
    if loop == "tutorial":
        found = tutorial.run(material, phases, seed, workers, device)
    else:
        found = with_course.run(material, phases, seed, device=device)
    if device == "cuda":
        torch.cuda.synchronize()
    seconds = time.perf_counter() - start
    work = operations(material, phases)
    rate = matrix_rate(device, edge)
    shares = {"share": work / seconds / rate, "rate": rate}
    if "parts" in found:
        shares["training_share"] = work / found["parts"]["training"] / rate
    return {**found, "seconds": seconds, **shares}


def operations(material: Material, phases: Sequence[Phase]) -> float:
    """Floating-point operations of full training: 3 forwards for a photo learned from, 1 for one looked at."""
    if any(phase.frozen for phase in phases):
        raise ValueError("Operations are counted for full training only; this task has frozen blocks.")
    model = material.model(0).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 3, material.size, material.size))
    train, val = (len(material.files(split)) for split in ("train", "val"))
    return sum(phase.epochs for phase in phases) * (3 * train + val) * counter.get_total_flops()


def matrix_rate(device: str, edge: int, times: int = TIMES) -> float:
    """FLOP/s of a square bfloat16 matrix product, the best of three turns of `times` products."""
    a, b = (torch.randn(edge, edge, device=device, dtype=torch.bfloat16) for _ in range(2))
    rates = []
    for _ in range(3):
        a @ b
        _wait(device)
        start = time.perf_counter()
        for _ in range(times):
            a @ b
        _wait(device)
        rates.append(times * 2 * edge**3 / (time.perf_counter() - start))
    return max(rates)


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
