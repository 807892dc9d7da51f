"""Where the objects of a view probably lie, for who reads them again and again in any order.

One number for each row, found with few look-ups where objects lie in the order of the rows. It may
be a wrong guess, or out of date: every object is hashed, and looked up if it is another.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from dsm.format.pack import OBJECT_BYTES_MAX
from dsm.store.batch import neighbours, planned, read_batch, read_framed, read_raw

if TYPE_CHECKING:
    from dsm.store.batch import Framed, Raw
    from dsm.store.objects import ObjectStore
    from dsm.store.packs import Pack

# A position is one integer: the number of the pack, and where in it, which counts in 40 bits. Of
# what lies compressed that is its place in the raw space of the pack, behind a bit of its own.
_AT_BITS = 40
_AT_MASK = (1 << _AT_BITS) - 1
_FRAMED = 1 << (_AT_BITS - 1)
_UNKNOWN = -1  # large, empty or not there: to be looked up


class Positions:
    """The positions of all rows; `parts` are the ids and the sizes of some rows after the other."""

    def __init__(self, store: ObjectStore, parts: Iterable[tuple[Sequence[bytes], Sequence[int]]]):
        self._store = store
        self._packs: list[Pack] = []
        self._of = array("q")
        numbers: dict[Pack, int] = {}
        store.scan_once()
        for oids, sizes in parts:
            found = [_UNKNOWN] * len(oids)
            blocks, guessed, others = neighbours(store.lookup, oids, sizes)
            plans, _ = planned(store.lookup, oids, others)
            for pack in (*(block[0] for block in blocks), *guessed, *plans):
                numbers.setdefault(pack, len(numbers))
            for pack, begin, ends, first in blocks:
                start = (numbers[pack] << _AT_BITS) + begin
                found[first : first + len(ends) - 1] = [start + end for end in ends[:-1]]
            for pack, (raw, _) in plans.items():
                for at, _, row in raw:
                    found[row] = (numbers[pack] << _AT_BITS) + at
            for pack, framed in (*guessed.items(), *((p, both[1]) for p, both in plans.items())):
                base = (numbers[pack] << _AT_BITS) + _FRAMED
                for start, _, row in framed:
                    found[row] = base + start
            self._of.extend(found)
        self._packs.extend(numbers)

    def read(
        self, rows: Sequence[int], oids: Sequence[bytes], sizes: Sequence[int]
    ) -> list[bytes | None]:
        """Returns the bytes of each of these rows, verified; see `read_batch`."""
        found: list[bytes | None] = [None] * len(rows)
        raws: list[list[Raw]] = [[] for _ in self._packs]
        frames: list[list[Framed]] = [[] for _ in self._packs]
        left: list[int] = []
        for number, (row, size) in enumerate(zip(rows, sizes, strict=True)):
            position = self._of[row]
            if position >= 0 and 0 <= size <= OBJECT_BYTES_MAX:
                if position & _FRAMED:
                    at = (position & _AT_MASK) - _FRAMED
                    frames[position >> _AT_BITS].append((at, size, number))
                else:
                    raws[position >> _AT_BITS].append((position & _AT_MASK, size, number))
            else:
                left.append(number)
        for pack, raw, framed in zip(self._packs, raws, frames, strict=True):
            failed = read_raw(pack, raw, oids, found) + read_framed(pack, framed, oids, found)
            for number in failed:
                self._of[rows[number]] = _UNKNOWN  # the next epoch need not try
            left += failed
        if left:
            others = read_batch(self._store, [oids[number] for number in left])
            for number, data in zip(left, others, strict=True):
                found[number] = data
        return found
