"""Values of fields of records: read where they are not known, and known from then on.

A column of values has the type of all of them, where that is one that JSON has and Arrow, too;
else it has each value as JSON text. So what was known gives what reading again would give.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from blake3 import blake3

from dsm.history.fold import files_of
from dsm.model.column_names import JSON, WRITTEN
from dsm.model.record_path import parts_of
from dsm.records.fields import value_at
from dsm.records.settings import RecordSettings
from dsm.views.reading.fields import ROWS, TABLES
from dsm.views.reading.kept_fields import (
    FIELDS_MAX,
    RECORD,
    KeptFields,
    room_for,
    seen_in,
)
from dsm.views.reading.orders import in_windows
from dsm.views.selection.classes import ClassList
from dsm.views.selection.half_characters import json_text
from dsm.views.selection.read_as import objects_of, read_as, settings_of

if TYPE_CHECKING:
    from dsm.repo.layout import Layout
    from dsm.store.objects import ObjectStore

_ARROW = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
_SEEN_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Values:
    """Values of fields of records that are written in one form, at `rows` of a table.

    `columns` are by full name, `is_cells` says that they are cells of text.
    """

    rows: pa.Array | None  # None: all of the table
    columns: pa.Table
    is_cells: bool
    seen: frozenset[str]

    def is_json(self, name: str) -> bool:
        """Whether the values of a column are JSON text."""
        return (self.columns.schema.field(name).metadata or {}).get(WRITTEN) == JSON

    def python(self, name: str) -> list[Any]:
        """Returns the values of a column as Python has them."""
        values: list[Any] = self.columns.column(name).to_pylist()
        if not self.is_json(name):
            return values
        return [None if text is None else json.loads(text) for text in values]


def values_of(
    store: ObjectStore, layout: Layout, rows: pa.Table, names: Mapping[str, str]
) -> list[Values]:
    """Returns fields of the records in a table, by form; `names` are fields by full name.

    Only records are read that are not known. Raises what `record_columns` raises.
    """
    found = []
    for form, at in _forms(rows):
        part = rows if at is None else rows.take(at)
        columns, seen = _form_values(store, layout, form, part, names)
        is_cells = bool(form) and settings_of(form).format in TABLES
        found.append(Values(at, columns, is_cells, seen))
    return found


def _forms(rows: pa.Table) -> Iterator[tuple[str, pa.Array | None]]:
    """Yields each form in which records are written, with the rows of those: "" is JSON."""
    known = read_as(rows)
    forms = {path: _form(text) for path, text in known.items()}
    if not forms:
        yield "", None
        return
    encoded = pc.dictionary_encode(files_of(rows.column("path"))).combine_chunks()
    told = [forms.get(path, "") for path in encoded.dictionary.to_pylist()]
    of_row = pa.array(told, pa.string()).take(encoded.indices)
    for form in dict.fromkeys(told):
        at = pc.indices_nonzero(pc.equal(of_row, form))
        yield form, None if len(at) == rows.num_rows else at


def _form(text: str) -> str:
    """Returns what of the row of a file says how each of its records is read."""
    says = settings_of(text)
    return RecordSettings(
        format=says.format, columns=says.columns, delimiter=says.delimiter, quote=says.quote,
        encoding=says.encoding, found=replace(says.found, types={}),
    ).to_text(0)  # fmt: skip


def _keys(form: str, rows: pa.Table) -> pa.Array:
    """Returns what stands for the bytes that say the fields of each record."""
    if not form or not settings_of(form).row().said_beside:
        column = rows.column("object")
        return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    # The archive says it, of the file in it.
    objects = objects_of(rows)
    parts = map(parts_of, rows.column("path").to_pylist())
    keys = [blake3(objects[file] + key.encode()).digest() for file, key in parts]
    return pa.array(keys, pa.binary(32))


def _form_values(
    store: ObjectStore, layout: Layout, form: str, rows: pa.Table, names: Mapping[str, str]
) -> tuple[pa.Table, frozenset[str]]:
    keys, file = _keys(form, rows), KeptFields(layout, form)
    kept = file.table()
    before = [name for name in kept.column_names if name != RECORD.name]
    if not set(before).issuperset(names):
        # All are read anew, those of other contracts too, so that no two undo each other's.
        plain = {name: name.partition(".")[2] for name in before}
        names = {**plain, **names} if len({*plain, *names}) <= FIELDS_MAX else names
        kept = pa.schema([RECORD]).empty_table()
    else:
        names = {name: name.partition(".")[2] for name in before}
    at = pc.index_in(keys, value_set=kept.column(RECORD.name).combine_chunks())
    unknown = pc.indices_nonzero(pc.is_null(at))
    seen = seen_in(kept)
    if not len(unknown):
        return kept.take(at), seen
    fresh = keys.take(unknown).dictionary_encode()
    first = pc.index_in(fresh.dictionary, value_set=keys)
    made, more = _read(store, rows.take(first), names)
    table = _joined(kept, made.add_column(0, RECORD, fresh.dictionary), names)
    seen |= more
    numbers = pc.add(fresh.indices.cast(pa.int64()), kept.num_rows)
    at = pc.replace_with_mask(at.cast(pa.int64()), pc.is_null(at), numbers)
    _keep(file, table, at, kept.num_rows, seen)
    return table.take(at), seen


def _keep(
    file: KeptFields, table: pa.Table, at: pa.Array, known: int, seen: frozenset[str]
) -> None:
    """Keeps a table whose rows `at` are in use and whose rows from `known` on are new, where there
    is room for some of these."""
    used = pc.is_in(pa.array(range(table.num_rows)), value_set=pc.unique(at))
    rows = table.filter(used)
    before = pc.sum(used.slice(0, known)).as_py() or 0
    if before < room_for(rows):
        file.replace(rows, table.filter(pc.invert(used)), seen)


def _joined(kept: pa.Table, made: pa.Table, names: Mapping[str, str]) -> pa.Table:
    """Puts new rows behind those that are kept, each column in a type that has both."""
    if not kept.num_rows:
        return made
    fields, columns = [RECORD], [_chunked(kept, made, RECORD.name)]
    for name in names:
        told = [
            _Part(each.column(name), (each.schema.field(name).metadata or {}).get(WRITTEN) == JSON)
            for each in (kept, made)
        ]
        field, column = _one(name, told)
        fields.append(field)
        columns.append(column)
    return pa.table(columns, schema=pa.schema(fields, metadata=kept.schema.metadata))


def _chunked(one: pa.Table, other: pa.Table, name: str) -> pa.ChunkedArray:
    chunks = [*one.column(name).chunks, *other.column(name).chunks]
    return pa.chunked_array(chunks, one.schema.field(name).type)


# --- reading ---


@dataclass(frozen=True, slots=True)
class _Part:
    """Some values of a field: of one type, or as JSON text; without a type where all are null."""

    values: pa.Array | pa.ChunkedArray
    is_json: bool


def _read(
    store: ObjectStore, rows: pa.Table, names: Mapping[str, str]
) -> tuple[pa.Table, frozenset[str]]:
    """Reads fields of records; returns a column for each, and names of fields that they have."""
    seen: set[str] = set()
    parts: dict[str, list[_Part]] = {name: [] for name in names}
    read = records_in(store, rows)
    while records := list(islice(read, ROWS)):
        for record in records:
            see(record, seen)
        for name, field in names.items():
            parts[name].append(_part([value_at(record, field) for record in records]))
    found = [_one(name, told) for name, told in parts.items()]
    schema = pa.schema([field for field, _ in found])
    return pa.table([column for _, column in found], schema=schema), frozenset(seen)


def records_in(store: ObjectStore, rows: pa.Table) -> Iterator[dict[str, Any]]:
    """Yields the fields of each record in a table of records."""
    for window in in_windows(store, rows, None, None, 0, classes=ClassList):
        for example in window.examples():
            yield example.record


def see(record: Mapping[str, Any], seen: set[str]) -> None:
    """Adds the names of fields, those of objects in them too, while these are not too many."""
    if len(seen) < _SEEN_MAX:
        seen.update(record)
        for name, value in record.items():
            if isinstance(value, dict):
                seen.update(f"{name}.{inner}" for inner in value)


def _part(values: list[Any]) -> _Part:
    kinds = {type(value) for value in values} - {type(None)}
    if not kinds:
        return _Part(pa.nulls(len(values)), False)
    kind = kinds.pop()
    if not kinds and kind in _ARROW:
        try:
            return _Part(pa.array(values, _ARROW[kind]), False)
        except (pa.ArrowException, ValueError, OverflowError):
            pass  # an integer of more than 64 bits, half a character
    return _Part(_json_array(values), True)


def _json_array(values: Sequence[Any]) -> pa.Array:
    return pa.array([None if value is None else json_text(value) for value in values], pa.string())


def _one(name: str, parts: Sequence[_Part]) -> tuple[pa.Field, pa.ChunkedArray]:
    """Returns a column of all values, in their one type or as JSON text."""
    having = [part for part in parts if part.values.null_count < len(part.values)]
    kinds = {(str(part.values.type), part.is_json) for part in having}
    is_json = len(kinds) > 1 or any(part.is_json for part in having)
    kind = pa.string() if is_json or not having else having[0].values.type
    chunks: list[pa.Array] = []
    for part in parts:
        if part.values.null_count == len(part.values):
            chunks.append(pa.nulls(len(part.values), kind))
            continue
        values = _as_json(part) if is_json else part.values
        chunks += values.chunks if isinstance(values, pa.ChunkedArray) else [values]
    field = pa.field(name, kind, metadata={WRITTEN: JSON} if is_json else None)
    return field, pa.chunked_array(chunks, kind)


def _as_json(part: _Part) -> pa.Array | pa.ChunkedArray:
    return part.values if part.is_json else _json_array(part.values.to_pylist())
