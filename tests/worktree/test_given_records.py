"""Records that are given as Python values or tables: a file of lines that needs not be there."""

from __future__ import annotations

import datetime
import decimal
import json
import uuid
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pytest
from situations import Work

from dsm.errors import Conflict, DsmError, InvalidInput
from dsm.records.gathering import RecordsInvalid
from dsm.records.given import Lines, lines_of

ROWS: list[dict[str, Any]] = [
    {"id": "a", "text": "one", "topic": "x", "n": 1, "score": 0.5},
    {"id": "b", "text": "zwei ß", "topic": "y", "n": 2, "score": None},
    {"id": "c", "text": "", "topic": "x", "n": 3, "score": 1.5},
]


def _pandas(rows: list[dict[str, Any]]) -> Any:
    frame = pytest.importorskip("pandas").DataFrame(rows)
    return frame.set_index(frame.index + 7)  # an index without a name is no field


def _polars(rows: list[dict[str, Any]]) -> Any:
    return pytest.importorskip("polars").DataFrame(rows)


FORMS: dict[str, Callable[[list[dict[str, Any]]], Any]] = {
    "list": list,
    "generator": lambda rows: (row for row in rows),
    "mappings": lambda rows: [MappingProxyType(row) for row in rows],
    "table": pa.Table.from_pylist,
    "reader": lambda rows: pa.Table.from_pylist(rows).to_reader(max_chunksize=2),
    "pandas": _pandas,
    "polars": _polars,
}


@pytest.mark.parametrize("form", FORMS)
def test_records_of_any_form_are_examples(work: Work, form: str) -> None:
    """Whatever they come as, fields are in their order and types, and say key, label and attribute;
    the file can be restored and is then what is known."""
    report = work.ds.add_records(
        FORMS[form](ROWS), name="d/t.jsonl", key="id", label="topic", attributes="n", labels=["all"]
    )
    assert (report.counts.added, report.records[0].records) == (3, 3)
    assert work.ds.status().unstaged == ()
    work.ds.commit("one")
    view = work.reopen().prepare()
    assert [row["text"] for row in ROWS] == [example.record["text"] for example in view]
    assert [example.record for example in view] == ROWS
    assert [list(row) for row in ROWS] == [list(example.record) for example in view]
    assert [example.path for example in view] == ["d/t.jsonl#a", "d/t.jsonl#b", "d/t.jsonl#c"]
    assert [example.labels for example in view] == [("all", "x"), ("all", "y"), ("all", "x")]
    assert [example.attributes for example in view] == [{"n": 1}, {"n": 2}, {"n": 3}]
    work.ds.restore()
    lines = work.path("d/t.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == ROWS
    assert work.ds.status().clean


def test_the_next_state_of_given_records(work: Work) -> None:
    """Given again, records that are the same are not touched, others are changed, added and
    deleted, and a label that people gave stays, though the fields are named as before."""
    asked = {"key": "id", "label": "topic"}
    work.ds.add_records(ROWS, name="t.jsonl", **asked)
    work.ds.commit("one")
    work.ds.label(["t.jsonl#a"], set=["people"])
    work.ds.commit("two")
    for said in (asked, {}):
        rows = [ROWS[0] | {"text": f"new {len(said)}"}, ROWS[1], {"id": "d", "topic": "z"}]
        report = work.ds.add_records(iter(rows), name="t.jsonl", **said)  # type: ignore[arg-type]
        counts = report.records[0].counts
        assert {"modified": 1, **({"added": 1, "deleted": 1} if said else {})} == counts
        work.ds.commit("state")
        labels = {path: labels for path, (_, labels) in work.snapshot().items()}
        assert {path: each for path, each in labels.items() if "#" in path} == {
            "t.jsonl#a": ("people",),
            "t.jsonl#b": ("y",),
            "t.jsonl#d": ("z",),
        }
    report = work.ds.add_records(rows, name="t.jsonl")
    assert (report.unchanged, report.counts.rows) == (1, 0)
    # Named otherwise, the fields are read anew.
    report = work.ds.add_records(rows, name="t.jsonl", key="id", label="text")
    assert report.records[0].counts == {"relabelled": 3}


def test_what_json_does_not_have_is_written_as_it_has() -> None:
    """Times, decimals, UUIDs, tuples and numbers of NumPy are texts, lists and numbers."""
    numpy = pytest.importorskip("numpy")
    zone = datetime.UTC
    record = {
        "at": datetime.datetime(2026, 1, 2, 3, tzinfo=zone), "day": datetime.date(2026, 1, 2),
        "price": decimal.Decimal("1.10"), "who": uuid.UUID(int=1), "pair": (1, 2),
        "big": 2**70, "number": numpy.int64(3), "list": numpy.array([1, 2]),
    }  # fmt: skip
    (line,) = lines_of([record])
    assert json.loads(line) == {
        "at": "2026-01-02T03:00:00+00:00", "day": "2026-01-02", "price": "1.10",
        "who": str(uuid.UUID(int=1)), "pair": [1, 2], "big": 2**70, "number": 3, "list": [1, 2],
    }  # fmt: skip


ITSELF: dict[str, Any] = {}
ITSELF["itself"] = ITSELF


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ({"a": 1}, "not dict"),
        ("text", "not str"),
        (7, "not int"),
        ([1], "record 1 is int"),
        ([{"a": 1}, None], "record 2 is NoneType"),
        ([{1: 2}], "has the field 1, whose name is no text"),
        ([{"a": b"x"}], "a value of the type bytes"),
        ([{"a": object()}], "a value of the type object"),
        ([{"a": "\ud800"}], "record 1 has something in the field 'a' that JSON does not hold"),
        ([ITSELF], "record 1 has something in the field 'itself' that JSON does not hold"),
        ([{"x": 1}, {"x": 1, "raw": b"x"}], "record 2 has something in the field 'raw' that"),
        (pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"]), "column name twice"),
        (pa.table({"a": [b"x"]}), "a value of the type bytes"),
    ],
)
def test_what_is_no_record_is_told(work: Work, records: Any, words: str) -> None:
    """One line tells which record is none, and nothing is staged."""
    with pytest.raises(InvalidInput, match=words) as caught:
        work.ds.add_records(records, name="t.jsonl")
    assert "\n" not in caught.value.message
    assert work.ds.status().clean


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (InvalidInput, {"name": "t.csv"}),
        (InvalidInput, {"name": "../t.jsonl"}),
        (InvalidInput, {"name": "t.jsonl.gz"}),
        (RecordsInvalid, {"name": "t.jsonl", "key": "topic"}),
        (RecordsInvalid, {"name": "t.jsonl", "label": "lable"}),
        (Conflict, {"name": "taken.jsonl", "key": "id"}),
    ],
)
def test_names_and_fields_that_cannot_be(
    work: Work, error: type[DsmError], asked: dict[str, Any]
) -> None:
    """Names of no such file, keys that repeat, fields that are nowhere, and a file that has the
    path of a record are refused."""
    work.ds.add({"taken.jsonl#a": b"a file"})
    with pytest.raises(
        error,
        match=r"is no name of a JSON Lines file|has the component|line 3: has the key|has the field|a file and a record at once",
    ):
        work.ds.add_records(ROWS, **asked)
    assert len(work.ds.status().staged) == 1


def test_lines_come_in_blocks() -> None:
    """Lines are handed out whole, at least as many bytes as are asked for, and each once."""
    lines = [b"%d\n" % n for n in range(100)]
    file = Lines(iter(lines))
    parts = iter(lambda: file.read(50), b"")
    first, *rest = parts
    assert 50 <= len(first) < 60
    assert b"".join([first, *rest]) == b"".join(lines)
