"""The bytes of a model's file: weights as any program reads them, and in the header a card, further numbers and a seal.

    write_model(path, state, card, more)
    held = read_model(path)             # state, card (still unchecked), more; damaged files are refused

The file is safetensors, so nothing in it can run. Its header holds `card` (JSON), `more` (tensors, as base64 of another
safetensors file: other programs would take them for weights) and `seal`, the SHA-256 of all of that.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import glob
import hashlib
import json
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from ..errors import CourseError
from ..paths import atomic
from ..pictures.found import printable

State = Mapping[str, torch.Tensor]
ABANDONED = 3600  # seconds after which nobody writes at a hidden file any more


@dataclass(frozen=True)
class Held:
    """What a file holds.

    Attributes:
        state: weights by name.
        card: as it stands there; see `card.check_card`.
        more: further tensors by name.
    """

    state: State
    card: Any
    more: State


def write_model(path: Path, state: State, card: Mapping[str, Any], more: State) -> None:
    """Write a model's file; it appears when it is complete. Raises `CourseError` where it cannot be written."""
    # Copies, as two names may share one tensor, and safetensors refuses that.
    state = {n: t.detach().cpu().clone(memory_format=torch.contiguous_format) for n, t in state.items()}
    header = {"card": json.dumps(card, allow_nan=False), "more": _packed(more)}
    header["seal"] = _seal(header, state)
    write_bytes(path, safetensors.torch.save(state, metadata=header))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole. Raises `CourseError` where it cannot be written."""
    with atomic(path) as file:
        file.write(data)


def read_model(path: Path) -> Held:
    """Read a model's file whole and compare it with its seal.

    Raises `CourseError` where there is no such file, where it is damaged, and where it is no export of the course.
    """
    name = printable(path.name)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise CourseError(f"The model {printable(str(path))} {what}. Give the .safetensors file that net.export wrote.")
    if path.suffix == ".onnx":
        raise CourseError(
            f"{name} is an ONNX file, for other programs such as onnxruntime. Open the .safetensors export of the model."
        )
    if path.suffix != ".safetensors":
        raise CourseError(
            f"{name} does not end in .safetensors. Models are opened from these alone: other kinds could run code."
        )
    try:
        with safetensors.safe_open(path, "pt") as file:
            header = dict(file.metadata() or {})
            state = {key: file.get_tensor(key) for key in file.keys()}
    except (safetensors.SafetensorError, OSError, ValueError, TypeError, KeyError, RuntimeError, MemoryError) as error:
        raise CourseError(
            f"{name} is no safetensors file, or is cut off ({_first_line(error)}). Get it again."
        ) from error
    if not {"card", "more", "seal"} <= header.keys():
        raise CourseError(
            f"{name} holds weights and no card of `net.export`. Open it with `load(name, classes, weights=path)`, or export the "
            "network anew."
        )
    if _seal(header, state) != header["seal"]:
        raise CourseError(f"{name} is damaged: it is not what was written (its SHA-256 differs). Get it again.")
    try:
        return Held(state, json.loads(header["card"]), _unpacked(header["more"]))
    except (ValueError, RecursionError, binascii.Error, safetensors.SafetensorError) as error:
        raise CourseError(f"The card in {name} cannot be read ({_first_line(error)}). Get the file again.") from error


class Proven:
    """A hidden file beside `path` that takes this name with `keep()`, after it was looked at; without it, it is removed.

    A kill leaves the hidden file at most, and what was at `path` before; a later export removes it.
    """

    def __init__(self, path: Path) -> None:
        self.goal, self.begins = path, f".{path.stem[:40]}."
        self.path = path.with_name(f"{self.begins}{secrets.token_hex(6)}.part{path.suffix}")

    def __enter__(self) -> Proven:
        for old in self.goal.parent.glob(f"{glob.escape(self.begins)}*.part*"):
            with contextlib.suppress(OSError):
                if time.time() - old.stat().st_mtime > ABANDONED:
                    old.unlink()
        return self

    def keep(self) -> None:
        """Give the file its name. Raises `CourseError` where it cannot have it."""
        try:
            os.replace(self.path, self.goal)
        except OSError as error:
            raise CourseError(
                f"Could not write {printable(str(self.goal))} ({error.strerror}). Choose another name or folder."
            ) from error

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self.path.unlink()


def _seal(header: Mapping[str, str], state: State) -> str:
    """SHA-256 of card, further tensors and weights: their names, kinds of numbers, shapes and bytes. 64 hex digits."""
    digest = hashlib.sha256()
    for key in ("card", "more"):
        digest.update(f"{key} {len(header[key])} ".encode())
        digest.update(header[key].encode("utf-8", "surrogatepass"))
    for name, tensor in sorted(state.items()):
        digest.update(f"{name!r} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _packed(tensors: State) -> str:
    return base64.b64encode(safetensors.torch.save(dict(tensors))).decode()


def _unpacked(text: str) -> dict[str, torch.Tensor]:
    return safetensors.torch.load(base64.b64decode(text, validate=True))


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).split("\n")[0][:200]
