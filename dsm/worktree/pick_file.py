"""Files of what people pick: paths or object ids, one a line, or a column of a table.

Hides text, CSV, TSV and Parquet. What is read is bounded: a list of more than a gigabyte, or a
Parquet column that says it has more, is refused before it is in memory.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, BinaryIO

from dsm.errors import InvalidInput, NotFound
from dsm.model.names import close_matches, printable
from dsm.worktree.label_source import PATH_COLUMNS, LabelSource

BYTES_MAX = 1 << 30
ENTRIES_MAX = 50_000_000
BATCH_ROWS = 1 << 16
COLUMNS = (*PATH_COLUMNS, "object", "oid", "id")  # what picks, where no column is named
STREAM = "standard input"


def read_picks(source: str | BinaryIO, column: str | None = None) -> list[str]:
    """Returns what a file holds: the suffix tells a table, of an open file a `column` does.

    Raises NotFound, InvalidInput.
    """
    if not isinstance(source, str):
        data = _bounded(source, STREAM)
        if data.startswith(b"PAR1"):
            return _from_parquet(data, STREAM, column)
        return _from_text(data, STREAM) if column is None else _from_csv(data, STREAM, column)
    suffix, name = os.path.splitext(source)[1].lower(), printable(source)
    try:
        with open(source, "rb") as file:
            data = _bounded(file, name)
    except FileNotFoundError:
        raise NotFound(
            f"there is no file {name} to pick by", hint="- stands for standard input"
        ) from None
    except OSError as error:
        raise InvalidInput(f"{name} cannot be read: {error.strerror}") from error
    if suffix == ".parquet":
        return _from_parquet(data, name, column)
    if suffix in (".csv", ".tsv") or column is not None:
        return _from_csv(data, name, column)
    return _from_text(data, name)


def _bounded(file: BinaryIO, name: str) -> bytes:
    data = file.read(BYTES_MAX + 1)
    if len(data) > BYTES_MAX:
        raise InvalidInput(f"{name} is longer than {BYTES_MAX:,} bytes", hint="pick less at once")
    return data


def _decoded(data: bytes, name: str) -> str:
    return LabelSource(name, "", "line", data, missing=frozenset()).text()


def _from_text(data: bytes, name: str) -> list[str]:
    """Returns the lines, or what NUL bytes end where there are some, as `dsm ls -z` writes."""
    text = _decoded(data, name)
    if "\0" in text:
        return [item for item in text.split("\0") if item]
    lines = (line.removesuffix("\r") for line in text.split("\n"))
    return _counted((line for line in lines if line.strip()), name)


def _from_csv(data: bytes, name: str, column: str | None) -> list[str]:
    import csv
    import io

    text = _decoded(data, name)
    header = text.partition("\n")[0]
    tabs = name.lower().endswith(".tsv") or ("\t" in header and "," not in header)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t" if tabs else ",")
    try:
        names = next(reader, [])
        at = names.index(_column(names, column, name))
        found = (row[at] for row in reader if len(row) > at and row[at])
        return _counted(found, name)
    except csv.Error as error:
        raise InvalidInput(f"{name}, line {reader.line_num}: {error}") from None


def _from_parquet(data: bytes, name: str, column: str | None) -> list[str]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        buffer = pa.BufferReader(data)
        schema = parquet.read_schema(buffer)
        chosen = _column(schema.names, column, name)
        kind = schema.field(chosen).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        id_bytes = pa.types.is_binary(kind) or kind == pa.binary(32)
        if not (id_bytes or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            raise InvalidInput(f"{name}: the column '{printable(chosen)}' has the type {kind}")
        # As a dictionary: a text that stands in each of many rows is in memory once.
        file = parquet.ParquetFile(pa.BufferReader(data), read_dictionary=[chosen])
        _require_small(file.metadata, chosen, name)
        return _counted(
            (
                value.hex() if isinstance(value, bytes) else value
                for batch in file.iter_batches(BATCH_ROWS, columns=[chosen])
                for value in batch.column(0).unique().to_pylist()
                if value
            ),
            name,
        )
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InvalidInput(f"{name} cannot be read: {printable(str(error))}") from None


def _require_small(metadata: Any, column: str, name: str) -> None:
    """Raises InvalidInput for a column that says it is larger than what may be picked."""
    size = 0
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for at in range(row_group.num_columns):
            if row_group.column(at).path_in_schema == column:
                size += row_group.column(at).total_uncompressed_size
    if size > BYTES_MAX or metadata.num_rows > ENTRIES_MAX:
        raise InvalidInput(
            f"{name}: the column '{printable(column)}' has {metadata.num_rows:,} rows of"
            f" {size:,} bytes",
            hint=f"a list of picks has at most {ENTRIES_MAX:,} rows and {BYTES_MAX:,} bytes",
        )


def _column(names: list[str], asked: str | None, name: str) -> str:
    """Returns the column that picks. Raises InvalidInput, NotFound."""
    if asked is not None:
        if names.count(asked) != 1:
            near = close_matches(asked, names)
            raise NotFound(
                f"{name} has no column '{printable(asked)}'",
                hint=f"did you mean {printable(near[0])}?" if near else
                f"its columns are {printable(', '.join(names[:20]))}",
            )  # fmt: skip
        return asked
    found = next((each for each in COLUMNS if names.count(each) == 1), None)
    if found is None and len(names) == 1:
        found = names[0]
    if found is None:
        raise InvalidInput(
            f"{name} does not say which column picks",
            hint=f"give --pick-column; its columns are {printable(', '.join(names[:20]))}",
        )
    return found


def _counted(found: Iterable[str], name: str) -> list[str]:
    items = list[str]()
    for item in found:
        items.append(item)
        if len(items) > ENTRIES_MAX:
            raise InvalidInput(f"{name} has more than {ENTRIES_MAX:,} entries")
    return items
