"""Networks put together from blocks: some kept, some new, in one model with one state dict.

    new = own_blocks(nn.Sequential(nn.Linear(192, 3)), arriving)
    net = splice(net, [*net.blocks[:-1], *new], origin="...")     # replace.py is the door for readers

The model is the chain itself, as one `torch.fx` graph; a kept layer keeps its name in the state dict (`stage4.conv1`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any

import torch
from torch import fx

from ..cutting.blocks import Block
from ..cutting.tracing import first_line
from ..errors import CourseError
from ..network import Network
from ..vectors import VectorNetwork

SIZES = (224, 160)  # pixels; a network that takes any size must give scores at both


def splice(net: Network, blocks: Sequence[Block], origin: str, classes: tuple[str, ...] | None = None) -> Network:
    """A network of these blocks that is fed as `net` is, on the device of `net` and in eval mode.

    Raises `CourseError` when a name stands for two layers, or when an image does not give one score for each class.
    """
    model = compose(blocks).eval()
    names = net.classes if classes is None else classes
    new = replace(net, model=model, blocks=list(blocks), classes=names, origin=origin).to(net.device)
    for example in examples(net):
        try:
            scores = run_exactly(new, example)
        except CourseError:
            if _takes(net, example):
                raise
            continue  # the network that this one is made from takes one size only
        check_scores(scores, len(example), len(names))
    return new


def compose(blocks: Sequence[Block]) -> fx.GraphModule:
    """The chain of some blocks as one module that shares their layers, each under the name that it has there."""
    graph, layers = fx.Graph(), {}
    x = graph.placeholder("x")
    for block in blocks:
        x = inline(graph, layers, block, x)
    graph.output(x)
    return fx.GraphModule(layers, graph)


def inline(graph: fx.Graph, layers: dict[str, Any], block: Block, x: fx.Node) -> fx.Node:
    """Write a block into a graph, fed with `x`; its layers are added to `layers` by name. The value that comes out."""
    if not isinstance(block.module, fx.GraphModule):
        hold(layers, block.name, block.module)
        return graph.call_module(block.name, (x,))
    nodes = block.module.graph.nodes
    for node in nodes:
        if node.op in ("call_module", "get_attr"):
            hold(layers, node.target, attrgetter(node.target)(block.module))
    entry = next(node for node in nodes if node.op == "placeholder")
    return graph.graph_copy(block.module.graph, {entry: x})


def hold(layers: dict[str, Any], name: str, layer: Any) -> None:
    """Add a layer or a weight by name. Raises `CourseError` when the name is another one's already."""
    if layers.setdefault(name, layer) is not layer:
        raise CourseError(
            f"Two layers are named {name!r} in one network, so a file could not tell them apart; give the new one another name."
        )


def examples(net: Network) -> list[torch.Tensor]:
    """Prepared noise of two rows, as the first block takes it: at the size of the network, or at both `SIZES`."""
    generator = torch.Generator().manual_seed(0)
    if isinstance(net, VectorNetwork):
        return [torch.randn(2, net.width, generator=generator).to(net.device)]
    sizes = (net.size,) if net.size else SIZES
    noise = [torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8, generator=generator) for size in sizes]
    return [net.prepare(images.to(net.device)) for images in noise]


def run_exactly(net: Network, x: torch.Tensor, start: int = 0, stop: int | None = None) -> torch.Tensor:
    """Blocks `start` to `stop` (not included) in float32, in eval mode and without gradients.

    Raises `CourseError` with the shape that arrives and the block that does not take it.
    """
    with torch.no_grad(), net.mode(frozen=len(net)):
        for block in net.blocks[start:stop]:
            try:
                x = block(x)
            except Exception as error:  # torch raises several kinds where shapes do not fit
                any_size = not net.size and not isinstance(net, VectorNetwork)
                tried = f" Images of {' and '.join(map(str, SIZES))} px were tried; for layers that fit one size, load the network with size=."
                raise CourseError(
                    f"Block {block.name} does not take what arrives there, {shape(x)}: {first_line(error)}{tried * any_size}"
                ) from error
    return x


def _takes(net: Network, example: torch.Tensor) -> bool:
    try:
        run_exactly(net, example)
    except CourseError:
        return False
    return True


def check_scores(scores: torch.Tensor, rows: int, classes: int) -> None:
    """Raises `CourseError` unless the scores are float rows,classes."""
    if tuple(scores.shape) == (rows, classes) and scores.is_floating_point():
        return
    raise CourseError(
        f"The last layer gives {shape(scores)} for an image, and there are {classes} classes: it must give {classes} scores. End "
        f"with nn.Linear(..., {classes}), after nn.AdaptiveAvgPool2d(1) and nn.Flatten() where maps arrive."
    )


def first_blocks(net: Network, what: str, number: Any, least: int, most: int) -> int:
    """How many first blocks a number means, counted as Python counts list items; `what` is what it was asked as.

    Raises `CourseError` outside `least` to `most`.
    """
    whole = isinstance(number, int) and not isinstance(number, bool)
    found = number + len(net) if whole and number < 0 else number
    if not whole or not least <= found <= most:
        raise CourseError(
            f"{what}={number!r} was asked of {net.name}, which has {len(net)} blocks; allowed are {least} to {most} first blocks, "
            f"or -1 (all but the head) down to {least - len(net)}."
        )
    return found


def top_names(blocks: Sequence[Block]) -> set[str]:
    """The names under which a model of these blocks holds its layers, up to the first dot."""
    layers: dict[str, Any] = {}
    for block in blocks:
        graph = fx.Graph()
        inline(graph, layers, block, graph.placeholder("x"))
    return {name.split(".")[0] for name in layers}


def free_name(name: str, blocks: Sequence[Block]) -> str:
    """The name, or the first of name_1, name_2, ... that no layer of these blocks has."""
    taken, number, found = top_names(blocks), 0, name
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found


def shape(x: torch.Tensor) -> str:
    """The shape of one row, in words."""
    return f"shape {' x '.join(map(str, x.shape[1:]))}"
