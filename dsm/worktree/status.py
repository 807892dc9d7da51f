"""What differs between head, stage and work tree.

Contents are read only where a stat cannot answer: a file whose mark does not fit, or one that
changed too close to the moment it was last looked at.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from dsm.files.stat import Stat, file_stat, hash_file, is_gone
from dsm.format.index import ABSENT, CONTENT, Mark, fits, mark_of, may_be
from dsm.model.example import Change, Example
from dsm.model.queries import QueryChange, query_changes, with_queries
from dsm.model.record_path import RECORD
from dsm.model.reports import Problem
from dsm.model.rows import KIND_NAMES
from dsm.model.status_report import Status
from dsm.progress import SILENT, Progress
from dsm.worktree.catching_up import files_at
from dsm.worktree.index import WorkIndex, folders_above
from dsm.worktree.stage import Staged
from dsm.worktree.tracked_records import has_records
from dsm.worktree.tree import WorkTree, settled

# A records file that changed is read by `status` up to this size; `diff` reads any.
TOLD_BYTES_MAX = 64 << 20


@dataclass(slots=True)
class Differences:
    """The work tree against the index."""

    modified: list[tuple[str, bytes, Stat]] = field(default_factory=list)  # path, its id now, stat
    deleted: list[str] = field(default_factory=list)
    untracked: list[str] = field(default_factory=list)
    absent: int = 0
    failed: list[Problem] = field(default_factory=list)


def compare(
    tree: WorkTree,
    index: WorkIndex,
    staged: Staged,
    starts: Iterable[str] = ("",),
    *,
    progress: Progress = SILENT,
) -> Differences:
    """Walks the work tree at and below `starts` and compares it with the index."""
    found = Differences()
    doubtful: list[tuple[str, Stat, Mark]] = []
    missing: list[tuple[str, Mark]] = []
    for start in starts:
        full = os.path.join(tree.root, start)
        if start and not os.path.isdir(full):
            _compare_single(tree, index, start, found, doubtful, missing)
            continue
        scan = tree.scan()
        visited: set[str] = set()
        for folder in scan.folders(start):
            visited.add(folder.path)
            lead = folder.path + "/" if folder.path else ""
            page = index.folder(folder.path)
            if not page:
                found.untracked += [lead + name for name in folder.names]
                continue
            get, hits = page.get, 0
            for name, st in zip(folder.names, folder.stats, strict=True):
                mark = get(name)
                # `fits`, written out: this runs once a file.
                if isinstance(mark, int) and 0 <= mark ^ hash(st) <= CONTENT:
                    hits += 1
                elif mark is None:
                    found.untracked.append(lead + name)
                else:
                    hits += 1
                    doubtful.append((lead + name, st, mark))
            if hits < len(page):
                here = set(folder.names)
                missing += [(lead + name, m) for name, m in page.items() if name not in here]
        found.failed += scan.notes.failed
        prefix = start + "/" if start else ""
        for name in index.folders():
            inside = not start or name == start or name.startswith(prefix)
            if inside and name not in visited:
                lead = name + "/" if name else ""
                missing += [(lead + n, mark) for n, mark in index.folder(name).items()]
    _settle_missing(tree, missing, found, doubtful)
    _settle_doubtful(tree, index, staged, doubtful, found, progress)
    return found


def _compare_single(
    tree: WorkTree,
    index: WorkIndex,
    path: str,
    found: Differences,
    doubtful: list[tuple[str, Stat, Mark]],
    missing: list[tuple[str, Mark]],
) -> None:
    st = file_stat(os.path.join(tree.root, path))
    mark = index.get(path)
    if st is not None:
        if mark is None:
            found.untracked.append(path)
        elif not fits(mark, st):
            doubtful.append((path, st, mark))
        return
    missing += [(below, index.get(below) or ABSENT) for below in index.below(path)]


def _settle_missing(
    tree: WorkTree,
    missing: list[tuple[str, Mark]],
    found: Differences,
    doubtful: list[tuple[str, Stat, Mark]],
) -> None:
    """A tracked file that the walk did not meet is gone, or merely ignored; or who knows, where a
    folder cannot be read."""
    closed = {problem.path for problem in found.failed}
    for path, mark in missing:
        if closed and not closed.isdisjoint((".", path, *folders_above([path]))):
            continue
        full = os.path.join(tree.root, path)
        st = file_stat(full)
        if st is not None:
            if not fits(mark, st):
                doubtful.append((path, st, mark))
        elif mark == ABSENT:
            found.absent += 1
        else:
            try:
                if is_gone(full):
                    found.deleted.append(path)
            except OSError as error:
                found.failed.append(Problem(path, error.strerror or str(error)))


def _settle_doubtful(
    tree: WorkTree,
    index: WorkIndex,
    staged: Staged,
    doubtful: list[tuple[str, Stat, Mark]],
    found: Differences,
    progress: Progress,
) -> None:
    """Reads the files whose stat does not settle the question."""
    if not doubtful:
        return
    moment = tree.moment()
    progress.start("comparing", len(doubtful), sum(st[3] for _, st, _ in doubtful))
    touched: list[tuple[str, Stat, bytes]] = []
    for path, st, mark in doubtful:
        oid = hash_file(os.path.join(tree.root, path))
        progress.advance(1, st[3])
        if oid is None:
            found.modified.append((path, b"", st))
        elif mark == oid:
            # Learnt: this stat goes with the tracked content, unless it could change unnoticed.
            index.set(path, mark_of(st, oid) if settled(st, moment) else oid)
        elif isinstance(mark, bytes) or (mark != ABSENT and not may_be(mark, oid)):
            found.modified.append((path, oid, st))
        else:
            touched.append((path, st, oid))
    # Only files that were touched and, it seems, not modified are worth asking the history.
    tracked = tree.lookup([path for path, _, _ in touched], staged) if touched else {}
    for path, st, oid in touched:
        if path in tracked and tracked[path].oid == oid:
            index.set(path, mark_of(st, oid) if settled(st, moment) else oid)
        else:
            found.modified.append((path, oid, st))
    progress.finish()


def staged_changes(staged: Staged) -> list[Change]:
    """Returns the staged changes, sorted by path; only what is to be is told, not what was."""
    changes = []
    for path in sorted(staged.where):
        segment, row = staged.where[path]
        kind = KIND_NAMES[segment.rows.kinds[row]]
        record = segment.rows.records[row] == RECORD
        changes.append(Change(kind, path, after=segment.rows.example(row), of_record=record))
    return changes


def _with_renames(tree: WorkTree, changes: list[Change]) -> list[Change]:
    """Pairs deletions with additions of the same content; asks the history only if there are both,
    because that loads pyarrow."""
    kinds = {change.kind for change in changes}
    if not {"added", "deleted"} <= kinds:
        return changes
    from dsm.history.difference import with_renames

    gone = tree.committed(change.path for change in changes if change.kind == "deleted")
    return with_renames(
        replace(change, before=gone.get(change.path)) if change.kind == "deleted" else change
        for change in changes
    )


def staged_queries(tree: WorkTree, staged: Staged) -> list[QueryChange]:
    """Returns what the next commit does to queries, sorted by name."""
    if not staged.queries:
        return []
    standing = tree.log.queries(tree.log.head())
    return query_changes(standing, with_queries(standing, staged.queries))


def status(
    tree: WorkTree, dataset: str, pattern: str | None = None, *, progress: Progress = SILENT
) -> Status:
    """Compares head, stage and work tree; new files that `pattern` does not match are left out."""
    staged = tree.stage.load()
    index = tree.index(staged)
    found = compare(tree, index, staged, progress=progress)
    tree.save(index)
    untracked, left_out = _parted(sorted(found.untracked), staged, pattern)
    head = tree.log.head()
    unstaged = [
        Change("modified", path, after=Example(path, oid, st[3], st[0] // 1000))
        for path, oid, st in found.modified
    ]
    unstaged += [Change("deleted", path) for path in found.deleted]
    unstaged = _with_records(tree, staged, unstaged, found)
    return Status(
        dataset=dataset,
        head=head,
        examples=tree.log.get(head).examples if head else 0,
        staged=tuple(_with_renames(tree, staged_changes(staged))),
        unstaged=tuple(sorted(unstaged, key=_path)),
        untracked=tuple(untracked),
        absent=found.absent,
        queries=tuple(tree.log.get(head).queries) if head else (),
        staged_queries=tuple(staged_queries(tree, staged)),
        failed=tuple(found.failed),
        left_out=tuple(left_out),
        pattern=pattern,
        files_at=files_at(tree),
    )


def _parted(
    untracked: list[str], staged: Staged, pattern: str | None
) -> tuple[list[str], list[str]]:
    """Parts new files in those that `add` takes and those that a pattern leaves out."""
    if pattern is None or not untracked:
        return untracked, []
    from dsm.model.pattern import PathPattern

    matched = PathPattern.parse(pattern).match
    taken = {path for path in untracked if path in staged.where or matched(path) is not None}
    return [p for p in untracked if p in taken], [p for p in untracked if p not in taken]


def _with_records(
    tree: WorkTree, staged: Staged, unstaged: list[Change], found: Differences
) -> list[Change]:
    """Tells of records files that changed what became of their records, unless they are large."""
    files = [(path, st) for path, _, st in found.modified if st[3] <= TOLD_BYTES_MAX]
    if not files or not has_records(tree, staged):
        return unstaged
    from dsm.worktree.records import changes_here

    told = changes_here(tree, staged, files)
    rest = [change for change in unstaged if change.path not in told]
    return rest + [change for changes in told.values() for change in changes]


def _path(change: Change) -> str:
    return change.path
