"""Files written once from front to back, past the page cache when they are large."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dsm.store import disk

if TYPE_CHECKING:
    from queue import SimpleQueue

STREAM_BYTES = 4 << 20
ALIGNED_BYTES = 4096  # where writes past the cache may begin


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
        if disk.pass_cache(self._fd):
            self._behind = _WriteBehind(self._fd, self.path)
            for part in self._small:
                self._behind.write(part)
        else:
            self._write_small()
        self._small, self._held = [], 0

    def _write_small(self) -> None:
        if self._small:
            disk.write_all(self._fd, b"".join(self._small), self.path)

    def sync(self) -> None:
        """Makes everything written durable. A failure is final: the file must be abandoned."""
        if self._behind is not None:
            behind, self._behind = self._behind, None
            behind.finish()
        self._write_small()
        self._small, self._held = [], 0
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
    """Fills one aligned buffer while a thread writes the other."""

    def __init__(self, fd: int, path: str):
        import threading
        from queue import SimpleQueue

        self._fd = fd
        self._path = path
        self._buffers = [disk.page_buffer(STREAM_BYTES) for _ in range(2)]
        self._filled = 0
        self._orders: SimpleQueue[memoryview | None] = SimpleQueue()
        self._answers: SimpleQueue[disk.WriteFailed | None] = SimpleQueue()
        self._busy = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def write(self, data: bytes | memoryview) -> None:
        size = len(data)
        buffer, at = self._buffers[0], self._filled
        if at + size < STREAM_BYTES:
            buffer[at : at + size] = data
            self._filled = at + size
            return
        view = memoryview(data)
        while view:
            part = view[: STREAM_BYTES - self._filled]
            self._buffers[0][self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            view = view[len(part) :]
            if self._filled == STREAM_BYTES:
                self._wait()
                self._orders.put(self._buffers[0])
                self._busy = True
                self._buffers.reverse()
                self._filled = 0

    def finish(self) -> None:
        """Writes the rest, through the page cache since it need not fill whole blocks."""
        try:
            self._wait()
        finally:
            self.stop()
        disk.use_cache(self._fd)
        disk.write_all(self._fd, self._buffers[0][: self._filled], self._path)

    def stop(self) -> None:
        self._orders.put(None)
        self._thread.join()

    def _wait(self) -> None:
        if self._busy:
            self._busy = False
            error = self._answers.get()
            if error is not None:
                raise error

    def _run(self) -> None:
        while (buffer := self._orders.get()) is not None:
            try:
                disk.write_pages(self._fd, buffer, self._path)
            except disk.WriteFailed as error:
                self._answers.put(error)
            else:
                self._answers.put(None)
