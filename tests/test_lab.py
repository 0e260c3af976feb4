"""What all labs share, without a browser: the thread, its queue, turns between widgets, errors, cells run again."""

from __future__ import annotations

import threading
import time
import types

import pytest
from toy_lab import Counter

from course_lib.errors import CourseError
from course_lib.widgets import lab as lab_module
from course_lib.widgets import run as run_module
from course_lib.widgets.run import Run


def wait_for(condition, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def test_train_counts_to_the_end_and_says_so():
    counter = Counter(30)
    counter.receive({"do": "train"})
    counter.join(10)
    assert counter.live.state == "done" and counter.live.status == "done: 30 of 30" and counter.live.progress == 1
    assert counter.live.shown["rows"] == [[30, "done"]] and len(counter.live.curve) == 30 * 2 * 4


def test_a_setting_from_the_page_is_taken():
    counter = Counter()
    counter.set_state({"count": 7})
    counter.receive({"do": "train"})
    counter.join(10)
    assert counter.live.status == "done: 7 of 7"


def test_a_stopped_run_goes_on_where_it_was_and_reset_begins_anew():
    counter = Counter(200, pause=0.005)
    counter.receive({"do": "train"})
    wait_for(lambda: counter.run is not None and len(counter.run.items) > 3)
    counter.receive({"do": "stop"})
    counter.join(10)
    done = len(counter.run.items)
    assert counter.live.state == "stopped" and 3 < done < 200
    counter.receive({"do": "train"})
    counter.join(10)
    assert counter.live.state == "done" and counter.run.items == list(range(1, 201))
    counter.receive({"do": "reset"})
    counter.join(10)
    assert counter.live.state == "ready" and counter.live.curve == b""


def test_a_thread_without_work_ends_and_the_next_job_starts_another(monkeypatch):
    """While a thread that has used torch is alive, training in a cell is slower (see REST in run.py)."""
    monkeypatch.setattr(run_module, "REST", 0.05)
    counter = Counter(200, pause=0.002)
    counter.train()
    wait_for(lambda: counter.run is not None and len(counter.run.items) > 3)
    counter.stop()
    counter.join(10)
    thread = counter.worker._thread
    wait_for(lambda: counter.worker._thread is None and not thread.is_alive())
    counter.train()
    counter.join(10)
    assert counter.live.state == "done" and counter.run.items == list(range(1, 201))


def test_many_jobs_at_the_edge_of_rest_are_all_done(monkeypatch):
    monkeypatch.setattr(run_module, "REST", 0.001)
    counter, done = Counter(3), []
    for number in range(300):
        counter.worker.ask(lambda number=number: done.append(number))
        time.sleep(0.001 * (number % 3))
    counter.join(10)
    assert done == list(range(300))


def test_closing_a_resting_widget_ends_its_run(monkeypatch):
    monkeypatch.setattr(run_module, "REST", 0.02)
    ended = threading.Event()

    def work():
        try:
            yield from range(100)
        finally:
            ended.set()

    counter = Counter(3)
    counter.worker.train(Run(work, lambda items, state: None), until=lambda item: item == 2)
    counter.join(10)
    wait_for(lambda: counter.worker._thread is None)
    counter.worker.close()
    assert ended.wait(5)


def test_step_takes_one_step():
    counter = Counter(5)
    for expected in (1, 2, 3):
        counter.receive({"do": "step"})
        counter.join(10)
        assert counter.run.items[-1] == expected and counter.live.state == "stopped"


def test_the_cell_does_the_same_work_as_the_thread():
    here, there = Counter(12), Counter(12)
    here.train_here()
    there.train()
    there.join(10)
    assert here.run.items == there.run.items and here.live.curve == there.live.curve


def test_publications_are_few_and_the_last_one_is_always_made():
    told = []
    run = Run(lambda: iter(range(2000)), lambda items, state: told.append((len(items), state)))
    run.go(threading.Event(), lambda: None)
    assert told[-1] == (2000, "done") and len(told) < 100


def test_only_one_widget_trains_at_a_time_and_the_other_says_that_it_waits():
    first, second = Counter(2000, pause=0.002), Counter(5)
    first.train()
    wait_for(lambda: first.live.state == "running")
    second.train()
    wait_for(lambda: second.live.state == "queued")
    assert "waiting: Counter is training" in second.live.status
    first.stop()
    first.join(10)
    second.join(10)
    assert first.live.state == "stopped" and second.live.state == "done"


def test_a_widget_that_waits_can_be_stopped():
    first, second = Counter(2000, pause=0.002), Counter(5)
    first.train()
    wait_for(lambda: first.live.state == "running")
    second.train()
    wait_for(lambda: second.live.state == "queued")
    second.stop()
    second.join(10)
    assert second.live.state == "stopped" and second.run.items == []
    first.stop()
    first.join(10)


def test_a_job_asked_for_while_training_runs_between_two_steps():
    counter, seen = Counter(2000, pause=0.002), []
    counter.train()
    wait_for(lambda: counter.live.state == "running")
    counter.worker.ask(lambda: seen.append((threading.current_thread().name, counter.run.state)))
    wait_for(lambda: seen)
    assert seen == [("course Counter", "running")]
    counter.stop()
    counter.join(10)


def test_a_failure_is_said_and_raised_where_the_cell_waits():
    counter = Counter(700, pause=0)
    counter.train()
    with pytest.raises(CourseError, match="666 is not counted"):
        counter.join(10)
    assert counter.live.state == "failed" and counter.live.error == "666 is not counted."
    assert counter.live.get_state()["error"] == "666 is not counted."  # where a page's check finds it
    with pytest.raises(CourseError, match="666"):
        Counter(700, pause=0).train_here()


def test_wrong_input_is_answered_in_place_and_forgotten_after_the_next_right_one():
    counter, told = Counter(20), []
    counter.observe(lambda change: told.append(change["new"]), "count")
    counter.set_state({"count": 0})
    counter.join(10)
    assert counter.count == 20 and "count=0 is out of range" in counter.live.error
    counter.set_state({"count": 6})
    counter.join(10)
    assert counter.count == 6 and counter.live.error == "" and told == [6]  # no observer saw what was refused
    for message, said in (({"do": "dance"}, "no command 'dance'"), ({"do": "crash"}, "ValueError: asked to crash")):
        counter.receive(message)
        counter.join(10)
        assert said in counter.live.error and counter.error is not None
    with pytest.raises(CourseError):  # from a cell it is an error like any other
        counter.count = 0


def test_an_interrupt_of_the_waiting_cell_stops_the_training(monkeypatch):
    counter = Counter(4000, pause=0.002)
    counter.train()
    wait_for(lambda: counter.live.state == "running")
    wait, calls = counter.worker._idle.wait, []

    def interrupted(timeout=None):
        calls.append(timeout)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return wait(timeout)

    monkeypatch.setattr(counter.worker._idle, "wait", interrupted)
    counter.join(10)
    assert counter.live.state == "stopped"


def test_a_cell_that_is_run_again_leaves_no_old_thread(monkeypatch):
    shell = types.SimpleNamespace(kernel=types.SimpleNamespace(get_parent=lambda: {"metadata": {"cellId": "a"}}))
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    monkeypatch.setattr(lab_module, "_latest", {})
    monkeypatch.setattr(lab_module, "_made", {})
    shell.execution_count = 1
    first, beside = Counter(4000, pause=0.002), Counter(4000, pause=0.002)
    first.train()
    wait_for(lambda: first.live.state == "running")
    assert beside.comm is not None  # two in one cell stay
    thread = first.worker._thread
    shell.execution_count = 2
    second = Counter(3)
    thread.join(10)
    assert not thread.is_alive() and first.comm is None and beside.comm is not None
    second.train()
    second.join(10)
    assert second.live.state == "done"


def test_a_page_without_a_kernel_gets_a_picture_and_words():
    counter = Counter(9)
    data, about = counter._repr_mimebundle_()
    assert {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"} <= data.keys()
    assert data["text/plain"] == "Counter: counts to 9; ready to count" or "counts to 9" in data["text/plain"]
    assert about["image/png"]["alt"]
