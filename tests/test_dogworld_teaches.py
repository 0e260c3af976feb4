"""The drawn dogs are hard enough to teach with, and the shipped network is what its card says: 5 seeds, on test.

The longest test of the suite: about five minutes on two cores the first time. Results are kept in the cache.
"""

from __future__ import annotations

import json

import pytest

from course_lib.evaluation import evaluate
from course_lib.experiments.learning_curve import Curve, Way, learning_curve
from course_lib.images import ImageSet
from course_lib.models import load
from course_lib.paths import weights_dir
from course_lib.pretrain import AUGMENT
from course_lib.sources import load_images
from course_lib.training.recipes import feature_extraction, fine_tune, from_scratch
from course_lib.widgets.live import watch

SHIFTED = {"augment": AUGMENT, "views": 100}  # a new view in each epoch
SCRATCH = Way("from scratch", None, lambda n: from_scratch(epochs=60, **SHIFTED), seeds=5)
FROZEN = Way("frozen features", "animals", lambda n: feature_extraction(), seeds=5)
TUNED = Way("fine-tuned", "animals", lambda n: fine_tune(epochs=16, lr=2e-3, decay=0.9, **SHIFTED), seeds=5)


@pytest.fixture(scope="module")
def dogs() -> ImageSet:
    return load_images("dogworld")


def curve(dogs: ImageSet, ways: tuple[Way, ...], per_class: int) -> Curve:
    return watch(learning_curve(dogs, "pawnet", ways, per_class=(per_class,), device="cpu"))


def test_with_10_images_a_class_frozen_features_beat_from_scratch_and_leave_room(dogs: ImageSet) -> None:
    few = curve(dogs, (SCRATCH, FROZEN), 10)
    assert 0.12 < few.point("from scratch", 10)[0] <= 0.50  # it learns something: chance is 10 %
    assert 0.60 <= few.point("frozen features", 10)[0] <= 0.92


def test_with_100_images_a_class_fine_tuning_beats_frozen_features_by_3_points_or_more(dogs: ImageSet) -> None:
    gain, low, high = curve(dogs, (FROZEN, TUNED), 100).gain("fine-tuned", "frozen features", 100)
    assert gain >= 0.03 and low > 0.01, (gain, low, high)


def test_the_card_of_the_shipped_network_tells_the_truth() -> None:
    path = weights_dir() / "pawnet_animals.safetensors"
    card = json.loads(path.with_suffix(".json").read_text())
    assert path.stat().st_size == card["bytes"] < 2_000_000
    net = load("pawnet", weights="animals")
    assert net.classes == tuple(card["classes"]) and len(net.classes) == 40
    assert sum(p.numel() for p in net.model.parameters()) == card["parameters"]
    source = load_images("dogworld", which="source", seed=card["seed"])
    assert source.checksum == card["data_checksum"]
    result = evaluate(net, source, "test")
    assert len(result.rows) == card["test_images"]
    assert result.accuracy == pytest.approx(card["test_accuracy"], abs=0.005)
