"""Reading records that lie side by side, line after line, without an object of Python for each.

Where the first and the last of some records lie as far apart as their sizes and the ends of their
lines say, what lies between is read as one text and cut at these ends. Each line is hashed and
compared with its id all the same. A wrong guess costs a read; it gives no wrong answer.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dsm.errors import DamagedData, StorageFailed
from dsm.format.pack import OBJECT_BYTES_MAX
from dsm.store.batch import MANY_NEIGHBOURS, NEIGHBOURS, planned
from dsm.store.digests import digests

if TYPE_CHECKING:
    from dsm.store.objects import ObjectStore
    from dsm.store.packs import Pack

# Of texts together; longer lines are read one by one, which costs them little.
_BYTES_MAX = 4 << 20
_HASH = 32
# What may stand between two lines, by its length.
_ENDS = {1: b"\n", 2: b"\r\n"}


def read_lines(
    store: ObjectStore, oids: bytes, sizes: Sequence[int]
) -> Iterator[tuple[int, int, bytes | None]]:
    """Yields (first, past the last) number of objects that follow each other, and their bytes, each
    with a line feed behind it; None where they do not lie so, and are to be read by themselves.

    `oids` are the ids of all, 32 bytes each.
    """
    store.scan_once()
    rest = 0  # from here on objects are to be read by themselves
    for first in range(0, len(sizes), MANY_NEIGHBOURS):
        for start, end, text in _pieces(store, oids, sizes, first):
            if text is None:
                continue
            if rest < start:
                yield rest, start, None
            yield start, end, text
            rest = end
    if rest < len(sizes):
        yield rest, len(sizes), None


def _pieces(
    store: ObjectStore, oids: bytes, sizes: Sequence[int], first: int
) -> Iterator[tuple[int, int, bytes | None]]:
    """Tries many objects at once, then fewer: one that was changed lies elsewhere."""
    end = min(first + MANY_NEIGHBOURS, len(sizes))
    text = _text(store, oids, sizes, first, end)
    if text is not None:
        yield first, end, text
        return
    for start in range(first, end, NEIGHBOURS):
        stop = min(start + NEIGHBOURS, end)
        yield start, stop, _text(store, oids, sizes, start, stop)


def _text(
    store: ObjectStore, oids: bytes, sizes: Sequence[int], first: int, end: int
) -> bytes | None:
    """Returns the lines of some objects, verified; None if they do not lie side by side."""
    if end - first < 2:
        return None
    own = list(sizes[first:end])
    if min(own) < 1 or sum(own) > _BYTES_MAX:
        return None
    ids = oids[_HASH * first : _HASH * end]
    plans, _ = planned(store.lookup, [ids[:_HASH], ids[-_HASH:]], (0, 1))
    if len(plans) != 1:
        return None
    ((pack, (raw, framed)),) = plans.items()
    if len(raw) == 1:
        return None
    (begin, size, _), (last, last_size, _) = raw or framed
    gap, odd = divmod(last - begin - sum(own) + own[-1], len(own) - 1)
    if odd or gap not in _ENDS or (size, last_size) != (own[0], own[-1]):
        return None
    lines = _read(pack, begin, last + last_size, raw=bool(raw)).split(_ENDS[gap])
    if [*map(len, lines)] != own or b"".join(digests(lines)) != ids:
        return None
    lines.append(b"")
    return b"\n".join(lines)


def _read(pack: Pack, begin: int, end: int, *, raw: bool) -> bytes:
    """Returns a range of the file, or of the raw space, of a pack; less where that fails."""
    try:
        return pack.read_at(begin, end - begin) if raw else _unpacked(pack, begin, end)
    except (DamagedData, StorageFailed, OSError):  # each is looked for by itself, and told
        return b""


def _unpacked(pack: Pack, begin: int, end: int) -> bytes:
    starts, frames = pack.contents.raw_starts, pack.contents.frames
    first = bisect_right(starts, begin) - 1
    past = min(bisect_left(starts, end, first), len(frames))
    at, until = frames[first][0], sum(frames[past - 1][:2])
    if until - at > end - begin + 2 * OBJECT_BYTES_MAX:
        return b""  # a run of raw bytes at one end of it is not read as a whole
    window = memoryview(pack.read_at(at, until - at))  # one call of the system for all frames
    parts = []
    for frame in range(first, past):
        low, high = starts[frame], starts[frame + 1]
        if low < high:  # and no dictionary
            size = min(end, high) - begin
            parts.append(pack.read_from(window, at, frame, begin - low, size))
            begin += size
    return b"".join(parts)
