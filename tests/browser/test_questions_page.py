"""Predict, Quiz and Exercise in a real JupyterLab: by mouse, by keyboard alone, over a reload and a restarted kernel.

pytest tests/browser/test_questions_page.py
"""

from __future__ import annotations

import pytest

PREDICT = (
    "from course_lib.widgets.predict import Predict",
    """
predict = Predict("How many of 100 new dogs will be named right, if only the head of the net is trained?", lesson="03", key="frozen")
predict
""",
)
CHOICE = (
    "from course_lib.widgets.predict import Predict",
    """
choice = Predict("Which net will be better with `5` images per class?", choices=["from scratch", "frozen body", "all blocks fine-tuned"], lesson="03", key="better")
choice
""",
)
QUIZ = (
    "from course_lib.widgets.quiz import Quiz",
    """
quiz = Quiz([
    {"ask": "What does a frozen layer keep?", "options": [
        ("its weights, whatever batch comes", True, "No gradient reaches them, so no step changes them."),
        ("its output, whatever picture comes", False, "The output is worked out from each picture anew."),
        ("its place on the disk", False, "Where a net is stored has nothing to do with freezing."),
    ]},
    {"ask": "What can move in a body with `requires_grad=False` in train mode?", "options": [
        ("the running mean of BatchNorm", True, "It follows the batches, gradient or not."),
        ("the running variance of BatchNorm", True, "It follows the batches, too."),
        ("the weights of its convolutions", False, "They get no gradient."),
    ]},
    {"ask": "Put the steps of feature extraction in order.", "steps": [
        ("load a pretrained net", "First there is something to take over."), ("freeze its body", "Then it is held."),
        ("put a new head on it", "The old head names other classes."), ("train the head", "With the body as it is."),
        ("compare on held-out images", "Last, and once."),
    ]},
], lesson="03", key="recap")
quiz
""",
)
EXERCISE = (
    "from course_lib.widgets.exercise import Exercise\nimport time",
    """
exercise = Exercise(
    "Write a function `mean(xs)`: the mean of a list of numbers, and 0 for an empty one.",
    [("`mean([1, 3])` is 2", lambda mean: mean([1, 3]) == 2),
     ("`mean([])` is 0", lambda mean: mean([]) == 0 or f"`mean([])` is {mean([])}."),
     ("a long list is no trouble", lambda mean: time.sleep(globals().get("pause", 0)) or mean([1.0] * 1000) == 1)],
    hints=["The mean is the sum by the count.", "What is `len([])`?"],
    solution="def mean(xs):\\n    return sum(xs) / len(xs) if xs else 0",
    lesson="03", key="mean")
exercise
""",
)


def restart(book) -> None:
    """A new kernel, as a reader gets it, and all cells run again."""
    book.restart()
    book.run_all()


def lab(book):
    """The widget; its cell holds the same texts as code."""
    return book.page.get_by_test_id("lab").first


def focused(book) -> str:
    return book.page.evaluate("document.activeElement.dataset.testid ?? ''")


def check_looks(book, name: str) -> None:
    """Nothing sticks out, narrow or wide, light or dark; axe has nothing to say; nothing leaves the machine."""
    book.shots(name)
    for theme in ("dark", "light"):
        book.theme(theme)
        for width in (800, 480):
            book.page.set_viewport_size({"width": width, "height": 1000})
            book.page.wait_for_timeout(300)
            assert book.overflow() == [], f"{theme}, {width} px"
        assert book.violations() == [], theme
        book.page.set_viewport_size({"width": 1280, "height": 1000})
    assert book.outside == []
    assert [line for line in book.console if "course" in line.lower()] == []


# Predict


@pytest.fixture(scope="module")
def predict(open_notebook):
    return open_notebook("predict", PREDICT)


def test_a_guess_starts_unset_and_is_dragged(predict):
    page = predict.page
    assert "No guess yet" in predict.status("open")
    slider, lock = page.get_by_test_id("guess"), page.get_by_test_id("lock")
    assert slider.get_attribute("aria-valuetext") == "no guess yet" and "unset" in slider.get_attribute("class")
    assert lock.is_disabled() and page.get_by_test_id("typed").input_value() == ""
    check_looks(predict, "predict-open")
    box = slider.bounding_box()
    page.mouse.click(
        box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    )  # the middle, where the browser has its thumb already
    page.locator("[data-testid=status]").filter(has_text="Your guess: 50 %").wait_for(timeout=5000)
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 2, steps=6)
    page.mouse.up()
    assert 70 < predict.truth("predict.value") < 90
    assert not lock.is_disabled()


def test_a_guess_is_set_by_the_keyboard_alone_and_a_wrong_one_is_answered(predict):
    page = predict.page
    page.get_by_test_id("guess").focus()
    page.keyboard.press("Home")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")
    assert focused(predict) == "typed" and page.get_by_test_id("typed").input_value() == "3"
    page.keyboard.press("Control+A")
    page.keyboard.type("620")
    page.get_by_test_id("error").filter(has_text="from 0 to 100 is needed").wait_for(timeout=5000)
    page.keyboard.press("Backspace")
    page.get_by_test_id("error").wait_for(state="hidden", timeout=5000)
    assert predict.truth("[predict.value, predict.locked]") == [62, False]


def test_the_result_is_held_back_until_the_guess_is_locked_by_the_keyboard(predict):
    page = predict.page
    predict.truth("predict.reveal(71.3, low=66, high=75).state")
    assert "Lock a guess first" in predict.status("waiting")
    assert "71.3" not in page.get_by_test_id("lab").inner_text()
    predict.shot("predict-waiting")
    page.get_by_test_id("typed").focus()
    for expected in ("guessing", "fairly-sure", "very-sure", "reason"):
        page.keyboard.press("Tab")
        assert focused(predict) == expected
        if expected == "fairly-sure":
            page.keyboard.press("Space")
    page.keyboard.type("the body knows animals")
    page.keyboard.press("Tab")
    assert focused(predict) == "lock"
    page.keyboard.press("Enter")
    said = predict.status("revealed")
    assert said == "Your prediction, locked: 62 % (fairly sure, because the body knows animals)."
    assert focused(predict) == "status"  # not lost with the button
    verdict = "You said 62 %. Measured: 71.3 % (95 % interval 66 to 75 %). Your guess was 9.3 points too low."
    assert page.get_by_test_id("verdict").inner_text() == verdict
    assert page.get_by_test_id("numberline").get_attribute("aria-label") == verdict
    assert predict.truth("[predict.value, predict.locked, predict.sure]") == [62, True, "fairly sure"]
    check_looks(predict, "predict-revealed")


def test_a_locked_guess_survives_a_reload_and_a_restart(predict):
    predict.reload()
    predict.page.get_by_test_id("lab").first.wait_for(timeout=30_000)
    assert "locked: 62 %" in predict.status("revealed")
    assert predict.page.get_by_test_id("guess").is_hidden()
    restart(predict)
    assert "locked: 62 %" in predict.status("locked")
    predict.truth("__import__('course_lib.progress').progress.clear('03')")
    predict.run_cell(1)
    assert "No guess yet" in predict.status("open")


def test_a_choice_by_mouse_and_keyboard(open_notebook):
    book = open_notebook("choice", CHOICE)
    page = book.page
    lab(book).get_by_text("from scratch").click()
    assert book.truth("choice.value") == "from scratch"
    page.get_by_test_id("choice-0").focus()
    page.keyboard.press("ArrowDown")
    assert book.truth("choice.value") == "frozen body"
    check_looks(book, "choice-open")
    page.get_by_test_id("lock").click()
    assert "locked: frozen body" in book.status("locked")
    book.truth("choice.reveal('all blocks fine-tuned').state")
    book.status("revealed")
    assert page.get_by_test_id("verdict").inner_text().endswith("It was: all blocks fine-tuned. It came out otherwise.")
    check_looks(book, "choice-revealed")


# Quiz


@pytest.fixture(scope="module")
def quiz(open_notebook):
    return open_notebook("quiz", QUIZ)


def option(book, number: int, text: str) -> int:
    return book.truth(f"[t.startswith({text!r}) for t in quiz.questions[{number}].texts].index(True)")


def test_a_wrong_answer_is_explained_and_tried_again_by_mouse(quiz):
    page = quiz.page
    check_looks(quiz, "quiz-open")
    assert "Where a net is stored" not in lab(quiz).inner_html() and page.get_by_test_id("check-0").is_disabled()
    lab(quiz).get_by_text("its place on the disk").click()
    page.get_by_test_id("check-0").click()
    page.get_by_test_id("said-0").filter(has_text="1 try so far").wait_for(timeout=5000)
    wrong = option(quiz, 0, "its place")
    assert (
        page.get_by_test_id(f"why-0-{wrong}").inner_text() == "Where a net is stored has nothing to do with freezing."
    )
    assert lab(quiz).get_by_text("No gradient reaches them, so").count() == 0
    lab(quiz).get_by_text("its weights, whatever").click()
    page.get_by_test_id("check-0").click()
    page.get_by_test_id("said-0").filter(has_text="Right after 2 tries.").wait_for(timeout=5000)
    assert (
        lab(quiz).get_by_text("No gradient reaches them, so").is_visible()
        and page.get_by_test_id("check-0").is_hidden()
    )
    assert quiz.truth("[quiz.questions[0].tries, quiz.questions[0].solved]") == [2, True]


def test_several_options_by_the_keyboard_alone(quiz):
    page = quiz.page
    places = [option(quiz, 1, text) for text in ("the running mean", "the running variance")]
    page.get_by_test_id("option-1-0").focus()
    for i in range(3):
        assert focused(quiz) == f"option-1-{i}"
        if i == places[0]:
            page.keyboard.press("Space")
        page.keyboard.press("Tab")
    assert focused(quiz) == "check-1"
    page.keyboard.press("Enter")
    page.get_by_test_id("said-1").filter(has_text="1 is missing").wait_for(timeout=5000)
    assert focused(quiz) == "check-1"
    page.get_by_test_id(f"option-1-{places[1]}").focus()
    page.keyboard.press("Space")
    page.get_by_test_id("check-1").focus()
    page.keyboard.press("Enter")
    page.get_by_test_id("said-1").filter(has_text="Right after 2 tries.").wait_for(timeout=5000)
    assert focused(quiz) == "said-1"


def test_steps_are_moved_by_buttons_and_arrow_keys(quiz):
    page = quiz.page
    order = [option(quiz, 2, text) for text in ("load", "freeze", "put", "train", "compare")]
    check_looks(quiz, "quiz-tried")
    for target, step in enumerate(order):
        standing = quiz.truth("quiz.chosen['2']")
        up = page.get_by_test_id(f"up-2-{step}")
        for count in range(standing.index(step) - target):
            if count == 0:
                up.click()
            else:
                page.keyboard.press("ArrowUp")  # the button has kept the focus while its row moved
                assert focused(quiz) in (f"up-2-{step}", f"down-2-{step}")
    assert quiz.truth("quiz.chosen['2']") == order
    page.get_by_test_id("check-2").click()
    page.get_by_test_id("said-2").filter(has_text="Right at the first try.").wait_for(timeout=5000)
    assert "3 of 3 questions right, 1 at the first try" in quiz.status("done")
    check_looks(quiz, "quiz-done")


def test_answers_of_a_quiz_survive_a_reload_and_a_restart(quiz):
    quiz.reload()
    assert "3 of 3 questions right" in quiz.status("done")
    restart(quiz)
    assert "3 of 3 questions right" in quiz.status("done")
    assert quiz.page.get_by_test_id("said-0").inner_text() == "Right after 2 tries."
    assert lab(quiz).get_by_text("It follows the batches, gradient or not.").is_visible()


# Exercise


TWO = (
    "from course_lib.widgets import Predict, Quiz",
    """
asked = lambda text: {"ask": text, "options": [("yes", True, "It is."), ("no", False, "It is not.")]}
Quiz([asked("Is a frozen body a fixed function?")])
""",
    """
last = Quiz([asked("Is test looked at last?")])
last
""",
)


def test_two_quizzes_on_a_page_do_not_take_each_other_s_choices(open_notebook):
    """Radio buttons of one name are one group, wherever on the page they stand."""
    book = open_notebook("two", TWO)
    labs = book.page.get_by_test_id("lab")
    for number in (0, 1):
        labs.nth(number).get_by_label("yes").check()
    assert [labs.nth(number).get_by_label("yes").is_checked() for number in (0, 1)] == [True, True]
    assert book.truth("list(last.chosen.values())") != [[]]


@pytest.fixture(scope="module")
def exercise(open_notebook):
    return open_notebook("exercise", EXERCISE)


def test_a_check_says_what_is_missing_and_hints_come_one_at_a_time(exercise):
    page = exercise.page
    assert exercise.status("ready") == "Not checked yet."
    assert page.get_by_test_id("solution").is_hidden()
    page.get_by_test_id("check").click()
    assert exercise.status("done") == "0 of 3 hold; not solved yet (1 try)."
    assert "There is no mean yet" in page.get_by_test_id("found-0").inner_text()
    page.get_by_test_id("hint").click()
    page.get_by_test_id("hints").get_by_text("The mean is the sum by the count.").wait_for(timeout=5000)
    assert page.get_by_test_id("hint").inner_text() == "Hint (1 left)" and "What is" not in lab(exercise).inner_html()
    exercise.truth("[exec('def mean(xs):\\n    return sum(xs) / len(xs)', globals()), 1][1]")
    page.get_by_test_id("check").click()
    page.get_by_test_id("status").filter(has_text="2 of 3 hold").wait_for(timeout=5000)
    assert "Your code stopped with ZeroDivisionError" in page.get_by_test_id("found-1").inner_text()
    check_looks(exercise, "exercise-tried")


def test_a_long_check_runs_while_the_page_answers_and_can_be_stopped(exercise):
    page = exercise.page
    exercise.truth("[globals().__setitem__('pause', 1.5), 1][1]")
    page.get_by_test_id("check").click()
    exercise.status("running")
    page.get_by_test_id("stop").click()
    exercise.status("stopped", "done", timeout=10)
    exercise.truth("[globals().__setitem__('pause', 0), 1][1]")


def test_an_exercise_is_solved_by_the_keyboard_alone_and_stays_solved(exercise):
    page = exercise.page
    page.get_by_test_id("hint").focus()
    page.keyboard.press("Enter")
    page.get_by_test_id("hint").filter(has_text="No more hints").wait_for(timeout=5000)
    page.get_by_test_id("solution").focus()
    page.keyboard.press("Enter")
    page.get_by_test_id("code").filter(has_text="if xs else 0").wait_for(timeout=5000)
    assert focused(exercise) == "code"
    exercise.truth("[exec('def mean(xs):\\n    return sum(xs) / len(xs) if xs else 0', globals()), 1][1]")
    page.get_by_test_id("check").focus()
    page.keyboard.press("Space")
    page.get_by_test_id("status").filter(has_text="Solved: all 3 hold").wait_for(timeout=5000)
    check_looks(exercise, "exercise-solved")
    exercise.reload()
    assert "Solved: all 3 hold" in exercise.status("done")
    restart(exercise)
    assert exercise.status("ready").startswith("Solved earlier")
    assert page.get_by_test_id("code").inner_text().endswith("if xs else 0")
