"""One import under way: where from, where to, what was asked of each file, and what it answers."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dsm.datasets import Dataset
from dsm.errors import InvalidInput
from dsm.model.names import check_path, lookalike_key, printable
from dsm.model.reports import AddReport, Problem, RecordsReport
from dsm.progress import Progress
from dsm.remotes.backend import Entry
from dsm.remotes.import_record import Imported, ImportRecord
from dsm.remotes.spooled import Spool
from dsm.worktree.asked import request_in
from dsm.worktree.index import folders_above
from dsm.worktree.request import Request


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import staged, or would stage: of `files` at the address, `fetched` were read.

    `size` counts their bytes; `added`, `modified`, `relabelled` and `deleted` count examples, and
    `records` has the files whose lines or rows they are; a dry run reads none of these, and counts
    `record_files` alone. `skipped` names what was left out and why, `warnings` what was taken all
    the same; `vanished` what was imported before and is not at the address any more: it stays. With
    `reference` their bytes stay at the address.
    """

    url: str
    into: str
    files: int = 0
    fetched: int = 0
    size: int = 0
    added: int = 0
    modified: int = 0
    relabelled: int = 0
    deleted: int = 0
    record_files: int = 0
    records: tuple[RecordsReport, ...] = ()
    skipped: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    vanished: tuple[str, ...] = ()
    dry_run: bool = False
    reference: bool = False

    def plus(self, fetched: int, done: AddReport) -> ImportReport:
        """Returns the report with what was staged of so many more files."""
        counts = done.counts
        return replace(
            self, fetched=self.fetched + fetched, size=self.size + done.size,
            added=self.added + counts.added, modified=self.modified + counts.modified,
            relabelled=self.relabelled + counts.relabelled, deleted=self.deleted + counts.deleted,
            record_files=self.record_files + len(done.records),
            records=(*self.records, *done.records), warnings=(*self.warnings, *done.warnings),
        )  # fmt: skip

    def with_all(self, other: ImportReport) -> ImportReport:
        """Returns the report of both, of other files at the same address."""
        numbers = ("files", "fetched", "size", "added", "modified", "relabelled", "deleted",
                   "record_files")  # fmt: skip
        lists = ("records", "skipped", "warnings", "vanished")
        both = {name: getattr(self, name) + getattr(other, name) for name in (*numbers, *lists)}
        return replace(self, **both)


@dataclass(slots=True, kw_only=True)
class ImportRun:
    """One import under way.

    `asked` are options of `Dataset.add` for all files, `asked_of_records` those for files of
    records, where `records` is among them; `record` is what was imported before, and `spool` where
    files lie that have to be here as a whole. With `update` what has not changed at the address is
    left alone, whatever became of it here; `single` is whether the address is that of one file.
    """

    dataset: Dataset
    url: str
    into: str
    asked: Mapping[str, Any]
    asked_of_records: Mapping[str, Any]
    record: ImportRecord
    spool: Spool
    progress: Progress
    report: ImportReport
    update: bool = False
    reference: bool = False
    single: bool = False
    skipped: list[Problem] = field(default_factory=list)

    def target(self, name: str) -> str | None:
        """Returns the path of a file's example; None for one that is left out."""
        if any(part.startswith(".") for part in name.split("/")):
            self.leave_out(name, "is hidden")
            return None
        try:
            return check_path(f"{self.into}/{name}" if self.into else name)
        except InvalidInput as error:
            self.leave_out(name, error.message)
            return None

    def leave_out(self, name: str, reason: str) -> None:
        """Notes a file, or a member of an archive, that is not taken."""
        self.skipped.append(Problem(printable(name), reason))

    def places(self, entries: Iterable[Entry]) -> list[tuple[Entry, str]]:
        """Returns the files that can be examples, with their paths; the others are noted."""
        found = [(each, path) for each in entries if (path := self.target(each.name)) is not None]
        folders = folders_above(path for _, path in found)
        for entry, path in found:
            if path in folders:
                self.leave_out(entry.name, "is a folder of other files, too")
        return [place for place in found if place[1] not in folders]

    def request(self, paths: Iterable[str] = (), *, records: bool = False) -> Request:
        """Returns what was asked; with `records` how files of records are read, too."""
        dataset, more = self.dataset, self.asked_of_records if records else {}
        if records and self.asked_of_records.get("records"):
            paths = [self.into] if not self.single else list(paths)
        folder = dataset.repo.environment.current_folder()
        return request_in(
            dataset.tree, tuple(paths) if records else (), dataset.pattern, dataset.unmatched,
            folder, {**self.options, **more},
        )  # fmt: skip

    @property
    def options(self) -> dict[str, Any]:
        """What was asked of all files; a table of labels that was read begins anew."""
        table = self.asked.get("label_file")
        anew = {"label_file": io.BytesIO(table)} if isinstance(table, bytes) else {}
        return {**self.asked, **anew}

    def count_bytes(self, size: int) -> None:
        """Tells the progress of bytes that came."""
        self.progress.advance(0, size)

    @property
    def restates(self) -> bool:
        """Whether something is said of files that have not changed, too."""
        told = ("labels", "pattern", "label_file")
        return not self.update and any(self.asked.get(each) for each in told)


def lookalikes(paths: Iterable[str]) -> list[Problem]:
    """Returns warnings of paths that some file system, or some reader, cannot tell apart."""
    keys: dict[str, str] = {}
    found = []
    for path in paths:
        other = keys.setdefault(lookalike_key(path), path)
        if other != path:
            reason = f"looks like, or on some systems is, {printable(other)}"
            found.append(Problem(path, reason))
    return found


def is_same(was: Imported | None, entry: Entry, known: Any, *, update: bool) -> bool:
    """Whether a file is as it was when it was imported, and, if not `update`, its example too."""
    if was is None or was.size != entry.size:
        return False
    if was.etag is not None and entry.etag is not None:
        same = was.etag == entry.etag
    else:
        same = was.modified is not None and was.modified == entry.modified
    return same and (update or (known is not None and known.oid.hex() == was.oid))
