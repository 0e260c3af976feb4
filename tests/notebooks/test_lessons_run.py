"""Every lesson in notebooks/: that it runs at the small size, and that it shows what it says.

pytest tests/notebooks            # all lessons; nbval runs each of them a second time, as a reader would: pytest notebooks
pytest tests/notebooks -k 04      # one
"""

import time

import nbformat
import papermill
import pytest
from thresholds import THRESHOLDS, Threshold

from course_lib.export import write_page
from course_lib.lessons import lessons, parameters, run, tell
from course_lib.results import Record, read_records

LESSONS = lessons()

each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
each_threshold = pytest.mark.parametrize(
    "threshold", [pytest.param(each, id=f"{name}-{each.name}") for name, all in THRESHOLDS.items() for each in all]
)


@each_lesson
def test_a_lesson_runs_in_papermill_and_shows_what_it_says(lesson, tmp_path, fetched):
    given = {"size": "small"} if "size" in parameters(lesson) else {}
    started = time.monotonic()
    notebook = papermill.execute_notebook(lesson, None, given, cwd=lesson.parent, progress_bar=False)
    outcome = tell(notebook, lesson, given, tmp_path, time.monotonic() - started)
    assert outcome.error is None, outcome.error
    executed = nbformat.read(outcome.notebook, as_version=4)
    assert list(_noise(executed)) == []
    assert list(_without_words(executed)) == []
    problems = [threshold.problem(outcome.records) for threshold in THRESHOLDS.get(lesson.stem, [])]
    assert [problem for problem in problems if problem] == []
    page = write_page(outcome, lesson.parent)
    assert fetched(page) == []
    text = page.read_text(encoding="utf-8")
    assert "class=tex" not in text and 'class="tex"' not in text, (
        "a formula that MathML does not know; see export.mathml"
    )
    assert "picture not in this page" not in text


def test_course_run_gives_the_same_headline_results(tmp_path):
    """`course run` drives the cells itself; its other sides are tested with small lessons in tests/test_lessons.py."""
    lesson = LESSONS[0]
    outcome = run(lesson, {"size": "small"}, tmp_path / "course")
    assert outcome.error is None, outcome.error
    notebook = papermill.execute_notebook(lesson, None, {"size": "small"}, cwd=lesson.parent, progress_bar=False)
    of_papermill = read_records(notebook)
    steady = [name for name, each in outcome.records.items() if each.unit != "s"]
    assert steady and [outcome.records[name] for name in steady] == [of_papermill[name] for name in steady]


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


def _noise(notebook):
    """What a reader should not have to see: warnings and other text on stderr."""
    for number, cell in enumerate(notebook.cells, 1):
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and (output.name == "stderr" or "Warning" in output.text):
                yield f"cell {number}: {output.text[:200]}"


def _without_words(notebook):
    """Pictures that say nothing to who cannot see them."""
    for number, cell in enumerate(notebook.cells, 1):
        for output in cell.get("outputs", []):
            about = output.get("metadata", {}).get("image/png", {})
            if "image/png" in output.get("data", {}) and len(about.get("alt", "")) < 20:
                yield f"cell {number}: a picture without alt text"
