"""How every lesson in notebooks/ is written: small steps, constant headings, questions with widgets, no result typed by hand.

pytest tests/notebooks/test_lesson_form.py -k 04
"""

import ast
import re
import statistics

import nbformat
import pytest

from course_lib.lessons import lessons, parameters

CELLS = (40, 70)  # fewest and most in a lesson
WORDS = 2500
LINES, LONGEST = 4, 25  # of code in a cell: at most this many in the median, and in any
STEPS = ("Load", "Freeze", "Head", "Train", "Compare")  # of an experiment, in every lesson
ENDS = ("Key takeaways", "Exercises", "Quiz", "References")
SLIDES = {"slide", "subslide", "fragment", "skip", "notes", "-"}
LESSONS = lessons()

each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)

NUMBER = r"(?<![\w.])[+−-]?\d[\d.,]*(?:\s*(?:to|and|or|–|-)\s*\d[\d.,]*)?"
UNIT = r"(?:%|per ?cent\b|percentage|points?\b|times\b|nats?\b|seconds?\b|ms\b|s\b|fold\b)"
RESULT = re.compile(rf"{NUMBER}\s*-?{UNIT}|\baccurac(?:y|ies) (?:of|is|was|are|were) (?:about )?\d", re.IGNORECASE)
# A figure of somebody else's, with its year; a setting of statistics; a case that is only supposed; how long reading takes.
ALLOWED = re.compile(r"\b(?:19|20)\d\d\b|95 % interval|\bSuppose\b|\bTime:")


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
def test_the_steps_of_an_experiment_and_the_end_have_constant_headings(lesson):
    text = "\n".join(_prose(lesson))
    heads = [head.strip() for head in re.findall(r"^## (.+)$", text, flags=re.MULTILINE)]
    for wanted in (STEPS, ENDS):
        places = [heads.index(each) if each in heads else None for each in wanted]
        assert None not in places and places == sorted(places), f"{wanted} are not there in this order: {heads}"


@each_lesson
def test_a_reader_predicts_is_asked_again_and_is_asked_at_the_end(lesson):
    code = _code(lesson)
    assert len(re.findall(r"\bPredict\(", code)) >= 1 and len(re.findall(r"\.reveal\(", code)) >= 1
    wanted = 1 if lesson.stem.startswith("00") else 2  # two recall questions at the start, from lessons before
    assert len(re.findall(r"\bQuiz\(", code)) >= wanted
    assert len(re.findall(r"What did you see\?", "\n".join(_prose(lesson)))) >= 1


@each_lesson
def test_the_code_of_a_quiz_is_folded_as_it_holds_the_answers(lesson):
    cells = [cell for cell in nbformat.read(lesson, as_version=4).cells if "Quiz([" in cell.source]
    assert [cell.id for cell in cells if not cell.metadata.get("jupyter", {}).get("source_hidden")] == []


@each_lesson
def test_every_cell_says_what_it_is_on_a_slide(lesson):
    cells = nbformat.read(lesson, as_version=4).cells
    found = [cell.metadata.get("slideshow", {}).get("slide_type") for cell in cells]
    assert [number for number, kind in enumerate(found, 1) if kind not in SLIDES] == []
    assert found[0] == "slide" and found.count("slide") >= 5


@each_lesson
def test_prose_holds_no_result_typed_by_hand(lesson):
    texts = [*_prose(lesson), *_said(_code(lesson))]
    assert [sentence for text in texts for sentence in typed_results(text)] == []


@pytest.mark.parametrize(
    "text",
    [
        "A frozen body reaches 83 % here.",
        "It gained 5.5 points.",
        "Transfer is ahead by 3 to 5 points at 10 images.",
        "That is 18 times faster.",
        "The loss fell to 0.31 nats.",
        "It took 12 seconds.",
        "An accuracy of 0.83 is good.",
        "We find 80 per cent. See (Kim 2019) for another set.",
    ],
)
def test_a_typed_result_would_be_seen(text):
    assert len(typed_results(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "With 20 images a class, look again.",
        "Kornblith et al. (2019) found 1 to 3 points on 12 data sets.",
        "Bars are 95 % intervals.",
        "`lr=0.3` for 50 steps of `x = 3 %`? No: `50 %`.",
        "Suppose a network reaches 83 % on val.",
        "Time: 40 minutes, of which the machine needs 30 seconds.",
        "$p = 50 %$ is a coin.",
    ],
)
def test_what_is_no_result_is_left_alone(text):
    assert typed_results(text) == []


def typed_results(text: str) -> list[str]:
    """The sentences of a Markdown text that state a result in figures, and name neither a source nor a key."""
    text = re.sub(r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$\n]*\$|\{\w+: [^{}]+\}", " ", text, flags=re.DOTALL)
    text = text.replace("et al.", "et al")
    sentences = re.split(r"(?<=[.!?])\s+(?=[A-Z(*])|\n\s*\n|\n(?=[-|#0-9])", text)
    return [each.strip() for each in sentences if RESULT.search(each) and not ALLOWED.search(each)]


def _prose(lesson):
    return [cell.source for cell in nbformat.read(lesson, as_version=4).cells if cell.cell_type == "markdown"]


def _code(lesson):
    return "\n".join(cell.source for cell in nbformat.read(lesson, as_version=4).cells if cell.cell_type == "code")


def _said(code):
    """The texts that are given to `say`."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "say":
            yield from (
                part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)
            )


def _code_lines(source: str) -> list[str]:
    return [line for line in source.splitlines() if line.strip() and not line.strip().startswith("#")]
