"""DomainTaskLab: a source and a target side by side, what differs between them, and a small transfer at once.

    lab = DomainTaskLab()
    lab                                           # in a notebook: the widget
    lab.target_task = "pose"                      # the same from code
    lab.transfer_here()                           # the transfer in the cell, for a page without a kernel

Each panel has knobs for the domain (which animals, style, light, camera, background, size) and a task. The pictures change
at once; the comparison is measured on 120 pictures of each (domains/marginal.py), and the words follow from it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import traitlets
from ipywidgets import widget_serialization

from .. import plots
from ..domains import Domain, Measured, Panel, Result, TransferStep, measure
from ..domains.marginal import shared_looker
from ..domains.page import SIDES, curve_rows, page_of, panel_of, result_of
from ..domains.plan import Plan, draw_panels, pictures_of
from ..errors import CourseError
from .lab import Lab, front
from .run import Live, Run

DOMAIN = ("animals", "cats", "style", "light", "camera", "background", "size", "seed")
TRANSFER = ("per_class", "seeds", "start")


def _knob(default: Any) -> traitlets.Any:
    return traitlets.Any(default).tag(sync=True)


class DomainTaskLab(Lab):
    """Two panels, each a domain and a task; it says what differs, which kind of transfer that is, and can run it.

    Arguments:
        source, target: the domains to begin with. Their seeds must differ, so that no animal is on both sides.
        source_task, target_task: what is asked, one of `TASKS`.
        per_class: target images of each class that a transfer learns from, 1 to 20.
        seeds: pairs of runs, 2 to 10.
        start: what the source's net starts from: `random` weights, or a shipped net, `photos`, `textures` or `animals`.

    Attributes:
        source_animals, source_cats, source_style, source_light, source_camera, source_background, source_size, source_seed,
        source_task, and the same for target: the knobs (see `Domain`). Asking `species` brings cats along.
        result: of the last transfer, None before.

    Raises `CourseError` for settings that are not allowed.
    """

    _esm, _css = front("domain_task_lab")
    commands = ("transfer", "stop", "reset", "swap", "redraw", "example")

    scene = traitlets.Instance(Live).tag(sync=True, **widget_serialization)
    source_animals, target_animals = _knob("source"), _knob("target")
    source_cats, target_cats = _knob(False), _knob(False)
    source_style, target_style = _knob("photo"), _knob("photo")
    source_light, target_light = _knob("day"), _knob("day")
    source_camera, target_camera = _knob("good"), _knob("good")
    source_background, target_background = _knob("any"), _knob("any")
    source_size, target_size = _knob(64), _knob(64)
    source_seed, target_seed = _knob(0), _knob(1)
    source_task, target_task = _knob("breed"), _knob("breed")
    per_class, seeds, start = _knob(5), _knob(5), _knob("random")

    def __init__(
        self,
        source: Domain | None = None,
        target: Domain | None = None,
        source_task: str = "breed",
        target_task: str = "breed",
        per_class: int = 5,
        seeds: int = 5,
        start: str = "random",
    ) -> None:
        source = source or Domain("source", seed=0 if target is None or target.seed else 1)
        panels = [Panel(source, source_task), Panel(target or Domain("target", seed=source.seed + 1), target_task)]
        self._version, self._lock = 0, threading.RLock()
        self._last: tuple[tuple[Panel, Panel], Measured] | None = None
        self.run: Run | None = None
        self.result: Result | None = None
        self._plan: Plan | None = None  # of the run
        self._rows: list[list[Any]] = []
        plan = Plan(*panels, per_class, seeds, start)
        self._began = _traits_of(*panels) | {name: getattr(plan, name) for name in TRANSFER}
        super().__init__(scene=Live(), **self._began)
        self.observe(self._changed, names=list(self._began))
        self.worker.ask(self._show_ready)
        self._changed()

    @traitlets.validate(*(f"{side}_{knob}" for side in SIDES for knob in (*DOMAIN, "task")), *TRANSFER)
    def _check(self, proposal: dict[str, Any]) -> Any:
        self._check_value(proposal["trait"].name, proposal["value"])
        return proposal["value"]

    def _check_value(self, name: str, value: Any) -> None:
        side, _, knob = name.partition("_")
        if name in TRANSFER:
            Plan(Panel(Domain()), Panel(Domain()), **{name: value})
        elif knob == "task":
            Panel(Domain(cats=True), value)
        else:
            Domain(**{knob: value})
        other = SIDES[side == "source"]
        if knob == "cats" and not value and getattr(self, f"{side}_task") == "species":
            raise CourseError(
                "The task 'species' (dog or cat) needs cats among the animals. Ask another question first."
            )
        if knob == "seed" and value == getattr(self, f"{other}_seed"):
            raise CourseError(
                f"{name}={value} is the seed of the {other} too; with the same animals on both sides there is no test. Take another."
            )

    @property
    def panels(self) -> tuple[Panel, Panel]:
        """Source and target as they are set now."""
        domains = [Domain(**{knob: getattr(self, f"{side}_{knob}") for knob in DOMAIN}) for side in SIDES]
        return Panel(domains[0], self.source_task), Panel(domains[1], self.target_task)

    @property
    def plan(self) -> Plan:
        """The transfer as it is set now."""
        return Plan(*self.panels, self.per_class, self.seeds, self.start)

    @property
    def code(self) -> str:
        """Lines that make both sets and repeat the transfer."""
        return self.plan.code

    def swap(self) -> None:
        """Exchange source and target."""
        self._set(_traits_of(*reversed(self.panels)))

    def redraw(self) -> None:
        """Draw other animals, by the next two seeds."""
        self._set({f"{side}_seed": getattr(self, f"{side}_seed") + 2 for side in SIDES})

    def example(self, domain: str, task: str) -> None:
        """Set the target to an example of a kind of transfer: `same` or `other` domain, `same` or `other` task."""
        if domain not in ("same", "other") or task not in ("same", "other"):
            raise CourseError(f"An example takes 'same' or 'other' twice; received domain={domain!r}, task={task!r}.")
        values = {f"target_{knob}": getattr(self, f"source_{knob}") for knob in (*DOMAIN, "task") if knob != "seed"}
        if domain == "other":
            values["target_style"] = "sketch" if self.source_style == "photo" else "photo"
        if task == "other":
            values["target_task"] = "pose" if self.source_task != "pose" else "facing"
        self._set(values)

    def transfer(self) -> None:
        """Run the transfer that is set, or go on with it where it was stopped."""
        self.worker.train(self._going())

    def transfer_here(self) -> Result:
        """The same in the cell; the result comes back."""
        self.worker.here(self._going())
        if self.result is None:
            raise CourseError("The transfer was stopped before a pair of runs was complete. Run it again.")
        return self.result

    def stop(self) -> None:
        """Stop the transfer after the step that it is in."""
        self.worker.stop()

    def reset(self) -> None:
        """Back to the settings of the beginning, without results."""
        self.worker.stop()
        self.run, self.result, self._plan, self._rows = None, None, None, []
        self._set(self._began)
        self.worker.ask(self._show_ready)

    def close(self) -> None:
        """Stop the work and take the widget off the page."""
        super().close()
        self.scene.close()

    def _set(self, values: dict[str, Any]) -> None:
        with self.hold_sync(), self.hold_trait_notifications():
            for name, value in values.items():
                setattr(self, name, value)

    def _changed(self, _: Any = None) -> None:
        """Draw and measure anew; of changes that come quickly, only the last is worked on."""
        for side in SIDES:
            if getattr(self, f"{side}_task") == "species" and not getattr(self, f"{side}_cats"):
                setattr(self, f"{side}_cats", True)  # comes back here
                return
        self._version += 1
        version, plan = self._version, self.plan

        def if_last(job: Callable[[Plan, int], None]) -> None:
            self.worker.ask(lambda: job(plan, version) if version == self._version else None)

        if_last(self._draw)
        if_last(self._measure)

    def _draw(self, plan: Plan, _: int) -> None:
        """The pictures, at once."""
        samples = [pictures_of(panel.domain) for panel in plan.panels]
        tables = [table for table, _, _ in samples]
        made = {side: panel_of(i, plan.panels, tables) for i, side in enumerate(SIDES)}
        pixels = b"".join(images.permute(0, 2, 3, 1).contiguous().numpy().tobytes() for _, _, images in samples)
        self.scene.show(
            curve=pixels, panels=made, code=plan.code, passes=plan.passes, seconds=plan.seconds, measuring=True
        )

    def _measure(self, plan: Plan, version: int) -> None:
        found = page_of(self._found(plan.panels), plan.panels, plan.per_class)
        self.scene.show(measuring=False, version=version, **found)

    def _found(self, panels: tuple[Panel, Panel]) -> Measured:
        """What was measured of two panels; the last one is kept, for both threads."""
        with self._lock:
            if self._last is None or self._last[0] != panels:
                self._last = (panels, measure(*panels, shared_looker()))
            return self._last[1]

    def _going(self) -> Run:
        """The run of what is set: a new one, or the one that was stopped."""
        plan = self.plan
        if self.run is not None and (self.worker.busy or (self._plan == plan and self.run.state == "stopped")):
            return self.run
        if self.run is not None:
            self.run.close()
        self._plan, self.result = plan, None
        run = Run(plan.steps, lambda items, state: self._publish(run, plan, items, state))
        self.run = run
        return run

    def _publish(self, run: Run, plan: Plan, items: list[TransferStep], state: str) -> None:
        if run is not self.run:  # reset came in between
            return
        last = items[-1] if items else None
        told = last.text if last else "before the first step"
        status = {"done": f"done in {run.seconds:.0f} s", "stopped": f"stopped: {told}"}.get(state, told)
        if last is not None and last.result is not None:
            self.result = last.result
            if state == "done":
                self._rows.append(plan.row(last.result, run.seconds))
        self.live.show(
            state=state,
            status=status,
            progress=1.0 if state == "done" else last.progress if last else 0.0,
            curve=curve_rows(items),
            result=result_of(self.result, plan.panels) if self.result else None,
            rows=list(self._rows),
        )

    def _show_ready(self) -> None:
        told = "ready: Transfer trains on both panels as they are set"
        self.live.show(state="ready", status=told, progress=0.0, curve=b"", result=None, rows=[])

    def sentence(self) -> str:
        """What is set, what differs, and what the last transfer gave."""
        source, target = self.panels
        statement = self._found((source, target)).statement
        parts = "; ".join(f"{part.name}: {part.verdict} ({part.words})" for part in statement.parts)
        said = f"source: {source.words}; target: {target.words}. {parts}. This is {statement.kind}. {statement.why}"
        if self.result is not None and self._plan is not None:
            past = "" if self._plan.panels == (source, target) else " of other settings"
            said += f" Last transfer{past}: {self.result.verdict}"
        return said

    def picture(self) -> plots.Picture:
        """Pictures of both panels, and what differs."""
        return draw_panels(self.panels, self._found(self.panels).statement, self.sentence())


def _traits_of(source: Panel, target: Panel) -> dict[str, Any]:
    """The settings of two panels as traits."""
    panels = dict(zip(SIDES, (source, target), strict=True))
    traits = {f"{side}_{knob}": getattr(panel.domain, knob) for side, panel in panels.items() for knob in DOMAIN}
    return traits | {f"{side}_task": panel.task for side, panel in panels.items()}
