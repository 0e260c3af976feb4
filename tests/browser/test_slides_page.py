"""Slides in a real browser: keys, fragments, notes, clicks and swipes, print, and nothing that is asked for.

pytest tests/browser/test_slides_page.py
"""

import pytest
from toy_slides import CELLS, write

from course_lib.lessons import read_run
from course_lib.slides.deck import write_slides


@pytest.fixture
def shown(browser, tmp_path):
    """The slides in a headless Chromium, from a file; `page.asked` lists what the page asked for."""
    path = write_slides(read_run(write(tmp_path / "07_dogs.ipynb", CELLS)))
    page = browser.new_page(viewport={"width": 1280, "height": 720}, has_touch=True)
    page.asked, page.wrong = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.address = path.as_uri()
    page.goto(page.address)
    yield page
    page.close()


def at(page):
    return page.locator("#at").inner_text()


def test_keys_move_and_fragments_come_one_by_one(shown):
    assert at(shown) == "1 / 5" and shown.locator(".slide:visible").count() == 1
    seen = []
    for _ in range(4):
        shown.keyboard.press("ArrowRight")
        seen.append((at(shown), shown.locator(".now .fragment.shown").count()))
    assert seen == [("2 / 5 (2 more)", 0), ("2 / 5 (1 more)", 1), ("2 / 5", 2), ("3 / 5", 0)]
    assert shown.url.endswith("#/3")
    shown.keyboard.press("ArrowLeft")
    assert at(shown) == "2 / 5" and shown.get_by_text("second fragment").is_visible(), "back shows the whole slide"
    shown.keyboard.press("ArrowLeft")
    assert at(shown) == "2 / 5 (1 more)" and not shown.get_by_text("second fragment").is_visible()
    shown.keyboard.press("End")
    assert at(shown) == "5 / 5"
    shown.keyboard.press("Home")
    assert (
        at(shown) == "1 / 5"
        and shown.evaluate("document.activeElement.getAttribute('aria-label')") == "1 of 5: Dogs & co"
    )


def test_a_slide_that_is_too_full_is_scrolled_before_the_next(shown):
    shown.goto(f"{shown.address}#/4")
    assert at(shown) == "4 / 5"
    assert not shown.get_by_text("line 59").evaluate("e => e.getBoundingClientRect().bottom < innerHeight")
    pressed = 0
    while at(shown) == "4 / 5" and pressed < 30:
        seen = shown.get_by_text("line 59").evaluate("e => e.getBoundingClientRect().bottom < innerHeight")
        shown.keyboard.press("PageDown")
        pressed += 1
    assert 1 < pressed < 30 and seen, "its end was seen before the next slide came"


def test_notes_the_list_clicks_and_swipes(shown):
    shown.goto(f"{shown.address}#/2")
    note = shown.get_by_text("say this aloud")
    assert not note.is_visible()
    shown.keyboard.press("n")
    assert note.is_visible()
    shown.keyboard.press("n")
    shown.keyboard.press("Escape")
    assert shown.locator("dialog").is_visible()
    shown.keyboard.press("ArrowRight")
    assert at(shown) == "2 / 5 (2 more)", "the list has the keys to itself"
    shown.locator("dialog a").nth(2).click()
    assert at(shown) == "3 / 5" and not shown.locator("dialog").is_visible()
    shown.mouse.click(1270, 300)
    assert at(shown) == "4 / 5"
    shown.mouse.click(640, 300)
    assert at(shown) == "4 / 5", "a click in the middle is no step"
    shown.mouse.click(10, 300)
    assert at(shown) == "3 / 5"
    shown.evaluate("""() => {
        const touch = (x) => new Touch({ identifier: 1, target: document.body, clientX: x, clientY: 300 });
        document.body.dispatchEvent(new TouchEvent("touchstart", { touches: [touch(800)], bubbles: true }));
        document.body.dispatchEvent(new TouchEvent("touchend", { changedTouches: [touch(500)], bubbles: true }));
    }""")
    assert at(shown) == "4 / 5"


def test_the_page_asks_for_nothing_and_runs_nothing_foreign(shown):
    for _ in range(8):
        shown.keyboard.press("PageDown")
    assert [url for url in shown.asked if not url.startswith(("data:", shown.address))] == []
    assert shown.wrong == [] and shown.title() == "Dogs & co: slides", "an attribute onerror did not run"


def test_on_paper_everything_is_there(shown):
    shown.emulate_media(media="print")
    shown.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert shown.locator(".slide:visible").count() == 5 and shown.get_by_text("second fragment").is_visible()
    assert not shown.locator("nav").is_visible() and not shown.get_by_text("say this aloud").is_visible()
