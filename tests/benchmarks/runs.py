"""Workloads on runs: recording one, listing many, what used an example, and predictions."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path

from .bench import Bench
from .measure import Command, Side, always
from .programs import output_of
from .report import Goal, Row, seconds_text
from .splits import PROGRAM as SPLIT_PROGRAM

EXAMPLES, CHANGESETS, LABELS = 1_000_000, 20, 10
VIEWS, RUNS, LISTED = 100, 1_000, 10_000
OPENED = 100_000
PROGRAM = str(Path(__file__).with_name("run_programs.py"))
OPENS = "import dsm; dsm.open('.').view('all')[0]"


def _seconds(bench: Bench, program: str, *words: str) -> float | None:
    """What a program of ours measured; None when it cannot run here."""
    command = bench.programs.python(bench.scratch.root, program, *words)
    text = output_of(command) if command else ""
    return float(text.splitlines()[-1]) if text else None


def runs(bench: Bench) -> Iterator[Row]:
    """What `dsm run` adds, and questions about many runs."""
    yield from _added(bench)
    yield from _listed(bench)
    project = bench.scratch.folder("runs")
    count, views = bench.count(EXAMPLES, 2_000), bench.count(VIEWS, 5)
    bench.say(f"writing a history of {count} examples, and {views} views")
    history = ("history", str(project), str(count), str(CHANGESETS), str(LABELS))
    many = ("used", str(project), str(views), str(bench.count(RUNS, 10)))
    found = [_seconds(bench, SPLIT_PROGRAM, *history), _seconds(bench, PROGRAM, *many)]
    if None in found:
        yield Row("runs", "questions about many runs", skipped="no Python to run it with")
        return
    yield from _used(bench, project, count, views)
    yield from _predicted(bench, project, count)


def _added(bench: Bench) -> Iterator[Row]:
    """A program that opens a view, by itself and behind `dsm run`."""
    project, count = bench.scratch.folder("run"), bench.count(OPENED, 2_000)
    made = ("history", str(project), str(count), "1", str(LABELS))
    python = bench.programs.python(project, "-c", OPENS)
    if _seconds(bench, SPLIT_PROGRAM, *made) is None or python is None:
        yield Row("runs", "dsm run", skipped="no Python to run it with")
        return
    bench.dsm("runs", project, "prepare", "--name", "all")
    for what, code in (("`python -c pass`", "pass"), ("one that opens the view", OPENS)):
        alone = Command((*python.argv[:-1], code), python.cwd, python.env)
        recorded = bench.programs.dsm_command(project, "run", "-q", "--", *alone.argv)
        sides = [Side("python", always(alone)), Side("dsm run", always(recorded))]
        trials = bench.compare("runs", sides)
        mine, theirs = trials["dsm run"].seconds(), trials["python"].seconds()
        more = statistics.median(mine) - statistics.median(theirs)
        yield Row(
            "runs", f"what dsm run adds to {what}, {count:,} examples", seconds_text(mine),
            seconds_text(theirs), more, Goal(0.3, None, "s"), dsm_runs=tuple(mine),
            yardstick_runs=tuple(theirs),
        )  # fmt: skip


def _listed(bench: Bench) -> Iterator[Row]:
    project, count = bench.scratch.folder("listed"), bench.count(LISTED, 20)
    if _seconds(bench, PROGRAM, "runs", str(project), str(count)) is not None:
        yield _timed(bench, project, f"runs list, {count:,} runs", Goal(0.5, None, "s"), "runs")


def _used(bench: Bench, project: Path, count: int, views: int) -> Iterator[Row]:
    what = f"{count:,} examples, {views} views"
    first = bench.dsm("runs", project, "used", "part000/s000000_0000000.wav")
    yield Row(
        "runs", f"used PATH, {what}: the first time", seconds_text([first.seconds]), "",
        first.seconds,
    )  # fmt: skip
    words = ("used", "part000/s000000_0000000.wav")
    yield _timed(bench, project, f"used PATH, {what}: later", Goal(1, None, "s"), *words)


def _predicted(bench: Bench, project: Path, count: int) -> Iterator[Row]:
    file = bench.scratch.root / "predictions.parquet"
    _seconds(bench, PROGRAM, "predictions", str(project), str(file))
    what = f"{count:,} predictions, {LABELS} classes"
    words = ("predictions", "add", "model", str(file), "--replace")
    yield _timed(bench, project, f"predictions add, {what}", Goal(3, None, "s"), *words)
    words = ("evaluate", "model", "--by", "segment")
    yield _timed(bench, project, f"evaluate by 10 segments, {what}", Goal(2, None, "s"), *words)
    file.unlink()


def _timed(bench: Bench, project: Path, what: str, goal: Goal, *words: str) -> Row:
    side = f"dsm {words[0]}"
    command = bench.programs.dsm_command(project, *words)
    times = bench.compare("runs", [Side(side, always(command))])[side].seconds()
    score = statistics.median(times)
    return Row("runs", what, seconds_text(times), "", score, goal, dsm_runs=tuple(times))
