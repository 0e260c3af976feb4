"""ScheduleLab in a real JupyterLab: knobs by mouse and keyboard, reading the strip, the code, narrow and dark."""

from __future__ import annotations

import pytest

CELLS = (
    "from toys import make, toy_images\nfrom course_lib.widgets.schedule_lab import ScheduleLab",
    "lab = ScheduleLab(make('pawnet'), toy_images(train=300), preset='probe, then fine-tune', epochs=8)\nlab",
)


@pytest.fixture(scope="module")
def book(open_notebook):
    book = open_notebook("schedule", CELLS)
    book.page.get_by_test_id("block-5").wait_for(timeout=20_000)
    return book


def code(book) -> str:
    return book.page.get_by_test_id("code").text_content()


def choose(book, preset: str) -> None:
    book.page.get_by_test_id("preset").select_option(preset)
    book.page.get_by_test_id("status").filter(has_text=f"{preset}:").wait_for(timeout=10_000)


def test_a_preset_and_a_knob_by_mouse_change_the_picture_and_the_recipe(book):
    page = book.page
    assert book.truth("[s.frozen for s in lab.recipe]") == [-1, 0]
    assert page.get_by_test_id("probe_epochs").is_visible() and not page.get_by_test_id("cuts").is_visible()
    choose(book, "gradual unfreezing")
    assert page.get_by_test_id("cuts").is_visible() and not page.get_by_test_id("frozen").is_visible()
    assert page.get_by_test_id("table").locator("tr").count() == 3
    page.get_by_test_id("schedule").select_option("constant")
    page.get_by_test_id("code").filter(has_text="schedule='constant'").wait_for(state="attached", timeout=10_000)
    assert book.truth("[[s.frozen, s.schedule, s.epochs] for s in lab.recipe]") == [
        [-1, "constant", 3],
        [-2, "constant", 3],
        [-3, "constant", 3],
    ]
    cuts = page.get_by_test_id("cuts")
    cuts.fill("-1, -3")
    cuts.press("Enter")
    page.get_by_test_id("code").filter(has_text="cuts=(-1, -3)").wait_for(state="attached", timeout=10_000)
    assert page.get_by_test_id("table").locator("tr").count() == 2


def test_pointing_at_a_cell_reads_it(book):
    page = book.page
    choose(book, "feature extraction")
    box = page.get_by_test_id("strip").bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 20 + 13)
    said = page.get_by_test_id("readout").inner_text()
    assert said.startswith(
        "head (block 6 of 6), step 101 of 200, stage 1: feature extraction, epoch 11 of 20: learning rate"
    )
    factor = book.truth("lab.recipe[0].rate(100.5 / 200)")
    assert f"{100 * factor:.0f} % of its top" in said and f"{float(f'{3e-3 * factor:.2g}'):g}" in said
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 20 + 5 * 26 + 13)
    assert page.get_by_test_id("readout").inner_text().endswith("frozen, no step changes it.")
    assert "stem (block 1 of 6), step 181" in page.get_by_test_id("readout").inner_text()


def test_the_keyboard_alone_reads_cells_and_turns_a_knob(book):
    page = book.page
    choose(book, "probe, then fine-tune")
    page.get_by_test_id("epochs").focus()
    page.keyboard.press("Home")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.get_by_test_id("code").filter(has_text="epochs=4").wait_for(state="attached", timeout=10_000)
    assert book.truth("[s.epochs for s in lab.recipe]") == [20, 4]
    page.get_by_test_id("block-0").focus()
    assert page.get_by_test_id("lines").locator("polyline").count() == 1 + 6
    page.keyboard.press("Space")
    assert page.get_by_test_id("block-0").get_attribute("aria-pressed") == "false"
    assert page.get_by_test_id("lines").locator("polyline").count() == 1 + 5
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.testid") == "strip"
    said = page.get_by_test_id("readout")
    page.keyboard.press("Home")
    assert ", step 1 of 240, stage 1: feature extraction, epoch 1 of 20" in said.inner_text()
    page.keyboard.press("PageDown")
    assert ", step 201 of 240, stage 2: fine-tuning, epoch 1 of 4" in said.inner_text()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    head = said.inner_text()
    for _ in range(9):
        page.keyboard.press("ArrowUp")
    assert ", step 202 of 240" in head and said.inner_text().startswith("head (block 6 of 6)")
    page.keyboard.press("End")
    assert ", step 240 of 240" in said.inner_text()


def test_the_scale_is_switched(book):
    page = book.page
    before = page.get_by_test_id("lines").inner_html()
    page.get_by_test_id("log").click()
    assert page.get_by_test_id("log").get_attribute("aria-pressed") == "true"
    assert page.get_by_test_id("lines").inner_html() != before
    page.get_by_test_id("linear").click()
    assert page.get_by_test_id("log").get_attribute("aria-pressed") == "false"


def test_the_shown_code_makes_the_recipe(book):
    choose(book, "fine-tuning")
    page = book.page
    page.get_by_test_id("show-code").locator("summary").click()
    lines = code(book).split("for record")[0]
    assert book.truth(f"[exec({lines!r}, scope := {{}}), scope['recipe'] == lab.recipe][1]") is True
    page.get_by_test_id("copy").click()
    page.get_by_text("copied").or_(page.get_by_text("selected: copy it")).wait_for(timeout=5_000)


def test_a_refused_value_is_said_in_place_and_the_old_one_comes_back(book):
    choose(book, "gradual unfreezing")
    cuts = book.page.get_by_test_id("cuts")
    cuts.fill("-3, -1")
    cuts.press("Enter")
    book.page.get_by_test_id("error").filter(has_text="frees more from stage to stage").wait_for(timeout=10_000)
    assert cuts.input_value() == "-1, -2, -3" and book.truth("lab.cuts") == "-1, -2, -3"
    assert book.violations() == []
    choose(book, "fine-tuning")
    assert not book.page.get_by_test_id("error").is_visible()


def test_a_reload_shows_the_same(book):
    choose(book, "gradual unfreezing")
    before = code(book)
    book.reload()
    book.page.get_by_test_id("block-5").wait_for(timeout=30_000)
    book.page.get_by_test_id("code").filter(has_text="cuts=(-1, -2, -3)").wait_for(state="attached", timeout=10_000)
    assert code(book) == before and book.page.get_by_test_id("preset").input_value() == "gradual unfreezing"


def test_looks_narrow_and_dark_and_nothing_leaves_the_machine(book):
    page = book.page
    choose(book, "probe, then fine-tune")
    page.get_by_test_id("strip").focus()
    for key in ("Home", "PageDown", *["Shift+ArrowRight"] * 3, "ArrowDown"):
        page.keyboard.press(key)
    book.shots("schedule")
    choose(book, "gradual unfreezing")
    book.shots("schedule-gradual")
    for width in (800, 600):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(300)
        assert book.overflow() == []
    book.theme("dark")
    assert book.violations() == []
    book.theme("light")
    assert book.violations() == []
    page.set_viewport_size({"width": 1280, "height": 1000})
    assert book.outside == [] and [said for said in book.console if "Error" in said] == []
