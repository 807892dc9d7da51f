"""Files that are stored as they are, beside their records: what is compressed, or no byte ranges.

What it costs: the bytes of the records are stored a second time, as groups of their own.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import BinaryIO

from blake3 import blake3

from dsm.records.groups import GroupStore
from dsm.store.chunks import ReadInto, readinto_of

_PIECE = 1 << 20


class Parts:
    """A store for the groups of records whose file is stored by itself: no list of them is kept.

    `ending` is that of the name that the content would have in a file of its own.
    """

    def __init__(self, store: GroupStore, ending: str):
        self._store, self._ending = store, ending

    def put(self, data: bytes, suffix: str = "", pieces: list[bytes] | None = None) -> bytes:
        """Stores an object, unless it is the empty one that stands for no record at all."""
        return self._store.put(data, self._ending, pieces) if data else bytes(32)

    def put_group(
        self, data: bytes, members: Mapping[bytes, tuple[int, int]], suffix: str
    ) -> bytes:
        """Stores a group; see `ObjectStore.put_group`."""
        return self._store.put_group(data, members, self._ending)

    def put_list(self, oid: bytes, size: int, rows: bytes) -> None:
        """Keeps nothing: the file is an object of its own."""

    def put_stream(
        self, readinto: ReadInto, suffix: str = "", pieces: list[bytes] | None = None
    ) -> tuple[bytes, int]:
        """Stores a stream; see `ObjectStore.put_stream`."""
        return self._store.put_stream(readinto, self._ending, pieces)


def store_whole(file: BinaryIO, name: str, store: GroupStore | None) -> tuple[bytes, int]:
    """Stores a file as it is, or only hashes it; returns (id, size in bytes), and leaves the file
    at its beginning."""
    file.seek(0)
    if store is None:
        found = hash_of(file)
    else:
        found = store.put_stream(readinto_of(file), os.path.splitext(name)[1].lower())
    file.seek(0)
    return found


def hash_of(file: BinaryIO) -> tuple[bytes, int]:
    """Returns id and size of what a file holds from where it stands to its end."""
    whole, size = blake3(), 0
    while piece := file.read(_PIECE):
        whole.update(piece)
        size += len(piece)
    return whole.digest(), size


def hash_of_stream(readinto: ReadInto) -> tuple[bytes, int]:
    """Returns id and size of what a stream holds."""
    whole, size, buffer = blake3(), 0, memoryview(bytearray(_PIECE))
    while got := readinto(buffer):
        whole.update(buffer[:got])
        size += got
    return whole.digest(), size


def is_still(file: BinaryIO, oid: bytes) -> bool:
    """Whether a file that was read more than once has held the same all the while."""
    file.seek(0, io.SEEK_SET)
    return hash_of(file)[0] == oid
