"""Digits in two domains: the printed ones drawn here, the handwritten ones from scikit-learn where it is installed."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from course_lib.errors import CourseError
from course_lib.images import ImageSet
from course_lib.sources import digits as package
from course_lib.sources import load_images
from course_lib.sources.digits import CLASSES, FONTS, GLYPH, RANGES, digits, glyphs

with_sklearn = pytest.mark.skipif(not importlib.util.find_spec("sklearn"), reason="scikit-learn is not installed")


@pytest.fixture(scope="module")
def printed() -> ImageSet:
    return digits(per_class=30)


def ink(image: torch.Tensor) -> torch.Tensor:
    """How much darker than the paper each pixel is, uint8 3,S,S -> float S,S; 0 for paper and its noise."""
    grey = image.float().mean(0)
    darker = grey.median() - grey
    return darker * (darker > 30)


def test_printed_digits_have_ten_balanced_classes_and_three_splits(printed):
    assert printed.images.shape == (300, 3, 64, 64) and printed.images.dtype == torch.uint8
    assert printed.classes == CLASSES == tuple("0123456789")
    for split, count in (("train", 24), ("val", 3), ("test", 3)):
        assert set(printed.counts(split).values()) == {count}
    assert printed.factors["digit"].tolist() == [CLASSES[label] for label in printed.labels]


def test_the_same_seed_prints_the_same_images_and_another_seed_others(printed):
    assert digits(per_class=30).checksum == printed.checksum
    fewer = digits(per_class=5)
    kept = torch.cat([torch.arange(5) + 30 * label for label in range(10)])
    assert torch.equal(fewer.images, printed.images[kept])
    assert not torch.equal(digits(per_class=5, seed=1).images, fewer.images)


def test_every_digit_of_every_font_is_a_shape_of_its_own_inside_its_picture():
    found = glyphs()
    assert found.shape == (len(FONTS), 10, GLYPH, GLYPH)
    border = torch.cat([found[:, :, [0, -1]].flatten(2), found[:, :, :, [0, -1]].flatten(2)], 2)
    assert border.max() == 0 and found.amax((2, 3)).min() > 0.9
    assert len(found.flatten(0, 1).flatten(1).unique(dim=0)) == len(FONTS) * 10
    heights = (found.amax(3) > 0.5).sum(2)
    assert (heights.amax(1) - 0.75 * GLYPH).abs().max() <= 2  # a font's tallest digit
    rows, columns = (found * torch.arange(float(GLYPH)).view(shape) for shape in ((-1, 1), (-1,)))
    for coordinate in (rows, columns):
        middle = coordinate.sum((2, 3)) / found.sum((2, 3))
        assert (middle - GLYPH / 2).abs().max() < 0.15 * GLYPH


def test_the_factors_say_what_was_printed(printed):
    assert set(printed.factors["font"]) <= set(FONTS) and len(set(printed.factors["font"])) > 15
    for name, (least, most) in RANGES.items():
        assert least <= printed.factors[name].min() < printed.factors[name].max() <= most
    dark = torch.stack([ink(image) for image in printed.images])
    mass = dark.sum((1, 2))
    steps = (torch.arange(64) + 0.5) / 32 - 1
    across, down = (dark.sum(1) * steps).sum(1) / mass, (dark.sum(2) * steps).sum(1) / mass
    # The ink of a 4 or a 7 does not lie around the middle of its outline, so this is not exact.
    assert np.corrcoef(across, printed.factors["position_x"])[0, 1] > 0.7
    assert np.corrcoef(down, printed.factors["position_y"])[0, 1] > 0.5
    contrast = printed.factors["paper"] - printed.factors["ink"]
    assert np.corrcoef(dark.amax((1, 2)), contrast)[0, 1] > 0.6


def draw(**chosen: float) -> torch.Tensor:
    """The ink of a `1` without noise, with these factors and plain values for all others."""
    plain = {name: 0.0 for name in RANGES} | {"height": 0.7, "narrow": 1.0, "ink": 0.1, "paper": 0.9}
    f = {name: torch.tensor([value]) for name, value in (plain | chosen).items()}
    glyph = glyphs()[FONTS.index("DejaVuSans"), 1][None]
    return ink(package._print(glyph, f, [(0, 0, 0, 0)], 64)[0])


def lean(picture: torch.Tensor) -> float:
    """How far the upper half of the ink lies to the right of the lower half, in pixels."""
    upper, lower = picture[:32].sum(0), picture[32:].sum(0)
    steps = torch.arange(64.0)
    return float((upper * steps).sum() / upper.sum() - (lower * steps).sum() / lower.sum())


def test_rotation_and_slant_lean_a_digit_to_the_right_when_positive():
    upright = lean(draw())
    assert lean(draw(rotation=12.0)) > upright + 2 and lean(draw(rotation=-12.0)) < upright - 2
    assert lean(draw(slant=0.2)) > upright + 2 and lean(draw(slant=-0.2)) < upright - 2


def test_height_and_weight_do_what_they_say():
    def tall(picture: torch.Tensor) -> int:
        return int((picture.amax(1) > 60).sum())

    assert abs(tall(draw(height=0.7)) - 0.7 * 64) <= 2 and abs(tall(draw(height=0.9)) - 0.9 * 64) <= 2
    assert draw(weight=0.3).sum() > 1.1 * draw().sum() > 1.2 * draw(weight=-0.2).sum()


@pytest.mark.parametrize("size", [32, 128])
def test_other_sizes(size):
    assert digits(per_class=3, size=size).images.shape == (30, 3, size, size)


def test_load_images_finds_it_and_hands_options_on():
    images = load_images("digits", per_class=4, size=32)
    assert set(images.counts("train").values()) == {4} and images.size == 32 and len(images.rows("test")) == 500


@pytest.mark.parametrize(
    "options, said",
    [
        ({"domain": "painted"}, "domain='painted'; allowed are printed, handwritten"),
        ({"domain": "handwritten", "per_class": 10}, "per_class=10 with domain='handwritten'"),
        ({"seed": -1}, "seed=-1"),
        ({"per_class": 2}, "per_class=2"),
        ({"size": 8}, "size=8"),
    ],
)
def test_what_has_no_meaning_is_refused(options, said):
    with pytest.raises(CourseError, match=said):
        digits(**options)


def test_a_font_that_is_not_there_is_named(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(package.matplotlib, "get_data_path", lambda: str(tmp_path))
    glyphs.cache_clear()
    with pytest.raises(CourseError, match="no font DejaVuSans, which"):
        digits(per_class=3)


def test_without_scikit_learn_one_sentence_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)  # as if it were not installed
    with pytest.raises(CourseError, match="`pip install scikit-learn`"):
        load_images("digits", domain="handwritten")


@with_sklearn
def test_handwritten_digits_are_the_1797_of_scikit_learn_dark_on_white(printed):
    from sklearn.datasets import load_digits

    written = load_images("digits", domain="handwritten")
    table = load_digits()
    assert written.images.shape == (1797, 3, 64, 64) and written.classes == printed.classes
    assert written.labels.tolist() == table.target.tolist() and len(written) == 1797
    assert (written.images[:, :, 0] > 250).float().mean() > 0.95  # paper around
    # Seen in 10 x 10 squares, every picture is its 8 x 8 scan with a border.
    seen = torch.nn.functional.adaptive_avg_pool2d(255.0 - written.images[:, :1].float(), 10)[:, 0, 1:9, 1:9]
    same = np.corrcoef(seen.flatten(1), table.images.reshape(1797, -1))
    assert np.diag(same[:1797, 1797:]).min() > 0.9


@with_sklearn
def test_handwritten_digits_have_their_own_shares_and_seeds():
    written = digits("handwritten")
    assert [len(written.rows(split)) for split in ("train", "val", "test")] == pytest.approx([898, 270, 629], abs=6)
    other = digits("handwritten", seed=1)
    assert other.checksum == written.checksum and not torch.equal(other.rows("test"), written.rows("test"))
    assert len(replace(written).factors["number"]) == 1797
