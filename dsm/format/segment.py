"""Stage segments: the rows that one command staged, in one checked file of this machine.

    magic 8 · header length u32 · header JSON · columns · BLAKE3 of all before it

Read with the standard library alone, so that `dsm status` starts fast. Columns are laid out one
after the other; ids are raw, everything else is deflated. Specified in docs/format/stage.md.
"""

from __future__ import annotations

import json
import struct
import sys
import zlib
from array import array
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
        zlib.compress("\0".join(rows.paths).encode(), 1),
        zlib.compress("".join(rows.kinds).encode(), 1),
        b"".join([oid for oid in rows.oids if oid is not None]),
        _numbers(rows.sizes),
        _numbers(rows.times),
        *_dictionary(rows.labels),
        *_dictionary(rows.annotations),
        *_dictionary(rows.attributes),
    ]
    meta = {**header, "rows": len(rows), "parts": [len(part) for part in parts]}
    head = json.dumps(meta, separators=(",", ":")).encode()
    body = b"".join((MAGIC, LENGTH.pack(len(head)), head, *parts))
    return body + blake3(body).digest()


def decode(data: bytes, where: str) -> tuple[dict[str, Any], Rows]:
    """Reads a segment. Raises DamagedData naming `where` when it is not intact."""
    body, digest = data[:-DIGEST], data[-DIGEST:]
    if body[:8] != MAGIC or blake3(body).digest() != digest:
        raise DamagedData(
            f"{where} is damaged: staged changes were lost",
            hint="run `dsm restore --staged` to drop the stage, then `dsm add` again",
        )
    first = 8 + LENGTH.size
    end = first + LENGTH.unpack_from(body, 8)[0]
    header = json.loads(body[first:end])
    parts, at = [], end
    for size in header.pop("parts"):
        parts.append(body[at : at + size])
        at += size
    count = header.pop("rows")
    if not count:
        return header, Rows()
    paths = zlib.decompress(parts[0]).decode().split("\0")
    kinds = list(zlib.decompress(parts[1]).decode())
    ids = parts[2]
    oids: list[bytes | None]
    if len(ids) == 32 * count:
        oids = [ids[at : at + 32] for at in range(0, len(ids), 32)]
    else:
        stored = iter([ids[at : at + 32] for at in range(0, len(ids), 32)])
        oids = [None if kind in "DF" else next(stored) for kind in kinds]
    rows = Rows(
        paths,
        kinds,
        oids,
        _read_numbers(parts[3]),
        _read_numbers(parts[4]),
        [tuple(value) for value in _read_dictionary(parts[5], parts[6])],
        _read_dictionary(parts[7], parts[8]),
        _read_dictionary(parts[9], parts[10]),
    )
    return header, rows


def _numbers(values: list[int]) -> bytes:
    return zlib.compress(_little(array("q", values)), 1)


def _read_numbers(data: bytes) -> list[int]:
    values = array("q")
    values.frombytes(zlib.decompress(data))
    if sys.byteorder == "big":
        values.byteswap()
    return values.tolist()


def _little(values: array[int]) -> bytes:
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def _dictionary(values: list[Any]) -> tuple[bytes, bytes]:
    """Distinct values as JSON, and a code per row: labels repeat, and so do attributes."""
    numbers: dict[Any, int] = {}
    distinct: list[Any] = []
    codes = array("I")
    for value in values:
        key = tuple(value.items()) if isinstance(value, dict) else value
        number = numbers.get(key)
        if number is not None and isinstance(value, dict) and not _same(distinct[number], value):
            number = None  # 1 == 1.0 == True, but they are different attributes
        if number is None:
            number = numbers[key] = len(distinct)
            distinct.append(value)
        codes.append(number)
    text = json.dumps(distinct, separators=(",", ":"), ensure_ascii=False).encode()
    return zlib.compress(text, 1), zlib.compress(_little(codes), 1)


def _same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return [type(value) for value in a.values()] == [type(value) for value in b.values()]


def _read_dictionary(text: bytes, packed: bytes) -> list[Any]:
    distinct = json.loads(zlib.decompress(text))
    codes = array("I")
    codes.frombytes(zlib.decompress(packed))
    if sys.byteorder == "big":
        codes.byteswap()
    return [distinct[code] for code in codes]
