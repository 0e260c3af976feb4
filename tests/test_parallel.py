"""Two processes, started by torchrun, end in the weights of one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
import torch.distributed as dist
from toys import make, run, toy_images

from course_lib.errors import CourseError
from course_lib.training.stage import Stage
from course_lib.training.train import fit

# Plain SGD-like steps: AdamW divides by the size of a gradient, which turns the last bit of a gradient near zero into a step.
SGD = {"optimizer": "sgd", "lr": 1e-2, "batch": 7}
RECIPES = {
    "all blocks, norm in train mode": [Stage(frozen=0, epochs=2, **SGD)],
    "head, then suffix": [Stage(frozen=-1, epochs=1, **SGD), Stage(frozen=3, epochs=2, norm="eval", pull=1.0, **SGD)],
    "mixup and class weights": [Stage(frozen=3, epochs=2, mixup=0.4, class_weights=(1.0, 2.0, 0.5), **SGD)],
    "adamw": [Stage(frozen=-1, epochs=4, batch=7)],
}
SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
import torch, torch.distributed as dist
from toys import make, toy_images
from test_parallel import RECIPES
from course_lib.training.train import fit
dist.init_process_group("gloo")
for number, recipe in enumerate(RECIPES.values()):
    net = make("pawnet")
    records = list(fit(net, toy_images(train=20), recipe, device="cpu", checkpoint=f"{sys.argv[2]}/run{number}.safetensors"))
    net.save(f"{sys.argv[2]}/{number}.{dist.get_rank()}.safetensors")
    with open(f"{sys.argv[2]}/{number}.{dist.get_rank()}.txt", "w") as file:
        print(*(r.loss for r in records if r.phase == "train"), sep="\\n", file=file)
dist.destroy_process_group()
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("COURSE_PRECISION", "float32")


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> Path:
    """What two processes wrote: for each recipe and process the net and its losses."""
    folder = tmp_path_factory.mktemp("pair")
    (folder / "script.py").write_text(SCRIPT)
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--local-addr",
        "127.0.0.1",
        "--nproc-per-node",
        "2",
    ]
    more = {
        "OMP_NUM_THREADS": "1",
        "COURSE_PRECISION": "float32",
        "COURSE_CACHE": str(folder / "cache"),
        "GLOO_SOCKET_IFNAME": "lo",
    }
    arguments = [*command, str(folder / "script.py"), str(Path(__file__).parent), str(folder)]
    done = subprocess.run(arguments, env={**os.environ, **more}, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.parametrize("number", range(len(RECIPES)), ids=list(RECIPES))
def test_two_processes_end_in_the_weights_of_one(pair, number):
    net = make("pawnet")
    records = run(net, toy_images(train=20), list(RECIPES.values())[number])
    net.save(pair / "one.safetensors")
    one, first, second = (
        safetensors.torch.load_file(pair / name)
        for name in ("one.safetensors", f"{number}.0.safetensors", f"{number}.1.safetensors")
    )
    begin = make("pawnet").model.state_dict()
    moved = [name for name in one if not torch.equal(one[name], begin[name])]
    assert moved
    for name, tensor in one.items():
        assert torch.equal(first[name], second[name]), name
        torch.testing.assert_close(
            first[name], tensor, rtol=1e-6, atol=1e-6, msg=lambda text, name=name: f"{name}: {text}"
        )
    losses = [float(line) for line in (pair / f"{number}.1.txt").read_text().split()]
    assert losses == pytest.approx([r.loss for r in records if r.phase == "train"], abs=1e-5), (
        "each tells the loss of the whole batch"
    )


def test_the_checkpoint_of_two_processes_goes_on_with_one(pair, tmp_path):
    """It is complete here; what counts is that one process takes it as its own run."""
    net = make("pawnet")
    file = pair / "run1.safetensors"
    records = list(fit(net, toy_images(train=20), RECIPES["head, then suffix"], device="cpu", checkpoint=file))
    assert [r.phase for r in records] == ["resume"]
    kept = safetensors.torch.load_file(pair / "1.0.safetensors")
    assert all(torch.equal(kept[name], tensor) for name, tensor in net.model.state_dict().items())


def test_a_batch_too_small_to_share_is_refused(monkeypatch):
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_rank", lambda: 0)
    monkeypatch.setattr(dist, "get_world_size", lambda: 8)
    with pytest.raises(CourseError, match="8 processes share batches of at most 4"):
        fit(make("pawnet"), toy_images(), Stage(frozen=-1, batch=4), device="cpu")
