"""The landscape lab without a browser: every control through set_state and receive, with the kernel's state asserted."""

from __future__ import annotations

import time

import numpy as np
import pytest
from toys import CLASSES, toy_images

import course_lib as cl
from course_lib.errors import CourseError
from course_lib.landscape.starts import KINDS
from course_lib.widgets.landscape_lab import LandscapeLab

DOTS = toy_images(train=24, val=20, test=6)


@pytest.fixture(autouse=True)
def exact(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_PRECISION", "float32")
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))


@pytest.fixture(scope="module")
def three():
    random, pretrained = cl.load("pawnet", CLASSES, seed=1), cl.load("pawnet", CLASSES, seed=2)
    tuned = pretrained.copy()
    for _ in cl.fit(tuned, DOTS, cl.fine_tune(epochs=2, lr=3e-3), device="cpu"):
        pass
    return {"random": random, "pretrained": pretrained, "fine-tuned": tuned}


@pytest.fixture
def lab(three):
    lab = LandscapeLab(three, DOTS, points=6)
    lab.set_state({"size": 16})
    lab.join(30)
    yield lab
    lab.close()


def wait_for(condition, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def do(lab, command, **given):
    lab.receive({"do": command, "with": given})
    lab.join(60)
    assert lab.error is None, lab.error


def curve(lab):
    return np.frombuffer(lab.live.curve, np.float32).reshape(2, lab.size, lab.size)


def test_it_opens_with_the_networks_where_they_stand_and_what_they_lose(lab, three):
    marks = {mark["name"]: mark for mark in lab.live.shown["plane"]["marks"]}
    assert list(marks) == list(three) and (marks["random"]["x"], marks["random"]["y"]) == (0, 0)
    for name, net in three.items():
        assert lab.anchors[name].loss == pytest.approx(marks[name]["loss"])
        there = cl.evaluate(net, cl.ImageSet("a", DOTS.images, DOTS.labels, CLASSES, {"val": lab.ground.rows}), "val")
        assert marks[name]["loss"] == pytest.approx(there.loss, abs=2e-5) and marks[name]["accuracy"] == there.accuracy
    assert (lab.x, lab.y) == pytest.approx(lab.plane.marks["fine-tuned"], rel=1e-5)
    assert len(lab.pictures) == 6 and lab.pictures[0]["src"].startswith("data:image/png;base64,")
    assert np.isnan(curve(lab)).all() and lab.live.state == "ready" and "256 points are to be" in lab.live.status


def test_the_map_grows_and_the_second_opening_reads_it(lab, three):
    seen = []
    lab.live.observe(lambda change: seen.append(change["new"]["map"]["done"]), "shown")
    do(lab, "map")
    assert lab.live.state == "done" and lab.sheet.complete and lab.live.progress == 1
    assert np.isfinite(curve(lab)).all() and np.array_equal(curve(lab)[0], lab.sheet.loss)
    assert len(set(seen)) > 3 and seen == sorted(seen) and "lowest loss" in lab.live.status
    again = LandscapeLab(three, DOTS, points=6)
    again.set_state({"size": 16})
    again.join(30)
    assert "all read from disk: nothing to work out" in again.live.status
    assert np.array_equal(curve(again), curve(lab)) and again.live.shown["map"]["read"] == 256
    again.close()


def test_stop_keeps_what_is_known_and_the_map_goes_on(lab, three):
    lab.receive({"do": "map"})
    wait_for(lambda: lab.sheet.done > 20)
    lab.receive({"do": "stop"})
    lab.join(30)
    done = lab.sheet.done
    assert lab.live.state == "stopped" and 20 < done < 256 and np.isfinite(curve(lab)).all()
    other = LandscapeLab(three, DOTS, points=6)  # at once on disk, not only when the run is thrown away
    other.set_state({"size": 16})
    other.join(30)
    assert other.sheet.read == done
    other.close()
    do(lab, "map")
    assert lab.sheet.complete and lab.sheet.read == done and lab.live.state == "done"


def test_the_point_is_measured_where_the_reader_moves_it(lab, three):
    x, y = lab.plane.marks["random"]
    lab.set_state({"x": x, "y": y})
    lab.join(30)
    point = lab.live.shown["point"]
    assert (point["x"], point["y"]) == (x, y) and point["loss"] == pytest.approx(lab.anchors["random"].loss, abs=1e-6)
    scores = three["random"](DOTS.images[lab.ground.rows])
    said = sorted(scores.argmax(1).tolist())
    assert sorted(k for k, _ in point["said"]) == said and point["count"] == point["of"] == 6
    assert lab.look_here(x, y).loss == pytest.approx(lab.anchors["random"].loss)
    assert lab.look_here(5.0, 0.5).loss != pytest.approx(lab.anchors["random"].loss, abs=1e-5)


def test_few_images_answer_at_once_and_all_a_moment_later(three):
    images = toy_images(train=6, val=80, test=6)
    lab = LandscapeLab(three, images, points=80)
    lab.join(30)
    counts = []
    lab.live.observe(lambda change: counts.append(change["new"]["point"]["count"]), "shown")
    lab.set_state({"x": 3.0, "y": 0.2})
    lab.join(30)
    assert counts == [64, 80]
    lab.close()


def test_a_point_moved_while_the_map_grows_is_answered_in_between(lab):
    lab.receive({"do": "map"})
    wait_for(lambda: lab.sheet.done > 5)
    lab.set_state({"x": 2.0, "y": 0.3})
    wait_for(lambda: lab.live.shown["point"]["x"] == 2.0)
    assert lab.live.state == "running"
    lab.receive({"do": "train"})  # one thing at a time, and it says so
    wait_for(lambda: "The lab is at work (map)" in lab.live.error)
    lab.receive({"do": "stop"})
    lab.join(30)
    assert lab.live.state == "stopped"


def test_training_walks_from_the_pretrained_network_and_says_what_the_plane_shows(lab, three):
    before = three["pretrained"].fingerprint()
    lab.set_state({"epochs": 2, "lr": 0.003})
    do(lab, "train")
    walk = lab.live.shown["walk"]
    assert walk["points"][0][1:] == pytest.approx(lab.plane.marks["pretrained"], abs=1e-3)
    assert lab.live.state == "done" and len(walk["points"]) == 3 and [look[0] for look in walk["looks"]] == [1, 2]
    assert 0 < walk["share"] <= 1 and walk["off"] > 0 and not walk["open"]
    assert three["pretrained"].fingerprint() == before == lab.start["pretrained"].fingerprint()
    assert "of whose distance" in lab.sentence()
    do(lab, "forget")
    assert lab.live.shown["walk"]["points"] == [] and lab.walk == []


def test_a_stopped_walk_goes_on_and_is_drawn_on_another_plane_too(lab):
    lab.set_state({"epochs": 40, "walk_from": "random"})
    lab.receive({"do": "train"})
    wait_for(lambda: len(lab.walk) > 3)
    lab.receive({"do": "stop"})
    lab.join(30)
    count = len(lab.walk)
    assert lab.live.state == "stopped" and lab.live.shown["walk"]["open"] and count < 41
    before = lab.live.shown["walk"]["points"]
    lab.set_state({"kind": "random directions"})
    lab.join(30)
    assert len(lab.live.shown["walk"]["points"]) == count and lab.live.shown["walk"]["points"] != before
    do(lab, "train")
    assert lab.live.state == "done" and len(lab.walk) > count and lab.walk[-1].step == 40


def test_after_stop_a_changed_setting_is_a_new_training(lab):
    lab.set_state({"epochs": 40, "walk_from": "random"})
    lab.receive({"do": "train"})
    wait_for(lambda: len(lab.walk) > 3)
    lab.receive({"do": "stop"})
    lab.join(30)
    assert lab.live.shown["walk"]["asked"] == {"from": "random", "epochs": 40, "lr": lab.lr}
    lab.set_state({"epochs": 2, "walk_from": "pretrained"})
    do(lab, "train")
    assert lab.live.state == "done" and lab.walk[-1].step == 2 and "training from pretrained" in lab.live.status
    assert (lab.walk[0].x, lab.walk[0].y) == pytest.approx(lab.plane.marks["pretrained"], abs=1e-3)


def test_training_from_the_point_starts_there(lab):
    lab.set_state({"x": 4.0, "y": 0.5, "walk_from": "the point", "epochs": 1})
    do(lab, "train")
    assert lab.walk[0].x == pytest.approx(4, abs=1e-3) and lab.walk[0].y == pytest.approx(0.5, abs=1e-3)


def test_other_planes_and_other_statistics_are_other_maps(lab):
    do(lab, "map")
    three = curve(lab).copy()
    lab.set_state({"norm": "measure"})
    lab.join(30)
    assert lab.sheet.done == 0 and lab.ground.norm == "measure" and lab.live.shown["map"]["done"] == 0
    lab.set_state({"norm": "interpolate", "kind": "random directions", "around": "random", "seed": 3})
    lab.join(30)
    assert (
        lab.plane.kind == "random directions" and lab.plane.marks == {"random": (0.0, 0.0)} and (lab.x, lab.y) == (0, 0)
    )
    assert lab.live.shown["point"]["loss"] == pytest.approx(lab.anchors["random"].loss, abs=1e-6)
    do(lab, "map")
    assert lab.sheet.complete and not np.allclose(curve(lab), three)
    lab.set_state({"kind": "three networks"})
    lab.join(30)
    assert np.array_equal(curve(lab), three) and "nothing to work out" in lab.live.status


def test_another_plane_while_a_map_is_worked_out_ends_it_and_keeps_it(lab):
    lab.receive({"do": "map"})
    wait_for(lambda: lab.sheet.done > 20)
    lab.set_state({"norm": "measure"})
    lab.join(30)
    assert lab.live.state == "ready" and lab.sheet.done == 0 and np.isnan(curve(lab)).all()
    lab.set_state({"norm": "interpolate"})
    lab.join(30)
    assert lab.sheet.done > 20


def test_first_losses_of_random_and_transferred_starts(lab):
    do(lab, "first_losses")
    shown = lab.live.shown["starts"]
    assert list(shown["losses"]) == list(KINDS) and all(len(found) == 20 for found in shown["losses"].values())
    assert shown["guessing"] == pytest.approx(np.log(3)) and lab.live.state == "done"
    assert "guessing: 1.10 nats" in lab.sentence()


def test_the_cell_does_the_same_work(three):
    lab = LandscapeLab(three, DOTS, points=4)
    lab.size = 16
    sheet = lab.map_here()
    assert sheet.complete and sheet is lab.sheet
    lab.epochs = 1
    assert lab.train_here()[-1].step == 1 and lab.starts_here().done == 60
    lab.close()


def test_a_picture_and_words_before_and_after(lab):
    before = lab.picture()
    assert before.png()[:4] == b"\x89PNG" and "no point of the map worked out yet" in before.alt
    do(lab, "map")
    lab.set_state({"epochs": 1})
    do(lab, "train")
    after = lab.picture()
    assert after.png() != before.png() and "lowest loss" in after.alt and "nats" in repr(lab)
    data, _ = lab._repr_mimebundle_()
    assert {"image/png", "text/plain"} <= data.keys()


def test_one_network_has_random_directions_only(three):
    lab = LandscapeLab({"tuned": three["fine-tuned"]}, DOTS, points=4)
    lab.join(30)
    assert lab.kinds == ["random directions"] and lab.plane.marks == {"tuned": (0.0, 0.0)}
    lab.set_state({"kind": "three networks"})
    lab.join(30)
    assert lab.kind == "random directions" and "kind='three networks' is not known" in lab.live.error
    lab.close()


def test_wrong_input_is_said_in_place_and_the_old_value_stays(lab):
    for state, words in (
        ({"x": 1e6}, "lies off the map"),
        ({"y": float("nan")}, "lies off the map"),
        ({"size": 17}, "size=17 is not known; it is one of 16, 31, 61"),
        ({"norm": "guess"}, "norm='guess'"),
        ({"epochs": 0}, "epochs=0 is out of range"),
        ({"lr": 5.0}, "lr=5.0"),
        ({"walk_from": "nowhere"}, "walk_from='nowhere'"),
        ({"around": "nobody"}, "around='nobody'"),
    ):
        before = {name: getattr(lab, name) for name in state}
        lab.set_state(state)
        lab.join(30)
        assert words in lab.live.error and {name: getattr(lab, name) for name in state} == before
    lab.receive({"do": "dance"})
    lab.join(30)
    assert "no command 'dance'" in lab.live.error
    lab.set_state({"size": 31})
    lab.join(30)
    assert lab.live.error == ""


def test_networks_that_do_not_fit_are_refused_in_the_cell(three):
    net = three["random"]
    other = cl.load("pawnet", ("a", "b", "c"), seed=1)
    for start, words in (
        ([net], "takes a dict of three networks"),
        ({"a": net, "b": net}, "received 2 networks"),
        (three | {"random": other}, "same classes"),
        ({"a": net, "b": net, "c": net}, "lie on a line"),
        ({"the point": net}, "another name"),
        ({"a": other}, "classes=images.classes"),
    ):
        with pytest.raises(CourseError, match=words):
            LandscapeLab(start, DOTS)
