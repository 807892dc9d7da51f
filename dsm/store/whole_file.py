"""Small files that are read whole, and created whole under a name that may be taken."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Sequence

from dsm.errors import DamagedData, StorageFailed
from dsm.store import disk

# Files that are made durable at the same time: the file system then writes its journal once.
WRITTEN_AT_ONCE = 8


def read_file(path: str, most: int | None = None) -> bytes | None:
    """Reads a small file whole; None when it does not exist.

    Raises StorageFailed, or DamagedData for what is no file, or has more than `most` bytes.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageFailed(f"cannot read {path}: {error.strerror}") from error
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            what = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe or a device"
            raise DamagedData(f"{path} is {what} where a file belongs")
        if most is not None and found.st_size > most:
            raise DamagedData(f"{path} is damaged: {found.st_size} bytes is too long")
        parts = []
        while part := os.read(fd, 1 << 24):
            parts.append(part)
    except OSError as error:
        raise StorageFailed(f"cannot read {path}: {error.strerror}") from error
    finally:
        os.close(fd)
    return b"".join(parts)


def create_file(path: str, data: bytes, temporary_folder: str, *, sync_folder: bool = True) -> bool:
    """Writes, syncs, claims the name, syncs the folder; False when the name is taken.

    Whoever creates many files in any order syncs the folder after the last: `sync_folder` is false.
    """
    for last_try in (False, False, True):
        temporary = os.path.join(temporary_folder, f"new-{os.urandom(8).hex()}")
        try:
            disk.write_new(temporary, data)
            created = disk.claim(temporary, path)
            break
        except disk.WriteFailed as error:
            disk.discard(temporary)
            # gc may take a temporary file for a dead writer's: then write it again.
            if error.errno != errno.ENOENT or last_try or not os.path.isdir(os.path.dirname(path)):
                raise
    if sync_folder:
        disk.sync_dir(os.path.dirname(path))
    return created


@contextlib.contextmanager
def written_aside(files: Sequence[bytes], temporary_folder: str) -> Iterator[list[str]]:
    """Writes files that are to get their names later, and gives where each lies, durable.

    Many at a time: that takes hardly longer than one. What has no name at the end is removed.
    """
    from concurrent.futures import ThreadPoolExecutor

    def write(data: bytes) -> str:
        path = os.path.join(temporary_folder, f"new-{os.urandom(8).hex()}")
        disk.write_new(path, data)
        written.append(path)
        return path

    written: list[str] = []
    try:
        with ThreadPoolExecutor(WRITTEN_AT_ONCE) as workers:
            paths = list(workers.map(write, files))
        yield paths
    finally:
        for path in written:
            disk.discard(path)
