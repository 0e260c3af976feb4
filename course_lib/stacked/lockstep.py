"""Lockstep: many heads of one shape train side by side, in tensors with a leading dimension of runs.

    stack = Lockstep(net.blocks[-1].module, tracks, images.labels, len(net.classes), net.device)
    while not stack.done:
        stack.step()
    stack.parameters["head.weight"]     # R,classes,features

A head is small, so on a CPU most of a step of `fit` goes into calling torch and not into numbers: R heads in one tensor
share the calls. Each run keeps its own images, order, dropout, rate and weight decay, and takes the steps that `fit` takes.
A run with fewer images in a batch than its neighbours is padded with rows that weigh nothing; one that is done stands still.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from torch import nn
from torch.func import functional_call, grad_and_value, vmap

from ..cache.remember import Remembered
from ..errors import CourseError
from ..training.draws import batches_in, epoch_order
from ..training.stage import Stage
from .descent import Descent, Tensors, side_by_side
from .masks import Masks, Moment


@dataclass(frozen=True, eq=False)
class Track:
    """One run of a stack.

    Attributes:
        stage, seed: as for `fit`.
        rows: int64 N, the training images.
        feeds: what the head is fed with, one for each view.
        start: the head's parameters by name.
        class_weights: float classes, or None where all weigh the same.
    """

    stage: Stage
    seed: int
    rows: torch.Tensor
    feeds: tuple[Remembered, ...]
    start: Mapping[str, torch.Tensor]
    class_weights: torch.Tensor | None = None

    @property
    def per_epoch(self) -> int:
        """Batches in an epoch."""
        return batches_in(len(self.rows), self.stage.batch)

    @property
    def steps(self) -> int:
        return self.per_epoch * self.stage.epochs

    @property
    def shape(self) -> tuple[int, int, int]:
        """What decides the sizes of all batches: epochs, batches in an epoch, images."""
        return self.stage.epochs, self.per_epoch, len(self.rows)

    def rates(self) -> list[float]:
        """The learning rate of each step."""
        return [self.stage.lr * self.stage.rate((step + 0.5) / self.steps) for step in range(self.steps)]

    def weights(self, classes: int) -> torch.Tensor:
        """What an image of each class weighs in the loss: float classes."""
        return torch.ones(classes) if self.class_weights is None else self.class_weights.float().cpu()

    def targets(self, classes: int) -> torch.Tensor:
        """What the log-probabilities are multiplied with, a row for each label: float classes,classes.

        Minus their sum is `F.cross_entropy` before it is divided by what the images of the batch weigh.
        """
        weights, spread = self.weights(classes), self.stage.label_smoothing
        return torch.diag(weights) * (1 - spread) + weights * spread / classes


class Squad:
    """Tracks of one shape: their epochs are cut into batches at the same places."""

    def __init__(self, tracks: Sequence[Track]) -> None:
        self.tracks, self.per_epoch, self.steps = tracks, tracks[0].per_epoch, tracks[0].steps

    def batch(self, step: int) -> tuple[list[Moment], np.ndarray]:
        """Moments (seed, epoch, step of the epoch) and rows R,B of a step; steps come in order."""
        epoch, i = divmod(step, self.per_epoch)
        if i == 0:
            orders = torch.stack([epoch_order(track.rows, track.seed, 0, epoch) for track in self.tracks])
            self.parts = [part.numpy() for part in orders.tensor_split(self.per_epoch, 1)]
        return [(track.seed, epoch, i) for track in self.tracks], self.parts[i]


class Lockstep:
    """Runs that take their steps side by side.

    Arguments:
        head: maps features to scores; it is copied, and BatchNorm in it stays as it is.
        tracks: the runs, all with one optimizer.
        labels: int64 N, the class of each row that a track may name.
        classes: number of classes.
        device: where the numbers are worked out.
    """

    def __init__(
        self, head: nn.Module, tracks: Sequence[Track], labels: torch.Tensor, classes: int, device: torch.device
    ) -> None:
        # The runs with most steps come first, so those that still train are always the first ones.
        self.order = sorted(range(len(tracks)), key=lambda number: (-tracks[number].steps, tracks[number].shape))
        self.tracks = [tracks[number] for number in self.order]
        self.squads = [Squad(list(alike)) for _, alike in groupby(self.tracks, key=lambda track: track.shape)]
        self.at, self.steps, self.device = 0, self.tracks[0].steps, device
        self.views = len({feed for track in tracks for feed in track.feeds})
        self.masks = Masks(head, [track.stage for track in self.tracks])
        starts = side_by_side([track.start for track in self.tracks], device)
        self.descent = Descent(starts, tracks[0].stage.optimizer)
        self.losses = torch.full((len(tracks),), math.nan, device=device)
        self.labels = labels.to(device)
        self.weights = torch.cat([track.weights(classes) for track in self.tracks]).to(device)  # R classes
        self.targets = torch.cat([track.targets(classes) for track in self.tracks]).to(device)  # R classes, classes
        self.first = torch.arange(len(tracks), device=device)[:, None] * classes  # where a run's part of them begins
        self.rates = np.zeros((self.steps, len(tracks)))
        for number, track in enumerate(self.tracks):
            self.rates[: track.steps, number] = track.rates()
        self.decays = np.array([track.stage.weight_decay for track in self.tracks])

    @property
    def done(self) -> bool:
        return self.at == self.steps

    def in_order(self, values: torch.Tensor) -> torch.Tensor:
        """Values of the runs R,... in the order in which the tracks were given; a copy."""
        return values[torch.tensor(np.argsort(self.order), device=values.device)]

    @property
    def parameters(self) -> Tensors:
        """The heads' parameters, R,... each; a copy."""
        return {name: self.in_order(p) for name, p in self.descent.values.items()}

    @torch.no_grad()
    def step(self) -> int:
        """One step of gradient descent for every run that has steps left; how many had."""
        now, rows, sizes = self._batches()
        count = len(rows)
        x = self._look_up(now, rows)  # runs, batch, ...
        targets, scale = self._weigh(rows.to(self.device), sizes)
        masks = self.masks.draw(now, sizes, x)
        parameters = {name: p[:count] for name, p in self.descent.values.items()}
        if self.at == 0:
            self.linear = self.masks.linear(x.shape[2], self.device) if x.ndim == 3 else None
        if self.linear:
            gradients, self.losses[:count] = linear_gradients(parameters, *self.linear, x, masks, targets, scale)
        else:
            gradients, self.losses[:count] = self._gradients(parameters, masks, x, targets, scale)
        self.descent(gradients, self.rates[self.at, :count], self.decays[:count])
        self.at += 1
        return count

    def _batches(self) -> tuple[list[Moment], torch.Tensor, list[int]]:
        """Moments, rows R,B and sizes of the batches of all runs that still train."""
        found = [squad.batch(self.at) for squad in self.squads if squad.steps > self.at]
        widest = max(rows.shape[1] for _, rows in found)
        # Padding repeats a row that the run has: what is not remembered may hold any number, also nan.
        padded = [np.pad(rows, ((0, 0), (0, widest - rows.shape[1])), mode="edge") for _, rows in found]
        sizes = [rows.shape[1] for _, rows in found for _ in rows]
        return [when for moments, _ in found for when in moments], torch.from_numpy(np.concatenate(padded)), sizes

    def _look_up(self, now: Sequence[Moment], rows: torch.Tensor) -> torch.Tensor:
        """Features of rows R,B, each run from the view that is due: float R,B,..."""
        if self.views == 1:
            return self._features(self.tracks[0].feeds[0], rows)
        who: dict[Remembered, list[int]] = {}
        for number, (track, (_, epoch, _)) in enumerate(zip(self.tracks, now, strict=False)):
            who.setdefault(track.feeds[epoch % len(track.feeds)], []).append(number)
        parts = [self._features(feed, rows[numbers]) for feed, numbers in who.items()]
        return torch.cat(parts)[np.argsort([number for numbers in who.values() for number in numbers])]

    def _features(self, feed: Remembered, rows: torch.Tensor) -> torch.Tensor:
        return feed(rows.flatten()).to(self.device, torch.float32).contiguous().unflatten(0, rows.shape)

    def _weigh(self, rows: torch.Tensor, sizes: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Targets, zero where padded, float R,B,classes; and one over what each batch weighs, float R."""
        place = (self.labels[rows] + self.first[: len(rows)]).flatten()
        targets = self.targets.index_select(0, place).unflatten(0, rows.shape)
        weights = self.weights.index_select(0, place).unflatten(0, rows.shape)
        if min(sizes) < rows.shape[1]:
            real = torch.arange(rows.shape[1]) < torch.tensor(sizes)[:, None]
            real = real.to(self.device)
            targets, weights = targets * real[..., None], weights * real
        return targets, 1 / weights.sum(1).clamp(min=1e-12)

    def _gradients(
        self, parameters: Tensors, masks: Tensors, x: torch.Tensor, targets: torch.Tensor, scale: torch.Tensor
    ) -> tuple[Tensors, torch.Tensor]:
        """Gradients and losses of any head."""

        def loss(
            parameters: Tensors, masks: Tensors, x: torch.Tensor, targets: torch.Tensor, scale: torch.Tensor
        ) -> torch.Tensor:
            scores = functional_call(self.masks.head, {**parameters, **masks}, (x,))  # one run: B, classes
            return -(targets * scores.log_softmax(1)).sum() * scale

        try:
            return vmap(grad_and_value(loss))(parameters, masks, x, targets, scale)
        except RuntimeError as error:
            raise CourseError(
                f"This head cannot be stacked: {str(error).splitlines()[0].rstrip('.')}. Train it with `fit`, one at a time."
            ) from error


def linear_gradients(
    parameters: Tensors,
    weight: str,
    bias: str | None,
    x: torch.Tensor,
    masks: Tensors,
    targets: torch.Tensor,
    scale: torch.Tensor,
) -> tuple[Tensors, torch.Tensor]:
    """Gradients and losses of linear heads, written out: a third of the time that autograd takes for them.

    With probabilities p and targets t, the loss changes with the scores by (p sum(t) - t) / weight of the batch.
    """
    for mask in masks.values():
        x = x.mul_(mask)
    # From here on R,classes,B: with the long side last, products and softmax are several times faster.
    targets = targets.transpose(1, 2).contiguous()
    scores = torch.bmm(parameters[weight], x.transpose(1, 2))
    if bias:
        scores += parameters[bias][:, :, None]
    logs = scores.log_softmax(1)
    losses = -(targets * logs).sum((1, 2)) * scale
    slopes = logs.exp_().mul_(targets.sum(1, keepdim=True)).sub_(targets).mul_(scale[:, None, None])
    gradients = {weight: torch.bmm(slopes, x)}
    if bias:
        gradients[bias] = slopes.sum(2)
    return gradients, losses
