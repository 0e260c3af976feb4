"""JupyterLab on loopback and a headless Chromium, for tests that look at a page as a reader does.

    def test_train(open_notebook):
        book = open_notebook("freeze", CELLS)                 # its cells are run
        book.page.get_by_test_id("train").click()
        assert book.truth("lab.live.state") == "running"      # what the kernel says

Needs Debian's (or any) Chromium; skipped where none is installed: `course doctor` says how to get it. With the environment
variable COURSE_SCREENSHOTS=FOLDER the tests keep the pictures that they take.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat
import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
FLAGS += ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]  # a camera that shows a green disk
TOKEN = "browser-test"
TESTS = Path(__file__).parents[1]
READY = """() => {  // the indicator alone says idle before a kernel is there, and then nothing would run
    const name = document.querySelector(".jp-KernelName"), state = document.querySelector(".jp-Notebook-ExecutionIndicator");
    return window.jupyterapp && name && !name.textContent.includes("No Kernel") && state && state.dataset.status === "idle";
}"""
TRUTH = "import json"  # the last cell of each notebook: rewritten for each question to the kernel


class Notebook:
    """A notebook that is open in JupyterLab.

    Attributes:
        page: Playwright's page. outside: addresses beyond this JupyterLab that the page asked for.
        console: errors that the page's console showed.
    """

    _number = itertools.count()

    def __init__(self, page: Any, address: str, name: str, cells: int) -> None:
        self.page, self.address, self.name, self.cells = page, address, name, cells
        self.outside: list[str] = []
        self.console: list[str] = []
        page.on("request", lambda request: self._note(request.url))
        page.on("console", lambda message: message.type == "error" and self.console.append(message.text))
        page.on("pageerror", lambda error: self.console.append(str(error)))

    def open(self) -> None:
        self.page.goto(f"{self.address}/doc/tree/{self.name}.ipynb?reset&token={TOKEN}")
        self.wait()

    def reload(self) -> None:
        """Save, and load the page anew, as a reader does; the kernel stays."""
        self.command("docmanager:save")
        self.page.reload()
        self.wait()

    def wait(self) -> None:
        self.page.wait_for_function(READY, timeout=180_000)

    def command(self, name: str, **arguments: Any) -> None:
        """One of JupyterLab's own commands, such as `runmenu:run-all`."""
        self.page.evaluate("([name, args]) => window.jupyterapp.commands.execute(name, args)", [name, arguments])

    def restart(self) -> None:
        """Restart the kernel through the menu's command, and say yes; it ends with its dialog, so it is not waited for."""
        self.page.evaluate("() => { window.jupyterapp.commands.execute('kernelmenu:restart') }")
        accept = self.page.locator(".jp-Dialog .jp-mod-accept")
        accept.wait_for(timeout=10_000)
        accept.click()
        accept.wait_for(state="detached", timeout=20_000)
        self.wait()

    def run_all(self, wait_for: str = "[data-testid=lab]") -> None:
        """Run all cells and wait for the widget."""
        with contextlib.suppress(Exception):  # it waits for the cells; a failed one is seen below
            self.command("runmenu:run-all")
        self.page.locator(wait_for).first.wait_for(timeout=120_000)

    def run_cell(self, number: int) -> None:
        """Click a cell's code and run it, as Ctrl+Enter does."""
        self.page.locator(f".jp-Cell[data-windowed-list-index='{number}'] .cm-content").click()
        self.page.keyboard.press("Control+Enter")

    def truth(self, expression: str, timeout: float = 60) -> Any:
        """What the kernel says an expression is; its JSON."""
        mark = f"truth {next(self._number)}:"
        self.page.locator(f".jp-Cell[data-windowed-list-index='{self.cells}'] .cm-content").click()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(f"import json; print({mark!r}, json.dumps({expression}))")
        self.page.keyboard.press("Control+Enter")
        output = self.page.locator(f".jp-Cell[data-windowed-list-index='{self.cells}'] .jp-OutputArea-output")
        output.get_by_text(mark).wait_for(timeout=1000 * timeout)
        return json.loads(output.inner_text().partition(mark)[2])

    def status(self, *states: str, timeout: float = 40) -> str:
        """Wait until the widget is in one of these states; the words of its status come back."""
        chosen = ", ".join(f"[data-testid=status][data-state={state}]" for state in states)
        found = self.page.locator(chosen).first
        found.wait_for(timeout=1000 * timeout)
        return found.inner_text()

    def theme(self, name: str) -> None:
        """`light` or `dark`."""
        self.command("apputils:change-theme", theme=f"JupyterLab {name.capitalize()}")
        wanted = "true" if name == "light" else "false"
        self.page.locator(f"body[data-jp-theme-light='{wanted}']").wait_for(state="attached", timeout=20_000)

    def shot(self, name: str, locator: str = "[data-testid=lab]") -> Path | None:
        """A picture of the widget, where COURSE_SCREENSHOTS names a folder."""
        folder = os.environ.get("COURSE_SCREENSHOTS")
        if not folder:
            return None
        path = Path(folder) / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.locator(locator).first.screenshot(path=path)
        return path

    def shots(self, name: str) -> None:
        """Pictures in light and dark, wide and narrow."""
        if not os.environ.get("COURSE_SCREENSHOTS"):
            return
        for theme in ("light", "dark"):
            self.theme(theme)
            for width in (1280, 800):
                self.page.set_viewport_size({"width": width, "height": 2000})
                self.page.wait_for_timeout(400)
                self.shot(f"{name}-{theme}-{width}")
        self.theme("light")
        self.page.set_viewport_size({"width": 1280, "height": 1000})

    def overflow(self) -> list[str]:
        """Controls of the widget that stick out of it to the right, or of the window."""
        return self.page.evaluate(
            """() => [...document.querySelectorAll("[data-testid=lab]")].flatMap((lab) => {
                const right = Math.min(lab.getBoundingClientRect().right, window.innerWidth) + 1;
                return [...lab.querySelectorAll("button, input, select, svg.chart, progress")]
                    .filter((e) => !e.closest(".scroll") && e.getBoundingClientRect().width > 0 && e.getBoundingClientRect().right > right)
                    .map((e) => e.outerHTML.slice(0, 120));
            })"""
        )

    def violations(self) -> list[str]:
        """What axe-core complains of in the widget."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page, context={"include": [["[data-testid=lab]"]]}).response["violations"]
        return [f"{v['id']}: {node['html'][:160]}" for v in found for node in v["nodes"]]

    def _note(self, url: str) -> None:
        if re.match(r"https?:|wss?:", url) and not url.startswith(self.address):
            self.outside.append(url)


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A JupyterLab on loopback: its address, and the folder of its notebooks."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine; `course doctor` says how to get it")
    folder = tmp_path_factory.mktemp("lab")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = folder / "home"
    quiet = home / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    quiet.parent.mkdir(parents=True)
    quiet.write_text('{"fetchNews": "false", "checkForUpdates": false}')  # no question about news over the widgets
    names = ("JUPYTER_CONFIG_DIR", "JUPYTERLAB_WORKSPACES_DIR", "JUPYTERLAB_SETTINGS_DIR", "IPYTHONDIR")
    environment = os.environ | dict.fromkeys(names, str(home)) | {"JUPYTER_TOKEN": TOKEN, "PYTHONPATH": _path()}
    environment["COURSE_PROGRESS"] = str(folder / "progress.json")  # never a reader's own
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--expose-app-in-browser"]
    command += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", f"--ServerApp.root_dir={folder}"]
    with open(folder / "log", "w") as log, subprocess.Popen(command, env=environment, stdout=log, stderr=log) as server:
        try:
            for _ in range(480):
                time.sleep(0.25)
                with socket.socket() as attempt:
                    if attempt.connect_ex(("127.0.0.1", port)) == 0:
                        break
            else:
                pytest.fail((folder / "log").read_text())
            yield f"http://127.0.0.1:{port}", folder
        finally:
            server.terminate()


@pytest.fixture(scope="session")
def browser(jupyter: tuple[str, Path]) -> Iterator[Any]:
    """A headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def open_notebook(jupyter: tuple[str, Path], browser: Any) -> Iterator[Callable[..., Notebook]]:
    """open_notebook("name", ["code of a cell", ...]) opens a notebook of these cells and runs them all."""
    address, folder = jupyter
    opened = []

    def open_(name: str, cells: Sequence[str], run: bool = True, **page: Any) -> Notebook:
        made = [nbformat.v4.new_code_cell(source.strip()) for source in (*cells, TRUTH)]
        metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        nbformat.write(nbformat.v4.new_notebook(cells=made, metadata=metadata), folder / f"{name}.ipynb")
        page = browser.new_page(**({"viewport": {"width": 1280, "height": 1000}} | page))
        book = Notebook(page, address, name, len(cells))
        opened.append(book)
        book.open()
        if run:
            book.run_all()
        return book

    yield open_
    for book in opened:
        with contextlib.suppress(Exception):
            book.command("kernelmenu:shutdown")
        book.page.close()


def _path() -> str:
    """Where a kernel finds the tests' toys, beside what this process was told."""
    return os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH", "")]))
