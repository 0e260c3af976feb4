"""Exercises of lesson 04: pictures that stand in two splits, where more labels help most, an honest choice.

    cl.check("04-twins", twins)

Checks work on toy pictures, and on counters in place of networks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import torch

from ..errors import CourseError
from ..evaluation import Evaluation
from ..images import ImageSet
from . import Task

Twins = Callable[[ImageSet], Iterable[tuple[int, int]]]
Judged = tuple[dict[str, Any], Evaluation]


def _set(copies: dict[int, int] | None = None) -> ImageSet:
    """12 small pictures, 6 to train and 3 each for val and test; `copies` gives some rows the pixels of another."""
    pixels = torch.randint(0, 256, (12, 3, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    for row, of in (copies or {}).items():
        pixels[row] = pixels[of]
    rows = torch.arange(12)
    splits = {"train": rows[:6], "val": rows[6:9], "test": rows[9:]}
    return ImageSet("toy", pixels, rows % 2, ("a", "b"), splits)


def _pairs(twins: Twins, images: ImageSet) -> set[frozenset[int]]:
    return {frozenset(map(int, pair)) for pair in twins(images)}


def _found(twins: Twins) -> bool | str:
    for row, of in ((10, 2), (7, 0), (11, 8)):  # train and test, train and val, val and test
        pairs = _pairs(twins, _set({row: of}))
        if frozenset((row, of)) not in pairs:
            splits = [name for name, rows in _set().splits.items() if {row, of} & set(rows.tolist())]
            return f"Rows {of} and {row} ({' and '.join(splits)}) hold the same picture; twins gave {sorted(map(sorted, pairs))}."
    return True


def _within(twins: Twins) -> bool | str:
    pairs = _pairs(twins, _set({1: 0}))
    return not pairs or "Rows 0 and 1 are equal, but both are in train: that costs an image, and flatters no number."


def _mirror(twins: Twins) -> bool | str:
    images = _set()
    images.images[9] = images.images[3].flip(-1)
    return not _pairs(twins, images) or "Row 9 is row 3 mirrored: equal sums are not equal pictures."


TWINS = Task(
    "04-twins",
    "Write twins(images): the pairs of row numbers that hold exactly the same picture in two different splits.",
    stub='''def twins(images):
    """Pairs of rows with equal pictures in different splits of an ImageSet."""
    pairs = []
    ...         # images.splits: name -> row numbers; images.images[row]: the picture
    return pairs''',
    answer="twins",
    checks=(
        ("a picture that is in two splits is found, whichever two", _found),
        ("two equal pictures in one split are no pair", _within),
        ("pictures that only resemble each other are no pair", _mirror),
    ),
    solution="""def twins(images):
    seen, pairs = {}, []
    for split, rows in images.splits.items():
        for row in rows.tolist():
            picture = images.images[row].numpy().tobytes()
            pairs += [(other, row) for other, where in seen.get(picture, []) if where != split]
            seen.setdefault(picture, []).append((row, split))
    return pairs""",
    wrong=(
        (
            "def twins(images):\n    rows = range(len(images.images))\n"
            "    return [(a, b) for a in rows for b in rows if a < b and images.images[a].equal(images.images[b])]",
            "both are in train",
        ),
        (
            'def twins(images):\n    train, test = images.rows("train"), images.rows("test")\n'
            "    return [(a, b) for a in train for b in test if images.images[a].equal(images.images[b])]",
            "(train and val)",
        ),
        (
            "def twins(images):\n    split = {int(r): name for name, rows in images.splits.items() for r in rows}\n"
            "    sums = images.images.long().sum((1, 2, 3))\n"
            "    return [(a, b) for a in split for b in split if a < b and split[a] != split[b] and sums[a] == sums[b]]",
            "equal sums are not equal pictures",
        ),
    ),
    hints=("Go through images.splits.items() and remember which picture you have seen in which split.",),
)


def _right_of(result: Evaluation, name: str) -> float:
    """Per cent of a class's images that were named rightly."""
    return 100 * result.correct[result.labels == result.classes.index(name)].float().mean().item()


def _number(answer: Judged) -> bool | str:
    decision, result = answer
    true = _right_of(result, decision["class"])
    if abs(decision["right"] - true) < 0.5:
        return True
    called = result.correct[result.predictions == result.classes.index(decision["class"])].float()
    if abs(decision["right"] - 100 * called.mean().item()) < 0.5:
        return f"That is the share of what is called {decision['class']} (its column); asked is the share of its own images (its row)."
    if abs(100 * decision["right"] - true) < 0.5:
        return "`right` is asked in per cent: 100 times the share."
    return f"Of the {decision['class']} images {true:.1f} % are named rightly, not {decision['right']:.1f} %."


def _lowest(answer: Judged) -> bool | str:
    decision, result = answer
    shares = {name: _right_of(result, name) for name in result.classes}
    worst = min(shares, key=shares.__getitem__)
    if shares[decision["class"]] <= shares[worst] + 1e-6:
        return True
    return f"{worst} has fewer right than {decision['class']}: {shares[worst]:.1f} % against {shares[decision['class']]:.1f} %."


LABELS = Task(
    "04-labels",
    "You may label 100 more photos, all of one class. Decide which, by the share of its own test images that are named rightly.",
    stub="""decision = None     # {"class": name, "right": per cent of its test images that are named rightly}""",
    answer="decision and (decision, result)",
    checks=(
        ("`right` is the share of the class's own images, in per cent", _number),
        ("no other class has a lower one", _lowest),
    ),
    solution="""share = 100 * result.confusion.diag() / result.confusion.sum(1)      # rows are the truth
worst = int(share.argmin())
decision = {"class": result.classes[worst], "right": share[worst].item()}""",
    wrong=(
        (
            "share = 100 * result.confusion.diag() / result.confusion.sum(0)\nworst = int(share.argmin())\n"
            'decision = {"class": result.classes[worst], "right": share[worst].item()}',
            "(its column)",
        ),
        (
            "share = result.confusion.diag() / result.confusion.sum(1)\nworst = int(share.argmin())\n"
            'decision = {"class": result.classes[worst], "right": share[worst].item()}',
            "100 times the share",
        ),
    ),
    given=lambda: {"result": _result()},
    hints=("result.confusion counts: rows are the truth, columns are what the model said.",),
)


def _result() -> Evaluation:
    """A model's answers to 30 images of three classes: 9, 6 and 8 of 10 are right, and `c` is said too often."""
    said, truth = torch.tensor([0] * 9 + [2] + [1] * 6 + [2] * 4 + [2] * 8 + [0] * 2), torch.arange(30) // 10
    return Evaluation("test", torch.arange(30), truth, torch.eye(3)[said], ("a", "b", "c"))


def _watched(honest: Callable[..., Any]) -> SimpleNamespace:
    """Run `honest` on three candidates that look different on val and on test, and note what it asks for."""
    shares = {"val": {"low": 0.6, "high": 0.8, "lucky": 0.7}, "test": {"low": 0.5, "high": 0.72, "lucky": 0.9}}
    seen = SimpleNamespace(trained=[], asked=[], shares=shares)

    def train(candidate: str) -> SimpleNamespace:
        seen.trained.append(candidate)
        return SimpleNamespace(of=candidate)

    def accuracy(net: SimpleNamespace, split: str) -> float:
        seen.asked.append((net.of, split))
        return shares[split][net.of]

    seen.answer = honest(["low", "high", "lucky"], train, accuracy)
    if not isinstance(seen.answer, tuple) or len(seen.answer) != 2:
        raise CourseError(f"honest has to return two things, (candidate, accuracy); it returned {seen.answer!r}.")
    return seen


def _by_val(honest: Callable[..., Any]) -> bool | str:
    seen = _watched(honest)
    if seen.answer[0] == "high":
        return True
    lucky = " That one is best on test, which must not be chosen on." if seen.answer[0] == "lucky" else ""
    return f"The best on val is 'high'; honest chose {seen.answer[0]!r}.{lucky}"


def _on_test(honest: Callable[..., Any]) -> bool | str:
    seen = _watched(honest)
    chosen, reported = seen.answer
    if reported == seen.shares["test"][chosen]:
        return True
    of = " That is its accuracy on val." if reported == seen.shares["val"][chosen] else ""
    return f"On test {chosen!r} has {seen.shares['test'][chosen]}; honest reports {reported}.{of}"


def _once(honest: Callable[..., Any]) -> bool | str:
    asked = [of for of, split in _watched(honest).asked if split == "test"]
    return len(asked) == 1 or f"Test was looked at {len(asked)} times; once is asked for, with the chosen one."


def _trained_once(honest: Callable[..., Any]) -> bool | str:
    trained = _watched(honest).trained
    if sorted(trained) == ["high", "low", "lucky"]:
        return True
    return f"Each candidate is trained once, and the network that was judged is the one to report; trained: {', '.join(trained)}."


HONEST = Task(
    "04-honest",
    "Write honest(candidates, train, accuracy): train each candidate, choose on val, and report the chosen one's accuracy on test.",
    stub='''def honest(candidates, train, accuracy):
    """(chosen candidate, its accuracy on test); train(candidate) gives a network, accuracy(net, split) a share."""
    ...''',
    answer="honest",
    checks=(
        ("the candidate that is best on val is chosen", _by_val),
        ("its accuracy on test is reported", _on_test),
        ("test is looked at once", _once),
        ("each candidate is trained once", _trained_once),
    ),
    solution="""def honest(candidates, train, accuracy):
    nets = {candidate: train(candidate) for candidate in candidates}
    chosen = max(nets, key=lambda candidate: accuracy(nets[candidate], "val"))
    return chosen, accuracy(nets[chosen], "test")""",
    wrong=(
        (
            'def honest(candidates, train, accuracy):\n    tests = {c: accuracy(train(c), "test") for c in candidates}\n'
            "    chosen = max(tests, key=tests.get)\n    return chosen, tests[chosen]",
            "must not be chosen on",
        ),
        (
            'def honest(candidates, train, accuracy):\n    vals = {c: accuracy(train(c), "val") for c in candidates}\n'
            "    chosen = max(vals, key=vals.get)\n    return chosen, vals[chosen]",
            "its accuracy on val",
        ),
        (
            'def honest(candidates, train, accuracy):\n    chosen = max(candidates, key=lambda c: accuracy(train(c), "val"))\n'
            '    return chosen, accuracy(train(chosen), "test")',
            "trained once",
        ),
    ),
    hints=("Keep the trained networks in a dict; max(..., key=...) finds the best.",),
)

TASKS = (TWINS, LABELS, HONEST)
