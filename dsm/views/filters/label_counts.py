"""How many of some labels each row of a snapshot has, and which labels there are at all."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc


def hits(table: pa.Table, labels: tuple[str, ...]) -> pa.ChunkedArray:
    """Returns how many of the labels each row has; a row's own labels are all different."""
    wanted = pa.array(labels, pa.string())
    return _per_chunk(table.column("labels"), pa.int32(), lambda lists: _hits_in(lists, wanted))


def unknown(table: pa.Table, labels: tuple[str, ...]) -> list[str]:
    """Returns those of the labels that no row has."""
    known = pc.unique(pc.list_flatten(table.column("labels")))
    there = pc.is_in(pa.array(labels, pa.string()), value_set=known).to_pylist()
    return [label for label, found in zip(labels, there, strict=True) if not found]


def counts(rows: pa.Table | pa.RecordBatch) -> dict[str, int]:
    """Counts the rows of each label, sorted by label."""
    if not rows.num_rows:
        return {}
    found = pc.value_counts(pc.list_flatten(rows.column("labels")))
    pairs = zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True)
    return dict(sorted(pairs))


def _hits_in(lists: pa.ListArray, wanted: pa.Array) -> pa.Array:
    values = lists.flatten()
    lengths = lists.value_lengths().fill_null(0)
    if len(values) == len(lists) and pc.all(pc.equal(lengths, 1)).as_py():
        return pc.is_in(values, value_set=wanted).cast(pa.int32())  # one label each: the usual
    hit = pc.is_in(values, value_set=wanted).cast(pa.int32())
    zero = pa.array([0], pa.int32())
    running = pa.concat_arrays([zero, pc.cumulative_sum(hit)])
    ends = pc.cumulative_sum(lengths)
    after = running.take(ends)
    before = pa.concat_arrays([zero, after[:-1]]) if len(after) else after
    return pc.subtract(after, before)


def _per_chunk(
    column: pa.ChunkedArray, kind: pa.DataType, function: Callable[[pa.Array], pa.Array]
) -> pa.ChunkedArray:
    """Applies a function to each chunk, so that nothing large is copied together."""
    return pa.chunked_array([function(chunk) for chunk in column.chunks], kind)
