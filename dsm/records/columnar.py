"""Reading Parquet and Arrow: a record is a row as one JSON object, in one stated form.

Rows are no byte ranges of such a file, so it is stored as it is, and the rows beside it: members in
the order of the columns, no blanks, UTF-8; nulls are null, bytes are base64 in an object, times are
texts. Specified in docs/format/manifest.md.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
from blake3 import blake3

from dsm.format.pack import OBJECT_BYTES_MAX
from dsm.model.names import printable
from dsm.records.compressed import Budget
from dsm.records.gathering import LOOKED_AT, Gathering, Read, RecordsInvalid
from dsm.records.groups import Grouper, GroupStore
from dsm.records.jsonl import fields_of
from dsm.records.settings import RecordSettings
from dsm.records.whole import Parts, is_still, store_whole

_ROWS = 1000
_HELD_BYTES = 64 << 20
_BASE64 = "base64"
_TEXTS = (pa.types.is_string, pa.types.is_large_string)
_BYTES = (
    pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary,
    pa.types.is_binary_view,
)  # fmt: skip
_LISTS = (
    pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list,
    pa.types.is_list_view, pa.types.is_large_list_view,
)  # fmt: skip
_OUT_OF_RANGE = "<value out of range"  # how Arrow spells a moment that no calendar has
_SPELT = (
    pa.types.is_date, pa.types.is_time, pa.types.is_duration, pa.types.is_decimal,
    pa.types.is_interval,
)  # fmt: skip


class ColumnarReader:
    """Reads Parquet, Arrow IPC files and streams, and Feather; see `RecordReader`."""

    def read(
        self, file: BinaryIO, name: str, settings: RecordSettings, store: GroupStore | None = None
    ) -> Read:
        """See `RecordReader.read`."""
        gathered = Gathering(name, settings, "row")
        oid, size = store_whole(file, name, store)
        parts = None if store is None else Parts(store, ".jsonl")
        grouper, budget = Grouper(parts, ".jsonl"), Budget(name)
        number = 0
        try:
            for batch in _batches(file, settings.format):
                if not number:
                    _require_key(batch.schema.names, gathered)
                for row in _rows(batch, number, gathered):
                    number += 1
                    _take(row, number, gathered, grouper, budget, size)
        except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError) as error:
            if isinstance(error, RecordsInvalid):
                raise
            reason = _cut_off(file, settings.format) or _damage(error, number)
            raise RecordsInvalid(
                f"{printable(name)} {reason}",
                hint="get the file again, or write it again",
                items=(name,),
            ) from None
        grouper.finish()
        read = gathered.finish(oid, size)
        read.size = size if is_still(file, oid) else -1
        return read

    def fields(self, data: bytes, settings: RecordSettings) -> dict[str, Any]:
        """See `RecordReader.fields`."""
        return fields_of(data)


def _cut_off(file: BinaryIO, form: str) -> str | None:
    """Says that a file is none of its format, or only the beginning of one; None for neither."""
    file.seek(0)
    head = file.read(6) or b""
    file.seek(max(0, file.seek(0, os.SEEK_END) - 6))
    tail = file.read(6) or b""
    if form == "parquet" and head[:4] != b"PAR1":
        return "is no Parquet file: it does not begin as one does"
    if (form == "parquet" and tail[-4:] != b"PAR1") or (head == b"ARROW1" != tail):
        kind = "a Parquet" if form == "parquet" else "an Arrow"
        return f"is cut off: it does not end as {kind} file does"
    return None


def _damage(error: Exception, number: int) -> str:
    where = f" behind row {number:,}" if number else ""
    reason = (str(error).splitlines() or [""])[0][:200]
    return f"is damaged, or written in a way that dsm does not read{where}: {printable(reason)}"


def _require_key(names: list[str], gathered: Gathering) -> None:
    tops = {*names, *(field for field in gathered.settings.key if field.partition(".")[0] in names)}
    missing = [field for field in gathered.settings.key if field not in tops]
    if missing:
        raise RecordsInvalid(
            f"{printable(gathered.name)}: there is no column '{printable(missing[0])}', which is"
            " the key",
            hint=f"it has {', '.join(printable(each) for each in names[:12])}",
            items=(gathered.name,),
        )


def _take(
    row: dict[str, Any], number: int, gathered: Gathering, grouper: Grouper, budget: Budget,
    size: int,
) -> None:  # fmt: skip
    data = json.dumps(row, ensure_ascii=False, separators=(",", ":"), default=str).encode()
    if len(data) >= OBJECT_BYTES_MAX:
        raise gathered.wrong(
            number, f"is {len(data):,} bytes long; a record has less than {OBJECT_BYTES_MAX:,}"
        )
    budget.spend(size, len(data), 1)
    oid: bytes = blake3(data).digest()
    grouper.add(data + b"\n", oid, 0, len(data))
    gathered.take(oid, len(data), number)
    if number <= LOOKED_AT:
        gathered.look_at(row)
    gathered.hear(row, number)


def _batches(file: BinaryIO, form: str) -> Iterator[pa.RecordBatch]:
    """Yields the rows of a file, some at a time."""
    if form == "parquet":
        import pyarrow.parquet as pq

        schema = pq.read_schema(pa.PythonFile(file, "r"))
        texts = [f.name for f in schema if any(is_(f.type) for is_ in _TEXTS)]
        file.seek(0)
        # As dictionaries, so that a text that is there often is in memory once.
        source = pq.ParquetFile(pa.PythonFile(file, "r"), read_dictionary=texts)
        yield from source.iter_batches(batch_size=_ROWS, use_threads=False)
        return
    head = file.read(6)
    file.seek(0)
    opened = pa.PythonFile(file, "r")
    if head == b"ARROW1":
        reader = pa.ipc.open_file(opened)
        yield from (reader.get_batch(index) for index in range(reader.num_record_batches))
    else:
        yield from pa.ipc.open_stream(opened)


def _rows(batch: pa.RecordBatch, before: int, gathered: Gathering) -> Iterator[dict[str, Any]]:
    """Yields rows as Python values, of which JSON can be made; so many in memory as is bounded.

    So many rows are `before` them. Raises RecordsInvalid.
    """
    names = batch.schema.names
    if len(set(names)) < len(names):
        twice = next(name for at, name in enumerate(names) if name in names[:at])
        raise RecordsInvalid(
            f"{printable(gathered.name)} has the column '{printable(twice)}' twice",
            hint="rename one, and write the file again",
            items=(gathered.name,),
        )
    step = max(1, min(_ROWS, _HELD_BYTES // max(1, sum(map(_longest, batch.columns)))))
    for first in range(0, batch.num_rows, step):
        part = batch.slice(first, step)
        try:
            columns = [_values(column) for column in part.columns]
        except (UnicodeDecodeError, _Unspelt):
            raise _unreadable(part, before + first, gathered) from None
        for values in zip(*columns, strict=True) if columns else ():
            yield dict(zip(names, values, strict=True))


class _Unspelt(ValueError):
    """A value of a type of times that stands for no moment."""


def _unreadable(part: pa.RecordBatch, before: int, gathered: Gathering) -> RecordsInvalid:
    """Returns what tells the row and the field of a value that cannot be read."""
    for number, row in enumerate(range(part.num_rows), before + 1):
        for name, column in zip(part.schema.names, part.columns, strict=True):
            try:
                _values(column.slice(row, 1))
            except UnicodeDecodeError:
                return gathered.wrong(
                    number, f"is not UTF-8 in the field '{printable(name)}'",
                    "write such a column as binary, or convert it",
                )  # fmt: skip
            except _Unspelt:
                return gathered.wrong(
                    number, f"has a time that no calendar has in the field '{printable(name)}'",
                    "write null where there is none, or the column as numbers",
                )  # fmt: skip
    raise AssertionError("every value can be read")


def _longest(column: pa.Array) -> int:
    """Returns how many bytes the longest value of a column of texts has, once it is taken apart."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary
    if pa.types.is_string_view(column.type) or pa.types.is_binary_view(column.type):
        column = column.cast(pa.large_binary())
    if any(is_(column.type) for is_ in (*_TEXTS, *_BYTES)) and len(column):
        return int(pc.max(pc.binary_length(column)).as_py() or 0)
    return 8


def _values(column: pa.Array) -> list[Any]:
    """Returns the values of a column as JSON has them, however deep they lie."""
    kind, is_ = column.type, pa.types
    if is_.is_dictionary(kind):
        # Of texts that are there often each is in memory once.
        texts = any(is_text(kind.value_type) for is_text in _TEXTS)
        return list(column.to_pylist()) if texts else _values(column.dictionary_decode())
    if is_.is_struct(kind) and len({field.name for field in kind}) == kind.num_fields:
        return _objects(column)
    if is_.is_map(kind):
        return _pairs(column)
    if any(is_list(kind) for is_list in _LISTS):
        values = iter(_values(column.flatten()))
        lengths = pc.list_value_length(column).to_pylist()
        return [None if length is None else [*islice(values, length)] for length in lengths]
    if is_.is_nested(kind) or any(is_bytes(kind) for is_bytes in _BYTES):
        return [_plain(value) for value in column.to_pylist()]
    if is_.is_timestamp(kind):
        if kind.tz is not None:
            column = column.cast(pa.timestamp(kind.unit, "UTC"))
        return list(pc.replace_substring(_spelt(column), " ", "T").to_pylist())
    if any(is_spelt(kind) for is_spelt in _SPELT):
        try:
            return list(_spelt(column).to_pylist())
        except pa.ArrowNotImplementedError:
            return [None if v is None else str(v) for v in column.to_pylist()]
    return list(column.to_pylist())


def _spelt(column: pa.Array) -> pa.Array:
    """Returns values as the texts that Arrow makes of them. Raises _Unspelt."""
    texts = column.cast(pa.string())
    if pc.any(pc.starts_with(texts, _OUT_OF_RANGE)).as_py():
        raise _Unspelt
    return texts


def _objects(column: pa.StructArray) -> list[Any]:
    names = [field.name for field in column.type]
    if not names:
        return [None if value is None else {} for value in column.to_pylist()]
    rows = zip(*map(_values, column.flatten()), strict=True)
    there = column.is_valid().to_pylist()
    return [
        dict(zip(names, row, strict=True)) if valid else None
        for row, valid in zip(rows, there, strict=True)
    ]


def _pairs(column: pa.MapArray) -> list[Any]:
    ends = column.offsets.to_pylist()
    first, count = ends[0], ends[-1] - ends[0]
    keys, values = (_values(each.slice(first, count)) for each in (column.keys, column.items))
    there = column.is_valid().to_pylist()
    return [
        [[keys[at], values[at]] for at in range(begin - first, end - first)] if valid else None
        for begin, end, valid in zip(ends[:-1], ends[1:], there, strict=True)
    ]


def _plain(value: Any) -> Any:
    """Returns a value with bytes as base64."""
    if isinstance(value, bytes):
        return {_BASE64: base64.b64encode(value).decode("ascii")}
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


READER = ColumnarReader()
