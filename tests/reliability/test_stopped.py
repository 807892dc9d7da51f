"""A process that is stopped (Ctrl-Z, a frozen container) holds nobody up, wherever it was stopped."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
from pathlib import Path

import pytest
from tiers import thinned

from dsm.errors import Conflict, DsmError
from dsm.store import disk
from dsm.worktree import committing, publish, tree
from reliability.operations import (
    OPERATIONS,
    Operation,
    lay_out,
    open_repo,
    primitives_of,
    problems,
    write,
)
from reliability.test_every_write_fails import run_again

CONFLICT = 3  # how a child ends that was told of a conflict
STOPPED = [
    each for each in OPERATIONS if each.name in ("add", "commit", "commit paths", "revert", "gc --prune")
]  # fmt: skip


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long."""
    monkeypatch.setattr(committing, "COMMIT_PATIENCE", 0.02)
    monkeypatch.setattr(tree, "STAGE_PATIENCE", 0.02)
    monkeypatch.setattr(tree, "SAVE_PATIENCE", 0.02)
    monkeypatch.setattr(disk, "PATIENCE", 0.02)


def stopped_at(operation: Operation, root: Path, at: int) -> int | None:
    """Starts the operation in a child that stops before its n-th primitive; None: it came through."""
    child = os.fork()
    if not child:
        count = 0

        def stop(_operation: str, _path: str) -> None:
            nonlocal count
            count += 1
            if count == at:
                os.kill(os.getpid(), signal.SIGSTOP)

        status = 1
        try:
            with disk.observe(stop):
                operation.run(root)
            status = 0
        except Conflict:
            status = CONFLICT
        finally:
            os._exit(status)
    _, status = os.waitpid(child, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        return child
    assert os.waitstatus_to_exitcode(status) == 0
    return None


def went_on(child: int) -> bool:
    """Lets a stopped process go on; whether it did what it was to do, or found a conflict."""
    os.kill(child, signal.SIGCONT)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, CONFLICT)
    return code == 0


def others_work(root: Path) -> None:
    """What another process does meanwhile, in this dataset and in another one."""
    with open_repo(root) as repo:
        repo.dataset("data").status()
        repo.create_dataset("beside", root="beside")
        write(root, {"mine/1": "mine", "beside/1": "beside"})
        for name, path in (("beside", "beside"), ("data", "mine")):
            ds = repo.dataset(name)
            ds.add([str(root / path)])
            ds.commit("meanwhile", paths=[str(root / path)])


def broken(root: Path) -> list[str]:
    """What fsck finds, but for an index whose lock was passed over: it is derived."""
    return [each for each in problems(root) if not each.endswith("is learnt again")]


def live(root: Path, name: str) -> set[str]:
    with open_repo(root) as repo:
        return {example.path for example in repo.dataset(name).ls()}


@pytest.mark.parametrize("operation", STOPPED, ids=lambda operation: operation.name)
def test_others_go_on_while_one_is_stopped(operation: Operation, tmp_path: Path) -> None:
    """Add, status and commit work, and when the stopped one goes on, nothing is lost or broken."""
    root = lay_out(operation.start, tmp_path / "work")
    count = len(primitives_of(operation.run, root))
    stopped = 0
    points = thinned(range(1, count + 1), 3)
    for at in points:
        lay_out(operation.start, root)
        child = stopped_at(operation, root, at)
        if child is None:
            continue
        stopped += 1
        where = f"{operation.name}, stopped before primitive {at} of {count}"
        done = True
        try:
            others_work(root)
        except disk.Busy:
            done = False
            assert operation.name == "gc --prune", where
        except DsmError as error:
            pytest.fail(f"{where}: {error}")
        finally:
            finished = went_on(child)
        assert broken(root) == [], where
        if done:
            assert "mine/1" in live(root, "data") and {"1"} == live(root, "beside"), where
        if not finished:
            run_again(operation, root)
            assert broken(root) == [], where
    assert stopped >= len(points) - 2


def test_who_waits_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Once, after a while, with the path; and an end is made of it."""
    path = str(tmp_path / "a.lock")
    held = disk.lock(path, exclusive=True)
    assert held is not None
    with caplog.at_level(logging.WARNING, "dsm"):
        assert None is disk.lock(path, exclusive=False, patience=disk.SILENCE / 2)
        assert caplog.records == []
        assert None is disk.lock(path, exclusive=True, patience=disk.SILENCE * 1.2)
    assert [path in record.getMessage() for record in caplog.records] == [True]
    disk.unlock(held)
    again = disk.lock(path, exclusive=True, patience=0)
    assert again is not None
    disk.unlock(again)


def test_without_locks_nobody_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that has none lets everybody go on."""

    def unsupported(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    fd = disk.lock(str(tmp_path / "a.lock"), exclusive=True)
    assert fd is not None
    disk.unlock(fd)


def test_what_gc_holds_is_told(tmp_path: Path) -> None:
    """A commit that cannot be let in ends with a line that names the lock, and records nothing."""
    root = lay_out(STOPPED[0].start, tmp_path / "work")
    held = disk.lock(str(root / ".dsm/local/store.lock"), exclusive=True)
    with (
        open_repo(root) as repo,
        pytest.raises(disk.Busy, match="store.lock and does not let go") as caught,
    ):
        with publish.Publisher(repo):
            pytest.fail("let in")
    assert (caught.value.exit_status, caught.value.retryable) == (8, True)
    assert held is not None
    disk.unlock(held)
