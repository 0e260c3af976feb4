"""One door to every network: heads, seeds, files of weights, and files that are refused without being run."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import safetensors.torch
import torch
from toys import CLASSES, differing, weights

from course_lib import models
from course_lib import weights as weights_module
from course_lib.errors import CourseError
from course_lib.models import load
from course_lib.network import Network
from course_lib.pictures.reading import read_picture
from course_lib.weights import sha256, shipped_names


@pytest.fixture
def net() -> Network:
    return load("pawnet", CLASSES, seed=1)


@pytest.fixture
def shelf(tmp_path, monkeypatch, net) -> Path:
    """A folder of shipped weights that holds `pawnet_toys` and its card."""
    monkeypatch.setattr(weights_module, "weights_dir", lambda: tmp_path)
    path = net.save(tmp_path / "pawnet_toys.safetensors", dtype=torch.float16)
    path.with_suffix(".json").write_text(json.dumps({"sha256": sha256(path), "classes": CLASSES}))
    return tmp_path


def test_same_seed_same_weights_other_seed_other_weights_and_the_caller_s_randomness_is_untouched():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again, other = (weights(load("pawnet", CLASSES, seed=seed)) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert differing(first, again) == [] and "stem.0.weight" in differing(first, other)


@pytest.mark.parametrize("name", ["pawnet", "resnet18", "mobilenet_v2", "squeezenet1_0"])
def test_a_new_head_for_the_classes(name):
    net = load(name, ("a", "b", "c", "d"))
    assert net.classes == ("a", "b", "c", "d") and net(torch.zeros(2, 3, 64, 64, dtype=torch.uint8)).shape == (2, 4)
    assert not any(module.training for module in net.model.modules())


@pytest.mark.parametrize("name", ["pawnet", "squeezenet1_0"])  # a Linear and a Conv2d head
def test_a_file_brings_the_body_and_its_classes_bring_the_head(tmp_path, name):
    source = load(name, CLASSES, seed=1)
    path = source.save(tmp_path / "net.safetensors", card={"note": "toys"})
    whole = load(name, weights=path, seed=2)
    assert whole.classes == CLASSES and differing(weights(whole), weights(source)) == []
    headed = load(name, ("x", "y"), weights=str(path), seed=2)
    changed = [key for key, tensor in weights(headed).items() if not torch.equal(tensor, weights(source)[key])]
    head = "head" if name == "pawnet" else "classifier.1"
    assert sorted(changed) == [f"{head}.bias", f"{head}.weight"]
    assert "net.safetensors" in headed.origin and "new head" in headed.origin
    images = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8)
    assert torch.equal(whole(images), source(images))


def test_the_card_inside_a_file_holds_what_is_needed_to_use_it(tmp_path, net):
    path = net.save(tmp_path / "net.safetensors", card={"accuracy": 0.9, "classes": "overruled"})
    with safetensors.safe_open(path, "pt") as file:
        card = json.loads(file.metadata()["card"])
    assert card["accuracy"] == 0.9 and card["model"] == "pawnet" and card["classes"] == list(CLASSES)
    assert card["size"] == 64 and card["mean"] == [0.5] * 3 and card["std"] == [0.25] * 3


def test_half_precision_files_are_loaded_as_float32(tmp_path, net):
    loaded = load("pawnet", weights=net.save(tmp_path / "half.safetensors", dtype=torch.float16))
    for name, tensor in weights(net).items():
        found = weights(loaded)[name]
        assert found.dtype == tensor.dtype
        expected = tensor.half().float() if tensor.is_floating_point() else tensor
        assert torch.equal(found, expected)


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_plain_state_dict_in_a_pth_file(tmp_path, net, wrapped):
    state = net.model.state_dict()
    torch.save({"state_dict": state} if wrapped else state, tmp_path / "net.pth")
    loaded = load("pawnet", ("x", "y"), weights=tmp_path / "net.pth")
    assert (
        differing(
            {k: v for k, v in weights(loaded).items() if not k.startswith("head")},
            {k: v for k, v in weights(net).items() if not k.startswith("head")},
        )
        == []
    )


HEADS = {
    "shufflenet_v2_x0_5": "fc",
    "mobilenet_v3_small": "classifier.3",
    "densenet121": "classifier",
    "swin_t": "head",
    "squeezenet1_1": "classifier.1",
}


@pytest.mark.parametrize("name", HEADS)
def test_every_kind_of_head_comes_back_from_a_file_or_is_replaced(tmp_path, name):
    source = load(name, CLASSES, seed=1)
    path = source.save(tmp_path / "net.safetensors", dtype=torch.float16)
    whole = load(name, weights=path)
    assert whole.classes == CLASSES and whole.origin == "weights from net.safetensors"
    saved = {k: t.half().float() if t.is_floating_point() else t for k, t in weights(source).items()}
    assert differing(weights(whole), saved) == []
    assert {tensor.dtype for tensor in weights(whole).values()} <= {torch.float32, torch.int64}
    for count in (2, 1000):
        net = load(name, [f"class {i}" for i in range(count)], weights=path)
        changed = [key for key, tensor in weights(net).items() if not torch.equal(tensor, saved[key])]
        assert sorted(changed) == [f"{HEADS[name]}.bias", f"{HEADS[name]}.weight"]
        assert net.model.get_submodule(HEADS[name]).weight.shape[0] == count


def test_the_card_of_a_file_says_how_images_are_fed_and_the_reader_has_the_last_word(tmp_path):
    source = load("squeezenet1_1", CLASSES, size=96, mean=(0.1, 0.2, 0.3), std=(1, 2, 3))
    path = source.save(tmp_path / "net.safetensors")
    net = load("squeezenet1_1", weights=path)
    assert (net.size, net.mean, net.std) == (96, (0.1, 0.2, 0.3), (1.0, 2.0, 3.0))
    other = load("squeezenet1_1", weights=path, size=128, std=(1, 1, 1))
    assert (other.size, other.mean, other.std) == (128, (0.1, 0.2, 0.3), (1.0, 1.0, 1.0))


def test_counts_of_batches_that_were_saved_as_floats_are_left_out_and_whole_numbers_for_weights_refused(tmp_path, net):
    state = net.model.state_dict()
    counts = {k: torch.tensor(1e9).half() if "num_batches" in k else t for k, t in state.items()}
    torch.save(counts, tmp_path / "half.pth")
    loaded = load("pawnet", ("x", "y"), weights=tmp_path / "half.pth")
    assert loaded.model.stem[1].num_batches_tracked == 0
    torch.save({k: (t * 100).to(torch.int8) for k, t in state.items()}, tmp_path / "int.pth")
    refusal("another kind of number", "int.pth", weights=tmp_path / "int.pth")


@pytest.mark.parametrize("wrapper", ["module.", "_orig_mod.", "_orig_mod.module."])
def test_names_that_data_parallel_or_compile_put_a_word_before(tmp_path, net, wrapper):
    state = {f"{wrapper}{key}": tensor for key, tensor in load("squeezenet1_1", CLASSES).model.state_dict().items()}
    torch.save({"model": state, "epoch": 3}, tmp_path / "net.pth")
    loaded = load("squeezenet1_1", ("x", "y"), weights=tmp_path / "net.pth")
    assert torch.equal(loaded.model.features[0].weight, state[f"{wrapper}features.0.weight"])


def test_imagenet_class_names_are_known_and_each_stands_once(tmp_path):
    source = load("squeezenet1_0", [f"class {i}" for i in range(1000)])
    torch.save(source.model.state_dict(), tmp_path / "net.pth")
    net = load("squeezenet1_0", weights=tmp_path / "net.pth")
    assert len(set(net.classes)) == 1000 and net.classes[0] == "tench"


def test_shipped_weights_load_by_name(shelf, net):
    loaded = load("pawnet", weights="toys")
    assert loaded.classes == CLASSES and "pawnet/toys" in loaded.origin and shipped_names("pawnet") == ["toys"]
    assert torch.equal(loaded.model.head.weight, net.model.head.weight.half().float())


# What is refused


def refusal(*words: str, **options: object) -> str:
    with pytest.raises(CourseError) as refused:
        load(**{"model": "pawnet", "classes": CLASSES, **options})
    text = str(refused.value)
    assert "\n" not in text and all(word in text for word in words), text
    return text


def test_an_unknown_model():
    refusal("'resnet19'", "resnet18", "model_names()", model="resnet19")


@pytest.mark.parametrize(("name", "near"), [("vgg", "vgg11"), ("Inception", "inception_v3"), ("xyz", "pawnet")])
def test_names_that_are_near_to_an_unknown_one(name, near):
    refusal(repr(name), near, model=name)


@pytest.mark.parametrize("size", ["64", True, 31, 1025, 64.0])
def test_a_size_that_a_model_does_not_take(size):
    refusal(f"size={size!r}", "only 64", size=size)
    refusal(f"size={size!r}", "32 to 1024", size=size, model="squeezenet1_1")


@pytest.mark.parametrize("classes", [["a"], ["a", "a"], []])
def test_classes_that_tell_nothing_apart(classes):
    refusal("at least two classes", str(classes), classes=classes)


def test_no_classes_for_random_weights():
    refusal("random weights", "needs `classes`", classes=None)


def test_no_classes_for_a_head_without_names(tmp_path, net):
    torch.save(net.model.state_dict(), tmp_path / "net.pth")
    refusal("net.pth", "3 classes without names", "needs `classes`", classes=None, weights=tmp_path / "net.pth")


def test_unknown_weights_name(shelf):
    refusal("'animals'", "toys", weights="animals")
    refusal("'animals'", "resnet18", "'DEFAULT'", "toys", model="resnet18", weights="animals")


def test_a_missing_file(tmp_path):
    refusal(str(tmp_path / "no.safetensors"), "Check the path", weights=tmp_path / "no.safetensors")


def test_a_file_of_another_kind(tmp_path):
    (tmp_path / "net.h5").write_bytes(b"x")
    refusal("net.h5", ".safetensors", weights=tmp_path / "net.h5")


def test_weights_of_another_architecture(tmp_path, net):
    path = net.save(tmp_path / "paw.safetensors")
    refusal("paw.safetensors", "weights of resnet18", "are missing", model="resnet18", weights=path)


def test_a_tensor_too_few_or_of_another_shape(tmp_path, net):
    state = {name: tensor.contiguous() for name, tensor in net.model.state_dict().items()}
    path = tmp_path / "net.safetensors"
    safetensors.torch.save_file({k: v for k, v in state.items() if k != "stage1.bn1.running_mean"}, path)
    refusal("1 are missing", "stage1.bn1.running_mean", weights=path)
    safetensors.torch.save_file({**state, "stem.0.weight": torch.zeros(2)}, path)
    refusal("1 have another shape", "stem.0.weight", weights=path)


def test_a_card_that_names_more_classes_than_the_head_has(tmp_path, net):
    net.classes = ("a", "b")
    refusal("head for 3 classes and names 2", classes=None, weights=net.save(tmp_path / "net.safetensors"))


@pytest.mark.parametrize(
    "card", ["[]", "null", '{"classes": 3}', "{", '{"size": "64"}', '{"mean": [0, 1]}', '{"std": [1, 1, 0]}']
)
def test_a_damaged_card_inside_a_file(tmp_path, net, card):
    state = {name: tensor.contiguous() for name, tensor in net.model.state_dict().items()}
    safetensors.torch.save_file(state, tmp_path / "net.safetensors", metadata={"card": card})
    refusal("net.safetensors", weights=tmp_path / "net.safetensors")


def test_a_shipped_file_that_was_changed(shelf):
    path = shelf / "pawnet_toys.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    refusal("SHA-256", "card says", "course pretrain toys", weights="toys")


@pytest.mark.parametrize("card", [None, "{", "[]", "{}", '{"sha256": "0"}'])
def test_a_shipped_card_that_is_missing_or_damaged(shelf, card):
    path = shelf / "pawnet_toys.json"
    path.unlink()
    if card is not None:
        path.write_text(card)
    refusal("pawnet_toys.json", "missing or damaged", weights="toys")


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.999])
def test_a_file_that_was_cut_off(tmp_path, net, suffix, kept):
    path = tmp_path / f"net.{suffix}"
    if suffix == "pth":
        torch.save(net.model.state_dict(), path)
    else:
        net.save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    refusal(f"net.{suffix}", weights=path)


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("suffix", ["safetensors", "pth", "pt"])
@pytest.mark.parametrize("how", ["pickle", "torch"])
def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path, suffix, how):
    proof, path = tmp_path / "proof", tmp_path / f"net.{suffix}"
    if how == "pickle":
        path.write_bytes(pickle.dumps(Trap(proof), protocol=2))
        pickle.loads(path.read_bytes())
    else:
        torch.save({"weight": torch.zeros(1), "trap": Trap(proof)}, path)
        with open(path, "rb") as file:
            torch.load(file, weights_only=False)
    assert proof.exists(), "the trap works"
    proof.unlink()
    refusal(f"net.{suffix}", "pickle", weights=path)
    assert not proof.exists()


@pytest.mark.parametrize("content", [[torch.zeros(1)], {"a": 1}, {1: torch.zeros(1)}, "text"])
def test_a_pth_file_that_is_no_state_dict(tmp_path, content):
    torch.save(content, tmp_path / "net.pth")
    refusal("net.pth", "state dict", weights=tmp_path / "net.pth")


def test_a_download_without_a_network_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    refusal("could not be downloaded", "local .safetensors", "pawnet", model="resnet18", weights="DEFAULT")


def test_saving_takes_safetensors_only_and_leaves_no_temporary_file(tmp_path, net):
    with pytest.raises(CourseError, match=r"net.pth.*net.safetensors"):
        net.save(tmp_path / "net.pth")
    net.save(tmp_path / "net.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["net.safetensors"]


# Real weights and photos, where the course's data folder lies beside it

SHARED = Path(models.__file__).resolve().parents[2] / "shared"
REAL = SHARED / "weights" / "mobilenet_v2_imagenet.safetensors"
BEAGLES = SHARED / "data" / "dogs" / "val" / "beagle"


@pytest.mark.skipif(not (REAL.exists() and BEAGLES.is_dir()), reason="needs ../shared with ImageNet weights and dogs")
def test_real_weights_see_beagles():
    net = load("mobilenet_v2", weights=REAL)
    photos = [read_picture(path, 160).pixels for path in sorted(BEAGLES.iterdir())[:16]]
    scores = net(torch.stack([torch.from_numpy(photo.copy()).permute(2, 0, 1) for photo in photos]))
    named = [net.classes[i] for i in scores.argmax(1)]
    assert named.count("beagle") >= 10, f"of 16 photos, by chance 0.016: {named}"
