"""What is compared with what, and the targets. Contenders of a task run in this order, again and again.

TASKS["features"].contenders["tutorial"].call      # 'tutorial:run'
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Contender:
    """One way of doing a task.

    Attributes:
        label: what the table calls it.
        call: `module:function` in this package, called as function(material, phases, seed, **options).
        options: fixed options.
        probed: options that probe.py chooses for this machine, option -> group of candidates; the fastest is taken.
        rounds: in how many rounds it runs at most; None for all. Slow peers that no target hangs on run in fewer.
        needs: package that must be installed.
        course: whether it is the course itself, which is imported before torch.
        warm_after: name of the contender whose cache folder it takes over; without, the cache is empty.
    """

    label: str
    call: str
    options: Mapping[str, Any] = field(default_factory=dict)
    probed: Mapping[str, str] = field(default_factory=dict)
    rounds: int | None = None
    needs: str = ""
    course: bool = False
    warm_after: str = ""


@dataclass(frozen=True)
class Comparison:
    """One row of the table.

    Attributes:
        ours, theirs: names of contenders of the task.
        target: how many times faster ours should be; None where the row only informs.
        reason: why the target is missed, shown where it is.
    """

    ours: str
    theirs: str
    target: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Task:
    """Contenders that do the same work.

    Attributes:
        title: what the work is; {epochs} stands for the number of epochs.
        kind: which blocks train, see `Material.phases`.
        epochs: passes over the photos, in each stage.
        device: `cpu`, or `cuda` where the task needs one.
        network: the network, where it is not the one given on the command line.
        size: of its images, in pixels; 0 for what the command line's network takes.
        drawn: on the drawn dogs, also where photos are given.
        large: on copies of the photos as a phone makes them, 12 megapixels.
    """

    title: str
    kind: Literal["features", "three_stages", "all"]  # of no meaning for tasks that train nothing
    epochs: int
    contenders: Mapping[str, Contender]
    comparisons: tuple[Comparison, ...]
    device: Literal["cpu", "cuda"] = "cpu"
    network: str = ""
    size: int = 0
    drawn: bool = False
    large: bool = False


COURSE = Contender("course", "with_course:run", course=True)
TUTORIAL = Contender("tutorial loop, 4 workers", "tutorial:run", {"workers": 4})
BEST_TUTORIAL = Contender("tutorial loop, best of 0, 2, 4 workers", "tutorial:run", probed={"workers": "workers"})
BY_HAND = Contender("best plain loop", "by_hand:run", probed={"precision": "step", "inference": "forward"})
FASTAI = Contender("fastai", "with_fastai:run", needs="fastai")
KERAS = Contender("Keras 3 on torch", "with_keras:run", needs="keras")
HEADS = {
    "by_hand": Contender("plain loop, 32 times", "heads:run_by_hand"),
    "one_by_one": Contender("course, `fit` 32 times", "heads:run_one_by_one", course=True),
    "stacked": Contender("course, `fit_heads` once", "heads:run_stacked", course=True),
}
DECODING = {
    "course": Contender("course, decoding", "decoding:run_course", course=True),
    "load": Contender("course, `load_images`", "decoding:run_load", course=True),
    "again": Contender("course, `load_images`, second time", "decoding:run_load", course=True, warm_after="load"),
    "folder": Contender(
        "ImageFolder, best of 0, 1, 2, 4 workers", "decoding:run_torchvision", probed={"workers": "loader"}
    ),
}
AGAINST_IMAGEFOLDER = (Comparison("course", "folder", 1), Comparison("load", "folder"), Comparison("again", "folder"))
DROPPED = (
    "the head of MobileNetV2 has dropout over 1,280 features, and each head's masks are drawn as `fit` draws them, to end in the "
    "same weights; a head without dropout is the next row"
)


def _rounds(contender: Contender, rounds: int) -> Contender:
    return Contender(**{**vars(contender), "rounds": rounds})


TASKS: dict[str, Task] = {
    "features": Task(
        "feature extraction, {epochs} epochs",
        "features",
        20,
        {
            "tutorial": TUTORIAL,
            "tutorial_best": _rounds(BEST_TUTORIAL, 1),
            "by_hand": BY_HAND,
            "by_hand_once": Contender("plain loop, features once", "by_hand:run_once", probed={"inference": "forward"}),
            "course": COURSE,
            "course_views": Contender("course, 4 augmented views", "with_course:run", {"views": 4}, course=True),
            "course_warm": Contender("course, cache warm", "with_course:run", course=True, warm_after="course"),
        },
        (
            Comparison("course", "tutorial", 15),
            Comparison("course", "tutorial_best"),
            Comparison("course", "by_hand"),
            Comparison("course", "by_hand_once"),
            Comparison("course_views", "tutorial", 4),
            Comparison("course_views", "tutorial_best"),
            Comparison("course_warm", "tutorial"),
        ),
    ),
    "features_peers": Task(
        "feature extraction, {epochs} epochs",
        "features",
        5,
        {"fastai": _rounds(FASTAI, 1), "keras": _rounds(KERAS, 1), "course": COURSE},
        (Comparison("course", "fastai"), Comparison("course", "keras")),
    ),
    "three_stages": Task(
        "three stages (head, 2 blocks more, 2 more), {epochs} epochs each",
        "three_stages",
        2,
        {
            "tutorial": TUTORIAL,
            "by_hand": BY_HAND,
            "fastai": _rounds(FASTAI, 1),
            "course": COURSE,
        },
        (
            Comparison("course", "tutorial", 4),
            Comparison("course", "by_hand"),
            Comparison("course", "fastai"),
        ),
    ),
    "fine_tune": Task(
        "full fine-tuning, {epochs} epochs",
        "all",
        2,
        {
            "tutorial": _rounds(TUTORIAL, 1),
            "by_hand": BY_HAND,
            "course": COURSE,
            "fastai": _rounds(FASTAI, 1),
            "keras": _rounds(KERAS, 1),
        },
        (
            Comparison("course", "by_hand", 1),
            Comparison("course", "tutorial"),
            Comparison("course", "fastai"),
            Comparison("course", "keras"),
        ),
    ),
    "inference": Task(
        "inference, all photos once",
        "features",
        1,
        {
            "plain": Contender("plain eval loop", "inference:run_plain"),
            "course": Contender("course", "inference:run_course", course=True),
            "course_32": Contender("course, float32", "inference:run_course", {"precision": "float32"}, course=True),
        },
        (Comparison("course", "plain", 1.3), Comparison("course_32", "plain", 1.3)),
    ),
    "decoding": Task("files to pixels", "features", 1, DECODING, AGAINST_IMAGEFOLDER, size=192),
    "decoding_large": Task(
        "files of 12 megapixels to pixels",
        "features",
        1,
        DECODING,
        AGAINST_IMAGEFOLDER,
        size=192,
        large=True,
    ),
    "heads": Task(
        "32 heads on remembered features, {epochs} epochs",
        "features",
        20,
        HEADS,
        (Comparison("stacked", "by_hand", 10, DROPPED), Comparison("stacked", "one_by_one", 10, DROPPED)),
    ),
    "heads_pawnet": Task(
        "32 heads on remembered features of PawNet, {epochs} epochs",
        "features",
        20,
        HEADS,
        (Comparison("stacked", "by_hand", 10), Comparison("stacked", "one_by_one", 10)),
        drawn=True,
    ),
    "gpu_224": Task(
        "GPU, full fine-tuning, resnet50 at 224 px, {epochs} epochs",
        "all",
        3,
        {
            "tutorial": Contender("tutorial loop, 4 workers", "gpu:run", {"loop": "tutorial"}),
            "course": Contender("course", "gpu:run", {"loop": "course"}, course=True),
        },
        (Comparison("course", "tutorial", 3),),
        device="cuda",
        network="resnet50",
        size=224,
    ),
    "gpu_64": Task(
        "GPU, full fine-tuning, pawnet at 64 px, {epochs} epochs",
        "all",
        10,
        {
            "tutorial": Contender("tutorial loop, 4 workers", "gpu:run", {"loop": "tutorial"}),
            "course": Contender("course", "gpu:run", {"loop": "course"}, course=True),
        },
        (Comparison("course", "tutorial", 3),),
        device="cuda",
        network="pawnet",
        size=64,
        drawn=True,
    ),
}
