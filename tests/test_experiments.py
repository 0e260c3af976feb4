"""The learning curve, its store of results, and the plan of the dog case study."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from toys import toy_images

from course_lib.augment import Augment
from course_lib.errors import CourseError
from course_lib.evaluation import evaluate
from course_lib.experiments import learning_curve as module
from course_lib.experiments import store
from course_lib.experiments.dog_case import dog_case
from course_lib.experiments.learning_curve import Curve, Run, Way, learning_curve
from course_lib.models import load
from course_lib.training.recipes import feature_extraction, from_scratch, probe_then_fine_tune
from course_lib.training.train import fit
from course_lib.widgets.live import watch


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    return tmp_path


WAYS = (
    Way("from scratch", None, lambda n: from_scratch(epochs=2), seeds=2),
    Way("frozen random", None, lambda n: feature_extraction(epochs=2), seeds=3),
)


def curve_of(images: object, ways: tuple[Way, ...] = WAYS) -> Curve:
    return watch(learning_curve(images, "pawnet", ways, per_class=(2, 4), device="cpu"))


def test_each_point_is_the_run_that_a_reader_would_do_by_hand() -> None:
    images = toy_images(train=24, val=9, test=30)
    curve = curve_of(images)
    net = load("pawnet", images.classes, seed=1)
    few = images.subset(4, seed=1)
    for _ in fit(net, few, feature_extraction(epochs=2), seed=1, device="cpu"):
        pass
    assert evaluate(net, images, "test").accuracy == curve.accuracies("frozen random", 4)[1]
    assert [len(curve.accuracies(way.name, n)) for n in (2, 4) for way in WAYS] == [2, 3, 2, 3]
    assert curve.stacked == 0, "each seed draws a random body of its own"


def test_results_that_an_older_course_kept_are_read_and_those_that_lack_something_are_not(own_cache: Path) -> None:
    images = toy_images(train=24, val=9, test=30)
    first = curve_of(images)
    for number, path in enumerate(sorted((own_cache / "runs").glob("*.json"))):
        record = json.loads(path.read_text())
        if number == 0:
            del record["result"]["hits"]
        path.write_text(json.dumps({**record, "result": {**record["result"], "val_accuracy": 0.5}}))
    second = curve_of(images)
    assert [run.hits for run in second.runs] == [run.hits for run in first.runs]
    assert sum(not run.repeated for run in second.runs) == 1


@pytest.mark.parametrize("options", [{}, {"keep_best": True}])
def test_a_curve_leaves_val_out_unless_the_recipe_decides_by_it(options: dict) -> None:
    """Not looking changes nothing; looking where a stage keeps its best epoch is part of the run."""
    images = toy_images(train=24, val=9, test=30)
    recipe = from_scratch(epochs=3, lr=3e-2, **options)
    curve = curve_of(images, (Way("from scratch", None, lambda n: recipe, seeds=1),))
    net = load("pawnet", images.classes, seed=0)
    for _ in fit(net, images.subset(4, seed=0), recipe, seed=0, device="cpu"):
        pass
    marks = "".join("01"[right] for right in evaluate(net, images, "test").correct.tolist())
    assert marks == curve.runs[-1].hits
    again = load("pawnet", images.classes, seed=0)
    looks = [record.val for record in module.fit_unwatched(again, images.subset(4, seed=0), recipe, 0, "cpu")]
    assert sum(look is not None for look in looks) == (3 if options else 0)


def test_a_second_call_reads_every_run_and_says_so(own_cache: Path) -> None:
    images = toy_images(train=24, val=9, test=30)
    first, second = curve_of(images), curve_of(images)
    assert not any(run.repeated for run in first.runs) and all(run.repeated for run in second.runs)
    assert [run.accuracy for run in first.runs] == [run.accuracy for run in second.runs]
    assert f"{len(second.runs)} of them had been done before" in second.note
    assert len(list((own_cache / "runs").glob("*.json"))) == len(first.runs)


@pytest.mark.parametrize("what", ["pixels", "labels", "recipe", "code"])
def test_a_result_is_not_taken_for_one_of_other_settings(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    images, ways = toy_images(train=24, val=9, test=30), WAYS[1:]
    curve_of(images, ways)
    if what == "pixels":
        images = toy_images(train=24, val=9, test=30, seed=1)
    elif what == "labels":
        images = type(images)("toys", images.images, images.labels.flip(0), images.classes, images.splits)
    elif what == "recipe":
        ways = (Way("frozen random", None, lambda n: feature_extraction(epochs=3), seeds=3),)
    else:
        monkeypatch.setattr(store, "_code", lambda: "other code")
    assert not any(run.repeated for run in curve_of(images, ways).runs)


def test_a_damaged_result_is_worked_out_again(own_cache: Path) -> None:
    images = toy_images(train=24, val=9, test=30)
    curve_of(images)
    for path in (own_cache / "runs").glob("*.json"):
        path.write_text("{")
    assert not any(run.repeated for run in curve_of(images).runs)


FROZEN = Way("frozen features", "animals", lambda n: feature_extraction(epochs=1 + n, batch=4), seeds=4)


def test_heads_on_one_pretrained_body_are_trained_side_by_side_to_the_same_results(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    images = toy_images(train=24, val=9, test=30)
    ways = (WAYS[0], FROZEN)
    beside = curve_of(images, ways)
    again = curve_of(images, ways)
    assert beside.stacked == 8 and again.stacked == 0 and "8 runs were trained side by side" in beside.note
    assert "side by side" not in again.note and all(run.repeated for run in again.runs)
    monkeypatch.setattr(module, "body_of", lambda *_: None)
    # Kept under the same settings: what was trained side by side is found by a run that would train one by one.
    assert all(run.repeated for run in curve_of(images, ways).runs)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "another"))
    single = curve_of(images, ways)
    assert single.stacked == 0 and not any(run.repeated for run in single.runs)
    for one, other in zip(beside.runs, single.runs, strict=True):
        assert (one.way, one.per_class, one.seed, one.steps) == (other.way, other.per_class, other.seed, other.steps)
        assert sum(a != b for a, b in zip(one.hits, other.hits, strict=True)) <= 1
        assert one.accuracy == pytest.approx(other.accuracy, abs=1 / 29)
    few, many = (beside.runs[beside.runs.index(run)].seconds for run in (beside.runs[2], beside.runs[-1]))
    assert many / few == pytest.approx(15 / 6), "seconds are shared by steps: 5 epochs of 3 batches, and 3 of 2"


def test_a_network_by_hand_is_the_run_of_a_curve_that_trained_side_by_side() -> None:
    images = toy_images(train=24, val=9, test=30)
    curve = curve_of(images, (FROZEN,))
    net = load("pawnet", images.classes, "animals", seed=3)
    for _ in fit(net, images.subset(4, seed=3), feature_extraction(epochs=5, batch=4), seed=3, device="cpu"):
        pass
    marks = "".join("01"[right] for right in evaluate(net, images, "test").correct.tolist())
    assert sum(a != b for a, b in zip(marks, curve.runs[-1].hits, strict=True)) <= 1


@pytest.mark.parametrize(
    "recipe",
    [
        lambda n: feature_extraction(epochs=2, augment=Augment()),
        lambda n: feature_extraction(epochs=2, mixup=0.2),
        lambda n: probe_then_fine_tune(epochs=1, frozen=-2, probe_epochs=1),
        lambda n: from_scratch(epochs=1),
    ],
)
def test_other_recipes_are_trained_one_by_one(recipe: object) -> None:
    images = toy_images(train=24, val=9, test=30)
    curve = curve_of(images, (Way("other", "animals", recipe, seeds=2),))
    assert curve.stacked == 0 and len(curve.runs) == 4


def test_a_stopped_curve_goes_on_where_it_was() -> None:
    images = toy_images(train=24, val=9, test=30)
    work = learning_curve(images, "pawnet", (FROZEN, WAYS[0]), per_class=(2, 4), device="cpu")
    steps = [next(work) for _ in range(1)]
    while "from scratch" not in steps[-1].label:
        steps.append(next(work))
    assert steps[0].progress == 0 and steps[-1].progress == 8 / 12
    assert [step.progress for step in steps] == sorted(step.progress for step in steps)
    assert any("8 runs side by side; 8 heads" in step.text for step in steps) and steps[-2].progress == 8 / 12
    work.close()
    curve = curve_of(images, (FROZEN, WAYS[0]))
    assert curve.stacked == 0 and sum(run.repeated for run in curve.runs) == 8
    assert [run.way for run in curve.runs] == (["frozen features"] * 4 + ["from scratch"] * 2) * 2


def test_a_missing_seed_alone_is_trained(own_cache: Path) -> None:
    images = toy_images(train=24, val=9, test=30)
    few = Way(FROZEN.name, FROZEN.weights, FROZEN.recipe, seeds=2)
    assert curve_of(images, (few,)).stacked == 4
    curve = curve_of(images, (FROZEN,))
    assert curve.stacked == 4 and [run.repeated for run in curve.runs] == [True, True, False, False] * 2


def test_means_intervals_and_gains() -> None:
    def runs(way: str, marks: list[str]) -> list[Run]:
        shares = [mark.count("1") / len(mark) for mark in marks]
        return [
            Run(way, 5, seed, a, mark, 1, 1.0, False) for seed, (mark, a) in enumerate(zip(marks, shares, strict=True))
        ]

    marks = {
        "a": ["1" * 80 + "0" * 20, "1" * 90 + "0" * 10],
        "b": ["1" * 50 + "0" * 50, "1" * 70 + "0" * 30, "1" * 100],
    }
    curve = Curve(tuple(runs("a", marks["a"]) + runs("b", marks["b"])), test_images=100, classes=4, seconds=1.0)
    mean, low, high = curve.point("a", 5)
    assert mean == pytest.approx(0.85) and 0 < low < 0.8 and 0.9 < high <= 1
    gain, low, high = curve.gain("a", "b", 5)
    # Of the seeds that both have: differences 0.3 and 0.2, so a standard error of 0.05, and t(1) = 12.706.
    difference = np.array(
        [
            [float(x) - float(y) for x, y in zip(*pair, strict=True)]
            for pair in zip(marks["a"], marks["b"][:2], strict=True)
        ]
    )
    spread = np.hypot(12.706 * 0.05, 1.959964 * difference.mean(0).std() / 10)
    assert (gain, low, high) == pytest.approx((0.25, 0.25 - spread, 0.25 + spread))
    assert "25.0 %" in repr(curve.table())
    with pytest.raises(CourseError, match="No run of 'c'"):
        curve.accuracies("c", 5)


def test_the_plan_fits_the_images_it_finds(tmp_path: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    for name in ("ants", "bees"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(30):
            Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(
                tmp_path / "photos" / name / f"{i}.png"
            )
    plan = dog_case(str(tmp_path / "photos"), "resnet18", "weights.safetensors")
    assert plan.images.classes == ("ants", "bees") and plan.chance == 0.5
    assert plan.per_class == (10,) and plan.few == 18  # 60 % of 30 photos are for training
    assert [stage.norm for stage in plan.tune(-2)] == ["train", "eval"]
    assert plan.frozen.seeds == 20 and plan.scratch.seeds == 3
    assert plan.with_depth(3).tuned.recipe(10)[-1].frozen == 3
    with pytest.raises(CourseError, match="'small'"):
        dog_case(str(tmp_path / "photos"), "resnet18", "w", size="tiny")
    with pytest.raises(CourseError, match="seeds=0"):
        dog_case(str(tmp_path / "photos"), "resnet18", "w", seeds=0)


def test_watch_gives_the_last_record_and_survives_an_interrupt() -> None:
    images = toy_images(train=24, val=9, test=30)
    net = load("pawnet", images.classes)
    assert watch(fit(net, images, feature_extraction(epochs=3), device="cpu")).step == 3

    def interrupted() -> object:
        for number, record in enumerate(fit(net, images, feature_extraction(epochs=9), device="cpu")):
            if number == 4:
                raise KeyboardInterrupt
            yield record

    last = watch(interrupted())
    assert 0 < last.step < 9
    assert all(p.requires_grad for p in net.model.parameters()) and torch.isfinite(net(images.images[:2])).all()
