"""A model's forward as a list of steps, by `torch.fx`: containers are opened, residual blocks and encoder layers stay whole.

    graph = trace(torchvision.models.resnet18())
    [node.target for node in graph.nodes if node.op == "call_module"]     # conv1, bn1, relu, maxpool, layer1.0, ...

What stays whole is called as a module, so train and eval mode go on working inside. blocks.py groups the steps.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

from ..errors import CourseError

LISTS = (nn.Sequential, nn.ModuleList)
_one = threading.Lock()  # fx changes torch.nn.Module for all threads while it traces
ADVICE = "Give the model a method `blocks()` that returns its blocks in order, as (name, module) pairs."


def trace(model: nn.Module) -> fx.Graph:
    """The steps from one input to one output.

    Raises `CourseError` when the model cannot be traced, takes another path in train mode than in eval mode, draws at
    random in a function whose training flag the trace would fix, or does not map one tensor to one tensor.
    """
    with _one:
        try:
            return _trace(model, model)
        except CourseError:
            wrapped = [
                module for module in model.modules() if module is not model and _Opener(model).is_wrapped(module)
            ]
            if not wrapped:
                raise
            return _trace(model, nn.Identity())  # what cannot be opened may still serve as one block


def holds_matrix(module: nn.Module) -> bool:
    """Whether a module holds a parameter with two or more dimensions."""
    return matrices(module) > 0


def matrices(module: nn.Module) -> int:
    """How many parameters with two or more dimensions a module holds."""
    return sum(p.ndim >= 2 for p in module.parameters())


def first_line(error: Exception) -> str:
    """The first line of a message, as a sentence."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return line if line.endswith(("!", "?")) else line.rstrip(".") + "."


class _Opener(fx.Tracer):
    """Opens containers only, so that a residual block, an Inception module or an encoder layer stays whole.

    Arguments:
        whole: the model; a module that holds most of its weights is a network in a wrapper, and is opened too.
    """

    def __init__(self, whole: nn.Module) -> None:
        super().__init__()
        self.matrices = matrices(whole)
        self.thread = threading.get_ident()

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """A step of the trace; a call from another thread, where a widget may be training, is no part of it."""
        if threading.get_ident() != self.thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def is_leaf_module(self, module: nn.Module, path: str) -> bool:
        return not (isinstance(module, LISTS) or _is_stack(module) or self.is_wrapped(module))

    def is_wrapped(self, module: nn.Module) -> bool:
        return _is_unit(module) and 0 < self.matrices < 2 * matrices(module)


def _is_stack(module: nn.Module) -> bool:
    """A module with a list of two or more units, such as ViT's Encoder, is a stack of blocks and is opened."""
    return any(sum(map(_is_unit, child)) >= 2 for child in module.children() if isinstance(child, LISTS))


def _is_unit(module: nn.Module) -> bool:
    """A module of a type that torch.nn does not define, with weights, and no plain list itself."""
    own_type = not type(module).__module__.startswith("torch.nn.") and not isinstance(module, LISTS)
    return own_type and any(True for _ in module.parameters())


def _trace(model: nn.Module, whole: nn.Module) -> fx.Graph:
    # The trace takes one path through Python's control flow, so train and eval mode must take the same one.
    training = [(module, module.training) for module in model.modules()]
    try:
        in_training = str(_Opener(whole).trace(model.train()))
        graph = _Opener(whole).trace(model.eval())
    except Exception as error:  # fx raises many kinds, all of them about the model's own forward
        raise CourseError(f"{type(model).__name__} cannot be cut into blocks: {first_line(error)} {ADVICE}") from error
    finally:
        for module, flag in training:
            module.training = flag
    for node in graph.nodes:
        is_random = node.op == "call_function" and (
            "training" in node.kwargs or node.target in (F.dropout, torch.dropout)
        )
        if is_random:
            raise CourseError(
                f"{type(model).__name__} calls `{node.name}` as a function with a fixed training flag, which cannot be "
                f"switched between train and eval after tracing. Use the module (nn.Dropout), or: {ADVICE}"
            )
    if str(graph) != in_training:
        raise CourseError(
            f"{type(model).__name__} takes another path in train mode than in eval mode, and a chain of blocks has one path. "
            f"Put the step that differs into a module of its own, or: {ADVICE}"
        )
    inputs = [node for node in graph.nodes if node.op == "placeholder" and (node.users or not node.args)]
    output = next(node for node in graph.nodes if node.op == "output").args[0]
    if len(inputs) != 1 or not isinstance(output, fx.Node):
        raise CourseError(
            f"{type(model).__name__} maps {len(inputs)} inputs to {type(output).__name__}; a chain of blocks takes one tensor "
            f"and gives one tensor. Remove auxiliary heads first, or: {ADVICE}"
        )
    return graph
