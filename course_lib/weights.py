"""Weights files: read without pickle, compared with their card and with the model before use.

weights = read_shipped("pawnet", "animals")     # SHA-256 compared with the card
weights.state["stem.0.weight"]
fill(model, weights.state, "pawnet", weights.origin)      # all of them and no other
"""

from __future__ import annotations

import hashlib
import json
import math
import pickle
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import nn

from .errors import CourseError
from .paths import weights_dir

State = Mapping[str, torch.Tensor]
WRAPPERS = ("module.", "_orig_mod.")  # what DataParallel and torch.compile put before each name


@dataclass(frozen=True)
class Weights:
    """Weights of a model, and what is known about them.

    Attributes:
        state: the state dict.
        classes: names of the classes that the head tells apart; empty when not known.
        origin: where the weights come from.
        card: what the file says about them: size, mean, std and more; may be empty.
    """

    state: State
    classes: tuple[str, ...]
    origin: str
    card: Mapping[str, Any] = field(default_factory=dict)


def shipped_names(model: str) -> list[str]:
    """Upbringings of a model that ship with the course, such as `animals`."""
    return sorted(path.stem.removeprefix(f"{model}_") for path in weights_dir().glob(f"{model}_*.safetensors"))


def read_shipped(model: str, name: str) -> Weights:
    """Weights in `data/weights/`, after their SHA-256 was found equal to the one on their card.

    Raises `CourseError` for an unknown name, a missing card or another checksum.
    """
    path = weights_dir() / f"{model}_{name}.safetensors"
    if not path.exists():
        raise CourseError(
            f"No weights named {name!r} ship for {model}; there are: {', '.join(shipped_names(model)) or 'none'}. "
            "Use one of these, None for random weights, or the path of a .safetensors file."
        )
    try:
        card = json.loads(path.with_suffix(".json").read_text())
        expected, classes = card["sha256"], tuple(card["classes"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CourseError(
            f"The card {path.with_suffix('.json')} is missing or damaged; get both files from the course again."
        ) from error
    found = sha256(path)
    if found != expected:
        raise CourseError(
            f"{path} has SHA-256 {found[:12]}..., its card says {expected[:12]}...: the file is damaged or was changed. "
            "Get it from the course again, or make both anew with `course pretrain " + name + "`."
        )
    held = read_weights(path)
    return Weights(held.state, classes, f"{model}/{name}", held.card)


def read_weights(path: Path) -> Weights:
    """A .safetensors file, or a .pth/.pt file that holds nothing but tensors.

    Raises `CourseError` for a missing or damaged file, and for a pickle with anything else inside: it could run code.
    """
    if not path.is_file():
        raise CourseError(
            f"There is no weights file {path}. Check the path; a .safetensors file or a .pth state dict is expected."
        )
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if path.suffix in (".pth", ".pt"):
        return Weights(_read_state_dict(path), (), path.name)
    raise CourseError(
        f"{path} ends in {path.suffix or 'nothing'}; weights are read from .safetensors, or from .pth state dicts."
    )


def _read_safetensors(path: Path) -> Weights:
    try:
        state = safetensors.torch.load_file(path)
        with safetensors.safe_open(path, "pt") as file:
            card = json.loads((file.metadata() or {}).get("card", "{}"))
            classes = tuple(map(str, card.get("classes", ())))
    except (safetensors.SafetensorError, AttributeError, TypeError, ValueError, OSError) as error:
        raise CourseError(
            f"{path} is not a safetensors file, or is cut off ({error}). Get it again; a pickle under this name is never opened."
        ) from error
    return Weights(state, classes, path.name, card)


def check_card(weights: Weights) -> None:
    """Raises `CourseError` when what a card says on how images are fed makes no sense."""
    size = weights.card.get("size")
    wrong = [] if size is None or (type(size) is int and size > 0) else ["size"]
    wrong += [
        n for n in ("mean", "std") if n in weights.card and not is_colour(weights.card[n], 0 if n == "std" else None)
    ]
    if wrong:
        raise CourseError(
            f"The card in {weights.origin} says {wrong[0]}={weights.card[wrong[0]]!r}, which no image can be fed with. "
            "Save the network anew, or give a file of another one."
        )


def is_colour(value: Any, above: float | None = None) -> bool:
    """Whether this is three finite numbers, one a channel, all above a limit if there is one."""
    try:
        numbers = [float(number) for number in value]
    except (TypeError, ValueError):
        return False
    return len(numbers) == 3 and all(math.isfinite(n) and (above is None or n > above) for n in numbers)


def _read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise CourseError(
            f"{path} is not a plain state dict: it is damaged, or a pickle that could run code when opened. "
            "Save the model's state dict as .safetensors and give that file."
        ) from error
    for wrapper in ("state_dict", "model"):  # as training scripts save it, beside other things
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor) for name, tensor in state.items()
    ):
        raise CourseError(
            f"{path} holds {type(state).__name__} and not a state dict of tensors. Save `model.state_dict()`."
        )
    return state


def unwrapped(state: State, wanted: Collection[str] = ()) -> State:
    """The state without the words that DataParallel or torch.compile put before every name, unless names are wanted so."""
    for wrapper in WRAPPERS:
        if state and all(name.startswith(wrapper) and name not in wanted for name in state):
            return unwrapped({name.removeprefix(wrapper): tensor for name, tensor in state.items()}, wanted)
    return state


def fill(model: nn.Module, state: State, name: str, origin: str) -> None:
    """Load weights into a model, all of them and no other; half precision becomes the model's own.

    Arguments:
        model: its parameters may be on the meta device; then they are replaced.
        name, origin: of the model and of the weights, for the message.

    Raises `CourseError` when tensors are missing, unknown, of another shape or of another kind (whole numbers for weights).
    """
    wanted = model.state_dict()
    # A count of batches that was saved as a float says nothing that is used, and may be infinite in half precision.
    counts = [k for k in wanted if k.endswith("num_batches_tracked")]
    state = {k: t for k, t in state.items() if not (k in counts and t.is_floating_point())}
    missing = [k for k in wanted if k not in state and k not in counts]
    unknown = [k for k in state if k not in wanted]
    shared = [k for k in wanted if k in state]
    misfits = [k for k in shared if state[k].shape != wanted[k].shape]
    strange = [k for k in shared if not _same_kind(state[k], wanted[k])]
    if missing or unknown or misfits or strange:
        raise CourseError(
            f"{origin} does not hold weights of {name}: of its {len(wanted)} tensors {len(missing)} are missing, "
            f"{len(misfits)} have another shape and {len(strange)} another kind of number, and the file has {len(unknown)} others "
            f"(first: {(misfits + strange + missing + unknown)[0]}). Name the model that the file was made for, or give a file of this one."
        )
    filled = OrderedDict((k, state[k].detach().to(t.dtype, copy=True) if k in state else t) for k, t in wanted.items())
    # The version of the layers that the names belong to; a file may not say it, and MNASNet asks for it.
    filled._metadata = wanted._metadata
    model.load_state_dict(filled, assign=any(parameter.is_meta for parameter in model.parameters()))


def _same_kind(tensor: torch.Tensor, wanted: torch.Tensor) -> bool:
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex() != wanted.is_complex():
        return False
    if wanted.is_floating_point() or wanted.is_complex():
        return tensor.is_floating_point() or tensor.is_complex()
    return not tensor.is_floating_point() or bool((tensor == tensor.round()).all())


def sha256(path: Path) -> str:
    """SHA-256 of a file, 64 hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
