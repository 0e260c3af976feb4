"""The one error that a reader is meant to read: a sentence, not a traceback."""

from __future__ import annotations


class CourseError(ValueError):
    """What was received, what is allowed, and what to do about it, in one or two sentences.

    The command line prints it and exits with status 2; a notebook shows it without its traceback.
    """

    def _render_traceback_(self) -> list[str]:
        """IPython's hook: show the sentence alone."""
        return [f"{type(self).__name__}: {self}"]
