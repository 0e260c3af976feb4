"""Plan: one transfer between two panels, as settings; and a picture of the two panels.

plan = Plan(Panel(Domain("source")), Panel(Domain("target", seed=1)), per_class=5, seeds=5)
print(plan.code)                    # lines that do the same
for step in plan.steps():           # draws both sets, then transfers
    print(step.text)
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from .. import plots
from ..errors import CourseError
from .animals import Domain, Streams, Table
from .compare import Statement
from .page import SIDES
from .panels import SOURCE_SHARES, Panel
from .transfer import SCRATCH, SOURCE, Result, TransferStep, quick_transfer

STARTS = ("random", "photos", "textures", "animals")
RANGES = {"per_class": (1, 20), "seeds": (2, 10)}
DRAWN = 0.1  # share of the progress that drawing both sets is counted as
PICTURES = 12
PASSES, DRAWINGS = 600, 400  # a second; measured on one core of a 2-core machine, torch 2.15


@dataclass(frozen=True)
class Plan:
    """What a transfer is run with.

    Arguments:
        source, target: the panels.
        per_class: target images of each class to learn from, 1 to 20.
        seeds: pairs of runs, 2 to 10.
        start: what the source's net starts from, one of `STARTS`: random weights or a shipped net.

    Raises `CourseError` for values out of range.
    """

    source: Panel
    target: Panel
    per_class: int = 5
    seeds: int = 5
    start: str = "random"

    def __post_init__(self) -> None:
        for name, (least, most) in RANGES.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                raise CourseError(f"{name}={value!r} is out of range; it is a whole number from {least} to {most}.")
        if self.start not in STARTS:
            raise CourseError(
                f"start={self.start!r} is not known; the source's net starts from {', '.join(STARTS)}. Choose one."
            )

    @property
    def panels(self) -> tuple[Panel, Panel]:
        return self.source, self.target

    @property
    def options(self) -> dict[str, Any]:
        """What `quick_transfer` takes beside the sets."""
        options: dict[str, Any] = {"per_class": self.per_class, "seeds": self.seeds}
        return options if self.start == "random" else options | {"start": self.start}

    @property
    def code(self) -> str:
        """Lines that make both sets and run the transfer."""
        options = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        return "\n".join(
            [
                "from course_lib.domains import Domain, quick_transfer",
                self.source.code("source"),
                self.target.code("target", self.per_class),
                f"for step in quick_transfer(source, target, {options}):",
                "    pass",
                "step.result.verdict",
            ]
        )

    @property
    def passes(self) -> int:
        """Image passes of the training, about: images times epochs. The heads' are left out: they cost next to nothing."""
        images = self.source.images_in("source")
        scratch = self.per_class * len(self.target.classes) * SCRATCH.epochs * self.seeds
        return round(SOURCE_SHARES["train"] * images * SOURCE.epochs) + scratch

    @property
    def seconds(self) -> float:
        """About how long the transfer takes on two cores."""
        drawn = self.source.images_in("source") + self.target.images_in("target", self.per_class)
        return self.passes / PASSES + drawn / DRAWINGS

    def steps(self) -> Iterator[TransferStep]:
        """Draw both sets and run the transfer, step by step."""
        sets = []
        for i, (role, panel) in enumerate(zip(SIDES, self.panels, strict=True)):
            work = panel.drawing(role, self.per_class)
            while True:
                try:
                    done, total = next(work)
                except StopIteration as end:
                    sets.append(end.value)
                    break
                text = f"drawing the {role}: {done:,} of {total:,} images"
                yield TransferStep("draw", DRAWN * (i + done / total) / 2, text)
        for step in quick_transfer(*sets, **self.options):
            yield replace(step, progress=DRAWN + (1 - DRAWN) * step.progress)

    def row(self, result: Result, seconds: float) -> list[Any]:
        """The transfer as a row of a table."""
        means = [float(np.mean(found)) for found in (result.transferred, result.scratch)]
        told = [self.source.words, self.target.words, self.start, self.per_class, self.seeds]
        return [*told, *means, result.gain, result.low, result.high, seconds]


@lru_cache(maxsize=64)
def pictures_of(domain: Domain) -> tuple[Table, Streams, torch.Tensor]:
    """The pictures that a panel shows, with their factors and streams; drawn once. Pixels: uint8 N,3,S,S."""
    table, streams = domain.sample(PICTURES)
    return table, streams, domain.draw(table, streams)


def draw_panels(panels: tuple[Panel, Panel], statement: Statement, alt: str) -> plots.Picture:
    """Pictures of both panels, and what differs."""
    fig, axes = plots.figure(9.0, 5.2, 1, 2)
    for axis, side, panel in zip(axes[0], SIDES, panels, strict=True):
        axis.imshow(_mosaic(pictures_of(panel.domain)[2]), interpolation="nearest")
        axis.axis("off")
        axis.set_title(textwrap.fill(f"{side}: {panel.words}", 66), fontsize=8)
    lines = [f"{part.name}: {part.verdict}; {part.words}" for part in statement.parts]
    text = "\n".join(textwrap.fill(line, 125) for line in [*lines, f"{statement.kind}: {statement.why}"])
    fig.supxlabel(text, fontsize=8, ha="left", x=0.01)
    return plots.Picture(fig, alt)


def _mosaic(images: torch.Tensor, columns: int = 4) -> np.ndarray:
    """Pictures in rows, with a white line between them: H,W,3."""
    count, _, size, _ = images.shape
    rows = -(-count // columns)
    sheet = np.full((rows * (size + 2), columns * (size + 2), 3), 255, np.uint8)
    for i, image in enumerate(images.permute(0, 2, 3, 1).numpy()):
        y, x = (i // columns) * (size + 2), (i % columns) * (size + 2)
        sheet[y : y + size, x : x + size] = image
    return sheet
