"""What is measured of each picture for the look at the data, a part at a time: brightness, contrast, colour, its rim.

    seen = measure(images.images)
    seen.brightness, seen.contrast, seen.colour, seen.rim

And how well such a number alone tells the classes apart (`tell_apart`): a network may learn it instead of the class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..images import ImageSet
from ..intervals import wilson

FOLDS = 5
ENOUGH = 5  # pictures of their own that each class needs for a cue to be judged
MOST = 5000  # pictures that a cue is judged by


@dataclass(frozen=True)
class Measures:
    """One row for each picture.

    Attributes:
        brightness: mean grey level, 0 to 255.
        contrast: standard deviation of the grey levels.
        tint: mean difference of the largest and the smallest of red, green and blue; 0 where all is grey.
        colour: float N,3: mean red, green and blue.
        rim: float N,3: the same of the outermost eighth on each side, where the background is more often.
    """

    brightness: np.ndarray
    contrast: np.ndarray
    tint: np.ndarray
    colour: np.ndarray
    rim: np.ndarray


@dataclass(frozen=True)
class Cue:
    """How many pictures get their class right from a thing that is not the class.

    Attributes:
        name: what is looked at.
        share: of pictures, each class counting alike, 0 to 1; low, high: its 95 % interval (Wilson).
        chance: what guessing gives.
    """

    name: str
    share: float
    low: float
    high: float
    chance: float

    @property
    def tells(self) -> bool:
        """Whether it is surely more than a quarter of the way from chance to all right."""
        return self.low > self.chance + 0.25 * (1 - self.chance)


def measure(images: torch.Tensor) -> Measures:
    """Look at uint8 N,3,H,W, 64 at a time."""
    columns: list[list[torch.Tensor]] = [[], [], [], [], []]
    grey = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    for part in images.split(64):
        x = _smaller(part)
        light = (x * grey).sum(1).flatten(1)  # n,3,H,W -> n,HW
        band = max(1, x.shape[-1] // 8)
        inside = x[..., band:-band, band:-band]
        outside = x.sum((2, 3)) - inside.sum((2, 3))
        rim = outside / (x[0, 0].numel() - inside[0, 0].numel())
        tint = (x.amax(1) - x.amin(1)).mean((1, 2))
        for column, values in zip(columns, (light.mean(1), light.std(1), tint, x.mean((2, 3)), rim), strict=True):
            column.append(values)
    empty = (torch.zeros(0),) * 3 + (torch.zeros(0, 3),) * 2
    return Measures(*(torch.cat([first, *column]).numpy() for first, column in zip(empty, columns, strict=True)))


def _smaller(part: torch.Tensor) -> torch.Tensor:
    """Every few pixels of large pictures: float n,3,h,w of about 64 px; these measures need no more."""
    step = max(1, part.shape[-1] // 64)
    return part[..., ::step, ::step].float()


def cues(images: ImageSet, seen: Measures, groups: np.ndarray) -> tuple[Cue, ...]:
    """What might give the classes away: the size of the files, the mean colour, the mean colour of the rim."""
    looks = {"the mean colour of a picture": seen.colour, "the mean colour of its rim": seen.rim}
    if "width" in images.factors:
        width, height = (np.log(np.maximum(images.factors[name], 1).astype(float)) for name in ("width", "height"))
        looks = {"the file's width and height": np.stack([width + height, width - height], 1)} | looks
    labels = images.labels.numpy()
    own = [len({int(g) if g >= 0 else -1 - i for i, g in zip(np.flatnonzero(labels == c), groups[labels == c], strict=True)})
           for c in range(len(images.classes))]  # fmt: skip
    if min(own, default=0) < ENOUGH:
        return ()
    found = ((name, tell_apart(values, labels, groups, len(own))) for name, values in looks.items())
    return tuple(Cue(name, *judged, 1 / len(own)) for name, judged in found)


def tell_apart(
    values: np.ndarray, labels: Sequence[int], groups: np.ndarray, classes: int
) -> tuple[float, float, float]:
    """How many pictures are nearest to the mean of their own class, each class counting alike; with its 95 % interval.

    Judged on pictures that the means do not know (5 parts in turn); copies of a picture are in one part.

    Arguments:
        values: float N,D.
        labels: class numbers.
        groups: of copies, -1 for none.
    """
    labels = np.asarray(labels)
    draw = np.random.default_rng(0)
    if len(labels) > MOST:
        rows = draw.permutation(len(labels))[:MOST]
        values, labels, groups = values[rows], labels[rows], groups[rows]
    bundle = np.where(groups >= 0, groups, groups.max(initial=-1) + 1 + np.arange(len(labels)))
    fold = draw.permutation(bundle.max() + 1)[bundle] % FOLDS
    right = np.zeros(len(labels), dtype=bool)
    for part in range(FOLDS):
        here, there = fold == part, fold != part
        spread = values[there].std(0)
        scaled = (values - values[there].mean(0)) / np.where(spread > 1e-9, spread, np.inf)
        means = np.full((classes, values.shape[1]), np.inf)
        for label in np.unique(labels[there]):
            means[label] = scaled[there & (labels == label)].mean(0)
        distance = ((scaled[here][:, None] - means) ** 2).sum(2)
        nearest = distance == distance.min(1, keepdims=True)
        # Where several means are as near, all of them are guessed at: with one value for all that is chance.
        right[here] = nearest[np.arange(here.sum()), labels[here]] & (draw.random(here.sum()) < 1 / nearest.sum(1))
    share = float(np.mean([right[labels == label].mean() for label in range(classes) if (labels == label).any()]))
    return share, *wilson(share, len(labels))
