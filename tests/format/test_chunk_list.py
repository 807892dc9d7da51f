"""Chunk lists: golden bytes, round trips, and that a list is neither altered nor another's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from blake3 import blake3
from hexdump import dump
from hypothesis import given
from hypothesis import strategies as st
from mutation import damaged

from dsm.errors import DamagedData
from dsm.format import chunk_list

OID = blake3(b"the whole").digest()
IDS = st.binary(min_size=32, max_size=32)
ROWS = st.lists(st.tuples(IDS, st.integers(0, 2**32 - 1)), max_size=20)


def example() -> bytes:
    pieces = [b"first piece", b"second piece"]
    rows = b"".join(chunk_list.row(blake3(piece).digest(), len(piece)) for piece in pieces)
    return chunk_list.encode(OID, 23, rows, nested=False)


def test_golden_chunk_list(golden: Callable[[str, str], None]) -> None:
    """A list of two chunks is written exactly so."""
    golden("format/chunk-list-v1.hex", dump(example()))


@given(IDS, st.integers(0, 2**64 - 1), ROWS, st.booleans())
def test_what_was_encoded_is_decoded(
    oid: bytes, size: int, rows: list[tuple[bytes, int]], nested: bool
) -> None:
    """Object id, size, rows and the nesting mark come back, and the list names its object."""
    packed = b"".join(chunk_list.row(*row) for row in rows)
    payload = chunk_list.encode(oid, size, packed, nested=nested)
    assert chunk_list.names(payload, oid)
    assert chunk_list.decode(payload) == chunk_list.ChunkList(oid, size, nested, packed)
    assert list(chunk_list.iterate(packed)) == rows


@given(damaged(example()))
def test_no_damaged_list_names_the_object(changed: bytes) -> None:
    """Whatever happens to its bytes, a list is not taken for a whole one."""
    assert not chunk_list.names(changed, OID)


@given(IDS)
def test_a_list_of_another_object_is_not_taken(other: bytes) -> None:
    """A list proves which object it describes: it cannot be swapped for another's."""
    assert chunk_list.names(example(), other) == (other == OID)


@given(st.binary(max_size=200))
def test_a_sealed_list_of_any_rows_is_read_or_refused(rows: bytes) -> None:
    """A list whose hash is right but whose form is not raises DamagedData and nothing else."""
    payload = chunk_list.encode(OID, 7, rows, nested=False)
    assert chunk_list.names(payload, OID)
    if len(rows) % chunk_list.ROW == 0:
        assert chunk_list.decode(payload).rows == rows
    else:
        with pytest.raises(DamagedData, match="a chunk list has an impossible length"):
            chunk_list.decode(payload)
