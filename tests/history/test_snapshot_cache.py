"""Cached snapshots: only what this copy of the repository has computed itself is believed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from blake3 import blake3
from situations import Work

import dsm
from dsm.history import snapshot as module
from dsm.history import snapshot_file
from dsm.history.commit import intended, record
from dsm.history.snapshot_cache import SnapshotCache
from dsm.maintenance.fsck import fsck
from dsm.model.example import Example
from dsm.model.rows import ADDED, MODIFIED, Rows

FILES = {"benign": b"nothing found", "malign": b"found"}


def committed(work: Work) -> None:
    work.write(FILES)
    work.ds.add(["."])
    work.ds.commit("one")


def cached(work: Work) -> list[Path]:
    return sorted(Path(work.repo.layout.cache("data")).iterdir())


def place(work: Work) -> Path:
    name = f"00000001-{work.ds.changeset(1).id}.snapshot"
    return Path(work.repo.layout.cache("data")) / name


def swapped(table: pa.Table) -> pa.Table:
    """The same examples, with the content of each other."""
    at = table.schema.get_field_index("object")
    oids = pa.array(table.column("object").to_pylist()[::-1], pa.binary(32))
    return table.set_column(at, table.schema.field("object"), oids)


def arrow(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def wild(table: pa.Table) -> bytes:
    """Strings that reach far beyond the file: whoever reads them without a look, ends there."""
    data, offsets = arrow(table), (0, 6, 12)
    good = b"".join(n.to_bytes(4, "little") for n in offsets)
    bad = b"".join(n.to_bytes(4, "little") for n in (0, 1 << 30, (1 << 30) + 9))
    assert data.count(good) == 1
    return data.replace(good, bad)


CRAFTED: dict[str, Callable[[pa.Table], bytes]] = {
    "other content": lambda table: arrow(swapped(table)),
    "fewer examples": lambda table: arrow(table.slice(1)),
    "wild strings": wild,
    "no labels": lambda table: arrow(table.drop_columns(["labels"])),
    "numbers for paths": lambda table: arrow(
        table.set_column(0, pa.field("path", pa.int64(), nullable=False), pa.array([1, 2]))
    ),
}


@pytest.mark.parametrize("tag", ["none", "zeros", "without a key", "under another key", "old"])
@pytest.mark.parametrize("crafted", CRAFTED)
def test_a_planted_cache_is_not_believed(work: Work, crafted: str, tag: str) -> None:
    """A file whose hash is right, but that this copy has not made, changes no answer; fsck tells."""
    committed(work)
    table = work.ds.snapshot()
    path = place(work)
    path.unlink(missing_ok=True)
    body = CRAFTED[crafted](table)
    digest = blake3(body + path.name.encode()).digest()
    magic = b"DSMSNAP\x01" if tag == "old" else snapshot_file.MAGIC
    ends = {
        "none": b"", "old": b"", "zeros": bytes(32), "without a key": blake3(digest).digest(),
        "under another key": blake3(digest, key=bytes(32)).digest(),
    }  # fmt: skip
    path.write_bytes(magic + body + digest + ends[tag])
    work.reopen()
    assert work.contents() == FILES
    assert work.ds.read("benign", 1) == FILES["benign"]
    assert work.ds.snapshots.cache.open(1) is None
    if tag != "none":
        report = fsck(work.repo, full=True)
        assert (report.findings, [n for n in report.notes if "of another copy" in n] != []) == (
            (),
            True,
        )


def with_cache(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commits, and lets every snapshot be cached."""
    monkeypatch.setattr(module, "OVERLAY_CHANGESETS", 0)
    committed(work)
    assert work.contents() == FILES
    assert len(cached(work)) == 1
    assert work.reopen().snapshots.cache.open(1) is not None


def test_a_copy_believes_nothing_that_came_along(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who copies a repository with its caches and its key, times and all, has them built again."""
    with_cache(work, monkeypatch)
    copy = tmp_path / "copy"
    shutil.copytree(work.root, copy)
    monkeypatch.setattr(module, "OVERLAY_CHANGESETS", 64)
    with dsm.open(copy) as repo:
        assert repo.dataset("data").snapshots.cache.open(1) is None
        assert repo.dataset("data").snapshot().num_rows == 2
        report = fsck(repo, full=True)
        assert report.findings == ()
        assert [note for note in report.notes if "another copy" in note] == [
            "data: 1 cached snapshot is of another copy of this repository and not used; snapshots"
            " are built again when needed"
        ]


def test_a_repository_that_is_moved_keeps_its_caches(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the same copy at another place."""
    with_cache(work, monkeypatch)
    work.repo.close()
    work.root.rename(tmp_path / "moved")
    with dsm.open(tmp_path / "moved") as repo:
        assert repo.dataset("data").snapshots.cache.open(1) is not None


@pytest.mark.parametrize("key", ["short", "missing", "link", "folder"])
def test_without_a_key_nothing_is_believed(
    work: Work, tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that is lost or cannot be used costs time: a new one is made where that is possible."""
    with_cache(work, monkeypatch)
    path = Path(work.repo.layout.cache_key)
    secret = path.read_bytes()
    path.unlink()
    if key == "short":
        path.write_bytes(secret[:31])
    elif key == "link":
        (tmp_path / "key").write_bytes(secret)
        path.symlink_to(tmp_path / "key")
    elif key == "folder":
        path.mkdir()
    snapshots = work.reopen().snapshots
    assert snapshots.cache.open(1) is None
    assert work.contents() == FILES
    work.reopen()
    assert (work.ds.snapshots.cache.open(1) is None) == (key == "folder")
    assert fsck(work.repo, full=True).findings == ()


def test_a_pipe_in_the_place_of_a_cache_hangs_nobody(work: Work) -> None:
    """Nothing waits for it; it is passed over, and fsck names it."""
    committed(work)
    path = place(work)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    assert work.contents() == FILES
    assert [finding.kind for finding in fsck(work.repo).findings] == ["cache"]


def test_full_fsck_compares_what_is_cached(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot that this copy has cached and that is not what its changesets say is found."""
    with_cache(work, monkeypatch)
    ds = work.ds
    table = swapped(ds.snapshots.table(1))
    assert SnapshotCache(work.repo.layout, ds.log_).save(1, table.schema, [table])
    work.reopen()
    assert fsck(work.repo).findings == ()
    (finding,) = fsck(work.repo, full=True).findings
    assert (finding.kind, finding.what) == (
        "cache", "does not hold the examples of changeset 1; remove it, and it is built again"
    )  # fmt: skip
    os.remove(work.root / finding.where)
    assert fsck(work.repo, full=True).findings == ()


def test_full_fsck_finds_sound_caches_sound(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a history of many changesets, and with values that are not equal to themselves."""
    monkeypatch.setattr(module, "OVERLAY_CHANGESETS", 2)
    for number in range(12):
        example = Example("x", bytes(32), 0, 0, (), {"score": float("nan")})
        rows = Rows()
        rows.put(MODIFIED if number else ADDED, example)
        record(work.repo, work.ds.log_, work.ds.snapshots, rows, number, intended("x", "y", number))
        work.ds.snapshot()
    assert len(cached(work)) >= 2
    assert [f for f in fsck(work.repo, full=True).findings if f.kind == "cache"] == []
