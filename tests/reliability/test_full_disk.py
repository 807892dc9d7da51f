"""A disk that is really full: a small tmpfs of every size, full at every stage of the work."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiers import LONG

from dsm.errors import AnswerIsNo, DsmError
from dsm.maintenance.gc import apply_gc, plan_gc
from reliability.mounts import tmpfs, why_no_tmpfs
from reliability.operations import init, open_repo, problems, tell, write

pytestmark = pytest.mark.root
KB = 1 << 10
RANDOM = random.Random(11)
# Bytes that do not compress, in files of all sizes; the sources lie on the disk that fills up too.
FILES = {f"{n % 3}/{n}": RANDOM.randbytes(RANDOM.choice((10, 900, 5000, 20000))) for n in range(30)}
NEXT = {f"{n % 3}/{n}": RANDOM.randbytes(9000) for n in range(0, 30, 3)}
LAST = {"4/x": RANDOM.randbytes(100_000)}  # more than a step of SIZES
SIZES = range(300, 1100, 8 if LONG else 40)
INODES = range(60, 130, 1 if LONG else 6)


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("disks")
    reason = why_no_tmpfs(folder / "probe")
    if reason:
        pytest.skip(reason)
    return folder


@contextlib.contextmanager
def small_disk(folder: Path, size: int, inodes: int = 0) -> Iterator[Path]:
    with tmpfs(folder / "disk", size, inodes) as disk:
        yield disk / "work"


def work_until_full(root: Path) -> list[object]:
    """Adds, commits, changes and commits again; returns what was told after each success."""
    told: list[object] = []
    with contextlib.suppress(DsmError, OSError):
        root.mkdir()
        init(root)
        for files, message in ((FILES, "first"), (NEXT, "second"), (LAST, "third")):
            write(root, files)  # type: ignore[arg-type]
            with open_repo(root) as repo:
                repo.dataset().add(["."])
                repo.dataset().commit(message)
            told.append(tell(root)["datasets"]["data"]["changesets"])
    return told


def fill(root: Path) -> None:
    """Takes every byte and every inode that is left."""
    with contextlib.suppress(OSError):
        for number in range(10_000):
            with open(root.parent / f"filler-{number}", "xb") as file:
                while True:
                    try:
                        file.write(bytes(4096))
                        file.flush()
                    except OSError:
                        break
                if os.statvfs(root).f_bfree == 0 and os.statvfs(root).f_ffree > 200:
                    return


def read_everything(root: Path, elsewhere: Path) -> None:
    """Every command that reads, and restoring to another disk, with nothing free on this one."""
    with open_repo(root) as repo:
        if not repo.datasets():
            return
        ds = repo.dataset("data")
        ds.status()
        head = ds.head
        assert [c.number for c in ds.log()] == list(range(head, 0, -1))
        ds.diff(staged=True)
        ds.diff()
        if head:
            ds.changes("head")
            ds.diff(1, head)
            for example in ds.ls():
                assert len(ds.read(example.path)) == example.size
            ds.restore(source=head, to=str(elsewhere))
            for example in ds.ls():
                assert (elsewhere / example.path).read_bytes() == ds.read(example.path)
        plan_gc(repo)
    assert problems(root) == []


def check_a_full_disk(root: Path, elsewhere: Path) -> int:
    told = work_until_full(root)
    fill(root)
    if not (root / ".dsm/repo.json").exists():
        return 0
    assert os.statvfs(root).f_bavail == 0 or os.statvfs(root).f_favail == 0
    shutil.rmtree(elsewhere, ignore_errors=True)
    read_everything(root, elsewhere)
    with open_repo(root) as repo:
        if not repo.datasets():
            return 0
        log = [(c.number, c.message) for c in repo.dataset("data").log()]
        # Everything acknowledged is there; at most one more, that failed after its commit point.
        assert len(told) <= len(log) <= len(told) + 1
        with contextlib.suppress(DsmError):
            repo.dataset("data").unstage()
        plan = plan_gc(repo)
        before = os.statvfs(root).f_bfree
        done = apply_gc(repo, plan)
        after = os.statvfs(root).f_bfree
        garbage = sum(size for _, size in plan.packs) + sum(size for _, size in plan.files)
        if garbage > 8 * KB:
            assert after > before, f"gc freed nothing of {garbage} bytes: {done.notes}"
    assert problems(root) == []
    # With room again, the work goes on.
    for filler in root.parent.glob("filler-*"):
        filler.unlink()
    with open_repo(root) as repo, contextlib.suppress(AnswerIsNo):
        ds, head = repo.dataset("data"), repo.dataset("data").head
        first = next(iter(sorted(path for path in root.glob("[0-9]/*"))), None)
        if first is not None and min(os.statvfs(root).f_bavail, os.statvfs(root).f_favail) > 40:
            first.write_bytes(b"small")
            assert ds.commit("there is room again", paths=[first]).number == head + 1
    return len(told)


def test_every_size_of_disk(disks: Path, tmp_path: Path) -> None:
    """However the disk fills up: nothing acknowledged is lost, reading works, gc frees space."""
    reached = set()
    for size in SIZES:
        with small_disk(disks, size * KB) as root:
            reached.add(check_a_full_disk(root, tmp_path / "out"))
    assert reached >= {0, 1, 2}, f"the sizes do not cover all stages: {reached}"


def test_every_number_of_inodes(disks: Path, tmp_path: Path) -> None:
    """The same with room for bytes but not for files."""
    reached = set()
    for inodes in INODES:
        with small_disk(disks, 8 << 20, inodes) as root:
            reached.add(check_a_full_disk(root, tmp_path / "out"))
    assert len(reached) > 1, f"the numbers do not cover the stages: {reached}"


def test_the_commands_on_a_full_disk(disks: Path, tmp_path: Path) -> None:
    """On a disk without a free byte every reading command leaves with 0, and gc frees space."""
    with small_disk(disks, 1200 * KB) as root:
        assert len(work_until_full(root)) > 1
        write(root, {"9/rubbish": b"r" * 20000})
        with open_repo(root) as repo:
            repo.dataset().add(["9"])
            repo.dataset().unstage()
        fill(root)
        for line in (
            "status", "log", "show 1", "ls", "diff", "diff 1 2 --", "cat 1:0/0", "fsck --full", "gc",
            f"restore --source 1 --to {tmp_path / 'out'}", "dataset list", "tag",
        ):  # fmt: skip
            done = dsm(root, *line.split())
            assert done.returncode == 0, f"{line}: {done.stderr.decode()}"
        done = dsm(root, "commit", "-m", "no room", "9")
        assert done.returncode == 8
        assert len(done.stderr.decode().splitlines()) == 2  # what failed, and what to do
        free = os.statvfs(root).f_bfree
        assert dsm(root, "gc", "--prune").returncode == 0
        assert os.statvfs(root).f_bfree > free


def dsm(root: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "DSM_AUTHOR": "Ada"}
    command = [sys.executable, "-B", "-m", "dsm", *words]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True)
