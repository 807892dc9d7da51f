"""Many writers at once, writers beside gc, frozen writers, and locks that lie."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tiers import LONG, thinned

from dsm.errors import AnswerIsNo, Conflict, DsmError, StorageFailed
from dsm.maintenance import gc
from dsm.store import disk
from reliability.operations import (
    collect_garbage,
    committed,
    half_staged,
    init,
    initialised,
    lay_out,
    leftovers,
    on_dataset,
    open_repo,
    primitives_of,
    problems,
    tell,
    write,
)

WRITERS, COMMITS = 8, 25


def together(*works: Callable[[], object]) -> None:
    """Runs each in a process of its own, all at the same time; all have to come through."""
    children = []
    for work in works:
        child = os.fork()
        if not child:
            status = 1
            try:
                work()
                status = 0
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == (
        [0] * len(works)
    )


def insist(work: Callable[[], object], *acceptable: type[DsmError]) -> None:
    """Runs again what was refused because of somebody else's work, as its message says."""
    for _ in range(200):
        try:
            work()
            return
        except acceptable:
            continue
    raise AssertionError("refused 200 times")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    init(tmp_path / "work")
    return tmp_path / "work"


# --- commits of many processes ----------------------------------------------------------------------


def commit_paths(root: Path, writer: int, commits: int, lying: bool = False) -> None:
    if lying:
        disk.fcntl.flock = lambda *_: None
    for turn in range(commits):
        name = f"{writer}/{turn}"
        write(root, {name: f"written by {writer} in turn {turn}"})
        if writer == 0 and turn % 8 == 0 and not lying:
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
            words = ["commit", "-q", "-m", name, name]
            subprocess.run(
                [sys.executable, "-m", "dsm", *words], cwd=root, env=environment, check=True
            )
            continue
        with open_repo(root) as repo:
            repo.dataset().commit(name, paths=[root / name])


@pytest.mark.parametrize("lying", [False, True], ids=["locks", "locks that lie"])
def test_commits_of_many_processes(root: Path, lying: bool) -> None:
    """8 processes commit side by side: all changesets are there, numbered from 1 without a gap."""
    commits = COMMITS if LONG else 5 if lying else 7
    together(*(
        lambda writer=writer: commit_paths(root, writer, commits, lying)  # type: ignore[misc]
        for writer in range(WRITERS)
    ))  # fmt: skip
    expected = {f"{writer}/{turn}" for writer in range(WRITERS) for turn in range(commits)}
    with open_repo(root) as repo:
        log = list(repo.dataset().log())
        assert [c.number for c in log] == list(range(WRITERS * commits, 0, -1))
        assert {c.message for c in log} == expected
        assert len({c.transaction for c in log}) == WRITERS * commits
        assert set(repo.dataset().snapshot().column("path").to_pylist()) == expected
        for name in random.Random(1).sample(sorted(expected), 20):
            writer, turn = name.split("/")
            assert repo.dataset().read(name) == f"written by {writer} in turn {turn}".encode()
        assert repo.dataset().status().clean
    assert problems(root) == []


def add_and_commit(root: Path, writer: int, turns: int) -> None:
    """What people do side by side: add, then commit whatever is staged then."""
    for turn in range(turns):
        name = f"{writer}/{turn}"
        write(root, {name: f"written by {writer} in turn {turn}"})
        with open_repo(root) as repo:
            insist(lambda: repo.dataset().add([root / name]), StorageFailed)
            try:
                repo.dataset().commit(name)
            except AnswerIsNo:
                pass  # another process has committed it already


def test_plain_add_and_commit_lose_no_example(root: Path) -> None:
    """8 processes share one stage: whoever commits, every example that was added is there."""
    turns = 20 if LONG else 5
    together(*(
        lambda writer=writer: add_and_commit(root, writer, turns)  # type: ignore[misc]
        for writer in range(WRITERS)
    ))  # fmt: skip
    with open_repo(root) as repo:
        paths = set(repo.dataset().snapshot().column("path").to_pylist())
        assert paths == {f"{writer}/{turn}" for writer in range(WRITERS) for turn in range(turns)}
        assert repo.dataset().status().clean
    assert problems(root) == []


def test_two_commits_of_one_example_conflict(root: Path) -> None:
    """Of two changes to one example the second is refused with its path, whoever is faster."""
    lay_out(committed, root)
    with open_repo(root) as first, open_repo(root) as second:
        write(root, {"cat/1": "first"})
        first.dataset().add(["cat/1"])
        staged = first.dataset().tree.stage.load()
        write(root, {"cat/1": "second"})
        second.dataset().commit("second", paths=[root / "dog", root / "cat"])
        assert len(first.dataset().tree.stage.load()) == 0
        with first.dataset().tree.locked():
            first.dataset().tree.stage.write(2, staged.rows())
        with pytest.raises(Conflict) as caught:
            first.dataset().commit("first")
        assert caught.value.items == ("cat/1",)
        assert first.dataset().head == 3


# --- beside gc ----------------------------------------------------------------------------------------


def test_writers_beside_gc(root: Path) -> None:
    """Adds, commits and unstagings beside a gc in a loop lose nothing, and gc takes the rest."""
    turns = 60 if LONG else 8
    ended = [root.parent / f"writer {number} has ended" for number in range(3)]

    def writer(number: int) -> None:
        try:
            for turn in range(1, turns + 1):
                write(root, {f"{number}/{turn}": f"{number} {turn}", f"{number}/x": f"x{turn % 3}"})
                with open_repo(root) as repo:
                    ds = repo.dataset()
                    insist(lambda: ds.add([root / str(number)]), StorageFailed, Conflict)
                    if turn % 3 == 0:
                        insist(lambda: ds.unstage([root / str(number)]), StorageFailed)
                    name = f"{number}/{turn}"
                    insist(lambda: ds.commit(name, paths=[root / name]), StorageFailed, Conflict)
        finally:
            ended[number].touch()

    def collector() -> None:
        gc.PAUSE_SECONDS = 0.01  # type: ignore[misc]
        while not all(path.exists() for path in ended):
            try:
                collect_garbage(root)
            except Conflict:
                continue

    together(*(lambda n=n: writer(n) for n in range(3)), collector, collector)  # type: ignore[misc]
    assert problems(root) == []
    with open_repo(root) as repo:
        log = list(repo.dataset().log())
        paths = set(repo.dataset().snapshot().column("path").to_pylist())
        assert {c.message for c in log} <= paths
        assert len(log) == 3 * turns
        repo.dataset().unstage()
    collect_garbage(root)
    collect_garbage(root)
    assert leftovers(root) == []


FROZEN = {
    "add": (initialised, on_dataset(lambda ds, _: ds.add(["."]))),
    "commit": (half_staged, on_dataset(lambda ds, _: ds.commit("third"))),
    "commit paths": (
        half_staged, on_dataset(lambda ds, root: ds.commit("third", paths=[root / "cat"]))
    ),
    "label": (half_staged, on_dataset(lambda ds, root: ds.label([root / "bird"], add=["b"]))),
}  # fmt: skip


@pytest.mark.parametrize("name", FROZEN)
def test_a_frozen_writer(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer is stopped before a primitive, gc runs twice, and the writer goes on: it finishes
    or is refused, and nothing that is referred to was removed."""
    monkeypatch.setattr(gc, "TRIES", 1)
    monkeypatch.setattr(gc, "PAUSE_SECONDS", 0.0)
    start, run = FROZEN[name]
    root = lay_out(start, tmp_path / "work")
    before = tell(root)
    count = len(primitives_of(run, root))
    after = tell(root)
    finished = 0
    points = thinned(range(1, count + 1), 3)
    for at in points:
        lay_out(start, root)
        child = _stopped_before(run, root, at)
        for _ in range(2):
            try:
                collect_garbage(root)
            except Conflict:
                pass  # the writer is in its last step
        assert problems(root) == [], f"{name}, stopped before primitive {at}"
        if child:
            os.kill(child, signal.SIGCONT)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            assert status in (0, 8), f"{name}, stopped before primitive {at}: {status}"
            finished += status == 0
        assert problems(root) == [], f"{name}, stopped before primitive {at}"
        assert tell(root) in (before, after), f"{name}, stopped before primitive {at}"
    assert finished > len(points) // 4


def _stopped_before(run: Callable[[Path], object], root: Path, at: int) -> int:
    """Starts a child that stops itself before its n-th primitive; 0 when it came through."""
    child = os.fork()
    if not child:
        count, status = 0, 70

        def stop(_operation: str, _path: str) -> None:
            nonlocal count
            count += 1
            if count == at:
                os.kill(os.getpid(), signal.SIGSTOP)

        try:
            with disk.observe(stop):
                run(root)
            status = 0
        except DsmError as error:
            status = error.exit_status
        finally:
            os._exit(status)
    _, status = os.waitpid(child, os.WUNTRACED)
    return child if os.WIFSTOPPED(status) else 0


# --- locks that lie -------------------------------------------------------------------------------------


def test_gc_refuses_where_locks_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without working locks nobody can tell who is writing: gc removes nothing."""
    root = lay_out(half_staged, tmp_path / "work")
    monkeypatch.setattr(disk.fcntl, "flock", lambda *_: None)
    with open_repo(root) as repo:
        plan = gc.plan_gc(repo)
        with pytest.raises(DsmError, match="locks do not work on this file system, so") as caught:
            gc.apply_gc(repo, plan)
    assert caught.value.exit_status == 6
