"""A file of a materialised view while it is being written, hashed on the way.

Invariant: `finish` returns when the bytes are durable, and the hashes are those of what was
written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from blake3 import blake3

from dsm.store.stream import Stream

if TYPE_CHECKING:
    from threading import Thread

THREADED_BYTES = 1 << 20
AHEAD = 8


@dataclass(frozen=True, slots=True)
class Written:
    """A finished file: name within the folder, examples in it, bytes, and hashes in hex.

    `sha256` is empty where it would cost more than it is worth.
    """

    name: str
    examples: int
    size: int
    blake3: str
    sha256: str

    def to_json(self) -> dict[str, Any]:
        names = [name for name in self.__slots__ if name != "sha256" or self.sha256]
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_json(cls, fields: Any) -> Self:
        """Reads what `to_json` returned. Raises ValueError."""
        found = cls(*({"sha256": "", **fields}[name] for name in cls.__slots__))
        if [type(getattr(found, name)) for name in cls.__slots__] != [str, int, int, str, str]:
            raise ValueError("a field is of a kind that does not belong there")
        if found.to_json() != fields:
            raise ValueError("there are other fields")
        return found


class OutputFile:
    """A file, written once from front to back. `expected` is a guess of its size in bytes.

    It is a new one, or begins with the first `keep` bytes of one that is there already.
    """

    def __init__(
        self,
        path: str,
        expected: int = 0,
        *,
        sha256: bool = True,
        keep: int = 0,
        mode: int = 0o644,
    ):
        self.path = path
        self.size = keep
        self._blake = blake3()
        self._sha = hashlib.sha256() if sha256 else None
        if keep:
            self._hash_kept(keep)
        self._stream = Stream(path, mode, keep=keep)
        self._hashers: list[_Behind] = []
        if expected >= THREADED_BYTES:
            self._hashers = [_Behind(hash_.update) for hash_ in (self._blake, self._sha) if hash_]

    def write(self, data: bytes) -> None:
        """Appends bytes. Raises WriteFailed."""
        self.size += len(data)
        if self._hashers:
            for hasher in self._hashers:
                hasher.put(data)
        else:
            self._hash(data)
        self._stream.write(data)

    def write_now(self, data: memoryview) -> None:
        """Appends bytes that may change when this returns. Not to be mixed with `write`."""
        self.size += len(data)
        self._hash(data)
        self._stream.write(data)

    def _hash(self, data: bytes | memoryview) -> None:
        self._blake.update(data)
        if self._sha is not None:
            self._sha.update(data)

    def _hash_kept(self, left: int) -> None:
        with open(self.path, "rb", buffering=0) as file:
            while left:
                piece = file.read(min(left, THREADED_BYTES))
                self._hash(piece)
                left -= len(piece)

    def finish(self, name: str, examples: int) -> Written:
        """Makes the file durable, closes it and returns what it is."""
        self._stream.sync()
        self._stream.close()
        self._stop()
        sha256 = self._sha.hexdigest() if self._sha is not None else ""
        return Written(name, examples, self.size, self._blake.hexdigest(), sha256)

    def leave(self) -> None:
        """Closes the unfinished file, which stays as far as it is written."""
        self._stop()
        self._stream.leave()

    def abandon(self) -> None:
        """Closes and removes the unfinished file."""
        self._stop()
        self._stream.abandon()

    def _stop(self) -> None:
        hashers, self._hashers = self._hashers, []
        for hasher in hashers:
            hasher.stop()


class _Behind:
    """Passes bytes to a function in a thread: hashing lets other threads run."""

    def __init__(self, update: Callable[[bytes], object]):
        import threading
        from queue import Queue

        self._update = update
        self._queue: Queue[bytes | None] = Queue(AHEAD)
        self.put = self._queue.put
        self._thread: Thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (data := self._queue.get()) is not None:
            self._update(data)

    def stop(self) -> None:
        self._queue.put(None)
        self._thread.join()


def hashes_of(path: str, *, sha256: bool = True) -> tuple[int, str, str]:
    """Reads a file and returns its size, BLAKE3 and SHA-256 (empty if not asked for)."""
    sha, blake, size = hashlib.sha256(), blake3(), 0
    with open(path, "rb", buffering=0) as file:
        buffer = memoryview(bytearray(1 << 20))
        while count := file.readinto(buffer):
            if sha256:
                sha.update(buffer[:count])
            blake.update(buffer[:count])
            size += count
    return size, blake.hexdigest(), sha.hexdigest() if sha256 else ""
