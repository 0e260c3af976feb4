"""Network: what is frozen, what the optimizer gets, and copies that share nothing."""

from __future__ import annotations

import pytest
import torch
from toys import differing, flags, make, run, toy_images, weights

from course_lib.errors import CourseError
from course_lib.network import Network
from course_lib.training.stage import Stage


@pytest.fixture(scope="module")
def net() -> Network:
    return make("pawnet")


@pytest.mark.parametrize(("frozen", "cut"), [(0, 0), (2, 2), (6, 6), (-1, 5), (-3, 3), (-6, 0)])
def test_frozen_counts_as_python_counts_list_items(net, frozen, cut):
    assert net.cut(frozen) == cut


@pytest.mark.parametrize("frozen", [7, -7, 1.0, "2", None])
def test_a_cut_outside_the_net_is_refused(net, frozen):
    with pytest.raises(CourseError, match=r"frozen=.*6 blocks.*-1 \(all but the head\)"):
        net.cut(frozen)


@pytest.mark.parametrize("name", ["pawnet", "resnet18", "mobilenet_v2", "squeezenet1_0"])
@pytest.mark.parametrize("frozen", [0, 2, -3, -1])
def test_the_optimizer_gets_every_trained_parameter_once_and_no_frozen_one(name, frozen):
    net = make(name)
    groups = net.parameter_groups(frozen, lr=0.1, decay=0.5, weight_decay=0.3)
    held = [id(p) for group in groups for p in group["params"]]
    trained = [id(p) for block in net.blocks[net.cut(frozen) :] for p in block.parameters()]
    assert len(set(held)) == len(held) and set(held) == set(trained)
    with net.mode(frozen):
        assert set(held) == {id(p) for p in net.model.parameters() if p.requires_grad}


def test_rates_fall_with_the_distance_from_the_head(net):
    owner = {id(p): i for i, block in enumerate(net.blocks) for p in block.parameters()}
    for group in net.parameter_groups(1, lr=0.1, decay=0.5, weight_decay=0.3):
        for p in group["params"]:
            assert group["lr"] == pytest.approx(0.1 * 0.5 ** (5 - owner[id(p)]))
            assert group["weight_decay"] == (0.3 if p.ndim >= 2 else 0)


@pytest.mark.parametrize("norm", ["train", "eval"])
@pytest.mark.parametrize("frozen", [0, 3, 6])
def test_mode_freezes_the_first_blocks_and_restores_all(net, norm, frozen):
    net.model.stage2.eval()
    net.model.stage1.conv1.weight.requires_grad_(False)
    before = flags(net)
    with net.mode(frozen, norm):
        for i, block in enumerate(net.blocks):
            assert all(p.requires_grad == (i >= frozen) for p in block.parameters())
            for module in block.module.modules():
                stays = norm == "eval" and isinstance(module, torch.nn.BatchNorm2d)
                assert module.training == (i >= frozen and not stays)
    assert flags(net) == before
    with pytest.raises(RuntimeError), net.mode(frozen, norm):
        raise RuntimeError
    assert flags(net) == before
    net.model.stage1.conv1.weight.requires_grad_(True)


def test_an_unknown_norm_is_refused(net):
    with pytest.raises(CourseError, match=r"norm='frozen'.*'train'.*'eval'"):
        net.mode(0, "frozen")


@pytest.mark.parametrize("name", ["pawnet", "wide", "vit"])
def test_a_copy_has_equal_weights_and_shares_none(name):
    net = make(name)
    toys = toy_images(size=32)
    twin, before = net.copy(), weights(net)
    assert differing(weights(twin), before) == [] and twin.fingerprint() == net.fingerprint()
    owned = {id(tensor) for tensor in twin.model.state_dict(keep_vars=True).values()}
    assert all(id(tensor) in owned for block in twin.blocks for tensor in block.state()), "its blocks hold its weights"
    run(twin, toys, Stage(epochs=1))
    assert differing(weights(net), before) == [] and differing(weights(twin), before) != []


def test_fingerprint_follows_every_weight_and_buffer(net):
    prints = {net.fingerprint()}
    for tensor in (net.model.stem[0].weight, net.model.stage3.bn1.running_var, net.model.head.bias):
        first = (0,) * tensor.ndim
        old = tensor.data[first].item()
        tensor.data[first] = old + 1e-3
        prints.add(net.fingerprint())
        tensor.data[first] = old
    assert len(prints) == 4 and net.fingerprint() in prints
    assert net.fingerprint(3) != net.fingerprint(4)


def test_prepare_scales_resizes_and_normalises(net):
    grey = torch.full((2, 3, 64, 64), 255, dtype=torch.uint8)
    assert torch.equal(net.prepare(grey), torch.full((2, 3, 64, 64), 2.0))
    assert net.prepare(torch.zeros(1, 3, 100, 100)).shape == (1, 3, 64, 64)


def test_the_table_counts_all_parameters(net):
    table = net.table()
    assert table.column("block") == ["stem", "stage1", "stage2", "stage3", "stage4", "head"]
    assert table.column("output") == [
        "24 x 32 x 32", "32 x 32 x 32", "64 x 16 x 16", "96 x 8 x 8", "192", "3",
    ]  # fmt: skip
    assert sum(table.column("parameters")) == sum(p.numel() for p in net.model.parameters())
    assert sum(float(share.split()[0]) for share in table.column("FLOPs")) == pytest.approx(100, abs=0.5)
