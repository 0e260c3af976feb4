"""DomainTaskLab without a browser: every control, what is shown, the transfer in the thread and in the cell, wrong input.

pytest tests/test_domain_task_lab.py
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from course_lib.domains import KNOBS, TASKS, Domain, Panel, panels, plan, quick_transfer, transfer
from course_lib.domains.plan import pictures_of
from course_lib.errors import CourseError
from course_lib.training.stage import Stage
from course_lib.widgets.domain_task_lab import DomainTaskLab


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch):
    """A cache of its own, and transfers of a second."""
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    monkeypatch.setattr(panels, "SOURCE_IMAGES", 60)
    monkeypatch.setattr(panels, "TARGET_IMAGES", 60)
    short = {
        "source_stage": Stage(epochs=1),
        "head_stage": Stage(frozen=-1, epochs=2),
        "scratch_stage": Stage(epochs=1),
    }
    monkeypatch.setattr(plan, "quick_transfer", lambda *sets, **options: quick_transfer(*sets, **options, **short))


@pytest.fixture
def lab():
    lab = DomainTaskLab(Domain("target", seed=0), Domain("target", seed=1), per_class=2, seeds=2)
    lab.join(30)
    yield lab
    lab.close()


def shown(lab):
    lab.join(30)
    return lab.scene.shown


def pixels(lab) -> list[np.ndarray]:
    """The pictures that the page gets, as two arrays N,S,S,3."""
    lab.join(30)
    data = np.frombuffer(lab.scene.curve, np.uint8)
    sizes = [panel.domain.size for panel in lab.panels]
    first = data[: 12 * sizes[0] ** 2 * 3].reshape(12, sizes[0], sizes[0], 3)
    return [first, data[first.size :].reshape(12, sizes[1], sizes[1], 3)]


OTHER = {
    "animals": "source",
    "cats": True,
    "style": "sketch",
    "light": "night",
    "camera": "heat",
    "background": "beach",
    "size": 32,
}


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("knob", OTHER)
def test_every_domain_knob_changes_its_own_pictures_and_no_others(lab, side, knob):
    before, name = pixels(lab), ("source", "target")[side]
    lab.set_state({f"{name}_{knob}": OTHER[knob]})
    after = pixels(lab)
    assert getattr(lab.panels[side].domain, knob) == OTHER[knob] and lab.live.error == ""
    assert not np.array_equal(before[side], after[side]) and np.array_equal(before[1 - side], after[1 - side])
    table, streams = lab.panels[side].domain.sample(12)
    drawn = lab.panels[side].domain.draw(table, streams).permute(0, 2, 3, 1).numpy()
    assert np.array_equal(after[side], drawn)


@pytest.mark.parametrize("task", TASKS)
def test_every_task_changes_labels_bars_and_words_and_no_pixel(lab, task):
    if task == "species":
        lab.set_state({"source_cats": True})
    before = pixels(lab)
    lab.set_state({"source_task": task})
    assert np.array_equal(before[0], pixels(lab)[0])
    found = shown(lab)
    panel = lab.panels[0]
    assert panel.task == task and task in found["panels"]["source"]["words"]
    table = pictures_of(panel.domain)[0]
    assert found["panels"]["source"]["labels"] == table[task].tolist()
    assert found["panels"]["target"]["others"] == lab.panels[0].label(pictures_of(lab.panels[1].domain)[0])
    images = panel.images("source")
    counted = torch.bincount(images.labels, minlength=len(images.classes)).tolist()
    assert found["labels"][0] == {"classes": list(images.classes), "counts": counted, "task": task}
    assert found["statement"]["same_task"] == (task == "breed")


def test_dog_or_cat_brings_cats_along_and_keeps_them(lab):
    lab.set_state({"target_task": "species"})
    lab.join(30)
    assert lab.target_cats is True and set(shown(lab)["panels"]["target"]["labels"]) == {"dog", "cat"}
    lab.set_state({"target_cats": False})
    lab.join(30)
    assert lab.target_cats is True and "needs cats" in lab.live.error
    lab.set_state({"target_cats": False, "target_task": "pose"})
    lab.join(30)
    assert lab.target_cats is False and lab.live.error == ""


def test_swap_exchanges_all_and_twice_is_nothing(lab):
    lab.set_state({"source_style": "sketch", "target_task": "species", "target_size": 32})
    lab.join(30)
    before, drawn = lab.panels, pixels(lab)
    lab.receive({"do": "swap"})
    assert lab.panels == before[::-1] and lab.live.error == ""
    assert all(np.array_equal(a, b) for a, b in zip(pixels(lab), drawn[::-1], strict=True))
    lab.receive({"do": "swap"})
    assert lab.panels == before


def test_other_animals_are_other_seeds_and_nothing_else(lab):
    before, drawn = lab.panels, pixels(lab)
    lab.receive({"do": "redraw"})
    assert [panel.domain.seed for panel in lab.panels] == [2, 3]
    assert [Panel(replace(p.domain, seed=k), p.task) for k, p in enumerate(lab.panels)] == list(before)
    assert not np.array_equal(pixels(lab)[0], drawn[0])


@pytest.mark.parametrize("domain", ["same", "other"])
@pytest.mark.parametrize("task", ["same", "other"])
def test_an_example_is_of_its_kind(lab, domain, task):
    lab.receive({"do": "example", "with": {"domain": domain, "task": task}})
    said = shown(lab)["statement"]
    assert (said["same_domain"], said["same_task"]) == (domain == "same", task == "same")
    assert lab.source_seed != lab.target_seed


def test_what_is_shown_is_what_was_measured(lab):
    lab.set_state({"target_light": "night"})
    found, measured = shown(lab), lab._found(lab.panels)
    assert found["measuring"] is False and found["statement"]["kind"] == measured.statement.kind
    assert found["scatter"]["p"] == measured.test.p < 0.05
    assert [len(side) for side in found["scatter"]["points"]] == [120, 120]
    assert f"{measured.test.apart:.2f} apart" in found["scatter"]["alt"]
    assert found["pixels"][1]["mean"] == measured.b.pixels.mean and max(found["pixels"][1]["mean"]) < 0.4
    gap = measured.points[0].mean(0) - measured.points[1].mean(0)
    features = measured.a.features.double().mean(0) - measured.b.features.double().mean(0)
    assert gap.norm() <= features.norm() + 1e-6  # a projection shortens


def test_of_quick_changes_only_the_last_is_drawn(lab):
    busy = []
    lab.worker.ask(lambda: time.sleep(0.3))
    lab.scene.observe(lambda change: busy.append(change), "curve")
    for style, light in (("sketch", "day"), ("photo", "night"), ("sketch", "evening"), ("photo", "evening")):
        lab.set_state({"target_style": style, "target_light": light})
    lab.join(30)
    assert len(busy) == 1 and "evening" in shown(lab)["panels"]["target"]["words"]


def test_code_repeats_what_is_set(lab):
    lab.set_state({"target_style": "sketch", "per_class": 3, "start": "photos"})
    assert "Domain('target', style='sketch', seed=1).images('breed'" in shown(lab)["code"] == lab.code
    assert "per_class=3, seeds=2, start='photos'" in lab.code


def test_the_transfer_in_the_cell_in_the_thread_and_by_hand_are_one(lab):
    lab.set_state({"target_task": "facing"})
    here = lab.transfer_here()
    there = DomainTaskLab(*(panel.domain for panel in lab.panels), "breed", "facing", 2, 2)
    there.receive({"do": "transfer"})
    there.join(60)
    for name in ("transferred", "scratch", "gain", "low", "high", "guess"):
        assert getattr(there.result, name) == getattr(here, name)
    names: dict = {"quick_transfer": plan.quick_transfer}
    exec(lab.code.replace("import Domain, quick_transfer", "import Domain"), names)
    assert names["step"].result.transferred == here.transferred and names["step"].result.scratch == here.scratch
    assert lab.live.state == "done" and lab.live.progress == 1 and lab.live.shown["result"]["gain"] == here.gain
    (row,) = lab.live.shown["rows"]
    assert row[:5] == [lab.panels[0].words, lab.panels[1].words, "random", 2, 2] and row[7] == here.gain
    assert len(lab.live.curve) > 0 and here.verdict in lab.sentence()
    there.close()


def test_per_class_and_seeds_are_taken(lab):
    lab.receive({"do": "transfer", "settings": {"per_class": 1, "seeds": 3, "target_task": "facing"}})
    lab.join(60)
    assert lab.result.per_class == 1 and len(lab.result.scratch) == 3


def test_a_stopped_transfer_goes_on_and_with_other_settings_begins_anew(lab):
    going = []
    lab.live.observe(lambda change: going.append(change["new"]) or lab.receive({"do": "stop"}), "progress")
    lab.receive({"do": "transfer"})
    lab.join(60)
    lab.live.unobserve_all("progress")
    assert lab.live.state == "stopped" and "stopped" in lab.live.status
    first, done = lab.run, len(lab.run.items)
    lab.receive({"do": "transfer"})
    lab.join(60)
    assert lab.run is first and len(lab.run.items) > done and lab.live.state == "done"
    lab.set_state({"seeds": 3})
    lab.receive({"do": "transfer"})
    lab.join(60)
    assert lab.run is not first and len(lab.live.shown["rows"]) == 2


def test_pictures_change_while_a_transfer_goes_on(lab):
    seen = []

    def change(event):
        if not seen:
            seen.append(lab.panels)
            lab.set_state({"target_style": "sketch"})

    lab.live.observe(change, "progress")
    lab.transfer()
    lab.join(60)
    assert lab.live.state == "done" and "sketches" in shown(lab)["panels"]["target"]["words"]
    assert "sketches" not in lab.live.shown["result"]["target"]  # the result is of what was set when it began
    assert "Last transfer of other settings" in lab.sentence()


def test_reset_goes_back_to_the_beginning(lab):
    before = lab.panels
    lab.set_state({"target_style": "sketch", "source_task": "pose", "per_class": 4})
    lab.transfer_here()
    lab.receive({"do": "reset"})
    lab.join(30)
    assert lab.panels == before and lab.per_class == 2 and lab.result is None and lab.run is None
    assert lab.live.state == "ready" and lab.live.shown["result"] is None and lab.live.shown["rows"] == []


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"source_style": "oil"}, "style='oil'; allowed are photo, sketch"),
        ({"source_animals": "birds"}, "allowed are source, target"),
        ({"target_size": 63}, "size=63"),
        ({"target_cats": "yes"}, "cats='yes'"),
        ({"target_task": "name"}, "A task is one of breed"),
        ({"target_seed": 0}, "the same animals on both sides"),
        ({"per_class": 0}, "per_class=0 is out of range"),
        ({"per_class": 2.5}, "per_class=2.5"),
        ({"seeds": 11}, "whole number from 2 to 10"),
        ({"start": "cows"}, "start='cows'"),
    ],
)
def test_a_wrong_setting_is_said_in_place_and_the_old_one_stays(lab, state, said):
    before, version = lab.plan, lab._version
    lab.set_state(state)
    assert lab._version == version  # nothing was drawn for it
    lab.join(30)
    assert said in lab.live.error and lab.plan == before
    lab.set_state({"source_light": "evening"})
    lab.join(30)
    assert lab.live.error == ""
    ((name, value),) = state.items()
    with pytest.raises(CourseError):
        setattr(lab, name, value)
    with pytest.raises(CourseError):
        DomainTaskLab(Domain("target", seed=4), Domain("target", seed=4)) if name == "target_seed" else lab.example(
            "so", "so"
        )


def test_too_few_images_are_said_and_raised(lab, monkeypatch):
    monkeypatch.setattr(transfer, "SOURCE", Stage(epochs=1))
    lab.receive({"do": "dance"})
    lab.join(30)
    assert "no command 'dance'" in lab.live.error
    monkeypatch.setattr(panels.Panel, "per_breed", lambda *_: 3)
    lab.set_state({"per_class": 9})
    lab.transfer()
    with pytest.raises(CourseError, match="per_class=9 was asked"):
        lab.join(60)
    assert lab.live.state == "failed" and "per_class=9" in lab.live.error


def test_a_page_without_a_kernel_gets_pictures_and_words(lab):
    lab.set_state({"target_style": "sketch"})
    data, about = lab._repr_mimebundle_()
    assert {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"} <= data.keys()
    said = data["text/plain"]
    assert said.startswith("DomainTaskLab: source: breed in photos of the 10 target breeds; target: breed in sketches")
    assert "marginal P(X): differs" in said and "transductive" in said and about["image/png"]["alt"] in said
    assert " at 0x" not in said


def test_the_defaults_and_every_choice_of_the_page_are_allowed():
    lab = DomainTaskLab()
    lab.join(30)
    assert lab.panels == (Panel(Domain("source")), Panel(Domain("target", seed=1)))
    for knob, choices in KNOBS.items():
        for choice in choices:
            lab.set_state({f"source_{knob}": choice})
            assert lab.error is None
            assert (
                f'["{choice}"' in lab._esm or f'"{choice}",' in lab._esm or f'"{choice}"]' in lab._esm
            )  # the page offers it
    lab.join(60)
    lab.close()
