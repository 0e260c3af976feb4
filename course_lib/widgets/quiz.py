"""Quiz: questions with an explanation for every option, and steps to be put in order.

    Quiz([
        {"ask": "What does a frozen layer keep?", "options": [
            ("its weights", True, "No gradient reaches them."),
            ("its inputs", False, "They change with every picture."),
        ]},
        {"ask": "Put the steps in order.", "steps": [("Load", "First there is a network."), ("Freeze", "Then it is held.")]},
    ], lesson="03", key="recap")

Options stand in an order drawn from lesson, key and question: always the same, and no hint. An explanation goes to the page only
when its option was chosen and checked, all of them when the question is right or the reader asks for the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import traitlets

from .. import plots
from ..errors import CourseError
from ..progress import Place
from .answering import Answering, answering_front, words_picture
from .questions import Question, parse


class Quiz(Answering):
    """Questions of the three kinds, checked in the kernel.

    Arguments:
        questions: dicts, {"ask": text, "options": [(text, right, explanation), ...]} or
            {"ask": text, "steps": [(text, explanation), ...]} with the steps in their right order. Where one option is right,
            one can be chosen; "several": True lets several be chosen also there.
        lesson, key: where answers are kept; without them they end with the kernel.

    Attributes:
        chosen: question's number from 0 on, as text -> the chosen options, or the steps in the order that they stand in.
        questions: the questions, with their tries.

    Raises `CourseError` that says which question lacks what.
    """

    _esm, _css = answering_front("quiz")
    commands = ("check", "show")

    chosen = traitlets.Dict().tag(sync=True)

    def __init__(
        self, questions: Sequence[dict[str, Any]], *, lesson: str | None = None, key: str | None = None
    ) -> None:
        if not isinstance(questions, (list, tuple)) or not questions:
            raise CourseError(f"A quiz needs a list of questions; received {questions!r}.")
        seed = f"{lesson}/{key}"
        self.questions = [parse(number, data, seed) for number, data in enumerate(questions, 1)]
        if len({question.ask for question in self.questions}) < len(questions):
            raise CourseError("Two questions of the quiz ask the same; each needs words of its own.")
        super().__init__(lesson, key)
        self._restore()

    def check(self, question: int) -> None:
        """Check what is chosen for a question, counted from 0. A question that was answered stays as it is."""
        asked = self._asked(question)
        if not asked.open:
            return
        chosen = self.chosen.get(str(question), [])
        if not chosen:
            raise CourseError(f"Nothing is chosen for question {question + 1} yet.")
        asked.checked, asked.tries = list(chosen), asked.tries + 1
        asked.solved = asked.checked == asked.answer if asked.kind == "order" else sorted(asked.checked) == asked.answer
        self._keep(asked)

    def show(self, question: int) -> None:
        """Show the answer of a question that was tried; it does not count as right then."""
        asked = self._asked(question)
        if not asked.tries:
            raise CourseError(
                f"Question {question + 1} was not tried yet: choose, and check, before the answer is shown."
            )
        if asked.open:
            asked.shown = True
            self._keep(asked)

    def choose(self, question: int, *texts: str) -> None:
        """Choose options, or give the steps in order, by their texts; `check(question)` checks them."""
        asked = self._asked(question)
        unknown = [text for text in texts if text not in asked.texts]
        if unknown:
            raise CourseError(
                f"{unknown[0]!r} is no option of question {question + 1}; there are {', '.join(map(repr, asked.texts))}."
            )
        self.chosen = {**self.chosen, str(question): [asked.texts.index(text) for text in texts]}

    def sentence(self) -> str:
        """How many questions are right, tried and open."""
        right, tried = (sum(held) for held in zip(*((q.solved, q.tries > 0) for q in self.questions), strict=True))
        first = sum(q.solved and q.tries == 1 for q in self.questions)
        count = len(self.questions)
        words = f"{right} of {count} question{'s' if count > 1 else ''} right" + (
            f", {first} at the first try" if right else ""
        )
        return words + (f"; {count - tried} not tried yet." if tried < count else ".")

    def picture(self) -> plots.Picture:
        """The questions with what was chosen; explanations where they are shown."""
        lines = [(f"Quiz: {self.sentence()}", "soft")]
        for number, question in enumerate(self.questions):
            lines += [("", "plain"), (f"{number + 1}. {question.ask}", "bold")]
            chosen, known = self.chosen.get(str(number), []), question.feedback()
            ordered = question.kind == "order"
            for at, i in enumerate(chosen if ordered else range(len(question.texts)), 1):
                mark = f"{at}." if ordered else {"one": "○●", "several": "☐☑"}[question.kind][i in chosen]
                lines.append((f"  {mark} {question.texts[i]}", "plain"))
                if known[i] is not None:
                    lines.append(
                        (
                            f"      {'✓' if known[i]['right'] else '✗'} {known[i]['why']}",
                            "good" if known[i]["right"] else "soft",
                        )
                    )
            lines.append((question.said(), "soft") if question.tries else ("Not tried yet.", "soft"))
        return words_picture(
            lines, f"Quiz. {self.sentence()} " + " ".join(f"{n}. {q.ask}" for n, q in enumerate(self.questions, 1))
        )

    @traitlets.validate("chosen")
    def _check_chosen(self, proposal: Any) -> dict[str, list[int]]:
        checked = {}
        for name, options in proposal["value"].items():
            question = self._asked(int(name) if str(name).isdecimal() else name)
            count = len(question.texts)
            fits = (
                isinstance(options, list)
                and all(type(i) is int and 0 <= i < count for i in options)
                and len(set(options)) == len(options)
            )
            if (
                not fits
                or (question.kind == "one" and len(options) > 1)
                or (question.kind == "order" and len(options) != count)
            ):
                raise CourseError(f"{options!r} is no answer to question {int(name) + 1}, which has {count} options.")
            checked[str(name)] = question.checked if not question.open else options
        return checked

    def _asked(self, number: Any) -> Question:
        if type(number) is not int or not 0 <= number < len(self.questions):
            raise CourseError(f"There is no question {number!r}; they are counted from 0 to {len(self.questions) - 1}.")
        return self.questions[number]

    def _restore(self) -> None:
        """Take up earlier answers by the texts of their options, so that a question that was changed begins anew."""
        chosen = {}
        for number, question in enumerate(self.questions):
            question.place = Place(
                self.place.lesson, self.place.key and f"{self.place.key}: {question.ask}", "question"
            )
            kept, note = question.place.answer()
            self.note = note or self.note
            if kept is not None and set(kept.get("chosen", [""])) <= set(question.texts):
                question.checked = [question.texts.index(text) for text in kept["chosen"]]
                if question.kind != "order" or len(question.checked) == len(question.texts):
                    question.tries, question.solved, question.shown = kept["tries"], kept["solved"], kept["shown"]
                    chosen[str(number)] = question.checked
            if question.kind == "order" and str(number) not in chosen:
                chosen[str(number)] = list(range(len(question.texts)))
        self.chosen = chosen
        self._tell()

    def _keep(self, question: Question) -> None:
        chosen = [question.texts[i] for i in question.checked]
        value = {"chosen": chosen, "tries": question.tries, "solved": question.solved, "shown": question.shown}
        _, self.note = question.place.keep(value, done=question.solved)
        self._tell()

    def _tell(self) -> None:
        """Write what the page shows: no right option and no explanation before its time."""
        shown = [
            {
                "ask": q.ask, "kind": q.kind, "texts": q.texts, "tries": q.tries, "solved": q.solved, "open": q.open,
                "checked": q.checked, "said": q.said(), "feedback": q.feedback(), "answer": None if q.open else q.answer,
            }
            for q in self.questions
        ]  # fmt: skip
        self.told = {"questions": shown, "sentence": self.sentence(), "note": self.note}
