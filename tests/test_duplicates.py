"""Near-duplicates: copies are found however they were changed, different pictures are not.

pytest tests/test_duplicates.py
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from course_lib.pictures import duplicates
from course_lib.pictures.duplicates import near_duplicates
from course_lib.sources import load_images

DOGS = Path(__file__).parents[2] / "shared" / "data" / "dogs"
MNIST = DOGS.parent / "digits" / "mnist.npz"
SIZE = 96


def photo(seed: int) -> Image.Image:
    """A scene of light, shapes and fine grain: what photos share, and nothing else that two of them share."""
    draw = np.random.default_rng(seed)
    scene = np.zeros((150, 200, 3))
    for side in (3, 6, 12, 25, 50):
        scene += np.stack([_noise(draw, side, 150, 200) for _ in range(3)], 2) / np.sqrt(side)
    scene = (scene - scene.min()) / np.ptp(scene)
    return Image.fromarray((scene * 255).astype(np.uint8))


def _noise(draw: np.random.Generator, side: int, height: int, width: int) -> np.ndarray:
    small = Image.fromarray(draw.standard_normal((side, side)).astype(np.float32))
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


def jpeg(picture: Image.Image, quality: int = 80) -> Image.Image:
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def crop(picture: Image.Image, left: float, upper: float, right: float, lower: float) -> Image.Image:
    """Without these shares of its sides."""
    width, height = picture.size
    return picture.crop(
        (round(left * width), round(upper * height), round((1 - right) * width), round((1 - lower) * height))
    )


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "the same pixels": lambda p: p,
    "recompressed": lambda p: jpeg(p, 25),
    "resized": lambda p: jpeg(p.resize((p.width * 3 // 5, p.height * 3 // 5))),
    "cropped": lambda p: jpeg(crop(p, 0.05, 0.04, 0.03, 0.05)),
    "mirrored": lambda p: jpeg(ImageOps.mirror(p)),
    "mirrored and cropped": lambda p: jpeg(ImageOps.mirror(crop(p, 0.02, 0.05, 0.05, 0.03))),
    "brighter": lambda p: jpeg(ImageEnhance.Brightness(p).enhance(1.3)),
    "darker": lambda p: jpeg(ImageEnhance.Brightness(p).enhance(0.6)),
    "greyer": lambda p: jpeg(ImageEnhance.Color(p).enhance(0.0)),
}


def stack(pictures: list[Image.Image]) -> torch.Tensor:
    squares = [np.array(ImageOps.fit(p.convert("RGB"), (SIZE, SIZE), Image.Resampling.BILINEAR)) for p in pictures]
    return torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).contiguous()


@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_are_found_and_different_pictures_are_not(change):
    photos = [photo(seed) for seed in range(12)]
    groups = near_duplicates(stack([*photos, *(CHANGES[change](each) for each in photos[:6])]))
    assert groups.tolist() == [0, 1, 2, 3, 4, 5, -1, -1, -1, -1, -1, -1, 0, 1, 2, 3, 4, 5]


def test_a_group_holds_all_copies_and_parts_give_what_the_whole_gives():
    photos = [photo(seed) for seed in range(4)]
    images = stack([photos[2], *photos, *(change(photos[2]) for change in CHANGES.values())])
    groups = near_duplicates(images)
    assert groups.tolist() == [0, -1, -1, 0, -1] + [0] * len(CHANGES)
    assert near_duplicates(iter(images.split(3))).tolist() == groups.tolist()


def test_more_pictures_than_a_block_are_compared_with_each_other(monkeypatch):
    monkeypatch.setattr(duplicates, "BLOCK", 4)
    photos = [photo(seed) for seed in range(9)]
    groups = near_duplicates(stack([*photos, jpeg(photos[0]), CHANGES["mirrored"](photos[8])]))
    assert groups.tolist() == [0, *[-1] * 7, 1, 0, 1]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_pictures(count):
    assert near_duplicates(stack([photo(i) for i in range(2)])[:count]).tolist() == [-1] * count


def test_blank_pictures_are_copies_only_where_all_pixels_are_the_same():
    images = torch.full((4, 3, 32, 32), 200, dtype=torch.uint8)
    images[1] += 1
    images[3, :, 5, 5] = 0
    assert near_duplicates(images).tolist() == [0, -1, 0, -1]


@pytest.mark.parametrize("domain", ["photo", "sketch"])
def test_drawn_pictures_of_one_style_are_no_copies(domain):
    assert (near_duplicates(load_images("dogworld", domain=domain).images[:500]) >= 0).sum() <= 2


@pytest.mark.skipif(not MNIST.is_file(), reason="needs ../shared/data/digits")
def test_written_digits_are_alike_and_no_copies():
    with np.load(MNIST) as file:
        digits = torch.from_numpy(file["train_images"][:600])[:, None].expand(-1, 3, -1, -1).contiguous()
    assert (near_duplicates(digits) >= 0).sum() <= 2
    assert (near_duplicates(torch.cat([digits, digits[:20] // 2])) >= 0).sum() >= 40


@pytest.mark.skipif(not DOGS.is_dir(), reason="needs ../shared/data/dogs")
def test_of_real_photos_the_known_copies_are_found_and_generated_ones_join_them():
    files = sorted(DOGS.glob("train/beagle/*.jpg"))[:150] + sorted(DOGS.glob("*/English_foxhound/*.jpg"))[:160]
    photos = [Image.open(path).convert("RGB") for path in files]
    made = [change(photos[3 * i + 1]) for i, change in enumerate(CHANGES.values())]
    groups = near_duplicates(stack([*photos, *made]))
    for i in range(len(made)):
        assert groups[len(photos) + i] == groups[3 * i + 1] >= 0
    known = ("n02089973_1303.jpg", "n02089973_846.jpg")  # one photo in two sizes
    rows = [i for i, path in enumerate(files) if path.name in known]
    assert len(rows) == 2 and groups[rows[0]] == groups[rows[1]] >= 0
    alone = set(range(len(photos))) - set(rows) - {3 * i + 1 for i in range(len(made))}
    assert all(groups[i] == -1 for i in alone)
