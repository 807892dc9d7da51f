"""A writer's sign of life: a locked file that vanishes with the process, whatever kills it.

gc may not delete what a living writer still counts on, and must clean up after dead ones. It asks
the kernel (is the lock held?) and never a clock, a pid or a host name. Temporary files carry the
lease's token in their name.
"""

from __future__ import annotations

import contextlib
import os

from dsm.store import disk

SUFFIX = ".lease"


class Lease:
    """Held by a process from its first temporary file to its last; a context manager."""

    def __init__(self, folder: str):
        self.folder = folder
        self.token = os.urandom(8).hex()
        self.path = os.path.join(folder, self.token + SUFFIX)
        fd = disk.open_new(self.path)
        os.close(fd)
        self._fd = disk.lock(self.path, exclusive=True)
        self._count = 0
        self._owner = os.getpid()

    def temporary(self, suffix: str) -> str:
        """Returns a fresh path for a temporary file of this writer."""
        self._count += 1
        worker = "" if os.getpid() == self._owner else f"-{os.getpid()}"
        return os.path.join(self.folder, f"{self.token}{worker}-{self._count}{suffix}")

    def release(self) -> None:
        """Ends the lease; what it left behind may be removed from now on."""
        if self._fd is not None and os.getpid() == self._owner:
            disk.discard(self.path)
            disk.unlock(self._fd)
            self._fd = None

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def living(folder: str) -> set[str]:
    """Returns the tokens of writers that are alive now."""
    tokens = set()
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(folder):
            if name.endswith(SUFFIX):
                path = os.path.join(folder, name)
                try:
                    fd = disk.lock(path, exclusive=True, wait=False)
                except disk.WriteFailed:
                    continue  # released in this very moment
                if fd is None:
                    tokens.add(name.removesuffix(SUFFIX))
                else:
                    disk.unlock(fd)
    return tokens
