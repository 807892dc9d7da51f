"""The fields of records as columns: the table of a view, and beside it `record.NAME` for each.

A column has the type that its values have: text, int64, float64, bool, lists or structures. Where
they have no type in common, numbers would lose digits, or a text has half a character (a lone
surrogate, which no column of text can hold), it holds each value as JSON text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.history.fold import files_of, records_mask
from dsm.model.column_names import CELLS, JSON, RECORD_FIELD, WRITTEN
from dsm.views.reading.orders import in_windows
from dsm.views.selection.half_characters import json_text, shown_name
from dsm.views.selection.read_as import read_as, settings_of

if TYPE_CHECKING:
    from dsm.views.selection.selection import Selection

ROWS = 8192
TABLES = ("csv", "tsv")
# A part of the rows: how many they are, and the columns that have a value there.
_Part = tuple[int, dict[str, pa.Array]]


def table_with_fields(selection: Selection) -> pa.Table:
    """Returns the table of a view with the fields of its records, null where there is none.

    Raises InvalidInput for a record that has no fields, ObjectMissing and ObjectDamaged.
    """
    table = selection.table()
    texts: set[str] = set()
    columns = columns_of(lambda: _records(selection), texts)
    cells = only_cells(table.filter(records_mask(table)), files_of_cells(table))
    for name, column in columns.items():
        field = column_field(RECORD_FIELD + shown_name(name), column, name in texts, cells)
        table = table.append_column(field, column)
    return table


def column_field(name: str, column: pa.ChunkedArray, is_json: bool, is_cells: bool) -> pa.Field:
    """Returns the field of a column, which says how its values are written, if they are."""
    written = JSON if is_json else CELLS if is_cells else None
    return pa.field(name, column.type, metadata=written and {WRITTEN: written})


def files_of_cells(table: pa.Table) -> set[str]:
    """Returns the files whose records are rows of text."""
    return {path for path, text in read_as(table).items() if settings_of(text).format in TABLES}


def only_cells(records: pa.Table, files: set[str]) -> bool:
    """Whether all records are of these files."""
    if not files:
        return False
    found: list[str] = pc.unique(files_of(records.column("path"))).to_pylist()
    return files.issuperset(found)


def columns_of(
    read: Callable[[], Iterator[Mapping[str, Any]]], texts: set[str]
) -> dict[str, pa.ChunkedArray]:
    """Returns the fields of records as columns; they are read once more where types are mixed.

    Of the fields in `texts` values are JSON text; those without one type are added to them.
    """
    while True:
        mixed: set[str] = set()
        parts = list(_parts(read(), texts, mixed))
        names = dict.fromkeys(name for _, columns in parts for name in columns)
        found = {name: _joined(parts, name) for name in names if name not in mixed}
        columns = {name: column for name, column in found.items() if column is not None}
        mixed.update(found.keys() - columns.keys())
        if not mixed:
            return columns
        texts |= mixed


def _parts(
    records: Iterator[Mapping[str, Any]], texts: set[str], mixed: set[str]
) -> Iterator[_Part]:
    """Yields the fields of some rows after the other; adds to `mixed` those without one type."""
    while rows := list(islice(records, ROWS)):
        columns = {}
        for name in dict.fromkeys(name for row in rows for name in row):
            values = [row.get(name) for row in rows]
            if name in texts:
                values = [None if v is None else json_text(v) for v in values]
            try:
                columns[name] = pa.array(values)
            except (pa.ArrowException, ValueError, OverflowError):
                if name in texts:
                    raise
                mixed.add(name)
                columns[name] = pa.nulls(len(rows))
        yield len(rows), columns


def _records(selection: Selection) -> Iterator[dict[str, Any]]:
    """Yields the fields of each row of a view's table: none, where it is no record."""
    table = selection.table()
    windows = in_windows(
        selection.repository.store, table, None, None, 0, lambda: selection.positions,
        classes=lambda: selection.stored_classes,
    )  # fmt: skip
    flags = records_mask(table).to_pylist()
    examples = (example for rows in windows for example in rows.examples())
    for example, is_record in zip(examples, flags, strict=True):
        yield example.record if is_record else {}


def _joined(parts: list[_Part], name: str) -> pa.ChunkedArray | None:
    """Returns a column of all rows; None where its parts have no type in common."""
    found = [(count, columns.get(name)) for count, columns in parts]
    kinds = {str(array.type): array.type for _, array in found if array is not None}
    try:
        schemas = [pa.schema([("field", kind)]) for kind in kinds.values()]
        kind = pa.unify_schemas(schemas, promote_options="permissive").field(0).type
        chunks = [
            pa.nulls(count, kind) if array is None else array.cast(kind) for count, array in found
        ]
    except pa.ArrowException:
        return None
    return pa.chunked_array(chunks, kind)
