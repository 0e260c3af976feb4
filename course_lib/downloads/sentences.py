"""What a reader is told when a set cannot be had: what was tried, how to place the files by hand, what serves meanwhile.

raise CourseError(cannot_have(entry, file, ["https://...: it sent nothing for 30 s"]))
"""

from __future__ import annotations

from pathlib import Path

from .checks import how
from .entry import File, RealSet, say_size
from .places import own_folder, shared_dir


def cannot_have(entry: RealSet, file: File, tried: list[str]) -> str:
    """A file could not be downloaded, or is not the right one."""
    return (
        f"{entry.title} could not be fetched: {file.name} was tried from {'; from '.join(tried)}. "
        f"{by_hand(entry)} {meanwhile(entry)}"
    )


def not_here(entry: RealSet, folder_too: bool = False) -> str:
    """A set is asked for that was not downloaded: its size, its licence, and the command; nothing is fetched unasked."""
    shared = shared_dir()
    looked = "" if shared is None else f" (COURSE_DATA={shared} does not hold it either)"
    size = say_size(entry.bytes)
    also = f' Your own folder of that name is load_images("./{entry.name}").' if folder_too else ""
    return (
        f"{entry.title} is not on this machine{looked}. It takes {size} to download; licence: {entry.licence}. Fetch it "
        f'with `course data fetch {entry.name}`, or load_images("{entry.name}", download=True). {meanwhile(entry)}{also}'
    )


def by_hand(entry: RealSet) -> str:
    """How to place the files of a set by hand."""
    wanted = [f"{file.name} from {file.addresses[0]}" for file in entry.files]
    target = {hand_place(entry, file).parent for file in entry.files}
    where = " and ".join(map(str, sorted(target)))
    return (
        f"By hand: get {'; '.join(wanted)}, with a browser or on another machine, put "
        f"{'it' if len(entry.files) == 1 else 'them'} into {where} and run `course data fetch {entry.name}`, which checks "
        "and unpacks what lies there; or set COURSE_DATA to a folder that holds the set as torchvision lays it out."
    )


def meanwhile(entry: RealSet) -> str:
    """Which built-in set serves until then."""
    return (
        f'Meanwhile load_images("{entry.meanwhile}") serves, which is drawn here; '
        f'load_images("{entry.name}", meanwhile=True) takes it by itself.'
    )


def goes_on(entry: RealSet) -> str:
    """What a page says when it goes on with the built-in set."""
    return (
        f"**{entry.title} is not on this machine, so this page goes on with the built-in set `{entry.meanwhile}`**, in its "
        f"own size. All figures below are from `{entry.meanwhile}`. For the real images ({say_size(entry.bytes)}, licence: "
        f"{entry.licence}): `course data fetch {entry.name}`, then run the page again."
    )


def hand_place(entry: RealSet, file: File) -> Path:
    """Where a file lies that was downloaded, or placed by hand, before it is unpacked."""
    return own_folder(entry) / (file.name if file.kind else file.gives)


def about(entry: RealSet) -> str:
    """All that the course knows of a set, as lines of text."""
    lines = [
        f"{entry.name}: {entry.title}",
        f"  what      {entry.what}",
        f"  images    {entry.images:,} in {entry.classes} classes, read at {entry.size} px unless you say size=",
        f"  licence   {entry.licence}",
        f"  cite      {entry.citation}",
        f"  home      {entry.home}",
        f"  meanwhile {entry.meanwhile} (built in) serves while it is not here",
        f"  download  {say_size(entry.bytes)}; addresses and checksums: {entry.source}",
    ]
    for file in entry.files:
        lines += [f"    {file.name} ({how(file)})", *(f"      {address}" for address in file.addresses)]
        lines += [f"      placed by hand: {hand_place(entry, file)}"]
    return "\n".join([*lines, f"  {by_hand(entry)}"])
