"""The work tree index on disk: a checked base file, and a log of what changed since.

base: magic 8 · header length u32 · header JSON · a page per folder · BLAKE3
log:  magic 8 · first 16 bytes of the base's BLAKE3 · records (length u32, BLAKE3[:16], JSON)

A page holds the names (deflated), a signed 64-bit mark per name, and the ids of the examples whose
mark is UNKNOWN. Derived data of one machine: whatever does not check out is dropped and rebuilt.
Specified in docs/format/index-file.md.
"""

from __future__ import annotations

import contextlib
import json
import struct
import sys
import zlib
from array import array
from collections.abc import Iterator
from typing import Any

from blake3 import blake3

from dsm.model.deflated import RATIO, deflate, inflate

# What is known of the file of an example. A mark is a hash of its stat at a moment when its content
# was the tracked one; ABSENT: it has none here, by intent; bytes: only the id is known.
ABSENT = 0
UNKNOWN = -1
CONTENT = 0xFFFF
Mark = int | bytes

MAGIC = b"DSMINDX\x01"
LOG_MAGIC = b"DSMILOG\x01"
LENGTH = struct.Struct("<I")
NAME_BYTES_MAX = 255
# What the records of a log may inflate to, beside RATIO times what they take: few bytes each, which
# may be deflated further.
LOG_BYTES_FREE = 16 << 20
# Marks are hashes of integer tuples by this interpreter; another kind of one may hash otherwise.
HASHING = f"{sys.implementation.name}-{sys.hash_info.width}-{sys.hash_info.modulus:x}"


def mark_of(stat: tuple[int, int, int, int], oid: bytes) -> int:
    """Returns the mark of a file with this stat (mtime_ns, ctime_ns, inode, size) and content.

    48 bits tell the stat, which is all that `status` needs; 16 bits tell the content, so that a
    file with another stat is mostly recognised as modified without asking the history.
    """
    return (hash(stat) & ~CONTENT) | int.from_bytes(oid[:2], "big") or 1


def fits(mark: Mark | None, stat: tuple[int, int, int, int]) -> bool:
    """Whether a file with this stat is the one that was marked."""
    return isinstance(mark, int) and 0 <= mark ^ hash(stat) <= CONTENT


def may_be(mark: int, oid: bytes) -> bool:
    """Whether the marked content may have this id; False is certain."""
    return mark & CONTENT == int.from_bytes(oid[:2], "big")


def content_of(mark: int) -> bytes:
    """Returns the first two bytes of the id of the marked content, or ones that look like it."""
    return (mark & CONTENT).to_bytes(2, "big")


def encode_base(position: dict[str, Any], folders: dict[str, dict[str, Mark]]) -> bytes:
    """Returns the base file of these folders ("" is the root) and their names' marks."""
    table, pages = [], []
    for folder, marks in folders.items():
        if not marks:
            continue
        names = zlib.compress("\0".join(marks).encode(), 1)
        unknown = [
            (row, mark) for row, mark in enumerate(marks.values()) if isinstance(mark, bytes)
        ]
        values = array("q", [UNKNOWN if isinstance(m, bytes) else m for m in marks.values()])
        page = names + _little(values) + b"".join(LENGTH.pack(row) + oid for row, oid in unknown)
        table.append((folder, len(names), len(marks), len(unknown)))
        pages.append(page)
    head = json.dumps(
        {"position": position, "hashing": HASHING, "folders": table}, separators=(",", ":")
    ).encode()
    body = b"".join((MAGIC, LENGTH.pack(len(head)), head, *pages))
    return body + blake3(body).digest()


class Base:
    """A decoded base file; pages are decoded when asked for. Raises ValueError when damaged."""

    def __init__(self, data: bytes):
        self.size = len(data)
        body, self.digest = memoryview(data)[:-32], data[-32:]
        if bytes(body[:8]) != MAGIC or blake3(body).digest() != self.digest:
            raise ValueError("not an intact index")
        first = 8 + LENGTH.size
        end = first + LENGTH.unpack_from(data, 8)[0]
        self._body = body
        self._places: dict[str, tuple[int, int, int, int]] = {}
        at = end
        with _sound():
            head = json.loads(bytes(body[first:end]))
            if head["hashing"] != HASHING:
                raise ValueError("written by another kind of interpreter")
            self.position = _checked_position(head["position"])
            for folder, names, count, unknown in head["folders"]:
                if not isinstance(folder, str) or not _are_counts(names, count, unknown):
                    raise ValueError("not an intact index: a folder is of another kind")
                self._places[folder] = (at, names, count, unknown)
                at += names + 8 * count + 36 * unknown
        if at != len(body):
            raise ValueError("pages do not add up")

    def folders(self) -> list[str]:
        return list(self._places)

    def count(self) -> int:
        return sum(count for _, _, count, _ in self._places.values())

    def page(self, folder: str) -> dict[str, Mark]:
        """Returns the names of one folder with their marks; empty when it is not there."""
        place = self._places.get(folder)
        if place is None:
            return {}
        with _sound():
            return self._page(*place)

    def _page(self, at: int, packed: int, count: int, unknown: int) -> dict[str, Mark]:
        joined = inflate(self._body[at : at + packed], count * (NAME_BYTES_MAX + 1))
        if joined.count(b"\0") != count - 1:
            raise ValueError("not an intact index: names are missing")
        names = joined.decode().split("\0")
        at += packed
        values = array("q")
        values.frombytes(self._body[at : at + 8 * count])
        if sys.byteorder == "big":
            values.byteswap()
        marks: dict[str, Mark] = dict(zip(names, values.tolist(), strict=True))
        at += 8 * count
        for _ in range(unknown):
            marks[names[LENGTH.unpack_from(self._body, at)[0]]] = bytes(
                self._body[at + 4 : at + 36]
            )
            at += 36
        return marks


def _are_counts(*values: Any) -> bool:
    return all(type(value) is int and 0 <= value < 1 << 40 for value in values)


def _checked_position(value: Any) -> dict[str, Any]:
    """Returns a position whose known fields are of their kinds. Raises ValueError, LookupError."""
    segments, place = value["segments"], value.get("place", ["", 0])
    sound = (
        _are_counts(value["head"])
        and isinstance(value["id"], str)
        and isinstance(segments, list)
        and all(isinstance(name, str) for name in segments)
        and [type(each) for each in place] == [str, int]
    )
    if not sound:
        raise ValueError("not an intact index: its position is of another kind")
    position: dict[str, Any] = value
    return position


def _checked_mark(path: Any, mark: Any) -> Mark | None:
    """Returns the mark of a log. Raises ValueError."""
    if isinstance(path, str):
        if mark is None or (type(mark) is int and -(1 << 63) <= mark < 1 << 63):
            return mark
        if isinstance(mark, str) and len(mark) == 64:
            return bytes.fromhex(mark)
    raise ValueError("not an intact index: a mark is of another kind")


@contextlib.contextmanager
def _sound() -> Iterator[None]:
    """Turns whatever nonsense under a fitting hash leads to into ValueError."""
    try:
        yield
    except (
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
        struct.error,
        zlib.error,
    ) as error:
        raise ValueError(f"not an intact index: {error}") from error


def log_head(base_digest: bytes) -> bytes:
    """Returns how the log of that base begins."""
    return LOG_MAGIC + base_digest[:16]


def encode_record(position: dict[str, Any], changes: dict[str, Mark | None]) -> bytes:
    """Returns one log record; None removes a path."""
    rows = [
        [path, mark.hex() if isinstance(mark, bytes) else mark] for path, mark in changes.items()
    ]
    data = deflate(json.dumps([position, rows], separators=(",", ":")).encode(), 1)
    return LENGTH.pack(len(data)) + blake3(data).digest()[:16] + data


def decode_log(
    data: bytes, base_digest: bytes
) -> tuple[list[tuple[dict[str, Any], dict[str, Mark | None]]], bool]:
    """Returns (position, changes) per record, and whether the whole file is intact.

    A torn last record is what a crash leaves: it and what follows is ignored.
    """
    head = log_head(base_digest)
    if data[: len(head)] != head:
        return [], not data
    records: list[tuple[dict[str, Any], dict[str, Mark | None]]] = []
    at, left = len(head), LOG_BYTES_FREE + RATIO * len(data)
    while at < len(data):
        if at + 20 > len(data):
            return records, False
        size = LENGTH.unpack_from(data, at)[0]
        body = data[at + 20 : at + 20 + size]
        if len(body) != size or blake3(body).digest()[:16] != data[at + 4 : at + 20]:
            return records, False
        with _sound():
            text = inflate(body, left)
            left -= len(text)
            position, rows = json.loads(text)
            changes = {path: _checked_mark(path, mark) for path, mark in rows}
            records.append((_checked_position(position), changes))
        at += 20 + size
    return records, True


# No record is as large: a log is short beside its base.
RECORD_BYTES_MAX = 1 << 28


def cut_short(data: bytes, base_digest: bytes) -> bool:
    """Whether a log merely ends too early, as an append that a power cut interrupted leaves it."""
    head = log_head(base_digest)
    if data[: len(head)] != head:
        return head.startswith(data.rstrip(b"\0"))
    at = len(head)
    for _ in decode_log(data, base_digest)[0]:
        at += 20 + LENGTH.unpack_from(data, at)[0]
    rest = data[at:]
    size = LENGTH.unpack_from(rest)[0] if len(rest) >= LENGTH.size else 0
    if size > RECORD_BYTES_MAX:  # no append begins so, as text that somebody put there does
        return False
    if len(rest) < 20 or not rest.strip(b"\0"):
        return True
    return size > len(rest) - 20 and _begins_deflated(rest[20:].rstrip(b"\0"))


def _begins_deflated(data: bytes) -> bool:
    """Whether bytes may be the beginning of what `deflate` makes."""
    try:
        ended = zlib.decompressobj()
        ended.decompress(data, LOG_BYTES_FREE)
    except zlib.error:
        return False
    return not ended.eof


def _little(values: array[int]) -> bytes:
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()
