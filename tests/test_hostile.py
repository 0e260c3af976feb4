"""Every file ends as the right pixels, or as a reason with a remedy; nothing is raised, nothing printed, nothing hangs."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hostile import BAD, GOOD, JPEG, NOISE, SCENE, Changed, H, W, display_p3, lay
from PIL import Image, ImageOps

from course_lib.pictures import reading
from course_lib.pictures.listing import find
from course_lib.pictures.reading import Read, read_picture

SIZE = 32


def corners(pixels: np.ndarray) -> np.ndarray:
    """Mean colours (4, 3) of the middles of the four quarters of a square picture."""
    n = len(pixels)
    near, far = slice(n // 8, 3 * n // 8), slice(5 * n // 8, 7 * n // 8)
    quarters = [pixels[y, x] for y in (near, far) for x in (near, far)]
    return np.array([quarter.reshape(-1, 3).mean(0) for quarter in quarters])


def expected(picture: np.ndarray, size: int = SIZE) -> np.ndarray:
    return np.asarray(ImageOps.fit(Image.fromarray(picture), (size, size), Image.Resampling.BILINEAR))


def check_problem(read: Read, words: str) -> None:
    assert read.pixels is None and words in read.reason, read.reason
    assert read.remedy and "\n" not in read.reason and "BufferedReader" not in read.reason and len(read.reason) < 400


@pytest.fixture(autouse=True)
def silent(capfd, monkeypatch):
    """No warning, and nothing on the two outputs, also from libraries in C."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    assert not caught, [str(warning.message) for warning in caught]
    out, err = capfd.readouterr()
    assert not out and not err


# What must load


@pytest.mark.parametrize("name", GOOD)
def test_a_picture_in_this_dress_loads_with_its_colours_and_the_right_way_up(tmp_path, name):
    make, picture, tolerance = GOOD[name]
    (tmp_path / "a.xyz").write_bytes(make())
    read = read_picture(tmp_path / "a.xyz", SIZE)
    assert read.reason is None and read.remedy is None and read.pixels is not None, read.reason
    assert read.pixels.shape == (SIZE, SIZE, 3) and read.pixels.dtype == np.uint8 and read.pixels.flags.writeable
    assert (read.width, read.height) == (W, H)
    assert np.abs(corners(read.pixels) - corners(expected(picture))).max() <= tolerance


SHAPES = [(1, 1), (1, 2), (2, 1), (1, 20000), (20000, 1), (3, 5000), (31, 33), (4000, 3000)]


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape[0]}x{shape[1]}")
def test_a_picture_of_this_shape_loads(tmp_path, shape, format):
    Image.new("RGB", shape, (200, 40, 90)).save(tmp_path / "a", format)
    read = read_picture(tmp_path / "a", SIZE)
    assert (read.width, read.height) == shape and read.pixels.shape == (SIZE, SIZE, 3)
    assert np.abs(read.pixels.astype(int) - (200, 40, 90)).max() <= 3


NAMES = ["a.png", "a.JPG", "a.txt", "a", "a.jpg.png", "a b.jpg", "line\nbreak.jpg", "\U0001f436.jpg", "%s{0}\\.jpg"]


@pytest.mark.parametrize("name", [*NAMES, "\udcff\udce9.jpg", "n" * 251 + ".jpg"], ids=lambda name: ascii(name)[:30])
def test_a_jpeg_loads_under_any_name(tmp_path, name):
    path = tmp_path / name
    try:
        path.write_bytes(JPEG)
    except (OSError, UnicodeError):
        pytest.skip("this system has no such names")
    assert np.array_equal(read_picture(path, SIZE).pixels, read_picture(path, SIZE).pixels)
    assert np.abs(corners(read_picture(path, SIZE).pixels) - corners(expected(SCENE))).max() <= 6


def test_a_path_of_more_than_300_characters_loads(tmp_path):
    path = tmp_path.joinpath(*["folder" * 10] * 8, "a.jpg")
    path.parent.mkdir(parents=True)
    path.write_bytes(JPEG)
    assert len(str(path)) > 450 and read_picture(path, SIZE).pixels is not None


def test_colours_of_a_wide_screen_become_those_of_a_usual_one(tmp_path):
    """Display P3's (200, 100, 100) is a stronger red where the primaries are nearer together."""
    Image.new("RGB", (64, 64), (200, 100, 100)).save(tmp_path / "a.png", icc_profile=display_p3())
    red, green, blue = (read_picture(tmp_path / "a.png", SIZE).pixels.reshape(-1, 3).mean(0) + 0.5).astype(int)
    linear = ((np.array([200, 100, 100]) / 255 + 0.055) / 1.055) ** 2.4
    to_srgb = np.array([[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]])
    wanted = 255 * (1.055 * (to_srgb @ linear) ** (1 / 2.4) - 0.055)
    assert np.abs(np.array([red, green, blue]) - wanted).max() <= 2 and red > 208


def test_a_photo_equals_what_pillow_makes_of_it_pixel_by_pixel(tmp_path):
    Image.fromarray(NOISE).save(tmp_path / "a.png")
    assert np.array_equal(read_picture(tmp_path / "a.png", 100).pixels, expected(NOISE, 100))


@pytest.mark.parametrize("size", [1, 16, 64, 300])
def test_any_size_can_be_asked_for(tmp_path, size):
    (tmp_path / "a.jpg").write_bytes(JPEG)
    assert read_picture(tmp_path / "a.jpg", size).pixels.shape == (size, size, 3)


def test_threads_read_what_one_reads(tmp_path):
    for i, (make, _, _) in enumerate(GOOD.values()):
        (tmp_path / f"{i}").write_bytes(make())
    paths = sorted(tmp_path.iterdir()) * 3
    one = [read_picture(path, SIZE).pixels for path in paths]
    with ThreadPoolExecutor(8) as pool:
        many = list(pool.map(lambda path: read_picture(path, SIZE).pixels, paths))
    assert all(np.array_equal(a, b) for a, b in zip(one, many, strict=True))


def test_the_rules_for_warnings_are_as_before(tmp_path):
    before = list(warnings.filters)
    (tmp_path / "a.jpg").write_bytes(GOOD["jpeg with exif of silly counts"][0]())
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: read_picture(tmp_path / "a.jpg", SIZE), range(40)))
    assert warnings.filters == before


# What is none


@pytest.mark.parametrize("name", BAD)
def test_this_is_told_apart_and_named(tmp_path, name):
    data, words = BAD[name]
    for place in (tmp_path / name, tmp_path / "photo.jpg"):  # the name must not matter
        place.write_bytes(data)
        check_problem(read_picture(place, SIZE), words)


def test_a_folder_is_no_picture(tmp_path):
    (tmp_path / "a.jpg").mkdir()
    check_problem(read_picture(tmp_path / "a.jpg", SIZE), "a folder")


def in_time(path: Path) -> Read:
    """Read in a thread of its own, which must end."""
    reads: list[Read] = []
    thread = threading.Thread(target=lambda: reads.append(read_picture(path, SIZE)), daemon=True)
    thread.start()
    thread.join(20)
    assert reads, "it hangs"
    return reads[0]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    check_problem(in_time(tmp_path / "a.jpg"), "a pipe")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
def test_a_file_that_became_a_pipe_between_two_looks_is_not_waited_for(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "a.jpg")
    monkeypatch.setattr(reading, "os", Changed(stat=lambda path: os.stat(__file__)))
    check_problem(in_time(tmp_path / "a.jpg"), "a pipe")


def test_a_socket_is_no_picture(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("a.jpg")
        check_problem(in_time(Path("a.jpg")), "a socket")


@pytest.mark.parametrize("device", ["/dev/null", "/dev/zero", "/dev/random"])
def test_a_device_is_not_read(tmp_path, device):
    if not os.path.exists(device):
        pytest.skip("this system has no such device")
    (tmp_path / "a.jpg").symlink_to(device)
    check_problem(in_time(tmp_path / "a.jpg"), "a device")


def test_a_file_that_went_away(tmp_path):
    check_problem(read_picture(tmp_path / "a.jpg", SIZE), "gone")


@pytest.mark.parametrize("name", ["nul\0.jpg", "n" * 5000 + ".jpg"], ids=["nul", "long"])
def test_a_name_that_no_file_can_have(tmp_path, name):
    check_problem(read_picture(tmp_path / name, SIZE), "")


def test_links_in_a_circle(tmp_path):
    (tmp_path / "a.jpg").symlink_to(tmp_path / "b.jpg")
    (tmp_path / "b.jpg").symlink_to(tmp_path / "a.jpg")
    check_problem(read_picture(tmp_path / "a.jpg", SIZE), "the system could not read it")


def test_a_file_without_permission(tmp_path, monkeypatch):
    (tmp_path / "a.jpg").write_bytes(JPEG)

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(reading, "os", Changed(open=refuse))
    check_problem(read_picture(tmp_path / "a.jpg", SIZE), "no permission")


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="this system has other rights")
def test_a_file_without_permission_read_by_a_user_who_is_not_root(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(JPEG)
    path.chmod(0)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.getuid() and folder != Path("/") and folder.is_relative_to(tmp_path.parents[2]):
            folder.chmod(folder.stat().st_mode | 0o055)
    code = (
        "import os, sys; from pathlib import Path; from course_lib.pictures.reading import read_picture; "
        "os.setuid(65534) if os.getuid() == 0 else None; print(read_picture(Path(sys.argv[1]), 32)[1:])"
    )
    root = Path(__file__).parents[1]
    said = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=120, cwd=root)
    assert "no permission" in said.stdout, said


ODD = [
    struct.error("unpack requires a buffer"), zlib.error("Error -3"), OverflowError("too large"), AttributeError("x"),
    TypeError("None"), SyntaxError("not a TIFF file"), IndexError("index"), KeyError(274), ZeroDivisionError("by zero"),
    ValueError("bad"), AssertionError(), RuntimeError("r"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), EOFError(),
    MemoryError(), RecursionError("deep"), OSError("broken data stream"), OSError(5, "Input/output error"), StopIteration(),
    NotImplementedError("n"), BufferError("b"), LookupError("l"), Image.DecompressionBombError("b"),
]  # fmt: skip


@pytest.mark.parametrize("error", ODD, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("where", ["open", "load"])
def test_whatever_a_decoder_raises_is_a_reason(tmp_path, monkeypatch, error, where):
    (tmp_path / "a.jpg").write_bytes(JPEG)

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(*((Image, "open", fail) if where == "open" else (reading, "_decoded", fail)))
    words = {MemoryError: "too little memory", Image.DecompressionBombError: "too large"}.get(type(error), "")
    words = words or ("Input/output" if getattr(error, "errno", None) else "JPEG picture")
    check_problem(read_picture(tmp_path / "a.jpg", SIZE), words)


def test_an_interrupt_is_no_reason(tmp_path, monkeypatch):
    (tmp_path / "a.jpg").write_bytes(JPEG)

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Image, "open", interrupt)
    with pytest.raises(KeyboardInterrupt):
        read_picture(tmp_path / "a.jpg", SIZE)


def test_nothing_but_the_decoder_of_its_kind_may_look_at_a_file(tmp_path, monkeypatch):
    allowed = []
    real = Image.open
    monkeypatch.setattr(Image, "open", lambda file, formats: allowed.append(formats) or real(file, formats=formats))
    for name, (data, _) in BAD.items():
        (tmp_path / name).write_bytes(data)
        read_picture(tmp_path / name, SIZE)
    assert allowed and {formats for formats in allowed} <= {
        (name,) for name in ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "AVIF")
    }


# Every format, cut off and with wrong bits, at places drawn by a seed

FUZZED = ["jpeg", "jpeg progressive", "jpeg cmyk inverted (Adobe)", "jpeg orientation 6", "mpo of two pictures", "png",
          "png palette", "png interlaced", "apng", "gif", "gif animated", "webp", "webp lossless", "webp animated", "bmp",
          "bmp palette", "tiff None", "tiff tiff_lzw", "tiff tiff_adobe_deflate", "tiff packbits", "tiff jpeg", "tiff fax",
          "tiff 16 bit", "tiff lab", "ppm", *(["avif"] if "avif" in GOOD else [])]  # fmt: skip
POINTS = 20


def fuzz(path: Path, data: bytes) -> bool:
    """Read these bytes; did they load?"""
    path.write_bytes(data)
    read = read_picture(path, SIZE)
    if read.pixels is None:
        check_problem(read, "")
        return False
    assert read.pixels.shape == (SIZE, SIZE, 3) and read.pixels.dtype == np.uint8 and read.reason is None
    return True


@pytest.mark.parametrize("name", FUZZED)
def test_cut_off_anywhere(tmp_path, name):
    data = GOOD[name][0]()
    for length in np.random.default_rng(7).integers(0, len(data), POINTS):
        loaded = fuzz(tmp_path / "a", data[:length])
        assert not (loaded and name.startswith("jpeg") and length < len(data) - 2), (
            "a JPEG without its lower part loads"
        )


@pytest.mark.parametrize("name", FUZZED)
def test_wrong_bits_anywhere(tmp_path, name):
    data = GOOD[name][0]()
    rng = np.random.default_rng(8)
    for _ in range(POINTS):
        bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8))
        bits[rng.integers(0, len(bits), rng.integers(1, 9))] ^= 1
        fuzz(tmp_path / "a", np.packbits(bits).tobytes())


@pytest.mark.parametrize("name", FUZZED)
def test_wrong_bits_in_the_header(tmp_path, name):
    data = GOOD[name][0]()
    rng = np.random.default_rng(9)
    for _ in range(POINTS):
        changed = bytearray(data)
        changed[rng.integers(0, min(len(data), 400))] = rng.integers(0, 256)
        fuzz(tmp_path / "a", bytes(changed))


# All of it at once


@pytest.mark.parametrize("part", [1.0, 0.6])
def test_a_large_file_is_read_from_the_disk_with_the_same_outcome(tmp_path, monkeypatch, part):
    """Small files are taken into memory as a whole, large ones are not: here all count as large."""
    files = [make() for make, _, _ in GOOD.values()] + [data for data, _ in BAD.values()]
    for i, data in enumerate(files):
        (tmp_path / f"{i:04}").write_bytes(data[: int(part * len(data))])
    paths = sorted(tmp_path.iterdir())
    small = [read_picture(path, SIZE) for path in paths]
    monkeypatch.setattr(reading, "IN_MEMORY", -1)
    large = [read_picture(path, SIZE) for path in paths]
    for one, other in zip(small, large, strict=True):
        assert (one.pixels is None) == (other.pixels is None) and one[1:3] == other[1:3], (one[1:], other[1:])
        assert one.pixels is None or np.array_equal(one.pixels, other.pixels)
    assert sum(read.pixels is not None for read in small) >= (len(GOOD) if part == 1 else 5)


def test_in_one_folder_every_file_ends_as_a_picture_or_in_the_report(tmp_path):
    for i, (make, _, _) in enumerate(GOOD.values()):
        lay(tmp_path, f"good/{i}.jpg", data=make())
    for name, (data, _) in BAD.items():
        lay(tmp_path, f"bad/{name}", data=data)
    written = sum(len(files) for _, _, files in os.walk(tmp_path))
    found = find(tmp_path)
    assert found.seen == written == len(GOOD) + len(BAD) == len(found.pictures) + sum(p.count for p in found.problems)
    reads = {picture.name: read_picture(picture.path, SIZE) for picture in found.pictures}
    assert all((read.pixels is None) == bool(read.reason and read.remedy) for read in reads.values())
    loaded = {name.split("/")[0] for name, read in reads.items() if read.pixels is not None}
    assert loaded == {"good"} and sum(read.pixels is not None for read in reads.values()) == len(GOOD)
