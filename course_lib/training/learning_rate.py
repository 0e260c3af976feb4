"""lr_find: which learning rate? One short run with a rising rate on a copy of the network (Smith 2015, arXiv 1506.01186).

found = lr_find(net, dogs, Stage(frozen=-1))
found.suggestion              # the rate at which the loss falls fastest
found.rates, found.losses     # for a picture with a logarithmic axis
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

from ..cache.remember import Pixels, remember
from ..devices import choose_device
from ..errors import CourseError
from ..images import ImageSet
from ..network import Network
from .checks import check
from .draws import batches_in, epoch_order
from .layers import adapt_norm
from .stage import Stage
from .step import Step

MEMORY = 0.9  # share of the old mean in the smoothed loss
DIVERGED = 3.0  # times the lowest smoothed loss: the search ends


@dataclass(frozen=True)
class LearningRates:
    """What a search found.

    Attributes:
        rates: learning rates of the last block, rising.
        losses: smoothed loss at each, in nats.
        suggestion: the rate where the loss falls fastest per factor in the rate, well below the rate where it rises again.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggestion: float


def lr_find(
    net: Network,
    images: ImageSet,
    stage: Stage,
    *,
    lowest: float = 1e-6,
    highest: float = 1.0,
    steps: int = 100,
    seed: int = 0,
    device: str | torch.device | None = None,
) -> LearningRates:
    """Train a copy of the network while the rate rises from `lowest` to `highest`, evenly on a logarithmic scale.

    Arguments:
        stage: what trains and how; its lr, schedule and epochs do not matter here. The net itself is not changed.
        steps: at most so many; fewer where the loss grows to three times its lowest.

    Raises `CourseError` for a stage that does not fit, and for rates that do not rise.
    """
    if not 0 < lowest < highest or not isinstance(steps, int) or steps < 10:
        raise CourseError(
            f"lr_find(lowest={lowest}, highest={highest}, steps={steps}): give 0 < lowest < highest, and 10 steps or more."
        )
    stage = replace(stage, lr=lowest, schedule="constant", warm_up=None, pull=min(stage.pull, 1 / highest))
    (cut,) = check(net, images, [stage], 1, seed)
    probe = net.copy().to(choose_device(device))
    train = images.rows("train")
    pixels = Pixels(probe, images)
    feed = remember(pixels, cut) if cut and stage.frozen_norm == "eval" else pixels
    if stage.norm == "adapt":
        adapt_norm(probe, feed, train, cut)
    weights = stage.loss_weights(images.labels[train], len(images.classes))
    anchors = (
        {p: p.detach().clone() for block in probe.blocks[cut:-1] for p in block.parameters()} if stage.pull else {}
    )
    step = Step(probe, stage, None if weights is None else weights.to(probe.device), anchors)
    labels, batches = images.labels.to(probe.device), batches_in(len(train), stage.batch)
    rates, losses, mean = [], [], 0.0
    for i in range(steps):
        epoch, batch = divmod(i, batches)
        rows = epoch_order(train, seed, 0, epoch).tensor_split(batches)[batch]
        factor = (highest / lowest) ** (i / (steps - 1))
        sums, _ = step(feed, rows, labels, factor, (seed, 0, epoch, batch))
        mean = MEMORY * mean + (1 - MEMORY) * sums[0].item()
        smooth = mean / (1 - MEMORY ** (i + 1))
        if not math.isfinite(smooth) or (losses and smooth > DIVERGED * min(losses)):
            break
        rates.append(lowest * factor)
        losses.append(smooth)
    return LearningRates(tuple(rates), tuple(losses), _steepest(rates, losses))


def _steepest(rates: list[float], losses: list[float]) -> float:
    """The rate where the smoothed loss falls fastest, before its lowest point; a tenth of the rate there when it never falls."""
    if len(losses) < 3:
        raise CourseError("The loss grew at once: start at a lower rate, for example lr_find(..., lowest=1e-8).")
    bottom = losses.index(min(losses))
    slopes = [losses[i + 1] - losses[i - 1] for i in range(1, max(2, bottom))]
    steepest = slopes.index(min(slopes)) + 1
    return rates[steepest] if min(slopes) < 0 else rates[bottom] / 10
