"""Claims on freezing and fine-tuning: their experiments at toy size, their rules on made-up numbers, their figures."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from toys import run, toy_images

from course_lib.experiments import batchnorm_trap, forgetting, frozen_depth, probe_first
from course_lib.experiments.claims import Claim, claim
from course_lib.experiments.findings import At, Findings, findings
from course_lib.images import ImageSet
from course_lib.models import load
from course_lib.training.recipes import feature_extraction
from course_lib.training.stage import Stage

NAMES = ("frozen_depth", "forgetting", "batchnorm_trap", "probe_first")
SEEDS = 5
WOBBLE = (-0.6, -0.3, 0.0, 0.4, 0.5)  # points, one a seed


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))


@pytest.fixture(scope="module")
def toys() -> ImageSet:
    return toy_images(train=18, val=6, test=9)


@pytest.fixture(scope="module")
def old_toys() -> ImageSet:
    """Pictures under the class names of the head that PawNet 'animals' ships with."""
    old = load("pawnet", None, "animals")
    return forgetting.all_for_test(replace(toy_images(train=2, val=2, test=4, seed=5), classes=old.classes))


def finish(work: Generator[At, None, Findings]) -> tuple[list[At], Findings]:
    """All that a generator tells, and what it returns."""
    told = []
    while True:
        try:
            told.append(next(work))
        except StopIteration as end:
            return told, end.value


def around(mean: float, turn: int = 0) -> list[float]:
    """One value a seed around a mean; another turn deals the same wobble to other seeds."""
    return [mean + WOBBLE[(seed + turn) % SEEDS] for seed in range(SEEDS)]


def made_up_depths(
    few: tuple[float, float] = (70, 60), many: tuple[float, float] = (84, 88), best: Sequence[Sequence[int]] = ()
) -> Findings:
    """`few` and `many`: accuracies with 5 and with 0 frozen blocks; in between, both are the same."""
    best = best or [(5, 5, 5, 4, 5), (5, 4, 5, 2, 4), (2, 0, 0, 2, 0)]
    measured: dict[str, Any] = {}
    for n, (most, least) in zip((5, 20, 100), (few, (80, 80), many), strict=True):
        measured |= {f"5 frozen, {n}": ("%", around(most)), f"0 frozen, {n}": ("%", around(least, 2))}
    measured |= {f"best, {n}": ("blocks", values) for n, values in zip((5, 20, 100), best, strict=True)}
    return findings("frozen_depth", "full", measured, depths=[5, 0], per_class=[5, 20, 100], epochs=[20, 10, 5])


def made_up_forgetting(
    source: tuple[float, float, float] = (54, 74, 70), target: tuple[float, float, float] = (80, 82, 81)
) -> Findings:
    """Accuracies of plain, low rates and pull."""
    ways = ("plain", "low rates", "pull")
    measured: dict[str, Any] = {"source, before": ("%", [91.0] * SEEDS)}
    for what, means in (("source", source), ("target", target)):
        measured |= {
            f"{what}, {way}": ("%", around(mean, i)) for i, (way, mean) in enumerate(zip(ways, means, strict=True))
        }
    return findings("forgetting", "full", measured)


def made_up_trap(train: float = 24.0, eval_: float = 0.0, weights: float = 0.0) -> Findings:
    measured = {
        "features moved, train": ("%", around(train)),
        "features moved, eval": ("%", [eval_] * SEEDS),
        "weights moved": ("parameters", [weights] * SEEDS),
        "accuracy, train": ("%", around(73.8)),
        "accuracy, eval": ("%", around(73.9, 1)),
        "old breeds, train": ("%", around(87.0)),
        "old breeds, eval": ("%", [91.0] * SEEDS),
    }
    return findings("batchnorm_trap", "full", measured)


def made_up_probe(inside: tuple[float, float] = (71, 78), outside: tuple[float, float] = (35, 44)) -> Findings:
    """Accuracies of fine-tuning at once and of probe then fine-tune."""
    measured: dict[str, Any] = {}
    for where, (tuned, both) in (("in", inside), ("out", outside), ("night", outside), ("snow", outside)):
        for turn, (way, mean) in enumerate((("probe", 60), ("fine-tune", tuned), ("probe then fine-tune", both))):
            measured[f"{where}, {way}"] = ("%", around(mean, turn))
    return findings("probe_first", "full", measured, out=["night", "snow"])


MADE_UP = {
    "frozen_depth": made_up_depths,
    "forgetting": made_up_forgetting,
    "batchnorm_trap": made_up_trap,
    "probe_first": made_up_probe,
}
WRONG = {
    "few images gain from unfreezing": made_up_depths(few=(60, 70)),
    "many images gain from freezing": made_up_depths(many=(88, 84)),
    "the depth stays": made_up_depths(best=[(5, 4, 5, 4, 5), (5, 4, 5, 2, 4), (5, 4, 5, 4, 5)]),
    "the depth rises": made_up_depths(best=[(2, 0, 0, 2, 0), (5, 4, 5, 2, 4), (5, 5, 5, 4, 5)]),
    "low rates forget as much": made_up_forgetting(source=(54, 54, 70)),
    "the pull forgets more": made_up_forgetting(source=(54, 74, 50)),
    "the target is lost": made_up_forgetting(target=(80, 75, 81)),
    "the frozen body moves": made_up_trap(eval_=0.001),
    "the trap does not move": made_up_trap(train=1.0),
    "weights change": made_up_trap(weights=3.0),
    "nothing kept outside": made_up_probe(outside=(44, 44)),
    "worse outside": made_up_probe(outside=(44, 35)),
    "worse inside": made_up_probe(inside=(78, 71)),
}


@pytest.mark.parametrize("name", NAMES)
def test_the_claim_is_in_the_registry_under_its_name(name: str) -> None:
    found = claim(name)
    assert isinstance(found, Claim) and found.name == name and found.says.endswith(".")


@pytest.mark.parametrize("name", NAMES)
def test_the_rule_accepts_numbers_that_show_it_and_refuses_shuffled_ones(name: str) -> None:
    good = MADE_UP[name]()
    assert good.verdict.holds, good.verdict
    assert sum(good.shuffled(seed).verdict.holds for seed in range(40)) <= 2


@pytest.mark.parametrize("case", WRONG)
def test_the_rule_refuses_numbers_that_do_not_show_it(case: str) -> None:
    assert not WRONG[case].verdict.holds, WRONG[case].verdict


@pytest.mark.parametrize("name", NAMES)
def test_the_figure_says_its_numbers_in_words(name: str) -> None:
    found = MADE_UP[name]()
    picture = found.plot()
    assert picture.png().startswith(b"\x89PNG")
    key = next(key for key in found.keys if key not in ("features moved, train",))
    assert f"{found.mean(key):.1f}" in picture.alt


def test_the_map_holds_every_cell_and_the_depth_chosen_on_val(toys: ImageSet) -> None:
    told, found = finish(frozen_depth.fill_map(toys, (5, 4), (2, 6), 4, 2, "small"))
    assert set(found.keys) == {f"{d} frozen, {n}" for d in (5, 4) for n in (2, 6)} | {"best, 2", "best, 6"}
    assert found.seeds == 2 and found.settings["epochs"] == [5, 5]
    assert set(found.values("best, 2")) <= {4.0, 5.0}
    assert [at.progress for at in told] == sorted(at.progress for at in told) and told[-1].progress == 1
    assert found.plot().alt


def test_the_whole_body_frozen_is_the_head_that_fit_trains(toys: ImageSet) -> None:
    _, found = finish(frozen_depth.fill_map(toys, (5, 4), (2,), 4, 2, "small"))
    from course_lib.evaluation import evaluate

    net = load("pawnet", toys.classes, "animals", seed=1)
    run(net, toys.subset(2, 1), feature_extraction(), seed=1)
    assert found.values("5 frozen, 2")[1] == pytest.approx(100 * evaluate(net, toys, "test").accuracy)


def test_epochs_fall_with_the_root_of_the_images_and_have_a_floor() -> None:
    assert [frozen_depth.epochs(45, n) for n in (5, 20, 50, 100)] == [20, 10, 6, 5]


def test_forgetting_measures_every_way_on_both_sides(toys: ImageSet, old_toys: ImageSet) -> None:
    ways = forgetting.recipes(1)
    some = {way: ways[way] for way in ("frozen", "plain", "low rates", "pull")}
    told, found = finish(forgetting.compare(toys, old_toys, some, 4, 2, "small"))
    assert set(found.keys) == {"source, before"} | {f"{what}, {way}" for what in ("source", "target") for way in some}
    assert found.values("source, frozen") == found.values("source, before"), "a frozen body forgets nothing"
    assert found.verdict.because and found.plot().alt and told[-1].progress == 1


def test_the_ways_differ_in_what_they_are_named_for() -> None:
    ways = forgetting.recipes(5)
    plain = ways["plain"][0]
    assert ways["low rates"] == [replace(plain, decay=0.5)] and ways["pull"] == [replace(plain, pull=20.0)]
    assert ways["one-cycle off"] == [replace(plain, schedule="constant")]
    assert ways["probe then fine-tune"] == [*feature_extraction(), plain]
    assert [stage.frozen for stage in ways["gradual unfreezing"]] == [-1, -3, 0]
    assert all(
        stage.lr == plain.lr for stages in ways.values() for stage in stages if stage.name != "feature extraction"
    )


def test_the_old_head_on_the_new_body(toys: ImageSet) -> None:
    old, net = load("pawnet", None, "animals"), load("pawnet", toys.classes, "animals")
    assert forgetting.with_old_head(old, net).fingerprint() == old.fingerprint()
    run(net, toys, Stage(epochs=1, batch=9))
    back = forgetting.with_old_head(old, net)
    assert back.fingerprint(5) == net.fingerprint(5) != old.fingerprint(5)
    assert torch.equal(back.model.head.weight, old.model.head.weight) and back.classes == old.classes


def test_the_trap_moves_features_and_no_weight(toys: ImageSet, old_toys: ImageSet) -> None:
    told, found = finish(batchnorm_trap.compare(toys, old_toys, 4, 2, 2, "small"))
    assert found.values("features moved, eval") == (0.0, 0.0) and found.values("weights moved") == (0.0, 0.0)
    assert min(found.values("features moved, train")) > 1
    assert told[-1].progress == 1 and found.settings["batch"] == batchnorm_trap.BATCH


def test_a_weight_that_moves_is_counted(toys: ImageSet) -> None:
    net = load("pawnet", toys.classes, "animals")
    before = batchnorm_trap.body_weights(net)
    with torch.no_grad():
        net.model.stage2.conv1.weight[0, 0, 0, :2] += 1e-6
        net.model.head.weight += 1
    assert int((batchnorm_trap.body_weights(net) != before).sum()) == 2, "the head is no part of the body"


def test_probe_first_measures_in_the_domain_and_out_of_it(toys: ImageSet) -> None:
    others = {"night": toy_images(test=6, seed=1), "snow": toy_images(test=6, seed=2)}
    told, found = finish(probe_first.compare(toys, others, 4, 1, 2, "small"))
    assert set(found.keys) == {f"{w}, {way}" for w in ("in", "out", "night", "snow") for way in probe_first.WAYS}
    for seed in range(2):
        two = [found.values(f"{where}, fine-tune")[seed] for where in others]
        assert found.values("out, fine-tune")[seed] == pytest.approx(sum(two) / 2)
    assert told[-1].progress == 1 and found.plot().alt


def test_both_fine_tunings_are_alike_but_for_the_probe() -> None:
    ways = probe_first.recipes(3)
    assert ways["probe then fine-tune"] == [*ways["probe"], *ways["fine-tune"]]


@pytest.mark.parametrize("module", [batchnorm_trap, forgetting, frozen_depth, probe_first])
def test_both_sizes_are_planned_with_seeds_for_an_interval(module: Any) -> None:
    assert set(module.PLANS) == {"small", "full"}
    assert 2 <= module.PLANS["small"]["seeds"] <= 3 and module.PLANS["full"]["seeds"] >= 5
