"""Claims of lessons 05 and 06: negative transfer, first losses, one basin. Tiny experiments, and verdicts on made-up numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from toys import toy_images

import course_lib as cl
from course_lib.experiments import initial_loss, negative_transfer, same_basin
from course_lib.experiments.claims import claim
from course_lib.experiments.findings import Findings, findings
from course_lib.experiments.gap import Case
from course_lib.experiments.transfer_gap import transfer_gap
from course_lib.widgets.live import watch

DOTS = toy_images(train=18, val=12, test=12)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_PRECISION", "float32")
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))


def shuffles_that_hold(found: Findings) -> int:
    return sum(found.shuffled(seed).verdict.holds for seed in range(20))


# First losses.


def first_losses(random: float, new: float, trained: float, seeds: int = 20) -> Findings:
    draw = np.random.default_rng(0)
    kinds = {"random": random, "transferred, new head": new, "transferred, trained head": trained}
    measured = {kind: ("loss", (mean + 0.05 * draw.standard_normal(seeds)).tolist()) for kind, mean in kinds.items()}
    return findings("initial_loss", "full", measured | {"guessing": ("loss", [math.log(10)] * seeds)})


def test_first_losses_are_those_of_the_landscape():
    found = watch(initial_loss.measure(DOTS, "small", seeds=2, epochs=2))
    assert found.keys == [initial_loss.RANDOM, initial_loss.NEW, initial_loss.TRAINED, "guessing"]
    assert found.values("guessing") == (math.log(3),) * 2
    random = cl.load("pawnet", DOTS.classes, seed=1)
    again = cl.evaluate(random, DOTS, "val").loss
    assert found.values("random")[1] == pytest.approx(again, abs=1e-4)
    # Two epochs are enough to move the head, so the third kind is not the second.
    assert found.values("transferred, trained head") != found.values("transferred, new head")
    assert found.settings["head_epochs"] == 2 and found.settings["weights"] == "animals"


def test_first_losses_hold_only_when_the_distributions_are_apart():
    apart = first_losses(2.30, 2.50, 1.40)
    assert apart.verdict.holds and shuffles_that_hold(apart) == 0
    assert "started higher than every random network" in apart.verdict.because
    together = first_losses(2.30, 2.20, 2.25)
    assert not together.verdict.holds and "it is not true that all lie below" in together.verdict.because
    assert "did not start lower than every random network" in together.verdict.because
    turned = first_losses(1.40, 1.00, 2.30)  # all of it the other way round
    assert not turned.verdict.holds and "too, started lower" in turned.verdict.because
    assert "it is not true that all lie below" in turned.verdict.because


# Negative transfer.


def gaps(**means: float) -> Findings:
    """Findings of keys such as shuffled_frozen_5=-3: ten pairs each, spread by 2 points."""
    draw = np.random.default_rng(1)
    measured = {}
    for name, mean in means.items():
        source, how, n = name.split("_")
        measured[f"{source}, {how}, {n}"] = ("points", (mean + 2 * draw.standard_normal(10)).tolist())
    return findings("negative_transfer", "full", measured)


REAL = {"animals_frozen_5": 57, "animals_frozen_10": 60, "animals_frozen_50": 56, "photos_frozen_5": -1,
        "photos_frozen_10": -1, "photos_frozen_50": -4, "shuffled_frozen_5": -4, "shuffled_frozen_10": -6,
        "shuffled_frozen_50": -16}  # fmt: skip


def test_gaps_are_measured_where_they_are_not_known():
    plan = [(Case("animals", 4), 2), (Case("shuffled", 4, "tuned"), 3)]
    quick = {"recipe": lambda n: cl.from_scratch(1), "head": lambda n: cl.feature_extraction(1)}
    found = watch(negative_transfer.measure(DOTS, "small", plan, **quick))
    assert {key: len(found.values(key)) for key in found.keys} == {"animals, frozen, 4": 2, "shuffled, all, 4": 3}
    assert found.settings["measured_now"] == found.keys
    again = watch(transfer_gap(DOTS, "pawnet", [plan[0][0]], seeds=2, **quick))
    assert found.values("animals, frozen, 4") == pytest.approx(
        [100 * (a - b) for a, b in zip(again[0].transferred, again[0].scratch, strict=True)]
    )
    # What is known is taken as it is, if it has pairs enough; the other case is measured.
    known = watch(negative_transfer.measure(DOTS, "small", plan, again, **quick))
    assert known.settings["measured_now"] == ["shuffled, all, 4"] and known.measured == found.measured
    more = [(plan[0][0], 3)]
    assert watch(negative_transfer.measure(DOTS, "small", more, again, **quick)).settings["measured_now"]


def test_the_full_plan_is_the_one_that_ships_but_for_one_case(monkeypatch):
    monkeypatch.delenv("COURSE_CACHE")  # the drawn dogs are drawn once for all tests
    dogs = cl.load_images("dogworld")
    known = {gap.case for gap in negative_transfer.recorded_gaps(dogs)}
    missing = [case for case, _ in negative_transfer.PLAN["full"] if case not in known]
    assert missing == [Case("shuffled", 100, "tuned")]


def test_negative_transfer_holds_only_with_harm_and_help():
    found = gaps(**REAL)
    assert found.verdict.holds and shuffles_that_hold(found) <= 1
    assert not gaps(**REAL | {"shuffled_frozen_5": 0.1}).verdict.holds  # harm at one of the small sizes is not clear
    assert not gaps(**REAL | {"animals_frozen_10": 0.1}).verdict.holds
    assert not gaps(shuffled_frozen_50=-16, animals_frozen_50=50).verdict.holds  # no small n measured


def test_whether_more_data_cures_it_is_told_apart_from_the_claim():
    grew = gaps(**REAL).verdict
    assert "cures it is not shown" in grew.because and "harm grew from 5 to 50" in grew.because
    cured = gaps(**REAL | {"shuffled_frozen_50": 0.1}).verdict
    assert cured.holds and "cures it is shown" in cured.because and "no longer clear" in cured.because
    tuned = gaps(**REAL, shuffled_all_10=-8, shuffled_all_100=-4).verdict
    assert "all blocks trained the harm shrank from 10 to 100" in tuned.because and "still hurts" in tuned.because


# One basin.


def barriers(tuned: float, scratch: float, known: float = 99.0, pairs: int = 6) -> Findings:
    draw = np.random.default_rng(2)
    values = {"barrier": (tuned, scratch, 0.03, "loss"), "barrier on val": (0.01, 0.01, 0.005, "loss"),
              "accuracy": (85, 27, 1, "%"), "middle accuracy": (85, 11, 1, "%"), "train accuracy": (99, known, 0.3, "%"),
              "distance": (9, 25, 0.5, "score")}  # fmt: skip
    measured = {}
    for name, (a, b, spread, unit) in values.items():
        for way, mean in (("fine-tuned", a), ("scratch", b)):
            measured[f"{name}, {way}"] = (unit, np.maximum(0, mean + spread * draw.standard_normal(pairs)).tolist())
    return findings("same_basin", "full", measured)


@pytest.mark.parametrize("pairs", (2, 4))
def test_barriers_are_measured_between_neighbours_in_a_ring(pairs):
    found = watch(same_basin.measure(DOTS, "small", pairs, 1, (3, 3), points=12))
    assert {len(found.values(key)) for key in found.keys} == {pairs}
    assert found.settings["networks"] == max(3, pairs)
    assert min(found.values("barrier, scratch")) >= 0
    # No pair twice: distances differ. A shared body keeps fine-tuned networks near each other.
    assert len(set(found.values("distance, scratch"))) == pairs
    assert max(found.values("distance, fine-tuned")) < min(found.values("distance, scratch"))


def test_one_basin_holds_only_when_every_barrier_is_lower():
    found = barriers(0.05, 2.3)
    assert found.verdict.holds and shuffles_that_hold(found) <= 1
    assert not barriers(2.3, 0.05).verdict.holds
    assert not barriers(1.0, 1.02).verdict.holds
    unlearned = barriers(0.05, 0.5, known=40)
    assert not unlearned.verdict.holds and "too few to compare" in unlearned.verdict.because
    assert "Halfway, scratch networks" in found.verdict.because


def test_lines_are_drawn_and_told():
    picture = same_basin.draw_lines({"a": ((0, 0.5, 1), (0.1, 2.3, 0.2)), "b": ((0, 1), (1, 1))}, "way (0 to 1)", "hm")
    assert picture.png().startswith(b"\x89PNG")
    assert "a: 0.10 nats at 0, 2.30 at 0.5, 0.20 at 1" in picture.alt and "way (0 to 1)" in picture.alt


# What all three have in common.

MADE_UP = {
    "initial_loss": first_losses(2.30, 2.50, 1.40),
    "negative_transfer": gaps(**REAL, shuffled_all_10=-1, shuffled_all_100=-3, photos_all_10=12),
    "same_basin": barriers(0.05, 2.3),
}


@pytest.mark.parametrize("name", MADE_UP)
def test_a_figure_is_drawn_and_told(name):
    picture = MADE_UP[name].plot()
    assert picture.png().startswith(b"\x89PNG")
    assert "live: measured on this machine" in picture.alt
    key = {"initial_loss": "guessing: 2.30 nats", "negative_transfer": "shuffled, frozen: -",
           "same_basin": "scratch: barrier 2.3"}[name]  # fmt: skip
    assert key in picture.alt


@pytest.mark.parametrize("name", MADE_UP)
def test_a_claim_says_what_it_tests(name):
    asked = claim(name)
    assert asked.name == name and asked.says.endswith(".") and asked.source
    assert repr(MADE_UP[name].verdict).startswith("Holds: ")
