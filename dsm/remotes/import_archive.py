"""Importing an archive, whose members become examples.

A tar has to be read from its beginning, and is brought to this disk first, so that nothing of one
that was changed meanwhile, or came garbled, is staged, and an interrupted import goes on. Of a zip
that was imported before, only members with another CRC, size or name are read, at the address.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO

from dsm.errors import InvalidInput
from dsm.model.names import printable
from dsm.remotes.backend import Backend, Entry
from dsm.remotes.foreign_archives import (
    ZIP,
    Member,
    archive_kind,
    at_the_address,
    members_of,
    start_of,
)
from dsm.remotes.foreign_file import require_unchanged
from dsm.remotes.import_record import Imported, ImportedMember
from dsm.remotes.import_run import ImportReport, ImportRun, is_same, lookalikes
from dsm.remotes.referring import refer_to_part
from dsm.worktree.imported import restate

_PIECE = 1 << 20


def import_archive(work: ImportRun, backend: Backend, entry: Entry) -> ImportReport:
    """Stages the members of an archive that has changed since; see `import_from`."""
    if work.asked.get("label_file") is not None:
        raise InvalidInput(
            "a table of labels goes with files, and not with an archive",
            hint="label its examples afterwards, with `dsm label`",
        )
    run = _Archive(work, backend, entry)
    report = replace(work.report, files=1)
    if run.is_done():
        return run.restated(report)
    if report.dry_run:
        return replace(report, fetched=1, size=entry.size)
    return run.run(report)


class _Archive:
    """One archive, and what was imported of it before."""

    def __init__(self, work: ImportRun, backend: Backend, entry: Entry):
        self._work, self._backend, self._entry = work, backend, entry
        self._before = work.record.members(entry.name)
        self._here = self._known()
        self._left: list[str] = []  # paths of members that need not be read again
        self._seen: set[str] = set()
        self._places: dict[str, bool] = {}  # paths of examples, and of folders above them

    def _known(self) -> dict[str, str]:
        """Returns the content ids of examples that members became, by path."""
        tree = self._work.dataset.tree
        paths = [each.path for each in self._before.values()]
        found = tree.lookup(paths, tree.stage.load())
        return {path: example.oid.hex() for path, example in found.items()}

    def is_done(self) -> bool:
        """Whether the archive is as it was imported, and all of it here, unless it is an update."""
        if not is_same(self._work.record.get(self._entry.name), self._entry, None, update=True):
            return False
        return all(self._stays(each) for each in self._before.values())

    def _stays(self, member: ImportedMember) -> bool:
        return self._work.update or self._here.get(member.path) == member.oid

    def restated(self, report: ImportReport) -> ImportReport:
        """Stages what is said anew of members that are here."""
        if not self._work.restates:
            return report
        paths = self._left or [each.path for each in self._before.values()]
        tree, request = self._work.dataset.tree, self._work.request()
        return report.plus(0, restate(tree, request, paths, dry_run=report.dry_run))

    def run(self, report: ImportReport) -> ImportReport:
        """Reads and stages the members that are not here yet, and puts them on record."""
        work, entry = self._work, self._entry
        work.record.begin(entry.name, entry.size, entry.etag, entry.modified)
        self._before = work.record.members(entry.name)
        work.progress.start("importing", None, entry.size)
        paths: list[str] = []
        with self._opened() as file:
            for batch in members_of(self._backend.url, entry, file, self._wanted):
                named = [(m, path) for m in batch if (path := self._target(m)) is not None]
                if not named:
                    continue
                added = work.dataset.add_streams(
                    [path for _, path in named],
                    self._contents(named, file),
                    {path: member.time for member, path in named},
                    **work.options,
                )
                report = report.plus(len(named), added)
                self._keep(named)
                paths += [path for _, path in named]
                work.progress.advance(len(named))
        work.progress.finish()
        work.record.add([(entry.name, Imported(entry.size, entry.etag, entry.modified, ""))])
        gone = sorted(self._before.keys() - self._seen)
        report = replace(
            report, vanished=tuple(gone), warnings=(*report.warnings, *lookalikes(paths))
        )
        return self.restated(report) if self._left else report

    @contextlib.contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        is_zip = archive_kind(self._entry.name) == ZIP
        if not self._backend.is_far or (is_zip and self._before):
            with at_the_address(self._backend, self._entry) as file:
                yield file
            require_unchanged(self._backend, self._entry)
            return
        with self._work.spool.brought(self._backend, self._entry, self._work.count_bytes) as file:
            yield file

    def _wanted(self, member: Member) -> bool:
        self._seen.add(member.name)
        was = self._before.get(member.name)
        if was is None or was.size != member.size or not self._stays(was):
            return True
        same = was.is_current if member.crc is None else was.crc == member.crc
        if same:
            self._left.append(was.path)
        return not same

    def _target(self, member: Member) -> str | None:
        """Returns the path of a member's example; None for one that is left out, and noted."""
        path = self._work.target(member.name)
        if path is None:
            return None
        above = path
        while above := above.rpartition("/")[0]:
            if self._places.get(above):
                self._work.leave_out(member.name, f"lies below the file {printable(above)}")
                return None
        if self._places.get(path) is False:
            self._work.leave_out(member.name, "is a folder of other files, too")
            return None
        self._places[path] = True
        above = path
        while (above := above.rpartition("/")[0]) and above not in self._places:
            self._places[above] = False
        return path

    def _contents(
        self, named: list[tuple[Member, str]], file: BinaryIO
    ) -> Iterator[tuple[str, Any]]:
        for member, path in named:
            if not self._work.reference:
                yield path, member.content
                continue
            start = start_of(member, file, self._entry.name)
            if start is None:
                raise InvalidInput(
                    f"{printable(member.name)} does not lie in {printable(self._entry.name)} as it"
                    " is: it is compressed, and so cannot stay there",
                    hint="leave out --reference, which stores it; or refer to a tar or zip without"
                    " compression",
                )
            parts = _pieces(member)
            yield path, refer_to_part(self._backend, self._entry, path, start, member.size, parts)

    def _keep(self, named: list[tuple[Member, str]]) -> None:
        """Puts members on record that were staged."""
        tree = self._work.dataset.tree
        now = tree.lookup([path for _, path in named], tree.stage.load())
        self._work.record.add_members(
            self._entry.name,
            (
                (member.name, ImportedMember(path, member.size, member.crc, now[path].oid.hex()))
                for member, path in named if path in now
            ),
        )  # fmt: skip


def _pieces(member: Member) -> Iterator[bytes]:
    if isinstance(member.content, bytes):
        yield member.content
        return
    while piece := member.content.read(_PIECE):
        yield piece
