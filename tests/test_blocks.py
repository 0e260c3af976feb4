"""Blocks: the chain is the model, the blocks part its weights, and what cannot be cut is refused in a sentence."""

from __future__ import annotations

import threading

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from course_lib.cutting.blocks import Block, split
from course_lib.cutting.classifier_head import head_path
from course_lib.cutting.tracing import trace
from course_lib.errors import CourseError
from course_lib.pawnet import PawNet

SIZES = {"pawnet": 64, "resnet18": 64, "mobilenet_v2": 64, "squeezenet1_0": 64, "vgg16": 32, "vit_b_16": 32}
PAWNET = ["stem", "stage1", "stage2", "stage3", "stage4", "head"]
RESNET18 = ["conv1", *(f"layer{i}.{j}" for i in (1, 2, 3, 4) for j in (0, 1)), "fc"]
COUNTS = {"pawnet": 6, "resnet18": 10, "mobilenet_v2": 20, "squeezenet1_0": 10, "vgg16": 16, "vit_b_16": 14}


@pytest.fixture(scope="module", params=SIZES)
def cut_model(request: pytest.FixtureRequest) -> tuple[str, nn.Module, list[Block], torch.Tensor]:
    """Name, model with running statistics that are not the initial ones, blocks, and an input of two images."""
    name = request.param
    torch.manual_seed(0)
    options = {"image_size": 32} if name == "vit_b_16" else {}  # all 12 layers, on a few tokens
    model = PawNet(5) if name == "pawnet" else torchvision.models.get_model(name, num_classes=5, **options)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 2)
    x = torch.randn(2, 3, SIZES[name], SIZES[name])
    return name, model.eval(), split(model, x), x


def chain(blocks: list[Block], x: torch.Tensor) -> torch.Tensor:
    for block in blocks:
        x = block(x)
    return x


def test_chain_equals_the_model_in_eval_mode(cut_model):
    _, model, blocks, x = cut_model
    model.eval()
    with torch.no_grad():
        assert torch.equal(chain(blocks, x), model(x))


def test_chain_equals_the_model_in_train_mode_with_dropout_and_batchnorm_buffers(cut_model):
    _, model, blocks, x = cut_model
    start = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.train()
    results, buffers = [], []
    for forward in (model, lambda x: chain(blocks, x)):
        model.load_state_dict(start)
        torch.manual_seed(3)
        with torch.no_grad():
            results.append(forward(x))
        buffers.append([buffer.clone() for buffer in model.buffers()])
    model.load_state_dict(start)
    model.eval()
    assert torch.equal(*results)
    assert all(torch.equal(a, b) for a, b in zip(*buffers, strict=True))
    moved = any(not torch.equal(start[name], b) for (name, _), b in zip(model.named_buffers(), buffers[1], strict=True))
    assert moved == any(isinstance(module, nn.BatchNorm2d) for module in model.modules())


def test_blocks_part_parameters_and_buffers(cut_model):
    _, model, blocks, _ = cut_model
    held = [id(tensor) for block in blocks for tensor in block.state()]
    owned = [id(tensor) for tensor in [*model.parameters(), *model.buffers()]]
    assert sorted(held) == sorted(owned)
    assert len({block.name for block in blocks}) == len(blocks)


def test_number_of_blocks(cut_model):
    name, _, blocks, _ = cut_model
    assert len(blocks) == COUNTS[name]


def test_dropout_joins_the_block_after_it(cut_model):
    """Remembered features come from before the dropout, so a head on them trains with its dropout."""
    _, model, blocks, _ = cut_model
    for block in blocks[:-1]:
        plain = [node.target for node in block.module.graph.nodes if node.op == "call_module"]
        assert not isinstance(model.get_submodule(plain[-1]), nn.Dropout)


def test_the_head_is_the_last_module_with_a_matrix(cut_model):
    name, model, blocks, _ = cut_model
    path = head_path(model)
    heads = {"pawnet": "head", "resnet18": "fc", "mobilenet_v2": "classifier.1", "squeezenet1_0": "classifier.1"}
    assert path == {**heads, "vgg16": "classifier.6", "vit_b_16": "heads.head"}[name]
    assert any(parameter is model.get_submodule(path).weight for parameter in blocks[-1].parameters())


@pytest.mark.parametrize(("model", "names"), [(PawNet(3), PAWNET), (torchvision.models.resnet18(), RESNET18)])
def test_block_names(model, names):
    assert [block.name for block in split(model, torch.randn(2, 3, 64, 64))] == names


@pytest.mark.parametrize("name", ["mobilenet_v2", "squeezenet1_0"])
def test_the_last_block_holds_the_dropout_of_the_head(name):
    model = torchvision.models.get_model(name, weights=None)
    last = split(model, torch.randn(2, 3, 64, 64))[-1].module
    assert sum(isinstance(module, nn.Dropout) for module in last.modules()) == 1


def test_split_leaves_train_flags_as_they_were():
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).train()
    model[1].eval()
    split(model, torch.randn(2, 4))
    assert [module.training for module in model.modules()] == [True, True, False, True]


class Two(nn.Module):
    """Two linear layers, to be put together in ways that can or cannot be cut."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(x))


class OwnBlocks(Two):
    """Its control flow depends on the data, so it cannot be traced; it names its blocks itself."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.first(x)
        assert h.detach().sum() < 1e9
        return self.second(h)

    def blocks(self) -> dict[str, nn.Module]:
        return {"body": self.first, "top": self.second}


class OwnPairs(OwnBlocks):
    def blocks(self) -> list[tuple[str, nn.Module]]:
        return [("body", self.first), ("top", self.second)]


class OwnModules(OwnBlocks):
    def blocks(self) -> list[nn.Module]:
        return [self.first, self.second]


def test_blocks_without_names_are_numbered():
    assert [block.name for block in split(OwnModules(), torch.randn(2, 4))] == ["block0", "block1"]


@pytest.mark.parametrize("kind", [OwnBlocks, OwnPairs])
def test_a_model_may_name_its_blocks_itself(kind):
    model, x = kind(), torch.randn(2, 4)
    blocks = split(model, x)
    assert [block.name for block in blocks] == ["body", "top"]
    assert torch.equal(chain(blocks, x), model(x))
    assert head_path(model) == "second"


class FunctionalDropout(Two):
    def forward(self, x):
        return self.second(F.dropout(self.first(x), 0.5, self.training))


class FixedDropout(Two):
    def forward(self, x):
        return self.second(F.dropout(self.first(x), 0.5))


class NativeDropout(Two):
    def forward(self, x):
        return self.second(torch.feature_dropout(self.first(x), 0.5, self.training))


class NoiseInTraining(Two):
    def forward(self, x):
        h = self.first(x)
        return self.second(h + 1 if self.training else h)


class NoiseAlways(Two):
    def forward(self, x):
        h = self.first(x)
        return self.second(h + torch.randn_like(h))


class TwoOutputs(Two):
    def forward(self, x):
        h = self.first(x)
        return self.second(h), h


class TwoOutputsInside(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = TwoOutputs()

    def forward(self, x):
        return self.inner(x)


class DictOutput(Two):
    def forward(self, x):
        return {"scores": self.second(self.first(x))}


class TwoInputs(Two):
    def forward(self, x, scale=2.0):
        return self.second(self.first(x) * scale)


class SharedWeights(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.second(self.first(x))


class CalledTwice(Two):
    def forward(self, x):
        return self.second(self.first(self.first(x)))


class SharedDropout(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c, self.drop = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3), nn.Dropout()

    def forward(self, x):
        return self.c(self.drop(self.b(self.drop(self.a(x)))))


class DataDependent(Two):
    def forward(self, x):
        h = self.first(x)
        return self.second(h * 2 if h.sum() > 0 else h)


class Unused(Two):
    def forward(self, x):
        return self.first(x)


class WrongOrder(Two):
    def blocks(self):
        return {"top": nn.Identity(), "rest": nn.Sequential(self.first, nn.ReLU(), self.second)}


REFUSED = {
    FunctionalDropout: "dropout",
    FixedDropout: "dropout",
    NativeDropout: "train mode",
    NoiseInTraining: "train mode",
    NoiseAlways: "does not equal",
    TwoOutputs: "tuple",
    TwoOutputsInside: "tuple",
    DictOutput: "dict",
    TwoInputs: "2 inputs",
    SharedWeights: "share weights",
    CalledTwice: "share weights",
    SharedDropout: "dropout",
    DataDependent: "control flow",
    Unused: "used by no block",
    WrongOrder: "does not equal",
}


@pytest.mark.parametrize(("kind", "reason"), REFUSED.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_what_cannot_be_cut_is_refused_with_a_way_out(kind, reason):
    model = kind().train()
    with pytest.raises(CourseError) as refusal:
        split(model, torch.randn(2, 4))
    text = str(refusal.value)
    assert kind.__name__ in text and reason in text and "blocks()" in text and "\n" not in text
    assert all(module.training for module in model.modules()), "a refusal leaves the model in train mode"


def test_a_network_that_trains_in_another_thread_is_not_drawn_into_the_trace():
    """A reader loads a network in one cell while a widget trains another in its thread."""
    net, errors, end = PawNet(3).eval(), [], threading.Event()
    x = torch.randn(2, 3, 64, 64)
    expected = net(x)

    def use() -> None:
        while not end.is_set():
            try:
                with torch.no_grad():
                    assert torch.equal(net(x), expected)
            except Exception as error:
                errors.append(error)
                return

    thread = threading.Thread(target=use)
    thread.start()
    model = torchvision.models.resnet18()
    steps = {str(trace(model)) for _ in range(20)}
    end.set()
    thread.join(30)
    assert errors == [] and len(steps) == 1
