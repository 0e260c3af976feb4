"""FreezePicker: choose with a slider what is frozen, train, stop, and compare on the val split.

picker = FreezePicker(net, dogs)
picker                       # in a notebook: the widget
picker.train_here(frozen=-1) # the same from code, for a page without a kernel
"""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import ipywidgets as ipw
import traitlets

from .. import plots
from ..evaluation import evaluate
from ..images import ImageSet
from ..network import Network
from ..tables import Table
from ..training.recipes import fine_tune
from ..training.records import Record
from ..training.stage import Stage
from ..training.train import fit
from .runner import Runner

FROZEN, TRAINS = "#0072B2", "#D55E00"
Recipe = Callable[[int], list[Stage]]


def default_recipe(frozen: int) -> list[Stage]:
    """Fine-tune the blocks from `frozen` on, for ten epochs."""
    return fine_tune(epochs=10, frozen=frozen, lr=2e-3)


class FreezePicker(ipw.VBox):
    """A slider over the blocks, Train and Stop, a live curve, and a table of the runs so far.

    Arguments:
        net: where each run starts; it is copied and never changed.
        images: train is learned from, val is shown; test is not looked at.
        recipe: number of frozen blocks -> list of stages.

    Attributes:
        frozen: number of frozen blocks, 0 to len(net) - 1; setting it moves the slider.
        runs: one dict a finished or stopped run.
        error: sentence about the last run's failure, empty if there was none.
        trained: the network of the last run.
    """

    frozen = traitlets.Int(0)
    error = traitlets.Unicode("").tag(sync=True)  # in the saved state, where a page's check finds it

    def __init__(self, net: Network, images: ImageSet, recipe: Recipe = default_recipe) -> None:
        self.net, self.images, self.recipe = net, images, recipe
        self.runs: list[dict[str, Any]] = []
        self.trained: Network | None = None
        self._runner: Runner | None = None
        last = len(net) - 1
        self.slider = ipw.IntSlider(last, 0, last, description="frozen blocks", style={"description_width": "initial"})
        self.start_button = ipw.Button(description="Train", button_style="primary", tooltip="Train with this choice")
        self.stop_button = ipw.Button(
            description="Stop", disabled=True, tooltip="Stop after this step; the run is kept"
        )
        self.blocks_view, self.live_view, self.runs_view = ipw.HTML(), ipw.HTML(), ipw.HTML()
        self.frozen = last
        traitlets.link((self, "frozen"), (self.slider, "value"))
        self.observe(lambda _: self._show_blocks(), "frozen")
        self.start_button.on_click(lambda _: self.train())
        self.stop_button.on_click(lambda _: self.stop())
        self._show_blocks()
        self._say("ready: choose what is frozen, then Train")
        buttons = ipw.HBox([self.slider, self.start_button, self.stop_button], layout={"flex_flow": "row wrap"})
        super().__init__([self.blocks_view, buttons, self.live_view, self.runs_view])

    def train(self) -> None:
        """Start a run with the chosen number of frozen blocks in the background."""
        if self._runner is not None and self._runner.state == "running":
            return
        self._runner = self._make(self.frozen)
        self.start_button.disabled, self.stop_button.disabled = True, False
        self._runner.start()

    def stop(self) -> None:
        """Stop the run after the step it is in."""
        if self._runner is not None:
            self._runner.stop()

    def join(self) -> None:
        """Wait for the run; an interrupt stops it."""
        if self._runner is not None:
            self._runner.join()

    def train_here(self, frozen: int) -> dict[str, Any]:
        """Train in this cell with `frozen` blocks frozen (counted as in `Stage`); returns the run's row."""
        self.frozen = self.net.cut(frozen)
        self._runner = self._make(self.frozen)
        self._runner.run_here()
        if self._runner.error is not None:
            raise self._runner.error
        return self.runs[-1]

    def table(self) -> Table:
        """The runs so far, one row each; accuracy is on val."""
        rows = [
            [
                run["frozen"],
                f"{run['parameters']:,}",
                run["steps"],
                f"{100 * run['accuracy']:.1f} %",
                f"{run['seconds']:.1f}",
                run["state"],
            ]
            for run in self.runs
        ]
        columns = ("frozen blocks", "trained parameters", "steps", "accuracy on val", "seconds", "state")
        return Table(columns, rows, f"Runs on {self.images.name}, all from the same start")

    def __repr__(self) -> str:
        names = ", ".join(block.name for block in self.net.blocks[self.frozen :])
        return f"FreezePicker on {self.net.name}: {self.frozen} of {len(self.net)} blocks frozen, training {names}; {len(self.runs)} runs"

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        """The live widget, with a still picture beside it for pages that have no kernel."""
        bundle = super()._repr_mimebundle_(**options)
        still = plots.blocks([block.name for block in self.net.blocks], self._parameters(), self.frozen)
        return {**bundle, **still._repr_mimebundle_()[0], "text/plain": repr(self)}

    def _parameters(self) -> list[int]:
        return [sum(p.numel() for p in block.parameters()) for block in self.net.blocks]

    def _make(self, frozen: int) -> Runner:
        self.trained = self.net.copy()
        stages = self.recipe(frozen)
        self.error = ""
        return Runner(
            lambda: fit(self.trained, self.images, stages), lambda records, state: self._publish(frozen, records, state)
        )

    def _publish(self, frozen: int, records: list[Record], state: str) -> None:
        looks = [record for record in records if record.val is not None]
        last = records[-1] if records else None
        if state == "failed":
            self.error = str(self._runner.error)
            self._say(f"failed: {self.error}")
        elif last is not None:
            found = f"; val accuracy {looks[-1].val.accuracy:.1%}" if looks else ""
            self._say(f"{state}: {last.text}{found}", last.progress, _curve(looks))
        if state == "running":
            return
        if state != "failed" and last is not None and last.step:
            trained = sum(self._parameters()[frozen:])
            accuracy = evaluate(
                self.trained, self.images, "val", frozen
            ).accuracy  # a stopped run ends between two looks
            self.runs.append(
                {
                    "frozen": frozen,
                    "parameters": trained,
                    "steps": last.step,
                    "accuracy": accuracy,
                    "seconds": last.seconds,
                    "state": state,
                }
            )
            self.runs_view.value = self.table()._repr_html_()
        self.start_button.disabled, self.stop_button.disabled = False, True

    def _say(self, words: str, progress: float = 0.0, curve: str = "") -> None:
        self.live_view.value = (
            f'<div role="status">{html.escape(words)}</div><progress value="{progress:.3f}" max="1" aria-label="progress" '
            f'style="width:100%;max-width:40em"></progress>{curve}'
        )

    def _show_blocks(self) -> None:
        cells = []
        for i, block in enumerate(self.net.blocks):
            frozen = i < self.frozen
            colour, word, border = (FROZEN, "frozen", "double") if frozen else (TRAINS, "trains", "solid")
            cells.append(
                f'<span style="display:inline-block;margin:2px;padding:2px 6px;border:3px {border} {colour};border-radius:4px;'
                f'text-align:center;line-height:1.25">{html.escape(block.name)}<br><small style="color:{colour}"><b>{word}</b></small></span>'
            )
        counts = self._parameters()
        words = f"{self.frozen} of {len(self.net)} blocks frozen: {sum(counts[self.frozen :]):,} of {sum(counts):,} parameters train"
        self.blocks_view.value = f'<div aria-label="{words}">{"".join(cells)}<div>{words}</div></div>'


def _curve(looks: list[Record]) -> str:
    """Accuracy on val over steps as a small SVG picture."""
    if len(looks) < 2:
        return ""
    width, height, last = 420, 110, looks[-1].step
    points = " ".join(f"{40 + 370 * r.step / last:.1f},{height - 20 - 80 * r.val.accuracy:.1f}" for r in looks)
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" style="display:block;max-width:100%" role="img" '
        f'aria-label="accuracy on val rose from {looks[0].val.accuracy:.0%} to {looks[-1].val.accuracy:.0%}">'
        f'<g stroke="#8a8a8a" stroke-width="1"><line x1="40" y1="90" x2="410" y2="90"/><line x1="40" y1="10" x2="410" y2="10" stroke-dasharray="2 3"/></g>'
        f'<g font-size="11" fill="currentColor"><text x="2" y="14">100 %</text><text x="18" y="94">0 %</text>'
        f'<text x="300" y="106">{last} steps</text><text x="150" y="106">accuracy on val</text></g>'
        f'<polyline points="{points}" fill="none" stroke="{FROZEN}" stroke-width="2"/></svg>'
    )
