"""FreezeLab in a real JupyterLab: by mouse, by keyboard only, while training, reloaded, narrow, dark."""

from __future__ import annotations

import pytest

CELLS = (
    """
from toys import toy_images
import course_lib as cl
from course_lib.widgets.freeze_lab import FreezeLab
images = toy_images(train=120, val=30, test=30)
net = cl.load("pawnet", classes=images.classes)
before = net.fingerprint()
""",
    "lab = FreezeLab(net, images)\nlab",
)


@pytest.fixture(scope="module")
def book(open_notebook):
    book = open_notebook("freeze", CELLS)
    book.page.get_by_test_id("plan").get_by_text("about").first.wait_for(timeout=30_000)
    book.shots("freeze-before")
    return book


def test_a_click_moves_the_edge_and_one_that_means_nothing_is_explained(book):
    page = book.page
    page.get_by_test_id("block-4").click()
    page.get_by_text("4 of 6 blocks frozen").first.wait_for(timeout=10_000)
    assert page.get_by_test_id("block-4").get_attribute("aria-pressed") == "false"
    page.get_by_test_id("block-1").click()
    page.get_by_test_id("explained").get_by_text("cannot train below stage3").wait_for(timeout=10_000)
    page.get_by_test_id("block-1").click(modifiers=["Shift"])
    page.get_by_text("2 of 6 blocks frozen").first.wait_for(timeout=10_000)
    assert book.truth("[lab.frozen, lab.preset, lab.explained]") == [2, "", ""]


def test_the_keyboard_alone_chooses_guesses_trains_and_reads_the_run(book):
    page = book.page
    page.get_by_test_id("block-0").focus()
    for key in ("ArrowRight", "ArrowRight", "Space"):
        page.keyboard.press(key)
    page.get_by_text("3 of 6 blocks frozen").first.wait_for(timeout=10_000)
    assert page.evaluate("document.activeElement.dataset.testid") == "block-2"
    page.get_by_test_id("preset-feature-extraction").focus()
    page.keyboard.press("Enter")
    page.get_by_text("5 of 6 blocks frozen").first.wait_for(timeout=10_000)
    page.get_by_test_id("guess").focus()
    page.keyboard.press("Home")
    for _ in range(7):
        page.keyboard.press("PageUp")
    page.get_by_test_id("train").focus()
    page.keyboard.press("Space")
    assert "You guessed" in book.status("done")
    row = page.get_by_test_id("runs").locator("tr").first.inner_text().split("\t")
    assert row[1] == "5" and row[-2] == "done"
    assert book.truth("[lab.runs[0]['guess'] == lab.guess > 0, net.fingerprint() == before]") == [True, True]


def test_train_stop_and_go_on(book):
    page = book.page
    page.get_by_test_id("preset-fine-tune").click()
    page.get_by_test_id("epochs").fill("60")
    page.get_by_test_id("train").click()
    book.status("running")
    page.wait_for_timeout(700)
    book.shot("freeze-during-light-1280")
    page.get_by_test_id("stop").click()
    book.status("stopped", timeout=10)
    steps = book.truth("lab.runs[-1]['steps']")
    page.get_by_role("button", name="Go on").click()
    book.status("running", "done")
    page.wait_for_timeout(500)
    if page.get_by_test_id("stop").is_enabled():
        page.get_by_test_id("stop").click()
    book.status("stopped", "done", timeout=60)
    assert book.truth("[len(lab.runs), lab.runs[-1]['steps']]")[0] == 2 and book.truth("lab.runs[-1]['steps']") > steps


def test_a_reload_while_training_comes_back_with_the_curve(book):
    page = book.page
    page.get_by_test_id("reset").click()
    book.status("ready")
    page.get_by_test_id("train").click()
    book.status("running")
    book.reload()
    book.status("running", "done", timeout=60)
    if page.get_by_test_id("stop").is_enabled():
        page.get_by_test_id("stop").click()
    book.status("stopped", "done", timeout=60)
    assert book.truth("len(lab.live.curve)") > 0
    assert "on val" in page.get_by_test_id("accuracy").get_attribute("aria-label")
    assert page.get_by_test_id("runs").locator("tr").count() == 3


def test_a_past_run_is_tested_and_its_settings_come_back(book):
    page = book.page
    page.get_by_test_id("test-1").click()
    page.get_by_test_id("runs").locator("tr").first.get_by_text("to").wait_for(timeout=20_000)
    page.get_by_test_id("again-1").click()
    page.get_by_text("5 of 6 blocks frozen").first.wait_for(timeout=10_000)
    page.get_by_test_id("show-code").locator("summary").click()
    assert "Stage(frozen=5, epochs=20" in page.get_by_test_id("code").inner_text()
    page.get_by_role("button", name="on val").click()
    heads = page.locator(".course-lab th[aria-sort]")
    assert heads.count() == 1 and heads.get_attribute("aria-sort") == "ascending"


def test_the_table_can_be_saved(book):
    with book.page.expect_download() as waiting:
        book.page.get_by_role("button", name="Save as CSV").click()
    lines = waiting.value.path().read_text().splitlines()
    assert len(lines) == 4 and lines[0].startswith('"run","frozen"')


def test_a_look_inside_a_block(book):
    page = book.page
    page.get_by_test_id("look-inside").locator("summary").click()
    page.get_by_test_id("inside").locator("img").nth(2).wait_for(timeout=20_000)
    page.get_by_test_id("inside-block").select_option("5")
    page.get_by_test_id("inside").get_by_text("what the network says").wait_for(timeout=20_000)
    page.get_by_role("button", name="Next picture").click()
    page.get_by_text("val 2 of 30").wait_for(timeout=20_000)
    page.get_by_test_id("block-2").click()
    page.get_by_test_id("inside").get_by_text("channels after stage2").wait_for(timeout=20_000)
    page.get_by_test_id("inside-block").select_option("1")
    page.get_by_test_id("inside").get_by_text("channels after stage1").wait_for(timeout=20_000)
    book.shots("freeze-after")


def test_narrow_and_dark_without_a_complaint(book):
    page = book.page
    for width in (800, 480):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(300)
        assert book.overflow() == []
    page.set_viewport_size({"width": 1280, "height": 1000})
    assert book.violations() == []
    book.theme("dark")
    assert book.violations() == []
    book.theme("light")


def test_a_long_network_is_grouped_and_opens(book):
    page = book.page
    book.truth("lab.close()")
    code = "lab = FreezeLab(cl.load('resnet50', images.classes, size=64), toy_images(train=6, val=3, test=3)); lab"
    page.locator(".jp-Cell[data-windowed-list-index='1'] .cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(code)
    page.keyboard.press("Control+Enter")
    page.get_by_text("17 of 18 blocks frozen").first.wait_for(timeout=60_000)
    few = page.locator("button.block").count()
    page.get_by_test_id("open-8").click()
    assert few <= 8 and page.locator("button.block").count() == few + 5
    page.get_by_test_id("block-9").click(modifiers=["Shift"])
    page.get_by_text("10 of 18 blocks frozen").first.wait_for(timeout=10_000)
    book.shot("freeze-resnet50-light-1280")


def test_nothing_left_the_machine_and_the_console_is_quiet(book):
    assert book.outside == []
    assert [line for line in book.console if "course" in line.lower() or "anywidget" in line.lower()] == []
