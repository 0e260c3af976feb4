"""AdamW and SGD for many heads at once, each with a learning rate and a weight decay of its own.

    descent = Descent(side_by_side(heads, device), "adamw")
    descent(gradients, rates, decays)       # one number for each head, or for the first ones where the others are done
    descent.values["weight"]                # R,classes,features

What AdamW adds to a weight is its learning rate times something that hangs on gradients alone. So torch's own AdamW moves
zeros at the rate 1, and each head goes its own rate along its part of that; where all rates are equal it moves the heads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch.optim.adamw import adamw

from ..training.step import MOMENTUM

Tensors = dict[str, torch.Tensor]
BETAS, EPS = (0.9, 0.999), 1e-8  # what torch.optim.AdamW has where nothing else is said


def side_by_side(heads: Sequence[Mapping[str, torch.Tensor]], device: torch.device) -> Tensors:
    """Parameters of several heads, name -> float R,..., in plain memory layout (vmap has no fast pooling for another one)."""
    flat = {name: torch.stack([head[name].detach().flatten() for head in heads]) for name in heads[0]}
    return {name: p.to(device, torch.float32).view(-1, *heads[0][name].shape) for name, p in flat.items()}


class Descent:
    """Moves the parameters of R heads, in place.

    Arguments:
        values: name -> float R,...
        optimizer: `adamw` or `sgd`, as a `Stage` names them.
    """

    def __init__(self, values: Tensors, optimizer: str) -> None:
        self.values, self.optimizer, self.steps = values, optimizer, 0
        self.means, self.squares, self.changes = (
            {name: torch.zeros_like(p) for name, p in values.items()} for _ in range(3)
        )

    @torch.no_grad()
    def __call__(self, gradients: Tensors, rates: np.ndarray, decays: np.ndarray) -> None:
        """One step of the first heads, as many as there are rates.

        Arguments:
            gradients: name -> float R,...; they are used up.
            rates, decays: learning rate and weight decay of each, float R; decay is for weights with two or more dimensions.
        """
        first = slice(len(rates))
        matrices = {name: p[first] for name, p in self.values.items() if p.ndim > 2}
        if self.optimizer == "sgd":
            for name, p in matrices.items():
                gradients[name].addcmul_(p, _along(p, decays))
            for name, gradient in gradients.items():
                p, mean = self.values[name][first], self.means[name][first]
                p.addcmul_(mean.mul_(MOMENTUM).add_(gradient), _along(p, -rates))
        else:
            for p in matrices.values():
                p.mul_(_along(p, 1 - rates * decays))
            alike = bool((rates == rates[0]).all())
            self._adamw(self.values if alike else self.changes, gradients, first, float(rates[0]) if alike else 1.0)
            for name, change in self.changes.items() if not alike else ():
                p = self.values[name][first]
                p.addcmul_(change[first], _along(p, rates))
                change.zero_()
        self.steps += 1

    def _adamw(self, moved: Tensors, gradients: Tensors, first: slice, rate: float) -> None:
        parts = [
            [tensors[name][first] for name in gradients] for tensors in (moved, gradients, self.means, self.squares)
        ]
        device = parts[0][0].device
        counts = [torch.tensor(float(self.steps), device=device) for _ in gradients]
        adamw(
            *parts,
            [],
            counts,
            fused=device.type in ("cuda", "cpu"),
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=rate,
            weight_decay=0.0,
            eps=EPS,
            maximize=False,
        )


def _along(p: torch.Tensor, numbers: np.ndarray) -> torch.Tensor:
    """One number for each head, in a shape that multiplies R,..."""
    return torch.tensor(numbers, dtype=p.dtype, device=p.device).view(-1, *[1] * (p.ndim - 1))
