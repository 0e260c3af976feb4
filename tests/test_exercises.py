"""course_lib/exercises: of every task the stub fails, the solution passes, and wrong answers get a hint of their own.

pytest tests/test_exercises.py -k 02        # the tasks of lesson 02
"""

import re

import nbformat
import pytest

import course_lib as cl
from course_lib.errors import CourseError
from course_lib.exercises import Task, check, tasks
from course_lib.lessons import lessons

TASKS = tasks()
LESSONS = {path.stem[:2]: path for path in lessons()}

each_task = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)


def answer_to(task, code):
    """What the reader's code gives, or the error that it stops with."""
    names = dict(task.given())
    exec(compile(code, f"<{task.name}>", "exec"), names)
    return eval(task.answer, names)


def looked_at(task, answer, monkeypatch):
    monkeypatch.setattr("course_lib.exercises.task", lambda name: task)
    return check(task.name, answer)


def holds(widget):
    return all(found["state"] == "holds" for found in widget.results)


def said(widget):
    return " ".join(found["said"] for found in widget.results)


@each_task
def test_the_stub_is_not_solved_and_is_no_try(task, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress.json"))
    widget = check(task.name, answer_to(task, task.stub))
    assert not holds(widget) and widget.tries == 0


@each_task
def test_the_solution_solves_it(task):
    widget = check(task.name, answer_to(task, task.solution))
    assert holds(widget), widget.results


@each_task
def test_wrong_answers_get_hints_of_their_own(task):
    assert len(task.wrong) >= 2 and len({hint for _, hint in task.wrong}) == len(task.wrong)
    told = []
    for code, hint in task.wrong:
        widget = check(task.name, answer_to(task, code))
        assert not holds(widget)
        assert hint in said(widget), (hint, said(widget))
        told.append(said(widget))
    assert len(set(told)) == len(told)


@each_task
def test_the_lesson_holds_the_stub_and_the_check(task):
    lesson = task.name[:2]
    assert lesson in LESSONS, f"{task.name}: there is no lesson {lesson}"
    code = [cell.source.strip() for cell in nbformat.read(LESSONS[lesson], 4).cells if cell.cell_type == "code"]
    assert task.stub.strip() in code
    assert any(f'cl.check("{task.name}", {task.answer})' in source for source in code)


@pytest.mark.parametrize("lesson", LESSONS.values(), ids=LESSONS)
def test_a_lesson_has_three_exercises_and_checks_no_other(lesson):
    text = "\n".join(cell.source for cell in nbformat.read(lesson, 4).cells)
    checked = re.findall(r'cl\.check\("([^"]+)"', text)
    assert len(checked) >= 3 and set(checked) <= set(TASKS)


@pytest.fixture
def even():
    checks = (("it is even", lambda n: n % 2 == 0 or f"{n} is odd."), ("it is above 3", lambda n: n > 3))
    wrong = (("n = 5", "5 is odd"), ("n = 2", ""))
    return Task(
        "09-even", "Give an even number above 3.", "n = None", "n", checks, "n = 4", wrong, hints=("4 is even.",)
    )


def test_it_says_how_many_checks_hold(even, monkeypatch):
    assert "1 of 2 hold" in looked_at(even, 5, monkeypatch).sentence()
    assert holds(looked_at(even, 8, monkeypatch))


def test_nothing_yet_is_no_try(even, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress.json"))
    for nothing in (None, ..., (..., 3), {"a": ..., "b": 3}):
        widget = looked_at(even, nothing, monkeypatch)
        assert widget.tries == 0 and not holds(widget)
    assert looked_at(even, 5, monkeypatch).tries == 1


def test_an_error_in_the_reader_s_answer_is_told(even, monkeypatch):
    assert "TypeError" in said(looked_at(even, "four", monkeypatch))


def test_an_unknown_exercise_is_refused():
    with pytest.raises(CourseError, match="no exercise '99-none'"):
        cl.check("99-none", 1)
