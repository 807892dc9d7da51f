"""Evaluating a query: which rows of a snapshot it selects, column by column.

A query is a list of clauses, each a mask over the rows that does not depend on the others; the
newest share comes last, over what the others leave. The same clauses select examples and explain
why one is not among them. No Python object is made for an example.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import pyarrow as pa
import pyarrow.compute as pc
from blake3 import blake3

from dsm.history.fold import FEW, Layer, spliced
from dsm.views.filters.filter import Clause, Stored
from dsm.views.query.view_query import ViewQuery
from dsm.views.selection.columns import whole

BATCH_ROWS = 1 << 18
# Rows between so many that are left out are slices of what is there.
_FEW_GAPS = 16


@dataclass(frozen=True, slots=True)
class Cutoff:
    """Where the newest share ends: the oldest example that is kept, by time and hash of the path.

    `tied` examples have its time, and `taken` of them are kept.
    """

    time: int
    path: str
    kept: int
    of: int
    tied: int
    taken: int

    def mask(
        self, table: pa.Table, among: pa.ChunkedArray | pa.Array | None = None
    ) -> pa.ChunkedArray:
        """Which rows are at or above the cut-off, whatever the other clauses say; of those that are
        not `among` these it may tell anything."""
        times = whole(table.column("time").cast(pa.int64()))
        newer, ties = pc.greater(times, self.time), pc.equal(times, self.time)
        if among is not None:  # the records of a file have one time: of few of them the hash counts
            ties = pc.and_(ties, whole(among))
        hashes = path_hashes(table.column("path").filter(ties))
        passed = pc.greater_equal(hashes, pa.scalar(path_hash(self.path), pa.binary()))
        return pa.chunked_array([pc.replace_with_mask(newer, ties, passed)], pa.bool_())


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The rows of a snapshot's layers that a query selects; a mask of None selects all."""

    layers: list[Layer]
    masks: list[pa.ChunkedArray | pa.Array | None]
    cutoff: Cutoff | None
    count: int
    draws: tuple[Clause, ...] = ()  # what was drawn of what the others and the cut-off leave

    def rows(self, columns: list[str] | None = None) -> pa.Table:
        """Returns the selected rows, sorted by path; only some columns of them if asked."""
        parts = [
            table if mask is None else _filtered(table, mask)
            for table, mask in zip(self._tables(columns), self.masks, strict=True)
        ]
        parts = [part for part in parts if part.num_rows] or parts[:1]
        if len(parts) == 1:
            return parts[0]
        base, more = parts
        if more.num_rows * FEW < base.num_rows:
            return spliced(base, more, more)
        both = pa.concat_tables(parts)
        return both.take(pc.sort_indices(both.column("path")))

    def batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """Yields the selected rows like `rows`, if possible without a copy of all of them."""
        if len(self.layers) > 1 or self.masks[0] is None:
            yield from self.rows(columns).to_batches(max_chunksize=BATCH_ROWS)
            return
        (table,) = self._tables(columns)
        marked = table.append_column("selected", self.masks[0])
        for batch in marked.to_batches(max_chunksize=BATCH_ROWS):
            part = batch.select(columns).filter(batch.column("selected"))
            if part.num_rows:
                yield part

    def _tables(self, columns: list[str] | None) -> list[pa.Table]:
        tables = [layer.table for layer in self.layers]
        return tables if columns is None else [table.select(columns) for table in tables]


def _filtered(table: pa.Table, mask: pa.ChunkedArray | pa.Array) -> pa.Table:
    """Returns the rows of a mask: without a copy if they are all but a few."""
    left_out = table.num_rows - (pc.sum(mask).as_py() or 0)
    if left_out > _FEW_GAPS or left_out * FEW > table.num_rows:
        return table.filter(mask)
    # Not selected is also what is null.
    gaps = pc.indices_nonzero(pc.invert(mask.fill_null(False))).to_pylist()
    starts, ends = [0, *(gap + 1 for gap in gaps)], [*gaps, table.num_rows]
    pieces = [table.slice(a, b - a) for a, b in zip(starts, ends, strict=True) if a < b]
    return pa.concat_tables(pieces) if pieces else table.slice(0, 0)


def evaluate(
    layers: list[Layer],
    query: ViewQuery,
    clauses: Sequence[Clause],
    beside: pa.Table | None = None,
) -> Evaluation:
    """Applies a query's filters, as clauses, to the layers of a snapshot.

    The newest share is one of these examples and those `beside` them: (time, path) of examples
    that lie elsewhere and pass the other filters.
    """
    masks: list[pa.ChunkedArray | pa.Array | None] = []
    count = 0
    for layer in layers:
        mask = layer.live
        for clause in clauses:
            passed = clause.mask(layer.table)
            mask = passed if mask is None else pc.and_(mask, passed)
        masks.append(mask)
        count += layer.table.num_rows if mask is None else pc.sum(mask).as_py() or 0
    of = count + (0 if beside is None else beside.num_rows)
    if query.percent is None or not of:
        return Evaluation(layers, masks, None, count)
    others = [] if beside is None else [beside]
    cutoff = _cutoff(
        [*(layer.table for layer in layers), *others], [*masks, *(None for _ in others)], of,
        Fraction(query.percent),
    )  # fmt: skip
    if cutoff.kept < of:
        for index, layer in enumerate(layers):
            mask = masks[index]
            newest = cutoff.mask(layer.table, mask)
            masks[index] = newest if mask is None else pc.and_(mask, newest)
    kept = cutoff.kept
    if beside is not None:
        kept -= pc.sum(cutoff.mask(beside)).as_py() or 0
    return Evaluation(layers, masks, cutoff, kept)


def drawn_from(found: Evaluation, query: ViewQuery, stored: Stored) -> Evaluation:
    """Draws of selected rows what a query asks for: so many of each value, then a sample."""
    from dsm.views.selection.drawn import balanced, sampled

    tables = [layer.table for layer in found.layers]
    draws: list[Clause] = []
    masks = list(found.masks)

    def take(clause: Clause | None) -> None:
        if clause is None:
            return
        draws.append(clause)
        for index, table in enumerate(tables):
            passed, mask = clause.mask(table), masks[index]
            masks[index] = passed if mask is None else pc.and_(mask, passed)

    if query.balance is not None:
        take(balanced(stored, query.balance, tables, masks))
    if query.sample is not None:
        take(sampled(stored, query.sample, tables, masks))
    count = sum(
        table.num_rows if mask is None else pc.sum(mask).as_py() or 0
        for table, mask in zip(tables, masks, strict=True)
    )
    return Evaluation(found.layers, masks, found.cutoff, count, tuple(draws))


def cut_at(found: Evaluation, cutoff: Cutoff) -> Evaluation:
    """Cuts an evaluation without a newest share where that of another one ended."""
    masks: list[pa.ChunkedArray | pa.Array | None] = []
    count = 0
    for layer, mask in zip(found.layers, found.masks, strict=True):
        newest = cutoff.mask(layer.table, mask)
        masks.append(newest if mask is None else pc.and_(mask, newest))
        count += pc.sum(masks[-1]).as_py() or 0
    return Evaluation(found.layers, masks, cutoff, count)


def _cutoff(
    tables: list[pa.Table],
    masks: list[pa.ChunkedArray | pa.Array | None],
    count: int,
    share: Fraction,
) -> Cutoff:
    """Finds the oldest example of the newest share: ceil(share * count)."""
    kept = -((-share.numerator * count) // share.denominator)
    chunks: list[pa.Array] = []
    for table, mask in zip(tables, masks, strict=True):
        times = table.column("time").cast(pa.int64())
        chunks += (times if mask is None else times.filter(mask)).chunks
    selected = pa.chunked_array(chunks, pa.int64())
    time = _nth_newest(selected, kept)
    newer = pc.sum(pc.greater(selected, time)).as_py() or 0
    paths: list[pa.Array] = []
    for table, mask in zip(tables, masks, strict=True):
        ties = pc.equal(table.column("time").cast(pa.int64()), time)
        paths += table.column("path").filter(ties if mask is None else pc.and_(ties, mask)).chunks
    tied = pa.chunked_array(paths, pa.string())
    # Of equal times the greatest hashes count as the newest: paths would take whole folders.
    order = pc.sort_indices(path_hashes(tied))
    last = order[len(order) - (kept - newer)].as_py()
    return Cutoff(time, tied[last].as_py(), kept, count, tied=len(order), taken=kept - newer)


def path_hash(path: str) -> bytes:
    """Returns what decides between examples of equal time: the greater counts as newer."""
    return blake3(path.encode()).digest()


def path_hashes(paths: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Returns the `path_hash` of each path."""
    return pa.array([path_hash(path) for path in paths.to_pylist()], pa.binary())


def _nth_newest(times: pa.ChunkedArray, nth: int) -> int:
    """Returns the nth greatest value (1 is the greatest), by selection instead of sorting."""
    count = len(times)
    found = pc.quantile(times, (count - nth) / max(1, count - 1), interpolation="nearest")
    time: int = found[0].as_py()
    newer = pc.sum(pc.greater(times, time)).as_py() or 0
    same = pc.sum(pc.equal(times, time)).as_py() or 0
    if newer < nth <= newer + same:
        return time
    # The quantile's fraction was rounded to a neighbour, which is rare: sort.
    order = pc.array_sort_indices(times, order="descending")
    exact: int = times[order[nth - 1].as_py()].as_py()
    return exact
