"""Staging files: find what is new or changed, store it, write down what the next changeset holds.

All or nothing: unless asked to go on, one unreadable file means that nothing is staged. The order
on disk is packs (durable), then the stage segment, then the index; a crash in between costs
unreferenced packs, which gc removes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, cast

from dsm.errors import InvalidInput, NotFound
from dsm.files.stat import Stat, file_stat, hash_file, is_gone
from dsm.format.index import ABSENT, Mark, fits, mark_of
from dsm.model.example import Example
from dsm.model.names import check_path, lookalike_key, printable
from dsm.model.record_path import RECORD
from dsm.model.reports import Problem
from dsm.model.rows import ADDED, DELETED, FORGET, MODIFIED, NOTHING, RELABELLED
from dsm.progress import SILENT, Progress
from dsm.repo.dataset_settings import read_settings
from dsm.store.ingest import Batch, Stored, ingest
from dsm.worktree.carrying import Carrier
from dsm.worktree.index import RACY_NS, WorkIndex
from dsm.worktree.named import label_table_paths, named_and_ignored
from dsm.worktree.outcome import FilesUnreadable, Outcome
from dsm.worktree.request import Request
from dsm.worktree.scan import Folder, Scan, without_nested
from dsm.worktree.stage import Staged
from dsm.worktree.tracked_records import has_records
from dsm.worktree.tree import WorkTree, settled

if TYPE_CHECKING:
    from dsm.worktree.records import RecordsFiles

BATCH_FILES, BATCH_BYTES = 512, 16 << 20


class Adder:
    """One run of `add` on one work tree."""

    def __init__(self, tree: WorkTree, request: Request, progress: Progress = SILENT):
        self.tree = tree
        self.request = request
        self.progress = progress
        self.staged = tree.stage.load()
        self.index: WorkIndex = tree.index(self.staged)
        self.out = Outcome()
        self._label_table = label_table_paths(tree, request)
        if request.label_rows is not None:
            request.label_rows.exists = self._exists
        self._carrier = Carrier(tree, request, self.staged)
        self._records = _records_files(tree, request, self.staged)
        self._gone: dict[str, Mark | None] = {}  # examples that are staged as deleted
        self._folders_seen: dict[str, str] = {}
        self._relook: list[tuple[str, Stat]] = []  # unchanged files that get new labels
        self._changed: list[tuple[str, Stat, bytes]] = []  # tracked files that were read
        self._passed_over: list[tuple[str, str]] = []  # (folder, name) that a walk did not meet

    def remember(self) -> None:
        """Notes what was asked of records files for the next `add`; the stage is written."""
        if self._records is not None:
            self._records.remember()

    # --- gathering ---

    def run(self) -> Outcome:
        """Scans, stores and judges; nothing is staged yet. Raises FilesUnreadable, InvalidInput."""
        request, out = self.request, self.out
        store = self.tree.repository.store
        self.progress.start("adding")
        out.ignored = list(named_and_ignored(self.tree, self.index, request))
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
        if self._records is not None:
            self._records.add_to(out, self.progress, moment)
        self._make_room()
        self._delete_missing()
        if self._records is not None:
            self._records.follow(out.rows, self._gone)
        if request.label_rows is not None:
            self._fit_labels()
        self._carry()
        if out.failed and not request.keep_going:
            first, count = out.failed[0], len(out.failed)
            raise FilesUnreadable(
                f"{count} file{'s' * (count > 1)} could not be read, so nothing was staged:"
                f" {printable(first.path)}: {first.reason}",
                hint="mend or ignore them (.dsmignore), or add the rest with --keep-going",
                items=tuple(problem.path for problem in out.failed),
            )
        request.refuse(out.unlabelled, out.left_out)
        self.progress.finish()
        return out

    def _batches(self) -> Iterator[Batch]:
        """Cuts the files to read into batches, new and tracked ones apart."""
        waiting = {True: Batch([], [], True), False: Batch([], [], False)}
        sizes = {True: 0, False: 0}
        files = total = 0
        for new, paths, stats in self._candidates():
            batch = waiting[new]
            for path, st in zip(paths, stats, strict=True):
                if self._records is not None and self._records.takes(path, st, new=new):
                    continue
                batch.paths.append(path)
                batch.stats.append(st)
                sizes[new] += st[3]
                total += st[3]
                if sizes[new] >= BATCH_BYTES or len(batch.paths) >= BATCH_FILES:
                    yield batch
                    batch = waiting[new] = Batch([], [], new)
                    sizes[new] = 0
            files += len(paths)
        self.progress.start("adding", files, total)  # the walk is over: the amount is known
        yield from (batch for batch in waiting.values() if batch.paths)

    def _candidates(self) -> Iterator[tuple[bool, list[str], list[Stat]]]:
        """Yields the files whose content must be read: (untracked, paths, stats)."""
        follow = self.request.follow_symlinks
        ignored = {problem.path for problem in self.out.ignored}
        for start in without_nested(self.request.paths):
            if start in ignored:
                continue
            scan = self.tree.scan(follow_symlinks=follow, force=self.request.force)
            full = os.path.join(self.tree.root, start)
            if not start or (os.path.isdir(full) and (follow or not scan.behind_link(start + "/"))):
                met: set[str] = set()
                for folder in scan.folders(start):
                    yield from self._folder(folder)
                    met.add(folder.path)
                yield False, *self._not_met(scan, start, met)
            else:
                yield from self._single(scan, start)
                yield False, *self._not_met(scan, start, set())
            self._note(scan)

    def _not_met(self, scan: Scan, start: str, met: set[str]) -> tuple[list[str], list[Stat]]:
        """Tracked files that the walk passed over, since they are ignored or lie behind a link."""
        for folder in self.index.folders(start):
            if folder not in met:
                self._passed_over += [(folder, name) for name in self.index.folder(folder)]
        changed: dict[str, Stat] = {}
        noted = {problem.path for problem in scan.notes.skipped}
        for folder, name in self._passed_over:
            path = f"{folder}/{name}" if folder else name
            st = file_stat(os.path.join(self.tree.root, path))
            if st is None or fits(self.index.get(path), st):
                continue
            problem = scan.leads_elsewhere(path)
            if problem is None:
                changed[path] = st
            elif path not in noted:
                scan.notes.skipped.append(Problem(path, problem))
        self._passed_over = []
        return list(changed), list(changed.values())

    def _note(self, scan: Scan) -> None:
        self.out.skipped += scan.notes.skipped
        self.out.failed += scan.notes.failed

    def _single(self, scan: Scan, path: str) -> Iterator[tuple[bool, list[str], list[Stat]]]:
        try:
            st = scan.single(path, tracked=self.index.get(path) is not None)
        except NotFound:
            if not self._not_here(path):
                raise
            return
        if st is not None:
            folder, _, name = path.rpartition("/")
            yield from self._folder(Folder(folder, [name], [st]))
            self._passed_over = []  # the rest of its folder was not asked for

    def _not_here(self, path: str) -> bool:
        """Says of a named path without a file or folder that its examples are left as they are.

        False when nothing is known of it.
        """
        known = list(self.index.below(path))
        below = path + "/"
        gone = sum(self.index.get(name) != ABSENT for name in known)
        if gone and not self._deletes_below(path):
            examples = "its example stays" if gone == 1 else f"its {gone:,} examples stay"
            reason = f"is not here; {examples} (`dsm add -A` stages that they are deleted)"
            self.out.warnings.append(Problem(path, reason))
        return bool(known) or any(p == path or p.startswith(below) for p in self.staged.where)

    def _deletes_below(self, start: str) -> bool:
        """Whether what is missing at and below a path that was asked for is staged as deleted."""
        request = self.request
        if not request.spares_lost_folders or self.index.get(start) is not None:
            return request.deletions or request.only_tracked
        return os.path.lexists(os.path.join(self.tree.root, start))

    def _folder(self, folder: Folder) -> Iterator[tuple[bool, list[str], list[Stat]]]:
        lead = folder.path + "/" if folder.path else ""
        page = self.index.folder(folder.path)
        self.out.files += len(folder.names)
        new, new_stats = folder.names, folder.stats
        if page:
            new, new_stats = [], []
            changed, changed_stats = self._sift(folder, lead, page, new, new_stats)
            yield False, changed, changed_stats
            if len(folder.names) - len(new) < len(page):
                here = set(folder.names)
                self._passed_over += [(folder.path, name) for name in page if name not in here]
        if self.request.only_tracked or not new:
            return
        paths, stats = [], []
        for name, st in zip(new, new_stats, strict=True):
            path = lead + name
            if self._label_table and path in self._label_table:
                continue
            try:
                check_path(path)
            except InvalidInput as error:
                self.out.failed.append(Problem(path, error.message))
                continue
            # What is staged as deleted was taken once, and may come back.
            left_out = self.request.leaves_out(path) and path not in self.staged.where
            if left_out and not (self._records and self._records.claims(path)):
                self.out.left_out.append(path)
            else:
                paths.append(path)
                stats.append(st)
        yield True, paths, stats
        self._warn_of_lookalikes(folder, page)

    def _sift(
        self,
        folder: Folder,
        lead: str,
        page: dict[str, int | bytes],
        new: list[str],
        new_stats: list[Stat],
    ) -> tuple[list[str], list[Stat]]:
        """Parts the files of a folder: fills `new`, returns the tracked ones that must be read."""
        changed: list[str] = []
        changed_stats: list[Stat] = []
        relook, get = self.request.restates_meaning, page.get
        records = self._records
        for name, st in zip(folder.names, folder.stats, strict=True):
            mark = get(name)
            if fits(mark, st):
                if records is not None and records.asked_again(lead + name):
                    changed.append(lead + name)
                    changed_stats.append(st)
                elif relook and not (records is not None and records.is_tracked(lead + name)):
                    self._relook.append((lead + name, st))
                else:
                    self.out.unchanged += 1
            elif mark is None:
                new.append(name)
                new_stats.append(st)
            else:
                changed.append(lead + name)
                changed_stats.append(st)
        return changed, changed_stats

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

    def _fit_labels(self) -> None:
        """Relabels what has no file here, and tells of rows that fit nothing. Raises NoRowFits."""
        from dsm.worktree.label_fitting import LabelFitting

        met = {*self.out.rows.paths, *(c[0] for c in self._changed), *(r[0] for r in self._relook)}
        fitted = LabelFitting(self.tree, self.index, self.staged, self.request)
        rows, unchanged, warnings = fitted.rest(met, self._gone)
        self.out.rows.extend(rows)
        self.out.unchanged += unchanged
        self.out.warnings += warnings

    def _exists(self, path: str) -> bool:
        here = os.path.lexists(os.path.join(self.tree.root, path))
        return here or self.index.get(path) is not None

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
        out = self.out
        paths, oids, stats = batch.paths, stored.oids, stored.stats
        for position, reason in stored.problems:
            out.failed.append(Problem(paths[position], reason))
        if stored.problems:
            good = [row for row, oid in enumerate(oids) if oid is not None]
            paths = [paths[row] for row in good]
            oids = [oids[row] for row in good]
            stats = [stats[row] for row in good]
        if batch.new:
            self._judge_new(paths, cast(list[bytes], oids), stats, moment)
        else:
            self._changed += zip(paths, stats, cast(list[bytes], oids), strict=True)

    def _judge_new(
        self, paths: list[str], oids: list[bytes], stats: list[Stat], moment: int | None
    ) -> None:
        """Appends rows for untracked files, a column at a time."""
        out, rows, request = self.out, self.out.rows, self.request
        rows.paths += paths
        rows.kinds += [ADDED] * len(paths)
        rows.oids.extend(oids)
        rows.sizes += [st[3] for st in stats]
        if request.pattern or request.default_pattern or request.label_rows:
            for path, st in zip(paths, stats, strict=True):
                said = request.meaning(path, st[0] // 1000, None, out.unlabelled)
                rows.labels.append(said.labels)
                rows.times.append(said.time)
                rows.times_given.append(said.time_given)
                rows.annotations.append(said.annotation)
                rows.attributes.append(said.attributes)
        else:
            rows.labels += [request.labels] * len(paths)
            rows.times += [st[0] // 1000 for st in stats]
            rows.times_given += [False] * len(paths)
            rows.annotations += [None] * len(paths)
            rows.attributes.extend([NOTHING] * len(paths))
        rows.records += [None] * len(paths)
        before = 0 if moment is None else moment - RACY_NS
        marks = [
            mark_of(st, oid) if st[0] < before and st[1] < before else oid
            for st, oid in zip(stats, oids, strict=True)
        ]
        out.marks.update(zip(paths, marks, strict=True))

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
        after = self.request.example(
            path, oid, st[3], st[0] // 1000, before, self.out.unlabelled, committed
        )
        self.out.marks[path] = mark_of(st, oid) if settled(st, moment) else oid
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
        """A file added again whose deletion is staged may be no addition to the head."""
        rows = self.out.rows
        again = [
            row for row, path in enumerate(rows.paths)
            if rows.kinds[row] == ADDED and rows.records[row] is None and path in self.staged.where
        ] if self.staged.where else []  # fmt: skip
        committed = self.tree.committed(rows.paths[row] for row in again) if again else {}
        for row in again:
            before = committed.get(rows.paths[row])
            if before is None:
                continue
            now = rows.example(row)
            assert now is not None
            kept = self._carrier.laid_over(now, before)
            if kept == before:
                rows.kinds[row] = FORGET
                rows.oids[row] = None
                continue
            rows.kinds[row] = RELABELLED if kept.oid == before.oid else MODIFIED
            rows.change(row, kept)

    def _carry(self) -> None:
        """What was said of new files under other paths, or in the changeset that they came from."""
        rows, index = self.out.rows, self.index
        if self.request.dry_run:  # which has not read them
            return
        new = [
            row for row, records in enumerate(rows.records)
            if records is None and rows.kinds[row] == ADDED and index.get(rows.paths[row]) is None
        ]  # fmt: skip
        self._carrier.carry(rows, new, self._gone)
        carried = set(self._carrier.carried)
        if carried:
            self.out.carried = len(carried)
            if self.request.pattern is None:
                self.out.unlabelled = [p for p in self.out.unlabelled if p not in carried]

    # --- deletions ---

    def _make_room(self) -> None:
        """New files take the place of examples that they cannot be beside: `a` and `a/b`."""
        rows = self.out.rows
        new = [
            rows.paths[row] for row, records in enumerate(rows.records)
            if records != RECORD and rows.oids[row] is not None
        ]  # fmt: skip
        for path in self.index.in_the_way(p for p in new if self.index.get(p) is None):
            if path not in self.out.marks or self.out.marks[path] is not None:
                self._delete(path)

    def _delete_missing(self) -> None:
        known = dict.fromkeys(self.out.rows.paths)
        unseen = tuple(problem.path for problem in self.out.failed)
        for start in without_nested(self.request.paths):
            if not self._deletes_below(start):
                continue
            for path in list(self.index.below(start)):
                if path in known or self.index.get(path) == ABSENT:
                    continue
                # What lies in a folder that cannot be read is not gone.
                if any(p == "." or path == p or path.startswith(p + "/") for p in unseen):
                    continue
                try:
                    if is_gone(os.path.join(self.tree.root, path)):
                        self._delete(path)
                except OSError as error:
                    self.out.failed.append(Problem(path, error.strerror or str(error)))

    def _delete(self, path: str) -> None:
        self._gone[path] = self.index.get(path)
        held = self.staged.where.get(path)
        if held is not None and held[0].rows.kinds[held[1]] == ADDED:
            self.out.rows.delete(path, FORGET)
        else:
            self.out.rows.delete(path, DELETED)
        self.out.marks[path] = None


def _records_files(tree: WorkTree, request: Request, staged: Staged) -> RecordsFiles | None:
    """Returns what deals with records files; None where none are asked for, kept or tracked."""
    kept = read_settings(tree.repository, tree.log.name)
    if not (request.records or kept.records or kept.record_globs or has_records(tree, staged)):
        return None
    from dsm.worktree.records import RecordsFiles

    return RecordsFiles(tree, request, staged)
