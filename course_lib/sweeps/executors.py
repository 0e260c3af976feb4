"""Where the runs of a sweep are done, beside this process: several processes here, a Dask cluster, or Slurm.

    with pool(2) as executor:
        watch(sweep(run, grid, executor))
    with dask("tcp://127.0.0.1:8786") as executor: ...
    with slurm("gpu", folder, minutes=30, gpus=1) as executor: ...

Dask and Slurm need the extra: pip install "transfer-learning-course[cluster]".
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import CourseError

EXTRA = 'pip install "transfer-learning-course[cluster]"'


class Pool(Executor):
    """Processes on this machine, each with one run at a time, so that a process that is killed takes one run with it.

    Arguments:
        workers: number of processes, 1 or more.
        threads: of torch in each process. With one thread each, two processes on two cores do not wait for each other.

    `concurrent.futures.ProcessPoolExecutor` gives up all its runs when one process dies, so here are several of one process
    each. They are started afresh (`spawn`), since torch may hang in a forked process.
    """

    def __init__(self, workers: int, threads: int = 1) -> None:
        for name, value in (("workers", workers), ("threads", threads)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise CourseError(f"A pool takes {name} from 1 on, as a whole number; received {value!r}.")
        self.threads = threads
        self._lock = threading.RLock()
        self._waiting: deque[tuple[Future, Callable[[], Any]]] = deque()
        self._free = [self._process() for _ in range(workers)]
        self._all = set(self._free)
        self._closed = False

    def submit(self, work: Callable[..., Any], /, *args: Any, **options: Any) -> Future:
        """Hand in work to be done by the next free process."""
        future: Future = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("the pool was shut down")
            self._waiting.append((future, partial(work, *args, **options)))
        self._start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more work; wait for what was handed in, or cancel what has not started."""
        with self._lock:
            self._closed = True
            handed_in = [future for future, _ in self._waiting]
        for future in handed_in:
            if cancel_futures:
                future.cancel()
            elif wait:
                with contextlib.suppress(Exception):
                    future.exception()
        for process in list(self._all):
            process.shutdown(wait=wait)

    def stop(self) -> None:
        """End all processes now, with the runs that they are in; what waits is cancelled."""
        children = [child for process in self._all for child in (process._processes or {}).values()]
        self.shutdown(wait=False, cancel_futures=True)
        for child in children:
            child.terminate()
        for child in children:
            child.join()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            if kind is None:
                self.shutdown()
        finally:  # an error, or an interrupt while waiting: end now; after a quiet end nothing is left to stop
            self.stop()

    def _process(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(1, mp_context=context, initializer=_begin, initargs=(self.threads,))

    def _start(self) -> None:
        """Give waiting work to free processes."""
        while True:
            with self._lock:
                if not self._waiting or not self._free:
                    return
                future, work = self._waiting.popleft()
                if not future.set_running_or_notify_cancel():
                    continue
                process = self._free.pop()
            try:
                inner = process.submit(work)
            except BrokenExecutor:  # it was killed, in its last run or after it
                self._all.discard(process)
                self._all.add(process := self._process())
                inner = process.submit(work)
            inner.add_done_callback(partial(self._end, future, process))

    def _end(self, future: Future, process: ProcessPoolExecutor, inner: Future) -> None:
        """Hand on the result of a run, and start the next one."""
        with self._lock:
            self._free.append(process)
        error = inner.exception()
        if error is None:
            future.set_result(inner.result())
        else:
            future.set_exception(error)
        self._start()


def pool(workers: int, threads: int = 1) -> Pool:
    """Processes on this machine, to be used with `with`; left by an error or an interrupt, it ends them at once."""
    return Pool(workers, threads)


@contextlib.contextmanager
def dask(address: str, seconds: float = 10.0) -> Iterator[Executor]:
    """A Dask cluster that is running already.

    Arguments:
        address: of its scheduler, such as `tcp://127.0.0.1:8786`.
        seconds: to wait for an answer.

    Start the workers with `--nthreads 1`: a process does one run at a time. A scheduler serves its dashboard to the whole
    network unless `--dashboard-address 127.0.0.1:8787` is given, and whoever reaches a scheduler can run code on its workers.

    Raises `CourseError` when nothing answers there.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise CourseError(f"Dask is not installed ({error}); {EXTRA}") from error
    try:
        client = Client(address, timeout=seconds, set_as_default=False)
    except (OSError, ValueError) as error:
        raise CourseError(
            f"No Dask scheduler answered at {address}. Start one with `dask scheduler --host 127.0.0.1 --dashboard-address "
            "127.0.0.1:8787`, then workers with `dask worker ADDRESS --nthreads 1`, and give the ADDRESS that it shows."
        ) from error
    with client:
        yield client.get_executor()


@contextlib.contextmanager
def slurm(partition: str, folder: Path, minutes: int = 60, gpus: int = 0) -> Iterator[Any]:
    """A Slurm cluster, one job a run, as one job array.

    Arguments:
        partition: that jobs are sent to.
        folder: for job scripts and logs, seen by all nodes.
        minutes: after which Slurm ends a job.
        gpus: of each job.

    Raises `CourseError` where there is no Slurm.
    """
    try:
        from submitit import AutoExecutor
    except ImportError as error:
        raise CourseError(f"submitit is not installed ({error}); {EXTRA}") from error
    try:
        executor = AutoExecutor(folder, cluster="slurm")
    except RuntimeError as error:
        raise CourseError(f"There is no Slurm here ({error}). Call this on a machine that has `sbatch`.") from error
    executor.update_parameters(name="course-sweep", slurm_partition=partition, timeout_min=minutes)
    if gpus:
        executor.update_parameters(gpus_per_node=gpus)
    yield executor


def _begin(threads: int) -> None:
    """What a process of the pool does first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which decides
    os.environ["OMP_NUM_THREADS"] = str(threads)  # for torch and BLAS, which are not loaded yet ...
    if "torch" in sys.modules:  # ... unless the main module of the parent imports them
        sys.modules["torch"].set_num_threads(threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process after the run it is in, when the parent was killed: nobody would give it another one."""
    from .task import one_at_a_time

    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        with one_at_a_time:
            os._exit(1)
