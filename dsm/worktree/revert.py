"""`revert` and `rollback`: a changeset that undoes others, and the files that follow it.

A file follows when it holds exactly what the head had; whatever else is in its place is left alone.
What becomes of the files is planned before the commit and done after it: should that fail, the
changeset stands, and the files are brought back by `restore`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

from dsm.errors import StorageFailed
from dsm.files.folders import Entry, Folders, Judged
from dsm.files.restore import REPLACE, SAME, RestorePlan, Verdict, by_content, perform, plan
from dsm.format.index import ABSENT, fits, mark_of
from dsm.history.commit import Intent, Judge
from dsm.history.difference import compare
from dsm.history.revert import RevertPlan, plan_revert, plan_rollback
from dsm.model.changeset import Changeset
from dsm.model.example import Example
from dsm.model.queries import query_changes, with_queries
from dsm.model.record_path import RECORD
from dsm.model.restore_reports import RevertReport
from dsm.worktree.committing import one_at_a_time, recorded
from dsm.worktree.index import WorkIndex
from dsm.worktree.publish import publishing
from dsm.worktree.stage import Staged
from dsm.worktree.tree import WorkTree, settled

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
        back = dict.fromkeys((path for path in _files(rows) if index.get(path) is None), ABSENT)
        with publish:
            changeset = recorded(
                tree, intent, rows.rows, head, (), [], head, False, rows.queries,
                note=lambda: tree.note(index, back, intent.transaction),
                only_on=head if alone else None, judge=judge,
            )  # fmt: skip
        with contextlib.suppress(StorageFailed), tree.locked():
            tree.stage.clear(intent.transaction, ())
    try:
        bring_files(tree, staged, index, rows, files)
    except StorageFailed as error:
        raise StorageFailed(
            f"{error.message} (the changeset itself is done: {changeset.number})",
            hint="`dsm status` lists the files that did not follow; when there is room,"
            " `dsm restore --force PATH` brings them back",
        ) from error
    if index.position.head + 1 == changeset.number:
        index.position = index.position.at(changeset.number, changeset.id, staged.names)
        tree.save(index)
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


def plan_files(tree: WorkTree, staged: Staged, index: WorkIndex, rows: RevertPlan) -> RestorePlan:
    """Decides which files follow a revert.

    A file comes back where that of the head was in place, or where the head had no example; one
    that stands where it must go to makes room if it goes itself.
    """
    clean = clean_files(tree, index, rows.now)
    paths = [path for path in _files(rows, removed=True) if path not in staged.where]
    back = [rows.before[path] for path in paths if path in rows.before]
    gone = {path: clean[path] for path in paths if path not in rows.before and path in clean}

    def judge(example: Example, entry: Entry) -> Verdict:
        judged = clean.get(example.path)
        if judged is None:
            return by_content(example, entry)
        return (SAME if judged.oid == example.oid else REPLACE), judged.oid

    def release(entries: Sequence[Entry]) -> dict[str, Judged]:
        return {entry.path: gone[entry.path] for entry in entries if entry.path in gone}

    wanted = [e for e in back if index.get(e.path) is None or e.path in clean]
    stay = tree.occupied()
    return plan(tree.root, wanted, judge, release=release, remove=gone, stay=stay, leave=True)


def _files(planned: RevertPlan, *, removed: bool = False) -> list[str]:
    """Returns the paths that come back, with `removed` all that are concerned, but for records:
    those have no files."""
    rows = planned.rows
    return [
        path for path, records in zip(rows.paths, rows.records, strict=True)
        if records != RECORD and (removed or path in planned.before)
    ]  # fmt: skip


def clean_files(tree: WorkTree, index: WorkIndex, now: dict[str, Example]) -> dict[str, Judged]:
    """Returns the files that hold exactly what the head has."""
    clean: dict[str, Judged] = {}
    with Folders(tree.root) as folders:
        for path, example in now.items():
            if example.records == RECORD:
                continue
            with contextlib.suppress(OSError):
                entry = folders.look(path)
                if entry is None or not entry.is_file:
                    continue
                if fits(index.get(path), entry.stat) or entry.hash() == example.oid:
                    clean[path] = entry.judged(example.oid)
    return clean


def bring_files(
    tree: WorkTree, staged: Staged, index: WorkIndex, rows: RevertPlan, files: RestorePlan
) -> None:
    """Writes, replaces or removes the files of reverted examples, and brings the index along.

    What has changed since it was judged is left alone, as it would have been then.
    """
    moment = tree.moment()
    store, workers = tree.repository.store, tree.repository.workers
    written = perform(files, store, force=False, workers=workers, stay=tree.occupied()).written
    same = dict(files.same)
    for path in _files(rows, removed=True):
        if path in staged.where:
            continue
        if path not in rows.before:
            index.remove(path)
            continue
        if index.get(path) is None:
            index.set(path, ABSENT)  # as `commit_revert` has noted
        st, oid = written.get(path) or same.get(path), rows.before[path].oid
        if st is not None:
            index.set(path, mark_of(st, oid) if settled(st, moment) else oid)
        elif index.get(path) != ABSENT:
            index.set(path, oid)
