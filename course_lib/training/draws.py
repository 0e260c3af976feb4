"""Randomness of training: what is drawn follows from (seed, stage, epoch, step) alone, never from what ran before.

    for rows in epoch_order(train, seed, stage, epoch).tensor_split(batches_in(len(train), stage.batch)):
        with moment(device, seed, stage, epoch, step):
            ...                      # dropout drawn here can be drawn again

So a run can be repeated, taken up in the middle, or trained beside others, and ends in the same weights.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import numpy as np
import torch

_drawing = threading.RLock()


def epoch_order(rows: torch.Tensor, seed: int, stage: int, epoch: int) -> torch.Tensor:
    """The rows of an epoch, shuffled: int64 N.

    Arguments:
        rows: row numbers of the train split.
        seed: of the run; stage and epoch count from 0.
    """
    return rows[torch.from_numpy(np.random.default_rng([seed, stage, epoch]).permutation(len(rows)))]


def batches_in(count: int, batch: int) -> int:
    """How many near-equal batches `count` images make, each of at most `batch`.

    BatchNorm needs two images in a batch, so three images at `batch=2` make one batch of three.
    """
    return max(1, min(-(-count // batch), count // 2))


@contextlib.contextmanager
def moment(device: torch.device, *numbers: int) -> Iterator[None]:
    """A context in which torch draws what follows from `numbers` alone; the caller's generators stay untouched.

    Arguments:
        device: whose generator is used beside the CPU's.
        numbers: whole numbers from 0, such as seed, stage, epoch and step.
    """
    with _seeded(_generators(device), int(np.random.SeedSequence(numbers).generate_state(1)[0])):
        yield


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """A context in which torch draws on the CPU as after `torch.manual_seed(seed)`; the caller's generator stays untouched."""
    with _seeded([torch.default_generator], seed):
        yield


@contextlib.contextmanager
def _seeded(generators: list[torch.Generator], seed: int) -> Iterator[None]:
    """Torch has one generator for all threads: a cell that draws weights waits for the step of a widget that trains."""
    with _drawing:
        # Not torch.manual_seed: it takes half a millisecond, most of a small step, as it writes down its caller for CUDA.
        before = [generator.get_state() for generator in generators]
        try:
            for generator in generators:
                generator.manual_seed(seed)
            yield
        finally:
            for generator, state in zip(generators, before, strict=True):
                generator.set_state(state)


def _generators(device: torch.device) -> list[torch.Generator]:
    """The generators that layers draw from on a device: the CPU's, and the device's own."""
    if device.type == "cuda":
        torch.cuda.init()
        number = torch.cuda.current_device() if device.index is None else device.index
        return [torch.default_generator, torch.cuda.default_generators[number]]
    if device.type == "mps":
        return [torch.default_generator, torch.mps._get_default_mps_generator()]
    return [torch.default_generator]
