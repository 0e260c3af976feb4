"""`course data`: real image sets, fetched from their own homes, checked and removed.

course data                      # the list: what there is, what is here and where, how large, under which licence
course data info pets            # licence, citation, addresses, and how to place the files by hand
course data fetch pets mnist     # resumes where an earlier start ended; checks before anything is unpacked
course data verify pets          # reads each file again (without a name: all sets that were downloaded here)
course data remove pets          # what the course placed, and nothing else
"""

from __future__ import annotations

import argparse
import sys

from ..errors import CourseError
from ..tables import Table
from .entry import RealSet, say_size
from .keeping import remove, verify
from .places import downloads_dir, is_complete, own_folder, part_path, place, shared_dir, shared_place, size_of
from .sentences import about
from .sets import download
from .showing import bar

ACTIONS = ("list", "fetch", "verify", "remove", "info")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `course data`."""
    parser.add_argument("action", nargs="?", choices=ACTIONS, default="list", help="default: list")
    parser.add_argument("name", nargs="*", metavar="NAME", help="of a set, as in the list")


def command(options: argparse.Namespace) -> int:
    """Do what `course data` was asked for; returns the exit status: 1 where a file was found that is not as it was."""
    chosen = _chosen(options.action, options.name)
    if options.action == "fetch":
        return _fetch(chosen)
    if options.action == "verify":
        return _verify(chosen)
    if options.action == "remove":
        return _remove(chosen)
    if options.action == "info":
        print("\n\n".join(map(about, chosen)))
        return 0
    print(listing())
    return 0


def listing() -> Table:
    """All real sets: what each is, whether and where it is here, its download in bytes, its licence."""
    rows = [
        (entry.name, f"{entry.title}: {entry.classes} classes", _state(entry), say_size(entry.bytes), entry.licence)
        for entry in _sets().values()
    ]
    shared = shared_dir()
    also = "" if shared is None else f"; COURSE_DATA={shared} is looked at first, and only read"
    caption = f"Real image sets. Downloads: {downloads_dir()}{also}. Fetch one with: course data fetch NAME"
    return Table(("name", "what", "here", "download", "licence"), rows, caption)


def _sets() -> dict[str, RealSet]:
    from ..sources.photos.registry import REAL_SETS

    return REAL_SETS


def _chosen(action: str, names: list[str]) -> list[RealSet]:
    sets = _sets()
    unknown = [name for name in names if name not in sets]
    if unknown:
        raise CourseError(f"There is no real set named {', '.join(unknown)}; there are {', '.join(sets)}.")
    if action == "list" and names:
        raise CourseError(f"`course data` lists all sets; for {names[0]} alone: course data info {names[0]}")
    if action in ("fetch", "remove", "info") and not names:
        raise CourseError(
            f"`course data {action}` needs the name of a set, for example: course data {action} hymenoptera"
        )
    return [sets[name] for name in dict.fromkeys(names)]


def _fetch(chosen: list[RealSet]) -> int:
    for entry in chosen:
        there = place(entry)
        if there is not None:
            print(f"{entry.name} is here already: {there}")
            continue
        print(f"{entry.name}: {entry.title}, {say_size(entry.bytes)}, licence: {entry.licence}", flush=True)
        try:
            with bar(sys.stdout) as progress:
                there = download(entry, progress)
        except KeyboardInterrupt:
            print(f"Stopped. What has arrived is kept; go on with: course data fetch {entry.name}", file=sys.stderr)
            raise
        print(f'{entry.name} is here: {there}. Read it with: load_images("{entry.name}")')
    return 0


def _verify(chosen: list[RealSet]) -> int:
    named = bool(chosen)
    entries = {entry.key: entry for entry in chosen or [each for each in _sets().values() if own_folder(each).is_dir()]}
    if not entries:
        print(f"No set was downloaded to {downloads_dir()}.")
    bad = 0
    for entry in entries.values():
        if named and not own_folder(entry).is_dir():
            there = shared_place(entry)
            if there is None:
                raise CourseError(f"{entry.name} is not on this machine. Fetch it with: course data fetch {entry.name}")
            print(
                f"{entry.name} lies in COURSE_DATA ({there}); the course did not place it, and has no list of its files."
            )
            continue
        count = faults = 0
        with bar(sys.stderr) as progress:
            found = list(verify(entry, progress))
        for path, fault in found:
            count += 1
            if fault:
                faults += 1
                print(f"{path}: {fault}", file=sys.stderr)
        if faults:
            print(
                f"{entry.name}: {faults:,} of {count:,} files are not as they came. Mend it with: course data remove "
                f"{entry.name}, then course data fetch {entry.name}"
            )
        else:
            print(f"{entry.name}: all {count:,} files are as they came.")
        bad += faults
    return 1 if bad else 0


def _remove(chosen: list[RealSet]) -> int:
    for entry in {entry.key: entry for entry in chosen}.values():
        if not own_folder(entry).is_dir():
            where = shared_place(entry)
            raise CourseError(
                f"{entry.name} was not downloaded by the course, so there is nothing to remove."
                + (f" What lies in COURSE_DATA ({where}) is only read." if where else "")
            )
        shared = [each.name for each in _sets().values() if each.key == entry.key and each.name != entry.name]
        also = f" ({', '.join(shared)} had the same files)" if shared else ""
        freed = remove(entry)
        rest = (
            f" What else lies in {own_folder(entry)} is not the course's, and stays."
            if own_folder(entry).exists()
            else ""
        )
        print(f"Removed {entry.name}{also}: {say_size(freed)} freed.{rest}")
    return 0


def _state(entry: RealSet) -> str:
    """Where a set lies, or how much of it has arrived."""
    shared = shared_place(entry)
    if shared is not None:
        return f"yes, in {shared}"
    if is_complete(entry):
        return "yes"
    arrived = sum(size_of(part_path(entry, file)) for file in entry.files)
    return f"{say_size(arrived)} of it" if arrived else "no"
