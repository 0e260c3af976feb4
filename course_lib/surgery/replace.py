"""Keep or modify the architecture: another shape of head, or own layers in place of the last blocks.

    net = load("pawnet", dogs.classes, weights="animals")
    net = new_head(net, hidden=(64,))                            # a head with a hidden layer
    net = replace_blocks(net, 4, [nn.Conv2d(96, 64, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 3)])

`join_blocks` (joining.py) lets a head see several blocks. Each gives a network of its own: `net` stays as it was, and kept blocks give the same numbers in both. What comes back is a
network like any other, so what is frozen, remembered, trained and measured needs no further word.

A file with weights of such a network says nothing of its layers. To load it, make the network again by the same calls and
then `restore(net, path)`.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn

from ..cutting.blocks import DROPOUTS, Block
from ..cutting.tracing import first_line, holds_matrix
from ..errors import CourseError
from ..network import Network, class_names
from ..training.draws import seeded
from ..weights import fill, read_weights
from .heads import head_layers
from .own_block import own_blocks
from .splice import (
    check_scores,
    compose,
    examples,
    first_blocks,
    free_name,
    run_exactly,
    shape,
    splice,
    top_names,
)


def new_head(
    net: Network,
    hidden: Sequence[int] = (256,),
    *,
    dropout: float | None = None,
    norm: bool = False,
    activation: str | None = None,
    classes: Sequence[str] | None = None,
    seed: int = 0,
) -> Network:
    """A copy of a network with a new head: a linear one, or hidden layers and then a linear one.

    The head is the last layer with a weight matrix. Each new matrix starts a block of its own, so `frozen=-1` then trains
    the last layer alone and `frozen=-2` one hidden layer with it. A head that is a convolution (SqueezeNet) stays one: its
    layers see each place of the map, and what the architecture does afterwards (pool) stays. So does a dropout before it.
    To pool first, `new_head(join_blocks(net, (-1,)))`: with a hidden layer this was steadier (SqueezeNet, 5 seeds).

    Arguments:
        hidden: width of each hidden layer; `()` for a linear head.
        dropout: share of each hidden layer's outputs that is dropped in training, 0 to below 1; None for 0.2.
        norm: BatchNorm in each hidden layer, before the activation.
        activation: of the hidden layers: `relu` (None), `gelu`, `silu` or `tanh`.
        classes: names of other classes; None for those of `net`.
        seed: of the random weights: same seed, same weights.

    Raises `CourseError` for a head of another kind, and for settings of hidden layers where there are none.
    """
    base, names = net.copy(), net.classes if classes is None else class_names(classes)
    kept, last = base.blocks[:-1], compose(base.blocks[-1:])
    matrices = [(path, m) for path, m in last.named_modules() if not list(m.children()) and holds_matrix(m)]
    path, old = matrices[-1] if matrices else (base.blocks[-1].name, base.blocks[-1].module)
    if not (isinstance(old, nn.Linear) or (isinstance(old, nn.Conv2d) and old.groups == 1)):
        raise CourseError(
            f"The head of {net.name}, {path}, is a {type(old).__name__}; a new head takes the place of nn.Linear or nn.Conv2d "
            "without groups. Use replace_blocks to put your own layers there."
        )
    head = head_layers(old, len(names), hidden, dropout=dropout, norm=norm, activation=activation, seed=seed)
    parent, _, child = path.rpartition(".")
    setattr(last.get_submodule(parent), child, head.to(base.device))
    blocks = own_blocks(last.eval(), run_exactly(base, examples(base)[0], stop=len(kept)))
    told = f"of {' and '.join(map(str, hidden))} hidden units" if hidden else "without hidden units"
    return splice(net, [*kept, *blocks], f"{net.origin}; then a new head {told}", names)


def replace_blocks(
    net: Network,
    start: int,
    layers: Sequence[nn.Module | tuple[str, nn.Module]],
    *,
    classes: Sequence[str] | None = None,
) -> Network:
    """A copy of the first blocks of a network, followed by copies of your own layers.

    Arguments:
        start: how many blocks are kept, counted as for `frozen`: 4 keeps the first four, -1 all but the head, 0 none.
        layers: modules in order, or (name, module) pairs; the others are named `own0`, `own1` and so on. A block starts
            at each one with a weight matrix; norm, activation and pooling join the block before. `nn.Sequential` is
            opened, any other module stays whole. Lazy modules, such as `nn.LazyLinear`, take the width that arrives.
        classes: names of other classes; None for those of `net`.

    Raises `CourseError` when a layer does not take what arrives, when the last one does not give a score for each class,
    when no layer has a weight matrix, and when two share weights.
    """
    base, names = net.copy(), net.classes if classes is None else class_names(classes)
    kept = base.blocks[: first_blocks(net, "start", start, 0, len(net))]
    own = OrderedDict((name, layer.to(base.device).eval()) for name, layer in _named(layers, kept))
    arriving = run_exactly(base, examples(base)[0], stop=len(kept))
    x = arriving.clone()  # a layer may work in place
    with torch.no_grad(), seeded(0):  # a lazy layer draws its weights here
        for name, layer in own.items():
            x = _pass(name, layer, x)
    check_scores(x, len(arriving), len(names))
    _check_own(own)
    sequence = nn.Sequential(own).to(memory_format=torch.channels_last)
    origin = f"{net.origin}; of it {len(kept)} blocks, then own layers" if kept else "own layers"
    return splice(net, [*kept, *own_blocks(sequence, arriving)], origin, names)


def restore(net: Network, path: str | Path) -> Network:
    """A copy of a network with the weights of a file that `Network.save` wrote: all of them and no other.

    Arguments:
        net: made by the same calls as the one that was saved; its own weights do not matter.
        path: .safetensors, or .pth with a plain state dict.

    Raises `CourseError` for a file of another network or of other classes.
    """
    found, new = read_weights(Path(path)), net.copy()
    fill(new.model, found.state, f"this network ({net.name}; {net.origin})", found.origin)
    if found.classes and found.classes != net.classes:
        raise CourseError(
            f"{found.origin} tells apart {', '.join(found.classes)}; this network tells apart {', '.join(net.classes)}. "
            "Make it with the classes of the file, in the same order."
        )
    new.origin = f"weights from {found.origin}"
    return new


def _named(layers: Any, kept: Sequence[Block]) -> list[tuple[str, nn.Module]]:
    """Copies of the layers with a name each."""
    given = list(layers) if isinstance(layers, list | tuple | nn.Sequential | nn.ModuleList) else [layers]
    taken, pairs = top_names(kept), []
    for i, item in enumerate(given):
        name, layer = item if isinstance(item, tuple) and len(item) == 2 else (free_name(f"own{i}", kept), item)
        if not isinstance(layer, nn.Module) or not isinstance(name, str):
            raise CourseError(
                f"layers[{i}] is {item!r}; a layer is a module, such as nn.Linear(192, 3), or a (name, module) pair."
            )
        if not name.isidentifier() or hasattr(fx.GraphModule, name) or name in taken:
            raise CourseError(
                f"The name {name!r} of layers[{i}] cannot be used: it stands for another layer, or is no Python name. "
                f"Taken are {', '.join(sorted(taken)) or 'none'}."
            )
        taken.add(name)
        pairs.append((name, layer))
    if not pairs:
        raise CourseError(
            "layers is empty; give the layers that come after the kept blocks, the last with a score for each class."
        )
    try:
        return copy.deepcopy(pairs)
    except ValueError as error:  # torch copies lazy weights, and no lazy buffers
        lazy = [f"{name} ({type(layer).__name__})" for name, layer in pairs if _has_lazy_buffers(layer)]
        if not lazy:
            raise
        raise CourseError(
            f"Layer {lazy[0]} has running statistics of unknown width, which torch cannot copy. Give the layer its width, "
            "such as nn.BatchNorm1d(64), or call it once on an example before."
        ) from error


def _has_lazy_buffers(layer: nn.Module) -> bool:
    return any(isinstance(buffer, nn.parameter.UninitializedBuffer) for buffer in layer.buffers())


def _pass(name: str, layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
    try:
        out = layer(x)
    except Exception as error:  # torch raises several kinds where shapes do not fit
        raise CourseError(
            f"Layer {name} ({type(layer).__name__}) does not take what arrives there, {shape(x)} for each image: {first_line(error)}"
        ) from error
    if not isinstance(out, torch.Tensor):
        raise CourseError(
            f"Layer {name} ({type(layer).__name__}) gives a {type(out).__name__}; a layer maps one tensor to one tensor. Put it into a "
            "module whose forward returns the part that goes on."
        )
    return out


def _check_own(own: OrderedDict[str, nn.Module]) -> None:
    if not any(holds_matrix(layer) for layer in own.values()):
        raise CourseError(
            f"None of the layers {', '.join(own)} has a weight matrix, so there is no head to train; end with nn.Linear."
        )
    owner: dict[int, str] = {}
    for name, layer in own.items():
        dropouts = [module for module in layer.modules() if isinstance(module, DROPOUTS)]
        for part in [*layer.parameters(), *layer.buffers(), *dropouts]:
            if owner.setdefault(id(part), name) != name:
                raise CourseError(
                    f"Layers {owner[id(part)]} and {name} share weights or a dropout, so freezing one would freeze the other; "
                    "make a new one for each place."
                )
