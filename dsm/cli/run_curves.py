"""Curves of characters for a terminal: each run has a mark of its own."""

from __future__ import annotations

from collections.abc import Sequence

from dsm.model.names import printable
from dsm.runs.curves import Curve, Scale, scales

ROWS = 16
MARKS = "ox+*#@%&"
LABEL = 11


def drawn(title: str, curves: Sequence[Curve], room: int, *, log: bool = False) -> list[str]:
    """Returns the lines of a picture that is `room` characters wide, with the names below it.

    Where curves meet the mark of the last one stands.
    """
    found = scales(curves, log=log)
    lines = [printable(title)]
    if found is not None:
        lines += _grid(curves, *found, room - LABEL - 2)
    for mark, each in zip(MARKS, curves, strict=False):
        more = f" ({each.left_out:,} NaN or infinite)" if each.left_out else ""
        lines.append(f"  {mark} {printable(each.name)}{more}")
    return lines


def _grid(curves: Sequence[Curve], across: Scale, up: Scale, columns: int) -> list[str]:
    grid = [[" "] * columns for _ in range(ROWS)]
    for mark, each in zip(MARKS, curves, strict=False):
        last: tuple[float, float] | None = None
        for step, value in each.points:
            here = across.share(step) * (columns - 1), up.share(value) * (ROWS - 1)
            for x, y in _between(last or here, here):
                grid[ROWS - 1 - y][x] = mark
            last = here
    lines = []
    for at, row in enumerate(grid):
        label = {0: f"{up.high:.4g}", ROWS - 1: f"{up.low:.4g}"}.get(at, "")
        lines.append(f"{label:>{LABEL}} |{''.join(row)}".rstrip())
    first, end = f"{across.low:.10g}", f"{across.high:.10g}"
    lines.append(" " * LABEL + " +" + "-" * columns)
    gap = max(1, columns - len(first) - len(end))
    lines.append(" " * (LABEL + 2) + (f"{first}{' ' * gap}{end}" if first != end else first))
    return lines


def _between(a: tuple[float, float], b: tuple[float, float]) -> list[tuple[int, int]]:
    """Returns the cells of a straight line."""
    count = max(1, round(abs(b[0] - a[0])), round(abs(b[1] - a[1])))
    return [
        (round(a[0] + (b[0] - a[0]) * at / count), round(a[1] + (b[1] - a[1]) * at / count))
        for at in range(count + 1)
    ]
