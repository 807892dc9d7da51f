"""Deterministic tar: the same members give the same bytes, on any machine.

Plain USTAR headers with fixed owner, mode and time; a PAX header only where a name or a size does
not fit. A header is a template with name, size and checksum filled in.
"""

from __future__ import annotations

from zlib import adler32

BLOCK = 512
NAME_BYTES = 100
OCTAL_SIZE_MAX = 8 << 30

_MODE_IDS = b"0000644\0" + b"0000000\0" + b"0000000\0"
_TIME = b"00000000000\0"
_OWNERS = b"ustar\x0000" + bytes(32) + bytes(32) + b"0000000\0" + b"0000000\0"
_AFTER_TYPE = bytes(100) + _OWNERS + bytes(155 + 12)
_FIXED_SUM = sum(_MODE_IDS) + sum(_TIME) + sum(_AFTER_TYPE) + 8 * ord(" ")
_REGULAR_SUM = _FIXED_SUM - 1 + ord("0")
_REGULAR = b"%b" + _MODE_IDS + b"%b" + _TIME + b"%06o\0 0" + _AFTER_TYPE
END = bytes(2 * BLOCK)


def header(name: str, size: int) -> bytes:
    """Returns the header block (preceded by a PAX header if need be) of a regular file."""
    raw = name.encode()
    if len(raw) <= NAME_BYTES and size < OCTAL_SIZE_MAX:
        octal = b"%011o\0" % size  # `_block` written out: a tar has nothing else
        total = _REGULAR_SUM + (adler32(raw + octal) & 0xFFFF)
        return _REGULAR % (raw.ljust(NAME_BYTES, b"\0"), octal, total)
    records = b""
    if len(raw) > NAME_BYTES:
        records += _record(b"path", raw)
    if size >= OCTAL_SIZE_MAX:
        records += _record(b"size", str(size).encode())
    pax = _block(b"PaxHeaders/" + _cut(raw, NAME_BYTES - 11), len(records), b"x")
    short = _block(_cut(raw, NAME_BYTES), 0 if size >= OCTAL_SIZE_MAX else size, b"0")
    return pax + records + padding(len(records)) + short


def padding(size: int) -> bytes:
    """Returns the zeros that follow a member of this many bytes."""
    return bytes(-size % BLOCK)


def _block(raw: bytes, size: int, kind: bytes) -> bytes:
    octal = b"%011o\0" % size
    # The low half of an Adler-32 is 1 more than the sum of (at most 256) bytes: five times as fast.
    total = _FIXED_SUM + (adler32(raw + octal) & 0xFFFF) - 1 + kind[0]
    return b"".join(
        (raw.ljust(NAME_BYTES, b"\0"), _MODE_IDS, octal, _TIME, b"%06o\0 " % total, kind,
         _AFTER_TYPE)
    )  # fmt: skip


def _cut(raw: bytes, limit: int) -> bytes:
    """Shortens UTF-8 at a character boundary: readers that ignore PAX still see valid text."""
    return raw if len(raw) <= limit else raw[:limit].decode(errors="ignore").encode()


def _record(key: bytes, value: bytes) -> bytes:
    size = len(key) + len(value) + 3
    total = size + len(str(size))
    if len(str(total)) != len(str(size)):
        total = size + len(str(total))
    return b"%d %s=%s\n" % (total, key, value)
