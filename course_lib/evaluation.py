"""How good a network is on a split, image by image.

result = evaluate(net, dogs, "test")
f"{result.accuracy:.1%}", result.confusion, result.worst(6)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch.nn import functional as F

from .cache.memory import in_parts
from .cache.remember import Live, Pixels, Remembered, remember, run_rows
from .errors import CourseError
from .images import ImageSet
from .network import Network
from .vectors import check_inputs

BATCH = 256


@dataclass(frozen=True)
class Evaluation:
    """What a network said of each image of a split.

    Attributes:
        split: its name.
        rows: int64 N, row numbers in the image set.
        labels: int64 N, the truth.
        scores: float N,classes: logits.
        classes: class names.
    """

    split: str
    rows: torch.Tensor
    labels: torch.Tensor
    scores: torch.Tensor
    classes: tuple[str, ...]

    @cached_property
    def probabilities(self) -> torch.Tensor:
        """Softmax of the scores, float N,classes."""
        return self.scores.softmax(1)

    @cached_property
    def predictions(self) -> torch.Tensor:
        """Class with the highest score, int64 N."""
        return self.scores.argmax(1)

    @cached_property
    def correct(self) -> torch.Tensor:
        """Whether each image was named rightly, bool N."""
        return self.predictions == self.labels

    @property
    def accuracy(self) -> float:
        """Share of images named rightly, 0 to 1."""
        return self.correct.float().mean().item()

    @property
    def loss(self) -> float:
        """Mean cross-entropy, in nats."""
        return F.cross_entropy(self.scores, self.labels).item()

    @cached_property
    def confusion(self) -> torch.Tensor:
        """Counts, int64 classes,classes: row = truth, column = what the network said."""
        count = len(self.classes)
        return torch.bincount(self.labels * count + self.predictions, minlength=count * count).view(count, count)

    def worst(self, count: int) -> torch.Tensor:
        """Positions (in this evaluation) of the mistakes that the network was surest of, int64, at most `count`."""
        said = self.probabilities.gather(1, self.predictions[:, None]).squeeze(1)
        surest = torch.where(self.correct, -1.0, said).argsort(descending=True)
        return surest[: min(count, int((~self.correct).sum()))]


def evaluate(
    net: Network,
    images: ImageSet,
    split: str = "test",
    frozen: int = 0,
    feed: Pixels | Live | Remembered | None = None,
) -> Evaluation:
    """Run a network over a split in eval mode.

    Arguments:
        split: `val` for choices, `test` for the number that is reported.
        frozen: blocks whose outputs are taken from memory where they are remembered; it changes the time, not the result.
        feed: what the first trained block takes, where the caller has it at hand.
    """
    check_inputs(net, images)
    rows = images.rows(split)
    if not len(rows):
        raise CourseError(f"The {split} split of {images.name} is empty, so there is nothing to measure on.")
    if feed is None:
        cut = net.cut(frozen)
        feed = remember(Pixels(net, images), cut) if cut else Pixels(net, images)
    if isinstance(feed, Remembered):
        for _ in feed.fill(rows):
            pass
    scores = [found for _, found in in_parts(lambda part: run_rows(feed, part), rows, net.device, BATCH)]
    return Evaluation(split, rows, images.labels[rows], torch.cat(scores).cpu(), images.classes)
