"""Commits as seen from the work tree: the stage is consumed, the index and files come along.

The note about what a commit uses up is durable before the commit point, so a crash at any moment
leaves either the old head with the stage whole, or the new head with the stage used up.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping

from dsm.errors import DsmError, StorageFailed
from dsm.files.restore import REPLACE, by_content, perform, plan, reachable
from dsm.files.stat import Stat, file_stat, hash_file
from dsm.format.index import ABSENT, fits, mark_of
from dsm.history.commit import NO_QUERIES, Intent, record
from dsm.history.revert import plan_revert
from dsm.model.changeset import Changeset
from dsm.model.example import Example
from dsm.model.queries import StagedQuery
from dsm.model.reports import AddReport, MassDeletion
from dsm.model.rows import FORGET, Rows
from dsm.progress import SILENT, Progress
from dsm.store import disk
from dsm.worktree.add import Adder
from dsm.worktree.index import WorkIndex
from dsm.worktree.mass_deletion import find_mass_deletion, refuse_mass_deletion
from dsm.worktree.publish import check_present, publishing
from dsm.worktree.request import Request
from dsm.worktree.staging import report
from dsm.worktree.tree import WorkTree, settled

COMMIT_PATIENCE = 3.0  # seconds
# What a commit says before it records: what was added, and that much of it goes.
Tell = Callable[[AddReport | MassDeletion], None]


@contextlib.contextmanager
def _one_at_a_time(tree: WorkTree) -> Iterator[None]:
    """Holds the commit lock. It saves retries; correctness does not rest on it.

    So a commit that was stopped while it held it delays others, and blocks nobody.
    """
    fd = disk.lock(tree.repository.layout.commit_lock, exclusive=True, patience=COMMIT_PATIENCE)
    try:
        yield
    finally:
        if fd is not None:
            disk.unlock(fd)


def commit_stage(
    tree: WorkTree, intent: Intent, *, allow_empty: bool = False, tell: Tell | None = None
) -> Changeset:
    """Commits everything that is staged."""
    with publishing(tree.repository) as publish, _one_at_a_time(tree):
        with tree.locked():
            tree.stage.tidy()
        with publish:
            # Read under the lock that keeps gc out: what is staged now is stored now.
            staged = tree.stage.load()
            index = tree.index(staged)
            rows = staged.rows()
            head = tree.log.head()
            _tell_of_mass_deletion(tree, index, rows, tell)
            changeset = _recorded(
                tree, intent, rows, staged.bases(), staged.names, [], head, allow_empty,
                staged.queries, note=lambda: tree.note(index, transaction=intent.transaction),
            )  # fmt: skip
        # Past the commit point no failure is one of the commit: the note tells what is used up.
        with contextlib.suppress(StorageFailed), tree.locked():
            tree.stage.clear(intent.transaction, staged.names)
            if index.position.head + 1 == changeset.number:
                rest = tuple(n for n in index.position.segments if n not in staged.names)
                index.position = index.position.at(changeset.number, changeset.id, rest)
                tree.write(index)
        return changeset


def _tell_of_mass_deletion(tree: WorkTree, index: WorkIndex, rows: Rows, tell: Tell | None) -> None:
    if tell is not None:
        found = find_mass_deletion(tree, index, rows)
        if found is not None:
            tell(found)


def _recorded(
    tree: WorkTree,
    intent: Intent,
    rows: object,
    bases: object,
    consumed: tuple[str, ...],
    forget: list[str],
    head: int,
    allow_empty: bool,
    queries: Mapping[str, StagedQuery] = NO_QUERIES,
    *,
    note: Callable[[], None],
) -> Changeset:
    announced = False

    def announce() -> None:
        nonlocal announced
        if not announced:
            with tree.locked():
                note()
            tree.stage.announce(intent.transaction, head, consumed, forget)
            announced = True

    try:
        return record(
            tree.repository, tree.log, tree.snapshots(), rows, bases, intent,  # type: ignore[arg-type]
            queries=queries, allow_empty=allow_empty, before_commit=announce,
        )  # fmt: skip
    except DsmError as error:
        if announced and error.exit_status in (1, 2, 5):
            tree.stage.withdraw(intent.transaction)
        raise


def commit_paths(
    tree: WorkTree,
    request: Request,
    intent: Intent,
    progress: Progress = SILENT,
    *,
    allow_empty: bool = False,
    tell: Tell | None = None,
) -> Changeset:
    """Adds and commits exactly the requested paths, apart from what else is staged."""
    with publishing(tree.repository) as publish:
        adder = Adder(tree, request, progress)
        before = publish.stored_bytes()
        outcome = adder.run()
        if not request.allows_mass_deletion:
            refuse_mass_deletion(tree, adder.index, outcome.rows, adder.staged.rows())
        if tell is not None:
            tell(report(outcome, publish.stored_bytes() - before, request))
        # A path that was staged before is committed with what was staged of it, brought up to date.
        wanted = _staged_below(adder, request.paths)
        rows = outcome.rows
        done = set(rows.paths)
        for path in wanted:
            if path not in done:
                segment, row = adder.staged.where[path]
                rows.extend(segment.rows.take([row]))
        rows = rows.take([row for row, kind in enumerate(rows.kinds) if kind != FORGET]).sorted()
        _tell_of_mass_deletion(tree, adder.index, rows, tell)
        bases: dict[str, int] = dict.fromkeys(rows.paths, adder.index.position.head)
        bases.update(
            {path: adder.staged.where[path][0].base for path in wanted if path not in done}
        )
        with _one_at_a_time(tree), publish:
            check_present(tree.repository, rows, tree.stage, adder.staged)
            head = tree.log.head()
            changeset = _recorded(
                tree, intent, rows, bases, (), wanted, head, allow_empty,
                note=lambda: tree.note(adder.index, outcome.marks, intent.transaction),
            )  # fmt: skip
        with contextlib.suppress(StorageFailed), tree.locked():
            written = tree.stage.settle(intent.transaction)
            index = adder.index
            if index.position.head + 1 == changeset.number:
                index.set_many(outcome.marks)
                # What others staged meanwhile is not in this index: the next command applies it.
                known = {*adder.staged.names, written}
                names = tuple(name for name in tree.stage.load().names if name in known)
                index.position = index.position.at(changeset.number, changeset.id, names)
                tree.write(index)
        return changeset


def _staged_below(adder: Adder, paths: tuple[str, ...]) -> list[str]:
    return [
        path
        for path in adder.staged.where
        if any(not p or path == p or path.startswith(p + "/") for p in paths)
    ]


def commit_revert(
    tree: WorkTree, number: int, intent: Intent, *, force: bool, keep_files: bool
) -> Changeset:
    """Commits the undoing of a changeset; files that hold the undone state follow."""
    with publishing(tree.repository) as publish, _one_at_a_time(tree):
        with tree.locked():
            tree.stage.tidy()
        staged = tree.stage.load()
        index = tree.index(staged)
        head = tree.log.head()
        planned = plan_revert(tree.log, tree.snapshots(), number, head, force=force)
        clean = {} if keep_files else _clean_files(tree, index, planned.now)
        # Until the files of these are written they have none, and nobody has deleted them.
        back = dict.fromkeys((path for path in planned.before if index.get(path) is None), ABSENT)
        with publish:
            changeset = _recorded(
                tree, intent, planned.rows, head, (), [], head, False, planned.queries,
                note=lambda: tree.note(index, back, intent.transaction),
            )  # fmt: skip
        with contextlib.suppress(StorageFailed), tree.locked():
            tree.stage.clear(intent.transaction, ())
    try:
        _bring_files(tree, index, planned.rows.paths, planned.before, clean, set(staged.where))
    except StorageFailed as error:
        raise StorageFailed(
            f"{error.message} (the revert itself is done: changeset {changeset.number})",
            hint="`dsm status` lists the files that did not follow; when there is room,"
            " `dsm restore --force PATH` brings them back",
        ) from error
    if index.position.head + 1 == changeset.number:
        index.position = index.position.at(changeset.number, changeset.id, staged.names)
        tree.save(index)
    return changeset


def _clean_files(tree: WorkTree, index: WorkIndex, now: dict[str, Example]) -> dict[str, Stat]:
    """Returns the stat of each file that holds exactly what the head has."""
    clean: dict[str, Stat] = {}
    for path, example in now.items():
        full = os.path.join(tree.root, path)
        st = file_stat(full)
        if st is None or os.path.islink(full):
            continue
        if fits(index.get(path), st) or hash_file(full) == example.oid:
            clean[path] = st
    return clean


def _bring_files(
    tree: WorkTree,
    index: WorkIndex,
    paths: list[str],
    before: dict[str, Example],
    clean: dict[str, Stat],
    staged: set[str],
) -> None:
    """Writes, replaces or removes the files of reverted examples; others are left alone."""
    moment = tree.moment()
    back = [before[p] for p in paths if p in before and p not in staged]
    gone = [p for p in paths if p not in before and p in clean and p not in staged]
    wanted = [example for example in back if _wanted(tree, index, example, clean)]

    def judge(example: Example, full: str, st: Stat) -> str:
        return REPLACE if clean.get(example.path) == st else by_content(example, full, st)

    gone = [p for p in gone if file_stat(os.path.join(tree.root, p)) == clean[p]]
    planned = plan(tree.root, wanted, judge, remove=gone)
    store, workers = tree.repository.store, tree.repository.workers
    written = perform(planned, store, force=False, workers=workers)
    same = dict(planned.same)
    for path in paths:
        if path in staged:
            continue
        if path not in before:
            index.remove(path)
            continue
        if index.get(path) is None:
            index.set(path, ABSENT)  # as `commit_revert` has noted
        st, oid = written.get(path) or same.get(path), before[path].oid
        if st is not None:
            index.set(path, mark_of(st, oid) if settled(st, moment) else oid)
        elif index.get(path) != ABSENT:
            index.set(path, oid)


def _wanted(tree: WorkTree, index: WorkIndex, example: Example, clean: dict[str, Stat]) -> bool:
    """A file is brought back where the head's file was in place, or where there was no example."""
    if not reachable(tree.root, example.path):
        return False
    mark = index.get(example.path)
    if mark is None:
        return not os.path.lexists(os.path.join(tree.root, example.path))
    st = clean.get(example.path)
    return st is not None


__all__ = ["commit_paths", "commit_revert", "commit_stage"]
