"""Evaluating a query: which rows of a snapshot it selects, column by column.

A query is a list of clauses, each a mask over the rows that does not depend on the others; the
newest share comes last, over what the others leave. The same clauses select examples and explain
why one is not among them. No Python object is made for an example.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.format.manifest import ATTRIBUTE
from dsm.history.fold import FEW, Layer, spliced
from dsm.model.names import printable
from dsm.model.timespec import format_time
from dsm.views.filters.conditions import BOOL, NUMBER, SIZE, Condition
from dsm.views.filters.glob import expression
from dsm.views.query.view_query import ViewQuery

BATCH_ROWS = 1 << 18
INT_MIN, INT_MAX = -(1 << 63), (1 << 63) - 1
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": pc.equal, "!=": pc.not_equal, "<": pc.less, "<=": pc.less_equal,
    ">": pc.greater, ">=": pc.greater_equal,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Clause:
    """One filter: `name` as in the query, `text` for people, `mask` which rows pass."""

    name: str
    text: str
    mask: Callable[[pa.Table], pa.ChunkedArray]


@dataclass(frozen=True, slots=True)
class Cutoff:
    """Where the newest share ends: the oldest example that is kept, by (time, path)."""

    time: int
    path: str
    kept: int
    of: int

    def mask(self, table: pa.Table) -> pa.ChunkedArray:
        """Which rows are at or above the cut-off, whatever the other clauses say."""
        times = table.column("time").cast(pa.int64())
        at = pc.and_(pc.equal(times, self.time), pc.greater_equal(table.column("path"), self.path))
        return pc.or_(pc.greater(times, self.time), at)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The rows of a snapshot's layers that a query selects; a mask of None selects all."""

    layers: list[Layer]
    masks: list[pa.ChunkedArray | pa.Array | None]
    cutoff: Cutoff | None
    count: int

    def rows(self, columns: list[str] | None = None) -> pa.Table:
        """Returns the selected rows, sorted by path; only some columns of them if asked."""
        parts = [
            table if mask is None else table.filter(mask)
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


def evaluate(layers: list[Layer], query: ViewQuery, beside: pa.Table | None = None) -> Evaluation:
    """Applies a query's filters to the layers of a snapshot.

    The newest share is one of these examples and those `beside` them: (time, path) of examples
    that lie elsewhere and pass the other filters.
    """
    masks: list[pa.ChunkedArray | pa.Array | None] = []
    count = 0
    for layer in layers:
        mask = layer.live
        for clause in clauses(query):
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
            newest, mask = cutoff.mask(layer.table), masks[index]
            masks[index] = newest if mask is None else pc.and_(mask, newest)
    kept = cutoff.kept
    if beside is not None:
        kept -= pc.sum(cutoff.mask(beside)).as_py() or 0
    return Evaluation(layers, masks, cutoff, kept)


def cut_at(found: Evaluation, cutoff: Cutoff) -> Evaluation:
    """Cuts an evaluation without a newest share where that of another one ended."""
    masks: list[pa.ChunkedArray | pa.Array | None] = []
    count = 0
    for layer, mask in zip(found.layers, found.masks, strict=True):
        newest = cutoff.mask(layer.table)
        masks.append(newest if mask is None else pc.and_(mask, newest))
        count += pc.sum(masks[-1]).as_py() or 0
    return Evaluation(found.layers, masks, cutoff, count)


def clauses(query: ViewQuery) -> list[Clause]:
    """Returns the filters of a query but for the newest share, in the order of the query."""
    found: list[Clause] = []
    if query.paths:
        text = "path is " + _or(query.paths)
        found.append(Clause("path", text, lambda table: _paths(table, query.paths)))
    if query.labels:
        joined = " and ".join(map(printable, query.labels)) if query.all_labels else None
        text = "label is " + (joined or _or(query.labels))
        need = len(query.labels) if query.all_labels else 1
        found.append(
            Clause("label", text, lambda t: pc.greater_equal(_hits(t, query.labels), need))
        )
    if query.exclude:
        text = "label is not " + _or(query.exclude)
        found.append(Clause("exclude", text, lambda t: pc.equal(_hits(t, query.exclude), 0)))
    if query.since is not None:
        since = pa.scalar(query.since, pa.int64()).cast(pa.timestamp("us", tz="UTC"))
        text = f"time is {format_time(query.since)} or later"
        found.append(Clause("since", text, lambda t: pc.greater_equal(t.column("time"), since)))
    if query.until is not None:
        until = pa.scalar(query.until, pa.int64()).cast(pa.timestamp("us", tz="UTC"))
        text = f"time is before {format_time(query.until)}"
        found.append(Clause("until", text, lambda t: pc.less(t.column("time"), until)))
    for condition in query.where:
        found.append(Clause("where", str(condition), _condition(condition)))
    return found


def _or(values: tuple[str, ...]) -> str:
    return " or ".join(map(printable, values))


def _paths(table: pa.Table, globs: tuple[str, ...]) -> pa.ChunkedArray:
    column, mask = table.column("path"), None
    for glob in globs:
        passed = pc.match_substring_regex(column, expression(glob))
        mask = passed if mask is None else pc.or_(mask, passed)
    return mask


def _hits(table: pa.Table, labels: tuple[str, ...]) -> pa.ChunkedArray:
    """How many of the labels each row has; a row's own labels are all different."""
    wanted = pa.array(labels, pa.string())
    return per_chunk(table.column("labels"), pa.int32(), lambda lists: _hits_in(lists, wanted))


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


def per_chunk(
    column: pa.ChunkedArray, kind: pa.DataType, function: Callable[[pa.Array], pa.Array]
) -> pa.ChunkedArray:
    """Applies a function to each chunk, so that nothing large is copied together."""
    return pa.chunked_array([function(chunk) for chunk in column.chunks], kind)


def _condition(condition: Condition) -> Callable[[pa.Table], pa.ChunkedArray]:
    def mask(table: pa.Table) -> pa.ChunkedArray:
        name = condition.attribute
        column_name = name if name == SIZE else ATTRIBUTE + name
        if column_name not in table.column_names:
            return pa.chunked_array([pa.repeat(False, table.num_rows)])
        column = table.column(column_name)
        if condition.op == "in":
            masks = [_compare(column, "=", value, condition.kind) for value in condition.values]
            result = masks[0]
            for other in masks[1:]:
                result = pc.or_(result, other)
        else:
            result = _compare(column, condition.op, condition.values[0], condition.kind)
        return result.fill_null(False)

    return mask


def _compare(column: pa.ChunkedArray, op: str, value: str, kind: str) -> Any:
    if kind == BOOL:
        return _COMPARE[op](column, value == "true")
    if kind != NUMBER:
        return _COMPARE[op](column, pa.scalar(value, pa.string()))
    if pa.types.is_floating(column.type):
        return _COMPARE[op](column, float(value))
    return _compare_int(column, op, Fraction(value))


def _compare_int(column: pa.ChunkedArray, op: str, value: Fraction) -> Any:
    """Compares integers with an exact number that may lie between or beyond them."""
    floor = value.numerator // value.denominator
    whole = floor == value
    if op in ("=", "!="):
        same = whole and INT_MIN <= floor <= INT_MAX
        if same:
            return _COMPARE[op](column, floor)
        return pc.and_(pc.is_valid(column), op == "!=")
    # x < 2.5 is x <= 2, and x >= 2.5 is x > 2
    if not whole:
        op = {"<": "<=", ">=": ">"}.get(op, op)
    if floor > INT_MAX or floor < INT_MIN:
        below = (floor > INT_MAX) == (op in ("<", "<="))
        return pc.and_(pc.is_valid(column), below)
    return _COMPARE[op](column, floor)


def _cutoff(
    tables: list[pa.Table],
    masks: list[pa.ChunkedArray | pa.Array | None],
    count: int,
    share: Fraction,
) -> Cutoff:
    """Finds the oldest example of the newest share: ceil(share * count), by (time, path)."""
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
    # Of equal times the greatest paths count as the newest. Arrow sorts text by its UTF-8.
    order = pc.sort_indices(tied)
    return Cutoff(time, tied[order[len(order) - (kept - newer)].as_py()].as_py(), kept, count)


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
