"""Checkpoint: a run on disk, from which `fit` goes on as if it had never stopped.

    for record in fit(net, dogs, recipe, checkpoint="run.safetensors"): ...   # killed here
    for record in fit(net, dogs, recipe, checkpoint="run.safetensors"): ...   # the same lines go on, to the same weights

All that is random follows from (seed, stage, epoch, step), so weights, the optimizer's state and the place in the recipe are
the whole run. The file is safetensors: tensors, and JSON that says which run it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from ..errors import CourseError
from ..images import ImageSet
from ..network import Network
from ..paths import atomic
from .stage import Stage

FORMAT = "course run 1"


@dataclass
class Place:
    """Where a run stands: all counts are of what is done.

    Attributes:
        stage, epoch, batch: finished stages, epochs of this stage, and batches of this epoch.
        step: steps trained in the whole run.
        spared: steps of the recipe that fell away because stages ended early.
        best: accuracy and minus loss of the best look at val in this stage, or None.
        worse: looks since then.
        ended: whether this stage has ended early.
    """

    stage: int = 0
    epoch: int = 0
    batch: int = 0
    step: int = 0
    spared: int = 0
    best: tuple[float, float] | None = None
    worse: int = 0
    ended: bool = False

    def next_stage(self) -> None:
        """Go to the start of the stage after this one."""
        self.stage, self.epoch, self.batch = self.stage + 1, 0, 0
        self.best, self.worse, self.ended = None, 0, False


def identity(net: Network, images: ImageSet, stages: list[Stage], seed: int, validate_every: int) -> dict[str, Any]:
    """What makes a run the run that it is, as JSON values."""
    digest = hashlib.sha256(images.checksum.encode())
    for part in (images.labels, *(images.splits[name] for name in sorted(images.splits))):
        digest.update(part.numpy().tobytes())
    return json.loads(
        json.dumps(
            {
                "network": net.name,
                "classes": net.classes,
                "images": digest.hexdigest(),
                "recipe": [asdict(stage) for stage in stages],
                "seed": int(seed),
                "validate_every": validate_every,
            }
        )
    )


class Checkpoint:
    """A file that holds one run.

    Arguments:
        path: ending in .safetensors.
        run: its identity.
        start: fingerprint of the network that the run started from.
        lowest: blocks before this one never change in the run, and are not in the file.

    Raises `CourseError` for a file of another kind or of another run.
    """

    def __init__(self, path: str | Path, run: dict[str, Any], net: Network, lowest: int) -> None:
        self.path, self.run, self.net, self.lowest = Path(path), run, net, lowest
        if self.path.suffix != ".safetensors":
            raise CourseError(
                f"A checkpoint is a .safetensors file; received {self.path.name}. Name it {self.path.stem}.safetensors."
            )
        self.start = net.fingerprint()
        self.frozen = net.fingerprint(lowest)

    def save(
        self,
        place: Place,
        optimizer: torch.optim.Optimizer | None,
        anchors: Iterable[torch.Tensor],
        best: Iterable[torch.Tensor],
    ) -> None:
        """Write the run as it stands; an older file is replaced when the new one is complete."""
        tensors = _number("weights", self._state()) | _number("anchor", anchors) | _number("best", best)
        for i, p in enumerate(_parameters(optimizer)):
            tensors |= {f"optimizer.{i}.{name}": value for name, value in optimizer.state[p].items()}
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        facts = {"format": FORMAT, "run": self.run, "start": self.start, "frozen": self.frozen, "place": asdict(place)}
        with atomic(self.path) as file:
            file.write(safetensors.torch.save(tensors, metadata={"card": json.dumps(facts)}))

    def load(self) -> tuple[Place, dict[str, torch.Tensor]] | None:
        """Put the weights of the file into the network; the place and the other tensors come back. None without a file."""
        if not self.path.exists():
            return None
        try:
            tensors = safetensors.torch.load_file(self.path)
            with safetensors.safe_open(self.path, "pt") as file:
                facts = json.loads((file.metadata() or {})["card"])
            if facts["format"] != FORMAT:
                raise ValueError(facts["format"])
            place = Place(**{f.name: facts["place"][f.name] for f in fields(Place)})
        except (safetensors.SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            raise CourseError(
                f"{self.path} is no checkpoint of a run, or is damaged ({error}). Delete it to start the run anew, or name another."
            ) from error
        self._refuse_another_run(facts, tensors)
        self.start = facts["start"]
        with torch.no_grad():
            for tensor, kept in zip(self._state(), numbered("weights", tensors), strict=True):
                tensor.copy_(kept)
        place.best = None if place.best is None else tuple(place.best)
        return place, tensors

    def _refuse_another_run(self, facts: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        other = [name for name in self.run if self.run[name] != facts["run"].get(name)]
        if other:
            raise CourseError(
                f"{self.path} holds another run: its {', '.join(other)} differ{'s' if len(other) == 1 else ''} from what was asked for. "
                "Name another file for this run, or delete the old one."
            )
        kept = numbered("weights", tensors)
        here = self._state()
        stopped_here = len(kept) == len(here) and all(map(_equal, here, kept)) and facts["frozen"] == self.frozen
        if facts["start"] != self.start and not stopped_here:
            raise CourseError(
                f"{self.path} holds a run that started from other weights. Load the network as it was at the start of that run (or "
                "go on with the network that was stopped), name another file, or delete this one."
            )

    def _state(self) -> list[torch.Tensor]:
        return [tensor for block in self.net.blocks[self.lowest :] for tensor in block.state()]


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """Give an optimizer, in place, the state that a checkpoint holds for its parameters."""
    for i, p in enumerate(_parameters(optimizer)):
        prefix = f"optimizer.{i}."
        for name, kept in tensors.items():
            if name.startswith(prefix):
                # A tensor of the parameter's shape takes its layout too: fused kernels walk both in the same order.
                room = torch.empty_like(p) if kept.shape == p.shape else torch.empty_like(kept, device=p.device)
                optimizer.state[p][name.removeprefix(prefix)] = room.detach().copy_(kept)


def numbered(kind: str, tensors: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """The tensors of one kind, `weights`, `anchor` or `best`, in the order in which they were saved."""
    return [tensors[f"{kind}.{i}"] for i in range(sum(name.startswith(f"{kind}.") for name in tensors))]


def _number(kind: str, tensors: Iterable[torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"{kind}.{i}": tensor for i, tensor in enumerate(tensors)}


def _parameters(optimizer: torch.optim.Optimizer | None) -> list[torch.Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]] if optimizer else []


def _equal(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.shape == b.shape and torch.equal(a.detach().cpu(), b)
