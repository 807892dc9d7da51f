"""Rows, verdicts and the printed table.

Invariant: a verdict follows from the row's score and goal alone; nothing is rounded before it.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .measure import Trials

HEADINGS = ("what", "dsm median (min)", "yardstick median (min)", "ratio", "bar", "aim", "verdict")


@dataclass(frozen=True, slots=True)
class Goal:
    """What a score is held against: at most `bar`, better `aim`; or at least, for speed-ups."""

    bar: float
    aim: float | None = None
    unit: str = "x"
    at_least: bool = False

    def met(self, score: float, limit: float) -> bool:
        """Whether the score keeps the limit."""
        return score >= limit if self.at_least else score <= limit

    def text(self, limit: float | None) -> str:
        """A limit as the table shows it."""
        if limit is None:
            return ""
        return f"{'>=' if self.at_least else '<='} {limit:g} {self.unit}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. Texts are as shown; `score` is what the goal judges."""

    workload: str
    what: str
    dsm: str = ""
    yardstick: str = ""
    score: float | None = None
    goal: Goal | None = None
    note: str = ""
    skipped: str = ""
    failed: str = ""
    dsm_runs: tuple[float, ...] = ()
    yardstick_runs: tuple[float, ...] = ()
    """Seconds of every timed run, in order; for the JSON file."""

    @property
    def verdict(self) -> str:
        """`aim`, `bar`, `MISSED`, `info` (no goal), `skipped` or `FAILED`."""
        if self.failed:
            return "FAILED"
        if self.skipped:
            return "skipped"
        if self.goal is None or self.score is None:
            return "info"
        if not self.goal.met(self.score, self.goal.bar):
            return "MISSED"
        aimed = self.goal.aim is not None and self.goal.met(self.score, self.goal.aim)
        return "aim" if aimed else "bar"

    def cells(self) -> tuple[str, ...]:
        """The row under `HEADINGS`."""
        goal, unit = self.goal, self.goal.unit if self.goal else "x"
        score = "" if self.score is None else f"{self.score:.3g} {unit}"
        if self.score is not None and self.score >= 100:
            score = f"{self.score:,.0f} {unit}"
        limits = (goal.text(goal.bar), goal.text(goal.aim)) if goal else ("", "")
        return (self.what, self.dsm, self.yardstick, score, *limits, self.verdict)


def seconds_text(taken: Sequence[float]) -> str:
    """Median and least of some seconds: `1.234 s (1.200)`; below a second as milliseconds."""
    middle, least = statistics.median(taken), min(taken)
    if middle < 1:
        return f"{middle * 1000:.1f} ms ({least * 1000:.1f})"
    return f"{middle:.2f} s ({least:.2f})"


def compared_row(
    workload: str,
    what: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    goal: Goal | None,
    note: str = "",
) -> Row:
    """A row from the seconds of two sides. The score is dsm / yardstick, or the speed-up of dsm
    when the goal asks for at least so much."""
    score = statistics.median(ours) / statistics.median(theirs)
    if goal is not None and goal.at_least:
        score = 1 / score
    return Row(
        workload,
        what,
        seconds_text(ours),
        seconds_text(theirs),
        score,
        goal,
        note,
        dsm_runs=tuple(ours),
        yardstick_runs=tuple(theirs),
    )


def timed_row(
    workload: str, what: str, dsm: Trials, yardstick: Trials, goal: Goal | None, note: str = ""
) -> Row:
    """A row from two sides of one run, with what each left for the disk to do."""
    left = f"left to flush: dsm {dsm.flush():.2f} s, yardstick {yardstick.flush():.2f} s"
    note = f"{note}; {left}" if note else left
    return compared_row(workload, what, dsm.seconds(), yardstick.seconds(), goal, note)


def table(rows: Iterable[Row]) -> str:
    """An aligned Markdown table, then the notes of its rows."""
    rows = list(rows)
    lines = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADINGS))]
    drawn = ["| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
             for line in lines]  # fmt: skip
    drawn.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    notes = [
        f"- {row.what}: {text}"
        for row in rows
        if (text := "; ".join(t for t in (row.failed, row.skipped, row.note) if t))
    ]
    return "\n".join([*drawn, "", "Notes", "", *notes])


def machine_facts(workdir: Path) -> dict[str, str]:
    """What the figures depend on: cores, memory, kernel, file system, Python, load."""
    page, pages = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_PHYS_PAGES")
    free = os.statvfs(workdir)
    return {
        "cores": f"{len(os.sched_getaffinity(0))} ({_cpu_model()})",
        "memory": f"{page * pages / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_version()} ({sys.executable})",
        "file system": f"{file_system(workdir)}, {free.f_bavail * free.f_frsize >> 30} GiB free",
        "load at start": f"{os.getloadavg()[0]:.2f}",
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def file_system(path: Path) -> str:
    """The type of the file system that holds a path."""
    try:
        mounts = Path("/proc/mounts").read_text().splitlines()
    except OSError:
        return "unknown"
    real = path.resolve()
    best = ("", "unknown")
    for line in mounts:
        _, point, kind = line.split()[:3]
        if real.is_relative_to(point) and len(point) >= len(best[0]):
            best = (point, kind)
    return best[1]


def as_json(rows: Iterable[Row], facts: dict[str, str], versions: dict[str, str]) -> dict[str, Any]:
    """Everything the table shows, for machines."""
    shown = [asdict(row) | {"verdict": row.verdict} for row in rows]
    return {"machine": facts, "versions": versions, "rows": shown}
