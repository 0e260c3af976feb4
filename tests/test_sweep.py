"""course_lib/sweeps: each config is done once, whatever is killed, changed or called again; here and in processes.

pytest tests/test_sweep.py          # Dask and Slurm: tests/test_sweep_cluster.py
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from course_lib.errors import CourseError
from course_lib.experiments import store as runs_store
from course_lib.sweeps.command import add_arguments, command, values
from course_lib.sweeps.executors import pool
from course_lib.sweeps.function import Function, depends_on, load_function
from course_lib.sweeps.grid import configs
from course_lib.sweeps.outcome import Sweep
from course_lib.sweeps.sweep import sweep
from course_lib.sweeps.task import Task, perform, plain

# A file of runs, as a reader would write one. Each run notes its start in a file, so that tests can count.
RUNS = """
import os, pathlib, signal, sys, threading, time

def note(config, word):
    with open(config["log"], "a") as file:
        file.write(f"{word} {config['i']} {os.getpid()}\\n")

def square(config):
    note(config, "start")
    time.sleep(config.get("nap", 0))
    note(config, "end")
    return {"square": config["i"] ** FACTOR}

def picky(config):
    note(config, "start")
    if config["i"] == 1:
        raise ValueError("one is too few\\nand more words")
    if config["i"] == 2:
        sys.exit("two ends it")
    return {"i_was": config["i"]}

def deadly(config):
    note(config, "start")
    always, once = config["i"] == 1, config["i"] == 2
    if always or (once and pathlib.Path(config["log"]).read_text().count("start 2 ") == 1):
        os.kill(os.getpid(), 9)
    return {"alive": True}

def threads(config):
    import torch
    return {"threads": torch.get_num_threads(), "process": os.getpid()}

def overlap(config):
    before = threading.active_count()
    busy = pathlib.Path(config["log"])
    assert not busy.exists(), "two runs at a time in one process"
    busy.touch(); time.sleep(0.02); busy.unlink()
    return {}
"""

linux = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Any]:
    """`written("square")`: a function of the file of runs, freshly loaded; `factor` makes another text of it."""

    def write(name: str, factor: int = 2) -> Any:
        (tmp_path / "my_runs.py").write_text(RUNS.replace("FACTOR", str(factor)))
        return load_function(f"{tmp_path / 'my_runs.py'}:{name}")

    return write


@pytest.fixture
def log(tmp_path: Path) -> str:
    (tmp_path / "log.txt").touch()
    return str(tmp_path / "log.txt")


def starts(log: str) -> list[int]:
    """Which runs were started, in order."""
    return [int(line.split()[1]) for line in Path(log).read_text().splitlines() if line.startswith("start")]


def whole(work: Any) -> Sweep:
    """A sweep, run to its end."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


# Grids


def test_a_dict_of_lists_is_combined_and_a_list_is_taken_as_it_is() -> None:
    assert configs({"lr": [0.1, 0.2], "seed": range(2)}) == [
        {"lr": 0.1, "seed": 0},
        {"lr": 0.1, "seed": 1},
        {"lr": 0.2, "seed": 0},
        {"lr": 0.2, "seed": 1},
    ]
    assert configs([{"a": 1}, {"b": None}]) == [{"a": 1}, {"b": None}]
    (config,) = configs({"rate": [np.float64(0.5)]})
    assert type(config["rate"]) is float


@pytest.mark.parametrize(
    "grid, said",
    [
        ({"lr": 0.1}, "write [0.1] for a single value"),
        ({"model": "pawnet"}, "write ['pawnet'] for a single value"),
        ({"lr": np.array([0.1, 0.2])}, "call .tolist() on it"),
        ({"lr": []}, "has no values"),
        ({"lr": [float("nan")]}, "JSON has no number for"),
        ({"size": [(1, 2)]}, "use a list instead"),
        ({"seed": [np.int64(1)]}, "numpy.int64"),
        ({"run": [len]}, "is no JSON value"),
        ([{1: 2}], "Names in a config are texts"),
        ([{"deep": {"er": [{"set": {1}}]}}], "'set' of"),
        (["lr"], "config 0 of this grid is 'lr'"),
        ([], "names no run"),
        (5, "A grid is a dict of lists"),
    ],
)
def test_what_is_not_json_is_refused_in_a_sentence(grid: Any, said: str, written: Any) -> None:
    with pytest.raises(CourseError) as refused:
        sweep(written("square"), grid)
    assert said in str(refused.value) and "\n" not in str(refused.value)


# Once


def test_what_was_done_is_read_and_a_grown_grid_does_only_what_is_new(written: Any, log: str, own_cache: Path) -> None:
    run, grid = written("square"), {"i": [1, 2, 3], "log": [log]}
    first = whole(sweep(run, grid))
    assert [row.result for row in first.rows] == [{"square": 1}, {"square": 4}, {"square": 9}]
    second = whole(sweep(run, {"i": [1, 2, 3, 4], "log": [log]}))
    assert starts(log) == [1, 2, 3, 4]
    assert [row.repeated for row in second.rows] == [True, True, True, False]
    assert len(list((own_cache / "sweeps" / "my_runs.square").glob("*.json"))) == 4
    assert "3 of them read from earlier" in second.text and second.progress == 1


def test_neither_the_order_of_names_nor_a_config_that_stands_twice_makes_a_second_run(written: Any, log: str) -> None:
    run = written("square")
    done = whole(sweep(run, [{"i": 1, "log": log}, {"log": log, "i": 1}, {"i": 1, "log": log}]))
    assert (starts(log), done.total, len(done.rows)) == ([1], 1, 1)
    whole(sweep(run, {"log": [log], "i": [1]}))
    assert starts(log) == [1]


def test_each_run_is_one_json_file_that_says_what_when_and_where(written: Any, log: str, tmp_path: Path) -> None:
    whole(sweep(written("square"), {"i": [3], "log": [log]}, store=tmp_path / "kept"))
    (file,) = (tmp_path / "kept").iterdir()
    record = json.loads(file.read_text())
    assert record["config"] == {"i": 3, "log": log} and record["result"] == {"square": 9}
    assert record["run"] == "my_runs.square" and record["seconds"] > 0 and record["date"].endswith("+00:00")
    assert {"name", "system", "cpus"} <= record["machine"].keys() and {"python", "torch"} <= record["versions"].keys()


@pytest.mark.parametrize("what", ["source", "course", "depends_on"])
def test_a_result_is_not_taken_for_one_of_other_code(
    what: str, written: Any, log: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid, run = {"i": [3], "log": [log]}, written("square")
    whole(sweep(run, grid))
    if what == "source":
        run = written("square", factor=3)
    elif what == "course":
        monkeypatch.setattr(runs_store, "_code", lambda: "other code")
    else:
        depends_on(lambda config: f"weights {config['i']}")(run)
    assert not whole(sweep(run, grid)).rows[0].repeated
    assert whole(sweep(run, grid)).rows[0].repeated
    assert starts(log) == [3, 3]


def test_a_file_that_was_changed_after_it_was_loaded_is_refused(written: Any, log: str, tmp_path: Path) -> None:
    grid, run = {"i": [3], "log": [log]}, written("square")
    whole(sweep(run, grid))
    written("square", factor=3)
    with pytest.raises(CourseError, match="was changed after square was loaded"):
        sweep(run, grid)


@pytest.mark.parametrize("damage", ["{", "[]", "{}", "other config", "no result", "no time"])
def test_a_damaged_file_is_worked_out_again(damage: str, written: Any, log: str, tmp_path: Path) -> None:
    grid, run = {"i": [3], "log": [log]}, written("square")
    whole(sweep(run, grid, store=tmp_path / "kept"))
    (file,) = (tmp_path / "kept").iterdir()
    parts = {"other config": {"config": {"i": 4}}, "no result": {"result": None}, "no time": {"seconds": "long"}}
    file.write_text(json.dumps(json.loads(file.read_text()) | parts[damage]) if damage in parts else damage)
    again = whole(sweep(run, grid, store=tmp_path / "kept"))
    assert not again.rows[0].repeated and starts(log) == [3, 3]
    assert json.loads(file.read_text())["result"] == {"square": 9}


def test_a_worker_that_gets_a_run_again_reads_what_the_one_before_it_wrote(
    written: Any, log: str, tmp_path: Path
) -> None:
    task = Task.of(Function.of(written("square")), {"i": 3, "log": log}, tmp_path / "kept")
    first, second = perform(task), perform(task)
    assert first == second and first["result"] == {"square": 9} and starts(log) == [3]


# Failures and interrupts


def test_a_failed_run_stops_no_other_is_not_kept_and_is_tried_again(written: Any, log: str, tmp_path: Path) -> None:
    grid, run = {"i": [0, 1, 2, 3], "log": [log]}, written("picky")
    for _ in range(2):
        done = whole(sweep(run, grid, store=tmp_path / "kept"))
        assert [row.error for row in done.failed] == ["ValueError: one is too few", "SystemExit: two ends it"]
        assert 'raise ValueError("one is too few' in done.failed[0].traceback
        assert [row.config["i"] for row in done.rows] == [0, 3] and done.progress == 1
        assert len(list((tmp_path / "kept").iterdir())) == 2
    assert starts(log) == [0, 1, 2, 3, 1, 2]
    assert "ValueError: one is too few" in repr(done.table()) and "2 failed" in done.text


def test_closing_keeps_what_is_done_and_starts_nothing_more(written: Any, log: str) -> None:
    grid, run = {"i": [1, 2, 3, 4], "log": [log]}, written("square")
    work = sweep(run, grid)
    for at in work:
        if len(at.rows) == 2:
            work.close()
    assert starts(log) == [1, 2] and [row.config["i"] for row in at.rows] == [1, 2]
    assert [row.repeated for row in whole(sweep(run, grid)).rows] == [True, True, False, False]


def test_a_run_that_changes_its_config_changes_only_its_own_copy(tmp_path: Path) -> None:
    def run(config: dict) -> dict:
        config["list"].append(config.pop("i"))
        return {}

    done = whole(sweep(run, {"i": [1, 2], "list": [[]]}))
    assert [row.config for row in done.rows] == [{"i": 1, "list": []}, {"i": 2, "list": []}]


# Results


def test_results_come_back_as_json_gives_them_the_first_time_already() -> None:
    import torch

    given = {"a": np.float32(0.5), "b": torch.tensor(2), "c": (1, [np.int64(3)]), "d": {1: None}, "e": float("nan")}
    found = plain(given)
    assert found.pop("e") != found.get("e")  # not a number is a result as well: of a run that diverged
    assert found == {"a": 0.5, "b": 2, "c": [1, [3]], "d": {"1": None}} and type(found["b"]) is int
    for wrong, said in (
        (0.8, "A run gives back a dict"),
        (None, "A run gives back a dict"),
        ({1: 2}, "received 1"),
        ({"net": object()}, "The result's 'net' is no JSON value"),
        ({"hits": np.ones(3)}, "The result's 'hits' is no JSON value"),
    ):
        with pytest.raises(CourseError, match=said):
            plain(wrong)


def test_the_table_shows_what_varies_what_came_out_and_why_not(written: Any, log: str) -> None:
    done = whole(sweep(written("picky"), {"i": [0, 1, 3], "log": [log], "flag": [True]}))
    table = done.table()
    assert list(table.columns) == ["i", "i_was", "took (s)", "error"]
    assert table.column("i") == [0, 1, 3] and table.column("i_was") == [0, "-", 3]
    assert "flag true" in table.caption and f"log {log}" in table.caption
    assert done.table(last=1).column("i") == [3] and done.table(last=0).rows == []
    assert "<table>" in done._repr_html_() and repr(done) == repr(table)
    header, *lines = done.csv().splitlines()
    assert header == "i,log,flag,i_was,took (s)" and [line.split(",")[:4] for line in lines] == [
        ["0", log, "true", "0"],
        ["3", log, "true", "3"],
    ]


def test_a_result_with_the_name_of_a_setting_is_told_apart_and_long_ones_stay_out_of_the_table() -> None:
    done = whole(sweep(lambda config: {"lr": config["lr"] / 2, "curve": [1, 2]}, {"lr": [1.0, 2.0]}))
    assert list(done.table().columns) == ["lr", "lr (result)", "took (s)"]
    assert done.csv().splitlines()[1].startswith('1.0,0.5,"[1, 2]",')


def test_watch_shows_a_sweep_as_it_goes(written: Any, log: str) -> None:
    from course_lib.widgets.live import watch

    grid, run = {"i": [1, 2, 3], "log": [log]}, written("square")
    shown = [(at.progress, len(at.table().rows)) for at in sweep(run, grid)]
    assert shown == [(0, 0), (1 / 3, 1), (2 / 3, 2), (1, 3)]
    done = watch(sweep(run, grid))
    assert isinstance(done, Sweep) and len(done.rows) == 3 and done.text.startswith("3 of 3 runs done")


# Functions


def test_here_any_function_runs_and_its_own_source_counts() -> None:
    assert whole(sweep(lambda config: {"twice": 2 * config["i"]}, {"i": [4]})).rows[0].result == {"twice": 8}
    assert not whole(sweep(lambda config: {"twice": 3 * config["i"]}, {"i": [5]})).rows[0].repeated


def test_a_function_of_a_notebook_runs_here_and_is_refused_elsewhere(own_cache: Path) -> None:
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    try:
        shell.run_cell("def run(config): return {'i': config['i']}", store_history=True)
        first = shell.user_ns["run"]
        assert not whole(sweep(first, {"i": [1]})).rows[0].repeated and whole(sweep(first, {"i": [1]})).rows[0].repeated
        shell.run_cell("def run(config): return {'i': config['i'] + 1}", store_history=True)
        assert whole(sweep(shell.user_ns["run"], {"i": [1]})).rows[0].result == {"i": 2}
        with pytest.raises(CourseError, match=r"run is a function of a notebook or prompt.*Put it into a \.py file"):
            sweep(first, {"i": [1]}, ThreadPoolExecutor(1))
    finally:
        shell.history_manager.end_session()
        type(shell).clear_instance()


def test_functions_that_cannot_be_told_apart_or_found_again_are_refused(written: Any) -> None:
    hidden = 3

    def closed(config: dict) -> dict:
        return {"hidden": hidden}

    with pytest.raises(CourseError, match="uses hidden of the function around it"):
        sweep(closed, {"i": [1]})
    assert whole(sweep(depends_on(f"hidden {hidden}")(closed), {"i": [1]})).rows[0].result == {"hidden": 3}
    for unnamed in (functools.partial(written("square"), log=""), "square", int):
        with pytest.raises(CourseError, match="A sweep runs a function of one config"):
            sweep(unnamed, {"i": [1]})
    with ThreadPoolExecutor(1) as executor:
        for inner in (lambda config: {}, closed):
            with pytest.raises(CourseError, match="not at the top level of its file"):
                sweep(inner, {"i": [1]}, executor)
    with pytest.raises(CourseError, match="An executor is pool"):
        sweep(written("square"), {"i": [1]}, 2)
    exec("def unknown(config): return {}", scope := {"__name__": "nowhere"})
    with pytest.raises(CourseError, match="The source of unknown cannot be read"):
        sweep(scope["unknown"], {"i": [1]})


def test_a_worker_with_other_code_says_so_and_does_nothing(
    written: Any, log: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = Function.of(written("square"))
    task = Task.of(function, {"i": 3, "log": log}, tmp_path / "kept")
    written("square", factor=3)
    assert "has another my_runs.square" in perform(task)["error"]
    written("square")
    monkeypatch.setattr(runs_store, "_code", lambda: "other code")
    assert "has other code of the course" in perform(task)["error"]
    monkeypatch.undo()
    (tmp_path / "my_runs.py").unlink()
    assert "has neither the file" in perform(task)["error"]
    assert starts(log) == [] and not (tmp_path / "kept").exists()


@pytest.mark.parametrize(
    "text, said",
    [
        ("my_runs.py", "is written FILE.py:NAME"),
        ("nowhere.py:run", "there is no such file"),
        ("{folder}/my_runs.py:cube", "has no function 'cube'; it has note, square, picky"),
        ("{folder}/broken.py:run", "cannot be imported: SyntaxError"),
        ("{folder}/eager.py:run", "starts a sweep while a worker imports it"),
    ],
)
def test_a_function_that_is_not_there_is_a_sentence(text: str, said: str, written: Any, tmp_path: Path) -> None:
    written("square")
    (tmp_path / "broken.py").write_text("def run(:")
    (tmp_path / "eager.py").write_text(
        "from course_lib.sweeps.sweep import sweep\ndef run(config): return {}\nlist(sweep(run, {'i': [1]}))"
    )
    with pytest.raises(CourseError) as refused:
        load_function(text.format(folder=tmp_path))
    assert said in str(refused.value)


# Processes


def test_processes_do_what_this_one_does_and_share_its_results(written: Any, log: str) -> None:
    run = written("square")
    here = whole(sweep(run, {"i": [1, 2], "log": [log]}))
    with pool(2) as executor:
        both = whole(sweep(run, {"i": [1, 2, 3, 4, 5], "log": [log]}, executor))
        assert [row.result["square"] for row in both.rows] == [1, 4, 9, 16, 25]
        assert [row.repeated for row in both.rows] == [True, True, False, False, False]
        assert sorted(starts(log)) == [1, 2, 3, 4, 5]
        changed = whole(sweep(written("square", factor=3), {"i": [3], "log": [log]}, executor))
        assert changed.rows[0].result == {"square": 27}  # these processes had loaded the file before it changed
    assert here.rows[0].result == both.rows[0].result


def test_each_process_has_one_thread_of_torch(written: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    with pool(1) as executor:
        (row,) = whole(sweep(written("threads"), {"i": [0]}, executor)).rows
    assert row.result["threads"] == 1 and row.result["process"] != os.getpid()


@linux
def test_a_killed_process_takes_one_run_with_it_which_is_tried_once_more(written: Any, log: str) -> None:
    run = written("deadly")
    with pool(2) as executor:
        done = whole(sweep(run, {"i": list(range(6)), "log": [log]}, executor))
    assert [row.config["i"] for row in done.failed] == [1] and "its process was killed" in done.failed[0].error
    assert sorted(starts(log)) == [0, 1, 1, 2, 2, 3, 4, 5]


@linux
def test_a_pool_of_concurrent_futures_that_breaks_loses_nothing_that_was_done(written: Any, log: str) -> None:
    run, spawn = written("deadly"), get_context("spawn")
    grid = {"i": [3, 4, 2, 5], "log": [log]}
    with ProcessPoolExecutor(1, mp_context=spawn) as executor:
        done = whole(sweep(run, grid, executor))
        assert [row.config["i"] for row in done.rows] == [3, 4] and "call again to go on" in done.failed[0].error
        with pytest.raises(CourseError, match="The executor takes no runs"):
            whole(sweep(run, grid, executor))
    with ProcessPoolExecutor(1, mp_context=spawn) as executor:
        again = whole(sweep(run, grid, executor))
    assert not again.failed and sorted(starts(log)) == [2, 2, 3, 4, 5]


@linux
def test_a_killed_parent_loses_nothing_and_leaves_no_process_behind(written: Any, log: str, tmp_path: Path) -> None:
    run = written("square")
    (tmp_path / "script.py").write_text(
        "import sys\nfrom my_runs import square\nfrom course_lib.sweeps.sweep import sweep\n"
        "from course_lib.sweeps.executors import pool\n"
        "if __name__ == '__main__':\n    with pool(2) as executor:\n"
        f"        for at in sweep(square, {{'i': list(range(50)), 'log': [{log!r}], 'nap': [0.1]}}, executor): pass\n"
    )
    parent = subprocess.Popen([sys.executable, str(tmp_path / "script.py")])
    try:
        wait_for(lambda: Path(log).read_text().count("end") >= 4)
    finally:
        parent.kill()
        parent.wait(30)
    workers = {int(line.split()[2]) for line in Path(log).read_text().splitlines()}
    wait_for(lambda: not any(alive(worker) for worker in workers))
    ended = [int(line.split()[1]) for line in Path(log).read_text().splitlines() if line.startswith("end")]
    # The script had imported the file by its name; here it was loaded by its path. It is the same function.
    first = next(sweep(run, {"i": list(range(50)), "log": [log], "nap": [0.1]}))
    assert sorted(row.config["i"] for row in first.rows) == sorted(ended) and len(ended) >= 4


@linux
def test_an_interrupt_ends_the_processes_at_once_and_keeps_what_is_done(written: Any, log: str) -> None:
    run, start = written("square"), time.monotonic()
    with pytest.raises(KeyboardInterrupt), pool(2) as executor:
        for at in sweep(run, [{"i": i, "log": log, "nap": 0 if i < 2 else 600} for i in range(6)], executor):
            if len(at.rows) == 2 and len(starts(log)) == 4:
                raise KeyboardInterrupt
    assert time.monotonic() - start < 60
    assert len(starts(log)) == 4
    first = next(sweep(run, [{"i": i, "log": log, "nap": 0} for i in range(2)]))
    assert len(first.rows) == 2


def test_closing_cancels_what_no_process_has_begun(written: Any, log: str) -> None:
    with pool(1) as executor:
        work = sweep(written("square"), {"i": list(range(9)), "log": [log], "nap": [0.1]}, executor)
        for at in work:
            if at.rows:
                work.close()
    assert len(starts(log)) <= 3


def test_several_threads_of_a_process_do_one_run_at_a_time(written: Any, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as executor:
        done = whole(sweep(written("overlap"), {"i": list(range(8)), "log": [str(tmp_path / "busy")]}, executor))
    assert not done.failed and len(done.rows) == 8


def test_the_sweep_writes_what_a_worker_without_the_folder_could_not(written: Any, log: str, tmp_path: Path) -> None:
    (tmp_path / "a file").touch()

    class Elsewhere:
        def submit(self, work: Any, task: Task) -> Future:
            future: Future = Future()
            future.set_result(work(dataclasses.replace(task, store=str(tmp_path / "a file" / "is no folder"))))
            return future

    grid, run = {"i": [1, 2], "log": [log]}, written("square")
    done = whole(sweep(run, grid, Elsewhere(), store=tmp_path / "kept"))
    assert len(done.rows) == 2 and len(list((tmp_path / "kept").iterdir())) == 2
    assert all(row.repeated for row in whole(sweep(run, grid, store=tmp_path / "kept")).rows)


def test_a_result_whose_worker_died_after_it_had_written_counts(written: Any, log: str) -> None:
    class Lossy:
        def submit(self, work: Any, task: Task) -> Future:
            work(task)
            future: Future = Future()
            future.set_exception(ConnectionError("the worker is gone"))
            return future

    done = whole(sweep(written("picky"), {"i": [0, 1], "log": [log]}, Lossy()))
    assert [row.config["i"] for row in done.rows] == [0] and starts(log) == [0, 1]
    assert done.failed[0].error == "ConnectionError: the worker is gone"


def test_a_folder_that_cannot_be_written_ends_the_sweep_with_a_sentence(written: Any, log: str, tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises(CourseError, match="Could not write"):
        whole(sweep(written("square"), {"i": [1, 2], "log": [log]}, store=tmp_path / "a file" / "kept"))
    assert starts(log) == [1]


def test_a_pool_refuses_what_is_no_number_of_processes() -> None:
    for wrong in (0, -1, 1.5, True):
        with pytest.raises(CourseError, match="A pool takes workers from 1 on"):
            pool(wrong)


# The command


def course_sweep(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return command(parser.parse_args(arguments))


def test_the_command_combines_a_file_and_options_shows_a_table_and_writes_csv(
    written: Any, log: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    written("square")
    (tmp_path / "grid.json").write_text(json.dumps({"i": [1, 2], "log": [log]}))
    call = [f"{tmp_path}/my_runs.py:square", "--grid", f"{tmp_path}/grid.json", "--set", "nap=0,.01", "--csv"]
    assert course_sweep(*call, f"{tmp_path}/out.csv") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(" 25%  1 of 4 runs done") and lines[3].startswith("100%  4 of 4 runs done")
    assert lines[5].split() == ["i", "nap", "square", "took", "(s)"] and len(lines) == 10
    rows = (tmp_path / "out.csv").read_text().splitlines()
    assert rows[0] == "i,log,nap,square,took (s)" and len(rows) == 5
    assert course_sweep(*call, f"{tmp_path}/out.csv", "--workers", "1") == 0
    assert "4 of them read from earlier" in capsys.readouterr().out and len(starts(log)) == 4


def test_the_command_tells_failures_by_its_status_and_their_tracebacks(
    written: Any, log: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    written("picky")
    assert course_sweep(f"{tmp_path}/my_runs.py:picky", "--set", "i=0,1", "--set", f"log={log}") == 1
    out, err = capsys.readouterr()
    assert "1 failed" in out and "ValueError: one is too few" in out and "Traceback" in err


def test_ctrl_c_says_what_is_kept(written: Any, log: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    text = "def run(config):\n    if config['i'] == 2: raise KeyboardInterrupt\n    return {}\n"
    (tmp_path / "stops.py").write_text(text)
    with pytest.raises(KeyboardInterrupt):
        course_sweep(f"{tmp_path}/stops.py:run", "--set", "i=0,1,2,3")
    assert "2 runs are kept; the same command goes on from there." in capsys.readouterr().out


@pytest.mark.parametrize(
    "call, said",
    [
        ("", "A sweep needs configs"),
        ("--set lr", "--set takes NAME=VALUE"),
        ("--set lr=", "--set takes NAME=VALUE"),
        ("--set seed=0 --set seed=1", "--set seed is given twice"),
        ("--grid nowhere.json", "this file cannot be read"),
        ("--grid {folder}/text.json", "is not JSON"),
        ("--grid {folder}/number.json", "A grid is a dict of lists"),
        ("my_runs.py --set i=1", "is written FILE.py:NAME"),
        ("--set i=1 --minutes 5", "--minutes is for jobs on Slurm"),
        ("--set i=1 --workers 2 --gpus 1", "--gpus is for jobs on Slurm"),
        ("--set i=1 --csv {folder}/no/where.csv", "there is no folder"),
    ],
)
def test_a_wrong_call_is_answered_by_one_sentence_before_any_run(call: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "text.json").write_text("{lr: 1}")
    (tmp_path / "number.json").write_text("5")
    with pytest.raises(CourseError) as refused:
        course_sweep(*call.format(folder=tmp_path).split())
    assert said in str(refused.value) and "\n" not in str(refused.value)


def test_values_of_an_option_are_json_or_python_or_text() -> None:
    assert values("lr=1e-3,.5,2") == ("lr", [0.001, 0.5, 2])
    assert values("weights=null,None,animals") == ("weights", [None, None, "animals"])
    assert values("size=[1,2],[3]") == ("size", [[1, 2], [3]])
    assert values("images=photos/a=b") == ("images", ["photos/a=b"])
    assert values("flag=true,False") == ("flag", [True, False])


# The training


def photos(folder: Path) -> Path:
    from PIL import Image

    rng = np.random.default_rng(0)
    for label, name in enumerate(("ants", "bees")):
        (folder / name).mkdir(parents=True)
        for i in range(15):
            pixels = rng.integers(0, 150, (40, 40, 3), dtype=np.uint8)
            pixels[..., label] += 100
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    return folder


def test_the_training_is_the_one_a_reader_would_do_by_hand(tmp_path: Path) -> None:
    from course_lib.augment import Augment
    from course_lib.evaluation import evaluate
    from course_lib.models import load
    from course_lib.sources import load_images
    from course_lib.sweeps.train_once import train_once
    from course_lib.training.recipes import fine_tune
    from course_lib.training.train import fit

    folder = str(photos(tmp_path / "photos"))
    config = {"images": folder, "images.size": 64, "per_class": 4, "recipe": "fine_tune", "device": "cpu"}
    config |= {"epochs": 2, "frozen": -2, "lr": 3e-3, "seed": 5, "augment": {"flip": True}}
    (row,) = whole(sweep(train_once, [config])).rows
    images = load_images(folder, size=64).subset(4, 5)
    net = load("pawnet", images.classes, seed=5)
    recipe = fine_tune(epochs=2, frozen=-2, lr=3e-3, augment=Augment(flip=True))
    *_, record = fit(net, images, recipe, seed=5, device="cpu")
    assert row.result["test_accuracy"] == evaluate(net, images, "test").accuracy
    assert row.result["val_accuracy"] == record.val.accuracy and row.result["steps"] == record.step == 2
    assert row.result["seconds"] > 0 and row.result["device"].startswith("cpu ")


@pytest.mark.parametrize(
    "config, said",
    [
        ({"recipe": "fine_tuning"}, "There is no recipe named 'fine_tuning'; there are from_scratch"),
        ({"epoch": 3}, "cannot be made with {'epoch': 3}"),
        ({"lr": "high"}, "lr"),
        ({"augment": {"flop": 1}}, "cannot be made with {'augment': {'flop': 1}}"),
        ({"epochs": 0}, "epochs"),
        ({"images": "cats"}, "There is no image set named 'cats'"),
        ({"images.colour": 1}, "colour"),
    ],
)
def test_a_config_that_fits_no_training_fails_in_a_sentence(config: dict, said: str) -> None:
    from course_lib.sweeps.train_once import train_once

    (row,) = whole(sweep(train_once, [config])).failed
    assert said in row.error


def test_a_training_is_done_anew_when_its_photos_or_weights_change(tmp_path: Path) -> None:
    from course_lib.sweeps.train_once import files_of

    folder = photos(tmp_path / "photos")
    config = {"images": str(folder), "weights": str(tmp_path / "w.safetensors")}
    seen = [files_of(config)]
    (tmp_path / "w.safetensors").write_bytes(b"1")
    seen.append(files_of(config))
    (folder / "ants" / "new.png").write_bytes(b"2")
    seen.append(files_of(config))
    os.utime(folder / "ants" / "0.png", (1, 1))
    seen.append(files_of(config))
    assert len(set(seen)) == 4 and files_of(config) == seen[-1]
    assert files_of({"weights": "animals"}) != files_of({}) == ""


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")  # one that ended and was not waited for counts as ended
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")
