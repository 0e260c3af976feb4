"""The card in a model's file: what the model knows, how well, from what it learned, and when not to trust it.

    model.card                    # shows itself, in a terminal and in a notebook
    model.card["test"]["accuracy"]
    model.card.sentences()        # how well it works, in sentences

A card is JSON. It keeps what `Network.save` writes (`model`, `classes`, `size`, `mean`, `std`, `origin`) and adds:

    format        "course model 1"
    built_by      "name": `load(card["model"])` builds it; "hand": `open_model(path, model=...)` needs the layers
    number        of the weights, such as "float32"
    pictures      size (pixels, square), rule (how a file becomes one)
    data          name, checksum, size, counts (split -> class -> pictures), left_out, reasons; or "not measured"
    test          accuracy, low and high (its 95 % interval), right, pictures, recall (class -> [right, pictures]), loss (nats),
                  calibration_error, calibration_error_before, bins, right_refused, wrong_refused; or "not measured"
    calibration   temperature, threshold, keeps, pictures and right (of val); or "not measured"
    familiar      limit, keeps, directions; or "not measured"
    licence, note, course, torch, date
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import CourseError
from ..pictures.found import printable
from ..tables import Table
from .measuring import NOT_MEASURED

FORMAT = "course model 1"
RULE = "upright as the camera noted; short side scaled to `size` pixels, the square around the centre; RGB; white for transparent"
FEW = 30  # pictures; with fewer, an interval is wide and a threshold rough
LARGEST = 4096  # pixels
LISTED = 12  # classes that are named one by one


class Card(dict):
    """The facts of a model as a dict that shows itself."""

    def __repr__(self) -> str:
        lines = [f"{what}: {text}" for what, text in self.rows()]
        return "\n".join([*lines, "Do not trust it", *(f"  - {doubt}" for doubt in self.doubts())])

    def _repr_html_(self) -> str:
        doubts = "; ".join(self.doubts())
        return Table(("", "card"), [*self.rows(), ("do not trust it", doubts)])._repr_html_()

    def rows(self) -> list[tuple[str, str]]:
        """What is known, as (what, text)."""
        rows = [
            ("model", f"{self['model']}, {len(self['classes'])} classes; {self['origin']}"),
            ("classes", _listed(self["classes"])),
            ("how well", " ".join(self.sentences())),
            ("learned from", self._data()),
            ("pictures", f"{self['pictures']['size']} x {self['pictures']['size']} pixels; {self['pictures']['rule']}"),
            ("licence of the pictures", str(self["licence"])),
            ("made", f"{self['date']}, course {self['course']}, torch {self['torch']}, weights {self['number']}"),
        ]
        if self["note"]:
            rows.append(("note", self["note"]))
        return [(what, printable(text)) for what, text in rows]

    def sentences(self) -> list[str]:
        """How well the model works, in sentences."""
        test, calibration = self["test"], self["calibration"]
        if test == NOT_MEASURED:
            said = ["How good it is was not measured."]
        else:
            said = [
                f"Right on {test['accuracy']:.1%} of {test['pictures']:,} test pictures (95 % interval {test['low']:.1%} to {test['high']:.1%}).",
            ]
        if calibration == NOT_MEASURED:
            return [*said, "Its confidence is not calibrated, and it never answers 'none of these'."]
        said.append(
            f"Confidence calibrated on {calibration['pictures']:,} val pictures (temperature {calibration['temperature']:.2f})."
        )
        if test != NOT_MEASURED:
            wrong = test["pictures"] - test["right"]
            said.append(
                f"On test, confidence and truth are {100 * test['calibration_error']:.1f} points apart, before calibration "
                f"{100 * test['calibration_error_before']:.1f}. It says 'none of these' to {test['right_refused']} of {test['right']} "
                f"pictures that it would name rightly, and to {test['wrong_refused']} of {wrong} that it would name wrongly."
            )
        return said

    def doubts(self) -> Iterator[str]:
        """When not to trust the model."""
        test, calibration = self["test"], self["calibration"]
        yield "on pictures from another camera, place or style than those it learned from: the accuracy above is not for them"
        if test == NOT_MEASURED:
            yield "where a mistake costs something: nobody has measured how often it is wrong"
        else:
            if test["pictures"] < FEW:
                yield f"on the accuracy: {test['pictures']} test pictures are few, see the interval"
            weak = [name for name, (right, count) in test["recall"].items() if count and right < count / 2]
            if weak:
                yield f"on {_listed(weak)}: more than half of these test pictures were named wrongly"
            unseen = [name for name, (_, count) in test["recall"].items() if not count]
            if unseen:
                yield f"on {_listed(unseen)}: no test picture shows it"
        if calibration != NOT_MEASURED and calibration["pictures"] < FEW:
            yield f"on its confidence: {calibration['pictures']} val pictures are few to set it by"
        if self["familiar"] == NOT_MEASURED:
            yield "on pictures of something else: it cannot tell that they are unlike what it learned from, and may be sure of them"
        else:
            yield "on pictures of something that looks much like its classes: many of these get a class name, not 'none of these'"

    def _data(self) -> str:
        data = self["data"]
        if data == NOT_MEASURED:
            return "not stated"
        counts = ", ".join(f"{sum(by_class.values()):,} {split}" for split, by_class in data["counts"].items())
        left_out = f"; {data['left_out']:,} files left out" if data["left_out"] else ""
        return f"{data['name']} ({counts} pictures{left_out}; checksum {data['checksum'][:12]})"


def check_card(card: Any, where: str) -> Card:
    """The card of a file, after what it says was found to make sense.

    Raises `CourseError` with the first fact that does not.
    """
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise CourseError(
            f"{where} holds weights and no card of `net.export` ({FORMAT!r} is expected, found "
            f"{card.get('format') if isinstance(card, dict) else card!r}). Open it with `load(name, classes, weights=path)`, or export it anew."
        )
    for what, holds in _rules(card).items():
        try:
            fine = holds()
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError):
            fine = False
        if not fine:
            raise CourseError(
                f"The card in {where} makes no sense at {what!r}, so nothing that it says can be relied on. Get the file again, or "
                "export the network anew."
            )
    return Card(card)


def _rules(card: dict[str, Any]) -> dict[str, Callable[[], bool]]:
    """What must hold, by the key that it is about; a rule that raises does not hold."""
    classes, pictures = card.get("classes"), card.get("pictures")

    def measured(key: str, rule: Callable[[Any], bool]) -> Callable[[], bool]:
        return lambda: card[key] == NOT_MEASURED or rule(card[key])

    return {
        "classes": lambda: len(classes) >= 2 and len(set(classes)) == len(classes) and all(map(_is_text, classes)),
        "texts": lambda: all(_is_text(card[k]) for k in ("model", "origin", "number", "course", "torch", "date", "licence")),
        "note": lambda: card["note"] is None or _is_text(card["note"]),
        "built_by": lambda: card["built_by"] in ("name", "hand"),
        "size": lambda: card["size"] is None or _is_count(card["size"], 1, LARGEST),
        "pictures": lambda: _is_count(pictures["size"], 1, LARGEST) and _is_text(pictures["rule"]),
        "data": measured("data", _data_holds),
        "test": measured("test", lambda test: _test_holds(test, classes)),
        "calibration": measured("calibration", _calibration_holds),
        "familiar": measured("familiar", lambda known: _is_number(known["limit"], 0, math.inf)),
    }  # fmt: skip


def _data_holds(data: dict[str, Any]) -> bool:
    counts = [n for by_class in data["counts"].values() for n in by_class.values()]
    return (
        all(_is_count(n) for n in [data["left_out"], *counts]) and _is_text(data["name"]) and _is_text(data["checksum"])
    )


def _test_holds(test: dict[str, Any], classes: list[str]) -> bool:
    """Counts add up, and shares are those of the counts."""
    right, pictures, recall = test["right"], test["pictures"], test["recall"]
    sums = [sum(pair[i] for pair in recall.values()) for i in (0, 1)]
    return (
        _is_count(pictures, 1)
        and _is_count(right, 0, pictures)
        and list(recall) == list(classes)
        and sums == [right, pictures]
        and all(_is_count(n, 0, all_of) for n, all_of in recall.values())
        and abs(test["accuracy"] - right / pictures) < 1e-9
        and 0 <= test["low"] <= test["accuracy"] + 1e-9 <= test["high"] + 2e-9 <= 1 + 3e-9
        and all(_is_number(test[key], 0, 1) for key in ("calibration_error", "calibration_error_before"))
        and _is_number(test["loss"], 0, math.inf)
        and _is_count(test["right_refused"], 0, right)
        and _is_count(test["wrong_refused"], 0, pictures - right)
    )


def _calibration_holds(calibration: dict[str, Any]) -> bool:
    threshold = calibration["threshold"]
    return (
        _is_number(calibration["temperature"], 0.01, 100)
        and (threshold is None or _is_number(threshold, 0, 1))
        and _is_count(calibration["pictures"], 1)
        and _is_count(calibration["right"], 0, calibration["pictures"])
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any, least: int = 0, most: float = math.inf) -> bool:
    return type(value) is int and least <= value <= most


def _is_number(value: Any, least: float, most: float) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and least <= value <= most
    )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(map(str, names[:LISTED])) + more
