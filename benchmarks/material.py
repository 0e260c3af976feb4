"""What every contender gets: photos in folders, a network, its weights.

material = Material("photos/hymenoptera", "mobilenet_v2", "mobilenet_v2.safetensors", size=224)
model = material.model(seed=0)             # a torch module with a new head, the same for each contender that takes one
pixels, labels = material.read("train")    # for contenders that keep photos in memory
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# Heavy imports stay inside the functions: a process that runs the course must load course_lib before torch.
STATS = {"pawnet": ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))}
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# Blocks from which the three stages train, counted from the head: the head, a few blocks, a few more.
THREE_STAGES = {"pawnet": (-1, -2, -3)}


@dataclass(frozen=True)
class Phase:
    """One stage as each contender understands it.

    Attributes:
        frozen: blocks that stay as they are, as Python counts list items: 0 none, -1 all but the head.
        epochs: passes over the training photos.
        lr: for AdamW; contenders that bring a rate of their own (the tutorial, fastai) keep to theirs.
    """

    frozen: int
    epochs: int
    lr: float


@dataclass(frozen=True)
class Material:
    """Photos, network and weights.

    Arguments:
        photos: folder with train/CLASS/*.jpg and val/CLASS/*.jpg.
        network: `pawnet` or a torchvision classifier.
        weights: a .safetensors file, the name of weights that ship with the course, `DEFAULT` for torchvision's own
            (the file must be on the disk), or None for random ones.
        size: height and width that the network is fed with, in pixels.
    """

    photos: str
    network: str
    weights: str | None
    size: int

    @property
    def stats(self) -> tuple[Sequence[float], Sequence[float]]:
        """Mean and standard deviation of the normalisation, for channels in 0 to 1."""
        return STATS.get(self.network, IMAGENET)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(sorted(path.name for path in Path(self.photos, "train").iterdir() if path.is_dir()))

    @property
    def text(self) -> str:
        """What this is, for the table."""
        train, val = (len(self.files(split)) for split in ("train", "val"))
        name = Path(self.photos).name
        how = "" if self.weights else " with random weights"
        return f"{self.network}{how} at {self.size} px on {name} ({train} photos to learn from, {val} to check on)"

    def phases(self, kind: str, epochs: int) -> list[Phase]:
        """Stages of a task: `features` (the head), `three_stages` (`epochs` each) or `all` (every block)."""
        if kind == "features":
            return [Phase(-1, epochs, 3e-3)]
        if kind == "all":
            return [Phase(0, epochs, 3e-4)]
        cuts = THREE_STAGES.get(self.network, (-1, -3, -5))
        return [Phase(cut, epochs, lr) for cut, lr in zip(cuts, (3e-3, 1e-3, 3e-4), strict=True)]

    def files(self, split: str) -> list[tuple[Path, int]]:
        """Photos of a split with the number of their class, in alphabetical order."""
        root = Path(self.photos, split)
        found = [(root / name, label) for label, name in enumerate(self.classes)]
        return [(path, label) for folder, label in found for path in sorted(folder.iterdir()) if path.is_file()]

    def read(self, split: str):
        """uint8 N,3,size,size (short side scaled, square cut from the centre) and int64 N, as torch tensors."""
        import torch

        files = self.files(split)
        pixels = np.empty((len(files), 3, self.size, self.size), np.uint8)

        def load(i: int) -> None:
            pixels[i] = read_square(files[i][0], self.size).transpose(2, 0, 1)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(load, range(len(files))))
        return torch.from_numpy(pixels), torch.tensor([label for _, label in files])

    def model(self, seed: int, new_head: bool = True):
        """The torch module with the weights, and with a new head (drawn by `seed`) unless asked for the old one."""
        import torch

        torch.manual_seed(seed)
        model = _model(self.network, self.weights)
        if new_head:
            _replace_head(model, self.network, len(self.classes))
        return model


def parts(model, network: str) -> list:
    """The blocks of a model in order, the head last: the same cuts as the course makes."""
    from torch import nn

    if network == "pawnet":
        return [model.stem, model.stage1, model.stage2, model.stage3, model.stage4, _head(model.pool, model.head)]
    if network == "mobilenet_v2":
        return [*model.features, _head(nn.AdaptiveAvgPool2d(1), model.classifier)]
    if network.startswith("resnet"):
        stem = nn.Sequential(model.conv1, model.bn1, model.relu, model.maxpool)
        stages = [block for stage in (model.layer1, model.layer2, model.layer3, model.layer4) for block in stage]
        return [stem, *stages, _head(model.avgpool, model.fc)]
    raise ValueError(f"No list of parts is written for {network!r}; there is one for pawnet, mobilenet_v2 and resnets.")


def read_square(path: Path, size: int) -> np.ndarray:
    """A photo as uint8 size,size,3: short side scaled to `size`, square cut from the centre."""
    from PIL import Image, ImageOps

    with Image.open(path) as image:
        return np.asarray(ImageOps.fit(image.convert("RGB"), (size, size), Image.Resampling.BILINEAR))


def _head(pool, classifier):
    from torch import nn

    return nn.Sequential(pool, nn.Flatten(1), classifier)


def _model(network: str, weights: str | None):
    import safetensors.torch
    import torchvision

    if network == "pawnet":
        return _pawnet(weights)
    model = torchvision.models.get_model(network, weights="DEFAULT" if weights == "DEFAULT" else None)
    if weights not in (None, "DEFAULT"):
        state = safetensors.torch.load_file(weights)  # float16 on disk; copying into float32 parameters casts it
        model.load_state_dict(state, strict=False)
        missing = [key for key in model.state_dict() if key not in state and not key.endswith("num_batches_tracked")]
        if missing:
            raise ValueError(f"{Path(weights).name} does not hold the weights of {network}: {missing[0]} is missing.")
    return model


def _pawnet(weights: str | None):
    import safetensors.torch

    from course_lib.pawnet import PawNet

    if weights is None:
        return PawNet(10)
    path = Path(__file__).parent.parent / "data" / "weights" / f"pawnet_{weights}.safetensors"
    state = safetensors.torch.load_file(path)
    model = PawNet(len(state["head.weight"]))
    model.load_state_dict(state)
    return model


def _replace_head(model, network: str, classes: int) -> None:
    from torch import nn

    if network == "mobilenet_v2":
        model.classifier[1] = nn.Linear(model.classifier[1].in_features, classes)
    else:
        name = "head" if network == "pawnet" else "fc"
        setattr(model, name, nn.Linear(getattr(model, name).in_features, classes))
