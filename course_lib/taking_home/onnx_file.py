"""A model for other programs: ONNX, with everything from pixels to probabilities inside, checked before it gets its name.

    net.export("dogs.onnx", dogs)                                # pip install onnx onnxruntime
    session = onnxruntime.InferenceSession("dogs.onnx")
    probabilities, distance = session.run(None, {"pixels": pixels})       # uint8 N,3,size,size -> float N,classes and N

Normalisation, temperature and softmax are part of the graph. The card is in the file's metadata under `card`; what is
below its threshold, or farther than its familiar limit, is none of the classes. Without `images` there is no `distance`.
"""

from __future__ import annotations

import contextlib
import io
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from ..errors import CourseError
from ..images import ImageSet
from ..network import Network
from ..pictures.found import printable
from ..surgery.joining import Pool
from .calibration import calibrated
from .card import Card
from .exporting import example
from .measuring import Measured, look
from .model_file import Proven, write_bytes

OPSET = 17
EXACT = 1e-4  # how far probabilities, and distances in shares, may be from ours
PICTURES = 13  # that the two are compared on
INSTALL = "pip install onnx onnxruntime"


def export_onnx(path: Path, net: Network, measured: Measured, card: Card, images: ImageSet | None) -> Path:
    """Write a network as one ONNX file; it appears when onnxruntime gives the same as the course.

    Arguments:
        net: in float32, with the weights to write; it is not changed.
        images: real pictures to compare on; None: drawn ones alone.

    Raises `CourseError` where the packages are missing, the network cannot be written, or the two differ.
    """
    onnx, runtime = _packages()
    net = net.copy().to("cpu")
    size = net.size or card["pictures"]["size"]
    card = Card(card, built_by="hand", pictures={**card["pictures"], "size": size})
    pictures = _pictures(size, images)
    try:
        model = onnx.load_model_from_string(_graph(net, measured, pictures[:2]))
    except Exception as error:  # the exporter raises many kinds
        said = str(error).strip().split("\n")[0][:200]
        raise CourseError(
            f"{net.name} cannot be written as ONNX ({type(error).__name__}: {said}). Export it as .safetensors."
        ) from error
    entry = model.metadata_props.add()
    entry.key, entry.value = "card", json.dumps(card, allow_nan=False)
    with Proven(path) as hidden:
        write_bytes(hidden.path, model.SerializeToString())
        _compare(runtime, hidden.path, net, measured, pictures)
        hidden.keep()
    return path


class PixelsToAnswers(nn.Module):
    """uint8 N,3,H,W -> probabilities float N,classes, and where it is known the distance float N."""

    def __init__(self, net: Network, measured: Measured) -> None:
        super().__init__()
        self.layers = nn.ModuleList(block.module for block in net.blocks)
        self.register_buffer("mean", 255 * torch.tensor(net.mean).view(3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(net.std).view(3, 1, 1))
        self.temperature, self.familiar = measured.temperature, measured.familiar

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        x = (pixels.float() - self.mean) / self.std
        for layer in self.layers[:-1]:
            x = layer(x)
        features = Pool(x, True)(x)
        probabilities = calibrated(self.layers[-1](x), self.temperature)
        return (probabilities, self.familiar.distance(features).float()) if self.familiar else (probabilities,)


def _graph(net: Network, measured: Measured, pictures: torch.Tensor) -> bytes:
    """The ONNX model as bytes, for any number of pictures of this size."""
    names = ["probabilities", *(["distance"] if measured.familiar else [])]
    buffer = io.BytesIO()
    quiet = contextlib.redirect_stdout(io.StringIO())  # the exporter prints the graph where it fails
    with quiet, _plain_attention(), warnings.catch_warnings(), torch.no_grad(), net.mode(frozen=len(net)):
        warnings.simplefilter("ignore")  # on what tracing fixes: only the number of pictures varies
        # The older exporter: it needs no further package, and is in all versions of torch that the course runs on.
        torch.onnx.export(
            PixelsToAnswers(net, measured).eval(), (pictures,), buffer, dynamo=False, opset_version=OPSET, input_names=["pixels"],
            output_names=names, dynamic_axes={name: {0: "pictures"} for name in ("pixels", *names)},
        )  # fmt: skip
    return buffer.getvalue()


@contextlib.contextmanager
def _plain_attention() -> Iterator[None]:
    """Without the fused attention that torch takes in eval mode, which ONNX has no word for."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def _compare(runtime: ModuleType, path: Path, net: Network, measured: Measured, pictures: torch.Tensor) -> None:
    """Ask onnxruntime and the course, in batches of several sizes. Raises `CourseError` where they differ."""
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for part in (*pictures.split((1, 2, len(pictures) - 3)), pictures):
        found = [torch.from_numpy(array) for array in session.run(None, {"pixels": part.numpy()})]
        scores, features = look(net, part)
        off = [(found[0] - calibrated(scores, measured.temperature)).abs().max().item()]
        if measured.familiar:
            distance = measured.familiar.distance(features)
            off.append(((found[1] - distance).abs() / distance.clamp(min=1)).max().item())
        if not max(off) <= EXACT:
            raise CourseError(
                f"onnxruntime {runtime.__version__} gives other answers for {net.name} than the course (off by {max(off):.1e}, allowed "
                f"are {EXACT:.0e}), so the ONNX file was not kept. Export it as .safetensors, or try another version of onnxruntime."
            )


def _pictures(size: int, images: ImageSet | None) -> torch.Tensor:
    """At least 4 pictures uint8 N,3,size,size to compare on."""
    drawn = torch.cat([example(size), 255 - example(size)])
    if images is None or not len(images):
        return drawn
    rows = torch.cat(list(images.splits.values()))[-PICTURES:]
    real = images.images[rows]
    if images.size != size:
        scaled = F.interpolate(real.float(), (size, size), mode="bilinear", antialias=True, align_corners=False)
        real = scaled.round().clamp(0, 255).to(torch.uint8)
    return torch.cat([drawn, real])


def _packages() -> tuple[Any, Any]:
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise CourseError(
            f"ONNX files need two more packages ({printable(str(error))}). Install them with: {INSTALL}. Or export as .safetensors, "
            "which needs none."
        ) from error
    return onnx, onnxruntime
