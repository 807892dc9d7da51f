"""A file of a materialised view while it is being written, hashed on the way.

Invariant: `finish` returns when the bytes are durable, and the hashes are those of what was
written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from blake3 import blake3

from dsm.store.stream import Done, Stream

if TYPE_CHECKING:
    import hashlib
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
        self._sha = _sha256() if sha256 else None
        if keep:
            self._hash_kept(keep)
        self._stream = Stream(path, mode, keep=keep)
        self._hashers: list[_Behind] = []
        if expected >= THREADED_BYTES:
            self._hashers = [_Behind(hash_.update) for hash_ in (self._blake, self._sha) if hash_]

    def write(self, data: bytes | memoryview) -> None:
        """Appends bytes. Raises WriteFailed."""
        self.size += len(data)
        if self._hashers:
            piece = bytes(data)  # hashed later; no copy of what is bytes already
            for hasher in self._hashers:
                hasher.put(piece)
        else:
            self._hash(data)
        self._stream.write(data)

    def lend(self, memory: memoryview, begin: int, end: int, done: Done) -> None:
        """Appends `memory[begin:end]`, as `Stream.lend` does: it is hashed and written by threads.

        Raises WriteFailed, perhaps that of an earlier call.
        """
        data = memory[begin:end]
        self.size += len(data)
        if self._hashers:
            done = _the_last_of(1 + len(self._hashers), done)
            for hasher in self._hashers:
                hasher.put(data, done)
        else:
            self._hash(data)
        self._stream.lend(memory, begin, end, done)

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


def _the_last_of(calls: int, done: Done) -> Done:
    """Returns a function that calls `done` when it is called for the last time."""
    countdown = iter(range(calls - 1, -1, -1))  # `next` is atomic: threads share it
    return lambda: next(countdown) or done()


class _Behind:
    """Passes bytes to a function in a thread: hashing lets other threads run."""

    def __init__(self, update: Callable[[bytes | memoryview], object]):
        import threading
        from queue import Queue

        self._update = update
        self._queue: Queue[tuple[bytes | memoryview, Done] | None] = Queue(AHEAD)
        self._thread: Thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def put(self, data: bytes | memoryview, done: Done = bool) -> None:
        """Has the bytes passed on; `done` is called when they have been."""
        self._queue.put((data, done))

    def _run(self) -> None:
        while (order := self._queue.get()) is not None:
            data, done = order
            self._update(data)
            done()

    def stop(self) -> None:
        self._queue.put(None)
        self._thread.join()


def _sha256() -> hashlib._Hash:
    import hashlib  # loads OpenSSL, which a tar has no use for

    return hashlib.sha256()


def hashes_of(path: str, *, sha256: bool = True) -> tuple[int, str, str]:
    """Reads a file and returns its size, BLAKE3 and SHA-256 (empty if not asked for)."""
    sha, blake, size = _sha256() if sha256 else None, blake3(), 0
    with open(path, "rb", buffering=0) as file:
        buffer = memoryview(bytearray(1 << 20))
        while count := file.readinto(buffer):
            if sha is not None:
                sha.update(buffer[:count])
            blake.update(buffer[:count])
            size += count
    return size, blake.hexdigest(), sha.hexdigest() if sha is not None else ""
