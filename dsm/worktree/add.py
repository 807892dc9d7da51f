"""Staging files: find what is new or changed, store it, write down what the next changeset holds.

All or nothing: unless asked to go on, one unreadable file means that nothing is staged. The order on
disk is packs (durable), then the stage segment, then the index; a crash in between costs unreferenced
packs, which gc removes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from dsm.errors import InvalidInput, NotFound, StorageFailed
from dsm.format.index import ABSENT
from dsm.model.changeset import Counts
from dsm.model.example import Attributes, Change, Example
from dsm.model.names import check_path, lookalike_key, printable
from dsm.model.pattern import PathPattern
from dsm.model.reports import AddReport, Problem
from dsm.model.rows import ADDED, DELETED, FORGET, MODIFIED, NOTHING, RELABELLED, Rows
from dsm.progress import SILENT, Progress
from dsm.store.ingest import Batch, Stored, ingest
from dsm.worktree.index import Position, WorkIndex
from dsm.worktree.label_file import LabelRow
from dsm.worktree.scan import Folder, Scan, Stat
from dsm.worktree.stage import Staged
from dsm.worktree.status import KIND_NAMES, hash_file
from dsm.worktree.tree import WorkTree, settled

BATCH_FILES = 512
BATCH_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked `add` to do; `paths` are below the dataset's root.

    `pattern` applies to every file; `default_pattern` only to new examples, so that a plain `add`
    never undoes a relabelling.
    """

    paths: tuple[str, ...]
    labels: tuple[str, ...] = ()
    pattern: PathPattern | None = None
    default_pattern: PathPattern | None = None
    label_rows: dict[str, LabelRow] | None = None
    strict: bool = False
    deletions: bool = False
    only_tracked: bool = False
    dry_run: bool = False
    follow_symlinks: bool = False
    keep_going: bool = False

    @property
    def restates_meaning(self) -> bool:
        """Whether labels are to be set on files whose content is unchanged too."""
        return bool(self.labels or self.pattern or self.label_rows)


@dataclass(slots=True)
class Candidate:
    """Files that need a look, as columns; `marks` tells whether each is tracked."""

    paths: list[str] = field(default_factory=list)
    stats: list[Stat] = field(default_factory=list)


@dataclass(slots=True)
class Outcome:
    """Rows to stage and what was met on the way."""

    rows: Rows = field(default_factory=Rows)
    files: int = 0
    size: int = 0
    unchanged: int = 0
    unlabelled: list[str] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    skipped: list[Problem] = field(default_factory=list)
    failed: list[Problem] = field(default_factory=list)
    marks: dict[str, int | bytes | None] = field(default_factory=dict)


class FilesUnreadable(StorageFailed):
    """Some files to be added could not be read; nothing was staged."""

    code = "files-unreadable"


class Adder:
    """One run of `add` on one work tree."""

    def __init__(self, tree: WorkTree, request: Request, progress: Progress = SILENT):
        self.tree = tree
        self.request = request
        self.progress = progress
        self.staged = tree.stage.load()
        self.index: WorkIndex = tree.index(self.staged)
        self.out = Outcome()
        self._folders_seen: dict[str, str] = {}
        self._relook: list[tuple[str, Stat]] = []  # unchanged files that get new labels
        self._changed: list[tuple[str, Stat, bytes]] = []  # tracked files that were read
        self._tracked_new: set[str] = set()

    # --- gathering ---

    def run(self) -> Outcome:
        """Scans, stores and judges; nothing is staged yet. Raises FilesUnreadable, InvalidInput."""
        request, out = self.request, self.out
        store = self.tree.repository.store
        self.progress.start("adding")
        moment = None if request.dry_run else self.tree.moment()
        if request.dry_run:
            results: Iterable[tuple[Batch, Stored]] = map(self._only_hash, self._batches())
        else:
            workers = self.tree.repository.workers
            results = ingest(store, self.tree.root, self._batches(), workers=workers)
        for batch, stored in results:
            self._judge(batch, stored, moment)
            size = sum(stat[3] for stat in batch.stats)
            out.size += size
            self.progress.advance(len(batch.paths), size)
        self._judge_tracked(moment)
        if request.deletions or request.only_tracked:
            self._delete_missing()
        if out.failed and not request.keep_going:
            first = out.failed[0]
            raise FilesUnreadable(
                f"{len(out.failed)} file{'s' * (len(out.failed) > 1)} could not be read, so nothing"
                f" was staged: {printable(first.path)}: {first.reason}",
                hint="mend or ignore them (.dsmignore), or add the rest with --keep-going",
                items=tuple(problem.path for problem in out.failed),
            )
        if request.strict and out.unlabelled:
            raise InvalidInput(
                f"{len(out.unlabelled)} files do not match the pattern, so nothing was staged",
                hint="mend the pattern, or leave out --strict to add them without labels",
                items=tuple(out.unlabelled[:1000]),
            )
        self.progress.finish()
        return out

    def _batches(self) -> Iterator[Batch]:
        batch, size = Batch([], []), 0
        for path, st in self._candidates():
            batch.paths.append(path)
            batch.stats.append(st)
            size += st[3]
            if len(batch.paths) >= BATCH_FILES or size >= BATCH_BYTES:
                yield batch
                batch, size = Batch([], []), 0
        if batch.paths:
            yield batch

    def _candidates(self) -> Iterator[tuple[str, Stat]]:
        """Yields the files whose content must be read."""
        seen: set[str] = set()
        for start in _without_nested(self.request.paths):
            scan = Scan(self.tree.root, follow_symlinks=self.request.follow_symlinks)
            full = os.path.join(self.tree.root, start)
            if start and (not os.path.isdir(full) or os.path.islink(full)):
                if not (os.path.isdir(full) and self.request.follow_symlinks):
                    yield from self._single(scan, start)
                    self._note(scan)
                    continue
            for folder in scan.folders(start):
                yield from self._folder(folder, seen)
            self._note(scan)

    def _note(self, scan: Scan) -> None:
        self.out.skipped += scan.notes.skipped
        self.out.failed += scan.notes.failed

    def _single(self, scan: Scan, path: str) -> Iterator[tuple[str, Stat]]:
        try:
            st = scan.single(path)
        except NotFound:
            gone = list(self.index.below(path))
            if not gone:
                raise
            for name in gone:  # like git: adding a tracked file that is gone stages its deletion
                self._delete(name)
            return
        if st is not None:
            folder, _, name = path.rpartition("/")
            yield from self._folder(Folder(folder, [name], [st]), set())

    def _folder(self, folder: Folder, seen: set[str]) -> Iterator[tuple[str, Stat]]:
        lead = folder.path + "/" if folder.path else ""
        page = self.index.folder(folder.path)
        only_tracked, relook = self.request.only_tracked, self.request.restates_meaning
        get, new = page.get, False
        self.out.files += len(folder.names)
        for name, st in zip(folder.names, folder.stats, strict=True):
            mark = get(name)
            if mark is None:
                if only_tracked:
                    continue
                path = lead + name
                try:
                    check_path(path)
                except InvalidInput as error:
                    self.out.failed.append(Problem(path, error.message))
                    continue
                new = True
                yield path, st
            elif mark == (hash(st) or 1):
                if relook:
                    self._relook.append((lead + name, st))
                else:
                    self.out.unchanged += 1
            else:
                yield lead + name, st
        if new:
            self._warn_of_lookalikes(folder, page)

    def _warn_of_lookalikes(self, folder: Folder, page: dict[str, int | bytes]) -> None:
        """Names that some file system, or some reader, cannot tell apart."""
        names = dict.fromkeys((*folder.names, *page))
        lead = folder.path + "/" if folder.path else ""
        keys: dict[str, str] = {}
        for name in names:
            other = keys.setdefault(lookalike_key(name), name)
            if other != name:
                reason = f"looks like, or on some systems is, {printable(lead + other)}"
                self.out.warnings.append(Problem(lead + name, reason))
        if folder.path:
            key = lookalike_key(folder.path)
            other = self._folders_seen.setdefault(key, folder.path)
            if other != folder.path:
                reason = f"is a folder that looks like {printable(other)}"
                self.out.warnings.append(Problem(folder.path, reason))

    def _only_hash(self, batch: Batch) -> tuple[Batch, Stored]:
        """For a dry run: new files are not read, tracked ones are compared."""
        result = Stored()
        for index, path in enumerate(batch.paths):
            tracked = self.index.get(path) is not None
            oid = hash_file(os.path.join(self.tree.root, path)) if tracked else bytes(32)
            if oid is None or not os.access(os.path.join(self.tree.root, path), os.R_OK):
                result.problems.append((index, "cannot be read"))
                oid = None
            result.oids.append(oid)
            result.stats.append(batch.stats[index])
        return batch, result

    # --- judging ---

    def _judge(self, batch: Batch, stored: Stored, moment: int | None) -> None:
        out, index, rows = self.out, self.index, self.out.rows
        for position, reason in stored.problems:
            out.failed.append(Problem(batch.paths[position], reason))
        for path, oid, st in zip(batch.paths, stored.oids, stored.stats, strict=True):
            if oid is None:
                continue
            if index.get(path) is not None:
                self._changed.append((path, st, oid))
                continue
            labels, time, annotation, attributes = self._meaning(path, st, None)
            rows.paths.append(path)
            rows.kinds.append(ADDED)
            rows.oids.append(oid)
            rows.sizes.append(st[3])
            rows.times.append(time)
            rows.labels.append(labels)
            rows.annotations.append(annotation)
            rows.attributes.append(attributes)
            out.marks[path] = (hash(st) or 1) if settled(st, moment) else oid

    def _judge_tracked(self, moment: int | None) -> None:
        """Compares what was read of tracked files with what the head and the stage say."""
        if not (self._changed or self._relook):
            # A path may be unknown to the head and yet deleted in the stage: see _as_staged.
            self._resurrect()
            return
        paths = [path for path, _, _ in self._changed] + [path for path, _ in self._relook]
        known = self.tree.lookup(paths, self.staged)
        committed = self.tree.committed(p for p in paths if p in self.staged.where)
        for path, st, oid in self._changed:
            before = known.get(path)
            if before is None:
                continue
            self._restage(path, st, oid, before, committed.get(path), moment)
        for path, st in self._relook:
            before = known.get(path)
            if before is not None:
                self._restage(path, st, before.oid, before, committed.get(path), moment)
        self._resurrect()

    def _restage(
        self,
        path: str,
        st: Stat,
        oid: bytes,
        before: Example,
        committed: Example | None,
        moment: int | None,
    ) -> None:
        same = oid == before.oid
        labels, time, annotation, attributes = self._meaning(path, st, before)
        if same and not self._times_itself(path):
            time = before.time
        after = Example(path, oid, st[3], time, labels, attributes, annotation)
        self.out.marks[path] = (hash(st) or 1) if settled(st, moment) else oid
        if same and after.same_meaning(before):
            self.out.unchanged += 1
            return
        held = self.staged.where.get(path)
        if held is not None and committed is None:
            kind = ADDED
        elif committed is not None and committed.oid == oid:
            if after.same_meaning(committed):
                self.out.rows.delete(path, FORGET)  # back to what the head has
                return
            kind = RELABELLED
        else:
            kind = RELABELLED if same and held is None else MODIFIED
        self.out.rows.put(kind, after)

    def _resurrect(self) -> None:
        """A file added again whose deletion is staged: relative to the head it may be no addition."""
        rows = self.out.rows
        again = [
            row for row, path in enumerate(rows.paths)
            if rows.kinds[row] == ADDED and path in self.staged.where
        ] if self.staged.where else []  # fmt: skip
        committed = self.tree.committed(rows.paths[row] for row in again) if again else {}
        for row in again:
            before = committed.get(rows.paths[row])
            if before is None:
                continue
            now = rows.example(row)
            assert now is not None
            kept = now if self.request.restates_meaning else replace(
                before, oid=now.oid, size=now.size,
                time=before.time if now.oid == before.oid else now.time,
            )  # fmt: skip
            if kept == before:
                rows.kinds[row] = FORGET
                rows.oids[row] = None
                continue
            rows.kinds[row] = RELABELLED if kept.oid == before.oid else MODIFIED
            rows.times[row], rows.labels[row] = kept.time, kept.labels
            rows.annotations[row], rows.attributes[row] = kept.annotation, kept.attributes

    def _times_itself(self, path: str) -> bool:
        given = (self.request.label_rows or {}).get(path)
        if given is not None and given.time_us is not None:
            return True
        return self.request.pattern is not None and "{time}" in self.request.pattern.text

    def _meaning(
        self, path: str, st: Stat, before: Example | None
    ) -> tuple[tuple[str, ...], int, str | None, Attributes]:
        """Labels, time, annotation and attributes of a file that was read."""
        request = self.request
        labels: tuple[str, ...] = ()
        time, annotation = st[0] // 1000, None
        attributes: Attributes = NOTHING
        if before is not None:
            labels, annotation, attributes = before.labels, before.annotation, before.attributes
        pattern = request.pattern or (request.default_pattern if before is None else None)
        if pattern is not None:
            match = pattern.match(path)
            if match is None:
                self.out.unlabelled.append(path)
            else:
                labels = match.labels
                attributes = {**attributes, **match.attributes} if attributes else match.attributes
                if match.time_us is not None:
                    time = match.time_us
        given = request.label_rows.get(path) if request.label_rows else None
        if given is not None:
            labels = labels if given.labels is None else given.labels
            time = time if given.time_us is None else given.time_us
            annotation = annotation if given.annotation is None else given.annotation
            attributes = {**attributes, **given.attributes}
        if request.labels:
            explicit = pattern is not None or given is not None
            labels = (*labels, *request.labels) if explicit else request.labels
        return (
            tuple(sorted(set(labels))) if len(labels) > 1 else labels,
            time,
            annotation,
            attributes,
        )

    # --- deletions ---

    def _delete_missing(self) -> None:
        known = dict.fromkeys(self.out.rows.paths)
        for start in _without_nested(self.request.paths):
            for path in list(self.index.below(start)):
                if path in known or self.index.get(path) == ABSENT:
                    continue
                if not os.path.lexists(os.path.join(self.tree.root, path)):
                    self._delete(path)

    def _delete(self, path: str) -> None:
        held = self.staged.where.get(path)
        if held is not None and held[0].rows.kinds[held[1]] == ADDED:
            self.out.rows.delete(path, FORGET)
        else:
            self.out.rows.delete(path, DELETED)
        self.out.marks[path] = None


def _without_nested(paths: tuple[str, ...]) -> list[str]:
    """Drops duplicates and paths that lie below another one."""
    kept: list[str] = []
    chosen: set[str] = set()
    for path in sorted(set(paths)):
        parts = path.split("/")
        above = {"/".join(parts[:depth]) for depth in range(1, len(parts))}
        if "" in chosen or above & chosen:
            continue
        chosen.add(path)
        kept.append(path)
    return kept


def counts_of(rows: Rows) -> Counts:
    """Counts the rows by kind."""
    return Counts(*(rows.kinds.count(kind) for kind in (ADDED, MODIFIED, RELABELLED, DELETED)))


def report(outcome: Outcome, stored: int, *, pattern: str | None, dry_run: bool) -> AddReport:
    """Builds what `add` answers; `stored` is what the packs grew by, in bytes."""
    changes: tuple[Change, ...] = ()
    if dry_run:
        changes = tuple(
            Change(KIND_NAMES[kind], path, after=example)
            for path, kind, example in outcome.rows.sorted()
            if kind != FORGET
        )
    return AddReport(
        counts=counts_of(outcome.rows),
        files=outcome.files,
        size=outcome.size,
        stored=stored,
        unchanged=outcome.unchanged,
        unlabelled=len(outcome.unlabelled),
        warnings=tuple(outcome.warnings),
        skipped=tuple(outcome.skipped),
        failed=tuple(outcome.failed),
        changes=changes,
        pattern=pattern,
    )


def stage_rows(
    tree: WorkTree,
    index: WorkIndex,
    staged: Staged,
    rows: Rows,
    marks: dict[str, int | bytes | None],
) -> None:
    """Writes rows to the stage and brings the index along. Packs must be durable already."""
    with tree.locked():
        if len(rows):
            # The head that the rows were judged against, not one that came in between.
            name = tree.stage.write(index.position.head, rows)

            index.position = Position(
                index.position.head, index.position.id, (*index.position.segments, name)
            )
        for path, mark in marks.items():
            if mark is None:
                index.remove(path)
            elif index.get(path) != mark:
                index.set(path, mark)
        try:
            index.save()
        except StorageFailed:
            return  # the index is a cache: the next command learns again what was lost
