"""A question of a quiz: made from plain data with everything wrong in it said, and how far the reader has come with it.

parse(1, {"ask": "What does a frozen layer keep?", "options": [("its weights", True, "No gradient reaches them."), ...]}, seed="03")
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from ..errors import CourseError
from ..progress import Place
from .answering import plain


@dataclass
class Question:
    """A question and how far the reader has come with it.

    Attributes:
        kind: `one` (one option is right), `several`, or `order`.
        texts, right, why: of each option in the order shown; for `order`, `right` is the step's true position.
        tries: times checked. solved: whether it was right. shown: whether the answer was asked for.
        checked: the options that were last checked.
    """

    ask: str
    kind: str
    texts: list[str]
    right: list[int]
    why: list[str]
    tries: int = 0
    solved: bool = False
    shown: bool = False
    checked: list[int] = field(default_factory=list)
    place: Place | None = None

    @property
    def open(self) -> bool:
        """Whether it can still be answered."""
        return not (self.solved or self.shown)

    @property
    def answer(self) -> list[int]:
        """The right options; the steps in their right order."""
        if self.kind == "order":
            return sorted(range(len(self.texts)), key=self.right.__getitem__)
        return [i for i, right in enumerate(self.right) if right]

    def feedback(self) -> list[dict[str, Any] | None]:
        """For each option what may be said of it now: whether it is right, and why."""
        if not self.tries:
            known = set()
        elif not self.open:
            known = set(range(len(self.texts)))
        elif self.kind == "order":
            known = set(self.checked[: self.leading()])
        else:
            known = set(self.checked)
        right = [True] * len(self.texts) if self.kind == "order" else [bool(right) for right in self.right]
        return [{"right": right[i], "why": self.why[i]} if i in known else None for i in range(len(self.texts))]

    def leading(self) -> int:
        """How many of the checked steps, from the first on, stand where they belong."""
        pairs = zip(self.checked, self.answer, strict=True)
        return next((i for i, (given, true) in enumerate(pairs) if given != true), len(self.texts))

    def said(self) -> str:
        """What the last check came to, in a sentence."""
        if not self.tries:
            return ""
        tries = "1 try" if self.tries == 1 else f"{self.tries} tries"
        if self.solved:
            return "Right at the first try." if self.tries == 1 else f"Right after {tries}."
        if self.shown:
            return f"The answer was shown after {tries}."
        if self.kind == "one":
            return f"Not this one: read why, and choose again ({tries} so far)."
        if self.kind == "order":
            count = self.leading()
            place = "The first step is" if count == 1 else f"The first {count} steps are"
            return f"Not yet. {f'{place} right.' if count else 'The first step is another one.'} ({tries} so far)"
        wrong = sum(not self.right[i] for i in self.checked)
        missing = sum(i not in self.checked for i in self.answer)
        parts = [
            f"{wrong} of the chosen do not hold" if wrong > 1 else "1 of the chosen does not hold" if wrong else ""
        ]
        parts += [f"{missing} {'are' if missing > 1 else 'is'} missing" if missing else ""]
        return f"Not yet: {' and '.join(filter(None, parts))} ({tries} so far)."


def parse(number: int, data: Any, seed: str) -> Question:
    """One question from plain data, with its options in the order that they are shown in."""
    if not isinstance(data, dict) or not isinstance(data.get("ask"), str) or not data["ask"].strip():
        raise CourseError(f'Question {number}: {{"ask": text, "options": [...]}} is needed; received {data!r}.')
    ask = plain(data["ask"], f"Question {number}")
    where = f"Question {number} ({ask!r})"
    unknown = sorted(set(data) - {"ask", "options", "steps", "several"})
    if unknown:
        raise CourseError(
            f"{where}: {', '.join(map(repr, unknown))} is not known; there are 'ask', 'options', 'steps', 'several'."
        )
    if ("options" in data) == ("steps" in data):
        raise CourseError(f"{where}: either 'options' or 'steps' is needed, and not both.")
    ordered = "steps" in data
    if ordered and "several" in data:
        raise CourseError(f"{where}: 'several' has no meaning for steps.")
    form = "(text, explanation)" if ordered else "(text, True or False, explanation)"
    texts, right, why = [], [], []
    for at, option in enumerate(data["steps" if ordered else "options"], 1):
        what = f"{where}, {'step' if ordered else 'option'} {at}"
        if not isinstance(option, (list, tuple)) or not option or len(option) > (2 if ordered else 3):
            raise CourseError(f"{what}: {form} is needed; received {option!r}.")
        texts.append(plain(option[0], f"{what}: its text"))
        if not ordered and (len(option) < 2 or not isinstance(option[1], bool)):
            raise CourseError(f"{what} ({texts[-1]!r}): say with True or False whether it is right.")
        if len(option) < (2 if ordered else 3):
            raise CourseError(
                f"{what} ({texts[-1]!r}) has no explanation. Say why it is {'there' if ordered else 'right' if option[1] else 'wrong'}."
            )
        right.append(at - 1 if ordered else int(option[1]))
        why.append(plain(option[-1], f"{what} ({texts[-1]!r}): its explanation"))
    if len(texts) < 2:
        raise CourseError(f"{where} has {len(texts)} to choose from; at least 2 are needed.")
    twice = sorted({text for text in texts if texts.count(text) > 1})
    if twice:
        raise CourseError(f"{where}: {twice[0]!r} stands there twice.")
    if not ordered and not any(right):
        raise CourseError(f"{where} has no right option; give True to at least one.")
    several = data.get("several", sum(right) > 1)
    if not ordered and not several and sum(right) > 1:
        raise CourseError(f'{where} has {sum(right)} right options, so "several": False cannot hold.')
    mixed = _mixed(len(texts), f"{seed}/{ask}", ordered)
    kind = "order" if ordered else "several" if several else "one"
    return Question(ask, kind, *([column[i] for i in mixed] for column in (texts, right, why)))


def _mixed(count: int, seed: str, ordered: bool) -> list[int]:
    """An order of 0 to count - 1 that follows from the seed; steps never stand right from the start."""
    drawing, order = random.Random(seed), list(range(count))
    drawing.shuffle(order)
    while ordered and order == sorted(order):
        drawing.shuffle(order)
    return order
