"""A model to take home: one file that knows its classes, how its pictures are read, how good it is, and when to say no.

    net.export("dogs.safetensors", dogs, licence="own photos")     # weights, and a card inside (exporting.py, card.py)
    model = open_model("dogs.safetensors")                         # one line, on any machine with the course (opening.py)
    model.predict("holiday/")                                      # a row a file (predicting.py); or: course predict

Two checks refuse a picture: a confidence that was calibrated on val (calibration.py), and how far the picture is from
all that was learned from (familiar.py).
"""

from .opening import TakenHome, open_model

__all__ = ["TakenHome", "open_model"]
