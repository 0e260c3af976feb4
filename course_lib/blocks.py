"""A network as an ordered list of blocks (stem ... head), each ending at a seam where one tensor crosses.

    blocks = split(torchvision.models.resnet18(), torch.zeros(2, 3, 64, 64))
    for block in blocks:
        x = block(x)                      # the same numbers as model(x), bit for bit

The model is traced with `torch.fx`; nothing here knows a family of architectures by name. A model may also define
`blocks()` itself and return an ordered dict (or list of pairs) of name and module.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from itertools import pairwise

import torch
from torch import fx, nn
from torch.nn import functional as F

from .errors import CourseError

LISTS = (nn.Sequential, nn.ModuleList)
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
ADVICE = "Give the model a method `blocks()` that returns its blocks in order, as (name, module) pairs."


class Block:
    """One step of the chain: a name and a callable that shares its modules with the model.

    Attributes:
        name: path of the block inside the model, for example `layer2.0`.
        module: the block itself; calling it maps one tensor to one tensor.
    """

    def __init__(self, name: str, module: nn.Module) -> None:
        self.name = name
        self.module = module

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return self.module(x)

    def __repr__(self) -> str:
        return f"Block({self.name})"

    def parameters(self) -> Iterator[nn.Parameter]:
        """The parameters of this block; no other block holds them."""
        return self.module.parameters()

    def state(self) -> list[torch.Tensor]:
        """Parameters and buffers, in a fixed order."""
        return [*self.module.parameters(), *self.module.buffers()]


def head_path(model: nn.Module) -> str:
    """Path of the module that makes the class scores: the last one with a weight matrix, in the order of computation."""
    if inspect.ismethod(getattr(model, "blocks", None)):
        last = split_by_hand(model)[-1].module
        inside = [module for module in last.modules() if not list(module.children()) and _holds_matrix(module)]
        return next(path for path, module in model.named_modules() if module is inside[-1])
    last = [node.target for node in _trace(model).nodes if node.op == "call_module" and _has_matrix(model, node)][-1]
    leaves = [
        (path, m)
        for path, m in model.get_submodule(last).named_modules()
        if not list(m.children()) and _holds_matrix(m)
    ]
    return ".".join(filter(None, (last, leaves[-1][0])))


def split_by_hand(model: nn.Module) -> list[Block]:
    """The blocks that the model's own `blocks()` gives: a dict, (name, module) pairs, or modules, which are numbered."""
    given = model.blocks()
    pairs = given.items() if isinstance(given, Mapping | nn.ModuleDict) else given
    return [Block(*pair) if isinstance(pair, tuple) else Block(f"block{i}", pair) for i, pair in enumerate(pairs)]


def split(model: nn.Module, example: torch.Tensor) -> list[Block]:
    """Cut a model into blocks at every seam that starts a new weight-bearing module.

    Arguments:
        model: any module that maps one tensor to one tensor; its parameters are shared, not copied.
        example: an input of the right shape, at least 2 images; the chain is checked on it (`torch.equal`).

    Raises `CourseError` when the model cannot be traced, when its output is not one tensor, when a block would hold
    a random step that cannot be switched off, or when the chain does not equal the model.
    """
    if inspect.ismethod(getattr(model, "blocks", None)):
        blocks = split_by_hand(model)
    else:
        blocks = _cut(model, _trace(model))
    _check_partition(model, blocks)
    _check_chain(model, blocks, example)
    return blocks


class _Opener(fx.Tracer):
    """Opens containers only, so that a residual block, an Inception module or an encoder layer stays whole."""

    def is_leaf_module(self, module: nn.Module, path: str) -> bool:
        return not (isinstance(module, LISTS) or _is_stack(module))


def _is_stack(module: nn.Module) -> bool:
    """A module with a list of two or more units, such as ViT's Encoder, is a stack of blocks and is opened.

    A unit is a module of a type that torch.nn does not define, holds weights, and is no plain list itself.
    """
    return any(sum(map(_is_unit, child)) >= 2 for child in module.children() if isinstance(child, LISTS))


def _is_unit(module: nn.Module) -> bool:
    own_type = not type(module).__module__.startswith("torch.nn.") and not isinstance(module, LISTS)
    return own_type and any(True for _ in module.parameters())


def _trace(model: nn.Module) -> fx.Graph:
    # The trace takes one path through Python's control flow, so train and eval mode must take the same one.
    training = [(module, module.training) for module in model.modules()]
    try:
        in_training = str(_Opener().trace(model.train()))
        graph = _Opener().trace(model.eval())
    except Exception as error:  # fx raises many kinds, all of them about the model's own forward
        raise CourseError(f"{type(model).__name__} cannot be cut into blocks: {_first_line(error)} {ADVICE}") from error
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


def _cut(model: nn.Module, graph: fx.Graph) -> list[Block]:
    """Group the nodes of the graph into blocks and make each a module of its own."""
    nodes = [node for node in graph.nodes if node.op not in ("placeholder", "output")]
    weighty = [i for i, node in enumerate(nodes) if node.op == "call_module" and _has_matrix(model, node)]
    seams = _seams(nodes)
    ends = []
    for here, following in pairwise(weighty):
        # The latest seam between two weight-bearing modules: norm, activation and pooling stay with the block before.
        # Dropout joins the block after it, or a head on remembered features would train without its dropout.
        dropout = next((i for i in range(here + 1, following) if _is_dropout(model, nodes[i])), following)
        legal = [i for i in range(here, dropout) if i in seams]
        if legal:
            ends.append(legal[-1])
    ends.append(len(nodes) - 1)
    starts = [0, *(end + 1 for end in ends[:-1])]
    parts = [nodes[start : end + 1] for start, end in zip(starts, ends, strict=True)]
    names = _names(model, parts)
    entries = [_placeholder(nodes[0]), *(part[-1] for part in parts[:-1])]
    return [Block(name, _module(model, part, entry)) for name, part, entry in zip(names, parts, entries, strict=True)]


def _seams(nodes: list[fx.Node]) -> set[int]:
    """Positions after which that node's value is the only one still needed (weights do not count)."""
    position = {node: i for i, node in enumerate(nodes)}
    last_use = [max((position.get(user, len(nodes)) for user in node.users), default=-1) for node in nodes]
    seams, alive_until = set(), -1
    for i, node in enumerate(nodes):
        # alive_until: the last place where any earlier value is used
        first_input_used_later = any(user in position and position[user] > i for user in _placeholder(node).users)
        if alive_until <= i and last_use[i] > i and not first_input_used_later:
            seams.add(i)
        if node.op != "get_attr":
            alive_until = max(alive_until, last_use[i])
    return seams


def _placeholder(node: fx.Node) -> fx.Node:
    return next(iter(node.graph.nodes))


def _module(model: nn.Module, nodes: list[fx.Node], entry: fx.Node) -> fx.GraphModule:
    """The nodes as a module of their own that shares the model's modules; `entry` is the value that comes in."""
    graph = fx.Graph()
    copies = {entry: graph.placeholder("x")}
    inputs = [source for node in nodes for source in node.all_input_nodes]
    weights = [source for source in inputs if source.op == "get_attr" and source not in nodes]
    for node in [*dict.fromkeys(weights), *nodes]:
        copies[node] = graph.node_copy(node, lambda source: copies[source])
    graph.output(copies[nodes[-1]])
    module = fx.GraphModule(model, graph)
    module.training = model.training  # the modules inside are the model's own and keep their flags
    return module


def _names(model: nn.Module, parts: list[list[fx.Node]]) -> list[str]:
    """The path that all modules of a block share, if no other block shares it; else its first weight-bearing module."""
    paths = [[node.target for node in part if node.op == "call_module"] for part in parts]
    names = []
    for i, part in enumerate(parts):
        shared = _common_path(paths[i])
        elsewhere = [path for j, others in enumerate(paths) if j != i for path in others]
        if not shared or any(path == shared or path.startswith(shared + ".") for path in elsewhere):
            shared = next((n.target for n in part if n.op == "call_module" and _has_matrix(model, n)), f"block{i}")
        names.append(shared)
    return names


def _common_path(paths: list[str]) -> str:
    shared = []
    for column in zip(*(path.split(".") for path in paths), strict=False):
        if len(set(column)) > 1:
            break
        shared.append(column[0])
    return ".".join(shared)


def _has_matrix(model: nn.Module, node: fx.Node) -> bool:
    return _holds_matrix(model.get_submodule(node.target))


def _holds_matrix(module: nn.Module) -> bool:
    return any(p.ndim >= 2 for p in module.parameters())


def _is_dropout(model: nn.Module, node: fx.Node) -> bool:
    return node.op == "call_module" and isinstance(model.get_submodule(node.target), DROPOUTS)


def _check_partition(model: nn.Module, blocks: list[Block]) -> None:
    """Every parameter and buffer of the model lies in exactly one block."""
    owner: dict[int, Block] = {}
    for block in blocks:
        for part in [*block.state(), *(module for module in block.module.modules() if isinstance(module, DROPOUTS))]:
            if owner.setdefault(id(part), block) is not block:
                raise CourseError(
                    f"Blocks {owner[id(part)].name} and {block.name} of {type(model).__name__} share weights or a dropout, so "
                    f"freezing one would freeze the other. {ADVICE}"
                )
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if id(tensor) not in owner:
            raise CourseError(
                f"{name} of {type(model).__name__} is used by no block (an auxiliary head?): remove it first. {ADVICE}"
            )


def _check_chain(model: nn.Module, blocks: list[Block], example: torch.Tensor) -> None:
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        with torch.no_grad():
            expected, x = model(example), example
            for block in blocks:
                x = block(x)
    finally:
        for module in training:
            module.training = True
    if not isinstance(expected, torch.Tensor):
        raise CourseError(
            f"{type(model).__name__} gives a {type(expected).__name__}; a chain of blocks gives one tensor. Remove auxiliary heads "
            f"first, or: {ADVICE}"
        )
    if not torch.equal(expected, x):
        raise CourseError(f"The chain of blocks does not equal {type(model).__name__} on an example. {ADVICE}")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".") + "."
