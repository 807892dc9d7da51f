"""A stored object as a file that is read from anywhere, in bounded memory, every byte verified.

Read from the beginning, an object is hashed as it goes by, and its end is handed out only when it
is what its name says. Each piece of a large one has a hash of its own; but that the pieces are
those of this object is known only when all were seen. So jumping forwards reads what is between,
and the first jump backwards reads the object once; from then on the store knows, and a jump costs
one piece.
"""

from __future__ import annotations

import io
import os
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Any, Protocol

from blake3 import blake3

from dsm.format.chunk_list import ROW, ROW_STRUCT


class Store(Protocol):
    """What it asks of the object store."""

    proven: set[bytes]

    def piece(self, oid: bytes, chunk: bytes, size: int, at: int) -> bytes:
        """Returns one piece of a large object, which starts at `at`, verified by its own hash."""

    def pieces_ahead(
        self, oid: bytes, at: int, rows: Iterable[tuple[bytes, int]]
    ) -> dict[bytes, bytes] | None:
        """Returns the next pieces that are not here, None where all are here in any case."""

    def require_whole(self, oid: bytes, digest: bytes) -> None:
        """Raises ObjectDamaged when this is not the hash of all pieces of a large object."""

    def stream(self, oid: bytes) -> Iterator[bytes]:
        """Yields an object's bytes in pieces, and requires at the end that they make it up."""


class ObjectFile(io.RawIOBase):
    """One object, open for reading: its bytes, or the row table of a large one.

    `size` is in bytes. Each thread needs a file of its own. Raises ObjectMissing or ObjectDamaged.
    """

    mode = "rb"

    def __init__(self, store: Store, oid: bytes, data: bytes, rows: bytes | None):
        self._store = store
        self.oid = oid
        self._at = 0
        is_list = rows is not None
        self._rows = rows or b""
        ends = accumulate(size for _, size in ROW_STRUCT.iter_unpack(self._rows))
        # Where each piece begins; at last, where the object ends.
        self._starts = array("Q", [0, *ends] if is_list else [0, len(data)])
        self.size: int = self._starts[-1]
        self._ahead: dict[bytes, bytes] | None = {}  # pieces that were fetched together
        self._piece, self._held = (-1, b"") if is_list else (0, data)
        # The pieces that went by one after the other from the first on, hashed together.
        self._whole = blake3()
        self._passed = 0
        if is_list and not self.size:
            store.require_whole(oid, self._whole.digest())

    @property
    def pieces(self) -> list[tuple[bytes, int]]:
        """The pieces of a large object: (id, bytes); none of a small one."""
        return [*ROW_STRUCT.iter_unpack(self._rows)]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Goes to a place in bytes. Raises ValueError before the beginning, as files do."""
        self._require_open()
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}.get(whence)
        if start is None:
            raise ValueError(f"whence is 0, 1 or 2, not {whence!r}")
        if whence == os.SEEK_SET and offset < 0:
            raise ValueError(f"negative seek position {offset}")
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        self._require_open()
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fills a buffer up to the end of a piece; returns how many bytes, 0 at the end."""
        self._require_open()
        with memoryview(buffer) as view, view.cast("B") as target:
            if not len(target) or self._at >= self.size:
                return 0
            # Of pieces without bytes, the last one that begins here has the next byte.
            piece = bisect_right(self._starts, self._at) - 1
            if piece != self._piece:
                self._held, self._piece = self._read(piece), piece
            first = self._at - self._starts[piece]
            part = self._held[first : first + len(target)]
            target[: len(part)] = part
        self._at += len(part)
        return len(part)

    def _read(self, number: int) -> bytes:
        """Returns a piece; the first time, those before it go by as well."""
        if self.oid in self._store.proven:
            return self._fetch(number)
        if number < self._passed:  # back, before the end was seen
            for _ in self._store.stream(self.oid):
                pass
            self._store.proven.add(self.oid)
            return self._fetch(number)
        data = b""
        while self._passed <= number:
            data = self._fetch(self._passed)
            self._whole.update(data)
            self._passed += 1
        if self._starts[self._passed] == self.size:
            self._store.require_whole(self.oid, self._whole.digest())
            self._store.proven.add(self.oid)
        return data

    def _fetch(self, number: int) -> bytes:
        piece, size = ROW_STRUCT.unpack_from(self._rows, number * ROW)
        if self._ahead is not None and piece not in self._ahead:
            self._ahead = self._store.pieces_ahead(
                self.oid,
                self._starts[number],
                ROW_STRUCT.iter_unpack(memoryview(self._rows)[number * ROW :]),
            )
        held = self._ahead.get(piece) if self._ahead else None
        if held and len(held) == size:
            return held
        return self._store.piece(self.oid, piece, size, self._starts[number])

    def _require_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")
