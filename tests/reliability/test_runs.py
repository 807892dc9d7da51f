"""Runs in hard times: killed, on a full disk, side by side, with a clock set back, in forks."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from situations import Work
from tiers import LONG

import dsm as library
from dsm.runs.logger import RunLogger
from dsm.runs.points import ENDING, RECORD
from dsm.runs.run import End, Run, Start
from reliability.mounts import tmpfs, why_no_tmpfs
from reliability.operations import committed, open_repo, problems

TURNS = 40 if LONG else 4
LOGS_FOREVER = """
import itertools
import dsm
with dsm.run() as run:
    dsm.open(".").view("all")[0]
    for step in itertools.count():
        run.log_metric("loss", step, step)
        print(step, flush=True)
"""
BY = {
    "dsm run": [sys.executable, "-m", "dsm", "run", "-q", "--", sys.executable, "-c"],
    "python": [sys.executable, "-c"],
}


def environment() -> dict[str, str]:
    return {**os.environ, "DSM_AUTHOR": "Ada", "PYTHONPATH": os.pathsep.join(sys.path)}


def points_of(root: Path, run: Run) -> list[float]:
    with open_repo(root) as repo:
        return [point.value for point in repo.runs.points(run)]


@pytest.mark.parametrize("by", BY)
def test_killed_at_random_moments(by: str, tmp_path: Path) -> None:
    """It is interrupted, and every point that was acknowledged is there; the repository verifies."""
    root = tmp_path / "work"
    committed(root)
    with open_repo(root) as repo:
        repo.dataset("data").prepare(name="all")
    seed = random.randrange(10**6)
    draw = random.Random(seed)
    known: set[str] = set()
    for turn in range(TURNS):
        where = f"seed {seed}, turn {turn}"
        wait = draw.choice((1, 20, 500)) if turn else 0
        with subprocess.Popen(
            [*BY[by], LOGS_FOREVER], cwd=root, env=environment(), stdout=subprocess.PIPE,
            start_new_session=True,
        ) as running:  # fmt: skip
            assert running.stdout is not None
            said = [running.stdout.readline() for _ in range(wait)]
            os.killpg(running.pid, signal.SIGKILL)
            said += running.stdout.readlines()
        assert problems(root) == [], where
        with open_repo(root) as repo:
            # One that died before its first word may have begun, or not yet.
            fresh = [run for run in repo.runs if run.id not in known]
        assert len(fresh) == 1 or (not said and not fresh), where
        for run in fresh:
            known.add(run.id)
            points = points_of(root, run)
            assert (run.state, len(run.views)) == ("interrupted", 1) or not points, where
            assert points == [float(step) for step in range(len(points))], where
            # The last line may have been cut.
            assert len(points) >= sum(line.endswith(b"\n") for line in said), where
    assert len(known) >= TURNS - 1
    with open_repo(root) as repo:
        assert {run.state for run in repo.runs} == {"interrupted"}


LOGS_UNTIL_FULL = """
import sys
import dsm
from dsm.store.disk import WriteFailed
count = 0
try:
    while True:
        dsm.log_metric("loss", count, count)
        count += 1
except WriteFailed:
    print(count)
    sys.exit(5)
"""


@pytest.mark.root
def test_a_full_disk_costs_no_point(tmp_path: Path) -> None:
    """The program is told by an exception, dsm by its exit status; what was logged stays readable."""
    reason = why_no_tmpfs(tmp_path / "probe")
    if reason:
        pytest.skip(reason)
    with tmpfs(tmp_path / "disk", 1 << 20) as disk:
        root = disk / "work"
        committed(root)
        filler = disk / "filler"
        filler.write_bytes(bytes(100_000))
        done = subprocess.run(
            [*BY["dsm run"], LOGS_UNTIL_FULL], cwd=root, env=environment(), capture_output=True
        )
        assert done.returncode == 8, done.stderr
        assert b"error: cannot" in done.stderr and b"No space left" in done.stderr
        filler.unlink()
        assert problems(root) == []
        with open_repo(root) as repo:
            (run,) = repo.runs
        assert run.state == "interrupted"
        assert points_of(root, run) == [float(step) for step in range(int(done.stdout))]


def test_two_runs_at_once_keep_to_themselves(tmp_path: Path) -> None:
    """Runs of one tree that go on side by side have each its own views, points and end."""
    root = tmp_path / "work"
    committed(root)
    with open_repo(root) as repo:
        repo.dataset("data").prepare(name="all")
    code = (
        "import sys, dsm\n"
        "with dsm.run(sys.argv[1]) as run:\n"
        "    print('ready', flush=True)\n"
        "    for step in range(300): run.log_metric(sys.argv[1], step)\n"
        "    if sys.argv[1] == 'b': dsm.open('.').view('all')[0]\n"
        "    sys.stdin.read()\n"
    )
    with contextlib.ExitStack() as stack:
        running = [
            stack.enter_context(subprocess.Popen(
                [*BY["python"], code, name], cwd=root, env=environment(), stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            ))
            for name in "ab"
        ]  # fmt: skip
        for each in running:
            assert each.stdout is not None and each.stdout.readline() == b"ready\n"
        with open_repo(root) as repo:
            assert [run.state for run in repo.runs] == ["running", "running"]
        for each in running:
            assert each.stdin is not None
            each.stdin.close()
            assert each.wait() == 0
    with open_repo(root) as repo:
        found = {run.start.name: run for run in repo.runs}
        assert {name: (run.state, run.metrics, len(run.views)) for name, run in found.items()} == {
            "a": ("complete", {"a": 299.0}, 0), "b": ("complete", {"b": 299.0}, 1),
        }  # fmt: skip
    assert problems(root) == []


def backwards(now: int) -> Iterator[int]:
    while True:
        yield now
        now -= 3600 * 10**9


def test_a_clock_that_is_set_back_changes_no_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Points stay in the order of logging, the time that a run took is that of a steady clock."""
    root = tmp_path / "work"
    committed(root)
    clock = backwards(time.time_ns())
    monkeypatch.setattr(time, "time_ns", lambda: next(clock))
    with library.run("back", path=root) as run:
        for step in range(5):
            run.log_metric("loss", step)
    monkeypatch.undo()
    with open_repo(root) as repo:
        found = repo.runs.find("back")
        assert (found.state, found.metrics) == ("complete", {"loss": 4.0})
        assert found.end is not None
        assert found.end.time < found.start.time and 0 <= found.end.duration < 3_000_000_000
        assert [each.id for each in repo.runs] == [found.id]
    assert points_of(root, found) == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert problems(root) == []


def test_a_fork_that_leaves_does_not_end_the_run(tmp_path: Path) -> None:
    """What a fork logs is kept; neither its end nor its exception is that of the run."""
    root = tmp_path / "work"
    committed(root)
    with library.run("forked", path=root) as run:
        run.log_metric("parent", 1)
        child = os.fork()
        if not child:
            status = 1
            try:
                with contextlib.suppress(ValueError), run:
                    run.log_metric("child", 2)
                    raise ValueError
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        run.log_metric("parent", 3)
    with open_repo(root) as repo:
        found = repo.runs.find(run.id)
    assert (found.state, found.metrics) == ("complete", {"child": 2.0, "parent": 3.0})


def test_a_hundred_thousand_points_take_32_bytes_each(work: Work) -> None:
    """Nothing else is kept of them: neither in memory until the end nor in the document of it."""
    run = work.repo.runs.begin(Start(None, ["train"], 5, "Ada", {}, None, None, "3.11", {}))
    logger = RunLogger(work.repo, run.id)
    for step in range(100_000):
        logger.log_metric("loss", 1 / (step + 1), step)
    logger.close()
    folder = Path(work.repo.layout.run(run.id))
    (file,) = folder.glob("*" + ENDING)
    assert file.stat().st_size == RECORD.size * (100_000 + 3)  # magic, name, and its text
    run.end(End(0, 6, 1, {}, []))
    assert (folder / "end.json").stat().st_size < 1000
    assert work.repo.runs.find(run.id).metrics == {"loss": 1 / 100_000}
