"""A small executed notebook with a slide word for each kind of cell, as `course run` leaves one; for the tests of slides."""

import nbformat
from nbformat import v4

COURSE = {
    "title": "Dogs & co", "parameters": {"size": "small"}, "seconds": 3.0, "date": "2026-11-21T10:00+00:00",
    "machine": "toy machine", "versions": "Python 3", "error": None,
}  # fmt: skip
# (slide word, text; "code:" makes a code cell with the text as its output)
CELLS = [
    ("slide", "# Dogs & co\n\nThe loss is $\\frac{1}{2}$."),
    ("skip", "code:secret set-up"),
    ("-", "goes on"),
    ("slide", "## Load"),
    ("fragment", "first fragment"),
    ("-", "code:with the first"),
    ("fragment", "second fragment"),
    ("notes", "say this aloud"),
    ("subslide", "more on loading"),
    ("", "no word at all"),
    ("notes", "<img alt='wrong' src='data:image/png;base64,AAAA' onerror='document.title=\"ran\"'>"),
    ("slide", "## Compare\n\n" + "\n\n".join(f"line {i}" for i in range(60))),
    ("slide", "## End\n\n![remote](https://example.org/x.png) <script src='https://example.org/x.js'></script>"),
]


def write(path, cells, **course):
    notebook = v4.new_notebook(metadata={"course": COURSE | course})
    for word, text in cells:
        if text.startswith("code:"):
            output = v4.new_output("stream", text=f"said by {text[5:]}")
            cell = v4.new_code_cell(f"print('{text[5:]}')", outputs=[output])
        else:
            cell = v4.new_markdown_cell(text)
        if word:
            cell.metadata["slideshow"] = {"slide_type": word}
        notebook.cells.append(cell)
    nbformat.write(notebook, path)
    return path
