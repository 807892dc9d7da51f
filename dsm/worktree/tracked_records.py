"""The records that are tracked: which there are of a file, and rows that take them away."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dsm.model.record_path import RECORD, is_records_file
from dsm.model.rows import DELETED, FORGET, Rows
from dsm.worktree.stage import Staged
from dsm.worktree.tree import WorkTree


def records_of(tree: WorkTree, staged: Staged, files: Iterable[str]) -> dict[str, bytes]:
    """Returns the tracked records of some files, staged state first: their objects by path."""
    found: dict[str, bytes] = {}
    names = list(files)
    head = tree.log.head()
    if head and names and tree.log.get(head).records_files:
        from dsm.history.snapshot import records_below

        table = tree.snapshots().table(head)
        for name in names:
            found.update(records_below(table, name))
    leads = tuple(f"{name}#" for name in names)
    for path, (segment, row) in staged.where.items() if leads else ():
        if path.startswith(leads) and segment.rows.records[row] == RECORD:
            oid = segment.rows.oids[row]
            if oid is None:
                found.pop(path, None)
            else:
                found[path] = oid
    return found


def has_records(tree: WorkTree, staged: Staged) -> bool:
    """Whether a dataset, or what is staged of it, has any records file."""
    head = tree.log.head()
    return bool(head and tree.log.get(head).records_files) or any(
        any(each is not None for each in segment.rows.records) for segment in staged.segments
    )


def records_files(tree: WorkTree, staged: Staged) -> dict[str, str]:
    """Returns the tracked files of records, staged state first: how each is read, by path."""
    found: dict[str, str] = {}
    head = tree.log.head()
    if head and tree.log.get(head).records_files:
        from dsm.history.snapshot import files_read

        found.update(files_read(tree.snapshots().table(head)))
    for path, (segment, row) in staged.where.items():
        said = segment.rows.records[row]
        if said is not None and is_records_file(said) and segment.rows.oids[row] is not None:
            found[path] = said
        else:
            found.pop(path, None)
    return found


def archive_members(
    tree: WorkTree, staged: Staged, is_meant: Callable[[str], bool]
) -> dict[str, bytes]:
    """Returns the tracked records of those archives that are meant: their objects by path."""
    if not has_records(tree, staged):
        return {}
    from dsm.records.settings import RecordSettings

    archives = [
        path for path, said in records_files(tree, staged).items()
        if is_meant(path) and RecordSettings.from_text(said)[0].row().said_beside
    ]  # fmt: skip
    return records_of(tree, staged, archives)


def removed_records(
    tree: WorkTree, staged: Staged, paths: Iterable[str], rows: Rows
) -> dict[str, int]:
    """Appends rows that remove records; returns how many of each kind of row they are."""
    listed = list(paths)
    committed = tree.committed(path for path in listed if path in staged.where)
    kinds: dict[str, int] = {}
    for path in listed:
        kind = FORGET if path in staged.where and path not in committed else DELETED
        rows.delete(path, kind, RECORD)
        kinds[kind] = kinds.get(kind, 0) + 1
    return kinds


def remove_records_with(tree: WorkTree, staged: Staged, rows: Rows) -> None:
    """Appends rows for the records of files that rows delete, and says which files those are."""
    gone = {path: row for row, path in enumerate(rows.paths) if rows.oids[row] is None}
    files = []
    for path, example in tree.lookup(gone, staged).items():
        if example.records is not None:
            rows.records[gone[path]] = example.records
        if is_records_file(example.records):
            files.append(path)
    if files:
        removed_records(tree, staged, records_of(tree, staged, files), rows)
