"""Pack files: golden bytes, round trips, and that damaged bytes are never taken for others."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from blake3 import blake3
from hexdump import dump, parse
from hypothesis import given
from hypothesis import strategies as st
from mutation import damaged

from dsm.errors import DamagedData, DsmError
from dsm.format import chunk_list
from dsm.format import pack as fmt
from dsm.store.codec import decompressor
from dsm.store.packs import Pack, PackWriter

CONTENTS = [b"hello\n", b"", b"the second object\n", b"hello\nhello\n"]
# 100 times "a" and 100 times "b" as one magicless zstd frame: no library writes it anew.
FRAME = bytes.fromhex("000065000018616162020000a4e2278005")


def written(folder: Path, contents: list[bytes]) -> bytes:
    writer = PackWriter(str(folder / "new.pack"))
    for content in contents:
        writer.add(blake3(content).digest(), content, ".txt")
    name = writer.seal()
    data = (folder / "new.pack").read_bytes()
    assert name == blake3(data).digest()
    os.remove(folder / "new.pack")
    return data


def opened(folder: Path, data: bytes, *, verify: bool = False) -> Pack:
    path = folder / f"{os.urandom(4).hex()}.pack"
    path.write_bytes(data)
    return Pack(str(path), verify=verify)


def read(pack: Pack, oid: bytes) -> list[bytes]:
    found = []
    for row in pack.find(oid):
        frame, offset, size, _ = pack.place(row)
        found.append(pack.read(frame, offset, size))
    return found


def test_golden_pack(tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    """Objects that do not compress are written exactly so: header, bytes, tables, trailer."""
    golden("format/pack-v1.hex", dump(written(tmp_path, CONTENTS)))


def test_rows_of_a_table_are_sorted_however_they_came() -> None:
    """Rows that were made together are those that are made one by one, sorted, equal ones, too."""
    for count in (0, 1, 49, 50, 51, 1000):
        ids = [blake3(bytes([n % 7, n * n // 7 % 256])).digest() for n in range(count)]
        places = [(n * 2654435761) % (1 << 55) for n in range(count)]
        rows = [fmt.table_row(oid[: fmt.PREFIX], at) for oid, at in zip(ids, places, strict=True)]
        table, split = fmt.TableRows(), count // 3
        table.extend(fmt.table_rows(b"".join(ids[:split]), places[:split]))
        for row in rows[split:]:
            table.append(row)
        assert len(table) == count
        assert table.joined() == b"".join(sorted(rows))
        assert not len(table)


def test_golden_pack_reads(tmp_path: Path) -> None:
    """The golden pack is read, and verified, by what is there now."""
    text = (Path(__file__).parent.parent / "golden/format/pack-v1.hex").read_text()
    pack = opened(tmp_path, parse(text), verify=True)
    assert [read(pack, blake3(content).digest()) for content in CONTENTS] == [
        [content] for content in CONTENTS
    ]


def compressed_pack() -> tuple[bytes, list[bytes]]:
    """A pack by hand: two objects in one zstd frame, a raw object, a chunk list, an empty one."""
    assert decompressor()(FRAME, 200) == b"a" * 100 + b"b" * 100
    listed = chunk_list.encode(blake3(b"x").digest(), 0, b"", nested=False)
    body = fmt.HEADER + FRAME + b"raw object" + listed
    frames = [(len(FRAME), 200, fmt.ZSTD), (10 + len(listed), 10 + len(listed), fmt.RAW)]
    objects = [
        (blake3(b"a" * 100).digest()[: fmt.PREFIX], fmt.pack_location(0, 100, False)),
        (blake3(b"b" * 100).digest()[: fmt.PREFIX], fmt.pack_location(100, 100, False)),
        (blake3(b"raw object").digest()[: fmt.PREFIX], fmt.pack_location(200, 10, False)),
        (blake3(b"x").digest()[: fmt.PREFIX], fmt.pack_location(210, len(listed), True)),
        (blake3(b"").digest()[: fmt.PREFIX], fmt.pack_location(200, 0, False)),
    ]
    data = body + fmt.encode_contents(len(body), frames, objects)
    return data, [b"a" * 100, b"b" * 100, b"raw object", b""]


def test_golden_compressed_pack(tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    """Shared zstd frames, raw frames and chunk lists are told apart by the tables alone."""
    data, contents = compressed_pack()
    golden("format/pack-v1-compressed.hex", dump(data))
    pack = opened(tmp_path, data, verify=True)
    assert [read(pack, blake3(content).digest()) for content in contents] == [
        [content] for content in contents
    ]
    (row,) = pack.find(blake3(b"x").digest())
    assert pack.place(row)[3] is True


@given(st.lists(st.binary(max_size=200), max_size=40))
def test_what_was_added_is_read(
    tmp_path_factory: pytest.TempPathFactory, some: list[bytes]
) -> None:
    """Any objects, empty ones and duplicates included, come back under their ids."""
    folder = tmp_path_factory.mktemp("pack", numbered=True)
    contents = list(dict.fromkeys(some))
    pack = opened(folder, written(folder, contents), verify=True)
    assert len(pack) == len(contents)
    assert [read(pack, blake3(c).digest()) for c in contents] == [[c] for c in contents]


def test_a_location_holds_the_largest_values() -> None:
    """Start, size and kind share 56 bits without touching each other."""
    packed = fmt.pack_location(fmt.RAW_SPACE_MAX, fmt.OBJECT_BYTES_MAX, True)
    contents = fmt.Contents([], [0], [], bytes(10), packed.to_bytes(fmt.LOCATION, "little"), 0)
    assert contents.location(0) == (fmt.RAW_SPACE_MAX, fmt.OBJECT_BYTES_MAX, True)


def objects_of(data: bytes, folder: Path) -> dict[bytes, bytes]:
    """Reads every row of a pack's table; raises what `Pack` raises."""
    pack = opened(folder, data)
    found = {}
    for row in range(len(pack)):
        frame, offset, size, is_list = pack.place(row)
        content = pack.read(frame, offset, size)
        if not is_list:
            found[blake3(content).digest()] = content
    return found


@given(st.data())
def test_damage_ends_in_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Reading all of a damaged pack raises DsmError or gives bytes, which their hash then judges."""
    folder = tmp_path_factory.mktemp("pack", numbered=True)
    changed = data.draw(damaged(compressed_pack()[0]))
    with contextlib.suppress(DsmError):
        objects_of(changed, folder)


CLAIMS = {
    "four gigabytes in a small frame": (5, fmt.RAW_SPACE_MAX, fmt.ZSTD),
    "a frame that deflated to more": (1 << 30, 100, fmt.ZSTD),
    "raw bytes of two sizes": (5, 6, fmt.RAW),
    "no bytes": (0, 0, fmt.RAW),
    "no stored bytes": (0, 5, fmt.ZSTD),
    "a dictionary of a gigabyte": (1 << 30, 0, fmt.DICTIONARY_FRAME),
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_sizes_from_a_pack_are_not_trusted_with_memory(tmp_path: Path, claim: str) -> None:
    """A frame that claims what no frame has is refused before memory is taken for it."""
    frame = CLAIMS[claim]
    objects = [(bytes(fmt.PREFIX), fmt.pack_location(0, 5, False))]
    contents = fmt.encode_contents(len(fmt.HEADER) + frame[0], [frame], objects)
    path = tmp_path / "x.pack"
    with path.open("wb") as file:
        file.write(fmt.HEADER)
        file.seek(frame[0], os.SEEK_CUR)  # a hole takes no room on the disk
        file.write(contents)
    with pytest.raises(DamagedData, match="frame 0 claims a size that no frame has"):
        Pack(str(path))


@pytest.mark.parametrize(
    ("frames", "objects", "dictionaries"),
    [(300_000_000, 0, 0), (2, 1, 0), (1, fmt.OBJECTS_MAX + 1, 0), (66, 1, 65)],
)
def test_counts_from_a_pack_are_not_trusted_with_memory(
    tmp_path: Path, frames: int, objects: int, dictionaries: int
) -> None:
    """A pack that claims more than a pack has is refused before its tables are read."""
    import tracemalloc

    first = len(fmt.HEADER)
    size = frames * fmt.FRAME.size + objects * (fmt.PREFIX + fmt.LOCATION)
    path = tmp_path / "x.pack"
    with path.open("wb") as file:
        file.write(fmt.HEADER)
        file.seek(size, os.SEEK_CUR)
        file.write(fmt.TRAILER.pack(first, frames, objects, dictionaries, 0, bytes(32), fmt.END))
    tracemalloc.start()
    try:
        with pytest.raises(DamagedData, match="claims more frames or objects than a pack has"):
            Pack(str(path))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("length", [0, 1, 16, 71, 72, 87, 88])
def test_files_that_are_too_short(tmp_path: Path, length: int) -> None:
    """No prefix of a pack, and no file of zeros, is taken for a pack."""
    whole, _ = compressed_pack()
    for data in (whole[:length], bytes(length), whole[-length:] if length else b""):
        with pytest.raises(
            DamagedData,
            match=r"^pack [0-9a-f]{8} (is cut short|claims more frames or objects|does not end as a pack does)",
        ):
            opened(tmp_path, data)


def test_a_pipe_in_the_place_of_a_pack_does_not_hang(tmp_path: Path) -> None:
    """What is not a regular file is refused at once."""
    os.mkfifo(tmp_path / "x.pack")
    with pytest.raises(DsmError, match="Illegal seek"):
        Pack(str(tmp_path / "x.pack"))
