"""What the fields of records that changed were and are, for `dsm diff --records`.

The bytes of a record come from the store; of one that nobody has added yet, from its file here.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from dsm.errors import InvalidInput
from dsm.history.difference import changes_below
from dsm.model.difference_report import RecordDifference
from dsm.model.example import Change, Example
from dsm.model.record_path import RECORD, is_records_file, parts_of
from dsm.records.reader import fields_of, read_records
from dsm.records.settings import RecordSettings
from dsm.records.whole import hash_of_stream
from dsm.store.chunks import ReadInto
from dsm.worktree.tree import WorkTree


class _Wanted:
    """Stands for a store while a file is read, and keeps the records that were asked for."""

    def __init__(self, oids: Iterable[bytes]):
        self._oids = frozenset(oids)
        self.found: dict[bytes, bytes] = {}

    def put(self, data: bytes, suffix: str = "", pieces: list[bytes] | None = None) -> bytes:
        return bytes(32)

    def put_group(
        self, data: bytes, members: Mapping[bytes, tuple[int, int]], suffix: str
    ) -> bytes:
        for oid in self._oids & members.keys():
            at, size = members[oid]
            self.found[oid] = data[at : at + size]
        return bytes(32)

    def put_list(self, oid: bytes, size: int, rows: bytes) -> None:
        return

    def put_stream(
        self, readinto: ReadInto, suffix: str = "", pieces: list[bytes] | None = None
    ) -> tuple[bytes, int]:
        return hash_of_stream(readinto)


def record_differences(
    tree: WorkTree,
    changes: Iterable[Change],
    paths: Collection[str] | None,
    limit: int | None,
) -> list[RecordDifference]:
    """Returns the fields of records at or below the paths that differ, in the order of changes.

    Among the changes are those of the files. What has no fields, such as a picture in a tar, or
    cannot be read any more, has none here either, nor has what lies behind the `limit`.
    """
    listed = list(changes)
    files = {
        change.path: change for change in listed
        if any(e is not None and is_records_file(e.records) for e in (change.before, change.after))
    }  # fmt: skip
    records = [
        each for each in changes_below(listed, paths)
        if any(e is not None and e.records == RECORD for e in (each.before, each.after))
    ]  # fmt: skip
    content = _contents(tree, records[:limit], files)
    found = []
    for number, each in enumerate(records):
        old, new = each.before, each.after
        if limit is not None and number >= limit:
            found.append(RecordDifference(each))
            continue
        if old is not None and new is not None and old.oid == new.oid:
            found.append(RecordDifference(each))
            continue
        home = files.get(parts_of(each.path)[0])
        was = _fields(old, None if home is None else home.before, content)
        now = _fields(new, None if home is None else home.after, content)
        fields = {
            name: (was.get(name), now.get(name))
            for name in dict.fromkeys((*was, *now))
            if name not in was or name not in now or not _same(was[name], now[name])
        }
        found.append(RecordDifference(each, fields))
    return found


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) or (one != one and other != other)  # NaN is NaN


def _fields(
    record: Example | None, file: Example | None, content: Mapping[bytes, bytes]
) -> dict[str, Any]:
    if record is None or file is None or not is_records_file(file.records):
        return {}
    assert file.records is not None
    try:
        settings = RecordSettings.from_text(file.records)[0]
        return fields_of(content[record.oid], settings)
    except (ValueError, KeyError, InvalidInput):
        return {}


def _contents(
    tree: WorkTree, records: list[Change], files: Mapping[str, Change]
) -> dict[bytes, bytes]:
    """Returns the bytes of records by their ids, as far as they can be had."""
    store = tree.repository.store
    examples = [e for change in records for e in (change.before, change.after) if e is not None]
    missing = store.unreachable(e.oid for e in examples)
    stored = {e.oid for e in examples} - missing
    content = {oid: data for oid, data in store.read_many(stored) if data is not None}
    lacking: dict[str, set[bytes]] = {}
    for example in examples:
        if example.oid in missing:
            lacking.setdefault(parts_of(example.path)[0], set()).add(example.oid)
    for path, oids in lacking.items():
        after = files[path].after if path in files else None
        if after is None or not is_records_file(after.records):
            continue
        assert after.records is not None
        wanted = _Wanted(oids)
        try:
            settings = RecordSettings.from_text(after.records)[0].asked()
            with open(os.path.join(tree.root, path), "rb", buffering=0) as file:
                read_records(file, path, settings, wanted)
        except (OSError, InvalidInput):  # it changes meanwhile
            continue
        content.update(wanted.found)
    return content
