"""Ids of objects end to end: each as a Python object takes more than twice as much memory.

The standard library alone: `dsm status` reads what was staged so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

_ID = 32
_NONE = bytes(_ID)


class Ids:
    """A list of ids of 32 bytes, or None. `data` holds them, zeros for None."""

    __slots__ = ("_none", "data")

    def __init__(self, data: bytearray | None = None):
        self.data = bytearray() if data is None else data
        self._none: set[int] = set()  # positions

    @classmethod
    def of(cls, ids: Iterable[bytes | None]) -> Ids:
        """Returns the same so; itself, if it is so already."""
        if isinstance(ids, Ids):
            return ids
        made = cls()
        made.extend(ids)
        return made

    @property
    def lacking(self) -> bool:
        """Whether one is None."""
        return bool(self._none)

    def there(self) -> bytes | bytearray:
        """Returns those that are not None, end to end."""
        return b"".join(filter(None, self)) if self._none else self.data

    def __len__(self) -> int:
        return len(self.data) // _ID

    def __getitem__(self, row: int) -> bytes | None:
        row = self._position(row)
        return None if row in self._none else bytes(self.data[_ID * row : _ID * row + _ID])

    def __setitem__(self, row: int, oid: bytes | None) -> None:
        row = self._position(row)
        self._none.discard(row)
        if oid is None:
            self._none.add(row)
        self.data[_ID * row : _ID * row + _ID] = oid or _NONE

    def _position(self, row: int) -> int:
        row = row + len(self) if row < 0 else row
        if not 0 <= row < len(self):
            raise IndexError(row)
        return row

    def __iter__(self) -> Iterator[bytes | None]:
        none, at_once = self._none, _ID << 10
        for first in range(0, len(self.data), at_once):
            part = bytes(self.data[first : first + at_once])
            some = [part[at : at + _ID] for at in range(0, len(part), _ID)]
            if none:
                start = first // _ID
                yield from (None if n in none else oid for n, oid in enumerate(some, start))
            else:
                yield from some

    def append(self, oid: bytes | None) -> None:
        """Appends one."""
        if oid is None:
            self._none.add(len(self))
        self.data += oid or _NONE

    def extend(self, ids: Iterable[bytes | None]) -> None:
        """Appends several."""
        before = len(self)
        if isinstance(ids, Ids):
            self.data += ids.data
            self._none.update(before + row for row in ids._none)
            return
        listed = list(ids)
        if None in listed:
            self._none.update(before + row for row, oid in enumerate(listed) if oid is None)
            listed = [oid or _NONE for oid in listed]
        self.data += b"".join(listed)  # type: ignore[arg-type]

    def __iadd__(self, ids: Iterable[bytes | None]) -> Ids:
        self.extend(ids)
        return self

    def take(self, rows: Sequence[int]) -> Ids:
        """Returns some of them, in that order."""
        return Ids.of(self[row] for row in rows)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Ids):
            return (self.data, self._none) == (other.data, other._none)
        return list(self) == other

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Ids.of({list(self)!r})"
