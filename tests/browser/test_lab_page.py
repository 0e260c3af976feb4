"""What all labs share, in a real JupyterLab: buttons by mouse and keyboard, reload, interrupt, cells run again, a lost line."""

from __future__ import annotations

import pytest

CELLS = ("from toy_lab import Counter", "counter = Counter(400, pause=0.01)\ncounter")


@pytest.fixture(scope="module")
def book(open_notebook):
    return open_notebook("counter", CELLS)


def test_train_stop_and_go_on_by_mouse(book):
    book.page.get_by_test_id("train").click()
    book.status("running")
    book.page.get_by_test_id("stop").click()
    said = book.status("stopped", timeout=10)
    done = int(said.split()[1])
    assert 0 < done < 400 and book.truth("counter.run.state") == "stopped"
    book.page.get_by_role("button", name="Go on").click()
    book.status("done")
    assert book.truth("[len(counter.run.items), counter.live.state]") == [400, "done"]


def test_the_keyboard_alone_sets_a_value_and_trains(book):
    page = book.page
    page.get_by_test_id("reset").focus()
    page.keyboard.press("Enter")
    book.status("ready")
    page.get_by_test_id("count").focus()
    page.keyboard.press("Home")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.testid") == "train"
    page.keyboard.press("Space")
    assert book.status("done") == "done: 5 of 5"
    assert book.truth("[counter.count, counter.run.items]") == [5, [1, 2, 3, 4, 5]]


def test_a_reload_while_training_shows_the_training_again(book):
    book.truth("[setattr(counter, 'count', 650), counter.reset()]")
    book.page.get_by_test_id("train").click()
    book.status("running")
    book.reload()
    book.status("running", "done", timeout=60)
    assert book.status("done") == "done: 650 of 650"
    assert book.truth("len(counter.live.curve)") == 650 * 2 * 4
    assert "counted to 650" in book.page.get_by_test_id("chart").get_attribute("aria-label")


def test_a_cell_run_again_leaves_no_old_thread(book):
    book.page.get_by_test_id("train").click()
    book.status("running")
    book.run_cell(1)
    book.status("ready")
    threads = "sorted(t.name for t in __import__('threading').enumerate() if t.name.startswith('course'))"
    assert book.truth(f"[__import__('time').sleep(0.5), {threads}][1]") == ["course Counter"]
    assert book.page.get_by_test_id("lab").count() == 1


def test_the_interrupt_button_stops_a_training(book):
    book.page.get_by_test_id("train").click()
    book.status("running")
    book.page.wait_for_timeout(400)
    book.command("kernelmenu:interrupt")
    said = book.status("stopped", timeout=10)
    assert 0 < int(said.split()[1]) < 400
    assert book.truth("counter.run.state") == "stopped"  # and the kernel still answers


def test_a_lost_line_comes_back_without_a_lost_point(book):
    page = book.page
    page.get_by_test_id("reset").click()
    book.status("ready")
    page.get_by_test_id("train").click()
    book.status("running")
    # A laptop's lid is closed: the browser's side of the line breaks off, and JupyterLab connects anew.
    page.evaluate(
        "() => window.jupyterapp.serviceManager.sessions && [...document.querySelectorAll('.jp-NotebookPanel')] && "
        "window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel._ws.close()"
    )
    assert book.status("done") == "done: 400 of 400"
    assert "counted to 400" in page.get_by_test_id("chart").get_attribute("aria-label")
    assert book.truth("[counter.run.state, len(counter.run.items)]") == ["done", 400]


def test_wrong_input_is_said_in_place(book):
    book.truth("counter.receive({'do': 'crash'})")
    book.page.get_by_test_id("error").filter(has_text="asked to crash").wait_for(timeout=10_000)
    assert book.violations() == []


def test_nothing_sticks_out_and_nothing_leaves_the_machine(book):
    book.page.set_viewport_size({"width": 800, "height": 900})
    book.page.wait_for_timeout(300)
    assert book.overflow() == []
    book.theme("dark")
    assert book.violations() == []
    book.shot("counter-dark-800")
    book.theme("light")
    assert book.violations() == []
    assert book.outside == []


def test_a_restarted_kernel_leaves_a_page_that_can_be_run_again(book):
    book.restart()
    book.run_all()
    book.status("ready")
    book.page.get_by_test_id("train").click()
    book.status("done")
