"""Views with queries: rows of a source are examples like stored ones, read anew and never kept."""

from __future__ import annotations

import io
import json
import math
import stat
import tarfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bank import ROWS, Bank, expected, payload, time_of

from dsm.errors import DsmError, InvalidInput, NotFound
from dsm.sources import receipts
from dsm.sources.failures import SecretMissing, SourceChanged
from dsm.views.comparison.why import why
from dsm.views.source_rows.unique_keys import KeyRepeats
from dsm.views.view import NumberUnknown, View
from dsm.views.writing.get import stream
from dsm.views.writing.options import Options
from dsm.views.writing.output_folder import OtherContent
from dsm.views.writing.with_source_rows import NotKept
from dsm.worktree.databases import DatabaseInTree

pytest.importorskip(
    "adbc_driver_sqlite", reason="needs dsm-datasets[sources]: pip install '.[test]'"
)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    (tmp_path / "work").mkdir()
    made = Bank(tmp_path / "work", tmp_path / "bank.db")
    yield made
    made.repo.close()


def paths(view: View) -> list[str]:
    return [example.path for example in view]


def test_rows_are_examples(bank: Bank) -> None:
    """Each row has path, payload, labels, time, attributes and changeset; stored ones come first."""
    found = list(bank.ds.prepare())
    assert [e.path for e in found[:40]] == [f"note/{n:02}" for n in range(40)]
    assert len(found) == 240
    for example, row in zip(found[40:], ROWS, strict=True):
        assert example.path == f"pay/{row[0]}.json"
        assert (example.bytes, example.size) == (payload(row), len(payload(row)))
        assert example.labels == (() if row[4] is None else (row[4],))
        assert (example.time, example.changeset) == (time_of(row), 2)
        attributes = {"amount": row[1]} | ({"country": row[2]} if row[2] else {})
        assert example.attributes == attributes
        assert json.loads(example.open().read())["id"] == row[0]


@pytest.mark.parametrize(
    ("asked", "fits"),
    [
        ({"labels": ["fraud"]}, lambda r: r[4] == "fraud"),
        ({"labels": ["fraud", "ok"]}, lambda r: r[4] is not None),
        ({"labels": ["fraud", "ok"], "all_labels": True}, lambda r: False),
        ({"exclude": ["ok", "note"]}, lambda r: r[4] != "ok"),
        ({"since": "2026-01-03"}, lambda r: r[0] >= 48),
        ({"since": "2026-01-03", "until": "2026-01-04T06:00:00Z"}, lambda r: 48 <= r[0] < 78),
        ({"where": ["amount>=30", "amount<45.5"]}, lambda r: 30 <= r[1] < 45.5),
        ({"where": ["country=DE"]}, lambda r: r[2] == "DE"),
        ({"where": ["country!=DE"]}, lambda r: r[2] == "FR"),
        ({"where": ["country in DE,FR", "size>90"]}, lambda r: r[2] and len(payload(r)) > 90),
        ({"paths": ["pay/1*.json"]}, lambda r: str(r[0]).startswith("1")),
        ({"paths": ["pay/17.json", "pay/99.json"]}, lambda r: r[0] in (17, 99)),
        ({"paths": ["note"], "labels": ["fraud"]}, lambda r: False),
        ({"changesets": "2"}, lambda r: True),
        ({"changesets": "1"}, lambda r: False),
        ({"at": 1}, lambda r: False),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "rows",
)  # fmt: skip
def test_filters(bank: Bank, asked: dict[str, Any], fits: Any) -> None:
    """Every filter means for rows what it means for stored examples, whatever the source is asked."""
    view = bank.repo.dataset().query(**asked)
    found = View(bank.repo, "data", lambda: bank.ds.snapshots, view)
    assert [p for p in paths(found) if p.startswith("pay/")] == expected(
        [row for row in ROWS if fits(row)]
    )
    stored = list(found.without_sources())
    assert paths(found)[: len(stored)] == [example.path for example in stored]


@pytest.mark.parametrize("percent", ["0.1", "0.5", "0.999"])
@pytest.mark.parametrize("label", [None, "fraud"])
def test_the_newest_share_is_of_all(bank: Bank, percent: str, label: str | None) -> None:
    """Stored examples and rows are cut together, by time and then hash of path."""
    labels = [label] if label else []
    view = bank.ds.prepare(labels=labels, percent=percent)
    whole = list(bank.ds.prepare(labels=labels))
    newest = sorted(whole, key=lambda e: (e.time, e.path), reverse=True)
    kept = {e.path for e in newest[: math.ceil(float(percent) * len(whole))]}
    assert paths(view) == [e.path for e in whole if e.path in kept]


def test_the_version_needs_no_source(bank: Bank) -> None:
    """Preparing asks no source, and gives the same version whatever that would answer."""
    first = bank.ds.prepare(labels=["fraud"])
    bank.change("DELETE FROM payment")
    bank.address = None
    again = bank.reopen().prepare(labels=["fraud"])
    assert (first.version, again.content.examples) == (again.version, 0)
    with pytest.raises(SecretMissing, match="the environment variable BANK gives no address"):
        list(again)
    assert paths(again.without_sources()) == []
    assert len(list(bank.ds.prepare().without_sources())) == 40
    assert len(bank.ds.prepare().without_sources()) == 40


def test_what_needs_a_number_of_rows(bank: Bank) -> None:
    """Length, index and order are refused, not guessed."""
    view = bank.ds.prepare()
    for wrong in (lambda: len(view), lambda: view[0], lambda: view[1:2]):
        with pytest.raises(
            NumberUnknown, match="how many examples a view with|the rows of a query have no fixed"
        ):
            wrong()
    with pytest.raises(InvalidInput, match="order of indices"):
        view.iterate([1, 2])
    assert len(list(view)) == 240  # list asks for a length, and does without


def test_shuffled(bank: Bank) -> None:
    """A seed and an epoch give one order of all examples; another seed gives another."""
    view = bank.ds.prepare()
    first = [e.path for e in view.iterate(seed=1)]
    assert sorted(first) == sorted(paths(view))
    assert first == [e.path for e in view.iterate(seed=1)]
    others = [[e.path for e in view.iterate(seed=s, epoch=e)] for s, e in ((2, 0), (1, 1))]
    assert first not in others
    mixed = [path.startswith("note/") for path in first[:60]]
    assert any(mixed) and not all(mixed)


def test_shuffling_holds_few_rows(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows go through a buffer; with a small one, all of them still come once."""
    monkeypatch.setattr("dsm.views.reading.mixing.BUFFER_ROWS", 7)
    view = bank.ds.prepare(changesets="2")
    assert sorted(e.path for e in view.iterate(seed=1)) == sorted(expected(ROWS))


def test_batches_and_columns(bank: Bank) -> None:
    """Arrow readers get examples with content, or the columns of the answer as they are."""
    view = bank.ds.prepare()
    table = pa.Table.from_batches(list(view.batches()))
    assert table.column("path").to_pylist() == paths(view)
    assert table.column("content").to_pylist() == [example.bytes for example in view]
    rows = [row for batch in view.columns() for row in batch.to_pylist()]
    assert [tuple(row.values()) for row in rows] == ROWS
    few = [r for b in bank.ds.prepare(labels=["fraud"]).columns("pay") for r in b.to_pylist()]
    assert [row["id"] for row in few] == [row[0] for row in ROWS if row[4] == "fraud"]
    with pytest.raises(NotFound, match="no query nope"):
        view.columns("nope")


def members(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        found = [(m.name, tar.extractfile(m).read()) for m in tar]  # type: ignore[union-attr]
    assert len(dict(found)) == len(found)
    return dict(found)


def streamed(view: View, layout: str) -> dict[str, bytes]:
    data = io.BytesIO()
    count, size, _ = stream(view, data.write, Options(layout))
    assert count == len(list(view)) and size == sum(e.size for e in view)
    return members(data.getvalue())


def test_streaming(bank: Bank) -> None:
    """One tar has stored examples and rows; shards have a class for every label."""
    view = bank.ds.prepare()
    assert streamed(view, "tar") == {e.path: e.bytes for e in view}
    found = streamed(view, "webdataset")
    assert len(found) == 3 * 240
    classes = {"fraud": b"0", "note": b"1", "ok": b"2", None: b"-1"}
    for row in ROWS:
        assert found[f"pay/{row[0]}.payload.json"] == payload(row)
        assert found[f"pay/{row[0]}.cls"] == classes[row[4]]
        beside = json.loads(found[f"pay/{row[0]}.json"])
        assert (beside["path"], beside["changeset"]) == (f"pay/{row[0]}.json", 2)
        assert beside["attributes"] == {"amount": row[1], "country": row[2]}


def test_rows_are_not_kept(bank: Bank, tmp_path: Path) -> None:
    """A folder is refused, in the repository even when it is allowed elsewhere."""
    view = bank.ds.prepare()
    for out, allowed in ((tmp_path / "out", False), (bank.root / "out", True), (bank.root, True)):
        with pytest.raises(NotKept, match="rows of queries"):
            view.get(str(out), allow_persist=allowed)
    link = tmp_path / "link"
    link.symlink_to(bank.root / "behind")
    with pytest.raises(NotKept, match=r"rows of queries \(pay\) are not written into a"):
        view.get(str(link), allow_persist=True)
    assert not (tmp_path / "out").exists()
    assert bank.files() == {}


@pytest.mark.parametrize("layout", ["webdataset", "tar", "parquet"])
@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_persisting(bank: Bank, tmp_path: Path, layout: str, compression: str) -> None:
    """Where it is allowed, the folder holds what the stream would, and says whose rows they are."""
    view, out = bank.ds.prepare(), tmp_path / "out"
    options: dict[str, Any] = {"format": layout, "compression": compression, "shard_size": 200_000}
    report = view.get(str(out), allow_persist=True, **options)
    assert (report.examples, report.fresh) == (240, True)
    names = [p for p in out.iterdir() if p.suffix == ".json" and "croissant" not in p.name]
    told = json.loads(names[0].read_bytes())
    assert told["rows"] == {
        "count": 200, "made_up": False, "queries": ["pay"], "sources": ["bank"],
    }  # fmt: skip
    assert (told["examples"], told["sources"]) == (240, "read")
    assert told["labels"] == {"fraud": 50, "note": 40, "ok": 100}
    if layout == "parquet":
        shards = sorted(out.glob("part-*.parquet"))
        tables = [pq.read_table(shard) for shard in shards]
        assert pa.concat_tables(tables).column("path").to_pylist() == paths(view)
    else:
        shards = sorted(out.glob("*.tar*"))
        found: dict[str, bytes] = {}
        for shard in shards:
            data = shard.read_bytes()
            if compression == "zstd":
                import zstandard

                data = zstandard.ZstdDecompressor().stream_reader(data).read()
            found.update(members(data))
        assert found == streamed(view, layout)
    assert layout == "tar" or len(shards) > 2
    with pytest.raises(OtherContent, match=r"/out holds (shard|data|part)-.* already"):
        view.get(str(out), allow_persist=True, **options)
    assert view.get(str(out), allow_persist=True, force=True, **options).examples == 240
    assert not [p.name for p in out.iterdir() if p.name.startswith(".dsm-get")]


@pytest.mark.parametrize("layout", ["webdataset", "tar", "parquet"])
def test_kept_rows_are_for_their_owner(bank: Bank, tmp_path: Path, layout: str) -> None:
    """Nobody else may read files with rows, nor enter a folder that was made for them."""
    view = bank.ds.prepare()
    (tmp_path / "there").mkdir(mode=0o755)
    for out in (tmp_path / "new/out", tmp_path / "there"):
        view.get(str(out), format=layout, allow_persist=True)
        assert {stat.S_IMODE(path.stat().st_mode) for path in out.iterdir()} == {0o600}
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("new", "new/out", "there")]
    assert modes == [0o700, 0o700, 0o755]
    view.with_dummy_rows(5).get(str(tmp_path / "sample"), format=layout)
    for path in (tmp_path / "sample", *(tmp_path / "sample").iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) & 0o044 == 0o044


def test_made_up_rows_are_not_written_among_data(bank: Bank) -> None:
    """Nor into the root: `add` would take them for examples."""
    bank.write({"train/a": "a"})
    for out in (bank.root, bank.root / "train"):
        with pytest.raises(OtherContent, match="`dsm add` would take"):
            bank.ds.prepare().with_dummy_rows(5).get(str(out))
    assert bank.files() == {"train/a": b"a"}


@pytest.mark.parametrize("option", ["verify", "croissant"])
def test_what_rows_have_not(bank: Bank, tmp_path: Path, option: str) -> None:
    """An option that would do nothing for rows is refused, and no source is asked."""
    bank.address = None
    with pytest.raises(InvalidInput, match=option):
        bank.ds.prepare().get(str(tmp_path / "out"), allow_persist=True, **{option: True})
    assert not (tmp_path / "out").exists()


def test_a_failed_run_leaves_no_rows(bank: Bank, tmp_path: Path) -> None:
    """Rows that came before a failure are not left in the folder."""
    bank.put("WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)"
             " SELECT i AS id, '2026-01-01' AS at, 'ok' AS verdict, CASE WHEN i = 9000 THEN"
             " abs(-9223372036854775808) ELSE 0 END AS x FROM n")  # fmt: skip
    out = tmp_path / "out"
    with pytest.raises(DsmError, match="source bank: the query failed while its rows were"):
        bank.ds.prepare().get(str(out), allow_persist=True, shard_size=100_000)
    assert not out.exists()
    last = receipts.receipts(bank.repo)[0]
    assert (last.outcome, last.digest) == ("failed", None)


def test_keys_that_repeat(bank: Bank) -> None:
    """Two rows with one key would be one example: the run fails, and quotes no key."""
    bank.put("SELECT id % 150 AS id, amount, country, at, verdict FROM payment")
    with pytest.raises(KeyRepeats, match="50 of 200 rows"):
        list(bank.ds.prepare())
    bank.put("SELECT 1000 - id AS id, amount, country, at, verdict FROM payment")
    assert len(list(bank.ds.prepare(changesets="4"))) == 200


def test_rows_without_a_key_are_numbered(bank: Bank) -> None:
    """Their paths tell their place in the answer."""
    bank.put(key=None)
    assert paths(bank.ds.prepare(changesets="3"))[:2] == [
        "pay/000000000000.json", "pay/000000000001.json",
    ]  # fmt: skip


def test_other_columns_than_recorded(bank: Bank) -> None:
    """What changed is named before a row is passed on, also when a filter needs a lost column."""
    whole, few = bank.ds.prepare(), bank.ds.prepare(where=["country=DE"], labels=["ok"])
    bank.change("ALTER TABLE payment RENAME COLUMN country TO land")
    for view in (whole.iterate(seed=1), iter(few), few.columns(), few.batches()):
        with pytest.raises(SourceChanged) as refused:
            next(iter(view)) if view is not whole else list(view)
        assert "column country is gone" in refused.value.items
    assert list(few.without_sources()) == []


def test_receipts(bank: Bank) -> None:
    """Every run leaves one, whole or not; equal rows have equal digests, whatever their order."""
    view = bank.ds.prepare()
    for _ in range(2):
        list(view)
    next(iter(view.iterate(seed=None)))
    iterator = iter(bank.ds.prepare(changesets="2"))
    next(iterator)
    iterator.close()  # type: ignore[attr-defined]
    told = [(r.outcome, r.rows, r.consumer, r.query) for r in receipts.receipts(bank.repo)]
    assert told[1:] == [("complete", 200, "iterate", "pay")] * 2
    assert told[0][0] == "stopped"
    first, second = receipts.last_two(bank.repo, view.version, "pay")
    assert first.digest == second.digest
    assert first.bytes == sum(len(payload(row)) for row in ROWS)
    bank.change("DELETE FROM payment WHERE id = 3", "INSERT INTO payment SELECT 3, amount, country,"
                " at, verdict FROM payment WHERE id = 4")  # fmt: skip
    list(view)
    newest, before = receipts.last_two(bank.repo, view.version, "pay")
    assert (newest.rows, newest.digest == before.digest) == (200, False)


def test_no_receipt_no_rows(bank: Bank) -> None:
    """Where a run cannot be noted, no row is passed on."""
    view = bank.ds.prepare(changesets="2")
    folder = Path(bank.repo.layout.receipts)
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("in the way")
    with pytest.raises(DsmError, match="Not a directory"):
        next(iter(view))


def test_made_up_rows(bank: Bank) -> None:
    """They need no source, fit the view, have keys of their own, and leave no receipt."""
    bank.address = None
    view = bank.ds.prepare(labels=["fraud"], since="2026-01-03", until="2026-01-04")
    found = list(view.with_dummy_rows(30))
    assert len({e.path for e in found}) == 30
    assert {e.labels for e in found} == {("fraud",)}
    low, high = (datetime(2026, 1, day, tzinfo=UTC).timestamp() * 1e6 for day in (3, 4))
    assert all(low <= e.time < high for e in found)
    assert {tuple(json.loads(e.bytes)) for e in found} == {
        ("id", "amount", "country", "at", "verdict")
    }
    assert [e.bytes for e in view.with_dummy_rows(30)] == [e.bytes for e in found]
    few = bank.ds.prepare(where=["amount>=500"], percent="0.5").with_dummy_rows(20)
    assert len(list(few)) == 10
    assert receipts.receipts(bank.repo) == []
    rows = pa.Table.from_batches(list(view.with_dummy_rows(5).columns()))
    assert rows.num_rows == 5


def test_made_up_rows_may_lie_anywhere(bank: Bank) -> None:
    """No row of anybody is in them, so a folder in the repository is fine, and says what it is."""
    report = bank.ds.prepare().with_dummy_rows(5).get(str(bank.root / "sample"))
    assert report.examples == 45
    told = json.loads((bank.root / "sample/dataset.json").read_bytes())
    assert (told["sources"], told["rows"]["made_up"]) == ("dummy", True)
    assert bank.ds.status().untracked == ()


def test_the_stored_part_alone_in_a_folder(bank: Bank, tmp_path: Path) -> None:
    """Without the sources a folder is like any other, and is not taken for the whole view."""
    view, out = bank.ds.prepare(), tmp_path / "out"
    bank.address = None
    assert view.without_sources().get(str(out)).examples == 40
    assert view.without_sources().get(str(out)).fresh is False
    assert json.loads((out / "dataset.json").read_bytes())["sources"] == "skipped"
    bank.address = str(bank.database)
    with pytest.raises(OtherContent, match=r"holds croissant\.json already"):
        view.get(str(out), allow_persist=True)


def test_a_database_among_the_files(bank: Bank) -> None:
    """It is refused by every way to stage files that would store it, and by no other one."""
    bank.write({"sub/bank.db": b"of old", "sub/note": b"1"})
    bank.ds.add(["."])
    bank.ds.commit("the file, before it was a source's")
    bank.address = str(bank.root / "sub/bank.db")
    bank.write({"sub/bank.db": b"with rows of today", "sub/.dsmignore": "*.db\n", "other": b"2"})
    staging: list[Callable[[], object]] = [
        lambda: bank.ds.add(["."]),
        lambda: bank.ds.add("sub", dry_run=True),
        lambda: bank.ds.commit("x", paths=["sub/bank.db"]),
        lambda: bank.ds.commit("x", all=True),
    ]
    for stage in staging:
        with pytest.raises(DatabaseInTree) as caught:
            stage()
        assert caught.value.hint == "`dsm rm --keep-files sub/bank.db` first"
    bank.ds.add(["other"])
    bank.ds.add({"bytes": b"by path"})
    bank.ds.remove("sub/bank.db", keep_files=True, force=True)
    bank.ds.add(["."])  # .dsmignore leaves it out now
    with pytest.raises(DatabaseInTree, match="is a database of source bank"):
        bank.ds.add(["sub/bank.db"])
    bank.path("sub/.dsmignore").unlink()
    bank.ds.commit("known files alone", all=True)
    assert "sub/bank.db" not in bank.contents()


def test_examples_beside_a_query(bank: Bank) -> None:
    """No stored example may lie among the rows of a query, whichever way it comes."""
    bank.write({"pay/5.json": "{}", "x": "1"})
    for wrong in (
        lambda: bank.ds.add(["pay"]), lambda: bank.ds.add({"pay/1": b""}),
        lambda: bank.ds.commit("x", paths=["pay"]), lambda: bank.ds.move("note", "pay/note"),
    ):  # fmt: skip
        with pytest.raises(DsmError, match="among the examples of query pay"):
            wrong()
    assert bank.ds.add(["x"]).counts.added == 1
    assert sorted(bank.files()) == ["pay/5.json", "x"]


def test_why_of_a_row(bank: Bank) -> None:
    """A path below a query is not called unknown: its rows are just not stored."""
    view = bank.ds.prepare()
    with pytest.raises(NotFound, match="a row of query pay") as caught:
        why(view, "pay/17.json")
    assert view.version[:12] in str(caught.value.hint)
    with pytest.raises(NotFound, match="no changeset of"):
        why(view, "paid/17.json")
