"""Moving examples: their files are renamed, and rows say so; no object is touched."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dsm.errors import Conflict, InvalidInput, StorageFailed
from dsm.files.restore import reachable
from dsm.format.index import ABSENT, Mark
from dsm.model.names import check_path, printable
from dsm.model.rows import Rows
from dsm.store import disk
from dsm.worktree.edit import removal_rows, stage_example, tracked_below
from dsm.worktree.index import WorkIndex
from dsm.worktree.stage import Staged
from dsm.worktree.staging import refuse_among_queries, stage_without_content
from dsm.worktree.tree import WorkTree


def move(
    tree: WorkTree, source: str, target: str, *, force: bool = False
) -> tuple[tuple[str, str], ...]:
    """Renames a tracked file or folder and stages that; returns (old, new) path of each example.

    Raises NotFound, Conflict or InvalidInput before anything is renamed.
    """
    staged = tree.stage.load()
    index = tree.index(staged)
    planned = _planned(tree, index, source, target, force=force)
    refuse_among_queries(tree, staged, (new for _, new in planned.pairs))
    rows = _rows_of(tree, staged, planned.pairs)
    known = tree.lookup([path for path, _ in planned.pairs], staged)
    renamed = _move_files(tree, planned)
    marks: dict[str, Mark | None] = dict.fromkeys((path for path, _ in planned.pairs), None)
    for path, new in planned.pairs:
        # One whose file somebody has removed is a deletion to be staged, at its new name, too.
        gone = index.get(path) == ABSENT and not os.path.lexists(os.path.join(tree.root, new))
        marks[new] = ABSENT if gone else known[path].oid
    try:
        stage_without_content(tree, index, staged, rows, marks)
    except StorageFailed:
        _move_back(tree, renamed)
        raise
    return planned.pairs


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


def _planned(tree: WorkTree, index: WorkIndex, source: str, target: str, *, force: bool) -> Move:
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


def _rows_of(tree: WorkTree, staged: Staged, moves: Sequence[tuple[str, str]]) -> Rows:
    """Returns rows that rename examples, labels and all."""
    old = [path for path, _ in moves]
    known = tree.lookup(old, staged)
    committed = tree.committed(new for _, new in moves)
    rows = removal_rows(tree, staged, old)
    for path, new in moves:
        stage_example(rows, replace(known[path], path=new), committed.get(new))
    return rows


def _renames(tree: WorkTree, move: Move) -> list[tuple[str, str]]:
    """Returns the renames that a move takes: one for a folder whose new name is free.

    One rename cannot be met half done, and takes along what the folder holds besides examples.
    """
    full, target = os.path.join(tree.root, move.source), os.path.join(tree.root, move.target)
    if os.path.isdir(full) and not os.path.islink(full) and not os.path.lexists(target):
        return [(move.source, move.target)]
    return [pair for pair in move.pairs if os.path.lexists(os.path.join(tree.root, pair[0]))]


def _move_back(tree: WorkTree, renamed: Sequence[tuple[str, str]]) -> None:
    """Undoes `_move_files` as far as that is possible."""
    for path, new in renamed:
        full, target = os.path.join(tree.root, path), os.path.join(tree.root, new)
        with contextlib.suppress(disk.WriteFailed):
            if os.path.lexists(target) and not os.path.lexists(full):
                disk.make_dirs(os.path.dirname(full), durable=False)
                disk.replace(target, full)
    disk.remove_empty(tree.root, [os.path.dirname(new) for _, new in renamed])


def _move_files(tree: WorkTree, move: Move) -> list[tuple[str, str]]:
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
                _move_back(tree, renamed)
                raise
    disk.remove_empty(
        tree.root, {os.path.dirname(path) for path in (move.source, *dict(move.pairs))}
    )
    return renamed
