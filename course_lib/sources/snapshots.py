"""snapshots: a folder of pictures as a phone leaves it, drawn by the course, with the faults of a real one.

    folder = write_snapshots("my_dogs")          # 3 folders, one a breed: 60, 60 and 20 pictures, and some files that are none
    dogs = load_images(folder)

What is wrong with it, as with most folders that people bring: bursts (up to four shots of one dog), one shot of a burst in
the folder of another breed, each breed mostly in a place of its own, one breed with few pictures, photos of many shapes,
turned by a note in the file (EXIF), a position in a file, a screenshot with alpha, a CMYK file, a thumbnail, a copy, a blurred
one, and files that cannot be read: cut off, HEIC, text, a system file. No real photo is in it.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter

from ..errors import CourseError
from ..paths import atomic
from .chunks import draw_in_chunks
from .dogworld.breeds import NAMES
from .dogworld.domains import see
from .dogworld.draw import draw_layers
from .dogworld.factors import draw_factors, image_streams

BREEDS = (
    "Lunspitz",
    "Mirepoodle",
    "Fenn Terrier",
    "Tarrow Setter",
    "Quillpoint",
)  # neighbours: not told apart at a glance
HOMES = ("room", "meadow", "street", "beach", "forest")  # where most pictures of each breed are taken
AT_HOME = 0.75  # the others are taken anywhere
ABOUT = "README.txt"
DRAWN, LONG, SHORT = 128, 480, 360  # pixels: of the drawing, and of the photo that is made of it
CHUNK = 8
UPRIGHT, UPSIDE_DOWN, TURNED = 1, 3, 6  # EXIF's words for how the camera was held
GPS = {
    1: "N",
    2: (47.0, 22.0, 9.0),
    3: "E",
    4: (8.0, 32.0, 15.0),
}  # a place that some photo tells to whoever gets the file


def write_snapshots(folder: str | Path, per_class: Sequence[int] = (60, 60, 20), seed: int = 0) -> Path:
    """Write the folder, or find it as it was written before.

    Arguments:
        folder: where it goes; made whole under another name first, so that there is never half of it.
        per_class: pictures of each of 2 to 5 breeds, 8 or more of each; files that cannot be read come on top.
        seed: of everything that is drawn.

    Returns the folder. Raises `CourseError` for numbers out of range, and for a folder that holds something else.
    """
    folder, per_class = Path(folder), tuple(per_class)
    if not 2 <= len(per_class) <= len(BREEDS) or not all(isinstance(n, int) and n >= 8 for n in per_class):
        raise CourseError(
            f"per_class={per_class} was given; it takes 2 to {len(BREEDS)} whole numbers of 8 or more, one a breed."
        )
    if not isinstance(seed, int) or seed < 0:
        raise CourseError(f"seed={seed!r} was given; it takes a whole number from 0 on.")
    about = f"Drawn by the transfer learning course, no photos: {per_class} pictures, seed {seed}.\n".encode()
    if folder.is_dir() and any(folder.iterdir()):
        if (folder / ABOUT).is_file() and (folder / ABOUT).read_bytes() == about:
            return folder
        raise CourseError(f"{folder} holds other things. Choose a folder that is not there yet, or delete this one.")
    whole = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(whole, ignore_errors=True)
    try:
        for name, content in [*_files(per_class, seed), (ABOUT, about)]:
            with atomic(whole / name) as file:
                file.write(content)
        if folder.is_dir():
            folder.rmdir()
        whole.rename(folder)
    finally:
        shutil.rmtree(whole, ignore_errors=True)
    return folder


def _files(per_class: tuple[int, ...], seed: int) -> Iterator[tuple[str, bytes]]:
    """Name within the folder and content of every file."""
    dice = np.random.Generator(np.random.PCG64(seed))
    for label, count in enumerate(per_class):
        pictures, bursts = _draw(label, count + (label == 0), seed, dice)
        names = [f"{BREEDS[label]}/IMG_{1000 * (label + 2) + 7 * number + 1:04d}" for number in range(len(pictures))]
        if label == 0:  # one shot of a burst went into the folder of another breed
            stray = max(number for number in range(len(pictures)) if bursts.count(bursts[number]) > 1)
            names[stray] = f"{BREEDS[1]}/{Path(names[stray]).name}"
        for number, (name, picture) in enumerate(zip(names, pictures, strict=True)):
            yield _stored(name, picture, label, number)
        if label == 0:
            yield f"{names[3]} (1).jpg", _stored(names[3], pictures[3], label, 3)[1]
    whole = _jpeg(pictures[-1])
    yield f"{BREEDS[0]}/IMG_2500.jpg", whole[: len(whole) // 2]
    yield f"{BREEDS[0]}/.DS_Store", b"\0\0\0\1Bud1" + bytes(200)
    yield f"{BREEDS[1]}/IMG_3500.HEIC", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(4000)
    yield f"{BREEDS[1]}/notes.txt", b"the last ones are from the park\n"


def _stored(name: str, picture: Image.Image, label: int, number: int) -> tuple[str, bytes]:
    """One picture as its file: name and content. The first few of each breed are stored in unusual ways."""
    special = {
        (0, 0): ("CMYK", lambda: _jpeg(picture.convert("CMYK"))),
        (0, 1): ("with its position", lambda: _jpeg(picture, gps=True)),
        (0, 2): ("a thumbnail", lambda: _jpeg(picture.resize((picture.width // 12, picture.height // 12)))),
        (1, 0): ("a screenshot", lambda: _screenshot(picture)),
        (1, 1): (
            "blurred and dark",
            lambda: _jpeg(picture.filter(ImageFilter.GaussianBlur(14)).point(lambda v: v * 0.3)),
        ),
    }.get((label, number))
    if special:
        return f"{name}.{'png' if special[0] == 'a screenshot' else 'jpg'}", special[1]()
    return f"{name}.jpg", _jpeg(picture, (UPRIGHT, TURNED, UPRIGHT, UPRIGHT, UPSIDE_DOWN)[number % 5])


def _jpeg(picture: Image.Image, held: int = UPRIGHT, gps: bool = False) -> bytes:
    """The file of a camera that was held in some way: turned pixels, and the note that says how to turn them back."""
    exif = Image.Exif()
    exif[0x0112] = held
    if gps:
        exif[0x8825] = GPS
    turned = picture.rotate({UPRIGHT: 0, UPSIDE_DOWN: 180, TURNED: 90}[held], expand=True)
    buffer = io.BytesIO()
    turned.save(buffer, "JPEG", quality=88, exif=exif)
    return buffer.getvalue()


def _screenshot(picture: Image.Image) -> bytes:
    """A PNG with round corners, which are see-through."""
    corners = Image.new("L", picture.size, 0)
    inside = np.minimum(*np.meshgrid(*(np.minimum(np.arange(n), np.arange(n)[::-1]) for n in picture.size)))
    corners.putdata((255 * (inside > 14)).astype(np.uint8).flatten().tolist())
    shot = picture.copy()
    shot.putalpha(corners)
    buffer = io.BytesIO()
    shot.save(buffer, "PNG")
    return buffer.getvalue()


def _draw(label: int, count: int, seed: int, dice: np.random.Generator) -> tuple[list[Image.Image], list[int]]:
    """`count` pictures of a breed, and which dog each shows: single shots, and bursts of two to four."""
    bursts: list[int] = []
    while len(bursts) < count:
        shots = min((1, 3, 2, 4)[(bursts[-1] + 1 if bursts else 0) % 4], count - len(bursts))
        bursts += [bursts[-1] + 1 if bursts else 0] * shots
    dogs, breed = bursts[-1] + 1, NAMES["target"].index(BREEDS[label])
    rows = [breed * dogs + dog for dog in bursts]
    table = {name: values[rows].copy() for name, values in draw_factors("target", dogs, 0, 100 + seed).items()}
    streams = [image_streams("target", dogs, 0, 100 + seed)[row] for row in rows]
    places = np.array([HOMES[label] if dice.random() < AT_HOME else str(dice.choice(HOMES)) for _ in range(dogs)])
    table["scene"] = places[bursts]
    table["scale"] = table["scale"] * 0.9  # room for the photo to be cut to another shape
    table["position_y"] = table["position_y"] + 0.2
    for name, change in (("gait", 0.05), ("nod", 1.0), ("position_x", 0.01), ("light", 0.02), ("rotation", 0.4)):
        table[name] = table[name] + change * dice.uniform(-1, 1, count)  # between two shots of a burst
    pixels = torch.empty(count, 3, DRAWN, DRAWN, dtype=torch.uint8)

    def draw(part: slice) -> None:
        some = {name: values[part] for name, values in table.items()}
        numbers = {name: torch.from_numpy(values).float() for name, values in some.items() if values.dtype.kind == "f"}
        pixels[part] = see(draw_layers(some, streams[part], DRAWN), numbers, "photo")

    draw_in_chunks(draw, count, CHUNK, None)
    return [_shaped(each.permute(1, 2, 0).numpy(), dog) for each, dog in zip(pixels, bursts, strict=True)], bursts


def _shaped(pixels: np.ndarray, dog: int) -> Image.Image:
    """A drawing of 128 px as a photo: wide, tall, or square and smaller; all shots of a dog alike."""
    square = Image.fromarray(pixels).resize((LONG, LONG), Image.Resampling.BICUBIC)  # H,W,3
    cut = (LONG - SHORT) // 2
    if dog % 3 == 0:
        return square.crop((0, cut + cut // 2, LONG, LONG - cut // 2))
    return square.crop((cut, 0, LONG - cut, LONG)) if dog % 3 == 1 else square.resize((SHORT, SHORT))
