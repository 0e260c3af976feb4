"""`course cache`: what the course keeps on disk so as not to work it out twice; all of it may be deleted at any time.

course cache                            # the list: what, how many rows, how large, when last used
course cache verify --fix               # read every file; damaged ones are removed and worked out again when needed
course cache clear --features --older-than 30
"""

from __future__ import annotations

import argparse
import sys

from ..errors import CourseError
from ..paths import cache_dir
from .cached import KINDS, check_all, clear, remove_leftovers, table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `course cache`."""
    parser.add_argument("action", nargs="?", choices=("list", "verify", "clear"), default="list", help="default: list")
    parser.add_argument("--fix", action="store_true", help="verify: remove damaged files")
    for kind in KINDS:
        parser.add_argument(f"--{kind}", action="store_true", help=f"clear: {kind} (none of these options: everything)")
    parser.add_argument("--older-than", metavar="DAYS", type=_days, help="clear: what was not used for so many days")


def command(options: argparse.Namespace) -> int:
    """Do what `course cache` was asked for; returns the exit status: 1 where damaged files were found and left."""
    kinds = [kind for kind in KINDS if getattr(options, kind)]
    _refuse("clear", options.action, [f"--{kind}" for kind in kinds])
    _refuse("clear", options.action, ["--older-than"] if options.older_than is not None else [])
    _refuse("verify", options.action, ["--fix"] if options.fix else [])
    remove_leftovers()
    if options.action == "verify":
        return _verify(options.fix)
    if options.action == "clear":
        print(clear(kinds or list(KINDS), options.older_than or 0.0))
        return 0
    found = table()
    print(found if found.rows else f"The cache {cache_dir()} is empty.")
    return 0


def _verify(fix: bool) -> int:
    count, bad = 0, 0
    for path, fault in check_all():
        count += 1
        if fault:
            bad += 1
            print(f"damaged  {path}: {fault}", file=sys.stderr)
            if fix:
                path.unlink(missing_ok=True)
    if not bad:
        print(f"All {count:,} files in {cache_dir()} are as they were written." if count else "The cache is empty.")
        return 0
    what = (
        "removed; they are worked out again when they are needed"
        if fix
        else "Remove them with: course cache verify --fix"
    )
    print(f"{bad:,} of {count:,} files {'are' if bad > 1 else 'is'} damaged{' and were ' if fix else '. '}{what}.")
    return 0 if fix else 1


def _refuse(belongs_to: str, action: str, given: list[str]) -> None:
    if given and action != belongs_to:
        raise CourseError(
            f"{', '.join(given)} belongs to `course cache {belongs_to}`; received `course cache {action}`."
        )


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1.0
    if not 0 <= days < 1e6:
        raise argparse.ArgumentTypeError(f"a number of days from 0 on is needed, received {text!r}")
    return days
