"""The rates that are drawn before a run are those that the optimizer uses in it, at every step."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toys import make, run, small_vit, toy_images

from course_lib.augment import Augment
from course_lib.errors import CourseError
from course_lib.training import step as step_module
from course_lib.training.recipes import gradual_unfreezing, probe_then_fine_tune
from course_lib.training.schedule import Schedule, forward_costs, rates, step_share
from course_lib.training.stage import Stage
from course_lib.training.step import Step

RECIPES = {
    "one cycle": [Stage(epochs=3, lr=1e-3, batch=4)],
    "cosine": [Stage(epochs=3, lr=1e-3, batch=4, schedule="cosine")],
    "constant": [Stage(frozen=2, epochs=2, lr=2e-3, batch=5, schedule="constant")],
    "warm-up": [Stage(frozen=-2, epochs=3, lr=1e-3, batch=4, schedule="constant", warm_up=0.4)],
    "own warm-up of one cycle": [Stage(frozen=-2, epochs=3, lr=1e-3, batch=4, warm_up=0.1)],
    "decay": [Stage(epochs=2, lr=1e-3, decay=0.5, batch=4, optimizer="sgd", pull=0.1)],
    "gradual unfreezing": gradual_unfreezing((-1, -2, -4), epochs=2, batch=4),
    "probe, then fine-tune": probe_then_fine_tune(2, 1, probe_epochs=3, batch=6),
    "odd batches and views": [Stage(frozen=3, epochs=2, batch=7, augment=Augment(), views=2), Stage(epochs=1, batch=3)],
}


def used(net, images, recipe, monkeypatch) -> np.ndarray:
    """What `fit` gave its optimizer: float steps,blocks; 0 for blocks that it did not have."""
    found = []
    whole = Step.__call__

    def watched(self, *arguments):
        result = whole(self, *arguments)
        row = np.zeros(len(self.net))
        for group in self.optimizer.param_groups:
            row[group["block"]] = group["lr"]
        found.append(row)
        return result

    monkeypatch.setattr(step_module.Step, "__call__", watched)
    run(net, images, recipe)
    return np.array(found)


@pytest.mark.parametrize("name", RECIPES)
def test_the_rates_are_those_of_the_run(name, monkeypatch) -> None:
    net, images = make("vit"), toy_images(train=13, size=32)
    plan = rates(net, images, RECIPES[name])
    assert np.array_equal(plan.rates, used(net, images, RECIPES[name], monkeypatch))
    assert np.array_equal(plan.rates, rates(net, 13, RECIPES[name]).rates)


def test_pawnet_is_planned_as_it_trains(monkeypatch) -> None:
    net, images = make("pawnet"), toy_images(train=9, val=3, test=3)
    recipe = gradual_unfreezing((-1, -3), epochs=1, batch=5)
    plan = rates(net, images, recipe)
    assert np.array_equal(plan.rates, used(net, images, recipe, monkeypatch))
    assert (plan.rates[:, 0] == 0).all() and (plan.rates[:, -1] > 0).all()


def test_the_stages_say_what_they_train() -> None:
    net = make("pawnet")
    plan = rates(net, 40, probe_then_fine_tune(2, 3, probe_epochs=4, batch=8))
    counts = [sum(p.numel() for block in net.blocks[cut:] for p in block.parameters()) for cut in (5, 3)]
    assert [stage.parameters for stage in plan.stages] == counts
    assert [(stage.first, stage.steps, stage.per_epoch) for stage in plan.stages] == [(0, 8, 2), (8, 10, 5)]
    assert plan.steps == 18 == len(plan.rates) and plan.at(7)[0].number == 0 and plan.at(13) == (plan.stages[1], 1)
    with pytest.raises(CourseError, match="18 steps, 0 to 17"):
        plan.at(18)


def test_a_block_without_parameters_has_no_rate() -> None:
    net = make("vit")
    empty = [i for i, block in enumerate(net.blocks) if not list(block.parameters())]
    plan = rates(net, 10, Stage(epochs=1))
    assert all((plan.rates[:, i] > 0).all() != (i in empty) for i in range(len(net)))


def test_the_share_of_compute_is_that_of_the_products() -> None:
    net = small_vit()
    costs = forward_costs(net)
    plan: Schedule = rates(net, 10, [Stage(epochs=1), Stage(frozen=-1, epochs=1), Stage(frozen=-2, epochs=1)])
    everything, head, two = (step_share(costs, stage) for stage in plan.stages)
    assert everything == 1
    whole = 3 * costs.sum() - costs[0]
    assert head == pytest.approx(2 * costs[-1] / whole) and two == pytest.approx(
        (2 * costs[-2] + 3 * costs[-1]) / whole
    )
    leaky = rates(make("pawnet"), 10, Stage(frozen=-1, epochs=1, frozen_norm="train")).stages[0]
    still = rates(make("pawnet"), 10, Stage(frozen=-1, epochs=1)).stages[0]
    costs = forward_costs(make("pawnet"))
    assert step_share(costs, leaky) > 0.3 > step_share(costs, still)


def test_what_has_no_meaning_is_refused() -> None:
    net = make("pawnet")
    for images, recipe, said in (
        (1, Stage(), "whole number from 2"),
        (10, [], "A recipe is a Stage"),
        (10, Stage(frozen=6), "freezes all 6 blocks"),
        (10, Stage(frozen=9), "allowed are 0"),
        (toy_images(), Stage(frozen=-1, pull=0.1), "pull=0.1 holds"),
    ):
        with pytest.raises(CourseError, match=said):
            rates(net, images, recipe)


def test_the_net_is_left_as_it_was() -> None:
    net = make("pawnet")
    before, flags = net.fingerprint(), [module.training for module in net.model.modules()]
    rates(net, 30, gradual_unfreezing())
    forward_costs(net)
    assert net.fingerprint() == before and flags == [module.training for module in net.model.modules()]
    assert all(isinstance(p, torch.nn.Parameter) and p.requires_grad for p in net.model.parameters())
