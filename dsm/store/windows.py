"""Reading many objects of one pack as they lie: a window of the file at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from blake3 import blake3

from dsm.errors import DamagedData
from dsm.store.packs import Pack

WINDOW_BYTES = 4 << 20
GAP_BYTES = 64 << 10
# First byte in the file, offset in the frame, past the last byte, frame, bytes, id.
Place = tuple[int, int, int, int, int, bytes]


def read_windows(
    pack: Pack, places: list[Place], otherwise: Callable[[bytes], bytes]
) -> Iterator[tuple[bytes, bytes]]:
    """Yields (id, verified bytes) of sorted places; `otherwise` reads what is not sound there."""
    index, count = 0, len(places)
    while index < count:
        first, end = places[index][0], places[index][2]
        last = index + 1
        while last < count and places[last][0] <= end + GAP_BYTES:
            if max(end, places[last][2]) - first > WINDOW_BYTES:
                break
            end = max(end, places[last][2])
            last += 1
        try:
            window = memoryview(pack.read_at(first, end - first))
        except DamagedData:  # gc has moved what is live of it to another pack
            window = memoryview(b"")
        for _, offset, stop, frame, size, oid in places[index:last]:
            try:
                data = (
                    b""
                    if stop - first > len(window)
                    else pack.read_from(window, first, frame, offset, size)
                )
            except DamagedData:
                data = b""
            if blake3(data).digest() != oid:
                data = otherwise(oid)  # another pack may hold it whole, else it raises
            yield oid, data
        index = last
