"""Files that come from a page in pieces, and the widget that takes them.

    incoming = Incoming({".zip": 200_000_000}, largest=50_000_000)
    state = incoming.take({"id": "a1", "name": "rex.jpg", "label": "dog", "size": 700_000, "at": 0}, first_half_megabyte)
    state.file                # None until all pieces are here, in any order; then a File with name, label and data

A photo of 10 MB does not go through a notebook's websocket at once: it takes messages of 10 MB at most, and one that is under way
holds up all others. So the page (front/upload.js) sends pieces of 512 kB, and the next ones when the kernel has answered. What has
not come completely is nowhere but in memory: a page that is closed midway leaves nothing behind.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..errors import CourseError
from .lab import FRONT, Lab, front
from .run import sentence

ROOM = 500_000_000  # bytes of files that are under way at one time
QUIET = 600.0  # seconds without a piece, after which a file is given up
PIECE = 4_000_000  # bytes in one piece; the page sends an eighth of it


class File(NamedTuple):
    """A file that is complete: its name on the reader's disk, what the page says it belongs to, and its bytes."""

    name: str
    label: str
    data: bytes


class State(NamedTuple):
    """How far a file is: bytes that came, and the file when that is all of them."""

    id: str
    came: int
    file: File | None


@dataclass
class _Transfer:
    name: str
    label: str
    data: bytearray
    pieces: dict[int, int] = field(default_factory=dict)  # first byte -> number of bytes
    last: float = 0.0

    @property
    def came(self) -> int:
        return sum(self.pieces.values())


class Incoming:
    """Puts files together from their pieces.

    Arguments:
        larger: suffixes of which files may be larger, with their limits in bytes.
        largest: bytes of any other file.
        clock: gives seconds, for tests.
    """

    def __init__(
        self, larger: Mapping[str, int] | None = None, *, largest: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.larger, self.largest, self.clock = dict(larger or {}), largest, clock
        self._going: dict[str, _Transfer] = {}

    def __len__(self) -> int:
        return len(self._going)

    def take(self, about: Mapping[str, Any], data: bytes | memoryview) -> State:
        """One piece. `about`: id, name, label and size of the file, and `at`, the piece's first byte.

        Raises `CourseError` where the file is too large, or the pieces do not fit together; the file is forgotten then.
        """
        now = self.clock()
        self._going = {key: going for key, going in self._going.items() if now - going.last < QUIET}
        key, name, label, size, at = _read(about)
        try:
            going = self._going.get(key) or self._begin(key, name, label, size)
            going.last = now
            if size != len(going.data) or at < 0 or at + len(data) > size or (not len(data) and size):
                raise CourseError(f"A piece of {name} does not fit into it. Drop the file again.")
            if going.pieces.get(at) != len(data):  # else it came before: the same again changes nothing
                if any(at < start + count and start < at + len(data) for start, count in going.pieces.items()):
                    raise CourseError(f"Two pieces of {name} overlap. Drop the file again.")
                going.data[at : at + len(data)] = data
                going.pieces[at] = len(data)
        except CourseError:
            self.forget(key)
            raise
        if going.came < size:
            return State(key, going.came, None)
        self.forget(key)
        return State(key, size, File(going.name, going.label, bytes(going.data)))

    def forget(self, key: str) -> None:
        """Give a file up."""
        self._going.pop(key, None)

    def clear(self) -> None:
        """Give all files up."""
        self._going.clear()

    def _begin(self, key: str, name: str, label: str, size: int) -> _Transfer:
        limit = next((most for end, most in self.larger.items() if name.lower().endswith(end)), self.largest)
        if size > limit:
            raise CourseError(
                f"{name} has {size / 1e6:,.0f} MB; up to {limit / 1e6:,.0f} MB are taken here. "
                "Make it smaller, or copy it into the folder with your file manager."
            )
        if size + sum(len(going.data) for going in self._going.values()) > ROOM:
            raise CourseError(f"Too much is under way at one time, so {name} was not taken. Drop it again.")
        going = self._going[key] = _Transfer(name, label, bytearray(size))
        return going


class Receiving(Lab):
    """A widget that takes files from its page: `arrived(file)` is called in the worker's thread for each that is complete.

    Attributes:
        incoming: what is under way.
    """

    largest = 50_000_000  # bytes of a file
    larger: Mapping[str, int] = {}  # suffix -> bytes, where a kind of file may be larger

    def __init__(self, **settings: Any) -> None:
        self.incoming = Incoming(self.larger, largest=self.largest)
        super().__init__(**settings)
        self.on_msg(lambda _, content, buffers: self.piece(content, buffers))

    def arrived(self, file: File) -> str:
        """Do what is to be done with a file; a sentence for the page where it was left out, else nothing."""
        raise NotImplementedError

    def refused(self, name: str, label: str, why: str) -> None:
        """A file did not come completely: too large, or gone from the reader's disk."""

    def receive(self, message: dict[str, Any]) -> None:
        """Commands from the page; pieces of files come with bytes, and are taken by `piece`."""
        if "piece" not in message:
            super().receive(message)

    def piece(self, message: dict[str, Any], buffers: list[Any]) -> None:
        """A piece of a file: {"piece": {id, name, label, size, at}} with one buffer of bytes."""
        if "piece" in message:
            data = bytes(buffers[0]) if buffers else b""
            self.worker.ask(lambda: self._take(message["piece"], data))

    def cancel(self, ids: list[str]) -> None:
        """The page gives files up."""
        self.worker.ask(lambda: [self.incoming.forget(key) for key in ids])

    def unreadable(self, name: str, label: str, why: str) -> None:
        """The page could not read a file that was chosen."""
        why = f"the browser could not read it ({str(why)[:100]})"
        self.worker.ask(lambda: self.refused(str(name), str(label), why))

    def close(self) -> None:
        """Give up what is under way, and end."""
        if hasattr(self, "incoming"):  # a widget that was refused while it was made has none
            self.incoming.clear()
        super().close()

    def _take(self, about: Any, data: bytes) -> None:
        """One piece, in the worker's thread; the page gets its answer whatever happens, since it waits for it."""
        key, said, state, came = _id(about), "", "more", 0
        try:
            state_now = self.incoming.take(about, data)
            came = state_now.came
            if state_now.file is not None:
                said = self.arrived(state_now.file)
                state = "refused" if said else "done"
        except CourseError as error:
            said, state = str(error), "refused"
            self.refused(*_who(about), said)
        except Exception as error:
            said, state = sentence(error), "refused"
            raise
        finally:
            self.send({"got": key, "bytes": came, "state": state, "said": said})


def receiving_front(name: str, *shared: str) -> tuple[str, str]:
    """Script and style of a widget that takes files: what all labs share, its own, upload.js, and what else it names."""
    script, style = front(name)
    for part in ("upload", *shared):
        script += "\n" + (FRONT / f"{part}.js").read_text(encoding="utf-8")
        style = (FRONT / f"{part}.css").read_text(encoding="utf-8") + "\n" + style
    return script, style


def _id(about: Any) -> str:
    return str(about.get("id", ""))[:64] if isinstance(about, dict) else ""


def _read(about: Any) -> tuple[str, str, str, int, int]:
    """What a page says of a piece, if it says it well."""
    try:
        key, name, label = (about[part] for part in ("id", "name", "label"))
        size, at = about["size"], about["at"]
        fits = all(isinstance(text, str) for text in (key, name, label)) and type(size) is type(at) is int
    except (KeyError, TypeError):
        fits = False
    if not fits or not 0 < len(key) <= 64 or size < 0:
        raise CourseError(
            "A piece of a file came without what it belongs to. Reload the page, and drop the file again."
        )
    return key, name, label, size, at


def _who(about: Any) -> tuple[str, str]:
    """Name and label of a piece, as far as it says them."""
    if not isinstance(about, dict):
        return "a file", ""
    return str(about.get("name", "a file"))[:300], str(about.get("label", ""))[:300]
