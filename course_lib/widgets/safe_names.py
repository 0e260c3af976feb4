"""Names of files and classes that come from a page, made such that every file system takes them and none of them is a path.

safe_name("../../etc/a:b.jpg", "picture")       # "a-b.jpg"
safe_name("my / cats", "class", suffix=False)   # "my - cats"
"""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

from ..errors import CourseError
from ..pictures.walking import SYSTEM, is_system_name

LONGEST = 100  # bytes of a name; file systems take 255, and a number may be added
RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{i}" for port in ("com", "lpt") for i in range(1, 10))}  # on Windows


def safe_name(name: str, what: str, suffix: bool = True) -> str:
    """A name that is one on every file system, and no path: without folders, signs that mean something, and leading dots.

    Arguments:
        what: a `class` or a `picture`, for the sentence where nothing is left of a class, and for the name of a picture.
        suffix: whether the last part after a dot is kept when the name is cut.
    """
    text = unicodedata.normalize("NFC", str(name).encode("utf-8", "replace").decode())
    text = re.split(r"[/\\]", text)[-1] if suffix else re.sub(r"[/\\]", "-", text)
    text = "".join(c if c.isprintable() else " " for c in text)
    text = " ".join(re.sub(r'[<>:"|?*]', "-", text).split()).strip(" .")
    stem, dot, end = text.rpartition(".") if suffix else (text, "", "")
    if not dot or len(end) > 10:
        stem, dot, end = text, "", ""
    while len(stem.encode()) > LONGEST:
        stem = stem[:-1]
    stem = stem.strip(" .")
    if stem.partition(".")[0].casefold() in RESERVED or text.casefold() in SYSTEM:
        stem = f"{stem}-"
    if not stem and what == "class":
        raise CourseError(
            f"{name!r} cannot be the name of a class: it needs a letter or a digit that a folder may have."
        )
    return f"{stem or what}{dot}{end}"


def system_file(name: str) -> bool:
    """Whether a file or folder is none of the reader's: hidden, or made by an operating system."""
    last = re.split(r"[/\\]", str(name))[-1]
    return last.strip(".") != "" and is_system_name(last)


def can_be_shown(name: str) -> bool:
    """Whether a page can show a name: no system's file, and no bytes that are not UTF-8, which a page cannot send back."""
    return not system_file(name) and not any(0xD800 <= ord(c) <= 0xDFFF for c in name)


def alike(name: str) -> str:
    """A name in the form in which some file systems compare: accents put together, no capitals."""
    return unicodedata.normalize("NFC", str(name)).casefold()


def free_path(folder: Path, name: str) -> Path:
    """A path in a folder that no file has, also where capital letters are the same: a.jpg, a-2.jpg, a-3.jpg ..."""
    taken = {path.casefold() for path in os.listdir(folder)}
    stem, dot, end = name.rpartition(".")
    stem, end = (stem, dot + end) if stem else (name, "")
    number, candidate = 1, name
    while candidate.casefold() in taken:
        number += 1
        candidate = f"{stem}-{number}{end}"
    return folder / candidate
