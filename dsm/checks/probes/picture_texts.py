"""What pictures say of themselves: texts in EXIF, XMP, IPTC and comments, and a position on earth.

Read by hand: it needs no library, and what makes no sense is passed over. Only values that people
or their programs write as text are looked at, so that no bytes of a preview look like text; what
names the camera, whose versions and serial numbers look like other numbers, is passed over.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import BinaryIO

EXIF, XMP, TEXT = "EXIF", "XMP", "text"
Part = tuple[str, bytes]
Read = Callable[[int, int], bytes]  # some bytes from somewhere on

PARTS_MAX, PART_BYTES_MAX = 100_000, 1 << 20
SEARCHED_BYTES_MAX = 64 << 20
_ENTRIES_MAX = 1000
_GPS, _LATITUDE, _LONGITUDE, _DETAILS = 0x8825, 2, 4, 0x8769
_COMMENT, _XMP, _IPTC = 0x9286, 0x02BC, 0x83BB
_WIDE = range(0x9C9B, 0x9CA0)  # texts of Windows, in UTF-16
_CAMERA = (0x010F, 0x0110, 0x0131, 0xA431, 0xA433, 0xA434, 0xA435)
_BYTES, _ASCII, _UNDEFINED = 1, 2, 7
_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_XMP_HEADS = (b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0")
_POSITION = "exif:GPSLatitude"


def texts_of(file: BinaryIO, kind: str) -> Iterator[str]:
    """Yields the texts that a picture has beside its pixels."""
    for read in _exifs(file, kind):
        yield from _exif_texts(read)
    for form, data in _parts(file, kind):
        if form != EXIF:
            yield _decoded(data)


def position_in(file: BinaryIO, kind: str) -> str | None:
    """Returns where a picture says on which place of the earth it was taken: `EXIF` or `XMP`."""
    if any(map(_has_position, _exifs(file, kind))):
        return EXIF
    return XMP if any(_POSITION in text for text in texts_of(file, kind)) else None


def _exifs(file: BinaryIO, kind: str) -> Iterator[Read]:
    if kind == "image/tiff":
        yield lambda at, size: _read(file, at, size)
    for form, data in _parts(file, kind):
        if form == EXIF:
            yield _reader(data)


def _parts(file: BinaryIO, kind: str) -> Iterator[Part]:
    walk = {"image/jpeg": _of_jpeg, "image/png": _of_png, "image/webp": _of_webp,
            "image/heif": _searched, "image/avif": _searched}.get(kind)  # fmt: skip
    return iter(()) if walk is None else walk(file)


def _read(file: BinaryIO, at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(min(size, PART_BYTES_MAX))


def _reader(data: bytes) -> Read:
    return lambda at, size: data[at : at + size]


def _of_jpeg(file: BinaryIO) -> Iterator[Part]:
    """Yields the segments before the first scan."""
    at = 2
    for _ in range(PARTS_MAX):
        head = _read(file, at, 4)
        if len(head) < 4 or head[0] != 0xFF or head[1] == 0xDA:
            return
        if head[1] == 0xFF:  # padding
            at += 1
            continue
        size = int.from_bytes(head[2:], "big")
        if head[1] in (0xE1, 0xED, 0xFE):
            yield _segment(head[1], _read(file, at + 4, max(0, size - 2)))
        at += 2 + size


def _segment(marker: int, data: bytes) -> Part:
    if marker == 0xE1 and data.startswith(b"Exif\0\0"):
        return EXIF, data[6:]
    return XMP if data.startswith(_XMP_HEADS) else TEXT, data


def _of_png(file: BinaryIO) -> Iterator[Part]:
    at = 8
    for _ in range(PARTS_MAX):
        head = _read(file, at, 8)
        if len(head) < 8 or head[4:] == b"IEND":
            return
        size, name = int.from_bytes(head[:4], "big"), head[4:]
        if name == b"eXIf":
            yield EXIF, _read(file, at + 8, size)
        elif name in (b"tEXt", b"zTXt", b"iTXt"):
            yield _png_text(name, _read(file, at + 8, size))
        at += 12 + size


def _png_text(name: bytes, data: bytes) -> Part:
    """Returns what a chunk of text says; ImageMagick writes whole profiles in hex into one."""
    keyword, _, rest = data.partition(b"\0")
    if name == b"zTXt":
        rest = _unpacked(rest[1:])
    elif name == b"iTXt":
        packed, rest = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
        rest = _unpacked(rest) if packed else rest
    if keyword.startswith(b"Raw profile type "):
        with suppress(ValueError):
            rest = bytes.fromhex(b"".join(rest.split()[2:]).decode("latin-1"))
        if rest.startswith(b"Exif\0\0"):
            return EXIF, rest[6:]
    return TEXT, rest


def _unpacked(data: bytes) -> bytes:
    with suppress(zlib.error):
        return zlib.decompressobj().decompress(data, PART_BYTES_MAX)
    return b""


def _of_webp(file: BinaryIO) -> Iterator[Part]:
    at = 12
    for _ in range(PARTS_MAX):
        head = _read(file, at, 8)
        if len(head) < 8:
            return
        size = int.from_bytes(head[4:], "little")
        if head[:4] == b"EXIF":
            yield EXIF, _read(file, at + 8, size).removeprefix(b"Exif\0\0")
        elif head[:4] == b"XMP ":
            yield XMP, _read(file, at + 8, size)
        at += 8 + size + size % 2


def _searched(file: BinaryIO) -> Iterator[Part]:
    """Yields what phones write into HEIF; boxes within boxes tell its place, so it is searched."""
    file.seek(0)
    data = file.read(SEARCHED_BYTES_MAX)
    for order in (b"II*\0", b"MM\0*"):
        at = data.find(b"Exif\0\0" + order)
        if at >= 0:
            yield EXIF, data[at + 6 : at + PART_BYTES_MAX]
    at = data.find(b"<x:xmpmeta")
    if at >= 0:
        yield XMP, data[at : data.find(b"</x:xmpmeta>", at, at + PART_BYTES_MAX)]


def _has_position(read: Read) -> bool:
    """Whether EXIF says a latitude and a longitude."""
    for tag, _, where in _entries(read, None):
        if tag == _GPS:
            return {_LATITUDE, _LONGITUDE} <= {tag for tag, _, _ in _entries(read, where)}
    return False


def _exif_texts(read: Read) -> Iterator[str]:
    directories: list[int | None] = [None]
    for at in directories:
        for tag, value, where in _entries(read, at):
            if tag == _DETAILS and len(directories) == 1:
                directories.append(where)
            elif tag in _WIDE:
                yield value.decode("utf-16-le", "replace")
            elif tag == _COMMENT and value.startswith(b"UNICODE\0"):
                yield from (value[8:].decode(f"utf-16-{end}", "replace") for end in ("le", "be"))
            elif value:
                yield _decoded(value)


def _entries(read: Read, at: int | None) -> Iterator[tuple[int, bytes, int]]:
    """Yields the entries of one directory (None: of the first): the tag, its bytes where it is a
    text, and its value as a number."""
    head = read(0, 8)
    order = {b"II": "little", b"MM": "big"}.get(head[:2])
    if order is None:
        return

    def number(data: bytes) -> int:
        return int.from_bytes(data, "little" if order == "little" else "big")

    at = number(head[4:8]) if at is None else at
    count = min(number(read(at, 2)), _ENTRIES_MAX)
    table = read(at + 2, 12 * count)
    for begin in range(0, len(table) - 11, 12):
        entry = table[begin : begin + 12]
        tag, form = number(entry[:2]), number(entry[2:4])
        size, where = number(entry[4:8]) * _WIDTHS.get(form, 1), number(entry[8:])
        value = b""
        if _is_text(tag, form) and size <= PART_BYTES_MAX:
            value = entry[8 : 8 + size] if size <= 4 else read(where, size)
        yield tag, value, where


def _is_text(tag: int, form: int) -> bool:
    if form == _ASCII:
        return tag not in _CAMERA
    return tag in (_XMP, _IPTC) or (form in (_BYTES, _UNDEFINED) and tag in (_COMMENT, *_WIDE))


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
