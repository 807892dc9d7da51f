"""Plain text, and what is compressed, as records."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
from collections.abc import Callable
from typing import Any

import pytest
import zstandard
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st
from stored_groups import Groups

from dsm.records import compressed
from dsm.records.gathering import Read, RecordsInvalid
from dsm.records.reader import fields_of, read_records
from dsm.records.settings import RecordSettings

PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress, "zstd": zstandard.compress, "bzip2": bz2.compress, "xz": lzma.compress
}  # fmt: skip


def read(data: bytes, store: Groups | None = None, form: str = "text", **asked: Any) -> Read:
    return read_records(io.BytesIO(data), f"t.{form}", RecordSettings(form, **asked), store)


def texts(data: bytes, **asked: Any) -> list[str]:
    store = Groups()
    found = read(data, store, **asked)
    assert (blake3(data).digest(), len(data)) == (found.oid, found.size)
    return [fields_of(store.parts[oid], found.settings)["text"] for oid in found.oids]


@pytest.mark.parametrize(
    ("data", "asked", "expected"),
    [
        (b"", {}, []),
        (b"one\n\n  \ntwo", {}, ["one", "two"]),
        (b"\xef\xbb\xbfone\r\ntwo \r\n", {}, ["one", "two "]),
        ("\u2028a\x0b\n".encode(), {}, ["\u2028a\x0b"]),
        (b"caf\xe9\n", {"encoding": "latin-1"}, ["caf\xe9"]),
    ],
)
def test_records_are_lines(data: bytes, asked: dict[str, Any], expected: list[str]) -> None:
    """A record is a line without its end; blank ones are none."""
    assert expected == texts(data, **asked)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"one\n\n\xff\n", "line 3: is not UTF-8"),
        (b"\xff\xfea\x00\n\x00", "line 1: is UTF-16"),
        (b"one\n" + b"x" * (9 << 20), "line 2: is 9,4[0-9,]+ bytes long or longer"),
    ],
)
def test_what_is_no_text_is_refused(data: bytes, words: str) -> None:
    """The line is named, and nothing takes memory without bound."""
    with pytest.raises(RecordsInvalid, match=words):
        read(data)


def test_frames_that_say_nothing_are_passed_over() -> None:
    """Zstandard has such, before others as `pzstd` writes them and behind all as an index."""
    data, idle = PACKED["zstd"](b"one\ntwo\n"), b"\x5e\x2a\x4d\x18\x03\0\0\0abc"
    for frames in (idle + data, data + idle, idle + data + idle + data):
        found = read_records(io.BytesIO(frames), "t.txt.zst", RecordSettings("text"))
        assert len(found) == 2 * frames.count(data)


@pytest.mark.parametrize("name", PACKED)
def test_damage_of_a_stream_is_told_with_its_place(name: str) -> None:
    """By the byte of the file and in words of dsm, not by numbers of the library that unpacks."""
    data = PACKED[name](b"one\ntwo\n" * 99)
    for behind, words in (
        (data[:6] + b"\xff" * len(data), rf"its {name} stream cannot be unpacked from byte 0 on"),
        (
            data + b"more" * 8,
            f"what follows its {name} stream, from byte {len(data):,} on, is no other",
        ),
    ):
        with pytest.raises(RecordsInvalid, match=rf"^t\.txt is damaged: {words}"):
            read_records(io.BytesIO(behind), "t.txt", RecordSettings("text"))


@pytest.mark.parametrize("name", PACKED)
@given(
    lines=st.lists(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1), max_size=8),
    parts=st.integers(1, 3),
)
def test_compressed_text_has_the_records_of_the_text(
    name: str, lines: list[str], parts: int
) -> None:
    """Of several streams behind each other all count; the file itself is stored as it is."""
    pieces = [("".join(line + "\n" for line in lines)).encode()] * parts
    data = b"".join(map(PACKED[name], pieces))
    store = Groups()
    found = read(data, store)
    plain = read(b"".join(pieces))
    assert (plain.keys, plain.oids, plain.sizes) == (found.keys, found.oids, found.sizes)
    assert (blake3(data).digest(), len(data)) == (found.oid, found.size)
    assert ([data], name) == (store.streams, found.settings.found.compression)
    assert {line.encode() for line in lines} == set(store.parts.values())


@pytest.mark.parametrize("name", PACKED)
def test_what_is_cut_off_or_damaged_is_refused(name: str) -> None:
    """Wherever a compressed file ends early, or a byte of it is another, it is told of the file."""
    rng = random.Random(1)
    packed = PACKED[name](rng.randbytes(3000).hex().encode())
    for end in (7, 20, len(packed) // 2, len(packed) - 1):
        with pytest.raises(RecordsInvalid, match=r"t\.text is (cut off|damaged)"):
            read(packed[:end])
    with pytest.raises(RecordsInvalid, match=r"t\.text is (cut off|damaged)"):
        read(packed + packed[: len(packed) // 2])
    if name == "zstd":  # which has no checksum unless it is asked for
        packed = zstandard.ZstdCompressor(write_checksum=True).compress(b"one\n" * 2000)
    with pytest.raises(RecordsInvalid, match=r"t\.text is damaged"):
        read(
            packed[:-1] + bytes([packed[-1] ^ 255])
            if name == "zstd"
            else packed[:40] + bytes([packed[40] ^ 255]) + packed[41:]
        )


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("line", [b"a\n", b"x" * 100_000 + b"\n"])
def test_bombs_are_refused(name: str, line: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """What unpacks to far more than it is, or to far more lines, ends early."""
    monkeypatch.setattr(compressed, "_SPARED", 1 << 20)
    monkeypatch.setattr(compressed, "_LINES_SPARED", 1 << 10)
    packed = PACKED[name](line * (8_000_000 // len(line)))
    with pytest.raises(RecordsInvalid, match="unpacks to more than"):
        read(packed)
