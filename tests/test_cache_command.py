"""`course cache`: lists, verifies and clears what is in the cache folder, and touches nothing else.

pytest tests/test_cache_command.py
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from toys import make, toy_images

from course_lib.augment import Augment
from course_lib.cache import stores
from course_lib.cache.cached import KINDS, clear, table
from course_lib.cache.command import add_arguments, command
from course_lib.cache.feature_files import features_dir, folder_of
from course_lib.cache.remember import Pixels, remember
from course_lib.errors import CourseError
from course_lib.tensor_files import write_tensors


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """A cache folder with features of two cuts, drawn images, runs, a sweep, and something of another program."""
    root = tmp_path / "cache"
    monkeypatch.setenv("COURSE_CACHE", str(root))
    monkeypatch.setattr(stores, "WORTH_A_FILE", -1.0)
    toys, net = toy_images(size=16), make("pawnet")
    remember(Pixels(net, toys), 5)(torch.arange(10))
    remember(Pixels(net, toys), 5)(torch.arange(5, 15))
    remember(Pixels(net, toys, Augment(), view=2), 3)(torch.arange(4))
    for name in ("dogworld", "landscape", "runs", "sweeps/train_once", "mine"):
        (root / name).mkdir(parents=True)
    np.savez(root / "dogworld" / "a.npz", images=np.zeros((2, 3, 8, 8), np.uint8))
    for number in range(3):
        (root / "runs" / f"{number}.json").write_text(json.dumps({"result": {}}))
    (root / "sweeps" / "train_once" / "a.json").write_text("{}")
    safetensors.torch.save_file({"x": torch.zeros(3)}, root / "sweeps" / "train_once" / "checkpoint.safetensors")
    write_tensors(root / "landscape" / "a.safetensors", {"loss": torch.zeros(4, 4)}, {"size": 4})
    (root / "mine" / "thesis.txt").write_text("mine")
    return root


def course_cache(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return command(parser.parse_args(arguments))


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() or path.is_symlink()}


def test_the_list_says_what_there_is(cache, capsys):
    assert course_cache() == course_cache("list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{cache}: ") and lines[0].endswith("in 10 files")
    found = {tuple(row[:3]) for row in table().rows}
    formats = {row[1].split()[-1] for row in table().rows if row[0] == "features"}
    (number_format,) = formats
    assert found == {
        ("features", f"toys: pawnet to stage4, 192 {number_format}", "15 of 23 images"),
        ("features", f"toys, view 2: pawnet to stage2, 64 x 16 x 16 {number_format}", "4 of 23 images"),
        ("images", "dogworld", "1 file"),
        ("runs", "runs", "3 files"),
        ("runs", "sweeps", "2 files"),
        ("landscapes", "landscape", "1 file"),
    }


def test_an_empty_cache_is_empty(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "none"))
    assert [course_cache(action) for action in ("list", "verify", "clear")] == [0, 0, 0]
    said = capsys.readouterr().out
    assert said.count("is empty.") == 2 and "There was nothing to clear." in said
    assert not (tmp_path / "none").exists()


def test_sound_files_pass(cache, capsys):
    assert course_cache("verify") == 0
    assert "All 10 files" in capsys.readouterr().out


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)


def test_damaged_files_are_named_and_only_removed_when_asked_for(cache, capsys):
    feature = next(features_dir().rglob("*.safetensors"))
    victims = [
        feature,
        cache / "dogworld" / "a.npz",
        cache / "runs" / "1.json",
        cache / "sweeps" / "train_once" / "checkpoint.safetensors",
    ]
    for path in victims[:2]:
        flip(path)
    for path in victims[2:]:
        path.write_bytes(path.read_bytes()[:5])
    before = files(cache)
    assert course_cache("verify") == 1
    said = capsys.readouterr()
    assert all(f"damaged  {path}: " in said.err for path in victims) and "4 of 10 files are damaged" in said.out
    assert files(cache) == before
    assert course_cache("verify", "--fix") == 0
    assert before - files(cache) == {str(path.relative_to(cache)) for path in victims}
    assert course_cache("verify") == 0


def test_features_under_another_key_are_damage(cache, capsys):
    first, second = (path for path in features_dir().iterdir())
    next(first.iterdir()).rename(second / "x.safetensors")
    assert course_cache("verify") == 1
    assert "features of another key" in capsys.readouterr().err


@pytest.mark.parametrize("kind", KINDS)
def test_clear_removes_the_kind_that_is_named(cache, kind, capsys):
    before = files(cache)
    size = sum((cache / name).stat().st_size for name in before if name.split("/")[0] in KINDS[kind])
    assert course_cache("clear", f"--{kind}") == 0
    gone = before - files(cache)
    assert gone == {name for name in before if name.split("/")[0] in KINDS[kind]}
    said = capsys.readouterr().out
    assert said.startswith("Freed ") and f"{len(gone)} file{'s' * (len(gone) > 1)} of {kind}" in said
    assert not any((cache / name).exists() for name in KINDS[kind]) and size > 0


def test_clear_removes_everything_that_is_the_course_s_and_nothing_else(cache):
    course_cache("clear")
    assert files(cache) == {"mine/thesis.txt"} and table().rows == []


def test_clear_can_spare_what_was_used_lately(cache):
    old, new = (path for path in features_dir().iterdir())
    ten_days_ago = (time.time() - 10 * 86400,) * 2
    for path in (*new.iterdir(), *old.iterdir(), old, cache / "runs" / "1.json"):
        os.utime(path, ten_days_ago)
    before = files(cache)
    course_cache("clear", "--older-than", "11")
    assert files(cache) == before
    course_cache("clear", "--older-than", "9.5")
    gone = before - files(cache)
    assert not old.exists() and new.exists() and "runs/1.json" in gone
    assert len(gone) == 1 + sum(name.startswith(f"features/{old.name}") for name in before)


def test_using_features_makes_them_young_again(cache):
    toys, net = toy_images(size=16), make("pawnet")
    key = remember(Pixels(net, toys), 5).store.key
    os.utime(folder_of(key), (time.time() - 10 * 86400,) * 2)
    remember(Pixels(net, toy_images(size=16)), 5)
    assert time.time() - folder_of(key).stat().st_mtime < 60


@pytest.mark.parametrize("place", ["features", "features/link", "runs/link.json", "sweeps/deep/er"])
def test_a_link_out_of_the_cache_is_refused_before_anything_is_touched(cache, tmp_path, place):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "photo.jpg").write_text("precious")
    link = cache / place
    if place == "features":
        (cache / "features").rename(cache / "mine" / "features")
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside / "photo.jpg" if link.suffix else outside)
    before = files(cache)
    for action in ("clear", "verify", "list"):
        with pytest.raises(CourseError, match=r"is a link to .* outside the cache; nothing was touched"):
            course_cache(action)
    assert files(cache) == before and (outside / "photo.jpg").read_text() == "precious"


def test_a_link_within_the_cache_goes_and_its_target_is_not_followed(cache):
    (cache / "runs" / "link").symlink_to(cache / "mine")
    course_cache("clear", "--runs")
    assert not (cache / "runs").exists() and (cache / "mine" / "thesis.txt").exists()


def test_a_home_folder_is_no_cache(tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "marathon.json").write_text("{}")
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "me")
    with pytest.raises(CourseError, match="holds your home folder, so nothing is removed"):
        clear()
    assert (tmp_path / "runs" / "marathon.json").exists()


def test_what_is_being_written_stays(cache):
    path = cache / "runs" / f".a.json.{os.getpid()}.part"
    path.write_text("{")
    course_cache("clear")
    assert path.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["list", "--runs"], "--runs belongs to `course cache clear`; received `course cache list`"),
        (["--older-than", "3"], "--older-than belongs to"),
        (["verify", "--features", "--images"], "--features, --images belongs to"),
        (["clear", "--fix"], "--fix belongs to `course cache verify`"),
    ],
)
def test_an_option_of_another_action_is_refused(cache, arguments, words):
    before = files(cache)
    with pytest.raises(CourseError, match=words):
        course_cache(*arguments)
    assert files(cache) == before


@pytest.mark.parametrize("days", ["-1", "soon", "nan", "inf"])
def test_days_are_numbers(days, capsys):
    with pytest.raises(SystemExit):
        course_cache("clear", "--older-than", days)
    assert "a number of days from 0 on" in capsys.readouterr().err
