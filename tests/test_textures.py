"""Grounds and coats without an animal: 36 classes, drawn by chance from a seed and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from course_lib.errors import CourseError
from course_lib.images import ImageSet
from course_lib.sources import load_images
from course_lib.sources.dogworld.breeds import COATS
from course_lib.sources.dogworld.scenes import SCENES
from course_lib.sources.textures import RANGES, textures


@pytest.fixture(scope="module")
def few() -> ImageSet:
    return textures(per_class=10)


def test_there_are_six_grounds_and_five_coats_in_six_pairs_of_colours(few):
    assert few.images.shape == (360, 3, 64, 64) and few.images.dtype == torch.uint8
    assert len(few.classes) == 36 and len(set(few.classes)) == 36
    assert [name for name in few.classes if name.startswith("ground")] == [f"ground, {name}" for name in SCENES]
    for coat in COATS:
        assert sum(name.startswith(coat) for name in few.classes) == 6


def test_every_class_gives_every_split_its_share(few):
    for split, count in (("train", 8), ("val", 1), ("test", 1)):
        assert set(few.counts(split).values()) == {count}
    assert len(few) == 360


def test_the_same_seed_draws_the_same_images_and_another_seed_others(few):
    assert textures(per_class=10).checksum == few.checksum
    assert not torch.equal(textures(per_class=3, seed=1).images, textures(per_class=3).images)


def test_an_image_does_not_depend_on_how_many_are_asked_for(few):
    fewer = textures(per_class=3)
    kept = torch.cat([torch.arange(3) + 10 * label for label in range(36)])
    assert torch.equal(fewer.images, few.images[kept])


def test_it_does_not_depend_on_the_number_of_threads(few):
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3 if threads != 3 else 2)
        assert textures(per_class=10).checksum == few.checksum
    finally:
        torch.set_num_threads(threads)


def test_the_factors_say_what_was_drawn(few):
    assert all(len(values) == 360 for values in few.factors.values())
    assert few.factors["texture"].tolist() == [few.classes[label] for label in few.labels]
    ground = few.factors["ground"] != ""
    assert ground.sum() == 60 and set(few.factors["coat"][ground]) == {""} and "" not in few.factors["coat"][~ground]
    for name, (least, most) in RANGES.items():
        assert least <= few.factors[name].min() < few.factors[name].max() <= most
    # Light is one of the factors that must show in the pixels.
    brightness = few.images.float().mean((1, 2, 3)).numpy()
    winter = few.factors["ground"] == "street"
    assert np.corrcoef(brightness[winter], few.factors["light"][winter])[0, 1] > 0.5


def test_colours_and_patterns_are_what_the_class_says(few):
    def mean(name: str) -> torch.Tensor:
        return few.images[few.labels == few.classes.index(name)].float().mean((0, 2, 3))

    red, green, blue = mean("ground, meadow")
    assert green > red > blue
    assert mean("solid black").max() < 80 < 150 < mean("solid white").min()
    # Two colours spread further than one: a pattern is there, and it is not only noise.
    spread = few.images.float().mean(1).std((1, 2))
    striped, plain = (
        spread[few.labels == few.classes.index(name)] for name in ("brindle, grey on white", "solid white")
    )
    assert striped.mean() > 1.5 * plain.mean()


@pytest.mark.parametrize("size", [32, 128])
def test_other_sizes(size):
    assert textures(per_class=3, size=size).images.shape == (108, 3, size, size)


def test_progress_is_told_to_the_end():
    told: list[tuple[int, int]] = []
    textures(per_class=3, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (108, 108) and len(told) > 1


def test_load_images_finds_it_and_hands_options_on():
    images = load_images("textures", per_class=2, size=32)
    assert set(images.counts("train").values()) == {2} and images.size == 32


@pytest.mark.parametrize(
    "options, said",
    [
        ({"seed": -1}, "seed=-1"),
        ({"per_class": 2}, "per_class=2"),
        ({"per_class": 2.5}, "per_class=2.5"),
        ({"size": 65}, "size=65"),
    ],
)
def test_what_has_no_meaning_is_refused(options, said):
    with pytest.raises(CourseError, match=said):
        textures(**options)


def test_an_unknown_option_is_refused_by_its_name():
    with pytest.raises(CourseError, match="textures does not take 'domain'"):
        load_images("textures", domain="night")
