"""What is worth a sentence in the look at the data (audit.py): copies, balance, what the test can say, cues, odd pictures.

for finding in found_in(look):
    print(finding.must, finding.text)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..intervals import wilson

if TYPE_CHECKING:
    from .audit import Audit

DARK, BRIGHT = 25.0, 235.0  # mean grey level
BLANK = 4.0  # standard deviation of the grey levels
GREY = 2.0  # mean difference between the colour channels
LONG = 2.5  # longer side by shorter side: the square cut keeps less than 40 %
UNEVEN = 3.0  # largest class by smallest
NAMED = 3  # files named in a sentence


@dataclass(frozen=True)
class Finding:
    """Something to know of a set: `must` where results would be wrong or missing, else to keep in mind."""

    text: str
    must: bool = False


def found_in(look: Audit) -> Iterator[Finding]:
    """All findings of a set but for the notes that it came with."""
    for ask in (_copies, _balance, _test, _cues, _looks):
        yield from ask(look)


def special(look: Audit) -> dict[str, np.ndarray]:
    """Where each word holds: name -> bool N."""
    seen, size = look.seen, look.images.size
    blank = seen.contrast < BLANK
    found = {
        "blank": blank,
        "dark": (seen.brightness < DARK) & ~blank,
        "bright": (seen.brightness > BRIGHT) & ~blank,
        "grey": (seen.tint < GREY) & ~blank,
    }
    if "width" in look.images.factors:
        short, long = (f(look.images.factors["width"], look.images.factors["height"]) for f in (np.minimum, np.maximum))
        found |= {"tiny": short < size, "long": long > LONG * short}
    return found


def _copies(look: Audit) -> Iterator[Finding]:
    split_of = {row: split for split, rows in look.images.splits.items() for row in rows.tolist()}
    across, mixed, inside = [], [], []
    for group, labels in look.labels_of_groups().items():
        rows = np.flatnonzero(look.groups == group).tolist()
        splits = {split_of[row] for row in rows if row in split_of}
        if len(labels) > 1:
            mixed.append(rows)
        if len(splits) > 1:
            across.append(rows)
        else:
            inside.append(rows)
    if across:
        yield Finding(
            f"{_pictures(across)} in train, val or test have a copy in another split, for example {_some(look, across[0])}: a "
            "network that has learned one by heart scores on the other. Remove one of each.", True,
        )  # fmt: skip
    if mixed:
        yield Finding(
            f"{_groups(mixed)} of copies with different classes, for example {_some(look, mixed[0])}: "
            "probably a wrong label. Look at .copies(), and keep one of each.", True,
        )  # fmt: skip
    if inside:
        yield Finding(
            f"{_groups(inside)} of near-duplicates ({sum(map(len, inside)):,} pictures) within one split, for example "
            f"{_some(look, inside[0])}: they count as one picture. No copy is in two splits."
            if not across else
            f"{_groups(inside)} more of near-duplicates ({sum(map(len, inside)):,} pictures) within one split."
        )  # fmt: skip


def _balance(look: Audit) -> Iterator[Finding]:
    counts = torch.bincount(look.images.labels, minlength=len(look.images.classes)).tolist()
    most, fewest = max(counts), min(counts)
    if not fewest or most / fewest < UNEVEN:
        return
    large, small = (look.images.classes[counts.index(n)] for n in (most, fewest))
    share = most / sum(counts)
    yield Finding(
        f"Class {large} has {most / fewest:.1f} times as many pictures as {small} ({most:,} and {fewest:,}). Saying {large} each "
        f"time is right in {share:.0%}: compare with that and not with {1 / len(counts):.0%}, and look at each class's own "
        "accuracy (the confusion matrix). More pictures of the small classes help; so does Stage(class_weights='balanced')."
    )


def _test(look: Audit) -> Iterator[Finding]:
    test = look.images.counts("test") if "test" in look.images.splits else {}
    total = sum(test.values())
    if not total:
        return
    low, high = wilson(0.8, total)
    yield Finding(
        f"{total:,} test picture{'s' if total > 1 else ''}: an accuracy of 80% on them would have a 95% interval of "
        f"{low:.0%} to {high:.0%} (Wilson).", total < 10,
    )  # fmt: skip
    few = {name: count for name, count in test.items() if 0 < count < 10}
    if few and len(test) > 1:
        name, count = min(few.items(), key=lambda item: item[1])
        low, high = wilson(1.0, count)
        yield Finding(
            f"{len(few)} of {len(test)} classes have fewer than 10 test pictures. Of {name} there {'are' if count > 1 else 'is'} {count}: "
            f"also with {'all' if count > 1 else 'this one'} right, its true accuracy may be anything from {low:.0%} to {high:.0%}."
        )


def _cues(look: Audit) -> Iterator[Finding]:
    for cue in look.cues:
        if cue.tells:
            yield Finding(
                f"From {cue.name} alone, {cue.share:.0%} of the pictures find their class ({cue.low:.0%} to {cue.high:.0%}; chance: "
                f"{cue.chance:.0%}). A network may learn that instead of what is in the pictures: take pictures of all classes "
                "with the same camera and in the same places.", cue.name.startswith("the file"),
            )  # fmt: skip


def _looks(look: Audit) -> Iterator[Finding]:
    size, found = look.images.size, special(look)
    says = {
        "tiny": f"smaller than the {size} px asked for, so they are scaled up and blurred: take larger files, or a smaller size",
        "long": f"more than {LONG:g} times as long as wide: the square cut from the centre shows less than half of them",
        "dark": "nearly black",
        "bright": "nearly white",
        "blank": "blank: one colour all over",
        "grey": "grey, without colour",
    }
    for name, text in says.items():
        rows = np.flatnonzero(found.get(name, np.zeros(0))).tolist()
        if rows and len(rows) == len(look.images.images):
            yield Finding(f"All pictures are {text}.")
        elif rows:
            verb = "picture is" if len(rows) == 1 else "pictures are"
            yield Finding(f"{len(rows):,} {verb} {text} ({_some(look, rows)}).", name == "blank")
    if "width" in look.images.factors and len(look.images.images):
        width, height = look.images.factors["width"], look.images.factors["height"]
        order = np.argsort(width * height, kind="stable")
        ends = [f"{width[i]:,} x {height[i]:,}" for i in (order[0], order[len(order) // 2], order[-1])]
        yield Finding(f"Files are {ends[0]} px (smallest), {ends[1]} (median) and {ends[2]} (largest).")


def _some(look: Audit, rows: list[int]) -> str:
    more = f" and {len(rows) - NAMED:,} more" if len(rows) > NAMED else ""
    return ", ".join(look.name_of(row) for row in rows[:NAMED]) + more


def _groups(groups: list[list[int]]) -> str:
    return f"{len(groups):,} group{'' if len(groups) == 1 else 's'}"


def _pictures(groups: list[list[int]]) -> str:
    return f"{sum(map(len, groups)):,} pictures"
