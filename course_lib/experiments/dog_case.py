"""The plan of the dog case study: what is compared, on how many images, with how many seeds.

    plan = dog_case("dogworld", "pawnet", "animals", size="small")
    plan.images, plan.ways, plan.per_class
    block_scores(net, plan.images.subset(20))     # what each block knows of the classes, before any training
    new_images(plan)                              # pictures for the finished model that no split holds

Two sizes: `small` ends in about a minute on drawn dogs and in minutes on photos, on two CPU cores; `full` lifts the limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from .. import plots
from ..augment import Augment
from ..errors import CourseError
from ..images import ImageSet
from ..network import Network
from ..pictures.reading import read_picture
from ..sources import BUILT_IN, load_images
from ..sources.dogworld import dogworld
from ..training.recipes import feature_extraction, from_scratch, probe_then_fine_tune
from ..training.stage import Stage
from .learning_curve import Way

SIZES = ("small", "full")
PHOTO_SIZE = 192  # px: photos of 160 px scaled up to it gave 84 % where 160 px gave 80 % (10 a class, MobileNetV2)
# From scratch takes all blocks at every step, so the small size feeds it a quarter of the pixels. `full` does not.
SCRATCH_SIZE = 96
NEW_SEED = 1  # of dogs that are in no split: those of the plan have seed 0
HEAD_SEEDS = 20  # heads on one frozen body are trained side by side: 60 of PawNet took 2 s where 15 took 4 s one by one
# Drawn dogs are not mirrored: which way they face is one of the things that can be asked of them.
UPRIGHT = Augment(flip=False, shift=0.08, scale=0.1, rotate=8)
MIRRORED = replace(UPRIGHT, flip=True)


@dataclass(frozen=True)
class Plan:
    """What the lesson compares.

    Attributes:
        images: the whole set.
        model, weights: architecture, and what transfer starts from.
        size: `small` or `full`.
        per_class: training images a class, rising.
        scratch, frozen, tuned: the three ways of learning.
        depths: numbers of frozen blocks that fine-tuning may choose from, on val.
        few: training images a class in the parts of the lesson that train one network at a time.
    """

    images: ImageSet
    model: str
    weights: str
    size: str
    per_class: tuple[int, ...]
    scratch: Way
    frozen: Way
    tuned: Way
    depths: tuple[int, ...]
    few: int

    @property
    def ways(self) -> tuple[Way, ...]:
        return (self.scratch, self.frozen, self.tuned)

    @property
    def chance(self) -> float:
        """Accuracy of guessing, 0 to 1."""
        return 1 / len(self.images.classes)

    def tune(self, frozen: int) -> list[Stage]:
        """Fine-tuning as the plan does it: first the head alone, then the blocks above the cut."""
        return _tune(frozen, bool(self.images.files), self.size)

    def with_depth(self, frozen: int) -> Plan:
        """The same plan, with `frozen` blocks frozen in fine-tuning."""
        return replace(self, tuned=replace(self.tuned, recipe=lambda n: self.tune(frozen)))


def dog_case(images: str, model: str, weights: str, size: str = "small", seeds: int | None = None) -> Plan:
    """Load the images and plan the comparison.

    Arguments:
        images: as for `load_images`: `dogworld`, a real set by name, or the path of a folder of photos.
        model, weights: as for `load`.
        size: `small` or `full`.
        seeds: runs for each point; None for the plan's own numbers (fewer for what takes long).

    Raises `CourseError` for an unknown size, and whatever `load_images` refuses.
    """
    if size not in SIZES:
        raise CourseError(
            f"size={size!r} is not known; use 'small' (minutes on two cores) or 'full' (more images, seeds and epochs)."
        )
    if seeds is not None and (not isinstance(seeds, int) or seeds < 1):
        raise CourseError(
            f"seeds={seeds!r} is out of range; give a whole number from 1, or None for the plan's own choice."
        )
    if not weights:
        raise CourseError(
            "The case study compares random with pretrained weights; give `weights`: 'animals' for pawnet, or a file."
        )
    photos, small = str(images) not in BUILT_IN, size == "small"
    found = load_images(images, photo_size=PHOTO_SIZE)
    most = min(found.counts("train").values())
    wanted = ((10, 50) if small else (5, 10, 20, 50, 100)) if photos else ((5, 20) if small else (5, 10, 20, 50, 100))
    per_class = tuple(n for n in wanted if n <= most) or (most,)

    def scratch(n: int) -> list[Stage]:
        # Few images are passed over more often; more images still cost more, as they do for a reader.
        epochs = max(8, round((45 if small else 240) / n**0.5))
        return from_scratch(epochs, augment=MIRRORED if photos else UPRIGHT, views=epochs)

    few_seeds = 3 if small else 5
    own_scratch_size = SCRATCH_SIZE if photos and small and model != "pawnet" else None
    return Plan(
        images=found,
        model=model,
        weights=weights,
        size=size,
        per_class=per_class,
        scratch=Way("from scratch", None, scratch, seeds or few_seeds, own_scratch_size),
        frozen=Way("frozen features", weights, lambda n: feature_extraction(), seeds or HEAD_SEEDS),
        tuned=Way("fine-tuned", weights, lambda n: _tune(-3, photos, size), seeds or few_seeds),
        depths=(-1, -3) if small else (-1, -2, -4, -6),
        few=min(most, 20),
    )


def _tune(frozen: int, photos: bool, size: str) -> list[Stage]:
    if frozen == -1:
        return feature_extraction()
    epochs = 8 if size == "small" else 16
    if photos:
        # Their BatchNorm statistics come from a million images; those of a few hundred would only disturb them.
        # Two views: each costs one trip through the frozen blocks, which are most of a large network.
        return probe_then_fine_tune(epochs, frozen, lr=1e-3, decay=0.8, norm="eval", augment=MIRRORED, views=2)
    # Each view is passed twice: within about a point of a view for each pass (3 seeds of 5 and 20 a class, one of 100), in 0.5 to 0.8
    # of the time (fresh processes, two pairs).
    return probe_then_fine_tune(epochs, frozen, lr=2e-3, decay=0.9, augment=UPRIGHT, views=epochs // 2)


@dataclass(frozen=True)
class NewImages:
    """Pictures for a finished model.

    Attributes:
        name: what they are.
        images: uint8 N,3,H,W.
        labels: int64 N, positions in the model's classes; None where no class is right, or the truth is not known.
    """

    name: str
    images: torch.Tensor
    labels: torch.Tensor | None = None


def new_images(plan: Plan, photo: str | Path | None = None, per_class: int = 20) -> list[NewImages]:
    """Pictures that the plan's splits do not hold, from near to far; for photos, where there are no others, changed test photos.

    Arguments:
        photo: a file of the reader's own; it comes first.
        per_class: dogs that are drawn of each breed.

    Raises `CourseError` for a file that is no image.
    """
    images = plan.images
    own = [] if photo is None else [_own_photo(Path(photo), images.size)]
    noise = torch.randint(0, 256, (20, *images.images.shape[1:]), generator=torch.Generator().manual_seed(0))
    nothing = NewImages("nothing but noise", noise.to(torch.uint8))
    if images.files:
        x, y = images.batch("test")
        grey = x.float().mean(1, keepdim=True).to(torch.uint8).expand_as(x)  # N,1,H,W -> N,3,H,W
        return [*own, NewImages("the test photos, in grey", grey, y), NewImages("upside down", x.flip(2), y), nothing]
    domains = ("photo", "night", "sketch")
    drawn, dark, pencil = (dogworld(seed=NEW_SEED, cats=20, per_class=per_class, domain=each) for each in domains)
    dog = drawn.labels < len(images.classes)
    return [
        *own,
        NewImages("dogs drawn just now", drawn.images[dog], drawn.labels[dog]),
        NewImages("the same dogs, at night", dark.images[dog], dark.labels[dog]),
        NewImages("the same dogs, in pencil", pencil.images[dog], pencil.labels[dog]),
        NewImages("cats", drawn.images[~dog]),
        nothing,
    ]


def _own_photo(path: Path, size: int) -> NewImages:
    read = read_picture(path.expanduser(), size)
    if read.pixels is None:
        raise CourseError(
            f"photo={str(path)!r}: {read.reason} ({read.remedy}). Give the path of a JPEG or PNG file, or None."
        )
    return NewImages("your photo", torch.from_numpy(read.pixels.copy()).permute(2, 0, 1)[None])  # H,W,3 -> 1,3,H,W


def block_scores(net: Network, images: ImageSet) -> list[tuple[str, float]]:
    """How far the output of each block of the body tells the classes apart, with no training: (block, accuracy on val).

    Each val image gets the class of the nearest mean of training images. A block's output is averaged over the picture's
    places and standardised with the training images, so that each channel counts alike.
    """
    (train, y), (val, truth) = (_block_means(net, *images.batch(split)) for split in ("train", "val"))
    scores = []
    for block, a, b in zip(net.blocks, train, val, strict=False):  # but for the head, whose output is scores
        middle, spread = a.mean(0), a.std(0) + 1e-6
        a, b = (a - middle) / spread, (b - middle) / spread
        means = torch.stack([a[y == label].mean(0) for label in range(len(images.classes))])  # classes, channels
        scores.append((block.name, (torch.cdist(b, means).argmin(1) == truth).float().mean().item()))
    return scores


@torch.no_grad()
def _block_means(net: Network, images: torch.Tensor, labels: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
    """For each block of the body its output, averaged over places (N,channels), and the labels."""
    found: list[list[torch.Tensor]] = [[] for _ in net.blocks[:-1]]
    with net.mode(frozen=len(net)):
        for part in images.split(64):
            x = net.prepare(part.to(net.device))
            for number, each in enumerate(found):
                x = net.run(x, number, number + 1)
                each.append((x.flatten(2).mean(2) if x.ndim > 2 else x).float().cpu())
    return [torch.cat(each) for each in found], labels


def answers(new: NewImages, scores: torch.Tensor, classes: Sequence[str], count: int = 6) -> plots.Picture:
    """The first pictures with the class that a model names for each, and how certain it is (softmax).

    Arguments:
        scores: float N,classes.
    """
    sure, said = scores.softmax(1).max(1)
    rows = torch.linspace(0, len(said) - 1, min(count, len(said))).round().long()  # spread over all
    fig, axes = plots.figure(1.55 * len(rows), 2.2, 1, len(rows))
    told = []
    for axis, row in zip(axes.flat, rows.tolist(), strict=True):
        axis.axis("off")
        axis.imshow(new.images[row].permute(1, 2, 0).numpy())  # 3,H,W -> H,W,3
        name = classes[said[row]].replace("_", " ")
        right = new.labels is not None and bool(new.labels[row] == said[row])
        axis.set_title(f"{name}\n{sure[row]:.0%}{', right' if right else ''}", fontsize=8)
        told.append(f"{name} ({sure[row]:.0%}{', right' if right else ''})")
    return plots.Picture(fig, f"{new.name}: {'; '.join(told)}.")
