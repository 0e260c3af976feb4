"""One file from one address, however often the connection breaks: what has arrived stays and is not asked for again.

    got = fetch(address, file, part, watch=print)     # part: what has arrived so far, also of an earlier day

Beside the part lies its state: from where it came, and the server's own mark of that version (ETag or Last-Modified). The
rest is asked for with Range and If-Range (RFC 9110, 13.1.5 and 14), so that a file that was changed meanwhile comes anew
from its beginning, and never as two halves of two versions. Whether it is the right file is for checks.py to say.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from ..errors import CourseError
from ..paths import atomic
from .addresses import Broken, Refused, ask, explain
from .checks import LOGIN, is_page
from .entry import File

READ = 2**17
LEAST = 1024  # bytes that a try has to bring so as not to count as failed
Watch = Callable[[int, int], None]  # bytes so far, bytes in all (0 where nobody knows)


@dataclass(frozen=True)
class Patience:
    """How long to wait, in seconds, and how often to try an address in a row that brings nothing."""

    stall: float = 30.0
    tries: int = 5
    pause: float = 1.0  # before the second try; doubles, up to 30 s


@dataclass(frozen=True)
class State:
    """What is known of a part: where it came from, the server's mark of its version, and the length of the whole."""

    address: str = ""
    etag: str = ""
    modified: str = ""
    total: int = -1
    encoding: str = ""

    @property
    def mark(self) -> str:
        """What If-Range takes: a strong ETag, or the date of the last change."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified


def fetch(address: str, file: File, part: Path, watch: Watch | None = None, patience: Patience | None = None) -> bool:
    """Bring a file into `part`, the rest of it where a part is there; whether some of it was there before.

    Raises `Refused` where this address does not give it, with the reason; what has arrived so far stays.
    """
    patience = patience or Patience()
    failures, best, reached, began = 0, _length(part), False, _length(part)
    while True:
        try:
            return _once(address, file, part, watch, patience) and began > 0
        except Broken as error:
            now = _length(part)
            failures = 0 if now >= best + LEAST else failures + 1
            best, reached = max(best, now), reached or not error.away
            if failures >= (patience.tries if reached else min(2, patience.tries)):
                raise Refused(str(error)) from error
            time.sleep(max(error.wait, min(patience.pause * 2 ** max(failures - 1, 0), 30.0)))


def forget(part: Path) -> None:
    """Remove a part and its state."""
    for path in (part, state_path(part)):
        path.unlink(missing_ok=True)


def state_path(part: Path) -> Path:
    """Where the state of a part lies."""
    return part.with_name(part.name + ".json")


def read_state(part: Path) -> State:
    """What is known of a part; an empty state where nothing is, or it cannot be read."""
    try:
        found = json.loads(state_path(part).read_text(encoding="utf-8"))
        state = State(**{field.name: found[field.name] for field in fields(State)})
    except (OSError, ValueError, KeyError, TypeError):
        return State()
    return state if isinstance(state.total, int) else State()


def _once(address: str, file: File, part: Path, watch: Watch | None, patience: Patience) -> bool:
    """One try; whether the file is now complete with bytes of an earlier try in it."""
    have, state = _length(part), read_state(part)
    same = state.address == address and state.mark
    # A part from elsewhere may be continued where a published checksum tells in the end whether it was the same file.
    go_on = have > 0 and bool(state.address) and bool(same or file.md5 or file.sha256)
    if go_on and have == state.total:
        return True
    headers = {"Range": f"bytes={have}-"} if go_on else {}
    if go_on and same:
        headers["If-Range"] = state.mark
    try:
        answer = ask(address, headers, patience.stall)
    except Broken as error:
        if "416" in str(error):
            forget(part)
        raise
    with answer:
        new = _state_of(address, answer, have)
        resumed = answer.status == 206
        if resumed:
            _check_continues(answer, have if go_on else 0, state, new, part, bool(same))
        _check_length(new, file)
        try:
            first = answer.read1(READ)
        except (OSError, http.client.HTTPException) as error:
            raise explain(error, patience.stall) from error
        if is_page(b"" if resumed else first, answer.headers.get("Content-Type", "")):
            raise Refused(LOGIN)
        if not resumed:  # from here on the old part is gone, and not before
            forget(part)
            have = 0
        with atomic(state_path(part)) as out:
            out.write(json.dumps(asdict(new)).encode())
        _save(answer, first, have, new, file, part, watch, patience)
    return resumed


def _save(
    answer: http.client.HTTPResponse,
    first: bytes,
    have: int,
    state: State,
    file: File,
    part: Path,
    watch: Watch | None,
    patience: Patience,
) -> None:
    """Write what comes, as it comes, so that a kill loses nothing that was written."""
    total = state.total if state.total >= 0 else (file.bytes or 0)
    most = max(total, file.limit) if state.encoding else total or file.limit
    with open(part, "ab", buffering=0) as out:
        while first:
            try:
                out.write(first)
            except OSError as error:
                raise CourseError(
                    f"{part} cannot be written ({error.strerror}); what has arrived is kept. Make room, or set COURSE_CACHE "
                    "to a folder on another disk, and fetch again."
                ) from error
            have += len(first)
            if have > most:
                forget(part)
                raise Refused(f"it sends more than the {most:,} bytes of the file")
            if watch:
                watch(have, total)
            try:
                first = answer.read1(READ)
            except (OSError, http.client.HTTPException) as error:
                raise explain(error, patience.stall) from error
    if have < total and not (state.encoding and state.total < 0):
        raise Broken(f"the connection ended after {have:,} of {total:,} bytes")


def _state_of(address: str, answer: http.client.HTTPResponse, have: int) -> State:
    get = answer.headers.get
    length = get("Content-Length", "")
    total = int(length) if length.isdecimal() else -1
    if answer.status == 206:
        found = re.match(r"bytes \d+-\d+/(\d+)$", get("Content-Range", ""))
        total = int(found[1]) if found else have + total if total >= 0 else -1
    encoding = get("Content-Encoding", "").strip().lower()
    return State(address, get("ETag", ""), get("Last-Modified", ""), total, "" if encoding == "identity" else encoding)


def _check_continues(
    answer: http.client.HTTPResponse, have: int, old: State, new: State, part: Path, same: bool
) -> None:
    """The answer has to go on where the part ends, in the same version; else the part is removed and comes anew."""
    found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    changed = same and any(
        before and now and before != now for before, now in ((old.etag, new.etag), (old.modified, new.modified))
    )
    other_length = old.total >= 0 and new.total >= 0 and old.total != new.total
    if not found or int(found[1]) != have or changed or other_length or old.encoding != new.encoding:
        forget(part)
        raise Broken("the file at this address was changed, or another part came than was asked for")


def _check_length(new: State, file: File) -> None:
    """Refuse a file of another length before any of it is taken."""
    if file.bytes is not None and new.total >= 0 and not new.encoding and new.total != file.bytes:
        if new.total < 100_000 <= file.bytes:
            raise Refused(
                f"it sends {new.total:,} bytes instead of {file.bytes:,}: another file, or a login page of the network"
            )
        raise Refused(f"it has another file now, of {new.total:,} bytes instead of {file.bytes:,}")


def _length(path: Path) -> int:
    with contextlib.suppress(OSError):
        return os.stat(path).st_size
    return 0
