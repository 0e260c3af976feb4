"""The background work of a widget: one thread, one job after the other, and nothing else writes what it shows.

    worker = Worker(live, "FreezeLab")
    worker.ask(job)                     # job() runs in the thread, after what was asked before
    worker.train(run)                   # run: a Run; steps until it ends or worker.stop() is called
    worker.join()                       # wait; an interrupt of the cell stops the training; a failure is raised here

A widget that is drawn by two threads loses messages and may end on a wrong value. So the kernel's thread takes what a
reader does and asks for work, and the worker does the work and writes the result into `live`, which only it may write.
One training runs at a time, whichever widget it belongs to: others wait for their turn and say so.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import queue
import signal
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterator
from typing import Any

import ipywidgets
import traitlets

EVERY = 0.1  # seconds between two publications: live for the eye, and no load for the page

LAST = 10.0  # seconds that the end of the process waits for a step to end

# Seconds without work after which a worker's thread ends; the next job starts another one. While a thread that has used torch
# is alive, OpenMP keeps threads for it, counts more of them than there are cores, and makes all others sleep at once where they
# would wait: after a lab, training in a cell took 1.4 times as long (15.7 s in place of 10.9 on 2 cores).
REST = 1.0

_workers: weakref.WeakSet[Worker] = weakref.WeakSet()
_turn = threading.Lock()  # of all trainings in this process
_holder = ""  # who has it, for those that wait


class Live(ipywidgets.Widget):
    """What a page shows of the work: written by one thread, read by the page, kept over a reload of it.

    Attributes:
        state: `ready`, `queued`, `running`, `stopped`, `done` or `failed`.
        status: the same in a sentence. progress: 0 to 1.
        error: sentence about what went wrong, empty if nothing did; a page's check finds it here.
        shown: what else the widget shows, JSON.
        curve: float32 rows as bytes, for a chart that grows.
    """

    _model_name = traitlets.Unicode("WidgetModel").tag(sync=True)
    _model_module = traitlets.Unicode("@jupyter-widgets/base").tag(sync=True)
    _model_module_version = traitlets.Unicode("2.0.0").tag(sync=True)

    state = traitlets.Unicode("ready").tag(sync=True)
    status = traitlets.Unicode("").tag(sync=True)
    progress = traitlets.Float(0.0).tag(sync=True)
    error = traitlets.Unicode("").tag(sync=True)
    shown = traitlets.Dict().tag(sync=True)
    curve = traitlets.Bytes(b"").tag(sync=True)

    def show(self, **values: Any) -> None:
        """Set several attributes in one message; a key that is no attribute goes into `shown`."""
        own = {name: value for name, value in values.items() if self.has_trait(name)}
        rest = {name: value for name, value in values.items() if name not in own}
        if rest:
            own["shown"] = {**self.shown, **rest}
        with self.hold_sync():
            for name, value in own.items():
                setattr(self, name, value)


class Run:
    """A generator of items that can be left and taken up again between two of them.

    Arguments:
        work: makes the generator; called when the first item is wanted.
        publish: called as publish(items so far, state), at most every `EVERY` seconds and always at the last item.

    Attributes:
        items: all that came so far.
        state: `ready`, `queued`, `running`, `stopped`, `done` or `failed`.
        error: the exception of a failed run, else None.
        seconds: spent on items, without the pauses.
    """

    def __init__(self, work: Callable[[], Iterator[Any]], publish: Callable[[list[Any], str], None]) -> None:
        self.work, self.publish = work, publish
        self.items: list[Any] = []
        self.state, self.error, self.seconds = "ready", None, 0.0
        self._iterator: Iterator[Any] | None = None

    def go(
        self, halt: threading.Event, between: Callable[[], None], until: Callable[[Any], bool] | None = None
    ) -> None:
        """Take items until there are none, `halt` is set, or `until(item)` is true.

        Arguments:
            between: called after each item, for what has to be answered while the run goes on.
        """
        shown, began = 0.0, time.perf_counter()
        self.state = "running"
        try:
            if self._iterator is None:
                self._iterator = iter(self.work())
            while not halt.is_set():
                item = next(self._iterator)
                self.items.append(item)
                between()
                if until is not None and until(item):
                    break
                if time.perf_counter() - shown > EVERY:
                    shown = time.perf_counter()
                    self.publish(self.items, "running")
            self.state = "stopped"
        except StopIteration:
            self.state = "done"
        except KeyboardInterrupt:
            self.state = "stopped"
        except Exception as error:  # said by the widget, and kept for tests
            self.state, self.error = "failed", error
        self.seconds += time.perf_counter() - began
        self.publish(self.items, self.state)

    def close(self) -> None:
        """End the generator where it stands."""
        if isinstance(self._iterator, Generator):
            self._iterator.close()


class Worker:
    """The thread of one widget. It starts with a job, and ends with `close` or when there was nothing to do for a moment.

    Arguments:
        live: what the thread writes into.
        name: of the widget, for others that wait for their turn.
    """

    def __init__(self, live: Live, name: str) -> None:
        self.live, self.name = live, name
        self.error: BaseException | None = None
        self.run: Run | None = None  # the training that is going on, or the last one
        self._jobs: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._halt = threading.Event()
        self._idle = threading.Condition()
        self._asked = 0  # jobs asked for and not done
        self._thread: threading.Thread | None = None
        self._closed = False
        _workers.add(self)

    def ask(self, job: Callable[[], None]) -> None:
        """Run `job()` in the thread. While a training goes on it runs between two steps, so it has to be short."""
        if self._closed:
            return
        with self._idle:
            self._asked += 1
            self._jobs.put(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name=f"course {self.name}", daemon=True)
                self._thread.start()

    def train(self, run: Run, until: Callable[[Any], bool] | None = None) -> None:
        """Start a run, or go on with one that was stopped; `until(item)` ends it after an item."""
        self._halt.clear()
        self.ask(lambda: self._train(run, until))
        _stop_on_interrupt(self)

    def here(self, run: Run, until: Callable[[Any], bool] | None = None) -> None:
        """The same work in the calling thread, for a page that takes no updates from threads; a failure is raised."""
        self.join()
        self._halt.clear()
        self._train(run, until)
        self._raise()

    def stop(self) -> None:
        """Ask the training to stop after the step that it is in."""
        self._halt.set()

    @property
    def open(self) -> bool:
        """Whether anything can still be asked of it."""
        return not self._closed

    @property
    def busy(self) -> bool:
        """Whether a training is going on or waits for its turn."""
        return self.run is not None and self.run.state in ("queued", "running")

    def join(self, timeout: float | None = None) -> None:
        """Wait until all that was asked for is done. An interrupt stops the training; a failure is raised here."""
        end = None if timeout is None else time.monotonic() + timeout
        try:
            with self._idle:
                while self._asked:
                    if end is not None and time.monotonic() > end:
                        raise TimeoutError(f"{self.name} was still at work after {timeout} s: {self.live.status}")
                    self._idle.wait(0.1)
        except KeyboardInterrupt:
            self.stop()
            with self._idle:
                while self._asked:
                    self._idle.wait(0.1)
        self._raise()

    def close(self) -> None:
        """Stop, and end the thread; nothing is asked of it any more."""
        self._closed = True
        self.stop()
        with self._idle:
            self._jobs.put(None)
            resting = self._thread is None
        if resting and self.run is not None:
            self.run.close()

    def fail(self, error: BaseException) -> None:
        """Say what went wrong where the reader looks, and keep it."""
        self.error = error
        self.live.show(state="failed", error=sentence(error), status=f"failed: {sentence(error)}")

    def _raise(self) -> None:
        error, self.error = self.error, None
        if error is not None:
            raise error

    def _loop(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=REST)
            except queue.Empty:
                with self._idle:
                    if self._jobs.empty():
                        self._thread = None  # whoever asks next starts another one
                        return
                continue
            if job is None:
                break
            self._do(job)
        if self.run is not None:
            self.run.close()

    def _do(self, job: Callable[[], None]) -> None:
        try:
            if not self._closed:
                job()
        except Exception as error:
            self.fail(error)
        finally:
            with self._idle:
                self._asked -= 1
                self._idle.notify_all()

    def _between(self) -> None:
        """Jobs that were asked for while a training goes on."""
        while not self._jobs.empty():
            job = self._jobs.get()
            if job is None:  # the end: leave it for the loop
                self._jobs.put(None)
                return
            self._do(job)

    def _train(self, run: Run, until: Callable[[Any], bool] | None) -> None:
        global _holder
        if self.busy:  # asked for twice, or between two of its own steps
            return
        self.run, run.state = run, "queued"
        while not _turn.acquire(timeout=EVERY):
            self.live.show(state="queued", status=f"waiting: {_holder} is training, and this starts when it has ended")
            self._between()
            if self._halt.is_set():
                run.state = "stopped"
                run.publish(run.items, run.state)
                return
        _holder = self.name
        try:
            run.go(self._halt, self._between, until)
        finally:
            _turn.release()
        if run.error is not None:
            self.fail(run.error)


@atexit.register
def _end_all() -> None:
    """Let each thread end its step before Python goes: torch ends the process with an abort otherwise."""
    for worker in list(_workers):
        worker.close()
    for worker in list(_workers):
        thread = worker._thread  # it may end meanwhile
        if thread is not None:
            thread.join(LAST)


def sentence(error: BaseException) -> str:
    """What an error says to a reader: a CourseError's own words, else its kind and words."""
    from ..errors import CourseError

    text = str(error)
    return text if isinstance(error, CourseError) else f"{type(error).__name__}: {text}".rstrip(": ")


def _stop_on_interrupt(worker: Worker) -> None:
    """Let the notebook's interrupt button stop a training that runs behind an idle kernel.

    Between two cells ipykernel ignores the signal. It puts its handler back after each message, so ours is set from the
    event loop, once the message that started the training has been dealt with.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:  # no kernel: Python's own KeyboardInterrupt reaches join()
        return
    before: list[Any] = []

    def handler(number: int, frame: Any) -> None:
        worker.stop()

    def restore() -> None:
        if worker.busy:
            loop.call_later(EVERY, restore)
        elif signal.getsignal(signal.SIGINT) is handler:
            signal.signal(signal.SIGINT, before[0])

    def install() -> None:
        with contextlib.suppress(ValueError):  # not in the main thread
            if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
                before.append(signal.signal(signal.SIGINT, handler))
                loop.call_later(EVERY, restore)

    loop.call_later(EVERY, install)
