"""Staging without reading content: relabel, remove, move. Rows only; no object is touched."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from dsm.errors import Conflict, InvalidInput, NotFound
from dsm.format.index import fits
from dsm.model.example import Example
from dsm.model.names import check_path, close_matches, printable
from dsm.model.rows import ADDED, DELETED, FORGET, MODIFIED, RELABELLED, Rows
from dsm.store import disk
from dsm.worktree.index import WorkIndex
from dsm.worktree.restore import UnsafeTarget, reachable
from dsm.worktree.stage import Staged
from dsm.worktree.status import file_stat, hash_file
from dsm.worktree.tree import WorkTree


class UnsavedChanges(Conflict):
    """Files hold content that is neither committed nor staged."""

    code = "unsaved-work"


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


def _stage(rows: Rows, example: Example, committed: Example | None) -> None:
    kind = kind_against_head(example, committed)
    if kind == FORGET:
        rows.delete(example.path, FORGET)
    else:
        rows.put(kind, example)


def relabel_rows(
    tree: WorkTree,
    staged: Staged,
    paths: Sequence[str],
    *,
    replacing: tuple[str, ...] | None,
    add: tuple[str, ...],
    remove: tuple[str, ...],
) -> Rows:
    """Returns rows that relabel tracked examples; unchanged ones are left out."""
    known = tree.lookup(paths, staged)
    committed = tree.committed(path for path in paths if path in staged.where)
    rows = Rows()
    for path in paths:
        before = known[path]
        labels = set(before.labels if replacing is None else replacing)
        after = replace(before, labels=tuple(sorted((labels | set(add)) - set(remove))))
        if after.labels != before.labels:
            base = committed.get(path) if path in staged.where else before
            _stage(rows, after, base)
    return rows


def removal_rows(tree: WorkTree, staged: Staged, paths: Iterable[str]) -> Rows:
    """Returns rows that remove tracked examples."""
    rows = Rows()
    listed = list(paths)
    committed = tree.committed(path for path in listed if path in staged.where)
    for path in listed:
        only_staged = path in staged.where and path not in committed
        rows.delete(path, FORGET if only_staged else DELETED)
    return rows


def refuse_unsaved(tree: WorkTree, index: WorkIndex, staged: Staged, paths: Iterable[str]) -> None:
    """Raises UnsavedChanges when a file differs from what is tracked of it."""
    doubtful = []
    for path in paths:
        st = file_stat(os.path.join(tree.root, path))
        if st is not None and not fits(index.get(path), st):
            doubtful.append(path)
    known = tree.lookup(doubtful, staged)
    unsaved = [
        path
        for path in doubtful
        if path not in known or hash_file(os.path.join(tree.root, path)) != known[path].oid
    ]
    if unsaved:
        raise UnsavedChanges(
            f"{len(unsaved)} file{'s' * (len(unsaved) > 1)} changed since they were added",
            hint="`dsm add` them, keep the files with --keep-files, or lose them with --force",
            items=tuple(unsaved),
        )


def refuse_behind_links(root: str, paths: Iterable[str]) -> None:
    """Raises UnsafeTarget when a file lies behind a link: it is not the dataset's to remove."""
    behind = tuple(path for path in paths if not reachable(root, check_path(path)))
    behind = tuple(path for path in behind if os.path.lexists(os.path.join(root, path)))
    if behind:
        raise UnsafeTarget(
            f"{printable(behind[0])} lies behind a link, so its file is not removed",
            hint="--keep-files removes it from the dataset alone",
            items=behind,
        )


def remove_files(root: str, paths: Iterable[str]) -> None:
    """Removes files of the work tree and the folders that this leaves empty.

    What is no file any more, a folder say, is none of the examples and stays.
    """
    folders = set()
    for path in paths:
        full = os.path.join(root, path)
        if os.path.lexists(full) and (os.path.islink(full) or not os.path.isdir(full)):
            disk.remove(full)
        folders.add(os.path.dirname(path))
    disk.remove_empty(root, folders)


@dataclass(frozen=True)
class Move:
    """What `dsm mv` does: rename `source` to `target`, and with it the examples of `pairs`.

    `done` says that the files lie at their new names already: moved by hand, or by a move that was
    interrupted before it was recorded.
    """

    source: str
    target: str
    pairs: tuple[tuple[str, str], ...]
    done: bool


def _moved_already(root: str, source: str, target: str, below: Sequence[str]) -> bool:
    """Whether nothing is left at the source and the target holds what was there."""
    if os.path.lexists(os.path.join(root, source)):
        return False
    return any(os.path.isfile(os.path.join(root, target + path[len(source) :])) for path in below)


def plan_move(tree: WorkTree, index: WorkIndex, source: str, target: str, *, force: bool) -> Move:
    """Returns what a move does, and to which examples.

    A target that is a folder receives the source. Raises NotFound, Conflict or InvalidInput.
    """
    if not source:
        raise InvalidInput("the root of a dataset cannot be moved")
    tracked_below(index, [source])
    below = [check_path(path) for path in index.below(source)]
    holds_examples = any(True for _ in index.below(target) if index.get(target) is None)
    done = not holds_examples and _moved_already(tree.root, source, target, below)
    if not done:
        is_folder = not target or os.path.isdir(os.path.join(tree.root, target))
        if is_folder or holds_examples:
            name = source.rpartition("/")[2]
            target = f"{target}/{name}" if target else name
        done = _moved_already(tree.root, source, target, below)
    if target == source or target.startswith(source + "/"):
        raise InvalidInput(f"cannot move {printable(source)} into itself")
    moves = []
    for path in below:
        new = check_path(target + path[len(source) :])
        on_disk = not done and os.path.lexists(os.path.join(tree.root, new))
        if (on_disk or index.get(new) is not None) and not force:
            raise Conflict(
                f"{printable(new)} exists already", hint="--force replaces it", items=(new,)
            )
        if not reachable(tree.root, new):
            raise Conflict(f"a link or a file is on the way to {printable(new)}", items=(new,))
        moves.append((path, new))
    blocking = index.in_the_way(new for _, new in moves).difference(below)
    if blocking:
        one = min(blocking)
        raise Conflict(
            f"{printable(one)} cannot be an example and another one lie below it", items=(one,)
        )
    return Move(source, target, tuple(sorted(moves)), done)


def move_rows(tree: WorkTree, staged: Staged, moves: Sequence[tuple[str, str]]) -> Rows:
    """Returns rows that rename examples, labels and all."""
    old = [path for path, _ in moves]
    known = tree.lookup(old, staged)
    committed = tree.committed(new for _, new in moves)
    rows = removal_rows(tree, staged, old)
    for path, new in moves:
        _stage(rows, replace(known[path], path=new), committed.get(new))
    return rows


def _renames(tree: WorkTree, move: Move) -> list[tuple[str, str]]:
    """Returns the renames that a move takes: one for a folder whose new name is free.

    One rename cannot be met half done, and takes along what the folder holds besides examples.
    """
    full, target = os.path.join(tree.root, move.source), os.path.join(tree.root, move.target)
    if os.path.isdir(full) and not os.path.islink(full) and not os.path.lexists(target):
        return [(move.source, move.target)]
    return [pair for pair in move.pairs if os.path.lexists(os.path.join(tree.root, pair[0]))]


def move_back(tree: WorkTree, renamed: Sequence[tuple[str, str]]) -> None:
    """Undoes `move_files` as far as that is possible."""
    for path, new in renamed:
        full, target = os.path.join(tree.root, path), os.path.join(tree.root, new)
        with contextlib.suppress(disk.WriteFailed):
            if os.path.lexists(target) and not os.path.lexists(full):
                disk.make_dirs(os.path.dirname(full), durable=False)
                disk.replace(target, full)
    disk.remove_empty(tree.root, [os.path.dirname(new) for _, new in renamed])


def move_files(tree: WorkTree, move: Move) -> list[tuple[str, str]]:
    """Renames what is there of the files of a move; returns the renames that it made.

    When one of them cannot be renamed, those that were are renamed back.
    """
    renamed: list[tuple[str, str]] = []
    if not move.done:
        for path, new in _renames(tree, move):
            target = os.path.join(tree.root, new)
            renamed.append((path, new))
            try:
                disk.make_dirs(os.path.dirname(target), durable=False)
                disk.replace(os.path.join(tree.root, path), target)
            except disk.WriteFailed:
                move_back(tree, renamed)
                raise
    disk.remove_empty(
        tree.root, {os.path.dirname(path) for path in (move.source, *dict(move.pairs))}
    )
    return renamed
