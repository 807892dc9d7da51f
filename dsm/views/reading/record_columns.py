"""Some fields of the records in a table, as columns beside it: only records are read, and once.

A column says in the metadata of its field how its values are written, where they are not what
Arrow says: as JSON text, since they have no type in common, or as cells of a table of text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.history.fold import records_mask
from dsm.model.column_names import RECORD_FIELD
from dsm.records.cells import seen as looks_like
from dsm.records.fields import value_at
from dsm.statistics.samples import cells as without_empty
from dsm.views.reading.fields import (
    column_field,
    columns_of,
    files_of_cells,
)
from dsm.views.reading.orders import in_windows
from dsm.views.selection.classes import ClassList
from dsm.views.selection.half_characters import is_unicode

if TYPE_CHECKING:
    from dsm.store.objects import ObjectStore

SEEN_MAX = 10_000
NAMES_MAX = 500


@dataclass(frozen=True, slots=True)
class RecordColumns:
    """Columns by their full names, `record.NAME`, of those fields that some record has.

    `seen` are names of fields that the records have, `records` is how many records there are.
    """

    columns: Mapping[str, tuple[pa.Field, pa.ChunkedArray]]
    seen: frozenset[str]
    records: int

    def beside(self, table: pa.Table) -> pa.Table:
        """Returns the table that was read with the columns behind its own."""
        for field, column in self.columns.values():
            table = table.append_column(field, column)
        return table


def record_columns(
    store: ObjectStore, table: pa.Table, names: Sequence[str] | None
) -> RecordColumns:
    """Reads fields of the records in a table; dots in a name lead into nested objects.

    A name begins with `record.`; None stands for all that are no objects, up to `NAMES_MAX`. Lists
    but those of texts, and objects, are JSON text. Raises InvalidInput for a record without fields,
    ObjectMissing and ObjectDamaged.
    """
    mask = records_mask(table)
    rows = table.filter(mask)
    if not rows.num_rows or (names is not None and not names):
        return RecordColumns({}, frozenset(), rows.num_rows)
    reading = _Reading(store, rows, names)
    texts: set[str] = set()
    found = columns_of(reading.values, texts)
    nested = {name for name, column in found.items() if name not in texts and _is_nested(column)}
    if nested or reading.both():
        texts = nested
        reading.converted = reading.both()
        found = columns_of(reading.values, texts)
    at = None if rows.num_rows == table.num_rows else _places(mask)
    columns = {}
    for name, column in found.items():
        if name not in reading.objects:  # else of some records it is an object
            is_cells = name in reading.of_cells and name not in reading.of_others
            field = column_field(name, column, name in texts, is_cells)
            column = without_empty(column) if is_cells else column
            columns[name] = field, column if at is None else column.take(at)
    return RecordColumns(columns, frozenset(reading.seen), rows.num_rows)


class _Reading:
    """What is read of records, and what was seen on the way."""

    def __init__(self, store: ObjectStore, rows: pa.Table, names: Sequence[str] | None):
        self._store = store
        self._rows = rows
        self._plain = {name: name.removeprefix(RECORD_FIELD) for name in names or ()}
        self._all = names is None
        self._cells = files_of_cells(rows)
        self.seen: set[str] = set()
        self.objects: set[str] = set()
        # Which names have values in tables of text, and in other files; with both, cells are
        # converted to what they look like.
        self.of_cells: set[str] = set()
        self.of_others: set[str] = set()
        self.converted: frozenset[str] = frozenset()

    def both(self) -> frozenset[str]:
        return frozenset(self.of_cells & self.of_others)

    def values(self) -> Iterator[dict[str, Any]]:
        """Yields the values of each record by full name, where it has some."""
        for record, is_cells in _records(self._store, self._rows, self._cells):
            _see(record, self.seen)
            if self._all:
                self._name(record, "")
            found = {name: value_at(record, field) for name, field in self._plain.items()}
            found = {name: value for name, value in found.items() if value is not None}
            (self.of_cells if is_cells else self.of_others).update(found)
            if is_cells and self.converted:
                found = {name: _typed(value) if name in self.converted else value
                         for name, value in found.items()}  # fmt: skip
                found = {name: value for name, value in found.items() if value is not None}
            yield found

    def _name(self, fields: Mapping[str, Any], before: str) -> None:
        """Adds the fields that are no objects to those that are read."""
        for key, value in fields.items():
            field = before + key
            name = RECORD_FIELD + field
            if isinstance(value, dict):
                self.objects.add(name)
                self._name(value, f"{field}.")
            elif name not in self._plain and len(self._plain) < NAMES_MAX and is_unicode(field):
                self._plain[name] = field


def _records(
    store: ObjectStore, rows: pa.Table, cells: set[str]
) -> Iterator[tuple[dict[str, Any], bool]]:
    """Yields the fields of each record, and whether they are cells of text."""
    for window in in_windows(store, rows, None, None, 0, classes=ClassList):
        for example in window.examples():
            is_cells = bool(cells) and example.path.rpartition("#")[0] in cells
            yield example.record, is_cells


def _see(record: Mapping[str, Any], seen: set[str]) -> None:
    if len(seen) < SEEN_MAX:
        seen.update(record)
        for name, value in record.items():
            if isinstance(value, dict):
                seen.update(f"{name}.{inner}" for inner in value)


def _typed(value: Any) -> Any:
    return looks_like(value) if isinstance(value, str) else value


def _is_nested(column: pa.ChunkedArray) -> bool:
    kind = column.type
    if pa.types.is_list(kind):
        return not (pa.types.is_string(kind.value_type) or pa.types.is_null(kind.value_type))
    return bool(pa.types.is_nested(kind))


def _places(mask: Any) -> pa.Array:
    """Returns for each row of a table which record it is, null for none."""
    numbers = pc.subtract(pc.cumulative_sum(pc.cast(mask, pa.int64())), 1)
    return pc.if_else(mask, numbers, pa.scalar(None, pa.int64())).combine_chunks()
