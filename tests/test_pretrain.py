"""The upbringings: made anew on toys, their images, and every net that ships with its card."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from toys import toy_images

from course_lib import pretrain as module
from course_lib import upbringings
from course_lib.errors import CourseError
from course_lib.evaluation import evaluate
from course_lib.images import ImageSet
from course_lib.models import load
from course_lib.paths import weights_dir
from course_lib.pretrain import pretrain
from course_lib.sources.digits import digits
from course_lib.sources.textures import textures
from course_lib.training.train import fit
from course_lib.upbringings import DOG, EARLY, IMAGENETTE, SEED, UPBRINGINGS, shuffled, without_dogs
from course_lib.weights import read_shipped, sha256, shipped_names

EARLY_NAMES = [f"animals-{ending}" for ending in EARLY]
FACTS = {
    "model", "name", "data", "data_checksum", "train_images", "epochs", "steps", "seed", "command", "seconds",
    "cpu_seconds", "machine", "precision", "versions", "date", "licence", "train_accuracy", "val_accuracy",
    "test_accuracy", "test_interval_95", "test_images", "chance", "parameters", "bytes", "sha256", "classes",
}  # fmt: skip
TOYS = {
    "train": 24,
    "val": 7,
    "test": 11,
}  # another share of each class in each split, so that no two accuracies are equal
Brought = Callable[..., tuple[Path, list[str]]]


@pytest.fixture
def bring_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Brought:
    """`bring_up("digits", epochs=2)` pretrains on a few toys in place of the real images: the path, and what was told."""
    toys = toy_images(**TOYS)

    def bring(name: str, **options: object) -> tuple[Path, list[str]]:
        small = replace(UPBRINGINGS[name], images=lambda _: toys, data=lambda _: "toys")
        monkeypatch.setitem(UPBRINGINGS, name, small)
        told: list[str] = []
        return pretrain(name, progress=told.append, out=tmp_path, **options), told

    return bring


def card_of(path: Path) -> dict:
    return json.loads(path.with_suffix(".json").read_text())


@pytest.mark.parametrize("name", UPBRINGINGS)
def test_every_upbringing_leaves_a_net_and_a_full_card(bring_up, name):
    path, told = bring_up(name, epochs=1)
    card = card_of(path)
    assert path.name == f"pawnet_{name}.safetensors" and card.keys() == FACTS
    assert card["sha256"] == sha256(path) and card["bytes"] == path.stat().st_size
    assert card["command"] == f"course pretrain {name} --epochs 1" and card["epochs"] == 1 and card["seed"] == SEED
    assert card["precision"] in ("float32", "bfloat16") and card["classes"] == ["red", "green", "blue"]
    assert card["train_images"] == 24 and card["test_images"] == 11 and card["chance"] == pytest.approx(1 / 3, abs=1e-3)
    assert path.name in told[-1] and any("epoch 1/1" in line for line in told)


def test_the_card_measures_the_net_in_the_file(bring_up):
    path, _ = bring_up("textures", epochs=4)
    toys, card = toy_images(**TOYS), card_of(path)
    net = load("pawnet", weights=path)
    for split in ("train", "val", "test"):
        assert card[f"{split}_accuracy"] == pytest.approx(evaluate(net, toys, split).accuracy, abs=1e-4)
    assert {t.dtype for name, t in load_file(path).items() if "num_batches" not in name} == {torch.float16}


def test_the_same_seed_gives_the_same_file(bring_up):
    first = card_of(bring_up("digits", epochs=2)[0])
    second = card_of(bring_up("digits", epochs=2)[0])
    assert first["sha256"] == second["sha256"]


def test_a_full_run_names_no_epochs_in_its_command(bring_up, monkeypatch):
    monkeypatch.setitem(UPBRINGINGS, "photos", replace(UPBRINGINGS["photos"], epochs=2))
    path, _ = bring_up("photos", images="somewhere")
    assert card_of(path)["command"] == "course pretrain photos --images FOLDER" and card_of(path)["epochs"] == 2


def test_animals_leaves_three_early_states_of_the_same_run(bring_up):
    path, _ = bring_up("animals", epochs=8)
    whole = card_of(path)
    assert whole["steps"] == 8
    states = []
    for ending, steps in zip(EARLY, (1, 2, 4), strict=True):
        early = path.with_name(f"pawnet_animals-{ending}.safetensors")
        card = card_of(early)
        assert card.keys() == FACTS | {"checkpoint"} and card["name"] == f"animals-{ending}"
        assert card["steps"] == card["epochs"] == steps and f"after {steps} of its 8 steps" in card["checkpoint"]
        assert card["command"] == whole["command"] and card["sha256"] == sha256(early)
        states.append(load_file(early)["stage4.conv2.weight"])
    states.append(load_file(path)["stage4.conv2.weight"])
    moved = [float((state - states[-1]).float().norm()) for state in states]
    assert moved == sorted(moved, reverse=True) and moved[-2] > 0 == moved[-1]


def test_upbringings_without_early_states_leave_none(bring_up, tmp_path):
    bring_up("digits", epochs=8)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["pawnet_digits.json", "pawnet_digits.safetensors"]


def test_an_interrupted_run_leaves_the_files_of_the_run_before(bring_up, tmp_path, monkeypatch):
    bring_up("animals", epochs=8)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(before) == 8

    def stopped(*arguments: object, **options: object) -> Iterator[object]:
        for record in fit(*arguments, **options):
            yield record
            if record.step == 6:
                raise KeyboardInterrupt

    monkeypatch.setattr(module, "fit", stopped)
    with pytest.raises(KeyboardInterrupt):
        bring_up("animals", epochs=16)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_folder_that_cannot_be_written_to_is_refused_before_any_work(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setitem(UPBRINGINGS, "digits", replace(UPBRINGINGS["digits"], images=lambda _: pytest.fail("work")))
    with pytest.raises(CourseError, match="Could not write"):
        pretrain("digits", progress=print, out=tmp_path / "file")


@pytest.mark.parametrize(
    "name, options, said",
    [
        ("cats", {}, "no upbringing named 'cats'; there are: animals, photos, textures, digits, shuffled"),
        ("animals-half", {}, "early state of animals: `course pretrain animals` writes both"),
        ("digits-half", {}, "no upbringing named 'digits-half'"),
        ("digits", {"images": "folder"}, "given for digits, which the course draws itself"),
        ("digits", {"epochs": 0}, r"epochs=0\) is out of range"),
        ("photos", {}, "received none. Get Imagenette2-160"),
        ("photos", {"images": "no/such/folder"}, "does not exist"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_sentence(name, options, said, tmp_path):
    with pytest.raises(CourseError, match=said):
        pretrain(name, progress=lambda _: None, out=tmp_path, **options)
    assert not list(tmp_path.iterdir())


def save_photos(root: Path, names: list[str], size: int = 100) -> Path:
    """A folder as Imagenette's: train/ and val/, a folder of pictures for each name, one colour a class."""
    for split, count in (("train", 5), ("val", 2)):
        for k, name in enumerate(names):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                blue = 30 + i + (100 if split == "val" else 0)  # a picture in both would be a copy, and be left out
                picture = Image.new("RGB", (size + 20, size), (20 * k, 200 - 20 * k, blue))
                picture.save(root / split / name / f"{i}.png")
    return root


def test_photos_leave_the_dogs_out_and_keep_every_other_image(tmp_path):
    images = upbringings.photos(save_photos(tmp_path, sorted(IMAGENETTE)))
    assert len(images.classes) == 9 and DOG not in images.classes
    assert images.classes == tuple(sorted((set(IMAGENETTE.values()) - {DOG}), key=str.lower))
    assert {split: set(images.counts(split).values()) for split in images.splits} == {
        "train": {4},
        "val": {1},
        "test": {2},
    }
    assert images.images.shape == (9 * 7, 3, 64, 64) == (len(images), 3, 64, 64) == (len(images.files), 3, 64, 64)
    for row, file in enumerate(images.files):
        folder = Path(file).parent.name
        assert images.classes[images.labels[row]] == IMAGENETTE[folder]
        assert images.images[row, 0, 30, 30] == 20 * sorted(IMAGENETTE).index(folder)


def test_the_card_of_photos_says_which_photos(tmp_path):
    known = upbringings.describe_photos(upbringings.photos(save_photos(tmp_path / "a", sorted(IMAGENETTE))))
    assert "Imagenette2 without English springers" in known and "120 x 100 px" in known and "smaller copy" not in known
    assert "a copy smaller than Imagenette2-160" in known
    large = upbringings.describe_photos(upbringings.photos(save_photos(tmp_path / "b", sorted(IMAGENETTE), 160)))
    assert "a copy smaller" not in large and "180 x 160 px" in large
    other = upbringings.describe_photos(upbringings.photos(save_photos(tmp_path / "mine", ["hen", "tea_pot"])))
    assert other.startswith("folder mine: 2 classes") and "Imagenette" not in other


def test_classes_without_dogs_are_left_as_they_are():
    toys = toy_images()
    kept = without_dogs(replace(toys, files=tuple(map(str, range(len(toys))))))
    assert kept.classes == ("blue", "green", "red") and torch.equal(kept.images, toys.images)
    assert [kept.classes[i] for i in kept.labels] == [toys.classes[i] for i in toys.labels]


def test_shuffled_labels_are_the_same_in_number_and_fit_no_image(monkeypatch):
    source = toy_images(train=3000, val=300, test=300, size=2)
    monkeypatch.setattr(upbringings, "animals", lambda: source)
    images = shuffled()
    assert torch.equal(images.images, source.images) and images.checksum == source.checksum
    for split, rows in source.splits.items():
        assert torch.equal(images.rows(split), rows) and images.counts(split) == source.counts(split)
        assert (images.labels[rows] == source.labels[rows]).float().mean() == pytest.approx(1 / 3, abs=0.1)
    assert torch.equal(shuffled().labels, images.labels)


@pytest.mark.parametrize("name", ["animals", "textures", "digits"])
def test_the_drawn_upbringings_ask_their_source_for_the_cards_seed(name, monkeypatch):
    asked: list[tuple] = []
    for source in ("dogworld", "draw_textures", "print_digits"):
        monkeypatch.setattr(upbringings, source, lambda *which, seed: asked.append((*which, seed)))
    UPBRINGINGS[name].images(None)
    assert asked == [("source", SEED)] if name == "animals" else asked == [(SEED,)]


def test_all_upbringings_and_the_early_states_of_animals_ship():
    assert {*UPBRINGINGS, *EARLY_NAMES} <= set(shipped_names("pawnet"))


@pytest.mark.parametrize("name", [*UPBRINGINGS, *EARLY_NAMES])
def test_a_shipped_net_is_small_whole_and_has_a_full_card(name):
    path = weights_dir() / f"pawnet_{name}.safetensors"
    card = card_of(path)
    assert card.keys() - {"checkpoint"} == FACTS and card["name"] == name
    assert path.stat().st_size == card["bytes"] < 2_000_000 and sha256(path) == card["sha256"]
    net = load("pawnet", weights=name)
    assert net.classes == tuple(card["classes"]) and card["chance"] == pytest.approx(1 / len(net.classes), abs=1e-4)
    assert sum(p.numel() for p in net.model.parameters()) == card["parameters"]
    assert all(torch.isfinite(tensor).all() for tensor in read_shipped("pawnet", name).state.values())
    assert load("pawnet", ("corgi", "husky"), weights=name).classes == ("corgi", "husky")
    low, high = card["test_interval_95"]
    assert low <= card["test_accuracy"] <= high and card["command"].startswith("course pretrain ")
    assert not any(sign in json.dumps(card) for sign in ("/work", "/home", "/root", "shared"))


def test_the_early_states_come_before_the_whole_one():
    cards = [card_of(weights_dir() / f"pawnet_{name}.safetensors") for name in [*EARLY_NAMES, "animals"]]
    for fact in ("steps", "epochs", "seconds", "test_accuracy"):
        values = [card[fact] for card in cards]
        assert values == sorted(values) and values[0] < values[-1]
    assert [card["steps"] / cards[-1]["steps"] for card in cards] == [*EARLY.values(), 1.0]
    assert len({card["data_checksum"] for card in cards}) == len({card["command"] for card in cards}) == 1


@pytest.mark.parametrize("name, draw", [("textures", textures), ("digits", digits)])
def test_a_shipped_net_is_as_good_on_images_drawn_anew(name, draw):
    card = card_of(weights_dir() / f"pawnet_{name}.safetensors")
    new: ImageSet = draw(seed=SEED + 1, per_class=30 if name == "digits" else 10)
    result = evaluate(load("pawnet", weights=name), replace(new, splits={"test": torch.arange(len(new.images))}))
    assert result.accuracy == pytest.approx(card["test_accuracy"], abs=0.06)
    assert result.accuracy > 5 * card["chance"]


def test_shuffled_knows_its_own_images_by_heart_and_nothing_else():
    card = card_of(weights_dir() / "pawnet_shuffled.safetensors")
    low, high = card["test_interval_95"]
    assert low <= card["chance"] <= high and card["train_accuracy"] > 10 * card["chance"]


def test_the_machine_is_told_without_its_name():
    words = module.machine(torch.device("cpu"))
    assert "CPU cores" in words and f"{torch.get_num_threads()} of" in words
