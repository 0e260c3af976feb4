"""Is it the right file? Its length, its checksums, and the first bytes of what it should be.

fault = wrong(path, file)          # "" for the right file, else what is wrong with it
remember(entry, file, digest)      # for files without a published checksum: the first download counts from then on
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from ..paths import atomic
from .entry import File, RealSet, say_size
from .places import downloads_dir

READ = 2**20
STARTS = {"zip": (b"PK",), "gz": (b"\x1f\x8b",), "tar": (b"\x1f\x8b", b"BZh", b"\xfd7zXZ")}
LOGIN = "a web page came instead of the file: a login page of the network, or a notice of the server"

Watch = Callable[[int], None]


def digests(path: Path, watch: Watch | None = None) -> tuple[str, str]:
    """MD5 and SHA-256 of a file, as hex digits; `watch` is called with the bytes that were read."""
    md5, sha256, done = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
    with open(path, "rb") as file:
        while part := file.read(READ):
            md5.update(part)
            sha256.update(part)
            done += len(part)
            if watch:
                watch(done)
    return md5.hexdigest(), sha256.hexdigest()


def wrong(path: Path, file: File, remembered: str = "", watch: Watch | None = None) -> tuple[str, str]:
    """What is wrong with a complete download (nothing, if it is right), and its SHA-256.

    Arguments:
        remembered: the SHA-256 of an earlier download, for files without a published checksum.
        watch: called with the bytes read so far.
    """
    size = path.stat().st_size
    with open(path, "rb") as opened:
        start = opened.read(512)
    if is_page(start):
        return LOGIN, ""
    if file.bytes is not None and size != file.bytes:
        return f"it has {size:,} bytes instead of {file.bytes:,}", ""
    md5, sha256 = digests(path, watch)
    if file.sha256 and sha256 != file.sha256:
        return f"its SHA-256 is {sha256[:12]}... instead of {file.sha256[:12]}...", sha256
    if file.md5 and md5 != file.md5:
        return f"its MD5 is {md5} instead of {file.md5}", sha256
    if not (file.sha256 or file.md5) and remembered and sha256 != remembered:
        return (
            f"its SHA-256 is {sha256[:12]}..., and that of the first download here was {remembered[:12]}...: the file "
            "at its home was changed"
        ), sha256
    if file.kind in STARTS and not start.startswith(STARTS[file.kind]) and not _is_plain_tar(file, start):
        return f"it is no {file.kind} archive (it begins with {start[:8]!r})", sha256
    return "", sha256


def is_page(start: bytes, content_type: str = "") -> bool:
    """Whether an answer is a web page: by its type, or by its first bytes."""
    head = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return content_type.partition(";")[0].strip().lower() in ("text/html", "application/xhtml+xml") or head.startswith(
        (b"<!doctype html", b"<html", b"<head", b"<script", b"<meta")
    )


def recall(entry: RealSet, file: File) -> str:
    """The SHA-256 of the first download of a file that has no published checksum, or nothing."""
    return _remembered().get(f"{entry.key}/{file.name}", "")


def remember(entry: RealSet, file: File, sha256: str) -> None:
    """Keep the SHA-256 of a first download; it stays when the set is removed."""
    known = _remembered()
    if known.setdefault(f"{entry.key}/{file.name}", sha256) == sha256:
        with atomic(_book()) as out:
            out.write(json.dumps(known, indent=1, sort_keys=True).encode())


def how(file: File) -> str:
    """How a download of this file is checked, in words."""
    published = [name for name, value in (("SHA-256", file.sha256), ("MD5", file.md5)) if value]
    length = f"{file.bytes:,} bytes" if file.bytes is not None else f"about {say_size(file.about)}"
    return f"{length}, {' and '.join(published) if published else 'no published checksum: the first download counts'}"


def _book() -> Path:
    return downloads_dir() / "checksums.json"


def _remembered() -> dict[str, str]:
    try:
        known = json.loads(_book().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: value for name, value in known.items() if isinstance(value, str)} if isinstance(known, dict) else {}


def _is_plain_tar(file: File, start: bytes) -> bool:
    return file.kind == "tar" and start[257:262] == b"ustar"
