"""The freeze picker without a browser: what its controls do, and what it leaves on a page without a kernel."""

from __future__ import annotations

import threading

import pytest
from toys import toy_images

from course_lib.models import load
from course_lib.training.recipes import feature_extraction, fine_tune
from course_lib.widgets.freeze import FreezePicker
from course_lib.widgets.runner import Runner

IMAGES = toy_images(train=60, val=15, test=15)


@pytest.fixture
def picker() -> FreezePicker:
    return FreezePicker(load("pawnet", IMAGES.classes), IMAGES, lambda frozen: fine_tune(epochs=2, frozen=frozen))


def test_the_slider_sets_what_is_frozen_and_the_words_say_so(picker: FreezePicker) -> None:
    picker.slider.set_state({"value": 2})
    assert picker.frozen == 2
    assert "2 of 6 blocks frozen" in picker.blocks_view.value
    assert picker.blocks_view.value.count("<b>frozen</b>") == 2 and picker.blocks_view.value.count("<b>trains</b>") == 4


def test_train_runs_in_the_background_from_the_same_start_every_time(picker: FreezePicker) -> None:
    before = picker.net.fingerprint()
    for _ in range(2):
        picker.start_button.click()
        picker.join()
    assert picker.net.fingerprint() == before
    assert [run["state"] for run in picker.runs] == ["done", "done"]
    assert picker.runs[0]["accuracy"] == picker.runs[1]["accuracy"] and picker.runs[0]["steps"] == 4
    assert picker.trained.fingerprint() != before
    assert not picker.start_button.disabled and picker.stop_button.disabled


def test_the_cell_and_the_button_train_the_same_network(picker: FreezePicker) -> None:
    picker.train_here(-2)
    here = picker.trained.fingerprint()
    picker.frozen = 4
    picker.train()
    picker.join()
    assert picker.trained.fingerprint() == here


def test_stop_ends_the_run_and_the_table_keeps_it() -> None:
    picker = FreezePicker(load("pawnet", IMAGES.classes), IMAGES, lambda frozen: feature_extraction(epochs=5000))
    picker.train()
    while "step" not in picker.live_view.value:
        assert picker._runner.state in ("ready", "running")
    picker.stop()
    picker.join()
    assert picker.runs[-1]["state"] == "stopped" and 0 < picker.runs[-1]["steps"] < 10_000
    assert "stopped" in repr(picker.table())


def test_a_failure_is_said_and_kept_for_the_page_check() -> None:
    picker = FreezePicker(load("pawnet", IMAGES.classes), IMAGES, lambda frozen: fine_tune(frozen=6))
    picker.train()
    picker.join()
    assert "freezes all 6 blocks" in picker.error and "failed" in picker.live_view.value
    assert "freezes all 6 blocks" in picker.get_state()["error"]
    with pytest.raises(ValueError, match="freezes all"):
        picker.train_here(0)


def test_a_page_without_a_kernel_gets_a_picture_and_words(picker: FreezePicker) -> None:
    bundle = picker._repr_mimebundle_()
    assert {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"} <= bundle.keys()
    assert "5 of 6 blocks frozen" in bundle["text/plain"] and "0x" not in bundle["text/plain"]


def test_a_runner_publishes_the_last_record_and_closes_its_generator() -> None:
    published, closed = [], threading.Event()

    def work() -> object:
        try:
            yield from range(1000)
        finally:
            closed.set()

    runner = Runner(work, lambda records, state: published.append((records[-1], state)))
    runner.start()
    runner.join()
    assert published[-1] == (999, "done") and closed.is_set() and len(published) < 1000
