"""What the changesets of a view did to single paths, read from their manifests.

A view folds some changesets; the others happened as well, but not to it. Manifests are passed over
wherever the headers or the view's cached snapshot answer already.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from dsm.history.snapshot import Snapshots, example_at
from dsm.model.changeset import Changeset
from dsm.model.example import Example
from dsm.repo.log import ChangesetLog
from dsm.views.query.view_query import ViewQuery
from dsm.views.selection.selection import Selection


@dataclass(frozen=True, slots=True)
class Event:
    """What one changeset did to a path: `example` is None when it deleted it.

    `folded` tells whether the view counts the changeset in.
    """

    number: int
    example: Example | None
    folded: bool


def folds(query: ViewQuery, number: int) -> bool:
    """Whether a query counts a changeset in."""
    if not query.runs:
        return number <= query.at
    return any(first <= number <= last for first, last in query.runs)


def events_of(view: Selection, path: str) -> list[Event]:
    """Returns all that ever happened to a path in the view's dataset, oldest first."""
    log, snapshots = _opened(view)
    found: list[Event] = []
    for number in range(1, log.head() + 1):
        table = snapshots.manifests.read(log.get(number))
        if table is None:
            continue
        row = pc.index(table.column("path"), path).as_py()
        if row >= 0:
            found.append(Event(number, example_at(table, row), folds(view.query, number)))
    return found


def deleting(view: Selection, rows: pa.Table) -> pa.Array:
    """Finds, for paths that the view's snapshot lacks, the changeset that deleted them there.

    That is the first one of the view's to delete a path after the last one to put it; null where
    no changeset of the view ever put it.
    """
    query, found = view.query, {}
    pending: set[str] = set(_reachable(query, rows).to_pylist())
    noted: dict[str, int] = {}
    log, snapshots = _opened(view)
    for number in _newest_first(query):
        if not pending:
            break
        counts = log.get(number).counts
        # Without gaps a deletion always follows what put the example: nothing else is of interest.
        if not (counts.rows if query.runs else counts.deleted):
            continue
        table = snapshots.manifests.of(number)
        for path, deleted in _touched(table, pending) if table is not None else ():
            if deleted:
                noted[path] = number
            if not deleted or not query.runs:
                pending.discard(path)
                if path in noted:
                    found[path] = noted[path]
    if not found:
        return pa.nulls(rows.num_rows, pa.int32())
    return pa.array([found.get(path) for path in rows.column("path").to_pylist()], pa.int32())


def _reachable(query: ViewQuery, rows: pa.Table) -> pa.ChunkedArray:
    """Paths that a changeset of the query may have deleted.

    Those of its gapless beginning that have come after it had not been there, or not as they are.
    """
    if query.runs:
        return rows.column("path")
    return rows.filter(pc.less_equal(rows.column("changeset"), query.at)).column("path")


def _newest_first(query: ViewQuery) -> Iterator[int]:
    for first, last in reversed(query.runs or ((1, query.at),)):
        yield from range(last, first - 1, -1)


def _touched(table: pa.Table, pending: set[str]) -> list[tuple[str, bool]]:
    """Returns those of the paths that a manifest has rows for, and whether it deletes them."""
    table = table.select(["path", "op"])
    if len(pending) < table.num_rows:
        wanted = pa.array(sorted(pending), pa.string())
        table = table.filter(pc.is_in(table.column("path"), value_set=wanted))
    deleted = pc.equal(table.column("op"), "delete").to_pylist()
    pairs = zip(table.column("path").to_pylist(), deleted, strict=True)
    return [(path, gone) for path, gone in pairs if path in pending]


def _opened(view: Selection) -> tuple[ChangesetLog, Snapshots]:
    log = view.log
    return log, Snapshots(view.repository, log)


def changeset_of(view: Selection, number: int) -> Changeset:
    """Returns a changeset of the view's dataset. Raises NotFound."""
    return view.log.get(number)
