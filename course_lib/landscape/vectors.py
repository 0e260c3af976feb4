"""All weights of a network as one long vector, which is what a loss landscape is drawn over.

    w = weights_of(net)                      # float32 D: every parameter, block by block
    put_weights(net, w)                      # the other way round, in place
    statistics_of(net)                       # what BatchNorm measured while it trained, which is no weight

A vector counts each parameter once, in the order of `net.blocks`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..errors import CourseError
from ..network import Network


def parameters_of(net: Network) -> list[torch.nn.Parameter]:
    """The parameters in the order in which vectors hold them."""
    return [p for block in net.blocks for p in block.parameters()]


def weights_of(net: Network) -> torch.Tensor:
    """All parameters as one vector, float32 D, on the CPU; a copy."""
    return torch.cat([p.detach().cpu().float().reshape(-1) for p in parameters_of(net)])


@torch.no_grad()
def put_weights(net: Network, vector: torch.Tensor) -> None:
    """Write a vector, float D, into a network's parameters, in place."""
    parameters = parameters_of(net)
    total = sum(p.numel() for p in parameters)
    if vector.shape != (total,):
        raise CourseError(f"{net.name} has {total:,} parameters; received a vector of shape {tuple(vector.shape)}.")
    for p, part in zip(parameters, vector.to(net.device).split([p.numel() for p in parameters]), strict=True):
        p.copy_(part.view(p.shape))


def statistics_of(net: Network) -> dict[str, torch.Tensor]:
    """The floating-point buffers by name, on the CPU; copies. For BatchNorm: running mean and running variance."""
    found = {
        f"{i}.{name}": buffer.detach().cpu().clone()
        for i, block in enumerate(net.blocks)
        for name, buffer in block.module.named_buffers()
    }
    return {name: buffer for name, buffer in found.items() if buffer.is_floating_point()}


@torch.no_grad()
def put_statistics(net: Network, statistics: dict[str, torch.Tensor]) -> None:
    """Write buffers that `statistics_of` gave, or a mixture of them, into a network, in place."""
    for i, block in enumerate(net.blocks):
        for name, buffer in block.module.named_buffers():
            if f"{i}.{name}" in statistics:
                buffer.copy_(statistics[f"{i}.{name}"])


def mix_statistics(given: Sequence[dict[str, torch.Tensor]], shares: Sequence[float]) -> dict[str, torch.Tensor]:
    """Statistics between those of several networks; shares sum to 1, and may be negative beyond the networks.

    Means are mixed as they are, variances by their logarithm: a variance stays above 0 also outside of the triangle.
    """
    mixed = {}
    for name, first in given[0].items():
        logarithmic = name.endswith("running_var") and all(bool((each[name] > 0).all()) for each in given)
        values = [each[name].log() if logarithmic else each[name] for each in given]
        # Written as first + differences, so that networks with equal statistics keep them bit for bit.
        value = values[0] + sum(s * (v - values[0]) for s, v in zip(shares[1:], values[1:], strict=True))
        unmoved = all(torch.equal(each[name], first) for each in given)
        mixed[name] = first.clone() if unmoved else value.exp() if logarithmic else value
    return mixed


def check_alike(nets: dict[str, Network]) -> None:
    """Raises `CourseError` unless all networks have one architecture, one preparation of images and the same classes."""
    (first_name, first), *others = nets.items()
    shapes = [tuple(p.shape) for p in parameters_of(first)]
    for name, net in others:
        if net.name != first.name or [tuple(p.shape) for p in parameters_of(net)] != shapes:
            same = "their heads or layers differ" if net.name == first.name else f"{name} is a {net.name}"
            raise CourseError(
                f"A landscape lies through networks of one architecture; {first_name} is a {first.name} with "
                f"{sum(map(torch.Size.numel, map(torch.Size, shapes))):,} parameters and {same}. Load them with the same name and classes."
            )
        if net.classes != first.classes:
            raise CourseError(
                f"A landscape needs networks with the same classes in the same order; {first_name} has {list(first.classes)[:6]} and "
                f"{name} has {list(net.classes)[:6]}. Load them with the same `classes`."
            )
        if (net.size, net.mean, net.std) != (first.size, first.mean, first.std):
            raise CourseError(
                f"{first_name} and {name} prepare images in different ways (size, mean or std), so between them there is no network. "
                "Load both with the same size, mean and std."
            )
