"""Pixels: what the first block of a network takes, made from the images of a set when it is asked for.

    feed = Pixels(net, images, Augment(), view=1, seed=0)
    x = feed(rows)                  # float n,3,size,size, on the network's device

Nothing in it waits for a GPU, and of images that lie in a file only the rows asked for are read.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch

from ..augment import Augment
from ..images import ImageSet
from ..network import Network
from .memory import fits
from .stores import used_on


@dataclass(frozen=True)
class Pixels:
    """Prepared inputs of the first block, made anew from uint8 images at each call.

    Arguments:
        net: says how inputs are prepared.
        images: the whole set; rows are counted in it.
        augment: what may be changed, or None.
        view: number of the augmented view; 0 is the clean image.
        seed: of the draws.
    """

    net: Network
    images: ImageSet
    augment: Augment | None = None
    view: int = 0
    seed: int = 0

    cut = 0

    def __post_init__(self) -> None:
        changed = self.augment is not None and self.view > 0
        draws = self.augment.draw(len(self.images.images), self.view, self.seed) if changed else None
        object.__setattr__(self, "draws", draws)

    @property
    def facts(self) -> dict[str, Any]:
        """All that the inputs depend on."""
        facts = {"pixels": self.images.checksum, "size": self.net.size, "mean": self.net.mean, "std": self.net.std}
        if self.draws is not None:
            facts |= {"augment": asdict(self.augment), "view": self.view, "seed": self.seed}
        return facts

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        device = self.net.device
        images = _on(device, self.images)
        images = images[rows.to(images.device, non_blocking=True)].to(device, non_blocking=True)
        return self.net.prepare(images if self.draws is None else self.augment(images, self.draws[rows]))


def _on(device: torch.device, images: ImageSet) -> torch.Tensor:
    """The images where they are looked up: all on the GPU if they take under 40 % of what is free there, copied once."""
    if device.type != "cuda":
        return images.images
    name = f"images on {device}"
    if name not in images.stores:
        room = fits(images.images.nbytes, device, used_on(device, images.stores))
        images.stores[name] = images.images.to(device) if room else images.images
    return images.stores[name]
