"""Walk: the way that a training takes through the space of weights, and what of it a plane shows.

    walk = Walk(net, every=5)
    for record in walk.follow(cl.fit(net, dogs, cl.fine_tune(epochs=5))):    # the records, unchanged
        ...
    for step in walk.on(plane):
        print(step.step, step.x, step.y, step.share)     # share: how much of the distance lies in the plane

A plane has 2 directions and a network has hundreds of thousands, so most of a walk may go past the plane; `share` says it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from ..errors import CourseError
from ..network import Network
from ..training.records import Record
from .directions import Plane
from .vectors import weights_of


@dataclass(frozen=True)
class WalkPoint:
    """A snapshot as a plane shows it.

    Attributes:
        step: of the training. x, y: the nearest point of the plane.
        off: distance from the plane, L2 norm.
        share: of the distance from the walk's first point (L2 norm), the part that lies in the plane's directions, 0 to 1;
            1 at the first point itself.
    """

    step: int
    x: float
    y: float
    off: float
    share: float


class Walk:
    """Snapshots of the weights of a network while it trains.

    Arguments:
        net: the network that is trained.
        every: steps between two snapshots.
        most: snapshots to keep; when there are more, every second one is dropped and `every` doubles.

    Attributes:
        steps: step of each snapshot; points: float32 D each. The first is the network before training.
    """

    def __init__(self, net: Network, every: int = 1, most: int = 60) -> None:
        if type(every) is not int or every < 1 or type(most) is not int or most < 3:
            raise CourseError(
                f"A walk takes every from 1 and most from 3 (whole numbers); received every={every!r}, most={most!r}."
            )
        self.net, self.every, self.most = net, every, most
        self.steps: list[int] = [0]
        self.points: list[torch.Tensor] = [weights_of(net)]

    def __repr__(self) -> str:
        far = (self.points[-1] - self.points[0]).norm().item()
        return f"Walk of {self.steps[-1]:,} steps, {len(self.steps)} snapshots, {far:.3g} from its start"

    def follow(self, records: Iterator[Record]) -> Iterator[Record]:
        """The records of a training, with snapshots taken on the way, the last one where it ended or was left."""
        last = self.steps[-1]
        try:
            for record in records:
                last = record.step
                if record.phase == "train" and record.step - self.steps[-1] >= self.every:
                    self.take(record.step)
                yield record
        finally:
            if last > self.steps[-1]:
                self.take(last)

    def take(self, step: int) -> None:
        """Keep the weights as they are now."""
        self.steps.append(step)
        self.points.append(weights_of(self.net))
        if len(self.points) > self.most:  # the first and the last one stay
            kept = sorted({*range(0, len(self.points), 2), len(self.points) - 1})
            self.steps, self.points = [self.steps[i] for i in kept], [self.points[i] for i in kept]
            self.every *= 2

    def on(self, plane: Plane) -> list[WalkPoint]:
        """The snapshots as the plane shows them."""
        return [self.point_on(plane, i) for i in range(len(self.points))]

    def point_on(self, plane: Plane, i: int) -> WalkPoint:
        """Snapshot i as the plane shows it."""
        x, y, off = plane.project(self.points[i])
        return WalkPoint(self.steps[i], x, y, off, share_in(plane, self.points[i] - self.points[0]))


def share_in(plane: Plane, difference: torch.Tensor) -> float:
    """How much of a difference of weights, float D, lies in the directions of a plane: 0 to 1, of its length."""
    whole = difference.double().norm().item()
    if whole == 0:
        return 1.0
    x, y, _ = plane.project(plane.origin + difference)
    inside = x * plane.axes[0].double() + y * plane.axes[1].double()
    return min(1.0, inside.norm().item() / whole)
