"""Videos by their headers: MP4 by its boxes, Matroska and WebM by their elements, AVI by its lists.

Nothing is decoded. What is cut off shows, since each part says how long it is; the parts inside of
the one that holds the pictures are passed over.
"""

from __future__ import annotations

from typing import Any

from dsm.checks.probes.probe import Content, Facts

PARTS_MAX = 1_000_000
CUT, BLIND = "it is cut off", "nothing describes it"
_SEGMENT, _TRACKS, _CLUSTER = 0x18538067, 0x1654AE6B, 0x1F43B675


def examine(content: Content, kind: str) -> Facts:
    """Reads the header of a video; a `problem` says what is wrong with it."""
    problem = {"video/mp4": _mp4, "video/x-msvideo": _avi}.get(kind, _matroska)(content)
    facts: dict[str, Any] = {"type": kind}
    return facts if problem is None else {**facts, "problem": problem}


def _many() -> str:
    return f"it has more than {PARTS_MAX:,} parts"


def _mp4(content: Content) -> str | None:
    """Walks over the boxes at the top: they end where the file ends, and one describes it."""
    at, seen = 0, set[bytes]()
    for _ in range(PARTS_MAX):
        if at == content.size:
            return None if b"moov" in seen else BLIND
        content.file.seek(at)
        head = content.file.read(16)
        size = int.from_bytes(head[:4], "big")
        if size == 1 and len(head) == 16:
            size = int.from_bytes(head[8:], "big")
        if len(head) < 8 or (size and (size < 8 or at + size > content.size)):
            return CUT
        seen.add(head[4:8])
        at = at + size if size else content.size  # 0: up to the end
    return _many()


def _matroska(content: Content) -> str | None:
    """Walks over the elements of the segment; one of no stated size is gone into."""
    at, seen = 0, set[int]()
    for _ in range(PARTS_MAX):
        if at == content.size:
            return None if {_SEGMENT, _TRACKS} <= seen else BLIND
        content.file.seek(at)
        head = content.file.read(12)
        name, width = _number(head, 4)
        said, more = _number(head[width:], 8)
        if not width or not more:
            return CUT if len(head) < 12 else f"it is damaged at byte {at:,}"
        seen.add(name)
        at += width + more
        size = said & (1 << 7 * more) - 1  # without the bit that says how long it is
        if size == (1 << 7 * more) - 1:
            if name not in (_SEGMENT, _CLUSTER):
                return f"it is damaged at byte {at - width - more:,}"
            continue
        if at + size > content.size:
            return CUT
        at += 0 if name == _SEGMENT else size
    return _many()


def _number(data: bytes, most: int) -> tuple[int, int]:
    """Returns a number whose first bits say its length, with those bits, and how many bytes it has;
    no bytes where there is none."""
    width = 9 - data[0].bit_length() if data else 9
    if width > most or len(data) < width:
        return 0, 0
    return int.from_bytes(data[:width], "big"), width


def _avi(content: Content) -> str | None:
    """Walks over the lists of each RIFF: one has the header, and one the pictures."""
    at, end, seen = 0, 0, set[bytes]()
    for _ in range(PARTS_MAX):
        if at >= content.size - content.size % 2:
            return None if {b"hdrl", b"movi"} <= seen else BLIND
        content.file.seek(at)
        head = content.file.read(12)
        size = int.from_bytes(head[4:8], "little")
        if len(head) < 8 or at + 8 + size > content.size:
            return CUT
        if at >= end:
            if head[:4] != b"RIFF" or len(head) < 12:
                return f"it is damaged at byte {at:,}"
            end = at + 8 + size
            at += 12
            continue
        if head[:4] == b"LIST":
            seen.add(head[8:])
        at += 8 + size + size % 2
    return _many()
