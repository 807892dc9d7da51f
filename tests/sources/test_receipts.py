"""Receipts of runs: begun, ended, listed; and the digest of rows, whatever their order."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from situations import Work

from dsm.errors import DamagedData, InvalidInput, StorageFailed
from dsm.maintenance.fsck import fsck
from dsm.repo import documents
from dsm.sources import receipts as r
from dsm.sources.digest import RowDigest
from dsm.sources.query import SourceQuery, define
from dsm.sources.source import Source
from dsm.store import disk

KEY = bytes(range(32))
VIEW, OTHER = "ab" * 32, "cd" * 32
COLUMNS = pa.schema([("id", pa.int64()), ("memo", pa.string())])
SOURCE = Source("0" * 32, "payments", "postgresql", "environment", "PAYMENTS_URI", 0)


def query(name: str = "fraud") -> SourceQuery:
    return define(name, "payments", "SELECT id, memo FROM t", COLUMNS, purpose="research")


def log(work: Work, author: str = "Ada") -> r.Log:
    return r.Log(work.repo, author=author, clock=work.clock)


def begin(work: Work, **more: Any) -> r.Running:
    asked = {"dataset": "data", "version": VIEW, "changeset": 3, "consumer": "get"} | more
    name = asked.pop("name", "fraud")
    return log(work).begin(query(name), SOURCE, columns=COLUMNS, **asked)


def run(work: Work, rows: int = 2, outcome: str = r.COMPLETE, **more: Any) -> r.Running:
    running = begin(work, **more)
    running.end(outcome, rows, rows * 10, 0.25, "ef" * 32 if outcome == r.COMPLETE else None)
    return running


def test_a_receipt_says_who_asked_what_and_how_it_ended(work: Work) -> None:
    """All that was told at begin and end is read back; nothing else is there."""
    running = log(work, "Ada \udcff").begin(
        query(), SOURCE, dataset="data", version=VIEW, changeset=3, consumer="torch",
        columns=COLUMNS,
    )  # fmt: skip
    running.end(r.FAILED, 7, 90, 1.5, None, StorageFailed("the row 4711 is bad"))
    (found,) = r.receipts(work.repo)
    assert found == r.Receipt(
        running.id, work.clock.now, "Ada \\udcff", "data", VIEW, "fraud", 3, "payments", "0" * 32,
        "postgresql", "research", "torch", "failed", 7, 90, 1.5,
        (("id", "int64"), ("memo", "string")), None, "storage",
    )  # fmt: skip
    folder = Path(work.repo.layout.receipts)
    assert b"4711" not in b"".join(path.read_bytes() for path in folder.iterdir())


def test_a_run_without_an_end_is_unfinished(work: Work) -> None:
    """What a killed run leaves is its begin."""
    begin(work)
    (found,) = r.receipts(work.repo)
    assert (found.outcome, found.rows, found.digest) == ("unfinished", 0, None)


def test_only_the_first_end_counts(work: Work) -> None:
    """A run that is ended twice keeps what was noted first."""
    running = run(work, 5)
    running.end(r.FAILED, 0, 0, 0, None)
    assert [(each.outcome, each.rows) for each in r.receipts(work.repo)] == [("complete", 5)]


def test_receipts_are_listed_newest_first_and_chosen(work: Work) -> None:
    """By view, also by the first digits of its version, and by dataset."""
    ids = [run(work).id, run(work, version=OTHER).id, run(work, dataset="more").id]
    assert [each.id for each in r.receipts(work.repo)] == ids[::-1]
    assert [each.id for each in r.receipts(work.repo, version=OTHER[:8])] == [ids[1]]
    assert [each.id for each in r.receipts(work.repo, version=VIEW, dataset="more")] == [ids[2]]
    assert r.receipts(work.repo, version="ef" * 32) == []
    with pytest.raises(InvalidInput, match="a version is up to 64 hex digits"):
        r.receipts(work.repo, version="../../etc")


def test_the_last_two_are_complete_runs_of_the_same_rows(work: Work) -> None:
    """Failed runs, other views, other queries and runs without a digest do not count."""
    assert r.last_two(work.repo, VIEW, "fraud") == ()
    run(work, 1)
    older, newer = run(work, 1204).id, run(work, 1198).id
    run(work, 3, r.STOPPED)
    run(work, 4, version=OTHER)
    run(work, 5, name="wards")
    begin(work).end(r.COMPLETE, 6, 6, 1, None)
    begin(work)
    found = r.last_two(work.repo, VIEW, "fraud")
    assert [(each.id, each.rows) for each in found] == [(newer, 1198), (older, 1204)]


def test_no_receipt_no_run(work: Work) -> None:
    """A begin that cannot be written raises: the caller passes no row on."""

    def full(operation: str, path: str) -> None:
        if operation == "link":
            raise OSError(28, "No space left on device")

    with disk.observe(full), pytest.raises(StorageFailed, match="No space left on device"):
        begin(work)
    assert r.receipts(work.repo) == []


def test_words_are_checked(work: Work) -> None:
    """A consumer and an outcome are one of the known words."""
    with pytest.raises(InvalidInput, match="run is for one of get, iterate, columns"):
        begin(work, consumer="curiosity")
    with pytest.raises(InvalidInput, match="ends as one of complete, stopped, failed"):
        begin(work).end("unfinished", 0, 0, 0, None)


def test_fsck_knows_receipts(work: Work) -> None:
    """Whole receipts and the key are no finding; damaged ones, strays and a bad key are."""
    running = run(work)
    r.digest_key(work.repo)
    assert fsck(work.repo).findings == ()
    layout = work.repo.layout
    end = Path(documents.receipts(layout, ended=True).path(running.id))
    end.write_bytes(end.read_bytes().replace(b'"rows":2', b'"rows":3'))
    Path(layout.receipts, "note.txt").write_text("hello")
    Path(layout.receipt_key).unlink()
    Path(layout.receipt_key).write_bytes(b"short")
    found = {os.path.basename(each.where) for each in fsck(work.repo).findings}
    assert found == {f"{running.id}.json", f"{running.id}.end.json", "note.txt", "receipt.key"}
    with pytest.raises(DamagedData, match="damaged: its contents do not fit its seal"):
        r.receipts(work.repo)


def test_the_key_is_made_once_and_for_its_owner_alone(work: Work) -> None:
    """The same 32 bytes each time, in a file that others cannot read."""
    key = r.digest_key(work.repo)
    assert (len(key), key) == (32, r.digest_key(work.repo))
    assert stat.S_IMODE(os.stat(work.repo.layout.receipt_key).st_mode) == 0o600


def test_processes_agree_on_one_key(work: Work) -> None:
    """Several that start at once end up with the same key."""
    code = (
        "import sys; from dsm.api import open\n"
        "from dsm.sources.receipts import digest_key\n"
        "print(digest_key(open(sys.argv[1])).hex())"
    )
    words = [sys.executable, "-c", code, str(work.root)]
    started = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert len({each.communicate()[0] for each in started}) == 1


# --- digests ---------------------------------------------------------------------------------

Row = dict[str, Any]
_ATTRIBUTES = {"attr.city": pa.string(), "attr.age": pa.int64(), "attr.score": pa.float64()}
SCHEMA = pa.schema(
    [
        ("path", pa.string()), ("labels", pa.list_(pa.string())),
        ("time", pa.timestamp("us", tz="UTC")), ("content", pa.binary()), *_ATTRIBUTES.items(),
        ("attr.open", pa.bool_()),
    ]
)  # fmt: skip
texts = st.text("ab\0\u00e9", max_size=3)
rows_of = st.lists(
    st.fixed_dictionaries(
        {
            "path": texts, "labels": st.none() | st.lists(texts, max_size=3),
            "time": st.integers(0, 3), "content": st.binary(max_size=3),
            "attr.city": st.none() | texts, "attr.age": st.none() | st.integers(-2, 2),
            "attr.score": st.none() | st.integers(-2, 2).map(float),
            "attr.open": st.none() | st.booleans(),
        }
    ),
    max_size=6,
)  # fmt: skip


def digest(*batches: pa.RecordBatch, key: bytes = KEY) -> str:
    found = RowDigest(key)
    for batch in batches:
        found.update(batch)
    return found.hexdigest()


def batch(rows: list[Row]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(rows, SCHEMA)


def row(path: str = "a", **more: Any) -> Row:
    when = datetime(2026, 1, 1, tzinfo=UTC)
    return {"path": path, "labels": ["x"], "time": when, "content": b"c", **more}


@given(rows_of, st.randoms(use_true_random=False), st.lists(st.integers(0, 6), max_size=3))
def test_order_and_batches_do_not_matter(rows: list[Row], random: Any, cuts: list[int]) -> None:
    """Shuffled, sliced into batches and summed from parts, the rows have one digest."""
    whole = digest(batch(rows))
    shuffled = random.sample(rows, len(rows))
    table = batch(shuffled)
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    slices = [table.slice(a, b - a) for a, b in pairwise(edges)]
    assert whole == digest(*slices)
    total = RowDigest(KEY)
    for part in slices:
        one = RowDigest(KEY)
        one.update(part)
        total.add(one)
    assert (whole, len(rows)) == (total.hexdigest(), total.rows)


@given(rows_of, rows_of)
def test_other_rows_have_another_digest(first: list[Row], second: list[Row]) -> None:
    """Two digests are equal exactly when the rows are, each as often."""

    def plain(rows: list[Row]) -> list[str]:
        return sorted(map(repr, rows))

    assert (plain(first) == plain(second)) == (digest(batch(first)) == digest(batch(second)))


ALIKE: list[Callable[[], tuple[list[Row], list[Row]]]] = [
    lambda: ([row("ab", content=b"c")], [row("a", content=b"bc")]),
    lambda: ([row(labels=["x", "y"])], [row(labels=["xy"])]),
    lambda: ([row(labels=[])], [row(labels=[""])]),
    lambda: ([row(), row()], [row()]),
    lambda: ([row(**{"attr.city": ""})], [row()]),
    lambda: ([row(**{"attr.age": 1})], [row(**{"attr.score": 1.0})]),
    lambda: ([row(content=b"\1")], [row(content=b"\2")]),
]


@pytest.mark.parametrize("case", ALIKE)
def test_rows_that_look_alike_differ(case: Callable[[], tuple[list[Row], list[Row]]]) -> None:
    """No value runs into its neighbour, and nothing is not the same as empty."""
    first, second = case()
    assert digest(batch(first)) != digest(batch(second))


def test_the_key_matters() -> None:
    """Without the key nobody can tell which rows a digest is of."""
    rows = batch([row()])
    assert digest(rows) != digest(rows, key=bytes(32))
    assert digest() != digest(key=bytes(32))
