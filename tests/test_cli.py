"""course_lib/cli.py and doctor.py: every wrong call is answered by one sentence; JupyterLab stays on this machine.

pytest tests/test_cli.py

That `course run` runs lessons is tested in test_lessons.py.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from PIL import Image

from course_lib import cli, doctor
from course_lib.errors import CourseError
from course_lib.models import load

COURSE = [sys.executable, "-m", "course_lib.cli"]


@pytest.fixture(autouse=True)
def two_lessons(tmp_path, write_lesson, monkeypatch):
    """Two lessons stand for the course's own; only the first one has images to choose. Neither is ever run here."""
    folder = tmp_path / "lessons"
    folder.mkdir()
    write_lesson(
        folder / "04_dogs.ipynb", "# Dogs", "parameters:size = 'small'\nimages = 'dogworld'\nweights = 'animals'"
    )
    write_lesson(folder / "05_harm.ipynb", "# Harm", "parameters:size = 'small'")
    monkeypatch.setattr("course_lib.lessons.notebooks_dir", lambda: folder)


@pytest.mark.parametrize(
    "command, said",
    [
        ("", "COMMAND"),
        ("rnu 04", "'rnu' (choose from"),
        ("run 07", "There is no lesson '07'. Lessons: 04_dogs, 05_harm."),
        ("run --sizes small", "does not know --sizes; it knows --help, --images, --model, --weights, --size"),
        ("run --size big", "'big' (choose from"),
        ("run --seeds 0", "a whole number from 1 on is needed, received '0'"),
        ("run --seeds many", "received 'many'"),
        ("run --images", "--images: expected one argument"),
        ("run 04 --images no/such/folder", "--images no/such/folder: there is no such file or folder"),
        ("run 04 --weights missing.safetensors", "--weights missing.safetensors: there is no such file or folder"),
        ("run 04 --weights dir\\net", "there is no such file or folder"),
        ("run 05 --images dogworld", "05_harm has no parameter 'images'; it has size."),
        ("run --images dogworld", "05_harm has no parameter 'images'"),
        ("run 04 --out {file}/pages", "--out"),
        ("doctor now", "`course doctor` does not know now"),
        ("pretrain", "NAME"),
        ("lab --ip=0.0.0.0", "listens on this machine only"),
        ("lab --ip 0.0.0.0", "listens on this machine only"),
        ("lab --ServerApp.ip=*", "listens on this machine only"),
        ("lab --IdentityProvider.token=", "keeps its access token"),
        ("lab --ServerApp.password=x", "keeps its access token"),
    ],
)
def test_a_wrong_call_is_answered_by_one_sentence(command, said, tmp_path, capsys, monkeypatch):
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setattr("course_lib.lessons.run", lambda *_: pytest.fail("a lesson was started"))
    assert cli.main(command.format(file=file).split()) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("course: ") and err.count("\n") == 1
    assert said in err


def photos(folder, classes, count=6):
    """A folder of class folders with tiny pictures."""
    for name in classes:
        (folder / name).mkdir(parents=True)
        for i in range(count):
            Image.new("RGB", (20, 20), (40 * i, 90, 0)).save(folder / name / f"{i}.png")
    return folder


def test_existing_paths_are_made_absolute_and_names_stay(tmp_path, monkeypatch):
    photos(tmp_path / "photos", ("ants", "bees"))
    monkeypatch.chdir(tmp_path)
    given = {"images": "photos", "weights": "animals", "seeds": 3}
    assert cli._check(given) == {"images": str(tmp_path / "photos"), "weights": "animals", "seeds": 3}


def test_what_cannot_work_is_refused_before_a_kernel_starts(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("course_lib.lessons.run", lambda *_: pytest.fail("a lesson was started"))
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("not a folder")
    photos(tmp_path / "one", ("ants",))
    torch.save(torch.nn.Linear(2, 2), tmp_path / "whole_model.pth")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    load("resnet18", ("a", "b")).save(tmp_path / "resnet18.safetensors")
    for options, said in (
        ("--images empty", "holds no images in class folders"),
        ("--images text.txt", "is a file"),
        ("--images one", "has one class, ants"),
        ("--model resnet81 --weights DEFAULT", "There is no model named 'resnet81'"),
        ("--model resnet18", "--model resnet18 needs --weights"),
        ("--weights cats", "No weights named 'cats'"),
        ("--weights whole_model.pth", "not a plain state dict"),
        ("--weights cut.safetensors", "not a safetensors file, or is cut off"),
        ("--model mobilenet_v2 --weights resnet18.safetensors", "does not hold weights of mobilenet_v2"),
    ):
        monkeypatch.chdir(tmp_path)
        status = cli.main(["run", "04", *options.split(), "--out", str(tmp_path / "pages")])
        out, err = capsys.readouterr()
        assert (status, out) == (2, "") and err.startswith("course: ") and err.count("\n") == 1, options
        assert said in err, err
        assert not (tmp_path / "pages").exists()


def test_an_error_of_the_course_while_running_is_a_sentence_and_ctrl_c_a_word(tmp_path, capsys, monkeypatch):
    def raising(error):
        def run(*_):
            raise error

        return run

    monkeypatch.setattr("course_lib.lessons.run", raising(CourseError("No room left.")))
    assert cli.main(["run", "04", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "course: No room left.\n"
    monkeypatch.setattr("course_lib.lessons.run", raising(KeyboardInterrupt()))
    assert cli.main(["run", "04", "--out", str(tmp_path)]) == 130
    assert capsys.readouterr().err.strip() == "course: stopped."


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send to a process")
def test_ctrl_c_stops_a_running_cell_and_its_kernel(tmp_path, write_lesson):
    lesson = write_lesson(
        tmp_path / "long.ipynb",
        "# Long",
        "code:import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(600)",
    )
    command = [*COURSE, "run", str(lesson), "--out", str(tmp_path / "runs")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    pid = tmp_path / "pid"
    _wait(lambda: pid.exists() and pid.read_text() != "")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.strip() == "course: stopped."
    _wait(lambda: not _alive(int(pid.read_text())))
    assert list((tmp_path / "runs").iterdir()) == []


def test_lab_gives_jupyterlab_this_python_this_machine_and_the_rest_of_the_line(monkeypatch):
    started = []

    class Server:
        def __init__(self, command, env):
            started.append((command, env))

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def wait(self):
            return 0

    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "Popen", Server)
        cli.main(["lab", "--no-browser", "--port", "9999"])
    ((command, env),) = started
    assert command[:3] == [sys.executable, "-m", "jupyterlab"]
    asks = "import json, jupyterlab_server.settings_utils as s; print(json.dumps(s._get_overrides('.')[0]))"
    overrides = json.loads(
        subprocess.run([sys.executable, "-c", asks], env=env, capture_output=True, check=True).stdout
    )
    assert overrides["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"
    assert "--ServerApp.ip=127.0.0.1" in command and command[-3:] == ["--no-browser", "--port", "9999"]
    assert not [word for word in command if "token" in word]


def test_output_that_nobody_reads_to_its_end_is_no_error():
    with subprocess.Popen([*COURSE, "data"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_doctor_says_what_is_here(capsys, tmp_path, monkeypatch):
    weights = tmp_path / "weights"
    weights.mkdir()
    monkeypatch.setattr(doctor, "weights_dir", lambda: weights)
    assert cli.main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "missing  No pretrained nets" in out and "-> " in out and out.endswith("Missing: weights.\n")
    (weights / "animals.safetensors").touch()
    assert cli.main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "Python 3." in out and "torch 2." in out and "pretrained nets: animals" in out
    assert "missing" not in out.lower()


def test_doctor_finds_an_old_torch_and_a_foreign_kernel(monkeypatch):
    monkeypatch.setattr(doctor, "version", lambda name: "2.5.1+cpu")
    check = doctor._package("torch", doctor.TORCH)
    assert (check.state, check.text) == ("missing", "torch 2.5.1+cpu is too old") and "torch>=2.6" in check.remedy
    monkeypatch.setattr(doctor.sys, "executable", "/elsewhere/bin/python")
    spec = type("Spec", (), {"argv": ["/other/bin/python3"]})
    monkeypatch.setattr("jupyter_client.kernelspec.KernelSpecManager.get_kernel_spec", lambda *_: spec)
    assert "/other/bin/python3" in doctor._kernel().text


def test_version(capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--version"])
    assert stopped.value.code == 0 and capsys.readouterr().out.startswith("course ")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")  # a kernel that ended, but was not waited for, counts as ended
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def _wait(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def test_the_cache_is_listed_checked_and_cleared(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    assert cli.main(["cache"]) == 0
    assert "is empty" in capsys.readouterr().out
    assert cli.main(["cache", "clear", "--fix"]) == 2
    assert "--fix belongs to `course cache verify`" in capsys.readouterr().err


def test_a_sweep_from_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "mine.py").write_text("def double(config):\n    return {'twice': 2 * config['x']}\n")
    assert cli.main(["sweep", f"{tmp_path / 'mine.py'}:double", "--set", "x=1,20"]) == 0
    assert "40" in capsys.readouterr().out
    assert cli.main(["sweep", f"{tmp_path / 'mine.py'}:single", "--set", "x=1"]) == 2
    assert "single" in capsys.readouterr().err


def test_pretraining_photos_without_a_folder_says_where_they_are(capsys):
    assert cli.main(["pretrain", "photos"]) == 2
    assert "--images" in capsys.readouterr().err
