"""VectorNetwork: a network that takes vectors of numbers, such as features, where others take images.

net = dense(features, hidden=(64,))         # features.py; fit, evaluate and surgery take it like any network
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from .errors import CourseError
from .network import Network
from .tables import Table


@dataclass(eq=False)
class VectorNetwork(Network):
    """A network over vectors: float N,width -> float N,classes.

    Attributes:
        width: how many numbers a row has.
    """

    width: int = 0

    def prepare(self, images: torch.Tensor) -> torch.Tensor:
        """Vectors as they are, float32 N,width. Raises `CourseError` for images, and for another width."""
        if images.ndim != 2 or images.shape[1] != self.width or images.dtype != torch.float32:
            raise CourseError(
                f"{self.name} takes float32 vectors of {self.width} numbers; received {images.dtype} of shape "
                f"{tuple(images.shape)}. Give it a FeatureSet made the same way as the one it was built for."
            )
        return images

    def table(self, size: int | None = None) -> Table:
        """One row a block: number, name, output shape for one vector, parameters.

        Arguments:
            size: None; a vector has no height and width.
        """
        if size is not None:
            raise CourseError(f"size={size} pixels was asked of {self.name}, which takes vectors; leave it out.")
        rows = []
        with torch.no_grad(), self.mode(frozen=len(self)):
            x = torch.zeros(1, self.width, device=self.device)
            for i, block in enumerate(self.blocks):
                x = block(x)
                count = sum(p.numel() for p in block.parameters())
                rows.append([i, block.name, " x ".join(map(str, x.shape[1:])), count])
        caption = f"{self.name} on vectors of {self.width} numbers; {self.origin}"
        return Table(("number", "block", "output", "parameters"), rows, caption)


def check_inputs(net: Network, images: Any) -> None:
    """Raises `CourseError` where a network for images is given vectors, or the other way round, or vectors of another width.

    Arguments:
        images: an ImageSet or a FeatureSet.
    """
    if isinstance(net, VectorNetwork):
        net.prepare(images.images[:1])
    elif images.images.ndim == 2:
        raise CourseError(
            f"{net.name} takes images; {images.name} is a FeatureSet of vectors. Make a network over them with dense(), or give "
            "the images."
        )
