"""Types of the columns that fields of records make: learnt from values, or from the file's own.

A field whose values have no type in common, whose numbers would lose digits, or one of whose texts
has half a character is JSON text.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.history.fold import files_of, records_mask
from dsm.views.selection.half_characters import json_text
from dsm.views.selection.read_as import objects_of, read_as, settings_of

if TYPE_CHECKING:
    from dsm.store.objects import ObjectStore

Fields = Mapping[str, Any]
_EXACT = 1 << 53  # up to here floats hold integers
_TEXT = pa.string()
_BYTES = (
    pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary,
    pa.types.is_binary_view,
)  # fmt: skip


@dataclass(slots=True)
class FieldTypes:
    """Learns the types of fields, in the order in which fields are met."""

    found: dict[str, pa.DataType] = field(default_factory=dict)
    mixed: set[str] = field(default_factory=set)
    large: set[str] = field(default_factory=set)  # those with integers that no float holds
    known: dict[str, pa.Field] = field(default_factory=dict)  # those that need not be learnt

    def learn(self, rows: Sequence[Fields]) -> None:
        """Takes the fields of some records."""
        for name in dict.fromkeys(name for row in rows for name in row):
            self.found.setdefault(name, pa.null())
            if name in self.mixed or name in self.known:
                continue
            values = [row.get(name) for row in rows]
            try:
                self._widen(name, pa.array(values))
            except (pa.ArrowException, ValueError, OverflowError):
                self.mixed.add(name)

    def _widen(self, name: str, array: pa.Array) -> None:
        before = self.found[name]
        if pa.types.is_int64(array.type) and array.null_count < len(array):
            ends = pc.min_max(array).as_py()
            if max(-ends["min"], ends["max"]) > _EXACT:
                self.large.add(name)
        schemas = [pa.schema([(name, kind)]) for kind in (before, array.type)]
        wide = pa.unify_schemas(schemas, promote_options="permissive").field(0).type
        if pa.types.is_floating(wide) and name in self.large:
            self.mixed.add(name)
        self.found[name] = wide

    def schema(self) -> pa.Schema:
        """Returns a column for each field; those without one type are marked as JSON."""
        fields = []
        for name, kind in self.found.items():
            if name in self.known:
                fields.append(self.known[name])
            elif name in self.mixed:
                fields.append(pa.field(name, _TEXT, metadata={b"dsm": b"json"}))
            else:
                fields.append(pa.field(name, _TEXT if pa.types.is_null(kind) else kind))
        return pa.schema(fields)


def columns_of(rows: Sequence[Fields], schema: pa.Schema) -> list[pa.Array]:
    """Returns the columns that fields of records make. Raises ValueError, ArrowException."""
    columns = []
    for each in schema:
        values = [row.get(each.name) for row in rows]
        if (each.metadata or {}).get(b"dsm") == b"json":
            values = [None if v is None else json_text(v) for v in values]
        columns.append(_column(values, each.type))
    return columns


def _column(values: list[Any], kind: pa.DataType) -> pa.Array:
    """Returns values as JSON has them as a column of a type, however deep they lie."""
    is_ = pa.types
    if is_.is_dictionary(kind):
        return _column(values, kind.value_type).cast(kind)
    if is_.is_struct(kind) and kind.num_fields:
        children = [
            _column([None if v is None else v.get(f.name) for v in values], f.type) for f in kind
        ]
        missing = pa.array([value is None for value in values], pa.bool_())
        return pa.StructArray.from_arrays(children, fields=list(kind), mask=missing)
    if is_.is_map(kind) or is_.is_list(kind) or is_.is_large_list(kind):
        return _lists(values, kind)
    if is_.is_fixed_size_list(kind):
        missing = pa.array([value is None for value in values], pa.bool_())
        blank = [None] * kind.list_size
        flat = [each for value in values for each in (blank if value is None else value)]
        return pa.FixedSizeListArray.from_arrays(
            _column(flat, kind.value_type), type=kind, mask=missing
        )
    if is_.is_timestamp(kind) and kind.tz is not None:
        moments = pa.array([v and v.rstrip("Z") for v in values], _TEXT)
        return moments.cast(pa.timestamp(kind.unit)).cast(pa.int64()).cast(kind)
    if is_.is_duration(kind):
        return pa.array([v and int(v) for v in values], pa.int64()).cast(kind)
    if is_.is_time(kind):  # no text is cast to one
        moments = pa.array([v and f"1970-01-01T{v}" for v in values], _TEXT)
        return moments.cast(pa.timestamp(kind.unit)).cast(kind)
    if is_.is_temporal(kind) or is_.is_decimal(kind):
        return pa.array(values, _TEXT).cast(kind)
    if any(is_bytes(kind) for is_bytes in _BYTES):
        return pa.array([v and base64.b64decode(v["base64"]) for v in values], kind)
    return pa.array(values, kind)


def _lists(values: list[Any], kind: pa.DataType) -> pa.Array:
    """Returns a column of lists, or of maps, whose values are lists of pairs."""
    flat = [each for value in values if value is not None for each in value]
    ends = accumulate((len(value or ()) for value in values), initial=0)
    offsets: list[int | None] = [*ends]
    for at, value in enumerate(values):
        if value is None:
            offsets[at] = None
    large = pa.types.is_large_list(kind)
    starts = pa.array(offsets, pa.int64() if large else pa.int32())
    if pa.types.is_map(kind):
        keys = _column([key for key, _ in flat], kind.key_type)
        items = _column([item for _, item in flat], kind.item_type)
        return pa.MapArray.from_arrays(starts, keys, items, type=kind)
    made = pa.LargeListArray if large else pa.ListArray
    return made.from_arrays(starts, _column(flat, kind.value_type), type=kind)


# --- what files say themselves ---


def has_fields(table: pa.Table) -> bool:
    """Whether all rows are records whose own bytes hold their fields, and there are any."""
    if not table.num_rows or not pc.all(records_mask(table)).as_py():
        return False
    return not any(settings_of(text).row().said_beside for text in read_as(table).values())


def declared_schema(store: ObjectStore, table: pa.Table) -> tuple[pa.Schema, bool] | None:
    """Returns the fields whose types all files of the rows say, if they are Parquet or Arrow, and
    whether those are all; else None.

    A field is left out of which they say different types, or one that values in JSON cannot be read
    back to.
    """
    objects = objects_of(table)
    paths = pc.unique(files_of(table.column("path")))
    found: list[pa.Schema] = []
    for path in paths.to_pylist():
        own = None if path in read_as(table) else _schema_in(store, objects.get(path))
        if own is None:
            return None
        if own not in found:
            found.append(own)
    kinds: dict[str, set[pa.DataType]] = {}
    for each in (each for own in found for each in own):
        kinds.setdefault(each.name, set()).add(each.type)
    agreed = [
        pa.field(name, next(iter(told)))
        for name, told in kinds.items()
        if len(told) == 1 and all(map(_reads_back, told))
    ]
    return pa.schema(agreed), len(agreed) == len(kinds)


def _schema_in(store: ObjectStore, oid: bytes | None) -> pa.Schema | None:
    import pyarrow.parquet as pq

    if oid is None:
        return None
    try:
        with store.open(oid) as file:
            head = file.read(6)
            file.seek(0)
            if head.startswith(b"PAR1"):
                schema = pq.read_schema(pa.PythonFile(file, "r"))
            elif head == b"ARROW1":
                schema = pa.ipc.open_file(pa.PythonFile(file, "r")).schema
            else:
                schema = pa.ipc.open_stream(pa.PythonFile(file, "r")).schema
    except (pa.ArrowException, OSError, ValueError):
        return None
    schema = schema.remove_metadata()
    if len({*schema.names}) < len(schema):
        return None
    return pa.schema([pa.field(f.name, f.type) for f in schema])


def _reads_back(kind: pa.DataType) -> bool:
    """Whether what JSON has for values of a type can be made values of it again."""
    is_ = pa.types
    if is_.is_dictionary(kind) or is_.is_list(kind) or is_.is_large_list(kind):
        return _reads_back(kind.value_type)
    if is_.is_fixed_size_list(kind):
        return _reads_back(kind.value_type)
    if is_.is_map(kind):
        return _reads_back(kind.key_type) and _reads_back(kind.item_type)
    if is_.is_struct(kind):
        return len({each.name for each in kind}) == kind.num_fields and all(
            _reads_back(each.type) for each in kind
        )
    plain = (
        is_.is_integer, is_.is_floating, is_.is_boolean, is_.is_null, is_.is_timestamp, is_.is_date,
        is_.is_time, is_.is_duration, is_.is_decimal, is_.is_string, is_.is_large_string,
        is_.is_string_view, *_BYTES,
    )  # fmt: skip
    return any(each(kind) for each in plain)


def learnt_schema(
    batches: Iterable[Sequence[Fields]], declared: pa.Schema | None = None
) -> pa.Schema:
    """Returns the schema that the fields of all records make; what is declared is not learnt."""
    types = FieldTypes()
    if declared is not None:
        types.known = {each.name: each for each in declared}
    for rows in batches:
        types.learn(rows)
    return types.schema()
