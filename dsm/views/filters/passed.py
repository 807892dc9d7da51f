"""The filter by verdicts: the changeset that last put an example passed its checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from dsm.views.filters.filter import Asking, Clause, Filter, Stored
from dsm.views.filters.values import ChangesetValue

if TYPE_CHECKING:
    import pyarrow as pa


class PassedFilter(Filter):
    """Takes examples whose changeset has a verdict without errors; one without any is left out."""

    columns = ("changeset",)

    def __init__(self, stored: Stored | None = None):
        self._stored = stored

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PassedFilter)

    def __hash__(self) -> int:
        return hash(PassedFilter)

    @classmethod
    def asked(cls, asked: Mapping[str, Any], asking: Asking) -> Self | None:
        return cls() if asked.get("only_passed") else None

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self | None:
        if fields["only_passed"] is not True:
            raise ValueError("only_passed is true or left out")
        return cls()

    def to_json(self) -> dict[str, Any]:
        return {"only_passed": True}

    def words(self) -> list[str]:
        return ["changesets that passed"]

    def bound(self, stored: Stored) -> PassedFilter:
        return PassedFilter(stored)

    def clauses(self) -> list[Clause]:
        return [
            Clause("only-passed", "its changeset passed its checks", self._mask, ChangesetValue())
        ]

    def needs_stored(self) -> str | None:
        return "a verdict of a changeset"

    def _mask(self, table: pa.Table) -> pa.ChunkedArray:
        import pyarrow as pa
        import pyarrow.compute as pc

        stored, column = self._stored, table.column("changeset")
        assert stored is not None, "verdicts need what is stored"
        verdicts = {n: stored.changeset(n).verdict for n in pc.unique(column).to_pylist()}
        fit = [n for n, verdict in verdicts.items() if verdict is not None and verdict.passed]
        return pc.is_in(column, value_set=pa.array(fit, column.type))
