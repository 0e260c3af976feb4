"""The best loop that a careful person writes in plain PyTorch, without the course: the bar for full fine-tuning.

    run(material, phases, seed=0, inference="bfloat16")
    run_once(material, phases, seed=0, inference="bfloat16")      # frozen features worked out once, by hand

Photos are decoded once into one uint8 tensor, there is no DataLoader, memory is channels-last, the frozen part runs in eval
mode under no_grad, BatchNorm stays as it is, the optimizer is fused, and the precision is the faster one of two, for
training and for inference apart (see probe.py). Batches, optimizer, schedule and the look at the val photos after each
epoch are those of the course.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from .material import Material, Phase, parts

BATCH, WEIGHT_DECAY = 32, 1e-2
NORMS = (nn.modules.batchnorm._NormBase,)
Precision = str  # "float32" or "bfloat16"
Data = dict[str, tuple[torch.Tensor, torch.Tensor]]  # split -> inputs and labels


def run(
    material: Material,
    phases: Sequence[Phase],
    seed: int,
    precision: Precision = "float32",
    inference: Precision = "float32",
    device: str = "cpu",
) -> dict[str, Any]:
    """Train stage after stage, the frozen part worked out anew in each step.

    Arguments:
        precision: of the part that trains, in its steps.
        inference: of the frozen part, and of the looks at the val photos.
    """
    _, blocks, data = load(material, seed, device)
    accuracy = 0.0
    for phase in phases:
        cut = phase.frozen % len(blocks)
        body, rest = nn.Sequential(*blocks[:cut]).eval(), nn.Sequential(*blocks[cut:])

        def features(pixels: torch.Tensor, body: nn.Module = body) -> torch.Tensor:
            with torch.no_grad(), precise(inference, device):
                return body(prepare(pixels, material)).float()

        accuracy = train(rest, features, data, phase, precision, inference, device)
    return {"accuracy": accuracy, "count": len(data["val"][1])}


def run_once(
    material: Material, phases: Sequence[Phase], seed: int, inference: Precision = "float32", device: str = "cpu"
) -> dict[str, Any]:
    """Train the head alone, on features that are worked out once for each photo."""
    if [phase.frozen for phase in phases] != [-1]:
        raise ValueError(
            "Features are worked out once for a task with a frozen body; this one trains more than the head."
        )
    _, blocks, data = load(material, seed, device)
    known = features_once(blocks, data, material, inference, device)
    accuracy = train(blocks[-1], lambda x: x, known, phases[0], "float32", "float32", device)
    return {"accuracy": accuracy, "count": len(known["val"][1])}


def features_once(
    blocks: Sequence[nn.Module], data: Data, material: Material, precision: Precision, device: str
) -> Data:
    """What the body says of each photo, in place of the photo: float N,C,1,1."""
    body, known = nn.Sequential(*blocks[:-1]).eval(), {}
    for split, (pixels, labels) in data.items():
        with torch.no_grad(), precise(precision, device):
            found = [body(prepare(part, material)).mean((2, 3), keepdim=True).float() for part in pixels.split(BATCH)]
        known[split] = torch.cat(found), labels
    return known


def load(material: Material, seed: int, device: str) -> tuple[nn.Module, list[nn.Module], Data]:
    """The model, its blocks, and {split: (uint8 N,3,H,W, labels)}, all on the device."""
    data = {split: tuple(x.to(device) for x in material.read(split)) for split in ("train", "val")}
    model = material.model(seed).to(device=device, memory_format=torch.channels_last)
    return model, parts(model, material.network), data


def train(
    rest: nn.Module,
    features: Callable[[torch.Tensor], torch.Tensor],
    data: Data,
    phase: Phase,
    precision: Precision,
    inference: Precision,
    device: str,
    look_each_epoch: bool = True,
) -> float:
    """Train `rest` on what `features` says of the inputs; the accuracy on val after the last epoch."""
    inputs, labels = data["train"]
    steps = -(-len(labels) // BATCH)
    optimizer = torch.optim.AdamW(rest.parameters(), phase.lr, weight_decay=WEIGHT_DECAY, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, phase.lr, total_steps=phase.epochs * steps)
    accuracy = 0.0
    for epoch in range(phase.epochs):
        learning_mode(rest)
        for rows in torch.randperm(len(labels)).to(device).tensor_split(steps):
            x = features(inputs[rows])
            with precise(precision, device):
                scores = rest(x)
            loss = F.cross_entropy(scores.float(), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        if look_each_epoch or epoch + 1 == phase.epochs:
            accuracy = _accuracy(rest, features, *data["val"], inference, device)
    return accuracy


def _accuracy(
    rest: nn.Module,
    features: Callable[[torch.Tensor], torch.Tensor],
    inputs: torch.Tensor,
    labels: torch.Tensor,
    precision: Precision,
    device: str,
) -> float:
    rest.eval()
    with torch.no_grad(), precise(precision, device):
        said = torch.cat([rest(features(part)).argmax(1) for part in inputs.split(BATCH)])
    return (said == labels).float().mean().item()


def learning_mode(rest: nn.Module) -> None:
    """Train mode, with BatchNorm held: the photos are few."""
    for module in rest.modules():
        module.training = not isinstance(module, NORMS)


def prepare(pixels: torch.Tensor, material: Material) -> torch.Tensor:
    """uint8 N,3,H,W -> normalised float, channels last."""
    mean, std = (torch.tensor(values, device=pixels.device).view(3, 1, 1) for values in material.stats)
    x = pixels.contiguous(memory_format=torch.channels_last).float()
    return x.sub_(255 * mean).div_(255 * std)


def precise(precision: Precision, device: str) -> contextlib.AbstractContextManager:
    """Autocast to bfloat16, or nothing."""
    return torch.autocast(device, torch.bfloat16) if precision == "bfloat16" else contextlib.nullcontext()
