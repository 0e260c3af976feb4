"""The recipes that ScheduleLab offers, and the knobs that each of them has.

defaults("fine-tuning")                                # {"frozen": 0, "epochs": 10, "lr": 0.001, ...}
spell_preset("fine-tuning", {"epochs": 5, "lr": 1e-3})  # the lines of code that make the recipe
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import CourseError
from ..training import recipes
from ..training.stage import Stage

OWN = "the given recipe"
PRESETS: dict[str, Callable[..., list[Stage]]] = {
    "from scratch": recipes.from_scratch,
    "feature extraction": recipes.feature_extraction,
    "fine-tuning": recipes.fine_tune,
    "probe, then fine-tune": recipes.probe_then_fine_tune,
    "gradual unfreezing": recipes.gradual_unfreezing,
}
COMMON = ("epochs", "lr", "schedule", "warm_up", "batch")
KNOBS = {  # which knobs a preset has; each is an argument of its recipe or of `Stage`
    "from scratch": (*COMMON, "decay"),
    "feature extraction": COMMON,
    "fine-tuning": ("frozen", *COMMON, "decay"),
    "probe, then fine-tune": ("probe_epochs", "frozen", *COMMON, "decay"),
    "gradual unfreezing": ("cuts", *COMMON, "decay"),
    OWN: (),
}


def parse_cuts(text: str) -> tuple[int, ...]:
    """Numbers between commas or spaces: `-1, -2, -3`."""
    words = re.split(r"[,;\s]+", text.strip("()[] \n\t"))
    if not all(re.fullmatch(r"[+-]?\d+", word) for word in words):
        raise CourseError(f"cuts={text!r} was given; write whole numbers with commas between them, such as -1, -2, -3.")
    return tuple(map(int, words))


def defaults(preset: str) -> dict[str, Any]:
    """What the knobs of a preset are set to: the defaults of its recipe, else those of `Stage`."""
    if preset not in PRESETS:  # the given recipe has no knobs; an unknown name is refused by its validator
        return {}
    given = inspect.signature(PRESETS[preset]).parameters
    found = {name: given[name].default if name in given else getattr(Stage, name) for name in KNOBS[preset]}
    if "cuts" in found:
        found["cuts"] = ", ".join(map(str, found["cuts"]))
    return found


def spell(stages: Sequence[Stage]) -> list[str]:
    """Code that makes these very stages."""
    shown = ",\n    ".join(map(repr, stages))
    return ["from course_lib import Augment, Stage, fit", f"recipe = [\n    {shown},\n]"]


def spell_preset(preset: str, options: Mapping[str, Any]) -> list[str]:
    """Code that makes a preset's recipe; knobs that stand at their defaults are left out, but for those looked at first."""
    function, default = PRESETS[preset].__name__, defaults(preset)
    shown = {k: v for k, v in options.items() if k in ("epochs", "lr", "frozen", "cuts") or v != default[k]}
    arguments = ", ".join(f"{name}={value!r}" for name, value in shown.items())
    return [f"from course_lib import {function}, fit", f"recipe = {function}({arguments})"]
