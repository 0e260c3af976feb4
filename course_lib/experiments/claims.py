"""The claims of the course: each is an experiment, a rule that can fail, and a figure.

    claim("negative_transfer").says                  # the sentence that is tested
    found = claim("negative_transfer").recorded()    # from data/ledger/
    found = watch(claim("negative_transfer").measure("small", seeds=2))       # on this machine, now
    found.verdict, found.plot(), found.words("shuffled, 10")

A module of this folder holds one claim under the name CLAIM. What a claim says is judged by its numbers alone, so the test
can show that shuffled numbers do not pass.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING

from ..errors import CourseError
from .findings import SIZES, At, Findings, Verdict

if TYPE_CHECKING:
    from ..plots import Picture

# In the order in which lessons need them.
NAMES = (
    "precompute",
    "less_data",
    "faster",
    "batchnorm_trap",
    "frozen_depth",
    "forgetting",
    "probe_first",
    "layer_transfer",
    "negative_transfer",
    "initial_loss",
    "same_basin",
)


@dataclass(frozen=True)
class Claim:
    """A claim and its experiment.

    Attributes:
        name: of the module, and of the file in the ledger.
        says: the claim, one sentence.
        source: where it comes from; empty for one of our own.
        work: (size, seeds) -> generator of `At` that returns Findings; seeds None: as many as the size has.
        judge: Findings -> Verdict. plot: Findings -> Picture.
    """

    name: str
    says: str
    source: str
    work: Callable[[str, int | None], Generator[At, None, Findings]]
    judge: Callable[[Findings], Verdict]
    plot: Callable[[Findings], Picture]

    def measure(self, size: str = "small", seeds: int | None = None) -> Generator[At, None, Findings]:
        """Run the experiment: `small` in a fraction of a minute to a few minutes, `full` as it is recorded.

        Raises `CourseError` for an unknown size and for fewer than 2 seeds.
        """
        if size not in SIZES:
            raise CourseError(f"size={size!r} is not known; use 'small' or 'full'.")
        if seeds is not None and (type(seeds) is not int or seeds < 2):
            raise CourseError(
                f"seeds={seeds!r} is out of range; an interval needs 2 or more, None is the size's own number."
            )
        return self._timed(size, seeds)

    def _timed(self, size: str, seeds: int | None) -> Generator[At, None, Findings]:
        start = time.perf_counter()
        found = yield from self.work(size, seeds)
        spent = time.perf_counter() - start  # less than it took, where runs of an earlier call were read
        return replace(found, seconds=round(max(spent, found.settings.get("seconds_of_all_runs", 0.0)), 1))

    def recorded(self) -> Findings:
        """What ships with the course. Raises `CourseError` where nothing was recorded."""
        from .ledger import read

        return read(self.name)

    def __repr__(self) -> str:
        return f"{self.name}: {self.says}" + (f" ({self.source})" if self.source else "")


def claim(name: str) -> Claim:
    """A claim by its name. Raises `CourseError` for a name that is none."""
    if name not in NAMES:
        raise CourseError(f"There is no claim {name!r}; there are {', '.join(NAMES)}.")
    return import_module(f".{name}", __package__).CLAIM
