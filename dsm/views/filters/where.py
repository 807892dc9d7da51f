"""The filter by attributes: every one of some conditions holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypedDict

from dsm.views.filters.conditions import SIZE, Condition, parse_condition
from dsm.views.filters.filter import Asking, Clause, Filter, require_sorted, texts
from dsm.views.filters.values import AttributeValue, SizeValue, Value

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.views.filters.sql import SqlConditions


class Asked(TypedDict, total=False):
    """Its keyword."""

    where: Iterable[str] | None


class WhereFilter(Filter):
    """Takes examples that meet all conditions (sorted)."""

    def __init__(self, conditions: tuple[Condition, ...]):
        self.conditions = conditions

    @classmethod
    def asked(cls, asked: Mapping[str, Any], asking: Asking) -> Self | None:
        given = texts(asked.get("where"))
        types, told = asking.attributes, asking.has_records
        found = tuple(sorted({parse_condition(text, types, has_records=told) for text in given}))
        return cls(found) if found else None

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self | None:
        found = tuple(Condition.from_json(each) for each in fields.get("where", ()))
        require_sorted(found)
        return cls(found) if found else None

    def to_json(self) -> dict[str, Any]:
        return {"where": [condition.to_json() for condition in self.conditions]}

    def joined(self, other: Filter) -> Filter | None:
        if not isinstance(other, WhereFilter):
            return None
        return WhereFilter(tuple(sorted({*self.conditions, *other.conditions})))

    def words(self) -> list[str]:
        return [str(condition) for condition in self.conditions]

    def clauses(self) -> list[Clause]:
        return [
            Clause("where", str(each), partial(_mask, each), _value(each.attribute))
            for each in self.conditions
        ]

    def narrow(self, conditions: SqlConditions) -> None:
        from dsm.views.filters.condition_sql import narrow

        for condition in self.conditions:
            narrow(conditions, condition)

    def attributes(self) -> Iterable[str]:
        return [condition.attribute for condition in self.conditions]


def _value(name: str) -> Value:
    return SizeValue() if name == SIZE else AttributeValue(name)


def _mask(condition: Condition, table: pa.Table) -> pa.ChunkedArray:
    from dsm.views.filters.condition_mask import mask_of

    return mask_of(condition, table, _value(condition.attribute).column)
