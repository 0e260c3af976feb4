"""Many heads at once: each ends where `fit`, one at a time, would have brought it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import nn
from toys import CLASSES, differing, flags, make, run, toy_images, weights

from course_lib.augment import Augment
from course_lib.cutting.blocks import split
from course_lib.errors import CourseError
from course_lib.evaluation import evaluate
from course_lib.images import ImageSet
from course_lib.models import load
from course_lib.network import Network
from course_lib.stacked import fit_heads as module
from course_lib.stacked.fit_heads import HeadRun, HeadsRecord, fit_heads, head_of, load_head
from course_lib.stacked.headset import Heads
from course_lib.stacked.lockstep import Lockstep
from course_lib.stacked.masks import Masks
from course_lib.training.draws import moment
from course_lib.training.stage import Stage
from course_lib.training.train import fit
from course_lib.widgets.live import watch

HEAD = Stage(frozen=-1, epochs=4, lr=1e-2, batch=5)
CLOSE = 1e-5  # largest difference of a weight; the weights themselves move by 0.1 to 1


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    monkeypatch.setenv("COURSE_PRECISION", "float32")


def other_head(net: Network, seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(p.shape, generator=generator) / 10 for name, p in head_of(net).items()}


def one_by_one(net: Network, images: ImageSet, asked: HeadRun) -> tuple[Network, float]:
    """The network, and the last loss, that `fit` ends with."""
    twin = net.copy()
    if asked.head is not None:
        twin.blocks[-1].module.load_state_dict(asked.head, strict=False)
    rows = images.rows("train") if asked.train is None else asked.train
    own = replace(images, splits={**images.splits, "train": rows})
    return twin, run(twin, own, asked.stage, seed=asked.seed)[-1].loss


def stacked(net: Network, images: ImageSet, runs: list[HeadRun]) -> HeadsRecord:
    """The last record."""
    return list(fit_heads(net, images, runs, device="cpu"))[-1]


def assert_equal_to_fit(net: Network, images: ImageSet, runs: list[HeadRun]) -> Heads:
    record = stacked(net, images, runs)
    heads, scores, losses = record.heads, record.heads.scores("test"), record.losses
    starts = head_of(net)
    for number, asked in enumerate(runs):
        twin, loss = one_by_one(net, images, asked)
        for name, p in head_of(twin).items():
            assert (heads.parameters[name][number] - p).abs().max() < CLOSE, f"run {number}, {name}"
            assert not torch.equal(p, (asked.head or starts)[name])
        assert float(losses[number]) == pytest.approx(loss, abs=1e-4)
        assert (scores[number] - evaluate(twin, images, "test").scores).abs().max() < 1e-4
    return heads


# Equal to one by one


RUNS = {
    "seeds": [HeadRun(HEAD, seed=seed) for seed in range(4)],
    "rates and decays": [
        HeadRun(HEAD),
        HeadRun(replace(HEAD, lr=1e-3)),
        HeadRun(replace(HEAD, weight_decay=0.0)),
        HeadRun(replace(HEAD, lr=3e-2, weight_decay=0.5), seed=1),
    ],
    "sizes": [HeadRun(HEAD, seed=n, train=torch.arange(13)[-n:]) for n in (2, 3, 4, 7, 11, 13)],
    "schedules and lengths": [
        HeadRun(replace(HEAD, schedule="cosine")),
        HeadRun(replace(HEAD, schedule="constant", epochs=2)),
        HeadRun(replace(HEAD, warm_up=0.5, epochs=7)),
        HeadRun(replace(HEAD, schedule="constant", warm_up=0.2), train=torch.arange(5)),
    ],
    "batches": [HeadRun(replace(HEAD, batch=batch), seed=batch) for batch in (2, 5, 13, 100)],
    "losses": [
        HeadRun(replace(HEAD, label_smoothing=0.2)),
        HeadRun(replace(HEAD, class_weights="balanced"), train=torch.tensor([0, 1, 2, 3, 6, 9, 12])),
        HeadRun(replace(HEAD, class_weights=(0.5, 3.0, 1.0), label_smoothing=0.1)),
        HeadRun(replace(HEAD, class_weights=(0.0, 1.0, 1.0))),
        HeadRun(HEAD),
    ],
    "optimizers": [
        HeadRun(replace(HEAD, optimizer="sgd", lr=0.1)),
        HeadRun(replace(HEAD, optimizer="sgd", lr=0.3, weight_decay=0.1), seed=1, train=torch.arange(7)),
        HeadRun(HEAD),
    ],
    "dropout": [
        HeadRun(replace(HEAD, dropout=0.5)),
        HeadRun(replace(HEAD, dropout=0.2), seed=3, train=torch.arange(8)),
        HeadRun(replace(HEAD, dropout=0.5, lr=3e-2)),
        HeadRun(HEAD),
    ],
    "views": [
        HeadRun(replace(HEAD, augment=Augment(), views=2)),
        HeadRun(HEAD, seed=2),
        HeadRun(replace(HEAD, augment=Augment(), views=2, lr=1e-3)),
        HeadRun(replace(HEAD, augment=Augment(), views=3)),
        HeadRun(replace(HEAD, augment=Augment(), views=3), seed=1, train=torch.arange(9)),
    ],
}


@pytest.mark.parametrize("what", RUNS)
def test_each_head_ends_where_fit_brings_it(what):
    assert_equal_to_fit(make("pawnet"), toy_images(train=13), RUNS[what])


@pytest.mark.parametrize("what", RUNS)
def test_it_does_not_matter_that_the_slow_way_for_any_head_is_taken(what, monkeypatch):
    monkeypatch.setattr(Masks, "linear", lambda *_: None)
    assert_equal_to_fit(make("pawnet"), toy_images(train=13), RUNS[what])


def test_first_heads_differ_as_asked():
    net = make("pawnet")
    runs = [HeadRun(HEAD, seed=7, head=other_head(net, seed)) for seed in range(3)] + [HeadRun(HEAD, seed=7)]
    heads = assert_equal_to_fit(net, toy_images(), runs)
    assert all((a - b).abs().max() > 0.1 for a, b in pairwise(heads.parameters["head.weight"]))


@pytest.mark.parametrize("name", ["wide", "squeezenet1_0", "mobilenet_v2", "vit"])
def test_other_heads_end_there_as_well_also_with_their_own_dropout(name):
    runs = [
        HeadRun(HEAD),
        HeadRun(HEAD, seed=1),
        HeadRun(replace(HEAD, dropout=0.0)),
        HeadRun(replace(HEAD, dropout=0.3)),
    ]
    odd = [HeadRun(replace(HEAD, batch=4, lr=1e-3), seed=1, train=torch.arange(7))]
    assert_equal_to_fit(make(name), toy_images(train=13, size=64 if name == "squeezenet1_0" else 32), runs + odd)


class Perceptron(nn.Module):
    """A body of one layer, and a head with two layers, BatchNorm and two dropouts."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 24), nn.ReLU())
        layers = [nn.Dropout(0.1), nn.Linear(24, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.4), nn.Linear(16, 3)]
        self.head = nn.Sequential(*layers)

    def blocks(self) -> OrderedDict:
        return OrderedDict(body=self.body, head=self.head)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x))


def own_net(model: nn.Module) -> Network:
    blocks = split(model.eval(), torch.randn(2, 3, 16, 16))
    return Network("own", model, blocks, CLASSES, 16, (0.5,) * 3, (0.25,) * 3, "random weights")


def perceptron() -> Network:
    torch.manual_seed(0)
    net = own_net(Perceptron())
    nn.init.uniform_(net.model.head[2].running_mean, -1, 1)
    return net


def test_a_head_of_several_layers_ends_there_as_well():
    stage = replace(HEAD, norm="eval")
    runs = [
        HeadRun(stage),
        HeadRun(stage, seed=1),
        HeadRun(replace(stage, lr=1e-3, dropout=0.2), train=torch.arange(9)),
    ]
    assert_equal_to_fit(perceptron(), toy_images(train=13, size=16), runs)


@pytest.mark.parametrize("layers", [[nn.Linear(24, 3, bias=False)], [nn.Linear(24, 8), nn.Tanh(), nn.Linear(8, 3)]])
def test_a_head_without_dropout_gets_the_one_that_its_stage_asks_for(layers):
    torch.manual_seed(0)
    model = Perceptron()
    model.head = nn.Sequential(*layers)
    assert_equal_to_fit(own_net(model), toy_images(train=13, size=16), RUNS["dropout"])


def test_twenty_epochs_later_they_are_still_equal():
    images = toy_images(train=90)
    assert_equal_to_fit(make("pawnet"), images, [HeadRun(replace(HEAD, epochs=20), seed=seed) for seed in range(3)])


def test_a_head_does_not_depend_on_those_beside_it():
    net, images = make("pawnet"), toy_images(train=13)
    runs = [each for what in ("seeds", "sizes", "losses", "dropout", "schedules and lengths") for each in RUNS[what]]
    diverging = HeadRun(replace(HEAD, optimizer="adamw", lr=1e30))
    together = stacked(net, images, [diverging, *runs]).heads.parameters["head.weight"]
    for number, asked in enumerate(runs[::5]):
        alone = stacked(net, images, [asked]).heads.parameters["head.weight"]
        assert (together[1 + 5 * number] - alone[0]).abs().max() < 1e-6


def test_memory_for_few_heads_at_a_time_changes_nothing(monkeypatch):
    net, images = make("pawnet"), toy_images(train=13)
    runs = [*RUNS["seeds"], *RUNS["batches"]]
    whole = stacked(net, images, runs)
    monkeypatch.setattr(module, "STEP_BYTES", 2 * 5 * 192 * 4)
    stacks, init = [], Lockstep.__init__
    monkeypatch.setattr(
        Lockstep,
        "__init__",
        lambda self, head, tracks, *rest: stacks.append(len(tracks)) or init(self, head, tracks, *rest),
    )
    parts = stacked(net, images, runs)
    assert stacks == [
        2,
        2,
        1,
        1,
        1,
        1,
    ]  # batches of 5 in pairs, one run with a batch of its own size each, 5 among the first
    assert (parts.heads.parameters["head.weight"] - whole.heads.parameters["head.weight"]).abs().max() < 1e-6
    assert torch.allclose(parts.losses, whole.losses, atol=1e-5)


# What comes back


def test_evaluations_and_networks_are_those_of_the_heads():
    net, images = make("wide"), toy_images(train=13, val=5, test=40, size=32)
    runs = RUNS["seeds"]
    heads = stacked(net, images, runs).heads
    assert len(heads) == 4 and heads.scores("val").shape == (4, 5, 3)
    for number, found in enumerate(heads.evaluations("test")):
        own = evaluate(heads.network(number), images, "test")
        assert torch.equal(own.correct, found.correct) and torch.equal(own.rows, found.rows)
        assert found.split == "test" and found.classes == CLASSES
        assert heads.accuracies("test")[number] == pytest.approx(own.accuracy)
    twin, _ = one_by_one(net, images, runs[-1])
    ends, body = weights(heads.network(-1)), net.fingerprint(1)
    assert heads.network(-1).fingerprint(1) == body
    assert all((ends[name] - p).abs().max() < CLOSE for name, p in weights(twin).items())


def test_the_network_that_was_given_stays_as_it_was():
    net, images = make("wide"), toy_images(size=32)
    net.model.train()
    before, modes = weights(net), flags(net)
    heads = stacked(net, images, RUNS["seeds"][:2]).heads
    heads.scores("test"), heads.network(0)
    assert differing(weights(net), before) == [] and flags(net) == modes


def test_the_caller_s_randomness_is_neither_used_nor_moved():
    net, images, ends = make("mobilenet_v2"), toy_images(size=32), []
    for seed in (0, 1):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        ends.append(stacked(net, images, RUNS["seeds"][:2]).heads.parameters["classifier.1.weight"])
        assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(*ends)


def test_vectors_are_taken_where_fit_takes_them():
    from course_lib.features import dense, extract

    features = extract(make("pawnet"), toy_images(train=13), cuts=(-1,))
    for hidden in ((), (8,)):
        assert_equal_to_fit(dense(features, hidden=hidden), features, RUNS["seeds"][:2])


@pytest.mark.parametrize("seed", [0, 5])
def test_load_head_draws_what_load_draws(seed):
    for weights_name, name in (("animals", "pawnet"), (None, "squeezenet1_0")):
        expected = head_of(load(name, CLASSES, weights_name, seed=seed))
        found = load_head(name, CLASSES, weights_name, seed=seed)
        assert expected.keys() == found.keys() and all(torch.equal(expected[key], found[key]) for key in expected)


# Records


def test_records_tell_how_far_all_heads_are():
    net, images = make("pawnet"), toy_images(train=12, val=5)
    runs = [HeadRun(HEAD), HeadRun(replace(HEAD, epochs=2), seed=1), HeadRun(replace(HEAD, batch=12))]
    records = list(fit_heads(net, images, runs, device="cpu"))
    filled = [record for record in records if record.phase == "remember"]
    assert [(record.done, record.total, record.progress) for record in filled] == [(17, 17, 0.0)]
    trained = [record for record in records if record.phase == "train"]
    # 12 and 6 steps of three batches an epoch go side by side; 4 steps of one batch an epoch come after them.
    assert [record.step for record in trained] == [2, 4, 6, 8, 10, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22]
    assert {record.steps for record in records} == {22} and records[-1].progress == 1
    assert [record.seconds for record in records] == sorted(record.seconds for record in records)
    assert "3 heads" in filled[0].text and "100%" in records[-1].text and "mean loss" in records[-1].text
    assert not any(record.phase == "remember" for record in fit_heads(net, images, runs, device="cpu"))


def test_heads_can_be_looked_at_at_every_record_and_stay_as_they_were_seen():
    net, images = make("pawnet"), toy_images()
    seen = []
    for record in fit_heads(net, images, RUNS["seeds"], device="cpu"):
        seen.append((record.heads, record.heads.parameters["head.bias"].clone(), record.losses))
        record.heads.accuracies("val")
        net(images.images[:2])
    assert seen[0][2].isnan().all() and not seen[1][2].isnan().any()
    assert all(torch.equal(heads.parameters["head.bias"], then) for heads, then, _ in seen)
    assert torch.equal(seen[0][1], head_of(net)["head.bias"].expand(4, 3))
    assert not any(torch.equal(a, b) for (_, a, _), (_, b, _) in pairwise(seen[1:]))


def test_a_stopped_run_keeps_its_steps_and_the_whole_one_gives_its_heads_to_watch():
    net, images = make("pawnet"), toy_images(train=12)
    for record in fit_heads(net, images, [HeadRun(HEAD), HeadRun(HEAD, seed=1)], device="cpu"):
        if record.step == 2 * 5:
            break
    twin = net.copy()
    for single in fit(twin, images, HEAD, device="cpu"):
        if single.step == 5:
            break
    assert (record.heads.parameters["head.weight"][0] - head_of(twin)["head.weight"]).abs().max() < CLOSE
    assert isinstance(watch(fit_heads(net, images, [HeadRun(HEAD)], device="cpu")), Heads)


# How it is done


def test_the_fast_way_is_taken_for_linear_heads_and_for_no_other():
    found = {name: Masks(make(name).blocks[-1].module, [HEAD]) for name in ("pawnet", "wide", "mobilenet_v2")}
    widths = {"pawnet": 192, "wide": 512, "mobilenet_v2": 1280}
    cpu = torch.device("cpu")
    names = {name: masks.linear(widths[name], cpu) for name, masks in found.items()}
    assert names["pawnet"] == ("head.weight", "head.bias")
    assert names["mobilenet_v2"] == ("classifier.1.weight", "classifier.1.bias") and names["wide"] is not None
    assert Masks(nn.Sequential(nn.Linear(4, 3, bias=False)), [HEAD]).linear(4, cpu) == ("0.weight", None)
    others = [
        [nn.Linear(4, 4), nn.Dropout()],
        [nn.Linear(4, 3), nn.Dropout()],
        [nn.ReLU(), nn.Linear(4, 3)],
        [nn.Linear(4, 3), nn.ReLU()],
        [nn.Linear(4, 4), nn.Linear(4, 3)],
        [nn.LayerNorm(4), nn.Linear(4, 3)],
    ]
    assert [Masks(nn.Sequential(*layers), [HEAD]).linear(4, cpu) for layers in others] == [None] * len(others)


def test_heads_of_one_seed_share_what_dropout_draws(monkeypatch):
    from course_lib.stacked import masks

    drawn = []
    monkeypatch.setattr(masks, "moment", lambda *numbers: drawn.append(numbers[1:]) or moment(*numbers))
    runs = [HeadRun(replace(HEAD, lr=lr, batch=12)) for lr in (1e-2, 1e-3, 1e-4)] + [
        HeadRun(replace(HEAD, batch=12), seed=1)
    ]
    stacked(make("wide"), toy_images(train=12, size=32), runs)
    assert drawn == [(seed, 0, epoch, 0) for epoch in range(4) for seed in (0, 1)]


# What is refused


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ([], "one or more HeadRun"),
        ([HEAD], "one or more HeadRun"),
        ([HeadRun([HEAD])], "one or more HeadRun"),
        ([HeadRun(HEAD), HeadRun(Stage(frozen=-2))], "Run 1 of 2 cannot be stacked: frozen=-2"),
        ([HeadRun(replace(HEAD, frozen=6))], "frozen=6"),
        ([HeadRun(replace(HEAD, mixup=0.2))], "mixup=0.2 is for one network"),
        ([HeadRun(replace(HEAD, patience=2))], "patience=2 is for one network"),
        ([HeadRun(replace(HEAD, keep_best=True))], "keep_best=True"),
        ([HeadRun(replace(HEAD, pull=0.1))], "pull=0.1"),
        ([HeadRun(replace(HEAD, frozen_norm="train"))], "frozen_norm='train'"),
        ([HeadRun(replace(HEAD, norm="adapt"))], "norm='adapt'"),
        ([HeadRun(HEAD, seed=-1)], "seed=-1"),
        ([HeadRun(HEAD, train=torch.tensor([3]))], "train has 1 rows"),
        ([HeadRun(HEAD, train=torch.tensor([3, 3]))], "different rows of the train split"),
        ([HeadRun(HEAD, train=torch.tensor([3, 14]))], "of the train split of toys"),
        ([HeadRun(HEAD, head={"head.weight": torch.zeros(3, 192)})], "its head has the parameters"),
        ([HeadRun(replace(HEAD, class_weights=(1.0, 2.0)))], "class_weights has 2 numbers"),
        (
            [HeadRun(replace(HEAD, class_weights="balanced"), train=torch.tensor([0, 1, 3]))],
            "classes \\[2\\] have none",
        ),
    ],
)
def test_runs_that_cannot_be_stacked_are_refused_before_any_work(asked, words):
    images = toy_images()
    with pytest.raises(CourseError, match=words):
        fit_heads(make("pawnet"), images, asked)
    assert not images.stores


def test_images_that_do_not_fit_are_refused():
    with pytest.raises(CourseError, match="head for 3 classes and toys has 2"):
        fit_heads(make("pawnet"), toy_images(classes=("a", "b")), [HeadRun(HEAD)])


def test_a_new_setting_of_a_stage_is_refused_until_stacks_know_it():
    from dataclasses import make_dataclass

    later = make_dataclass("Later", [("ears", str, "down")], bases=(Stage,), frozen=True)
    assert module.obstacle(make("pawnet"), later(frozen=-1)) is None
    assert "ears='up'" in module.obstacle(make("pawnet"), later(frozen=-1, ears="up"))


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([nn.AlphaDropout(0.2), nn.Linear(8, 3)], "AlphaDropout"),
        ([nn.RReLU(), nn.Linear(8, 3)], "cannot be stacked: vmap"),
        ([nn.BatchNorm1d(8), nn.Linear(8, 3)], "use norm='eval'"),
    ],
)
def test_heads_that_cannot_be_stacked_are_refused_with_a_way_out(layers, words):
    model = Perceptron()
    model.body[1], model.head = nn.Linear(3 * 16 * 16, 8), nn.Sequential(*layers)
    with pytest.raises(CourseError, match=words) as refused:
        stacked(own_net(model), toy_images(size=16), [HeadRun(HEAD)])
    assert "`fit`" in str(refused.value)


def test_heads_are_not_measured_on_a_body_that_was_trained_since():
    net, images = make("pawnet"), toy_images()
    heads = stacked(net, images, RUNS["seeds"][:2]).heads
    run(net, images, HEAD)
    assert heads.accuracies("test").shape == (2,), "another head does not matter"
    run(net, images, Stage(frozen=4, epochs=1))
    for use in (lambda: heads.accuracies("test"), lambda: heads.network(0)):
        with pytest.raises(CourseError, match="was trained since"):
            use()
    with pytest.raises(CourseError, match="There is no head 2"):
        heads.network(2)
    with pytest.raises(CourseError, match="val split of toys is empty"):
        stacked(make("pawnet"), toy_images(val=0), [HeadRun(HEAD)]).heads.scores("val")
