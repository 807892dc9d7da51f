"""The file of a cached snapshot: Arrow IPC between a magic and a hash of it and of the file's name,
and a tag of that hash by the key of this copy.

Derived data: a file that is not intact, has another's name, or was not made by this copy, is simply
not there. So Arrow, which trusts what it maps into memory, is given nothing that others have made.
Specified in docs/format/snapshot-cache.md.
"""

from __future__ import annotations

import enum
import io
import os
import stat
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
from blake3 import blake3

from dsm.repo.copy_key import TAG_BYTES, CopyKey
from dsm.store import disk
from dsm.store.digests import threaded_hasher

MAGIC = b"DSMSNAP\x02"
_LIKE_IT = b"DSMSNAP"
# Larger ones are not synced: a power cut may cost the time to build one again, a sync always does.
SYNC_BYTES = 32 << 20
HASH_BYTES = 8 << 20
BATCH_ROWS = 1 << 20
_DIGEST = 32
_END = _DIGEST + TAG_BYTES
_ARROW_END = b"ARROW1"


class State(enum.Enum):
    """What a file is."""

    OWN = "whole, and made by this copy"
    FOREIGN = "whole, and made by another copy or another version"
    CUT_SHORT = "not written to its end: a power cut came before"
    DAMAGED = "none of these"


def state(path: str, key: CopyKey) -> State:
    """Tells what a file is, by its hash and its tag. Raises OSError.

    Read and not mapped: what is only hashed then takes no memory of this process.
    """
    with open(path, "rb", buffering=0, opener=_careful) as file:
        return _state(file, os.path.basename(path), key)


def _careful(path: str, flags: int) -> int:
    # Not blocking: a pipe in the place of a file must not hang us.
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)


def _state(file: io.FileIO, name: str, key: CopyKey) -> State:
    fd = file.fileno()
    found = os.fstat(fd)
    size = found.st_size
    if not stat.S_ISREG(found.st_mode):
        return State.DAMAGED
    magic, left = file.read(len(MAGIC)), size - len(MAGIC) - _END
    if magic != MAGIC and len(magic) == len(MAGIC) and magic.startswith(_LIKE_IT):
        return State.FOREIGN
    if left < 8 or magic != MAGIC:
        return State.CUT_SHORT if MAGIC.startswith(magic.rstrip(b"\0")) else State.DAMAGED
    if os.pread(fd, len(_ARROW_END), size - _END - len(_ARROW_END)) != _ARROW_END:
        return State.CUT_SHORT
    hasher = threaded_hasher() if left > HASH_BYTES else blake3()
    view = memoryview(bytearray(min(left, HASH_BYTES)))
    while left:
        count = file.readinto(view[:left])
        if not count:
            return State.DAMAGED
        hasher.update(view[:count])
        left -= count
    # One that was renamed holds the examples of another changeset than it says.
    hasher.update(name.encode())
    if file.read(_DIGEST) != hasher.digest():
        return State.DAMAGED
    return State.OWN if _is_own(fd, size, key) else State.FOREIGN


def _is_own(fd: int, size: int, key: CopyKey) -> bool:
    """Whether a file ends with a tag of this copy; of its other bytes that says nothing yet."""
    end = os.pread(fd, _END, max(0, size - _END))
    return len(end) == _END and end[_DIGEST:] == key.tag(end[:_DIGEST])


def read(path: str, key: CopyKey, schema: pa.Schema | None = None) -> pa.Table | None:
    """Maps a cached snapshot into memory; None when it is not of this copy and this schema."""
    try:
        with open(path, "rb", buffering=0, opener=_careful) as file:
            if not _is_own(file.fileno(), os.fstat(file.fileno()).st_size, key):
                return None  # settled by its end, however large it is
            if _state(file, os.path.basename(path), key) is not State.OWN:
                return None
        with pa.memory_map(path) as source:
            buffer = source.read_buffer()
        body = buffer.slice(len(MAGIC), len(buffer) - len(MAGIC) - _END)
        table = pa.ipc.open_file(body).read_all()
    except (OSError, pa.ArrowException):
        return None
    return table if schema is None or table.schema == schema else None


def write(
    path: str, temporary: str, key: CopyKey, schema: pa.Schema, tables: Iterable[pa.Table]
) -> bool:
    """Writes a snapshot that comes in pieces; it appears whole.

    Returns False when this copy can have no key. Raises WriteFailed.
    """
    if key.tag(b"", make=True) is None:
        return False
    fd = disk.open_new(temporary)
    try:
        try:
            body = ArrowSink(fd, temporary)
            disk.write_all(fd, MAGIC, temporary)
            with pa.ipc.new_file(pa.PythonFile(body, "w"), schema) as writer:
                for table in tables:
                    writer.write_table(table, max_chunksize=BATCH_ROWS)
            body.hasher.update(os.path.basename(path).encode())
            digest = body.hasher.digest()
            disk.write_all(fd, digest + (key.tag(digest) or b""), temporary)
            if body.size <= SYNC_BYTES:
                disk.sync_file(fd, temporary)
        finally:
            os.close(fd)
        disk.replace(temporary, path)
    except BaseException:
        disk.discard(temporary)
        raise
    return True


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
