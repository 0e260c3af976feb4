"""Which file shows what: class folders, split folders, a folder with a table, or a zip of any of these.

    found = find("photos/")                        # photos/cat/*.jpg, photos/dog/*.jpg, at any depth below the class
    found = find("photos/", table="labels.csv")    # photos/*.jpg, and a table with columns like file and label
    found = find("photos.zip")                     # unpacked into the cache, once
    found.pictures, found.problems

No picture is opened here. What is no picture, or belongs to no class, is a problem with what to do about it.
"""

from __future__ import annotations

import stat
from collections import Counter
from pathlib import Path

from ..errors import CourseError
from .csv_table import ADD_A_ROW, TABLES, read_table
from .found import NOTHING_TO_DO, Found, Picture, Problem, printable
from .kinds import HEAD, ZIP, kind_of
from .walking import Parts, Walked, readable_name, walk
from .zipped import unpacked

LAYOUT = (
    "Give a folder with one folder of images for each class, or one with train/ and test/ that hold these, "
    "or a folder of images with a table (CSV) that has the columns file and label, or a zip of these."
)
SPLITS = {"train": ("train", "training"), "val": ("val", "valid", "validation"), "test": ("test", "testing")}
SPLIT_OF = {word: split for split, words in SPLITS.items() for word in words}


def find(source: str | Path, table: str | Path | None = None, least: int = 2) -> Found:
    """Find the pictures below a folder or in a zip, and their classes.

    Arguments:
        source: the folder or the zip.
        table: a CSV that says what each file shows; none: class folders, else the one CSV in the folder.
        least: classes that there must be; 1 for pictures that join others.

    Raises `CourseError` when there is no such folder, no picture with a class, too few classes, or train/ alone.
    """
    shown = printable(str(source))
    root, before = _opened(source, shown)
    walked = walk(root)
    for problem in before:
        walked.problems.add(*problem[:3], count=problem.count)
    top = _top(walked)
    splits = _splits(walked, top)
    pictures, others = _by_folders(walked, top, splits)
    classes = _class_folders(walked, top, splits)
    from_table = _from_table(table, walked, shown, pictures)
    if from_table is not None:
        layout, pictures = "table", from_table
        classes = {split: {p.label for p in pictures if p.split == split} for split in {p.split for p in pictures}}
    else:
        layout = "split folders" if splits else "class folders"
        _add_others(walked, others, splits)
    lines = walked.problems.lines()
    _check(shown, layout, pictures, classes, lines, least)
    every = tuple(sorted(set.union(*classes.values())))
    return Found(shown, layout, tuple(pictures), lines, len(pictures) + walked.problems.total, every)


def _opened(source: str | Path, shown: str) -> tuple[Path, tuple[Problem, ...]]:
    """The folder that holds the pictures, unpacked where the source is a zip, and what was left out of that."""
    try:
        path = Path(source).expanduser()
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return path, ()
        if not stat.S_ISREG(mode):
            raise CourseError(f"The images folder {shown} is neither a folder nor a file. {LAYOUT}")
        with open(path, "rb") as file:
            kind = kind_of(file.read(HEAD))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CourseError(f"The images folder {shown} does not exist. {LAYOUT}") from error
    except (OSError, ValueError, RuntimeError) as error:  # no rights; a NUL in the name; no home folder
        raise CourseError(f"The images folder {shown} cannot be opened ({error}). {LAYOUT}") from error
    if kind is not ZIP:
        raise CourseError(f"The images folder {shown} is a file, {kind.name}. {LAYOUT}")
    return unpacked(path)


def _top(walked: Walked) -> Parts:
    """The folders that are each the only thing in the one above: archives are often packed with one around all."""
    top: Parts = ()
    while True:
        below = walked.folders_in(top)
        alone = len(below) == 1 and not walked.files_in(top) and below[0].lower() not in SPLIT_OF
        if not alone or not walked.folders_in((*top, *below)):
            return top
        top = (*top, *below)


def _splits(walked: Walked, top: Parts) -> dict[str, str]:
    """Folders that stand for a split: their name -> train, val or test; none where there is no train/."""
    splits: dict[str, str] = {}
    for name in walked.folders_in(top):
        split = SPLIT_OF.get(name.lower())
        if split and split not in splits.values():
            splits[name] = split
    return splits if "train" in splits.values() else {}


def _by_folders(walked: Walked, top: Parts, splits: dict[str, str]) -> tuple[list[Picture], list[Parts]]:
    """Pictures with the class of the folder they are in, however deep, and the files that are in none."""
    pictures, others = [], []
    level = len(top) + bool(splits)  # where the name of the class stands
    for parts in walked.files:
        in_class = parts[: len(top)] == top and len(parts) > level + 1
        if in_class and (not splits or parts[level - 1] in splits):
            split = splits[parts[level - 1]] if splits else None
            path = walked.root.joinpath(*parts)
            pictures.append(Picture(path, readable_name(parts), printable(parts[level]), split))
        else:
            others.append(parts)
    return pictures, others


def _class_folders(walked: Walked, top: Parts, splits: dict[str, str]) -> dict[str | None, set[str]]:
    """Names of the class folders in each split, or below None: also of those that hold no picture."""
    places = {split: (*top, name) for name, split in splits.items()} if splits else {None: top}
    return {split: {printable(name) for name in walked.folders_in(place)} for split, place in places.items()}


def _add_others(walked: Walked, others: list[Parts], splits: dict[str, str]) -> None:
    """Report the files that lie beside the class folders."""
    for parts in others:
        if parts[-1].lower().endswith(TABLES):
            reason = "a table beside the class folders, which is not used"
            remedy = f"if it says what the pictures show, give it: table={readable_name(parts)!r}"
            walked.problems.add(readable_name(parts), reason, remedy)
        else:
            where = (
                f"outside of {' and '.join(f'{name}/' for name in splits)}" if splits else "beside the class folders"
            )
            walked.problems.add(
                readable_name(parts), f"it lies {where}, so it has no class", "move it into a class folder"
            )
    walked.files = []


def _from_table(
    table: str | Path | None, walked: Walked, shown: str, by_folders: list[Picture]
) -> list[Picture] | None:
    """Pictures by the table that was given, or by the one in a folder without class folders; None where there is none."""
    if table is not None:
        return read_table(table, walked)
    if len({picture.label for picture in by_folders}) > 1:
        return None
    tables = [parts for parts in walked.files if parts[-1].lower().endswith(TABLES)]
    topmost = [parts for parts in tables if len(parts) == min(map(len, tables))]
    if len(topmost) > 1 and not by_folders:
        names = ", ".join(map(readable_name, topmost[:5]))
        raise CourseError(
            f"{shown} has no class folders and {len(topmost)} tables: {names}. Say which one: table={topmost[0][-1]!r}."
        )
    if len(topmost) != 1:
        return None
    try:
        return read_table(walked.root.joinpath(*topmost[0]), walked)
    except CourseError:
        if by_folders:  # a table of something else beside a class folder: what is said about that helps more
            return None
        raise


def _check(
    shown: str,
    layout: str,
    pictures: list[Picture],
    classes: dict[str | None, set[str]],
    lines: tuple[Problem, ...],
    least: int,
) -> None:
    """Raises `CourseError` where no classifier can come of it."""
    if not pictures:
        what = "no row that leads to an image" if layout == "table" else "no images in class folders"
        raise CourseError(f"The images folder {shown} holds {what}{_mostly(lines)}. {LAYOUT}")
    if "train" in classes and len(classes) == 1:
        raise CourseError(
            f"{shown} has train/ and no val/ or test/ beside it. Add one, or give its train folder itself, which is then cut into three."
        )
    every = sorted(set.union(*classes.values()))
    for split, names in classes.items():
        missing = [name for name in every if name not in names]
        if split and missing:
            raise CourseError(
                f"In {shown}, {split}/ has no images of {', '.join(missing)}, other folders have. Add some, or remove the class."
            )
    if len(every) < least:
        raise CourseError(
            f"{shown} has one class, {every[0]}{_mostly(lines)}; a classifier tells at least two apart. {LAYOUT}"
        )


def _mostly(lines: tuple[Problem, ...]) -> str:
    """How many were left out and the first of them with the most frequent remedy, in brackets."""
    counts: Counter[str] = Counter()
    for problem in lines:
        counts[problem.remedy] += problem.count
    del counts[NOTHING_TO_DO]
    if len(counts) > 1:
        del counts[ADD_A_ROW]  # that follows from rows which were left out
    if not counts:
        return ""
    remedy, count = counts.most_common(1)[0]
    first = next(problem for problem in lines if problem.remedy == remedy)
    return f" ({count:,} left out, such as {first.file[:200]}: {first.reason}; {remedy})"
