"""The plan of the lesson on a reader's own folder: what is read, how it is split, and what is trained on which split.

    case = own_pictures("my_dogs", "pawnet", "animals")
    case.images                                                 # its notes say what was done to the folder, if anything
    by_picture(case.images, seed=0), by_scene(case.images, seed=0)      # two ways to draw train and test
    said = watch(over_splits(net, case.images, splits))         # a head for each split, all at once: list of Evaluation

Pictures that show nearly the same stand in one group (`factors["duplicate"]`, see pictures/duplicates.py); a group is a scene.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from ..augment import Augment
from ..errors import CourseError
from ..evaluation import Evaluation, evaluate
from ..images import SPLITS, ImageSet, stratified_splits
from ..models import load
from ..network import Network
from ..sources import load_images
from ..sources.digits import digits
from ..sources.textures import textures
from ..stacked.fit_heads import HeadsRecord, fit_heads, load_head
from ..stacked.headset import HeadRun
from ..training.recipes import feature_extraction, from_scratch, probe_then_fine_tune
from ..training.stage import Stage
from ..training.train import Record, fit
from .curve import Way

Splits = Mapping[str, torch.Tensor]
SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}
HEAD_STAGE = feature_extraction()[0]
# At the small size: how many pictures are taken at most, and how many pixels wide. A large network takes 30 times as long.
MOST = {"small": {"pawnet": 1500, "other": 400}, "full": {"pawnet": 20_000, "other": 20_000}}
PIXELS = {"pawnet": 64, "other": 160}
SCRATCH_PIXELS = {
    "pawnet": None,
    "other": 96,
}  # from scratch trains all blocks at every step: fewer pixels at the small size
MIDDLE = 0.7  # side of the square that counts as the middle of a picture, as a share of the picture's side


@dataclass(frozen=True)
class Case:
    """What the lesson works with.

    Attributes:
        images: the reader's pictures, each class in each split; their notes say what was done to get there.
        ways: from scratch, frozen features, fine-tuned: what is compared, with how many seeds.
        splits: how many random splits the lesson's other measurements take.
    """

    images: ImageSet
    ways: tuple[Way, Way, Way]
    splits: int


def own_pictures(
    folder: str | Path, model: str, weights: str, size: str = "small", seeds: int | None = None, frozen: int = -3
) -> Case:
    """Read a folder (or a table, or a zip) and plan the lesson.

    Arguments:
        model, weights: as for `load`.
        size: `small` or `full`.
        seeds: networks for each way of learning; None for the plan's own numbers.
        frozen: blocks that fine-tuning freezes.

    Raises `CourseError` for settings out of range, and whatever `load_images` refuses.
    """
    if size not in MOST:
        raise CourseError(f"size={size!r} is not known; use 'small' (minutes on two cores) or 'full' (all pictures).")
    if seeds is not None and (not isinstance(seeds, int) or seeds < 1):
        raise CourseError(f"seeds={seeds!r} is out of range; give a whole number from 1, or None.")
    if not weights:
        raise CourseError("The lesson stands on pretrained weights; give `weights`: 'animals' for pawnet, or a file.")
    kind, small = "pawnet" if model == "pawnet" else "other", size == "small"
    images = _filled(_thinned(load_images(folder, photo_size=PIXELS[kind]), MOST[size][kind]))
    few = seeds or (5 if not small else 3 if kind == "pawnet" else 2)
    passes = 240 if not small else 70 if kind == "pawnet" else 40
    epochs = max(8, round(passes / (len(images.rows("train")) / len(images.classes)) ** 0.5))
    view = Augment(flip=True, shift=0.08, scale=0.1, rotate=8)
    tuned = probe_then_fine_tune(8 if small else 16, frozen, lr=1e-3, decay=0.8, norm="eval", augment=view, views=2)
    pixels = SCRATCH_PIXELS[kind] if small else None
    ways = (
        Way("from scratch", None, lambda n: from_scratch(epochs, augment=view, views=epochs), few, pixels),
        Way("frozen features", weights, lambda n: [HEAD_STAGE], seeds or 10),
        Way("fine-tuned", weights, lambda n: tuned, few),
    )
    return Case(images, ways, 20 if small else 50)


def _thinned(images: ImageSet, most: int) -> ImageSet:
    """At most so many pictures, each class and split in proportion, with a note that says so."""
    if len(images) <= most:
        return images
    dice, kept = torch.Generator().manual_seed(0), {}
    for split, rows in images.splits.items():
        rows = rows[torch.randperm(len(rows), generator=dice)]
        parts = [rows[images.labels[rows] == label] for label in range(len(images.classes))]
        kept[split] = torch.cat([part[: max(1, len(part) * most // len(images))] for part in parts]).sort().values
    told = (
        f"This run takes {sum(map(len, kept.values())):,} of the {len(images):,} pictures, drawn by class, so that it ends in "
        'minutes; `size = "full"` takes more.'
    )
    return replace(images, splits=kept, notes=(*images.notes, told))


def _filled(images: ImageSet) -> ImageSet:
    """The set with a picture of each class in each split; where one is missing, a copy of another, with a note that warns."""
    none = torch.zeros(0, dtype=torch.int64)
    rows = torch.cat([none, *images.splits.values()])
    _, first_of_scenes = _scenes_in(images, rows)
    own_scenes = torch.bincount(images.labels[rows][first_of_scenes], minlength=len(images.classes)).tolist()
    missing: list[tuple[str, int]] = []  # split and class of each copy
    for label, count in enumerate(own_scenes):
        absent = [split for split in SPLITS if not (images.labels[images.splits.get(split, none)] == label).any()]
        absent += ["train"] * (len(SPLITS) - count - len(absent))  # a draw by scene needs one for each split
        missing += [(split, label) for split in absent]
    if not missing:
        return images
    copied = [int(rows[images.labels[rows] == label][0]) for _, label in missing]
    start, again = len(images.images), torch.tensor(copied)
    parts = {split: [images.splits.get(split, none)] for split in SPLITS}
    for number, (split, _) in enumerate(missing):
        parts[split].append(torch.tensor([start + number]))
    factors = {name: np.concatenate([values, np.asarray(values)[copied]]) for name, values in images.factors.items()}
    if "duplicate" in factors:
        factors["duplicate"][start:] = -1  # a copy may stand in test: that is what the warning is for
    few = ", ".join(sorted({images.classes[label] for _, label in missing}))
    told = (
        f"Too few different pictures of {few}: {len(copied)} copies stand in, so that the lesson can run. EVERY NUMBER BELOW "
        "FLATTERS, and for these classes none means anything. Begin with 20 pictures of each class."
    )
    return replace(
        images,
        images=torch.cat([images.images, images.images[again]]),
        labels=torch.cat([images.labels, images.labels[again]]),
        splits={split: torch.cat(rows) for split, rows in parts.items()},
        factors=factors,
        files=(*images.files, *(images.files[row] for row in copied)) if images.files else (),
        notes=(told,),  # in place of those that say which split a class is not in
    )


def scenes(images: ImageSet) -> torch.Tensor:
    """Number of each row's scene, int64 N: near-duplicates share one, every other picture has its own."""
    found = torch.as_tensor(np.asarray(images.factors.get("duplicate", np.full(len(images.labels), -1)))).long()
    return torch.where(found >= 0, found, found.max().clamp(min=-1) + 1 + torch.arange(len(found)))


def by_picture(images: ImageSet, seed: int) -> Splits:
    """Train, val and test drawn picture by picture, as if all were taken on their own."""
    rows = torch.cat(list(images.splits.values())).sort().values
    drawn = stratified_splits(images.labels[rows], SHARES, seed)
    return {split: rows[part] for split, part in drawn.items()}


def by_scene(images: ImageSet, seed: int) -> Splits:
    """Train, val and test drawn scene by scene: all shots of a scene stand in one of them."""
    rows = torch.cat(list(images.splits.values())).sort().values
    places, first = _scenes_in(images, rows)
    drawn = stratified_splits(images.labels[rows][first], SHARES, seed)
    return {split: rows[torch.isin(places, part)] for split, part in drawn.items()}


def _scenes_in(images: ImageSet, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """For each of these rows the number of its scene, from 0 on; and for each scene the place of its first row."""
    numbers, places = scenes(images)[rows].unique(return_inverse=True)
    first = torch.full((len(numbers),), len(rows)).scatter_reduce(0, places, torch.arange(len(rows)), "amin")
    return places, first


def over_splits(
    net: Network, images: ImageSet, splits: Sequence[Splits], stage: Stage = HEAD_STAGE
) -> Generator[HeadsRecord, None, list[Evaluation]]:
    """Train a head on the train part of each split, and ask it about the test part of the same split.

    All heads stand on one frozen body and are trained side by side. Returns (use `watch`) an `Evaluation` for each split.
    """
    rows = torch.cat(list(images.splits.values())).sort().values
    whole = replace(images, splits={"train": rows})
    runs = [HeadRun(stage, seed, split["train"]) for seed, split in enumerate(splits)]
    heads = yield from fit_heads(net.copy(), whole, runs)
    place = torch.full((len(images.labels),), -1)
    place[rows] = torch.arange(len(rows))
    said = zip(splits, heads.scores("train"), strict=True)  # R,N,classes
    return [
        Evaluation("test", split["test"], images.labels[split["test"]], scores[place[split["test"]]], images.classes)
        for split, scores in said
    ]


def covered(images: ImageSet, what: str) -> ImageSet:
    """The same pictures with a part of each painted grey: `middle` (a square) or `rim` (all around it)."""
    edge = images.size
    start = round(edge * (1 - MIDDLE) / 2)
    middle = torch.zeros(edge, edge, dtype=torch.bool)
    middle[start : edge - start, start : edge - start] = True
    grey = middle if what == "middle" else ~middle
    return replace(images, images=images.images.masked_fill(grey, 128), stores={}, checksum="")


def strangers(size: int, count: int = 20) -> dict[str, torch.Tensor]:
    """Pictures that show none of a reader's classes: what they are -> uint8 N,3,size,size."""
    noise = torch.randint(0, 256, (count, 3, size, size), generator=torch.Generator().manual_seed(0)).byte()
    found = {"grounds and furs from near": textures(per_class=3), "printed digits": digits(per_class=3)}
    shaped = {}
    for name, each in found.items():
        some = each.images[:: max(1, len(each.images) // count)][:count].float()
        shaped[name] = F.interpolate(some, size, mode="bilinear", antialias=True).round().clamp(0, 255).byte()
    return {**shaped, "noise": noise}


@dataclass(frozen=True)
class Tried:
    """One trained network: the way and the seed, what it says of val and of test, and the steps that it took."""

    way: str
    net: Network
    val: Evaluation
    test: Evaluation
    steps: int


def several(case: Case, way: Way, model: str) -> Generator[Record | HeadsRecord, None, list[Tried]]:
    """Train a way of learning with each of its seeds on all training pictures: weights of the head and order differ."""
    images, stages = case.images, way.recipe(0)
    if stages == [HEAD_STAGE]:
        net = load(model, images.classes, way.weights)
        starts = [load_head(model, images.classes, way.weights, seed) for seed in range(way.seeds)]
        runs = [HeadRun(HEAD_STAGE, seed, head=head) for seed, head in enumerate(starts)]
        heads = yield from fit_heads(net, images, runs)
        tests, vals = heads.evaluations("test"), heads.evaluations("val")
        steps = HEAD_STAGE.epochs * -(-len(images.rows("train")) // HEAD_STAGE.batch)
        return [Tried(way.name, heads.network(i), vals[i], tests[i], steps) for i in range(way.seeds)]
    tried = []
    for seed in range(way.seeds):
        net = load(model, images.classes, way.weights, seed, size=way.size)
        for record in fit(net, images, stages, seed=seed, validate_every=0):
            yield record
        tried.append(Tried(way.name, net, evaluate(net, images, "val"), evaluate(net, images, "test"), record.step))
    return tried
