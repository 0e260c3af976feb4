"""Lab: what all widgets of the course have in common.

    class FreezeLab(Lab):
        _esm, _css = front("freeze_lab")         # front/freeze_lab.js and .css, after what all labs share
        commands = ("train", "stop")             # methods that the page may call: send("train")
        frozen = traitlets.Int(0).tag(sync=True)

        def picture(self): ...                   # a plots.Picture of what it shows now, for pages without a kernel
        def sentence(self): ...                  # the same in words

Settings are traits that the reader and the kernel's thread write. What is shown of the work is in `live`, which the
worker's thread writes (run.py). An error in either becomes a visible sentence, and `lab.error`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import traitlets
from ipywidgets import widget_serialization

from ..errors import CourseError
from .run import Live, Worker, sentence

FRONT = Path(__file__).parent / "front"

_latest: dict[tuple[str, str, int], Lab] = {}  # the lab that each place in a notebook made last
_made: dict[tuple[str, str], tuple[int, int]] = {}  # execution, and how many labs of a class it has made in this cell


def front(name: str) -> tuple[str, str]:
    """The script and the style of a widget: what all share, then its own. Nothing is fetched from elsewhere."""
    script = "\n".join((FRONT / file).read_text(encoding="utf-8") for file in ("common.js", f"{name}.js"))
    styles = [FRONT / "common.css", FRONT / f"{name}.css"]
    return script, "\n".join(path.read_text(encoding="utf-8") for path in styles if path.is_file())


class Refused(CourseError, traitlets.TraitError):
    """A setting that is not allowed."""


class Lab(anywidget.AnyWidget):
    """A widget with a worker, a picture for pages without a kernel, and errors that are seen.

    Attributes:
        live: what the page shows of the work.
        worker: does the work.
        error: the last exception, None where there was none.
    """

    live = traitlets.Instance(Live).tag(sync=True, **widget_serialization)
    commands: ClassVar[tuple[str, ...]] = ()
    shows: ClassVar[type[Live]] = (
        Live  # a class of one's own has further traits, for what is too much to be sent at each update
    )

    def __init__(self, **settings: Any) -> None:
        self.error: BaseException | None = None
        live = self.shows()
        self.worker = Worker(live, type(self).__name__)
        super().__init__(live=live, **settings)
        self.on_msg(lambda _, content, buffers: self.receive(content))
        _replace(self)

    def receive(self, message: dict[str, Any]) -> None:
        """What the page asks for: {"do": one of `commands`, "with": {its arguments}, "settings": {traits as the page has them}}."""
        self._forget_error()
        if message.get("settings"):
            self.set_state(message["settings"])
            if self.error is not None:  # a setting was refused: what was asked for would be done with another one
                return
        try:
            name = message.get("do")
            if name not in self.commands:
                raise CourseError(f"{type(self).__name__} has no command {name!r}; it has {', '.join(self.commands)}.")
            getattr(self, name)(**message.get("with", {}))
        except Exception as error:
            self.fail(error)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Settings that come from the page; one that is not allowed is answered in the widget, and the old one stays."""
        self._forget_error()
        try:
            super().set_state(sync_data)
        except Exception as error:
            self.fail(error)
            self.send_state(set(sync_data) & set(self.keys))

    def fail(self, error: BaseException) -> None:
        """Show an error in the widget, and keep it."""
        self.error = error
        text = sentence(error)
        self.worker.ask(lambda: self.live.show(error=text))

    def join(self, timeout: float | None = None) -> None:
        """Wait for the work; an interrupt of the cell stops it, a failure of the work is raised here."""
        self.worker.join(timeout)

    def close(self) -> None:
        """Stop the work and take the widget off the page."""
        if hasattr(self, "worker"):  # a lab that was refused while it was made has none
            self.worker.close()
            self.live.close()
        super().close()

    def _register_validator(self, handler: Callable[[Any, Any], Any], names: tuple[str, ...]) -> None:
        """Validators may raise CourseError: traitlets puts an old value back, and tells no observer, for a TraitError only."""

        def check(lab: Lab, proposal: Any) -> Any:
            try:
                return handler(lab, proposal)
            except CourseError as error:
                raise Refused(str(error)) from None

        super()._register_validator(check, names)

    def _forget_error(self) -> None:
        if self.error is not None or self.live.error:
            self.error = None
            self.worker.ask(lambda: self.live.show(error=""))

    def __repr__(self) -> str:
        return f"{type(self).__name__}: {self.sentence()}"

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The live widget, and beside it a picture and a sentence for pages that have no kernel."""
        data, about = super()._repr_mimebundle_(**options)
        still, about_still = self.picture()._repr_mimebundle_()
        return {**data, **still, "text/plain": repr(self)}, {**about, **about_still}


def _replace(lab: Lab) -> None:
    """Close the lab that the same cell made when it was run before: no old thread goes on behind a new widget."""
    place = _place()
    if place is None:
        return
    cell, execution = place
    name = type(lab).__name__
    last, count = _made.get((name, cell), (-1, 0))
    count = count + 1 if last == execution else 0
    _made[name, cell] = (execution, count)
    old = _latest.get((name, cell, count))
    if old is not None and old.comm is not None:
        old.close()
    _latest[name, cell, count] = lab


def _place() -> tuple[str, int] | None:
    """The id of the cell that is being run and the number of this execution; None outside of a notebook."""
    from IPython import get_ipython

    shell = get_ipython()
    kernel = getattr(shell, "kernel", None)
    metadata = kernel.get_parent().get("metadata", {}) if kernel is not None else {}
    cell = metadata.get("cellId")
    return (cell, shell.execution_count) if cell else None
