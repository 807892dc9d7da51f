"""Objects of which the store has a reference alone: their bytes stay at an address.

What is read there is verified before it is handed out, as everything else is: a small object by its
id, a block of a large one by its own. Who reads, and whether the user allows it, is not known here:
it is handed down (`dsm.remotes.outside`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Protocol

from dsm.errors import DamagedData, Refused
from dsm.format import chunk_list, reference
from dsm.format.pack import LOCATION, PREFIX
from dsm.format.reference import Reference
from dsm.store.chunk_lists import PIECES_BYTES, next_of
from dsm.store.lookup import Lookup
from dsm.store.object_errors import ObjectMissing

# Large objects whose places are remembered while they are read.
MET_MAX = 4096
# Objects whose references are read together.
AT_ONCE = 1024
# A block: its id, where it starts in the object, and its bytes.
Block = tuple[bytes, int, int]


class Outside(Protocol):
    """Reads what references name. It goes to worker processes by pickle."""

    def whole(self, wanted: Sequence[Sequence[Reference]]) -> Iterator[tuple[bytes, bytes]]:
        """Yields (id, verified bytes) of small objects, in any order, many read at a time.

        Of the places of each the first that has it counts. Raises what reading there fails with.
        """

    def blocks(self, places: Sequence[Reference], wanted: Sequence[Block]) -> dict[bytes, bytes]:
        """Returns verified blocks of a large object, which lie one after the other, by their ids.

        Raises like `whole`.
        """


# Makes one when a reference is met: most copies have none. It goes to other processes as well.
MakeOutside = Callable[[], Outside]


class ReferencedObjects:
    """The references of a store, and reading what they name."""

    def __init__(self, make: MakeOutside | None, holders: Callable[[], Lookup]):
        self._make = make
        self._outside: Outside | None = None
        self._lookup = holders
        self._met: dict[bytes, list[Reference]] = {}

    def __contains__(self, oid: bytes) -> bool:
        """Whether a large object was met by `read` as one that is referenced."""
        return oid in self._met

    def places(self, oid: bytes) -> list[Reference]:
        """Returns the references that stand for an object; none when its bytes are here."""
        found: list[Reference] = []
        for pack, row in self._lookup().holders(oid):
            frame, offset, size, is_list = pack.place(row)
            if not is_list:
                return []
            try:
                payload = pack.read(frame, offset, size)
                if not chunk_list.names(payload, oid):
                    continue
                if not reference.is_one(payload):
                    return []
                found.append(reference.decode(payload))
            except DamagedData:
                continue
        return found

    def among(self, oids: Iterable[bytes]) -> set[bytes]:
        """Returns those of these objects whose bytes are not here, but at an address.

        Few look-ups where there are few references: each pack's lists are looked at first.
        """
        prefixes = {each.oid[:PREFIX] for each in self.all()}
        if not prefixes:
            return set()
        return {oid for oid in oids if oid[:PREFIX] in prefixes and self.places(oid)}

    def all(self) -> Iterator[Reference]:
        """Yields every reference that a pack holds, needed or not."""
        for pack in self._lookup().packs:
            tops = pack.contents.locations[LOCATION - 1 :: LOCATION]
            for row in (row for row, top in enumerate(tops) if top & 0x80):
                with suppress(DamagedData):
                    frame, offset, size, _ = pack.place(row)
                    if not reference.is_one(pack.read(frame, offset, min(size, 4))):
                        continue
                    payload = pack.read(frame, offset, size)
                    if chunk_list.names(payload, payload[4:36]):
                        yield reference.decode(payload)

    def read(self, oid: bytes, payload: bytes) -> tuple[bytes, bool]:
        """Returns (verified bytes, False) of a small object, (payload, True) of a large one."""
        first = reference.decode(payload)
        places = self.places(oid) or [first]
        if not first.blocks:
            ((_, data),) = self._reader(first).whole([places])
            return data, False
        self.meet(places)
        return payload, True

    def meet(self, places: list[Reference]) -> None:
        """Remembers where a large object lies."""
        while len(self._met) >= MET_MAX:
            self._met.pop(next(iter(self._met)), None)
        self._met[places[0].oid] = places

    def small_ones(self, oids: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """Yields (id, verified bytes) of those objects that are referenced and small."""
        rest = iter(oids)
        while some := list(islice(rest, AT_ONCE)):
            places = [found for oid in some if (found := self.places(oid))]
            wanted = [each for each in places if not each[0].blocks]
            if wanted:
                yield from self._reader(wanted[0][0]).whole(wanted)

    def block(self, oid: bytes, block: Block) -> bytes:
        """Returns one block of a large object. Raises ObjectMissing when no reference has it."""
        if oid not in self._met:
            places = self.places(oid)
            if not places:
                raise ObjectMissing(block[0])
            self.meet(places)
        places = self._met[oid]
        return self._reader(places[0]).blocks(places, [block])[block[0]]

    def ahead(self, oid: bytes, at: int, rows: Iterable[tuple[bytes, int]]) -> dict[bytes, bytes]:
        """Returns the next blocks of a large object that was met, as many as fit into memory."""
        wanted: list[Block] = []
        for block, size in next_of(iter(rows), PIECES_BYTES):
            wanted.append((block, at, size))
            at += size
        places = self._met[oid]
        return self._reader(places[0]).blocks(places, wanted) if wanted else {}

    def _reader(self, first: Reference) -> Outside:
        if self._outside is None and self._make is not None:
            self._outside = self._make()
        if self._outside is None:
            raise Refused(
                f"object {first.oid.hex()} is a reference to {first.address}, which is not read"
                " here"
            )
        return self._outside
