"""Dropout for many runs at once: each run gets the masks that its own run of `fit` would draw.

    masks = Masks(net.blocks[-1].module, stages)
    drawn = masks.draw(moments, sizes, x)                # name -> R,B,...
    functional_call(masks.head, {**parameters, **drawn}, (x,))

A dropout of `fit` draws inside `draws.moment`, so it can be drawn again; what it makes of ones is its mask.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from ..cutting.blocks import DROPOUTS
from ..errors import CourseError
from ..mode import RUNNING
from ..training.draws import moment
from ..training.stage import Stage

Moment = tuple[int, int, int]  # seed, epoch, step of the epoch
PLAIN = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)  # those that multiply with a mask and do nothing else


class Masked(nn.Module):
    """Stands where a dropout stood, and multiplies with its mask."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.ones(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.mask


class Masks:
    """A head whose dropouts take their masks from outside.

    Arguments:
        head: maps features to scores.
        stages: of the runs; `dropout` says how much each drops.

    Attributes:
        head: a copy as it trains, with BatchNorm as it is, and `Masked` in the place of each dropout. A head without
            dropout gets one before its last weight matrix, for stages that ask for it (as `layers.head_dropout` does).
        dropouts: the dropouts, by the name that `head` has for their masks.

    Raises `CourseError` for a dropout that does more than multiply.
    """

    def __init__(self, head: nn.Module, stages: Sequence[Stage]) -> None:
        self.head = copy.deepcopy(head).train().requires_grad_(False)
        self.dropouts: dict[str, nn.Module] = {}
        for path, module in list(self.head.named_modules()):
            if isinstance(module, RUNNING):
                module.eval()
            elif isinstance(module, DROPOUTS):
                if not isinstance(module, PLAIN):
                    raise CourseError(
                        f"The head has {type(module).__name__}, and only {', '.join(kind.__name__ for kind in PLAIN)} can be drawn "
                        "for many runs at once. Train it with `fit`, one at a time."
                    )
                parent, _, child = path.rpartition(".")
                setattr(self.head.get_submodule(parent), child, Masked())
                self.dropouts[f"{path}.mask"] = module
        if not self.dropouts:
            inside = [(path, module) for path, module in self.head.named_modules() if not list(module.children())]
            path, last = [(path, m) for path, m in inside if any(p.ndim >= 2 for p in m.parameters())][-1]
            added = Masked()
            last.add_module("dropped", added)
            last.register_forward_pre_hook(lambda _, inputs: (added(inputs[0]),))
            self.dropouts[".".join(filter(None, (path, "dropped", "mask")))] = nn.Dropout(0)
        built = [module.p for module in self.dropouts.values()]
        self.shares = [tuple(p if stage.dropout is None else stage.dropout for p in built) for stage in stages]
        self.drawn: dict[str, torch.Tensor] = {}
        self.ones: dict[int, dict[str, torch.Tensor]] = {}

    def draw(self, now: Sequence[Moment], sizes: Sequence[int], x: torch.Tensor) -> dict[str, torch.Tensor]:
        """The masks of one step, by name: float R,B,... each; empty where no run drops anything.

        Arguments:
            now, sizes: the moment, and the images in the batch, of each of the first R runs.
            x: features R,B,..., B being the largest size.
        """
        if not any(map(any, self.shares)):
            return {}
        known: dict[tuple, dict[str, torch.Tensor]] = {}  # runs that differ in their rate alone share their masks
        for number, key in enumerate(zip(self.shares, now, sizes, strict=False)):
            if key not in known:
                known[key] = self._draw_one(*key, x)
            for name, mask in known[key].items():
                if name not in self.drawn:
                    self.drawn[name] = torch.ones(*x.shape[:2], *mask.shape[1:], device=x.device)
                self.drawn[name][number, : len(mask)] = mask
        return {name: drawn[: x.shape[0], : x.shape[1]] for name, drawn in self.drawn.items()}

    def linear(self, features: int, device: torch.device) -> tuple[str, str | None] | None:
        """Names of weight and bias (or None) if the head is x -> F.linear(x * mask, weight, bias), else None."""
        layers = [(path, layer) for path, layer in self.head.named_modules() if isinstance(layer, nn.Linear)]
        if len(layers) != 1 or len(self.dropouts) != 1 or layers[0][1].in_features != features:
            return None
        path, layer = layers[0]
        names = [".".join(filter(None, (path, name))) for name, _ in layer.named_parameters()]
        if [name for name, _ in self.head.named_parameters()] != names:
            return None
        generator = torch.Generator().manual_seed(0)
        x, mask = (torch.randn(8, features, generator=generator).mul(100).to(device) for _ in "xm")
        try:
            scores = functional_call(self.head, dict.fromkeys(self.dropouts, mask), (x,))
        except RuntimeError:  # a mask of another shape: the dropout stands behind the layer
            return None
        expected = F.linear(x * mask, layer.weight, layer.bias)
        return (names[0], names[1] if len(names) > 1 else None) if torch.equal(scores, expected) else None

    def _draw_one(self, shares: Sequence[float], when: Moment, size: int, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """The masks that one run draws at a moment, in the order in which its head would draw them."""
        if size not in self.ones:
            self.ones[size] = self._ones(x[0, :size])
        for module, share in zip(self.dropouts.values(), shares, strict=True):
            module.train()
            module.p, module.inplace = share, False
        seed, epoch, step = when
        with moment(x.device, seed, 0, epoch, step):
            return {name: self.dropouts[name](ones) for name, ones in self.ones[size].items()}

    def _ones(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Ones in the shape and memory layout of what each dropout takes of a batch, since both decide what is drawn."""
        seen: list[tuple[str, torch.Tensor]] = []
        hooks = [
            self.head.get_submodule(name.removesuffix(".mask")).register_forward_hook(
                lambda _, inputs, __, name=name: seen.append((name, torch.ones_like(inputs[0])))
            )
            for name in self.dropouts
        ]
        self.head(x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x)
        for hook in hooks:
            hook.remove()
        if sorted(name for name, _ in seen) != sorted(self.dropouts):
            raise CourseError(
                "The head calls one of its dropouts twice, or not at all, so its masks cannot be drawn beforehand. Train it with "
                "`fit`, one at a time."
            )
        return dict(seen)
