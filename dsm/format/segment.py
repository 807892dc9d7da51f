"""Stage segments: the rows that one command staged, in one checked file of this machine.

    magic 8 · header length u32 · header JSON · columns · BLAKE3 of all before it

Read with the standard library alone, so that `dsm status` starts fast. Columns are laid out one
after the other; ids are raw, everything else is deflated, numbers as byte planes. Specified in
docs/format/stage.md.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import zlib
from array import array
from collections.abc import Callable
from itertools import repeat
from operator import is_
from typing import Any

from blake3 import blake3

from dsm.errors import DamagedData, InvalidInput
from dsm.model.attribute_columns import CODED, FLOATS, INTS, AttributeColumns, Column
from dsm.model.deflated import (
    PATHS_RATIO,
    deflate,
    deflate_pieces,
    inflate,
    inflate_pieces,
    most,
)
from dsm.model.ids import Ids
from dsm.model.names import check_paths
from dsm.model.record_path import checked_records
from dsm.model.rows import ADDED, DELETED, FORGET, MODIFIED, NOTHING, RELABELLED, Rows, shared

MAGIC = b"DSMSTAG\x01"
LENGTH = struct.Struct("<I")
DIGEST = 32
PARTS = (11, 12, 14)
# Of a column of attributes: what each row has, and the values that codes stand for or which rows
# have one.
_COLUMN_PARTS = 2
_CODES = {1: "B", 2: "H", 4: "I"}
_KINDS = frozenset((ADDED, MODIFIED, RELABELLED, DELETED, FORGET))
# Rows beyond as many as their deflated paths have bytes: a path costs more than that.
_ROWS_FREE = 1024
_PATHS_AT_ONCE = 1 << 16  # when they are deflated, and inflated


def encode(header: dict[str, Any], rows: Rows) -> bytes:
    """Returns the bytes of a segment; `header` is any JSON object."""
    columns = rows.attributes if isinstance(rows.attributes, AttributeColumns) else None
    parts = [
        _paths(rows.paths),
        zlib.compress("".join(rows.kinds).encode(), 1),
        _ids(rows.oids),
        _numbers(rows.sizes),
        _numbers(rows.times),
        *_dictionary(rows.labels),
        *_dictionary(rows.annotations),
        *_dictionary([NOTHING] * len(rows) if columns is not None else list(rows.attributes)),
    ]
    has_records = columns is not None or any(each is not None for each in rows.records)
    if has_records or any(rows.times_given):
        parts.append(zlib.compress(bytes(rows.times_given), 1))
    if has_records:
        parts += _dictionary(rows.records)
    meta = {**header, "rows": len(rows)}
    if columns is not None:
        columns.fill()
        meta["columns"] = [[name, each.kind] for name, each in columns.columns.items()]
        for each in columns.columns.values():
            parts += _column(each)
    meta["parts"] = [len(part) for part in parts]
    head = json.dumps(meta, separators=(",", ":")).encode()
    body = (MAGIC, LENGTH.pack(len(head)), head, *parts)
    digest = blake3()
    for part in body:  # not joined: once more of millions of ids is too much
        digest.update(part)
    return b"".join((*body, digest.digest()))


def _ids(oids: list[bytes | None] | Ids) -> bytes | bytearray:
    return oids.there() if isinstance(oids, Ids) else b"".join(filter(None, oids))


def decode(data: bytes, where: str) -> tuple[dict[str, Any], Rows]:
    """Reads a segment; `where` is the path of its file, whose name the header may tell.

    Raises DamagedData naming `where` when it is not intact.
    """
    body, digest = memoryview(data)[:-DIGEST], data[-DIGEST:]
    if data[:8] != MAGIC or blake3(body).digest() != digest:
        raise DamagedData(
            f"{where} is damaged: staged changes were lost",
            hint="run `dsm restore --staged` to drop the stage, then `dsm add` again",
        )
    try:
        header, rows = _decode(body)
    except (ValueError, LookupError, TypeError, AttributeError, StopIteration, RecursionError,
            struct.error, InvalidInput) as error:  # fmt: skip
        raise DamagedData(f"{where} is damaged: it is not a stage segment") from error
    if any(len(column) != len(rows) for column in rows.columns()):
        raise DamagedData(f"{where} is damaged: its columns have different lengths")
    # Names order the segments, so one that was renamed may win over a later one.
    name = os.path.basename(where)
    if name.endswith(".stage") and header.get("name", name) != name:
        raise DamagedData(
            f"{where} was renamed: staged changes were lost",
            hint="run `dsm restore --staged` to drop the stage, then `dsm add` again",
        )
    return header, rows


def _decode(body: memoryview) -> tuple[dict[str, Any], Rows]:
    """Raises ValueError and others for what `encode` does not write, before it takes memory."""
    first = 8 + LENGTH.size
    end = first + LENGTH.unpack_from(body, 8)[0]
    header = json.loads(bytes(body[first:end]))
    sizes, count = header.pop("parts"), header.pop("rows")
    if not all(type(size) is int and size >= 0 for size in (*sizes, count, header.get("base", 0))):
        raise ValueError("a count is of another kind")
    if not all(q is None or q == FORGET or isinstance(q, dict) for q in _queries(header)):
        raise ValueError("a query is of another kind")
    if end + sum(sizes) != len(body):
        raise ValueError("its parts do not add up")
    parts, at = [], end
    for size in sizes:
        parts.append(body[at : at + size])
        at += size
    if not count:
        header.pop("columns", None)
        return header, Rows()
    columns = _read_columns(header.pop("columns", None), parts, count)
    if len(parts) not in PARTS or count > len(parts[0]) + _ROWS_FREE:
        raise ValueError("it has not as many rows as it says")
    paths = _read_paths(parts[0], count)
    kinds = list(inflate(parts[1], count).decode())
    if len(kinds) != count or not _KINDS.issuperset(kinds):
        raise ValueError("it has not as many rows as it says")
    check_paths(paths)
    ids = bytearray(parts[2])
    oids: list[bytes | None] | Ids
    if len(ids) != 32 * (count - kinds.count(DELETED) - kinds.count(FORGET)):
        raise ValueError("it has not as many ids as rows that put something")
    if len(ids) == 32 * count:
        oids = Ids(ids)
    else:
        stored = iter(Ids(ids))
        oids = [None if kind in "DF" else next(stored) for kind in kinds]
    given = [False] * count
    if len(parts) > PARTS[0]:
        given = [flag == 1 for flag in inflate(parts[11], count)]
    if columns is not None and len(parts) != PARTS[-1]:
        raise ValueError("it has not the parts that columns come after")
    records: list[str | None] = [None] * count
    if len(parts) > PARTS[1]:
        records = _read_dictionary(parts[12], parts[13], count, _records)
    rows = Rows(
        paths=paths,
        kinds=kinds,
        oids=oids,
        sizes=_read_numbers(parts[3], count),
        times=_read_numbers(parts[4], count),
        labels=_read_dictionary(parts[5], parts[6], count, _labels),
        annotations=_read_dictionary(parts[7], parts[8], count, _annotation),
        attributes=_read_dictionary(parts[9], parts[10], count, _attributes)
        if columns is None
        else columns,
        times_given=given,
        records=records,
    )
    if min(rows.sizes) < 0:
        raise ValueError("a size is negative")
    return header, rows


def _queries(header: dict[str, Any]) -> list[Any]:
    return list(header.get("queries", {}).values())


def _labels(value: Any) -> tuple[str, ...]:
    if isinstance(value, list) and all(isinstance(label, str) for label in value):
        return tuple(value)
    raise ValueError("labels are of another kind")


def _annotation(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise ValueError("an annotation is of another kind")


def _records(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return checked_records(value)
    raise ValueError("what is said of records is of another kind")


def _attributes(value: Any) -> dict[str, Any]:
    if isinstance(value, dict) and all(isinstance(v, str | int | float) for v in value.values()):
        return value
    raise ValueError("attributes are of another kind")


def _column(column: Column) -> tuple[bytes, bytes]:
    """Returns the parts of a column whose rows are filled."""
    data = column.data
    if column.kind == CODED:
        width = 1 if len(column.values) <= 1 << 8 else 2 if len(column.values) <= 1 << 16 else 4
        codes = array(_CODES[width], data)
        text = json.dumps(column.values, separators=(",", ":"), ensure_ascii=False).encode()
        return deflate(_planes(_little(codes), width), 1), deflate(text, 1)
    there = b"" if 0 not in column.there else deflate(bytes(column.there), 1)
    return deflate(_planes(_little(array(data.typecode, data)), 8), 1), there


def _read_columns(listed: Any, parts: list[memoryview], count: int) -> AttributeColumns | None:
    """Takes the parts of columns off the others; None where attributes are not in columns."""
    if listed is None:
        return None
    first = len(parts) - _COLUMN_PARTS * len(listed)
    if first < 0:
        raise ValueError("it has not the parts of its columns")
    taken, parts[first:] = parts[first:], []
    columns: dict[str, Column] = {}
    for at, (name, kind) in enumerate(listed):
        if not isinstance(name, str) or name in columns:
            raise ValueError("a column is of another kind")
        data, more = taken[_COLUMN_PARTS * at : _COLUMN_PARTS * (at + 1)]
        columns[name] = _read_column(kind, data, more, count)
    return AttributeColumns(count, columns)


def _read_column(kind: str, packed: memoryview, more: memoryview, count: int) -> Column:
    plain = inflate(packed, most(packed))
    values: list[Any] = [None]
    if kind == CODED:
        values = json.loads(inflate(more, most(more)))
        sound = isinstance(values, list) and values[0] is None
        if not sound or not all(v is None or isinstance(v, str | int | float) for v in values):
            raise ValueError("a column has other values")
        data = array(_CODES[len(plain) // count])
    elif kind in (INTS, FLOATS):
        data = array(kind)
    else:
        raise ValueError("a column is of another kind")
    if len(plain) != count * data.itemsize:
        raise ValueError("a column has not as many rows as it should")
    data.frombytes(_interleaved(plain, data.itemsize))
    if sys.byteorder == "big":
        data.byteswap()
    if kind == CODED:
        if max(data) >= len(values):
            raise ValueError("a column has other codes than values")
        return Column(kind, data, bytearray(), values)
    there = bytearray(inflate(more, most(more)) if len(more) else b"\1" * count)
    if len(there) != count or there.strip(b"\0\1"):
        raise ValueError("a column has not as many rows as it should")
    return Column(kind, data, there, values)


def _paths(paths: list[str]) -> bytes:
    pieces = range(0, len(paths), _PATHS_AT_ONCE)
    joined = (
        ("\0" * bool(at) + "\0".join(paths[at : at + _PATHS_AT_ONCE])).encode() for at in pieces
    )
    packed = deflate_pieces(joined, 6, PATHS_RATIO)
    # Fewer bytes than paths: a reader would not believe it.
    if packed is not None and len(paths) <= len(packed) + _ROWS_FREE:
        return packed
    return zlib.compress("\0".join(paths).encode(), 0)


def _read_paths(packed: memoryview, count: int) -> list[str]:
    """Raises ValueError where there are not so many."""
    paths: list[str] = []
    rest = b""
    for piece in inflate_pieces(packed, most(packed, PATHS_RATIO)):
        if len(paths) + piece.count(b"\0") >= count:
            raise ValueError("it has not as many rows as it says")
        whole, end, rest = (rest + piece).rpartition(b"\0")
        paths += whole.decode().split("\0") if end else ()
    paths.append(rest.decode())
    if len(paths) != count:
        raise ValueError("it has not as many rows as it says")
    return paths


def _numbers(values: list[int]) -> bytes:
    return zlib.compress(_planes(_little(array("q", values)), 8), 1)


def _read_numbers(data: memoryview, count: int) -> list[int]:
    values = array("q")
    values.frombytes(_interleaved(inflate(data, 8 * count), 8))
    if sys.byteorder == "big":
        values.byteswap()
    if count and min(values) == max(values):
        return [values[0]] * count
    return shared(values)


def _planes(data: bytes, width: int) -> bytes:
    """All lowest bytes, then all next ones …: small numbers then deflate to almost nothing."""
    return b"".join([data[plane::width] for plane in range(width)])


def _interleaved(data: bytes, width: int) -> bytes:
    count = len(data) // width
    result = bytearray(len(data))
    for plane in range(width):
        result[plane::width] = data[plane * count : (plane + 1) * count]
    return bytes(result)


def _little(values: array[int]) -> bytes:
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def _dictionary(values: list[Any]) -> tuple[bytes, bytes]:
    """Distinct values as JSON, and a code per row: labels repeat, and so do attributes."""
    distinct: list[Any] = []
    first = values[0] if values else None
    if all(map(is_, values, repeat(first))):  # the same object: what most files have
        distinct = values[:1]
        codes = array("I", bytes(4 * len(values)))
    else:
        # Few objects stand in many rows, so each of them is looked at once.
        objects = dict(zip(map(id, values), values, strict=True))
        numbers: dict[Any, int] = {}
        of_object = {}
        for which, value in objects.items():
            # 1, 1.0 and True are equal, but they are different attributes: hence the repr.
            key = repr(value) if isinstance(value, dict) else value
            if key not in numbers:
                numbers[key] = len(distinct)
                distinct.append(value)
            of_object[which] = numbers[key]
        codes = array("I", map(of_object.__getitem__, map(id, values)))
    text = json.dumps(distinct, separators=(",", ":"), ensure_ascii=False).encode()
    return deflate(text, 1), zlib.compress(_planes(_little(codes), 4), 1)


def _read_dictionary(
    text: memoryview, packed: memoryview, count: int, checked: Callable[[Any], Any]
) -> list[Any]:
    """Returns a value a row; `checked` makes one of its JSON, before it is shared by its rows."""
    distinct = [checked(value) for value in json.loads(inflate(text, most(text)))]
    codes = array("I")
    codes.frombytes(_interleaved(inflate(packed, 4 * count), 4))
    if sys.byteorder == "big":
        codes.byteswap()
    return [distinct[code] for code in codes]
