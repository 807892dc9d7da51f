"""Changesets of a remote that are not here: fetched, verified, and kept apart until a pull.

In the order of trust: the chain of headers, which must begin at a changeset that is here; then the
manifests, whose hashes the headers name; objects are a matter of `objects.py`. A remote whose
history is another one than it was is refused.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass

import pyarrow as pa
from blake3 import blake3

from dsm.errors import DamagedData, Refused
from dsm.format import document, header
from dsm.format import manifest as manifests
from dsm.model.changeset import Changeset
from dsm.progress import SILENT, Progress
from dsm.remotes.backend import Backend, NotOnRemote, RemoteDamaged
from dsm.remotes.contents import RemoteDataset, is_manifest_id
from dsm.remotes.parallel import side_by_side
from dsm.remotes.tracking import Seen, Tracking
from dsm.repo.log import ChangesetLog
from dsm.store.whole_file import read_file

# A manifest is held in memory while it is verified. A million rows take about 36 MB.
MANIFEST_BYTES_MAX = 1 << 30


class HistoryRewritten(Refused):
    """A remote has another history than it had when it was seen last."""

    code = "history-rewritten"


@dataclass(frozen=True, slots=True)
class Incoming:
    """What a remote has of a dataset beyond changeset `base`, which is the same here and there.

    `changesets` are verified, as `base` + 1 and on; their manifests are verified and kept.
    """

    dataset: RemoteDataset
    base: int
    changesets: tuple[Changeset, ...]

    @property
    def head(self) -> int:
        return self.base + len(self.changesets)


def fetch_changesets(
    backend: Backend,
    tracking: Tracking,
    dataset: RemoteDataset,
    log: ChangesetLog | None,
    progress: Progress = SILENT,
) -> Incoming:
    """Fetches and verifies what a remote has of a dataset that is not in `log`.

    `dataset` has its identity. Raises RemoteDamaged, HistoryRewritten, RemoteFailed.
    """
    dataset.require_whole(backend.url)
    _refuse_rewritten(backend, tracking, dataset)
    base = _common(backend, dataset, log)
    parent = log.get(base).id if log is not None and base else None
    numbers = list(range(base + 1, dataset.head + 1))
    progress.start(f"fetching changesets of {dataset.folder}", len(numbers))
    changesets: list[Changeset] = []
    fetched = side_by_side(lambda n: _header(backend, tracking, dataset, n), numbers)
    for number, (data, known) in zip(numbers, fetched, strict=True):
        changeset = _verified(backend, dataset, number, data, parent)
        if not known:
            tracking.keep(tracking.header_path(dataset.id, number), data)
        parent = changeset.id
        changesets.append(changeset)
    for _ in side_by_side(lambda c: _keep_manifest(backend, tracking, dataset, c), changesets, 4):
        progress.advance(1)
    progress.finish()
    seen_id = changesets[-1].id if changesets else parent or ""
    base_id = log.get(base).id if log is not None and base else ""
    tracking.saw(dataset.id, Seen(dataset.folder, dataset.head, seen_id, base, base_id))
    return Incoming(dataset, base, tuple(changesets))


def _refuse_rewritten(backend: Backend, tracking: Tracking, dataset: RemoteDataset) -> None:
    """Raises HistoryRewritten when the head that was last seen is not in the history any more."""
    seen = tracking.seen(dataset.id)
    if seen is None or not seen.head:
        return
    found = None
    if seen.head in dataset.headers:
        data = get_header(backend, dataset, seen.head)
        found = read_header(backend, dataset, seen.head, data).id
    if found != seen.id:
        what = "is missing" if found is None else f"is {found[:12]} now"
        raise HistoryRewritten(
            f"changeset {seen.head} of dataset {dataset.folder} was {seen.id[:12]} on"
            f" {backend.url}, and {what}: its history was rewritten, or put back to an older state",
            hint="nothing was taken in. Ask who did that; `dsm push` brings missing changesets"
            f" back; `dsm remote set-url {tracking.remote} {backend.url}` forgets what was seen",
        )


def _common(backend: Backend, dataset: RemoteDataset, log: ChangesetLog | None) -> int:
    """Returns the newest changeset that is the same on both sides; 0 for none.

    What is the same at one number is the same before it: the id of a header pins all of them.
    """
    low, high = 0, min(dataset.head, 0 if log is None else log.head())
    first = True
    while low < high and log is not None:
        middle = high if first else (low + high + 1) // 2
        first = False
        theirs = read_header(backend, dataset, middle, get_header(backend, dataset, middle)).id
        if theirs == log.get(middle).id:
            low = middle
        else:
            high = middle - 1
    return low


def get_header(backend: Backend, dataset: RemoteDataset, number: int) -> bytes:
    """Returns the bytes of a header that was listed. Raises RemoteDamaged."""
    last = dataset.last_read  # taken whole: threads read others
    if last is not None and last[0] == number:
        return last[1]
    try:
        found = backend.get_right(
            dataset.header_path(number), document.DOCUMENT_BYTES_MAX,
            lambda data: data if read_header(backend, dataset, number, data) else b"",
        )  # fmt: skip
        dataset.last_read = number, found
        return found
    except NotOnRemote as error:
        raise RemoteDamaged(f"{error.message}, though it was listed") from None


def _header(
    backend: Backend, tracking: Tracking, dataset: RemoteDataset, number: int
) -> tuple[bytes, bool]:
    """Returns the bytes of a header, and whether they were fetched before."""
    known = read_file(tracking.header_path(dataset.id, number), document.DOCUMENT_BYTES_MAX)
    seen = tracking.seen(dataset.id)
    if known is not None and seen is not None and number <= seen.head:
        with contextlib.suppress(DamagedData):
            header.decode(known, "")
            return known, True  # what pins it was compared with the remote
    return get_header(backend, dataset, number), False


def read_header(backend: Backend, dataset: RemoteDataset, number: int, data: bytes) -> Changeset:
    """Reads a header, which is that of this changeset. Raises RemoteDamaged."""
    where = f"{dataset.header_path(number)} on {backend.url}"
    try:
        changeset = header.decode(data, where)
    except document.UnknownFormat:
        raise
    except DamagedData as error:
        raise RemoteDamaged(error.message, hint=error.hint) from error
    if (changeset.number, changeset.dataset) != (number, dataset.id):
        raise RemoteDamaged(f"{where} is the header of another changeset")
    if changeset.manifest is not None and not is_manifest_id(changeset.manifest):
        raise RemoteDamaged(f"{where} names no manifest")
    return changeset


def _verified(
    backend: Backend, dataset: RemoteDataset, number: int, data: bytes, parent: str | None
) -> Changeset:
    changeset = read_header(backend, dataset, number, data)
    if changeset.parent != parent:
        raise RemoteDamaged(
            f"the chain is broken: changeset {number} of dataset {dataset.folder} on {backend.url}"
            " names another parent than the one before it"
        )
    return changeset


def _keep_manifest(
    backend: Backend, tracking: Tracking, dataset: RemoteDataset, changeset: Changeset
) -> None:
    """Fetches a manifest, verifies it and its rows, and keeps it."""
    if changeset.manifest is None:
        return
    path = tracking.manifest_path(dataset.id, changeset.manifest)
    if os.path.exists(path):
        try:
            read_manifest(tracking, dataset.id, changeset)
            return
        except DamagedData:
            pass
    data, table = get_manifest(backend, dataset, changeset)
    if not as_written(data, changeset):
        # Bytes that change no row differ: of the way, as a rule, so once more.
        data, table = get_manifest(backend, dataset, changeset)
    if not as_written(data, changeset):
        again = manifests.encode(table)
        # Still another, and not of these rows as this dsm writes them: another version wrote it.
        data = again if as_written(again, changeset) else data
    tracking.keep(path, data)


def get_manifest(
    backend: Backend, dataset: RemoteDataset, changeset: Changeset
) -> tuple[bytes, pa.Table]:
    """Fetches a manifest; returns its bytes and its rows, which are those of the changeset."""
    name = dataset.manifest_path(changeset.manifest or "")
    where = f"{name} on {backend.url}"
    most = min(manifests.bytes_most(changeset.manifest_bytes), MANIFEST_BYTES_MAX)
    try:
        return backend.get_right(
            name, most, lambda data: (data, _decode_manifest(data, where, changeset))
        )
    except NotOnRemote as error:
        raise RemoteDamaged(
            f"{error.message}, which changeset {changeset.number} names",
            hint="nothing was taken in; `dsm push` from a copy that has it brings it back",
        ) from None


def as_written(data: bytes, changeset: Changeset) -> bool:
    """Whether bytes are those that the header names, and not only the same rows."""
    return bool(blake3(data).hexdigest() == changeset.manifest_file)


def _decode_manifest(data: bytes, where: str, changeset: Changeset) -> pa.Table:
    try:
        table = manifests.decode(
            data, where, manifest_id=changeset.manifest or "", file_id=changeset.manifest_file,
            rows=changeset.counts.rows,
        )  # fmt: skip
        manifests.check_rows(table, where)
    except DamagedData as error:
        raise RemoteDamaged(error.message, hint=error.hint) from error
    return table


def read_manifest(tracking: Tracking, dataset: str, changeset: Changeset) -> pa.Table | None:
    """Returns the rows of a changeset that was fetched, verified again. Raises DamagedData."""
    if changeset.manifest is None:
        return None
    path = tracking.manifest_path(dataset, changeset.manifest)
    data = read_file(path, MANIFEST_BYTES_MAX)
    if data is None:
        raise DamagedData(f"{path} is gone", hint="run the command again: it is fetched again")
    return _decode_manifest(data, path, changeset)
