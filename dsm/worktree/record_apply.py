"""`restore --apply`: a records file as its records are: without those that were withdrawn, with the
content that others have now, and with those at its end that it lacks.

The new state is made of the last one, line by line, and read as any state is: its records must be
the tracked ones. It is staged first and then written, so a crash in between leaves a file that a
plain `restore` brings to it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO, cast

from dsm.errors import Conflict, InvalidInput, NotFound
from dsm.files.restore import UnsavedWork
from dsm.files.stat import hash_file
from dsm.format.index import ABSENT
from dsm.model.example import Example
from dsm.model.names import printable
from dsm.model.record_path import is_records_file
from dsm.model.restore_reports import AppliedRecords
from dsm.model.rows import Rows
from dsm.records.gathering import Read
from dsm.records.reader import read_lines, read_records
from dsm.records.settings import RecordSettings
from dsm.worktree.edit import stage_example
from dsm.worktree.publish import publishing
from dsm.worktree.records import RecordsFiles
from dsm.worktree.request import Request
from dsm.worktree.restore import restore
from dsm.worktree.stage import Staged
from dsm.worktree.staging import stage_rows
from dsm.worktree.tracked_records import records_of
from dsm.worktree.tree import WorkTree

_BY_LINES = ("jsonl", "csv", "tsv", "text")


def apply_records(
    tree: WorkTree, paths: tuple[str, ...] | None, now: int, *, dry_run: bool
) -> tuple[AppliedRecords, ...]:
    """Rewrites records files at or below the paths; see `Dataset.apply_records`."""
    staged = tree.stage.load()
    files = _files(tree, staged, paths)
    told = []
    for path in sorted(files):
        change = _Change(tree, staged, files[path])
        if not change.needed:
            continue
        change.require_fit()
        if not dry_run:
            _perform(tree, change, now)
        told.append(change.report())
    return tuple(told)


def _files(tree: WorkTree, staged: Staged, paths: tuple[str, ...] | None) -> dict[str, Example]:
    index = tree.index(staged)
    named = [each for top in ("",) if paths is None for each in index.below(top)]
    named += [each for top in paths or () for each in index.below(top)]
    found = {
        path: example for path, example in tree.lookup(named, staged).items()
        if is_records_file(example.records)
    }  # fmt: skip
    for top in paths or ():
        if top and not any(path == top or path.startswith(f"{top}/") for path in found):
            raise NotFound(
                f"no records file is {printable(top)} or lies below it",
                hint="name the file, without '#' and a key", items=(top,),
            )  # fmt: skip
    return found


class _Change:
    """What a records file has otherwise than its records are tracked."""

    def __init__(self, tree: WorkTree, staged: Staged, file: Example):
        assert file.records is not None
        self.tree, self.file, self.store = tree, file, tree.repository.store
        self.settings = RecordSettings.from_text(file.records)[0]
        lead = len(file.path) + 1
        tracked = records_of(tree, staged, [file.path])
        self.tracked = {path[lead:]: oid for path, oid in tracked.items()}
        with self.store.open(file.oid) as content:
            self.read = read_records(cast(BinaryIO, content), file.path, self.settings.asked())
        self.gone = [key for key in self.read.keys if key not in self.tracked]
        own = dict(zip(self.read.keys, self.read.oids, strict=True))
        self.edited = [k for k, oid in own.items() if self.tracked.get(k, oid) != oid]
        self.new = [key for key in self.tracked if key not in own]

    @property
    def needed(self) -> bool:
        return bool(self.gone or self.edited or self.new)

    def report(self) -> AppliedRecords:
        return AppliedRecords(self.file.path, len(self.gone), len(self.edited), len(self.new))

    def require_fit(self) -> None:
        """Raises InvalidInput for a file that is no lines, UnsavedWork for one that changed."""
        shown = printable(self.file.path)
        if self.settings.format not in _BY_LINES or self.settings.found.compression is not None:
            raise InvalidInput(
                f"{shown} is no plain file of lines or rows, so dsm does not rewrite it",
                hint="`dsm get` writes its records, without those that are withdrawn",
                items=(self.file.path,),
            )
        full = os.path.join(self.tree.root, self.file.path)
        if os.path.lexists(full) and hash_file(full) != self.file.oid:
            raise UnsavedWork(
                f"{shown} has changes that are not staged, so it is not rewritten",
                hint="`dsm add` takes them, `dsm restore --force` drops them",
                items=(self.file.path,),
            )

    def lines(self) -> Iterator[bytes]:
        """Yields the lines of the new state."""
        keys = dict(zip(self.read.numbers, self.read.keys, strict=True))
        sizes = dict(zip(self.read.numbers, self.read.sizes, strict=True))
        gone, edited = {*self.gone}, {*self.edited}
        last, crlf = b"", False
        with self.store.open(self.file.oid) as content:
            number = 0
            for first in content:
                number += 1
                at = 3 if number == 1 and first.startswith(b"\xef\xbb\xbf") else 0
                key, size, row, begin = keys.get(number), sizes.get(number, 0), first, at
                while key is not None and len(row) < begin + size:  # a row of several lines
                    row += next(content)
                    number += 1
                crlf = row.endswith(b"\r\n") or (crlf and not row.endswith(b"\n"))
                if key in gone:
                    row = row[:begin]
                elif key in edited:
                    assert key is not None
                    row = row[:begin] + self._content(key) + row[begin + size :]
                if row:
                    last = row
                    yield row
        end = b"\r\n" if crlf else b"\n"
        for key in self.new:
            lead = b"" if not last or last.endswith(b"\n") else end
            last = lead + self._content(key) + end
            yield last

    def _content(self, key: str) -> bytes:
        return self.store.read(self.tracked[key])

    def renumbered(self, read: Read) -> dict[str, str]:
        """Returns the new keys of records that have others in the new state, by their old ones: of
        equal contents without a key, later ones are counted.

        Raises Conflict when the new state has other records than those that are tracked.
        """
        gone = {*self.gone}
        before = [*(key for key in self.read.keys if key not in gone), *self.new]
        same = [self.tracked[key] for key in before] == read.oids
        if not same or (self.settings.key and before != read.keys):
            raise Conflict(
                f"{printable(self.file.path)} cannot be made of its records alone: some come from a"
                " state with other columns, or their bytes are not one row here",
                hint="`dsm get` writes the records as they are; add what comes of that",
                items=(self.file.path,),
            )
        pairs = zip(before, read.keys, strict=True)
        return {old: new for old, new in pairs if old != new}


def _take_along(
    tree: WorkTree, staged: Staged, rows: Rows, file: str, renumbered: dict[str, str]
) -> None:
    """Appends rows that give records what was said of them under the keys that they had."""
    known = tree.lookup((f"{file}#{old}" for old in renumbered), staged)
    committed = tree.committed(f"{file}#{new}" for new in renumbered.values())
    for old, new in renumbered.items():
        after = replace(known[f"{file}#{old}"], path=f"{file}#{new}")
        stage_example(rows, after, committed.get(after.path))


def _perform(tree: WorkTree, change: _Change, now: int) -> None:
    path = change.file.path
    with publishing(tree.repository) as publish:
        staged = tree.stage.load()
        index = tree.index(staged)
        files = RecordsFiles(tree, Request((path,)), staged)
        read = read_lines(change.lines(), path, change.settings.asked(), tree.repository.store)
        renumbered = change.renumbered(read)
        added = files.take_read(path, read, now)
        _take_along(tree, staged, added.rows, path, renumbered)
        here = os.path.lexists(os.path.join(tree.root, path))
        with publish:
            stage_rows(tree, index, staged, added.rows, {path: read.oid if here else ABSENT})
    restore(tree, (path,), None, None, force=True, dry_run=False)
