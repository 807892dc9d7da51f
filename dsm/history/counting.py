"""What rows do to the number of examples. A records file is none: its records are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from dsm.model.changeset import Counts
from dsm.model.record_path import is_records_file
from dsm.model.rows import ADDED, DELETED, MODIFIED, RELABELLED, Rows

if TYPE_CHECKING:
    from dsm.history.snapshot import Snapshots
    from dsm.model.example import Example


def counts_of(rows: Rows) -> Counts:
    """Counts the rows of examples by kind, and those of records files together."""
    kinds = Counter(rows.kinds)
    files = _files_in(rows)
    kinds.subtract(rows.kinds[row] for row in files)
    return _counts(kinds, len(files))


def counted(rows: Rows, files: int, snapshots: Snapshots, head: int) -> tuple[Counts, int]:
    """Returns the counts of rows over the head, which has so many records files, and how many it
    has then."""

    def lookup(paths: set[str]) -> Mapping[str, Example | None]:
        return snapshots.lookup(head, paths) if head else {}

    return counted_over(rows, files, lookup)


def counted_over(
    rows: Rows, files: int, lookup: Callable[[set[str]], Mapping[str, Example | None]]
) -> tuple[Counts, int]:
    """Returns the counts of rows over what `lookup` says of paths, where so many records files are,
    and how many there are then.

    Where an example becomes a records file it counts as deleted, the other way round as added.
    """
    concerned = _files_in(rows)
    if files and not {MODIFIED, RELABELLED}.isdisjoint(rows.kinds):
        concerned += [
            row for row, (each, kind) in enumerate(zip(rows.records, rows.kinds, strict=True))
            if each is None and kind in (MODIFIED, RELABELLED)
        ]  # fmt: skip
    if not concerned:
        return counts_of(rows), files
    before = lookup({rows.paths[row] for row in concerned})
    kinds, others = Counter(rows.kinds), 0
    for row in concerned:
        old, kind = before.get(rows.paths[row]), rows.kinds[row]
        was = old is not None and is_records_file(old.records)
        now = kind != DELETED and is_records_file(rows.records[row])
        files += now - was
        if not was and not now:
            continue
        kinds[kind] -= 1
        if was and not now and kind != DELETED:
            kinds[ADDED] += 1
        elif now and not was and old is not None:
            kinds[DELETED] += 1
        else:
            others += 1
    return _counts(kinds, others), files


def size_put(rows: Rows) -> int:
    """Returns the bytes of the examples that rows put."""
    return sum(rows.sizes) - sum(rows.sizes[row] for row in _files_in(rows))


def _files_in(rows: Rows) -> list[int]:
    """Returns which rows are of records files."""
    found = []
    for text in {each for each in set(rows.records) if is_records_file(each)}:
        row = -1
        for _ in range(rows.records.count(text)):
            row = rows.records.index(text, row + 1)  # millions of others are passed over fast
            found.append(row)
    return sorted(found)


def _counts(kinds: Counter[str], files: int) -> Counts:
    return Counts(kinds[ADDED], kinds[MODIFIED], kinds[RELABELLED], kinds[DELETED], files)
