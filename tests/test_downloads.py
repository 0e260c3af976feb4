"""Downloads from a server that misbehaves: the right bytes in the end, or one sentence; and never half a file.

pytest tests/test_downloads.py
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import json
import os
import random
import subprocess
import sys
import tarfile
import time
from dataclasses import replace
from pathlib import Path

import pytest
from bad_server import BadServer

from course_lib.downloads import addresses, sets
from course_lib.downloads.addresses import Refused, check_address
from course_lib.downloads.entry import File, RealSet
from course_lib.downloads.fetch import Patience, fetch, read_state
from course_lib.downloads.keeping import remove, verify
from course_lib.downloads.places import downloads_dir, own_folder, part_path, place, record_path
from course_lib.downloads.sets import download
from course_lib.errors import CourseError

QUICK = Patience(stall=0.5, tries=3, pause=0.01)
noise = random.Random(0).randbytes  # the same in the processes that tests start
PICTURES = {f"toy/{kind}/{i}.bin": noise(9_000) for kind in ("ants", "bees") for i in range(10)}


def archive_of(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(out.getvalue(), mtime=0)


CONTENT = archive_of(PICTURES)
OTHER = archive_of({"toy/new.bin": noise(len(CONTENT) - 400)})
SIZE = len(CONTENT)
assert SIZE > 150_000


@pytest.fixture
def server():
    with BadServer() as running:
        yield running


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("COURSE_DATA", raising=False)
    return tmp_path / "cache" / "downloads" / "toy"


def toy(*homes: str, content: bytes = CONTENT, checked: bool = True, **changes) -> RealSet:
    """A set of one archive, `toy/`."""
    known = {
        "bytes": len(content),
        "md5": hashlib.md5(content).hexdigest(),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    file = File("toy.tar.gz", homes, "toy", "tar", **(known if checked else {"about": len(content)}))
    file = replace(file, **changes)
    return RealSet(
        "toy", "Toys", "boxes", 2, 20, "MIT", "nobody", "https://example.org", (file,), "made here", "dogworld", 32
    )


def is_whole(folder: Path) -> bool:
    return {str(p.relative_to(folder)): p.read_bytes() for p in (folder / "toy").rglob("*.bin")} == PICTURES


def nothing_half(folder: Path, entry: RealSet) -> bool:
    """Nothing under a final name, and the set is not taken to be here."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    return not any(name for name in names if not name.startswith(".")) and place(entry) is None


WELL = {
    "at once": [],
    "cut off, three times": ["cut 50000", "cut 60000", "cut 30000"],
    "cut off in the first bytes": ["cut 1"],
    "no answer": ["drop"],
    "stalls": ["stall 40000", "stall 40000"],
    "stalls before the first byte": ["stall 0"],
    "a fault of the server": [500, 503],
    "too many requests": [429, 429],
    "the length is not said": ["unsaid"],
    "in chunks": ["chunked"],
    "compressed on the way": ["gzip"],
    "no ranges": ["cut 50000", "whole"],
    "another part than asked for": ["cut 50000", 416],
}


@pytest.mark.parametrize("faults", WELL.values(), ids=WELL)
def test_the_right_bytes_in_the_end(server, own, faults):
    entry = toy(server.put("toy.tar.gz", CONTENT, faults))
    assert download(entry, patience=QUICK) == own == place(entry)
    assert is_whole(own)
    assert {path.name for path in own.iterdir()} == {"toy", ".course"}  # no archive, no part is left
    assert not server.things["toy.tar.gz"].faults
    asked = len(server.asked("toy.tar.gz"))
    download(entry, patience=QUICK)
    assert len(server.asked("toy.tar.gz")) == asked


BADLY = {
    "forbidden": ([403], "refuses the file to this machine (403)"),
    "gone": ([404], "does not have the file any more (404)"),
    "another status": ([418], "answered with status 418"),
    "nothing in it": ([204], "status 204, which brings no file"),
    "always a fault": ([500] * 9, "it has a fault (500)"),
    "always busy": ([429] * 9, "asks us to come back later (429)"),
    "a network that wants a login": ([511], "asks for a login first (511)"),
    "a login page": (["login"], "a login page of the network"),
    "a login page in disguise": (["disguised"], "a login page of the network"),
    "sent on to a login page": (["to http://192.0.2.1/login"], "not https: a login page of the network"),
    "sent on to a file": (["to file:///etc/passwd"], "sends us on in a circle, or to what is no web address (302)"),
    "says that it is longer": (["more"] * 9, f"another file now, of {SIZE + 100:,} bytes instead of {SIZE:,}"),
    "says that it is shorter": (["less"] * 9, f"of {SIZE - 100:,} bytes instead of {SIZE:,}"),
    "half of it": (["other"] * 9, f"it sends {SIZE // 2:,} bytes instead of {SIZE:,}: another file, or a login page"),
    "other bytes": (["wrong"], "its SHA-256 is"),
    "always cut off at once": (["cut 0"] * 9, f"the connection ended after 0 of {SIZE:,} bytes"),
    "some bytes at a time, for ever": (["cut 10"] * 9, "the connection ended after"),
    "always silent": (["stall 0"] * 9, "it sent nothing for 0.5 s"),
}


@pytest.mark.parametrize(("faults", "why"), BADLY.values(), ids=BADLY)
def test_one_sentence_and_nothing_half(server, own, faults, why):
    entry = toy(server.put("toy.tar.gz", CONTENT, faults))
    with pytest.raises(CourseError) as caught:
        download(entry, patience=replace(QUICK, tries=2))
    text = str(caught.value)
    assert why in text and entry.files[0].addresses[0] in text
    assert f"into {own}" in text and "course data fetch toy" in text  # by hand
    assert 'load_images("dogworld")' in text  # meanwhile
    assert "\n" not in text
    assert nothing_half(own, entry)
    server.things["toy.tar.gz"].faults.clear()  # the next day
    download(entry, patience=QUICK)
    assert is_whole(own)


@pytest.mark.parametrize(("faults", "why"), BADLY.values(), ids=BADLY)
def test_the_mirror_helps(server, own, faults, why):
    entry = toy(server.put("toy.tar.gz", CONTENT, faults), server.put("mirror/toy.tar.gz", CONTENT))
    download(entry, patience=replace(QUICK, tries=1))
    assert is_whole(own)
    assert len(server.asked("mirror/toy.tar.gz")) == 1


def test_nobody_is_there(own):
    entry = toy("http://127.0.0.1:9/toy.tar.gz", "https://192.0.2.1/toy.tar.gz")
    with pytest.raises(CourseError, match="refused the connection") as caught:
        download(entry, patience=QUICK)
    assert "tests run without a network" in str(caught.value)  # the second address was tried too
    assert nothing_half(own, entry)


def test_what_has_arrived_is_not_asked_for_again(server, own):
    entry = toy(server.put("toy.tar.gz", CONTENT, ["cut 50000", "cut 40000"]))
    download(entry, patience=QUICK)
    first, second, third = server.asked("toy.tar.gz")
    assert (first.range, second.range, third.range) == (None, "bytes=50000-", "bytes=90000-")
    assert second.if_range == third.if_range and second.if_range.startswith('"')
    assert first.sent + second.sent + third.sent == SIZE
    assert is_whole(own)


def test_it_goes_on_another_day(server, own):
    entry = toy(server.put("toy.tar.gz", CONTENT, ["cut 50000", 403]))
    with pytest.raises(CourseError):
        download(entry, patience=QUICK)
    assert part_path(entry, entry.files[0]).stat().st_size == 50_000
    download(entry, patience=QUICK)
    assert server.asked("toy.tar.gz")[-1].range == "bytes=50000-"
    assert is_whole(own)


def test_a_login_page_does_not_cost_what_has_arrived(server, own):
    entry = toy(server.put("toy.tar.gz", CONTENT, ["cut 50000", "login", "disguised"]))
    for _ in range(2):
        with pytest.raises(CourseError):
            download(entry, patience=replace(QUICK, tries=1))
    assert part_path(entry, entry.files[0]).stat().st_size == 50_000


def test_nor_where_no_length_is_known(server, own):
    """A login page is told by what it is, before anything that has arrived is given up for it."""
    for page in ("login", "disguised"):
        entry = toy(server.put("toy.tar.gz", CONTENT, ["cut 50000", page]), checked=False)
        with pytest.raises(CourseError, match="a login page of the network"):
            download(entry, patience=QUICK)
        assert part_path(entry, entry.files[0]).stat().st_size == 50_000
        server.put("toy.tar.gz", CONTENT)
        download(entry, patience=QUICK)
        assert is_whole(own)
        remove(entry)


def test_an_answer_that_begins_elsewhere_is_not_used(server, own):
    entry = toy(server.put("toy.bin", CONTENT, ["cut 50000", "shifted"]), checked=False, kind="", gives="toy.bin")
    download(entry, patience=QUICK)
    assert (own / "toy.bin").read_bytes() == CONTENT
    assert [asked.range for asked in server.asked("toy.bin")] == [None, "bytes=50000-", None]


def test_the_mirror_goes_on_where_the_first_home_ended(server, own):
    entry = toy(server.put("toy.tar.gz", CONTENT, ["cut 50000", 404]), server.put("mirror", CONTENT))
    download(entry, patience=QUICK)
    (asked,) = server.asked("mirror")
    assert asked.range == "bytes=50000-" and asked.if_range is None and asked.sent == SIZE - 50_000
    assert is_whole(own)


def test_without_a_checksum_no_two_homes_are_mixed(server, own):
    entry = toy(server.put("toy.tar.gz", CONTENT, ["cut 50000", 404]), server.put("mirror", CONTENT), checked=False)
    download(entry, patience=QUICK)
    assert server.asked("mirror")[0].range is None
    assert is_whole(own)


@pytest.mark.parametrize("fault", ["change", "deaf"])
def test_a_file_that_changes_midway_comes_anew(server, own, fault):
    """`change`: If-Range tells the server; `deaf`: it does not listen, and its ETag tells us."""
    entry = toy(server.put("toy.tar.gz", CONTENT, ["cut 50000"], after=OTHER), content=OTHER, checked=False)
    with pytest.raises(CourseError):
        download(entry, patience=replace(QUICK, tries=0))
    server.things["toy.tar.gz"].content, server.things["toy.tar.gz"].version = OTHER, 2
    server.things["toy.tar.gz"].faults = ["deaf"] if fault == "deaf" else []
    download(entry, patience=QUICK)
    assert [path.name for path in (own / "toy").iterdir()] == ["new.bin"]
    assert server.asked("toy.tar.gz")[1].range == "bytes=50000-"
    assert server.asked("toy.tar.gz")[-1].sent == len(OTHER)


def test_a_part_without_a_mark_of_its_version_is_only_trusted_where_a_checksum_tells(server, own):
    for checked, asked_for in ((True, "bytes=50000-"), (False, None)):
        entry = toy(server.put("toy.tar.gz", CONTENT, ["cut 50000"], marks=False), checked=checked)
        download(entry, patience=QUICK)
        assert server.asked("toy.tar.gz")[1].range == asked_for
        assert is_whole(own)
        remove(entry)


def test_a_damaged_part_is_found_out_and_fetched_anew(server, own):
    entry = toy(server.put("toy.tar.gz", CONTENT, ["cut 50000", 403]))
    with pytest.raises(CourseError):
        download(entry, patience=QUICK)
    part = part_path(entry, entry.files[0])
    part.write_bytes(bytes(50_000))
    download(entry, patience=QUICK)
    assert is_whole(own)
    assert server.asked("toy.tar.gz")[-1].range is None


def test_redirects_are_followed(server, own):
    entry = toy(server.put("toy.tar.gz", CONTENT, [f"to {server.address('moved')}"]))
    server.put("moved", CONTENT)
    download(entry, patience=QUICK)
    assert is_whole(own)


def test_redirects_in_a_circle_end(server, own):
    entry = toy(server.put("toy.tar.gz", CONTENT, [f"to {server.address('toy.tar.gz')}"] * 20))
    with pytest.raises(CourseError, match="in a circle"):
        download(entry, patience=QUICK)


@pytest.mark.parametrize("address", ["http://example.org/a", "ftp://127.0.0.1/a", "file:///etc/passwd", "https:///a"])
def test_only_https_is_asked(address, own):
    with pytest.raises(Refused, match="not an https address"):
        check_address(address)
    with pytest.raises(CourseError, match="not an https address"):
        download(toy(address), patience=QUICK)


def test_a_distant_answer_may_not_send_us_to_this_machine():
    redirects = addresses._Redirects(here=False)
    with pytest.raises(Refused, match="not https"):
        redirects.redirect_request(None, None, 302, "", {}, "http://127.0.0.1:8888/login")


def test_the_first_download_counts_where_no_checksum_is_published(server, own):
    entry = toy(server.put("toy.tar.gz", CONTENT), checked=False)
    download(entry, patience=QUICK)
    book = json.loads((downloads_dir() / "checksums.json").read_text())
    assert book == {"toy/toy.tar.gz": hashlib.sha256(CONTENT).hexdigest()}
    remove(entry)
    server.put("toy.tar.gz", OTHER)
    with pytest.raises(CourseError, match="the file at its home was changed"):
        download(entry, patience=QUICK)
    assert nothing_half(own, entry)
    server.put("toy.tar.gz", CONTENT)
    download(entry, patience=QUICK)
    assert is_whole(own)


def test_a_file_placed_by_hand_is_checked_and_unpacked_without_a_network(own):
    entry = toy("https://192.0.2.1/toy.tar.gz")
    own.mkdir(parents=True)
    (own / "toy.tar.gz").write_bytes(CONTENT[:-1])
    with pytest.raises(CourseError, match="not the right file: it has"):
        download(entry, patience=QUICK)
    assert place(entry) is None
    (own / "toy.tar.gz").write_bytes(CONTENT)
    download(entry, patience=QUICK)
    assert is_whole(own)


def test_a_wrong_archive_with_the_right_checksum_is_refused(server, own):
    bad = archive_of({"../outside.bin": b"x" * 100})
    entry = toy(server.put("toy.tar.gz", bad), content=bad)
    with pytest.raises(CourseError, match="a place outside of its folder"):
        download(entry, patience=QUICK)
    assert nothing_half(own, entry)
    empty = archive_of({"else/a.bin": b"x" * 100})
    entry = toy(server.put("toy.tar.gz", empty), content=empty)
    with pytest.raises(CourseError, match="it holds no toy"):
        download(entry, patience=QUICK)
    assert nothing_half(own, entry)


def test_what_kills_leave_is_not_read_and_is_mended(server, own, monkeypatch):
    """Stopped at each step after the download: the next start ends well, and nothing counts before."""
    entry = toy(server.put("toy.tar.gz", CONTENT))
    steps = ["unpack", "write_pending", "settle_record", "forget"]
    for number, step in enumerate(steps):
        with monkeypatch.context() as patch:
            patch.setattr(sets, step, _stop)
            if step == "unpack":  # a real kill runs no clean-up either
                patch.setattr(sets.shutil, "rmtree", lambda *_, **__: None)
            with pytest.raises(KeyboardInterrupt):
                download(entry, patience=QUICK)
        assert (place(entry) is None) == (number < 3)
        (own / ".unpacking-abcd" / "toy").mkdir(parents=True)
        (own / ".unpacking-abcd" / "toy" / "half.bin").write_bytes(b"x")
        download(entry, patience=QUICK)
        assert is_whole(own)
        assert list(own.glob(".unpacking-*")) == [] or step == "forget"
        assert len(server.asked("toy.tar.gz")) == number + 1  # the archive that was there was used
        remove(entry)


def _stop(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_the_disk_is_full(server, own, monkeypatch):
    entry = toy(server.put("toy.tar.gz", CONTENT))
    usage = type("Usage", (), {"free": SIZE})
    with monkeypatch.context() as patch:
        patch.setattr(sets.shutil, "disk_usage", lambda path: usage)
        with pytest.raises(CourseError, match="Make room, or set COURSE_CACHE"):
            download(entry, patience=QUICK)
    assert server.asked("toy.tar.gz") == []

    real = open

    def full(path, mode="r", *rest, **more):
        if str(path).endswith("7.bin"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, mode, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr("builtins.open", full)
        with pytest.raises(CourseError, match=r"could not be unpacked .* the download is kept"):
            download(entry, patience=QUICK)
    assert place(entry) is None and (own / "toy.tar.gz").exists()
    download(entry, patience=QUICK)
    assert is_whole(own) and len(server.asked("toy.tar.gz")) == 1


def test_progress_goes_up_to_the_end(server, own):
    told = []
    entry = toy(server.put("toy.tar.gz", CONTENT, ["cut 50000"]))
    download(entry, progress=lambda *what: told.append(what), patience=QUICK)
    done = [at for what, at, total in told if what == "toy.tar.gz"]
    assert done == sorted(done) and done[-1] == SIZE
    assert {total for what, _, total in told} == {SIZE}
    assert {"toy.tar.gz", "checking toy.tar.gz"} <= {what for what, *_ in told}


CHILD = """
import sys
from test_downloads import toy, QUICK
from course_lib.downloads.sets import download
download(toy(sys.argv[1]), patience=QUICK)
print("done")
"""


def test_two_processes_fetch_it_once(server, own):
    entry = toy(server.put("toy.tar.gz", CONTENT, ["stall 40000"]))
    command = [sys.executable, "-c", CHILD, entry.files[0].addresses[0]]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ["PYTHONPATH"]])}
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [child.communicate(timeout=60)[0].strip() for child in both] == ["done", "done"]
    assert is_whole(own)
    assert sum(asked.sent for asked in server.asked("toy.tar.gz")) == SIZE  # none of it twice


def test_a_killed_process_is_continued(server, own):
    entry = toy(server.put("toy.tar.gz", CONTENT, ["stall 70000"]))
    command = [sys.executable, "-c", CHILD.replace("QUICK)", "None)"), entry.files[0].addresses[0]]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ["PYTHONPATH"]])}
    part = part_path(entry, entry.files[0])
    with subprocess.Popen(command, env=environment) as child:
        try:
            while child.poll() is None and not (part.exists() and part.stat().st_size == 70_000):
                time.sleep(0.02)
        finally:
            child.kill()
    assert nothing_half(own, entry)
    download(entry, patience=QUICK)
    assert [asked.range for asked in server.asked("toy.tar.gz")] == [None, "bytes=70000-"]
    assert is_whole(own)


def test_verify_finds_what_was_changed(server, own):
    entry = toy(server.put("toy.tar.gz", CONTENT))
    download(entry, patience=QUICK)
    assert [fault for _, fault in verify(entry)] == [""] * 20
    (own / "toy" / "ants" / "0.bin").write_bytes(bytes(9_000))
    (own / "toy" / "ants" / "1.bin").write_bytes(b"short")
    (own / "toy" / "ants" / "2.bin").unlink()
    faults = {path.name: fault for path, fault in verify(entry) if fault}
    assert set(faults) == {"0.bin", "1.bin", "2.bin"}
    assert (
        "content was changed" in faults["0.bin"] and "5 bytes" in faults["1.bin"] and "No such file" in faults["2.bin"]
    )


def test_remove_takes_what_was_placed_and_nothing_else(server, own):
    entry = toy(server.put("toy.tar.gz", CONTENT))
    download(entry, patience=QUICK)
    (own / "toy" / "notes.txt").write_text("mine")
    (own.parent / "other").mkdir()
    assert remove(entry) > 180_000
    assert [path for path in own.rglob("*") if path.is_file()] == [own / "toy" / "notes.txt"]
    assert (own.parent / "other").is_dir()
    assert place(entry) is None
    (own / "toy" / "notes.txt").unlink()
    assert remove(entry) == 0 and not own.exists()


def test_remove_takes_parts(server, own):
    entry = toy(server.put("toy.tar.gz", CONTENT, ["cut 50000", 403]))
    with pytest.raises(CourseError):
        download(entry, patience=QUICK)
    assert remove(entry) > 50_000 and not own.exists()


def test_a_removal_that_is_killed_leaves_nothing_to_read(server, own, monkeypatch):
    entry = toy(server.put("toy.tar.gz", CONTENT))
    download(entry, patience=QUICK)
    from course_lib.downloads import keeping

    with monkeypatch.context() as patch:
        patch.setattr(keeping, "_unlink", _stop)
        with pytest.raises(KeyboardInterrupt):
            remove(entry)
    assert (own / "toy").is_dir() and place(entry) is None
    assert remove(entry) > 180_000 and not own.exists()


def test_the_shared_folder_is_looked_at_first_and_never_written(tmp_path, own, monkeypatch):
    entry = toy("https://192.0.2.1/toy.tar.gz")
    shared = tmp_path / "lab"
    (shared / "toy").mkdir(parents=True)
    (shared / "toy" / "a.bin").write_bytes(b"a")
    for named in (shared, shared / "toy"):
        monkeypatch.setenv("COURSE_DATA", str(named))
        assert place(entry) == download(entry, patience=QUICK) == shared
    assert not own.exists() and remove(entry) == 0
    assert [path.name for path in shared.rglob("*")] == ["toy", "a.bin"]
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "cache"))
    for act in (download, remove):
        with pytest.raises(CourseError, match="lies inside COURSE_DATA"):
            act(entry)


def test_an_empty_shared_folder_does_not_count(tmp_path, monkeypatch):
    (tmp_path / "lab" / "toy").mkdir(parents=True)
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "lab"))
    assert place(toy("https://192.0.2.1/toy.tar.gz")) is None


def test_a_link_as_the_folder_of_downloads_is_not_written(tmp_path, own):
    (tmp_path / "elsewhere").mkdir()
    own.parent.mkdir(parents=True)
    own.symlink_to(tmp_path / "elsewhere")
    for act in (download, remove):
        with pytest.raises(CourseError, match="is a link"):
            act(toy("https://192.0.2.1/toy.tar.gz"))


def test_a_record_without_its_files_does_not_count(server, own):
    entry = toy(server.put("toy.tar.gz", CONTENT))
    download(entry, patience=QUICK)
    record = record_path(entry, entry.files[0])
    facts = json.loads(record.read_text())
    assert facts["address"] == entry.files[0].addresses[0]
    assert set(facts["files"]) == set(PICTURES)
    record.write_text("{")
    assert place(entry) is None
    record.unlink()
    assert place(entry) is None


def test_a_state_that_cannot_be_read_starts_anew(server, own):
    entry = toy(server.put("toy.tar.gz", CONTENT, ["cut 50000", 403]))
    with pytest.raises(CourseError):
        download(entry, patience=QUICK)
    part = part_path(entry, entry.files[0])
    assert read_state(part).total == SIZE
    part.with_name(part.name + ".json").write_text("[1]")
    download(entry, patience=QUICK)
    assert server.asked("toy.tar.gz")[-1].range is None and is_whole(own)


def test_a_file_is_fetched_by_itself(server, tmp_path):
    address = server.put("a.bin", CONTENT, ["cut 1000"])
    file = toy(address).files[0]
    assert fetch(address, file, tmp_path / "part", patience=QUICK) is False
    assert (tmp_path / "part").read_bytes() == CONTENT
    assert fetch(address, file, tmp_path / "part", patience=QUICK) is True  # all was there
    assert own_folder(toy(address)).name == "toy"
