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


def content_digest(table: pa.Table) -> str:
    """Returns 64 hex digits over path, object and labels of all rows, in their order."""
    columns = [blake3() for _ in range(6)]
    path_sizes, paths, objects, label_counts, label_sizes, labels = columns
    for batch in table.select(["path", "object", "labels"]).to_batches(max_chunksize=1 << 18):
        names, oids, lists = batch.columns
        path_sizes.update(_fixed(pc.binary_length(names).cast(_WIDE)))
        paths.update(_text(names))
        objects.update(_fixed(oids))
        label_counts.update(_fixed(lists.value_lengths().fill_null(0).cast(_WIDE)))
        values = lists.flatten()
        label_sizes.update(_fixed(pc.binary_length(values).cast(_WIDE)))
        labels.update(_text(values))
    whole = blake3(_HEAD + struct.pack("<Q", table.num_rows))
    for column in columns:
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
