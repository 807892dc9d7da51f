"""Files that change while they are read, or too soon after: what is stored is what was hashed."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from tiers import LONG

from dsm.errors import StorageFailed
from dsm.store import ingest
from dsm.worktree import status as status_module
from reliability.operations import (
    LARGE,
    files_of,
    init,
    initialised,
    lay_out,
    open_repo,
    problems,
    write,
)
from reliability.protocol_checks import date_ahead

SMALL = b"small and whole"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    init(tmp_path / "work")
    return tmp_path / "work"


@contextmanager
def reading(path: Path, meanwhile: Callable[[int], None], times: int = 1) -> Iterator[list[int]]:
    """Runs `meanwhile(n)` after the n-th read of a file, at most `times` times."""
    originals, turns = (os.read, os.readv), [0]

    def after(fd: int) -> None:
        mine = os.path.exists(path) and os.path.samefile(f"/proc/self/fd/{fd}", path)
        if mine and turns[0] < times:
            turns[0] += 1
            meanwhile(turns[0])

    def watched(original: Callable[[int, Any], Any]) -> Callable[[int, Any], Any]:
        def read(fd: int, what: Any) -> Any:
            answer = original(fd, what)
            after(fd)
            return answer

        return read

    os.read, os.readv = map(watched, originals)
    try:
        yield turns
    finally:
        os.read, os.readv = originals


def check(root: Path, *names: str) -> None:
    """What is recorded is stored, hashes to its name, and status tells when a file differs."""
    with open_repo(root) as repo:
        ds = repo.dataset()
        status = ds.status()
        changed = {change.path for change in status.unstaged}
        for name in names:
            example = ds.example(name)
            data = ds.read(name)
            assert blake3(data).digest() == example.oid
            assert len(data) == example.size
            assert ((root / name).read_bytes() == data) == (name not in changed)
    assert problems(root) == []


def store(root: Path, *names: str) -> None:
    with open_repo(root) as repo:
        repo.dataset().add([root / name for name in names])
        repo.dataset().commit("stored")


CHANGES: dict[str, Callable[[Path], object]] = {
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"and more"),
    "shorter": lambda path: os.truncate(path, 3),
    "empty": lambda path: os.truncate(path, 0),
    "other bytes": lambda path: path.write_bytes(path.read_bytes()[::-1]),
    "replaced": lambda path: (
        path.with_name("new").write_bytes(path.read_bytes()[::-1]),
        os.replace(path.with_name("new"), path),
    ),
    "appended": lambda path: os.close(_append(path)),
}


def _append(path: Path) -> int:
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    os.write(fd, b"one more line")
    return fd


@pytest.mark.parametrize("size", ["small", "large"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_while_reading(root: Path, change: str, size: str) -> None:
    """A file that changes once while it is read is read again, and stored as it was then."""
    content = SMALL if size == "small" else LARGE
    write(root, {"a": content, "b": b"still"})
    with reading(root / "a", lambda _: CHANGES[change](root / "a")) as turns:
        store(root, "a", "b")
    assert turns == [1]
    with open_repo(root) as repo:
        assert repo.dataset().read("a") == (root / "a").read_bytes()
    check(root, "a", "b")


@pytest.mark.parametrize("size", ["small", "large"])
def test_a_file_that_never_holds_still(root: Path, size: str) -> None:
    """A file that changes at every read is refused by name, and nothing is staged."""
    write(root, {"a": SMALL if size == "small" else LARGE, "b": b"still"})

    def change(turn: int) -> None:
        with open(root / "a", "r+b") as file:
            file.write(b"%04d" % turn)

    with reading(root / "a", change, times=1000):
        with open_repo(root) as repo, pytest.raises(StorageFailed) as caught:
            repo.dataset().add([root / "a", root / "b"])
        with open_repo(root) as repo:
            assert repo.dataset().status().staged == ()
            report = repo.dataset().add([root / "a", root / "b"], keep_going=True)
    assert "a" in caught.value.items
    assert "keeps changing" in caught.value.message
    assert [problem.path for problem in report.failed] == ["a"]
    assert report.counts.added == 1
    assert problems(root) == []


@pytest.mark.parametrize(
    "vanish",
    [
        lambda path: path.unlink(),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: (path.unlink(), os.mkfifo(path)),
        lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
    ],
    ids=["gone", "a folder", "a pipe", "a link to a device"],
)  # fmt: skip
def test_something_else_takes_its_place(
    root: Path, vanish: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the scan and the reading a file may become anything: nothing hangs, nothing lies."""
    write(root, {"a": SMALL, "b": b"still"})
    original = ingest.store_batch

    def store_batch(*args: object) -> ingest.Stored:
        vanish(root / "a")
        return original(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(ingest, "store_batch", store_batch)
    with open_repo(root) as repo:
        report = repo.dataset().add([root / "a", root / "b"], keep_going=True)
    assert [problem.path for problem in report.failed] == ["a"]
    assert report.counts.added == 1
    assert problems(root) == []


def test_a_writer_in_a_loop(root: Path) -> None:
    """Beside a thread that keeps rewriting files, every stored example is one state of its file."""
    states = [bytes([65 + n]) * (20 + 7 * (n % 3)) for n in range(26)]
    names = [f"{n}" for n in range(6)]
    write(root, dict.fromkeys(names, states[0]))
    stop, written = threading.Event(), threading.Event()

    def rewrite() -> None:
        rng = random.Random(5)
        while not stop.is_set():
            temporary = root / "writing"
            temporary.write_bytes(rng.choice(states))
            os.replace(temporary, root / rng.choice(names))
            written.set()

    thread = threading.Thread(target=rewrite)
    thread.start()
    try:
        for turn in range(100 if LONG else 12):
            assert written.wait(300)
            written.clear()
            with open_repo(root) as repo:
                ds = repo.dataset()
                ds.add([root / name for name in names], keep_going=True)
                ds.commit(f"turn {turn}", allow_empty=True)
                for example in ds.ls():
                    assert ds.read(example.path) in states
    finally:
        stop.set()
        thread.join()
    check(root, *names)


@pytest.mark.parametrize("moment", ["after add", "after commit", "after status"])
def test_a_rewrite_in_the_same_tick(tmp_path: Path, moment: str) -> None:
    """As many other bytes, right after: whatever the clock's tick, status notices."""
    steps = ("after add", "after commit", "after status")
    for turn in range(20):
        root = lay_out(initialised, tmp_path / "work")
        with open_repo(root) as repo:
            ds = repo.dataset()
            (root / "cat/1").write_bytes(b"one")
            ds.add(["."])
            for step in steps[1 : 1 + steps.index(moment)]:
                ds.commit("first") if step == "after commit" else ds.status()
            (root / "cat/1").write_bytes(b"ONE")
            assert [c.path for c in ds.status().unstaged] == ["cat/1"], f"turn {turn}"


def test_a_stat_that_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system whose times stand still, content decides: nothing is believed unread."""
    root = lay_out(initialised, tmp_path / "work")
    for name in files_of(root):
        date_ahead(root / name)
    with open_repo(root) as repo:
        repo.dataset().add(["."])
        repo.dataset().commit("first")
        marks = repo.dataset().tree.index(repo.dataset().tree.stage.load())
        # All these files may have been written within the last moment: only their bytes are known.
        assert all(isinstance(marks.get(name), bytes) for name in marks.below(""))
        hashed: list[str] = []
        original = status_module.hash_file
        monkeypatch.setattr(
            status_module, "hash_file", lambda full: hashed.append(full) or original(full)
        )
        repo.dataset().status()
    assert len(hashed) == 4


def test_restored_files_are_not_believed_at_once(root: Path) -> None:
    """A file rewritten with as many bytes right after it was restored is noticed."""
    write(root, {"a": b"first", "b": b"other"})
    store(root, "a", "b")
    (root / "a").unlink()
    with open_repo(root) as repo:
        repo.dataset().restore()
        assert (root / "a").read_bytes() == b"first"
        (root / "a").write_bytes(b"FIRST")
        assert [c.path for c in repo.dataset().status().unstaged] == ["a"]
