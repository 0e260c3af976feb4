"""torchvision's classifiers: files as torchvision published them load, and images reach the model as its own would."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn
from torchvision.models import VisionTransformer
from torchvision.transforms.functional import normalize

from course_lib.cutting import architectures
from course_lib.cutting.blocks import _cut
from course_lib.cutting.tracing import trace
from course_lib.errors import CourseError
from course_lib.models import load


def file_of(model: nn.Module, path: Path) -> Path:
    """The weights of a model in a file: .pth as torchvision publishes them, or .safetensors."""
    state = {key: tensor.contiguous() for key, tensor in model.state_dict().items()}
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return path


def equal_scores(net, model: nn.Module, side: int) -> bool:
    """Whether a loaded network gives, bit for bit, what torchvision's own model gives for the same prepared images."""
    x = net.prepare(torch.randint(0, 256, (2, 3, side, side), dtype=torch.uint8))
    with torch.no_grad():
        return torch.equal(net.model(x), model.eval().to(memory_format=torch.channels_last)(x))


@pytest.mark.parametrize("name", architectures.INCEPTIONS)
def test_inception_and_googlenet_load_with_auxiliary_heads_and_see_what_torchvision_s_pretrained_ones_see(
    tmp_path, name
):
    # As torchvision builds them around its weights: with auxiliary heads, and with transform_input.
    options = {"transform_input": True, "aux_logits": True, "init_weights": False}
    model = torchvision.models.get_model(name, weights=None, **options)
    net = load(name, weights=file_of(model, tmp_path / "net.pth"))
    assert net.classes[0] == "tench" and not [key for key in net.model.state_dict() if key.lower().startswith("aux")]
    images = torch.randint(0, 256, (2, 3, 96, 96), dtype=torch.uint8)
    preset = torchvision.models.get_model_weights(name).DEFAULT.transforms()
    assert torch.allclose(net.prepare(images), normalize(images / 255, preset.mean, preset.std), atol=1e-6)
    assert equal_scores(net, model, 96)
    model.transform_input = False
    assert not equal_scores(net, model, 96), "the transform makes a difference"


OLD_NAMES = {
    "densenet121": {"norm1.": "norm.1.", "norm2.": "norm.2.", "conv1.": "conv.1.", "conv2.": "conv.2."},
    "vit_b_32": {".mlp.0.": ".mlp.linear_1.", ".mlp.3.": ".mlp.linear_2."},
}


@pytest.mark.parametrize("name", OLD_NAMES)
def test_files_with_the_names_of_older_torchvisions_and_a_transformer_of_the_size_of_its_file(tmp_path, name):
    model = torchvision.models.get_model(name, weights=None, **({"image_size": 64} if name == "vit_b_32" else {}))
    state = {}
    for key, tensor in model.state_dict().items():
        for new, old in OLD_NAMES[name].items():
            key = key.replace(new, old) if ".denselayer" in key or ".mlp." in key else key
        state[key] = tensor
    assert state.keys() != model.state_dict().keys()
    torch.save(state, tmp_path / "net.pth")
    net = load(name, weights=tmp_path / "net.pth")
    assert equal_scores(net, model, 64) and net.size == (64 if name == "vit_b_32" else None)
    if net.size:
        with pytest.raises(CourseError, match="only 64"):
            load(name, weights=tmp_path / "net.pth", size=224)


def test_mnasnet_from_a_file_that_says_no_version(tmp_path):
    model = torchvision.models.mnasnet0_5()
    assert equal_scores(load("mnasnet0_5", weights=file_of(model, tmp_path / "net.safetensors")), model, 64)


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Path:
    """The folder where torchvision keeps what it downloaded."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


@pytest.mark.parametrize("which", ["DEFAULT", "IMAGENET1K_V1"])
def test_published_weights_by_the_name_of_their_entry(hub, which):
    model = torchvision.models.squeezenet1_1()
    entry = torchvision.models.SqueezeNet1_1_Weights[which]
    file_of(model, hub / entry.url.rsplit("/")[-1])
    net = load("squeezenet1_1", weights=which)
    assert equal_scores(net, model, 64) and net.classes[:2] == ("tench", "goldfish") and "IMAGENET1K_V1" in net.origin


def test_published_weights_are_read_without_pickle(hub, tmp_path):
    class Trap:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "proof",)

    url = torchvision.models.SqueezeNet1_1_Weights.DEFAULT.url
    torch.save({"trap": Trap()}, hub / url.rsplit("/")[-1])
    with pytest.raises(CourseError, match="squeezenet1_1 could not be downloaded"):
        load("squeezenet1_1", weights="DEFAULT")
    assert not (tmp_path / "proof").exists()


def test_an_unknown_entry_names_those_that_there_are():
    with pytest.raises(
        CourseError, match=r"'IMAGENET1K_V9' is not known for resnet50.*'IMAGENET1K_V1', 'IMAGENET1K_V2'"
    ):
        load("resnet50", weights="IMAGENET1K_V9")


def test_every_model_is_fed_as_its_published_weights_expect():
    for name in architectures.names():
        preset = torchvision.models.get_model_weights(name).DEFAULT.transforms()
        assert architectures.normalisation(name) == (tuple(preset.mean), tuple(preset.std))
    assert architectures.normalisation("efficientnet_v2_l") == ((0.5,) * 3, (0.5,) * 3)
    assert load("squeezenet1_1", ("a", "b")).mean == (0.485, 0.456, 0.406)


@pytest.mark.parametrize(
    ("name", "refused", "allowed"), [("inception_v3", 74, 75), ("alexnet", 62, 63), ("swin_t", 31, 32)]
)
def test_the_smallest_size_is_the_smallest_that_works(name, refused, allowed):
    model = architectures.build(name, 3, state={}).eval().to("meta")
    assert model(torch.empty(2, 3, allowed, allowed, device="meta")).shape == (2, 3)
    assert architectures.sizes(name, model) == (allowed, None)
    with pytest.raises(CourseError, match=rf"size={refused} pixels .* {allowed} to 1024"):
        load(name, ("a", "b"), size=refused)


def test_images_that_are_too_small_are_refused_in_a_sentence_and_scaled_where_a_size_is_given():
    images = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    with pytest.raises(CourseError, match=r"inception_v3 takes images from 75 pixels, and these have 64 x 64.*size=96"):
        load("inception_v3", ("a", "b"))(images)
    assert load("inception_v3", ("a", "b"), size=96)(images).shape == (2, 2)


@pytest.mark.parametrize("name", ["maxvit_t", "vit_b_32"])
def test_models_of_one_size_say_so(name):
    assert architectures.sizes(name, architectures.build(name, 3, state={})) == (224, 224)


@pytest.mark.parametrize(
    ("name", "frozen", "first"),
    [("resnet50", -4, "layer4.0"), ("vgg16", -3, "classifier.0"), ("inception_v3", -3, "Mixed_7b")],
)
def test_where_the_documentation_of_load_cuts(name, frozen, first):
    model = architectures.build(name, 2, state={})
    assert _cut(model, trace(model))[frozen].name == first


def test_a_model_without_numbers_takes_no_random_ones():
    before = torch.get_rng_state()
    model = architectures.build("regnet_y_400mf", 3, state={})
    assert all(parameter.is_meta for parameter in model.parameters()) and torch.equal(before, torch.get_rng_state())
    assert torch.empty(1).device.type == "cpu", "only in its own context"
    assert model.stem[1].running_var.eq(1).all(), "what a layer computes for itself is real"
    assert isinstance(architectures.build("vit_b_32", 3, state={}), VisionTransformer)
