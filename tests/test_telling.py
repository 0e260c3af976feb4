"""course_lib/telling.py and handover.py: figures in sentences, and what a lesson leaves for the next.

pytest tests/test_telling.py
"""

import pytest
import torch

import course_lib as cl
from course_lib.errors import CourseError
from course_lib.experiments.findings import findings


@pytest.fixture
def live():
    return findings("less_data", "small", {"frozen, 10": ("%", [70, 74]), "scratch, 10": ("%", [20, 22])})


def test_a_text_is_filled_with_figures_and_says_where_they_come_from(live):
    told = cl.say("It is {a: frozen, 10 | short}, ahead by {a: frozen, 10 - scratch, 10 | short}.", a=live)
    assert told.text == "It is 72.0 %, ahead by +51.0 points."
    assert told.badges == (f"a: {live.badge}",)
    assert "live" in told._repr_markdown_() and told.text in repr(told)
    assert "95 % interval" in cl.say("{a: frozen, 10}", a=live).text


def test_a_text_without_a_figure_or_with_an_unknown_one_is_refused(live):
    with pytest.raises(CourseError, match="this one has none"):
        cl.say("It is 72 %.")
    with pytest.raises(CourseError, match="no measurement 'frozen, 11'"):
        cl.say("{a: frozen, 11}", a=live)
    with pytest.raises(CourseError, match="There is no claim 'b'"):
        cl.say("{b: frozen, 10}", a=live)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    return tmp_path


def made():
    raise AssertionError("it was there and need not be made")


def test_a_network_is_left_and_picked_up(cache):
    net = cl.load("pawnet", ("corgi", "husky"), weights="animals", seed=3)
    cl.leave("02", "probe", net)
    back = cl.pick_up("02", "probe", made, model="pawnet", classes=("corgi", "husky"))
    assert back.fingerprint() == net.fingerprint() and back.classes == net.classes
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    assert torch.equal(back(images), net(images))


def test_what_does_not_fit_is_made_anew(cache):
    net = cl.load("pawnet", ("corgi", "husky"), seed=3)
    path = cl.leave("02", "probe", net)
    asked = {"model": "pawnet", "classes": ("corgi", "husky")}
    for other in (asked | {"model": "resnet18"}, asked | {"classes": ("corgi", "poodle")}):
        assert cl.pick_up("02", "probe", lambda: "new", **other) == "new"
    assert cl.pick_up("02", "other", lambda: "new", **asked) == "new"
    path.write_bytes(path.read_bytes()[:1000])  # cut off
    assert cl.pick_up("02", "probe", lambda: "new", **asked) == "new"


def test_values_are_left_and_picked_up(cache):
    cl.leave("03", "choice", {"frozen": 4, "val": 0.8})
    assert cl.pick_up("03", "choice", made) == {"frozen": 4, "val": 0.8}
    assert cl.pick_up("03", "none", lambda: {"frozen": 1}) == {"frozen": 1}
    (cache / "handover" / "03-choice.json").write_text("{")
    assert cl.pick_up("03", "choice", lambda: 7) == 7


def test_what_cannot_be_kept_is_refused(cache):
    with pytest.raises(CourseError, match="Network or JSON values; received set"):
        cl.leave("03", "choice", {1, 2})
    with pytest.raises(CourseError, match="make the name"):
        cl.leave("..", "/x", 1)
