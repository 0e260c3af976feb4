"""A model to take home: one file, opened in one line, that says the same as the network did, and is refused when it lies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from toys import CLASSES, make, run, toy_images

from course_lib.errors import CourseError
from course_lib.evaluation import evaluate
from course_lib.features import dense, extract
from course_lib.images import ImageSet
from course_lib.intervals import wilson
from course_lib.models import load
from course_lib.network import Network
from course_lib.pictures.found import Problem
from course_lib.surgery.joining import join_blocks
from course_lib.surgery.replace import new_head, replace_blocks
from course_lib.taking_home import TakenHome, open_model
from course_lib.taking_home import exporting as exporting_module
from course_lib.taking_home.model_file import _seal
from course_lib.training.recipes import feature_extraction

pytestmark = pytest.mark.filterwarnings("ignore:.*(was not measured|not calibrated)")


@pytest.fixture(scope="module")
def images() -> ImageSet:
    """Toys whose three classes are learned in part: the brighter channel is hardly brighter."""
    toys = toy_images(train=60, val=60, test=60)
    noise = torch.randint(-40, 1, toys.images.shape, generator=torch.Generator().manual_seed(1))
    pixels = (
        (toys.images.int() - 50 * (torch.arange(180) % 4 == 0).int()[:, None, None, None] + noise).clamp(0, 255).byte()
    )
    return replace(toys, images=pixels, left_out=(Problem("a.heic", "a HEIC photo", "save it as JPEG"),))


@pytest.fixture(scope="module")
def net(images) -> Network:
    net = load("pawnet", CLASSES, weights="animals")
    run(net, images, feature_extraction(epochs=6))
    return net


@pytest.fixture(scope="module")
def path(net, images, tmp_path_factory) -> Path:
    return net.export(tmp_path_factory.mktemp("out") / "toys.safetensors", images, licence="CC0", note="made in a test")


@pytest.fixture(scope="module")
def model(path) -> TakenHome:
    return open_model(path)


def exact(net: Network) -> Network:
    """The network in float32, as an opened model works; bodies run in bfloat16 where that is faster."""
    return replace(net, precision=torch.float32)


def test_what_is_opened_says_the_same_bit_for_bit(net, images, model):
    rows = images.rows("test")[:32]
    expected = (exact(net)(images.images[rows]) / model.temperature).softmax(1)
    assert torch.equal(model.scores(images.images[rows]), expected)
    assert model.classes == net.classes and model.net.size == net.size and model.size == images.size
    assert (model.net.mean, model.net.std, model.net.origin) == (net.mean, net.std, net.origin)


def test_the_card_says_what_evaluate_measures(net, images, model):
    result, test = evaluate(exact(net), images, "test"), model.card["test"]
    assert test["accuracy"] == pytest.approx(result.accuracy, abs=1e-6) and test["pictures"] == 60
    assert (test["low"], test["high"]) == pytest.approx(wilson(result.accuracy, 60), abs=1e-6)
    for label, name in enumerate(images.classes):
        assert test["recall"][name] == [int(result.confusion[label, label]), int(result.confusion[label].sum())]
    assert 0.4 < test["accuracy"] < 1, "the toys are to be learned in part, or less is tested than it seems"


def test_the_card_keeps_data_licence_and_versions(images, model):
    card = model.card
    assert card["data"]["counts"]["train"] == images.counts("train") and card["data"]["checksum"] == images.checksum
    assert card["data"]["left_out"] == 1 and card["data"]["reasons"] == {"a HEIC photo": 1}
    assert "a.heic" not in json.dumps(card), "a model may travel farther than the names of its pictures"
    assert (card["licence"], card["note"], card["torch"]) == ("CC0", "made in a test", str(torch.__version__))
    assert card["calibration"]["pictures"] == 60 and card["calibration"]["temperature"] == model.temperature != 1


def test_the_card_shows_itself(model):
    text, page = repr(model.card), model.card._repr_html_()
    for said in ("CC0", "95 % interval", "temperature", "Do not trust it", "60 test pictures", "another camera"):
        assert said in text
    assert "<table>" in page and "CC0" in page and "95 % interval" in model._repr_html_()
    assert "3 classes (red, green, blue)" in repr(model)


def test_the_limits_keep_nearly_all_right_answers_of_val(net, images, model):
    val = images.rows("val")
    right = evaluate(exact(net), images, "val").correct
    refused = torch.tensor([bool(answer.reason) for answer in model.say(images.images[val])])
    assert (refused & right).sum() <= 0.05 * right.sum()
    test, said = model.card["test"], model.say(images.batch("test")[0])
    correct = evaluate(exact(net), images, "test").correct
    refused = torch.tensor([bool(answer.reason) for answer in said])
    assert test["right_refused"] == int((refused & correct).sum()) and test["wrong_refused"] == int(
        (refused & ~correct).sum()
    )


def test_none_of_these_with_the_reason(images, model):
    noise = torch.randint(0, 256, (8, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(5))
    stripes = (torch.arange(64) // 8 % 2 * 255).to(torch.uint8).expand(4, 3, 64, 64)
    for answer in model.say(torch.cat([noise // 8, stripes])):
        assert answer.label == "none of these" and answer.reason == "unlike all pictures it learned from"
        assert len(answer.ranked) == 3 and answer.probability == answer.ranked[0][1]
    unsure = replace(model, measured=replace(model.measured, threshold=1.0, familiar=None))
    first = unsure.say(images.images[:1])[0]
    (a, p), (b, q) = first.ranked[:2]
    assert (first.label, first.reason) == ("none of these", f"not sure between {a} ({p:.0%}) and {b} ({q:.0%})")
    sure = replace(model, measured=replace(model.measured, threshold=None, familiar=None))
    assert [answer.label for answer in sure.say(images.images[:9])] == [
        CLASSES[i] for i in model.scores(images.images[:9]).argmax(1)
    ]


def test_pictures_of_another_size_are_scaled_and_others_refused(images, model):
    twice = images.images[:4].repeat_interleave(2, 2).repeat_interleave(2, 3)
    scaled = F.interpolate(twice.float(), (64, 64), mode="bilinear", antialias=True, align_corners=False).round().byte()
    assert torch.equal(model.scores(twice), model.scores(scaled))
    assert model.scores(images.images[:0]).shape == (0, 3) and model.say(images.images[:0]) == []
    for wrong in (
        images.images[0],
        images.images[:2].float(),
        images.images[:2, :1],
        "rex.jpg",
        np.zeros((1, 3, 8, 8), np.uint8),
    ):
        with pytest.raises(CourseError, match=r"uint8 images N,3,H,W.*predict"):
            model.say(wrong)


def test_without_images_nothing_is_claimed(net, tmp_path):
    path = net.export(tmp_path / "bare.safetensors")
    with pytest.warns(UserWarning, match=r"not measured.*never answers 'none of these'.*with images"):
        model = open_model(path)
    assert (model.temperature, model.threshold) == (1.0, None) and model.card["licence"] == "not stated"
    assert {model.card[key] for key in ("test", "data", "calibration", "familiar")} == {"not measured"}
    noise = torch.randint(0, 256, (6, 3, 64, 64), dtype=torch.uint8)
    assert torch.equal(model.scores(noise), exact(net)(noise).softmax(1)) and not any(
        a.reason for a in model.say(noise)
    )
    assert "not measured" in repr(model.card) and "not measured" in repr(model)


@pytest.mark.parametrize("left", [("train",), ("train", "test"), ("val",), ("train", "val")])
def test_missing_splits_are_told_and_not_made_up(net, images, left, tmp_path):
    some = replace(images, splits={split: images.splits[split] for split in left})
    card = open_model(net.export(tmp_path / "some.safetensors", some)).card
    assert (card["test"] == "not measured") == ("test" not in left)
    assert (card["calibration"] == "not measured") == ("val" not in left)
    assert (card["familiar"] == "not measured") == (not {"train", "val"} <= set(left))
    assert repr(card)


def test_a_handful_of_val_pictures_is_told(net, images, tmp_path):
    few = replace(images, splits={**images.splits, "val": images.rows("val")[:2]})
    model = open_model(net.export(tmp_path / "few.safetensors", few))
    assert 0.3 < model.temperature < 3 and "2 val pictures are few" in repr(model.card)


def test_half_precision_is_measured_as_written(net, images, path, tmp_path):
    half = net.export(tmp_path / "half.safetensors", images, dtype=torch.float16)
    assert half.stat().st_size < 0.6 * path.stat().st_size
    model, rounded = open_model(half), net.copy()
    for tensor in rounded.model.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(tensor.half())
    rows = images.rows("test")[:20]
    assert torch.equal(
        model.scores(images.images[rows]), (exact(rounded)(images.images[rows]) / model.temperature).softmax(1)
    )
    assert model.card["number"] == "float16"
    large = net.copy()
    large.model.head.weight.data *= 1e8
    with pytest.raises(CourseError, match=r"head.weight.*not finite in float16.*float32"):
        large.export(tmp_path / "large.safetensors", dtype=torch.float16)


def test_the_file_goes_through_the_other_door_too(net, images, path):
    again = load("pawnet", weights=path)
    assert torch.equal(again(images.images[:8]), net(images.images[:8])) and again.classes == net.classes
    assert len(load("pawnet", ("cat", "dog"), weights=path).classes) == 2


def test_exporting_leaves_the_network_as_it_was(net, images, tmp_path):
    before = net.fingerprint()
    net.export(tmp_path / "a.safetensors", images, dtype=torch.float16)
    assert net.fingerprint() == before and net.precision is None
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]


class Small(nn.Module):
    def __init__(self, squash: type[nn.Module] = nn.ReLU) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), squash(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.head = nn.Linear(32, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x))


def altered(kind: str) -> Network:
    base = make("pawnet")
    if kind == "hidden head":
        return new_head(base, hidden=(16,))
    if kind == "joined":
        return join_blocks(base, (3, -1))
    layers = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(96, 3)]
    return replace_blocks(base, 4, layers)


@pytest.mark.parametrize("kind", ["hidden head", "joined", "replaced"])
def test_surgery_is_exported_and_opened_with_the_same_calls(kind, images, tmp_path):
    net = altered(kind)
    with torch.no_grad():
        next(net.model.parameters()).mul_(1.5)
    path = net.export(tmp_path / "own.safetensors", images)
    with pytest.raises(CourseError, match=r"pawnet with layers that no name builds.*open_model\(path, model="):
        open_model(path)
    model = open_model(path, model=altered(kind))
    assert torch.equal(model.scores(images.images[:9]), (exact(net)(images.images[:9]) / model.temperature).softmax(1))
    with pytest.raises(CourseError, match="does not hold weights of"):
        open_model(path, model=make("pawnet"))


def test_a_readers_own_module_is_exported_and_opened_with_its_layers(images, tmp_path):
    torch.manual_seed(3)
    net = load(Small(), CLASSES, size=48)
    path = net.export(tmp_path / "own.safetensors", images)
    model = open_model(path, model=Small())
    assert torch.equal(model.scores(images.images[:9]), (exact(net)(images.images[:9]) / model.temperature).softmax(1))
    assert model.net.size == 48 and model.size == 64
    with pytest.raises(CourseError, match=r"Small with layers that no name builds.*model=MyNet\(\)"):
        open_model(path)
    with pytest.raises(CourseError, match="does not give the scores that the file was written with"):
        open_model(path, model=Small(nn.Tanh))  # the same shapes, another function


def test_a_network_of_any_size_is_asked_at_the_size_it_was_exported_with(images, tmp_path):
    net = load("mobilenet_v2", CLASSES)
    assert net.size is None
    path = net.export(tmp_path / "any.safetensors", images)
    model = open_model(path)
    assert model.size == 64 and torch.equal(
        model.scores(images.images[:4]), (exact(net)(images.images[:4]) / model.temperature).softmax(1)
    )
    assert open_model(net.export(tmp_path / "bare.safetensors")).size == 224


def test_what_cannot_be_exported_is_refused(net, images, tmp_path):
    for wrong in ("dogs", "dogs.pth", "dogs.pkl"):
        with pytest.raises(CourseError, match=r"exported as .safetensors or .onnx; received"):
            net.export(tmp_path / wrong)
    with pytest.raises(CourseError, match=r"classes red, green, dots; the network tells apart red, green, blue"):
        net.export(tmp_path / "a.safetensors", replace(images, classes=("red", "green", "dots")))
    with pytest.raises(CourseError, match="licence="):
        net.export(tmp_path / "a.safetensors", licence="")
    with pytest.raises(CourseError, match=r"dtype=torch.int8 is not known"):
        net.export(tmp_path / "a.safetensors", dtype=torch.int8)
    vectors = dense(extract(net, images))
    with pytest.raises(CourseError, match="takes features in place of pictures"):
        vectors.export(tmp_path / "a.safetensors")
    broken = net.copy()
    broken.model.head.bias.data[0] = torch.nan
    with pytest.raises(CourseError, match=r"head.bias.*not finite"):
        broken.export(tmp_path / "a.safetensors")
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(CourseError, match="Could not write"):
        net.export(tmp_path / "folder.safetensors")
    assert [p.name for p in tmp_path.iterdir()] == ["folder.safetensors"], "nothing is left behind"


def test_a_file_that_does_not_give_the_same_scores_is_not_kept(net, tmp_path, monkeypatch):
    kept = net.export(tmp_path / "a.safetensors").read_bytes()
    real = exporting_module.write_model

    def spoil(path, state, card, more):
        real(path, {**state, "head.bias": state["head.bias"] + 1e-3}, card, more)

    monkeypatch.setattr(exporting_module, "write_model", spoil)
    with pytest.raises(CourseError, match="gives other scores after it was written"):
        net.export(tmp_path / "a.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == kept and len(list(tmp_path.iterdir())) == 1


def test_what_a_killed_export_left_is_removed_by_a_later_one(net, tmp_path):
    left, fresh, other = (tmp_path / f".{name}.part.safetensors" for name in ("a.0001", "a.0002", "b.0001"))
    for path in (left, fresh, other):
        path.write_bytes(b"half")
    for path in (left, other):
        os.utime(path, (1e9, 1e9))
    net.export(tmp_path / "a.safetensors")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([fresh.name, other.name, "a.safetensors"])


def rewritten(path: Path, target: Path, change, tensors=None) -> Path:
    """The file with a changed card (and weights), sealed anew, as somebody who lies would write it."""
    with safetensors.safe_open(path, "pt") as file:
        header = dict(file.metadata())
    state = safetensors.torch.load_file(path)
    card = json.loads(header["card"])
    change(card)
    header["card"] = json.dumps(card)
    state |= tensors or {}
    header["seal"] = _seal(header, state)
    safetensors.torch.save_file(state, target, metadata=header)
    return target


def put(*keys):
    *way, last, value = keys

    def change(card):
        for key in way:
            card = card[key]
        card[last] = value

    return change


LIES = {
    "temperature 0": put("calibration", "temperature", 0),
    "temperature negative": put("calibration", "temperature", -1.5),
    "temperature not finite": put("calibration", "temperature", float("nan")),
    "temperature infinite": put("calibration", "temperature", float("inf")),
    "temperature a text": put("calibration", "temperature", "1"),
    "temperature True": put("calibration", "temperature", True),
    "threshold above 1": put("calibration", "threshold", 1.5),
    "calibration a list": put("calibration", []),
    "limit negative": put("familiar", "limit", -1.0),
    "limit not finite": put("familiar", "limit", float("nan")),
    "a class too few": put("classes", ["red", "green"]),
    "a class too many": put("classes", ["red", "green", "blue", "grey"]),
    "a class twice": put("classes", ["red", "red", "blue"]),
    "classes numbers": put("classes", [1, 2, 3]),
    "classes in another order": put("classes", ["blue", "green", "red"]),
    "another model": put("model", "resnet18"),
    "no such model": put("model", "../../etc/passwd"),
    "model a number": put("model", 3),
    "size 0": put("size", 0),
    "size huge": put("pictures", "size", 10**9),
    "std 0": put("std", [0, 1, 1]),
    "std other": put("std", [0.5, 0.5, 0.5]),
    "mean a text": put("mean", "grey"),
    "accuracy above 1": put("test", "accuracy", 1.2),
    "accuracy better than its counts": put("test", "accuracy", 1.0),
    "more right than pictures": put("test", "right", 61),
    "recall of other sums": put("test", "recall", "red", [0, 19]),
    "interval upside down": put("test", "low", 0.999),
    "counts negative": put("data", "counts", "train", "red", -1),
    "built by magic": put("built_by", "pickle"),
    "another format": put("format", "course model 99"),
    "licence missing": put("licence", None),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_card_that_lies_is_refused(lie, path, tmp_path):
    false = rewritten(path, tmp_path / "false.safetensors", LIES[lie])
    with pytest.raises(CourseError) as refused:
        open_model(false)
    assert "false.safetensors" in str(refused.value) or lie in ("no such model", "std 0", "mean a text")
    assert len(str(refused.value)) < 700


def test_the_same_writer_without_a_lie_is_accepted(path, tmp_path, model, images):
    same = rewritten(path, tmp_path / "same.safetensors", lambda card: None)
    assert torch.equal(open_model(same).scores(images.images[:3]), model.scores(images.images[:3]))


def test_other_weights_under_the_card_are_refused(path, tmp_path):
    bias = {"head.bias": torch.tensor([5.0, 0.0, 0.0])}
    with pytest.raises(CourseError, match="does not give the scores that the file was written with"):
        open_model(rewritten(path, tmp_path / "b.safetensors", lambda card: None, bias))


def test_damaged_bytes_are_noticed_wherever_they_are(path, tmp_path):
    data = path.read_bytes()
    generator = np.random.default_rng(0)
    damaged = tmp_path / "damaged.safetensors"
    for place in [0, 8, 9, 40, *generator.integers(100, len(data), 25).tolist(), len(data) - 1]:
        damaged.write_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
        with pytest.raises(CourseError, match=r"damaged\.safetensors"):
            open_model(damaged)
    for length in (0, 7, 8, 100, 3000, len(data) // 2, len(data) - 1):
        damaged.write_bytes(data[:length])
        with pytest.raises(CourseError, match=r"damaged\.safetensors"):
            open_model(damaged)


def test_foreign_files_are_told_apart(net, tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path}/ran",)

    import pickle

    (tmp_path / "bomb.safetensors").write_bytes(pickle.dumps(Bomb()))
    (tmp_path / "bomb.pth").write_bytes(pickle.dumps(Bomb()))
    net.save(tmp_path / "saved.safetensors")
    Image.new("RGB", (8, 8)).save(tmp_path / "rex.jpg")
    (tmp_path / "a.onnx").write_bytes(b"x")
    cases = {
        "bomb.safetensors": "is no safetensors file",
        "bomb.pth": "does not end in .safetensors",
        "saved.safetensors": r"no card of `net.export`.*load\(name",
        "rex.jpg": "does not end in .safetensors",
        "a.onnx": "for other programs such as onnxruntime",
        "none.safetensors": "does not exist",
        ".": "is a folder",
    }
    for name, sentence in cases.items():
        with pytest.raises(CourseError, match=sentence):
            open_model(tmp_path / name)
    assert not (tmp_path / "ran").exists()


def test_a_deep_card_is_refused(path, tmp_path):
    with safetensors.safe_open(path, "pt") as file:
        header = dict(file.metadata())
    state = safetensors.torch.load_file(path)
    for text in ("[" * 100_000, "{}", "[]", "null", '"x"', '{"format": "course model 1"}'):
        header["card"] = text
        header["seal"] = _seal(header, state)
        safetensors.torch.save_file(state, tmp_path / "deep.safetensors", metadata=header)
        with pytest.raises(CourseError, match=r"deep\.safetensors"):
            open_model(tmp_path / "deep.safetensors")


KILLS = """
import os, signal, sys
import course_lib, torch
from course_lib.taking_home import model_file, open_model
sys.path.insert(0, sys.argv[1])
from toys import make, toy_images
torch.set_num_threads(1)
net, images, steps = make("pawnet"), toy_images(train=6, val=3, test=3), 0
die = lambda: os.kill(os.getpid(), signal.SIGKILL)

def count(event, arguments):
    global steps
    if event in ("open", "os.rename", "os.remove") and "safetensors" in str(arguments):
        steps -= 1
        if steps == 0:
            die()

def write_half(path, data):
    with open(path, "wb") as file:
        file.write(data[: len(data) // 2])
        file.flush()
        die()

for steps in range(1, 11):
    child = os.fork()
    if not child:
        sys.addaudithook(count)
        if steps == 1:  # in the middle of the bytes, not between two steps
            steps, model_file.write_bytes = 0, write_half
        net.export("a.safetensors", images)
        os._exit(7)
    _, status = os.waitpid(child, 0)
    there = os.path.exists("a.safetensors")
    print("killed" if os.WIFSIGNALED(status) else "done", *(open_model("a.safetensors").classes if there else ()), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_an_export_killed_at_each_step_leaves_a_whole_file_or_none(tmp_path):
    """Killed while it writes, and at each step with a file: what is there under the name always opens."""
    given = [sys.executable, "-c", KILLS, str(Path(__file__).parent)]
    done = subprocess.run(given, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    said = [line.split() for line in done.stdout.splitlines()]
    assert len(said) == 10 and all(words[1:] in ([], list(CLASSES)) for words in said)
    assert said[:3] == [["killed"]] * 3 and said[-1] == ["done", *CLASSES]
    assert ["killed", *CLASSES] in said, "one kill comes after the file got its name"
    assert all(p.name == "a.safetensors" or p.name.startswith(".") for p in tmp_path.iterdir())
