"""A network of the reader's own: what it must be to go through the door of `load`, and a sentence for what it is not.

    model = adopt(MyNet())                      # a copy in float32, on the CPU, in eval mode
    scores = count_scores(model, size=None)     # 3: it gives N,3 for images of any size

It maps float N,3,H,W to N,classes, can be traced (tracing.py) or has a method `blocks()`, and holds each weight once.
"""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.parameter import UninitializedParameter

from ..errors import CourseError
from ..surgery.own_block import OwnBlock
from .blocks import Block, split
from .tracing import first_line

SIZES = (64, 96)  # pixels; a model without a size of its own must give scores at both


def core(model: nn.Module) -> nn.Module:
    """The model itself, without the wrapper of torch.compile, DataParallel or DistributedDataParallel."""
    if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
        return core(model.module)
    return core(model._orig_mod) if isinstance(getattr(model, "_orig_mod", None), nn.Module) else model


def adopt(model: nn.Module) -> nn.Module:
    """A copy of a model in float32, on the CPU and in eval mode; the reader's own object stays as it is.

    Raises `CourseError` for a model without weights, with weights that have no shape yet, or that cannot be copied.
    """
    name = type(model).__name__
    if isinstance(model, torch.jit.ScriptModule):
        raise CourseError("TorchScript cannot be taken apart into blocks; give the Python model that it was made from.")
    weights = list(model.parameters())
    if any(isinstance(weight, UninitializedParameter) for weight in weights):
        raise CourseError(
            f"{name} has lazy layers that know no shape yet; run it once on images of its size, then load it."
        )
    if not weights:
        raise CourseError(f"{name} has no weights, so there is nothing to freeze or to train.")
    try:
        return copy.deepcopy(model).cpu().float().eval()
    except Exception as error:  # anything that a model holds may refuse to be copied
        raise CourseError(
            f"{name} cannot be copied ({first_line(error).rstrip('.')}), and the course never changes a reader's own model. Give one that "
            "copy.deepcopy can copy: without open files, hooks that hold tensors, or tensors that were computed."
        ) from error


def count_scores(model: nn.Module, size: int | None) -> int:
    """How many class scores a model gives for an image.

    Arguments:
        size: height and width of the images, in pixels; None for a model that takes any.

    Raises `CourseError` when it does not take such images, or gives anything else than logits N,classes.
    """
    counts = {_count(model, side, size is None) for side in ([size] if size else SIZES)}
    return counts.pop()


def cut_own(model: nn.Module, size: int | None) -> list[Block]:
    """The blocks of a model of one's own; what its layers do is part of their state, since its name says nothing of it."""
    return [OwnBlock(block.name, block.module) for block in split(model, _noise(size or SIZES[0]))]


def _count(model: nn.Module, side: int, guessed: bool) -> int:
    name, images = type(model).__name__, _noise(side)
    try:
        with torch.no_grad():
            scores = model(images)
    except Exception as error:  # torch raises several kinds where shapes do not fit
        hint = (
            "If it was made for one size, say so: load(model, classes, size=...)."
            if guessed
            else "Give the size it was made for."
        )
        raise CourseError(
            f"{name} does not take images of {side} x {side} pixels, float {len(images)},3,{side},{side}: {first_line(error)} {hint}"
        ) from error
    if not isinstance(scores, torch.Tensor) or scores.ndim != 2 or len(scores) != len(images):
        shape = (
            f"a tensor {','.join(map(str, scores.shape))}"
            if isinstance(scores, torch.Tensor)
            else f"a {type(scores).__name__}"
        )
        raise CourseError(
            f"{name} gives {shape} for {len(images)} images; a classifier gives one tensor of scores N,classes. End it with pooling, "
            "nn.Flatten() and nn.Linear, and give no second output."
        )
    if scores.shape[1] > 1 and bool((scores >= 0).all()) and torch.allclose(scores.sum(1), torch.ones(len(scores))):
        raise CourseError(
            f"{name} gives probabilities, and training takes logits: with a softmax in the model the loss would apply a second "
            "one. Leave the softmax out; the course applies it where probabilities are shown."
        )
    return scores.shape[1]


def _noise(side: int) -> torch.Tensor:
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
