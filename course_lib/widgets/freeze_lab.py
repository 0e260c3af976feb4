"""FreezeLab: choose what is frozen, guess, train, stop, go on, compare, and look inside.

    lab = FreezeLab(net, dogs)
    lab                                       # in a notebook: the widget
    lab.train_here(frozen=-1, per_class=10)   # the same from code, for a page without a kernel
    lab.runs, lab.trained                     # what came of it

Each run starts from a copy of `net` (or from random weights) and learns from some of the train split; val is shown, test only
when asked for. The lines under "show code" repeat a run exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import traitlets

from .. import plots
from ..cache.memory import say_bytes
from ..devices import choose_device
from ..errors import CourseError
from ..images import ImageSet
from ..network import Network
from ..tables import Table
from ..training.checks import check
from ..training.estimate import estimate
from ..training.records import Record
from ..training.stage import Stage
from ..training.train import fit
from . import inside
from .freeze_runs import Runs, found, judged
from .freeze_settings import PRESETS, Settings, random_start, stage_rates
from .guard import guarded
from .lab import Lab, front
from .network_view import network_view, pressed
from .run import Live, Run

POINTS = 1200  # rows of a curve that are sent at most
NAMES = Settings.names()
FREE = ["frozen", "start", "per_class", "seed", "guess"]  # settings that go with any recipe


class FreezeLive(Live):
    """What FreezeLab shows of the work, in parts, so that each message is small."""

    plan = traitlets.Dict().tag(sync=True)
    runs = traitlets.List().tag(sync=True)
    looks = traitlets.List().tag(sync=True)  # of the run that goes on: step, loss on val, accuracy on val
    inside = traitlets.Dict().tag(sync=True)


class FreezeLab(Lab):
    """The blocks of a network as buttons, the knobs of a stage, and all runs so far.

    Arguments:
        net: where each run starts; it is copied and never changed.
        images: train is learned from, val is shown.
        preset: one of PRESETS, for the first settings.
        recipe: frozen blocks -> stages, where a lesson has a recipe of its own: then epochs, rate and the like are those of its
            stages, and only `frozen`, `start`, `per_class` and `seed` can be chosen.
        settings: first values, see the attributes.

    Attributes:
        frozen: number of frozen blocks, 0 to len(net) - 1; may be given as -1 and so on.
        start: `pretrained` (the weights of `net`) or `random`.
        gradual: unfreeze from the head down to `frozen`, in stages.
        per_class: training images of each class; 0 takes all.
        epochs, lr, decay, views, pull, norm, seed: as in `Stage` and `fit`; views 0 changes nothing about the images.
        guess: a reader's prediction of the accuracy on val in per cent, -1 for none; Train locks it.
        runs: one dict for each run that was stopped or ended, in the order in which they began.
        trained: the network of the last run.
    """

    _esm, _css = front("freeze_lab")
    commands: ClassVar[tuple[str, ...]] = (
        "train", "stop", "step", "reset", "choose", "press", "set_cut", "again", "test", "look_inside",
    )  # fmt: skip
    shows = FreezeLive

    network = traitlets.Dict().tag(sync=True)
    code = traitlets.Unicode().tag(sync=True)
    explained = traitlets.Unicode().tag(sync=True)
    preset = traitlets.Unicode("feature extraction").tag(sync=True)

    frozen = traitlets.Int(0).tag(sync=True)
    start = traitlets.Unicode("pretrained").tag(sync=True)
    gradual = traitlets.Bool(False).tag(sync=True)
    per_class = traitlets.Int(0).tag(sync=True)
    epochs = traitlets.Int(20).tag(sync=True)
    lr = traitlets.Float(3e-3).tag(sync=True)
    decay = traitlets.Float(1.0).tag(sync=True)
    views = traitlets.Int(0).tag(sync=True)
    pull = traitlets.Float(0.0).tag(sync=True)
    norm = traitlets.Unicode("train").tag(sync=True)
    seed = traitlets.Int(0).tag(sync=True)
    guess = traitlets.Float(-1.0).tag(sync=True)

    def __init__(
        self,
        net: Network,
        images: ImageSet,
        preset: str = "feature extraction",
        recipe: Callable[[int], list[Stage]] | None = None,
        **settings: Any,
    ) -> None:
        if not isinstance(net, Network) or not isinstance(images, ImageSet):
            raise CourseError(
                f"FreezeLab takes a Network (cl.load) and an ImageSet (cl.load_images); received {type(net).__name__} and "
                f"{type(images).__name__}."
            )
        self.net, self.images, self.recipe = net, images, recipe
        self._runs = Runs()
        self.trained: Network | None = None
        self._rows: list[tuple[float, float, float]] = []
        self._read = 0  # records of the run that are in the curve
        self._seen = net.fingerprint()
        self._version = 0  # of the settings; an estimate of older ones is not worked out
        self._random = random_start(net)
        most = min(images.counts("train").values())
        self._limits = {"most": most, "classes": len(images.classes), "random": self._random is not None}
        super().__init__(network=network_view(net, images.size) | self._limits | {"fixed": recipe is not None})
        self._say_ready()
        check(net, images, [Stage(frozen=-1)], 1, 0)  # head and images fit each other
        self.observe(lambda _: self._changed(), NAMES)
        self.choose(preset)
        self._set(settings)

    # What the reader sets

    @property
    def runs(self) -> list[dict[str, Any]]:
        return self._runs.rows

    @property
    def settings(self) -> Settings:
        """The settings as they are now."""
        return Settings(**{name: getattr(self, name) for name in NAMES})

    @traitlets.validate(*NAMES)
    def _check(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        return Settings.checked(name, value, self.net, self._limits)

    def choose(self, preset: str) -> None:
        """Take the settings of a preset; images per class, seed and guess stay."""
        if preset not in PRESETS:
            raise CourseError(f"There is no preset {preset!r}; there are {', '.join(PRESETS)}.")
        values = PRESETS[preset](self.net, [tuple(group) for group in self.network["groups"]])
        if values.get("start") == "random" and self._random is None:
            raise CourseError(
                f"{self.net.name} is a network of your own, so its random weights cannot be drawn anew here; give FreezeLab a "
                "network that was not trained, and choose fine-tune."
            )
        with self.hold_trait_notifications():
            for name, value in values.items():
                setattr(self, name, value)
        self.preset, self.explained = preset, ""
        self._changed()

    def set_cut(self, frozen: int) -> None:
        """Freeze the first `frozen` blocks, and no other."""
        self.explained = ""
        self.frozen = frozen

    def press(self, first: int, last: int) -> None:
        """A click on a block, or on a group of them (`first` to `last`): freeze it or let it train, where that means something."""
        frozen, self.explained = pressed([block.name for block in self.net.blocks], self.frozen, first, last)
        self.frozen = frozen

    def stages(self) -> list[Stage]:
        """The recipe of the run that Train would start."""
        return self.recipe(self.frozen) if self.recipe else self.settings.recipe(self.net)

    def _set(self, settings: dict[str, Any]) -> None:
        known = FREE if self.recipe else NAMES
        for name, value in settings.items():
            if name not in known:
                also = " (the recipe was given)" if self.recipe else ""
                raise CourseError(f"FreezeLab has no setting {name!r} here{also}; it has {', '.join(known)}.")
            setattr(self, name, value)

    # Work

    def train(self) -> None:
        """Start a run in the background, or go on with the one that was stopped if no setting was changed since."""
        if not self.worker.busy:
            self.worker.train(self._run())

    def step(self) -> None:
        """One step of training, then stop."""
        if not self.worker.busy:
            self.worker.train(self._run(), until=lambda record: record.phase == "train")

    def stop(self) -> None:
        """Stop the run after the step it is in; Train goes on with it."""
        self.worker.stop()

    def reset(self) -> None:
        """Forget the run that was stopped: the next Train begins anew. Runs that are in the table stay."""
        if not self.worker.busy:
            self.worker.run = None
            self._say_ready()

    def train_here(self, **settings: Any) -> dict[str, Any]:
        """Train in this cell with these settings; the run's row comes back."""
        self._set(settings)
        self.worker.join()
        self.worker.here(self._run(new=True))
        return self.runs[-1]

    def again(self, number: int) -> None:
        """Put the settings of run `number` back, so that Train repeats it."""
        settings = self._runs.row(number)["settings"]
        with self.hold_trait_notifications():
            for name in NAMES:
                if name != "guess" and (name in FREE or not self.recipe):
                    setattr(self, name, settings[name])
        self._changed()

    def test(self, number: int) -> None:
        """Measure run `number` on the test split: the number to report, looked at once a choice is made."""
        self._runs.row(number)
        self.worker.ask(lambda: self._test(number))

    def test_here(self, number: int) -> dict[str, Any]:
        """The same in this cell; the run's row comes back."""
        self.worker.join()
        return self._test(number)

    def look_inside(self, block: int, row: int | None = None) -> None:
        """Show what a block does with an image: `row` counts in the val split; -1 closes the view."""
        if not -1 <= block < len(self.net):
            raise CourseError(f"block={block} was asked of {self.net.name}, which has blocks 0 to {len(self.net) - 1}.")
        self.worker.ask(lambda: self._look_inside(block, row))

    def table(self) -> Table:
        """The runs so far, a row each."""
        knobs = () if self.recipe else ("epochs", "lr")  # with a recipe of its own they are those of its stages
        return self._runs.table(f"Runs of {self.net.name} on {self.images.name}", knobs)

    def picture(self) -> plots.Picture:
        """The blocks, and the accuracy of the runs so far."""
        names = [block.name for block in self.net.blocks]
        if not self.runs:
            return plots.blocks(names, [block["parameters"] for block in self.network["blocks"]], self.frozen)
        return plots.runs([(f"run {run['number']}", run["looks"]) for run in self.runs], self.sentence())

    def sentence(self) -> str:
        """What is frozen, and how the runs went, in words."""
        trained = sum(block["parameters"] for block in self.network["blocks"][self.frozen :])
        said = f"{self.net.name} on {self.images.name}, {self.frozen} of {len(self.net)} blocks frozen, {trained:,} parameters train"
        runs = self._runs.words()
        return f"{said}. {runs}." if runs else f"{said}; no runs yet"

    # Inside

    def _changed(self) -> None:
        """A setting is another one: new code, a new estimate, and the preset no longer says what is set."""
        self._version += 1
        settings = self.settings
        values = (
            PRESETS[self.preset](self.net, [tuple(group) for group in self.network["groups"]]) if self.preset else {}
        )
        if any(getattr(settings, name) != value for name, value in values.items()):
            self.preset = ""
        self.code = settings.code(self.net, self.stages())
        version = self._version
        self.worker.ask(lambda: self._plan(version))

    def _plan(self, version: int) -> None:
        """What the run will take, worked out by the worker; during a training only what needs no measuring."""
        if version != self._version or not self.worker.open:
            return
        settings = self.settings
        try:
            recipe, few = self.stages(), settings.images(self.images)
            check(self.net, few, recipe, 1, settings.seed)
        except CourseError as error:
            self.live.show(plan={"problem": str(error)})
            return
        cut = settings.frozen
        counts = [block["parameters"] for block in self.network["blocks"]]
        plan: dict[str, Any] = {
            "parameters": sum(counts[cut:]), "all": sum(counts), "images": len(few.rows("train")),
            "rates": [max(rates) for rates in zip(*(stage_rates(self.net, stage) for stage in recipe), strict=True)],
        }  # fmt: skip
        if self.worker.busy:
            self.live.show(plan=plan)
            return
        self.live.show(plan={**plan, "measuring": True})
        told = estimate(
            self.net.copy().to(choose_device(None)),
            few,
            recipe,
            wanted=lambda: version == self._version and self.worker.open,
        )
        if told is None:  # another setting was chosen meanwhile, and has its own turn
            return
        plan |= {
            "seconds": told.seconds,
            "memory": say_bytes(told.memory),
            "cached": told.cached or "nothing: no block is frozen",
        }
        self.live.show(plan=plan)

    def _say_ready(self) -> None:
        said = f"ready: {len(self.net)} blocks, {len(self.images.classes)} classes; choose what is frozen, guess, then Train"
        self.worker.ask(lambda: self.live.show(state="ready", status=said, progress=0.0, curve=b"", looks=[]))

    def _run(self, new: bool = False) -> Run:
        """The run that Train is about: the stopped one, or a new one with the settings of now."""
        settings, last = self.settings, self.worker.run
        if not new and last is not None and last.state == "stopped" and last.row["asked"] == settings.without_guess():
            return last
        few, recipe = settings.images(self.images), self.stages()
        check(self.net, few, recipe, 1, settings.seed)
        net = self._random(settings.seed) if settings.start == "random" else self.net.copy()
        begin = net.copy()
        fingerprint = self.net.fingerprint()
        changed = fingerprint != self._seen
        number = len(self.runs) + 1
        row = {
            "number": number, "frozen": settings.frozen, "settings": settings.as_dict(), "asked": settings.without_guess(), "per_class": settings.per_class or self._limits["most"],
            "start": settings.start + (" (net was changed)" if changed and settings.start == "pretrained" else ""),
            "guess": settings.guess, "steps": 0, "val": 0.0, "loss": 0.0, "test": None, "seconds": 0.0, "cached": "", "looks": [],
            "state": "ready", "tested": 0,
        }  # fmt: skip
        run = Run(
            lambda: guarded(net, fit(net, few, recipe, seed=settings.seed)),
            lambda items, state: self._publish(run, items, state),
        )
        run.row, run.net, run.begin, run.images = row, net, begin, few
        self._rows, self._read = [], 0
        self.trained = net
        return run

    def _publish(self, run: Any, records: list[Record], state: str) -> None:
        row = run.row
        for record in records[self._read :]:
            if record.phase == "train":
                self._rows.append((record.step, record.loss, record.accuracy))
                if record.val is not None:
                    row["looks"].append([record.step, record.val.loss, record.val.accuracy])
            elif record.note:
                row["cached"] = record.note
        self._read = len(records)
        last = records[-1] if records else None
        row |= {"state": state, "seconds": round(run.seconds, 2), "steps": last.step if last else 0}
        thin = self._rows[:: -(-len(self._rows) // POINTS) or 1]
        values = {"state": state, "looks": list(row["looks"]), "curve": np.array(thin, np.float32).tobytes()}
        if state == "running":
            self.live.show(**values, status=f"running: {last.text}{found(row)}", progress=last.progress)
            return
        if last is not None and last.step and state != "failed":
            self._runs.enter(run)
        told = {"done": "done", "stopped": "stopped: Train goes on with it, Reset forgets it"}.get(state, state)
        words = f"{told}: {last.text}{found(row)}{judged(row)}" if last else told
        progress = last.progress if last else 0.0
        self.live.show(**values, status=words, progress=1.0 if state == "done" else progress, runs=self._runs.shown())
        self.worker.ask(lambda version=self._version: self._plan(version))

    def _test(self, number: int) -> dict[str, Any]:
        row = self._runs.test(number)
        self.live.show(runs=self._runs.shown())
        return row

    def _look_inside(self, block: int, row: int | None) -> None:
        if block < 0:
            self.live.show(inside={})
            return
        net = self.trained or self.net
        told = inside.view(net, self.images, block, int(row or 0))
        run = self.worker.run
        if run is not None and run.net is net:
            far = inside.moved(run.begin, net, block)
            told["moved"] = {"weights": far.weights, "statistics": far.statistics}
        self.live.show(inside=told)
