"""What others have changed since rows were judged: what is done already, and what conflicts.

A changeset that came between concerns a commit only where it touched the same paths, put an example
where one of the rows needs a folder, or the other way round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from dsm.errors import Conflict
from dsm.model.names import printable
from dsm.model.queries import StagedQuery
from dsm.model.rows import Rows
from dsm.repo.log import ChangesetLog

if TYPE_CHECKING:
    from dsm.history.snapshot import Snapshots

PATHS_LISTED = 1000


class ChangedMeanwhile(Conflict):
    """Another changeset touched the same examples since these changes were staged."""

    code = "changed-meanwhile"


def without_conflicts(
    log: ChangesetLog,
    snapshots: Snapshots,
    rows: Rows,
    bases: Mapping[str, int] | int,
    head: int,
) -> Rows:
    """Checks rows against the changesets that came after their base; drops those done already."""
    oldest = bases if isinstance(bases, int) else min(bases.values(), default=head)
    if oldest >= head or not len(rows):
        return rows
    from dsm.history.snapshot import example_at

    position = {path: row for row, path in enumerate(rows.paths)}
    done: set[int] = set()
    conflicts: list[str] = []
    touched: dict[str, int] = {}
    theirs_put: dict[str, int] = {}

    def base_of(path: str) -> int:
        return bases if isinstance(bases, int) else bases.get(path, head)

    for number in range(oldest + 1, head + 1):
        table = snapshots.manifests.of(number)
        if table is None:
            continue
        oids = table.column("object").to_pylist()
        for path, oid in zip(table.column("path").to_pylist(), oids, strict=True):
            if oid is None:
                theirs_put.pop(path, None)
            else:
                theirs_put[path] = number
            if path in position and number > base_of(path):
                touched[path] = number
    for path, number in touched.items():
        table = snapshots.manifests.of(number)
        assert table is not None
        theirs = example_at(table, table.column("path").to_pylist().index(path))
        row = position[path]
        mine = rows.example(row)
        if mine == theirs or (mine is None and theirs is None):
            done.add(row)
        else:
            conflicts.append(path)
    conflicts += [path for path in _nested(rows, theirs_put, base_of) if path not in touched]
    if conflicts:
        listed = tuple(sorted(conflicts))
        raise ChangedMeanwhile(
            f"{len(conflicts)} of the examples to commit changed since they were staged,"
            f" in changeset {min(touched.values(), default=oldest + 1)} or later",
            hint="look at `dsm log -- PATH`; `dsm restore --staged PATH` drops your version, after"
            " which `dsm add PATH` stages it on top of theirs",
            items=listed[:PATHS_LISTED],
        )
    if not done:
        return rows
    return rows.take([row for row in range(len(rows)) if row not in done])


def _nested(rows: Rows, theirs: dict[str, int], base_of: Callable[[str], int]) -> Iterator[str]:
    """Yields the paths that rows put below or above what others have put since: no example is a
    folder as well."""
    above: dict[str, int] = {}
    for path, number in theirs.items():
        above.update({folder: max(number, above.get(folder, 0)) for folder in folders_of(path)})
    for path, oid in zip(rows.paths, rows.oids, strict=True):
        if oid is not None:
            numbers = [above.get(path, 0), *(theirs.get(f, 0) for f in folders_of(path))]
            if max(numbers) > base_of(path):
                yield path


def folders_of(path: str) -> list[str]:
    """Returns the folders that a path lies in, the outermost first."""
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def queries_without_conflicts(
    log: ChangesetLog, queries: Mapping[str, StagedQuery], head: int
) -> Mapping[str, StagedQuery]:
    """Returns the queries that say something new. Raises ChangedMeanwhile for those that others
    have put or removed since they were staged."""
    if not queries:
        return queries
    standing = log.queries(head)
    told = {name: query for name, query in queries.items() if query.document != standing.get(name)}
    for name, query in told.items():
        for number in range(query.base + 1, head + 1):
            if name in log.queries_moved(number):
                raise ChangedMeanwhile(
                    f"query {printable(name)} changed since yours was staged, in changeset"
                    f" {number}",
                    hint=f"`dsm restore --staged` drops yours; `dsm show {number}` shows theirs",
                    items=(name,),
                )
    return told


def refuse_shared_folders(
    log: ChangesetLog,
    snapshots: Snapshots,
    rows: Rows,
    queries: Mapping[str, StagedQuery],
    head: int,
) -> None:
    """Raises Conflict when stored examples would lie where those of a query do."""
    before = set(log.get(head).queries) if head else set()
    standing = {name for name in before if name not in queries}
    standing |= {name for name, query in queries.items() if query.document is not None}
    if not standing:
        return
    gone = {path for path, oid in zip(rows.paths, rows.oids, strict=True) if oid is None}
    shared = sorted(p for p in set(rows.paths) - gone if p.partition("/")[0] in standing)
    if not shared and head and standing - before:
        from dsm.history.snapshot import paths_below

        table = snapshots.table(head)
        for name in standing - before:
            shared += (path for path in paths_below(table, name) if path not in gone)
    if shared:
        raise Conflict(
            f"{printable(shared[0])} would lie among the examples of query"
            f" {shared[0].partition('/')[0]}",
            hint="move it elsewhere, or give the query another name with --name",
            items=tuple(shared[:PATHS_LISTED]),
        )
