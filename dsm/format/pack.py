"""Pack files: many objects in one file, so that a million examples are not a million files.

    header      16 bytes   magic
    frames      …          raw bytes, or zstd frames; dictionaries are frames too
    contents    …          frame table, then the object table
    trailer     72 bytes   where the contents are, their counts, their BLAKE3, magic

Laid end to end, the *uncompressed* frames form the pack's raw space; an object is a range of it,
inside one frame. The object table holds an 80-bit prefix of each id, sorted, as a hint for look-up:
the content proves itself, because every read is hashed and compared with the full id. The pack
is named by the BLAKE3 of the whole file. Specified in docs/format/pack.md.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from blake3 import blake3

from dsm.errors import DamagedData

HEADER = b"DSMPACK\x01" + bytes(8)
END = b"DSMPEND\x01"
TRAILER = struct.Struct("<QIIII32s8s8x")  # contents at, frames, objects, dictionaries, 0, hash, END
FRAME = struct.Struct("<IIBx")  # stored bytes, raw bytes, codec
PREFIX = 10
LOCATION = 7
_ID = 32

RAW, ZSTD = 0, 1
DICTIONARY_0 = 2  # codec 2 + n: zstd with the pack's n-th dictionary
DICTIONARIES_MAX = 64
DICTIONARY_FRAME = 255  # a frame that is a dictionary and holds no object

OBJECT_BYTES_MAX = (1 << 23) - 1
RAW_SPACE_MAX = (1 << 32) - 1
OBJECTS_MAX = 1 << 22
LIST_BIT = 1 << 55


@dataclass(frozen=True, slots=True)
class Contents:
    """A pack's table of contents, decoded only as far as a look-up needs.

    `frames`: (position in the file, stored bytes, codec) per frame; `raw_starts`: where each
    frame begins in raw space, with the end appended; `dictionaries`: indexes of frames.
    """

    frames: list[tuple[int, int, int]]
    raw_starts: list[int]
    dictionaries: list[int]
    prefixes: bytes
    locations: bytes
    size: int

    def __len__(self) -> int:
        return len(self.prefixes) // PREFIX

    def location(self, index: int) -> tuple[int, int, bool]:
        """Returns (start in raw space, bytes, whether it is a chunk list) of an object."""
        at = index * LOCATION
        value = int.from_bytes(self.locations[at : at + LOCATION], "little")
        return value & 0xFFFFFFFF, (value >> 32) & OBJECT_BYTES_MAX, bool(value & LIST_BIT)


def encode_contents(
    position: int,
    frames: list[tuple[int, int, int]],
    objects: list[tuple[bytes, int]],
) -> bytes:
    """Builds contents and trailer.

    `frames` holds (stored bytes, raw bytes, codec); `objects` holds (prefix, packed location) in
    any order; `position` is where the contents begin in the file.
    """
    return encode_rows(position, frames, [table_row(*each) for each in objects])


def table_row(prefix: bytes, location: int) -> bytes:
    """Returns an object's row, as `encode_rows` takes it: rows sort as the table is sorted."""
    return prefix + location.to_bytes(LOCATION, "big")


def table_rows(ids: bytes, locations: Sequence[int]) -> bytes:
    """Returns the rows of many objects end to end, given their whole ids so and their locations."""
    places = array("Q", locations)
    if sys.byteorder == "little":
        places.byteswap()
    ends, width = places.tobytes(), PREFIX + LOCATION
    rows = bytearray(width * len(places))
    # Column by column: no Python object for a row.
    for at in range(PREFIX):
        rows[at::width] = ids[at::_ID]
    for at in range(LOCATION):
        rows[PREFIX + at :: width] = ends[8 - LOCATION + at :: 8]
    return bytes(rows)


class TableRows:
    """Rows of objects in any order, as bytes: each as an object takes four times as much memory,
    and packs of records have millions."""

    def __init__(self) -> None:
        self._rows = bytearray()

    def __len__(self) -> int:
        return len(self._rows) // (PREFIX + LOCATION)

    def append(self, row: bytes) -> None:
        """Takes a row, as `table_row` makes it."""
        self._rows += row

    def extend(self, rows: bytes) -> None:
        """Takes several rows, as `table_rows` makes them."""
        self._rows += rows

    def joined(self) -> bytes:
        """Returns all rows end to end, sorted, and forgets them."""
        rows, self._rows = bytes(self._rows), bytearray()
        width = PREFIX + LOCATION
        each = [rows[at : at + width] for at in range(0, len(rows), width)]
        each.sort()
        return b"".join(each)


def encode_rows(position: int, frames: list[tuple[int, int, int]], rows: list[bytes]) -> bytes:
    """Like `encode_contents`, for rows in any order, which are sorted."""
    rows.sort()
    return encode_joined(position, frames, b"".join(rows))


def encode_joined(position: int, frames: list[tuple[int, int, int]], joined: bytes) -> bytes:
    """Like `encode_contents`, for sorted rows end to end."""
    width = PREFIX + LOCATION
    count = len(joined) // width
    prefixes, locations = bytearray(PREFIX * count), bytearray(LOCATION * count)
    # Column by column: no Python object for a row.
    for at in range(PREFIX):
        prefixes[at::PREFIX] = joined[at::width]
    for at in range(LOCATION):  # in the table the lowest byte comes first
        locations[at::LOCATION] = joined[width - 1 - at :: width]
    tables = b"".join((b"".join([FRAME.pack(*frame) for frame in frames]), prefixes, locations))
    dictionaries = sum(1 for _, _, codec in frames if codec == DICTIONARY_FRAME)
    digest = blake3(tables).digest()
    return tables + TRAILER.pack(position, len(frames), count, dictionaries, 0, digest, END)


def pack_location(start: int, size: int, is_list: bool) -> int:
    """Packs an object's place in raw space into one integer of 56 bits."""
    return start | size << 32 | (LIST_BIT if is_list else 0)


def read_trailer(tail: bytes, file_bytes: int, name: str) -> tuple[int, int]:
    """Returns (position, bytes) of the contents; raises DamagedData when the file is cut short."""
    if len(tail) != TRAILER.size:
        raise DamagedData(f"pack {name} is cut short: {file_bytes} bytes")
    position, frames, objects, dictionaries, _, _, end = TRAILER.unpack(tail)
    if objects > OBJECTS_MAX or dictionaries > DICTIONARIES_MAX or frames > objects + dictionaries:
        raise DamagedData(f"pack {name} claims more frames or objects than a pack has")
    size = frames * FRAME.size + objects * (PREFIX + LOCATION)
    if end != END or position + size + TRAILER.size != file_bytes or position < len(HEADER):
        raise DamagedData(f"pack {name} does not end as a pack does")
    return position, size


def _is_sound(stored: int, raw_size: int, codec: int) -> bool:
    """Whether a frame may have these sizes: memory is taken by them before it is read."""
    if codec == RAW:
        return stored == raw_size > 0
    if codec == DICTIONARY_FRAME:
        return 0 < stored <= OBJECT_BYTES_MAX
    return 0 < stored <= raw_size <= OBJECT_BYTES_MAX


def decode_contents(tables: bytes, tail: bytes, name: str, *, verify: bool) -> Contents:
    """Reads the tables; with `verify` their hash is checked first."""
    position, frame_count, object_count, dictionary_count, _, digest, _ = TRAILER.unpack(tail)
    if verify and blake3(tables).digest() != digest:
        raise DamagedData(f"pack {name}: its table of contents is damaged")
    frames, raw_starts, dictionaries = [], [0], []
    at, raw = len(HEADER), 0
    for index, (stored, raw_size, codec) in enumerate(
        FRAME.iter_unpack(tables[: frame_count * FRAME.size])
    ):
        if not _is_sound(stored, raw_size, codec):
            raise DamagedData(f"pack {name}: frame {index} claims a size that no frame has")
        frames.append((at, stored, codec))
        at += stored
        if codec == DICTIONARY_FRAME:
            dictionaries.append(index)
            raw_starts.append(raw)
            continue
        raw += raw_size
        raw_starts.append(raw)
    if at != position or len(dictionaries) != dictionary_count or raw > RAW_SPACE_MAX:
        raise DamagedData(f"pack {name}: its frames do not add up")
    first = frame_count * FRAME.size
    middle = first + object_count * PREFIX
    return Contents(frames, raw_starts, dictionaries, tables[first:middle], tables[middle:], at)
