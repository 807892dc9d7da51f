"""Which rows of a snapshot meet a condition: exactly, also where integers and decimals meet."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.views.filters.conditions import BOOL, NUMBER, Condition

INT_MIN, INT_MAX = -(1 << 63), (1 << 63) - 1
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": pc.equal, "!=": pc.not_equal, "<": pc.less, "<=": pc.less_equal,
    ">": pc.greater, ">=": pc.greater_equal,
}  # fmt: skip


def mask_of(condition: Condition, table: pa.Table, column_name: str) -> pa.ChunkedArray:
    """Returns which rows meet a condition on this column; none where there is no such column."""
    if column_name not in table.column_names:
        return pa.chunked_array([pa.repeat(False, table.num_rows)])
    column = table.column(column_name)
    if condition.op == "in":
        masks = [_compare(column, "=", value, condition.kind) for value in condition.values]
        result = masks[0]
        for other in masks[1:]:
            result = pc.or_(result, other)
    else:
        result = _compare(column, condition.op, condition.values[0], condition.kind)
    return result.fill_null(False)


def _compare(column: pa.ChunkedArray, op: str, value: str, kind: str) -> Any:
    if kind == BOOL:
        return _COMPARE[op](column, value == "true")
    if kind != NUMBER:
        return _COMPARE[op](column, pa.scalar(value, pa.string()))
    if pa.types.is_floating(column.type):
        return _COMPARE[op](column, float(value))
    return _compare_int(column, op, Fraction(value))


def _compare_int(column: pa.ChunkedArray, op: str, value: Fraction) -> Any:
    """Compares integers with an exact number that may lie between or beyond them."""
    floor = value.numerator // value.denominator
    whole = floor == value
    if op in ("=", "!="):
        same = whole and INT_MIN <= floor <= INT_MAX
        if same:
            return _COMPARE[op](column, floor)
        return pc.and_(pc.is_valid(column), op == "!=")
    # x < 2.5 is x <= 2, and x >= 2.5 is x > 2
    if not whole:
        op = {"<": "<=", ">=": ">"}.get(op, op)
    if floor > INT_MAX or floor < INT_MIN:
        below = (floor > INT_MAX) == (op in ("<", "<="))
        return pc.and_(pc.is_valid(column), below)
    return _COMPARE[op](column, floor)
