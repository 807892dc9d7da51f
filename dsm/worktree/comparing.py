"""`diff` between any two of: a snapshot, the stage, the work tree."""

from __future__ import annotations

from dataclasses import replace

from dsm.errors import InvalidInput
from dsm.history.difference import between, changes_below, queries_below
from dsm.history.difference import compare as compare_examples
from dsm.model.difference_report import Diff
from dsm.model.example import Example
from dsm.model.queries import query_changes, with_queries
from dsm.model.record_path import is_records_file
from dsm.worktree.stage import Staged
from dsm.worktree.status import Differences, compare
from dsm.worktree.tracked_records import has_records, records_of
from dsm.worktree.tree import WorkTree


def diff(
    tree: WorkTree,
    first: int | None,
    second: int | None,
    *,
    staged: bool = False,
    paths: tuple[str, ...] | None = None,
    fields: int = 0,
) -> Diff:
    """Compares two snapshots; the head (or `first`) with the stage; or what is staged (or `first`)
    with the work tree. Untracked files are no difference. Tells the `fields` of so many records."""
    found = _diff(tree, first, second, staged=staged, paths=paths)
    if not fields:
        return found
    from dsm.worktree.record_differences import record_differences

    # Fields are read as the rows of the files say, whatever paths are asked for.
    whole = found if paths is None else _diff(tree, first, second, staged=staged, paths=None)
    return replace(found, records=tuple(record_differences(tree, whole.changes, paths, fields)))


def _diff(
    tree: WorkTree,
    first: int | None,
    second: int | None,
    *,
    staged: bool,
    paths: tuple[str, ...] | None,
) -> Diff:
    if staged and second is not None:
        raise InvalidInput("--staged compares with one changeset at most")
    if second is not None and first is not None:
        changes = between(tree.snapshots(), first, second)
        queries = query_changes(tree.log.queries(first), tree.log.queries(second))
        return Diff(
            str(first), str(second), changes_below(changes, paths), queries_below(queries, paths)
        )
    if staged:
        return _against_stage(tree, first, paths)
    return _against_files(tree, first, paths)


def _states(tree: WorkTree, first: int | None, paths: set[str]) -> dict[str, Example]:
    head = tree.log.head()
    number = head if first is None else first
    return tree.snapshots().lookup(number, paths) if number else {}


def _touched_since(tree: WorkTree, first: int) -> set[str]:
    touched: set[str] = set()
    for number in range(first + 1, tree.log.head() + 1):
        table = tree.snapshots().manifests.of(number)
        if table is not None:
            touched.update(table.column("path").to_pylist())
    return touched


def _against_stage(tree: WorkTree, first: int | None, paths: tuple[str, ...] | None) -> Diff:
    held = tree.stage.load()
    touched = set(held.where)
    if first is not None:
        touched |= _touched_since(tree, first)
    before = _states(tree, first, touched)
    after = _states(tree, None, touched)
    for path, (segment, row) in held.where.items():
        example = segment.rows.example(row)
        if example is None:
            after.pop(path, None)
        else:
            after[path] = example
    name = "head" if first is None else str(first)
    head = tree.log.head()
    standing = tree.log.queries(head)
    queries = query_changes(
        standing if first is None else tree.log.queries(first), with_queries(standing, held.queries)
    )
    changes = changes_below(compare_examples(before, after), paths)
    return Diff(name, "stage", changes, queries_below(queries, paths))


def _against_files(tree: WorkTree, first: int | None, paths: tuple[str, ...] | None) -> Diff:
    staged = tree.stage.load()
    index = tree.index(staged)
    found = compare(tree, index, staged, ("",) if paths is None else paths)
    tree.save(index)
    touched = {path for path, _, _ in found.modified} | set(found.deleted)
    records = _records_now(tree, staged, found)
    touched |= set(records)
    if first is not None:
        touched |= _touched_since(tree, first) | set(staged.where)
        before = _states(tree, first, touched)
    else:
        before = tree.lookup(touched, staged) if touched else {}
    now = tree.lookup(touched, staged) if touched else {}
    for path, oid, st in found.modified:
        old = now.get(path)
        if old is not None:
            now[path] = Example(
                path, oid, st[3], old.time, old.labels, old.attributes, old.annotation,
                records=old.records,
            )  # fmt: skip
    for path in found.deleted:
        now.pop(path, None)
    for path, example in records.items():
        if example is None:
            now.pop(path, None)
        else:
            now[path] = example
    changes = changes_below(compare_examples(before, now), paths)
    if first is None:
        return Diff("stage", "work tree", changes)
    after = with_queries(tree.log.queries(tree.log.head()), staged.queries)
    queries = queries_below(query_changes(tree.log.queries(first), after), paths)
    return Diff(str(first), "work tree", changes, queries)


def _records_now(tree: WorkTree, staged: Staged, found: Differences) -> dict[str, Example | None]:
    """Returns the records, and the files of them, that are not as they are tracked; None of those
    that are gone."""
    if not (found.modified or found.deleted) or not has_records(tree, staged):
        return {}
    from dsm.worktree.records import changes_here

    told = changes_here(tree, staged, [(path, st) for path, _, st in found.modified])
    now = {change.path: change.after for changes in told.values() for change in changes}
    gone = tree.lookup(found.deleted, staged)
    files = [path for path, example in gone.items() if is_records_file(example.records)]
    return {**now, **dict.fromkeys(records_of(tree, staged, files))}
