"""One tar that several processes write: the bytes of one, and no half tar whatever fails."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st
from situations import Work

from dsm.errors import DamagedData, StorageFailed
from dsm.format.manifest import TIME
from dsm.model.timespec import format_time
from dsm.store import disk
from dsm.views.selection.classes import ClassList
from dsm.views.view import View
from dsm.views.writing import tar_parallel
from dsm.views.writing.metadata import MetadataWriter


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even a small tar is cut into many runs and given to workers."""
    monkeypatch.setattr("dsm.views.writing.tar_runs.RUN_BYTES", 40_960)
    monkeypatch.setattr("dsm.views.writing.worker_count.WORKER_BYTES", 1)


@pytest.fixture
def view(work: Work) -> View:
    """Files of many sizes: empty ones, large ones between, one beyond what a run holds."""
    source = random.Random(8)
    files = {f"{n:04d}.bin": source.randbytes(source.randint(0, 5000)) for n in range(400)}
    files |= {f"{n:04d}.txt": b"%d " % n * (n % 700) for n in range(0, 400, 3)}
    files |= {
        "0100-large": source.randbytes(3 << 20),
        "0200-run": bytes(40_448),
        "n" * 180: b"name",
    }
    files |= {"0200-over": bytes(40_449), "0000": b"", "zz-large": source.randbytes(41_000)}
    work.ds.add(files, labels=["x"])
    work.ds.commit("files")
    return work.ds.prepare()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def got(view: View, out: Path, workers: int) -> dict[str, bytes]:
    view.get(str(out), format="tar", workers=workers)
    return contents(out)


def test_any_number_of_processes_writes_the_same(view: View, tmp_path: Path) -> None:
    """Alone, with one worker or with several; into a file, or as a stream of one process."""
    first = got(view, tmp_path / "1", 1)
    assert got(view, tmp_path / "2", 2) == first
    assert got(view, tmp_path / "4", 4) == first
    (tar,) = (data for name, data in first.items() if name.endswith(".tar"))
    (document,) = (json.loads(data) for name, data in first.items() if name.endswith(".json"))
    assert document["files"][0]["blake3"] == blake3(tar).hexdigest()
    with tarfile.open(tmp_path / "1" / document["files"][0]["name"]) as reader:
        found = {m.name: reader.extractfile(m).read() for m in reader}  # type: ignore[union-attr]
    assert found == {example.path: example.bytes for example in view}


@pytest.mark.parametrize("workers", [1, 3])
def test_without_direct_writes_and_shared_memory(
    view: View, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """Systems that have neither write the same bytes."""
    first = got(view, tmp_path / "first", workers)
    monkeypatch.setattr(disk, "_DIRECT", 0)
    assert got(view, tmp_path / "cached", workers) == first
    monkeypatch.delattr(os, "memfd_create")
    assert got(view, tmp_path / "alone", workers) == first


def test_a_worker_that_is_killed(
    view: View, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One clear error, no tar under its name; the next run goes on from what is right."""
    hear = tar_parallel.Worker.hear
    heard: list[int] = []

    def dying(worker: Any) -> object:
        heard.append(worker._process.pid)
        if len(heard) == 3:
            os.kill(worker._process.pid, signal.SIGKILL)
            worker._process.wait()
            worker.heard.clear()
        return hear(worker)

    monkeypatch.setattr(tar_parallel.Worker, "hear", dying)
    with pytest.raises(StorageFailed, match="ended before its work was done"):
        for _ in range(20):  # its answers may all have come before
            got(view, tmp_path / "out", 2)
            heard.clear()
            for path in (tmp_path / "out").iterdir():
                path.unlink()
    assert not [name for name in contents(tmp_path / "out") if name.endswith(".tar")]
    monkeypatch.setattr(tar_parallel.Worker, "hear", hear)
    assert got(view, tmp_path / "out", 2) == got(view, tmp_path / "new", 1)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk(
    view: View, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """A write that fails behind the caller's back ends get; nothing has the tar's name."""
    real, count = os.writev, [0]

    def failing(fd: int, runs: Any) -> int:
        count[0] += 1
        if count[0] > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(fd, runs)

    monkeypatch.setattr(disk.os, "writev", failing)
    with pytest.raises(disk.WriteFailed, match="No space left"):
        got(view, tmp_path / "out", workers)
    assert not [name for name in contents(tmp_path / "out") if name.endswith((".tar", ".part"))]
    monkeypatch.setattr(disk.os, "writev", real)
    assert got(view, tmp_path / "out", workers) == got(view, tmp_path / "new", 1)


@pytest.mark.parametrize("workers", [1, 3])
def test_damage_anywhere_is_told(work: Work, view: View, tmp_path: Path, workers: int) -> None:
    """Whoever meets a damaged object, get ends with its name and without a tar."""
    wanted = next(example for example in view if example.path == "0399.bin")
    for pack in (work.root / ".dsm" / "packs").rglob("*.pack"):
        data = bytearray(pack.read_bytes())
        at = data.find(wanted.bytes)
        if at >= 0:
            data[at + 1] ^= 4
            pack.chmod(0o644)
            pack.write_bytes(data)
    work.reopen()
    with pytest.raises(DamagedData, match=wanted.oid.hex()):
        got(work.repo.view(view.version), tmp_path / "out", workers)
    assert not [name for name in contents(tmp_path / "out") if name.endswith(".tar")]


def test_an_interrupt_leaves_what_is_right(
    view: View, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the middle: the next run keeps whole members and ends with the same bytes."""
    counts: Iterator[int] = iter(range(9))

    def interrupted(*_: object) -> None:
        if next(counts) == 8:
            raise KeyboardInterrupt

    class Stopping:
        def start(self, *_: object) -> None: ...
        def finish(self) -> None: ...

        advance = staticmethod(interrupted)

    with pytest.raises(KeyboardInterrupt):
        view.get(str(tmp_path / "out"), format="tar", workers=2, progress=Stopping())  # type: ignore[arg-type]
    left = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert any(path.stat().st_size > 40_960 for path in left)
    assert got(view, tmp_path / "out", 2) == got(view, tmp_path / "new", 1)


# --- the lines of the index -----------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ROW = st.fixed_dictionaries(
    {
        "path": TEXT,
        "object": st.binary(min_size=32, max_size=32),
        "size": st.integers(0, 1 << 50),
        "time": st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999),
        "labels": st.none() | st.lists(TEXT, max_size=3, unique=True),
        "annotation": st.sampled_from([None, "", '{"a":1}', '["é"]']),
        "changeset": st.integers(1, 1 << 30),
        "attr.n": st.none() | st.integers(-(1 << 62), 1 << 62),
        "attr.s": st.none() | TEXT,
        "attr.f": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "attr.b": st.none() | st.booleans(),
    }
)
TYPES = {
    "path": pa.string(), "object": pa.binary(32), "size": pa.int64(), "time": TIME,
    "labels": pa.list_(pa.string()), "annotation": pa.string(), "changeset": pa.int32(),
    "attr.n": pa.int64(), "attr.s": pa.string(), "attr.f": pa.float64(), "attr.b": pa.bool_(),
}  # fmt: skip


@given(st.lists(ROW, max_size=6), st.integers(0, 2), st.booleans())
def test_lines_are_what_json_writes(rows: list[dict[str, Any]], cut: int, attributes: bool) -> None:
    """Joined from columns, a line is what Python's json makes of the same members, sorted."""
    names = [name for name in TYPES if attributes or not name.startswith("attr.")]
    table = pa.table({n: pa.array([row[n] for row in rows], TYPES[n]) for n in names}).slice(cut)
    rows = rows[cut:]
    classes = {label: n for n, label in enumerate({x for r in rows for x in r["labels"] or ()})}
    wanted = []
    for number, row in enumerate(rows):
        labels = row["labels"] or []
        fields = {
            "annotation": json.loads(row["annotation"] or "null"),
            "attributes": {n[5:]: row[n] for n in names if n.startswith("attr.")},
            "changeset": row["changeset"], "classes": [classes[label] for label in labels],
            "labels": labels, "object": row["object"].hex(), "offset": 512 * number,
            "path": row["path"], "size": row["size"], "time": format_time(row["time"]),
        }  # fmt: skip
        wanted.append(json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":")))
    metadata = MetadataWriter(ClassList(tuple(classes)))
    offsets = [512 * number for number in range(len(rows))]
    assert metadata.text(table, offsets).decode().split("\n") == [*wanted, ""]
    assert metadata.lines(table) == [
        line.replace(f'"offset":{at},', "") for line, at in zip(wanted, offsets, strict=True)
    ]
