"""All runs of a task: round after round, each contender in a fresh process, every result written at once.

book = Book(folder / "features.json", facts, resume=True)
run_task("features", TASKS["features"], material, book, repeats=3, say=print)
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .machine import busy
from .material import Material, Phase
from .tasks import Contender, Task

LIMIT = 3600  # seconds for one run
ROOT = Path(__file__).parent.parent
Say = Callable[[str], None]


class Book:
    """The results of one task in a JSON file; with `resume`, what the file holds from the same machine and settings counts.

    Arguments:
        path: the file.
        facts: machine, versions and settings.
    """

    def __init__(self, path: Path, facts: dict[str, Any], resume: bool = False) -> None:
        self.path = path
        self.data: dict[str, Any] = {**facts, "probe": {}, "skipped": {}, "runs": []}
        if resume and path.is_file():
            kept = json.loads(path.read_text(encoding="utf-8"))
            same = [key for key in facts if key not in ("date", "commit", "repeats")]
            if all(kept.get(key) == facts[key] for key in same):
                kept["runs"] = [run for run in kept["runs"] if "error" not in run]
                self.data = kept | {"repeats": facts["repeats"], "skipped": {}}

    def has(self, contender: str, turn: int) -> bool:
        return any(run["contender"] == contender and run["round"] == turn for run in self.data["runs"])

    def add(self, run: dict[str, Any]) -> None:
        self.data["runs"].append(run)
        self.write()

    def write(self) -> None:
        """Under a temporary name first: a stop in the middle leaves the file as it was."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".part")
        temporary.write_text(json.dumps(self.data, indent=1) + "\n", encoding="utf-8")
        os.replace(temporary, self.path)


def run_task(name: str, task: Task, material: Material, book: Book, repeats: int, say: Say) -> None:
    """Fill the book: in each round every contender once, in the order of the task; the seed is the number of the round."""
    phases = material.phases(task.kind, book.data["epochs"])
    present = {}
    for key, contender in task.contenders.items():
        if contender.needs and importlib.util.find_spec(contender.needs) is None:
            book.data["skipped"][key] = f"{contender.needs} is not installed"
        else:
            present[key] = contender
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as scratch:
        if any(contender.probed for contender in present.values()) and not book.data["probe"]:
            say(f"{name}: looking for the best settings of the peers")
            book.data["probe"] = _probe(task, present, material, phases, Path(scratch))
        options = {key: chosen(contender, book.data["probe"]) for key, contender in present.items()}
        for key, label in _twins(present, options).items():
            book.data["skipped"][key] = f"same as {label} on this machine"
            del present[key]
        book.write()
        for turn in range(repeats):
            for key, contender in present.items():
                over = contender.rounds is not None and turn >= contender.rounds
                if over or book.has(key, turn):
                    continue
                cache = Path(scratch, f"cache-{turn}-{contender.warm_after or key}")
                job = _job(contender, options[key], material, phases, seed=turn)
                if contender.warm_after and not cache.exists():
                    say(f"{name}: {contender.label}: filling the cache again")
                    run_job(_job(present[contender.warm_after], {}, material, phases, turn), task, cache)
                found = run_job(job, task, cache)
                say(f"{name}: round {turn + 1} of {repeats}: {contender.label}: {_outcome(found)}")
                book.add({"contender": key, "round": turn, "options": options[key], **found})


def chosen(contender: Contender, probe: dict[str, dict[str, float]]) -> dict[str, Any]:
    """A contender's options, with those that the probe found fastest."""
    options = dict(contender.options)
    for option, group in contender.probed.items():
        fastest = min(probe[group], key=probe[group].get)
        options[option] = int(fastest) if fastest.isdigit() else fastest
    return options


def run_job(job: dict[str, Any], task: Task, cache: Path) -> dict[str, Any]:
    """Run one job in a fresh process; the result, or {"error": last line of what went wrong}."""
    cache.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "COURSE_CACHE": str(cache)}
    if task.device == "cpu":
        env["CUDA_VISIBLE_DEVICES"] = ""  # a contender that finds a GPU would take it
    others = busy()
    with tempfile.TemporaryDirectory(prefix="benchmarks-job-") as folder:
        job_file, result_file = Path(folder, "job.json"), Path(folder, "result.json")
        job_file.write_text(json.dumps(job), encoding="utf-8")
        start = time.perf_counter()
        command = [sys.executable, "-m", "benchmarks.one", str(job_file), str(result_file)]
        try:
            done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=LIMIT)
        except subprocess.TimeoutExpired:
            return {"error": f"stopped after {LIMIT} s"}
        if done.returncode != 0 or not result_file.is_file():
            lines = [line for line in done.stderr.splitlines() if line.strip()] or [f"exit status {done.returncode}"]
            return {"error": lines[-1].strip()[:300]}
        return {
            **json.loads(result_file.read_text(encoding="utf-8")),
            "busy": others,
            "wall": time.perf_counter() - start,
        }


def _twins(present: dict[str, Contender], options: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Contenders that come out as an earlier one does, with that one's label."""
    first: dict[str, str] = {}
    twins = {}
    for key, contender in present.items():
        what = json.dumps([contender.call, options[key], contender.warm_after], sort_keys=True)
        if what in first:
            twins[key] = first[what]
        first.setdefault(what, contender.label)
    return twins


def _outcome(found: dict[str, Any]) -> str:
    if "error" in found:
        return found["error"]
    return f"{found['seconds']:.1f} s" + (f", accuracy {found['accuracy']:.3f}" if "accuracy" in found else "")


def _job(contender: Contender, options: dict[str, Any], material: Material, phases: list[Phase], seed: int) -> dict:
    return {
        "call": contender.call,
        "options": options,
        "course": contender.course,
        "material": asdict(material),
        "phases": [asdict(phase) for phase in phases],
        "seed": seed,
    }


def _probe(
    task: Task, present: dict[str, Contender], material: Material, phases: list[Phase], scratch: Path
) -> dict[str, Any]:
    groups = {group for contender in present.values() for group in contender.probed.values()}
    probe = Contender("probe", "probe:run", {"groups": sorted(groups)})
    found = run_job(_job(probe, dict(probe.options), material, phases, 0), task, scratch / "cache-probe")
    if "error" in found:
        raise RuntimeError(f"The settings of the peers could not be looked for: {found['error']}")
    return {group: found[group] for group in sorted(groups)}
