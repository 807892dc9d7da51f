"""Files written once from front to back, past the page cache when they are large."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from dsm.store import disk
from dsm.store.memory import page_buffer

if TYPE_CHECKING:
    from queue import SimpleQueue

STREAM_BYTES = 4 << 20
ALIGNED_BYTES = 4096  # where writes past the cache may begin
RUNS_AT_ONCE = 4

Done = Callable[[], object]


class Stream:
    """A file that is written once, from front to back; not thread-safe.

    It is a new one, or the first `keep` bytes of one that is there already are its beginning.

    What is larger than `STREAM_BYTES` goes past the page cache where the file system can do that,
    while the caller fills the next buffer: a large add then costs no copy into memory that nobody
    will read again, and pushes nobody's files out of it (docs/adr/0014). An error may show one
    buffer late, at the latest in `sync`.
    """

    def __init__(self, path: str, mode: int = 0o644, *, keep: int = 0):
        self.path = path
        self._small: list[bytes | memoryview] = []  # what comes before it is known to be large
        self._held = keep % ALIGNED_BYTES
        if keep:
            with open(path, "rb", buffering=0) as file:
                self._small.append(os.pread(file.fileno(), self._held, keep - self._held))
            self._fd = disk.open_kept(path, keep - self._held)
        else:
            self._fd = disk.open_new(path, mode)
        self._behind: _WriteBehind | None = None

    def write(self, data: bytes | memoryview) -> None:
        """Appends bytes. Raises WriteFailed."""
        if self._behind is not None:
            self._behind.write(data)
            return
        self._small.append(data if isinstance(data, bytes) else bytes(data))
        self._held += len(data)
        if self._held < STREAM_BYTES:
            return
        if not self._pass_cache():
            self._write_small()

    def lend(self, memory: memoryview, begin: int, end: int, done: Done) -> None:
        """Appends `memory[begin:end]` without a copy; `done` is called, perhaps by another thread,
        as soon as the memory may change.

        The memory begins at a page, and `begin` lies as far behind a page as the end of the file:
        up to there that page is overwritten. For files that are large in any case. Raises
        WriteFailed, perhaps that of an earlier call.
        """
        if self._behind is not None or self._pass_cache():
            assert self._behind is not None
            self._behind.lend(memory, begin, end, done)
            return
        self._write_small()
        disk.write_all(self._fd, memory[begin:end], self.path)
        done()

    def _pass_cache(self) -> bool:
        """Begins to write past the page cache; False where the file system cannot do that."""
        if not disk.pass_cache(self._fd):
            return False
        self._behind = _WriteBehind(self._fd, self.path)
        for part in self._small:
            self._behind.write(part)
        self._small, self._held = [], 0
        return True

    def _write_small(self) -> None:
        if self._small:
            disk.write_all(self._fd, b"".join(self._small), self.path)
            self._small, self._held = [], 0

    def sync(self) -> None:
        """Makes everything written durable. A failure is final: the file must be abandoned."""
        if self._behind is not None:
            behind, self._behind = self._behind, None
            behind.finish()
        self._write_small()
        disk.sync_file(self._fd, self.path)

    def close(self) -> None:
        """Closes the file, which is whole when `sync` was called before."""
        fd, self._fd = self._fd, -1
        disk.close(fd, self.path)

    def leave(self) -> None:
        """Closes the unfinished file as far as it is written."""
        if self._behind is not None:
            behind, self._behind = self._behind, None
            behind.stop()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def abandon(self) -> None:
        """Closes and removes the unfinished file."""
        self.leave()
        disk.discard(self.path)


class _WriteBehind:
    """Writes whole pages in a thread: lent ones, or buffers of its own that it fills meanwhile."""

    def __init__(self, fd: int, path: str):
        import threading
        from queue import SimpleQueue

        self._fd = fd
        self._path = path
        self._free: SimpleQueue[memoryview] = SimpleQueue()
        self._buffer: memoryview | None = None
        self._buffers = 0
        self._filled = 0
        self._orders: SimpleQueue[tuple[memoryview, Done] | None] = SimpleQueue()
        self._error: Exception | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def write(self, data: bytes | memoryview) -> None:
        """Copies bytes, and lets a buffer be written when it is full."""
        buffer, at, size = self._buffer, self._filled, len(data)
        if buffer is not None and at + size < STREAM_BYTES:
            buffer[at : at + size] = data
            self._filled = at + size
            return
        view = memoryview(data)
        while view:
            buffer = self._buffer = self._buffer or self._next_buffer()
            part = view[: STREAM_BYTES - self._filled]
            buffer[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            view = view[len(part) :]
            if self._filled == STREAM_BYTES:
                self._order(buffer, partial(self._free.put, buffer))
                self._buffer, self._filled = None, 0

    def _next_buffer(self) -> memoryview:
        if self._buffers < 2:
            self._buffers += 1
            return page_buffer(STREAM_BYTES)
        return self._free.get()

    def lend(self, memory: memoryview, begin: int, end: int, done: Done) -> None:
        """Lets the whole pages be written where they lie, and keeps a copy of the rest."""
        self._order_whole_pages()
        first = begin - self._filled
        if self._filled:
            assert self._buffer is not None
            memory[first:begin] = self._buffer[: self._filled]
        last = max(first, end - end % ALIGNED_BYTES)
        self._filled = end - last
        if self._filled:
            self._buffer = self._buffer or self._next_buffer()
            self._buffer[: self._filled] = memory[last:end]
        if last > first:
            self._order(memory[first:last], done)
        else:
            done()

    def _order_whole_pages(self) -> None:
        """Lets what is in our buffer be written, but for the last part of a page."""
        whole = self._filled - self._filled % ALIGNED_BYTES
        if whole:
            assert self._buffer is not None
            full, rest = self._buffer, bytes(self._buffer[whole : self._filled])
            self._order(full[:whole], partial(self._free.put, full))
            self._buffer, self._filled = None, len(rest)
            if rest:
                self._buffer = self._next_buffer()
                self._buffer[: len(rest)] = rest

    def finish(self) -> None:
        """Writes the rest, through the page cache since it need not fill whole blocks."""
        self.stop()
        self._check()
        disk.use_cache(self._fd)
        if self._buffer is not None:
            disk.write_all(self._fd, self._buffer[: self._filled], self._path)

    def stop(self) -> None:
        """Waits until all whole pages are written, or one could not be."""
        self._orders.put(None)
        self._thread.join()

    def _order(self, pages: memoryview, done: Done) -> None:
        self._check()
        self._orders.put((pages, done))

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while orders := self._next_orders():
            if self._error is None:
                try:
                    disk.write_pages(self._fd, [pages for pages, _ in orders], self._path)
                except Exception as error:  # of whatever kind: somebody waits for `done`
                    self._error = error
            for _, done in orders:
                done()

    def _next_orders(self) -> list[tuple[memoryview, Done]]:
        """Returns what is to be written next, nothing at the end; several runs when they wait: the
        disk does not stand still between them."""
        found: list[tuple[memoryview, Done]] = []
        while not self._ended and len(found) < RUNS_AT_ONCE:
            if found and self._orders.empty():
                break
            order = self._orders.get()
            if order is None:
                self._ended = True
            else:
                found.append(order)
        return found
