"""Exercises of lesson 01: the kinds of transfer as a function, a promise that an interval backs, and a domain of one's own.

cl.check("01-kind", kind)
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch

from ..domains import Domain, tell_apart
from ..domains.marginal import picture_statistics
from . import Task

BOTH, SOURCE, NONE = frozenset({"source", "target"}), frozenset({"source"}), frozenset()
WORDS = ("ordinary", "inductive", "transductive", "unsupervised")


def _asked(function: Any, same_domain: bool, same_task: bool, labelled: frozenset[str], expected: str, why: str) -> Any:
    found = function(same_domain, same_task, set(labelled))
    if found is None:
        return "It returns nothing yet: end each branch with `return` and one of the four words."
    if found not in WORDS:
        return f"It returns {found!r}; the words are {', '.join(WORDS)}."
    given = " and ".join(sorted(labelled)) or "none"
    domain, task = ("same" if same_domain else "other"), ("same" if same_task else "other")
    return found == expected or f"For {domain} domain, {task} task, labels in {given}, it returns {found!r}. {why}"


def _ordinary(function: Any) -> Any:
    return _asked(function, True, True, BOTH, "ordinary", "Nothing differs: more examples of one problem.")


def _inductive(function: Any) -> Any:
    why = "Where the task differs and the target has labels, it is inductive, whatever the domain does: look at the task first."
    for same_domain in (True, False):
        for labelled in (BOTH, frozenset({"target"})):
            found = _asked(function, same_domain, False, labelled, "inductive", why)
            if found is not True:
                return found
    return True


def _transductive(function: Any) -> Any:
    why = "The task stays, the domain changes, and only the source has labels."
    return _asked(function, False, True, SOURCE, "transductive", why)


def _unsupervised(function: Any) -> Any:
    why = "Without any label the question of which task has labels does not arise: it is unsupervised. Look at `labelled` early."
    for same_domain in (True, False):
        found = _asked(function, same_domain, False, NONE, "unsupervised", why)
        if found is not True:
            return found
    return True


# For the tests: the largest gain has the wider interval, so the better promise is another one.
CASES = {
    "tails by day": {"isolated": 30.0, "transfer": 72.0, "gain": 42.0, "low": 8.0, "high": 76.0},
    "noses by night": {"isolated": 31.0, "transfer": 60.0, "gain": 29.0, "low": 21.0, "high": 37.0},
    "side by day": {"isolated": 50.0, "transfer": 51.0, "gain": 1.0, "low": -9.0, "high": 11.0},
}


def _promised(answer: Any) -> tuple[dict[str, Any], dict[str, Any]] | str:
    if not (isinstance(answer, tuple) and len(answer) == 2 and all(isinstance(each, dict) for each in answer)):
        return "Two dicts are needed: your decision, and what was measured."
    decision, measured = answer
    if decision.get("target") not in measured:
        return f"Write one of the targets at `target`: {', '.join(measured)}."
    promise = decision.get("promise")
    if isinstance(promise, bool) or not isinstance(promise, (int, float)):
        return "Write a number of points at `promise`."
    return decision, measured


def _surest(answer: Any) -> bool | str:
    checked = _promised(answer)
    if isinstance(checked, str):
        return checked
    decision, measured = checked
    best = max(measured, key=lambda name: measured[name]["low"])
    chosen = measured[decision["target"]]
    if chosen["low"] >= measured[best]["low"] - 0.5:
        return True
    told = f"The gain of {decision['target']} may be as low as {chosen['low']:.1f} points."
    return f"{told} Another target has a lower end above that: compare `low`, not `gain`."


def _kept(answer: Any) -> bool | str:
    checked = _promised(answer)
    if isinstance(checked, str):
        return checked
    decision, measured = checked
    case, promise = measured[decision["target"]], decision["promise"]
    if abs(promise - case["gain"]) < 0.5 and case["gain"] - case["low"] >= 1:
        return "That is the mean gain. It is missed about as often as it is reached: promise the lower end of the interval."
    if promise > case["low"] + 0.5:
        return f"You promise {promise:g} points, and the interval reaches down to {case['low']:.1f}."
    if promise < case["low"] - 5:
        return f"{promise:g} is safe, and less than the measurement allows: its lower end is {case['low']:.1f}."
    return True


@lru_cache(maxsize=2)
def _pictures(seed: int) -> torch.Tensor:
    domain = Domain("target", seed=seed)
    table, streams = domain.draw_at_random(40)
    return domain.draw(table, streams)


def _same_form(see: Any) -> bool | str:
    before = _pictures(5)[:8]
    after = see(before.clone())
    if not isinstance(after, torch.Tensor):
        return f"It returns {type(after).__name__}, not a tensor of pictures."
    if after.shape != before.shape:
        return (
            f"Pictures of shape {tuple(before.shape)} come back as {tuple(after.shape)}: that is another feature space."
        )
    if after.dtype != torch.uint8:
        return f"Pictures come back as {after.dtype}. Work in float, then end with .clamp(0, 255).to(torch.uint8)."
    return True


def _differs(see: Any) -> bool | str:
    a, b = _pictures(5), see(_pictures(6).clone())
    if not isinstance(b, torch.Tensor) or b.shape != a.shape or b.dtype != torch.uint8:
        return "First the form of the pictures has to be right."
    test = tell_apart([picture_statistics(a)], [picture_statistics(b)], permutations=199)
    return (
        test.differs
        or f"P(X) was not told apart from the old one (p = {test.p_words}): change the colours, the light or the edges more."
    )


def _something_left(see: Any) -> bool | str:
    before = _pictures(5)[:12]
    after = see(before.clone())
    if not isinstance(after, torch.Tensor) or after.shape != before.shape:
        return "First the form of the pictures has to be right."
    x = after.float().flatten(1)
    if float(x.std(1).min()) < 2:
        return "At least one picture has become one flat colour: nothing is left of the dog, so P(Y given X) changed as well."
    apart = torch.cdist(x, x) + 1e9 * torch.eye(len(x))
    return bool(apart.min() > 1) or "Different pictures have become the same one: their labels can no longer be told."


STUB = {
    "kind": "def kind(same_domain, same_task, labelled):\n    ...",
    "promise": 'measured = table.values()["cases"]\ndecision = {"target": ..., "promise": ...}',
    "see": "def see(images):\n    return images",
}


class _Table:
    """Stands in for the lesson's table: the values that it left."""

    def values(self) -> dict[str, Any]:
        return {"per_class": 5, "cases": CASES}


KIND_SOLVED = """def kind(same_domain, same_task, labelled):
    if same_domain and same_task:
        return "ordinary"
    if not labelled:
        return "unsupervised"
    return "transductive" if same_task else "inductive"
"""
DOMAIN_FIRST = """def kind(same_domain, same_task, labelled):
    if same_domain and same_task:
        return "ordinary"
    if not labelled:
        return "unsupervised"
    return "inductive" if same_domain else "transductive"
"""
NO_LABELS_FORGOTTEN = """def kind(same_domain, same_task, labelled):
    if same_domain and same_task:
        return "ordinary"
    return "transductive" if same_task else "inductive"
"""
BEST_PROMISE = """measured = table.values()["cases"]
surest = max(measured, key=lambda name: measured[name]["low"])
decision = {"target": surest, "promise": measured[surest]["low"]}
"""
BIGGEST_MEAN = """measured = table.values()["cases"]
decision = {"target": "tails by day", "promise": 8}
"""
MEAN_PROMISED = """measured = table.values()["cases"]
decision = {"target": "noses by night", "promise": 29}
"""

TASKS = (
    Task(
        name="01-kind",
        ask="Write kind(same_domain, same_task, labelled): which kind of transfer is it, after Pan and Yang?",
        stub=STUB["kind"],
        answer="kind",
        checks=(
            ("the same problem is ordinary learning", _ordinary),
            ("another task with labels in the target is inductive", _inductive),
            ("the same task in another domain, labels in the source only, is transductive", _transductive),
            ("another task and no labels at all is unsupervised", _unsupervised),
        ),
        solution=KIND_SOLVED,
        wrong=((DOMAIN_FIRST, "look at the task first"), (NO_LABELS_FORGOTTEN, "Look at `labelled` early")),
        hints=("Three questions in a row: does nothing differ, is there no label, is the task the same?",),
    ),
    Task(
        name="01-promise",
        ask="Choose the target whose gain you can promise, and how many points you dare to promise.",
        stub=STUB["promise"],
        answer="(decision, measured)",
        checks=(
            ("no other target has a higher lower end", _surest),
            ("the promise is backed by the interval, and not far below it", _kept),
        ),
        solution=BEST_PROMISE,
        wrong=((BIGGEST_MEAN, "compare `low`, not `gain`"), (MEAN_PROMISED, "That is the mean gain")),
        given=lambda: {"table": _Table()},
        hints=("`measured` has for each target its gain and the two ends of its interval, low and high.",),
    ),
    Task(
        name="01-own-domain",
        ask="Write see(images): the same animals in another domain, uint8 in and uint8 out.",
        stub=STUB["see"],
        answer="see",
        checks=(
            ("the feature space stays: shape and number format", _same_form),
            ("P(X) differs, by the test of this lesson", _differs),
            ("the pictures can still be told apart", _something_left),
        ),
        solution="def see(images):\n    return (images.float() * 0.35).to(images.dtype)",
        wrong=(
            ("def see(images):\n    return images.float() / 255 * 0.35", "Work in float, then end with"),
            ("def see(images):\n    return images * 0", "one flat colour"),
            ("def see(images):\n    return images[..., ::2, ::2]", "another feature space"),
        ),
        hints=("A darker lamp: multiply in float, then go back to uint8.", "images.flip(1) exchanges red and blue."),
    ),
)  # fmt: skip
