"""The learning rate of each block at each step, worked out from the very recipe that runs, before it runs.

    plan = rates(net, dogs, probe_then_fine_tune())
    plan.rates[120, 3]               # of block 3 in step 120, 0.0 where nothing of it is trained
    plan.stages[1].parameters        # how many numbers the second stage trains

`fit` cuts an epoch into the same batches, asks the same stages for the same factors, and gives the same groups of
parameters to its optimizer; a test holds both against each other at every step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from ..cutting.flops import run_counted
from ..errors import CourseError
from ..images import ImageSet
from ..network import Network
from .checks import check
from .draws import batches_in
from .stage import Stage


@dataclass(frozen=True)
class StagePlan:
    """A stage as it will run.

    Attributes:
        number: from 0. name: what a chart calls it.
        frozen: number of frozen blocks.
        first, steps: number of its first step in the whole recipe, from 0, and how many there are.
        per_epoch: steps in an epoch.
        parameters: how many numbers are trained.
        base: float64 B, the rate of each block at the schedule's highest point; 0 where nothing of the block is trained.
        factors: float64 `steps`, what the schedule multiplies these rates with at each step.
    """

    number: int
    name: str
    stage: Stage
    frozen: int
    first: int
    steps: int
    per_epoch: int
    parameters: int
    base: np.ndarray
    factors: np.ndarray


@dataclass(frozen=True)
class Schedule:
    """All rates of a recipe. With `patience` a stage may end earlier than planned here.

    Attributes:
        blocks: names, the head last.
        stages: in order.
        images: number of training images.
    """

    blocks: tuple[str, ...]
    stages: tuple[StagePlan, ...]
    images: int

    @property
    def steps(self) -> int:
        """Steps in the whole recipe."""
        return sum(stage.steps for stage in self.stages)

    @cached_property
    def rates(self) -> np.ndarray:
        """Learning rates, float64 steps,blocks; 0 where a block is frozen or has no parameters."""
        return np.concatenate([stage.factors[:, None] * stage.base for stage in self.stages])

    def at(self, step: int) -> tuple[StagePlan, int]:
        """The stage that a step (from 0) belongs to, and its epoch in it (from 0). Raises `CourseError` outside."""
        if not isinstance(step, (int, np.integer)) or not 0 <= step < self.steps:
            raise CourseError(
                f"step={step!r} is out of range; the recipe has {self.steps} steps, 0 to {self.steps - 1}."
            )
        stage = [stage for stage in self.stages if stage.first <= step][-1]
        return stage, int((step - stage.first) // stage.per_epoch)


def rates(net: Network, images: ImageSet | int, recipe: Stage | Sequence[Stage]) -> Schedule:
    """Learning rate of each block at each step of `fit(net, images, recipe)`.

    Arguments:
        net: only looked at.
        images: the image set, or how many training images there are, 2 or more.
        recipe: a stage, or stages in order.

    Raises `CourseError` for a recipe that does not fit the net or, where a set is given, the images.
    """
    stages = [recipe] if isinstance(recipe, Stage) else list(recipe)
    if isinstance(images, ImageSet):
        cuts, count = check(net, images, stages, 1, 0), len(images.rows("train"))
    else:
        cuts, count = _check(net, images, stages), int(images)
    plans, first = [], 0
    for number, (stage, cut) in enumerate(zip(stages, cuts, strict=True)):
        per_epoch = batches_in(count, stage.batch)
        steps = per_epoch * stage.epochs
        groups = net.parameter_groups(stage.frozen, stage.lr, stage.decay, stage.weight_decay)
        base = np.zeros(len(net))
        for group in groups:
            base[group["block"]] = group["lr"]
        factors = np.array([stage.rate((step + 0.5) / steps) for step in range(steps)])  # the middle of each step
        trained = sum(p.numel() for group in groups for p in group["params"])
        name = stage.name or f"stage {number + 1}"
        plans.append(StagePlan(number, name, stage, cut, first, steps, per_epoch, trained, base, factors))
        first += steps
    return Schedule(tuple(block.name for block in net.blocks), tuple(plans), count)


def forward_costs(net: Network, size: int | None = None) -> np.ndarray:
    """Floating-point operations of each block for one image, float64 B.

    Arguments:
        size: height and width of the images in pixels, for a network that takes any; 224 by default.
    """
    costs = []
    with torch.no_grad(), net.mode(frozen=len(net)):
        size = net.size or size or 224
        x = net.prepare(torch.zeros(1, 3, size, size, dtype=torch.uint8, device=net.device))
        for block in net.blocks:
            x, flops = run_counted(block, x)
            costs.append(float(flops))
    return np.array(costs)


def step_share(costs: np.ndarray, plan: StagePlan) -> float:
    """What a step of a stage computes, as a share of a step that trains all blocks; a rough count, 0 to 1.

    A backward pass is two products as large as the one of the forward pass: one for the weights, one for what came in. The
    first trained block needs no gradient of what came in. Frozen blocks are remembered, so they cost nothing in a step
    (their one pass over the images is not counted), unless their BatchNorm follows the batch.

    Arguments:
        costs: as `forward_costs` gives them.
    """

    def cost(cut: int, frozen_runs: bool) -> float:
        return 3 * costs[cut:].sum() - costs[cut] + (costs[:cut].sum() if frozen_runs else 0.0)

    return float(cost(plan.frozen, plan.stage.frozen_norm == "train") / max(cost(0, False), 1.0))


def _check(net: Network, count: int, stages: list[Stage]) -> list[int]:
    if not isinstance(count, (int, np.integer)) or isinstance(count, bool) or count < 2:
        raise CourseError(f"{count!r} training images were given; give an image set, or a whole number from 2.")
    if not stages or not all(isinstance(stage, Stage) for stage in stages):
        raise CourseError(f"A recipe is a Stage or a list of them; received {stages!r}.")
    cuts = [net.cut(stage.frozen) for stage in stages]
    for stage, cut in zip(stages, cuts, strict=True):
        if cut == len(net):
            raise CourseError(
                f"frozen={stage.frozen} freezes all {cut} blocks of {net.name}, so nothing would train; use -1 for the head alone."
            )
    return cuts
