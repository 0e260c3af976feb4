"""What a stage changes about single layers: BatchNorm's statistics, and the dropout of the head.

adapt_norm(net, feed, rows, cut=3)        # BatchNorm of the trained blocks now fits these images
with head_dropout(net, 0.5): ...          # whatever dropout the head was built with
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import nn
from torch.nn import functional as F

from ..cutting.blocks import DROPOUTS, Block
from ..mode import RUNNING
from ..network import Network

PASS = 64  # images at a time when statistics are measured


def norms(blocks: Iterable[Block]) -> list[nn.Module]:
    """The BatchNorm layers of some blocks that keep running statistics."""
    found = [module for block in blocks for module in block.module.modules() if isinstance(module, RUNNING)]
    return [module for module in found if module.track_running_stats]


@torch.no_grad()
def adapt_norm(net: Network, feed: Callable[[torch.Tensor], torch.Tensor], rows: torch.Tensor, cut: int) -> None:
    """Measure the BatchNorm statistics of the blocks from `cut` on anew (AdaBN, Li et al. 2016, arXiv 1603.04779).

    Arguments:
        feed: rows -> what block `cut` takes.
        rows: int64 N, images that the statistics are the mean over; passed in near-equal batches, two images or more.
    """
    layers = norms(net.blocks[cut:])
    momenta = [layer.momentum for layer in layers]
    training = [layer.training for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a plain mean over the batches
    try:
        for part in rows.tensor_split(max(1, len(rows) // PASS)):
            inputs = feed(part)
            with net.mode(frozen=len(net)):
                for layer in layers:
                    layer.training = True
                net.run(inputs, cut)
    finally:
        for layer, momentum, flag in zip(layers, momenta, training, strict=True):
            layer.momentum, layer.training = momentum, flag


@contextlib.contextmanager
def head_dropout(net: Network, share: float | None) -> Iterator[None]:
    """A context in which the head drops this share of its inputs in train mode; None leaves it as it was built.

    Where the head has dropout layers their share is set; else its last weight matrix gets one before it.
    """
    if share is None:
        yield
        return
    inside = list(net.blocks[-1].module.modules())
    own = [module for module in inside if isinstance(module, DROPOUTS)]
    before = [module.p for module in own]
    hook = None
    for module in own:
        module.p = share
    if not own and share:
        last = [m for m in inside if not list(m.children()) and any(p.ndim >= 2 for p in m.parameters())][-1]
        hook = last.register_forward_pre_hook(lambda layer, args: (F.dropout(args[0], share, layer.training),))
    try:
        yield
    finally:
        for module, old in zip(own, before, strict=True):
            module.p = old
        if hook is not None:
            hook.remove()
