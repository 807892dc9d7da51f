"""What lies around the objects that are asked for, where nearly all of it will be read soon.

Who begins to read all of a view says so. Packs are then looked at in blocks: where most of a block
is of that view, the first object that is asked for in it brings the whole block into the cache, by
one request instead of hundreds. How much comes along is bounded by how much was asked for, so that
the first examples are not waited for as long as all of them take.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsm.format import pack as fmt
from dsm.store.batch import neighbours, planned
from dsm.store.extract import EXTRACT_BYTES, Extract

if TYPE_CHECKING:
    from dsm.remotes.ranges import Wanted
    from dsm.remotes.remote_pack import RemotePack
    from dsm.store.elsewhere import Parts
    from dsm.store.lookup import Lookup
    from dsm.store.packs import Pack

# A block is what begins in so many bytes of a pack. It comes whole where this share of it is read.
BLOCK_BYTES, DENSE = 3840 << 10, 0.5
# For each object that is asked for so many bytes may come along: a request for it takes as long.
BYTES_ASKED = 1 << 20
# So many packs of the cache are read and written at a time.
BLOCKS_AT_ONCE = 16
# Between two blocks so much is read along.
GAP_BYTES = 64 << 10
# Blocks that follow the ones asked for, for who reads in the order in which objects lie.
BLOCKS_AHEAD = 16
# What is to be read must stay in the cache until it is: it may take this share of it.
CACHE_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Run:
    """Objects that lie raw, one after the other, from `at` of the file on, with their rows in the
    pack's table; `raw` is where that is in raw space."""

    at: int
    size: int
    raw: int
    rows: list[int]


@dataclass(frozen=True, slots=True)
class Frame:
    """A compressed frame, by its number, and where it lies in the file."""

    at: int
    size: int
    number: int


@dataclass(frozen=True, slots=True)
class Block:
    """The objects that begin in one stretch of a pack, in the order in which they lie."""

    pack: RemotePack
    parts: tuple[Run | Frame, ...]

    @property
    def start(self) -> int:
        """First byte in the file."""
        return self.parts[0].at

    @property
    def end(self) -> int:
        """Past the last byte in the file."""
        return max(part.at + part.size for part in self.parts)

    def collect(self, stream: Stream, extract: Extract) -> Iterator[bytes | memoryview]:
        """Puts it into an extract as it comes, and yields what the extract would hold."""
        for part in self.parts:
            if isinstance(part, Run):
                extract.begin_run(self.pack, part.raw, part.size, part.rows)
                yield from extract.taken()
                yield from stream.take(part.at, part.size)
            else:
                stored = b"".join(stream.take(part.at, part.size))
                rows = self.pack.rows_in(part.number)
                extract.add_frame(self.pack, part.number, stored, rows)
                yield from extract.taken()


class Stream:
    """Bytes `start` to `end` of a remote's pack, taken in the order in which they lie."""

    def __init__(self, pack: RemotePack, start: int, end: int):
        self._at, self._rest = start, memoryview(b"")
        self._parts = pack.stream(start, end)

    def take(self, at: int, size: int) -> Iterator[memoryview]:
        """Yields so many bytes from `at` on; what lies before is passed over."""
        for passed in (at - self._at, size):
            while passed > 0:
                self._rest = self._rest or memoryview(next(self._parts))
                part, self._rest = self._rest[:passed], self._rest[passed:]
                self._at += len(part)
                passed -= len(part)
                if self._at > at:
                    yield part


class Around:
    """Which blocks of a remote's packs come whole, for one view that is read.

    `parts` are the ids and sizes of what will be read; of what no table has yet, nothing comes
    along. Nothing does when it would not stay in a cache of `most` bytes.
    """

    def __init__(self, lookup: Lookup, parts: Parts, most: int):
        self._dense: dict[str, set[int]] = {}
        self._done: set[tuple[str, int]] = set()
        self._credit = 0
        shares = _shares(lookup, parts)
        for pack, wanted in shares.items():
            end = _end(pack)
            dense = {
                number for number, size in enumerate(wanted)
                if size >= DENSE * min(BLOCK_BYTES, end - number * BLOCK_BYTES)
            }  # fmt: skip
            if dense:
                self._dense[pack.name] = dense
        if sum(map(len, self._dense.values())) * BLOCK_BYTES > CACHE_SHARE * most:
            self._dense = {}

    def __bool__(self) -> bool:
        """Whether any block comes whole."""
        return bool(self._dense)

    def chosen(self, wanted: Iterable[Wanted]) -> list[tuple[RemotePack, int]]:
        """Returns the blocks that come for objects that are asked for, each once, those with most
        of them first."""
        found: dict[tuple[RemotePack, int], int] = {}
        for one in wanted:
            self._credit += BYTES_ASKED
            number = one.extent[0] // BLOCK_BYTES
            if one.size and number in self._dense.get(one.pack.name, ()):
                found[one.pack, number] = found.get((one.pack, number), 0) + 1
        most = self._credit // BLOCK_BYTES
        blocks = sorted(found, key=lambda each: (-found[each], each[0].name, each[1]))[:most]
        blocks += self._following(blocks, min(BLOCKS_AHEAD, most - len(blocks)))
        self._done.update((pack.name, number) for pack, number in blocks)
        self._credit -= BLOCK_BYTES * len(blocks)
        return blocks

    def _following(
        self, blocks: list[tuple[RemotePack, int]], most: int
    ) -> list[tuple[RemotePack, int]]:
        """Returns dense blocks of the same packs that were not chosen before: those that lie behind
        the last of these, then those between and before them."""
        if not blocks or most <= 0:
            return []
        blocks = sorted(blocks, key=lambda each: (each[0].name, each[1]))
        last, taken = blocks[-1][1], {(pack.name, number) for pack, number in blocks}
        left = [
            (pack, number)
            for pack in {pack.name: pack for pack, _ in reversed(blocks)}.values()
            for number in sorted(self._dense[pack.name], key=lambda each: (each < last, each))
            if (pack.name, number) not in taken | self._done
        ]
        return left[:most]


def block_of(pack: RemotePack, number: int) -> Block | None:
    """Returns a block by its number in a pack; None where no object begins in it."""
    low, high = number * BLOCK_BYTES, (number + 1) * BLOCK_BYTES
    contents, starts = pack.contents, pack.contents.raw_starts
    parts: list[Run | Frame] = []
    for frame in _frames_from(contents, low):
        at, stored, codec = contents.frames[frame]
        if at >= high:
            break
        if codec == fmt.RAW:
            first, last = max(low - at, 0), min(high - at, stored)
            rows = pack.rows_between(starts[frame] + first, starts[frame] + last)
            if not rows:
                continue
            places = [contents.location(row)[:2] for row in rows]
            raw, end = places[0][0], max(start + size for start, size in places)
            parts.append(Run(at + raw - starts[frame], end - raw, raw, rows))
        elif codec != fmt.DICTIONARY_FRAME and at >= low:
            parts.append(Frame(at, stored, frame))
    return Block(pack, tuple(parts)) if parts else None


def _frames_from(contents: fmt.Contents, position: int) -> Iterator[int]:
    """Yields the frames from the one in which a position of the file lies."""
    first = bisect_right(contents.frames, (position, 1 << 63, 0)) - 1
    return iter(range(max(0, first), len(contents.frames)))


def _end(pack: Pack) -> int:
    """Returns where the frames of a pack end."""
    frames = pack.contents.frames
    return frames[-1][0] + frames[-1][1] if frames else 0


def _shares(lookup: Lookup, parts: Parts) -> dict[Pack, array[int]]:
    """Returns how many bytes of each block of each pack are wanted."""
    found: dict[Pack, array[int]] = {}

    def of(pack: Pack) -> array[int]:
        if pack not in found:
            found[pack] = array("q", bytes(8 * (_end(pack) // BLOCK_BYTES + 1)))
        return found[pack]

    for oids, sizes in parts():
        blocks, guessed, others = neighbours(lookup, oids, sizes)
        plans, _ = planned(lookup, oids, others)
        for pack, begin, ends, _ in blocks:
            _spread(of(pack), begin, begin + ends[-1])
        for pack, (raw, framed) in plans.items():
            shares = of(pack)
            for at, size, _ in raw:
                shares[at // BLOCK_BYTES] += size
            guessed.setdefault(pack, []).extend(framed)
        for pack, framed in guessed.items():
            shares, contents = of(pack), pack.contents
            for start, size, _ in framed:
                frame = min(bisect_right(contents.raw_starts, start), len(contents.frames)) - 1
                at, stored, _ = contents.frames[frame]
                whole = contents.raw_starts[frame + 1] - contents.raw_starts[frame]
                shares[at // BLOCK_BYTES] += size * stored // whole
    return found


def _spread(shares: array[int], begin: int, end: int) -> None:
    """Counts bytes `begin` to `end` of a file to the blocks in which they lie."""
    for number in range(begin // BLOCK_BYTES, (end - 1) // BLOCK_BYTES + 1):
        low, high = number * BLOCK_BYTES, (number + 1) * BLOCK_BYTES
        if number < len(shares):
            shares[number] += min(end, high) - max(begin, low)


def stretches(chosen: Iterable[tuple[RemotePack, int]]) -> list[list[tuple[RemotePack, int]]]:
    """Returns blocks, by their numbers in packs, in groups that each make one pack of the cache.

    So many that all connections have something to do, and no pack is large.
    """
    chosen = sorted(chosen, key=lambda each: (each[0].name, each[1]))
    most = max(1, min(EXTRACT_BYTES // BLOCK_BYTES, len(chosen) // BLOCKS_AT_ONCE))
    found: list[list[tuple[RemotePack, int]]] = []
    for pack, number in chosen:
        if found and found[-1][0][0] is pack and len(found[-1]) < most:
            found[-1].append((pack, number))
        else:
            found.append([(pack, number)])
    return found


def pieces_of(blocks: Iterable[Block]) -> Iterator[bytes | memoryview]:
    """Yields a pack with what is in some blocks of one, as it comes; nothing of it is held.

    Blocks that lie side by side are one request. Raises NotOnRemote, RemoteFailed.
    """
    extract = Extract()
    for some in _side_by_side(blocks):
        stream = Stream(some[0].pack, some[0].start, some[-1].end)
        for block in some:
            yield from block.collect(stream, extract)
    yield from extract.pieces()


def _side_by_side(blocks: Iterable[Block]) -> list[list[Block]]:
    found: list[list[Block]] = []
    for block in blocks:
        if found and 0 <= block.start - found[-1][-1].end <= GAP_BYTES:
            found[-1].append(block)
        else:
            found.append([block])
    return found
