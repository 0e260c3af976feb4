"""OwnBlock: a block that was made here, whose fingerprint follows what its layers do and not their weights alone.

blocks = own_blocks(nn.Sequential(nn.Linear(192, 64), nn.GELU(), nn.Linear(64, 3)), arriving)
blocks[0].state()                   # weight, bias, and 32 numbers that change when GELU becomes ReLU
"""

from __future__ import annotations

import hashlib
import types
from typing import Any

import torch
from torch import fx, nn

from ..cutting.blocks import DROPOUTS, Block, split

BARE = {*vars(nn.Module()), "training"}  # what every module has, beside what makes it special
PLAIN = int | float | complex | str | bytes | tuple | None  # what a function may look up outside itself


class OwnBlock(Block):
    """A block whose architecture has no name: what it does is part of its state.

    Two activations have no weights to tell them apart, and features that are remembered for one of them must not be
    taken for the other's. So the fingerprint, which follows the state, follows the layers' types, settings and code too.
    """

    def state(self) -> list[torch.Tensor]:
        """Parameters, buffers, and 32 numbers (uint8) that stand for what the layers do."""
        digest = hashlib.sha256(repr(_described(self.module, set())).encode()).digest()
        return [*super().state(), torch.tensor(list(digest), dtype=torch.uint8)]


def own_blocks(layers: nn.Module, arriving: torch.Tensor) -> list[Block]:
    """Layers cut into blocks by the rule of blocks.py: a block starts at each layer with a weight matrix.

    Arguments:
        layers: usually `nn.Sequential`; a container in it is opened, any other module stays whole.
        arriving: what the first layer takes, at least 2 rows.
    """
    return [OwnBlock(block.name, block.module) for block in split(layers, arriving)]


def _described(value: Any, seen: set[int]) -> Any:
    """All that decides what a module does, apart from its weights: nested lists and texts."""
    if isinstance(value, nn.Module | types.FunctionType | types.MethodType) or hasattr(value, "__dict__"):
        if id(value) in seen:
            return "seen"
        seen.add(id(value))
    if isinstance(value, nn.Module):
        return _described_module(value, seen)
    if isinstance(value, types.MethodType):
        return [_described(value.__func__, seen), _described(value.__self__, seen)]
    if isinstance(value, types.FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or () if cell != types.CellType()]
        looked_up = [(name, value.__globals__.get(name)) for name in value.__code__.co_names]
        outer = [item for item in looked_up if isinstance(item[1], PLAIN | types.FunctionType)]
        extras = [value.__defaults__, value.__kwdefaults__, cells, outer]
        return [value.__qualname__, _described_code(value.__code__), _described(extras, seen)]
    if isinstance(value, torch.Tensor):
        return [str(value.dtype), value.tolist()]
    if isinstance(value, dict):
        return [[repr(key), _described(item, seen)] for key, item in value.items()]
    if isinstance(value, list | tuple | set | frozenset):
        return [type(value).__name__, *(_described(item, seen) for item in value)]
    if isinstance(value, type | types.BuiltinFunctionType):
        return value.__qualname__
    if isinstance(value, types.ModuleType) or not hasattr(value, "__dict__"):
        return repr(value)
    return [type(value).__qualname__, _described(vars(value), seen)]


def _described_module(module: nn.Module, seen: set[int]) -> Any:
    kind = f"{type(module).__module__}.{type(module).__qualname__}"
    children = [[name, _described(child, seen)] for name, child in module.named_children()]
    if isinstance(module, fx.GraphModule):
        return [module.code, children]
    if isinstance(module, DROPOUTS):  # off where a block is frozen
        return kind
    own = {name: value for name, value in vars(module).items() if name not in BARE}
    code = [
        [name, _described(getattr(value, "fget", None) or getattr(value, "__func__", value), seen)]
        for owner in type(module).__mro__
        if not owner.__module__.startswith(("torch.", "torchvision.", "builtins"))
        for name, value in vars(owner).items()
        if not name.startswith("__")
    ]
    return [kind, _described(own, seen), code, children]


def _described_code(code: types.CodeType) -> Any:
    inner = [_described_code(c) if isinstance(c, types.CodeType) else repr(c) for c in code.co_consts]
    return [code.co_code.hex(), code.co_names, inner]
