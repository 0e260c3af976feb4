"""Tensor files: what was written comes back bit for bit, the format is safetensors, and damage is found.

pytest tests/test_tensor_files.py
"""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors
import safetensors.torch
import torch

from course_lib.errors import CourseError
from course_lib.tensor_files import DTYPES, DamagedFile, Stream, check_file, open_tensors, write_tensors

PIXELS = torch.arange(7 * 3 * 5 * 5).view(7, 3, 5, 5).byte()


def tensors() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    every = {name: torch.randint(0, 2, (3, 5), generator=generator).to(dtype) for name, dtype in DTYPES.items()}
    every |= {"noise": torch.randn(4, 3, generator=generator).bfloat16(), "empty": torch.zeros(0, 4)}
    return every | {"turned": torch.randn(5, 3).T, "one": torch.tensor(3.5)}


@pytest.fixture
def path(tmp_path) -> Path:
    path = tmp_path / "folder" / "x.safetensors"
    write_tensors(path, tensors() | {"pixels": Stream(torch.uint8, PIXELS.shape, PIXELS.split(2))}, {"who": ["Zoë", 1]})
    return path


def equal(found: dict[str, torch.Tensor]) -> bool:
    expected = tensors() | {"pixels": PIXELS}
    turned = expected.pop("turned"), found.pop("turned")
    same = {name: torch.equal(found[name], t) and found[name].dtype == t.dtype for name, t in expected.items()}
    return all(same.values()) and found.keys() == expected.keys() and turned[0].shape == turned[1].shape


def test_tensors_and_facts_come_back(path):
    found, facts = open_tensors(path)
    assert equal(found) and facts == {"who": ["Zoë", 1]}
    check_file(path)


def test_the_format_is_safetensors(path):
    found = safetensors.torch.load_file(path)
    assert len(found.pop("sha256")) == 32 and equal(found)


def test_a_file_is_a_mapping_that_cannot_be_changed_by_its_reader(path):
    first, second = open_tensors(path)[0], open_tensors(path)[0]
    first["pixels"].zero_()
    assert torch.equal(second["pixels"], PIXELS) and torch.equal(open_tensors(path)[0]["pixels"], PIXELS)
    check_file(path)
    path.unlink()
    assert torch.equal(second["pixels"], PIXELS), "it stays open"


def test_parts_are_taken_one_after_the_other_each_when_those_before_are_written(tmp_path):
    order = []

    def parts(name: str):
        for i in range(3):
            order.append(f"{name}{i}")
            yield torch.full((2,), i, dtype=torch.uint8)

    streams = {name: Stream(torch.uint8, (6,), parts(name)) for name in "ab"}
    write_tensors(tmp_path / "x.safetensors", streams, {})
    assert order == ["a0", "a1", "a2", "b0", "b1", "b2"]


@pytest.mark.parametrize(
    "parts",
    [[torch.zeros(5)], [torch.zeros(3)] * 3, [torch.zeros(6).double()], [torch.zeros(3), torch.zeros(3).int()]],
    ids=["too few", "too many", "another type", "another type of one size"],
)
def test_a_stream_that_is_not_what_it_said_leaves_the_older_file(path, parts):
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"values was to be torch\.float32"):
        write_tensors(path, {"values": Stream(torch.float32, (6,), parts)}, {})
    assert path.read_bytes() == before and [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("place", [0, 5, 100, 0.5, 0.9, -1])
def test_a_changed_byte_is_found(path, place):
    data = bytearray(path.read_bytes())
    data[int(place * len(data)) if isinstance(place, float) else place] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedFile):
        check_file(path)
        open_tensors(path)


@pytest.mark.parametrize("share", [0, 0.0001, 0.1, 0.5, 0.99, 1.01])
def test_a_file_of_another_length_is_found_without_reading_it(path, share):
    data = path.read_bytes()
    path.write_bytes((data + bytes(100))[: int(share * len(data))])
    with pytest.raises(DamagedFile):
        open_tensors(path)
    with pytest.raises(DamagedFile):
        check_file(path)


@pytest.mark.parametrize(
    "header",
    ["[]", "{}", '{"__metadata__": {}}', '{"__metadata__": {"facts": "{"}}', '{"__metadata__": {"facts": "{}"}, "x": 1}',
     '{"__metadata__": {"facts": "{}"}, "x": {"dtype": "F32", "shape": [-1], "data_offsets": [0, -4]}}',
     '{"__metadata__": {"facts": "{}"}, "x": {"dtype": "F32", "shape": [4], "data_offsets": [-16, 0]}}',
     '{"__metadata__": {"facts": "{}"}, "x": {"dtype": "F32", "shape": [400], "data_offsets": [0, 1600]}}',
     '{"__metadata__": {"facts": "{}"}, "x": {"dtype": "F99", "shape": [4], "data_offsets": [0, 16]}}'],
)  # fmt: skip
def test_a_header_of_something_else_is_damage(tmp_path, header):
    path = tmp_path / "x.safetensors"
    text = header.encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(64))
    with pytest.raises(DamagedFile):
        open_tensors(path)


def test_a_file_of_safetensors_own_has_no_checksum_and_is_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    safetensors.torch.save_file({"x": torch.zeros(3)}, path, {"facts": "{}"})
    with pytest.raises(DamagedFile):
        open_tensors(path)


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CourseError, match="Could not write"):
        write_tensors(tmp_path / "file" / "x.safetensors", {}, {})
