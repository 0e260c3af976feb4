"""A model to take home: one file that knows its classes, how its pictures are read, how good it is, and when to say no.

    net.export("dogs.safetensors", dogs, licence="own photos")     # weights, and a card inside (exporting.py, card.py)
    model = open_model("dogs.safetensors")                         # one line, on any machine with the course (opening.py)
    model.predict("holiday/")                                      # a row a file (predicting.py); or: course predict

Two checks refuse a picture: a confidence that was calibrated on val (calibration.py), and how far the picture is from
all that was learned from (familiar.py).
"""

from typing import Any

__all__ = ["TakenHome", "open_model"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"course_lib.taking_home has no name {name!r}; it has {', '.join(__all__)}.")
    from . import opening  # it takes torch, and `course predict --help` should not wait for that

    return getattr(opening, name)
