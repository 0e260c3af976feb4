"""What Predict, Quiz and Exercise share: an answer that is kept, and a picture made of lines of text.

A widget that asks something writes `told`, what its page shows, in the kernel's main thread only. What the page must not know
yet (right options, explanations, hints, a result) is not in it: it stays in the kernel until its time has come.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any, ClassVar

import traitlets

from .. import plots
from ..errors import CourseError
from ..progress import Place
from .lab import FRONT, Lab, front

WIDTH = 96  # letters in a line of a picture
LINE = 0.235  # inches from one line to the next


def answering_front(name: str) -> tuple[str, str]:
    """Script and style of a widget that asks: what all labs share, its own, and what those that ask share."""
    script, style = front(name)
    more = [(FRONT / f"answering.{kind}").read_text(encoding="utf-8") for kind in ("js", "css")]
    return f"{script}\n{more[0]}", f"{more[1]}\n{style}"


class Answering(Lab):
    """A widget with an answer of the reader's.

    Arguments:
        lesson, key: the name under which answers are kept (progress.py); without them they end with the kernel.

    Attributes:
        told: what the page shows.
    """

    told = traitlets.Dict().tag(sync=True)
    kernel_only: ClassVar[tuple[str, ...]] = ("told",)  # traits that the page reads and must not write
    kind: ClassVar[str] = "question"

    def __init__(self, lesson: str | None, key: str | None, **settings: Any) -> None:
        self.place = Place(lesson, key, self.kind)
        self.note = ""  # why answers cannot be kept or shown, if that is so
        super().__init__(**settings)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Settings from the page, without those that only the kernel may write."""
        super().set_state({name: value for name, value in sync_data.items() if name not in self.kernel_only})
        written = sorted(set(sync_data) & set(self.kernel_only))
        if written:
            self.fail(CourseError(f"{', '.join(written)} of {type(self).__name__} cannot be set from the page."))
            self.send_state(written)


def words_picture(lines: list[tuple[str, str]], alt: str, height: float = 0.0) -> plots.Picture:
    """Lines of text as a picture, for pages without a kernel.

    Arguments:
        lines: (text, style); style is "bold", "plain", "soft" or "good".
        height: inches left free below the text; the picture's second axes are there.
    """
    styles = {
        "bold": {"fontweight": "bold", "fontsize": 10.5},
        "plain": {},
        "soft": {"color": plots.GREY, "fontsize": 9},
        "good": {"color": "#00714f"},
    }
    rows = []
    for text, style in lines:
        lead = len(text) - len(text.lstrip())
        indent = " " * (lead + 4 if lead else 0)
        kept = textwrap.wrap(text.replace("`", ""), WIDTH - 8 * (style == "bold"), subsequent_indent=indent)
        rows += [(line, style) for line in kept] or [("", style)]
    tall = LINE * len(rows) + 0.2
    ratios = [tall, height] if height else [tall]
    fig, axes = plots.figure(7.6, tall + height, len(ratios), gridspec_kw={"height_ratios": ratios})
    axis = axes[0][0]
    axis.axis("off")
    axis.set(xlim=(0, 1), ylim=(len(rows), 0))
    for number, (line, style) in enumerate(rows):
        # $ would begin a formula
        axis.text(0, number + 0.5, line.replace("$", r"\$"), va="center", fontfamily="DejaVu Sans", **styles[style])
    return plots.Picture(fig, alt)


def plain(text: Any, what: str) -> str:
    """A text as it was given, without spaces around it; anything else is refused by the name of what it is for."""
    if not isinstance(text, str) or not text.strip():
        raise CourseError(f"{what} has to be a text; received {text!r}.")
    return " ".join(text.split())


def draw_number_line(
    axis: Any,
    ends: tuple[float, float],
    unit: str,
    marks: Sequence[tuple[float, str]],
    interval: tuple[float | None, float | None],
) -> None:
    """Numbers with their names on a line: a guess ("your ...") above it, others below; the interval as a band."""
    points = [*ends, *(x for x, _ in marks), *(x for x in interval if x is not None)]
    low, high = min(points), max(points)
    room = 0.04 * (high - low)
    axis.set(xlim=(low - room, high + room), ylim=(-1.5, 1.5), yticks=[], xlabel=unit)
    axis.spines["left"].set_visible(False)
    axis.grid(False)
    axis.axhline(0, color=plots.GREY, linewidth=1)
    for x, name in marks:
        guess = name.startswith("your")
        colour, marker, fill = (plots.BLUE, "D", "none") if guess else (plots.ORANGE, "s", "full")
        axis.plot(x, 0, marker=marker, markersize=8, color=colour, fillstyle=fill, markeredgewidth=2, zorder=3)
        side = "left" if x < (low + high) / 2 else "right"
        axis.text(x, 0.85 if guess else -0.85, name, color=colour, ha=side, va="center", fontweight="bold")
    if interval[0] is not None:
        axis.plot(interval, [0, 0], color=plots.ORANGE, linewidth=6, alpha=0.35, solid_capstyle="butt")


def is_number(value: Any) -> bool:
    """Whether something is a finite number, of Python, NumPy or torch."""
    try:
        return not isinstance(value, (bool, str)) and math.isfinite(value)
    except TypeError:
        return False
