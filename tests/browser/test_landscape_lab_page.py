"""The landscape lab in a real JupyterLab: the map grows, the point is moved by mouse and by keyboard, training walks on it."""

from __future__ import annotations

import pytest

CELLS = (
    """
import os, tempfile
os.environ["COURSE_CACHE"] = tempfile.mkdtemp()
import course_lib as cl
from toys import CLASSES, toy_images
from course_lib.widgets.landscape_lab import LandscapeLab
dots = toy_images(train=60, val=40, test=6)
random, pretrained = cl.load("pawnet", CLASSES, seed=1), cl.load("pawnet", CLASSES, seed=2)
tuned = pretrained.copy()
for _ in cl.fit(tuned, dots, cl.fine_tune(epochs=3, lr=3e-3)):
    pass
""",
    """
lab = LandscapeLab({"random": random, "pretrained": pretrained, "fine-tuned": tuned}, dots, points=40)
lab
""",
)


@pytest.fixture(scope="module")
def book(open_notebook):
    book = open_notebook("landscape", CELLS)
    book.page.locator("[data-testid=go-2]").wait_for(timeout=30_000)
    return book


def settled(book, expression: str, seconds: float = 10) -> None:
    """Wait until the kernel says that an expression holds."""
    assert book.truth(f"[lab.join({seconds}), bool({expression})][1]"), expression


def test_the_networks_and_the_point_are_there_before_any_map(book):
    page = book.page
    assert page.get_by_test_id("go-0").inner_text() == "\u25cf random"
    assert "nats" in page.get_by_test_id("point-loss").inner_text()
    assert page.get_by_test_id("predictions").locator("figure").count() == 6
    assert page.get_by_test_id("map-picture").get_attribute("aria-label") == "map of the loss: no point worked out yet"
    book.shots("landscape-before")


def test_the_map_is_seen_while_it_is_worked_out_and_can_be_stopped(book):
    page = book.page
    page.get_by_test_id("map").click()
    page.wait_for_function(
        "() => { const map = document.querySelector('[data-testid=map-picture]'); const done = Number(map.dataset.done);"
        " return done >= 16 && done < 961 && map.querySelector('image').getAttribute('href'); }",
        timeout=15_000,
    )
    assert "working out the map" in page.get_by_test_id("status").inner_text()
    book.shot("landscape-growing")
    page.get_by_test_id("go-0").click()  # answered while the map grows
    page.get_by_test_id("point").and_(page.locator("[aria-valuetext*='x 0, y 0: loss']")).wait_for(timeout=5_000)
    page.get_by_test_id("stop").click()
    said = book.status("stopped", timeout=10)
    assert "of 961 points" in said and page.get_by_role("button", name="Go on with the map").is_enabled()
    assert book.truth("[lab.sheet.done < 961, lab.live.state]") == [True, "stopped"]


def test_the_point_is_dragged_and_clicked_with_the_mouse(book):
    page = book.page
    page.get_by_test_id("map-picture").scroll_into_view_if_needed()
    box = page.get_by_test_id("map-picture").bounding_box()
    middle = box["x"] + 0.45 * box["width"], box["y"] + 0.5 * box["height"]
    page.mouse.click(*middle)
    settled(book, "abs(lab.live.shown['point']['x'] - lab.x) < 1e-9 and lab.x > 1")
    before = book.truth("[lab.x, lab.y]")
    page.get_by_test_id("map-picture").scroll_into_view_if_needed()
    box = page.get_by_test_id("map-picture").bounding_box()
    page.mouse.move(box["x"] + 0.45 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    for i in range(10):
        page.mouse.move(box["x"] + (0.45 + 0.02 * i) * box["width"], box["y"] + (0.5 - 0.02 * i) * box["height"])
        page.wait_for_timeout(20)
    page.mouse.up()
    page.wait_for_timeout(300)
    settled(book, f"lab.x > {before[0]} + 2 and lab.y > {before[1]}")
    shown = book.truth("[lab.live.shown['point']['loss'], lab.live.shown['point']['x'] == lab.x]")
    assert shown[1] and f"{shown[0]:.3f} nats" == page.get_by_test_id("point-loss").inner_text()


def test_the_keyboard_alone_moves_the_point(book):
    page = book.page
    before = book.truth("[lab.x, lab.y]")
    page.get_by_test_id("point").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    page.wait_for_timeout(300)
    assert page.evaluate("document.activeElement.dataset.testid") == "point"
    settled(book, f"lab.x > {before[0]} and lab.y < {before[1]}")
    wide, high = book.truth("[r[1] - r[0] for r in lab.plane.reach]")
    after = book.truth("[lab.x, lab.y]")
    assert after == pytest.approx([before[0] + wide / 30, before[1] - high / 10], rel=1e-3, abs=1e-3)
    page.get_by_test_id("x").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("3.5")
    page.keyboard.press("Tab")
    page.wait_for_timeout(300)
    settled(book, "lab.x == 3.5 and lab.live.shown['point']['x'] == 3.5")
    page.get_by_test_id("go-1").focus()
    page.keyboard.press("Enter")
    page.wait_for_timeout(300)
    settled(book, "abs(lab.x - lab.plane.marks['pretrained'][0]) < 1e-3")


def test_the_map_goes_on_to_its_end_and_views_are_switched(book):
    page = book.page
    page.get_by_test_id("map").click()
    book.status("done", timeout=120)
    assert page.get_by_test_id("map").inner_text() == "The map is complete"
    labels = page.get_by_test_id("map-picture").locator(".ls-value")
    assert labels.count() >= 3
    before = labels.all_text_contents()
    page.get_by_test_id("view-loss").click()
    assert page.get_by_test_id("view-loss").get_attribute("aria-pressed") == "true"
    linear = labels.all_text_contents()
    page.get_by_test_id("view-accuracy").click()
    assert "%" in labels.first.text_content() and before != linear
    book.shot("landscape-accuracy")
    page.get_by_test_id("view-loss-log").click()


def test_training_is_drawn_while_it_goes_on_and_stopped(book):
    page = book.page
    page.get_by_test_id("epochs").fill("40")
    page.get_by_test_id("train").click()
    page.wait_for_function("() => document.querySelectorAll('.ls-map circle[r=\"2.3\"]').length > 3", timeout=20_000)
    page.get_by_test_id("stop-training").click()
    book.status("stopped", timeout=10)
    assert page.get_by_test_id("train").inner_text() == "Go on training"
    page.get_by_text("of the distance from its start lies in this plane").wait_for(timeout=5_000)
    assert book.truth("[len(lab.walk) > 3, lab.walk[-1].step < 80, lab.epochs]") == [True, True, 40]
    page.get_by_test_id("epochs").fill("41")
    page.get_by_test_id("epochs").blur()
    page.get_by_role("button", name="Train from here").wait_for(timeout=5_000)


def test_first_losses_are_drawn(book):
    page = book.page
    page.get_by_test_id("first-losses").click()
    book.status("done", timeout=60)
    label = page.get_by_test_id("starts-chart").get_attribute("aria-label")
    assert "Guessing: 1.10 nats" in label and label.count("(20 seeds)") == 3
    book.shots("landscape-after")


def test_another_plane_and_the_cell_run_again_read_the_map(book):
    page = book.page
    page.get_by_test_id("kind").select_option("random directions")
    page.get_by_test_id("seed").wait_for(timeout=5_000)
    page.get_by_text("1 on an axis changes each filter by its own length").wait_for(timeout=10_000)
    settled(book, "lab.plane.kind == 'random directions' and (lab.x, lab.y) == (0, 0)")
    page.get_by_test_id("kind").select_option("three networks")
    page.get_by_text("all read from disk: nothing to work out").wait_for(timeout=10_000)
    book.run_cell(1)
    page.get_by_text("all read from disk: nothing to work out").wait_for(timeout=20_000)
    assert page.get_by_test_id("lab").count() == 1


def test_a_wrong_number_is_answered_in_place(book):
    page = book.page
    page.get_by_test_id("lr").fill("7")
    page.get_by_test_id("lr").press("Tab")
    page.get_by_test_id("error").filter(has_text="lr=7.0 is out of range").wait_for(timeout=10_000)
    page.get_by_test_id("lr").fill("0.002")
    page.get_by_test_id("lr").press("Tab")
    page.get_by_test_id("error").filter(has_text="lr=7.0").wait_for(state="hidden", timeout=10_000)


@pytest.mark.parametrize("width", [1280, 800, 480])
def test_nothing_sticks_out_in_a_narrow_window(book, width):
    book.page.set_viewport_size({"width": width, "height": 1000})
    book.page.wait_for_timeout(400)
    assert book.overflow() == []
    book.shot(f"landscape-{width}")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_and_nothing_leaves_the_machine(book, theme):
    book.page.set_viewport_size({"width": 1280, "height": 1000})
    book.theme(theme)
    book.page.wait_for_timeout(400)
    assert book.violations() == []
    assert book.outside == []
