"""Why one example is in a view, or not: its past, every clause, and its rank by time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.errors import NotFound
from dsm.history.snapshot import example_at
from dsm.model.example import Example
from dsm.model.names import check_path, close_matches, printable
from dsm.model.timespec import format_time
from dsm.views.comparison.past import Event, events_of
from dsm.views.query.describe import newest_text
from dsm.views.selection.evaluate import Cutoff, path_hash, path_hashes
from dsm.views.selection.selection import Selection

NAMES_COMPARED = 20_000


@dataclass(frozen=True, slots=True)
class Check:
    """One clause, and whether an example passed it; `value` is what it looked at."""

    clause: str
    text: str
    value: str
    passed: bool


@dataclass(frozen=True, slots=True)
class Rank:
    """Where an example stands among those that the other clauses leave: 1 is the newest."""

    rank: int
    cutoff: Cutoff
    share: str

    @property
    def passed(self) -> bool:
        return self.rank <= self.cutoff.kept

    def __str__(self) -> str:
        return (
            f"rank {self.rank:,} of {self.cutoff.of:,} by time and hash of path; the"
            f" {newest_text(self.share)} keeps {self.cutoff.kept:,}; cut-off"
            f" {format_time(self.cutoff.time)}"
        )


@dataclass(frozen=True, slots=True)
class Why:
    """One example against one view.

    `example` is what the view's changesets hold of it, None when they hold nothing; then there are
    no checks. `rank` is None when the view asks for no newest share, or a check failed before it.
    """

    path: str
    events: tuple[Event, ...]
    example: Example | None
    checks: tuple[Check, ...]
    rank: Rank | None
    selected: bool


def why(view: Selection, path: str) -> Why:
    """Holds one example against every clause of a view.

    In a view with queries the rank is that among stored examples, as without its sources. Raises
    NotFound, with near matches, when no changeset of the dataset ever held it.
    """
    events = tuple(events_of(view, check_path(path)))
    if not events:
        raise _unknown(view, path)
    found = view.snapshot.filter(pc.equal(view.snapshot.column("path"), path))
    if not found.num_rows:
        return Why(path, events, None, (), None, False)
    example = example_at(found, 0)
    assert example is not None
    checks = tuple(
        Check(clause.name, clause.text, clause.value.stated(example), _passes(clause.mask(found)))
        for clause in view.clauses
    )
    selected = all(check.passed for check in checks)
    cutoff, share = view.evaluation.cutoff, view.query.percent
    rank = None
    if selected and cutoff is not None and share is not None:
        rank = Rank(_rank(view, example), cutoff, share)
        selected = rank.passed
    for clause in view.evaluation.draws:
        if not selected:
            break  # what comes later draws from what is left
        passed = _passes(clause.mask(found))
        value = clause.value.stated(example)
        checks = (*checks, Check(clause.name, clause.text, value, passed))
        selected = selected and passed
    return Why(path, events, example, checks, rank, selected)


def _passes(mask: Any) -> bool:
    passed: bool = mask[0].as_py()
    return bool(passed)


def _rank(view: Selection, example: Example) -> int:
    """Counts the examples that the filters leave and that are newer, by time and hash of path."""
    rows = view.snapshot.select(["time", "path", "labels", *_asked_columns(view)])
    for clause in view.clauses:
        rows = rows.filter(clause.mask(rows))
    times = rows.column("time").cast(pa.int64())
    tied = path_hashes(rows.column("path").filter(pc.equal(times, example.time)))
    mine = pa.scalar(path_hash(example.path), pa.binary())
    newer: int = pc.sum(pc.greater(times, example.time)).as_py() or 0
    return newer + (pc.sum(pc.greater(tied, mine)).as_py() or 0) + 1


def _asked_columns(view: Selection) -> list[str]:
    names = {clause.value.column for clause in view.clauses} - {"time", "path", "labels"}
    return sorted(names & set(view.snapshot.column_names))


def _unknown(view: Selection, path: str) -> NotFound:
    folder = path.partition("/")[0]
    if any(each.query.name == folder for each in view.queries):
        return NotFound(
            f"{printable(path)} may be a row of query {folder}, and rows are not stored",
            hint=f"`dsm get {view.version[:12]} -o - --format tar | tar -t` lists those that fit",
        )
    near: tuple[str, ...] = ()
    column = view.snapshot.column("path")
    folder = path.rpartition("/")[0]
    if folder:  # its neighbours first: a name is more often mistyped than its folder
        beside = column.filter(pc.starts_with(column, folder + "/")).slice(0, NAMES_COMPARED)
        near = close_matches(path, beside.to_pylist(), 1)
    near = near or close_matches(path, column.slice(0, NAMES_COMPARED).to_pylist(), 1)
    return NotFound(
        f"no changeset of {view.dataset} has an example {printable(path)}",
        hint=f"did you mean {printable(near[0])}?" if near else "`dsm ls` lists them",
    )
