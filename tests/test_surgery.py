"""Surgery: kept blocks give the same numbers as before, new ones train, and what has no meaning is refused."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import nn
from toys import CLASSES, differing, make, run, states, toy_images, weights

from course_lib.augment import Augment
from course_lib.cache.remember import Pixels, remember
from course_lib.cutting.blocks import split
from course_lib.cutting.classifier_head import head_path
from course_lib.errors import CourseError
from course_lib.evaluation import evaluate
from course_lib.models import load
from course_lib.network import Network
from course_lib.surgery.joining import Pool, join_blocks
from course_lib.surgery.replace import new_head, replace_blocks, restore
from course_lib.surgery.splice import examples, run_exactly
from course_lib.training.recipes import feature_extraction
from course_lib.training.train import Stage

NAMES = ["pawnet", "resnet18", "mobilenet_v2", "squeezenet1_0", "vit", "wide"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))


def own_layers(channels: int = 96, classes: int = 3) -> list:
    """A convolution with its norm, and a linear head with dropout: two blocks."""
    torch.manual_seed(0)
    return [
        ("neck", nn.Conv2d(channels, 16, 1)),
        nn.BatchNorm2d(16),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(16, classes),
    ]


WAYS = {
    "linear head": lambda net: new_head(net, ()),
    "deep head": lambda net: new_head(net, (16, 8), norm=True, activation="gelu"),
    "own layers": lambda net: replace_blocks(net, 4, own_layers()),
    "joined": lambda net: join_blocks(net, (3, -1)),
    "joined and deep": lambda net: new_head(join_blocks(net, (2, 4)), (8,)),
    "own layers and joined": lambda net: join_blocks(replace_blocks(net, 3, own_layers(64)), (2, 4)),
    "joined twice": lambda net: join_blocks(join_blocks(net, (2, -1)), (1, -1)),
}


def small(name: str) -> Network:
    """A network for small images, also where its architecture takes larger ones."""
    net = make(name)
    net.size = net.size or 64
    return net


def names_of(net: Network) -> list[str]:
    return [block.name for block in net.blocks]


def outputs(net: Network, stop: int) -> torch.Tensor:
    return run_exactly(net, examples(make("pawnet"))[0], stop=stop)


def refusal(call, *words: str) -> None:
    with pytest.raises(CourseError) as refused:
        call()
    text = str(refused.value)
    assert "\n" not in text and text.endswith((".", ")")) and all(word in text for word in words), text


# What every way has in common


@pytest.mark.parametrize("way", WAYS)
def test_what_comes_back_is_a_whole_network(way, tmp_path):
    toys, net = toy_images(), make("pawnet")
    before = weights(net)
    new = WAYS[way](net)
    assert new.table().column("output")[-1] == "3" and not any(module.training for module in new.model.modules())
    assert sum(new.table().column("parameters")) == sum(p.numel() for p in new.model.parameters())
    held = [id(tensor) for tensor in new.model.state_dict(keep_vars=True).values()]
    assert sorted(held) == sorted(id(t) for block in new.blocks for t in [*block.parameters(), *block.module.buffers()])
    twin = new.copy()
    assert twin.fingerprint() == new.fingerprint() and differing(weights(twin), weights(new)) == []
    start = states(new)
    run(twin, toys, [Stage(frozen=-1, epochs=1), Stage(frozen=1, epochs=1, decay=0.5)])
    assert all(torch.equal(a, b) for a, b in zip(start, states(new), strict=True)), "a copy shares nothing"
    assert all(torch.equal(a, b) for a, b in zip(states(twin, 0, 1), states(new, 0, 1), strict=True))
    assert differing(weights(twin), weights(new)) != []
    assert evaluate(twin, toys).scores.shape == (6, 3)
    assert differing(weights(net), before) == [], "the network that it was made from stays as it was"
    back = restore(WAYS[way](make("pawnet")), twin.save(tmp_path / "new.safetensors"))
    assert differing(weights(back), weights(twin)) == [] and "new.safetensors" in back.origin
    assert torch.equal(back(toys.images), twin(toys.images)) and back.fingerprint() == twin.fingerprint()


@pytest.mark.parametrize("way", WAYS)
def test_the_model_is_the_chain_and_can_be_cut_again(way):
    new = WAYS[way](make("pawnet"))
    x = examples(new)[0]
    with torch.no_grad():
        assert torch.equal(new.model(x), run_exactly(new, x))
    assert names_of(new)[-1].startswith(head_path(new.model).split(".")[0])
    if "joined" not in way:
        assert [len(block.state()) for block in split(new.model, x)] == [
            len(list(block.parameters())) + len(list(block.module.buffers())) for block in new.blocks
        ]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("frozen", [-1, 1])
def test_remembered_equals_worked_out_anew(way, frozen):
    nets = [WAYS[way](make("pawnet")) for _ in range(2)]
    recipe = [Stage(frozen=frozen, epochs=2, batch=5, augment=Augment(), views=2)]
    for net, cache in zip(nets, (True, False), strict=True):
        run(net, toy_images(train=9), recipe, cache=cache)
    assert differing(*map(weights, nets)) == []


def test_kept_blocks_of_the_shipped_network_give_the_same_bits():
    toys = toy_images()
    net = load("pawnet", CLASSES, weights="animals")
    ways = [(new_head(net, (32,)), 5), (replace_blocks(net, 4, own_layers()), 4), (join_blocks(net, (3, -1)), 3)]
    for new, kept in ways:
        assert names_of(new)[:kept] == names_of(net)[:kept] and new.fingerprint(kept) == net.fingerprint(kept)
        for stop in range(kept + 1):
            before, after = (n.run(n.prepare(toys.images), stop=stop) for n in (net, new))
            assert torch.equal(before, after)
    assert [new.origin.startswith(net.origin) for new, _ in ways] == [True] * 3


def test_what_is_remembered_of_kept_blocks_serves_all_networks_made_from_them():
    toys, net = toy_images(), make("pawnet")
    new = new_head(net, (8,))
    run(net, toys, Stage(frozen=-1, epochs=1))
    assert not any(r.phase == "remember" for r in run(new, toys, Stage(frozen=-2, epochs=1)))
    assert any(r.phase == "remember" for r in run(new, toys, Stage(frozen=-1, epochs=1)))


def test_a_network_on_images_of_any_size_stays_one():
    new = join_blocks(make("resnet18"), (5, -1))
    for size in (64, 96):
        assert new(torch.zeros(2, 3, size, size, dtype=torch.uint8)).shape == (2, 3)


# A new head


@pytest.mark.parametrize("name", NAMES)
def test_each_layer_of_a_new_head_is_a_block(name):
    net = small(name)
    new = new_head(net, (16, 8), norm=name != "wide")
    kept = len(net) - 1
    assert names_of(new)[:kept] == names_of(net)[:kept] and new.fingerprint(kept) == net.fingerprint(kept)
    head = names_of(new)[kept:]
    assert [n.rsplit(".", 1)[1] for n in head] == ["hidden1", "hidden2", "scores"]
    assert {n.rsplit(".", 1)[0] for n in head} == {head_path(net.model)}
    images = toy_images(size=64).images[:4]
    assert new(images).shape == (4, 3)
    state = weights(new)
    matrix = state[f"{head[0]}.weight"]
    assert matrix.shape[0] == 16 and state[f"{head[1]}.weight"].shape[:2] == (8, 16)


def test_same_seed_same_head_other_seed_other_head():
    first, again, other = (weights(new_head(make("pawnet"), (8,), seed=seed)) for seed in (4, 4, 5))
    assert differing(first, again) == []
    assert differing(first, other) == [
        f"head.{name}" for name in ("hidden1.weight", "hidden1.bias", "scores.weight", "scores.bias")
    ]
    joined = [weights(join_blocks(make("pawnet"), (2, -1), seed=seed)) for seed in (4, 4, 5)]
    assert differing(*joined[:2]) == [] and differing(*joined[1:]) == ["head.weight", "head.bias"]


@pytest.mark.parametrize("name", NAMES)
def test_a_linear_head_looks_as_load_makes_it(name):
    net = small(name)
    new = new_head(net, (), seed=3)
    assert names_of(new) == names_of(net)
    changed = differing(weights(new), weights(net))
    assert sorted(changed) == [f"{head_path(net.model)}.bias", f"{head_path(net.model)}.weight"]
    assert type(new.model.get_submodule(head_path(net.model))) is type(net.model.get_submodule(head_path(net.model)))


@pytest.mark.parametrize("name", ["pawnet", "squeezenet1_0"])
def test_frozen_minus_one_trains_the_last_layer_of_a_new_head_alone(name):
    new = new_head(small(name), (8,), norm=True)
    before = weights(new)
    run(new, toy_images(), Stage(frozen=-1, epochs=2, lr=1e-2))
    path = head_path(make(name).model)
    assert set(differing(weights(new), before)) == {f"{path}.scores.weight", f"{path}.scores.bias"}
    run(new, toy_images(), Stage(frozen=-2, epochs=1, lr=1e-2))
    changed = set(differing(weights(new), before))
    assert {f"{path}.hidden1.weight", f"{path}.norm1.running_mean"} <= changed
    assert all(key.startswith(path) for key in changed)


def test_dropout_lies_between_the_new_layers_and_draws_in_training():
    new = new_head(make("pawnet"), (64,), dropout=0.4)
    found = [[m.p for m in block.module.modules() if isinstance(m, nn.Dropout)] for block in new.blocks[-2:]]
    assert found == [[], [0.4]]
    x = torch.ones(4, 64)
    with new.mode(frozen=-1):
        assert not torch.equal(new.blocks[-1](x), new.blocks[-1](x))
    assert torch.equal(new.blocks[-1](x), new.blocks[-1](x))


def test_other_classes_get_other_scores():
    new = new_head(make("pawnet"), (8,), classes=("a", "b", "c", "d"))
    assert new.classes == ("a", "b", "c", "d") and new(toy_images().images[:2]).shape == (2, 4)
    assert replace_blocks(make("pawnet"), 4, own_layers(classes=2), classes=("a", "b")).classes == ("a", "b")


def test_a_model_that_says_its_blocks_itself_gets_a_new_head_too():
    class ByHand(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.low = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(2), nn.Flatten())
            self.top = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3))

        def blocks(self) -> list[tuple[str, nn.Module]]:
            return [("low", self.low), ("top", self.top)]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.top(self.low(x))

    model = ByHand().eval()
    net = Network("by hand", model, split(model, torch.randn(2, 3, 8, 8)), CLASSES, 8, (0.5,) * 3, (1.0,) * 3, "random")
    before = weights(net)
    new = new_head(net, (5,))
    assert names_of(new) == ["low", "top.0", "top.2.hidden1", "top.2.scores"] and differing(weights(net), before) == []
    images = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    assert new(images).shape == (2, 3) and net(images).shape == (2, 3)
    joined = join_blocks(net, (1,))
    assert [tuple(p.shape) for p in joined.blocks[-1].parameters()] == [(3, 16), (3,)]
    assert torch.equal(joined.run(joined.prepare(images), stop=1), net.run(net.prepare(images), stop=1))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hidden": 256}, ("hidden=256", "(256,)")),
        ({"hidden": (0,)}, ("hidden=(0,)",)),
        ({"hidden": (8.0,)}, ("hidden=(8.0,)",)),
        ({"hidden": "big"}, ("hidden='big'",)),
        ({"hidden": (), "dropout": 0.1}, ("no hidden layer for dropout", "Stage(dropout=)")),
        ({"hidden": (), "norm": True, "activation": "relu"}, ("norm and activation",)),
        ({"dropout": 1.0}, ("dropout=1.0", "below 1")),
        ({"dropout": -0.1}, ("dropout=-0.1",)),
        ({"activation": "step"}, ("'step'", "relu, gelu")),
        ({"classes": ("a",)}, ("at least two classes",)),
    ],
)
def test_a_new_head_without_meaning_is_refused(options, words):
    refusal(lambda: new_head(make("pawnet"), **options), *words)


# Own layers


def test_own_layers_follow_the_rule_of_blocks():
    new = replace_blocks(make("pawnet"), 4, own_layers())
    assert names_of(new) == ["stem", "stage1", "stage2", "stage3", "neck", "own6"]
    assert new.table().column("output")[-2:] == ["16", "3"], "pooling joins the block before"
    assert any(isinstance(m, nn.Dropout) for m in new.blocks[-1].module.modules()), "dropout joins the block after"
    assert "neck.weight" in weights(new) and "stage4.conv1.weight" not in weights(new)
    assert "4 blocks, then own layers" in new.origin


def test_own_layers_are_copied():
    layers = own_layers()
    new = replace_blocks(make("pawnet"), 4, layers)
    kept = layers[0][1].weight.clone()
    run(new, toy_images(), Stage(epochs=1))
    assert torch.equal(layers[0][1].weight, kept) and layers[1].training
    assert not torch.equal(new.model.neck.weight, kept)


def test_start_counts_as_frozen_does_and_may_keep_nothing_or_all():
    net = make("pawnet")
    last = [nn.Linear(192, 3)]
    assert replace_blocks(net, -1, last).fingerprint(5) == replace_blocks(net, 5, last).fingerprint(5)
    all_kept = replace_blocks(net, 6, [nn.Linear(3, 2)], classes=("a", "b"))
    assert len(all_kept) == 7 and all_kept.fingerprint(6) == net.fingerprint()
    own = replace_blocks(net, 0, [nn.Conv2d(3, 4, 8, 8), nn.Flatten(), nn.LazyLinear(3)])
    assert len(own) == 2 and own.origin == "own layers" and own(toy_images().images[:2]).shape == (2, 3)


def test_a_lazy_layer_takes_the_width_that_arrives_and_leaves_the_caller_s_randomness():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    layers = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(3)]
    ends = [weights(replace_blocks(make("pawnet"), 2, layers)) for _ in range(2)]
    assert torch.equal(torch.get_rng_state(), before)
    assert ends[0]["own2.weight"].shape == (3, 32) and differing(*ends) == []


def test_a_lazy_batchnorm_which_torch_cannot_copy_is_named():
    layers = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(8), nn.LazyBatchNorm1d(), nn.Linear(8, 3)]
    with pytest.raises(CourseError, match=r"own3 \(LazyBatchNorm1d\) has running statistics of unknown width"):
        replace_blocks(make("pawnet"), -1, layers)


def test_a_second_surgery_finds_free_names():
    once = replace_blocks(
        make("pawnet"), 4, [*own_layers()[:1], nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 3)]
    )
    twice = replace_blocks(once, 5, [nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3)])
    assert len(set(names_of(twice))) == len(twice) == 7
    refusal(lambda: replace_blocks(once, 5, [("neck", nn.Linear(16, 3))]), "'neck'", "Taken are", "stage3")


class Bend(nn.Module):
    """A leaky slope that is set when it is made; it has no weights."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = slope

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.maximum(x, self.slope * x)


class Turn(Bend):
    """The same settings, other code."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.minimum(x, self.slope * x)


def closed_over(slope: float) -> nn.Module:
    class Closed(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * slope

    return Closed()


BENDS = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "a setting": lambda: Bend(0.1),
    "another setting": lambda: Bend(0.2),
    "other code": lambda: Turn(0.1),
    "a value around it": lambda: closed_over(1.0),
    "another value around it": lambda: closed_over(2.0),
}


def test_layers_without_weights_change_the_key_of_what_is_remembered():
    """Two activations have no weights to tell them apart: features of one must never be taken for the other's."""
    toys, net = toy_images(), make("pawnet")
    keys, values = {}, {}
    for name, bend in BENDS.items():
        torch.manual_seed(0)
        layers = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(96, 8), bend(), nn.Linear(8, 3)]
        new = replace_blocks(net, 4, layers)
        feeds = [remember(Pixels(each, toys), 5) for each in (new, new.copy())]
        assert feeds[0].store.key == feeds[1].store.key
        keys[name], values[name] = feeds[0].store.key, feeds[0](toys.rows("train"))
    assert len(set(keys.values())) == len(BENDS)
    assert not torch.equal(values["relu"], values["gelu"])


def test_dropout_does_not_change_the_key_of_what_is_remembered():
    net = make("pawnet")
    keys = [remember(Pixels(new_head(net, (8, 8), dropout=p), toy_images()), 7).store.key for p in (0.1, 0.5)]
    assert keys[0] == keys[1]


TIED = nn.Linear(96, 96)


@pytest.mark.parametrize(
    ("start", "layers", "words"),
    [
        (7, [nn.Linear(3, 3)], ("start=7", "6 blocks", "0 to 6")),
        (True, [nn.Linear(3, 3)], ("start=True",)),
        ("stage3", [nn.Linear(3, 3)], ("start='stage3'",)),
        (5, [], ("layers is empty",)),
        (5, ["linear"], ("layers[0] is 'linear'", "(name, module) pair")),
        (5, [("a", "b")], ("layers[0]",)),
        (5, [("a.b", nn.Linear(192, 3))], ("'a.b'", "no Python name")),
        (5, [("forward", nn.Linear(192, 3))], ("'forward'",)),
        (5, [("stem", nn.Linear(192, 3))], ("'stem'", "another layer")),
        (5, [("a", nn.Linear(192, 9)), ("a", nn.Linear(9, 3))], ("'a' of layers[1]",)),
        (4, [nn.Linear(10, 3)], ("own0 (Linear)", "shape 96 x 8 x 8", "cannot be multiplied")),
        (4, [nn.Flatten(), nn.Linear(6144, 9), nn.Linear(10, 3)], ("own2 (Linear)", "shape 9 ")),
        (5, [nn.Linear(192, 4)], ("shape 4", "3 classes", "nn.Linear(..., 3)")),
        (4, [nn.Conv2d(96, 3, 1)], ("shape 3 x 8 x 8", "3 scores")),
        (4, [nn.AdaptiveAvgPool2d(1), nn.Flatten(0)], ("3 scores",)),
        (5, [nn.LSTM(192, 3)], ("own0 (LSTM) gives a tuple",)),
        (6, [nn.Softmax(1)], ("no head to train", "own0")),
        (4, [nn.AdaptiveAvgPool2d(1), nn.Flatten(), TIED, TIED, nn.Linear(96, 3)], ("own2 and own3 share weights",)),
    ],
)
def test_layers_that_do_not_fit_are_refused(start, layers, words):
    refusal(lambda: replace_blocks(make("pawnet"), start, layers), *words)


def test_layers_for_one_size_need_a_network_of_one_size():
    def layers() -> list[nn.Module]:
        return [nn.Flatten(), nn.Linear(512 * 7 * 7, 3)]

    refusal(lambda: replace_blocks(make("resnet18"), -2, layers()), "shape 512 x 5 x 5", "224 and 160 px", "size=")
    sized = load("resnet18", CLASSES, size=64)
    new = replace_blocks(sized, -2, [nn.Flatten(), nn.Linear(512 * 2 * 2, 3)])
    assert new(torch.zeros(2, 3, 96, 96, dtype=torch.uint8)).shape == (2, 3)
    refusal(lambda: join_blocks(make("resnet18"), (3,), pool=False), "224 and 160 px", "size=")


# Joined features


@pytest.mark.parametrize("name", NAMES[:-1])
def test_joined_features_are_the_outputs_of_their_blocks_side_by_side(name):
    net = small(name)
    new = join_blocks(net, (-3, -1))
    x = examples(net)[0]
    low, top = (run_exactly(net, x, stop=len(net) + cut) for cut in (-3, -1))
    pooled = [y.mean({2: (), 3: (1,), 4: (2, 3)}[y.ndim]) if y.ndim > 2 else y for y in (low, top)]
    joined = run_exactly(new, x, stop=len(new) - 1)
    assert torch.equal(joined, torch.cat(pooled, 1))
    assert names_of(new)[:-2] == names_of(net)[:-3] and names_of(new)[-1] == "head"
    assert names_of(new)[-2] == f"{names_of(net)[-4]} + {names_of(net)[-2]}"


def test_cuts_next_to_each_other_and_cuts_at_all_blocks():
    net = make("pawnet")
    assert names_of(join_blocks(net, (-2, -1))) == ["stem", "stage1", "stage2", "stage3", "stage3 + stage4", "head"]
    every = join_blocks(net, range(1, 6))
    assert names_of(every) == ["stem", "stem + stage1 + stage2 + stage3 + stage4", "head"]
    assert every.table().column("output")[1] == str(24 + 32 + 64 + 96 + 192)
    assert join_blocks(net, (-1, 3)).fingerprint() == join_blocks(net, (3, 5)).fingerprint(), (
        "in the order of the network"
    )


def test_one_cut_is_a_linear_probe_of_that_block():
    net = make("pawnet")
    new = join_blocks(net, (3,))
    assert names_of(new) == ["stem", "stage1", "stage2 pooled", "head"]
    assert torch.equal(outputs(new, 3), outputs(net, 3).mean((2, 3)))
    flat = join_blocks(net, (3,), pool=False)
    assert torch.equal(outputs(flat, 3), outputs(net, 3).flatten(1)) and names_of(flat)[2] == "stage2 in a row"
    last = join_blocks(net, (-1,))
    assert names_of(last) == names_of(net) and last.fingerprint(5) == net.fingerprint(5)


def test_joined_features_are_not_taken_for_those_of_other_cuts():
    toys, net = toy_images(), make("pawnet")
    ways = [
        join_blocks(net, (2, 4)),
        join_blocks(net, (3, 4)),
        join_blocks(net, (4,)),
        join_blocks(net, (4,), pool=False),
    ]
    keys = {
        remember(Pixels(new, toys), len(new) - 1).store.key for new in [*ways, join_blocks(net, (2, 4), pool=False)]
    }
    assert len(keys) == 5 and remember(Pixels(net, toys), 4).store.key not in keys


def test_a_block_that_works_in_place_does_not_edit_what_was_joined():
    torch.manual_seed(0)
    model = nn.Sequential(
        OrderedDict(
            a=nn.Linear(12, 6),
            b=nn.Sequential(nn.Hardtanh(-0.1, 0.1, inplace=True), nn.Linear(6, 5)),
            c=nn.Linear(5, 3),
        )
    )

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = nn.ModuleList([nn.Flatten(), *list(model)[:2]]), model[2]

        def blocks(self) -> list[tuple[str, nn.Module]]:
            return [("a", nn.Sequential(*self.body[:2])), ("b", self.body[2]), ("c", self.head)]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.body[2](self.body[1](self.body[0](x))))

    own = Net().eval()
    net = Network("in place", own, split(own, torch.randn(2, 3, 2, 2)), CLASSES, 2, (0.5,) * 3, (0.1,) * 3, "random")
    x = examples(net)[0]
    low, top = (run_exactly(net, x, stop=stop).clone() for stop in (1, 2))
    joined = join_blocks(net, (1, 2))
    assert torch.equal(run_exactly(joined, x, stop=len(joined) - 1), torch.cat([low, top], 1))
    assert low.abs().max() > 0.1


@pytest.mark.parametrize(
    ("shape", "width", "dims"), [((2, 5), 5, None), ((2, 7, 5), 5, (1,)), ((2, 5, 4, 4), 5, (2, 3)),
                                 ((2, 4, 4, 5), 5, (1, 2)), ((2, 4, 4, 4), 4, (2, 3))],
)  # fmt: skip
def test_pooling_follows_the_layout(shape, width, dims):
    x = torch.randn(shape)
    pooled = Pool(x, True)(x)
    assert pooled.shape == (2, width) and torch.equal(pooled, x if dims is None else x.mean(dims))
    assert Pool(x, False)(x).shape == (2, x[0].numel()) and pooled.data_ptr() != x.data_ptr()
    assert Pool(x, False)(x).data_ptr() != x.data_ptr()


@pytest.mark.parametrize(
    ("cuts", "words"),
    [
        ((0,), ("cut=0", "1 to 5")),
        ((6,), ("cut=6", "-1 (all but the head)")),
        ((-6,), ("cut=-6", "down to -5")),
        ((True,), ("cut=True",)),
        ((2.0,), ("cut=2.0",)),
        ((), ("cuts=()", "one or more")),
        (3, ("cuts=3",)),
        ("stage1", ("cuts='stage1'",)),
        ((5, -1), ("the same place twice",)),
    ],
)
def test_cuts_without_meaning_are_refused(cuts, words):
    refusal(lambda: join_blocks(make("pawnet"), cuts), *words)


def test_feature_extraction_learns_on_joined_features():
    toys, new = toy_images(train=60, val=30, test=30, size=32), join_blocks(make("pawnet"), (1, -1))
    before = evaluate(new, toys).accuracy
    body = new.fingerprint(len(new) - 1)
    run(new, toys, feature_extraction(epochs=20, lr=1e-2))
    assert evaluate(new, toys).accuracy > 0.9 > before and new.fingerprint(len(new) - 1) == body


# Files


def test_a_file_of_another_network_is_refused(tmp_path):
    net = make("pawnet")
    path = new_head(net, (8,)).save(tmp_path / "head.safetensors")
    refusal(lambda: restore(new_head(net, (9,)), path), "another shape", "head.hidden1.weight")
    refusal(lambda: restore(net, path), "head.safetensors", "missing")
    refusal(lambda: restore(new_head(net, (8,), classes=("x", "y", "z")), path), "red, green, blue", "x, y, z")
    refusal(lambda: load("pawnet", CLASSES, weights=path), "head.safetensors")
    linear = new_head(net, (), seed=5).save(tmp_path / "linear.safetensors")
    assert torch.equal(
        load("pawnet", weights=linear)(toy_images().images), new_head(net, (), seed=5)(toy_images().images)
    )
