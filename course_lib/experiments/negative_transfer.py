"""Claim: negative transfer. The gap to training from scratch, by source and by images a class.

    found = claim("negative_transfer").recorded()
    found.words("shuffled, frozen, 10")     # accuracy with transfer minus accuracy from scratch, points, pair by pair
    found.words("shuffled, all, 10")        # the same source, but all blocks go on learning

The intervals here are over pairs of runs (seeds); the lab of lesson 05 adds what other test images would change, so its
intervals are a little wider. Whether more target data cures the harm is a claim of its own: it is told in the verdict,
and the first claim neither needs it nor hides it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any

from ..sources import load_images
from .claims import Claim
from .findings import At, Findings, Verdict, findings
from .gap import Case, Gap
from .gap_records import recorded_gaps
from .transfer_gap import transfer_gap

if TYPE_CHECKING:
    from ..images import ImageSet
    from ..plots import Picture

HARMFUL, NEAR = "shuffled", "animals"
FROZEN, ALL = "frozen", "all"
SOURCES = ("animals", "photos", "textures", "digits", "shuffled", "random")  # from near to far
FEW = (5, 10)  # images a class: "small n"
PLAN = {
    "small": [(Case(source, n), 3) for source in (NEAR, HARMFUL) for n in FEW],
    "full": [
        *((Case(source, n), 10) for source in SOURCES for n in (5, 10, 20, 50)),
        *((Case(source, 10, "tuned"), 10) for source in (NEAR, "photos", "digits", HARMFUL)),
        (Case(HARMFUL, 50, "tuned"), 10),
        (Case(HARMFUL, 100, "tuned"), 5),
    ],
}


def work(size: str, seeds: int | None) -> Generator[At, None, Findings]:
    """Gaps on the drawn dogs, of PawNet; at full size those that ship with the course are read, not measured again."""
    images = load_images("dogworld")
    known = recorded_gaps(images) if size == "full" and seeds is None else []
    return measure(images, size, [(case, seeds or number) for case, number in PLAN[size]], known)


def measure(
    images: ImageSet, size: str, plan: Iterable[tuple[Case, int]], known: Iterable[Gap] = (), **options: Any
) -> Generator[At, None, Findings]:
    """Gaps of the cases in a plan, (case, pairs of runs); `known` ones are taken, `options` go to `transfer_gap`."""
    plan = list(plan)
    wanted = dict(plan)
    gaps = {gap.case: gap for gap in known if gap.case in wanted and gap.seeds >= wanted[gap.case]}
    read = {gap.recorded for gap in gaps.values()}
    missing = [case for case in wanted if case not in gaps]
    # Case by case, from few pairs to many: one call has one number of pairs.
    for done, case in enumerate(missing):
        work = transfer_gap(images, "pawnet", [case], seeds=wanted[case], **options)
        while True:
            try:
                step = next(work)
            except StopIteration as end:
                gaps[case] = end.value[0]
                break
            yield At((done + step.progress) / len(missing), step.text)
    measured = {key(case): ("points", points(gaps[case])) for case in wanted}
    about = {"images": images.name, "model": "pawnet", "split": "test", "measured_now": [key(case) for case in missing]}
    return findings("negative_transfer", size, measured, **about, read_from_records_of=sorted(filter(None, read)))


def key(case: Case) -> str:
    """`shuffled, frozen, 10`."""
    return f"{case.source}, {FROZEN if case.how == 'frozen' else ALL}, {case.per_class}"


def points(gap: Gap) -> list[float]:
    """The gap of each pair, in percentage points."""
    return [100 * (a - b) for a, b in zip(gap.transferred, gap.scratch, strict=True)]


def judge(found: Findings) -> Verdict:
    """The harmful source below zero and the near one above it, with whole intervals, at every small n that was measured."""
    few = [n for n in sizes(found, HARMFUL, FROZEN) if n in FEW]
    hurts = bool(few) and all(found.interval(f"{HARMFUL}, {FROZEN}, {n}")[2] < 0 for n in few)
    helps = bool(few) and all(found.interval(f"{NEAR}, {FROZEN}, {n}")[1] > 0 for n in few)
    told = [f"{n} images a class: {HARMFUL} {found.words(f'{HARMFUL}, {FROZEN}, {n}')}, {NEAR} "
            f"{found.words(f'{NEAR}, {FROZEN}, {n}')}" for n in few]  # fmt: skip
    said = f"Gap to scratch of a frozen body, with {'; '.join(told) or 'no small number of images measured'}."
    return Verdict(hurts and helps, f"{said} {cured(found)}".strip())


def cured(found: Findings) -> str:
    """What the numbers say of the sentence 'more target data cures it', for each way of transferring the harmful source."""
    told = []
    for how, words in ((FROZEN, "a frozen body"), (ALL, "all blocks trained")):
        known = sizes(found, HARMFUL, how)
        if len(known) < 2:
            continue
        last = f"{HARMFUL}, {how}, {known[-1]}"
        _, low, high = found.interval(last)
        change = found.interval(f"{last} - {HARMFUL}, {how}, {known[0]}")
        trend = "grew" if change[2] < 0 else "shrank" if change[1] > 0 else "did not clearly change"
        now = "still hurts" if high < 0 else "helps" if low > 0 else "is no longer clear"
        told.append(
            f"with {words} the harm {trend} from {known[0]} to {known[-1]} images a class, where it {now}: "
            f"{found.words(last)}"
        )
    if not told:
        return ""
    shown = all("still hurts" not in each and "grew" not in each for each in told)
    return f"That more data cures it is {'shown' if shown else 'not shown'}; {'; '.join(told)}."


def sizes(found: Findings, source: str, how: str) -> list[int]:
    """The numbers of images a class that were measured for a source."""
    parts = [each.split(", ") for each in found.keys]
    return sorted(int(n) for where, way, n in parts if (where, way) == (source, how))


def plot(found: Findings) -> Picture:
    """The gap over images a class: frozen bodies with solid lines, all blocks trained with dashed ones."""
    from .. import plots

    colours = dict(
        zip(SOURCES, (plots.BLUE, plots.GREEN, plots.PURPLE, plots.GREY, plots.ORANGE, "black"), strict=True)
    )
    fig, axes = plots.figure(6.4, 5.2, 2, 1, sharex=True, height_ratios=(1, 2.2))
    every = sorted({int(each.split(", ")[2]) for each in found.keys})
    told = []
    for axis, near in ((axes[0][0], True), (axes[1][0], False)):
        ends = []
        for i, source in enumerate(SOURCES):
            for how, dash, face in ((FROZEN, "solid", colours[source]), (ALL, (0, (4, 2)), "white")):
                known = sizes(found, source, how)
                if (source == NEAR) != near or not known:
                    continue
                mean, low, high = zip(*(found.interval(f"{source}, {how}, {n}") for n in known), strict=True)
                spread = [
                    [m - a for m, a in zip(mean, low, strict=True)],
                    [b - m for m, b in zip(mean, high, strict=True)],
                ]
                at = [n * 1.025 ** (i - 2.5) * (1.05 if how == ALL else 1) for n in known]
                axis.errorbar(at, mean, spread, color=colours[source], linestyle=dash, marker="os^Dv*"[i],
                              markerfacecolor=face, capsize=2, elinewidth=1, linewidth=1.3, markersize=5)  # fmt: skip
                ends.append((mean[-1], f"{source}{'' if how == FROZEN else ', all blocks'}", colours[source], at[-1]))
                steps = ", ".join(f"{m:+.1f} with {n}" for m, n in zip(mean, known, strict=True))
                told.append(f"{source}, {'frozen' if how == FROZEN else 'all blocks trained'}: {steps}")
        axis.axhline(0, color="black", linewidth=1)
        low, high = axis.get_ylim()
        for y, (mean, name, colour, x) in zip(
            plots._apart([end[0] for end in ends], 0.075 * (high - low) * (2.2 if near else 1)), ends, strict=True
        ):
            axis.annotate(name, (x, mean), (1.02, y), textcoords=("axes fraction", "data"), color=colour, fontsize=8.5,
                          va="center", arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.4})  # fmt: skip
    axis.set_xscale("log")
    axis.set_xticks(every, [str(n) for n in every])
    axis.set_xticks([], minor=True)
    axis.set(xlabel="training images per class", ylabel="gap to scratch (points)")
    axes[0][0].set_title("above 0: transfer helps; solid: frozen body, dashed: all blocks trained; bars: 95 %",
                         fontsize=8.5, color=plots.GREY)  # fmt: skip
    return plots.Picture(fig, f"Accuracy with transfer minus accuracy from scratch, in points. {'; '.join(told)}.")


CLAIM = Claim(
    "negative_transfer",
    "With few images a far source makes the network worse than training from scratch, and a near source makes it better.",
    "Rosenstein et al. 2005; Wang et al. 2019",
    work,
    judge,
    plot,
)
