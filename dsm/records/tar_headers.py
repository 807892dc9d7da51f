"""Headers of tars: plain ones of files are read here; what is unusual is left to `tarfile`.

A header is plain when it says no more than a name and a size: also one whose long name stands
before it, as GNU tar and pax write it.
"""

from __future__ import annotations

import re
from typing import BinaryIO
from zlib import adler32

from dsm.store.digests import threaded_hasher

BLOCK = 512
# What is read of the file at once.
PIECE = 1 << 20
# Longer ones are no headers.
_HEADER_MAX = 1 << 20
_LONG_MAX = 64 << 10  # of a plain one
_FILE, _LONG_NAME, _PAX = b"0", b"L", b"x"
_RECORD = re.compile(rb"([1-9][0-9]{0,8}) ([^=]+)=")
# Records of pax that change neither which bytes a file has nor what it is called.
_IDLE = re.compile(rb"mtime|atime|ctime|uid|gid|uname|gname|SCHILY\.[\w.]+|LIBARCHIVE\.[\w.]+")


class Forward:
    """A file that is read once, from its beginning to its end, as `tarfile` needs it, too.

    What is read is hashed; what is no content of a member is handed on as `between`.
    """

    def __init__(self, file: BinaryIO):
        self._file = file
        self._held = b""  # what was read, of which `_passed` bytes were taken
        self._passed = 0
        self._last = b""
        self._again = False
        self.header = b""  # what `tarfile` read as one, last
        self.whole = threaded_hasher()
        self.at = 0
        self.between: list[bytes] = []

    def tell(self) -> int:
        """Returns where `read` goes on."""
        return self.at - self._again

    def read(self, size: int) -> bytes:
        """Returns bytes of headers. Raises ValueError for more than any has."""
        if size > _HEADER_MAX:
            raise ValueError(f"a header of {size:,} bytes")
        if self._again and size:
            self._again = False
            return self._last + self.read(size - 1)
        self.header = data = self.take(size)
        self.between.append(data)
        return data

    def seek(self, target: int) -> None:
        """Goes forward; what lies between is read."""
        self._again = target == self.at - 1
        while self.at < target and (data := self.take(min(PIECE, target - self.at))):
            self.between.append(data)

    def peek(self, size: int) -> bytes:
        """Returns the next bytes, which stay to be taken; fewer where the file ends."""
        if len(self._held) - self._passed < size:
            self._fill(size)
        return self._held[self._passed : self._passed + size]

    def take(self, size: int) -> bytes:
        """Returns the next bytes, and does not take them for what is between."""
        end = self._passed + size
        if end > len(self._held):
            self._fill(size)
            end = min(size, len(self._held))
        data = self._held[self._passed : end]
        self._passed = end
        self.at += len(data)
        self._last = data[-1:] or self._last
        return data

    def _fill(self, size: int) -> None:
        parts = [self._held[self._passed :]]
        held = len(parts[0])
        while held < size and (data := self._file.read(PIECE)):
            self.whole.update(data)
            parts.append(data)
            held += len(data)
        self._held, self._passed = b"".join(parts), 0


def plain_file(file: Forward) -> tuple[str, int, int] | None:
    """Returns (name, bytes of the content, bytes of the header) of a file whose header is plain and
    comes next; None for anything else, of which nothing is taken."""
    block = file.peek(BLOCK)
    kind, size = _checked(block)
    if kind == _FILE:
        name = _name(block)
        return None if name is None else (name, size, BLOCK)
    if kind not in (_LONG_NAME, _PAX) or not 0 < size <= _LONG_MAX:
        return None
    length = BLOCK + size + -size % BLOCK
    both = file.peek(length + BLOCK)
    inner, content = _checked(both[length:])
    if inner != _FILE:
        return None
    said, own = both[BLOCK : BLOCK + size], both[length:]
    name = _text(_till_nul(said)) if kind == _LONG_NAME else _name_in(said, own)
    return None if name is None else (name, content, length + BLOCK)


def _checked(block: bytes) -> tuple[bytes, int]:
    """Returns the type of a member and its size; no type for what is unusual."""
    nothing = b"", 0
    if len(block) != BLOCK:
        return nothing
    size, check = block[124:135], block[148:154]
    if not (size.isdigit() and check.isdigit()) or block[135] not in b"\0 " or block[154]:
        return nothing
    # The sums of bytes are in the lower halves, too small to be cut.
    total = (adler32(block[:256]) & 0xFFFF) + (adler32(block[256:]) & 0xFFFF) - 2
    try:
        if total - sum(block[148:156]) + 8 * ord(" ") != int(check, 8):
            return nothing
        return block[156:157], int(size, 8)
    except ValueError:  # an 8 or a 9
        return nothing


def _name(block: bytes) -> str | None:
    name = _text(_till_nul(block[:100]))
    if block[345]:
        folder = _text(_till_nul(block[345:500]))
        return folder and name and f"{folder}/{name}"
    return name


def _name_in(said: bytes, block: bytes) -> str | None:
    """Returns the name of a file of which pax says something, if that is plain."""
    at, name = 0, _name(block)
    while at < len(said):
        found = _RECORD.match(said, at)
        if found is None:
            return None
        end = at + int(found[1])
        if not found.end() < end <= len(said) or said[end - 1] != ord("\n"):
            return None
        if found[2] == b"path":
            name = _text(said[found.end() : end - 1])
        elif not _IDLE.fullmatch(found[2]):
            return None
        at = end
    return name


def _till_nul(data: bytes) -> bytes:
    return data.partition(b"\0")[0]


def _text(data: bytes) -> str | None:
    """Returns a name of a file; None where there may be more to it."""
    if not data or b"\0" in data or data.endswith(b"/"):
        return None
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError:
        return None
