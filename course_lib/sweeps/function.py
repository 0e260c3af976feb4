"""The function that a sweep runs: where its source lies, and how a worker finds the same one again.

    function = Function.of(run)       # module, file, name, and the hash of the source
    function.load()                   # in another process: the same function, or a sentence why it is not there

No function is sent anywhere. A worker loads it from the file, and refuses a file with other contents.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import platform
import sys
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, TypeVar

from ..errors import CourseError

ALIAS = "course_sweep_"  # modules that were loaded from a file here are named so
LOADING = "__loaded_for_a_sweep__"
_seen: weakref.WeakKeyDictionary[FunctionType, tuple[CodeType, str]] = weakref.WeakKeyDictionary()
Run = TypeVar("Run", bound=Callable[[dict[str, Any]], dict[str, Any]])


def depends_on(what: str | Callable[[dict[str, Any]], str]) -> Callable[[Run], Run]:
    """Say what else the results of a function depend on, beside its config and its source: it counts into their hash.

        @depends_on(lambda config: load_images("photos").checksum)
        def run(config): ...

    Arguments:
        what: a text, or config -> text; called where the sweep is started.
    """

    def mark(run: Run) -> Run:
        run.depends_on = what  # type: ignore[attr-defined]
        return run

    return mark


@dataclass(frozen=True)
class Function:
    """A function by name, so that it can be found again.

    Attributes:
        module: as it was imported.
        file: of its source, absolute; empty for a function of a notebook.
        name: its qualified name.
        source: SHA-256 of the file, or of the function's own source where there is no file.
    """

    module: str
    file: str
    name: str
    source: str

    @classmethod
    def of(cls, run: Callable[[dict[str, Any]], dict[str, Any]]) -> Function:
        """The name of a function.

        Raises `CourseError` for what is not a function, and where two different ones could not be told apart.
        """
        if not isinstance(run, FunctionType):
            raise CourseError(f"A sweep runs a function of one config; received {run!r}. Write def run(config): ...")
        if run.__closure__ and not hasattr(run, "depends_on"):
            names = ", ".join(run.__code__.co_freevars)
            raise CourseError(
                f"{run.__qualname__} uses {names} of the function around it, which its source does not show, so its "
                "results could be taken for those of other values. Put these into the config, or say what they are "
                "with `depends_on(text)(run)`."
            )
        if LOADING in run.__globals__:
            raise CourseError(
                f"{run.__globals__[LOADING]} starts a sweep while a worker imports it. "
                'Put the call below `if __name__ == "__main__":`.'
            )
        file = Path(getattr(inspect.unwrap(run), "__code__", run.__code__).co_filename).absolute()
        on_disk = file.is_file()
        return cls(run.__module__, str(file) if on_disk else "", run.__qualname__, _source(run, file, on_disk))

    @property
    def label(self) -> str:
        """Module and name, the same however the file was loaded: `my_runs.train`."""
        return f"{Path(self.file).stem if self.file and self._has_no_name else self.module}.{self.name}"

    @property
    def _has_no_name(self) -> bool:
        """Whether the module was loaded from its file, so that no import would find it."""
        return self.module == "__main__" or self.module.startswith(ALIAS)

    def check_travels(self, run: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Raises `CourseError` for a function that another process cannot find by its name."""
        if not self.file or "<" in self.name or _attribute(sys.modules.get(self.module), self.name) is not run:
            kind = "a function of a notebook or prompt" if not self.file else "not at the top level of its file"
            raise CourseError(
                f"{self.name} is {kind}, and other processes cannot find it. Put it into a .py file as "
                "`def run(config): ...`, import it from there, and sweep that; or leave `executor` out."
            )

    def load(self) -> Callable[[dict[str, Any]], dict[str, Any]]:
        """The function, from its file or, for one of a package, by import.

        Raises `CourseError` when it is not here, or is here with another source.
        """
        try:
            if "." not in self.module and Path(self.file).is_file():
                module = _load_file(self.file, Path(self.file).read_bytes())
            elif self._has_no_name:
                raise ImportError("it was loaded from that file")
            else:
                module = importlib.import_module(self.module)
        except ImportError as error:
            raise CourseError(
                f"{platform.node()} has neither the file {self.file} nor a module {self.module} ({error}). Put the file "
                "into a folder that all workers see, or install it on them."
            ) from error
        run = _attribute(module, self.name)
        if not callable(run) or Function.of(run).source != self.source:
            raise CourseError(
                f"{platform.node()} has another {self.label} than the process that started the sweep ({self.file}). "
                "Bring both to the same version, and start the workers again."
            )
        return run


def load_function(text: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """The function that `FILE.py:name` means. Raises `CourseError` when there is no such file or function."""
    path, _, name = text.rpartition(":")
    file = Path(path).expanduser()
    if not path or not name or file.suffix != ".py":
        raise CourseError(f"A function to sweep is written FILE.py:NAME; received {text!r}.")
    if not file.is_file():
        raise CourseError(f"{file}: there is no such file. Check the path (seen from {Path.cwd()}).")
    module = _load_file(str(file.absolute()), file.read_bytes())
    run = _attribute(module, name)
    if not isinstance(run, FunctionType):
        here = [key for key, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
        functions = [key for key in here if isinstance(vars(module)[key], FunctionType) and not key.startswith("_")]
        raise CourseError(f"{file} has no function {name!r}; it has {', '.join(functions) or 'none'}.")
    return run


def _attribute(module: ModuleType | None, name: str) -> Any:
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


@lru_cache(maxsize=64)
def _load_file(file: str, text: bytes) -> ModuleType:
    """A module from its source, loaded once for each of its versions, so a worker that lives long runs no old one."""
    name = f"{ALIAS}{Path(file).stem}_{hashlib.sha256(text).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    folder = str(Path(file).parent)
    if folder not in sys.path:  # the file may import its neighbours, as it may when it is run as a script
        sys.path.append(folder)
    setattr(module, LOADING, file)
    sys.modules[name] = module
    try:
        # Not the spec's own loader: that would take a cached version of the same second and size for this one.
        exec(compile(text, file, "exec", dont_inherit=True), vars(module))
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, (CourseError, KeyboardInterrupt)):
            raise
        raise CourseError(f"{file} cannot be imported: {type(error).__name__}: {error}") from error
    delattr(module, LOADING)
    return module


def _source(run: FunctionType, file: Path, on_disk: bool) -> str:
    """SHA-256 of the file, or of the function's source. Raises `CourseError` for a file that was changed after loading."""
    if not on_disk:
        try:
            return hashlib.sha256(inspect.getsource(run).encode()).hexdigest()
        except (OSError, TypeError) as error:
            raise CourseError(
                f"The source of {run.__qualname__} cannot be read, so its results could not be told from those of "
                "another function. Put it into a .py file and import it from there."
            ) from error
    source = hashlib.sha256(file.read_bytes()).hexdigest()
    code, known = _seen.setdefault(run, (run.__code__, source))
    if source != known and code is run.__code__:
        raise CourseError(
            f"{file} was changed after {run.__qualname__} was loaded, so the results would be those of the old text. "
            "Restart this process (in a notebook: the kernel)."
        )
    _seen[run] = (run.__code__, source)
    return source
