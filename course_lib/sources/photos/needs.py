"""MATLAB files, which Flowers 102 and SVHN come in: read with scipy, where it is installed.

loadmat(Path("setid.mat"))["trnid"]
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from ...errors import CourseError


def check_scipy(what: str) -> None:
    """Raise `CourseError` where scipy is not installed."""
    if importlib.util.find_spec("scipy") is None:
        raise CourseError(
            f"{what} comes in MATLAB files, which need scipy to be read. Install it with: pip install scipy "
            "(it also comes with the extra `digits`)."
        )


def loadmat(path: Path) -> dict[str, Any]:
    """The tables of a MATLAB file. Raises `CourseError` where scipy is not installed, or the file is damaged."""
    check_scipy(path.name)
    from scipy.io import loadmat as read

    try:
        return read(path)
    except Exception as error:  # a damaged file fails in many ways
        raise CourseError(f"{path} cannot be read ({error}). See: course data verify") from error
