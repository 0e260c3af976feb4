"""Exercises of lesson 00: accuracy by hand, a decision by an interval, and a classifier for another question.

cl.check("00-accuracy", accuracy)
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch

from ..evaluation import evaluate
from ..images import ImageSet
from ..intervals import wilson
from ..network import Network
from . import Task

SCORES = torch.tensor([[2.0, 1.0, 0.0], [0.1, 0.2, 0.9], [3.0, 5.0, 4.0], [0.0, -1.0, -2.0]])
LABELS = torch.tensor([0, 2, 2, 1])  # two of the four rows have their highest score there


def _called(function: Any, scores: torch.Tensor, labels: torch.Tensor) -> float | str:
    """What the reader's function returns, as a number; or the sentence that says why it is none."""
    found = function(scores, labels)
    if found is None:
        return "It returns nothing yet. End the function with `return`, and the share."
    try:
        return float(found)
    except (TypeError, ValueError, RuntimeError):
        return f"It returns {type(found).__name__} and not one number. A share of images is one number: take the mean."


def _right_share(function: Any) -> bool | str:
    found = _called(function, SCORES, LABELS)
    if isinstance(found, str):
        return found
    if abs(found - 0.5) < 1e-6:
        return True
    if abs(found - 2) < 1e-6:
        return "2 of 4 images are right and it returns 2: that is a count. Divide by the number of images."
    if abs(found - 50) < 1e-6:
        return "It returns 50, which is in per cent. A share from 0 to 1 is asked for: 0.5."
    if found == 0:
        return "It returns 0 for scores of which half are right. Compare the place of the highest score (argmax), not its value."
    return f"For four images of which two are right it returns {found:g}; 0.5 is expected."


def _all_and_none(function: Any) -> bool | str:
    best = SCORES.argmax(1)
    for labels, share in ((best, 1.0), ((best + 1) % 3, 0.0)):
        found = _called(function, SCORES, labels)
        if isinstance(found, str):
            return found
        if abs(found - share) > 1e-6:
            return f"Where the share is {share:g}, it returns {found:g}."
    return True


def _any_size(function: Any) -> bool | str:
    scores = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
    labels = scores.argmax(1).clone()
    labels[:3] = (labels[:3] + 1) % 5
    found = _called(function, scores, labels)
    if isinstance(found, str):
        return found
    return (
        abs(found - 4 / 7) < 1e-6 or f"For 7 images and 5 classes, 4 of them right, it returns {found:g} and not 4/7."
    )


LOWER = {"A": wilson(45 / 50, 50)[0], "B": wilson(830 / 1000, 1000)[0]}


def _decided(decision: Any) -> tuple[Any, Any]:
    if not isinstance(decision, dict):
        return None, None
    return decision.get("take"), decision.get("because")


def _number_is_an_end(decision: Any) -> bool | str:
    because = _decided(decision)[1]
    if isinstance(because, bool) or not isinstance(because, (int, float)):
        return "Put the number that decides in place of the dots at `because`."
    if because > 1.5:
        return f"{because:g} looks like per cent. Give it as `cl.wilson` gives it, from 0 to 1."
    ends = list(LOWER.values())
    if min(abs(because - end) for end in ends) < 0.006:
        return True
    if min(abs(because - share) for share in (0.9, 0.83)) < 0.002:
        return "That is the share in the test itself. The question is how low the true share may be: the lower end of the interval."
    return f"{because:g} is the lower end of neither interval. Call cl.wilson(share, count) and take its first number."


def _takes_b(decision: Any) -> bool | str:
    take, because = _decided(decision)
    if take == "A":
        return "A has the higher share, of 50 images only: its interval reaches below the line that you need. Look at both lower ends."
    if take != "B":
        return "Write 'A' or 'B' at `take`."
    near = isinstance(because, (int, float)) and abs(because - LOWER["B"]) < 0.006
    return near or "B is right; the number at `because` has to be the lower end of B's interval."


@lru_cache(maxsize=1)
def _dogs() -> ImageSet:
    from ..domains import Domain

    return Domain("target", seed=1).images("breed", per_class=16)


def _given_ears() -> dict[str, Any]:
    import course_lib as cl

    from ..experiments.transfer_table import asked

    return {"cl": cl, "asked": asked, "dogs": _dogs()}


def _is_pair(answer: Any) -> tuple[Network, ImageSet] | str:
    if not (isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[1], ImageSet)):
        return "Two things are needed: your network `mine`, and the images `ears`."
    if not isinstance(answer[0], Network):
        return f"`mine` is {type(answer[0]).__name__}, not a network yet. Make one with cl.load."
    return answer


def _fits_question(answer: Any) -> bool | str:
    pair = _is_pair(answer)
    if isinstance(pair, str):
        return pair
    net, images = pair
    if net.classes == images.classes:
        return True
    return f"`mine` answers with {', '.join(net.classes[:3])} and the question is about {', '.join(images.classes)}: load it with classes=ears.classes."


def _few(answer: Any) -> bool | str:
    pair = _is_pair(answer)
    if isinstance(pair, str):
        return pair
    most = max(pair[1].counts("train").values())
    return most <= 10 or f"{most} training images of one class are too many; subset(10) takes 10 of each."


def _beats_usual(answer: Any) -> bool | str:
    pair = _is_pair(answer)
    if isinstance(pair, str):
        return pair
    net, images = pair
    if net.classes != images.classes:
        return "First the classes have to fit."
    found = evaluate(net, images, "test")
    usual = max(images.counts("test").values()) / len(found.rows)
    low = wilson(found.accuracy, len(found.rows))[0]
    if low > usual:
        return True
    told = f"{found.accuracy:.0%} on test, at least {low:.0%} by its interval, where always saying the most frequent ears gives {usual:.0%}."
    why = (
        "Its head has random weights until cl.fit has run."
        if "random" not in net.origin
        else "It began with random weights."
    )
    return f"{told} {why} Start with weights='animals', and train with cl.fit."


TASKS = (
    Task(
        name="00-accuracy",
        ask="Write accuracy(scores, labels): the share of images, 0 to 1, whose highest score stands at the right class.",
        stub="def accuracy(scores, labels):\n    ...",
        answer="accuracy",
        checks=(
            ("half of four images right gives 0.5", _right_share),
            ("all right gives 1, none right gives 0", _all_and_none),
            ("it works for any number of images and classes", _any_size),
        ),
        solution="def accuracy(scores, labels):\n    return (scores.argmax(1) == labels).float().mean().item()",
        wrong=(
            ("def accuracy(scores, labels):\n    return (scores.argmax(1) == labels).sum()", "that is a count"),
            ("def accuracy(scores, labels):\n    return (scores.max(1).values == labels).sum() * 0", "argmax"),
            ("def accuracy(scores, labels):\n    return 100 * (scores.argmax(1) == labels).float().mean()", "per cent"),
            ("def accuracy(scores, labels):\n    return scores.argmax(1) == labels", "not one number"),
        ),
        hints=("`scores.argmax(1)` gives for each row the column of its highest score.", "The mean of 0s and 1s is a share."),
    ),
    Task(
        name="00-which",
        ask="Which classifier is surely right for more than 80 in 100 new images, and which number says so?",
        stub='decision = {"take": ..., "because": ...}',
        answer="decision",
        checks=(
            ("the reason is the lower end of an interval", _number_is_an_end),
            ("the choice follows from it", _takes_b),
        ),
        solution='import course_lib as cl\n\ndecision = {"take": "B", "because": cl.wilson(830 / 1000, 1000)[0]}',
        wrong=(
            ('decision = {"take": "A", "because": 0.9}', "share in the test itself"),
            ('import course_lib as cl\n\ndecision = {"take": "A", "because": cl.wilson(45 / 50, 50)[0]}', "50 images only"),
            ('decision = {"take": "B", "because": 80.5}', "per cent"),
        ),
        hints=("cl.wilson(45 / 50, 50) gives the two ends for A.",),
    ),
    Task(
        name="00-ears",
        ask="Train a network `mine` that tells the ears, on at most 10 images a class, and beats the most frequent answer.",
        stub='from course_lib.experiments.transfer_table import asked\n\nears = asked(dogs, "ears").subset(10)\nmine = ...',
        answer="(mine, ears)",
        checks=(
            ("the network answers the question about ears", _fits_question),
            ("at most 10 training images a class", _few),
            ("on test it is surely better than always the most frequent ears", _beats_usual),
        ),
        solution=(
            "from course_lib.experiments.transfer_table import asked\n\n"
            'ears = asked(dogs, "ears").subset(10)\n'
            'mine = cl.load("pawnet", classes=ears.classes, weights="animals")\n'
            "for record in cl.fit(mine, ears, cl.feature_extraction()):\n    pass"
        ),
        wrong=(
            (
                'ears = asked(dogs, "ears").subset(10)\nmine = cl.load("pawnet", classes=dogs.classes, weights="animals")',
                "load it with classes=ears.classes",
            ),
            (
                'ears = asked(dogs, "ears").subset(10)\nmine = cl.load("pawnet", classes=ears.classes, weights="animals")',
                "until cl.fit has run",
            ),
            (
                'ears = asked(dogs, "ears").subset(10)\nmine = cl.load("pawnet", classes=ears.classes)\n'
                "for record in cl.fit(mine, ears, cl.feature_extraction()):\n    pass",
                "It began with random weights",
            ),
        ),
        given=_given_ears,
        hints=("The three lines of the first page do it, with other images.", "load, fit, evaluate"),
    ),
)  # fmt: skip
