"""The loop that PyTorch's transfer-learning tutorial teaches, written afresh: DataLoader, photos opened in each epoch.

    run(material, phases, seed=0, workers=4)

Facts that it keeps to: RandomResizedCrop and flip for training, Resize and CenterCrop for validation, batches of 4, SGD at
0.001 with momentum 0.9, StepLR by 0.1 each 7 epochs, a train and a val phase in every epoch, the best epoch's weights
kept. Frozen means `requires_grad = False` and nothing more: the body stays in train mode, so its BatchNorm moves.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from .material import Material, Phase, parts

BATCH, LR, MOMENTUM, EVERY, GAMMA = 4, 1e-3, 0.9, 7, 0.1


def run(
    material: Material, phases: Sequence[Phase], seed: int, workers: int = 4, device: str = "cpu"
) -> dict[str, Any]:
    """Train as taught; the accuracy is that of the best epoch, which is the net that the loop hands over."""
    torch.manual_seed(seed)
    folders = {split: ImageFolder(Path(material.photos, split), _views(material)[split]) for split in ("train", "val")}
    loaders = {
        split: DataLoader(folder, batch_size=BATCH, shuffle=True, num_workers=workers)
        for split, folder in folders.items()
    }
    model = material.model(seed).to(device)
    blocks = parts(model, material.network)
    best = 0.0
    for phase in phases:
        for block in blocks:
            block.requires_grad_(False)
        for block in blocks[phase.frozen % len(blocks) :]:
            block.requires_grad_(True)
        best = _train(model, loaders, phase.epochs, device)
    return {"accuracy": best, "count": len(folders["val"])}


def _train(model: nn.Module, loaders: dict[str, DataLoader], epochs: int, device: str) -> float:
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=LR, momentum=MOMENTUM)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, EVERY, GAMMA)
    best, kept = -1.0, None
    for _ in range(epochs):
        for split, loader in loaders.items():
            model.train(split == "train")
            loss_sum, hits = 0.0, 0.0
            for images, labels in loader:
                images, labels = images.to(device), labels.to(device)
                optimizer.zero_grad()
                with torch.set_grad_enabled(split == "train"):
                    scores = model(images)
                    loss = nn.functional.cross_entropy(scores, labels)
                    if split == "train":
                        loss.backward()
                        optimizer.step()
                loss_sum += loss.item() * len(labels)
                hits += (scores.argmax(1) == labels).sum().item()
            if split == "train":
                schedule.step()
            elif hits / len(loader.dataset) > best:
                best, kept = hits / len(loader.dataset), copy.deepcopy(model.state_dict())
    model.load_state_dict(kept)
    return best


def _views(material: Material) -> dict[str, transforms.Compose]:
    size = material.size
    last = [transforms.ToTensor(), transforms.Normalize(*material.stats)]
    train = [transforms.RandomResizedCrop(size), transforms.RandomHorizontalFlip(), *last]
    val = [transforms.Resize(size * 256 // 224), transforms.CenterCrop(size), *last]
    return {"train": transforms.Compose(train), "val": transforms.Compose(val)}
