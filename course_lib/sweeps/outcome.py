"""What came out of a sweep so far: rows with results, runs that failed, and all of it as a table.

for at in sweep(run, grid):
    at.progress, at.text, at.table(last=10)
best = max(at.rows, key=lambda row: row.result["val_accuracy"])
best.config, best.result["test_accuracy"]
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import Any

from ..tables import Table
from .grid import Config, in_words


@dataclass(frozen=True)
class Row:
    """One run of a sweep.

    Attributes:
        config: what it was asked.
        result: what it gave, JSON values; empty when it failed.
        seconds: that the run itself took.
        repeated: whether it had been done before this sweep, and was read.
        error: why it failed, in a line; empty when it did not. `traceback` says where.
    """

    config: Config
    result: dict[str, Any]
    seconds: float
    repeated: bool = False
    error: str = ""
    traceback: str = ""


@dataclass(frozen=True, repr=False)
class Sweep:
    """Where a sweep stands, or how it ended.

    Attributes:
        name: of the function.
        runs: those that ended, well or not, in the order of the grid.
        total: number of different configs in the grid.
        seconds: time that this call took.
    """

    name: str
    runs: tuple[Row, ...]
    total: int
    seconds: float

    @property
    def rows(self) -> list[Row]:
        """The runs with a result."""
        return [run for run in self.runs if not run.error]

    @property
    def failed(self) -> list[Row]:
        """The runs without: `error` says why. The next call tries them again."""
        return [run for run in self.runs if run.error]

    @property
    def progress(self) -> float:
        """How much is done, 0 to 1."""
        return len(self.runs) / self.total

    @property
    def text(self) -> str:
        """Where the sweep stands, in words."""
        repeated, failed = sum(run.repeated for run in self.runs), len(self.failed)
        parts = [f"{len(self.rows)} of {self.total} runs done"]
        parts += [f"{repeated} of them read from earlier"] if repeated else []
        parts += [f"{failed} failed"] if failed else []
        return f"{', '.join(parts)}; {self.seconds:.0f} s"

    def table(self, last: int | None = None) -> Table:
        """A row for each run: the part of its config that varies, its result, its seconds.

        Arguments:
            last: shows this many rows at most, from the end; None for all.
        """
        first = self.runs[0].config if self.runs else {}
        names = list(dict.fromkeys(name for run in self.runs for name in run.config))
        fixed = {
            k: v for k, v in first.items() if len(self.runs) > 1 and all(r.config.get(k, ...) == v for r in self.runs)
        }
        varied = [name for name in names if name not in fixed]
        results = [name for name in _names(self.rows) if all(_short(run.result.get(name)) for run in self.rows)]
        shown = self.runs if last is None else self.runs[-last:] if last else ()
        rows = [
            [*(_cell(run.config, n) for n in varied), *(_cell(run.result, n) for n in results), f"{run.seconds:.1f}"]
            + ([run.error or "-"] if self.failed else [])
            for run in shown
        ]
        columns = [*varied, *(f"{n} (result)" if n in names else n for n in results), "took (s)"]
        caption = f"{self.name}{f' ({in_words(fixed)})' if fixed else ''}: {self.text}"
        return Table((*columns, "error") if self.failed else columns, rows, caption)

    def csv(self) -> str:
        """All runs with a result as comma-separated values, in full precision; lists and dicts as JSON."""
        names, results = list(dict.fromkeys(name for run in self.rows for name in run.config)), _names(self.rows)
        text = io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow([*names, *(f"{name} (result)" if name in names else name for name in results), "took (s)"])
        for run in self.rows:
            pairs = [*((run.config, name) for name in names), *((run.result, name) for name in results)]
            lines.writerow([*(_written(part[name]) if name in part else "" for part, name in pairs), run.seconds])
        return text.getvalue()

    def __repr__(self) -> str:
        return repr(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def _names(rows: list[Row]) -> list[str]:
    return list(dict.fromkeys(name for run in rows for name in run.result))


def _short(value: Any) -> bool:
    """Whether a value fits into a cell."""
    return not isinstance(value, (list, dict)) and len(str(value)) <= 40


def _cell(part: dict[str, Any], name: str) -> Any:
    value = part.get(name, "-")
    return json.dumps(value) if isinstance(value, (list, dict)) else value


def _written(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, (list, dict, bool)) or value is None else value
