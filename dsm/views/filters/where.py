"""The filter by attributes: every one of some conditions holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypedDict

from dsm.views.filters.bounds import EXACT_INT, Number, Range, floats, integers
from dsm.views.filters.conditions import BOOL, NUMBER, SIZE, TEXT, Condition, parse_condition
from dsm.views.filters.filter import Asking, Clause, Filter, require_sorted, texts
from dsm.views.filters.values import AttributeValue, SizeValue, Value

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.views.filters.sql import SqlConditions


class Asked(TypedDict, total=False):
    """Its keyword."""

    where: Iterable[str] | None


@dataclass(frozen=True, slots=True)
class WhereFilter(Filter):
    """Takes examples that meet all conditions (sorted)."""

    conditions: tuple[Condition, ...]

    @classmethod
    def asked(cls, asked: Mapping[str, Any], asking: Asking) -> Self | None:
        given = texts(asked.get("where"))
        found = tuple(sorted({parse_condition(text, asking.attributes) for text in given}))
        return cls(found) if found else None

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self | None:
        found = tuple(Condition.from_json(each) for each in fields.get("where", ()))
        require_sorted(found)
        return cls(found) if found else None

    def to_json(self) -> dict[str, Any]:
        return {"where": [condition.to_json() for condition in self.conditions]}

    def words(self) -> list[str]:
        return [str(condition) for condition in self.conditions]

    def clauses(self) -> list[Clause]:
        return [
            Clause("where", str(each), partial(_mask, each), _value(each.attribute))
            for each in self.conditions
        ]

    def narrow(self, conditions: SqlConditions) -> None:
        for condition in self.conditions:
            _narrow(conditions, condition)

    def attributes(self) -> Iterable[str]:
        return [condition.attribute for condition in self.conditions]


def _value(name: str) -> Value:
    return SizeValue() if name == SIZE else AttributeValue(name)


def _mask(condition: Condition, table: pa.Table) -> pa.ChunkedArray:
    from dsm.views.filters.condition_mask import mask_of

    return mask_of(condition, table, _value(condition.attribute).column)


def _narrow(conditions: SqlConditions, condition: Condition) -> None:
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
