"""TryModel in a real JupyterLab: pictures dropped, chosen, pasted, taken and looked at live, by keyboard alone, narrow, dark.

pytest tests/browser/test_try_model_page.py
"""

from __future__ import annotations

import base64
import io
import sys
from pathlib import Path

import pytest
from PIL import Image
from test_picture_drop_page import CAMERAS, DROP, SPY, chosen

import course_lib as cl

sys.path.append(str(Path(__file__).parents[1]))

CELLS = (
    "from course_lib.widgets import TryModel\nfrom toy_model import Colours",
    "tried = TryModel(Colours())\ntried",
)
PASTE = """([name, data]) => {
    const transfer = new DataTransfer();
    if (data) transfer.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name, { type: "image/png" }));
    const paste = new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true });
    document.activeElement.dispatchEvent(paste);
}"""


@pytest.fixture(scope="module")
def book(open_notebook):
    made = open_notebook("try", CELLS)
    made.page.evaluate(SPY)
    return made


def colour(red: int, green: int, blue: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (120, 90), (red, green, blue)).save(buffer, "PNG")
    return buffer.getvalue()


def wait_for(book, text: str) -> None:
    book.page.get_by_test_id("status").filter(has_text=text).first.wait_for(timeout=20_000)


def answer(book) -> str:
    return book.page.get_by_test_id("answer").inner_text()


def test_a_chosen_picture_is_answered_with_bars_and_as_the_network_sees_it(book):
    page = book.page
    assert "Right on 91.0 %" in page.get_by_test_id("about").inner_text()
    book.shots("try-empty")
    chosen(book, "input", ("sky.png", colour(40, 60, 200)))
    wait_for(book, "sky.png: blue, 9")
    assert answer(book).startswith("blue, 9")
    rows = page.get_by_test_id("bars").locator("li").all_inner_texts()
    assert [row.split()[0] for row in rows] == ["blue", "green", "red"] and rows[0].split()[-1] == "%"
    width = page.evaluate("document.querySelector('[data-testid=seen]').naturalWidth")
    assert width == 48 and book.truth("tried.model.asked[-1]") == [1, 3, 48, 48]
    book.shots("try-answer")


def test_none_of_these_is_said_in_words_with_its_reason(book):
    given = [["grey.png", base64.b64encode(colour(90, 90, 90)).decode()]]
    book.page.evaluate(DROP, ["[data-testid=drop]", given])
    wait_for(book, "grey.png: none of these; no colour stands out.")
    assert answer(book) == "none of these"
    assert book.page.get_by_test_id("reason").inner_text() == "No colour stands out."


def test_several_pictures_make_a_table_and_a_row_is_picked_by_the_keyboard(book):
    page = book.page
    files = ("leaf.png", colour(30, 180, 40)), ("notes.txt", b"hello"), ("rose.png", colour(220, 30, 60))
    chosen(book, "input", *files)
    wait_for(book, "rose.png: red")
    page.get_by_test_id("rows").get_by_text("not an image but a text file").wait_for(timeout=5000)
    assert page.get_by_test_id("rows").locator("tr").count() == 5
    pick = page.get_by_role("button", name="leaf.png")
    pick.focus()
    page.keyboard.press("Enter")
    assert answer(book).startswith("green") and pick.get_attribute("aria-pressed") == "true"
    book.shots("try-table")


def test_a_picture_is_pasted(book):
    page = book.page
    page.get_by_test_id("drop").focus()
    page.evaluate(PASTE, ["image.png", base64.b64encode(colour(20, 20, 200)).decode()])
    wait_for(book, "image.png: blue")
    page.evaluate(PASTE, ["", ""])
    page.get_by_test_id("error").filter(has_text="The clipboard holds no picture").wait_for(timeout=5000)


def test_the_camera_takes_a_picture_and_answers_live_until_it_is_off(book):
    page = book.page
    page.get_by_test_id("camera-open").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('video').videoWidth > 0", timeout=10_000)
    page.keyboard.press("Space")
    wait_for(book, "camera 20")
    assert answer(book).startswith("green")
    page.get_by_test_id("live").focus()
    page.keyboard.press("Enter")
    wait_for(book, "Live")
    before = book.truth("len(tried.model.asked)")
    page.wait_for_timeout(1500)
    assert book.truth("len(tried.model.asked)") > before + 1  # while the page stays quick to press
    book.shots("try-live")
    page.get_by_test_id("live").focus()
    page.keyboard.press("Escape")
    assert page.evaluate(CAMERAS) == 0 and page.locator("video").is_hidden()
    assert page.evaluate("document.activeElement.dataset.testid") == "camera-open"
    count = book.truth("len(tried.model.asked)")
    page.wait_for_timeout(1200)
    assert book.truth("len(tried.model.asked)") == count
    assert book.truth("len(tried.answers)") == 6  # live ones are not kept


def test_a_reload_keeps_the_answers_and_clear_forgets_them(book):
    book.reload()
    wait_for(book, "camera 20")
    assert book.page.get_by_test_id("rows").locator("tr").count() == 7
    for theme in ("dark", "light"):
        book.theme(theme)
        for width in (800, 480):
            book.page.set_viewport_size({"width": width, "height": 1000})
            book.page.wait_for_timeout(200)
            book.shot(f"try-{theme}-{width}-again")
            assert book.overflow() == [], f"{theme}, {width} px"
        assert book.violations() == [], theme
    book.page.set_viewport_size({"width": 1280, "height": 1000})
    book.page.get_by_role("button", name="Clear").click()
    wait_for(book, "Drop a picture: the model says which of 3 classes it shows.")
    assert book.page.get_by_test_id("rows").locator("tr").count() == 0
    assert book.outside == []
    assert [line for line in book.console if "course" in line.lower()] == []


def test_course_try_shows_the_model_on_a_page_that_loads_nothing_from_elsewhere(browser, tmp_path):
    """A model that was really exported, in Voila, with a policy that the browser keeps to."""
    pytest.importorskip("voila")
    from test_try_command import Served
    from toys import toy_images

    images = toy_images()
    served = Served(cl.load("pawnet", images.classes).export(tmp_path / "toys.safetensors", images), tmp_path)
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    try:
        answered = []
        page.on("requestfinished", lambda request: answered.append(request.url))
        page.goto(served.server)
        assert page.get_by_test_id("drop").count() == 0 and "login" in page.url  # without the token
        page.goto(served.address)
        page.get_by_test_id("drop").wait_for(timeout=60_000)
        assert "95 % interval" in page.get_by_test_id("about").inner_text()
        page.get_by_test_id("input").set_input_files({"name": "sky.png", "mimeType": "", "buffer": colour(30, 60, 200)})
        page.get_by_test_id("status").filter(has_text="sky.png: ").wait_for(timeout=20_000)
        assert page.get_by_test_id("bars").locator("li").count() == len(images.classes)
        assert page.get_by_test_id("camera-open").is_visible()  # a page on loopback may use one
        outside = [url for url in answered if not url.startswith((served.server, "blob:", "data:"))]
        assert outside == []  # Voila's page asks for icons elsewhere; the browser does not let it
    finally:
        page.close()
        assert served.stop() == 0
