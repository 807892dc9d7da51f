"""Points of metrics: kept one by one, whatever ends the process; and what a run says of them."""

from __future__ import annotations

import errno
import math
import os
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hexdump import dump
from runs.test_book import END, START
from situations import Work

from dsm.errors import DamagedData, InvalidInput, NotFound, Refused
from dsm.maintenance.fsck import fsck
from dsm.runs import points
from dsm.runs.logger import RunLogger
from dsm.store import disk


def logged(folder: Path) -> list[tuple[str, int, float]]:
    """What the files of a folder hold, without times."""
    return [
        (name, step, value)
        for file in points.names_of_files(str(folder))
        for name, step, _, value in points.read(str(folder), file)
    ]


def test_golden_points(
    tmp_path: Path, golden: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes of a file of points never change, and what was written is read."""
    writer = points.PointWriter(str(tmp_path))
    writer.log("loss", 0.5, 1, 1_767_225_600_000_000)
    writer.log("loss", math.nan, 2, 1_767_225_600_000_001)
    (file,) = points.names_of_files(str(tmp_path))
    golden("runs/points-v1.hex", dump((tmp_path / file).read_bytes()))
    assert repr(logged(tmp_path)) == "[('loss', 1, 0.5), ('loss', 2, nan)]"


def test_points_come_back(tmp_path: Path) -> None:
    """Values and steps of any size, NaN and infinity, names of any script and length."""
    writer = points.PointWriter(str(tmp_path))
    given: list[tuple[str, Any, Any]] = [
        ("a", 1, None), ("a", 0.1, None), ("b" * 250, math.inf, -(2**63)), ("a", -math.inf, 2**63 - 1),
        ("verlust ä", True, 5), ("verlust ä", 1e-320, None), ("x" * 32, -0.0, 0), ("a", 2, 3),
    ]  # fmt: skip
    for at, (name, value, step) in enumerate(given):
        writer.log(name, value, step, at)
    writer.close()
    steps = [0, 1, -(2**63), 2**63 - 1, 5, 6, 0, 3]
    expected = [
        (name, step, float(value)) for (name, value, _), step in zip(given, steps, strict=True)
    ]
    assert logged(tmp_path) == expected
    writer = points.PointWriter(str(tmp_path))
    writer.log("n", math.nan, 0, 0)
    assert "('n', 0, nan)" in repr(logged(tmp_path))


class Numbers:
    """As an array of several numbers, which is not one."""

    def __float__(self) -> float:
        raise TypeError("only size-1 arrays can be converted")


@pytest.mark.parametrize(
    ("name", "value", "step"),
    [
        ("", 1, 0), ("x" * 251, 1, 0), ("\udc80", 1, 0), (7, 1, 0), ("a", "1", 0), ("a", None, 0), ("a", Numbers(), 0),
        ("a", 10**400, 0), ("a", 1, 1.5), ("a", 1, 2**63), ("a", 1, -(10**4000)), ("a", 1j, 0), ("a", [], 0),
    ],
)  # fmt: skip
def test_what_is_no_point_is_refused(tmp_path: Path, name: Any, value: Any, step: Any) -> None:
    """One clear error, and nothing of it is in the file."""
    writer = points.PointWriter(str(tmp_path))
    with pytest.raises(
        InvalidInput,
        match=r"the name of a metric is text|is no name of a metric|is not one number|is no integer of 64 bits",
    ):
        writer.log(name, value, step, 0)
    writer.log("after", 1, 0, 0)
    assert logged(tmp_path) == [("after", 0, 1.0)]


def test_numbers_of_libraries_are_numbers(tmp_path: Path) -> None:
    """What NumPy computes is logged as it is."""
    numpy = pytest.importorskip("numpy")
    writer = points.PointWriter(str(tmp_path))
    for value in (numpy.float32(0.5), numpy.int64(3), numpy.array(2.0)):
        writer.log("a", value, numpy.int32(7), 0)
    with pytest.raises(InvalidInput, match="this ndarray is not one number"):
        writer.log("a", numpy.array([1.0, 2.0]), 1, 0)
    assert logged(tmp_path) == [("a", 7, 0.5), ("a", 7, 3.0), ("a", 7, 2.0)]


@pytest.mark.parametrize("sign", [None, "name"])
def test_a_full_disk_leaves_no_half_point(tmp_path: Path, sign: str | None) -> None:
    """What did not fit is told and gone; once there is room the next point follows the last one."""
    writer = points.PointWriter(str(tmp_path))
    writer.log("a", 1, 0, 0)
    for allowed in (0, 1, 5, 31, 33):

        def full(operation: str, path: str) -> object:
            if operation != "write" or full.told:  # type: ignore[attr-defined]
                if operation == "write":
                    raise OSError(errno.ENOSPC, "No space left on device")
                return None
            full.told = True  # type: ignore[attr-defined]
            return allowed

        full.told = False  # type: ignore[attr-defined]
        with disk.observe(full), pytest.raises(disk.WriteFailed, match=r"No space left on device"):
            writer.log("a" if sign is None and allowed < 32 else f"new{allowed}", 2, 1, 0)
    writer.log("b", 3, None, 0)
    assert logged(tmp_path) == [("a", 0, 1.0), ("b", 0, 3.0)]


def test_points_before_a_torn_one_are_there(tmp_path: Path) -> None:
    """Cut anywhere, or with any byte changed, a file gives the points before that and no other."""
    writer = points.PointWriter(str(tmp_path))
    for at in range(3):
        writer.log("metric", at, at, at)
    (file,) = points.names_of_files(str(tmp_path))
    whole, known = (tmp_path / file).read_bytes(), logged(tmp_path)
    assert len(known) == 3
    for size in range(len(whole)):
        (tmp_path / file).write_bytes(whole[:size])
        assert logged(tmp_path) == known[: max(0, (size - 96) // 32)]
    for at in range(len(whole)):
        (tmp_path / file).write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert logged(tmp_path) == known[: max(0, (at - 96) // 32)]


def test_hostile_files_are_no_points(tmp_path: Path) -> None:
    """A name of absurd length, a number without a name, a link or a pipe: never more than an error."""
    head = points.MAGIC

    def record(kind: int, step: int) -> bytes:
        rest = points.RECORD.pack(0, 9, kind, 0, step, 0, 1.0)[4:]
        return struct.pack("<I", __import__("zlib").crc32(rest)) + rest

    for body in (
        record(1, 2**62),
        record(1, -1),
        record(1, 0),
        record(0, 1),
        record(7, 1),
        b"\xff" * 64,
    ):
        (tmp_path / "x.points").write_bytes(head + body * 3)
        assert logged(tmp_path) == []
        points.latest(str(tmp_path))
    os.remove(tmp_path / "x.points")
    os.mkfifo(tmp_path / "x.points")
    with pytest.raises(DamagedData, match=r"is no file"):
        logged(tmp_path)


def test_threads_share_a_file(tmp_path: Path) -> None:
    """Points of several threads are all there, each metric with its steps in order."""
    writer = points.PointWriter(str(tmp_path))

    def work(name: str) -> None:
        for _ in range(500):
            writer.log(name, 1, None, 0)

    threads = [threading.Thread(target=work, args=(f"t{at}",)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = logged(tmp_path)
    for at in range(4):
        assert [step for name, step, _ in found if name == f"t{at}"] == list(range(500))


def test_the_end_seals_what_was_logged(work: Work) -> None:
    """The last value of each metric is in the end; what is logged later is not of the run."""
    runs = work.repo.runs
    run = runs.begin(START)
    first, second = RunLogger(work.repo, run.id), RunLogger(work.repo, run.id)
    first.log_metric("loss", 1, 10)
    second.log_metric("loss", 2, 20)
    first.log_metric("loss", 3, 15)
    first.log_metric("f1", 9)  # END says another one
    assert runs.find(run.id).metrics == {"f1": 9.0, "loss": 2.0}
    run.end(END)
    second.log_metric("loss", 4, 30)
    found = runs.find(run.id)
    assert (found.metrics["loss"], found.metrics["f1"]) == (2.0, 0.1)
    assert sorted(p.step for p in runs.points(found, "loss")) == [10, 15, 20]
    assert fsck(work.repo).findings == ()
    (listed,) = runs
    assert repr(listed) == repr(found)
    with pytest.raises(Refused, match="has ended"):
        RunLogger(work.repo, run.id)
    folder = Path(work.repo.layout.run(run.id))
    (folder / found.end.points[0].file).write_bytes(b"x" * 500)  # type: ignore[union-attr]
    with pytest.raises(DamagedData, match="is damaged"):
        list(runs.points(found))
    assert len(fsck(work.repo).findings) == 1


def test_a_long_file_of_a_run_that_goes_on_is_not_read_whole(work: Work, monkeypatch: Any) -> None:
    """A list looks at the first and the last points of a long file; find at all of them."""
    monkeypatch.setattr(points, "_QUICK", 32 * 8)
    runs = work.repo.runs
    run = runs.begin(START)
    logger = RunLogger(work.repo, run.id)
    logger.log_metric("a", 1)
    logger.log_metric("middle", 1)
    for at in range(100):
        logger.log_metric("middle" if at == 50 else "a", at)
    assert [each.metrics for each in runs] == [{"a": 99.0, "middle": 1.0}]
    assert runs.find(run.id).metrics == {"a": 99.0, "middle": 50.0}
    run.release()


def test_parameters_are_logged_once(work: Work) -> None:
    """A parameter has one value in a run; logged again with the same one it is fine."""
    run = work.repo.runs.begin(START)
    logger = RunLogger(work.repo, run.id)
    for _ in range(2):
        logger.log_param("depth", 3)
    with pytest.raises(Refused, match="was logged as '3'"):
        logger.log_param("depth", 4)
    for name, value in (("", 1), ("x" * 251, 1), (5, 1), ("a", "x" * 70000)):
        with pytest.raises(
            InvalidInput, match=r"the name of a parameter is text|are too many for a value"
        ):
            logger.log_param(name, value)  # type: ignore[arg-type]
    assert work.repo.runs.find(run.id).parameters == {"lr": "0.1", "depth": "3"}
    run.end(END)
    assert [each.parameters for each in work.repo.runs] == [{"lr": "0.1", "depth": "3"}]
    for bad in ("ab" * 8, "../x", ""):
        with pytest.raises(NotFound, match=r"there is no run"):
            RunLogger(work.repo, bad)


PROGRAM = """
import os, sys
import dsm
dsm.log_metric("loss", 0.5, step=1)
if os.fork() == 0:
    for step in range(1000):
        dsm.log_metric("child", step)
    os.kill(os.getpid(), 9)
os.wait()
for step in range(1000):
    dsm.log_metric("loss", step, step)
print("ready", flush=True)
os.kill(os.getpid(), 9)
"""


def test_kill_9_loses_no_point(work: Work) -> None:
    """What log_metric returned from is there, of the process and of its fork, and fsck is content."""
    run = work.repo.runs.begin(START)
    environment = {
        **os.environ, "DSM_RUN": run.id, "DSM_RUN_ROOT": work.repo.root,
    }  # fmt: skip
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, cwd="/", check=False)
    assert done.returncode == -signal.SIGKILL
    run.release()
    found = work.repo.runs.find(run.id)
    assert (found.state, found.metrics) == ("interrupted", {"child": 999.0, "loss": 999.0})
    assert len(list(work.repo.runs.points(found))) == 2001
    assert fsck(work.repo).findings == ()
