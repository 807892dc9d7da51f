"""Direct checks of the protocol: each raises when one promise is not kept.

test_mutants.py runs each of them on the code as it is, and on code that is broken on purpose.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dsm.datasets import Dataset
from dsm.errors import Conflict, DamagedData, DsmError, StorageFailed
from dsm.maintenance import gc
from dsm.model.rows import MODIFIED, Rows
from dsm.store import disk, ingest
from reliability.operations import (
    collect_garbage,
    committed,
    half_staged,
    initialised,
    lay_out,
    littered,
    on_dataset,
    open_repo,
    problems,
    spoiled,
    staged,
    tell,
    write,
)


class Interrupt:
    """Lets `meanwhile` happen once, before the first primitive that fits."""

    def __init__(self, operation: str, ending: str, meanwhile: Callable[[], object]):
        self.operation, self.ending, self.meanwhile = operation, ending, meanwhile
        self.done = False

    def __call__(self, operation: str, path: str) -> None:
        if not self.done and operation == self.operation and path.endswith(self.ending):
            self.done = True
            child = os.fork()
            if not child:
                try:
                    with disk.observe(lambda *_: None):
                        self.meanwhile()
                finally:
                    os._exit(0)
            os.waitpid(child, 0)


def race_for_a_number(root: Path) -> None:
    """Two commits race for number 3: both land, one after the other."""
    lay_out(committed, root)
    write(root, {"a": "one", "b": "two"})

    def other() -> None:
        with open_repo(root) as repo:
            disk.fcntl.flock = lambda *_: None  # only in the child; this one waits for no lock
            repo.dataset().commit("theirs", paths=[root / "b"])

    with open_repo(root) as repo, disk.observe(Interrupt("link", "00000003.json", other)):
        repo.dataset().commit("mine", paths=[root / "a"])
    with open_repo(root) as repo:
        assert [c.message for c in repo.dataset().log(2)] == ["mine", "theirs"]
    assert problems(root) == []


def race_for_an_example(root: Path) -> None:
    """Two commits change the same example: the second one is told."""
    lay_out(committed, root)
    write(root, {"cat/1": "mine"})
    with open_repo(root) as first:
        first.dataset().add(["cat/1"])
        with open_repo(root) as second:
            write(root, {"cat/1": "theirs"})
            second.dataset().commit("theirs", paths=[root / "cat/1"])
        with pytest.raises(Conflict, match="1 of the examples to commit changed since they were"):
            first.dataset().tree.stage.write(2, _row_of(first.dataset(), "cat/1"))
            first.dataset().commit("mine")


def _row_of(ds: Dataset, path: str) -> Rows:
    rows = Rows()
    rows.put(MODIFIED, ds.example(path, 1))
    return rows


def short_writes(root: Path) -> None:
    """Every write falls short, and the repository is whole all the same."""
    lay_out(initialised, root)
    with disk.observe(lambda operation, _: 100 if operation == "write" else None):
        on_dataset(lambda ds, _: (ds.add(["."]), ds.commit("first")))(root)
    assert problems(root) == []


def a_flipped_byte(root: Path) -> None:
    """A byte of an object changes on disk: reading it is refused, never wrong."""
    lay_out(committed, root)
    with open_repo(root) as repo:
        content = repo.dataset().read("dog/2")
    for pack in (root / ".dsm/packs").rglob("*.pack"):
        data = pack.read_bytes()
        if content in data:
            pack.chmod(0o644)
            pack.write_bytes(data.replace(content, content[:-1] + b"X"))
    with open_repo(root) as repo, pytest.raises(DamagedData, match="is damaged in pack"):
        repo.dataset().read("dog/2")


def gc_before_the_last_step(root: Path) -> None:
    """gc runs twice after a writer has stored its packs and before it has staged them."""
    lay_out(initialised, root)
    twice = Interrupt("lock", "store.lock", lambda: (collect_garbage(root), collect_garbage(root)))
    with disk.observe(twice):
        on_dataset(lambda ds, _: ds.add(["."]))(root)
    assert twice.done
    assert problems(root) == []


def gc_with_a_stage(root: Path) -> None:
    """What is staged is kept."""
    lay_out(staged, root)
    collect_garbage(root)
    collect_garbage(root)
    assert problems(root) == []


def gc_with_an_old_plan(root: Path) -> None:
    """A plan made before something was staged again does no harm when it is carried out."""
    lay_out(staged, root)
    with open_repo(root) as repo:
        repo.dataset().unstage()
        plan = gc.plan_gc(repo)
        assert plan.packs
        repo.dataset().add(["."])
        gc.apply_gc(repo, plan)
    assert problems(root) == []


def gc_of_what_is_used(root: Path) -> None:
    """gc takes all that is garbage, and nothing else."""
    lay_out(littered, root)
    before = tell(root)
    collect_garbage(root)
    collect_garbage(root)
    assert tell(root) == before
    assert problems(root) == []


def a_failed_fsync(root: Path) -> None:
    """A file whose fsync failed once is given up, even if a second fsync would succeed."""
    lay_out(staged, root)
    failed: list[str] = []

    def once(operation: str, path: str) -> None:
        if operation == "fsync" and not failed:
            failed.append(path)
            raise OSError(errno.EIO, "Input/output error")

    with disk.observe(once), pytest.raises(StorageFailed, match="cannot fsync"):
        on_dataset(lambda ds, _: ds.commit("first"))(root)


def date_ahead(path: Path) -> None:
    """Makes a file one that may have changed just now, however long ago that is by the clock."""
    ahead = path.stat().st_ctime_ns + 10**14
    os.utime(path, ns=(ahead, ahead))


def a_racy_file(root: Path) -> None:
    """A file rewritten with as many bytes, within the same tick of its clock, is noticed."""
    lay_out(initialised, root)
    with open_repo(root) as repo:
        path = root / "cat/1"
        date_ahead(path)
        before = path.stat()
        repo.dataset().add(["."])
        path.write_bytes(b"ONE")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        # What a file system with coarse timestamps does: the whole stat stays as it was.
        index = repo.dataset().tree.index(repo.dataset().tree.stage.load())
        mark = index.get("cat/1")
        assert isinstance(mark, bytes), "a file changed just now was believed"


def a_file_that_changes(root: Path) -> None:
    """A file that changes while it is read is stored as one state, the one that was hashed."""
    lay_out(initialised, root)
    original, turns = os.read, [0]

    def read(fd: int, size: int) -> bytes:
        data = original(fd, size)
        if turns[0] == 0 and os.path.realpath(f"/proc/self/fd/{fd}").endswith("cat/1"):
            turns[0] = 1
            (root / "cat/1").write_bytes(b"ONE, longer")
        return data

    ingest.os.read = read
    try:
        on_dataset(lambda ds, _: (ds.add(["."]), ds.commit("first")))(root)
    finally:
        ingest.os.read = original
    with open_repo(root) as repo:
        assert repo.dataset().read("cat/1") == b"ONE, longer"
        assert repo.dataset().example("cat/1").size == 11


def unsaved_work(root: Path) -> None:
    """Restore refuses to overwrite what is stored nowhere."""
    lay_out(committed, root)
    write(root, {"cat/1": "precious"})
    with (
        open_repo(root) as repo,
        pytest.raises(Conflict, match="1 file with content that is in no changeset would"),
    ):
        repo.dataset().restore(source=1)
    assert (root / "cat/1").read_text() == "precious"


def a_restore_that_fails(root: Path) -> None:
    """A file is under its name whole or not at all."""
    lay_out(spoiled, root)

    def full(operation: str, path: str) -> int | None:
        if operation == "write" and path.endswith("dog/large"):
            if full.turn:  # type: ignore[attr-defined]
                raise OSError(errno.ENOSPC, "No space left on device")
            full.turn = True  # type: ignore[attr-defined]
            return 100
        return None

    full.turn = False  # type: ignore[attr-defined]
    with disk.observe(full), pytest.raises(DsmError, match="No space left on device"):
        on_dataset(lambda ds, _: ds.restore())(root)
    assert not (root / "dog/large").exists()


def paths_and_the_stage(root: Path) -> None:
    """A commit of some paths takes what is staged of them with it, and leaves the rest staged."""
    lay_out(half_staged, root)
    with open_repo(root) as repo:
        repo.dataset().commit("third", paths=[root / "cat"])
    assert set(tell(root)["datasets"]["data"]["stage"]) == {"bird/1", "dog/1", "dog/2", "dog/large"}
