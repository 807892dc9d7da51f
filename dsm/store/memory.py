"""Memory that is written to disk past the page cache: of one process, or of several.

In huge pages where the system has them: the disk is then given a few large pieces in the place of
thousands of pages, and there are fewer faults (docs/adr/0021). They are never needed.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from mmap import mmap

HUGE_BYTES = 2 << 20
_NAME = "dsm"
_COLLAPSE = 25  # MADV_COLLAPSE of Linux 6.1, for which `mmap` has no name


def page_buffer(size: int) -> memoryview:
    """Returns memory that begins at a page, as writes past the cache ask for."""
    import mmap

    memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):
            memory.madvise(mmap.MADV_HUGEPAGE)
    return memoryview(memory)


class SharedMemory:
    """Memory that other processes can open by its path: no file, and gone with its last user.

    `bytes` begins at a page. Raises OSError where there is no such memory.
    """

    def __init__(self, fd: int):
        self._fd = fd
        try:
            self.path = f"/proc/{os.getpid()}/fd/{fd}"
            self._map, self._first = _mapped(fd)
        except BaseException:
            self.close()
            raise
        end = self._first + os.fstat(fd).st_size - 2 * HUGE_BYTES
        self.bytes = memoryview(self._map)[self._first : end]

    @classmethod
    def create(cls, size: int) -> Self:
        """Makes memory of so many bytes, rounded up."""
        fd = os.memfd_create(_NAME, os.MFD_CLOEXEC)
        try:
            os.ftruncate(fd, (-(-size // HUGE_BYTES) + 2) * HUGE_BYTES)
        except BaseException:
            os.close(fd)
            raise
        return cls(fd)

    @classmethod
    def opened(cls, path: str) -> Self:
        """Opens the memory of another process, for reading and writing."""
        return cls(os.open(path, os.O_RDWR | os.O_CLOEXEC))

    def use_huge_pages(self, begin: int, end: int) -> None:
        """Makes huge pages of a part that nobody has used yet, where that is possible.

        The ends are rounded down: who uses the next part rounds its beginning down as well.
        """
        begin, end = begin - begin % HUGE_BYTES, end - end % HUGE_BYTES
        for at in range(begin, end, HUGE_BYTES):
            _ = self.bytes[at]  # pages are joined where there is one
        with contextlib.suppress(OSError):
            self._map.madvise(_COLLAPSE, self._first + begin, end - begin)

    def close(self) -> None:
        """Lets go of it; what is mapped stays mapped."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _mapped(fd: int) -> tuple[mmap, int]:
    """Maps memory, and returns where in the map its third megabyte is.

    A huge page begins at a multiple of its size, in memory and in the file. The system chooses the
    place; it chooses the same for the same size again, and then the map begins as far behind such a
    multiple in the file as in memory. Each process may so leave out another part of the first two
    megabytes, which therefore nobody uses.
    """
    import mmap

    size = os.fstat(fd).st_size - HUGE_BYTES
    memory = mmap.mmap(fd, size)
    behind = _address(os.fstat(fd).st_ino) % HUGE_BYTES
    if behind:
        memory.close()
        memory = mmap.mmap(fd, size, offset=behind)
    return memory, HUGE_BYTES - behind


def _address(inode: int) -> int:
    """Returns where shared memory is mapped in this process, 0 where that is not told."""
    with contextlib.suppress(OSError), open("/proc/self/maps", "rb", buffering=0) as file:
        for line in file.readall().splitlines():
            place, _, _, _, number, *name = line.split(None, 5)
            if int(number) == inode and name[:1] == [f"/memfd:{_NAME} (deleted)".encode()]:
                return int(place.partition(b"-")[0], 16)
    return 0
