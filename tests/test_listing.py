"""Folders, tables and zips as readers have them: each file ends as a picture with its class, or in a line of the report."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile import CAT_DOG, JPEG, PNG_FILE, TWO, Changed, check, lay

from course_lib.errors import CourseError
from course_lib.pictures import found as found_module
from course_lib.pictures import walking
from course_lib.pictures.found import NOTHING_TO_DO
from course_lib.pictures.listing import find
from course_lib.pictures.reading import read_picture

# Class folders


def test_class_folders(tmp_path):
    found = find(lay(tmp_path, *TWO))
    check(found, CAT_DOG)
    assert found.layout == "class folders" and found.root == str(tmp_path) and found.classes == ("cat", "dog")
    assert [picture.name for picture in found.pictures] == TWO and {p.split for p in found.pictures} == {None}
    assert all(read_picture(picture.path, 16).pixels is not None for picture in found.pictures)


def test_pictures_in_folders_inside_a_class_belong_to_it(tmp_path):
    check(find(lay(tmp_path, *TWO, "cat/2019/may/c.png")), CAT_DOG | {"cat/2019/may/c.png": "cat"})


def test_one_folder_around_all_is_looked_through(tmp_path):
    lay(tmp_path / "download" / "photos", *TWO)
    check(find(tmp_path), {f"download/photos/{name}": label for name, label in CAT_DOG.items()})


def test_split_folders(tmp_path):
    names = [f"{split}/{name}" for split in ("Train", "validation", "testing") for name in TWO]
    found = find(lay(tmp_path, *names, "readme.txt", "train.png", "extra/c.png", "Train/loose.png"))
    outside = "outside of"
    lost = {"readme.txt": outside, "train.png": outside, "extra/c.png": outside, "Train/loose.png": outside}
    check(found, {name: name.split("/")[1] for name in names}, lost)
    assert found.layout == "split folders"
    assert Counter(picture.split for picture in found.pictures) == {"train": 4, "val": 4, "test": 4}


def test_files_beside_the_class_folders(tmp_path):
    check(find(lay(tmp_path, *TWO, "loose.png")), CAT_DOG, {"loose.png": "no class"})


def test_a_table_beside_the_class_folders_is_not_used_and_told(tmp_path):
    lay(tmp_path, *TWO, "labels.csv", data=b"file,label\ncat/a.png,dog\n")
    check(find(tmp_path), CAT_DOG, {"labels.csv": "a table beside"})


def test_an_empty_class_folder_is_a_class(tmp_path):
    assert find(lay(tmp_path, *TWO, "wolf/")).classes == ("cat", "dog", "wolf")


HIDDEN = [".DS_Store", "._a.png", "Thumbs.db", "desktop.ini", "Desktop.ini", ".hidden.png", "ehthumbs.db", "Icon\r"]
HIDDEN_FOLDERS = [".git", "@eaDir", ".ipynb_checkpoints", "__MACOSX", "$RECYCLE.BIN", ".Trash-1000"]


@pytest.mark.parametrize("name", HIDDEN)
@pytest.mark.parametrize("place", ["", "cat/"])
def test_hidden_and_system_files_need_nothing_to_be_done(tmp_path, name, place):
    found = find(lay(tmp_path, *TWO, place + name))
    check(found, CAT_DOG, {place + name.replace("\r", r"\r"): "hidden or system file"})
    assert found.problems[0].remedy == NOTHING_TO_DO


@pytest.mark.parametrize("name", HIDDEN_FOLDERS)
@pytest.mark.parametrize("place", ["", "cat/"])
def test_hidden_and_system_folders_are_not_looked_into(tmp_path, name, place):
    found = find(lay(tmp_path, *TWO, f"{place}{name}/c.png", f"{place}{name}/d/e.png"))
    check(found, CAT_DOG, {place + name: "hidden or system folder"})


STRANGE = {
    "a b c": "a b c",
    "line\nbreak": r"line\nbreak",
    "tab\tbell\x07": r"tab\tbell\x07",
    "\U0001f436\U0001f431": "\U0001f436\U0001f431",
    "caf\u00e9": "caf\u00e9",
    "cafe\u0301": "cafe\u0301",
    "\u202egpj.txt": r"\u202egpj.txt",
    "\udcff\udcfe": r"\udcff\udcfe",
    "n" * 250: "n" * 250,
    "=HYPERLINK(1)": "=HYPERLINK(1)",
    "<script>": "<script>",
    "-rf": "-rf",
    "%s %(a)s {0}": "%s %(a)s {0}",
}


@pytest.mark.parametrize("name", STRANGE, ids=lambda name: ascii(name)[:20])
def test_names_of_all_sorts(tmp_path, name):
    try:
        lay(tmp_path, *TWO, f"{name}/{name}.png")
    except (OSError, UnicodeError):
        pytest.skip("this system has no such names")
    check(find(tmp_path), CAT_DOG | {f"{STRANGE[name]}/{STRANGE[name]}.png": STRANGE[name]})


def test_a_long_path_and_one_that_is_too_deep(tmp_path):
    long = "cat/" + "/".join(["n" * 100] * 15) + "/c.png"
    lay(tmp_path, *TWO, long)
    deep = "dog/" + "/".join("x" * walking.DEEPEST)
    lay(tmp_path, f"{deep}/c.png")
    check(find(tmp_path), CAT_DOG | {long: "cat"}, {deep: "more than 20 levels"})


def test_a_path_longer_than_the_system_allows_is_a_line_in_the_report(tmp_path, monkeypatch):
    lay(tmp_path, *TWO)
    here = os.open(tmp_path / "cat", os.O_RDONLY)
    try:
        for _ in range(18):
            os.mkdir("n" * 250, dir_fd=here)
            below = os.open("n" * 250, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
    finally:
        os.close(here)
    found = find(tmp_path)
    assert len(found.pictures) == 4 and len(found.problems) == 1 and "cannot be listed" in found.problems[0].reason
    subprocess.run(["rm", "-rf", str(tmp_path / "cat")], check=True)  # Python's own cannot


# Links


def test_links_that_lead_out(tmp_path):
    lay(tmp_path / "elsewhere", "x.png", "more/y.png")
    root = lay(tmp_path / "root", *TWO)
    (root / "cat" / "out.png").symlink_to(tmp_path / "elsewhere" / "x.png")
    (root / "cat" / "up.png").symlink_to("../../elsewhere/x.png")
    (root / "dog" / "more").symlink_to(tmp_path / "elsewhere" / "more")
    (root / "wolf").symlink_to(tmp_path / "elsewhere")
    (root / "parent").symlink_to(tmp_path)
    (root / "passwd").symlink_to("/etc/passwd")
    names = ("cat/out.png", "cat/up.png", "dog/more", "wolf", "parent", "passwd")
    check(find(root), CAT_DOG, dict.fromkeys(names, "a link that leads out of the folder"))


def test_links_in_circles_and_to_nowhere(tmp_path):
    lay(tmp_path, *TWO)
    (tmp_path / "cat" / "one").symlink_to("two")
    (tmp_path / "cat" / "two").symlink_to("one")
    (tmp_path / "cat" / "self.png").symlink_to("self.png")
    (tmp_path / "cat" / "gone.png").symlink_to("not_there.png")
    (tmp_path / "cat" / "root").symlink_to(tmp_path)
    (tmp_path / "dog" / "again").symlink_to("../dog")
    lost = {"cat/one": "circle", "cat/two": "circle", "cat/self.png": "circle", "cat/gone.png": "nowhere"}
    check(find(tmp_path), CAT_DOG, lost | {"cat/root": "read where it lies", "dog/again": "read where it lies"})


def test_links_within_the_folder_are_never_counted_twice(tmp_path):
    lay(tmp_path, *TWO)
    (tmp_path / "dog" / "same.png").symlink_to("../cat/a.png")
    (tmp_path / "wolf").symlink_to("dog")
    check(find(tmp_path), CAT_DOG, {"dog/same.png": "read where it lies", "wolf": "read where it lies"})


def test_links_to_what_is_not_read_otherwise_are_followed_once(tmp_path):
    """As git-annex and DVC keep files: in a hidden folder, with links where they belong."""
    lay(tmp_path, *TWO, ".store/1.png", ".store/2.png", ".store/wolf/3.png", ".store/wolf/more/4.png")
    (tmp_path / "cat" / "one.png").symlink_to("../.store/1.png")
    (tmp_path / "cat" / "two.png").symlink_to("../.store/1.png")
    (tmp_path / "wolf").symlink_to(".store/wolf")
    (tmp_path / "zebra").symlink_to(".store/wolf/more")
    more = {"cat/one.png": "cat", "wolf/3.png": "wolf", "wolf/more/4.png": "wolf"}
    lost = {".store": "hidden", "cat/two.png": "read where it lies", "zebra": "read where it lies"}
    check(find(tmp_path), CAT_DOG | more, lost)


def test_a_link_inside_what_a_link_leads_to(tmp_path):
    lay(tmp_path, *TWO, ".store/wolf/1.png", ".store/old/2.png")
    (tmp_path / ".store" / "wolf" / "back").symlink_to("../wolf")
    (tmp_path / ".store" / "wolf" / "old").symlink_to("../old")
    (tmp_path / "wolf").symlink_to(".store/wolf")
    lost = {".store": "hidden", "wolf/back": "read where it lies"}
    check(find(tmp_path), CAT_DOG | {"wolf/1.png": "wolf", "wolf/old/2.png": "wolf"}, lost)


def test_a_link_to_a_folder_of_which_a_part_was_read_through_another_link(tmp_path):
    lay(tmp_path, *TWO, ".store/1.png", ".store/old/2.png", ".store/old/more/3.png", ".store/4.png")
    (tmp_path / "cat" / "old").symlink_to("../.store/old")
    (tmp_path / "cat" / "one.png").symlink_to("../.store/1.png")
    (tmp_path / "dog" / "store").symlink_to("../.store")
    more = {"cat/old/2.png": "cat", "cat/old/more/3.png": "cat", "cat/one.png": "cat", "dog/store/4.png": "dog"}
    lost = {".store": "hidden", "dog/store/1.png": "read already", "dog/store/old": "read already"}
    check(find(tmp_path), CAT_DOG | more, lost)


def test_the_folder_itself_may_be_a_link(tmp_path):
    lay(tmp_path / "photos", *TWO)
    (tmp_path / "link").symlink_to("photos")
    check(find(tmp_path / "link"), CAT_DOG)


def test_a_path_relative_to_here(tmp_path, monkeypatch):
    lay(tmp_path / "photos", *TWO)
    monkeypatch.chdir(tmp_path)
    check(find("photos"), CAT_DOG)
    check(find(Path("photos/../photos/")), CAT_DOG)
    monkeypatch.chdir(tmp_path / "photos")
    check(find("."), CAT_DOG)
    monkeypatch.setenv("HOME", str(tmp_path))
    check(find("~/photos"), CAT_DOG)


# What is no file, and what changes meanwhile


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
def test_pipes_and_sockets(tmp_path, monkeypatch):
    lay(tmp_path, *TWO)
    os.mkfifo(tmp_path / "cat" / "pipe.png")
    (tmp_path / "dog" / "link.png").symlink_to("../cat/pipe.png")
    monkeypatch.chdir(tmp_path / "cat")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.png")
        check(
            find(tmp_path), CAT_DOG, {"cat/pipe.png": "a pipe", "cat/socket.png": "a socket", "dog/link.png": "a pipe"}
        )


def test_a_folder_that_cannot_be_looked_into(tmp_path, monkeypatch):
    lay(tmp_path, *TWO, "cat/closed/c.png", "cat/gone/d.png", "cat/broken/e.png")
    real = os.scandir

    def scandir(path: str) -> object:
        for name, error in (("closed", PermissionError(13, "no")), ("gone", FileNotFoundError(2, "no")), ("broken", OSError(5, "Input/output error"))):  # fmt: skip
            if os.path.basename(path) == name:
                raise error
        return real(path)

    monkeypatch.setattr(walking, "os", Changed(scandir=scandir))
    check(
        find(tmp_path),
        CAT_DOG,
        {"cat/closed": "without permission", "cat/gone": "went away", "cat/broken": "Input/output"},
    )


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="this system has other rights")
def test_a_folder_without_rights_seen_by_a_user_who_is_not_root(tmp_path):
    lay(tmp_path, *TWO, "cat/closed/c.png")
    for folder in (tmp_path, *tmp_path.parents[:3]):
        if folder.stat().st_uid == os.getuid():
            folder.chmod(folder.stat().st_mode | 0o055)
    (tmp_path / "cat" / "closed").chmod(0)
    code = (
        "import os, sys; from course_lib.pictures.listing import find; "
        "os.setuid(65534) if os.getuid() == 0 else None; found = find(sys.argv[1]); print(len(found.pictures), found.problems)"
    )
    try:
        root = Path(__file__).parents[1]
        said = subprocess.run(
            [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, timeout=120, cwd=root
        )
        assert said.stdout.startswith("4 ") and "without permission" in said.stdout, said
    finally:
        (tmp_path / "cat" / "closed").chmod(0o755)


def test_files_that_go_between_listing_and_reading(tmp_path):
    found = find(lay(tmp_path, *TWO))
    found.pictures[0].path.unlink()
    found.pictures[1].path.write_bytes(JPEG[:500])
    reads = [read_picture(picture.path, 16) for picture in found.pictures]
    assert "gone" in reads[0].reason and "cut off" in reads[1].reason and reads[2].pixels is not None


def test_an_entry_that_goes_while_the_folder_is_listed(tmp_path, monkeypatch):
    lay(tmp_path, *TWO)
    real = os.scandir

    class Gone:
        def __init__(self, entry: os.DirEntry) -> None:
            self.name = entry.name

        def is_symlink(self) -> bool:
            return False

        is_dir = is_file = lambda self, follow_symlinks: False

        def stat(self, follow_symlinks: bool) -> None:
            raise FileNotFoundError(2, "No such file or directory")

    class Listing:
        def __init__(self, path: str) -> None:
            self.entries = real(path)

        def __enter__(self) -> list:
            return [Gone(entry) if entry.name == "b.png" else entry for entry in self.entries]

        def __exit__(self, *error: object) -> None:
            self.entries.close()

        close = __exit__

    lay(tmp_path, "cat/c.png", "dog/c.png")
    monkeypatch.setattr(walking, "os", Changed(scandir=Listing))
    found = find(tmp_path)
    assert [p.reason for p in found.problems] == ["gone while the folder was listed"] * 2 and found.seen == 6


def test_many_problems_of_one_kind_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(found_module, "LISTED", 5)
    found = find(lay(tmp_path, *TWO, *(f"loose{i}.png" for i in range(12))))
    assert len(found.problems) == 6 and found.problems[-1][0] == "7 more" and found.problems[-1].count == 7
    assert found.seen == 16 and sum(problem.count for problem in found.problems) == 12


def test_a_line_of_the_report_that_stands_for_many_counts_them_all(monkeypatch):
    monkeypatch.setattr(found_module, "LISTED", 2)
    problems = found_module.Problems()
    for i in range(6):
        problems.add(f"{i}", f"wrong in this way: {i}", "mend it", count=10, kind="wrong")
    problems.add("other", "wrong", "leave it")
    assert problems.total == 61 == sum(problem.count for problem in problems.lines())
    assert problems.lines()[-1] == ("40 more", "wrong", "mend it", 40) and len(problems.lines()) == 4


# What nothing can come of


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "not there": (lambda root: root.rmdir(), "does not exist"),
    "empty": (lambda root: None, "holds no images in class folders"),
    "folders only": (lambda root: lay(root, "cat/", "dog/deep/"), "holds no images"),
    "loose pictures": (lambda root: lay(root, "a.png", "b.png"), r"2 left out, such as a.png: it lies beside the class folders.*CSV"),
    "one class": (lambda root: lay(root, "dog/a.png", "dog/b.png"), "one class, dog"),
    "train alone": (lambda root: lay(root, "train/cat/a.png", "train/dog/a.png"), "no val/ or test/"),
    "class not in test": (lambda root: lay(root, "train/cat/a.png", "train/dog/a.png", "test/dog/b.png"), "test/ has no images of cat"),
    "hidden only": (lambda root: lay(root, ".cat/a.png", ".dog/a.png"), "holds no images"),
    "all links out": (lambda root: (root / "cat").symlink_to("/"), "such as cat: a link that leads out"),
    "two tables": (lambda root: lay(root, "a.csv", "b.csv", "a.png"), r"2 tables: a.csv, b.csv. Say which one: table='a.csv'"),
    "a text": (lambda root: (root.rmdir(), root.write_text("x")), "is a file, a text file"),
    "a picture": (lambda root: (root.rmdir(), root.write_bytes(PNG_FILE)), "is a file, a PNG picture"),
    "a tar": (lambda root: (root.rmdir(), root.write_bytes(b"\x1f\x8b" + bytes(30))), "a gzip archive"),
    "a pipe": (lambda root: (root.rmdir(), os.mkfifo(root)), "neither a folder nor a file"),
    "a circle": (lambda root: (root.rmdir(), root.symlink_to(root)), "cannot be opened"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_source_of_which_nothing_can_come_is_refused_in_a_sentence(tmp_path, name):
    root = tmp_path / "root"
    root.mkdir()
    make, words = REFUSED[name]
    make(root)
    with pytest.raises(CourseError, match=words) as refusal:
        find(root)
    assert str(root) in str(refusal.value) and "\n" not in str(refusal.value)


@pytest.mark.parametrize("source", ["nul\0", "n" * 5000, "~nobody_of_this_name/photos"])
def test_a_path_that_cannot_be_is_refused(source):
    with pytest.raises(CourseError):
        find(source)


def test_a_whole_disk_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(walking, "MOST", 3)
    with pytest.raises(CourseError, match="more than 3 files"):
        find(lay(tmp_path, *TWO))
