"""The benchmarks: each contender trains, frozen is frozen, runs are resumed, and the table says what the runs say.

pytest tests/test_benchmarks.py        # no time is asserted here; `python -m benchmarks` measures
"""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from course_lib.models import load
from course_lib.paths import ROOT

sys.path.insert(0, str(ROOT))  # benchmarks is no part of the installed package

from benchmarks import __main__ as command
from benchmarks import by_hand, gpu, one, probe, report, runs
from benchmarks.material import Material, Phase, parts
from benchmarks.tasks import TASKS, Comparison, Contender, Task

CLASSES = ("ant", "bee")
TRAIN, VAL = 8, 4  # photos of each class
FACTS = {"machine": {"cores": "2"}, "versions": {"torch": "2"}, "commit": "abc", "date": "2026-01-01"}


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Noise in two folders, one darker than the other, wider than high."""
    root, draws = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for split, count in (("train", TRAIN), ("val", VAL)):
        for label, name in enumerate(CLASSES):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = draws.integers(0, 128, (70, 80, 3)) + 100 * label
                Image.fromarray(pixels.astype(np.uint8)).save(root / split / name / f"{i}.png")
    return root


@pytest.fixture
def material(photos, tmp_path, monkeypatch) -> Material:
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    return Material(str(photos), "pawnet", "animals", 64)


def job(contender: Contender, material: Material, phases: list[Phase], **options) -> dict:
    options = dict(contender.options) | options
    options |= {"workers": 0} if contender.call == "tutorial:run" else {}  # the tests' processes stay one
    options |= {"workers": 0} if contender.call == "decoding:run_torchvision" else {}
    options |= {"heads": 3} if contender.call.startswith("heads:") else {}
    return runs._job(contender, options, material, phases, seed=0)


def skip_without(package: str) -> None:
    """Looked for, not imported: Keras needs its backend chosen before."""
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")


CPU_TASKS = {name: task for name, task in TASKS.items() if task.device == "cpu"}
EACH = [(name, key) for name, task in CPU_TASKS.items() for key in task.contenders]


@pytest.mark.parametrize("name, key", EACH, ids=lambda value: value)
def test_each_contender_trains_an_epoch_on_a_handful_of_photos(name, key, material):
    contender = TASKS[name].contenders[key]
    if contender.needs:
        skip_without(contender.needs)
    found = one.run(job(contender, material, material.phases(TASKS[name].kind, 1)))
    assert found["seconds"] > 0
    if name == "inference":
        assert len(found["said"]) == 2 * (TRAIN + VAL)
    elif name.startswith("decoding"):
        assert found["photos"] == 2 * (TRAIN + VAL)
    else:
        assert found["count"] == 2 * VAL
        assert math.isfinite(found["accuracy"]) and 0 <= found["accuracy"] <= 1


@pytest.mark.parametrize("call", ["tutorial:run", "by_hand:run", "by_hand:run_once", "with_course:run"])
def test_a_contender_learns_what_is_easy(call, material):
    contender = Contender("", call, course="course" in call)
    found = one.run(job(contender, material, [Phase(-1, 8, 3e-2)]))
    assert found["accuracy"] >= 0.75  # dark or light; guessing has 0.5


def test_inference_of_the_course_and_of_the_plain_loop_agree_in_float32(material):
    contenders = TASKS["inference"].contenders
    plain, ours = (one.run(job(contenders[key], material, []))["said"] for key in ("plain", "course_32"))
    assert plain == ours


@pytest.mark.parametrize("network, size", [("pawnet", 64), ("mobilenet_v2", 64), ("resnet50", 64)])
def test_parts_chain_to_the_model_and_are_cut_as_the_course_cuts(network, size, photos):
    model = Material(str(photos), network, None, size).model(seed=0).eval()
    x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    blocks, course = parts(model, network), load(network, CLASSES)
    with torch.no_grad():
        torch.testing.assert_close(torch.nn.Sequential(*blocks)(x), model(x))
    sizes = [[sum(p.numel() for p in block.parameters()) for block in chain] for chain in (blocks, course.blocks)]
    assert sizes[0] == sizes[1]


def test_weights_of_a_material_are_those_of_the_course_s_door(photos):
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    ours = load("pawnet", CLASSES, weights="animals").model.eval()
    theirs = Material(str(photos), "pawnet", "animals", 64).model(seed=0).eval()
    with torch.no_grad():
        body = [torch.nn.Sequential(*parts(model, "pawnet")[:-1])(x) for model in (ours, theirs)]
    torch.testing.assert_close(*body)


def test_a_stage_of_the_plain_loop_changes_what_it_trains_and_nothing_else(material, monkeypatch):
    made = []
    monkeypatch.setattr(by_hand, "parts", lambda model, network: made.append(parts(model, network)) or made[-1])
    before = parts(material.model(seed=0), "pawnet")
    by_hand.run(material, [Phase(-2, 1, 1e-2)], seed=0)
    same = [
        all(torch.equal(a, b) for a, b in zip(x.state_dict().values(), y.state_dict().values(), strict=True))
        for x, y in zip(before, made[0], strict=True)
    ]
    assert same == [True] * 4 + [False] * 2
    assert torch.equal(before[4].state_dict()["bn1.running_mean"], made[0][4].state_dict()["bn1.running_mean"])


def test_features_once_are_refused_where_more_than_the_head_trains(material):
    with pytest.raises(ValueError, match="trains more than the head"):
        by_hand.run_once(material, material.phases("all", 1), seed=0)


def test_keras_has_the_same_features_as_the_torch_module(photos, tmp_path):
    skip_without("keras")
    from benchmarks.with_keras import build_base

    x = torch.randn(8, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    module = Material(str(photos), "mobilenet_v2", None, 64).model(seed=0, new_head=False)
    for norm in module.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.momentum = 1.0  # the statistics of this one batch: with those of a fresh net all features are near 0
    with torch.no_grad():
        module.train()(x)
        expected = module.eval().features(x)
    assert expected.abs().mean() > 0.1
    safetensors.torch.save_file(module.state_dict(), tmp_path / "mobilenet.safetensors")
    base = build_base(Material(str(photos), "mobilenet_v2", str(tmp_path / "mobilenet.safetensors"), 64), seed=0)
    with torch.no_grad():
        found = base(x.permute(0, 2, 3, 1), training=False).permute(0, 3, 1, 2)  # N,C,H,W -> N,H,W,C and back
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


def test_keras_refuses_stages_that_its_guide_does_not_teach(material):
    skip_without("keras")
    from benchmarks.with_keras import run

    with pytest.raises(ValueError, match="head, then everything"):
        run(material, material.phases("three_stages", 1), seed=0)


def test_the_gpu_task_runs_on_a_cpu_too_and_counts_operations(material):
    phases = material.phases("all", 1)
    for loop in ("tutorial", "course"):
        found = gpu.run(material, phases, seed=0, loop=loop, device="cpu", edge=64, workers=0)
        assert 0 < found["share"] and math.isfinite(found["rate"])
    forward = load("pawnet", CLASSES).table(64).caption  # PawNet at 64 px: 0.14 GFLOPs an image
    images = 3 * 2 * TRAIN + 2 * VAL
    assert f"{gpu.operations(material, phases) / images / 1e9:.2f} GFLOPs" in forward
    with pytest.raises(ValueError, match="full training only"):
        gpu.operations(material, material.phases("features", 1))


def test_the_probe_times_what_is_asked_for_and_the_fastest_is_chosen(material, monkeypatch):
    monkeypatch.setattr(probe, "WORKERS", (0,))
    monkeypatch.setattr(probe, "LOADERS", (0, 1))
    found = probe.run(material, material.phases("features", 1), 0, ["forward", "workers", "loader"])
    assert {group: list(times) for group, times in found.items()} == {
        "forward": ["float32", "bfloat16"],
        "workers": ["0"],
        "loader": ["0", "1"],
    }
    contender = Contender("", "", {"views": 2}, {"workers": "workers", "precision": "step"})
    seconds = {"workers": {"0": 3.0, "2": 1.0, "4": 2.0}, "step": {"float32": 0.1, "bfloat16": 0.2}}
    assert runs.chosen(contender, seconds) == {"views": 2, "workers": 2, "precision": "float32"}


def small_task(**contenders: Contender) -> Task:
    return Task("small, {epochs} epochs", "features", 1, contenders, (Comparison("ours", "peer", 2),))


def test_a_task_runs_in_turn_in_fresh_processes_and_goes_on_after_a_stop(material, tmp_path, monkeypatch):
    task = small_task(
        peer=Contender("peer", "by_hand:run_once"),
        absent=Contender("absent", "nowhere:run", needs="a_package_that_is_not_there"),
        broken=Contender("broken", "by_hand:no_such_function", rounds=1),
        ours=Contender("ours", "with_course:run", course=True),
    )
    facts = {**FACTS, "task": "small", "material": material.text, "epochs": 1, "repeats": 1}
    book = runs.Book(tmp_path / "small.json", facts)
    runs.run_task("small", task, material, book, 1, say=lambda text: None)
    kept = json.loads((tmp_path / "small.json").read_text())
    assert [run["contender"] for run in kept["runs"]] == ["peer", "broken", "ours"]
    assert "no_such_function" in kept["runs"][1]["error"]
    assert kept["skipped"] == {"absent": "a_package_that_is_not_there is not installed"}

    asked = []
    fake = {"seconds": 1.0, "accuracy": 0.5, "count": 8}
    monkeypatch.setattr(runs, "run_job", lambda job, task, cache: asked.append((job["call"], job["seed"])) or fake)
    again = runs.Book(tmp_path / "small.json", {**facts, "repeats": 2}, resume=True)
    runs.run_task("small", task, material, again, 2, say=lambda text: None)
    assert asked == [("by_hand:no_such_function", 0), ("by_hand:run_once", 1), ("with_course:run", 1)]
    other_machine = {**facts, "machine": {"cores": "64"}}
    assert runs.Book(tmp_path / "small.json", other_machine, resume=True).data["runs"] == []


def test_a_warm_cache_is_filled_by_its_contender_first(material, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(runs, "run_job", lambda job, task, cache: calls.append(cache.name) or {"seconds": 1.0})
    task = small_task(
        peer=Contender("peer", "tutorial:run"),
        ours=Contender("ours", "with_course:run", course=True),
        warm=Contender("warm", "with_course:run", course=True, warm_after="ours"),
    )
    book = runs.Book(tmp_path / "warm.json", {**FACTS, "epochs": 1, "repeats": 1})
    runs.run_task("warm", task, material, book, 1, say=lambda text: None)
    assert calls[0] == "cache-0-peer" and calls[1] == "cache-0-ours" and set(calls[2:]) == {"cache-0-ours"}


def test_twins_are_not_run_twice(material, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "run_job", lambda job, task, cache: {"seconds": 1.0})
    task = small_task(
        peer=Contender("as taught", "tutorial:run", {"workers": 4}),
        best=Contender("best", "tutorial:run", probed={"workers": "workers"}),
        ours=Contender("ours", "with_course:run", course=True),
    )
    book = runs.Book(tmp_path / "twins.json", {**FACTS, "epochs": 1, "repeats": 1})
    book.data["probe"] = {"workers": {"0": 2.0, "4": 1.0}}
    runs.run_task("twins", task, material, book, 1, say=lambda text: None)
    assert [run["contender"] for run in book.data["runs"]] == ["peer", "ours"]
    assert book.data["skipped"] == {"best": "same as as taught on this machine"}


def book_of(ours: list[float], peer: list[float], right: tuple[float, float] = (0.9, 0.9), **extra) -> dict:
    """A book with runs of these seconds."""
    runs_ = [
        {
            "contender": key,
            "round": i,
            "seconds": s,
            "accuracy": share,
            "count": 100,
            "wall": 60.0,
            "busy": 0.01,
            **extra,
        }
        for key, seconds, share in (("ours", ours, right[0]), ("peer", peer, right[1]))
        for i, s in enumerate(seconds)
    ]
    return {**FACTS, "material": "noise", "epochs": 3, "probe": {}, "skipped": {}, "runs": runs_}


SMALL = small_task(ours=Contender("ours", ""), peer=Contender("peer", ""))


def cells(book: dict | None, task: Task = SMALL) -> list[str]:
    return report.row(task, task.comparisons[0], book)


@pytest.mark.parametrize(
    "ours, peer, right, expected",
    [
        ([1.0, 1.0, 1.0], [3.0, 4.0, 5.0], (0.9, 0.9), "reached"),
        ([1.0, 1.0, 1.0], [1.5, 1.6, 1.7], (0.9, 0.9), "not reached"),
        ([1.0, 1.0, 1.0], [1.5, 1.6, 2.1], (0.9, 0.9), "level: the target lies within the spread"),
        ([1.0], [9.0], (0.5, 0.9), "not comparable: ours is less accurate"),
        ([1.0], [9.0], (0.9, 0.5), "reached; ours is more accurate"),
    ],
)
def test_the_result_of_a_row_follows_from_ratio_and_accuracy(ours, peer, right, expected):
    assert cells(book_of(ours, peer, right))[-1] == expected


def test_ratios_are_of_the_same_round_with_their_spread():
    row = cells(book_of([1.0, 2.0, 1.0], [4.0, 10.0, 3.0]))
    assert row[0] == "small, 3 epochs"
    assert (
        row[5] == "**4.0** (3.0 to 5.0)"
    )  # 4, 5 and 3; the ratio of the medians would be 4 as well, of the means 4.25
    assert row[6] == "90.0 (83 to 94)"  # Wilson, 90 of 100
    fewer = cells(book_of([1.0, 2.0, 1.0], [4.0]))
    assert fewer[5] == "**4.0** (1 round)"


def test_a_missed_target_says_where_the_time_goes_and_why():
    task = Task("t", "all", 1, SMALL.contenders, (Comparison("ours", "peer", 2, "threads are few"),))
    said = cells(book_of([1.0], [1.0], parts={"training": 0.75, "photos": 0.25}), task)[-1]
    assert said == "not reached: threads are few (ours: training 0.75 s, photos 0.25 s)"


def test_what_was_not_run_says_so():
    assert cells(None)[-1] == "not run"
    assert cells({"not_run": "no GPU"})[-1] == "not run: no GPU"
    failed = book_of([1.0], [])
    failed["runs"].append({"contender": "peer", "round": 0, "error": "it broke"})
    assert cells(failed)[-1] == "failed: it broke"
    assert cells({**book_of([1.0], []), "skipped": {"peer": "keras is not installed"}})[-1] == "keras is not installed"


def test_the_share_of_the_matrix_rate_and_equal_answers_are_told():
    shares = cells(book_of([1.0], [4.0], share=0.05, training_share=0.2, rate=8e14))[-1]
    assert shares == "reached; 5 % of 800 bf16 TFLOP/s, 20 % while training (peer: 5 %)"
    assert "same answer for 3 of 3 photos" in cells(book_of([1.0], [4.0], said=[0, 1, 0]))[-1]


def test_the_readme_is_a_short_page_with_one_table():
    text = report.readme({"inference": {**book_of([1.0], [2.0]), "runs": []}})
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 2 + sum(len(task.comparisons) for task in TASKS.values())
    assert len({line.count("|") for line in table}) == 1
    assert "noise" in text and "cores 2" in text and "torch 2" in text and "python -m benchmarks" in text
    assert len(text.splitlines()) <= 64


def test_the_committed_readme_is_what_the_committed_results_give():
    folder = ROOT / "benchmarks"
    assert (folder / "README.md").read_text(encoding="utf-8") == report.readme(report.read_books(folder / "results"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_its_tasks_say_so_and_keep_older_figures(tmp_path, capsys):
    command.main(["--only", "gpu_64", "--out", str(tmp_path)])
    assert "not run: no GPU" in capsys.readouterr().out
    assert "not run: no GPU" in (tmp_path / "README.md").read_text(encoding="utf-8")
    older = {**book_of([1.0], [2.0]), "task": "gpu_64"}
    (tmp_path / "results" / "gpu_64.json").write_text(json.dumps(older))
    command.main(["--only", "gpu_64", "--out", str(tmp_path)])
    assert json.loads((tmp_path / "results" / "gpu_64.json").read_text()) == older


def test_the_command_draws_its_own_photos_in_a_bare_clone(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        command, "run_task", lambda name, task, material, *rest: seen.append((asdict(material), material.text))
    )
    monkeypatch.setattr(command.Makers, "_drawn", lambda self: _drawn(self.scratch))
    command.main(["--only", "features", "--quick", "--out", str(tmp_path)])
    material, text = seen[0]
    assert (material["network"], material["weights"], material["size"]) == ("pawnet", "animals", 64)
    assert "16 photos to learn from, 8 to check on" in text


def _drawn(scratch: Path) -> Path:
    for split in ("train", "val"):
        for name in CLASSES:
            (scratch / "dogs" / split / name).mkdir(parents=True)
            for i in range(10):
                Image.new("RGB", (64, 64)).save(scratch / "dogs" / split / name / f"{i}.png")
    return scratch / "dogs"


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--repeats", "0"], "whole number from 1"),
        (["--data", "no/such/folder"], "does not exist"),
        (["--weights", str(ROOT / "README.md")], "goes with --data"),
        (["--data", str(ROOT / "tests")], "train/ and val/"),
    ],
)
def test_arguments_without_meaning_are_refused(arguments, said, capsys):
    with pytest.raises(SystemExit):
        command.main(arguments)
    assert said in capsys.readouterr().err
