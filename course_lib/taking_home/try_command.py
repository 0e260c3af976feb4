"""`course try`: a page on this machine to drop pictures on, and see what a model says of them.

course try dogs.safetensors                 # opens in the browser; Ctrl-C ends it
course try dogs.safetensors --no-browser    # prints the address, which holds the key to it

The page is `TryModel`, served by Voila where that is installed, else by JupyterLab. The server listens on this machine only and
asks for a token, and its pages may load nothing from anywhere else.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import warnings
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import CourseError
from ..lessons import environment
from ..paths import ROOT

STARTS, ENDS = 90.0, 15.0  # seconds that a server is given to start, and to end
NOTEBOOK = "try.ipynb"
# What a page may load: its own server's files, and what it makes itself. Voila's template asks a public server for icons.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; worker-src 'self' blob:; "
    "connect-src 'self' ws://127.0.0.1:{port}; form-action 'self'; frame-ancestors 'none'"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `course try`."""
    parser.add_argument("model", metavar="MODEL", type=Path, help="a file that net.export has written")
    parser.add_argument("--port", metavar="N", type=int, default=0, help="default: one that is free")
    parser.add_argument("--no-browser", action="store_true", help="print the address, and open nothing")


def command(options: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C; 0, or 1 if the server ended by itself."""
    from . import open_model

    model = options.model.expanduser().absolute()
    with warnings.catch_warnings():  # the page shows what the card says
        warnings.simplefilter("ignore", UserWarning)
        open_model(model)  # refuses what is no model, before a server starts
    port, token = free_port(options.port), secrets.token_hex(24)
    with tempfile.TemporaryDirectory(prefix="course-try-") as made:
        folder = Path(made)
        write_notebook(folder / NOTEBOOK, model)
        with _ends_with_us(), _server(folder, port, token) as server:
            address = f"http://127.0.0.1:{port}/{'' if voila_is_here() else f'doc/tree/{NOTEBOOK}'}?token={token}"
            try:
                _wait(server, port, folder)
                print(
                    f"{options.model.name} is tried at\n\n    {address}\n\nThis machine only. Ctrl-C ends it.",
                    flush=True,
                )
                if not options.no_browser:
                    _open(folder, address)
                server.wait()
            except KeyboardInterrupt:
                print("\nStopped.", flush=True)
                return 0
            raise CourseError(f"The server has ended by itself. Its last words: {_last_words(folder)}")


def voila_is_here() -> bool:
    """Whether Voila is installed, which shows the page without code."""
    return importlib.util.find_spec("voila") is not None


def free_port(wanted: int) -> int:
    """The port that was asked for, or a free one for 0. Raises `CourseError` where it is taken or no port."""
    if not 0 <= wanted <= 65535:
        raise CourseError(f"--port {wanted}: a port is a number from 1 to 65535.")
    with socket.socket() as probe:
        if os.name == "posix":  # a port whose last connections are still being closed is free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError as error:
            raise CourseError(
                f"--port {wanted} cannot be used ({error.strerror}). Choose another one, or leave it out."
            ) from error
        return probe.getsockname()[1]


def write_notebook(path: Path, model: Path) -> None:
    """A notebook whose one cell shows the model."""
    import nbformat
    from nbformat import v4

    cell = v4.new_code_cell(f"from course_lib.widgets import TryModel\n\nTryModel({str(model)!r})")
    cells = [cell] if voila_is_here() else [v4.new_markdown_cell("Run the cell below: Shift+Enter."), cell]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": kernel, "title": f"Try {model.name}"}
    nbformat.write(v4.new_notebook(cells=cells, metadata=metadata), path)


@contextlib.contextmanager
def _server(folder: Path, port: int, token: str) -> Iterator[subprocess.Popen[bytes]]:
    """The server, in a group of its own: Ctrl-C reaches this process, which then ends it as it should end."""
    settings = folder / "settings"  # not the reader's own, which may have switched the token off
    settings.mkdir()
    if voila_is_here():
        headers = {"Content-Security-Policy": POLICY.format(port=port), "Referrer-Policy": "no-referrer"}
        (folder / "voila.json").write_text(json.dumps({"Voila": {"tornado_settings": {"headers": headers}}}))
        arguments = ["voila", NOTEBOOK, "--token", "--Voila.ip=127.0.0.1", f"--port={port}", "--Voila.port_retries=0"]
        arguments.append(f"--Voila.connection_dir_root={folder}")
    else:
        arguments = ["jupyterlab", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
        arguments += [f"--ServerApp.root_dir={folder}"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:  # in a container; JupyterLab wants to be told
            arguments.append("--allow-root")
        quiet = settings / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
        quiet.parent.mkdir(parents=True)
        quiet.write_text('{"fetchNews": "false", "checkForUpdates": false}')  # nothing is asked of other machines
    known = environment() | {
        "JUPYTER_TOKEN": token,  # not an argument, which every user of the machine could read
        "JUPYTER_CONFIG_DIR": str(settings),
        "JUPYTERLAB_SETTINGS_DIR": str(settings),
        "JUPYTERLAB_WORKSPACES_DIR": str(settings),
        "PYTHONPATH": os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(ROOT)])),
    }
    apart: dict[str, Any] = {"start_new_session": True}
    if os.name == "nt":
        apart = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    with open(folder / "log", "wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", *arguments, "--no-browser"],
            cwd=folder, env=known, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **apart,
        )  # fmt: skip
        try:
            yield server
        finally:
            _end(server)


def _end(server: subprocess.Popen[bytes]) -> None:
    """Ask the server to end, which ends its kernels; a kernel whose server was killed ends by itself."""
    server.terminate()
    while True:
        try:
            server.wait(ENDS)
            return
        except subprocess.TimeoutExpired:
            server.kill()
        except KeyboardInterrupt:  # pressed again: the server is ending already
            continue


@contextlib.contextmanager
def _ends_with_us() -> Iterator[None]:
    """A closed terminal or a `kill` ends as Ctrl-C does: the server is in no group that would be told."""

    def stop(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    signals = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = [signal.signal(number, stop) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def _wait(server: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    """Wait until the server answers, and see that it does not without the token."""
    end = time.monotonic() + STARTS
    while server.poll() is None and time.monotonic() < end:
        status = answer(f"http://127.0.0.1:{port}/{'' if voila_is_here() else 'lab'}")
        if status is not None:
            if status == 200:
                raise CourseError("The server would show the page to anyone on this machine, so it was stopped.")
            return
        time.sleep(0.2)
    raise CourseError(f"The server did not start. Its last words: {_last_words(folder)}")


class _Stay(urllib.request.HTTPRedirectHandler):
    """Redirects are answers here: without the token a server leads to its page for logging in."""

    def redirect_request(self, *_: Any) -> None:
        return None


def answer(address: str) -> int | None:
    """The status of a server's answer, without a proxy and without following redirects; None where there is none yet."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay())
    try:
        with opener.open(address, timeout=5) as found:
            return found.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def _open(folder: Path, address: str) -> None:
    """Open the browser by way of a file: what a browser is started with, every user of the machine could read."""
    page = folder / "open.html"
    page.write_text(f'<meta charset="utf-8"><meta http-equiv="refresh" content="0; url={address}"><title>Try</title>')
    with contextlib.suppress(webbrowser.Error):
        webbrowser.open(page.as_uri())


def _last_words(folder: Path) -> str:
    lines = (folder / "log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return " / ".join(lines[-3:]) or "none"
