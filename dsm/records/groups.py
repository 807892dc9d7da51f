"""Cutting a records file into groups, and storing them: the file is their chunk list.

A group is some tens of KiB of whole lines, one frame of a pack, of which every record is a part.
It ends after a record whose own hash says so, or when it is full: an edit moves the ends near it
alone.
"""

from __future__ import annotations

from typing import Protocol

from blake3 import blake3

from dsm.format import chunk_list

# In bytes. A read of one record decompresses one group; an edit of one stores one anew.
SMALLEST, TYPICAL, LARGEST = 16 << 10, 32 << 10, 128 << 10
_ENDS_AT = (1 << 32) // (TYPICAL - SMALLEST)


class GroupStore(Protocol):
    """Where groups go; see `ObjectStore`."""

    def put(self, data: bytes, suffix: str = "") -> bytes: ...

    def put_group(
        self, data: bytes, members: dict[bytes, tuple[int, int]], suffix: str
    ) -> bytes: ...

    def put_list(self, oid: bytes, size: int, rows: bytes) -> None: ...


class Grouper:
    """Takes the lines of a file in order, and stores them group by group; without a store it only
    works out the id of the file."""

    def __init__(self, store: GroupStore | None, suffix: str):
        self._store = store
        self._suffix = suffix
        self._whole = blake3()
        self._lines: list[bytes] = []
        self._members: dict[bytes, tuple[int, int]] = {}
        self._held = 0  # bytes of the group so far
        self._rows: list[bytes] = []
        self.size = 0

    def add(self, line: bytes, oid: bytes | None, at: int, size: int) -> None:
        """Appends a line with its end; from `at` on it holds a record of `size` bytes, if `oid` is
        the id of one."""
        held = self._held
        if held and held + len(line) > LARGEST:
            self._end()
            held = 0
        self._lines.append(line)
        if oid is not None:
            self._members.setdefault(oid, (held + at, size))
        held = self._held = held + len(line)
        if held >= SMALLEST:
            ends = oid is not None and int.from_bytes(oid[:4], "little") < _ENDS_AT * len(line)
            if ends or held >= LARGEST:
                self._end()

    def _end(self) -> None:
        data = b"".join(self._lines)
        self._whole.update(data)
        self.size += len(data)
        if self._store is not None:
            oid = self._store.put_group(data, self._members, self._suffix)
            self._rows.append(chunk_list.row(oid, len(data)))
        self._lines, self._members, self._held = [], {}, 0

    def finish(self) -> bytes:
        """Stores what is left, and the file as a list of its groups; returns the file's id."""
        if self._held:
            self._end()
        oid: bytes = self._whole.digest()
        if self._store is not None:
            if not self.size:
                self._store.put(b"", self._suffix)
            elif len(self._rows) > 1:
                self._store.put_list(oid, self.size, b"".join(self._rows))
        return oid
