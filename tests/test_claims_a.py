"""Claims on data, time and layers: their experiments on toy images, their rules on made-up numbers, and their figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from toys import run, toy_images

from course_lib.experiments import claim_runs, faster, layer_transfer, less_data, precompute
from course_lib.experiments.claims import claim
from course_lib.experiments.findings import At, Findings, findings
from course_lib.images import ImageSet
from course_lib.models import load
from course_lib.training.recipes import feature_extraction, from_scratch, probe_then_fine_tune
from course_lib.widgets.live import watch

SEEDS = 5


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def toys() -> ImageSet:
    return toy_images(train=18, val=6, test=9)


def around(mean: float, spread: float = 1.0) -> list[float]:
    """Values of five seeds with this mean."""
    return [mean + spread * part for part in (-1.0, 0.6, 0.0, -0.4, 0.8)]


def shuffles_that_pass(found: Findings) -> int:
    return sum(found.shuffled(seed).verdict.holds for seed in range(20))


def changed(found: Findings, **other: Sequence[float]) -> Findings:
    """The same findings with other values; `_` in a name stands for the comma of a key."""
    measured = {key: (each.unit, each.values) for key, each in found.measured.items()}
    for name, values in other.items():
        key = name.replace("_", ", ")
        measured[key] = (measured[key][0], values)
    return findings(found.claim, found.size, measured, **found.settings)


def drawn(found: Findings, *words: str) -> None:
    """The figure is a PNG, and its sentence says these words."""
    picture = found.plot()
    assert picture.png().startswith(b"\x89PNG") and len(picture.png()) > 10_000
    for word in words:
        assert word in picture.alt
    assert found.badge in picture.alt


# less_data


def less_data_made_up(frozen: Mapping[int, float], scratch: Mapping[int, float]) -> Findings:
    sizes, measured = sorted(frozen), {}
    curves = np.array([around(scratch[n]) for n in sizes])  # sizes, seeds
    for n in sizes:
        measured |= {f"scratch, {n}": ("%", around(scratch[n])), f"frozen, {n}": ("%", around(frozen[n]) * 4)}
        measured |= {f"fine-tuned, {n}": ("%", around(frozen[n] + 1))}
        ratios = [
            less_data.needed(sizes, curve, goal)[0] / n for curve, goal in zip(curves.T, around(frozen[n]), strict=True)
        ]
        measured |= {f"needed, {n}": ("ratio", ratios)}
    return findings("less_data", "full", measured, classes=10)


GOOD = less_data_made_up({5: 70, 20: 78, 100: 85}, {5: 12, 20: 20, 100: 60})


def test_images_needed_are_read_from_the_curve_over_the_logarithm() -> None:
    assert less_data.needed([5, 20, 80], [0.1, 0.2, 0.4], 0.3) == (pytest.approx(40.0), True)
    assert less_data.needed([5, 20, 80], [0.1, 0.2, 0.4], 0.2) == (pytest.approx(20.0), True)
    assert less_data.needed([5, 20, 80], [0.3, 0.2, 0.4], 0.25) == (5.0, True)
    assert less_data.needed([5, 20, 80], [0.1, 0.2, 0.4], 0.41) == (80.0, False)  # never: a lower bound


def test_less_data_measures_all_three_ways_with_the_same_images(toys: ImageSet) -> None:
    recipes = (
        lambda n: from_scratch(1),
        lambda n: feature_extraction(2),
        lambda n: probe_then_fine_tune(1, -1, probe_epochs=1),
    )
    plan = less_data.Plan((2, 4), recipes, 2, 3)
    found = watch(less_data.compare(toys, "pawnet", "animals", plan, "small"))
    assert {key: len(found.values(key)) for key in found.keys if key.endswith("2")} == {
        "scratch, 2": 2, "frozen, 2": 3, "fine-tuned, 2": 2, "needed, 2": 2,
    }  # fmt: skip
    for seed in range(2):
        curve = [found.values(f"scratch, {n}")[seed] for n in (2, 4)]
        for n in (2, 4):
            images, _ = less_data.needed((2, 4), curve, found.values(f"frozen, {n}")[seed])
            assert found.values(f"needed, {n}")[seed] == pytest.approx(images / n)
    assert found.settings["needed_is_a_lower_bound_for_seeds"].keys() == {"2", "4"}
    drawn(found, "frozen body", "from scratch", "chance")


def test_less_data_holds_where_it_should_and_nowhere_else() -> None:
    assert GOOD.verdict.holds and "at least 20 times" in GOOD.verdict.because
    reached = less_data_made_up({5: 40, 20: 70, 100: 85}, {5: 12, 20: 20, 100: 60})
    assert reached.verdict.holds and "at least" not in reached.verdict.because  # within the curve: not a bound
    for other in (
        less_data_made_up({5: 12, 20: 20, 100: 60}, {5: 12, 20: 20, 100: 60}),
        less_data_made_up({5: 12, 20: 20, 100: 60}, {5: 70, 20: 78, 100: 85}),
        less_data_made_up({5: 70, 20: 78, 100: 61}, {5: 12, 20: 20, 100: 62}),  # scratch overtakes
        changed(GOOD, needed_5=around(1.0)),
    ):
        assert not other.verdict.holds
    assert "fine-tuned, 20" in changed(GOOD, **{"fine-tuned_20": around(20)}).verdict.because
    assert shuffles_that_pass(GOOD) <= 1
    drawn(GOOD, "at least 20 times")


# precompute


def precompute_made_up(differ: float = 0, other: float = 1900, once: float = 0.5, anew: float = 4.0) -> Findings:
    return findings(
        "precompute",
        "full",
        {
            "values that differ": ("parameters", [0.0] * (SEEDS - 1) + [differ]),
            "values that differ, other seed": ("parameters", [1920.0] * (SEEDS - 1) + [other]),
            "time, remembered": ("s", around(once, 0.1)),
            "time, anew": ("s", around(anew, 0.4)),
        },
    )


def test_remembered_features_give_the_bits_that_the_loop_by_hand_gives() -> None:
    plan = precompute.Plan(16, 3, 2)
    found = watch(precompute.compare(toy_images(train=48), "pawnet", "animals", plan, "small"))
    assert found.values("values that differ") == (0.0, 0.0)
    assert min(found.values("values that differ, other seed")) > 500  # of a head of 579
    assert found.settings["values_compared"] > 700_000 and min(found.values("time, anew")) > 0
    drawn(found, "0 differ")


def test_one_bit_is_noticed(toys: ImageSet) -> None:
    net, other = load("pawnet", toys.classes), load("pawnet", toys.classes)
    assert precompute.differing(net, other) == 0
    with torch.no_grad():
        other.model.head.bias[0], net.model.head.bias[0] = 0.0, -0.0  # equal as numbers
        other.model.stem[0].weight[0, 0, 0, 0] += 1e-6
    assert precompute.differing(net, other) == 2


def test_precompute_holds_where_it_should_and_nowhere_else() -> None:
    found = precompute_made_up()
    assert found.verdict.holds
    assert "1 values differ" in precompute_made_up(differ=1).verdict.because
    assert "shows nothing" in precompute_made_up(other=0).verdict.because
    assert "not clearly faster" in precompute_made_up(anew=0.52).verdict.because
    for other in (precompute_made_up(differ=1), precompute_made_up(other=0), precompute_made_up(anew=0.52)):
        assert not other.verdict.holds
    assert shuffles_that_pass(found) <= 1


# faster


def faster_made_up(scratch: float = 180, transferred: float = 30, same: float = 3, ahead: float = 50) -> Findings:
    looks = {"steps": [0, 1, 200], "scratch": [[0.1, 0.1, 0.3]] * SEEDS, "transferred": [[0.1, 0.2, 0.8]] * SEEDS}
    return findings(
        "faster",
        "full",
        {
            "steps, scratch": ("steps", around(scratch, 10)),
            "steps, transferred": ("steps", around(transferred, 5)),
            "steps to scratch's end, transferred": ("steps", around(same, 0.5)),
            "accuracy, scratch": ("%", around(30)),
            "accuracy, transferred": ("%", around(30 + ahead)[::-1]),
        },
        looks=looks,
    )


def test_steps_are_read_between_two_looks() -> None:
    assert faster.reach([0, 1, 2, 10], [0.1, 0.1, 0.2, 0.6], 0.4) == pytest.approx(6)
    assert faster.reach([0, 1, 2, 10], [0.1, 0.3, 0.2, 0.6], 0.3) == 1  # the first time counts
    assert faster.reach([0, 1, 2], [0.5, 0.3, 0.2], 0.4) == 1
    assert faster.reach([0, 1, 2], [0.1, 0.1, 0.2], 0.4) == 2
    at = faster.look_at(200)
    assert at[:8] == [0, 1, 2, 3, 4, 5, 6, 7] and at[-1] == 200
    assert all(b == 200 or b <= max(a + 1, 1.25 * a) for a, b in pairwise(at))
    assert max(b - a for a, b in pairwise(at)) == 200 // 12


def test_looking_on_the_way_changes_nothing(toys: ImageSet) -> None:
    plan = faster.Plan(6, 2, 2)
    found = watch(faster.compare(toys, "pawnet", "animals", plan, "small"))
    net = load("pawnet", toys.classes, seed=1)
    last = run(net, toys.subset(6, 1), plan.stage, seed=1)[-1]
    assert found.values("accuracy, scratch")[1] == pytest.approx(100 * last.val.accuracy)
    assert found.settings["looks"]["steps"] == [0, 1, 2, 3, 4] and len(found.settings["looks"]["scratch"]) == 2
    assert all(1 <= value <= 4 for start in faster.STARTS for value in found.values(f"steps, {start}"))
    drawn(found, "95 % of that after")


def test_faster_holds_where_it_should_and_nowhere_else() -> None:
    found = faster_made_up()
    assert found.verdict.holds
    for other in (faster_made_up(transferred=178), faster_made_up(same=178), faster_made_up(ahead=0)):
        assert not other.verdict.holds
    assert not faster_made_up(scratch=30, transferred=180).verdict.holds
    assert shuffles_that_pass(found) <= 1
    drawn(found, "scratch", "180")


# layer_transfer


def layers_made_up(**other: float) -> Findings:
    """Numbers as Yosinski's: frozen A falls, trained on it does not, random is worst."""
    means = {"base B": 60, "AnB, 1": 60, "AnB, 3": 56, "AnB, 5": 48, "BnB, 1": 60, "BnB, 3": 57, "BnB, 5": 59}
    means |= {"random, 1": 52, "random, 3": 30, "random, 5": 12, "AnB+, 1": 61, "AnB+, 3": 62, "AnB+, 5": 63}
    means |= {"far, 1": 60, "far, 3": 45, "far, 5": 30, "BnB+, 5": 60}
    means |= {name.replace("_", ", ").replace("plus", "+"): value for name, value in other.items()}
    draw = np.random.default_rng(0)
    measured = {key: ("%", mean + draw.normal(0, 1, SEEDS)) for key, mean in means.items()}
    return findings("layer_transfer", "full", measured)


def test_a_graft_takes_the_first_blocks_with_their_buffers(toys: ImageSet) -> None:
    net, donor, before = (
        load("pawnet", toys.classes),
        load("pawnet", toys.classes, "animals"),
        load("pawnet", toys.classes),
    )
    assert layer_transfer.graft(net, donor, 3) is net
    assert net.fingerprint(3) == donor.fingerprint(3) != before.fingerprint(3)
    rest = [(a, b) for mine, old in zip(net.blocks[3:], before.blocks[3:], strict=True)
            for a, b in zip(mine.state(), old.state(), strict=True)]  # fmt: skip
    assert all(torch.equal(a, b) for a, b in rest)


def test_layer_transfer_trains_every_net_once(toys: ImageSet) -> None:
    plan = layer_transfer.Plan(4, 1, (1, 5), {"AnB+": (1, 5), "BnB+": (5,)}, 2)
    work = layer_transfer.compare(toys, "pawnet", ("animals", "photos"), plan, "small")
    found = watch(work)
    assert set(found.keys) == {"base B", "AnB+, 1", "AnB+, 5", "BnB+, 5"} | {
        f"{way}, {depth}" for way in layer_transfer.FROZEN for depth in (1, 5)
    }
    assert found.seeds == 2 and plan.stage(3).frozen == 3
    again = layer_transfer.compare(toys, "pawnet", ("animals", "photos"), plan, "small")
    steps = list(_until_the_end(again))
    assert len(steps) == 24 and not any("step" in at.text for at in steps)  # all runs are read
    drawn(found, "base B", "random, frozen", "from A, trained")


def test_layer_transfer_holds_for_yosinskis_numbers_and_for_no_others() -> None:
    found = layers_made_up()
    assert found.verdict.holds
    rising = layers_made_up(AnB_1=40, AnB_3=60, AnB_5=80)
    assert not rising.verdict.holds and "from the far source it changes by −" in rising.verdict.because
    assert "seen: blocks of A that are trained on do not fall behind" in rising.verdict.because
    for other in (layers_made_up(AnBplus_5=40), layers_made_up(random_5=60), layers_made_up(BnB_5=8)):
        assert not other.verdict.holds
    assert shuffles_that_pass(found) <= 1
    drawn(found, "48 % with 5")


# all of them


def _until_the_end(work: object) -> list[At]:
    steps = []
    for at in work:
        steps.append(at)
    return steps


def test_a_run_that_was_kept_is_not_done_again(toys: ImageSet) -> None:
    (stage,) = from_scratch(1)
    settings = claim_runs.settings_of(toys, "pawnet", None, stage, 0, claim="toy")
    assert settings != claim_runs.settings_of(toys, "pawnet", "animals", stage, 0, claim="toy")
    calls = []

    def work():
        calls.append(1)
        yield At(0.5, "half")
        return {"accuracy": 0.25}

    def result():
        return (yield from claim_runs.kept_run(settings, work, (3, 4), "a run"))

    assert [at.progress for at in _until_the_end(result())] == [0.75, 0.875]
    assert watch(result()) == {"accuracy": 0.25} and calls == [1]


@pytest.mark.parametrize("name", ["precompute", "less_data", "faster", "layer_transfer"])
def test_a_claim_knows_its_name_and_both_sizes(name: str) -> None:
    module = {m.CLAIM.name: m for m in (precompute, less_data, faster, layer_transfer)}[name]
    assert claim(name) is module.CLAIM and module.CLAIM.says.endswith(".")
    assert module.PLANS.keys() == {"small", "full"} and module.PLANS["small"].seeds >= 2
