"""ONNX: one file, from pixels to probabilities, that onnxruntime reads as the course does; or no file at all."""

from __future__ import annotations

import builtins
import json
from dataclasses import replace

import pytest
import torch
from toys import CLASSES, make, toy_images

from course_lib.errors import CourseError
from course_lib.images import ImageSet
from course_lib.models import load
from course_lib.network import Network
from course_lib.surgery.replace import new_head
from course_lib.taking_home import onnx_file, open_model

pytestmark = pytest.mark.filterwarnings("ignore:.*not calibrated")


@pytest.fixture(scope="module")
def images() -> ImageSet:
    """Coloured patches: pictures that differ more than the noise of the toys does."""
    toys = toy_images(train=30, val=18, test=18)
    patches = torch.randint(0, 256, (66, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    return replace(toys, images=patches.repeat_interleave(8, 2).repeat_interleave(8, 3) // 2 + toys.images // 2)


def network(name: str, images: ImageSet) -> Network:
    """A network that says something else of each picture, as one that was trained does; random ones hardly do."""
    net = new_head(make("pawnet"), hidden=(16,)) if name == "own head" else make(name)
    with torch.no_grad():
        for module in net.model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 1.0  # it gets the statistics of these pictures, at once
        net.model.train()(net.prepare(images.images))
        net.model.eval()
        head = [p for p in net.blocks[-1].parameters() if p.ndim >= 2][-1]
        head.copy_(torch.randn(head.shape, generator=torch.Generator().manual_seed(2)) / 4)
    return replace(net, precision=torch.float32)


@pytest.mark.parametrize("name", ["pawnet", "mobilenet_v2", "resnet18", "squeezenet1_0", "own head", "vit"])
def test_onnxruntime_says_what_the_course_says(name, images, tmp_path):
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    small = images if name != "vit" else replace(images, images=images.images[:, :, ::2, ::2].contiguous())
    net = network(name, small)
    path = net.export(tmp_path / "model.onnx", small, licence="CC0")
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"], "one file, without others beside it"
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    assert (given.name, given.type) == ("pixels", "tensor(uint8)")
    card = json.loads(session.get_modelmeta().custom_metadata_map["card"])
    assert card["classes"] == list(CLASSES) and card["licence"] == "CC0"
    for count in (1, 3, 17):
        pixels = small.batch("test")[0][:count]
        probabilities, distance = session.run(["probabilities", "distance"], {"pixels": pixels.numpy()})
        expected = (net(pixels) / card["calibration"]["temperature"]).softmax(1)
        assert expected.shape == probabilities.shape and distance.shape == (count,)
        assert abs(torch.from_numpy(probabilities) - expected).max() <= 1e-4
    assert probabilities.std(0).max() > 1e-3, "all answers are alike, so nothing was compared"
    onnx.checker.check_model(onnx.load(path))


def test_who_is_refused_is_the_same_in_both_files(images, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    net = make("pawnet")
    model = open_model(net.export(tmp_path / "a.safetensors", images))
    session = runtime.InferenceSession(str(net.export(tmp_path / "a.onnx", images)), providers=["CPUExecutionProvider"])
    card = json.loads(session.get_modelmeta().custom_metadata_map["card"])
    pixels = torch.cat([images.batch("test")[0], torch.zeros(2, 3, 64, 64, dtype=torch.uint8)])
    probabilities, distance = session.run(None, {"pixels": pixels.numpy()})
    refused = (distance > card["familiar"]["limit"]) | (probabilities.max(1) < card["calibration"]["threshold"])
    assert refused.tolist() == [bool(answer.reason) for answer in model.say(pixels)]
    assert refused[-1] and not refused.all()


def test_without_images_there_is_no_distance(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    path = make("pawnet").export(tmp_path / "a.onnx")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert [output.name for output in session.get_outputs()] == ["probabilities"]


def test_images_of_another_size_than_the_networks(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    path = make("pawnet").export(tmp_path / "a.onnx", toy_images(train=9, val=6, test=6, size=80))
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape[1:] == [3, 64, 64]
    assert json.loads(session.get_modelmeta().custom_metadata_map["card"])["pictures"]["size"] == 64


def test_a_file_that_says_something_else_does_not_appear(images, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    (tmp_path / "a.onnx").write_bytes(b"the old one")
    real = onnx_file._graph

    def other(net, measured, pictures):
        return real(net, replace(measured, temperature=measured.temperature * 1.01), pictures)

    net = make("pawnet")
    with torch.no_grad():
        net.model.head.weight.mul_(40)
    monkeypatch.setattr(onnx_file, "_graph", other)
    with pytest.raises(CourseError, match=r"onnxruntime .* gives other answers.*not kept"):
        net.export(tmp_path / "a.onnx", images)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.onnx", b"the old one")]


def test_what_onnx_cannot_hold_is_a_sentence(images, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    with pytest.raises(CourseError, match=r"dtype=torch.float16 is for .safetensors"):
        make("pawnet").export(tmp_path / "a.onnx", images, dtype=torch.float16)

    class Strange(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = torch.nn.Linear(3, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(torch.fft.fft2(x).abs().mean((2, 3)))

    with pytest.raises(CourseError, match=r"Strange cannot be written as ONNX .* as .safetensors"):
        load(Strange(), CLASSES).export(tmp_path / "a.onnx", images)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_without_the_extra_a_sentence_says_what_to_install(missing, tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name.split(".")[0] == missing:
            raise ImportError(f"No module named {missing!r}")
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(CourseError, match=rf"{missing}.*pip install onnx onnxruntime.*safetensors"):
        make("pawnet").export(tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())
