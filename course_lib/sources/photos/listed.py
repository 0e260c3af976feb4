"""Which photo of a real set shows what, and which split its authors put it in; no photo is opened.

    listed = LISTS["pets"](root)         # root as torchvision's datasets take it
    listed.pictures[0]                   # Picture(path, name, label, split)

These are the layouts of torchvision.datasets, whose classes would open the photos one by one; a test holds each list
against the class. A split of None is cut here: val from train by a seed, and all three where the authors have none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import CourseError
from ...pictures.found import Picture, printable
from .flower_names import FLOWERS
from .needs import loadmat

PHOTOS = (".jpg", ".jpeg", ".png")
WOOF = {
    "n02086240": "Shih-Tzu",
    "n02087394": "Rhodesian ridgeback",
    "n02088364": "beagle",
    "n02089973": "English foxhound",
    "n02093754": "Border terrier",
    "n02096294": "Australian terrier",
    "n02099601": "golden retriever",
    "n02105641": "Old English sheepdog",
    "n02111889": "Samoyed",
    "n02115641": "dingo",
}
NETTE = {
    "n01440764": "tench",
    "n02102040": "English springer",
    "n02979186": "cassette player",
    "n03000684": "chain saw",
    "n03028079": "church",
    "n03394916": "French horn",
    "n03417042": "garbage truck",
    "n03425413": "gas pump",
    "n03445777": "golf ball",
    "n03888257": "parachute",
}


@dataclass(frozen=True)
class Listed:
    """Photos with what they show, the classes in their order, and facts of each photo by name."""

    pictures: list[Picture]
    classes: tuple[str, ...]
    factors: dict[str, list[str]] = field(default_factory=dict)


def pets(root: Path, what: str = "breeds") -> Listed:
    """Oxford-IIIT Pet: annotations/trainval.txt and test.txt, lines of NAME_12 BREED SPECIES NUMBER.

    Arguments:
        what: `breeds` (37), `species` (cat, dog) or `dogs` (the 25 breeds of dogs).
    """
    folder = root / "oxford-iiit-pet"
    rows = []
    for split, file in (("train", "trainval.txt"), ("test", "test.txt")):
        for line in _lines(folder / "annotations" / file):
            words = line.split()
            if len(words) != 4 or words[2] not in "12" or not words[1].isdecimal():
                raise CourseError(
                    f"{folder / 'annotations' / file} holds the line {line[:60]!r}, which is none of a list."
                )
            rows.append((words[0], int(words[1]), ("cat", "dog")[int(words[2]) - 1], split))
    if what == "dogs":
        rows = [row for row in rows if row[2] == "dog"]
    names = {number: _title(name) for name, number, _, _ in rows}  # NAME is the breed and a number of the photo
    breeds = [names[number] for _, number, _, _ in rows]
    labels = [species for _, _, species, _ in rows] if what == "species" else breeds
    pictures = [
        Picture(folder / "images" / f"{name}.jpg", printable(f"{name}.jpg"), label, split)
        for (name, _, _, split), label in zip(rows, labels, strict=True)
    ]
    classes = ("cat", "dog") if what == "species" else tuple(names[number] for number in sorted(names))
    return Listed(pictures, classes, {"breed": breeds, "species": [row[2] for row in rows]})


def folders(root: Path, names: dict[str, str] | None = None, splits: tuple[tuple[str, str], ...] = ()) -> Listed:
    """Folders of classes, below folders of splits where there are some.

    Arguments:
        names: folder -> class; without it folders are called what they hold.
        splits: (folder, split) pairs; none where class folders lie directly below.
    """
    pictures, classes = [], {}
    for place, split in splits or (("", None),):
        for folder in sorted(path for path in _inside(root / place) if path.is_dir()):
            label = (names or {}).get(folder.name, folder.name if names is None else "")
            if not label:
                continue
            classes[folder.name] = label
            pictures += [
                Picture(path, printable(str(path.relative_to(root))), label, split)
                for path in sorted(_inside(folder))
                if path.suffix.lower() in PHOTOS
            ]
    return Listed(pictures, tuple(classes[name] for name in sorted(classes)))


def flowers(root: Path) -> Listed:
    """Oxford 102 Flowers: numbers of photos in setid.mat, their classes in imagelabels.mat, counted from 1."""
    folder = root / "flowers-102"
    labels = loadmat(folder / "imagelabels.mat")["labels"].ravel().astype(int)
    sets = loadmat(folder / "setid.mat")
    pictures = [
        Picture(
            folder / "jpg" / f"image_{number:05d}.jpg",
            f"image_{number:05d}.jpg",
            FLOWERS[labels[number - 1] - 1],
            split,
        )
        for key, split in (("trnid", "train"), ("valid", "val"), ("tstid", "test"))
        for number in sets[key].ravel().astype(int).tolist()
    ]
    return Listed(pictures, FLOWERS)


LISTS: dict[str, Callable[[Path], Listed]] = {
    "pets": pets,
    "pets-species": lambda root: pets(root, "species"),
    "pets-dogs": lambda root: pets(root, "dogs"),
    "imagewoof": lambda root: folders(root / "imagewoof2-160", WOOF, (("train", "train"), ("val", "test"))),
    "imagenette": lambda root: folders(root / "imagenette2-160", NETTE, (("train", "train"), ("val", "test"))),
    "hymenoptera": lambda root: folders(root / "hymenoptera_data", None, (("train", "train"), ("val", "test"))),
    "flowers": flowers,
    "eurosat": lambda root: folders(root / "eurosat" / "2750"),
}


def _title(name: str) -> str:
    """The breed of a photo: american_bulldog_12 -> American Bulldog."""
    return " ".join(part.title() for part in name.rsplit("_", 1)[0].split("_"))


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip() and line[0] != "#"]
    except (OSError, UnicodeDecodeError) as error:
        raise CourseError(f"The list {path} cannot be read ({error}). See: course data verify") from error


def _inside(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise CourseError(f"The folder {folder} cannot be read ({error.strerror}). See: course data verify") from error
