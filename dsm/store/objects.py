"""The object store: immutable bytes under the BLAKE3 of those bytes, each stored once.

The door is narrow: put, put_stream, flush; open, read, read_many, missing. Behind it lie
chunking, compression and packs. Two promises: an object handed out has been hashed and is what its
name says, and after `flush` everything put is durable.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO

from blake3 import blake3

from dsm.errors import DamagedData, StorageFailed
from dsm.format import chunk_list
from dsm.format.pack import OBJECT_BYTES_MAX
from dsm.store.chunks import Chunking, Cutter, ReadInto, readinto_of
from dsm.store.lease import Lease
from dsm.store.lookup import Lookup
from dsm.store.object_errors import ObjectDamaged, ObjectMissing
from dsm.store.object_file import ObjectFile
from dsm.store.pack_files import pack_paths, publish_pack
from dsm.store.packs import Pack, PackWriter
from dsm.store.turns import CHANGING

WINDOW_BYTES = 4 << 20
GAP_BYTES = 64 << 10
# Rows of a chunk list that are held in memory: those of an object of a terabyte.
ROWS_BYTES_MAX = 1 << 29
TOO_LONG = "(its chunk list is too long to go back and forth in)"
UNEVEN = "(its chunk list does not add up)"


class ObjectStore:
    """Objects under `packs`; `temporary` is a folder on the same file system.

    Threads may read with one instance at the same time, one of them may write. Readers need no
    lock; writers in other processes are fine.
    """

    def __init__(self, packs: str, temporary: str, chunking: Chunking, trash: str | None = None):
        self.folder = packs
        self.temporary = temporary
        self.trash = trash
        self.chunking = chunking
        self.lease: Lease | None = None
        # Packs that what was put counts on: written here, or holding an object that was there.
        self.relied_on: set[str] = set()
        # Large objects that were read as files to their end: their pieces make them up.
        self.proven: set[bytes] = set()
        self.lookup = Lookup()
        self._known: dict[str, Pack] = {}
        self._damaged: dict[str, str] = {}
        self._scanned = False
        self._writer: PackWriter | None = None
        self._fresh: set[bytes] = set()
        self._fresh_groups: set[bytes] = set()  # and lists of pieces that are groups
        self._cutter: Cutter | None = None

    # --- reading ---------------------------------------------------------------------------

    def refresh(self) -> None:
        """Looks for packs that other processes have added; forgets those that gc has removed."""
        with CHANGING:
            self._refresh()

    def _refresh(self) -> None:
        found: set[str] = set()
        for path in pack_paths(self.folder):
            name = os.path.basename(path).removesuffix(".pack")
            found.add(name)
            if name in self._known:
                continue
            try:
                pack = Pack(path)
            except FileNotFoundError:
                continue
            except (DamagedData, StorageFailed) as error:
                # Only commands that need an object of it may fail.
                self._damaged[name] = error.message
                continue
            self._known[name] = pack
            self.lookup.add(pack)
        gone = {self._known.pop(name) for name in self._known.keys() - found}
        if gone:
            self.lookup = self.lookup.without(gone)
        self._scanned = True  # at the end: until then, other threads wait for their turn

    def look_again(self) -> None:
        """Forgets which packs there are until they are needed."""
        self._scanned = False

    def read(self, oid: bytes) -> bytes:
        """Returns an object's bytes, verified. Raises ObjectMissing or ObjectDamaged."""
        return b"".join(self.stream(oid))

    def read_small(self, oid: bytes) -> bytes | None:
        """Returns an object's bytes, verified; None for a large one, which is to be streamed.

        Raises ObjectMissing or ObjectDamaged.
        """
        data, is_list = self._fetch(oid)
        return None if is_list else data

    def open(self, oid: bytes) -> io.BufferedReader:
        """Opens an object as a binary file that can seek; every byte of it has been verified.

        Raises ObjectMissing or ObjectDamaged.
        """
        data, is_list = self._fetch(oid)
        rows = self._all_rows(data) if is_list else None
        return io.BufferedReader(ObjectFile(self, oid, data, rows), 1 << 16)

    def stream(self, oid: bytes) -> Iterator[bytes]:
        """Yields an object's bytes in verified pieces, in order, in bounded memory."""
        data, is_list = self._fetch(oid)
        if not is_list:
            yield data
            return
        whole = blake3()
        for chunk, size in self._chunks(data):
            piece = self.piece(oid, chunk, size)
            whole.update(piece)
            yield piece
        self.require_whole(oid, whole.digest())

    def piece(self, oid: bytes, chunk: bytes, size: int) -> bytes:
        """Returns one piece of a large object, verified by its own hash."""
        piece, _ = self._fetch(chunk)
        if len(piece) != size:
            raise ObjectDamaged(oid, "(its chunk list disagrees with a chunk)")
        return piece

    def require_whole(self, oid: bytes, digest: bytes) -> None:
        """Raises ObjectDamaged when this is not the hash of all pieces of a large object.

        Whole chunks in a list that is whole can still be another object's: a list only says what it
        describes. Files are given their name after this.
        """
        if digest != oid:
            raise ObjectDamaged(oid, "(its chunks make up another object)")

    def size(self, oid: bytes) -> int:
        """Returns an object's size in bytes, read from what is stored for it."""
        data, is_list = self._fetch(oid)
        return chunk_list.decode(data).size if is_list else len(data)

    def missing(self, oids: Iterable[bytes]) -> set[bytes]:
        """Returns those that are not in the store, by the packs' tables: no content is read."""
        wanted = set(oids)
        just_scanned = not self._scanned
        absent = {oid for oid in wanted if not self._holders(oid)}
        if absent and not just_scanned:
            self.refresh()
            absent = {oid for oid in absent if not self._holders(oid)}
        return absent

    def read_many(self, oids: Iterable[bytes]) -> Iterator[tuple[bytes, bytes | None]]:
        """Yields (id, bytes) for each distinct id, in the order they lie on disk, each verified.

        Large objects come as (id, None): they are to be streamed. Raises like `read`.
        """
        self.scan_once()
        plan: dict[Pack, list[tuple[int, int, int, int, int, bytes]]] = {}
        rest: list[bytes] = []
        for oid in dict.fromkeys(oids):
            holders = self._holders(oid)
            if not holders:
                rest.append(oid)
                continue
            pack, row = holders[0]
            frame, offset, size, is_list = pack.place(row)
            if is_list:
                rest.append(oid)
                continue
            first, end = pack.extent(frame, offset, size)
            plan.setdefault(pack, []).append((first, offset, end, frame, size, oid))
        for pack, places in plan.items():
            places.sort()
            yield from self._read_windows(pack, places)
        for oid in rest:
            yield oid, self.read_small(oid)

    def _read_windows(
        self, pack: Pack, places: list[tuple[int, int, int, int, int, bytes]]
    ) -> Iterator[tuple[bytes, bytes | None]]:
        index, count = 0, len(places)
        while index < count:
            first, end = places[index][0], places[index][2]
            last = index + 1
            while last < count and places[last][0] <= end + GAP_BYTES:
                if max(end, places[last][2]) - first > WINDOW_BYTES:
                    break
                end = max(end, places[last][2])
                last += 1
            try:
                window = memoryview(pack.read_at(first, end - first))
            except DamagedData:  # gc has moved what is live of it to another pack
                window = memoryview(b"")
            for _, offset, stop, frame, size, oid in places[index:last]:
                try:
                    data = (
                        b""
                        if stop - first > len(window)
                        else pack.read_from(window, first, frame, offset, size)
                    )
                except DamagedData:
                    data = b""
                if blake3(data).digest() != oid:
                    data = self._fetch(oid)[0]  # another pack may hold it whole, else it raises
                yield oid, data
            index = last

    def scan_once(self) -> None:
        """Looks for packs, unless that was done before."""
        if not self._scanned:
            with CHANGING:
                if not self._scanned:  # not by another thread meanwhile
                    self._refresh()

    def _holders(self, oid: bytes) -> list[tuple[Pack, int]]:
        self.scan_once()
        return self.lookup.holders(oid)

    def _fetch(self, oid: bytes) -> tuple[bytes, bool]:
        """Returns (verified bytes, False), or (verified chunk list, True)."""
        blamed = None
        for again in (False, True):
            if again:
                self.refresh()
            for pack, row in self._holders(oid):
                try:
                    frame, offset, size, is_list = pack.place(row)
                    data = pack.read(frame, offset, size)
                except DamagedData:
                    blamed = pack.name
                    continue
                if is_list:
                    if chunk_list.names(data, oid):
                        return data, True
                elif blake3(data).digest() == oid:
                    return data, False
                blamed = pack.name
        if blamed is not None:
            raise ObjectDamaged(oid, blamed)
        raise ObjectMissing(oid, self._damaged.values())

    def _chunks(self, payload: bytes) -> Iterator[tuple[bytes, int]]:
        """Yields (piece id, bytes) of a large object in order; of a nested list, part by part.

        A list that names more or less than its object has is told before its pieces are read.
        """
        decoded = chunk_list.decode(payload)
        left = decoded.size
        for rows in self._row_tables(decoded):
            for chunk, size in chunk_list.iterate(rows):
                left -= size
                if left < 0 or not 0 < size <= OBJECT_BYTES_MAX:
                    raise ObjectDamaged(decoded.oid, UNEVEN)
                yield chunk, size
        if left:
            raise ObjectDamaged(decoded.oid, UNEVEN)

    def _row_tables(self, decoded: chunk_list.ChunkList) -> Iterator[bytes]:
        if not decoded.nested:
            yield decoded.rows
            return
        for part, size in chunk_list.iterate(decoded.rows):
            # Each row stands for a byte at least.
            if not 0 < size <= min(OBJECT_BYTES_MAX, chunk_list.ROW * decoded.size):
                raise ObjectDamaged(decoded.oid, UNEVEN)
            rows = self._fetch(part)[0]
            if len(rows) != size or size % chunk_list.ROW:
                raise ObjectDamaged(decoded.oid, UNEVEN)
            yield rows

    def _all_rows(self, payload: bytes) -> bytes:
        """Returns the row table of a chunk list, to be held in memory."""
        decoded = chunk_list.decode(payload)
        if decoded.nested:
            sizes = [size for _, size in chunk_list.iterate(decoded.rows)]
            if sum(sizes) > min(ROWS_BYTES_MAX, chunk_list.ROW * decoded.size):
                raise ObjectDamaged(decoded.oid, TOO_LONG)
        rows = b"".join(self._row_tables(decoded))
        if sum(size for _, size in chunk_list.iterate(rows)) != decoded.size:
            raise ObjectDamaged(decoded.oid, UNEVEN)
        return rows

    def references(self, oid: bytes) -> Iterator[bytes]:
        """Yields the ids of the stored pieces that an object consists of, itself first.

        Raises like `read`; used to know what must be kept.
        """
        yield oid
        holders = self._holders(oid)
        if any(pack.place(row)[3] for pack, row in holders):
            payload, is_list = self._fetch(oid)
            if is_list:
                decoded = chunk_list.decode(payload)
                if decoded.nested:
                    yield from (piece for piece, _ in chunk_list.iterate(decoded.rows))
                yield from (chunk for chunk, _ in self._chunks(payload))

    # --- writing ---------------------------------------------------------------------------

    def put(self, data: bytes | memoryview, suffix: str = "") -> bytes:
        """Stores bytes and returns their id. `suffix` (".jpg") helps choosing the compression."""
        if len(data) >= self.chunking.from_size:
            return self.put_stream(io.BytesIO(data).readinto, suffix)[0]
        oid: bytes = blake3(data).digest()
        self._put_piece(oid, data, suffix)
        return oid

    def put_many(
        self, items: Iterable[tuple[str, bytes | BinaryIO]]
    ) -> Iterator[tuple[str, bytes, int]]:
        """Stores (name, bytes or binary file) pairs; yields (name, id, size in bytes)."""
        for name, content in items:
            suffix = os.path.splitext(name)[1].lower()
            if isinstance(content, (bytes, bytearray, memoryview)):
                yield name, self.put(content, suffix), len(content)
            else:
                yield name, *self.put_stream(readinto_of(content), suffix)

    def put_group(
        self, data: bytes, members: Mapping[bytes, tuple[int, int]], suffix: str
    ) -> bytes:
        """Stores bytes in a frame of their own, and parts of them, (offset, size) by their ids, as
        objects as well; returns the id of the whole. The caller vouches for the ids of the parts.

        Its parts lie where it does, whether or not they were stored elsewhere before: reading one
        reads this frame, and what keeps one keeps the frame.
        """
        oid: bytes = blake3(data).digest()
        if oid not in self._fresh_groups and not self._holds_group(oid, data, members):
            self._fresh_groups.add(oid)
            self._fresh.add(oid)
            self._fresh.update(members)
            self._room().add_group(oid, data, members, suffix)
        return oid

    def put_list(self, oid: bytes, size: int, rows: bytes) -> None:
        """Stores which pieces, all stored, make up an object; `rows` are those of `chunk_list`."""
        if oid not in self._fresh_groups and not self._has_list(oid, rows):
            self._fresh_groups.add(oid)
            self._room().add_list(oid, self._list_payload(oid, size, rows))

    def _holds_group(
        self, oid: bytes, data: bytes, members: Mapping[bytes, tuple[int, int]]
    ) -> bool:
        """Whether a pack has these bytes, compared, and all of the parts where they lie in them."""
        self.lookup.expect(len(members))
        for pack, row in self._holders(oid):
            if self._is_copy(pack, row, data):
                start = pack.contents.location(row)[0]
                if pack.has_all(start, members):
                    self.relied_on.add(pack.name)
                    return True
        return False

    def put_stream(
        self, readinto: ReadInto, suffix: str = "", pieces: list[bytes] | None = None
    ) -> tuple[bytes, int]:
        """Stores a stream; returns (id, size in bytes). `readinto` is that of a binary file;
        `pieces` gets the rows of `chunk_list` for what it was cut into."""
        if self._cutter is None:
            self._cutter = Cutter(self.chunking)
        head = self._cutter.begin(readinto)
        rows: list[bytes] = [] if pieces is None else pieces
        if len(head) < self.chunking.from_size:
            small = self.put(bytes(head), suffix)
            rows += [chunk_list.row(small, len(head))] if head else []
            return small, len(head)
        whole, size = blake3(), 0
        for chunk in self._cutter.cut(readinto, len(head)):
            whole.update(chunk)
            piece: bytes = blake3(chunk).digest()
            self._put_piece(piece, chunk, suffix)
            rows.append(chunk_list.row(piece, len(chunk)))
            size += len(chunk)
        oid: bytes = whole.digest()
        if oid not in self._fresh and not self._has_list(oid):
            self._fresh.add(oid)
            self._room().add_list(oid, self._list_payload(oid, size, b"".join(rows)))
        return oid, size

    def _list_payload(self, oid: bytes, size: int, rows: bytes) -> bytes:
        if len(rows) < OBJECT_BYTES_MAX // 2:
            return chunk_list.encode(oid, size, rows, nested=False)
        pieces, step = [], OBJECT_BYTES_MAX // 2 // chunk_list.ROW * chunk_list.ROW
        for at in range(0, len(rows), step):
            piece = rows[at : at + step]
            pieces.append(chunk_list.row(blake3(piece).digest(), len(piece)))
            self._put_piece(blake3(piece).digest(), piece, "")
        return chunk_list.encode(oid, size, b"".join(pieces), nested=True)

    def _put_piece(self, oid: bytes, data: bytes | memoryview, suffix: str) -> None:
        if oid in self._fresh:
            return
        if not self._scanned:
            self.refresh()
        if self.lookup.packs and self._holds(oid, data):
            return
        self._fresh.add(oid)
        writer = self._writer
        if writer is None or writer.full:
            writer = self._room()
        writer.add(oid, data, suffix)

    def _holds(self, oid: bytes, data: bytes | memoryview) -> bool:
        """Whether exactly these bytes are stored: read and compared, so that a damaged copy or a
        chance agreement of prefixes never stands in for the content."""
        for pack, row in self._holders(oid):
            if self._is_copy(pack, row, data):
                self.relied_on.add(pack.name)
                return True
        return False

    @staticmethod
    def _is_copy(pack: Pack, row: int, data: bytes | memoryview) -> bool:
        try:
            frame, offset, size, is_list = pack.place(row)
            return not is_list and size == len(data) and pack.read(frame, offset, size) == data
        except (DamagedData, StorageFailed):
            return False

    def _has_list(self, oid: bytes, rows: bytes | None = None) -> bool:
        """Whether there is a list of an object whose pieces are all there; with `rows` that one."""
        with contextlib.suppress(DamagedData, StorageFailed):
            payload, is_list = self._fetch(oid)
            if (
                rows is not None
                and is_list
                and b"".join(self._row_tables(chunk_list.decode(payload))) != rows
            ):
                return False
            if is_list and not self.missing(chunk for chunk, _ in self._chunks(payload)):
                for pack, _ in self._holders(oid):
                    self.relied_on.add(pack.name)
                return True
        return False

    def hold_lease(self) -> Lease:
        """Shows to gc that a writer is at work, until `close`."""
        if self.lease is None:
            self.lease = Lease(self.temporary)
        return self.lease

    def _room(self) -> PackWriter:
        if self._writer is not None and self._writer.full:
            self._seal()
        if self._writer is None:
            self._writer = PackWriter(self.hold_lease().temporary(".pack"))
        return self._writer

    def _seal(self) -> None:
        writer, self._writer = self._writer, None
        if writer is None:
            return
        try:
            name = writer.seal().hex()
            publish_pack(self.folder, writer.path, name)
        except BaseException:
            writer.abandon()
            raise
        self.relied_on.add(name)

    def flush(self) -> None:
        """Makes everything put so far durable and visible to other processes."""
        self._seal()
        self._fresh.clear()
        self._fresh_groups.clear()
        self._scanned = False

    def abandon(self) -> None:
        """Drops what was put since the last flush."""
        if self._writer is not None:
            self._writer.abandon()
            self._writer = None
        self._fresh.clear()
        self._fresh_groups.clear()

    def close(self) -> None:
        """Drops what was not flushed and releases descriptors and the lease."""
        self.abandon()
        with CHANGING:
            for pack in self.lookup.packs:
                pack.close()
            self.lookup, self._known, self._scanned = Lookup(), {}, False
        if self.lease is not None:
            self.lease.release()
            self.lease = None
