"""DomainTaskLab in a real JupyterLab: knobs by mouse and by keyboard alone, pictures, statement, a transfer and its stop."""

from __future__ import annotations

import pytest

CELLS = (
    """
from course_lib.domains import panels, plan
from course_lib.widgets import domain_task_lab
panels.SOURCE_IMAGES = 400  # a tiny run: what is tested is the page
lab = domain_task_lab.DomainTaskLab(per_class=1, seeds=2)
""",
    "lab",
)
PIXELS = """(side) => [...document.querySelectorAll(`[data-testid=${side}-photo]`)].map((canvas) => {
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    return data.reduce((sum, value, i) => (sum * 31 + value * (i % 4 < 3 ? 1 : 0)) % 1000003, 7);
})"""
# The same sum of the kernel's own pixels.
KERNEL = """(lambda d: [__import__("functools").reduce(lambda s, v: (s * 31 + v) % 1000003, row, 7) for row in
    __import__("numpy").concatenate([d.permute(0, 2, 3, 1).numpy(), __import__("numpy").zeros((len(d), d.shape[2], d.shape[2], 1), "uint8")], 3)
    .reshape(len(d), -1).tolist()])(plan.pictures_of(lab.panels[{number}].domain)[2])""".replace("\n", " ")


@pytest.fixture(scope="module")
def book(open_notebook):
    book = open_notebook("domain_task", CELLS)
    measured(book)
    return book


def measured(book) -> None:
    """Wait until the statement belongs to the knobs as they are."""
    version = book.truth("lab._version")
    book.page.locator(f".statement[data-measuring=no][data-version='{version}']").wait_for(timeout=60_000)


def text(book, testid: str) -> str:
    return book.page.get_by_test_id(testid).inner_text()


def test_the_page_shows_the_very_pixels_and_labels_of_the_kernel(book):
    for number, side in enumerate(("source", "target")):
        assert book.page.evaluate(PIXELS, side) == book.truth(KERNEL.format(number=number))
        labels = book.truth(f"lab.scene.shown['panels']['{side}']['labels']")
        assert book.page.get_by_test_id(f"{side}-label").all_inner_texts() == labels
    assert "inductive transfer from another domain" in text(book, "kind")
    book.shots("start")


def test_a_domain_by_mouse_changes_pictures_and_statement(book):
    page, before = book.page, book.page.evaluate(PIXELS, "target")
    page.get_by_test_id("kind-same-same").click()
    measured(book)
    page.get_by_test_id("target_style").select_option("sketch")
    measured(book)
    after = page.evaluate(PIXELS, "target")
    assert after != before and after == book.truth(KERNEL.format(number=1))
    assert "transductive" in text(book, "kind") and "style: photo, then sketch" in text(book, "why")
    assert page.get_by_test_id("part-1").get_attribute("data-same") == "no"
    assert page.get_by_test_id("kind-other-same").get_attribute("aria-pressed") == "true"
    page.get_by_test_id("target_task").select_option("species")  # and cats come along
    measured(book)
    assert page.get_by_test_id("target_cats").is_checked() and book.truth("lab.target_cats") is True
    assert "40 labels, then 2;" in text(book, "part-2")
    book.shots("sketch")


def test_the_keyboard_alone_changes_domain_and_task(book):
    page = book.page
    page.get_by_test_id("kind-same-same").focus()
    page.keyboard.press("Enter")
    measured(book)
    page.get_by_test_id("source_animals").focus()
    # Tab goes from knob to knob; letters and arrows choose.
    order = []
    for _ in range(8):
        order.append(page.evaluate("document.activeElement.dataset.testid"))
        page.keyboard.press("Tab")
    names = ("animals", "cats", "style", "light", "camera", "background", "size", "task")
    assert order == [f"source_{name}" for name in names]
    before = page.evaluate(PIXELS, "source")
    page.get_by_test_id("source_light").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    measured(book)
    assert book.truth("lab.source_light") == "night" and page.evaluate(PIXELS, "source") != before
    page.get_by_test_id("source_task").focus()
    page.keyboard.press("ArrowDown")
    measured(book)
    assert book.truth("lab.source_task") == "ears"
    assert "inductive transfer from another domain" in text(book, "kind")


def test_swap_and_other_animals(book):
    page = book.page
    source, before = book.truth("repr(lab.panels[0])"), page.evaluate(PIXELS, "source")
    page.get_by_test_id("swap").click()
    measured(book)
    assert book.truth("repr(lab.panels[1])") == source and page.evaluate(PIXELS, "target") == before
    page.get_by_test_id("redraw").click()
    measured(book)
    assert page.evaluate(PIXELS, "target") != before
    assert page.get_by_test_id("source_light").input_value() == "day"


def test_another_size_is_another_feature_space(book):
    page = book.page
    page.get_by_test_id("target_size").select_option("32")
    measured(book)
    assert page.get_by_test_id("part-0").get_attribute("data-same") == "no"
    assert page.locator("[data-testid=target-photo]").first.evaluate("(c) => [c.width, c.clientWidth]") == [32, 64]
    assert page.evaluate(PIXELS, "target") == book.truth(KERNEL.format(number=1))


def test_what_is_not_allowed_is_said_in_place(book):
    page = book.page
    page.get_by_test_id("source_task").select_option("species")
    measured(book)
    page.get_by_test_id("source_cats").click()  # it is put back before one can look
    page.get_by_test_id("error").filter(has_text="needs cats").wait_for(timeout=10_000)
    assert book.truth("lab.source_cats") is True
    page.locator("[data-testid=source_cats]:checked").wait_for(timeout=10_000)
    assert book.violations() == []
    page.get_by_test_id("source_task").select_option("breed")
    measured(book)
    assert page.get_by_test_id("error").is_hidden()


def test_a_tiny_transfer_stops_goes_on_and_says_what_came_out(book):
    page = book.page
    page.get_by_test_id("reset").click()
    book.status("ready")
    page.get_by_test_id("kind-same-other").click()
    page.get_by_test_id("source_animals").select_option("target")
    page.get_by_test_id("target_animals").select_option("target")
    measured(book)
    page.get_by_test_id("transfer").click()
    book.status("running")
    page.wait_for_timeout(1500)
    page.get_by_test_id("stop").click()
    assert "stopped" in book.status("stopped", timeout=15)
    done = book.truth("len(lab.run.items)")
    page.get_by_role("button", name="Go on").click()
    assert book.status("done", timeout=150).startswith("done in")
    assert book.truth("len(lab.run.items)") > done > 0
    verdict = text(book, "verdict")
    assert (
        verdict == book.truth("lab.result.verdict")
        and "points (95 % interval" in verdict
        and "too few pairs" in verdict
    )
    assert page.get_by_test_id("transfers").locator("tr").count() == 1
    assert verdict in page.get_by_test_id("result").get_attribute("aria-label")
    assert page.get_by_test_id("code").text_content() == book.truth("lab.code")
    book.shots("done")


def test_nothing_sticks_out_and_nothing_leaves_the_machine(book):
    for width in (800, 480):
        book.page.set_viewport_size({"width": width, "height": 900})
        book.page.wait_for_timeout(300)
        assert book.overflow() == []
    book.theme("dark")
    assert book.violations() == []
    for width, height in ((800, 2600), (480, 4600)):  # high enough to be seen whole
        book.page.set_viewport_size({"width": width, "height": height})
        book.page.wait_for_timeout(300)
        book.shot(f"whole-dark-{width}")
    book.theme("light")
    assert book.violations() == []
    assert book.outside == [] and book.console == []
