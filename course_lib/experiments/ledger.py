"""The ledger: what the course's experiments found, with date, machine, settings and every seed; data/ledger/NAME.json.

    write(watch(claim("less_data").measure("full")))         # course record less_data
    read("less_data").words("frozen, 10")

Lessons read their figures from here, by key, and say that they are recorded. Whether a claim held is written down with it,
and a test works it out again from the numbers.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from ..errors import CourseError
from ..paths import ROOT, atomic
from .findings import Findings, Measured, here

LEDGER = ROOT / "data" / "ledger"


def write(found: Findings, folder: Path = LEDGER) -> Path:
    """Write findings down, whole or not at all; the path."""
    found = replace(found, where=here())
    verdict = found.verdict
    held = {
        "claim": found.claim,
        "says": found._claim.says,
        "holds": verdict.holds,
        "because": verdict.because,
        "size": found.size,
        "seconds": found.seconds,
        "where": found.where,
        "settings": found.settings,
        "measured": {
            key: {"unit": each.unit, "values": [round(value, 6) for value in each.values]}
            for key, each in found.measured.items()
        },
    }
    path = folder / f"{found.claim}.json"
    with atomic(path) as file:
        file.write((json.dumps(held, indent=1, ensure_ascii=False) + "\n").encode())
    return path


def read(name: str, folder: Path = LEDGER) -> Findings:
    """Recorded findings by the name of their claim. Raises `CourseError` where there are none, or the file is damaged."""
    path = folder / f"{name}.json"
    if not path.is_file():
        raise CourseError(f"{name} is not in the ledger yet; `course record {name}` measures and writes it.")
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        measured = {key: Measured(each["unit"], tuple(each["values"])) for key, each in held["measured"].items()}
        return Findings(held["claim"], held["size"], measured, held["settings"], held["seconds"], held["where"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CourseError(
            f"{path} is damaged ({type(error).__name__}); `course record {name}` makes it anew."
        ) from error


def said(name: str, folder: Path = LEDGER) -> bool:
    """Whether the claim held when it was recorded, as the file says."""
    return bool(json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))["holds"])


def recorded_names(folder: Path = LEDGER) -> list[str]:
    """The claims that are in the ledger."""
    return sorted(path.stem for path in folder.glob("*.json"))
