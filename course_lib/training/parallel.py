"""One run on several processes: each takes its share of every batch, and all end in the same weights.

    # train.py, started by: torchrun --nproc-per-node 2 train.py
    torch.distributed.init_process_group("gloo")          # "nccl" on GPUs
    for record in cl.fit(net, dogs, recipe): ...           # the same lines as on one process

Gradients of the shares are added up before each step, so a step is the step of the whole batch. Dropout is drawn by each
process for its own share, so networks with dropout end close to, not in, the weights of one process.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import torch
import torch.distributed as dist
import torch.distributed.nn.functional as differentiable
from torch import nn


def world() -> tuple[int, int]:
    """(number of this process, number of processes); (0, 1) where torch.distributed was not started."""
    started = dist.is_available() and dist.is_initialized()
    return (dist.get_rank(), dist.get_world_size()) if started else (0, 1)


def my_share(rows: torch.Tensor) -> torch.Tensor:
    """The part of a batch that this process works on; the parts of all processes make up the batch."""
    rank, size = world()
    return rows.tensor_split(size)[rank]


@torch.no_grad()
def add_up(tensors: Iterable[torch.Tensor]) -> None:
    """Replace each tensor by its sum over the processes, in one message."""
    tensors = list(tensors)
    if world()[1] == 1 or not tensors:
        return
    flat = torch.cat([tensor.reshape(-1).float() for tensor in tensors])
    dist.all_reduce(flat)
    for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(part.view(tensor.shape))


@contextlib.contextmanager
def shared_norm(layers: Iterable[nn.Module]) -> Iterator[None]:
    """A context in which BatchNorm layers take mean and variance over the whole batch, not over this process's share.

    torch's own SyncBatchNorm does the same, on GPUs only.
    """
    layers = list(layers) if world()[1] > 1 else []
    for layer in layers:
        layer.forward = lambda x, layer=layer: _norm_over_all(layer, x)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _norm_over_all(layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
    if not layer.training:
        return type(layer).forward(layer, x)
    axes = [axis for axis in range(x.ndim) if axis != 1]
    shape = [1, -1] + [1] * (x.ndim - 2)
    wide = x.float()
    count = torch.tensor([float(x.numel() // x.shape[1])], device=x.device)
    dist.all_reduce(count)
    mean = differentiable.all_reduce(wide.sum(axes)) / count  # C
    centred = wide - mean.view(shape)
    variance = differentiable.all_reduce(centred.square().sum(axes)) / count
    if layer.track_running_stats:
        with torch.no_grad():
            layer.num_batches_tracked += 1
            share = layer.momentum if layer.momentum is not None else 1 / float(layer.num_batches_tracked)
            layer.running_mean.lerp_(mean, share)
            layer.running_var.lerp_(variance * count / (count - 1), share)
    y = centred * (variance + layer.eps).rsqrt().view(shape)
    if layer.affine:
        y = y * layer.weight.view(shape) + layer.bias.view(shape)
    return y.to(x.dtype)
