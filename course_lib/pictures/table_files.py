"""Which file a cell of a table means: by its path, its name, or its name without the suffix.

    files = TableFiles([("cat", "a.jpg"), ("b.jpg",)])
    files.matches("cat/a.jpg"), files.matches("A.JPG"), files.matches("a")     # (0,), (0,), (0,)
    files.matches("dog/a.jpg")                                                # (): another folder is another file

Only files that were found below the folder can be matched; no path of a table is ever opened.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from functools import cached_property

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".avif", ".heic")


class TableFiles:
    """Files by the names that lead to them, as sequences below one root."""

    def __init__(self, files: Sequence[tuple[str, ...]]) -> None:
        self.files = files
        self._exact = {"/".join(parts): i for i, parts in enumerate(files)}

    def matches(self, name: str) -> tuple[int, ...]:
        """Numbers of the files that a cell may mean: none, one, or several that cannot be told apart."""
        exact = self._exact.get(name)
        if exact is not None:
            return (exact,)
        parts = _parts(name)
        if not parts:
            return ()
        *folders, last = map(_key, parts)
        for index in (self._by_name, self._by_stem):
            if last not in index:
                continue
            found = tuple(i for i in index[last] if self._fits(i, folders))
            if len(found) > 1:  # a.jpg beside a.xml with its notes: the picture is meant
                found = tuple(i for i in found if self.files[i][-1].lower().endswith(PICTURES)) or found
            if found:
                return found
        return ()

    def _fits(self, number: int, folders: list[str]) -> bool:
        """Do the folders agree, as far as both the cell and the file name them?"""
        own = [_key(part) for part in self.files[number][:-1]]
        shared = min(len(own), len(folders))
        return shared == 0 or own[-shared:] == folders[-shared:]

    @cached_property
    def _by_name(self) -> dict[str, list[int]]:
        return self._index(lambda name: name)

    @cached_property
    def _by_stem(self) -> dict[str, list[int]]:
        return self._index(lambda name: name.rpartition(".")[0] or name)

    def _index(self, part: Callable[[str], str]) -> dict[str, list[int]]:
        index: dict[str, list[int]] = {}
        for i, parts in enumerate(self.files):
            index.setdefault(_key(part(parts[-1])), []).append(i)
        return index


def outside(name: str) -> str | None:
    """Why a path of a table leads out of the folder, or None."""
    if name.startswith(("/", "\\", "~")) or (name[1:2] == ":" and name[0].isalpha()):
        return "is an absolute path, which leads out of the folder"
    if ".." in name and ".." in _parts(name):
        return "has .., which leads out of the folder"
    return None


def _parts(name: str) -> list[str]:
    return [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]


def _key(name: str) -> str:
    """Equal for names that differ by case, or by how accents are composed (macOS takes them apart)."""
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name).casefold()
