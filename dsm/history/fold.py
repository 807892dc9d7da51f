"""Laying manifests over each other: of each path the last row wins.

Tables in, tables out; where they come from and where the result is kept is `snapshot.py`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from dsm.format import manifest as fmt
from dsm.model.record_path import RECORD

# Changes count as few below this share of the rows that they lie over.
FEW = 50
CHANGESET = pa.field("changeset", pa.int32(), nullable=False)


@dataclass(frozen=True, slots=True)
class Layer:
    """Rows sorted by path, and which of them are live (None: all)."""

    table: pa.Table
    live: pa.Array | pa.ChunkedArray | None = None


def snapshot_schema(types: Any) -> pa.Schema:
    fields = [field for field in fmt.FIXED if field.name != "op"]
    fields += [
        pa.field(fmt.ATTRIBUTE + name, fmt.ARROW_TYPES[types[name]]) for name in sorted(types)
    ]
    return pa.schema([*fields, fmt.TIME_GIVEN, fmt.RECORDS, CHANGESET])


def empty(types: Any) -> pa.Table:
    return snapshot_schema(types).empty_table()


def numbered(manifest: pa.Table, number: int) -> pa.Table:
    column = pa.repeat(pa.scalar(number, pa.int32()), manifest.num_rows)
    return manifest.append_column(CHANGESET, column)


def widened(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Adds the attribute columns that a table lacks, and widens int to float."""
    columns = []
    for field in schema:
        if field.name in table.column_names:
            column = table.column(field.name)
            # Not safe: a row that has been replaced since may hold an integer beyond 2**53. Of one
            # that lives, the commit refused to make its attribute float.
            wide = column if column.type == field.type else column.cast(field.type, safe=False)
            columns.append(wide)
        else:
            columns.append(pa.nulls(table.num_rows, field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def fold(base: pa.Table | None, parts: list[pa.Table], types: Any) -> pa.Table:
    """Lays manifests, oldest first, over a base snapshot. Empties `parts`, to free their memory."""
    import pyarrow.compute as pc

    schema = snapshot_schema(types)
    if not parts:
        return widened(base, schema) if base is not None else empty(types)
    overlay = overlay_of(parts, schema)
    if base is None or not base.num_rows:
        return puts_of(overlay)
    base = widened(base, schema)
    if overlay.num_rows * FEW < base.num_rows:
        return spliced(base, overlay, puts_of(overlay)).combine_chunks()
    replaced = pc.is_in(base.column("path"), value_set=overlay.column("path").combine_chunks())
    merged = pa.concat_tables([base.filter(pc.invert(replaced)), puts_of(overlay)])
    return merged.take(pc.sort_indices(merged.column("path"))).combine_chunks()


def overlay_of(parts: list[pa.Table], schema: pa.Schema) -> pa.Table:
    """Puts manifests, oldest first, together: of each path the last row, sorted by path."""
    import pyarrow.compute as pc

    with_op = schema.append(fmt.FIXED[1])
    if len(parts) == 1:
        return widened(parts.pop(), with_op)
    columns = pa.concat_tables([widened(part, with_op) for part in parts]).columns
    parts.clear()
    paths = columns[0]
    order = pc.sort_indices(paths)  # stable: rows of one path stay in the order of changesets
    paths = paths.take(order)
    again = pc.equal(paths.slice(0, len(paths) - 1), paths.slice(1))
    if pc.any(again).as_py():
        last = pa.concat_arrays([*pc.invert(again).chunks, pa.array([True])])
        order, paths = order.filter(last), paths.filter(last)
    columns[0] = paths
    for index in range(1, len(columns)):  # one at a time: each frees what it was made from
        columns[index] = columns[index].take(order)
    return pa.Table.from_arrays(columns, schema=with_op)


def puts_of(overlay: pa.Table) -> pa.Table:
    """The rows that put an example, without their column `op`."""
    import pyarrow.compute as pc

    put = pc.equal(overlay.column("op"), "put")
    rows = overlay.drop_columns(["op"])
    return rows if pc.all(put).as_py() else rows.filter(put)


def examples_mask(table: pa.Table) -> pa.ChunkedArray | None:
    """Which rows are examples: all but those of records files; None when all are."""
    import pyarrow.compute as pc

    if fmt.RECORDS.name not in table.column_names:
        return None
    column = table.column(fmt.RECORDS.name)
    if column.null_count == len(column):
        return None
    return pc.equal(column, RECORD).fill_null(True)


def records_mask(table: pa.Table) -> pa.ChunkedArray:
    """Which rows are of records."""
    import pyarrow.compute as pc

    if fmt.RECORDS.name not in table.column_names:
        return pa.chunked_array([pa.nulls(table.num_rows, pa.bool_()).fill_null(False)])
    return pc.equal(table.column(fmt.RECORDS.name), RECORD).fill_null(False)


def examples_in(table: pa.Table) -> pa.Table:
    """The rows of examples: records files are none."""
    mask = examples_mask(table)
    return table if mask is None else table.filter(mask)


def records_files(table: pa.Table) -> list[bytes]:
    """The objects of the records files that rows put."""
    mask = examples_mask(table)
    if mask is None:
        return []
    import pyarrow.compute as pc

    files = table.column("object").filter(pc.invert(mask))
    return [oid for oid in files.to_pylist() if oid is not None]


def files_of(paths: pa.ChunkedArray) -> pa.ChunkedArray:
    """Returns the file of each record, by its path; other paths are as they are."""
    import pyarrow.compute as pc

    return pc.list_element(pc.split_pattern(paths, "#", max_splits=1, reverse=True), 0)


def settings_in(layers: Iterable[Layer]) -> dict[str, tuple[str, bytes]]:
    """How each live records file was read, as its row says, and its object; by path."""
    import pyarrow.compute as pc

    found: dict[str, tuple[str, bytes]] = {}
    for layer in layers:
        mask = examples_mask(layer.table)
        if mask is None:
            continue
        mask = pc.invert(mask)
        mask = mask if layer.live is None else pc.and_(mask, layer.live)
        files = layer.table.select(["path", fmt.RECORDS.name, "object"]).filter(mask)
        for path, text, oid in zip(*(column.to_pylist() for column in files.columns), strict=True):
            found[path] = text, oid
    return found


def without_records_files(layer: Layer) -> Layer:
    """The layer without the rows of records files."""
    import pyarrow.compute as pc

    mask = examples_mask(layer.table)
    if mask is None:
        return layer
    return Layer(layer.table, mask if layer.live is None else pc.and_(layer.live, mask))


def files_in(table: pa.Table) -> pa.Table:
    """The rows of what has a file of its own: all but records."""
    import pyarrow.compute as pc

    if fmt.RECORDS.name not in table.column_names:
        return table
    column = table.column(fmt.RECORDS.name)
    if column.null_count == len(column):
        return table
    return table.filter(pc.not_equal(column, RECORD).fill_null(True))


def place_of(paths: pa.Array | pa.ChunkedArray, path: str, first: int = 0) -> int:
    """Returns the row of a sorted column at which a path stands, or would stand."""
    return bisect_left(range(len(paths)), path, lo=first, key=lambda row: paths[row].as_py())


def spliced(base: pa.Table, overlay: pa.Table, puts: pa.Table) -> pa.Table:
    """Merges few rows into many by slices of the base, instead of sorting everything.

    Both are sorted by path; rows of the base whose path is in `overlay` give way to `puts`.
    """
    column = base.column("path").combine_chunks()
    pieces: list[pa.Table] = []
    at = next_put = 0
    put_paths = puts.column("path").to_pylist()
    count = len(column)
    for path in overlay.column("path").to_pylist():
        low = place_of(column, path, at)
        if low > at:
            pieces.append(base.slice(at, low - at))
        at = low + 1 if low < count and column[low].as_py() == path else low
        if next_put < len(put_paths) and put_paths[next_put] == path:
            pieces.append(puts.slice(next_put, 1))
            next_put += 1
    pieces.append(base.slice(at))
    return pa.concat_tables(pieces)
