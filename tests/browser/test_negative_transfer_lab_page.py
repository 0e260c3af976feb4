"""NegativeTransferLab in a real JupyterLab: measure, stop, go on, by mouse and by keyboard only; views, narrow, dark."""

from __future__ import annotations

import pytest

SETUP = """
import os, tempfile
os.environ["COURSE_CACHE"] = tempfile.mkdtemp()
from toys import toy_images
from course_lib.training.recipes import feature_extraction, from_scratch
from course_lib.experiments.gap_records import record
from course_lib.experiments.transfer_gap import Case
from course_lib.widgets import negative_transfer_lab as module
images = toy_images(train=30, val=3, test=60)
quick = {"recipe": lambda n: from_scratch(epochs=2), "head": lambda n: feature_extraction(epochs=2)}
cases = [Case(source, n) for source in ("animals", "digits", "random") for n in (2, 5)]
for _ in record(images, "pawnet", cases, seeds=3, path=__import__("pathlib").Path("gaps.json"), **quick):
    pass
shipped = module.recorded_gaps
module.recorded_gaps = lambda *a, **k: shipped(*a, **k, path=__import__("pathlib").Path("gaps.json"))
"""
MAKE = """
lab = module.NegativeTransferLab(images, choices=["animals", "digits", "random"], source="digits", per_class=5, seeds=4, **quick)
lab
"""


@pytest.fixture(scope="module")
def book(open_notebook):
    book = open_notebook("transfer", (SETUP, MAKE))
    book.page.get_by_test_id("row-digits").wait_for(timeout=60_000)
    return book


def words(book, key: str) -> str:
    return book.page.get_by_test_id(f"gap-{key}").inner_text()


def test_what_ships_is_there_before_anything_is_measured(book):
    assert "recorded" in words(book, "animals") and "recorded" in words(book, "random")
    mean = book.truth(
        "[f'{100 * lab.recorded[lab.case].mean:+.1f}'.replace('-', chr(8722)), lab.recorded[lab.case].verdict]"
    )
    assert all(part in words(book, "digits") for part in mean)
    assert "6 results ship" in book.status("ready")
    book.shots("transfer-before")


def test_train_stop_and_go_on_by_mouse(book):
    page = book.page
    page.get_by_test_id("how").select_option("tuned")
    assert page.get_by_test_id("blocks").is_visible() and not page.get_by_test_id("row-random").is_visible()
    page.get_by_test_id("seeds").evaluate(
        "(e) => { e.value = 40; e.dispatchEvent(new Event('input')); e.dispatchEvent(new Event('change')); }"
    )
    page.get_by_test_id("train").click()
    book.status("running")
    page.get_by_test_id("gap-digits").get_by_text("live").wait_for(timeout=30_000)
    page.get_by_test_id("stop").click()
    book.status("stopped", timeout=15)
    done = book.truth("lab.gaps[lab.case].seeds")
    assert 1 <= done < 40 and book.truth("[lab.run.state, lab.how, lab.seeds]") == ["stopped", "tuned", 40]
    assert f"live, {done} seed" in words(book, "digits")
    book.shots("transfer-stopped")
    page.get_by_role("button", name="Go on").click()
    book.status("running")
    page.wait_for_timeout(800)
    page.get_by_test_id("stop").click()
    book.status("stopped", timeout=15)
    assert book.truth("lab.gaps[lab.case].seeds") > done


def test_the_keyboard_alone_chooses_a_case_and_measures_it(book):
    page = book.page
    page.get_by_test_id("reset").focus()
    page.keyboard.press("Enter")
    book.status("ready")
    page.get_by_test_id("how").focus()
    page.keyboard.press("ArrowUp")
    page.get_by_test_id("row-random").wait_for(timeout=10_000)
    page.get_by_test_id("seeds").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.get_by_test_id("row-animals").focus()
    page.keyboard.press("Space")
    page.get_by_test_id("row-animals").and_(page.locator("[aria-pressed=true]")).wait_for(timeout=10_000)
    assert page.evaluate("document.activeElement.dataset.testid") == "row-animals"
    page.get_by_test_id("seeds").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.testid") == "train"
    page.keyboard.press("Enter")
    said = book.status("done")
    assert said.startswith("done: animals, 5 images per class, frozen body") and "4 seeds" in said
    assert book.truth("[lab.source, lab.how, lab.seeds, lab.live.progress]") == ["animals", "frozen", 4, 1.0]
    assert "live, 4 seeds" in words(book, "animals") and "recorded" in words(book, "digits")


def test_the_views_say_the_same_as_the_kernel(book):
    page = book.page
    page.get_by_test_id("view-sizes").click()
    assert "recorded" in words(book, "2") and "live, 4 seeds" in words(book, "5")
    verdict = book.truth("lab.gaps[lab.case].verdict")
    assert verdict in words(book, "5")
    page.get_by_test_id("row-2").click()
    page.get_by_test_id("row-2").and_(page.locator("[aria-pressed=true]")).wait_for(timeout=10_000)
    assert book.truth("lab.per_class") == 2
    page.get_by_test_id("near").click()
    assert page.get_by_test_id("near").get_attribute("aria-pressed") == "true"
    page.get_by_test_id("near").click()
    page.get_by_test_id("row-5").click()
    page.get_by_test_id("view-sources").click()


def test_the_table_sorts_and_is_saved(book):
    page = book.page
    page.get_by_test_id("show-table").locator("summary").click()
    assert page.get_by_test_id("table").locator("tr").count() == 7
    page.get_by_role("button", name="gap", exact=True).click()
    shown = page.get_by_test_id("table").locator("tr td:nth-child(6)").all_inner_texts()
    gaps = [float(text.replace("\u2212", "-")) for text in shown]
    assert gaps == sorted(gaps)
    with page.expect_download() as saved:
        page.get_by_test_id("show-table").get_by_role("button", name="Save as CSV").click()
    lines = saved.value.path().read_text().splitlines()
    assert saved.value.suggested_filename == "gaps.csv" and len(lines) == 8 and "verdict" in lines[0]
    page.get_by_test_id("show-table").locator("summary").click()


def test_scores_are_worked_out_by_the_keyboard_and_stand_beside_the_gaps(book):
    page = book.page
    page.get_by_test_id("show-scores").locator("summary").focus()
    page.keyboard.press("Enter")
    page.get_by_test_id("score").focus()
    page.keyboard.press("Enter")
    page.get_by_test_id("status").filter(has_text="3 sources scored on 5 images per class").wait_for(timeout=30_000)
    rows = page.get_by_test_id("scores").locator("tr")
    assert rows.count() == 3
    animals, random = rows.nth(0).inner_text(), rows.nth(2).inner_text()
    gap, logme = book.truth("[lab.gaps[lab.case].mean, lab.scores['animals', 5].logme]")
    assert f"{100 * gap:+.1f}" in animals and f"{abs(logme):.2g}"[:4] in animals
    assert random.count("no old head") == 2 and "not measured yet" not in random
    assert book.violations() == []
    book.shots("transfer-scores")
    page.get_by_test_id("show-scores").locator("summary").click()


def test_the_code_is_shown(book):
    page = book.page
    page.get_by_test_id("show-code").locator("summary").click()
    code = page.get_by_test_id("code").inner_text()
    assert code == book.truth("lab.code") and "Case(source='animals', per_class=5)" in code
    page.get_by_test_id("show-code").locator("summary").click()


def test_what_cannot_be_is_said_in_place(book):
    page = book.page
    book.truth("lab.set_state({'per_class': 99})")
    page.get_by_test_id("error").filter(has_text="per_class=99").wait_for(timeout=10_000)
    assert book.violations() == []
    page.get_by_test_id("row-digits").click()
    page.get_by_test_id("error").wait_for(state="hidden", timeout=10_000)


def test_a_reload_shows_the_same(book):
    before = words(book, "animals")
    book.reload()
    book.page.get_by_test_id("row-digits").wait_for(timeout=30_000)
    assert words(book, "animals") == before and book.page.get_by_test_id("source").input_value() == "digits"


def test_narrow_dark_and_nothing_leaves_the_machine(book):
    page = book.page
    book.shots("transfer-after")
    for width in (800, 600):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(300)
        assert book.overflow() == []
    book.shot("transfer-600")
    book.theme("dark")
    assert book.violations() == []
    book.theme("light")
    assert book.violations() == []
    page.set_viewport_size({"width": 1280, "height": 1000})
    assert book.outside == [] and [said for said in book.console if "Error" in said] == []
