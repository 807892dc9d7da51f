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
from typing import TYPE_CHECKING, BinaryIO

from blake3 import blake3

from dsm.errors import DamagedData, StorageFailed
from dsm.format import chunk_list, reference
from dsm.store.chunk_lists import (
    PIECES_BYTES,
    all_rows,
    chunks_of,
    next_of,
    payload_of,
    row_tables,
)
from dsm.store.chunks import Chunking, Cutter, ReadInto, readinto_of
from dsm.store.lease import Lease
from dsm.store.lookup import listed_last
from dsm.store.object_errors import ObjectDamaged, ObjectMissing
from dsm.store.object_file import ObjectFile
from dsm.store.open_packs import OpenPacks
from dsm.store.outside import ReferencedObjects
from dsm.store.pack_files import publish_pack
from dsm.store.packs import Pack, PackWriter
from dsm.store.windows import Place, read_windows

if TYPE_CHECKING:
    from dsm.format.reference import Reference
    from dsm.store.elsewhere import Counted, Elsewhere
    from dsm.store.lookup import Lookup
    from dsm.store.outside import MakeOutside


class ObjectStore(OpenPacks):
    """Objects under `packs`; `temporary` is a folder on the same file system.

    Threads may read with one instance at the same time, one of them may write. Readers need no
    lock; writers in other processes are fine.
    """

    def __init__(
        self,
        packs: str,
        temporary: str,
        chunking: Chunking,
        trash: str | None = None,
        elsewhere: Elsewhere | None = None,
        outside: MakeOutside | None = None,
    ):
        super().__init__(packs, elsewhere)
        self.temporary = temporary
        self.trash = trash
        self.outside = outside
        self.referenced = ReferencedObjects(outside, self._all_packs)
        self.chunking = chunking
        self.lease: Lease | None = None
        # Packs that what was put counts on: written here, or holding an object that was there.
        self.relied_on: set[str] = set()
        # Large objects that were read as files to their end: their pieces make them up.
        self.proven: set[bytes] = set()
        self._writer: PackWriter | None = None
        self._fresh: set[bytes] = set()
        self._fresh_groups: set[bytes] = set()  # and lists of pieces that are groups
        self._cutter: Cutter | None = None

    def _all_packs(self) -> Lookup:
        self.scan_once()
        return self.lookup

    # --- reading ---------------------------------------------------------------------------

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
        rows = all_rows(self._part, data) if is_list else None
        return io.BufferedReader(ObjectFile(self, oid, data, rows), 1 << 16)

    def stream(self, oid: bytes) -> Iterator[bytes]:
        """Yields an object's bytes in verified pieces, in order, in bounded memory."""
        data, is_list = self._fetch(oid)
        if not is_list:
            yield data
            return
        whole = blake3()
        for piece in self._pieces(oid, chunks_of(self._part, data)):
            whole.update(piece)
            yield piece
        self.require_whole(oid, whole.digest())

    def _pieces(self, oid: bytes, chunks: Iterator[tuple[bytes, int]]) -> Iterator[bytes]:
        """Yields the pieces of a large object in order; those of elsewhere are fetched together."""
        at, far = 0, self.elsewhere is not None or oid in self.referenced
        while some := next_of(chunks, PIECES_BYTES if far else 1):
            came = self.pieces_ahead(oid, at, some) or {}
            for chunk, size in some:
                piece = came.get(chunk)
                yield piece if piece and len(piece) == size else self.piece(oid, chunk, size, at)
                at += size

    def piece(self, oid: bytes, chunk: bytes, size: int, at: int) -> bytes:
        """Returns one piece of a large object, which starts at `at`, verified by its own hash."""
        try:
            piece = None if oid in self.referenced else self._fetch(chunk)[0]
        except ObjectMissing:
            if not self.referenced.places(oid):
                raise
            piece = None  # it is referenced, and was met long ago
        if piece is None:
            piece = self.referenced.block(oid, (chunk, at, size))
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
        data, is_list = self._stored(oid)
        return chunk_list.decode(data).size if is_list else len(data)

    def unreachable(self, oids: Iterable[bytes]) -> set[bytes]:
        """Returns those that are neither in the store nor elsewhere."""
        missing = self.missing(oids)
        return self.elsewhere.lacking(missing) if self.elsewhere and missing else missing

    @contextlib.contextmanager
    def alone(self) -> Iterator[ObjectStore]:
        """Opens a store that looks in the packs here only; closed at the end of the block."""
        store = ObjectStore(self.folder, self.temporary, self.chunking, self.trash)
        try:
            yield store
        finally:
            store.close()

    def fetched(
        self, oids: Iterable[bytes], came: Counted | None = None
    ) -> Iterator[tuple[bytes, bytes | None]]:
        """Yields (id, bytes) like `read_many` of what no pack here holds, fetched together, and of
        what is referenced."""
        wanted = list(dict.fromkeys(oids))
        if self.elsewhere is not None and (absent := self.absent(wanted)):
            for oid, data, is_list in self.elsewhere.fetch(absent, came):
                if not (is_list and reference.is_one(data)):
                    yield oid, None if is_list else data
        if self.outside is not None:
            yield from self.referenced.small_ones(wanted)

    def absent(self, oids: Iterable[bytes]) -> list[bytes]:
        """Returns those that no pack here holds now: other processes fetch and remove some."""
        self.refresh()
        return [oid for oid in dict.fromkeys(oids) if not self._holders(oid)]

    def pieces_ahead(
        self, oid: bytes, at: int, rows: Iterable[tuple[bytes, int]]
    ) -> dict[bytes, bytes] | None:
        """Returns the next pieces of a large object that no pack here holds, from byte `at` on, as
        many as may be held in memory; None where all pieces are here in any case."""
        if oid in self.referenced:
            return self.referenced.ahead(oid, at, rows)
        if self.elsewhere is None:
            return None
        some = next_of(iter(rows), PIECES_BYTES)
        return {oid: data for oid, data in self.fetched(oid for oid, _ in some) if data is not None}

    def bring(self, oids: Iterable[bytes], size: int, came: Counted) -> None:
        """Fetches objects of `size` bytes, with their pieces, if they stay until they are read.

        `came` hears of bytes while they come.
        """
        if self.elsewhere is None or 2 * size > self.elsewhere.cache.most:
            return
        large = [oid for oid, data in self.fetched(oids, came) if data is None]
        for oid in large:
            pieces = (piece for piece, _ in chunks_of(self._part, self._fetch(oid)[0]))
            for _ in self.fetched(pieces, came):
                pass

    def read_many(self, oids: Iterable[bytes]) -> Iterator[tuple[bytes, bytes | None]]:
        """Yields (id, bytes) for each distinct id, in the order they lie on disk, each verified.

        Large objects come as (id, None): they are to be streamed. Raises like `read`.
        """
        self.scan_once()
        plan: dict[Pack, list[Place]] = {}
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
            yield from read_windows(pack, places, self._part)
        done = set()
        for oid, small in self.fetched(rest):
            done.add(oid)
            yield oid, small
        for oid in rest:
            if oid not in done:
                yield oid, self.read_small(oid)

    def _fetch(self, oid: bytes, *, listed: bool = False) -> tuple[bytes, bool]:
        """Returns (verified bytes, False), or (verified chunk list, True). Of what is there in both
        ways, such as a file of records that is in a tar, too, the list comes if it is `listed`."""
        data, is_list = self._stored(oid, listed=listed)
        if is_list and reference.is_one(data):
            return self.referenced.read(oid, data)
        return data, is_list

    def _stored(self, oid: bytes, *, listed: bool = False) -> tuple[bytes, bool]:
        """Like `_fetch`; an object whose bytes are not here comes as (its reference, True)."""
        blamed, referred = None, b""
        for again in (False, True):
            if again:
                self.refresh()
            for pack, row in listed_last(self._holders(oid), listed=listed):
                try:
                    frame, offset, size, is_list = pack.place(row)
                    data = pack.read(frame, offset, size)
                except DamagedData:
                    blamed = pack.name
                    continue
                if is_list and chunk_list.names(data, oid):
                    if not reference.is_one(data):
                        return data, True
                    referred = referred or data
                    continue  # another pack may have its bytes
                if not is_list and blake3(data).digest() == oid:
                    return data, False
                blamed = pack.name
            if referred:
                return referred, True
        if self.elsewhere is not None:
            ((_, data, is_list),) = list(self.elsewhere.fetch([oid]))
            return data, is_list
        if blamed is not None:
            raise ObjectDamaged(oid, blamed)
        raise ObjectMissing(oid, self._damaged.values())

    def _part(self, oid: bytes) -> bytes:
        return self._fetch(oid)[0]

    def with_pieces(self, oid: bytes) -> Iterator[bytes]:
        """Yields the ids of the stored pieces that an object consists of, itself first.

        Raises like `read`; used to know what must be kept.
        """
        yield oid
        holders = self._holders(oid)
        if any(pack.place(row)[3] for pack, row in holders):
            payload, is_list = self._stored(oid, listed=True)
            if is_list and not reference.is_one(payload):
                decoded = chunk_list.decode(payload)
                if decoded.nested:
                    yield from (piece for piece, _ in chunk_list.iterate(decoded.rows))
                yield from (chunk for chunk, _ in chunks_of(self._part, payload))

    # --- writing ---------------------------------------------------------------------------

    def put(
        self, data: bytes | memoryview, suffix: str = "", pieces: list[bytes] | None = None
    ) -> bytes:
        """Stores bytes and returns their id; see `put_stream`."""
        if len(data) >= self.chunking.from_size:
            return self.put_stream(io.BytesIO(data).readinto, suffix, pieces)[0]
        oid: bytes = blake3(data).digest()
        self._put_piece(oid, data, suffix)
        if pieces is not None and data:
            pieces.append(chunk_list.row(oid, len(data)))
        return oid

    def put_many(
        self, items: Iterable[tuple[str, bytes | BinaryIO | Reference]]
    ) -> Iterator[tuple[str, bytes, int]]:
        """Stores (name, bytes, file or reference) pairs; yields (name, id, size in bytes)."""
        for name, content in items:
            if isinstance(content, reference.Reference):
                self.put_reference(content)
                yield name, content.oid, content.size
                continue
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
            self._room().add_group(oid, data, members, suffix)
        return oid

    def put_reference(self, referred: Reference) -> None:
        """Stores where an object is, in place of its bytes, unless these are here already."""
        known = [pack.name for pack, _ in self._own(referred.oid)]
        places = self.referenced.places(referred.oid) if known else []
        if known and (not places or any(each.is_same_place(referred) for each in places)):
            self.relied_on.update(known)
        elif referred.oid not in self._fresh:
            self._fresh.add(referred.oid)
            self._room().add_list(referred.oid, reference.encode(referred))

    def put_list(self, oid: bytes, size: int, rows: bytes) -> None:
        """Stores which pieces, all stored, make up an object; `rows` are those of `chunk_list`."""
        if oid not in self._fresh_groups and not self._has_list(oid, rows):
            self._fresh_groups.add(oid)
            self._room().add_list(oid, self._payload(oid, size, rows))

    def _holds_group(
        self, oid: bytes, data: bytes, members: Mapping[bytes, tuple[int, int]]
    ) -> bool:
        """Whether a pack has these bytes, compared, and all of the parts where they lie in them."""
        self.lookup.expect(len(members))
        for pack, row in self._own(oid):
            if self._is_copy(pack, row, data):
                start = pack.contents.location(row)[0]
                if pack.has_all(start, members):
                    self.relied_on.add(pack.name)
                    return True
        return False

    def put_stream(
        self, readinto: ReadInto, suffix: str = "", pieces: list[bytes] | None = None
    ) -> tuple[bytes, int]:
        """Stores a stream; returns (id, size in bytes). `readinto` is that of a binary file,
        `suffix` (".jpg") helps choosing the compression, `pieces` gets the rows of its list."""
        if self._cutter is None:
            self._cutter = Cutter(self.chunking)
        head = self._cutter.begin(readinto)
        if len(head) < self.chunking.from_size:
            return self.put(bytes(head), suffix, pieces), len(head)
        whole, size = blake3(), 0
        rows: list[bytes] = []
        for chunk in self._cutter.cut(readinto, len(head)):
            whole.update(chunk)
            piece: bytes = blake3(chunk).digest()
            self._put_piece(piece, chunk, suffix)
            rows.append(chunk_list.row(piece, len(chunk)))
            size += len(chunk)
        oid: bytes = whole.digest()
        if oid not in self._fresh and not self._has_list(oid):
            self._fresh.add(oid)
            self._room().add_list(oid, self._payload(oid, size, b"".join(rows)))
        if pieces is not None:
            pieces += rows
        return oid, size

    def _payload(self, oid: bytes, size: int, rows: bytes) -> bytes:
        return payload_of(oid, size, rows, lambda name, piece: self._put_piece(name, piece, ""))

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
        """Whether exactly these bytes are stored, compared: a damaged copy or a prefix is none."""
        for pack, row in self._own(oid):
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
            if self.elsewhere is not None and not self._own(oid):
                return False
            payload, is_list = self._stored(oid, listed=True)
            if is_list and reference.is_one(payload):
                return False
            if is_list and rows is not None:
                is_list = rows == b"".join(row_tables(self._part, chunk_list.decode(payload)))
            if is_list and not self.missing(chunk for chunk, _ in chunks_of(self._part, payload)):
                for pack, _ in self._own(oid):
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
        self.forget()
        if self.lease is not None:
            self.lease.release()
            self.lease = None
