"""The same function over many configs, each done once: here, in several processes, on a Dask cluster or on Slurm.

    grid = {"recipe": ["feature_extraction", "fine_tune"], "per_class": [5, 20], "seed": range(3)}
    done = watch(sweep(train_once, grid))                     # a bar and a table as it goes
    with pool(2) as executor:
        done = watch(sweep(train_once, grid, executor))       # the same in two processes: 12 runs are read, none is done
    done.table()

Each result is a JSON file under the hash of its config, written as soon as it is there. So a sweep that was stopped goes on
where it was when it is called again, and a grid that has grown does only what is new.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Generator
from concurrent.futures import BrokenExecutor, CancelledError
from pathlib import Path
from typing import Any

from ..errors import CourseError
from ..experiments.store import write
from ..paths import cache_dir
from .function import Function
from .grid import Config, Grid, configs
from .outcome import Row, Sweep
from .task import Record, Task, failure, perform

SOON, LATE = 0.02, 1.0  # seconds between two looks at the executor, while runs end often and while they do not
BATCH = 500  # jobs in an array; Slurm refuses more than 1001 by default


def sweep(
    run: Callable[[Config], dict[str, Any]], grid: Grid, executor: Any = None, *, store: str | Path | None = None
) -> Generator[Sweep, None, Sweep]:
    """Run a function once for every config of a grid; what was done before is read.

    Arguments:
        run: config -> dict of JSON values. With an executor, a function at the top level of a .py file.
        grid: a dict of lists, which are all combined, or a list of configs; JSON values.
        executor: None for this process; else anything that takes `submit`: `pool(2)`, a `ProcessPoolExecutor`, a Dask
            client or its `get_executor()`, an executor of submitit. It is not shut down.
        store: folder of the results, one JSON file each; None for `sweeps/` and the function's name in the cache.

    Yields: the `Sweep` so far, when a run ends and at least every second while an executor works; the generator's return
    value is the whole `Sweep`. A run that raises is one of `failed` and does not stop the others. Closing the generator
    cancels what has not started. A run that is killed with its process is tried once more.

    A result is that of its config, of the source file of `run`, of the course's code and of what `depends_on` says: when one
    of these changes, it is worked out anew. Other files that `run` imports do not count. Two sweeps may share a store at
    the same time; what both have under way is then done twice, and the first result stays.

    Raises `CourseError`, before any run, for a grid or a function that cannot be swept.
    """
    asked = configs(grid)
    function = Function.of(run)
    if executor is not None:
        function.check_travels(run)
        executor = executor.get_executor() if hasattr(executor, "get_executor") else executor
        if not callable(getattr(executor, "submit", None)):
            raise CourseError(
                f"An executor is pool(2), a Dask client, or what else has a `submit`; received {executor!r}. "
                "Leave it out to run in this process."
            )
    folder = Path(store).expanduser().absolute() if store is not None else None
    folder = folder or (cache_dir() / "sweeps" / re.sub(r"[^\w.]+", "_", function.label)).absolute()
    needs = getattr(run, "depends_on", "")
    found = [Task.of(function, config, folder, needs(config) if callable(needs) else needs) for config in asked]
    return _sweep({task.key: task for task in found}, run, executor, function.name)


def _sweep(
    tasks: dict[str, Task], run: Callable[[Config], Any], executor: Any, name: str
) -> Generator[Sweep, None, Sweep]:
    start, rows = time.perf_counter(), {}

    def so_far() -> Sweep:
        ended = tuple(rows[key] for key in tasks if key in rows)
        return Sweep(name, ended, len(tasks), time.perf_counter() - start)

    for key, task in tasks.items():
        record = task.record()
        if record is not None:
            rows[key] = Row(task.config, record["result"], record["seconds"], repeated=True)
    yield so_far()
    todo = [task for key, task in tasks.items() if key not in rows]
    with contextlib.closing(_here(todo, run) if executor is None else _there(todo, executor)) as ended:
        for end in ended:
            if end is not None:
                task, record = end
                rows[task.key] = _row(task, record)
            yield so_far()
    return so_far()


def _here(todo: list[Task], run: Callable[[Config], Any]) -> Generator[tuple[Task, Record], None, None]:
    """Do the runs in this process, one after the other."""
    for task in todo:
        yield task, perform(task, run)


def _there(todo: list[Task], executor: Any) -> Generator[tuple[Task, Record] | None, None, None]:
    """Hand the runs to an executor: yields each one that ended, and None where nothing is new."""
    waiting: dict[str, tuple[Task, Any]] = {}
    lost: set[str] = set()
    pause = SOON
    try:
        try:
            for first in range(0, len(todo), BATCH):
                _submit(todo[first : first + BATCH], executor, waiting)
        except RuntimeError as error:  # a pool that is broken or was shut down; Slurm that takes no jobs
            raise CourseError(f"The executor takes no runs ({error}). Make a new one, and call again.") from error
        while waiting:
            done = [key for key, (_, future) in waiting.items() if future.done()]
            for key in done:
                task, future = waiting.pop(key)
                try:
                    record = future.result()
                except Exception as error:
                    record = task.record() or failure(error, _reason(error, future))
                    if isinstance(error, BrokenExecutor) and "error" in record and key not in lost:
                        lost.add(key)
                        with contextlib.suppress(BrokenExecutor):  # raised by a pool that is beyond repair
                            _submit([task], executor, waiting)
                            continue
                yield task, record
            yield None
            pause = SOON if done else min(LATE, 1.5 * pause)
            time.sleep(pause if waiting else 0)
    finally:
        for _, future in waiting.values():
            with contextlib.suppress(Exception):
                future.cancel()


def _submit(tasks: list[Task], executor: Any, waiting: dict[str, tuple[Task, Any]]) -> None:
    """Hand in tasks; where the executor knows job arrays (submitit), as one array."""
    with executor.batch() if hasattr(executor, "batch") else contextlib.nullcontext():
        for task in tasks:
            waiting[task.key] = (task, executor.submit(perform, task))


def _reason(error: Exception, future: Any) -> str:
    """Words for what executors say in too few or too many; empty for all else."""
    if isinstance(error, BrokenExecutor):
        return "its process was killed (is there enough memory?), or could not start; call again to go on"
    if isinstance(error, CancelledError):
        return "the cluster gave it up (was its scheduler stopped?); call again to go on"
    if hasattr(future, "job_id"):  # of submitit: killed, or over its time; run's own errors do not come this way
        return f"job {future.job_id} ended without a result (state {future.state}); its log is {future.paths.stderr}"
    return ""


def _row(task: Task, record: Record) -> Row:
    if "error" in record:
        return Row(task.config, {}, 0.0, error=record["error"], traceback=record["traceback"])
    if task.record() is None:  # the worker could not write here
        write(task.path, record)
    return Row(task.config, record["result"], record["seconds"])
