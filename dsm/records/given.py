"""Records that are given as Python values or Arrow data, as the lines of a JSON Lines file.

Each is one JSON object without blanks, its fields in their order; times are ISO 8601, decimal
numbers and UUIDs texts, null what a table has no value for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dsm.errors import InvalidInput
from dsm.model.names import printable

# Rows of a table that become Python values at once.
ROWS = 1024
_TEXTS = ("Decimal", "UUID", "date", "datetime", "time")
_INDEX = "__index_level_"  # columns that pandas adds for an index without a name


class Lines:
    """Lines as a file that is read once, from front to back."""

    def __init__(self, lines: Iterator[bytes]):
        self._lines = lines
        self._rest = b""

    def read(self, size: int) -> bytes:
        """Returns so many bytes, fewer at the end alone."""
        parts = [self._rest]
        held = len(self._rest)
        while held < size and (line := next(self._lines, b"")):
            parts.append(line)
            held += len(line)
        data = b"".join(parts)
        self._rest = data[size:]
        return data[:size]


def lines_of(data: Any) -> Iterator[bytes]:
    """Yields the line of each record of `data`: mappings, or what hands out Arrow data, such as
    tables and data frames.

    Raises InvalidInput for what is no record, or holds what JSON does not; its message counts
    records from 1.
    """
    encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain)
    for number, record in enumerate(_records(data), 1):
        if not isinstance(record, Mapping):
            raise InvalidInput(
                f"record {number} is {type(record).__name__}, and no mapping of fields to values"
            )
        odd = next((name for name in record if not isinstance(name, str)), "")
        if odd != "":
            raise InvalidInput(f"record {number} has the field {odd!r}, whose name is no text")
        try:
            line = encoder.encode(record if isinstance(record, dict) else dict(record)).encode()
        except (TypeError, ValueError, RecursionError) as error:
            # ValueError: it holds itself, or text that is not UTF-8
            raise _unwritable(record, number, encoder, error) from None
        yield line + b"\n"


def _unwritable(
    record: Mapping[str, Any], number: int, encoder: json.JSONEncoder, error: Exception
) -> InvalidInput:
    """Returns what tells the field of a record that is no JSON."""
    where = ""
    for name, value in record.items():
        try:
            encoder.encode({name: value}).encode()
        except (TypeError, ValueError, RecursionError):
            where = f" in the field '{printable(name)}'"
            break
    return InvalidInput(
        f"record {number} has something{where} that JSON does not hold: {printable(str(error))}",
        hint="write it as text or numbers, or the rows as Parquet: dsm add FILE.parquet --records",
    )


def _records(data: Any) -> Iterator[Any]:
    if hasattr(data, "__arrow_c_stream__"):
        yield from _rows(data)
    elif isinstance(data, Mapping | str | bytes) or not isinstance(data, Iterable):
        raise InvalidInput(
            f"records are an iterable of mappings or a table, not {type(data).__name__}"
        )
    else:
        yield from data


def _rows(data: Any) -> Iterator[dict[str, Any]]:
    import pyarrow as pa

    try:
        reader = pa.RecordBatchReader.from_stream(data)
    except (pa.ArrowException, ValueError) as error:
        raise InvalidInput(f"the table cannot be read as Arrow data: {error}") from None
    names = [name for name in reader.schema.names if not name.startswith(_INDEX)]
    if len(set(names)) < len(names):
        raise InvalidInput("the table has a column name twice")
    for batch in reader:
        rows = batch.select(names)
        for first in range(0, rows.num_rows, ROWS):
            yield from rows.slice(first, ROWS).to_pylist()


def _plain(value: Any) -> Any:
    """Returns what JSON has instead of a value that it has not. Raises TypeError."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple | set | frozenset):
        return sorted(value) if isinstance(value, set | frozenset) else list(value)
    if type(value).__name__ in _TEXTS:
        return value.isoformat() if hasattr(value, "isoformat") else str(value)
    if hasattr(value, "tolist") and hasattr(value, "dtype"):  # of NumPy
        return value.tolist()
    raise TypeError(f"a value of the type {type(value).__name__}")
