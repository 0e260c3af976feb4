"""On a GPU the same run gives the same numbers within the GPU's own rounding, and memory that runs out is no end.

Skipped where there is no GPU; the same code paths are tested on the CPU with simulated errors in test_options.py.
"""

from __future__ import annotations

import pytest
import torch
from toys import make, toy_images

from course_lib.cache.remember import Pixels, remember
from course_lib.evaluation import evaluate
from course_lib.training.stage import Stage
from course_lib.training.train import fit

GPU = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else None
pytestmark = pytest.mark.skipif(GPU is None, reason="needs a GPU (CUDA, or Apple's MPS)")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))


@pytest.mark.parametrize("name", ["pawnet", "resnet18", "mobilenet_v2", "vit"])
def test_features_are_close_to_those_of_the_cpu(name, monkeypatch):
    monkeypatch.setenv("COURSE_PRECISION", "float32")
    toys, net = toy_images(size=32), make(name)
    rows = toys.rows("train")
    here = remember(Pixels(net, toys), len(net) - 1)(rows)
    there = remember(Pixels(net.copy().to(GPU), toys), len(net) - 1)(rows)
    torch.testing.assert_close(there.cpu(), here, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "recipe", [Stage(frozen=-1, epochs=1), Stage(frozen=0, epochs=1), Stage(frozen=2, mixup=0.3, epochs=1)]
)
def test_the_first_loss_is_close_to_that_of_the_cpu(recipe, monkeypatch):
    monkeypatch.setenv("COURSE_PRECISION", "float32")
    toys, net = toy_images(), make("pawnet")
    losses = [next(r.loss for r in fit(net.copy(), toys, recipe, device=d) if r.phase == "train") for d in ("cpu", GPU)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)


def test_the_device_s_own_number_format_learns_as_well():
    toys, net = toy_images(train=60), make("pawnet")
    for _ in fit(net, toys, Stage(frozen=0, epochs=10), device=GPU):
        pass
    assert evaluate(net, toys, "test").accuracy > 0.8


def test_same_seed_same_device_same_remembered_features():
    toys, net = toy_images(), make("pawnet").to(GPU)
    first = remember(Pixels(net, toys), 5)(toys.rows("train"))
    second = remember(Pixels(net.copy(), toy_images()), 5)(toys.rows("train"))
    torch.testing.assert_close(first, second)


def test_the_loop_does_not_wait_for_the_device():
    """torch raises where a step would synchronise; reading a record's loss may, and is not done here."""
    if GPU != "cuda":
        pytest.skip("only CUDA can tell")
    toys, net = toy_images(train=64, val=0), make("pawnet")
    records = fit(net, toys, [Stage(frozen=-1, epochs=3, batch=8), Stage(frozen=2, epochs=2, batch=8)], device=GPU)
    seen = 0
    try:
        for record in records:
            seen += record.phase == "train"
            # The first step of a stage makes the optimizer's state; from the second on nothing may wait.
            torch.cuda.set_sync_debug_mode("error" if seen in (2, 3, 4, 5) else "default")
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert seen > 20


@pytest.mark.skipif(GPU != "cuda", reason="limits a CUDA device's memory")
def test_memory_that_runs_out_halves_the_batch_and_goes_on():
    toys, net = toy_images(train=512, val=0, size=64), make("pawnet").to(GPU)
    torch.cuda.empty_cache()
    held = torch.cuda.memory_reserved() / torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(held + 400e6 / torch.cuda.get_device_properties(0).total_memory)
    try:
        records = [r for r in fit(net, toys, Stage(frozen=0, epochs=1, batch=512), device=GPU) if r.phase == "train"]
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert any("passes in" in r.note for r in records) and records[-1].step == records[-1].steps
