"""Storing many files: read each once, hash what was read, store exactly that.

Small jobs run in this process; larger ones in forked workers, each writing packs of its own, so
that no byte of content passes between processes. Results come back in the order of the batches.
A file that changes while it is read is read again, and refused if it will not hold still.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from dsm.errors import DsmError, StorageFailed
from dsm.store.fork import Worker, may_fork, ready, receive, send
from dsm.store.objects import ObjectStore

INLINE_FILES = 1000
INLINE_BYTES = 24 << 20
IN_FLIGHT = 2
READ_AGAIN = 3


Stat = tuple[int, int, int, int]


@dataclass(slots=True)
class Batch:
    """Files to store: paths below `root`, and what the scan said of each one.

    A `Stat` is (mtime_ns, ctime_ns, inode, size in bytes).
    """

    paths: list[str]
    stats: list[Stat]


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
    processes are forked, unless this process has threads (a fork would copy their locks).
    """
    source = iter(batches)
    first: list[Batch] = []
    files = size = 0
    for batch in source:
        first.append(batch)
        files += len(batch.paths)
        size += sum(stat[3] for stat in batch.stats)
        if files > INLINE_FILES or size > INLINE_BYTES:
            break
    everything = _chain(first, source)
    many = files > INLINE_FILES or (size > INLINE_BYTES and files > 1)
    if workers > 1 and many and may_fork():
        yield from _Pool(store, root, workers).run(everything)
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
                raise FileUnreadable(f"cannot read {_shown(path)}: it is not a regular file any more")
            size = before.st_size
            if size < limit:
                data = _read_all(fd, size + 1)
                length = len(data)
                oid = None
            else:
                oid, length = store.put_stream(lambda n, fd=fd: os.read(fd, n), suffix)
            after = os.fstat(fd)
            if length == size and _identity(before) == _identity(after):
                return oid or store.put(data, suffix), _identity(after)
        except OSError as error:
            raise _file_error(path, error) from error
        finally:
            os.close(fd)
    raise FileUnreadable(f"cannot read {_shown(path)}: it keeps changing while it is read")


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
        return StorageFailed(f"cannot open {_shown(path)}: {error.strerror}", hint="raise `ulimit -n`")
    return FileUnreadable(f"cannot read {_shown(path)}: {error.strerror or error}")


def _shown(path: str) -> str:
    return path.encode("utf-8", "backslashreplace").decode()


class _Pool:
    """Workers that store batches, each into packs of its own."""

    def __init__(self, store: ObjectStore, root: str, count: int):
        self.store = store
        self.root = root
        self.count = count
        self.workers: list[Worker] = []

    def run(self, batches: Iterator[Batch]) -> Iterator[tuple[Batch, Stored]]:
        # Nothing half-written may be in memory when it is copied into the workers.
        self.store.flush()
        self.store.hold_lease()
        try:
            for _ in range(self.count):
                self.workers.append(Worker(self._work, self.workers))
            yield from self._deal(batches)
            for worker in self.workers:
                send(worker.orders, None)
            for worker in self.workers:
                self.store.relied_on.update(worker.hear())  # type: ignore[arg-type]
            self.store.flush()
        finally:
            for worker in self.workers:
                worker.end()

    def _work(self, orders: int, answers: int) -> None:
        """A worker's life: batches in, results out, until told to finish or the parent is gone."""
        try:
            while (order := receive(orders)) is not None:
                number, paths, stats = order  # type: ignore[misc]
                result = store_batch(self.store, self.root, Batch(paths, stats))
                send(answers, (number, result.oids, result.stats, result.problems))
            self.store.flush()
            send(answers, self.store.relied_on)
        finally:
            self.store.abandon()

    def _deal(self, batches: Iterator[Batch]) -> Iterator[tuple[Batch, Stored]]:
        """Keeps every worker busy with two batches, and hands results out in order."""
        load = [0] * len(self.workers)
        sent: dict[int, Batch] = {}
        done: dict[int, Stored] = {}
        given = taken = 0
        more = True
        while more or taken < given:
            while more and min(load) < IN_FLIGHT:
                batch = next(batches, None)
                if batch is None:
                    more = False
                    break
                worker = load.index(min(load))
                send(self.workers[worker].orders, (given, batch.paths, batch.stats))
                sent[given] = batch
                load[worker] += 1
                given += 1
            while taken in done:
                yield sent.pop(taken), done.pop(taken)
                taken += 1
            if taken < given and not (more and min(load) < IN_FLIGHT):
                for worker in ready(self.workers):
                    number, *result = self.workers[worker].hear()  # type: ignore[misc]
                    done[number] = Stored(*result)
                    load[worker] -= 1
