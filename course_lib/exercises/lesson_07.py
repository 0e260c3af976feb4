"""Exercises of lesson 07: whole scenes into test, a threshold for "none of these", what a network looks at.

    cl.check("07-scenes", whole_scenes)

Checks work on toy folders, on a few certainties, and on scores that look at one known place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ..errors import CourseError
from . import Task

Draw = Callable[[Sequence[int], int], Sequence[bool]]
Judged = tuple[dict[str, float], torch.Tensor, torch.Tensor]
Falls = Callable[[Callable[[torch.Tensor], float], torch.Tensor, int], Any]

FOLDER = [scene for scene in range(60) for _ in range(1 + scene % 4)]  # 150 pictures of 60 scenes, bursts of 1 to 4


def _drawn(draw: Draw, seed: int) -> list[bool]:
    said = [bool(each) for each in draw(list(FOLDER), seed)]
    if len(said) != len(FOLDER):
        raise CourseError(
            f"One answer for each picture is needed: {len(FOLDER)} pictures were given, {len(said)} answers came."
        )
    return said


def _whole(draw: Draw) -> bool | str:
    said = _drawn(draw, 0)
    torn = [scene for scene in set(FOLDER) if len({t for s, t in zip(FOLDER, said, strict=True) if s == scene}) > 1]
    return not torn or f"{len(torn)} of {len(set(FOLDER))} scenes stand on both sides, scene {min(torn)} for one."


def _a_fifth(draw: Draw) -> bool | str:
    for seed in range(5):
        share = sum(_drawn(draw, seed)) / len(FOLDER)
        if not 0.08 <= share <= 0.35:
            return f"With seed={seed}, {share:.0%} of the pictures go into test; about a fifth was asked for."
    return True


def _by_chance(draw: Draw) -> bool | str:
    if _drawn(draw, 3) != _drawn(draw, 3):
        return "The same seed gave two different draws: nobody could repeat the result."
    return _drawn(draw, 3) != _drawn(draw, 4) or "Seeds 3 and 4 gave the same draw, so chance has no part in it."


SCENES = Task(
    "07-scenes",
    "Write whole_scenes(scene, seed): which pictures go into test. About a fifth, drawn by seed, and no scene on both sides.",
    stub='''def whole_scenes(scene, seed):
    """A bool for each picture, True: it goes into test. scene: the number of the scene that each picture shows."""
    ...''',
    answer="whole_scenes",
    checks=(
        ("no scene stands on both sides", _whole),
        ("about a fifth of the pictures goes into test", _a_fifth),
        ("the seed decides, and nothing else", _by_chance),
    ),
    solution="""def whole_scenes(scene, seed):
    numbers = torch.tensor(sorted(set(scene)))
    order = torch.randperm(len(numbers), generator=torch.Generator().manual_seed(seed))
    test = set(numbers[order[: len(numbers) // 5]].tolist())
    return [number in test for number in scene]""",
    wrong=(
        (
            "def whole_scenes(scene, seed):\n    dice = torch.Generator().manual_seed(seed)\n"
            "    return (torch.rand(len(scene), generator=dice) < 0.2).tolist()",
            "stand on both sides",
        ),
        (
            "def whole_scenes(scene, seed):\n    last = sorted(set(scene))[-len(set(scene)) // 5 :]\n"
            "    return [number in last for number in scene]",
            "chance has no part",
        ),
        (
            "def whole_scenes(scene, seed):\n    dice = torch.Generator().manual_seed(seed)\n"
            "    test = torch.randperm(60, generator=dice)[:5].tolist()\n    return [number in test for number in scene]",
            "about a fifth was asked for",
        ),
    ),
    given=lambda: {"torch": torch},
    hints=("Draw among the different numbers in `scene`, then look up each picture's number.",),
)


def _refused(sure: torch.Tensor, threshold: float) -> float:
    """Per cent of the answers that are less certain than the threshold."""
    return 100 * (sure < threshold).float().mean().item()


def _own(answer: Judged) -> bool | str:
    decision, own, _ = answer
    return _share("own", decision["own"], _refused(own, decision["threshold"]))


def _others(answer: Judged) -> bool | str:
    decision, _, others = answer
    return _share("others", decision["others"], _refused(others, decision["threshold"]))


def _share(name: str, said: float, true: float) -> bool | str:
    if abs(said - true) < 0.5:
        return True
    if abs(100 - said - true) < 0.5:
        return f"`{name}` is the share that is refused; {said:.1f} % is the share that is let through."
    if abs(100 * said - true) < 0.5:
        return f"`{name}` is asked in per cent: 100 times the share."
    return f"This threshold refuses {true:.1f} % of `{name}`, not {said:.1f} %."


def _one_in_ten(answer: Judged) -> bool | str:
    decision, own, _ = answer
    refused = _refused(own, decision["threshold"])
    return refused <= 10.001 or f"{refused:.1f} % of your own pictures would be refused; at most one in ten is allowed."


def _no_higher(answer: Judged) -> bool | str:
    decision, own, others = answer
    best = own.sort().values[int(0.1 * len(own) + 1e-9)].item()
    if _refused(others, decision["threshold"]) >= _refused(others, best):
        return True
    return f"A threshold of {best:.3f} keeps nine of ten of your own as well, and refuses more of the others."


REFUSE = Task(
    "07-refuse",
    'Decide from which certainty on the model may answer; below it says "none of these". Refuse as many of the other '
    "pictures as you can, and at most one in ten of your own.",
    stub="""decision = None     # {"threshold": 0 to 1, "own": per cent of own that is refused, "others": per cent of others}""",
    answer="decision and (decision, own, others)",
    checks=(
        ("`own` is the share of your pictures that it refuses, in per cent", _own),
        ("`others` is the share of the other pictures that it refuses, in per cent", _others),
        ("at most one in ten of your own is refused", _one_in_ten),
        ("no higher threshold would do as well", _no_higher),
    ),
    solution="""threshold = own.sort().values[int(0.1 * len(own))].item()      # one tenth of your own lie below
refused = [100 * (sure < threshold).float().mean().item() for sure in (own, others)]
decision = {"threshold": threshold, "own": refused[0], "others": refused[1]}""",
    wrong=(
        (
            "threshold = own.sort().values[int(0.1 * len(own))].item()\n"
            "kept = [100 * (sure >= threshold).float().mean().item() for sure in (own, others)]\n"
            'decision = {"threshold": threshold, "own": kept[0], "others": kept[1]}',
            "share that is let through",
        ),
        (
            "refused = [100 * (sure < 0.9).float().mean().item() for sure in (own, others)]\n"
            'decision = {"threshold": 0.9, "own": refused[0], "others": refused[1]}',
            "of your own pictures would be refused",
        ),
        (
            "refused = [100 * (sure < 0.45).float().mean().item() for sure in (own, others)]\n"
            'decision = {"threshold": 0.45, "own": refused[0], "others": refused[1]}',
            "refuses more of the others",
        ),
    ),
    given=lambda: {"own": torch.linspace(0.5, 1.0, 40), "others": torch.linspace(0.35, 0.85, 50)},
    hints=("Sort `own`: which value has one tenth of them below it?",),
)


def _toy() -> torch.Tensor:
    """A picture that is wider than high, bright all over: uint8 3,24,32."""
    return torch.randint(180, 256, (3, 24, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def _map(falls: Falls, row: int = 1, column: int = 3) -> torch.Tensor:
    """What `falls` finds for a score that looks at one patch of 8 by 8 pixels."""

    def score(picture: torch.Tensor) -> float:
        return picture[:, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8].float().mean().item() / 255

    found = torch.as_tensor(falls(score, _toy(), 8), dtype=torch.float32)
    if found.shape != (3, 4):
        raise CourseError(
            f"A picture 24 high and 32 wide has 3 rows and 4 columns of patches of 8 pixels; falls gave {tuple(found.shape)}."
        )
    return found


def _finds(falls: Falls) -> bool | str:
    for row, column in ((1, 3), (2, 0)):
        found = _map(falls, row, column)
        place = divmod(int(found.argmax()), 4)
        if place != (row, column):
            lowest = divmod(int(found.argmin()), 4)
            more = (
                " That place has the lowest number: give the fall, not what is left." if lowest == (row, column) else ""
            )
            return f"The score looks at row {row}, column {column}; the largest fall was found at {place}.{more}"
    return True


def _nothing_else(falls: Falls) -> bool | str:
    found = _map(falls)
    found[1, 3] = 0
    worst = divmod(int(found.abs().argmax()), 4)
    if found.abs().max() < 1e-4:
        return True
    return (
        f"At {worst} nothing changes for the score, and a fall of {found[worst]:.2f} was found. "
        "Is each place covered alone, on a fresh copy of the picture?"
    )


def _unharmed(falls: Falls) -> bool | str:
    picture, before = _toy(), _toy()
    falls(lambda p: float(p.float().mean()), picture, 8)
    return torch.equal(picture, before) or "The reader's own picture was painted over; work on picture.clone()."


COVER = Task(
    "07-cover",
    "Write falls(score, picture, patch): cover one place after the other in grey (128), and give how much the score falls.",
    stub='''def falls(score, picture, patch):
    """Falls of score(picture), rows x columns of patches of `patch` pixels; picture: uint8 3,H,W."""
    ...''',
    answer="falls",
    checks=(
        ("the place that the score looks at is found", _finds),
        ("all other places have no fall", _nothing_else),
        ("the picture is as it was before", _unharmed),
    ),
    solution="""def falls(score, picture, patch):
    rows, columns = picture.shape[1] // patch, picture.shape[2] // patch
    found = torch.zeros(rows, columns)
    for row in range(rows):
        for column in range(columns):
            covered = picture.clone()
            covered[:, row * patch : (row + 1) * patch, column * patch : (column + 1) * patch] = 128
            found[row, column] = score(picture) - score(covered)
    return found""",
    wrong=(
        (
            "def falls(score, picture, patch):\n    rows, columns = picture.shape[1] // patch, picture.shape[2] // patch\n"
            "    found, whole = torch.zeros(rows, columns), score(picture)\n"
            "    for r in range(rows):\n        for c in range(columns):\n"
            "            picture[:, r * patch : r * patch + patch, c * patch : c * patch + patch] = 128\n"
            "            found[r, c] = whole - score(picture)\n    return found",
            "was painted over",
        ),
        (
            "def falls(score, picture, patch):\n    rows, columns = picture.shape[1] // patch, picture.shape[2] // patch\n"
            "    found = torch.zeros(rows, columns)\n    for r in range(rows):\n        for c in range(columns):\n"
            "            covered = picture.clone()\n"
            "            covered[:, r * patch : r * patch + patch, c * patch : c * patch + patch] = 128\n"
            "            found[r, c] = score(covered)\n    return found",
            "give the fall, not what is left",
        ),
        (
            "def falls(score, picture, patch):\n    rows, columns = picture.shape[1] // patch, picture.shape[2] // patch\n"
            "    found = torch.zeros(rows, columns)\n    for r in range(rows):\n        covered = picture.clone()\n"
            "        covered[:, r * patch : r * patch + patch] = 128\n"
            "        found[r] = score(picture) - score(covered)\n    return found",
            "nothing changes for the score",
        ),
    ),
    given=lambda: {"torch": torch},
    hints=("Two loops, over rows and columns of patches; in the inner one covered = picture.clone().",),
)

TASKS = (SCENES, REFUSE, COVER)
