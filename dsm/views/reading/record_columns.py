"""Some fields of the records in a table, as columns beside it: only records are read, and those
that were not read before.

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
from dsm.views.reading.record_values import Values, see, values_of
from dsm.views.selection.classes import ClassList
from dsm.views.selection.half_characters import is_unicode

if TYPE_CHECKING:
    from dsm.repo.repository import Repository
    from dsm.store.objects import ObjectStore

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
    repository: Repository, table: pa.Table, names: Sequence[str] | None
) -> RecordColumns:
    """Returns fields of the records in a table; dots in a name lead into nested objects.

    A name begins with `record.`; None stands for all that are no objects, up to `NAMES_MAX`. Lists
    but those of texts, and objects, are JSON text. Of fields that are named those values are kept
    that were read; see `dsm.views.reading.kept_fields`. Raises InvalidInput for a record without
    fields, ObjectMissing and ObjectDamaged.
    """
    mask = records_mask(table)
    rows = table.filter(mask)
    if not rows.num_rows or (names is not None and not names):
        return RecordColumns({}, frozenset(), rows.num_rows)
    if names is None or not all(map(is_unicode, names)):
        reading = _Reading(repository.store, rows, names)
        columns, seen = _settled(reading), frozenset(reading.seen)
    else:
        columns, seen = _known(repository, rows, names)
    if rows.num_rows < table.num_rows:
        at = _places(mask)
        columns = {name: (field, column.take(at)) for name, (field, column) in columns.items()}
    return RecordColumns(columns, seen, rows.num_rows)


_Columns = dict[str, tuple[pa.Field, pa.ChunkedArray]]


def _known(
    repository: Repository, rows: pa.Table, names: Sequence[str]
) -> tuple[_Columns, frozenset[str]]:
    """Returns columns of values that are known, or are from now on."""
    plain = {name: name.removeprefix(RECORD_FIELD) for name in names}
    found = values_of(repository.store, repository.layout, rows, plain)
    columns = {name: column for name in plain if (column := _plain(found, name)) is not None}
    mixed = [name for name in plain if name not in columns]
    if mixed:
        columns |= _settled(_Known(found, rows.num_rows, mixed))
    return columns, frozenset().union(*(values.seen for values in found))


def _plain(found: Sequence[Values], name: str) -> tuple[pa.Field, pa.ChunkedArray] | None:
    """Returns a column whose values are of one type as they stand; None for any other."""
    having = [each for each in found if each.columns.column(name).null_count < len(each.columns)]
    kinds = {each.columns.schema.field(name).type for each in having}
    if len(kinds) != 1 or len({each.is_cells for each in having}) > 1:
        return None
    if any(each.is_json(name) for each in having):
        return None
    column = _in_order(found, name, kinds.pop())
    field = column_field(name, column, False, having[0].is_cells)
    return field, without_empty(column) if having[0].is_cells else column


def _in_order(found: Sequence[Values], name: str, kind: pa.DataType) -> pa.ChunkedArray:
    """Returns the values of all forms in the order of the records."""
    columns = [each.columns.column(name).cast(kind) for each in found]
    numbers = [each.rows for each in found if each.rows is not None]
    if not numbers:  # one form has them all
        return columns[0]
    chunks = [chunk for column in columns for chunk in column.chunks]
    return pa.chunked_array(chunks, kind).take(pc.array_sort_indices(pa.concat_arrays(numbers)))


def _settled(reading: _Source) -> _Columns:
    """Returns columns of what is read; it is read again where types are mixed."""
    texts: set[str] = set()
    found = columns_of(reading.values, texts)
    nested = {name for name, column in found.items() if name not in texts and _is_nested(column)}
    if nested or reading.both():
        texts = nested
        reading.converted = reading.both()
        found = columns_of(reading.values, texts)
    columns = {}
    for name, column in found.items():
        if name not in reading.objects:  # else of some records it is an object
            is_cells = name in reading.of_cells and name not in reading.of_others
            field = column_field(name, column, name in texts, is_cells)
            columns[name] = field, without_empty(column) if is_cells else column
    return columns


class _Source:
    """Where values of records come from, and what was seen on the way."""

    def __init__(self) -> None:
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
        for found, is_cells in self._found():
            (self.of_cells if is_cells else self.of_others).update(found)
            if is_cells and self.converted:
                found = {name: _typed(value) if name in self.converted else value
                         for name, value in found.items()}  # fmt: skip
                found = {name: value for name, value in found.items() if value is not None}
            yield found

    def _found(self) -> Iterator[tuple[dict[str, Any], bool]]:
        """Yields the values of each record, and whether they are cells of text."""
        raise NotImplementedError


class _Known(_Source):
    """Values of some fields that were read before."""

    def __init__(self, found: Sequence[Values], count: int, names: Sequence[str]):
        super().__init__()
        self._found_before = found
        self._count = count
        self._names = names

    def _found(self) -> Iterator[tuple[dict[str, Any], bool]]:
        rows: list[tuple[dict[str, Any], bool]] = [({}, False)] * self._count
        for values in self._found_before:
            places = range(self._count) if values.rows is None else values.rows.to_pylist()
            columns = [values.python(name) for name in self._names]
            for place, row in zip(places, zip(*columns, strict=True), strict=True):
                known = {n: v for n, v in zip(self._names, row, strict=True) if v is not None}
                rows[place] = known, values.is_cells
        yield from rows


class _Reading(_Source):
    """What is read of records."""

    def __init__(self, store: ObjectStore, rows: pa.Table, names: Sequence[str] | None):
        super().__init__()
        self._store = store
        self._rows = rows
        self._plain = {name: name.removeprefix(RECORD_FIELD) for name in names or ()}
        self._all = names is None
        self._cells = files_of_cells(rows)
        self.seen: set[str] = set()

    def _found(self) -> Iterator[tuple[dict[str, Any], bool]]:
        for record, is_cells in _records(self._store, self._rows, self._cells):
            see(record, self.seen)
            if self._all:
                self._name(record, "")
            found = {name: value_at(record, field) for name, field in self._plain.items()}
            yield {name: value for name, value in found.items() if value is not None}, is_cells

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
