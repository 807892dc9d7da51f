"""Importing the files of a folder or a prefix: which are to be read, and the staging of batches.

A batch is what an interrupted import reads again, at most. Files whose lines or rows are examples
are read as records, as `add` reads them.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, BinaryIO, cast

from dsm.format.reference import Reference
from dsm.model.example import Example
from dsm.model.reports import AddReport
from dsm.remotes.backend import Backend, Entry
from dsm.remotes.foreign_file import (
    RemoteFile,
    again_if_garbled,
    comes_in_ranges,
    joined,
    range_of,
    starts_of,
    stream,
    whole,
)
from dsm.remotes.import_record import Imported
from dsm.remotes.import_run import ImportReport, ImportRun, is_same, lookalikes
from dsm.remotes.parallel import side_by_side
from dsm.remotes.referring import refer_to
from dsm.repo.dataset_settings import know_classes
from dsm.worktree.imported import add_record_files, records_among, restate

BATCH_FILES, BATCH_BYTES = 5_000, 256 << 20
# Smaller files are read whole, larger ones in ranges, side by side; those of which much would be
# lost are brought to this disk first, where the next run goes on.
SMALL_BYTES, SPOOLED_BYTES = 4 << 20, 256 << 20
MICRO = 1_000_000

Place = tuple[Entry, str]


@dataclass(slots=True)
class _Found:
    """The files of an address, and their paths: `new` ones are to be read, `known` examples by path
    are there already, and `records` are the paths of files of records."""

    places: list[Place]
    known: dict[str, Example]
    records: set[str]
    new: list[Place]

    @property
    def same(self) -> list[Place]:
        """Those that have not changed, and whose examples are here."""
        new = {path for _, path in self.new}
        return [(e, path) for e, path in self.places if path not in new and path in self.known]


def import_files(
    work: ImportRun, backend: Backend, entries: list[Entry], left: Sequence[Entry] = ()
) -> ImportReport:
    """Stages the files that are new or have changed since, in batches, but for those `left` to
    others; see `import_from`."""
    there = {entry.name for entry in entries}
    others = {entry.name for entry in left}
    entries = [entry for entry in entries if entry.name not in others]
    found = _sifted(work, entries)
    report = replace(
        work.report, files=len(entries), vanished=tuple(sorted(set(work.record.names()) - there)),
        warnings=tuple(lookalikes(path for _, path in found.places)),
    )  # fmt: skip
    if report.dry_run:
        return _would(work, report, found)
    work.progress.start("importing", len(found.new), sum(entry.size for entry, _ in found.new))
    # The rows of a table of labels name files of any batch: there is one then.
    table = work.asked.get("label_file") is not None
    for batch in [found.new] if found.new and table else _batches(found.new):
        report = _stage(work, backend, batch, found.records, report)
    work.progress.finish()
    if table and (rows := work.request().label_rows) is not None:
        know_classes(work.dataset.repo, work.dataset.name, rows.categories)
    return _restated(work, found, report)


def _sifted(work: ImportRun, entries: list[Entry]) -> _Found:
    tree = work.dataset.tree
    places = work.places(entries)
    paths = [path for _, path in places]
    known = tree.lookup(paths, tree.stage.load())
    records: set[str] = set()
    if not work.reference:
        records = records_among(tree, work.request(paths, records=True), paths, known)
    new = [
        (entry, path) for entry, path in places
        if not is_same(work.record.get(entry.name), entry, known.get(path), update=work.update)
    ]  # fmt: skip
    return _Found(places, known, records, new)


def _would(work: ImportRun, report: ImportReport, found: _Found) -> ImportReport:
    """Returns what would be staged, with no file read."""
    plain = [path for _, path in found.new if path not in found.records]
    fresh = sum(path not in found.known for path in plain)
    told = _relabelled(work, found, dry_run=True) if work.restates else None
    return replace(
        report, fetched=len(found.new), size=sum(entry.size for entry, _ in found.new),
        added=fresh, modified=len(plain) - fresh, record_files=len(found.new) - len(plain),
        relabelled=told.counts.relabelled if told else 0,
    )  # fmt: skip


def _stage(
    work: ImportRun, backend: Backend, batch: list[Place], records: set[str], report: ImportReport
) -> ImportReport:
    """Reads and stages a batch, and puts it on record; returns the report with it."""
    tree = work.dataset.tree
    plain = [(entry, path) for entry, path in batch if path not in records]
    if plain:
        added = work.dataset.add_streams(
            [path for _, path in plain],
            _contents(work, backend, plain),
            {path: _microseconds(entry) for entry, path in plain},
            **work.options,
        )
        report = report.plus(len(plain), added)
    lines = [(entry, path) for entry, path in batch if path in records]
    if lines:
        paths = [path for _, path in lines]
        request = work.request(paths, records=True)
        added = add_record_files(tree, request, paths, _opened(work, backend, lines))
        report = report.plus(len(lines), added)
    now = tree.lookup([path for _, path in batch], tree.stage.load())
    work.record.add(
        (entry.name, Imported(entry.size, entry.etag, entry.modified, now[path].oid.hex()))
        for entry, path in batch if path in now
    )  # fmt: skip
    return report


def _batches(items: Sequence[Place]) -> Iterator[list[Place]]:
    batch: list[Place] = []
    size = 0
    for item in items:
        batch.append(item)
        size += item[0].size
        if len(batch) >= BATCH_FILES or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


# --- content --------------------------------------------------------------------------------------


def _contents(
    work: ImportRun, backend: Backend, batch: list[Place]
) -> Iterator[tuple[str, bytes | BinaryIO | Reference]]:
    """Yields (path, bytes or a stream, or a reference) of each file, read side by side but for
    streams."""

    def read(asked: tuple[Place, int | None]) -> bytes | Reference:
        (entry, path), start = asked
        if start is not None:
            return range_of(backend, entry, start)
        if work.reference:
            return again_if_garbled(lambda: refer_to(backend, entry, path))
        return whole(backend, entry)

    # The ranges of a large file are on their way while the files before it are staged.
    asked: list[tuple[Place, int | None]] = []
    counts: list[int] = []  # of each file; 0 for one that is a stream, or is brought here
    for place in batch:
        if work.reference or place[0].size <= SMALL_BYTES:
            starts: Sequence[int | None] = [None]
        elif place[0].size <= SPOOLED_BYTES and comes_in_ranges(backend, place[0]):
            starts = starts_of(place[0])
        else:
            starts = []
        asked += [(place, start) for start in starts]
        counts.append(len(starts))
    answers = side_by_side(read, asked)
    for (entry, path), count in zip(batch, counts, strict=True):
        if count == 1:
            yield path, next(answers)
            work.progress.advance(1, entry.size)
        elif count or entry.size <= SPOOLED_BYTES or not backend.is_far:
            some = cast(Iterator[bytes], islice(answers, count))
            parts = joined(backend, entry, some) if count else stream(backend, entry)
            parts = _told(work, parts)
            yield path, cast(BinaryIO, RemoteFile(parts))
            for _ in parts:  # none is left to the next file
                pass
            work.progress.advance(1)
        else:
            with work.spool.brought(backend, entry, work.count_bytes) as file:
                yield path, file
            work.progress.advance(1)


def _told(work: ImportRun, parts: Iterator[bytes]) -> Iterator[bytes]:
    for part in parts:
        yield part
        work.count_bytes(len(part))


def _opened(
    work: ImportRun, backend: Backend, batch: list[Place]
) -> Iterator[tuple[str, BinaryIO, int]]:
    """Yields (path, file, time) of each file, which can be read anywhere; one at a time, but for
    small ones."""
    now = work.dataset.repo.environment.clock()

    def read(item: Place) -> bytes | None:
        return whole(backend, item[0]) if item[0].size <= SMALL_BYTES else None

    for (entry, path), content in zip(batch, side_by_side(read, batch), strict=True):
        time = _microseconds(entry) or now
        if content is not None:
            yield path, io.BytesIO(content), time
            work.progress.advance(1, entry.size)
        else:
            with work.spool.brought(backend, entry, work.count_bytes) as file:
                yield path, file, time
            work.progress.advance(1)


def _microseconds(entry: Entry) -> int | None:
    return None if entry.modified is None else int(entry.modified * MICRO)


# --- what has not changed -------------------------------------------------------------------------


def _restated(work: ImportRun, found: _Found, report: ImportReport) -> ImportReport:
    """Stages what is said of examples whose files have not changed; none of them is fetched."""
    if work.restates:
        report = report.plus(0, _relabelled(work, found))
    lines = [path for _, path in found.same if path in found.records]
    if lines and work.asked_of_records and not work.update:
        request = work.request(lines, records=True)
        files = _stored(work, found, lines)
        report = report.plus(0, add_record_files(work.dataset.tree, request, lines, files))
    return report


def _relabelled(work: ImportRun, found: _Found, *, dry_run: bool = False) -> AddReport:
    """Stages what is said of plain files that have not changed."""
    plain = [path for _, path in found.same if path not in found.records]
    return restate(work.dataset.tree, work.request(), plain, dry_run=dry_run)


def _stored(
    work: ImportRun, found: _Found, paths: list[str]
) -> Iterator[tuple[str, BinaryIO, int]]:
    """Yields files of records as the store has them."""
    for path in paths:
        known = found.known[path]
        with work.dataset.repo.store.open(known.oid) as file:
            yield path, cast(Any, file), known.time
