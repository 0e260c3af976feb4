"""Isolated learning beside transfer: settings, one small table, its signs, and what is asked of the same pictures."""

import json

import pytest
import torch

from course_lib.domains import Domain
from course_lib.errors import CourseError
from course_lib.experiments.curve import Curve, Run
from course_lib.experiments.transfer_table import (
    ISOLATED,
    TRANSFER,
    Case,
    TransferTable,
    asked,
    resemblance,
    transfer_table,
    yes_no,
)


@pytest.fixture(scope="module")
def day():
    return Domain("target", seed=1).images("breed", per_class=10)


@pytest.fixture(scope="module")
def measured(day, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_CACHE", str(tmp_path_factory.mktemp("cache")))
        case = Case("ears by day", "same", "other", asked(day, "ears"))
        work, told = transfer_table([case], per_class=5, seeds=2, steps=4), []
        while True:
            try:
                told.append(next(work))
            except StopIteration as end:
                return end.value, told


def test_the_table_holds_both_ways_and_their_gain(measured):
    table, told = measured
    alone, transferred = (table.accuracy("ears by day", way)[0] for way in (ISOLATED, TRANSFER))
    gain, low, high = table.gain("ears by day")
    assert gain == pytest.approx(transferred - alone) and low < gain < high
    assert transferred > alone + 10  # measured: some 40 points
    assert [at.progress for at in told] == sorted(at.progress for at in told) and told[-1].progress == 1
    assert table.table().column("target") == ["ears by day"]
    assert table.steps > 0


def test_what_is_left_for_later_is_json_and_says_what_the_table_says(measured):
    table, _ = measured
    held = json.loads(json.dumps(table.values()))
    assert held["per_class"] == 5
    assert held["cases"]["ears by day"]["gain"] == pytest.approx(table.gain("ears by day")[0], abs=0.01)


def test_the_picture_says_the_numbers_in_words(measured):
    table, _ = measured
    picture = table.plot()
    assert f"transfer {table.accuracy('ears by day', TRANSFER)[0]:.0f} %" in picture.alt
    assert picture.png()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("isolated", "transfer", "verdict"),
    [("0" * 100, "1" * 100, "helps"), ("1" * 100, "0" * 100, "hurts"), ("01" * 50, "10" * 50, "not clear")],
)
def test_the_verdict_follows_from_the_interval(day, isolated, transfer, verdict):
    runs = tuple(
        Run(way, 5, seed, hits.count("1") / 100, hits, 1, 0.0, False)
        for way, hits in ((ISOLATED, isolated), (TRANSFER, transfer))
        for seed in range(3)
    )
    table = TransferTable((Case("x", "same", "same", day),), (Curve(runs, 100, 10, 0.0),), 5)
    assert table.verdict("x") == verdict


def test_settings_are_refused_before_any_work(day):
    case = Case("x", "same", "other", day)
    for wrong in ({"per_class": 0}, {"seeds": 1}, {"steps": 0}, {"seeds": True}):
        with pytest.raises(CourseError, match=next(iter(wrong))):
            transfer_table([case], **wrong)
    with pytest.raises(CourseError, match="name of its own"):
        transfer_table([case, case])
    with pytest.raises(CourseError, match="'same' or 'other'"):
        Case("x", "equal", "other", day)


def test_another_question_changes_the_labels_and_nothing_else(day):
    ears = asked(day, "ears")
    assert ears.images is day.images and ears.splits is day.splits
    assert [ears.classes[label] for label in ears.labels] == day.factors["ears"].tolist()
    assert ears.name.endswith(": ears")
    with pytest.raises(CourseError, match="A task is one of"):
        asked(day, "tail")


def test_a_yes_or_no_question_is_right_for_every_picture(day):
    floppy = yes_no(day, "ears", "floppy")
    assert floppy.classes == ("no", "yes")
    assert floppy.labels.bool().tolist() == [ears == "floppy" for ears in day.factors["ears"]]
    for factor, value in (("ears", "none such"), ("tail", "long")):
        with pytest.raises(CourseError, match="no two groups"):
            yes_no(day, factor, value)


def test_weights_are_high_where_source_and_target_overlap_and_even_where_they_are_alike():
    draw = torch.Generator().manual_seed(0)
    source = torch.randn(200, 6, generator=draw)
    shifted = torch.randn(120, 6, generator=draw) + torch.tensor([2.0, 0, 0, 0, 0, 0])
    weights = resemblance(source, shifted)
    assert weights.min() >= 0
    # The true ratio of the densities rises with the first number alone: exp(2 x - 2).
    ranks = torch.stack([x.argsort().argsort().float() for x in (weights, source[:, 0])])
    assert torch.corrcoef(ranks)[0, 1] > 0.5  # measured: 0.74; rows in no order give 0 with a spread of 0.07
    alike = resemblance(source, torch.randn(120, 6, generator=draw))
    assert alike.log().std() < weights.log().std() / 2
