"""Network: a model, its blocks, its classes and the preparation that its weights expect.

net = load("pawnet", classes=("corgi", "husky"), weights="animals")
net.table()                         # block, output shape, parameters, share of the FLOPs
scores = net(images)                # uint8 N,3,H,W -> float N,classes
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors.torch
import torch
from torch import nn
from torch.nn import functional as F

from .cutting.blocks import Block
from .cutting.flops import run_counted
from .devices import autocast
from .errors import CourseError
from .mode import Mode
from .paths import atomic
from .tables import Table

if TYPE_CHECKING:
    from .images import ImageSet


@dataclass(eq=False)
class Network:
    """An ordered list of blocks with all that is needed to feed them.

    Attributes:
        name: architecture, such as `pawnet` or `resnet18`.
        model: the module; its state dict has the usual names.
        blocks: the chain; `blocks[-1]` is the head.
        classes: class names in the order of the scores.
        size: height and width that the network takes, in pixels; None for the size of the images.
        mean, std: of the normalisation, for channels in 0 to 1.
        origin: one sentence on where the weights come from.
        precision: number format of the body's blocks; None for what is fast on the device. The head is always float32.
        smallest: the smallest height and width that the network takes, in pixels.
    """

    name: str
    model: nn.Module
    blocks: list[Block]
    classes: tuple[str, ...]
    size: int | None
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    origin: str
    precision: torch.dtype | None = None
    smallest: int = 1

    def __len__(self) -> int:
        return len(self.blocks)

    def __repr__(self) -> str:
        return f"Network {self.name}: {len(self)} blocks, {len(self.classes)} classes; {self.origin}"

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Class scores (logits) N,classes of uint8 images N,3,H,W, in eval mode and without gradients."""
        with torch.no_grad(), self.mode(frozen=len(self)):
            return self.run(self.prepare(images.to(self.device)))

    def cut(self, frozen: int) -> int:
        """The number of frozen blocks that `frozen` means, counted as Python counts list items.

        `0` freezes nothing, `5` the first five blocks, `-1` all but the last.
        Raises `CourseError` outside -len to len.
        """
        if not isinstance(frozen, int) or not -len(self) <= frozen <= len(self):
            raise CourseError(
                f"frozen={frozen!r} was asked of {self.name}, which has {len(self)} blocks; allowed are 0 (train all) to "
                f"{len(self)}, or -1 (all but the head) down to -{len(self)}."
            )
        return frozen if frozen >= 0 else len(self) + frozen

    def prepare(self, images: torch.Tensor) -> torch.Tensor:
        """Images as the first block takes them: resized where needed, normalised, channels last.

        Arguments:
            images: uint8 0 to 255, or float 0 to 1; N,3,H,W.

        Raises `CourseError` for images that are too small for the network.
        """
        if not self.size and min(images.shape[-2:]) < self.smallest:
            raise CourseError(
                f"{self.name} takes images from {self.smallest} pixels, and these have {' x '.join(map(str, images.shape[-2:]))}. "
                f"Load it with size={max(self.smallest, 96)}, and they are scaled."
            )
        x = images.float() / 255 if images.dtype == torch.uint8 else images
        if self.size and tuple(x.shape[-2:]) != (self.size, self.size):
            x = F.interpolate(x, (self.size, self.size), mode="bilinear", antialias=True, align_corners=False)
        mean = torch.tensor(self.mean).to(x.device, non_blocking=True).view(3, 1, 1)
        std = torch.tensor(self.std).to(x.device, non_blocking=True).view(3, 1, 1)
        return ((x - mean) / std).contiguous(memory_format=torch.channels_last)

    def run(self, x: torch.Tensor, start: int = 0, stop: int | None = None) -> torch.Tensor:
        """Blocks `start` to `stop` (not included) on a prepared input or on the output of block `start - 1`.

        The blocks of the body run in `precision`; the head, whose scores go into a loss, in float32.
        """
        stop, last = len(self) if stop is None else stop, len(self) - 1
        with autocast(self.device, self.precision):
            for block in self.blocks[start : min(stop, last)]:
                x = block(x)
        return self.blocks[last](x.float()) if start <= last < stop else x

    def mode(self, frozen: int, norm: str = "train", frozen_norm: str = "eval", first: int = 0) -> Mode:
        """A context in which the frozen blocks are a fixed function and the others train; restores all on leaving.

        Arguments:
            frozen: as for `cut`.
            norm: `train` lets BatchNorm in the trained blocks follow the batch; `eval` and `adapt` keep its statistics.
            frozen_norm: `train` lets BatchNorm in the frozen blocks follow the batch as well, which undoes the freezing.
            first: blocks before this one are left alone, where they are not run.
        """
        return Mode(self.blocks, self.cut(frozen), norm, frozen_norm, first)

    def parameter_groups(
        self, frozen: int, lr: float, decay: float = 1.0, weight_decay: float = 0.0
    ) -> list[dict[str, Any]]:
        """Groups for an optimizer: all parameters of the trained blocks and no other.

        Arguments:
            frozen: as for `cut`.
            lr: learning rate of the last block.
            decay: factor a block away from the last one; 0.5 halves the rate with each block towards the stem
                (discriminative rates, Howard and Ruder 2018, section 3.1).
            weight_decay: on parameters with two or more dimensions; biases and norms get none.
        """
        groups = []
        for i in range(self.cut(frozen), len(self)):
            rate = lr * decay ** (len(self) - 1 - i)
            matrices = [p for p in self.blocks[i].parameters() if p.ndim >= 2]
            vectors = [p for p in self.blocks[i].parameters() if p.ndim < 2]
            for params, wd in ((matrices, weight_decay), (vectors, 0.0)):
                if params:
                    groups.append({"params": params, "lr": rate, "weight_decay": wd, "block": i})
        return groups

    def fingerprint(self, blocks: int | None = None) -> str:
        """SHA-256 of the names, parameters and buffers of the first `blocks` blocks (all when None), 64 hex digits."""
        digest = hashlib.sha256()
        for block in self.blocks[:blocks]:
            digest.update(block.name.encode())
            for tensor in block.state():
                digest.update(str((tensor.dtype, tuple(tensor.shape))).encode())
                digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def table(self, size: int | None = None) -> Table:
        """One row a block: number, name, output shape for one image, parameters, share of the FLOPs.

        Arguments:
            size: height and width of the image, in pixels; by default what the network takes, or 224.

        Raises `CourseError` for another size than the one that the network takes.
        """
        if size is not None and self.size not in (None, size):
            raise CourseError(f"size={size} was asked of {self.name}, which takes only {self.size} pixels.")
        size = size or self.size or 224
        rows, flops = [], []
        with torch.no_grad(), self.mode(frozen=len(self)):
            x = self.prepare(torch.zeros(1, 3, size, size, dtype=torch.uint8, device=self.device))
            for i, block in enumerate(self.blocks):
                x, count = run_counted(block, x)
                flops.append(count)
                rows.append(
                    [i, block.name, " x ".join(map(str, x.shape[1:])), sum(p.numel() for p in block.parameters())]
                )
        total = max(sum(flops), 1)
        rows = [[*row, f"{100 * f / total:.1f} %"] for row, f in zip(rows, flops, strict=True)]
        caption = f"{self.name} at {size} px: {total / 1e9:.2f} GFLOPs an image; {self.origin}"
        return Table(("number", "block", "output", "parameters", "FLOPs"), rows, caption)

    def to(self, device: torch.device | str) -> Network:
        """Move the weights to a device, channels last; returns the same network."""
        self.model.to(device=device, memory_format=torch.channels_last)
        for block in self.blocks:  # weights that a block holds by name, not through a module, are entries of their own
            block.module.to(device=device)
        return self

    def copy(self) -> Network:
        """A network of its own with equal weights."""
        return copy.deepcopy(self)

    def save(self, path: str | Path, card: dict[str, Any] | None = None, dtype: torch.dtype | None = None) -> Path:
        """Write the weights as safetensors with a JSON card inside: architecture, classes, size, normalisation.

        Arguments:
            path: file to write, ending in .safetensors; an older file is replaced when the new one is complete.
            card: further facts, such as the data and the accuracy.
            dtype: of the floating-point weights in the file, such as torch.float16; None keeps them as they are.
        """
        path = Path(path)
        if path.suffix != ".safetensors":
            raise CourseError(
                f"A network is saved as .safetensors; received {path.name}. Rename it to {path.stem}.safetensors."
            )
        facts = {**(card or {}), "model": self.name, "classes": list(self.classes), "size": self.size}
        facts |= {"mean": self.mean, "std": self.std, "origin": self.origin}
        state = {name: tensor.detach().cpu().contiguous() for name, tensor in self.model.state_dict().items()}
        if dtype is not None:
            state = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in state.items()}
        with atomic(path) as file:
            file.write(safetensors.torch.save(state, metadata={"card": json.dumps(facts)}))
        return path

    def export(
        self,
        path: str | Path,
        images: ImageSet | None = None,
        *,
        licence: str | None = None,
        note: str | None = None,
        dtype: torch.dtype | None = None,
    ) -> Path:
        """Write a model to take home: weights, and a card of what it knows and how well; `open_model(path)` opens it.

        The file is opened again before it gets its name, and gives the same scores bit for bit. A network with layers that
        no name builds is written too; `open_model(path, model=...)` then needs the same layers.

        Arguments:
            path: ending in .safetensors, or in .onnx for other programs (`pip install onnx onnxruntime`).
            images: confidence is set on their val split, and accuracy is measured on test; None: neither is.
            licence: of the pictures, for whoever gets the model.
            note: anything else, up to 1,000 letters.
            dtype: of the weights in the file, such as torch.float16 for half the size; what is measured is what is written.

        Raises `CourseError` for what cannot be exported or written.
        """
        from .taking_home.exporting import export

        return export(self, path, images, licence=licence, note=note, dtype=dtype)


def class_names(classes: Sequence[str]) -> tuple[str, ...]:
    """Class names as a tuple; at least two, no name twice.

    Raises `CourseError` otherwise.
    """
    names = tuple(map(str, classes))
    if len(names) < 2 or len(set(names)) != len(names):
        raise CourseError(f"A classifier needs at least two classes with different names; received {list(names)}.")
    return names
