"""import: data from any address straight into the store and the stage, without a work tree.

Files are listed with their sizes, ETags and times, read side by side, and staged in batches. What
was staged is on record in `local/imports`, so that an interrupted import goes on, and a later one
reads only what is new or was changed. Names from outside are data: one that would lead elsewhere is
left out, and told.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote, urlsplit

from dsm.datasets import Dataset
from dsm.errors import DsmError, InvalidInput, NotFound
from dsm.model.names import check_path, printable
from dsm.progress import SILENT, Progress
from dsm.remotes.address import WEB, check_url, open_backend
from dsm.remotes.backend import ENTRIES_MAX, Backend, Entry, retried
from dsm.remotes.foreign_archives import archive_kind
from dsm.remotes.import_archive import import_archive
from dsm.remotes.import_files import import_files
from dsm.remotes.import_record import ImportRecord, records_of
from dsm.remotes.import_repository import refuse_own, without_own
from dsm.remotes.import_run import ImportReport, ImportRun
from dsm.remotes.import_tables import import_tables, is_table
from dsm.remotes.spooled import Spool
from dsm.repo.repository import Repository
from dsm.repo.trusted_places import TrustedPlaces

# Options of `Dataset.add` that count for all files; the others are those of records.
ASKED_OF_ALL = ("labels", "pattern", "label_file", "label_format", "strict")


def import_from(
    dataset: Dataset,
    url: str,
    into: str = "",
    *,
    asked: Mapping[str, Any] | None = None,
    dry_run: bool = False,
    update: bool = False,
    reference: bool = False,
    hub: bool | None = None,
    members: bool = False,
    progress: Progress = SILENT,
) -> ImportReport:
    """Stages what lies at an address, below the folder `into` of a dataset.

    `asked` are options of `Dataset.add`: those of ASKED_OF_ALL, and of records. With `update` what
    was imported before and has not changed there is left alone, whatever became of it here. With
    `reference` bytes are read once and not kept. With `hub` rows of tables are examples, as of a
    dataset of Hugging Face; None for tables on the Hub alone. With `members` files in archives of a
    folder are examples, and not the archives.

    Files of a repository of dsm or git, and of a remote, are left out.

    Raises NotFound when nothing lies there, InvalidInput for the address, also one within a
    repository or of a remote, the folder or the options, RecordsInvalid, Conflict, RemoteRefused,
    RemoteFailed.
    """
    repository = dataset.repo
    full = check_url(url, repository.environment.current_folder())
    refuse_own(full)
    into = check_path(into) if into not in ("", ".") else ""
    given = {name: value for name, value in (asked or {}).items() if value not in (None, False)}
    record = ImportRecord(repository.layout, dataset.id, full, into)
    work = ImportRun(
        dataset=dataset, url=full, into=into, record=record, spool=Spool(record.parts_folder),
        asked=_keep_table({name: given.pop(name) for name in ASKED_OF_ALL if name in given}),
        asked_of_records=given, progress=progress, update=update, reference=reference,
        report=ImportReport(full, into, dry_run=dry_run, reference=reference),
    )  # fmt: skip
    if members and (given or hub):
        raise InvalidInput("members of archives are examples: neither records nor tables of rows")
    if given and (reference or hub):
        raise InvalidInput(
            "rows of a dataset of Hugging Face are no records"
            if hub
            else "records are read from the store: they cannot stay at an address"
        )
    work.request(records=True)  # what cannot be is told before anything is asked
    if record.options.get("reference") is True and not reference:
        record.forget()  # their bytes are wanted now
    backend, entries, work.single = _listed(full, may_be_gone=update)
    if not work.single:
        entries, own = without_own(backend, entries)
        work.skipped += own
    if not dry_run:
        if reference:
            _trust(repository, full)
        record.keep_options(_to_keep(work, hub, members=members))
    if hub is None:
        on_hub = full.startswith("hf://") and not (given or reference)
        hub = on_hub and any(is_table(each.name) for each in entries)
    if hub and entries:
        done = import_tables(work, backend, entries)
    elif work.single and archive_kind(entries[0].name) and not given:
        done = import_archive(work, backend, entries[0])
    else:
        done = _import_folder(work, backend, entries, members=members)
    if not dry_run:
        work.spool.clear()
    return replace(done, skipped=tuple(work.skipped))


def _to_keep(work: ImportRun, hub: bool | None, *, members: bool) -> dict[str, Any]:
    """Returns what `update_imports` asks for again."""
    kept: dict[str, Any] = {k: v for k, v in work.asked.items() if k == "pattern"}
    if work.asked.get("labels") is not None:
        kept["labels"] = list(work.asked["labels"])
    kept |= {"reference": True} if work.reference else {}
    kept |= {"members": True} if members else {}
    return kept | ({} if hub is None else {"hub": hub})


def _import_folder(
    work: ImportRun, backend: Backend, entries: list[Entry], *, members: bool
) -> ImportReport:
    archives = [each for each in entries if members and archive_kind(each.name)]
    done = import_files(work, backend, entries, left=archives)
    for each in archives:
        done = done.with_all(import_archive(work, backend, each))
    return done


def _keep_table(asked: dict[str, Any]) -> dict[str, Any]:
    """Returns options in which a table of labels that is an open file is its bytes."""
    table = asked.get("label_file")
    if table is not None and hasattr(table, "read"):
        asked["label_file"] = table.read()
    return asked


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
            asked={k: v for k, v in record.options.items() if k in ASKED_OF_ALL}, update=True,
            dry_run=dry_run, reference=record.options.get("reference") is True,
            hub=record.options.get("hub"), members=record.options.get("members") is True,
            progress=progress,
        )
        for record in records
    ]  # fmt: skip


def _trust(repository: Repository, url: str) -> None:
    """Notes that references to an address that the user names here may be read."""
    trusted = TrustedPlaces.of(repository)
    with contextlib.suppress(DsmError):  # such as a home folder that cannot be written
        if not trusted.trusts(url):
            trusted.grant(url, repository.environment.clock())


def _listed(url: str, *, may_be_gone: bool) -> tuple[Backend, list[Entry], bool]:
    """Returns what lies below an address, or the one file that it names, and whether it does.

    Raises NotFound, unless what lay there may be gone.
    """
    backend = open_backend(url)
    backend.foreign = True
    entries = retried(lambda: _distinct(backend, backend.listing("")))
    if entries:
        return backend, entries, False
    above, _, name = url.rpartition("/")
    if above.rstrip("/") and not above.endswith(":/"):
        backend = open_backend(above or "/")
        backend.foreign = True
        if urlsplit(url).scheme in WEB:
            name = unquote(name, errors="surrogateescape")
        entries = retried(lambda: _distinct(backend, backend.named(name)))
    if not entries and not may_be_gone:
        raise NotFound(f"there is nothing at {printable(url)}")
    return backend, entries, bool(entries)


def _distinct(backend: Backend, listed: Iterator[Entry]) -> list[Entry]:
    found: dict[str, Entry] = {}
    for count, entry in enumerate(listed):
        if count >= ENTRIES_MAX:
            raise InvalidInput(f"{backend.url} has more than {ENTRIES_MAX:,} files")
        if entry.name and not entry.name.endswith("/"):  # which stands for a folder
            found[entry.name] = entry
    return [found[name] for name in sorted(found)]
