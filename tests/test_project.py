"""The project around the code: one list of dependencies, one test command, light imports, no network, no pickles.

pytest tests/test_project.py
"""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator

import pytest
import yaml

from course_lib.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TEST_COMMAND = 'pip install -e ".[test]" && pytest'
LARGEST = 5_000_000  # bytes; larger things are generated or downloaded


def test_conda_installs_what_pyproject_lists_and_nothing_of_its_own():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["name"] == PROJECT["name"]
    assert environment["channels"] == ["conda-forge"]
    python, pip, packages = environment["dependencies"]
    assert pip == "pip" and packages == {"pip": ["-e ."]}
    name, _, version = python.partition("=")
    oldest = PROJECT["requires-python"].removeprefix(">=")
    assert name == "python" and _numbers(version) >= _numbers(oldest)


def test_ci_runs_the_readme_s_test_command():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(?:\w+)?\n(.*?)^```", readme, flags=re.DOTALL | re.MULTILINE)
    lines = [
        line.strip().removeprefix("$ ").partition("  #")[0].rstrip() for block in blocks for line in block.splitlines()
    ]
    assert TEST_COMMAND in lines
    assert [line for line in _script().splitlines() if "pip install" in line or "pytest" in line] == [TEST_COMMAND]


def test_ci_stops_at_the_first_error_and_can_be_run():
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
    assert "set -euo pipefail" in _script()
    subprocess.run(["bash", "-n", str(ROOT / ".ci" / "run")], check=True)


def test_no_tracked_file_is_large():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    assert [path.name for path in paths if path.is_file() and path.stat().st_size > LARGEST] == []


def test_no_module_takes_the_place_of_a_public_name():
    """`import course_lib.record` would make `course_lib.record` that module, whatever function had the name."""
    import course_lib

    modules = {path.stem for path in (ROOT / "course_lib").iterdir()}
    assert modules.isdisjoint(course_lib.__all__)


LIGHT = [
    "course_lib",
    "course_lib.cli",
    "course_lib.results",
    "course_lib.lessons",
    "course_lib.sweeps.command",
    "course_lib.progress",
]


@pytest.mark.parametrize("module", LIGHT)
def test_importing_is_light(module):
    heavy = "torch torchvision matplotlib IPython nbconvert papermill ipywidgets anywidget".split()
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    assert _python(code) == "[]"


@pytest.mark.parametrize("path", sorted((ROOT / "course_lib").rglob("*.py")), ids=lambda path: path.stem)
def test_nothing_is_unpickled(path):
    """A pickle can run anything when it is loaded: weights are safetensors, or loaded with weights_only=True."""
    assert list(_unpickling(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "code",
    [
        "pickle.load(file)",
        "pickle.Unpickler(file)",
        "from pickle import loads",
        "import dill",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "numpy.load(path, allow_pickle=True)",
    ],
)
def test_unpickling_would_be_seen(code):
    assert list(_unpickling(code))


def _unpickling(source: str) -> Iterator[str]:
    """The places in a source text that could load a pickle; catching `pickle.UnpicklingError` is none."""
    for node in ast.walk(ast.parse(source)):
        text = ast.unparse(node) if isinstance(node, ast.Attribute | ast.Call | ast.Import | ast.ImportFrom) else ""
        if re.match(r"from (pickle|_pickle|dill|cloudpickle|joblib)\b|import .*\b(dill|cloudpickle|joblib)\b", text):
            yield text
        elif isinstance(node, ast.Attribute) and re.match(r"pickle\.(load|loads|Unpickler)$", text):
            yield text
        elif isinstance(node, ast.Call):
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            unsafe = ast.unparse(node.func) == "torch.load" and given.get("weights_only") != "True"
            if unsafe or given.get("allow_pickle", "False") != "False" or given.get("weights_only") == "False":
                yield text


def test_a_subprocess_has_no_network_but_reaches_this_machine():
    code = """
import socket
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname(), 5).close()
print("here")
for act in (lambda: socket.create_connection(("192.0.2.1", 80), 5), lambda: socket.getaddrinfo("example.org", 80)):
    try:
        act()
    except OSError as error:
        print("refused" if "tests run without a network" in str(error) else error)
"""
    assert _python(code).split() == ["here", "refused", "refused"]


def test_this_process_has_no_network():
    import socket

    with pytest.raises(OSError, match="tests run without a network"):
        socket.create_connection(("192.0.2.1", 80), 5)
    with pytest.raises(OSError, match="tests run without a network"):
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"", ("192.0.2.1", 53))


def test_licenses_are_where_pyproject_says():
    for name in PROJECT["license-files"]:
        assert (ROOT / name).is_file()


def _script() -> str:
    """The commands of .ci/run, without its comments."""
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("#"))


def _python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


@pytest.mark.parametrize(
    "given, expected", [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, None)]
)
def test_idle_threads_spin_briefly_unless_the_reader_chose_otherwise(given, expected):
    clean = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    code = "import course_lib, os; print(os.environ.get('GOMP_SPINCOUNT'))"
    found = subprocess.run([sys.executable, "-c", code], env=clean | given, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == str(expected)
