"""Storing many files: read each once, hash what was read, store exactly that.

Small jobs run in this process; larger ones in workers, each writing packs of its own, so
that no byte of content passes between processes. Results come back in the order of the batches.
A file that changes while it is read is read again, and refused if it will not hold still.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from dsm.errors import DsmError, StorageFailed
from dsm.store.chunks import Chunking, ReadInto
from dsm.store.lease import Lease
from dsm.store.objects import ObjectStore
from dsm.store.workers import ready, start

INLINE_FILES = 1000
INLINE_BYTES = 24 << 20
IN_FLIGHT = 2
AHEAD_BATCHES = 250  # about 128,000 files, 30 MB
READ_AGAIN = 3


Stat = tuple[int, int, int, int]


@dataclass(slots=True)
class Batch:
    """Files to store: paths below `root`, and what the scan said of each one.

    A `Stat` is (mtime_ns, ctime_ns, inode, size in bytes). `new` is the caller's: whether these
    files are untracked.
    """

    paths: list[str]
    stats: list[Stat]
    new: bool = False


@dataclass(slots=True)
class Stored:
    """What became of a batch, one item per path.

    `oids[i]` is None when the file could not be read; `problems` then says why. `stats` holds
    what was true before and after reading.
    """

    oids: list[bytes | None] = field(default_factory=list)
    stats: list[Stat] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)


class FileUnreadable(StorageFailed):
    """A file to be added cannot be read, or changed under our eyes."""

    code = "file-unreadable"


def ingest(
    store: ObjectStore, root: str, batches: Iterable[Batch], *, workers: int
) -> Iterator[tuple[Batch, Stored]]:
    """Stores the files of all batches and yields each batch with its result, in order.

    When the iterator is exhausted, everything is durable. With `workers` > 1 and enough to do,
    that many processes are started for it.
    """
    source = iter(batches)
    first: list[Batch] = []
    files = size = 0
    for batch in source:
        first.append(batch)
        files += len(batch.paths)
        size += sum(stat[3] for stat in batch.stats)
        if files > INLINE_FILES or (size > INLINE_BYTES and files > 1):
            break
    everything = _chain(first, source)
    many = files > INLINE_FILES or (size > INLINE_BYTES and files > 1)
    if workers > 1 and many:
        pool = _Pool(store, root, workers)
        if pool.workers:
            yield from pool.run(everything)
            return
    for batch in everything:
        yield batch, store_batch(store, root, batch)
    store.flush()


def _chain(first: list[Batch], rest: Iterator[Batch]) -> Iterator[Batch]:
    yield from first
    yield from rest


def store_batch(store: ObjectStore, root: str, batch: Batch) -> Stored:
    """Stores one batch in this process."""
    result = Stored()
    oids, found = result.oids, result.stats
    prefix, limit = root + "/", store.chunking.from_size
    os_open, os_read, os_fstat, os_close, put = os.open, os.read, os.fstat, os.close, store.put
    for index, (path, seen) in enumerate(zip(batch.paths, batch.stats, strict=True)):
        size = seen[3]
        if size < limit:
            # The hot path: one read, and one look whether the file is still what the scan saw.
            try:
                fd = os_open(prefix + path, _OPEN)
            except OSError:
                fd = -1
            if fd >= 0:
                try:
                    data = os_read(fd, size + 1)
                    st = os_fstat(fd)
                except OSError:
                    data, st = b"", None
                os_close(fd)
                if (
                    st is not None
                    and len(data) == size
                    and (st.st_mtime_ns, st.st_ctime_ns, st.st_ino, st.st_size) == seen
                    and stat.S_ISREG(st.st_mode)
                ):
                    oids.append(put(data, _suffix(path)))
                    found.append(seen)
                    continue
        try:
            oid, seen = _store_file(store, prefix + path, limit)
        except FileUnreadable as error:
            result.problems.append((index, error.message))
            oids.append(None)
        else:
            oids.append(oid)
        found.append(seen)
    return result


# Not blocking: a FIFO that took a file's place must not hang us.
_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK


def _suffix(path: str) -> str:
    dot = path.rfind(".")
    return path[dot:].lower() if dot > path.rfind("/") + 1 else ""


def _store_file(store: ObjectStore, path: str, limit: int) -> tuple[bytes, Stat]:
    suffix = _suffix(path)
    for _ in range(READ_AGAIN):
        try:
            fd = os.open(path, _OPEN)
        except OSError as error:
            raise _file_error(path, error) from error
        try:
            before = os.fstat(fd)
            if not stat.S_ISREG(before.st_mode):
                raise FileUnreadable(
                    f"cannot read {_shown(path)}: it is not a regular file any more"
                )
            size = before.st_size
            if size < limit:
                data = _read_all(fd, size + 1)
                length = len(data)
                oid = None
            else:
                oid, length = store.put_stream(_reader(fd), suffix)
            after = os.fstat(fd)
            if length == size and _identity(before) == _identity(after):
                return oid or store.put(data, suffix), _identity(after)
        except OSError as error:
            raise _file_error(path, error) from error
        finally:
            os.close(fd)
    raise FileUnreadable(f"cannot read {_shown(path)}: it keeps changing while it is read")


def _reader(fd: int) -> ReadInto:
    return lambda view: os.readv(fd, [view])


def _read_all(fd: int, size: int) -> bytes:
    parts = []
    while size > 0 and (part := os.read(fd, size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _identity(st: os.stat_result) -> Stat:
    return st.st_mtime_ns, st.st_ctime_ns, st.st_ino, st.st_size


def _file_error(path: str, error: OSError) -> DsmError:
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return StorageFailed(
            f"cannot open {_shown(path)}: {error.strerror}", hint="raise `ulimit -n`"
        )
    return FileUnreadable(f"cannot read {_shown(path)}: {error.strerror or error}")


def _shown(path: str) -> str:
    return path.encode("utf-8", "backslashreplace").decode()


@dataclass(frozen=True, slots=True)
class _StoreJob:
    """What a storing worker needs to know: batches come as orders, None ends the work."""

    packs: str
    temporary: str
    chunking: Chunking
    token: str
    root: str

    def run(self, next_order: Callable[[], object]) -> Iterator[object]:
        store = ObjectStore(self.packs, self.temporary, self.chunking)
        store.lease = Lease(self.temporary, self.token)
        try:
            while (order := next_order()) is not None:
                number, paths, stats = cast(tuple[int, list[str], list[Stat]], order)
                result = store_batch(store, self.root, Batch(paths, stats))
                yield number, result.oids, result.stats, result.problems
            store.flush()
            yield store.relied_on
        finally:
            store.abandon()


class _Pool:
    """Workers that store batches, each into packs of its own."""

    def __init__(self, store: ObjectStore, root: str, count: int):
        self.store = store
        # What is in memory must be on disk before other processes look for it there.
        store.flush()
        token = store.hold_lease().token
        job = _StoreJob(store.folder, store.temporary, store.chunking, token, root)
        self.workers = start([job] * count)

    def run(self, batches: Iterator[Batch]) -> Iterator[tuple[Batch, Stored]]:
        try:
            yield from self._deal(batches)
            for worker in self.workers:
                worker.order(None)
            for worker in self.workers:
                self.store.relied_on.update(cast(set[str], worker.hear()))
            self.store.flush()
        finally:
            for worker in self.workers:
                worker.end()

    def _deal(self, batches: Iterator[Batch]) -> Iterator[tuple[Batch, Stored]]:
        """Keeps every worker busy with two batches, and hands results out in order.

        While all are busy the next batches are fetched already: that is how the caller's walk gets
        ahead, and knows the whole amount of work early.
        """
        load = [0] * len(self.workers)
        ahead: deque[Batch] = deque()
        sent: dict[int, Batch] = {}
        done: dict[int, Stored] = {}
        given = taken = 0
        more = True
        while more or ahead or taken < given:
            if min(load) < IN_FLIGHT and (more or ahead):
                batch = ahead.popleft() if ahead else next(batches, None)
                if batch is None:
                    more = False
                    continue
                worker = load.index(min(load))
                self.workers[worker].order((given, batch.paths, batch.stats))
                sent[given] = batch
                load[worker] += 1
                given += 1
                continue
            while taken in done:
                yield sent.pop(taken), done.pop(taken)
                taken += 1
            if taken == given:
                continue
            fetch = more and len(ahead) < AHEAD_BATCHES
            for worker in ready(self.workers, wait=not fetch):
                number, *columns = cast(tuple[int, Any, Any, Any], self.workers[worker].hear())
                done[number] = Stored(*columns)
                load[worker] -= 1
                fetch = False
            if fetch:
                batch = next(batches, None)
                if batch is None:
                    more = False
                else:
                    ahead.append(batch)
