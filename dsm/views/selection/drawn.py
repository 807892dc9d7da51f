"""Drawing of selected rows by hash: so many of each value, and a sample.

What is drawn is settled by a greatest hash, for each value or for all: so one row can be asked
whether it is drawn, and it is the same rows that `why` and `explain` tell of.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.model.target import LABELS
from dsm.views.filters.filter import Clause, Stored
from dsm.views.filters.keyed_hash import PATH, hashes, unit_texts
from dsm.views.filters.values import AttributeValue, LabelsValue, PathValue
from dsm.views.query.draws import Balance, Sample

Mask = Any  # an array of truth values, in pieces or not; None for all rows


def balanced(
    stored: Stored, asked: Balance, tables: Sequence[pa.Table], masks: Sequence[Mask]
) -> Clause:
    """Returns the clause that takes the examples with the least hashes of each value."""
    parts = [_pairs(stored, asked, *each) for each in zip(tables, masks, strict=True)]
    rows = pa.concat_tables(parts)
    rows = rows.take(pc.sort_indices(rows, [("value", "ascending"), ("hash", "ascending")]))
    found = pc.value_counts(rows.column("value").combine_chunks())
    counts = found.field("counts").to_pylist()
    count = min(counts, default=0) if asked.count is None else asked.count
    ends, first = [], 0
    for each in counts:
        ends.append(first + min(each, count) - 1)
        first += each
    values = found.field("values")
    limits = rows.column("hash").combine_chunks().take(pa.array(ends, pa.int64()))

    def mask(table: pa.Table) -> pa.ChunkedArray:
        pairs = _pairs(stored, asked, table, None)
        limit = limits.take(pc.index_in(pairs.column("value"), value_set=values).combine_chunks())
        passed = pc.less_equal(pairs.column("hash").combine_chunks(), limit).fill_null(False)
        return _rows_of(pairs.column("row").combine_chunks().filter(passed), table.num_rows)

    value = LabelsValue() if asked.column == LABELS else AttributeValue(asked.column[5:])
    many = f" ({count:,})" if asked.count is None else ""
    return Clause("balance", f"it is among {asked.words()}{many}", mask, value)


def sampled(
    stored: Stored, asked: Sample, tables: Sequence[pa.Table], masks: Sequence[Mask]
) -> Clause | None:
    """Returns the clause that takes the examples with the least hashes; None when all are."""
    drawn = [
        found if mask is None else found.filter(_whole(mask))
        for found, mask in (
            (_hashes(stored, table, "sample", asked.seed), mask)
            for table, mask in zip(tables, masks, strict=True)
        )
    ]
    values = pa.concat_arrays(drawn)
    count = asked.taken(len(values))
    if count >= len(values):
        return None
    order = pc.select_k_unstable(values, k=count, sort_keys=[("hash", "ascending")])
    limit = pc.max(values.take(order))

    def mask(table: pa.Table) -> pa.ChunkedArray:
        found = _hashes(stored, table, "sample", asked.seed)
        return pa.chunked_array([pc.less_equal(found, limit)])

    return Clause("sample", f"it is in a {asked.words()}", mask, PathValue())


def _hashes(stored: Stored, table: pa.Table, purpose: str, seed: str) -> pa.Array:
    return hashes(stored, table, purpose, PATH, seed)


def _pairs(stored: Stored, asked: Balance, table: pa.Table, mask: Mask) -> pa.Table:
    """Returns number of the row, value and hash, once for each value of each selected row."""
    drawn = _hashes(stored, table, "balance", asked.seed)
    numbers: Any = pa.array(range(table.num_rows), pa.int64())
    if asked.column == LABELS:
        lists = _whole(table.column("labels"))
        if mask is not None:
            chosen = _whole(mask)
            lists, drawn, numbers = (each.filter(chosen) for each in (lists, drawn, numbers))
        parents = pc.list_parent_indices(lists)
        return pa.table({
            "row": numbers.take(parents), "value": lists.flatten(), "hash": drawn.take(parents),
        })  # fmt: skip
    values = unit_texts(table, asked.column)
    chosen = pc.is_valid(values)
    if mask is not None:
        chosen = pc.and_(chosen, _whole(mask))
    columns = {"row": numbers, "value": values, "hash": drawn}
    return pa.table({name: column.filter(chosen) for name, column in columns.items()})


def _rows_of(numbers: pa.Array, count: int) -> pa.ChunkedArray:
    """Returns a mask of so many rows, true for these."""
    every = pa.array(range(count), pa.int64())
    return pa.chunked_array([pc.is_in(every, value_set=numbers)])


def _whole(column: Any) -> pa.Array:
    if isinstance(column, pa.Array):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
