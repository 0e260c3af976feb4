"""An HTTP server on this machine that does what servers on the way to a reader do: cuts off, stalls, lies, changes its mind.

with BadServer() as server:
    server.put("dogs.tgz", content, faults=["cut 1000", 503])     # the first two requests go wrong, later ones well
    server.address("dogs.tgz")
    server.asked("dogs.tgz")             # each request: its Range and If-Range, and how many bytes it was sent
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LOGIN = b"<!DOCTYPE html>\n<html><body>Welcome! Please log in to use this network.</body></html>"
PIECE = 4096  # bytes sent at once


@dataclass
class Thing:
    """A file that is served: what goes wrong with its next requests, one entry each, and what happened."""

    content: bytes
    faults: list[str | int]
    marks: bool = True  # ETag and Last-Modified
    version: int = 1
    after: bytes = b""  # what a `change` changes it to
    log: list[Asked] = field(default_factory=list)


@dataclass
class Asked:
    """One request."""

    range: str | None
    if_range: str | None
    sent: int = 0


class BadServer:
    """See above; a context manager."""

    def __init__(self) -> None:
        self.things: dict[str, Thing] = {}
        self.closing = threading.Event()
        owner = self

        class Handler(_Handler):
            server_of_tests = owner

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> BadServer:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.http.shutdown()
        self.http.server_close()

    def put(
        self,
        name: str,
        content: bytes,
        faults: list[str | int] | None = None,
        after: bytes = b"",
        marks: bool = True,
    ) -> str:
        """Serve a file; returns its address."""
        self.things[name] = Thing(content, list(faults or []), marks, after=after)
        return self.address(name)

    def address(self, name: str) -> str:
        """Where a file is served."""
        return f"http://127.0.0.1:{self.http.server_port}/{name}"

    def asked(self, name: str) -> list[Asked]:
        """The requests for a file so far."""
        return self.things[name].log


class _Handler(BaseHTTPRequestHandler):
    server_of_tests: BadServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        """Answer, with the next fault of this file if one is left."""
        thing = self.server_of_tests.things.get(self.path.strip("/"))
        if thing is None:
            self._plain(404, b"there is nothing here")
            return
        asked = Asked(self.headers.get("Range"), self.headers.get("If-Range"))
        thing.log.append(asked)
        fault = thing.faults.pop(0) if thing.faults else ""
        self.close_connection = True
        with contextlib.suppress(ConnectionError):
            self._answer(thing, asked, fault)

    def _answer(self, thing: Thing, asked: Asked, fault: str | int) -> None:
        word, _, number = str(fault).partition(" ")
        if isinstance(fault, int):
            self._plain(fault, LOGIN if fault == 511 else b"no", {"Retry-After": "0"})
        elif word == "login":
            self._plain(200, LOGIN, {"Content-Type": "text/html; charset=utf-8"})
        elif word == "disguised":  # a login page that calls itself a file
            self._plain(200, LOGIN, {"Content-Type": "application/octet-stream"})
        elif word == "to":
            self._plain(302, b"", {"Location": number})
        elif word == "drop":
            self.connection.close()
        else:
            if word == "change":
                thing.content, thing.version = thing.after, thing.version + 1
            self._file(thing, asked, word, int(number or 0))

    def _file(self, thing: Thing, asked: Asked, fault: str, number: int) -> None:
        content = thing.content
        if fault == "wrong":
            content = bytes(len(content))
        if fault == "other":
            content = content[: len(content) // 2]
        if fault == "gzip":
            content = gzip.compress(content)
        mark = f'"{hashlib.sha256(thing.content).hexdigest()[:8]}-{thing.version}"' if thing.marks else ""
        start = self._start(asked, mark, fault)
        if fault == "shifted" and start is not None:
            start += 10
        if start is not None and start >= len(content):
            self._plain(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            return
        body = content[start or 0 :]
        self.send_response(200 if start is None else 206)
        self.send_header("Content-Type", "application/octet-stream")
        if start is not None:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if mark:
            self.send_header("ETag", mark)
        if fault == "gzip":
            self.send_header("Content-Encoding", "gzip")
        if fault == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        elif fault != "unsaid":
            length = len(body) + {"more": 100, "less": -100}.get(fault, 0)
            self.send_header("Content-Length", str(length))
        self.send_header("Connection", "close")
        self.end_headers()
        if fault == "chunked":
            for at in range(0, len(body), PIECE):
                piece = body[at : at + PIECE]
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")
            return
        until = number if fault in ("cut", "stall") else len(body)
        for at in range(0, min(until, len(body)), PIECE):
            piece = body[at : min(at + PIECE, until)]
            self.wfile.write(piece)
            asked.sent += len(piece)
        self.wfile.flush()
        if fault == "stall":
            self.server_of_tests.closing.wait(5)

    def _start(self, asked: Asked, mark: str, fault: str) -> int | None:
        """From which byte on; None for the whole file."""
        if asked.range is None or fault == "whole":
            return None
        if asked.if_range is not None and asked.if_range != mark and fault != "deaf":
            return None
        found = re.match(r"bytes=(\d+)-$", asked.range)
        return int(found[1]) if found else None

    def _plain(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
