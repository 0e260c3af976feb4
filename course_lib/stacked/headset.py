"""HeadRun and Heads: what is asked of one head, and what became of many.

heads = record.heads                     # a record of `fit_heads`
heads.accuracies("val")                  # one for each run
best = heads.network(int(heads.accuracies("val").argmax()))
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch.func import functional_call, vmap

from ..cache.remember import Remembered
from ..errors import CourseError
from ..evaluation import BATCH, Evaluation
from ..images import ImageSet
from ..network import Network
from ..training.stage import Stage


@dataclass(frozen=True, eq=False)
class HeadRun:
    """One head: how it trains, on what, and from where.

    Arguments:
        stage: with the head alone trained, such as Stage(frozen=-1).
        seed: of the order of the images, the augmentation and the dropout, as for `fit`. With `augment` each seed draws
            views of its own, and the body is worked out for each of them.
        train: int64 N, rows of the train split to learn from; None for all of them. `images.subset(20, seed).rows("train")`.
        head: parameters to start from, by name, as `load_head` and `head_of` give them; None for the network's own.
    """

    stage: Stage
    seed: int = 0
    train: torch.Tensor | None = field(default=None, repr=False)
    head: Mapping[str, torch.Tensor] | None = field(default=None, repr=False)


@dataclass(frozen=True, eq=False)
class Heads:
    """R trained heads on one body.

    Attributes:
        net: the network whose body they stand on; its own head is not changed.
        images: the set that they were trained on.
        runs: one for each head.
        parameters: name -> float R,...
        feed: what the body says of each image, clean.
        body: fingerprint of the body.
    """

    net: Network
    images: ImageSet
    runs: tuple[HeadRun, ...]
    parameters: dict[str, torch.Tensor]
    feed: Remembered = field(repr=False)
    body: str = field(repr=False)

    def __len__(self) -> int:
        return len(self.runs)

    def scores(self, split: str = "test") -> torch.Tensor:
        """Scores (logits) of a split, in eval mode: float R,N,classes."""
        self._check_body()
        head = copy.deepcopy(self.net.blocks[-1].module).eval()
        every = vmap(lambda parameters, x: functional_call(head, parameters, (x,)), in_dims=(0, None))
        with torch.no_grad():
            parts = [
                every(self.parameters, self.feed(rows).float().contiguous()) for rows in self._rows(split).split(BATCH)
            ]
        return torch.cat(parts, 1).cpu()

    def accuracies(self, split: str = "test") -> torch.Tensor:
        """Share of a split's images that each head names rightly, 0 to 1: float R."""
        return torch.tensor([evaluation.accuracy for evaluation in self.evaluations(split)])

    def evaluations(self, split: str = "test") -> list[Evaluation]:
        """What each head says of each image of a split, as `evaluate` says it of one network."""
        rows = self._rows(split)
        labels = self.images.labels[rows]
        return [Evaluation(split, rows, labels, scores, self.images.classes) for scores in self.scores(split)]

    def network(self, number: int) -> Network:
        """A network of its own: a copy of the body with head `number`, counted as Python counts list items."""
        if not isinstance(number, int) or not -len(self) <= number < len(self):
            raise CourseError(f"There is no head {number!r}; there are {len(self)}, 0 to {len(self) - 1}.")
        self._check_body()
        net = self.net.copy()
        with torch.no_grad():
            for name, parameter in net.blocks[-1].module.named_parameters():
                parameter.copy_(self.parameters[name][number])
        return net

    def _rows(self, split: str) -> torch.Tensor:
        rows = self.images.rows(split)
        if not len(rows):
            raise CourseError(f"The {split} split of {self.images.name} is empty, so there is nothing to measure on.")
        return rows

    def _check_body(self) -> None:
        if self.net.fingerprint(len(self.net) - 1) != self.body:
            raise CourseError(
                f"The body of {self.net.name} was trained since these heads were: they do not fit it any more. Give `fit_heads` a "
                "copy (net.copy()), or measure the heads first."
            )
