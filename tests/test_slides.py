"""course_lib/slides: lessons as one page each, with the right things on the right slide, and nothing that is fetched.

pytest tests/test_slides.py
"""

import os
import re

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat import v4
from toy_slides import CELLS, write

from course_lib.cli import main
from course_lib.errors import CourseError
from course_lib.lessons import read_run
from course_lib.slides.command import run_at_hand
from course_lib.slides.deck import make_slides, write_slides


@pytest.fixture
def executed(tmp_path):
    """The path of an executed notebook of the cells above, as `course run` leaves one."""
    return write(tmp_path / "07_dogs.ipynb", CELLS)


def texts(slide):
    return [BeautifulSoup(part, "html.parser").get_text(" ", strip=True) for part in (*slide.parts, slide.notes)]


def test_each_cell_stands_where_its_word_says(executed):
    slides = make_slides(nbformat.read(executed, as_version=4), executed.parent)
    assert [slide.title for slide in slides] == ["Dogs & co", "Load", "Load", "Compare", "End"]
    assert [slide.headed for slide in slides] == [True, True, False, True, True]
    title, load, more, *_ = map(texts, slides)
    assert title[0].startswith("Dogs & co") and title[0].endswith("goes on") and len(title) == 2
    assert [part.split()[0] for part in load] == ["Load", "first", "second", "say"]
    assert "said by with the first" in load[1] and "first" not in load[2]
    assert more == ["more on loading no word at all", ""]


def test_what_is_skipped_is_in_no_slide(executed):
    page = write_slides(read_run(executed)).read_text()
    assert "goes on" in page and "secret" not in page


def test_injected_parameters_are_not_shown(tmp_path):
    notebook = v4.new_notebook(cells=[v4.new_markdown_cell("# A"), v4.new_code_cell("size = 'small'")])
    notebook.cells[0].metadata["slideshow"] = {"slide_type": "slide"}
    notebook.cells[1].metadata["tags"] = ["injected-parameters"]
    (slide,) = make_slides(notebook, tmp_path)
    assert "size" not in slide.parts[0] and slide.title == "A"


def test_a_lesson_without_slide_words_is_refused(tmp_path):
    plain = write(tmp_path / "08_plain.ipynb", [("", "# A"), ("fragment", "b"), ("skip", "c")])
    with pytest.raises(CourseError, match="08_plain has no slides: none of its cells"):
        write_slides(read_run(plain))


def test_the_page_fetches_nothing_and_runs_one_script_of_its_own(executed, fetched):
    page = write_slides(read_run(executed))
    found = fetched(page)
    assert len(found) == 1 and found[0].startswith('<script>"use strict";')
    soup = BeautifulSoup(page.read_text(), "html.parser")
    policy = soup.find("meta", {"http-equiv": "Content-Security-Policy"})["content"]
    assert policy.startswith("default-src 'none';") and "http" not in policy
    (script,) = re.findall(r"script-src ([^;]*);", policy)
    assert re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", script)
    assert "picture not in this page: remote" in soup.get_text() and soup.find("math")


def test_without_the_script_everything_is_there_in_order(executed):
    soup = BeautifulSoup(write_slides(read_run(executed)).read_text(), "html.parser")
    slides = soup.select("main > section.slide")
    assert [slide["aria-label"] for slide in slides][1:3] == ["2 of 5: Load", "3 of 5: Load"]
    assert [slide.find(class_="above") is not None for slide in slides] == [False, False, True, False, False]
    assert soup.nav.has_attr("hidden") and soup.title.get_text() == "Dogs & co: slides"
    assert [link["href"] for link in soup.select("dialog a")] == [f"#/{n}" for n in range(1, 6)]
    for fact in ("toy machine", "size = 'small'", "2026-11-21"):
        assert fact in soup.footer.get_text()


def test_a_run_is_taken_when_it_is_newer_and_fits(tmp_path):
    lesson = write(tmp_path / "07_dogs.ipynb", CELLS)
    out = tmp_path / "runs"
    out.mkdir()
    assert run_at_hand(lesson, out, {}) is None, "there is none yet"
    done = write(out / lesson.name, CELLS)
    os.utime(lesson, (1000, 1000))
    assert run_at_hand(lesson, out, {}).notebook == done
    assert run_at_hand(lesson, out, {"size": "small"}) and run_at_hand(lesson, out, {"size": "full"}) is None
    assert run_at_hand(lesson, tmp_path, {}) is None, "the lesson itself is no run"
    os.utime(done, (500, 500))
    assert run_at_hand(lesson, out, {}) is None, "the lesson was changed after it"
    write(out / lesson.name, CELLS, error="cell 3: no")
    assert run_at_hand(lesson, out, {}) is None, "it failed"


@pytest.fixture(scope="module")
def commanded(tmp_path_factory, write_lesson):
    """A toy lesson and one that fails through `course slides`, twice: (folder, [(status, printed, complained), ...])."""
    folder = tmp_path_factory.mktemp("slides")
    trained = "code:from course_lib.results import record\nrecord('trained_steps', 120, 'steps')"
    good = write_lesson(
        folder / "01_good.ipynb", "# Good", "parameters:size = 'small'", "code:print('size', size)", trained
    )
    bad = write_lesson(folder / "02_bad.ipynb", "# Bad", "parameters:size = 'small'", "code:1 / 0")
    for path in (good, bad):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            cell.metadata["slideshow"] = {"slide_type": "slide"}
        nbformat.write(notebook, path)
    said = []
    for lessons in ((good, bad), (good,), (good, "--size", "full")):
        with pytest.MonkeyPatch.context() as patch:
            printed = {"out": [], "err": []}
            for name, lines in printed.items():
                patch.setattr(f"sys.std{name}", type("Stream", (), {"write": lines.append, "flush": lambda: None}))
            status = main(["slides", *map(str, lessons), "--out", str(folder / "runs")])
        said.append((status, "".join(printed["out"]), "".join(printed["err"])))
    return folder / "runs", said


def test_the_command_runs_what_was_not_run_and_says_so(commanded):
    folder, ((status, out, err), *_) = commanded
    assert status == 1 and "01_good: no run in" in out and "02_bad: no run in" in out
    assert "course: 02_bad, cell 3 (Bad): ZeroDivisionError" in err
    assert (folder / "01_good_slides.html").is_file() and not (folder / "02_bad_slides.html").exists()


def test_the_command_takes_the_run_at_hand_and_says_so(commanded):
    _, (_, (status, out, err), _) = commanded
    assert status == 0 and "01_good: from its run of" in out and "size = 'small'" in out and err == ""


def test_the_size_that_is_asked_for_is_run(commanded):
    folder, (*_, (status, out, _)) = commanded
    assert status == 0 and "no run in" in out
    assert "said" not in out and "size full" in (folder / "01_good_slides.html").read_text()


def test_a_wrong_lesson_or_size_is_refused_before_anything_runs(tmp_path, write_lesson, capsys):
    lesson = write_lesson(tmp_path / "a.ipynb", "# A", "code:1")
    for arguments, said in (
        (["nowhere"], "There is no lesson 'nowhere'"),
        ([str(lesson), "--size", "full"], "has no parameter 'size'"),
        ([], "the following arguments are required"),
    ):
        assert main(["slides", *arguments, "--out", str(tmp_path / "runs")]) == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
