"""What moved in a column, in words."""

from __future__ import annotations

from typing import Any

from dsm.model.names import printable
from dsm.model.sizes import size_text
from dsm.model.timespec import format_time
from dsm.statistics.drift import ColumnDrift, Thresholds
from dsm.statistics.samples import CATEGORY, TEXT, TIME

MOVES_MAX = 5


def moves(column: ColumnDrift, at: Thresholds) -> list[str]:
    """Returns what moved: "cat: 50.0% → 91.7%", "median 49 B → 109 B"; nothing if nothing did."""
    lines = []
    a, b = column.a, column.b
    if column.presence_drifted(at):
        shares = [_share(side.missing, side.examples) for side in (a, b)]
        lines.append(f"without a value: {shares[0]} → {shares[1]}")
    if not column.values_drifted(at):
        return lines
    if column.kind == CATEGORY:
        return [*lines, *_changed_shares(column)]
    middle = [value_text(side.middle, column.column, column.kind) for side in (a, b)]
    what = "median length" if column.kind == TEXT else "median"
    return [*lines, f"{what} {middle[0]} → {middle[1]}"]


def _changed_shares(column: ColumnDrift) -> list[str]:
    a, b = column.a, column.b
    totals = [sum(side.counts.values()) + side.rest or 1 for side in (a, b)]
    shares = [
        (value, a.counts.get(value, 0) / totals[0], b.counts.get(value, 0) / totals[1])
        for value in {**a.counts, **b.counts}
    ]
    shares.sort(key=lambda row: (-abs(row[2] - row[1]), row[0]))
    lines = [f"{printable(value)}: {p:.1%} → {q:.1%}" for value, p, q in shares if p != q]
    more = len(lines) - MOVES_MAX
    return lines if more <= 0 else [*lines[:MOVES_MAX], f"… and {more:,} more"]


def _share(count: int, of: int) -> str:
    return f"{count / of:.1%}" if of else "-"


def value_text(value: Any, column: str, kind: str) -> str:
    """Returns a number of a column for people: sizes with their unit, times as dates."""
    if value is None:
        return "-"
    if kind == TIME:
        return format_time(int(value) // 1_000_000 * 1_000_000)
    if column == "size":
        return size_text(round(value))
    return f"{value:,}" if isinstance(value, int) else f"{value:,.5g}"
