"""Records files in a run of `add`: which files they are, and how each is read, stored and judged.

A file is one when `--records` was given for it, when it is tracked as one, or when it is new and
the dataset's settings say so of its place.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, BinaryIO

from dsm.errors import InvalidInput
from dsm.files.stat import Stat, stat_of
from dsm.format.index import mark_of
from dsm.model.example import Change, Example
from dsm.model.names import printable
from dsm.model.record_path import SETTINGS_BYTES_MAX, is_records_file
from dsm.model.reports import Problem, RecordsReport
from dsm.model.rows import FORGET, Rows
from dsm.progress import Progress
from dsm.records.formats import FORMATS, JSONL, format_of
from dsm.records.settings import BY_NAME, RecordSettings
from dsm.repo.dataset_settings import DatasetSettings, change_settings, read_settings
from dsm.store.ingest import FileUnreadable
from dsm.worktree.outcome import Outcome
from dsm.worktree.request import Request
from dsm.worktree.stage import Staged
from dsm.worktree.tracked_records import records_files, remove_records_with
from dsm.worktree.tree import WorkTree, settled

if TYPE_CHECKING:
    from dsm.records.gathering import Read
    from dsm.worktree.record_rows import Judged

READ_AGAIN = 3
SAMPLES = 3


@dataclass(slots=True)
class Added:
    """What was made of the records files of one `add`: rows, and the stat that each file had."""

    rows: Rows = field(default_factory=Rows)
    stats: dict[str, tuple[Stat, bytes]] = field(default_factory=dict)
    reports: list[RecordsReport] = field(default_factory=list)
    failed: list[Problem] = field(default_factory=list)
    size: int = 0


class RecordsFiles:
    """The records files that one `add` meets."""

    def __init__(self, tree: WorkTree, request: Request, staged: Staged):
        self.tree, self.request, self.staged = tree, request, staged
        self.settings: DatasetSettings = read_settings(tree.repository, tree.log.name)
        self.waiting: dict[str, Stat] = {}
        self._known: dict[str, Example] = {}
        self._tracked_files: dict[str, str] | None = None
        self._named = frozenset(request.paths)
        if request.records is not None:
            request.records.refuse_useless(request.paths)

    def settings_for(self, path: str, *, new: bool) -> RecordSettings | None:
        """Returns how a file is read as records; None when it is one example.

        Raises InvalidInput for a named file of which dsm cannot read records.
        """
        asked = self.request.records
        if asked is not None:
            found = _in_format(asked, path, named=path in self._named)
            if found is not None:
                return found
        if not new:
            return self._tracked(path)
        said = self.settings.records_at(path)
        return None if said is None else _in_format(said[0], path, named=said[1])

    def _tracked(self, path: str) -> RecordSettings | None:
        before = self.tree.lookup([path], self.staged).get(path)
        if before is None or not is_records_file(before.records):
            return None
        self._known[path] = before
        assert before.records is not None
        return RecordSettings.from_text(before.records)[0].asked()

    def claims(self, path: str) -> bool:
        """Whether a new file is to be read as records."""
        return self.settings_for(path, new=True) is not None

    def takes(self, path: str, stat: Stat, *, new: bool) -> bool:
        """Whether a file to be added is a records file, which is then read by `add`."""
        if self.settings_for(path, new=new) is None:
            return False
        self.waiting[path] = stat
        return True

    def asked_again(self, path: str) -> bool:
        """Whether an unchanged file is to be read as records all the same: it was named so, or
        something is said of it, which is of its records."""
        if self.request.records is None:
            return self.request.says_of(path) and self.is_tracked(path)
        return self.settings_for(path, new=False) is not None

    def is_tracked(self, path: str) -> bool:
        """Whether a path is that of a tracked records file."""
        if self._tracked_files is None:
            self._tracked_files = records_files(self.tree, self.staged)
        return path in self._tracked_files

    def add_to(self, out: Outcome, progress: Progress, moment: int | None) -> None:
        """Reads the records files that were met, and takes their rows. Raises what `add` does."""
        if not self.waiting:
            return
        added = self.add(progress.advance, dry_run=self.request.dry_run)
        out.rows.absorb(added.rows)
        out.failed += added.failed
        out.records += added.reports
        out.size += added.size
        out.unchanged += sum(not any(each.counts.values()) for each in added.reports)
        for path, (st, oid) in added.stats.items():
            out.marks[path] = mark_of(st, oid) if settled(st, moment) else oid

    def add(self, advance: Callable[[int, int], None], *, dry_run: bool) -> Added:
        """Reads, stores and judges the files that wait. Raises RecordsInvalid for one that is not
        what records are read of, unless what fails is to be left out."""
        from dsm.records.gathering import RecordsInvalid

        out = Added()
        store = self.tree.repository.store
        for path, stat in sorted(self.waiting.items()):
            new = path not in self._known and self.request.records is None
            settings = self.settings_for(path, new=new)
            assert settings is not None
            try:
                read, seen = self._read(path, stat, settings, dry_run=dry_run)
            except (RecordsInvalid, FileUnreadable) as error:
                if isinstance(error, RecordsInvalid) and not self.request.keep_going:
                    raise
                reason = error.message.removeprefix(f"{printable(path)}, ")
                out.failed.append(Problem(path, reason))
                continue
            self._take(out, path, read, seen)
            advance(1, read.size)
            del read  # as much as the rows, with millions of them
        if not dry_run and self.waiting:
            store.flush()
        self._refuse_shared(out.rows)
        return out

    def add_lines(self, path: str, lines: Iterator[bytes], now: int) -> Added:
        """Stores and judges records that are given as lines, and no file; `now` in microseconds
        UTC is their time. Raises RecordsInvalid."""
        from dsm.records.given import Lines
        from dsm.records.jsonl import read_jsonl

        asked = self.request.records
        assert asked is not None
        before = self.tree.lookup([path], self.staged).get(path)
        if before is not None and before.records is not None and is_records_file(before.records):
            known = RecordSettings.from_text(before.records)[0]
            same = asked in (RecordSettings(format=JSONL), replace(known, found=asked.found))
            if same and known.format == JSONL:
                # The next state of what is known, in which people have labelled meanwhile.
                asked, self.request = known, replace(self.request, records=None)
        read = read_jsonl(Lines(lines).read, path, asked, self.tree.repository.store)
        out = Added()
        stat = (now * 1000, 0, 0, read.size)
        self.waiting[path] = stat
        self._take(out, path, read, stat)
        self.tree.repository.store.flush()
        self._refuse_shared(out.rows)
        return out

    def take_read(self, path: str, read: Read, now: int) -> Added:
        """Judges a file that was read and stored elsewhere, in microseconds UTC `now`."""
        out = Added()
        self._take(out, path, read, (now * 1000, 0, 0, read.size))
        self.tree.repository.store.flush()
        return out

    def add_open(self, files: Iterable[tuple[str, BinaryIO, int]]) -> Added:
        """Reads, stores and judges files that are given open, by their paths and times (in
        microseconds UTC); they need not be in the work tree. Raises RecordsInvalid."""
        from dsm.records.reader import read_records

        out = Added()
        store = self.tree.repository.store
        for path, file, time in files:
            new = path not in self.tree.lookup([path], self.staged)
            settings = self.settings_for(path, new=new)
            assert settings is not None
            read = read_records(file, path, settings, store)
            if read.size < 0:
                raise FileUnreadable("changes while it is read")
            self.waiting[path] = seen = (time * 1000, 0, 0, read.size)
            self._take(out, path, read, seen)
            del read  # as much as the rows, with millions of them
        store.flush()
        self._refuse_shared(out.rows)
        return out

    def records_among(self, paths: Iterable[str], known: Mapping[str, Example]) -> set[str]:
        """Returns those of these paths whose files are to be read as records; `known` are tracked
        examples by path."""
        asked, found = self.request.records, set()
        for path in paths:
            if asked is not None and _in_format(asked, path, named=path in self._named):
                found.add(path)
            elif path in known:
                found.update([path] if is_records_file(known[path].records) else [])
            elif self.settings_for(path, new=True) is not None:
                found.add(path)
        return found

    def _take(self, out: Added, path: str, read: Read, seen: Stat) -> None:
        samples = tuple(read.keys[:SAMPLES])
        judged = self._judge(path, read, seen)
        out.rows.absorb(judged.rows)
        out.stats[path] = (seen, read.oid)
        out.size += read.size
        out.reports.append(_report(path, read, judged, samples))

    def _read(
        self, path: str, stat: Stat, settings: RecordSettings, *, dry_run: bool
    ) -> tuple[Read, Stat]:
        from dsm.records.reader import read_records

        store = None if dry_run else self.tree.repository.store
        full = os.path.join(self.tree.root, path)
        for _ in range(READ_AGAIN):
            try:
                with open(full, "rb", buffering=0) as file:
                    before = stat_of(os.fstat(file.fileno()))
                    read = self._what_changed(file, path, settings) if store is not None else None
                    if read is None:
                        file.seek(0)
                        read = read_records(file, path, settings, store)
                    after = stat_of(os.fstat(file.fileno()))
            except OSError as error:
                raise FileUnreadable(error.strerror or str(error)) from error
            if before == after and read.size == after[3]:
                return read, after
        raise FileUnreadable("changes while it is read")

    def _what_changed(self, file: BinaryIO, path: str, settings: RecordSettings) -> Read | None:
        """Returns what changed of a file since the head, if that can be told without the rest."""
        from dsm.worktree.record_increments import what_changed

        if self.request.records is not None or self.request.restates_meaning:
            return None
        return what_changed(self.tree, self.staged, file, path, settings)

    def _judge(self, path: str, read: Read, stat: Stat) -> Judged:
        from dsm.worktree.record_rows import RecordsJudge

        before = self.tree.lookup([path], self.staged).get(path)
        committed = self.tree.committed([path]).get(path)
        time, given = stat[0] // 1000, False
        for known in (before, committed):
            if known is not None and known.oid == read.oid:
                time, given = known.time, known.time_given
                break
        said = _text_of(path, read)
        row = Example(path, read.oid, read.size, time, time_given=given, records=said)
        judge = RecordsJudge(self.tree, self.staged, self.request, read, row)
        return judge.judge(before, committed)

    def _refuse_shared(self, rows: Rows) -> None:
        from dsm.worktree.record_rows import refuse_files_as_records

        names: list[str] = []
        if not self.waiting:
            return
        index = self.tree.index(self.staged)
        for path in self.waiting:
            folder, _, name = path.rpartition("/")
            lead = f"{folder}/" if folder else ""
            names += [lead + each for each in index.folder(folder) if each.startswith(name + "#")]
        refuse_files_as_records(self.tree, self.staged, rows, names)

    def follow(self, rows: Rows, gone: Iterable[str]) -> None:
        """Removes the records of files that are `gone`, of which the rows say so already."""
        from dsm.worktree.record_rows import refuse_files_as_records

        refuse_files_as_records(self.tree, self.staged, rows, ())
        files = dict.fromkeys(gone)
        if files:
            own = [row for row, path in enumerate(rows.paths) if path in files]
            deleted = rows.take(own)
            remove_records_with(self.tree, self.staged, deleted)
            for row, said in zip(own, deleted.records, strict=False):
                rows.records[row] = said
            rows.extend(deleted.take(list(range(len(own), len(deleted)))))

    def remember(self) -> None:
        """Notes in the dataset's settings how the named files and folders are read from now on."""
        asked = self.request.records
        if asked is None:
            return
        from dsm.model.globs import fixed_folder, matches

        named = {path: asked for path in self.request.paths if path not in self.request.globbed}
        globs = self.request.globs

        def below(path: str) -> bool:
            return any(not top or path == top or path.startswith(f"{top}/") for top in named)

        def said_anew(path: str) -> bool:
            return path in named or any(matches(glob, path) for glob in globs)

        def changed(settings: DatasetSettings) -> DatasetSettings:
            kept = {p: e for p, e in settings.records.items() if not (below(p) or said_anew(p))}
            others = [
                (glob, each) for glob, each in settings.record_globs
                if glob not in globs and not below(fixed_folder(glob))
            ]  # fmt: skip
            return replace(
                settings,
                records=dict(sorted({**kept, **named}.items())),
                record_globs=(*others, *((glob, asked) for glob in globs)),
            )

        if changed(self.settings) != self.settings:
            change_settings(self.tree.repository, self.tree.log.name, changed)


def _in_format(said: RecordSettings, path: str, *, named: bool) -> RecordSettings | None:
    """Returns the settings with the format of a file, None when they do not concern it.

    A file that was `named` is read as it was said, or as its name says; raises InvalidInput when
    neither tells how. Others are read where their name says so.
    """
    if named and said.format != BY_NAME:
        return said.of(said.row())
    row = format_of(path)
    if row is None and named:
        raise InvalidInput(
            f"{printable(path)} does not say by its name how its records are written",
            hint=f"say it: --records={'|'.join(FORMATS)}",
            items=(path,),
        )
    if row is None or not (named or (row.by_name and said.format == BY_NAME)):
        return said.of(row) if row is not None and row.name == said.format else None
    return said.of(row)


def _text_of(path: str, read: Read) -> str:
    """Returns what the row of a file says of how it was read. Raises InvalidInput."""
    text = read.settings.to_text(len(read) if read.records is None else read.records)
    if len(text) > SETTINGS_BYTES_MAX:
        raise InvalidInput(
            f"{printable(path)}: the names of its columns are too long to be kept", items=(path,)
        )
    return text


def _report(path: str, read: Read, judged: Judged, samples: tuple[str, ...]) -> RecordsReport:
    settings = read.settings
    return RecordsReport(
        path=path,
        format=settings.format,
        records=len(read) if read.records is None else read.records,
        counts=judged.counts,
        fields=read.fields,
        written=settings.found.words,
        key=settings.key,
        label=settings.label,
        time=settings.time,
        attributes=settings.attributes,
        samples=samples,
    )


def changes_here(
    tree: WorkTree, staged: Staged, files: Iterable[tuple[str, Stat]]
) -> dict[str, list[Change]]:
    """Returns what `add` would do to the records of files that changed, by file.

    A file that holds no records any more is left out: its own change is told.
    """
    from dsm.history.difference import change_of

    found: dict[str, list[Change]] = {}
    here = RecordsFiles(tree, Request(()), staged)
    for path, stat in files:
        try:
            if not here.takes(path, stat, new=False):
                continue
            added = here.add(lambda files, size: None, dry_run=True)
        except InvalidInput:
            continue
        finally:
            here.waiting.clear()
        if added.failed:
            continue
        rows = added.rows
        before = tree.lookup(rows.paths, staged)
        committed = tree.committed(
            p for p, kind in zip(rows.paths, rows.kinds, strict=True) if kind == FORGET
        )
        changes = []
        for row, each in enumerate(rows.paths):
            after = rows.example(row)
            if rows.kinds[row] == FORGET:
                after = committed.get(each)
            change = change_of(each, before.get(each), after)
            if change is not None:
                changes.append(change)
        found[path] = changes
    return found
