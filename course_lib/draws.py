"""Randomness of training: what is drawn follows from (seed, stage, epoch, step) alone, never from what ran before.

    for rows in epoch_order(train, seed, stage, epoch).tensor_split(batches_in(len(train), stage.batch)):
        with moment(device, seed, stage, epoch, step):
            ...                      # dropout drawn here can be drawn again

So a run can be repeated, taken up in the middle, or trained beside others, and ends in the same weights.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import torch


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
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(int(np.random.SeedSequence(numbers).generate_state(1)[0]))
        yield
