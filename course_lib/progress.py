"""What a reader has answered: one JSON file on this machine, to be looked into, copied or deleted at any time.

    keep("03", "frozen-accuracy", {"guess": 62}, kind="prediction")
    answer("03", "frozen-accuracy")          # {"guess": 62}; None where there is no answer
    report()                                 # a table: predictions made, questions right, exercises done
    clear("03")                              # forget lesson 03; clear() forgets everything

The place is `$COURSE_PROGRESS` if set, else `data/progress.json`: outside of the cache, so `course cache clear` leaves it
alone. Nothing is sent anywhere. Two kernels may answer at the same time: each answer is read, merged and written under a lock.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from .errors import CourseError
from .paths import ROOT, atomic
from .tables import Table

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

FORMAT = 1
KINDS = ("prediction", "question", "exercise")
PATIENCE = 5.0  # seconds to wait for another kernel's lock; it is held for milliseconds

Lessons = dict[str, dict[str, dict[str, Any]]]  # lesson -> key -> {"kind", "done", "when", "answer"}


@dataclass(frozen=True)
class Place:
    """Where a widget keeps one answer; without a key nothing is kept.

    A file that cannot be read or written does not stop a lesson: `keep` then returns the sentence that says so.
    """

    lesson: str | None
    key: str | None
    kind: str

    def __post_init__(self) -> None:
        if (self.lesson is None) != (self.key is None):
            raise CourseError(
                f"received lesson={self.lesson!r} and key={self.key!r}: give both, and the answer is kept for the next "
                "time, or none of them, and it ends with the kernel."
            )
        if self.key is not None:
            _check(self.lesson, self.key, self.kind)

    def answer(self) -> tuple[dict[str, Any] | None, str]:
        """The kept answer or None, and a sentence about what went wrong, empty if nothing did."""
        try:
            return (None if self.key is None else answer(self.lesson, self.key)), ""
        except CourseError as error:
            return None, f"Earlier answers cannot be shown. {error}"

    def keep(self, value: dict[str, Any], done: bool = True, replace: bool = True) -> tuple[dict[str, Any], str]:
        """Keep an answer; what is kept now (see `keep`), and a sentence about what went wrong."""
        if self.key is None:
            return value, ""
        try:
            return keep(self.lesson, self.key, value, self.kind, done, replace), ""
        except CourseError as error:
            return value, f"This answer is not kept for the next time. {error}"


def path() -> Path:
    """The file of all answers: `$COURSE_PROGRESS` if set, else `data/progress.json`."""
    chosen = os.environ.get("COURSE_PROGRESS")
    return Path(chosen).expanduser() if chosen else ROOT / "data" / "progress.json"


def answer(lesson: str, key: str) -> dict[str, Any] | None:
    """The kept answer, or None. Raises `CourseError` where the file cannot be read."""
    return _read(path()).get(lesson, {}).get(key, {}).get("answer")


def keep(
    lesson: str, key: str, value: dict[str, Any], kind: str, done: bool = True, replace: bool = True
) -> dict[str, Any]:
    """Keep an answer; returns what is kept now.

    Arguments:
        lesson, key: its name, for instance "03" and "frozen-accuracy"; an answer of the same name is replaced.
        value: what JSON can hold.
        kind: "prediction", "question" or "exercise".
        done: whether it counts: a prediction locked, a question right, an exercise solved.
        replace: False leaves an answer that is there already as it is, and returns it.

    Raises `CourseError` where the file cannot be written.
    """
    _check(lesson, key, kind)
    file = path()
    with _locked(file):
        lessons = _read(file, locked=True)
        known = lessons.setdefault(lesson, {})
        if not replace and key in known:
            return known[key]["answer"]
        when = datetime.now().astimezone().isoformat(timespec="seconds")
        known[key] = {"kind": kind, "done": bool(done), "when": when, "answer": value}
        _write(file, lessons)
    return value


def clear(lesson: str | None = None) -> int:
    """Forget the answers of a lesson, or all of them, with the file; returns how many there were."""
    file = path()
    if not file.exists():
        return 0
    with _locked(file):
        lessons = _read(file, locked=True)
        if lesson is None:
            file.unlink(missing_ok=True)
            return sum(map(len, lessons.values()))
        gone = lessons.pop(_known(lesson, lessons), {})
        _write(file, lessons)
        return len(gone)


def report(lesson: str | None = None) -> Table:
    """One row a lesson: predictions made, questions right of those tried, exercises done of those tried, the last answer."""
    lessons = _read(path())
    chosen = sorted(lessons) if lesson is None else [_known(lesson, lessons)]
    rows = []
    for name in chosen:
        counts = []
        for kind in KINDS:
            done = [entry["done"] for entry in lessons[name].values() if entry["kind"] == kind]
            counts.append(f"{sum(done)}" if kind == "prediction" else f"{sum(done)} of {len(done)}")
        last = max((entry["when"] for entry in lessons[name].values()), default="")
        rows.append([name, *counts, last[:16].replace("T", " ")])
    columns = ("lesson", "predictions made", "questions right", "exercises done", "last answer")
    return Table(columns, rows, f"Answers on this machine, kept in {path()}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `course progress`."""
    parser.add_argument("lesson", nargs="?", metavar="LESSON", help="a lesson as the list names it (default: all)")
    parser.add_argument("--clear", action="store_true", help="forget the answers instead of listing them")


def command(options: argparse.Namespace) -> int:
    """Do what `course progress` was asked for; returns the exit status."""
    if options.clear:
        count = clear(options.lesson)
        where = f" of lesson {options.lesson}" if options.lesson else ""
        print(
            f"{count} answer{'s' if count != 1 else ''}{where} forgotten." if count else "There was nothing to forget."
        )
        return 0
    found = report(options.lesson)
    print(found if found.rows else f"No answers yet. They will be kept in {path()}, and nowhere else.")
    return 0


def _check(lesson: Any, key: Any, kind: str) -> None:
    for name, value in (("lesson", lesson), ("key", key)):
        if not isinstance(value, str) or not value.strip():
            raise CourseError(f"{name}={value!r} is no name for an answer: give a text such as '03'.")
    if kind not in KINDS:
        raise CourseError(f"kind={kind!r} is not known; there are {', '.join(KINDS)}.")


def _known(lesson: str, lessons: Lessons) -> str:
    if lesson not in lessons:
        there = f"there are answers in {', '.join(sorted(lessons))}" if lessons else "there are no answers at all"
        raise CourseError(f"No answers of a lesson {lesson!r} are kept; {there}.")
    return lesson


def _read(file: Path, locked: bool = False) -> Lessons:
    """All answers. A damaged file is put aside under another name, so that nothing is lost, and said in a warning."""
    try:
        lessons = _parse(file.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise CourseError(f"{file} cannot be read ({error.strerror}). Set COURSE_PROGRESS to another file.") from error
    if lessons is None:
        if not locked:  # another kernel may have mended it meanwhile: look again while nobody writes
            with _locked(file):
                return _read(file, locked=True)
        aside = file.with_name(f"{file.name}.damaged-{datetime.now():%Y%m%d-%H%M%S-%f}")
        try:
            file.rename(aside)
        except OSError as error:
            raise CourseError(f"{file} is damaged and cannot be renamed ({error.strerror}).") from error
        warnings.warn(
            f"{file} was damaged. It is kept as {aside.name} beside it, and a new file begins: earlier answers do not show.",
            stacklevel=4,
        )
        return {}
    return lessons


def _parse(data: bytes) -> Lessons | None:
    """The answers in a file's bytes, None where they are damaged."""
    try:
        content = json.loads(data)
        version = content["format"]
        if isinstance(version, int) and version > FORMAT:
            raise CourseError(
                f"{path()} was written by a newer version of this course (format {version}, known is {FORMAT}). Update the "
                "course, or set COURSE_PROGRESS to another file."
            )
        lessons = content["lessons"]
        whole = version == FORMAT and all(
            entry["kind"] in KINDS
            and isinstance(entry["done"], bool)
            and isinstance(entry["when"], str)
            and isinstance(entry["answer"], dict)
            for known in lessons.values()
            for entry in known.values()
        )
        return lessons if whole else None
    except CourseError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _write(file: Path, lessons: Lessons) -> None:
    text = json.dumps({"format": FORMAT, "lessons": lessons}, indent=1, ensure_ascii=False)
    with atomic(file) as out:
        out.write(text.encode())


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Only one kernel at a time gets here. The lock ends with its process, however that ends."""
    lock = file.with_name(f".{file.name}.lock")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = open(lock, "ab")  # closed below
    except OSError as error:
        raise CourseError(
            f"{file} cannot be written ({error.strerror}). Set COURSE_PROGRESS to a file in a folder of yours."
        ) from error
    with handle:
        end = time.monotonic() + PATIENCE
        while not _taken(handle):
            if time.monotonic() > end:
                raise CourseError(f"{file} is held by another program for more than {PATIENCE:g} s. Try again.")
            time.sleep(0.01)
        yield


def _taken(handle: IO[bytes]) -> bool:
    """Try to take the lock; closing the file gives it back."""
    try:
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt

            handle.seek(0)
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # a network folder that knows no locks: writing is still atomic, and two kernels at once are rare
        return True
    return True
