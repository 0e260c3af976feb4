"""The pull towards the starting point: L2-SP (Li, Grandvalet and Davoine 2018, arXiv 1802.01483), decoupled.

    start = [p.detach().clone() for p in parameters]
    ...
    optimizer.step()
    pull_back(parameters, start, lr * pull)

The paper adds pull / 2 * |w - start|^2 to the loss. Under an adaptive optimizer that gradient is divided like any other, and
weights that move little are pulled little. So it is taken out of the loss and done after the step, as AdamW does with weight
decay (Loshchilov and Hutter 2017, arXiv 1711.05101). For plain SGD both are the same, up to a term in lr squared.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch


@torch.no_grad()
def pull_back(parameters: Sequence[torch.Tensor], start: Sequence[torch.Tensor], share: float) -> None:
    """Move parameters, in place, by a share (0 to 1) of the way to where they started."""
    torch._foreach_lerp_(list(parameters), list(start), share)
