"""The file of answers: kept over a restart, merged between kernels, never lost, and forgotten when the reader says so.

pytest tests/test_progress.py
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

from course_lib import progress
from course_lib.cache.cached import KINDS as CACHED
from course_lib.cache.cached import clear as clear_cache
from course_lib.errors import CourseError
from course_lib.paths import ROOT


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch) -> Path:
    path = tmp_path / "mine" / "progress.json"  # its folder is made when it is first needed
    monkeypatch.setenv("COURSE_PROGRESS", str(path))
    return path


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    progress.add_arguments(parser)
    return progress.command(parser.parse_args(arguments))


def test_an_answer_is_there_for_the_next_kernel():
    assert progress.answer("03", "a") is None
    progress.keep("03", "a", {"guess": 62}, "prediction")
    code = "from course_lib import progress; print(progress.answer('03', 'a'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "{'guess': 62}"


def test_a_later_answer_takes_the_place_of_an_earlier_one_unless_it_is_locked():
    progress.keep("03", "a", {"guess": 1}, "prediction")
    assert progress.keep("03", "a", {"guess": 2}, "prediction", replace=False) == {"guess": 1}
    assert progress.answer("03", "a") == {"guess": 1}
    progress.keep("03", "a", {"guess": 3}, "prediction")
    assert progress.answer("03", "a") == {"guess": 3}


def test_two_kernels_that_answer_at_once_lose_nothing():
    code = (
        "import sys; from course_lib.progress import keep\n"
        "for i in range(60): keep('03', f'{sys.argv[1]}-{i}', {'i': i}, 'question')"
    )
    kernels = [subprocess.Popen([sys.executable, "-c", code, name]) for name in ("one", "other")]
    assert [kernel.wait(60) for kernel in kernels] == [0, 0]
    missing = [
        f"{name}-{i}" for name in ("one", "other") for i in range(60) if progress.answer("03", f"{name}-{i}") is None
    ]
    assert missing == []


def test_a_kernel_that_dies_with_the_lock_does_not_block_the_others():
    code = "import os; from course_lib import progress\nwith progress._locked(progress.path()): os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", code]).returncode != 0
    progress.keep("03", "a", {}, "question")
    assert progress.answer("03", "a") == {}


def test_a_lock_that_is_held_for_long_is_said(monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 0.05)
    with progress._locked(progress.path()), pytest.raises(CourseError, match="held by another program"):
        progress.keep("03", "a", {}, "question")


DAMAGE = {
    "cut off": '{"format": 1, "lessons": {"03": {"a"',
    "empty": "",
    "no text": b"\xff\xfe\x00",
    "a list": "[]",
    "no lessons": '{"format": 1}',
    "an answer without its kind": '{"format": 1, "lessons": {"03": {"a": {"answer": {}}}}}',
    "another program's": '{"format": "x", "lessons": {}}',
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_put_aside_and_said(file, damage):
    data = damage if isinstance(damage, bytes) else damage.encode()
    file.parent.mkdir()
    file.write_bytes(data)
    with pytest.warns(UserWarning, match=r"was damaged. It is kept as progress\.json\.damaged-"):
        assert progress.answer("03", "a") is None
    (aside,) = file.parent.glob("progress.json.damaged-*")
    assert aside.read_bytes() == data and not file.exists()
    progress.keep("03", "a", {"guess": 5}, "prediction")
    assert progress.answer("03", "a") == {"guess": 5} and aside.exists()


def test_a_file_of_a_newer_course_is_left_as_it_is(file):
    file.parent.mkdir()
    file.write_text('{"format": 2, "lessons": []}')
    for attempt in (
        lambda: progress.answer("03", "a"),
        lambda: progress.keep("03", "a", {}, "question"),
        progress.clear,
    ):
        with pytest.raises(CourseError, match="newer version"):
            attempt()
    assert file.read_text() == '{"format": 2, "lessons": []}'


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path, monkeypatch):
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "taken" / "progress.json"))
    with pytest.raises(CourseError, match="Set COURSE_PROGRESS"):
        progress.keep("03", "a", {}, "question")
    value, note = progress.Place("03", "a", "question").keep({"x": 1})
    assert value == {"x": 1} and "not kept" in note


def test_a_place_needs_a_lesson_and_a_key_or_none_of_them():
    assert progress.Place(None, None, "question").answer() == (None, "")
    for lesson, key, said in (
        ("03", None, "give both"),
        (None, "a", "give both"),
        ("", "a", "no name"),
        ("03", 3, "no name"),
    ):
        with pytest.raises(CourseError, match=said):
            progress.Place(lesson, key, "question")
    with pytest.raises(CourseError, match="there are prediction, question, exercise"):
        progress.keep("03", "a", {}, "riddle")


def fill() -> None:
    progress.keep("03", "a", {}, "prediction")
    progress.keep("03", "b", {}, "question", done=False)
    progress.keep("03", "c", {}, "question")
    progress.keep("01", "d", {}, "exercise", done=False)


def test_the_report_counts_each_lesson():
    fill()
    table = progress.report()
    assert [list(row[:4]) for row in table.rows] == [["01", "0", "0 of 0", "0 of 1"], ["03", "1", "1 of 2", "0 of 0"]]
    assert progress.report("01").column("exercises done") == ["0 of 1"]


def test_the_command_lists_and_forgets(file, capsys):
    assert run() == 0 and str(file) in capsys.readouterr().out
    fill()
    assert run() == 0 and "predictions made" in capsys.readouterr().out
    assert run("01", "--clear") == 0 and capsys.readouterr().out == "1 answer of lesson 01 forgotten.\n"
    assert progress.answer("01", "d") is None and progress.answer("03", "a") == {}
    with pytest.raises(CourseError, match="there are answers in 03"):
        run("01")
    assert run("--clear") == 0 and capsys.readouterr().out == "3 answers forgotten.\n"
    assert not file.exists()
    assert run("--clear") == 0 and "nothing to forget" in capsys.readouterr().out


def test_clearing_the_cache_leaves_the_default_place_alone(tmp_path, monkeypatch):
    monkeypatch.delenv("COURSE_PROGRESS")
    assert progress.path() == ROOT / "data" / "progress.json"
    monkeypatch.setattr(progress, "ROOT", tmp_path)  # as a reader has it: data/progress.json beside data/cache
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "data" / "cache"))
    fill()
    clear_cache(list(CACHED), 0.0)
    assert progress.answer("03", "a") == {}


def test_git_does_not_see_what_is_kept():
    names = [
        "progress.json",
        ".progress.json.lock",
        "progress.json.damaged-20260101-000000-000000",
        ".progress.json.ab.1.part",
    ]
    paths = [f"data/{name}" for name in names]
    listed = subprocess.run(["git", "check-ignore", *paths], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 128:
        pytest.skip("not a git checkout")
    assert listed.stdout.split() == paths


def test_what_is_kept_can_be_read_by_people(file):
    progress.keep("03", "ähnlich", {"reason": "weil"}, "prediction")
    assert "ähnlich" in file.read_text(encoding="utf-8")
    assert json.loads(file.read_text(encoding="utf-8"))["format"] == progress.FORMAT


def test_looking_at_progress_takes_no_torch_and_no_widgets():
    code = "import sys, course_lib.progress; print([m for m in ('torch', 'ipywidgets', 'matplotlib', 'numpy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
