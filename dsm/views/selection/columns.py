"""Columns of a view as Python values and back, where Arrow would make a scalar for each.

Invariant: the values are those of `to_pylist`, with an empty tuple for a list that is null.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from itertools import pairwise

import pyarrow as pa

HASH_BYTES = 32


def whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Returns a column in one piece."""
    if isinstance(column, pa.Array):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def integers(values: Iterable[int]) -> pa.Array:
    """Returns integers as an Arrow array; `pa.array` would import pandas where there is one."""
    numbers = values if isinstance(values, array) else array("q", values)
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(numbers)])


def hash_bytes(column: pa.Array | pa.ChunkedArray) -> bytes:
    """Returns the values of a column of object ids, one behind the other."""
    column = whole(column)
    if not len(column):
        return b""
    first = HASH_BYTES * column.offset
    return bytes(memoryview(column.buffers()[1])[first : first + HASH_BYTES * len(column)])


def hashes(column: pa.Array | pa.ChunkedArray) -> list[bytes]:
    """Returns the values of a column of object ids."""
    raw = hash_bytes(column)
    return [raw[at : at + HASH_BYTES] for at in range(0, len(raw), HASH_BYTES)]


def label_tuples(column: pa.Array | pa.ChunkedArray) -> list[tuple[str, ...]]:
    """Returns the values of a column of lists of text."""
    column = whole(column)
    if column.null_count or not len(column):
        return [tuple(names or ()) for names in column.to_pylist()]
    first = 4 * column.offset
    ends = memoryview(column.buffers()[1])[first : first + 4 * len(column) + 4].cast("i")
    values = column.values.slice(ends[0], ends[-1] - ends[0]).to_pylist()
    at = [end - ends[0] for end in ends]
    return [tuple(values[a:b]) for a, b in pairwise(at)]


def size_items(column: pa.Array | pa.ChunkedArray) -> memoryview:
    """Returns the values of a column of 64-bit integers, 0 for null, as they lie in memory."""
    column = filled(whole(column))
    if not len(column):
        return memoryview(array("q"))
    first = 8 * column.offset
    return memoryview(column.buffers()[1])[first : first + 8 * len(column)].cast("q")


def sizes(column: pa.Array | pa.ChunkedArray) -> list[int]:
    """Returns the values of a column of 64-bit integers, 0 for null."""
    return size_items(column).tolist()


def filled(column: pa.Array) -> pa.Array:
    """Returns a column with 0 for null."""
    # Asked only when there is need: Arrow imports pandas, where there is one, to make a scalar.
    return column.fill_null(0) if column.null_count else column
