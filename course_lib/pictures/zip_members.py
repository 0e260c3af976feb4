"""What the members of a zip are called and what they are: the checks before anything of them is written.

parts = safe_parts(member_name(member))      # ["cat", "a.jpg"], never with .. and never absolute
check_kind(member, parts)                    # a file or a folder, and not encrypted
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import zipfile

from .found import NOTHING_TO_DO
from .table_files import outside
from .walking import DEEPEST, is_system_name


class Refused(Exception):
    """A member that is not unpacked: reason, remedy."""


def member_name(member: zipfile.ZipInfo) -> str:
    """The member's name; where the zip does not say how it is written, UTF-8 if it can be that."""
    if not member.flag_bits & 0x800:
        with contextlib.suppress(UnicodeError):
            return member.filename.encode("cp437").decode("utf-8")
    return member.filename


def safe_parts(name: str) -> list[str]:
    """The names that lead to a member; some programs on Windows write a backslash between them.

    Raises `Refused` for a path that leads out, of a system's own files, or that cannot be written.
    """
    if reason := outside(name):
        raise Refused(f"its path {reason}", "pack the folder of the pictures again")
    parts = [part for part in re.split(r"[/\\]", name) if part not in ("", ".")]
    if not parts:
        raise Refused("it has no name", "pack the folder of the pictures again")
    if any(map(is_system_name, parts)):
        raise Refused("a hidden or system file", NOTHING_TO_DO)
    if len(parts) > DEEPEST:
        raise Refused(f"it lies more than {DEEPEST} folders deep", "pack the folder of the pictures itself")
    if any(len(part.encode("utf-8", "replace")) > 255 for part in parts):
        raise Refused("its name is longer than 255 bytes", "give it a shorter name")
    if os.name == "nt" and any(set('<>:"|?*') & set(part) for part in parts):  # there, : opens another stream of a file
        raise Refused("its name has a sign that Windows has no files with", "give it a plain name")
    return parts


def check_kind(member: zipfile.ZipInfo, parts: list[str]) -> None:
    """Raises `Refused` for what is no file or folder that can be read: links, devices, encrypted members, zips."""
    mode = stat.S_IFMT(member.external_attr >> 16)
    if mode == stat.S_IFLNK:
        raise Refused("a link, which a zip may not bring", "pack the picture itself")
    if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise Refused("no file but a device or a pipe", "leave it out")
    if member.flag_bits & 1:
        raise Refused("it is encrypted", "unpack the zip with its password, and give the folder")
    if parts[-1].lower().endswith(".zip"):
        raise Refused("a zip inside the zip", "unpack it, and pack its pictures")
