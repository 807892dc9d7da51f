"""A writer's sign of life: a locked file that vanishes with the process, whatever kills it.

gc may not delete what a living writer still counts on, and must clean up after dead ones. It asks
the kernel (is the lock held?) and never a clock, a pid or a host name. Temporary files carry the
lease's token in their name.
"""

from __future__ import annotations

import os

from dsm.store import disk

SUFFIX = ".lease"


class Lease:
    """Held by a process from its first temporary file to its last; a context manager."""

    def __init__(self, folder: str, borrowed: str | None = None):
        """Takes out a lease; with `borrowed`, works under the token of a parent process."""
        self.folder = folder
        self.token = borrowed or os.urandom(8).hex()
        self.path = os.path.join(folder, self.token + SUFFIX)
        self._fd: int | None = None
        while borrowed is None and self._fd is None:
            os.close(disk.open_new(self.path))
            self._fd = disk.lock(self.path, exclusive=True)
            if self._fd is not None and not os.fstat(self._fd).st_nlink:
                # Not locked yet, it looked like a dead writer's to gc, which removed it.
                disk.unlock(self._fd)
                self._fd = None

    def temporary(self, suffix: str) -> str:
        """Returns a fresh path for a temporary file of this writer."""
        return os.path.join(self.folder, f"{self.token}-{os.urandom(6).hex()}{suffix}")

    def release(self) -> None:
        """Ends the lease; what it left behind may be removed from now on."""
        if self._fd is not None:
            disk.discard(self.path)
            disk.unlock(self._fd)
            self._fd = None

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def living(folder: str) -> set[str]:
    """Returns the tokens of writers that are alive now."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return set()
    tokens = (name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX))
    return {token for token in tokens if lives(folder, token)}


def lives(folder: str, token: str) -> bool:
    """Whether the writer of this token is alive now."""
    path = os.path.join(folder, token + SUFFIX)
    if not os.path.exists(path):
        return False  # released, maybe in this very moment
    try:
        fd = disk.lock(path, exclusive=True, patience=0)
    except disk.Unwritable:
        return True  # in doubt, it lives
    if fd is None:
        return True
    disk.unlock(fd)
    return False
