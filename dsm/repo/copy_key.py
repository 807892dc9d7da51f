"""The key of this copy of a repository, by which it knows again what it has computed itself.

What is derived is believed only where it carries a tag under this key. The key is made of random
bytes in `local/cache.key` and of the inode number and the change time of that file, which come from
the system and not from whoever made the file: so a file that was copied, unpacked or planted along
with the key is not believed. Specified in docs/format/snapshot-cache.md.
"""

from __future__ import annotations

import os
import stat
import struct

from blake3 import blake3

from dsm.repo.layout import Layout
from dsm.store import disk

KEY_BYTES = 32
TAG_BYTES = 32
_CONTEXT = "dsm 1 cached snapshots of one copy of a repository"
_PLACE = struct.Struct("<Qq")  # inode number, change time in nanoseconds


class CopyKey:
    """Makes tags for bytes that this copy has computed, and knows them again."""

    def __init__(self, layout: Layout):
        self._path = layout.cache_key
        self._temporary = layout.temporary
        self._key: bytes | None = None

    def tag(self, data: bytes, *, make: bool = False) -> bytes | None:
        """Returns the tag of some bytes; None without a key that can be used.

        With `make`, a key is made where there is none. Raises WriteFailed.
        """
        if self._key is None:
            self._key = self._read()
            if self._key is None and make:
                self._make()
                self._key = self._read()
        return None if self._key is None else blake3(data, key=self._key).digest()

    def _read(self) -> bytes | None:
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return None
        try:
            found, data = os.fstat(fd), os.read(fd, KEY_BYTES + 1)
        except OSError:
            return None
        finally:
            os.close(fd)
        if not stat.S_ISREG(found.st_mode) or len(data) != KEY_BYTES:
            return None
        place = _PLACE.pack(found.st_ino, found.st_ctime_ns)
        return blake3(data + place, derive_key_context=_CONTEXT).digest()

    def _make(self) -> None:
        temporary = os.path.join(self._temporary, f"key-{os.urandom(8).hex()}")
        try:
            disk.write_new(temporary, os.urandom(KEY_BYTES), durable=False)
            # In the place of one that cannot be used. Of two processes the last one wins, and what
            # the other has tagged is computed again.
            disk.replace(temporary, self._path)
        except disk.WriteFailed:
            disk.discard(temporary)
            raise
