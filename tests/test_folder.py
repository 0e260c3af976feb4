"""Folders of photos: three layouts, files of every kind, and what is said when they do not suffice."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.errors import CourseError
from course_lib.sources import load_images
from course_lib.sources.folder import check_folder, folder

COLOURS = {"cat": (200, 40, 40), "dog": (40, 200, 40)}
Photos = Callable[..., Path]


def save_class(place: Path, count: int, colour: tuple[int, int, int]) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        Image.new("RGB", (40, 30), (*colour[:2], colour[2] + i)).save(place / f"{i:02}.png")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes of ten one-coloured pictures, in folders of their own."""
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
    assert len(images) == 20 and images.left_out == ()


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
    return {"cut.jpg": "cut off", "empty.jpg": "0 bytes", "notes.jpg": "not an image", "cut.png": ""}


def test_files_that_cannot_be_read_are_named_with_a_reason_and_the_rest_loads(photos):
    reasons = damage(photos)
    images = folder(photos, size=16)
    found = {Path(file).name: reason for file, reason in images.left_out}
    assert found.keys() == reasons.keys()
    assert all(word in found[name] for name, word in reasons.items())
    assert len(images) == len(images.files) == 20 and images.counts("test") == {"cat": 2, "dog": 2}
    for i, file in enumerate(images.files):
        assert images.classes[images.labels[i]] == Path(file).parent.name


def test_too_few_readable_files_are_refused_with_the_number_that_was_lost(photos):
    for path in sorted((photos / "cat").iterdir())[:8]:
        path.write_bytes(b"")
    with pytest.raises(CourseError, match=r"Class cat .* has 2 images \(8 files could not be read\); at least 3"):
        folder(photos, size=16)


@pytest.mark.parametrize("layout", [("train", "test"), ("train", "val", "test")])
@pytest.mark.parametrize("place", ["train", "test"])
def test_a_split_of_damaged_files_only_is_refused(tmp_path, layout, place):
    root = with_splits(tmp_path, **dict.fromkeys(layout, 4))
    for path in (root / place).rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(CourseError, match=r"has 0 images .*could not be read"):
        folder(root, size=16)


def test_a_folder_of_damaged_files_only_is_refused(photos):
    for path in photos.rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(CourseError, match=r"Class cat .*0 images .*20 files could not be read"):
        folder(photos, size=16)


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


def few(root: Path) -> None:
    for path in sorted((root / "dog").iterdir())[2:]:
        path.unlink()


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
        (few, "Class dog in .* has 2 images; at least 3"),
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
