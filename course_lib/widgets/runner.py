"""One training at a time in the background: a thread that runs a generator of records and can be stopped.

run = Runner(lambda: fit(net, dogs, recipe), publish=show)
run.start(); run.stop(); run.join()
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any

EVERY = 0.1  # seconds between two publications


class Runner:
    """Runs `work()` to its end, publishing records at up to 10 Hz, the last one always.

    Arguments:
        work: makes the generator; called in the thread.
        publish: called as publish(records so far, state); state is `running`, `done`, `stopped` or `failed`.

    Attributes:
        state: `ready`, `running`, `done`, `stopped` or `failed`.
        error: the exception of a failed run, else None.
    """

    def __init__(self, work: Callable[[], Iterator[Any]], publish: Callable[[list[Any], str], None]) -> None:
        self.work, self.publish = work, publish
        self.state, self.error = "ready", None
        self._halt = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Run in a daemon thread: the cell returns at once."""
        self._thread = threading.Thread(target=self.run_here, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask the run to end after the step it is in."""
        self._halt.set()

    def join(self) -> None:
        """Wait for the end; an interrupt while waiting stops the run."""
        try:
            while self._thread is not None and self._thread.is_alive():
                self._thread.join(0.2)
        except KeyboardInterrupt:
            self.stop()

    def run_here(self) -> None:
        """Run in the calling thread: the same work, for a front end that takes no updates from threads."""
        records: list[Any] = []
        shown = 0.0
        self.state, work = "running", None
        try:
            work = self.work()
            for record in work:
                records.append(record)
                if self._halt.is_set():
                    break
                if time.perf_counter() - shown > EVERY:
                    shown = time.perf_counter()
                    self.publish(records, "running")
            self.state = "stopped" if self._halt.is_set() else "done"
        except KeyboardInterrupt:
            self.state = "stopped"
        except Exception as error:  # shown by the widget, and kept for tests
            self.state, self.error = "failed", error
        finally:
            if isinstance(work, Generator):
                work.close()
        self.publish(records, self.state)
