"""A grid is the configs of a sweep: lists of values that are all combined, or the configs themselves.

    configs({"lr": [1e-3, 1e-2], "seed": range(3)})              # 6 configs
    configs([{"lr": 1e-3, "seed": 0}, {"lr": 1e-2, "seed": 7}])  # these 2

A config is a dict of JSON values, since its result is kept under the hash of its JSON.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import CourseError

Config = dict[str, Any]
Grid = Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]]


def configs(grid: Grid) -> list[Config]:
    """The configs of a grid, in its order; the last list of a dict changes fastest.

    Raises `CourseError` for anything but lists of JSON values, and for a grid that names no run.
    """
    if isinstance(grid, Mapping):
        axes = {name: _axis(name, values) for name, values in grid.items()}
        found = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    elif isinstance(grid, (list, tuple)):
        found = list(grid)
    else:
        raise CourseError(
            f"A grid is a dict of lists, such as {{'lr': [1e-3, 1e-2]}}, or a list of configs; received {_named(grid)}."
        )
    if not found:
        raise CourseError("This grid names no run; give at least one config.")
    for number, config in enumerate(found):
        if not isinstance(config, dict):
            raise CourseError(f"A config is a dict; config {number} of this grid is {_named(config)}.")
        _check(config, f"config {number}")
    return [json.loads(json.dumps(config)) for config in found]  # copies, with numpy's floats made plain


def combine(first: list[Config], second: list[Config]) -> list[Config]:
    """Every config of `first` with every one of `second`; where both name a value, that of `second` counts."""
    return [{**one, **other} for one in first for other in second]


def in_words(config: Config) -> str:
    """A config in a line of words: `lr 0.001, seed 2`."""
    return ", ".join(
        f"{name} {value if isinstance(value, str) else json.dumps(value)}" for name, value in config.items()
    )


def _axis(name: Any, values: Any) -> list[Any]:
    if not isinstance(values, (list, tuple, range)):
        advice = "call .tolist() on it" if hasattr(values, "tolist") else f"write [{values!r}] for a single value"
        raise CourseError(f"The grid's {name!r} is {_named(values)} and must be a list of values; {advice}.")
    if not values:
        raise CourseError(f"The grid's {name!r} has no values, so there is nothing to run; give at least one.")
    return list(values)


def _check(value: Any, where: str) -> None:
    """Refuse what JSON cannot hold, or would give back as something else."""
    if isinstance(value, dict):
        for name, part in value.items():
            if not isinstance(name, str):
                raise CourseError(f"Names in a config are texts; {where} has {name!r}, {_named(name)}.")
            _check(part, f"{name!r} of {where}")
    elif isinstance(value, list):
        for part in value:
            _check(part, where)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise CourseError(f"{where} is {value}, which JSON has no number for; use None or a finite number.")
    elif not (value is None or isinstance(value, (bool, int, str))):
        advice = "a list instead" if isinstance(value, tuple) else "a number, text, True, False, None, list or dict"
        raise CourseError(f"{where} is {_named(value)}, which is no JSON value; use {advice}.")


def _named(value: Any) -> str:
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    text = repr(value)
    return f"{text if len(text) <= 40 else text[:40] + '...'} ({kind})"
