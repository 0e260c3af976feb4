"""One run in a process of its own: `python -m benchmarks.one JOB.json RESULT.json`, called by runs.py.

The clock starts when everything is imported and every photo's file was read once, so that no contender pays for a cold
disk; it stops when the net is trained and its accuracy known. Opening and decoding the photos is inside.
"""

from __future__ import annotations

import json
import os
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any


def main(job_file: str, result_file: str) -> None:
    """Read the job, do it, write the result."""
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    Path(result_file).write_text(json.dumps(run(job)), encoding="utf-8")


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Run a contender: `{"seconds": ..., "accuracy": ..., "count": ...}` and what else it tells.

    Arguments:
        job: `call`, `options`, `material`, `phases`, `seed` and `course` (whether course_lib is imported before torch).
    """
    if job["course"]:
        import course_lib  # noqa: F401
    module, _, function = job["call"].partition(":")
    act = getattr(import_module(f".{module}", __package__), function)
    from .material import Material, Phase

    material = Material(**job["material"])
    phases = [Phase(**phase) for phase in job["phases"]]
    _warm_up(material)
    start, cpu = time.perf_counter(), _cpu_seconds()
    found = act(material, phases, job["seed"], **job["options"])
    seconds = time.perf_counter() - start
    return {"seconds": seconds, **found, "cpu_seconds": _cpu_seconds() - cpu}


def _warm_up(material: Any) -> None:
    import torch

    for split in ("train", "val"):
        for path, _ in material.files(split):
            path.read_bytes()
    weight = torch.zeros(2, 2, requires_grad=True)
    for kind in (torch.optim.SGD, torch.optim.AdamW):  # the first optimizer of a process imports for more than a second
        optimizer = kind([weight], 1e-3)
        weight.grad = torch.zeros(2, 2)
        optimizer.step()


def _cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    return sum(os.times()[:4])


if __name__ == "__main__":
    main(*sys.argv[1:])
