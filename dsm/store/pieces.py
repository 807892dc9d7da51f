"""What large objects consist of, and which pack holds an object: for what moves packs about."""

from __future__ import annotations

from dsm.errors import DamagedData
from dsm.format import chunk_list
from dsm.store.object_errors import ObjectMissing
from dsm.store.objects import ObjectStore
from dsm.store.packs import Pack


def is_large(store: ObjectStore, oid: bytes) -> bool:
    """Whether an object lies here as a list of pieces, which may be missing."""
    store.scan_once()
    return any(pack.place(row)[3] for pack, row in store.lookup.holders(oid))


def pieces_of(store: ObjectStore, oid: bytes) -> set[bytes]:
    """Returns the pieces that the list of a large object names, as far as they can be told: those
    of a nested list when its parts are here. Raises DamagedData when no list of it is whole."""
    payload = _list_of(store, oid)
    decoded = chunk_list.decode(payload)
    pieces = {piece for piece, _ in chunk_list.iterate(decoded.rows)}
    if decoded.nested and not store.missing(pieces):
        for part in list(pieces):
            pieces.update(piece for piece, _ in chunk_list.iterate(store.read(part)))
    return pieces


def _list_of(store: ObjectStore, oid: bytes) -> bytes:
    store.scan_once()
    for pack, row in store.lookup.holders(oid):
        frame, offset, size, is_list = pack.place(row)
        if is_list:
            payload = pack.read(frame, offset, size)
            if chunk_list.names(payload, oid):
                return payload
    raise DamagedData(f"the chunk list of object {oid.hex()} is damaged", hint="run `dsm fsck`")


def holder_of(store: ObjectStore, oid: bytes) -> Pack:
    """Returns a pack that holds an object, none of the cache. Raises ObjectMissing."""
    store.scan_once()
    for pack, _ in store.lookup.holders(oid):
        if not pack.cached:
            return pack
    raise ObjectMissing(oid)
