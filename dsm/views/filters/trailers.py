"""The filter by trailers of changesets: the one that last put an example meets all conditions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from dsm.model.names import printable
from dsm.model.trailers import TrailerCondition
from dsm.views.filters.filter import Asking, Clause, Filter, Stored, require_sorted, texts
from dsm.views.filters.values import ChangesetValue

if TYPE_CHECKING:
    import pyarrow as pa


class TrailerFilter(Filter):
    """Takes examples whose changeset, the one that last put them, meets the conditions (sorted)."""

    columns = ("changeset",)

    def __init__(self, conditions: tuple[TrailerCondition, ...], stored: Stored | None = None):
        self.conditions = conditions
        self._stored = stored

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TrailerFilter) and self.conditions == other.conditions

    def __hash__(self) -> int:
        return hash((TrailerFilter, self.conditions))

    @classmethod
    def asked(cls, asked: Mapping[str, Any], asking: Asking) -> Self | None:
        given = texts(asked.get("changeset_where"))
        found = tuple(sorted({TrailerCondition.parse(text) for text in given}))
        return cls(found) if found else None

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self | None:
        found = tuple(map(TrailerCondition.from_json, fields.get("changeset_where", ())))
        require_sorted(found)
        return cls(found) if found else None

    def to_json(self) -> dict[str, Any]:
        return {"changeset_where": [each.to_json() for each in self.conditions]}

    def joined(self, other: Filter) -> Filter | None:
        if not isinstance(other, TrailerFilter):
            return None
        return TrailerFilter(tuple(sorted({*self.conditions, *other.conditions})))

    def words(self) -> list[str]:
        return [f"changeset {printable(str(each))}" for each in self.conditions]

    def bound(self, stored: Stored) -> TrailerFilter:
        return TrailerFilter(self.conditions, stored)

    def clauses(self) -> list[Clause]:
        return [
            Clause(
                "changeset-where", f"its changeset has {printable(str(each))}",
                partial(self._mask, each), ChangesetValue(),
            )
            for each in self.conditions
        ]  # fmt: skip

    def needs_stored(self) -> str | None:
        return "a trailer of a changeset"

    def _mask(self, condition: TrailerCondition, table: pa.Table) -> pa.ChunkedArray:
        import pyarrow as pa
        import pyarrow.compute as pc

        stored, column = self._stored, table.column("changeset")
        assert stored is not None, "trailers need what is stored"
        numbers = pc.unique(column).to_pylist()
        fit = [number for number in numbers if condition.fits(stored.changeset(number).trailers)]
        return pc.is_in(column, value_set=pa.array(fit, column.type))
