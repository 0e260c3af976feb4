"""What the page of DomainTaskLab is told: plain numbers and words, made of what was drawn, measured and trained.

page_of(measure(source, target, looker), (source, target), per_class=5)      # JSON
panel_of(0, (source, target), tables)                                        # the labels under the pictures
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .animals import Table
from .marginal import Sample
from .panels import Measured, Panel
from .tasks import ASKED
from .transfer import Result, TransferStep

SIDES = ("source", "target")
ROWS = 900  # of the curve, at most
PHASES = ("draw", "source", "heads", "scratch")


def panel_of(number: int, panels: Sequence[Panel], tables: Sequence[Table]) -> dict[str, Any]:
    """A panel's pictures in words: their labels under its own task and under the other panel's."""
    panel, other = panels[number], panels[1 - number]
    return {
        "size": panel.domain.size,
        "words": panel.words,
        "asked": ASKED[panel.task],
        "labels": panel.label(tables[number]),
        "others": other.label(tables[number]),
    }


def page_of(found: Measured, panels: Sequence[Panel], per_class: int) -> dict[str, Any]:
    """What was measured: the statement, the scatter, the pixels, P(Y) and the same pictures under both tasks."""
    statement, test, pictures = found.statement, found.test, found.pictures
    return {
        "statement": {
            "parts": [
                {"name": part.name, "same": part.same, "verdict": part.verdict, "words": part.words}
                for part in statement.parts
            ],
            "kind": statement.kind,
            "why": statement.why,
            "same_domain": statement.same_domain,
            "same_task": statement.same_task,
        },
        "scatter": {
            "points": [[[round(v, 3) for v in point] for point in side.tolist()] for side in found.points],
            "shown": found.shown,
            "apart": test.apart,
            "p": test.p,
            "words": f"The means lie {test.apart:.2f} spreads apart; p = {test.p_words}.",
            "alt": found.alt,
        },
        "pixels": [_pixels(side) for side in (found.a, found.b)],
        "labels": [
            {"classes": list(panel.classes), "counts": panel.counts(side, per_class), "task": panel.task}
            for side, panel in zip(SIDES, panels, strict=True)
        ],
        "pictures": pictures.words,
    }


def _pixels(sample: Sample) -> dict[str, Any]:
    pixels = sample.pixels
    return {"mean": pixels.mean, "spread": pixels.spread, "edges": pixels.edges, "brightness": pixels.brightness}


def result_of(result: Result, panels: Sequence[Panel]) -> dict[str, Any]:
    """A transfer's result; an interval without an end is None."""
    ends = [end if math.isfinite(end) else None for end in (result.low, result.high)]
    return {
        "source": panels[0].words,
        "target": panels[1].words,
        "per_class": result.per_class,
        "transferred": result.transferred,
        "scratch": result.scratch,
        "transferred_mean": float(np.mean(result.transferred)),
        "scratch_mean": float(np.mean(result.scratch)),
        "guess": result.guess,
        "as_is": result.as_is,
        "gain": result.gain,
        "low": ends[0],
        "high": ends[1],
        "clear": result.clear,
        "verdict": result.verdict,
        "test_images": result.test_images,
    }


def curve_rows(steps: Sequence[TransferStep]) -> bytes:
    """Losses as float32 rows: line (0 source net, 1 heads, 2 and up the runs from scratch), step, loss; thinned."""
    lines: dict[int, list[float]] = {}
    for step in steps:
        if not math.isnan(step.loss):
            line = {"source": 0, "heads": 1}.get(step.phase, 2 + step.seed)
            lines.setdefault(line, []).append(step.loss)
    thin = max(1, -(-sum(map(len, lines.values())) // ROWS))
    rows = [
        (line, start, float(np.mean(losses[start : start + thin])))
        for line, losses in lines.items()
        for start in range(0, len(losses), thin)
    ]
    return np.array(rows, np.float32).reshape(-1, 3).tobytes()
