"""One run of a sweep: the hash that its result lies under, and what a worker does with it, wherever that is.

    task = Task.of(function, {"lr": 1e-3}, store)
    perform(task)         # the record that is there already; else run, write it down, and give it back

A record is one JSON file: {run, config, depends_on, result, seconds, machine, versions, date}.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
import threading
import traceback
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from time import perf_counter
from typing import Any

from .. import __version__
from ..doctor import version
from ..errors import CourseError
from ..experiments.store import HOME, address, code_in, read, write
from .function import Function
from .grid import Config

# Torch's random state and its threads belong to the process, so a worker with several threads still does one run at a time.
one_at_a_time = threading.RLock()
Record = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """One run: a function, a config, and where the result goes.

    Attributes:
        function: by name.
        config: JSON values.
        depends_on: what else the result depends on, as the function says.
        store: folder of the results.
        key: SHA-256 of function, source, config, `depends_on`, and of the course's own code.
        attempt: different in each sweep, so that a cluster does not answer with what it remembers of an earlier one.
    """

    function: Function
    config: Config
    depends_on: str
    store: str
    key: str
    attempt: str = field(default_factory=lambda: uuid.uuid4().hex)

    @classmethod
    def of(cls, function: Function, config: Config, store: Path, depends_on: str = "") -> Task:
        """The run of a config, with its key."""
        return cls(function, config, depends_on, str(store), _key(function, config, depends_on))

    @property
    def path(self) -> Path:
        """The file of the record."""
        return Path(self.store) / f"{self.key}.json"

    def record(self) -> Record | None:
        """The record on disk; None if there is none, or it is damaged."""
        record = read(self.path)
        whole = (
            record is not None
            and record.get("config") == self.config
            and isinstance(record.get("result"), dict)
            and isinstance(record.get("seconds"), (int, float))
        )
        return record if whole else None


def perform(task: Task, run: Callable[[Config], Any] | None = None) -> Record:
    """Do a run unless its record is there already; this is what workers call.

    Arguments:
        run: the function itself; None finds it by its name.

    Returns its record, which is on disk by then where this machine can write there; or {error, traceback} when it failed.
    """
    with one_at_a_time:
        record = task.record()  # of a worker that died after it had written, or of another sweep
        if record is not None:
            return record
        try:
            if run is None:
                run = _same_here(task)
            start = perf_counter()
            result = plain(run(json.loads(json.dumps(task.config))))
            record = _record(task, result, perf_counter() - start)
        except (Exception, SystemExit) as error:
            return failure(error)
        with contextlib.suppress(
            CourseError
        ):  # a worker elsewhere may lack the folder: then the sweep writes the record
            if task.record() is None:
                write(task.path, record)
        return task.record() or record


def failure(error: BaseException, words: str = "") -> Record:
    """What is known of a run that failed: one line of words, and the traceback."""
    first = next(iter(str(error).strip().splitlines()), "")[:300]
    told = first if isinstance(error, CourseError) else f"{type(error).__name__}: {first}".removesuffix(": ")
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return {"error": words or told, "traceback": trace}


def plain(result: Any) -> dict[str, Any]:
    """A result as JSON gives it back; numbers of NumPy and torch become plain ones.

    Raises `CourseError` for what is not a dict of JSON values.
    """
    if not isinstance(result, Mapping):
        raise CourseError(
            f"A run gives back a dict of JSON values, such as {{'accuracy': 0.8}}; received {result!r:.60}."
        )
    for name, value in result.items():
        if not isinstance(name, str):
            raise CourseError(f"Names in a result are texts; received {name!r}.")
        try:
            json.dumps(value, default=_number)
        except (TypeError, ValueError, RuntimeError) as error:
            raise CourseError(
                f"The result's {name!r} is no JSON value ({error}). Give back numbers, texts, lists and dicts."
            ) from error
    return json.loads(json.dumps(dict(result), default=_number))


def _number(value: Any) -> Any:
    """A number of NumPy or torch as a plain one; both refuse arrays of several."""
    if not hasattr(value, "item"):
        raise TypeError(f"it holds a {type(value).__qualname__}")
    return value.item()


def _key(function: Function, config: Config, depends_on: str) -> str:
    settings = {"run": function.label, "source": function.source, "sources": _sources()}
    return address({**settings, "config": config, "depends_on": depends_on})


@lru_cache(maxsize=1)
def _sources() -> str:
    """SHA-256 of the course's code that makes images, which runs name instead of giving them."""
    return code_in(HOME / "sources")


def _same_here(task: Task) -> Callable[[Config], Any]:
    """The function, if this machine has the very code that the sweep was started with."""
    run = task.function.load()
    if _key(task.function, task.config, task.depends_on) != task.key:
        raise CourseError(
            f"{platform.node()} has other code of the course than the process that started the sweep. "
            "Install the same version on both, and start the workers again."
        )
    return run


def _record(task: Task, result: dict[str, Any], seconds: float) -> Record:
    packages = {"torch": version("torch"), "numpy": version("numpy"), "course": __version__}
    machine = {"name": platform.node(), "system": platform.platform(), "cpus": os.cpu_count()}
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        machine["gpu"] = torch.cuda.get_device_name()
    return {
        "run": task.function.label,
        "config": task.config,
        "depends_on": task.depends_on,
        "result": result,
        "seconds": seconds,
        "machine": machine,
        "versions": {"python": platform.python_version(), **packages},
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
