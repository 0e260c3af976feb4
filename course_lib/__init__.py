"""course_lib: the training core, the data and the widgets of the transfer learning course.

    import course_lib as cl
    dogs = cl.load_images("dogworld").subset(per_class=20)
    net = cl.load("pawnet", classes=dogs.classes, weights="animals")
    for record in cl.fit(net, dogs, cl.feature_extraction()):
        ...
    cl.evaluate(net, dogs, "test").accuracy

Names are loaded when they are first used: importing the package takes no torch.
"""

import os
from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Two kernels on a laptop: OpenMP's idle threads spin for milliseconds by default and take the cores from each other. With
# 2 processes on 2 cores a PawNet step took 25 times as long as alone; with a short spin, twice as long, and alone no longer
# than before (torch 2.15, Linux). Read when torch is loaded, so import course_lib first; a choice of the reader's own stays.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

_HOME = {
    "Augment": "augment",
    "CourseError": "errors",
    "Evaluation": "evaluation",
    "FeatureSet": "features",
    "HeadRun": "stacked.headset",
    "ImageSet": "images",
    "Stage": "training.stage",
    "audit": "pictures.audit",
    "check": "exercises",
    "claim": "experiments.claims",
    "dense": "features",
    "depends_on": "sweeps.function",
    "evaluate": "evaluation",
    "extract": "features",
    "feature_extraction": "training.recipes",
    "fine_tune": "training.recipes",
    "fit": "training.train",
    "fit_heads": "stacked.fit_heads",
    "from_scratch": "training.recipes",
    "gradual_unfreezing": "training.recipes",
    "here": "sources",
    "join_blocks": "surgery.joining",
    "leave": "handover",
    "load": "models",
    "load_head": "stacked.fit_heads",
    "load_images": "sources",
    "lr_find": "training.learning_rate",
    "model_names": "models",
    "new_head": "surgery.replace",
    "one_hot": "features",
    "open_model": "taking_home.opening",
    "pick_up": "handover",
    "pool": "sweeps.executors",
    "probe_then_fine_tune": "training.recipes",
    "record": "results",
    "replace_blocks": "surgery.replace",
    "restore": "surgery.replace",
    "say": "telling",
    "sweep": "sweeps.sweep",
    "wilson": "intervals",
}
__all__ = [*_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"course_lib has no name {name!r}; it has {', '.join(_HOME)}.")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
