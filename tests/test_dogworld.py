"""dogworld: the same on every machine, domains and tasks apart from each other, and no class given away by a colour."""

from __future__ import annotations

import hashlib
import itertools
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import course_lib.sources.dogworld as package
from course_lib.errors import CourseError
from course_lib.images import ImageSet
from course_lib.sources.dogworld import DOMAINS, TASKS, breeds, dogworld
from course_lib.sources.dogworld.breeds import COATS, EARS, distance
from course_lib.sources.dogworld.factors import POSES, draw_factors, image_streams
from course_lib.sources.dogworld.randomness import double, fractal, lattice_sizes, octets, uniforms
from course_lib.sources.dogworld.scenes import SCENES
from course_lib.sources.dogworld.store import file_of

# Recorded on Linux x86-64. The factors must agree everywhere. The pixels should too (they are made by + - * / and the
# square root only), but that is asserted only for the kind of machine it was seen on; elsewhere the means must agree.
GOLDEN_FACTORS = "eec1ea3162fd22c118df79910fcf83894bbc9d378bab86431bd6fe2f3b402689"
GOLDEN_PIXELS = "b3ca02e13caeba690770a32edb230f49adc43e7e89ab31e35d9e6c2d22aa488f"
GOLDEN_MEANS = {  # mean red, green and blue, 0 to 255
    "photo": [123.87, 119.85, 104.31],
    "sketch": [208.56, 206.04, 198.04],
    "night": [50.26, 50.37, 57.67],
    "thermal": [63.54, 18.14, 116.84],
    "snow": [172.66, 176.17, 175.99],
    "camera": [94.04, 100.79, 76.98],
}
RECORDED_ON = ("Linux", "x86_64")


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of these tests' own."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def few() -> ImageSet:
    return dogworld(per_class=4)


@pytest.fixture(scope="module")
def target() -> ImageSet:
    return dogworld()


def digest(factors: dict[str, np.ndarray]) -> str:
    """SHA-256 over names and values; numbers as text with four decimals, so no byte order or padding counts."""
    lines = [
        f"{name} {' '.join(f'{v:.4f}' if factors[name].dtype.kind == 'f' else str(v) for v in factors[name].tolist())}"
        for name in sorted(factors)
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def same_factors(a: ImageSet, b: ImageSet) -> bool:
    return a.factors.keys() == b.factors.keys() and all((a.factors[k] == b.factors[k]).all() for k in a.factors)


# --- the same everywhere ---------------------------------------------------------------------------------------------


def test_uniforms_are_the_raw_bits_of_pcg64():
    assert uniforms(3, (1, 2)).round(12).tolist() == [0.448415143332, 0.430881987544, 0.419999129392]


def test_factors_are_golden():
    table = {f"{which} {k}": v for which in ("source", "target") for k, v in draw_factors(which, 5, 4, 7).items()}
    assert digest(table) == GOLDEN_FACTORS


def test_pixels_are_golden():
    for domain, mean in GOLDEN_MEANS.items():
        drawn = dogworld(per_class=3, cats=3, seed=7, domain=domain)
        assert drawn.images.double().mean((0, 2, 3)).tolist() == pytest.approx(mean, abs=0.05), domain
        if domain == "photo" and (platform.system(), platform.machine()) == RECORDED_ON:
            assert drawn.checksum == GOLDEN_PIXELS


def test_pixels_do_not_depend_on_threads_or_chunks(few: ImageSet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    monkeypatch.setattr(package, "CHUNK", 3 * 64 * 64)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert dogworld(per_class=4).checksum == few.checksum
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.skipif((platform.system(), platform.machine()) != RECORDED_ON, reason="the switches are x86's")
def test_pixels_do_not_depend_on_the_instructions_of_the_processor(tmp_path: Path):
    """With vector instructions switched off, PyTorch takes other code for the same arithmetic."""
    code = "from course_lib.sources.dogworld import dogworld; print(dogworld(per_class=3, cats=3, seed=7).checksum)"
    plain = {"ATEN_CPU_CAPABILITY": "default", "COURSE_CACHE": str(tmp_path), "OMP_NUM_THREADS": "1"}
    root = Path(package.__file__).parents[3]
    ran = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **plain}, cwd=root, capture_output=True, text=True
    )
    assert ran.stdout.strip() == GOLDEN_PIXELS, ran.stderr


def test_an_image_does_not_depend_on_the_others(few: ImageSet):
    more = dogworld(per_class=6)
    rows = [breed * 6 + number for breed in range(10) for number in range(4)]
    assert torch.equal(more.images[rows], few.images)
    assert all((more.factors[name][rows] == few.factors[name]).all() for name in few.factors)


def test_another_seed_is_another_set(few: ImageSet):
    other = dogworld(per_class=4, seed=1)
    assert other.checksum != few.checksum
    assert (other.factors["pose"] != few.factors["pose"]).any()
    assert (other.factors["breed"] == few.factors["breed"]).all()


# --- domains change the pixels, tasks the labels, cats neither --------------------------------------------------------


@pytest.mark.parametrize("domain", [name for name in DOMAINS if name != "photo"])
def test_a_domain_changes_the_pixels_only(few: ImageSet, domain: str):
    seen = dogworld(per_class=4, domain=domain)
    assert seen.checksum != few.checksum
    assert (seen.images.float() - few.images.float()).abs().mean() > 8
    assert same_factors(seen, few) and torch.equal(seen.labels, few.labels)
    assert all(torch.equal(seen.splits[name], few.splits[name]) for name in few.splits)


@pytest.mark.parametrize("task", [name for name in TASKS if name != "breed"])
def test_a_task_changes_the_labels_only(task: str):
    breed, other = (dogworld(per_class=4, cats=4, task=name) for name in ("breed", task))
    assert other.checksum == breed.checksum and same_factors(other, breed)
    assert other.classes != breed.classes
    assert [other.classes[label] for label in other.labels.tolist()] == other.factors[task].tolist()
    assert all(torch.equal(other.splits[name], breed.splits[name]) for name in breed.splits)


def test_cats_change_no_dog(few: ImageSet):
    both = dogworld(per_class=4, cats=5)
    assert len(both.images) == 45 and both.classes == (*few.classes, "cat")
    assert torch.equal(both.images[:40], few.images)
    assert (both.factors["species"] == "cat").nonzero()[0].tolist() == list(range(40, 45))
    for name, rows in few.splits.items():
        assert torch.equal(both.splits[name][both.splits[name] < 40], rows)


def test_facing_is_a_mirror_and_breeds_do_not_depend_on_it(target: ImageSet):
    left = target.factors["facing"] == "left"
    share = [left[target.factors["breed"] == breed].mean() for breed in target.classes]
    assert 0.35 < min(share) and max(share) < 0.65


# --- what a set holds -------------------------------------------------------------------------------------------------


def test_target_has_ten_breeds_and_splits_of_100_30_70(target: ImageSet):
    assert target.images.shape == (2000, 3, 64, 64) and target.name == "dogworld target"
    for name, count in (("train", 100), ("val", 30), ("test", 70)):
        assert set(target.counts(name).values()) == {count}
    assert len(target) == 2000


def test_source_has_forty_other_breeds(target: ImageSet):
    source = dogworld("source", per_class=10)
    assert len(source.classes) == 40 and not set(source.classes) & set(target.classes)
    assert set(source.counts("train").values()) == {8} and set(source.counts("val").values()) == {1}


def test_factors_hold_what_was_drawn(target: ImageSet):
    f = target.factors
    assert all(len(column) == 2000 for column in f.values())
    for name, values in (("pose", POSES), ("coat", COATS), ("ears", EARS), ("scene", tuple(SCENES))):
        assert set(f[name]) == set(values)
    for name in ("snout", "shade_1", "scale", "rotation", "position_x", "light", "noise"):
        assert np.unique(f[name]).size > 300, name
    for task in ("ears", "coat", "pose", "facing"):
        assert min(dogworld(task=task).counts("train").values()) >= 100, task


def test_images_are_of_the_size_asked_for():
    assert [dogworld(per_class=3, size=size).images.shape[-1] for size in (32, 128)] == [32, 128]


# --- neither too easy nor impossible ----------------------------------------------------------------------------------


def test_every_two_breeds_differ_in_something_visible():
    every = [*breeds("source"), *breeds("target")]
    assert len({breed.name for breed in every}) == 50
    pairs = itertools.combinations(breeds("target"), 2)
    assert min(distance(a, b) for a, b in pairs) > 0.2
    assert min(distance(a, b) for a, b in itertools.combinations(every, 2)) > 0.15


def test_mean_colour_does_not_give_the_breed_away(target: ImageSet):
    colour = target.images.float().mean((2, 3))  # N,3,S,S -> N,3
    colour = (colour - colour.mean(0)) / colour.std(0)
    train, test = target.rows("train"), target.rows("test")
    weight, bias = torch.zeros(3, 10, requires_grad=True), torch.zeros(10, requires_grad=True)
    descent = torch.optim.LBFGS([weight, bias], max_iter=200)

    def loss() -> torch.Tensor:
        descent.zero_grad()
        value = torch.nn.functional.cross_entropy(colour[train] @ weight + bias, target.labels[train])
        value.backward()
        return value

    descent.step(loss)
    guess = (colour[test] @ weight + bias).argmax(1)
    assert (guess == target.labels[test]).float().mean() < 0.35


# --- the cache --------------------------------------------------------------------------------------------------------


def request(**changes: object) -> dict[str, object]:
    return {"which": "target", "domain": "photo", "seed": 0, "cats": 0, "per_class": 4, "size": 64, **changes}


def test_the_cache_is_written_used_and_mended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, few: ImageSet):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    calls: list[tuple[int, int]] = []
    dogworld(per_class=4, progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (40, 40) and calls == sorted(calls)
    file = file_of(request())
    assert file.parent == tmp_path / "dogworld" and list(file.parent.iterdir()) == [file]

    calls.clear()
    for task in ("breed", "pose"):  # one file serves every task
        assert (
            dogworld(per_class=4, task=task, progress=lambda *numbers: calls.append(numbers)).checksum == few.checksum
        )
    assert not calls

    whole = file.read_bytes()
    middle = len(whole) // 2
    for damaged in (
        b"",
        whole[:middle],
        b"no dogs here",
        whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :],
    ):
        file.write_bytes(damaged)
        assert dogworld(per_class=4).checksum == few.checksum
        assert file.read_bytes() == whole or file.stat().st_size == len(whole)


def test_the_cache_tells_requests_apart():
    changes = [{}, {"seed": 1}, {"domain": "snow"}, {"cats": 3}, {"per_class": 5}, {"size": 32}, {"which": "source"}]
    assert len({file_of(request(**change)) for change in changes}) == len(changes)


def test_a_cache_that_cannot_be_written_is_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, few: ImageSet):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="not kept"):
        assert dogworld(per_class=4).checksum == few.checksum


# --- errors, and the noise --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"which": "puppies"}, "source, target"),
        ({"domain": "oil"}, "photo, sketch, night, thermal, snow, camera"),
        ({"task": "name"}, "breed, ears, coat, pose, facing, species"),
        ({"task": "species"}, "cats=500"),
        ({"size": 48}, "32, 64, 128"),
        ({"seed": -1}, "at least 0"),
        ({"seed": 0.5}, "whole number"),
        ({"per_class": 2}, "at least 3"),
        ({"cats": 2}, "0, or 3 and up"),
    ],
)
def test_bad_arguments_are_one_sentence(arguments: dict[str, object], words: str):
    with pytest.raises(CourseError, match=words):
        dogworld(**arguments)


def test_doubling_puts_means_between_neighbours():
    assert double(torch.tensor([[[0.0, 2.0], [4.0, 6.0]]])).tolist() == [[[0, 1, 2], [2, 3, 4], [4, 5, 6]]]


def test_fractal_noise_stays_in_its_range():
    values = octets(sum(n * n for n in lattice_sizes(64)), image_streams("target", 1, 0, 0))
    field = fractal(values, 64, 0.6)
    assert field.shape == (10, 64, 64) and field.abs().max() <= 1 and field.std() > 0.1
