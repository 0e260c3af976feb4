"""digits: one task, reading a digit, in two domains: printed with matplotlib's own fonts, and written by hand.

    printed = digits()                             # 10 classes, 5,000 images of 64 px, drawn here
    written = digits(domain="handwritten")         # 1,797 real ones: scikit-learn's load_digits

The handwriting is that of Alpaydin and Kaynak 1998 (Optical Recognition of Handwritten Digits, UCI Machine Learning
Repository): scans of 8x8 pixels in 17 steps of grey, which scikit-learn holds. It is needed for this domain alone.

The printed digits are the same on every run of one machine. The outlines are filled by the FreeType that Pillow brings,
so another version of Pillow may move single grey values, and with them the checksum.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch.nn import functional as F

from ..errors import CourseError
from ..images import ImageSet, stratified_splits
from .chunks import draw_in_chunks
from .dogworld.randomness import fractal, lattice_sizes, octets, uniforms
from .dogworld.shapes import column, over, ramp

__all__ = ["DOMAINS", "FONTS", "digits"]

DOMAINS = ("printed", "handwritten")
CLASSES = tuple("0123456789")
# All the fonts in matplotlib's folder that have digits; cmmi10 has old-style ones, which go below the line.
FONTS = (
    "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique",
    "DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-Oblique", "DejaVuSansMono-BoldOblique",
    "DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic",
    "STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta",
    "cmr10", "cmb10", "cmss10", "cmtt10", "cmti10", "cmmi10",
)  # fmt: skip
SIZES = (32, 64, 128)
SHARES = {
    "printed": {"train": 0.8, "val": 0.1, "test": 0.1},
    "handwritten": {"train": 0.5, "val": 0.15, "test": 0.35},
}
PER_CLASS = 500
GLYPH = 128  # pixels along an edge of a glyph's own picture; the tallest digit has three quarters of that
CHUNK = 16  # images drawn at once: small enough for the processor's cache
SIDE = 3  # in the names of random streams: dogworld has 0 and 1, textures 2
# What is drawn for each printed digit, evenly: name -> (least, most).
RANGES: dict[str, tuple[float, float]] = {
    "rotation": (-15.0, 15.0),  # degrees, clockwise
    "slant": (-0.25, 0.25),  # to the right for a step upwards
    "height": (0.55, 0.90),  # of a tall digit, as a share of the image's height
    "narrow": (0.75, 1.15),  # width, as a share of what the font has
    "position_x": (-0.16, 0.16),  # middle of the digit; the image is 2 wide
    "position_y": (-0.12, 0.12),
    "weight": (-0.22, 0.30),  # strokes: negative thinner, positive bolder
    "wear": (0.0, 0.35),  # how unevenly the ink took
    "ink": (0.02, 0.38),  # lightness of the ink
    "paper": (0.72, 0.99),  # and of the paper
    "ink_red": (-0.12, 0.12), "ink_blue": (-0.12, 0.12),  # tint, added to lightness
    "paper_red": (-0.06, 0.06), "paper_blue": (-0.14, 0.06),
    "blur": (0.0, 1.0),  # 0 sharp, 1 out of focus
    "noise": (0.01, 0.06),  # standard deviation of the sensor's noise; white is 1
}  # fmt: skip


def digits(domain: str = "printed", *, seed: int = 0, per_class: int | None = None, size: int = 64) -> ImageSet:
    """Print digits, or read handwritten ones.

    Arguments:
        domain: `printed` (drawn here) or `handwritten` (needs scikit-learn). The classes are the same.
        seed: of the printed images, and of the splits; 0 or more.
        per_class: printed images of each digit, at least 3; default 500. There are 1,797 handwritten ones, so for them
            it must be None.
        size: edge of the images in pixels, 32, 64 or 128.

    Returns an `ImageSet`. Printed: 80 % of each class for training, 10 % val, 10 % test, and `factors` with the font and
    all else that was drawn. Handwritten: 50, 15 and 35 %, and `factors["number"]`, the row in scikit-learn's table.

    Raises `CourseError` for an argument that is not allowed, and where scikit-learn is not installed.
    """
    _check(domain, seed, per_class, size)
    if domain == "handwritten":
        images, labels, factors = _handwritten(size)
    else:
        images, labels, factors = _printed(seed, PER_CLASS if per_class is None else per_class, size)
    return ImageSet(
        name=f"digits, {domain}",
        images=images,
        labels=labels,
        classes=CLASSES,
        splits=stratified_splits(labels.tolist(), SHARES[domain], seed),
        factors=factors,
    )


def _handwritten(size: int) -> tuple[torch.Tensor, torch.Tensor, dict[str, np.ndarray]]:
    """The digits of scikit-learn, dark on white as the printed ones, with a pixel of paper around them."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise CourseError(
            "The handwritten digits come with scikit-learn, which is not installed here. "
            "Install it with `pip install scikit-learn`, or use domain='printed', which the course draws itself."
        ) from error
    table = load_digits()
    ink = F.pad(torch.from_numpy(table.images).float() / 16, (1, 1, 1, 1)).unsqueeze(1)  # N,8,8 -> N,1,10,10
    paper = 1.0 - F.interpolate(ink, (size, size), mode="bicubic", align_corners=False).clamp(0.0, 1.0)
    images = _octets(paper.expand(-1, 3, -1, -1))  # N,1,S,S -> N,3,S,S
    return images, torch.from_numpy(table.target.astype(np.int64)), {"number": np.arange(len(images))}


def _printed(seed: int, per_class: int, size: int) -> tuple[torch.Tensor, torch.Tensor, dict[str, np.ndarray]]:
    """Digits of all fonts: images, labels and factors, in the order of the classes."""
    streams = [(seed, SIDE, digit, number) for digit in range(len(CLASSES)) for number in range(per_class)]
    labels = torch.arange(len(CLASSES)).repeat_interleave(per_class)
    draws = np.stack([uniforms(len(RANGES) + 1, (*stream, 0)) for stream in streams])
    font = (draws[:, 0] * len(FONTS)).astype(int)
    factors = {"digit": np.array(CLASSES)[labels.numpy()], "font": np.array(FONTS)[font]}
    for (name, (least, most)), even in zip(RANGES.items(), draws[:, 1:].T, strict=True):
        factors[name] = (least + (most - least) * even).round(4)
    images = torch.empty(len(streams), 3, size, size, dtype=torch.uint8)
    shapes = glyphs()

    def draw_chunk(rows: slice) -> None:
        f = {name: torch.from_numpy(values[rows]).float() for name, values in factors.items() if name in RANGES}
        images[rows] = _print(shapes[font[rows], labels[rows]], f, streams[rows], size)

    draw_in_chunks(draw_chunk, len(streams), CHUNK, None)
    return images, labels, factors


@cache
def glyphs() -> torch.Tensor:
    """Every digit of every font, white on black, centred by its own outline: float fonts,10,GLYPH,GLYPH in 0 to 1.

    Raises `CourseError` where matplotlib's folder lacks one of the fonts.
    """
    found = torch.zeros(len(FONTS), len(CLASSES), GLYPH, GLYPH)
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for i, name in enumerate(FONTS):
        file = folder / f"{name}.ttf"
        if not file.is_file():  # asked first: Pillow would look for a font of this name elsewhere on the machine
            raise CourseError(
                f"matplotlib {matplotlib.__version__} has no font {name}, which the printed digits need. "
                "Install matplotlib 3.8 or later."
            )
        font = ImageFont.truetype(str(file), 100, layout_engine=ImageFont.Layout.BASIC)
        tallest = max(font.getbbox(digit)[3] - font.getbbox(digit)[1] for digit in CLASSES)
        font = font.font_variant(size=100 * 0.75 * GLYPH / tallest)
        for j, digit in enumerate(CLASSES):
            picture = Image.new("L", (GLYPH, GLYPH))
            left, top, right, bottom = font.getbbox(digit)
            place = ((GLYPH - left - right) // 2, (GLYPH - top - bottom) // 2)
            ImageDraw.Draw(picture).text(place, digit, font=font, fill=255)
            found[i, j] = torch.from_numpy(np.asarray(picture).copy()).float() / 255
    return found


def _print(glyph: torch.Tensor, f: dict[str, torch.Tensor], streams: list[tuple[int, ...]], size: int) -> torch.Tensor:
    """Put glyphs (float N,GLYPH,GLYPH) on paper: uint8 N,3,size,size."""
    n, (cos, sin) = len(glyph), _turn(f["rotation"])
    one, zero = np.ones(n), np.zeros(n)
    slant, tall, wide = (f[name].numpy().astype(np.float64) for name in ("slant", "height", "narrow"))
    place = np.stack([f["position_x"].numpy(), f["position_y"].numpy()], 1)
    # From a point of the image to a point of the glyph: move back, turn back, push upright, scale.
    back, upright = _matrix(cos, sin, -sin, cos), _matrix(one, slant, zero, one)
    matrix = _matrix(0.75 / tall / wide, zero, zero, 0.75 / tall) @ upright @ back
    shift = -(matrix @ place[:, :, None])  # N,2,2 @ N,2,1 -> N,2,1
    theta = torch.from_numpy(np.concatenate([matrix, shift], 2)).float()
    grid = F.affine_grid(theta, [n, 1, 2 * size, 2 * size], align_corners=False)
    fine = F.grid_sample(glyph.unsqueeze(1), grid, mode="bilinear", padding_mode="zeros", align_corners=False)

    many = sum(m * m for m in lattice_sizes(size))
    noise = fractal(octets(many, [(*stream, 1) for stream in streams]), size, 0.7)
    sensor = octets(2 * 3 * size * size, [(*stream, 2) for stream in streams]).reshape(-1, 2, 3, size, size)
    soft = _blur(F.avg_pool2d(fine, 2)).squeeze(1)  # N,1,2S,2S -> N,S,S
    edge = 0.5 - column(f["weight"])  # where the edge of the stroke lies on the soft slope
    ink = ramp(soft, edge - 0.22, edge + 0.22) * (1.0 - column(f["wear"]) * (0.5 + 0.5 * noise))
    picture = over(_colour(f, "paper").expand(-1, 3, size, size), _colour(f, "ink"), ink)
    blurred = _blur(_blur(picture))
    picture = picture + (blurred - picture) * column(f["blur"]).unsqueeze(1)
    grain = (sensor[:, 0] + sensor[:, 1] - 1.0) * 2.45  # the sum of two even draws has a deviation of 0.41
    return _octets(picture + grain * column(f["noise"]).unsqueeze(1))


def _turn(degrees: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Cosine and sine, to six decimals: the last bit, in which libraries differ, is cut off."""
    radians = np.deg2rad(degrees.numpy().astype(np.float64))
    return np.cos(radians).round(6), np.sin(radians).round(6)


def _matrix(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Matrices of the rows (a, b) and (c, d): four times N -> N,2,2."""
    return np.stack([np.stack([a, b], 1), np.stack([c, d], 1)], 1)


def _colour(f: dict[str, torch.Tensor], what: str) -> torch.Tensor:
    """Colour of `ink` or `paper`: N,3,1,1."""
    grey = f[what]
    return (
        torch.stack([grey + f[f"{what}_red"], grey, grey + f[f"{what}_blue"]], 1).clamp(0.0, 1.0).reshape(-1, 3, 1, 1)
    )


def _blur(x: torch.Tensor) -> torch.Tensor:
    """Weights 1 2 1 along both axes of N,C,S,S; the border repeats."""
    line = torch.tensor([0.25, 0.5, 0.25])
    kernel = (line.reshape(1, 3) * line.reshape(3, 1)).expand(x.shape[1], 1, 3, 3)
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), kernel, groups=x.shape[1])


def _octets(picture: torch.Tensor) -> torch.Tensor:
    """Light from 0 to 1 as uint8."""
    return (picture.clamp(0.0, 1.0) * 255.0 + 0.5).floor().to(torch.uint8)


def _check(domain: str, seed: int, per_class: int | None, size: int) -> None:
    """Refuse what has no meaning, with what is allowed."""
    for name, value, allowed in (("domain", domain, DOMAINS), ("size", size, SIZES)):
        if value not in allowed:
            raise CourseError(
                f"digits received {name}={value!r}; allowed are {', '.join(map(str, allowed))}. Choose one."
            )
    if domain == "handwritten" and per_class is not None:
        raise CourseError(
            f"digits received per_class={per_class!r} with domain='handwritten'; there are 1,797 of these and no more are "
            "drawn. Leave it away, and take fewer for training with `.subset(per_class)`."
        )
    for name, value, least in (("seed", seed, 0), ("per_class", PER_CLASS if per_class is None else per_class, 3)):
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise CourseError(f"digits received {name}={value!r}; it takes a whole number of at least {least}.")
