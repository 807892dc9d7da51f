"""Which pack holds an object, and where: one look-up for all packs of a store.

The first look-ups search the sorted table of each pack. When they have cost as much as a dictionary
over all tables, it is made; packs that come later are added to it. Invariant: the answer is the
one that asking every pack would give, in the order in which the packs came. Threads may ask while
another one adds: they find a new pack's objects or, for a moment, do not.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from itertools import chain
from typing import TYPE_CHECKING

from dsm.format import pack as fmt
from dsm.store.turns import CHANGING

if TYPE_CHECKING:
    from dsm.store.packs import Pack

# A place is one integer: the number of the pack, and the row in its table, which counts in 32 bits.
ROW_BITS = 32
ROW_MASK = (1 << ROW_BITS) - 1
# A search of one table costs as much as so many entries of the dictionary.
SEARCH_ENTRIES = 16
# An entry takes some 120 bytes. So many objects in so few packs are searched for instead.
LARGE_OBJECTS, FEW_PACKS = 1 << 20, 16


class Lookup:
    """The tables of the packs that a store has open; `packs` is in the order in which they came."""

    def __init__(self, packs: Iterable[Pack] = ()) -> None:
        self.packs: list[Pack] = list(packs)
        # Places by prefix, once enough was looked up to make it worth while.
        self.places: dict[bytes, int] | None = None
        self._others: dict[bytes, list[int]] = {}  # of prefixes that more than one pack has
        self._objects = sum(map(len, self.packs))
        self._searches = 0  # of a table, so far
        self._latest = 0  # the pack in which an object was found
        self.announced = 0  # look-ups that may be to come, for who finds that they are

    def add(self, pack: Pack) -> None:
        """Includes a pack."""
        with CHANGING:
            self.packs.append(pack)
            self._objects += len(pack)
            if self.places is not None:
                self._enter(self.places, len(self.packs) - 1)

    def without(self, gone: Container[Pack]) -> Lookup:
        """Returns a look-up of the other packs, numbered anew; this one stays for who uses it."""
        left = Lookup(pack for pack in self.packs if pack not in gone)
        left._searches, left.announced = self._searches, self.announced
        return left

    def expect(self, count: int) -> None:
        """Makes look-ups fast if so many, with those before, are worth it."""
        large = self._objects > LARGE_OBJECTS and len(self.packs) <= FEW_PACKS
        if self.places is None and self.packs and not large:
            searches = self._searches + count * len(self.packs)
            if (searches - 64) * SEARCH_ENTRIES > self._objects:
                self._fill()

    def _fill(self) -> None:
        """Makes the dictionary; it is published when it is whole."""
        with CHANGING:
            if self.places is None:
                places: dict[bytes, int] = {}
                for number in range(len(self.packs)):
                    self._enter(places, number)
                self.places = places

    def _enter(self, places: dict[bytes, int], number: int) -> None:
        table, first, width = self.packs[number].contents.prefixes, number << ROW_BITS, fmt.PREFIX
        # From the back, so that of equal prefixes the first row stays.
        last = len(table) - width
        own = {table[at : at + width]: first + at // width for at in range(last, -1, -width)}
        for prefix in places.keys() & own.keys():
            self._others.setdefault(prefix, []).append(own.pop(prefix))
        places.update(own)

    def _worth_while(self) -> dict[bytes, int] | None:
        """Returns the dictionary, if enough was searched for by now."""
        if self.places is None:
            self.expect(0)
        return self.places

    def place(self, oid: bytes) -> int | None:
        """Returns the place of a row whose prefix fits this id: the first row in its pack."""
        places = self._worth_while()
        if places is not None:
            return places.get(oid[: fmt.PREFIX])
        if not self.packs:
            return None
        # Where the last one was is the next one, more often than not.
        for number in chain((self._latest,), range(len(self.packs))):
            self._searches += 1
            rows = self.packs[number].find(oid)
            if rows:
                self._latest = number
                return number << ROW_BITS | rows[0]
        return None

    def holders(self, oid: bytes) -> list[tuple[Pack, int]]:
        """Returns each pack and row whose prefix fits this id; usually none or one."""
        places = self._worth_while()
        if places is None:
            self._searches += len(self.packs)
            return [(pack, row) for pack in self.packs for row in pack.find(oid)]
        prefix = oid[: fmt.PREFIX]
        place = places.get(prefix)
        if place is None:
            return []
        found: list[tuple[Pack, int]] = []
        for each in (place, *self._others.get(prefix, ())):
            pack = self.packs[each >> ROW_BITS]
            found += [(pack, row) for row in pack.rows_from(each & ROW_MASK, prefix)]
        return found


def listed_last(holders: list[tuple[Pack, int]], *, listed: bool = False) -> list[tuple[Pack, int]]:
    """Returns the places of an object with its chunk lists last, or first if `listed`."""
    if len(holders) < 2:
        return holders
    is_last = {each: bool(each[0].contents.location(each[1])[2]) is not listed for each in holders}
    return sorted(holders, key=is_last.__getitem__)
