"""Types of the columns that fields of records make: learnt from values, or from the file's own.

A field whose values have no type in common, whose numbers would lose digits, or one of whose texts
has half a character is JSON text.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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


@dataclass(slots=True)
class FieldTypes:
    """Learns the types of fields, in the order in which fields are met."""

    found: dict[str, pa.DataType] = field(default_factory=dict)
    mixed: set[str] = field(default_factory=set)
    large: set[str] = field(default_factory=set)  # those with integers that no float holds

    def learn(self, rows: Sequence[Fields]) -> None:
        """Takes the fields of some records."""
        for name in dict.fromkeys(name for row in rows for name in row):
            self.found.setdefault(name, pa.null())
            if name in self.mixed:
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
            if name in self.mixed:
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
    if pa.types.is_dictionary(kind):
        return _column(values, kind.value_type).cast(kind)
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        moments = pa.array([v and v.rstrip("Z") for v in values], _TEXT)
        return moments.cast(pa.timestamp(kind.unit)).cast(pa.int64()).cast(kind)
    if pa.types.is_temporal(kind) or pa.types.is_decimal(kind):
        return pa.array(values, _TEXT).cast(kind)
    return pa.array([_bytes(v) for v in values], kind)


def _bytes(value: Any) -> Any:
    """Returns a value with what stands for bytes as bytes."""
    if isinstance(value, dict):
        if value.keys() == {"base64"} and isinstance(value["base64"], str):
            return base64.b64decode(value["base64"])
        return {name: _bytes(each) for name, each in value.items()}
    return [_bytes(each) for each in value] if isinstance(value, list) else value


# --- what files say themselves ---


def has_fields(table: pa.Table) -> bool:
    """Whether all rows are records whose own bytes hold their fields, and there are any."""
    if not table.num_rows or not pc.all(records_mask(table)).as_py():
        return False
    return not any(settings_of(text).row().said_beside for text in read_as(table).values())


def declared_schema(store: ObjectStore, table: pa.Table) -> pa.Schema | None:
    """Returns the schema that all files of the rows have, if they are Parquet or Arrow; else None.

    Not one with columns that values in JSON cannot be read back to.
    """
    objects = objects_of(table)
    paths = pc.unique(files_of(table.column("path")))
    found: pa.Schema | None = None
    for path in paths.to_pylist():
        if path not in objects or path in read_as(table):
            return None
        own = _schema_in(store, objects[path])
        if own is None or not (found is None or own.equals(found)):
            return None
        found = own
    return found


def _schema_in(store: ObjectStore, oid: bytes) -> pa.Schema | None:
    import pyarrow.parquet as pq

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
    if len({*schema.names}) < len(schema) or not all(_reads_back(f.type) for f in schema):
        return None
    return pa.schema([pa.field(f.name, f.type) for f in schema])


def _reads_back(kind: pa.DataType, *, nested: bool = False) -> bool:
    """Whether what JSON has for values of a type can be made values of it again."""
    is_ = pa.types
    if is_.is_dictionary(kind):
        return not nested and _reads_back(kind.value_type)
    if is_.is_struct(kind):
        return all(_reads_back(each.type, nested=True) for each in kind)
    if is_.is_list(kind) or is_.is_large_list(kind) or is_.is_fixed_size_list(kind):
        return _reads_back(kind.value_type, nested=True)
    if is_.is_timestamp(kind) or is_.is_date(kind) or is_.is_time(kind) or is_.is_decimal(kind):
        return not nested
    plain = (
        is_.is_integer, is_.is_floating, is_.is_boolean, is_.is_string, is_.is_large_string,
        is_.is_binary, is_.is_large_binary, is_.is_fixed_size_binary, is_.is_null,
    )  # fmt: skip
    return any(each(kind) for each in plain)


def learnt_schema(batches: Iterable[Sequence[Fields]]) -> pa.Schema:
    """Returns the schema that the fields of all records make."""
    types = FieldTypes()
    for rows in batches:
        types.learn(rows)
    return types.schema()
