"""Calibration: the temperature is the best one, the error is Guo's, limits keep what they say, and strangers are told apart."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from course_lib.errors import CourseError
from course_lib.taking_home.calibration import calibrated, calibration_error, fit_temperature, lowest_kept
from course_lib.taking_home.familiar import fit_familiar


def drawn(count: int, classes: int = 4, scale: float = 1.0, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores, and labels drawn with the very probabilities that softmax(scores / scale) says."""
    generator = torch.Generator().manual_seed(seed)
    scores = 2 * torch.randn(count, classes, generator=generator)
    labels = torch.multinomial(scores.softmax(1), 1, generator=generator).flatten()
    return scores * scale, labels


def cost(scores: torch.Tensor, labels: torch.Tensor, log: float) -> float:
    return F.cross_entropy(scores.double() / math.exp(log), labels, reduction="sum").item() + 0.5 * log**2


@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("count", [5, 60, 400])
def test_no_temperature_of_a_dense_grid_is_better(scale, count):
    scores, labels = drawn(count, scale=scale, seed=count)
    found = fit_temperature(scores, labels)
    grid = [i / 500 for i in range(-2000, 2001)]
    best = min(grid, key=lambda log: cost(scores, labels, log))
    assert math.log(found) == pytest.approx(best, abs=1 / 500)
    assert cost(scores, labels, math.log(found)) <= cost(scores, labels, best) + 1e-9
    assert fit_temperature(scores, labels) == found


@pytest.mark.parametrize("scale", [0.25, 1.0, 4.0])
def test_the_temperature_that_the_labels_were_drawn_with_is_found(scale):
    scores, labels = drawn(20000, scale=scale)
    assert fit_temperature(scores, labels) == pytest.approx(scale, rel=0.04)


def test_the_prior_hardly_counts_with_many_pictures_and_counts_with_a_few():
    scores, labels = drawn(400, scale=3.0)
    bare = min((i / 1000 for i in range(-3000, 3001)), key=lambda log: cost(scores, labels, log) - 0.5 * log**2)
    assert math.log(fit_temperature(scores, labels)) == pytest.approx(bare, abs=0.02)
    right = torch.eye(3).repeat(1, 1) * 5  # three pictures, all right: the likelihood alone wants T = 0
    assert 0.5 < fit_temperature(right, torch.arange(3)) < 1
    many = fit_temperature(right.repeat(2000, 1), torch.arange(3).repeat(2000))
    assert 0.1 < many < 0.6


@pytest.mark.parametrize(
    ("scores", "labels"),
    [
        (torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)),
        (torch.zeros(5, 3), torch.zeros(5, dtype=torch.int64)),
        (torch.full((4, 2), 7.0), torch.tensor([0, 1, 0, 1])),
    ],
    ids=["empty", "scores all equal, one class", "scores all equal"],
)
def test_where_nothing_can_be_learned_the_temperature_is_one(scores, labels):
    assert fit_temperature(scores, labels) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("labels", [torch.zeros(8, dtype=torch.int64), torch.ones(8, dtype=torch.int64)])
def test_one_class_and_all_wrong_give_a_finite_temperature(labels):
    scores = torch.tensor([[1e4, 0.0, -1e4]]).repeat(8, 1)
    found = fit_temperature(scores, labels)
    assert 0.01 < found < 100 and bool(calibrated(scores, found).isfinite().all())


def test_scores_that_are_not_finite_are_refused():
    with pytest.raises(CourseError, match=r"not finite.*lower learning rate"):
        fit_temperature(torch.tensor([[1.0, math.nan]]), torch.tensor([0]))


def test_the_calibration_error_by_hand():
    probabilities = torch.tensor([[0.9, 0.1], [0.75, 0.25], [0.3, 0.7], [0.45, 0.55]])
    labels = torch.tensor([0, 1, 1, 1])
    # Five ranges: 0.9 alone (0.8 to 1; right), 0.75 and 0.7 (0.6 to 0.8; one right), 0.55 alone (right).
    expected = (abs(1 - 0.9) + abs(1 - 1.45) + abs(1 - 0.55)) / 4
    assert calibration_error(probabilities, labels, bins=5) == pytest.approx(expected, abs=1e-6)


def test_low_confidence_has_ranges_of_its_own():
    probabilities = torch.tensor([[0.18, 0.17, 0.17, 0.16, 0.16, 0.16], [0.25, 0.15, 0.15, 0.15, 0.15, 0.15]])
    labels = torch.tensor([1, 0])  # 0.18 and wrong; 0.25 and right: two ranges of five
    assert calibration_error(probabilities, labels, bins=5) == pytest.approx((0.18 + 0.75) / 2, abs=1e-6)


def test_calibration_repairs_what_a_scale_has_spoilt():
    scores, labels = drawn(4000, scale=4.0)
    val, test = slice(0, 2000), slice(2000, 4000)
    found = fit_temperature(scores[val], labels[val])
    before = calibration_error(calibrated(scores[test], 1.0), labels[test])
    after = calibration_error(calibrated(scores[test], found), labels[test])
    assert before > 0.15 and after < 0.05
    assert torch.equal(calibrated(scores, found).argmax(1), scores.argmax(1))


@pytest.mark.parametrize("count", [1, 7, 39, 40, 41, 200, 1000])
def test_the_limit_is_the_largest_that_keeps_enough(count):
    values = torch.rand(count, generator=torch.Generator().manual_seed(count))
    limit = lowest_kept(values, 0.975)
    assert (values.double() >= limit).double().mean() >= 0.975
    above = values.double()[values.double() > limit]
    if len(above):  # the next larger limit loses too many
        assert (values.double() >= above.min()).double().mean() < 0.975
    assert lowest_kept(torch.zeros(0)) is None


def cloud(count: int, width: int = 40, seed: int = 0, shift: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Positive features of three classes, long in a few directions."""
    generator = torch.Generator().manual_seed(seed)
    fixed = torch.Generator().manual_seed(99)
    means, turn = 3 * torch.rand(3, width, generator=fixed), torch.randn(4, width, generator=fixed)
    labels = torch.arange(count) % 3
    noise = torch.randn(count, 4, generator=generator) @ turn + 0.1 * torch.randn(count, width, generator=generator)
    return means[labels] + 0.3 * noise + shift * torch.randn(count, width, generator=generator), labels


def test_the_distance_is_the_one_of_the_full_covariance():
    """With all directions kept it is Mahalanobis', worked out here with an inverse matrix."""
    features, labels = cloud(600, width=12)
    known = fit_familiar(features, labels, 3)
    unit = F.normalize(features.double(), dim=1)
    means = torch.stack([unit[labels == k].mean(0) for k in range(3)])
    off = unit - means[labels]
    values, vectors = torch.linalg.eigh(off.T @ off / (600 - 3))
    count = len(known.directions)
    assert count == 11
    rest = max(values[: 12 - count].mean(), 0.01 * values.mean())
    values = values.clamp(min=rest)
    inverse = vectors @ torch.diag(torch.cat([1 / rest.expand(12 - count), 1 / values[12 - count :]])) @ vectors.T
    length = features.double().norm(dim=1).log()
    usual = torch.stack([length[labels == k].mean() for k in range(3)])
    spread = ((length - usual[labels]) ** 2).sum().div(600 - 3).sqrt()
    per_class = [
        ((unit - m) @ inverse * (unit - m)).sum(1) + 16 * ((length - u) / spread) ** 2
        for m, u in zip(means, usual, strict=True)
    ]
    torch.testing.assert_close(known.distance(features), torch.stack(per_class, 1).amin(1) / 12, rtol=1e-3, atol=1e-3)


def test_strangers_are_farther_than_new_pictures_of_the_same_kind():
    features, labels = cloud(120)
    known = fit_familiar(features, labels, 3)
    same, strange = cloud(200, seed=1)[0], cloud(200, seed=2, shift=0.5)[0]
    limit = known.distance(same).quantile(0.95)
    assert (known.distance(strange) > limit).double().mean() > 0.95
    assert (known.distance(same * 5) > limit).double().mean() > 0.95  # the same directions, another length


@pytest.mark.parametrize(
    ("features", "labels"),
    [
        (torch.rand(3, 8), torch.arange(3)),
        (torch.rand(9, 8), torch.arange(9) % 2),
        (torch.ones(30, 8), torch.arange(30) % 3),
        (torch.zeros(30, 8), torch.arange(30) % 3),
        (torch.full((30, 8), math.nan), torch.arange(30) % 3),
        (torch.rand(30, 1), torch.arange(30) % 3),
    ],
    ids=["one a class", "a class without", "all alike", "all zero", "not finite", "one number"],
)
def test_too_little_to_describe_gives_none(features, labels):
    assert fit_familiar(features, labels, 3) is None


def test_a_handful_of_pictures_is_enough():
    known = fit_familiar(*cloud(9), 3)
    assert known is not None and bool(known.distance(cloud(20, seed=3)[0]).isfinite().all())
    known.check(3)
    with pytest.raises(ValueError, match="means"):
        known.check(4)
