"""Features of several blocks side by side, for one head: early blocks know textures, late ones know parts.

net = join_blocks(load("pawnet", dogs.classes, weights="animals"), cuts=(3, -1))
for record in fit(net, dogs, feature_extraction()): ...             # the joined features are remembered
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import fx, nn

from ..errors import CourseError
from ..network import Network
from .heads import head_layers
from .own_block import OwnBlock, own_blocks
from .splice import examples, first_blocks, free_name, hold, inline, run_exactly, splice


def join_blocks(net: Network, cuts: Sequence[int] = (-2, -1), *, pool: bool = True, seed: int = 0) -> Network:
    """A copy of a network whose new linear head sees the outputs of several blocks, side by side.

    Blocks up to the first of these outputs stay blocks of their own. The others become one block that ends in the joined
    features, since more than one value is alive between them; so `frozen=-1` remembers the joined features.

    The parts are joined as they are. Standardising each number first was measured on PawNet `animals` and dogworld (10 breeds,
    5 seeds): cuts (2, 3, 4, -1) went from 71 to 62 % with 5 images a class and stayed at 84 % with 80, since it makes the
    many numbers of early blocks as loud as the few that matter. An early block alone gains by it, see `FeatureSet.standardised`.

    Arguments:
        cuts: where outputs are taken, each counted as for `frozen`: 3 is what the first three blocks give, -1 what
            the head took before; one or more, none twice.
        pool: maps N,C,H,W become their means N,C, and tokens N,T,C the mean over all tokens (in early blocks a class
            token knows little of the image yet). False takes every number; images then need one size.
        seed: of the head's random weights.

    Raises `CourseError` for a cut before the first block or after the head, and for one that stands twice.
    """
    wanted = take_cuts(net, cuts, len(net) - 1)
    base = net.copy()
    start = min(wanted[0], wanted[-1] - 1)
    arriving = value = run_exactly(base, examples(base)[0], stop=start)
    graph, layers, parts = fx.Graph(), {}, []
    x, place = graph.placeholder("x"), free_name("joined", base.blocks)
    for number in range(start, wanted[-1] + 1):
        if number in wanted:
            hold(layers, f"{place}.{number}", Pool(value, pool))
            parts.append(graph.call_module(f"{place}.{number}", (x,)))
        if number < wanted[-1]:
            x = inline(graph, layers, base.blocks[number], x)
            value = run_exactly(base, value, number, number + 1)
    graph.output(graph.call_function(torch.cat, (parts,), {"dim": 1}) if len(parts) > 1 else parts[0])
    name = " + ".join(base.blocks[cut - 1].name for cut in wanted)
    name += "" if len(wanted) > 1 else " pooled" if pool else " in a row"
    if len(wanted) == 1 and value.ndim == 2:  # a vector already: the block stays what it was, and is remembered as that
        body = base.blocks[start]
    else:
        body = OwnBlock(name, fx.GraphModule(layers, graph).eval())
    kept = [*base.blocks[:start], body]
    with torch.no_grad():
        joined = body(arriving)
    head = head_layers(nn.Linear(joined.shape[1], 1), len(net.classes), seed=seed)
    last = nn.Sequential(OrderedDict({free_name("head", kept): head})).to(base.device).eval()
    return splice(net, [*kept, *own_blocks(last, joined)], f"{net.origin}; then a new head on {body.name}")


class Pool(nn.Module):
    """Means over places or tokens, in float32: N,C,H,W or N,T,C -> N,C; vectors stay. Without `pool`, all numbers in a row.

    A map is N,H,W,C (Swin) where an example has equal second and third sides, and another fourth.
    """

    def __init__(self, example: torch.Tensor, pool: bool) -> None:
        super().__init__()
        last = example.ndim == 4 and example.shape[1] == example.shape[2] != example.shape[3]
        self.dims = {3: (1,), 4: (1, 2) if last else (2, 3)}.get(example.ndim) if pool else None
        self.width = self.forward(example).shape[1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # A copy in either case: the next block may work in place.
        return x.float().mean(self.dims) if self.dims else x.float().flatten(1).clone()


def take_cuts(net: Network, cuts: Any, last: int) -> list[int]:
    """Cuts from 1 to `last` in the order of the network. Raises `CourseError` for others, and for one that stands twice."""
    if not isinstance(cuts, Sequence) or isinstance(cuts, str) or not len(cuts):
        raise CourseError(f"cuts={cuts!r} is not known; it is one or more numbers of blocks, such as (3, -1).")
    found = sorted(first_blocks(net, "cut", cut, 1, last) for cut in cuts)
    if len(set(found)) != len(found):
        raise CourseError(f"cuts={tuple(cuts)} names the same place twice; {net.name} has {len(net)} blocks.")
    return found
