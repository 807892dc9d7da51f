"""Columns as JSON: what is read back is what was there, and each type has one spelling."""

from __future__ import annotations

import json
from datetime import date, datetime, time
from decimal import Decimal
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsm.sources.json_text import NotText, objects, texts


@given(st.lists(st.one_of(st.none(), st.text()), max_size=20), st.text(max_size=5))
def test_text_survives_json(values: list[str | None], name: str) -> None:
    """Text of any kind, as value and as name of a column, is read back as it was, in one line."""
    found = objects([name], [pa.array(values, pa.string())]).to_pylist()
    assert [{name: value} for value in values] == [json.loads(text) for text in found]
    assert not any("\n" in text or "\r" in text for text in found)


@given(st.lists(st.one_of(st.none(), st.floats()), max_size=20))
def test_floats_survive_json(values: list[float | None]) -> None:
    """A float is written as `repr` writes it; what JSON has no number for is null."""
    finite = [
        "null" if v is None or v != v or v in (float("inf"), float("-inf")) else repr(v)
        for v in values
    ]
    assert finite == texts(pa.array(values, pa.float64())).to_pylist()


@given(st.lists(st.one_of(st.none(), st.floats(width=32)), max_size=20))
def test_single_floats_survive_json(values: list[float | None]) -> None:
    """A float of single precision is read back as the same one."""
    array = pa.array(values, pa.float32())
    read = [json.loads(text) for text in texts(array).to_pylist()]
    expected = pc.if_else(pc.is_finite(array), array, pa.scalar(None, pa.float32())).to_pylist()
    assert expected == pa.array(read, pa.float32()).to_pylist()


@given(st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), max_size=20))
def test_integers_survive_json(values: list[int | None]) -> None:
    """Integers are read back as they were."""
    assert values == [json.loads(text) for text in texts(pa.array(values, pa.int64())).to_pylist()]


def test_the_spelling_of_arrow_types() -> None:
    """Each type has the one spelling that the format says, whatever the unit it came in."""
    noon = datetime(2026, 1, 31, 12)
    half = datetime(2026, 1, 31, 12, 0, 0, 500_000)
    interval = pa.MonthDayNano
    cases: list[tuple[pa.Array, list[str]]] = [
        (pa.array([noon, half], pa.timestamp("us", "UTC")),
         ['"2026-01-31T12:00:00Z"', '"2026-01-31T12:00:00.500000Z"']),
        (pa.array([noon, half], pa.timestamp("us")),
         ['"2026-01-31T12:00:00"', '"2026-01-31T12:00:00.500000"']),
        (pa.array([noon, half], pa.timestamp("ms", "+05:00")),
         ['"2026-01-31T12:00:00Z"', '"2026-01-31T12:00:00.500000Z"']),
        (pa.array([noon], pa.timestamp("s", "Europe/Berlin")), ['"2026-01-31T12:00:00Z"']),
        (pa.array([0, 1, 1_000, None], pa.int64()).cast(pa.timestamp("ns")),
         ['"1970-01-01T00:00:00"', '"1970-01-01T00:00:00.000000001"',
          '"1970-01-01T00:00:00.000001"', "null"]),
        (pa.array([-1, 2**63 - 1], pa.int64()).cast(pa.timestamp("us")),
         ['"1969-12-31T23:59:59.999999"', "null"]),
        (pa.array([date(2026, 1, 31)], pa.date64()), ['"2026-01-31"']),
        (pa.array([-(2**31), 0], pa.int32()).cast(pa.date32()), ["null", '"1970-01-01"']),
        (pa.array([time(12), time(12, 0, 1, 5), None], pa.time64("us")),
         ['"12:00:00"', '"12:00:01.000005"', "null"]),
        (pa.array([time(12)], pa.time32("s")), ['"12:00:00"']),
        (pa.array([time(12, 0, 0, 5000)], pa.time32("ms")), ['"12:00:00.005000"']),
        (pa.array([0, 3_500, -1, None], pa.duration("ms")),
         ['"PT0S"', '"PT3.5S"', '"PT-0.001S"', "null"]),
        (pa.array([interval([1, 2, 3_500_000_000]), interval([0, -1, 0]), interval([0, 0, 0])]),
         ['"P1M2DT3.5S"', '"P-1D"', '"PT0S"']),
        (pa.array([Decimal("0.00"), Decimal("-12.30"), None], pa.decimal256(70, 2)),
         ["0.00", "-12.30", "null"]),
        (pa.array([0.1, 1.0, 1e20, None], pa.float32()), ["0.1", "1.0", "1e+20", "null"]),
        (pa.array([0.5, 2.0, None], pa.float16()), ["0.5", "2.0", "null"]),
        (pa.array([b"\0\xff", None, b""]), ['"AP8="', "null", '""']),
        (pa.array([True, None]), ["true", "null"]),
        (pa.array(["a", None], pa.string_view()), ['"a"', "null"]),
        (pa.array([b"a"], pa.binary(1)), ['"YQ=="']),
        (pa.array([["a", None], None, []], pa.large_list(pa.string())),
         ['["a",null]', "null", "[]"]),
        (pa.array([[["a"], []], None]), ['[["a"],[]]', "null"]),
        (pa.array([{}, None], pa.struct([])), ["{}", "null"]),
        (pa.array([{"a": {"b": [1.5]}}, None]), ['{"a":{"b":[1.5]}}', "null"]),
        (pa.nulls(2), ["null", "null"]),
        (pa.RunEndEncodedArray.from_arrays([2, 3], ["x", None]), ['"x"', '"x"', "null"]),
        (pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()),
                                   [pa.array([1, 2]), pa.array(["a", "é"])]), ["1", '"é"']),
        (pa.ExtensionArray.from_storage(pa.opaque(pa.binary(), "x", "y"), pa.array([b"a", None])),
         ['"YQ=="', "null"]),
    ]  # fmt: skip
    for array, expected in cases:
        assert expected == texts(array).to_pylist(), str(array.type)
        assert expected[1:] == texts(array.slice(1)).to_pylist(), str(array.type)


def test_json_of_a_database_is_embedded() -> None:
    """JSON stands in the payload as it is; what is not JSON is a text, whatever a database says."""
    deep = "[" * 100_000
    written = ['{"a": [1,\n 2]}', "NaN", "{", deep, "9" * 5000, " null ", None, '"\\ud800"']
    array = pa.ExtensionArray.from_storage(pa.json_(), pa.array(written))
    expected = ['{"a": [1,  2]}', '"NaN"', '"{"', f'"{deep}"', "9" * 5000, " null ", "null",
                '"\\ud800"']  # fmt: skip
    assert expected == texts(array).to_pylist()


def test_exact_decimals_that_come_as_text() -> None:
    """PostgreSQL's numeric keeps its digits; NaN and infinities are null, nonsense a text."""
    kind = pa.opaque(pa.string(), "numeric", "PostgreSQL")
    written = ["1.500", "-0.001", "nan", "-inf", "Infinity", "9" * 6000, "+1", ".5", "x\n", None]
    array = pa.ExtensionArray.from_storage(kind, pa.array(written))
    expected = ["1.500", "-0.001", "null", "null", "null", "9" * 6000, "1", "0.5", '"x\\n"', "null"]
    assert expected == texts(array).to_pylist()


@given(st.lists(st.one_of(st.none(), st.uuids()), max_size=9), st.integers(0, 9))
def test_uuids_are_spelt_as_usual(values: list[UUID | None], start: int) -> None:
    """A UUID is written in its five groups, in a slice of a column too."""
    stored = pa.array([None if value is None else value.bytes for value in values], pa.binary(16))
    array = pa.ExtensionArray.from_storage(pa.uuid(), stored).slice(start)
    expected = [None if value is None else str(value) for value in values[start:]]
    assert expected == [json.loads(text) for text in texts(array).to_pylist()]


def test_text_that_is_not_utf8() -> None:
    """Text that is not UTF-8 is refused wherever it stands, by an error that holds none of it."""
    raw = pa.array([b"fine", b"\xff"])
    broken = pa.Array.from_buffers(pa.string(), 2, raw.buffers())
    union = pa.UnionArray.from_sparse(pa.array([0, 0], pa.int8()), [broken])
    lists = pa.ListArray.from_arrays([0, 2], broken)
    structs = pa.StructArray.from_arrays([broken], ["a"])
    for array in (broken, union, lists, structs):
        with pytest.raises(NotText) as caught:
            texts(array)
        assert (caught.value.args, caught.value.__context__) == ((), None)
