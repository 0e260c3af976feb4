"""torchvision's classifiers as the course takes them: no auxiliary heads, and fed with what their weights were trained on.

    model = build("inception_v3", classes=1000)             # random weights
    weights = published("vit_b_16", "DEFAULT")              # downloaded once
    model = build("vit_b_16", classes=1000, state=weights.state)    # has these shapes, and no numbers yet

What a family needs and others do not is said here and nowhere else.
"""

from __future__ import annotations

import contextlib
import re
import warnings
from typing import Any

import torch
import torchvision
from torch import nn
from torch.overrides import TorchFunctionMode

from ..errors import CourseError
from ..weights import State, Weights, unwrapped

# Auxiliary heads serve pretraining only, and a chain of blocks has one output. `transform_input` turns ImageNet's
# normalisation into the one that these two were trained with (0.5, 0.5), as torchvision does for its own weights.
INCEPTIONS = ("googlenet", "inception_v3")
INCEPTION_OPTIONS = {"aux_logits": False, "transform_input": True, "init_weights": True}
# Names in files that torchvision published before it renamed these layers.
RENAMED = (
    (re.compile(r"(\.denselayer\d+\.(?:norm|conv))\.([12])\."), r"\1\2."),
    (re.compile(r"\.mlp\.linear_1\."), ".mlp.0."),
    (re.compile(r"\.mlp\.linear_2\."), ".mlp.3."),
)
LEAST = 32  # pixels: less than this is no picture


def names() -> list[str]:
    """Names of all classifiers in torchvision's registry."""
    return torchvision.models.list_models(module=torchvision.models)


def build(name: str, classes: int, state: State | None = None) -> nn.Module:
    """A classifier with random weights; with `state`, shaped for these weights and to be filled with them.

    Arguments:
        name: one of `names()`.
        classes: width of the head.
        state: parameters of the model that comes back are on the meta device then: they cost no time and no memory.
    """
    options: dict[str, Any] = dict(INCEPTION_OPTIONS) if name in INCEPTIONS else {}
    if state is not None and "encoder.pos_embedding" in state and "conv_proj.weight" in state:
        positions, patch = state["encoder.pos_embedding"], state["conv_proj.weight"]
        if positions.ndim == 3 and patch.ndim == 4:  # ViT: the class token, and a square of patches
            options["image_size"] = round((positions.shape[1] - 1) ** 0.5) * patch.shape[-1]
    with warnings.catch_warnings(), _Imaginary() if state is not None else contextlib.nullcontext():
        warnings.simplefilter("ignore", FutureWarning)
        return torchvision.models.get_model(name, weights=None, num_classes=classes, **options)


def sizes(name: str, model: nn.Module) -> tuple[int, int | None]:
    """The smallest size that the architecture takes, in pixels, and its only one if it has no choice."""
    fixed = 224 if name == "maxvit_t" else getattr(model, "image_size", None)  # the others have ViT's attribute
    if name.startswith("swin"):
        return LEAST, fixed  # its windows are padded; 224 in torchvision's table is what it was trained on
    return fixed or max(LEAST, *_entry(name, "DEFAULT").meta["min_size"]), fixed


def normalisation(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation that the published weights expect, for channels in 0 to 1."""
    preset = _entry(name, "DEFAULT").transforms()
    return tuple(preset.mean), tuple(preset.std)


def class_names(name: str) -> tuple[str, ...]:
    """ImageNet's 1000 class names, each once: "crane" stands twice in the list, and gets its number."""
    listed = _entry(name, "DEFAULT").meta["categories"]
    return tuple(n if listed.count(n) == 1 else f"{n} ({i})" for i, n in enumerate(listed))


def published(name: str, which: str, otherwise: str = "") -> Weights:
    """torchvision's own weights, downloaded once and read without pickle.

    Arguments:
        which: `DEFAULT`, or another entry such as `IMAGENET1K_V1`.
        otherwise: what else there is, for the message.

    Raises `CourseError` for an unknown entry, and when the download fails.
    """
    entry = _entry(name, which, otherwise)
    try:
        state = entry.get_state_dict(progress=False, check_hash=True, map_location="cpu", weights_only=True)
    except Exception as error:  # urllib raises many kinds: no network, refused, cut off, wrong hash
        raise CourseError(
            f"The weights of {name} could not be downloaded ({error}). Give the path of a local .safetensors file instead, "
            "or go on with model 'pawnet' and weights 'animals', which ship with the course."
        ) from error
    return Weights(state, class_names(name), f"torchvision {entry}")


def present_names(name: str, state: State) -> State:
    """The state with the names that torchvision gives its layers today, without the weights of auxiliary heads."""
    kept = {
        key: tensor
        for key, tensor in unwrapped(state).items()
        if not (name in INCEPTIONS and key.lower().startswith("aux"))
    }
    for old, new in RENAMED:
        kept = {old.sub(new, key): tensor for key, tensor in kept.items()}
    return kept


def _entry(name: str, which: str, otherwise: str = "") -> torchvision.models.WeightsEnum:
    entries = torchvision.models.get_model_weights(name).__members__
    if which not in entries:
        raise CourseError(
            f"weights={which!r} is not known for {name}; allowed are None (random), {', '.join(map(repr, entries))} "
            f"(torchvision's, downloaded once) or the path of a .safetensors file. {otherwise}".rstrip()
        )
    return entries[which]


class _Imaginary(TorchFunctionMode):
    """Weights that are made in this context have a shape and no numbers; what a layer computes for itself stays real.

    `torch.device("meta")` would also take the numbers that RegNet works its widths out with.
    """

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.empty and kwargs.get("device") is None:
            kwargs["device"] = "meta"
        return func(*args, **kwargs)
