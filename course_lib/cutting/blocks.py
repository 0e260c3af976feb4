"""A network as an ordered list of blocks (stem ... head), each ending at a seam where one tensor crosses.

    blocks = split(torchvision.models.resnet18(), torch.zeros(2, 3, 64, 64))
    for block in blocks:
        x = block(x)                      # the same numbers as model(x), bit for bit

The model is traced with `torch.fx`; nothing here knows a family of architectures by name. A model may also define
`blocks()` itself and return an ordered dict (or list of pairs) of name and module.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

import torch
from torch import fx, nn

from ..errors import CourseError
from .tracing import ADVICE, holds_matrix, trace

DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)


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


def split_by_hand(model: nn.Module) -> list[Block]:
    """The blocks that the model's own `blocks()` gives: a dict, (name, module) pairs, or modules, which are numbered.

    Raises `CourseError` when it gives anything else, nothing, or a name twice.
    """
    given = model.blocks()
    if not isinstance(given, Iterable):
        raise CourseError(f"`blocks()` of {type(model).__name__} gives a {type(given).__name__}. {ADVICE}")
    listed = given.items() if isinstance(given, Mapping | nn.ModuleDict) else given
    pairs = [pair if isinstance(pair, tuple) else (f"block{i}", pair) for i, pair in enumerate(listed)]
    for name, module in pairs:
        if not isinstance(module, nn.Module):
            raise CourseError(
                f"`blocks()` of {type(model).__name__} gives a {type(module).__name__} as {name}. {ADVICE}"
            )
    if not pairs or len({name for name, _ in pairs}) < len(pairs):
        raise CourseError(f"`blocks()` of {type(model).__name__} gives no block, or one name twice. {ADVICE}")
    return [Block(name, module) for name, module in pairs]


def split(model: nn.Module, example: torch.Tensor) -> list[Block]:
    """Cut a model into blocks at every seam that starts a new weight-bearing module.

    Arguments:
        model: any module that maps one tensor to one tensor; its parameters are shared, not copied.
        example: an input of the right shape; the chain is checked on it (`torch.equal`).

    Raises `CourseError` when the model cannot be traced, when its output is not one tensor, when a block would hold
    a random step that cannot be switched off, or when the chain does not equal the model.
    """
    if inspect.ismethod(getattr(model, "blocks", None)):
        blocks = split_by_hand(model)
    else:
        blocks = _cut(model, trace(model))
    _check_partition(model, blocks)
    _check_chain(model, blocks, example)
    return blocks


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
    """The path that all modules of a block share, or all with weights, if no other block shares it; else the first of them."""
    paths = [[node.target for node in part if node.op == "call_module"] for part in parts]
    weighty = [[n.target for n in part if n.op == "call_module" and _has_matrix(model, n)] for part in parts]
    names = []
    for i in range(len(parts)):
        elsewhere = [path for j, others in enumerate(paths) if j != i for path in others]
        shared = [_common_path(paths[i]), _common_path(weighty[i])]
        alone = [path for path in shared if path and not any(f"{other}.".startswith(f"{path}.") for other in elsewhere)]
        names.append([*alone, *weighty[i], f"block{i}"][0])
    return names


def _common_path(paths: list[str]) -> str:
    shared = []
    for column in zip(*(path.split(".") for path in paths), strict=False):
        if len(set(column)) > 1:
            break
        shared.append(column[0])
    return ".".join(shared)


def _has_matrix(model: nn.Module, node: fx.Node) -> bool:
    return holds_matrix(model.get_submodule(node.target))


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
            expected, x = model(example.clone()), example.clone()  # a first layer may work in place
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
