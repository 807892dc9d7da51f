"""Files that follow when the head moves: on record from before it moves until they have.

A file follows when it holds exactly what the head had; whatever else is in its place is left alone.
A revert or a pull that is killed in between leaves the old files under a new head, and to the next
`add` they would look like edits that take the changeset back. So whatever records, or changes
files, first brings them along. The note lies beside the stage, a document that is replaced;
specified in docs/format/stage.md.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dsm.errors import DamagedData, DsmError, OutcomeUnknown, StorageFailed
from dsm.files.folders import Entry, Folders, Judged
from dsm.files.restore import REPLACE, SAME, RestorePlan, Verdict, by_content, perform, plan
from dsm.format import document
from dsm.format.index import ABSENT, fits, mark_of
from dsm.history.revert import RevertPlan
from dsm.model.example import Example
from dsm.model.record_path import RECORD
from dsm.model.rows import ADDED, Rows
from dsm.store import disk
from dsm.store.whole_file import read_file
from dsm.worktree.index import WorkIndex
from dsm.worktree.stage import Staged
from dsm.worktree.tree import WorkTree, settled

# Of more than this in bytes a note does not tell: such files stay, and look edited.
GIVEN_UP_MAX = document.DOCUMENT_BYTES_MAX // 4
NOTHING: Mapping[str, Example | None] = {}


@dataclass(frozen=True, slots=True)
class Followed:
    """What became of the files: how many were written and removed, and which were left alone."""

    written: int = 0
    removed: int = 0
    left: tuple[str, ...] = ()


def note_following(
    tree: WorkTree, base: int, given_up: Mapping[str, Example | None] = NOTHING
) -> None:
    """Writes down, durably, that the files are those of changeset `base`, and are to follow.

    Those of `given_up` are others: of changesets that are there no more, or are others now. Of two
    notes that did not end, the first counts. Raises WriteFailed.
    """
    if following(tree) is not None:
        return
    layout = tree.repository.layout
    temporary = os.path.join(layout.temporary, f"following-{os.urandom(8).hex()}")
    fields: dict[str, Any] = {"number": base, "id": tree.log.get(base).id if base else ""}
    if given_up and sum(len(path.encode()) + 80 for path in given_up) <= GIVEN_UP_MAX:
        fields["given_up"] = {
            path: None if example is None else example.oid.hex()
            for path, example in sorted(given_up.items())
        }
    disk.make_dirs(layout.stage(tree.log.name))
    path = layout.following(tree.log.name)
    disk.rewrite(path, document.encode(fields), temporary, durable=True)


def forget_following(tree: WorkTree) -> None:
    """Removes the note: the files have followed, or the head did not move."""
    disk.discard(tree.repository.layout.following(tree.log.name))


@contextlib.contextmanager
def forgotten_when_refused(tree: WorkTree) -> Iterator[None]:
    """Forgets the note when what is done within is refused.

    Without room it is tried again, and an unknown outcome may be that the head has moved.
    """
    try:
        yield
    except (StorageFailed, OutcomeUnknown):
        raise
    except DsmError:
        forget_following(tree)
        raise


def following(tree: WorkTree) -> int | None:
    """Returns the changeset from which files are to follow; None when none are, or when the note
    speaks of another history or is no note."""
    fields = _noted(tree)
    number, id = fields.get("number"), fields.get("id")
    if type(number) is not int or not 0 <= number < tree.log.head():
        return None
    return number if not number or tree.log.get(number).id == id else None


def _noted(tree: WorkTree) -> dict[str, Any]:
    path = tree.repository.layout.following(tree.log.name)
    try:
        data = read_file(path, document.DOCUMENT_BYTES_MAX)
        return {} if data is None else document.decode(data, path)
    except DamagedData:
        return {}


def _given_up(tree: WorkTree) -> dict[str, Example | None]:
    found = _noted(tree).get("given_up", {})
    told: dict[str, Example | None] = {}
    for path, oid in found.items() if isinstance(found, dict) else ():
        if oid is None:
            told[path] = None
        elif isinstance(oid, str) and re.fullmatch("[0-9a-f]{64}", oid):
            told[path] = Example(path, bytes.fromhex(oid), 0, 0)
    return told


def finish_following(tree: WorkTree) -> Followed:
    """Brings along the files of a revert or a pull that was killed; see `catch_up`."""
    base = following(tree)
    if base is None:
        forget_following(tree)
        return Followed()
    given_up = _given_up(tree)
    paths = set(given_up)
    for number in range(base + 1, tree.log.head() + 1):
        table = tree.snapshots().manifests.of(number)
        paths.update(() if table is None else table.column("path").to_pylist())
    old = dict(tree.snapshots().lookup(base, paths)) if base else {}
    for path, example in given_up.items():
        old.pop(path, None)
        if example is not None:
            old[path] = example
    return Following(tree, paths, base, old).to_head(tree)


class Following:
    """The files of a work tree, which follow when the head moves; made before it does.

    `paths` changed since changeset `base`; `old` are their examples there, if not those of the head
    as it is now.
    """

    def __init__(
        self,
        tree: WorkTree,
        paths: Collection[str],
        base: int,
        old: Mapping[str, Example] | None = None,
        given_up: Mapping[str, Example | None] = NOTHING,
    ):
        with tree.locked():
            tree.stage.tidy()
        self._staged = tree.stage.load()
        self._index = tree.index(self._staged)
        tree.save(self._index)
        self._paths = paths
        self._old = dict(tree.committed(paths) if old is None else old)
        for path in paths if old is not None else ():
            # The index takes it for one that has no file by intent: its file has not come yet.
            if path not in self._old and self._index.get(path) == ABSENT:
                self._index.remove(path)
        note_following(tree, base, given_up)

    def to_head(self, tree: WorkTree) -> Followed:
        """Brings the files along; those that cannot are left as they are, and listed.

        `tree` was opened after the head has moved. Raises StorageFailed, which says that the
        changesets are here all the same.
        """
        head = tree.log.head()
        done = f"the changesets are here: dataset {tree.log.name} is at {head}"
        followed = self.to(tree, tree.committed(self._paths), done)
        index = self._index
        index.position = index.position.at(head, tree.log.get(head).id, self._staged.names)
        tree.save(index)
        forget_following(tree)
        return followed

    def to(self, tree: WorkTree, wanted: dict[str, Example], done: str) -> Followed:
        """Makes files what is wanted of their paths, where they hold what they were.

        `done` says, for errors, what is recorded all the same. Raises StorageFailed.
        """
        staged, index = self._staged, self._index
        rows = self._changes(wanted)
        files = plan_files(tree, staged, index, rows)
        bring_files(tree, staged, index, rows, files, done)
        moved = {e.path for e in files.write} | set(files.remove) | {p for p, _ in files.same}
        rest = {*rows.before, *rows.now} - moved
        standing = [path for path in rest if os.path.lexists(os.path.join(tree.root, path))]
        # Of one that was killed, some have come already.
        come = clean_files(tree, index, {p: rows.before[p] for p in standing if p in rows.before})
        left = tuple(sorted(set(standing) - come.keys()))
        return Followed(len(files.write), len(files.remove), left)

    def save(self, tree: WorkTree) -> None:
        """Saves what the index has learnt of the files."""
        tree.save(self._index)

    def _changes(self, new: dict[str, Example]) -> RevertPlan:
        """Returns what changed, in the form in which files follow a revert."""
        rows = Rows()
        for path in sorted(self._paths):
            if path in new:
                rows.put(ADDED, new[path])
            elif path in self._old:
                rows.delete(path, records=self._old[path].records)
        return RevertPlan(rows, {}, (), new, self._old)


def plan_files(tree: WorkTree, staged: Staged, index: WorkIndex, rows: RevertPlan) -> RestorePlan:
    """Decides which files follow a revert.

    A file comes back where that of the head was in place, or where the head had no example; one
    that stands where it must go to makes room if it goes itself.
    """
    clean = clean_files(tree, index, rows.now)
    paths = [path for path in files_of(rows, removed=True) if path not in staged.where]
    back = [rows.before[path] for path in paths if path in rows.before]
    gone = {path: clean[path] for path in paths if path not in rows.before and path in clean}

    def judge(example: Example, entry: Entry) -> Verdict:
        judged = clean.get(example.path)
        if judged is None:
            return by_content(example, entry)
        return (SAME if judged.oid == example.oid else REPLACE), judged.oid

    def release(entries: Sequence[Entry]) -> dict[str, Judged]:
        return {entry.path: gone[entry.path] for entry in entries if entry.path in gone}

    new = [e for e in back if index.get(e.path) is None and e.path not in clean]
    # What is referenced stays where it is until somebody asks for its file.
    far = tree.repository.store.referenced.among(e.oid for e in new)
    wanted = [
        e for e in back if e.path in clean or (e.oid not in far and index.get(e.path) is None)
    ]
    stay = tree.occupied()
    return plan(tree.root, wanted, judge, release=release, remove=gone, stay=stay, leave=True)


def files_of(planned: RevertPlan, *, removed: bool = False) -> list[str]:
    """Returns the paths that come back, with `removed` all that are concerned, but for records:
    those have no files."""
    rows = planned.rows
    return [
        path for path, records in zip(rows.paths, rows.records, strict=True)
        if records != RECORD and (removed or path in planned.before)
    ]  # fmt: skip


def clean_files(tree: WorkTree, index: WorkIndex, now: dict[str, Example]) -> dict[str, Judged]:
    """Returns the files that hold exactly what the head has."""
    clean: dict[str, Judged] = {}
    with Folders(tree.root) as folders:
        for path, example in now.items():
            if example.records == RECORD:
                continue
            with contextlib.suppress(OSError):
                entry = folders.look(path)
                if entry is None or not entry.is_file:
                    continue
                if fits(index.get(path), entry.stat) or entry.hash() == example.oid:
                    clean[path] = entry.judged(example.oid)
    return clean


def bring_files(
    tree: WorkTree,
    staged: Staged,
    index: WorkIndex,
    rows: RevertPlan,
    files: RestorePlan,
    done: str,
) -> None:
    """Writes, replaces or removes the files of reverted examples, and brings the index along.

    What has changed since it was judged is left alone, as it would have been then. Raises
    StorageFailed, which says what is `done` all the same.
    """
    moment = tree.moment()
    store, workers = tree.repository.store, tree.repository.workers
    try:
        with forgotten_when_refused(tree):
            outcome = perform(files, store, force=False, workers=workers, stay=tree.occupied())
    except StorageFailed as error:
        raise StorageFailed(
            f"{error.message} ({done})",
            hint="`dsm status` lists the files that did not follow; when there is room, the next"
            " `dsm add` brings them along",
        ) from error
    written = outcome.written
    same = dict(files.same)
    for path in files_of(rows, removed=True):
        if path in staged.where:
            continue
        if path not in rows.before:
            index.remove(path)
            continue
        if index.get(path) is None:
            index.set(path, ABSENT)  # as `commit_revert` has noted
        st, oid = written.get(path) or same.get(path), rows.before[path].oid
        if st is not None:
            index.set(path, mark_of(st, oid) if settled(st, moment) else oid)
        elif index.get(path) != ABSENT:
            index.set(path, oid)
