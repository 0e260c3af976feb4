"""Findings: what an experiment measured, one number a seed, told with intervals and with where they come from.

    found = claim("less_data").recorded()          # from data/ledger/, or measured now: watch(claim("less_data").measure())
    found.interval("frozen, 10")                   # mean, low, high
    found.words("frozen, 10 - scratch, 10")        # '+51.9 points (95 % interval 49.7 to 54.1)', seed by seed
    found.badge                                    # 'recorded 2026-11-21, 5 seeds, Linux x86_64, CPU, torch 2.15.0'

A measurement has a key, such as `frozen, 10`, a unit (those of `cl.record`), and a value for each seed. The seeds stand in the
same order under every key, so that differences and ratios are worked out seed by seed.
"""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CourseError
from ..intervals import mean_interval
from ..results import UNITS
from ..tables import Table

if TYPE_CHECKING:
    from ..plots import Picture

SIZES = ("small", "full")


@dataclass(frozen=True)
class At:
    """Where an experiment stands; what its generator yields.

    Attributes:
        progress: 0 to 1.
        text: one line.
    """

    progress: float
    text: str


@dataclass(frozen=True)
class Measured:
    """The values of one measurement, one a seed, in one unit."""

    unit: str
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(map(float, self.values)))
        if self.unit not in UNITS:
            raise CourseError(f"The unit {self.unit!r} is not known; use one of {', '.join(UNITS)}.")
        if not self.values or not all(map(math.isfinite, self.values)):
            raise CourseError(f"A measurement needs one finite number or more; received {self.values}.")


@dataclass(frozen=True)
class Verdict:
    """Whether a claim holds in what was measured, and the sentence that says why or why not."""

    holds: bool
    because: str

    def __repr__(self) -> str:
        return f"{'Holds' if self.holds else 'Not shown'}: {self.because}"


@dataclass(frozen=True)
class Findings:
    """What one run of an experiment measured.

    Attributes:
        claim: its name.
        size: `small` or `full`.
        measured: key -> values.
        settings: what was run; JSON values.
        seconds: time it took.
        where: date, machine, versions; empty for a live one until it is recorded.
    """

    claim: str
    size: str
    measured: Mapping[str, Measured]
    settings: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    where: Mapping[str, str] = field(default_factory=dict)

    @property
    def keys(self) -> list[str]:
        return list(self.measured)

    def values(self, key: str) -> tuple[float, ...]:
        """The values of a measurement, one a seed."""
        if key not in self.measured:
            raise CourseError(f"{self.claim} has no measurement {key!r}; it has {', '.join(map(repr, self.keys))}.")
        return self.measured[key].values

    def mean(self, key: str) -> float:
        """The mean over seeds."""
        return float(np.mean(self.values(key)))

    def interval(self, key: str) -> tuple[float, float, float]:
        """Mean and the ends of its 95 % interval over seeds (Student's t); infinite ends with one seed.

        `key` is a measurement, a difference `a - b` or a ratio `a / b` of two, worked out seed by seed.
        """
        values, _ = self._worked_out(key)
        return float(np.mean(values)), *mean_interval(values)

    def words(self, key: str, short: bool = False) -> str:
        """A measurement, a difference `a - b` or a ratio `a / b` in words; `short` leaves the interval out."""
        values, unit = self._worked_out(key)
        mean, (low, high) = float(np.mean(values)), mean_interval(values)
        sign = "+" if " - " in key else ""
        told = {"ratio": " times", "loss": " nats", "score": ""}.get(unit, f" {unit}")
        said = f"{_number(mean, sign)}{told}"
        if short or len(values) < 2:
            return said
        return f"{said} (95 % interval {_number(low, sign)} to {_number(high, sign)})"

    @property
    def seeds(self) -> int:
        """The fewest seeds behind a measurement."""
        return min(len(each.values) for each in self.measured.values())

    @property
    def badge(self) -> str:
        """Where the numbers come from: recorded (date, seeds, machine), or live."""
        most = max(len(each.values) for each in self.measured.values())
        seeds = f"{self.seeds} seed{'s' * (self.seeds > 1)}" if most == self.seeds else f"{self.seeds} to {most} seeds"
        if not self.where:
            return f"live: measured on this machine just now, {seeds}"
        size = ", small size" if self.size == "small" else ""
        return f"recorded {self.where['date']}, {seeds}{size}, {self.where['machine']}, torch {self.where['torch']}"

    @property
    def verdict(self) -> Verdict:
        """Whether the claim holds in these numbers."""
        return self._claim.judge(self)

    def plot(self) -> Picture:
        """The figure of the claim, with the badge below it."""
        from ..plots import GREY

        picture = self._claim.plot(self)
        picture.figure.supxlabel(self.badge, fontsize=7.5, color=GREY, x=0.01, ha="left")
        return replace(picture, alt=f"{picture.alt} ({self.badge})")

    def table(self) -> Table:
        """Every measurement with its interval."""
        rows = []
        for key in self.keys:
            mean, low, high = self.interval(key)
            ends = f"{_number(low)} to {_number(high)}" if math.isfinite(low) else "one seed"
            rows.append((key, _number(mean), self.measured[key].unit, ends, len(self.values(key))))
        return Table(("measurement", "mean", "unit", "95 % interval", "seeds"), rows, self.badge)

    def shuffled(self, seed: int) -> Findings:
        """The same numbers under the wrong keys, dealt out at random within each unit: no claim may hold in these."""
        draw = np.random.default_rng(seed)
        dealt: dict[str, Measured] = {}
        for unit in {each.unit for each in self.measured.values()}:
            keys = [key for key in self.keys if self.measured[key].unit == unit]
            pool = list(draw.permutation([value for key in keys for value in self.values(key)]))
            for key in keys:
                count = len(self.values(key))
                dealt[key], pool = Measured(unit, pool[:count]), pool[count:]
        return replace(self, measured={key: dealt[key] for key in self.keys})

    def __repr__(self) -> str:
        return f"{self.claim}: {self.verdict}\n{self.table()}"

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    @property
    def _claim(self) -> Any:
        from .claims import claim

        return claim(self.claim)

    def _worked_out(self, key: str) -> tuple[list[float], str]:
        for sign, unit_of in ((" - ", lambda unit: "points" if unit == "%" else unit), (" / ", lambda unit: "ratio")):
            first, found, second = key.partition(sign)
            if found and key not in self.measured:
                a, b = self.values(first.strip()), self.values(second.strip())
                units = {self.measured[part.strip()].unit for part in (first, second)}
                if len(units) > 1:
                    raise CourseError(f"{self.claim}: {key!r} compares {' with '.join(sorted(units))}.")
                pairs = list(zip(a, b, strict=False))  # the seeds that both have
                values = [x - y for x, y in pairs] if sign == " - " else [x / y for x, y in pairs]
                return values, unit_of(units.pop())
        return list(self.values(key)), self.measured[key].unit


def findings(claim: str, size: str, measured: Mapping[str, tuple[str, Sequence[float]]], **settings: Any) -> Findings:
    """Findings from key -> (unit, one value a seed); `settings` are JSON values that say what was run."""
    return Findings(
        claim, size, {key: Measured(unit, tuple(values)) for key, (unit, values) in measured.items()}, settings
    )


def here() -> dict[str, str]:
    """Date, machine and versions, as a ledger keeps them."""
    import torch

    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.system()} {platform.machine()}, {'GPU' if torch.cuda.is_available() else 'CPU'}",
        "python": platform.python_version(),
        "torch": torch.__version__.partition("+")[0],
    }


def _number(number: float, sign: str = "") -> str:
    """Three significant digits: 82.6, 4.13, 0.052, 1,240."""
    digits = 0 if abs(number) >= 1000 else 1 if abs(number) >= 10 else 2 if abs(number) >= 1 else 3
    return f"{number:{sign},.{digits}f}".replace("-", "−")
