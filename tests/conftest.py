"""What all tests share: no network, and small lessons made on the fly.

pytest                       # everything: these tests, and every notebook in notebooks/ through nbval
pytest tests/test_cli.py     # one module
"""

from __future__ import annotations

import os
import runpy
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

import course_lib  # noqa: F401  before torch, as a reader does: it keeps idle threads from taking the cores

os.environ["COURSE_PROGRESS"] = os.path.join(tempfile.mkdtemp(), "progress.json")  # never a reader's own
OFFLINE = Path(__file__).parent / "offline"

# A shell starts what runs in its background deaf to Ctrl-C, and children inherit that; some tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_path(str(OFFLINE / "sitecustomize.py"))  # this process
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(OFFLINE), os.environ.get("PYTHONPATH")]))  # its children


@pytest.fixture(scope="session")
def write_lesson() -> Callable[..., Path]:
    """`write_lesson(path, "# Title", "code:x = 1", "parameters:size = 'small'")` writes a notebook of these cells; `folded:` hides its code."""
    import nbformat
    from nbformat import v4

    def write(path: Path, *cells: str) -> Path:
        notebook = v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
        for number, text in enumerate(cells):
            kind, _, source = text.partition(":")
            if kind == "parameters":
                cell = v4.new_code_cell(source, metadata={"tags": ["parameters"]})
            elif kind == "folded":
                cell = v4.new_code_cell(source, metadata={"jupyter": {"source_hidden": True}})
            else:
                cell = v4.new_code_cell(source) if kind == "code" else v4.new_markdown_cell(text)
            cell["id"] = f"cell-{number}"
            notebook.cells.append(cell)
        nbformat.write(notebook, path)
        return path

    return write


@pytest.fixture(scope="session")
def fetched() -> Callable[[Path], list[str]]:
    """`fetched(page)` lists everything in an HTML page that a browser would fetch or run; links to click are fine."""
    from bs4 import BeautifulSoup

    def look(page: Path) -> list[str]:
        soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
        tags = [str(tag)[:80] for tag in soup.select("script, link, iframe, object, embed, [srcset], [background]")]
        sources = [tag["src"][:80] for tag in soup.select("[src]") if not tag["src"].startswith("data:")]
        styles = [str(tag) for tag in soup.select("style")] + [tag["style"] for tag in soup.select("[style]")]
        return tags + sources + [style for style in styles if "@import" in style or "url(" in style]

    return look
