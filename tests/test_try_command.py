"""`course try`: refuses what is no model before a server starts; a page with a token; nothing left after Ctrl-C."""

from __future__ import annotations

import argparse
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from toys import toy_images

import course_lib as cl
from course_lib.errors import CourseError
from course_lib.taking_home import try_command

RUN = """
import argparse, sys
from course_lib.taking_home.try_command import add_arguments, command
parser = argparse.ArgumentParser()
add_arguments(parser)
sys.exit(command(parser.parse_args()))
"""
WITHOUT = """
import course_lib.taking_home.try_command as command_module
command_module.voila_is_here = lambda: False
"""


class Served:
    """`course try` in a process of its own.

    Attributes:
        address: of the page, with its token. token: alone. server: without both.
    """

    def __init__(self, model: Path, folder: Path, code: str = RUN) -> None:
        environment = os.environ | {"TMPDIR": str(folder)}
        command = [sys.executable, "-c", code, str(model), "--no-browser"]
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        giving_up = threading.Timer(120, self.process.kill)
        giving_up.start()
        said = ""
        for line in self.process.stdout:
            said += line
            if "Ctrl-C" in line:
                break
        giving_up.cancel()
        found = re.search(r"(http://127\.0\.0\.1:\d+)/\S*\?token=(\w+)", said)
        assert found, said
        self.address, self.server, self.token = found[0], found[1], found[2]

    def stop(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)

    def left(self) -> list[int]:
        """Processes that have the token in their environment: the server, and kernels that it started."""
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                if self.token.encode() in path.read_bytes():
                    found.append(int(path.parent.name))
            except OSError:  # another user's, or gone
                continue
        return found


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    images = toy_images()
    net = cl.load("pawnet", images.classes)
    return net.export(tmp_path_factory.mktemp("model") / 'it\'s "my" dogs.safetensors', images)


@pytest.fixture(params=["voila", "jupyterlab"])
def served(model, tmp_path, request) -> Iterator[Served]:
    if request.param == "voila":
        pytest.importorskip("voila")
    made = Served(model, tmp_path, RUN if request.param == "voila" else WITHOUT + RUN)
    yield made
    if made.process.poll() is None:
        made.process.kill()
        made.process.wait(10)


def status(address: str) -> int:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), try_command._Stay())
    try:
        with opener.open(address, timeout=60) as found:
            return found.status
    except urllib.error.HTTPError as error:
        return error.code


def test_the_page_asks_for_its_token_and_is_gone_afterwards(served, tmp_path, request):
    page = served.address.partition("?")[0]
    for address in (page, f"{page}?token=wrong", f"{served.server}/api/kernels", f"{served.server}/api/contents"):
        assert status(address) in (302, 403, 404), address
    assert status(served.address) == 200
    host, port = "127.0.0.1", int(served.server.rpartition(":")[2])
    with socket.socket() as other:  # only loopback is listened on
        other.settimeout(1)
        assert other.connect_ex((host, port)) == 0
    if Path("/proc/self/environ").exists():
        assert served.left()
        listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        assert [place for place in listening if place.endswith(f":{port:04X}") and place.startswith("00000000")] == []
        arguments = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in served.left()]
        assert not any(served.token.encode() in line for line in arguments)  # every user could read them
    voila = "voila" in request.node.name
    assert served.stop(signal.SIGINT if voila else signal.SIGTERM) == 0  # Ctrl-C, or a closed terminal and the like
    for _ in range(100):  # a kernel's last moments
        if not served.left():
            break
        time.sleep(0.1)
    assert served.left() == []
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("course-try")] == []


@pytest.mark.parametrize("name", ["none.safetensors", "text.safetensors", "folder", "dogs.jpg"])
def test_what_is_no_model_is_refused_before_a_server_starts(tmp_path, monkeypatch, name):
    (tmp_path / "text.safetensors").write_text("no model")
    (tmp_path / "dogs.jpg").write_text("no model")
    (tmp_path / "folder").mkdir()
    monkeypatch.setattr(try_command, "_server", lambda *_: pytest.fail("a server was started"))
    with pytest.raises(CourseError):
        try_command.command(argparse.Namespace(model=tmp_path / name, port=0, no_browser=True))


def test_a_port_that_is_taken_or_none_is_refused():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        with pytest.raises(CourseError, match=f"--port {number} cannot be used"):
            try_command.free_port(number)
    for number in (-1, 70000):
        with pytest.raises(CourseError, match="from 1 to 65535"):
            try_command.free_port(number)
    assert try_command.free_port(0) > 0


def test_the_notebook_names_the_model_whatever_it_is_called(tmp_path):
    import nbformat

    model = tmp_path / "a'b\"c\\d\n.safetensors"
    try_command.write_notebook(tmp_path / "try.ipynb", model)
    source = nbformat.read(tmp_path / "try.ipynb", as_version=4).cells[-1].source
    found = {}
    exec(
        source.replace("from course_lib.widgets import TryModel", "TryModel = lambda path: found.update(path=path)"),
        {"found": found},
    )
    assert found["path"] == str(model)


def test_a_server_that_would_show_the_page_to_anyone_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(try_command, "answer", lambda address: 200)
    with pytest.raises(CourseError, match="to anyone"):
        try_command._wait(argparse.Namespace(poll=lambda: None), 1, tmp_path)


def test_a_server_that_ends_at_once_is_said_with_its_last_words(tmp_path):
    (tmp_path / "log").write_text("one\ntwo\nno module named voila\n")
    with pytest.raises(CourseError, match="no module named voila"):
        try_command._wait(argparse.Namespace(poll=lambda: 1), 1, tmp_path)


def test_the_browser_is_opened_by_a_file_that_holds_the_address(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    try_command._open(tmp_path, "http://127.0.0.1:1/?token=secret")
    assert "secret" not in opened[0] and "token=secret" in (tmp_path / "open.html").read_text()
