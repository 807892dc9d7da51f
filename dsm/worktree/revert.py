"""`revert` and `rollback`: a changeset that undoes others, and the files that follow it.

What becomes of the files is planned before the commit and done after it: should that fail, the
changeset stands, and the files follow with the next command that needs them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from dsm.errors import StorageFailed
from dsm.files.restore import RestorePlan
from dsm.format.index import ABSENT
from dsm.history.commit import Intent, Judge
from dsm.history.difference import compare
from dsm.history.revert import RevertPlan, plan_revert, plan_rollback
from dsm.model.changeset import Changeset
from dsm.model.queries import query_changes, with_queries
from dsm.model.restore_reports import RevertReport
from dsm.worktree.committing import one_at_a_time, recorded
from dsm.worktree.following import (
    bring_files,
    files_of,
    forget_following,
    forgotten_when_refused,
    note_following,
    plan_files,
)
from dsm.worktree.publish import publishing
from dsm.worktree.tree import WorkTree

# What is to be done on a head that has this number.
Planner = Callable[[int], RevertPlan]


def undoing(tree: WorkTree, number: int, *, force: bool) -> Planner:
    """Returns what plans the undoing of one changeset."""
    return lambda head: plan_revert(tree.log, tree.snapshots(), number, head, force=force)


def going_back(tree: WorkTree, number: int) -> Planner:
    """Returns what plans the undoing of all that came after a changeset."""
    return lambda head: plan_rollback(tree.log, tree.snapshots(), number, head)


def commit_revert(
    tree: WorkTree,
    planner: Planner,
    intent: Intent,
    *,
    keep_files: bool,
    alone: bool = False,
    judge: Judge | None = None,
) -> Changeset:
    """Commits what `planner` plans; files that hold the undone state follow.

    With `alone` no other changeset may come in between: raises ChangedMeanwhile. `judge` gives the
    verdict that the changeset keeps.
    """
    with publishing(tree.repository) as publish, one_at_a_time(tree):
        with tree.locked():
            tree.stage.tidy()
        staged = tree.stage.load()
        index = tree.index(staged)
        head = tree.log.head()
        rows = planner(head)
        files = RestorePlan(tree.root) if keep_files else plan_files(tree, staged, index, rows)
        # Until the files of these are written they have none, and nobody has deleted them.
        back = dict.fromkeys((path for path in files_of(rows) if index.get(path) is None), ABSENT)

        def note() -> None:
            tree.note(index, back, intent.transaction)
            if not keep_files:
                note_following(tree, head)

        with publish, forgotten_when_refused(tree):
            changeset = recorded(
                tree, intent, rows.rows, head, (), [], head, False, rows.queries, note=note,
                only_on=head if alone else None, judge=judge,
            )  # fmt: skip
        with contextlib.suppress(StorageFailed), tree.locked():
            tree.stage.clear(intent.transaction, ())
    done = f"the changeset itself is done: {changeset.number}"
    bring_files(tree, staged, index, rows, files, done)
    if index.position.head + 1 == changeset.number:
        index.position = index.position.at(changeset.number, changeset.id, staged.names)
        tree.save(index)
    forget_following(tree)
    return changeset


def report_revert(
    tree: WorkTree, number: int, planner: Planner, *, keep_files: bool
) -> RevertReport:
    """Returns what `commit_revert` would do now, by the same plans."""
    staged = tree.stage.load()
    index = tree.index(staged)
    head = tree.log.head()
    planned = planner(head)
    files = RestorePlan(tree.root) if keep_files else plan_files(tree, staged, index, planned)
    standing = tree.log.queries(head)
    return RevertReport(
        number=number,
        changes=tuple(compare(planned.now, planned.before)),
        queries=tuple(query_changes(standing, with_queries(standing, planned.queries))),
        kept=planned.kept,
        written=tuple(sorted(example.path for example in files.write)),
        removed=tuple(sorted({*files.remove, *files.clear})),
    )
