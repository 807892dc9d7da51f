"""Objects of elsewhere that were read here: small packs, removed by last use when they are many.

Each file is a pack as any other, under a random name, complete when it has that name. Nothing here
is needed: what is gone or damaged is fetched again, so nothing is synced, and what cannot be
written is left out. Processes share the folder without locks: names never clash, and a reader of a
file that another process removes goes on with it, or asks again. When a file was last used is its
time of change, which its readers set now and then.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from dsm.errors import DamagedData, StorageFailed
from dsm.store import disk, disk_at
from dsm.store.extract import Extract
from dsm.store.pack_files import is_pack_file
from dsm.store.packs import Pack

T = TypeVar("T")

# A reader says that a file is in use at its first read, and after so many more.
READS_BETWEEN = 256
# What is removed makes room for more than what just came: by this share of the limit.
ROOM_SHARE = 0.05
# Smaller pieces are joined, and written when they have so many bytes.
JOINED_BYTES, WRITE_BYTES = 64 << 10, disk_at.PART_BYTES


class CachedPack(Pack):
    """A pack of the cache: nobody may count on it, and reading it is noted."""

    cached = True
    _reads = 0

    def _note(self) -> None:
        if self._reads % READS_BETWEEN == 0:
            disk_at.mark_used(self.path)
        self._reads += 1

    def read_at(self, position: int, size: int) -> bytes:
        self._note()
        return super().read_at(position, size)

    def read_ranges(self, ranges: Iterable[tuple[int, int, T]]) -> Iterator[tuple[T, bytes]]:
        self._note()
        return super().read_ranges(ranges)

    def read_into(self, position: int, places: Sequence[memoryview]) -> None:
        self._note()
        super().read_into(position, places)


@dataclass(slots=True)
class ObjectCache:
    """The packs in `folder`, of `most` bytes together at most; written by way of `temporary`."""

    folder: str
    temporary: str
    most: int

    def paths(self) -> list[str]:
        """Lists the packs that are there now."""
        try:
            names = os.listdir(self.folder)
        except OSError:
            return []
        return [os.path.join(self.folder, name) for name in names if is_pack_file(name)]

    def open(self, path: str) -> CachedPack | None:
        """Opens a pack; None when it is gone. One that is damaged is removed."""
        try:
            return CachedPack(path, verify=True)
        except FileNotFoundError:
            return None
        except DamagedData:
            self.drop(path)
        except StorageFailed:
            pass
        return None

    def drop(self, path: str) -> None:
        """Removes a file, if that can be."""
        with contextlib.suppress(disk.WriteFailed, disk.NotOurs):
            disk.remove(path)

    def add(self, extract: Extract) -> bool:
        """Keeps a pack, and removes others for it; False where it cannot be kept."""
        return self.write(extract.size, extract.pieces())

    def write(self, size: int, pieces: Iterable[bytes | memoryview]) -> bool:
        """Like `add`, for a pack of about `size` bytes; threads may do this at the same time."""
        if size > self.most:
            self.evict()  # the limit may have been lowered
            return False
        name = os.urandom(32).hex()
        temporary = os.path.join(self.temporary, f"cached-{name[:16]}")
        try:
            self.evict(size)
            disk.make_dirs(self.folder, durable=False)
            write_pieces(temporary, pieces, durable=False)
            try:
                disk.replace(temporary, os.path.join(self.folder, name + ".pack"))
            except disk.WriteFailed:
                disk.discard(temporary)
                raise
        except (disk.WriteFailed, disk.NotOurs):
            return False
        return True

    def usage(self) -> tuple[int, int]:
        """Returns how many packs there are, and their bytes."""
        found = self._files()
        return len(found), sum(size for _, size, _ in found)

    def evict(self, coming: int = 0) -> None:
        """Removes what was not used for longest until so many more bytes have room."""
        found = self._files()
        total = sum(size for _, size, _ in found) + coming
        if total <= self.most:
            return
        goal = self.most - int(self.most * ROOM_SHARE)
        for _, size, path in sorted(found):
            if total <= goal:
                break
            self.drop(path)
            total -= size

    def _files(self) -> list[tuple[int, int, str]]:
        """Returns (last use, bytes, path) of each pack."""
        found = []
        with contextlib.suppress(OSError), os.scandir(self.folder) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if is_pack_file(entry.name):
                        stat = entry.stat(follow_symlinks=False)
                        found.append((stat.st_mtime_ns, stat.st_size, entry.path))
        return found


def write_pieces(path: str, pieces: Iterable[bytes | memoryview], *, durable: bool) -> None:
    """Creates a file of these pieces, many in one call. Raises WriteFailed."""
    fd = disk.open_new(path, 0o444)
    try:
        held: list[bytes | memoryview] = []
        size = 0
        for piece in pieces:
            if len(piece) >= JOINED_BYTES:  # as it is: joining would copy it
                disk.write_all(fd, b"".join(held), path)
                disk_at.write_by_parts(fd, piece, path)
                held, size = [], 0
                continue
            held.append(piece)
            size += len(piece)
            if size >= WRITE_BYTES:
                disk.write_all(fd, b"".join(held), path)
                held, size = [], 0
        disk.write_all(fd, b"".join(held), path)
        if durable:
            disk.sync_file(fd, path)
    except BaseException:
        os.close(fd)
        disk.discard(path)
        raise
    disk.close(fd, path)
