"""Inference: the course's evaluation, which runs all but the head as a frozen prefix, against the plain eval loop.

    run_plain(material, phases, seed=0)
    run_course(material, phases, seed=0)

Both get the photos in memory and a network in memory, with the head that its weights bring; the time is that of one pass
over all photos, from uint8 to class scores. What was said of each photo is kept, so that the table can count the answers
that agree.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

import torch

from .by_hand import BATCH
from .material import Material, Phase


def run_plain(material: Material, phases: Sequence[Phase], seed: int) -> dict[str, Any]:
    """`model.eval()`, `no_grad`, batches of 32, float32, memory as torch lays it out."""
    pixels = _pixels(material)
    model = material.model(seed, new_head=False).eval()
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in material.stats)
    start = time.perf_counter()
    with torch.no_grad():
        said = torch.cat([model((part.float() / 255 - mean) / std).argmax(1) for part in pixels.split(BATCH)])
    return {"seconds": time.perf_counter() - start, "said": said.tolist()}


def run_course(material: Material, phases: Sequence[Phase], seed: int, precision: str | None = None) -> dict[str, Any]:
    """`evaluate(..., frozen=-1)` with nothing remembered, in the precision that the course chooses, or in the one asked for."""
    import course_lib as cl

    if precision:
        os.environ["COURSE_PRECISION"] = precision

    net = cl.load(material.network, weights=material.weights, seed=seed)
    pixels = _pixels(material)
    rows = torch.arange(len(pixels))
    images = cl.ImageSet("photos", pixels, torch.zeros(len(pixels), dtype=torch.int64), net.classes, {"test": rows})
    start = time.perf_counter()
    result = cl.evaluate(net, images, "test", frozen=-1)
    return {"seconds": time.perf_counter() - start, "said": result.predictions.tolist()}


def _pixels(material: Material) -> torch.Tensor:
    return torch.cat([material.read(split)[0] for split in ("train", "val")])
