"""Tables of figures for a terminal: aligned columns, numbers to the right."""

from __future__ import annotations

from collections.abc import Sequence

from dsm.model.names import printable

Cell = str | int | float | None


def table(header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> list[str]:
    """Returns lines with a header; texts go left, numbers right."""
    texts = [[_text(cell) for cell in row] for row in rows]
    right = [
        bool(rows) and all(not isinstance(cell, str) for cell in column)
        for column in zip(*rows, strict=True)
    ] or [False] * len(header)
    wide = [max(map(len, column)) for column in zip(header, *texts, strict=True)]
    return [
        "  ".join(
            f"{cell:>{width}}" if numeric else f"{cell:{width}}"
            for cell, width, numeric in zip(row, wide, right, strict=True)
        ).rstrip()
        for row in (header, *texts)
    ]


def number(value: float | None) -> str:
    """Returns a figure with four decimals; a dash for one that is not defined."""
    if value is None:
        return "-"
    return f"{value:.4f}" if abs(value) < 1e6 else f"{value:.6g}"


def _text(cell: Cell) -> str:
    if isinstance(cell, str):
        return printable(cell)
    if isinstance(cell, int):
        return f"{cell:,}"
    return number(cell)
