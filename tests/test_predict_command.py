"""Asking a model about files: a row for each, counts that add up, and `course predict` as a table and as JSON."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from toys import CLASSES, make, toy_images

from course_lib.errors import CourseError
from course_lib.pictures.reading import read_picture
from course_lib.taking_home import TakenHome, open_model
from course_lib.taking_home.command import _width, add_arguments, command, lines

SAY = TakenHome.say
pytestmark = pytest.mark.filterwarnings("ignore:.*not calibrated")


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    """A network with a head that was not trained, calibrated on toys: what it says does not matter here."""
    return make("pawnet").export(
        tmp_path_factory.mktemp("out") / "toys.safetensors", toy_images(train=30, val=30, test=9)
    )


@pytest.fixture(scope="module")
def model(path) -> TakenHome:
    return open_model(path)


def picture(path: Path, seed: int = 0, width: int = 90, height: int = 70) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def mixed(tmp_path) -> Path:
    """A folder with four pictures and four other things, one of them hidden."""
    root = tmp_path / "mixed"
    for i, name in enumerate(["a.png", "b.jpg", "below/deeper/c.png", "süß 🐕.png"]):
        picture(root / name, i)
    (root / "empty.jpg").write_bytes(b"")
    (root / "notes.txt").write_text("no picture")
    (root / "cut.jpg").write_bytes((root / "b.jpg").read_bytes()[:300])
    (root / ".DS_Store").write_bytes(b"x")
    return root


def test_the_answers_are_those_for_the_same_pixels(model, mixed):
    said = model.predict(mixed)
    pixels = [torch.from_numpy(read_picture(Path(row.file), 64).pixels).permute(2, 0, 1) for row in said.answered]
    assert len(pixels) == 4
    expected = model.say(torch.stack(pixels))
    assert [row.answer for row in said.answered] == expected
    scores = (replace(model.net)(torch.stack(pixels)) / model.temperature).softmax(1)
    found = torch.tensor([[dict(row.answer.ranked)[name] for name in CLASSES] for row in said.answered])
    torch.testing.assert_close(found, scores, atol=1e-6, rtol=0)
    for row, pixel in zip(said.answered, pixels, strict=True):  # each alone, and among the others
        alone = model.scores(pixel[None])[0].max().item()
        assert row.answer.probability == pytest.approx(alone, abs=1e-5)


def test_every_file_is_a_row_and_counts_add_up(model, mixed):
    said = model.predict(mixed)
    names = [os.path.relpath(row.file, mixed) for row in said.rows]
    assert sorted(names) == sorted(
        ["a.png", "b.jpg", "below/deeper/c.png", "süß 🐕.png", "empty.jpg", "notes.txt", "cut.jpg"]
    )
    assert len(said) == 7 == len(said.answered) + len(said.unread) and said.passed_over == 1
    problems = {os.path.relpath(row.file, mixed): row for row in said.unread}
    assert "empty" in problems["empty.jpg"].reason and "text file" in problems["notes.txt"].reason
    assert all(row.reason and row.remedy for row in said.unread)
    assert said.summary().startswith("7 files:") and "3 not read; 1 hidden" in said.summary()
    assert len(said.table.rows) == 7 and "<table>" in said._repr_html_()


def test_one_or_many_paths_folders_and_what_is_missing(model, mixed, tmp_path):
    one = mixed / "a.png"
    assert len(model.predict(one)) == len(model.predict(str(one))) == 1
    several = model.predict(iter([one, str(mixed / "below"), tmp_path / "none.png"]))
    assert [bool(row.answer) for row in several.rows] == [True, True, False]
    assert (several.rows[2].reason, several.rows[2].remedy) == ("there is no such file", "check the path")
    assert model.predict("a\0b.png").rows[0].reason == "there is no such file"
    assert len(model.predict([])) == 0
    for wrong in (3, [3], [""], "", [None], torch.zeros(1)):
        with pytest.raises(CourseError, match=r"predict takes.*use say\(images\)"):
            model.predict(wrong)


def test_json_has_the_same_keys_for_every_file(model, mixed):
    entries = model.predict([mixed, "none.png"]).json(top=2)
    keys = ["file", "label", "probability", "refused", "reason", "remedy", "top"]
    assert all(list(entry) == keys for entry in entries) and len(entries) == 8
    for entry in entries:
        if entry["label"] is None:
            assert entry["probability"] is None and entry["top"] == [] and entry["reason"] and entry["remedy"]
        else:
            assert len(entry["top"]) == 2 and entry["top"][0]["probability"] == entry["probability"]
            assert entry["refused"] == (entry["label"] == "none of these") == bool(entry["reason"])
    assert json.loads(json.dumps(entries, allow_nan=False)) == entries


def test_memory_does_not_grow_with_the_number_of_files(model, tmp_path, monkeypatch):
    """A few files at a time, whatever their number: the pixels of all of them are never there at once."""
    at_once = []
    monkeypatch.setattr(TakenHome, "say", lambda self, images: at_once.append(len(images)) or SAY(self, images))
    one = picture(tmp_path / "a.png")
    peaks = []
    for count in (64, 320):
        tracemalloc.start()  # NumPy's arrays, in which pictures are read, are counted
        said = model.predict([one] * count)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(said.answered) == count
    assert max(at_once) <= 64 and sum(at_once) == 384
    assert peaks[0] > 64 * 3 * 64 * 64 and peaks[1] - peaks[0] < 0.3 * 256 * 3 * 64 * 64


def ask(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return command(parser.parse_args([str(a) for a in arguments]))


def test_the_table_and_the_exit_status(path, mixed, capsys):
    assert ask(path, mixed) == 1
    out = capsys.readouterr().out
    assert "notes.txt" in out and "süß 🐕.png" in out and "7 files:" in out.splitlines()[-1]
    assert ask(path, mixed / "a.png") == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_json_goes_to_other_programs(path, mixed, capsys):
    assert ask(path, mixed, "--json", "--top", 1) == 1
    out = capsys.readouterr().out
    assert len(json.loads(out)) == 7 and out.isascii()
    assert all(len(entry["top"]) <= 1 for entry in json.loads(out))


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes")
def test_odd_names_are_printable_and_json_stays_valid(path, tmp_path, capsys):
    root = tmp_path / "odd"
    for name in (b"caf\xe9.png", b"two\nlines.png", b"\x1b[31mred.png", b'"quoted".png', b"n" * 240 + b".png"):
        picture(root / "x.png").rename(root / os.fsdecode(name))
    assert ask(path, root, "--json") == 0
    names = [entry["file"] for entry in json.loads(capsys.readouterr().out)]
    assert len(names) == 5 and all(name.isprintable() for name in names)
    assert ask(path, root) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out and len(out.splitlines()) == 7 and "caf\\udce9.png" in out


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal(model, mixed, width):
    picture(mixed / ("犬" * 30 + ".png"))
    printed = list(lines(model.predict(mixed), 3, width))
    table = printed[:-1]
    assert len(printed) == 8 + 1 + 1 and (width < 60 or max(map(_width, table)) <= width)
    assert max(map(_width, table)) <= max(width, 3 * 14 + 6 + 4)
    assert any(line.split("  ")[0].rstrip().endswith(".png") for line in table), "the end of a path is kept"


def test_names_from_standard_input(path, mixed, capsys, monkeypatch):
    text = f"{mixed / 'a.png'}\n\n{mixed / 'süß 🐕.png'}\r\nnone.png\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(os.fsencode(text))))
    assert ask(path, "-", "--json") == 1
    assert [Path(entry["file"]).name for entry in json.loads(capsys.readouterr().out)] == [
        "a.png",
        "süß 🐕.png",
        "none.png",
    ]


def test_csv_beside_the_table(path, mixed, tmp_path, capsys):
    assert ask(path, mixed, "--csv", tmp_path / "said.csv") == 1
    rows = list(csv.DictReader((tmp_path / "said.csv").open(encoding="utf-8", newline="")))
    assert len(rows) == 7 and list(rows[0]) == ["file", "label", "probability", "reason", "remedy"]
    assert sum(row["label"] == "" for row in rows) == 3


def test_what_cannot_be_carried_out(path, tmp_path, capsys):
    with pytest.raises(CourseError, match="does not exist"):
        ask(tmp_path / "none.safetensors", "a.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CourseError, match="no file to look at"):
        ask(path, tmp_path / "empty")
    for top in ("0", "11", "x"):
        with pytest.raises(SystemExit):
            ask(path, "a.png", "--top", top)


def test_a_model_without_calibration_says_so_beside_the_answers(tmp_path, capsys):
    bare = make("pawnet").export(tmp_path / "bare.safetensors")
    assert ask(bare, picture(tmp_path / "a.png")) == 0
    found = capsys.readouterr()
    assert "not calibrated" in found.err and "not calibrated" not in found.out


def test_an_old_terminal_gets_escapes_and_no_error(path, mixed, monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    assert ask(path, mixed) == 1
    out.flush()
    assert b"s\\xfc\\xdf" in out.buffer.getvalue()
