"""The freeze picker in a real JupyterLab in a real browser: mouse, keyboard, Train, Stop, and a narrow window.

Needs Debian's (or any) Chromium; skipped where none is installed: `course doctor` says how to get it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
TOKEN = "browser-test"
READY = """() => {  // the indicator alone says idle before a kernel is there, and then nothing would run
    const name = document.querySelector(".jp-KernelName"), state = document.querySelector(".jp-Notebook-ExecutionIndicator");
    return name && !name.textContent.includes("No Kernel") && state && state.dataset.status === "idle";
}"""
CELLS = (
    """
import sys
sys.path.insert(0, TESTS)
from toys import toy_images
import course_lib as cl
from course_lib.widgets.freeze import FreezePicker
images = toy_images(train=120, val=30, test=30)
net = cl.load("pawnet", classes=images.classes)
before = net.fingerprint()
""",
    "picker = FreezePicker(net, images, lambda frozen: cl.fine_tune(epochs=40, frozen=frozen))\npicker",
    "print([(run['frozen'], run['state']) for run in picker.runs], net.fingerprint() == before, repr(picker.error))",
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A JupyterLab on loopback with one notebook; its address."""
    folder = tmp_path_factory.mktemp("lab")
    tests = str(Path(__file__).parents[1])
    cells = [nbformat.v4.new_code_cell(source.strip().replace("TESTS", repr(tests))) for source in CELLS]
    nbformat.write(
        nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}}),
        folder / "picker.ipynb",
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = folder / "home"
    environment = os.environ | {
        "JUPYTER_TOKEN": TOKEN,
        "JUPYTER_CONFIG_DIR": str(home),
        "JUPYTERLAB_WORKSPACES_DIR": str(home),
        "JUPYTERLAB_SETTINGS_DIR": str(home),
    }
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        "--allow-root",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        f"--ServerApp.root_dir={folder}",
    ]
    with open(folder / "log", "w") as log, subprocess.Popen(command, env=environment, stdout=log, stderr=log) as server:
        for _ in range(240):
            time.sleep(0.25)
            with socket.socket() as attempt:
                if attempt.connect_ex(("127.0.0.1", port)) == 0:
                    break
        else:
            pytest.fail((folder / "log").read_text())
        yield f"http://127.0.0.1:{port}"
        server.terminate()


@pytest.fixture(scope="module")
def page(lab: str) -> Iterator[object]:
    """The notebook, opened, with all its cells run once."""
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.outside = []
        page.on(
            "request",
            lambda request: (
                request.url.startswith(("http:", "https:"))
                and not request.url.startswith(lab)
                and page.outside.append(request.url)
            ),
        )
        page.goto(f"{lab}/doc/tree/picker.ipynb?reset&token={TOKEN}")
        page.wait_for_function(READY, timeout=180_000)
        run_all(page)
        yield page
        browser.close()


def run_all(page: object) -> None:
    """Run all cells; once more where a busy machine lost the click while the page was still being built."""
    train = page.get_by_role("button", name="Train", exact=True)
    for _ in range(3):
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.locator(".lm-Menu-item[data-command='runmenu:run-all']").click()
        with contextlib.suppress(playwright.TimeoutError):
            train.wait_for(timeout=60_000)
            return
    train.wait_for(timeout=1_000)


def status(page: object) -> object:
    return page.locator("[role=status]", has_text=re.compile("ready|running|done|stopped|failed")).last


def test_says_what_is_frozen_in_words(page: object) -> None:
    assert (
        "5 of 6 blocks frozen" in page.locator(".jp-OutputArea-output").get_by_text("blocks frozen:").first.inner_text()
    )
    assert "ready" in status(page).inner_text()


def test_the_keyboard_alone_moves_the_cut_trains_and_shows_the_run(page: object) -> None:
    slider = page.get_by_role("slider").first
    slider.focus()
    page.keyboard.press("ArrowLeft")
    page.get_by_text("4 of 6 blocks frozen").first.wait_for(timeout=10_000)
    page.get_by_role("button", name="Train", exact=True).focus()
    page.keyboard.press("Space")
    page.locator("[role=status]", has_text="done").wait_for(timeout=120_000)
    row = page.locator(".jp-OutputArea-output table tbody tr").first.inner_text()
    assert row.split("\t")[0] == "4" and row.split("\t")[-1] == "done", row


def test_stop_ends_a_run_early_and_keeps_it(page: object) -> None:
    slider = page.get_by_role("slider").first
    slider.focus()
    page.keyboard.press("Home")
    page.get_by_text("0 of 6 blocks frozen").first.wait_for(timeout=10_000)
    page.get_by_role("button", name="Train", exact=True).click()
    page.locator("[role=status]", has_text="running").wait_for(timeout=60_000)
    page.get_by_role("button", name="Stop", exact=True).click()
    page.locator("[role=status]", has_text="stopped").wait_for(timeout=30_000)
    page.locator(".jp-OutputArea-output table tbody tr", has_text="stopped").wait_for(timeout=30_000)


def test_nothing_needs_a_wide_window_or_another_host(page: object, tmp_path: Path) -> None:
    page.set_viewport_size({"width": 800, "height": 900})
    page.wait_for_timeout(500)
    for name in ("Train", "Stop"):
        box = page.get_by_role("button", name=name, exact=True).bounding_box()
        assert box and box["x"] >= 0 and box["x"] + box["width"] <= 800, (name, box)
    page.screenshot(path=os.environ.get("COURSE_SCREENSHOT", str(tmp_path / "picker.png")))
    assert page.outside == []


def test_the_kernel_agrees_and_the_start_is_untouched(page: object) -> None:
    page.locator(".jp-Cell[data-windowed-list-index='2'] .cm-content").click()
    page.keyboard.press("Control+Enter")
    output = page.locator(".jp-Cell[data-windowed-list-index='2'] .jp-OutputArea-output")
    output.get_by_text("stopped").wait_for(timeout=30_000)
    assert output.inner_text().strip() == "[(4, 'done'), (0, 'stopped')] True ''"
