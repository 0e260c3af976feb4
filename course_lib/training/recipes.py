"""The ways of transferring between networks, each as a list of stages.

for record in fit(net, dogs, fine_tune(epochs=10, frozen=-3, decay=0.5)): ...
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from ..errors import CourseError
from .stage import Stage


def from_scratch(epochs: int = 60, lr: float = 1e-3, batch: int = 16, **options: Any) -> list[Stage]:
    """Train every block at one rate: the baseline, for a network with random weights. `options` go to `Stage`.

    Small batches: with few images, a random network needs many steps before anything is learned.
    """
    return [Stage(frozen=0, epochs=epochs, lr=lr, batch=batch, name="from scratch", **options)]


def feature_extraction(epochs: int = 20, lr: float = 3e-3, **options: Any) -> list[Stage]:
    """Train a new head on a frozen body."""
    return [Stage(frozen=-1, epochs=epochs, lr=lr, name="feature extraction", **options)]


def fine_tune(epochs: int = 10, frozen: int = 0, lr: float = 1e-3, decay: float = 0.7, **options: Any) -> list[Stage]:
    """Train all blocks from `frozen` on, the lower ones slower by `decay` a block (Howard and Ruder 2018)."""
    return [Stage(frozen=frozen, epochs=epochs, lr=lr, decay=decay, name="fine-tuning", **options)]


def probe_then_fine_tune(
    epochs: int = 10, frozen: int = 0, lr: float = 1e-3, decay: float = 0.7, probe_epochs: int = 20, **options: Any
) -> list[Stage]:
    """First the head alone, then the blocks from `frozen` on, so that a random head does not shake the body (Kumar et al. 2022)."""
    return [*feature_extraction(probe_epochs), *fine_tune(epochs, frozen, lr, decay, **options)]


def gradual_unfreezing(
    cuts: Sequence[int] = (-1, -2, -3), epochs: int = 3, lr: float = 1e-3, decay: float = 0.7, **options: Any
) -> list[Stage]:
    """Unfreeze from the head down, a stage for each cut (Howard and Ruder 2018, arXiv 1801.06146, section 3.3).

    Arguments:
        cuts: what is frozen in each stage, counted as in `Stage`; all of one sign, each freezing less than the one before.
        epochs: of each stage.

    Raises `CourseError` where the cuts do not go down.
    """
    cuts = tuple(cuts)
    # 0 freezes nothing, whichever way the others are counted.
    counted = [cut for cut in cuts if cut] if cuts and cuts[-1] == 0 else list(cuts)
    falling = all(a > b for a, b in pairwise(counted))
    if not counted or not falling or min(counted) < 0 < max(counted):
        raise CourseError(
            f"cuts={cuts} was given; gradual unfreezing frees more from stage to stage, for example (-1, -2, -4) or (5, 3, 0)."
        )
    return [Stage(frozen=cut, epochs=epochs, lr=lr, decay=decay, name=f"frozen={cut}", **options) for cut in cuts]
