"""The filters of a view applied to rows of a source: exactly, as to stored examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.model.changeset import Changeset
from dsm.sources.examples import Examples
from dsm.sources.query import SourceQuery
from dsm.views.filters.conditions import SIZE
from dsm.views.filters.filter import Clause
from dsm.views.selection.evaluate import Cutoff


@dataclass(frozen=True)
class RowFilters:
    """The filters of a view as they are applied to rows of a source: exactly, as to stored ones."""

    clauses: tuple[Clause, ...]
    cutoff: Cutoff | None

    @cached_property
    def _clauses(self) -> tuple[list[Clause], list[Clause]]:
        """Those that need no payload, and the others."""
        found = self.clauses
        late = [clause for clause in found if clause.value.column == SIZE]
        return [clause for clause in found if clause.value.column != SIZE], late

    @property
    def all_pass(self) -> bool:
        """Whether there is nothing to filter by."""
        return self.cutoff is None and not any(self._clauses)

    def kept(
        self,
        examples: Examples,
        rows: pa.RecordBatch,
        first: int,
        *,
        content: bool,
        objects: bool = True,
    ) -> tuple[pa.RecordBatch, pa.RecordBatch]:
        """Returns the examples of those rows that fit, and these rows; the first has this number.

        Without `content` the examples have none, unless a filter asked for it; without `objects`
        they do not say the hash of it.
        """
        early, late = self._clauses
        found = examples.convert(rows, first, content=False)
        mask = self._mask(found, early, self.cutoff)
        if mask is not None:
            found, rows = found.filter(mask), rows.filter(mask)
        if content or late:
            found = examples.with_content(found, rows, objects=objects)
        mask = self._mask(found, late, None)
        return (found, rows) if mask is None else (found.filter(mask), rows.filter(mask))

    @staticmethod
    def _mask(batch: pa.RecordBatch, which: list[Clause], cutoff: Cutoff | None) -> Any:
        table = pa.Table.from_batches([batch])
        masks = [clause.mask(table) for clause in which]
        if cutoff is not None:
            masks.append(cutoff.mask(table))
        if not masks:
            return None
        return reduce(pc.and_, masks).combine_chunks()


def examples_of(
    query: SourceQuery,
    schema: pa.Schema,
    changeset: Changeset,
    types: Mapping[str, str],
    *,
    numbered: bool = True,
) -> Examples:
    """Returns what makes examples of the rows of a query; for `numbered` see there."""
    return Examples(
        query, schema, changeset=changeset.number, time_us=changeset.time, types=types,
        numbered=numbered,
    )  # fmt: skip
