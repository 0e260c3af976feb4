"""ScheduleLab without a browser: every knob, what is drawn, the code that is shown, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from toys import make, toy_images

from course_lib.augment import Augment
from course_lib.errors import CourseError
from course_lib.training.recipes import feature_extraction, fine_tune, gradual_unfreezing, probe_then_fine_tune
from course_lib.training.schedule import rates
from course_lib.training.stage import Stage
from course_lib.widgets.schedule_lab import OWN, PRESETS, ScheduleLab


@pytest.fixture(scope="module")
def net():
    return make("pawnet")


@pytest.fixture
def lab(net):
    made = ScheduleLab(net, toy_images(train=60))
    made.join(20)
    yield made
    made.close()


def turn(lab: ScheduleLab, **settings) -> dict:
    """Turn knobs as the page does; what is shown then."""
    lab.set_state(settings)
    lab.join(20)
    return lab.live.shown


def drawn(lab: ScheduleLab) -> np.ndarray:
    """The rates that the page draws, put together as its script does: points,blocks."""
    points, stages = np.frombuffer(lab.live.curve, np.float32).reshape(-1, 2), lab.live.shown["stages"]
    of = [[stage for stage in stages if stage["first"] <= step][-1] for step, _ in points]
    return np.array([np.array(stage["base"]) * factor for stage, (_, factor) in zip(of, points, strict=True)])


@pytest.mark.parametrize("preset", PRESETS)
def test_each_preset_is_its_recipe_and_is_drawn_as_it_runs(lab, preset) -> None:
    shown = turn(lab, preset=preset)
    assert lab.recipe == PRESETS[preset]()
    plan = rates(lab.net, lab.images, PRESETS[preset]())
    assert shown["steps"] == plan.steps and len(shown["stages"]) == len(plan.stages)
    steps = np.frombuffer(lab.live.curve, np.float32).reshape(-1, 2)[:, 0].astype(int)
    assert np.allclose(drawn(lab), plan.rates[steps], rtol=1e-6, atol=0)
    assert steps[0] == 0 and steps[-1] == plan.steps - 1
    assert preset in lab.live.status and json.dumps(shown)


KNOBS = {
    "epochs": ("fine-tuning", 3, fine_tune(epochs=3)),
    "lr": ("fine-tuning", 2e-4, fine_tune(lr=2e-4)),
    "decay": ("fine-tuning", 0.5, fine_tune(decay=0.5)),
    "frozen": ("fine-tuning", 3, fine_tune(frozen=3)),
    "schedule": ("feature extraction", "cosine", feature_extraction(schedule="cosine")),
    "warm_up": ("feature extraction", 0.2, feature_extraction(warm_up=0.2)),
    "batch": ("feature extraction", 8, feature_extraction(batch=8)),
    "probe_epochs": ("probe, then fine-tune", 7, probe_then_fine_tune(probe_epochs=7)),
    "cuts": ("gradual unfreezing", "4, 2,0", gradual_unfreezing((4, 2, 0))),
}


@pytest.mark.parametrize("knob", KNOBS)
def test_each_knob_is_an_argument_of_the_recipe(lab, knob) -> None:
    preset, value, recipe = KNOBS[knob]
    before = turn(lab, preset=preset)["code"]
    assert knob in lab.live.shown["knobs"]
    shown = turn(lab, **{knob: value})
    assert lab.recipe == recipe and shown["steps"] == rates(lab.net, lab.images, recipe).steps
    assert shown["code"] != before and lab.live.error == ""


def test_images_per_class_and_a_count_change_the_steps(lab, net) -> None:
    assert turn(lab, per_class=4)["steps"] == 10 and "images.subset(4)" in lab.code  # 12 images in one batch, 10 epochs
    assert turn(lab, per_class=0)["images"] == 60
    bare = ScheduleLab(net, 100, preset="feature extraction", epochs=2)
    assert turn(bare, count=320)["steps"] == 20 and bare.recipe == feature_extraction(2)
    bare.close()


@pytest.mark.parametrize("preset", PRESETS)
def test_the_code_that_is_shown_makes_the_same_recipe(lab, preset) -> None:
    turn(lab, preset=preset, epochs=4, lr=3e-4, schedule="cosine", warm_up=0.25, batch=9, decay=0.35, cuts="-1, -4")
    scope: dict = {}
    exec("\n".join(lab.code.splitlines()[:2]), scope)
    assert scope["recipe"] == lab.recipe
    assert all(stage.epochs == 4 for stage in lab.recipe[-1:]) and lab.recipe[-1].batch == 9


def test_a_recipe_of_ones_own_is_drawn_and_can_be_left(net) -> None:
    own = [
        Stage(frozen=-1, epochs=2, lr=1e-2, schedule="constant"),
        Stage(frozen=2, epochs=3, augment=Augment(flip=False), views=3),
    ]
    lab = ScheduleLab(net, toy_images(train=40), own)
    lab.join(20)
    assert lab.recipe == own and lab.preset == OWN and lab.live.shown["knobs"] == []
    scope: dict = {}
    exec(lab.code[: lab.code.index("for record")], scope)
    assert scope["recipe"] == own
    assert turn(lab, preset="feature extraction")["presets"][0] == OWN and lab.recipe == feature_extraction()
    turn(lab, preset=OWN)
    assert lab.recipe == own
    lab.close()


def test_a_preset_brings_its_defaults_but_not_over_what_came_with_it(lab) -> None:
    turn(lab, lr=5e-5, epochs=33)
    turn(lab, preset="feature extraction")
    assert (lab.lr, lab.epochs) == (3e-3, 20)
    turn(lab, preset="fine-tuning", lr=4e-4)
    assert lab.recipe == fine_tune(lr=4e-4)
    lab.preset = "from scratch"  # from a cell
    lab.join(20)
    assert lab.batch == 16 and lab.live.shown["stages"][0]["epochs"] == 60


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"epochs": 0}, "epochs=0"),
        ({"epochs": 9999}, "at most 200"),
        ({"lr": -1.0}, "lr=-1.0"),
        ({"decay": 1.5}, "decay=1.5"),
        ({"warm_up": 1.0}, "warm_up=1.0"),
        ({"schedule": "zigzag"}, "zigzag"),
        ({"batch": 1}, "batch=1"),
        ({"frozen": 6}, "0 to 5 frozen"),
        ({"cuts": "-2, -1"}, "frees more"),
        ({"cuts": "-1, -9"}, "allowed are 0"),
        ({"cuts": "all"}, "whole numbers"),
        ({"per_class": 21}, "1 to 20"),
        ({"preset": "magic"}, "preset='magic'"),
        ({"probe_epochs": 0}, "epochs=0"),
    ],
)
def test_what_is_out_of_range_is_answered_in_place_and_the_old_value_stays(lab, setting, said) -> None:
    name = next(iter(setting))
    before, shown = getattr(lab, name), lab.live.shown
    turn(lab, **setting)
    assert said in lab.live.error and getattr(lab, name) == before and lab.live.shown == shown
    with pytest.raises(CourseError):
        setattr(lab, name, setting[name])
    turn(lab, epochs=5)
    assert lab.live.error == ""


def test_wrong_arguments_are_refused(net) -> None:
    for arguments, settings, said in (
        ((net, 1), {}, "2 or more"),
        ((net, 20), {"per_class": 3}, "no setting 'per_class'"),
        ((net, toy_images()), {"count": 30}, "no setting 'count'"),
        ((net, 20), {"colour": 1}, "no setting 'colour'"),
        ((net, 20, Stage(frozen=6)), {}, "freezes all 6"),
        ((net, 20), {"frozen": -1}, "0 to 5"),
    ):
        with pytest.raises(CourseError, match=said):
            ScheduleLab(*arguments, **settings)


def test_long_recipes_are_thinned_with_their_ends_and_tops(lab) -> None:
    shown = turn(lab, preset="from scratch", epochs=200, batch=2)
    points = np.frombuffer(lab.live.curve, np.float32).reshape(-1, 2)
    assert shown["steps"] == 6000 and len(points) <= 1202
    assert points[0, 0] == 0 and points[-1, 0] == 5999
    assert points[:, 1].max() * 1e-3 == pytest.approx(rates(lab.net, 60, lab.recipe).rates.max(), rel=1e-6)


def test_words_table_and_picture_without_a_kernel(lab) -> None:
    turn(lab, preset="gradual unfreezing")
    assert "3 stages" in repr(lab) and "gradual unfreezing" in repr(lab) and "trains stage4 to head" in repr(lab)
    assert lab.table().column("parameters") == [stage.parameters for stage in lab.plan().stages]
    data, about = lab._repr_mimebundle_()
    assert "image/png" in data and "trains head for" in about["image/png"]["alt"]
    assert lab.recipe[0].frozen == -1
