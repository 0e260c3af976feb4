"""`course slides`: lessons as slides, one HTML page each that needs nothing else: no network, no other file.

course slides 05                 # runs/05_negative_transfer_slides.html
course slides 03 04 --out talk   # several lessons, into a folder of your own
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from ..errors import CourseError
from ..lessons import LessonRun, Progress, check_parameters, find, read_run, run
from ..paths import ROOT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `course slides`."""
    parser.add_argument("lesson", nargs="+", metavar="LESSON", help="number, name or path")
    parser.add_argument("--size", choices=("small", "full"), help="default: that of the run at hand, or small")
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        type=Path,
        default=ROOT / "runs",
        help="where runs are, and slides go (default: runs)",
    )


def command(options: argparse.Namespace) -> int:
    """Write the slides of lessons, from the run at hand or from a new one; 1 if a lesson failed."""
    from .deck import write_slides

    given = {} if options.size is None else {"size": options.size}
    chosen = list(dict.fromkeys(map(find, options.lesson)))
    for lesson in chosen:
        check_parameters(lesson, given)
    failed = 0
    for lesson in chosen:
        outcome = run_at_hand(lesson, options.out, given)
        if outcome:
            print(f"{lesson.stem}: from its run of {outcome.date[:16].replace('T', ', ')} ({_settings(outcome)})")
        else:
            print(f"{lesson.stem}: no run in {_near(options.out)} is newer than the lesson and fits; it runs now")
            outcome = run(lesson, given, options.out, _Headings().show)
        if outcome.error:
            failed += 1
            print(f"course: {lesson.stem}, {outcome.error}", file=sys.stderr)
        else:
            print(f"{lesson.stem}: {_near(write_slides(outcome, lesson.parent))}", flush=True)
    return 1 if failed else 0


def run_at_hand(lesson: Path, out: Path, given: dict[str, Any]) -> LessonRun | None:
    """The run of a lesson in `out`, if it went well, is newer than the lesson, and had the parameters in `given`."""
    path = out / lesson.name
    try:
        if path.resolve() == lesson.resolve() or path.stat().st_mtime < lesson.stat().st_mtime:
            return None
        outcome = read_run(path)
    except (OSError, CourseError):  # none, or not one of ours
        return None
    fits = all(outcome.parameters.get(name) == value for name, value in given.items())
    return outcome if fits and outcome.error is None else None


class _Headings:
    """The progress of a run: a line for each heading that it comes to."""

    def __init__(self) -> None:
        self.last = ""

    def show(self, at: Progress) -> None:
        """Show a `lessons.Progress`."""
        if at.heading != self.last:
            self.last = at.heading
            print(f"{at.lesson}  {at.cell}/{at.cells}  {at.heading}  {at.seconds:.1f} s", flush=True)


def _settings(outcome: LessonRun) -> str:
    return ", ".join(f"{name} = {value!r}" for name, value in outcome.parameters.items()) or "no parameters"


def _near(path: Path) -> str:
    """A path as seen from here, where that is shorter."""
    return os.path.relpath(path) if path.absolute().is_relative_to(Path.cwd()) else str(path)
