"""`net.export`: a network becomes a file that needs nothing else, and that was opened again before it got its name.

    net.export("dogs.safetensors", dogs, licence="own photos")
    net.export("dogs.safetensors", dogs, dtype=torch.float16)     # half the size; measured as it is written
    net.export("dogs.onnx", dogs)                                 # for other programs (onnx_file.py)

A network that a name builds (`pawnet`, `resnet18`) opens by its file alone. One with layers of the reader's own, or
with blocks replaced or joined, is written too, and `open_model` then asks for the layers: a file that could bring code
with it would be a danger to whoever opens it.
"""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from .. import __version__
from ..errors import CourseError
from ..images import ImageSet
from ..models import load
from ..network import Network
from ..surgery.replace import restore
from ..vectors import VectorNetwork
from .card import FORMAT, RULE, Card
from .measuring import Measured, look, measure
from .model_file import Proven, read_model, write_model

OTHERWISE = 224  # pixels, for a network that takes any size and is exported without images
NUMBERS = {None: "float32", torch.float32: "float32", torch.float16: "float16", torch.bfloat16: "bfloat16"}
LONGEST = 1000  # letters of a licence or a note


def export(
    net: Network,
    path: str | Path,
    images: ImageSet | None = None,
    *,
    licence: str | None = None,
    note: str | None = None,
    dtype: torch.dtype | None = None,
) -> Path:
    """Write a network with its card; see `Network.export`, which is the door to this."""
    path = Path(path).expanduser()
    if path.suffix not in (".safetensors", ".onnx"):
        raise CourseError(
            f"A network is exported as .safetensors or .onnx; received {path.name}. Name it {path.stem}.safetensors."
        )
    if path.suffix == ".onnx":
        from .onnx_file import export_onnx

        if dtype not in (None, torch.float32):
            raise CourseError(
                f"dtype={dtype} is for .safetensors files; an ONNX file of the course holds float32. Leave dtype out."
            )
        return export_onnx(path, *measured_copy(net, images, licence, note, None), images)
    new, measured, card = measured_copy(net, images, licence, note, dtype)
    new = new.to("cpu")  # where a model is opened; a GPU may give other last digits
    state = {n: t.to(dtype) if dtype and t.is_floating_point() else t for n, t in new.model.state_dict().items()}
    scores = look(new, example(card["pictures"]["size"]))[0]
    more = {"example_scores": scores, **(measured.familiar.tensors() if measured.familiar else {})}
    for built_by in ("name", "hand"):
        card["built_by"] = built_by
        with Proven(path) as hidden:
            write_model(hidden.path, state, card, more)
            found = _opened_again(new, hidden.path, built_by)
            if found is not None and torch.equal(look(found, example(card["pictures"]["size"]))[0], scores):
                hidden.keep()
                return path
    raise CourseError(
        f"{net.name} gives other scores after it was written and read again, so {path.name} was not kept. Please report this."
    )


def measured_copy(
    net: Network, images: ImageSet | None, licence: str | None, note: str | None, dtype: torch.dtype | None
) -> tuple[Network, Measured, Card]:
    """A copy of a network with the weights that a file will hold, what was measured with it, and its card.

    The copy works in float32 throughout, so that a model says the same on every machine.

    Raises `CourseError` for what cannot be exported.
    """
    if isinstance(net, VectorNetwork):
        raise CourseError(
            f"{net.name} takes features in place of pictures, so a file of it could not look at any. Export the network that pictures go into."
        )
    if images is not None and tuple(images.classes) != net.classes:
        raise CourseError(
            f"{images.name} has the classes {', '.join(images.classes)}; the network tells apart {', '.join(net.classes)}. Give the "
            "images that it was trained on."
        )
    for name, text in (("licence", licence), ("note", note)):
        if text is not None and (not isinstance(text, str) or not text.strip() or len(text) > LONGEST):
            raise CourseError(f"{name}={text!r}: a text of 1 to {LONGEST} letters is needed, or None.")
    if dtype not in NUMBERS:
        raise CourseError(f"dtype={dtype} is not known; it is None (float32), torch.float16 or torch.bfloat16.")
    new = replace(net.copy(), precision=torch.float32)
    for name, tensor in new.model.state_dict().items():
        if tensor.is_floating_point():
            if dtype:
                tensor.copy_(tensor.to(dtype))
            if not bool(tensor.isfinite().all()):
                how = f" in {NUMBERS[dtype]}" if dtype else ""
                raise CourseError(
                    f"The weights {name} of {net.name} are not finite{how}. Train again with a lower rate{', or export in float32' * bool(how)}."
                )
    measured = measure(new, images) if images is not None else Measured()
    return new, measured, _card(new, images, measured, licence, note, NUMBERS[dtype])


def example(size: int) -> torch.Tensor:
    """Two pictures that anyone can make again, uint8 2,3,size,size: one rough, one smooth."""
    place = torch.arange(3 * size * size).view(3, size, size)
    rough = (place * 7919 + place // 13 * 104729) % 256
    column = torch.arange(size).view(1, 1, size) * 255 // max(1, size - 1)
    smooth = torch.cat(
        [column.expand(1, size, size), column.transpose(1, 2).expand(1, size, size), 255 - column.expand(1, size, size)]
    )
    return torch.stack([rough, smooth]).to(torch.uint8)


def _opened_again(net: Network, path: Path, built_by: str) -> Network | None:
    """The network as the file gives it; None where its name builds another one."""
    read_model(path)
    try:
        found = restore(net, path) if built_by == "hand" else load(net.name, weights=path)
    except CourseError:
        if built_by == "hand":
            raise
        return None
    return replace(found, precision=torch.float32)


def _card(
    net: Network, images: ImageSet | None, measured: Measured, licence: str | None, note: str | None, number: str
) -> Card:
    size = images.size if images is not None else net.size or max(net.smallest, OTHERWISE)
    facts: dict[str, Any] = {
        "format": FORMAT, "model": net.name, "classes": list(net.classes), "size": net.size, "mean": list(net.mean),
        "std": list(net.std), "origin": net.origin, "built_by": "name", "number": number,
        "pictures": {"size": size, "rule": RULE}, **measured.facts, "licence": licence or "not stated", "note": note,
        "course": __version__, "torch": str(torch.__version__),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }  # fmt: skip
    return Card(facts)
