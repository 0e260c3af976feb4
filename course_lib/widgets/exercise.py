"""Exercise: a check button for what the reader has made in the notebook, with hints and a solution.

    Exercise(
        "Freeze all blocks but the head of `net`.",
        [("the head trains", lambda net: all(p.requires_grad for p in net.blocks[-1].parameters())),
         ("the body is frozen", lambda net: not any(p.requires_grad for b in net.blocks[:-1] for p in b.parameters()))],
        hints=["A parameter that is frozen has `requires_grad` set to False."],
        solution="for block in net.blocks[:-1]:\\n    for p in block.parameters():\\n        p.requires_grad = False",
        lesson="03", key="freeze-by-hand",
    )

A check is a function of the reader's objects, named by its parameters: here `net`. It returns True, False, or a sentence that
says what is wrong. An exception in the reader's code becomes a sentence. `check_here()` raises where something does not hold.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

from .. import plots
from ..errors import CourseError
from .answering import Answering, answering_front, plain, words_picture
from .checking import Check, check_checks, in_words, make_check, notebook_names, result
from .run import Run

MARKS = {"holds": "✓", "fails": "✗", "open": "○"}


class Exercise(Answering):
    """A task, what has to hold in the end, and a button that looks whether it does.

    Arguments:
        task: what is to be done.
        checks: (sentence, function) each; the sentence is true when the exercise is solved. The function's parameters are names of
            the reader's objects, those with a default need not be there. It returns True, False or a sentence that says what is wrong.
        hints: shown one at a time. solution: code or words, shown on demand after a try; empty: there is none.
        lesson, key: where the state is kept; without them it ends with the kernel.
        namespace: where the reader's objects are; None: the notebook's.

    Attributes:
        results: for each check its sentence, its state (`open`, `holds` or `fails`), and what was found.
        solved: whether all held at some time. tries: times checked. hints_shown, solution_shown: what was asked for.
    """

    _esm, _css = answering_front("exercise")
    commands = ("check", "stop", "hint", "show_solution")
    kind = "exercise"

    def __init__(
        self,
        task: str,
        checks: Sequence[Check],
        *,
        hints: Sequence[str] = (),
        solution: str = "",
        lesson: str | None = None,
        key: str | None = None,
        namespace: dict[str, Any] | None = None,
    ) -> None:
        self.task = plain(task, "the task of Exercise")
        self.checks = check_checks(checks)
        if isinstance(hints, str):
            raise CourseError("hints: a list of texts is needed, received one text.")
        self.hints = [plain(hint, f"hint {number}") for number, hint in enumerate(hints, 1)]
        self.solution, self.namespace = str(solution).strip("\n"), namespace
        self.tries, self.hints_shown, self.solution_shown, self.solved = 0, 0, False, False
        self.results = [result(words, "open") for words, _ in self.checks]
        self._halt, self._busy = threading.Event(), False
        super().__init__(lesson, key)
        self._restore()

    def check(self) -> None:
        """Look whether all holds, in the worker's thread."""
        if self._busy:
            return
        self._busy = True
        self._halt.clear()
        run = self._run()
        self.worker.ask(lambda: self._go(run))

    def stop(self) -> None:
        """Stop checking, after the check that is being made."""
        self._halt.set()

    def check_here(self) -> None:
        """Look whether all holds, in the cell. Raises `CourseError` with what does not."""
        self.look()
        missing = [in_words(found) for found in self.results if found["state"] != "holds"]
        if missing:
            raise CourseError(f"This exercise is not solved yet. {' '.join(missing)}")

    def look(self) -> None:
        """Look whether all holds, in the cell, and show it. Raises only where a check itself is at fault."""
        self.join()
        self._halt.clear()
        self._busy, run = True, self._run()
        self._go(run)
        if run.error is not None:
            raise run.error

    def hint(self) -> None:
        """Show one hint more."""
        if self.hints_shown < len(self.hints):
            self.hints_shown += 1
            self._keep()

    def show_solution(self) -> None:
        """Show the solution. Raises `CourseError` where there is none, or where nothing was tried yet."""
        if not self.solution:
            raise CourseError("This exercise comes without a solution.")
        if not self.tries:
            raise CourseError("The solution is shown after a try of your own: press Check first.")
        self.solution_shown = True
        self._keep()

    def sentence(self) -> str:
        """The task, and how far it has come."""
        return f"{self.task} {self._status()}"

    def picture(self) -> plots.Picture:
        """The task and its checks, and the hints and the solution that were asked for."""
        lines = [("Exercise", "soft"), (self.task, "bold")]
        for found in self.results:
            lines.append(
                (f"  {MARKS[found['state']]} {found['sentence']}", "good" if found["state"] == "holds" else "plain")
            )
            if found["said"]:
                lines.append((f"      {found['said']}", "soft"))
        lines += [(f"Hint {number}: {hint}", "soft") for number, hint in enumerate(self.hints[: self.hints_shown], 1)]
        if self.solution_shown:
            lines += [(f"    {line}", "plain") for line in self.solution.splitlines()]
        return words_picture([*lines, (self._status(), "soft")], self.sentence())

    def _run(self) -> Run:
        namespace = notebook_names() if self.namespace is None else self.namespace
        return Run(lambda: self._results(namespace), self._publish)

    def _results(self, namespace: dict[str, Any]) -> Iterator[dict[str, str]]:
        for words, function in self.checks:
            yield make_check(words, function, namespace)

    def _go(self, run: Run) -> None:
        self.results = [result(words, "open") for words, _ in self.checks]
        try:
            run.go(self._halt, lambda: None)
            if run.error is not None:
                self.worker.fail(run.error)
        finally:
            self._busy = False

    def _publish(self, results: list[dict[str, str]], state: str) -> None:
        self.results[: len(results)] = results
        if state == "done":
            self.tries += 1
            self.solved |= all(found["state"] == "holds" for found in results)
            self._write()
        self._tell(state, len(results) / len(self.checks))

    def _restore(self) -> None:
        kept, self.note = self.place.answer()
        if kept is not None:
            self.tries, self.solved, self.solution_shown = kept["tries"], kept["solved"], kept["solution"]
            self.hints_shown = min(kept["hints"], len(self.hints))
        self._tell("ready", 0.0)

    def _write(self) -> None:
        value = {"tries": self.tries, "solved": self.solved, "hints": self.hints_shown, "solution": self.solution_shown}
        _, self.note = self.place.keep(value, done=self.solved)

    def _keep(self) -> None:
        self._write()
        self.worker.ask(lambda: self._tell(self.live.state, self.live.progress))

    def _status(self) -> str:
        holding = sum(found["state"] == "holds" for found in self.results)
        tries = "1 try" if self.tries == 1 else f"{self.tries} tries"
        if all(found["state"] == "open" for found in self.results):
            if self.solved:
                return f"Solved earlier, with {tries}. Check again to see it for the objects of this kernel."
            return "Not checked yet." if not self.tries else f"Not solved yet, {tries} so far."
        if holding == len(self.results):
            return f"Solved: all {holding} hold ({tries})." if holding > 1 else f"Solved ({tries})."
        return (
            f"{holding} of {len(self.results)} hold; {'solved earlier' if self.solved else 'not solved yet'} ({tries})."
        )

    def _tell(self, state: str, progress: float) -> None:
        """Write what the page shows: no hint and no solution before it is asked for."""
        self.live.show(
            state=state, progress=progress, status="checking" if state == "running" else self._status(), task=self.task,
            checks=list(self.results), hints=self.hints[: self.hints_shown], hints_left=len(self.hints) - self.hints_shown,
            solution=self.solution if self.solution_shown else None, solvable=bool(self.solution and self.tries),
            solved=self.solved, note=self.note,
        )  # fmt: skip
