"""One door to every network: the course's own PawNet, torchvision's classifiers, and a network of the reader's own.

    net = load("pawnet", classes=dogs.classes, weights="animals")
    net = load("mobilenet_v2", classes=dogs.classes, weights="path/to/mobilenet_v2.safetensors")
    net = load("resnet18", classes=dogs.classes, weights="DEFAULT")      # torchvision's own, from the network
    net = load(MyNet(), classes=dogs.classes)                            # any nn.Module that gives scores N,classes

`net.table()` numbers the blocks, and `frozen` counts them as Python counts list items.

    len(load("resnet50", ("cat", "dog")))        # 18: conv1, 16 residual blocks, fc; frozen=-4 trains layer4 and fc
    len(load("vgg16", ("cat", "dog")))           # 16: 13 convolutions, 3 linear layers; frozen=-3 trains the linear ones
    len(load("inception_v3", ("cat", "dog")))    # 17: 5 convolutions, 11 Inception modules, fc; frozen=-3 trains the last 3

Inception's auxiliary head is left out, and images are fed to it as torchvision feeds its pretrained one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .cutting import architectures
from .cutting.blocks import split
from .cutting.classifier_head import head_path, head_width, replace_head
from .cutting.own_model import adopt, core, count_scores, cut_own
from .errors import CourseError
from .network import Network, class_names
from .pawnet import SIZE, PawNet
from .training.draws import seeded
from .weights import State, Weights, check_card, fill, is_colour, read_shipped, read_weights, shipped_names, unwrapped

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PAWNET_MEAN, PAWNET_STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
LARGEST = 1024  # pixels


def model_names() -> list[str]:
    """Names that `load` takes: `pawnet` and every classifier in torchvision's registry."""
    return ["pawnet", *architectures.names()]


def load(
    model: str | nn.Module,
    classes: Sequence[str] | None = None,
    weights: str | Path | None = None,
    seed: int = 0,
    size: int | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Network:
    """Build a network with a head for `classes`, on a body with random or pretrained weights.

    A model of your own is copied and never changed. It keeps its head, with the weights in it, where that is as wide as
    there are classes; otherwise it gets a new one. `origin` says which.

    Arguments:
        model: `pawnet`, a torchvision classifier such as `resnet18`, or an `nn.Module` of your own that maps float images
            N,3,H,W to scores (logits) N,classes.
        classes: names of the classes. A named model gets a new head for them; None keeps the head that the weights bring.
        weights: None for random weights (for a model of your own, those it has); the name of a shipped upbringing of
            PawNet (`animals`); `DEFAULT` or another entry of torchvision's, downloaded once; or a file: .safetensors, or
            .pth with a plain state dict.
        seed: of the random weights: same seed, same weights.
        size: height and width that images are scaled to, in pixels; None for what the file's card says, or the one size
            that the network was made for (PawNet 64, ViT 224), or the size of the images where it takes any.
        mean, std: three numbers each, of the normalisation of channels in 0 to 1; None for what the file's card says, or
            what the published weights expect (ImageNet's for most of them, and for a model of your own).

    Raises `CourseError` for an unknown name, for weights that do not fit, and for a model that cannot be cut into blocks.
    """
    asked = None if classes is None else class_names(classes)
    model, own = (core(model), True) if isinstance(model, nn.Module) else (model, False)
    name = type(model).__name__ if isinstance(model, nn.Module) else _check_name(model)
    found = _find_weights(name, weights, own)
    if found:
        check_card(found)
    card = found.card if found else {}
    size = card.get("size") if size is None else size
    with seeded(seed):
        net = _own(model, found, asked, size) if isinstance(model, nn.Module) else _named(name, found, asked, size)
    return replace(net, mean=_colour("mean", mean, card, net.mean), std=_colour("std", std, card, net.std))


def _check_name(name: Any) -> str:
    if name in model_names() and isinstance(name, str):
        return name
    if not isinstance(name, str):
        what = f"the class {name.__name__}: call it first" if isinstance(name, type) else f"a {type(name).__name__}"
        raise CourseError(f"A model is a name or an nn.Module; received {what}. `model_names()` lists the names.")
    close = difflib.get_close_matches(name.lower(), model_names(), 8, 0.5) or ["pawnet", "resnet18", "mobilenet_v2"]
    raise CourseError(
        f"There is no model named {name!r}; near to it are {', '.join(close)}. `model_names()` lists all."
    )


def _find_weights(name: str, weights: str | Path | None, own: bool) -> Weights | None:
    if weights is None:
        return None
    text = str(weights)
    if isinstance(weights, Path) or re.search(r"[/\\]|\.(safetensors|pth|pt|pkl|bin|ckpt|h5|onnx)$", text):
        return read_weights(Path(weights))
    if own:
        raise CourseError(
            f"weights={text!r} is not known for a model of your own; allowed are None (the weights it has) or the path of a file."
        )
    if name == "pawnet":
        return read_shipped("pawnet", text)
    return architectures.published(name, text, f"PawNet has {', '.join(shipped_names('pawnet')) or 'none shipped'}.")


def _named(name: str, found: Weights | None, asked: tuple[str, ...] | None, size: int | None) -> Network:
    """PawNet or a torchvision classifier, with a new head for the classes that are asked for."""
    paw = name == "pawnet"
    state = found.state if found else None
    if state and not paw:
        state = architectures.present_names(name, state)
    model = _bare(name, 1000, state)
    width = _width(model, state)
    model = model if width == 1000 else _bare(name, width, state)
    known: tuple[str, ...] = ()
    if found:
        fill(model, state, name, found.origin)
        known = _known_names(found, width) or (architectures.class_names(name) if width == 1000 and not paw else ())
    if asked:
        replace_head(model, len(asked))
    elif not known:
        brings = f"weights from {found.origin} (a head of {width} classes without names)" if found else "random weights"
        raise CourseError(f"{name} with {brings} needs `classes`, the names for a new head; received None.")
    smallest, fixed = (SIZE, SIZE) if paw else architectures.sizes(name, model)
    size = _check_size(name, smallest, fixed, size)
    model = model.eval().to(memory_format=torch.channels_last)
    example = torch.randn(1, 3, *[size or max(64, smallest)] * 2, generator=torch.Generator().manual_seed(0))
    mean, std = (PAWNET_MEAN, PAWNET_STD) if paw else architectures.normalisation(name)
    origin = _origin(found, "random weights", new_head=bool(asked))
    return Network(name, model, split(model, example), asked or known, size, mean, std, origin, smallest=smallest)


def _own(given: nn.Module, found: Weights | None, asked: tuple[str, ...] | None, size: int | None) -> Network:
    """A copy of a reader's own model; its head is replaced only where its width is not that of the classes."""
    name, size = type(given).__name__, _check_size(type(given).__name__, 1, None, size)
    model = adopt(given)
    width = count_scores(model, size)
    if found:
        state = unwrapped(found.state, model.state_dict())
        if _width(model, state) != width:
            replace_head(model, _width(model, state))
        fill(model, state, name, found.origin)
        width = count_scores(model, size)
    names = asked or (_known_names(found, width) if found else ())
    if not names:
        raise CourseError(f"{name} gives {width} scores for an image and needs `classes`, their names; received None.")
    if width != len(names):
        if head_width(model) == width:
            replace_head(model, len(names))
        if count_scores(model, size) != len(names):
            raise CourseError(
                f"{name} gives {width} scores and there are {len(names)} classes; its last layer with weights ({head_path(model)}) "
                f"does not make the scores alone, so the course cannot replace it. Build the model for {len(names)} classes."
            )
    blocks = cut_own(model, size)
    origin = _origin(found, f"the weights that {name} came with", new_head=width != len(names))
    model = model.to(memory_format=torch.channels_last)
    return Network(name, model, blocks, names, size, IMAGENET_MEAN, IMAGENET_STD, origin)


def _bare(name: str, classes: int, state: State | None = None) -> nn.Module:
    return PawNet(classes) if name == "pawnet" else architectures.build(name, classes, state)


def _width(model: nn.Module, state: State | None) -> int:
    """How wide the head in these weights is; the model's own width where they do not tell."""
    head = (state or {}).get(head_path(model) + ".weight")
    return len(head) if head is not None and head.ndim >= 2 else head_width(model)


def _known_names(found: Weights, width: int) -> tuple[str, ...]:
    if found.classes and len(found.classes) != width:
        raise CourseError(
            f"{found.origin} has a head for {width} classes and names {len(found.classes)}: the two do not belong together. "
            "Use a file whose card and head agree."
        )
    return found.classes


def _check_size(name: str, smallest: int, fixed: int | None, asked: int | None) -> int | None:
    """The size to feed the network with."""
    if asked is None:
        return fixed
    if type(asked) is not int or not smallest <= asked <= (fixed or LARGEST):
        allowed = f"only {fixed}" if fixed else f"{smallest} to {LARGEST}"
        raise CourseError(f"size={asked!r} pixels was asked of {name}; it takes {allowed}.")
    return asked


def _colour(name: str, asked: Any, card: Mapping[str, Any], otherwise: Sequence[float]) -> tuple[float, float, float]:
    value = card.get(name, otherwise) if asked is None else asked
    if not is_colour(value, above=0 if name == "std" else None):
        rule = "above 0" if name == "std" else "for red, green and blue in 0 to 1"
        raise CourseError(f"{name}={value!r} is out of range; it is three numbers {rule}, such as {IMAGENET_STD}.")
    red, green, blue = map(float, value)
    return red, green, blue


def _origin(found: Weights | None, otherwise: str, new_head: bool) -> str:
    if found is None:
        return otherwise if otherwise == "random weights" or not new_head else f"{otherwise}, and a new head"
    return f"body from {found.origin}, with a new head" if new_head else f"weights from {found.origin}"
