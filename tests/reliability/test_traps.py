"""Situations that went wrong once, each as small as it can be."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dsm.errors import DamagedData, DsmError, NotARepository, OutcomeUnknown
from dsm.maintenance.fsck import fsck
from dsm.maintenance.gc import apply_gc, plan_gc
from dsm.store import disk
from dsm.store.lease import Lease, living
from reliability.operations import (
    LARGE,
    collect_garbage,
    committed,
    half_staged,
    init,
    lay_out,
    open_repo,
    problems,
    staged,
    tell,
    write,
)


@contextmanager
def interrupted(operation: str, ending: str, meanwhile: object) -> Iterator[list[str]]:
    """Runs `meanwhile()` before the first primitive that fits."""
    done: list[str] = []

    def observer(kind: str, path: str) -> None:
        if not done and kind == operation and path.endswith(ending):
            done.append(path)
            meanwhile()  # type: ignore[operator]

    with disk.observe(observer):
        yield done


def age(root: Path) -> None:
    """Makes the files of a work tree old enough for their stats to be believed."""
    for path in root.rglob("*"):
        if path.is_file() and ".dsm" not in path.parts:
            os.utime(path, (10**9, 10**9))


# --- the stat cache ---------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", ["the index", "nothing"])
def test_unstaged_changes_are_seen(tmp_path: Path, lost: str) -> None:
    """A change that was staged and unstaged is a change again, also when the index was not saved."""
    root = lay_out(committed, tmp_path / "work")
    write(root, {"cat/1": "changed", "dog/1": "changed too"})
    with open_repo(root) as repo:
        ds = repo.dataset()
        ds.add(["cat", "dog"])
        before = {p: p.read_bytes() for p in (root / ".dsm/local/index/data").iterdir()}
        ds.unstage([root / "cat"])
    if lost == "the index":
        for path, content in before.items():
            path.write_bytes(content)
    with open_repo(root) as repo:
        status = repo.dataset().status()
        assert [c.path for c in status.staged] == ["dog/1"]
        assert [c.path for c in status.unstaged] == ["cat/1"]


def test_what_others_stage_during_a_commit_of_paths_is_known(tmp_path: Path) -> None:
    """An index saved by a commit of paths claims nothing of what was staged beside it."""
    root = lay_out(committed, tmp_path / "work")
    write(root, {"mine": "1", "theirs": "2"})

    def other() -> None:
        with open_repo(root) as repo:
            index = root / ".dsm/local/index/data"
            saved = {path.name: path.read_bytes() for path in index.iterdir()}
            repo.dataset().add([root / "theirs"])
            # Their index is not saved, as after a failure: it is a cache.
            shutil.rmtree(index)
            write(index, saved)  # type: ignore[arg-type]

    with open_repo(root) as repo:
        with interrupted("lock", "commit.lock", other) as done:
            repo.dataset().commit("mine", paths=[root / "mine"])
        assert done
    with open_repo(root) as repo:
        status = repo.dataset().status()
        assert [c.path for c in status.staged] == ["theirs"]
        assert status.untracked == ()


def test_a_commit_of_paths_consumes_what_is_staged_of_them(tmp_path: Path) -> None:
    """An older version staged of a committed path does not come back."""
    root = lay_out(half_staged, tmp_path / "work")
    with open_repo(root) as repo:
        repo.dataset().commit("third", paths=[root / "cat"])
        repo.dataset().commit("fourth")
        assert repo.dataset().read("cat/1") == b"staged, and changed since"


# --- gc and processes that live long -------------------------------------------------------------------


def test_a_process_that_lives_long_looks_again(tmp_path: Path) -> None:
    """What another process has removed in the meantime is stored anew, not believed to be there."""
    root = tmp_path / "work"
    init(root)
    write(root, {"kept": "kept", "lost": "lost " * 100})
    with open_repo(root) as repo:
        ds = repo.dataset()
        ds.commit("first", paths=[root / "kept"])
        ds.add([root / "lost"])
        ds.unstage()
        ds.read("kept")  # all packs are open in this process now
        collect_garbage(root)
        collect_garbage(root)
        ds.add([root / "lost"])
        ds.commit("second")
        assert ds.read("lost") == b"lost " * 100
    assert problems(root) == []


def test_unstaged_and_removed_while_a_commit_begins(tmp_path: Path) -> None:
    """A commit records nothing that was unstaged and removed before its last step."""
    root = lay_out(staged, tmp_path / "work")

    def other() -> None:
        with open_repo(root) as repo:
            repo.dataset().unstage()
        collect_garbage(root)
        collect_garbage(root)

    with open_repo(root) as repo, interrupted("lock", "store.lock", other) as done:
        with pytest.raises(DsmError, match="nothing to commit"):
            repo.dataset().commit("first")
    assert done
    assert problems(root) == []


@pytest.mark.parametrize("verb", ["label", "move", "add labels"])
def test_unstaged_and_removed_while_staging(tmp_path: Path, verb: str) -> None:
    """Nor does a command that takes over what it found in the stage."""
    root = lay_out(staged, tmp_path / "work")

    def other() -> None:
        with open_repo(root) as repo:
            repo.dataset().unstage()
        collect_garbage(root)
        collect_garbage(root)

    with open_repo(root) as repo, interrupted("lock", "store.lock", other):
        ds = repo.dataset()
        try:
            if verb == "label":
                ds.label([root / "cat"], add=["x"])
            elif verb == "move":
                ds.move(str(root / "cat"), str(root / "kitten"))
            else:
                age(root)
                ds.add(["."], labels=["x"])
        except DsmError as error:
            assert error.exit_status == 8
    assert problems(root) == []


def test_gc_takes_nothing_beside_a_damaged_pack(tmp_path: Path) -> None:
    """Where a chunk list cannot be read, nobody knows which chunks it needs: all are kept."""
    root = tmp_path / "work"
    init(root)
    with open_repo(root) as repo:
        ds = repo.dataset()
        ds.add({"large": LARGE})  # its chunks are in the first pack
        ds.unstage()
        first = set((root / ".dsm/packs").rglob("*.pack"))
        ds.add({"large": LARGE + b"tail"})  # in the second one are its list, and what is new
        ds.commit("first")
    (second,) = set((root / ".dsm/packs").rglob("*.pack")) - first
    second.chmod(0o644)
    second.write_bytes(second.read_bytes()[:-7])
    packs = sorted((root / ".dsm/packs").rglob("*.pack"))
    with open_repo(root) as repo:
        try:
            apply_gc(repo, plan_gc(repo))
        except DamagedData as error:
            assert "nothing was removed" in (error.hint or "")
    assert sorted((root / ".dsm/packs").rglob("*.pack")) == packs


def test_gc_asks_no_clock(tmp_path: Path) -> None:
    """Files from the year 2001 and from 2040 are kept and removed for the same reasons."""
    for moment in (10**9, 22 * 10**8):
        root = lay_out(half_staged, tmp_path / "work")
        before = tell(root)
        for path in root.rglob("*"):
            os.utime(path, (moment, moment))
        collect_garbage(root)
        collect_garbage(root)
        assert tell(root) == before
        assert problems(root) == []


def test_a_lease_is_seen_from_its_first_moment(tmp_path: Path) -> None:
    """gc may take a lease that is not locked yet for that of a dead writer: it is taken out anew."""
    original = disk.fcntl.flock

    def removed_first(fd: int, how: int) -> None:
        disk.fcntl.flock = original
        for path in tmp_path.iterdir():
            path.unlink()
        original(fd, how)

    disk.fcntl.flock = removed_first
    try:
        with Lease(str(tmp_path)) as lease:
            assert living(str(tmp_path)) == {lease.token}
    finally:
        disk.fcntl.flock = original
    assert living(str(tmp_path)) == set()


# --- limits, and states in between ---------------------------------------------------------------------


def test_more_packs_than_open_files(tmp_path: Path) -> None:
    """A repository of many small commits is not limited by how many files a process may open."""
    root = tmp_path / "work"
    init(root)
    with open_repo(root) as repo:
        for number in range(300):
            repo.store.put(b"%d" % number)
            repo.store.flush()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, used + 250), hard))
    try:
        with open_repo(root) as repo:
            write(root, {"a": "1", "b": "299"})
            repo.dataset().add(["."])
            repo.dataset().commit("first")
            assert repo.dataset().read("b") == b"299"
            assert fsck(repo, full=True).findings == ()
            assert len(plan_gc(repo).packs) == 298
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_an_unconfirmed_commit_says_so(tmp_path: Path) -> None:
    """A header that exists but could not be made durable has an outcome of its own: unknown."""
    root = lay_out(staged, tmp_path / "work")
    linked: list[str] = []

    def fail(operation: str, path: str) -> None:
        if operation == "link" and "changesets" in path:
            linked.append(path)
        if linked and operation == "fsync folder" and path.endswith("changesets"):
            raise OSError(5, "Input/output error")

    with open_repo(root) as repo, disk.observe(fail):
        with pytest.raises(
            OutcomeUnknown, match="is there, but may not outlast a power cut"
        ) as caught:
            repo.dataset().commit("first")
    with open_repo(root) as repo:
        changeset = repo.dataset().changeset("head")
        assert changeset.transaction in caught.value.message
        assert repo.dataset().status().staged == ()


def test_an_interrupted_init_is_no_damage(tmp_path: Path) -> None:
    """A `.dsm` without its document is told as what it is, and `init` completes it."""
    root = tmp_path / "work"
    root.mkdir()

    class Dead(BaseException):
        """Ends the process that is played here."""

    def die(operation: str, path: str) -> None:
        if operation == "link" and path.endswith("repo.json"):
            raise Dead

    with disk.observe(die), pytest.raises(Dead):
        init(root)
    with pytest.raises(NotARepository, match="complete: `dsm init` was interrupted here"):
        open_repo(root)
    init(root)
    assert problems(root) == []
