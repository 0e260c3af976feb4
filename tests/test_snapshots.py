"""course_lib/sources/snapshots.py, the folder that lesson 07 begins with, and experiments/own_pictures.py, what it does with it.

pytest tests/test_snapshots.py
"""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

import course_lib as cl
from course_lib.errors import CourseError
from course_lib.experiments.own_pictures import (
    HEAD_STAGE,
    _filled,
    _thinned,
    by_picture,
    by_scene,
    covered,
    over_splits,
    own_pictures,
    scenes,
    strangers,
)
from course_lib.experiments.own_pictures_shown import falls
from course_lib.images import ImageSet
from course_lib.sources import snapshots
from course_lib.sources.snapshots import write_snapshots
from course_lib.training.train import fit
from course_lib.widgets.live import watch


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_snapshots(tmp_path_factory.mktemp("snapshots") / "dogs", (12, 12))


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_folder_is_the_same_for_a_seed_and_another_for_another(folder, tmp_path):
    again, other = write_snapshots(tmp_path / "again", (12, 12)), write_snapshots(tmp_path / "other", (12, 12), seed=1)
    assert files_of(again) == files_of(folder)
    assert sum(a == b for a, b in zip(files_of(other).values(), files_of(folder).values(), strict=True)) < 6


def test_every_fault_is_in_it(folder):
    pictures = {}
    broken = set()
    for name in files_of(folder):
        try:
            with Image.open(folder / name) as image:
                image.load()
                pictures[name] = (image.mode, image.size, dict(image.getexif()), image.format)
        except (OSError, SyntaxError):
            broken.add(name.rsplit("/", 1)[-1])
    assert broken == {"IMG_2500.jpg", ".DS_Store", "IMG_3500.HEIC", "notes.txt", "README.txt"}
    modes = Counter(mode for mode, *_ in pictures.values())
    assert modes["CMYK"] == 1 and modes["RGBA"] == 1
    assert {exif.get(0x0112) for *_, exif, _ in pictures.values()} >= {1, 3, 6}
    assert sum(0x8825 in exif for *_, exif, _ in pictures.values()) == 1
    assert len({size for _, size, *_ in pictures.values()}) >= 4 and min(min(s) for _, s, *_ in pictures.values()) < 50
    assert sum(name.startswith("Mirepoodle/IMG_2") for name in pictures) == 1  # the number of a Lunspitz


def test_turned_photos_are_stored_lying_and_open_upright(folder):
    """All shots of a burst have one shape, however the camera was held."""
    shots = sorted((folder / "Lunspitz").glob("IMG_20*.jpg"))
    turned = [path for path in shots if Image.open(path).getexif().get(0x0112) == 6]
    assert turned
    for path in turned:
        with Image.open(path) as image:
            assert ImageOps.exif_transpose(image).size == image.size[::-1]


def test_the_same_call_finds_the_folder_and_another_refuses_it(folder):
    before = (folder / "README.txt").stat().st_mtime_ns
    assert write_snapshots(folder, (12, 12)) == folder
    assert (folder / "README.txt").stat().st_mtime_ns == before
    with pytest.raises(CourseError, match="holds other things"):
        write_snapshots(folder, (12, 13))


@pytest.mark.parametrize(
    "wrong", [{"per_class": (12,)}, {"per_class": (12, 3)}, {"per_class": (12,) * 6}, {"seed": -1}]
)
def test_numbers_out_of_range_are_refused(tmp_path, wrong):
    with pytest.raises(CourseError, match="it takes"):
        write_snapshots(tmp_path / "x", **wrong)


def test_a_stop_in_the_middle_leaves_nothing(tmp_path, monkeypatch):
    real, count = snapshots._stored, iter(range(100))
    monkeypatch.setattr(snapshots, "_stored", lambda *given: real(*given) if next(count) < 5 else 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_snapshots(tmp_path / "dogs", (8, 8))
    assert list(tmp_path.iterdir()) == []


def toy(bursts, classes=2, size=16):
    """Pictures of single colours; `bursts` gives the near-duplicates' group of each, -1 for none."""
    count = len(bursts)
    images = torch.randint(0, 256, (count, 3, 1, 1), generator=torch.Generator().manual_seed(0)).byte()
    labels = torch.arange(count) % classes
    splits = {"train": torch.arange(count)}
    names = tuple("abc"[:classes])
    factors = {"duplicate": np.array(bursts)}
    return ImageSet("toy", images.expand(-1, -1, size, size).clone(), labels, names, splits, factors)


def test_a_draw_by_scene_tears_no_burst_and_one_by_picture_does():
    bursts = [group for group in range(15) for _ in range(4)]
    images = replace(toy(bursts), labels=torch.arange(60) // 4 % 2)
    scene = scenes(images)
    torn = {}
    for way in (by_picture, by_scene):
        splits = way(images, 3)
        assert torch.cat(list(splits.values())).sort().values.tolist() == list(range(60))
        torn[way] = sum(len({s for s in splits if n in scene[splits[s]]}) > 1 for n in scene.unique())
        assert all(len(images.labels[rows].unique()) == 2 for rows in splits.values())
    assert torn[by_scene] == 0 and torn[by_picture] > 5
    assert not torch.equal(by_scene(images, 3)["test"], by_scene(images, 4)["test"])


def test_pictures_without_a_group_are_scenes_of_their_own():
    assert scenes(toy([-1, 0, 0, -1])).tolist() == [1, 0, 0, 4]
    assert len(scenes(toy([-1] * 5)).unique()) == 5


def test_heads_over_splits_are_those_of_fit():
    """A head for each of two splits at once equals a run of `fit` on that split."""
    images = cl.load_images("dogworld", per_class=4)
    images = replace(images, splits={"train": images.rows("train")})
    images.factors.pop("duplicate", None)
    net = cl.load("pawnet", images.classes, weights="animals")
    splits = [by_picture(images, seed) for seed in (0, 1)]
    stage = replace(HEAD_STAGE, epochs=3)
    said = watch(over_splits(net, images, splits, stage))
    alone = net.copy()
    for _ in fit(alone, replace(images, splits=splits[1]), [stage], seed=1):
        pass
    truth = cl.evaluate(alone, replace(images, splits=splits[1]), "test")
    assert torch.equal(said[1].rows, truth.rows)
    torch.testing.assert_close(said[1].scores, truth.scores, atol=1e-3, rtol=1e-3)


def test_the_middle_and_the_rim_together_are_the_picture():
    images = toy([-1] * 4, size=20)
    rim, middle = covered(images, "middle").images, covered(images, "rim").images
    assert (rim[:, :, 10, 10] == 128).all() and torch.equal(rim[:, :, 0, 0], images.images[:, :, 0, 0])
    assert torch.equal(middle[:, :, 10, 10], images.images[:, :, 10, 10]) and (middle[:, :, 0, 0] == 128).all()
    assert ((rim == 128) | (middle == 128)).all()
    assert covered(images, "middle").checksum != images.checksum


def test_falls_finds_the_place_that_counts():
    images = toy([-1] * 4, size=30)
    images.images[:] = 255

    def net(x):  # names class 0 by the upper left corner alone
        return torch.stack([x[:, 0, :9, :9].float().mean((1, 2)) / 25, torch.full((len(x),), 6.0)], 1)

    lost, named, sure = falls(net, images, 0)
    assert named == 0 and sure > 0.9
    assert divmod(int(lost.argmax()), lost.shape[1]) == (0, 0) and lost[0, 0] > 0.2 and lost[-1, -1] == 0


def test_three_pictures_in_two_classes_run_with_a_warning():
    images = replace(toy([-1, 0, 0]), splits={"train": torch.tensor([0, 1]), "test": torch.tensor([2])})
    filled = _filled(images)
    assert len(filled.notes) == 1 and "EVERY NUMBER BELOW FLATTERS" in filled.notes[0]
    assert all(set(filled.labels[filled.rows(split)].tolist()) == {0, 1} for split in ("train", "val", "test"))
    assert len(filled.labels) == len(filled.factors["duplicate"])
    assert set(filled.labels[by_scene(filled, 0)["test"]].tolist()) == {0, 1}
    enough = {"train": torch.tensor([0, 1]), "val": torch.tensor([2, 3]), "test": torch.tensor([4, 5])}
    whole = replace(toy([-1] * 6), splits=enough)
    assert _filled(whole) is whole


def test_too_many_pictures_are_thinned_by_class_and_it_is_said():
    images = replace(toy([-1] * 90), splits={"train": torch.arange(60), "val": torch.arange(60, 90)})
    thinned = _thinned(images, 30)
    assert len(thinned) == 30 and thinned.counts("train") == {"a": 10, "b": 10} and "30 of the 90" in thinned.notes[0]
    assert _thinned(images, 90) is images


def test_a_folder_becomes_a_case_and_a_burst_stands_in_one_split(folder):
    case = own_pictures(folder, "pawnet", "animals")
    images = case.images
    assert images.notes == () and images.size == 64 and len(images) == 26
    scene = scenes(images)
    assert len(scene.unique()) < 20  # bursts were found
    for n in scene.unique():
        assert sum(bool((scene[rows] == n).any()) for rows in images.splits.values()) == 1


def test_settings_out_of_range_are_refused(folder):
    for wrong in ({"size": "tiny"}, {"seeds": 0}):
        with pytest.raises(CourseError, match=r"is not known|out of range"):
            own_pictures(folder, "pawnet", "animals", **wrong)
    with pytest.raises(CourseError, match="pretrained"):
        own_pictures(folder, "pawnet", "")


def test_strangers_are_pictures_of_the_asked_size():
    found = strangers(48)
    assert len(found) == 3 and all(x.shape[1:] == (3, 48, 48) and x.dtype == torch.uint8 for x in found.values())
