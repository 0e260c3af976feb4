"""Domains and tasks: the pictures of a domain, labels, the two-sample rule and its errors, the statement, the transfer.

pytest tests/test_domains.py
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from course_lib.domains import (
    KINDS,
    KNOBS,
    Domain,
    Looker,
    Panel,
    Plan,
    SamePictures,
    TwoSample,
    compare,
    counts,
    gain_interval,
    labels_of,
    measure,
    pixel_statistics,
    quick_transfer,
    same_pictures,
    task_classes,
    tell_apart,
)
from course_lib.domains.marginal import picture_statistics
from course_lib.domains.page import curve_rows
from course_lib.domains.transfer import TransferStep
from course_lib.errors import CourseError
from course_lib.evaluation import evaluate
from course_lib.intervals import mean_interval
from course_lib.models import load
from course_lib.sources.dogworld import TASKS, dogworld
from course_lib.stacked.fit_heads import load_head
from course_lib.surgery.replace import new_head
from course_lib.training.stage import Stage
from course_lib.training.train import fit

PLAIN = {  # a domain of dogworld, and the knobs that make it
    "photo": {},
    "sketch": {"style": "sketch"},
    "night": {"light": "night"},
    "thermal": {"camera": "heat"},
    "snow": {"background": "snowfall"},
    "camera": {"camera": "cheap"},
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))


@pytest.fixture(scope="module")
def looker():
    return Looker()


def told(same: bool = True, p: float = 0.5) -> TwoSample:
    return TwoSample(1.0, p if same else 0.001, 0.3, 120)


# What is seen


@pytest.mark.parametrize("name", PLAIN)
def test_a_domain_of_dogworld_has_its_very_pixels_labels_and_factors(name):
    ours = Domain("target", seed=3, cats=True, size=32, **PLAIN[name]).images("species", per_class=3)
    theirs = dogworld("target", domain=name, task="species", seed=3, cats=30, per_class=3, size=32)
    assert torch.equal(ours.images, theirs.images) and torch.equal(ours.labels, theirs.labels)
    assert ours.classes == theirs.classes
    assert all((ours.factors[key] == theirs.factors[key]).all() for key in theirs.factors)


def test_looks_are_chained_in_the_order_of_light():
    domain = Domain(style="sketch", light="night", camera="cheap", background="snowfall")
    assert domain.ways == ("snow", "night", "camera", "sketch")
    table, streams = domain.sample(3)
    chained = domain.draw(table, streams)
    for knob, value in (("light", "day"), ("camera", "good"), ("background", "any")):
        other = Domain(
            **{"style": "sketch", "light": "night", "camera": "cheap", "background": "snowfall", knob: value}
        )
        assert not torch.equal(chained, other.draw(table, streams))


def test_evening_and_background_change_their_factors_and_no_other():
    plain, evening, room = (Domain(seed=2, **k).table(3)[0] for k in ({}, {"light": "evening"}, {"background": "room"}))
    assert {name for name in plain if (plain[name] != evening[name]).any()} == {"light", "warmth"}
    assert evening["light"].max() <= 0.80 and evening["warmth"].min() >= 0.6
    assert np.corrcoef(plain["light"], evening["light"])[0, 1] > 0.999
    assert {name for name in plain if (plain[name] != room[name]).any()} == {"scene"}
    assert set(room["scene"]) == {"room"}


def test_the_sample_shows_rows_of_the_set_and_the_random_one_is_even():
    domain = Domain("target", cats=True, light="evening", seed=1)
    table, streams = domain.sample(12)
    images = domain.images("breed", per_class=4)
    rows = [
        next(
            i
            for i in range(len(images.images))
            if all(images.factors[k][i] == table[k][j] for k in ("breed", "number", "scale"))
        )
        for j in range(12)
    ]
    assert torch.equal(images.images[rows], domain.draw(table, streams))
    assert [int((table["species"] == kind).sum()) for kind in ("dog", "cat")] == [8, 4]
    drawn, names = domain.draw_at_random(400)
    assert len(set(names)) == 400  # no animal twice
    assert 150 < (drawn["species"] == "cat").sum() < 250
    each = [int((drawn["breed"] == breed).sum()) for breed in task_classes("breed", "target", False)]
    assert min(each) > 5 and len(set(each)) > 1  # by chance, not by turns


@pytest.mark.parametrize(
    "way", list(itertools.product(("photo", "sketch"), ("day", "evening", "night"), ("good", "cheap", "heat")))
)
def test_every_domain_can_be_drawn_and_its_line_of_code_makes_it(way):
    style, light, camera = way
    domain = Domain("source", style=style, light=light, camera=camera, background="forest", size=32)
    table, streams = domain.sample(2)
    assert domain.draw(table, streams).shape == (2, 3, 32, 32)
    assert eval(domain.code, {"Domain": Domain}) == domain


def test_a_set_is_drawn_in_parts_and_found_again():
    domain, parts = Domain("target", background="street", size=32), []
    work = domain.drawing("pose", 8)
    while True:
        try:
            parts.append(next(work))
        except StopIteration as end:
            images = end.value
            break
    assert parts == [(64, 80), (80, 80)]
    assert list(domain.drawing("pose", 8)) == []  # from the cache
    again = domain.images("pose", 8)
    assert torch.equal(images.images, again.images) and images.splits["test"].tolist() == again.splits["test"].tolist()
    assert {name: len(rows) for name, rows in images.splits.items()} == {"train": 40, "val": 10, "test": 30}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"style": "oil"}, "style='oil'; allowed are photo, sketch"),
        ({"animals": "birds"}, "animals='birds'"),
        ({"size": 128}, "size=128; allowed are 32, 64"),
        ({"size": True}, "size=True"),
        ({"cats": 1}, "cats=1"),
        ({"seed": -1}, "seed=-1"),
        ({"background": "moon"}, "snowfall"),
    ],
)
def test_a_wrong_knob_is_refused_with_what_is_allowed(wrong, said):
    with pytest.raises(CourseError, match=said):
        Domain(**wrong)


def test_wrong_requests_are_refused():
    with pytest.raises(CourseError, match="A task is one of breed"):
        Domain().images("name")
    with pytest.raises(CourseError, match="needs cats"):
        Domain().images("species")
    with pytest.raises(CourseError, match="needs cats"):
        Panel(Domain(), "species")
    with pytest.raises(CourseError, match="whole number from 3"):
        Domain().images(per_class=2)
    with pytest.raises(CourseError, match="no shipped net named 'cows'"):
        Looker("cows")
    with pytest.raises(CourseError, match="rows of equal width"):
        tell_apart((torch.zeros(4, 2),), (torch.zeros(4, 3),))
    with pytest.raises(CourseError, match="per_class=0"):
        Plan(Panel(Domain()), Panel(Domain()), per_class=0)
    with pytest.raises(CourseError, match="start='cows'"):
        Plan(Panel(Domain()), Panel(Domain()), start="cows")


# Labels


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("animals", ["source", "target"])
def test_counts_are_those_of_the_set(task, animals):
    panel = Panel(Domain(animals, cats=True, size=32), task)
    table, _ = panel.domain.table(3)
    images = panel.domain.images(task, per_class=3)
    assert counts(table, task, panel.classes) == torch.bincount(images.labels, minlength=len(images.classes)).tolist()
    assert images.classes == panel.classes
    for role in ("source", "target"):
        assert sum(panel.counts(role)) == panel.images_in(role)


def test_a_label_outside_of_the_label_space_is_none():
    table, _ = Domain("source").table(1)
    classes = task_classes("breed", "target", False)
    labels, known = labels_of(table, "breed", classes)
    assert not known.any() and set(labels) == {0}
    assert Panel(Domain("target"), "breed").label(table) == [None] * 40


def test_what_two_tasks_say_of_the_same_pictures():
    table, _ = Domain("target").draw_at_random(600)
    breed, ears = task_classes("breed", "target", False), task_classes("ears", "target", False)
    same = same_pictures(table, "breed", breed, "breed", breed)
    assert same.same and (same.shared, same.agree, same.told) == (600, 600, 1.0)
    related = same_pictures(table, "breed", breed, "ears", ears)
    assert (
        not related.same and related.agree == 0 and related.told == 1.0 and related.blind < 0.6
    )  # a breed has one kind of ears
    free = same_pictures(table, "pose", task_classes("pose", "target", False), "facing", ("left", "right"))
    assert abs(free.told - 0.5) < 0.08  # knowing the pose says nothing of the side
    assert "says nothing that was found" in free.words and "100% of pictures" in related.words
    none = same_pictures(table, "breed", breed, "breed", task_classes("breed", "source", False))
    assert (none.shared, none.same) == (0, False)


# The marginal


def test_the_rule_calls_one_distribution_the_same_in_95_of_100_trials():
    """400 trials with 30 pictures each; between 2 and 8 of 100 is what 5 of 100 allows (binomial, beyond 99 %)."""
    generator = torch.Generator().manual_seed(0)
    wrong = 0
    for trial in range(400):
        views = [torch.randn(60, 5, generator=generator).exp(), torch.randn(60, 3, generator=generator)]
        wrong += tell_apart([v[:30] for v in views], [v[30:] for v in views], 99, trial).differs
    assert 0.02 <= wrong / 400 <= 0.08


def test_drawn_pictures_of_one_domain_are_called_the_same(looker):
    """The same with the drawing and the net: 60 trials, 40 pictures each; 9 of 60 would be a rate far above 5 of 100."""
    wrong = 0
    for trial in range(60):
        domains = [Domain(("source", "target")[trial % 2], seed=1000 + 2 * trial + k, size=32) for k in (0, 1)]
        a, b = (looker.sample(domain, 40) for domain in domains)
        wrong += tell_apart(a.views, b.views, 99, trial).differs
    assert wrong <= 8


@pytest.mark.parametrize(
    "knobs",
    [{"style": "sketch"}, {"light": "night"}, {"light": "evening"}, {"camera": "heat"}, {"camera": "cheap"},
     {"background": "forest"}, {"background": "snowfall"}, {"cats": True}, {"animals": "source"}],
)  # fmt: skip
def test_each_knob_is_seen_in_120_pictures(looker, knobs):
    a = looker.sample(Domain(seed=50))
    b = looker.sample(Domain(**{"seed": 51, **knobs}))
    assert tell_apart(a.views, b.views, 199).differs


def test_energy_and_p_equal_a_plain_computation():
    generator = torch.Generator().manual_seed(1)
    a, b = torch.randn(7, 3, generator=generator), torch.randn(5, 3, generator=generator) + 0.5
    found = tell_apart((a,), (b,), 500, 3)
    x = torch.cat([a, b]).double().numpy()
    x = (x - x.mean(0)) / x.std(0)

    def energy(first):
        second = [i for i in range(12) if i not in first]
        mean = lambda u, v: np.mean([np.linalg.norm(x[i] - x[j]) for i in u for j in v])  # noqa: E731
        return 2 * mean(first, second) - mean(first, first) - mean(second, second)

    assert math.isclose(found.distance, energy(list(range(7))), rel_tol=1e-9)
    every = [energy(list(rows)) for rows in itertools.combinations(range(12), 7)]
    exact = np.mean([value >= found.distance - 1e-12 for value in every])
    assert abs(found.p - exact) < 0.08
    own = np.concatenate([a - a.mean(0), b - b.mean(0)])
    apart = np.linalg.norm((a.mean(0) - b.mean(0)).numpy()) / np.sqrt((own**2).sum(1).mean())
    assert math.isclose(found.apart, apart, rel_tol=1e-5)


def test_pixel_statistics_are_those_of_numpy():
    images = torch.randint(0, 256, (5, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    x = images.numpy() / 255
    light = np.tensordot([0.299, 0.587, 0.114], x, (0, 1))
    found = pixel_statistics(images)
    assert np.allclose(found.mean, x.mean((0, 2, 3)), atol=1e-6) and np.allclose(
        found.spread, x.std((0, 2, 3)), atol=1e-6
    )
    edges = (np.abs(np.diff(light, axis=2)).mean() + np.abs(np.diff(light, axis=1)).mean()) / 2
    assert math.isclose(found.edges, edges, rel_tol=1e-5)
    assert np.allclose(found.brightness, np.histogram(light, 16, (0, 1))[0] / light.size, atol=0.01)
    assert math.isclose(sum(found.brightness), 1) and picture_statistics(images).shape == (5, 7)


# The statement


@pytest.mark.parametrize("size", [64, 32])
@pytest.mark.parametrize("marginal", [True, False])
@pytest.mark.parametrize("labels", ["same", "other breeds", "other task"])
def test_the_statement_follows_in_every_combination(size, marginal, labels):
    source, target = (
        Domain("target", seed=0),
        Domain("source" if labels == "other breeds" else "target", seed=1, size=size),
    )
    target_task = "pose" if labels == "other task" else "breed"
    pictures = {
        "same": SamePictures(240, 240, 240, 1.0, 0.1),
        "other breeds": SamePictures(240, 0, 0, 0.0, 0.0),
        "other task": SamePictures(240, 240, 0, 0.3, 0.25),
    }[labels]
    found = compare(source, target, "breed", target_task, told(marginal), pictures)
    same_domain, same_task = size == 64 and marginal, labels == "same"
    assert [part.same for part in found.parts] == [size == 64, marginal, labels == "same", labels == "same"]
    assert (found.same_domain, found.same_task) == (same_domain, same_task)
    assert found.kind == KINDS[same_domain, same_task]
    assert ("ordinary" in found.kind) == (same_domain and same_task)
    assert ("transductive" in found.kind) == (not same_domain and same_task)
    assert ("inductive" in found.kind) == (not same_task)
    changed = bool(source.differs(target))
    assert ("does not show that P(X) is the same" in found.why) == (changed and same_domain)
    assert ("one of the 5 in 100" in found.why) == (not changed and not same_domain)
    assert ("breed (10 labels) to pose (4 labels)" in found.why) == (labels == "other task")


def test_what_is_said_of_the_marginal_is_measured_not_read_off_the_settings(looker):
    """Same settings and other settings, told apart or not: the words go with the measurement."""
    panels = Panel(Domain(seed=0), "breed"), Panel(Domain(seed=1), "breed")
    found = measure(*panels, looker)
    assert found.statement.parts[1].same == (found.test.p >= 0.05)
    blind = compare(
        Domain(seed=0), Domain(seed=1, style="sketch"), "breed", "breed", told(), SamePictures(240, 240, 240, 1.0, 0.1)
    )
    assert blind.parts[1].same and blind.kind == "ordinary learning"


def test_two_domains_of_one_seed_are_refused():
    with pytest.raises(CourseError, match="both have seed=4"):
        compare(
            Domain(seed=4), Domain(seed=4, style="sketch"), "breed", "breed", told(), SamePictures(9, 9, 9, 1.0, 0.1)
        )


def test_cats_share_the_labels_of_dogs_and_add_one(looker):
    found = measure(Panel(Domain(seed=0)), Panel(Domain(seed=1, cats=True)), looker)
    assert not found.statement.parts[2].same and found.statement.parts[3].same  # another Y; where both name, they agree
    assert 600 < found.pictures.shared < 1200 and "inductive" in found.statement.kind


# The transfer


STAGES = {
    "source_stage": Stage(epochs=1, lr=1e-3, batch=32),
    "head_stage": Stage(frozen=-1, epochs=8, lr=1e-2),
    "scratch_stage": Stage(epochs=15, lr=2e-3, batch=8),
}


def test_a_transfer_equals_the_steps_done_by_hand():
    source = Domain("target", seed=0).images("breed", per_class=4)
    target = Domain("target", seed=1, light="evening").images("breed", per_class=8)
    *_, last = quick_transfer(source, target, 2, 3, device="cpu", start="animals", **STAGES)
    assert (
        len(set(last.result.transferred)) > 1 and len(set(last.result.scratch)) > 1
    )  # what is compared differs by seed
    net = load("pawnet", source.classes, "animals")
    list(fit(net, source, STAGES["source_stage"], device="cpu"))
    assert last.result.as_is == evaluate(net, target, "test").accuracy
    for seed in range(3):
        some = target.subset(2, seed)
        ours = new_head(net, (), classes=target.classes)
        with torch.no_grad():
            for name, p in ours.blocks[-1].module.named_parameters():
                p.copy_(load_head("pawnet", target.classes, seed=seed)[name])
        list(fit(ours, some, STAGES["head_stage"], seed=seed, device="cpu"))
        assert abs(evaluate(ours, target, "test").accuracy - last.result.transferred[seed]) < 1.5 / len(
            target.rows("test")
        )
        own = load("pawnet", target.classes, seed=seed)
        list(fit(own, some, STAGES["scratch_stage"], seed=seed, device="cpu"))
        assert evaluate(own, target, "test").accuracy == pytest.approx(last.result.scratch[seed], abs=1e-6)
    result = last.result
    assert result.gain == pytest.approx(np.mean(result.transferred) - np.mean(result.scratch))
    assert result.low < result.gain < result.high and result.guess == pytest.approx(0.1) and last.progress == 1.0


def test_progress_rises_and_other_labels_have_no_net_as_it_is():
    source = Domain("target", seed=0).images("facing", per_class=3)
    target = Domain("target", seed=1).images("pose", per_class=4)
    steps = list(quick_transfer(source, target, 1, 2, device="cpu", start="animals", **STAGES))
    assert all(a.progress <= b.progress + 1e-9 for a, b in itertools.pairwise(steps))
    assert list(dict.fromkeys(step.phase for step in steps)) == ["source", "heads", "scratch"]
    assert steps[-1].result.as_is is None and len(steps[-1].result.scratch) == 2
    assert len(curve_rows(steps)) % 12 == 0 and len(curve_rows(steps)) > 0


def test_a_transfer_refuses_what_it_cannot_do_before_any_work():
    few = Domain("target", seed=0).images("breed", per_class=3)
    with pytest.raises(CourseError, match="per_class=9 was asked"):
        quick_transfer(few, few, 9, 3)
    with pytest.raises(CourseError, match="seeds=1; it takes 2 to 20"):
        quick_transfer(few, few, 1, 1)


def test_the_interval_covers_a_known_gain_in_about_95_of_100_trials():
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(300):
        hard = generator.normal(0, 0.1, 150)  # some images are easier than others
        seeds = generator.normal(0, 0.05, (2, 5))
        chances = [np.clip(p + seeds[k][:, None] + hard, 0, 1) for k, p in enumerate((0.6, 0.5))]
        hits = [torch.from_numpy(generator.random((5, 150)) < chance) for chance in chances]
        low, high = gain_interval(list(hits[0]), list(hits[1]))
        held += low <= 0.1 <= high
    assert 0.92 <= held / 300  # the two sources are added, which is on the safe side
    assert gain_interval([torch.ones(4)], [torch.zeros(4)]) == (-math.inf, math.inf)


def test_the_interval_is_never_narrower_than_that_of_the_seeds_alone():
    generator = torch.Generator().manual_seed(0)
    hits = (torch.rand(2, 5, 80, generator=generator) < 0.5).double()
    low, high = gain_interval(list(hits[0]), list(hits[1]))
    inner = mean_interval((hits[0] - hits[1]).mean(1).tolist())
    assert low < inner[0] and inner[1] < high


def test_the_verdict_says_what_the_interval_says():
    from course_lib.domains import Result

    def verdict(low, high, seeds=5):
        gain = (low + high) / 2
        return Result(5, (0.5,) * seeds, (0.4,) * seeds, 0.1, None, gain, low, high, 100, 1.0).verdict

    assert verdict(0.02, 0.1).startswith("Transfer helps here: +6.0 points (95 % interval +2.0 to +10.0, 5 seeds)")
    assert verdict(-0.1, -0.02).startswith("Transfer hurts here: -6.0 points")
    assert verdict(-0.02, 0.1).startswith("Not clear") and "holds 0" in verdict(-0.02, 0.1)
    assert "too few pairs" in verdict(0.02, 0.1, 2)
    assert verdict(-math.inf, math.inf, 1) == "One pair of runs: no interval yet."


def test_the_curve_is_thinned_and_keeps_each_line():
    steps = [TransferStep("source", 0.1, "", loss=float(i)) for i in range(3000)]
    steps += [TransferStep("scratch", 0.9, "", seed=s, loss=1.0) for s in (0, 1)] + [TransferStep("heads", 0.5, "")]
    rows = np.frombuffer(curve_rows(steps), np.float32).reshape(-1, 3)
    assert len(rows) <= 903 and sorted(set(rows[:, 0])) == [0, 2, 3]
    assert rows[0].tolist() == [0, 0, 1.5]  # the mean of the first four


def test_a_plan_is_its_code():
    plan = Plan(
        Panel(Domain("target", seed=2), "facing"),
        Panel(Domain("target", seed=5, style="sketch"), "pose"),
        2,
        3,
        "animals",
    )
    names: dict = {}
    setup = "\n".join(line for line in plan.code.splitlines() if line.startswith(("from", "source", "target")))
    exec(setup, names)
    ours = plan.source.images("source"), plan.target.images("target", 2)
    for role, images in zip(("source", "target"), ours, strict=True):
        assert torch.equal(names[role].images, images.images) and torch.equal(names[role].labels, images.labels)
        assert all(torch.equal(names[role].splits[split], rows) for split, rows in images.splits.items())
    assert "quick_transfer(source, target, per_class=2, seeds=3, start='animals')" in plan.code
    assert set(KNOBS) <= set(Domain.__dataclass_fields__)
