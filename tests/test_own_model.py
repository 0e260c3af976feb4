"""A network of the reader's own: through the same door, copied, with its head kept or replaced, or refused in a sentence."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from toys import CLASSES, run, toy_images

from course_lib.cutting import architectures
from course_lib.cutting.blocks import split
from course_lib.errors import CourseError
from course_lib.models import load
from course_lib.training.train import Stage


class Small(nn.Module):
    """Two convolutions, pooling, dropout and a head, for images of any size."""

    def __init__(self, classes: int = 3, activation: type[nn.Module] = nn.ReLU) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8), activation(), nn.Conv2d(8, 16, 3, 2), activation()
        )
        self.drop, self.head = nn.Dropout(0.1), nn.Linear(16, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.drop(self.body(x).mean((2, 3))))


class Wrapped(nn.Module):
    """A network of torchvision's in a module of one's own."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.backbone = architectures.build(name, 1000)
        self.top = nn.Linear(1000, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.top(F.relu(self.backbone(x)))


def test_it_trains_like_any_other_and_the_reader_s_object_stays_as_it_is():
    model = Small().train()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    net = load(model, classes=CLASSES)
    assert (
        net.name == "Small"
        and [block.name for block in net.blocks] == ["body.0", "body.3", "head"]
        and net.size is None
    )
    assert net.mean == (0.485, 0.456, 0.406)
    run(net, toy_images(size=32), Stage(frozen=1, epochs=2, lr=1e-2))
    assert all(torch.equal(before[key], tensor) for key, tensor in model.state_dict().items()) and model.training
    after = net.model.state_dict()
    changed = {key.rsplit(".", 1)[0] for key, tensor in before.items() if not torch.equal(tensor, after[key])}
    assert changed == {"body.3", "head"}


def test_a_head_of_the_right_width_is_kept_and_another_one_replaced_and_both_are_said():
    model = Small(3)
    kept, new = load(model, classes=CLASSES), load(model, classes=("a", "b"), seed=1)
    assert torch.equal(kept.model.head.weight, model.head.weight) and kept.origin == "the weights that Small came with"
    assert new.model.head.weight.shape == (2, 16) and "with a new head" not in kept.origin
    assert new.origin == "the weights that Small came with, and a new head"
    assert torch.equal(new.model.body[0].weight, model.body[0].weight)
    assert torch.equal(new.model.head.weight, load(model, classes=("a", "b"), seed=1).model.head.weight)


def test_weights_from_a_file_the_card_and_the_head(tmp_path):
    source = load(Small(3), classes=CLASSES, mean=(0.1, 0.2, 0.3), std=(0.5, 0.5, 0.5), size=40)
    path = source.save(tmp_path / "small.safetensors")
    again = load(Small(5), weights=path)
    assert again.classes == CLASSES and (again.mean, again.std, again.size) == (source.mean, source.std, 40)
    assert (
        torch.equal(again.model.head.weight, source.model.head.weight)
        and again.origin == "weights from small.safetensors"
    )
    other = load(Small(5), classes=("a", "b"), weights=path, size=48, mean=(0.5, 0.5, 0.5))
    assert other.size == 48 and other.mean == (0.5, 0.5, 0.5) and other.std == source.std
    assert other.origin == "body from small.safetensors, with a new head"
    assert torch.equal(other.model.body[3].weight, source.model.body[3].weight)
    torch.save(
        {f"module.{key}": tensor for key, tensor in source.model.state_dict().items()}, tmp_path / "parallel.pth"
    )
    parallel = load(Small(3), classes=CLASSES, weights=tmp_path / "parallel.pth")
    assert torch.equal(parallel.model.head.weight, source.model.head.weight)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "googlenet", "squeezenet1_1"])
def test_a_network_in_a_wrapper_is_opened(name):
    model = Wrapped(name).eval()
    net = load(model, classes=CLASSES)
    whole = len(split(model.backbone, torch.randn(2, 3, 64, 64)))
    assert len(net) == whole + 1 and net.blocks[-1].name == "top"
    x = torch.randn(2, 3, 64, 64)
    assert torch.equal(net.model(x), model.to(memory_format=torch.channels_last)(x))


class Inner(nn.Module):
    """Most of the weights, with a dropout that the trace cannot follow."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(self.c(self.b(self.a(x))), 0.5, self.training).mean((2, 3))


def test_a_wrapped_module_that_cannot_be_opened_stays_one_block():
    net = load(nn.Sequential(Inner(), nn.Linear(4, 3)), classes=CLASSES)
    assert [block.name for block in net.blocks] == ["0", "1"]


@pytest.mark.parametrize("wrapper", [nn.DataParallel, torch.compile], ids=["DataParallel", "compile"])
def test_the_wrappers_of_torch_are_taken_off(wrapper):
    net = load(wrapper(Small()), classes=CLASSES)
    assert net.name == "Small" and "head.weight" in net.model.state_dict()


class Cutter(nn.Module):
    """Its path depends on the data, so it names its blocks itself."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.stem(x)
        return self.head(h) if h.isfinite().all() else self.head(torch.zeros_like(h))

    def blocks(self) -> dict[str, nn.Module]:
        return {"stem": self.stem, "head": self.head}


def test_a_model_that_names_its_blocks_gets_a_new_head_in_the_copy():
    net = load(Cutter(), classes=("a", "b"), size=32)
    assert [block.name for block in net.blocks] == ["stem", "head"]
    assert net(torch.zeros(2, 3, 20, 20, dtype=torch.uint8)).shape == (2, 2)


def test_what_a_layer_does_is_part_of_what_is_remembered():
    """Two models with equal weights and names that differ in an activation must not share remembered features."""
    model = Small()
    other = Small(activation=nn.GELU)
    other.load_state_dict(model.state_dict())
    prints = [load(m, classes=CLASSES).fingerprint(1) for m in (model, model, other)]
    assert prints[0] == prints[1] != prints[2]


def test_half_precision_and_train_mode_come_back_as_float32_in_eval_mode():
    net = load(Small().half().train(), classes=CLASSES)
    assert {p.dtype for p in net.model.parameters()} == {torch.float32} and not net.model.training


# What is refused


class Fixed(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Flatten(), nn.Linear(3 * 32 * 32, 3))


class Uncopied(Small):
    def __deepcopy__(self, memo: dict) -> Uncopied:
        raise RuntimeError("it holds an open file")


class Paired(Small):
    def forward(self, x):
        return super().forward(x), x


class Maxed(Small):
    def forward(self, x):
        return super().forward(x).view(-1, 3, 2).amax(2)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.head = nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3), nn.Linear(3, 3)
        self.b.weight = self.a.weight

    def forward(self, x):
        return self.head(self.b(self.a(x)).mean((2, 3)))


class Functional(Small):
    def forward(self, x):
        return self.head(F.dropout(self.body(x).mean((2, 3)), 0.5, self.training))


class Branching(Small):
    def forward(self, x):
        return super().forward(x if x.mean() > 0 else -x)


class Nameless(Small):
    def blocks(self):
        return [self.body[0], 3]


def refusal(model: object, *words: str, **options: object) -> None:
    with pytest.raises(CourseError) as refused:
        load(model, **{"classes": CLASSES, **options})
    text = str(refused.value)
    assert "\n" not in text and all(word in text for word in words), text


class Listless(Small):
    def blocks(self):
        return None


class Twice(Small):
    def blocks(self):
        return [("body", self.body), ("body", self.head)]


class Endless(Small):
    def blocks(self):
        return [("all", nn.Sequential(self.body, self.head)), ("end", nn.Identity())]


REFUSED = [
    (Small, ("the class Small", "call it first")),
    (torchvision.models.resnet18, ("a function", "nn.Module")),
    (7, ("a int",)),
    (nn.Sequential(nn.Flatten()), ("no weights",)),
    (nn.Sequential(nn.Flatten(), nn.LazyLinear(3)), ("lazy layers",)),
    (Uncopied(), ("cannot be copied", "open file")),
    (Fixed(), ("64 x 64", "size=")),
    (nn.Conv2d(3, 3, 1), ("a tensor 2,3,64,64", "N,classes")),
    (nn.Sequential(nn.Flatten(0), nn.Linear(2 * 3 * 64 * 64, 3)), ("Sequential gives a tensor 3",)),
    (Paired(), ("a tuple", "N,classes")),
    (nn.Sequential(Small(), nn.Softmax(1)), ("probabilities", "logits")),
    (Tied(), ("share weights", "blocks()")),
    (Functional(), ("dropout", "blocks()")),
    (Branching(), ("control flow", "blocks()")),
    (Nameless(), ("blocks()", "block1")),
    (Listless(), ("blocks()", "NoneType")),
    (Twice(), ("blocks()", "one name twice")),
    (Endless(5), ("no layer at its end",)),
    (load("pawnet", CLASSES), ("a Network",)),
]


@pytest.mark.parametrize(("model", "words"), REFUSED, ids=lambda value: type(value).__name__)
def test_what_is_no_classifier_is_refused(model, words):
    refusal(model, *words)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_scripted_model_is_refused():
    refusal(torch.jit.script(nn.Linear(2, 2)), "TorchScript", "Python model")


def test_a_size_that_it_does_not_take():
    assert load(Fixed(), classes=CLASSES, size=32).size == 32
    refusal(Fixed(), "48 x 48", "Give the size", size=48)
    refusal(Small(), "size=0", size=0)


def test_a_head_that_does_not_make_the_scores_alone():
    assert load(Maxed(6), classes=CLASSES).origin == "the weights that Maxed came with"
    refusal(Maxed(6), "3 scores", "2 classes", "head", classes=("a", "b"))


def test_weights_and_classes_that_are_missing_or_not_known(tmp_path):
    refusal(Small(), "needs `classes`", "3 scores", classes=None)
    refusal(Small(), "'DEFAULT'", "model of your own", weights="DEFAULT")
    torch.save(Fixed().state_dict(), tmp_path / "fixed.pth")
    refusal(Small(), "weights of Small", "fixed.pth", weights=tmp_path / "fixed.pth")


@pytest.mark.parametrize(
    "option", [{"mean": (0, 1)}, {"std": (0, 1, 1)}, {"mean": "abc"}, {"std": (1, 1, float("nan"))}]
)
def test_normalisation_that_is_not_three_numbers(option):
    refusal(Small(), f"{next(iter(option))}=", "three numbers", **option)
