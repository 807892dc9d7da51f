"""Walking the chunk list of a large object: of a nested one, whose rows are objects, part by part.

`part` returns the verified bytes of an object. A list that names more or less than its object has
is told before its pieces are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from blake3 import blake3

from dsm.format import chunk_list, reference
from dsm.format.pack import OBJECT_BYTES_MAX
from dsm.store.object_errors import ObjectDamaged

# Rows of a chunk list that are held in memory: those of an object of a terabyte.
ROWS_BYTES_MAX = 1 << 29
# Pieces of a large object that are fetched together.
PIECES_BYTES = 16 << 20
TOO_LONG = "(its chunk list is too long to go back and forth in)"
UNEVEN = "(its chunk list does not add up)"

Part = Callable[[bytes], bytes]


def chunks_of(part: Part, payload: bytes) -> Iterator[tuple[bytes, int]]:
    """Yields (piece id, bytes) of a large object in order. Raises ObjectDamaged."""
    decoded = chunk_list.decode(payload)
    left = decoded.size
    for rows in tables_of(part, payload, decoded):
        for chunk, size in chunk_list.iterate(rows):
            left -= size
            if left < 0 or not 0 < size <= OBJECT_BYTES_MAX:
                raise ObjectDamaged(decoded.oid, UNEVEN)
            yield chunk, size
    if left:
        raise ObjectDamaged(decoded.oid, UNEVEN)


def tables_of(part: Part, payload: bytes, decoded: chunk_list.ChunkList) -> Iterator[bytes]:
    """Yields the rows of a chunk list, or of a reference: its blocks. Raises DamagedData."""
    if reference.is_one(payload):
        yield reference.decode(payload).blocks
    else:
        yield from row_tables(part, decoded)


def row_tables(part: Part, decoded: chunk_list.ChunkList) -> Iterator[bytes]:
    """Yields the rows of a chunk list, some at a time. Raises ObjectDamaged."""
    if not decoded.nested:
        yield decoded.rows
        return
    for piece, size in chunk_list.iterate(decoded.rows):
        # Each row stands for a byte at least.
        if not 0 < size <= min(OBJECT_BYTES_MAX, chunk_list.ROW * decoded.size):
            raise ObjectDamaged(decoded.oid, UNEVEN)
        rows = part(piece)
        if len(rows) != size or size % chunk_list.ROW:
            raise ObjectDamaged(decoded.oid, UNEVEN)
        yield rows


def all_rows(part: Part, payload: bytes) -> bytes:
    """Returns the row table of a chunk list, to be held in memory. Raises ObjectDamaged."""
    decoded = chunk_list.decode(payload)
    if decoded.nested:
        sizes = [size for _, size in chunk_list.iterate(decoded.rows)]
        if sum(sizes) > min(ROWS_BYTES_MAX, chunk_list.ROW * decoded.size):
            raise ObjectDamaged(decoded.oid, TOO_LONG)
    rows = b"".join(tables_of(part, payload, decoded))
    if sum(size for _, size in chunk_list.iterate(rows)) != decoded.size:
        raise ObjectDamaged(decoded.oid, UNEVEN)
    return rows


def next_of(chunks: Iterator[tuple[bytes, int]], most: int) -> list[tuple[bytes, int]]:
    """Takes the next pieces, of about so many bytes together; none at the end."""
    taken, size = [], 0
    for chunk in chunks:
        taken.append(chunk)
        size += chunk[1]
        if size >= most:
            break
    return taken


def payload_of(oid: bytes, size: int, rows: bytes, put: Callable[[bytes, bytes], None]) -> bytes:
    """Returns the chunk list of an object; of a long one the parts are `put` by their ids."""
    if len(rows) < OBJECT_BYTES_MAX // 2:
        return chunk_list.encode(oid, size, rows, nested=False)
    pieces, step = [], OBJECT_BYTES_MAX // 2 // chunk_list.ROW * chunk_list.ROW
    for at in range(0, len(rows), step):
        piece = rows[at : at + step]
        name = blake3(piece).digest()
        pieces.append(chunk_list.row(name, len(piece)))
        put(name, piece)
    return chunk_list.encode(oid, size, b"".join(pieces), nested=True)
