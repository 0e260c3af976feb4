"""textures: the grounds and the coats of dogworld seen from near, with no animal anywhere.

    fur = textures()                          # 36 classes, 7,200 images of 64 px
    fur.classes[0], fur.classes[-1]           # ('ground, meadow', 'belly, grey on white')

A net that is brought up on these has seen every colour and every pattern of dogworld, and no leg, ear or tail: what it
brings to dogs is texture without shape. Ground and fur come from dogworld's own pens (`scenes`, `coats`).
"""

from __future__ import annotations

import numpy as np
import torch

from ..errors import CourseError
from ..images import ImageSet, stratified_splits
from .chunks import Progress, draw_in_chunks
from .dogworld.breeds import COATS
from .dogworld.coats import SPOTS, fur_colour, markings
from .dogworld.randomness import fractal, lattice_sizes, octets, uniforms
from .dogworld.scenes import PROPS, SCENES, draw_scene, scene_table
from .dogworld.shapes import column, over

__all__ = ["textures"]

# Lightness and warmth of the fur, from 0 to 1, as in dogworld's breeds.
FURS: dict[str, tuple[float, float]] = {
    "black": (0.14, 0.25),
    "brown": (0.32, 0.85),
    "red": (0.52, 0.95),
    "grey": (0.50, 0.05),
    "cream": (0.76, 0.50),
    "white": (0.92, 0.10),
}
PAIRS = (
    ("black", "cream"), ("brown", "white"), ("red", "black"), ("grey", "brown"), ("cream", "red"), ("white", "grey")
)  # fmt: skip
SIZES = (32, 64, 128)
SHARES = {"train": 0.8, "val": 0.1, "test": 0.1}
PER_CLASS = 200
CHUNK = 16  # images drawn at once: small enough for the processor's cache
SIDE = 2  # in the names of random streams: dogworld's source is 0, its target 1
# What is drawn for each image, evenly: name -> (least, most). Lengths are in halves of the image's width.
RANGES: dict[str, tuple[float, float]] = {
    "rotation": (-60.0, 60.0),  # of fur, degrees: a saddle stays above, a belly below; ground has a twelfth of it
    "zoom": (0.35, 0.80),  # half the image's width, in lengths of a torso
    "along": (0.15, 0.85),  # middle of the image: 0 at the rump, 1 at the chest
    "across": (-0.3, 0.3),  # and from the middle of the back, in halves of a torso
    "extent": (0.25, 0.75),  # how much of the fur the markings take
    "horizon": (1.3, 2.2),  # height over the middle: always out of sight
    "shade": (-0.07, 0.07),  # added to the lightness of the fur
    "light": (0.70, 1.25),  # gain
    "warmth": (-1.0, 1.0),  # of the light: -1 blue, 1 orange
    "contrast": (0.8, 1.15),
    "noise": (0.01, 0.045),  # standard deviation of the sensor's noise; white is 1
}


def textures(
    *, seed: int = 0, per_class: int | None = None, size: int = 64, progress: Progress | None = None
) -> ImageSet:
    """Draw pieces of ground and fur.

    Arguments:
        seed: of the images and of the splits, 0 or more; the classes are always the same.
        per_class: images of each class, at least 3; default 200.
        size: edge of the images in pixels, 32, 64 or 128.
        progress: called with (images drawn, images in all) after each chunk.

    Returns an `ImageSet` of 36 classes: 6 grounds, and 5 kinds of coats in 6 pairs of colours. Its `factors` hold what
    was drawn, with values of length N for each name; fur has no ground (and the other way round): an empty word.
    80 % of each class are for training, 10 % are val and 10 % test.

    Raises `CourseError` for an argument that is not allowed.
    """
    per_class = PER_CLASS if per_class is None else per_class
    _check(seed, per_class, size)
    kinds = _kinds()
    streams = [(seed, SIDE, kind, number) for kind in range(len(kinds)) for number in range(per_class)]
    factors = _factors(kinds, streams)
    labels = torch.arange(len(kinds)).repeat_interleave(per_class)
    return ImageSet(
        name="textures",
        images=_draw_all(factors, streams, size, progress),
        labels=labels,
        classes=tuple(name for name, *_ in kinds),
        splits=stratified_splits(labels.tolist(), SHARES, seed),
        factors=factors,
    )


def _kinds() -> list[tuple[str, str, str, str, str]]:
    """The classes: name, ground, coat, main colour, colour of the markings; what does not apply is an empty word."""
    grounds = [(f"ground, {name}", name, "", "", "") for name in SCENES]
    coats = [
        (f"{coat} {main}" if coat == "solid" else f"{coat}, {other} on {main}", "", coat, main, other)
        for coat in COATS
        for main, other in PAIRS
    ]
    return grounds + coats


def _factors(kinds: list[tuple[str, str, str, str, str]], streams: list[tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Everything that is drawn by chance, and what the class says: name -> array of N."""
    kind = np.array([stream[2] for stream in streams])
    table = {
        name: np.array([words[i] for words in kinds])[kind]
        for i, name in enumerate(("texture", "ground", "coat", "main", "markings"))
    }
    draws = np.stack([uniforms(len(RANGES), (*stream, 0)) for stream in streams])
    for (name, (least, most)), even in zip(RANGES.items(), draws.T, strict=True):
        table[name] = (least + (most - least) * even).round(4)
    return table


def _draw_all(
    factors: dict[str, np.ndarray], streams: list[tuple[int, ...]], size: int, progress: Progress | None
) -> torch.Tensor:
    """All images: uint8 N,3,size,size. One thread a chunk, as in dogworld: its many small operations share badly."""
    images = torch.empty(len(streams), 3, size, size, dtype=torch.uint8)

    def draw_chunk(rows: slice) -> None:
        images[rows] = _draw({name: values[rows] for name, values in factors.items()}, streams[rows], size)

    draw_in_chunks(draw_chunk, len(streams), CHUNK, progress)
    return images


def _draw(table: dict[str, np.ndarray], streams: list[tuple[int, ...]], size: int) -> torch.Tensor:
    """The images of some rows of the factors: uint8 N,3,size,size."""
    f = {name: torch.from_numpy(values).float() for name, values in table.items() if values.dtype.kind == "f"}
    many = sum(n * n for n in lattice_sizes(size))
    noise = fractal(octets(many, [(*stream, 1) for stream in streams]), size, 0.6)
    fur = fractal(octets(many, [(*stream, 2) for stream in streams]), size, 0.85)
    dice = octets(PROPS * 6 + SPOTS * 3, [(*stream, 3) for stream in streams])
    layout, spots = dice.split([PROPS * 6, SPOTS * 3], dim=1)
    sensor = octets(2 * 3 * size * size, [(*stream, 4) for stream in streams]).reshape(-1, 2, 3, size, size)

    on_ground = table["ground"] != ""
    turn = np.deg2rad(np.where(on_ground, table["rotation"] / 12, table["rotation"]))
    cos, sin = (column(torch.from_numpy(values.round(6)).float()) for values in (np.cos(turn), np.sin(turn)))
    steps = (torch.arange(size, dtype=torch.float32) + 0.5) * (2.0 / size) - 1.0
    u, v = steps.reshape(1, 1, -1), -steps.reshape(1, -1, 1)
    u, v = u * cos + v * sin, v * cos - u * sin  # 1,1,S and 1,S,1 -> N,S,S

    scene = scene_table([name or next(iter(SCENES)) for name in table["ground"].tolist()])
    horizon = column(f["horizon"])
    ground = draw_scene(u, v, torch.full_like(horizon, 2.0 / size), horizon, scene, layout, noise)
    picture = torch.where(
        torch.from_numpy(on_ground).reshape(-1, 1, 1, 1), ground, _fur(u, v, table, f, spots, noise, fur)
    )
    grain = (sensor[:, 0] + sensor[:, 1] - 1.0) * 2.45  # the sum of two even draws has a deviation of 0.41
    picture = _light(picture, f) + grain * column(f["noise"]).unsqueeze(1)
    return (picture.clamp(0.0, 1.0) * 255.0 + 0.5).floor().to(torch.uint8)


def _fur(
    u: torch.Tensor,
    v: torch.Tensor,
    table: dict[str, np.ndarray],
    f: dict[str, torch.Tensor],
    spots: torch.Tensor,
    noise: torch.Tensor,
    fur: torch.Tensor,
) -> torch.Tensor:
    """A coat that fills the picture: N,3,S,S. The torso that it would lie on reaches from x = 0 to 1, 0.25 to each side."""
    n = len(u)
    x, y = u * column(f["zoom"]) + column(f["along"]), v * column(f["zoom"]) + column(f["across"])
    coat = torch.from_numpy((table["coat"][:, None] == np.array(COATS)).astype(np.float32))
    trunk = torch.tensor([0.0, 0.0, 1.0, 0.0]).expand(n, 4)
    share = markings(x, y, f | {"chest": torch.full((n,), 0.25)}, coat, trunk, spots, noise)
    first, second = (
        fur_colour(
            torch.tensor([FURS.get(c, (0.5, 0.0))[0] for c in names]) + f["shade"],
            torch.tensor([FURS.get(c, (0.5, 0.0))[1] for c in names]),
        )
        for names in (table["main"].tolist(), table["markings"].tolist())
    )
    return over(first, second, share) * (1.0 + 0.22 * fur).unsqueeze(1)


def _light(picture: torch.Tensor, f: dict[str, torch.Tensor]) -> torch.Tensor:
    """Brightness, colour and contrast of the light, in dogworld's own ranges."""
    warmth = f["warmth"]
    tint = torch.stack([1.0 + 0.13 * warmth, torch.ones_like(warmth), 1.0 - 0.16 * warmth], dim=1)
    lit = picture * (f["light"].unsqueeze(1) * tint).reshape(-1, 3, 1, 1)
    return ((lit - 0.42) * column(f["contrast"]).unsqueeze(1) + 0.42).clamp(0.0, 1.0)


def _check(seed: int, per_class: int, size: int) -> None:
    """Refuse what has no meaning, with what is allowed."""
    for name, value, least in (("seed", seed, 0), ("per_class", per_class, 3)):
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise CourseError(f"textures received {name}={value!r}; it takes a whole number of at least {least}.")
    if size not in SIZES:
        raise CourseError(f"textures received size={size!r}; allowed are {', '.join(map(str, SIZES))}. Choose one.")
