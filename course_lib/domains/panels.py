"""Two panels side by side: a domain with its task each, what is measured of both, and the sets that a transfer takes.

source, target = Panel(Domain("source"), "breed"), Panel(Domain("target", seed=1), "pose")
found = measure(source, target, Looker())
found.statement.kind, found.test.p
images = source.images("source"), target.images("target", per_class=5)
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch

from ..errors import CourseError
from ..images import ImageSet
from ..sources.dogworld import breeds
from .animals import Domain
from .compare import Statement, compare
from .marginal import Looker, Sample, TwoSample, plane, tell_apart
from .tasks import SamePictures, counts, labels_of, same_pictures, task_classes

SOURCE_SHARES = {"train": 0.9, "val": 0.1}
LABELLED = 600  # pictures of each domain that both tasks are put to
SOURCE_IMAGES, TARGET_IMAGES = 1000, 600  # about; a breed has as many as any other


@dataclass(frozen=True)
class Panel:
    """A domain and the task that is asked of it."""

    domain: Domain
    task: str = "breed"

    def __post_init__(self) -> None:
        task_classes(self.task, self.domain.animals, self.domain.cats)
        if self.task == "species" and not self.domain.cats:
            raise CourseError(
                "The task 'species' (dog or cat) needs cats among the animals. Add cats, or ask another question."
            )

    @property
    def classes(self) -> tuple[str, ...]:
        """The label space."""
        return task_classes(self.task, self.domain.animals, self.domain.cats)

    @property
    def words(self) -> str:
        return f"{self.task} in {self.domain.words}"

    def per_breed(self, role: str, per_class: int) -> int:
        """Animals of each breed in the set of a role: about 1,000 images for a source, 600 or enough for a target."""
        kinds = len(breeds(self.domain.animals)) * (2 if self.domain.cats else 1)
        if role == "source":
            return max(3, SOURCE_IMAGES // kinds)
        # Half of a target's images are for training.
        return max(3, TARGET_IMAGES // kinds, 2 * per_class + 2)

    def images_in(self, role: str, per_class: int = 5) -> int:
        """How many images the set of a role has."""
        return self.per_breed(role, per_class) * len(breeds(self.domain.animals)) * (2 if self.domain.cats else 1)

    def drawing(self, role: str, per_class: int = 5) -> Generator[tuple[int, int], None, ImageSet]:
        """Draw the set of a role, `source` or `target`, in parts: yields (drawn, in all), returns the ImageSet."""
        shares = {"shares": SOURCE_SHARES} if role == "source" else {}
        return self.domain.drawing(self.task, self.per_breed(role, per_class), **shares)

    def images(self, role: str, per_class: int = 5) -> ImageSet:
        """The set of a role: what its line of `code` makes."""
        shares = {"shares": SOURCE_SHARES} if role == "source" else {}
        return self.domain.images(self.task, self.per_breed(role, per_class), **shares)

    def code(self, role: str, per_class: int = 5) -> str:
        """The line that makes the set of a role."""
        shares = f", shares={SOURCE_SHARES}" if role == "source" else ""
        return f"{role} = {self.domain.code}.images({self.task!r}, per_class={self.per_breed(role, per_class)}{shares})"

    def counts(self, role: str, per_class: int = 5) -> list[int]:
        """P(Y) of the set of a role: images of each class, over all splits; no pixel is drawn for it."""
        return counts(self.domain.table(self.per_breed(role, per_class))[0], self.task, self.classes)

    def label(self, table: dict[str, np.ndarray]) -> list[str | None]:
        """The names of the rows' labels under this task; None where its label space has none for them."""
        labels, known = labels_of(table, self.task, self.classes)
        return [self.classes[label] if ok else None for label, ok in zip(labels.tolist(), known.tolist(), strict=True)]


@dataclass(frozen=True)
class Measured:
    """What was measured of two panels.

    Attributes:
        a, b: samples of their pictures, drawn at random.
        test: whether the marginals were told apart. pictures: what both tasks say of the same pictures.
        statement: what differs, in words.
        points: both samples in the plane of their two main directions, float N,2 each; shown: share of variance there.
    """

    a: Sample
    b: Sample
    test: TwoSample
    pictures: SamePictures
    statement: Statement
    points: tuple[torch.Tensor, torch.Tensor]
    shown: float

    @property
    def alt(self) -> str:
        """The scatter in words."""
        return (
            f"Scatter of {len(self.points[0])} source pictures (circles) and {len(self.points[1])} target pictures (crosses) in the two "
            f"main directions of the net's features, which hold {self.shown:.0%} of their variance. In all directions the means lie "
            f"{self.test.apart:.2f} apart, in units of the spread of a picture around its own mean."
        )


def measure(source: Panel, target: Panel, looker: Looker) -> Measured:
    """Draw a sample of each panel at random, and compare."""
    a, b = looker.sample(source.domain), looker.sample(target.domain)
    test = tell_apart(a.views, b.views)
    tables = [panel.domain.draw_at_random(LABELLED)[0] for panel in (source, target)]  # labels need no pixels
    order = np.random.default_rng(0).permutation(2 * LABELLED)
    table = {name: np.concatenate([column, tables[1][name]])[order] for name, column in tables[0].items()}
    pictures = same_pictures(table, source.task, source.classes, target.task, target.classes)
    statement = compare(source.domain, target.domain, source.task, target.task, test, pictures)
    *points, shown = plane(a.features, b.features)
    return Measured(a, b, test, pictures, statement, tuple(points), shown)
