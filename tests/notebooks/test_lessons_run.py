"""Every lesson in notebooks/: how it is written, that it runs at the small size, and that it shows what it says.

pytest tests/notebooks            # all lessons; nbval runs each of them a second time, as a reader would: pytest notebooks
pytest tests/notebooks -k 04      # one
"""

import re
import statistics

import nbformat
import papermill
import pytest
from thresholds import THRESHOLDS, Threshold

from course_lib.export import write_page
from course_lib.lessons import lessons, parameters, run
from course_lib.results import Record, read_records

CELLS = (20, 70)  # fewest and most in a lesson
WORDS = 2500
LINES, LONGEST = 4, 25  # of code in a cell: at most this many in the median, and in any
LESSONS = lessons()

each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
each_threshold = pytest.mark.parametrize(
    "threshold", [pytest.param(each, id=f"{name}-{each.name}") for name, all in THRESHOLDS.items() for each in all]
)


@each_lesson
def test_a_lesson_runs_and_shows_what_it_says(lesson, tmp_path, fetched):
    declared = parameters(lesson)
    outcome = run(lesson, {"size": "small"} if "size" in declared else {}, tmp_path)
    assert outcome.error is None, outcome.error
    problems = [threshold.problem(outcome.records) for threshold in THRESHOLDS.get(lesson.stem, [])]
    assert [problem for problem in problems if problem] == []
    page = write_page(outcome, lesson.parent)
    assert fetched(page) == []
    text = page.read_text(encoding="utf-8")
    assert "class=tex" not in text and 'class="tex"' not in text, (
        "a formula that MathML does not know; see export.mathml"
    )
    assert "picture not in this page" not in text


@each_lesson
def test_plain_papermill_runs_it_too(lesson, tmp_path):
    given = {"size": "small"} if "size" in parameters(lesson) else {}
    papermill.execute_notebook(lesson, tmp_path / lesson.name, given, cwd=lesson.parent, progress_bar=False)
    assert "trained_steps" in read_records(tmp_path / lesson.name)


@each_lesson
def test_the_source_holds_no_outputs(lesson):
    notebook = nbformat.read(lesson, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.source for cell in cells if cell.outputs or cell.execution_count is not None] == []
    assert "widgets" not in notebook.metadata and "course" not in notebook.metadata
    assert notebook.metadata.kernelspec.name == "python3"


@each_lesson
def test_the_source_has_a_title_and_parameters(lesson):
    notebook = nbformat.read(lesson, as_version=4)
    assert notebook.cells[0].cell_type == "markdown" and notebook.cells[0].source.startswith("# ")
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1 and tagged[0].cell_type == "code"
    assert parameters(lesson).get("size", "small") == "small", "a lesson is small unless it is asked to be full"


@each_lesson
def test_the_source_is_made_of_small_steps(lesson):
    cells = nbformat.read(lesson, as_version=4).cells
    code = [len(_code_lines(cell.source)) for cell in cells if cell.cell_type == "code"]
    words = sum(len(re.findall(r"\w+", cell.source)) for cell in cells if cell.cell_type == "markdown")
    assert CELLS[0] <= len(cells) <= CELLS[1]
    assert statistics.median(code) <= LINES and max(code) <= LONGEST
    assert words <= WORDS


@each_lesson
def test_every_lesson_has_a_threshold(lesson):
    assert THRESHOLDS.get(lesson.stem), f"tests/notebooks/thresholds.py says nothing about {lesson.stem}"


def test_every_threshold_is_for_a_lesson():
    assert set(THRESHOLDS) <= {lesson.stem for lesson in LESSONS}


@each_threshold
def test_every_threshold_refuses_a_result_of_chance(threshold):
    assert threshold.low is not None or threshold.high is not None
    by_chance = Record(threshold.name, threshold.chance, threshold.unit)
    assert threshold.problem({threshold.name: by_chance}) is not None


def test_a_threshold_judges_the_value_the_unit_and_the_name():
    threshold = Threshold("frozen_10", "%", chance=10, low=60, high=99)
    assert threshold.problem({"frozen_10": Record("frozen_10", 82, "%")}) is None
    for wrong in (Record("frozen_10", 59, "%"), Record("frozen_10", 100, "%"), Record("frozen_10", 82, "ratio")):
        assert threshold.problem({"frozen_10": wrong}) is not None
    assert "nothing named frozen_10" in threshold.problem({})


def _code_lines(source: str) -> list[str]:
    return [line for line in source.splitlines() if line.strip() and not line.strip().startswith("#")]
