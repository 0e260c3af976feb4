"""Tensor files: safetensors, written in parts and opened as a mapping, so that neither end needs the memory for all of it.

    write_tensors(path, {"values": Stream(torch.uint8, (8000, 12288), parts), "rows": rows}, {"name": "dogs"})
    tensors, facts = open_tensors(path)        # reads the header; the rest is read where it is looked at
    check_file(path)                           # reads it all, and compares with the checksum at its end

The format is that of https://github.com/huggingface/safetensors (section Format): the length of a JSON header, the header,
the bytes. The last 32 bytes are a tensor named `sha256`: the SHA-256 of the whole file before them.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from .paths import atomic

DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "BOOL": torch.bool,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8,
}  # fmt: skip
NAMES = {dtype: name for name, dtype in DTYPES.items()}
DIGEST = 32  # bytes of a SHA-256
LONGEST_HEADER = 100_000_000  # bytes; the format's own limit
READ = 2**20


class DamagedFile(ValueError):
    """A file that is not what its header or its checksum says."""


@dataclass(frozen=True)
class Stream:
    """A tensor that is written in parts, none of which needs to be there before its turn.

    Arguments:
        dtype, shape: of the whole.
        parts: tensors that make up the whole, one below the other, in order.
    """

    dtype: torch.dtype
    shape: tuple[int, ...]
    parts: Iterable[torch.Tensor]


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor | Stream], facts: Mapping[str, Any]) -> None:
    """Write tensors and facts (JSON values) to a file that appears when it is complete.

    Tensors stand in the file by the size of their numbers, so that each can be looked at where it lies; streams of one
    size are taken in the order given, each one when those before it are written.
    Raises `CourseError` where the file cannot be written, `ValueError` for a stream of another size than it said.
    """
    streams = {
        name: given if isinstance(given, Stream) else Stream(given.dtype, tuple(given.shape), [given])
        for name, given in sorted(tensors.items(), key=lambda item: -item[1].dtype.itemsize)
    }
    header: dict[str, Any] = {"__metadata__": {"facts": json.dumps(facts)}}
    end = 0
    for name, stream in [*streams.items(), ("sha256", Stream(torch.uint8, (DIGEST,), ()))]:
        start, end = end, end + _size(stream)
        header[name] = {"dtype": NAMES[stream.dtype], "shape": list(stream.shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    digest = hashlib.sha256()
    with atomic(path) as file:
        for data in _data(text, streams):
            digest.update(data)
            file.write(data)
        file.write(digest.digest())


def open_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors that lie in the file, and its facts.

    A change to a tensor stays in this process, and never reaches the file. A file may be deleted while it is open.
    Raises `OSError` where there is no such file, `DamagedFile` where it is not as its header says (its bytes are not looked
    at: that is `check_file`).
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(LONGEST_HEADER, size - 8):
            raise DamagedFile(f"{path.name} has no header")
        text = file.read(length)
    try:
        header = json.loads(text)
        facts = json.loads(header.pop("__metadata__")["facts"])
        places = {
            name: (DTYPES[entry["dtype"]], tuple(map(int, entry["shape"])), *map(int, entry["data_offsets"]))
            for name, entry in header.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedFile(f"{path.name} has a damaged header") from error
    whole = torch.from_file(str(path), shared=False, size=size, dtype=torch.uint8)
    data = whole[8 + length :]
    for name, (dtype, shape, start, stop) in places.items():
        fits = 0 <= start <= stop <= len(data) and stop - start == dtype.itemsize * math.prod(shape)
        if not fits or (8 + length + start) % dtype.itemsize or min(shape, default=0) < 0:
            raise DamagedFile(f"{path.name} is cut off, or {name} in it is damaged")
    if "sha256" not in places or max(stop for *_, stop in places.values()) != len(data):
        raise DamagedFile(f"{path.name} is cut off")
    tensors = {name: data[start:stop].view(dtype).view(shape) for name, (dtype, shape, start, stop) in places.items()}
    del tensors["sha256"]
    return tensors, facts


def check_file(path: Path) -> None:
    """Raises `DamagedFile` where the bytes of a file do not have the SHA-256 that stands at its end."""
    digest, left = hashlib.sha256(), path.stat().st_size - DIGEST
    with open(path, "rb") as file:
        while left > 0 and (data := file.read(min(READ, left))):
            digest.update(data)
            left -= len(data)
        if file.read(DIGEST + 1) != digest.digest():
            raise DamagedFile(f"{path.name} has another checksum than it had when it was written")


def _data(header: bytes, streams: Mapping[str, Stream]) -> Iterator[bytes | memoryview]:
    yield len(header).to_bytes(8, "little") + header
    for name, stream in streams.items():
        left = _size(stream)
        for part in stream.parts:
            flat = part.detach().cpu().contiguous().view(-1).view(torch.uint8)
            left -= len(flat)
            if left < 0 or part.dtype != stream.dtype:
                left = -1
                break
            yield flat.numpy().data
        if left:
            raise ValueError(f"{name} was to be {stream.dtype} of shape {stream.shape}; its parts are not.")


def _size(stream: Stream) -> int:
    return stream.dtype.itemsize * math.prod(stream.shape)
