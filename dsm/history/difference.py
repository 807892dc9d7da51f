"""What differs between two snapshots, told example by example; renames by object id.

Two snapshots of one history differ only where the manifests between them have rows, so comparing
neighbours costs their changes and not the dataset.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from dsm.format.manifest import RECORDS
from dsm.history.snapshot import Snapshots
from dsm.model.changeset import Changeset
from dsm.model.example import Change, Example
from dsm.model.queries import QueryChange
from dsm.model.record_path import is_below
from dsm.model.renames import paired
from dsm.repo.log import ChangesetLog

if TYPE_CHECKING:
    import pyarrow as pa


def between(snapshots: Snapshots, first: int, second: int) -> list[Change]:
    """Returns what turns snapshot `first` into snapshot `second`, sorted by path."""
    low, high = sorted((first, second))
    touched: set[str] = set()
    for number in range(low + 1, high + 1):
        table = snapshots.manifests.of(number)
        if table is not None:
            touched.update(table.column("path").to_pylist())
    before = snapshots.lookup(first, touched)
    after = snapshots.lookup(second, touched)
    return compare(before, after)


class Trail:
    """What a log of paths goes by: these paths, and where they were renamed from, back in time.

    Changesets are shown to it newest first.
    """

    def __init__(
        self, log: ChangesetLog, snapshots: Snapshots, wanted: Iterable[str], *, follow: bool
    ):
        self._log, self._snapshots = log, snapshots
        self._paths = set(wanted)
        self._follow = follow and "" not in self._paths

    @property
    def paths(self) -> Collection[str]:
        """The paths, with those that they were renamed from in what was shown so far."""
        return self._paths

    def touches(self, changeset: Changeset) -> bool:
        """Whether a changeset has rows at or below one of the paths, or a query of that name."""
        number = changeset.number
        table = self._snapshots.manifests.of(number)
        hit = table is not None and self._is_hit(table)
        moved = not self._paths.isdisjoint(self._log.queries_moved(number))
        if hit and self._may_rename(changeset):
            for change in between(self._snapshots, number - 1, number):
                if change.renamed_from is not None and _is_within(change, self._paths):
                    self._paths.add(change.renamed_from)
        return hit or moved

    def _is_hit(self, table: pa.Table) -> bool:
        paths = table.column("path").to_pylist()
        if RECORDS.name not in table.column_names:
            return any(is_below(path, self._paths) for path in paths)
        records = table.column(RECORDS.name).to_pylist()
        return any(
            is_below(path, self._paths, each) for path, each in zip(paths, records, strict=True)
        )

    def pass_over(self, changeset: Changeset) -> None:
        """Looks for renames alone in a changeset that is not to be told."""
        if self._may_rename(changeset):
            self.touches(changeset)

    def _may_rename(self, changeset: Changeset) -> bool:
        return bool(self._follow and changeset.counts.added and changeset.counts.deleted)


def _is_within(change: Change, wanted: Collection[str]) -> bool:
    """Whether a change ends, or began, at or below one of the paths."""
    told = change.after or change.before
    records = None if told is None else told.records
    paths = (change.path, change.renamed_from)
    return any(is_below(path, wanted, records) for path in paths if path is not None)


def changes_below(changes: Iterable[Change], paths: Collection[str] | None) -> tuple[Change, ...]:
    """Returns those that begin or end at or below one of the paths ("" is the root)."""
    if paths is None:
        return tuple(changes)
    wanted = set(paths)
    return tuple(change for change in changes if _is_within(change, wanted))


def queries_below(
    changes: Iterable[QueryChange], paths: Collection[str] | None
) -> tuple[QueryChange, ...]:
    """Returns those of queries whose name is a path: it is the first part of their examples'."""
    return tuple(c for c in changes if paths is None or "" in paths or c.name in paths)


def compare(before: Mapping[str, Example], after: Mapping[str, Example]) -> list[Change]:
    """Compares two sets of examples by path; equal ones are left out."""
    changes = []
    for path in sorted({*before, *after}):
        change = change_of(path, before.get(path), after.get(path))
        if change is not None:
            changes.append(change)
    return with_renames(changes)


def change_of(path: str, old: Example | None, new: Example | None) -> Change | None:
    """Tells what happened to one path; None when nothing did."""
    if old is None and new is None:
        return None
    if old is None:
        return Change("added", path, after=new)
    if new is None:
        return Change("deleted", path, before=old)
    if old.oid != new.oid:
        return Change("modified", path, old, new)
    if not old.same_meaning(new):
        return Change("relabelled", path, old, new)
    return None


def with_renames(changes: Iterable[Change]) -> list[Change]:
    """Pairs a deleted with an added example of the same content: that is a rename."""
    result = list(changes)
    gone = {
        change.path: change for change in result
        if change.kind == "deleted" and change.before is not None and change.before.size
    }  # fmt: skip
    if not gone:
        return result
    new = {c.path: c.after.oid for c in result if c.kind == "added" and c.after is not None}
    pairs = paired(new, {path: c.before.oid for path, c in gone.items() if c.before is not None})
    for position, change in enumerate(result):
        old = pairs.get(change.path) if change.kind == "added" else None
        if old is not None:
            result[position] = Change("renamed", change.path, gone[old].before, change.after, old)
    left = set(pairs.values())
    return [change for change in result if change.kind != "deleted" or change.path not in left]
