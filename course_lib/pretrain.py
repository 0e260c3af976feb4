"""The upbringings of PawNet that ship with the course: `course pretrain animals` makes weights and card anew.

    path = pretrain("animals", progress=print)
    path = pretrain("photos", progress=print, images="imagenette2-160")

The card beside the weights says what they were trained on, how good they are on held-out images, and how to repeat it.
What each upbringing is made of stands in upbringings.py.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from .devices import precision
from .errors import CourseError
from .evaluation import evaluate
from .images import ImageSet
from .intervals import wilson
from .models import load
from .network import Network
from .paths import atomic, weights_dir
from .training.stage import Stage
from .training.train import fit
from .upbringings import AUGMENT, EARLY, SEED, UPBRINGINGS, Upbringing
from .weights import sha256

__all__ = ["AUGMENT", "UPBRINGINGS", "machine", "pretrain"]

Facts = dict[str, Any]


def pretrain(
    name: str,
    *,
    progress: Callable[[str], None],
    epochs: int | None = None,
    images: str | Path | None = None,
    out: Path | None = None,
) -> Path:
    """Train PawNet on an upbringing, measure it on held-out images, and write weights (float16) and card.

    Arguments:
        name: one of `UPBRINGINGS`: `animals`, `photos`, `textures`, `digits`, `shuffled`.
        progress: called with a line of text, about ten times in all.
        epochs: passes over the training images; None for as many as the shipped net had.
        images: folder to read the photos from, for `photos` and no other.
        out: folder to write to; by default `data/weights/`, which the lessons read.

    Returns the path of the .safetensors file. `animals` also leaves what it was after 1/8, 1/4 and 1/2 of the steps.
    Files that are there already stay as they are until the end: an interrupted run leaves no net without its card.
    Raises `CourseError`, before any work, for an unknown name, a folder of images that is missing or not needed, and a
    folder that cannot be written to.
    """
    folder = out or weights_dir()
    upbringing = _check(name, images, folder)
    epochs = upbringing.epochs if epochs is None else epochs
    stage = Stage(epochs=epochs, lr=4e-3, batch=128, weight_decay=5e-2, name=name)
    if upbringing.augment:
        stage = replace(stage, augment=upbringing.augment, views=epochs)  # a new view in each epoch
    progress(f"{name}: drawing or reading the images")
    data = upbringing.images(images)
    net = load("pawnet", classes=data.classes, seed=SEED)
    card = _card(name, upbringing, data, epochs, images)
    early: dict[str, tuple[Network, Facts]] = {}
    start, cpu = time.perf_counter(), time.process_time()
    for record in fit(net, data, stage, seed=SEED, validate_every=max(1, epochs // 8)):
        for ending in upbringing.early:
            if record.step == max(1, round(EARLY[ending] * record.steps)):
                spent = {"epochs": EARLY[ending] * epochs, "steps": record.step, **_spent(start, cpu)}
                early[ending] = net.copy(), spent
        if record.val:
            progress(
                f"{name}: epoch {record.epoch}/{epochs}, loss {record.loss:.2f}, accuracy on val {record.val.accuracy:.1%}, "
                f"{record.seconds:.0f} s"
            )
    card |= {"steps": record.steps, "machine": machine(net.device), "precision": str(precision(net.device))[6:]}
    card |= _spent(start, cpu)
    for ending, (state, facts) in early.items():
        part = f"the state of {name} after {facts['steps']} of its {card['steps']} steps, in the same run"
        its_card = card | {"name": f"{name}-{ending}", "checkpoint": part} | facts
        _write(state, folder / f"pawnet_{name}-{ending}.safetensors", its_card, data)
    path = folder / f"pawnet_{name}.safetensors"
    written = _write(net, path, card, data)
    progress(
        f"{name}: accuracy on {written['test_images']} held-out images {written['test_accuracy']:.1%}; "
        f"wrote {path.name} and its card"
    )
    return path


def _check(name: str, images: str | Path | None, folder: Path) -> Upbringing:
    """The upbringing of this name, after all that could go wrong was looked at."""
    if name not in UPBRINGINGS:
        whole, _, ending = name.rpartition("-")
        if ending in EARLY and whole in UPBRINGINGS and ending in UPBRINGINGS[whole].early:
            raise CourseError(f"{name} is an early state of {whole}: `course pretrain {whole}` writes both.")
        raise CourseError(f"There is no upbringing named {name!r}; there are: {', '.join(UPBRINGINGS)}.")
    if images is not None and not UPBRINGINGS[name].folder:
        raise CourseError(
            f"A folder of images ({images}) was given for {name}, which the course draws itself. "
            "Only photos takes one; leave it away."
        )
    with atomic(
        folder / f".{name}.trial"
    ):  # a folder that cannot be written to is found out now, not after the training
        pass
    (folder / f".{name}.trial").unlink()
    return UPBRINGINGS[name]


def _write(net: Network, path: Path, card: Facts, images: ImageSet) -> Facts:
    """Write a net and, measured on what a reader will get (float16 and all), its card; the card comes back."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        draft = net.save(Path(place) / path.name, dtype=torch.float16)
        card = card | _accuracy(load("pawnet", weights=draft), images)
        card |= {
            "parameters": sum(p.numel() for p in net.model.parameters()),
            "bytes": draft.stat().st_size,
            "sha256": sha256(draft),
            "classes": list(images.classes),
        }
        with atomic(path) as file:
            file.write(draft.read_bytes())
    with atomic(path.with_suffix(".json")) as file:
        file.write((json.dumps(card, indent=1) + "\n").encode())
    return card


def _accuracy(net: Network, images: ImageSet) -> Facts:
    """Shares of right answers: on the images it learned from, on those for choices, and on those for the report."""
    result = evaluate(net, images, "test")
    low, high = wilson(result.accuracy, len(result.rows))
    return {
        "train_accuracy": round(evaluate(net, images, "train").accuracy, 4),
        "val_accuracy": round(evaluate(net, images, "val").accuracy, 4),
        "test_accuracy": round(result.accuracy, 4),
        "test_interval_95": [round(low, 4), round(high, 4)],
        "test_images": len(result.rows),
        "chance": round(1 / len(images.classes), 4),
    }


def _card(name: str, upbringing: Upbringing, data: ImageSet, epochs: int, images: str | Path | None) -> Facts:
    command = f"course pretrain {name}" + (" --images FOLDER" if images is not None else "")
    return {
        "model": "pawnet",
        "name": name,
        "data": upbringing.data(data),
        "data_checksum": data.checksum,
        "train_images": len(data.rows("train")),
        "epochs": epochs,
        "seed": SEED,
        "command": command + ("" if epochs == upbringing.epochs else f" --epochs {epochs}"),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "date": datetime.date.today().isoformat(),
        "licence": "CC BY 4.0",
    }


def _spent(start: float, cpu: float) -> Facts:
    """Time since the start: on the clock, and of the processor (the difference is waiting, or other programs)."""
    return {"seconds": round(time.perf_counter() - start), "cpu_seconds": round(time.process_time() - cpu)}


def machine(device: torch.device) -> str:
    """What a result was worked out on, in words and without a host name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{torch.get_num_threads()} of {os.cpu_count()} CPU cores, {platform.system()} {platform.machine()}"
