"""`course data`: lists, fetches, verifies, removes, and says how to go on.

pytest tests/test_data_command.py
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bad_server import BadServer
from test_downloads import CONTENT, SIZE, toy

from course_lib.cache.cached import clear
from course_lib.downloads.command import ACTIONS, add_arguments, command
from course_lib.downloads.places import own_folder, part_path
from course_lib.downloads.showing import bar
from course_lib.errors import CourseError
from course_lib.sources.photos import registry
from course_lib.sources.photos.registry import REAL_SETS


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("COURSE_DATA", raising=False)
    return tmp_path / "cache" / "downloads"


@pytest.fixture
def server(monkeypatch):
    """The set `toy` is in the registry, and on a server."""
    with BadServer() as running:
        monkeypatch.setitem(registry.REAL_SETS, "toy", toy(running.put("toy.tar.gz", CONTENT)))
        yield running


def course(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return command(parser.parse_args(arguments))


def test_the_list_names_every_set_with_its_size_and_licence(capsys):
    assert course() == course("list") == 0
    text = capsys.readouterr().out
    for entry in REAL_SETS.values():
        (line, _) = (line for line in text.splitlines() if line.startswith(f"{entry.name} "))
        assert entry.title in line and entry.licence in line and " no " in line
    assert "811 MB" in text and "course data fetch NAME" in text


def test_fetch_list_verify_remove(server, own, capsys):
    assert course("fetch", "toy") == 0
    text = capsys.readouterr().out
    assert "licence: MIT" in text and "100%" in text and f"toy is here: {own / 'toy'}" in text
    assert course("fetch", "toy", "toy") == 0
    assert "is here already" in capsys.readouterr().out
    course()
    assert any(line.startswith("toy ") and " yes " in line for line in capsys.readouterr().out.splitlines())
    assert course("verify") == course("verify", "toy") == 0
    assert "all 20 files are as they came" in capsys.readouterr().out
    (own / "toy" / "toy" / "ants" / "3.bin").write_bytes(b"")
    assert course("verify") == 1
    said = capsys.readouterr()
    assert "3.bin: it has 0 bytes instead of 9,000" in said.err and "1 of 20 files are not as they came" in said.out
    assert course("remove", "toy") == 0
    assert "Removed toy: " in capsys.readouterr().out and not (own / "toy").exists()
    with pytest.raises(CourseError, match="was not downloaded by the course"):
        course("remove", "toy")


def test_clearing_the_cache_leaves_downloads_alone(server, own):
    assert course("fetch", "toy") == 0
    clear()
    assert course("verify", "toy") == 0 and (own / "toy" / "toy").is_dir()


def test_what_has_arrived_is_in_the_list(server, own, capsys):
    server.things["toy.tar.gz"].faults = ["cut 90000", 403]
    with pytest.raises(CourseError, match="refuses the file"):
        course("fetch", "toy")
    course()
    assert any(line.startswith("toy ") and " 90 KB of it " in line for line in capsys.readouterr().out.splitlines())


def test_sets_that_share_their_files_are_removed_together(own, capsys):
    entry = REAL_SETS["pets"]
    own_folder(entry).mkdir(parents=True)
    part_path(entry, entry.files[0]).write_bytes(b"x" * 5000)
    assert course("remove", "pets-dogs") == 0
    assert "Removed pets-dogs (pets, pets-species had the same files): 5.0 KB freed." in capsys.readouterr().out
    assert not own_folder(entry).exists()


def test_info_says_licence_citation_addresses_and_where_to_place_files(capsys, own):
    assert course("info", "pets", "usps") == 0
    text = capsys.readouterr().out
    for entry in (REAL_SETS["pets"], REAL_SETS["usps"]):
        assert entry.licence in text and entry.citation in text and entry.source in text
        for file in entry.files:
            assert all(address in text for address in file.addresses)
            assert str(own / entry.name / file.name) in text
    assert "MD5" in text and "By hand:" in text


def test_a_set_in_the_shared_folder(tmp_path, monkeypatch, capsys):
    for name in ("usps.bz2", "usps.t.bz2"):
        (tmp_path / name).write_bytes(b"x")
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    course()
    text = capsys.readouterr().out
    assert f"yes, in {tmp_path}" in text and f"COURSE_DATA={tmp_path} is looked at first" in text
    assert course("fetch", "usps") == 0 and course("verify", "usps") == 0
    assert "has no list of its files" in capsys.readouterr().out
    with pytest.raises(CourseError, match="is only read"):
        course("remove", "usps")
    assert (tmp_path / "usps.bz2").exists()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("fetch",), "needs the name of a set"),
        (("remove",), "needs the name of a set"),
        (("info",), "needs the name of a set"),
        (("fetch", "pest"), "no real set named pest; there are pets,"),
        (("list", "pets"), "course data info pets"),
        (("verify", "pets"), "not on this machine"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(arguments, why):
    assert arguments[0] in ACTIONS
    with pytest.raises(CourseError, match=why):
        course(*arguments)


def test_listing_takes_no_torch():
    code = "import sys; from course_lib.downloads.command import listing; listing(); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


def test_nothing_to_verify(capsys):
    assert course("verify") == 0
    assert "No set was downloaded" in capsys.readouterr().out


CHILD = """
import sys
from test_downloads import toy
from course_lib.sources.photos import registry
registry.REAL_SETS["toy"] = toy(sys.argv[1])
from test_data_command import course
try:
    course("fetch", "toy")
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_ctrl_c_keeps_what_has_arrived(server, own):
    server.things["toy.tar.gz"].faults = ["stall 70000"]
    path = os.pathsep.join([str(Path(__file__).parent), os.environ["PYTHONPATH"]])
    part = own / "toy" / ".toy.tar.gz.part"
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, server.address("toy.tar.gz")],
        env=os.environ | {"PYTHONPATH": path},
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        while child.poll() is None and not (part.exists() and part.stat().st_size == 70_000):
            time.sleep(0.02)
        child.send_signal(signal.SIGINT)
        text = child.communicate(timeout=30)[1]
    assert child.returncode == 130
    assert "What has arrived is kept; go on with: course data fetch toy" in text and "Traceback" not in text
    assert course("fetch", "toy") == 0
    assert server.asked("toy.tar.gz")[-1].range == "bytes=70000-"


class Terminal(io.StringIO):
    """A text file that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_the_bar_is_one_line_in_a_terminal_and_few_lines_elsewhere():
    for out, newlines in ((Terminal(), 1), (io.StringIO(), 2)):
        with bar(out) as progress:
            for done in range(0, SIZE + 1, SIZE // 500):
                progress("toy.tar.gz", done, SIZE)
            progress("toy.tar.gz", SIZE, SIZE)
        text = out.getvalue()
        assert text.count("\n") <= newlines + 1 and "100%" in text and "0%" in text
        assert ("\r" in text) == out.isatty()
