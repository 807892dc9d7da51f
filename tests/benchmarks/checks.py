"""Workloads on the rules of a contract (without content, on what is staged, and decoding), on drift
and on the report."""

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

EXAMPLES, STAGED_AMONG, STAGED = 1_000_000, 100_000, 100
DRIFTING = 2_000_000  # half of them in each view
WORKLOAD = "checks"
PROGRAM = str(Path(__file__).with_name("check_programs.py"))


def _seconds(bench: Bench, *words: str) -> float | None:
    """What a program of ours measured; None when it cannot run here."""
    command = bench.programs.python(bench.scratch.root, PROGRAM, *words)
    text = output_of(command) if command else ""
    return float(text.splitlines()[-1]) if text else None


def checks(bench: Bench) -> Iterator[Row]:
    """Rules that read no content, a hook over what is staged, and pictures that are decoded."""
    count = bench.count(EXAMPLES, 2_000)
    what = f"20 rules that need no content, {count:,} examples"
    found = [_seconds(bench, "rules", str(count)) for _ in range(bench.repeat)]
    times = [seconds for seconds in found if seconds is not None]
    if not times:
        yield Row(WORKLOAD, what, skipped="no Python to run it with")
        return
    yield Row(WORKLOAD, what, seconds_text(times), "", statistics.median(times), Goal(3, 1, "s"))
    yield from _hook(bench)
    yield from _drift(bench)
    yield from _pictures(bench)


def _hook(bench: Bench) -> Iterator[Row]:
    count, staged = bench.count(STAGED_AMONG, 200), bench.count(STAGED, 10)
    project = bench.scratch.folder("hook")
    _seconds(bench, "stage", str(project), str(count), str(staged))
    command = bench.programs.dsm_command(project, "check", "--staged", "-q")
    sides = [Side("staged", always(command))]
    times = bench.compare(WORKLOAD, sides)["staged"].seconds()
    what = f"check --staged, {staged} examples of {count:,} changed"
    yield Row(
        WORKLOAD, what, seconds_text(times), "", statistics.median(times), Goal(1.5, 0.7, "s")
    )
    bench.dsm(WORKLOAD, project, "restore", "--staged", "-q")
    times = bench.compare(WORKLOAD, sides)["staged"].seconds()
    score = statistics.median(times)
    goal = Goal(1.5, 0.5, "s")
    yield Row(WORKLOAD, "check --staged, nothing staged", seconds_text(times), "", score, goal)
    bench.scratch.discard(project)


def _drift(bench: Bench) -> Iterator[Row]:
    """Two views that are alike, so that nothing ends early, with their columns read anew."""
    count = bench.count(DRIFTING, 2_000)
    project = bench.scratch.folder("drift")
    _seconds(bench, "records", str(project), str(count))
    for words in (("init", "-d", "rows"), ("add", "rows.jsonl", "--records", "--key-field", "id",
                  "--label-field", "side", "--attr-field", "*"), ("commit", "-m", "all"),
                  ("prepare", "--label", "a", "--name", "a"),
                  ("prepare", "--label", "b", "--name", "b")):  # fmt: skip
        bench.run(bench.programs.dsm_command(project, *words))  # of records: not in this ledger
    command = bench.programs.dsm_command(project, "drift", "a", "b", "-q")
    trials = bench.compare(WORKLOAD, [Side("dsm drift", always(command))])["dsm drift"]
    times = trials.seconds()
    busy = statistics.median(sample.steps[0].cpu for sample in trials.samples)
    held = max(sample.steps[0].peak_one for sample in trials.samples)
    yield Row(
        WORKLOAD, f"drift of two views of {count // 2:,} examples each, 10 columns",
        seconds_text(times), "", statistics.median(times), Goal(5, None, "s"),
        note=f"processor {busy:.2f} s, at most {held / 1e6:.0f} MB",
    )  # fmt: skip
    yield from _fields(bench, project, count)
    bench.scratch.discard(project)


FIELD_RULES = """\
[dataset.rows.rules]
outliers.of = "record.n1"
[[dataset.rows.rules.attribute]]
name = "record.id"
unique = true
"""


def _fields(bench: Bench, project: Path, count: int) -> Iterator[Row]:
    """Rules on fields of records: when nobody has read them, and again."""
    (project / "dsm.toml").write_text(FIELD_RULES)
    command = bench.programs.dsm_command(project, "check", "-q")
    first = bench.dsm(WORKLOAD, project, "check", "-q")
    what = f"two rules on fields of {count:,} records"
    yield Row(WORKLOAD, f"{what}, read for the first time", seconds_text([first.seconds]))
    times = bench.compare(WORKLOAD, [Side("again", always(command))])["again"].seconds()
    yield Row(WORKLOAD, f"{what}, again", seconds_text(times))


def _report(bench: Bench, project: Path) -> Iterator[Row]:
    """A page about all pictures of a project."""
    command = bench.programs.dsm_command(project, "report", "-q", "--force", "-o", "report.html")
    sides = [Side("dsm report", always(command))]
    times = bench.compare(WORKLOAD, sides)["dsm report"].seconds()
    what = "report of all pictures of CIFAR-10"
    score = statistics.median(times)
    yield Row(WORKLOAD, what, seconds_text(times), "", score, Goal(10, None, "s"))
    size = (project / "report.html").stat().st_size / 1e6
    yield Row(WORKLOAD, f"{what}: size", f"{size:.1f} MB", "", size, Goal(5, None, "MB"))
    page = str(project / "report.html")
    seconds, busy = (_seconds(bench, words, page) for words in ("loads", "busy"))
    what += ": its load event in a browser just started"
    if seconds is None:
        yield Row(WORKLOAD, what, skipped="no Chromium")
    else:
        note = f"processor time of its main thread until it is drawn {busy or 0:.3f} s"
        yield Row(
            WORKLOAD, what, seconds_text([seconds]), "", seconds, Goal(1, None, "s"), note=note
        )


def _pictures(bench: Bench) -> Iterator[Row]:
    goal, what = Goal(1.3, None, "x"), "decodes, CIFAR-10 / Pillow over the files, 2 processes"
    if bench.cifar is None:
        yield Row(WORKLOAD, what, goal=goal, skipped="no --cifar given")
        return
    project = bench.scratch.folder("decode")
    corpus.unpack_cifar(bench.cifar, project / "data")
    for words in (("init", "-d", "pictures"), ("config", "set", "core.workers", "2"),
                  ("add", "data"), ("commit", "-m", "all")):  # fmt: skip
        bench.dsm(WORKLOAD, project, *words)
    (project / "dsm.toml").write_text("[dataset.pictures.rules]\ndecodes = {}\n")
    mine, theirs = [], []
    for _ in range(bench.repeat):
        shutil.rmtree(project / ".dsm/local/near", ignore_errors=True)
        step = bench.dsm(WORKLOAD, project, "check", "-q")
        other = _seconds(bench, "plain", str(project), "2")
        if other is not None:
            mine.append(step.seconds)
            theirs.append(other)
    yield compared_row(WORKLOAD, what, mine, theirs, goal)
    yield from _report(bench, project)
    bench.scratch.discard(project)
