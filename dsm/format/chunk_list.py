"""The chunk list of a large object: which pieces, laid end to end, are the object.

It carries the id of the object it describes and a hash of itself, so a list can be neither
mistaken for another's nor silently altered. A list too long for one object is nested: its rows then
name the pieces of the row table. Specified in docs/format/chunk-list.md. In place of a list there
may be a reference (`reference.py`): it names no pieces, for none are stored.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from blake3 import blake3

from dsm.errors import DamagedData

HEAD = struct.Struct("<4s32sQB3x")  # magic, object id, object bytes, nested
ROW_STRUCT = struct.Struct("<32sI")  # piece id, piece bytes
ROW = ROW_STRUCT.size
MAGIC = b"DCL\x01"
REFERENCE = b"DRF\x01"
DIGEST = 32


@dataclass(frozen=True, slots=True)
class ChunkList:
    """A decoded list; `size` is the object's size in bytes, `rows` the packed row table."""

    oid: bytes
    size: int
    nested: bool
    rows: bytes


def row(oid: bytes, size: int) -> bytes:
    """Packs one row."""
    return ROW_STRUCT.pack(oid, size)


def encode(oid: bytes, size: int, rows: bytes, *, nested: bool) -> bytes:
    """Builds the stored bytes of a list."""
    body = HEAD.pack(MAGIC, oid, size, nested) + rows
    return body + blake3(body).digest()


def names(payload: bytes, oid: bytes) -> bool:
    """Whether these bytes are an intact list of that object, or a reference in its place."""
    return (
        payload[4:36] == oid
        and payload[:4] in (MAGIC, REFERENCE)
        and blake3(payload[:-DIGEST]).digest() == payload[-DIGEST:]
    )


def decode(payload: bytes) -> ChunkList:
    """Reads a list that `names` has accepted. Raises DamagedData when it has no such form.

    A reference is read as a list without rows: it is known whose it is, and no piece is needed.
    """
    if payload[:4] == REFERENCE:
        return ChunkList(payload[4:36], int.from_bytes(payload[36:44], "little"), False, b"")
    if len(payload) < HEAD.size + DIGEST or (len(payload) - HEAD.size - DIGEST) % ROW:
        raise DamagedData("a chunk list has an impossible length")
    _, oid, size, nested = HEAD.unpack_from(payload)
    return ChunkList(oid, size, bool(nested), payload[HEAD.size : -DIGEST])


def iterate(rows: bytes) -> Iterator[tuple[bytes, int]]:
    """Yields (piece id, piece bytes)."""
    return ROW_STRUCT.iter_unpack(rows)
