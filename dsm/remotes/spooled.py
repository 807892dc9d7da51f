"""Files of an address that have to be read anywhere in them: brought to this disk for a while.

What came of one is kept when the import is interrupted, and the rest alone is asked for again. It
lies in `local/imports/<id>.parts`, named by what the file was listed as, so that another state of
it is another file. No name from outside becomes one of this disk.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import BinaryIO

from blake3 import blake3

from dsm.remotes.backend import Backend, Entry
from dsm.remotes.foreign_file import Changed, Garbled, stream
from dsm.store import disk

# So many bytes are made durable at a time; what lies behind the last may be lost in a crash.
STEP_BYTES = 64 << 20
_READ_BYTES = 1 << 20


class Spool:
    """The folder of one import in which files lie that were brought here."""

    def __init__(self, folder: str):
        self._folder = folder

    @contextlib.contextmanager
    def brought(
        self, backend: Backend, entry: Entry, advance: Callable[[int], None] = lambda _: None
    ) -> Iterator[BinaryIO]:
        """Yields a file as one of this disk, which goes when it was used; `advance` is told bytes.

        It stays for the next time when it could not be used. Raises RemoteFailed, WriteFailed.
        """
        disk.make_dirs(self._folder, durable=False)
        name = blake3(repr((backend.url, *_identity(entry))).encode()).hexdigest()[:32]
        path = os.path.join(self._folder, name)
        lock = _sole(path)
        if lock is None:  # another process brings it, too
            path = f"{path}-{os.urandom(6).hex()}"
            disk.write_new(path, b"", durable=False)
        try:
            _bring(backend, entry, path, advance)
            with open(path, "rb", buffering=0) as file:
                yield file
            disk.discard(path)
        finally:
            if lock is None:
                disk.discard(path)
            else:
                disk.unlock(lock)

    @contextlib.contextmanager
    def folder_of_names(self) -> Iterator[str]:
        """Yields a fresh folder, for links to files under the names that they have there."""
        folder = os.path.join(self._folder, f"names-{os.urandom(6).hex()}")
        disk.make_dirs(folder, durable=False)
        lock = disk.lock(folder, exclusive=True)
        try:
            yield folder
        finally:
            disk.remove_tree(folder)
            if lock is not None:
                disk.unlock(lock)

    def clear(self) -> None:
        """Removes what interrupted imports left, but for what another process holds."""
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(self._folder):
                path = os.path.join(self._folder, name)
                lock = _sole(path)
                if lock is not None:
                    disk.remove_tree(path)
                    disk.unlock(lock)
        disk.remove_dir(self._folder)


def _identity(entry: Entry) -> tuple[object, ...]:
    return (entry.name, entry.size, entry.etag, entry.modified)


def _sole(path: str) -> int | None:
    """Locks a file, making it if need be; None when another process has it, or had it just now."""
    lock = disk.lock(path, exclusive=True, patience=0)
    if lock is None:
        return None
    try:
        if os.path.samestat(os.fstat(lock), os.stat(path, follow_symlinks=False)):
            return lock
    except FileNotFoundError:
        pass
    disk.unlock(lock)
    return None


def _bring(backend: Backend, entry: Entry, path: str, advance: Callable[[int], None]) -> None:
    """Writes what is not here yet of a file."""
    # Of what lies here, a crash may have lost what was not yet durable.
    kept = max(0, os.path.getsize(path) - 1) // STEP_BYTES * STEP_BYTES
    fd = disk.open_kept(path, min(kept, entry.size))
    at = min(kept, entry.size)
    try:
        advance(at)
        for part in stream(backend, entry, at, _pieces(path, at) if at else None):
            view = memoryview(part)
            while view:
                room = STEP_BYTES - at % STEP_BYTES
                disk.write_all(fd, view[:room], path)
                at += len(view[:room])
                view = view[room:]
                if at % STEP_BYTES == 0:
                    disk.sync_file(fd, path)
            advance(len(part))
    except (Changed, Garbled):
        disk.discard(path)  # what is not to be gone on with
        raise
    finally:
        os.close(fd)


def _pieces(path: str, size: int) -> Iterator[bytes]:
    """Yields the first bytes of a file."""
    with open(path, "rb", buffering=0) as file:
        while size and (piece := file.read(min(size, _READ_BYTES))):
            size -= len(piece)
            yield piece
