"""What a database can check of a condition: bounds of numbers, texts and truth values.

Invariant: a row that meets the condition passes what is asked of the database, however it rounds.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from dsm.views.filters.bounds import EXACT_INT, Number, Range, floats, integers
from dsm.views.filters.conditions import BOOL, NUMBER, SIZE, TEXT, Condition

if TYPE_CHECKING:
    from dsm.views.filters.sql import SqlConditions


def narrow(conditions: SqlConditions, condition: Condition) -> None:
    """Adds what can be said of a condition on an attribute."""
    name = condition.attribute
    if name == SIZE:
        return
    kind = conditions.query.attributes.get(name)
    if kind is None:
        conditions.nothing_passes()  # it is null in every row
    present = f"{conditions.column(name)} IS NOT NULL"
    conditions.found.append(present)
    if len(condition.values) > conditions.list_max:
        return
    if condition.kind == TEXT and kind == "string" and conditions.is_text_column(name):
        if condition.op in ("=", "in"):
            conditions.found.append(conditions.text_among(name, condition.values))
    elif condition.kind == BOOL and kind == "bool" and not conditions.sqlite:
        same = condition.op != "!="
        values = [(text == "true") == same for text in condition.values]
        conditions.found.append(conditions.one_of(name, "bool", values) or conditions.never())
    elif condition.kind == NUMBER and conditions.kind(name) in ("int", "float", "decimal"):
        _narrow_number(conditions, name, condition)


def _narrow_number(conditions: SqlConditions, name: str, condition: Condition) -> None:
    kind = conditions.kind(name)
    if conditions.sqlite and kind == "decimal":
        return
    if condition.op == "!=":
        value = Fraction(condition.values[0])
        if kind == "int" and abs(value) < EXACT_INT and value.denominator == 1:
            shown = conditions.value(int(value), conditions.spelling.types[kind])
            conditions.found.append(
                conditions.loosely(name, kind, f"{conditions.column(name)} <> {shown}")
            )
        return
    ranges = [
        _range(conditions, kind, "=" if condition.op == "in" else condition.op, text)
        for text in condition.values
    ]
    if (None, None) in ranges:
        return
    parts = [_within(conditions, name, kind, found) for found in ranges if found is not None]
    conditions.found.append(
        conditions.loosely(name, kind, " OR ".join(parts) or conditions.never())
    )


def _range(conditions: SqlConditions, kind: str, op: str, text: str) -> Range | None:
    if kind == "int":
        return integers(op, text)
    return floats(op, text, exact=kind == "float" and not conditions.sqlite)


def _within(conditions: SqlConditions, name: str, kind: str, found: Range) -> str:
    column, shape = conditions.column(name), conditions.spelling.types[kind]
    if kind == "decimal" and conditions.dialect.name == "duckdb":
        column = f"CAST({column} AS double precision)"
    parts = []
    low, high = found
    if low is not None and low == high:
        return f"{column} = {conditions.value(_spelt(conditions, kind, low), shape)}"
    if low is not None:
        parts.append(f"{column} >= {conditions.value(_spelt(conditions, kind, low), shape)}")
    if high is not None:
        parts.append(f"{column} <= {conditions.value(_spelt(conditions, kind, high), shape)}")
    return f"({' AND '.join(parts)})"


def _spelt(conditions: SqlConditions, kind: str, number: Number) -> object:
    """Returns a bound as it is handed over: of exact decimals, as text."""
    return repr(number) if kind == "decimal" and conditions.dialect.name != "duckdb" else number
