"""A small table that shows itself: as text in a terminal, as HTML in a notebook.

Table(("block", "parameters"), [("stem", 648)], caption="PawNet")
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Table:
    """Rows under named columns.

    Arguments:
        columns: one name a column, with its unit.
        rows: one sequence a row; numbers are aligned to the right, integers get thousands separators.
        caption: a sentence that says what the table shows.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    caption: str = ""

    def column(self, name: str) -> list[Any]:
        """The values of one column."""
        return [row[list(self.columns).index(name)] for row in self.rows]

    def __repr__(self) -> str:
        cells = [[str(c) for c in self.columns], *([_text(cell) for cell in row] for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        numeric = [_is_numeric(self.rows, i) for i in range(len(widths))]
        lines = [
            "  ".join(c.rjust(w) if right else c.ljust(w) for c, w, right in zip(line, widths, numeric, strict=True))
            for line in cells
        ]
        return "\n".join(line.rstrip() for line in [*([self.caption] if self.caption else []), *lines])

    def _repr_html_(self) -> str:
        style = [
            f"padding:2px 10px;text-align:{'right' if _is_numeric(self.rows, i) else 'left'}"
            for i in range(len(self.columns))
        ]
        head = "".join(
            f'<th scope="col" style="{s}">{html.escape(c)}</th>' for c, s in zip(self.columns, style, strict=True)
        )
        body = "".join(
            "<tr>"
            + "".join(f'<td style="{s}">{html.escape(_text(c))}</td>' for c, s in zip(row, style, strict=True))
            + "</tr>"
            for row in self.rows
        )
        caption = f'<caption style="text-align:left">{html.escape(self.caption)}</caption>' if self.caption else ""
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _is_numeric(rows: Sequence[Sequence[Any]], i: int) -> bool:
    return all(isinstance(row[i], (int, float)) for row in rows)


def _text(cell: Any) -> str:
    if isinstance(cell, bool) or not isinstance(cell, (int, float)):
        return str(cell)
    return f"{cell:,}" if isinstance(cell, int) else f"{cell:.3g}"
