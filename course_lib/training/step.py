"""One step of gradient descent on a batch: forward, loss, backward, optimizer, pull.

The loss is written as a sum over images divided by the weight of the whole batch. So a batch may pass in parts, when a GPU
runs out of memory, or be shared between processes, and the gradient stays that of the batch.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from ..cache.memory import is_out_of_memory, release
from ..errors import CourseError
from ..network import Network
from .draws import moment
from .layers import head_dropout, norms
from .parallel import add_up, my_share, shared_norm, world
from .penalties import pull_back
from .stage import Stage

MOMENTUM = 0.9  # of SGD
Feed = Callable[[torch.Tensor], torch.Tensor]


@dataclass
class Step:
    """All that stays the same from step to step of a stage.

    Arguments:
        net: its blocks from the stage's cut on are trained.
        stage: the settings.
        class_weights: float classes, or None.
        anchors: where weights are pulled back to, parameter -> tensor.
    """

    net: Network
    stage: Stage
    class_weights: torch.Tensor | None
    anchors: dict[torch.nn.Parameter, torch.Tensor]

    def __post_init__(self) -> None:
        net, stage = self.net, self.stage
        self.cut = net.cut(stage.frozen)
        # A stage that moves the statistics of frozen blocks has to run them; all others start at the seam.
        self.start = 0 if stage.frozen_norm == "train" else self.cut
        self.mode = net.mode(self.cut, stage.norm, stage.frozen_norm, first=self.start)
        self.norms = norms(net.blocks[self.start :])
        groups = net.parameter_groups(stage.frozen, stage.lr, stage.decay, stage.weight_decay)
        self.rates = [group["lr"] for group in groups]
        fused = net.device.type in ("cuda", "cpu")
        if stage.optimizer == "sgd":
            self.optimizer: torch.optim.Optimizer = torch.optim.SGD(groups, momentum=MOMENTUM, fused=fused)
        else:
            self.optimizer = torch.optim.AdamW(groups, fused=fused)
        self.parameters = [p for group in groups for p in group["params"]]
        held = [(group, [p for p in group["params"] if p in self.anchors]) for group in self.optimizer.param_groups]
        self.pulled = [(group, ps, [self.anchors[p] for p in ps]) for group, ps in held if ps and stage.pull]
        self.parts = 1  # more after the device ran out of memory

    def __call__(
        self, feed: Feed, rows: torch.Tensor, labels: torch.Tensor, factor: float, when: tuple[int, ...]
    ) -> tuple[torch.Tensor, str]:
        """Train on the images of `rows`.

        Arguments:
            feed: rows -> what block `start` takes.
            rows: int64 N, the whole batch (each process takes its share of it).
            labels: int64, of all images, on the device.
            factor: of the schedule, on the learning rates.
            when: (seed, stage, epoch, step), from which all that is random follows.

        Returns (loss, share of hits before the step) as one tensor on the device, and a note, mostly empty.
        """
        share, partners, keep = self._mix(rows, when)
        inputs = feed(share)
        if partners is not None:
            inputs = (keep * inputs.float() + (1 - keep) * feed(partners).float()).to(inputs.dtype)
        whole = self._weigh(labels, rows)
        pairs = [(labels.index_select(0, self._here(share)), keep)]
        if partners is not None:
            pairs.append((labels.index_select(0, self._here(partners)), 1 - keep))
        note = ""
        while True:
            try:
                sums = self._gradients(inputs, pairs, whole, len(rows), when)
                break
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
            # Only here, as the error's traceback holds what the failed call had made until then.
            note = self._halve(len(share))
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor
        add_up([sums, *(p.grad for p in self.parameters if p.grad is not None)])
        self.optimizer.step()
        for group, pulled, anchors in self.pulled:
            pull_back(pulled, anchors, group["lr"] * self.stage.pull)
        return sums, note

    def _mix(self, rows: torch.Tensor, when: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor | None, float]:
        """This process's rows, the rows that they are mixed with, and how much of the first is kept."""
        if not self.stage.mixup:
            return my_share(rows), None, 1.0
        draw = np.random.default_rng([*when, 1])
        keep = float(draw.beta(self.stage.mixup, self.stage.mixup))
        return my_share(rows), my_share(rows[torch.from_numpy(draw.permutation(len(rows)))]), keep

    def _weigh(self, labels: torch.Tensor, rows: torch.Tensor) -> torch.Tensor | int:
        """What the summed loss of a batch is divided by."""
        if self.class_weights is None:
            return len(rows)
        return self.class_weights[labels.index_select(0, self._here(rows))].sum().clamp(min=1e-12)

    def _gradients(
        self,
        inputs: torch.Tensor,
        pairs: list[tuple[torch.Tensor, float]],
        whole: torch.Tensor | int,
        count: int,
        when: tuple[int, ...],
    ) -> torch.Tensor:
        """Leave the gradient of the batch in the parameters; loss and share of hits come back."""
        self.optimizer.zero_grad()
        total = torch.zeros(2, device=inputs.device)
        rank = world()[0]
        parts = zip(inputs.tensor_split(self.parts), *(y.tensor_split(self.parts) for y, _ in pairs), strict=True)
        for i, (x, *targets) in enumerate(parts):
            with self._layers(), moment(self.net.device, *when, *([rank, i] if rank or i else [])):
                scores = self._scores(x)
                loss = sum(keep * self._loss(scores, y) for y, (_, keep) in zip(targets, pairs, strict=True)) / whole
                loss.backward()
            hits = (scores.detach().argmax(1) == targets[0]).sum() / count
            total += torch.stack([loss.detach(), hits])
        return total

    def _scores(self, x: torch.Tensor) -> torch.Tensor:
        if self.start < self.cut:
            with torch.no_grad():
                x = self.net.run(x, self.start, self.cut)
        return self.net.run(x, self.cut)

    def _loss(self, scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        smoothing = self.stage.label_smoothing
        return F.cross_entropy(scores, labels, self.class_weights, reduction="sum", label_smoothing=smoothing)

    @contextlib.contextmanager
    def _layers(self) -> Iterator[None]:
        """The network as this stage trains it; outside a step it stays as its owner left it."""
        with self.mode, head_dropout(self.net, self.stage.dropout), shared_norm(self.norms):
            yield

    def _halve(self, count: int) -> str:
        """Free memory and pass the batch in twice as many parts; the sentence that says so comes back."""
        self.optimizer.zero_grad()
        release(self.net.device)
        if count // (2 * self.parts) < 2:
            raise CourseError(
                f"The device ran out of memory on a batch of {count} images, also in {self.parts} parts. Freeze more blocks, take "
                "smaller images, or train on device='cpu'."
            )
        self.parts *= 2
        also = " BatchNorm now follows the parts." if self.norms and self.stage.norm == "train" else ""
        return f"The device ran out of memory: from here on each batch passes in {self.parts} parts.{also}"

    def _here(self, rows: torch.Tensor) -> torch.Tensor:
        return rows.to(self.net.device, non_blocking=True)
