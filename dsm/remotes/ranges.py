"""Which ranges of packs to ask for: few requests, and few bytes that nobody wants.

Objects are wanted one by one; what lies close together is asked for at once. How close is decided
for all of them together: the smallest gaps are read with what is around them, as long as they are
a small share of what is wanted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from dsm.format import pack as fmt

if TYPE_CHECKING:
    from dsm.remotes.remote_pack import RemotePack
    from dsm.store.extract import Extract

# A request asks for so much at most, unless one frame has more.
RANGE_BYTES = 2 << 20
# Bytes between what is wanted, as a share of that; and a gap that is always read along.
GAPS_SHARE, GAP_FREE_BYTES = 0.1, 512


@dataclass(frozen=True, slots=True)
class Wanted:
    """One object and its place in a pack of a remote."""

    pack: RemotePack
    frame: int
    offset: int
    size: int
    is_list: bool
    oid: bytes

    @property
    def extent(self) -> tuple[int, int]:
        """First byte in the file, and past the last; (0, 0) for an empty object."""
        return self.pack.extent(self.frame, self.offset, self.size)


@dataclass(slots=True)
class Range:
    """Bytes `start` to `end` of a pack, and the objects in them; `data` once it was read."""

    pack: RemotePack
    start: int
    end: int
    wanted: list[Wanted]
    data: bytes = b""
    _frames: set[int] = field(default_factory=set)

    @property
    def codecs(self) -> set[int]:
        """The codecs of its frames."""
        frames = self.pack.contents.frames
        return {frames[one.frame][2] for one in self.wanted if one.size}

    def collect(self, extract: Extract) -> None:
        """Puts what was read into an extract: objects that lie raw, and whole frames of others."""
        for one in self.wanted:
            at, stored, codec = (
                self.pack.contents.frames[one.frame] if one.size else (0, 0, fmt.RAW)
            )
            if codec == fmt.RAW:
                first = at + one.offset - self.start if one.size else 0
                extract.add_raw(one.oid, self.data[first : first + one.size], one.is_list)
            elif one.frame not in self._frames:
                self._frames.add(one.frame)
                first = at - self.start
                rows = self.pack.rows_in(one.frame)
                extract.add_frame(self.pack, one.frame, self.data[first : first + stored], rows)
        self.data = b""


def ranges_of(wanted: Iterable[Wanted]) -> list[Range]:
    """Returns ranges that have all of these objects, in the order in which they lie."""
    packs: dict[str, list[tuple[int, int, Wanted]]] = {}
    empty: list[Range] = []
    for one in wanted:
        start, end = one.extent
        if one.size:
            packs.setdefault(one.pack.name, []).append((start, end, one))
        else:
            empty.append(Range(one.pack, 0, 0, [one]))
    gaps: list[int] = []
    total = 0
    for places in packs.values():
        places.sort(key=lambda place: (place[0], place[1]))
        gaps += [b[0] - a[1] for a, b in pairwise(places) if b[0] > a[1]]
        total += sum(end - start for start, end in {place[:2] for place in places})
    most = _gap_that_pays(gaps, total)
    found = [each for places in packs.values() for each in _joined(places, most)]
    return [*empty, *found]


def _gap_that_pays(gaps: list[int], total: int) -> int:
    """Returns the largest gap that is read along."""
    left, most = int(total * GAPS_SHARE), GAP_FREE_BYTES
    for gap in sorted(gaps):
        left -= gap
        if left < 0:
            break
        most = max(most, gap)
    return most


def _joined(places: list[tuple[int, int, Wanted]], most: int) -> list[Range]:
    ranges: list[Range] = []
    for start, end, one in places:
        last = ranges[-1] if ranges else None
        if last is not None and (
            end <= last.end
            or (start <= last.end + most and max(end, last.end) - last.start <= RANGE_BYTES)
        ):
            last.end = max(last.end, end)
            last.wanted.append(one)
        else:
            ranges.append(Range(one.pack, start, end, [one]))
    return ranges
