"""The content digest: what a view turned out to hold, in one hash.

Six columns are hashed apart, batch by batch, and their hashes together; so the digest needs no
copy of the examples and does not depend on how they lie in memory. Specified in
docs/format/view.md.
"""

from __future__ import annotations

import struct
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from blake3 import blake3

_HEAD = b"dsm content 1\n"
_WIDE = pa.int64()


class ContentDigest:
    """Hashes path, object and labels of rows, fed in batches and in order."""

    def __init__(self) -> None:
        self._columns = [blake3() for _ in range(6)]
        self._rows = 0

    def update(self, batch: pa.RecordBatch) -> None:
        """Feeds a batch with the columns path, object and labels."""
        path_sizes, paths, objects, label_counts, label_sizes, labels = self._columns
        names, oids, lists = (batch.column(name) for name in ("path", "object", "labels"))
        values = lists.flatten()
        path_sizes.update(_fixed(pc.binary_length(names).cast(_WIDE)))
        paths.update(_text(names))
        objects.update(_fixed(oids))
        label_counts.update(_fixed(lists.value_lengths().fill_null(0).cast(_WIDE)))
        label_sizes.update(_fixed(pc.binary_length(values).cast(_WIDE)))
        labels.update(_text(values))
        self._rows += batch.num_rows

    def hexdigest(self) -> str:
        """Returns 64 hex digits."""
        whole = blake3(_HEAD + struct.pack("<Q", self._rows))
        for column in self._columns:
            whole.update(column.digest())
        return whole.hexdigest()


def _fixed(array: pa.Array) -> Any:
    """The values of an array of fixed width, little-endian, one after the other."""
    buffer = array.buffers()[1]
    if buffer is None or not len(array):
        return b""
    width = array.type.bit_width // 8
    return memoryview(buffer)[array.offset * width : (array.offset + len(array)) * width]


def _text(array: pa.Array) -> Any:
    """The bytes of all strings of an array, one after the other."""
    offsets, data = array.buffers()[1:3]
    if data is None or not len(array):
        return b""
    ends = memoryview(offsets).cast("B").cast("i")
    return memoryview(data)[ends[array.offset] : ends[array.offset + len(array)]]
