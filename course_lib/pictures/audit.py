"""A look at the data before any training: what is there, what is wrong with it, and what it can show.

    look = audit(images)
    look                     # counts, findings, and the files that gave no image, each with what to do
    look.plot()              # counts and sizes as a figure
    look.sheet()             # pictures of each class, those with a finding marked
    look.copies()            # near-duplicates side by side

Most of what makes a classifier fail on one's own photos can be seen here: copies of a test picture in train, two labels for
one picture, a class of three, a background or a file size that gives the class away.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch

from ..images import ImageSet
from ..intervals import wilson
from ..plots import Picture
from ..tables import Table
from .duplicates import near_duplicates
from .found import NOTHING_TO_DO
from .measures import Cue, Measures, cues, measure

DARK, BRIGHT = 25.0, 235.0  # mean grey level
BLANK = 4.0  # standard deviation of the grey levels
GREY = 2.0  # mean difference between the colour channels
LONG = 2.5  # longer side by shorter side: the square cut keeps less than 40 %
UNEVEN = 3.0  # largest class by smallest
NAMED = 3  # files named in a sentence
LISTED = 12  # rows of a table that are shown


@dataclass(frozen=True)
class Finding:
    """Something to know of a set: `must` where results would be wrong or missing, else to keep in mind."""

    text: str
    must: bool = False


@dataclass(frozen=True, eq=False)
class Audit:
    """What was seen of an image set.

    Attributes:
        images: the set.
        groups: int64 N, number of the group of near-duplicates, -1 for none.
        seen: brightness, contrast and colour of each picture.
        cues: what might give the classes away.
    """

    images: ImageSet
    groups: np.ndarray = field(repr=False)
    seen: Measures = field(repr=False)
    cues: tuple[Cue, ...]

    @cached_property
    def marks(self) -> dict[int, list[str]]:
        """Row -> words for what is special about it: `tiny`, `long`, `dark`, `bright`, `blank`, `copy 3`, `two labels`.

        What holds for half of the pictures or more marks none of them.
        """
        rows = {name: np.flatnonzero(where).tolist() for name, where in self._special().items()}
        found: dict[int, list[str]] = {}
        for name, these in rows.items():
            for row in these if name != "grey" and 2 * len(these) < len(self.images.images) else ():
                found.setdefault(row, []).append(name)
        mixed = {group for group, labels in self._labels_of_groups().items() if len(labels) > 1}
        for row in np.flatnonzero(self.groups >= 0).tolist():
            found.setdefault(row, []).append(f"copy {self.groups[row] + 1}")
            if self.groups[row] in mixed:
                found[row].append("two labels")
        return dict(sorted(found.items()))

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """All that is worth a sentence, what must be mended first."""
        found = [
            *(Finding(note, True) for note in self.images.notes),
            *self._copies(),
            *self._balance(),
            *self._test(),
            *self._cues(),
            *self._looks(),
        ]
        return tuple(sorted(found, key=lambda finding: not finding.must))

    @property
    def counts(self) -> Table:
        """Images of each class in each split."""
        splits = list(self.images.splits)
        columns = [list(self.images.counts(split).values()) for split in splits]
        rows = [(name, *each, sum(each)) for name, *each in zip(self.images.classes, *columns, strict=True)]
        return Table(("class", *splits, "all"), rows, repr(self.images).split("\n")[0])

    @property
    def problems(self) -> Table:
        """What gave no image: a row for each reason, with what to do, how many files, and the first of them."""
        counts: Counter[tuple[str, str]] = Counter()
        first: dict[tuple[str, str], str] = {}
        for problem in self.images.left_out:
            counts[problem.reason, problem.remedy] += problem.count
            first.setdefault((problem.reason, problem.remedy), problem.file)
        order = sorted(counts, key=lambda key: (key[1] == NOTHING_TO_DO, -counts[key]))
        rows = [(counts[key], key[0], key[1], first[key]) for key in order]
        return Table(("files", "what is wrong", "what to do", "for example"), rows, self._sum())

    def __repr__(self) -> str:
        parts = [repr(_cut(self.counts)), *(f"{'!' if each.must else '-'} {each.text}" for each in self.findings)]
        if self.images.files or self.images.left_out:
            parts.append(repr(_cut(self.problems)) if self.images.left_out else self._sum())
        return "\n".join(parts)

    def _repr_html_(self) -> str:
        lines = [
            (f"<strong>Mend:</strong> {html.escape(f.text)}" if f.must else html.escape(f.text)) for f in self.findings
        ]
        parts = [_cut(self.counts)._repr_html_(), "<ul>", *(f"<li>{line}</li>" for line in lines), "</ul>"]
        if self.images.left_out:
            parts.append(_cut(self.problems)._repr_html_())
        elif self.images.files:
            parts.append(f"<p>{html.escape(self._sum())}</p>")
        return "".join(parts)

    def plot(self) -> Picture:
        """Counts by class and split, and the sizes of the files (of drawn images: how bright they are)."""
        from .audit_picture import plot

        return plot(self)

    def sheet(self, per_class: int = 8) -> Picture:
        """Pictures of each class in a row, those with marks first; a mark is a word below the picture and a dashed frame."""
        from .audit_picture import sheet

        return sheet(self, per_class)

    def copies(self, groups: int = 6) -> Picture:
        """Near-duplicates side by side, with class and split, those with two labels first."""
        from .audit_picture import copies

        return copies(self, groups)

    def _special(self) -> dict[str, np.ndarray]:
        seen, size = self.seen, self.images.size
        blank = seen.contrast < BLANK
        found = {
            "blank": blank,
            "dark": (seen.brightness < DARK) & ~blank,
            "bright": (seen.brightness > BRIGHT) & ~blank,
            "grey": (seen.tint < GREY) & ~blank,
        }
        if "width" in self.images.factors:
            short, long = (
                f(self.images.factors["width"], self.images.factors["height"]) for f in (np.minimum, np.maximum)
            )
            found |= {"tiny": short < size, "long": long > LONG * short}
        return found

    def _labels_of_groups(self) -> dict[int, set[int]]:
        labels = self.images.labels.numpy()
        return {group: set(labels[self.groups == group].tolist()) for group in range(self.groups.max(initial=-1) + 1)}

    def _name(self, row: int) -> str:
        """What to call a picture: the end of its path, or its row."""
        return (
            "/".join(self.images.files[row].replace("\\", "/").split("/")[-2:]) if self.images.files else f"row {row}"
        )

    def _some(self, rows: list[int]) -> str:
        more = f" and {len(rows) - NAMED:,} more" if len(rows) > NAMED else ""
        return ", ".join(self._name(row) for row in rows[:NAMED]) + more

    def _copies(self) -> Iterator[Finding]:
        split_of = {row: split for split, rows in self.images.splits.items() for row in rows.tolist()}
        across, mixed, inside = [], [], []
        for group, labels in self._labels_of_groups().items():
            rows = np.flatnonzero(self.groups == group).tolist()
            splits = {split_of[row] for row in rows if row in split_of}
            if len(labels) > 1:
                mixed.append(rows)
            if len(splits) > 1:
                across.append(rows)
            else:
                inside.append(rows)
        if across:
            yield Finding(
                f"{_pictures(across)} in train, val or test have a copy in another split, for example {self._some(across[0])}: a "
                "network that has learned one by heart scores on the other. Remove one of each.", True,
            )  # fmt: skip
        if mixed:
            yield Finding(
                f"{_groups(mixed)} of copies with different classes, for example {self._some(mixed[0])}: "
                "probably a wrong label. Look at .copies(), and keep one of each.", True,
            )  # fmt: skip
        if inside:
            yield Finding(
                f"{_groups(inside)} of near-duplicates ({sum(map(len, inside)):,} pictures) within one split, for example "
                f"{self._some(inside[0])}: they count as one picture. No copy is in two splits."
                if not across else
                f"{_groups(inside)} more of near-duplicates ({sum(map(len, inside)):,} pictures) within one split."
            )  # fmt: skip

    def _balance(self) -> Iterator[Finding]:
        counts = torch.bincount(self.images.labels, minlength=len(self.images.classes)).tolist()
        most, fewest = max(counts), min(counts)
        if not fewest or most / fewest < UNEVEN:
            return
        large, small = (self.images.classes[counts.index(n)] for n in (most, fewest))
        share = most / sum(counts)
        yield Finding(
            f"Class {large} has {most / fewest:.1f} times as many pictures as {small} ({most:,} and {fewest:,}). Saying {large} each "
            f"time is right in {share:.0%}: compare with that and not with {1 / len(counts):.0%}, and look at each class's own "
            "accuracy (the confusion matrix). More pictures of the small classes help; so does Stage(class_weights=...)."
            if share < 1
            else ""
        )

    def _test(self) -> Iterator[Finding]:
        test = self.images.counts("test") if "test" in self.images.splits else {}
        total = sum(test.values())
        if not total:
            return
        low, high = wilson(0.8, total)
        yield Finding(
            f"{total:,} test picture{'s' if total > 1 else ''}: an accuracy of 80 % on them would have a 95 % interval of "
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

    def _cues(self) -> Iterator[Finding]:
        for cue in self.cues:
            if cue.tells:
                yield Finding(
                    f"{cue.name[0].upper()}{cue.name[1:]} alone tells the classes apart in {cue.share:.0%} ({cue.low:.0%} to {cue.high:.0%}; "
                    f"chance: {cue.chance:.0%}). A network may learn that instead of what is in the pictures: take pictures of all classes "
                    "with the same camera and in the same places.", cue.name.startswith("the file"),
                )  # fmt: skip

    def _looks(self) -> Iterator[Finding]:
        size, found = self.images.size, self._special()
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
            if rows and len(rows) == len(self.images.images):
                yield Finding(f"All pictures are {text}.")
            elif rows:
                verb = "picture is" if len(rows) == 1 else "pictures are"
                yield Finding(f"{len(rows):,} {verb} {text} ({self._some(rows)}).", name == "blank")
        if "width" in self.images.factors and len(self.images.images):
            width, height = self.images.factors["width"], self.images.factors["height"]
            order = np.argsort(width * height, kind="stable")
            ends = [f"{width[i]:,} x {height[i]:,}" for i in (order[0], order[len(order) // 2], order[-1])]
            yield Finding(f"Files are {ends[0]} px (smallest), {ends[1]} (median) and {ends[2]} (largest).")

    def _sum(self) -> str:
        """The files that were seen, as a sum that adds up."""
        images, lost = len(self.images.images), sum(problem.count for problem in self.images.left_out)
        named = "became an image" if images == 1 else "became images"
        return f"{images + lost:,} files were seen: {images:,} {named}, {lost:,} did not."


def audit(images: ImageSet) -> Audit:
    """Look at a set of pictures. Takes a second or two for 2,000; reads all pixels once, a part at a time."""
    groups = images.factors.get("duplicate")
    groups = near_duplicates(images.images) if groups is None else np.asarray(groups)
    seen = measure(images.images)
    return Audit(images, groups, seen, cues(images, seen, groups))


def _cut(table: Table) -> Table:
    """The first rows, and a line that says how many more there are."""
    if len(table.rows) <= LISTED:
        return table
    more = len(table.rows) - LISTED
    return Table(
        table.columns,
        table.rows[:LISTED],
        f"{table.caption} The first {LISTED} rows; {more:,} more are in the table itself.",
    )


def _groups(groups: list[list[int]]) -> str:
    return f"{len(groups):,} group{'' if len(groups) == 1 else 's'}"


def _pictures(groups: list[list[int]]) -> str:
    return f"{sum(map(len, groups)):,} pictures"
