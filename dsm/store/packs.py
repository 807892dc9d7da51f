"""Writing and reading single packs. Knows bytes and places; which objects exist is `objects.py`.

A pack is written under a temporary name, synced, and then claimed under the name that is its
hash: under `packs/` there is never a pack that is not complete.
"""

from __future__ import annotations

import errno
import os
import weakref
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from blake3 import blake3

from dsm.errors import DamagedData, StorageFailed
from dsm.format import pack as fmt
from dsm.store.codec import Kind, choose, compressor, decompressor, grouped
from dsm.store.compressing import DENSE_PROBES, Compressing, Group
from dsm.store.members import Members
from dsm.store.prefixes import SortedPrefixes
from dsm.store.stream import Stream

T = TypeVar("T")

PACK_BYTES_TARGET = 256 << 20
BUFFER_BYTES = 1 << 20
LARGE_BYTES = 16 << 10  # from here on an object has a frame of its own


class PackWriter:
    """Appends objects to one pack; not thread-safe, one writer a process.

    `temporary` is the path to write to; `seal` returns the pack's id, with the bytes durable but
    not yet under their final name.
    """

    def __init__(self, temporary: str):
        self.path = temporary
        self._file = Stream(temporary, 0o444)
        self._hash = blake3()
        self._buffer: list[bytes | memoryview] = []
        self._buffered = 0
        self._frames: list[tuple[int, int, int]] = []
        self._objects = fmt.TableRows()
        self._raw_end = 0
        self._raw_run = 0  # bytes of the raw frame being extended, not yet in `_frames`
        self._dictionaries = 0
        self._kinds: dict[str, Kind] = {}
        self._waiting_bytes = 0
        self._groups: Compressing | None = None
        self.size = 0
        # Whether the pack should be sealed and another one begun; looked at once per buffer.
        self.full = False
        self._write(fmt.HEADER)

    def __len__(self) -> int:
        waiting = sum(len(kind.waiting) for kind in self._kinds.values())
        return len(self._objects) + waiting + (self._groups.objects if self._groups else 0)

    # --- objects ---

    def add(self, oid: bytes, data: bytes | memoryview, suffix: str) -> None:
        """Appends an object of at most `OBJECT_BYTES_MAX` bytes; `suffix` names its kind."""
        kind = self._kinds.get(suffix)
        if kind is None:
            kind = self._kinds[suffix] = Kind(suffix)
        size = len(data)
        if size >= LARGE_BYTES:
            self._add_large(oid, data, kind)
        elif kind.raw:
            # The hot path: `_add_raw` written out.
            kind.seen += 1
            if not kind.seen & 4095:
                kind.look_again()  # what comes now may be of another nature
            location = self._raw_end | size << 32
            self._objects.append(oid[: fmt.PREFIX] + location.to_bytes(fmt.LOCATION, "big"))
            self._raw_end += size
            self._raw_run += size
            self._buffer.append(bytes(data))
            self._buffered += size
            if self._buffered >= BUFFER_BYTES:
                self._drain()
        else:
            self._add_waiting(oid, bytes(data), kind)

    def _add_waiting(self, oid: bytes, data: bytes, kind: Kind) -> None:
        kind.waiting.append((oid, data))
        kind.waiting_bytes += len(data)
        self._waiting_bytes += len(data)
        if kind.learning:
            if kind.ready_to_decide():
                self._decide(kind)
        elif kind.waiting_bytes >= 16 * LARGE_BYTES:
            self._frame_waiting(kind)

    def add_group(
        self, oid: bytes, data: bytes, members: Mapping[bytes, tuple[int, int]], suffix: str
    ) -> None:
        """Appends an object in a frame of its own, and parts of it, (offset, size) by their ids,
        which are objects, too."""
        if self._groups is None:
            self._groups = Compressing()
        kind = self._kinds.get(suffix)
        if kind is None:
            kind = self._kinds[suffix] = Kind(suffix)
        for group in self._groups.take(Group(oid, data, Members.of(members), kind)):
            self._place(group)

    def _place(self, group: Group) -> None:
        self._end_raw_run()  # what lies raw before it is no part of its frame
        start, size = self._raw_end, len(group.data)
        if group.frame is None:
            self._add_raw(group.oid, group.data, False)
        else:
            self._frame(group.frame, size, fmt.ZSTD, [(group.oid, size)])
        members = group.members.without(group.oid)
        spans = zip(members.offsets, members.sizes, strict=True)
        places = [start + at | n << 32 for at, n in spans]
        self._objects.extend(fmt.table_rows(members.ids, places))

    def add_list(self, oid: bytes, payload: bytes) -> None:
        """Appends the chunk list of a large object."""
        self._add_raw(oid, payload, True)

    def _add_large(self, oid: bytes, data: bytes | memoryview, kind: Kind) -> None:
        kind.seen += 1
        # After a few dense ones only every 64th is tried, until one compresses again.
        tries = not kind.dense or kind.seen % 64 == 0
        if tries:
            frame = _compress_large(bytes(data))
            if len(frame) <= len(data) * 0.95:
                kind.dense = False
                self._frame(frame, len(data), fmt.ZSTD, [(oid, len(data))])
                return
            kind.dense = kind.seen >= DENSE_PROBES or kind.dense
        self._add_raw(oid, data, False)

    def _add_raw(self, oid: bytes, data: bytes | memoryview, is_list: bool) -> None:
        size = len(data)
        location = fmt.pack_location(self._raw_end, size, is_list)
        self._objects.append(fmt.table_row(oid[: fmt.PREFIX], location))
        self._raw_end += size
        self._raw_run += size
        self._write(data)

    def _end_raw_run(self) -> None:
        if self._raw_run:
            self._frames.append((self._raw_run, self._raw_run, fmt.RAW))
            self._raw_run = 0

    def _decide(self, kind: Kind) -> None:
        """Settles how a kind is stored once enough of it was seen, and stores what waited."""
        kind.learning = False
        dictionary, worth = choose([data for _, data in kind.waiting])
        if dictionary is not None and self._dictionaries < fmt.DICTIONARIES_MAX:
            kind.codec = fmt.DICTIONARY_0 + self._dictionaries
            self._dictionaries += 1
            self._end_raw_run()
            self._frames.append((len(dictionary), 0, fmt.DICTIONARY_FRAME))
            self._write(dictionary)
            kind.compress = compressor(6, dictionary)
        elif worth:
            kind.codec, kind.compress = fmt.ZSTD, compressor(6)
        else:
            kind.compress, kind.raw = None, True
        self._frame_waiting(kind)

    def _frame_waiting(self, kind: Kind) -> None:
        waiting, kind.waiting = kind.waiting, []
        self._waiting_bytes -= kind.waiting_bytes
        kind.waiting_bytes = 0
        if kind.compress is None:
            for oid, data in waiting:
                self._add_raw(oid, data, False)
            return
        groups = grouped([len(data) for _, data in waiting])
        for first, end in groups:
            members = waiting[first:end]
            raw = b"".join([data for _, data in members])
            frame = kind.compress(raw)
            if len(frame) < len(raw):
                placed = [(oid, len(data)) for oid, data in members]
                self._frame(frame, len(raw), kind.codec, placed)
            else:
                for oid, data in members:
                    self._add_raw(oid, data, False)

    def _frame(
        self, stored: bytes, raw_size: int, codec: int, members: list[tuple[bytes, int]]
    ) -> None:
        self._end_raw_run()
        self._frames.append((len(stored), raw_size, codec))
        at = self._raw_end
        for oid, size in members:
            self._objects.append(
                fmt.table_row(oid[: fmt.PREFIX], fmt.pack_location(at, size, False))
            )
            at += size
        self._raw_end += raw_size
        self._write(stored)

    def _write(self, data: bytes | memoryview) -> None:
        if len(data) >= LARGE_BYTES:
            self._drain()  # large pieces go out as they are: no copy
            self._put_out(data)
            return
        self._buffer.append(data if isinstance(data, bytes) else bytes(data))
        self._buffered += len(data)
        if self._buffered >= BUFFER_BYTES:
            self._drain()

    def _drain(self) -> None:
        if not self._buffer:
            return
        # Joined, the buffer is hashed at full speed while it is still in the processor's cache.
        data = b"".join(self._buffer) if len(self._buffer) > 1 else self._buffer[0]
        self._buffer.clear()
        self._buffered = 0
        self._put_out(data)

    def _put_out(self, data: bytes | memoryview) -> None:
        self._hash.update(data)
        self._file.write(data)
        self.size += len(data)
        waiting = self._waiting_bytes + (self._groups.held if self._groups else 0)
        self.full = (
            self.size + waiting >= PACK_BYTES_TARGET
            or len(self) >= fmt.OBJECTS_MAX // 2
            or self._raw_end + waiting >= fmt.RAW_SPACE_MAX // 2
        )

    def seal(self) -> bytes:
        """Writes the table of contents, makes the file durable, and returns the pack's id."""
        for kind in self._kinds.values():
            if kind.learning and kind.waiting:
                self._decide(kind)
            self._frame_waiting(kind)
        for group in self._groups.rest() if self._groups else ():
            self._place(group)
        self._end_raw_run()
        self._drain()
        self._write(fmt.encode_joined(self.size, self._frames, self._objects.joined()))
        self._drain()
        self._file.sync()
        self._file.close()
        return self._hash.digest()

    def abandon(self) -> None:
        """Closes and removes the unfinished file."""
        if self._groups is not None:
            self._groups.stop()
        self._file.abandon()


_compress_large = compressor(3)


# Packs whose files are held open, oldest first, of this process; some may be closed by now.
OPEN_MAX = 200
_opened: deque[weakref.ref[Pack]] = deque()


def close_all() -> None:
    """Releases the files of all packs; they are opened again when something is read."""
    while _opened:
        pack = _opened.popleft()()
        if pack is not None:
            pack.close()


class Descriptor:
    """A file opened for reading. It is closed when nobody holds this object any more: a thread that
    reads keeps it open, whatever other threads do to the pack."""

    __slots__ = ("fd",)

    def __init__(self, path: str):
        self.fd = -1
        # Not blocking: a pipe in the place of a pack must not hang us.
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        if self.fd >= 0:  # at the end of a program, this module may have gone before
            close(self.fd)


class Pack:
    """A sealed pack, opened for reading; threads may share it.

    Raises DamagedData when the file is not a pack, and StorageFailed when it cannot be read.
    """

    cached = False  # whether it may be removed at any time: nothing new may count on it

    def __init__(self, path: str, *, verify: bool = False):
        self.path = path
        self.name = os.path.basename(path).removesuffix(".pack")
        self._file: Descriptor | None = None
        file = self._open()
        size = os.fstat(file.fd).st_size
        tail = self.read_at(max(0, size - fmt.TRAILER.size), fmt.TRAILER.size)
        at, length = fmt.read_trailer(tail, size, self.name)
        tables = self.read_at(at, length)
        if self.read_at(0, len(fmt.HEADER)) != fmt.HEADER or len(tables) != length:
            raise DamagedData(f"pack {self.name} does not begin as a pack does")
        self._take(fmt.decode_contents(tables, tail, self.name, verify=verify), size)

    def _take(self, contents: fmt.Contents, size: int) -> None:
        self.contents = contents
        self.size = size
        self._decoders: dict[int, Callable[[bytes, int], bytes]] = {}
        self._last: tuple[int, bytes] = (-1, b"")
        self._prefixes = SortedPrefixes(self.contents.prefixes, fmt.PREFIX)

    def _open(self) -> Descriptor:
        """Opens the file. A repository may have more packs than a process may have open files."""
        while len(_opened) >= OPEN_MAX:
            oldest = _opened.popleft()()
            if oldest is not None:
                oldest.close()
        try:
            try:
                file = self._file = Descriptor(self.path)
            except OSError as error:
                # Fewer than that, here: none is kept, so that some are left for what comes next.
                if error.errno not in (errno.EMFILE, errno.ENFILE):
                    raise
                close_all()
                file = self._file = Descriptor(self.path)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise _unreadable(self.path, error) from error
        _opened.append(weakref.ref(self))
        return file

    def close(self) -> None:
        """Releases the file; it is opened again when something is read."""
        self._file = None

    def __len__(self) -> int:
        return len(self.contents)

    def _opened(self) -> Descriptor:
        return self._file or self._open()

    # --- the file ---

    def read_at(self, position: int, size: int) -> bytes:
        """Returns `size` bytes of the file from a position on; fewer where it ends.

        Raises DamagedData when the pack is gone, StorageFailed when it cannot be read.
        """
        parts: list[bytes] = []
        try:
            file = self._opened()
        except FileNotFoundError as error:
            raise DamagedData(f"pack {self.name} is not there any more") from error
        while size > 0:
            try:
                part = os.pread(file.fd, min(size, 1 << 30), position)
            except OSError as error:
                raise _unreadable(self.path, error) from error
            if not part:
                break
            parts.append(part)
            size -= len(part)
            position += len(part)
        return b"".join(parts) if len(parts) != 1 else parts[0]

    def read_ranges(self, ranges: Iterable[tuple[int, int, T]]) -> Iterator[tuple[T, bytes]]:
        """Yields (mark, bytes of the file) for each (position, size, mark), by one call of the
        system each: what that cuts short is not what its hash says.

        Raises OSError or StorageFailed when the pack is gone or cannot be read.
        """
        file = self._opened()  # held: it is not closed while this goes on
        fd, pread = file.fd, os.pread
        for position, size, mark in ranges:
            yield mark, pread(fd, size, position)

    def read_into(self, position: int, places: Sequence[memoryview]) -> None:
        """Fills these places, one after the other, with the file from a position on, by one call.

        Like `read_ranges`, this may fall short.
        """
        os.preadv(self._opened().fd, places, position)

    # --- look-up ---

    def find(self, oid: bytes) -> list[int]:
        """Returns the table rows whose prefix fits this id; usually none or one."""
        prefix = oid[: fmt.PREFIX]
        return self.rows_from(self._prefixes.search(prefix), prefix)

    def rows_from(self, first: int, prefix: bytes) -> list[int]:
        """Returns the table rows from this one on that have the prefix."""
        rows, table, width = [], self.contents.prefixes, fmt.PREFIX
        while table[first * width : first * width + width] == prefix:
            rows.append(first)
            first += 1
        return rows

    def has_all(self, start: int, members: Mapping[bytes, tuple[int, int]]) -> bool:
        """Whether each object, by its id, has a row that says (offset from `start`, bytes)."""
        contents, search = self.contents, self._prefixes.search
        table, locations = contents.prefixes, contents.locations
        width, step = fmt.PREFIX, fmt.LOCATION
        for oid, (at, size) in members.items():
            prefix, location = oid[:width], start + at | size << 32
            row = search(prefix)
            # Nearly always it is the first row of its prefix, which takes no other calls.
            if (
                locations[row * step : row * step + step] != location.to_bytes(step, "little")
                or table[row * width : row * width + width] != prefix
            ) and not any(
                contents.location(each) == (start + at, size, False)
                for each in self.rows_from(row, prefix)
            ):
                return False
        return True

    def place(self, row: int) -> tuple[int, int, int, bool]:
        """Returns (frame, offset in its raw bytes, size, is a chunk list) of a table row."""
        start, size, is_list = self.contents.location(row)
        if size == 0:
            return 0, 0, 0, is_list  # it needs no frame, and there may be none
        starts = self.contents.raw_starts  # which empty objects and dictionaries share
        frame = bisect_right(starts, start) - 1
        if frame >= len(self.contents.frames):
            frame = len(self.contents.frames) - 1
            while frame > 0 and self.contents.frames[frame][2] == fmt.DICTIONARY_FRAME:
                frame -= 1
        offset = start - starts[frame] if frame >= 0 else 0
        if frame < 0 or offset + size > starts[frame + 1] - starts[frame]:
            raise DamagedData(f"pack {self.name}: an object lies outside its frame")
        return frame, offset, size, is_list

    def read(self, frame: int, offset: int, size: int) -> bytes:
        """Returns raw bytes of a frame. They are not verified: the caller hashes them."""
        if size == 0:
            return b""
        at, stored, codec = self.contents.frames[frame]
        if codec == fmt.RAW:
            return self.read_at(at + offset, size)
        last = self._last  # taken and put whole: other threads read other frames
        if last[0] != frame:
            last = self._last = (frame, self._decode(self.read_at(at, stored), frame, codec))
        return last[1][offset : offset + size]

    def read_from(
        self, window: memoryview, window_at: int, frame: int, offset: int, size: int
    ) -> bytes:
        """Like `read`, from bytes of the file that were read already (`window_at` in the file)."""
        if size == 0:
            return b""
        at, stored, codec = self.contents.frames[frame]
        if codec == fmt.RAW:
            first = at + offset - window_at
            return bytes(window[first : first + size])
        last = self._last
        if last[0] != frame:
            packed = bytes(window[at - window_at : at - window_at + stored])
            last = self._last = (frame, self._decode(packed, frame, codec))
        return last[1][offset : offset + size]

    def extent(self, frame: int, offset: int, size: int) -> tuple[int, int]:
        """Returns (first, past the last) byte of the file that reading this object touches."""
        if size == 0:
            return 0, 0
        at, stored, codec = self.contents.frames[frame]
        return (at + offset, at + offset + size) if codec == fmt.RAW else (at, at + stored)

    def _decode(self, packed: bytes, frame: int, codec: int) -> bytes:
        raw_size = self.contents.raw_starts[frame + 1] - self.contents.raw_starts[frame]
        decode = self._decoders.get(codec)
        try:
            if decode is None:
                decode = self._decoders[codec] = decompressor(self.dictionary(codec))
            return decode(packed, raw_size)
        except ValueError as error:
            raise DamagedData(f"pack {self.name}: frame {frame} does not decompress") from error

    def dictionary(self, codec: int) -> bytes | None:
        """Returns the dictionary of a codec, if it has one. Raises DamagedData."""
        if codec == fmt.ZSTD:
            return None
        number = codec - fmt.DICTIONARY_0
        if number >= len(self.contents.dictionaries):
            raise DamagedData(f"pack {self.name}: a frame names a dictionary that is not there")
        at, stored, _ = self.contents.frames[self.contents.dictionaries[number]]
        return self.read_at(at, stored)


def _unreadable(path: str, error: OSError) -> StorageFailed:
    return StorageFailed(f"cannot read {path}: {error.strerror or error}")
