"""Copying what is needed of a pack into another one, each object proven on the way."""

from __future__ import annotations

from collections.abc import Container, Iterator

from blake3 import blake3

from dsm.errors import DamagedData
from dsm.format import chunk_list
from dsm.format import pack as pack_format
from dsm.store.packs import Pack, PackWriter

REPACK_BELOW = 0.5  # a pack is rewritten when less than this share of it is live


def bytes_of(spans: list[tuple[int, int]]) -> int:
    """Returns how many bytes of raw space these (start, size) take: objects may overlap."""
    total = reach = 0
    for start, size in sorted(spans):
        total += max(0, start + size - max(start, reach))
        reach = max(reach, start + size)
    return total


def rows_of(pack: Pack) -> Iterator[tuple[int, bytes]]:
    """Yields (row, prefix of the id) for every object in a pack's table."""
    table, width = pack.contents.prefixes, pack_format.PREFIX
    for row in range(len(pack)):
        yield row, table[row * width : row * width + width]


def copy_live(pack: Pack, live: Container[bytes], writer: PackWriter) -> None:
    """Writes those objects of a pack whose prefix is in `live`, as they lie.

    Raises DamagedData when one of them is not what the table says.
    """
    for row, parts in _with_parts(pack, live):
        data, oid = _proven(pack, row)
        start, _, is_list = pack.contents.location(row)
        members: dict[bytes, tuple[int, int]] = {}
        for part in parts:
            at, size, _ = pack.contents.location(part)
            members.setdefault(_proven(pack, part)[1], (at - start, size))
        if is_list:
            writer.add_list(oid, data)
        elif members:
            writer.add_group(oid, data, members, "")
        else:
            writer.add(oid, data, "")


def verify_objects(pack: Pack) -> Iterator[bytes]:
    """Yields the id of every object of a pack, each hashed; a chunk list's is the one it names.

    Raises DamagedData when one is not what the table says.
    """
    order = sorted(range(len(pack)), key=lambda row: pack.contents.location(row)[0])
    for row in order:
        data, oid = _proven(pack, row)
        if pack.contents.location(row)[2] and not chunk_list.names(data, oid):
            raise DamagedData(f"pack {pack.name}: a chunk list in it is damaged")
        yield oid


def faulty_objects(pack: Pack) -> Iterator[bytes]:
    """Yields the prefixes of the objects of a pack that are not what its table says."""
    for row, prefix in rows_of(pack):
        try:
            data, oid = _proven(pack, row)
        except DamagedData:
            yield prefix
            continue
        if pack.contents.location(row)[2] and not chunk_list.names(data, oid):
            yield prefix


def prefixes_of(table: bytes) -> set[bytes]:
    """Returns the prefixes of ids in the table of a pack."""
    width = pack_format.PREFIX
    return {table[at : at + width] for at in range(0, len(table), width)}


def _with_parts(pack: Pack, live: Container[bytes]) -> Iterator[tuple[int, list[int]]]:
    """Yields the live rows of a pack as they lie, each with those that are parts of its bytes."""
    rows = [row for row, prefix in rows_of(pack) if prefix in live]
    places = {row: pack.contents.location(row) for row in rows}
    rows.sort(key=lambda row: (places[row][0], -places[row][1]))
    whole, parts, reach = -1, [], 0
    for row in rows:
        start, size, is_list = places[row]
        if whole >= 0 and not is_list and not places[whole][2] and 0 < size <= reach - start:
            parts.append(row)
            continue
        if whole >= 0:
            yield whole, parts
        whole, parts, reach = row, [], start + size
    if whole >= 0:
        yield whole, parts


def _proven(pack: Pack, row: int) -> tuple[bytes, bytes]:
    """Returns the bytes and the id of a row. Raises DamagedData when they are not what it says."""
    frame, offset, size, is_list = pack.place(row)
    data = pack.read(frame, offset, size)
    oid = data[4:36] if is_list else blake3(data).digest()
    width = pack_format.PREFIX
    if oid[:width] != pack.contents.prefixes[row * width : row * width + width]:
        raise DamagedData(
            f"pack {pack.name} is damaged: an object is not what it should be",
            hint="run `dsm fsck --full`",
        )
    return data, oid
