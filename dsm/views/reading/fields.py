"""The fields of records as columns: the table of a view, and beside it `record.NAME` for each.

A column has the type that its values have: text, int64, float64, bool, lists or structures. Where
they have no type in common, numbers would lose digits, or a text has half a character (a lone
surrogate, which no column of text can hold), it holds each value as JSON text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dsm.history.fold import records_mask
from dsm.views.reading.orders import in_windows

if TYPE_CHECKING:
    from dsm.views.selection.selection import Selection

RECORD_FIELD = "record."
ROWS = 8192
# A part of the rows: how many they are, and the columns that have a value there.
_Part = tuple[int, dict[str, pa.Array]]


def table_with_fields(selection: Selection) -> pa.Table:
    """Returns the table of a view with the fields of its records, null where there is none.

    Raises InvalidInput for a record that has no fields, ObjectMissing and ObjectDamaged.
    """
    table = selection.table()
    texts: set[str] = set()
    while True:
        mixed: set[str] = set()
        parts = list(_parts(selection, texts, mixed))
        names = dict.fromkeys(name for _, columns in parts for name in columns)
        columns = {name: _joined(parts, name) for name in names if name not in mixed}
        mixed.update(name for name, column in columns.items() if column is None)
        if not mixed:
            break
        texts |= mixed  # these are read once more
    for name, column in columns.items():
        table = table.append_column(RECORD_FIELD + _shown(name), column)
    return table


def _json_text(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if _is_unicode(text) else json.dumps(value)


def _shown(name: str) -> str:
    return name if _is_unicode(name) else name.encode(errors="backslashreplace").decode()


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _parts(selection: Selection, texts: set[str], mixed: set[str]) -> Iterator[_Part]:
    """Yields the fields of some rows after the other; adds to `mixed` those without one type."""
    records = _records(selection)
    while rows := list(islice(records, ROWS)):
        columns = {}
        for name in dict.fromkeys(name for row in rows for name in row):
            values = [row.get(name) for row in rows]
            if name in texts:
                values = [None if v is None else _json_text(v) for v in values]
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
