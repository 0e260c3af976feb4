"""Predict, Quiz and Exercise without a browser: every command, what is kept, and what the page must not know too early.

pytest tests/test_questions.py
"""

from __future__ import annotations

import json
import statistics
import threading

import numpy as np
import pytest

from course_lib import progress
from course_lib.errors import CourseError
from course_lib.widgets.exercise import Exercise
from course_lib.widgets.predict import Predict
from course_lib.widgets.quiz import Quiz

QUESTIONS = [
    {
        "ask": "What does a `frozen` layer keep?",
        "options": [
            ("its weights", True, "No gradient reaches them."),
            ("its inputs", False, "They change with every picture."),
            ("its place in the net", False, "That is true of every layer."),
        ],
    },
    {
        "ask": "Which of these move while the head is trained?",
        "options": [
            ("the weights of the head", True, "They are trained."),
            ("BatchNorm's statistics in train mode", True, "They follow the batches."),
            ("the frozen weights", False, "They are frozen."),
        ],
    },
    {
        "ask": "Put the steps in order.",
        "steps": [("Load", "First there is a net."), ("Freeze", "Then it is held."), ("Train", "Last.")],
    },
]
SECRETS = [text for question in QUESTIONS for *_, text in question.get("options", question.get("steps"))]


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress.json"))
    return tmp_path / "progress.json"


def sent(widget) -> str:
    """All that the page knows."""
    state = {name: value for name, value in widget.get_state().items() if name not in ("_esm", "_css")}
    return json.dumps([state, widget.live.get_state()], default=str)


def press(widget, command: str, settings: dict | None = None, **arguments) -> str:
    """What the page's button sends; the error that the widget shows then."""
    widget.receive({"do": command, "with": arguments, "settings": settings or {}})
    widget.worker.join(10)
    return widget.live.error


# Predict


def test_a_guess_is_locked_by_the_page_and_comes_back_after_a_restart():
    predict = Predict("How many?", lesson="03", key="many")
    assert predict.value is None and not predict.locked and predict.told["state"] == "open"
    assert "no guess to lock" in press(predict, "lock_guess") and not predict.locked
    predict.set_state({"value": 61})
    assert press(predict, "lock_guess", {"value": 62.0, "sure": "guessing", "reason": "because"}) == ""
    assert (predict.value, predict.locked, predict.told["state"]) == (62.0, True, "locked")
    again = Predict("How many?", lesson="03", key="many")
    assert (again.value, again.locked, again.sure, again.reason) == (62.0, True, "guessing", "because")
    progress.clear("03")
    assert Predict("How many?", lesson="03", key="many").value is None


def test_a_locked_guess_cannot_be_changed_by_page_or_code():
    predict = Predict("How many?", lesson="03", key="many")
    predict.value = 40
    assert predict.lock() == 40 and predict.lock() == 40
    for settings, said in (
        ({"value": 50}, "is locked"),
        ({"reason": "x"}, "is locked"),
        ({"locked": False}, "cannot be set"),
    ):
        predict.set_state(settings)
        predict.worker.join(10)
        assert said in predict.live.error, settings
    assert predict.value == 40 and predict.locked and predict.reason == ""
    with pytest.raises(CourseError, match="course progress --clear"):
        predict.value = 50


def test_the_guess_that_another_kernel_locked_first_stays():
    one, other = (Predict("How many?", lesson="03", key="many") for _ in range(2))
    one.value, other.value = 10, 90
    assert one.lock() == 10
    assert other.lock() == 10 and other.value == 10


def test_the_result_is_held_back_until_the_guess_is_locked():
    predict = Predict("How many?")
    predict.value = 62
    predict.reveal(71.32, low=66, high=75)
    assert predict.told["state"] == "waiting" and "71.3" not in sent(predict)
    press(predict, "lock_guess")
    assert predict.told["state"] == "revealed" and predict.told["truth"]["value"] == 71.32
    assert (
        predict.verdict()
        == "You said 62 %. Measured: 71.3 % (95 % interval 66 to 75 %). Your guess was 9.3 points too low."
    )


@pytest.mark.parametrize(
    ("guess", "said"),
    [
        (71.3, "as far as a guess can tell"),
        (74, "2.7 points too high, and lies inside the interval."),
        (90, "18.7 points too high."),
    ],
)
def test_how_far_off_a_guess_was(guess, said):
    predict = Predict("How many?")
    predict.value = guess
    assert said in predict.reveal(71.3, low=66, high=75).verdict()


def test_the_reader_may_see_the_result_without_a_prediction():
    predict = Predict("How many?")
    predict.set_state({"value": 62})
    predict.reveal(71)
    assert press(predict, "show_anyway") == ""
    assert predict.told["verdict"] == "No prediction was made. Measured: 71 %." and predict.value is None
    predict.value = 71  # too late: the result was seen
    assert predict.lock() == 71 and not predict.locked


def test_without_a_page_a_guess_is_set_in_code_or_not_at_all():
    predict = Predict("How long?", 0, 60, "s")
    assert repr(predict) == "Predict: How long? Nothing guessed yet."
    predict.reveal(12.5)
    assert repr(predict) == "Predict: How long? No prediction was made. Measured: 12.5 s."
    predict.value = np.float32(30)
    assert predict.lock() == 30 and "17.5 s too high" in repr(predict)


def test_a_prediction_among_choices():
    predict = Predict("Which is better?", choices=["from scratch", "frozen body"], lesson="03", key="better")
    assert "none of the choices" in press(predict, "lock_guess", {"value": "neither"})
    assert press(predict, "lock_guess", {"value": "frozen body"}) == ""
    assert (
        predict.reveal("frozen body").verdict() == "You said: frozen body. It was: frozen body. Your prediction held."
    )
    assert predict.reveal("from scratch").verdict().endswith("It came out otherwise.")
    assert (
        Predict("Which is better?", choices=["from scratch", "frozen body"], lesson="03", key="better").value
        == "frozen body"
    )


def test_an_answer_to_another_question_of_that_name_is_not_shown_and_may_be_replaced():
    old = Predict("How many?", lesson="03", key="many")
    old.value = 62
    old.lock()
    new = Predict("Which?", choices=["one", "other"], lesson="03", key="many")
    assert new.value is None and "does not fit this question" in new.told["note"]
    new.value = "one"
    assert new.lock() == "one" and progress.answer("03", "many")["guess"] == "one"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Predict(""), "the question of Predict has to be a text"),
        (lambda: Predict("?", 5, 5), "the first below the second"),
        (lambda: Predict("?", step=0), "step=0"),
        (lambda: Predict("?", choices=["one"]), "at least two texts"),
        (lambda: Predict("?", choices=["one", "one"]), "twice"),
        (lambda: Predict("?", 0, 1, choices=["one", "other"]), "leave them out"),
        (lambda: Predict("?", key="a"), "give both"),
        (lambda: Predict("?").reveal("much"), "a number in the unit"),
        (lambda: Predict("?").reveal(float("nan")), "a number in the unit"),
        (lambda: Predict("?").reveal(5, low=6, high=7), "around the value"),
        (lambda: Predict("?").reveal(5, low=4), "both ends"),
        (lambda: Predict("?", choices=["one", "other"]).reveal("third"), "one of 'one', 'other'"),
    ],
)
def test_a_prediction_that_makes_no_sense_is_refused(make, said):
    with pytest.raises(CourseError, match=said):
        make()


@pytest.mark.parametrize("value", [-1, 101, "much", True, float("nan"), [5]])
def test_a_guess_out_of_range_is_answered_in_place(value):
    predict = Predict("How many?")
    predict.set_state({"value": 12})
    predict.set_state({"value": value})
    predict.worker.join(10)
    assert "from 0 to 100 is needed" in predict.live.error and predict.value == 12


# Quiz


def right(quiz: Quiz, number: int) -> None:
    asked = QUESTIONS[number]
    texts = (
        [text for text, *_ in asked["steps"]]
        if "steps" in asked
        else [text for text, holds, _ in asked["options"] if holds]
    )
    quiz.choose(number, *texts)


def test_a_right_answer_shows_every_explanation_and_counts():
    quiz = Quiz(QUESTIONS, lesson="03", key="recap")
    for number in range(3):
        right(quiz, number)
        assert press(quiz, "check", question=number) == ""
        told = quiz.told["questions"][number]
        assert (
            told["solved"] and not told["open"] and all(told["feedback"]) and told["said"] == "Right at the first try."
        )
    assert quiz.sentence() == "3 of 3 questions right, 3 at the first try."
    assert progress.report("03").column("questions right") == ["3 of 3"]


def test_the_page_does_not_know_what_is_right_before_a_check():
    quiz = Quiz(QUESTIONS, lesson="03", key="recap")
    assert [secret for secret in SECRETS if secret in sent(quiz)] == []
    assert all(set(q["feedback"]) == {None} and q["answer"] is None for q in quiz.told["questions"])
    assert 'right": ' not in sent(quiz).replace("questions right", "")
    quiz.choose(0, "its inputs")
    quiz.check(0)
    assert [secret for secret in SECRETS if secret in sent(quiz)] == [
        "They change with every picture."
    ]  # the one chosen


def test_a_wrong_answer_is_explained_counted_and_may_be_tried_again():
    quiz = Quiz(QUESTIONS, lesson="03", key="recap")
    quiz.choose(0, "its inputs")
    press(quiz, "check", question=0)
    asked = quiz.questions[0]
    assert asked.tries == 1 and asked.open and "choose again (1 try so far)" in asked.said()
    right(quiz, 0)
    press(quiz, "check", question=0)
    assert asked.solved and asked.said() == "Right after 2 tries."
    press(quiz, "check", question=0)
    assert asked.tries == 2  # an answered question stays as it is


def test_several_right_options_say_what_is_missing_and_what_is_too_much():
    quiz = Quiz(QUESTIONS)
    quiz.choose(1, "the weights of the head", "the frozen weights")
    quiz.check(1)
    assert quiz.questions[1].said() == "Not yet: 1 of the chosen does not hold and 1 is missing (1 try so far)."
    known = [entry["right"] for entry in quiz.questions[1].feedback() if entry]
    assert sorted(known) == [False, True]


def test_steps_say_how_far_they_are_right():
    quiz = Quiz(QUESTIONS)
    quiz.choose(2, "Load", "Train", "Freeze")
    quiz.check(2)
    assert quiz.questions[2].said() == "Not yet. The first step is right. (1 try so far)"
    assert [entry and entry["why"] for entry in quiz.questions[2].feedback()].count("First there is a net.") == 1
    assert sum(entry is not None for entry in quiz.questions[2].feedback()) == 1


def test_the_answer_is_shown_after_a_try_and_does_not_count():
    quiz = Quiz(QUESTIONS, lesson="03", key="recap")
    assert "not tried yet" in press(quiz, "show", question=0)
    quiz.choose(0, "its inputs")
    press(quiz, "check", question=0)
    assert press(quiz, "show", question=0) == ""
    told = quiz.told["questions"][0]
    assert told["answer"] == [told["texts"].index("its weights")] and all(told["feedback"]) and not told["solved"]
    assert progress.report("03").column("questions right") == ["0 of 1"]


def test_tries_and_choices_come_back_after_a_restart_also_where_questions_moved():
    quiz = Quiz(QUESTIONS, lesson="03", key="recap")
    quiz.choose(0, "its inputs")
    quiz.check(0)
    right(quiz, 2)
    quiz.check(2)
    again = Quiz(QUESTIONS[::-1], lesson="03", key="recap")
    first, _, last = again.questions
    assert (
        first.solved and first.tries == 1 and [first.texts[i] for i in again.chosen["0"]] == ["Load", "Freeze", "Train"]
    )
    assert last.tries == 1 and last.open and [last.texts[i] for i in again.chosen["2"]] == ["its inputs"]
    changed = [QUESTIONS[0] | {"options": [("its weights", True, "Yes."), ("its name", False, "No.")]}]
    assert Quiz(changed, lesson="03", key="recap").questions[0].tries == 0  # an option that was chosen is gone


def test_options_are_mixed_the_same_way_each_time_and_steps_never_stand_right():
    many = [{"ask": f"{n}?", "options": [(str(i), i == 0, "why") for i in range(4)]} for n in range(40)]
    quiz, again = Quiz(many, lesson="03", key="a"), Quiz(many, lesson="03", key="a")
    assert [q.texts for q in quiz.questions] == [q.texts for q in again.questions]
    places = [q.texts.index("0") for q in quiz.questions]
    assert {places.count(i) for i in range(4)} <= set(range(4, 18))  # no place is a hint
    for n in range(40):
        steps = Quiz([{"ask": f"{n}", "steps": [("a", "."), ("b", ".")]}]).questions[0]
        assert steps.texts == ["b", "a"]


def test_the_page_chooses_through_a_trait_and_nonsense_is_answered_in_place():
    quiz = Quiz(QUESTIONS)
    assert press(quiz, "check", {"chosen": {"2": [0, 1, 2], "0": [1]}}, question=0) == ""
    assert quiz.questions[0].checked == [1]
    assert "Nothing is chosen for question 2" in press(quiz, "check", question=1)
    for chosen in ({"0": [0, 1]}, {"0": [3]}, {"2": [0, 1]}, {"1": [0, 0]}, {"1": "0"}, {"9": [0]}, {"0": [True]}):
        quiz.set_state({"chosen": chosen})
        quiz.worker.join(10)
        assert quiz.live.error and quiz.chosen["0"] == [1], chosen
    assert "There is no question 7" in press(quiz, "check", question=7)
    quiz.set_state({"told": {}})
    quiz.worker.join(10)
    assert "cannot be set from the page" in quiz.live.error and quiz.told
    with pytest.raises(CourseError, match="no option of question 1"):
        quiz.choose(0, "its colour")


def one(**changes) -> list[dict]:
    return [{key: value for key, value in (QUESTIONS[0] | changes).items() if value is not None}]


@pytest.mark.parametrize(
    ("questions", "said"),
    [
        ([], "a list of questions"),
        (["?"], 'Question 1: {"ask": text'),
        (one(ask=" "), "Question 1"),
        (one(options=None), "either 'options' or 'steps'"),
        (one(steps=[("a", "b")]), "not both"),
        (one(hint="x"), "'hint' is not known"),
        (one(options=[("a", False, "w"), ("b", False, "w")]), "has no right option"),
        (one(options=[("a", True, "w")]), "1 to choose from"),
        (one(options=[("a", True, "w"), ("a", False, "w")]), "'a' stands there twice"),
        (one(options=[("a", True, "w"), ("b", False)]), r"option 2 \('b'\) has no explanation. Say why it is wrong"),
        (one(options=[("a", True, "w"), ("b", False, " ")]), "its explanation has to be a text"),
        (one(options=[("a", True, "w"), ("b", "no", "w")]), "True or False"),
        (one(options=[("a", True, "w"), ("b", True, "w")], several=False), "2 right options"),
        ([{"ask": "?", "steps": [("a", "w"), ("b",)]}], r"step 2 \('b'\) has no explanation"),
        ([{"ask": "?", "steps": [("a", "w"), ("b", "w")], "several": True}], "no meaning for steps"),
        ([*one(), *one()], "ask the same"),
    ],
)
def test_a_quiz_with_a_gap_says_which(questions, said):
    with pytest.raises(CourseError, match=said):
        Quiz(questions)


def test_one_right_option_may_be_asked_for_with_checkboxes():
    assert Quiz(one(several=True)).questions[0].kind == "several"
    assert [q.kind for q in Quiz(QUESTIONS).questions] == ["one", "several", "order"]


# Exercise


def task(namespace: dict, **options) -> Exercise:
    checks = [
        ("`mean([1, 3])` is 2", lambda mean: mean([1, 3]) == 2),
        ("the mean of nothing is 0", lambda mean: mean([]) == 0 or f"mean([]) is {mean([])}"),
    ]
    given = {"hints": ["Add.", "Divide."], "solution": "def mean(xs):\n    ...", "namespace": namespace}
    return Exercise("Write `mean(xs)`.", checks, **given | options)


def states(exercise: Exercise) -> list[str]:
    return [result["state"] for result in exercise.results]


def mean_right(xs):
    return sum(xs) / max(len(xs), 1)


def mean_wrong(xs):
    return sum(xs) / len(xs)


def test_checks_say_in_words_what_holds_and_what_does_not():
    names: dict = {}
    exercise = task(names, lesson="03", key="mean")
    press(exercise, "check")
    assert states(exercise) == ["fails", "fails"] and "There is no `mean` yet" in exercise.results[0]["said"]
    names["mean"] = lambda xs: 7
    press(exercise, "check")
    assert [result["said"] for result in exercise.results] == ["", "mean([]) is 7"]
    names["mean"] = mean_right
    press(exercise, "check")
    assert (
        states(exercise) == ["holds", "holds"]
        and exercise.solved
        and exercise.live.status == "Solved: all 2 hold (3 tries)."
    )
    assert exercise.live.state == "done" and progress.report("03").column("exercises done") == ["1 of 1"]


def test_an_exception_in_the_readers_code_is_a_sentence_with_its_line():
    exercise = task({"mean": mean_wrong})
    assert press(exercise, "check") == ""
    assert states(exercise) == ["holds", "fails"]
    said = exercise.results[1]["said"]
    assert said.startswith("Your code stopped with ZeroDivisionError: division by zero (in `mean_wrong`, line ")
    assert said.endswith(": `return sum(xs) / len(xs)`)")
    exercise = task({"mean": None})
    press(exercise, "check")
    assert exercise.results[0]["said"] == "It could not be checked: TypeError: 'NoneType' object is not callable"

    exercise = task(
        {"mean": lambda xs: statistics.mean(xs)}
    )  # raised within a library: the line that called it is said
    press(exercise, "check")
    assert "StatisticsError" in exercise.results[1]["said"] and "statistics.mean(xs)" in exercise.results[1]["said"]

    def leaves(xs):
        raise SystemExit(3)

    exercise = task({"mean": leaves})
    press(exercise, "check")
    assert states(exercise) == ["fails", "fails"]


def test_results_of_any_kind_that_say_yes_or_no_are_taken():
    checks = [("a", lambda x: np.bool_(True)), ("b", lambda x, y=5: y == 5), ("c", lambda *, x: "" or False)]
    exercise = Exercise("Do.", checks, namespace={"x": 1})
    press(exercise, "check")
    assert states(exercise) == ["holds", "holds", "fails"]

    def asserts(x):
        assert x == 2, "x should be 2"
        return True

    exercise = Exercise("Do.", [("a", asserts)], namespace={"x": 1})
    press(exercise, "check")
    assert exercise.results == [{"sentence": "a", "state": "fails", "said": "x should be 2"}]


def test_a_check_that_returns_nothing_is_a_mistake_of_its_author():
    exercise = Exercise("Do.", [("a", lambda x: None)], namespace={"x": 1})
    exercise.check()
    with pytest.raises(CourseError, match="'a' returned None"):
        exercise.join(10)
    assert "returned None" in exercise.live.error and exercise.tries == 0


def test_hints_come_one_at_a_time_and_the_solution_after_a_try():
    exercise = task({}, lesson="03", key="mean")
    assert not any(secret in sent(exercise) for secret in ("Add.", "Divide.", "def mean"))
    assert "after a try" in press(exercise, "show_solution")
    assert (
        press(exercise, "hint") == "" and exercise.live.shown["hints"] == ["Add."] and "Divide." not in sent(exercise)
    )
    press(exercise, "hint")
    press(exercise, "hint")
    assert exercise.live.shown["hints"] == ["Add.", "Divide."] and exercise.live.shown["hints_left"] == 0
    press(exercise, "check")
    assert "def mean" not in sent(exercise) and exercise.live.shown["solvable"]
    press(exercise, "show_solution")
    assert exercise.live.shown["solution"].startswith("def mean")
    again = task({}, lesson="03", key="mean")
    assert (again.tries, again.hints_shown, again.solution_shown, again.solved) == (1, 2, True, False)
    assert again.live.shown["hints"] == ["Add.", "Divide."] and again.live.shown["solution"].startswith("def mean")
    assert "without a solution" in press(task({}, solution=""), "show_solution")


def test_a_solved_exercise_stays_solved_and_says_since_when_it_was_not_looked_at():
    task({"mean": mean_right}, lesson="03", key="mean").check_here()
    again = task({}, lesson="03", key="mean")
    assert (
        again.solved
        and states(again) == ["open", "open"]
        and again.live.status.startswith("Solved earlier, with 1 try.")
    )


def test_check_here_raises_what_does_not_hold():
    exercise = task({"mean": mean_wrong})
    with pytest.raises(
        CourseError, match=r"not solved yet\. Does not hold: the mean of nothing is 0: Your code stopped"
    ):
        exercise.check_here()
    exercise.namespace["mean"] = mean_right
    exercise.check_here()
    with pytest.raises(CourseError, match="'a' returned 3"):
        Exercise("Do.", [("a", lambda: 3)], namespace={}).check_here()


def test_a_long_check_runs_beside_and_can_be_stopped_between_two():
    going, go = threading.Event(), threading.Event()

    def slow() -> bool:
        going.set()
        return go.wait(10)

    exercise = Exercise("Wait.", [("slow", slow), ("never reached", lambda: True)], namespace={})
    exercise.receive({"do": "check"})
    assert going.wait(10)
    exercise.receive({"do": "check"})  # a second press while it is checking does nothing
    exercise.receive({"do": "stop"})
    go.set()
    exercise.join(10)
    assert exercise.live.state == "stopped" and states(exercise) == ["holds", "open"] and exercise.tries == 0
    press(exercise, "check")
    assert exercise.solved and exercise.tries == 1


@pytest.mark.parametrize(
    ("checks", "said"),
    [
        ([], "a list of"),
        ([("a", 3)], "Check 1: "),
        ([("", lambda: 1)], "sentence of check 1"),
        ([("a", lambda *x: 1)], "no \\* and no /"),
        ([("a", lambda: 1), ("a", lambda: 2)], "the same sentence"),
    ],
)
def test_an_exercise_that_makes_no_sense_is_refused(checks, said):
    with pytest.raises(CourseError, match=said):
        Exercise("Do.", checks)


# All three

KINDS = {
    "predict": lambda **kept: Predict("How many of 100?", **kept),
    "choice": lambda **kept: Predict("Which?", choices=["one", "other"], **kept),
    "quiz": lambda **kept: Quiz(QUESTIONS, **kept),
    "exercise": lambda **kept: task({"mean": mean_wrong}, **kept),
}


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_a_page_without_a_kernel_gets_a_picture_and_words(make):
    data, about = make()._repr_mimebundle_()
    assert {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"} <= data.keys()
    assert data["text/plain"] and " at 0x" not in data["text/plain"] and about["image/png"]["alt"]


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_a_damaged_or_closed_file_stops_no_lesson(make, file, tmp_path, monkeypatch):
    file.write_text("{")
    with pytest.warns(UserWarning, match="damaged"):
        assert make(lesson="03", key="a").comm is not None
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "taken" / "progress.json"))
    widget = make(lesson="03", key="a")
    notes = widget.live.shown.get("note") or widget.told.get("note")
    assert "cannot be" in notes


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_a_command_that_is_none_is_answered_in_place(make):
    assert "has no command 'dance'" in press(make(), "dance")
