"""Hashes of rows, column by column: to see that an answer changed without keeping a row of it.

A value becomes 64 bits, a row the mixed sum of its values, an answer the sum of its rows: whatever
order they come in, and each as often as it comes. The mixing is MurmurHash3's finalizer (Austin
Appleby, 2011) over words that a secret key has changed: made to notice change, not to withstand
who knows the key. No Python object is made for a value that has up to `LONG` bytes.
"""

from __future__ import annotations

import struct
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as t
from blake3 import blake3

from dsm.sources.json_text import texts

LONG = 256
_WORD = pa.uint64()
_MASK = (1 << 64) - 1


def _word(number: int) -> pa.Scalar:
    # By way of a signed number: Arrow reads Python's integers as these.
    signed = number - (1 << 64) if number >> 63 else number
    return pa.scalar(signed, pa.int64()).cast(_WORD, safe=False)


_SHIFT = _word(33)
_FIRST, _SECOND = _word(0xFF51AFD7ED558CCD), _word(0xC4CEB9FE1A85EC53)


def mixed(words: pa.Array) -> pa.Array:
    """The 64-bit finalizer of MurmurHash3, for each word."""
    words = pc.multiply(pc.bit_wise_xor(words, pc.shift_right(words, _SHIFT)), _FIRST)
    words = pc.multiply(pc.bit_wise_xor(words, pc.shift_right(words, _SHIFT)), _SECOND)
    return pc.bit_wise_xor(words, pc.shift_right(words, _SHIFT))


class Hasher:
    """Hashes values and rows with words that follow from a key of 32 bytes."""

    def __init__(self, key: bytes):
        self._key = key
        self._words = lru_cache(4096)(self._derived)

    def _derived(self, what: str) -> int:
        found: int = struct.unpack("<Q", blake3(what.encode(), key=self._key).digest(8))[0]
        return found

    def _salt(self, what: str) -> pa.Scalar:
        return _word(self._words(what))

    def rows(self, batch: pa.RecordBatch) -> pa.Array:
        """Returns 64 bits for each row; a column counts by its name and not by its place."""
        total = None
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            hashed = mixed(pc.bit_wise_xor(self.values(column), self._salt(f"column {name}")))
            total = hashed if total is None else pc.add(total, hashed)
        if total is None:
            return pa.array([], _WORD)
        return mixed(pc.bit_wise_xor(total, self._salt("row")))

    def values(self, column: pa.Array) -> pa.Array:
        """Returns 64 bits for each value of a column."""
        kind = column.type
        if t.is_dictionary(kind):
            return self.values(column.dictionary_decode())
        if t.is_boolean(kind):
            hashed = column.cast(pa.int64())
        elif t.is_integer(kind) or t.is_timestamp(kind) or t.is_date64(kind):
            hashed = column.cast(pa.int64(), safe=False)
        elif t.is_date32(kind):
            hashed = column.cast(pa.int32()).cast(pa.int64())
        elif t.is_float32(kind) or t.is_float64(kind):
            hashed = column.cast(pa.float64())
        else:
            return self._of_bytes(_as_text(column))
        words = _as_words(hashed)
        if column.null_count:
            return pc.if_else(column.is_valid(), words, self._salt("null"))
        return words

    def _of_bytes(self, column: pa.Array) -> pa.Array:
        """Hashes texts: eight bytes at a time, for all rows at once."""
        count = len(column)
        lengths = pc.binary_length(column)
        valid = column.is_valid() if column.null_count else None
        column = column.fill_null("") if column.null_count else column
        lengths = lengths.fill_null(0) if lengths.null_count else lengths
        longest = pc.max(lengths).as_py() or 0
        special = None
        if longest > LONG:
            special = pc.greater(lengths, LONG)
            whole = column.filter(special)
            column = pc.if_else(special, pa.scalar("", column.type), column)
            longest = pc.max(pc.binary_length(column)).as_py() or 0
        width = -(-longest // 8)
        total = mixed(pc.bit_wise_xor(lengths.cast(pa.int64()).cast(_WORD), self._salt("length")))
        if width:
            padded = pc.ascii_rpad(column, width * 8, padding="\0")
            flat = pa.Array.from_buffers(_WORD, count * width, [None, padded.buffers()[2]])
            table = pa.FixedSizeListArray.from_arrays(flat, width)
            for place in range(width):
                total = pc.add(total, self._piece(pc.list_element(table, place), place))
        if special is not None:
            hashes = b"".join(blake3(each, key=self._key).digest(8) for each in _pieces(whole))
            found = pa.Array.from_buffers(_WORD, len(whole), [None, pa.py_buffer(hashes)])
            total = pc.replace_with_mask(total, special, found)
        return total if valid is None else pc.if_else(valid, total, self._salt("null"))

    def _piece(self, words: pa.Array, place: int) -> pa.Array:
        # Minus what a blank piece gives: so a text hashes alike whatever it was padded to.
        salt = self._words(f"piece {place}")
        blank = mixed(pa.array([_word(salt)], _WORD))[0]
        return pc.subtract(mixed(pc.bit_wise_xor(words, _word(salt))), blank)


class RowDigest:
    """A keyed digest of rows, whatever their order and batches; each counts as often as it comes.

    Several of these, of parts of the rows, can be added.
    """

    def __init__(self, key: bytes):
        self._hasher = Hasher(key)
        self._key = blake3(b"rows", key=key).digest()
        self._sum = 0
        self.rows = 0

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes the rows of a batch of the source's answer."""
        if batch.num_rows:
            self._sum = (self._sum + _sum(self._hasher.rows(batch))) & _MASK
            self.rows += batch.num_rows

    def add(self, other: RowDigest) -> None:
        """Takes all rows that another digest of the same key has taken."""
        self._sum = (self._sum + other._sum) & _MASK
        self.rows += other.rows

    def hexdigest(self) -> str:
        """Returns the digest of the rows so far: 64 hex digits."""
        return blake3(struct.pack("<QQ", self._sum, self.rows), key=self._key).hexdigest()


def _sum(words: pa.Array) -> int:
    """Returns the sum of 64-bit words; halves, since Arrow's own may not exceed 64 bits."""
    low = pc.sum(pc.bit_wise_and(words, _word((1 << 32) - 1))).as_py()
    high = pc.sum(pc.shift_right(words, _word(32))).as_py()
    return int((high << 32) + low)


def _as_words(column: pa.Array) -> pa.Array:
    """The bits of 64-bit values, as they lie in memory."""
    if column.null_count:
        column = column.fill_null(0)
    return pa.Array.from_buffers(
        _WORD, len(column), [None, column.buffers()[1]], offset=column.offset
    )


def _as_text(column: pa.Array) -> pa.Array:
    """The bytes of texts, or of the JSON that a value of another type is told in."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return _as_text(column.storage)
    if t.is_string(kind) or t.is_large_string(kind):
        return column
    if t.is_string_view(kind):
        return column.cast(pa.large_string())
    if t.is_binary_view(kind) or t.is_fixed_size_binary(kind):
        return _as_text(column.cast(pa.large_binary()))
    if t.is_binary(kind) or t.is_large_binary(kind):
        # Bytes as they are: nothing looks whether they are text.
        alike = pa.string() if t.is_binary(kind) else pa.large_string()
        return pa.Array.from_buffers(
            alike, len(column), column.buffers(), column.null_count, column.offset
        )
    return texts(column)


def _pieces(column: pa.Array) -> list[bytes]:
    raw = pa.binary() if t.is_string(column.type) else pa.large_binary()
    as_bytes = pa.Array.from_buffers(
        raw, len(column), column.buffers(), column.null_count, column.offset
    )
    found: list[bytes] = as_bytes.to_pylist()
    return found


def share_of(texts: pa.Array, part: int, parts: int) -> pa.Array:
    """Returns which of the texts fall to one of so many parts, always to the same."""
    high = pc.shift_right(Hasher(b"shares of all machines".ljust(32)).values(texts), _word(32))
    share = pc.shift_right(pc.multiply(high, _word(parts)), _word(32))
    return pc.equal(share, _word(part))
