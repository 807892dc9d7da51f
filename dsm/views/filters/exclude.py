"""The filter that leaves labels out: an example has none of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self, TypedDict

from dsm.model.names import check_label, printable
from dsm.views.filters.filter import (
    Asking,
    Clause,
    DummyWish,
    Filter,
    require_texts,
    texts,
)
from dsm.views.filters.values import LabelsValue

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.views.filters.sql import SqlConditions


CANONICAL_INT = r"0|-?[1-9][0-9]{0,29}"


class Asked(TypedDict, total=False):
    """Its keyword."""

    exclude: Iterable[str] | None


class ExcludeFilter(Filter):
    """Leaves examples out that have any of the labels (sorted)."""

    columns = ("labels",)

    def __init__(self, labels: tuple[str, ...]):
        self.labels = labels

    @classmethod
    def asked(cls, asked: Mapping[str, Any], asking: Asking) -> Self | None:
        labels = tuple(sorted({check_label(label) for label in texts(asked.get("exclude"))}))
        return cls(labels) if labels else None

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self | None:
        labels = tuple(fields.get("exclude", ()))
        require_texts(labels)
        return cls(labels) if labels else None

    def to_json(self) -> dict[str, Any]:
        return {"exclude": list(self.labels)}

    def joined(self, other: Filter) -> Filter | None:
        if not isinstance(other, ExcludeFilter):
            return None
        return ExcludeFilter(tuple(sorted({*self.labels, *other.labels})))

    def words(self) -> list[str]:
        return ["not label " + " or ".join(map(printable, self.labels))]

    def clauses(self) -> list[Clause]:
        text = "label is not " + " or ".join(map(printable, self.labels))
        return [Clause("exclude", text, self._mask, LabelsValue())]

    def _mask(self, table: pa.Table) -> pa.ChunkedArray:
        import pyarrow.compute as pc

        from dsm.views.filters.label_counts import hits

        return pc.equal(hits(table, self.labels), 0)

    def narrow(self, conditions: SqlConditions) -> None:
        from dsm.views.filters.bounds import within_64_bits

        name = conditions.query.label
        if name is None or len(self.labels) > conditions.list_max:
            return
        kind, column = conditions.kind(name), conditions.column(name)
        unwanted: str | None = None
        keep = ""
        if kind == "string" and conditions.is_text_column(name):
            unwanted = conditions.label_among(name, self.labels)
            keep = f"{conditions.spelling.odd.format(column)} OR "
        elif kind == "int":
            numbers = [int(text) for text in self.labels if re.fullmatch(CANONICAL_INT, text)]
            unwanted = conditions.one_of(name, "int", within_64_bits(numbers))
        elif kind == "bool" and not conditions.sqlite:
            unwanted = conditions.one_of(name, "bool", conditions.bools(self.labels))
        if unwanted is not None:
            condition = conditions.loosely(name, kind, f"{keep}NOT ({unwanted})")
            conditions.found.append(f"{column} IS NULL OR {condition}")

    def shape(self, wish: DummyWish) -> None:
        wish.unwanted |= set(self.labels)

    def left_out(self) -> tuple[str, ...]:
        return self.labels
