"""Folders of photos: layouts, splits, copies, files of every kind, and what is said when they do not suffice.

pytest tests/test_folder.py        # single files of every kind are in test_reading.py
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.errors import CourseError
from course_lib.evaluation import evaluate
from course_lib.images import ImageSet, checksum
from course_lib.models import load
from course_lib.pictures.found import NOTHING_TO_DO
from course_lib.sources import load_images
from course_lib.sources.folder import check_folder, folder
from course_lib.training.recipes import feature_extraction
from course_lib.training.stage import Stage
from course_lib.training.train import fit

COLOURS = {"cat": (200, 40, 40), "dog": (40, 200, 40)}
Photos = Callable[..., Path]


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path_factory.mktemp("cache")))


def save_class(place: Path, count: int, colour: tuple[int, int, int]) -> None:
    """Pictures with the red and green of a class, and blue spots that are each picture's own."""
    place.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(list(place.as_posix().encode()[-12:]))
    for i in range(count):
        pixels = np.full((30, 40, 3), colour, dtype=np.uint8)
        pixels[..., 2] = np.kron(draw.integers(0, 256, (3, 4)), np.ones((10, 10)))
        Image.fromarray(pixels).save(place / f"{i:02}.png")


def add_up(images: ImageSet, seen: int) -> None:
    """Every file that was seen is an image or counted in the report."""
    assert len(images.images) + sum(problem.count for problem in images.left_out) == seen
    assert len(images.files) == len(images.images) == len(images.labels)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes of ten pictures, in folders of their own."""
    for name, colour in COLOURS.items():
        save_class(tmp_path / "photos" / name, 10, colour)
    return tmp_path / "photos"


def with_splits(root: Path, **counts: int) -> Path:
    for split, count in counts.items():
        for name, colour in COLOURS.items():
            save_class(root / split / name, count, colour)
    return root


def test_class_folders_are_cut_into_three_by_class(photos):
    images = folder(photos, size=16)
    assert images.classes == ("cat", "dog") and images.images.shape == (20, 3, 16, 16) and images.name == "photos"
    assert {split: images.counts(split) for split in ("train", "val", "test")} == {
        "train": {"cat": 6, "dog": 6},
        "val": {"cat": 2, "dog": 2},
        "test": {"cat": 2, "dog": 2},
    }
    for i, file in enumerate(images.files):
        name = Path(file).parent.name
        assert images.classes[images.labels[i]] == name
        assert tuple(images.images[i, :2, 8, 8].tolist()) == COLOURS[name][:2]
    assert images.left_out == ()


@pytest.mark.parametrize("second", ["test", "val", "valid", "testing"])
def test_train_and_a_second_folder(tmp_path, second):
    images = folder(with_splits(tmp_path, train=10, **{second: 4}), size=16)
    assert images.counts("train") == {"cat": 8, "dog": 8} and images.counts("val") == {"cat": 2, "dog": 2}
    assert images.counts("test") == {"cat": 4, "dog": 4}
    place = {split: {Path(images.files[row]).parts[-3] for row in images.rows(split)} for split in images.splits}
    assert place == {"train": {"train"}, "val": {"train"}, "test": {second}}


def test_all_three_folders_are_taken_as_they_are(tmp_path):
    images = folder(with_splits(tmp_path, train=5, validation=2, Test=3), size=16)
    assert [len(images.rows(split)) for split in ("train", "val", "test")] == [10, 4, 6]
    place = {split: {Path(images.files[row]).parts[-3] for row in images.rows(split)} for split in images.splits}
    assert place == {"train": {"train"}, "val": {"validation"}, "test": {"Test"}}


def test_the_same_folder_gives_the_same_set_and_another_seed_another_split(photos):
    first, again, other = folder(photos, size=16), folder(photos, size=16), folder(photos, size=16, seed=1)
    assert first.checksum == again.checksum and first.files == again.files
    assert all(torch.equal(first.rows(split), again.rows(split)) for split in first.splits)
    assert not torch.equal(first.rows("train"), other.rows("train"))


def test_load_images_opens_folders_and_draws_subsets(photos):
    images = load_images(photos, per_class=2, size=16)
    assert images.counts("train") == {"cat": 2, "dog": 2} and images.counts("test") == {"cat": 2, "dog": 2}
    with pytest.raises(CourseError, match="does not take 'domain'"):
        load_images(photos, domain="sketch")


def test_hidden_files_and_folders_are_ignored(photos):
    (photos / ".cache").mkdir()
    (photos / "cat" / ".DS_Store").write_bytes(b"x")
    shutil.copy(photos / "cat" / "00.png", photos / "cat" / "._00.png")
    (photos / "readme.txt").write_text("a file beside the classes")
    images = folder(photos, size=16)
    assert len(images) == 20 and {problem.remedy for problem in images.left_out} - {NOTHING_TO_DO} == {
        "move it into a class folder"
    }
    add_up(images, 24)


def test_progress_ends_at_the_total(photos):
    seen = []
    folder(photos, size=16, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (20, 20)


# Files that cannot be read


def damage(photos: Path) -> dict[str, str]:
    """Four bad files beside the good ones: name -> a word of the reason."""
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(photos / "cat" / "cut.jpg")
    data = (photos / "cat" / "cut.jpg").read_bytes()
    (photos / "cat" / "cut.jpg").write_bytes(data[: len(data) // 2])
    (photos / "cat" / "empty.jpg").touch()
    (photos / "dog" / "notes.jpg").write_text("not a picture")
    png = (photos / "dog" / "00.png").read_bytes()
    (photos / "dog" / "cut.png").write_bytes(png[:60])
    return {"cat/cut.jpg": "cut off", "cat/empty.jpg": "0 bytes", "dog/notes.jpg": "not an image", "dog/cut.png": ""}


def test_files_that_cannot_be_read_are_named_with_a_reason_and_the_rest_loads(photos):
    reasons = damage(photos)
    images = folder(photos, size=16)
    found = {problem.file: problem.reason for problem in images.left_out}
    assert found.keys() == reasons.keys() and all(problem.remedy for problem in images.left_out)
    assert all(word in found[name] for name, word in reasons.items())
    assert len(images) == len(images.files) == 20 and images.counts("test") == {"cat": 2, "dog": 2}
    add_up(images, 24)
    for i, file in enumerate(images.files):
        assert images.classes[images.labels[i]] == Path(file).parent.name


@pytest.mark.parametrize("layout", [("train", "test"), ("train", "val", "test")])
@pytest.mark.parametrize("place", ["train", "test"])
def test_a_split_of_damaged_files_only_is_refused(tmp_path, layout, place):
    root = with_splits(tmp_path, **dict.fromkeys(layout, 4))
    for path in (root / place).rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(CourseError, match=r"has 0 images .*could not be read, 8 of them: the file is empty"):
        folder(root, size=16)


def test_a_class_of_damaged_files_only_is_refused(photos):
    for path in (photos / "cat").iterdir():
        path.write_bytes(b"")
    with pytest.raises(CourseError, match=r"Class cat .*0 images \(10 files could not be read"):
        folder(photos, size=16)


# Few pictures, and copies


def keep(photos: Path, **counts: int) -> Path:
    for name, count in counts.items():
        for path in sorted((photos / name).iterdir())[count:]:
            path.unlink()
    return photos


def test_three_pictures_in_two_classes_train_and_evaluate_with_a_warning(photos):
    images = folder(keep(photos, cat=2, dog=1), size=16)
    assert {split: images.counts(split) for split in images.splits} == {
        "train": {"cat": 1, "dog": 1},
        "val": {"cat": 0, "dog": 0},
        "test": {"cat": 1, "dog": 0},
    }
    assert len(images.notes) == 2
    assert "Class dog has 1 picture: it is trained on and never tested" in images.notes[0] and "val" in images.notes[1]
    assert all(note in repr(images) for note in images.notes)
    net = load("pawnet", images.classes)
    assert list(fit(net, images, feature_extraction(epochs=2), device="cpu"))[-1].step > 0
    assert evaluate(net, images).labels.tolist() == [0]
    again = ImageSet.open(images.save(photos.parent / "few.safetensors") and photos.parent / "few.safetensors")
    assert again.notes == images.notes and len(again.rows("val")) == 0
    with pytest.raises(CourseError, match="look at the val split"):
        list(fit(net, images, Stage(frozen=-1, epochs=1, keep_best=True), device="cpu"))


def test_one_picture_of_each_class_is_refused(photos):
    with pytest.raises(CourseError, match="none to test on"):
        folder(keep(photos, cat=1, dog=1), size=16)
    shutil.copy(photos / "cat" / "00.png", photos / "cat" / "copy.png")
    with pytest.raises(CourseError, match="copies of a picture count as one"):
        folder(photos, size=16)


def test_copies_stay_on_one_side(photos):
    for i in range(5):
        picture = Image.open(photos / "cat" / f"{i:02}.png").resize((80, 60), Image.Resampling.NEAREST)
        picture.save(photos / "cat" / f"{i:02} again.png")
    images = folder(photos, size=32)
    names = ["/".join(Path(file).parts[-2:]) for file in images.files]
    place = {names[row]: split for split in images.splits for row in images.rows(split).tolist()}
    groups = dict(zip(names, images.factors["duplicate"].tolist(), strict=True))
    for i in range(5):
        assert groups[f"cat/{i:02}.png"] == groups[f"cat/{i:02} again.png"] >= 0
        assert place[f"cat/{i:02}.png"] == place[f"cat/{i:02} again.png"]
    assert set(images.factors["width"].tolist()) == {40, 80} and set(images.factors["height"].tolist()) == {30, 60}
    assert sum(group >= 0 for group in groups.values()) == 10
    assert [len(images.rows(split)) for split in ("train", "val", "test")] == [15, 5, 5]


def test_of_copies_in_the_reader_s_own_folders_the_one_in_test_stays(tmp_path, monkeypatch):
    root = with_splits(tmp_path, train=6, val=3, test=3)
    shutil.copy(root / "test" / "cat" / "00.png", root / "train" / "cat" / "leak.png")
    shutil.copy(root / "test" / "cat" / "00.png", root / "val" / "dog" / "leak.png")
    shutil.copy(root / "val" / "dog" / "01.png", root / "train" / "dog" / "leak.png")
    images = folder(root, size=32)
    assert [len(images.rows(split)) for split in ("train", "val", "test")] == [12, 6, 6]
    problems = {problem.file: problem.reason for problem in images.left_out}
    assert problems.keys() == {"train/cat/leak.png", "val/dog/leak.png", "train/dog/leak.png"}
    assert problems["train/cat/leak.png"] == "the same picture is in another split"
    assert "another class, cat" in problems["val/dog/leak.png"]
    assert (images.factors["duplicate"] == -1).all()
    add_up(images, 27)
    monkeypatch.setattr("course_lib.pictures.decoding._read", lambda *args: pytest.fail("decoded again"))
    assert images.checksum == folder(root, size=32).checksum == checksum(images.images)


def test_a_table_and_a_zip_give_what_the_folder_gives(photos, tmp_path):
    first = folder(photos, size=16)
    zipped = folder(shutil.make_archive(str(tmp_path / "zipped"), "zip", photos), size=16)
    assert zipped.name == "zipped" and zipped.checksum == first.checksum
    flat = tmp_path / "flat"
    flat.mkdir()
    lines = ["file,label"]
    for path in sorted(photos.rglob("*.png")):
        name = f"{path.parent.name} {path.name}"
        shutil.copy(path, flat / name)
        lines.append(f"{name},{path.parent.name}")
    (flat / "labels.csv").write_text("\n".join([*lines, "missing.png,cat"]))
    images = load_images(flat, size=16, table=flat / "labels.csv")
    assert torch.equal(images.labels, first.labels) and images.checksum == first.checksum
    assert all(torch.equal(images.rows(split), first.rows(split)) for split in first.splits)
    assert [problem.file for problem in images.left_out] == ["labels.csv, line 22"]


# Folders that do not fit


def no_folder(root: Path) -> None:
    shutil.rmtree(root)


def a_file(root: Path) -> None:
    shutil.rmtree(root)
    root.write_text("x")


def empty(root: Path) -> None:
    shutil.rmtree(root)
    root.mkdir()


def empty_classes(root: Path) -> None:
    for path in root.rglob("*.png"):
        path.unlink()


def one_empty_class(root: Path) -> None:
    (root / "zebra").mkdir()


def no_class_folders(root: Path) -> None:
    empty(root)
    Image.new("RGB", (20, 20)).save(root / "a.png")


def one_class(root: Path) -> None:
    shutil.rmtree(root / "cat")


def train_alone(root: Path) -> None:
    empty(root)
    with_splits(root, train=4)


def a_class_missing_in_test(root: Path) -> None:
    empty(root)
    with_splits(root, train=4, test=2)
    shutil.rmtree(root / "test" / "dog")


def a_class_missing_in_train(root: Path) -> None:
    empty(root)
    with_splits(root, train=4, test=2)
    save_class(root / "test" / "wolf", 2, (1, 1, 1))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (no_folder, "does not exist"),
        (a_file, "is a file"),
        (empty, "holds no images"),
        (empty_classes, "holds no images"),
        (one_empty_class, "Class zebra in .* has 0 images"),
        (no_class_folders, "holds no images"),
        (one_class, "one class, dog"),
        (train_alone, "train/ and no val/ or test/"),
        (a_class_missing_in_test, "test/ has no images of dog"),
        (a_class_missing_in_train, "train/ has no images of wolf"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
@pytest.mark.parametrize("look", [folder, check_folder])
def test_a_folder_that_does_not_fit_is_refused(photos, change, words, look):
    change(photos)
    with pytest.raises(CourseError, match=words) as refusal:
        look(photos)
    assert str(photos) in str(refusal.value)


@pytest.mark.parametrize("size", [15, 2000])
def test_a_size_out_of_range_is_refused(photos, size):
    with pytest.raises(CourseError, match=rf"size={size}.*16 to 1024"):
        folder(photos, size=size)


# Kinds of pictures


def read_one(photos: Path, picture: Image.Image, name: str, **options: object) -> torch.Tensor:
    """The pixels 3,32,32 that a picture becomes."""
    picture.save(photos / "cat" / name, **options)
    images = folder(photos, size=32)
    assert images.left_out == ()
    return images.images[[Path(file).name for file in images.files].index(name)]


def test_transparent_pixels_become_white(photos):
    picture = Image.new("RGBA", (40, 40), (255, 0, 0, 0))
    picture.paste((255, 0, 0, 255), (0, 0, 20, 40))
    pixels = read_one(photos, picture, "alpha.png")
    assert pixels[:, 16, 5].tolist() == [255, 0, 0] and pixels[:, 16, 27].tolist() == [255, 255, 255]


def test_a_transparent_colour_of_a_palette_becomes_white(photos):
    picture = Image.new("P", (40, 40), 1)
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.paste(0, (0, 0, 20, 40))
    pixels = read_one(photos, picture, "palette.png", transparency=1)
    assert pixels[:, 16, 5].tolist() == [255, 0, 0] and pixels[:, 16, 27].tolist() == [255, 255, 255]


def test_a_palette_becomes_its_colours(photos):
    picture = Image.new("P", (40, 40), 1)
    picture.putpalette([255, 0, 0, 10, 20, 250])
    assert read_one(photos, picture, "palette.gif")[:, 16, 16].tolist() == [10, 20, 250]


def test_grey_becomes_three_equal_channels(photos):
    assert read_one(photos, Image.new("L", (40, 40), 77), "grey.png")[:, 16, 16].tolist() == [77, 77, 77]


def test_cmyk_becomes_rgb(photos):
    pixels = read_one(photos, Image.new("CMYK", (64, 64), (0, 255, 255, 0)), "print.jpg", quality=95)
    red, green, blue = pixels[:, 16, 16].tolist()
    assert red > 240 and green < 15 and blue < 15


def test_the_camera_s_rotation_is_undone(photos):
    picture = Image.new("RGB", (64, 64), (0, 0, 0))
    picture.paste((255, 255, 255), (0, 0, 64, 32))  # white above
    exif = Image.Exif()
    exif[274] = 6  # the camera was held upright: turn clockwise to see it, so the white half goes to the right
    pixels = read_one(photos, picture, "turned.jpg", exif=exif, quality=95)
    assert pixels[:, 16, 28].min() > 240 and pixels[:, 16, 3].max() < 15


def test_pictures_are_cut_square_around_the_centre(photos):
    picture = Image.new("RGB", (120, 40), (255, 0, 0))
    picture.paste((0, 0, 255), (40, 0, 80, 40))
    pixels = read_one(photos, picture, "wide.png")
    assert pixels[2, :, 2:30].min() == 255 and pixels[0, :, 2:30].max() == 0
