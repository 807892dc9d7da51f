"""Mending a remote from this copy: what a check found damaged or lost there goes up again.

Only what is here and sound goes, and only where it must be the same: objects and manifests are
named by what they hold; a header only when a later one, or what was last seen there, pins it.
"""

from __future__ import annotations

from collections.abc import Iterator

from dsm.errors import DamagedData
from dsm.format import document, header
from dsm.progress import SILENT, Progress
from dsm.remotes.backend import Entry, retried
from dsm.remotes.checking import RemoteCheck
from dsm.remotes.contents import DATASETS, IDENTITY, KINDS
from dsm.remotes.fetch import local_names
from dsm.remotes.outgoing import plan_shipment, send
from dsm.remotes.remote import Remote
from dsm.remotes.tables import PACKS, pack_name
from dsm.remotes.tracking import pinned_by
from dsm.repo import documents
from dsm.repo.layout import NUMBER_DIGITS
from dsm.repo.log import ChangesetLog
from dsm.store.object_errors import ObjectMissing
from dsm.store.whole_file import read_file


def mend_remote(remote: Remote, check: RemoteCheck, progress: Progress = SILENT) -> tuple[str, ...]:
    """Puts on a remote what a check found wrong there; returns the files that were written.

    What this copy does not have stays as it is. Raises RemoteRefused, RemoteFailed.
    """
    written: list[str] = []
    if check.lacking or any(each.kind == "pack" for each in check.findings):
        written += _mend_packs(remote, check, progress)
    # A header comes after what it names.
    for finding in sorted(check.findings, key=lambda each: each.kind == "changeset"):
        if finding.kind in ("document", "manifest", "changeset"):
            data = _ours(remote, finding.where)
            if data is not None:
                retried(lambda: remote.backend.put(finding.where, data))  # noqa: B023
                written.append(finding.where)
    return tuple(written)


def _mend_packs(remote: Remote, check: RemoteCheck, progress: Progress) -> Iterator[str]:
    """Sends what no sound pack there holds, then removes the damaged packs, if nothing is left that
    they might be needed for."""
    repository, backend = remote.repository, remote.backend
    there = [entry for entry in backend.entries(PACKS) if pack_name(entry) in check.sound]
    absent = repository.store.missing(check.lacking)
    here = check.lacking - absent
    sent: list[Entry] = []
    if here:
        try:
            sent = send(
                repository, backend, plan_shipment(repository, backend, here, there), progress
            )
        except (ObjectMissing, DamagedData):
            return  # what was to go up is damaged here, too
    yield from (entry.name for entry in sent)
    remote.tracking.saw_packs(frozenset())
    if absent:
        return
    again = {entry.name for entry in sent}
    for finding in check.findings:
        if finding.kind == "pack" and finding.where not in again:
            retried(lambda: backend.delete(finding.where))  # noqa: B023


def _ours(remote: Remote, where: str) -> bytes | None:
    """Returns what belongs under a name of a remote, if this copy has it and can tell."""
    if where == IDENTITY:
        return remote.identity()
    folder, _, rest = where.removeprefix(DATASETS).partition("/")
    names = {remote.tracking.folders().get(id, name): name
             for id, name in local_names(remote.repository).items()}  # fmt: skip
    name = names.get(folder)
    if name is None or not where.startswith(DATASETS):
        return None
    layout = remote.repository.layout
    kind, _, file = rest.partition("/")
    log = ChangesetLog(remote.repository, name, remote.repository.identity(name).id)
    if rest == "dataset.json":
        return documents.datasets(layout).read_bytes(name)
    if kind == "changesets":
        return _header(remote, log, int(file.removesuffix(".json")))
    if kind == "manifests":
        return read_file(layout.manifest(name, file.removesuffix(".parquet")))
    return (
        read_file(f"{layout.dataset(name)}/{rest}", document.DOCUMENT_BYTES_MAX)
        if kind in KINDS
        else None
    )


def _header(remote: Remote, log: ChangesetLog, number: int) -> bytes | None:
    """Returns our header of a number, when it is the one that was there."""
    seen = remote.tracking.seen(log.dataset_id)
    if seen is None or number > seen.head or not pinned_by(seen, log):
        return None
    data = documents.headers(remote.repository.layout, log.name).read_bytes(
        f"{number:0{NUMBER_DIGITS}d}"
    )
    return data if data is not None and header.decode(data, "").id == log.get(number).id else None
