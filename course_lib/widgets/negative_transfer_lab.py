"""NegativeTransferLab: when does transfer hurt? The gap to training from scratch, pair by pair, while it is measured.

    lab = NegativeTransferLab(dogs)
    lab                                       # in a notebook: the widget
    lab.train_here()                          # the same work in the cell, for a page without a kernel
    lab.table()                               # all gaps so far: live ones, and those that ship with the course
    lab.score_here()                          # scores that warn beforehand, of all sources, beside their gaps

The work is done by experiments/transfer_gap.py. Every run is kept, so a second look is instant.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import traitlets

from .. import plots
from ..errors import CourseError
from ..experiments.findings import At
from ..experiments.gap_records import recorded_gaps
from ..experiments.transfer_gap import (
    RANDOM,
    Case,
    Gap,
    GapStep,
    Recipe,
    sources,
    table,
    train_all,
    train_head,
    transfer_gap,
)
from ..images import ImageSet
from ..models import load
from ..ranking import Scores, score
from ..tables import Table
from .lab import Lab, front
from .negative_transfer_shown import View, code, draw, row, score_table, scored
from .run import Run

SPANS = ("this case", "all sources", "all numbers of images")
SIZES = (2, 5, 10, 20, 50, 100)  # images a class that a reader can choose, as far as there are so many
SETTINGS = ("source", "per_class", "how", "blocks", "seeds", "span")


class NegativeTransferLab(Lab):
    """Choose a source, a number of images and how much is transferred; see the gap to training from scratch.

    Arguments:
        images: whose train split is thinned; test is reported on.
        model: architecture, as for `load`.
        choices: the sources that can be chosen; None for all that ship for the model, and `random`.
        recipe: images a class -> stages of runs in which all blocks train, from scratch and transferred.
        head: images a class -> the stage of a head on a frozen body.
        settings: any of the attributes below.

    Attributes:
        source, per_class, how, blocks: as for `Case`; blocks counts only with `tuned`, 0 is the whole body.
        seeds: pairs, 2 to 50. span: what Train measures, one of `SPANS`.
        gaps: what was measured here, by case. recorded: what ships with the course.
        scores: what training images alone say of a source, by source and images a class (ranking/scores.py).

    Raises `CourseError` for what is out of range.
    """

    _esm, _css = front("negative_transfer_lab")
    commands = ("train", "stop", "reset", "score")

    source = traitlets.Unicode().tag(sync=True)
    per_class = traitlets.Int(10).tag(sync=True)
    how = traitlets.Unicode("frozen").tag(sync=True)
    blocks = traitlets.Int(0).tag(sync=True)
    seeds = traitlets.Int(10).tag(sync=True)
    span = traitlets.Unicode(SPANS[0]).tag(sync=True)

    def __init__(
        self,
        images: ImageSet,
        model: str = "pawnet",
        choices: Sequence[str] | None = None,
        *,
        recipe: Recipe = train_all,
        head: Recipe = train_head,
        **settings: Any,
    ) -> None:
        self.images, self.model, self.recipe, self.head = images, model, recipe, head
        self.choices = sources(model) if choices is None else list(choices)
        self.most = min(images.counts("train").values())
        self.names = [block.name for block in load(model, images.classes).blocks]
        self.gaps: dict[Case, Gap] = {}
        self.recorded: dict[Case, Gap] = {}
        self.scores: dict[tuple[str, int], Scores] = {}
        self.run: Run | None = None
        self._asked: tuple[tuple[Case, ...], int] = ((), 0)  # cases and seeds of the run
        for name in settings:
            if name not in SETTINGS:
                raise CourseError(f"NegativeTransferLab has no setting {name!r}; it has {', '.join(SETTINGS)}.")
        first = "shuffled" if "shuffled" in self.choices else self.choices[0]
        super().__init__(**{"source": first, "per_class": min(10, self.most)} | settings)
        self.observe(lambda _: self.worker.ask(self._show), SETTINGS)
        self.worker.ask(self._open)

    @property
    def case(self) -> Case:
        """What is chosen."""
        return self._case(self.source, self.per_class)

    @property
    def cases(self) -> list[Case]:
        """What Train measures."""
        if self.span == SPANS[1]:
            chosen = [(source, self.per_class) for source in self.choices if source != RANDOM or self.how == "frozen"]
        elif self.span == SPANS[2]:
            chosen = [(self.source, n) for n in self.sizes]
        else:
            chosen = [(self.source, self.per_class)]
        return [self._case(source, n) for source, n in chosen]

    @property
    def sizes(self) -> list[int]:
        """Numbers of images a class that can be chosen."""
        return sorted({*(n for n in SIZES if n <= self.most), self.per_class})

    @property
    def code(self) -> str:
        """The lines that measure what is chosen; a reader has `images`."""
        return code(self.model, self.cases, self.seeds, self.per_class, self.recipe, self.head)

    def train(self) -> None:
        """Measure what is chosen in the background; go on if the same was stopped."""
        self.worker.train(self._going())

    def train_here(self) -> list[Gap]:
        """The same in the cell; the gaps of what was asked for."""
        run = self._going()
        self.worker.here(run)
        return [self.gaps[case] for case in self._asked[0] if case in self.gaps]

    def stop(self) -> None:
        """Stop after the step that it is in; finished pairs are kept."""
        self.worker.stop()

    def reset(self) -> None:
        """Forget what was measured here; what ships with the course, and what is kept on the disk, stays."""
        self.run = None
        self.worker.ask(self._open)

    def score(self) -> None:
        """Work out the scores of all sources on the chosen number of images, in the background; nothing is trained."""
        self.worker.train(self._scoring())

    def score_here(self) -> Table:
        """The same in the cell; scores beside the gaps of a frozen body."""
        self.worker.here(self._scoring())
        return score_table(scored(self.scores, self.known))

    def table(self) -> Table:
        """All gaps so far, one row each."""
        return table([*self.gaps.values(), *self.recorded.values()])

    @property
    def known(self) -> dict[Case, Gap]:
        """What is known of each case: measured here, else recorded."""
        return self.recorded | self.gaps

    def sentence(self) -> str:
        """What is chosen, and what is known of it."""
        return self.known[self.case].text if self.case in self.known else f"{self.case.text}: not measured yet"

    def picture(self) -> plots.Picture:
        """Gaps over sources and over images a class, with their intervals."""
        return draw(self._views(), self.known, self.sentence())

    def _case(self, source: str, per_class: int) -> Case:
        tuned = self.how == "tuned"
        return Case(source, per_class, self.how, (self.blocks or None) if tuned else None)

    def _views(self) -> list[View]:
        """What the chart shows: over sources and over numbers of images, with the other settings as they are chosen."""
        how = "frozen body" if self.how == "frozen" else "all trained"
        over = [(s, self._case(s, self.per_class)) for s in self.choices if s != RANDOM or self.how == "frozen"]
        sizes = sorted({*self.sizes, *(case.per_class for case in self.known)})
        return [
            (f"{self.per_class} images per class, {how}", over),
            (f"{self.source}, {how}", [(str(n), self._case(self.source, n)) for n in sizes]),
        ]

    def _going(self) -> Run:
        """The run that is asked for: the stopped one if it is the same, else a new one."""
        asked = (tuple(self.cases), self.seeds)
        if self.worker.busy:
            raise CourseError("A measurement is going on; stop it before you start another one.")
        if self.run is None or self.run.state in ("done", "failed") or asked != self._asked:
            cases, seeds = asked
            work = transfer_gap(self.images, self.model, cases, seeds=seeds, recipe=self.recipe, head=self.head)
            if self.run is not None:
                self.run.close()
            self._asked, self.run = asked, Run(lambda: work, self._publish)
        return self.run

    def _scoring(self) -> Run:
        if self.worker.busy:
            raise CourseError("A measurement is going on; stop it before the sources are scored.")
        if self.per_class < 2:
            raise CourseError(
                "per_class=1 leaves no second image to compare with; scores need 2 or more of each class."
            )
        n = self.per_class

        def work() -> Iterator[At]:
            for done, source in enumerate(self.choices):
                if (source, n) not in self.scores:
                    yield At(done / len(self.choices), f"scores of {source}, {n} images per class")
                    # With the head of its source, which LEEP and NCE ask; a random network has none.
                    net = load(self.model, self.images.classes if source == RANDOM else None, _weights(source))
                    self.scores[source, n] = score(net, self.images, n)
            yield At(1.0, f"{len(self.choices)} sources scored on {n} images per class; nothing was trained")

        return Run(work, self._publish_scores)

    def _publish_scores(self, items: list[At], state: str) -> None:
        words = {"stopped": "stopped: ", "done": "done: ", "failed": "failed: "}
        last = items[-1] if items else At(0.0, "starting")
        self.live.show(state=state, status=words.get(state, "") + last.text, progress=last.progress)
        self._show()

    def _publish(self, items: list[GapStep], state: str) -> None:
        if items:
            self.gaps |= {gap.case: gap for gap in items[-1].gaps}
        words = {"stopped": "stopped; finished pairs are kept. ", "done": "done: ", "failed": "failed: "}
        said, (cases, seeds) = items[-1].text if items else "starting", self._asked
        if state == "done" and len(cases) > 1:
            said = f"{len(cases)} cases, {seeds} seeds each"
        self.live.show(state=state, status=words.get(state, "") + said, progress=items[-1].progress if items else 0.0)
        self._show()

    def _open(self) -> None:
        """The start: nothing but what ships with the course."""
        shipped = recorded_gaps(self.images, self.model, recipe=self.recipe, head=self.head)
        self.scores = {}
        self.gaps, self.recorded = {}, {gap.case: gap for gap in shipped if gap.case.source in self.choices}
        known = f"; {len(self.recorded)} results ship with the course" if self.recorded else ""
        self.live.show(state="ready", status=f"ready{known}", progress=0.0)
        self._show()

    def _show(self) -> None:
        try:
            lines, sentence = self.code, self.sentence()
        except CourseError as error:  # two settings that do not go together for the moment
            self.live.show(error=str(error))
            return
        rows = [row(gap, past=False) for gap in self.gaps.values()]
        rows += [row(gap, past=case in self.gaps) for case, gap in self.recorded.items()]
        about = {"choices": self.choices, "sizes": self.sizes, "names": self.names, "spans": list(SPANS)}
        self.live.show(rows=rows, scored=scored(self.scores, self.known), code=lines, sentence=sentence, **about)

    @traitlets.validate(*SETTINGS)
    def _check(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        if name == "source" and value not in self.choices:
            raise CourseError(f"source={value!r} is not one of this lab's: {', '.join(self.choices)}.")
        if name == "per_class":
            if not 1 <= value <= self.most:
                raise CourseError(
                    f"per_class={value} is out of range; {self.images.name} has 1 to {self.most} of each class."
                )
        if name == "blocks" and not 0 <= value < len(self.names):
            raise CourseError(
                f"blocks={value} is out of range; {self.model} can give 1 to {len(self.names) - 1}, 0 is the whole body."
            )
        if name == "blocks" and value == len(self.names) - 1:
            return 0
        if name == "seeds" and not 2 <= value <= 50:
            raise CourseError(f"seeds={value} is out of range; an interval needs 2 or more pairs, and 50 are plenty.")
        if name == "span" and value not in SPANS:
            raise CourseError(f"span={value!r} is not known; choose one of {', '.join(SPANS)}.")
        if name in ("how", "source"):
            own = {"how": self.how, "source": self.source or self.choices[0], name: value}
            Case(own["source"], 1, own["how"])
        return value


def _weights(source: str) -> str | None:
    """What `load` takes for a source."""
    return None if source == RANDOM else source
