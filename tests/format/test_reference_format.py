"""References: golden bytes, round trips, and that one is neither altered nor another's."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from blake3 import blake3
from hexdump import dump
from hypothesis import given
from hypothesis import strategies as st
from mutation import damaged

from dsm.errors import DamagedData
from dsm.format import chunk_list, reference
from dsm.format.reference import Reference

OID = blake3(b"the whole").digest()
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


def example() -> Reference:
    blocks = (b"first block", b"second block")
    rows = b"".join(chunk_list.row(blake3(each).digest(), len(each)) for each in blocks)
    return Reference(
        OID, 23, "s3://lab/scans", "a/1.png", etag='"9a0364b9"', modified=1767225600.5,
        path="scans/a/1.png", blocks=rows,
    )  # fmt: skip


def test_golden_reference(golden: Callable[[str, str], None]) -> None:
    """A reference of two blocks is written exactly so."""
    golden("format/reference-v1.hex", dump(reference.encode(example())))


@given(
    TEXTS, TEXTS, st.integers(0, 2**60), st.none() | TEXTS,
    st.none() | st.floats(0, 2**40), st.lists(st.integers(1, 1 << 22), max_size=9),
)  # fmt: skip
def test_what_was_encoded_is_decoded(
    at: str, name: str, start: int, etag: str | None, modified: float | None, sizes: list[int]
) -> None:
    """All that a reference says comes back, it names its object, and as a list it has no pieces."""
    rows = b"".join(chunk_list.row(OID, size) for size in sizes)
    made = Reference(
        OID, sum(sizes), at, name, start=start, etag=etag, modified=modified, path=at, blocks=rows
    )
    payload = reference.encode(made)
    assert reference.decode(payload) == made
    assert reference.is_one(payload)
    assert chunk_list.names(payload, OID)
    assert chunk_list.decode(payload) == chunk_list.ChunkList(OID, sum(sizes), False, b"")


@given(damaged(reference.encode(example())))
def test_no_damaged_reference_names_the_object(changed: bytes) -> None:
    """Whatever happens to its bytes, a reference is not taken for a whole one."""
    assert not chunk_list.names(changed, OID)


def sealed(said: object, size: int = 7, rows: bytes = b"", length: int | None = None) -> bytes:
    text = said if isinstance(said, bytes) else json.dumps(said).encode()
    count = len(rows) if length is None else length
    body = reference.HEAD.pack(b"DRF\x01", OID, size, count) + rows + text
    return body + blake3(body).digest()


GOOD = {"at": "/data", "name": "x", "path": "x"}
ROW = chunk_list.row(OID, 7)


@pytest.mark.parametrize(
    "payload",
    [
        sealed(b"no json"), sealed(b"[" * 9000), sealed([]), sealed({"at": "/data"}), sealed(b""),
        sealed({**GOOD, "at": 7}), sealed({**GOOD, "start": -1}), sealed({**GOOD, "start": "0"}),
        sealed({**GOOD, "etag": []}), sealed({**GOOD, "modified": "now"}),
        sealed({**GOOD, "name": "x" * 20_000}), sealed(GOOD, size=1 << 40),
        sealed(GOOD, rows=ROW[:-1]), sealed(GOOD, size=8, rows=ROW), sealed(GOOD, length=1 << 31),
        sealed(GOOD, size=1 << 23, rows=chunk_list.row(OID, 1 << 23)),
        sealed(GOOD, rows=chunk_list.row(OID, 0) + ROW),
    ],
)  # fmt: skip
def test_one_that_makes_no_sense_is_refused(payload: bytes) -> None:
    """A whole hash around a form that no dsm writes raises DamagedData, and takes no memory."""
    with pytest.raises(DamagedData):
        reference.decode(payload)
