"""What a reader sees of each widget without JupyterLab: a page made by nbconvert (no kernel), and a Voila app (no code).

A widget is one line of WIDGETS: name, code, and, for Voila, what to press and what the kernel must then have put on the page.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import pytest

from course_lib.export import VIEW, body

TESTS = Path(__file__).parents[1]
PNG = "iVBORw0KGgo"  # how every PNG begins, in base64


class Widget(NamedTuple):
    """A widget to look at.

    Attributes:
        code: of a cell that ends with it.
        press: test ids to click one after the other in Voila.
        answer: words that the page shows after that; they come from the kernel.
    """

    code: str
    press: tuple[str, ...]
    answer: str


WIDGETS = {
    "counter": Widget("from toy_lab import Counter\nCounter(7)", ("train",), "done: 7 of 7"),
    "predict": Widget(
        "from course_lib.widgets.predict import Predict\nPredict('How many of 100?').reveal(71.3, low=66, high=75)",
        ("guess", "lock"),
        "Measured: 71.3 % (95 % interval 66 to 75 %)",
    ),
    "choice": Widget(
        "from course_lib.widgets.predict import Predict\nPredict('Which?', choices=['one', 'other']).reveal('other')",
        ("choice-1", "lock"),
        "Your prediction held.",
    ),
    "quiz": Widget(
        "from course_lib.widgets.quiz import Quiz\n"
        "Quiz([{'ask': 'Which?', 'options': [('a', True, 'It holds.'), ('b', True, 'It holds, too.')]}])",
        ("option-0-0", "option-0-1", "check-0"),
        "Right at the first try.",
    ),
    "freeze lab": Widget(
        "from toys import toy_images\nimport course_lib as cl\nfrom course_lib.widgets import FreezeLab\n"
        "images = toy_images()\nFreezeLab(cl.load('pawnet', images.classes), images, epochs=2)",
        ("train",),
        "done: stage 1",
    ),
    "picture drop": Widget(
        "from course_lib.widgets import PictureDrop\nPictureDrop('mine', ('cat',))", (), "cat: 0 pictures"
    ),
    "try a model": Widget(
        "from course_lib.widgets import TryModel\nfrom toy_model import Colours\nTryModel(Colours())",
        (),
        "which of 3 classes",
    ),
    "schedule lab": Widget(
        "from course_lib.widgets import ScheduleLab\nScheduleLab(cl.load('pawnet', images.classes), images)",
        (),
        "steps on",
    ),
    "landscape lab": Widget(
        "from course_lib.widgets import LandscapeLab\nLandscapeLab({'net': cl.load('pawnet', images.classes)}, images, points=8)",
        (),
        "At the point",
    ),
    "domain task lab": Widget("from course_lib.widgets import DomainTaskLab\nDomainTaskLab()", (), "What differs"),
    "negative transfer lab": Widget(
        "from course_lib.widgets import NegativeTransferLab\nNegativeTransferLab(cl.load_images('dogworld', per_class=6))",
        (),
        "Gap to training from scratch",
    ),
    "exercise": Widget(
        "from course_lib.widgets.exercise import Exercise\nx = 3\nExercise('Make `x` 3.', [('`x` is 3', lambda x: x == 3)])",
        ("check",),
        "Solved (1 try).",
    ),
}
names = pytest.mark.parametrize("name", WIDGETS)


def _environment(folder: Path) -> dict[str, str]:
    toys = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")]))
    return os.environ | {"COURSE_PROGRESS": str(folder / "progress.json"), "PYTHONPATH": toys}


def _write(folder: Path, widgets: dict[str, Widget]) -> Path:
    """A notebook with a heading and a cell for each widget."""
    cells = []
    for name, widget in widgets.items():
        cells += [nbformat.v4.new_markdown_cell(f"## {name}"), nbformat.v4.new_code_cell(widget.code)]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path = folder / "widgets.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)
    return path


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The notebook after a run without any page."""
    folder = tmp_path_factory.mktemp("executed")
    source, done = _write(folder, WIDGETS), folder / "done.ipynb"
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", str(source), str(done)]
    subprocess.run(command, check=True, env=_environment(folder), capture_output=True, timeout=120)
    return done


def _cell(notebook: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    return notebook.cells[2 * list(WIDGETS).index(name) + 1]


@names
def test_an_executed_notebook_carries_a_picture_and_words_for_each_widget(executed, name):
    (output,) = _cell(nbformat.read(executed, as_version=4), name).outputs
    assert {VIEW, "image/png", "text/plain"} <= set(output.data)
    assert output.data["image/png"].startswith(PNG) and len(output.metadata["image/png"]["alt"]) > 15
    assert not re.search(r"\bat 0x|^\w+\(", output.data["text/plain"])


@pytest.fixture(scope="module")
def exported(executed) -> str:
    """The page of `course run`."""
    return body(nbformat.read(executed, as_version=4), executed.parent)


@names
def test_the_course_s_own_page_shows_the_picture_with_its_words(exported, name):
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(exported, "html.parser")
    sections = [h.find_all_next("img")[0] for h in soup.find_all("h2") if h.get_text().strip().startswith(name)]
    (image,) = sections
    assert image["src"].startswith(f"data:image/png;base64,{PNG}") and len(image["alt"]) > 15
    assert VIEW not in exported


@pytest.fixture(scope="module")
def converted(executed) -> str:
    """The page of plain nbconvert, told to prefer pictures over widgets that nothing would answer."""
    priority = ["image/png", "text/html", "text/plain"]
    command = [sys.executable, "-m", "nbconvert", "--to", "html", f"--NbConvertBase.display_data_priority={priority}"]
    command += ["--output", "plain.html", str(executed)]
    subprocess.run(command, check=True, env=_environment(executed.parent), capture_output=True, timeout=120)
    return (executed.parent / "plain.html").read_text(encoding="utf-8")


@names
def test_plain_nbconvert_shows_the_picture(converted, name):
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(converted, "html.parser")
    outputs = soup.select(".jp-CodeCell .jp-OutputArea-output")
    assert len(outputs) == len(WIDGETS)
    shown = outputs[list(WIDGETS).index(name)]
    assert shown.img["src"].startswith(f"data:image/png;base64,{PNG}") and shown.img["alt"]
    assert not shown.select('script[type*="widget-view"]')


@pytest.fixture(scope="module")
def voila(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Voila app of all widgets on loopback; its address. Skipped where there is no browser, or no Voila."""
    pytest.importorskip("voila")
    folder = tmp_path_factory.mktemp("voila")
    source = _write(folder, WIDGETS)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "voila", str(source), "--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1"]
    directories = dict.fromkeys(("JUPYTER_CONFIG_DIR", "IPYTHONDIR"), str(folder / "home"))
    with open(folder / "log", "w") as log:
        server = subprocess.Popen(command, env=_environment(folder) | directories, stdout=log, stderr=log)
        try:
            for _ in range(240):
                time.sleep(0.25)
                with socket.socket() as attempt:
                    if attempt.connect_ex(("127.0.0.1", port)) == 0:
                        break
            else:
                pytest.fail((folder / "log").read_text())
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(20)


@pytest.fixture(scope="module")
def app(voila, browser):
    """The app in a browser that reaches nothing else; what it asked for beyond it is in `page.outside`."""
    page = browser.new_page(viewport={"width": 1000, "height": 1000})
    page.outside = []

    def look(route: Any) -> None:
        if route.request.url.startswith((voila, "data:", "blob:")):
            route.continue_()
        else:
            page.outside.append(route.request.url)
            route.abort()

    page.route("**/*", look)
    page.goto(voila, timeout=60_000)
    page.get_by_test_id("lab").nth(len(WIDGETS) - 1).wait_for(timeout=60_000)
    yield page
    page.close()


@names
def test_each_widget_answers_in_voila(app, name):
    widget = app.get_by_test_id("lab").nth(list(WIDGETS).index(name))
    for control in WIDGETS[name].press:
        widget.get_by_test_id(control).click(timeout=10_000)
    widget.get_by_text(WIDGETS[name].answer).first.wait_for(timeout=20_000)


def test_the_app_shows_no_code(app):
    assert app.get_by_text("from toy_lab import Counter").count() == 0


def test_the_widgets_ask_for_nothing_outside(app):
    """Voila's own page asks a public server for icon fonts, which it does without; a widget of ours asks for nothing."""
    assert [url for url in app.outside if "fontawesome" not in url] == []
