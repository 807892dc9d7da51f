"""Removing examples: their files go first, then rows say so.

Hides what a file's place may hold instead. The invariant: a removal is staged only when no file of
it is left.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from dsm.errors import StorageFailed
from dsm.files.restore import UnsafeTarget, reachable
from dsm.format.index import ABSENT
from dsm.model.names import check_path, printable
from dsm.store import disk
from dsm.worktree.edit import refuse_unsaved, removal_rows, tracked_below
from dsm.worktree.staging import stage_without_content
from dsm.worktree.tree import WorkTree


def remove(
    tree: WorkTree, paths: tuple[str, ...], *, keep_files: bool, force: bool, dry_run: bool
) -> tuple[str, ...]:
    """Removes tracked examples at and below the paths; see `Dataset.remove`."""
    staged = tree.stage.load()
    index = tree.index(staged)
    listed = tracked_below(index, paths)
    if not keep_files:
        _refuse_behind_links(tree.root, listed)
        if not force:
            refuse_unsaved(tree, index, staged, listed)
    if not dry_run:
        rows = removal_rows(tree, staged, listed)
        if not keep_files:
            _remove_files(tree.root, listed)
            for path in listed:  # should this be unstaged: they lack a file by intent
                index.set(path, ABSENT)
        stage_without_content(tree, index, staged, rows, dict.fromkeys(listed))
    return tuple(listed)


def _refuse_behind_links(root: str, paths: Iterable[str]) -> None:
    """Raises UnsafeTarget when a file lies behind a link: it is not the dataset's to remove."""
    behind = tuple(path for path in paths if not reachable(root, check_path(path)))
    behind = tuple(path for path in behind if os.path.lexists(os.path.join(root, path)))
    if behind:
        raise UnsafeTarget(
            f"{printable(behind[0])} lies behind a link, so its file is not removed",
            hint="--keep-files removes it from the dataset alone",
            items=behind,
        )


def _remove_files(root: str, paths: Iterable[str]) -> None:
    """Removes files of the work tree and the folders that this leaves empty.

    What is no file any more, a folder say, is none of the examples and stays. Raises StorageFailed,
    before anything is removed when a folder cannot be searched.
    """
    listed = list(paths)
    for path in [path for path in listed if _is_file(root, path)]:
        disk.remove(os.path.join(root, path))
    disk.remove_empty(root, [os.path.dirname(path) for path in listed])


def _is_file(root: str, path: str) -> bool:
    """Whether anything but a folder has this name. Raises StorageFailed when nobody can tell."""
    try:
        return not stat.S_ISDIR(os.lstat(os.path.join(root, path)).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise StorageFailed(
            f"cannot look at {printable(path)}: {error.strerror}",
            hint="check the permissions of its folder; --keep-files removes the example alone",
        ) from error
