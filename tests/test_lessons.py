"""course_lib/lessons.py and export.py: small lessons, good and bad, run by `course run`, and the pages made of them.

pytest tests/test_lessons.py

Each lesson starts a kernel (1 to 2 s), so all of them are run once, by one command, and then looked at.
"""

from types import SimpleNamespace

import pytest
from nbformat import from_dict

from course_lib import doctor
from course_lib.cli import main
from course_lib.errors import CourseError
from course_lib.export import mathml
from course_lib.lessons import check_parameters, find, heading, hidden_errors, lessons, parameters, read_run, run

TRAINED = "code:from course_lib.results import record\nrecord('trained_steps', 120, 'steps')"
PARAMETERS = "parameters:size = 'full'  # or small\nseeds: int = 3\nrates = [0.1, 0.01]"
FIGURE = (
    "code:import io\nfrom matplotlib.figure import Figure\nfrom IPython.display import Image, display\n"
    "file = io.BytesIO(); figure = Figure((3, 2)); figure.add_subplot().plot([1, 3, 2]); figure.savefig(file)\n"
    "display(Image(file.getvalue(), metadata={'alt': 'Accuracy rises'}))"
)
CONNECT = "code:import socket\ntry:\n    socket.create_connection(('192.0.2.1', 80), 5)\nexcept OSError as error:\n    print(error)"
LESSONS = {
    "01_good": [
        "# A good lesson\n\nThe loss is $\\frac{1}{2}x^2$, see [the paper](https://example.org/paper).",
        PARAMETERS,
        "code:print('size is', size)",
        "## Compare\n\n![remote](https://example.org/picture.png)",
        FIGURE,
        "code:from IPython.display import HTML\nHTML('<p>in words</p><script src=\"https://example.org/x.js\"></script>')",
        "code:import ipywidgets\nipywidgets.VBox([ipywidgets.Button(description='Train')])",
        CONNECT,
        TRAINED,
        "folded:print('a question', end=''), 'and its answer'[:0]",
        "code:record('frozen_10', 82.6, '%', low=79, high=86, note='10 images per class')",
    ],
    "02_fails": ["# Fails", PARAMETERS, "## Train", "code:x = 1", "code:1 / 0", TRAINED],
    "03_refuses": [
        "# Refuses",
        PARAMETERS,
        "code:from course_lib.errors import CourseError\nraise CourseError('No such images.')",
    ],
    "04_hides": [
        "# Hides",
        PARAMETERS,
        "code:import ipywidgets\nout = ipywidgets.Output()\nwith out:\n    raise ValueError('hidden in a callback')\nout",
        TRAINED,
    ],
    "05_idle": [
        "# Idle",
        PARAMETERS,
        "code:from course_lib.results import record\nrecord('trained_steps', 0, 'steps')",
    ],
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory, write_lesson):
    """Every lesson above, run by one command: its exit status, what it printed, and the runs by name."""
    folder = tmp_path_factory.mktemp("lessons")
    paths = [write_lesson(folder / f"{name}.ipynb", *cells) for name, cells in LESSONS.items()]
    with pytest.MonkeyPatch.context() as patch:
        printed = SimpleNamespace(out=[], err=[])
        for name in ("out", "err"):
            stream = SimpleNamespace(write=getattr(printed, name).append, flush=lambda: None, isatty=lambda: False)
            patch.setattr(f"sys.std{name}", stream)
        status = main(["run", *map(str, paths), "--size", "small", "--out", str(folder / "runs")])
    runs = {path.stem: read_run(folder / "runs" / path.name) for path in paths}
    return SimpleNamespace(
        status=status, out="".join(printed.out), err="".join(printed.err), folder=folder / "runs", runs=runs
    )


def test_a_good_lesson_is_told_with_its_results(ran):
    good = ran.runs["01_good"]
    assert good.error is None
    assert good.title == "A good lesson"
    assert good.parameters == {"size": "small", "seeds": 3, "rates": [0.1, 0.01]}
    assert good.records["frozen_10"].value == 82.6 and good.records["frozen_10"].unit == "%"
    assert 0 < good.seconds < 300
    assert "size is small" in good.notebook.read_text()


@pytest.mark.parametrize(
    "name, error",
    [
        ("02_fails", "cell 5 (Train): ZeroDivisionError: division by zero"),
        ("03_refuses", "cell 3 (Refuses): No such images."),
        ("04_hides", "in an Output widget: ValueError: hidden in a callback"),
        ("05_idle", "trained zero steps"),
    ],
)
def test_a_bad_lesson_is_told_with_its_error(ran, name, error):
    assert ran.runs[name].error.startswith(error)
    assert f"course: {name}, {error}" in ran.err
    assert error in (ran.folder / f"{name}.html").read_text()


def test_one_bad_lesson_fails_the_command_after_the_others_have_run(ran):
    assert ran.status == 1
    assert "1 of 5 lessons ran well" in ran.out
    assert len(ran.err.splitlines()) == 4


def test_progress_names_the_lesson_the_cell_and_its_heading(ran):
    assert "[1/5] 01_good  5/11  Compare  " in ran.out
    assert "[5/5] 05_idle  failed  " in ran.out


def test_a_kernel_has_no_network_in_tests(ran):
    assert "tests run without a network" in ran.runs["01_good"].notebook.read_text()


def test_pages_need_nothing_else(ran, fetched):
    pages = sorted(ran.folder.glob("*.html"))
    assert len(pages) == len(LESSONS) + 1
    for page in pages:
        assert fetched(page) == [], page.name
        assert '<html lang="en">' in page.read_text()


def test_a_page_shows_figures_formulas_texts_and_says_what_was_run(ran):
    page = (ran.folder / "01_good.html").read_text()
    assert '<img alt="Accuracy rises" src="data:image/png;base64,' in page
    assert "<mfrac>" in page and "$" not in page.split("</style>")[1]
    assert "a question" in page and "and its answer" not in page, "the code of a quiz is not shown"
    assert (
        "in words" in page
        and "run it in JupyterLab" in page
        and "VBox(" not in page.split("</main>")[0].split("</pre>")[-1]
    )
    assert "frozen_10: 82.6 % (95 % interval 79 to 86), 10 images per class" in page
    assert "size = &#x27;small&#x27;" in page and doctor.device() in page
    assert '<a href="https://example.org/paper">' in page


def test_the_index_lists_every_lesson_with_its_results(ran):
    page = (ran.folder / "index.html").read_text()
    assert page.count("<tr><th scope=row>") == len(LESSONS) and page.count("class=bad") == 4
    for text in ("82.6 %", "79 to 86", 'href="01_good.html"', 'href="01_good.ipynb"', "ZeroDivisionError"):
        assert text in page


def test_nothing_half_written_is_left(ran):
    assert {path.suffix for path in ran.folder.iterdir()} == {".html", ".ipynb"}


def test_parameters_are_read_without_running(tmp_path, write_lesson):
    lesson = write_lesson(tmp_path / "a.ipynb", "# A", PARAMETERS, "code:1")
    assert parameters(lesson) == {"size": "full", "seeds": 3, "rates": [0.1, 0.01]}
    check_parameters(lesson, {"seeds": 5})
    for act in (check_parameters, lambda *given: run(*given, out=tmp_path)):
        with pytest.raises(CourseError, match="no parameter 'epochs'; it has size, seeds, rates"):
            act(lesson, {"epochs": 5})


def test_a_lesson_is_found_by_number_name_and_path(tmp_path, write_lesson, monkeypatch):
    lesson = write_lesson(tmp_path / "04_dogs.ipynb", "# A")
    other = write_lesson(tmp_path / "05_harm.ipynb", "# B")
    monkeypatch.setattr("course_lib.lessons.notebooks_dir", lambda: tmp_path)
    assert lessons() == [lesson, other]
    assert {find(name) for name in ("04", "4", "04_dogs", "04_dogs.ipynb", str(lesson))} == {lesson}
    for wrong in ("06", "dogs", "", "0", str(tmp_path / "x.ipynb")):
        with pytest.raises(CourseError, match="Lessons: 04_dogs, 05_harm"):
            find(wrong)


@pytest.mark.parametrize(
    "model, said",
    [
        (
            {"model_name": "CurveModel", "state": {"error": "loss is not finite"}},
            "in the widget CurveModel: loss is not",
        ),
        ({"model_name": "CurveModel", "state": {"error": ""}}, None),
        ({"model_name": "OutputModel", "state": {"outputs": []}}, None),
    ],
)
def test_errors_that_widgets_keep_are_found(model, said):
    state = {"application/vnd.jupyter.widget-state+json": {"state": {"1": model}}}
    found = list(hidden_errors(from_dict({"cells": [], "metadata": {"widgets": state}})))
    assert [error.startswith(said) for error in found] == ([True] if said else [])


def test_an_error_that_a_callback_printed_is_found():
    output = {"output_type": "error", "ename": "KeyError", "evalue": "'x'", "traceback": ["...", "KeyError: 'x'"]}
    notebook = from_dict({"cells": [{"outputs": [output]}], "metadata": {}})
    assert list(hidden_errors(notebook)) == ["cell 1: KeyError: 'x'"]


def test_the_last_heading_counts_and_code_is_no_heading():
    assert heading("# One\n\n## Two\n```python\n# not this\n```") == "Two"
    assert heading("no heading") is None


@pytest.mark.parametrize("latex", [r"\frac{", r"\nosuchcommand x", r"\arg\max"])
def test_a_formula_that_is_not_understood_stays_as_written(latex):
    assert mathml(latex).startswith("<code class=tex>")
