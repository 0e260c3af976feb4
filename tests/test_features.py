"""Features as a data set: the same numbers as in the network, the same training, and columns that are put beside them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from toys import differing, make, run, toy_images, weights

from course_lib.augment import Augment
from course_lib.cache.remember import Pixels, remember
from course_lib.errors import CourseError
from course_lib.evaluation import evaluate
from course_lib.features import FeatureSet, dense, extract, one_hot
from course_lib.network import Network
from course_lib.surgery.joining import join_blocks
from course_lib.surgery.replace import new_head, replace_blocks, restore
from course_lib.training.recipes import feature_extraction, from_scratch
from course_lib.training.train import Stage
from course_lib.vectors import VectorNetwork, check_inputs


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))


def toy_features(train: int = 12, val: int = 5, test: int = 6, width: int = 7, seed: int = 0) -> FeatureSet:
    """Noise with the class added to one number."""
    toys = toy_images(train, val, test, size=1)
    vectors = torch.randn(len(toys.labels), width, generator=torch.Generator().manual_seed(seed))
    vectors[torch.arange(len(toys.labels)), toys.labels] += 3
    return FeatureSet("toy features", vectors, toys.labels, toys.classes, toys.splits)


def refusal(call, *words: str) -> None:
    with pytest.raises(CourseError) as refused:
        call()
    text = str(refused.value)
    assert "\n" not in text and text.endswith((".", ")")) and all(word in text for word in words), text


# Extracted features


@pytest.mark.parametrize("name", ["pawnet", "mobilenet_v2", "squeezenet1_0", "vit"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_head_trained_on_features_equals_one_trained_in_its_network(name, precision, monkeypatch):
    monkeypatch.setenv("COURSE_PRECISION", precision)
    toys = toy_images(size=32)
    net = join_blocks(make(name), (-1,))  # pools first where the head is a convolution
    features = extract(net, toys)
    head = dense(features)
    head.model.load_state_dict({f"scores.{k}": v for k, v in net.model.head.state_dict().items()})
    recipe = feature_extraction(epochs=3, lr=1e-2, batch=5)
    run(net, toys, recipe, seed=2)
    run(head, features, recipe, seed=2)
    trained, alone = net.model.head.state_dict(), head.model.scores.state_dict()
    assert all(torch.equal(trained[key], alone[key]) for key in ("weight", "bias"))
    assert torch.equal(evaluate(net, toys).scores, evaluate(head, features).scores)
    other = dense(features, seed=1)
    run(other, features, recipe, seed=2)
    assert differing(weights(other), weights(head)) != [], "from another start"


def test_a_deep_head_trained_on_features_equals_one_trained_in_its_network(monkeypatch):
    monkeypatch.setenv("COURSE_PRECISION", "float32")
    toys, net = toy_images(), new_head(make("pawnet"), (16,), dropout=0.3, norm=True)
    features = extract(make("pawnet"), toys)
    head = dense(features, (16,), dropout=0.3, norm=True)
    head.model.load_state_dict(
        {k.removeprefix("head."): v for k, v in net.model.state_dict().items() if k.startswith("head.")}
    )
    stage = Stage(frozen=-2, epochs=3, lr=1e-2, decay=0.5, batch=5)
    run(net, toys, stage)
    run(head, features, replace(stage, frozen=0))
    trained = {k.removeprefix("head."): v for k, v in weights(net).items() if k.startswith("head.")}
    assert "norm1.running_mean" in trained and differing(trained, weights(head)) == []


@pytest.mark.parametrize("name", ["pawnet", "squeezenet1_0", "vit"])
def test_features_are_what_the_joined_head_takes(name):
    toys, net = toy_images(size=32), make(name)
    features = extract(net, toys, (2, -1))
    joined = join_blocks(net, (2, -1))
    taken = remember(Pixels(joined, toys), len(joined) - 1)(torch.arange(23)).float()
    assert torch.equal(features.vectors, taken) and features.width == joined.blocks[-1].module.head.in_features
    first, last = extract(net, toys, 2), extract(net, toys)
    assert torch.equal(features.vectors, torch.cat([first.vectors, last.vectors], 1))
    names = [f"{net.name} {net.blocks[i].name}" for i in (1, len(net) - 2)]
    assert features.parts == tuple(zip(names, (first.width, last.width), strict=True))
    assert first.parts + last.parts == features.parts


def test_features_are_worked_out_once_and_shared_with_training():
    toys, net = toy_images(), make("pawnet")
    run(net, toys, Stage(frozen=-1, epochs=1))
    known = len(toys.stores)
    extract(net, toys)
    assert len(toys.stores) == known == 1
    extract(net, toys, (2, -1))
    assert len(toys.stores) == 2
    extract(net, toys.subset(2), (2, -1))
    assert len(toys.stores) == 2


def test_features_without_pooling_are_all_numbers():
    features = extract(make("pawnet"), toy_images(), 4, pool=False)
    assert features.width == 96 * 8 * 8 and extract(make("pawnet"), toy_images(), 4).width == 96


def test_rows_keep_their_numbers_and_those_of_no_split_stay_empty():
    toys = toy_images()
    few = toys.subset(2)
    features, whole = extract(make("pawnet"), few), extract(make("pawnet"), toys)
    named = torch.cat([*few.splits.values()])
    assert torch.equal(features.vectors[named], whole.vectors[named]) and features.splits is few.splits
    rest = torch.ones(23, dtype=torch.bool)
    rest[named] = False
    assert rest.sum() == 6 and features.vectors[rest].isnan().all()
    refusal(lambda: replace(features, splits=toys.splits), "missing or infinite", "(train)")


def test_factors_and_files_come_along():
    toys = replace(toy_images(), factors={"coat": np.arange(23) % 2}, files=tuple(f"{i}.jpg" for i in range(23)))
    features = extract(make("pawnet"), toys)
    assert features.factors is toys.factors and features.files == toys.files and features.name == "features of toys"


@pytest.mark.parametrize(("cuts", "words"), [(0, ("cut=0",)), (6, ("cut=6",)), (True, ("cut=True",)), ((), ("cuts=()",)),
                                             ("head", ("cuts='head'",)), ((2, 2), ("twice",))])  # fmt: skip
def test_cuts_without_meaning_are_refused(cuts, words):
    refusal(lambda: extract(make("pawnet"), toy_images(), cuts), *words)


# A FeatureSet is a data set


def test_a_feature_set_answers_as_an_image_set_does():
    toys, features = toy_images(), toy_features()
    assert len(features) == len(toys) == 23 and features.counts("train") == toys.counts("train")
    x, y = features.batch("val")
    assert x.shape == (5, 7) and torch.equal(y, toys.batch("val")[1])
    assert torch.equal(features.subset(2, seed=3).rows("train"), toys.subset(2, seed=3).rows("train"))
    assert features.subset(2).stores is features.stores and features.subset(2).checksum == features.checksum
    assert "12 train, 5 val, 6 test vectors of 7 numbers (given 7) in 3 classes" in repr(features)
    refusal(lambda: features.rows("extra"), "no split named 'extra'")
    refusal(lambda: features.subset(9), "per_class=9")


def test_other_vectors_get_another_checksum_and_stores_of_their_own():
    features = toy_features()
    vectors = features.vectors.clone()
    vectors[0, 0] += 1e-6
    changed = replace(features, vectors=vectors)
    assert changed.checksum != features.checksum and changed.stores is not features.stores


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"vectors": torch.zeros(23, 7, dtype=torch.float64)}, ("float32", "float64")),
        ({"vectors": torch.zeros(23)}, ("N,D",)),
        ({"vectors": torch.zeros(23, 0)}, ("N,D",)),
        ({"vectors": torch.zeros(22, 7)}, ("22 int64 labels",)),
        ({"vectors": torch.full((23, 7), torch.inf)}, ("Row 0 of toy features (train)", "11 others")),
        ({"vectors": torch.full((23, 7), torch.nan)}, ("missing or infinite",)),
        ({"labels": torch.full((23,), 3)}, ("between 0 and 2",)),
        ({"splits": {"dev": torch.arange(3)}}, ("dev",)),
        ({"splits": {"train": torch.arange(3), "val": torch.arange(2, 4)}}, ("two splits",)),
        ({"parts": (("a", 6),)}, ("add up to the 7",)),
    ],
)
def test_what_does_not_fit_together_is_refused(change, words):
    refusal(lambda: replace(toy_features(), **change), *words)


# Columns


def test_columns_are_standardised_by_the_train_split_alone():
    features = toy_features()
    columns = np.stack([np.arange(23.0) ** 2, np.arange(23) % 2], 1)
    wide = features.with_columns(columns, ("age", "sex"))
    train = wide.vectors[wide.rows("train"), 7:]
    torch.testing.assert_close(train.mean(0), torch.zeros(2), atol=1e-6, rtol=0)
    torch.testing.assert_close(train.std(0, correction=0), torch.ones(2))
    age = columns[:12, 0]
    torch.testing.assert_close(wide.vectors[22, 7].item(), (22.0**2 - age.mean()) / age.std(), rtol=1e-5, atol=0)
    assert torch.equal(wide.vectors[:, :7], features.vectors)
    assert wide.width == 9 and wide.parts == (("given", 7), ("age", 1), ("sex", 1))
    assert wide.checksum != features.checksum and wide.stores is not features.stores
    changed = columns.copy()
    changed[12:] += 100
    assert torch.equal(features.with_columns(changed, ("age", "sex")).vectors[:12], wide.vectors[:12])


def test_one_column_needs_one_name():
    wide = toy_features().with_columns(list(range(23)), "age")
    assert wide.parts[-1] == ("age", 1) and wide.vectors.dtype == torch.float32


def test_a_column_with_large_numbers_is_standardised_exactly():
    wide = toy_features().with_columns(1e9 + np.arange(23.0), "seconds")
    assert wide.vectors[:12, 7].unique().numel() == 12


def test_a_value_that_no_split_uses_may_be_missing():
    features = toy_features().subset(2)
    columns = torch.arange(23.0)
    unused = next(i for i in range(12) if i not in features.rows("train"))
    columns[unused] = torch.nan
    assert features.with_columns(columns, "age").vectors[unused, 7].isnan()


@pytest.mark.parametrize(
    ("columns", "names", "words"),
    [
        (torch.zeros(22, 1), "a", ("(22, 1)", "23 rows")),
        (torch.randn(23, 2), "a", ("1 names", "one name for each")),
        (torch.randn(23, 0), (), ("0 names",)),
        (torch.arange(23.0), "given", ("different names",)),
        (torch.randn(23, 2), ("a", "a"), ("different names",)),
        (np.array(["x"] * 23), "coat", ("Columns are numbers", "one_hot")),
        (torch.tensor([*range(15), torch.nan, *range(7)]), "age", ("age", "row 15 (val)")),
        (torch.tensor([torch.inf, *range(22)]), "age", ("age", "row 0 (train)")),
        (torch.tensor([4.0] * 12 + [5.0] * 11), "age", ("age is the same in all 12 training rows", "Leave it out")),
        (torch.tensor([0.1] * 23), "age", ("the same",)),
    ],
)
def test_columns_without_meaning_are_refused(columns, names, words):
    refusal(lambda: toy_features().with_columns(columns, names), *words)


def test_kinds_become_columns_of_zeros_and_ones():
    columns, names = one_hot(np.array(["spots", "plain", "belly", "plain"]), "coat")
    assert names == ("coat=belly", "coat=plain", "coat=spots")
    assert columns.tolist() == [[0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 1, 0]]
    columns, names = one_hot([True, False, True], "male")
    assert names == ("male=True",) and columns.tolist() == [[1], [0], [1]]
    refusal(lambda: toy_features().with_columns(*one_hot(["a"] * 23, "coat")), "coat=a", "the same")


def test_given_columns_can_tell_what_the_features_cannot():
    features = replace(
        toy_features(60, 20, 30), vectors=torch.randn(110, 7, generator=torch.Generator().manual_seed(1))
    )
    wide = features.with_columns(*one_hot(features.labels.numpy(), "answer"))
    accuracies = []
    for each in (features, wide):
        net = dense(each)
        run(net, each, from_scratch(epochs=30, lr=1e-2))
        accuracies.append(evaluate(net, each).accuracy)
    assert accuracies[0] < 0.6 and accuracies[1] > 0.95


def test_standardised_numbers_have_one_size_and_constant_ones_are_zero():
    vectors = toy_features().vectors * torch.tensor([1e-3, 1, 1e3, 1, 1, 1, 0]) + torch.tensor([0, 0, 0, 0, 0, 1e4, 5])
    features = replace(toy_features(), vectors=vectors).standardised()
    train = features.vectors[features.rows("train")]
    torch.testing.assert_close(train.mean(0), torch.zeros(7), atol=1e-3, rtol=0)
    torch.testing.assert_close(train.std(0, correction=0), torch.tensor([1.0] * 6 + [0.0]), atol=1e-3, rtol=0)
    refusal(lambda: replace(features, splits={"train": torch.zeros(0).long()}).standardised(), "no training rows")


# Networks over vectors


def test_a_dense_network_is_a_whole_network(tmp_path):
    features = toy_features()
    net = dense(features, (16, 8), norm=True, seed=3)
    assert [block.name for block in net.blocks] == ["hidden1", "hidden2", "scores"]
    assert net.table().column("output") == ["16", "8", "3"]
    assert sum(net.table().column("parameters")) == sum(p.numel() for p in net.model.parameters())
    start, twin = weights(net), net.copy()
    run(net, features, [Stage(frozen=-1, epochs=2, batch=5), Stage(frozen=1, epochs=2, decay=0.5)])
    changed = differing(weights(net), start)
    assert "hidden2.weight" in changed and not any(name.startswith(("hidden1", "norm1")) for name in changed)
    assert differing(weights(twin), start) == [] and net(features.vectors).shape == (23, 3)
    back = restore(dense(features, (16, 8), norm=True), net.save(tmp_path / "dense.safetensors"))
    assert isinstance(back, VectorNetwork) and torch.equal(back(features.vectors), net(features.vectors))
    refusal(lambda: net.table(64), "size=64", "vectors")


def test_same_seed_same_weights_other_seed_other_weights():
    first, again, other = (weights(dense(toy_features(), (4,), seed=seed)) for seed in (1, 1, 2))
    assert differing(first, again) == [] and len(differing(first, other)) == 4


@pytest.mark.parametrize("cache", [True, False])
def test_frozen_layers_over_vectors_are_remembered_to_the_same_end(cache):
    features, net, twin = toy_features(), dense(toy_features(), (16,)), dense(toy_features(), (16,))
    run(net, features, Stage(frozen=-1, epochs=2, batch=5), cache=cache)
    run(twin, toy_features(), Stage(frozen=-1, epochs=2, batch=5), cache=not cache)
    assert differing(weights(net), weights(twin)) == []


def test_another_activation_is_not_taken_for_the_first():
    features = toy_features()
    keys = {
        remember(Pixels(dense(features, (4,), activation=a), features), 1).store.key for a in ("relu", "gelu", "tanh")
    }
    assert len(keys) == 3


def test_surgery_works_on_vectors():
    features = toy_features()
    net = dense(features, (16,))
    deeper = new_head(net, (8,))
    assert [block.name for block in deeper.blocks] == ["hidden1", "scores.hidden1", "scores.scores"]
    own = replace_blocks(net, 1, [nn.Tanh(), nn.Linear(16, 3)])
    joined = join_blocks(dense(features, (16, 8)), (1, 2))
    for new in (deeper, own, joined):
        assert isinstance(new, VectorNetwork) and new.table().column("output")[-1] == "3"
        run(new, features, from_scratch(epochs=1))
        with pytest.raises(CourseError, match="cut=-"):
            extract(new, features, -len(new))
    assert extract(deeper, features).width == 8 and extract(joined, features).width == 24
    assert joined.table().column("output")[-2] == "24"
    refusal(lambda: replace_blocks(net, 1, [nn.Linear(8, 3)]), "shape 16", "own0")


def test_a_dense_network_learns():
    features = toy_features(60, 20, 60)
    net = dense(features, (32,))
    chance = evaluate(net, features).accuracy
    run(net, features, from_scratch(epochs=20, lr=1e-2))
    assert evaluate(net, features).accuracy > 0.85 > chance


@pytest.mark.parametrize(
    ("net", "data", "words"),
    [
        ("image", "vectors", ("pawnet takes images", "dense()")),
        ("dense", "images", ("dense takes float32 vectors of 7", "uint8")),
        ("dense", "wider", ("vectors of 7 numbers", "(1, 9)")),
    ],
)
def test_networks_and_data_of_two_kinds_are_refused(net, data, words):
    nets: dict[str, Network] = {"image": make("pawnet"), "dense": dense(toy_features())}
    sets = {"images": toy_images(), "vectors": toy_features(), "wider": toy_features(width=9)}
    refusal(lambda: check_inputs(nets[net], sets[data]), *words)
    refusal(lambda: extract(nets[net], sets[data]), *words)


def test_vectors_cannot_be_augmented():
    stage = Stage(epochs=1, augment=Augment())
    refusal(lambda: run(dense(toy_features()), toy_features(), stage), "toy features", "vectors", "augment")


def test_networks_and_data_of_one_kind_are_taken():
    check_inputs(make("pawnet"), toy_images())
    check_inputs(dense(toy_features()), toy_features())
