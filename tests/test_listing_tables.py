"""Tables (CSV) as programs, sites and people write them: each row ends as a picture or in a line of the report."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hostile import CAT_DOG, PNG_FILE, check, lay

from course_lib.errors import CourseError
from course_lib.pictures.csv_table import FILE, LABEL, SPLIT
from course_lib.pictures.listing import find

FILES = ["a.png", "b.png", "c.png", "d.png"]
SAID = {"a.png": "cat", "b.png": "dog", "c.png": "cat", "d.png": "dog"}
ROWS = [*SAID.items()]
PLAIN = "file,label\n" + "".join(f"{file},{label}\n" for file, label in ROWS)


def with_table(root: Path, table: str | bytes, *names: str, called: str = "labels.csv") -> Path:
    """A flat folder of pictures (a.png to d.png unless named) with a table."""
    lay(root, *(names or FILES))
    (root / called).write_bytes(table.encode() if isinstance(table, str) else table)
    return root


DIALECTS = {
    "plain": PLAIN.encode(),
    "semicolons": PLAIN.replace(",", ";").encode(),
    "tabs": PLAIN.replace(",", "\t").encode(),
    "bars": PLAIN.replace(",", "|").encode(),
    "windows lines": PLAIN.replace("\n", "\r\n").encode(),
    "old mac lines": PLAIN.replace("\n", "\r").encode(),
    "no last line end": PLAIN.rstrip().encode(),
    "empty lines": ("\n\n" + PLAIN.replace("\n", "\n\n")).encode(),
    "lines of separators": (PLAIN + ",\n,\n").encode(),
    "BOM": PLAIN.encode("utf-8-sig"),
    "UTF-16": PLAIN.encode("utf-16"),
    "UTF-16 BE with BOM": b"\xfe\xff" + PLAIN.encode("utf-16-be"),
    "UTF-16 LE without BOM": PLAIN.encode("utf-16-le"),
    "UTF-16 BE without BOM": PLAIN.encode("utf-16-be"),
    "quoted": ('"file","label"\n' + "".join(f'"{f}","{c}"\n' for f, c in ROWS)).encode(),
    "spaces": "".join(f" {line} \n".replace(",", " , ") for line in PLAIN.splitlines()).encode(),
    "a hint for Excel": ("sep=;\n" + PLAIN.replace(",", ";")).encode(),
    "no header": PLAIN.partition("\n")[2].encode(),
    "no header, class first": "".join(f"{c},{f}\n" for f, c in ROWS).encode(),
    "a number in front": (",file,label\n" + "".join(f"{i},{f},{c}\n" for i, (f, c) in enumerate(ROWS))).encode(),
    "more columns": ("url,file,note,label\n" + "".join(f"http://x,{f},\"a, b\",{c}\n" for f, c in ROWS)).encode(),
    "commas at the end": PLAIN.replace("\n", ",,\n").encode(),
    "without suffixes": PLAIN.replace(".png", "").encode(),
    "another case": PLAIN.replace(".png", ".PNG").replace("file,label", "FILE,Label").encode(),
    "with ./": ("file,label\n" + "".join(f"./{f},{c}\n" for f, c in ROWS)).encode(),
    "with the folder's name": ("file,label\n" + "".join(f"photos/{f},{c}\n" for f, c in ROWS)).encode(),
    "with backslashes": ("file,label\n" + "".join(f"photos\\{f},{c}\n" for f, c in ROWS)).encode(),
}  # fmt: skip


@pytest.mark.parametrize("name", DIALECTS)
def test_a_table_in_this_dialect(tmp_path, name):
    found = find(with_table(tmp_path, DIALECTS[name]))
    check(found, SAID)
    assert found.layout == "table" and found.classes == ("cat", "dog") and found.seen == 4


@pytest.mark.parametrize("file", [*FILE, "File Name", "IMAGE-PATH"])
@pytest.mark.parametrize("label", [LABEL[0], "Class Name"])
def test_columns_of_files_by_any_usual_name(tmp_path, file, label):
    check(find(with_table(tmp_path, PLAIN.replace("file,label", f"{file},{label}"))), SAID)


@pytest.mark.parametrize("label", LABEL)
def test_columns_of_classes_by_any_usual_name(tmp_path, label):
    check(find(with_table(tmp_path, PLAIN.replace("label", label))), SAID)


@pytest.mark.parametrize("split", SPLIT)
def test_a_column_of_splits(tmp_path, split):
    table = f"file,label,{split.title()}\na.png,cat,train\nb.png,dog,Training\nc.png,cat,TEST\nd.png,dog,testing\n"
    found = find(with_table(tmp_path, table))
    check(found, SAID)
    assert [picture.split for picture in found.pictures] == ["train", "train", "test", "test"]


def test_a_table_as_competitions_give_it(tmp_path):
    """id and breed, pictures in train/, others in test/ without a class."""
    lay(tmp_path, "train/0a1.png", "train/0b2.png", "test/0c3.png")
    (tmp_path / "labels.csv").write_text("id,breed\n0a1,beagle\n0b2,dingo\n")
    found = find(tmp_path)
    check(found, {"train/0a1.png": "beagle", "train/0b2.png": "dingo"}, {"test/0c3.png": "labels.csv does not list it"})
    assert {picture.split for picture in found.pictures} == {None}


def test_a_table_of_another_place_given_by_name(tmp_path, monkeypatch):
    lay(tmp_path / "photos", *FILES)
    (tmp_path / "mine.csv").write_text(PLAIN)
    check(find(tmp_path / "photos", table=tmp_path / "mine.csv"), SAID)
    monkeypatch.chdir(tmp_path)
    check(find("photos", table="mine.csv"), SAID)


def test_a_table_given_by_name_goes_before_class_folders(tmp_path):
    names = [*CAT_DOG]
    lay(tmp_path, *names)
    (tmp_path / "other.csv").write_text("file,label\n" + "".join(f"{name},{i % 2}\n" for i, name in enumerate(names)))
    check(find(tmp_path, table="other.csv"), {name: str(i % 2) for i, name in enumerate(names)})


def test_a_table_of_something_else_beside_one_class_is_not_taken(tmp_path):
    lay(tmp_path, "cat/a.png", "cat/b.png", "sizes.csv", "more.csv", data=b"x,y\n1,2\n")
    with pytest.raises(CourseError, match="one class, cat"):
        find(tmp_path)
    (tmp_path / "more.csv").unlink()
    with pytest.raises(CourseError, match=r"one class, cat \(1 left out, such as sizes.csv: a table beside"):
        find(tmp_path)


def test_a_table_inside_the_one_folder(tmp_path):
    with_table(tmp_path / "data", PLAIN)
    check(find(tmp_path), {f"data/{file}": label for file, label in ROWS})
    check(find(tmp_path, table="labels.csv"), {f"data/{file}": label for file, label in ROWS})


def test_text_of_windows(tmp_path):
    table = "file;label\nM\u00fcller.png;K\u00e4fer\nb.png;Maus\n".encode("cp1252")
    check(
        find(with_table(tmp_path, table, "M\u00fcller.png", "b.png")),
        {"M\u00fcller.png": "K\u00e4fer", "b.png": "Maus"},
    )


def test_accents_taken_apart(tmp_path):
    """macOS writes names of files with e + accent, tables are written with the one letter."""
    table = "file,label\ncaf\u00e9.png,a\nb.png,b\n"
    check(find(with_table(tmp_path, table, "cafe\u0301.png", "b.png")), {"cafe\u0301.png": "a", "b.png": "b"})


def test_file_names_that_are_no_utf8(tmp_path):
    try:
        with_table(tmp_path, b"file,label\n\xff\xfea.png,a\nb.png,b\n", "\udcff\udcfea.png", "b.png")
    except (OSError, UnicodeError):
        pytest.skip("this system has no such names")
    check(find(tmp_path), {r"\udcff\udcfea.png": "a", "b.png": "b"})


STRANGE = ["=HYPERLINK(\"http://x\")", "@SUM(1)", "-1", "+1", "<b>", "%s", "\U0001f436", "null", "None", "0", "a/b", ".."]  # fmt: skip


@pytest.mark.parametrize("label", STRANGE)
def test_classes_are_text_whatever_they_look_like(tmp_path, label):
    quoted = label.replace('"', '""')
    table = f'file,label\na.png,"{quoted}"\nb.png,dog\n'
    found = find(with_table(tmp_path, table, "a.png", "b.png"))
    check(found, {"a.png": label, "b.png": "dog"})


def test_a_name_with_a_line_break_and_a_comma(tmp_path):
    table = 'file,label\n"a,\nb.png",cat\nc.png,"big\tdog"\n'
    check(find(with_table(tmp_path, table, "a,\nb.png", "c.png")), {r"a,\nb.png": "cat", "c.png": r"big\tdog"})


# Rows that make no picture: the rows -> line and words of each problem; a.png and b.png are always right

PROBLEMS = {
    "a missing file": ("x.png,cat", {3: "there is no file x.png"}),
    "no class": ("c.png,", {3: "no class"}),
    "blanks as a class": ("c.png,   ", {3: "no class"}),
    "no file": (",cat", {3: "names no file"}),
    "too short": ("c.png", {3: "1 cells, the first row has 2"}),
    "too long": ("c.png,cat,dog", {3: "3 cells, the first row has 2"}),
    "a comma that is not quoted": ("c.png,cat, fluffy", {3: "3 cells"}),
    "an absolute path": ("/etc/passwd,cat", {3: "an absolute path"}),
    "a path of Windows": ("C:\\photos\\c.png,cat", {3: "an absolute path"}),
    "a server of Windows": ("\\\\server\\c.png,cat", {3: "an absolute path"}),
    "a home": ("~/c.png,cat", {3: "an absolute path"}),
    "a path that leads up": ("../secret.png,cat", {3: "leads out of the folder"}),
    "a path that leads up later": ("x/../../c.png,cat", {3: "leads out of the folder"}),
    "a path that leads up as Windows writes it": ("x\\..\\..\\c.png,cat", {3: "leads out of the folder"}),
    "an address": ("https://example.org/c.png,cat", {3: "an address on the web"}),
    "a formula": ("\"=cmd|' /C calc'!A0\",cat", {3: "there is no file =cmd"}),
    "a folder": ("sub,cat", {3: "there is no file sub"}),
    "a hidden file": (".h.png,cat", {3: "there is no file .h.png"}),
    "a link that leads out": ("out.png,cat", {3: "there is no file out.png"}),
    "twice the same": ("c.png,cat\nc.png,cat", {4: "the same as line 3"}),
    "twice the same, written otherwise": ("c.png,cat\n./C.PNG,cat", {4: "the same as line 3"}),
    "two classes": (
        "c.png,cat\nc.png,dog",
        {3: "cat in line 3 and dog in line 4", 4: "cat in line 3 and dog in line 4"},
    ),
    "three rows that differ": (
        "c.png,cat\nc.png,dog\nc.png,cat",
        {3: "cat in line 3", 4: "dog in line 4", 5: "one more"},
    ),
    "a name of two files": ("same.png,cat", {3: "2 files are called same.png"}),
    "the wrong folder": ("three/same.png,cat", {3: "there is no file three/same.png"}),
    "a class of 5,000 letters": (f"c.png,{'x' * 5000}", {3: "more than 200 characters"}),
    "a NUL": ("c\0.png,cat", {3: r"there is no file c\x00.png"}),
    "a cell of 200,000 letters": (f"{'x' * 200000},cat", {3: "cannot be understood"}),
}


# In these a row names c.png and is left out for another reason; in all others c.png is a file without a row.
NAMES_C = {"no class", "blanks as a class", "two classes", "three rows that differ", "a class of 5,000 letters"}


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_row_that_makes_no_picture_is_named_with_its_line(tmp_path, name):
    rows, problems = PROBLEMS[name]
    root = tmp_path / "root"
    lay(root, "a.png", "b.png", "c.png", "sub/", "one/same.png", "two/same.png", ".h.png")
    lay(tmp_path, "secret.png")
    (root / "out.png").symlink_to(tmp_path / "secret.png")
    (root / "labels.csv").write_text(f"file,label\na.png,cat\n{rows}\nb.png,dog\n", newline="")
    lines = {f"labels.csv, line {line}": words for line, words in problems.items()}
    rest = {
        "one/same.png": "does not list it",
        "two/same.png": "does not list it",
        ".h.png": "hidden",
        "out.png": "leads out",
    }
    pictures = {"a.png": "cat", "b.png": "dog"}
    if name.startswith("twice the same"):
        pictures["c.png"] = "cat"
    elif name not in NAMES_C:
        rest["c.png"] = "does not list it"
    check(find(root, table="labels.csv"), pictures, lines | rest)


def test_a_quote_that_never_closes_loses_no_line_silently(tmp_path):
    names = [f"{i}.png" for i in range(50)]
    rows = [f"{name},{'cat' if i % 2 else 'dog'}" for i, name in enumerate(names)]
    rows[20] = '"' + rows[20]
    found = find(with_table(tmp_path, "file,label\n" + "\n".join(rows) + "\n", *names))
    assert len(found.pictures) == 20
    lines = [problem for problem in found.problems if problem.file.startswith("labels.csv, lines 22 to 5")]
    assert (
        len(lines) == 1
        and lines[0].count >= 30
        and found.seen == len(found.pictures) + sum(p.count for p in found.problems)
    )
    assert {p.file for p in found.problems} >= set(names[20:])  # each of the files is told, too


def test_rows_without_a_split_where_others_have_one(tmp_path):
    table = "file,label,split\na.png,cat,train\nb.png,dog,train\nc.png,cat,test\nd.png,dog,test\ne.png,cat,\nf.png,dog,holdout\n"
    found = find(with_table(tmp_path, table, *FILES, "e.png", "f.png"))
    check(found, SAID, {"labels.csv, line 6": "names no split", "labels.csv, line 7": "'holdout' is no split"})


def test_one_file_in_two_splits_is_in_none(tmp_path):
    table = "file,label,split\na.png,cat,train\nb.png,dog,train\nc.png,cat,test\nd.png,dog,test\na.png,cat,test\n"
    table += "e.png,cat,train\n"
    found = find(with_table(tmp_path, table, *FILES, "e.png"))
    words = "cat (train) in line 2 and cat (test) in line 6"
    said = {"b.png": "dog", "c.png": "cat", "d.png": "dog", "e.png": "cat"}
    check(found, said, {"labels.csv, line 2": words, "labels.csv, line 6": words})


def test_a_picture_beside_its_notes(tmp_path):
    """An id without a suffix means the picture, not the file of the same name beside it."""
    lay(tmp_path, "a.png", "a.xml", "a.json", "b.png", "b.xml")
    (tmp_path / "labels.csv").write_text("id,label\na,cat\nb,dog\n")
    rest = dict.fromkeys(("a.xml", "a.json", "b.xml"), "does not list it")
    check(find(tmp_path), {"a.png": "cat", "b.png": "dog"}, rest)


def test_paths_tell_files_of_one_name_apart(tmp_path):
    lay(tmp_path, "x/one/a.png", "x/two/a.png", "y/two/a.png")
    (tmp_path / "t.csv").write_text("path,label\none/a.png,cat\nx/two/a.png,dog\ntwo/a.png,dog\n")
    found = find(tmp_path, table="t.csv")
    lost = {"t.csv, line 4": "2 files are called two/a.png", "y/two/a.png": "does not list it"}
    check(found, {"x/one/a.png": "cat", "x/two/a.png": "dog"}, lost)


# A million rows


def with_rows(root: Path, rows: int) -> Path:
    """A flat folder with a table that has so many rows of files that are not there."""
    lay(root, *FILES)
    with open(root / "labels.csv", "w") as file:
        file.write(PLAIN)
        for i in range(rows // 10):
            file.write("".join(f"{i}_{j}.jpg,cat\n" for j in range(10)))
    return root


def test_a_million_rows_become_a_short_report(tmp_path):
    found = find(with_rows(tmp_path, 1_000_000))
    assert found.seen == 1_000_004 and len(found.pictures) == 4 and len(found.problems) == 1001
    assert found.problems[-1].file == "999,000 more" and found.problems[-1].count == 999_000


def peak_of(root: Path) -> int:
    """Bytes that looking for pictures takes at most."""
    tracemalloc.start()
    try:
        find(root)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_rows(tmp_path):
    few, many = (peak_of(with_rows(tmp_path / str(rows), rows)) for rows in (5_000, 20_000))
    assert many < few + 200_000 and few < 10e6  # 15,000 rows of two texts would take 2 MB


def test_a_file_without_line_ends_does_not_fill_the_memory(tmp_path):
    with_table(tmp_path, PLAIN.encode() + b"x" * 30_000_000)
    assert peak_of(tmp_path) < 20e6
    found = find(tmp_path)
    assert len(found.pictures) == 4 and found.problems


# Tables of which nothing can come

REFUSED = {
    "empty": (b"", "an empty file"),
    "blank": (b"\n\n\n", "no rows"),
    "header only": (b"file,label\n", "holds no row that leads to an image"),
    "wrong columns": (b"x,y,z\n1,2,3\n", r"reads: x, y, z. It needs the name of a column of files \(file, filename"),
    "no classes": (b"file,width,height\na.png,1,1\n", "and of one of classes"),
    "one column": (b"file\na.png\n", "It needs the name of a column"),
    "no file is there": (
        b"file,label\nx.png,cat\ny.png,dog\n",
        "2 left out, such as labels.csv, line 2: there is no file x.png; add the file",
    ),
    "one class": (b"file,label\na.png,cat\nb.png,cat\n", "one class, cat"),
    "train alone": (b"file,label,split\na.png,cat,train\nb.png,dog,train\n", "has train/ and no val/ or test/"),
    "an Excel file": (b"PK\x03\x04" + bytes(50), "is a zip archive. Save it as CSV"),
    "an old Excel file": (b"\xd0\xcf\x11\xe0" + bytes(50), "an old Office document"),
    "a picture": (PNG_FILE, "is a PNG picture. Save it as CSV"),
    "a web page": (b"<!doctype html><html>", "is a web page"),
    "noise": (np.random.default_rng(1).bytes(3000), "table labels.csv is|first row of labels.csv"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_table_of_which_nothing_can_come_is_refused_in_a_sentence(tmp_path, name):
    table, words = REFUSED[name]
    with pytest.raises(CourseError, match=words) as refusal:
        find(with_table(tmp_path, table), table="labels.csv")
    assert "\n" not in str(refusal.value) and str(refusal.value).isprintable()


@pytest.mark.parametrize("table", ["none.csv", "sub", "pipe.csv", "nul\0.csv", "n" * 5000, "/dev/zero"])
def test_a_table_that_is_no_file_is_refused(tmp_path, table):
    lay(tmp_path, *FILES, "sub/")
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(CourseError, match="There is no table"):
        find(tmp_path, table=table)
