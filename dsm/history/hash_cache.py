"""Columns of hashes that take long to compute, kept beside the cached snapshots.

Derived data, in the same kind of file: one that is damaged, or made by another copy, is not there.
A file is named by what it was computed from, the bytes of a column and a key: it is never out of
date.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pyarrow as pa
from blake3 import blake3

from dsm.history import snapshot_file
from dsm.repo.copy_key import CopyKey
from dsm.repo.layout import Layout
from dsm.store import disk

SUFFIX = ".hashes"
# Fewer are computed again: that takes less time than a file.
ROWS_MIN = 50_000
FILES_MAX = 16
_SCHEMA = pa.schema([pa.field("hash", pa.uint64(), nullable=False)])


class HashCache:
    """The cached columns of hashes of one dataset."""

    def __init__(self, layout: Layout, dataset: str):
        self._temporary = layout.temporary
        self._key = CopyKey(layout)
        self.folder = layout.cache(dataset)

    def get(self, column: pa.Array, key: bytes, make: Callable[[], pa.Array]) -> pa.Array:
        """Returns what `make` makes of a column under a key."""
        if len(column) < ROWS_MIN:
            return make()
        path = os.path.join(self.folder, _name(column, key) + SUFFIX)
        known = snapshot_file.read(path, self._key, _SCHEMA)
        if known is not None and known.num_rows == len(column):
            return known.column("hash").combine_chunks()
        made = make()
        temporary = os.path.join(self._temporary, f"hashes-{os.urandom(8).hex()}")
        try:
            disk.make_dirs(self.folder, durable=False)
            table = pa.table([made], schema=_SCHEMA)
            snapshot_file.write(path, temporary, self._key, _SCHEMA, [table])
            self._drop_old()
        except disk.Unwritable:
            pass  # it costs time later and nothing else
        return made

    def _drop_old(self) -> None:
        """Keeps so many files: those that were written last."""
        try:
            names = os.listdir(self.folder)
        except OSError:
            return  # another process has removed it
        paths = [os.path.join(self.folder, name) for name in names if name.endswith(SUFFIX)]
        if len(paths) > FILES_MAX:
            for path in sorted(paths, key=_changed)[: len(paths) - FILES_MAX]:
                disk.discard(path)


def _name(column: pa.Array, key: bytes) -> str:
    hasher = blake3(key=key)
    hasher.update(f"{len(column)} {column.offset} {column.type}\n".encode())
    for buffer in column.buffers():
        if buffer is not None:
            hasher.update(memoryview(buffer))
    return hasher.hexdigest()[:32]


def _changed(path: str) -> float:
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return 0.0
