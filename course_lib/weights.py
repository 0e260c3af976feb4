"""Weights files: read without pickle, checked against their card before use.

weights = read_shipped("pawnet", "animals")     # SHA-256 compared with the card
weights.state["stem.0.weight"]
"""

from __future__ import annotations

import hashlib
import json
import pickle
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch

from .errors import CourseError
from .paths import weights_dir


@dataclass(frozen=True)
class Weights:
    """A state dict, the class names that its head tells apart (empty when not known), and where it comes from."""

    state: dict[str, torch.Tensor]
    classes: tuple[str, ...]
    origin: str


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
    return Weights(read_weights(path).state, classes, f"{model}/{name}")


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
    return Weights(state, classes, path.name)


def _read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise CourseError(
            f"{path} is not a plain state dict: it is damaged, or a pickle that could run code when opened. "
            "Save the model's state dict as .safetensors and give that file."
        ) from error
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor) for name, tensor in state.items()
    ):
        raise CourseError(
            f"{path} holds {type(state).__name__} and not a state dict of tensors. Save `model.state_dict()`."
        )
    return state


def sha256(path: Path) -> str:
    """SHA-256 of a file, 64 hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
