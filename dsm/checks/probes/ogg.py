"""Ogg by its pages: whole, in their order, and with the right check sums.

Decoders pass over pages that are damaged, and end where a file is cut off as if it ended there.
"""

from __future__ import annotations

import zlib

from dsm.checks.probes.probe import Content

PAGES_MAX = 10_000_000
_HEAD, _LAST = 27, 4
# The sum of zlib reads the bits of each byte the other way round.
_TURNED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def problem_of(content: Content) -> str | None:
    """Returns what is wrong with the pages of an Ogg file."""
    at = 0
    numbers: dict[bytes, int] = {}  # of the next page, by stream
    open_streams: set[bytes] = set()
    for _ in range(PAGES_MAX):
        if at >= content.size:
            return None
        content.file.seek(at)
        head = content.file.read(_HEAD)
        if head[:4] != b"OggS"[: len(head)]:  # what follows a whole stream is passed over
            return None if not open_streams else f"it is damaged at byte {at:,}"
        lengths = content.file.read(head[26]) if len(head) == _HEAD else b""
        body = content.file.read(sum(lengths))
        if len(head) < _HEAD or len(lengths) < head[26] or len(body) < sum(lengths):
            return "it is cut off"
        if _sum(head[:22] + bytes(4) + head[26:] + lengths + body) != head[22:26]:
            return f"the check sum of its page at byte {at:,} is wrong"
        stream, number = head[14:18], int.from_bytes(head[18:22], "little")
        if numbers.get(stream, number) != number:
            return f"pages are missing before byte {at:,}"
        numbers[stream] = (number + 1) % (1 << 32)
        open_streams.add(stream)
        if head[5] & _LAST:
            open_streams.discard(stream)
            del numbers[stream]
        at += _HEAD + len(lengths) + len(body)
    return f"it has more than {PAGES_MAX:,} pages"


def _sum(data: bytes) -> bytes:
    """Returns the check sum of a page as the page has it."""
    turned = zlib.crc32(data.translate(_TURNED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{turned:032b}"[::-1], 2).to_bytes(4, "little")
