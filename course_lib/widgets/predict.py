"""Predict: a guess that is locked before the result is seen.

    predict = Predict("How many of 100 new dogs will it name right?", key="frozen-accuracy", lesson="03")
    predict                                      # the reader drags or types a guess and locks it
    predict.reveal(71.3, low=66, high=75)        # the result beside the guess; held back until the guess is locked

    Predict("Which one will be better?", choices=["from scratch", "frozen body"], key="better", lesson="03")

Predicting first makes a correct observation more likely, even where the prediction is wrong (Miller et al. 2013).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import traitlets

from .. import plots
from ..errors import CourseError
from .answering import Answering, answering_front, draw_number_line, is_number, plain, words_picture

SURE = ("", "guessing", "fairly sure", "very sure")
LONGEST = 300  # letters of a reason


class Predict(Answering):
    """A question, a guess that can be locked once, and the result beside it.

    Arguments:
        question: what is asked.
        low, high, unit: the range of a guess and its unit; a result may lie outside of the range.
        step: distance of two guesses on the slider; None: a hundredth of the range.
        choices: texts to choose from, in place of a number; then low, high, unit and step have no meaning.
        lesson, key: where the guess is kept; without them it ends with the kernel.

    Attributes:
        value: the guess, a number or one of the choices; None until there is one.
        locked: whether it is locked; then it can only be changed by deleting it (`course progress --clear`).
        sure, reason: what the reader may add: how sure, and why.
    """

    _esm, _css = answering_front("predict")
    commands = ("lock_guess", "show_anyway")
    kernel_only = ("told", "locked")
    kind = "prediction"

    value = traitlets.Any(None, allow_none=True).tag(sync=True)
    locked = traitlets.Bool(False).tag(sync=True)
    sure = traitlets.Unicode("").tag(sync=True)
    reason = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        question: str,
        low: float = 0,
        high: float = 100,
        unit: str = "%",
        step: float | None = None,
        choices: Sequence[str] | None = None,
        *,
        lesson: str | None = None,
        key: str | None = None,
    ) -> None:
        self.question = plain(question, "the question of Predict")
        self.choices = None if choices is None else _check_choices(choices)
        if self.choices and (low, high, unit, step) != (0, 100, "%", None):
            raise CourseError("A prediction among choices has no low, high, unit or step; leave them out.")
        if not all(map(is_number, (low, high))) or not low < high:
            raise CourseError(f"low={low!r} and high={high!r}: two numbers are needed, the first below the second.")
        if step is not None and not (is_number(step) and 0 < step <= high - low):
            raise CourseError(f"step={step!r}: a number above 0 and at most {high - low:g} is needed.")
        self.low, self.high, self.unit = low, high, str(unit)
        self.step = float(step or _round_step((high - low) / 100))
        self.truth: tuple[Any, float | None, float | None] | None = None
        self._skipped = self._stale = False
        self._kept: dict[
            str, Any
        ] = {}  # what is locked; while a setting is checked, the trait has the new value already
        super().__init__(lesson, key)
        self._restore()

    def lock(self) -> Any:
        """Lock the guess, if there is one; returns it, None where nothing was guessed."""
        if self.locked or self.value is None or self._skipped:
            return self.value
        guess = {"guess": self.value, "sure": self.sure, "reason": self.reason}
        # A guess that another kernel has locked meanwhile was first, and stays.
        kept, self.note = self.place.keep(guess, replace=self._stale)
        self._adopt(kept)
        return self.value

    def lock_guess(self) -> None:
        """The page's button. Raises `CourseError` where there is no guess yet."""
        if self.value is None:
            raise CourseError("There is no guess to lock yet: drag the slider, type a number or choose.")
        self.lock()

    def reveal(self, value: Any, low: float | None = None, high: float | None = None) -> Predict:
        """Show the result beside the guess; on a page it is held back until the guess is locked, or the reader asks.

        Arguments:
            value: the result, in the question's unit (71.3 for 71.3 %), or the choice that turned out right.
            low, high: its 95 % interval, both or none.

        Returns the widget, so that a cell that ends with this shows it.
        """
        if self.choices:
            if value not in self.choices or low is not None or high is not None:
                raise CourseError(
                    f"reveal({value!r}): one of {', '.join(map(repr, self.choices))} is needed, and no interval."
                )
        elif not is_number(value):
            raise CourseError(
                f"reveal({value!r}): a number in the unit of the question ({self.unit or 'none'}) is needed."
            )
        elif (low is None) != (high is None) or (
            low is not None and not (is_number(low) and is_number(high) and low <= value <= high)
        ):
            raise CourseError(
                f"reveal({value:g}, low={low!r}, high={high!r}): an interval needs both ends, around the value."
            )
        else:
            value, low, high = (None if x is None else float(x) for x in (value, low, high))
        self.truth = (value, low, high)
        self._tell()
        return self

    def show_anyway(self) -> None:
        """Show the result without a prediction; none can be made after that."""
        if self.locked:
            return
        self._skipped, self.value = True, None
        self._tell()

    @property
    def state(self) -> str:
        """`open`, `waiting` (a result is there, and no locked guess), `locked` or `revealed`, as the page shows it."""
        if self.truth is None:
            return "locked" if self.locked else "open"
        return "revealed" if self.locked or self._skipped else "waiting"

    def verdict(self) -> str:
        """The result in a sentence, with how far off the guess was."""
        if self.truth is None:
            return ""
        value, low, high = self.truth
        if self.choices:
            result = f"It was: {value}."
            if self.value is None:
                return f"No prediction was made. {result}"
            return f"You said: {self.value}. {result} " + (
                "Your prediction held." if self.value == value else "It came out otherwise."
            )
        interval = "" if low is None else f" (95 % interval {self._number(low)} to {self._words(high)})"
        result = f"Measured: {self._words(value)}{interval}."
        if self.value is None:
            return f"No prediction was made. {result}"
        off = abs(self.value - value)
        if off < self.step / 2:
            how = "They are the same, as far as a guess can tell."
        else:
            points = "points" if self.unit == "%" else self.unit
            side = "high" if self.value > value else "low"
            how = f"Your guess was {f'{self._number(off)} {points}'.strip()} too {side}"
            how += ", and lies inside the interval." if low is not None and low <= self.value <= high else "."
        return f"You said {self._words(self.value)}. {result} {how}"

    def sentence(self) -> str:
        """What is asked, what was guessed, and how it came out."""
        guess = "nothing guessed yet" if self.value is None else f"guess {self._words(self.value)}"
        if self.locked:
            guess += " (locked)"
        return f"{self.question} " + (self.verdict() or f"{guess[0].upper()}{guess[1:]}.")

    def picture(self) -> plots.Picture:
        """The question, the guess and the result, where they are there."""
        lines = [("Predict", "soft"), (self.question, "bold")]
        if self.choices:
            for choice in self.choices:
                marks = [
                    word
                    for word, held in (
                        ("your guess", choice == self.value),
                        ("the result", self.truth is not None and choice == self.truth[0]),
                    )
                    if held
                ]
                lines.append(
                    (
                        f"{'●' if choice == self.value else '○'} {choice}"
                        + (f"   ← {' and '.join(marks)}" if marks else ""),
                        "plain",
                    )
                )
        said = self.verdict() or (
            "No guess yet."
            if self.value is None
            else f"Guess: {self._words(self.value)}{', locked' if self.locked else ''}."
        )
        picture = words_picture([*lines, (said, "plain")], self.sentence(), height=0.0 if self.choices else 1.25)
        if not self.choices:
            value, low, high = self.truth or (None, None, None)
            marks = [
                (x, f"{name} {self._words(x)}")
                for x, name in ((self.value, "your guess"), (value, "measured"))
                if x is not None
            ]
            draw_number_line(picture.figure.axes[1], (self.low, self.high), self.unit, marks, (low, high))
        return picture

    @traitlets.validate("value")
    def _check_value(self, proposal: Any) -> Any:
        value = proposal["value"]
        if self._kept and value != self._kept["guess"]:
            raise CourseError(
                f"The prediction {self._words(self._kept['guess'])} is locked. Delete it with: course progress --clear"
            )
        if value is None or self._fits(value):
            return value if isinstance(value, (str, int, type(None))) else float(value)  # NumPy's numbers are no JSON
        if self.choices:
            raise CourseError(f"{value!r} is none of the choices: {', '.join(self.choices)}.")
        raise CourseError(f"{value!r} is no guess: a number from {self.low:g} to {self.high:g} is needed.")

    @traitlets.validate("sure", "reason")
    def _check_words(self, proposal: Any) -> str:
        name, value = proposal["trait"].name, proposal["value"]
        if self._kept and value != self._kept[name]:
            raise CourseError("The prediction is locked, and with it what was said about it.")
        if name == "sure" and value not in SURE:
            raise CourseError(f"sure={value!r} is not known; there are {', '.join(map(repr, SURE))}.")
        return value[:LONGEST]

    def _restore(self) -> None:
        kept, self.note = self.place.answer()
        if kept is not None:
            self._adopt(kept)
        else:
            self._tell()

    def _adopt(self, kept: dict[str, Any]) -> None:
        """Take over a guess that was locked, now or earlier."""
        guess = kept.get("guess")
        if not self._fits(guess):
            self._stale = True
            self.note = f"An earlier answer ({guess!r}) does not fit this question any more and is not shown."
            self._tell()
            return
        self._kept = {"guess": guess, "sure": kept.get("sure", ""), "reason": kept.get("reason", "")}
        with self.hold_sync():
            self.value, self.sure, self.reason = self._kept.values()
            self.locked = True
            self._tell()

    def _tell(self) -> None:
        """Write what the page shows; the result is in it only when it may be seen."""
        state = self.state
        told = {
            "question": self.question, "choices": self.choices, "low": self.low, "high": self.high, "step": self.step,
            "unit": self.unit, "levels": SURE[1:], "state": state, "note": self.note, "truth": None, "verdict": "",
        }  # fmt: skip
        if state == "revealed":
            value, low, high = self.truth
            told |= {
                "verdict": self.verdict(),
                "truth": {"value": value, "low": low, "high": high, "words": self._words(value)},
            }
        self.told = told

    def _fits(self, value: Any) -> bool:
        return value in self.choices if self.choices else is_number(value) and self.low <= value <= self.high

    def _number(self, value: float) -> str:
        """A number with one digit more than guesses have."""
        digits = max(0, 1 - math.floor(math.log10(self.step)))
        text = f"{value:,.{digits}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text

    def _words(self, value: Any) -> str:
        return value if isinstance(value, str) else f"{self._number(value)} {self.unit}".strip()


def _check_choices(choices: Any) -> list[str]:
    if isinstance(choices, str) or len(list(choices)) < 2:
        raise CourseError(f"choices={choices!r}: a list of at least two texts is needed.")
    texts = [plain(choice, f"choice {number}") for number, choice in enumerate(choices, 1)]
    if len(set(texts)) < len(texts):
        raise CourseError(f"choices={texts}: the same text stands there twice.")
    return texts


def _round_step(raw: float) -> float:
    """The next of 1, 2, 5 times a power of ten, so that a slider stops at round numbers."""
    power = 10.0 ** math.floor(math.log10(raw))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= raw * (1 - 1e-9))
