"""One check of an exercise: a function of the reader's objects, and what it found, in words.

    make_check("the head trains", lambda net: all(p.requires_grad for p in net.blocks[-1].parameters()), {"net": net})
    # {"sentence": "the head trains", "state": "holds", "said": ""}

The function's parameters name the objects. It returns True, False, or a sentence that says what is wrong.
"""

from __future__ import annotations

import inspect
import linecache
import sysconfig
import traceback
from collections.abc import Callable
from typing import Any

from ..errors import CourseError
from ..paths import ROOT
from .answering import plain
from .run import sentence

Check = tuple[str, Callable[..., Any]]
# Where Python, installed packages and this one are: an error there was caused by whoever called.
NOT_THE_READERS = (
    *{sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")},
    str(ROOT / "course_lib"),
    "<frozen",
)


def make_check(words: str, function: Callable[..., Any], namespace: dict[str, Any]) -> dict[str, str]:
    """Make one check; what it found."""
    arguments, missing = {}, []
    for name, parameter in inspect.signature(function).parameters.items():
        if name in namespace:
            arguments[name] = namespace[name]
        elif parameter.default is parameter.empty:
            missing.append(f"`{name}`")
    if missing:
        return result(words, "fails", f"There is no {' and no '.join(missing)} yet: run the cell that makes it.")
    try:
        found = function(**arguments)
    except AssertionError as error:
        return result(words, "fails", str(error).partition("\n")[0])
    except (Exception, SystemExit) as error:  # the reader's code: its error is an answer, not a failure of ours
        return result(words, "fails", _explain(error, function))
    if isinstance(found, str):
        return result(words, "fails", found)
    found = found.item() if hasattr(found, "item") else found  # of NumPy or torch
    if not isinstance(found, bool):
        raise CourseError(f"The check {words!r} returned {found!r}; True, False or a sentence is needed.")
    return result(words, "holds" if found else "fails")


def _explain(error: BaseException, function: Callable[..., Any]) -> str:
    """An exception in words, with the line of the reader's code that raised it where that can be told from the check's own."""
    own = getattr(function, "__code__", None)
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        code = frame.f_code
        if code is own or code.co_filename == __file__:
            break
        if code.co_filename.startswith(NOT_THE_READERS):
            continue
        text = linecache.getline(code.co_filename, line).strip()
        return f"Your code stopped with {sentence(error)} (in `{code.co_name}`, line {line}{text and f': `{text}`'})"
    return f"It could not be checked: {sentence(error)}"


def result(words: str, state: str, said: str = "") -> dict[str, str]:
    """What is known of a check: `open`, `holds` or `fails`, and what was found."""
    return {"sentence": words, "state": state, "said": said}


def in_words(found: dict[str, str]) -> str:
    """What does not hold, in a sentence."""
    more = f": {found['said']}" if found["said"] else ""
    return f"Does not hold: {found['sentence']}{more}".rstrip(".") + "."


def notebook_names() -> dict[str, Any]:
    """The names of the notebook, or of the script that runs."""
    from IPython import get_ipython

    shell = get_ipython()
    if shell is not None:
        return shell.user_ns
    import __main__

    return vars(__main__)


def check_checks(checks: Any) -> list[Check]:
    """The checks of an exercise. Raises `CourseError` that says which of them is none."""
    if not isinstance(checks, (list, tuple)) or not checks:
        raise CourseError(f"checks: a list of (sentence, function) is needed; received {checks!r}.")
    kept = []
    for number, check in enumerate(checks, 1):
        if not isinstance(check, (list, tuple)) or len(check) != 2 or not callable(check[1]):
            raise CourseError(f"Check {number}: (sentence, function) is needed; received {check!r}.")
        words = plain(check[0], f"the sentence of check {number}")
        kinds = {parameter.kind for parameter in inspect.signature(check[1]).parameters.values()}
        if not kinds <= {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}:
            raise CourseError(
                f"Check {number} ({words!r}): its parameters have to be names of the reader's objects, no * and no /."
            )
        kept.append((words, check[1]))
    if len({words for words, _ in kept}) < len(kept):
        raise CourseError("Two checks have the same sentence; each needs words of its own.")
    return kept
