"""import: data from any address straight into the store and the stage, without a work tree.

Files are listed with their sizes, ETags and times, read side by side, and staged in batches. What
was staged is on record in `local/imports`, so that an interrupted import goes on, and a later one
reads only what is new or was changed. Names from outside are data: one that would lead elsewhere is
left out, and told.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dsm.datasets import Dataset
from dsm.errors import DsmError, InvalidInput, NotFound
from dsm.model.names import check_path, printable
from dsm.progress import SILENT, Progress
from dsm.remotes.address import check_url, open_backend
from dsm.remotes.backend import ENTRIES_MAX, Backend, Entry, retried
from dsm.remotes.foreign_archives import archive_kind
from dsm.remotes.import_archive import import_archive
from dsm.remotes.import_files import import_files
from dsm.remotes.import_record import ImportRecord, records_of
from dsm.remotes.import_run import ImportReport, ImportRun
from dsm.repo.repository import Repository
from dsm.repo.trusted_places import TrustedPlaces


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
    work = ImportRun(
        dataset=dataset, url=full, into=into, asked=dict(asked or {}), progress=progress,
        report=ImportReport(full, into, dry_run=dry_run, reference=reference), reference=reference,
    )  # fmt: skip
    backend, entries = _listed(full)
    if reference and not dry_run:
        _trust(repository, full)
    if len(entries) == 1 and archive_kind(entries[0].name) and not reference:
        done = import_archive(work, backend, entries[0], record, update=update)
    else:
        done = import_files(work, backend, entries, record, update=update)
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
