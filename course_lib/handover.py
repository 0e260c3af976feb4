"""What a lesson leaves for the next one: a network, or a small JSON value.

    leave("02", "dogs", net)                                            # at the end of lesson 02
    net = pick_up("02", "dogs", make, model="pawnet", classes=dogs.classes)      # at the start of lesson 03

Each lesson also runs alone: where nothing was left, or something that does not fit, `make()` makes it, and the page says so.
Things lie in the cache, under handover/, and may be deleted at any time.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .errors import CourseError
from .paths import atomic, cache_dir


def leave(lesson: str, key: str, what: Any) -> Path:
    """Keep a Network, or a value that JSON knows, for later lessons; an older one under this name is replaced.

    Raises `CourseError` for what is neither, and where the cache cannot be written.
    """
    from .network import Network

    if isinstance(what, Network):
        return what.save(_path(lesson, key, ".safetensors"), {"left_by": lesson})
    try:
        text = json.dumps(what)
    except (TypeError, ValueError) as error:
        raise CourseError(f"leave takes a Network or JSON values; received {type(what).__name__} ({error}).") from error
    path = _path(lesson, key, ".json")
    with atomic(path) as file:
        file.write(text.encode())
    return path


def pick_up(
    lesson: str, key: str, make: Callable[[], Any], model: str | None = None, classes: Sequence[str] | None = None
) -> Any:
    """What `lesson` left under `key`, or what `make()` gives.

    Arguments:
        make: makes it where nothing fits.
        model, classes: what a network has to be; None for a value.
    """
    found = _network(lesson, key, model, classes) if model else _value(lesson, key)
    if found is None:
        _tell(f"Lesson {lesson} has left nothing here that fits, so `{key}` is made now.")
        return make()
    _tell(f"`{key}` comes from your own run of lesson {lesson}.")
    return found


def _network(lesson: str, key: str, model: str, classes: Sequence[str] | None) -> Any:
    from .models import load
    from .weights import read_weights

    path = _path(lesson, key, ".safetensors")
    if not path.is_file():
        return None
    try:
        held = read_weights(path)
        if held.card.get("model") != model or (classes is not None and held.classes != tuple(classes)):
            return None
        return load(model, weights=path)  # classes left out: with the head as it was left
    except CourseError:  # damaged, or of another version of the course
        return None


def _value(lesson: str, key: str) -> Any:
    try:
        return json.loads(_path(lesson, key, ".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _path(lesson: str, key: str, ending: str) -> Path:
    name = f"{lesson}-{key}"
    if not all(part.isalnum() or part in "-_" for part in name):
        raise CourseError(f"lesson={lesson!r}, key={key!r}: letters, digits, - and _ make the name.")
    return cache_dir() / "handover" / f"{name}{ending}"


def _tell(text: str) -> None:
    """Say it in the notebook, if there is one."""
    if "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None:
        from IPython.display import Markdown, display

        display(Markdown(text))
