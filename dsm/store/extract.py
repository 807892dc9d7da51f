"""A new pack made of parts of others as they lie there: nothing is compressed again.

What lies raw comes object by object, what lies in a compressed frame with its whole frame, and a
dictionary with the first frame that needs it. It is held in memory, so it stays small.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable

from dsm.errors import DamagedData
from dsm.format import pack as fmt
from dsm.store.packs import Pack

# A pack is made of what was collected when it has this many bytes.
EXTRACT_BYTES = 32 << 20


class Extract:
    """Parts of packs, collected; `size` is how many bytes they have."""

    def __init__(self) -> None:
        self._parts: list[bytes | memoryview] = [fmt.HEADER]
        self._frames: list[tuple[int, int, int]] = []
        self._rows: list[bytes] = []
        self._raw_end = 0
        self._raw_run = 0
        self._codecs: dict[tuple[str, int], int] = {}
        self.size = len(fmt.HEADER)

    def __len__(self) -> int:
        return len(self._rows)

    def has_room_for(self, pack: Pack, codecs: Iterable[int]) -> bool:
        """Whether frames of this pack can come: a pack has so many dictionaries and no more."""
        asked = {(pack.name, codec) for codec in codecs if codec >= fmt.DICTIONARY_0}
        return len(asked | self._codecs.keys()) <= fmt.DICTIONARIES_MAX

    def add_raw(self, oid: bytes, data: bytes, is_list: bool) -> None:
        """Appends an object that lies as it is; of an empty one its row alone."""
        location = fmt.pack_location(self._raw_end, len(data), is_list)
        self._rows.append(fmt.table_row(oid[: fmt.PREFIX], location))
        self._raw_run += len(data)
        self._raw_end += len(data)
        self._append(data)

    def begin_run(self, pack: Pack, start: int, size: int, rows: Iterable[int]) -> None:
        """Expects bytes that lie raw in a pack, from `start` of its raw space, with these rows of
        its table: the caller puts them behind what it has taken."""
        contents, width = pack.contents, fmt.PREFIX
        shift = self._raw_end - start
        for row in rows:
            at, length, is_list = contents.location(row)
            prefix = contents.prefixes[row * width : row * width + width]
            self._rows.append(fmt.table_row(prefix, fmt.pack_location(at + shift, length, is_list)))
        self._raw_run += size
        self._raw_end += size
        self.size += size

    def add_frame(self, pack: Pack, frame: int, stored: bytes, rows: list[int]) -> None:
        """Appends a compressed frame of a pack with these rows of its table."""
        self._end_raw_run()
        contents = pack.contents
        start, end = contents.raw_starts[frame], contents.raw_starts[frame + 1]
        codec = contents.frames[frame][2]
        if codec >= fmt.DICTIONARY_0:
            codec = self._with_dictionary(pack, codec)
        self._frames.append((len(stored), end - start, codec))
        width = fmt.PREFIX
        for row in rows:
            at, size, is_list = contents.location(row)
            prefix = contents.prefixes[row * width : row * width + width]
            place = fmt.pack_location(self._raw_end + at - start, size, is_list)
            self._rows.append(fmt.table_row(prefix, place))
        self._raw_end += end - start
        self._append(stored)

    def _with_dictionary(self, pack: Pack, codec: int) -> int:
        known = self._codecs.get((pack.name, codec))
        if known is not None:
            return known
        dictionary = pack.dictionary(codec) or b""
        if not dictionary:
            raise DamagedData(f"pack {pack.name}: a dictionary in it is empty")
        own = self._codecs[pack.name, codec] = fmt.DICTIONARY_0 + len(self._codecs)
        self._frames.append((len(dictionary), 0, fmt.DICTIONARY_FRAME))
        self._append(dictionary)
        return own

    def _append(self, data: bytes | memoryview) -> None:
        self._parts.append(data)
        self.size += len(data)

    def _end_raw_run(self) -> None:
        if self._raw_run:
            self._frames.append((self._raw_run, self._raw_run, fmt.RAW))
            self._raw_run = 0

    def taken(self) -> list[bytes | memoryview]:
        """Returns what was appended since the last time, and holds it no more."""
        parts, self._parts = self._parts, []
        return parts

    def pieces(self) -> list[bytes | memoryview]:
        """Returns the bytes of the pack that were not taken, end to end; nothing can be added
        afterwards."""
        self._end_raw_run()
        return [*self._parts, fmt.encode_rows(self.size, self._frames, self._rows)]


class FrameRows:
    """The rows of a pack's table in the order in which they lie, made when it is first needed."""

    def __init__(self, contents: fmt.Contents):
        # Start and row in one number: the order of both is the order of the starts.
        count, step = len(contents), fmt.LOCATION
        starts = bytearray(count * 8)
        for plane in range(4):
            starts[4 + plane :: 8] = contents.locations[plane::step]
        rows = array("I", range(count)).tobytes()
        for plane in range(4):
            starts[plane::8] = rows[plane::4]
        self._order = sorted(memoryview(starts).cast("Q"))

    def of(self, contents: fmt.Contents, frame: int) -> list[int]:
        """Returns the rows of the objects in a frame, empty ones left out."""
        return self.between(contents, contents.raw_starts[frame], contents.raw_starts[frame + 1])

    def between(self, contents: fmt.Contents, start: int, end: int) -> list[int]:
        """Returns the rows of the objects that begin in these bytes of the raw space, in the order
        in which they lie, empty ones left out."""
        low, high = bisect_left(self._order, start << 32), bisect_left(self._order, end << 32)
        rows = [each & 0xFFFFFFFF for each in self._order[low:high]]
        return [row for row in rows if contents.location(row)[1]]
