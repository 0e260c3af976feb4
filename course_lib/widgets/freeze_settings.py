"""The settings of FreezeLab: what a reader chooses, the recipe that it means, and the lines that repeat it.

settings = Settings(frozen=5, epochs=20, per_class=10)
settings.recipe(net)                 # [Stage(frozen=5, epochs=20, ...)]
print(settings.code(net, recipe))            # images = images.subset(10, seed=0) ...
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any

from ..augment import Augment
from ..errors import CourseError
from ..images import ImageSet
from ..models import load, model_names
from ..network import Network
from ..training.stage import Stage

STAGES = 4  # of gradual unfreezing, at most
Groups = list[tuple[int, int]]


@dataclass(frozen=True)
class Settings:
    """What a run of FreezeLab is made of; see FreezeLab for the meaning of each."""

    frozen: int = 0
    start: str = "pretrained"
    gradual: bool = False
    per_class: int = 0
    epochs: int = 20
    lr: float = 3e-3
    decay: float = 1.0
    views: int = 0
    pull: float = 0.0
    norm: str = "train"
    seed: int = 0
    guess: float = -1.0

    @staticmethod
    def names() -> list[str]:
        """The names of all settings."""
        return [field.name for field in fields(Settings)]

    @staticmethod
    def checked(name: str, value: Any, net: Network, limits: dict[str, Any]) -> Any:
        """A value that is allowed for this network and these images, as it is kept. Raises `CourseError` otherwise.

        Arguments:
            limits: `most` images of each class, and whether `random` weights can be drawn.
        """
        if name == "frozen":
            cut = net.cut(value)
            if cut == len(net):
                raise CourseError(
                    f"frozen={value} freezes all {cut} blocks of {net.name}; leave at least the head to train."
                )
            return cut
        most = limits["most"]
        rules = {
            "start": (value in ("pretrained", "random"), "'pretrained' or 'random'"),
            "per_class": (
                0 <= value <= most if name == "per_class" else True,
                f"0 (all) to {most} images of each class",
            ),
            "epochs": (name != "epochs" or 1 <= value <= 1000, "1 to 1000"),
            "lr": (name != "lr" or (math.isfinite(value) and 0 < value <= 1), "above 0, at most 1"),
            "decay": (name != "decay" or 0 < value <= 1, "above 0, at most 1"),
            "views": (name != "views" or 0 <= value <= 16, "0 (images as they are) to 16"),
            "pull": (name != "pull" or (math.isfinite(value) and value >= 0), "0 or more"),
            "norm": (value in ("train", "eval", "adapt"), "'train', 'eval' or 'adapt'"),
            "seed": (name != "seed" or 0 <= value < 2**31, "a whole number from 0"),
            "guess": (name != "guess" or value == -1 or 0 <= value <= 100, "0 to 100 per cent, or -1 for none"),
        }
        allowed, rule = rules.get(name, (True, ""))
        if not allowed:
            raise CourseError(f"{name}={value!r} is out of range; it is {rule}.")
        if name == "start" and value == "random" and not limits["random"]:
            raise CourseError(f"{net.name} is a network of your own, so its random weights cannot be drawn anew here.")
        return value

    def as_dict(self) -> dict[str, Any]:
        """All settings by name."""
        return asdict(self)

    def without_guess(self) -> dict[str, Any]:
        """All that a run depends on."""
        return {name: value for name, value in asdict(self).items() if name != "guess"}

    def images(self, images: ImageSet) -> ImageSet:
        """The images that a run learns from."""
        return images.subset(self.per_class, self.seed) if self.per_class else images

    def cuts(self, net: Network) -> list[int]:
        """Frozen blocks of each stage: one, or from the head down to `frozen`."""
        cut, head = net.cut(self.frozen), len(net) - 1
        if not self.gradual or cut == head:
            return [cut]
        count = min(STAGES, head - cut + 1)
        return [head - round(k * (head - cut) / (count - 1)) for k in range(count)]

    def recipe(self, net: Network) -> list[Stage]:
        """The stages of the run."""
        cuts = self.cuts(net)
        options: dict[str, Any] = {"lr": self.lr, "decay": self.decay, "norm": self.norm}
        if self.views:
            options |= {"augment": Augment(), "views": self.views}
        epochs = max(1, self.epochs // len(cuts))
        head = len(net) - 1
        stages = []
        for cut in cuts:
            # The pull holds the body; a first stage that trains the head alone has nothing to hold.
            pull = self.pull if len(cuts) == 1 or cut < head else 0.0
            stages.append(Stage(frozen=cut, epochs=epochs, pull=pull, **options))
        return stages

    def code(self, net: Network, recipe: list[Stage]) -> str:
        """Lines that repeat the run exactly, from `net` and `images`."""
        lines = ["import course_lib as cl", ""]
        few = "images"
        if self.per_class:
            few = "few"
            lines.append(f"few = images.subset(per_class={self.per_class}, seed={self.seed})")
        if self.start == "random":
            lines.append(f"start = {random_code(net, self.seed)}")
        else:
            lines.append("start = net.copy()")
        stages = ",\n          ".join(f"cl.{stage!r}".replace("Augment(", "cl.Augment(") for stage in recipe)
        lines += [f"recipe = [{stages}]", f"for record in cl.fit(start, {few}, recipe, seed={self.seed}):", "    pass"]
        lines.append(f'print(cl.evaluate(start, {few}, "val").accuracy)')
        return "\n".join(lines)


def stage_rates(net: Network, stage: Stage) -> list[float]:
    """The learning rate of each block at its highest in a stage, 0 where it is frozen."""
    cut = net.cut(stage.frozen)
    return [0.0 if i < cut else stage.lr * stage.decay ** (len(net) - 1 - i) for i in range(len(net))]


def random_start(net: Network) -> Callable[[int], Network] | None:
    """Draws the network with random weights for a seed; None for a network of a reader's own, which has no name to draw by."""
    if net.name not in model_names():
        return None

    def draw(seed: int) -> Network:
        return load(net.name, net.classes, None, seed, net.size, net.mean, net.std)

    try:
        same = [block.name for block in draw(0).blocks] == [block.name for block in net.blocks]
    except CourseError:
        return None
    return draw if same else None  # a network whose blocks were replaced is no longer the one of that name


def random_code(net: Network, seed: int) -> str:
    """The call that draws the random weights."""
    return f"cl.load({net.name!r}, net.classes, seed={seed}, size={net.size}, mean={tuple(net.mean)}, std={tuple(net.std)})"


def _last_stage(net: Network, groups: Groups) -> int:
    """Where the last group of blocks before the head begins."""
    return groups[-2][0] if len(groups) > 1 else 0


PRESETS: dict[str, Callable[[Network, Groups], dict[str, Any]]] = {
    "from scratch": lambda net, groups: dict(start="random", frozen=0, gradual=False, epochs=40, lr=1e-3, decay=1.0, pull=0.0, norm="train"),
    "feature extraction": lambda net, groups: dict(start="pretrained", frozen=len(net) - 1, gradual=False, epochs=20, lr=3e-3, decay=1.0, pull=0.0, norm="train"),
    "last stage": lambda net, groups: dict(start="pretrained", frozen=_last_stage(net, groups), gradual=False, epochs=10, lr=1e-3, decay=0.7, pull=0.0, norm="train"),
    "gradual unfreezing": lambda net, groups: dict(start="pretrained", frozen=0, gradual=True, epochs=12, lr=1e-3, decay=0.7, pull=0.0, norm="train"),
    "fine-tune": lambda net, groups: dict(start="pretrained", frozen=0, gradual=False, epochs=10, lr=1e-3, decay=0.7, pull=0.0, norm="train"),
}  # fmt: skip
