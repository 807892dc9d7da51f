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
from dsm.remotes.backend import STREAM_BYTES
from dsm.store.batch import neighbours, planned
from dsm.store.extract import EXTRACT_BYTES, Extract

if TYPE_CHECKING:
    from dsm.remotes.ranges import Wanted
    from dsm.remotes.remote_pack import RemotePack
    from dsm.store.elsewhere import Parts
    from dsm.store.lookup import Lookup
    from dsm.store.packs import Pack

# A block is what begins in so many bytes of a pack: few enough to be received in one part. It comes
# whole where this share of it is read.
BLOCK_BYTES, DENSE = STREAM_BYTES - (256 << 10), 0.5
# For each object that is asked for so many bytes may come along: a request for it takes as long.
BYTES_ASKED = 1 << 20
# So many are read and written at a time, each of which takes the memory of a block.
BLOCKS_AT_ONCE = 16
# Blocks that follow the ones asked for, for who reads in the order in which objects lie.
BLOCKS_AHEAD = 16
# What is to be read must stay in the cache until it is: it may take this share of it.
CACHE_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Block:
    """The objects that begin in one stretch of a pack, which lie in bytes `start` to `end`.

    `runs` are what lies raw, (place in the file, bytes, where in raw space, rows of the table);
    `frames` are compressed frames.
    """

    pack: RemotePack
    start: int
    end: int
    runs: tuple[tuple[int, int, int, list[int]], ...]
    frames: tuple[int, ...]

    def collect(self, data: bytes, extract: Extract) -> None:
        """Puts what was read of it into an extract."""
        window, frames = memoryview(data), self.pack.contents.frames
        for at, size, raw, rows in self.runs:
            first = at - self.start
            extract.add_run(self.pack, raw, window[first : first + size], rows)
        for frame in self.frames:
            at, stored, _ = frames[frame]
            first = at - self.start
            rows = self.pack.rows_in(frame)
            extract.add_frame(self.pack, frame, bytes(window[first : first + stored]), rows)


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
    runs, frames, ends, begins = [], [], [], []
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
            place = at + raw - starts[frame]
            runs.append((place, end - raw, raw, rows))
            begins.append(place)
            ends.append(place + end - raw)
        elif codec != fmt.DICTIONARY_FRAME and at >= low:
            frames.append(frame)
            begins.append(at)
            ends.append(at + stored)
    if not begins:
        return None
    return Block(pack, min(begins), max(ends), tuple(runs), tuple(frames))


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


def stretches(blocks: Iterable[Block]) -> list[list[Block]]:
    """Returns blocks in groups, each of which makes one pack of the cache."""
    found: list[list[Block]] = []
    for block in sorted(blocks, key=lambda block: (block.pack.name, block.start)):
        last = found[-1] if found else []
        size = sum(each.end - each.start for each in last)
        if last and last[0].pack is block.pack and size < EXTRACT_BYTES:
            last.append(block)
        else:
            found.append([block])
    return found


def pieces_of(blocks: Iterable[Block]) -> Iterator[bytes | memoryview]:
    """Yields a pack with what is in some blocks of one, each read when its turn comes.

    What was yielded is not held. Raises NotOnRemote, RemoteFailed.
    """
    extract = Extract()
    for block in blocks:
        block.collect(block.pack.read_at(block.start, block.end - block.start), extract)
        yield from extract.taken()
    yield from extract.pieces()
