"""What a reader sees of downloads: one line of progress in a notebook or a terminal, and a sentence where it matters.

tell("**Oxford-IIIT Pet is not on this machine** ...")        # Markdown in a notebook, else a line in the log
with shown_in_notebook() as progress: download(entry, progress)
with bar(sys.stderr) as progress: download(entry, progress)
"""

from __future__ import annotations

import contextlib
import html
import logging
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from typing import TextIO

from .entry import say_size

Show = Callable[[str, int, int], None]
OFTEN, SELDOM = 0.1, 10.0  # seconds between two lines: one that is rewritten, and one a line
NOTEBOOK = 0.5
WIDTH = 24  # characters of the bar


def tell(text: str) -> None:
    """Show a sentence (Markdown) in the notebook, or write it to the log `course_lib` where there is none."""
    if in_notebook():
        from IPython.display import Markdown, display

        display(Markdown(text))
    else:
        logging.getLogger("course_lib").warning("%s", text.replace("**", "").replace("`", ""))


def in_notebook() -> bool:
    """Whether IPython runs this."""
    return "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None


@contextlib.contextmanager
def shown_in_notebook() -> Iterator[Show | None]:
    """A line in the notebook that is rewritten and goes away in the end; None where there is no notebook."""
    if not in_notebook():
        yield None
        return
    from IPython.display import HTML, DisplayHandle

    handle, lines = DisplayHandle(), _Line(NOTEBOOK)
    handle.display(HTML(""))

    def show(what: str, done: int, total: int) -> None:
        if text := lines.text(what, done, total):
            handle.update(HTML(f"<code>{html.escape(text)}</code>"))

    try:
        yield show
    finally:
        handle.update(HTML(""))


@contextlib.contextmanager
def bar(out: TextIO) -> Iterator[Show]:
    """A line that is rewritten in a terminal; elsewhere a line at the beginning and end of each step, and every 10 s."""
    live = out.isatty()
    lines = _Line(OFTEN if live else SELDOM)
    last = ""

    def show(what: str, done: int, total: int) -> None:
        nonlocal last
        if not (text := lines.text(what, done, total)):
            return
        if live:
            width = shutil.get_terminal_size().columns - 1
            new = "\n" if last and what != last else ""
            out.write(f"{new}\r{text[:width]:{width}}")
        else:
            out.write(text + "\n")
        last = what
        out.flush()

    try:
        yield show
    finally:
        if live and last:
            out.write("\n")
            out.flush()


class _Line:
    """Makes the text of a step, with its speed, not more often than asked for."""

    def __init__(self, every: float) -> None:
        self.every, self.what, self.told, self.began, self.first = every, "", 0.0, 0.0, 0

    def text(self, what: str, done: int, total: int) -> str:
        """The line, or nothing where it is too early for another one."""
        now = time.monotonic()
        if what != self.what:
            self.what, self.began, self.first = what, now, done
        elif now - self.told < self.every and not (total and done >= total):
            return ""
        self.told = now
        if not total and not done:
            return what
        counts = what.startswith("reading")  # files, not bytes
        amount = f"{done:,}" if counts else say_size(done)
        if not total:
            return f"{what}  {amount}"
        whole = f"{total:,}" if counts else say_size(total)
        share = min(done / total, 1.0)
        blocks = "#" * int(share * WIDTH)
        speed = (done - self.first) / (now - self.began) if now - self.began > 0.5 else 0.0
        rate = f"  {say_size(speed)}/s" if speed and not counts else ""
        return f"{what}  [{blocks:.<{WIDTH}}] {share:4.0%}  {amount} of {whole}{rate}"
