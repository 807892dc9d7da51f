"""Moving examples: their files are renamed, and rows say so; no object is touched."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from dsm.errors import Conflict, DsmError, InvalidInput, StorageFailed
from dsm.files.folders import Folders, Judged, Obstructed
from dsm.files.removing import remove_empty
from dsm.files.renaming import Renamer
from dsm.files.restore import FilesChanged
from dsm.files.writing import UnsafeTarget, not_a_folder
from dsm.format.index import ABSENT, Mark
from dsm.model.names import check_path, printable
from dsm.model.record_path import is_records_file, parts_of, record_path
from dsm.model.rows import Rows
from dsm.store import disk
from dsm.worktree.catching_up import catch_up
from dsm.worktree.edit import removal_rows, stage_example, tracked_below
from dsm.worktree.index import WorkIndex
from dsm.worktree.stage import Staged
from dsm.worktree.staging import refuse_among_queries, stage_without_content
from dsm.worktree.tracked_records import records_of
from dsm.worktree.tree import WorkTree


def move(
    tree: WorkTree, source: str, target: str, *, force: bool = False, dry_run: bool = False
) -> tuple[tuple[str, str], ...]:
    """Renames a tracked file or folder and stages that; returns (old, new) path of each example.

    Raises NotFound, Conflict or InvalidInput before anything is renamed. A dry run is judged as
    the move is, and renames nothing.
    """
    if not dry_run:
        catch_up(tree, needed=False)
    staged = tree.stage.load()
    index = tree.index(staged)
    planned = _planned(tree, index, source, target, force=force)
    refuse_among_queries(tree, staged, (new for _, new in planned.pairs))
    if dry_run:
        return planned.pairs
    rows = _rows_of(tree, staged, planned.pairs)
    known = tree.lookup([path for path, _ in planned.pairs], staged)
    tree.repository.require_writable()
    _move_files(tree, planned)
    marks: dict[str, Mark | None] = dict.fromkeys((path for path, _ in planned.pairs), None)
    for path, new in planned.pairs:
        # One whose file somebody has removed is a deletion to be staged, at its new name, too.
        gone = index.get(path) == ABSENT and not os.path.lexists(os.path.join(tree.root, new))
        marks[new] = ABSENT if gone else known[path].oid
    try:
        stage_without_content(tree, index, staged, rows, marks)
    except StorageFailed:
        _move_back(tree, planned.renames)
        raise
    return planned.pairs


@dataclass(frozen=True, slots=True)
class Move:
    """What `dsm mv` does: rename `source` to `target`, and with it the examples of `pairs`.

    `renames` are what it takes on the disk: one for a folder whose new name is free, none when the
    files lie at their new names already, moved by hand, or by a move that was interrupted before
    it was recorded. `over` says of new names what is replaced.
    """

    source: str
    target: str
    pairs: tuple[tuple[str, str], ...]
    renames: tuple[tuple[str, str], ...] = ()
    over: dict[str, Judged] = field(default_factory=dict)


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
    pairs = sorted((path, check_path(target + path[len(source) :])) for path in below)
    with Folders(tree.root) as folders:
        over = _in_the_way(folders, index, pairs, done=done, force=force)
        renames = () if done else _renames(folders, source, target, pairs)
    blocking = index.in_the_way(new for _, new in pairs).difference(below)
    if blocking:
        one = min(blocking)
        raise Conflict(
            f"{printable(one)} cannot be an example and another one lie below it", items=(one,)
        )
    return Move(source, target, tuple(pairs), renames, over)


def _in_the_way(
    folders: Folders,
    index: WorkIndex,
    pairs: Sequence[tuple[str, str]],
    *,
    done: bool,
    force: bool,
) -> dict[str, Judged]:
    """Returns what is replaced at new names. Raises Conflict when that is not to be."""
    over: dict[str, Judged] = {}
    for _, new in pairs:
        try:
            entry = folders.look(new)
        except Obstructed:
            raise Conflict(
                f"a link or a file is on the way to {printable(new)}", items=(new,)
            ) from None
        except OSError as error:
            raise _unseen(new, error) from error
        on_disk = entry is not None and not done
        if (on_disk or index.get(new) is not None) and not force:
            raise Conflict(
                f"{printable(new)} exists already", hint="--force replaces it", items=(new,)
            )
        if on_disk and entry is not None:
            if entry.is_folder:
                raise Conflict(f"{printable(new)} is a folder", hint="move it away", items=(new,))
            over[new] = entry.judged()
    return over


def _renames(
    folders: Folders, source: str, target: str, pairs: Sequence[tuple[str, str]]
) -> tuple[tuple[str, str], ...]:
    """Returns the renames that a move takes: one for a folder whose new name is free.

    One rename cannot be met half done, and takes along what the folder holds besides examples.
    """
    try:
        entry = folders.look(source)
        if entry is not None and entry.is_folder and folders.look(target) is None:
            return ((source, target),)
        return tuple(pair for pair in pairs if folders.look(pair[0]) is not None)
    except Obstructed as error:
        raise UnsafeTarget(
            f"{printable(error.path)} is a link, so what lies behind it is not moved",
            hint="move it where it lies",
            items=(error.path,),
        ) from None
    except OSError as error:
        raise _unseen(source, error) from error


def _unseen(path: str, error: OSError) -> StorageFailed:
    return StorageFailed(f"cannot look at {printable(path)}: {error.strerror}")


def _rows_of(tree: WorkTree, staged: Staged, moves: Sequence[tuple[str, str]]) -> Rows:
    """Returns rows that rename examples, labels and all."""
    old = [path for path, _ in moves]
    known = tree.lookup(old, staged)
    _refuse_records(tree, staged, [new for _, new in moves])
    committed = tree.committed(new for _, new in moves)
    rows = removal_rows(tree, staged, old)
    for path, new in moves:
        stage_example(rows, replace(known[path], path=new), committed.get(new))
    files = {p: new for p, new in moves if is_records_file(known[p].records)}
    if files:
        _move_records(tree, staged, files, rows)
    return rows


def _refuse_records(tree: WorkTree, staged: Staged, targets: Sequence[str]) -> None:
    """Raises Conflict where a move would replace a file of records."""
    for path, example in tree.lookup(targets, staged).items():
        if is_records_file(example.records):
            raise Conflict(
                f"{printable(path)} is a file of records, which no other file replaces",
                hint="remove it first: `dsm rm`",
                items=(path,),
            )


def _move_records(tree: WorkTree, staged: Staged, files: Mapping[str, str], rows: Rows) -> None:
    """Appends rows that give records the names that they have by the new names of their files;
    that they lose the old ones is said already."""
    records = records_of(tree, staged, files)
    known = tree.lookup(records, staged)
    names = {}
    for path in records:
        file, key = parts_of(path)
        names[path] = check_path(record_path(files[file], key))
    committed = tree.committed(names.values())
    for path, new in names.items():
        stage_example(rows, replace(known[path], path=new), committed.get(new))


def _move_back(tree: WorkTree, renamed: Sequence[tuple[str, str]]) -> None:
    """Undoes `_move_files` as far as that is possible."""
    with Renamer(tree.root) as renamer:
        for path, new in renamed:
            with contextlib.suppress(disk.WriteFailed, OSError):
                renamer.move(new, path)
    with Folders(tree.root) as folders:
        remove_empty(folders, [new.rpartition("/")[0] for _, new in renamed], tree.occupied())


def _move_files(tree: WorkTree, move: Move) -> None:
    """Makes the renames of a move, and removes the folders that this leaves empty.

    When one of them cannot be made, those that were are undone. Raises FilesChanged when something
    has taken a new name meanwhile.
    """
    renamed: list[tuple[str, str]] = []
    try:
        with Renamer(tree.root) as renamer:
            for path, new in move.renames:
                renamed.append((path, new))
                if not renamer.move(path, new, move.over.get(new)):
                    renamed.pop()
                    raise FilesChanged(
                        f"{printable(new)} appeared or changed meanwhile, so nothing was moved",
                        hint="run the command again",
                        items=(new,),
                    )
    except Obstructed as error:
        _move_back(tree, renamed)
        raise not_a_folder(tree.root, error.path) from error
    except OSError as error:
        _move_back(tree, renamed)
        raise StorageFailed(f"cannot rename {printable(path)}: {error.strerror}") from error
    except DsmError:
        _move_back(tree, renamed)
        raise
    emptied = {path.rpartition("/")[0] for path in (move.source, *dict(move.pairs))}
    with Folders(tree.root) as folders:
        remove_empty(folders, emptied, tree.occupied())
