"""The straight line between two networks, and the barrier on it.

line = between(a, b, dogs)
line.losses, line.accuracies             # at line.shares, from a (0) to b (1)
barrier(a, b, dogs).height               # nats; near 0 where both lie in one basin
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import CourseError
from ..images import ImageSet
from ..network import Network
from .ground import Ground, Norm
from .vectors import check_alike, mix_statistics, statistics_of, weights_of


@dataclass(frozen=True)
class Line:
    """What was measured along a straight line from one network to another.

    Attributes:
        shares: how far along, 0 to 1.
        losses: nats. accuracies: 0 to 1.
    """

    shares: tuple[float, ...]
    losses: tuple[float, ...]
    accuracies: tuple[float, ...]

    @property
    def excess(self) -> tuple[float, ...]:
        """Loss above the straight line between the losses of the two ends, nats."""
        first, last = self.losses[0], self.losses[-1]
        return tuple(loss - (first + t * (last - first)) for t, loss in zip(self.shares, self.losses, strict=True))

    @property
    def height(self) -> float:
        """The barrier: the highest excess, nats; 0 where the loss never rises above the line between the ends.

        Neyshabur et al. 2020, arXiv 2008.11687, compare networks in this way: fine-tuned ones lie in one basin.
        """
        return max(self.excess)

    @property
    def where(self) -> float:
        """How far along the highest excess is, 0 to 1."""
        return self.shares[self.excess.index(self.height)]

    def __repr__(self) -> str:
        return (
            f"Line over {len(self.shares)} points: loss {self.losses[0]:.3f} to {self.losses[-1]:.3f} nats, "
            f"barrier {self.height:.3f} nats at {self.where:.0%}"
        )


def between(
    a: Network,
    b: Network,
    images: ImageSet,
    steps: int = 21,
    split: str = "val",
    points: int = 256,
    norm: Norm = "measure",
) -> Line:
    """Loss and accuracy along the straight line between two networks.

    Arguments:
        steps: points on the line, both ends among them, 3 or more.
        split, points, norm: as for `Ground`. Here statistics are measured at each point: with mixed ones the middle between
            two networks that were trained apart looks worse than it is (Jordan et al. 2022, arXiv 2211.08403).

    Raises `CourseError` for networks that do not fit together.
    """
    if type(steps) is not int or steps < 3:
        raise CourseError(f"steps={steps!r} is out of range; it is a whole number from 3, such as 21.")
    check_alike({"the first": a, "the second": b})
    ground = Ground(a, images, split, points, norm)
    first, last = weights_of(a), weights_of(b)
    kept = [statistics_of(a), statistics_of(b)]

    def measured() -> Iterator[tuple[float, float, float]]:
        for i in range(steps):
            t = i / (steps - 1)
            # exactly the networks themselves at both ends
            weights = first if i == 0 else last if i == steps - 1 else first + t * (last - first)
            point = ground.measure(weights, mix_statistics(kept, [1 - t, t]))
            yield t, point.loss, point.accuracy

    return Line(*zip(*measured(), strict=True))


def barrier(a: Network, b: Network, images: ImageSet, **options: object) -> Line:
    """`between`, read for its barrier: `barrier(a, b, dogs).height` in nats. `options` are those of `between`."""
    return between(a, b, images, **options)
