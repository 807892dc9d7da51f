"""The stage: what the next changeset will hold.

Every command that stages writes one segment file under an exclusive name; the stage is their fold,
last writer wins. A commit notes which segments it consumes under its transaction id before it
creates the changeset: whoever finds the note later knows from the log whether they are used up.
So a crash between the commit point and the clearing of the stage needs no repair.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass, field

from dsm.errors import DamagedData
from dsm.format import segment as fmt
from dsm.model.rows import FORGET, Rows
from dsm.repo.log import ChangesetLog
from dsm.repo.repository import Repository, create_file, read_file
from dsm.store import disk

SEGMENT, NOTE = ".stage", ".commit"


@dataclass(frozen=True, slots=True)
class Segment:
    """One staged batch; `base` is the head that its rows were judged against."""

    name: str
    base: int
    rows: Rows


@dataclass(slots=True)
class Staged:
    """The fold of all segments: `where[path]` is (segment, row)."""

    segments: list[Segment] = field(default_factory=list)
    where: dict[str, tuple[Segment, int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.where)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(segment.name for segment in self.segments)

    def rows(self) -> Rows:
        """Returns the live rows, sorted by path."""
        if len(self.segments) == 1 and len(self.where) == len(self.segments[0].rows):
            return self.segments[0].rows.sorted()
        rows = Rows()
        columns = rows.columns()
        for path in sorted(self.where):
            segment, row = self.where[path]
            for mine, theirs in zip(columns, segment.rows.columns(), strict=True):
                mine.append(theirs[row])
        return rows

    def bases(self) -> dict[str, int]:
        """Returns, for each staged path, the head it was judged against."""
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
        staged = Staged()
        for name in names:
            if not name.endswith(SEGMENT) or name in used:
                continue
            data = read_file(os.path.join(self._folder, name))
            if data is None:
                continue  # committed by somebody else in this moment
            header, rows = fmt.decode(data, os.path.join(self._folder, name))
            part = Segment(name, header["base"], rows)
            staged.segments.append(part)
            drop = forgotten.get(name, ())
            for row, (path, kind) in enumerate(zip(rows.paths, rows.kinds, strict=True)):
                if path in drop:
                    continue
                if kind == FORGET:
                    staged.where.pop(path, None)
                else:
                    staged.where[path] = (part, row)
        self._cached = (key, staged)
        return staged

    def _landed(self, names: list[str]) -> tuple[set[str], dict[str, frozenset[str]]]:
        """Segments used up by commits that landed but were not cleared, and paths to drop."""
        used: set[str] = set()
        forgotten: dict[str, frozenset[str]] = {}
        for name in names:
            if name.endswith(NOTE):
                note = self._note(name)
                if note and self._log.find_transaction(note["transaction"], note["after"]):
                    used.update(note["consumed"])
                    paths = frozenset(note["forget"])
                    for seen in note["seen"]:
                        forgotten[seen] = forgotten.get(seen, frozenset()) | paths
        return used, forgotten

    def _note(self, name: str) -> dict | None:  # type: ignore[type-arg]
        data = read_file(os.path.join(self._folder, name))
        if not data:
            return None
        try:
            note: dict = json.loads(data)  # type: ignore[type-arg]
            return (
                note
                if {"transaction", "after", "consumed", "forget", "seen"} <= set(note)
                else None
            )
        except ValueError as error:
            raise DamagedData(f"{os.path.join(self._folder, name)} is damaged") from error

    def write(self, base: int, rows: Rows) -> str:
        """Adds a segment; durable when it returns its name. Call with the stage lock held."""
        taken = [int(name[:8]) for name in self._names() if name.endswith(SEGMENT)]
        number = max(taken, default=0) + 1
        while True:
            name = f"{number:08d}-{os.urandom(4).hex()}{SEGMENT}"
            data = fmt.encode({"base": base}, rows)
            if create_file(os.path.join(self._folder, name), data, self._temporary):
                self._cached = None
                return name

    def announce(
        self, transaction: str, after: int, consumed: tuple[str, ...], forget: list[str]
    ) -> None:
        """Notes what a commit is about to use up. Durable before the commit point."""
        seen = [name for name in self._names() if name.endswith(SEGMENT)] if forget else []
        note = {
            "transaction": transaction, "after": after, "consumed": list(consumed),
            "forget": forget, "seen": seen,
        }  # fmt: skip
        path = os.path.join(self._folder, transaction + NOTE)
        create_file(path, json.dumps(note).encode(), self._temporary)

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
                elif self._log.find_transaction(transaction, note["after"]) is None:
                    self.withdraw(transaction)
                elif not note["forget"]:
                    self.clear(transaction, tuple(note["consumed"]))
                else:
                    self._forget_for_good(note)

    def _forget_for_good(self, note: dict) -> None:  # type: ignore[type-arg]
        # `load` hides these paths as long as the note is there. One that was staged anew since
        # wins by itself; the others are forgotten by a segment of their own.
        where = self.load().where
        rows = Rows()
        if set(note["seen"]) & set(self._names()):
            for path in note["forget"]:
                if path not in where:
                    rows.delete(path, FORGET)
        if len(rows):
            self.write(note["after"], rows)
        self.clear(note["transaction"], ())

    def drop(self, paths: set[str] | None) -> int:
        """Forgets staged rows (all, when None); returns how many. Call with the stage lock held."""
        staged = self.load()
        gone = [path for path in staged.where if paths is None or path in paths]
        if len(gone) == len(staged.where):
            for name in staged.names:
                disk.remove(os.path.join(self._folder, name))
            disk.sync_dir(self._folder)
            self._cached = None
        elif gone:
            rows = Rows()
            for path in gone:
                rows.delete(path, FORGET)
            self.write(0, rows)
        return len(gone)

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
