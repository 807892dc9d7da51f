"""Parquet files in the layout that the `datasets` library reads as images, audio or text.

One row an example. Invariant: the same rows give the same bytes with the same release of pyarrow,
and all files of a view have one schema. Specified in docs/format/materialised.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dsm.errors import InvalidInput
from dsm.format.manifest import ATTRIBUTE
from dsm.model.names import printable
from dsm.views.selection.payloads import Counted, Payloads, Write, all_batches, pieces, uncounted
from dsm.views.selection.record_types import has_fields
from dsm.views.writing import croissant
from dsm.views.writing.format import FormatWriter, Recipe
from dsm.views.writing.huggingface import AUDIO, BYTES, IMAGE, TEXT, kind_of
from dsm.views.writing.metadata import attribute_names
from dsm.views.writing.parquet_fields import (
    PREFIX,
    field_columns,
    fields_in,
    lead_of,
    schema_with_fields,
)

if TYPE_CHECKING:
    from dsm.store.objects import ObjectStore
    from dsm.views.selection.classes import ClassList

ROW_GROUP_BYTES = 32 << 20
ROW_GROUP_ROWS = 1000
_VALUE_MAX = (1 << 31) - (1 << 20)
_CELL = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_HF_TYPES = {"string": "string", "int64": "int64", "double": "float64", "bool": "bool"}


class ParquetWriter(FormatWriter):
    """Writes Parquet files of one schema."""

    def schema(
        self,
        table: pa.Table,
        paths: pa.ChunkedArray,
        classes: ClassList,
        store: ObjectStore | None = None,
    ) -> pa.Schema:
        """Returns the schema of all files, with the kind of payload that all paths have.

        Records of the store have their fields in place of a payload.
        """
        own = schema_of(table, kind_of(paths), classes.names)
        if store is None or not has_fields(table):
            return own
        return schema_with_fields(store, table, pa.schema([*own][1:]))

    def write(
        self,
        recipe: Recipe,
        store: ObjectStore,
        tables: Iterable[pa.Table],
        write: Write,
        counted: Counted,
        write_index: Write | None = None,
        at: int = 0,
    ) -> None:
        """Writes one file; see `FormatWriter.write`."""
        assert recipe.schema is not None
        write_parquet(
            store, tables, recipe.schema, recipe.classes, recipe.compression, write, counted
        )

    def record_sets(
        self, document: Mapping[str, Any], files: list[dict[str, Any]]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """A row of any part."""
        parts = {"encodingFormat": "application/x-parquet", "includes": "part-*.parquet"}
        names = ["path", "object", "size", "label"]
        lead = PREFIX if document.get("record_fields") else ""
        found = croissant.examples(names, {"fileSet": {"@id": "parts"}}, "column", lead)
        return [found], [croissant.file_set("parts", parts)]

    def card(
        self, features: list[dict[str, Any]] | None, compression: str
    ) -> dict[str, Any] | None:
        """The parts; their schema says the features."""
        return {"configs": [{"config_name": "default", "data_files": "part-*.parquet"}]}


def schema_of(table: pa.Table, kind: str, classes: Sequence[str]) -> pa.Schema:
    """Returns the schema of all files of a view, with the features that `datasets` reads."""
    payload = {IMAGE: _CELL, AUDIO: _CELL, TEXT: pa.string(), BYTES: pa.binary()}[kind]
    fields = [
        pa.field(kind, payload), pa.field("label", pa.int64()), pa.field("path", pa.string()),
        pa.field("labels", pa.list_(pa.string())), pa.field("time", pa.timestamp("us", "UTC")),
        pa.field("annotation", pa.string()), pa.field("object", pa.string()),
        pa.field("size", pa.int64()), pa.field("changeset", pa.int32()),
    ]  # fmt: skip
    fields += [
        pa.field(ATTRIBUTE + name, table.schema.field(ATTRIBUTE + name).type)
        for name in attribute_names(table.schema)
    ]
    features = {field.name: _feature(field, kind, classes) for field in fields}
    told = json.dumps({"info": {"features": features}}, separators=(",", ":"), ensure_ascii=False)
    return pa.schema(fields, metadata={"huggingface": told})


def _feature(field: pa.Field, kind: str, classes: Sequence[str]) -> dict[str, Any]:
    if field.name == kind and kind in (IMAGE, AUDIO):
        return {"_type": kind.capitalize()}
    if field.name == "label" and classes:
        return {"names": list(classes), "_type": "ClassLabel"}
    if field.name == "labels":
        return {"feature": {"dtype": "string", "_type": "Value"}, "_type": "Sequence"}
    if pa.types.is_timestamp(field.type):
        return {"dtype": "timestamp[us, tz=UTC]", "_type": "Value"}
    return {"dtype": _HF_TYPES.get(str(field.type), str(field.type)), "_type": "Value"}


def write_parquet(
    store: ObjectStore,
    tables: Iterable[pa.Table],
    schema: pa.Schema,
    classes: ClassList,
    compression: str,
    write: Write,
    counted: Counted = uncounted,
) -> None:
    """Writes all rows. Raises InvalidInput for what no cell holds, DamagedData, WriteFailed."""
    import pyarrow.parquet as pq

    with pq.ParquetWriter(
        pa.PythonFile(_File(write), "w"),
        schema,
        compression=compression,
        use_dictionary=_columns(schema, ["label", "labels.list.element"]),
        write_statistics=_columns(schema, ["label", "path", "time", "size", "changeset"]),
        store_schema=True,
        data_page_size=1 << 20,
    ) as writer:
        held: list[pa.Table] = []
        size = rows_held = 0
        for payloads, rows, content in all_batches(store, tables):
            data = [_whole(payloads, rows, n) if d is None else d for n, d in enumerate(content)]
            for first in range(0, rows.num_rows, ROW_GROUP_ROWS):
                part = rows.slice(first, ROW_GROUP_ROWS)
                part_data = data[first : first + ROW_GROUP_ROWS]
                part_size = sum(map(len, part_data))
                if held and (
                    rows_held + len(part) > ROW_GROUP_ROWS or size + part_size > ROW_GROUP_BYTES
                ):
                    writer.write_table(pa.concat_tables(held))
                    held, size, rows_held = [], 0, 0
                held.append(_cells(part, part_data, schema, classes))
                size, rows_held = size + part_size, rows_held + len(part)
            counted(rows.num_rows, sum(map(len, data)))
        if held:
            writer.write_table(pa.concat_tables(held))


def _columns(schema: pa.Schema, names: list[str]) -> list[str]:
    """Returns what columns of dsm are called in a schema, by their paths in the file."""
    lead = lead_of(schema)
    return [lead + name for name in names]


def _whole(payloads: Payloads, rows: pa.Table, number: int) -> bytes:
    path, size = rows.column("path")[number].as_py(), rows.column("size")[number].as_py()
    if size > _VALUE_MAX:
        raise InvalidInput(
            f"{printable(path)} is too large for a cell of a Parquet file ({size} bytes)",
            hint="--format webdataset, tar and files take files of any size",
        )
    return b"".join(pieces(payloads.store, rows.column("object")[number].as_py(), path, size))


def _cells(rows: pa.Table, data: list[bytes], schema: pa.Schema, classes: ClassList) -> pa.Table:
    paths = rows.column("path").to_pylist()
    kind = schema.field(0).name
    if fields_in(schema) is not None:
        first = field_columns(rows, data, schema)
    elif kind in (IMAGE, AUDIO):
        first = [
            pa.StructArray.from_arrays(
                [pa.array(data, pa.binary()), pa.array([p.rpartition("/")[2] for p in paths])],
                fields=list(_CELL),
            )
        ]
    elif kind == TEXT:
        first = [pa.array([_text(d, p) for d, p in zip(data, paths, strict=True)], pa.string())]
    else:
        first = [pa.array(data, pa.binary())]
    labels = classes.of(rows)
    columns = [
        *first, pa.array(labels, pa.int64()), rows.column("path"), rows.column("labels"),
        rows.column("time"), rows.column("annotation"),
        pa.array([oid.hex() for oid in rows.column("object").to_pylist()], pa.string()),
        rows.column("size"), rows.column("changeset"),
    ]  # fmt: skip
    lead = lead_of(schema)
    columns += [rows.column(name.removeprefix(lead)) for name in schema.names[len(columns) :]]
    cast = [
        column if column.type == field.type else column.cast(field.type)
        for column, field in zip(columns, schema, strict=True)
    ]
    # Chunks and offsets of what the rows were cut from must not show in the file.
    return pa.Table.from_arrays(cast, schema=schema).combine_chunks()


def _text(data: bytes, path: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise InvalidInput(
            f"{printable(path)} is not UTF-8 text, as a text column must be",
            hint="--format webdataset, tar and files take any bytes",
        ) from None


class _File:
    """A file for Arrow to write to."""

    closed = False

    def __init__(self, write: Write):
        self._write = write
        self._size = 0

    def write(self, data: Any) -> int:
        whole = bytes(data)
        self._write(whole)
        self._size += len(whole)
        return len(whole)

    def tell(self) -> int:
        return self._size

    def flush(self) -> None: ...

    def close(self) -> None: ...


WRITER = ParquetWriter()
