"""Deflated parts of files, inflated in bounded memory, whoever wrote them.

Deflate can make a thousand bytes of one, so a small file could ask for any amount of memory. What
is written here never needs more than its reader allows.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

# So many bytes for one are plenty; what would go beyond it is stored as it is. Paths repeat more.
RATIO, PATHS_RATIO = 16, 64
FEW_BYTES = 4096
PIECE_BYTES, INFLATED_BYTES = 64 << 10, 4 << 20


def deflate(data: bytes, level: int, ratio: int = RATIO) -> bytes:
    """Deflates, but to no less than this share of the data, unless that is only a few bytes."""
    packed = zlib.compress(data, level)
    return packed if len(data) <= most(packed, ratio) else zlib.compress(data, 0)


def deflate_pieces(pieces: Iterable[bytes], level: int, ratio: int) -> bytes | None:
    """Deflates pieces one after the other, as `deflate` does all of them; None where that is less
    than this share of them."""
    worker, size, packed = zlib.compressobj(level), 0, []
    for piece in pieces:
        size += len(piece)
        packed.append(worker.compress(piece))
    packed.append(worker.flush())
    data = b"".join(packed)
    return data if size <= most(data, ratio) else None


def inflate_pieces(packed: memoryview, limit: int) -> Iterator[bytes]:
    """Like `inflate`, piece by piece."""
    worker, size = zlib.decompressobj(), 0
    for at in range(0, len(packed), PIECE_BYTES):
        left: bytes | memoryview = packed[at : at + PIECE_BYTES]
        data = b""
        while left or len(data) == INFLATED_BYTES:  # then there may be more of what it was given
            try:
                data = worker.decompress(left, INFLATED_BYTES)
            except zlib.error as error:
                raise ValueError(f"not deflated: {error}") from error
            size += len(data)
            if size > limit or worker.unused_data:
                raise ValueError(f"does not inflate to {limit} bytes or less")
            yield data
            left = worker.unconsumed_tail
    if not worker.eof:
        raise ValueError("it is cut short")


def most(packed: bytes | memoryview, ratio: int = RATIO) -> int:
    """Returns how many bytes `deflate` may have made these of."""
    return max(FEW_BYTES, ratio * len(packed))


def inflate(packed: bytes | memoryview, limit: int) -> bytes:
    """Inflates to at most so many bytes. Raises ValueError when it is more, or not deflated."""
    worker = zlib.decompressobj()
    try:
        data = worker.decompress(packed, limit + 1)
    except zlib.error as error:
        raise ValueError(f"not deflated: {error}") from error
    if len(data) > limit or not worker.eof or worker.unused_data:
        raise ValueError(f"does not inflate to {limit} bytes or less")
    return data
