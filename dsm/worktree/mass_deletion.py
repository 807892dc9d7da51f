"""Mass deletions: a commit that removes most of a dataset, or all of one of its folders.

That is rarely meant and easily made, by a disk that is not mounted or a script that cleans up too
much. Every commit says so; one that would record deletions that nobody asked for, by a path, by -A
or by `dsm rm`, is refused. Examples that only get another path are not removed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from dsm.errors import Refused
from dsm.model.record_path import RECORD, is_records_file, parts_of
from dsm.model.rows import ADDED, DELETED, Rows
from dsm.worktree.index import WorkIndex
from dsm.worktree.tree import WorkTree

if TYPE_CHECKING:
    from dsm.model.removal_reports import MassDeletion

# The removal of a single example is none, however few there are.
EXAMPLES_MIN = 2
LISTED_MAX = 1000


class MassDeletionRefused(Refused):
    """A commit would remove most of a dataset, or all of a folder, though nobody asked for that."""

    code = "mass-deletion"


def refuse_mass_deletion(tree: WorkTree, index: WorkIndex, rows: Rows, staged: Rows) -> None:
    """Raises MassDeletionRefused when the deletions among `rows` are one; `staged` came before."""
    already = staged.kinds.count(DELETED)
    found = find_mass_deletion(tree, index, rows, other=staged, already=already)
    if found is not None:
        raise MassDeletionRefused(
            f"this commit would remove {found.text}",
            hint="if the files are only away (is a disk not mounted?), bring them back; if they are"
            " meant to go, use --allow-mass-delete, or `dsm add -A PATH` first",
            items=found.paths,
        )


def find_mass_deletion(
    tree: WorkTree, index: WorkIndex, rows: Rows, *, other: Rows | None = None, already: int = 0
) -> MassDeletion | None:
    """Returns what rows remove, if that is more than half of the examples or a whole folder.

    `other` are rows that may hold the new paths of what was renamed; `already` examples of the
    head do not count any more. A folder is one directly below the dataset's root. The index may
    have seen the rows, or not.
    """
    deleted = _deleted(rows)
    head = tree.log.head()
    if len(deleted) < EXAMPLES_MIN or not head:
        return None
    examples = tree.log.get(head).examples - already
    put = [
        path for path, oid in zip(rows.paths, rows.oids, strict=True) if oid is not None
    ]  # what takes the place of others in a folder
    folders = _emptied(index, deleted, put)
    if not folders and len(deleted) * 2 <= examples:
        return None
    moved = _moved(tree, deleted, [rows, *([other] if other is not None else [])])
    removed = sorted(path for path in deleted if path not in moved)
    folders -= {path.partition("/")[0] for path in moved}
    if len(removed) < EXAMPLES_MIN or not (folders or len(removed) * 2 > examples):
        return None
    from dsm.model.removal_reports import MassDeletion

    return MassDeletion(len(removed), examples, tuple(sorted(folders)), tuple(removed[:LISTED_MAX]))


def _deleted(rows: Rows) -> list[str]:
    """Returns the examples that go. Records that a file has no more, as it stays, are none of them:
    nobody loses a file of lines by chance, and a record without a key goes when it is edited."""
    deleted = [row for row, kind in enumerate(rows.kinds) if kind == DELETED]
    files = {rows.paths[row] for row in deleted if is_records_file(rows.records[row])}
    return [
        rows.paths[row] for row in deleted
        if rows.records[row] is None
        or (rows.records[row] == RECORD and parts_of(rows.paths[row])[0] in files)
    ]  # fmt: skip


def _emptied(index: WorkIndex, deleted: list[str], put: list[str]) -> set[str]:
    """Returns the folders below the root that lose two examples or more, and all they have."""
    tops = Counter(path.partition("/")[0] for path in deleted if "/" in path)
    found = {top for top, count in tops.items() if count >= EXAMPLES_MIN}
    found.difference_update(path.partition("/")[0] for path in put)
    if found:
        gone = set(deleted)
        for folder in index.folder_names():
            top = folder.partition("/")[0]
            if top in found and any(
                f"{folder}/{name}" not in gone for name in index.folder(folder)
            ):
                found.discard(top)
    return found


def _moved(tree: WorkTree, deleted: list[str], put: Iterable[Rows]) -> set[str]:
    """Returns the deleted examples whose content is put elsewhere."""
    arriving = Counter(
        oid
        for rows in put
        for kind, oid in zip(rows.kinds, rows.oids, strict=True)
        if kind == ADDED and oid is not None
    )
    if not arriving:
        return set()
    moved = set()
    for path, example in sorted(tree.committed(deleted).items()):
        if arriving[example.oid]:
            arriving[example.oid] -= 1
            moved.add(path)
    return moved
