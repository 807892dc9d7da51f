"""The shuffled order of a view, by seed and epoch: the same on any machine, in any version.

Every position gets 8 bytes of a keystream and positions are sorted by them. The keystream is the
extended output of BLAKE3 over `dsm order 1\\n`, the seed and the epoch (both signed 64-bit,
little-endian); position i has bytes 8i to 8i+7, read as an unsigned little-endian number; equal
numbers keep the order of their positions. No Python object is made for a position.
"""

from __future__ import annotations

import struct

import pyarrow as pa
import pyarrow.compute as pc
from blake3 import blake3

from dsm.errors import InvalidInput

_HEAD = b"dsm order 1\n"


def shuffled(count: int, seed: int, epoch: int = 0) -> pa.Array:
    """Returns the numbers 0 to count - 1 in the order of this seed and epoch.

    Raises InvalidInput when seed or epoch has more than 64 bits.
    """
    try:
        key = _HEAD + struct.pack("<qq", seed, epoch)
    except struct.error as error:
        raise InvalidInput(f"seed {seed} or epoch {epoch} is not a 64-bit number") from error
    stream = blake3(key).digest(length=8 * count)
    words = pa.Array.from_buffers(pa.uint64(), count, [None, pa.py_buffer(stream)])
    order = pc.array_sort_indices(words)
    return order.cast(pa.uint32()) if count < 1 << 32 else order
