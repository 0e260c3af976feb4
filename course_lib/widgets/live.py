"""Live progress of any long work in a cell: a bar and a line of words, in place.

    last = watch(fit(net, dogs, feature_extraction()))
    curve = watch(learning_curve(...))

It works wherever a cell's output is shown (JupyterLab, Colab, papermill), in a terminal as well, and holds no state.
"""

from __future__ import annotations

import html
import time
from collections.abc import Generator, Iterable
from typing import Any

from IPython.display import DisplayHandle

from ..tables import Table

EVERY = 0.2  # seconds between two updates: quick enough to feel live, slow enough to cost nothing


class Bar:
    """A progress bar that shows itself as HTML in a notebook and as text elsewhere, with a table below where there is one."""

    def __init__(self, progress: float, text: str, table: Table | None = None) -> None:
        self.progress, self.text, self.table = min(1.0, max(0.0, progress)), text, table

    def __repr__(self) -> str:
        return f"{self.progress:4.0%}  {self.text}" + (f"\n{self.table}" if self.table else "")

    def _repr_html_(self) -> str:
        share = f"{100 * self.progress:.0f}"
        return (
            f'<div role="status" style="max-width:40em"><div role="progressbar" aria-valuenow="{share}" aria-valuemin="0" '
            f'aria-valuemax="100" aria-label="progress" style="height:8px;border:1px solid #595959;border-radius:4px">'
            f'<div style="height:100%;width:{share}%;background:#0072B2"></div></div>{share} % · {html.escape(self.text)}</div>'
            f"{self.table._repr_html_() if self.table else ''}"
        )


def _bar(item: Any) -> Bar:
    """The bar of an item; a sweep brings a table of its last runs."""
    return Bar(item.progress, item.text, item.table(last=10) if hasattr(item, "table") else None)


def watch(work: Iterable[Any]) -> Any:
    """Run a generator to its end, or to an interrupt, and show where it stands.

    Arguments:
        work: yields items with `progress` (0 to 1) and `text`, such as the records of `fit`; a `table` is shown below.

    Returns what the generator returns, or its last item. An interrupt (the stop button of the notebook) ends the
    work at once, leaves the network whole, and gives the last item.
    """
    handle = DisplayHandle()
    shown, item = 0.0, None
    handle.display(Bar(0.0, "starting"))
    iterator = iter(work)
    try:
        while True:
            item = next(iterator)
            if time.perf_counter() - shown > EVERY:
                shown = time.perf_counter()
                handle.update(_bar(item))
    except StopIteration as end:
        if item is not None:
            handle.update(_bar(item))
        else:
            handle.update(Bar(1.0, "nothing was left to do"))
        return end.value if end.value is not None else item
    except KeyboardInterrupt:
        if isinstance(iterator, Generator):
            iterator.close()
        handle.update(Bar(item.progress if item else 0.0, f"stopped: {item.text if item else 'nothing was done'}"))
        return item
