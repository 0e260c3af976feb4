"""Mode: what frozen and trained mean for the layers of a network, for as long as a context lasts.

with net.mode(frozen=3):
    ...        # blocks 0 to 2 are a fixed function: eval mode, no gradients; the others are in train mode
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from .cutting.blocks import Block
from .errors import CourseError
from .training.interrupts import unbroken

RUNNING = (nn.modules.batchnorm._NormBase,)  # layers whose buffers move in train mode


class Mode:
    """Sets train and eval mode and `requires_grad` for a cut; on leaving, both are as they were before. Can be used again."""

    def __init__(self, blocks: Sequence[Block], cut: int, norm: str, frozen_norm: str, first: int) -> None:
        if norm not in ("train", "eval", "adapt"):
            raise CourseError(
                f"norm={norm!r} is not known; use 'train' (BatchNorm follows the batch), 'eval' (it stays as it is) or 'adapt' "
                "(measured anew as the stage starts)."
            )
        # Trained blocks first: where a frozen block shares a module without weights, frozen wins.
        self.training: dict[nn.Module, bool] = {}
        self.gradients: dict[nn.Parameter, bool] = {}
        for i in reversed(range(first, len(blocks))):
            trains = i >= cut
            moves = norm == "train" if trains else frozen_norm == "train"
            for module in blocks[i].module.modules():
                self.training[module] = moves if isinstance(module, RUNNING) else trains
            self.gradients |= dict.fromkeys(blocks[i].parameters(), trains)
        self.changed: list[tuple[Any, bool]] = []

    def __enter__(self) -> None:
        try:
            with unbroken():
                self.changed = [(m, m.training) for m, flag in self.training.items() if m.training != flag]
                self.changed += [(p, p.requires_grad) for p, flag in self.gradients.items() if p.requires_grad != flag]
                for changed, before in self.changed:
                    _switch(changed, not before)
        except KeyboardInterrupt:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        with unbroken():
            for changed, before in self.changed:
                _switch(changed, before)
            self.changed = []


def _switch(changed: nn.Module | nn.Parameter, flag: bool) -> None:
    if isinstance(changed, nn.Module):
        changed.training = flag
    else:
        changed.requires_grad_(flag)
