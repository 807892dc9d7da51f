"""Cutting a records file into groups, and storing them: the file is their chunk list.

A group is some tens of KiB of whole lines, one frame of a pack, of which every record is a part.
It ends after a record whose own hash says so, or when it is full: an edit moves the ends near it
alone.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, repeat
from operator import add
from typing import Protocol

from blake3 import blake3

from dsm.format import chunk_list
from dsm.store.chunks import ReadInto
from dsm.store.members import Members

# In bytes. A read of one record decompresses one group; an edit of one stores one anew.
SMALLEST, TYPICAL, LARGEST = 16 << 10, 32 << 10, 128 << 10
_ENDS_AT = (1 << 32) // (TYPICAL - SMALLEST)
_ID = 32


class GroupStore(Protocol):
    """Where groups go; see `ObjectStore`."""

    def put(self, data: bytes, suffix: str = "", pieces: list[bytes] | None = None) -> bytes: ...

    def put_group(
        self, data: bytes, members: Mapping[bytes, tuple[int, int]], suffix: str
    ) -> bytes: ...

    def put_list(self, oid: bytes, size: int, rows: bytes) -> None: ...

    def put_stream(
        self, readinto: ReadInto, suffix: str = "", pieces: list[bytes] | None = None
    ) -> tuple[bytes, int]: ...


@dataclass(frozen=True, slots=True)
class _Lines:
    """Lines that are records from their beginning to their end, which is one byte: end to end, with
    their ids, sizes and where each ends, 0 first; `repeated` says that some are equal."""

    data: bytes
    oids: Sequence[bytes]
    joined: bytes
    sizes: Sequence[int]
    ends: Sequence[int]
    repeated: bool

    def members(self, first: int, end: int, held: int) -> Mapping[bytes, tuple[int, int]]:
        """Returns where some lines lie in a group that has so many bytes before the first."""
        shift = held - self.ends[first]
        starts = [at + shift for at in self.ends[first:end]]
        sizes = self.sizes[first:end]
        if not self.repeated:
            return Members(self.joined[_ID * first : _ID * end], starts, sizes)
        places = zip(reversed(starts), reversed(sizes), strict=True)
        return dict(zip(reversed(self.oids[first:end]), places, strict=True))


class Grouper:
    """Takes the lines of a file in order, and stores them group by group; without a store it only
    works out the id of the file."""

    def __init__(self, store: GroupStore | None, suffix: str):
        self._store = store
        self._suffix = suffix
        self._whole = blake3()
        self._lines: list[bytes] = []
        self._members: Mapping[bytes, tuple[int, int]] = {}
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
            members = self._members
            if not isinstance(members, dict):
                members = self._members = dict(members)
            members.setdefault(oid, (held + at, size))
        held = self._held = held + len(line)
        if held >= SMALLEST:
            ends = oid is not None and int.from_bytes(oid[:4], "little") < _ENDS_AT * len(line)
            if ends or held >= LARGEST:
                self._end()

    def add_lines(self, data: bytes, oids: Sequence[bytes], sizes: Sequence[int]) -> None:
        """Appends lines that are records from their beginning to their end, which is one byte; as
        `add` does for each."""
        joined = b"".join(oids)
        heads = array("I", joined)[:: len(oids[0]) // 4]
        if sys.byteorder == "big":
            heads.byteswap()
        ends = array("q", accumulate(map(add, sizes, repeat(1)), initial=0))  # of line n: n + 1
        # Of equal records the first counts.
        lines = _Lines(data, oids, joined, sizes, ends, len({*oids}) < len(oids))
        first, count = 0, len(sizes)
        while first < count:
            base = ends[first] - self._held  # so that ends count from the group's beginning
            last = bisect_left(ends, base + SMALLEST, first + 1) - 1
            over = bisect_right(ends, base + LARGEST, first + 1) - 1  # no place for this one
            while last < over and not (
                heads[last] < _ENDS_AT * (sizes[last] + 1) or ends[last + 1] - base >= LARGEST
            ):
                last += 1
            if last < over:
                end, full = last + 1, True
            elif over < count:
                # A line that is too long for any group is one of its own.
                end, full = max(over, first + (not self._held)), True
            else:
                end, full = count, False
            self._take(lines, first, end)
            if full:
                self._end()
            first = end

    def _take(self, lines: _Lines, first: int, end: int) -> None:
        if first == end:
            return
        members = lines.members(first, end, self._held)
        if self._members:
            members = {**members, **self._members}
        self._members = members
        data = lines.data[lines.ends[first] : lines.ends[end]]
        self._lines.append(data)
        self._held += len(data)

    def _end(self) -> None:
        data = b"".join(self._lines)
        self._whole.update(data)
        self.size += len(data)
        if self._store is not None:
            oid = self._store.put_group(data, self._members, self._suffix)
            self._rows.append(chunk_list.row(oid, len(data)))
        self._lines, self._members, self._held = [], {}, 0

    @property
    def held(self) -> int:
        """How many bytes there are since the last group ended."""
        return self._held

    def take_known(self, oid: bytes, size: int) -> None:
        """Appends a group that is stored, where one has just ended."""
        self._rows.append(chunk_list.row(oid, size))

    def finish(self, known: bytes | None = None, size: int | None = None) -> bytes:
        """Stores what is left, and the file as a list of its groups; returns the file's id.

        The id and the size of a file with groups that were known are `known`, too.
        """
        if self._held:
            self._end()
        oid: bytes = self._whole.digest() if known is None else known
        self.size = self.size if size is None else size
        if self._store is not None:
            if not self.size:
                self._store.put(b"", self._suffix)
            elif len(self._rows) > 1:
                self._store.put_list(oid, self.size, b"".join(self._rows))
        return oid
