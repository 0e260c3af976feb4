"""The plan of the dog case study: what is compared, on how many images, with how many seeds.

    plan = dog_case("dogworld", "pawnet", "animals", size="small")
    plan.images, plan.ways, plan.per_class

Two sizes: `small` ends in about a minute on drawn dogs and in minutes on photos, on two CPU cores; `full` lifts the limits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..augment import Augment
from ..errors import CourseError
from ..images import ImageSet
from ..sources import is_folder, load_images
from ..training.recipes import feature_extraction, from_scratch, probe_then_fine_tune
from ..training.stage import Stage
from .learning_curve import Way

SIZES = ("small", "full")
PHOTO_SIZE = 192  # px: photos of 160 px scaled up to it gave 84 % where 160 px gave 80 % (10 a class, MobileNetV2)
# From scratch takes all blocks at every step, so the small size feeds it a quarter of the pixels. `full` does not.
SCRATCH_SIZE = 96
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
        images: `dogworld`, or the path of a folder of photos.
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
    photos, small = is_folder(images), size == "small"
    found = load_images(images, size=PHOTO_SIZE) if photos else load_images(images)
    most = min(found.counts("train").values())
    wanted = (
        ((10, 50) if small else (5, 10, 20, 50, 100)) if photos else ((5, 20, 50) if small else (5, 10, 20, 50, 100))
    )
    per_class = tuple(n for n in wanted if n <= most) or (most,)

    def scratch(n: int) -> list[Stage]:
        # Few images are passed over more often; more images still cost more, as they do for a reader.
        epochs = max(8, round((60 if small else 240) / n**0.5))
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
        depths=(-1, -2, -4) if small else (-1, -2, -4, -6),
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
    return probe_then_fine_tune(epochs, frozen, lr=2e-3, decay=0.9, augment=UPRIGHT, views=epochs)
