"""Exercises of lesson 02: a body that stays frozen, a purchase that rests on an interval, a search by picture.

cl.check("02-frozen-body", outputs)
cl.check("02-decide", (buy, lowest, points))
cl.check("02-similar", similar)
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from . import Task

WANTED = 0.70  # accuracy that the customer of 02-decide asks for

# 02-frozen-body


def _toy() -> tuple[nn.Module, torch.Tensor]:
    """A small body with BatchNorm and dropout, in train mode as a careless caller would hand it over, and pictures for it."""
    made = torch.Generator().manual_seed(0)
    body = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    with torch.no_grad():
        for parameter in body.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=made))
    return body.train(), torch.randn(12, 3, 8, 8, generator=made) + 1


def _gives_features(outputs: Any) -> Any:
    body, pictures = _toy()
    found = outputs(body, pictures)
    if not isinstance(found, torch.Tensor):
        return f"`outputs` gave {type(found).__name__}; return the tensor of features."
    if tuple(found.shape) != (len(pictures), 4):
        return (
            f"The features have the shape {tuple(found.shape)}; {len(pictures)} pictures and 4 features were expected."
        )
    return True


def _body_unmoved(outputs: Any) -> Any:
    body, pictures = _toy()
    before = {name: value.clone() for name, value in body.state_dict().items()}
    outputs(body, pictures)
    moved = [name for name, value in body.state_dict().items() if not torch.equal(value, before[name])]
    return not moved or (
        f"{', '.join(moved)} moved although nothing was trained: BatchNorm was in train mode. Call body.eval() first."
    )


def _no_gradient(outputs: Any) -> Any:
    return not outputs(*_toy()).requires_grad or (
        "The features carry a gradient back into the body: an optimizer could change it, and memory is kept for nothing. Work "
        "them out inside `with torch.no_grad():`."
    )


def _always_the_same(outputs: Any) -> Any:
    body, pictures = _toy()
    first, second, alone = outputs(body, pictures), outputs(body, pictures), outputs(body, pictures[:1])
    if not torch.equal(first, second):
        return "Asked twice for the same pictures, it gave two answers: dropout or BatchNorm is in train mode."
    if not torch.allclose(first[:1], alone, atol=1e-5):
        return "What it says of a picture depends on the other pictures of the batch: BatchNorm is in train mode."
    return torch.allclose(first, body.eval()(pictures), atol=1e-5) or "These are not the outputs of the body."


HEAD = "def outputs(body, pictures):\n"

FROZEN_BODY = Task(
    name="02-frozen-body",
    ask="Write outputs(body, pictures): what a frozen body says of pictures. It must leave the body as it is, carry no gradient, "
    "and always say the same of the same picture.",
    stub="def outputs(body, pictures):\n    ...\n    return body(pictures)",
    answer="outputs",
    checks=(
        ("it gives one row of features for each picture", _gives_features),
        ("weights and BatchNorm statistics of the body are the same before and after", _body_unmoved),
        ("the features carry no gradient", _no_gradient),
        ("a picture gets the same features each time, whatever stands beside it in the batch", _always_the_same),
    ),
    solution=f"{HEAD}    body.eval()\n    with torch.no_grad():\n        return body(pictures)",
    wrong=(
        (f"{HEAD}    with torch.no_grad():\n        return body(pictures)", "BatchNorm was in train mode"),
        (f"{HEAD}    body.eval()\n    return body(pictures)", "torch.no_grad()"),
        (f"{HEAD}    body.eval()\n    with torch.no_grad():\n        body(pictures)", "return the tensor"),
    ),
    given=lambda: {"torch": torch},
    hints=(
        "Two things can move in a block: parameters, by gradients, and BatchNorm statistics, by batches.",
        "`requires_grad = False` stops only the first of them.",
    ),
)

# 02-decide

Answer = tuple[Any, Any, list[tuple[int, float, float, float]]]  # buy, lowest, the points of the curve, rising


def _has_decided(answer: Answer) -> Any:
    buy, _, points = answer
    if buy is ...:
        return "Nothing is decided yet: set `buy` to a number of pictures of each class, or to None."
    sizes = [None, *(n for n, *_ in points)]
    return buy in sizes or f"buy = {buy!r} was not measured; choose one of {sizes}."


def _is_safe(answer: Answer) -> Any:
    buy, _, points = answer
    safe = [n for n, _, low, _ in points if low >= WANTED]
    if buy is None:
        return not safe or f"With {safe[0]} pictures of each class even the lower end of the interval is high enough."
    if buy is ...:
        return "Nothing is decided yet."
    mean, low = next(((m, lo) for n, m, lo, _ in points if n == buy), (0.0, 0.0))
    if low >= WANTED:
        return True
    if mean >= WANTED:
        return f"The mean with {buy} is {mean:.1%}, but its interval begins at {low:.1%}: decide by the lower end."
    return f"With {buy} pictures of each class the mean itself is {mean:.1%}, below what was asked for."


def _is_cheapest(answer: Answer) -> Any:
    buy, _, points = answer
    safe = [n for n, _, low, _ in points if low >= WANTED]
    if buy is ... or buy is None or not safe or buy <= safe[0]:
        return buy is not ...
    return f"{safe[0]} pictures of each class are enough as well, and cheaper."


def _rests_on_a_number(answer: Answer) -> Any:
    buy, lowest, points = answer
    if not isinstance(lowest, (int, float)) or isinstance(lowest, bool):
        return "Give `lowest`: the lower end of the interval that your decision rests on, in per cent."
    size = points[-1][0] if buy is None else buy
    true = next((100 * low for n, _, low, _ in points if n == size), None)
    if true is None:
        return "There is no measurement for what you buy."
    if 0 < lowest <= 1 < true:
        return "`lowest` is asked for in per cent, such as 71.5, not as a share of 1."
    return (
        abs(lowest - true) <= 0.5 or f"The interval for {size} pictures of each class does not begin at {lowest:g} %."
    )


DECIDE = Task(
    name="02-decide",
    ask="A customer wants 70 % on test, and pays for each labelled picture. How many of each class do you buy, if frozen features "
    "and a head are all you use? Set buy to the fewest that you can answer for (None: none that was measured), and lowest to the "
    "number, in per cent, that the decision rests on.",
    stub="buy = ...\nlowest = ...",
    answer="(buy, lowest, points)",
    checks=(
        ("a number of pictures that was measured, or None", _has_decided),
        ("you can answer for it", _is_safe),
        ("no smaller number would do", _is_cheapest),
        ("the decision rests on the lower end of an interval", _rests_on_a_number),
    ),
    solution=(
        "enough = [n for n, mean, low, high in points if low >= 0.70]\n"
        "buy = enough[0] if enough else None\n"
        "lowest = 100 * next(low for n, mean, low, high in points if n == (buy or points[-1][0]))"
    ),
    wrong=(
        ("buy = 5\nlowest = 67.0", "its interval begins at"),
        ("buy = 20\nlowest = 77.0", "are enough as well"),
        ("buy = 10\nlowest = 0.72", "not as a share of 1"),
        ("buy = 2\nlowest = 55.0", "the mean itself"),
    ),
    given=lambda: {
        "points": [(2, 0.59, 0.55, 0.63), (5, 0.705, 0.67, 0.74), (10, 0.76, 0.72, 0.8), (20, 0.8, 0.77, 0.83)]
    },
    hints=(
        "`points` holds (pictures of each class, mean, low, high), as shares of 1.",
        "A mean of 70 % means: half of the time it is less.",
    ),
)

# 02-similar


def _vectors() -> torch.Tensor:
    made = torch.Generator().manual_seed(3)
    vectors = torch.randn(40, 6, generator=made)
    return vectors * (0.2 + 5 * torch.rand(40, 1, generator=made))  # of very different lengths


def _rows(answer: Any, vectors: torch.Tensor, row: int, count: int) -> list[int]:
    return [int(found) for found in answer(vectors, row, count)]


def _right_number(answer: Any) -> Any:
    if answer(_vectors(), 7, 5) is None:
        return "It gave None; return the row numbers."
    rows = _rows(answer, _vectors(), 7, 5)
    if 7 in rows:
        return "The picture found itself. Leave its own row out."
    return (len(rows) == 5 and len(set(rows)) == 5) or f"Asked for 5 rows, it gave {rows}."


def _by_direction(answer: Any) -> Any:
    vectors = _vectors()
    if answer(vectors, 7, 5) is None:
        return "There is nothing to look at yet."
    rows = _rows(answer, vectors, 7, 5)
    unit = nn.functional.normalize(vectors, dim=1)
    order = [row for row in (unit @ unit[7]).argsort(descending=True).tolist() if row != 7]
    if rows == order[:5]:
        return True
    if rows == order[::-1][:5] or rows == order[-5:]:
        return "These are the most different ones: sort the other way round."
    stretched = vectors.clone()
    stretched[rows[0]] *= 0.01
    if _rows(answer, stretched, 7, 5) != rows:
        return (
            "Making a vector shorter, without turning it, changed who is similar: that is a dot product or a distance. Divide each "
            "vector by its length first."
        )
    return f"For row 7 of the test vectors {order[:5]} were expected, and it gave {rows}."


BEGIN = "def similar(vectors, row, count):\n    unit = torch.nn.functional.normalize(vectors, dim=1)\n"
END = "    alike[row] = -1e9\n    return alike.topk(count).indices"

SIMILAR = Task(
    name="02-similar",
    ask="Make a search by picture. Write similar(vectors, row, count): the rows of the count vectors whose direction is nearest to "
    "that of vectors[row] (cosine similarity), the nearest first, without row itself.",
    stub="def similar(vectors, row, count):\n    ...",
    answer="similar",
    checks=(
        ("it gives as many rows as asked for, and never the row itself", _right_number),
        ("they are the ones of the highest cosine similarity, the nearest first", _by_direction),
    ),
    solution=f"{BEGIN}    alike = unit @ unit[row]\n{END}",
    wrong=(
        (f"{BEGIN}    return (unit @ unit[row]).topk(count).indices", "found itself"),
        (f"{BEGIN}    alike = vectors @ vectors[row]\n{END}", "Divide each vector by its length"),
        (f"{BEGIN}    return (unit @ unit[row]).argsort()[:count]", "sort the other way round"),
    ),
    given=lambda: {"torch": torch},
    hints=("The cosine of two vectors is the dot product of the two, each divided by its length.",),
)

TASKS = (FROZEN_BODY, DECIDE, SIMILAR)
