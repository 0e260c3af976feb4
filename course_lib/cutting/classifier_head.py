"""The layer that makes the class scores: where it is, how wide it is, and how another one takes its place.

    head_path(torchvision.models.vgg16())        # 'classifier.6'
    replace_head(model, classes=3)               # new random weights; all other layers stay

It is found by its place in the computation, never by the name of the architecture.
"""

from __future__ import annotations

import inspect

from torch import nn

from ..errors import CourseError
from .blocks import split_by_hand
from .tracing import holds_matrix, trace


def head_path(model: nn.Module) -> str:
    """Path of the module that makes the class scores: the last one with a weight matrix, in the order of computation.

    Raises `CourseError` when the last step holds no such module, and where the model cannot be traced.
    """
    if inspect.ismethod(getattr(model, "blocks", None)):
        last = split_by_hand(model)[-1].module
    else:
        called = [model.get_submodule(node.target) for node in trace(model).nodes if node.op == "call_module"]
        last = next((module for module in reversed(called) if holds_matrix(module)), None)
    leaves = [module for module in last.modules() if _is_layer(module)] if last is not None else []
    path = next((path for path, module in model.named_modules() if leaves and module is leaves[-1]), None)
    if path is None:
        raise CourseError(
            f"{type(model).__name__} has no layer at its end that makes class scores; its last block must hold an nn.Linear or "
            "nn.Conv2d that the model holds too."
        )
    return path


def head_width(model: nn.Module) -> int:
    """How many class scores the head makes."""
    return len(model.get_submodule(head_path(model)).weight)


def replace_head(model: nn.Module, classes: int) -> None:
    """Put a new layer of the same kind in the place of the head, with random weights, for another number of classes.

    Raises `CourseError` for a head that is neither nn.Linear nor nn.Conv2d.
    """
    path = head_path(model)
    old = model.get_submodule(path)
    if isinstance(old, nn.Linear) and path:
        new: nn.Module = nn.Linear(old.in_features, classes, bias=old.bias is not None)
    elif isinstance(old, nn.Conv2d) and old.groups == 1 and path:
        options = {"dilation": old.dilation, "bias": old.bias is not None, "padding_mode": old.padding_mode}
        new = nn.Conv2d(old.in_channels, classes, old.kernel_size, old.stride, old.padding, **options)
    else:
        raise CourseError(
            f"The head at {path or 'the top'} is a {type(old).__name__}; the course replaces nn.Linear and nn.Conv2d heads inside "
            "a model."
        )
    parent, _, child = path.rpartition(".")
    setattr(model.get_submodule(parent), child, new)


def _is_layer(module: nn.Module) -> bool:
    return not list(module.children()) and holds_matrix(module)
