"""Reading many small objects at once, in the order that was asked for.

A batch is planned by the packs' tables, read in the order it lies on disk, and every object is
hashed before it is handed out: the promise of `ObjectStore.read`, at a fraction of the cost of as
many single reads. What lies compressed is decompressed once per batch and frame. Who knows sizes
saves most look-ups: where objects probably lie side by side, the hash tells whether they do.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from blake3 import blake3

from dsm.errors import DamagedData, StorageFailed
from dsm.format.pack import LOCATION, OBJECT_BYTES_MAX, PREFIX, RAW
from dsm.store.digests import digests
from dsm.store.lookup import ROW_BITS, ROW_MASK, Lookup
from dsm.store.packs import Pack

if TYPE_CHECKING:
    from dsm.store.objects import ObjectStore

# An object stored raw: position in the pack, bytes, where in the batch.
Raw = tuple[int, int, int]
# Objects stored raw that should lie side by side: pack, position in it, where each ends after that
# (0 first), where the first is in the batch.
Block = tuple[Pack, int, list[int], int]
# An object in a compressed frame: where it starts in the raw space of its pack, bytes, where in the
# batch.
Framed = tuple[int, int, int]
Framings = dict[Pack, list[Framed]]
_SIZE_LIMIT = OBJECT_BYTES_MAX + 1  # beyond it, the bit of a large object is set
# Read by one call of the system: what lies side by side, as much as stays in the processor's cache
# until it is hashed, and no more pieces than the system takes.
GROUP_BYTES, GROUP_OBJECTS = 512 << 10, 512
# So many are taken for neighbours when the last lies as far behind the first as their sizes say. In
# compressed frames, where small ones lie, first more of them are.
NEIGHBOURS, MANY_NEIGHBOURS = 64, 1024
# Of so many objects one must be no neighbour before a dictionary is made for those to come.
_STRANGERS = 8
# Between two lines of a file are as many bytes as their ends have.
_GAP_MAX = 4


def read_batch(
    store: ObjectStore, oids: Sequence[bytes], sizes: Sequence[int] | None = None
) -> list[bytes | None]:
    """Returns the bytes of each object, in this order, verified; all are held in memory at once.

    None stands for a large object, which is to be streamed. `sizes` make it faster where the
    objects lie in this order. Raises like `ObjectStore.read`.
    """
    found: list[bytes | None] = [None] * len(oids)
    store.scan_once()
    numbers: Sequence[int] = range(len(oids))
    if sizes is not None:
        blocks, guessed, left = neighbours(store.lookup, oids, sizes)
        for block in blocks:
            left += _read_block(block, oids, found)
        for pack, framed in guessed.items():
            left += read_framed(pack, framed, oids, found)
        numbers = left
    plans, rest = planned(store.lookup, oids, numbers)
    if rest and store.elsewhere is not None:
        wanted = [oids[number] for number in rest]
        if store.elsewhere.bring_around(wanted, store.absent):
            plans, rest = planned(store.lookup, oids, [n for n in numbers if found[n] is None])
    for pack, (raw, framed) in plans.items():
        rest += read_raw(pack, raw, oids, found)
        rest += read_framed(pack, framed, oids, found)
    for number in _fetched(store, oids, rest, found):
        # Large, in a pack that has come since, or damaged where it was: the long way tells.
        found[number] = store.read_small(oids[number])
    return found


def read_into(store: ObjectStore, oids: Sequence[bytes], places: Sequence[memoryview]) -> list[int]:
    """Reads each object to its place in memory, verified, without another copy.

    Returns the numbers of those that it has not read: large ones, and those of another size than
    their place. Raises like `ObjectStore.read`; what is in the places then may be anything.
    """
    store.scan_once()
    blocks, guessed, numbers = neighbours(store.lookup, oids, [len(place) for place in places])
    numbers += [number for framed in guessed.values() for _, _, number in framed]
    raws: dict[Pack, list[Raw]] = {}
    for pack, begin, ends, first in blocks:
        raws.setdefault(pack, []).extend(
            [(begin + a, b - a, number) for number, (a, b) in enumerate(pairwise(ends), first)]
        )
    for pack, raw in raws.items():
        numbers += _read_raw_into(pack, raw, oids, places)
    plans, rest = planned(store.lookup, oids, numbers)
    elsewhere: list[bytes | None] = [None] * len(oids) if any(f for _, f in plans.values()) else []
    for pack, (raw, framed) in plans.items():
        rest += _read_raw_into(pack, raw, oids, places)
        rest += read_framed(pack, framed, oids, elsewhere)
        rest += [n for *_, n in framed if not _placed(elsewhere[n], places[n])]
    left = []
    rest = list(dict.fromkeys(rest))
    if (store.elsewhere or store.outside) is not None and rest:
        came: list[bytes | None] = [None] * len(oids)
        others = set(_fetched(store, oids, rest, came))
        left = [n for n in rest if n not in others and not _placed(came[n], places[n])]
        rest = [n for n in rest if n in others]
    for number in rest:
        if not _placed(store.read_small(oids[number]), places[number]):
            left.append(number)
    return left


def _fetched(
    store: ObjectStore, oids: Sequence[bytes], numbers: list[int], found: list[bytes | None]
) -> list[int]:
    """Fetches together what no pack here holds the bytes of; returns the numbers of the others."""
    if (store.elsewhere or store.outside) is None or not numbers:
        return numbers
    came = dict(store.fetched(oids[number] for number in numbers))
    for number in numbers:
        found[number] = came.get(oids[number], found[number])
    return [number for number in numbers if oids[number] not in came]


def _placed(data: bytes | None, place: memoryview) -> bool:
    """Copies an object to its place, if it fits."""
    if data is None or len(data) != len(place):
        return False
    place[:] = data
    return True


def expect(store: ObjectStore, count: int, *, in_order: bool = False) -> None:
    """Opens the packs, and makes look-ups fast when about `count` of them are to come.

    What is forked later shares this. In the order of the paths most may be neighbours, so it is
    put off until one is not."""
    store.scan_once()
    if in_order:
        store.lookup.announced = count
    else:
        store.lookup.expect(count)


def is_scattered(store: ObjectStore, oids: Sequence[bytes]) -> bool:
    """Whether most of these objects, which are to be read one after the other, lie in compressed
    frames of their own: then it pays to read many at once."""
    store.scan_once()
    plans, _ = planned(store.lookup, oids, range(len(oids)))
    frames: set[tuple[Pack, int]] = set()
    for pack, (_, framed) in plans.items():
        starts = pack.contents.raw_starts
        frames.update((pack, bisect_right(starts, start)) for start, _, _ in framed)
    return 2 * len(frames) > len(oids)


def neighbours(
    lookup: Lookup, oids: Sequence[bytes], sizes: Sequence[int]
) -> tuple[list[Block], Framings, list[int]]:
    """Returns where objects probably lie side by side, judging by the first and the last of some:
    those stored raw, those in compressed frames by their packs, and those that do not."""
    blocks: list[Block] = []
    guessed: Framings = {}
    others: list[int] = []
    for first, end in _spans(lookup, oids, sizes, guessed):
        found, _ = planned(lookup, oids, (first, end - 1))
        own = sizes[first:end]
        if end - first > 2 and len(found) == 1 and _sensible(own):
            ((pack, (raw, framed)),) = found.items()
            if len(raw) == 2:
                (begin, *_), (last, size, _) = raw
                ends = list(accumulate(own, initial=0))
                if ends[-2:] == [last - begin, last - begin + size]:
                    blocks.append((pack, begin, ends, first))
                    continue
            elif len(framed) == 2 and (starts := _between(framed, own)):
                guessed.setdefault(pack, []).extend(
                    zip(starts, own, range(first, end), strict=True)
                )
                continue
        others += range(first, end)
    if len(others) > 2:  # and not the few that a batch has too many
        many = _STRANGERS * len(others) > len(oids)
        lookup.expect(max(len(others), lookup.announced if many else 0))
    return blocks, guessed, others


def _spans(
    lookup: Lookup, oids: Sequence[bytes], sizes: Sequence[int], guessed: Framings
) -> Iterator[tuple[int, int]]:
    """Yields where the objects are to be cut that are no long row of neighbours in compressed
    frames; those that are come to `guessed`."""
    for start in range(0, len(oids), MANY_NEIGHBOURS):
        stop = min(start + MANY_NEIGHBOURS, len(oids))
        own = sizes[start:stop]
        if stop - start > NEIGHBOURS and _sensible(own):
            found, _ = planned(lookup, oids, (start, stop - 1))
            pack, (_, framed) = next(iter(found.items())) if len(found) == 1 else (None, ([], []))
            if pack and len(framed) == 2 and (starts := _between(framed, own)):
                guessed.setdefault(pack, []).extend(
                    zip(starts, own, range(start, stop), strict=True)
                )
                continue
        for first in range(start, stop, NEIGHBOURS):
            yield first, min(first + NEIGHBOURS, stop)


def _between(ends: Sequence[Framed], sizes: Sequence[int]) -> list[int]:
    """Returns where objects start in raw space of which the first and the last are known, if they
    lie there one after the other, as many bytes apart as the ends of lines have; else nothing."""
    (begin, size, _), (last, last_size, _) = ends
    if (size, last_size) != (sizes[0], sizes[-1]):
        return []
    gap, odd = divmod(last - begin - sum(sizes) + last_size, len(sizes) - 1)
    if odd or not 0 <= gap <= _GAP_MAX:
        return []
    return list(accumulate([size + gap for size in sizes[:-1]], initial=begin))


def _sensible(sizes: Sequence[int]) -> bool:
    """Whether objects of these sizes may lie as they are: memory is taken before they are read."""
    return min(sizes) >= 0 and max(sizes) <= OBJECT_BYTES_MAX


def planned(
    lookup: Lookup, oids: Sequence[bytes], numbers: Sequence[int]
) -> tuple[dict[Pack, tuple[list[Raw], list[Framed]]], list[int]]:
    """Returns where each of these objects lies, by pack, and those without a place of their own."""
    plans: dict[Pack, tuple[list[Raw], list[Framed]]] = {}
    rest: list[int] = []
    places, last = lookup.places, -1  # the number of the pack that the last object was in
    frame = low = high = shift = codec = 0  # the last object's frame, in raw space
    for number in numbers:
        oid = oids[number]
        place = places.get(oid[:PREFIX]) if places else lookup.place(oid)
        if place is None:
            rest.append(number)
            continue
        if place >> ROW_BITS != last:
            last = place >> ROW_BITS
            pack = lookup.packs[last]
            raw, framed = plans.setdefault(pack, ([], []))
            contents = pack.contents
            locations, raw_starts, frames = contents.locations, contents.raw_starts, contents.frames
            high = 0
        at = (place & ROW_MASK) * LOCATION
        packed = int.from_bytes(locations[at : at + LOCATION], "little")
        size = packed >> 32
        if not 0 < size < _SIZE_LIMIT:
            rest.append(number)  # empty, or large
            continue
        start = packed & 0xFFFFFFFF
        if not low <= start < high:
            frame = bisect_right(raw_starts, start) - 1
            if frame >= len(frames):
                rest.append(number)
                continue
            position, _, codec = frames[frame]
            low, high = raw_starts[frame], raw_starts[frame + 1]
            shift = position - low
        if codec == RAW:
            raw.append((shift + start, size, number))
        else:
            framed.append((start, size, number))
    return plans, rest


def _read_block(block: Block, oids: Sequence[bytes], found: list[bytes | None]) -> Sequence[int]:
    """Reads and verifies objects that should lie side by side; returns those that do not."""
    pack, begin, ends, first = block
    numbers = range(first, first + len(ends) - 1)
    try:
        if ends[-1] <= GROUP_BYTES:
            ((_, whole),) = pack.read_ranges([(begin, ends[-1], None)])
            data = [whole[a:b] for a, b in pairwise(ends)]
        else:
            places = [(begin + a, b - a, None) for a, b in pairwise(ends)]
            data = [one for _, one in pack.read_ranges(places)]
    except (OSError, StorageFailed):
        return numbers
    failed = []
    for number, one in zip(numbers, data, strict=True):
        if blake3(one).digest() == oids[number]:
            found[number] = one
        else:
            failed.append(number)
    return failed


def read_raw(
    pack: Pack, plan: list[Raw], oids: Sequence[bytes], found: list[bytes | None]
) -> list[int]:
    """Reads and verifies objects of one pack; returns those that were not found sound."""
    if not plan:
        return []
    plan.sort()
    failed: list[int] = []
    try:
        for number, data in pack.read_ranges(plan):
            if blake3(data).digest() == oids[number]:
                found[number] = data
            else:
                failed.append(number)
    except (OSError, StorageFailed):  # gone, or unreadable: each is looked for by itself
        return [number for _, _, number in plan if found[number] is None]
    return failed


def _read_raw_into(
    pack: Pack, plan: list[Raw], oids: Sequence[bytes], places: Sequence[memoryview]
) -> list[int]:
    """Like `read_raw`, each to its place; neighbours in the pack are read together."""
    plan.sort()
    failed: list[int] = []
    first, count = 0, len(plan)
    try:
        while first < count:
            start = reach = plan[first][0]
            group: list[memoryview] = []
            for position, size, number in plan[first : first + GROUP_OBJECTS]:
                place = places[number]
                if position != reach or size != len(place) or reach - start > GROUP_BYTES:
                    break
                group.append(place)
                reach += size
            end = first + len(group)
            if not group:  # of another size than its place
                failed.append(plan[first][2])
                first += 1
                continue
            # What a short read has left out is not what its hash says.
            pack.read_into(start, group)
            for place, (_, _, number) in zip(group, plan[first:end], strict=True):
                if blake3(place).digest() != oids[number]:
                    failed.append(number)
            first = end
    except (OSError, StorageFailed):  # gone, or unreadable: each is looked for by itself
        failed += [number for _, _, number in plan[first:]]
    return failed


def read_framed(
    pack: Pack, plan: list[Framed], oids: Sequence[bytes], found: list[bytes | None]
) -> list[int]:
    """Like `read_raw`, for what lies compressed: each frame is decompressed once."""
    plan.sort()
    failed: list[int] = []
    raw_starts, frames = pack.contents.raw_starts, len(pack.contents.frames)
    first, count = 0, len(plan)
    while first < count:
        frame = min(bisect_right(raw_starts, plan[first][0]), frames) - 1
        low, high = raw_starts[frame], raw_starts[frame + 1]
        end = max(bisect_left(plan, (high,), first), first + 1)
        try:
            data = pack.read(frame, 0, high - low)
        except (DamagedData, StorageFailed):
            data = b""
        pieces = [data[start - low : start - low + size] for start, size, _ in plan[first:end]]
        for one, oid, (_, _, number) in zip(pieces, digests(pieces), plan[first:end], strict=True):
            if oid == oids[number]:
                found[number] = one
            else:
                failed.append(number)
        first = end
    return failed
