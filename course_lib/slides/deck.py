"""An executed lesson as slides: which cell stands where, and the page around them.

    write_slides(read_run("runs/05_negative_transfer.ipynb"))      # runs/05_negative_transfer_slides.html

The slide words of the cells (metadata.slideshow.slide_type; in JupyterLab: Property Inspector, Slide Type) say what stands where:
`slide` and `subslide` begin a page, a `fragment` comes with the next key, `notes` are shown with the key n, `skip` is left out,
and every other cell goes on the slide that has begun. Outputs are those of the lesson's page (export.py).

One script moves the page, and the page's policy allows no other: its SHA-256 is in it. Nothing is fetched.
"""

from __future__ import annotations

import base64
import hashlib
import html
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CourseError
from ..export import body
from ..lessons import LessonRun
from ..page_style import STYLE
from ..paths import atomic, notebooks_dir
from .look import KEYS, SCRIPT, SLIDE_STYLE

if TYPE_CHECKING:
    from nbformat import NotebookNode

BEGINS = ("slide", "subslide")


@dataclass
class Slide:
    """One slide; its texts are HTML.

    Attributes:
        title: the section that it stands in, as plain text.
        headed: whether it begins with that heading.
        parts: the first is there from the start, each further one comes with a key of its own.
        notes: for the one who speaks; empty for none.
    """

    title: str
    headed: bool = False
    parts: list[str] = field(default_factory=lambda: [""])
    notes: str = ""


def write_slides(outcome: LessonRun, folder: Path | None = None) -> Path:
    """Write the slides of a lesson beside its executed notebook; `folder` is where its texts look for pictures.

    Raises `CourseError` where no cell of the lesson has a slide word.
    """
    import nbformat

    path = outcome.notebook.with_name(f"{outcome.notebook.stem}_slides.html")
    slides = make_slides(nbformat.read(outcome.notebook, as_version=4), folder or notebooks_dir())
    if not slides:
        raise CourseError(
            f"{outcome.name} has no slides: none of its cells has the slide type slide or subslide. "
            "Set it in JupyterLab's Property Inspector, and run the lesson again."
        )
    with atomic(path) as file:
        file.write(page(slides, outcome).encode())
    return path


def make_slides(notebook: NotebookNode, folder: Path) -> list[Slide]:
    """The slides of an executed notebook in their order; cells before the first slide are left out."""
    from bs4 import BeautifulSoup

    words = [(str(cell.get("id")), _word(cell)) for cell in notebook.cells]
    soup = BeautifulSoup(body(notebook, folder), "html.parser")
    cells = {tag["id"].removeprefix("cell-id="): tag for tag in soup.select(".jp-Cell[id]")}
    slides: list[Slide] = []
    section = ""
    for name, word in words:
        made = cells.get(name)
        if made is None:  # a raw cell, for another program
            continue
        headings = [tag.get_text().strip() for tag in made.select(".jp-RenderedMarkdown :is(h1, h2)")]
        section = headings[-1] if headings else section
        if word in BEGINS:
            slides.append(Slide(section, headed=bool(headings)))
        if not slides or word == "skip":
            continue
        if word == "notes":
            slides[-1].notes += str(made)
            continue
        if word == "fragment":
            slides[-1].parts.append("")
        slides[-1].parts[-1] += str(made)
    return slides


def page(slides: list[Slide], outcome: LessonRun) -> str:
    """The page, complete."""
    title = html.escape(outcome.title)
    policy = (
        "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{_digest(SCRIPT)}'; base-uri 'none'; form-action 'none'"
    )
    shown = "\n".join(_section(number, slide, len(slides)) for number, slide in enumerate(slides, 1))
    entries = "".join(
        f'<li><a href="#/{number}">{html.escape(slide.title)}</a></li>' for number, slide in enumerate(slides, 1)
    )
    settings = ", ".join(f"{name} = {value!r}" for name, value in outcome.parameters.items())
    facts = [f"Run on {outcome.date.replace('T', ', ')}", settings, outcome.machine, outcome.versions]
    about = f"<p>{html.escape('. '.join(filter(None, facts)))}.</p>"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}: slides</title>
<style>{STYLE}
{SLIDE_STYLE}</style>
</head>
<body>
<main>
{shown}
</main>
<footer>{about}</footer>
<nav hidden aria-label="Slides">
<progress max="{len(slides)}" value="1" aria-hidden="true"></progress>
<span class=title>{title}</span>
<button type="button" id="list" aria-haspopup="dialog">List</button>
<button type="button" id="back" aria-label="Back">‹</button>
<output id="at" aria-live="polite"></output>
<button type="button" id="on" aria-label="On">›</button>
</nav>
<dialog aria-label="All slides"><form method="dialog"><button>Close</button></form>
<p class=lead>{KEYS}</p><ol>{entries}</ol>{about}</dialog>
<script>{SCRIPT}</script>
</body>
</html>
"""


def _section(number: int, slide: Slide, count: int) -> str:
    """One slide; where it has no heading of its own, the one that it stands under is above it, small."""
    first, *later = slide.parts
    above = "" if slide.headed or not slide.title else f"<p class=above>{html.escape(slide.title)}</p>"
    fragments = "".join(f"\n<div class=fragment>{part}</div>" for part in later)
    notes = f"\n<aside class=notes aria-label=Notes>{slide.notes}</aside>" if slide.notes else ""
    label = html.escape(f"{number} of {count}: {slide.title}", quote=True)
    return (
        f'<section class=slide tabindex="-1" aria-roledescription="slide" aria-label="{label}">{above}\n'
        f"<div class=first>{first}</div>{fragments}{notes}\n</section>"
    )


def _word(cell: NotebookNode) -> str:
    """The slide word of a cell; one that sets parameters, added by a run, is shown nowhere."""
    if "injected-parameters" in cell.metadata.get("tags", []):
        return "skip"
    return cell.metadata.get("slideshow", {}).get("slide_type") or "-"


def _digest(script: str) -> str:
    """SHA-256 of a script as a page's policy writes it."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
