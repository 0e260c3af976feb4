"""The exercises of the lessons: what is asked, checks of properties, hints, and a solution that is tested.

    cl.check("02-new-head", my_head)       # in a lesson, below the reader's own code

Each lesson has a module here (lesson_02.py) with its tasks. A check tests a property of the answer, never one literal answer,
and returns True, or the sentence that says what is wrong with this very answer. The tests run for each task the stub as it
stands in the lesson (has to fail), the solution (has to pass), and wrong answers (each has to get a hint of its own).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

from ..errors import CourseError

if TYPE_CHECKING:
    from ..widgets.exercise import Exercise


@dataclass(frozen=True)
class Task:
    """One exercise.

    Attributes:
        name: `02-new-head`: the lesson, then a word or two.
        ask: what is to be done.
        stub: the code that stands in the lesson, before the reader has changed it.
        answer: the expression that is checked after the reader's code has run, as in `cl.check(name, answer)`.
        checks: (sentence that is true when solved, function of `answer`); it returns True, False, or what is wrong.
        solution: code that solves it, in place of the stub.
        wrong: (code, part of the hint that it has to get), two or more.
        given: makes the names that the code may use, small and quick; for the tests, and the same as in the lesson.
        hints: more help, shown one at a time when asked for.
    """

    name: str
    ask: str
    stub: str
    answer: str
    checks: tuple[tuple[str, Callable[[Any], Any]], ...]
    solution: str
    wrong: tuple[tuple[str, str], ...]
    given: Callable[[], dict[str, Any]] = field(default=lambda: {})
    hints: tuple[str, ...] = ()


def task(name: str) -> Task:
    """A task by its name. Raises `CourseError` for a name that is none."""
    known = tasks()
    if name not in known:
        raise CourseError(f"There is no exercise {name!r}; there are {', '.join(known) or 'none'}.")
    return known[name]


def tasks() -> dict[str, Task]:
    """All tasks of all lessons, by name."""
    modules = sorted(each.name for each in iter_modules(__path__) if each.name.startswith("lesson_"))
    return {each.name: each for module in modules for each in import_module(f".{module}", __name__).TASKS}


def check(name: str, answer: Any = None) -> Exercise:
    """Check an answer; shows what holds, a hint for what does not, and, after a try, the solution on demand.

    Arguments:
        name: of the exercise.
        answer: what the reader has made; None, `...` (also within a tuple or a dict) or the untouched stub mean: nothing
            yet, and count as no try.

    Never raises for a wrong answer, so that a notebook runs on.
    """
    from ..widgets.exercise import Exercise

    asked = task(name)
    lesson, _, key = name.partition("-")
    checks = [(words, _of_answer(function)) for words, function in asked.checks]
    more = {"hints": asked.hints, "solution": asked.solution, "lesson": lesson, "key": key}
    widget = Exercise(asked.ask, checks, namespace={"answer": answer}, **more)
    if not _untouched(asked, answer):
        widget.look()
    return widget


def _untouched(asked: Task, answer: Any) -> bool:
    """Whether the reader has not begun."""
    parts = answer if isinstance(answer, tuple) else (answer,)
    if any(part is None or part is ... for part in parts):
        return True
    if any(value is ... for part in parts if isinstance(part, dict) for value in part.values()):
        return True
    made = {_sense(code) for code in _functions(compile(asked.stub, asked.name, "exec"))}
    given = [part.__code__ for part in parts if isinstance(part, FunctionType)]
    return bool(given) and all(_sense(code) in made for code in given)


def _functions(code: CodeType) -> Iterator[CodeType]:
    """The functions that a piece of code defines."""
    return (each for each in code.co_consts if isinstance(each, CodeType))


def _sense(code: CodeType) -> tuple[Any, ...]:
    """What a function does, whatever its lines are numbered."""
    inner = tuple(_sense(each) if isinstance(each, CodeType) else repr(each) for each in code.co_consts)
    return code.co_name, code.co_code, inner, code.co_names, code.co_varnames


def _of_answer(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The check under the one parameter name that `Exercise` fills."""

    def checked(answer: Any) -> Any:
        return function(answer)

    return checked
