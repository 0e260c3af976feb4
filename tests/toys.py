"""Small, repeatable things to test with: image sets of a few pixels, networks, and one way to run a recipe.

dots = toy_images(train=12, val=5, test=6)
net = load("pawnet", dots.classes)
records = run(net, dots, Stage(frozen=-1, epochs=1))
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torchvision.models import VisionTransformer

from course_lib.cutting.blocks import split
from course_lib.images import ImageSet
from course_lib.models import load
from course_lib.network import Network
from course_lib.training.records import Record
from course_lib.training.stage import Stage
from course_lib.training.train import fit

CLASSES = ("red", "green", "blue")


def toy_images(
    train: int = 12, val: int = 5, test: int = 6, *, size: int = 64, classes: Sequence[str] = CLASSES, seed: int = 0
) -> ImageSet:
    """Noise in which one channel is brighter than the others: the class. Labels go round, so every split has all."""
    count = train + val + test
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 200, (count, 3, size, size), dtype=torch.uint8, generator=generator)
    labels = torch.arange(count) % len(classes)
    images[torch.arange(count), labels % 3] += 55
    rows = torch.arange(count).split([train, val, test])
    splits = dict(zip(("train", "val", "test"), rows, strict=True))
    return ImageSet("toys", images, labels, tuple(classes), splits)


def wide_net() -> Network:
    """Two linear layers, the first with thousands of inputs as in VGG; the second has dropout, in place."""
    torch.manual_seed(0)
    body, head = nn.Linear(3 * 32 * 32, 512), nn.Linear(512, len(CLASSES))
    return _network("wide", nn.Sequential(nn.Flatten(), body, nn.ReLU6(), nn.Dropout(inplace=True), head))


def small_vit() -> Network:
    """A vision transformer as torchvision builds it, with four layers and dropout, for images of 32 px."""
    torch.manual_seed(0)
    sizes = {"num_layers": 4, "num_heads": 2, "hidden_dim": 64, "mlp_dim": 128, "dropout": 0.1}
    return _network("vit", VisionTransformer(image_size=32, patch_size=8, num_classes=len(CLASSES), **sizes))


def _network(name: str, model: nn.Module) -> Network:
    blocks = split(model.eval(), torch.randn(2, 3, 32, 32))
    return Network(name, model, blocks, CLASSES, 32, (0.5,) * 3, (0.25,) * 3, "random weights")


@functools.cache
def _fresh(name: str) -> Network:
    return {"wide": wide_net, "vit": small_vit}.get(name, lambda: load(name, CLASSES))()


def make(name: str) -> Network:
    """A network of one's own with random weights for `CLASSES`; `wide`, `vit` or what `load` takes. Built once, then copied."""
    return _fresh(name).copy()


def run(net: Network, images: ImageSet, recipe: Stage | Sequence[Stage], **options: Any) -> list[Record]:
    """Train to the end on the CPU; all records."""
    return list(fit(net, images, recipe, device="cpu", **options))


def weights(net: Network) -> dict[str, torch.Tensor]:
    """A copy of the whole state dict: parameters and buffers."""
    return {name: tensor.clone() for name, tensor in net.model.state_dict().items()}


def differing(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> list[str]:
    """Names of the tensors that are not equal bit for bit."""
    assert first.keys() == second.keys()
    return [name for name in first if not torch.equal(first[name], second[name])]


def states(net: Network, start: int = 0, stop: int | None = None) -> list[torch.Tensor]:
    """Copies of the parameters and buffers of blocks `start` to `stop`."""
    return [tensor.detach().clone() for block in net.blocks[start:stop] for tensor in block.state()]


def flags(net: Network) -> tuple[list[bool], list[bool]]:
    """Train flags of all modules, and `requires_grad` of all parameters."""
    modules = [*net.model.modules(), *(module for block in net.blocks for module in block.module.modules())]
    return [module.training for module in modules], [p.requires_grad for p in net.model.parameters()]
