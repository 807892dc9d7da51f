"""The keyed hash that draws examples: 64 bits of a BLAKE3 of what stays together.

What stays together is a *unit*: an example by its path, those of one content, or those of one value
of an attribute. The hash of a unit depends on it, on the seed and on what it is drawn for, and on
nothing else: so nobody's draw changes because others come or go. Specified in docs/format/view.md.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from blake3 import blake3

from dsm.model.target import ATTRIBUTE
from dsm.views.filters.conditions import decimal_text

if TYPE_CHECKING:
    from dsm.views.filters.filter import Stored

PATH, CONTENT = "path", "content"
HASHES = 1 << 64
_CONTEXT = "dsm view 1: examples drawn by hash"


def key_of(purpose: str, by: str, seed: str) -> bytes:
    """Returns the key for a purpose ("split", "sample", "balance"), a kind of unit and a seed."""
    text = f"{purpose}\n{by}\n{seed}"
    return blake3(text.encode(), derive_key_context=_CONTEXT).digest()


def threshold(bucket: int, of: int) -> int:
    """Returns the least hash of a bucket: ceil(bucket * 2**64 / of)."""
    return -(-bucket * HASHES // of)


def hashes(stored: Stored, table: pa.Table, purpose: str, by: str, seed: str) -> pa.Array:
    """Returns the hash of the unit of each row, as uint64.

    A row without the attribute is a unit by itself, by its path.
    """
    if by in (PATH, CONTENT):
        column = _whole(table.column("path" if by == PATH else "object"))
        key = key_of(purpose, by, seed)
        return stored.hashes(column, key, lambda: hash_column(column, key))
    values = unit_texts(table, by)
    key, missing = key_of(purpose, by, seed), values.is_null()
    coded = values.dictionary_encode()
    found = hash_column(coded.dictionary, key).take(coded.indices)
    if not values.null_count:
        return found
    alone = hash_column(_whole(table.column("path")).filter(missing), key_of(purpose, PATH, seed))
    return pc.replace_with_mask(found, missing, alone)


def hash_column(column: pa.Array, key: bytes) -> pa.Array:
    """Returns the first 8 bytes of the keyed BLAKE3 of each value, as a little-endian integer."""
    values = _bytes_of(column)
    drawn = b"".join([blake3(value, key=key).digest(8) for value in values])
    return pa.Array.from_buffers(pa.uint64(), len(column), [None, pa.py_buffer(drawn)])


def units(table: pa.Table, by: str) -> pa.Array:
    """Returns what tells the unit of each row from others, as bytes.

    Of an attribute its value behind `=`, for a row without it the path behind `/`.
    """
    if by == PATH:
        return _whole(table.column("path")).cast(pa.binary())
    if by == CONTENT:
        return _whole(table.column("object")).cast(pa.binary())
    texts = pc.binary_join_element_wise("=", unit_texts(table, by), "")
    alone = pc.binary_join_element_wise("/", _whole(table.column("path")), "")
    return pc.coalesce(texts, alone).cast(pa.binary())


def unit_texts(table: pa.Table, column: str) -> pa.Array:
    """Returns the values of an attribute (`attr.NAME`) as text: numbers as exact decimals.

    All null where no row has it.
    """
    name = column.removeprefix(ATTRIBUTE)
    if ATTRIBUTE + name not in table.column_names:
        return pa.nulls(table.num_rows, pa.string())
    values = _whole(table.column(ATTRIBUTE + name))
    if pa.types.is_floating(values.type):
        coded = values.dictionary_encode()
        spelt = [decimal_text(repr(value)) for value in coded.dictionary.to_pylist()]
        return pa.array(spelt, pa.string()).take(coded.indices)
    return values if pa.types.is_string(values.type) else values.cast(pa.string())


def _bytes_of(column: pa.Array) -> list[bytes]:
    """Returns the values of a column of text or of ids; nulls are empty."""
    if not len(column):
        return []
    if pa.types.is_fixed_size_binary(column.type):
        width = column.type.byte_width
        first = column.offset * width
        data = column.buffers()[1].slice(first, len(column) * width).to_pybytes()
        return [data[at : at + width] for at in range(0, len(data), width)]
    _, offsets, data = column.buffers()
    first = 4 * column.offset
    ends = memoryview(offsets)[first : first + 4 * len(column) + 4].cast("i")
    start = ends[0]
    text = b"" if data is None else data.slice(start, ends[-1] - start).to_pybytes()
    return [text[a - start : b - start] for a, b in pairwise(ends)]


def _whole(column: Any) -> pa.Array:
    """Returns a column in one piece."""
    if isinstance(column, pa.Array):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
