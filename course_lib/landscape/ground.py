"""Ground: a fixed set of images on which the loss and the accuracy of any weights are measured.

    ground = Ground(net, dogs, split="val", points=256)
    ground.measure(weights_of(net), statistics_of(net))        # Point(loss=0.41, accuracy=0.87)

What about BatchNorm? Weights have a place in the landscape; the mean and the variance that BatchNorm keeps of its inputs
are no weights, and yet the network needs them. Two ways are here:

- `interpolate` (default): statistics are mixed like the weights, from those of the networks that the landscape was made
  from (variances by their logarithm). At these networks the loss is exactly the one that `evaluate` gives.
- `measure`: at every point the statistics are measured on the images shown, as in training (Garipov et al. 2018, arXiv
  1802.10026, and Jordan et al. 2022, arXiv 2211.08403, do so on training images). Between two networks that were
  trained apart this is fairer: mixed weights make signals weaker than the mixed statistics say, and the loss is too high. At
  the networks themselves the loss is a little off what `evaluate` says, and a random network gets statistics it never had.

Seen with PawNet on 256 drawn dogs (random, pretrained, fine-tuned): interpolated, the loss at the three equals that of
`evaluate` (to 2e-5 nats in float32; within 0.02 in bfloat16 of the float32 loss); measured, it was off by up to 0.022 nats.
Far outside of the three, interpolated statistics fit no longer: 61 nats in a corner where measured ones gave 2.2.

Layers that have one way only, such as LayerNorm, are the same under both.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import torch
from torch.nn import functional as F

from ..devices import choose_device, precision
from ..errors import CourseError
from ..images import ImageSet
from ..network import Network
from ..training.layers import norms
from ..vectors import check_inputs
from .vectors import put_statistics, put_weights

PART = 64  # images at a time: more do not stay in a core's cache (PawNet, bfloat16: 256 at once took 1.4 times as long)
NORMS = ("interpolate", "measure")
Norm = Literal["interpolate", "measure"]


@dataclass(frozen=True)
class Point:
    """What was measured with some weights.

    Attributes:
        loss: mean cross-entropy in nats; infinite where the numbers ran over.
        accuracy: share of images named rightly, 0 to 1.
        scores: float N,classes: logits of the images.
    """

    loss: float
    accuracy: float
    scores: torch.Tensor

    def __repr__(self) -> str:
        return f"Point(loss={self.loss:.4g}, accuracy={self.accuracy:.4g})"


class Ground:
    """Images, and a network of its own into which weights are put to measure them.

    Arguments:
        net: for its architecture; copied, never changed.
        images: its `split` is looked at.
        points: how many images of it are taken, drawn once by `seed`; all where there are fewer.
        norm: what is done with BatchNorm's statistics, `interpolate` or `measure` (see above).
        still: this many first blocks are the same for all weights that will be measured; worked out once, from `net`.

    Attributes:
        rows: int64 N, row numbers of the images, in the order drawn: the first few are of all classes. labels: int64 N.
    """

    def __init__(
        self,
        net: Network,
        images: ImageSet,
        split: str = "val",
        points: int = 256,
        norm: Norm = "interpolate",
        seed: int = 0,
        still: int = 0,
    ) -> None:
        check_inputs(net, images)
        if norm not in NORMS:
            raise CourseError(f"norm={norm!r} is not known; use {' or '.join(map(repr, NORMS))}.")
        if type(points) is not int or points < 2:
            raise CourseError(f"points={points!r} is out of range; it is a whole number of images from 2, such as 256.")
        if net.classes != images.classes:
            raise CourseError(
                f"The network names {', '.join(net.classes[:6])} and {images.name} holds {', '.join(images.classes[:6])}; "
                "load the network with classes=images.classes."
            )
        self.net = net.copy().to(choose_device())
        self.images, self.split, self.norm = images, split, norm
        self.rows = draw(images, split, points, seed)
        self.labels = images.labels[self.rows]
        self.still = min(still, len(net) - 1)
        self._norms = norms(self.net.blocks[self.still :])
        with torch.inference_mode(), self.net.mode(frozen=len(net)):
            parts = [self.net.prepare(images.images[part].to(self.net.device)) for part in self.rows.split(PART)]
            self.inputs = torch.cat([self.net.run(part, 0, self.still) for part in parts])

    def measure(self, weights: torch.Tensor, statistics: dict[str, torch.Tensor], count: int | None = None) -> Point:
        """Loss and accuracy with these weights, float D.

        Arguments:
            statistics: of BatchNorm, by name (vectors.py); with norm="measure" they are not looked at.
            count: only the first so many images, for a quick answer; None for all. The scores are of these.
        """
        net = self.net
        put_weights(net, weights)
        inputs = self.inputs[:count]
        with torch.inference_mode(), net.mode(frozen=len(net)):
            if self.norm == "interpolate" or not self._norms:
                put_statistics(net, statistics)
                scores = torch.cat([net.run(part, self.still) for part in inputs.split(PART)])
            else:
                for layer in self._norms:
                    layer.training = True  # leaving mode() puts it back
                scores = net.run(inputs, self.still)
        scores, labels = scores.float().cpu(), self.labels[: len(scores)]
        loss = F.cross_entropy(scores, labels).item()
        right = (scores.argmax(1) == labels).float().mean().item()
        return Point(loss if loss == loss else float("inf"), right, scores)

    def facts(self) -> dict[str, str]:
        """All that a measured loss depends on, apart from the weights."""
        rows = hashlib.sha256(torch.cat([self.rows, self.labels]).numpy().tobytes()).hexdigest()
        exact = str(self.net.precision or precision(self.net.device))
        return {
            "images": self.images.checksum,
            "rows": rows,
            "norm": self.norm,
            "precision": exact,
            "device": self.net.device.type,
        }


def draw(images: ImageSet, split: str, points: int, seed: int = 0) -> torch.Tensor:
    """Row numbers of at most `points` images of a split, int64, drawn by `seed`, in the order drawn."""
    rows = images.rows(split)
    if len(rows) < 2:
        raise CourseError(f"The {split} split of {images.name} has {len(rows)} images; a loss needs at least 2.")
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
    return rows[order[:points]]
