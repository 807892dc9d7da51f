"""Making references to files at an address: each is read once, hashed, and not kept."""

from __future__ import annotations

from collections.abc import Iterable

from blake3 import blake3

from dsm.errors import InvalidInput
from dsm.format import chunk_list
from dsm.format.pack import OBJECT_BYTES_MAX
from dsm.format.reference import BLOCK_BYTES, Reference, block_bytes
from dsm.model.names import printable
from dsm.remotes.backend import Backend, Entry
from dsm.remotes.foreign_file import stream


def refer_to(backend: Backend, entry: Entry, path: str) -> Reference:
    """Reads a file once, in little memory; returns a reference to it for an example.

    Raises InvalidInput for one that is too large, RemoteFailed for one of another size than it was
    listed with, and what reading it raises.
    """
    return refer_to_part(backend, entry, path, 0, entry.size, stream(backend, entry))


def refer_to_part(
    backend: Backend, entry: Entry, path: str, start: int, size: int, parts: Iterable[bytes]
) -> Reference:
    """Returns a reference to the bytes of a file from `start` on, which are `parts`.

    Raises InvalidInput for too many of them, or other than `size`, and what reading them raises.
    """
    step = block_bytes(size)
    if not step:
        raise InvalidInput(f"{printable(path)} is too large to be referred to")
    hashes = _Hashes(step)
    for part in parts:
        hashes.add(part)
    if hashes.size != size:
        raise InvalidInput(f"{printable(path)} has another size than its archive says")
    return Reference(
        hashes.whole.digest(), size, backend.url, entry.name, start=start, etag=entry.etag,
        modified=entry.modified, path=path, blocks=hashes.rows(),
    )  # fmt: skip


class _Hashes:
    """The hashes of a stream: of all of it, and of its blocks of `step` bytes."""

    def __init__(self, step: int):
        self.whole, self.size = blake3(), 0
        self._step = step
        self._block, self._held = blake3(), 0
        self._rows: list[bytes] = []

    def add(self, part: bytes) -> None:
        view = memoryview(part)
        self.whole.update(view)
        self.size += len(view)
        while view:
            some = view[: self._step - self._held]
            self._block.update(some)
            self._held += len(some)
            view = view[len(some) :]
            if self._held == self._step:
                self._end()

    def _end(self) -> None:
        self._rows.append(chunk_list.row(self._block.digest(), self._held))
        self._block, self._held = blake3(), 0

    def rows(self) -> bytes:
        """Returns the rows of the blocks; none of what is read whole in any case."""
        if self.size <= min(BLOCK_BYTES[0], OBJECT_BYTES_MAX):
            return b""
        if self._held:
            self._end()
        return b"".join(self._rows)
