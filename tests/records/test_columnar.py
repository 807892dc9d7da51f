"""Parquet and Arrow as records: the form of a row, and what is refused."""

from __future__ import annotations

import datetime
import decimal
import io
import json
import math
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from blake3 import blake3
from pyarrow import feather, parquet
from stored_groups import Groups

from dsm.records import compressed
from dsm.records.gathering import Read, RecordsInvalid
from dsm.records.reader import read_records
from dsm.records.settings import RecordSettings


def as_parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    parquet.write_table(table, out)
    return out.getvalue()


def as_file(table: pa.Table) -> bytes:
    out = io.BytesIO()
    with pa.ipc.new_file(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


def as_stream(table: pa.Table) -> bytes:
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


def as_feather(table: pa.Table) -> bytes:
    out = io.BytesIO()
    feather.write_feather(table, out, compression="zstd")
    return out.getvalue()


FORMS: list[tuple[str, Callable[[pa.Table], bytes]]] = [
    ("parquet", as_parquet), ("arrow", as_file), ("arrow", as_stream), ("arrow", as_feather)
]  # fmt: skip


def read(data: bytes, form: str, store: Groups | None = None, **asked: Any) -> Read:
    return read_records(io.BytesIO(data), f"t.{form}", RecordSettings(form, **asked), store)


@pytest.mark.parametrize(("form", "written"), FORMS)
def test_a_record_is_a_row_in_one_form(form: str, written: Callable[[pa.Table], bytes]) -> None:
    """Whatever file a row is in, it has the same bytes, with no digit lost; the file is kept."""
    moment = datetime.datetime(2026, 1, 31, 12, 30, tzinfo=datetime.UTC)
    table = pa.table({
        "id": pa.array([2**60 + 1, None], pa.int64()),
        "text": pa.array(["ä\n\"", ""]).dictionary_encode(),
        "score": [0.1, float("nan")],
        "when": pa.array([moment, None], pa.timestamp("us", "Europe/Berlin")),
        "day": pa.array([datetime.date(2026, 1, 31), None]),
        "price": pa.array([decimal.Decimal("1.10"), None]),
        "raw": pa.array([b"\x00\xff", b""]),
        "nested": [{"a": [1, None], "b": b"x"}, None],
        "yes": [True, False],
    })  # fmt: skip
    data, store = written(table), Groups()
    found = read(data, form, store)
    expected = [
        '{"id":1152921504606846977,"text":"ä\\n\\"","score":0.1,"when":"2026-01-31T12:30:00.000000Z",'
        '"day":"2026-01-31","price":"1.10","raw":{"base64":"AP8="},'
        '"nested":{"a":[1,null],"b":{"base64":"eA=="}},"yes":true}',
        '{"id":null,"text":"","score":NaN,"when":null,"day":null,"price":null,"raw":{"base64":""},'
        '"nested":null,"yes":false}',
    ]
    assert expected == [store.parts[oid].decode() for oid in found.oids]
    assert ([data], blake3(data).digest(), len(data)) == (store.streams, found.oid, found.size)


def test_fields_say_what_they_say_of_lines() -> None:
    """Keys, labels, times and attributes come from columns as from the members of an object."""
    moments = pa.array([1_700_000_000_000, 1_700_000_001_000], pa.timestamp("ms", "UTC"))
    table = pa.table({"id": [1, 2], "l": [["b", "a"], []], "t": moments, "n": [0.5, 2.0]})
    found = read(as_parquet(table), "parquet", key=("id",), label="l", time="t", attributes=("n",))
    assert (found.keys, found.labels) == (["1", "2"], [("a", "b"), ()])
    assert found.times == [1_700_000_000_000_000, 1_700_000_001_000_000]
    assert (found.attributes, len(found)) == ([{"n": 0.5}, {"n": 2.0}], 2)


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_what_is_none_is_refused(form: str) -> None:
    """What is damaged, cut off or another kind of file is told in one line."""
    whole = as_parquet(pa.table({"a": ["x" * 50] * 100})) if form == "parquet" else (
        as_file(pa.table({"a": ["x" * 50] * 100}))
    )  # fmt: skip
    for data in (b"", b"a,b\n", whole[:-1], whole[: len(whole) // 2], b"ARROW1" + whole[50:]):
        with pytest.raises(RecordsInvalid) as caught:
            read(data, form)
        assert caught.value.message.startswith(f"t.{form} is ")
        assert "\n" not in caught.value.message
        assert caught.value.hint
    with pytest.raises(RecordsInvalid, match=f"t.{form} is cut off: it does not end as a"):
        read(whole[:-1], form)


def test_a_wrong_row_is_named() -> None:
    """The number of the row, and the field."""
    with pytest.raises(RecordsInvalid, match="t.parquet, row 2: has the key '1' in 'id', as row 1"):
        read(as_parquet(pa.table({"id": [1, 1]})), "parquet", key=("id",))
    with pytest.raises(RecordsInvalid, match="row 2: has nothing in the field 'id'"):
        read(as_parquet(pa.table({"id": [1, None]})), "parquet", key=("id",))
    with pytest.raises(
        RecordsInvalid, match="t.parquet: there is no column 'no', which is the key"
    ):
        read(as_parquet(pa.table({"id": [1]})), "parquet", key=("no",))
    with pytest.raises(RecordsInvalid, match="t.parquet has the column 'a' twice"):
        read(as_parquet(pa.table([[1], [2]], names=["a", "a"])), "parquet")


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_a_text_that_is_none_is_told_by_row_and_field(form: str) -> None:
    """Such columns are written by programs that do not look: the first such row is named."""
    texts = [b"good"] * 1500 + [b"\xff"]
    column = pa.Array.from_buffers(pa.string(), len(texts), pa.array(texts).buffers())
    table = pa.table({"n": range(len(texts)), "t": column})
    data = as_parquet(table) if form == "parquet" else as_file(table)
    with pytest.raises(RecordsInvalid, match="row 1501: is not UTF-8 in the field 't'"):
        read(data, form)


def test_nan_is_missing_and_infinity_is_refused() -> None:
    """As in every other format."""
    table = pa.table({"n": [1.0, math.nan], "t": [math.nan, 1.7e9], "l": [math.nan, 2.0]})
    found = read(as_parquet(table), "parquet", attributes=("n",), time="t", label="l")
    assert found.attributes == [{"n": 1.0}, {}]
    assert found.times == [None, 1_700_000_000_000_000]
    assert found.labels == [(), ("2.0",)]
    with pytest.raises(RecordsInvalid, match="row 2: has no attribute in the field 'n'"):
        read(as_parquet(pa.table({"n": [1.0, -math.inf]})), "parquet", attributes=("n",))


def test_rows_that_repeat_a_long_text_are_a_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file whose rows are large ends early, and never has all of a batch in memory."""
    monkeypatch.setattr(compressed, "_SPARED", 1 << 20)
    long = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), ["x" * 1_000_000])
    data = as_parquet(pa.table({"a": long}))
    assert len(data) < 100_000
    with pytest.raises(RecordsInvalid, match="unpacks to more than"):
        read(data, "parquet")


def test_rows_are_json() -> None:
    """What a record holds can be read by any parser that takes what Python's writes."""
    store = Groups()
    found = read(as_parquet(pa.table({"a": [1], "b": ["x"]})), "parquet", store)
    assert json.loads(store.parts[found.oids[0]]) == {"a": 1, "b": "x"}


def _rows(data: bytes, form: str) -> list[Any]:
    store = Groups()
    found = read(data, form, store)
    return [json.loads(store.parts[oid]) for oid in found.oids]


MOMENT = 1_704_110_400_123_456_789  # 2024-01-01T12:00:00.123456789Z
NESTED: list[tuple[pa.DataType, Any, Any]] = [
    (pa.timestamp("ns"), MOMENT, "2024-01-01T12:00:00.123456789"),
    (pa.timestamp("us", "Europe/Berlin"), MOMENT // 1000, "2024-01-01T12:00:00.123456Z"),
    (pa.duration("us"), 5, "5"),
    (pa.time64("us"), 3_723_000_004, "01:02:03.000004"),
    (pa.date32(), 19_723, "2024-01-01"),
    (pa.decimal128(10, 2), decimal.Decimal("1.10"), "1.10"),
    (pa.binary(), b"\xff", {"base64": "/w=="}),
]


@pytest.mark.parametrize(("kind", "value", "expected"), NESTED)
@pytest.mark.parametrize(("form", "written"), FORMS[:2])
def test_a_value_has_one_form_however_deep_it_lies(
    form: str, written: Callable[[pa.Table], bytes], kind: pa.DataType, value: Any, expected: Any
) -> None:
    """In lists, structs and maps a value is spelt as in a column of its own, whatever is loaded."""
    columns = {
        "own": pa.array([value, None], kind),
        "list": pa.array([[value, None], None], pa.list_(kind)),
        "struct": pa.array([{"x": value}, None], pa.struct([("x", kind)])),
        "map": pa.array([[("k", value)], None], pa.map_(pa.string(), kind)),
        "deep": pa.array([[{"x": [value]}], []], pa.list_(pa.struct([("x", pa.list_(kind))]))),
    }
    first, second = _rows(written(pa.table(columns)), form)
    assert first == {
        "own": expected, "list": [expected, None], "struct": {"x": expected},
        "map": [["k", expected]], "deep": [{"x": [expected]}],
    }  # fmt: skip
    assert second == {**dict.fromkeys(columns), "deep": []}


@pytest.mark.parametrize("nested", [False, True])
def test_a_time_that_no_calendar_has_is_refused(nested: bool) -> None:
    """It names the row and the field, instead of a text that says so."""
    kind = pa.timestamp("us")
    times = pa.array([[0], [2**62]] if nested else [0, 2**62], pa.list_(kind) if nested else kind)
    with pytest.raises(RecordsInvalid, match="row 2: has a time that no calendar has in the"):
        read(as_file(pa.table({"t": times})), "arrow")


def test_views_of_bytes_are_bytes() -> None:
    """Arrow has several layouts of texts and bytes, which say the same."""
    table = pa.table(
        {"b": pa.array([b"a", None], pa.binary_view()), "t": pa.array(["é", ""], pa.string_view())}
    )
    assert _rows(as_file(table), "arrow") == [
        {"b": {"base64": "YQ=="}, "t": "é"}, {"b": None, "t": ""}
    ]  # fmt: skip
