"""What a NegativeTransferLab shows, made from what it knows: rows for the page, lines of code, a figure, a table.

row(gap, past=False)                     # a gap as the page takes it
draw(views, known, "what it says")       # gaps over sources and over images a class
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any

from .. import plots
from ..experiments.transfer_gap import Case, Gap, Recipe, train_all, train_head
from ..ranking import Scores
from ..tables import Table

SCORES = ("nearest class mean", "LogME", "H-score", "alignment", "LEEP", "NCE")
View = tuple[str, list[tuple[str, Case]]]  # a title, and the cases below it with their names


def row(gap: Gap, past: bool) -> dict[str, Any]:
    """A gap as the page takes it; an end that is not known is null. `past`: a newer one of the same case is there."""
    case = gap.case
    low, high = ((round(100 * end, 3) if math.isfinite(end) else None) for end in (gap.low, gap.high))
    means = {"transfer": sum(gap.transferred) / gap.seeds, "scratch": sum(gap.scratch) / gap.seeds}
    where = {"source": case.source, "n": case.per_class, "how": case.how, "blocks": case.blocks or 0}
    told = {"verdict": gap.verdict, "seeds": gap.seeds, "recorded": gap.recorded, "past": past, "text": gap.text}
    return {**where, **means, "mean": round(100 * gap.mean, 3), "low": low, "high": high, **told}


def scored(scores: Mapping[tuple[str, int], Scores], known: Mapping[Case, Gap]) -> list[dict[str, Any]]:
    """Scores by source and images a class as the page takes them, each with what is known of the gap of this frozen body."""
    rows = []
    for (source, n), found in scores.items():
        values = [found.nearest_mean, found.logme, found.h_score, found.alignment, found.leep, found.nce]
        gap = known.get(Case(source, n))
        told = "not measured yet" if gap is None else f"{gap.verdict} {100 * gap.mean:+.1f}"
        rows.append({"source": source, "n": n, "scores": values, "gap": told})
    return rows


def score_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The same as a table in a cell."""
    told = [
        [each["source"], each["n"], *("" if x is None else f"{x:.3g}" for x in each["scores"]), each["gap"]]
        for each in rows
    ]
    caption = "Scores on training images (higher is better), and the gap of a frozen body in points"
    return Table(("source", "images per class", *SCORES, "gap"), told, caption)


def code(model: str, cases: Sequence[Case], seeds: int, per_class: int, recipe: Recipe, head: Recipe) -> str:
    """The lines that measure these cases; a reader has `images`. Recipes of one's own are spelled as the stages for `per_class`."""
    own = []
    for name, given, default in (("recipe", recipe, train_all), ("head", head, train_head)):
        if given is not default:
            own.append(f", {name}=lambda n: {given(per_class)!r}")
    shown = ",\n    ".join(map(_spell, cases))
    stages = ["from course_lib import Augment, Stage"] if own else []
    lines = [
        "from course_lib.experiments.transfer_gap import Case, table, transfer_gap",
        "from course_lib.widgets.live import watch",
        f"cases = [\n    {shown},\n]",
        f"gaps = watch(transfer_gap(images, {model!r}, cases, seeds={seeds}{''.join(own)}))",
        "table(gaps)",
    ]
    return "\n".join([*stages, *lines])


def draw(views: Sequence[View], known: Mapping[Case, Gap], sentence: str) -> plots.Picture:
    """Gaps with their intervals, a panel for each view; what helps and what hurts by colour, sign and word."""
    fig, axes = plots.figure(8.4, 3.4, 1, len(views))
    said = []
    for axis, (title, cases) in zip(axes[0], views, strict=True):
        found = [(name, known[case]) for name, case in cases if case in known]
        for place, (_, gap) in enumerate(reversed(found)):
            colour, marker = {"helps": (plots.BLUE, "^"), "hurts": (plots.ORANGE, "v")}.get(
                gap.verdict, (plots.GREY, "o")
            )
            if math.isfinite(gap.low):
                axis.plot([100 * gap.low, 100 * gap.high], [place, place], color=colour, linewidth=2)
            axis.plot(100 * gap.mean, place, marker, color=colour)
            end = max(gap.mean, gap.high if math.isfinite(gap.high) else gap.mean)
            axis.annotate(f" {gap.verdict}", (100 * end, place), color=colour, va="center", fontsize=9)
        axis.axvline(0, color=plots.GREY, linewidth=1, linestyle=(0, (3, 2)))
        axis.set_yticks(range(len(found)), [name for name, _ in reversed(found)])
        axis.margins(x=0.25)
        axis.set_xlabel("gap to training from scratch (points)")
        axis.set_title(title, fontsize=9)
        said.append(f"{title}: " + ("; ".join(gap.text for _, gap in found) or "nothing measured yet"))
    return plots.Picture(fig, f"{sentence}. {'. '.join(said)}.")


def _spell(case: Case) -> str:
    """The case as a line of code, without what is the default."""
    given = inspect.signature(Case).parameters
    values = {name: getattr(case, name) for name in given}
    shown = [
        f"{name}={value!r}"
        for name, value in values.items()
        if name in ("source", "per_class") or value != given[name].default
    ]
    return f"Case({', '.join(shown)})"
