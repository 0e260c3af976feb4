"""The space of breeds: what can differ between two dogs, and the 50 points in it that have a name.

    for breed in breeds("target"):
        print(breed.name, breed.coat, breed.ears, breed.build["snout"])

A breed is a point: one number for each entry of `BUILD`, a kind of coat and a kind of ears. The points are spread
evenly by a Latin hypercube (McKay, Beckman and Conover 1979): in every direction each breed has a step of its own, so
any two breeds differ in something that can be seen. Only integers are compared on the way there, so the table is
the same on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import CourseError

COATS = ("solid", "spots", "saddle", "brindle", "belly")
EARS = ("pricked", "tipped", "floppy")

# What a dog can be built like: name -> (least, most). Lengths are in dog units: a middling torso is 1 long.
BUILD: dict[str, tuple[float, float]] = {
    "body": (0.82, 1.22),  # shoulder to hip
    "leg": (0.24, 0.66),  # ground to chest
    "chest": (0.19, 0.32),  # radius of the ribcage
    "waist": (0.52, 1.0),  # radius of the loin, as a share of the chest's
    "bone": (0.045, 0.085),  # radius of the lower leg
    "neck": (0.20, 0.48),  # length
    "carriage": (25.0, 75.0),  # angle of the neck above the horizontal, degrees
    "head": (0.155, 0.235),  # radius of the skull
    "snout": (0.20, 0.46),  # from the middle of the skull to the nose
    "muzzle": (0.055, 0.125),  # radius at the nose
    "ear": (0.16, 0.40),  # length
    "tail": (0.28, 0.80),  # length
    "tail_set": (-55.0, 60.0),  # angle at the root above the horizontal, degrees
    "tail_curl": (-10.0, 75.0),  # turn at each of its joints, degrees
    "brush": (0.03, 0.10),  # radius of the tail
    "fur": (0.0, 0.05),  # how far tufts stand out
    "shade_1": (0.10, 0.90),  # lightness of the main colour
    "warmth_1": (0.0, 1.0),  # of the main colour: 0 grey, 1 red-brown
    "shade_2": (0.10, 0.95),  # lightness of the markings
    "warmth_2": (0.0, 1.0),  # of the markings
    "extent": (0.0, 1.0),  # how much of the dog the markings cover
}
COLOURS = ("shade_1", "warmth_1", "shade_2", "warmth_2")

# How far breeds stand from the middle of the space (1 = to the ends of the ranges above), and the seed of the hypercube.
# These are the dials of difficulty: the smaller, the finer the differences between breeds. COAT_KEPT is the share of a
# breed's dogs that have the breed's own kind of coat; the others have any kind. Colour and coat tell the source breeds
# apart more easily than the target's, which differ in build: so features learned there help here, but do not suffice.
SPREAD = {"source": 1.0, "target": 0.8}
COLOUR_SPREAD = {"source": 1.0, "target": 0.6}
COAT_KEPT = {"source": 0.9, "target": 0.75}
VARY = 0.085  # how much dogs differ from their breed, as a share of each range (about one standard deviation)
SEED = {"source": 40, "target": 10}

NAMES = {
    "target": (
        "Brackhound", "Lunspitz", "Tarrow Setter", "Fenn Terrier", "Oberdale",
        "Pell Mastiff", "Quillpoint", "Harzling", "Mirepoodle", "Dunrunner",
    ),
    "source": (
        "Aldhound", "Barlow Cur", "Cairnspitz", "Dovrehund", "Elmshound", "Farrow Collie", "Gantling", "Heathpoint",
        "Iverdale", "Jorspitz", "Keldhound", "Lorn Terrier", "Marlow Setter", "Nordling", "Ostermann", "Penrunner",
        "Quernhound", "Rillpoint", "Sandspitz", "Thorn Cur", "Ulverdog", "Vale Mastiff", "Wendhound", "Yarrow Collie",
        "Zellspitz", "Amberhund", "Birkling", "Cobdale", "Draypoint", "Eskterrier", "Fjellhound", "Glenrunner",
        "Holmspitz", "Inkerdog", "Kettle Terrier", "Loamhound", "Moss Setter", "Nettle Cur", "Orrindale", "Pikespitz",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Breed:
    """A named point in the space of breeds.

    Arguments:
        name: what a reader calls it.
        species: `dog` or `cat`.
        coat: the kind most of its animals have, one of `COATS`.
        ears: the kind of ears it has, one of `EARS`.
        build: a value for each name in `BUILD`, in the units given there.
        vary: how much its animals differ from it, as a share of each range (about one standard deviation).
    """

    name: str
    species: str
    coat: str
    ears: str
    build: dict[str, float]
    vary: float


def _latin(rows: int, columns: int, seed: int) -> np.ndarray:
    """A Latin hypercube: int64 rows,columns; every column holds 0 to rows - 1, each once, in an order of its own."""
    bits = np.random.PCG64(seed).random_raw(rows * columns).reshape(rows, columns)
    return bits.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")


def breeds(which: str) -> tuple[Breed, ...]:
    """The 40 `source` or the 10 `target` breeds, always the same.

    Raises `CourseError` for any other word.
    """
    if which not in NAMES:
        raise CourseError(f"dogworld has the breeds 'source' (40) and 'target' (10); received {which!r}. Choose one.")
    names = NAMES[which]
    steps = _latin(len(names), len(BUILD) + 2, SEED[which])
    found = []
    for name, row in zip(names, steps, strict=True):
        build = {}
        for (key, (least, most)), step in zip(BUILD.items(), row[2:], strict=True):
            spread = COLOUR_SPREAD[which] if key in COLOURS else SPREAD[which]
            place = 0.5 + spread * ((step + 0.5) / len(names) - 0.5)
            build[key] = round(float(least + (most - least) * place), 4)
        coat, ears = COATS[row[0] % len(COATS)], EARS[row[1] % len(EARS)]
        found.append(Breed(name, "dog", coat, ears, build, VARY))
    return tuple(found)


def cat() -> Breed:
    """The cat, drawn by the same pen: slim, short in the snout, with small pricked ears and a long thin tail."""
    build = {
        "body": 0.92, "leg": 0.34, "chest": 0.19, "waist": 0.92, "bone": 0.042, "neck": 0.14, "carriage": 52.0,
        "head": 0.185, "snout": 0.13, "muzzle": 0.062, "ear": 0.19, "tail": 0.86, "tail_set": 25.0, "tail_curl": 22.0,
        "brush": 0.034, "fur": 0.008, "shade_1": 0.5, "warmth_1": 0.5, "shade_2": 0.6, "warmth_2": 0.4, "extent": 0.5,
    }  # fmt: skip
    return Breed("cat", "cat", "brindle", "pricked", build, 0.1)


def distance(a: Breed, b: Breed) -> float:
    """How different two breeds are: root mean square over `BUILD`, each entry as a share of its range (0 to 1)."""
    gaps = [(a.build[key] - b.build[key]) / (most - least) for key, (least, most) in BUILD.items()]
    return float(np.sqrt(np.mean(np.square(gaps))))
