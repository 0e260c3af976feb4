"""ScheduleLab: the learning rate of each block at each step, drawn from the very recipe that runs.

    lab = ScheduleLab(net, dogs)
    lab                                  # in a notebook: the widget
    lab.recipe                           # the list of stages, for `fit`
    lab.preset = "gradual unfreezing"    # knobs can be set from a cell, too

What is drawn comes from training/schedule.py, which is tested against what the optimizer uses in a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import traitlets

from .. import plots
from ..errors import CourseError
from ..images import ImageSet
from ..network import Network
from ..tables import Table
from ..training import recipes
from ..training.schedule import Schedule, StagePlan, forward_costs, rates, step_share
from ..training.stage import Stage
from .lab import Lab, front
from .schedule_knobs import KNOBS, OWN, PRESETS, defaults, parse_cuts, spell, spell_preset

SETTINGS = ("preset", "epochs", "probe_epochs", "frozen", "cuts", "lr", "decay", "schedule", "warm_up", "batch")
SIZES = ("per_class", "count")
MOST = {
    "epochs": 200,
    "probe_epochs": 200,
    "count": 100_000,
}  # more is not seen in a strip, and would not be drawn at once
POINTS = 1200  # steps that are sent to the page; more are thinned evenly in each stage


class ScheduleLab(Lab):
    """Knobs of a recipe, and the rates that follow from them.

    Arguments:
        net: whose blocks are drawn; it is only looked at.
        images: an image set, or how many training images there are.
        recipe: a stage or stages of your own to begin with; None begins with fine-tuning.
        settings: any of the attributes below.

    Attributes:
        preset: one of `PRESETS`; choosing one sets the knobs to its defaults.
        epochs, lr, decay, schedule, warm_up, batch, frozen, probe_epochs, cuts: as the recipes and `Stage` take them.
        per_class: training images a class of an image set, 0 for all. count: training images where only a number was given.

    Raises `CourseError` for a knob that is out of range.
    """

    _esm, _css = front("schedule_lab")

    preset = traitlets.Unicode("fine-tuning").tag(sync=True)
    epochs = traitlets.Int(10).tag(sync=True)
    probe_epochs = traitlets.Int(20).tag(sync=True)
    frozen = traitlets.Int(0).tag(sync=True)
    cuts = traitlets.Unicode("-1, -2, -3").tag(sync=True)
    lr = traitlets.Float(1e-3).tag(sync=True)
    decay = traitlets.Float(0.7).tag(sync=True)
    schedule = traitlets.Unicode("one_cycle").tag(sync=True)
    warm_up = traitlets.Float(None, allow_none=True).tag(sync=True)
    batch = traitlets.Int(32).tag(sync=True)
    per_class = traitlets.Int(0).tag(sync=True)
    count = traitlets.Int(200).tag(sync=True)

    def __init__(
        self, net: Network, images: ImageSet | int, recipe: Stage | Sequence[Stage] | None = None, **settings: Any
    ) -> None:
        self.net, self.images = net, images
        self.own = [recipe] if isinstance(recipe, Stage) else list(recipe or [])
        self.costs = forward_costs(net, images.size if isinstance(images, ImageSet) else None)
        size = "per_class" if isinstance(images, ImageSet) else "count"
        for name in settings:
            if name not in (*SETTINGS, size):
                raise CourseError(f"ScheduleLab has no setting {name!r} here; it has {', '.join((*SETTINGS, size))}.")
        if size == "count":
            settings = {"count": images} | settings
        preset = settings.get("preset", OWN if self.own else "fine-tuning")
        self._given, self._asked = set(settings), False
        super().__init__(**{**defaults(preset), **settings, "preset": preset})
        self.plan()  # a setting that fits no recipe is refused here
        self.observe(self._choose, "preset")
        self.observe(self._ask, [*SETTINGS, *SIZES])
        self._ask()

    @property
    def recipe(self) -> list[Stage]:
        """The stages that are drawn, for `fit`."""
        return list(self.own) if self.preset == OWN else PRESETS[self.preset](**self._options())

    @property
    def training_images(self) -> int:
        """How many images are trained on."""
        if not isinstance(self.images, ImageSet):
            return self.count
        return self.per_class * len(self.images.classes) or len(self.images.rows("train"))

    @property
    def code(self) -> str:
        """The lines that make this recipe and run it; a reader has `net` and `images`."""
        lines = spell(self.own) if self.preset == OWN else spell_preset(self.preset, self._options())
        few = f"images.subset({self.per_class})" if self.per_class else "images"
        return "\n".join([*lines, f"for record in fit(net, {few}, recipe):\n    print(record.text)"])

    def plan(self) -> Schedule:
        """All rates, as they follow from the knobs now."""
        return rates(self.net, self.training_images, self.recipe)

    def table(self) -> Table:
        """One row a stage: what trains, how long, how fast, and what a step costs beside one that trains all blocks."""
        plan = self.plan()
        rows = [list(self._row(stage).values()) for stage in plan.stages]
        for row in rows:
            row[-1] = f"{row[-1]:.1%}"
        columns = (
            "stage",
            "trains",
            "parameters",
            "epochs",
            "steps",
            "top rate, head",
            "lowest block",
            "compute of a step",
        )
        return Table(columns, rows, f"{self.preset}: {plan.steps:,} steps on {plan.images:,} images of {self.net.name}")

    def sentence(self) -> str:
        """The recipe in words."""
        plan = self.plan()
        parts = []
        for stage in plan.stages:
            row = self._row(stage)
            parts.append(
                f"{stage.name} trains {row['trains']} for {stage.steps:,} steps, at most {row['head']:.2g} in the head"
            )
        stages = "1 stage" if len(parts) == 1 else f"{len(parts)} stages"
        words = f"{self.preset}, {stages}, {plan.steps:,} steps on {plan.images:,} images of {self.net.name}"
        return f"{words}: {'; '.join(parts)}"

    def picture(self) -> plots.Picture:
        """Rates over steps: a strip for each block above, lines below; frozen blocks are left white and hatched."""
        plan = self.plan()
        top = max(stage.base.max() for stage in plan.stages)
        fig, axes = plots.figure(7.2, 2.6 + 0.24 * len(plan.blocks), 2, 1, sharex=True)
        strip, lines = axes[:, 0]
        shade = np.where(plan.rates > 0, np.sqrt(plan.rates / top), np.nan)[:, ::-1].T  # head on top
        strip.imshow(
            shade, aspect="auto", cmap="Blues", vmin=-0.15, vmax=1, extent=(0, plan.steps, 0, len(plan.blocks))
        )
        strip.set_yticks(np.arange(len(plan.blocks)) + 0.5, plan.blocks)
        strip.grid(False)
        for stage in plan.stages:
            if stage.frozen:
                strip.fill_between([stage.first, stage.first + stage.steps], 0, stage.frozen, facecolor="none", hatch="///",
                                   edgecolor="#9aa0a6", linewidth=0)  # fmt: skip
                strip.text(stage.first + stage.steps / 2, stage.frozen / 2, "frozen", ha="center", va="center",
                           bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5}, fontsize=9)  # fmt: skip
            for axis in (strip, lines):
                axis.axvline(stage.first, color=plots.GREY, linewidth=1)
        trained = np.flatnonzero(plan.rates.any(0))  # the head, the lowest that ever trains, and one between
        chosen = sorted({int(trained[i]) for i in (-1, len(trained) // 2, 0)}, reverse=True)
        for i, block in enumerate(chosen):
            values = np.where(plan.rates[:, block] > 0, plan.rates[:, block], np.nan)
            lines.plot(
                np.arange(plan.steps) + 0.5,
                values,
                color=plots.COLOURS[i],
                linestyle=plots.DASHES[i],
                label=plan.blocks[block],
            )
        lines.legend(fontsize=8)
        lines.set(xlabel="step", ylabel="learning rate", ylim=(0, None))
        return plots.Picture(fig, f"{self.sentence()}.")

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Knobs from the page; those that come together with a preset count more than its defaults."""
        self._given = set(sync_data)
        try:
            super().set_state(sync_data)
        finally:
            self._given = set()

    def _options(self) -> dict[str, Any]:
        """Arguments of the preset's recipe."""
        options = {name: getattr(self, name) for name in KNOBS[self.preset]}
        if "cuts" in options:
            options["cuts"] = parse_cuts(self.cuts)
        return options

    def _row(self, stage: StagePlan) -> dict[str, Any]:
        trained = [name for name, base in zip(self._names, stage.base, strict=True) if base]
        return {
            "stage": f"{stage.number + 1}: {stage.name}",
            "trains": trained[0] if len(trained) == 1 else f"{trained[0]} to {trained[-1]}",
            "parameters": stage.parameters,
            "epochs": stage.stage.epochs,
            "steps": stage.steps,
            "head": stage.base.max() * stage.factors.max(),
            "lowest": stage.base[stage.base > 0].min() * stage.factors.max(),
            "compute": step_share(self.costs, stage),
        }

    @property
    def _names(self) -> list[str]:
        return [block.name for block in self.net.blocks]

    def _choose(self, change: dict[str, Any]) -> None:
        """A preset brings its own knobs, but for those that were set together with it."""
        for name, value in defaults(change["new"]).items():
            if name not in self._given:
                setattr(self, name, value)

    def _ask(self, change: Any = None) -> None:
        """Have it drawn, once for all knobs that move together."""
        if not self._asked:
            self._asked = True
            self.worker.ask(self._draw)

    def _draw(self) -> None:
        self._asked = False
        try:
            plan = self.plan()
        except CourseError as error:  # two knobs that do not go together for the moment, such as cuts and a preset
            self.live.show(error=str(error))
            return
        stages, points = [], []
        for stage in plan.stages:
            told = {"first": stage.first, "count": stage.steps, "perEpoch": stage.per_epoch, "frozen": stage.frozen}
            stages.append(self._row(stage) | told | {"name": stage.name, "base": stage.base.tolist()})
            room = max(2, POINTS * stage.steps // plan.steps)
            picked = np.unique(np.linspace(0, stage.steps - 1, min(room, stage.steps)).round().astype(int))
            picked = np.union1d(picked, stage.factors.argmax())  # the top is where a reader looks
            points.append(np.column_stack([picked + stage.first, stage.factors[picked]]))
        few = min(self.images.counts("train").values()) if isinstance(self.images, ImageSet) else 0
        self.live.show(
            error="",
            status=f"{self.preset}: {plan.steps:,} steps on {plan.images:,} images",
            curve=np.concatenate(points).astype(np.float32).tobytes(),
            blocks=list(plan.blocks),
            stages=stages,
            steps=plan.steps,
            images=plan.images,
            code=self.code,
            knobs=list(KNOBS[self.preset]),
            presets=[*([OWN] if self.own else []), *PRESETS],
            most=few,
            sentence=self.sentence(),
        )

    @traitlets.validate(*SETTINGS, *SIZES)
    def _check(self, proposal: Any) -> Any:
        """Refuse what no recipe takes; the sentence comes from where the setting is used."""
        name, value = proposal["trait"].name, proposal["value"]
        if name == "preset" and value not in (allowed := [*PRESETS, *([OWN] if self.own else [])]):
            raise CourseError(f"preset={value!r} is not known; choose one of {', '.join(allowed)}.")
        if name in ("epochs", "lr", "decay", "schedule", "warm_up", "batch"):
            Stage(**{name: value})
        if name == "probe_epochs":
            Stage(epochs=value)
        if value is not None and name in MOST and value > MOST[name]:
            raise CourseError(f"{name}={value} is more than this widget draws; give at most {MOST[name]:,}.")
        if name == "frozen" and not 0 <= value < len(self.net):
            raise CourseError(
                f"frozen={value} is out of range; {self.net.name} can have 0 to {len(self.net) - 1} frozen blocks."
            )
        if name == "cuts":
            rates(self.net, 2, recipes.gradual_unfreezing(parse_cuts(value), epochs=1))
        if name == "per_class" and isinstance(self.images, ImageSet):
            most = min(self.images.counts("train").values())
            if not 0 <= value <= most:
                raise CourseError(
                    f"per_class={value} is out of range; {self.images.name} has 1 to {most} of each class, 0 is all."
                )
        if name == "count" and value < 2:
            raise CourseError(f"count={value} training images are too few; give 2 or more.")
        return value
