"""Importing an archive, whose members become examples."""

from __future__ import annotations

from dataclasses import replace

from dsm.errors import InvalidInput
from dsm.remotes.backend import Backend, Entry
from dsm.remotes.foreign_archives import members_of
from dsm.remotes.foreign_file import RemoteFile
from dsm.remotes.import_record import Imported
from dsm.remotes.import_run import ImportReport, ImportRun, is_same


def import_archive(work: ImportRun, backend: Backend, entry: Entry) -> ImportReport:
    """Stages the members of an archive that has changed since; see `import_from`."""
    if work.asked.get("label_file") is not None:
        raise InvalidInput(
            "a table of labels goes with files, and not with an archive",
            hint="label its examples afterwards, with `dsm label`",
        )
    report = replace(work.report, files=1)
    if is_same(work.record.get(entry.name), entry, None, update=True):
        return report
    if report.dry_run:
        return replace(report, fetched=1, size=entry.size)
    work.progress.start("importing", None, entry.size)
    for batch in members_of(backend, entry, RemoteFile(backend, entry)):
        named = [(m, path) for m in batch if (path := work.target(m.name)) is not None]
        added = work.dataset.add_streams(
            [path for _, path in named],
            ((path, member.content) for member, path in named),
            {path: member.time for member, path in named},
            **work.options,
        )
        report = report.plus(len(named), added)
        work.progress.advance(len(named), sum(member.size for member, _ in named))
    work.progress.finish()
    work.record.add([(entry.name, Imported(entry.size, entry.etag, entry.modified, ""))])
    return report
