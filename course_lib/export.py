"""Executed lessons as HTML pages that need nothing else: no network, no JavaScript, no other file.

    write_page(run("04", ...))                 # runs/04_dog_case_study.html beside runs/04_dog_case_study.ipynb
    write_index(Path("runs"))                  # runs/index.html: every lesson run there, with its results

Figures are embedded, formulas become MathML, a widget is shown as the picture it carries (no kernel answers a page).
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import CourseError
from .lesson_errors import WIDGETS
from .lessons import LessonRun, heading, read_run
from .page_style import STYLE
from .paths import atomic, notebooks_dir

if TYPE_CHECKING:
    from nbformat import NotebookNode

VIEW = "application/vnd.jupyter.widget-view+json"
PICTURES = {"image/png": "png", "image/jpeg": "jpeg"}
LIVE = "An interactive part of the lesson: run it in JupyterLab (<code>course lab</code>) to use it."


def write_page(outcome: LessonRun, folder: Path | None = None) -> Path:
    """Write the HTML page of a lesson beside its executed notebook; `folder` is where its texts look for pictures."""
    import nbformat

    notebook = nbformat.read(outcome.notebook, as_version=4)
    text = f"{_header(outcome)}\n{body(notebook, folder or notebooks_dir())}"
    path = outcome.notebook.with_suffix(".html")
    _write(path, outcome.title, text)
    return path


def write_index(out: Path) -> Path:
    """Write `index.html`: one row for every executed lesson in `out`, read back from the notebooks themselves."""
    rows = "\n".join(_row(outcome) for outcome in _runs(out))
    head = "".join(f"<th scope=col>{title}</th>" for title in ("Lesson", "Status", "Results", "Time"))
    table = f"<table class=index><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    text = f"<h1>Lessons as run here</h1><p class=lead>Intervals are 95 % intervals.</p>{table}"
    path = out / "index.html"
    _write(path, "Lessons as run here", text)
    return path


def _write(path: Path, title: str, body: str) -> None:
    page = (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="color-scheme" content="light dark">\n'
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )
    with atomic(path) as file:
        file.write(page.encode())


def _runs(out: Path) -> Iterator[LessonRun]:
    for path in sorted(out.glob("*.ipynb")):
        try:
            yield read_run(path)
        except CourseError:  # a notebook that somebody keeps there, not one of ours
            continue


def _header(outcome: LessonRun) -> str:
    """What was run, where and when, so that the numbers below can be judged."""
    settings = ", ".join(f"{name} = {value!r}" for name, value in outcome.parameters.items()) or "none"
    about = {
        "Run on": outcome.date.replace("T", ", "),
        "Took": f"{outcome.seconds:.1f} s",
        "Parameters": settings,
        "Machine": outcome.machine,
        "Versions": outcome.versions,
    }
    facts = "".join(f"<div><dt>{name}</dt><dd>{html.escape(value)}</dd></div>" for name, value in about.items())
    failed = (
        f"<p class=failed role=alert><b>This run failed.</b> {html.escape(outcome.error)}</p>" if outcome.error else ""
    )
    return f'<header><p><a href="index.html">All lessons</a></p><dl>{facts}</dl>{failed}</header>'


def _row(outcome: LessonRun) -> str:
    status = "<span class=ok>ok</span>" if outcome.error is None else "<span class=bad>failed</span>"
    results = "".join(
        f"<tr><td>{result.name}<br><small>{html.escape(result.note)}</small></td>"
        f"<td class=number>{html.escape(result.amount)}</td><td class=number>{result.interval}</td></tr>"
        for result in outcome.records.values()
    )
    error = f"<p class=failed>{html.escape(outcome.error)}</p>" if outcome.error else ""
    name = html.escape(outcome.name, quote=True)
    return (
        f'<tr><th scope=row><a href="{name}.html">{html.escape(outcome.title)}</a><br>'
        f'<small><a href="{name}.ipynb" download>{name}.ipynb</a></small></th><td>{status}</td>'
        f"<td>{error}<table class=results>{results}</table></td>"
        f"<td>{outcome.seconds:.1f} s<br><small class=number>{outcome.date[:10]}</small></td></tr>"
    )


def body(notebook: NotebookNode, folder: Path) -> str:
    """The cells as HTML: nbconvert's, with its scripts and everything that would be fetched taken out."""
    from bs4 import BeautifulSoup

    widgets = notebook.metadata.pop("widgets", {}).get(WIDGETS, {}).get("state", {})
    section = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            section = heading(cell.source) or section
        elif cell.cell_type == "code":
            shown = [part for output in cell.outputs for part in _unwrapped(output, widgets)]
            cell.outputs = [_offline(output, section) for output in shown]
            if cell.metadata.get("jupyter", {}).get("source_hidden"):  # a quiz: its code holds the answers
                cell.metadata["transient"] = {"remove_source": True}
    fragment, _ = _exporter().from_notebook_node(notebook, {"metadata": {"path": str(folder)}})
    soup = BeautifulSoup(fragment, "html.parser")
    for tag in soup.select("script, link, iframe, object, embed"):
        tag.decompose()
    for tag in soup.select("[src], [srcset]"):
        if not tag.get("src", "").startswith("data:"):
            tag.replace_with(f"[picture not in this page: {tag.get('alt') or tag.get('src')}]")
    return str(soup)


def _unwrapped(output: NotebookNode, widgets: dict[str, Any]) -> list[NotebookNode]:
    """An `Output` widget's contents in its place; any other output as it is."""
    from nbformat import from_dict

    model = widgets.get(output.get("data", {}).get(VIEW, {}).get("model_id"), {})
    if model.get("model_name") != "OutputModel":
        return [output]
    return [part for inner in model["state"].get("outputs", []) for part in _unwrapped(from_dict(inner), widgets)]


def _offline(output: NotebookNode, section: str) -> NotebookNode:
    """One output as text or HTML that shows without a kernel, and that says what a picture shows."""
    data = output.get("data")
    if data is None:
        return output
    text, view = data.get("text/plain", ""), data.pop(VIEW, None)
    picture = next((mime for mime in PICTURES if mime in data), None)
    if picture:
        alt = output.metadata.get(picture, {}).get("alt") or output.metadata.get("alt")
        if not alt:  # `<Figure size 700x300 ...>` says nothing, a widget's own text does
            alt = f"Figure in the section {section}" if not text or text.startswith("<") else text
        source = base64.b64encode(base64.b64decode(data[picture])).decode()  # on one line, and surely base64
        image = f'<img alt="{html.escape(alt, quote=True)}" src="data:{picture};base64,{source}">'
        output.data = {"text/html": image + (f"<p class=live>{LIVE}</p>" if view else "")}
    elif view and "text/html" not in data:
        described = (
            "" if re.match(r"\w+\(", text) else f"<pre>{html.escape(text)}</pre>"
        )  # ipywidgets' own: `VBox(...)`
        output.data = {"text/html": f"{described}<p class=live>{LIVE}</p>"}
    elif "text/latex" in data and "text/html" not in data:
        output.data = {"text/html": mathml(data["text/latex"].strip().strip("$"), display="block")}
    return output


def mathml(latex: str, display: str = "inline") -> str:
    """A formula as MathML, which browsers draw without any script; one that is not understood stays as it was written.

    Not understood: an unknown command, such as `\\arg`; write `\\operatorname{arg\\,max}` in its place.
    """
    from latex2mathml.converter import convert

    try:
        formula = convert(latex, display=display)
    except Exception:  # the converter's errors have no common class
        formula = "<mi>\\"
    return formula if "<mi>\\" not in formula else f"<code class=tex>{html.escape(latex)}</code>"


def _exporter() -> Any:
    """nbconvert's HTML exporter, with formulas as MathML and no page around the cells."""
    from jinja2 import pass_context
    from nbconvert.exporters.html import HTMLExporter
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    class Renderer(IPythonRenderer):
        def inline_math(self, body: str) -> str:
            return mathml(body)

        def block_math(self, body: str) -> str:
            return mathml(body, display="block")

        def latex_environment(self, name: str, body: str) -> str:
            return mathml(rf"\begin{{{name}}}{body}\end{{{name}}}", display="block")

    class Exporter(HTMLExporter):
        @pass_context
        def markdown2html(self, context: Any, source: str) -> str:
            cell, resources = context.get("cell", {}), context.get("resources", {})
            renderer = Renderer(
                escape=False,
                attachments=cell.get("attachments", {}),
                embed_images=True,
                path=resources.get("metadata", {}).get("path", ""),
                exclude_anchor_links=True,
            )
            return MarkdownWithMath(renderer=renderer).render(source)

    bare = {"exclude_input_prompt": True, "exclude_output_prompt": True}
    return Exporter(template_name="lab", template_file="base.html.j2", **bare)
