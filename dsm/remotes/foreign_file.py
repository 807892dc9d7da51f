"""Files of an address as they are read, whole or as a stream, in the size they were listed with."""

from __future__ import annotations

import io
from typing import Any

from dsm.model.names import printable
from dsm.remotes.backend import Backend, Entry, NotOnRemote, RemoteFailed
from dsm.remotes.referring import listed_bytes


def whole(backend: Backend, entry: Entry) -> bytes:
    """Returns a file, which has the size that was listed. Raises RemoteFailed for another."""
    try:
        data = b"".join(listed_bytes(backend, entry))
    except NotOnRemote as error:
        raise RemoteFailed(f"{error.message}, though it was listed") from None
    if len(data) != entry.size:
        raise RemoteFailed(
            f"{printable(entry.name)} on {backend.url} has {len(data):,} bytes, and not"
            f" {entry.size:,}: it was changed meanwhile, or cut short"
        )
    return data


class RemoteFile(io.RawIOBase):
    """A file of an address as a stream; one that has another size than it was listed with fails."""

    def __init__(self, backend: Backend, entry: Entry):
        self._backend, self._entry = backend, entry
        self._parts = backend.read(entry.name)
        self._part: bytes = b""
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        """Fills `target` from where the last call ended; 0 at the end. Raises RemoteFailed."""
        while not self._part:
            try:
                self._part = next(self._parts, b"")
            except NotOnRemote as error:
                raise RemoteFailed(f"{error.message}, though it was listed") from None
            self._read += len(self._part)
            if not self._part or self._read > self._entry.size:
                if self._read != self._entry.size:
                    raise RemoteFailed(
                        f"{printable(self._entry.name)} on {self._backend.url} was cut short, or"
                        " changed meanwhile"
                    )
                return 0
        view = memoryview(target)
        count = min(len(view), len(self._part))
        view[:count] = self._part[:count]
        self._part = self._part[count:]
        return count
