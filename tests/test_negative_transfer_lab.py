"""NegativeTransferLab without a browser: its settings, its run, what it shows, and what it refuses."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from toys import toy_images

from course_lib.errors import CourseError
from course_lib.experiments.gap_records import record
from course_lib.experiments.transfer_gap import Case, Gap
from course_lib.models import load
from course_lib.ranking import score
from course_lib.training.recipes import feature_extraction, from_scratch
from course_lib.widgets import negative_transfer_lab as module
from course_lib.widgets.negative_transfer_lab import SPANS, NegativeTransferLab

QUICK = {"recipe": lambda n: from_scratch(epochs=1), "head": lambda n: feature_extraction(epochs=2)}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def lab():
    images = toy_images(train=18, val=3, test=12)
    made = NegativeTransferLab(images, choices=["digits", "random"], per_class=3, seeds=3, **QUICK)
    made.join(20)
    yield made
    made.close()


def turn(lab: NegativeTransferLab, **settings) -> dict:
    lab.set_state(settings)
    lab.join(20)
    return lab.live.shown


def test_train_measures_what_is_chosen_and_shows_it(lab) -> None:
    assert lab.live.state == "ready" and lab.live.shown["rows"] == [] and "not measured yet" in lab.sentence()
    lab.receive({"do": "train"})
    lab.join(60)
    (row,) = lab.live.shown["rows"]
    gap = lab.gaps[Case("digits", 3)]
    assert lab.live.state == "done" and lab.live.progress == 1 and lab.live.status == f"done: {gap.text}"
    assert (
        row["mean"] == pytest.approx(100 * gap.mean, abs=1e-3) and row["verdict"] == gap.verdict and row["seeds"] == 3
    )
    assert (row["source"], row["n"], row["how"], row["recorded"]) == ("digits", 3, "frozen", "") and json.dumps(row)
    assert gap.text in repr(lab) and lab.table().column("seeds") == [3]


def test_every_setting_changes_the_case(lab) -> None:
    assert lab.case == Case("digits", 3)
    turn(lab, how="tuned", blocks=2, per_class=5)
    assert lab.case == Case("digits", 5, "tuned", 2)
    turn(lab, blocks=5)  # all there are: the same as the whole body
    assert lab.case == Case("digits", 5, "tuned") and lab.blocks == 0
    turn(lab, how="frozen", source="random")
    assert lab.case == Case("random", 5)
    turn(lab, span=SPANS[1])
    assert lab.cases == [Case("digits", 5), Case("random", 5)]
    turn(lab, span=SPANS[2])
    assert lab.cases == [Case("random", 2), Case("random", 5)] and lab.live.shown["sizes"] == [2, 5]
    turn(lab, source="digits", how="tuned", span=SPANS[1])
    assert lab.cases == [Case("digits", 5, "tuned")]  # a random network of which all trains is no source


def test_the_cell_does_the_same_work(lab) -> None:
    lab.set_state({"span": SPANS[1]})
    found = lab.train_here()
    assert [gap.case for gap in found] == [Case("digits", 3), Case("random", 3)] and all(
        gap.seeds == 3 for gap in found
    )
    assert lab.live.state == "done" and lab.live.status == "done: 2 cases, 3 seeds each"


def test_stop_keeps_pairs_and_go_on_ends_as_one_run_would(lab) -> None:
    whole = NegativeTransferLab(lab.images, choices=["digits"], per_class=3, seeds=3, how="tuned", **QUICK)
    (expected,) = whole.train_here()
    turn(lab, how="tuned", seeds=4)
    lab.train()
    end = time.monotonic() + 30
    while not any(gap.seeds >= 1 for gap in lab.gaps.values()):
        assert time.monotonic() < end
        time.sleep(0.002)
    lab.receive({"do": "stop"})
    lab.join(30)
    stopped = lab.gaps.get(lab.case)
    assert lab.live.state in ("stopped", "done") and stopped.transferred == expected.transferred[: stopped.seeds][:3]
    before = lab.run
    lab.receive({"do": "train"})
    lab.join(60)
    assert lab.live.state == "done" and lab.gaps[lab.case].seeds == 4 and (lab.run is before or stopped.seeds == 4)
    assert lab.gaps[lab.case].transferred[:3] == expected.transferred
    lab.receive({"do": "reset"})
    lab.join(20)
    assert lab.live.state == "ready" and lab.live.shown["rows"] == [] and lab.live.progress == 0
    whole.close()


def test_another_case_after_a_stop_is_a_new_run_and_the_old_result_stays(lab) -> None:
    lab.train_here()
    turn(lab, source="random")
    lab.train_here()
    assert set(lab.gaps) == {Case("digits", 3), Case("random", 3)} and len(lab.live.shown["rows"]) == 2


def test_a_second_start_while_it_runs_is_refused(lab, monkeypatch) -> None:
    turn(lab, how="tuned", seeds=30)
    lab.train()
    end = time.monotonic() + 30
    while lab.live.state != "running":
        assert time.monotonic() < end
        time.sleep(0.002)
    lab.receive({"do": "train"})
    end = time.monotonic() + 30
    while "stop it before" not in lab.live.error:
        assert time.monotonic() < end
        time.sleep(0.002)
    lab.stop()
    lab.join(30)
    assert lab.live.state == "stopped"


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"source": "cats"}, "source='cats'"),
        ({"per_class": 7}, "1 to 6"),
        ({"per_class": 0}, "1 to 6"),
        ({"how": "half"}, "how='half'"),
        ({"blocks": 6}, "1 to 5"),
        ({"seeds": 1}, "2 or more"),
        ({"span": "the moon"}, "span='the moon'"),
        ({"source": "random", "how": "tuned"}, "training from scratch"),
    ],
)
def test_what_is_out_of_range_is_answered_in_place(lab, setting, said) -> None:
    before = {name: getattr(lab, name) for name in setting}
    turn(lab, **setting)
    assert said in lab.live.error and {name: getattr(lab, name) for name in setting} == before
    turn(lab, seeds=5)
    assert lab.live.error == "" and lab.seeds == 5


def test_wrong_arguments_are_refused() -> None:
    images = toy_images()
    for settings, said in (
        ({"colour": 1}, "no setting 'colour'"),
        ({"per_class": 50}, "1 to 4"),
        ({"source": "x"}, "'x'"),
    ):
        with pytest.raises(CourseError, match=said):
            NegativeTransferLab(images, **settings)


@pytest.mark.parametrize("span", SPANS)
def test_the_code_that_is_shown_measures_the_same(lab, span, monkeypatch) -> None:
    shown: list[Gap] = []
    lab.set_state({"span": span, "seeds": 2, "how": "tuned", "blocks": 2})
    expected = lab.train_here()
    scope = {"images": lab.images}
    exec(lab.code.replace("table(gaps)", ""), scope)
    shown = scope["gaps"]
    assert shown == expected


def test_what_ships_stays_as_past_behind_what_is_measured_live(lab, tmp_path, monkeypatch) -> None:
    path = tmp_path / "gaps.json"
    for _ in record(lab.images, "pawnet", [Case("digits", 3), Case("digits", 5)], seeds=2, path=path, **QUICK):
        pass
    shipped = module.recorded_gaps
    monkeypatch.setattr(module, "recorded_gaps", lambda *given, **more: shipped(*given, **more, path=path))
    lab.reset()
    lab.join(20)
    assert "2 results ship" in lab.live.status and [row["past"] for row in lab.live.shown["rows"]] == [False, False]
    assert "2 seeds" in lab.sentence()
    lab.train_here()
    told = [(row["n"], bool(row["recorded"]), row["past"], row["seeds"]) for row in lab.live.shown["rows"]]
    assert told == [(3, False, False, 3), (3, True, True, 2), (5, True, False, 2)]
    assert "3 seeds" in lab.sentence() and len(lab.table().rows) == 3


def test_scores_stand_beside_the_gaps_and_train_nothing(lab) -> None:
    lab.train_here()
    lab.receive({"do": "score"})
    lab.join(60)
    assert lab.live.state == "done" and "2 sources scored on 3 images per class" in lab.live.status
    digits, random = lab.live.shown["scored"]
    expected = score(load("pawnet", None, "digits"), lab.images, 3)
    assert digits["scores"] == list(expected.known.values()) and digits["n"] == 3
    assert digits["gap"] == f"{lab.gaps[lab.case].verdict} {100 * lab.gaps[lab.case].mean:+.1f}"
    assert random["scores"][-2:] == [None, None] and random["gap"] == "not measured yet"
    json.dumps(lab.live.shown)
    turn(lab, per_class=5)
    shown = lab.score_here()
    assert shown.column("images per class") == [3, 3, 5, 5] and shown.column("source")[2:] == ["digits", "random"]
    assert list(lab.gaps) == [Case("digits", 3)]  # nothing but the first run was measured
    lab.receive({"do": "reset"})
    lab.join(20)
    assert lab.live.shown["scored"] == []


def test_scores_need_two_images_of_each_class_and_an_idle_lab(lab) -> None:
    turn(lab, per_class=1)
    lab.receive({"do": "score"})
    lab.join(20)
    assert "2 or more of each class" in lab.live.error and lab.live.shown["scored"] == []
    turn(lab, per_class=3, how="tuned", seeds=30)
    lab.train()
    end = time.monotonic() + 30
    while lab.live.state != "running":
        assert time.monotonic() < end
        time.sleep(0.002)
    lab.receive({"do": "score"})
    while "stop it before the sources" not in lab.live.error:
        assert time.monotonic() < end
        time.sleep(0.002)
    lab.stop()
    lab.join(30)


def test_a_picture_and_words_without_a_kernel(lab) -> None:
    lab.train_here()
    data, about = lab._repr_mimebundle_()
    assert "image/png" in data and lab.sentence() in about["image/png"]["alt"] and lab.sentence() in data["text/plain"]
    assert "nothing measured yet" not in about["image/png"]["alt"]
