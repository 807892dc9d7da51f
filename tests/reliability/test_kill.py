"""kill -9 at any moment: every command works afterwards without repair, and nothing is lost."""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from dying import killed_at
from tiers import LONG, thinned

from reliability.operations import (
    MOMENT,
    OPERATIONS,
    Operation,
    collect_garbage,
    files_of,
    lay_out,
    leftovers,
    open_repo,
    primitives_of,
    problems,
    tell,
)
from reliability.test_every_write_fails import check_files, check_state, run_again

KILLED = [
    operation for operation in OPERATIONS
    if LONG or operation.name in (
        "add", "commit", "add records again", "commit paths", "revert", "restore", "restore elsewhere",
        "gc --prune",
    )
]  # fmt: skip

# Files follow the head: what was killed in between is finished by the command that comes next.
FOLLOWED = ("revert", "revert records", "rollback")


@pytest.mark.parametrize("operation", KILLED, ids=lambda operation: operation.name)
def test_killed_at_every_primitive(operation: Operation, tmp_path: Path) -> None:
    """Death before any single write leaves old or new; the command runs again; gc tidies up."""
    root = lay_out(operation.start, tmp_path / "work")
    before, files_before = tell(root), files_of(root)
    count = len(primitives_of(operation.run, root))
    after, files_after = tell(root), files_of(root)
    killed = 0
    points = thinned(range(1, count + 5), 3)
    for at in points:
        lay_out(operation.start, root)
        killed += killed_at(at, partial(operation.run, root))
        where = f"{operation.name}, killed before primitive {at} of {count}"
        if operation.name != "init" or (root / ".dsm/repo.json").exists():
            assert problems(root) == [], where
            check_state(operation, tell(root), before, after, where)
            with open_repo(root) as repo:
                for name in repo.datasets():
                    repo.dataset(name).status()
        check_files(operation, files_before, files_after, files_of(root))
        if operation.name in FOLLOWED:
            with open_repo(root) as repo:
                repo.dataset().add(["."], deletions=True)
                assert repo.dataset().status().clean, f"{where}: old files were taken for edits"
        if run_again(operation, root):
            assert tell(root) == after, f"{where}: not the same after running it again"
        collect_garbage(root)
        collect_garbage(root)
        assert leftovers(root) == [], where
    assert len(points) - 6 <= killed <= len(points) - 1


# --- real processes with workers -----------------------------------------------------------------

FILES = 2200  # more than are restored without workers
MOMENTS = 200 if LONG else 6


def run(root: Path, *words: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "DSM_AUTHOR": "Ada", "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-m", "dsm", *words], cwd=root, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def completed(root: Path, *words: str, good: tuple[int, ...] = (0,)) -> str:
    process = run(root, *words)
    out, error = process.communicate()
    assert process.returncode in good, f"{words}: {process.returncode} {error.decode()}"
    return out.decode()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with many small files added by several workers, and one changeset."""
    root = tmp_path_factory.mktemp("many")
    rng = random.Random(3)
    for number in range(FILES):
        path = root / f"{number % 30:02d}" / f"{number}.bin"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(rng.randbytes(rng.randrange(200, 3000)))
        os.utime(path, ns=(MOMENT * 1000, MOMENT * 1000))
    completed(root, "init", "--dataset", "data")
    with open_repo(root) as repo:
        repo.config.set("core.workers", "3")
    completed(root, "add", ".")
    completed(root, "commit", "-m", "first")
    return root


def change_everything(root: Path, seed: int) -> None:
    rng = random.Random(seed)
    for number in range(FILES):
        (root / f"{number % 30:02d}" / f"{number}.bin").write_bytes(rng.randbytes(800))


COMMANDS = {
    "add": ("add", "."),
    "commit": ("commit", "-m", "next"),
    "commit paths": ("commit", "-m", "next", "00", "01", "02"),
    "revert": ("revert", "head", "--force"),
    "restore": ("restore", "--source", "1", "--force"),
    "gc": ("gc", "--prune"),
}


@pytest.mark.slow
def test_killed_at_random_moments(many: Path) -> None:
    """Real commands with worker processes die at random moments, again and again."""
    seed = random.randrange(10**6)
    rng = random.Random(seed)
    seconds = dict.fromkeys(COMMANDS, 0.3)  # how long each takes, learnt as we go
    killed = 0
    for turn in itertools.count():
        if killed == MOMENTS:
            break
        name = list(COMMANDS)[killed % len(COMMANDS)]
        if name in ("add", "commit paths"):
            change_everything(many, seed + turn)
        head = heads(many)
        process = run(many, *COMMANDS[name])
        time.sleep(rng.uniform(0.02, seconds[name]))
        # The parent alone, as the kernel would: its workers have to notice by themselves.
        late = process.poll() is not None  # then it is tried again, and sooner
        killed += not late
        process.kill()
        process.communicate()
        where = f"{name}, turn {turn}, seed {seed}"
        completed(many, "status")
        completed(many, "log", "-n", "3")
        assert problems(many) == [], where
        assert head <= heads(many) <= head + 1, where
        began = time.monotonic()
        completed(many, *COMMANDS[name], good=(0, 1))
        seconds[name] = seconds[name] / 2 if late else 0.8 * (time.monotonic() - began)
        assert problems(many) == [], where
    completed(many, "gc", "--prune")
    completed(many, "gc", "--prune")
    assert leftovers(many) == []


def heads(root: Path) -> int:
    with open_repo(root) as repo:
        return repo.dataset("data").head
