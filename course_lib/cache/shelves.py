"""Shelves: where the features of a Store lie, as n,D rows of numbers; in memory side by side, or in mapped files."""

from __future__ import annotations

import torch


class InMemory:
    """All rows side by side: N,D on a device; rows that were not put hold any number."""

    def __init__(self, count: int, width: int, dtype: torch.dtype, device: torch.device) -> None:
        self.values = torch.empty(count, width, dtype=dtype, device=device)

    def put(self, rows: torch.Tensor, values: torch.Tensor) -> None:
        """Keep values n,D of rows int64 n (on the CPU)."""
        here = self.values.device
        self.values[rows.to(here, non_blocking=True)] = values.to(here, non_blocking=True)

    def get(self, rows: torch.Tensor) -> torch.Tensor:
        """A copy n,D of some rows, where the values lie."""
        return self.values.index_select(0, rows.to(self.values.device, non_blocking=True))


class OnDisk:
    """Rows in parts, each a mapped file, or a tensor that waits for being written."""

    def __init__(self, count: int, width: int, dtype: torch.dtype) -> None:
        self.width, self.dtype = width, dtype
        self.where = torch.full((count, 2), -1)  # number of the part, place in it
        self.parts: list[torch.Tensor | None] = []
        self.waiting: list[int] = []

    def put(self, rows: torch.Tensor, values: torch.Tensor) -> None:
        """Keep values n,D of rows int64 n in memory until they are in a file."""
        self.waiting.append(len(self.parts))
        self.put_file(rows, values.cpu())

    def put_file(self, rows: torch.Tensor, values: torch.Tensor) -> None:
        """Look these rows up in a mapped file from now on."""
        self.where[rows, 0] = len(self.parts)
        self.where[rows, 1] = torch.arange(len(rows))
        self.parts.append(values)

    def let_go(self) -> None:
        """All that waited is in files now."""
        for part in self.waiting:
            self.parts[part] = None
        self.waiting = []

    def get(self, rows: torch.Tensor) -> torch.Tensor:
        """A copy n,D of some rows, in memory."""
        found = torch.empty(len(rows), self.width, dtype=self.dtype)
        where = self.where[rows]
        for part in where[:, 0].unique().tolist():
            here = where[:, 0] == part
            found[here] = self.parts[part].index_select(0, where[here, 1])
        return found
