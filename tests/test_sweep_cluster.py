"""Sweeps on a Dask cluster and on Slurm: a scheduler with two workers on this machine, and submitit's local executor.

pytest tests/test_sweep_cluster.py          # needs: pip install -e ".[cluster]"
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import pytest

from course_lib.errors import CourseError
from course_lib.sweeps.executors import dask, slurm
from course_lib.sweeps.function import Function, load_function
from course_lib.sweeps.outcome import Sweep
from course_lib.sweeps.sweep import sweep
from course_lib.sweeps.task import Task, perform

NEEDS = 'the extra is not installed: pip install -e ".[cluster]"'
LOOPBACK = ["--host", "127.0.0.1", "--no-dashboard", "--dashboard-address", "127.0.0.1:0"]

RUNS = """
import os, time

def run(config):
    note(config, "start")
    time.sleep(config["nap"])
    if config.get("fails"):
        raise ValueError("bad luck")
    note(config, "end")
    return {"square": config["i"] ** 2, "process": os.getpid()}

def note(config, word):
    with open(config["log"], "a") as file:
        file.write(f"{word} {config['i']} {os.getpid()} {time.time()}\\n")
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function in a file of its own, which notes in a log when it starts and ends."""
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "my_runs.py").write_text(RUNS)
    (tmp_path / "log.txt").touch()
    return load_function(f"{tmp_path}/my_runs.py:run")


class Cluster:
    """A Dask scheduler and two workers with one thread each, as processes that listen on this machine only."""

    def __init__(self, folder: Path) -> None:
        self.processes: list[subprocess.Popen] = []
        self.folder = folder
        self._start("scheduler", "--port", "0", "--scheduler-file", str(folder / "scheduler.json"))
        wait_for(lambda: (folder / "scheduler.json").exists())
        self.address = json.loads((folder / "scheduler.json").read_text())["address"]
        for name in ("first", "second"):
            worker = ["--nworkers", "1", "--nthreads", "1", "--no-nanny", "--local-directory", str(folder / name)]
            self._start("worker", self.address, *worker)
        with dask(self.address) as executor:
            executor._client.wait_for_workers(2, timeout=60)

    def _start(self, kind: str, *arguments: str) -> None:
        with open(self.folder / f"{kind}{len(self.processes)}.log", "w") as log:
            command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *arguments, *LOOPBACK]
            environment = os.environ | {"OMP_NUM_THREADS": "1"}
            self.processes.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.kill()
            process.wait(30)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    pytest.importorskip("distributed", reason=NEEDS)
    (tmp_path / "cluster").mkdir()
    running = Cluster(tmp_path / "cluster")
    yield running
    running.stop()


def test_a_worker_that_is_killed_loses_no_result_and_nothing_is_done_twice(
    run: Any, cluster: Cluster, tmp_path: Path
) -> None:
    grid = {"i": list(range(16)), "nap": [0.3], "log": [str(tmp_path / "log.txt")]}
    with dask(cluster.address) as executor:
        killed, work = 0, sweep(run, grid, executor, store=tmp_path / "kept")
        for at in patient(work):
            if len(at.rows) >= 5 and not killed:
                killed = in_the_middle(tmp_path / "log.txt", nap=0.3)
                os.kill(killed, signal.SIGKILL)
        ended = lines(tmp_path / "log.txt", "end")
        again = whole(sweep(run, grid, executor, store=tmp_path / "kept"))
    assert killed and [row.result["square"] for row in at.rows] == [i**2 for i in range(16)] and not at.failed
    assert Counter(ended) == Counter(range(16))  # each one ended once: also those whose results died with the worker
    assert sorted(lines(tmp_path / "log.txt", "start")) != sorted(range(16))  # the run that was cut off began again
    assert len(lines(tmp_path / "log.txt", "start")) == 17
    assert len(list((tmp_path / "kept").glob("*.json"))) == 16
    assert len({row.result["process"] for row in at.rows}) == 2
    assert all(row.repeated for row in again.rows) and lines(tmp_path / "log.txt", "end") == ended


def test_a_run_that_failed_on_dask_is_tried_again_and_closing_cancels_the_rest(
    run: Any, cluster: Cluster, tmp_path: Path
) -> None:
    log = str(tmp_path / "log.txt")
    config = {"i": 1, "nap": 0, "log": log, "fails": True}
    with dask(cluster.address) as executor:
        held = executor.submit(perform, Task.of(Function.of(run), config, tmp_path / "kept"))
        assert held.result(60)["error"] == "ValueError: bad luck"  # Dask remembers the answer as long as it is held
        for client in (executor, executor._client):  # what get_executor() gives, and the client itself
            done = whole(sweep(run, [config], client, store=tmp_path / "kept"))
            assert done.failed[0].error == "ValueError: bad luck" and "in run" in done.failed[0].traceback
        assert lines(Path(log), "start") == [1, 1, 1]
        work = sweep(run, {"i": list(range(20, 60)), "nap": [0.1], "log": [log]}, executor)
        for at in patient(work):
            if len(at.rows) >= 2:
                work.close()
        begun = len(lines(Path(log), "start"))
        time.sleep(1)
        assert len(lines(Path(log), "start")) <= begun + 2 < 40  # what was on its way when it was closed


def test_a_scheduler_that_is_gone_ends_the_sweep_and_the_next_call_says_so(
    run: Any, cluster: Cluster, tmp_path: Path
) -> None:
    grid = {"i": list(range(8)), "nap": [0.2], "log": [str(tmp_path / "log.txt")]}
    with dask(cluster.address) as executor:
        for at in patient(sweep(run, grid, executor, store=tmp_path / "kept")):
            if at.rows and not at.failed:
                cluster.processes[0].kill()
    assert at.progress == 1 and at.rows and "the cluster gave it up" in at.failed[0].error
    assert all(row.repeated for row in next(sweep(run, grid, store=tmp_path / "kept")).rows)
    with pytest.raises(CourseError, match=rf"No Dask scheduler answered at {cluster.address}"):
        with dask(cluster.address, seconds=1):
            pass


def test_the_command_runs_on_dask(run: Any, cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    import argparse

    from course_lib.sweeps.command import add_arguments, command

    parser = argparse.ArgumentParser()
    add_arguments(parser)
    call = [f"{tmp_path}/my_runs.py:run", "--set", "i=1,2,3", "--set", "nap=0", "--set", f"log={tmp_path}/log.txt"]
    assert command(parser.parse_args([*call, "--dask", cluster.address])) == 0
    assert "100%  3 of 3 runs done" in capsys.readouterr().out
    assert command(parser.parse_args(call)) == 0  # the same results, read here
    assert "3 of them read from earlier" in capsys.readouterr().out


@pytest.fixture
def jobs(tmp_path: Path) -> Executor:
    submitit = pytest.importorskip("submitit", reason=NEEDS)
    executor = submitit.AutoExecutor(tmp_path / "jobs", cluster="local")
    executor.update_parameters(timeout_min=1)
    return executor


def test_jobs_of_submitit_give_the_same_results_and_fail_in_a_line(run: Any, jobs: Any, tmp_path: Path) -> None:
    log = str(tmp_path / "log.txt")
    grid = [{"i": i, "nap": 0, "log": log, "fails": i == 2} for i in range(4)]
    done = [at for at in patient(sweep(run, grid, jobs, store=tmp_path / "kept"))][-1]
    assert [row.result["square"] for row in done.rows] == [0, 1, 9]
    assert [row.error for row in done.failed] == ["ValueError: bad luck"]
    assert len({row.result["process"] for row in done.rows} | {os.getpid()}) == 4
    assert sorted(lines(tmp_path / "log.txt", "start")) == [0, 1, 2, 3]
    again = whole(sweep(run, grid[:2], jobs, store=tmp_path / "kept"))
    assert all(row.repeated for row in again.rows)


def test_a_job_that_is_killed_fails_and_the_next_call_does_it(
    run: Any, jobs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("submitit.core.core.Job._results_timeout_s", 1)  # 15 s, for slow disks of clusters
    log = tmp_path / "log.txt"
    grid, killed = {"i": [5], "nap": [3], "log": [str(log)]}, False
    for at in patient(sweep(run, grid, jobs, store=tmp_path / "kept")):  # noqa: B007
        if log.read_text() and not killed:
            os.kill(in_the_middle(log, nap=3), signal.SIGKILL)
            killed = True
    assert killed and "ended without a result" in at.failed[0].error
    assert len(whole(sweep(run, grid, jobs, store=tmp_path / "kept")).rows) == 1


def test_what_is_missing_is_said_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit", reason=NEEDS)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CourseError, match="There is no Slurm here"), slurm("gpu", tmp_path / "jobs"):
        pass
    for name in ("distributed", "submitit"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(CourseError, match=r"Dask is not installed .*\[cluster\]"), dask("tcp://127.0.0.1:1"):
        pass
    with pytest.raises(CourseError, match=r"submitit is not installed .*\[cluster\]"), slurm("gpu", tmp_path):
        pass


def whole(work: Any) -> Sweep:
    return list(patient(work))[-1]


def patient(work: Iterator[Sweep], seconds: float = 100) -> Iterator[Sweep]:
    """The items of a sweep, but not forever."""
    end = time.monotonic() + seconds
    for at in work:
        assert time.monotonic() < end, f"waited in vain: {at.text}"
        yield at


def lines(log: Path, word: str) -> list[int]:
    """Which runs started, or ended, in order."""
    return [int(line.split()[1]) for line in log.read_text().splitlines() if line.startswith(word)]


def in_the_middle(log: Path, nap: float) -> int:
    """The process of a run that started a moment ago, so that it is not at its end."""
    for _ in range(1000):
        for line in log.read_text().splitlines():
            word, _, process, when = line.split()
            if word == "start" and time.time() - float(when) < 0.7 * nap:
                return int(process)
        time.sleep(0.01)
    raise AssertionError("no run was under way")


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
