"""Rows become examples: paths, labels, times, attributes and payloads of every type there is."""

from __future__ import annotations

import base64
import contextlib
import json
import sqlite3
import traceback
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from dsm.model.names import check_path
from dsm.sources.examples import CONTENT, Examples
from dsm.sources.failures import SourceFailed
from dsm.sources.key_paths import component
from dsm.sources.query import define
from tests.sources.conftest import ROW, Asked, Server

NOW = 1_790_000_000_000_000


def batch_of(**columns: Any) -> pa.RecordBatch:
    arrays = [v if isinstance(v, pa.Array) else pa.array(v) for v in columns.values()]
    return pa.RecordBatch.from_arrays(arrays, list(columns))


def examples_of(
    batch: pa.RecordBatch, types: dict[str, str] | None = None, **roles: Any
) -> Examples:
    query = define("fraud", "pay", "SELECT", batch.schema, **roles)
    known = dict(query.attributes) if types is None else types
    return Examples(query, batch.schema, changeset=7, time_us=NOW, types=known)


def converted(
    batch: pa.RecordBatch, types: dict[str, str] | None = None, first: int = 0, **roles: Any
) -> pa.RecordBatch:
    found = examples_of(batch, types, **roles).convert(batch, first)
    found.validate(full=True)
    return found


def paths_of(keys: Any, extension: str = "json") -> list[str]:
    batch = batch_of(k=keys)
    found = converted(batch, key="k", payload=["k"], extension=None)
    paths = found.column("path").to_pylist()
    assert all(path.endswith(f".{extension}") for path in paths)
    return [path.removeprefix("fraud/").removesuffix(f".{extension}") for path in paths]


def exact(text: str) -> Any:
    """JSON with numbers as exact decimals, so that digits of a decimal are seen."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


# --- the whole ------------------------------------------------------------------------------


def test_a_row_becomes_an_example() -> None:
    """Path, labels, time, attributes, payload, object and size come from the columns named."""
    at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    batch = batch_of(id=[12], label=["bad"], at=[at], amount=[1.5], who=["Ann"])
    found = converted(batch, key="id", label="label", time="at", payload=["who", "amount"])
    payload = b'{"who":"Ann","amount":1.5}'
    expected = {
        "path": "fraud/12.json", "object": blake3(payload).digest(), "offset": None,
        "length": None, "size": len(payload), "time": at, "labels": ["bad"],
        "annotation": None, "time_given": None, "records": None, "changeset": 7,
        CONTENT: payload,
    }  # fmt: skip
    assert expected == found.to_pylist()[0]


def test_rows_without_a_key_are_numbered() -> None:
    """Without a key column the number in the answer is the name, from zero, in twelve digits."""
    found = converted(batch_of(a=["x", "y"]), first=41)
    expected = ["fraud/000000000041.json", "fraud/000000000042.json"]
    assert expected == found.column("path").to_pylist()


def test_columns_in_another_order() -> None:
    """A payload has the recorded order of columns, whatever order the answer has them in."""
    recorded, running = batch_of(a=[1], b=[2]), batch_of(b=[2], a=[1])
    query = define("fraud", "pay", "SELECT", recorded.schema)
    examples = Examples(query, running.schema, changeset=1, time_us=0, types={})
    assert examples.convert(running, 0).column(CONTENT).to_pylist() == [b'{"a":1,"b":2}']


def test_payloads_can_be_added_after_a_filter() -> None:
    """Columns alone, filtered, and then given payloads equal the filtered whole."""
    batch = batch_of(id=list(range(100)), who=[f"w{n}" for n in range(100)])
    examples = examples_of(batch, key="id")
    keep = pa.array([n % 3 == 0 for n in range(100)])
    columns = examples.convert(batch, 0, content=False)
    assert {b""} == set(columns.column(CONTENT).to_pylist())
    assert 100 == columns.column("object").null_count == columns.column("size").null_count
    later = examples.with_content(columns.filter(keep), batch.filter(keep))
    assert examples.convert(batch, 0).filter(keep).equals(later)


def test_slices_and_empty_batches() -> None:
    """A slice of a batch gives what the same rows give within the whole; none give none."""
    batch = batch_of(
        id=list(range(9)),
        label=[["b", "a"], None, [], ["a", "a"], ["c"], ["b"], None, [" x "], ["y"]],
        tags=[[1, None], None, [], [2], [3], [4, 5], [6], [7], None],
        pairs=pa.array([[("a", n)] * (n % 3) for n in range(9)], pa.map_(pa.string(), pa.int64())),
        inner=[{"a": n, "b": None} if n % 2 else None for n in range(9)],
        word=pa.array(["p", None, "q"] * 3).dictionary_encode(),
        fixed=pa.array([[n, n] if n != 4 else None for n in range(9)], pa.list_(pa.int32(), 2)),
    )
    examples = examples_of(batch, key="id", label="label")
    whole = examples.convert(batch, 0)
    assert whole.slice(3, 4).to_pylist() == examples.convert(batch.slice(3, 4), 3).to_pylist()
    assert examples.convert(batch.slice(0, 0), 0).to_pylist() == []
    expected = {"id": 5, "label": ["b"], "tags": [4, 5], "pairs": [["a", 5], ["a", 5]],
                "inner": {"a": 5, "b": None}, "word": "q", "fixed": [5, 5]}  # fmt: skip
    assert expected == json.loads(whole.column(CONTENT)[5].as_py())
    assert whole.column("labels").to_pylist()[:4] == [["a", "b"], [], [], ["a"]]


def test_a_payload_of_one_column() -> None:
    """Text and bytes are the payload as they are; NULL is empty."""
    text = batch_of(a=["é", None, ""])
    found = converted(text, payload=["a"], extension="txt")
    assert ["é".encode(), b"", b""] == found.column(CONTENT).to_pylist()
    raw = batch_of(a=pa.array([b"\0\xff", None]), b=[1, 2])
    found = converted(raw, payload=["a"], extension="jpg")
    assert found.column(CONTENT).to_pylist() == [b"\0\xff", b""]
    assert found.column(0).to_pylist() == ["fraud/000000000000.jpg", "fraud/000000000001.jpg"]


def test_attributes_are_those_of_the_dataset() -> None:
    """An int becomes a float where the dataset says so; attributes of others are null."""
    decimals = pa.array([Decimal("0.10"), None], pa.decimal128(38, 2))
    batch = batch_of(
        n=[1, 2], d=decimals, s=pa.array(["x", None]).dictionary_encode(),
        f=[float("nan"), 1e300], b=[True, None],
    )  # fmt: skip
    types = {"n": "float", "d": "float", "s": "string", "f": "float", "b": "bool", "z": "int"}
    found = converted(batch, types).drop_columns(
        ["path", "object", "offset", "length", "size", "time", "labels", "annotation",
         "time_given", "records", "changeset", CONTENT]
    )  # fmt: skip
    rows = found.to_pylist()
    assert repr(float("nan")) == repr(rows[0].pop("attr.f"))
    expected = {"attr.n": 1.0, "attr.d": 0.1, "attr.s": "x", "attr.b": True, "attr.z": None}
    assert expected == rows[0]
    expected = {"attr.n": 2.0, "attr.d": None, "attr.s": None, "attr.b": None, "attr.z": None}
    assert expected | {"attr.f": 1e300} == rows[1]


def test_exact_decimals_become_the_nearest_float() -> None:
    """PostgreSQL's numeric is a float as an attribute, NaN and infinities included."""
    kind = pa.opaque(pa.string(), "numeric", "PostgreSQL")
    written = ["1.500", "-0.001", "-inf", "Infinity", "1" + "0" * 400, None, "nan"]
    array = pa.ExtensionArray.from_storage(kind, pa.array(written))
    *found, last = converted(batch_of(x=array)).column("attr.x").to_pylist()
    assert [1.5, -0.001, float("-inf"), float("inf"), float("inf"), None] == found
    assert last != last


# --- keys -----------------------------------------------------------------------------------


def test_keys_become_one_component_each() -> None:
    """What a path cannot hold is percent-encoded; an empty key is a single percent sign."""
    keys = ["a/b", "a\\b", "100%", "tab\t", "nul\0", "", "..", ".dsm", "del\x7f", "é ü", "%", "a"]
    expected = ["a%2Fb", "a%5Cb", "100%25", "tab%09", "nul%00", "%", "..", ".dsm", "del%7F", "é ü",
                "%25", "a"]  # fmt: skip
    assert expected == paths_of(keys)
    assert expected == [component(key, "json") for key in keys]


def test_keys_that_are_not_text() -> None:
    """Whole numbers and decimals are plain, bytes hexadecimal, UUIDs as databases show them."""
    assert [
        *paths_of([-5]), *paths_of(pa.array([2**64 - 1], pa.uint64())),
    ] == ["-5", "18446744073709551615"]  # fmt: skip
    assert [
        *paths_of(pa.array([Decimal("1.50")])), *paths_of(pa.array([Decimal("1E-9")])),
    ] == ["1.50", "0.000000001"]  # fmt: skip
    assert paths_of(pa.array([b"\x00\xff", b""])) == ["00ff", "%"]
    same = UUID("12345678-1234-5678-1234-567812345678")
    uuids = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([same.bytes], pa.binary(16)))
    assert [str(same)] == paths_of(uuids)


def test_long_keys_are_cut_with_a_digest() -> None:
    """A long key fits, is cut between characters and escapes, and tells itself from its like."""
    room = 255 - len(".json")
    assert ["k" * room] == paths_of(["k" * room])
    for key in ("k" * (room + 1), "é" * 200, "🂡" * 100, "/" * 90, "a" + "/" * 90, "ab" + "/" * 90):
        (cut,) = paths_of([key])
        digest = blake3(key.encode()).hexdigest()[:16]
        assert digest == cut[-16:] and len(cut.encode()) <= room
        assert component(key[:50], "json") in cut
        # A key that is spelt as a cut one is cut as well, so that both stay apart.
        (other,) = paths_of([cut])
        assert other != cut


ODD_TEXT = st.one_of(
    st.text(max_size=12),
    st.text("%/\\2F.\x00\x7f-é", max_size=8),
    st.builds(lambda unit, count: unit * count, st.text(min_size=1, max_size=3),
              st.integers(80, 300)),
)  # fmt: skip


@given(st.lists(ODD_TEXT, min_size=1, max_size=30, unique=True))
def test_different_keys_have_different_legal_paths(keys: list[str]) -> None:
    """Paths of distinct keys are distinct, legal and two components long."""
    found = converted(batch_of(k=pa.array(keys, pa.string())), key="k").column("path").to_pylist()
    assert len(keys) == len(set(found))
    assert found == [check_path(path) for path in found]
    assert {1} == {path.count("/") for path in found}


# --- labels and times -----------------------------------------------------------------------


def test_labels_of_every_kind() -> None:
    """Text is tidied, numbers and booleans spelt, lists sorted and unique, NULL and blank none."""

    def labels(values: Any) -> Any:
        return converted(batch_of(x=values), label="x").column("labels").to_pylist()

    assert labels([" a ", None, "  ", "e\u0301"]) == [["a"], [], [], ["é"]]
    assert labels([3, None, -1]) == [["3"], [], ["-1"]]
    assert labels([True, False, None]) == [["true"], ["false"], []]
    assert labels(pa.array(["u", None, "u"]).dictionary_encode()) == [["u"], [], ["u"]]
    assert labels([[9, 10, 1, 9, None], None, []]) == [["1", "10", "9"], [], []]
    assert labels([[True, False], [False]]) == [["false", "true"], ["false"]]
    assert labels(pa.nulls(2)) == [[], []]
    enum = pa.DictionaryArray.from_arrays(pa.array([0, None], pa.int8()), ["a", "bad\0"])
    assert labels(enum) == [["a"], []]


def test_times_of_every_kind() -> None:
    """Timestamps of any unit, dates and text become microseconds in UTC; NULL is the default."""

    def times(values: Any) -> list[int]:
        found = converted(batch_of(x=values), label=None, time="x").column("time")
        counts: list[int] = found.cast(pa.int64()).to_pylist()
        return counts

    day = 20_484 * 86_400_000_000  # 2026-01-31
    noon = day + 43_200_000_000
    for unit, each in (("s", 10**6), ("ms", 10**3), ("us", 1)):
        for zone in (None, "UTC", "+02:00"):
            kind = pa.timestamp(unit, zone)
            assert [noon, NOW] == times(pa.array([noon // each, None], pa.int64()).cast(kind))
    nanoseconds = pa.array([noon * 1000 + 999, -1, None], pa.int64()).cast(pa.timestamp("ns"))
    assert [noon, -1, NOW] == times(nanoseconds)
    for kind in (pa.date32(), pa.date64()):
        assert [day, NOW] == times(pa.array([date(2026, 1, 31), None], kind))
    texts_ = ["2026-01-31", "2026-01-31T12:00", "2026-01-31 12:00:00", "2026-01-31T12:00:00.000",
              "2026-01-31T12:00:00.000000999Z", "20260131T120000Z", "2026-01-31 14:00:00+02",
              "2026-01-31T06:30:00-05:30", " 2026-01-31T12:00Z ",
              "2026-W05-6T12:00", None]  # fmt: skip
    assert [day, *[noon] * 9, NOW] == times(texts_)
    assert [noon, noon] == times(["2026-01-31T12:00:00Z", "2026-01-31T13:00:00+01:00"])
    assert times(pa.nulls(1)) == [NOW]


# --- what cannot be an example --------------------------------------------------------------

BAD = "\x1b" + ROW


def no_text(storage: pa.DataType) -> pa.Array:
    """An array of text that is not UTF-8, as a careless driver may give one."""
    raw = pa.array([b"fine", ROW.encode() + b"\xff"], pa.binary())
    return pa.Array.from_buffers(storage, 2, raw.buffers())


@pytest.mark.parametrize(
    ("batch", "roles", "message"),
    [
        (lambda: batch_of(x=["a", None, ROW]), {"key": "x"}, "the key is NULL in row 12"),
        (lambda: batch_of(x=["a", BAD]), {"label": "x"}, "the label in row 12 is none"),
        (lambda: batch_of(x=["a", ROW * 30]), {"label": "x"}, "the label in row 12 is none"),
        (lambda: batch_of(x=[["a"], ["b", BAD]]), {"label": "x"}, "the label in row 12 is none"),
        (lambda: batch_of(x=["2026-01-31", ROW]), {"time": "x"}, "the time in row 12 cannot"),
        (lambda: batch_of(x=["2026-01-31", ""]), {"time": "x"}, "the time in row 12 cannot"),
        (lambda: batch_of(x=pa.array([0, 2**62], pa.int64()).cast(pa.timestamp("s"))),
         {"time": "x"}, "the time in row 12 cannot"),
        (lambda: batch_of(x=pa.array([0, -2**62], pa.int64()).cast(pa.timestamp("us", "UTC"))),
         {"time": "x"}, "the time in row 12 cannot"),
        (lambda: batch_of(x=pa.array([None, 2**31 - 1], pa.int32()).cast(pa.date32())),
         {"time": "x"}, "the time in row 12 cannot"),
        (lambda: batch_of(x=no_text(pa.string())), {}, "column x holds text that is not UTF-8"),
        (lambda: batch_of(x=no_text(pa.string())), {"key": "x"}, "column x holds text that is"),
        (lambda: batch_of(x=no_text(pa.string())), {"label": "x"}, "column x holds text that is"),
        (lambda: batch_of(x=no_text(pa.string())), {"time": "x"}, "column x holds text that is"),
        (lambda: batch_of(x=no_text(pa.string())), {"payload": ["x"], "extension": "txt"},
         "column x holds text that is"),
        (lambda: batch_of(a=[1], x=pa.ListArray.from_arrays([0, 2], no_text(pa.string()))),
         {"label": "x"}, "column x holds text that is"),
        (lambda: batch_of(a=[1], x=pa.ListArray.from_arrays([0, 2], no_text(pa.string()))),
         {}, "column x holds text that is"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_one(
    batch: Callable[[], pa.RecordBatch], roles: dict[str, Any], message: str
) -> None:
    """The message names source and row or column, and nothing in it or its traceback a value."""
    with pytest.raises(SourceFailed) as caught:
        converted(batch(), first=10, **roles)
    error = caught.value
    assert f"source pay: {message}" in error.message
    assert error.__cause__ is None and error.__context__ is None
    told = "".join(traceback.format_exception_only(error)) + str(error.hint)
    assert ROW not in told and "\x1b" not in told


def test_a_column_whose_type_became_known_and_does_not_fit() -> None:
    """A column recorded without a type is refused when what it holds cannot have its role."""
    recorded = batch_of(x=pa.nulls(1))
    running = batch_of(x=[1.5])
    for role in ("label", "time"):
        query = define("fraud", "pay", "SELECT", recorded.schema, **{role: "x"})  # type: ignore[arg-type]
        examples = Examples(query, running.schema, changeset=1, time_us=0, types={})
        with pytest.raises(SourceFailed, match="it is of type double"):
            examples.convert(running, 0)
    query = define(
        "fraud", "pay", "SELECT", recorded.schema, key="x", payload=["x"], extension="txt"
    )
    examples = Examples(query, running.schema, changeset=1, time_us=0, types={})
    row = examples.convert(running, 0).to_pylist()[0]
    assert (row["path"], row[CONTENT]) == ("fraud/1.5.txt", b"1.5")


# --- databases ------------------------------------------------------------------------------


def payloads(asked: Asked, sql: str, **roles: Any) -> list[dict[str, Any]]:
    """Runs a query and returns its examples, the payloads read back with exact numbers."""
    with asked.run(sql) as rows:
        query = define("fraud", "pay", sql, rows.schema, **roles)
        examples = Examples(
            query, rows.schema, changeset=1, time_us=NOW, types=dict(query.attributes)
        )
        found: list[dict[str, Any]] = []
        for batch in rows:
            made = examples.convert(batch, len(found))
            made.validate(full=True)
            found += made.to_pylist()
    for row in found:
        row[CONTENT] = exact(row[CONTENT])
    return found


def test_types_of_postgresql(server: Server, postgresql: Asked) -> None:
    """Every type of PostgreSQL that rows usually have is in the payload as it is in the table."""
    huge = "x" * 3_000_000
    server.do(
        "DROP TABLE IF EXISTS odd_types",
        "CREATE TABLE odd_types (id bigint, amount numeric, ratio float8, single real, "
        "ok boolean, id2 uuid, doc json, docb jsonb, tags text[], numbers int[], raw bytea, "
        "at timestamptz, local_at timestamp, day date, clock time, span interval, word text, "
        "prices numeric[])",
        "INSERT INTO odd_types VALUES (1, 12345678901234567890.123456789, 0.1, 0.1, true, "
        "'12345678-1234-5678-1234-567812345678', '{\"a\":\n 1}', '{\"b\": [null]}', "
        "ARRAY['x', NULL, 'q\"'], '{1,2}', '\\x00ff', '2026-01-31 12:00:00+02', "
        "'2026-01-31 12:00:00.5', '2026-01-31', '24:00:00', '1 month 2 days 3.5 seconds', "
        f"repeat('x', {len(huge)}), '{{1.50,NaN}}')",
        "INSERT INTO odd_types (id) VALUES (2)",
        "INSERT INTO odd_types (id, amount, ratio, at, day, word) VALUES "
        "(3, 'NaN', 'Infinity', 'infinity', '-infinity', E'line\\nbreak \\u00e9')",
    )
    rows = payloads(postgresql, "SELECT * FROM odd_types ORDER BY id", key="id")
    server.do("DROP TABLE odd_types")
    names = list(rows[0][CONTENT])
    assert {
        "id": 1, "amount": Decimal("12345678901234567890.123456789"), "ratio": Decimal("0.1"),
        "single": Decimal("0.1"), "ok": True, "id2": "12345678-1234-5678-1234-567812345678",
        "doc": {"a": 1}, "docb": {"b": [None]}, "tags": ["x", None, 'q"'], "numbers": [1, 2],
        "raw": base64.b64encode(b"\0\xff").decode(), "at": "2026-01-31T10:00:00Z",
        "local_at": "2026-01-31T12:00:00.500000", "day": "2026-01-31", "clock": "24:00:00",
        "span": "P1M2DT3.5S", "word": huge, "prices": [Decimal("1.50"), None],
    } == rows[0][CONTENT]  # fmt: skip
    assert dict.fromkeys(names) | {"id": 2} == rows[1][CONTENT]
    # Infinite times are null, as infinite numbers are.
    assert dict.fromkeys(names) | {"id": 3, "word": "line\nbreak é"} == rows[2][CONTENT]
    assert [row["path"] for row in rows] == ["fraud/1.json", "fraud/2.json", "fraud/3.json"]
    assert float("12345678901234567890.123456789") == rows[0]["attr.amount"]
    assert str(rows[2]["attr.amount"]) == "nan" and str(rows[2]["attr.ratio"]) == "inf"


def test_roles_in_postgresql(postgresql: Asked) -> None:
    """Keys of numeric and uuid, labels of arrays and times with a zone do what they should."""
    sql = (
        "SELECT 10.50::numeric AS k, ARRAY['b', 'a', NULL] AS l,"
        " timestamptz '2026-01-31 12:00:00+02' AS t, 'x' AS word"
    )
    (row,) = payloads(postgresql, sql, key="k", label="l", time="t", payload=["word"])
    assert (row["path"], row["labels"]) == ("fraud/10.50.json", ["a", "b"])
    assert (datetime(2026, 1, 31, 10, tzinfo=UTC), {"word": "x"}) == (row["time"], row[CONTENT])
    sql = "SELECT '12345678-1234-5678-1234-567812345678'::uuid AS k"
    (row,) = payloads(postgresql, sql, key="k")
    assert row["path"] == "fraud/12345678-1234-5678-1234-567812345678.json"


def test_an_infinite_time_is_none(postgresql: Asked) -> None:
    """PostgreSQL's `infinity` cannot be the time of an example."""
    for kind in ("timestamptz", "timestamp", "date"):
        for text in ("infinity", "-infinity"):
            with pytest.raises(SourceFailed, match="the time in row 1 cannot be read"):
                payloads(postgresql, f"SELECT '{text}'::{kind} AS t", time="t")


def test_types_of_duckdb(duckdb: Asked) -> None:
    """Every type of DuckDB that rows usually have is in the payload as it is in the table."""
    sql = (
        "SELECT 1::UTINYINT AS small, 170141183460469231731687303715884105727::HUGEINT AS huge, "
        "12.50::DECIMAL(38, 2) AS amount, 'NaN'::DOUBLE AS odd, 0.1::FLOAT AS single, "
        "TRUE AS ok, '12345678-1234-5678-1234-567812345678'::UUID AS id2, "
        "[1, NULL, 3] AS list, ['a']::VARCHAR[1] AS fixed, {'a': 1, 'b': 'x'} AS struct, "
        "MAP {'k': 2} AS map, '\\x00\\xFF'::BLOB AS raw, TIMESTAMPTZ '2026-01-31 12:00:00+02' AS at,"
        " TIMESTAMP '2026-01-31 12:00:00.5' AS local_at, TIMESTAMP_NS '2026-01-31 12:00:00' AS ns, "
        "DATE '2026-01-31' AS day, TIME '12:00:01' AS clock, "
        "INTERVAL '1 month 2 days 3.5 seconds' AS span, 'a'::ENUM('b', 'a') AS enum, "
        "NULL::INTEGER AS nothing, repeat('x', 1000000) AS word"
    )
    (row,) = payloads(duckdb, sql, key="amount", label="enum", time="at")
    assert {
        "small": 1, "huge": 2**127 - 1, "amount": Decimal("12.50"), "odd": None, "single": Decimal("0.1"), "ok": True,
        "id2": "12345678-1234-5678-1234-567812345678", "list": [1, None, 3], "fixed": ["a"],
        "struct": {"a": 1, "b": "x"}, "map": [["k", 2]], "raw": "AP8=",
        "at": "2026-01-31T10:00:00Z", "local_at": "2026-01-31T12:00:00.500000",
        "ns": "2026-01-31T12:00:00", "day": "2026-01-31", "clock": "12:00:01",
        "span": "P1M2DT3.5S", "enum": "a", "nothing": None, "word": "x" * 1_000_000,
    } == row[CONTENT]  # fmt: skip
    assert (row["path"], row["labels"]) == ("fraud/12.50.json", ["a"])
    assert datetime(2026, 1, 31, 10, tzinfo=UTC) == row["time"]


def test_types_of_sqlite(sqlite: Asked) -> None:
    """What SQLite can hold is in the payload as it is in the table."""
    with contextlib.closing(sqlite3.connect(sqlite.address)) as made:
        made.execute("CREATE TABLE odd (id INTEGER, r REAL, t TEXT, b BLOB, day TEXT, free)")
        made.executemany(
            "INSERT INTO odd VALUES (?, ?, ?, ?, ?, ?)",
            [(2**63 - 1, 0.1, "é\n\"", b"\0\xff", "2026-01-31", 5),
             (-(2**63), float("inf"), "x" * 1_000_000, None, None, None)],
        )  # fmt: skip
        made.commit()
    rows = payloads(sqlite, "SELECT * FROM odd", key="id", time="day")
    assert [
        {"id": 2**63 - 1, "r": Decimal("0.1"), "t": 'é\n"', "b": "AP8=", "day": "2026-01-31",
         "free": 5},
        {"id": -(2**63), "r": None, "t": "x" * 1_000_000, "b": None, "day": None, "free": None},
    ] == [row[CONTENT] for row in rows]  # fmt: skip
    assert [f"fraud/{2**63 - 1}.json", f"fraud/{-(2**63)}.json"] == [row["path"] for row in rows]
    assert rows[0]["time"].timestamp() == 1_769_817_600


def test_text_of_sqlite_that_is_not_utf8(sqlite: Asked, tmp_path: Path) -> None:
    """SQLite keeps any bytes as text; the message names the column and holds none of them."""
    with contextlib.closing(sqlite3.connect(sqlite.address)) as made:
        made.execute(
            "CREATE TABLE broken AS SELECT CAST(? AS TEXT) AS word", (b"\xff" + ROW.encode(),)
        )
        made.commit()
    with pytest.raises(SourceFailed) as caught:
        payloads(sqlite, "SELECT * FROM broken")
    assert caught.value.message == "source pay: column word holds text that is not UTF-8"
    assert caught.value.__context__ is None
