"""Gaps that ship with the course: every run with its settings, and when and where it was done.

    recorded_gaps(load_images("dogworld"))                  # as far as they fit these images, weights and recipes
    cases = [Case(source, n) for source in sources() for n in (5, 10, 20, 50)]
    watch(record(load_images("dogworld"), "pawnet", cases))  # measure all of it anew

What is written are hits, image by image, so that intervals are worked out anew by whoever reads them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import platform
import time
from collections.abc import Generator, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..images import ImageSet
from ..paths import ROOT, atomic
from .transfer_gap import Bench, Case, Gap, GapStep, Recipe, check_cases, paired_gap, pairs_of, train_all, train_head

RECORDED = ROOT / "data" / "recorded" / "transfer_gap.json"


def recorded_gaps(
    images: ImageSet,
    model: str = "pawnet",
    *,
    recipe: Recipe = train_all,
    head: Recipe = train_head,
    path: Path = RECORDED,
) -> list[Gap]:
    """The gaps that ship with the course, as far as they were measured on these images, weights and recipes."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        runs, said = held["runs"], f"{held['date']}, {held['machine']}, torch {held['torch']}"
    except (OSError, ValueError, KeyError, TypeError):
        return []
    bench = Bench(images, model, recipe, head, "any")
    known = {_key(bench, *_asked(run), run["seed"]): _unpack(run["hits"], held["test_images"]) for run in runs}
    kept_keys = {run["key"] for run in runs}
    gaps = []
    for case in dict.fromkeys(_asked(run)[0] for run in runs if run["source"]):
        pairs = []
        for seed in sorted({run["seed"] for run in runs}):
            keys = (_key(bench, case, case.per_class, seed), _key(bench, None, case.per_class, seed))
            if all(key in kept_keys for key in keys):
                pairs.append([known[key] for key in keys])
        if len(pairs) > 1:
            gaps.append(paired_gap(case, *zip(*pairs, strict=True), recorded=said))
    return gaps


def record(
    images: ImageSet,
    model: str,
    cases: Iterable[Case],
    *,
    seeds: int = 10,
    recipe: Recipe = train_all,
    head: Recipe = train_head,
    path: Path = RECORDED,
) -> Generator[GapStep, None, list[Gap]]:
    """Measure as `transfer_gap` does, and write every run down with its settings, the date and the machine.

    cases = [Case(source, n) for source in sources() for n in (5, 10, 20, 50)]
    watch(record(load_images("dogworld"), "pawnet", cases))
    """
    cases = list(dict.fromkeys(cases))
    check_cases(images, model, cases, seeds)
    bench = Bench(images, model, recipe, head, "cpu")
    gaps = yield from pairs_of(bench, cases, seeds)
    runs = []
    for case, n in [*((case, case.per_class) for case in cases), *((None, n) for n in {c.per_class for c in cases})]:
        for seed in range(seeds):
            told = {"source": "", "how": "scratch", "blocks": None} | ({} if case is None else asdict(case))
            hits = bench.done[case, n, seed]
            told |= {"per_class": n, "seed": seed, "accuracy": round(hits.count("1") / len(hits), 4)}
            runs.append(told | {"key": _key(bench, case, n, seed), "hits": _pack(hits)})
    held = {
        "what": "hits on the test split of networks with transfer and from scratch; course_lib/experiments/transfer_gap.py",
        "model": model,
        "images": images.name,
        "test_images": len(images.rows("test")),
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.system()} {platform.machine()}, CPU",
        "torch": torch.__version__,
        "runs": runs,
    }
    with atomic(path) as file:
        file.write(json.dumps(held, indent=0).encode())
    return gaps


def _key(bench: Bench, case: Case | None, per_class: int, seed: int) -> str:
    """What a recorded run is found by: a hash of its settings, of the labels and of the splits, 16 hex digits.

    Not of the pixels: another machine may draw one of thousands of them a shade lighter, and the results stay what they are.
    """
    images = bench.images
    told = {**bench.settings(case, per_class, seed), "images": [images.name, list(images.images.shape)]}
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for part in (images.labels, *(images.splits[name] for name in sorted(images.splits))):
        digest.update(part.numpy().tobytes())
    return digest.hexdigest()[:16]


def _asked(run: dict[str, Any]) -> tuple[Case | None, int]:
    """Case and images a class of a recorded run."""
    n = run["per_class"]
    return (Case(run["source"], n, run["how"], run["blocks"]) if run["source"] else None), n


def _pack(hits: str) -> str:
    """Hits as text, eight in a byte."""
    return base64.b64encode(np.packbits([mark == "1" for mark in hits]).tobytes()).decode()


def _unpack(text: str, count: int) -> str:
    bits = np.unpackbits(np.frombuffer(base64.b64decode(text), np.uint8))[:count]
    return "".join("1" if bit else "0" for bit in bits)
