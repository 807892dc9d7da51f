"""Bringing objects of a remote here: whole packs, each verified before it gets its name.

A pack is downloaded under its own name in `local/remotes/.partial`, so that an interrupted download
goes on where it ended; hashed; and then every object in it is hashed, too: what a table of contents
claims is no proof. Which packs are needed is told by their tables.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from blake3 import blake3

from dsm.errors import DamagedData
from dsm.format import pack as fmt
from dsm.progress import SILENT, Progress
from dsm.remotes.backend import Backend, Entry, NotOnRemote, RemoteDamaged, RemoteFailed, retried
from dsm.remotes.parallel import PACKS_AT_ONCE, Meter, side_by_side
from dsm.remotes.tables import PACKS, Tables, pack_name, remote_path
from dsm.repo.repository import Repository
from dsm.store import disk, disk_at
from dsm.store.objects import ObjectStore
from dsm.store.pack_files import bytes_of, publish_pack
from dsm.store.packs import Pack
from dsm.store.pieces import large_among, pieces_of
from dsm.store.repacking import prefixes_of, verify_objects

# Much more than any pack that dsm writes: what is longer is no pack.
PACK_BYTES_MAX = 8 << 30


@dataclass(frozen=True, slots=True)
class Brought:
    """What was downloaded: packs, and their bytes."""

    packs: int = 0
    size: int = 0


def bring_objects(
    repository: Repository,
    backend: Backend,
    wanted: Iterable[bytes],
    progress: Progress = SILENT,
) -> Brought:
    """Makes sure that objects, and all pieces they consist of, are here; durable when it returns.

    Call while publishing: the packs are ones that the store relies on. Raises RemoteDamaged when
    the remote lacks one of them, or holds something else in its place.
    """
    store, asked = repository.store, set(wanted)
    entries: dict[str, Entry] | None = None
    brought: list[Entry] = []
    need = asked
    while True:
        missing = store.missing(need)
        if missing:
            if entries is None:
                listed = [(pack_name(entry), entry) for entry in backend.entries(PACKS)]
                entries = {name: entry for name, entry in listed if name is not None}
            chosen = [entries[name] for name in _chosen(repository, backend, entries, missing)]
            _bring_packs(repository, backend, chosen, progress)
            brought += chosen
            store.refresh()
            if left := store.missing(missing):
                raise _lacks(backend, left)
        # Of a list in parts, all pieces are told once the parts are here.
        need = _pieces(store, asked)
        if not store.missing(need):
            return Brought(len(brought), sum(entry.size for entry in brought))


def _bring_packs(
    repository: Repository, backend: Backend, chosen: list[Entry], progress: Progress
) -> None:
    progress.start("downloading", len(chosen), sum(entry.size for entry in chosen))
    begun = (partial_path(repository, pack_name(entry) or "") for entry in chosen)
    progress.advance(0, bytes_of(begun))
    names = side_by_side(
        lambda entry: download(repository, backend, entry), chosen, PACKS_AT_ONCE,
        tick := Meter.of(progress, lambda: backend.received),
    )  # fmt: skip
    for name in names:
        tick()
        _take_in(repository, backend, name)
        progress.advance(1)
    progress.finish()


def _pieces(store: ObjectStore, oids: Iterable[bytes]) -> set[bytes]:
    """Returns the pieces that large objects among these consist of; nested lists come first."""
    pieces: set[bytes] = set()
    for oid in large_among(store, list(oids)):
        pieces |= pieces_of(store, oid)
    return pieces


def _chosen(
    repository: Repository, backend: Backend, entries: dict[str, Entry], missing: set[bytes]
) -> list[str]:
    """Returns the packs that hold what is missing, as few as a simple choice finds."""
    prefixes = {oid[: fmt.PREFIX] for oid in missing}
    holds: dict[str, set[bytes]] = {}
    for name, contents in Tables(repository.layout).of(backend, entries.values()):
        if found := prefixes & prefixes_of(contents.prefixes):
            holds[name] = found
    chosen = []
    for name in sorted(holds, key=lambda name: (-len(holds[name]), name)):
        if holds[name] & prefixes:
            prefixes -= holds[name]
            chosen.append(name)
    if prefixes:
        raise _lacks(backend, {oid for oid in missing if oid[: fmt.PREFIX] in prefixes})
    return chosen


def _lacks(backend: Backend, oids: set[bytes]) -> RemoteDamaged:
    return RemoteDamaged(
        f"{backend.url} lacks {len(oids):,} object{'s' * (len(oids) != 1)} that its changesets"
        f" name, such as {min(oids).hex()[:16]}",
        hint="nothing was recorded; `dsm fsck --remote --repair` in a copy that has them puts them"
        " there",
        items=tuple(sorted(oid.hex() for oid in oids)[:1000]),
    )


def partial_path(repository: Repository, name: str) -> str:
    """Where a pack lies while it is downloaded, and until it is taken in."""
    return os.path.join(repository.layout.remotes, ".partial", name + ".pack")


def download(repository: Repository, backend: Backend, entry: Entry) -> str:
    """Downloads a pack to its partial file, from where an earlier download ended; returns its id.

    Its hash is compared. Raises RemoteDamaged, RemoteFailed.
    """
    name = pack_name(entry)
    assert name is not None
    if entry.size > PACK_BYTES_MAX:
        raise RemoteDamaged(f"{entry.name} on {backend.url} is too long for a pack")
    path = partial_path(repository, name)
    disk.make_dirs(os.path.dirname(path), durable=False)
    for again in (False, True):
        try:
            digest = retried(lambda: _go_on(backend, entry, path))
        except NotOnRemote as error:
            raise RemoteFailed(
                f"{error.message} any more",
                hint="it was merged into another: run the command again",
            ) from None
        if digest == name:
            return name
        # What was there before may have been the fault: once more, all of it.
        disk.remove(path)
        if again:
            raise RemoteDamaged(
                f"{remote_path(name)} on {backend.url} is damaged: it holds something else than its"
                " name says",
                hint="nothing of it was taken in; `dsm fsck --remote` names what it held",
            )
    raise AssertionError("unreachable")


def _go_on(backend: Backend, entry: Entry, path: str) -> str:
    """Appends what is missing of a file, durable; returns the hash of all of it."""
    hasher, have = blake3(), 0
    begun = os.path.exists(path)  # perhaps without a byte
    if begun:
        with open(path, "rb") as file:
            while block := file.read(1 << 22):
                hasher.update(block)
                have += len(block)
        if have > entry.size:
            hasher, have = blake3(), 0
    fd = disk.open_kept(path, have) if begun else disk.open_new(path)
    try:
        # One that is whole is not asked for: a range of no bytes is an error for some servers.
        for part in backend.read(entry.name, have) if have < entry.size else ():
            have += len(part)
            if have > entry.size:
                raise RemoteDamaged(f"{entry.name} on {backend.url} is longer than it was listed")
            hasher.update(part)
            disk_at.write_by_parts(fd, part, path)
        if have < entry.size:
            raise RemoteFailed(f"{entry.name} on {backend.url} was cut short at {have:,} bytes")
        disk.sync_file(fd, path)
    finally:
        os.close(fd)
    return hasher.hexdigest()


def _take_in(repository: Repository, backend: Backend, name: str) -> None:
    """Hashes every object of a downloaded pack, and gives the pack its name."""
    path = partial_path(repository, name)
    try:
        pack = Pack(path, verify=True)
        for _ in verify_objects(pack):
            pass
        pack.close()
    except DamagedData as error:
        disk.remove(path)
        raise RemoteDamaged(
            f"{remote_path(name)} on {backend.url}: {error.message}",
            hint="nothing of it was taken in",
        ) from error
    disk_at.make_read_only(path)
    publish_pack(repository.layout.packs, path, name)
    repository.store.relied_on.add(name)
