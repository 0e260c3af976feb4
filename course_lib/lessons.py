"""Run lessons without a browser: `course run 04 --size small`; the tests run them through the same code.

    lesson = find("04")                                          # notebooks/04_dog_case_study.ipynb
    outcome = run(lesson, {"size": "small"}, Path("runs"))       # executes it into runs/04_dog_case_study.ipynb
    outcome.error, outcome.records["frozen_10"].value            # None, 82.6

Everything about a run is kept inside of the executed notebook (`metadata.course`), so `read_run` can read it back.
"""

from __future__ import annotations

import ast
import asyncio
import datetime
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import doctor
from .downloads.places import shared_dir
from .errors import CourseError
from .lesson_errors import errors, hidden_errors
from .paths import atomic, cache_dir, notebooks_dir
from .progress import path as progress_path
from .results import Record, read_records

if TYPE_CHECKING:
    from nbclient import NotebookClient
    from nbformat import NotebookNode


@dataclass(frozen=True)
class Progress:
    """Where a run is: cell number `cell` of `cells`, under the heading `heading`, `seconds` after the start."""

    lesson: str
    cell: int
    cells: int
    heading: str
    seconds: float


@dataclass(frozen=True)
class LessonRun:
    """What came of running a lesson; `error` is None when it ran to its end, trained, and hid no error in a widget."""

    name: str
    title: str
    notebook: Path
    parameters: dict[str, Any]
    seconds: float
    date: str
    machine: str
    versions: str
    error: str | None
    records: dict[str, Record]


def lessons(folder: Path | None = None) -> list[Path]:
    """The lessons of the course in their order, or those of another folder."""
    return sorted(path for path in (folder or notebooks_dir()).glob("*.ipynb") if not path.name.startswith("."))


def find(wanted: str) -> Path:
    """A lesson by its number (`04` or `4`), its name (`04_dog_case_study`) or its path."""
    if Path(wanted).suffix == ".ipynb" and Path(wanted).is_file():
        return Path(wanted).resolve()
    stem = wanted.removesuffix(".ipynb")
    known = lessons()
    found = [path for path in known if path.stem == stem] or [
        path for path in known if stem.isdigit() and path.stem.startswith(f"{int(stem):02d}_")
    ]
    if len(found) != 1:
        names = ", ".join(path.stem for path in known) or f"none yet in {notebooks_dir()}"
        raise CourseError(f"There is no lesson {wanted!r}. Lessons: {names}.")
    return found[0]


def parameters(lesson: Path) -> dict[str, Any]:
    """The parameters that a lesson declares in the cell tagged `parameters`, with their default values."""
    for cell in _read(lesson)["cells"]:
        if "parameters" in cell["metadata"].get("tags", []):
            return dict(_assignments(cell["source"]))
    return {}


def check_parameters(lesson: Path, given: dict[str, Any]) -> None:
    """Raise `CourseError` when `given` holds a parameter that the lesson does not declare."""
    declared = parameters(lesson)
    for name in given:
        if name not in declared:
            raise CourseError(
                f"{lesson.stem} has no parameter {name!r}; it has {', '.join(declared) or 'none'}. "
                f"Leave --{name} out, or name only the lessons that it is meant for."
            )


def run(
    lesson: Path, given: dict[str, Any], out: Path, progress: Callable[[Progress], None] = lambda _: None
) -> LessonRun:
    """Run a lesson from top to bottom in a kernel of its own, in the lesson's folder; write `out/NAME.ipynb`.

    A lesson that fails is no exception: its `LessonRun` says in `error` what went wrong, and where. Raises `CourseError`
    for a parameter that the lesson does not declare, and where `out` cannot be written.
    """
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import parameterize_notebook

    check_parameters(lesson, given)
    notebook = load_notebook_node(str(lesson))
    notebook.metadata.pop("widgets", None)
    if given:
        notebook = parameterize_notebook(notebook, given, kernel_name="python3", language="python")
    started = time.monotonic()
    error = _execute(notebook, lesson, progress)
    return tell(notebook, lesson, given, out, time.monotonic() - started, error)


def tell(
    notebook: NotebookNode, lesson: Path, given: dict[str, Any], out: Path, seconds: float, error: str | None = None
) -> LessonRun:
    """Write an executed lesson to `out/NAME.ipynb`, with what is known of its run inside; also of papermill's own.

    Arguments:
        given: the parameters that it was run with. seconds: time that it took.
        error: what stopped it, or None; then it is looked for what hides: errors in widgets, and nothing trained.
    """
    notebook.metadata["course"] = {
        "title": _title(notebook) or lesson.stem,
        "parameters": parameters(lesson) | given,
        "seconds": round(seconds, 2),
        "date": datetime.datetime.now().astimezone().isoformat(timespec="minutes"),
        "machine": doctor.device(),
        "versions": f"Python {platform.python_version()}, torch {doctor.version('torch')}, "
        f"course {doctor.version('transfer-learning-course')}",
        "error": error or _check(notebook),
    }
    path = out / f"{lesson.stem}.ipynb"
    _write(notebook, path)
    return read_run(path)


def read_run(path: Path) -> LessonRun:
    """Read a run back from the notebook that `run` wrote."""
    notebook = _read(path)
    if "course" not in notebook.metadata:
        raise CourseError(f"{path} was not written by `course run`; run the lesson again.")
    about = dict(notebook.metadata["course"])
    try:
        records = read_records(notebook)
    except CourseError:  # a name used twice: said in `error` already
        records = {}
    return LessonRun(name=path.stem, notebook=path, records=records, **about)


def heading(markdown: str) -> str | None:
    """The last heading in a markdown text, if there is one."""
    fenced, found = False, None
    for line in markdown.splitlines():
        fenced ^= line.startswith("```")
        if line.startswith("#") and not fenced:
            found = line.lstrip("#").strip() or found
    return found


def environment() -> dict[str, str]:
    """What a kernel's process gets to know: folders as absolute paths, since it works in another one."""
    chosen = {"COURSE_CACHE": cache_dir(), "COURSE_PROGRESS": progress_path(), "COURSE_DATA": shared_dir()}
    return os.environ | {name: str(path.absolute()) for name, path in chosen.items() if path is not None}


def _execute(notebook: NotebookNode, lesson: Path, progress: Callable[[Progress], None]) -> str | None:
    """Run the cells one after the other; what went wrong, or None."""
    from jupyter_core.utils import run_sync
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    problem = doctor.kernel_problem()
    if problem:
        raise CourseError(f"Lessons cannot run: {problem}. `course doctor` says what to do.")
    where = {"metadata": {"path": str(lesson.parent)}}
    client = NotebookClient(notebook, kernel_name="python3", timeout=None, resources=where)
    quiet = {
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }  # cells keep their output, this is the process's
    started = time.monotonic()
    number, section = 0, ""
    cells = sum(not _injected(cell) for cell in notebook.cells)
    try:
        with client.setup_kernel(env=environment(), **quiet):
            try:
                for index, cell in enumerate(notebook.cells):
                    number += not _injected(cell)  # counted as in the lesson
                    if cell.cell_type == "markdown":
                        section = heading(cell.source) or section
                    elif cell.cell_type == "code":
                        progress(Progress(lesson.stem, number, cells, section, time.monotonic() - started))
                        run_sync(_run_cell)(client, cell, index)
            finally:
                client.set_widgets_metadata()
    except CellExecutionError as failed:
        error = next(errors(notebook.cells[index].outputs), f"{failed.ename}: {failed.evalue}")
        return f"cell {number} ({section}): {error}" if section else f"cell {number}: {error}"
    except RuntimeError as failed:  # nbclient's DeadKernelError, and a kernel that does not start
        return f"cell {number} ({section}): the kernel stopped ({failed}); most often the memory ran out"
    return None


async def _run_cell(client: NotebookClient, cell: NotebookNode, index: int) -> None:
    """Run one cell, looking once a second whether its reply is there already.

    nbclient answers an `Output` widget past asyncio, on the socket on which it awaits the cell's reply; about once in
    100 such cells the reply came without waking it, and it waited forever. Reading the socket's state wakes it.
    """
    import zmq

    cell_done = asyncio.ensure_future(client.async_execute_cell(cell, index))
    # After Ctrl-C nobody waits for it, and asyncio would print that the kernel's end was not looked at.
    cell_done.add_done_callback(lambda done: done.cancelled() or done.exception())
    while not (await asyncio.wait({cell_done}, timeout=1))[0]:
        client.kc.shell_channel.socket.get(zmq.EVENTS)
    cell_done.result()  # raises what the cell raised


def _injected(cell: NotebookNode) -> bool:
    """Whether papermill added this cell, to set the parameters."""
    return "injected-parameters" in cell.metadata.get("tags", [])


def _check(notebook: NotebookNode) -> str | None:
    """What is wrong with a notebook that ran to its end, or None."""
    error = next(hidden_errors(notebook), None)
    if error:
        return error
    try:
        trained = read_records(notebook).get("trained_steps")
    except CourseError as error:
        return str(error)
    if trained is None or trained.unit != "steps" or trained.value <= 0:
        return 'trained zero steps: a lesson trains something and ends with record("trained_steps", n, "steps")'
    return None


def _assignments(source: str) -> Iterator[tuple[str, Any]]:
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name, value = statement.targets[0].id, statement.value
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
            name, value = statement.target.id, statement.value
        else:
            continue
        try:
            yield name, ast.literal_eval(value)
        except ValueError:  # an expression: known by its text only
            yield name, ast.unparse(value)


def _title(notebook: NotebookNode) -> str | None:
    texts = (cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return next((line[2:].strip() for text in texts for line in text.splitlines() if line.startswith("# ")), None)


def _read(path: Path) -> NotebookNode:
    import nbformat

    try:
        return nbformat.read(path, as_version=4)
    except (OSError, ValueError) as error:  # nbformat's NotJSONError and ValidationError are ValueErrors
        raise CourseError(f"{path} cannot be read as a notebook ({type(error).__name__}).") from error


def _write(notebook: NotebookNode, path: Path) -> None:
    import nbformat

    with atomic(path) as file:
        file.write(nbformat.writes(notebook).encode())
