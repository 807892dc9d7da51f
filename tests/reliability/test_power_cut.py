"""Real power cuts: an ext4 on a loop device is shut down under a writer, again and again.

Root only. What the file system had not synced is then gone; what dsm had acknowledged must not be.
"""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiers import LONG

import dsm
from reliability.mounts import LoopDisk, why_no_power_cut
from reliability.operations import collect_garbage, leftovers, problems, write

pytestmark = [pytest.mark.root, pytest.mark.slow]
CUTS = 60 if LONG else 3
WRITER = Path(__file__).with_name("power_cut_writer.py")


@pytest.fixture
def loop() -> Iterator[LoopDisk]:
    """A fresh ext4; its image lies in memory, where there is room for that."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        reason = why_no_power_cut(Path(folder))
        if reason:
            pytest.skip(reason)
        disk = LoopDisk(Path(folder, "disk.img"), Path(folder, "disk"))
        yield disk
        if os.path.ismount(disk.folder):
            disk.unmount()


def start_writer(root: Path, seed: int) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "DSM_AUTHOR": "Ada"}
    return subprocess.Popen(
        [sys.executable, "-B", WRITER, root, str(seed)], env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def acknowledged(writer: subprocess.Popen[str], read: list[str]) -> dict[int, str]:
    """Kills the writer and all it started; returns what it had acknowledged, in lines `read` too."""
    try:
        os.killpg(writer.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    lines = [*read, *writer.communicate()[0].splitlines()]
    words = [line.split() for line in lines if line.startswith("ACK ") and line.count(" ") == 2]
    return {int(number): transaction for _, number, transaction in words}


def test_no_acknowledged_commit_is_lost(loop: LoopDisk) -> None:
    """After every cut the repository verifies without repair and holds all acknowledged commits."""
    seed = random.randrange(10**6)
    rng = random.Random(seed)
    loop.mount()
    root = loop.folder / "work"
    root.mkdir()
    dsm.init(root, dataset="data").close()
    os.sync()
    known: dict[int, str] = {}
    for cut in range(CUTS):
        writer = start_writer(root, seed + cut)
        assert writer.stdout is not None
        # Some commits, for as long as this machine takes to get there; then at any moment.
        read = [writer.stdout.readline() for _ in range(rng.randrange(2, 9))]
        time.sleep(rng.uniform(0, 0.1))
        loop.cut()
        fresh = acknowledged(writer, read)
        assert len(fresh) >= len(read)
        known.update(fresh)
        loop.unmount()
        loop.mount()
        check(root, known, f"cut {cut} of seed {seed}")


def check(root: Path, known: dict[int, str], where: str) -> None:
    assert problems(root) == [], where
    with dsm.open(root) as repo:
        ds = repo.dataset()
        found = {c.number: c.transaction for c in ds.log()}
        assert {n: found.get(n) for n in known} == known, f"{where}: acknowledged commits are gone"
        assert len(found) <= len(known) + 1, f"{where}: more commits than were made"
        # One may have landed without its acknowledgement having been read.
        known.update(found)
        ds.status()
        write(root, {"after": where})
        changeset = ds.commit("after the cut", paths=[root / "after"])
        known[changeset.number] = changeset.transaction
    del repo, ds
    gc.collect()  # snapshots are mapped into memory: they would keep the disk mounted


def test_what_a_cut_leaves_is_removed_by_gc(loop: LoopDisk) -> None:
    """Packs and temporary files of a writer that lost its power are garbage, and go."""
    loop.mount()
    root = loop.folder / "work"
    root.mkdir()
    dsm.init(root, dataset="data").close()
    for turn in range(3):
        writer = start_writer(root, turn)
        assert writer.stdout is not None
        # Some commits are done, and the next one is on its way.
        read = [writer.stdout.readline() for _ in range(3)]
        loop.cut()
        assert acknowledged(writer, read)
        loop.unmount()
        loop.mount()
    with dsm.open(root) as repo:
        repo.dataset().unstage()
    collect_garbage(root)
    collect_garbage(root)
    assert leftovers(root) == []
    assert problems(root) == []
