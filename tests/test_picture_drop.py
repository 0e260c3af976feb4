"""PictureDrop without a page: pieces of files in any order, names that no folder takes, limits, and what is left on the disk."""

from __future__ import annotations

import io
import os
import random
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from course_lib.errors import CourseError
from course_lib.widgets.drop_folder import DropFolder
from course_lib.widgets.incoming import QUIET, Incoming
from course_lib.widgets.picture_drop import PictureDrop
from course_lib.widgets.safe_names import safe_name


def photo(seed: int = 0, side: int = 24, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture
def drop(tmp_path):
    made = PictureDrop(tmp_path / "mine", classes=("cat", "dog"))
    made.answers = []
    made.send = lambda message, buffers=None: made.answers.append(message)
    yield made
    made.close()


def pieces(
    data: bytes, name: str, label: str = "cat", size: int = 400, id: str = "a"
) -> list[tuple[dict, list[bytes]]]:
    """The messages in which a page sends a file."""
    starts = range(0, max(len(data), 1), size)
    about = {"id": id, "name": name, "label": label, "size": len(data)}
    return [({"piece": {**about, "at": at}}, [data[at : at + size]]) for at in starts]


def receive(drop, messages) -> None:
    for content, buffers in messages:
        drop._handle_custom_msg(content, buffers)  # as ipywidgets does with a message of the page
    drop.join()


def on_disk(drop) -> set[str]:
    return {str(path.relative_to(drop.folder)) for path in drop.folder.rglob("*") if path.is_file()}


# Pieces


@pytest.mark.parametrize("order", ["forward", "backward", "shuffled", "twice"])
def test_pieces_make_the_file_in_any_order(drop, order):
    data = photo()
    messages = pieces(data, "a.png")
    assert len(messages) > 3
    if order == "backward":
        messages.reverse()
    elif order == "shuffled":
        random.Random(3).shuffle(messages)
    elif order == "twice":
        messages = [message for message in messages for _ in (0, 1)][:-1]
    receive(drop, messages)
    assert (drop.folder / "cat" / "a.png").read_bytes() == data and drop.counts == {"cat": 1, "dog": 0}
    assert drop.answers[-1] == {"got": "a", "bytes": len(data), "state": "done", "said": ""}
    assert len(drop.answers) == len(messages) and drop.problems == [] and len(drop.incoming) == 0


def test_a_file_that_never_ends_leaves_nothing(drop):
    receive(drop, pieces(photo(), "a.png")[:-1])
    assert drop.answers[-1]["state"] == "more" and len(drop.incoming) == 1
    assert not drop.folder.exists()
    drop.close()
    assert len(drop.incoming) == 0 and not drop.folder.exists()


def test_what_is_quiet_for_long_is_given_up():
    now = [0.0]
    incoming = Incoming(largest=1000, clock=lambda: now[0])
    about = {"id": "a", "name": "a", "label": "", "size": 4}
    assert incoming.take({**about, "at": 0}, b"12").file is None
    now[0] = QUIET + 1
    assert incoming.take({**about, "at": 2}, b"34").file is None  # the first half is gone
    assert incoming.take({**about, "at": 0}, b"12").file.data == b"1234"


def test_two_files_at_once_do_not_mix(drop):
    one, other = photo(1), photo(2)
    mixed = [
        m
        for pair in zip(pieces(one, "x.png", id="a"), pieces(other, "x.png", "dog", id="b"), strict=False)
        for m in pair
    ]
    missing = [m for m in (*pieces(one, "x.png", id="a"), *pieces(other, "x.png", "dog", id="b")) if m not in mixed]
    receive(drop, mixed + missing)
    assert (drop.folder / "cat" / "x.png").read_bytes() == one and (drop.folder / "dog" / "x.png").read_bytes() == other


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size": 60_000_000}, "up to 50 MB"),
        ({"at": 10**9}, "does not fit"),
        ({"at": -1}, "does not fit"),
        ({"size": -5}, "without what it belongs to"),
        ({"size": 1.5}, "without what it belongs to"),
        ({"name": 7}, "without what it belongs to"),
        ({"id": "x" * 65}, "without what it belongs to"),
    ],
)
def test_a_piece_that_cannot_be_is_refused_and_answered(drop, change, words):
    receive(drop, [({"piece": {"id": "a", "name": "a.png", "label": "cat", "size": 9, "at": 0} | change}, [b"123"])])
    assert drop.answers[-1]["state"] == "refused" and words in drop.answers[-1]["said"]
    assert words in drop.problems[0].reason and len(drop.incoming) == 0 and not drop.folder.exists()


def test_pieces_that_overlap_are_refused(drop):
    about = {"id": "a", "name": "a.png", "label": "cat", "size": 100}
    receive(drop, [({"piece": {**about, "at": 0}}, [bytes(10)]), ({"piece": {**about, "at": 5}}, [bytes(10)])])
    assert [answer["state"] for answer in drop.answers] == ["more", "refused"] and "overlap" in drop.problems[0].reason


def test_too_much_at_one_time_is_refused():
    incoming = Incoming(largest=400_000_000)
    about = {"name": "a", "label": "", "size": 300_000_000, "at": 0}
    incoming.take({**about, "id": "a"}, b"1")
    with pytest.raises(CourseError, match="Too much"):
        incoming.take({**about, "id": "b"}, b"1")
    incoming.forget("a")
    incoming.take({**about, "id": "b"}, b"1")


def test_a_file_that_is_given_up_or_that_the_browser_cannot_read(drop):
    receive(drop, pieces(photo(), "a.png")[:2])
    receive(drop, [({"do": "cancel", "with": {"ids": ["a"]}}, [])])
    assert len(drop.incoming) == 0 and drop.problems == []
    lost = {"name": "b.png", "label": "cat", "why": "NotReadableError"}
    receive(drop, [({"do": "unreadable", "with": lost}, [])])
    assert drop.problems[0].file == "b.png" and "NotReadableError" in drop.problems[0].reason


def test_a_page_may_call_nothing_but_the_commands(drop):
    for name in ("close", "add", "arrived", "_keep", "__init__", None):
        receive(drop, [({"do": name, "with": {}}, [])])
        assert "has no command" in str(drop.error)


# Names


NAMES = {
    "../../etc/passwd.png": "passwd.png",
    "/abs/olute.png": "olute.png",
    "C:\\Users\\me\\rex.png": "rex.png",
    "..": "picture",
    "nul\0byte.png": "nul byte.png",
    "line\nbreak.png": "line break.png",
    "a:b*c?.png": "a-b-c-.png",
    "CON.png": "CON-.png",
    "  spaces  .png": "spaces.png",
    "dots....png": "dots.png",
    "🐕 rex.png": "🐕 rex.png",
    "cafe\u0301.png": "caf\u00e9.png",
    "\udcff.png": "?.png".replace("?", "-"),
    "e" * 300 + ".png": "e" * 100 + ".png",
    "ж" * 300 + ".jpeg": "ж" * 50 + ".jpeg",
    "no suffix": "no suffix",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_made_one_that_every_disk_takes(drop, name):
    receive(drop, pieces(photo(), name))
    assert on_disk(drop) == {f"cat/{NAMES[name]}"}, drop.problems


@pytest.mark.parametrize("label", ["../out", "/tmp/out", "..", ".", "", " ", "\0", ".hidden", "a/b"])
def test_a_class_never_leads_out_of_the_folder(drop, label, tmp_path):
    receive(drop, pieces(photo(), "a.png", label))
    outside = {path for path in tmp_path.rglob("*") if path.is_file()} - set(drop.folder.rglob("*"))
    assert outside == set()
    assert len(on_disk(drop)) + len(drop.problems) == 1  # kept below the folder, or said


def test_classes_that_differ_in_capitals_are_one(drop):
    receive(drop, pieces(photo(1), "a.png", "Cat") + pieces(photo(2), "A.PNG", "cat", id="b"))
    assert on_disk(drop) == {"cat/a.png", "cat/A-2.PNG"}


def test_system_files_are_named_and_make_no_class(drop):
    receive(drop, pieces(b"x", ".DS_Store") + pieces(photo(), "a.png", "__MACOSX", id="b"))
    assert [problem.remedy for problem in drop.problems] == ["nothing to do"] * 2 and list(drop.counts) == [
        "cat",
        "dog",
    ]


@pytest.mark.parametrize("classes", ["cat", ("cat", 3), ("..",), ("",)])
def test_classes_that_are_none_are_refused(tmp_path, classes):
    with pytest.raises(CourseError, match="class"):
        PictureDrop(tmp_path / "x", classes)


# What is kept


def test_the_same_bytes_are_kept_once_and_said(drop):
    data = photo()
    drop.add(data, "a.png", "cat")
    assert drop.add(data, "b.png", "cat") == [] and drop.add(data, "b.png", "dog") == []
    assert drop.problems[0].remedy == "nothing to do"
    assert "remove it there" in drop.problems[1].remedy and on_disk(drop) == {"cat/a.png"}


def test_another_picture_of_the_same_name_gets_a_number(drop):
    kept = [drop.add(photo(seed), "a.png", "cat")[0] for seed in range(3)]
    assert kept == ["cat/a.png", "cat/a-2.png", "cat/a-3.png"]


BROKEN = {
    "empty.jpg": b"",
    "text.jpg": b"hello",
    "cut.png": photo(1)[:300],
    "x.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(9),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_picture_is_named_and_not_kept(drop, name):
    receive(drop, pieces(BROKEN[name], name))
    (problem,) = drop.problems
    assert problem.file == name and problem.reason and problem.remedy and drop.answers[-1]["state"] == "refused"
    assert on_disk(drop) == set() and problem.reason in drop.answers[-1]["said"]


def test_a_zip_makes_classes_and_names_what_it_left_out(drop):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for i, name in enumerate(("cat/1.png", "cow/2.png", "cow/3.png")):
            made.writestr(name, photo(i))
        made.writestr("cow/readme.txt", "hello")
        made.writestr("../evil.png", photo(9))
    assert sorted(drop.add(buffer.getvalue(), "set.zip")) == ["cat/1.png", "cow/2.png", "cow/3.png"]
    assert drop.counts == {"cat": 1, "dog": 0, "cow": 2}
    named = " ".join(problem.file for problem in drop.problems)
    assert "readme.txt" in named and "evil.png" in named and all(p.file.startswith("set.zip") for p in drop.problems)


def test_a_zip_of_one_class_joins_the_others(drop):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("cow/1.png", photo(1))
        made.writestr("cow/2.png", photo(2))
    assert len(drop.add(buffer.getvalue(), "cows.zip")) == 2
    assert drop.counts == {"cat": 0, "dog": 0, "cow": 2} and drop.problems == []


def test_a_long_zip_shows_how_far_it_is(drop, monkeypatch):
    monkeypatch.setattr("course_lib.widgets.picture_drop.PAUSE", 0.0)
    shown, show = [], drop.live.show
    drop.live.show = lambda **state: shown.append(sum(c["count"] for c in state["classes"])) or show(**state)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for i in range(12):
            made.writestr(f"{'cow' if i % 2 else 'owl'}/{i}.png", photo(i))
    receive(drop, pieces(buffer.getvalue(), "set.zip", label="", size=4000))
    assert [count for count in range(1, 13) if count in shown] == list(range(1, 13)) and shown[-1] == 12


def test_a_broken_zip_is_named(drop):
    assert drop.add(b"PK\3\4 and no more", "set.zip") == []
    assert drop.problems[0].file == "set.zip" and "dropped.zip" not in drop.problems[0].reason


def test_a_new_widget_finds_what_is_there_and_the_course_reads_it(tmp_path):
    import course_lib as cl

    first = PictureDrop(tmp_path / "mine", ("cat", "dog"))
    for label, seeds in (("cat", range(6)), ("dog", range(6, 12))):
        for seed in seeds:
            first.add(photo(seed), f"{seed}.png", label)
    first.remove("cat", "0.png")
    first.close()
    again = PictureDrop(tmp_path / "mine")
    assert again.counts == {"cat": 5, "dog": 6} and again.folder == tmp_path / "mine"
    images = cl.load_images(again.folder)
    assert images.classes == ("cat", "dog") and len(images.labels) == 11 and len(images.left_out) == 0


def test_folders_with_names_that_the_widget_would_not_give_are_shown(tmp_path):
    names = ["caf\u0065\u0301", "two  spaces", "a:b"] + (["\udcff"] if os.name == "posix" else [])
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(photo())
    drop = PictureDrop(tmp_path, ["Caf\u00e9", "new"])
    assert drop.counts == {"caf\u0065\u0301": 1, "new": 0, "a:b": 1, "two  spaces": 1}


# Changes


def test_remove_and_undo(drop):
    drop.add(photo(1), "a.png", "cat")
    drop.add(photo(2), "b.png", "cat")
    drop.remove("cat", "a.png")
    drop.add(photo(3), "a.png", "cat")
    drop.rename_class("cat", "kitten")
    drop.undo()
    assert on_disk(drop) == {"kitten/a.png", "kitten/a-2.png", "kitten/b.png"}
    assert (drop.folder / "kitten" / "a-2.png").read_bytes() == photo(1)
    with pytest.raises(CourseError, match="Nothing was removed"):
        drop.undo()


@pytest.mark.parametrize("name", ["../dog/b.png", "/etc/passwd", "", "none.png"])
def test_only_pictures_that_are_there_can_be_removed_or_looked_at(drop, name):
    drop.add(photo(1), "a.png", "cat")
    drop.add(photo(2), "b.png", "dog")
    receive(drop, [({"do": "remove", "with": {"label": "cat", "name": name}}, [])])
    assert "There is no picture" in str(drop.error)
    receive(drop, [({"do": "thumbs", "with": {"wanted": [["cat", name], ["cat", "a.png"]]}}, [])])
    assert [answer["thumb"][1] for answer in drop.answers if "thumb" in answer] == ["a.png"]
    assert on_disk(drop) == {"cat/a.png", "dog/b.png"}


def test_classes_change_their_names(drop):
    drop.add(photo(1), "a.png", "cat")
    with pytest.raises(CourseError, match="class Dog already"):
        drop.rename_class("cat", "Dog")
    drop.rename_class("cat", "Cat")
    assert on_disk(drop) == {"Cat/a.png"}
    with pytest.raises(CourseError, match="has pictures"):
        drop.remove_class("Cat")
    drop.remove_class("dog")
    assert drop.counts == {"Cat": 1}


def test_pictures_of_two_threads_and_of_code_are_all_kept(drop):
    def work(label: str, first: int) -> None:
        for seed in range(first, first + 10):
            drop.add(photo(seed), "same.png", label)

    threads = [threading.Thread(target=work, args=(label, first)) for label, first in (("cat", 0), ("cat", 100))]
    for thread in threads:
        thread.start()
    receive(drop, [m for seed in range(200, 210) for m in pieces(photo(seed), "same.png", id=str(seed))])
    for thread in threads:
        thread.join()
    assert drop.counts["cat"] == 30 and drop.problems == []


def test_a_folder_that_is_full_is_said(drop, monkeypatch):
    monkeypatch.setattr("course_lib.widgets.drop_folder.MOST_FILES", 1)
    drop.add(photo(1), "a.png", "cat")
    assert drop.add(photo(2), "b.png", "cat") == [] and "full" in drop.problems[0].reason


def test_a_link_to_elsewhere_is_no_class(drop, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    drop.folder.mkdir()
    (drop.folder / "cat").symlink_to(tmp_path / "elsewhere")
    drop.add(photo(), "a.png", "cat")
    assert "link" in drop.problems[0].reason and list((tmp_path / "elsewhere").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_an_answer_to_the_page(drop):
    drop.folder.write_text("a file")
    receive(drop, pieces(photo(), "a.png"))
    assert drop.answers[-1]["state"] == "refused" and "could not be written" in drop.answers[-1]["said"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "mine").write_text("")
    with pytest.raises(CourseError, match="is a file"):
        DropFolder(tmp_path / "mine")


def test_half_written_files_of_a_killed_kernel_are_swept_when_they_are_old(tmp_path):
    coming = tmp_path / "mine" / ".coming"
    coming.mkdir(parents=True)
    for name, age in (("old.part", 7200), ("new.part", 5)):
        (coming / name).write_bytes(b"half")
        then = (coming / name).stat().st_mtime - age
        os.utime(coming / name, (then, then))
    drop = DropFolder(tmp_path / "mine")
    assert [path.name for path in coming.iterdir()] == ["new.part"] and drop.classes == []


# What it shows


def test_it_shows_pictures_and_words_without_a_kernel(drop):
    empty, _ = drop._repr_mimebundle_()
    assert empty["text/plain"] == "PictureDrop: cat: 0 pictures, dog: 0 pictures."
    drop.add(photo(1, 60, "JPEG"), "a$1_$x.jpg", "cat")
    full, about = drop._repr_mimebundle_()
    assert full["image/png"] != empty["image/png"] and "cat: 1 picture," in about["image/png"]["alt"]


def test_names_in_folders_hold_no_surprises():
    for text in NAMES:
        made = safe_name(text, "picture")
        assert made == Path(made).name and len(made.encode()) <= 120 and made not in (".", "..")
