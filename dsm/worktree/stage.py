"""The stage: what the next changeset will hold.

Every command that stages writes one segment file under an exclusive name; the stage is their fold,
last writer wins. A commit notes which segments it consumes under its transaction id before it
creates the changeset: whoever finds the note later knows from the log whether they are used up.
So a crash between the commit point and the clearing of the stage needs no repair.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from dsm.errors import DamagedData
from dsm.format import segment as fmt
from dsm.format import stage_note
from dsm.format.stage_note import SUFFIX as NOTE
from dsm.format.stage_note import StageNote
from dsm.model.queries import StagedQuery
from dsm.model.rows import FORGET, Rows
from dsm.repo.log import ChangesetLog
from dsm.repo.repository import Repository
from dsm.store import disk
from dsm.store.whole_file import create_file, read_file

SEGMENT = ".stage"
_NUMBERED = re.compile(r"[0-9]{8}-.*\.stage\Z")


@dataclass(frozen=True, slots=True)
class Segment:
    """One staged batch; `base` is the head that it was judged against.

    `queries` holds by name the document of a query, None for one that is removed, and FORGET for
    one that is not staged any more.
    """

    name: str
    base: int
    rows: Rows
    queries: Mapping[str, Any] = field(default_factory=dict)


class Staged:
    """The fold of all segments. `forgotten` names paths that a commit has used up, by segment."""

    def __init__(
        self, segments: list[Segment], forgotten: Mapping[str, frozenset[str]] | None = None
    ):
        self.segments = segments
        self.forgotten = forgotten or {}

    @cached_property
    def where(self) -> dict[str, tuple[Segment, int]]:
        """The live rows: (segment, row) by path."""
        where: dict[str, tuple[Segment, int]] = {}
        for segment in self.segments:
            drop = self.forgotten.get(segment.name, ())
            rows = segment.rows
            for row, (path, kind) in enumerate(zip(rows.paths, rows.kinds, strict=True)):
                if path in drop:
                    continue
                if kind == FORGET:
                    where.pop(path, None)
                else:
                    where[path] = (segment, row)
        return where

    @cached_property
    def queries(self) -> dict[str, StagedQuery]:
        """The staged queries by name, sorted."""
        found: dict[str, StagedQuery] = {}
        for segment in self.segments:
            for name, document in segment.queries.items():
                if document == FORGET:
                    found.pop(name, None)
                else:
                    found[name] = StagedQuery(document, segment.base)
        return dict(sorted(found.items()))

    def __len__(self) -> int:
        return len(self.where) + len(self.queries)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(segment.name for segment in self.segments)

    def rows(self) -> Rows:
        """Returns the live rows, sorted by path."""
        if len(self.segments) == 1 and not self.forgotten:
            # One large `add`, the usual case: its rows are the answer, without a fold.
            only = self.segments[0].rows
            if FORGET not in only.kinds:
                rows = only.sorted()
                if rows.are_sorted():
                    return rows
        rows = Rows()
        columns = rows.columns()
        for path in sorted(self.where):
            segment, row = self.where[path]
            for mine, theirs in zip(columns, segment.rows.columns(), strict=True):
                mine.append(theirs[row])
        return rows

    def bases(self) -> dict[str, int] | int:
        """Returns the head that staged rows were judged against, by path where they differ."""
        heads = {segment.base for segment in self.segments}
        if len(heads) == 1:
            return heads.pop()
        return {path: segment.base for path, (segment, _) in self.where.items()}


class Stage:
    """The stage of one dataset."""

    def __init__(self, repository: Repository, log: ChangesetLog):
        self._folder = repository.layout.stage(log.name)
        self._temporary = repository.layout.temporary
        self._log = log
        self._cached: tuple[tuple[str, ...], Staged] | None = None

    def _names(self) -> list[str]:
        try:
            return sorted(os.listdir(self._folder))
        except FileNotFoundError:
            return []

    def load(self) -> Staged:
        """Reads the stage. Raises DamagedData when a segment is not intact."""
        names = self._names()
        key = tuple(names)
        if self._cached is not None and self._cached[0] == key:
            return self._cached[1]
        used, forgotten = self._landed(names)
        segments = []
        for name in names:
            if not name.endswith(SEGMENT) or name in used:
                continue
            data = read_file(os.path.join(self._folder, name))
            if data is None:
                continue  # committed by somebody else in this moment
            header, rows = fmt.decode(data, os.path.join(self._folder, name))
            segments.append(Segment(name, header.get("base", 0), rows, header.get("queries", {})))
        staged = Staged(segments, forgotten)
        self._cached = (key, staged)
        return staged

    def lacks(self, staged: Staged) -> bool:
        """Whether a segment that was read earlier is not there any more."""
        return not set(staged.names) <= set(self._names())

    def _landed(self, names: list[str]) -> tuple[set[str], dict[str, frozenset[str]]]:
        """Segments used up by commits that landed but were not cleared, and paths to drop."""
        used: set[str] = set()
        forgotten: dict[str, frozenset[str]] = {}
        for name in names:
            if name.endswith(NOTE):
                note = self._note(name)
                if note and self._log.find_transaction(note.transaction, note.after):
                    used.update(note.consumed)
                    paths = frozenset(note.forget)
                    for seen in note.seen:
                        forgotten[seen] = forgotten.get(seen, frozenset()) | paths
        return used, forgotten

    def _note(self, name: str) -> StageNote | None:
        path = os.path.join(self._folder, name)
        data = read_file(path)
        return stage_note.decode(data, path) if data else None

    def write(self, base: int, rows: Rows, queries: Mapping[str, Any] | None = None) -> str:
        """Adds a segment; durable when it returns its name. Call with the stage lock held.

        `queries` is as `Segment` has it.
        """
        self._log.require()
        disk.make_dirs(self._folder)
        taken = [int(name[:8]) for name in self._names() if _NUMBERED.match(name)]
        number = max(taken, default=0) + 1
        while True:
            name = f"{number:08d}-{os.urandom(4).hex()}{SEGMENT}"
            header = {"base": base, "name": name}
            data = fmt.encode({**header, "queries": queries} if queries else header, rows)
            if create_file(os.path.join(self._folder, name), data, self._temporary):
                self._cached = None
                return name

    def announce(
        self, transaction: str, after: int, consumed: tuple[str, ...], forget: list[str]
    ) -> None:
        """Notes what a commit is about to use up. Durable before the commit point."""
        seen = [name for name in self._names() if name.endswith(SEGMENT)] if forget else []
        note = StageNote(transaction, after, consumed, tuple(forget), tuple(seen))
        self._log.require()
        disk.make_dirs(self._folder)
        path = os.path.join(self._folder, transaction + NOTE)
        create_file(path, stage_note.encode(note), self._temporary)

    def clear(self, transaction: str, consumed: tuple[str, ...]) -> None:
        """Removes what a landed commit has used up; its note goes last."""
        for name in consumed:
            disk.remove(os.path.join(self._folder, name))
        if consumed:
            # The segments must be gone for good before the note that disowns them is.
            disk.sync_dir(self._folder)
        disk.remove(os.path.join(self._folder, transaction + NOTE))
        self._cached = None

    def withdraw(self, transaction: str) -> None:
        """Removes the note of a commit that did not land."""
        with contextlib.suppress(disk.WriteFailed):
            disk.remove(os.path.join(self._folder, transaction + NOTE))

    def tidy(self) -> None:
        """Clears what landed commits left behind. Call with the commit and stage locks held."""
        for name in self._names():
            if name.endswith(NOTE):
                note = self._note(name)
                transaction = name.removesuffix(NOTE)
                if note is None:
                    disk.remove(os.path.join(self._folder, name))
                elif self._log.find_transaction(transaction, note.after) is None:
                    self.withdraw(transaction)
                elif not note.forget:
                    self.clear(transaction, note.consumed)
                else:
                    self._forget_for_good(note)

    def settle(self, transaction: str) -> str | None:
        """Clears away what a commit of chosen paths, which has landed, used up of the stage.

        Returns the segment that it wrote for this, if any. Call with the stage lock held.
        """
        note = self._note(transaction + NOTE)
        if note is not None and note.forget:
            return self._forget_for_good(note)
        self.clear(transaction, ())
        return None

    def _forget_for_good(self, note: StageNote) -> str | None:
        # `load` hides these paths as long as the note is there. One that was staged anew since
        # wins by itself; the others are forgotten by a segment of their own.
        staged = self.load()
        names = tuple(name for name in self._names() if name.endswith(SEGMENT))
        if not len(staged) and set(names) <= set(note.seen):
            self.clear(note.transaction, names)
            return None
        rows = Rows()
        if set(note.seen) & set(self._names()):
            for path in note.forget:
                if path not in staged.where:
                    rows.delete(path, FORGET)
        written = self.write(note.after, rows) if len(rows) else None
        self.clear(note.transaction, ())
        return written

    def drop(self, staged: Staged, paths: set[str], queries: Sequence[str]) -> str | None:
        """Forgets staged rows and queries; returns the segment that says so, if one is needed.

        Call with the stage lock held.
        """
        if len(paths) + len(queries) == len(staged):
            for name in staged.names:
                disk.remove(os.path.join(self._folder, name))
            disk.sync_dir(self._folder)
            self._cached = None
        elif paths or queries:
            rows = Rows()
            for path in sorted(paths):
                rows.delete(path, FORGET)
            return self.write(0, rows, dict.fromkeys(queries, FORGET))
        return None

    def discard_damaged(self) -> list[str]:
        """Removes segments that are not intact; returns their names."""
        removed = []
        for name in self._names():
            path = os.path.join(self._folder, name)
            try:
                if name.endswith(SEGMENT):
                    fmt.decode(read_file(path) or b"", path)
                elif name.endswith(NOTE):
                    self._note(name)
            except DamagedData:
                disk.remove(path)
                removed.append(name)
        self._cached = None
        return removed
