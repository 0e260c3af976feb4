"""The course itself, through its public names only.

    run(material, phases, seed=0)                  # clean photos
    run(material, phases, seed=0, views=4)         # each photo seen in four ways

The features of frozen blocks are remembered in COURSE_CACHE: an empty folder for the timed run, and the same folder once
more for the figure that says "cache warm".
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import course_lib as cl  # before torch: it sets how long idle threads spin

from .material import Material, Phase

WARM_NAMES = (cl.load, cl.load_images, cl.fit, cl.Stage, cl.Augment, cl.ImageSet)  # lazy names: looked up, so imported


def run(
    material: Material, phases: Sequence[Phase], seed: int, views: int = 1, device: str | None = "cpu"
) -> dict[str, Any]:
    """Train by a recipe; the accuracy is that of the last epoch on the val photos."""
    start = time.perf_counter()
    images = read(material)
    net = cl.load(material.network, classes=images.classes, weights=material.weights, seed=seed)
    spent = {"photos and network": time.perf_counter() - start, "frozen blocks": 0.0, "training": 0.0}
    before, val = time.perf_counter(), None
    for record in cl.fit(net, images, recipe(phases, views), seed=seed, device=device):
        now = time.perf_counter()
        spent["training" if record.phase == "train" else "frozen blocks"] += now - before
        before, val = now, record.val or val
    return {"accuracy": val.accuracy, "count": len(images.rows("val")), "parts": spent}


def recipe(phases: Sequence[Phase], views: int = 1) -> list[cl.Stage]:
    """The phases as the course's recipes: its defaults, with BatchNorm held, as in the loop written by hand."""
    changes = {"augment": cl.Augment(), "views": views} if views > 1 else {}
    if [phase.frozen for phase in phases] == [-1]:
        return cl.feature_extraction(phases[0].epochs, **changes)
    if [phase.frozen for phase in phases] == [0]:
        return cl.fine_tune(phases[0].epochs, norm="eval", **changes)
    return [cl.Stage(phase.frozen, phase.epochs, phase.lr, norm="eval", **changes) for phase in phases]


def read(material: Material) -> cl.ImageSet:
    """The photos, with the peers' splits: everything in train/ is learned from, val/ is looked at."""
    images = cl.load_images(material.photos, size=material.size)
    if "test" not in images.splits:
        return images
    import torch

    # Of two folders the course makes three splits (it chooses on a part of train); the peers know two.
    together = torch.cat([images.rows("train"), images.rows("val")])
    return replace(images, splits={"train": together, "val": images.rows("test")})
