"""The runs of a FreezeLab: a row each, and the trained networks as far as there is room, for a look at test.

runs = Runs()
runs.enter(run)                    # a run that ended or was stopped: its row is made, or brought up to date
runs.test(1)["test"]               # accuracy on the test split, 0 to 1
runs.table("pawnet on dogworld", ("epochs", "lr"))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import CourseError
from ..evaluation import evaluate
from ..images import ImageSet
from ..intervals import wilson
from ..network import Network
from ..tables import Table

KEPT = 100e6  # bytes of trained networks that are kept for a look at test; the latest one always is
KNOBS = {"epochs": "epochs", "lr": "rate"}  # settings that have a column in the table


class Runs:
    """What came of the runs so far.

    Attributes:
        rows: one dict for each run that was stopped or ended, in the order in which they began.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._networks: dict[int, tuple[Network, ImageSet]] = {}

    def row(self, number: int) -> dict[str, Any]:
        """The row of run `number`, counted from 1. Raises `CourseError` where there is none."""
        found = next((row for row in self.rows if row["number"] == number), None)
        if found is None:
            raise CourseError(
                f"There is no run {number}; there are {[row['number'] for row in self.rows] or 'none yet'}."
            )
        return found

    def enter(self, run: Any) -> None:
        """Put a run that ended or was stopped into the table, or bring its row up to date."""
        row = run.row
        found = evaluate(run.net, run.images, "val", row["frozen"])
        row["val"], row["loss"] = found.accuracy, found.loss
        if row["looks"] and row["looks"][-1][0] != row["steps"]:
            row["looks"].append([row["steps"], found.loss, found.accuracy])
        if row not in self.rows:
            self.rows.append(row)
        self._networks[row["number"]] = (run.net, run.images)
        size = sum(tensor.nbytes for block in run.net.blocks for tensor in block.state())
        for number in sorted(self._networks)[: max(0, len(self._networks) - max(1, int(KEPT / size)))]:
            del self._networks[number]

    def test(self, number: int) -> dict[str, Any]:
        """Measure a run on the test split; its row comes back. Raises `CourseError` where its network is no longer kept."""
        row = self.row(number)
        if number not in self._networks:
            raise CourseError(
                f"The network of run {number} is no longer kept (it was large); press Settings in its row, and train it again."
            )
        net, images = self._networks[number]
        found = evaluate(net, images, "test", row["frozen"])
        low, high = wilson(found.accuracy, len(found.labels))
        row |= {"test": found.accuracy, "low": low, "high": high, "tested": row["tested"] + 1}
        return row

    def shown(self) -> list[dict[str, Any]]:
        """The rows for the page: copies, since what is grown in place is no change to be sent."""
        kept = [{name: value for name, value in row.items() if name != "asked"} for row in self.rows]
        return [{**row, "looks": list(row["looks"])} for row in kept]

    def table(self, caption: str, knobs: Sequence[str]) -> Table:
        """A row each; `knobs` are the settings of KNOBS that have a column."""
        columns = ["run", "frozen", "start", "images a class", *(KNOBS[knob] for knob in knobs)]
        columns += ["steps", "accuracy on val", "on test", "seconds", "state"]
        rows = []
        for run in self.rows:
            test = "" if run["test"] is None else f"{100 * run['test']:.1f} %"
            first = [run["number"], run["frozen"], run["start"], run["per_class"], *(run["settings"][k] for k in knobs)]
            last = [f"{100 * run['val']:.1f} %", test, f"{run['seconds']:.1f}", run["state"]]
            rows.append([*first, run["steps"], *last])
        return Table(columns, rows, caption)

    def words(self) -> str:
        """The rows in a sentence; empty where there are none."""
        return "; ".join(
            f"run {run['number']} ({run['frozen']} frozen, {run['state']}): {run['val']:.1%} on val"
            for run in self.rows
        )


def found(row: dict[str, Any]) -> str:
    """The last look at val, to be said after a status."""
    return f"; accuracy on val {row['looks'][-1][2]:.1%}" if row["looks"] else ""


def judged(row: dict[str, Any]) -> str:
    """How far off the guess was, to be said when a run is done."""
    if row["guess"] < 0 or row["state"] != "done":
        return ""
    off = 100 * row["val"] - row["guess"]
    return f". You guessed {row['guess']:.0f} %: {abs(off):.0f} points {'too low' if off > 0 else 'too high'}"
