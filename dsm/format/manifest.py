"""Manifests: the rows of one changeset as Parquet, for any Arrow tool to open.

A manifest's id hashes its rows in a canonical column encoding, never the Parquet bytes, which
change with the library that writes them; the hash of the file as written is kept beside it in the
changeset header, so that a whole file is recognised at the speed of BLAKE3. Rows are sorted by
path. Specified in docs/format/manifest.md. This module, the snapshot cache and the views use
pyarrow; it is imported by commands that need rows, never by `status` or `log`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
from blake3 import blake3

from dsm.errors import DamagedData, InvalidInput
from dsm.model.attribute_columns import CODED, INTS, AttributeColumns, Column
from dsm.model.ids import Ids
from dsm.model.names import check_path
from dsm.model.record_path import RECORD, checked_records
from dsm.model.rows import ADDED, DELETED, Rows

ATTRIBUTE = "attr."
TIME = pa.timestamp("us", tz="UTC")
FIXED = [
    pa.field("path", pa.string(), nullable=False),
    pa.field("op", pa.string(), nullable=False),
    pa.field("object", pa.binary(32)),
    pa.field("offset", pa.int64()),
    pa.field("length", pa.int64()),
    pa.field("size", pa.int64()),
    pa.field("time", TIME),
    pa.field("labels", pa.list_(pa.field("item", pa.string(), nullable=False))),
    pa.field("annotation", pa.string()),
]
# Only where a row says true; then it comes after the fixed columns.
TIME_GIVEN = pa.field("time_given", pa.bool_())
# Only where a row is of a record or of a file of records; then it comes next.
RECORDS = pa.field("records", pa.string())
ARROW_TYPES = {
    "string": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(),
}  # fmt: skip


# How much larger than written a file may be: another tool may rewrite it without compression.
REWRITTEN_FACTOR, REWRITTEN_BYTES = 32, 64 << 20
# How much memory rows may take for each byte of their file, and without any.
EXPANDED_FACTOR, EXPANDED_BYTES, EXPANDED_ROW = 64, 512 << 20, 64
GROUP_ROWS = 1 << 20  # of a row group of a file


class ManifestDamaged(DamagedData):
    """A manifest is not what its changeset says it is."""

    code = "manifest-damaged"


def to_table(rows: Rows, types: Mapping[str, str]) -> pa.Table:
    """Builds the Arrow table of rows that are sorted by path; `types` as from `attribute_types`."""
    oids = rows.oids
    if isinstance(oids, Ids) and not oids.lacking:
        ids = pa.Array.from_buffers(pa.binary(32), len(oids), [None, pa.py_buffer(oids.data)])
    else:
        ids = pa.array(list(oids), pa.binary(32))
    everything = not ids.null_count
    puts = [] if everything else [oid is not None for oid in oids]

    def column(values: Any, kind: pa.DataType) -> pa.Array:
        return (
            pa.array(values, kind)
            if everything
            else pa.array([v if put else None for v, put in zip(values, puts, strict=True)], kind)
        )

    count = len(rows)
    arrays = [
        pa.array(rows.paths, pa.string()),
        pa.repeat("put", count)
        if everything
        else pa.array(["put" if put else "delete" for put in puts], pa.string()),
        ids,
        pa.nulls(count, pa.int64()),
        pa.nulls(count, pa.int64()),
        column(rows.sizes, pa.int64()),
        column(rows.times, pa.int64()).cast(TIME),
        column(rows.labels, FIXED[7].type),
        pa.array(rows.annotations, pa.string()),
    ]
    fields = list(FIXED)
    if any(rows.times_given):
        arrays.append(column(rows.times_given, pa.bool_()))
        fields.append(TIME_GIVEN)
    if any(each is not None for each in rows.records):
        arrays.append(pa.array(rows.records, pa.string()))
        fields.append(RECORDS)
    for name, values in _attribute_arrays(rows, types):
        arrays.append(values)
        fields.append(pa.field(ATTRIBUTE + name, values.type))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def _attribute_arrays(rows: Rows, types: Mapping[str, str]) -> Iterator[tuple[str, pa.Array]]:
    """Yields the attributes that a row has, sorted by name, with their values."""
    columns = rows.attributes
    if isinstance(columns, AttributeColumns):
        columns.fill()
        for name, column in sorted(columns.columns.items()):
            if column.types():
                yield name, _array_of(column, ARROW_TYPES[types[name]])
        return
    for name in sorted({name for attributes in columns for name in attributes}):
        values = [attributes.get(name) for attributes in columns]
        yield name, pa.array(values, ARROW_TYPES[types[name]])


def _array_of(column: Column, kind: pa.DataType) -> pa.Array:
    """Returns the values of a column whose rows are filled."""
    count, data = len(column.data), pa.py_buffer(column.data)
    if column.kind == CODED:
        widths = {1: pa.uint8(), 2: pa.uint16(), 4: pa.uint32()}
        codes = pa.Array.from_buffers(widths[column.data.itemsize], count, [None, data])
        return pa.array(column.values, kind).take(codes)
    there = pa.Array.from_buffers(pa.uint8(), count, [None, pa.py_buffer(column.there)])
    valid = there.cast(pa.bool_()).buffers()[1]
    numbers = pa.int64() if column.kind == INTS else pa.float64()
    return pa.Array.from_buffers(numbers, count, [valid, data]).cast(kind)


def rows_id(table: pa.Table) -> str:
    """Returns the manifest id (hex): BLAKE3 over the canonical encoding of the rows."""
    hasher = blake3(b"dsm manifest 1\n")
    hasher.update(struct.pack("<QI", table.num_rows, table.num_columns))
    for field, column in zip(table.schema, table.columns, strict=True):
        name = field.name.encode()
        hasher.update(struct.pack("<I", len(name)) + name)
        array = column.combine_chunks()
        if isinstance(array, pa.ChunkedArray):  # an empty column has no chunk to combine
            array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], field.type)
        _hash_array(hasher, array)
    return hasher.hexdigest()


def _hash_array(hasher: Any, array: pa.Array) -> None:
    """Type name, validity (a byte a row), then values; strings and lists as lengths and items."""
    kind = array.type
    valid = array.is_valid().cast(pa.uint8())
    hasher.update(_plain(kind) + struct.pack("<Q", len(array)))
    hasher.update(_bytes_of(valid))
    if pa.types.is_list(kind):
        lengths = array.value_lengths().fill_null(0).cast(pa.int64())
        hasher.update(_bytes_of(lengths))
        _hash_array(hasher, array.flatten())
    elif pa.types.is_string(kind):
        filled = array.fill_null("") if array.null_count else array
        import pyarrow.compute as pc

        hasher.update(_bytes_of(pc.binary_length(filled).cast(pa.int64())))
        offsets = pa.Array.from_buffers(
            pa.int32(), len(filled) + 1, [None, filled.buffers()[1]], offset=filled.offset
        )
        if len(filled):
            data = filled.buffers()[2]
            first, end = offsets[0].as_py(), offsets[len(filled)].as_py()
            hasher.update(memoryview(data)[first:end] if data is not None else b"")
    elif pa.types.is_fixed_size_binary(kind):
        filled = array.fill_null(bytes(kind.byte_width)) if array.null_count else array
        hasher.update(_bytes_of(filled))
    elif pa.types.is_boolean(kind):
        hasher.update(_bytes_of(array.fill_null(False).cast(pa.uint8())))
    else:
        hasher.update(_bytes_of(array.fill_null(pa.scalar(0, pa.int64()).cast(kind))))


def _plain(kind: pa.DataType) -> bytes:
    if pa.types.is_list(kind):
        return b"list"
    name = {"timestamp[us, tz=UTC]": "time", "fixed_size_binary[32]": "id", "double": "float"}
    return name.get(str(kind), str(kind)).encode()


def _bytes_of(array: pa.Array) -> memoryview:
    width = array.type.bit_width // 8
    buffer = array.buffers()[1]
    if buffer is None or not len(array):
        return memoryview(b"")
    return memoryview(buffer)[array.offset * width : (array.offset + len(array)) * width]


def encode(table: pa.Table) -> bytes:
    """Writes Parquet; no statistics, which would repeat names and values."""
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    repeated = [
        name for name in table.column_names if name not in ("path", "object", "size", "time")
    ]
    if table.num_columns > 1:
        repeated = [_leaf(name, table) for name in repeated]
    pq.write_table(
        table,
        sink,
        compression="zstd",
        compression_level=3,
        use_dictionary=repeated,
        column_encoding={
            "path": "DELTA_BYTE_ARRAY",
            "size": "DELTA_BINARY_PACKED",
            "time": "DELTA_BINARY_PACKED",
        },
        write_statistics=False,
        write_page_checksum=True,
        store_schema=False,
        row_group_size=GROUP_ROWS,
    )
    return bytes(sink.getvalue())


def _leaf(name: str, table: pa.Table) -> str:
    return f"{name}.list.element" if pa.types.is_list(table.schema.field(name).type) else name


def bytes_most(recorded: int) -> int:
    """Returns how many bytes a manifest may have whose changeset records `recorded`."""
    return REWRITTEN_BYTES + REWRITTEN_FACTOR * recorded


def memory_most(size: int) -> int:
    """Returns how many bytes the rows of a manifest may take whose file has `size` bytes."""
    return max(EXPANDED_BYTES, EXPANDED_FACTOR * size)


def decode(
    data: bytes, where: str, *, manifest_id: str, file_id: str | None, rows: int | None = None
) -> pa.Table:
    """Reads and verifies a manifest, which has `rows` rows, if that is known.

    `file_id` is the BLAKE3 of the file as first written; a file rewritten by another tool is
    accepted when its rows still hash to `manifest_id`. Raises ManifestDamaged, before it takes
    memory for rows that are more or larger than they should be.
    """
    import pyarrow.parquet as pq

    intact = file_id is not None and blake3(data).hexdigest() == file_id
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        if rows is not None and file.metadata.num_rows != rows:
            raise ManifestDamaged(f"{where} has {file.metadata.num_rows} rows, not {rows}")
        _check_columns(file.schema_arrow.names)
        if expanded(file, data, unlike="path") > memory_most(len(data)):
            raise ManifestDamaged(f"{where} is damaged: its rows take more memory than they may")
        table = _normal(file.read(use_threads=False))
        table.validate(full=True)  # a hash that fits says nothing of text that is not UTF-8
        if not intact:
            intact = rows_id(table) == manifest_id
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise ManifestDamaged(f"{where} is damaged: it is not a manifest") from error
    if not intact:
        raise ManifestDamaged(f"{where} is damaged: its rows are not those of its changeset")
    return table


def expanded(file: Any, data: bytes, unlike: str = "") -> int:
    """Returns about how many bytes the rows of a Parquet file take once they are decoded.

    A value that comes often is in the file once. Where the worst case would be too much, the values
    are counted as they come, which decodes none; not those of `unlike`, a column without repeats.
    """
    import pyarrow.parquet as pq

    limit = memory_most(len(data))
    metadata = file.metadata
    # Of groups and not of columns: for metadata that is damaged, those end the process.
    groups = range(metadata.num_row_groups)
    stored: int = sum(metadata.row_group(group).total_byte_size for group in groups)
    most: int = max(EXPANDED_ROW * metadata.num_rows, stored)
    if most > limit or stored * metadata.num_rows <= limit:
        return most
    columns = (file.schema.column(number) for number in range(len(file.schema)))
    names = [c.path for c in columns if c.physical_type == "BYTE_ARRAY" and c.path != unlike]
    texts = pq.ParquetFile(pa.BufferReader(data), read_dictionary=names)
    for group in groups:  # Arrow makes no dictionary of lists that several groups share
        part = texts.read_row_group(group, columns=names, use_threads=False)
        for column in part.columns:
            most += sum(_text_bytes(chunk) for chunk in column.chunks)
    return most


def _text_bytes(array: pa.Array) -> int:
    """Returns how many bytes the texts of an array have that is stored as a dictionary."""
    import pyarrow.compute as pc

    if pa.types.is_list(array.type):
        array = array.flatten()
    if not pa.types.is_dictionary(array.type):
        return int(array.nbytes)
    lengths = pc.binary_length(array.dictionary).cast(pa.int64())
    return int(pc.sum(lengths.take(array.indices)).as_py() or 0)


def _check_columns(names: list[str]) -> None:
    """Raises ValueError for other columns than a manifest has."""
    known = [field.name for field in FIXED]
    if TIME_GIVEN.name in names:
        known.append(TIME_GIVEN.name)
    if RECORDS.name in names:
        known.append(RECORDS.name)
    if names != known + [name for name in names if name.startswith(ATTRIBUTE)]:
        raise ValueError("unexpected columns")


def _normal(table: pa.Table) -> pa.Table:
    """Checks the schema and restores the exact types (Parquet has no 32-byte binary of its own)."""
    fields = list(FIXED)
    if TIME_GIVEN.name in table.column_names:
        fields.append(TIME_GIVEN)
    if RECORDS.name in table.column_names:
        fields.append(RECORDS)
    for field in table.schema:
        if field.name.startswith(ATTRIBUTE):
            if field.type not in ARROW_TYPES.values():
                raise ValueError(f"column {field.name} has type {field.type}")
            fields.append(pa.field(field.name, field.type))
    return table.cast(pa.schema(fields))


def check_rows(table: pa.Table, where: str) -> None:
    """Refuses rows that no dsm would have written: bad paths, wrong order, impossible values.

    For manifests from elsewhere; what `restore` writes is checked again there.
    """
    import pyarrow.compute as pc

    if not table.num_rows:
        return
    paths = table.column("path").combine_chunks()
    for path in paths.filter(_unusual(paths)).to_pylist():
        try:
            check_path(path)
        except InvalidInput as error:
            raise ManifestDamaged(f"{where}: {error.message}") from error
    if not pc.all(pc.less(paths[:-1], paths[1:])).as_py() and len(paths) > 1:
        raise ManifestDamaged(f"{where}: its rows are not sorted by path, or a path comes twice")
    if (pc.min(table.column("size")).as_py() or 0) < 0:
        raise ManifestDamaged(f"{where}: a size is negative")
    put = pc.equal(table.column("op"), "put")
    told = ["object", "size", "time", "labels"]
    if TIME_GIVEN.name in table.column_names:
        told.append(TIME_GIVEN.name)
    for name in told:
        if not pc.all(pc.equal(put, pc.is_valid(table.column(name)))).as_py():
            raise ManifestDamaged(f"{where}: a row puts nothing, or deletes something")
    if RECORDS.name in table.column_names:
        _check_records(table, where)
    for name in ("offset", "length"):
        if table.column(name).null_count != table.num_rows:
            raise ManifestDamaged(
                f"{where}: a row puts a part of an object; this dsm knows whole ones only",
                hint="a newer dsm wrote it: upgrade with `pip install --upgrade dsm-datasets`",
            )


def _check_records(table: pa.Table, where: str) -> None:
    """Refuses what no records file says of itself, and records without a name."""
    import pyarrow.compute as pc

    said = table.column(RECORDS.name)
    try:
        for value in pc.unique(said).to_pylist():
            checked_records(value)
    except ValueError as error:
        raise ManifestDamaged(f"{where}: {error}") from error
    names = table.column("path").filter(pc.equal(said, RECORD))
    if pc.all(pc.match_substring_regex(names, r"[^/]#[^#/]+\z")).as_py() is False:
        raise ManifestDamaged(f"{where}: a record has a path that no record has")


def _unusual(paths: pa.Array) -> pa.Array:
    """Which paths have to be looked at one by one: all but plain ASCII with nothing hidden."""
    import pyarrow.compute as pc

    doubts = [
        pc.invert(pc.string_is_ascii(paths)),
        pc.greater(pc.binary_length(paths), 255),
        pc.equal(pc.binary_length(paths), 0),
        pc.starts_with(paths, "/"), pc.starts_with(paths, "."), pc.ends_with(paths, "/"),
        *(pc.match_substring(paths, text) for text in ("/.", "//", "\0")),
    ]  # fmt: skip
    unusual = doubts[0]
    for doubt in doubts[1:]:
        unusual = pc.or_(unusual, doubt)
    return unusual


def to_rows(table: pa.Table) -> Rows:
    """Returns the rows as Python columns; every put counts as added."""
    oids = table.column("object").to_pylist()
    names = [name for name in table.column_names if name.startswith(ATTRIBUTE)]
    attributes: list[dict[str, Any]] = [{} for _ in oids]
    for name in names:
        key = name[len(ATTRIBUTE) :]
        for row, value in enumerate(table.column(name).to_pylist()):
            if value is not None:
                attributes[row][key] = value
    given = [False] * len(oids)
    if TIME_GIVEN.name in table.column_names:
        given = [bool(value) for value in table.column(TIME_GIVEN.name).to_pylist()]
    records: list[str | None] = [None] * len(oids)
    if RECORDS.name in table.column_names:
        records = table.column(RECORDS.name).to_pylist()
    return Rows(
        paths=table.column("path").to_pylist(),
        kinds=[DELETED if oid is None else ADDED for oid in oids],
        oids=oids,
        sizes=[size or 0 for size in table.column("size").to_pylist()],
        times=[time or 0 for time in table.column("time").cast(pa.int64()).to_pylist()],
        labels=[tuple(labels or ()) for labels in table.column("labels").to_pylist()],
        annotations=table.column("annotation").to_pylist(),
        attributes=attributes,  # type: ignore[arg-type]
        times_given=given,
        records=records,
    )
