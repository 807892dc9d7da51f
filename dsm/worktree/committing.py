"""Commits as seen from the work tree: the stage is consumed, the index and files come along.

The note about what a commit uses up is durable before the commit point, so a crash at any moment
leaves either the old head with the stage whole, or the new head with the stage used up.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping

from dsm.errors import DsmError, StorageFailed
from dsm.history.commit import NO_QUERIES, Intent, Judge, record
from dsm.model.changeset import Changeset
from dsm.model.queries import StagedQuery
from dsm.model.record_path import is_below
from dsm.model.removal_reports import MassDeletion
from dsm.model.reports import AddReport
from dsm.model.rows import FORGET, Rows
from dsm.progress import SILENT, Progress
from dsm.store import disk
from dsm.worktree.add import Adder
from dsm.worktree.catching_up import catch_up
from dsm.worktree.index import WorkIndex
from dsm.worktree.mass_deletion import find_mass_deletion, refuse_mass_deletion
from dsm.worktree.named import refuse_ignored
from dsm.worktree.publish import check_present, publishing
from dsm.worktree.request import Request
from dsm.worktree.staging import report
from dsm.worktree.tree import WorkTree

COMMIT_PATIENCE = 3.0  # seconds
# What a commit says before it records: what was added, and that much of it goes.
Tell = Callable[[AddReport | MassDeletion], None]


@contextlib.contextmanager
def one_at_a_time(tree: WorkTree) -> Iterator[None]:
    """Holds the commit lock. It saves retries; correctness does not rest on it.

    So a commit that was stopped while it held it delays others, and blocks nobody. Files that a
    killed revert left behind come along first.
    """
    fd = disk.lock(tree.repository.layout.commit_lock, exclusive=True, patience=COMMIT_PATIENCE)
    try:
        catch_up(tree)
        yield
    finally:
        if fd is not None:
            disk.unlock(fd)


def commit_stage(
    tree: WorkTree,
    intent: Intent,
    *,
    allow_empty: bool = False,
    tell: Tell | None = None,
    judge: Judge | None = None,
) -> Changeset:
    """Commits everything that is staged."""
    with publishing(tree.repository) as publish, one_at_a_time(tree):
        with tree.locked():
            tree.stage.tidy()
        with publish:
            # Read under the lock that keeps gc out: what is staged now is stored now.
            staged = tree.stage.load()
            index = tree.index(staged)
            rows = staged.rows()
            head = tree.log.head()
            _tell_of_mass_deletion(tree, index, rows, tell)
            changeset = recorded(
                tree, intent, rows, staged.bases(), staged.names, [], head, allow_empty,
                staged.queries, judge=judge,
                note=lambda: tree.note(index, transaction=intent.transaction),
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


def recorded(
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
    judge: Judge | None = None,
    note: Callable[[], None],
    only_on: int | None = None,
) -> Changeset:
    """Records rows as the next changeset, with a note of what of the stage that uses up."""
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
            queries=queries, allow_empty=allow_empty, before_commit=announce, only_on=only_on,
            judge=judge,
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
    judge: Judge | None = None,
) -> Changeset:
    """Adds and commits exactly the requested paths, apart from what else is staged."""
    catch_up(tree)
    with publishing(tree.repository) as publish:
        adder = Adder(tree, request, progress)
        before = publish.stored_bytes()
        outcome = adder.run()
        refuse_ignored(outcome.ignored)
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
        with one_at_a_time(tree), publish:
            check_present(tree.repository, rows, tree.stage, adder.staged)
            head = tree.log.head()
            changeset = recorded(
                tree, intent, rows, bases, (), wanted, head, allow_empty, judge=judge,
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
        for path, (segment, row) in adder.staged.where.items()
        if is_below(path, paths, segment.rows.records[row])
    ]
