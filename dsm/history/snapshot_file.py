"""The file of a cached snapshot: Arrow IPC between a magic and a hash of it and of the file's name.

Derived data: a file that is not intact, or has another's name, is simply not there. Specified in
docs/format/snapshot-cache.md.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
from blake3 import blake3

from dsm.store import disk

MAGIC = b"DSMSNAP\x01"
# Larger ones are not synced: a power cut may cost the time to build one again, a sync always does.
SYNC_BYTES = 32 << 20
HASH_BYTES = 8 << 20
BATCH_ROWS = 1 << 20


def cut_short(data: bytes) -> bool:
    """Whether a cached snapshot merely ends too early: a power cut came before it was written."""
    return data[-38:-32] != b"ARROW1" and (MAGIC.startswith(data[:8].rstrip(b"\0")))


def read(path: str) -> pa.Table | None:
    """Maps a cached snapshot into memory; None when it is not intact."""
    try:
        if not is_intact(path):
            return None
        with pa.memory_map(path) as source:
            buffer = source.read_buffer()
        body = buffer.slice(len(MAGIC), len(buffer) - len(MAGIC) - 32)
        return pa.ipc.open_file(body).read_all()
    except (OSError, pa.ArrowException):
        return None


def write(path: str, temporary: str, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    """Writes a snapshot that comes in pieces; it appears whole. Raises WriteFailed."""
    fd = disk.open_new(temporary)
    try:
        try:
            body = ArrowSink(fd, temporary)
            disk.write_all(fd, MAGIC, temporary)
            with pa.ipc.new_file(pa.PythonFile(body, "w"), schema) as writer:
                for table in tables:
                    writer.write_table(table, max_chunksize=BATCH_ROWS)
            body.hasher.update(_own_name(path))
            disk.write_all(fd, body.hasher.digest(), temporary)
            if body.size <= SYNC_BYTES:
                disk.sync_file(fd, temporary)
        finally:
            os.close(fd)
        disk.replace(temporary, path)
    except BaseException:
        disk.discard(temporary)
        raise


def _own_name(path: str) -> bytes:
    # One that was renamed holds the examples of another changeset than it says.
    return os.path.basename(path).encode()


def is_intact(path: str) -> bool:
    """Whether a cached snapshot ends with the hash of itself and its name. Raises OSError.

    Read and not mapped: what is only hashed then takes no memory of this process.
    """
    with open(path, "rb", buffering=0) as file:
        left = os.fstat(file.fileno()).st_size - len(MAGIC) - 32
        if left < 8 or file.read(len(MAGIC)) != MAGIC:
            return False
        hasher = blake3(max_threads=blake3.AUTO if left > HASH_BYTES else 1)
        view = memoryview(bytearray(min(left, HASH_BYTES)))
        while left:
            size = file.readinto(view[:left])
            if not size:
                return False
            hasher.update(view[:size])
            left -= size
        hasher.update(_own_name(path))
        return file.read(33) == hasher.digest()


class ArrowSink:
    """A file for Arrow to write to, through the module that writes; hashes what it passes on."""

    closed = False

    def __init__(self, fd: int, path: str):
        self._fd = fd
        self._path = path
        self.hasher = blake3()
        self.size = 0

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")  # Arrow's memory has signed items
        self.hasher.update(view)
        disk.write_all(self._fd, view, self._path)
        self.size += len(view)
        return len(view)

    def tell(self) -> int:
        return self.size

    def flush(self) -> None: ...

    def close(self) -> None: ...
