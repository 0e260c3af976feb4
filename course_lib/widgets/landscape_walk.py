"""The training of a LandscapeLab: its walk on the plane that is shown, and its looks at val.

training = Training(net, images, asked, lambda: lab.plane, publish)
worker.train(training.run)          # after Stop the same run goes on
training.points, training.looks     # as far as it has come
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..images import ImageSet
from ..landscape.directions import Plane
from ..landscape.walks import Walk, WalkPoint
from ..network import Network
from ..training.recipes import fine_tune
from ..training.records import Record
from ..training.train import fit
from .run import Run

SNAPSHOTS = 40  # of a walk


class Training:
    """Fine-tuning of a network of its own, with snapshots on the way.

    Arguments:
        net: trained; the caller's copy.
        images: train is learned from, val is looked at.
        asked: `from` (where it starts, in words), `epochs`, `lr`, and the point `x`, `y` where it starts from there. A
            training goes on after Stop as long as the same is asked.
        plane: gives the plane that is shown now.
        publish: told of each change: (words, progress 0 to 1, state).

    Attributes:
        points: the snapshots on the plane. looks: step, loss (nats) and accuracy (0 to 1) on val. run: for the worker.
    """

    def __init__(
        self,
        net: Network,
        images: ImageSet,
        asked: dict[str, Any],
        plane: Callable[[], Plane],
        publish: Callable[[str, float, str], None],
    ) -> None:
        self.asked, self._plane, self._publish = asked, plane, publish
        self._walk = Walk(net)
        self.points: list[WalkPoint] = self._walk.on(plane())
        self.looks: list[tuple[int, float, float]] = []
        recipe = fine_tune(epochs=asked["epochs"], lr=asked["lr"])
        self.run = Run(lambda: self._records(fit(net, images, recipe)), self._tell)

    @property
    def unfinished(self) -> bool:
        return self.run.state in ("stopped", "running", "queued")

    def redraw(self) -> None:
        """Another plane is shown: the same walk on it."""
        self.points = self._walk.on(self._plane())

    def _records(self, work: Iterator[Record]) -> Iterator[Record]:
        walk = self._walk
        for record in work:
            walk.every = max(1, record.steps // SNAPSHOTS)
            due = record.step - walk.steps[-1] >= walk.every or record.step == record.steps
            if record.phase == "train" and due:
                walk.take(record.step)
                self.points = [*self.points, walk.point_on(self._plane(), len(walk.points) - 1)]
            if record.val is not None:
                self.looks = [*self.looks, (record.step, record.val.loss, record.val.accuracy)]
            yield record

    def _tell(self, items: list[Record], state: str) -> None:
        told, last = f"training from {self.asked['from']}, {state}", items[-1] if items else None
        self._publish(f"{told}: {last.text}" if last else told, last.progress if last else 0.0, state)
