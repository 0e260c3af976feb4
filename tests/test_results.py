"""course_lib/results.py: what may be recorded, how it reads, and reading it back.

pytest tests/test_results.py
"""

import json

import pytest
from nbformat import v4

from course_lib.errors import CourseError
from course_lib.results import MIME, UNITS, Record, read_records, record


def executed(*cells):
    """A notebook whose cells hold these records, as `record` leaves them."""
    outputs = [
        [v4.new_output("display_data", {MIME: {"name": name, "value": value, "unit": "%"}}) for name, value in cell]
        for cell in cells
    ]
    return v4.new_notebook(cells=[v4.new_code_cell("...", outputs=each) for each in outputs])


def test_outside_of_a_notebook_the_record_comes_back():
    assert record("frozen_10", 82.6, "%", low=79, high=86) == Record("frozen_10", 82.6, "%", 79.0, 86.0)


@pytest.mark.parametrize(
    "given, text",
    [
        (("a", 82.64, "%", 79, 86), "a: 82.6 % (95 % interval 79 to 86)"),
        (("a", 12000, "steps"), "a: 12,000 steps"),
        (("a", 0.05214, "loss"), "a: 0.0521"),
        (("a", 2.5, "ratio", 1.999, 3, "on 2 cores"), "a: 2.5 (95 % interval 2 to 3), on 2 cores"),
        (("a", -3.25, "points"), "a: -3.25 points"),
    ],
)
def test_a_record_in_words(given, text):
    assert str(record(*given)) == text


@pytest.mark.parametrize(
    "given, said",
    [
        (("Frozen 10", 1, "%"), "small letters"),
        (("a", 1, "percent"), "one of %"),
        (("a", float("nan"), "loss"), "not a result"),
        (("a", 1, "%", 0), "both ends"),
        (("a", 0.82, "%", 79, 86), "outside of its own interval"),
    ],
)
def test_what_cannot_be_a_result_is_refused(given, said):
    with pytest.raises(CourseError, match=said):
        record(*given)


def test_records_are_read_back_by_name(tmp_path):
    notebook = executed([("a", 1.0), ("b", 2.0)], [], [("c", 3.0)])
    assert {name: result.value for name, result in read_records(notebook).items()} == {"a": 1, "b": 2, "c": 3}
    path = tmp_path / "executed.ipynb"
    path.write_text(json.dumps(notebook))
    assert read_records(path) == read_records(notebook)


def test_within_a_cell_the_last_one_wins_and_two_cells_may_not_share_a_name():
    assert read_records(executed([("a", 1.0), ("a", 2.0)]))["a"].value == 2
    with pytest.raises(CourseError, match="named a"):
        read_records(executed([("a", 1.0)], [("a", 2.0)]))


def test_rounding_does_not_put_a_value_outside_of_its_interval():
    assert record("a", 100.0, "%", 96.3, 99.99999999999999).high < 100


@pytest.mark.parametrize("unit", UNITS)
def test_every_unit_can_be_recorded(unit):
    assert record("a", 1.5, unit).unit == unit
