"""Staging without reading content: which examples, and rows that remove them."""

from __future__ import annotations

from collections.abc import Iterable

from dsm.errors import NotFound
from dsm.model.example import Example
from dsm.model.names import close_matches, printable
from dsm.model.record_path import RECORD, parts_of
from dsm.model.rows import ADDED, DELETED, FORGET, MODIFIED, RELABELLED, Rows
from dsm.worktree.index import WorkIndex
from dsm.worktree.stage import Staged
from dsm.worktree.tracked_records import has_records, remove_records_with
from dsm.worktree.tree import WorkTree


def tracked_below(index: WorkIndex, paths: Iterable[str]) -> list[str]:
    """Returns the tracked examples at or below each path, sorted. Raises NotFound for a path that
    has none, with near matches."""
    found: set[str] = set()
    for path in paths:
        below = set(index.below(path))
        if not below and path:
            folder = path.rpartition("/")[0]
            lead = folder + "/" if folder else ""
            near = close_matches(path, [lead + name for name in index.folder(folder)])
            hint = (
                f"did you mean {printable(near[0])}?" if near else "`dsm ls` lists what is tracked"
            )
            raise NotFound(f"no tracked example is {printable(path)} or lies below it", hint=hint)
        found |= below
    return sorted(found)


def kind_against_head(example: Example, committed: Example | None) -> str:
    """Returns what a staged row that puts `example` does to the head: A, M, L, or F for nothing."""
    if committed is None:
        return ADDED
    if committed.oid != example.oid:
        return MODIFIED
    return FORGET if example.same_meaning(committed) else RELABELLED


def stage_example(rows: Rows, example: Example, committed: Example | None) -> None:
    """Appends the row that makes an example of the head, if any, the given one."""
    kind = kind_against_head(example, committed)
    if kind == FORGET:
        rows.delete(example.path, FORGET)
    else:
        rows.put(kind, example)


def removal_rows(tree: WorkTree, staged: Staged, paths: Iterable[str]) -> Rows:
    """Returns rows that remove tracked examples."""
    rows = Rows()
    listed = list(paths)
    committed = tree.committed(path for path in listed if path in staged.where)
    for path in listed:
        only_staged = path in staged.where and path not in committed
        rows.delete(path, FORGET if only_staged else DELETED)
    if has_records(tree, staged):
        remove_records_with(tree, staged, rows)
    return rows


def named_records(
    tree: WorkTree, index: WorkIndex, staged: Staged, paths: Iterable[str]
) -> list[str]:
    """Returns those of the paths that are records, sorted."""
    named = [path for path in paths if parts_of(path)[0] and index.get(path) is None]
    found = tree.lookup(named, staged) if named and has_records(tree, staged) else {}
    return sorted(path for path, each in found.items() if each.records == RECORD)
