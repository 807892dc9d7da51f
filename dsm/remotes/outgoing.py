"""Packs for a remote: what it lacks of what is pushed, and nothing else.

A pack of this repository goes up as it is when all that is in it is pushed; of others, what is
needed is gathered into new packs: so many small ones become one, and what was staged and never
committed, or belongs to another dataset, stays here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from dsm.errors import DamagedData
from dsm.format import pack as fmt
from dsm.progress import SILENT, Progress
from dsm.remotes.backend import Backend, Entry, retried
from dsm.remotes.parallel import Meter, side_by_side
from dsm.remotes.tables import Tables, marker_path, pack_name, remote_path
from dsm.repo.repository import Repository
from dsm.store import disk
from dsm.store.digests import threaded_hasher
from dsm.store.lease import Lease
from dsm.store.objects import ObjectStore
from dsm.store.packs import Pack, PackWriter
from dsm.store.pieces import holders_of, large_among
from dsm.store.repacking import copy_live, prefixes_of

# From this size on a pack travels by itself.
WHOLE_FROM_BYTES = 16 << 20
HASH_BYTES = 8 << 20  # from here on, more threads than one are of use


@dataclass(frozen=True, slots=True)
class Shipment:
    """What has to go to a remote: packs that go as they are, and what is gathered of others. Of the
    objects, `references` are those whose bytes stay at an address."""

    whole: tuple[Pack, ...]
    parts: Mapping[Pack, set[bytes]]
    objects: int
    references: int = 0

    @property
    def size(self) -> int:
        """About how many bytes go up."""
        gathered = (len(need) * pack.size // max(1, len(pack)) for pack, need in self.parts.items())
        return sum(pack.size for pack in self.whole) + sum(gathered)


def plan_shipment(
    repository: Repository, backend: Backend, oids: Iterable[bytes], there: Iterable[Entry]
) -> Shipment:
    """Returns what of these objects, and of their pieces, a remote lacks that has these packs.

    Raises ObjectMissing when an object is not here either, RemoteDamaged for a pack there.
    """
    store = repository.store
    wanted = {oid[: fmt.PREFIX]: oid for oid in oids}
    closure = set(wanted)
    known: set[bytes] = set()
    for _, contents in Tables(repository.layout).of(backend, there):
        known |= _held(contents, closure)
    # Large objects are all looked into: their lists may be there, and pieces lost.
    for piece in _pieces(store, wanted.values()):
        wanted.setdefault(piece[: fmt.PREFIX], piece)
    if len(wanted) > len(closure):
        for _, contents in Tables(repository.layout).of(backend, there):
            known |= _held(contents, wanted.keys())
    lacking = {prefix: oid for prefix, oid in wanted.items() if prefix not in known}
    parts = holders_of(store, lacking)
    whole = [
        pack for pack in parts
        if pack.size >= WHOLE_FROM_BYTES
        and prefixes_of(pack.contents.prefixes) <= wanted.keys()
    ]  # fmt: skip
    for pack in whole:
        del parts[pack]
    references = len(store.referenced.among(lacking.values()))
    return Shipment(tuple(whole), parts, len(lacking), references)


def _held(contents: fmt.Contents, wanted: Iterable[bytes]) -> set[bytes]:
    return prefixes_of(contents.prefixes).intersection(wanted)


def _pieces(store: ObjectStore, oids: Iterable[bytes]) -> Iterator[bytes]:
    for oid in large_among(store, list(oids)):
        with contextlib.suppress(DamagedData):  # it is not here, and perhaps need not be
            yield from store.with_pieces(oid)


def send(
    repository: Repository,
    backend: Backend,
    shipment: Shipment,
    progress: Progress = SILENT,
    condemned: frozenset[str] = frozenset(),
) -> list[Entry]:
    """Uploads what a shipment holds; returns the packs that are on the remote by that.

    Packs that are `condemned` there, and go up again, are so no longer.
    """
    sent: list[Entry] = []
    # Of packs that are yet to be gathered it is not known how many there will be.
    packs = None if shipment.parts else len(shipment.whole)
    progress.start("uploading", packs, shipment.size)
    tick = Meter.of(progress, lambda: backend.sent)
    put = partial(_put_pack, backend, condemned)
    whole = [(pack.name, pack.path) for pack in shipment.whole]

    def put_sound(each: tuple[str, str]) -> None:
        _require_sound(*each)  # a gathered one was hashed as it was made
        put(each)

    for pack, _ in zip(
        shipment.whole, side_by_side(put_sound, whole, backend.uploads_at_once, tick), strict=True
    ):
        sent.append(Entry(remote_path(pack.name), pack.size))
        tick()
        progress.advance(1)
    with Lease(repository.layout.temporary) as lease:
        for path, name, size in _gathered(shipment, lease):
            try:
                for _ in side_by_side(put, [(name, path)], 1, tick):
                    tick()
                Tables(repository.layout).keep_of(path, name)
            finally:
                disk.discard(path)
            sent.append(Entry(remote_path(name), size))
            progress.advance(1)
    progress.finish()
    return sent


def _put_pack(backend: Backend, condemned: frozenset[str], pack: tuple[str, str]) -> None:
    name, path = pack
    if name in condemned:
        retried(lambda: backend.delete(marker_path(name)))
    retried(lambda: backend.put_file(remote_path(name), path))


def _require_sound(name: str, path: str) -> None:
    """Raises DamagedData when a pack of this machine is not what its name says.

    What was spoilt here would be refused by all who pull it; the hash costs less than the line.
    """
    hasher = threaded_hasher()
    with open(path, "rb") as file:
        while block := file.read(HASH_BYTES):
            hasher.update(block)
    if hasher.hexdigest() != name:
        raise DamagedData(
            f"pack {name[:16]} is damaged here, and was not pushed",
            hint="`dsm fsck` names what it holds, and `dsm fsck --repair` brings that back from a"
            " remote that has it",
        )


def _gathered(shipment: Shipment, lease: Lease) -> Iterator[tuple[str, str, int]]:
    """Yields (path, id, bytes) of new packs with what is needed of those that do not go whole."""
    writer: PackWriter | None = None
    try:
        for pack, need in sorted(shipment.parts.items(), key=lambda item: item[0].name):
            if writer is None:
                writer = PackWriter(lease.temporary(".pack"))
            copy_live(pack, need, writer)
            if writer.full:
                done, writer = writer, None
                name = done.seal().hex()
                yield done.path, name, done.size
        if writer is not None:
            done, writer = writer, None
            name = done.seal().hex()
            yield done.path, name, done.size
    finally:
        if writer is not None:
            writer.abandon()


def packs_of(entries: Iterable[Entry]) -> frozenset[str]:
    """Returns the ids of the packs among files of a remote."""
    return frozenset(name for name in map(pack_name, entries) if name is not None)
