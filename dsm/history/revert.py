"""Undoing a changeset, or all that came after one, by a new one whose rows put back what was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dsm.errors import AnswerIsNo, Conflict
from dsm.history.conflicts import folders_of
from dsm.history.snapshot import Snapshots
from dsm.model.example import Example
from dsm.model.queries import StagedQuery
from dsm.model.record_path import RECORD
from dsm.model.rows import ADDED, MODIFIED, RELABELLED, Rows
from dsm.repo.log import ChangesetLog


@dataclass(frozen=True, slots=True)
class RevertPlan:
    """`rows` undo what is undone; `kept` are paths that later changesets touched, left as they are.

    `queries` are put back or removed. `before` and `now` hold the examples as the revert will
    leave them and as the head has them.
    """

    rows: Rows
    queries: Mapping[str, StagedQuery]
    kept: tuple[str, ...]
    before: dict[str, Example]
    now: dict[str, Example]


class TouchedLater(Conflict):
    """Later changesets touched examples of the one to revert."""

    code = "touched-later"


def plan_revert(
    log: ChangesetLog, snapshots: Snapshots, number: int, head: int, *, force: bool
) -> RevertPlan:
    """Plans the undoing of a changeset.

    Raises TouchedLater with the paths unless `force`, which keeps the later changes. Raises
    AnswerIsNo when nothing is left to undo.
    """
    table = snapshots.manifests.of(number)
    paths: list[str] = table.column("path").to_pylist() if table is not None else []
    mine = set(paths)
    before = snapshots.lookup(number - 1, mine) if number > 1 else {}
    now = snapshots.lookup(head, mine)
    later: set[str] = set()
    for following in range(number + 1, head + 1):
        other = snapshots.manifests.of(following)
        if other is not None:
            later.update(mine.intersection(other.column("path").to_pylist()))
    # What is back to how it was before needs no undoing, whoever put it back.
    later = {path for path in later if before.get(path) != now.get(path)}
    later |= _without_room(snapshots, head, mine, before, now)
    queries, redefined = _queries_back(log, number, head)
    if (later or redefined) and not force:
        raise _touched_later(number, len(mine), later, redefined)
    wanted = sorted(mine - later)
    before = {path: before[path] for path in wanted if path in before}
    now = {path: now[path] for path in wanted if path in now}
    rows = _rows_back(wanted, before, now)
    if not len(rows) and not queries:
        raise AnswerIsNo(f"changeset {number} is already undone")
    return RevertPlan(rows, queries, tuple(sorted(later)), before, now)


def plan_rollback(log: ChangesetLog, snapshots: Snapshots, number: int, head: int) -> RevertPlan:
    """Plans what makes the head the snapshot of changeset `number` again, queries included.

    Raises AnswerIsNo when it is that already.
    """
    touched: set[str] = set()
    for following in range(number + 1, head + 1):
        table = snapshots.manifests.of(following)
        if table is not None:
            touched.update(table.column("path").to_pylist())
    before, now = snapshots.lookup(number, touched), snapshots.lookup(head, touched)
    rows = _rows_back(sorted(touched), before, now)
    then, standing = log.queries(number), log.queries(head)
    queries = {
        name: StagedQuery(then.get(name), head)
        for name in sorted({*then, *standing})
        if then.get(name) != standing.get(name)
    }
    if not len(rows) and not queries:
        raise AnswerIsNo(f"the dataset is as it was after changeset {number}")
    return RevertPlan(rows, queries, (), before, now)


def _rows_back(paths: list[str], before: dict[str, Example], now: dict[str, Example]) -> Rows:
    rows = Rows()
    for path in paths:
        old, current = before.get(path), now.get(path)
        if old is None:
            if current is not None:
                rows.delete(path, records=current.records)
        elif current is None:
            rows.put(ADDED, old)
        elif old != current:
            rows.put(RELABELLED if old.oid == current.oid else MODIFIED, old)
    return rows


def _touched_later(number: int, count: int, later: set[str], redefined: list[str]) -> TouchedLater:
    if not later:
        what = f"query {redefined[0]} of changeset {number} changed again later"
        rest = "rest, if any"
    else:
        what = f"{len(later)} of the {count} examples of changeset {number} changed again later"
        rest = f"other {count - len(later)}"
    return TouchedLater(
        what,
        hint=f"--force keeps the later changes and reverts the {rest};"
        " `dsm log -- PATH` tells who changed them",
        items=(*sorted(later), *(f"{name}/" for name in redefined)),
    )


def _queries_back(
    log: ChangesetLog, number: int, head: int
) -> tuple[dict[str, StagedQuery], list[str]]:
    """Returns what puts the queries of a changeset back, and those that changed again later."""
    back: dict[str, StagedQuery] = {}
    redefined: list[str] = []
    moved = log.queries_moved(number)
    if not moved:
        return back, redefined
    before, mine, now = log.queries(number - 1), log.queries(number), log.queries(head)
    for name in moved:
        if now.get(name) == before.get(name):
            continue
        if now.get(name) != mine.get(name):
            redefined.append(name)
        else:
            back[name] = StagedQuery(before.get(name), head)
    return back, redefined


def _without_room(
    snapshots: Snapshots,
    head: int,
    mine: set[str],
    before: dict[str, Example],
    now: dict[str, Example],
) -> set[str]:
    """Returns the paths that cannot come back: an example stands above or below them now."""
    coming = [path for path, e in before.items() if path not in now and e.records != RECORD]
    if not coming:
        return set()
    going = {path for path in mine if path in now and path not in before}
    folders = {folder for path in coming for folder in folders_of(path)}
    above = set(snapshots.lookup(head, folders)) - going
    column = snapshots.table(head).column("path")
    return {
        path
        for path in coming
        if not above.isdisjoint(folders_of(path)) or _any_below(column, path + "/", going)
    }


def _any_below(column: Any, lead: str, going: set[str]) -> bool:
    """Whether a sorted column has a path that begins so, other than those that go."""
    low, high = 0, len(column)
    while low < high:
        middle = (low + high) >> 1
        if column[middle].as_py() < lead:
            low = middle + 1
        else:
            high = middle
    while low < len(column) and (path := column[low].as_py()).startswith(lead):
        if path not in going:
            return True
        low += 1
    return False
