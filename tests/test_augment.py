"""Augment: view 0 is the clean image, each image has draws of its own, and every knob does what it says."""

from __future__ import annotations

import math

import pytest
import torch
from toys import toy_images

from course_lib.augment import COLUMNS, Augment
from course_lib.errors import CourseError

STILL = {"flip": False, "shift": 0, "scale": 0, "rotate": 0, "brightness": 0, "contrast": 0}
FLIP, DX, DY, SCALE, ANGLE, BRIGHTNESS, CONTRAST = range(COLUMNS)


def draws(**columns: float) -> torch.Tensor:
    """One row of draws: zero but for the named columns."""
    row = torch.zeros(1, COLUMNS)
    for name, value in columns.items():
        row[0, globals()[name]] = value
    return row


@pytest.fixture(scope="module")
def image() -> torch.Tensor:
    """One image of 40 px, N = 1."""
    return toy_images(size=40).images[:1]


def test_view_0_is_the_clean_image():
    toys, augment = toy_images(size=16), Augment()
    clean = augment(toys.images, augment.draw(len(toys), view=0, seed=5))
    assert torch.equal(clean, toys.images.float() / 255)


def test_other_views_differ_from_the_image_and_from_each_other():
    toys, augment = toy_images(size=16), Augment()
    first, again, second, other_seed = (
        augment(toys.images, augment.draw(len(toys), view, seed)) for view, seed in ((1, 0), (1, 0), (2, 0), (1, 1))
    )
    assert torch.equal(first, again)
    for changed in (second, other_seed, toys.images.float() / 255):
        assert not any(torch.equal(a, b) for a, b in zip(first, changed, strict=True))


@pytest.mark.parametrize("size", [1, 2, 3, 8, 13])
def test_what_happens_to_an_image_does_not_depend_on_its_batch(size):
    toys, augment = toy_images(train=20, size=32), Augment(rotate=30)
    table = augment.draw(len(toys.images), view=1, seed=0)
    together = augment(toys.images, table)
    rows = torch.arange(size) + 4
    assert torch.equal(augment(toys.images[rows], table[rows]), together[rows])


def test_values_stay_within_0_and_1_and_draws_within_their_range():
    toys, augment = toy_images(size=16), Augment(brightness=0.9, contrast=0.9)
    table = augment.draw(1000, view=1, seed=0)
    assert table.shape == (1000, COLUMNS) and -1 <= table.min() < -0.9 and 0.9 < table.max() <= 1
    assert 0.4 < (table[:, FLIP] > 0).float().mean() < 0.6, "half of the images are mirrored"
    x = augment(toys.images, table[: len(toys.images)])
    assert x.min() >= 0 and x.max() <= 1


def test_all_knobs_at_zero_change_nothing(image):
    torch.testing.assert_close(Augment(**STILL)(image, torch.ones(1, COLUMNS)), image.float() / 255, atol=1e-5, rtol=0)


def test_a_pure_flip_mirrors_left_and_right(image):
    flipped = Augment(**{**STILL, "flip": True})(image, draws(FLIP=0.5, BRIGHTNESS=1))
    torch.testing.assert_close(flipped, image.flip(3).float() / 255, atol=1e-5, rtol=0)
    kept = Augment(**{**STILL, "flip": True})(image, draws(FLIP=-0.5, BRIGHTNESS=1))
    torch.testing.assert_close(kept, image.float() / 255, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("column", "axis"), [("DX", 3), ("DY", 2)])
@pytest.mark.parametrize("flip", [-1, 1])
def test_a_pure_shift_moves_the_window_by_its_share_of_the_side(image, column, axis, flip):
    """A shift of +0.1 of 40 px looks 4 px further right (down), mirrored or not."""
    shifted = Augment(**{**STILL, "shift": 0.1, "flip": True})(image, draws(**{column: 1.0, "FLIP": flip}))
    moved = (image.float() / 255).roll(-4, axis)
    moved = moved.flip(3) if flip > 0 else moved
    inner = slice(5, 35)
    torch.testing.assert_close(shifted[..., inner, inner], moved[..., inner, inner], atol=1e-4, rtol=0)


def test_a_quarter_turn_equals_rot90(image):
    turned = Augment(**{**STILL, "rotate": 90})(image, draws(ANGLE=1.0))
    x = image.float() / 255
    assert any(torch.allclose(turned, x.rot90(k, (2, 3)), atol=1e-3) for k in (1, 3)), (
        "a quarter turn one way or the other"
    )


def test_scale_enlarges_a_square():
    square = torch.zeros(1, 3, 41, 41, dtype=torch.uint8)
    square[..., 16:25, 16:25] = 255
    augment = Augment(**{**STILL, "scale": 0.5})
    for draw, side in ((-1.0, 4.5), (0.5, 11.25), (1.0, 13.5)):
        changed = augment(square, draws(SCALE=draw))
        row = changed[0, 0, 20, 10:31]  # around the centre: outside, the picture is reflected
        assert float(row.sum()) == pytest.approx(side, abs=0.6)


def test_brightness_is_a_factor_and_contrast_keeps_the_mean():
    grey = torch.full((1, 3, 8, 8), 100, dtype=torch.uint8)
    bright = Augment(**{**STILL, "brightness": 0.5})(grey, draws(BRIGHTNESS=1.0))
    assert bright.mean().item() == pytest.approx(100 / 255 * 1.5, abs=1e-5)
    two = grey.clone()
    two[..., :4] = 120
    flat = Augment(**{**STILL, "contrast": 0.5})(two, draws(CONTRAST=-1.0))
    assert flat.mean().item() == pytest.approx(110 / 255, abs=1e-5)
    assert (flat.max() - flat.min()).item() == pytest.approx(10 / 255, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "value"),
    [("shift", 0.6), ("shift", -0.1), ("scale", 1.0), ("rotate", 181), ("brightness", 1), ("contrast", -1),
     ("rotate", math.nan)],
)  # fmt: skip
def test_a_value_out_of_range_is_refused(name, value):
    with pytest.raises(CourseError, match=rf"{name}={value}.*allowed are 0 to"):
        Augment(**{name: value})
