"""Record: one line of the story that `fit` tells, cheap to make and read only when someone looks."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import torch

from ..evaluation import Evaluation


@dataclass(frozen=True)
class Record:
    """Where a run stands.

    Attributes:
        phase: `resume` once, when a run is taken up from its checkpoint; `remember` while frozen blocks are worked out (done
            and total count images; the first says in its note how much it will be, before any work); `train` after a step.
        stage: number of the stage from 0; `name` is what it is called.
        step, steps: steps trained so far and in the whole recipe (fewer when a stage ends early).
        seconds: since the start of this call of `fit`.
        epoch: number of the epoch within the stage, from 1.
        done, total, bytes: of the phase `remember`.
        lr: learning rate of the last block in this step.
        val: Evaluation on the val split at the end of an epoch, else None.
        note: a sentence on what the run had to change or decided, such as an early end; empty most of the time.
    """

    phase: Literal["resume", "remember", "train"]
    stage: int
    name: str
    step: int
    steps: int
    seconds: float
    epoch: int = 0
    done: int = 0
    total: int = 0
    bytes: int = 0
    lr: float = 0.0
    val: Evaluation | None = None
    note: str = ""
    _sums: torch.Tensor | None = field(default=None, repr=False)  # loss and share of hits, still on the device

    @property
    def progress(self) -> float:
        """How much of the recipe is done, 0 to 1."""
        return self.step / self.steps

    @property
    def text(self) -> str:
        """Where the run stands, in words; reading it waits for the device."""
        if self.phase == "resume" or (self.note and self.phase == "remember"):
            return f"{self.name}: {self.note}"
        if self.phase == "remember":
            return f"{self.name}: frozen blocks, image {self.done:,} of {self.total:,} ({self.bytes / 1e6:.0f} MB to remember)"
        said = f"{self.name}: step {self.step:,} of {self.steps:,} in {self.seconds:.1f} s, loss {self.loss:.2f}"
        return f"{said}. {self.note}" if self.note else said

    @property
    def loss(self) -> float:
        """Mean cross-entropy of this step's batch, in nats; reading it waits for the device."""
        return math.nan if self._sums is None else self._sums[0].item()

    @property
    def accuracy(self) -> float:
        """Share of this step's batch that was right before the step, 0 to 1; reading it waits for the device."""
        return math.nan if self._sums is None else self._sums[1].item()
