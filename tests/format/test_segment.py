"""Stage segments: golden bytes, round trips, and that damage is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from blake3 import blake3
from hexdump import dump, parse
from hypothesis import given, settings
from hypothesis import strategies as st
from mutation import damaged

from dsm.errors import DamagedData
from dsm.format import segment as fmt
from dsm.model.attribute_columns import AttributeColumns
from dsm.model.example import Example
from dsm.model.rows import ADDED, FORGET, MODIFIED, RELABELLED, Rows

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
EXAMPLES = st.builds(
    Example,
    st.text("abß猫\U0001f408 \n'", min_size=1, max_size=6),
    st.binary(min_size=32, max_size=32),
    st.integers(0, 2**63 - 1),
    st.integers(-(2**63), 2**63 - 1),
    st.lists(TEXT, max_size=3).map(tuple),
    # Equal by Python's ==, and yet three values: 1, 1.0 and True.
    st.dictionaries(TEXT, st.sampled_from([1, 1.0, True, 0, False, 0.5, "", "1", 2**63 - 1])),
    st.none() | TEXT,
    st.booleans(),
)


@st.composite
def all_rows(draw: st.DrawFn) -> Rows:
    rows = Rows()
    for example in draw(st.lists(EXAMPLES, max_size=12)):
        kind = draw(st.sampled_from([ADDED, MODIFIED, RELABELLED, "D", FORGET]))
        if kind in "DF":
            rows.delete(example.path, kind)
        else:
            rows.put(kind, example)
    return rows


def typed(rows: Rows) -> list[Any]:
    """The rows, with the types of attributes, which == does not tell apart."""
    return [
        (path, kind, example, example and [(k, type(v)) for k, v in example.attributes.items()])
        for path, kind, example in rows
    ]


HEADER = {"base": 7, "name": "00000001-0badcafe.stage"}


def golden_rows() -> Rows:
    rows = Rows()
    rows.put(ADDED, Example("a.jpg", blake3(b"a").digest(), 1, 5, ("cat",), {"width": 3}, "[1]"))
    rows.put(MODIFIED, Example("b/猫.jpg", blake3(b"b").digest(), 2, -5))
    rows.delete("c")
    rows.delete("d", FORGET)
    return rows


def golden_rows_with_time() -> Rows:
    rows = golden_rows()
    rows.put(RELABELLED, Example("e", blake3(b"e").digest(), 3, 9, time_given=True))
    return rows


def golden_rows_with_records() -> Rows:
    rows = golden_rows()
    settings = '{"format":"jsonl","records":1}'
    rows.put(ADDED, Example("t.jsonl", blake3(b"{}").digest(), 2, 9, records=settings))
    rows.put(ADDED, Example("t.jsonl#k", blake3(b"{}").digest(), 2, 9, ("cat",), records="#"))
    rows.delete("t.jsonl#l", records="#")
    return rows


def golden_rows_with_columns() -> Rows:
    rows = golden_rows_with_records()
    columns = AttributeColumns()
    columns.extend([
        {"n": 3, "score": 0.5, "topic": "cat", "ok": True}, {}, {}, {},
        {"n": -(2**63), "topic": "猫"}, {"score": -0.0, "ok": 1}, {},
    ])  # fmt: skip
    rows.attributes = columns
    return rows


GOLDEN = {
    "segment-v1": golden_rows(),
    "segment-v1-time": golden_rows_with_time(),
    "segment-v1-records": golden_rows_with_records(),
    "segment-v1-columns": golden_rows_with_columns(),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_segment(
    name: str, request: pytest.FixtureRequest, golden: Callable[[str, str], None]
) -> None:
    """A segment written by an earlier release reads as the same rows."""
    if request.config.getoption("--update-golden"):
        golden(f"format/{name}.hex", dump(fmt.encode(HEADER, GOLDEN[name])))
    path = request.path.parent.parent / f"golden/format/{name}.hex"
    header, rows = fmt.decode(parse(path.read_text()), "stage/00000001-0badcafe.stage")
    assert header == {"base": 7, "name": "00000001-0badcafe.stage"}
    assert typed(rows) == typed(GOLDEN[name])


@given(
    all_rows(),
    st.dictionaries(TEXT.filter(lambda k: k not in ("rows", "parts", "name")), st.integers()),
)
def test_what_was_encoded_is_decoded(rows: Rows, header: dict[str, int]) -> None:
    """Rows of every kind come back in order, typed attributes included."""
    found_header, found = fmt.decode(fmt.encode(header, rows), "s")
    assert found_header == header
    assert typed(found) == typed(rows)


@given(all_rows())
def test_columns_of_attributes_are_rows_alike(rows: Rows) -> None:
    """Attributes that are kept in columns come back as those that are kept by row."""
    expected = typed(rows)
    columns = AttributeColumns()
    columns.extend(rows.attributes)
    rows.attributes = columns
    _, found = fmt.decode(fmt.encode({}, rows), "s")
    assert by_name(typed(found)) == by_name(typed(rows)) == by_name(expected)
    backwards = list(range(len(rows)))[::-1]
    assert by_name(typed(found.take(backwards))) == by_name(expected)[::-1]


def by_name(rows: list[Any]) -> list[Any]:
    """Typed rows with the attributes of each in the order of their names."""
    return [(*row, kinds and sorted(kinds, key=repr)) for *row, kinds in rows]


@given(damaged(fmt.encode(HEADER, golden_rows_with_columns())))
def test_no_damaged_segment_with_columns_is_read(changed: bytes) -> None:
    """Any change of a byte is found."""
    with pytest.raises(DamagedData):
        fmt.decode(changed, "stage/1.stage")


@given(damaged(fmt.encode(HEADER, golden_rows())))
def test_no_damaged_segment_is_read(changed: bytes) -> None:
    """Any change of a byte is found, and the message names the file and the way out."""
    with pytest.raises(DamagedData, match=r"stage/1\.stage is damaged") as caught:
        fmt.decode(changed, "stage/1.stage")
    assert "dsm restore --staged" in (caught.value.hint or "")


def test_a_renamed_segment_is_refused() -> None:
    """Names order the segments: one under another name than its own is not read."""
    data = fmt.encode(HEADER, golden_rows())
    with pytest.raises(DamagedData, match="was renamed"):
        fmt.decode(data, "stage/00000009-0badcafe.stage")


@given(st.binary(max_size=200))
def test_other_bytes_are_refused(data: bytes) -> None:
    """Arbitrary bytes are no segment."""
    for part in (data, fmt.MAGIC + data, b""):
        with pytest.raises(DamagedData, match="s is damaged: staged changes were lost"):
            fmt.decode(part, "s")


@settings(max_examples=300)
@given(damaged(fmt.encode(HEADER, golden_rows())[: -fmt.DIGEST]))
def test_sealed_nonsense_is_refused(body: bytes) -> None:
    """A segment whose hash was made to fit raises DamagedData or reads as rows of equal length."""
    try:
        _, rows = fmt.decode(body + blake3(body).digest(), "s")
    except DamagedData:
        return
    assert {len(column) for column in rows.columns()} == {len(rows)}
