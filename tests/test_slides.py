"""course_lib/slides: lessons as one page each, with the right things on the right slide, and nothing that is fetched.

pytest tests/test_slides.py
"""

import os
import re
import shutil

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat import v4

from course_lib.cli import main
from course_lib.errors import CourseError
from course_lib.lessons import read_run
from course_lib.slides.command import run_at_hand
from course_lib.slides.deck import make_slides, write_slides

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
COURSE = {
    "title": "Dogs & co", "parameters": {"size": "small"}, "seconds": 3.0, "date": "2026-11-21T10:00+00:00",
    "machine": "toy machine", "versions": "Python 3", "error": None,
}  # fmt: skip
# (slide word, text; "code:" makes a code cell with the text as its output)
CELLS = [
    ("slide", "# Dogs & co\n\nThe loss is $\\frac{1}{2}$."),
    ("skip", "code:secret set-up"),
    ("-", "goes on"),
    ("slide", "## Load"),
    ("fragment", "first fragment"),
    ("-", "code:with the first"),
    ("fragment", "second fragment"),
    ("notes", "say this aloud"),
    ("subslide", "more on loading"),
    ("", "no word at all"),
    ("notes", "<img alt='wrong' src='data:image/png;base64,AAAA' onerror='document.title=\"ran\"'>"),
    ("slide", "## Compare\n\n" + "\n\n".join(f"line {i}" for i in range(60))),
    ("slide", "## End\n\n![remote](https://example.org/x.png) <script src='https://example.org/x.js'></script>"),
]


@pytest.fixture
def executed(tmp_path):
    """The path of an executed notebook of the cells above, as `course run` leaves one."""
    return write(tmp_path / "07_dogs.ipynb", CELLS)


def write(path, cells, **course):
    notebook = v4.new_notebook(metadata={"course": COURSE | course})
    for word, text in cells:
        if text.startswith("code:"):
            output = v4.new_output("stream", text=f"said by {text[5:]}")
            cell = v4.new_code_cell(f"print('{text[5:]}')", outputs=[output])
        else:
            cell = v4.new_markdown_cell(text)
        if word:
            cell.metadata["slideshow"] = {"slide_type": word}
        notebook.cells.append(cell)
    nbformat.write(notebook, path)
    return path


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


@pytest.fixture
def shown(executed):
    """The slides in a headless Chromium, from a file; `page.asked` lists what the page asked for."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine; `course doctor` says how to get it")
    playwright = pytest.importorskip("playwright.sync_api")
    path = write_slides(read_run(executed))
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 720}, has_touch=True)
        page.asked, page.wrong = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.wrong.append(str(error)))
        page.address = path.as_uri()
        page.goto(page.address)
        yield page
        browser.close()


def at(page):
    return page.locator("#at").inner_text()


def test_keys_move_and_fragments_come_one_by_one(shown):
    assert at(shown) == "1 / 5" and shown.locator(".slide:visible").count() == 1
    seen = []
    for _ in range(4):
        shown.keyboard.press("ArrowRight")
        seen.append((at(shown), shown.locator(".now .fragment.shown").count()))
    assert seen == [("2 / 5 (2 more)", 0), ("2 / 5 (1 more)", 1), ("2 / 5", 2), ("3 / 5", 0)]
    assert shown.url.endswith("#/3")
    shown.keyboard.press("ArrowLeft")
    assert at(shown) == "2 / 5" and shown.get_by_text("second fragment").is_visible(), "back shows the whole slide"
    shown.keyboard.press("ArrowLeft")
    assert at(shown) == "2 / 5 (1 more)" and not shown.get_by_text("second fragment").is_visible()
    shown.keyboard.press("End")
    assert at(shown) == "5 / 5"
    shown.keyboard.press("Home")
    assert (
        at(shown) == "1 / 5"
        and shown.evaluate("document.activeElement.getAttribute('aria-label')") == "1 of 5: Dogs & co"
    )


def test_a_slide_that_is_too_full_is_scrolled_before_the_next(shown):
    shown.goto(f"{shown.address}#/4")
    assert at(shown) == "4 / 5"
    assert not shown.get_by_text("line 59").evaluate("e => e.getBoundingClientRect().bottom < innerHeight")
    pressed = 0
    while at(shown) == "4 / 5" and pressed < 30:
        seen = shown.get_by_text("line 59").evaluate("e => e.getBoundingClientRect().bottom < innerHeight")
        shown.keyboard.press("PageDown")
        pressed += 1
    assert 1 < pressed < 30 and seen, "its end was seen before the next slide came"


def test_notes_the_list_clicks_and_swipes(shown):
    shown.goto(f"{shown.address}#/2")
    note = shown.get_by_text("say this aloud")
    assert not note.is_visible()
    shown.keyboard.press("n")
    assert note.is_visible()
    shown.keyboard.press("n")
    shown.keyboard.press("Escape")
    assert shown.locator("dialog").is_visible()
    shown.keyboard.press("ArrowRight")
    assert at(shown) == "2 / 5 (2 more)", "the list has the keys to itself"
    shown.locator("dialog a").nth(2).click()
    assert at(shown) == "3 / 5" and not shown.locator("dialog").is_visible()
    shown.mouse.click(1270, 300)
    assert at(shown) == "4 / 5"
    shown.mouse.click(640, 300)
    assert at(shown) == "4 / 5", "a click in the middle is no step"
    shown.mouse.click(10, 300)
    assert at(shown) == "3 / 5"
    shown.evaluate("""() => {
        const touch = (x) => new Touch({ identifier: 1, target: document.body, clientX: x, clientY: 300 });
        document.body.dispatchEvent(new TouchEvent("touchstart", { touches: [touch(800)], bubbles: true }));
        document.body.dispatchEvent(new TouchEvent("touchend", { changedTouches: [touch(500)], bubbles: true }));
    }""")
    assert at(shown) == "4 / 5"


def test_the_page_asks_for_nothing_and_runs_nothing_foreign(shown):
    for _ in range(8):
        shown.keyboard.press("PageDown")
    assert [url for url in shown.asked if not url.startswith(("data:", shown.address))] == []
    assert shown.wrong == [] and shown.title() == "Dogs & co: slides", "an attribute onerror did not run"


def test_on_paper_everything_is_there(shown):
    shown.emulate_media(media="print")
    shown.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert shown.locator(".slide:visible").count() == 5 and shown.get_by_text("second fragment").is_visible()
    assert not shown.locator("nav").is_visible() and not shown.get_by_text("say this aloud").is_visible()
