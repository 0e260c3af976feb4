"""TryModel without a page: answers to pictures, files that are none, live ones, what the card says, and a model that was exported."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from toy_model import Colours
from toys import toy_images

import course_lib as cl
from course_lib.errors import CourseError
from course_lib.widgets.try_model import KEPT, NONE, TryModel


def colour(*rgb: int, size: tuple[int, int] = (60, 40)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, rgb).save(buffer, "PNG")
    return buffer.getvalue()


BLUE, GREY = colour(20, 30, 200), colour(90, 90, 90)


@pytest.fixture
def tried():
    made = TryModel(Colours())
    made.replies = []
    made.send = lambda message, buffers=None: made.replies.append(message)
    yield made
    made.close()


def receive(tried, data: bytes, name: str = "a.png", label: str = "", cut: int = 100) -> None:
    """A file as the page sends it."""
    for at in range(0, max(len(data), 1), cut):
        about = {"id": name, "name": name, "label": label, "size": len(data), "at": at}
        tried._handle_custom_msg({"piece": about}, [data[at : at + cut]])
    tried.join()


def test_a_picture_from_the_page_is_answered(tried):
    assert "which of 3 classes" in tried.live.status
    receive(tried, BLUE)
    (said,) = tried.answers
    assert (said.name, said.label) == ("a.png", "blue") and 0.9 < said.probability <= 1
    assert [name for name, _ in said.ranked] == ["blue", "green", "red"]
    assert tried.live.status == f"a.png: blue, {100 * said.probability:.0f} %."
    (entry,) = tried.live.shown["entries"]
    assert entry["square"].startswith("data:image/jpeg;base64,") and not entry["none"] and entry["problem"] == ""
    assert tried.model.asked == [(1, 3, 48, 48)] and tried.replies[-1]["state"] == "done"


def test_none_of_these_comes_with_its_reason(tried):
    assert tried.add(GREY, "grey.png").label == NONE
    assert "none of these; no colour stands out." in tried.sentence()
    assert tried.live.shown["entries"][0]["none"] is True


def test_what_is_no_picture_is_said_and_asks_the_model_nothing(tried):
    receive(tried, b"hello", "notes.txt")
    assert tried.replies[-1]["state"] == "refused" and "text file" in tried.live.status
    assert tried.model.asked == [] and tried.answers == []
    assert "folder" not in tried.live.status  # there is none here
    with pytest.raises(CourseError, match=r"cut.png: .*cut off"):
        tried.add(BLUE[:40], "cut.png")
    with pytest.raises(CourseError, match="could not be read"):
        tried.add("there/is/none.png")


def test_a_file_that_is_too_large_is_said(tried):
    tried._handle_custom_msg({"piece": {"id": "a", "name": "a.png", "label": "", "size": 10**9, "at": 0}}, [b"1"])
    tried.join()
    assert "up to 50 MB" in tried.live.status and tried.replies[-1]["state"] == "refused"


def test_live_answers_are_shown_and_not_kept(tried):
    receive(tried, BLUE, label="live")
    assert tried.live.now["label"] == "blue" and tried.answers == [] and tried.live.shown["entries"] == []
    receive(tried, b"no picture", label="live")
    assert tried.live.now["label"] == "blue" and tried.live.shown["entries"] == []


def test_only_the_last_answers_are_kept_and_clear_forgets_them(tried):
    for i in range(KEPT + 3):
        tried.add(BLUE, f"{i}.png")
    assert len(tried.answers) == len(tried.live.shown["entries"]) == KEPT and tried.answers[0].name == f"{KEPT + 2}.png"
    tried._handle_custom_msg({"do": "clear", "with": {}}, [])
    tried.join()
    assert tried.answers == [] and tried.live.shown["entries"] == []


def test_a_model_that_fails_is_said_and_the_page_gets_its_answer(tried, monkeypatch):
    monkeypatch.setattr(tried.model, "say", lambda images: 1 / 0)
    tried._handle_custom_msg({"piece": {"id": "a", "name": "a.png", "label": "", "size": len(BLUE), "at": 0}}, [BLUE])
    with pytest.raises(ZeroDivisionError):
        tried.join()
    assert tried.replies[-1]["state"] == "refused" and "ZeroDivisionError" in tried.live.error


def test_it_shows_a_picture_and_words_without_a_kernel(tried):
    empty, _ = tried._repr_mimebundle_()
    tried.add(GREY, "gr$y_.png")
    full, about = tried._repr_mimebundle_()
    assert full["image/png"] != empty["image/png"] and "none of these" in about["image/png"]["alt"]


def test_what_is_no_model_is_refused():
    with pytest.raises(CourseError, match="received int"):
        TryModel(3)


def test_a_network_answers_with_its_softmax():
    images = toy_images()
    net = cl.load("pawnet", images.classes)
    tried = TryModel(net)
    pixels = images.images[0].permute(1, 2, 0).numpy()
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((tried.size, tried.size)).save(buffer, "PNG")
    said = tried.add(buffer.getvalue(), "a.png")
    assert sum(share for _, share in said.ranked) == pytest.approx(1, abs=1e-5)
    assert said.label == said.ranked[0][0] and tried.about["doubts"] == []


def test_a_model_that_was_taken_home_answers_and_shows_its_card(tmp_path):
    images = toy_images()
    net = cl.load("pawnet", images.classes)
    for _ in cl.fit(net, images, cl.feature_extraction(epochs=1)):
        pass
    path = net.export(tmp_path / "toys.safetensors", images)
    tried = TryModel(path)
    assert tried.about["name"] == "toys.safetensors" and "95 % interval" in tried.about["works"][0]
    assert images.name in tried.about["works"][1] and tried.about["doubts"]
    row = int(images.rows("test")[0])
    buffer = io.BytesIO()
    Image.fromarray(images.images[row].permute(1, 2, 0).numpy()).save(buffer, "PNG")
    said = tried.add(buffer.getvalue(), "test.png")
    assert said.label in (*images.classes, NONE)
    if tried.size == images.images.shape[-1]:
        (expected,) = tried.model.say(images.images[row : row + 1])
        assert said.label == expected.label and said.probability == pytest.approx(expected.probability, abs=1e-4)
