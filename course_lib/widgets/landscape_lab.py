"""LandscapeLab: the loss as a map over the weights, a point that the reader moves, and the walk of a training on it.

    lab = LandscapeLab({"random": a, "pretrained": b, "fine-tuned": c}, dogs)
    lab                                  # in a notebook: the widget
    lab.map_here()                       # the same work in the cell: the Surface comes back
    lab.look_here(12.0, 1.5)             # Point(loss=..., accuracy=...)
    lab.train_here(), lab.starts_here()  # the walk of a training; first losses, random against transferred

The networks are copied when the lab is made; what happens to them later is not seen here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import traitlets

from .. import plots
from ..errors import CourseError
from ..images import ImageSet
from ..landscape.directions import Plane, plane_through, random_plane
from ..landscape.grid import Surface, remembered, surface
from ..landscape.ground import NORMS, Ground, Point
from ..landscape.starts import Starts, initial_losses
from ..landscape.walks import WalkPoint
from ..network import Network
from .lab import Lab, front
from .landscape_shown import (
    draw_map,
    few,
    known,
    map_shown,
    number_or_none,
    pictures,
    plane_shown,
    sentence,
    starts_shown,
    walk_shown,
)
from .landscape_walk import Training
from .run import Run

PLANES = ("three networks", "random directions")
QUICK = 64  # images for a point that is being moved: an answer in some 30 ms with PawNet
SIZES = (16, 31, 61)
HERE = "the point"


class LandscapeLab(Lab):
    """A map of the loss over a plane of weights; see the module.

    Arguments:
        start: name -> network: three of one architecture with the classes of `images`, or one, around which random
            directions are taken. Of three, the second is what a walk starts from and what is transferred.
        images: the walk learns from its train split; `split` is what the loss is measured on.
        split, points: how many images of which split, drawn once.

    Attributes:
        kind: `three networks` or `random directions`; around: the network that random directions go out from; seed: of them.
        norm: BatchNorm's statistics, `interpolate` or `measure` (landscape/ground.py).
        size: points a side, one of 16, 31, 61.
        x, y: the point.
        walk_from: where a training starts: a network's name, or `the point`; epochs, lr: of the training (fine-tuning).
        plane, sheet, walk, starts: what is known: Plane, Surface, list of WalkPoint, Starts or None.
        anchors: name -> Point measured at that network.

    Raises `CourseError` for networks that do not fit together or do not fit the images.
    """

    _esm, _css = front("landscape_lab")
    commands = ("map", "stop", "train", "forget", "first_losses")

    kind = traitlets.Unicode(PLANES[0]).tag(sync=True)
    around = traitlets.Unicode("").tag(sync=True)
    seed = traitlets.Int(0).tag(sync=True)
    norm = traitlets.Unicode(NORMS[0]).tag(sync=True)
    size = traitlets.Int(31).tag(sync=True)
    x = traitlets.Float(0.0).tag(sync=True)
    y = traitlets.Float(0.0).tag(sync=True)
    walk_from = traitlets.Unicode("").tag(sync=True)
    epochs = traitlets.Int(6).tag(sync=True)
    lr = traitlets.Float(1e-3).tag(sync=True)
    names = traitlets.List().tag(sync=True)
    kinds = traitlets.List().tag(sync=True)
    pictures = traitlets.List().tag(sync=True)

    def __init__(self, start: Mapping[str, Network], images: ImageSet, split: str = "val", points: int = 256) -> None:
        if not isinstance(start, Mapping) or len(start) not in (1, 3):
            what = f"{len(start)} networks" if isinstance(start, Mapping) else f"a {type(start).__name__}"
            raise CourseError(
                f"LandscapeLab takes a dict of three networks (or of one) by name, such as {{'random': a, 'pretrained': b, "
                f"'fine-tuned': c}}; received {what}."
            )
        if HERE in start:
            raise CourseError(f"{HERE!r} is what the lab calls the reader's point; give that network another name.")
        self.start = {name: net.copy() for name, net in start.items()}
        self.images, self.split, self.points = images, split, points
        self.sheet: Surface | None = None
        self.starts: Starts | None = None
        self.point: Point | None = None
        self.anchors: dict[str, Point] = {}
        self._training: Training | None = None
        self._doing = ""  # map, training or first losses: what the latest run is about
        self._run: Run | None = None
        self._plan, self._seen = 0, None  # number of the plane that is shown; point that was looked at last
        names = list(self.start)
        kind = PLANES[0] if len(names) == 3 else PLANES[1]
        self.plane, self.ground = self._make(kind, names[-1], 0, NORMS[0])
        self.home = _home(self.plane)
        super().__init__(
            kind=kind,
            around=names[-1],
            names=names,
            kinds=self._choices("kind"),
            walk_from=names[len(names) // 2],
            x=self.home[0],
            y=self.home[1],
        )
        self._few = few(self.ground, QUICK)
        self.pictures = pictures(self.ground, self._few)
        self.observe(self._replan, ["kind", "around", "seed", "norm"])
        self.observe(self._survey, ["size"])
        self.observe(self._moved, ["x", "y"])
        self._survey()

    @property
    def walk(self) -> list[WalkPoint]:
        return self._training.points if self._training else []

    # What the page asks for, in the kernel's thread.

    def map(self) -> None:
        """Work out the surface in the background, or go on with it; what is on disk is read."""
        self._begin("map", self._mapping)

    def train(self) -> None:
        """Train in the background from `walk_from`, or go on with the one that was stopped if no setting was changed since."""
        self._begin("training", self._going)

    def first_losses(self) -> None:
        """First losses of random and of transferred networks, in the background."""
        self._begin("first losses", self._starting)

    def stop(self) -> None:
        """Stop after the point, the step or the seed that is being worked out."""
        self.worker.stop()

    def forget(self) -> None:
        """Take the walk off the map; the next training starts anew."""
        if self._doing == "training" and self._at_work():
            raise CourseError("The training is going on; press Stop first.")
        self._training = None
        self.worker.ask(lambda: self.live.show(walk=self._walk_shown()))

    def map_here(self) -> Surface:
        """Work out the surface in this cell."""
        self._here("map", self._mapping)
        return self.sheet

    def train_here(self) -> list[WalkPoint]:
        """Train in this cell; the walk on the plane comes back."""
        self._here("training", self._going)
        return self.walk

    def starts_here(self) -> Starts:
        """First losses, worked out in this cell."""
        self._here("first losses", self._starting)
        return self.starts

    def look_here(self, x: float, y: float) -> Point:
        """Move the point, and measure there on all images, in this cell."""
        self.x, self.y = x, y
        self.join()
        return self._at(x, y)

    # Checks.

    @traitlets.validate("kind", "around", "norm", "size", "walk_from")
    def _check_choice(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        allowed = self._choices(name)
        if value not in allowed:
            raise CourseError(f"{name}={value!r} is not known; it is one of {', '.join(map(repr, allowed))}.")
        return value

    def _choices(self, name: str) -> list[Any]:
        return {
            "kind": list(PLANES if len(self.start) == 3 else PLANES[1:]),
            "around": list(self.start),
            "norm": list(NORMS),
            "size": list(SIZES),
            "walk_from": [*self.start, HERE],
        }[name]

    @traitlets.validate("epochs", "lr", "seed")
    def _check_number(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        low, high = {"epochs": (1, 50), "lr": (1e-6, 1.0), "seed": (0, 10**6)}[name]
        if not low <= value <= high:
            raise CourseError(f"{name}={value!r} is out of range; it is a number from {low:g} to {high:g}.")
        return value

    @traitlets.validate("x", "y")
    def _check_place(self, proposal: Any) -> float:
        name, value = proposal["trait"].name, proposal["value"]
        low, high = self.plane.reach[0 if name == "x" else 1]
        slack = 1e-4 * (high - low)
        if not low - slack <= value <= high + slack:
            raise CourseError(f"{name}={value:g} lies off the map; it reaches from {low:.4g} to {high:.4g}.")
        return min(max(value, low), high)

    # The work, in the worker's thread.

    def _make(self, kind: str, around: str, seed: int, norm: str) -> tuple[Plane, Ground]:
        if kind == PLANES[0]:
            plane = plane_through(self.start)
        else:
            plane = random_plane(self.start[around], seed, name=around)
        return plane, Ground(plane.net, self.images, self.split, self.points, norm, still=plane.still_blocks())

    def _replan(self, _: Any = None) -> None:
        """Another plane, or another way to measure on it."""
        moved = self.plane
        self.plane, self.ground = self._make(self.kind, self.around, self.seed, self.norm)
        if moved.marks != self.plane.marks or moved.reach != self.plane.reach:
            self.home = _home(self.plane)
            self.x, self.y = self.home
        self._survey()

    def _survey(self, _: Any = None) -> None:
        """Look on disk for what is known of the plane that is wanted now; a map that is being worked out ends."""
        self._plan += 1
        number, size = self._plan, self.size

        def job() -> None:
            if number != self._plan:  # the reader has gone on
                return
            self.sheet, self._seen = remembered(self.plane, self.ground, size), None
            self.anchors = {name: self._at(*place) for name, place in self.plane.marks.items()}
            if self._training is not None:
                self._training.redraw()
            said = {} if self.worker.busy else {"state": "ready", "status": self._ready()}
            self.live.show(**said, **self._map_shown(), plane=self._plane_shown(), walk=self._walk_shown())
            self._look()

        self.worker.ask(job)

    def _moved(self, _: Any = None) -> None:
        if all(low <= at <= high for at, (low, high) in zip((self.x, self.y), self.plane.reach, strict=True)):
            self.worker.ask(self._look)

    def _at_work(self) -> bool:
        return self._run is not None and self._run.state in ("ready", "queued", "running")

    def _begin(self, doing: str, make: Callable[[], Run]) -> None:
        if self._at_work():
            raise CourseError(f"The lab is at work ({self._doing}); press Stop, or wait until it is done.")
        self._doing, self._run = doing, make()
        self.worker.train(self._run)

    def _here(self, doing: str, make: Callable[[], Run]) -> None:
        self.worker.join()
        self._doing, self._run = doing, make()
        self.worker.here(self._run)

    def _mapping(self) -> Run:
        number, size, plane, ground = self._plan, self.size, self.plane, self.ground

        def points() -> Iterator[Surface]:
            for sheet in surface(plane, self.images, size, ground=ground):
                if number != self._plan:  # another map is wanted; this one is on disk as far as it is known
                    return
                self.sheet = sheet
                yield sheet

        def publish(items: list[Surface], state: str) -> None:
            items[:-1] = []  # all of them are the same sheet
            if state == "stopped":
                run.close()  # what is known is written to disk, and read again by the next run
            if number != self._plan:
                if state != "running":
                    self.live.show(state="ready", status=self._ready(), **self._map_shown())
                return
            if state in ("stopped", "done"):  # while the map was worked out, the point was measured on few images
                self.worker.ask(lambda: self._look(count=None))
            told = {"running": "working out the map", "done": "the map is done"}.get(state, f"the map is {state}")
            self.live.show(state=state, status=f"{told}: {known(self.sheet)}", **self._map_shown())

        run = Run(points, publish)
        return run

    def _going(self) -> Run:
        asked: dict[str, Any] = {"from": self.walk_from, "epochs": self.epochs, "lr": self.lr}
        if self.walk_from == HERE:
            asked |= {"x": self.x, "y": self.y}
        last = self._training
        if last is not None and last.run.state == "stopped" and last.asked == asked:
            return last.run
        net = self.plane.network_at(self.x, self.y) if "x" in asked else self.start[self.walk_from].copy()

        def publish(told: str, progress: float, state: str) -> None:
            self.live.show(state=state, status=told, progress=progress, walk=self._walk_shown())

        self._training = Training(net, self.images, asked, lambda: self.plane, publish)
        return self._training.run

    def _starting(self) -> Run:
        net = self.start[self.names[len(self.names) // 2]]

        def publish(items: list[Starts], state: str) -> None:
            told, progress = f"first losses, {state}", 0.0
            if items:
                self.starts = items[-1]
                told, progress = (
                    f"{told}: {self.starts.done} of {self.starts.total}",
                    self.starts.done / self.starts.total,
                )
            self.live.show(state=state, status=told, progress=progress, starts=starts_shown(self.starts))

        return Run(lambda: initial_losses(net, self.images, split=self.split, points=self.points), publish)

    def _at(self, x: float, y: float, count: int | None = None) -> Point:
        return self.ground.measure(self.plane.weights_at(x, y), self.plane.statistics_at(x, y), count)

    def _look(self, count: int | None = QUICK) -> None:
        """Measure at the point: at once on few images, then on all, if the reader has not gone on and nothing else is done."""
        asked = (self._plan, self.x, self.y, count)
        if self._seen == asked:
            return
        self._seen = asked
        point = self.point = self._at(self.x, self.y, count)
        sure = point.scores.softmax(1)
        said = [[int(sure[i].argmax()), float(sure[i].max())] for i in self._few]
        shown = {
            "x": asked[1],
            "y": asked[2],
            "loss": number_or_none(point.loss),
            "accuracy": point.accuracy,
            "said": said,
        }
        self.live.show(point={**shown, "count": len(point.scores), "of": len(self.ground.rows), "plan": self._plan})
        if count is not None and len(point.scores) < len(self.ground.rows):
            self.worker.ask(lambda: self._look_closer(asked))

    def _look_closer(self, asked: tuple[Any, ...]) -> None:
        if self._seen == asked == (self._plan, self.x, self.y, QUICK) and not self.worker.busy:
            self._look(count=None)

    # What is shown.

    def _map_shown(self) -> dict[str, Any]:
        return map_shown(self.sheet, self._plan)

    def _plane_shown(self) -> dict[str, Any]:
        return plane_shown(self.plane, self.anchors, self.ground, self._plan)

    def _walk_shown(self) -> dict[str, Any]:
        training = self._training
        if training is None:
            return walk_shown([], [], False, {})
        return walk_shown(training.points, training.looks, training.unfinished, training.asked)

    def _ready(self) -> str:
        if self.sheet.complete:
            return f"the map is there: {known(self.sheet)}"
        left = f"{self.sheet.total - self.sheet.done:,} points are to be worked out"
        press = "Go on with the map" if self.sheet.done else "Work out the map"
        return f"ready: press {press} ({left}), or move the point"

    def picture(self) -> plots.Picture:
        """The map as far as it is known, with the networks and the walk on it."""
        return draw_map(self.plane, self.sheet, self.walk, self.anchors, self.sentence())

    def sentence(self) -> str:
        """What is known, in words and numbers."""
        return sentence(self.plane, self.ground, self.sheet, self.anchors, self.walk, self.starts)


def _home(plane: Plane) -> tuple[float, float]:
    """Where the point begins: at the last network, in numbers short enough for an input field."""
    x, y = list(plane.marks.values())[-1]
    return float(f"{x:.6g}"), float(f"{y:.6g}")
