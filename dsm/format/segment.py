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
from typing import Any

from blake3 import blake3

from dsm.errors import DamagedData
from dsm.model.rows import Rows

MAGIC = b"DSMSTAG\x01"
LENGTH = struct.Struct("<I")
DIGEST = 32


def encode(header: dict[str, Any], rows: Rows) -> bytes:
    """Returns the bytes of a segment; `header` is any JSON object."""
    parts = [
        zlib.compress("\0".join(rows.paths).encode(), 6),
        zlib.compress("".join(rows.kinds).encode(), 1),
        b"".join([oid for oid in rows.oids if oid is not None]),
        _numbers(rows.sizes),
        _numbers(rows.times),
        *_dictionary(rows.labels),
        *_dictionary(rows.annotations),
        *_dictionary(rows.attributes),
    ]
    if any(rows.times_given):
        parts.append(zlib.compress(bytes(rows.times_given), 1))
    meta = {**header, "rows": len(rows), "parts": [len(part) for part in parts]}
    head = json.dumps(meta, separators=(",", ":")).encode()
    body = b"".join((MAGIC, LENGTH.pack(len(head)), head, *parts))
    return body + blake3(body).digest()


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
            struct.error, zlib.error) as error:  # fmt: skip
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
    first = 8 + LENGTH.size
    end = first + LENGTH.unpack_from(body, 8)[0]
    header = json.loads(bytes(body[first:end]))
    parts, at = [], end
    for size in header.pop("parts"):
        parts.append(body[at : at + size])
        at += size
    count = header.pop("rows")
    if not count:
        return header, Rows()
    paths = zlib.decompress(parts[0]).decode().split("\0")
    kinds = list(zlib.decompress(parts[1]).decode())
    ids = bytes(parts[2])
    oids: list[bytes | None]
    if len(ids) == 32 * count:
        oids = [ids[at : at + 32] for at in range(0, len(ids), 32)]
    else:
        stored = iter([ids[at : at + 32] for at in range(0, len(ids), 32)])
        oids = [None if kind in "DF" else next(stored) for kind in kinds]
    given = [False] * count
    if len(parts) > 11:
        given = [flag == 1 for flag in zlib.decompress(parts[11])]
    rows = Rows(
        paths=paths,
        kinds=kinds,
        oids=oids,
        sizes=_read_numbers(parts[3]),
        times=_read_numbers(parts[4]),
        labels=_read_dictionary(parts[5], parts[6], tuple),
        annotations=_read_dictionary(parts[7], parts[8]),
        attributes=_read_dictionary(parts[9], parts[10]),
        times_given=given,
    )
    return header, rows


def _numbers(values: list[int]) -> bytes:
    return zlib.compress(_planes(_little(array("q", values)), 8), 1)


def _read_numbers(data: memoryview) -> list[int]:
    values = array("q")
    values.frombytes(_interleaved(zlib.decompress(data), 8))
    if sys.byteorder == "big":
        values.byteswap()
    return values.tolist()


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
    numbers: dict[Any, int] = {}
    distinct: list[Any] = []
    first = values[0] if values else None
    if all(value is first for value in values):  # the same object: what most files have
        distinct = values[:1]
        codes = array("I", bytes(4 * len(values)))
    else:
        codes = array("I")
        for value in values:
            # 1, 1.0 and True are equal, but they are different attributes: hence the repr.
            key = repr(value) if isinstance(value, dict) else value
            number = numbers.get(key)
            if number is None:
                number = numbers[key] = len(distinct)
                distinct.append(value)
            codes.append(number)
    text = json.dumps(distinct, separators=(",", ":"), ensure_ascii=False).encode()
    return zlib.compress(text, 1), zlib.compress(_planes(_little(codes), 4), 1)


def _read_dictionary(
    text: memoryview, packed: memoryview, convert: Callable[[Any], Any] | None = None
) -> list[Any]:
    distinct = json.loads(zlib.decompress(text))
    if convert is not None:  # before it is shared out: one tuple serves all rows that have it
        distinct = [convert(value) for value in distinct]
    codes = array("I")
    codes.frombytes(_interleaved(zlib.decompress(packed), 4))
    if sys.byteorder == "big":
        codes.byteswap()
    return [distinct[code] for code in codes]
