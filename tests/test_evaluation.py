"""Evaluation: every number against a few lines of NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toys import flags, make, toy_images

from course_lib.cache import remember
from course_lib.errors import CourseError
from course_lib.evaluation import Evaluation, evaluate


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))


@pytest.fixture(scope="module")
def random_result() -> Evaluation:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(50, 4, generator=generator)
    labels = torch.randint(0, 4, (50,), generator=generator)
    return Evaluation("test", torch.arange(50), labels, scores, ("a", "b", "c", "d"))


def test_accuracy_loss_and_confusion_equal_numpy(random_result):
    scores, labels = random_result.scores.double().numpy(), random_result.labels.numpy()
    said = scores.argmax(1)
    likelihood = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    confusion = np.zeros((4, 4), dtype=int)
    np.add.at(confusion, (labels, said), 1)
    assert random_result.accuracy == pytest.approx((said == labels).mean())
    assert random_result.loss == pytest.approx(-np.log(likelihood[np.arange(50), labels]).mean(), rel=1e-5)
    assert random_result.confusion.tolist() == confusion.tolist()
    np.testing.assert_allclose(random_result.probabilities.numpy(), likelihood, rtol=1e-5)


@pytest.mark.parametrize("count", [1, 5, 1000])
def test_worst_are_the_mistakes_that_it_was_surest_of(random_result, count):
    probabilities = random_result.probabilities.numpy()
    wrong = [i for i in range(50) if probabilities[i].argmax() != random_result.labels[i]]
    expected = sorted(wrong, key=lambda i: -probabilities[i].max())[:count]
    assert random_result.worst(count).tolist() == expected


def test_a_perfect_result_has_no_worst():
    labels = torch.tensor([0, 1])
    result = Evaluation("val", torch.arange(2), labels, torch.eye(2), ("a", "b"))
    assert result.accuracy == 1 and len(result.worst(3)) == 0


@pytest.mark.parametrize("split", ["val", "test", "train"])
def test_rows_labels_and_scores_belong_together(split):
    toys = toy_images(train=12, val=5, test=9)
    net = make("pawnet")
    result = evaluate(net, toys, split)
    assert torch.equal(result.rows, toys.rows(split)) and torch.equal(result.labels, toys.labels[toys.rows(split)])
    torch.testing.assert_close(result.scores, net(toys.images[toys.rows(split)]))
    assert result.split == split and result.classes == toys.classes


@pytest.mark.parametrize("name", ["pawnet", "mobilenet_v2"])
@pytest.mark.parametrize("count", [1, 9])
def test_frozen_changes_the_time_and_not_the_result(name, count):
    toys = toy_images(test=count, size=32)
    net = make(name)
    plain = evaluate(net, toys, "test")
    for frozen in (1, len(net) // 2, -1, len(net)):
        assert torch.equal(evaluate(net, toys, "test", frozen=frozen).scores, plain.scores)


def test_wide_linear_layers_do_not_see_the_size_of_the_batch():
    """VGG's classifier: matrix products of 9 rows and of 16 are worked out by different kernels."""
    toys = toy_images(train=4, test=9, size=32)
    net = make("wide")
    plain = evaluate(net, toys, "test").scores
    assert torch.equal(evaluate(net, toys, "test", frozen=-1).scores, plain)
    one = remember.Live(remember.Pixels(net, toys), len(net) - 1)
    rows = toys.rows("test")
    assert torch.equal(one(rows), torch.cat([one(row) for row in rows.split(1)]))


def test_evaluate_leaves_the_net_as_it_was():
    toys = toy_images()
    net = make("pawnet")
    net.model.train()
    before, fingerprint = flags(net), net.fingerprint()
    evaluate(net, toys, "val")
    assert flags(net) == before and net.fingerprint() == fingerprint


def test_an_empty_split_is_refused():
    toys = toy_images(val=0)
    with pytest.raises(CourseError, match="val split of toys is empty"):
        evaluate(make("pawnet"), toys, "val")
