"""Memory: parts are halved where a device has none left, and it stays flat for image sets that do not fit into it.

pytest -s tests/test_memory.py        # prints the measured peaks
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from course_lib.cache.memory import fits, in_parts, is_out_of_memory, say_bytes
from course_lib.errors import CourseError

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (812, "812 bytes"), (1000, "1.0 KB"), (62_208, "62 KB"), (999_600, "1.0 MB"), (1.44e6, "1.4 MB"),
     (9.96e9, "10 GB"), (3e12, "3.0 TB"), (5e15, "5000 TB")],
)  # fmt: skip
def test_sizes_are_said_in_words(size, text):
    assert say_bytes(size) == text


def test_forty_percent_of_what_is_free_may_be_taken(monkeypatch):
    monkeypatch.setattr("course_lib.cache.memory.free_bytes", lambda device: 1000)
    assert fits(399, CPU) and not fits(401, CPU)
    monkeypatch.setenv("COURSE_CACHE_RAM", "300")
    assert fits(300, CPU) and not fits(300, CPU, used=1), "the limit holds for all together"
    monkeypatch.setenv("COURSE_CACHE_RAM", "2KB")
    assert not fits(401, CPU), "a limit of one's own does not lift that of the machine"


def test_all_rows_pass_once_in_order():
    rows = torch.randperm(150)
    parts = list(in_parts(lambda part: part * 2, rows, CPU))
    assert [len(part) for part, _ in parts] == [64, 64, 22]
    assert torch.equal(torch.cat([part for part, _ in parts]), rows)
    assert torch.equal(torch.cat([result for _, result in parts]), rows * 2)


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB"),
     RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
     RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)")],
    ids=["cuda", "cpu", "mps"],
)  # fmt: skip
@pytest.mark.parametrize("most", [63, 20, 1])
def test_parts_are_halved_until_they_fit_and_none_is_lost(error, most):
    tried = []

    def run(part: torch.Tensor) -> torch.Tensor:
        tried.append(len(part))
        if len(part) > most:
            raise error
        return part + 1

    with pytest.warns(UserWarning, match="ran out of memory") as told:
        found = torch.cat([result for _, result in in_parts(run, torch.arange(100), CPU)])
    assert torch.equal(found, torch.arange(100) + 1)
    assert "with 64 images at a time; going on with 32" in str(told[0].message)
    fitting = [count for count in tried if count <= most]
    assert sum(fitting) == 100 and len(tried) - len(fitting) == {63: 1, 20: 2, 1: 6}[most], "the smaller size stays"


def test_a_device_without_memory_for_one_image_is_told():
    def run(part: torch.Tensor) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried much")

    with (
        pytest.warns(UserWarning),
        pytest.raises(CourseError, match=r"no memory for one single image \(CUDA out of memory\.\)"),
    ):
        list(in_parts(run, torch.arange(8), CPU))


def test_other_errors_pass():
    error = RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    assert not is_out_of_memory(error)
    with pytest.raises(RuntimeError, match="shapes cannot be"):
        list(in_parts(lambda part: (_ for _ in ()).throw(error), torch.arange(8), CPU))


# Anonymous memory is what a process holds that is not a page of a file; the pages of a mapped file are the system's to take
# back at any time, and so are not counted. It is looked at a hundred times a second, from the first image to the last step.
FLAT = """
import json, sys, threading, time
import torch
from torch import nn
from course_lib.cache import feature_files, stores
from course_lib.cutting.blocks import split
from course_lib.image_files import write_images
from course_lib.network import Network
from course_lib.cache.remember import Pixels, remember
from course_lib.training.train import Stage, fit

torch.set_num_threads(1)
feature_files.SEGMENT = 4_000_000  # so that the smaller set fills more than one file too
count, folder = int(sys.argv[1]), sys.argv[2]
peak, running = 0, True

def anonymous():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("RssAnon"))

def watch():
    global peak
    while running:
        peak = max(peak, anonymous())
        time.sleep(0.01)

def parts(count):
    for start in range(0, count, 500):
        yield torch.randint(0, 256, (500, 3, 32, 32), dtype=torch.uint8)

model = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 4, 3, 4, 1), nn.Flatten(), nn.Linear(64, 2)).eval()
net = Network("tiny", model, split(model, torch.randn(2, 3, 32, 32)), ("a", "b"), 32, (0.5,) * 3, (0.25,) * 3, "random")
recipe = [Stage(epochs=1, batch=250), Stage(frozen=1, epochs=1, batch=250)]  # from pixels, then from features

def everything(count, name):
    splits = {"train": torch.arange(count - 500), "val": torch.arange(count - 500, count)}
    images = write_images(f"{folder}/{name}.safetensors", parts(count), torch.arange(count) % 2, ("a", "b"), splits, name=name)
    for record in fit(net, images, recipe, device="cpu"):
        pass
    return images, remember(Pixels(net, images), 1).store

everything(1000, "first")  # what torch sets up once
before = anonymous()
thread = threading.Thread(target=watch)
thread.start()
images, store = everything(count, "second")
running = False
thread.join()
print(json.dumps({"peak": peak, "before": before, "pixels": images.images.nbytes, "features": store.bytes, "place": store.place}))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's account of a process's memory")
def test_memory_stays_flat_when_images_and_features_grow_eight_times(tmp_path):
    found = []
    for count in (4000, 32000):
        folder = tmp_path / str(count)
        folder.mkdir()
        settings = {"COURSE_CACHE": str(folder / "cache"), "COURSE_CACHE_RAM": "0", "COURSE_PRECISION": "float32"}
        command = [sys.executable, "-c", FLAT, str(count), str(folder)]
        ended = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr
        found.append(json.loads(ended.stdout))
        print(count, "images:", {name: v if name == "place" else say_bytes(v) for name, v in found[-1].items()})
    small, large = found
    assert large["place"] == small["place"] == "on disk"
    assert large["features"] + large["pixels"] > 350e6, "which is what would be held otherwise"
    assert large["peak"] - small["peak"] < 20e6, found
    assert large["peak"] < 1.15 * small["peak"], found
