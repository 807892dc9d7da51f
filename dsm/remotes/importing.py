"""import: data from any address straight into the store and the stage, without a work tree.

Files are listed with their sizes, ETags and times, read side by side, and staged in batches. What
was staged is on record in `local/imports`, so that an interrupted import goes on, and a later one
reads only what is new or was changed. Names from outside are data: one that would lead elsewhere is
left out, and told.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dsm.datasets import Dataset
from dsm.errors import DsmError, InvalidInput, NotFound
from dsm.format.reference import Reference
from dsm.model.names import check_path, printable
from dsm.model.reports import Problem
from dsm.progress import SILENT, Progress
from dsm.remotes.address import check_url, open_backend
from dsm.remotes.backend import ENTRIES_MAX, Backend, Entry, NotOnRemote, RemoteFailed, retried
from dsm.remotes.foreign_archives import archive_kind, members_of
from dsm.remotes.import_record import Imported, ImportRecord, records_of
from dsm.remotes.parallel import side_by_side
from dsm.remotes.referring import listed_bytes, refer_to
from dsm.repo.repository import Repository
from dsm.repo.trusted_places import TrustedPlaces

BATCH_FILES, BATCH_BYTES = 5_000, 1 << 30
# Smaller files are read side by side, whole; larger ones one after the other, as streams.
SMALL_BYTES = 4 << 20
MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import staged, or would stage: of `files` at the address, `fetched` were read.

    `size` counts their bytes; `added` and `modified` examples; `skipped` names what was left out
    and why; `vanished` what was imported before and is not at the address any more: it stays. With
    `reference` their bytes stay at the address.
    """

    url: str
    into: str
    files: int = 0
    fetched: int = 0
    size: int = 0
    added: int = 0
    modified: int = 0
    skipped: tuple[Problem, ...] = ()
    vanished: tuple[str, ...] = ()
    dry_run: bool = False
    reference: bool = False


@dataclass(slots=True)
class _Import:
    """One import under way: where from, where to, and what was asked of each file."""

    dataset: Dataset
    url: str
    into: str
    asked: Mapping[str, Any]
    progress: Progress
    report: ImportReport
    reference: bool = False
    skipped: list[Problem] = field(default_factory=list)

    def target(self, name: str) -> str | None:
        """Returns the path of a file's example; None for one that is left out."""
        if any(part.startswith(".") for part in name.split("/")):
            self.skipped.append(Problem(name, "is hidden"))
            return None
        try:
            return check_path(f"{self.into}/{name}" if self.into else name)
        except InvalidInput as error:
            self.skipped.append(Problem(printable(name), error.message))
            return None


def import_from(
    dataset: Dataset,
    url: str,
    into: str = "",
    *,
    asked: Mapping[str, Any] | None = None,
    dry_run: bool = False,
    update: bool = False,
    reference: bool = False,
    progress: Progress = SILENT,
) -> ImportReport:
    """Stages what lies at an address, below the folder `into` of a dataset.

    `asked` are options of `Dataset.add`: labels, pattern, label_file, label_format, strict. With
    `update` what was imported before and has not changed there is left alone, whatever became of it
    here. With `reference` bytes are read once and not kept.

    Raises NotFound when nothing lies there, InvalidInput for the address, the folder or the
    options, Conflict, RemoteRefused, RemoteFailed.
    """
    repository = dataset.repo
    full = check_url(url, repository.environment.current_folder())
    into = check_path(into) if into not in ("", ".") else ""
    record = ImportRecord(repository.layout, dataset.id, full, into)
    work = _Import(
        dataset=dataset, url=full, into=into, asked=dict(asked or {}), progress=progress,
        report=ImportReport(full, into, dry_run=dry_run, reference=reference), reference=reference,
    )  # fmt: skip
    backend, entries = _listed(full)
    if reference and not dry_run:
        _trust(repository, full)
    if len(entries) == 1 and archive_kind(entries[0].name) and not reference:
        done = _import_archive(work, backend, entries[0], record, update=update)
    else:
        done = _import_files(work, backend, entries, record, update=update)
    if not dry_run:
        kept = {k: v for k, v in work.asked.items() if k in ("labels", "pattern")}
        record.keep_options({**kept, "reference": True} if reference else kept)
    return replace(done, skipped=tuple(work.skipped))


def update_imports(
    dataset: Dataset, url: str | None = None, *, dry_run: bool = False, progress: Progress = SILENT
) -> list[ImportReport]:
    """Imports again what was imported before: all of it, or what came from one address.

    Raises NotFound when nothing was imported, and what `import_from` raises.
    """
    repository = dataset.repo
    wanted = None if url is None else check_url(url, repository.environment.current_folder())
    records = [
        record for record in records_of(repository.layout, dataset.id)
        if wanted is None or record.url == wanted
    ]  # fmt: skip
    if not records:
        raise NotFound(
            "nothing was imported" + (f" from {printable(url)}" if url else ""),
            hint="`dsm import URL` imports what lies at an address",
        )
    return [
        import_from(
            dataset, record.url, record.into,
            asked={k: v for k, v in record.options.items() if k != "reference"}, dry_run=dry_run,
            update=True, reference=record.options.get("reference") is True, progress=progress,
        )
        for record in records
    ]  # fmt: skip


def _trust(repository: Repository, url: str) -> None:
    """Notes that references to an address that the user names here may be read."""
    trusted = TrustedPlaces.of(repository)
    with contextlib.suppress(DsmError):  # such as a home folder that cannot be written
        if not trusted.trusts(url):
            trusted.grant(url, repository.environment.clock())


def _listed(url: str) -> tuple[Backend, list[Entry]]:
    """Returns what lies below an address, or the one file that it names. Raises NotFound."""
    backend = open_backend(url)
    backend.foreign = True
    entries = retried(lambda: _distinct(backend, ""))
    if not entries:
        above, _, name = url.rpartition("/")
        if above.rstrip("/") and not above.endswith(":/"):
            backend = open_backend(above or "/")
            backend.foreign = True
            entries = [e for e in retried(lambda: _distinct(backend, name)) if e.name == name]
    if not entries:
        raise NotFound(f"there is nothing at {printable(url)}")
    return backend, entries


def _distinct(backend: Backend, file: str) -> list[Entry]:
    found: dict[str, Entry] = {}
    for count, entry in enumerate(backend.listing("") if not file else backend.named(file)):
        if count >= ENTRIES_MAX:
            raise InvalidInput(f"{backend.url} has more than {ENTRIES_MAX:,} files")
        if entry.name and not entry.name.endswith("/"):  # which stands for a folder
            found[entry.name] = entry
    return [found[name] for name in sorted(found)]


# --- files ----------------------------------------------------------------------------------------


def _import_files(
    work: _Import, backend: Backend, entries: list[Entry], record: ImportRecord, *, update: bool
) -> ImportReport:
    places = [(entry, path) for entry in entries if (path := work.target(entry.name)) is not None]
    known = work.dataset.tree.lookup([path for _, path in places], work.dataset.tree.stage.load())
    new = [
        (entry, path) for entry, path in places
        if not _is_same(record.get(entry.name), entry, known.get(path), update=update)
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


def _is_same(was: Imported | None, entry: Entry, known: Any, *, update: bool) -> bool:
    """Whether a file is as it was when it was imported, and, if not `update`, its example too."""
    if was is None or was.size != entry.size:
        return False
    if was.etag is not None and entry.etag is not None:
        same = was.etag == entry.etag
    else:
        same = was.modified is not None and was.modified == entry.modified
    return same and (update or (known is not None and known.oid.hex() == was.oid))


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


def whole(backend: Backend, entry: Entry) -> bytes:
    """Returns a file, which has the size that was listed. Raises RemoteFailed for another."""
    try:
        data = b"".join(listed_bytes(backend, entry))
    except NotOnRemote as error:
        raise RemoteFailed(f"{error.message}, though it was listed") from None
    if len(data) != entry.size:
        raise RemoteFailed(
            f"{printable(entry.name)} on {backend.url} has {len(data):,} bytes, and not"
            f" {entry.size:,}: it was changed meanwhile, or cut short"
        )
    return data


class RemoteFile(io.RawIOBase):
    """A file of an address as a stream; one that has another size than it was listed with fails."""

    def __init__(self, backend: Backend, entry: Entry):
        self._backend, self._entry = backend, entry
        self._parts = backend.read(entry.name)
        self._part: bytes = b""
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        """Fills `target` from where the last call ended; 0 at the end. Raises RemoteFailed."""
        while not self._part:
            try:
                self._part = next(self._parts, b"")
            except NotOnRemote as error:
                raise RemoteFailed(f"{error.message}, though it was listed") from None
            self._read += len(self._part)
            if not self._part or self._read > self._entry.size:
                if self._read != self._entry.size:
                    raise RemoteFailed(
                        f"{printable(self._entry.name)} on {self._backend.url} was cut short, or"
                        " changed meanwhile"
                    )
                return 0
        view = memoryview(target)
        count = min(len(view), len(self._part))
        view[:count] = self._part[:count]
        self._part = self._part[count:]
        return count


def _microseconds(entry: Entry) -> int | None:
    return None if entry.modified is None else int(entry.modified * MICRO)


# --- archives -------------------------------------------------------------------------------------


def _import_archive(
    work: _Import, backend: Backend, entry: Entry, record: ImportRecord, *, update: bool
) -> ImportReport:
    if work.asked.get("label_file") is not None:
        raise InvalidInput(
            "a table of labels goes with files, and not with an archive",
            hint="label its examples afterwards, with `dsm label`",
        )
    report = replace(work.report, files=1)
    if _is_same(record.get(entry.name), entry, None, update=True):
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
            **work.asked,
        )
        report = replace(
            report, fetched=report.fetched + len(named), size=report.size + added.size,
            added=report.added + added.counts.added,
            modified=report.modified + added.counts.modified,
        )  # fmt: skip
        work.progress.advance(len(named), sum(member.size for member, _ in named))
    work.progress.finish()
    record.add([(entry.name, Imported(entry.size, entry.etag, entry.modified, ""))])
    return report
