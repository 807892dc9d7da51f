"""Parts of exact shares: who was there in one changeset is dealt out, class by class.

The invariant: a unit that the pinned changeset has keeps its bucket for ever, whatever comes or
goes later; those that came later are drawn by their hash. Specified in docs/format/view.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heapreplace
from math import gcd, isqrt
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from dsm.model.shares import Run
from dsm.model.target import LABELS
from dsm.views.filters.keyed_hash import PATH, hashes, unit_texts, units

if TYPE_CHECKING:
    from dsm.views.filters.filter import Stored

SPLIT = "split"


def step_of(of: int) -> int:
    """Returns how far the deal of each class is turned against that of the one before it.

    Near the golden section and without a common divisor: so small classes spread over all parts.
    """
    step = max(1, (isqrt(5 * of * of) - of) // 2)
    while gcd(step, of) != 1:
        step += 1
    return step


def dealt_out(
    stored: Stored, table: pa.Table, by: str, seed: str, strata: str | None, of: int
) -> tuple[pa.Array, pa.Array]:
    """Returns all units of a snapshot and their buckets; by path, row by row."""
    alone = by == PATH
    rows = pa.table({
        "unit": units(table, by),
        "hash": hashes(stored, table, SPLIT, by, seed),
        "stratum": row_strata(table, strata),
    })  # fmt: skip
    rows = rows if alone else _one_row_a_unit(rows)
    keys = [] if strata is None else [("stratum", "ascending")]
    keys += [] if alone else [("rows", "descending")]
    order = pc.sort_indices(rows, [*keys, ("hash", "ascending")])
    drawn = rows.column("hash").take(order)
    if pc.any(pc.equal(drawn.slice(1), drawn.slice(0, max(0, len(drawn) - 1)))).as_py():
        # Two of one hash, which hardly happens: only then are texts compared.
        order = pc.sort_indices(rows, [*keys, ("hash", "ascending"), ("unit", "ascending")])
    if not alone:
        rows = rows.take(order)
        return rows.column("unit").combine_chunks(), _evened(rows, of)
    buckets = _dealt(rows.column("stratum").take(order), of)
    back = pc.array_sort_indices(order)
    return rows.column("unit").combine_chunks(), buckets.take(back)


def _dealt(strata: pa.ChunkedArray, of: int) -> pa.Array:
    """Returns the bucket of each example; they come class by class, in the order of the deal.

    Example i of the n of a class gets bucket floor((2i + 1) * of / 2n), turned by the class's own
    angle: so each part gets its share of each class, rounded up or down.
    """
    turn, found = step_of(of), [pa.array([], pa.int64())]
    counts = pc.value_counts(strata.combine_chunks()).field("counts").to_pylist()
    for index, count in enumerate(counts):
        place = pa.array(range(of, 2 * of * count, 2 * of), pa.int64())
        bucket = pc.add(pc.divide(place, 2 * count), index * turn % of)
        found.append(pc.if_else(pc.greater_equal(bucket, of), pc.subtract(bucket, of), bucket))
    return pa.concat_arrays(found)


def _evened(rows: pa.Table, of: int) -> pa.Array:
    """Returns the bucket of each group; they come class by class, the largest first.

    Each goes where its class has the fewest examples until now; of several such buckets where there
    are the fewest of all classes, then where the turn comes first.
    """
    step, found, loads = step_of(of), list[int](), [0] * of
    turns = [at * step % of for at in range(of)]
    strata, sizes = rows.column("stratum").to_pylist(), rows.column("rows").to_pylist()
    current, heap = None, list[tuple[int, int, int]]()
    for stratum, size in zip(strata, sizes, strict=True):
        if stratum != current:
            current = stratum
            heap = [(0, loads[bucket], turn) for turn, bucket in enumerate(turns)]
            heapify(heap)
        own, _, turn = heap[0]
        bucket = turns[turn]
        loads[bucket] += size
        heapreplace(heap, (own + size, loads[bucket], turn))
        found.append(bucket)
    return pa.array(found, pa.int64())


def within(buckets: pa.Array, runs: Sequence[Run]) -> pa.Array:
    """Returns which numbers are in one of the runs."""
    mask = None
    for first, end in runs:
        inside = pc.and_(pc.greater_equal(buckets, first), pc.less(buckets, end))
        mask = inside if mask is None else pc.or_(mask, inside)
    return mask


def row_strata(table: pa.Table, column: str | None) -> pa.Array:
    """Returns the class that each row counts to, as an index: the class of most rows is 0.

    Of several labels the rarest counts, of equally rare ones the first by code point. Rows without
    a value are a class of their own.
    """
    if column is None:
        return pa.repeat(pa.scalar(0, pa.int32()), table.num_rows)
    names = _rarest_labels(table) if column == LABELS else unit_texts(table, column)
    coded = names.dictionary_encode(null_encoding="encode")
    found = pc.value_counts(coded.indices)
    counts = dict(zip(found.field("values").to_pylist(), found.field("counts").to_pylist(),
                      strict=True))  # fmt: skip
    texts = coded.dictionary.to_pylist()
    # "" is no label: rows without a value come first among classes of one size.
    order = sorted(range(len(texts)), key=lambda at: (-counts.get(at, 0), texts[at] or ""))
    place = {index: rank for rank, index in enumerate(order)}
    ranks = pa.array([place[at] for at in range(len(texts))], pa.int32())
    return ranks.take(coded.indices)


def _rarest_labels(table: pa.Table) -> pa.Array:
    lists = table.column("labels").combine_chunks()
    if pc.min_max(pc.list_value_length(lists)).as_py() == {"min": 1, "max": 1}:
        return lists.flatten()  # one label each: the usual
    values, parents = lists.flatten(), pc.list_parent_indices(lists)
    found = pc.value_counts(values)
    names, counts = found.field("values").to_pylist(), found.field("counts").to_pylist()
    order = sorted(range(len(names)), key=lambda at: (counts[at], names[at]))
    place = {names[at]: rank for rank, at in enumerate(order)}
    ranks = pc.index_in(values, value_set=pa.array(list(place), pa.string()))
    least = pa.table({"row": parents, "rank": ranks}).group_by("row").aggregate([("rank", "min")])
    have = pc.index_in(
        pa.array(range(table.num_rows), pa.int64()),
        value_set=least.column("row").cast(pa.int64()).combine_chunks(),
    )
    rank = least.column("rank_min").combine_chunks().take(have)
    return pa.array(list(place), pa.string()).take(rank)


def _one_row_a_unit(rows: pa.Table) -> pa.Table:
    """Returns units with their number of rows and their class: that of most of their rows.

    Of classes with equally many rows in the unit, the smaller one.
    """
    each = rows.group_by(["unit", "stratum"]).aggregate([("hash", "min"), ("hash", "count")])
    order = pc.sort_indices(
        each, [("unit", "ascending"), ("hash_count", "descending"), ("stratum", "descending")]
    )
    each = each.take(order)
    found = each.group_by("unit", use_threads=False).aggregate(
        [("stratum", "first"), ("hash_min", "first"), ("hash_count", "sum")]
    )
    return pa.table({
        "unit": found.column("unit"),
        "hash": found.column("hash_min_first"),
        "stratum": found.column("stratum_first"),
        "rows": found.column("hash_count_sum"),
    })  # fmt: skip
