"""Killed at any moment: the way from a download to an exported model, by SIGKILL, and it ends as if nothing had happened.

pytest tests/test_killed.py                     # 10 kills, two in each step of the way
COURSE_KILLS=50 pytest tests/test_killed.py     # more of them, by hand

The steps: download (and unpack), decode, remember and train (with a checkpoint), export. A child process goes the whole way and
says which step it begins; it is killed at a random moment within the time that this step takes. After each kill all files with
their final names have to be whole, and the next child begins where they are.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import io
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import safetensors.torch
from PIL import Image
from toys import differing

from course_lib.cache.cached import check_all
from course_lib.downloads.entry import File, RealSet
from course_lib.downloads.places import downloads_dir
from course_lib.sources import load_images
from course_lib.taking_home.opening import open_model

KILLS = int(os.environ.get("COURSE_KILLS", "10"))
STEPS = ("download", "decode", "remember", "train", "export")
PIECE, PAUSE = (
    8_192,
    0.004,
)  # the server sends this many bytes, then waits so many seconds: a download that takes a while

# One process imports torch; a child of it goes the way. Lines are written whole: a kill would leave half of one.
SCRIPT = """
import os, sys
import torch
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
from test_killed import go
import course_lib.downloads.sets, course_lib.sources.folder, course_lib.taking_home.exporting, course_lib.training.train
print("ready", flush=True)
for line in sys.stdin:
    base, address = line.split()
    child = os.fork()
    if child == 0:
        say = lambda word: os.write(1, f"{word} {os.getpid()}\\n".encode())
        try:
            go(base, address, say)
        except BaseException as error:
            import traceback
            traceback.print_exc()
            say("failed")
        os._exit(0)
    os.write(1, f"ended {os.waitpid(child, 0)[1]}\\n".encode())
"""


def go(base: str, address: str, say) -> None:
    """The whole way; each step finds what an earlier start has done."""
    import course_lib as cl
    from course_lib.downloads.sets import download

    os.environ["COURSE_CACHE"] = f"{base}/cache"
    say("download")
    photos = download(entry(address)) / "photos"
    say("decode")
    images = cl.load_images(photos, size=64)
    say("remember")
    net = cl.load("pawnet", images.classes, "animals")
    stages = [cl.Stage(frozen=-1, epochs=3, batch=8), cl.Stage(frozen=4, epochs=4, batch=8)]
    begun = False
    for record in cl.fit(net, images, stages, device="cpu", checkpoint=f"{base}/run.safetensors", save_every=0.0):
        if record.phase == "train" and not begun:
            begun = True
            say("train")
    say("export")
    net.export(f"{base}/dogs.safetensors", images, licence="drawn by the course")
    say("done")


def entry(address: str) -> RealSet:
    """A set of real files at an address on this machine."""
    file = File("photos.zip", (address,), "photos", "zip", about=1_000_000)
    words = dict.fromkeys(("title", "what", "licence", "citation", "home", "source"), "for a test")
    return RealSet("killed", classes=2, images=120, files=(file,), meanwhile="dogworld", size=64, **words)


@pytest.fixture(scope="module")
def archive() -> bytes:
    """A zip of a folder of drawn dogs as JPEG files."""
    dogs = load_images("dogworld")
    rows = [row for row in dogs.rows("train").tolist() if dogs.labels[row] < 2][:120]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        for row in rows:
            picture = io.BytesIO()
            big = Image.fromarray(dogs.images[row].permute(1, 2, 0).numpy()).resize((320, 320))
            big.save(picture, "JPEG", quality=90)
            out.writestr(f"photos/{dogs.classes[dogs.labels[row]]}/{row}.jpg", picture.getvalue())
    return file.getvalue()


@pytest.fixture(scope="module")
def address(archive: bytes) -> Iterator[str]:
    """Where the zip can be had: slowly, and from any byte on."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
            self.send_response(206 if "Range" in self.headers else 200)
            self.send_header("ETag", '"one"')
            self.send_header("Content-Length", str(len(archive) - start))
            if "Range" in self.headers:
                self.send_header("Content-Range", f"bytes {start}-{len(archive) - 1}/{len(archive)}")
            self.end_headers()
            try:
                for at in range(start, len(archive), PIECE):
                    self.wfile.write(archive[at : at + PIECE])
                    time.sleep(PAUSE)
            except OSError:  # the other end was killed
                pass

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/photos.zip"
        server.shutdown()


class Starter:
    """The process that children are forked from."""

    def __init__(self, address: str) -> None:
        command = [sys.executable, "-c", SCRIPT, str(Path(__file__).parent)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
        self.address = address
        self.process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, **pipes)
        assert self.process.stdout.readline() == "ready\n"

    def start(self, base: Path, kill_in: str = "", after: float = 0.0) -> dict[str, float]:
        """Go the way in `base`, killed so many seconds after a step began; step -> when it began. Empty when killed."""
        print(base, self.address, file=self.process.stdin)
        began: dict[str, float] = {}
        for line in self.process.stdout:
            word, number = line.split()
            if word == "ended":
                assert int(number) in (0, signal.SIGKILL), number
                return {} if int(number) else began
            assert word != "failed"
            began[word] = time.monotonic()
            if word == kill_in:
                time.sleep(after)
                with contextlib.suppress(ProcessLookupError):  # it came to its end
                    os.kill(int(number), signal.SIGKILL)
        raise AssertionError("the starter ended")


@pytest.fixture
def starter(address: str) -> Iterator[Starter]:
    one = Starter(address)
    yield one
    one.process.stdin.close()
    one.process.wait(60)


def whole(base: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is there under its final name, after it was found to be whole."""
    monkeypatch.setenv("COURSE_CACHE", str(base / "cache"))
    faults = [(path, fault) for path, fault in check_all() if fault and not path.name.endswith(".part")]
    assert not faults, faults
    there = []
    if (base / "dogs.safetensors").exists():
        assert open_model(base / "dogs.safetensors").card
        there.append("model")
    if (base / "run.safetensors").exists():
        with safetensors.safe_open(base / "run.safetensors", "pt") as file:
            assert json.loads(file.metadata()["card"])["place"]
        there.append("run")
    photos = downloads_dir() / "killed" / "photos"
    if photos.exists():
        names = sorted(photos.rglob("*.jpg"))
        assert len(names) == 120
        for path in names:
            Image.open(path).load()
        there.append("photos")
    return there


def ends(base: Path) -> tuple[str, dict]:
    """What the way has come to: the bytes of the photos, and the weights."""
    digest = hashlib.sha256()
    for path in sorted((base / "cache" / "downloads" / "killed" / "photos").rglob("*.jpg")):
        digest.update(path.read_bytes())
    return digest.hexdigest(), safetensors.torch.load_file(base / "dogs.safetensors")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a fresh process for each start would take minutes; POSIX forks")
def test_killed_on_the_way_and_it_ends_as_if_nothing_had_happened(starter, tmp_path, monkeypatch):
    reference = tmp_path / "reference"
    reference.mkdir()
    began = starter.start(reference)
    assert list(began) == [*STEPS, "done"]
    whole(reference, monkeypatch)
    photos, weights = ends(reference)
    times = list(began.values())
    takes = {step: after - before for step, before, after in zip(STEPS, times[:-1], times[1:], strict=True)}

    draw, killed, number = random.Random(5), dict.fromkeys(STEPS, 0), 0
    base = tmp_path / "0"
    base.mkdir()
    for _ in range(50 * KILLS):
        if sum(killed.values()) == KILLS:
            break
        step = min(STEPS, key=killed.__getitem__)
        if starter.start(base, step, draw.uniform(0, takes[step])):  # it came to its end first: begin elsewhere
            assert whole(base, monkeypatch) == ["model", "run", "photos"]
            assert ends(base)[0] == photos and differing(ends(base)[1], weights) == []
            number += 1
            base = tmp_path / str(number)
            base.mkdir()
        else:
            killed[step] += 1
            whole(base, monkeypatch)
    assert sum(killed.values()) == KILLS, f"{50 * KILLS} starts were not enough for {KILLS} kills: {killed}"
    assert "done" in starter.start(base)
    assert whole(base, monkeypatch) == ["model", "run", "photos"]
    assert ends(base)[0] == photos and differing(ends(base)[1], weights) == []
