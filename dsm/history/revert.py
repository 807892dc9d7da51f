"""Undoing a changeset by a new one, whose rows put back what was there before it."""

from __future__ import annotations

from dataclasses import dataclass

from dsm.errors import AnswerIsNo, Conflict
from dsm.history.snapshot import Snapshots
from dsm.model.example import Example
from dsm.model.rows import ADDED, MODIFIED, RELABELLED, Rows


@dataclass(frozen=True, slots=True)
class RevertPlan:
    """`rows` undo the changeset; `kept` are paths that later changesets touched, left as they are.

    `before` and `now` hold the examples as the revert will leave them and as the head has them.
    """

    rows: Rows
    kept: tuple[str, ...]
    before: dict[str, Example]
    now: dict[str, Example]


class TouchedLater(Conflict):
    """Later changesets touched examples of the one to revert."""

    code = "touched-later"


def plan_revert(snapshots: Snapshots, number: int, head: int, *, force: bool) -> RevertPlan:
    """Plans the undoing of a changeset.

    Raises TouchedLater with the paths unless `force`, which keeps the later changes. Raises
    AnswerIsNo when nothing is left to undo.
    """
    table = snapshots.manifest(number)
    paths: list[str] = table.column("path").to_pylist() if table is not None else []
    mine = set(paths)
    later: set[str] = set()
    for following in range(number + 1, head + 1):
        other = snapshots.manifest(following)
        if other is not None:
            later.update(mine.intersection(other.column("path").to_pylist()))
    if later and not force:
        listed = tuple(sorted(later))
        raise TouchedLater(
            f"{len(later)} of the {len(mine)} examples of changeset {number} were changed again later",
            hint=f"--force keeps the later changes and reverts the other {len(mine) - len(later)};"
            " `dsm log -- PATH` tells who changed them",
            items=listed,
        )
    wanted = sorted(mine - later)
    before = snapshots.lookup(number - 1, wanted) if number > 1 else {}
    now = snapshots.lookup(head, wanted)
    rows = Rows()
    for path in wanted:
        old, current = before.get(path), now.get(path)
        if old is None:
            if current is not None:
                rows.delete(path)
        elif current is None:
            rows.put(ADDED, old)
        elif old != current:
            rows.put(RELABELLED if old.oid == current.oid else MODIFIED, old)
    if not len(rows):
        raise AnswerIsNo(f"nothing is left of changeset {number} to revert")
    return RevertPlan(rows, tuple(sorted(later)), before, now)
