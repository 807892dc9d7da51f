"""Storing many files, here and in workers: one answer for each, and trouble is reported by name."""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from dsm.errors import StorageFailed
from dsm.store import ingest as module
from dsm.store import workers as processes
from dsm.store.chunks import KB, MB, Chunking
from dsm.store.ingest import Batch, ingest
from dsm.store.objects import ObjectStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ObjectStore]:
    (tmp_path / "packs").mkdir()
    (tmp_path / "tmp").mkdir()
    opened = ObjectStore(str(tmp_path / "packs"), str(tmp_path / "tmp"), Chunking())
    yield opened
    opened.close()


@pytest.fixture
def always_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even a few files go to workers."""
    monkeypatch.setattr(module, "INLINE_FILES", 3)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[processes.Worker]:
    """The workers that were started, as they come."""
    seen: list[processes.Worker] = []
    before = processes.Worker.__init__

    def noted(self: processes.Worker, module: str = "") -> None:
        before(self, module)
        seen.append(self)

    monkeypatch.setattr(processes.Worker, "__init__", noted)
    return seen


def tree(folder: Path, count: int = 400) -> dict[str, bytes]:
    source = random.Random("tree")
    files = {
        f"dir{n % 7}/file {n}.bin": source.randbytes(source.randint(0, 3000)) for n in range(count)
    }
    files |= {"large": source.randbytes(3 * MB), "empty": b"", "edge": source.randbytes(MB)}
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return files


def stat_of(path: Path) -> tuple[int, int, int, int]:
    st = path.stat()
    return st.st_mtime_ns, st.st_ctime_ns, st.st_ino, st.st_size


def batches(folder: Path, names: list[str], step: int = 50) -> list[Batch]:
    found = []
    for at in range(0, len(names), step):
        part = names[at : at + step]
        found.append(Batch(part, [stat_of(folder / name) for name in part]))
    return found


@pytest.mark.parametrize("count", [1, 2, 3])
def test_workers_give_the_same_ids(
    store: ObjectStore, tmp_path: Path, always_workers: None, count: int,
    started: list[processes.Worker],
) -> None:  # fmt: skip
    """One worker or several: the same ids in the same order, all of them durable and readable."""
    files = tree(tmp_path / "in")
    given = batches(tmp_path / "in", list(files))
    results = list(ingest(store, str(tmp_path / "in"), given, workers=count))
    assert [batch for batch, _ in results] == given
    oids = [oid for _, stored in results for oid in stored.oids]
    assert oids == [blake3(data).digest() for data in files.values()]
    assert [s for _, stored in results for s in stored.stats] == [
        st for batch in given for st in batch.stats
    ]
    assert len(started) == (count if count > 1 else 0)
    other = ObjectStore(str(tmp_path / "packs"), str(tmp_path / "tmp"), Chunking())
    assert other.missing(oid for oid in oids if oid) == set()
    assert [other.read(oid) for oid in oids if oid] == list(files.values())
    other.close()
    store.close()
    assert os.listdir(tmp_path / "tmp") == []


def test_packs_of_workers_are_relied_on(
    store: ObjectStore, tmp_path: Path, always_workers: None
) -> None:
    """The caller knows every pack that its files are in, written now or there before."""
    files = tree(tmp_path / "in")
    given = batches(tmp_path / "in", list(files))
    list(ingest(store, str(tmp_path / "in"), given, workers=2))
    names = {path.stem for path in (tmp_path / "packs").rglob("*.pack")}
    assert store.relied_on == names
    again = ObjectStore(str(tmp_path / "packs"), str(tmp_path / "tmp"), Chunking())
    list(ingest(again, str(tmp_path / "in"), given, workers=2))
    assert {path.stem for path in (tmp_path / "packs").rglob("*.pack")} == names
    assert again.relied_on <= names and again.relied_on
    again.close()


@pytest.mark.parametrize("moment", ["at once", "after one batch", "late"])
def test_a_worker_that_dies_is_reported(
    store: ObjectStore, tmp_path: Path, always_workers: None, started: list[processes.Worker],
    moment: str,
) -> None:  # fmt: skip
    """A killed worker ends the work with one clear error; what it left behind is no pack."""
    files = tree(tmp_path / "in", 900)
    given = batches(tmp_path / "in", list(files), 20)
    after = {"at once": 0, "after one batch": 1, "late": len(given) - 3}[moment]

    def kill() -> None:
        os.kill(started[0]._process.pid, signal.SIGKILL)

    def run() -> None:
        def feed() -> Iterator[Batch]:
            for number, batch in enumerate(given):
                if started and number > 3 and not after:
                    kill()
                yield batch

        for number, _ in enumerate(ingest(store, str(tmp_path / "in"), feed(), workers=2)):
            if after and number + 1 == after:
                kill()

    with pytest.raises(StorageFailed, match="a worker process ended before its work was done"):
        run()
    assert all(worker._process.poll() is not None for worker in started)
    store.close()
    whole = ObjectStore(str(tmp_path / "packs"), str(tmp_path / "tmp"), Chunking())
    whole.refresh()
    assert whole._damaged == {}
    whole.close()


def test_unreadable_files_are_named(store: ObjectStore, tmp_path: Path) -> None:
    """What cannot be read is reported file by file, with the reason, and the rest is stored."""
    folder = tmp_path / "in"
    files = tree(folder, 5)
    given = batches(folder, list(files))
    (folder / "dir0/file 0.bin").unlink()
    (folder / "dir1/file 1.bin").unlink()
    (folder / "dir1/file 1.bin").mkdir()
    (folder / "edge").unlink()
    os.mkfifo(folder / "edge")
    ((_, stored),) = ingest(store, str(folder), given, workers=1)
    reasons = {given[0].paths[at]: reason for at, reason in stored.problems}
    assert set(reasons) == {"dir0/file 0.bin", "dir1/file 1.bin", "edge"}
    assert "No such file" in reasons["dir0/file 0.bin"]
    assert "not a regular file any more" in reasons["edge"]
    assert [oid is None for oid in stored.oids] == [name in reasons for name in given[0].paths]
    assert store.missing(oid for oid in stored.oids if oid) == set()


def test_many_problems_with_long_names_do_not_stop_the_pipes(
    store: ObjectStore, tmp_path: Path, always_workers: None
) -> None:
    """Orders and answers larger than a pipe holds do not make parent and worker wait for each other."""
    (tmp_path / "in").mkdir()
    gone = [f"{'d' * 200}/" * 15 + f"{n}" for n in range(3000)]
    given = [Batch(gone[at : at + 300], [(0, 0, 0, 1)] * 300) for at in range(0, 3000, 300)]
    results = list(ingest(store, str(tmp_path / "in"), given, workers=2))
    assert sum(len(stored.problems) for _, stored in results) == 3000


@pytest.mark.parametrize("size", [10, 100 * KB, MB + 5])
def test_a_file_that_changed_since_the_scan_is_read_as_it_is(
    store: ObjectStore, tmp_path: Path, size: int
) -> None:
    """What is stored is what was hashed, and the stat is the one that belongs to it."""
    path = tmp_path / "in" / "file"
    path.parent.mkdir()
    path.write_bytes(bytes(50))
    before = stat_of(path)
    data = random.Random(1).randbytes(size)
    path.write_bytes(data)
    ((_, stored),) = ingest(store, str(path.parent), [Batch(["file"], [before])], workers=1)
    assert stored.oids == [blake3(data).digest()]
    assert stored.stats == [stat_of(path)]
    assert store.read(blake3(data).digest()) == data


@pytest.mark.parametrize("size", [200 * KB, 3 * MB])
def test_a_file_that_changes_while_it_is_read(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """A file that is written to during reading is read again; one that never rests is refused."""
    path = tmp_path / "in" / "file"
    path.parent.mkdir()
    path.write_bytes(bytes(size))
    given = [Batch(["file"], [(0, 0, 0, size)])]
    writes = [2]
    real: Callable[..., Any] = os.fstat

    def fstat(fd: int) -> os.stat_result:
        if writes[0] and os.readlink(f"/proc/self/fd/{fd}") == str(path):
            writes[0] -= 1
            with path.open("ab") as file:
                file.write(b"more")
        result: os.stat_result = real(fd)
        return result

    monkeypatch.setattr(os, "fstat", fstat)
    ((_, stored),) = ingest(store, str(path.parent), given, workers=1)
    assert stored.oids == [blake3(path.read_bytes()).digest()]
    writes[0] = 100
    ((_, stored),) = ingest(store, str(path.parent), given, workers=1)
    assert stored.oids == [None]
    assert "keeps changing" in stored.problems[0][1]


def test_without_processes_the_work_is_done_here(
    store: ObjectStore, tmp_path: Path, always_workers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no process can be started, one does the work."""
    files = tree(tmp_path / "in", 20)
    monkeypatch.setattr(processes.sys, "executable", "")
    results = list(
        ingest(store, str(tmp_path / "in"), batches(tmp_path / "in", list(files)), workers=2)
    )
    assert [o for _, s in results for o in s.oids] == [blake3(d).digest() for d in files.values()]
    monkeypatch.setattr(processes.sys, "executable", str(tmp_path / "no such program"))
    results = list(
        ingest(store, str(tmp_path / "in"), batches(tmp_path / "in", list(files)), workers=2)
    )
    assert [o for _, s in results for o in s.oids] == [blake3(d).digest() for d in files.values()]
    assert shutil.which("no such program") is None
