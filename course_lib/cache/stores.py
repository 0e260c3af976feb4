"""Store: features of the rows of one image set, in the memory of the device, in RAM, or in files that are mapped.

    store = Store(key, facts, images.name, count=len(images.images))
    store.take_over()                                    # rows that an earlier run, or another process, left on disk
    store.allot(shape, dtype, device, rows=100, others=images.stores)
    store.put(rows, values, seconds=0.8)
    x = store.get(rows)

A store lies on the device if it takes under 40 % of what is free there, else in RAM likewise, else on disk. What took more
than a second to work out is written to disk in any case, for the next run.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakSet

import torch

from ..errors import CourseError
from . import feature_files
from .memory import Place, fits, is_out_of_memory, limit, release, say_bytes
from .shelves import InMemory, OnDisk

WORTH_A_FILE = 1.0  # seconds of work from which features are kept on disk
LONG = 60.0  # seconds of work after which they are written though more is to come


@dataclass(eq=False)
class Store:
    """Features of some rows of an image set.

    Arguments:
        key: SHA-256 of the facts, 64 hex digits.
        facts: all that the features depend on, as JSON values.
        name: of the image set, for those who look into the cache.
        count: rows of the image set.

    Attributes:
        have: bool N, the rows that are there.
        shape, dtype: of the features of one row; None until they are known.
        seconds: spent on working rows out, in this process.
        from_disk: rows that were read.
        users: the feeds that take from this store now; it does not give way while there are any.
    """

    key: str
    facts: dict[str, Any] = field(repr=False)
    name: str
    count: int
    shape: tuple[int, ...] | None = None
    dtype: torch.dtype | None = None
    seconds: float = 0.0
    from_disk: int = 0
    users: WeakSet = field(default_factory=WeakSet, repr=False)

    def __post_init__(self) -> None:
        self.have = torch.zeros(self.count, dtype=torch.bool)
        self._shelf: InMemory | OnDisk | None = None
        self._seen: set[str] = set()
        self._writes = True
        self._forget_unsaved()

    @property
    def settled(self) -> bool:
        """Whether it is decided where the features go."""
        return self._shelf is not None

    @property
    def row_bytes(self) -> int:
        """Bytes of the features of one row."""
        return 0 if self.shape is None else self.dtype.itemsize * math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """Bytes of the features of all rows."""
        return self.count * self.row_bytes

    @property
    def device(self) -> torch.device | None:
        """Where the features lie in memory; None on disk, and before it is decided."""
        return self._shelf.values.device if isinstance(self._shelf, InMemory) else None

    @property
    def place(self) -> str:
        """Where the features are, in words."""
        if not self.settled:
            return "not decided yet"
        return "on disk" if self.device is None else "in memory" if self.device.type == "cpu" else "on the GPU"

    def allot(
        self,
        shape: tuple[int, ...],
        dtype: torch.dtype,
        device: torch.device,
        rows: int,
        others: MutableMapping[str, Any],
    ) -> None:
        """Decide where the features go: the device, RAM or the disk. In memory, the oldest stores nobody uses give way.

        Arguments:
            shape, dtype: of the features of one row.
            device: that works them out.
            rows: how many will come, which is what counts on disk (0: they are there already); memory is taken for all.
            others: the stores of the image set.

        Raises `CourseError` where there is room nowhere.
        """
        self.shape, self.dtype = tuple(shape), dtype
        for place in dict.fromkeys((device, torch.device("cpu"))):
            if _clear_memory(place, self.bytes, others):
                try:
                    self._shelf = InMemory(self.count, math.prod(shape), dtype, place)
                    return
                except RuntimeError as error:
                    if not is_out_of_memory(error):
                        raise
        used = {key for key, store in others.items() if isinstance(store, Store) and store.users}
        if rows and not feature_files.make_room(rows * self.row_bytes, {self.key, *used}):
            raise CourseError(
                f"Remembering outputs of shape {self.shape} for {rows:,} images takes {say_bytes(rows * self.row_bytes)}, which fits "
                f"neither into 40 % of the free memory{_limit('RAM')} nor of the free disk{_limit('DISK')}. Freeze more blocks (later "
                "outputs are smaller), take fewer images, make room (course cache clear), or pass cache=False."
            )
        self._shelf = OnDisk(self.count, math.prod(shape), dtype)

    def take_over(self, device: torch.device, others: MutableMapping[str, Any]) -> None:
        """Take over the rows that are on disk and not here. What goes into memory is held against its checksum."""
        new = not self.settled
        if new:
            found = feature_files.look(self.key)
            if found is None:
                return
            self.allot(*found, device, 0, others)
        before = int(self.have.sum())
        check = self.device is not None
        for rows, values in feature_files.read(self.key, self.count, self.shape, self.dtype, self._seen, check):
            (self._shelf.put if check else self._shelf.put_file)(rows, values)
            self.have[rows] = True
        self.from_disk += int(self.have.sum()) - before
        if self.from_disk:
            feature_files.touch(self.key)
        elif new:  # no file was good, so it is not known what a row takes either
            self._shelf = self.shape = self.dtype = None

    def put(self, rows: torch.Tensor, values: torch.Tensor, seconds: float) -> None:
        """Keep the features n,... of rows int64 n, which took `seconds` to work out."""
        self._shelf.put(rows, flatten(values))
        self.have[rows] = True
        self.seconds += seconds
        self._unsaved.append(rows)
        self._unsaved_rows += len(rows)
        self._unsaved_seconds += seconds
        many = self._unsaved_rows * self.row_bytes >= feature_files.SEGMENT
        if self._unsaved_seconds > LONG or (many and isinstance(self._shelf, OnDisk)):
            self._write()

    def get(self, rows: torch.Tensor) -> torch.Tensor:
        """A copy n,... of the features of rows int64 n, pictures channels last, where the features lie."""
        return unflatten(self._shelf.get(rows), self.shape)

    def save(self) -> None:
        """Write to disk what is not there yet, if it took long enough to work out."""
        if self._unsaved_seconds > WORTH_A_FILE:
            self._write()

    def _write(self) -> None:
        rows = torch.cat(self._unsaved)
        self._forget_unsaved()
        on_disk = isinstance(self._shelf, OnDisk)
        if not on_disk and not (self._writes and limit("DISK")):
            return
        facts = {"shape": self.shape, "count": self.count, "images": self.name, "features": self.facts}
        try:
            if not feature_files.make_room(len(rows) * self.row_bytes, {self.key}):
                raise CourseError(
                    f"There is no room for them on disk{_limit('DISK')}; make some with: course cache clear."
                )
            for part in rows.split(max(1, feature_files.SEGMENT // self.row_bytes)):
                path = feature_files.add(self.key, part, self._shelf.get(part), facts)
                self._seen.add(path.name)
                if on_disk:
                    self._shelf.put_file(*feature_files.open_features(path)[:2])
        except CourseError as error:
            if on_disk:
                raise
            self._writes = False
            warnings.warn(f"The features stay in memory and are not kept for the next run. {error}", stacklevel=2)
        if on_disk:
            self._shelf.let_go()

    def _forget_unsaved(self) -> None:
        self._unsaved: list[torch.Tensor] = []
        self._unsaved_rows, self._unsaved_seconds = 0, 0.0


def flatten(x: torch.Tensor) -> torch.Tensor:
    """Features as rows of numbers, channels last: n,C,H,W -> n,HWC and n,... -> n,D."""
    return (x.permute(0, 2, 3, 1) if x.ndim == 4 else x).reshape(len(x), -1)


def unflatten(rows: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """The same numbers in their shape: n,HWC -> n,C,H,W, which lies in memory channels last, as convolutions like it."""
    if len(shape) != 3:
        return rows.view(len(rows), *shape)
    channels, height, width = shape
    return rows.view(len(rows), height, width, channels).permute(0, 3, 1, 2)


def used_on(device: torch.device, stores: Mapping[str, Any]) -> int:
    """Bytes that stores, and copies of the images, take on a device."""
    copies = [each for each in stores.values() if isinstance(each, torch.Tensor) and each.device == device]
    return sum(store.bytes for store in _held(device, stores)) + sum(copy.nbytes for copy in copies)


def _clear_memory(device: torch.device, size: int, stores: MutableMapping[str, Any]) -> bool:
    """Whether there is room on a device, after the oldest stores that nobody uses were let go where that was needed."""
    while not fits(size, device, used_on(device, stores)):
        idle = next((store for store in _held(device, stores) if not store.users), None)
        if idle is None:
            return False
        del stores[idle.key], idle
        release(device)
    return True


def _held(device: torch.device, stores: Mapping[str, Any]) -> list[Store]:
    return [store for store in stores.values() if isinstance(store, Store) and store.device == device]


def _limit(place: Place) -> str:
    size = limit(place)
    return "" if math.isinf(size) else f" (COURSE_CACHE_{place} allows {say_bytes(size)})"
