"""The parts of a group that are objects themselves, as columns: packs of records have millions."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence

_ID = 32


class Members(Mapping[bytes, tuple[int, int]]):
    """(Offset, size in bytes) by id, read only; `ids` are those of all, end to end, none twice."""

    __slots__ = ("ids", "offsets", "sizes")

    def __init__(self, ids: bytes, offsets: Sequence[int], sizes: Sequence[int]):
        self.ids, self.offsets, self.sizes = ids, offsets, sizes

    @classmethod
    def of(cls, places: Mapping[bytes, tuple[int, int]]) -> Members:
        """Returns the same in columns."""
        if isinstance(places, Members):
            return places
        offsets, sizes = zip(*places.values(), strict=True) if places else ((), ())
        return cls(b"".join(places), array("q", offsets), array("q", sizes))

    def without(self, oid: bytes) -> Members:
        """Returns all but one, which needs not be among them."""
        if oid not in self:
            return self
        return Members.of({each: place for each, place in self.items() if each != oid})

    def __len__(self) -> int:
        return len(self.offsets)

    def __iter__(self) -> Iterator[bytes]:
        ids = self.ids
        return (ids[at : at + _ID] for at in range(0, len(ids), _ID))

    def __getitem__(self, oid: bytes) -> tuple[int, int]:
        row = self._row(oid)
        if row < 0:
            raise KeyError(oid)
        return self.offsets[row], self.sizes[row]

    def __contains__(self, oid: object) -> bool:
        return isinstance(oid, bytes) and self._row(oid) >= 0

    def _row(self, oid: bytes) -> int:
        at = self.ids.find(oid) if len(oid) == _ID else -1
        while at >= 0 and at % _ID:
            at = self.ids.find(oid, at + 1)
        return -1 if at < 0 else at // _ID
