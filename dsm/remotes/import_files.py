"""Importing the files of a folder or a prefix: which are to be read, and the staging of batches."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace

from dsm.format.reference import Reference
from dsm.progress import Progress
from dsm.remotes.backend import Backend, Entry, retried
from dsm.remotes.foreign_file import RemoteFile, whole
from dsm.remotes.import_record import Imported, ImportRecord
from dsm.remotes.import_run import ImportReport, ImportRun, is_same
from dsm.remotes.parallel import side_by_side
from dsm.remotes.referring import refer_to

BATCH_FILES, BATCH_BYTES = 5_000, 1 << 30
# Smaller files are read side by side, whole; larger ones one after the other, as streams.
SMALL_BYTES = 4 << 20
MICRO = 1_000_000


def import_files(
    work: ImportRun, backend: Backend, entries: list[Entry], record: ImportRecord, *, update: bool
) -> ImportReport:
    """Stages the files that are new or have changed since, in batches; see `import_from`."""
    places = [(entry, path) for entry in entries if (path := work.target(entry.name)) is not None]
    known = work.dataset.tree.lookup([path for _, path in places], work.dataset.tree.stage.load())
    new = [
        (entry, path) for entry, path in places
        if not is_same(record.get(entry.name), entry, known.get(path), update=update)
    ]  # fmt: skip
    there = {entry.name for entry in entries}
    report = replace(
        work.report, files=len(entries), vanished=tuple(sorted(set(record.names()) - there))
    )
    if report.dry_run:
        size = sum(entry.size for entry, _ in new)
        fresh = sum(path not in known for _, path in new)
        return replace(report, fetched=len(new), size=size, added=fresh, modified=len(new) - fresh)
    work.progress.start("importing", len(new), sum(entry.size for entry, _ in new))
    # The rows of a table of labels name files of any batch: there is one then.
    batches = [new] if new and work.asked.get("label_file") is not None else _batches(new)
    for batch in batches:
        added = work.dataset.add_streams(
            [path for _, path in batch],
            _contents(backend, batch, work.progress, reference=work.reference),
            {path: _microseconds(entry) for entry, path in batch},
            **work.asked,
        )
        report = replace(
            report, fetched=report.fetched + len(batch), size=report.size + added.size,
            added=report.added + added.counts.added,
            modified=report.modified + added.counts.modified,
        )  # fmt: skip
        now = work.dataset.tree.lookup([path for _, path in batch], work.dataset.tree.stage.load())
        record.add(
            (entry.name, Imported(entry.size, entry.etag, entry.modified, now[path].oid.hex()))
            for entry, path in batch if path in now
        )  # fmt: skip
    work.progress.finish()
    return report


def _batches(items: Sequence[tuple[Entry, str]]) -> Iterator[list[tuple[Entry, str]]]:
    batch: list[tuple[Entry, str]] = []
    size = 0
    for item in items:
        batch.append(item)
        size += item[0].size
        if len(batch) >= BATCH_FILES or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _contents(
    backend: Backend, batch: list[tuple[Entry, str]], progress: Progress, *, reference: bool
) -> Iterator[tuple[str, bytes | io.RawIOBase | Reference]]:
    """Yields (path, bytes or a stream, or a reference) of each file, read side by side but for
    streams."""

    def read(item: tuple[Entry, str]) -> bytes | io.RawIOBase | Reference:
        entry, path = item
        if reference:
            return retried(lambda: refer_to(backend, entry, path))
        if entry.size > SMALL_BYTES:
            return RemoteFile(backend, entry)
        return retried(lambda: whole(backend, entry))

    for (entry, path), content in zip(batch, side_by_side(read, batch), strict=True):
        yield path, content
        progress.advance(1, entry.size)


def _microseconds(entry: Entry) -> int | None:
    return None if entry.modified is None else int(entry.modified * MICRO)
