"""Workloads on splits and segments, and on near-duplicates."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator
from pathlib import Path

from . import corpus
from .bench import Bench
from .measure import Side, always
from .programs import output_of
from .report import Goal, Row, compared_row, seconds_text

EXAMPLES, CHANGESETS = 1_000_000, 20
PROGRAM = str(Path(__file__).with_name("split_programs.py"))


def _seconds(bench: Bench, *words: str) -> float | None:
    """What a program of ours measured; None when it cannot run here."""
    command = bench.programs.python(bench.scratch.root, PROGRAM, *words)
    text = output_of(command) if command else ""
    return float(text.splitlines()[-1]) if text else None


def _rounds(bench: Bench, *words: str) -> list[float]:
    """What it measured in each round but the first; empty when it cannot run here."""
    found = [_seconds(bench, *words) for _ in range(bench.repeat + 1)]
    return [seconds for seconds in found[1:] if seconds is not None]


def splits(bench: Bench) -> Iterator[Row]:
    """Questions with splits and segments, and folds against those of scikit-learn."""
    workload, count = "splits", bench.count(EXAMPLES, 2_000)
    project = bench.scratch.folder("splits")
    bench.say(f"writing a history of {count} examples")
    _seconds(bench, "history", str(project), str(count), str(CHANGESETS))
    times = _rounds(bench, "version", str(project))
    what = f"version of a view with split, segment, views and sample, {count:,} examples"
    if not times:
        yield Row(workload, what, skipped="no Python to run it with")
        return
    score = statistics.median(times) * 1000
    yield Row(workload, what, f"{score:.2f} ms", "", score, Goal(1, None, "ms"))
    yield from _prepared(bench, workload, project, count)
    times = _rounds(bench, "figures", str(project))
    what = f"segment stats of 10 segments, {count:,} examples"
    score = statistics.median(times)
    yield Row(workload, what, seconds_text(times), "", score, Goal(1.5, None, "s"))
    what = f"five folds of {count:,} examples, groups and labels / StratifiedGroupKFold"
    pairs = [
        (_seconds(bench, "folds_of_dsm", str(project)), _seconds(bench, "folds_of_sklearn", str(project)))
        for _ in range(bench.repeat)
    ]  # fmt: skip
    mine = [one for one, other in pairs if one is not None and other is not None]
    theirs = [other for one, other in pairs if one is not None and other is not None]
    goal = Goal(5, None, "x", True)
    if mine:
        yield compared_row(workload, what, mine, theirs, goal)
    else:
        yield Row(workload, what, goal=goal, skipped="scikit-learn is not installed")


def _prepared(bench: Bench, workload: str, project: Path, count: int) -> Iterator[Row]:
    """Preparing a part: the hashes of its seed are kept from the round before."""
    views = project / ".dsm" / "datasets" / "data" / "views"

    def forget(_: int) -> None:
        for view in views.glob("*"):
            view.unlink()

    for part, words in {"h:train": "by path", "cv:fold1": "each label alike"}.items():
        command = bench.programs.dsm_command(project, "prepare", "--split", part)
        side = f"dsm {part.partition(':')[0]}"
        times = bench.compare(workload, [Side(side, always(command), forget)])[side].seconds()
        yield Row(
            workload, f"prepare --split {words}, {count:,} examples, snapshot warm",
            seconds_text(times), "", statistics.median(times), Goal(0.5, 0.2, "s"),
            dsm_runs=tuple(times),
        )  # fmt: skip


def near(bench: Bench) -> Iterator[Row]:
    """Near-duplicates among the pictures of CIFAR-10, with no fingerprint kept."""
    workload, goal = "near", Goal(60, None, "s")
    if bench.cifar is None:
        yield Row(workload, "near-duplicates of CIFAR-10", goal=goal, skipped="no --cifar given")
        return
    project = bench.scratch.folder("near")
    files = corpus.unpack_cifar(bench.cifar, project / "data")
    for words in (("init",), ("add", "data"), ("commit", "-m", "first")):
        bench.dsm(workload, project, *words)
    seconds = _seconds(bench, "near", str(project))
    what = f"near-duplicates among {files:,} pictures, none known before"
    if seconds is None:
        yield Row(workload, what, goal=goal, skipped="no Python to run it with")
    else:
        yield Row(workload, what, f"{seconds:.1f} s", "", seconds, goal)
    shutil.rmtree(project, ignore_errors=True)
