"""Claim: with few images freeze more, with more images unfreeze more. A map of accuracy, frozen blocks over images a class.

    found = watch(claim("frozen_depth").measure("small"))
    found.words("best, 5 - best, 50")          # frozen blocks, chosen on val, seed by seed

PawNet 'animals' learns the target breeds of dogworld. Each seed draws the training images and the first head; that head is
trained on the frozen body (which is the run with all but the head frozen), and from there the blocks above the cut are
trained with the lesson's augmentation, at one learning rate for all numbers of images. The budget is a rule, not a choice for
each cell: epochs = passes / sqrt(images a class), so more images cost more steps, and few images are passed over more often.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

import numpy as np

from ..evaluation import evaluate
from ..images import ImageSet
from ..plots import GREY, Picture, figure
from ..sources import load_images
from ..stacked.fit_heads import fit_heads, load_head
from ..stacked.headset import HeadRun, Heads
from ..training.recipes import feature_extraction
from ..training.stage import Stage
from ..training.train import fit
from .claims import Claim
from .dog_case import UPRIGHT
from .findings import At, Findings, Verdict, findings

LEAST = 5  # epochs
# Frozen blocks of PawNet's six: 5 is the body, so that the head alone trains; 0 trains all. 3 and 1 are left out for time.
PLANS = {
    "small": {"depths": (5, 2, 0), "per_class": (5, 50), "passes": 30, "seeds": 3},
    "full": {"depths": (5, 4, 2, 0), "per_class": (5, 20, 50, 100), "passes": 45, "seeds": 5},
}


def work(size: str, seeds: int | None) -> Generator[At, None, Findings]:
    """Measure at one of the sizes of `PLANS`."""
    plan = PLANS[size]
    yield At(0.0, "drawing dogs")
    dogs = load_images("dogworld")
    rest = (plan["depths"], plan["per_class"], plan["passes"], seeds or plan["seeds"])
    return (yield from fill_map(dogs, *rest, size))


def fill_map(
    images: ImageSet, depths: Sequence[int], per_class: Sequence[int], passes: float, seeds: int, size: str
) -> Generator[At, None, Findings]:
    """Train and measure every depth with every number of images and every seed.

    Arguments:
        depths: numbers of frozen blocks, falling; the first is the whole body.
        per_class: training images a class, rising.
        passes: epochs of fine-tuning with one image a class; with n there are passes / sqrt(n), at least `LEAST`.
    """
    cells = [(n, seed) for n in per_class for seed in range(seeds)]
    tests: dict[tuple[int, int], list[float]] = {(depth, n): [] for n in per_class for depth in depths}
    best: dict[int, list[float]] = {n: [] for n in per_class}
    heads = yield from train_heads(images, cells)
    looks = [heads.evaluations(split) for split in ("val", "test")]
    cost, done = [n * epochs(passes, n) for n, _ in cells], 0
    for number, (n, seed) in enumerate(cells):
        chosen = [(looks[0][number].accuracy, -looks[0][number].loss, depths[0])]
        tests[depths[0], n].append(100 * looks[1][number].accuracy)
        for depth in depths[1:]:
            label, share = f"{n} images a class, {depth} blocks frozen, seed {seed}", cost[number] / (len(depths) - 1)
            net, rounds = heads.network(number), epochs(passes, n)
            stage = Stage(frozen=depth, epochs=rounds, lr=2e-3, decay=0.9, augment=UPRIGHT, views=rounds)
            # Each augmented view is seen once, so there is nothing to gain by remembering it.
            for record in fit(net, images.subset(n, seed), stage, seed=seed, validate_every=0, cache=False):
                look = record.val
                yield At((done + share * record.progress) / sum(cost), label)
            chosen.append((look.accuracy, -look.loss, depth))
            tests[depth, n].append(100 * evaluate(net, images, "test", depth).accuracy)
            done += share
        best[n].append(max(chosen)[2])
    yield At(1.0, f"{len(cells) * len(depths)} runs")
    measured = {f"{depth} frozen, {n}": ("%", values) for (depth, n), values in tests.items()}
    measured |= {f"best, {n}": ("blocks", values) for n, values in best.items()}
    settings = {"depths": list(depths), "per_class": list(per_class), "epochs": [epochs(passes, n) for n in per_class]}
    return findings("frozen_depth", size, measured, **settings)


def epochs(passes: float, per_class: int) -> int:
    """Epochs of fine-tuning with this number of images a class."""
    return max(LEAST, round(passes / per_class**0.5))


def train_heads(images: ImageSet, cells: Sequence[tuple[int, int]]) -> Generator[At, None, Heads]:
    """Heads on the frozen body of PawNet 'animals', side by side: one for each (images a class, seed)."""
    from ..models import load

    stage, first = feature_extraction()[0], {}
    for seed in dict.fromkeys(seed for _, seed in cells):
        first[seed] = load_head("pawnet", images.classes, "animals", seed)
    runs = [HeadRun(stage, seed, images.subset(n, seed).rows("train"), first[seed]) for n, seed in cells]
    work = fit_heads(load("pawnet", images.classes, "animals"), images, runs)
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value
        yield At(0.0, f"{len(runs)} heads side by side")


def judge(found: Findings) -> Verdict:
    """The chosen depth falls, and the two ends of the map say why: 95 % intervals of pairs of equal seed, above 0."""
    few, *_, many = sizes = found.settings["per_class"]
    most, *_, least = found.settings["depths"]
    falls = found.interval(f"best, {few} - best, {many}")[1] > 0
    # A line through each seed's chosen depths: it may waver from one number of images to the next, but not rise.
    chosen = np.array([found.values(f"best, {n}") for n in sizes])
    trend = bool(np.polyfit(np.log(sizes), chosen.mean(1), 1)[0] < 0)
    harms = found.interval(f"{most} frozen, {few} - {least} frozen, {few}")[1] > 0
    gains = found.interval(f"{least} frozen, {many} - {most} frozen, {many}")[1] > 0
    because = (
        f"the depth chosen on val is {found.words(f'best, {few}', short=True)} frozen with {few} images a class and "
        f"{found.words(f'best, {many}', short=True)} with {many}, a difference of "
        f"{found.words(f'best, {few} - best, {many}')}; freezing {most} instead of {least} brings "
        f"{found.words(f'{most} frozen, {few} - {least} frozen, {few}')} with {few}, and "
        f"{found.words(f'{most} frozen, {many} - {least} frozen, {many}')} with {many}."
    )
    return Verdict(falls and trend and harms and gains, because)


def plot(found: Findings) -> Picture:
    """The map: accuracy in each cell, the best of each column named; shades say how far a cell is below that."""
    depths, sizes = found.settings["depths"], found.settings["per_class"]
    means = np.array([[found.mean(f"{depth} frozen, {n}") for n in sizes] for depth in depths])
    behind = means.max(0) - means
    fig, axes = figure(1.2 * len(sizes) + 2.4, 0.62 * len(depths) + 1.7)
    axis = axes[0][0]
    axis.grid(False)
    axis.imshow(-behind, cmap="Blues", aspect="auto", vmin=-max(behind.max(), 1.0), vmax=max(behind.max(), 1.0))
    for row, depth in enumerate(depths):
        for column, n in enumerate(sizes):
            mean, low, _ = found.interval(f"{depth} frozen, {n}")
            top = behind[row, column] == 0
            text = f"{mean:.1f} ± {mean - low:.1f}" + ("\nbest" if top else "")
            axis.text(column, row, text, ha="center", va="center", fontsize=9, weight="bold" if top else "normal")
    whole = max(depths)
    names = [f"{d}: head alone trains" if d == whole else f"{d}: all train" if d == 0 else str(d) for d in depths]
    axis.set_yticks(range(len(depths)), names)
    axis.set_xticks(range(len(sizes)), [f"{n}\nval chose {found.mean(f'best, {n}'):.1f}" for n in sizes])
    axis.tick_params(length=0)
    axis.set(ylabel="frozen blocks", xlabel="training images a class (and frozen blocks chosen on val, mean)")
    axis.set_title("test accuracy (%) ± 95 % interval; lighter: further below its column's best",
                   fontsize=9, color=GREY)  # fmt: skip
    told = []
    for column, n in enumerate(sizes):
        top = depths[int(means[:, column].argmax())]
        ends = f"{means[0, column]:.1f} % with {depths[0]}, {means[-1, column]:.1f} % with {depths[-1]}"
        told.append(f"with {n} images a class the best is {top} frozen ({ends})")
    return Picture(fig, f"Map of test accuracy over frozen blocks and images a class: {'; '.join(told)}.")


CLAIM = Claim(
    name="frozen_depth",
    says="With few images it is better to freeze more blocks, with more images to freeze fewer.",
    source="a rule of the field; Yosinski et al. 2014, arXiv 1411.1792, introduction",
    work=work,
    judge=judge,
    plot=plot,
)
