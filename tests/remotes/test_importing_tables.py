"""Importing datasets of Hugging Face by address: rows become examples, and what came is kept."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from dsm.errors import InvalidInput
from dsm.remotes import foreign_file
from dsm.remotes.backend import RemoteFailed

from .conftest import Copy
from .test_importing import fill, staged
from .web_servers import Hub, on_hub, serving

PNG = b"\x89PNG\r\n\x1a\n"
FEATURES = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["cat", "dog"]}}


def table(*rows: tuple[str, int]) -> bytes:
    """Parquet as the Hub has it: images with their names, and numbers of classes."""
    metadata = {"huggingface": json.dumps({"info": {"features": FEATURES}})}
    image = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    schema = pa.schema({"image": image, "label": pa.int64()}, metadata=metadata)
    columns = {
        "image": [{"bytes": PNG + name.encode(), "path": name} for name, _ in rows],
        "label": [label for _, label in rows],
    }
    out = io.BytesIO()
    parquet.write_table(pa.table(columns, schema=schema), out)
    return out.getvalue()


FILES = {
    "data/train-00000-of-00002.parquet": table(("a.png", 0), ("b.png", 1)),
    "data/train-00001-of-00002.parquet": table(("c.png", 1)),
    "data/test-00000-of-00001.parquet": table(("a.png", -1)),
    "README.md": b"# Birds",
}
EXPECTED = {
    "in/train/a.png": ("cat",), "in/train/b.png": ("dog",), "in/train/c.png": ("dog",),
    "in/test/a.png": (),
}  # fmt: skip


def told(copy: Copy) -> dict[str, tuple[str, ...]]:
    return {e.path: e.labels for e in copy.dataset.ls() if e.path.startswith("in/")}


def test_rows_of_tables_become_examples(origin: Copy, place: str) -> None:
    """Bytes, names of classes, splits; an update reads anew when a table has changed, and only then,
    and tells rows that are gone."""
    report = origin.repo.import_from(fill(place, FILES), "in", hub=True)
    assert (report.files, report.fetched, report.added) == (3, 3, 4)
    origin.dataset.commit("imported")
    assert told(origin) == EXPECTED
    assert origin.dataset.read("in/train/c.png") == PNG + b"c.png"
    assert origin.dataset.example("in/test/a.png").attributes == {"split": "test"}
    assert origin.repo.import_from(place, "in", hub=True).fetched == 0
    assert [each.fetched for each in origin.repo.update_imports()] == [0]
    fill(place, {"data/train-00001-of-00002.parquet": table(("c.png", 0), ("d.png", 0))})
    fill(place, {"data/test-00000-of-00001.parquet": table(("z.png", 0))})
    (dry,) = origin.repo.update_imports(dry_run=True)
    assert (dry.fetched, dry.added, dry.record_files) == (3, 0, 3)
    (report,) = origin.repo.update_imports()
    assert (report.added, report.relabelled, report.vanished) == (2, 1, ("in/test/a.png",))
    assert list(Path(origin.repo.path, "local", "imports").glob("*.parts")) == []
    assert origin.sound()


def test_a_dataset_of_the_hub(
    origin: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`hf://` by itself: rows of tables are examples; as files, or as records, when it is said so."""
    fill(str(tmp_path / "hub"), FILES)
    with serving(Hub, tmp_path / "hub") as (address, _):
        on_hub(monkeypatch, address)
        url = "hf://datasets/team/birds"
        origin.repo.import_from(url, "in")
        origin.dataset.commit("imported")
        assert told(origin) == EXPECTED
        assert [each.fetched for each in origin.repo.update_imports()] == [0]
        origin.repo.import_from(url, "files", hub=False)
        assert len(staged(origin)) == 4
        report = origin.repo.import_from(f"{url}/data", "rows", records=True)
        assert report.record_files == 3


def test_what_came_is_not_asked_for_again(
    origin: Copy, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table that is whole here stays until all are; nothing is staged before."""
    monkeypatch.setattr("dsm.remotes.backend.PAUSE_SECONDS", 0.0)
    monkeypatch.setattr("dsm.remotes.spooled.STEP_BYTES", 256)
    fill(place, FILES)
    real, asked, broken = foreign_file.listed_bytes, [], [True]

    def failing(backend: Any, entry: Any, start: int = 0) -> Any:
        asked.append((entry.name, start))
        if broken[0] and "train-00001" in entry.name:
            raise RemoteFailed("connection reset")
        return real(backend, entry, start)

    monkeypatch.setattr(foreign_file, "listed_bytes", failing)
    with pytest.raises(RemoteFailed, match="connection reset"):
        origin.repo.import_from(place, "in", hub=True)
    assert staged(origin) == {}
    assert asked[0][0] == "data/test-00000-of-00001.parquet"
    broken[0] = False
    asked.clear()
    origin.repo.import_from(place, "in", hub=True)
    assert {name for name, start in asked if not start} == {"data/train-00001-of-00002.parquet"}
    assert len(staged(origin)) == 4


def test_what_is_no_dataset_of_theirs(origin: Copy, tmp_path: Path) -> None:
    """No tables, tables of values, damaged ones, and options that do not go together."""
    out = io.BytesIO()
    parquet.write_table(pa.table({"q": ["a"], "n": [1]}), out)
    for name, data, message in (
        ("x.txt", b"x", "has no Parquet or Arrow files"),
        ("x.parquet", out.getvalue(), "has no column of images"),
        ("x.parquet", b"PAR1 not", "cannot be read"),
    ):
        place = fill(str(tmp_path / "data"), {name: data})
        with pytest.raises(InvalidInput, match=message):
            origin.repo.import_from(place, "in", hub=True)
    with pytest.raises(InvalidInput, match="are no records"):
        origin.repo.import_from(place, "in", hub=True, records=True)
    with pytest.raises(InvalidInput, match="are stored"):
        origin.repo.import_from(place, "in", hub=True, reference=True)
    assert staged(origin) == {}
