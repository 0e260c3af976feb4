"""One training from start to end as a function of a config: what `course sweep` runs when no other function is named.

train_once({"weights": "animals", "recipe": "fine_tune", "per_class": 10, "frozen": -3, "lr": 1e-3, "seed": 0})
# {'val_accuracy': ..., 'test_accuracy': ..., 'steps': ..., 'seconds': ..., 'device': 'cpu float32'}
"""

from __future__ import annotations

import hashlib
import inspect
import json
import time
from collections import deque
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..augment import Augment
from ..devices import precision
from ..errors import CourseError
from ..images import ImageSet
from ..paths import weights_dir
from ..training.stage import Stage
from ..weights import sha256
from .function import depends_on
from .grid import Config

OWN = ("images", "per_class", "model", "weights", "size", "recipe", "seed", "device")
KNOB = "images."  # what starts so is an option of the image set: images.domain, images.size


def files_of(config: Config) -> str:
    """The state of all files that a config names: SHA-256 of the weights, names, sizes and times of the photos."""
    states = []
    weights, model = config.get("weights"), config.get("model", "pawnet")
    if weights is not None:
        candidates = (Path(str(weights)).expanduser(), weights_dir() / f"{model}_{weights}.safetensors")
        states += [_checksum(file, file.stat().st_mtime_ns) for file in candidates if file.is_file()][:1]
    folder = Path(str(config.get("images", "dogworld"))).expanduser()
    if folder.is_dir():
        for file in sorted(folder.rglob("*")):
            state = file.stat()
            states.append(f"{file.relative_to(folder).as_posix()} {state.st_size} {state.st_mtime_ns}")
    return hashlib.sha256("\n".join(states).encode()).hexdigest() if states else ""


@depends_on(files_of)
def train_once(config: Config) -> dict[str, Any]:
    """Load a network, train it by a recipe, and measure it.

    Arguments:
        config: any of
            images: a source as for `load_images` (default `dogworld`); its options as `images.domain`, `images.size` ...;
            per_class: training images a class, drawn by `seed` (default: all);
            model, weights, size: as for `load` (default `pawnet` with random weights);
            recipe: a function of recipes.py by name (default `feature_extraction`);
            seed: of the draw of images, of the new head and of the training (default 0);
            device: `cpu`, `cuda`, `mps` (default: the fastest).
            Every other name is an option of the recipe or of its stages: epochs, lr, frozen, decay, batch, augment ...;
            `augment` is a dict of the options of `Augment`.

    Returns val_accuracy and test_accuracy (0 to 1; val is None without a val split), steps, seconds of the training, and
    the device with its precision. Raises `CourseError` for a config that does not fit.
    """
    from ..evaluation import evaluate
    from ..models import load
    from ..training.train import fit

    recipe = _recipe(config)
    seed = config.get("seed", 0)
    knobs = {name.removeprefix(KNOB): value for name, value in config.items() if name.startswith(KNOB)}
    images = _images(config.get("images", "dogworld"), json.dumps(knobs, sort_keys=True))
    if config.get("per_class") is not None:
        images = images.subset(config["per_class"], seed)
    net = load(
        config.get("model", "pawnet"),
        classes=images.classes,
        weights=config.get("weights"),
        seed=seed,
        size=config.get("size"),
    )
    looks = any(stage.patience or stage.keep_best for stage in recipe)  # else at the end only: a look costs time
    start = time.perf_counter()
    records = fit(net, images, recipe, seed=seed, device=config.get("device"), validate_every=int(looks))
    (last,) = deque(records, maxlen=1)
    seconds = time.perf_counter() - start
    frozen = min(net.cut(stage.frozen) for stage in recipe)
    val = len(images.splits.get("val", ()))
    return {
        "val_accuracy": evaluate(net, images, "val", frozen=frozen).accuracy if val else None,
        "test_accuracy": evaluate(net, images, "test", frozen=frozen).accuracy,
        "steps": last.step,
        "seconds": seconds,
        "device": f"{net.device.type} {str(precision(net.device)).removeprefix('torch.')}",
    }


def _recipe(config: Config) -> list[Stage]:
    """The stages that a config asks for."""
    from ..training import recipes

    known = {
        name: make
        for name, make in vars(recipes).items()
        if inspect.isfunction(make) and make.__module__ == recipes.__name__ and not name.startswith("_")
    }
    name = config.get("recipe", "feature_extraction")
    if name not in known:
        raise CourseError(f"There is no recipe named {name!r}; there are {', '.join(known)}.")
    options = {key: value for key, value in config.items() if key not in OWN and not key.startswith(KNOB)}
    try:
        if isinstance(options.get("augment"), dict):
            options["augment"] = Augment(**options["augment"])
        return known[name](**options)
    except TypeError as error:
        raise CourseError(
            f"The recipe {name} cannot be made with {options} ({error}). A config has {', '.join(OWN)}, options of the images "
            f"as {KNOB}NAME, and options of the recipe."
        ) from error


@lru_cache(maxsize=1)  # runs of one process mostly share their images
def _images(source: str, knobs: str) -> ImageSet:
    from ..sources import load_images

    return load_images(source, **json.loads(knobs))


@lru_cache(maxsize=64)
def _checksum(file: Path, changed: int) -> str:
    return sha256(file)
