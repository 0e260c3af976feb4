"""Headline results: a lesson records them, `course run` and the tests read them back from the executed notebook.

cl.record("frozen_10", 82.6, "%", low=79, high=86)      # in a lesson: shows `frozen_10: 82.6 % (95 % interval 79 to 86)`
read_records("runs/04_dog_case_study.ipynb")["frozen_10"].value      # 82.6
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .errors import CourseError

MIME = "application/vnd.course-lib.record+json"
UNITS = ("%", "points", "s", "steps", "epochs", "images", "blocks", "parameters", "MB", "ratio", "loss", "score")


@dataclass(frozen=True)
class Record:
    """One result: a name that is unique in its lesson, a value, its unit, and its 95 % interval if it has one.

    `points` are percentage points (a difference of two percentages); `ratio` has no unit (2.5 means 2.5 times).
    """

    name: str
    value: float
    unit: str
    low: float | None = None
    high: float | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise CourseError(f"A result's name is made of small letters, digits and _ (received {self.name!r}).")
        if self.unit not in UNITS:
            raise CourseError(f"{self.name}: the unit {self.unit!r} is not known; use one of {', '.join(UNITS)}.")
        if (self.low is None) != (self.high is None):
            raise CourseError(f"{self.name}: an interval needs both ends; give low and high, or neither.")
        for part in (self.value, self.low, self.high):
            if part is not None and not math.isfinite(part):
                raise CourseError(f"{self.name}: {part} is not a result; look for a loss that is not finite.")
        rounding = 1e-6 * max(1.0, abs(self.value))  # the upper end for 100 % may come out as 99.99999999999999
        low, high = (self.value if end is None else end for end in (self.low, self.high))
        if not low - rounding <= self.value <= high + rounding:
            raise CourseError(
                f"{self.name}: {self.value:g} lies outside of its own interval, {low:g} to {high:g}; are they in one unit?"
            )

    @property
    def interval(self) -> str:
        """The interval in words, `79 to 86`, or nothing."""
        return "" if self.low is None or self.high is None else f"{_short(self.low)} to {_short(self.high)}"

    @property
    def amount(self) -> str:
        """Value and unit, `82.6 %`; a ratio, a loss and a score have no unit to show."""
        return (
            f"{_short(self.value)} {self.unit}" if self.unit not in ("ratio", "loss", "score") else _short(self.value)
        )

    def __str__(self) -> str:
        interval = f" (95 % interval {self.interval})" if self.interval else ""
        return f"{self.name}: {self.amount}{interval}{f', {self.note}' if self.note else ''}"


def record(
    name: str, value: float, unit: str, low: float | None = None, high: float | None = None, note: str = ""
) -> Record:
    """Record a headline result of a lesson; in a notebook, show it. `low` and `high` are the ends of its 95 % interval.

    Raises `CourseError` for an unknown unit, a value that is not finite, or a value outside of its interval.
    """
    ends = [None if end is None else float(end) for end in (low, high)]
    result = Record(name, float(value), unit, *ends, note)
    if "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None:
        sys.modules["IPython"].display.display({MIME: asdict(result), "text/plain": str(result)}, raw=True)
        return _Shown(**asdict(result))
    return result


class _Shown(Record):
    """A record that has just been displayed: as the last expression of a cell it is not shown a second time."""

    def _ipython_display_(self) -> None:
        pass


def read_records(notebook: Path | str | Mapping[str, Any]) -> dict[str, Record]:
    """The records of an executed notebook (a path, or the notebook itself), by name, in the order of its cells.

    Within one cell the last record of a name counts. Raises `CourseError` when two cells use the same name.
    """
    if not isinstance(notebook, Mapping):
        import nbformat

        notebook = nbformat.read(notebook, as_version=4)
    records: dict[str, Record] = {}
    for cell in notebook["cells"]:
        outputs = cell.get("outputs", [])
        found = [Record(**output["data"][MIME]) for output in outputs if MIME in output.get("data", {})]
        for twice in {result.name for result in found} & records.keys():
            raise CourseError(f"Two cells record a result named {twice}; give each result a name of its own.")
        records |= {result.name: result for result in found}
    return records


def _short(number: float) -> str:
    """At most one decimal from 10 on, three significant digits below: 82.6, 4.13, 0.0521, 12,000."""
    if number == int(number):
        return f"{int(number):,}"
    return f"{number:,.1f}" if abs(number) >= 10 else f"{number:.3g}"
