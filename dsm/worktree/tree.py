"""A dataset's work tree: its root folder, its stage and its index, kept in step with the log."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from dsm.errors import DamagedData, InvalidInput
from dsm.files.stat import Stat
from dsm.format.index import ABSENT
from dsm.model.example import Example
from dsm.model.names import check_path, printable
from dsm.model.rows import FORGET, Rows
from dsm.repo.log import ChangesetLog
from dsm.repo.repository import Repository
from dsm.store import disk
from dsm.worktree.index import RACY_NS, Position, WorkIndex
from dsm.worktree.stage import Stage, Staged

if TYPE_CHECKING:
    from dsm.history.snapshot import Snapshots


class WorkTree:
    """What commands on files need. `snapshots` is called only when the history must be asked."""

    def __init__(
        self,
        repository: Repository,
        log: ChangesetLog,
        root: str,
        snapshots: Callable[[], Snapshots],
    ):
        self.repository = repository
        self.log = log
        self.root = root
        self.snapshots = snapshots
        self.stage = Stage(repository, log)

    # --- the index -------------------------------------------------------------------------

    def index(self, staged: Staged) -> WorkIndex:
        """Loads the index and brings it to the present head and stage."""
        layout = self.repository.layout
        index = WorkIndex(layout.index(self.log.name), layout.temporary)
        head = self.log.head()
        now = Position(head, self.log.get(head).id if head else "", staged.names)
        if index.position == now:
            return index
        before = index.position
        if before.head > head:
            # The newest changeset has no successor that would miss it: the index alone does.
            raise DamagedData(
                f"changeset {before.head} of dataset {self.log.name} was here and is missing",
                hint="copy its header back from a backup; if it is lost for good, remove"
                f" {layout.index(self.log.name)} and go on from changeset {head}",
            )
        follows = before.head == 0 or self.log.get(before.head).id == before.id
        known = set(now.segments)
        if follows and not index.damaged and all(name in known for name in before.segments):
            for number in range(before.head + 1, head + 1):
                self._apply_manifest(index, number)
            # What is staged lies over every changeset, also over those that came later.
            for segment in staged.segments:
                if segment.name not in before.segments or head > before.head:
                    self._apply_staged(index, staged, segment.name)
                if segment.name not in before.segments:
                    self._apply_forgotten(index, staged, segment.rows)
        else:
            self._rebuild(index, head, staged)
        index.position = now
        return index

    def _mark_unknown(self, index: WorkIndex, path: str, oid: bytes) -> None:
        present = os.path.lexists(os.path.join(self.root, path))
        index.set(path, oid if present else ABSENT)

    def _apply_manifest(self, index: WorkIndex, number: int) -> None:
        from dsm.format.manifest import check_rows

        table = self.snapshots().manifest(number)
        if table is None:
            return
        check_rows(table, f"the manifest of changeset {number}")
        oids = table.column("object").to_pylist()
        for path, oid in zip(table.column("path").to_pylist(), oids, strict=True):
            if oid is None:
                index.remove(path)
            else:
                self._mark_unknown(index, path, oid)

    def _apply_staged(self, index: WorkIndex, staged: Staged, name: str) -> None:
        for path, (segment, row) in staged.where.items():
            if segment.name == name:
                oid = segment.rows.oids[row]
                if oid is None:
                    index.remove(path)
                else:
                    self._mark_unknown(index, path, oid)

    def _apply_forgotten(self, index: WorkIndex, staged: Staged, rows: Rows) -> None:
        """What was unstaged is again as the head has it; the file may still be as it was staged."""
        paths = [
            path
            for path, kind in zip(rows.paths, rows.kinds, strict=True)
            if kind == FORGET and path not in staged.where
        ]
        committed = self.committed(paths) if paths else {}
        for path in paths:
            if path in committed:
                self._mark_unknown(index, path, committed[path].oid)
            else:
                index.remove(path)

    def _rebuild(self, index: WorkIndex, head: int, staged: Staged) -> None:
        """Starts over from the snapshot: every file will be looked at once."""
        for path in list(index.below("")):
            index.remove(path)
        if head:
            table = self.snapshots().table(head)
            oids = table.column("object").to_pylist()
            for path, oid in zip(table.column("path").to_pylist(), oids, strict=True):
                self._mark_unknown(index, path, oid)
        for name in staged.names:
            self._apply_staged(index, staged, name)

    def save(self, index: WorkIndex) -> None:
        """Saves the index if it can: it is a cache, and reading commands work on a full disk."""
        if not index.changed:
            return
        with contextlib.suppress(disk.WriteFailed):
            with self.locked():
                index.save()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the stage lock: one process at a time writes stage and index."""
        fd = disk.lock(self.repository.layout.stage_lock, exclusive=True)
        try:
            yield
        finally:
            if fd is not None:
                disk.unlock(fd)

    # --- examples --------------------------------------------------------------------------

    def lookup(self, paths: Iterable[str], staged: Staged) -> dict[str, Example]:
        """Returns the tracked examples among these paths, staged state first."""
        found: dict[str, Example] = {}
        rest = []
        for path in paths:
            held = staged.where.get(path)
            if held is None:
                rest.append(path)
            else:
                example = held[0].rows.example(held[1])
                if example is not None:
                    found[path] = example
        head = self.log.head() if rest else 0
        if rest and head:
            found.update(self.snapshots().lookup(head, rest))
        return found

    def committed(self, paths: Iterable[str]) -> dict[str, Example]:
        """Returns the examples as the head has them, whatever is staged."""
        head = self.log.head()
        return self.snapshots().lookup(head, paths) if head else {}

    # --- paths -----------------------------------------------------------------------------

    def relative(self, path: str, current: str) -> str:
        """Turns a path as a user writes it into one below the dataset's root ("" is the root).

        Links in it are kept: the example is where the user says, not where it points to. Raises
        InvalidInput when it lies outside.
        """
        full = os.path.normpath(os.path.join(current, path))
        for root in (self.root, os.path.realpath(self.root)):
            if full == root:
                return ""
            if full.startswith(root.rstrip("/") + "/"):
                return check_path(full[len(root.rstrip("/")) + 1 :])
        parent = os.path.join(os.path.realpath(os.path.dirname(full)), os.path.basename(full))
        root = os.path.realpath(self.root)
        if parent == root:
            return ""
        if parent.startswith(root + "/"):
            return check_path(parent[len(root) + 1 :])
        raise InvalidInput(
            f"{printable(path)} lies outside the dataset's folder {printable(self.root)}",
            hint="datasets hold examples below their root; `dsm dataset show` names it",
        )

    # --- time ------------------------------------------------------------------------------

    def moment(self) -> int | None:
        """Returns the file system's idea of now in nanoseconds, None when it cannot be had.

        It comes from a file created for the purpose, so that no clock has to be right.
        """
        path = os.path.join(self.repository.layout.temporary, f"now-{os.urandom(8).hex()}")
        try:
            fd = disk.open_new(path)
        except disk.WriteFailed:
            return None
        try:
            return os.fstat(fd).st_mtime_ns
        finally:
            os.close(fd)
            disk.discard(path)


def settled(stat: Stat, moment: int | None) -> bool:
    """Whether a file with this stat, seen after `moment`, cannot have changed since unnoticed."""
    return moment is not None and max(stat[0], stat[1]) < moment - RACY_NS
