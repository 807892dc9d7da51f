"""Importing records: lines and rows of files at an address become examples, as `add` makes them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from dsm.errors import Conflict, InvalidInput
from dsm.records.gathering import RecordsInvalid
from dsm.remotes import import_files, spooled

from .conftest import Copy
from .test_importing import fill, staged


def lines(*rows: dict[str, object]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def table(*rows: dict[str, object]) -> bytes:
    out = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(list(rows)), out)
    return out.getvalue()


A, B = {"id": 1, "topic": "birds", "n": 5}, {"id": 2, "topic": "cats", "n": 7}
KEYED = {"records": True, "key_field": "id", "label_field": "topic"}


def test_files_of_records_at_an_address(
    origin: Copy, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that formats know by their names, small or large ones, beside plain files; restorable
    byte for byte, and read as `add` reads them from then on."""
    monkeypatch.setattr(import_files, "SMALL_BYTES", 60)
    monkeypatch.setattr(spooled, "STEP_BYTES", 50)
    files = {
        "a.jsonl": lines(A, B), "sub/b.csv": b"id,topic,n\n7,owls,1\n", "c.parquet": table(A, B),
        "d.txt": b"no records", "e.jsonl": b"",
    }  # fmt: skip
    report = origin.repo.import_from(
        fill(place, files), "in", labels=["x"], attr_field="n", **KEYED
    )
    assert (report.files, report.fetched, report.record_files) == (5, 5, 4)
    assert {each.path: each.records for each in report.records} == {
        "in/a.jsonl": 2, "in/sub/b.csv": 1, "in/c.parquet": 2, "in/e.jsonl": 0,
    }  # fmt: skip
    origin.dataset.commit("imported")
    found = origin.contents()
    assert found["in/d.txt"] == files["d.txt"]
    assert found["in/a.jsonl#2"] == lines(B)[:-1]
    assert origin.dataset.example("in/c.parquet#1").labels == ("birds", "x")
    assert origin.dataset.example("in/a.jsonl#2").attributes == {"n": 7}
    assert origin.dataset.example("in/sub/b.csv#7").labels == ("owls", "x")
    assert origin.dataset.status().clean and origin.sound()
    folder = origin.root / "in"
    origin.dataset.restore([str(folder)])
    assert {n: (folder / n).read_bytes() for n in files} == files
    assert origin.dataset.status().clean
    (folder / "f.jsonl").write_bytes(lines({"id": "new", "topic": "dogs", "n": 1}))
    origin.dataset.add([str(folder)])
    assert "in/f.jsonl#new" in staged(origin)
    assert list(Path(origin.repo.path, "local", "imports").glob("*.parts")) == []


def test_an_update_takes_the_next_state(origin: Copy, place: str) -> None:
    """Records that are new, changed and gone; what people said since stays; the rest is not read."""
    fill(place, {"a.jsonl": lines(A, B), "b.jsonl": lines({"id": 9, "topic": "x"})})
    origin.repo.import_from(place, "in", **KEYED)
    origin.dataset.commit("imported")
    origin.dataset.label([str(origin.root / "in" / "a.jsonl#1")], add=["mine"])
    origin.dataset.commit("labelled")
    fill(place, {"a.jsonl": lines({**A, "n": 6}, {"id": 3, "topic": "dogs"})})
    (dry,) = origin.repo.update_imports(dry_run=True)
    assert (dry.fetched, dry.record_files, dry.added) == (1, 1, 0)
    (report,) = origin.repo.update_imports()
    assert (report.fetched, report.added, report.modified, report.deleted) == (1, 1, 1, 1)
    origin.dataset.commit("updated")
    assert origin.dataset.example("in/a.jsonl#1").labels == ("birds", "mine")
    assert sorted(p for p in origin.contents() if "#" in p) == [
        "in/a.jsonl#1", "in/a.jsonl#3", "in/b.jsonl#9",
    ]  # fmt: skip
    assert [each.fetched for each in origin.repo.update_imports()] == [0]


def test_settings_of_the_dataset_count(origin: Copy, tmp_path: Path) -> None:
    """A glob that `add` kept makes records of what it fits; other files are files."""
    (origin.root / "x").mkdir()
    (origin.root / "x" / "a.csv").write_text("id,topic\n1,a\n")
    origin.dataset.add([str(origin.root / "x" / "*.csv")], **KEYED)
    origin.dataset.commit("kept")
    place = fill(str(tmp_path / "data"), {"b.csv": b"id,topic\n2,b\n", "b.jsonl": lines(A)})
    report = origin.repo.import_from(place, "x")
    assert staged(origin) == {"x/b.csv": "A", "x/b.csv#2": "A", "x/b.jsonl": "A"}
    assert report.record_files == 1


def test_one_file_in_a_format_that_is_named(origin: Copy, place: str) -> None:
    """An address of one file, whatever it is called; without a format its name has to say it."""
    fill(place, {"data.log": lines(A), "more.log": b"x"})
    with pytest.raises(InvalidInput, match=r"does not say by its name"):
        origin.repo.import_from(f"{place}/data.log", "in", records=True)
    origin.repo.import_from(f"{place}/data.log", "in", records="jsonl", key_field="id")
    assert staged(origin)["in/data.log#1"] == "A"


def test_what_was_imported_is_read_otherwise(
    origin: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that are here, as files or as records, are read again from the store, not fetched."""
    place = fill(str(tmp_path / "data"), {"a.jsonl": lines(A, B), "b.txt": b"text"})
    origin.repo.import_from(place, "in")
    origin.dataset.commit("as files")
    monkeypatch.setattr(import_files, "whole", None)
    assert origin.repo.import_from(place, "in", **KEYED).fetched == 0
    origin.dataset.commit("as records")
    assert origin.dataset.example("in/a.jsonl#2").labels == ("cats",)
    report = origin.repo.import_from(place, "in", labels=["told"], pattern="in/{name}.txt")
    assert (report.fetched, report.relabelled) == (0, 1)
    origin.dataset.commit("labelled")
    assert origin.dataset.example("in/b.txt").labels == ("told",)
    assert origin.sound()


def test_what_no_records_can_be_read_of(origin: Copy, tmp_path: Path) -> None:
    """A damaged file is named with its line, and nothing of its batch is staged; records are never
    references, and no content by path takes the place of a file of records or of a record."""
    place = fill(str(tmp_path / "data"), {"a.jsonl": lines(A) + b"{no json}\n"})
    with pytest.raises(RecordsInvalid, match=r"in/a\.jsonl, line 2"):
        origin.repo.import_from(place, "in", **KEYED)
    assert staged(origin) == {}
    with pytest.raises(InvalidInput, match="cannot stay at an address"):
        origin.repo.import_from(place, "in", reference=True, **KEYED)
    fill(place, {"a.jsonl": lines(A)})
    origin.repo.import_from(place, "in", **KEYED)
    for path in ("in/a.jsonl", "in/a.jsonl#1"):
        with pytest.raises(Conflict, match="would become an example that is none"):
            origin.dataset.add({path: b"x"})
    fill(place, {"a.jsonl": lines(B)})
    with pytest.raises(Conflict):
        origin.repo.import_from(place, "in", reference=True)
    assert staged(origin).keys() >= {"in/a.jsonl#1"}
