"""The marginal P(X), measured: two samples of pictures, and whether they can come from one distribution.

    look = Looker("animals")                                # a shipped net, frozen: what it says of a picture, 192 numbers
    a, b = look.sample(source), look.sample(target)         # 120 pictures of each, drawn at random
    test = tell_apart(a.views, b.views)                     # test.p, test.differs

The rule: a picture is seen in two ways, by the net (192 numbers) and by its colours and edges (7 numbers). The energy
distance between the two samples (Szekely and Rizzo 2013, Journal of Statistical Planning and Inference 143(8)) is taken in
each, and their sum is judged by a permutation test. If both samples come from one distribution, any dealing out of the
pictures to two heaps is as likely as the true one, so p below 0.05 comes up in at most 5 of 100 cases, whatever the
distribution is. What neither way of seeing shows is not found.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from ..errors import CourseError
from ..models import load
from ..weights import shipped_names
from .animals import Domain

SAMPLE = 120  # pictures of each domain
PERMUTATIONS = 999
LEVEL = 0.05
BINS = 16  # of the brightness
KEPT = 24  # samples that are remembered


@dataclass(frozen=True)
class Pixels:
    """Plain statistics of pictures, brightness from 0 to 1.

    Attributes:
        mean, spread: of the red, green and blue channel; the spread is the standard deviation over all pixels.
        brightness: share of pixels in each of `BINS` equal steps of brightness (weights of Rec. 601), from dark to light.
        edges: mean difference of brightness between neighbouring pixels, right and down.
    """

    mean: tuple[float, float, float]
    spread: tuple[float, float, float]
    brightness: tuple[float, ...]
    edges: float


@dataclass(frozen=True)
class Sample:
    """Pictures of a domain, drawn at random: uint8 N,3,S,S, what the net says of them, float N,D, and their factors."""

    domain: Domain
    images: torch.Tensor
    features: torch.Tensor
    pixels: Pixels
    table: dict[str, np.ndarray]

    @property
    def views(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The two ways of seeing: features N,D, and colours and edges N,7."""
        return self.features, picture_statistics(self.images)


@dataclass(frozen=True)
class TwoSample:
    """Whether two samples were told apart.

    Attributes:
        distance: energy distance of the standardised features, 0 or more.
        p: how often a dealing out at random gives as large a distance, 0 to 1.
        apart: distance between the two means of the features, in units of the root mean square distance of a picture from its own mean.
        count: pictures in the smaller sample.
    """

    distance: float
    p: float
    apart: float
    count: int

    @property
    def p_words(self) -> str:
        """p with as many digits as it has."""
        return "0.001 or less" if self.p <= 0.001 else f"{self.p:.3f}" if self.p < 0.1 else f"{self.p:.2f}"

    @property
    def differs(self) -> bool:
        """Whether p lies below `LEVEL`."""
        return self.p < LEVEL


class Looker:
    """A shipped net that is only looked through.

    Arguments:
        weights: a shipped upbringing of PawNet.
    """

    def __init__(self, weights: str = "animals") -> None:
        if weights not in shipped_names("pawnet"):
            raise CourseError(
                f"There is no shipped net named {weights!r} to look through; there are {', '.join(shipped_names('pawnet'))}."
            )
        self.weights, self.net = weights, load("pawnet", weights=weights)
        self._samples: OrderedDict[tuple[Domain, int], Sample] = OrderedDict()
        self._lock = threading.Lock()  # several widgets may ask at once

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """What the last block before the head says, float N,D; pictures of another size are scaled to the net's."""
        body = len(self.net) - 1
        with torch.no_grad(), self.net.mode(frozen=len(self.net)):
            parts = [self.net.run(self.net.prepare(part), 0, body) for part in images.split(64)]
        return torch.cat([(part.mean((2, 3)) if part.ndim == 4 else part).float() for part in parts])

    def sample(self, domain: Domain, count: int = SAMPLE) -> Sample:
        """`count` pictures of a domain at random, and what they are like. Asked for again, it is not drawn again."""
        key = (domain, count)
        with self._lock:
            if key not in self._samples:
                table, streams = domain.draw_at_random(count)
                images = domain.draw(table, streams)
                self._samples[key] = Sample(domain, images, self.features(images), pixel_statistics(images), table)
                while len(self._samples) > KEPT:
                    self._samples.popitem(last=False)
            self._samples.move_to_end(key)
            return self._samples[key]


@lru_cache(maxsize=1)
def shared_looker() -> Looker:
    """The looker that all widgets of a process share, so that a cell that is run again finds its samples."""
    return Looker()


def pixel_statistics(images: torch.Tensor) -> Pixels:
    """Statistics of all pixels of some pictures, uint8 N,3,S,S."""
    x = images.float() / 255
    bins = (_light(x) * BINS).long().clamp(0, BINS - 1).flatten()
    share = torch.bincount(bins, minlength=BINS).double() / len(bins)
    return Pixels(
        mean=tuple(x.mean((0, 2, 3)).tolist()),
        spread=tuple(x.std((0, 2, 3), correction=0).tolist()),
        brightness=tuple(share.tolist()),
        edges=float(picture_statistics(images)[:, 6].mean()),
    )


def picture_statistics(images: torch.Tensor) -> torch.Tensor:
    """Seven numbers for each picture, float N,7: mean of red, green and blue, spread of each, strength of edges."""
    x = images.float() / 255
    light = _light(x)
    right, down = (light[:, :, 1:] - light[:, :, :-1]).abs(), (light[:, 1:] - light[:, :-1]).abs()
    edges = (right.mean((1, 2)) + down.mean((1, 2))) / 2
    return torch.cat([x.mean((2, 3)), x.std((2, 3), correction=0), edges[:, None]], 1)


def _light(x: torch.Tensor) -> torch.Tensor:
    """Brightness N,S,S of N,3,S,S (weights of Rec. 601)."""
    return x[:, 0] * 0.299 + x[:, 1] * 0.587 + x[:, 2] * 0.114


def tell_apart(
    a: Sequence[torch.Tensor], b: Sequence[torch.Tensor], permutations: int = PERMUTATIONS, seed: int = 0
) -> TwoSample:
    """The permutation test of the energy distance.

    Arguments:
        a, b: two independent samples, each seen in the same ways: float N,D and M,D for each way, two rows or more.
        permutations: dealings out at random; with 999 the smallest p is 0.001.
        seed: of these.

    Raises `CourseError` for samples that do not fit together.
    """
    shapes = [(tuple(x.shape), tuple(y.shape)) for x, y in zip(a, b, strict=False)]
    fit = all(len(x) == len(y) == 2 and x[1] == y[1] and min(x[0], y[0]) > 1 for x, y in shapes)
    if not shapes or len(a) != len(b) or not fit or len({(x[0], y[0]) for x, y in shapes}) > 1:
        raise CourseError(
            f"Two samples are compared as rows of equal width, two rows or more each, seen in the same ways; received {shapes}."
        )
    n, m = len(a[0]), len(b[0])
    generator = torch.Generator().manual_seed(seed)
    first = torch.zeros(permutations + 1, n + m, dtype=torch.float64)
    first[0, :n] = 1  # row 0 is the true dealing out
    for row in range(1, permutations + 1):
        first[row, torch.randperm(n + m, generator=generator)[:n]] = 1
    energies = [_energies(torch.cat([x, y]).double(), first) for x, y in zip(a, b, strict=True)]
    # Each way counts alike: its energy is told in units of what dealing out at random gives.
    total = sum(energy / energy.mean().clamp(min=1e-300) for energy in energies)
    p = float((total >= total[0] - 1e-9).double().mean())  # sums in another order differ in the last bits
    return TwoSample(float(energies[0][0]), p, _apart(a[0].double(), b[0].double()), min(n, m))


def _energies(x: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
    """Energy distance of each dealing out, float R. x: N,D; first: R,N, 1 for rows of the first heap and 0 for others."""
    spread = x.std(0, correction=0)
    x = (x - x.mean(0)) / torch.where(spread > 0, spread, 1.0)
    far = torch.cdist(x, x)
    second = 1 - first
    n, m = first.sum(1), second.sum(1)
    near = first @ far
    within = (near * first).sum(1) / n**2 + ((second @ far) * second).sum(1) / m**2
    return 2 * (near * second).sum(1) / (n * m) - within


def _apart(a: torch.Tensor, b: torch.Tensor) -> float:
    own = torch.cat([a - a.mean(0), b - b.mean(0)])
    spread = own.pow(2).sum(1).mean().sqrt()
    return float((a.mean(0) - b.mean(0)).norm() / spread) if spread > 0 else 0.0


def plane(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Both samples in the plane of their two main directions (PCA): float N,2 and M,2, and the share of variance shown."""
    x = torch.cat([a, b]).double()
    x = x - x.mean(0)
    _, values, directions = torch.linalg.svd(x, full_matrices=False)
    biggest = directions[torch.arange(2), directions[:2].abs().argmax(1)]
    shown = (
        x @ (directions[:2] * biggest.sign()[:, None]).T
    )  # a direction's sign is free: fixed, so that plots do not flip
    total = values.pow(2).sum()
    share = float(values[:2].pow(2).sum() / total) if total > 0 else 1.0
    return shown[: len(a)], shown[len(a) :], share
