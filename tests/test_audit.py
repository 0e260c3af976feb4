"""The look at the data: what is wrong with a made folder is found, what is right is not blamed, and the sums add up.

pytest tests/test_audit.py
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from toys import toy_images

from course_lib.errors import CourseError
from course_lib.images import ImageSet
from course_lib.intervals import wilson
from course_lib.pictures.audit import Audit, audit
from course_lib.pictures.found import NOTHING_TO_DO, Problem
from course_lib.pictures.measures import measure, tell_apart
from course_lib.sources.folder import folder

SIZE = 32


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path_factory.mktemp("cache")))


def scene(seed: int, size: tuple[int, int] = (60, 45)) -> Image.Image:
    """Soft spots of light in all colours, different for each seed."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def make(root: Path, **counts: int) -> Path:
    for number, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            scene(1000 * number + i).save(root / name / f"{i:02}.png")
    return root


def look(root: Path, **options: object) -> Audit:
    return audit(folder(root, size=SIZE, **options))


def said(found: Audit, *words: str) -> str:
    """The one finding that holds these words."""
    (text,) = [each.text for each in found.findings if all(word in each.text for word in words)]
    return text


def marked(found: Audit, word: str) -> set[str]:
    return {Path(found.images.files[row]).name for row, words in found.marks.items() if word in words}


def test_a_clean_folder_is_not_blamed(tmp_path):
    found = look(make(tmp_path, cat=15, dog=15))
    assert found.marks == {} and not any(each.must for each in found.findings if "test picture" not in each.text)
    assert len(found.findings) == 3, found.findings
    assert found.counts.rows == [("cat", 9, 3, 3, 15), ("dog", 9, 3, 3, 15)]
    assert "30 files were seen: 30 became images, 0 did not" in repr(found)


def test_tiny_long_dark_bright_and_blank_pictures_are_named_and_marked(tmp_path):
    root = make(tmp_path, cat=15, dog=15)
    scene(50, (20, 25)).save(root / "cat" / "tiny.png")
    scene(51, (300, 40)).save(root / "dog" / "long.png")
    for name, values in (("dark", (0, 40)), ("bright", (225, 255))):
        low, high = values
        scene(52).point(lambda v, a=low, b=high: a + v * (b - a) // 255).save(root / "cat" / f"{name}.png")
    Image.new("RGB", (50, 50), (90, 140, 30)).save(root / "dog" / "blank.png")
    found = look(root)
    for word in ("tiny", "long", "dark", "bright", "blank"):
        assert marked(found, word) == {f"{word}.png"}
        assert f"{word}.png" in said(found, f"{word}.png")
    assert "smaller than the 32 px asked for" in said(found, "tiny.png")
    assert "20 x 25 px (smallest), 60 x 45 (median) and 300 x 40 (largest)" in said(found, "median")


def test_grey_pictures_are_counted_and_a_set_that_is_all_grey_has_one_sentence(tmp_path):
    root = make(tmp_path, cat=10, dog=10)
    scene(7).convert("L").save(root / "cat" / "old.png")
    assert said(look(root), "grey").startswith("1 picture is grey, without colour (cat/old.png)")
    for path in root.rglob("*.png"):
        Image.open(path).convert("L").save(path)
    assert said(look(root), "grey") == "All pictures are grey, without colour."


def test_copies_with_two_labels_and_copies_within_a_class(tmp_path):
    root = make(tmp_path, cat=12, dog=12)
    scene(3).save(root / "dog" / "wrong.png")  # what cat/03.png shows
    shutil.copy(root / "cat" / "05.png", root / "cat" / "05 again.png")
    found = look(root)
    assert "1 group of copies with different classes, for example cat/03.png, dog/wrong.png" in said(
        found, "wrong label"
    )
    assert "2 groups of near-duplicates (4 pictures) within one split" in said(found, "near-duplicates")
    assert marked(found, "two labels") == {"03.png", "wrong.png"}
    picture = found.copies()
    assert "cat/03.png and dog/wrong.png" in picture.alt and picture.png()


def test_copies_across_splits_are_a_leak():
    images = toy_images(train=12, val=3, test=6, size=32)
    pixels = images.images.clone()
    pixels[images.rows("test")[0]] = pixels[images.rows("train")[0]]
    found = audit(replace(images, images=pixels))
    text = said(found, "copy in another split")
    assert "row 0, row 15" in text and next(each for each in found.findings if each.text == text).must


def test_the_report_of_files_adds_up(tmp_path):
    root = make(tmp_path, cat=6, dog=6)
    (root / "cat" / "empty.jpg").touch()
    (root / "cat" / "also empty.jpg").touch()
    (root / "dog" / ".DS_Store").write_bytes(b"x")
    found = look(root)
    assert "15 files were seen: 12 became images, 3 did not" in repr(found)
    assert sum(found.problems.column("files")) == 3
    assert found.problems.rows[0][0] == 2 and "0 bytes" in found.problems.rows[0][1]
    assert found.problems.rows[-1][2] == NOTHING_TO_DO
    many = replace(
        found.images, left_out=(*found.images.left_out, Problem("1,234 more", "no image", "remove it", 1234))
    )
    assert "1,249 files were seen: 12 became images, 1,237 did not" in repr(audit(many))


def test_imbalance_says_what_guessing_gives(tmp_path):
    text = said(look(make(tmp_path, cat=36, dog=4)), "times as many")
    assert "Class cat has 9.0 times as many pictures as dog (36 and 4)" in text and "right in 90%" in text


def test_few_test_pictures_have_their_interval(tmp_path):
    found = look(make(tmp_path, cat=6, dog=5))
    low, high = wilson(0.8, 2)
    assert f"{low:.0%} to {high:.0%}" in said(found, "2 test pictures")
    low, high = wilson(1.0, 1)
    assert f"anything from {low:.0%} to {high:.0%}" in said(found, "fewer than 10 test pictures")


def test_notes_of_the_folder_come_first(tmp_path):
    found = look(make(tmp_path, cat=2, dog=1))
    assert "never tested" in found.findings[0].text and found.findings[0].must
    assert "never tested" in repr(found) and "never tested" in found._repr_html_()
    for picture in (found.plot(), found.sheet(), found.copies()):
        assert picture.png().startswith(b"\x89PNG") and picture.alt


def test_a_size_that_gives_the_class_away_is_a_warning_and_one_that_does_not_is_none(tmp_path):
    root = make(tmp_path, cat=20, dog=20)
    assert not any("find their class" in each.text for each in look(root).findings)
    for i, path in enumerate(sorted((root / "dog").iterdir())):
        scene(2000 + i, (90 + i % 3, 70)).save(path)
    text = said(look(root), "From the file's width and height alone")
    assert "100% of the pictures find their class" in text and "chance: 50%" in text


def test_a_background_that_gives_the_class_away_is_told(tmp_path):
    root = make(tmp_path, cat=20, dog=20)
    for path in (root / "dog").iterdir():
        snow = Image.new("RGB", (60, 45), (235, 240, 250))
        snow.paste(Image.open(path).resize((30, 22)), (15, 11))
        snow.save(path)
    assert "100%" in said(look(root), "rim alone")


def test_cues_are_judged_on_pictures_that_the_means_do_not_know():
    draw = np.random.default_rng(0)
    noise, labels = draw.standard_normal((60, 40)), np.arange(60) % 2
    share, low, high = tell_apart(noise, labels, np.full(60, -1), 2)
    assert low < 0.5 < high, "40 numbers of noise fit 60 pictures well where the means know them"
    copies = np.repeat(draw.standard_normal((10, 40)), 6, axis=0)
    share, low, _ = tell_apart(copies, np.repeat(np.arange(10) % 2, 6), np.repeat(np.arange(10), 6), 2)
    assert share < 0.7, "copies of a picture are on one side (0.83 where they are not)"
    assert tell_apart(np.zeros((60, 2)), labels, np.full(60, -1), 2)[1] < 0.5
    assert tell_apart(labels[:, None] + 0.1 * noise[:, :1], labels, np.full(60, -1), 2)[0] == 1.0


def test_measures_are_those_of_numpy():
    images = torch.randint(0, 256, (70, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images[5] = 17
    seen, x = measure(images), images.numpy().astype(np.float64)
    grey = 0.299 * x[:, 0] + 0.587 * x[:, 1] + 0.114 * x[:, 2]
    np.testing.assert_allclose(seen.brightness, grey.mean((1, 2)), rtol=1e-4)
    np.testing.assert_allclose(seen.contrast, grey.reshape(70, -1).std(1, ddof=1), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(seen.tint, (x.max(1) - x.min(1)).mean((1, 2)), rtol=1e-4, atol=1e-4)
    rim = np.ones((32, 32), bool)
    rim[4:-4, 4:-4] = False
    np.testing.assert_allclose(seen.rim, x[..., rim].mean(2), rtol=1e-4)


def test_a_built_in_set_has_no_files_and_is_looked_at_all_the_same():
    images = toy_images(train=30, val=9, test=9, size=32)
    found = audit(images)
    assert "files" not in repr(found) and found.marks == {}
    assert "find their class" in said(found, "mean colour of a picture"), "the toys are told by their colour"
    for picture in (found.plot(), found.sheet(per_class=3), found.copies()):
        assert picture.png().startswith(b"\x89PNG") and picture.alt


def test_marked_pictures_come_first_with_their_mark_in_words(tmp_path):
    root = make(tmp_path, cat=12, dog=12)
    Image.new("RGB", (50, 50), (90, 140, 30)).save(root / "dog" / "zz blank.png")
    found = look(root)
    sheet = found.sheet(per_class=4)
    axes = np.array(sheet.figure.axes).reshape(2, 4)
    words = [[axis.get_xlabel() for axis in line] for line in axes]
    assert words == [["", "", "", ""], ["blank", "", "", ""]] and "marked: blank" in sheet.alt
    assert axes[1, 0].spines["top"].get_visible() and not axes[1, 1].spines["top"].get_visible()
    with pytest.raises(CourseError, match="per_class=0"):
        found.sheet(per_class=0)


def test_names_of_files_are_no_html(tmp_path):
    root = make(tmp_path, cat=4, dog=4)
    (root / "cat" / "<script>.jpg").touch()
    scene(9, (20, 20)).save(root / "dog" / "<b>.png")
    text = look(root)._repr_html_()
    assert "<script>" not in text and "<b>" not in text and "&lt;b&gt;.png" in text


def test_a_set_opened_from_a_file_is_looked_at_as_before(tmp_path):
    found = look(make(tmp_path / "x", cat=5, dog=4))
    found.images.save(tmp_path / "x.safetensors")
    assert repr(audit(ImageSet.open(tmp_path / "x.safetensors"))) == repr(found)
