"""The cached snapshots of a dataset: which are kept, and which are believed.

Derived data: one that is damaged, of another history, or made by another copy of the repository is
not there, and one that cannot be written costs time later and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import pyarrow as pa

from dsm.history import snapshot_file
from dsm.history.fold import snapshot_schema
from dsm.repo.copy_key import CopyKey
from dsm.repo.layout import Layout
from dsm.repo.log import ChangesetLog
from dsm.store import disk

SUFFIX = ".snapshot"


class SnapshotCache:
    """The cached snapshots of one dataset."""

    def __init__(self, layout: Layout, log: ChangesetLog):
        self._temporary = layout.temporary
        self._log = log
        self._key = CopyKey(layout)
        self.folder = layout.cache(log.name)

    def numbers(self) -> set[int]:
        """Returns the numbers of changesets whose snapshot may be here."""
        return {number for number, _ in self._entries()}

    def open(self, number: int) -> pa.Table | None:
        """Returns the snapshot of a changeset; None when it is not here, or not to be believed."""
        changeset = self._log.get(number)
        schema = snapshot_schema(changeset.attributes)
        return snapshot_file.read(self.path(number, changeset.id), self._key, schema)

    def save(self, number: int, schema: pa.Schema, tables: Iterable[pa.Table]) -> bool:
        """Writes the snapshot of a changeset, which comes in pieces; False when it could not."""
        temporary = os.path.join(self._temporary, f"snapshot-{os.urandom(8).hex()}")
        try:
            disk.make_dirs(self.folder, durable=False)
            path = self.path(number, self._log.get(number).id)
            saved = snapshot_file.write(path, temporary, self._key, schema, tables)
        except disk.Unwritable:
            return False
        self._drop_old(number)
        return saved

    def path(self, number: int, changeset_id: str) -> str:
        """Returns where the snapshot of a changeset lies, or would lie."""
        return os.path.join(self.folder, f"{number:08d}-{changeset_id}{SUFFIX}")

    def _entries(self) -> Iterator[tuple[int, str]]:
        """Yields (number, changeset id) by the names of files; other files are passed over."""
        try:
            names = os.listdir(self.folder)
        except OSError:
            return  # it is a cache: what cannot be looked at is not there
        for name in names:
            text, _, rest = name.removesuffix(SUFFIX).partition("-")
            if name.endswith(SUFFIX) and len(text) == 8 and text.isascii() and text.isdigit():
                yield int(text), rest

    def _drop_old(self, newest: int) -> None:
        """Keeps the two newest snapshots and every one at least twice as far back."""
        kept = newest
        for position, (number, changeset_id) in enumerate(sorted(self._entries(), reverse=True)):
            if position >= 2 and number * 2 > kept:
                disk.discard(self.path(number, changeset_id))
            else:
                kept = number


class KeepsNothing(SnapshotCache):
    """For whoever compares what is cached with what it was made from."""

    def numbers(self) -> set[int]:
        return set()

    def save(self, number: int, schema: pa.Schema, tables: Iterable[pa.Table]) -> bool:
        return False
