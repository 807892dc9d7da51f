"""Repair of a repository from a remote: what is damaged or lost here comes back, verified.

In the order of trust: headers, which a later one or the remote's sound chain pins; manifests by
their hash; then packs. Of a damaged pack the sound objects are copied into a new one, and the pack
is put aside, in `local/damaged`; what is missing then is downloaded. Nothing is deleted.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass

from blake3 import blake3

from dsm.errors import DamagedData, DsmError
from dsm.history.manifests import Manifests
from dsm.maintenance.uses import used_ids
from dsm.model.changeset import Changeset
from dsm.progress import SILENT, Progress
from dsm.remotes.backend import RemoteDamaged
from dsm.remotes.contents import RemoteDataset
from dsm.remotes.incoming import as_written, get_header, get_manifest, read_header
from dsm.remotes.objects import Brought, bring_objects
from dsm.remotes.remote import Remote
from dsm.repo import documents
from dsm.repo.layout import NUMBER_DIGITS
from dsm.repo.log import ChangesetLog
from dsm.repo.repository import Repository
from dsm.store import disk
from dsm.store.lease import Lease
from dsm.store.pack_files import bytes_of, pack_paths, publish_pack
from dsm.store.packs import Pack, PackWriter
from dsm.store.repacking import copy_live, faulty_objects, prefixes_of
from dsm.store.whole_file import read_file
from dsm.worktree.publish import publishing


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What a repair did: headers and manifests that came back, packs that were put aside (by id),
    and packs that were downloaded, with their bytes."""

    remote: str
    headers: tuple[str, ...] = ()
    manifests: tuple[str, ...] = ()
    aside: tuple[str, ...] = ()
    packs: int = 0
    size: int = 0

    @property
    def nothing(self) -> bool:
        return not (self.headers or self.manifests or self.aside or self.packs)


def repair(remote: Remote, progress: Progress = SILENT) -> RepairReport:
    """Brings back from a remote what is damaged or lost here.

    Reads every pack. Raises RemoteDamaged when the remote lacks an object as well, DamagedData for
    a manifest that neither side has, OtherRepository, RemoteRefused, RemoteFailed, Busy.
    """
    repository = remote.repository
    remote.require_ours()
    headers: list[str] = []
    manifests: list[str] = []
    for dataset in remote.datasets().values():
        for name in repository.datasets():
            with contextlib.suppress(DamagedData):
                if repository.identity(name).id == dataset.id:
                    headers += _mend_headers(remote, dataset, name)
                    manifests += _mend_manifests(remote, dataset, name)
    aside = _put_aside(repository, progress)
    with publishing(repository) as publish:
        brought, lacks = _bring(remote, used_ids(repository), progress)
        with publish:
            pass
    if lacks is not None:
        raise lacks
    return RepairReport(
        remote.entry.name, tuple(headers), tuple(manifests), aside, brought.packs, brought.size
    )


def _bring(
    remote: Remote, wanted: set[bytes], progress: Progress
) -> tuple[Brought, RemoteDamaged | None]:
    """Brings what the remote has of these objects; returns also what tells the others."""
    lacks: RemoteDamaged | None = None
    while True:
        try:
            return bring_objects(remote.repository, remote.backend, wanted, progress), lacks
        except RemoteDamaged as error:
            known = wanted & {bytes.fromhex(each) for each in error.items}
            if not known:
                raise
            wanted -= known
            lacks = lacks or error


def _mend_headers(remote: Remote, dataset: RemoteDataset, name: str) -> list[str]:
    """Puts back headers that cannot be read, from the chain that ends in one that can."""
    place = documents.headers(remote.repository.layout, name)
    bad: list[int] = []
    newest = 0
    for number in range(1, dataset.head + 1):
        text = f"{number:0{NUMBER_DIGITS}d}"
        try:
            data = place.read_bytes(text)
            if data is None:
                raise DamagedData("is missing")
            read_header(remote.backend, dataset, number, data)
            newest = number
        except DamagedData:
            bad.append(number)
    seen = remote.tracking.seen(dataset.id)
    known = max(newest, 0 if seen is None else seen.head)
    written = []
    for number in bad:
        if number > known or number not in dataset.headers:
            continue  # it was never here: a pull brings it
        data = get_header(remote.backend, dataset, number)
        changeset = read_header(remote.backend, dataset, number, data)
        if _pinned(remote, dataset, name, changeset):
            path = place.path(f"{number:0{NUMBER_DIGITS}d}")
            temporary = os.path.join(
                remote.repository.layout.temporary, f"new-{os.urandom(8).hex()}"
            )
            disk.rewrite(path, data, temporary, durable=True)
            written.append(path)
    return written


def _pinned(remote: Remote, dataset: RemoteDataset, name: str, changeset: Changeset) -> bool:
    """Whether a header of the remote is the one that was here: the next one here names it, through
    those between on the remote, or it was the last that was seen there."""
    place = documents.headers(remote.repository.layout, name)
    seen = remote.tracking.seen(dataset.id)
    id, number = changeset.id, changeset.number
    while True:
        if seen is not None and (number, id) == (seen.head, seen.id):
            return True
        data = place.read_bytes(f"{number + 1:0{NUMBER_DIGITS}d}")
        try:
            if data is not None:
                ours = read_header(remote.backend, dataset, number + 1, data)
                return ours.parent == id
        except DamagedData:
            pass
        if number + 1 not in dataset.headers:
            return False
        data = get_header(remote.backend, dataset, number + 1)
        following = read_header(remote.backend, dataset, number + 1, data)
        if following.parent != id:
            return False
        id, number = following.id, number + 1


def _mend_manifests(remote: Remote, dataset: RemoteDataset, name: str) -> list[str]:
    """Puts back manifests that are not what their changesets name."""
    repository = remote.repository
    log = ChangesetLog(repository, name, dataset.id)
    reader = Manifests(repository.layout, log)
    written = []
    for number in range(1, log.head() + 1):
        changeset = log.get(number)
        if changeset.manifest is None:
            continue
        path = repository.layout.manifest(name, changeset.manifest)
        try:
            reader.read(changeset)
            if as_written(read_file(path) or b"", changeset):
                continue
        except DsmError:
            pass
        if changeset.manifest not in dataset.manifests:
            continue
        data, _ = get_manifest(remote.backend, dataset, changeset)
        if as_written(data, changeset):
            temporary = os.path.join(repository.layout.temporary, f"new-{os.urandom(8).hex()}")
            disk.rewrite(path, data, temporary, durable=True)
            written.append(path)
    return written


# --- packs ----------------------------------------------------------------------------------------


def _put_aside(repository: Repository, progress: Progress) -> tuple[str, ...]:
    """Moves damaged packs out of the way, after their sound objects were copied into new ones."""
    paths = pack_paths(repository.layout.packs)
    progress.start("reading packs", len(paths), bytes_of(paths))
    damaged: list[tuple[str, set[bytes]]] = []
    for path in paths:
        sound = _sound_objects(path)
        if sound is not None:
            damaged.append((path, sound))
        progress.advance(1, bytes_of([path]))
    progress.finish()
    with Lease(repository.layout.temporary) as lease:
        for path, sound in damaged:
            if sound:
                _salvage(repository, lease, path, sound)
            _move(repository, path)
    if damaged:
        repository.store.look_again()
    return tuple(os.path.basename(path).removesuffix(".pack") for path, _ in damaged)


def _sound_objects(path: str) -> set[bytes] | None:
    """Returns the prefixes of the objects that are sound in a damaged pack, None for others."""
    hasher = blake3()
    with open(path, "rb") as file:
        while block := file.read(1 << 22):
            hasher.update(block)
    try:
        pack = Pack(path, verify=True)
        every, bad = prefixes_of(pack.contents.prefixes), set(faulty_objects(pack))
        pack.close()
    except DamagedData:
        return set()
    if not bad and hasher.hexdigest() + ".pack" == os.path.basename(path):
        return None
    return every - bad


def _salvage(repository: Repository, lease: Lease, path: str, sound: set[bytes]) -> None:
    writer = PackWriter(lease.temporary(".pack"))
    try:
        pack = Pack(path)
        copy_live(pack, sound, writer)
        pack.close()
        name = writer.seal().hex()
    except BaseException:
        writer.abandon()
        raise
    publish_pack(repository.layout.packs, writer.path, name)


def _move(repository: Repository, path: str) -> None:
    """Puts a pack aside, while nobody records who counts on it."""
    layout = repository.layout
    folder = os.path.join(layout.local, "damaged")
    lock = disk.lock(layout.store_lock, exclusive=True)
    if lock is None:
        raise disk.Busy(layout.store_lock)
    try:
        disk.make_dirs(folder)
        disk.rename_away(path, os.path.join(folder, os.path.basename(path)))
        disk.sync_dir(os.path.dirname(path))
    finally:
        disk.unlock(lock)
