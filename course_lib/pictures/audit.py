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
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..images import ImageSet
from ..plots import Picture
from ..tables import Table
from .duplicates import near_duplicates
from .findings import Finding, found_in, special
from .found import NOTHING_TO_DO
from .measures import Cue, Measures, cues, measure

LISTED = 12  # rows of a table that are shown


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
        rows = {name: np.flatnonzero(where).tolist() for name, where in special(self).items()}
        found: dict[int, list[str]] = {}
        for name, these in rows.items():
            for row in these if name != "grey" and 2 * len(these) < len(self.images.images) else ():
                found.setdefault(row, []).append(name)
        mixed = {group for group, labels in self.labels_of_groups().items() if len(labels) > 1}
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
            *found_in(self),
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

    def labels_of_groups(self) -> dict[int, set[int]]:
        labels = self.images.labels.numpy()
        return {group: set(labels[self.groups == group].tolist()) for group in range(self.groups.max(initial=-1) + 1)}

    def name_of(self, row: int) -> str:
        """What to call a picture: the end of its path, or its row."""
        return (
            "/".join(self.images.files[row].replace("\\", "/").split("/")[-2:]) if self.images.files else f"row {row}"
        )

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
