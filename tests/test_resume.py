"""A run that was stopped, by whatever, goes on from its checkpoint to the weights of a run that was not."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from toys import differing, flags, make, run, toy_images, weights

from course_lib.augment import Augment
from course_lib.errors import CourseError
from course_lib.network import Network
from course_lib.training.stage import Stage
from course_lib.training.train import fit
from course_lib.widgets.run import Live, Run, Worker

RECIPES = {
    "head, then suffix": [Stage(frozen=-1, epochs=2, batch=5), Stage(frozen=3, epochs=2, batch=5, decay=0.5)],
    "sgd, mixup and dropout": [Stage(frozen=3, epochs=3, batch=5, optimizer="sgd", mixup=0.3, dropout=0.5, lr=1e-2)],
    "views and adapted norm": [Stage(frozen=2, epochs=3, batch=6, norm="adapt", augment=Augment(), views=2)],
    "pull": [Stage(frozen=-1, epochs=1, batch=6), Stage(frozen=3, epochs=2, batch=6, pull=5.0, lr=1e-2)],
    "best, and an early end": [
        Stage(frozen=4, epochs=8, batch=6, lr=0.3, schedule="constant", keep_best=True, patience=2),
        Stage(frozen=3, epochs=1, batch=6),
    ],
    "the norm trap": [Stage(frozen=4, epochs=2, batch=6, frozen_norm="train"), Stage(frozen=2, epochs=1, batch=6)],
    "from scratch": [Stage(frozen=0, epochs=2, batch=5, class_weights="balanced", label_smoothing=0.1)],
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))


def go_on(net: Network, recipe: list[Stage], file: Path, most: int | None = None, **options) -> list[str]:
    """Train for at most so many records, then break; the phases seen."""
    seen = []
    for record in fit(net, toy_images(), recipe, device="cpu", checkpoint=file, **options):
        seen.append(record.phase)
        if len(seen) == most:
            break
    return seen


@pytest.mark.parametrize("again", ["the stopped net", "a net as it was at the start"])
@pytest.mark.parametrize("name", RECIPES)
def test_a_run_stopped_at_any_record_ends_as_if_it_had_not_been(name, again, tmp_path):
    begin, recipe, draw = make("pawnet"), RECIPES[name], random.Random(name + again)
    whole = begin.copy()
    run(whole, toy_images(), recipe)
    net, stops = begin.copy(), 0
    while True:
        before = flags(net)
        seen = go_on(net, recipe, tmp_path / "run.safetensors", draw.randint(3, 7))
        assert flags(net) == before
        assert stops < 50 and seen, "the run moves on"
        stops += 1
        card = json.loads(read_card(tmp_path / "run.safetensors")) if (tmp_path / "run.safetensors").exists() else None
        if card and card["place"]["stage"] == len(recipe):
            break
        if again == "a net as it was at the start":
            net = begin.copy()
    assert stops > 1
    assert differing(weights(net), weights(whole)) == []


def read_card(file: Path) -> str:
    with safetensors.safe_open(file, "pt") as opened:
        return opened.metadata()["card"]


def test_a_finished_run_is_taken_up_at_its_end(tmp_path):
    file, recipe, net = tmp_path / "run.safetensors", RECIPES["head, then suffix"], make("pawnet")
    begin = net.copy()
    go_on(net, recipe, file)
    records = list(fit(begin, toy_images(), recipe, device="cpu", checkpoint=file))
    assert [r.phase for r in records] == ["resume"] and records[0].progress == 1 and "was complete" in records[0].text
    assert differing(weights(net), weights(begin)) == []


def test_the_record_says_from_where_it_goes_on(tmp_path):
    file, recipe, net = tmp_path / "run.safetensors", [Stage(frozen=3, epochs=2, batch=4)], make("pawnet")
    for record in fit(net, toy_images(), recipe, device="cpu", checkpoint=file):
        if record.step == 4:
            break
    records = list(fit(net, toy_images(), recipe, device="cpu", checkpoint=file))
    assert records[0].step == 4 and "goes on, from step 4" in records[0].text
    assert [r.step for r in records if r.phase == "train"] == [5, 6]


# An interrupt


def test_an_interrupt_inside_a_step_waits_until_the_step_is_whole(tmp_path, monkeypatch):
    """SIGINT arrives in the middle of the optimizer's step, where half of the weights have moved."""
    toys, recipe = toy_images(), [Stage(frozen=2, epochs=3, batch=5)]
    begin = make("pawnet")
    whole, net = begin.copy(), begin.copy()
    run(whole, toys, recipe)
    real, calls = torch.optim.AdamW.step, []

    def interrupted(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == 4:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", interrupted)
    before, handler = flags(net), signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        go_on(net, recipe, tmp_path / "run.safetensors")
    assert len(calls) == 4 and flags(net) == before and signal.getsignal(signal.SIGINT) is handler
    monkeypatch.setattr(torch.optim.AdamW, "step", real)
    assert json.loads(read_card(tmp_path / "run.safetensors"))["place"]["step"] == 4
    go_on(net, recipe, tmp_path / "run.safetensors")
    assert differing(weights(net), weights(whole)) == []


def test_interrupts_at_random_moments_leave_the_net_usable_and_the_run_whole(tmp_path):
    toys, recipe = toy_images(train=24), [Stage(frozen=-1, epochs=2, batch=6), Stage(frozen=1, epochs=3, batch=6)]
    begin = make("pawnet")
    whole, net, draw = begin.copy(), begin.copy(), random.Random(0)
    run(whole, toys, recipe)
    came = 0
    for _ in range(60):
        timer = threading.Timer(draw.uniform(0.0, 0.12), os.kill, (os.getpid(), signal.SIGINT))
        before = flags(net)
        try:
            timer.start()
            for _ in fit(net, toys, recipe, device="cpu", checkpoint=tmp_path / "run.safetensors"):
                pass
            timer.cancel()
            timer.join()
            break
        except KeyboardInterrupt:
            came += 1
        assert flags(net) == before
        net(toys.images[:2])
    else:
        for _ in fit(net, toys, recipe, device="cpu", checkpoint=tmp_path / "run.safetensors"):
            pass
    assert came > 1
    assert differing(weights(net), weights(whole)) == []


def test_the_stop_button_leaves_a_run_that_goes_on(tmp_path):
    toys, recipe, file = toy_images(), [Stage(frozen=2, epochs=4, batch=5)], tmp_path / "run.safetensors"
    begin = make("pawnet")
    whole, net = begin.copy(), begin.copy()
    run(whole, toys, recipe)
    seen = threading.Event()
    job = Run(lambda: slowly(fit(net, toys, recipe, device="cpu", checkpoint=file), seen), lambda *_: None)
    worker = Worker(Live(), "test")
    worker.train(job)
    assert seen.wait(30)
    worker.stop()
    worker.join(30)
    worker.close()  # as when the cell is run again: the run ends where it stands
    worker._thread.join(30)
    assert job.state == "stopped" and 0 < json.loads(read_card(file))["place"]["step"] < 12
    go_on(net, recipe, file)
    assert differing(weights(net), weights(whole)) == []


def slowly(records, seen):
    """Records with time between them to press a button; closing this closes the run."""
    try:
        for record in records:
            yield record
            seen.set()
            time.sleep(0.1)
    finally:
        records.close()


# Killed


# One process imports torch; a child of it makes each attempt, and writes what it has done into a pipe: a line
# at a time, since a child that is killed between two writes of a line would leave half of one.
SCRIPT = """
import os, sys
sys.path.insert(0, sys.argv[1])
import torch
torch.set_num_threads(1)
from toys import make, toy_images
from test_resume import KILLED
from course_lib.training.train import fit
for line in sys.stdin:
    if os.fork() == 0:
        net = make("pawnet")
        print("begun", os.getpid(), flush=True)
        for record in fit(net, toy_images(train=40), KILLED, device="cpu", checkpoint=sys.argv[2], save_every=0.0):
            print(f"{record.phase} {record.step}\\n", end="", flush=True)
        net.save(sys.argv[3])
        print("done", flush=True)
        os._exit(0)
    print("ended", os.wait()[1], flush=True)
"""
KILLED = [Stage(frozen=-1, epochs=3, batch=8), Stage(frozen=3, epochs=24, batch=8, augment=Augment(), views=2)]


@pytest.mark.skipif(
    not hasattr(os, "fork"), reason="a fresh process for each of 20 attempts would take minutes; POSIX forks"
)
def test_killed_twenty_times_and_still_the_same_weights(tmp_path):
    """SIGKILL at random moments: while images are remembered, in a step, and while the checkpoint is written."""
    file, end, draw = tmp_path / "run.safetensors", tmp_path / "net.safetensors", random.Random(1)
    command = [sys.executable, "-c", SCRIPT, str(Path(__file__).parent), str(file), str(end)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    kills, steps = 0, [0]
    with subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, **pipes) as parent:
        while not end.exists():
            print("go", file=parent.stdin)
            word, child = parent.stdout.readline().split()
            assert word == "begun"
            left = draw.randint(1, 9) if kills < 20 else 10**6
            for line in parent.stdout:
                word, *number = line.split()
                if word == "ended":
                    kills += int(number[0]) == signal.SIGKILL
                    break
                steps += map(int, number)
                left -= 1
                if left == 0:
                    time.sleep(draw.uniform(0, 0.02))  # somewhere within the next step or write
                    os.kill(int(child), signal.SIGKILL)
        parent.stdin.close()
    whole, threads = make("pawnet"), torch.get_num_threads()
    torch.set_num_threads(1)  # as many as the killed process had: with others the last bits may differ
    try:
        run(whole, toy_images(train=40), KILLED)
    finally:
        torch.set_num_threads(threads)
    whole.save(tmp_path / "whole.safetensors")
    assert kills == 20 and steps[-1] == 27 * 5
    found, expected = (safetensors.torch.load_file(path) for path in (end, tmp_path / "whole.safetensors"))
    assert differing(found, expected) == []


# A file of another run


def change(name: str):
    recipe = [Stage(frozen=3, epochs=2, batch=5)]
    toys, net, options = toy_images(), make("pawnet"), {}
    if name == "recipe":
        recipe = [replace(recipe[0], lr=2e-3)]
    if name == "seed":
        options["seed"] = 1
    if name == "images":
        toys = toy_images(seed=1)
    if name == "validate_every":
        options["validate_every"] = 2
    if name == "other weights":
        net.model.head.weight.data += 1
    if name == "other frozen weights":
        net.model.stem[0].weight.data += 1
    return net, toys, recipe, options


@pytest.mark.parametrize(
    "name", ["recipe", "seed", "images", "validate_every", "other weights", "other frozen weights"]
)
def test_a_checkpoint_of_another_run_is_refused_and_left_as_it_is(name, tmp_path):
    file = tmp_path / "run.safetensors"
    go_on(make("pawnet"), [Stage(frozen=3, epochs=2, batch=5)], file, 4)
    kept = file.read_bytes()
    net, toys, recipe, options = change(name)
    before = weights(net)
    with pytest.raises(CourseError, match=name.replace("frozen ", "")):
        list(fit(net, toys, recipe, device="cpu", checkpoint=file, **options))
    assert file.read_bytes() == kept and differing(weights(net), before) == []


@pytest.mark.parametrize("content", [b"", b"{}", b"\x80\x04K\x01.", None])
def test_a_file_that_is_no_checkpoint_is_refused_and_left_as_it_is(content, tmp_path):
    file = tmp_path / "run.safetensors"
    if content is None:
        make("pawnet").save(file)
    else:
        file.write_bytes(content)
    kept = file.read_bytes()
    with pytest.raises(CourseError, match="no checkpoint"):
        go_on(make("pawnet"), [Stage(frozen=-1)], file)
    assert file.read_bytes() == kept


def test_a_checkpoint_is_a_safetensors_file():
    with pytest.raises(CourseError, match=r"run\.safetensors"):
        fit(make("pawnet"), toy_images(), Stage(frozen=-1), checkpoint="run.pt", device="cpu")
