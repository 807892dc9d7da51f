"""Deflated parts of files, inflated in bounded memory, whoever wrote them.

Deflate can make a thousand bytes of one, so a small file could ask for any amount of memory. What
is written here never needs more than its reader allows.
"""

from __future__ import annotations

import zlib

# So many bytes for one are plenty; what would go beyond it is stored as it is. Paths repeat more.
RATIO, PATHS_RATIO = 16, 64
FEW_BYTES = 4096


def deflate(data: bytes, level: int, ratio: int = RATIO) -> bytes:
    """Deflates, but to no less than this share of the data, unless that is only a few bytes."""
    packed = zlib.compress(data, level)
    return packed if len(data) <= most(packed, ratio) else zlib.compress(data, 0)


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
