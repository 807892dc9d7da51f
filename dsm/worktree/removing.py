"""Removing examples: their files go first, then rows say so.

Hides what a file's place may hold instead. The invariant: a removal is staged only when no file of
it is left.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field

from dsm.errors import StorageFailed
from dsm.files.folders import Entry, Folders, Judged, Obstructed
from dsm.files.removing import remove_empty, remove_judged
from dsm.files.restore import FilesChanged, UnsavedWork
from dsm.files.stat import file_stat, hash_file
from dsm.files.writing import UnsafeTarget
from dsm.format.index import ABSENT, fits
from dsm.model.names import check_path, printable
from dsm.model.pattern import PathPattern
from dsm.model.record_path import is_records_file
from dsm.repo.dataset_settings import read_settings
from dsm.worktree.carrying import Carrier
from dsm.worktree.catching_up import catch_up
from dsm.worktree.edit import named_records, removal_rows, tracked_below
from dsm.worktree.index import WorkIndex
from dsm.worktree.request import Request
from dsm.worktree.stage import Staged
from dsm.worktree.staging import stage_without_content
from dsm.worktree.tracked_records import has_records, records_of, removed_records
from dsm.worktree.tree import WorkTree


@dataclass(frozen=True, slots=True)
class Removal:
    """What `dsm rm` does: stage the removal of `paths`, and remove those of their files."""

    paths: tuple[str, ...]
    files: dict[str, Judged] = field(default_factory=dict)


def remove(
    tree: WorkTree, paths: tuple[str, ...], *, keep_files: bool, force: bool, dry_run: bool
) -> tuple[str, ...]:
    """Removes tracked examples at and below the paths; see `Dataset.remove`."""
    if not dry_run:
        catch_up(tree, needed=False)
    staged = tree.stage.load()
    index = tree.index(staged)
    records = tuple(named_records(tree, index, staged, paths))
    listed = tuple(tracked_below(index, [path for path in paths if path not in set(records)]))
    files = {} if keep_files else _files_of(tree, index, staged, listed, force=force)
    planned = Removal(_examples(tree, staged, listed, records), files)
    if not dry_run:
        tree.repository.require_writable()
        rows = removal_rows(tree, staged, listed)
        # What was added at another path before takes along what was said of these.
        Carrier(tree, _of_the_pattern(tree), staged).carry(
            rows, (), {path: index.get(path) for path in listed}
        )
        if records:
            said = set(rows.paths)
            removed_records(tree, staged, (path for path in records if path not in said), rows)
        if not keep_files:
            _remove_files(tree, planned)
            for path in listed:  # should this be unstaged: they lack a file by intent
                index.set(path, ABSENT)
        stage_without_content(tree, index, staged, rows, dict.fromkeys(listed))
    return planned.paths


def _examples(
    tree: WorkTree, staged: Staged, listed: tuple[str, ...], records: tuple[str, ...]
) -> tuple[str, ...]:
    """Returns the examples that go: records in the place of their files."""
    if not has_records(tree, staged):
        return listed
    known = tree.lookup(listed, staged)
    files = {path for path, example in known.items() if is_records_file(example.records)}
    others = (path for path in listed if path not in files)
    return tuple(sorted({*others, *records, *records_of(tree, staged, files)}))


def _of_the_pattern(tree: WorkTree) -> Request:
    repository, name = tree.repository, tree.log.name
    pattern = read_settings(repository, name).pattern_of(repository.identity(name))
    return Request((), default_pattern=None if pattern is None else PathPattern.parse(pattern))


def _files_of(
    tree: WorkTree, index: WorkIndex, staged: Staged, paths: Iterable[str], *, force: bool
) -> dict[str, Judged]:
    """Returns the files of some examples.

    What is no file any more, a folder or a pipe say, is none of the examples and stays. Raises
    UnsafeTarget for what lies behind a link, UnsavedWork unless `force`, and StorageFailed when a
    folder cannot be searched.
    """
    found: list[Entry] = []
    behind: list[str] = []
    with Folders(tree.root) as folders:
        for path in paths:
            try:
                entry = folders.look(check_path(path))
            except Obstructed:
                if os.path.lexists(os.path.join(tree.root, path)):
                    behind.append(path)
                continue
            except OSError as error:
                raise StorageFailed(
                    f"cannot look at {printable(path)}: {error.strerror}",
                    hint="check the permissions of its folder; --keep-files removes the example"
                    " alone",
                ) from error
            if entry is not None and (entry.is_file or entry.is_link):
                found.append(entry)
        if behind:
            raise UnsafeTarget(
                f"{printable(behind[0])} lies behind a link, so its file is not removed",
                hint="--keep-files removes it from the dataset alone",
                items=tuple(behind),
            )
        if not force:
            _refuse_unsaved(tree, index, staged, found)
    return {entry.path: entry.judged() for entry in found}


def _refuse_unsaved(
    tree: WorkTree, index: WorkIndex, staged: Staged, entries: Iterable[Entry]
) -> None:
    """Raises UnsavedWork when a file differs from what is tracked of it."""
    doubtful: dict[str, Entry] = {}
    for entry in entries:
        st = file_stat(os.path.join(tree.root, entry.path)) if entry.is_link else entry.stat
        if st is not None and not fits(index.get(entry.path), st):
            doubtful[entry.path] = entry
    known = tree.lookup(doubtful, staged)
    unsaved = []
    for path, entry in doubtful.items():
        oid = hash_file(os.path.join(tree.root, path)) if entry.is_link else entry.hash()
        if path not in known or oid != known[path].oid:
            unsaved.append(path)
    if unsaved:
        raise UnsavedWork(
            "1 file changed since it was added"
            if len(unsaved) == 1
            else f"{len(unsaved)} files changed since they were added",
            hint="`dsm add` them, keep the files with --keep-files, or lose them with --force",
            items=tuple(unsaved),
        )


def _remove_files(tree: WorkTree, planned: Removal) -> None:
    """Removes the files and the folders that this leaves empty.

    Raises FilesChanged when one of them is not what it was a moment ago, or leads elsewhere now.
    """
    left = []
    with Folders(tree.root) as folders:
        for path, judged in planned.files.items():
            try:
                gone = remove_judged(folders, path, judged)
            except OSError:
                gone = False
            if not gone:
                left.append(path)
        if not left:
            parents = {path.rpartition("/")[0] for path in planned.files}
            remove_empty(folders, parents, tree.occupied())
    if left:
        raise FilesChanged(
            f"{printable(left[0])} changed while files were removed, so no removal is staged",
            hint="`dsm status` tells which files are left; run the command again",
            items=tuple(left),
        )
