"""The workload on queries: rows of a database as they come, and as examples of a view."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from .bench import Bench
from .programs import output_of
from .report import Goal, Row, compared_row

ROWS, MANY = 1_000_000, 5_000_000
PROGRAM = str(Path(__file__).with_name("query_programs.py"))
COMPARED = (
    ("broker", "through the broker", Goal(1.3)),
    ("columns", "of a view as Arrow columns", Goal(1.3)),
    ("batches", "as examples in Arrow batches, payloads in JSON", None),
    ("examples", "as examples one by one", None),
    ("tar", "streamed as a tar", None),
)


def queries(bench: Bench) -> Iterator[Row]:
    """Rows of PostgreSQL by way of dsm against the same rows from the driver alone."""
    workload = "queries"
    count, many = bench.count(ROWS, 2_000), bench.count(MANY, 5_000)
    found = _measured(bench, count, bench.repeat)
    for name, what, goal in COMPARED:
        shown = f"{count:,} rows {what} / from the driver alone"
        if found is None:
            yield Row(
                workload, shown, goal=goal, skipped="no driver or server: pip install '.[test]'"
            )
        else:
            bench.say(f"{name}: {sorted(found[name])}")
            yield compared_row(workload, shown, found[name], found["driver"], goal)
    found = _measured(bench, many, 0) if found else None
    what = f"{many:,} rows read as examples, peak memory"
    if found is None:
        yield Row(workload, what, skipped="no driver or server: pip install '.[test]'")
    else:
        peak = found["peak"] / 1e6
        yield Row(workload, what, f"{peak:,.0f} MB", "", peak, Goal(500, None, "MB"))


def _measured(bench: Bench, rows: int, rounds: int) -> dict | None:  # type: ignore[type-arg]
    command = bench.programs.python(bench.scratch.root, PROGRAM, str(rows), str(rounds))
    text = output_of(command) if command else ""
    found: dict | None = json.loads(text.splitlines()[-1]) if text else None  # type: ignore[type-arg]
    return found
