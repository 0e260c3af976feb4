"""Transferability scores: each equals a short reference written from its formula, stays where it should, refuses what has no meaning."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from toys import CLASSES, toy_images

from course_lib.errors import CourseError
from course_lib.experiments.gap import Case, Gap
from course_lib.features import extract
from course_lib.images import ImageSet
from course_lib.models import load
from course_lib.ranking import agreement, h_score, leep, linear_cka, logme, nce, nearest_mean, score, shrinkage
from course_lib.ranking.picture import order_chart


def clouds(count: int = 60, width: int = 5, classes: int = 3, apart: float = 1.0, seed: int = 0):
    """Features whose classes lie `apart`, and labels; every class has images."""
    draw = np.random.default_rng(seed)
    y = np.arange(count) % classes
    centres = apart * draw.normal(size=(classes, width))
    return centres[y] + draw.normal(size=(count, width)) @ draw.normal(size=(width, width)), y


def log_density(x: np.ndarray, target: np.ndarray, alpha: float, beta: float) -> float:
    """Of a target under a linear model whose weights are averaged over: a Gaussian with covariance x x' / alpha + 1 / beta."""
    covariance = x @ x.T / alpha + np.eye(len(x)) / beta
    fit = target @ np.linalg.solve(covariance, target)
    return -0.5 * (len(x) * math.log(2 * math.pi) + np.linalg.slogdet(covariance)[1] + fit)


def best_log_density(x: np.ndarray, target: np.ndarray) -> float:
    """The largest over both precisions, by looking at a grid of them that gets finer."""
    centre, reach, best = np.array([0.0, 0.0]), 12.0, -math.inf
    for _ in range(7):
        steps = np.linspace(-reach, reach, 13)
        places = [centre + np.array([a, b]) for a in steps for b in steps]
        best, centre = max(
            ((log_density(x, target, *np.exp(place)), place) for place in places), key=lambda each: each[0]
        )
        reach /= 3
    return best


@pytest.mark.parametrize(("count", "width", "apart"), [(30, 4, 1.0), (30, 4, 0.0), (18, 25, 2.0)])
def test_logme_is_the_largest_log_evidence(count: int, width: int, apart: float) -> None:
    x, y = clouds(count, width, apart=apart)
    expected = np.mean([best_log_density(x, (y == k).astype(float)) for k in range(3)]) / count
    assert logme(x, y) == pytest.approx(expected, abs=1e-4)


def test_logme_rewards_features_that_fit_and_not_their_number() -> None:
    x, y = clouds(90, 4, apart=6.0)
    noise = np.random.default_rng(1).normal(size=(90, 60))
    assert logme(x, y) > logme(noise, y) + 0.1
    # 60 columns of noise fit 90 labels far better than 4 do; their evidence is no better than that of knowing nothing.
    nothing = np.mean([best_log_density(np.zeros((90, 1)), (y == k).astype(float)) for k in range(3)]) / 90
    assert logme(noise, y) == pytest.approx(nothing, abs=0.02)
    assert logme(1000 * x, y) == pytest.approx(logme(x, y), abs=1e-6)


@pytest.mark.parametrize("shrink", [0.0, 0.3])
def test_h_score_equals_the_trace_with_explicit_covariances(shrink: float) -> None:
    x, y = clouds()
    total = np.zeros((5, 5))
    for row in x:
        total += np.outer(row - x.mean(0), row - x.mean(0)) / len(x)
    between = np.zeros((5, 5))
    for k in range(3):
        away = x[y == k].mean(0) - x.mean(0)
        between += (y == k).mean() * np.outer(away, away)
    pulled = (1 - shrink) * total + shrink * np.mean(np.diag(total)) * np.eye(5)
    expected = (1 - shrink) * np.trace(np.linalg.inv(pulled) @ between)
    assert h_score(x, y, shrink) == pytest.approx(expected)
    assert 0 < h_score(x, y, shrink) < 2


def test_h_score_stays_under_invertible_linear_maps_and_with_columns_that_say_nothing() -> None:
    x, y = clouds()
    turned = x @ np.random.default_rng(3).normal(size=(5, 5)) + 7
    assert h_score(turned, y) == pytest.approx(h_score(x, y))
    assert h_score(np.hstack([x, np.ones((60, 2))]), y) == pytest.approx(h_score(x, y))


def test_h_score_refuses_images_too_few_for_their_numbers_and_takes_them_shrunk() -> None:
    noise, y = np.random.default_rng(0).normal(size=(20, 40)), np.arange(20) % 2
    with pytest.raises(CourseError, match="Give more images than numbers"):
        h_score(noise, y)
    assert 0 < h_score(noise, y, shrinkage(noise)) < 1
    for shrink in (-0.1, 1.0):
        with pytest.raises(CourseError, match="0 to below 1"):
            h_score(noise, y, shrink)


def test_shrinkage_equals_its_formula_and_falls_with_images() -> None:
    x, _ = clouds(40, 6)
    centred = x - x.mean(0)
    covariance = centred.T @ centred / 40
    size = np.trace(covariance) / 6
    away = ((covariance - size * np.eye(6)) ** 2).sum()
    noise = sum(((np.outer(row, row) - covariance) ** 2).sum() for row in centred) / 40**2
    assert shrinkage(x) == pytest.approx(min(1, noise / away))
    assert shrinkage(clouds(4000, 6)[0]) < shrinkage(x) < 1
    assert shrinkage(np.ones((5, 3))) == 1


def test_cka_equals_the_alignment_of_centred_kernels() -> None:
    draw = np.random.default_rng(0)
    a, b = draw.normal(size=(30, 4)), draw.normal(size=(30, 40))
    centre = np.eye(30) - 1 / 30
    k, m = centre @ (a @ a.T) @ centre, centre @ (b @ b.T) @ centre
    expected = (k * m).sum() / math.sqrt((k * k).sum() * (m * m).sum())
    assert linear_cka(a, b) == pytest.approx(expected) == linear_cka(b, a)
    assert linear_cka(a, a) == pytest.approx(1)


def test_cka_stays_under_rotation_and_scale_and_not_under_other_maps() -> None:
    draw = np.random.default_rng(0)
    a, b = draw.normal(size=(50, 6)), draw.normal(size=(50, 6))
    turned = 3.5 * a @ np.linalg.qr(draw.normal(size=(6, 6)))[0] + 2
    assert linear_cka(turned, b) == pytest.approx(linear_cka(a, b))
    assert linear_cka(turned, a) == pytest.approx(1)
    assert linear_cka(a * [100, 1, 1, 1, 1, 1], a) < 0.9
    with pytest.raises(CourseError, match="same images"):
        linear_cka(a, b[:40])
    with pytest.raises(CourseError, match="differ from image to image"):
        linear_cka(a, np.ones((50, 2)))


def test_nearest_mean_leaves_the_image_itself_out() -> None:
    x, y = clouds(40, 5, apart=1.5, seed=4)
    right = 0
    for i in range(40):
        others = [k for k in range(40) if k != i]
        means = [np.mean([x[k] for k in others if y[k] == label], axis=0) for label in range(3)]
        right += min(range(3), key=lambda label: math.dist(x[i], means[label])) == y[i]
    assert nearest_mean(x, y) == right / 40
    # Two images a class in many directions: each lies near to a mean that it is part of, and that would look like knowledge.
    noise = np.random.default_rng(0).normal(size=(40, 200))
    assert nearest_mean(noise, np.arange(40) // 2) < 0.2


def test_leep_equals_its_sums_and_is_zero_where_the_source_knows() -> None:
    draw = np.random.default_rng(0)
    theta, y = draw.dirichlet(np.ones(4), size=12), np.arange(12) % 3
    together = {(k, z): sum(theta[i, z] for i in range(12) if y[i] == k) / 12 for k in range(3) for z in range(4)}
    of_source = [sum(together[k, z] for k in range(3)) for z in range(4)]
    expected = (
        sum(math.log(sum(together[y[i], z] / of_source[z] * theta[i, z] for z in range(4))) for i in range(12)) / 12
    )
    assert leep(theta, y) == pytest.approx(expected)
    assert leep(np.eye(3)[[2, 0, 1]][y], y) == pytest.approx(0)  # their classes are ours, under other names
    assert leep(np.full((12, 4), 0.25), y) == pytest.approx(-math.log(3))  # it says the same of every image


def test_nce_is_the_entropy_that_is_left() -> None:
    theirs, ours = np.array([0, 0, 0, 5, 5, 5]), np.array([1, 1, 0, 0, 0, 0])
    left = -(2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3)) / 2
    assert nce(theirs, ours) == pytest.approx(-left)
    assert nce(ours, ours) == 0
    assert nce(theirs + 3, ours) == nce(theirs, ours)
    with pytest.raises(CourseError, match="two labels an image"):
        nce(theirs[:4], ours)


def test_leep_with_sure_probabilities_is_nce() -> None:
    draw = np.random.default_rng(2)
    theirs, ours = draw.integers(0, 4, 50), draw.integers(0, 3, 50)
    assert leep(np.eye(4)[theirs], ours) == pytest.approx(nce(theirs, ours))


@pytest.mark.parametrize("measure", [logme, h_score, nearest_mean, leep])
def test_what_does_not_fit_together_is_refused(measure) -> None:
    x, y = np.full((6, 2), 0.5), np.array([0, 0, 0, 1, 1, 1])
    for features, labels, said in [
        (x[0], y, "N,D"),
        (x, y[:5], "A label for each row"),
        (x, np.zeros(6, dtype=int), "two classes"),
        (x, y - 1, "whole numbers from 0"),
        (x, y.astype(float), "whole numbers from 0"),
        (np.where(np.arange(12).reshape(6, 2) == 3, np.nan, x), y, "finite"),
        (np.full((6, 2), "dog"), y, "numbers N,D"),
    ]:
        with pytest.raises(CourseError, match=said):
            measure(features, labels)


def test_leep_refuses_scores_and_nearest_mean_single_images() -> None:
    with pytest.raises(CourseError, match="softmax"):
        leep(np.array([[2.0, -1.0], [0.5, 0.5]]), np.array([0, 1]))
    with pytest.raises(CourseError, match="2 images or more"):
        nearest_mean(np.eye(3), np.array([0, 0, 1]))


def test_tensors_and_arrays_give_the_same() -> None:
    x, y = clouds()
    for measure in (nearest_mean, logme, h_score):
        assert measure(torch.from_numpy(x).requires_grad_(), torch.from_numpy(y)) == measure(x, y)


def test_score_looks_at_training_images_alone_and_leaves_the_network_as_it_is() -> None:
    dots = toy_images(train=24, val=6, test=6)
    net = load("pawnet", None, "animals")
    before, mode = net.fingerprint(), net.model.training
    found = score(net, dots, per_class=4, seed=1)
    assert (found.images, found.width) == (12, 192)
    assert net.fingerprint() == before and net.model.training == mode
    blank = dots.images.clone()
    blank[24:] = 0
    others = ImageSet("toys", blank, dots.labels, dots.classes, dots.splits)
    assert score(net, others, per_class=4, seed=1) == found
    assert score(net, dots, per_class=4, seed=2) != found
    assert score(net, dots).images == 24

    rows = dots.subset(4, 1).rows("train")
    features = extract(net, dots).vectors[rows]
    assert found.logme == pytest.approx(logme(features, dots.labels[rows]), abs=1e-6)
    assert found.alignment == pytest.approx(linear_cka(features, torch.eye(3)[dots.labels[rows]]), abs=1e-6)


def test_score_asks_the_head_of_the_source_where_there_is_one() -> None:
    dots = toy_images(train=24)
    rows = dots.rows("train")
    net = load("pawnet", None, "animals")
    found = score(net, dots)
    said = net(dots.images[rows]).softmax(1)
    assert found.leep == pytest.approx(leep(said, dots.labels[rows]), abs=1e-5)
    assert found.nce == pytest.approx(nce(said.argmax(1), dots.labels[rows]))
    new_head = score(load("pawnet", CLASSES, "animals"), dots)
    assert new_head.leep is None and new_head.nce is None
    assert new_head.logme == pytest.approx(found.logme)
    assert set(found.known) - set(new_head.known) == {"leep", "nce"}
    assert score(load("pawnet", CLASSES), dots).leep is None


def test_score_refuses_what_it_cannot_look_at() -> None:
    dots = toy_images(train=3)
    with pytest.raises(CourseError, match="2 images or more"):
        score(load("pawnet", CLASSES), dots)


def test_agreement_is_spearmans_and_tells_what_chance_does() -> None:
    same = agreement([0.1, 0.5, 0.9], [-3, 4, 60])
    assert (same.rho, same.count) == (pytest.approx(1), 3)
    assert same.by_chance == pytest.approx(1 / 6)
    assert agreement([1, 2, 3], [3, 2, 1]).rho == pytest.approx(-1)
    assert agreement([1, 2, 3], [3, 2, 1]).by_chance == 1
    # Ranks 2, 1, 4, 3, 5 against 1 to 5: 1 - 6 * 4 / (5 * 24).
    assert agreement([20, 10, 40, 30, 50], [1, 2, 3, 4, 500]).rho == pytest.approx(0.8)
    # Two that are the same share ranks 1 and 2: Pearson's correlation of (1.5, 1.5, 3) with (1, 2, 3).
    assert agreement([7, 7, 9], [1, 2, 3]).rho == pytest.approx(np.corrcoef([1.5, 1.5, 3], [1, 2, 3])[0, 1])


def test_agreement_draws_orders_where_there_are_many() -> None:
    many = agreement(list(range(12)), list(range(12)))
    assert many.rho == pytest.approx(1) and many.by_chance < 0.001
    mixed = np.random.default_rng(0).permutation(12).tolist()
    assert agreement(mixed, list(range(12))).by_chance > 0.01


@pytest.mark.parametrize(
    ("scores", "gaps", "said"),
    [([1, 2], [1, 2], "three or more"), ([1, 2, 3], [1, 2], "three or more"), ([1, 1, 1], [1, 2, 3], "no order"),
     ([1, math.nan, 3], [1, 2, 3], "finite")],
)  # fmt: skip
def test_agreement_refuses_lists_without_an_order(scores: list, gaps: list, said: str) -> None:
    with pytest.raises(CourseError, match=said):
        agreement(scores, gaps)


def a_gap(source: str, mean: float) -> Gap:
    return Gap(Case(source, 10), (0.5,), (0.5 - mean,), mean, mean - 0.02, mean + 0.02)


def test_the_chart_puts_sources_in_the_order_of_each_score() -> None:
    gaps = {"animals": a_gap("animals", 0.6), "photos": a_gap("photos", -0.01), "digits": a_gap("digits", -0.08)}
    scores = {"logme": {"digits": 0.1, "animals": 0.3, "photos": 0.2}, "nce": {"animals": -2.0, "digits": -1.0}}
    chart = order_chart(scores, gaps)
    assert "By logme, best first: animals (+60.0), photos (-1.0), digits (-8.0)" in chart.alt
    assert "By nce, best first: digits (-8.0), animals (+60.0)" in chart.alt
    first, second = chart.figure.axes
    assert [label.get_text() for label in first.get_yticklabels()] == ["digits  0.1", "photos  0.2", "animals  0.3"]
    assert [label.get_text() for label in second.get_yticklabels()] == ["animals  -2", "digits  -1"]
    assert chart.png()


@pytest.mark.parametrize("scores", [{}, {"logme": {}}, {"logme": {"cats": 1.0}}])
def test_the_chart_refuses_scores_without_gaps(scores: dict) -> None:
    with pytest.raises(CourseError, match="order_chart takes scores"):
        order_chart(scores, {"animals": a_gap("animals", 0.6)})
