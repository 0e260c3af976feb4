"""order_chart: sources in the order of a score, each with the gap that was measured; one panel for each score.

order_chart({"logme": {"animals": -0.05, "photos": -0.23}}, {"animals": gap, "photos": another_gap})

Where a score orders well, the marks climb from the lower left to the upper right.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from .. import plots
from ..errors import CourseError
from ..experiments.gap import Gap

MARKS = {"helps": (plots.BLUE, "^"), "hurts": (plots.ORANGE, "v"), "not clear": (plots.GREY, "o")}
TICKS = (-20, -5, 0, 5, 20, 60)


def order_chart(scores: Mapping[str, Mapping[str, float]], gaps: Mapping[str, Gap]) -> plots.Picture:
    """Gaps over sources, ordered by each score.

    Arguments:
        scores: name of the score -> source -> value, higher is better.
        gaps: source -> its measured gap; every source that has a score.

    Raises `CourseError` where nothing was scored, or a scored source has no gap.
    """
    missing = {source for values in scores.values() for source in values} - gaps.keys()
    if missing or not scores or not all(scores.values()):
        raise CourseError(
            f"order_chart takes scores of sources that have a gap; without one are: {', '.join(sorted(missing)) or 'none'}, and "
            f"{len(scores)} scores were given."
        )
    rows = -(-len(scores) // 2)
    most = max(map(len, scores.values()))
    fig, axes = plots.figure(7.4, 0.4 + rows * (0.7 + 0.28 * most), rows, min(2, len(scores)), sharex=True)
    said = []
    for axis in axes.flat[len(scores) :]:
        axis.axis("off")
    for axis, (name, values) in zip(axes.flat, scores.items(), strict=False):
        order = sorted(values, key=values.__getitem__)
        for row, source in enumerate(order):
            gap = gaps[source]
            colour, marker = MARKS[gap.verdict]
            if math.isfinite(gap.low):
                axis.plot([100 * gap.low, 100 * gap.high], [row, row], color=colour, linewidth=2)
            axis.plot(100 * gap.mean, row, marker, color=colour)
        axis.axvline(0, color=plots.GREY, linewidth=1, linestyle=(0, (3, 2)))
        axis.set_yticks(range(len(order)), [f"{source}  {values[source]:.3g}" for source in order])
        axis.set_ylim(-0.6, len(order) - 0.4)
        axis.set_title(f"ordered by {name}", fontsize=10)
        said.append(f"By {name}, best first: {', '.join(f'{s} ({100 * gaps[s].mean:+.1f})' for s in reversed(order))}")
    for axis in axes.flat:
        axis.set_xscale("symlog", linthresh=10)  # one near source is far away from all others
        axis.set_xticks(TICKS, [str(tick) for tick in TICKS])
        axis.set_xticks([], minor=True)
        axis.tick_params(labelbottom=True, labelsize=9)
        axis.margins(x=0.15)
    fig.supxlabel("measured gap to training from scratch (points; log scale beyond 10)", fontsize=10)
    return plots.Picture(fig, f"Sources ordered by scores, with their measured gaps in points. {'. '.join(said)}.")
