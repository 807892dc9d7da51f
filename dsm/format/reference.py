"""A reference: where the bytes of an object stay, when they are kept at an address and not here.

It lies in a pack in place of a chunk list. It says what the bytes must be: the id and the size, and
of a large object the ids of its blocks, so that any part of it is verified by itself. Specified in
docs/format/reference.md.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Any

from blake3 import blake3

from dsm.errors import DamagedData
from dsm.format.chunk_list import DIGEST, REFERENCE, ROW, iterate
from dsm.format.pack import OBJECT_BYTES_MAX

HEAD = struct.Struct("<4s32sQI")  # magic, object id, object bytes, bytes of the rows
BLOCK_BYTES = (1 << 20, 2 << 20, 4 << 20)
ROWS_MAX = 200_000  # so that a reference is no larger than an object may be
PLACE_BYTES_MAX = 1 << 14


@dataclass(frozen=True, slots=True)
class Reference:
    """An object at an address: the file `name` below `at`, from byte `start` on.

    `size` in bytes; `etag` and `modified` (seconds since 1970, by the clock of the place) are those
    of the whole file, when it was read; `path` is the example that it was referenced for. `blocks`
    are rows of (id, bytes) of a large object, none of a small one.
    """

    oid: bytes
    size: int
    at: str
    name: str
    start: int = 0
    etag: str | None = None
    modified: float | None = None
    path: str = ""
    blocks: bytes = b""

    @property
    def address(self) -> str:
        """The address of the file."""
        return f"{self.at.rstrip('/')}/{self.name}"

    def is_same_place(self, other: Reference) -> bool:
        """Whether both say the same of the same bytes, for whatever example."""
        mine = (self.oid, self.at, self.name, self.start, self.etag, self.modified)
        return mine == (
            other.oid, other.at, other.name, other.start, other.etag, other.modified
        )  # fmt: skip


def block_bytes(size: int) -> int:
    """Returns in how large blocks an object of this size is verified; 0 when it is too large."""
    return next((each for each in BLOCK_BYTES if size <= each * ROWS_MAX), 0)


def is_one(payload: bytes) -> bool:
    """Whether the bytes in place of a list are a reference."""
    return payload[:4] == REFERENCE


def encode(reference: Reference) -> bytes:
    """Builds the stored bytes. Raises ValueError for text that is not UTF-8."""
    said: dict[str, Any] = {"at": reference.at, "name": reference.name, "path": reference.path}
    if reference.start:
        said["start"] = reference.start
    if reference.etag is not None:
        said["etag"] = reference.etag
    if reference.modified is not None:
        said["modified"] = reference.modified
    text = json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    head = HEAD.pack(REFERENCE, reference.oid, reference.size, len(reference.blocks))
    body = head + reference.blocks + text
    return body + blake3(body).digest()


def decode(payload: bytes) -> Reference:
    """Reads a reference that `chunk_list.names` has accepted. Raises DamagedData."""
    try:
        _, oid, size, length = HEAD.unpack_from(payload)
        rows = payload[HEAD.size : HEAD.size + length]
        text = payload[HEAD.size + length : -DIGEST]
        said: Any = json.loads(text) if len(text) <= PLACE_BYTES_MAX else None
        found = Reference(
            oid, size, said["at"], said["name"], start=said.get("start", 0),
            etag=said.get("etag"), modified=said.get("modified"), path=said.get("path", ""),
            blocks=rows,
        )  # fmt: skip
    except (struct.error, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise DamagedData("a reference has a form that makes no sense") from None
    texts = all(type(each) is str for each in (found.at, found.name, found.path))
    etag_fits = found.etag is None or type(found.etag) is str
    time_fits = found.modified is None or type(found.modified) in (int, float)
    start_fits = type(found.start) is int and found.start >= 0
    if not (texts and etag_fits and time_fits and start_fits and len(rows) == length):
        raise DamagedData("a reference has a field of a kind that does not belong there")
    if length % ROW or not _adds_up(found):
        raise DamagedData("the blocks of a reference do not add up to its size")
    return found


def _adds_up(reference: Reference) -> bool:
    if not reference.blocks:
        return reference.size <= OBJECT_BYTES_MAX
    sizes = [size for _, size in iterate(reference.blocks)]
    return sum(sizes) == reference.size and min(sizes) > 0 and max(sizes) <= OBJECT_BYTES_MAX
