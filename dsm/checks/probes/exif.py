"""EXIF of pictures, as far as personal data goes: a position on earth, and texts.

Read by hand: it needs no library, and what makes no sense is passed over.
"""

from __future__ import annotations

_GPS, _LATITUDE, _LONGITUDE = 0x8825, 2, 4
_ENTRIES_MAX = 1000
_SEGMENTS_MAX = 200


def exif_of(data: bytes) -> bytes | None:
    """Returns the EXIF of a JPEG, PNG or WebP file as TIFF bytes; None where there is none."""
    if data.startswith(b"\xff\xd8"):
        return _of_jpeg(data)
    if data.startswith(b"\x89PNG"):
        at = data.find(b"eXIf", 8)
        return data[at + 4 : at + 4 + int.from_bytes(data[at - 4 : at], "big")] if at > 8 else None
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        at = data.find(b"EXIF", 12)
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        return data[at + 8 : at + 8 + size].removeprefix(b"Exif\0\0") if at > 0 else None
    return data if data[:4] in (b"II*\0", b"MM\0*") else None


def _of_jpeg(data: bytes) -> bytes | None:
    at = 2
    for _ in range(_SEGMENTS_MAX):
        if data[at : at + 1] != b"\xff" or data[at + 1 : at + 2] in (b"\xda", b""):
            return None
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            return data[at + 10 : at + 2 + size]
        at += 2 + size
    return None


def has_position(exif: bytes) -> bool:
    """Whether EXIF says a latitude and a longitude."""
    order = {b"II": "little", b"MM": "big"}.get(exif[:2])
    if order is None:
        return False
    first = int.from_bytes(exif[4:8], order)  # type: ignore[arg-type]
    for tag, where in _entries(exif, first, order):
        if tag == _GPS:
            return {_LATITUDE, _LONGITUDE} <= {t for t, _ in _entries(exif, where, order)}
    return False


def _entries(exif: bytes, at: int, order: str) -> list[tuple[int, int]]:
    """Returns tag and value of the entries of one directory."""
    count = int.from_bytes(exif[at : at + 2], order)  # type: ignore[arg-type]
    found = []
    for number in range(min(count, _ENTRIES_MAX)):
        entry = exif[at + 2 + 12 * number : at + 14 + 12 * number]
        if len(entry) < 12:
            break
        tag, value = int.from_bytes(entry[:2], order), int.from_bytes(entry[8:], order)  # type: ignore[arg-type]
        found.append((tag, value))
    return found
