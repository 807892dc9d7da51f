"""Files that are whole, and the same ones broken in many ways."""

from __future__ import annotations

import io
import random
import struct
import wave
import zlib
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from PIL import Image
from pyarrow import parquet

RANDOM = random.Random(7)
PIXELS = Image.frombytes("RGB", (32, 24), RANDOM.randbytes(32 * 24 * 3))


def picture(form: str = "JPEG", pixels: Image.Image = PIXELS, **more: Any) -> bytes:
    out = io.BytesIO()
    pixels.save(out, form, **more)
    return out.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    """A part of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int) -> bytes:
    """A PNG file that says to be so large, and has little in it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1 << 16))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def placed() -> bytes:
    """A picture that says where it was taken."""
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 0.0), 3: "E", 4: (11.0, 34.0, 0.0)})
    return picture(exif=exif)


def signed() -> bytes:
    """A picture whose author left an address."""
    exif = Image.Exif()
    exif[0x013B] = "Jane jane.doe@example.org"
    return picture(exif=exif)


def sound(seconds: float = 1.0, rate: int = 8000, level: int = 8000, channels: int = 1) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        count = int(seconds * rate) * channels
        samples = (level if n % 16 < 8 else -level for n in range(count))
        file.writeframes(struct.pack(f"<{count}h", *samples))
    return out.getvalue()


def piped(wav: bytes) -> bytes:
    """A WAV file as programs write it to a pipe: without its sizes."""
    return wav[:4] + b"\xff" * 4 + wav[8:40] + b"\xff" * 4 + wav[44:]


def large(wav: bytes) -> bytes:
    """A WAV file in its form for more than four gigabytes."""
    sizes = struct.pack("<QQQI", len(wav) + 28, len(wav) - 44, 0, 0)
    parts = b"RF64\xff\xff\xff\xffWAVEds64" + struct.pack("<I", len(sizes)) + sizes
    return parts + wav[12:40] + b"\xff" * 4 + wav[44:]


def endless_flac() -> bytes:
    """A FLAC file whose header promises two weeks of sound, and that has none."""
    info = struct.pack(">HH", 4096, 4096) + bytes(6)
    info += (44100 << 44 | 1 << 41 | 15 << 36 | (1 << 36) - 1).to_bytes(8, "big") + bytes(16)
    return b"fLaC" + b"\x80\x00\x00\x22" + info


def table(values: Sequence[Any] = range(1000)) -> bytes:
    """A Parquet file of one column."""
    out = io.BytesIO()
    parquet.write_table(pa.table({"a": values}), out, compression="zstd", use_dictionary=False)
    return out.getvalue()


def video() -> bytes:
    """The boxes of an MP4 file, with nothing to be seen in it."""
    boxes = ((b"ftyp", b"isom\0\0\2\0isomiso2"), (b"moov", bytes(40)), (b"mdat", bytes(100)))
    return b"".join(struct.pack(">I", 8 + len(data)) + kind + data for kind, data in boxes)


def matroska(kind: bytes = b"webm", *, live: bool = False) -> bytes:
    """The elements of a Matroska file, with nothing to be seen in it; `live` states no sizes."""

    def element(name: str, data: bytes, known: bool = True) -> bytes:
        size = 0x01 << 56 | (len(data) if known else (1 << 56) - 1)
        return bytes.fromhex(name) + size.to_bytes(8, "big") + data

    head = element("1a45dfa3", bytes.fromhex("42868101") + b"\x42\x82\x84" + kind)
    cluster = element("e7", b"\0") + element("a3", bytes(100))
    parts = element("1549a966", bytes(20)) + element("1654ae6b", bytes(40))
    return head + element("18538067", parts + element("1f43b675", cluster, not live), not live)


def avi() -> bytes:
    """The lists of an AVI file, with nothing to be seen in it."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)

    lists = (b"hdrl" + chunk(b"avih", bytes(56)), b"movi" + chunk(b"00dc", bytes(101)))
    parts = [chunk(b"LIST", each) for each in lists]
    return chunk(b"RIFF", b"AVI " + b"".join(parts) + chunk(b"idx1", bytes(16)))
