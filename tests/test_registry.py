"""Every classifier in torchvision's registry: its blocks are the model, bit for bit, and a frozen prefix stays as it is.

    pytest tests/test_registry.py -k resnet

Each model up to 150 M parameters is loaded and run, in eval and in train mode, on two images of the smallest size that
`load` tries it on. The others are cut without numbers (their weights exist as shapes only), each for the reason in `TOO_LARGE`.
"""

from __future__ import annotations

import gc

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from toys import CLASSES, states, toy_images

from course_lib.cutting import architectures
from course_lib.cutting.blocks import _check_partition, _cut
from course_lib.cutting.classifier_head import head_path
from course_lib.cutting.flops import run_counted
from course_lib.cutting.tracing import trace
from course_lib.models import load
from course_lib.network import Network
from course_lib.training.stage import Stage
from course_lib.training.train import fit
from course_lib.weights import fill

CAP = 150e6  # parameters; with a copy of the state and the gradients, 2 GB
TOO_LARGE = {
    "convnext_large": "198 M parameters; convnext_base has the same blocks, less wide",
    "regnet_y_128gf": "645 M parameters, 2.6 GB for the weights alone",
    "vit_h_14": "633 M parameters, 2.5 GB for the weights alone",
    "vit_l_16": "304 M parameters, 1.2 GB for the weights, and it takes only 224 px",
    "vit_l_32": "306 M parameters, 1.2 GB for the weights, and it takes only 224 px",
}
# How many blocks a reader can freeze; a change of these numbers is a change of every recipe that counts them.
BLOCKS = {
    "alexnet": 8, "convnext_base": 41, "convnext_large": 41, "convnext_small": 41, "convnext_tiny": 23, "densenet121": 9,
    "densenet161": 9, "densenet169": 9, "densenet201": 9, "efficientnet_b0": 19, "efficientnet_b1": 26,
    "efficientnet_b2": 26, "efficientnet_b3": 29, "efficientnet_b4": 35, "efficientnet_b5": 42, "efficientnet_b6": 48,
    "efficientnet_b7": 58, "efficientnet_v2_l": 82, "efficientnet_v2_m": 60, "efficientnet_v2_s": 43, "googlenet": 13,
    "inception_v3": 17, "maxvit_t": 37, "mnasnet0_5": 21, "mnasnet0_75": 21, "mnasnet1_0": 21, "mnasnet1_3": 21,
    "mobilenet_v2": 20, "mobilenet_v3_large": 19, "mobilenet_v3_small": 15, "regnet_x_16gf": 24, "regnet_x_1_6gf": 20,
    "regnet_x_32gf": 25, "regnet_x_3_2gf": 27, "regnet_x_400mf": 24, "regnet_x_800mf": 18, "regnet_x_8gf": 25,
    "regnet_y_128gf": 29, "regnet_y_16gf": 20, "regnet_y_1_6gf": 29, "regnet_y_32gf": 22, "regnet_y_3_2gf": 23,
    "regnet_y_400mf": 18, "regnet_y_800mf": 16, "regnet_y_8gf": 19, "resnet101": 35, "resnet152": 52, "resnet18": 10,
    "resnet34": 18, "resnet50": 18, "resnext101_32x8d": 35, "resnext101_64x4d": 35, "resnext50_32x4d": 18,
    "shufflenet_v2_x0_5": 19, "shufflenet_v2_x1_0": 19, "shufflenet_v2_x1_5": 19, "shufflenet_v2_x2_0": 19,
    "squeezenet1_0": 10, "squeezenet1_1": 10, "swin_b": 29, "swin_s": 29, "swin_t": 17, "swin_v2_b": 29, "swin_v2_s": 29,
    "swin_v2_t": 17, "vgg11": 11, "vgg11_bn": 11, "vgg13": 13, "vgg13_bn": 13, "vgg16": 16, "vgg16_bn": 16, "vgg19": 19,
    "vgg19_bn": 19, "vit_b_16": 14, "vit_b_32": 14, "vit_h_14": 34, "vit_l_16": 26, "vit_l_32": 26, "wide_resnet101_2": 35,
    "wide_resnet50_2": 18,
}  # fmt: skip
# One of each family and size of window, for what is slow to try on all.
FAMILIES = (
    "alexnet", "convnext_tiny", "densenet121", "efficientnet_b1", "efficientnet_v2_s", "googlenet", "inception_v3",
    "maxvit_t", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_y_400mf", "resnet18", "resnext50_32x4d",
    "shufflenet_v2_x0_5", "squeezenet1_0", "swin_t", "swin_v2_t", "vgg16_bn", "vit_b_16", "vit_h_14",
)  # fmt: skip
# Small ones of the families whose layers work in place, are opened, or mix channels-last with tokens.
FITTED = (
    "densenet121", "efficientnet_b0", "googlenet", "inception_v3", "mnasnet0_5", "mobilenet_v3_small", "regnet_y_400mf",
    "resnet18", "shufflenet_v2_x0_5", "squeezenet1_1", "swin_t", "vit_b_32",
)  # fmt: skip
NAMES = architectures.names()
META = {name: torchvision.models.get_model_weights(name).DEFAULT.meta for name in NAMES}
RUN = [name for name in NAMES if META[name]["num_params"] <= CAP]


@pytest.fixture(scope="module", params=RUN)
def net(request: pytest.FixtureRequest) -> Network:
    """A loaded network whose running statistics and norms are not the initial ones."""
    gc.collect()  # the network before this one, which holds itself in a circle
    net = load(request.param, CLASSES)
    generator = torch.Generator().manual_seed(1)
    for module in net.model.modules():
        if isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.bias.data.uniform_(-0.2, 0.2, generator=generator)
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    return net


def images(net: Network) -> torch.Tensor:
    smallest, fixed = architectures.sizes(net.name, net.model)
    side = fixed or max(64, smallest)
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(2))


def chain(net: Network, x: torch.Tensor) -> torch.Tensor:
    for block in net.blocks:
        x = block(x)
    return x


def test_chain_equals_the_model_in_eval_mode(net):
    x = images(net)
    with torch.no_grad():
        scores = net.model(x)
        assert torch.equal(chain(net, x), scores)
    assert scores.shape == (2, len(CLASSES)) and scores.isfinite().all()
    assert not torch.equal(scores[0], scores[1]), "the scores follow the image"


def test_chain_equals_the_model_in_train_mode_with_dropout_stochastic_depth_and_buffers(net):
    x = images(net)
    start = [buffer.clone() for buffer in net.model.buffers()]
    net.model.train()
    scores, buffers = [], []
    for forward in (net.model, lambda x: chain(net, x)):
        for buffer, before in zip(net.model.buffers(), start, strict=True):
            buffer.copy_(before)
        torch.manual_seed(3)
        with torch.no_grad():
            scores.append(forward(x))
        buffers.append([buffer.clone() for buffer in net.model.buffers()])
    net.model.eval()
    assert torch.equal(*scores)
    assert all(torch.equal(a, b) for a, b in zip(*buffers, strict=True))
    moved = any(not torch.equal(a, b) for a, b in zip(start, buffers[0], strict=True))
    assert moved == any(isinstance(module, nn.BatchNorm2d) for module in net.model.modules())


def test_blocks_part_parameters_and_buffers_and_the_last_one_holds_the_head(net):
    held = [id(tensor) for block in net.blocks for tensor in block.state()]
    assert sorted(held) == sorted(id(tensor) for tensor in [*net.model.parameters(), *net.model.buffers()])
    assert len({block.name for block in net.blocks}) == len(net)
    assert len(net) == BLOCKS.get(net.name, len(net)) >= 8
    head = net.model.get_submodule(head_path(net.model))
    assert len(head.weight) == len(CLASSES)
    assert {id(p) for p in head.parameters()} <= {id(p) for p in net.blocks[-1].parameters()}


def test_a_frozen_prefix_leaves_its_state_untouched_and_the_rest_learns(net):
    frozen = len(net) // 2
    prefix, rest = net.blocks[:frozen], net.blocks[frozen:]
    before = [[tensor.detach().clone() for tensor in block.state()] for block in prefix]
    head = net.model.get_submodule(head_path(net.model)).weight
    start = head.detach().clone()
    with net.mode(frozen=frozen):
        optimizer = torch.optim.SGD(net.parameter_groups(frozen, lr=0.1))
        torch.manual_seed(4)
        F.cross_entropy(chain(net, images(net)), torch.tensor([0, 1])).backward()
        optimizer.step()
    for state, block in zip(before, prefix, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(state, block.state(), strict=True)), block.name
        assert all(p.grad is None for p in block.parameters()), block.name
    assert all(p.grad is not None for block in rest for p in block.parameters()) and not torch.equal(start, head)
    net.model.zero_grad(set_to_none=True)


def test_its_weights_fill_a_model_that_was_built_without_numbers(net):
    state = {key: tensor for key, tensor in net.model.state_dict().items() if "num_batches" not in key}
    model = architectures.build(net.name, len(CLASSES), state)
    assert any(parameter.is_meta for parameter in model.parameters())
    fill(model, state, net.name, "memory")
    filled = model.state_dict()
    assert all(torch.equal(tensor, filled[key]) for key, tensor in state.items())
    assert not any(tensor.is_meta for tensor in [*model.parameters(), *model.buffers()])
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_every_model_is_run_or_has_its_reason():
    assert {*RUN, *TOO_LARGE} == {*NAMES} and not {*RUN} & {*TOO_LARGE}


@pytest.mark.parametrize("name", FITTED)
def test_fit_learns_on_remembered_features_of_a_frozen_prefix(name):
    net, dots = load(name, CLASSES, size=80 if name == "inception_v3" else None), toy_images(4, 0, 2)
    frozen = len(net) - 3
    before = states(net)
    assert len(list(fit(net, dots, Stage(frozen=frozen, epochs=1, batch=4), device="cpu"))) > 0
    kept = len(states(net, 0, frozen))
    assert all(torch.equal(a, b) for a, b in zip(before[:kept], states(net, 0, frozen), strict=True))
    assert not torch.equal(before[-1], states(net)[-1]), "the head learns"


@pytest.mark.parametrize("name", TOO_LARGE)
def test_models_that_are_too_large_to_run_are_cut(name):
    model = architectures.build(name, 1000, state={})
    blocks = _cut(model, trace(model))
    _check_partition(model, blocks)
    assert len({block.name for block in blocks}) == len(blocks) == BLOCKS.get(name, len(blocks))
    assert model.get_submodule(head_path(model)).out_features == 1000


@pytest.mark.parametrize("name", FAMILIES)
def test_floating_point_operations_are_those_that_torchvision_counted(name):
    """Two for each of its multiply-adds, attention included; shapes alone are run, so that size costs nothing."""
    side = torchvision.models.get_model_weights(name).DEFAULT.transforms().crop_size[0]
    positions = {
        "encoder.pos_embedding": torch.empty(1, (side // 14) ** 2 + 1, 1),
        "conv_proj.weight": torch.empty(1, 1, 1, 14),
    }
    model = architectures.build(name, 1000, state=positions if name == "vit_h_14" else {}).to("meta").eval()
    _, flops = run_counted(model, torch.empty(1, 3, side, side, device="meta"))
    assert flops / 2e9 == pytest.approx(META[name]["_ops"], rel=0.01, abs=0.001)
