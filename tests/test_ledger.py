"""course_lib/experiments: findings, claims and the ledger. Every recorded claim is worked out again from its numbers.

pytest tests/test_ledger.py
"""

import json
import math

import numpy as np
import pytest

from course_lib.errors import CourseError
from course_lib.experiments import ledger
from course_lib.experiments.claims import NAMES, Claim, claim
from course_lib.experiments.findings import At, Findings, Verdict, findings
from course_lib.intervals import mean_interval
from course_lib.plots import Picture, figure

RECORDED = ledger.recorded_names()
SHUFFLES, MOST = 40, 4  # of 40 shuffles at most 4 may pass by chance: 95 % intervals let some through


@pytest.fixture
def found():
    return findings(
        "less_data",
        "small",
        {"frozen, 10": ("%", [70, 72, 74]), "scratch, 10": ("%", [20, 22, 21, 50]), "time": ("s", [1.5, 2.0])},
        epochs=3,
    )


def test_an_interval_is_over_the_seeds(found):
    assert found.interval("frozen, 10") == (72.0, *mean_interval([70, 72, 74]))
    mean, low, high = found.interval("frozen, 10 - scratch, 10")
    assert mean == pytest.approx(51.0) and (low, high) == mean_interval([50, 50, 53])  # the fourth seed has no partner
    assert found.interval("frozen, 10 / scratch, 10")[0] == pytest.approx(np.mean([70 / 20, 72 / 22, 74 / 21]))


def test_figures_are_told_with_unit_sign_and_interval(found):
    low, high = mean_interval([50, 50, 53])
    assert found.words("frozen, 10 - scratch, 10") == f"+51.0 points (95 % interval +{low:.1f} to +{high:.1f})"
    assert found.words("scratch, 10 - frozen, 10", short=True) == "−51.0 points"
    assert found.words("frozen, 10", short=True) == "72.0 %"
    assert found.words("frozen, 10 / scratch, 10", short=True) == "3.43 times"


def test_what_cannot_be_told_is_refused(found):
    with pytest.raises(CourseError, match="has no measurement 'frozen, 11'; it has 'frozen, 10'"):
        found.words("frozen, 11")
    with pytest.raises(CourseError, match="compares % with s"):
        found.words("frozen, 10 - time")
    with pytest.raises(CourseError, match="unit 'percent' is not known"):
        findings("less_data", "small", {"a": ("percent", [1])})
    for values in ([], [1.0, math.nan], [math.inf]):
        with pytest.raises(CourseError, match="one finite number or more"):
            findings("less_data", "small", {"a": ("%", values)})


def test_a_badge_says_live_or_recorded(found):
    assert found.badge == "live: measured on this machine just now, 2 to 4 seeds"
    told = Findings(found.claim, "full", found.measured, where={"date": "2026-01-02", "machine": "CPU", "torch": "2.6"})
    assert told.badge == "recorded 2026-01-02, 2 to 4 seeds, CPU, torch 2.6"


def test_shuffling_deals_out_the_same_numbers_within_each_unit(found):
    dealt = found.shuffled(3)
    for keys in (["frozen, 10", "scratch, 10"], ["time"]):
        numbers = [sorted(value for key in keys for value in each.values(key)) for each in (found, dealt)]
        assert numbers[0] == numbers[1]
    assert [len(dealt.values(key)) for key in dealt.keys] == [3, 4, 2]
    assert any(found.shuffled(seed).measured != found.measured for seed in range(3))


@pytest.fixture
def toy(monkeypatch):
    """A claim whose experiment draws numbers."""

    def work(size, seeds):
        yield At(0.5, "half")
        return findings(
            "toy", size, {"a": ("%", [80.123456789] * (seeds or 3)), "b": ("%", [20.0] * (seeds or 3))}, epochs=2
        )

    def judge(found):
        gap, low, _ = found.interval("a - b")
        return Verdict(low > 0, f"the gap is {gap:.0f} points")

    def plot(found):
        fig, axes = figure(3, 2)
        axes[0][0].plot(found.values("a"))
        return Picture(fig, "a line")

    each = Claim("toy", "a is larger than b.", "", work, judge, plot)
    monkeypatch.setattr("course_lib.experiments.claims.claim", lambda name: each)
    return each


def measured(work):
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def test_what_is_recorded_is_read_back_with_where_it_was_made(toy, tmp_path):
    found = measured(toy.measure("full"))
    path = ledger.write(found, tmp_path)
    assert path.name == "toy.json" and ledger.recorded_names(tmp_path) == ["toy"]
    back = ledger.read("toy", tmp_path)
    assert back.values("a") == (80.123457,) * 3 and back.settings == {"epochs": 2} and back.size == "full"
    assert set(back.where) == {"date", "machine", "python", "torch"} and "recorded" in back.badge
    assert ledger.said("toy", tmp_path) is True and back.verdict.because == "the gap is 60 points"
    assert json.loads(path.read_text())["because"] == "the gap is 60 points"


def test_a_missing_or_damaged_record_is_one_sentence(tmp_path):
    with pytest.raises(CourseError, match="course record faster"):
        ledger.read("faster", tmp_path)
    for text in ("", "{}", '{"claim": "faster", "measured": {"a": 3}}', "[]"):
        (tmp_path / "faster.json").write_text(text)
        with pytest.raises(CourseError, match="is damaged"):
            ledger.read("faster", tmp_path)


def test_a_figure_of_a_claim_carries_its_badge(toy):
    picture = measured(toy.measure("small", 2)).plot()
    assert "live" in picture.alt and picture.png().startswith(b"\x89PNG")
    assert "live" in picture.figure._supxlabel.get_text()


def test_wrong_sizes_seeds_and_names_are_refused(toy):
    with pytest.raises(CourseError, match="size='large'"):
        toy.measure("large")
    for seeds in (1, 0, 2.5, True):
        with pytest.raises(CourseError, match="seeds="):
            toy.measure("small", seeds)
    with pytest.raises(CourseError, match="There is no claim 'tpyo'"):
        claim("tpyo")


@pytest.mark.parametrize("name", NAMES)
def test_every_claim_says_something_and_is_recorded_at_full_size(name):
    each = claim(name)
    assert each.name == name and each.says.endswith(".")
    found = each.recorded()
    assert found.size == "full" and found.claim == name
    assert found.seeds >= 3 and found.seconds > 0 and found.settings


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_claim_is_what_its_numbers_say(name):
    found = claim(name).recorded()
    assert found.verdict.holds is ledger.said(name), found.verdict
    assert found.verdict.because
    assert found.plot().png().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", RECORDED)
def test_shuffled_numbers_do_not_pass(name):
    found = claim(name).recorded()
    assert sum(found.shuffled(seed).verdict.holds for seed in range(SHUFFLES)) <= MOST


def test_no_record_is_for_a_claim_that_is_gone():
    assert set(RECORDED) <= set(NAMES)
