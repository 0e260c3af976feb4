"""The layers of a head: linear, or hidden layers and then a linear one.

head = head_layers(nn.Linear(192, 40), classes=3, hidden=(64,))      # what takes the place of nn.Linear(192, 40)
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from ..errors import CourseError
from ..training.draws import seeded

ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh}


def head_layers(
    old: nn.Linear | nn.Conv2d,
    classes: int,
    hidden: Sequence[int] = (),
    *,
    dropout: float | None = None,
    norm: bool = False,
    activation: str | None = None,
    seed: int = 0,
) -> nn.Module:
    """Layers from the inputs of `old` to the scores, as `new_head` says; one layer like `old` when nothing is hidden."""
    widths = list(hidden) if isinstance(hidden, Sequence) and not isinstance(hidden, str) else [hidden]
    if not isinstance(hidden, Sequence) or not all(type(w) is int and w >= 1 for w in widths):
        raise CourseError(
            f"hidden={hidden!r} is not known; it is a tuple of widths from 1, such as (256,), or () for none."
        )
    settings = {"dropout": dropout, "norm": norm or None, "activation": activation}
    given = [name for name, value in settings.items() if value is not None]
    if given and not widths:
        raise CourseError(
            f"hidden=() has no hidden layer for {' and '.join(given)}; leave it out, or give widths such as hidden=(256,). The "
            "dropout of a linear head is Stage(dropout=)."
        )
    share = 0.2 if dropout is None else dropout
    if not isinstance(share, int | float) or isinstance(share, bool) or not 0 <= share < 1:
        raise CourseError(f"dropout={dropout!r} is out of range; it is a number from 0 to below 1, or None for 0.2.")
    if activation is not None and activation not in ACTIVATIONS:
        raise CourseError(f"activation={activation!r} is not known; it is one of {', '.join(ACTIVATIONS)}.")
    conv = isinstance(old, nn.Conv2d)
    layers, before = OrderedDict(), old.in_channels if conv else old.in_features
    with seeded(seed):
        for i, width in enumerate(widths, 1):
            layers[f"hidden{i}"] = _like(old, before, width, first=i == 1)
            if norm:
                layers[f"norm{i}"] = nn.BatchNorm2d(width) if conv else nn.BatchNorm1d(width)
            layers[f"activation{i}"] = ACTIVATIONS[activation or "relu"]()
            layers[f"dropout{i}"] = nn.Dropout(share)
            before = width
        layers["scores"] = _like(old, before, classes, first=not widths, bias=old.bias is not None)
    return nn.Sequential(layers) if widths else layers["scores"]


def _like(old: nn.Linear | nn.Conv2d, inputs: int, outputs: int, first: bool, bias: bool = True) -> nn.Module:
    if isinstance(old, nn.Linear):
        return nn.Linear(inputs, outputs, bias=bias)
    if not first:  # it sees the map that the first one made
        return nn.Conv2d(inputs, outputs, 1, bias=bias)
    place = {name: getattr(old, name) for name in ("kernel_size", "stride", "padding", "dilation", "padding_mode")}
    return nn.Conv2d(inputs, outputs, bias=bias, **place)
