"""One door to every network: the course's own PawNet and torchvision's classifiers, with or without weights.

net = load("pawnet", classes=dogs.classes, weights="animals")
net = load("mobilenet_v2", classes=dogs.classes, weights="path/to/mobilenet_v2.safetensors")
net = load("resnet18", classes=dogs.classes, weights="DEFAULT")      # torchvision's own, from the network
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
import torchvision
from torch import nn

from .blocks import head_path, split
from .errors import CourseError
from .network import Network, class_names
from .pawnet import SIZE, PawNet
from .weights import Weights, read_shipped, read_weights, shipped_names

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PAWNET_MEAN, PAWNET_STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


def model_names() -> list[str]:
    """Names that `load` takes: `pawnet` and every classifier in torchvision's registry."""
    return ["pawnet", *torchvision.models.list_models(module=torchvision.models)]


def load(
    name: str,
    classes: Sequence[str] | None = None,
    weights: str | Path | None = None,
    seed: int = 0,
    size: int | None = None,
) -> Network:
    """Build a network with a new head for `classes`, on a body with random or pretrained weights.

    Arguments:
        name: `pawnet` or a torchvision classifier, such as `resnet18`.
        classes: names of the classes of the new head; None keeps the head that the weights bring.
        weights: None for random weights; the name of a shipped upbringing of PawNet (`animals`); `DEFAULT` for
            torchvision's own, downloaded once; or a file: .safetensors, or .pth with a plain state dict.
        seed: of the random weights: same seed, same weights.
        size: height and width that images are scaled to, in pixels; None for the one size that the network was made
            for (PawNet 64, ViT 224), or the size of the images where it takes any.

    Raises `CourseError` for an unknown name, and for weights that do not fit.
    """
    if name not in model_names():
        close = [other for other in model_names() if other.split("_")[0][:4] == name[:4]] or [
            "pawnet",
            "resnet18",
            "mobilenet_v2",
        ]
        raise CourseError(
            f"There is no model named {name!r}; near to it are {', '.join(close[:8])}. `model_names()` lists all."
        )
    found = _find_weights(name, weights)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _build(name, found)
        source_classes = _load_state(name, model, found) if found else None
        if classes is not None:
            names = class_names(classes)
            _replace_head(model, len(names))
        elif source_classes:
            names = source_classes
        else:
            width = model.get_submodule(head_path(model)).weight.shape[0]
            what = (
                f"weights from {found.origin} (a head of {width} classes without names)" if found else "random weights"
            )
            raise CourseError(f"{name} with {what} needs `classes`, the names for a new head; received None.")
    own = name == "pawnet"
    size = _check_size(name, SIZE if own else getattr(model, "image_size", None), size)
    example = torch.randn(2, 3, *[size or _smallest(name)] * 2, generator=torch.Generator().manual_seed(0))
    return Network(
        name=name,
        model=model.eval().to(memory_format=torch.channels_last),
        blocks=split(model, example),
        classes=names,
        size=size,
        mean=PAWNET_MEAN if own else IMAGENET_MEAN,
        std=PAWNET_STD if own else IMAGENET_STD,
        origin=_origin(found, classes),
    )


def _find_weights(name: str, weights: str | Path | None) -> Weights | None:
    if weights is None:
        return None
    text = str(weights)
    if isinstance(weights, Path) or re.search(r"[/\\]|\.(safetensors|pth|pt|pkl|bin|ckpt|h5|onnx)$", text):
        return read_weights(Path(weights))
    if name == "pawnet":
        return read_shipped("pawnet", text)
    if text == "DEFAULT":
        return _download(name)
    raise CourseError(
        f"weights={text!r} is not known for {name}; allowed are None (random), 'DEFAULT' (torchvision's, downloaded once) "
        f"or the path of a .safetensors file. PawNet has {', '.join(shipped_names('pawnet')) or 'none shipped'}."
    )


def _download(name: str) -> Weights:
    entry = torchvision.models.get_model_weights(name).DEFAULT
    try:
        state = entry.get_state_dict(progress=False, check_hash=True)
    except Exception as error:  # urllib raises many kinds: no network, refused, cut off, wrong hash
        raise CourseError(
            f"The weights of {name} could not be downloaded ({error}). Give the path of a local .safetensors file instead, "
            "or go on with model 'pawnet' and weights 'animals', which ship with the course."
        ) from error
    return Weights(state, _imagenet_names(name), f"torchvision {entry}")


def _build(name: str, found: Weights | None) -> nn.Module:
    """The bare architecture, with a head as wide as the one in the weights."""
    model = _bare(name, 1000)
    width = _head_width(model, found) if found else 1000
    return model if width == 1000 else _bare(name, width)


def _bare(name: str, classes: int) -> nn.Module:
    if name == "pawnet":
        return PawNet(classes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # inception and googlenet announce a new default
        model = torchvision.models.get_model(name, weights=None, num_classes=classes)
    _remove_aux(model)
    return model


def _head_width(model: nn.Module, found: Weights) -> int:
    head = found.state.get(head_path(model) + ".weight")
    return len(head) if head is not None and head.ndim >= 2 else 1000


def _load_state(name: str, model: nn.Module, found: Weights) -> tuple[str, ...]:
    """Load the weights, all of them and no other; the class names of their head come back, empty when not known."""
    wanted = model.state_dict()
    state = {key: tensor for key, tensor in found.state.items() if key in wanted or not _is_aux(key)}
    missing = [key for key in wanted if key not in state and not key.endswith("num_batches_tracked")]
    unknown = [key for key in state if key not in wanted]
    misfits = [key for key in wanted if key in state and state[key].shape != wanted[key].shape]
    if missing or unknown or misfits:
        raise CourseError(
            f"{found.origin} does not hold weights of {name}: of its {len(wanted)} tensors {len(missing)} are missing and "
            f"{len(misfits)} have another shape, and the file has {len(unknown)} others (first: {(misfits + missing + unknown)[0]}). "
            "Name the model that the file was made for, or give a file of this one."
        )
    model.load_state_dict(state, strict=False)  # all keys are compared above; num_batches_tracked may be absent
    width = _head_width(model, found)
    if found.classes and len(found.classes) != width:
        raise CourseError(
            f"{found.origin} has a head for {width} classes and names {len(found.classes)}: the two do not belong together. "
            "Use a file whose card and head agree."
        )
    return found.classes or (_imagenet_names(name) if width == 1000 and name != "pawnet" else ())


def _imagenet_names(name: str) -> tuple[str, ...]:
    names = torchvision.models.get_model_weights(name).DEFAULT.meta["categories"]
    return tuple(n if names.count(n) == 1 else f"{n} ({i})" for i, n in enumerate(names))  # "crane" stands twice


def _replace_head(model: nn.Module, classes: int) -> None:
    path = head_path(model)
    old = model.get_submodule(path)
    if isinstance(old, nn.Linear):
        new: nn.Module = nn.Linear(old.in_features, classes, bias=old.bias is not None)
    elif isinstance(old, nn.Conv2d):
        new = nn.Conv2d(old.in_channels, classes, old.kernel_size, old.stride, old.padding, bias=old.bias is not None)
    else:
        raise CourseError(
            f"The head at {path} is a {type(old).__name__}; the course replaces nn.Linear and nn.Conv2d heads."
        )
    parent, _, child = path.rpartition(".")
    setattr(model.get_submodule(parent), child, new)


def _remove_aux(model: nn.Module) -> None:
    """Auxiliary heads (Inception, GoogLeNet) serve pretraining only; the chain has one output."""
    for key in [key for key, _ in model.named_children() if _is_aux(key)]:
        setattr(model, key, None)
    if getattr(model, "aux_logits", False) is True:
        model.aux_logits = False


def _is_aux(key: str) -> bool:
    return key.lower().startswith("aux")


def _smallest(name: str) -> int:
    meta = torchvision.models.get_model_weights(name).DEFAULT.meta
    return max(64, *meta.get("min_size", (64, 64)))


def _check_size(name: str, fixed: int | None, asked: int | None) -> int | None:
    """The size to feed the network with."""
    if asked is None:
        return fixed
    smallest = fixed or _smallest(name)
    if not smallest <= asked <= (fixed or 1024):
        allowed = f"only {fixed}" if fixed else f"{smallest} to 1024"
        raise CourseError(f"size={asked} pixels was asked of {name}; it takes {allowed}.")
    return asked


def _origin(found: Weights | None, classes: Sequence[str] | None) -> str:
    if found is None:
        return "random weights"
    return f"weights from {found.origin}" if classes is None else f"body from {found.origin}, with a new head"
