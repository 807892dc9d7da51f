"""What is there twice is found by whole ids, from whatever part of a table."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsm.checks.columns import joined, repeated

IDS = [b"a" * 32, b"a" * 31 + b"b", b"a" * 8 + b"c" * 24, b"d" * 32, bytes(32)]


@given(st.lists(st.sampled_from(IDS), max_size=9), st.integers(0, 3), st.booleans())
def test_repeated_rows(ids: list[bytes], skipped: int, chunked: bool) -> None:
    """Ids that begin alike are not taken for one another, and groups are those of whole ids."""
    table = pa.table(
        {"row": pa.array(range(len(ids)), pa.int64()), "object": pa.array(ids, pa.binary(32))}
    )
    parts = [table.slice(0, len(ids) // 2), table.slice(len(ids) // 2)]
    whole = pa.concat_tables(parts) if chunked else table
    mine = ids[skipped:]
    found = repeated(whole.slice(skipped))
    assert found.column("row").to_pylist() == [
        n + skipped for n, oid in enumerate(mine) if mine.count(oid) > 1
    ]
    groups = dict(
        zip(found.column("group").to_pylist(), found.column("object").to_pylist(), strict=True)
    )
    assert len(groups) == len({oid for oid in mine if mine.count(oid) > 1})


@pytest.mark.parametrize("nullable", [True, False])
def test_labels_as_one_text(nullable: bool) -> None:
    """Lists of labels are told as texts, whatever their type says of nulls."""
    kind = pa.list_(pa.field("item", pa.string(), nullable=nullable))
    column = pa.chunked_array([pa.array([["a", "b"], []], kind), pa.array([["c"]], kind)])
    assert joined(column, ", ").to_pylist() == ["a, b", "", "c"]
