"""A dataset's work tree: its root folder, its stage and its index, kept in step with the log."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from dsm.errors import DamagedData
from dsm.files.stat import Stat
from dsm.files.typed_path import current_below
from dsm.format.index import ABSENT
from dsm.model.example import Example
from dsm.model.record_path import RECORD
from dsm.model.rows import FORGET, Rows
from dsm.repo.log import ChangesetLog
from dsm.repo.repository import Repository
from dsm.store import disk
from dsm.worktree.absent import Absent
from dsm.worktree.index import RACY_NS, Mark, Place, Position, WorkIndex
from dsm.worktree.scan import Scan
from dsm.worktree.stage import Stage, Staged

if TYPE_CHECKING:
    from dsm.history.snapshot import Snapshots

# How often writing is tried where locks do not keep others from writing at the same time.
NOTE_TRIES = 20


# How long the stage lock is waited for, in seconds; an index that is not saved is learnt again.
STAGE_PATIENCE, SAVE_PATIENCE = 10.0, 1.0


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
        place = Place.of(self.root)
        now = Position(head, self.log.get(head).id if head else "", staged.names, place)
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
        absent = self.absent()
        if follows and not index.damaged and all(name in known for name in before.segments):
            for number in range(before.head + 1, head + 1):
                self._apply_manifest(index, absent, number)
            # What is staged lies over every changeset, also over those that came later.
            for segment in staged.segments:
                if segment.name not in before.segments or head > before.head:
                    self._apply_staged(index, absent, staged, segment.name)
                if segment.name not in before.segments:
                    self._apply_forgotten(index, absent, staged, segment.rows)
        else:
            self._rebuild(index, absent, head, staged)
        if place.copied_from(absent.place if index.fresh else before.place):
            self._settle_copy(index)
        index.position = now
        return index

    def _settle_copy(self, index: WorkIndex) -> None:
        """In a copy of a work tree, folders of which no file came along never were here."""
        for folder in index.folders():
            paths = [f"{folder}/{name}" if folder else name for name in index.folder(folder)]
            here = (os.path.lexists(os.path.join(self.root, path)) for path in paths)
            if not any(here):
                for path in paths:
                    index.set(path, ABSENT)

    def absent(self) -> Absent:
        """Reads the record of what has no file here by intent."""
        layout = self.repository.layout
        return Absent(layout.absent(self.log.name), layout.temporary, self.log)

    def mark_unseen(
        self, index: WorkIndex, absent: Absent, path: str, oid: bytes, *, was_here: bool = True
    ) -> None:
        """Tracks a path whose file nobody has looked at yet; `was_here` says that it had one.

        It is absent by intent when that is on record, or when it never was here and is not now:
        else, without a file, its deletion waits to be staged.
        """
        here = was_here or os.path.lexists(os.path.join(self.root, path))
        index.set(path, oid if here and path not in absent else ABSENT)

    def _apply_manifest(self, index: WorkIndex, absent: Absent, number: int) -> None:
        from dsm.format.manifest import check_rows
        from dsm.history.fold import files_in

        table = self.snapshots().manifests.of(number)
        if table is None:
            return
        check_rows(table, f"the manifest of changeset {number}")
        table = files_in(table)
        was_here = absent.was_here(self.log.get(number))
        oids = table.column("object").to_pylist()
        for path, oid in zip(table.column("path").to_pylist(), oids, strict=True):
            if oid is None:
                index.remove(path)
            else:
                self.mark_unseen(index, absent, path, oid, was_here=was_here)

    def _apply_staged(self, index: WorkIndex, absent: Absent, staged: Staged, name: str) -> None:
        for path, (segment, row) in staged.where.items():
            if segment.name == name and segment.rows.records[row] != RECORD:
                oid = segment.rows.oids[row]
                if oid is None:
                    index.remove(path)
                else:
                    self.mark_unseen(index, absent, path, oid, was_here=absent.known)

    def _apply_forgotten(
        self, index: WorkIndex, absent: Absent, staged: Staged, rows: Rows
    ) -> None:
        """What was unstaged is again as the head has it; the file may still be as it was staged."""
        paths = [
            path
            for path, kind in zip(rows.paths, rows.kinds, strict=True)
            if kind == FORGET and path not in staged.where
        ]
        committed = self.committed(paths) if paths else {}
        for path in paths:
            if path in committed:
                if committed[path].records != RECORD:
                    oid = committed[path].oid
                    self.mark_unseen(index, absent, path, oid, was_here=absent.known)
            else:
                index.remove(path)

    def _rebuild(self, index: WorkIndex, absent: Absent, head: int, staged: Staged) -> None:
        """Starts over from the snapshot: every file will be looked at once.

        Without a record of what is absent, what the index itself knew serves.
        """
        before: dict[str, bool] = {}
        for path in list(index.below("")):
            before[path] = index.get(path) != ABSENT
            index.remove(path)
        if head:
            from dsm.history.fold import files_in

            table = files_in(self.snapshots().table(head))
            numbers = table.column("changeset").unique().to_pylist()
            here = {number: absent.was_here(self.log.get(number)) for number in numbers}
            columns = (table.column(name).to_pylist() for name in ("path", "object", "changeset"))
            for path, oid, number in zip(*columns, strict=True):
                was_here = here[number] if absent.known else before.get(path, False)
                self.mark_unseen(index, absent, path, oid, was_here=was_here)
        for name in staged.names:
            self._apply_staged(index, absent, staged, name)

    def save(self, index: WorkIndex) -> None:
        """Saves the index if it can: it is a cache, and reading commands work on a full disk."""
        if index.changed or not os.path.exists(self.repository.layout.absent(self.log.name)):
            with contextlib.suppress(*disk.Unwritable):
                with self.locked(patience=SAVE_PATIENCE) as alone:
                    if alone:
                        self.write(index)

    def go_back(self, index: WorkIndex, head: int, id: str) -> None:
        """Saves the index as that of an earlier changeset, which soon is the head again: nothing
        here knows of a later one any more. Raises Busy, WriteFailed."""
        with self.locked():
            self.note(index)
            index.go_back(index.position.at(head, id, index.position.segments))
            if not index.save() or not self.absent().go_back(head, id):
                raise disk.Busy(self.repository.layout.stage_lock)

    def write(self, index: WorkIndex) -> None:
        """Saves the index, and first what it has learnt of absent examples.

        Call with the stage lock held. Raises WriteFailed.
        """
        arrived = [path for path, gone in index.turned.items() if not gone]
        self.note(index)
        if not index.save() and arrived:
            # Another process has moved the index, in which they are absent still.
            staged = self.stage.load()
            theirs = self.index(staged)
            for path, example in self.lookup(arrived, staged).items():
                if theirs.get(path) == ABSENT:
                    theirs.set(path, example.oid)
            theirs.save()

    def note(
        self,
        index: WorkIndex,
        marks: Mapping[str, Mark | None] | None = None,
        transaction: str | None = None,
    ) -> None:
        """Writes down which examples have no file here by intent, if that changed.

        It concerns what the index has learnt, and `marks` that it is about to get. Before a segment
        or a changeset names an example it has to be on record that it has no file; `transaction` is
        of a commit that is about to be made. Call with the stage lock held.
        """
        for _ in range(NOTE_TRIES):
            absent = self.absent()
            turned = dict(index.turned)
            if marks and (absent or ABSENT in marks.values()):
                turned.update((p, m == ABSENT) for p, m in marks.items() if m is not None)
            first = (p for p in index.below("") if index.get(p) == ABSENT)
            if absent.note(index.position, turned, transaction=transaction, first=first):
                break
        index.turned.clear()

    @contextlib.contextmanager
    def locked(self, patience: float | None = None) -> Iterator[bool]:
        """Holds the stage lock: one process at a time writes stage and index.

        Yields whether it has it: another process may have been stopped with it. Names of segments
        are taken exclusively and a log belongs to one base, so work can go on without it.
        """
        patience = STAGE_PATIENCE if patience is None else patience
        fd = disk.lock(self.repository.layout.stage_lock, exclusive=True, patience=patience)
        try:
            yield fd is not None
        finally:
            if fd is not None:
                disk.unlock(fd)

    def scan(self, *, follow_symlinks: bool = False, force: bool = False) -> Scan:
        """Returns a walk of the files here that passes over temporary files of dsm.

        `force` leaves out nothing else but `.dsm` and `.git`.
        """
        return Scan(
            self.root,
            follow_symlinks=follow_symlinks,
            temporary=self.repository.layout.temporary,
            defaults=self.repository.config.flag("add.default-ignores", True),
            force=force,
        )

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

    def occupied(self) -> str | None:
        """Returns the current folder, which nobody removes, by its path below the root; None when
        it lies elsewhere, or is gone."""
        try:
            return current_below(self.root, self.repository.environment.current_folder())
        except FileNotFoundError:
            return None

    # --- time ------------------------------------------------------------------------------

    def moment(self) -> int | None:
        """Returns the file system's idea of now in nanoseconds, None when it cannot be had.

        It comes from a file created for the purpose, so that no clock has to be right.
        """
        path = os.path.join(self.repository.layout.temporary, f"now-{os.urandom(8).hex()}")
        try:
            fd = disk.open_new(path)
        except disk.Unwritable:
            return None
        try:
            return os.fstat(fd).st_mtime_ns
        finally:
            os.close(fd)
            disk.discard(path)


def settled(stat: Stat, moment: int | None) -> bool:
    """Whether a file with this stat, seen after `moment`, cannot have changed since unnoticed."""
    return moment is not None and max(stat[0], stat[1]) < moment - RACY_NS
