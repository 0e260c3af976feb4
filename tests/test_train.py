"""Training: frozen is frozen, remembered equals worked out anew, and a run can be repeated and stopped."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from toys import differing, flags, make, run, states, toy_images, weights, wide_net

from course_lib.augment import Augment
from course_lib.devices import precision
from course_lib.errors import CourseError
from course_lib.evaluation import evaluate
from course_lib.network import Network
from course_lib.training.recipes import feature_extraction, fine_tune, from_scratch, probe_then_fine_tune
from course_lib.training.stage import Stage
from course_lib.training.train import fit

HEAD = Stage(frozen=-1, epochs=2, lr=1e-2, batch=5)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))


# Frozen is frozen


@pytest.mark.parametrize(
    ("name", "recipe", "lowest"),
    [
        ("pawnet", [HEAD], 5),
        ("pawnet", [Stage(frozen=3, epochs=1)], 3),
        ("pawnet", [Stage(frozen=-1, epochs=1), Stage(frozen=2, epochs=1), Stage(frozen=4, epochs=1)], 2),
        ("pawnet", [Stage(frozen=-2, epochs=2, augment=Augment(), views=2)], 4),
        ("resnet18", [Stage(frozen=-1, epochs=1), Stage(frozen=-2, epochs=1, lr=3e-3)], 8),
        ("mobilenet_v2", [Stage(frozen=-2, epochs=1)], 18),
    ],
)
@pytest.mark.parametrize("cache", [True, False])
def test_frozen_blocks_keep_their_parameters_and_buffers_and_the_others_change(name, recipe, lowest, cache):
    toys, net = toy_images(size=32), make(name)
    print_before, frozen, trained = net.fingerprint(lowest), states(net, 0, lowest), states(net, lowest)
    run(net, toys, recipe, cache=cache)
    assert net.fingerprint(lowest) == print_before
    assert all(torch.equal(a, b) for a, b in zip(frozen, states(net, 0, lowest), strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(trained, states(net, lowest), strict=True))


def test_norm_eval_keeps_batchnorm_statistics_and_trains_its_weights():
    toys, net = toy_images(), make("pawnet")
    before = weights(net)
    run(net, toys, Stage(frozen=3, epochs=1, norm="eval"))
    changed = differing(weights(net), before)
    assert changed and not any("running" in name or "tracked" in name for name in changed)
    assert "stage4.bn1.weight" in changed


# Remembered equals worked out anew


RECIPES = {
    "head": [HEAD],
    "suffix": [Stage(frozen=-3, epochs=2, batch=5)],
    "gradual": [HEAD, Stage(frozen=-2, epochs=1, batch=5), Stage(frozen=-4, epochs=2, batch=4, decay=0.5)],
    "down and up": [Stage(frozen=-4, epochs=1, batch=6), Stage(frozen=-1, epochs=1, batch=6)],
    "views": [Stage(frozen=-2, epochs=3, batch=5, augment=Augment(), views=2)],
    "views then none": [
        Stage(frozen=-1, epochs=2, augment=Augment(), views=2),
        Stage(frozen=-2, epochs=1, norm="eval"),
    ],
}


def assert_cache_changes_nothing(net: Network, recipe: list[Stage], **counts: int) -> None:
    twin = net.copy()
    ways = [(net, True), (twin, False)]
    ends = [run(each, toy_images(**counts), recipe, cache=cache) for each, cache in ways]
    assert differing(weights(net), weights(twin)) == []
    steps = [[(r.step, r.loss, r.accuracy, r.lr) for r in end if r.phase == "train"] for end in ends]
    assert steps[0] == steps[1]
    for a, b in zip(*([r.val.scores for r in end if r.val] for end in ends), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_cached_run_ends_in_the_weights_of_an_uncached_one(recipe):
    assert_cache_changes_nothing(make("pawnet"), RECIPES[recipe], train=13, val=5)


@pytest.mark.parametrize("count", [2, 3, 7, 9, 33])
def test_small_and_odd_numbers_of_images_end_alike(count):
    assert_cache_changes_nothing(make("pawnet"), RECIPES["suffix"], train=count, val=1)


@pytest.mark.parametrize(
    ("name", "recipe"),
    [("resnet18", "head"), ("resnet18", "views then none"), ("mobilenet_v2", "head"), ("mobilenet_v2", "views then none"),
     ("squeezenet1_0", "head"), ("squeezenet1_0", "gradual"), ("wide", "head"), ("vit", "gradual"), ("vit", "views"),
     ("resnet18", "gradual"), ("mobilenet_v2", "gradual"), ("densenet121", "gradual")],
)  # fmt: skip
def test_other_architectures_end_alike(name, recipe):
    assert_cache_changes_nothing(make(name), RECIPES[recipe], train=9, val=3, size=32)


def test_a_vision_transformer_of_full_size_ends_alike():
    """86 million parameters at 224 px, so on very few images."""
    recipe = [Stage(frozen=-1, epochs=1), Stage(frozen=-2, epochs=1), Stage(frozen=-3, epochs=1)]
    assert_cache_changes_nothing(make("vit_b_16"), recipe, train=4, val=2, test=1, size=32)


def test_in_place_dropout_in_the_head_does_not_edit_what_is_remembered():
    toys, net = toy_images(size=32), wide_net()
    before = evaluate(net, toys, "train", frozen=-1).scores
    head = weights(net)
    run(net, toys, HEAD)
    net.model.load_state_dict(head)
    assert torch.equal(evaluate(net, toys, "train", frozen=-1).scores, before)
    assert torch.equal(evaluate(net, toys, "train").scores, before)


# A run can be repeated


@pytest.mark.parametrize("name", ["pawnet", "wide"])
def test_same_seed_same_weights_other_seed_other_weights(name):
    recipe = Stage(frozen=-1, epochs=2, batch=5, augment=Augment(), views=2)
    ends = []
    for seed in (1, 1, 2):
        net = make(name)
        run(net, toy_images(size=32), recipe, seed=seed)
        ends.append(weights(net))
    assert differing(ends[0], ends[1]) == [] and differing(ends[0], ends[2]) != []


def test_the_caller_s_randomness_is_neither_used_nor_moved():
    ends = []
    for caller in (1, 2):
        torch.manual_seed(caller)
        np.random.seed(caller)
        net = wide_net()
        torch.manual_seed(caller)
        before = torch.get_rng_state(), np.random.get_state()[1].tolist()
        run(net, toy_images(size=32), Stage(frozen=0, epochs=1, augment=Augment()))
        assert torch.equal(torch.get_rng_state(), before[0]) and np.random.get_state()[1].tolist() == before[1]
        ends.append(weights(net))
    assert differing(*ends) == []


def test_dropout_draws_anew_at_each_step():
    """With a rate of nearly nothing the loss of one batch still differs from step to step: its dropout does."""
    toys, net = toy_images(train=4, val=0, size=32), wide_net()
    records = run(net, toys, Stage(frozen=-1, epochs=6, lr=1e-12, weight_decay=0, batch=4))
    assert len({round(r.loss, 5) for r in records if r.phase == "train"}) == 6


def test_training_learns():
    toys, net = toy_images(train=60, val=30, test=30, size=32), make("pawnet")
    chance = evaluate(net, toys).accuracy
    records = run(net, toys, Stage(frozen=-2, epochs=8, lr=3e-3, batch=10))
    assert evaluate(net, toys).accuracy > 0.9 > chance, "three classes, so chance is 0.33"
    assert records[-1].val.accuracy > 0.9
    assert records[-1].loss < next(r for r in records if r.phase == "train").loss


# A run can be stopped, and leaves the net's flags as it found them


@pytest.mark.parametrize("stop_at", [1, 2, 3])
def test_break_leaves_flags_as_they_were_and_the_steps_done(stop_at):
    toys, net = toy_images(), make("pawnet")
    net.model.stage1.train()
    net.model.head.bias.requires_grad_(False)
    before, body, start = flags(net), net.fingerprint(5), weights(net)
    for record in fit(net, toys, HEAD, device="cpu"):
        if record.phase == "train" and record.step == stop_at:
            break
    assert flags(net) == before and net.fingerprint(5) == body
    assert differing(weights(net), start) == ["head.weight", "head.bias"]


def test_an_exception_in_the_consumer_leaves_flags_as_they_were():
    toys, net = toy_images(), make("pawnet")
    before = flags(net)
    with pytest.raises(ZeroDivisionError):
        for record in fit(net, toys, [HEAD, Stage(frozen=2, epochs=2)], device="cpu"):
            if record.stage == 1 and record.phase == "train":
                1 / 0  # noqa: B018
    assert flags(net) == before


def test_the_end_leaves_flags_as_they_were():
    toys, net = toy_images(), make("pawnet")
    net.model.train()
    net.model.stem.eval()
    before = flags(net)
    run(net, toys, [HEAD, Stage(frozen=2, epochs=1)])
    assert flags(net) == before


def test_the_consumer_may_use_the_net_at_every_record():
    toys = toy_images()
    nets = [make("pawnet"), make("pawnet")]
    run(nets[0], toys, Stage(frozen=3, epochs=1, batch=4))
    for _ in fit(nets[1], toys, Stage(frozen=3, epochs=1, batch=4), device="cpu"):
        nets[1](toys.images[:3])
        evaluate(nets[1], toys, "test")
    assert differing(weights(nets[0]), weights(nets[1])) == []


def test_a_stopped_run_can_be_taken_up_by_another_recipe():
    toys, net = toy_images(), make("pawnet")
    for record in fit(net, toys, HEAD, device="cpu"):
        if record.phase == "train":
            break
    run(net, toys, Stage(frozen=0, epochs=1))
    assert all(not p.isnan().any() for p in net.model.parameters())


# Records


def test_records_count_steps_epochs_and_stages():
    toys, net = toy_images(train=12, val=5), make("pawnet")
    records = run(net, toys, [Stage(frozen=-1, epochs=2, batch=5, name="probe"), Stage(frozen=3, epochs=3, batch=12)])
    trained = [r for r in records if r.phase == "train"]
    assert [r.step for r in trained] == list(range(1, 10)) and {r.steps for r in records} == {9}
    assert [(r.stage, r.epoch) for r in trained] == [(0, 1)] * 3 + [(0, 2)] * 3 + [(1, 1), (1, 2), (1, 3)]
    assert {r.name for r in trained} == {"probe", "stage 2"}
    assert [r.val is not None for r in trained] == [False, False, True, False, False, True, True, True, True]
    assert all(len(r.val.rows) == 5 and r.val.split == "val" for r in trained if r.val)
    assert all(0 <= r.accuracy <= 1 and r.loss > 0 for r in trained)
    assert [r.seconds for r in records] == sorted(r.seconds for r in records)


@pytest.mark.parametrize(("every", "looked"), [(0, [4]), (1, [1, 2, 3, 4]), (2, [2, 4]), (3, [3, 4])])
def test_val_is_looked_at_when_it_is_due(every, looked):
    records = run(make("pawnet"), toy_images(), Stage(frozen=-1, epochs=4), validate_every=every)
    assert [r.epoch for r in records if r.val] == looked


def test_without_a_val_split_nothing_is_looked_at():
    records = run(make("pawnet"), toy_images(val=0), HEAD)
    assert not any(r.val for r in records) and records[-1].step == records[-1].steps


def test_remember_records_count_images_and_stay_away_when_nothing_is_to_do():
    toys, net = toy_images(train=70, val=5, test=6), make("pawnet")
    recipe = Stage(frozen=-1, epochs=1, batch=35)
    first = run(net, toys, recipe)
    told = [r for r in first if r.phase == "remember"]
    assert [(r.done, r.total) for r in told] == [(0, 75), (64, 75), (75, 75)], "train and val, and no test image"
    assert "for 75 images: " in told[0].text and "in memory" in told[0].text, "told before the work"
    assert all(r.bytes == 75 * 192 * precision(net.device).itemsize and math.isnan(r.loss) for r in told)
    assert not any(r.phase == "remember" for r in run(net, toys, recipe)), "a second run finds them"
    assert not any(r.phase == "remember" for r in run(net, toys.subset(5), recipe)), "and so does a subset"
    assert not any(r.phase == "remember" for r in run(net, toys, recipe, cache=False))
    assert not any(r.phase == "remember" for r in run(net, toys, Stage(frozen=0, epochs=1, batch=70)))


def test_each_view_is_remembered_once_and_val_only_clean():
    toys = toy_images(train=10, val=5)
    records = run(make("pawnet"), toys, Stage(frozen=-1, epochs=7, augment=Augment(), views=3))
    assert [(r.done, r.total) for r in records if r.phase == "remember"] == [
        (0, 15),
        (15, 15),
        (0, 10),
        (10, 10),
        (0, 10),
        (10, 10),
    ]


def test_more_views_than_epochs_are_not_made():
    records = run(make("pawnet"), toy_images(), Stage(frozen=-1, epochs=2, augment=Augment(), views=9))
    assert sum(r.phase == "remember" and r.done == 0 for r in records) == 2


def test_no_batch_holds_one_image(monkeypatch):
    from course_lib.training.step import Step

    sizes, call = [], Step.__call__
    monkeypatch.setattr(Step, "__call__", lambda self, *args: sizes.append(len(args[1])) or call(self, *args))
    for count, batch in ((3, 2), (5, 4), (9, 4), (2, 32)):
        sizes.clear()
        run(make("pawnet"), toy_images(train=count), Stage(epochs=1, batch=batch))
        assert sum(sizes) == count and min(sizes) >= 2


def test_rates_follow_the_schedule_and_the_distance_from_the_head(monkeypatch):
    seen = []

    class Spy(torch.optim.AdamW):
        def step(self, *args, **kwargs):
            seen.append({group["block"]: group["lr"] for group in self.param_groups})
            held = {id(p) for group in self.param_groups for p in group["params"]}
            assert held == {id(p) for block in net.blocks[3:] for p in block.parameters()}
            return super().step(*args, **kwargs)

    monkeypatch.setattr(torch.optim, "AdamW", Spy)
    net = make("pawnet")
    stage = Stage(frozen=3, epochs=4, batch=6, lr=0.1, decay=0.5)
    records = run(net, toy_images(train=12), stage)
    expected = [0.1 * stage.rate((i + 0.5) / 8) for i in range(8)]
    assert [rates[5] for rates in seen] == pytest.approx(expected)
    assert [r.lr for r in records if r.phase == "train"] == pytest.approx(expected)
    assert all(set(rates) == {3, 4, 5} and rates[3] == pytest.approx(rates[5] / 4) for rates in seen)


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "constant"])
def test_schedules_reach_the_full_rate_and_fall_to_nothing_or_stay(schedule):
    rates = [Stage(schedule=schedule).rate(i / 100) for i in range(101)]
    assert max(rates) == pytest.approx(1) and min(rates) >= 0
    assert rates[0] == pytest.approx({"one_cycle": 0.04, "cosine": 1, "constant": 1}[schedule])
    assert rates[100] == pytest.approx({"one_cycle": 0, "cosine": 0, "constant": 1}[schedule], abs=1e-9)


# What is refused


@pytest.mark.parametrize(
    ("name", "value"),
    [("epochs", 0), ("epochs", 1.5), ("lr", 0), ("lr", -1), ("lr", math.nan), ("decay", 0), ("decay", 1.1),
     ("norm", "frozen"), ("schedule", "linear"), ("weight_decay", -0.1), ("batch", 1), ("batch", 8.0),
     ("label_smoothing", 1), ("label_smoothing", -0.1), ("views", 0), ("views", 2.0)],
)  # fmt: skip
def test_a_stage_out_of_range_is_refused(name, value):
    with pytest.raises(CourseError) as refused:
        Stage(**{name: value})
    assert f"{name}={value!r}" in str(refused.value) and f"{name} is " in str(refused.value)


@pytest.mark.parametrize(
    ("recipe", "options", "words"),
    [
        ([], {}, "A recipe is a Stage or a list"),
        ([1], {}, "A recipe is a Stage or a list"),
        ([HEAD, Stage(frozen=6)], {}, "nothing would train"),
        ([HEAD, Stage(frozen=7)], {}, "6 blocks"),
        (HEAD, {"validate_every": -1}, "validate_every=-1"),
        (HEAD, {"validate_every": 0.5}, "validate_every=0.5"),
        (HEAD, {"seed": -1}, "seed=-1"),
        (HEAD, {"seed": 0.5}, "seed=0.5"),
        (HEAD, {"device": "abacus"}, "abacus"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused_before_any_work(recipe, options, words):
    net = make("pawnet")
    before = net.fingerprint()
    with pytest.raises(CourseError, match=words):
        fit(net, toy_images(), recipe, **options)
    assert net.fingerprint() == before


def test_images_that_do_not_fit_are_refused_before_any_work():
    with pytest.raises(CourseError, match="head for 3 classes and toys has 2"):
        fit(make("pawnet"), toy_images(classes=("a", "b")), HEAD)
    with pytest.raises(CourseError, match="1 training images; at least 2"):
        fit(make("pawnet"), toy_images(train=1), HEAD)


# Recipes


def test_recipes_are_lists_of_stages():
    assert [s.frozen for s in from_scratch()] == [0] and [s.frozen for s in feature_extraction()] == [-1]
    assert [(s.frozen, s.decay) for s in fine_tune(frozen=-3, decay=0.5)] == [(-3, 0.5)]
    first, second = probe_then_fine_tune(epochs=3, frozen=2, lr=1e-4, probe_epochs=4, batch=8)
    assert (first.frozen, first.epochs) == (-1, 4)
    assert (second.frozen, second.epochs, second.lr, second.batch) == (2, 3, 1e-4, 8)
