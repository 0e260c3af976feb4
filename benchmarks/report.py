"""The table: from the JSON files of the runs to benchmarks/README.md. No figure in it is typed by hand.

text = readme(read_books(folder / "results"))
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import mean, median
from typing import Any

from course_lib.intervals import wilson

from .tasks import TASKS, Comparison, Task

HEAD = """\
# Speed

Written by `python -m benchmarks` from `results/*.json`; no figure here is typed by hand.

**What is compared.** The same network with the same weights, the same photos, the same number of epochs. The peers:

- the loop of PyTorch's transfer-learning tutorial, written afresh: photos opened in each epoch by a DataLoader, random crops, batches of 4, SGD, a
  train and a val phase in each epoch, the best epoch kept. What it calls frozen is in train mode, so BatchNorm moves;
- the best plain PyTorch loop that we can write: photos as uint8 in memory, channels last, the frozen part in eval mode under `no_grad`, a fused
  optimizer, the faster of float32 and bfloat16;
- fastai, as it is taught: `vision_learner` and `fine_tune`, with its own head, loaders and rates, BatchNorm of a frozen body in train mode;
- Keras 3 on torch, as its guide teaches: its own MobileNetV2 with the weights copied, photos in memory.

**How.** Each run has a process of its own; contenders take turns, round after round, with the same number of threads. The clock runs from files on
the disk to a trained net with its accuracy: opening and decoding photos is inside, imports are outside. The course's cache is empty, except where
the table says "cache warm" or "second time". For `decoding` there is no net: a folder becomes one tensor. For `inference` and `heads`, photos and features are in memory when the clock starts. A ratio is the peer's time over
ours in the same round: the median of the rounds, with lowest and highest. Slow peers without a target run in fewer rounds. Absolute times are noise
on shared machines: read the ratios. Accuracy is the mean over the rounds (one seed each) on the val photos, with its 95 % interval (Wilson); the tutorial's
epoch is chosen on these photos. It says whether two nets are alike, not how good one is. A target counts only where ours is not less accurate.
"""
COLUMNS = (
    "task",
    "ours",
    "peer",
    "ours, s",
    "peer, s",
    "times faster",
    "ours, % right",
    "peer, % right",
    "target",
    "result",
)


def read_books(folder: Path) -> dict[str, dict[str, Any]]:
    """The results in a folder by name of the task, in the order of the tasks."""
    return {
        name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        for name in TASKS
        if (folder / f"{name}.json").is_file()
    }


def readme(books: dict[str, dict[str, Any]]) -> str:
    """The whole README."""
    lines = [HEAD, "\n", *_line(COLUMNS), "|" + " --- |" * len(COLUMNS) + "\n"]
    for name, task in TASKS.items():
        for comparison in task.comparisons:
            lines += _line(row(task, comparison, books.get(name)))
    lines += ["\n", *_notes(books)]
    return "".join(lines)


def row(task: Task, comparison: Comparison, book: dict[str, Any] | None) -> list[str]:
    """The cells of one comparison."""
    ours, theirs = task.contenders[comparison.ours], task.contenders[comparison.theirs]
    target = f"{comparison.target:g}" if comparison.target else ""
    epochs = task.epochs if book is None else book.get("epochs", task.epochs)
    cells = [task.title.format(epochs=epochs), ours.label, theirs.label]
    problem = _problem(book, comparison)
    if problem:
        return [*cells, "", "", "", "", "", target, problem]
    mine, other = (by_round(book, key) for key in (comparison.ours, comparison.theirs))
    ratios = [other[turn]["seconds"] / mine[turn]["seconds"] for turn in sorted(mine.keys() & other.keys())]
    spread = f" ({_short(min(ratios))} to {_short(max(ratios))})" if len(ratios) > 1 else " (1 round)"
    times = [f"{_short(median(run['seconds'] for run in runs.values()))}" for runs in (mine, other)]
    accuracies = [_accuracy(list(runs.values())) for runs in (mine, other)]
    verdict = _verdict(comparison, ratios, mine, other)
    return [*cells, *times, f"**{_short(median(ratios))}**{spread}", *accuracies, target, verdict]


def by_round(book: dict[str, Any], contender: str) -> dict[int, dict[str, Any]]:
    """The runs of a contender that went well, by number of the round."""
    return {run["round"]: run for run in book["runs"] if run["contender"] == contender and "error" not in run}


def interval(runs: list[dict[str, Any]]) -> tuple[float, float, float] | None:
    """Mean accuracy over the runs and the ends of its 95 % interval, 0 to 1."""
    if "accuracy" not in runs[0]:
        return None
    share = mean(run["accuracy"] for run in runs)
    return share, *wilson(share, runs[0]["count"])


def _problem(book: dict[str, Any] | None, comparison: Comparison) -> str:
    """Why there is nothing to show."""
    if book is None:
        return "not run"
    if "not_run" in book:
        return f"not run: {book['not_run']}"
    for key in (comparison.ours, comparison.theirs):
        if key in book["skipped"]:
            return book["skipped"][key]
        if not by_round(book, key):
            errors = [run["error"] for run in book["runs"] if run["contender"] == key and "error" in run]
            return f"failed: {errors[-1]}" if errors else "not run"
    return "" if by_round(book, comparison.ours).keys() & by_round(book, comparison.theirs).keys() else "not run"


def _verdict(
    comparison: Comparison, ratios: list[float], mine: dict[int, dict[str, Any]], other: dict[int, dict[str, Any]]
) -> str:
    """Whether the target is reached, whether the accuracies allow the comparison, and where the time goes if not."""
    said = []
    ours, theirs = interval(list(mine.values())), interval(list(other.values()))
    worse = bool(ours and theirs and ours[2] < theirs[1])
    if worse:
        said.append("not comparable: ours is less accurate")
    elif ours and theirs and theirs[2] < ours[1]:
        said.append("ours is more accurate")
    if comparison.target and not worse:
        if median(ratios) >= comparison.target:
            said.insert(0, "reached")
        elif max(ratios) >= comparison.target:
            said.insert(0, "level: the target lies within the spread")
        else:
            reason = f": {comparison.reason}" if comparison.reason else ""
            said.insert(0, f"not reached{reason}{_where(list(mine.values()))}")
    same = [_agreeing(mine[turn], other[turn]) for turn in mine.keys() & other.keys() if "said" in mine[turn]]
    said += same[:1]
    if all("peak" in run for runs in (mine, other) for run in runs.values()):
        peaks = [median(run["peak"] for run in runs.values()) for runs in (mine, other)]
        count = next(iter(mine.values()))["photos"]
        said.append(f"{count:,} photos, {peaks[0]:.0f} MB of memory (peer: {peaks[1]:.0f} MB)")
    shares = [
        (mine[turn]["share"], other[turn]["share"]) for turn in mine.keys() & other.keys() if "share" in mine[turn]
    ]
    if shares:
        middle = [100 * median(column) for column in zip(*shares, strict=True)]
        rate = median(run["rate"] for run in mine.values()) / 1e12
        alone = 100 * median(run.get("training_share", run["share"]) for run in mine.values())
        said.append(
            f"{middle[0]:.2g} % of {rate:.0f} bf16 TFLOP/s, {alone:.2g} % while training (peer: {middle[1]:.2g} %)"
        )
    return "; ".join(said)


def _where(runs: list[dict[str, Any]]) -> str:
    """Where our time goes, in words."""
    names = list(runs[0].get("parts", {}))
    parts = [f"{name} {_short(median(run['parts'][name] for run in runs))} s" for name in names]
    return f" (ours: {', '.join(parts)})" if parts else ""


def _agreeing(mine: dict[str, Any], other: dict[str, Any]) -> str:
    pairs = list(zip(mine["said"], other["said"], strict=True))
    return f"same answer for {sum(a == b for a, b in pairs)} of {len(pairs)} photos"


def _accuracy(runs: list[dict[str, Any]]) -> str:
    found = interval(runs)
    return "" if found is None else f"{100 * found[0]:.1f} ({100 * found[1]:.0f} to {100 * found[2]:.0f})"


def _notes(books: dict[str, dict[str, Any]]) -> list[str]:
    """What was measured, on what, and by which command."""
    lines = []
    done = {name: book for name, book in books.items() if "not_run" not in book}
    for text in dict.fromkeys(book["material"] for book in done.values()):
        names = [name for name, book in done.items() if book["material"] == text]
        lines.append(f"- **{', '.join(names)}**: {text}.\n")
    probed = [
        f"{name}, {PROBES[g]} {_seconds(found)}" for name, book in done.items() for g, found in book["probe"].items()
    ]
    if probed:
        lines.append(f"- Settings of the peers, tried before the runs, the fastest taken: {'; '.join(probed)}.\n")
    for facts in dict.fromkeys(_facts(book) for book in done.values()):
        names = [name for name, book in done.items() if _facts(book) == facts]
        lines.append(f"- {', '.join(names)}: {facts}\n")
    runs = [run for book in done.values() for run in book["runs"]]
    shares = [run["busy"] for run in runs if run.get("busy") is not None]
    if shares:
        lines.append(
            f"- Other work on the machine just before a run: {100 * median(shares):.0f} % of its cores, at most {100 * max(shares):.0f} %.\n"
        )
    minutes = sum(run.get("wall", 0) for run in runs) / 60
    lines.append(COMMAND.format(f" (here it took {minutes:.0f} minutes)" if minutes >= 1 else ""))
    return lines


COMMAND = """
One command repeats it{}:

```bash
pip install -e . -r benchmarks/requirements.txt
python -m benchmarks --data path/to/hymenoptera --weights path/to/mobilenet_v2.safetensors
```

Without `--data` it takes drawn dogs and PawNet (no download). `--only NAME` runs one task, `--resume` goes on after a stop, `--quick` tries everything.
"""
PROBES = {
    "step": "a training step of 32 photos,",
    "forward": "inference of 32 photos,",
    "workers": "an epoch of the tutorial's loop by workers,",
    "loader": "all photos by ImageFolder by workers,",
}


def _seconds(found: dict[str, float]) -> str:
    return ", ".join(f"{key}: {value:.2g} s" for key, value in found.items())


def _facts(book: dict[str, Any]) -> str:
    machine = ", ".join(f"{key} {value}" for key, value in book["machine"].items())
    versions = ", ".join(f"{key} {value}" for key, value in book["versions"].items())
    return f"{book['date']}, course {book['commit']}; {machine}; {versions}."


def _line(cells: Any) -> list[str]:
    return ["| " + " | ".join(str(cell).replace("|", "/") for cell in cells) + " |\n"]


def _short(number: float) -> str:
    return f"{number:.0f}" if number >= 20 else f"{number:.1f}" if number >= 2 else f"{number:.2f}"
