"""What is drawn in each image: the table of factors, before a single pixel exists.

    table = draw_factors("target", per_class=200, cats=0, seed=0)
    table["pose"][17], table["snout"][17]

An image's factors follow from (seed, which, breed, number of the image) alone. So the first 50 dogs of a breed are the
same whether 50 or 200 are asked for, and cats change no dog.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from .breeds import BUILD, COAT_KEPT, COATS, Breed, breeds, cat
from .randomness import uniforms
from .scenes import SCENES

POSES = ("standing", "running", "sitting", "lying")
FACINGS = ("left", "right")
CAT = 1000  # the cat's number in the names of streams, out of the way of any breed
DRAWS = 160  # uniform numbers set aside for each image; more than are used, so that factors can be added at the end

Draw = Callable[[], np.ndarray]


def draw_factors(which: str, per_class: int, cats: int, seed: int) -> dict[str, np.ndarray]:
    """All factors of all images: name -> array of N. Dogs stand in the order of their breeds; cats come last."""
    kinds: list[Breed] = [*breeds(which), *([cat()] if cats else [])]
    counts = [per_class] * len(breeds(which)) + [cats] * bool(cats)
    number = np.concatenate([np.arange(count) for count in counts])
    kind = np.repeat(np.arange(len(kinds)), counts)
    streams = image_streams(which, per_class, cats, seed)
    columns: Iterator[np.ndarray] = iter(np.stack([uniforms(DRAWS, (*stream, 0)) for stream in streams]).T)

    def flat() -> np.ndarray:
        """Evenly spread over [0, 1)."""
        return next(columns)

    def bell() -> np.ndarray:
        """Bell-shaped over [-3, 3] with a standard deviation of 1: the sum of three even draws."""
        return (flat() + flat() + flat() - 1.5) * 2.0

    def choose(options: tuple[str, ...]) -> np.ndarray:
        return np.array(options)[(flat() * len(options)).astype(int)]

    def between(least: float, most: float) -> np.ndarray:
        return least + (most - least) * flat()

    table: dict[str, np.ndarray] = {
        "breed": np.array([kinds[k].name for k in kind]),
        "species": np.array([kinds[k].species for k in kind]),
        "number": number,
        "pose": choose(POSES),
        "facing": choose(FACINGS),
        "scene": choose(tuple(SCENES)),
        "ears": np.array([kinds[k].ears for k in kind]),
    }
    own = np.array([kinds[k].coat for k in kind])
    keeps = (flat() < COAT_KEPT[which]) & (table["species"] == "dog")
    table["coat"] = np.where(keeps, own, choose(COATS))
    table |= _build(kinds, kind, bell)
    table |= _moment(flat, bell, between)
    return {name: column if column.dtype.kind in "Ui" else column.round(4) for name, column in table.items()}


def image_streams(which: str, per_class: int, cats: int, seed: int) -> list[tuple[int, ...]]:
    """The name of each image's random stream, in the order of the table: (seed, source or target, breed, number)."""
    side = ("source", "target").index(which)
    dogs = [(seed, side, breed, number) for breed in range(len(breeds(which))) for number in range(per_class)]
    return dogs + [(seed, side, CAT, number) for number in range(cats)]


def _build(kinds: list[Breed], kind: np.ndarray, bell: Draw) -> dict[str, np.ndarray]:
    """The animal itself: its breed's build, and how it differs from it."""
    vary = np.array([k.vary for k in kinds])[kind]
    found = {}
    for name, (least, most) in BUILD.items():
        middle = np.array([k.build[name] for k in kinds])[kind]
        # A cat may leave the range of dogs, but no animal goes beyond its own breed by more than the ranges allow.
        low, high = np.minimum(least, middle * 0.8), np.maximum(most, middle * 1.2)
        found[name] = np.clip(middle + vary * (most - least) * bell(), low, high)
    wide = np.array([k.species == "cat" for k in kinds])[kind]
    for name in ("shade_1", "warmth_1", "shade_2", "warmth_2", "extent"):
        least, most = BUILD[name]
        found[name] = np.where(wide, np.clip(found[name] + 0.25 * bell(), least, most), found[name])
    return found


def _moment(flat: Draw, bell: Draw, between: Callable[[float, float], np.ndarray]) -> dict[str, np.ndarray]:
    """What the animal does at this moment, and the camera and light that see it."""
    return {
        "gait": between(-1.0, 1.0),  # running: 1 stretched out, -1 legs under the body
        "stance": between(-1.0, 1.0),  # standing: how far the legs of a pair stand apart
        "nod": bell() * 9.0,  # degrees the head is raised
        "wag": bell() * 12.0,  # degrees the tail is raised
        "collar": np.where(flat() < 0.4, between(0.0, 1.0), -1.0),  # hue of the collar; -1 none
        "scale": between(0.80, 1.12),  # 1: a middling dog fills three quarters of the width
        "rotation": bell() * 4.0,  # camera roll, degrees
        "position_x": between(-0.16, 0.16),  # middle of the dog; the image is 2 wide
        "position_y": between(-0.80, -0.50),  # height of the ground under it; -1 is the lower edge
        "horizon": between(-0.10, 0.35),
        "light": between(0.70, 1.25),  # gain
        "warmth": between(-1.0, 1.0),  # of the light: -1 blue, 1 orange
        "sun": between(-1.0, 1.0),  # side the light comes from: -1 left, 1 right
        "contrast": between(0.8, 1.15),
        "noise": between(0.01, 0.045),  # standard deviation of the sensor's noise; white is 1
    }
