"""What large objects consist of, and which pack holds an object: for what moves packs about."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from dsm.errors import DamagedData
from dsm.format import chunk_list, reference
from dsm.format import pack as fmt
from dsm.store.object_errors import ObjectMissing
from dsm.store.objects import ObjectStore
from dsm.store.packs import Pack
from dsm.store.repacking import prefixes_of

# One object is looked up in the time in which so many rows of tables are gone through.
SEARCH_ROWS = 20
_MARKED = re.compile(rb"[\x80-\xff]").finditer


def is_large(store: ObjectStore, oid: bytes) -> bool:
    """Whether an object lies here as a list of pieces, which may be missing."""
    store.scan_once()
    return any(pack.place(row)[3] for pack, row in store.lookup.holders(oid))


def large_among(store: ObjectStore, oids: Collection[bytes]) -> list[bytes]:
    """Returns those of these objects that lie here as lists of pieces; of many, by whole tables."""
    store.scan_once()
    packs = store.lookup.packs
    if SEARCH_ROWS * len(oids) < sum(map(len, packs)):
        return [oid for oid in oids if is_large(store, oid)]
    lists = {prefix for pack in packs for prefix in _lists(pack.contents)}
    return [oid for oid in oids if oid[: fmt.PREFIX] in lists] if lists else []


def _lists(contents: fmt.Contents) -> Iterator[bytes]:
    """Yields the prefixes of the lists in a table."""
    width = fmt.PREFIX
    # The mark of a list is the highest bit of a location, which is in its last byte.
    for found in _MARKED(contents.locations[fmt.LOCATION - 1 :: fmt.LOCATION]):
        at = found.start() * width
        yield contents.prefixes[at : at + width]


def holders_of(store: ObjectStore, oids: Mapping[bytes, bytes]) -> dict[Pack, set[bytes]]:
    """Returns a pack for each object, none of the cache, with the keys of `oids`, which are the
    prefixes of those ids. Raises ObjectMissing."""
    store.scan_once()
    packs = [pack for pack in store.lookup.packs if not pack.cached]
    found: dict[Pack, set[bytes]] = {}
    far = {each.oid[: fmt.PREFIX] for each in store.referenced.all()}  # bytes go before those
    single = set(oids) if SEARCH_ROWS * len(oids) < sum(map(len, packs)) else far & oids.keys()
    for prefix in single:
        found.setdefault(holder_of(store, oids[prefix]), set()).add(prefix)
    left = oids.keys() - single
    for pack in packs:
        here = prefixes_of(pack.contents.prefixes) & left
        if here:
            found.setdefault(pack, set()).update(here)
            left -= here
    if left:
        raise ObjectMissing(min(oids[prefix] for prefix in left))
    return found


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
    referred = b""
    store.scan_once()
    for pack, row in store.lookup.holders(oid):
        frame, offset, size, is_list = pack.place(row)
        if is_list:
            payload = pack.read(frame, offset, size)
            if chunk_list.names(payload, oid):
                if not reference.is_one(payload):
                    return payload
                referred = payload
    if referred:
        return referred
    raise DamagedData(f"the chunk list of object {oid.hex()} is damaged", hint="run `dsm fsck`")


def holder_of(store: ObjectStore, oid: bytes) -> Pack:
    """Returns a pack that holds an object, none of the cache: its bytes or its list rather than a
    reference to it. Raises ObjectMissing."""
    store.scan_once()
    referring: Pack | None = None
    for pack, row in store.lookup.holders(oid):
        if not pack.cached:
            frame, offset, size, is_list = pack.place(row)
            if not (is_list and reference.is_one(pack.read(frame, offset, min(size, 4)))):
                return pack
            referring = referring or pack
    if referring is None:
        raise ObjectMissing(oid)
    return referring
