"""Errors in an executed lesson, also those that Jupyter's runners report as success.

list(hidden_errors(notebook))            # ["cell 12: ValueError: ...", "in the widget FreezeLabModel: ..."]
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbformat import NotebookNode

WIDGETS = "application/vnd.jupyter.widget-state+json"


def hidden_errors(notebook: NotebookNode) -> Iterator[str]:
    """Errors that do not stop a notebook: raised in a widget's callback, in an `Output` block, or shown by a widget.

    A callback's error is printed into the cell that caused it, an `Output` widget catches what is raised inside of it,
    and a widget of ours keeps its own in the trait `error`. Jupyter's runners report all of them as success.
    """
    for number, cell in enumerate(notebook["cells"], 1):
        for error in errors(cell.get("outputs", [])):
            yield f"cell {number}: {error}"
    widgets = notebook["metadata"].get("widgets", {}).get(WIDGETS, {}).get("state", {})
    for model in widgets.values():
        state = model.get("state", {})
        for error in errors(state.get("outputs") or []):
            yield f"in an Output widget: {error}"
        if state.get("error"):
            yield f"in the widget {model.get('model_name') or 'of ours'}: {state['error']}"


def errors(outputs: list[Any]) -> Iterator[str]:
    """The errors among a cell's outputs: name and message, or only the sentence of a `CourseError`."""
    for output in outputs:
        if output["output_type"] == "error":
            full = f"{output['ename']}: {output['evalue']}"
            yield output["evalue"] if list(output["traceback"]) == [full] else full  # errors.py draws no traceback
