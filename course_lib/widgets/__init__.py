"""What a reader clicks: labs and questions for notebooks, places for pictures of your own, and `watch`, a progress bar.

from course_lib.widgets import FreezeLab, watch

Names are loaded when they are first used. What all labs share is in lab.py (traits, errors, pictures), run.py (the thread that
works) and front/common.js (the page).
"""

from importlib import import_module
from typing import Any

_HOME = {
    "DomainTaskLab": "domain_task_lab",
    "Exercise": "exercise",
    "FreezeLab": "freeze_lab",
    "LandscapeLab": "landscape_lab",
    "NegativeTransferLab": "negative_transfer_lab",
    "PictureDrop": "picture_drop",
    "Predict": "predict",
    "Quiz": "quiz",
    "ScheduleLab": "schedule_lab",
    "TryModel": "try_model",
    "watch": "live",
}
__all__ = [*_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"course_lib.widgets has no name {name!r}; it has {', '.join(_HOME)}.")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
