"""Where training starts: the loss before the first step, over many seeds, for random and for transferred networks.

    for starts in initial_losses(net, dogs, seeds=range(20)):     # net: its body is what is transferred
        print(starts)
    starts.losses["random"]                                       # nats, one for each seed

Three kinds of start are told apart. A pretrained body with a *new* head knows nothing of the task yet: its first loss is near
that of guessing, ln(classes), and may even lie above it, as its features are larger than those of a random body. What it
brings shows once the head has seen the images for a moment.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch.nn import functional as F

from ..errors import CourseError
from ..images import ImageSet
from ..models import load, model_names
from ..network import Network
from ..stacked.fit_heads import fit_heads, head_of
from ..stacked.headset import HeadRun
from ..training.recipes import feature_extraction
from .ground import PART, draw

KINDS = ("random", "transferred, new head", "transferred, trained head")


@dataclass(frozen=True)
class Starts:
    """Losses before the first step, as far as they are known.

    Attributes:
        losses: kind of start -> nats, one for each seed so far; kinds are those of `KINDS`.
        guessing: the loss of saying that all classes are equally likely, ln(classes), nats.
        done, total: losses worked out, and wanted.
    """

    losses: dict[str, list[float]]
    guessing: float
    total: int

    @property
    def done(self) -> int:
        return sum(map(len, self.losses.values()))

    def __repr__(self) -> str:
        parts = [
            f"{kind}: {min(found):.2f} to {max(found):.2f} nats over {len(found)} seeds"
            for kind, found in self.losses.items()
            if found
        ]
        return f"Initial losses (guessing: {self.guessing:.2f} nats). {'; '.join(parts) or 'none yet'}"


def initial_losses(
    net: Network,
    images: ImageSet,
    seeds: Sequence[int] = range(20),
    split: str = "val",
    points: int = 256,
    epochs: int = 3,
) -> Iterator[Starts]:
    """The loss before the first step of training the whole network, for each seed.

    Arguments:
        net: a network with pretrained weights; its body is transferred, its head is not looked at. Random networks and new
            heads are those that `load` draws with its name.
        seeds: of the random weights.
        split, points: which images are looked at, as for `Ground`.
        epochs: passes over the training images that the third kind's head had, on the frozen body; 0 leaves that kind out.

    Yields: `Starts` with more in it each time. Raises `CourseError`, before any work, for a network that `load` does not know.
    """
    seeds = list(seeds)
    if net.name not in model_names():
        raise CourseError(
            f"{net.name} is not among the networks that `load` draws at random ({', '.join(model_names()[:4])}, ...), so its random "
            "starts are not known. Use one of these."
        )
    if not seeds or type(epochs) is not int or epochs < 0:
        raise CourseError(
            f"initial_losses takes at least one seed and epochs from 0; received {len(seeds)} seeds, epochs={epochs!r}."
        )
    return _work(net.copy(), images, seeds, split, draw(images, split, points), epochs)


def _work(
    net: Network, images: ImageSet, seeds: list[int], split: str, rows: torch.Tensor, epochs: int
) -> Iterator[Starts]:
    kinds = KINDS if epochs else KINDS[:2]
    losses: dict[str, list[float]] = {kind: [] for kind in kinds}
    labels = images.labels[rows]

    def told() -> Starts:
        copies = {kind: list(found) for kind, found in losses.items()}
        return Starts(copies, math.log(len(images.classes)), len(seeds) * len(kinds))

    with torch.no_grad(), net.mode(frozen=len(net)):
        features = torch.cat([net.run(_pixels(net, images, part), 0, len(net) - 1) for part in rows.split(PART)])
    heads = []
    for seed in seeds:
        fresh = load(net.name, images.classes, seed=seed, size=net.size, mean=net.mean, std=net.std)
        scores = torch.cat([fresh(images.images[part]) for part in rows.split(PART)])
        losses[KINDS[0]].append(F.cross_entropy(scores.cpu(), labels).item())
        heads.append(head_of(fresh))  # the head that goes with this seed, on the transferred body
        _put_head(net, heads[-1])
        with torch.no_grad(), net.mode(frozen=len(net)):
            scores = net.run(features, len(net) - 1)
        losses[KINDS[1]].append(F.cross_entropy(scores.cpu(), labels).item())
        yield told()
    if epochs:
        stage = feature_extraction(epochs)[0]
        seen = replace(images, splits={**images.splits, split: rows})
        runs = [HeadRun(stage, seed, head=head) for seed, head in zip(seeds, heads, strict=True)]
        for record in fit_heads(net, seen, runs):
            last = record
            yield told()
        losses[KINDS[2]] = [found.loss for found in last.heads.evaluations(split)]
        yield told()


def _pixels(net: Network, images: ImageSet, rows: torch.Tensor) -> torch.Tensor:
    return net.prepare(images.images[rows].to(net.device))


def _put_head(net: Network, head: dict[str, torch.Tensor]) -> None:
    with torch.no_grad():
        for name, parameter in net.blocks[-1].module.named_parameters():
            parameter.copy_(head[name])
