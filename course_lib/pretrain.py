"""The upbringings of PawNet that ship with the course: `course pretrain animals` makes weights and card anew.

    path = pretrain("animals", progress=print)

The card beside the weights says what they were trained on, how good they are on held-out images, and how to repeat it.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from .augment import Augment
from .errors import CourseError
from .evaluation import evaluate
from .images import ImageSet
from .intervals import wilson
from .models import load
from .paths import atomic, weights_dir
from .sources import load_images
from .stage import Stage
from .train import fit
from .weights import sha256

SEED = 0
EPOCHS = 24
# Directions are kept (no mirror image): dogs that face left and right are both drawn, and one task asks for it.
AUGMENT = Augment(flip=False, shift=0.08, scale=0.1, rotate=8, brightness=0.2, contrast=0.2)


def animals() -> ImageSet:
    """The 40 source breeds of dogworld."""
    return load_images("dogworld", which="source", seed=SEED)


UPBRINGINGS: dict[str, tuple[Callable[[], ImageSet], str]] = {
    "animals": (animals, "dogworld, which='source': 40 breeds of dogs drawn by the course"),
}


def pretrain(name: str, *, progress: Callable[[str], None], epochs: int = EPOCHS, out: Path | None = None) -> Path:
    """Train PawNet on an upbringing, measure it on held-out images, and write weights (float16) and card.

    Arguments:
        name: `animals`.
        progress: called with a line of text at the end of each epoch.
        epochs: passes over the training images.
        out: folder to write to; by default `data/weights/`, which the lessons read.

    Returns the path of the .safetensors file. Raises `CourseError` for an unknown name.
    """
    if name not in UPBRINGINGS:
        raise CourseError(f"There is no upbringing named {name!r}; there are: {', '.join(UPBRINGINGS)}.")
    make, description = UPBRINGINGS[name]
    progress(f"{name}: drawing or reading the images")
    images = make()
    net = load("pawnet", classes=images.classes, seed=SEED)
    stage = Stage(epochs=epochs, lr=4e-3, batch=128, weight_decay=5e-2, augment=AUGMENT, views=epochs, name=name)
    start = time.perf_counter()
    for record in fit(net, images, stage, seed=SEED):
        if record.val:
            progress(
                f"{name}: epoch {record.epoch}/{epochs}, accuracy on val {record.val.accuracy:.1%}, {record.seconds:.0f} s"
            )
    seconds = time.perf_counter() - start
    folder = out or weights_dir()
    path = net.save(folder / f"pawnet_{name}.safetensors", dtype=torch.float16)
    shipped = load("pawnet", weights=path)  # what is reported is what a reader gets, float16 and all
    card = (
        _card(name, description, images, net.device, seconds, epochs)
        | _accuracy(shipped, images)
        | {
            "parameters": sum(p.numel() for p in net.model.parameters()),
            "bytes": path.stat().st_size,
            "sha256": sha256(path),
            "classes": list(images.classes),
        }
    )
    with atomic(path.with_suffix(".json")) as file:
        file.write((json.dumps(card, indent=1) + "\n").encode())
    progress(
        f"{name}: accuracy on {card['test_images']} held-out images {card['test_accuracy']:.1%}; wrote {path.name} and its card"
    )
    return path


def _accuracy(net: Any, images: ImageSet) -> dict[str, Any]:
    result = evaluate(net, images, "test")
    low, high = wilson(result.accuracy, len(result.rows))
    return {
        "test_accuracy": round(result.accuracy, 4),
        "test_interval_95": [round(low, 4), round(high, 4)],
        "test_images": len(result.rows),
    }


def _card(
    name: str, description: str, images: ImageSet, device: torch.device, seconds: float, epochs: int
) -> dict[str, Any]:
    return {
        "model": "pawnet",
        "name": name,
        "data": description,
        "data_checksum": images.checksum,
        "train_images": len(images.rows("train")),
        "epochs": epochs,
        "seed": SEED,
        "command": f"course pretrain {name}",
        "seconds": round(seconds),
        "machine": machine(device),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "date": datetime.date.today().isoformat(),
        "licence": "CC BY 4.0",
    }


def machine(device: torch.device) -> str:
    """What a result was worked out on, in words and without a host name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{os.cpu_count()} CPU cores, {platform.system()} {platform.machine()}"
